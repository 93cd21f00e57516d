/* server/desk.h - where other threads hand in what only the main thread may do, and wait.
 *
 * Administration calls the functions of the backend (admin/backend.h); each puts a ticket on the
 * desk, wakes the main thread, and sleeps until the ticket is done. Long tickets are worked off in
 * pieces, so that machines are not kept waiting; and who handed in changes sleeps on until kv/ has
 * them, while the main thread goes on.
 */
#ifndef KITBAG_SERVER_DESK_H
#define KITBAG_SERVER_DESK_H

#include "server/committer.h"
#include "server/sign_ins.h"
#include "transport/token.h"

struct desk;

struct desk_options {
    void (*wake)(void *context); /* ends the main thread's wait; from any thread */
    /* By the main thread, to answer. */
    void (*status)(void *context, struct server_status *out);
    int (*device)(void *context, uint64_t device, struct device_live *out); /* E_NOT_FOUND */
    void (*confirm_clock)(void *context);
    void *context;
    struct committer *committer; /* borrowed for life */
    struct journal *journal;     /* borrowed for life; for the backend */
    const char *journal_dir;     /* borrowed for life; for the backend */
    struct sign_ins *sign_ins;   /* borrowed for life; for the backend; may be NULL */
    /* What join tokens say; the rest is made for each. */
    struct join_token token;
};

MUST_CHECK int desk_new(struct desk **out, const struct desk_options *options, struct err *err);
void desk_free(struct desk **desk); /* after desk_close, when nobody calls the backend any more */

/* What administration is given, and housekeeping for its own changes. Borrows the desk. */
void desk_backend(struct desk *desk, struct admin_backend *out);

/* --- by the main thread --- */

/* Work on what was handed in, a piece; true when more waits. */
bool desk_work(struct desk *desk);
/* A submit was answered (REPLY_SUBMITTED). */
void desk_reply(struct desk *desk, const struct reply *reply);
/* After committer_deliver: whose changes are in kv/ by now are told. */
void desk_answer(struct desk *desk);
/* From now on everything is E_CLOSED; whoever waits is sent home. Everything planned must have been
 * delivered. */
void desk_close(struct desk *desk);

#endif
