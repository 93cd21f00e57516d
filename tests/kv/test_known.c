/* tests/kv/test_known.c - what is known of items: right or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/hash.h"
#include "kv/known.h"
#include "tests/support/fail_alloc.h"

static struct item_row row_of(enum item_state state, uint64_t seq)
{
    return (struct item_row){.state = state, .seq = seq};
}

static void what_was_put_is_known(void **unused)
{
    (void)unused;
    struct kv_known known = {0};
    struct item_row row = row_of(ITEM_TOMBSTONE, 7);
    assert_int_equal(kv_known_init(&known, NULL), 0);
    assert_false(kv_known_get(&known, 1, &row));
    assert_int_equal(row.seq, 7); /* untouched */
    kv_known_put(&known, 1, &row);
    kv_known_put(&known, 0, &row);
    row = row_of(ITEM_LIVE, UINT64_MAX >> 2);
    kv_known_put(&known, 1, &row);
    assert_true(kv_known_get(&known, 1, &row));
    assert_int_equal(row.state, ITEM_LIVE);
    assert_int_equal(row.seq, UINT64_MAX >> 2);
    assert_true(kv_known_get(&known, 0, &row)); /* a hash like any other */
    assert_int_equal(row.state, ITEM_TOMBSTONE);
    assert_int_equal(row.seq, 7);
    kv_known_forget(&known, 1);
    kv_known_forget(&known, 2);
    assert_false(kv_known_get(&known, 1, &row));
    assert_true(kv_known_get(&known, 0, &row));
    kv_known_free(&known);
    kv_known_free(&known);
}

/* Where there is no room, the oldest goes. */
static void the_oldest_goes(void **unused)
{
    (void)unused;
    struct kv_known known = {0};
    assert_int_equal(kv_known_init(&known, NULL), 0);
    for (uint64_t i = 0; i <= KV_KNOWN_WAYS; i++) { /* all of one bucket */
        struct item_row row = row_of(ITEM_LIVE, i == 0 ? 50 : 10 * i);
        kv_known_put(&known, i, &row);
    }
    struct item_row row;
    assert_false(kv_known_get(&known, 1, &row));
    for (uint64_t i = 0; i <= KV_KNOWN_WAYS; i++) {
        assert_int_equal(kv_known_get(&known, i, &row), i != 1);
    }
    kv_known_free(&known);
}

/* Many rows, more than there is room for: what is known is always the newest. */
static void it_never_tells_wrong(void **unused)
{
    (void)unused;
    struct kv_known known = {0};
    assert_int_equal(kv_known_init(&known, NULL), 0);
    enum { ROWS = 3 * KV_KNOWN_ROWS / 2 };
    for (uint64_t seq = 1; seq <= ROWS; seq++) {
        struct item_row row = row_of(seq % 2 == 0 ? ITEM_LIVE : ITEM_TOMBSTONE, seq);
        kv_known_put(&known, hash64(span_of(&seq, sizeof seq), 1), &row);
    }
    size_t count = 0;
    for (uint64_t seq = 1; seq <= ROWS; seq++) {
        struct item_row row;
        if (kv_known_get(&known, hash64(span_of(&seq, sizeof seq), 1), &row)) {
            assert_int_equal(row.seq, seq);
            assert_int_equal(row.state, seq % 2 == 0 ? ITEM_LIVE : ITEM_TOMBSTONE);
            count++;
        }
    }
    assert_true(count > KV_KNOWN_ROWS * 4 / 5);
    kv_known_free(&known);
}

static void no_memory_is_an_error(void **unused)
{
    (void)unused;
    struct kv_known known = {0};
    fail_alloc_at(1);
    int rc = kv_known_init(&known, NULL);
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
    kv_known_free(&known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_known),
        cmocka_unit_test(the_oldest_goes),
        cmocka_unit_test(it_never_tells_wrong),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
