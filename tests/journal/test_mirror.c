/* tests/journal/test_mirror.c - a copy of a journal: verbatim, verified, whole after power cuts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/format.h"
#include "journal/mirror.h"
#include "journal/verify.h"
#include "tests/journal/journal_samples.h"
#include "tests/support/crash_disk.h"
#include "tests/support/fail_alloc.h"

enum { MIB = 1 << 20 };

static struct journal *journal;
static struct journal_opened opened;
static struct mirror *mirror;
static struct crash_disk disk;
static struct disk quick;
static char mirror_dir[TMP_FOLDER_MAX];
static struct buf raw;

static int mirror_begin(const struct disk *with, struct err *err)
{
    struct mirror_options options = {
        .dir = mirror_dir, .segment_bytes = SAMPLE_SEGMENT_BYTES, .disk = with};
    return mirror_open(&mirror, &options, err);
}

static void open_mirror(void)
{
    struct err err = {0};
    mirror_close(&mirror);
    if (mirror_begin(&quick, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(sample_dir);
    tmp_folder_make(mirror_dir);
    crash_disk_init(&disk);
    buf_init(&raw, 64 << 20);
    quick = sample_quick_disk();
    assert_int_equal(sample_open(&journal, &quick, &opened, NULL), 0);
    open_mirror();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mirror_close(&mirror);
    journal_close(&journal, false);
    crash_disk_free(&disk);
    buf_free(&raw);
    tmp_folder_remove(mirror_dir);
    tmp_folder_remove(sample_dir);
    return 0;
}

/* The batches behind `seq`, `most` at most, into `raw`; how many there were. */
static unsigned read_raw(uint64_t seq, unsigned most)
{
    struct journal_cursor *cursor = NULL;
    struct batch batch;
    struct span bytes;
    unsigned count = 0;
    buf_reset(&raw);
    assert_int_equal(journal_cursor_open(&cursor, journal, seq + 1, NULL), 0);
    while (count < most && journal_cursor_next_raw(cursor, &batch, &bytes, NULL) == 0) {
        assert_int_equal(bytes.size, BATCH_HEADER_SIZE + batch.payload.size);
        assert_int_equal(buf_append_span(&raw, bytes), 0);
        count++;
    }
    journal_cursor_close(&cursor);
    return count;
}

static uint64_t position(void)
{
    struct mirror_position at;
    mirror_position(mirror, &at);
    return at.seq;
}

static int take(struct err *err)
{
    return mirror_take(mirror, buf_span(&raw), err);
}

/* Until it has all. */
static void follow(unsigned at_once)
{
    struct err err = {0};
    while (read_raw(position(), at_once) > 0) {
        if (take(&err) != 0) {
            fail_msg("%s", err.text);
        }
    }
}

static void assert_same_head(void)
{
    struct journal_position head;
    struct mirror_position at;
    journal_head(journal, &head);
    mirror_position(mirror, &at);
    assert_int_equal(at.seq, head.seq);
    assert_true(at.has_hash);
    assert_memory_equal(at.hash, head.hash, SHA256_SIZE);
    uint8_t history[HISTORY_SIZE];
    journal_history(journal, history);
    assert_memory_equal(at.history, history, HISTORY_SIZE);
}

static void assert_whole(uint64_t first, uint64_t last)
{
    struct verify_report report;
    struct err err = {0};
    if (journal_verify(mirror_dir, &report, NULL, NULL, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(report.first_seq, first);
    assert_int_equal(report.last_seq, last);
}

/* The mirror as a journal: its changes are the original's. */
static void assert_serves(uint64_t first, uint64_t last)
{
    struct journal *copy = NULL;
    struct err err = {0};
    struct journal_options options = {.dir = mirror_dir, .segment_bytes = SAMPLE_SEGMENT_BYTES};
    mirror_close(&mirror);
    if (journal_open(&copy, &options, sample_history_id, &opened, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(journal_floor(copy), first);
    assert_int_equal(sample_last_seq(copy, first), last);
    assert_int_equal(sample_append(copy, 2, 500), 0); /* it goes on from here */
    assert_int_equal(sample_last_seq(copy, first), last + 2);
    journal_close(&copy, true);
    assert_whole(first, last + 2);
}

static void batches_are_copied_verbatim(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 40; i++) {
        assert_int_equal(sample_append(journal, 1 + i % 5, i * 37 % 3000), 0);
    }
    follow(7);
    assert_same_head();
    char ours[TMP_FOLDER_MAX];
    char theirs[TMP_FOLDER_MAX];
    static uint8_t a[200000];
    static uint8_t b[200000];
    sample_file(ours, 1);
    tmp_folder_path(theirs, mirror_dir, strrchr(ours, '/') + 1);
    struct journal_stat stat;
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_in_range(stat.bytes, 50000, sizeof a);
    spoil_read(ours, SEGMENT_HEADER_SIZE, a, stat.bytes);
    spoil_read(theirs, SEGMENT_HEADER_SIZE, b, stat.bytes);
    assert_memory_equal(a, b, stat.bytes);
    struct journal_position head;
    journal_head(journal, &head);
    assert_whole(1, head.seq);
    open_mirror();
    assert_same_head();
    assert_serves(1, head.seq);
}

/* Change s is made at 999 + s; the segments begin with 1, 9, 16. */
static void append_three(void)
{
    assert_int_equal(sample_append(journal, 1, 0), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
}

static void segments_are_rolled(void **state)
{
    (void)state;
    assert_int_equal(sample_append(journal, 1, 0), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(sample_append(journal, i % 2 == 0 ? 1 : 3, MIB), 0);
    }
    follow(3);
    assert_same_head();
    open_mirror();
    assert_same_head();
    assert_whole(1, 41);
    struct mirror_position at;
    mirror_position(mirror, &at);
    assert_int_equal(at.floor_seq, 1);
    assert_serves(1, 41);
}

static void a_new_history_is_followed(void **state)
{
    (void)state;
    const uint8_t second[HISTORY_SIZE] = {2};
    assert_int_equal(sample_append(journal, 3, 10), 0);
    assert_int_equal(journal_fork(journal, second, NULL), 0);
    assert_int_equal(sample_append(journal, 3, 10), 0);
    follow(10); /* both in one call */
    assert_same_head();
    assert_whole(1, 6);
    mirror_close(&mirror);
    struct journal *copy = NULL;
    struct journal_options options = {.dir = mirror_dir, .segment_bytes = SAMPLE_SEGMENT_BYTES};
    assert_int_equal(journal_open(&copy, &options, sample_history_id, &opened, NULL), 0);
    uint64_t resume = 0;
    assert_int_equal(journal_lineage(copy, sample_history_id, &resume, NULL), 0);
    assert_int_equal(resume, 3);
    journal_close(&copy, false);
}

/* Refused, and nothing of it is taken. */
static void refuses(int code, const char *words)
{
    struct err err = {0};
    uint64_t before = position();
    assert_int_equal(take(&err), code);
    assert_int_equal(position(), before);
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, words);
    }
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(sample_append(journal, 2, 100), 0);
    }
    (void)read_raw(0, 2);
    assert_int_equal(take(NULL), 0);
    assert_int_equal(position(), 4);
    refuses(E_DIVERGED, "begins with another change"); /* the same again */
    (void)read_raw(6, 2);
    refuses(E_DIVERGED, "change 5 comes next"); /* one was left out */
    (void)read_raw(4, 3);
    for (size_t i = 0; i < raw.size; i += 11) {
        raw.data[i] ^= 4;
        struct err err = {0};
        int rc = take(&err);
        assert_true(rc == E_CORRUPT || rc == E_MALFORMED);
        raw.data[i] ^= 4;
        assert_int_equal(position(), 4);
    }
    raw.size--;
    refuses(E_MALFORMED, "cut short");
    raw.size = 40;
    refuses(E_MALFORMED, "cut short");
    raw.size = 0;
    assert_int_equal(take(NULL), 0);
    (void)read_raw(4, 3);
    assert_int_equal(take(NULL), 0);
    assert_int_equal(position(), 10);
    follow(9);
    assert_same_head();
    assert_whole(1, 12);
}

/* A batch that is right in itself, of a server that went another way. */
static void another_past_is_told(void **state)
{
    (void)state;
    assert_int_equal(sample_append(journal, 2, 100), 0);
    assert_int_equal(sample_append(journal, 2, 100), 0);
    (void)read_raw(0, 1);
    assert_int_equal(take(NULL), 0);
    (void)read_raw(2, 1);
    struct format_batch batch;
    const char *why = NULL;
    uint8_t other[SHA256_SIZE] = {1};
    assert_int_equal(format_get_batch(raw.data, &batch, &why), 0);
    format_put_batch(raw.data, &batch, other);
    refuses(E_DIVERGED, "another past");
}

static void changes_without_sense_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[BATCH_HEADER_SIZE + 4] = {0};
    struct format_batch batch = {.base_seq = 1, .count = 2, .payload_size = 4};
    memcpy(bytes + BATCH_HEADER_SIZE, "\x92\x90\x90\xc0", 4);
    uint8_t zeros[SHA256_SIZE] = {0};
    format_put_batch(bytes, &batch, zeros);
    assert_int_equal(buf_append(&raw, bytes, sizeof bytes), 0);
    refuses(E_CORRUPT, "change 1");
    batch = (struct format_batch){.base_seq = 1, .clean_stop = true};
    format_put_batch(bytes, &batch, zeros);
    buf_reset(&raw);
    assert_int_equal(buf_append(&raw, bytes, BATCH_HEADER_SIZE), 0);
    refuses(E_MALFORMED, "none");
}

static void it_starts_over_behind_what_is_gone(void **state)
{
    (void)state;
    append_three();
    (void)read_raw(0, 3);
    assert_int_equal(take(NULL), 0);
    assert_int_equal(journal_drop(journal, 16, NULL, NULL), 0);
    for (int known = 0; known < 2; known++) {
        uint8_t hash[SHA256_SIZE];
        assert_int_equal(journal_hash_at(journal, 15, hash, NULL), 0);
        struct err err = {0};
        assert_int_equal(mirror_restart(mirror, 15, known != 0 ? hash : NULL, &err), 0);
        struct mirror_position at;
        mirror_position(mirror, &at);
        assert_int_equal(at.seq, 15);
        assert_int_equal(at.floor_seq, 0);
        assert_int_equal(at.has_hash, known != 0);
        follow(4);
        assert_same_head();
        assert_whole(16, 21);
        open_mirror();
        assert_same_head();
        struct journal_position head;
        mirror_position(mirror, &at);
        journal_head(journal, &head);
        assert_int_equal(at.floor_seq, 16);
    }
    assert_int_equal(mirror_restart(mirror, 15, NULL, NULL), 0);
    follow(4);
    assert_serves(16, 21);
}

/* With a hash that is known, the first batch is compared. */
static void it_starts_over_on_the_same_line(void **state)
{
    (void)state;
    uint8_t other[SHA256_SIZE] = {9};
    assert_int_equal(sample_append(journal, 3, 10), 0);
    assert_int_equal(sample_append(journal, 3, 10), 0);
    assert_int_equal(mirror_restart(mirror, 3, other, NULL), 0);
    (void)read_raw(3, 1);
    refuses(E_DIVERGED, "another past");
    assert_int_equal(mirror_restart(mirror, 0, NULL, NULL), 0);
    follow(1);
    assert_same_head();
}

static void a_failing_disk_ends_it(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sample_append(journal, 2, 100), 0);
    }
    mirror_close(&mirror);
    assert_int_equal(mirror_begin(&disk.disk, NULL), 0);
    (void)read_raw(0, 1);
    crash_disk_restart(&disk);
    disk.fail_at = 1;
    disk.fail_errno = ENOSPC;
    assert_int_equal(take(NULL), E_NOSPACE); /* no new file: to be tried again */
    assert_int_equal(take(NULL), 0);
    (void)read_raw(2, 1);
    crash_disk_restart(&disk);
    disk.fail_at = 2;
    disk.fail_errno = EIO;
    assert_int_equal(take(NULL), E_IO);
    assert_int_equal(take(NULL), E_READ_ONLY);
    assert_int_equal(position(), 2);
    open_mirror();
    follow(1);
    assert_same_head();
}

/* The power goes at each call. What was taken is there, and the rest can be taken again. */
static void a_power_cut_costs_nothing(void **state)
{
    (void)state;
    assert_int_equal(sample_append(journal, 1, 0), 0);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(sample_append(journal, 2, 100 + 900 * (i % 4)), 0);
    }
    unsigned cut = 0;
    for (unsigned dead_from = 1; dead_from <= 22; dead_from++) {
        for (uint64_t seed = 1; seed <= 2; seed++) {
            mirror_close(&mirror);
            tmp_folder_remove(mirror_dir);
            tmp_folder_make(mirror_dir);
            crash_disk_free(&disk);
            crash_disk_init(&disk);
            assert_int_equal(mirror_begin(&disk.disk, NULL), 0);
            crash_disk_restart(&disk);
            disk.dead_from = dead_from;
            while (read_raw(position(), 3) > 0 && take(NULL) == 0) {
            }
            uint64_t taken = position();
            mirror_close(&mirror);
            crash_disk_cut(&disk, seed * 50 + dead_from, false);
            struct err err = {0};
            if (mirror_begin(&disk.disk, &err) != 0) {
                fail_msg("call %u, seed %d: %s", dead_from, (int)seed, err.text);
            }
            assert_true(position() >= taken);
            cut += taken > 0 && taken < 17;
            follow(3);
            assert_same_head();
            assert_whole(1, 17);
        }
    }
    assert_true(cut > 5);
}

/* All of the journal, on a disk whose power will be cut. */
static void copy_on_failing_disk(unsigned dead_from)
{
    mirror_close(&mirror);
    tmp_folder_remove(mirror_dir);
    tmp_folder_make(mirror_dir);
    open_mirror();
    follow(9);
    mirror_close(&mirror);
    crash_disk_init(&disk);
    assert_int_equal(mirror_begin(&disk.disk, NULL), 0);
    crash_disk_restart(&disk);
    disk.dead_from = dead_from;
}

static void a_power_cut_while_starting_over(void **state)
{
    (void)state;
    append_three();
    for (unsigned dead_from = 1; dead_from <= 7; dead_from++) {
        copy_on_failing_disk(dead_from);
        int rc = mirror_restart(mirror, 15, NULL, NULL);
        assert_int_equal(rc == 0, dead_from > 6); /* three files, a sync each */
        assert_int_equal(take(NULL), rc == 0 ? 0 : E_READ_ONLY);
        mirror_close(&mirror);
        crash_disk_cut(&disk, dead_from, false);
        open_mirror();
        assert_true(position() == 0 || position() == 21);
        if (position() == 21) {
            struct mirror_position at;
            mirror_position(mirror, &at);
            assert_whole(at.floor_seq, 21);
        }
    }
}

static void old_segments_are_let_go_of(void **state)
{
    (void)state;
    struct mirror_position at;
    struct err err = {0};
    assert_int_equal(mirror_drop(mirror, 0, &err), 0); /* there is nothing */
    append_three();
    follow(9);
    for (uint64_t keep_ms = 2000; keep_ms > 0; keep_ms = keep_ms > 30 ? 30 : keep_ms - 1) {
        assert_int_equal(mirror_drop(mirror, keep_ms, &err), 0);
        mirror_position(mirror, &at);
        assert_int_equal(at.time_ms, 1020);
        assert_true(at.floor_seq == 1 || at.floor_seq + keep_ms <= 21);
        assert_true(keep_ms < 20 || at.floor_seq == 1);
    }
    assert_int_equal(mirror_drop(mirror, 0, &err), 0);
    mirror_position(mirror, &at);
    assert_int_equal(at.disk_bytes, SAMPLE_SEGMENT_BYTES); /* the newest stays */
    assert_whole(16, 21);
    open_mirror();
    assert_int_equal(sample_append(journal, 1, 10), 0);
    follow(9);
    assert_same_head();
    assert_serves(at.floor_seq, 22);
}

static void how_much_disk_it_takes_is_known(void **state)
{
    (void)state;
    struct mirror_position at;
    append_three();
    follow(9);
    for (int again = 0; again < 2; again++) {
        mirror_position(mirror, &at);
        assert_int_equal(at.disk_bytes, 3 * SAMPLE_SEGMENT_BYTES);
        open_mirror();
    }
    assert_int_equal(mirror_restart(mirror, 21, NULL, NULL), 0);
    mirror_position(mirror, &at);
    assert_int_equal(at.disk_bytes + at.time_ms, 0);
}

static void a_power_cut_while_letting_go(void **state)
{
    (void)state;
    append_three();
    for (unsigned dead_from = 1; dead_from <= 5; dead_from++) {
        struct mirror_position at;
        copy_on_failing_disk(dead_from);
        int rc = mirror_drop(mirror, 0, NULL);
        assert_int_equal(rc == 0, dead_from > 4); /* two files, a sync each */
        mirror_close(&mirror);
        crash_disk_cut(&disk, dead_from, false);
        open_mirror();
        mirror_position(mirror, &at);
        assert_int_equal(at.seq, 21);
        assert_whole(at.floor_seq, 21);
        assert_int_equal(mirror_drop(mirror, 0, NULL), 0); /* and again */
        assert_whole(16, 21);
    }
}

static void rot_in_a_mirror_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sample_append(journal, 2, 1000), 0);
    }
    follow(9);
    mirror_close(&mirror);
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    tmp_folder_path(path, mirror_dir, "00000000000000000001.kbj");
    spoil_flip(path, SEGMENT_HEADER_SIZE + 500, 8);
    assert_int_equal(mirror_begin(&quick, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, path));
    assert_null(mirror);
}

static void a_journal_is_no_mirror(void **state)
{
    (void)state;
    struct err err = {0};
    struct mirror_options options = {.dir = sample_dir, .segment_bytes = SAMPLE_SEGMENT_BYTES};
    mirror_close(&mirror);
    assert_int_equal(mirror_open(&mirror, &options, &err), E_CORRUPT);
    options.segment_bytes = MIB;
    assert_int_equal(mirror_open(&mirror, &options, &err), E_INVALID);
}

static void without_memory_nothing_is_taken(void **state)
{
    (void)state;
    const uint8_t second[HISTORY_SIZE] = {2};
    assert_int_equal(sample_append(journal, 3, 10), 0);
    assert_int_equal(journal_fork(journal, second, NULL), 0);
    assert_int_equal(sample_append(journal, 3, 10), 0);
    unsigned failed = 0;
    for (unsigned nth = 1;; nth++) {
        mirror_close(&mirror);
        tmp_folder_remove(mirror_dir);
        tmp_folder_make(mirror_dir);
        (void)read_raw(0, 9);
        fail_alloc_at(nth);
        int rc = mirror_begin(&quick, NULL);
        rc = rc == 0 ? take(NULL) : rc;
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        failed++;
        assert_int_equal(rc, E_NOMEM);
        if (mirror != NULL) {
            follow(9);
            assert_same_head();
        }
    }
    assert_true(failed > 8);
    assert_same_head();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(batches_are_copied_verbatim),
        TEST(segments_are_rolled),
        TEST(a_new_history_is_followed),
        TEST(what_is_wrong_is_refused),
        TEST(another_past_is_told),
        TEST(changes_without_sense_are_refused),
        TEST(it_starts_over_behind_what_is_gone),
        TEST(it_starts_over_on_the_same_line),
        TEST(a_failing_disk_ends_it),
        TEST(a_power_cut_costs_nothing),
        TEST(a_power_cut_while_starting_over),
        TEST(old_segments_are_let_go_of),
        TEST(how_much_disk_it_takes_is_known),
        TEST(a_power_cut_while_letting_go),
        TEST(rot_in_a_mirror_is_told),
        TEST(a_journal_is_no_mirror),
        TEST(without_memory_nothing_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
