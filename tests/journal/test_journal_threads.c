/* tests/journal/test_journal_threads.c - a committer, its readers and housekeeping side by side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "base/thread.h"
#include "tests/journal/journal_samples.h"

enum { MIB = 1 << 20 };

static struct journal *journal;
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
    journal_close(&journal, false);
    tmp_folder_remove(sample_dir);
    return 0;
}

static atomic_bool writing;
static atomic_ullong hashes_read;

/* Appends over several segments, as the committer does. */
static void write_thread(struct thread *self, void *context)
{
    (void)context;
    thread_ready(self, 0, NULL);
    for (uint64_t i = 0; i < 1500; i++) {
        size_t size = i % 50 == 0 ? 900000 : 10 + (size_t)(i % 97) * 50;
        if (sample_append(journal, 1 + (uint32_t)(i % 3), size) != 0) {
            break;
        }
    }
    atomic_store(&writing, false);
}

/* Reads to the head over and over until the writer is done and all of it was seen. */
static void follow_thread(struct thread *self, void *context)
{
    struct sample_reading *reading = context;
    struct journal_cursor *own = NULL;
    int rc = journal_cursor_open(&own, journal, 1, NULL);
    thread_ready(self, rc, NULL);
    bool last = false;
    while (rc == 0 && !reading->wrong) {
        last = !atomic_load(&writing); /* asked before reading: then nothing comes after it */
        rc = sample_read_on(own, reading, NULL);
        rc = rc == E_NOT_FOUND ? 0 : rc;
        if (last) {
            break;
        }
    }
    reading->wrong = reading->wrong || rc != 0 || !last;
    journal_cursor_close(&own);
}

/* Asks for the head and its hash, as sessions do at hello. */
static void ask_thread(struct thread *self, void *context)
{
    bool *wrong = context;
    thread_ready(self, 0, NULL);
    while (atomic_load(&writing) && !*wrong) {
        struct journal_position head;
        struct journal_stat stat;
        uint8_t hash[SHA256_SIZE];
        journal_head(journal, &head);
        if (head.seq == 0) {
            continue;
        }
        *wrong = journal_hash_at(journal, head.seq, hash, NULL) != 0 ||
                 memcmp(hash, head.hash, SHA256_SIZE) != 0 ||
                 journal_stat(journal, &stat, NULL) != 0 || stat.head_seq < head.seq;
        atomic_fetch_add(&hashes_read, 1);
    }
}

static void cursors_follow_a_writer(void **state)
{
    (void)state;
    struct thread *threads[4] = {NULL};
    struct sample_reading readings[2] = {{.next_seq = 1}, {.next_seq = 1}};
    bool wrong = false;
    atomic_store(&writing, true);
    assert_int_equal(thread_start(&threads[0], "follow", follow_thread, &readings[0], NULL), 0);
    assert_int_equal(thread_start(&threads[1], "follow", follow_thread, &readings[1], NULL), 0);
    assert_int_equal(thread_start(&threads[2], "ask", ask_thread, &wrong, NULL), 0);
    assert_int_equal(thread_start(&threads[3], "write", write_thread, NULL, NULL), 0);
    for (int i = 0; i < 4; i++) {
        thread_join(&threads[i]);
    }
    struct journal_position head;
    struct journal_stat stat;
    journal_head(journal, &head);
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(head.seq, 3000);
    assert_true(stat.segments > 3);
    assert_false(wrong);
    assert_true(atomic_load(&hashes_read) > 0);
    for (int i = 0; i < 2; i++) {
        assert_false(readings[i].wrong);
        assert_int_equal(readings[i].next_seq, head.seq + 1);
    }
}

static void wait_ms(long ms)
{
    struct timespec wait = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&wait, NULL);
}

/* Housekeeping: lets go of all that it may, and prepares. */
static void drop_thread(struct thread *self, void *context)
{
    bool *wrong = context;
    thread_ready(self, 0, NULL);
    while (atomic_load(&writing) && !*wrong) {
        *wrong = journal_drop(journal, UINT64_MAX, NULL, NULL) != 0 ||
                 journal_prepare(journal, NULL) != 0;
        wait_ms(1);
    }
}

/* Begins at the floor again and again, where segments are about to go. */
static void floor_thread(struct thread *self, void *context)
{
    bool *wrong = context;
    thread_ready(self, 0, NULL);
    while (atomic_load(&writing) && !*wrong) {
        struct journal_cursor *own = NULL;
        struct batch batch;
        int rc = journal_cursor_open(&own, journal, journal_floor(journal), NULL);
        for (int i = 0; rc == 0 && i < 5; i++) {
            rc = journal_cursor_next(own, &batch, NULL);
        }
        *wrong = rc != 0 && rc != E_NOT_FOUND;
        journal_cursor_close(&own);
    }
}

static void segments_go_under_readers(void **state)
{
    (void)state;
    struct thread *threads[4] = {NULL};
    struct sample_reading reading = {.next_seq = 1};
    bool drop_wrong = false;
    bool floor_wrong = false;
    atomic_store(&writing, true);
    assert_int_equal(thread_start(&threads[0], "follow", follow_thread, &reading, NULL), 0);
    assert_int_equal(thread_start(&threads[1], "floor", floor_thread, &floor_wrong, NULL), 0);
    assert_int_equal(thread_start(&threads[2], "write", write_thread, NULL, NULL), 0);
    assert_int_equal(thread_start(&threads[3], "drop", drop_thread, &drop_wrong, NULL), 0);
    for (int i = 0; i < 4; i++) {
        thread_join(&threads[i]);
    }
    assert_false(reading.wrong || drop_wrong || floor_wrong);
    assert_int_equal(reading.next_seq, 3001);
    struct journal_stat stat;
    assert_int_equal(journal_drop(journal, UINT64_MAX, NULL, NULL), 0);
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.segments, 1);
    assert_int_equal(stat.leaving_bytes, 0);
}

/* A disk whose syncs hang until they may end. */
static atomic_bool syncing;
static atomic_bool sync_may_end;

static int slow_sync(void *context, int fd)
{
    (void)context;
    (void)fd;
    atomic_store(&syncing, true);
    while (!atomic_load(&sync_may_end)) {
        wait_ms(1);
    }
    return 0;
}

static void reopen_slow(const struct disk *disk)
{
    journal_close(&journal, false);
    atomic_store(&sync_may_end, true);
    assert_int_equal(sample_open(&journal, disk, &opened, NULL), 0);
    atomic_store(&sync_may_end, false);
    atomic_store(&syncing, false);
}

static void append_thread(struct thread *self, void *context)
{
    int *rc = context;
    thread_ready(self, 0, NULL);
    *rc = sample_append(journal, 1, 10);
}

static void append_large(struct thread *self, void *context)
{
    int *rc = context;
    thread_ready(self, 0, NULL);
    *rc = sample_append(journal, 1, MIB);
}

/* A cursor must not show what is written and not synced: while the sync hangs, it sees nothing. */
static void what_is_not_synced_is_not_shown(void **state)
{
    (void)state;
    struct disk disk = disk_system;
    struct journal_cursor *cursor = NULL;
    struct batch batch;
    struct thread *thread = NULL;
    struct journal_position head;
    int rc = -1;
    disk.fdatasync = slow_sync;
    reopen_slow(&disk);
    assert_int_equal(journal_cursor_open(&cursor, journal, 1, NULL), 0);
    assert_int_equal(thread_start(&thread, "append", append_thread, &rc, NULL), 0);
    while (!atomic_load(&syncing)) {
    }
    for (int i = 0; i < 100; i++) {
        assert_int_equal(journal_cursor_next(cursor, &batch, NULL), E_NOT_FOUND);
    }
    journal_head(journal, &head);
    assert_int_equal(head.seq, 0);
    atomic_store(&sync_may_end, true);
    thread_join(&thread);
    assert_int_equal(rc, 0);
    assert_int_equal(journal_cursor_next(cursor, &batch, NULL), 0);
    assert_int_equal(batch.base_seq, 1);
    journal_cursor_close(&cursor);
}

static void prepare_once(struct thread *self, void *context)
{
    int *rc = context;
    thread_ready(self, 0, NULL);
    *rc = journal_prepare(journal, NULL);
}

/* The committer takes the file that housekeeping is about to finish, and makes no second one. */
static void a_roll_waits_for_the_file_that_is_being_made(void **state)
{
    (void)state;
    struct disk disk = disk_system;
    struct thread *threads[2] = {NULL};
    int rc[2] = {-1, -1};
    char prepared[TMP_FOLDER_MAX];
    tmp_folder_path(prepared, sample_dir, "next.kbj.prepared");
    disk.fsync = slow_sync;
    reopen_slow(&disk);
    assert_int_equal(sample_append(journal, 1, 0), 0);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
    assert_int_equal(thread_start(&threads[0], "prepare", prepare_once, &rc[0], NULL), 0);
    while (!atomic_load(&syncing)) {
        wait_ms(1);
    }
    assert_int_equal(thread_start(&threads[1], "append", append_large, &rc[1], NULL), 0);
    wait_ms(50); /* long enough to go wrong */
    atomic_store(&sync_may_end, true);
    thread_join(&threads[0]);
    thread_join(&threads[1]);
    assert_int_equal(rc[0], 0);
    assert_int_equal(rc[1], 0);
    assert_int_equal(access(prepared, F_OK), -1);
    assert_int_equal(sample_last_seq(journal, 1), 9);
}

static atomic_bool preparing;

static void prepare_thread(struct thread *self, void *context)
{
    (void)context;
    thread_ready(self, 0, NULL);
    while (atomic_load(&preparing)) {
        (void)!journal_prepare(journal, NULL);
    }
}

/* Housekeeping prepares while the committer rolls; each file is made by one of them. */
static void files_are_prepared_by_another_thread(void **state)
{
    (void)state;
    struct thread *thread = NULL;
    char prepared[TMP_FOLDER_MAX];
    tmp_folder_path(prepared, sample_dir, "next.kbj.prepared");
    atomic_store(&preparing, true);
    assert_int_equal(thread_start(&thread, "prepare", prepare_thread, NULL, NULL), 0);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
    atomic_store(&preparing, false);
    thread_join(&thread);
    struct journal_stat stat;
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.segments, 6);
    uint64_t files = 6 + (access(prepared, F_OK) == 0 ? 1 : 0);
    assert_int_equal(stat.file_bytes, files * SAMPLE_SEGMENT_BYTES);
    assert_int_equal(sample_last_seq(journal, 1), 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cursors_follow_a_writer),
        TEST(segments_go_under_readers),
        TEST(what_is_not_synced_is_not_shown),
        TEST(a_roll_waits_for_the_file_that_is_being_made),
        TEST(files_are_prepared_by_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
