/* cli/ctl_owner.c - kitbagctl user and group: the same verbs on two kinds of owners. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ctl_http.h"
#include "cli/ctl_list.h"
#include "cli/ctl_owner.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

enum { TARGET_MAX_BYTES = 4096, PAGE = 1000 };

const struct ctl_kind ctl_user_kind = {"user", "users", "user", "users"};
const struct ctl_kind ctl_group_kind = {"group", "groups", "group", "groups"};

/* --- listing --- */

static int list(const struct invocation *invocation, const struct ctl_kind *kind, struct err *err)
{
    static const struct output_column columns[] = {
        {"name", "NAME", false}, {"items", "ITEMS", true}, {"bytes", "BYTES", true},
        {"seq", "SEQ", true},    {NULL, NULL, false},
    };
    enum output_format format;
    size_t lines = 0;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_lines(invocation, 0, &lines, err);
    }
    if (rc != 0) {
        return rc;
    }
    const char *search = invocation->arg_count > 0 ? invocation->args[0] : "";
    struct buf buf;
    buf_init(&buf, TARGET_MAX_BYTES);
    (void)buf_printf(&buf, "/api/v1/owners?kind=%s&limit=%zu&search=", kind->name,
                     lines > 0 && lines < PAGE ? lines : PAGE);
    ctl_escape(&buf, search);
    const char *target = ctl_target(&buf, err);
    json_t *rows = NULL;
    rc = target != NULL ? ctl_list_some(invocation, target, "owners", lines, &rows, NULL, err)
                        : E_TOO_LARGE;
    if (rc == 0 && search[0] != '\0' && json_array_size(rows) == 0) {
        rc = err_set(err, E_NOT_FOUND, "no %s has '%s' in the name", kind->one, search);
    }
    if (rc == 0) {
        output_rows(format, columns, rows);
    }
    json_decref(rows);
    buf_free(&buf);
    return rc;
}

/* --- showing --- */

void ctl_owner_target(struct buf *buf, const struct ctl_kind *kind, const char *name)
{
    buf_reset(buf);
    (void)buf_printf(buf, "/api/v1/owners/%s/", kind->name);
    ctl_escape(buf, name);
}

/* The owner, then the items of the very same moment. */
static int fetch_owner(const struct invocation *invocation, const struct ctl_kind *kind,
                       json_t **owner, struct err *err)
{
    const char *name = invocation->args[0];
    const char *device = invocation_option(invocation, "device");
    struct buf buf;
    json_t *items = NULL;
    buf_init(&buf, TARGET_MAX_BYTES);
    ctl_owner_target(&buf, kind, name);
    (void)buf_append_span(&buf, device != NULL || invocation_has(invocation, "at")
                                    ? SPAN_LITERAL("?")
                                    : span_of(NULL, 0));
    ctl_put_query(&buf, "device", device);
    int rc = ctl_put_moment(invocation, &buf, "at", err);
    const char *target = ctl_target(&buf, err);
    rc = rc == 0 && target == NULL ? E_TOO_LARGE : rc;
    if (rc == 0) {
        rc = ctl_ask(invocation, target, NULL, owner, err);
    }
    if (rc == 0) {
        ctl_owner_target(&buf, kind, name);
        (void)buf_printf(&buf, "/items?limit=10000%s",
                         invocation_has(invocation, "values") ? "&values=1" : "");
        ctl_put_query(&buf, "device", device);
        ctl_put_query(&buf, "at", json_string_value(json_object_get(*owner, "at")));
        target = ctl_target(&buf, err);
        rc = target != NULL ? ctl_list(invocation, target, "items", &items, err) : E_TOO_LARGE;
    }
    if (rc == 0 && json_object_set(*owner, "items", items) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(items);
    buf_free(&buf);
    return rc;
}

/* A person sees a head and a table; a secret's value is told to be one. */
static void print_owner(const struct ctl_kind *kind, json_t *owner)
{
    static const struct output_column columns[] = {
        {"item", "ITEM", false}, {"size", "SIZE", true},    {"seq", "SEQ", true},
        {"time", "TIME", false}, {"origin", "FROM", false}, {"value", "VALUE", false},
        {NULL, NULL, false},
    };
    json_t *items = json_object_get(owner, "items");
    size_t i;
    json_t *row;
    json_array_foreach(items, i, row)
    {
        if (json_is_true(json_object_get(row, "masked"))) {
            (void)json_object_set_new(row, "value", json_string("(secret)"));
        } else if (json_object_get(row, "value_base64") != NULL) {
            (void)json_object_set_new(row, "value", json_string("(not text)"));
        }
    }
    const char *deleted = json_string_value(json_object_get(owner, "deleted"));
    long long hidden = json_integer_value(json_object_get(owner, "hidden"));
    (void)printf("%s %s, bag %s, at seq %s: %zu items", kind->one,
                 json_string_value(json_object_get(owner, "name")),
                 json_string_value(json_object_get(owner, "bag_id")),
                 json_string_value(json_object_get(owner, "seq")), json_array_size(items));
    if (hidden > 0) {
        (void)printf(" (%lld more are initialised: kitbagctl fence ls)", hidden);
    }
    if (deleted != NULL) {
        (void)printf("; deleted since, with change %s", deleted);
    }
    (void)printf("\n\n");
    output_rows(OUTPUT_TABLE, columns, items);
}

static int show(const struct invocation *invocation, const struct ctl_kind *kind, struct err *err)
{
    static const struct output_column none[] = {{NULL, NULL, false}};
    enum output_format format;
    json_t *owner = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = fetch_owner(invocation, kind, &owner, err);
    }
    if (rc == 0 && format == OUTPUT_TABLE) {
        print_owner(kind, owner);
    } else if (rc == 0) {
        output_object(format, none, owner);
    }
    json_decref(owner);
    return rc;
}

/* --- deleting --- */

static json_int_t number(json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

static int ask_deletion(const struct invocation *invocation, const struct ctl_kind *kind,
                        bool dry_run, json_t **report, struct err *err)
{
    json_t *names = json_array();
    for (int i = 0; i < invocation->arg_count; i++) {
        if (json_array_append_new(names, json_string(invocation->args[i])) != 0) {
            json_decref(names);
            return err_set(err, E_NAME, "'%s' is not UTF-8 text", invocation->args[i]);
        }
    }
    json_t *body = json_pack("{s:o, s:b}", kind->member, names, "dry_run", dry_run);
    if (body != NULL && invocation_has(invocation, "adopt")) {
        (void)json_object_set_new(body, "adopt", json_true());
    }
    int rc = body != NULL ? ctl_ask(invocation, "/api/v1/owners/delete", body, report, err)
                          : err_set(err, E_NOMEM, "out of memory");
    json_decref(body);
    return rc;
}

/* Names that are not registered, and those that the server refused. */
static void tell_rest(const struct ctl_kind *kind, json_t *report)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(report, "missing"), i, row)
    {
        output_say("there is no %s '%s'\n", kind->one, json_string_value(row));
    }
    json_array_foreach(json_object_get(report, "failed"), i, row)
    {
        output_say("%s '%s': %s\n", kind->one, json_string_value(json_object_get(row, "name")),
                   json_string_value(json_object_get(row, "reason")));
    }
}

/* With --adopt: whose copy will come, at once or when the machine is there. */
static void tell_suppliers(const struct invocation *invocation, json_t *report)
{
    json_t *suppliers = json_object_get(report, "suppliers");
    size_t i;
    json_t *row;
    if (!invocation_has(invocation, "adopt")) {
        return;
    }
    json_array_foreach(suppliers, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *id = json_string_value(json_object_get(row, "id"));
        output_say("a copy is held by machine %s (%s)\n",
                   name != NULL && name[0] != '\0' ? name : id,
                   json_is_true(json_object_get(row, "connected")) ? "connected" : "not connected");
    }
    if (json_array_size(suppliers) == 0) {
        output_say("no machine is known to hold a copy\n");
    }
}

static bool confirm(const struct invocation *invocation, const struct ctl_kind *kind,
                    json_t *preview, struct err *err)
{
    char text[400];
    json_int_t count = number(preview, kind->member);
    const char *what = count == 1 ? kind->one : kind->many;
    tell_rest(kind, preview);
    tell_suppliers(invocation, preview);
    if (invocation_has(invocation, "adopt")) {
        (void)snprintf(
            text, sizeof text,
            "%lld %s with %lld items (%lld bytes) will be deleted here. The first machine "
            "that holds a copy hands it in, and that copy then holds here and on all "
            "other machines. Go on?",
            (long long)count, what, (long long)number(preview, "items"),
            (long long)number(preview, "bytes"));
    } else {
        (void)snprintf(text, sizeof text,
                       "%lld %s with %lld items (%lld bytes) will be deleted, here and on %lld "
                       "machines that keep them. Go on?",
                       (long long)count, what, (long long)number(preview, "items"),
                       (long long)number(preview, "bytes"), (long long)number(preview, "devices"));
    }
    return command_confirm(invocation, text, err);
}

static int delete_names(const struct invocation *invocation, const struct ctl_kind *kind,
                        json_t **report, struct err *err)
{
    if (invocation_has(invocation, "dry-run")) {
        return ask_deletion(invocation, kind, true, report, err);
    }
    if (!invocation_has(invocation, "yes")) {
        json_t *preview = NULL;
        int rc = ask_deletion(invocation, kind, true, &preview, err);
        if (rc == 0 && !confirm(invocation, kind, preview, err)) {
            rc = err->code;
        }
        json_decref(preview);
        if (rc != 0) {
            return rc;
        }
    }
    return ask_deletion(invocation, kind, false, report, err);
}

static int rm(const struct invocation *invocation, const struct ctl_kind *kind, struct err *err)
{
    const struct output_column columns[] = {
        {"dry_run", "Dry run", false}, {kind->member, "Deleted", true}, {"items", "Items", true},
        {"bytes", "Bytes", true},      {"devices", "Machines", true},   {"seq", "Seq", true},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *report = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = delete_names(invocation, kind, &report, err);
    }
    if (rc != 0) {
        json_decref(report);
        return rc;
    }
    tell_rest(kind, report);
    tell_suppliers(invocation, report);
    json_int_t done = number(report, kind->member);
    if (done > 0) {
        output_object(format, columns + (invocation_has(invocation, "dry-run") ? 0 : 1), report);
    }
    rc = ctl_left_out(report, done, err);
    json_decref(report);
    return rc;
}

int ctl_user_ls(const struct invocation *invocation, struct err *err)
{
    return list(invocation, &ctl_user_kind, err);
}

int ctl_user_show(const struct invocation *invocation, struct err *err)
{
    return show(invocation, &ctl_user_kind, err);
}

int ctl_user_rm(const struct invocation *invocation, struct err *err)
{
    return rm(invocation, &ctl_user_kind, err);
}

int ctl_group_ls(const struct invocation *invocation, struct err *err)
{
    return list(invocation, &ctl_group_kind, err);
}

int ctl_group_show(const struct invocation *invocation, struct err *err)
{
    return show(invocation, &ctl_group_kind, err);
}

int ctl_group_rm(const struct invocation *invocation, struct err *err)
{
    return rm(invocation, &ctl_group_kind, err);
}
