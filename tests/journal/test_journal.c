/* tests/journal/test_journal.c - appending, rolling, preparing, failing, being killed. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "tests/journal/journal_ground.h"

static bool has_file(const char *name)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, sample_dir, name);
    return access(path, F_OK) == 0;
}

static uint64_t head_seq(void)
{
    struct journal_position head;
    journal_head(journal, &head);
    return head.seq;
}

/* Appends 1 MiB batches until only `left` MiB are free, or a bit less. */
static void fill_up(int left)
{
    assert_int_equal(sample_append(journal, 1, 0), 0);
    for (int i = 0; i < 7 - left; i++) {
        assert_int_equal(sample_append(journal, 1, MIB - 64), 0);
    }
}

static void a_new_folder_gets_a_first_segment(void **state)
{
    (void)state;
    static const uint8_t zeros[SHA256_SIZE] = {0};
    struct journal_position head;
    uint8_t history[HISTORY_SIZE];
    assert_true(opened.fresh);
    assert_int_equal(opened.tail, SEGMENT_TAIL_OPEN);
    assert_true(has_file("00000000000000000001.kbj"));
    journal_head(journal, &head);
    assert_int_equal(head.seq, 0);
    assert_memory_equal(head.hash, zeros, SHA256_SIZE);
    assert_int_equal(journal_floor(journal), 1);
    assert_false(journal_failed(journal));
    journal_history(journal, history);
    assert_memory_equal(history, sample_history_id, HISTORY_SIZE);
    assert_null(disk.records); /* the file and the folder are synced */
}

static void options_are_checked(void **state)
{
    (void)state;
    struct journal *none = NULL;
    struct err err = {0};
    struct journal_options options = {.dir = sample_dir, .segment_bytes = (8 << 20) - 1};
    assert_int_equal(journal_open(&none, &options, sample_history_id, &opened, &err), E_INVALID);
    options.segment_bytes = UINT64_MAX;
    assert_int_equal(journal_open(&none, &options, sample_history_id, &opened, &err), E_INVALID);
    assert_null(none);
}

static void what_was_appended_is_there_after_reopening(void **state)
{
    (void)state;
    struct journal_position before;
    struct journal_position head;
    struct buf payload;
    buf_init(&payload, BATCH_PAYLOAD_MAX);
    assert_int_equal(sample_append(journal, 3, 100), 0);
    sample_payload(&payload, 4, 2, 10);
    assert_int_equal(journal_append(journal, 2, 77, buf_span(&payload), &before, NULL), 0);
    assert_int_equal(before.seq, 5);
    journal_head(journal, &head);
    assert_memory_equal(&head, &before, sizeof head);
    buf_free(&payload);
    for (int clean = 0; clean < 2; clean++) {
        journal_close(&journal, clean == 1);
        assert_null(journal);
        reopen(NULL);
        assert_false(opened.fresh);
        assert_int_equal(opened.tail, clean == 1 ? SEGMENT_TAIL_CLEAN : SEGMENT_TAIL_OPEN);
        assert_int_equal(opened.batches, 2);
        journal_head(journal, &head);
        assert_int_equal(head.seq, 5);
        assert_memory_equal(head.hash, before.hash, SHA256_SIZE);
        assert_int_equal(sample_last_seq(journal, 1), 5);
    }
}

/* Group commit: nothing else is asked of the disk. */
static void an_append_is_one_write_and_one_sync(void **state)
{
    (void)state;
    crash_disk_restart(&disk);
    assert_int_equal(sample_append(journal, 3, 100), 0);
    assert_string_equal(disk.text, "pwrite:00000000000000000001.kbj@4096+512 "
                                   "fdatasync:00000000000000000001.kbj");
}

static void a_full_segment_is_followed_by_another(void **state)
{
    (void)state;
    uint64_t seq = 0;
    for (int i = 0; i < 30; i++) { /* over four segments, of which the joints are where they are */
        uint32_t count = 1 + (uint32_t)i % 3;
        assert_int_equal(sample_append(journal, count, MIB / count - 200), 0);
        seq += count;
        assert_int_equal(head_seq(), seq);
    }
    struct journal_stat stat;
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.segments, 5);
    assert_int_equal(stat.file_bytes, 5 * SAMPLE_SEGMENT_BYTES);
    assert_true(stat.bytes > 28 * MIB && stat.bytes < 30 * MIB);
    assert_int_equal(sample_last_seq(journal, 1), seq);
    journal_close(&journal, true);
    struct journal_stat again;
    reopen(NULL);
    assert_int_equal(journal_stat(journal, &again, NULL), 0);
    assert_memory_equal(&again, &stat, sizeof stat);
    assert_int_equal(stat.floor_seq, 1);
    assert_int_equal(stat.head_seq, seq);
    assert_int_equal(stat.first_time_ms, 1000);
    assert_true(stat.last_time_ms > 1000 + seq - 4);
    assert_int_equal(sample_last_seq(journal, 1), seq);
    assert_int_equal(sample_append(journal, 1, 10), 0);
}

static void the_counters_of_a_new_journal_are_zeros(void **state)
{
    (void)state;
    struct journal_stat stat;
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.bytes, 0);
    assert_int_equal(stat.first_time_ms, 0);
    assert_int_equal(stat.head_seq, 0);
    assert_int_equal(sample_append(journal, 1, 10), 0);
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.bytes, 512);
    assert_int_equal(stat.first_time_ms, 1000);
    assert_int_equal(stat.last_time_ms, 1000);
    journal_close(&journal, true); /* a mark is no batch */
    reopen(NULL);
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.bytes, 512);
    assert_int_equal(stat.first_time_ms, 1000);
}

static void a_prepared_file_makes_rolling_cheap(void **state)
{
    (void)state;
    struct journal_stat stat;
    fill_up(4);
    assert_int_equal(journal_prepare(journal, NULL), 0);
    assert_false(has_file("next.kbj.prepared")); /* less than half full */
    assert_int_equal(sample_append(journal, 1, MIB), 0);
    assert_int_equal(sample_append(journal, 1, MIB), 0);
    assert_int_equal(journal_prepare(journal, NULL), 0);
    assert_true(has_file("next.kbj.prepared"));
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.file_bytes, 2 * SAMPLE_SEGMENT_BYTES);
    crash_disk_restart(&disk);
    assert_int_equal(journal_prepare(journal, NULL), 0); /* it is there */
    assert_int_equal(disk.calls, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
    assert_false(has_file("00000000000000000009.kbj"));
    crash_disk_restart(&disk);
    assert_int_equal(sample_append(journal, 1, MIB), 0);
    char expected[1024];
    (void)snprintf(expected, sizeof expected,
                   "pwrite:next.kbj.prepared@0+4096 fdatasync:next.kbj.prepared "
                   "rename:00000000000000000009.kbj fsync:%s "
                   "pwrite:00000000000000000009.kbj@4096+1049088 "
                   "fdatasync:00000000000000000009.kbj",
                   strrchr(sample_dir, '/') + 1);
    assert_string_equal(disk.text, expected);
    assert_false(has_file("next.kbj.prepared"));
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.file_bytes, 2 * SAMPLE_SEGMENT_BYTES);
    assert_int_equal(stat.segments, 2);
}

static void a_prepared_file_outlives_a_restart(void **state)
{
    (void)state;
    char prepared[TMP_FOLDER_MAX];
    tmp_folder_path(prepared, sample_dir, "next.kbj.prepared");
    fill_up(1);
    assert_int_equal(journal_prepare(journal, NULL), 0);
    journal_close(&journal, false);
    reopen(NULL);
    assert_true(has_file("next.kbj.prepared"));
    struct journal_stat stat;
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.file_bytes, 2 * SAMPLE_SEGMENT_BYTES);
    /* taken away or spoilt meanwhile: rolling makes another one */
    spoil_flip(prepared, 20, 1);
    assert_int_equal(sample_append(journal, 2, MIB), 0);
    assert_true(has_file("00000000000000000008.kbj"));
    assert_false(has_file("next.kbj.prepared"));
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.file_bytes, 2 * SAMPLE_SEGMENT_BYTES);
    assert_int_equal(sample_last_seq(journal, 1), 9);
}

static void leftovers_are_removed(void **state)
{
    (void)state;
    static const char *const names[] = {"next.kbj.prepared", "next.kbj.prepared.partial",
                                        "00000000000000000001.kbj.partial"};
    journal_close(&journal, false);
    for (size_t i = 0; i < 3; i++) {
        char path[TMP_FOLDER_MAX];
        tmp_folder_path(path, sample_dir, names[i]);
        tmp_folder_write(path, "half");
    }
    reopen(NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_false(has_file(names[i]));
    }
}

/* --- failures --- */

/* Every call of an append that rolls fails once, with every kind of failure. What is said to be
 * done is there; what is not, is not; and after E_IO nothing is taken any more. */
static void fail_at(unsigned nth, int number, bool prepared, bool *done)
{
    (void)teardown(NULL);
    (void)setup(NULL);
    fill_up(0);
    if (prepared) {
        assert_int_equal(journal_prepare(journal, NULL), 0);
    }
    crash_disk_restart(&disk);
    disk.fail_at = nth;
    disk.fail_errno = number;
    int rc = sample_append(journal, 1, MIB);
    *done = rc == 0;
    disk.fail_at = 0;
    unsigned calls = disk.calls;
    if (rc == E_IO) {
        assert_true(journal_failed(journal));
        assert_int_equal(sample_append(journal, 1, 10), E_READ_ONLY);
        assert_int_equal(journal_prepare(journal, NULL), 0);
        assert_int_equal(disk.calls, calls); /* the disk is left alone */
    } else {
        assert_true(rc == 0 || rc == E_NOSPACE);
        assert_false(journal_failed(journal));
        assert_int_equal(head_seq(), rc == 0 ? 9 : 8);
        assert_int_equal(sample_append(journal, 1, MIB), 0); /* there is room again */
    }
    uint64_t acknowledged = head_seq();
    journal_close(&journal, true);
    reopen(NULL);
    assert_int_equal(opened.tail == SEGMENT_TAIL_CLEAN, rc != E_IO);
    assert_in_range(head_seq(), acknowledged, acknowledged + 1);
    assert_int_equal(sample_last_seq(journal, 1), head_seq());
}

static void after_a_failure_nothing_is_lost_or_promised(void **state)
{
    (void)state;
    static const int numbers[] = {EIO, ENOSPC};
    for (size_t i = 0; i < 4; i++) {
        bool done = false;
        unsigned nth = 1;
        for (; !done; nth++) {
            fail_at(nth, numbers[i % 2], i / 2 == 1, &done);
        }
        /* a spare file saves the pattern's eight pieces */
        assert_int_equal(nth, i / 2 == 1 ? 8 : 16);
    }
}

static void a_full_disk_while_preparing_costs_nothing(void **state)
{
    (void)state;
    fill_up(0);
    crash_disk_restart(&disk);
    disk.fail_at = 3;
    disk.fail_errno = ENOSPC;
    struct err err = {0};
    assert_int_equal(journal_prepare(journal, &err), E_NOSPACE);
    assert_non_null(strstr(err.text, "next.kbj.prepared"));
    assert_false(journal_failed(journal));
    assert_false(has_file("next.kbj.prepared"));
    assert_false(has_file("next.kbj.prepared.partial"));
    disk.fail_at = 0;
    assert_int_equal(journal_prepare(journal, &err), 0);
    assert_int_equal(sample_append(journal, 1, MIB), 0);
}

static void a_stranger_in_the_way_stops_the_journal(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    fill_up(0);
    sample_file(path, 9);
    tmp_folder_write(path, "");
    assert_int_equal(sample_append(journal, 1, MIB), E_IO);
    assert_true(journal_failed(journal));
}

static void a_batch_that_is_too_large_is_refused(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(1, BATCH_PAYLOAD_MAX + 1);
    struct span span = span_of(bytes, BATCH_PAYLOAD_MAX + 1);
    assert_int_equal(journal_append(journal, 1, 1, span, NULL, NULL), E_TOO_LARGE);
    assert_false(journal_failed(journal));
    span.size--;
    assert_int_equal(journal_append(journal, 1, 1, span, NULL, NULL), 0);
    assert_int_equal(journal_append(journal, 1, 1, span, NULL, NULL), 0);
    free(bytes);
}

/* --- crashes --- */

/* A life: append with rolls and prepared files. Returns the last seq acknowledged. */
static uint64_t live(uint64_t seed)
{
    struct journal_opened how;
    if (sample_open(&journal, &disk.disk, &how, NULL) != 0) {
        return 0;
    }
    uint64_t acknowledged = head_seq();
    for (uint64_t i = 0; i < 6; i++) {
        if (seed % 2 == 0) {
            (void)!journal_prepare(journal, NULL);
        }
        if (sample_append(journal, 1 + (uint32_t)(i % 2), (size_t)(MIB - seed * i)) != 0) {
            break;
        }
        acknowledged = head_seq();
    }
    journal_close(&journal, seed % 3 == 0);
    return acknowledged;
}

static void a_power_cut_at_any_call_loses_nothing(void **state)
{
    (void)state;
    unsigned tails[3] = {0};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        (void)teardown(NULL);
        (void)setup(NULL);
        journal_close(&journal, false);
        uint64_t acknowledged = live(seed);
        assert_true(acknowledged > 0);
        disk.dead_from = disk.calls + 1 + (unsigned)(seed * 7 % 31);
        uint64_t now = live(seed + 1);
        acknowledged = now > acknowledged ? now : acknowledged;
        crash_disk_cut(&disk, seed, false);
        reopen(NULL);
        tails[opened.tail]++;
        assert_true(head_seq() >= acknowledged);
        assert_int_equal(sample_last_seq(journal, 1), head_seq());
    }
    assert_true(tails[SEGMENT_TAIL_TORN] > 3); /* the cuts did hit writes */
}

/* Child: appends for ever and tells each acknowledged seq. */
static void append_for_ever(int out)
{
    struct journal_opened how;
    if (sample_open(&journal, NULL, &how, NULL) != 0) {
        _exit(2);
    }
    for (uint64_t i = 0;; i++) {
        struct journal_position head;
        size_t size = i % 5 == 4 ? 900000 : 50 + (size_t)(i % 7) * 600;
        if (sample_append(journal, 1 + (uint32_t)(i % 4), size) != 0 ||
            journal_prepare(journal, NULL) != 0) {
            _exit(3);
        }
        journal_head(journal, &head);
        if (write(out, &head.seq, sizeof head.seq) != (ssize_t)sizeof head.seq) {
            _exit(4);
        }
    }
}

/* Runs the child until it has told `count` seqs and a bit longer, kills it; the last one told. */
static uint64_t kill_a_child(unsigned count, unsigned wait_us)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        append_for_ever(ends[1]);
    }
    (void)close(ends[1]);
    uint64_t last = 0;
    uint64_t seq = 0;
    struct timespec wait = {.tv_nsec = (long)wait_us * 1000};
    while (count > 0 && read(ends[0], &seq, sizeof seq) == (ssize_t)sizeof seq) {
        last = seq;
        count--;
    }
    assert_int_equal(count, 0);
    (void)nanosleep(&wait, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &seq, sizeof seq) == (ssize_t)sizeof seq) {
        last = seq;
    }
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return last;
}

static void a_killed_writer_loses_nothing(void **state)
{
    (void)state;
    enum { CYCLES = 20 };
    journal_close(&journal, false);
    for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
        uint64_t acknowledged = kill_a_child(1 + cycle * 7 % 23, cycle * 1370 % 5000);
        reopen(NULL);
        assert_true(head_seq() >= acknowledged);
        assert_int_equal(sample_last_seq(journal, 1), head_seq());
        journal_close(&journal, false);
    }
    reopen(NULL);
    struct journal_stat stat;
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_true(stat.segments > 1); /* killed around rolls as well */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_folder_gets_a_first_segment),
        TEST(options_are_checked),
        TEST(what_was_appended_is_there_after_reopening),
        TEST(an_append_is_one_write_and_one_sync),
        TEST(a_full_segment_is_followed_by_another),
        TEST(the_counters_of_a_new_journal_are_zeros),
        TEST(a_prepared_file_makes_rolling_cheap),
        TEST(a_prepared_file_outlives_a_restart),
        TEST(leftovers_are_removed),
        TEST(after_a_failure_nothing_is_lost_or_promised),
        TEST(a_full_disk_while_preparing_costs_nothing),
        TEST(a_stranger_in_the_way_stops_the_journal),
        TEST(a_batch_that_is_too_large_is_refused),
        TEST(a_power_cut_at_any_call_loses_nothing),
        TEST(a_killed_writer_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
