/* admin/api/status.c - how the server is: one document, its stream, and the samples for charts.
 *
 * All is read from the board (admin/board.h), which makes the document once for everybody.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/board.h"
#include "admin/warnings.h"
#include "base/hash.h"

enum { MINUTES_MAX = ADMIN_BOARD_SAMPLES * ADMIN_BOARD_SAMPLE_MS / 60000, MINUTE_MS = 60000 };

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

/* --- the document --- */

static json_t *counts_of(const struct kv_counts *counts, const struct server_status *status)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "users", (json_int_t)counts->users,
                     "groups", (json_int_t)counts->groups, "bags", (json_int_t)counts->bags,
                     "items", (json_int_t)counts->items, "bytes", (json_int_t)counts->bytes,
                     "devices", (json_int_t)status->devices, "connected",
                     (json_int_t)status->sessions);
}

static json_t *journal_of(const struct journal_stat *stat, const struct server_status *status)
{
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "floor", admin_api_seq(stat->floor_seq),
                     "head", admin_api_seq(stat->head_seq), "flushed",
                     admin_api_seq(status->flushed_seq), "segments", (json_int_t)stat->segments,
                     "bytes", (json_int_t)stat->bytes, "file_bytes", (json_int_t)stat->file_bytes,
                     "max_bytes", (json_int_t)status->journal_max_bytes);
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

static json_t *lag_of(const struct server_status *status)
{
    const struct server_replicas *replicas = &status->replicas;
    return json_pack("{s:I, s:I, s:I, s:I}", "most", (json_int_t)replicas->lag, "devices_behind",
                     (json_int_t)replicas->behind, "diverged", (json_int_t)replicas->diverged,
                     "unverified", (json_int_t)replicas->unverified);
}

static json_t *limits_of(const struct server_status *status)
{
    return json_pack("{s:I, s:I, s:s}", "users", (json_int_t)status->users_limit, "users_percent",
                     (json_int_t)admin_users_percent(status), "users_policy",
                     status->users_evict ? "evict" : "refuse");
}

static json_t *warnings_of(const struct admin_board_facts *facts)
{
    struct admin_warning warnings[ADMIN_WARNING_KINDS];
    size_t count = admin_warnings(facts, warnings);
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct admin_warning *warning = &warnings[i];
        json_t *row = json_pack("{s:s, s:s, s:I, s:s}", "code", admin_warning_code(warning->kind),
                                "level", warning->severe ? "error" : "warning", "count",
                                (json_int_t)warning->count, "text", warning->text);
        if (json_array_append_new(rows, row) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

static json_t *document(const struct admin_board_facts *facts)
{
    const struct server_status *status = &facts->status;
    char history[2 * HISTORY_SIZE + 1];
    char hash[2 * SHA256_SIZE + 1];
    hex_encode(status->history, HISTORY_SIZE, history);
    hex_encode(status->head.hash, SHA256_SIZE, hash);
    return json_pack(
        "{s:s, s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:b, s:{s:f}, s:o, s:o, "
        "s:o}",
        "version", KITBAG_VERSION, "history", history, "seq", admin_api_seq(status->head.seq),
        "hash", hash, "state", state_name(status->state), "state_text", status->state_text,
        "uptime_ms", (json_int_t)status->uptime_ms, "writes", (json_int_t)status->writes, "counts",
        counts_of(&facts->counts, status), "journal", journal_of(&facts->journal, status),
        "digests", digests_of(status), "disk", disk_of(status), "retention",
        admin_api_retention(status), "clock_stepped", status->clock_stepped, "rate", "writes",
        admin_api_round(facts->writes_per_s), "lag", lag_of(status), "limits", limits_of(status),
        "warnings", warnings_of(facts));
}

int admin_api_status_text(const struct admin_board_facts *facts, struct buf *out, struct err *err)
{
    ASSERT(facts != NULL && out != NULL);
    json_t *json = document(facts);
    int rc = json != NULL ? admin_json_append(out, json) : E_NOMEM;
    json_decref(json);
    return rc == 0 ? 0 : err_set(err, rc, "out of memory");
}

double admin_api_round(double value)
{
    return (double)(uint64_t)(value * 10 + 0.5) / 10;
}

/* --- live --- */

struct live {
    struct admin_stream stream;
    struct admin_board *board;
    uint64_t number; /* of the event that was given last */
};

static int live_next(struct admin_stream *stream, uint64_t idle_ms, struct buf *out,
                     struct err *err)
{
    (void)idle_ms;
    struct live *live = (struct live *)stream;
    int rc = admin_board_event(live->board, &live->number, out);
    return rc >= 0 ? 0 : err_set(err, rc, "out of memory");
}

static void live_free(struct admin_stream *stream)
{
    struct live *live = (struct live *)stream;
    admin_board_leave(live->board);
    free(live);
}

static int begin_live(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    live->stream = (struct admin_stream){.next = live_next, .free = live_free, .sse = true};
    live->board = request->backend->board;
    admin_board_listen(live->board);
    response->status = 200;
    response->stream = &live->stream;
    return 0;
}

int admin_api_status(const struct admin_request *request, struct admin_response *response,
                     struct err *err)
{
    const char *feed = admin_query(request, "feed");
    if (feed != NULL && strcmp(feed, "sse") != 0) {
        return err_set(err, E_INVALID, "'feed' has to be sse, not '%s'", feed);
    }
    if (feed != NULL) {
        return begin_live(request, response, err);
    }
    buf_init(&response->raw, ADMIN_RESPONSE_MAX_BYTES);
    response->is_raw = true;
    response->content_type = "application/json";
    return admin_board_text(request->backend->board, !request->at_once, &response->raw, err);
}

/* --- charts --- */

static json_t *rows_of(const struct admin_board_sample *samples, size_t count)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct admin_board_sample *sample = &samples[i];
        json_t *row = json_pack(
            "{s:o, s:f, s:I, s:I, s:I}", "time", admin_api_time(sample->time_ms), "writes",
            admin_api_round(sample->writes_per_s), "connected", (json_int_t)sample->connected,
            "lag", (json_int_t)sample->lag, "journal_bytes", (json_int_t)sample->journal_bytes);
        if (json_array_append_new(rows, row) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

int admin_api_status_samples(const struct admin_request *request, struct admin_response *response,
                             struct err *err)
{
    uint64_t minutes = MINUTES_MAX;
    int rc = admin_query_number(request, "minutes", 1, MINUTES_MAX, &minutes, err);
    if (rc != 0) {
        return rc;
    }
    struct admin_board_sample *samples = calloc(ADMIN_BOARD_SAMPLES, sizeof *samples);
    uint64_t since = clock_wall_ms(&clock_system) - minutes * MINUTE_MS;
    if (samples != NULL) {
        size_t count = admin_board_samples(request->backend->board, since, samples);
        response->json = json_pack("{s:i, s:o}", "every_ms", (int)ADMIN_BOARD_SAMPLE_MS, "samples",
                                   rows_of(samples, count));
    }
    free(samples);
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}
