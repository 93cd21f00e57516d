/* base/log.h - one structured line per event.
 *
 *   2026-11-22T17:51:37.123Z warning stream device.unreachable device=3f… lag=12
 *
 * Only code that ends an error's journey logs; libraries (libkitbag among them) return errors. A
 * value of a setting, a password, a token or a key is never logged. Event names are stable.
 */
#ifndef KITBAG_BASE_LOG_H
#define KITBAG_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Where lines go: a descriptor (2 at first; borrowed) and the least level. Call before threads. */
void log_setup(int fd, enum log_level least);
void log_set_level(enum log_level least);
bool log_parse_level(const char *text, enum log_level *level);
const char *log_level_name(enum log_level level);

/* `module` is a folder or part ("journal"), `event` a stable dotted name ("device.joined"), then
 * pairs "key=value" by a format: log_event(LOG_INFO, "journal", "opened", "head=%" PRIu64, head).
 * Spaces and quotes in string arguments: quote them with LOG_Q. Control bytes are escaped. Safe
 * from every thread; one write call a line. `format` may be NULL. */
void log_event(enum log_level level, const char *module, const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* `text` (may be NULL) in double quotes, with a backslash before quotes and backslashes, cut to fit
 * `size` bytes; returns `out`. LOG_Q(text) makes its own room, for the block it stands in. */
enum { LOG_QUOTE_MAX = 512 };
const char *log_quote(char *out, size_t size, const char *text);
#define LOG_Q(text) log_quote((char[LOG_QUOTE_MAX]){0}, LOG_QUOTE_MAX, (text))

/* The line of an error that ends here: code=NAME text="...". */
void log_err(enum log_level level, const char *module, const char *event, const struct err *err);

/* At most one line a second per call site for what a peer can cause; the next line tells how many
 * were held back (held_back=N). `last_ms` and `held` are the call site's own static variables. */
struct log_limit {
    uint64_t last_ms;
    uint64_t held;
};
bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, uint64_t *held_back);

#endif
