/* tests/server/digest.h - all that a state says, as one number: bags, items, tombstones, graves,
 * writers and their outcomes. */
#ifndef KITBAG_TESTS_SERVER_DIGEST_H
#define KITBAG_TESTS_SERVER_DIGEST_H

#include "server/rows.h"
#include "tests/server/fixture.h"

UNUSED static void digest_bytes(uint64_t *digest, struct span bytes)
{
    *digest = hash64(bytes, *digest + 1);
}

UNUSED static void digest_number(uint64_t *digest, uint64_t number)
{
    digest_bytes(digest, span_of(&number, sizeof number));
}

UNUSED static int digest_row(void *context, struct span path, const struct item_row *row,
                             struct err *err)
{
    (void)err;
    uint64_t *digest = context;
    digest_bytes(digest, path);
    digest_number(digest, (uint64_t)row->state);
    digest_number(digest, row->seq);
    digest_number(digest, row->time_ms);
    digest_number(digest, row->origin);
    digest_number(digest, row->conflict);
    digest_bytes(digest, row->value);
    return 0;
}

UNUSED static void digest_bag(uint64_t *digest, struct kv *kv, uint64_t bag_id)
{
    struct bag_row bag = {0};
    struct kv_grave grave = {0};
    int rc = kv_bag(kv, NULL, bag_id, &bag, NULL);
    if (rc == E_BAG_GONE) {
        assert_int_equal(kv_grave(kv, NULL, bag_id, &grave, NULL), 0);
        digest_number(digest, grave.last_seq);
        digest_bytes(digest, span_str(grave.owner.folded));
    }
    if (rc != 0) {
        return;
    }
    digest_number(digest, bag.last_seq);
    digest_number(digest, bag.items);
    digest_number(digest, bag.bytes);
    digest_number(digest, bag.parent);
    digest_number(digest, bag.owner.kind);
    digest_number(digest, bag.owner.device);
    digest_bytes(digest, span_str(bag.owner.shown));
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    struct kv_page page = {.bag_id = bag_id, .since = 1, .budget_bytes = 1 << 30};
    bool end = false;
    assert_int_equal(kv_page(kv, NULL, &page, digest_row, digest, &next, &end, NULL), 0);
    assert_true(end);
    buf_free(&next);
}

UNUSED static uint64_t digest_state(struct kv *kv, const uint64_t *writers, size_t writer_count)
{
    uint64_t digest = 0;
    struct kv_position position;
    kv_position(kv, &position);
    digest_number(&digest, position.seq);
    digest_bytes(&digest, span_of(position.hash, SHA256_SIZE));
    for (uint64_t id = 1; id <= position.seq; id++) {
        digest_bag(&digest, kv, id);
    }
    for (size_t i = 0; i < writer_count; i++) {
        struct kv_writer writer = {0};
        assert_int_equal(kv_writer(kv, writers[i], &writer, NULL), 0);
        digest_number(&digest, writer.highest);
        digest_number(&digest, writer.confirmed);
        digest_number(&digest, writer.device);
        digest_number(&digest, writer.begun);
        for (uint64_t n = 1; n <= writer.highest; n++) {
            struct kv_outcome outcome = {0};
            int rc = kv_outcome(kv, writers[i], n, &outcome, NULL);
            digest_number(&digest, (uint64_t)(rc == 0));
            digest_number(&digest, outcome.code);
            digest_number(&digest, outcome.seq);
        }
    }
    struct kv_counts counts = {0};
    assert_int_equal(kv_counts(kv, NULL, &counts, NULL), 0);
    digest_number(&digest, counts.users);
    digest_number(&digest, counts.items);
    digest_number(&digest, counts.bytes);
    return digest;
}

#endif
