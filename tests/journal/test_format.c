/* tests/journal/test_format.c - the bytes of a segment file: golden, flipped, lying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "journal/format.h"
#include "tests/journal/segment_samples.h"

/* Written by an encoder of another language from docs/journal-format.md, where they stand too. */
static const char *const golden_file[] = {
    "4b425345470d0a1a0100000001000000",
    "000102030405060708090a0b0c0d0e0f",
    "01000000000000000020000000000000",
    "00000000000000000000000000000000",
    "00000000000000000000000000000000",
    "7b68e5cf8b0100004b42656d7074792e",
    "9bd236e2",
    NULL,
};
static const char *const golden_batch[] = {
    "4b424a31010000000001020304050607",
    "08090a0b0c0d0e0f0100000000000000",
    "02000000640000007b68e5cf8b010000",
    "536cfe8ab1acf44f2e043df9bc8bdeb5",
    "d30d25697aa59358ecb15b764b3189a8",
    "d1844057ac900bec",
    NULL,
};
static const char *const golden_payload[] = {
    "929c01000000a00000c0c41000010203",
    "0405060708090a0b0c0d0e0fc4100000",
    "000000000000000000000000000000c4",
    "20000000000000000000000000000000",
    "00000000000000000000000000000000",
    "009d02020000a561646d696e0000c001",
    "a0a00000",
    NULL,
};
static const char *const golden_mark[] = {
    "4b424a31010001000001020304050607",
    "08090a0b0c0d0e0f0300000000000000",
    "00000000000000007b68e5cf8b010000",
    "536cfe8ab1acf44f2e043df9bc8bdeb5",
    "d30d25697aa59358ecb15b764b3189a8",
    "c38e6fa5c74b6748",
    NULL,
};

static const uint64_t golden_time_ms = 1700000000123;
static const uint64_t golden_word = 0x2e7974706d65424bU; /* "KBempty." */
static const uint8_t no_hash[SHA256_SIZE] = {0};

static size_t from_hex(const char *const *lines, uint8_t *out)
{
    size_t size = 0;
    for (; *lines != NULL; lines++) {
        size_t line = strlen(*lines) / 2;
        assert_int_equal(hex_decode(span_str(*lines), out + size, line), 0);
        size += line;
    }
    return size;
}

static void assert_bytes(const uint8_t *bytes, size_t size, const char *const *lines)
{
    uint8_t expected[256];
    assert_int_equal(from_hex(lines, expected), size);
    for (size_t at = 0; at < size; at += 16) {
        char text[33];
        hex_encode(bytes + at, size - at < 16 ? size - at : 16, text);
        assert_string_equal(text, lines[at / 16]);
    }
}

static struct format_file sample_file(void)
{
    return (struct format_file){
        .id = sample_id(1),
        .file_size = 8192,
        .created_ms = golden_time_ms,
        .word = golden_word,
    };
}

/* The golden batch with its payload. */
static size_t sample_batch(uint8_t *out, struct format_batch *batch)
{
    size_t payload_size = from_hex(golden_payload, out + BATCH_HEADER_SIZE);
    *batch = (struct format_batch){
        .base_seq = 1,
        .count = 2,
        .payload_size = (uint32_t)payload_size,
        .time_ms = golden_time_ms,
    };
    memcpy(batch->history, sample_history_id, HISTORY_SIZE);
    format_put_batch(out, batch, no_hash);
    return BATCH_HEADER_SIZE + payload_size;
}

static void sample_mark(uint8_t *out, struct format_batch *mark, const uint8_t *prev_hash)
{
    *mark = (struct format_batch){.clean_stop = true, .base_seq = 3, .time_ms = golden_time_ms};
    memcpy(mark->history, sample_history_id, HISTORY_SIZE);
    format_put_batch(out, mark, prev_hash);
}

static void a_file_header_has_its_golden_bytes(void **state)
{
    (void)state;
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    struct format_file file = sample_file();
    struct format_file read;
    const char *why = NULL;
    format_put_file(bytes, &file);
    assert_bytes(bytes, 100, golden_file);
    for (size_t i = 100; i < sizeof bytes; i++) {
        assert_int_equal(bytes[i], 0);
    }
    assert_int_equal(format_get_file(bytes, &read, &why), 0);
    assert_int_equal(read.id.purpose, SEGMENT_JOURNAL);
    assert_memory_equal(read.id.history, sample_history_id, HISTORY_SIZE);
    assert_int_equal(read.id.base_seq, 1);
    assert_memory_equal(read.id.prev_hash, no_hash, SHA256_SIZE);
    assert_int_equal(read.file_size, 8192);
    assert_int_equal(read.created_ms, golden_time_ms);
    assert_int_equal(read.word, golden_word);
}

static void a_batch_has_its_golden_bytes(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct format_batch batch;
    struct format_batch read;
    const char *why = NULL;
    size_t size = sample_batch(bytes, &batch);
    assert_bytes(bytes, BATCH_HEADER_SIZE, golden_batch);
    assert_int_equal(size, BATCH_HEADER_SIZE + 100);
    assert_int_equal(format_get_batch(bytes, &read, &why), 0);
    assert_false(read.clean_stop);
    assert_memory_equal(read.history, sample_history_id, HISTORY_SIZE);
    assert_int_equal(read.base_seq, 1);
    assert_int_equal(read.count, 2);
    assert_int_equal(read.payload_size, 100);
    assert_int_equal(read.time_ms, golden_time_ms);
    assert_memory_equal(read.hash, batch.hash, SHA256_SIZE);
    assert_true(format_crc_holds(bytes, &read));
    assert_true(format_hash_holds(bytes, &read, no_hash));
    assert_false(format_hash_holds(bytes, &read, read.hash));
}

static void a_clean_mark_has_its_golden_bytes(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct format_batch batch;
    struct format_batch mark;
    struct format_batch read;
    const char *why = NULL;
    (void)sample_batch(bytes, &batch);
    sample_mark(bytes, &mark, batch.hash);
    assert_bytes(bytes, BATCH_HEADER_SIZE, golden_mark);
    assert_int_equal(format_get_batch(bytes, &read, &why), 0);
    assert_true(read.clean_stop);
    assert_int_equal(read.base_seq, 3);
    assert_true(format_crc_holds(bytes, &read));
    assert_true(format_hash_holds(bytes, &read, batch.hash));
    assert_false(format_hash_holds(bytes, &read, no_hash));
}

/* The golden payload is what change.c writes: the example of the documentation can be decoded. */
static void the_golden_payload_holds_changes(void **state)
{
    (void)state;
    uint8_t expected[256];
    struct buf payload;
    buf_init(&payload, 4096);
    batch_begin(&payload, 2);
    struct change history = {.seq = 1, .kind = CHANGE_HISTORY};
    memcpy(history.history.id, sample_history_id, HISTORY_SIZE);
    change_encode(&payload, &history, CHANGE_JOURNAL);
    struct change fleet = {.seq = 2,
                           .kind = CHANGE_BAG_CREATE,
                           .bag_id = 2,
                           .actor = SPAN_LITERAL("admin"),
                           .owner = {.kind = OWNER_FLEET}};
    change_encode(&payload, &fleet, CHANGE_JOURNAL);
    assert_int_equal(payload.size, from_hex(golden_payload, expected));
    assert_memory_equal(payload.data, expected, payload.size);
    buf_free(&payload);
}

/* Each line of golden bytes has to stand in the documentation as well. */
static void the_documentation_shows_the_same_bytes(void **state)
{
    (void)state;
    static const char *const *const all[] = {golden_file, golden_batch, golden_payload,
                                             golden_mark};
    char path[4096];
    struct buf text;
    (void)snprintf(path, sizeof path, "%.*s/../../docs/journal-format.md",
                   (int)(strrchr(__FILE__, '/') - __FILE__), __FILE__);
    buf_init(&text, 1 << 20);
    assert_int_equal(file_read(path, &text, NULL), 0);
    assert_int_equal(buf_append_u8(&text, 0), 0);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (const char *const *line = all[i]; *line != NULL; line++) {
            assert_non_null(strstr((const char *)text.data, *line));
        }
    }
    buf_free(&text);
}

static void every_flipped_bit_of_a_header_is_noticed(void **state)
{
    (void)state;
    uint8_t file_bytes[SEGMENT_HEADER_SIZE];
    uint8_t bytes[512];
    const char *why = NULL;
    struct format_file file = sample_file();
    struct format_batch batch;
    format_put_file(file_bytes, &file);
    for (size_t bit = 0; bit < 100 * 8U; bit++) {
        file_bytes[bit / 8] = (uint8_t)(file_bytes[bit / 8] ^ (1U << bit % 8));
        assert_int_equal(format_get_file(file_bytes, &file, &why), E_CORRUPT);
        file_bytes[bit / 8] = (uint8_t)(file_bytes[bit / 8] ^ (1U << bit % 8));
    }
    size_t size = sample_batch(bytes, &batch);
    for (size_t bit = 0; bit < size * 8U; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1U << bit % 8));
        struct format_batch read;
        int rc = format_get_batch(bytes, &read, &why);
        if (bit < BATCH_HEADER_SIZE * 8U) {
            assert_int_equal(rc, E_CORRUPT);
        } else {
            assert_int_equal(rc, 0);
            assert_false(format_crc_holds(bytes, &read));
            assert_false(format_hash_holds(bytes, &read, no_hash));
        }
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1U << bit % 8));
    }
}

/* Change a header and make its checksum right again: what a newer version or a liar would write. */
static int get_changed_file(size_t at, uint8_t value)
{
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    const char *why = NULL;
    struct format_file file = sample_file();
    format_put_file(bytes, &file);
    bytes[at] = value;
    spoil_header_crc(bytes);
    int rc = format_get_file(bytes, &file, &why);
    assert_true(rc == 0 || why != NULL);
    return rc;
}

static int get_changed_batch(bool mark, size_t at, uint8_t value)
{
    uint8_t bytes[256];
    const char *why = NULL;
    struct format_batch batch;
    (void)sample_batch(bytes, &batch);
    if (mark) {
        sample_mark(bytes, &batch, no_hash);
    }
    bytes[at] = value;
    put_le32(bytes + 84, crc32c(0, bytes, 84));
    int rc = format_get_batch(bytes, &batch, &why);
    assert_true(rc == 0 || why != NULL);
    return rc;
}

static void newer_formats_are_told_from_damage(void **state)
{
    (void)state;
    assert_int_equal(get_changed_file(8, 2), E_FORMAT);
    assert_int_equal(get_changed_file(8, 0), E_FORMAT);
    assert_int_equal(get_changed_file(12, 2), 0);
    assert_int_equal(get_changed_file(12, 3), 0);
    assert_int_equal(get_changed_file(12, 4), E_FORMAT);
    assert_int_equal(get_changed_batch(false, 4, 2), E_FORMAT);
    assert_int_equal(get_changed_batch(false, 6, 2), E_FORMAT);
}

static void numbers_that_cannot_be_are_refused(void **state)
{
    (void)state;
    assert_int_equal(get_changed_file(40, 1), E_CORRUPT);    /* no whole sectors */
    assert_int_equal(get_changed_file(41, 0x10), E_CORRUPT); /* no room for a batch */
    assert_int_equal(get_changed_file(47, 0x80), E_CORRUPT); /* more than a file can have */
    assert_int_equal(get_changed_file(100, 16), 0);
    assert_int_equal(get_changed_file(100, 17), E_CORRUPT);  /* more ancestors than there is room */
    assert_int_equal(get_changed_batch(false, 38, 0x3f), 0); /* up to 4 MiB */
    assert_int_equal(get_changed_batch(false, 38, 0x41), E_CORRUPT);
    assert_int_equal(get_changed_batch(false, 32, 0), E_CORRUPT); /* nothing in it */
    assert_int_equal(get_changed_batch(false, 6, 1), E_CORRUPT);  /* a mark with changes */
    assert_int_equal(get_changed_batch(true, 36, 1), E_CORRUPT);  /* a mark with a payload */
    uint8_t bytes[256];
    const char *why = NULL;
    struct format_batch batch;
    (void)sample_batch(bytes, &batch);
    put_le64(bytes + 24, UINT64_MAX - 1); /* its last seq would be past the end of numbers */
    put_le32(bytes + 84, crc32c(0, bytes, 84));
    assert_int_equal(format_get_batch(bytes, &batch, &why), E_CORRUPT);
    struct format_file file = sample_file();
    uint8_t header[SEGMENT_HEADER_SIZE];
    format_put_file(header, &file);
    memset(header + 88, 0, 8); /* a pattern of zeros would look like padding */
    spoil_header_crc(header);
    assert_int_equal(format_get_file(header, &file, &why), E_CORRUPT);
}

static void ancestors_come_back(void **state)
{
    (void)state;
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    struct format_file file = sample_file();
    struct format_file read;
    const char *why = NULL;
    for (uint8_t i = 1; i <= LINEAGE_MAX; i++) {
        const uint8_t history[HISTORY_SIZE] = {[15] = i};
        lineage_add(&file.id.lineage, history, 1000U * i);
    }
    file.id.purpose = SEGMENT_MIRROR;
    format_put_file(bytes, &file);
    assert_int_equal(format_get_file(bytes, &read, &why), 0);
    assert_int_equal(read.id.purpose, SEGMENT_MIRROR);
    assert_int_equal(read.id.lineage.count, LINEAGE_MAX);
    for (uint32_t i = 0; i < LINEAGE_MAX; i++) {
        assert_memory_equal(read.id.lineage.of[i].history, file.id.lineage.of[i].history,
                            HISTORY_SIZE);
        assert_int_equal(read.id.lineage.of[i].last_seq, 1000 * (i + 1));
    }
    for (size_t at = 0; at < SEGMENT_SECTOR; at++) { /* all of it is under the checksum */
        bytes[at] ^= 1;
        assert_int_equal(format_get_file(bytes, &read, &why), E_CORRUPT);
        bytes[at] ^= 1;
    }
}

static void sizes_are_whole_sectors(void **state)
{
    (void)state;
    assert_int_equal(format_batch_size(0), 512);
    assert_int_equal(format_batch_size(512 - BATCH_HEADER_SIZE), 512);
    assert_int_equal(format_batch_size(513 - BATCH_HEADER_SIZE), 1024);
    assert_int_equal(format_batch_size(BATCH_PAYLOAD_MAX), BATCH_SIZE_MAX);
}

static void the_pattern_is_known_by_every_byte(void **state)
{
    (void)state;
    uint8_t sector[SEGMENT_SECTOR];
    format_fill(sector, sizeof sector, golden_word);
    assert_memory_equal(sector, "KBempty.KBempty.", 16);
    assert_true(format_is_pattern(sector, golden_word));
    assert_false(format_is_pattern(sector, golden_word + 1));
    for (size_t i = 0; i < sizeof sector; i++) {
        sector[i] ^= 1;
        assert_false(format_is_pattern(sector, golden_word));
        sector[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_header_has_its_golden_bytes),
        cmocka_unit_test(a_batch_has_its_golden_bytes),
        cmocka_unit_test(a_clean_mark_has_its_golden_bytes),
        cmocka_unit_test(the_golden_payload_holds_changes),
        cmocka_unit_test(the_documentation_shows_the_same_bytes),
        cmocka_unit_test(every_flipped_bit_of_a_header_is_noticed),
        cmocka_unit_test(newer_formats_are_told_from_damage),
        cmocka_unit_test(numbers_that_cannot_be_are_refused),
        cmocka_unit_test(ancestors_come_back),
        cmocka_unit_test(sizes_are_whole_sectors),
        cmocka_unit_test(the_pattern_is_known_by_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
