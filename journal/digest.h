/* journal/digest.h - what a bag holds, as one number: server and replica compare it.
 *
 * The sum, modulo 2^128, of XXH3-128 over each live item's path, seq and value. A sum, so that a
 * change costs the same however large the bag is; items behind a fence count too, so that the
 * digest depends on the bag and its cursor alone.
 *
 * Pure, and the same on every machine: numbers go into the hash as numbers, not as memory.
 */
#ifndef KITBAG_JOURNAL_DIGEST_H
#define KITBAG_JOURNAL_DIGEST_H

#include "base/buf.h"

/* Born zeroed: the digest of an empty bag. */
struct digest {
    uint64_t low;
    uint64_t high;
};

enum { DIGEST_SIZE = 16 };

/* An item comes, or goes as it was. */
void digest_add(struct digest *digest, struct span path, uint64_t seq, struct span value);
void digest_subtract(struct digest *digest, struct span path, uint64_t seq, struct span value);
bool digest_equal(const struct digest *a, const struct digest *b);

/* Its bytes on the wire and on disk: low, then high, little-endian. */
void digest_put(const struct digest *digest, uint8_t out[DIGEST_SIZE]);
struct digest digest_get(const uint8_t bytes[DIGEST_SIZE]);

#endif
