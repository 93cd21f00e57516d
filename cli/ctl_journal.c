/* cli/ctl_journal.c - kitbagctl journal: its size, its newest changes, and whether it is whole. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/ctl_http.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"
#include "journal/verify.h"

enum { TARGET_MAX_BYTES = 4096 };

int ctl_journal_stat(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"floor", "First change", false},
        {"head", "Last change", false},
        {"first_time", "From", false},
        {"last_time", "To", false},
        {"segments", "Files", false},
        {"bytes", "Bytes", false},
        {"file_bytes", "Bytes on disk", false},
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
    return 0;
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

/* --- verify --- */

static void show_progress(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    output_progress("reading the journal", done, total);
}

/* A server that is writing may be met in the middle of a batch: what is damage shows itself at the
 * same place again. */
static int verify(const char *dir, struct verify_report *report, struct err *err)
{
    int rc = journal_verify(dir, report, show_progress, NULL, err);
    for (int i = 0; i < 3 && rc == E_CORRUPT; i++) {
        struct verify_report before = *report;
        *report = (struct verify_report){0};
        rc = journal_verify(dir, report, show_progress, NULL, err);
        if (rc == E_CORRUPT && strcmp(before.file, report->file) == 0 &&
            before.offset == report->offset) {
            break;
        }
    }
    output_progress_end();
    return rc;
}

static const char *tail_words(enum segment_tail tail)
{
    switch (tail) {
    case SEGMENT_TAIL_CLEAN:
        return "a clean stop";
    case SEGMENT_TAIL_OPEN:
        return "open: the server runs, or was killed between two writes";
    case SEGMENT_TAIL_TORN:
        return "a write that was cut short: nobody was told that it was done, the next start "
               "clears it away";
    }
    return "unknown";
}

static int print_report(const struct verify_report *report, enum output_format format,
                        struct err *err)
{
    static const struct output_column columns[] = {
        {"journal", "Journal", false},
        {"first_seq", "First change", false},
        {"last_seq", "Last change", false},
        {"changes", "Changes", false},
        {"batches", "Batches", false},
        {"segments", "Files", false},
        {"bytes", "Bytes", false},
        {"end", "Ends with", false},
        {NULL, NULL, false},
    };
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:s}", "journal", "whole", "first_seq",
                  output_seq(report->first_seq), "last_seq", output_seq(report->last_seq),
                  "changes", (json_int_t)report->changes, "batches", (json_int_t)report->batches,
                  "segments", (json_int_t)report->segments, "bytes", (json_int_t)report->bytes,
                  "end", tail_words(report->tail));
    if (object == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    output_object(format, columns, object);
    json_decref(object);
    return 0;
}

int ctl_journal_verify(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    char dir[PATH_MAX];
    struct verify_report report = {0};
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = path_join(dir, sizeof dir, ctl_data_dir(invocation), "journal");
        rc = rc == 0 ? 0 : err_set(err, rc, "the path of the data folder is too long");
    }
    if (rc == 0) {
        rc = verify(dir, &report, err);
    }
    if (rc == E_CORRUPT) {
        (void)fprintf(stderr, "Keep a copy of the whole data folder before anything else is done "
                              "with it.\n");
    }
    if (rc == E_NOT_FOUND) {
        return err_set(err, rc, "there is no journal in '%s': is that a server's data folder?",
                       ctl_data_dir(invocation));
    }
    return rc == 0 ? print_report(&report, format, err) : rc;
}
