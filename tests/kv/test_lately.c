/* tests/kv/test_lately.c - rows that were touched lately: the newest of each, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "kv/lately.h"
#include "tests/support/fail_alloc.h"

struct key {
    uint8_t bytes[KV_LATELY_KEY];
};

static struct key key_of(uint64_t number)
{
    struct key key = {{'B'}};
    put_be64(key.bytes + 1, number);
    return key;
}

static void put(struct kv_lately *lately, uint64_t number, const char *row)
{
    struct key key = key_of(number);
    struct span span = span_of(key.bytes, sizeof key.bytes);
    kv_lately_put(lately, span, hash64(span, 1), span_str(row));
}

/* NULL: not known. */
static const char *get(const struct kv_lately *lately, uint64_t number)
{
    static char text[256];
    struct key key = key_of(number);
    struct span span = span_of(key.bytes, sizeof key.bytes);
    struct span row;
    if (!kv_lately_get(lately, span, hash64(span, 1), &row)) {
        return NULL;
    }
    memcpy(text, row.data, row.size);
    text[row.size] = '\0';
    return text;
}

static size_t young_count(const struct kv_lately *lately)
{
    return lately->generations[lately->young].count;
}

static void the_newest_row_is_known(void **unused)
{
    (void)unused;
    struct kv_lately lately = {0};
    assert_null(get(&lately, 1));
    put(&lately, 1, "one");
    put(&lately, 2, "two");
    assert_string_equal(get(&lately, 1), "one");
    put(&lately, 1, "ONE"); /* in place */
    assert_int_equal(young_count(&lately), 2);
    assert_string_equal(get(&lately, 1), "ONE");
    put(&lately, 1, "longer than it was");
    assert_int_equal(young_count(&lately), 2);
    assert_string_equal(get(&lately, 1), "longer than it was");
    put(&lately, 1, ""); /* there is none */
    assert_string_equal(get(&lately, 1), "");
    assert_string_equal(get(&lately, 2), "two");
    assert_null(get(&lately, 3));
    kv_lately_free(&lately);
    assert_null(get(&lately, 2));
    put(&lately, 2, "again");
    assert_string_equal(get(&lately, 2), "again");
    kv_lately_free(&lately);
}

/* Keys of one hash are told apart. */
static void a_hash_is_not_a_key(void **unused)
{
    (void)unused;
    struct kv_lately lately = {0};
    struct key a = key_of(1);
    struct key b = key_of(2);
    struct span row;
    kv_lately_put(&lately, span_of(a.bytes, sizeof a.bytes), 5, SPAN_LITERAL("a"));
    assert_false(kv_lately_get(&lately, span_of(b.bytes, sizeof b.bytes), 5, &row));
    kv_lately_put(&lately, span_of(b.bytes, sizeof b.bytes), 5, SPAN_LITERAL("b"));
    assert_true(kv_lately_get(&lately, span_of(a.bytes, sizeof a.bytes), 5, &row));
    assert_true(span_equal(row, SPAN_LITERAL("a")));
    kv_lately_free(&lately);
}

static void what_is_not_touched_is_forgotten(void **unused)
{
    (void)unused;
    struct kv_lately lately = {0};
    put(&lately, 0, "in use");
    put(&lately, 1, "stays");
    put(&lately, 2, "stale");
    for (uint64_t i = 3; i < 4 * KV_LATELY_ROWS; i++) {
        put(&lately, i, "row");
        if (i % 1000 == 0) {
            put(&lately, 0, "in use");
            assert_string_equal(get(&lately, 0), "in use");
        }
        if (i == KV_LATELY_ROWS + 10) {
            assert_string_equal(get(&lately, 1), "stays"); /* in the old generation */
            put(&lately, 2, "fresh");
        }
        if (i > KV_LATELY_ROWS + 10 && get(&lately, 2) != NULL) {
            assert_string_equal(get(&lately, 2), "fresh");
        }
    }
    assert_null(get(&lately, 1));
    assert_null(get(&lately, 2));
    assert_true(young_count(&lately) <= KV_LATELY_ROWS &&
                lately.generations[1 - lately.young].count == KV_LATELY_ROWS);
    kv_lately_free(&lately);
}

static void without_memory_nothing_is_known(void **unused)
{
    (void)unused;
    char large[250];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    unsigned failures = 0;
    for (unsigned nth = 1; nth < 6; nth++) {
        struct kv_lately lately = {0};
        put(&lately, 0, "old");
        fail_alloc_at(nth);
        for (uint64_t i = 1; i < 1000; i++) {
            put(&lately, i, large);
        }
        put(&lately, 0, large); /* never "old" again */
        bool failed = fail_alloc_stop();
        failures += failed;
        assert_string_equal(get(&lately, 0), large);
        assert_true(failed ? young_count(&lately) < 1000 : young_count(&lately) == 1000);
        kv_lately_free(&lately);
    }
    assert_true(failures >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_row_is_known),
        cmocka_unit_test(a_hash_is_not_a_key),
        cmocka_unit_test(what_is_not_touched_is_forgotten),
        cmocka_unit_test(without_memory_nothing_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
