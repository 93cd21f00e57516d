/* admin/api/journal.c - the journal as a whole: how large it is and what holds it, a new history,
 * and a clock that was set on purpose.
 */
#include <stdio.h>
#include <string.h>

#include "admin/api/api.h"
#include "base/clock.h"
#include "base/hash.h"

json_t *admin_api_retention(const struct server_status *status)
{
    json_t *lines = json_array();
    for (size_t i = 0; i < RETENTION_LINES; i++) {
        const struct retention_line *line = &status->retention[i];
        if (line->what != NULL) {
            (void)json_array_append_new(lines,
                                        json_pack("{s:s, s:o, s:s}", "what", line->what, "seq",
                                                  admin_api_seq(line->seq), "text", line->text));
        }
    }
    return lines;
}

static json_t *stat_of(const struct journal_stat *stat, const struct server_status *status)
{
    char history[2 * HISTORY_SIZE + 1];
    hex_encode(status->history, HISTORY_SIZE, history);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "history",
                     history, "floor", admin_api_seq(stat->floor_seq), "head",
                     admin_api_seq(stat->head_seq), "flushed", admin_api_seq(status->flushed_seq),
                     "first_time", admin_api_time(stat->first_time_ms), "last_time",
                     admin_api_time(stat->last_time_ms), "segments", (json_int_t)stat->segments,
                     "bytes", (json_int_t)stat->bytes, "file_bytes", (json_int_t)stat->file_bytes,
                     "leaving_bytes", (json_int_t)stat->leaving_bytes, "room_bytes",
                     (json_int_t)status->room_bytes, "clock_stepped", status->clock_stepped,
                     "retention", admin_api_retention(status));
}

int admin_api_journal_stat(const struct admin_request *request, struct admin_response *response,
                           struct err *err)
{
    const struct admin_backend *backend = request->backend;
    struct server_status status = {0};
    struct journal_stat stat = {0};
    int rc = backend->status(backend->context, &status, err);
    if (rc == 0) {
        rc = journal_stat(backend->journal, &stat, err);
    }
    if (rc != 0) {
        return rc;
    }
    response->json = stat_of(&stat, &status);
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* --- a new history --- */

static int fork(const struct admin_request *request, uint64_t *seq, struct err *err)
{
    const struct admin_backend *backend = request->backend;
    struct submit submit = {.kind = SUBMIT_FORK, .actor = request->actor};
    int rc = backend->submit(backend->context, &submit, 1, err);
    if (rc == 0 && submit.code != 0) {
        rc = err_set(err, submit.code, "%s", submit.text);
    }
    *seq = submit.seq;
    return rc;
}

static int read_dry_run(const struct admin_request *request, bool *dry_run, struct err *err)
{
    json_t *body = NULL;
    int rc = admin_body_json(request, "dry_run", &body, err);
    if (rc == 0) {
        rc = admin_api_bool(body, "dry_run", dry_run, err);
    }
    json_decref(body);
    return rc;
}

int admin_api_history_fork(const struct admin_request *request, struct admin_response *response,
                           struct err *err)
{
    const struct admin_backend *backend = request->backend;
    bool dry_run = false;
    uint64_t seq = 0;
    struct server_status before = {0};
    struct server_status after = {0};
    int rc = read_dry_run(request, &dry_run, err);
    if (rc == 0) {
        rc = backend->status(backend->context, &before, err);
    }
    if (rc == 0 && !dry_run) {
        rc = fork(request, &seq, err);
    }
    if (rc == 0) {
        rc = backend->status(backend->context, &after, err);
    }
    if (rc != 0) {
        return rc;
    }
    char parent[2 * HISTORY_SIZE + 1];
    char history[2 * HISTORY_SIZE + 1];
    hex_encode(before.history, HISTORY_SIZE, parent);
    hex_encode(after.history, HISTORY_SIZE, history);
    response->json = json_pack(
        "{s:b, s:s, s:o, s:o, s:o, s:I}", "dry_run", dry_run, "parent", parent, "parent_seq",
        admin_api_seq(seq > 0 ? seq - 1 : before.head.seq), "history",
        dry_run ? json_null() : json_string(history), "seq",
        seq > 0 ? admin_api_seq(seq) : json_null(), "connected", (json_int_t)before.sessions);
    response->about = json_pack("{s:s, s:s}", "parent", parent, "history", history);
    return response->json != NULL && response->about != NULL
               ? 0
               : err_set(err, E_NOMEM, "out of memory");
}

/* --- the clock --- */

int admin_api_clock_confirm(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    const struct admin_backend *backend = request->backend;
    bool dry_run = false;
    struct server_status before = {0};
    int rc = read_dry_run(request, &dry_run, err);
    if (rc == 0) {
        rc = backend->status(backend->context, &before, err);
    }
    if (rc == 0 && !dry_run) {
        rc = backend->confirm_clock(backend->context, err);
    }
    if (rc != 0) {
        return rc;
    }
    response->json =
        json_pack("{s:b, s:b, s:o}", "dry_run", dry_run, "had_stepped", before.clock_stepped,
                  "time", admin_api_time(clock_wall_ms(&clock_system)));
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}
