/* server/loop.h - the main thread: receive, commit, send, turns; and time, signals, the desk.
 *
 * One round takes what waits (bounded), plans it, commits once, delivers, and reads some pages for
 * those who catch up. A lone write is received, committed and answered without a hand-over to
 * another thread.
 */
#ifndef KITBAG_SERVER_LOOP_H
#define KITBAG_SERVER_LOOP_H

#include "server/desk.h"
#include "server/sessions.h"

struct loop_options {
    struct router *router;
    struct sessions *sessions;
    struct committer *committer;
    struct desk *const *desk; /* `recover` may put another in its place */
    const struct clock *clock;
    int signal_fd; /* SIGTERM and SIGINT end the loop, SIGHUP calls reload */
    void (*reload)(void *context);
    /* The committer is BEHIND: open the state again. E_CLOSED: a signal came meanwhile, end; any
     * other code ends the loop with it. */
    int (*recover)(void *context, struct err *err);
    void *context;
};

/* All parts are borrowed. Runs until a signal or `recover` ends it: 0, or an error that made going
 * on impossible. What was received is committed and answered by then. */
MUST_CHECK int loop_run(const struct loop_options *options, struct err *err);

/* Machines are told that the server ends, so that they try again soon and not after a silence.
 * `sessions` may be NULL. */
void loop_farewell(struct router *router, struct sessions *sessions, const struct clock *clock);

#endif
