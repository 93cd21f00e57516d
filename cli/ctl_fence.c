/* cli/ctl_fence.c - kitbagctl fence: categories that are initialised for everybody at once. */
#include <stdio.h>
#include <string.h>

#include "cli/ctl_http.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

/* "copy/default/paper, copy/default/tray": a cell holds one text. */
static void show_except(json_t *row)
{
    json_t *except = json_object_get(row, "except");
    struct buf text;
    size_t i;
    json_t *category;
    buf_init(&text, 64 << 10);
    json_array_foreach(except, i, category)
    {
        (void)buf_printf(&text, "%s%s", i > 0 ? ", " : "", json_string_value(category));
    }
    (void)json_object_set_new(
        row, "except", json_stringn(text.size > 0 ? (const char *)text.data : "", text.size));
    if (json_is_true(json_object_get(row, "cleared"))) {
        (void)json_object_set_new(row, "lift_until", json_string("no longer"));
    }
    buf_free(&text);
}

int ctl_fence_ls(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"layer", "LAYER", false},       {"category", "CATEGORY", false},
        {"position", "SINCE SEQ", true}, {"time", "TIME", false},
        {"actor", "BY", false},          {"lift_until", "CAN BE LIFTED UNTIL", false},
        {"except", "EXCEPT", false},     {NULL, NULL, false},
    };
    enum output_format format;
    json_t *answer = NULL;
    size_t i;
    json_t *row;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_ask(invocation, "/api/v1/fences", NULL, &answer, err);
    }
    if (rc == 0) {
        json_t *rows = json_object_get(answer, "fences");
        if (format == OUTPUT_TABLE) {
            json_array_foreach(rows, i, row)
            {
                show_except(row);
            }
        }
        output_rows(format, columns, rows);
    }
    json_decref(answer);
    return rc;
}

/* --- putting one up, lifting one --- */

struct action {
    const char *target;
    const char *sentence; /* for the confirmation: bags, items, category */
};

static int make_body(const struct invocation *invocation, json_t **out, struct err *err)
{
    json_t *except = json_array();
    const char *category;
    json_t *body =
        json_pack("{s:s, s:s}", "layer", invocation->args[0], "category", invocation->args[1]);
    int rc = body != NULL ? 0 : err_set(err, E_PATH, "the category is not UTF-8 text");
    for (size_t i = 0; (category = invocation_option_at(invocation, "except", i)) != NULL; i++) {
        if (rc == 0 && json_array_append_new(except, json_string(category)) != 0) {
            rc = err_set(err, E_PATH, "the exception '%s' is not UTF-8 text", category);
        }
    }
    if (rc == 0 && json_array_size(except) > 0 && json_object_set(body, "except", except) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(except);
    *out = body;
    return rc;
}

static int ask_action(const struct invocation *invocation, const struct action *action,
                      json_t *body, bool dry_run, json_t **answer, struct err *err)
{
    return json_object_set_new(body, "dry_run", json_boolean(dry_run)) == 0
               ? ctl_ask(invocation, action->target, body, answer, err)
               : err_set(err, E_NOMEM, "out of memory");
}

static int confirm(const struct invocation *invocation, const struct action *action, json_t *body,
                   struct err *err)
{
    char text[1024];
    json_t *preview = NULL;
    int rc = ask_action(invocation, action, body, true, &preview, err);
    if (rc == 0) {
        (void)snprintf(
            text, sizeof text, "%lld items of '%.300s' in %lld bags %s. Go on?",
            (long long)json_integer_value(json_object_get(preview, "items")), invocation->args[1],
            (long long)json_integer_value(json_object_get(preview, "bags")), action->sentence);
        rc = command_confirm(invocation, text, err) ? 0 : err->code;
    }
    json_decref(preview);
    return rc;
}

static int act(const struct invocation *invocation, const struct action *action, struct err *err)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false}, {"layer", "Layer", false}, {"category", "Category", false},
        {"bags", "Bags", false},       {"items", "Items", false}, {"bytes", "Bytes", false},
        {"seq", "Seq", false},         {NULL, NULL, false},
    };
    enum output_format format;
    json_t *body = NULL;
    json_t *answer = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = make_body(invocation, &body, err);
    }
    if (rc == 0 && !dry_run && !invocation_has(invocation, "yes")) {
        rc = confirm(invocation, action, body, err);
    }
    if (rc == 0) {
        rc = ask_action(invocation, action, body, dry_run, &answer, err);
    }
    if (rc == 0) {
        output_object(format, columns + (dry_run ? 0 : 1), answer);
    }
    json_decref(body);
    json_decref(answer);
    return rc;
}

int ctl_fence_set(const struct invocation *invocation, struct err *err)
{
    static const struct action action = {
        "/api/v1/fences", "will be as if they had never been set, here and on every machine"};
    return act(invocation, &action, err);
}

int ctl_fence_lift(const struct invocation *invocation, struct err *err)
{
    static const struct action action = {"/api/v1/fences/lift",
                                         "will be there again, here and on every machine"};
    return act(invocation, &action, err);
}
