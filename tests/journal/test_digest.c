/* tests/journal/test_digest.c - the digest of a bag does not know in which order it was made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "journal/digest.h"

#define PATH SPAN_LITERAL("copy/default")
#define ONE  SPAN_LITERAL("one")

static void order_does_not_matter(void **state)
{
    (void)state;
    struct digest a = {0};
    struct digest b = {0};
    digest_add(&a, PATH, 1, ONE);
    digest_add(&a, SPAN_LITERAL("fax"), 2, SPAN_LITERAL(""));
    digest_add(&b, SPAN_LITERAL("fax"), 2, SPAN_LITERAL(""));
    digest_add(&b, PATH, 1, ONE);
    assert_true(digest_equal(&a, &b));
    assert_true(a.low != 0 && a.high != 0);
}

static void what_was_added_can_be_taken_away(void **state)
{
    (void)state;
    struct digest empty = {0};
    struct digest digest = {0};
    for (uint64_t seq = 1; seq < 200; seq++) { /* so that the lower half overflows */
        digest_add(&digest, PATH, seq, ONE);
    }
    for (uint64_t seq = 1; seq < 200; seq++) {
        assert_false(digest_equal(&digest, &empty));
        digest_subtract(&digest, PATH, seq, ONE);
    }
    assert_true(digest_equal(&digest, &empty));
    digest_subtract(&digest, PATH, 7, ONE); /* below zero and back */
    digest_add(&digest, PATH, 7, ONE);
    assert_true(digest_equal(&digest, &empty));
}

static void path_seq_and_value_all_count(void **state)
{
    (void)state;
    struct digest digest = {0};
    digest_add(&digest, PATH, 1, ONE);
    struct digest other[4] = {{0}};
    digest_add(&other[0], SPAN_LITERAL("copy/defaults"), 1, ONE);
    digest_add(&other[1], PATH, 2, ONE);
    digest_add(&other[2], PATH, 1, SPAN_LITERAL("onf"));
    digest_add(&other[3], SPAN_LITERAL("copy/defaulto"), 1, SPAN_LITERAL("ne"));
    for (size_t i = 0; i < 4; i++) {
        assert_false(digest_equal(&digest, &other[i]));
    }
}

/* Machines of other kinds must come to the same bytes. */
static void golden_bytes(void **state)
{
    (void)state;
    struct digest digest = {0};
    uint8_t bytes[DIGEST_SIZE];
    char text[2 * DIGEST_SIZE + 1];
    digest_add(&digest, PATH, 70000, ONE);
    digest_put(&digest, bytes);
    hex_encode(bytes, sizeof bytes, text);
    assert_string_equal(text, "0e7503152445b61a71c8a3c73e31c239");
    struct digest read = digest_get(bytes);
    assert_true(digest_equal(&read, &digest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(what_was_added_can_be_taken_away),
        cmocka_unit_test(path_seq_and_value_all_count),
        cmocka_unit_test(golden_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
