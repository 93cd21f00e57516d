/* tests/journal/test_segment_crash.c - power cuts at every moment, flipped bits at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "journal/segment.h"
#include "tests/journal/segment_samples.h"
#include "tests/support/crash_disk.h"
#include "tests/support/tmp_folder.h"

enum { FILE_BYTES = 32 << 10, TIME_MS = 1000 };

static char folder[TMP_FOLDER_MAX];
static char path[TMP_FOLDER_MAX];
static char copy[TMP_FOLDER_MAX];
static struct crash_disk disk;

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "file");
    tmp_folder_path(copy, folder, "copy");
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
};

static int on_batch(void *context, const struct batch *batch, struct err *err)
{
    (void)err;
    struct seen *seen = context;
    assert_int_equal(batch->base_seq, seen->next_seq);
    assert_true(sample_is(batch->payload, batch->base_seq));
    seen->next_seq += batch->count;
    seen->batches++;
    return 0;
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

/* Three batches, of which the last has five sectors. */
static off_t make_three(void)
{
    struct segment *segment = create(FILE_BYTES);
    assert_int_equal(append(segment, 1, 100), 0);
    assert_int_equal(append(segment, 2, 2000), 0);
    off_t last = segment_end(segment);
    assert_int_equal(append(segment, 3, 5 * SEGMENT_SECTOR - BATCH_HEADER_SIZE), 0);
    segment_close(&segment);
    return last;
}

/* The last write stopped after any number of sectors, or came without any one of them. */
static void a_cut_last_batch_is_forgotten(void **state)
{
    (void)state;
    off_t last = make_three();
    for (int missing = 0; missing < 10; missing++) {
        struct seen seen;
        enum segment_tail tail;
        struct err err = {0};
        off_t from = last + (missing % 5) * SEGMENT_SECTOR;
        size_t size = missing < 5 ? SEGMENT_SECTOR : (size_t)(last + 5 * SEGMENT_SECTOR - from);
        spoil_copy(path, copy);
        spoil_pattern(copy, from, size);
        assert_int_equal(open_file(copy, &disk.disk, &seen, &tail, &err), 0);
        assert_int_equal(tail, missing == 5 ? SEGMENT_TAIL_OPEN : SEGMENT_TAIL_TORN);
        assert_int_equal(seen.batches, 2);
        assert_null(disk.records); /* what is left of it was overwritten, and that synced */
        assert_int_equal(open_file(copy, NULL, &seen, &tail, &err), 0);
        assert_int_equal(tail, SEGMENT_TAIL_OPEN);
        struct segment *segment = NULL;
        assert_int_equal(segment_open(&segment, copy, NULL, NULL, NULL, &tail, NULL), 0);
        assert_int_equal(append(segment, 1, 300), 0);
        segment_close(&segment);
        assert_int_equal(open_file(copy, NULL, &seen, &tail, &err), 0);
        assert_int_equal(seen.batches, 3);
    }
}

/* A file is whole from its making on: one that is shorter was damaged, not cut by a crash. */
static void a_cut_file_is_damage(void **state)
{
    (void)state;
    off_t last = make_three();
    for (off_t size = last; size <= last + 5 * SEGMENT_SECTOR; size += SEGMENT_SECTOR) {
        struct seen seen;
        enum segment_tail tail;
        struct err err = {0};
        spoil_copy(path, copy);
        assert_int_equal(truncate(copy, size), 0);
        assert_int_equal(open_file(copy, NULL, &seen, &tail, &err), E_CORRUPT);
        assert_non_null(strstr(err.text, copy));
    }
}

/* A flipped bit in any byte: damage with a name, or nothing is missing. Without the checksums'
 * check, a flip in a payload would come out as another value: on_batch compares the bytes. */
static void flip_everywhere(bool clean)
{
    struct segment *segment = NULL;
    struct seen seen;
    enum segment_tail tail;
    unsigned found = 0;
    unsigned harmless = 0;
    (void)make_three();
    assert_int_equal(segment_open(&segment, path, NULL, NULL, NULL, &tail, NULL), 0);
    if (clean) {
        assert_int_equal(segment_mark_clean(segment, TIME_MS, NULL), 0);
    }
    off_t end = segment_end(segment) + 4 * SEGMENT_SECTOR;
    segment_close(&segment);
    for (off_t at = 0; at < end; at += at < 128 || at >= SEGMENT_HEADER_SIZE ? 1 : 61) {
        struct err err = {0};
        spoil_copy(path, copy);
        spoil_flip(copy, at, (uint8_t)(1U << (at * 5 % 8)));
        int rc = open_file(copy, NULL, &seen, &tail, &err);
        if (rc == 0) {
            assert_int_equal(seen.batches, 3);
            assert_int_equal(seen.next_seq, 7);
            harmless++;
        } else {
            assert_int_equal(rc, E_CORRUPT);
            assert_non_null(strstr(err.text, copy));
            found++;
        }
    }
    assert_true(found > 4000);
    assert_true(harmless > 1000); /* padding, and sectors behind the end */
}

static void flipped_bits_lose_nothing_unseen(void **state)
{
    (void)state;
    flip_everywhere(false);
}

static void flipped_bits_behind_a_clean_stop_lose_nothing_unseen(void **state)
{
    (void)state;
    flip_everywhere(true);
}

/* One life: make or open the file, append, stop cleanly. Returns the seqs acknowledged. */
static uint64_t live(const char *name, uint64_t seed, bool *stopped)
{
    struct segment *segment = NULL;
    enum segment_tail tail;
    struct segment_id id = sample_id(1);
    uint64_t acknowledged = 0;
    *stopped = false;
    int rc = is_there(name) ? segment_open(&segment, name, &disk.disk, NULL, NULL, &tail, NULL)
                            : segment_create(&segment, name, &id, FILE_BYTES, &disk.disk, NULL);
    if (rc != 0) {
        return 0;
    }
    acknowledged = segment_next_seq(segment) - 1;
    for (uint64_t i = 0; i < 4; i++) {
        uint32_t count = (uint32_t)(1 + (seed + i) % 3);
        if (append(segment, count, (size_t)((seed * 977 + i * 1313) % 3000)) != 0) {
            break;
        }
        acknowledged += count;
    }
    *stopped = segment_mark_clean(segment, TIME_MS, NULL) == 0;
    segment_close(&segment);
    return acknowledged;
}

/* Cut the power at the call `dead_from` of a second life; what was acknowledged by then has to be
 * there. Returns whether it was; false for the lying disk's losses. */
static bool survives(uint64_t seed, unsigned dead_from, bool lying)
{
    struct seen seen;
    enum segment_tail tail;
    struct err err = {0};
    bool stopped = false;
    (void)unlink(copy);
    crash_disk_init(&disk);
    uint64_t acknowledged = live(copy, seed, &stopped);
    assert_true(stopped);
    crash_disk_free(&disk); /* that life is long past */
    crash_disk_init(&disk);
    disk.dead_from = dead_from;
    disk.lying = lying;
    uint64_t now = live(copy, seed + 7, &stopped);
    acknowledged = now > acknowledged ? now : acknowledged;
    crash_disk_cut(&disk, seed * 1000 + dead_from, lying);
    int rc = open_file(copy, NULL, &seen, &tail, &err);
    if (rc != 0 && !lying) {
        fail_msg("seed %d, call %u: %s", (int)seed, dead_from, err.text);
    }
    return rc == 0 && seen.next_seq > acknowledged;
}

static void a_power_cut_at_any_call_loses_nothing(void **state)
{
    (void)state;
    unsigned cuts = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        for (unsigned dead_from = 1; dead_from <= 13; dead_from++) { /* all there are, and one */
            assert_true(survives(seed, dead_from, false));
            cuts++;
        }
    }
    assert_int_equal(cuts, 390);
}

/* The control: with syncs that do nothing the same test has to find losses. */
static void a_lying_disk_is_noticed(void **state)
{
    (void)state;
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        lost += survives(seed, 13, true) ? 0 : 1;
    }
    assert_int_equal(lost, 10);
}

/* While a new file is made the power goes: it is whole, or not there under its name. */
static void a_power_cut_while_making_leaves_a_whole_file_or_none(void **state)
{
    (void)state;
    unsigned there = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct segment *segment = NULL;
        struct segment_id id = sample_id(1);
        (void)unlink(path);
        crash_disk_init(&disk);
        disk.dead_from = 1 + (unsigned)(seed % 6);
        (void)!segment_create(&segment, path, &id, FILE_BYTES, &disk.disk, NULL);
        bool done = segment != NULL;
        segment_close(&segment);
        crash_disk_cut(&disk, seed, false);
        struct seen seen;
        enum segment_tail tail;
        struct err err = {0};
        if (is_there(path)) {
            assert_int_equal(open_file(path, NULL, &seen, &tail, &err), 0);
            there++;
        } else {
            assert_false(done);
        }
    }
    assert_true(there > 10 && there < 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cut_last_batch_is_forgotten),
        TEST(a_cut_file_is_damage),
        TEST(flipped_bits_lose_nothing_unseen),
        TEST(flipped_bits_behind_a_clean_stop_lose_nothing_unseen),
        TEST(a_power_cut_at_any_call_loses_nothing),
        TEST(a_lying_disk_is_noticed),
        TEST(a_power_cut_while_making_leaves_a_whole_file_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
