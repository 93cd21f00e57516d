/* admin/api/api.c - the table of routes, and what several of their functions need. */
#include "admin/api/api.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

const struct admin_route admin_api_routes[] = {
    {"POST", "/api/v1/session", ADMIN_LANE_PASSWORD, ADMIN_BODY_JSON, "", ADMIN_ROLE_NONE,
     "session.begin", admin_api_session_begin},
    {"GET", "/api/v1/session", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL,
     admin_api_session},
    {"DELETE", "/api/v1/session", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER,
     "session.end", admin_api_session_end},
    {"POST", "/api/v1/session/password", ADMIN_LANE_PASSWORD, ADMIN_BODY_JSON, "",
     ADMIN_ROLE_VIEWER, "account.password", admin_api_session_password},
    {"GET", "/api/v1/accounts", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "limit cursor", ADMIN_ROLE_ADMIN,
     NULL, admin_api_accounts},
    {"POST", "/api/v1/accounts", ADMIN_LANE_PASSWORD, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "account.add", admin_api_accounts_add},
    {"PATCH", "/api/v1/accounts/{name}", ADMIN_LANE_PASSWORD, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "account.change", admin_api_accounts_change},
    {"POST", "/api/v1/accounts/delete", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "account.delete", admin_api_accounts_delete},
    {"GET", "/api/v1/tokens", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "limit cursor", ADMIN_ROLE_ADMIN,
     NULL, admin_api_tokens},
    {"POST", "/api/v1/tokens", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN, "token.add",
     admin_api_tokens_add},
    {"POST", "/api/v1/tokens/delete", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "token.delete", admin_api_tokens_delete},
    {"GET", "/api/v1/audit", ADMIN_LANE_PAST, ADMIN_BODY_NONE, "from to actor action limit cursor",
     ADMIN_ROLE_VIEWER, NULL, admin_api_audit},
    {"GET", "/api/v1/status", ADMIN_LANE_LOOP, ADMIN_BODY_NONE, "feed", ADMIN_ROLE_VIEWER, NULL,
     admin_api_status},
    {"GET", "/api/v1/status/samples", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "minutes",
     ADMIN_ROLE_VIEWER, NULL, admin_api_status_samples},
    {"GET", "/api/v1/owners", ADMIN_LANE_LIST, ADMIN_BODY_NONE, "kind search limit cursor",
     ADMIN_ROLE_VIEWER, NULL, admin_api_owners},
    {"GET", "/api/v1/owners/deleted", ADMIN_LANE_PAST, ADMIN_BODY_NONE,
     "kind search gone limit cursor", ADMIN_ROLE_VIEWER, NULL, admin_api_owners_deleted},
    {"GET", "/api/v1/owners/{kind}/{name}", ADMIN_LANE_LIST, ADMIN_BODY_NONE, "at device",
     ADMIN_ROLE_VIEWER, NULL, admin_api_owner},
    {"GET", "/api/v1/owners/{kind}/{name}/devices", ADMIN_LANE_LIST, ADMIN_BODY_NONE,
     "limit cursor", ADMIN_ROLE_VIEWER, NULL, admin_api_owner_devices},
    {"GET", "/api/v1/owners/{kind}/{name}/items", ADMIN_LANE_LIST, ADMIN_BODY_NONE,
     "values limit cursor at device", ADMIN_ROLE_VIEWER, NULL, admin_api_items},
    {"GET", "/api/v1/owners/{kind}/{name}/items/{path}", ADMIN_LANE_LIST, ADMIN_BODY_NONE,
     "at device", ADMIN_ROLE_VIEWER, NULL, admin_api_item},
    {"PUT", "/api/v1/owners/{kind}/{name}/items/{path}", ADMIN_LANE_QUICK, ADMIN_BODY_RAW,
     "device dry_run", ADMIN_ROLE_OPERATOR, "item.set", admin_api_item_put},
    {"DELETE", "/api/v1/owners/{kind}/{name}/items/{path}", ADMIN_LANE_QUICK, ADMIN_BODY_NONE,
     "device dry_run", ADMIN_ROLE_OPERATOR, "item.delete", admin_api_item_delete},
    {"GET", "/api/v1/owners/{kind}/{name}/history", ADMIN_LANE_PAST, ADMIN_BODY_NONE,
     "from to item values limit cursor device", ADMIN_ROLE_VIEWER, NULL, admin_api_history},
    {"GET", "/api/v1/owners/{kind}/{name}/diff", ADMIN_LANE_PAST, ADMIN_BODY_NONE,
     "from to values limit cursor device", ADMIN_ROLE_VIEWER, NULL, admin_api_diff},
    {"GET", "/api/v1/owners/{kind}/{name}/explain", ADMIN_LANE_PAST, ADMIN_BODY_NONE, "item device",
     ADMIN_ROLE_VIEWER, NULL, admin_api_explain},
    {"POST", "/api/v1/owners/restore", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "", ADMIN_ROLE_OPERATOR,
     "owner.restore", admin_api_owners_restore},
    {"POST", "/api/v1/owners/delete", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "", ADMIN_ROLE_OPERATOR,
     "owner.delete", admin_api_owners_delete},
    {"POST", "/api/v1/owners/import", ADMIN_LANE_LONG, ADMIN_BODY_FILE, "format colleagues dry_run",
     ADMIN_ROLE_OPERATOR, "owner.import", admin_api_import},
    {"POST", "/api/v1/owners/{kind}/{name}/address-list", ADMIN_LANE_LONG, ADMIN_BODY_FILE,
     "format dry_run", ADMIN_ROLE_OPERATOR, "address-list.import", admin_api_address_list},
    {"GET", "/api/v1/devices", ADMIN_LANE_LIST, ADMIN_BODY_NONE, "filter state limit cursor",
     ADMIN_ROLE_VIEWER, NULL, admin_api_devices},
    {"GET", "/api/v1/devices/{id}", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_device},
    {"GET", "/api/v1/devices/{id}/users", ADMIN_LANE_LIST, ADMIN_BODY_NONE, "limit cursor",
     ADMIN_ROLE_VIEWER, NULL, admin_api_device_users},
    {"PATCH", "/api/v1/devices/{id}", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_OPERATOR,
     "device.change", admin_api_device_patch},
    {"POST", "/api/v1/devices/delete", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "", ADMIN_ROLE_OPERATOR,
     "device.delete", admin_api_devices_delete},
    {"POST", "/api/v1/enrollments", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_OPERATOR,
     "device.admit", admin_api_enrollments},
    {"GET", "/api/v1/enrollments", ADMIN_LANE_LIST, ADMIN_BODY_NONE, "limit cursor",
     ADMIN_ROLE_VIEWER, NULL, admin_api_enrollments_list},
    {"POST", "/api/v1/enrollments/delete", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "",
     ADMIN_ROLE_OPERATOR, "device.token-delete", admin_api_enrollments_delete},
    {"GET", "/api/v1/sync", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_sync},
    {"PUT", "/api/v1/sync", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_OPERATOR,
     "sync.change", admin_api_sync_put},
    {"GET", "/api/v1/journal/stat", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_journal_stat},
    {"POST", "/api/v1/history/fork", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "history.fork", admin_api_history_fork},
    {"POST", "/api/v1/clock/confirm", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "clock.confirm", admin_api_clock_confirm},
    {"GET", "/api/v1/backups", ADMIN_LANE_LIST, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_backups},
    {"POST", "/api/v1/backups", ADMIN_LANE_LIST, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "backup.make", admin_api_backups_make},
    {"POST", "/api/v1/backups/forget", ADMIN_LANE_LIST, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "backup.forget", admin_api_backups_forget},
    {"GET", "/api/v1/restore", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_restore_status},
    {"POST", "/api/v1/restore/confirm", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "restore.confirm", admin_api_restore_confirm},
    {"GET", "/api/v1/exports", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_exports},
    {"POST", "/api/v1/exports", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "", ADMIN_ROLE_OPERATOR,
     "export.prepare", admin_api_exports_prepare},
    {"POST", "/api/v1/exports/delete", ADMIN_LANE_QUICK, ADMIN_BODY_JSON, "", ADMIN_ROLE_OPERATOR,
     "export.delete", admin_api_exports_delete},
    {"GET", "/api/v1/exports/{id}", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_export},
    {"GET", "/api/v1/exports/{id}/snapshot", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "",
     ADMIN_ROLE_OPERATOR, NULL, admin_api_export_snapshot},
    {"POST", "/api/v1/exports/{id}/snapshot", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "",
     ADMIN_ROLE_OPERATOR, "export.shape", admin_api_export_shape},
    {"GET", "/api/v1/exports/{id}/address-lists", ADMIN_LANE_LONG, ADMIN_BODY_NONE, "kind format",
     ADMIN_ROLE_OPERATOR, NULL, admin_api_export_addresses},
    {"GET", "/api/v1/fences", ADMIN_LANE_LIST, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_fences},
    {"POST", "/api/v1/fences", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN, "fence.set",
     admin_api_fences_set},
    {"POST", "/api/v1/fences/lift", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "fence.lift", admin_api_fences_lift},
    {"GET", "/api/v1/categories", ADMIN_LANE_PAST, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_categories},
    {"GET", "/api/v1/sharing", ADMIN_LANE_PAST, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_sharing},
    {"PUT", "/api/v1/sharing", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "sharing.change", admin_api_sharing_put},
    {"POST", "/api/v1/sharing/undo", ADMIN_LANE_LONG, ADMIN_BODY_JSON, "", ADMIN_ROLE_ADMIN,
     "sharing.undo", admin_api_sharing_undo},
    {"GET", "/api/v1/changes", ADMIN_LANE_LIST, ADMIN_BODY_NONE,
     "since tail feed bag values follow wait", ADMIN_ROLE_VIEWER, NULL, admin_api_changes},
    {"GET", "/api/v1/log", ADMIN_LANE_LIST, ADMIN_BODY_NONE, "level since search limit feed format",
     ADMIN_ROLE_VIEWER, NULL, admin_api_log},
    {"GET", "/api/v1/openapi.json", ADMIN_LANE_LOOP, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL,
     admin_api_openapi},
    {"GET", "/livez", ADMIN_LANE_LOOP, ADMIN_BODY_NONE, "", ADMIN_ROLE_NONE, NULL, admin_api_livez},
    {"GET", "/readyz", ADMIN_LANE_LOOP, ADMIN_BODY_NONE, "verbose", ADMIN_ROLE_NONE, NULL,
     admin_api_readyz},
    {"GET", "/metrics", ADMIN_LANE_QUICK, ADMIN_BODY_NONE, "", ADMIN_ROLE_VIEWER, NULL,
     admin_api_metrics},
    {0},
};

const char *admin_api_kind(enum owner_kind kind)
{
    return kind == OWNER_GROUP ? "group" : "user";
}

int admin_api_owner_of(const struct admin_request *request, struct owner *owner, struct err *err)
{
    ASSERT(request->parts[0] != NULL && request->parts[1] != NULL);
    bool group = strcmp(request->parts[0], "group") == 0;
    if (!group && strcmp(request->parts[0], "user") != 0) {
        return err_set(err, E_INVALID, "an owner's kind is user or group, not '%s'",
                       request->parts[0]);
    }
    const char *device = admin_query(request, "device");
    uint64_t id = 0;
    if (device == NULL) {
        return owner_make(owner, group ? OWNER_GROUP : OWNER_USER, span_str(request->parts[1]), 0,
                          err);
    }
    if (group) {
        return err_set(err, E_INVALID,
                       "'device' asks for what a user has on one machine alone: a "
                       "group has nothing of that kind");
    }
    int rc = device_parse(device, &id, err);
    return rc == 0 ? owner_make(owner, OWNER_USER_DEVICE, span_str(request->parts[1]), id, err)
                   : rc;
}

json_t *admin_api_time(uint64_t ms)
{
    char text[CLOCK_TEXT_MAX];
    if (ms == 0) {
        return json_null();
    }
    clock_format(ms, text);
    return json_string(text);
}

json_t *admin_api_seq(uint64_t seq)
{
    return json_sprintf("%" PRIu64, seq);
}

json_t *admin_api_text(struct span text)
{
    return json_stringn(text.size > 0 ? (const char *)text.data : "", text.size);
}

int admin_api_strings(json_t *object, const char *member, size_t max, json_t **out, struct err *err)
{
    json_t *array = json_object_get(object, member);
    bool good = array == NULL || (json_is_array(array) && json_array_size(array) <= max);
    size_t i;
    json_t *value;
    json_array_foreach(array, i, value)
    {
        good = good && json_is_string(value) &&
               strlen(json_string_value(value)) == json_string_length(value);
    }
    if (!good) {
        return err_set(err, E_INVALID, "'%s' is an array of at most %zu texts", member, max);
    }
    *out = array;
    return 0;
}

int admin_api_named(const struct admin_request *request, const char *member, size_t max,
                    const char *thing, struct admin_api_named *out, struct err *err)
{
    char members[64];
    (void)snprintf(members, sizeof members, "%s dry_run", member);
    int rc = admin_body_json(request, members, &out->body, err);
    if (rc == 0) {
        rc = admin_api_bool(out->body, "dry_run", &out->dry_run, err);
    }
    if (rc == 0) {
        rc = admin_api_strings(out->body, member, max, &out->names, err);
    }
    return rc != 0 || json_array_size(out->names) > 0
               ? rc
               : err_set(err, E_INVALID, "'%s' names no %s", member, thing);
}

void admin_api_tell(json_t *names, const char *name)
{
    if (json_array_size(names) < ADMIN_API_TOLD_MAX) {
        (void)json_array_append_new(names, json_string(name));
    }
}

int admin_api_bool(json_t *object, const char *member, bool *out, struct err *err)
{
    const json_t *value = json_object_get(object, member);
    if (value != NULL && !json_is_boolean(value)) {
        return err_set(err, E_INVALID, "'%s' is true or false", member);
    }
    *out = json_is_true(value);
    return 0;
}

int admin_api_number(json_t *object, const char *member, uint64_t min, uint64_t max, uint64_t *out,
                     struct err *err)
{
    const json_t *value = json_object_get(object, member);
    if (value == NULL) {
        return 0;
    }
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < min || (uint64_t)number > max) {
        return err_set(err, E_INVALID, "'%s' is a number from %" PRIu64 " to %" PRIu64, member, min,
                       max);
    }
    *out = (uint64_t)number;
    return 0;
}

int admin_api_put_value(json_t *object, struct span bytes)
{
    return admin_api_put_bytes(object, "value", bytes);
}

int admin_api_put_bytes(json_t *object, const char *member, struct span bytes)
{
    const char *data = bytes.size > 0 ? (const char *)bytes.data : "";
    bool has_nul = memchr(data, '\0', bytes.size) != NULL; /* many a reader of JSON ends there */
    json_t *text = has_nul ? NULL : json_stringn(data, bytes.size); /* NULL when not UTF-8 */
    if (text != NULL) {
        return json_object_set_new(object, member, text) == 0 ? 0 : E_NOMEM;
    }
    size_t room = sodium_base64_encoded_len(bytes.size, sodium_base64_VARIANT_ORIGINAL);
    char *encoded = malloc(room);
    if (encoded == NULL) {
        return E_NOMEM;
    }
    (void)sodium_bin2base64(encoded, room, bytes.data, bytes.size, sodium_base64_VARIANT_ORIGINAL);
    char name[64];
    (void)snprintf(name, sizeof name, "%s_base64", member);
    int rc = json_object_set_new(object, name, json_string(encoded));
    free(encoded);
    return rc == 0 ? 0 : E_NOMEM;
}
