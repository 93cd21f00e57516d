/* Tests of base/hash.c: known answers, and the two CRC32C against each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "base/hash.h"

typedef uint32_t crc_fn(uint32_t crc, const void *data, size_t size);

/* Known answers of RFC 3720, B.4, and of "123456789". */
static void check_known(crc_fn *crc)
{
    uint8_t bytes[32] = {0};
    assert_int_equal(crc(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc(0, bytes, 32), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = i;
    }
    assert_int_equal(crc(0, bytes, 32), 0x46dd794eu);
    assert_true(crc(0, "123456789", 9) == 0xe3069283u);
    assert_int_equal(crc(0, NULL, 0), 0);
    assert_int_equal(crc(0x1234, NULL, 0), 0x1234);
}

static void crc32c_gives_known_answers(void **state)
{
    (void)state;
    check_known(crc32c);
    check_known(crc32c_by_table);
}

static void both_crcs_agree_at_every_length_and_alignment(void **state)
{
    (void)state;
    uint8_t bytes[300];
    random_bytes(bytes, sizeof bytes);
    for (size_t start = 0; start < 8; start++) {
        for (size_t size = 0; start + size <= sizeof bytes; size++) {
            uint32_t a = crc32c((uint32_t)size, bytes + start, size);
            uint32_t b = crc32c_by_table((uint32_t)size, bytes + start, size);
            assert_int_equal(a, b);
        }
    }
}

/* Long ones are worked off in lanes of 512 bytes, three at a time. */
static void crc32c_in_lanes_is_the_same(void **state)
{
    (void)state;
    static uint8_t bytes[8192];
    random_bytes(bytes, sizeof bytes);
    for (size_t size = 1500; size <= sizeof bytes;
         size += size % 512 > 8 && size % 512 < 500 ? 37 : 1) {
        size_t start = size % 9 < sizeof bytes - size ? size % 9 : 0;
        assert_int_equal(crc32c((uint32_t)size * 77, bytes + start, size),
                         crc32c_by_table((uint32_t)size * 77, bytes + start, size));
    }
}

static void crc32c_takes_pieces(void **state)
{
    (void)state;
    uint8_t bytes[100];
    random_bytes(bytes, sizeof bytes);
    uint32_t whole = crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t first = crc32c(0, bytes, cut);
        assert_int_equal(crc32c(first, bytes + cut, sizeof bytes - cut), whole);
        first = crc32c_by_table(0, bytes, cut);
        assert_int_equal(crc32c_by_table(first, bytes + cut, sizeof bytes - cut), whole);
    }
}

static void expect_sha256(const struct span *pieces, size_t count, const char *expected)
{
    uint8_t hash[SHA256_SIZE];
    char text[2 * SHA256_SIZE + 1];
    sha256(pieces, count, hash);
    hex_encode(hash, sizeof hash, text);
    assert_string_equal(text, expected);
}

static void sha256_gives_known_answers_over_pieces(void **state)
{
    (void)state;
    static const char of_nothing[] =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    static const char of_abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    struct span whole[] = {SPAN_LITERAL("abc")};
    struct span pieces[] = {SPAN_LITERAL("a"), {NULL, 0}, SPAN_LITERAL("bc"), SPAN_LITERAL("")};
    expect_sha256(NULL, 0, of_nothing);
    expect_sha256(pieces + 1, 1, of_nothing);
    expect_sha256(whole, 1, of_abc);
    expect_sha256(pieces, 4, of_abc);
}

static void sha256_of_pieces_that_come_is_the_same(void **state)
{
    (void)state;
    uint8_t bytes[300];
    uint8_t whole[SHA256_SIZE];
    random_bytes(bytes, sizeof bytes);
    struct span all = span_of(bytes, sizeof bytes);
    sha256(&all, 1, whole);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 75) {
        struct sha256_run run;
        uint8_t hash[SHA256_SIZE];
        sha256_begin(&run);
        sha256_add(&run, span_of(bytes, cut));
        sha256_add(&run, span_of(NULL, 0));
        sha256_add(&run, span_of(bytes + cut, sizeof bytes - cut));
        sha256_end(&run, hash);
        assert_memory_equal(hash, whole, SHA256_SIZE);
    }
    struct sha256_run unwanted;
    sha256_begin(&unwanted);
    sha256_end(&unwanted, NULL);
}

static void hash64_is_xxh3(void **state)
{
    (void)state;
    /* XXH3_64bits("") and of "abc", from the specification's own vectors. */
    assert_true(hash64(span_of(NULL, 0), 0) == 0x2d06800538d394c2u);
    assert_true(hash64(SPAN_LITERAL("abc"), 0) == 0x78af5f94892f3950u);
    assert_true(hash64(SPAN_LITERAL("abc"), 1) != hash64(SPAN_LITERAL("abc"), 0));
    uint64_t both[2] = {0};
    hash128(span_of(NULL, 0), 0, both);
    assert_true(both[1] == 0x99aa06d3014798d8u && both[0] == 0x6001c324468d497fu);
}

static void random_bytes_fill_all_and_differ(void **state)
{
    (void)state;
    uint8_t bytes[1024] = {0};
    random_bytes(bytes, sizeof bytes);
    size_t zero_runs = 0;
    for (size_t i = 0; i + 8 <= sizeof bytes; i += 8) {
        zero_runs += get_be64(bytes + i) == 0;
    }
    assert_int_equal(zero_runs, 0);
    random_bytes(NULL, 0);
    assert_true(random_u64() != random_u64());
    assert_true(random_u64() != 0);
}

static void hex_goes_both_ways(void **state)
{
    (void)state;
    char text[9];
    hex_encode("\x00\x9a\xff\x10", 4, text);
    assert_string_equal(text, "009aff10");
    uint8_t bytes[4] = {1, 1, 1, 1};
    assert_int_equal(hex_decode(SPAN_LITERAL("009AfF10"), bytes, 4), 0);
    assert_memory_equal(bytes, "\x00\x9a\xff\x10", 4);
    hex_encode(NULL, 0, text);
    assert_string_equal(text, "");
    assert_int_equal(hex_decode(SPAN_LITERAL(""), bytes, 0), 0);
}

static void bad_hex_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",         "009aff1",  "009aff100", "009aff1000", "009aff1g", "009aff1G",
        "009aff1/", "009aff1:", "009aff1@",  "009aff1`",   "0x9aff10", " 09aff10"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t bytes[4] = {1, 2, 3, 4};
        assert_int_equal(hex_decode(span_str(texts[i]), bytes, 4), E_INVALID);
        assert_memory_equal(bytes, "\x01\x02\x03\x04", 4);
    }
    uint8_t bytes[4];
    assert_int_equal(hex_decode(SPAN_LITERAL("00"), bytes, SIZE_MAX / 2 + 2), E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_gives_known_answers),
        cmocka_unit_test(both_crcs_agree_at_every_length_and_alignment),
        cmocka_unit_test(crc32c_in_lanes_is_the_same),
        cmocka_unit_test(crc32c_takes_pieces),
        cmocka_unit_test(sha256_gives_known_answers_over_pieces),
        cmocka_unit_test(sha256_of_pieces_that_come_is_the_same),
        cmocka_unit_test(hash64_is_xxh3),
        cmocka_unit_test(random_bytes_fill_all_and_differ),
        cmocka_unit_test(hex_goes_both_ways),
        cmocka_unit_test(bad_hex_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
