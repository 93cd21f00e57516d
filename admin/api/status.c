/* admin/api/status.c - GET /status: how the server is, in one document. */
#include "admin/api/api.h"
#include "base/hash.h"

static const char *state_name(enum server_state state)
{
    switch (state) {
    case SERVER_RUNNING:
        return "running";
    case SERVER_STOPPED:
        return "stopped";
    case SERVER_READ_ONLY:
        return "read-only";
    }
    return "failed";
}

static json_t *counts_of(const struct kv_counts *counts, const struct server_status *status)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "users", (json_int_t)counts->users,
                     "groups", (json_int_t)counts->groups, "bags", (json_int_t)counts->bags,
                     "items", (json_int_t)counts->items, "bytes", (json_int_t)counts->bytes,
                     "devices", (json_int_t)status->devices, "connected",
                     (json_int_t)status->sessions);
}

static json_t *journal_of(const struct journal_stat *stat, uint64_t flushed_seq)
{
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I}", "floor", admin_api_seq(stat->floor_seq),
                     "head", admin_api_seq(stat->head_seq), "flushed", admin_api_seq(flushed_seq),
                     "segments", (json_int_t)stat->segments, "bytes", (json_int_t)stat->bytes,
                     "file_bytes", (json_int_t)stat->file_bytes);
}

static json_t *digests_of(const struct server_status *status)
{
    return json_pack("{s:I, s:I, s:o, s:I}", "checked", (json_int_t)status->digests.bags, "wrong",
                     (json_int_t)status->digests.wrong, "round",
                     admin_api_time(status->digests.round_ms), "healed",
                     (json_int_t)status->digests.healed);
}

static json_t *disk_of(const struct server_status *status)
{
    return json_pack("{s:I, s:I}", "room_bytes", (json_int_t)status->room_bytes, "reserve_bytes",
                     (json_int_t)status->reserve_bytes);
}

int admin_api_status(const struct admin_request *request, struct admin_response *response,
                     struct err *err)
{
    const struct admin_backend *backend = request->backend;
    struct server_status status = {0};
    struct kv_counts counts = {0};
    struct journal_stat stat = {0};
    int rc = backend->status(backend->context, &status, err);
    if (rc == 0) {
        rc = kv_counts(backend->kv, NULL, &counts, err);
    }
    if (rc == 0) {
        rc = journal_stat(backend->journal, &stat, err);
    }
    if (rc != 0) {
        return rc;
    }
    char history[2 * HISTORY_SIZE + 1];
    char hash[2 * SHA256_SIZE + 1];
    hex_encode(status.history, HISTORY_SIZE, history);
    hex_encode(status.head.hash, SHA256_SIZE, hash);
    response->json = json_pack(
        "{s:s, s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:b}", "version",
        KITBAG_VERSION, "history", history, "seq", admin_api_seq(status.head.seq), "hash", hash,
        "state", state_name(status.state), "state_text", status.state_text, "uptime_ms",
        (json_int_t)status.uptime_ms, "writes", (json_int_t)status.writes, "counts",
        counts_of(&counts, &status), "journal", journal_of(&stat, status.flushed_seq), "digests",
        digests_of(&status), "disk", disk_of(&status), "retention", admin_api_retention(&status),
        "clock_stepped", status.clock_stepped);
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}
