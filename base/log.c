/* base/log.c - makes a line in memory of its own and hands it over with one write. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log_ring.h"

enum {
    TEXT_MAX = 2048,                  /* of one event, before escaping */
    LINE_MAX_BYTES = 4 * TEXT_MAX + 1 /* every byte escaped, and the newline */
};

static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_least = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warning", "error"};
enum { LEVEL_COUNT = sizeof level_names / sizeof level_names[0] };

void log_setup(int fd, enum log_level least)
{
    ASSERT(fd >= 0);
    log_fd = fd;
    log_least = (int)least;
}

void log_set_level(enum log_level least)
{
    log_least = (int)least;
}

bool log_parse_level(const char *text, enum log_level *level)
{
    ASSERT(text != NULL && level != NULL);
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    ASSERT((size_t)level < LEVEL_COUNT);
    return level_names[level];
}

const char *log_quote(char *out, size_t size, const char *text)
{
    ASSERT(out != NULL && size >= 3);
    size_t used = 0;
    out[used++] = '"';
    for (const char *at = text != NULL ? text : ""; *at != '\0'; at++) {
        bool escape = *at == '"' || *at == '\\';
        if (used + (escape ? 2u : 1u) + 2u > size) {
            break;
        }
        if (escape) {
            out[used++] = '\\';
        }
        out[used++] = *at;
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}

/* How many bytes at `at` would start new lines or steer a terminal: C0, DEL, and C1 as UTF-8 has it
 * (two bytes, of which the second alone is C1 to an old terminal). */
static size_t control_size(const char *at)
{
    unsigned char c = (unsigned char)at[0];
    if (c < 0x20 || c == 0x7f) {
        return 1;
    }
    unsigned char next = (unsigned char)at[1];
    return c == 0xc2 && next >= 0x80 && next < 0xa0 ? 2 : 0;
}

static size_t escape_line(const char *text, char *line)
{
    size_t used = 0;
    size_t escape = 0; /* bytes still to be escaped */
    for (const char *at = text; *at != '\0'; at++) {
        escape = escape > 0 ? escape : control_size(at);
        if (escape > 0) {
            escape--;
            line[used++] = '\\';
            line[used++] = 'x';
            hex_encode(at, 1, line + used);
            used += 2;
        } else {
            line[used++] = *at;
        }
    }
    line[used++] = '\n';
    return used;
}

void log_event(enum log_level level, const char *module, const char *event, const char *format, ...)
{
    ASSERT((size_t)level < LEVEL_COUNT);
    ASSERT(module != NULL && event != NULL);
    if ((int)level < log_least) {
        return;
    }
    char text[TEXT_MAX];
    uint64_t now_ms = clock_wall_ms(&clock_system);
    clock_format(now_ms, text);
    size_t used = strlen(text);
    int len = snprintf(text + used, sizeof text - used, " %s %s %s%s", level_names[level], module,
                       event, format != NULL ? " " : "");
    ASSERT(len > 0 && (size_t)len < sizeof text - used); /* our own words, never long */
    used += (size_t)len;
    size_t words = used; /* behind them the pairs begin */
    if (format != NULL) {
        va_list args;
        va_start(args, format);
        len = vsnprintf(text + used, sizeof text - used, format, args);
        va_end(args);
        if (len < 0) {
            text[used] = '\0';
        } else if ((size_t)len >= sizeof text - used) {
            memcpy(text + sizeof text - 4, "...", 4);
        }
    }
    char line[LINE_MAX_BYTES];
    size_t size = escape_line(text, line);
    log_ring_add(now_ms, level, module, event, span_of(line + words, size - words - 1));
    ssize_t written = write(log_fd, line, size);
    (void)written; /* there is no place to tell that a log line was lost */
}

void log_err(enum log_level level, const char *module, const char *event, const struct err *err)
{
    ASSERT(err != NULL);
    char quoted[2 * ERR_TEXT_MAX + 3];
    log_event(level, module, event, "code=%s text=%s", err_name(err->code),
              log_quote(quoted, sizeof quoted, err->text));
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, uint64_t *held_back)
{
    ASSERT(limit != NULL && held_back != NULL);
    /* Atomic, because a call site may be reached by several threads at once. */
    uint64_t now = now_ms > 0 ? now_ms : 1; /* 0 says that nothing has passed yet */
    uint64_t last = __atomic_load_n(&limit->last_ms, __ATOMIC_RELAXED);
    bool due = last == 0 || now - last >= 1000;
    if (due && __atomic_compare_exchange_n(&limit->last_ms, &last, now, false, __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED)) {
        *held_back = __atomic_exchange_n(&limit->held, 0, __ATOMIC_RELAXED);
        return true;
    }
    (void)__atomic_add_fetch(&limit->held, 1, __ATOMIC_RELAXED);
    return false;
}
