/* cli/ctl_explain.c - kitbagctl user explain: which layer a value comes from, and who set it. */
#include <stdio.h>
#include <string.h>

#include "cli/ctl_http.h"
#include "cli/ctl_owner.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

enum { TARGET_MAX_BYTES = 4096 };

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

/* An administrator, or the machine where it was written. */
static void show_who(json_t *row)
{
    const char *actor = text_of(row, "actor");
    const char *origin = text_of(row, "origin");
    if (json_object_get(row, "seq") != NULL) {
        (void)json_object_set_new(row, "by", json_string(origin[0] != '\0' ? origin : actor));
    }
    if (json_is_true(json_object_get(row, "masked"))) {
        (void)json_object_set_new(row, "value", json_string("(secret)"));
    }
}

static void show_state(json_t *row)
{
    const char *state = json_is_true(json_object_get(row, "counts"))          ? "is seen"
                        : !json_is_true(json_object_get(row, "there"))        ? "has none"
                        : json_is_string(json_object_get(row, "initialised")) ? "was initialised"
                                                                              : "is not read";
    (void)json_object_set_new(row, "state", json_string(state));
    show_who(row);
}

static void show_source(json_t *answer)
{
    const char *layer = text_of(answer, "layer");
    const char *source = strcmp(layer, "shared") == 0    ? "what is shared across all devices"
                         : strcmp(layer, "device") == 0  ? "what this machine alone has"
                         : strcmp(layer, "default") == 0 ? "the default for everybody"
                                                         : "nowhere: there is no value";
    (void)json_object_set_new(answer, "source", json_string(source));
    show_who(answer);
}

static void print_table(json_t *answer)
{
    static const struct output_column summary[] = {
        {"item", "Item", false},       {"category", "Category", false},
        {"sharing", "Sharing", false}, {"copy", "With a copy", false},
        {"device", "Machine", false},  {"source", "Comes from", false},
        {"value", "Value", false},     {"by", "Set by", false},
        {"time", "Time", false},       {"seq", "Seq", false},
        {NULL, NULL, false},
    };
    static const struct output_column layers[] = {
        {"layer", "LAYER", false}, {"device", "MACHINE", false}, {"state", "STATE", false},
        {"seq", "SEQ", true},      {"time", "TIME", false},      {"by", "SET BY", false},
        {"size", "BYTES", true},   {NULL, NULL, false},
    };
    json_t *rows = json_object_get(answer, "layers");
    json_t *row;
    size_t i;
    show_source(answer);
    json_array_foreach(rows, i, row)
    {
        show_state(row);
    }
    output_object(OUTPUT_TABLE, summary, answer);
    (void)putchar('\n');
    output_rows(OUTPUT_TABLE, layers, rows);
}

int ctl_user_explain(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    struct buf buf;
    json_t *answer = NULL;
    buf_init(&buf, TARGET_MAX_BYTES);
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        ctl_owner_target(&buf, &ctl_user_kind, invocation->args[0]);
        (void)buf_append_span(&buf, SPAN_LITERAL("/explain?item="));
        ctl_escape(&buf, invocation->args[1]);
        ctl_put_query(&buf, "device", invocation_option(invocation, "device"));
        const char *target = ctl_target(&buf, err);
        rc = target != NULL ? ctl_ask(invocation, target, NULL, &answer, err) : E_TOO_LARGE;
    }
    if (rc == 0 && format == OUTPUT_TABLE) {
        print_table(answer);
    } else if (rc == 0) {
        output_object(format, NULL, answer);
    }
    json_decref(answer);
    buf_free(&buf);
    return rc;
}
