/* tests/fuzz/fuzz_journal_fence.c - items of the fleet that may be fences, and what they void.
 *
 * The input is a row of [size of path, path, size of value, value], sizes one byte each.
 */
#include "journal/fence.h"
#include "tests/fuzz/fuzz.h"

/* The next piece of the input. */
static struct span take(struct span *left)
{
    if (left->size == 0) {
        return *left;
    }
    size_t size = left->data[0] < left->size - 1 ? left->data[0] : left->size - 1;
    struct span piece = {left->data + 1, size};
    left->data += 1 + size;
    left->size -= 1 + size;
    return piece;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fences set = {0};
    struct span left = span_of(data, size);
    for (uint64_t seq = 1; left.size > 0; seq++) {
        struct span path = take(&left);
        struct span value = take(&left);
        size_t before = set.count;
        struct err err = {0};
        int rc = fences_put(&set, path, seq, value, &err);
        FUZZ_CHECK(rc == 0 || rc == E_MALFORMED || rc == E_QUOTA || rc == E_NOMEM);
        FUZZ_CHECK(rc == err.code);
        FUZZ_CHECK(rc == 0 || set.count == before);
        if (rc != 0) {
            uint64_t user = fences_position(&set, OWNER_USER, path);
            uint64_t device = fences_position(&set, OWNER_USER_DEVICE, path);
            FUZZ_CHECK(set.count > 0 || (user == 0 && device == 0));
        } else if (path.size % 5 == 0) {
            fences_remove(&set, path);
            FUZZ_CHECK(set.count < before + 1);
        }
    }
    fences_free(&set);
    return 0;
}
