/* server/clearing.h - removes for good what fences made void, when no undo can bring it back.
 *
 * A fence that is older than the undo horizon is marked as cleared first: from then on it can't be
 * lifted, for that would bring back a part of what it hid. Then its void items are removed, by
 * ordinary changes of a few items each. The fence stays up: a machine that was away must not show
 * old values for a moment. That it is done with is noted in the state ("cleared/SEQ"); what was
 * interrupted, or whose note a crash took back, begins anew with the first bag.
 *
 * Owned by one thread, which may block in `submit`.
 */
#ifndef KITBAG_SERVER_CLEARING_H
#define KITBAG_SERVER_CLEARING_H

#include "admin/backend.h"

struct clearing;

/* The committer, by the backend's function; E_CLOSED: it is going down. */
struct clearing_submit {
    int (*submit)(void *context, struct submit *submits, size_t count, struct err *err);
    void *context;
};

/* Writes to the owner's bag as the server itself, in one change set. 0: it was done; else what the
 * submit was refused or answered with. */
MUST_CHECK int clearing_write(const struct clearing_submit *by, const struct owner *owner,
                              const struct operation_write *writes, size_t count, struct err *err);

MUST_CHECK int clearing_new(struct clearing **out, const struct clearing_submit *submit);
void clearing_free(struct clearing **clearing);

/* One turn: looks at some hundred bags and removes at most `items` items. `undo_seq`: fences up to
 * there can't be lifted any more. `busy` tells that there was something to do. What the submit was
 * refused with (E_NOSPACE, E_READ_ONLY, E_CLOSED) or the state's errors: the next turn goes on. */
MUST_CHECK int clearing_turn(struct clearing *clearing, struct kv *kv, uint64_t undo_seq,
                             size_t items, bool *busy, struct err *err);

/* Is all gone that a fence hid whose item of this seq says that it is cleared? Not `done` when that
 * can't be told. Any thread. */
MUST_CHECK int clearing_is_done(struct kv *kv, uint64_t seq, bool *done, struct err *err);

#endif
