/* cli/ctl_log.c - kitbagctl log: the server's newest log lines, and those that follow. */
#include <stdio.h>
#include <string.h>

#include "cli/ctl_http.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

enum { TARGET_MAX_BYTES = 4096, LINES = 100, LINE_MAX_BYTES = 1 << 20 };

struct tail {
    enum output_format format;
};

static const struct output_column columns[] = {
    {"time", "TIME", false},   {"level", "LEVEL", false}, {"module", "MODULE", false},
    {"event", "EVENT", false}, {"text", "TEXT", false},   {NULL, NULL, false},
};

/* A line as it stands in the log's file: no cells of a table, for those are cut. */
static int print_words(json_t *line, struct err *err)
{
    struct buf text;
    buf_init(&text, LINE_MAX_BYTES);
    for (size_t i = 0; columns[i].key != NULL; i++) {
        const char *word = json_string_value(json_object_get(line, columns[i].key));
        if (word != NULL && word[0] != '\0') {
            (void)buf_printf(&text, "%s%s", text.size > 0 ? "  " : "", word);
        }
    }
    (void)buf_append_u8(&text, 0);
    int rc = buf_error(&text);
    if (rc == 0) {
        output_clean((char *)text.data);
        (void)printf("%s\n", (char *)text.data);
        (void)fflush(stdout);
    }
    buf_free(&text);
    return rc == 0 ? 0 : err_set(err, rc, "a line of the log is too long to print");
}

static int print_line(void *context, json_t *line, struct err *err)
{
    const struct tail *tail = context;
    json_t *missed = json_object_get(line, "missed");
    int rc = 0;
    if (json_object_get(line, "heartbeat") != NULL) {
        return 0;
    }
    if (tail->format != OUTPUT_TABLE) {
        output_row(tail->format, columns, line);
    } else if (missed != NULL) {
        output_say("(%lld lines were not caught: the log was faster)\n",
                   (long long)json_integer_value(missed));
    } else {
        rc = print_words(line, err);
    }
    return rc == 0 && ferror(stdout) ? err_set(err, E_IO, "standard output was closed") : rc;
}

static int log_target(const struct invocation *invocation, struct buf *buf, struct err *err)
{
    bool follow = invocation_has(invocation, "follow");
    size_t lines = 0;
    int rc = ctl_lines(invocation, LINES, &lines, err);
    (void)buf_printf(buf, "/api/v1/log?limit=%zu%s", lines, follow ? "&feed=ndjson" : "");
    ctl_put_query(buf, "level", invocation_option(invocation, "level"));
    ctl_put_query(buf, "search", invocation_option(invocation, "search"));
    return rc;
}

static int print_newest(const struct invocation *invocation, const char *target, struct tail *tail,
                        struct err *err)
{
    json_t *answer = NULL;
    size_t i;
    json_t *line;
    int rc = ctl_ask(invocation, target, NULL, &answer, err);
    json_t *rows = json_object_get(answer, "log");
    if (rc == 0 && tail->format == OUTPUT_JSON) {
        output_rows(tail->format, columns, rows);
    } else if (rc == 0) {
        json_array_foreach(rows, i, line)
        {
            rc = rc != 0 ? rc : print_line(tail, line, err);
        }
    }
    if (rc == 0 && json_array_size(rows) == 0 && tail->format == OUTPUT_TABLE) {
        (void)fputs("(none)\n", stderr);
    }
    json_decref(answer);
    return rc;
}

int ctl_log(const struct invocation *invocation, struct err *err)
{
    struct tail tail = {0};
    struct buf buf;
    bool follow = invocation_has(invocation, "follow");
    buf_init(&buf, TARGET_MAX_BYTES);
    int rc = output_format(invocation, &tail.format, err);
    if (rc == 0 && follow && tail.format == OUTPUT_JSON) {
        rc = err_set(err, E_USAGE, "--follow never ends: use -o ndjson, a document a line");
    }
    if (rc == 0) {
        rc = log_target(invocation, &buf, err);
    }
    if (rc == 0) {
        const char *target = ctl_target(&buf, err);
        rc = target == NULL ? E_TOO_LARGE
             : follow       ? ctl_stream(invocation, target, print_line, &tail, err)
                            : print_newest(invocation, target, &tail, err);
    }
    buf_free(&buf);
    return rc;
}
