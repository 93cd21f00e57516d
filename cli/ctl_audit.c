/* cli/ctl_audit.c - kitbagctl audit: who did what in administration, the newest first. */
#include <stdio.h>
#include <string.h>

#include "cli/ctl_list.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

enum { TARGET_MAX_BYTES = 4096, LINES = 100 };

/* Names and numbers of what it was about, as "account=ann role=viewer". */
static void put_value(struct buf *out, const char *key, const json_t *value)
{
    size_t i;
    json_t *one;
    (void)buf_printf(out, "%s%s=", out->size > 0 ? " " : "", key);
    if (json_is_string(value)) {
        (void)buf_printf(out, "%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        (void)buf_printf(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_boolean(value)) {
        (void)buf_printf(out, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, one)
        {
            const char *text = json_string_value(one);
            (void)buf_printf(out, "%s%s", i > 0 ? "," : "", text != NULL ? text : "...");
        }
    }
}

static void show_about(json_t *row)
{
    struct buf text;
    const char *key;
    json_t *value;
    buf_init(&text, 16 << 10); /* what is longer is not shown: -o json shows it */
    json_object_foreach(json_object_get(row, "about"), key, value)
    {
        put_value(&text, key, value);
    }
    (void)json_object_set_new(
        row, "about", json_stringn(text.size > 0 ? (const char *)text.data : "", text.size));
    buf_free(&text);
}

static void print_audit(json_t *rows)
{
    static const struct output_column columns[] = {
        {"time", "TIME", false},    {"actor", "WHO", false}, {"action", "WHAT", false},
        {"address", "FROM", false}, {"via", "BY", false},    {"seq", "SEQ", true},
        {"about", "ABOUT", false},  {NULL, NULL, false},
    };
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        show_about(row);
    }
    output_rows(OUTPUT_TABLE, columns, rows);
}

static int audit_target(const struct invocation *invocation, struct buf *buf, struct err *err)
{
    (void)buf_append_span(buf, SPAN_LITERAL("/api/v1/audit?limit=1000"));
    ctl_put_query(buf, "actor", invocation_option(invocation, "actor"));
    ctl_put_query(buf, "action", invocation_option(invocation, "action"));
    int rc = ctl_put_moment(invocation, buf, "from", err);
    return rc == 0 ? ctl_put_moment(invocation, buf, "to", err) : rc;
}

int ctl_audit(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    struct buf buf;
    json_t *rows = NULL;
    json_t *last = NULL;
    size_t lines = 0;
    buf_init(&buf, TARGET_MAX_BYTES);
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_lines(invocation, LINES, &lines, err);
    }
    if (rc == 0) {
        rc = audit_target(invocation, &buf, err);
    }
    if (rc == 0) {
        const char *target = ctl_target(&buf, err);
        rc = target != NULL ? ctl_list_some(invocation, target, "audit", lines, &rows, &last, err)
                            : E_TOO_LARGE;
    }
    if (rc == 0 && format == OUTPUT_TABLE) {
        print_audit(rows);
    } else if (rc == 0) {
        output_rows(format, NULL, rows);
    }
    if (rc == 0 && json_is_false(json_object_get(last, "complete"))) {
        output_say("There was more: the journal does not reach back further.\n");
    }
    json_decref(rows);
    json_decref(last);
    buf_free(&buf);
    return rc;
}
