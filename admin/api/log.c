/* admin/api/log.c - GET /log: the newest lines of the server's log, as a list, a stream, a file.
 *
 * They come from memory (base/log_ring.h), in the order in which they were written. A stream goes
 * on with what is logged later; when its reader is so slow that lines have gone meanwhile, it tells
 * how many.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "admin/api/api.h"
#include "base/clock.h"
#include "base/log_ring.h"

enum {
    LIMIT = 500, /* when nothing else is asked for */
    PIECE_BYTES = 64 << 10,
    LOOK_LINES = 1024, /* looked at for one piece */
    HEARTBEAT_MS = 10000,
    /* "2026-11-22T17:51:37.123Z warning module event text" */
    LINE_BYTES = CLOCK_TEXT_MAX + 16 + 2 * LOG_RING_WORD_MAX + LOG_RING_TEXT_MAX + 8,
};

enum log_form { FORM_NDJSON, FORM_SSE };

struct wanted {
    enum log_level least;
    char *search; /* folded; NULL: all */
    uint64_t after;
    bool resumes; /* it was told behind which line */
    uint64_t limit;
};

/* --- which lines --- */

/* Lower case, for comparing; what is no UTF-8 stays. NULL: out of memory. */
static char *fold(const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_uint8_t *folded = malloc(2 * strlen(text) + 4); /* a rune may grow, never so much */
    utf8proc_uint8_t *to = folded;
    while (folded != NULL && *at != 0) {
        utf8proc_int32_t rune = *at;
        utf8proc_ssize_t used = *at < 0x80 ? 1 : utf8proc_iterate(at, -1, &rune);
        if (used <= 0) {
            *to++ = *at++;
        } else {
            to += utf8proc_encode_char(utf8proc_tolower(rune), to);
            at += used;
        }
    }
    if (folded != NULL) {
        *to = 0;
    }
    return (char *)folded;
}

/* The line as the log's file has it, without its end. */
static void put_text(char out[LINE_BYTES], const struct log_ring_line *line)
{
    char time[CLOCK_TEXT_MAX];
    clock_format(line->time_ms, time);
    (void)snprintf(out, LINE_BYTES, "%s %s %s %s%s%s", time, log_level_name(line->level),
                   line->module, line->event, line->text[0] != '\0' ? " " : "", line->text);
}

static bool is_wanted(const struct wanted *wanted, const struct log_ring_line *line)
{
    char text[LINE_BYTES];
    if (line->level < wanted->least) {
        return false;
    }
    if (wanted->search == NULL) {
        return true;
    }
    put_text(text, line);
    char *folded = fold(text);
    bool found = folded == NULL || strstr(folded, wanted->search) != NULL;
    free(folded);
    return found;
}

/* Behind which line the newest ones begin, `limit` of them at most. */
static uint64_t begin_of_newest(const struct wanted *wanted)
{
    struct log_ring_line line = {.id = UINT64_MAX};
    struct log_ring_range range;
    log_ring_range(&range);
    uint64_t after = range.newest;
    for (uint64_t found = 0; found < wanted->limit && log_ring_previous(line.id, &line);) {
        if (is_wanted(wanted, &line)) {
            after = line.id - 1;
            found++;
        }
    }
    return after;
}

static int read_level(const struct admin_request *request, enum log_level *least, struct err *err)
{
    const char *text = admin_query(request, "level");
    *least = LOG_DEBUG;
    if (text == NULL || log_parse_level(text, least)) {
        return 0;
    }
    return err_set(err, E_INVALID, "'level' is debug, info, warning or error, not '%s'", text);
}

/* From a line's id; one that is newer than all lines is of another life of the server. */
static int read_after(const struct admin_request *request, struct wanted *wanted, struct err *err)
{
    const char *header = request->last_event_id;
    int rc = 0;
    wanted->resumes = admin_query(request, "since") != NULL;
    if (header[0] != '\0' && admin_query(request, "feed") != NULL) {
        size_t size = strlen(header);
        if (size > 19 || strspn(header, "0123456789") != size) {
            return err_set(err, E_INVALID, "'Last-Event-ID' is not one that this log gave");
        }
        wanted->after = strtoull(header, NULL, 10);
        wanted->resumes = true;
    } else {
        rc = admin_query_number(request, "since", 0, INT64_MAX, &wanted->after, err);
    }
    struct log_ring_range range;
    log_ring_range(&range);
    if (wanted->after > range.newest) {
        wanted->after = 0;
    }
    return rc;
}

static int read_wanted(const struct admin_request *request, struct wanted *wanted, struct err *err)
{
    const char *search = admin_query(request, "search");
    wanted->limit = admin_query(request, "format") != NULL ? LOG_RING_LINES : LIMIT;
    int rc = read_level(request, &wanted->least, err);
    if (rc == 0) {
        rc = admin_query_number(request, "limit", 1, LOG_RING_LINES, &wanted->limit, err);
    }
    if (rc == 0) {
        rc = read_after(request, wanted, err);
    }
    if (rc == 0 && search != NULL && search[0] != '\0') {
        wanted->search = fold(search);
        rc = wanted->search != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0 && !wanted->resumes) {
        wanted->after = begin_of_newest(wanted);
    }
    return rc;
}

/* --- a line --- */

/* A line may hold bytes that are no UTF-8: they are shown as \xNN. */
static json_t *text_of(const char *text)
{
    struct buf out;
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    buf_init(&out, 4 * LOG_RING_TEXT_MAX);
    while (*at != 0) {
        utf8proc_int32_t rune;
        utf8proc_ssize_t used = utf8proc_iterate(at, -1, &rune);
        if (used > 0) {
            (void)buf_append(&out, at, (size_t)used);
            at += used;
        } else {
            (void)buf_printf(&out, "\\x%02x", *at++);
        }
    }
    const char *bytes = out.size > 0 ? (const char *)out.data : "";
    json_t *json = buf_error(&out) == 0 ? json_stringn(bytes, out.size) : NULL;
    buf_free(&out);
    return json;
}

static json_t *row_of(const struct log_ring_line *line)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o}", "id", admin_api_seq(line->id), "time",
                     admin_api_time(line->time_ms), "level", log_level_name(line->level), "module",
                     text_of(line->module), "event", text_of(line->event), "text",
                     text_of(line->text));
}

/* --- a list, a file --- */

static int fill_rows(const struct wanted *wanted, json_t *rows, bool *more, struct err *err)
{
    struct log_ring_line line = {.id = wanted->after};
    *more = false;
    while (!*more && log_ring_next(line.id, &line)) {
        if (!is_wanted(wanted, &line)) {
            continue;
        }
        *more = json_array_size(rows) == wanted->limit;
        if (!*more && json_array_append_new(rows, row_of(&line)) != 0) {
            return err_set(err, E_NOMEM, "out of memory");
        }
    }
    return 0;
}

static int answer_list(const struct wanted *wanted, struct admin_response *response,
                       struct err *err)
{
    struct log_ring_range range;
    bool more = false;
    json_t *rows = json_array();
    log_ring_range(&range);
    int rc = fill_rows(wanted, rows, &more, err);
    if (rc == 0) {
        response->json =
            json_pack("{s:O, s:o, s:o}", "log", rows, "oldest", admin_api_seq(range.oldest),
                      "newest", admin_api_seq(range.newest));
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0 && more) {
        json_t *last = json_array_get(rows, json_array_size(rows) - 1);
        (void)json_object_set(response->json, "next", json_object_get(last, "id"));
    }
    json_decref(rows);
    return rc;
}

static int answer_text(const struct wanted *wanted, struct admin_response *response,
                       struct err *err)
{
    struct log_ring_line line = {.id = wanted->after};
    char text[LINE_BYTES];
    uint64_t count = 0;
    buf_init(&response->raw, ADMIN_RESPONSE_MAX_BYTES);
    response->is_raw = true;
    response->content_type = "text/plain; charset=utf-8";
    while (count < wanted->limit && log_ring_next(line.id, &line)) {
        if (is_wanted(wanted, &line)) {
            put_text(text, &line);
            (void)buf_printf(&response->raw, "%s\n", text);
            count++;
        }
    }
    return buf_error(&response->raw) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* "kitbag-log-20261122-175137.txt" */
static void name_file(struct admin_response *response, const char *extension)
{
    char time[CLOCK_TEXT_MAX];
    clock_format(clock_wall_ms(&clock_system), time);
    (void)snprintf(response->disposition_name, sizeof response->disposition_name,
                   "kitbag-log-%.4s%.2s%.2s-%.2s%.2s%.2s.%s", time, time + 5, time + 8, time + 11,
                   time + 14, time + 17, extension);
}

/* --- a stream --- */

struct tail {
    struct admin_stream stream;
    struct wanted wanted; /* `after` is the line that was looked at last */
    enum log_form form;
    bool begun; /* a line was looked at, or it resumes: then lines that are missing are told */
};

static void put_form(const struct tail *tail, const char *event, uint64_t id, const json_t *json,
                     struct buf *out)
{
    if (tail->form == FORM_SSE) {
        (void)buf_printf(out, "id: %" PRIu64 "\nevent: %s\ndata: ", id, event);
    }
    (void)admin_json_append(out, json);
    (void)buf_append_span(out, tail->form == FORM_SSE ? SPAN_LITERAL("\n\n") : SPAN_LITERAL("\n"));
}

/* Whole or not at all. */
static int put(const struct tail *tail, const char *event, uint64_t id, json_t *json,
               struct buf *out, struct err *err)
{
    size_t before = out->size;
    put_form(tail, event, id, json, out);
    json_decref(json);
    if (buf_error(out) == E_NOMEM) {
        buf_truncate(out, before);
        return err_set(err, E_NOMEM, "out of memory");
    }
    return 0;
}

static int put_line(struct tail *tail, const struct log_ring_line *line, struct buf *out,
                    struct err *err)
{
    uint64_t missed = tail->begun ? line->id - tail->wanted.after - 1 : 0;
    int rc = 0;
    if (missed > 0) {
        rc = put(tail, "missed", line->id - 1, json_pack("{s:I}", "missed", (json_int_t)missed),
                 out, err);
    }
    if (rc == 0 && is_wanted(&tail->wanted, line)) {
        rc = put(tail, "log", line->id, row_of(line), out, err);
    }
    return rc;
}

static int tail_next(struct admin_stream *stream, uint64_t idle_ms, struct buf *out,
                     struct err *err)
{
    struct tail *tail = (struct tail *)stream;
    struct log_ring_line line;
    for (size_t looked = 0; looked < LOOK_LINES && out->size < PIECE_BYTES; looked++) {
        if (!log_ring_next(tail->wanted.after, &line)) {
            bool silent = out->size == 0 && idle_ms >= HEARTBEAT_MS && tail->form == FORM_NDJSON;
            return silent ? put(tail, "heartbeat", 0, json_pack("{s:b}", "heartbeat", 1), out, err)
                          : 0;
        }
        int rc = put_line(tail, &line, out, err);
        if (rc != 0) {
            return rc;
        }
        tail->wanted.after = line.id;
        tail->begun = true;
    }
    return 1;
}

static void tail_free(struct admin_stream *stream)
{
    struct tail *tail = (struct tail *)stream;
    free(tail->wanted.search);
    free(tail);
}

/* What is wanted is the stream's from here on. */
static int answer_stream(struct wanted *wanted, enum log_form form, struct admin_response *response,
                         struct err *err)
{
    struct tail *tail = calloc(1, sizeof *tail);
    if (tail == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    tail->stream =
        (struct admin_stream){.next = tail_next, .free = tail_free, .sse = form == FORM_SSE};
    tail->wanted = *wanted;
    tail->form = form;
    tail->begun = wanted->resumes && wanted->after > 0;
    wanted->search = NULL;
    response->status = 200;
    response->stream = &tail->stream;
    return 0;
}

static int answer(const struct admin_request *request, struct wanted *wanted,
                  struct admin_response *response, struct err *err)
{
    const char *feed = admin_query(request, "feed");
    const char *format = admin_query(request, "format");
    bool sse = feed != NULL && strcmp(feed, "sse") == 0;
    bool text = format != NULL && strcmp(format, "text") == 0;
    if (feed != NULL) {
        return answer_stream(wanted, sse ? FORM_SSE : FORM_NDJSON, response, err);
    }
    if (format != NULL) {
        name_file(response, text ? "txt" : "json");
    }
    return text ? answer_text(wanted, response, err) : answer_list(wanted, response, err);
}

static int check_forms(const struct admin_request *request, struct err *err)
{
    const char *feed = admin_query(request, "feed");
    const char *format = admin_query(request, "format");
    if (feed != NULL && format != NULL) {
        return err_set(err, E_INVALID, "'feed' and 'format' exclude each other");
    }
    if (feed != NULL && strcmp(feed, "sse") != 0 && strcmp(feed, "ndjson") != 0) {
        return err_set(err, E_INVALID, "'feed' is sse or ndjson, not '%s'", feed);
    }
    if (format != NULL && strcmp(format, "text") != 0 && strcmp(format, "json") != 0) {
        return err_set(err, E_INVALID, "'format' is text or json, not '%s'", format);
    }
    return 0;
}

int admin_api_log(const struct admin_request *request, struct admin_response *response,
                  struct err *err)
{
    struct wanted wanted = {0};
    int rc = check_forms(request, err);
    if (rc == 0) {
        rc = read_wanted(request, &wanted, err);
    }
    if (rc == 0) {
        rc = answer(request, &wanted, response, err);
    }
    free(wanted.search);
    return rc;
}
