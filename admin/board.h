/* admin/board.h - how the server is: found out once, told to all who ask.
 *
 * A thread asks the main thread, the state and the journal, and makes one text of it, when somebody
 * wants to know and what it has is no longer fresh: thousands of requests a second, and hundreds of
 * listeners, cost the main thread a few questions. What is told is at most ADMIN_BOARD_FRESH_MS
 * old, and once something was committed since, ADMIN_BOARD_BEHIND_MS: whoever has written sees it.
 * Once in ADMIN_BOARD_SAMPLE_MS a few numbers are noted, for charts.
 *
 * Safe from any thread. Of the two ways to ask, `wait` may block until the main thread answers;
 * without it nothing blocks.
 */
#ifndef KITBAG_ADMIN_BOARD_H
#define KITBAG_ADMIN_BOARD_H

#include "admin/backend.h"
#include "base/clock.h"

struct admin_board;

enum {
    ADMIN_BOARD_FRESH_MS = 100,
    ADMIN_BOARD_BEHIND_MS = 1,
    /* While newer facts are on their way, those who can't wait are shown what there is, so old at
     * most; and when something was committed since: */
    ADMIN_BOARD_STALE_MS = 1000,
    ADMIN_BOARD_STALE_BEHIND_MS = 10,
    ADMIN_BOARD_EVENT_MS = 1000,
    ADMIN_BOARD_SAMPLE_MS = 5000,
    ADMIN_BOARD_SAMPLES = 720, /* an hour */
};

/* How the server was at a moment. */
struct admin_board_facts {
    uint64_t mono_ms; /* when it was asked */
    struct server_status status;
    struct kv_counts counts;
    struct journal_stat journal;
    double writes_per_s; /* changes, of the last seconds */
};

struct admin_board_sample {
    uint64_t time_ms;    /* since 1970 */
    double writes_per_s; /* since the sample before */
    uint64_t connected;
    uint64_t lag;           /* the most, in changes */
    uint64_t journal_bytes; /* of changes, without what is pre-written */
};

struct admin_board_options {
    const struct admin_backend *backend; /* borrowed for life, as all of these */
    const struct clock *clock;
    /* The text of the facts, one line of JSON, appended; by the board's thread. */
    int (*render)(const struct admin_board_facts *facts, struct buf *out, struct err *err);
};

MUST_CHECK int admin_board_start(struct admin_board **out,
                                 const struct admin_board_options *options, struct err *err);
/* Nobody may be asking any more. Waits for a question that the backend is answering. Accepts NULL
 * and a nulled pointer. */
void admin_board_stop(struct admin_board **board);

/* The text, appended to `out`. E_DEFERRED: there is nothing fresh without waiting; codes of the
 * backend's status (E_CLOSED), of kv_counts and of `render`; E_NOMEM. */
MUST_CHECK int admin_board_text(struct admin_board *board, bool wait, struct buf *out,
                                struct err *err);
/* The facts, the same way. */
MUST_CHECK int admin_board_facts(struct admin_board *board, bool wait,
                                 struct admin_board_facts *out, struct err *err);
/* What was found out last and how old that is, at once: 0, what the last question failed with, or
 * E_DEFERRED before the first answer. Newer facts are asked for when these are not fresh. */
MUST_CHECK int admin_board_last(struct admin_board *board, struct admin_board_facts *out,
                                uint64_t *age_ms, struct err *err);

/* One more, or one less, listens: while somebody does, the text is made anew once in
 * ADMIN_BOARD_EVENT_MS. */
void admin_board_listen(struct admin_board *board);
void admin_board_leave(struct admin_board *board);
/* The newest text as a server-sent event named `status`, when it is another than `number` tells
 * (0: any), which it then tells. Returns 1, 0 (there is none), or E_NOMEM. Never blocks. */
int admin_board_event(struct admin_board *board, uint64_t *number, struct buf *out);

/* The samples taken since `since_ms` (since 1970), the oldest first: how many of them went into
 * `out`, which has room for ADMIN_BOARD_SAMPLES. */
size_t admin_board_samples(struct admin_board *board, uint64_t since_ms,
                           struct admin_board_sample *out);

#endif
