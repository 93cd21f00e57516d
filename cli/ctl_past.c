/* cli/ctl_past.c - kitbagctl user|group history and diff: what was, and what became of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ctl_http.h"
#include "cli/ctl_list.h"
#include "cli/ctl_owner.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

enum { TARGET_MAX_BYTES = 4096 };

/* Secrets and what is no text are told to be so; `value` and its base64 stand under `key`. */
static void show_value(json_t *row, const char *key)
{
    char encoded[64];
    (void)snprintf(encoded, sizeof encoded, "%s_base64", key);
    if (json_object_get(row, encoded) != NULL) {
        (void)json_object_set_new(row, key, json_string("(not text)"));
    }
}

/* --- history --- */

/* Who made the change: a machine by its name, or whoever administers. */
static void show_who(json_t *row)
{
    const char *origin = json_string_value(json_object_get(row, "origin"));
    const char *device = json_string_value(json_object_get(row, "device"));
    const char *actor = json_string_value(json_object_get(row, "actor"));
    json_t *from = origin == NULL || origin[0] == '\0'   ? json_string(actor != NULL ? actor : "")
                   : device != NULL && device[0] != '\0' ? json_sprintf("%s (%s)", device, origin)
                                                         : json_string(origin);
    (void)json_object_set_new(row, "from", from);
}

static void print_history(json_t *rows, bool values)
{
    static const struct output_column columns[] = {
        {"seq", "SEQ", true},
        {"time", "TIME", false},
        {"kind", "WHAT", false},
        {"item", "ITEM", false},
        {"from", "FROM", false},
        {"old_seq", "REPLACED", true},
        {"conflict", "CONFLICT", false},
        {"value", "VALUE", false},
        {"old_value", "WAS", false},
        {NULL, NULL, false},
    };
    struct output_column shown[sizeof columns / sizeof columns[0]];
    size_t i;
    json_t *row;
    memcpy(shown, columns, sizeof columns);
    if (!values) {
        shown[sizeof columns / sizeof columns[0] - 3] =
            columns[sizeof columns / sizeof columns[0] - 1];
    }
    json_array_foreach(rows, i, row)
    {
        show_who(row);
        show_value(row, "value");
        show_value(row, "old_value");
        if (json_is_true(json_object_get(row, "masked"))) {
            (void)json_object_set_new(row, "value", json_string("(secret)"));
        }
    }
    output_rows(OUTPUT_TABLE, shown, rows);
}

static int history_target(const struct invocation *invocation, const struct ctl_kind *kind,
                          struct buf *buf, struct err *err)
{
    ctl_owner_target(buf, kind, invocation->args[0]);
    (void)buf_printf(buf, "/history?limit=1000%s",
                     invocation_has(invocation, "values") ? "&values=1" : "");
    ctl_put_query(buf, "item", invocation->arg_count > 1 ? invocation->args[1] : NULL);
    ctl_put_query(buf, "device", invocation_option(invocation, "device"));
    int rc = ctl_put_moment(invocation, buf, "from", err);
    return rc == 0 ? ctl_put_moment(invocation, buf, "to", err) : rc;
}

static int history(const struct invocation *invocation, const struct ctl_kind *kind,
                   struct err *err)
{
    enum output_format format;
    struct buf buf;
    json_t *rows = NULL;
    json_t *last = NULL;
    size_t lines = 0;
    buf_init(&buf, TARGET_MAX_BYTES);
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_lines(invocation, 0, &lines, err);
    }
    if (rc == 0) {
        rc = history_target(invocation, kind, &buf, err);
    }
    if (rc == 0) {
        const char *target = ctl_target(&buf, err);
        rc = target != NULL ? ctl_list_some(invocation, target, "changes", lines, &rows, &last, err)
                            : E_TOO_LARGE;
    }
    if (rc == 0 && format == OUTPUT_TABLE) {
        print_history(rows, invocation_has(invocation, "values"));
    } else if (rc == 0) {
        output_rows(format, NULL, rows);
    }
    if (rc == 0 && json_is_false(json_object_get(last, "complete"))) {
        output_say("There was more: the journal begins with change %s.\n",
                   json_string_value(json_object_get(last, "oldest")));
    }
    json_decref(rows);
    json_decref(last);
    buf_free(&buf);
    return rc;
}

/* --- diff --- */

static void print_differences(json_t *rows)
{
    static const struct output_column columns[] = {
        {"change", "CHANGE", false}, {"item", "ITEM", false}, {"old_seq", "OLD SEQ", true},
        {"seq", "SEQ", true},        {"time", "TIME", false}, {"origin", "FROM", false},
        {"old_value", "WAS", false}, {"value", "IS", false},  {NULL, NULL, false},
    };
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        show_value(row, "value");
        show_value(row, "old_value");
        if (json_is_true(json_object_get(row, "masked"))) {
            (void)json_object_set_new(row, "value", json_string("(secret)"));
        }
    }
    output_rows(OUTPUT_TABLE, columns, rows);
}

static int diff_target(const struct invocation *invocation, const struct ctl_kind *kind,
                       struct buf *buf, struct err *err)
{
    if (!invocation_has(invocation, "from")) {
        return err_set(err, E_USAGE, "since when? give --from SEQ, --from TIME or --from -2h");
    }
    ctl_owner_target(buf, kind, invocation->args[0]);
    (void)buf_append_span(buf, SPAN_LITERAL("/diff?limit=1000&values=1"));
    ctl_put_query(buf, "device", invocation_option(invocation, "device"));
    int rc = ctl_put_moment(invocation, buf, "from", err);
    return rc == 0 ? ctl_put_moment(invocation, buf, "to", err) : rc;
}

static int diff(const struct invocation *invocation, const struct ctl_kind *kind, struct err *err)
{
    enum output_format format;
    struct buf buf;
    json_t *rows = NULL;
    buf_init(&buf, TARGET_MAX_BYTES);
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = diff_target(invocation, kind, &buf, err);
    }
    if (rc == 0) {
        const char *target = ctl_target(&buf, err);
        rc = target != NULL ? ctl_list(invocation, target, "differences", &rows, err) : E_TOO_LARGE;
    }
    if (rc == 0 && format == OUTPUT_TABLE) {
        print_differences(rows);
    } else if (rc == 0) {
        output_rows(format, NULL, rows);
    }
    json_decref(rows);
    buf_free(&buf);
    return rc;
}

int ctl_user_history(const struct invocation *invocation, struct err *err)
{
    return history(invocation, &ctl_user_kind, err);
}

int ctl_group_history(const struct invocation *invocation, struct err *err)
{
    return history(invocation, &ctl_group_kind, err);
}

int ctl_user_diff(const struct invocation *invocation, struct err *err)
{
    return diff(invocation, &ctl_user_kind, err);
}

int ctl_group_diff(const struct invocation *invocation, struct err *err)
{
    return diff(invocation, &ctl_group_kind, err);
}
