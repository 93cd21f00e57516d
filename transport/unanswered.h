/* transport/unanswered.h - the operations that were sent and have no outcome yet, both sides.
 *
 * Counted by messages: the bytes of a WRITE count until the last of its operations is answered.
 */
#ifndef KITBAG_TRANSPORT_UNANSWERED_H
#define KITBAG_TRANSPORT_UNANSWERED_H

#include "base/buf.h"

struct unanswered_write {
    uint32_t operations; /* of it, without an outcome */
    uint32_t bytes;
};

struct unanswered {
    struct unanswered_write *ring; /* oldest first, from `first` */
    uint32_t capacity;             /* a power of two */
    uint32_t first;
    uint32_t writes;
    uint32_t operations; /* of all of them */
    size_t bytes;
};

void unanswered_free(struct unanswered *all); /* empties it; it can be used again */
/* One more WRITE of `operations` > 0. E_NOMEM. */
MUST_CHECK int unanswered_add(struct unanswered *all, uint32_t operations, uint32_t bytes);
/* One more outcome came: of the oldest operation. Ignored when there is none. */
void unanswered_take(struct unanswered *all);

#endif
