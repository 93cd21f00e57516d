/* tests/journal/test_journal_history.c - forks, their crashes, ancestors; segments one by one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/verify.h"
#include "tests/journal/journal_ground.h"
#include "tests/support/fail_alloc.h"

static const uint8_t *history(uint8_t number)
{
    static uint8_t bytes[HISTORY_SIZE];
    memset(bytes, number, HISTORY_SIZE);
    return bytes;
}

static void assert_history(const uint8_t *expected)
{
    uint8_t now[HISTORY_SIZE];
    journal_history(journal, now);
    assert_memory_equal(now, expected, HISTORY_SIZE);
}

static void assert_lineage(const uint8_t *of, uint64_t expected)
{
    uint64_t resume = 0;
    assert_int_equal(journal_lineage(journal, of, &resume, NULL), 0);
    assert_int_equal(resume, expected);
}

static void assert_whole(uint64_t first, uint64_t last)
{
    struct verify_report report;
    struct err err = {0};
    if (journal_verify(sample_dir, &report, NULL, NULL, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(report.first_seq, first);
    assert_int_equal(report.last_seq, last);
}

static void a_fork_goes_on_in_the_same_row(void **state)
{
    (void)state;
    assert_int_equal(sample_append(journal, 3, 100), 0);
    struct journal_cursor *cursor = NULL;
    struct sample_reading reading = {.next_seq = 1};
    assert_int_equal(journal_cursor_open(&cursor, journal, 1, NULL), 0);
    assert_int_equal(sample_read_on(cursor, &reading, NULL), E_NOT_FOUND);
    assert_int_equal(journal_fork(journal, history(7), NULL), 0);
    assert_history(history(7));
    assert_lineage(sample_history_id, 3);
    assert_lineage(history(7), UINT64_MAX);
    uint64_t resume = 0;
    struct err err = {0};
    assert_int_equal(journal_lineage(journal, history(8), &resume, &err), E_HISTORY);
    assert_int_equal(sample_append(journal, 2, 100), 0);
    assert_int_equal(sample_read_on(cursor, &reading, NULL), E_NOT_FOUND);
    assert_int_equal(reading.next_seq, 6);
    journal_cursor_close(&cursor);
    assert_whole(1, 5);
    reopen(NULL);
    assert_history(history(7));
    assert_lineage(sample_history_id, 3);
    assert_int_equal(sample_last_seq(journal, 1), 5);
}

static void a_history_does_not_come_back(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(journal_fork(journal, history(1), &err), E_INVALID); /* nothing to fork from */
    assert_int_equal(sample_append(journal, 1, 0), 0);
    assert_int_equal(journal_fork(journal, sample_history_id, &err), E_INVALID);
    assert_int_equal(journal_fork(journal, history(1), &err), 0);
    assert_int_equal(journal_fork(journal, history(2), &err), E_INVALID); /* without a batch */
    assert_int_equal(sample_append(journal, 1, 10), 0);
    assert_int_equal(journal_fork(journal, sample_history_id, &err), E_INVALID);
    assert_int_equal(journal_fork(journal, history(1), &err), E_INVALID);
    assert_int_equal(journal_fork(journal, history(2), &err), 0);
    assert_int_equal(sample_append(journal, 1, 10), 0);
    assert_lineage(sample_history_id, 1);
    assert_lineage(history(1), 2);
    assert_whole(1, 3);
}

/* The segments in which the ancestors were are long gone. */
static void ancestors_outlive_their_segments(void **state)
{
    (void)state;
    assert_int_equal(sample_append(journal, 1, 0), 0);
    for (uint8_t i = 1; i <= 3; i++) {
        assert_int_equal(journal_fork(journal, history(i), NULL), 0);
        assert_int_equal(sample_append(journal, 2, 10), 0);
    }
    uint64_t floor = 0;
    assert_int_equal(journal_drop(journal, UINT64_MAX, &floor, NULL), 0);
    assert_int_equal(floor, 6);
    reopen(NULL);
    assert_lineage(sample_history_id, 1);
    assert_lineage(history(1), 3);
    assert_lineage(history(2), 5);
    assert_lineage(history(3), UINT64_MAX);
    for (int i = 0; i < 20; i++) { /* and go on through every file */
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
    reopen(NULL);
    assert_lineage(history(1), 3);
    assert_whole(6, 27);
}

static void nothing_is_dropped_before_a_fork_has_its_batch(void **state)
{
    (void)state;
    uint64_t floor = 0;
    assert_int_equal(sample_append(journal, 3, 10), 0);
    assert_int_equal(journal_fork(journal, history(1), NULL), 0);
    assert_int_equal(journal_drop(journal, UINT64_MAX, &floor, NULL), 0);
    assert_int_equal(floor, 1);
    assert_int_equal(sample_append(journal, 1, 10), 0);
    assert_int_equal(journal_drop(journal, UINT64_MAX, &floor, NULL), 0);
    assert_int_equal(floor, 4);
}

static void a_fork_without_a_batch_is_undone(void **state)
{
    (void)state;
    assert_int_equal(sample_append(journal, 3, 10), 0);
    assert_int_equal(journal_fork(journal, history(1), NULL), 0);
    assert_whole(1, 3);
    reopen(NULL);
    assert_history(sample_history_id);
    assert_int_equal(sample_append(journal, 1, 10), 0);
    assert_int_equal(journal_fork(journal, history(1), NULL), 0);
    assert_int_equal(sample_append(journal, 1, 10), 0);
    reopen(NULL);
    assert_history(history(1));
    assert_lineage(sample_history_id, 4);
    assert_int_equal(sample_last_seq(journal, 1), 5);
}

/* A damaged first batch is damage, not an unfinished fork. */
static void a_damaged_first_batch_is_told(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    assert_int_equal(sample_append(journal, 3, 10), 0);
    assert_int_equal(journal_fork(journal, history(1), NULL), 0);
    assert_int_equal(sample_append(journal, 2, 10), 0);
    journal_close(&journal, false);
    sample_file(path, 4);
    spoil_flip(path, SEGMENT_HEADER_SIZE + 100, 1);
    assert_int_equal(sample_open(&journal, NULL, &opened, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, path));
}

/* The power goes at each call to the disk, while forking and while its first batch is written. */
static void a_power_cut_leaves_the_one_or_the_other(void **state)
{
    (void)state;
    unsigned old = 0;
    unsigned new = 0;
    for (unsigned dead_from = 1; dead_from <= 18; dead_from++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            journal_close(&journal, false);
            crash_disk_free(&disk);
            tmp_folder_remove(sample_dir);
            tmp_folder_make(sample_dir);
            crash_disk_init(&disk);
            assert_int_equal(sample_open(&journal, &disk.disk, &opened, NULL), 0);
            assert_int_equal(sample_append(journal, 3, 10), 0);
            crash_disk_restart(&disk);
            disk.dead_from = dead_from;
            bool done = journal_fork(journal, history(1), NULL) == 0 &&
                        sample_append(journal, 2, 3000) == 0;
            journal_close(&journal, false);
            crash_disk_cut(&disk, seed * 100 + dead_from, false);
            struct journal_position head;
            uint8_t now[HISTORY_SIZE];
            reopen(&disk.disk);
            journal_head(journal, &head);
            journal_history(journal, now);
            bool forked = memcmp(now, history(1), HISTORY_SIZE) == 0;
            assert_true(forked || memcmp(now, sample_history_id, HISTORY_SIZE) == 0);
            assert_int_equal(head.seq, forked ? 5 : 3);
            assert_true(forked || !done);
            assert_int_equal(sample_last_seq(journal, 1), head.seq);
            old += !forked;
            new += forked;
        }
    }
    assert_true(old > 5 && new > 3);
}

static void a_failing_disk_ends_it(void **state)
{
    (void)state;
    assert_int_equal(sample_append(journal, 3, 10), 0);
    crash_disk_restart(&disk);
    disk.fail_at = 1;
    disk.fail_errno = ENOSPC;
    assert_int_equal(journal_fork(journal, history(1), NULL), E_NOSPACE);
    disk.fail_at = 0;
    assert_history(sample_history_id);
    assert_int_equal(sample_append(journal, 1, 10), 0);
    struct err err = {0};
    journal_close(&journal, false);
    char path[TMP_FOLDER_MAX];
    assert_int_equal(sample_open(&journal, &disk.disk, &opened, NULL), 0);
    sample_file(path, 5);
    FILE *file = fopen(path, "w"); /* something has the name already */
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(journal_fork(journal, history(1), &err), E_IO);
    assert_true(journal_failed(journal));
    assert_int_equal(journal_fork(journal, history(1), &err), E_READ_ONLY);
}

static void without_memory_nothing_is_forked(void **state)
{
    (void)state;
    journal_close(&journal, false);
    assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
    assert_int_equal(sample_append(journal, 1, 0), 0);
    unsigned failed = 0;
    for (unsigned nth = 1;; nth++) {
        fail_alloc_at(nth);
        int rc = journal_fork(journal, history(1), NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        failed++;
        assert_true(rc == E_NOMEM || rc == E_IO); /* E_IO: the new file has its name already */
        if (rc == E_IO) {
            reopen(NULL);
        }
        assert_history(sample_history_id);
    }
    assert_true(failed > 2);
    assert_history(history(1));
}

static void segments_are_told_one_by_one(void **state)
{
    (void)state;
    struct journal_segment_info info;
    struct err err = {0};
    assert_int_equal(journal_segment_info(journal, 0, &info, NULL), 0);
    assert_true(info.newest);
    assert_int_equal(info.base_seq, 1);
    assert_int_equal(info.last_seq, 0);
    assert_int_equal(info.first_time_ms, 0);
    assert_int_equal(sample_append(journal, 1, 0), 0);
    for (int i = 2; i <= 17; i++) { /* segments begin with 1, 9 and 16 */
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
    for (int again = 0; again < 2; again++) {
        static const uint64_t bases[] = {1, 9, 16};
        uint64_t seq = 0;
        for (int i = 0; i < 3; i++, seq = info.last_seq + 1) {
            assert_int_equal(journal_segment_info(journal, seq, &info, NULL), 0);
            assert_int_equal(info.base_seq, bases[i]);
            assert_int_equal(info.last_seq, i == 2 ? 17 : bases[i + 1] - 1);
            assert_int_equal(info.first_time_ms, 1000 + bases[i] - 1);
            assert_int_equal(info.last_time_ms, 1000 + info.last_seq - 1);
            assert_int_equal(info.file_bytes, SAMPLE_SEGMENT_BYTES);
            assert_int_equal(info.newest, i == 2);
            assert_memory_equal(info.history, sample_history_id, HISTORY_SIZE);
        }
        assert_int_equal(journal_segment_info(journal, 18, &info, &err), E_NOT_FOUND);
        reopen(NULL);
    }
    struct journal_cursor *cursor = NULL;
    assert_int_equal(journal_cursor_open(&cursor, journal, 10, NULL), 0);
    assert_int_equal(journal_segment_info(journal, 12, &info, NULL), 0);
    assert_int_equal(info.readers, 1);
    journal_cursor_close(&cursor);
    assert_int_equal(journal_segment_info(journal, 12, &info, NULL), 0);
    assert_int_equal(info.readers, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fork_goes_on_in_the_same_row),
        TEST(a_history_does_not_come_back),
        TEST(ancestors_outlive_their_segments),
        TEST(nothing_is_dropped_before_a_fork_has_its_batch),
        TEST(a_fork_without_a_batch_is_undone),
        TEST(a_damaged_first_batch_is_told),
        TEST(a_power_cut_leaves_the_one_or_the_other),
        TEST(a_failing_disk_ends_it),
        TEST(without_memory_nothing_is_forked),
        TEST(segments_are_told_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
