/* journal/digest.c - one item's hash is XXH3-128 of its value, seeded by an XXH3-64 of its path,
 * which is seeded by its seq. */
#include "journal/digest.h"

#include "base/hash.h"

void digest_add(struct digest *digest, struct span path, uint64_t seq, struct span value)
{
    ASSERT(digest != NULL);
    uint64_t item[2];
    hash128(value, hash64(path, seq), item);
    digest->low += item[0];
    digest->high += item[1] + (digest->low < item[0] ? 1 : 0);
}

void digest_subtract(struct digest *digest, struct span path, uint64_t seq, struct span value)
{
    ASSERT(digest != NULL);
    uint64_t item[2];
    hash128(value, hash64(path, seq), item);
    digest->high -= item[1] + (digest->low < item[0] ? 1 : 0);
    digest->low -= item[0];
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    ASSERT(a != NULL && b != NULL);
    return a->low == b->low && a->high == b->high;
}

void digest_put(const struct digest *digest, uint8_t out[DIGEST_SIZE])
{
    ASSERT(digest != NULL && out != NULL);
    put_le64(out, digest->low);
    put_le64(out + 8, digest->high);
}

struct digest digest_get(const uint8_t bytes[DIGEST_SIZE])
{
    ASSERT(bytes != NULL);
    return (struct digest){get_le64(bytes), get_le64(bytes + 8)};
}
