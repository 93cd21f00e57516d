/* tests/journal/test_tail.c - every kind of bytes behind the last whole batch, and its verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "journal/format.h"
#include "journal/tail.h"
#include "tests/journal/segment_samples.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp_folder.h"

enum {
    FILE_BYTES = SEGMENT_HEADER_SIZE + BATCH_SIZE_MAX + (64 << 10),
    AT = SEGMENT_HEADER_SIZE + 1024, /* a batch of two sectors is before it */
    AT_SEQ = 12,
};

static const uint64_t word = 0x1122334455667788;

static char folder[TMP_FOLDER_MAX];
static char path[TMP_FOLDER_MAX];
static struct tail_file file;
static struct segment_position at; /* what is judged: behind the batch with seqs 10 and 11 */

/* Writes a batch at `offset`; returns where the next one begins. */
static off_t put_batch(off_t offset, uint64_t seq, uint32_t count, size_t payload_size,
                       const uint8_t *prev_hash, uint8_t hash[SHA256_SIZE])
{
    size_t size = format_batch_size(payload_size);
    uint8_t *bytes = calloc(1, size);
    struct format_batch batch = {.clean_stop = count == 0,
                                 .base_seq = seq,
                                 .count = count,
                                 .payload_size = (uint32_t)payload_size};
    memcpy(batch.history, sample_history_id, HISTORY_SIZE);
    sample_bytes(bytes + BATCH_HEADER_SIZE, payload_size, seq);
    format_put_batch(bytes, &batch, prev_hash);
    spoil_write(path, offset, bytes, size);
    if (hash != NULL) {
        memcpy(hash, batch.hash, SHA256_SIZE);
    }
    free(bytes);
    return offset + (off_t)size;
}

static int make_file(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "file");
    tmp_folder_write(path, "");
    uint8_t *bytes = malloc(FILE_BYTES);
    struct format_file header = {.id = sample_id(10), .file_size = FILE_BYTES, .word = word};
    format_put_file(bytes, &header);
    format_fill(bytes + SEGMENT_HEADER_SIZE, FILE_BYTES - SEGMENT_HEADER_SIZE, word);
    spoil_write(path, 0, bytes, FILE_BYTES);
    free(bytes);
    at = (struct segment_position){.offset = AT, .seq = AT_SEQ};
    assert_int_equal(put_batch(SEGMENT_HEADER_SIZE, 10, 2, 600, header.id.prev_hash, at.hash), AT);
    file = (struct tail_file){.fd = open(path, O_RDONLY | O_CLOEXEC),
                              .path = path,
                              .size = FILE_BYTES,
                              .word = word,
                              .history = sample_history_id};
    assert_true(file.fd >= 0);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    (void)close(file.fd);
    tmp_folder_remove(folder);
    return 0;
}

static void judged(enum segment_tail tail, off_t used_to)
{
    struct tail_verdict verdict;
    struct err err = {0};
    int rc = tail_judge(&file, &at, &verdict, &err);
    if (rc != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(verdict.tail, tail);
    assert_int_equal(verdict.used_to, used_to);
}

/* The sentence has to name the file, the offset and the seq. */
static void judged_damaged(const char *words)
{
    struct tail_verdict verdict;
    struct err err = {0};
    assert_int_equal(tail_judge(&file, &at, &verdict, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "offset 5120"));
    assert_non_null(strstr(err.text, "change 12"));
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, words);
    }
}

static void nothing_but_pattern_is_an_open_end(void **state)
{
    (void)state;
    judged(SEGMENT_TAIL_OPEN, AT);
    at.offset = FILE_BYTES; /* no byte behind it */
    judged(SEGMENT_TAIL_OPEN, FILE_BYTES);
}

static void a_mark_and_pattern_is_a_clean_end(void **state)
{
    (void)state;
    (void)put_batch(AT, AT_SEQ, 0, 0, at.hash, NULL);
    judged(SEGMENT_TAIL_CLEAN, AT + SEGMENT_SECTOR);
}

static void nothing_is_torn_behind_a_mark(void **state)
{
    (void)state;
    (void)put_batch(AT, AT_SEQ, 0, 0, at.hash, NULL);
    (void)put_batch(AT + SEGMENT_SECTOR, AT_SEQ, 1, 2000, at.hash, NULL);
    judged_damaged("behind the mark of a clean stop");
    spoil_pattern(path, AT + SEGMENT_SECTOR, SEGMENT_SECTOR);
    judged_damaged("behind the mark of a clean stop");
}

static void a_mark_of_other_changes_is_damage(void **state)
{
    (void)state;
    uint8_t other[SHA256_SIZE] = {1};
    (void)put_batch(AT, AT_SEQ, 0, 0, other, NULL);
    judged_damaged("belongs to other changes");
    (void)put_batch(AT, AT_SEQ + 1, 0, 0, at.hash, NULL);
    judged_damaged("begins with another change");
}

/* Any choice of sectors that did not arrive, but for none of them. */
static void a_batch_that_misses_sectors_is_torn(void **state)
{
    (void)state;
    enum { SECTORS = 5 };
    for (unsigned missing = 1; missing < 1U << SECTORS; missing++) {
        off_t end =
            put_batch(AT, AT_SEQ, 3, SECTORS * SEGMENT_SECTOR - BATCH_HEADER_SIZE, at.hash, NULL);
        assert_int_equal(end, AT + SECTORS * SEGMENT_SECTOR);
        off_t used_to = (missing & 1U) == 0 ? end : AT;
        for (off_t i = 0; i < SECTORS; i++) {
            off_t sector = AT + i * SEGMENT_SECTOR;
            if ((missing >> i & 1U) != 0) {
                spoil_pattern(path, sector, SEGMENT_SECTOR);
            } else if (sector + SEGMENT_SECTOR > used_to) {
                used_to = sector + SEGMENT_SECTOR;
            }
        }
        judged(missing == (1U << SECTORS) - 1 ? SEGMENT_TAIL_OPEN : SEGMENT_TAIL_TORN, used_to);
        spoil_pattern(path, AT, SECTORS * SEGMENT_SECTOR);
    }
}

static void a_torn_batch_of_the_largest_size_is_torn(void **state)
{
    (void)state;
    off_t end = put_batch(AT, AT_SEQ, 1, BATCH_PAYLOAD_MAX, at.hash, NULL);
    spoil_pattern(path, end - SEGMENT_SECTOR, SEGMENT_SECTOR);
    judged(SEGMENT_TAIL_TORN, end);
    spoil_pattern(path, AT, SEGMENT_SECTOR);
    judged(SEGMENT_TAIL_TORN, end - SEGMENT_SECTOR);
    /* one sector further no write of ours can have reached */
    (void)put_batch(AT, AT_SEQ, 1, BATCH_PAYLOAD_MAX, at.hash, NULL);
    spoil_pattern(path, AT, SEGMENT_SECTOR);
    judged(SEGMENT_TAIL_TORN, end);
    spoil_flip(path, end, 1);
    judged_damaged("further behind");
}

static void a_flipped_bit_of_a_whole_batch_is_damage(void **state)
{
    (void)state;
    off_t end = put_batch(AT, AT_SEQ, 3, 1500, at.hash, NULL);
    off_t used = AT + BATCH_HEADER_SIZE + 1500;
    for (off_t offset = AT; offset < used; offset += offset < AT + BATCH_HEADER_SIZE ? 1 : 37) {
        for (unsigned bit = 0; bit < 8; bit++) {
            spoil_flip(path, offset, (uint8_t)(1U << bit));
            judged_damaged("");
            spoil_flip(path, offset, (uint8_t)(1U << bit));
        }
    }
    assert_int_equal(end, AT + 2048);
}

static void a_later_batch_behind_makes_it_damage(void **state)
{
    (void)state;
    uint8_t hash[SHA256_SIZE];
    off_t second = put_batch(AT, AT_SEQ, 1, 1500, at.hash, hash);
    off_t end = put_batch(second, AT_SEQ + 1, 1, 100, hash, NULL);
    spoil_pattern(path, AT + SEGMENT_SECTOR, SEGMENT_SECTOR);
    judged_damaged("more is behind it");
    spoil_pattern(path, AT, SEGMENT_SECTOR);
    judged_damaged("a later change is behind it");
    spoil_pattern(path, AT, (size_t)(second - AT));
    judged_damaged("a later change is behind it");
    /* its header alone proves that the one before it was synced */
    spoil_flip(path, end - SEGMENT_SECTOR + BATCH_HEADER_SIZE, 1);
    judged_damaged("a later change is behind it");
}

/* A person's value may hold the bytes of a batch, of this one or of one that was before. */
static void what_looks_like_an_earlier_batch_is_no_proof(void **state)
{
    (void)state;
    (void)put_batch(AT + 1024, AT_SEQ - 2, 2, 100, at.hash, NULL);
    judged(SEGMENT_TAIL_TORN, AT + 1536);
    (void)put_batch(AT + 1024, AT_SEQ, 2, 100, at.hash, NULL);
    judged(SEGMENT_TAIL_TORN, AT + 1536);
}

static void a_batch_that_does_not_belong_there_is_damage(void **state)
{
    (void)state;
    (void)put_batch(AT, AT_SEQ + 1, 1, 100, at.hash, NULL);
    judged_damaged("begins with another change");
    (void)put_batch(AT, AT_SEQ, 1, 100, at.hash, NULL);
    uint8_t other[HISTORY_SIZE] = {9};
    file.history = other;
    judged_damaged("another history");
    file.history = sample_history_id;
    uint8_t zeros[SEGMENT_SECTOR] = {0};
    spoil_write(path, AT, zeros, sizeof zeros);
    judged_damaged("is not there");
}

static void a_batch_beyond_the_end_of_the_file_is_damage(void **state)
{
    (void)state;
    (void)put_batch(AT, AT_SEQ, 1, 5000, at.hash, NULL);
    file.size = AT + 4096;
    judged_damaged("larger than the file");
}

static void the_last_batch_of_a_full_file_is_found(void **state)
{
    (void)state;
    uint8_t hash[SHA256_SIZE];
    struct batch last;
    off_t end = put_batch(AT, AT_SEQ, 3, BATCH_PAYLOAD_MAX, at.hash, hash);
    struct segment_id next = sample_id(AT_SEQ + 3);
    memcpy(next.prev_hash, hash, SHA256_SIZE);
    assert_int_equal(tail_find_last(&file, &next, &last, NULL), 0);
    assert_int_equal(last.offset, AT);
    assert_int_equal(last.next, end);
    assert_int_equal(last.base_seq, AT_SEQ);
    assert_int_equal(last.count, 3);
    assert_memory_equal(last.hash, hash, SHA256_SIZE);
}

static void a_joint_that_does_not_fit_is_damage(void **state)
{
    (void)state;
    struct batch last;
    struct err err = {0};
    struct segment_id next = sample_id(AT_SEQ);
    memcpy(next.prev_hash, at.hash, SHA256_SIZE);
    assert_int_equal(tail_find_last(&file, &next, &last, &err), 0);
    next.base_seq++;
    assert_int_equal(tail_find_last(&file, &next, &last, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "change 12"));
    next.base_seq--;
    next.prev_hash[0] ^= 1;
    assert_int_equal(tail_find_last(&file, &next, &last, &err), E_CORRUPT);
    next.prev_hash[0] ^= 1;
    spoil_flip(path, AT, 1); /* more behind the last batch */
    assert_int_equal(tail_find_last(&file, &next, &last, &err), E_CORRUPT);
    spoil_pattern(path, SEGMENT_HEADER_SIZE, 2048); /* nothing at all */
    assert_int_equal(tail_find_last(&file, &next, &last, &err), E_CORRUPT);
}

static void without_memory_nothing_is_judged(void **state)
{
    (void)state;
    struct tail_verdict verdict;
    struct batch last;
    struct segment_id next = sample_id(AT_SEQ);
    fail_alloc_at(1);
    assert_int_equal(tail_judge(&file, &at, &verdict, NULL), E_NOMEM);
    assert_true(fail_alloc_stop());
    fail_alloc_at(1);
    assert_int_equal(tail_find_last(&file, &next, &last, NULL), E_NOMEM);
    assert_true(fail_alloc_stop());
}

/* A mirror writes several batches at once: whole ones may stand behind one that was cut. */
static void of_a_group_any_part_may_be_missing(void **state)
{
    (void)state;
    struct tail_verdict verdict;
    struct err err = {0};
    uint8_t hash[SHA256_SIZE];
    off_t second = put_batch(AT, AT_SEQ, 1, 2000, at.hash, hash);
    off_t third = put_batch(second, AT_SEQ + 1, 1, 2000, hash, hash);
    off_t end = put_batch(third, AT_SEQ + 2, 1, 2000, hash, hash);
    for (off_t missing = AT; missing < second; missing += SEGMENT_SECTOR) {
        uint8_t kept[SEGMENT_SECTOR];
        spoil_read(path, missing, kept, sizeof kept);
        spoil_pattern(path, missing, SEGMENT_SECTOR);
        file.grouped = true;
        assert_int_equal(tail_judge(&file, &at, &verdict, &err), 0);
        assert_int_equal(verdict.tail, SEGMENT_TAIL_TORN);
        assert_int_equal(verdict.used_to, end);
        file.grouped = false; /* a journal's batches come one by one */
        assert_int_equal(tail_judge(&file, &at, &verdict, &err), E_CORRUPT);
        spoil_write(path, missing, kept, sizeof kept);
    }
    file.grouped = true;
    spoil_flip(path, AT + 1000, 1); /* rot leaves no pattern */
    assert_int_equal(tail_judge(&file, &at, &verdict, &err), E_CORRUPT);
    spoil_flip(path, AT + 1000, 1);
    spoil_flip(path, AT + 30, 1);
    assert_int_equal(tail_judge(&file, &at, &verdict, &err), E_CORRUPT);
    spoil_flip(path, AT + 30, 1);
    /* what was written that far behind was written after a sync */
    spoil_pattern(path, AT, SEGMENT_SECTOR);
    (void)put_batch(AT + BATCH_SIZE_MAX - SEGMENT_SECTOR, AT_SEQ + 3, 1, 300, hash, hash);
    assert_int_equal(tail_judge(&file, &at, &verdict, &err), 0);
    (void)put_batch(AT + BATCH_SIZE_MAX, AT_SEQ + 4, 1, 300, hash, hash);
    assert_int_equal(tail_judge(&file, &at, &verdict, &err), E_CORRUPT);
    file.grouped = false;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_but_pattern_is_an_open_end),
        TEST(a_mark_and_pattern_is_a_clean_end),
        TEST(nothing_is_torn_behind_a_mark),
        TEST(a_mark_of_other_changes_is_damage),
        TEST(a_batch_that_misses_sectors_is_torn),
        TEST(a_torn_batch_of_the_largest_size_is_torn),
        TEST(a_flipped_bit_of_a_whole_batch_is_damage),
        TEST(a_later_batch_behind_makes_it_damage),
        TEST(what_looks_like_an_earlier_batch_is_no_proof),
        TEST(a_batch_that_does_not_belong_there_is_damage),
        TEST(a_batch_beyond_the_end_of_the_file_is_damage),
        TEST(the_last_batch_of_a_full_file_is_found),
        TEST(a_joint_that_does_not_fit_is_damage),
        TEST(of_a_group_any_part_may_be_missing),
        TEST(without_memory_nothing_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
