/* admin/api/backups.c - backups of the server, and whether one that came out of a backup serves.
 *
 * A backup goes on by itself once it has begun: POST /backups answers 202 with its number, and GET
 * /backups tells how far it is.
 */
#include <stdio.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/backups.h"
#include "base/hash.h"

static int no_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "out of memory");
}

static json_t *hex(const uint8_t *bytes, size_t size)
{
    char text[2 * HISTORY_SIZE + 1];
    hex_encode(bytes, size, text);
    return json_string(text);
}

/* --- making one --- */

static json_t *report_of(const struct admin_backup_report *report)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:b, s:b, s:I, s:I, s:b}", "path",
                     report->path, "seq", admin_api_seq(report->seq), "history",
                     hex(report->history, HISTORY_SIZE), "time", admin_api_time(report->time_ms),
                     "files", (json_int_t)report->files, "bytes", (json_int_t)report->bytes,
                     "new_bytes", (json_int_t)report->new_bytes, "links", report->same_disk,
                     "first", report->fresh, "frozen_us", (json_int_t)report->frozen_us, "took_ms",
                     (json_int_t)report->took_ms, "verified", report->verified);
}

static json_t *preview_of(const struct admin_backup_report *report)
{
    return json_pack("{s:b, s:s, s:o, s:I, s:I, s:b, s:b, s:I}", "dry_run", true, "folder",
                     report->path, "seq", admin_api_seq(report->seq), "bytes",
                     (json_int_t)report->bytes, "new_bytes", (json_int_t)report->new_bytes, "links",
                     report->same_disk, "first", report->fresh, "room_bytes",
                     (json_int_t)report->room_bytes);
}

static int read_order(json_t *body, struct admin_backup_order *order, struct err *err)
{
    order->folder = json_string_value(json_object_get(body, "path"));
    if (order->folder == NULL) {
        return err_set(err, E_INVALID,
                       "'path' is the folder for backups, by its whole path on the server's "
                       "machine");
    }
    int rc = admin_api_bool(body, "dry_run", &order->dry_run, err);
    return rc == 0 ? admin_api_bool(body, "verify", &order->verify, err) : rc;
}

int admin_api_backups_make(const struct admin_request *request, struct admin_response *response,
                           struct err *err)
{
    const struct admin_backups *backups = request->backend->backups;
    struct admin_backup_order order = {.actor = request->actor};
    struct admin_backup_report report = {0};
    json_t *body = NULL;
    uint64_t number = 0;
    int rc = admin_body_json(request, "path verify dry_run", &body, err);
    if (rc == 0) {
        rc = read_order(body, &order, err);
    }
    if (rc == 0) {
        rc = backups->start(backups->context, &order, &number, &report, err);
    }
    if (rc == 0) {
        response->json = order.dry_run ? preview_of(&report)
                                       : json_pack("{s:b, s:s, s:I}", "dry_run", false, "folder",
                                                   report.path, "number", (json_int_t)number);
        response->about = json_pack("{s:s}", "folder", report.path);
        response->status = order.dry_run ? 200 : 202;
        rc = response->json != NULL && response->about != NULL ? 0 : no_memory(err);
    }
    json_decref(body);
    return rc;
}

/* --- which there are --- */

static const char *state_name(enum admin_backup_state state)
{
    switch (state) {
    case ADMIN_BACKUP_RUNNING:
        return "running";
    case ADMIN_BACKUP_DONE:
        return "done";
    case ADMIN_BACKUP_FAILED:
        return "failed";
    case ADMIN_BACKUP_NONE:
        break;
    }
    return "none";
}

static json_t *current_of(const struct admin_backup_view *view)
{
    if (view->state == ADMIN_BACKUP_NONE) {
        return json_null();
    }
    json_t *json = json_pack(
        "{s:s, s:I, s:s, s:s, s:o, s:b, s:I, s:I}", "state", state_name(view->state), "number",
        (json_int_t)view->number, "folder", view->folder, "by", view->by, "begun",
        admin_api_time(view->begun_ms), "verifying", view->verifying, "done_bytes",
        (json_int_t)view->done_bytes, "total_bytes", (json_int_t)view->total_bytes);
    json_t *more = view->state == ADMIN_BACKUP_DONE ? report_of(&view->report) : NULL;
    if (view->state == ADMIN_BACKUP_FAILED) {
        more = json_pack("{s:s, s:s}", "code", err_name(view->err.code), "text", view->err.text);
    }
    if (more != NULL) {
        (void)json_object_update(json, more);
    }
    json_decref(more);
    return json;
}

static int add_folder(void *context, const struct admin_backup_folder *folder, struct err *err)
{
    json_t *row = json_pack(
        "{s:s, s:I, s:o, s:o, s:o, s:o, s:b, s:o}", "folder", folder->folder, "backups",
        (json_int_t)folder->backups, "newest",
        folder->newest[0] != '\0' ? json_string(folder->newest) : json_null(), "newest_time",
        admin_api_time(folder->newest_ms), "newest_seq",
        folder->newest_seq > 0 ? admin_api_seq(folder->newest_seq) : json_null(), "removals_seq",
        admin_api_seq(folder->told_seq), "reachable", folder->text[0] == '\0', "text",
        folder->text[0] != '\0' ? json_string(folder->text) : json_null());
    return row != NULL && json_array_append_new(context, row) == 0 ? 0 : no_memory(err);
}

int admin_api_backups(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    const struct admin_backups *backups = request->backend->backups;
    struct admin_backup_view view;
    json_t *rows = json_array();
    backups->view(backups->context, &view);
    int rc = backups->folders(backups->context, add_folder, rows, err);
    if (rc == 0) {
        response->json = json_pack("{s:o, s:O}", "current", current_of(&view), "backups", rows);
        rc = response->json != NULL ? 0 : no_memory(err);
    }
    json_decref(rows);
    return rc;
}

int admin_api_backups_forget(const struct admin_request *request, struct admin_response *response,
                             struct err *err)
{
    const struct admin_backups *backups = request->backend->backups;
    json_t *body = NULL;
    bool dry_run = false;
    uint64_t seq = 0;
    int rc = admin_body_json(request, "path dry_run", &body, err);
    const char *folder = json_string_value(json_object_get(body, "path"));
    if (rc == 0 && folder == NULL) {
        rc = err_set(err, E_INVALID, "'path' is a folder of backups, as GET /backups tells it");
    }
    if (rc == 0) {
        rc = admin_api_bool(body, "dry_run", &dry_run, err);
    }
    if (rc == 0) {
        rc = backups->forget(backups->context, folder, request->actor, dry_run, &seq, err);
    }
    if (rc == 0) {
        response->json = json_pack("{s:b, s:s, s:o}", "dry_run", dry_run, "folder", folder, "seq",
                                   seq > 0 ? admin_api_seq(seq) : json_null());
        response->about = json_pack("{s:s}", "folder", folder);
        rc = response->json != NULL && response->about != NULL ? 0 : no_memory(err);
    }
    json_decref(body);
    return rc;
}

/* --- a server that came out of a backup --- */

static json_t *restored_of(const struct admin_restored *restored,
                           const struct server_status *status, const struct kv_counts *counts)
{
    bool was = restored->restored;
    bool by = restored->confirmed_ms > 0;
    return json_pack(
        "{s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:I, s:I, s:I}", "restored", was,
        "held", restored->held, "backup", was ? json_string(restored->backup) : json_null(), "made",
        admin_api_time(restored->backup_ms), "parent",
        was ? hex(restored->parent, HISTORY_SIZE) : json_null(), "parent_seq",
        was ? admin_api_seq(restored->parent_seq) : json_null(), "time",
        admin_api_time(restored->restored_ms), "removals_known", !was || restored->removals_known,
        "removals_known_to", admin_api_time(restored->known_to_ms), "confirmed",
        admin_api_time(restored->confirmed_ms), "confirmed_by",
        by ? json_string(restored->confirmed_by) : json_null(), "devices",
        (json_int_t)status->devices, "users", (json_int_t)counts->users, "groups",
        (json_int_t)counts->groups);
}

static int look(const struct admin_request *request, json_t **out, struct err *err)
{
    const struct admin_backend *backend = request->backend;
    struct admin_restored restored;
    struct server_status status;
    struct kv_counts counts;
    int rc = backend->backups->restored(backend->backups->context, &restored, err);
    if (rc == 0) {
        rc = backend->status(backend->context, &status, err);
    }
    if (rc == 0) {
        rc = kv_counts(backend->kv, NULL, &counts, err);
    }
    if (rc == 0) {
        *out = restored_of(&restored, &status, &counts);
        rc = *out != NULL ? 0 : no_memory(err);
    }
    return rc;
}

int admin_api_restore_status(const struct admin_request *request, struct admin_response *response,
                             struct err *err)
{
    return look(request, &response->json, err);
}

int admin_api_restore_confirm(const struct admin_request *request, struct admin_response *response,
                              struct err *err)
{
    const struct admin_backups *backups = request->backend->backups;
    json_t *body = NULL;
    bool dry_run = false;
    uint64_t seq = 0;
    int rc = admin_body_json(request, "dry_run", &body, err);
    if (rc == 0) {
        rc = admin_api_bool(body, "dry_run", &dry_run, err);
    }
    if (rc == 0 && !dry_run) {
        rc = backups->confirm(backups->context, request->actor, &seq, err);
    }
    if (rc == 0) {
        rc = look(request, &response->json, err);
    }
    if (rc == 0) {
        (void)json_object_set_new(response->json, "dry_run", json_boolean(dry_run));
        (void)json_object_set_new(response->json, "seq",
                                  seq > 0 ? admin_api_seq(seq) : json_null());
        response->about = json_pack("{s:b}", "held", seq > 0);
        rc = response->about != NULL ? 0 : no_memory(err);
    }
    json_decref(body);
    return rc;
}
