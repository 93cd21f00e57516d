/* cli/ctl_journal.c - kitbagctl journal: its size and what holds it, and its newest changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ctl_http.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

enum { TARGET_MAX_BYTES = 4096 };

/* What holds each limit, for a person: a line each behind the numbers. */
static void print_retention(json_t *stat)
{
    static const struct output_column columns[] = {
        {"what", "KEPT", false},
        {"seq", "FROM SEQ", true},
        {"text", "BECAUSE", false},
        {NULL, NULL, false},
    };
    json_t *lines = json_object_get(stat, "retention");
    if (json_array_size(lines) > 0) {
        (void)putchar('\n');
        output_rows(OUTPUT_TABLE, columns, lines);
    }
    if (json_is_true(json_object_get(stat, "clock_stepped"))) {
        output_say("The server's clock stepped: nothing is dropped for its age until a "
                   "day has passed. If it is right now: kitbagctl clock confirm\n");
    }
}

int ctl_journal_stat(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"floor", "First change", false},
        {"head", "Last change", false},
        {"flushed", "Flushed to", false},
        {"first_time", "From", false},
        {"last_time", "To", false},
        {"segments", "Files", false},
        {"bytes", "Bytes", false},
        {"file_bytes", "Bytes on disk", false},
        {"room_bytes", "Bytes free", false},
        {"history", "History", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *stat = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_ask(invocation, "/api/v1/journal/stat", NULL, &stat, err);
    }
    if (rc == 0) {
        output_object(format, columns, stat);
    }
    if (rc == 0 && format == OUTPUT_TABLE) {
        print_retention(stat);
    }
    json_decref(stat);
    return rc;
}

/* --- tail --- */

struct tail {
    enum output_format format;
    json_t *rows; /* of JSON: an array is printed whole */
};

/* Who made the change: a machine's ID, else the name of whoever administers. */
static void set_from(json_t *line)
{
    const char *origin = json_string_value(json_object_get(line, "origin"));
    const char *actor = json_string_value(json_object_get(line, "actor"));
    const char *from = origin != NULL && origin[0] != '\0' ? origin : actor;
    (void)json_object_set_new(line, "from", json_string(from != NULL ? from : ""));
    if (json_is_true(json_object_get(line, "masked"))) {
        (void)json_object_set_new(line, "value", json_string("(secret)"));
    }
}

static int print_line(void *context, json_t *line, struct err *err)
{
    static const struct output_column columns[] = {
        {"seq", "SEQ", true},    {"time", "TIME", false},   {"kind", "WHAT", false},
        {"bag", "BAG", false},   {"item", "ITEM", false},   {"from", "FROM", false},
        {"code", "CODE", false}, {"value", "VALUE", false}, {NULL, NULL, false},
    };
    struct tail *tail = context;
    if (json_object_get(line, "heartbeat") != NULL) {
        return 0;
    }
    if (tail->rows != NULL) {
        return json_array_append(tail->rows, line) == 0 ? 0
                                                        : err_set(err, E_NOMEM, "out of memory");
    }
    if (tail->format == OUTPUT_TABLE) {
        set_from(line);
    }
    output_row(tail->format, columns, line);
    return ferror(stdout) ? err_set(err, E_IO, "standard output was closed") : 0;
}

/* The place HISTORY:SEQ; a seq alone is one of the history that the server has now. */
static int put_since(const struct invocation *invocation, struct buf *target, struct err *err)
{
    const char *since = invocation_option(invocation, "since");
    json_t *status = NULL;
    int rc = 0;
    if (since == NULL) {
        return 0;
    }
    if (invocation_has(invocation, "lines")) {
        return err_set(err, E_USAGE,
                       "--since and --lines exclude each other: one tells where to "
                       "begin, the other how far before the end");
    }
    const char *colon = strchr(since, ':');
    const char *seq = colon != NULL ? colon + 1 : since;
    if (seq[0] == '\0' || strlen(seq) > 19 || seq[strspn(seq, "0123456789")] != '\0') {
        return err_set(err, E_USAGE, "--since takes SEQ or HISTORY:SEQ, not '%s'", since);
    }
    (void)buf_append_span(target, SPAN_LITERAL("&since="));
    if (colon == NULL) {
        rc = ctl_ask(invocation, "/api/v1/status", NULL, &status, err);
        const char *history = json_string_value(json_object_get(status, "history"));
        if (rc == 0 && history == NULL) {
            rc = err_set(err, E_MALFORMED, "the server's status names no history");
        } else if (rc == 0) {
            ctl_escape(target, history);
            (void)buf_append_u8(target, ':');
        }
    }
    ctl_escape(target, since);
    json_decref(status);
    return rc;
}

static int tail_target(const struct invocation *invocation, struct buf *target, struct err *err)
{
    const char *lines = invocation_option(invocation, "lines");
    const char *bag = invocation_option(invocation, "bag");
    (void)buf_printf(target, "/api/v1/changes?feed=ndjson&follow=%d&values=%d",
                     invocation_has(invocation, "follow"), invocation_has(invocation, "values"));
    if (lines != NULL) {
        if (lines[0] == '\0' || lines[strspn(lines, "0123456789")] != '\0') {
            return err_set(err, E_USAGE, "--lines takes a number, not '%s'", lines);
        }
        (void)buf_append_span(target, SPAN_LITERAL("&tail="));
        ctl_escape(target, lines);
    }
    if (bag != NULL) {
        (void)buf_append_span(target, SPAN_LITERAL("&bag="));
        ctl_escape(target, bag);
    }
    return put_since(invocation, target, err);
}

int ctl_journal_tail(const struct invocation *invocation, struct err *err)
{
    struct tail tail = {0};
    struct buf target;
    buf_init(&target, TARGET_MAX_BYTES);
    int rc = output_format(invocation, &tail.format, err);
    if (rc == 0 && tail.format == OUTPUT_JSON) {
        tail.rows = json_array();
        if (invocation_has(invocation, "follow")) {
            rc = err_set(err, E_USAGE, "--follow never ends: use -o ndjson, a document a line");
        }
    }
    if (rc == 0) {
        rc = tail_target(invocation, &target, err);
    }
    if (rc == 0) {
        const char *text = ctl_target(&target, err);
        rc = text != NULL ? ctl_stream(invocation, text, print_line, &tail, err) : E_TOO_LARGE;
    }
    if (rc == 0 && tail.rows != NULL) {
        static const struct output_column none[] = {{NULL, NULL, false}};
        output_rows(OUTPUT_JSON, none, tail.rows);
    }
    json_decref(tail.rows);
    buf_free(&target);
    return rc;
}
