/* tests/journal/test_segment_file.c - making and opening files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "journal/segment.h"
#include "tests/journal/segment_samples.h"
#include "tests/support/crash_disk.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp_folder.h"

enum { FILE_BYTES = 32 << 10, TIME_MS = 1000 };

static char folder[TMP_FOLDER_MAX];
static char path[TMP_FOLDER_MAX];
static char copy[TMP_FOLDER_MAX];
static char spare[TMP_FOLDER_MAX];
static struct crash_disk disk;

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "file");
    tmp_folder_path(copy, folder, "copy");
    tmp_folder_path(spare, folder, "spare");
    crash_disk_init(&disk);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    crash_disk_free(&disk);
    tmp_folder_remove(folder);
    return 0;
}

static bool is_there(const char *name)
{
    return access(name, F_OK) == 0;
}

static struct segment *create(uint64_t size_bytes)
{
    struct segment *segment = NULL;
    struct segment_id id = sample_id(1);
    struct err err = {0};
    if (segment_create(&segment, path, &id, size_bytes, &disk.disk, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return segment;
}

static int append(struct segment *segment, uint32_t count, size_t size)
{
    uint8_t *payload = malloc(size + 1);
    sample_bytes(payload, size, segment_next_seq(segment));
    int rc = segment_append(segment, count, TIME_MS, span_of(payload, size), NULL, NULL);
    free(payload);
    return rc;
}

/* What a file holds, told by opening it. */
struct seen {
    uint64_t batches;
    uint64_t next_seq;
    int stop_at; /* the callback refuses this batch */
};

static int on_batch(void *context, const struct batch *batch, struct err *err)
{
    struct seen *seen = context;
    assert_int_equal(batch->base_seq, seen->next_seq);
    assert_true(sample_is(batch->payload, batch->base_seq));
    seen->next_seq += batch->count;
    seen->batches++;
    return (int)seen->batches == seen->stop_at ? err_set(err, E_BUSY, "stop") : 0;
}

static int open_file(const char *name, const struct disk *with, struct seen *seen,
                     enum segment_tail *tail, struct err *err)
{
    struct segment *segment = NULL;
    *seen = (struct seen){.next_seq = 1};
    int rc = segment_open(&segment, name, with, on_batch, seen, tail, err);
    if (rc == 0) {
        assert_int_equal(segment_next_seq(segment), seen->next_seq);
    } else {
        assert_null(segment);
    }
    segment_close(&segment);
    return rc;
}

/* --- making --- */

static void a_file_appears_whole_and_synced(void **state)
{
    (void)state;
    struct segment *segment = create(SEGMENT_HEADER_SIZE + (1 << 20) + 1024 + 511);
    char expected[512];
    (void)snprintf(expected, sizeof expected,
                   "pwrite:file.partial@0+4096 pwrite:file.partial@4096+1048576 "
                   "pwrite:file.partial@1052672+1024 fsync:file.partial rename:file fsync:%s",
                   strrchr(folder, '/') + 1);
    assert_string_equal(disk.text, expected);
    assert_null(disk.records);
    assert_int_equal(segment_file_size(segment), SEGMENT_HEADER_SIZE + (1 << 20) + 1024);
    assert_int_equal(segment_end(segment), SEGMENT_HEADER_SIZE);
    assert_string_equal(segment_path(segment), path);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, SEGMENT_HEADER_SIZE + (1 << 20) + 1024);
    assert_int_equal(info.st_mode & 0777, 0600);
    uint8_t word[8];
    uint8_t *bytes = malloc((size_t)info.st_size);
    spoil_read(path, 88, word, sizeof word);
    spoil_read(path, 0, bytes, (size_t)info.st_size);
    for (off_t at = SEGMENT_HEADER_SIZE; at < info.st_size; at += 8) {
        assert_memory_equal(bytes + at, word, sizeof word);
    }
    free(bytes);
    segment_close(&segment);
}

static void what_cannot_be_made_is_refused(void **state)
{
    (void)state;
    struct segment *segment = NULL;
    struct segment_id id = sample_id(1);
    struct err err = {0};
    char long_path[8000];
    memset(long_path, 'x', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(segment_create(&segment, long_path, &id, FILE_BYTES, NULL, &err), E_INVALID);
    assert_int_equal(segment_create(&segment, path, &id, 5119, NULL, &err), E_INVALID);
    assert_int_equal(segment_create(&segment, "/no/such/x", &id, FILE_BYTES, NULL, &err),
                     E_NOT_FOUND);
    assert_null(segment);
    assert_int_equal(segment_create(&segment, path, &id, 5120, NULL, &err), 0);
    assert_int_equal(append(segment, 1, 424), 0);
    assert_int_equal(append(segment, 1, 0), E_NOSPACE);
    segment_close(&segment);
    assert_int_equal(segment_create(&segment, path, &id, FILE_BYTES, NULL, &err), E_EXISTS);
    assert_non_null(strstr(err.text, path));
    tmp_folder_write(spare, "");
    assert_int_equal(segment_create_from(&segment, spare, path, &id, NULL, &err), E_EXISTS);
    assert_null(segment);
}

/* Every call fails once, in every way. Before the new name is there, nothing is left; after it,
 * the failure is E_IO, so that nobody goes on as if nothing had happened. */
static void a_failed_making_leaves_nothing(void **state)
{
    (void)state;
    static const int numbers[] = {EIO, ENOSPC};
    for (size_t i = 0; i < 2; i++) {
        unsigned nth = 1;
        for (;; nth++) {
            struct segment *segment = NULL;
            struct segment_id id = sample_id(1);
            struct err err = {0};
            crash_disk_free(&disk);
            crash_disk_init(&disk);
            disk.fail_at = nth;
            disk.fail_errno = numbers[i];
            int rc = segment_create(&segment, path, &id, FILE_BYTES, &disk.disk, &err);
            if (rc == 0) {
                segment_close(&segment);
                break;
            }
            assert_null(segment);
            bool named = is_there(path);
            assert_int_equal(rc, numbers[i] == EIO || named ? E_IO : E_NOSPACE);
            assert_int_equal(err.code, rc);
            assert_int_equal(named, nth == 5);
            (void)unlink(path);
            tmp_folder_path(copy, folder, "file.partial");
            assert_false(is_there(copy));
        }
        assert_int_equal(nth, 6); /* two writes, sync, rename, sync */
        assert_int_equal(unlink(path), 0);
    }
}

static void without_memory_nothing_is_made(void **state)
{
    (void)state;
    unsigned nth = 1;
    for (;; nth++) {
        struct segment *segment = NULL;
        struct segment_id id = sample_id(1);
        fail_alloc_at(nth);
        int rc = segment_create(&segment, path, &id, FILE_BYTES, NULL, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            segment_close(&segment);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_false(is_there(path));
    }
    assert_true(nth > 3);
    for (nth = 1;; nth++) {
        struct seen seen;
        enum segment_tail tail;
        fail_alloc_at(nth);
        int rc = open_file(path, NULL, &seen, &tail, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
    }
    assert_true(nth > 3);
}

static void a_spare_file_gets_its_name(void **state)
{
    (void)state;
    struct segment *segment = NULL;
    struct segment_id none = {.purpose = SEGMENT_JOURNAL};
    struct segment_id id = sample_id(1);
    char expected[512];
    assert_int_equal(segment_create(&segment, spare, &none, FILE_BYTES, &disk.disk, NULL), 0);
    segment_close(&segment);
    crash_disk_restart(&disk);
    assert_int_equal(segment_create_from(&segment, spare, path, &id, &disk.disk, NULL), 0);
    (void)snprintf(expected, sizeof expected,
                   "pwrite:spare@0+4096 fdatasync:spare rename:file fsync:%s",
                   strrchr(folder, '/') + 1);
    assert_string_equal(disk.text, expected);
    assert_null(disk.records);
    assert_false(is_there(spare));
    assert_string_equal(segment_path(segment), path);
    assert_int_equal(append(segment, 2, 700), 0);
    segment_close(&segment);
    struct seen seen;
    enum segment_tail tail;
    assert_int_equal(open_file(path, NULL, &seen, &tail, NULL), 0);
    assert_int_equal(tail, SEGMENT_TAIL_OPEN);
    assert_int_equal(seen.batches, 1);
}

static void a_spare_file_survives_failures(void **state)
{
    (void)state;
    struct segment *segment = NULL;
    struct segment_id id = sample_id(1);
    assert_int_equal(segment_create(&segment, spare, &id, FILE_BYTES, &disk.disk, NULL), 0);
    segment_close(&segment);
    for (unsigned nth = 1; nth <= 4; nth++) {
        crash_disk_restart(&disk);
        disk.fail_at = nth;
        disk.fail_errno = ENOSPC;
        int rc = segment_create_from(&segment, spare, path, &id, &disk.disk, NULL);
        assert_null(segment);
        assert_int_equal(rc, nth == 4 ? E_IO : E_NOSPACE);
        assert_int_equal(is_there(path), nth == 4);
        assert_int_equal(is_there(spare), nth != 4);
    }
    assert_int_equal(segment_create_from(&segment, spare, copy, &id, NULL, NULL), E_NOT_FOUND);
    tmp_folder_write(spare, "not a segment");
    assert_int_equal(segment_create_from(&segment, spare, copy, &id, NULL, NULL), E_CORRUPT);
}

/* --- opening --- */

static void ends_are_told_apart(void **state)
{
    (void)state;
    struct segment *segment = create(FILE_BYTES);
    struct seen seen;
    enum segment_tail tail;
    assert_int_equal(append(segment, 3, 600), 0);
    assert_int_equal(append(segment, 1, 100), 0);
    segment_close(&segment);
    assert_int_equal(open_file(path, NULL, &seen, &tail, NULL), 0);
    assert_int_equal(tail, SEGMENT_TAIL_OPEN);
    assert_int_equal(seen.batches, 2);
    assert_int_equal(segment_open(&segment, path, NULL, NULL, NULL, &tail, NULL), 0);
    assert_int_equal(segment_mark_clean(segment, TIME_MS, NULL), 0);
    segment_close(&segment);
    assert_int_equal(open_file(path, NULL, &seen, &tail, NULL), 0);
    assert_int_equal(tail, SEGMENT_TAIL_CLEAN);
    assert_int_equal(seen.next_seq, 5);
    /* opening took the mark away: who dies now did not stop cleanly */
    assert_int_equal(open_file(path, NULL, &seen, &tail, NULL), 0);
    assert_int_equal(tail, SEGMENT_TAIL_OPEN);
}

/* The last batch once more, and where the mark was the pattern; one sync behind both. */
static void opening_writes_the_last_batch_again(void **state)
{
    (void)state;
    struct segment *segment = create(FILE_BYTES);
    struct seen seen;
    enum segment_tail tail;
    assert_int_equal(append(segment, 1, 100), 0);
    assert_int_equal(append(segment, 1, 900), 0);
    assert_int_equal(segment_mark_clean(segment, TIME_MS, NULL), 0);
    segment_close(&segment);
    crash_disk_restart(&disk);
    assert_int_equal(open_file(path, &disk.disk, &seen, &tail, NULL), 0);
    assert_string_equal(disk.text, "pwrite:file@5632+512 pwrite:file@4608+1024 fdatasync:file");
    assert_null(disk.records);
    crash_disk_restart(&disk);
    assert_int_equal(open_file(path, &disk.disk, &seen, &tail, NULL), 0);
    assert_string_equal(disk.text, "pwrite:file@4608+1024 fdatasync:file");
}

/* The callback must not see the last batch before it is on disk for certain. */
static struct crash_disk *watched;

static int on_watched_batch(void *context, const struct batch *batch, struct err *err)
{
    (void)err;
    unsigned *calls = context;
    assert_int_equal(watched->calls, batch->base_seq == 3 ? 2 : 0);
    assert_null(watched->records);
    ++*calls;
    return 0;
}

static void the_last_batch_is_told_when_it_is_synced(void **state)
{
    (void)state;
    struct segment *segment = create(FILE_BYTES);
    enum segment_tail tail;
    unsigned calls = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(append(segment, 1, 700), 0);
    }
    segment_close(&segment);
    crash_disk_restart(&disk);
    watched = &disk;
    assert_int_equal(
        segment_open(&segment, path, &disk.disk, on_watched_batch, &calls, &tail, NULL), 0);
    assert_int_equal(calls, 3);
    segment_close(&segment);
}

static void a_refusing_callback_leaves_the_file_alone(void **state)
{
    (void)state;
    struct segment *segment = create(FILE_BYTES);
    struct seen seen = {.next_seq = 1, .stop_at = 1};
    enum segment_tail tail;
    struct err err = {0};
    assert_int_equal(append(segment, 1, 100), 0);
    assert_int_equal(append(segment, 1, 100), 0);
    segment_close(&segment);
    crash_disk_restart(&disk);
    assert_int_equal(segment_open(&segment, path, &disk.disk, on_batch, &seen, &tail, &err),
                     E_BUSY);
    assert_string_equal(err.text, "stop");
    assert_null(segment);
    assert_int_equal(disk.calls, 0);
}

static void a_failed_settling_is_an_error(void **state)
{
    (void)state;
    struct segment *segment = create(FILE_BYTES);
    struct seen seen;
    enum segment_tail tail;
    assert_int_equal(append(segment, 1, 100), 0);
    assert_int_equal(segment_mark_clean(segment, TIME_MS, NULL), 0);
    segment_close(&segment);
    for (unsigned nth = 1; nth <= 3; nth++) { /* the mark's place, the last batch, the sync */
        spoil_copy(path, copy);
        crash_disk_restart(&disk);
        disk.fail_at = nth;
        disk.fail_errno = EIO;
        assert_int_equal(open_file(copy, &disk.disk, &seen, &tail, NULL), E_IO);
        assert_int_equal(seen.batches, 0); /* its only batch was not certain yet */
    }
    assert_int_equal(open_file(path, NULL, &seen, &tail, NULL), 0);
    assert_int_equal(seen.batches, 1);
}

static void bad_files_are_named(void **state)
{
    (void)state;
    struct segment *segment = create(FILE_BYTES);
    struct seen seen;
    enum segment_tail tail;
    struct err err = {0};
    segment_close(&segment);
    assert_int_equal(open_file(copy, NULL, &seen, &tail, &err), E_NOT_FOUND);
    spoil_copy(path, copy);
    spoil_flip(copy, 40, 1);
    assert_int_equal(open_file(copy, NULL, &seen, &tail, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, copy));
    spoil_copy(path, copy);
    assert_int_equal(truncate(copy, FILE_BYTES - 1), 0);
    assert_int_equal(open_file(copy, NULL, &seen, &tail, &err), E_CORRUPT);
    assert_int_equal(truncate(copy, FILE_BYTES + 1), 0);
    assert_int_equal(open_file(copy, NULL, &seen, &tail, &err), E_CORRUPT);
    assert_int_equal(truncate(copy, 100), 0);
    assert_int_equal(open_file(copy, NULL, &seen, &tail, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "cut short"));
    assert_int_equal(truncate(copy, 0), 0);
    assert_int_equal(segment_open_read(&segment, copy, &err), E_CORRUPT);
    uint8_t header[SEGMENT_HEADER_SIZE];
    spoil_copy(path, copy);
    spoil_read(copy, 0, header, sizeof header);
    header[8] = 2;
    spoil_header_crc(header);
    spoil_write(copy, 0, header, sizeof header);
    assert_int_equal(open_file(copy, NULL, &seen, &tail, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "newer"));
}

/* --- a file that was used before --- */

static void a_used_file_becomes_as_good_as_new(void **state)
{
    (void)state;
    struct seen seen;
    enum segment_tail tail;
    struct stat before;
    struct stat after;
    struct segment *segment = create(FILE_BYTES);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(append(segment, 2, 2000), 0);
    }
    segment_close(&segment);
    assert_int_equal(stat(path, &before), 0);
    struct segment_id none = {.purpose = SEGMENT_JOURNAL};
    assert_int_equal(segment_recycle(path, spare, &none, &disk.disk, NULL), 0);
    assert_false(is_there(path));
    assert_null(disk.records); /* all of it is synced */
    struct segment_id id = sample_id(1);
    assert_int_equal(segment_create_from(&segment, spare, copy, &id, &disk.disk, NULL), 0);
    assert_int_equal(append(segment, 1, 100), 0);
    segment_close(&segment);
    assert_int_equal(stat(copy, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    struct err err = {0};
    assert_int_equal(open_file(copy, NULL, &seen, &tail, &err), 0);
    assert_int_equal(seen.batches, 1);
    assert_int_equal(tail, SEGMENT_TAIL_OPEN);
}

static void a_failed_reuse_leaves_nothing(void **state)
{
    (void)state;
    struct segment_id none = {.purpose = SEGMENT_JOURNAL};
    for (unsigned nth = 1; nth <= 3; nth++) { /* header, pattern, sync */
        struct segment *segment = create(FILE_BYTES);
        segment_close(&segment);
        crash_disk_restart(&disk);
        disk.fail_at = nth;
        disk.fail_errno = EIO;
        assert_int_equal(segment_recycle(path, spare, &none, &disk.disk, NULL), E_IO);
        disk.fail_at = 0;
        assert_false(is_there(path) || is_there(spare));
    }
    struct err err = {0};
    assert_int_equal(segment_recycle(path, spare, &none, &disk.disk, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_appears_whole_and_synced),
        TEST(what_cannot_be_made_is_refused),
        TEST(a_failed_making_leaves_nothing),
        TEST(without_memory_nothing_is_made),
        TEST(a_spare_file_gets_its_name),
        TEST(a_spare_file_survives_failures),
        TEST(ends_are_told_apart),
        TEST(opening_writes_the_last_batch_again),
        TEST(the_last_batch_is_told_when_it_is_synced),
        TEST(a_refusing_callback_leaves_the_file_alone),
        TEST(a_failed_settling_is_an_error),
        TEST(bad_files_are_named),
        TEST(a_used_file_becomes_as_good_as_new),
        TEST(a_failed_reuse_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
