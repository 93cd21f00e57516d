/* transport/parts.h - logical messages that are longer than a frame: cut up, and put together.
 *
 * Offsets rise without gaps, one logical message at a time in each direction. Pure memory: budgets
 * and credit are the callers'.
 */
#ifndef KITBAG_TRANSPORT_PARTS_H
#define KITBAG_TRANSPORT_PARTS_H

#include "transport/wire.h"

/* Incoming. */
struct parts_in {
    uint64_t id;
    uint64_t total; /* 0: no message is being put together */
    struct buf bytes;
};

void parts_in_init(struct parts_in *in);
void parts_in_free(struct parts_in *in); /* drops what was begun; it can be used again */
/* Takes the next part. `*whole` tells that the message is complete: its bytes are in->bytes, until
 * parts_in_free or a taking of the buffer. E_MALFORMED with a sentence (it does not continue what
 * was begun), E_NOMEM. */
MUST_CHECK int parts_in_add(struct parts_in *in, const struct wire_part *part, bool *whole,
                            struct err *err);

/* Outgoing: how many bytes the frame of the part at `offset` takes, and that frame. The part holds
 * as much as a part may. Returns how many bytes of the message it holds. */
size_t parts_out_frame_bytes(uint64_t session, uint64_t id, size_t total, size_t offset);
size_t parts_out_put(struct buf *out, uint64_t session, uint64_t id, struct span message,
                     size_t offset);
/* All frames of a message together. */
size_t parts_out_all_bytes(uint64_t session, uint64_t id, size_t total);

/* The type of the message that begins with these bytes, 0 when they tell none. */
unsigned parts_type(struct span begin);

#endif
