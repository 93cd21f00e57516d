/* server/operations.h - a client machine's operations: taken up exactly once, judged, planned.
 *
 * An operation is done, refused for good, or deferred. Done and refused ones are changes of the
 * journal with the operation's number and the hash of its content, so a repeat gets the same
 * outcome; deferred ones leave no trace and keep their number. An operation that ran empty
 * (OPERATION_EMPTY) is refused as E_DROPPED. Removing what is not there is a change like any
 * other: the replica's cursor passes it, and the outbox knows that it is done.
 */
#ifndef KITBAG_SERVER_OPERATIONS_H
#define KITBAG_SERVER_OPERATIONS_H

#include "server/plan.h"

enum { OPERATIONS_UNCONFIRMED_MAX = 4096 };

/* Who sent it. */
struct operation_from {
    uint64_t session;
    uint64_t device;
    uint64_t device_bag;
    uint64_t writer;
    uint64_t confirmed; /* outcomes up to here are known to the client */
};

/* Judge and plan one operation, and put its reply into the draft. Returns 0, PLAN_FULL (nothing
 * was done, no reply), or E_MALFORMED with a sentence: it is none, the session is to be ended.
 *
 * Outcomes that are not journalled: E_WRITER (a number or content that does not fit the writer, or
 * a writer of another device: the client takes a new writer number and loses nothing), E_DEFERRED
 * (a gap), E_BUSY (too many unconfirmed, or trouble), and what plan->closed says. */
MUST_CHECK int operations_plan(struct plan *plan, const struct operation_from *from,
                               const msgpack_object *object, struct err *err);

/* It does not fit an empty draft either: refused for good with E_TOO_LARGE. */
MUST_CHECK int operations_refuse_large(struct plan *plan, const struct operation_from *from,
                                       const msgpack_object *object, struct err *err);

#endif
