/* tests/journal/test_journal_drop.c - letting go of old segments, under readers and power cuts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "journal/folder.h"
#include "journal/verify.h"
#include "tests/journal/journal_ground.h"
#include "tests/support/fail_alloc.h"

/* Changes of 1 MiB up to `head`, one in each batch; seven fill a segment. Segments begin with 1,
 * 9, 16, 23, ... */
static void fill(uint64_t head)
{
    struct journal_position now;
    journal_head(journal, &now);
    if (now.seq == 0) {
        assert_int_equal(sample_append(journal, 1, 0), 0);
        now.seq = 1;
    }
    for (; now.seq < head; now.seq++) {
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
}

static bool is_there(uint64_t base_seq)
{
    char path[TMP_FOLDER_MAX];
    sample_file(path, base_seq);
    return access(path, F_OK) == 0;
}

static bool is_prepared(void)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, sample_dir, FOLDER_PREPARED);
    return access(path, F_OK) == 0;
}

static uint64_t drop(uint64_t below_seq)
{
    uint64_t floor = 0;
    struct err err = {0};
    if (journal_drop(journal, below_seq, &floor, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(floor, journal_floor(journal));
    return floor;
}

static void whole_segments_go(void **state)
{
    (void)state;
    fill(25);
    assert_int_equal(drop(0), 1);
    assert_int_equal(drop(8), 1); /* change 8 is the first segment's last: it is still wanted */
    assert_true(is_there(1));
    assert_int_equal(drop(9), 9);
    assert_false(is_there(1));
    assert_int_equal(drop(22), 16);
    assert_int_equal(drop(UINT64_MAX), 23); /* the newest stays */
    assert_false(is_there(16));
    assert_true(is_there(23));
    assert_int_equal(sample_last_seq(journal, 23), 25);
    struct journal_stat stat;
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.segments, 1);
    assert_int_equal(stat.floor_seq, 23);
    assert_int_equal(stat.first_time_ms, 1000 + 22);
    assert_int_equal(stat.bytes, 3 * (MIB + SEGMENT_SECTOR));
    assert_int_equal(stat.leaving_bytes, 0);
    assert_int_equal(stat.file_bytes, 2 * SAMPLE_SEGMENT_BYTES); /* one is the prepared one */
    struct journal_cursor *cursor = NULL;
    assert_int_equal(journal_cursor_open(&cursor, journal, 22, NULL), E_NOT_FOUND);
}

static void a_file_is_used_again(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct stat before;
    struct stat after;
    fill(25);
    sample_file(path, 1);
    assert_int_equal(stat(path, &before), 0);
    assert_false(is_prepared());
    (void)drop(16);
    assert_true(is_prepared());
    fill(30);
    sample_file(path, 30);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_false(is_prepared());
    struct verify_report report;
    assert_int_equal(journal_verify(sample_dir, &report, NULL, NULL, NULL), 0);
    assert_int_equal(report.first_seq, 16);
    assert_int_equal(report.last_seq, 30);
    journal_close(&journal, true);
    assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
    assert_int_equal(sample_last_seq(journal, 16), 30);
}

/* The name is gone for certain before the content is, and each removal before the next. */
static void the_order_is_kept(void **state)
{
    (void)state;
    fill(25);
    crash_disk_restart(&disk);
    (void)drop(23);
    const char *steps[] = {"rename:next.kbj.prepared.partial",   "fsync:",
                           "pwrite:next.kbj.prepared.partial@0", "fsync:next.kbj.prepared.partial",
                           "rename:next.kbj.prepared",           "fsync:",
                           "unlink:00000000000000000009.kbj",    "fsync:",
                           "unlink:00000000000000000016.kbj",    "fsync:"};
    const char *at = disk.text;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        at = strstr(at, steps[i]);
        if (at == NULL) {
            fail_msg("'%s' does not come in its turn: %s", steps[i], disk.text);
        }
        at += strlen(steps[i]);
    }
}

static void a_reader_is_not_robbed(void **state)
{
    (void)state;
    struct journal_cursor *cursor = NULL;
    struct sample_reading reading = {.next_seq = 10};
    struct batch batch;
    struct journal_stat stat;
    fill(32); /* segments 1, 9, 16, 23, 30 */
    assert_int_equal(journal_cursor_open(&cursor, journal, 10, NULL), 0);
    assert_int_equal(journal_cursor_next(cursor, &batch, NULL), 0);
    reading.next_seq = 11;
    assert_int_equal(drop(30), 30);
    assert_false(is_there(1));
    assert_true(is_there(9) && is_there(16) && is_there(23)); /* no gap in front of the reader */
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.segments, 1);
    assert_int_equal(stat.leaving_bytes, 3 * SAMPLE_SEGMENT_BYTES);
    while (batch.base_seq < 16) {
        assert_int_equal(journal_cursor_next(cursor, &batch, NULL), 0);
    }
    reading.next_seq = 17;
    assert_int_equal(drop(30), 30);
    assert_false(is_there(9));
    assert_true(is_there(16) && is_there(23));
    assert_int_equal(sample_read_on(cursor, &reading, NULL), E_NOT_FOUND);
    assert_false(reading.wrong);
    assert_int_equal(reading.next_seq, 33);
    assert_int_equal(drop(30), 30);
    assert_false(is_there(16) || is_there(23));
    journal_cursor_close(&cursor);
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.leaving_bytes, 0);
}

static void a_closed_cursor_holds_nothing(void **state)
{
    (void)state;
    struct journal_cursor *cursor = NULL;
    fill(10);
    assert_int_equal(journal_cursor_open(&cursor, journal, 1, NULL), 0);
    assert_int_equal(drop(9), 9);
    assert_true(is_there(1));
    journal_cursor_close(&cursor);
    assert_int_equal(drop(9), 9);
    assert_false(is_there(1));
}

/* What a failing disk left is done by the next call. */
static void a_failing_disk_is_told_and_tried_again(void **state)
{
    (void)state;
    unsigned failed = 0;
    for (unsigned nth = 1;; nth++) {
        struct err err = {0};
        journal_close(&journal, false);
        crash_disk_free(&disk);
        tmp_folder_remove(sample_dir);
        tmp_folder_make(sample_dir);
        crash_disk_init(&disk);
        assert_int_equal(sample_open(&journal, &disk.disk, &opened, NULL), 0);
        fill(17);
        crash_disk_restart(&disk);
        disk.fail_at = nth;
        disk.fail_errno = EIO;
        int rc = journal_drop(journal, 16, NULL, &err);
        bool reached = disk.calls >= nth;
        disk.fail_at = 0;
        failed += rc != 0;
        assert_true(rc == 0 || (rc == E_IO && err.text[0] != '\0'));
        assert_int_equal(drop(16), 16);
        assert_false(is_there(1) || is_there(9));
        fill(24); /* the prepared file, whole or not, does no harm */
        journal_close(&journal, false);
        assert_int_equal(sample_open(&journal, &disk.disk, &opened, NULL), 0);
        assert_int_equal(sample_last_seq(journal, 16), 24);
        if (!reached) {
            break;
        }
    }
    assert_true(failed >= 7);
}

/* The power goes at each call to the disk: the files are a row without gaps, whose end is there. */
static bool survives(unsigned dead_from, uint64_t seed, bool *done)
{
    journal_close(&journal, false);
    crash_disk_free(&disk);
    tmp_folder_remove(sample_dir);
    tmp_folder_make(sample_dir);
    crash_disk_init(&disk);
    assert_int_equal(sample_open(&journal, &disk.disk, &opened, NULL), 0);
    fill(25);
    crash_disk_restart(&disk);
    disk.dead_from = dead_from;
    *done = journal_drop(journal, 23, NULL, NULL) == 0 && disk.calls < dead_from;
    journal_close(&journal, false);
    crash_disk_cut(&disk, seed, false);
    struct err err = {0};
    if (sample_open(&journal, &disk.disk, &opened, &err) != 0) {
        print_message("call %u, seed %d: %s\n", dead_from, (int)seed, err.text);
        return false;
    }
    uint64_t floor = journal_floor(journal);
    return (floor == 1 || floor == 9 || floor == 16 || floor == 23) && (!*done || floor == 23) &&
           sample_last_seq(journal, floor) == 25;
}

static void a_power_cut_leaves_no_gap(void **state)
{
    (void)state;
    unsigned calls = 1;
    for (bool done = false; !done; calls++) {
        for (uint64_t seed = 1; seed <= 2; seed++) {
            assert_true(survives(calls, seed * 31 + calls, &done));
        }
    }
    assert_true(calls > 10);
}

static int no_sync(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

/* The control: without the folder's syncs the same test finds gaps. */
static void a_disk_that_does_not_sync_folders_is_noticed(void **state)
{
    (void)state;
    unsigned bad = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        journal_close(&journal, false);
        crash_disk_free(&disk);
        tmp_folder_remove(sample_dir);
        tmp_folder_make(sample_dir);
        crash_disk_init(&disk);
        assert_int_equal(sample_open(&journal, &disk.disk, &opened, NULL), 0);
        fill(32);
        disk.disk.fsync = no_sync;
        (void)!journal_drop(journal, 30, NULL, NULL);
        journal_close(&journal, false);
        crash_disk_cut(&disk, seed, false);
        bad += sample_open(&journal, &disk.disk, &opened, NULL) != 0;
    }
    assert_true(bad > 0);
}

/* A file of another size can't become the next one. */
static void a_file_of_another_size_goes(void **state)
{
    (void)state;
    fill(10);
    journal_close(&journal, false);
    struct journal_options options = {
        .dir = sample_dir, .segment_bytes = SAMPLE_SEGMENT_BYTES + MIB, .disk = &disk.disk};
    assert_int_equal(journal_open(&journal, &options, sample_history_id, &opened, NULL), 0);
    assert_int_equal(drop(9), 9);
    assert_false(is_there(1));
    assert_false(is_prepared());
}

static void without_memory_nothing_is_lost(void **state)
{
    (void)state;
    journal_close(&journal, false);
    assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
    fill(17);
    for (unsigned nth = 1;; nth++) {
        fail_alloc_at(nth);
        int rc = journal_drop(journal, 16, NULL, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
    }
    assert_int_equal(drop(16), 16);
    assert_false(is_there(1) || is_there(9));
    assert_int_equal(sample_last_seq(journal, 16), 17);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_segments_go),
        TEST(a_file_is_used_again),
        TEST(the_order_is_kept),
        TEST(a_reader_is_not_robbed),
        TEST(a_closed_cursor_holds_nothing),
        TEST(a_failing_disk_is_told_and_tried_again),
        TEST(a_power_cut_leaves_no_gap),
        TEST(a_disk_that_does_not_sync_folders_is_noticed),
        TEST(a_file_of_another_size_goes),
        TEST(without_memory_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
