/* tests/journal/test_cursor.c - following the tail, and the hash after a change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/format.h"
#include "tests/journal/journal_samples.h"
#include "tests/support/fail_alloc.h"

enum { MIB = 1 << 20 };

static struct journal *journal;
static struct journal_cursor *cursor;
static struct journal_opened opened;

static int setup(void **state)
{
    (void)state;
    struct err err = {0};
    tmp_folder_make(sample_dir);
    if (sample_open(&journal, NULL, &opened, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    journal_cursor_close(&cursor);
    journal_close(&journal, false);
    tmp_folder_remove(sample_dir);
    return 0;
}

static void open_at(uint64_t seq)
{
    journal_cursor_close(&cursor);
    assert_int_equal(journal_cursor_open(&cursor, journal, seq, NULL), 0);
}

/* The seqs of the next batch; 0 at the head. */
static uint64_t next_base(void)
{
    struct batch batch;
    int rc = journal_cursor_next(cursor, &batch, NULL);
    assert_true(rc == 0 || rc == E_NOT_FOUND);
    return rc == 0 ? batch.base_seq : 0;
}

static void a_cursor_waits_at_the_head(void **state)
{
    (void)state;
    open_at(1);
    assert_int_equal(next_base(), 0);
    assert_int_equal(sample_append(journal, 1, 10), 0);
    assert_int_equal(sample_append(journal, 3, 10), 0);
    assert_int_equal(next_base(), 1);
    assert_int_equal(next_base(), 2);
    assert_int_equal(next_base(), 0);
    assert_int_equal(next_base(), 0);
    assert_int_equal(sample_append(journal, 1, 10), 0);
    assert_int_equal(next_base(), 5);
}

static void a_cursor_begins_with_the_batch_that_holds_the_seq(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(sample_append(journal, 10, 10), 0);
    }
    open_at(1);
    assert_int_equal(next_base(), 1);
    open_at(10);
    assert_int_equal(next_base(), 1);
    open_at(11);
    assert_int_equal(next_base(), 11);
    open_at(55);
    assert_int_equal(next_base(), 51);
    open_at(100);
    assert_int_equal(next_base(), 91);
    assert_int_equal(next_base(), 0);
    open_at(101);
    assert_int_equal(next_base(), 0);
    open_at(112); /* ahead of the head: waits for the batch that will hold it */
    assert_int_equal(next_base(), 0);
    assert_int_equal(sample_append(journal, 10, 10), 0);
    assert_int_equal(next_base(), 0);
    assert_int_equal(sample_append(journal, 10, 10), 0);
    assert_int_equal(next_base(), 111);
    struct err err = {0};
    struct journal_cursor *none = NULL;
    assert_int_equal(journal_cursor_open(&none, journal, 0, &err), E_NOT_FOUND);
    assert_null(none);
    journal_cursor_close(&none);
}

static void a_cursor_crosses_segments(void **state)
{
    (void)state;
    assert_int_equal(sample_append(journal, 1, 10), 0);
    open_at(1);
    assert_int_equal(next_base(), 1);
    for (uint64_t seq = 2; seq < 40; seq++) {
        assert_int_equal(sample_append(journal, 1, MIB), 0);
        assert_int_equal(next_base(), seq);
        assert_int_equal(next_base(), 0);
    }
    for (uint64_t seq = 1; seq < 40; seq++) { /* into every segment, first and last batches too */
        open_at(seq);
        assert_int_equal(next_base(), seq);
        assert_int_equal(sample_last_seq(journal, seq), 39);
    }
}

static void damage_is_told_and_not_stepped_over(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct batch batch;
    struct err err = {0};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sample_append(journal, 1, 1000), 0);
    }
    open_at(1);
    assert_int_equal(next_base(), 1);
    sample_file(path, 1);
    off_t second = SEGMENT_HEADER_SIZE + SEGMENT_SECTOR;
    spoil_flip(path, second + 500, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(journal_cursor_next(cursor, &batch, &err), E_CORRUPT);
        assert_non_null(strstr(err.text, path));
        assert_non_null(strstr(err.text, "change 2"));
    }
    spoil_flip(path, second + 500, 1);
    assert_int_equal(next_base(), 2);
    spoil_pattern(path, second + 1536, 1536); /* the third: as if it had never been written */
    assert_int_equal(journal_cursor_next(cursor, &batch, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "gone"));
    uint8_t hash[SHA256_SIZE];
    assert_int_equal(sample_append(journal, 1, 10), 0);
    assert_int_equal(journal_hash_at(journal, 3, hash, &err), E_CORRUPT);
}

static void without_memory_nothing_is_opened(void **state)
{
    (void)state;
    assert_int_equal(sample_append(journal, 1, 1000), 0);
    unsigned nth = 1;
    for (;; nth++) {
        struct batch batch;
        fail_alloc_at(nth);
        int rc = journal_cursor_open(&cursor, journal, 1, NULL);
        if (rc == 0) {
            rc = journal_cursor_next(cursor, &batch, NULL);
        }
        bool failed = fail_alloc_stop();
        journal_cursor_close(&cursor);
        if (!failed) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
    }
    assert_true(nth > 3);
}

/* --- hashes --- */

static void assert_hash(uint64_t seq, const uint8_t *expected)
{
    uint8_t hash[SHA256_SIZE] = {0};
    struct err err = {0};
    int rc = journal_hash_at(journal, seq, hash, &err);
    if (expected == NULL) {
        assert_int_equal(rc, E_NOT_FOUND);
        return;
    }
    if (rc != 0) {
        fail_msg("change %d: %s", (int)seq, err.text);
    }
    assert_memory_equal(hash, expected, SHA256_SIZE);
}

static const uint8_t zeros[SHA256_SIZE];

static void the_hash_after_a_change_is_found(void **state)
{
    (void)state;
    enum { BATCHES = 300, EACH = 2 };
    static struct journal_position heads[BATCHES];
    for (int i = 0; i < BATCHES; i++) {
        assert_int_equal(sample_append(journal, EACH, i % 3 == 0 ? 40000 : 20000), 0);
        journal_head(journal, &heads[i]);
    }
    for (int again = 0; again < 3; again++) { /* with the writer's marks, none, those made then */
        for (int i = BATCHES - 1; i >= 0; i -= 7) {
            assert_hash(heads[i].seq, heads[i].hash);
            assert_hash(heads[i].seq - 1, NULL); /* in the middle of a batch */
        }
        assert_hash(heads[BATCHES - 1].seq + 1, NULL);
        assert_hash(0, zeros);
        if (again == 0) {
            journal_close(&journal, true);
            assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
        }
    }
    struct journal_stat stat;
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_true(stat.segments > 1);
}

static void a_new_journal_has_no_hashes(void **state)
{
    (void)state;
    assert_hash(0, zeros); /* before the first change */
    assert_hash(1, NULL);
}

/* --- times --- */

static void assert_time(uint64_t time_ms, uint64_t expected)
{
    uint64_t seq = UINT64_MAX;
    struct err err = {0};
    if (journal_seek_time(journal, time_ms, &seq, &err) != 0) {
        fail_msg("%d: %s", (int)time_ms, err.text);
    }
    assert_int_equal(seq, expected);
}

/* Batches of 2 changes; batch i, from 0, has the time 1000 + 10 * (i / 3). */
static void append_timed(unsigned from, unsigned to)
{
    struct buf payload;
    buf_init(&payload, BATCH_PAYLOAD_MAX);
    for (unsigned i = from; i < to; i++) {
        sample_payload(&payload, 2 * i + 1, 2, i % 4 == 0 ? 40000 : 20000);
        assert_int_equal(
            journal_append(journal, 2, 1000 + 10 * (i / 3), buf_span(&payload), NULL, NULL), 0);
    }
    buf_free(&payload);
}

static void the_last_change_of_a_time_is_found(void **state)
{
    (void)state;
    enum { BATCHES = 600 };
    assert_time(0, 0);
    assert_time(UINT64_MAX, 0);
    append_timed(0, BATCHES);
    for (int again = 0; again < 3; again++) { /* with the writer's marks, none, those made then */
        assert_time(999, 0);
        for (unsigned i = 0; i < BATCHES / 3; i += 9) {
            assert_time(1000 + 10 * i, 6 * (i + 1));
            assert_time(1009 + 10 * i, 6 * (i + 1));
        }
        assert_time(UINT64_MAX, 2 * BATCHES);
        if (again == 0) {
            journal_close(&journal, true);
            assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
        }
    }
    struct journal_stat stat;
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_true(stat.segments > 2);
    uint64_t floor = 0;
    uint64_t seq = 77;
    struct err err = {0};
    assert_int_equal(journal_drop(journal, BATCHES, &floor, NULL), 0);
    assert_true(floor > 1);
    assert_int_equal(journal_seek_time(journal, 1000, &seq, &err), E_TOO_OLD);
    assert_int_equal(seq, 77);
    char words[64];
    (void)snprintf(words, sizeof words, "begins at change %d", (int)floor);
    assert_non_null(strstr(err.text, words));
    assert_time(UINT64_MAX, 2 * BATCHES);
}

static void damage_is_told_when_a_time_is_sought(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    uint64_t seq = 0;
    struct err err = {0};
    append_timed(0, 10);
    journal_close(&journal, false);
    assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
    sample_file(path, 1);
    spoil_flip(path, SEGMENT_HEADER_SIZE + 500, 1);
    assert_int_equal(journal_seek_time(journal, 1005, &seq, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, path));
}

/* --- raw --- */

static void a_batch_is_given_as_it_lies_in_the_file(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct batch batch;
    struct span raw;
    static uint8_t bytes[8000];
    assert_int_equal(sample_append(journal, 1, 0), 0);
    assert_int_equal(sample_append(journal, 3, 2000), 0);
    sample_file(path, 1);
    assert_int_equal(journal_cursor_open(&cursor, journal, 3, NULL), 0);
    assert_int_equal(journal_cursor_next_raw(cursor, &batch, &raw, NULL), 0);
    assert_int_equal(batch.base_seq, 2);
    assert_int_equal(raw.size, BATCH_HEADER_SIZE + batch.payload.size);
    spoil_read(path, batch.offset, bytes, raw.size);
    assert_memory_equal(raw.data, bytes, raw.size);
    assert_int_equal(journal_cursor_next_raw(cursor, &batch, &raw, NULL), E_NOT_FOUND);
    journal_cursor_close(&cursor);
}

/* As somebody would who altered the past and put the checksums right. */
static void another_past(const char *path, const struct batch *batch)
{
    static uint8_t bytes[8000];
    struct format_batch header;
    const uint8_t past[SHA256_SIZE] = {7};
    const char *why = NULL;
    spoil_read(path, batch->offset, bytes, BATCH_HEADER_SIZE + batch->payload.size);
    assert_int_equal(format_get_batch(bytes, &header, &why), 0);
    format_put_batch(bytes, &header, past);
    spoil_write(path, batch->offset, bytes, BATCH_HEADER_SIZE + batch->payload.size);
}

static void of_raw_bytes_the_checksum_is_verified_and_not_the_chain(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct batch batch;
    struct span raw;
    struct err err = {0};
    sample_file(path, 1);
    assert_int_equal(sample_append(journal, 1, 2000), 0);
    assert_int_equal(journal_cursor_open(&cursor, journal, 1, NULL), 0);
    assert_int_equal(journal_cursor_next_raw(cursor, &batch, &raw, NULL), 0);
    journal_cursor_close(&cursor);
    another_past(path, &batch);
    assert_int_equal(journal_cursor_open(&cursor, journal, 1, NULL), 0);
    assert_int_equal(journal_cursor_next(cursor, &batch, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "hash"));
    assert_int_equal(journal_cursor_next_raw(cursor, &batch, &raw, NULL), 0);
    journal_cursor_close(&cursor);
    spoil_flip(path, batch.offset + BATCH_HEADER_SIZE, 1);
    assert_int_equal(journal_cursor_open(&cursor, journal, 1, NULL), 0);
    assert_int_equal(journal_cursor_next_raw(cursor, &batch, &raw, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "checksum"));
    journal_cursor_close(&cursor);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cursor_waits_at_the_head),
        TEST(a_cursor_begins_with_the_batch_that_holds_the_seq),
        TEST(a_cursor_crosses_segments),
        TEST(damage_is_told_and_not_stepped_over),
        TEST(without_memory_nothing_is_opened),
        TEST(the_hash_after_a_change_is_found),
        TEST(a_new_journal_has_no_hashes),
        TEST(the_last_change_of_a_time_is_found),
        TEST(damage_is_told_when_a_time_is_sought),
        TEST(a_batch_is_given_as_it_lies_in_the_file),
        TEST(of_raw_bytes_the_checksum_is_verified_and_not_the_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
