/* admin/api/exports.c - user data prepared for export: preparing, looking, fetching.
 *
 * What is fetched carries people's data: it takes an operator, and the audit is told who fetched
 * what. Passwords are never told.
 */
#include "admin/exports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/api/api.h"
#include "admin/auth/auth.h"

enum { IDS_MAX = 1000 };

static const char personal_name[] = "personal-settings";
static const char groups_name[] = "group-address-lists";

static int no_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "out of memory");
}

/* --- one as JSON --- */

static json_t *device_text(uint64_t device)
{
    char text[DEVICE_TEXT_MAX];
    if (device == 0) {
        return json_null();
    }
    device_format(device, text);
    return json_string(text);
}

static json_t *items_of(const struct admin_export *export)
{
    json_t *items = json_array();
    if (export->has_personal) {
        (void)json_array_append_new(items, json_string(personal_name));
    }
    if (export->has_groups) {
        (void)json_array_append_new(items, json_string(groups_name));
    }
    return items;
}

static json_t *late_of(const struct admin_export *export)
{
    json_t *late = json_array();
    for (uint64_t i = 0; i < export->late_count && i < EXPORT_LATE_MAX; i++) {
        (void)json_array_append_new(late, device_text(export->late[i]));
    }
    return late;
}

static json_t *counts_of(const struct admin_export *export)
{
    const struct snapshot_counts *counts = &export->counts;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "users", (json_int_t)counts->users,
                     "groups", (json_int_t)counts->groups, "items", (json_int_t)counts->items,
                     "removed", (json_int_t)counts->removed, "not_exported",
                     (json_int_t)(counts->left_out - counts->secrets), "secrets",
                     (json_int_t)counts->secrets, "bytes", (json_int_t)counts->bytes);
}

static json_t *export_of(const struct admin_export *export)
{
    char history[2 * HISTORY_SIZE + 1];
    hex_encode(export->history, HISTORY_SIZE, history);
    return json_pack(
        "{s:s, s:i, s:s, s:o, s:o, s:o, s:I, s:s, s:b, s:o, s:I, s:I, s:o, s:b, s:I, s:o, s:{s:I, "
        "s:I}, "
        "s:I, s:o}",
        "id", export->id, "version", (int)export->version, "history", history, "seq",
        admin_api_seq(export->seq), "created", admin_api_time(export->created_ms), "expires_at",
        admin_api_time(export->expires_ms), "left_ms", (json_int_t) export->left_ms, "by",
        export->by, "all", export->all, "since_device", device_text(export->since_device), "users",
        (json_int_t) export->users, "groups", (json_int_t) export->groups, "items",
        items_of(export), "password", export->has_password, "size", (json_int_t) export->size,
        "counts", counts_of(export), "addresses", "personal",
        (json_int_t) export->personal_addresses, "group", (json_int_t) export->group_addresses,
        "late_count", (json_int_t) export->late_count, "late", late_of(export));
}

static int answer(struct admin_response *response, const struct admin_export *export,
                  struct err *err)
{
    response->json = export_of(export);
    return response->json != NULL ? 0 : no_memory(err);
}

/* What the audit is told of one. */
static json_t *about_of(const struct admin_export *export)
{
    return json_pack("{s:s, s:o, s:I, s:I, s:b, s:o, s:b, s:o}", "id", export->id, "seq",
                     admin_api_seq(export->seq), "users", (json_int_t) export->users, "groups",
                     (json_int_t) export->groups, "all", export->all, "items", items_of(export),
                     "password", export->has_password, "since_device",
                     device_text(export->since_device));
}

/* --- what is wanted --- */

static int read_form(json_t *body, struct admin_export_form *form, struct err *err)
{
    json_t *items = NULL;
    json_t *password = json_object_get(body, "password");
    size_t i;
    json_t *item;
    if (password != NULL && !json_is_string(password)) {
        return err_set(err, E_INVALID, "'password' is a text");
    }
    if (password != NULL && json_string_length(password) == 0) {
        return err_set(err, E_INVALID,
                       "an empty password is none: leave 'password' out for a file that anybody "
                       "can read, without secrets");
    }
    if (password != NULL) {
        form->password = span_of(json_string_value(password), json_string_length(password));
    }
    int rc = admin_api_strings(body, "items", 2, &items, err);
    form->personal = items == NULL;
    form->groups = items == NULL;
    json_array_foreach(items, i, item) /* nothing when it is no array of texts */
    {
        bool personal = strcmp(json_string_value(item), personal_name) == 0;
        if (rc == 0 && !personal && strcmp(json_string_value(item), groups_name) != 0) {
            rc = err_set(err, E_INVALID, "'items' takes %s and %s, not '%.40s'", personal_name,
                         groups_name, json_string_value(item));
        }
        form->personal = form->personal || personal;
        form->groups = form->groups || !personal;
    }
    return rc;
}

static int take_owners(json_t *names, enum owner_kind kind, struct owner *owners, size_t *count,
                       struct err *err)
{
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name)
    {
        int rc = owner_make(&owners[*count], kind, span_str(json_string_value(name)), 0, err);
        if (rc != 0) {
            return rc;
        }
        (*count)++;
    }
    return 0;
}

/* `owners` is new, and the caller's. */
static int read_owners(json_t *body, struct admin_export_order *order, struct owner **owners,
                       struct err *err)
{
    json_t *users = NULL;
    json_t *groups = NULL;
    int rc = admin_api_strings(body, "users", SIZE_MAX, &users, err);
    if (rc == 0) {
        rc = admin_api_strings(body, "groups", SIZE_MAX, &groups, err);
    }
    size_t count = json_array_size(users) + json_array_size(groups);
    if (rc == 0 && order->all && count > 0) {
        rc = err_set(err, E_INVALID, "'all' takes everybody: name no users and groups with it");
    }
    if (rc == 0 && count > 0) {
        *owners = calloc(count, sizeof **owners);
        rc = *owners != NULL ? 0 : no_memory(err);
    }
    if (rc == 0) {
        rc = take_owners(users, OWNER_USER, *owners, &order->owner_count, err);
    }
    if (rc == 0) {
        rc = take_owners(groups, OWNER_GROUP, *owners, &order->owner_count, err);
    }
    order->owners = *owners;
    return rc;
}

static int read_order(json_t *body, struct admin_export_order *order, struct owner **owners,
                      struct err *err)
{
    json_t *device = json_object_get(body, "since_device");
    int rc = admin_api_bool(body, "all", &order->all, err);
    if (rc == 0) {
        rc = read_form(body, &order->form, err);
    }
    if (rc == 0 && device != NULL) {
        rc = json_is_string(device)
                 ? device_parse(json_string_value(device), &order->since_device, err)
                 : err_set(err, E_INVALID, "'since_device' is a machine's ID");
    }
    return rc == 0 ? read_owners(body, order, owners, err) : rc;
}

/* The password is nowhere but in the request, which is freed. */
static void forget(json_t *body)
{
    json_t *password = json_object_get(body, "password");
    if (json_is_string(password)) {
        explicit_bzero((void *)(uintptr_t)json_string_value(password),
                       json_string_length(password));
    }
    json_decref(body);
}

/* --- preparing --- */

int admin_api_exports_prepare(const struct admin_request *request, struct admin_response *response,
                              struct err *err)
{
    struct admin_export_order order = {.actor = request->actor, .given_up = request->given_up};
    struct admin_export made;
    struct owner *owners = NULL;
    json_t *body = NULL;
    int rc = admin_body_json(request, "users groups all items since_device password", &body, err);
    if (rc == 0) {
        rc = read_order(body, &order, &owners, err);
    }
    if (rc == 0) {
        rc = admin_exports_prepare(request->backend->exports, request->backend, &order, &made, err);
    }
    if (rc == 0) {
        response->status = 201;
        response->about = about_of(&made);
        rc = answer(response, &made, err);
    }
    free(owners);
    forget(body);
    return rc;
}

int admin_api_export_shape(const struct admin_request *request, struct admin_response *response,
                           struct err *err)
{
    struct admin_export_form form = {0};
    struct admin_export made;
    json_t *body = NULL;
    int rc = admin_body_json(request, "items password", &body, err);
    if (rc == 0) {
        rc = read_form(body, &form, err);
    }
    if (rc == 0) {
        rc = admin_exports_shape(request->backend->exports, request->parts[0], &form, &made, err);
    }
    if (rc == 0) {
        response->about = about_of(&made);
        rc = answer(response, &made, err);
    }
    forget(body);
    return rc;
}

/* --- looking --- */

int admin_api_exports(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    uint64_t users = 0;
    uint64_t groups = 0;
    uint64_t keep_ms = 0;
    struct admin_export *all = calloc(EXPORTS_MAX, sizeof *all);
    json_t *rows = json_array();
    if (all == NULL) {
        json_decref(rows);
        return no_memory(err);
    }
    size_t count = admin_exports_list(request->backend->exports, all);
    admin_exports_limits(request->backend->exports, &users, &groups, &keep_ms);
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(rows, export_of(&all[i]));
    }
    free(all);
    response->json =
        json_pack("{s:o, s:{s:I, s:I, s:I}}", "exports", rows, "limits", "users", (json_int_t)users,
                  "groups", (json_int_t)groups, "keep_ms", (json_int_t)keep_ms);
    bool whole = json_array_size(rows) == count;
    return response->json != NULL && whole ? 0 : no_memory(err);
}

int admin_api_export(const struct admin_request *request, struct admin_response *response,
                     struct err *err)
{
    struct admin_export found;
    int rc = admin_exports_get(request->backend->exports, request->parts[0], &found, err);
    return rc == 0 ? answer(response, &found, err) : rc;
}

/* --- fetching --- */

/* A GET is no change, and told all the same: it takes people's data out of the house. */
static void tell_audit(const struct admin_request *request, struct admin_response *response,
                       const char *action)
{
    const struct admin_route route = {
        .method = "GET", .action = action, .role = ADMIN_ROLE_OPERATOR};
    response->status = 200;
    admin_audit(request, &route, response);
}

int admin_api_export_snapshot(const struct admin_request *request, struct admin_response *response,
                              struct err *err)
{
    struct admin_export found;
    int rc = admin_exports_open(request->backend->exports, request->parts[0], &found,
                                &response->file, err);
    if (rc != 0) {
        return rc;
    }
    response->is_file = true;
    response->file_size = found.size;
    response->content_type = "application/octet-stream";
    (void)snprintf(response->file_etag, sizeof response->file_etag, "%s-%u", found.id,
                   found.version);
    (void)snprintf(response->disposition_name, sizeof response->disposition_name,
                   "export-%llu.kitbag", (unsigned long long)found.seq);
    response->about = about_of(&found);
    tell_audit(request, response, "export.fetch");
    return 0;
}

static int read_lists(const struct admin_request *request, struct admin_export_lists *lists,
                      struct err *err)
{
    const char *kind = admin_query(request, "kind");
    const char *format = admin_query(request, "format");
    kind = kind != NULL ? kind : "";
    lists->group = strcmp(kind, "group") == 0;
    if (!lists->group && strcmp(kind, "personal") != 0) {
        return err_set(err, E_INVALID, "'kind' is personal or group");
    }
    return admin_format_parse(format != NULL ? format : "csv", &lists->format)
               ? 0
               : err_set(err, E_INVALID, "'format' is csv, ldif or vcard");
}

int admin_api_export_addresses(const struct admin_request *request, struct admin_response *response,
                               struct err *err)
{
    static const char *const types[] = {
        [ADMIN_FORMAT_LDIF] = "text/x-ldif; charset=utf-8",
        [ADMIN_FORMAT_CSV] = "text/csv; charset=utf-8",
        [ADMIN_FORMAT_VCARD] = "text/vcard; charset=utf-8",
    };
    static const char *const ends[] = {
        [ADMIN_FORMAT_LDIF] = "ldif", [ADMIN_FORMAT_CSV] = "csv", [ADMIN_FORMAT_VCARD] = "vcf"};
    uint64_t addresses = 0;
    struct admin_export_lists lists = {.given_up = request->given_up, .addresses = &addresses};
    int rc = read_lists(request, &lists, err);
    if (rc == 0) {
        rc = admin_exports_addresses(request->backend->exports, request->parts[0], &lists,
                                     &response->file, &response->file_size, err);
    }
    if (rc != 0) {
        return rc;
    }
    const char *kind = lists.group ? "group" : "personal";
    response->is_file = true;
    response->content_type = types[lists.format];
    (void)snprintf(response->file_etag, sizeof response->file_etag, "%s-%s-%s", request->parts[0],
                   kind, ends[lists.format]);
    (void)snprintf(response->disposition_name, sizeof response->disposition_name,
                   "%s-address-lists.%s", kind, ends[lists.format]);
    response->about = json_pack("{s:s, s:s, s:s, s:I}", "id", request->parts[0], "kind", kind,
                                "format", ends[lists.format], "addresses", (json_int_t)addresses);
    tell_audit(request, response, "export.addresses");
    return 0;
}

/* --- removing --- */

int admin_api_exports_delete(const struct admin_request *request, struct admin_response *response,
                             struct err *err)
{
    struct admin_exports *exports = request->backend->exports;
    struct admin_api_named named = {0};
    struct admin_export found;
    json_t *missing = json_array();
    json_int_t gone = 0;
    size_t i;
    json_t *name;
    int rc = admin_api_named(request, "ids", IDS_MAX, "prepared export", &named, err);
    if (rc != 0) {
        json_decref(missing);
        json_decref(named.body);
        return rc;
    }
    json_array_foreach(named.names, i, name)
    {
        const char *id = json_string_value(name);
        bool there = named.dry_run ? admin_exports_get(exports, id, &found, NULL) == 0
                                   : admin_exports_remove(exports, id, NULL) == 0;
        gone += there;
        if (!there) {
            (void)json_array_append(missing, name);
        }
    }
    response->json =
        json_pack("{s:b, s:I, s:O}", "dry_run", named.dry_run, "exports", gone, "missing", missing);
    response->about = json_pack("{s:I, s:O}", "exports", gone, "ids", named.names);
    rc = response->json != NULL && response->about != NULL ? 0 : no_memory(err);
    if (rc == 0 && gone == 0) {
        json_decref(response->json);
        response->json = NULL;
        rc = err_set(err, E_NOT_FOUND, "none of these exports is there (any more)");
    }
    json_decref(missing);
    json_decref(named.body);
    return rc;
}
