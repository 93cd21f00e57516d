/* tests/journal/test_segment.c - appending and reading: order of calls, limits, failures. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "journal/segment.h"
#include "tests/journal/segment_samples.h"
#include "tests/support/crash_disk.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp_folder.h"

enum { FILE_BYTES = 64 << 10, TIME_MS = 1000 };

static char folder[TMP_FOLDER_MAX];
static char path[TMP_FOLDER_MAX];
static struct crash_disk disk;
static struct segment *segment;
static struct buf scratch;

static void make_segment(uint64_t size_bytes)
{
    struct segment_id id = sample_id(10);
    struct err err = {0};
    if (segment_create(&segment, path, &id, size_bytes, &disk.disk, &err) != 0) {
        fail_msg("%s", err.text);
    }
    crash_disk_restart(&disk);
}

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "file");
    crash_disk_init(&disk);
    buf_init(&scratch, BATCH_SIZE_MAX);
    make_segment(FILE_BYTES);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    segment_close(&segment);
    crash_disk_free(&disk);
    buf_free(&scratch);
    tmp_folder_remove(folder);
    return 0;
}

/* Appends `count` changes with a payload of `size` bytes that only this batch has. */
static int append(uint32_t count, size_t size, struct batch *out)
{
    uint8_t *payload = malloc(size + 1);
    sample_bytes(payload, size, segment_next_seq(segment));
    int rc = segment_append(segment, count, TIME_MS, span_of(payload, size), out, NULL);
    free(payload);
    return rc;
}

static void what_was_appended_is_read(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 423, 424, 425, 4007, 4008, 4009, 20000};
    struct segment_position at;
    struct batch written[9];
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(append((uint32_t)i + 1, sizes[i], &written[i]), 0);
    }
    segment_start(segment, &at);
    for (size_t i = 0; i < 9; i++) {
        struct batch read;
        assert_int_equal(at.offset, written[i].offset);
        assert_int_equal(segment_step(segment, &at, &scratch, &read, NULL), 0);
        assert_int_equal(read.base_seq, written[i].base_seq);
        assert_int_equal(read.count, i + 1);
        assert_false(read.clean_stop);
        assert_int_equal(read.time_ms, TIME_MS);
        assert_memory_equal(read.hash, written[i].hash, SHA256_SIZE);
        assert_int_equal(read.payload.size, sizes[i]);
        assert_true(sample_is(read.payload, read.base_seq));
        assert_int_equal(read.next, written[i].next);
        assert_int_equal(at.offset, read.next);
        assert_int_equal(at.seq, read.base_seq + read.count);
    }
    struct batch none;
    assert_int_equal(segment_step(segment, &at, &scratch, &none, NULL), E_NOT_FOUND);
    assert_int_equal(at.offset, segment_end(segment));
    assert_int_equal(segment_next_seq(segment), 10 + 45);
    uint8_t hash[SHA256_SIZE];
    segment_last_hash(segment, hash);
    assert_memory_equal(hash, at.hash, SHA256_SIZE);
}

/* One write and one sync, in this order, before the return. */
static void an_append_is_one_write_and_one_sync(void **state)
{
    (void)state;
    assert_int_equal(append(1, 100, NULL), 0);
    assert_string_equal(disk.text, "pwrite:file@4096+512 fdatasync:file");
    assert_null(disk.records); /* nothing is left that a power cut could take */
    crash_disk_restart(&disk);
    assert_int_equal(append(1, 30000, NULL), 0);
    assert_string_equal(disk.text, "pwrite:file@4608+30208 fdatasync:file");
    crash_disk_restart(&disk);
    assert_int_equal(segment_mark_clean(segment, TIME_MS, NULL), 0);
    assert_string_equal(disk.text, "pwrite:file@34816+512 fdatasync:file");
    assert_null(disk.records);
}

static void padding_is_zeros(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    assert_int_equal(append(1, 1500, NULL), 0); /* leaves its bytes in the buffer */
    struct batch batch;
    assert_int_equal(append(1, 10, &batch), 0);
    spoil_read(path, batch.offset, bytes, sizeof bytes);
    for (size_t i = BATCH_HEADER_SIZE + 10; i < SEGMENT_SECTOR; i++) {
        assert_int_equal(bytes[i], 0);
    }
    uint8_t word[8];
    spoil_read(path, 88, word, sizeof word);
    assert_memory_equal(bytes + SEGMENT_SECTOR, word, sizeof word);
}

static void room_is_kept_for_the_mark(void **state)
{
    (void)state;
    size_t room = FILE_BYTES - SEGMENT_HEADER_SIZE - SEGMENT_SECTOR - BATCH_HEADER_SIZE;
    assert_true(segment_has_room(segment, room));
    assert_false(segment_has_room(segment, room + 1));
    assert_int_equal(append(1, room + 1, NULL), E_NOSPACE);
    assert_int_equal(disk.calls, 0);
    assert_int_equal(append(1, room, NULL), 0);
    assert_false(segment_has_room(segment, 0));
    assert_int_equal(append(1, 0, NULL), E_NOSPACE);
    assert_int_equal(segment_mark_clean(segment, TIME_MS, NULL), 0);
    struct batch mark;
    off_t at = FILE_BYTES - SEGMENT_SECTOR;
    struct segment *reader = NULL;
    assert_int_equal(segment_open_read(&reader, path, NULL), 0);
    assert_int_equal(segment_read(reader, at, NULL, &scratch, &mark, NULL), 0);
    assert_true(mark.clean_stop);
    assert_int_equal(mark.base_seq, 11);
    assert_int_equal(mark.next, FILE_BYTES);
    segment_close(&reader);
}

static void a_batch_has_a_largest_size(void **state)
{
    (void)state;
    segment_close(&segment);
    assert_int_equal(unlink(path), 0);
    make_segment(3 * (uint64_t)BATCH_SIZE_MAX);
    struct batch batch;
    struct batch read;
    assert_int_equal(append(1, BATCH_PAYLOAD_MAX - 1, NULL), 0);
    assert_int_equal(append(1, BATCH_PAYLOAD_MAX, &batch), 0);
    assert_int_equal(append(1, (size_t)BATCH_PAYLOAD_MAX + 1, NULL), E_TOO_LARGE);
    assert_false(segment_has_room(segment, (size_t)BATCH_PAYLOAD_MAX + 1));
    assert_int_equal(segment_read(segment, batch.offset, NULL, &scratch, &read, NULL), 0);
    assert_true(sample_is(read.payload, read.base_seq));
    assert_int_equal(append(1, 0, NULL), 0);
}

/* Whatever call fails, and however: nothing is said to be done, and nothing is taken any more. */
static void after_a_failure_nothing_is_taken(void **state)
{
    (void)state;
    static const int numbers[] = {EIO, ENOSPC, EDQUOT, ENOMEM, EROFS};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        for (unsigned nth = 1; nth <= 2; nth++) {
            (void)teardown(NULL);
            (void)setup(NULL);
            assert_int_equal(append(1, 100, NULL), 0);
            off_t end = segment_end(segment);
            crash_disk_restart(&disk);
            disk.fail_at = nth;
            disk.fail_errno = numbers[i];
            struct err err = {0};
            struct batch batch = {.count = 77};
            int rc = segment_append(segment, 1, TIME_MS, SPAN_LITERAL("x"), &batch, &err);
            assert_int_equal(rc, E_IO);
            assert_int_equal(err.code, E_IO);
            assert_non_null(strstr(err.text, path));
            assert_int_equal(batch.count, 77);
            assert_int_equal(segment_end(segment), end);
            assert_int_equal(segment_next_seq(segment), 11);
            unsigned calls = disk.calls;
            assert_int_equal(append(1, 1, NULL), E_READ_ONLY);
            assert_int_equal(segment_mark_clean(segment, TIME_MS, NULL), E_READ_ONLY);
            assert_int_equal(disk.calls, calls); /* nothing is tried again */
        }
    }
}

static void short_writes_are_completed(void **state)
{
    (void)state;
    disk.short_writes = true;
    struct batch batch;
    struct batch read;
    assert_int_equal(append(1, 5000, &batch), 0);
    assert_true(disk.calls > 3);
    assert_non_null(strstr(disk.text, "fdatasync:file"));
    assert_int_equal(segment_read(segment, batch.offset, NULL, &scratch, &read, NULL), 0);
    assert_true(sample_is(read.payload, read.base_seq));
}

static void without_memory_an_append_is_not_begun(void **state)
{
    (void)state;
    struct batch batch;
    fail_alloc_at(1);
    int rc = segment_append(segment, 1, TIME_MS, SPAN_LITERAL("x"), NULL, NULL);
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
    assert_int_equal(disk.calls, 0);
    assert_int_equal(segment_append(segment, 1, TIME_MS, SPAN_LITERAL("x"), &batch, NULL), 0);
    fail_alloc_at(1);
    rc = segment_read(segment, batch.offset, NULL, &scratch, &batch, NULL);
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
    assert_int_equal(segment_read(segment, batch.offset, NULL, &scratch, &batch, NULL), 0);
}

static void reading_notices_what_is_wrong(void **state)
{
    (void)state;
    struct batch first;
    struct batch second;
    struct batch read;
    struct err err = {0};
    uint8_t other[SHA256_SIZE] = {1};
    assert_int_equal(append(1, 1000, &first), 0);
    assert_int_equal(append(1, 5000, &second), 0);
    assert_int_equal(segment_read(segment, second.offset, first.hash, &scratch, &read, NULL), 0);
    assert_int_equal(segment_read(segment, second.offset, other, &scratch, &read, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "offset 5632"));
    spoil_flip(path, second.offset + 5000, 4);
    assert_int_equal(segment_read(segment, second.offset, NULL, &scratch, &read, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "checksum"));
    spoil_pattern(path, second.offset, SEGMENT_SECTOR);
    assert_int_equal(segment_read(segment, second.offset, NULL, &scratch, &read, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "gone"));
    struct segment *reader = NULL;
    assert_int_equal(segment_open_read(&reader, path, NULL), 0);
    assert_int_equal(segment_read(reader, second.offset, NULL, &scratch, &read, NULL), E_NOT_FOUND);
    assert_int_equal(segment_read(reader, FILE_BYTES, NULL, &scratch, &read, NULL), E_NOT_FOUND);
    segment_close(&reader);
}

static void a_file_that_is_cut_while_it_is_open_is_damage(void **state)
{
    (void)state;
    struct batch batch;
    struct err err = {0};
    enum segment_tail tail;
    struct segment *reader = NULL;
    assert_int_equal(append(1, 6000, &batch), 0);
    assert_int_equal(segment_open_read(&reader, path, NULL), 0);
    assert_int_equal(truncate(path, batch.offset + 5000), 0);
    assert_int_equal(segment_read(segment, batch.offset, NULL, &scratch, &batch, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "cut short"));
    assert_int_equal(truncate(path, batch.offset), 0);
    assert_int_equal(segment_read(segment, batch.offset, NULL, &scratch, &batch, &err), E_CORRUPT);
    struct segment_position at;
    segment_start(reader, &at);
    assert_int_equal(segment_judge(reader, &at, &tail, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "cut short"));
    segment_close(&reader);
}

/* A whole batch in a place that it does not belong to. */
static void a_batch_out_of_order_is_damage(void **state)
{
    (void)state;
    struct batch first;
    struct batch second;
    struct batch read;
    struct err err = {0};
    uint8_t bytes[SEGMENT_SECTOR];
    assert_int_equal(append(1, 10, &first), 0);
    assert_int_equal(append(1, 10, &second), 0);
    spoil_read(path, first.offset, bytes, sizeof bytes);
    spoil_write(path, second.offset, bytes, sizeof bytes);
    struct segment_position at = {.offset = second.offset, .seq = 11};
    memcpy(at.hash, first.hash, SHA256_SIZE);
    assert_int_equal(segment_step(segment, &at, &scratch, &read, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "change 11"));
    assert_int_equal(at.offset, second.offset);
    memset(at.hash, 0, SHA256_SIZE); /* even when its hash does fit */
    assert_int_equal(segment_step(segment, &at, &scratch, &read, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "change 11"));
    bytes[8] ^= 1;
    put_le32(bytes + 80, 0);
    put_le32(bytes + 84, crc32c(0, bytes, 84));
    spoil_write(path, second.offset, bytes, sizeof bytes);
    assert_int_equal(segment_read(segment, second.offset, NULL, &scratch, &read, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "another history"));
}

/* --- a mirror's file --- */

static void make_mirror(uint64_t base_seq)
{
    struct segment_id id = sample_id(base_seq);
    id.purpose = SEGMENT_MIRROR;
    segment_close(&segment);
    (void)unlink(path);
    assert_int_equal(segment_create(&segment, path, &id, FILE_BYTES, &disk.disk, NULL), 0);
    crash_disk_restart(&disk);
}

/* A journal's file behind another batch. */
static void make_segment_behind(void)
{
    struct segment_id id = sample_id(10);
    memset(id.prev_hash, 7, SHA256_SIZE);
    segment_close(&segment);
    (void)unlink(path);
    assert_int_equal(segment_create(&segment, path, &id, FILE_BYTES, &disk.disk, NULL), 0);
}

/* What a journal's file holds from its first batch on. */
static size_t make_group(uint8_t *out, struct segment_position *behind)
{
    assert_int_equal(append(1, 300, NULL), 0);
    assert_int_equal(append(2, 3000, NULL), 0);
    assert_int_equal(append(3, 30, NULL), 0);
    behind->seq = segment_next_seq(segment);
    segment_last_hash(segment, behind->hash);
    size_t size = (size_t)(segment_end(segment) - SEGMENT_HEADER_SIZE);
    spoil_read(path, SEGMENT_HEADER_SIZE, out, size);
    return size;
}

static void a_group_is_one_write_and_one_sync(void **state)
{
    (void)state;
    static uint8_t group[8192];
    struct segment_position behind;
    struct segment_position at;
    struct batch batch;
    size_t size = make_group(group, &behind);
    make_mirror(10);
    assert_int_equal(segment_append_group(segment, span_of(group, size), &behind, NULL), 0);
    assert_string_equal(disk.text, "pwrite:file@4096+4608 fdatasync:file");
    assert_int_equal(segment_next_seq(segment), 16);
    segment_start(segment, &at);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(segment_step(segment, &at, &scratch, &batch, NULL), 0);
        assert_true(sample_is(batch.payload, batch.base_seq));
    }
    assert_int_equal(at.offset, segment_end(segment));
    assert_memory_equal(at.hash, behind.hash, SHA256_SIZE);
    for (int i = 1; i < 13; i++) { /* one sector stays free */
        assert_int_equal(segment_append_group(segment, span_of(group, size), &behind, NULL), 0);
    }
    assert_int_equal(segment_append_group(segment, span_of(group, size), &behind, NULL), E_NOSPACE);
    crash_disk_restart(&disk);
    disk.fail_at = 2;
    disk.fail_errno = EIO;
    struct span one = span_of(group, SEGMENT_SECTOR);
    assert_int_equal(segment_append_group(segment, one, &behind, NULL), E_IO);
    assert_int_equal(segment_append_group(segment, one, &behind, NULL), E_READ_ONLY);
}

/* Behind a beginning whose past is not known the first batch's hash is taken as it is. */
static void an_unknown_past_is_not_compared(void **state)
{
    (void)state;
    struct segment_position at;
    struct batch batch;
    static uint8_t group[8192];
    struct segment_position behind;
    make_segment_behind();
    size_t size = make_group(group, &behind);
    make_mirror(10);
    assert_int_equal(segment_append_group(segment, span_of(group, size), &behind, NULL), 0);
    segment_start(segment, &at);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(segment_step(segment, &at, &scratch, &batch, NULL), 0);
    }
    make_mirror(10); /* but the second one has to follow on it */
    put_le32(group + 512 + 80, 0);
    group[512 + 48] ^= 1;
    uint32_t crc = crc32c(crc32c(0, group + 512, 80), group + 512 + BATCH_HEADER_SIZE, 3000);
    put_le32(group + 512 + 80, crc);
    put_le32(group + 512 + 84, crc32c(0, group + 512, 84));
    assert_int_equal(segment_append_group(segment, span_of(group, size), &behind, NULL), 0);
    segment_start(segment, &at);
    assert_int_equal(segment_step(segment, &at, &scratch, &batch, NULL), 0);
    assert_int_equal(segment_step(segment, &at, &scratch, &batch, NULL), E_CORRUPT);
}

static void a_header_can_be_looked_at_alone(void **state)
{
    (void)state;
    struct batch batch;
    struct batch seen;
    assert_int_equal(append(2, 30000, &batch), 0);
    assert_int_equal(segment_peek(segment, SEGMENT_HEADER_SIZE, &seen, NULL), 0);
    assert_int_equal(seen.base_seq, 10);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.time_ms, TIME_MS);
    assert_int_equal(seen.next, batch.next);
    assert_int_equal(segment_peek(segment, batch.next, &seen, NULL), E_NOT_FOUND);
    spoil_flip(path, SEGMENT_HEADER_SIZE + 40, 1);
    assert_int_equal(segment_peek(segment, SEGMENT_HEADER_SIZE, &seen, NULL), E_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_appended_is_read),
        TEST(an_append_is_one_write_and_one_sync),
        TEST(padding_is_zeros),
        TEST(room_is_kept_for_the_mark),
        TEST(a_batch_has_a_largest_size),
        TEST(after_a_failure_nothing_is_taken),
        TEST(short_writes_are_completed),
        TEST(without_memory_an_append_is_not_begun),
        TEST(reading_notices_what_is_wrong),
        TEST(a_file_that_is_cut_while_it_is_open_is_damage),
        TEST(a_batch_out_of_order_is_damage),
        TEST(a_group_is_one_write_and_one_sync),
        TEST(an_unknown_past_is_not_compared),
        TEST(a_header_can_be_looked_at_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
