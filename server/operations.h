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

enum { OPERATIONS_UNCONFIRMED_MAX = 4096 }; /* outcomes that are kept for one writer */

/* Who sent it. */
struct operation_from {
    uint64_t session;
    uint64_t device;
    uint64_t device_bag;
    uint64_t writer;
    uint64_t confirmed; /* outcomes up to here are known to the client */
    /* The lowest number that was deferred, 0: none. What comes behind it is deferred too, until it
     * comes again: a caller keeps this per session, and sets 0 when that number is sent again. */
    uint64_t deferred_from;
};

/* The number of an encoded operation, 0 when it is none. */
uint64_t operation_number(const msgpack_object *object);

/* Judge and plan one operation, and put its reply into the draft. Returns 0, PLAN_FULL or
 * PLAN_SETTLE (nothing was done, no reply), or E_MALFORMED with a sentence: it is none, the session
 * is to be ended.
 *
 * Outcomes that are not journalled: E_WRITER (a number or content that does not fit the writer, or
 * a writer of another device: the client takes a new writer number and loses nothing), E_DEFERRED
 * (a gap), E_BUSY (too many unconfirmed, or trouble), and what plan->closed says. */
MUST_CHECK int operations_plan(struct plan *plan, struct operation_from *from,
                               const msgpack_object *object, struct err *err);

/* It does not fit an empty draft either: refused for good with E_TOO_LARGE. */
MUST_CHECK int operations_refuse_large(struct plan *plan, struct operation_from *from,
                                       const msgpack_object *object, struct err *err);

/* There is no memory to commit what is in the draft: E_BUSY. */
MUST_CHECK int operations_answer_busy(struct plan *plan, struct operation_from *from,
                                      const msgpack_object *object, struct err *err);

#endif
