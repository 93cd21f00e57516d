/* base/log_ring.h - the newest lines of the log, in memory, for whoever looks at a running server.
 *
 * A program that wants them opens the ring before its threads start; log_event then puts each line
 * there too. The oldest lines make room for new ones: LOG_RING_LINES and LOG_RING_BYTES are all
 * that it holds. Who writes a line waits for nothing but another thread's copying of one line.
 *
 * Safe from any thread between opening and closing.
 */
#ifndef KITBAG_BASE_LOG_RING_H
#define KITBAG_BASE_LOG_RING_H

#include "base/buf.h"
#include "base/log.h"

enum {
    LOG_RING_LINES = 8192,
    LOG_RING_BYTES = 2 << 20, /* of words and texts */
    LOG_RING_WORD_MAX = 63,   /* of a module or an event; longer ones are cut */
    LOG_RING_TEXT_MAX = 2047, /* of a line's text; longer ones are cut and end in "..." */
};

struct log_ring_line {
    uint64_t id; /* rises by one; over restarts too, as long as the clock does not go back */
    uint64_t time_ms;
    enum log_level level;
    char module[LOG_RING_WORD_MAX + 1];
    char event[LOG_RING_WORD_MAX + 1];
    char text[LOG_RING_TEXT_MAX + 1]; /* control bytes are escaped; it may not be UTF-8 */
};

/* What it holds and has held. */
struct log_ring_range {
    uint64_t oldest; /* the id of the oldest line; newest + 1 when there is none */
    uint64_t newest;
    uint64_t counts[LOG_ERROR + 1]; /* lines of each level since it was opened */
};

/* Lines get ids behind `time_ms`, the time of opening (since 1970). E_NOMEM; E_EXISTS: it is open.
 */
MUST_CHECK int log_ring_open(uint64_t time_ms, struct err *err);
/* No other thread may log or read any more. Fine when it is not open. */
void log_ring_close(void);

/* By log_event: a line, when the ring is open. `text` is borrowed for the call. */
void log_ring_add(uint64_t time_ms, enum log_level level, const char *module, const char *event,
                  struct span text);

/* The oldest line whose id is larger than `after`, as a copy. false: there is none (yet). */
bool log_ring_next(uint64_t after, struct log_ring_line *out);
/* The newest line whose id is smaller than `before`. */
bool log_ring_previous(uint64_t before, struct log_ring_line *out);
void log_ring_range(struct log_ring_range *out); /* zeros when it is not open */

#endif
