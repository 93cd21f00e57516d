/* tests/journal/test_journal_open.c - folders in which files are missing, cut, damaged, foreign. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/journal/journal_samples.h"
#include "tests/support/crash_disk.h"
#include "tests/support/fail_alloc.h"

enum { MIB = 1 << 20 };

/* Four segments: they begin with changes 1, 9, 16 and 23; the head is 25. */
static const uint64_t bases[] = {1, 9, 16, 23};
static const uint64_t head = 25;

static struct journal *journal;
static struct journal_opened opened;
static char first_dir[TMP_FOLDER_MAX];

static int make_journal(void **state)
{
    (void)state;
    tmp_folder_make(first_dir);
    (void)snprintf(sample_dir, sizeof sample_dir, "%s", first_dir);
    assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
    assert_int_equal(sample_append(journal, 1, 0), 0);
    while (true) {
        struct journal_position now;
        journal_head(journal, &now);
        if (now.seq == head) {
            break;
        }
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
    journal_close(&journal, false);
    return 0;
}

static int remove_journal(void **state)
{
    (void)state;
    tmp_folder_remove(first_dir);
    return 0;
}

/* Each test spoils a copy. */
static int setup(void **state)
{
    (void)state;
    char copies[4][TMP_FOLDER_MAX];
    (void)snprintf(sample_dir, sizeof sample_dir, "%s", first_dir);
    char from[4][TMP_FOLDER_MAX];
    for (int i = 0; i < 4; i++) {
        sample_file(from[i], bases[i]);
    }
    tmp_folder_make(sample_dir);
    for (int i = 0; i < 4; i++) {
        sample_file(copies[i], bases[i]);
        spoil_copy(from[i], copies[i]);
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

static void opens(enum segment_tail tail, uint64_t last)
{
    struct err err = {0};
    struct journal_position now;
    if (sample_open(&journal, NULL, &opened, &err) != 0) {
        fail_msg("%s", err.text);
    }
    journal_head(journal, &now);
    assert_int_equal(now.seq, last);
    assert_int_equal(opened.tail, tail);
    assert_int_equal(sample_last_seq(journal, 1), last);
    journal_close(&journal, false);
}

/* The sentence has to name the file of `base` and the change. */
static void refuses(int code, uint64_t base, const char *words)
{
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    sample_file(path, base);
    assert_int_equal(sample_open(&journal, NULL, &opened, &err), code);
    assert_null(journal);
    if (strstr(err.text, path) == NULL || strstr(err.text, words) == NULL) {
        fail_msg("'%s' does not name '%s' and '%s'", err.text, path, words);
    }
}

static void a_whole_journal_opens(void **state)
{
    (void)state;
    opens(SEGMENT_TAIL_OPEN, head);
}

static void a_missing_segment_is_noticed(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    sample_file(path, 16);
    assert_int_equal(unlink(path), 0);
    refuses(E_CORRUPT, 9, "change 22");
}

/* Without the oldest ones the floor is higher: that is how old changes go. */
static void the_floor_is_the_first_segment(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct journal_stat stat;
    sample_file(path, 1);
    assert_int_equal(unlink(path), 0);
    sample_file(path, 9);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
    assert_int_equal(journal_floor(journal), 16);
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.floor_seq, 16);
    assert_int_equal(stat.first_time_ms, 1000 + 15);
    assert_int_equal(stat.last_time_ms, 1000 + 24);
    assert_int_equal(sample_last_seq(journal, 16), head);
    struct journal_cursor *cursor = NULL;
    assert_int_equal(journal_cursor_open(&cursor, journal, 15, NULL), E_NOT_FOUND);
    uint8_t hash[SHA256_SIZE];
    assert_int_equal(journal_hash_at(journal, 15, hash, NULL), 0); /* the first header tells it */
    assert_int_equal(journal_hash_at(journal, 14, hash, NULL), E_NOT_FOUND);
}

static void a_renamed_segment_is_noticed(void **state)
{
    (void)state;
    char from[TMP_FOLDER_MAX];
    char to[TMP_FOLDER_MAX];
    sample_file(from, 16);
    sample_file(to, 17);
    assert_int_equal(rename(from, to), 0);
    refuses(E_CORRUPT, 17, "name");
    assert_int_equal(rename(to, from), 0);
    sample_file(from, 23);
    sample_file(to, 24);
    assert_int_equal(rename(from, to), 0);
    refuses(E_CORRUPT, 24, "name");
}

static void change_header(uint64_t base, size_t at, uint8_t mask)
{
    char path[TMP_FOLDER_MAX];
    uint8_t header[SEGMENT_HEADER_SIZE];
    sample_file(path, base);
    spoil_read(path, 0, header, sizeof header);
    header[at] ^= mask;
    spoil_header_crc(header);
    spoil_write(path, 0, header, sizeof header);
}

static void a_foreign_segment_is_noticed(void **state)
{
    (void)state;
    change_header(16, 16, 1);
    refuses(E_CORRUPT, 16, "another history");
    change_header(16, 16, 1);
    change_header(16, 12, 3); /* an outbox */
    refuses(E_CORRUPT, 16, "no file of a server's journal");
    change_header(16, 12, 3);
    change_header(16, 48, 1); /* it follows something else */
    refuses(E_CORRUPT, 9, "change 15");
    change_header(16, 48, 1);
    change_header(9, 8, 2); /* version 3 */
    refuses(E_FORMAT, 9, "newer");
    change_header(9, 8, 2);
    change_header(23, 12, 3);
    refuses(E_CORRUPT, 23, "no file of a server's journal");
    change_header(23, 12, 3);
    opens(SEGMENT_TAIL_OPEN, head);
}

static void a_cut_or_empty_segment_is_noticed(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    sample_file(path, 9);
    assert_int_equal(truncate(path, SAMPLE_SEGMENT_BYTES - SEGMENT_SECTOR), 0);
    refuses(E_CORRUPT, 9, "instead of");
    assert_int_equal(truncate(path, 0), 0);
    refuses(E_CORRUPT, 9, "cut short");
    sample_file(path, 23);
    assert_int_equal(truncate(path, SEGMENT_HEADER_SIZE), 0);
    refuses(E_CORRUPT, 23, "instead of");
}

/* Of older segments only the ends are looked at; of the newest everything. */
static void damage_is_found_where_it_is_looked_for(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    off_t last = SEGMENT_HEADER_SIZE + 6 * (MIB + SEGMENT_SECTOR);
    sample_file(path, 16);
    spoil_flip(path, last + 60, 1);
    refuses(E_CORRUPT, 16, "change 22");
    spoil_flip(path, last + 60, 1);
    sample_file(path, 23);
    spoil_flip(path, SEGMENT_HEADER_SIZE + 200, 1);
    refuses(E_CORRUPT, 23, "change 23");
    spoil_flip(path, SEGMENT_HEADER_SIZE + 200, 1);
    opens(SEGMENT_TAIL_OPEN, head);
    sample_file(path, 9);
    spoil_flip(path, SEGMENT_HEADER_SIZE + 200, 1);
    assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
    assert_int_equal(sample_last_seq(journal, 16), head);
    assert_int_equal(sample_last_seq(journal, 9), 0); /* reading it tells */
}

static void a_torn_tail_is_settled(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    off_t last = SEGMENT_HEADER_SIZE + 2 * (MIB + SEGMENT_SECTOR);
    sample_file(path, 23);
    spoil_pattern(path, last + 5 * SEGMENT_SECTOR, SEGMENT_SECTOR);
    opens(SEGMENT_TAIL_TORN, head - 1);
    opens(SEGMENT_TAIL_OPEN, head - 1);
    assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
    assert_int_equal(opened.batches, 2);
    assert_int_equal(sample_append(journal, 3, 100), 0);
    assert_int_equal(sample_last_seq(journal, 1), head + 2);
}

/* A crash right after rolling: the newest segment is there, and empty. */
static void an_empty_newest_segment_is_fine(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct journal_stat stat;
    sample_file(path, 23);
    spoil_pattern(path, SEGMENT_HEADER_SIZE, 3 * (MIB + SEGMENT_SECTOR));
    opens(SEGMENT_TAIL_OPEN, 22);
    assert_int_equal(sample_open(&journal, NULL, &opened, NULL), 0);
    assert_int_equal(opened.batches, 0);
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.last_time_ms, 1000 + 21);
    assert_int_equal(sample_append(journal, 1, 100), 0);
    assert_int_equal(sample_last_seq(journal, 1), 23);
}

/* Opening may fail at any call; the next one finds everything. */
static void a_failing_disk_is_told(void **state)
{
    (void)state;
    struct crash_disk disk;
    unsigned nth = 1;
    for (;; nth++) {
        struct err err = {0};
        crash_disk_init(&disk);
        disk.fail_at = nth;
        disk.fail_errno = EIO;
        int rc = sample_open(&journal, &disk.disk, &opened, &err);
        crash_disk_free(&disk);
        if (rc == 0) {
            break;
        }
        assert_int_equal(rc, E_IO);
        assert_null(journal);
    }
    assert_int_equal(nth, 5); /* a write, a sync, two names that may be left over */
    journal_close(&journal, false);
    opens(SEGMENT_TAIL_OPEN, head);
}

static void without_memory_nothing_is_opened(void **state)
{
    (void)state;
    unsigned nth = 1;
    for (;; nth++) {
        struct err err = {0};
        fail_alloc_at(nth);
        int rc = sample_open(&journal, NULL, &opened, &err);
        bool failed = fail_alloc_stop();
        if (rc == 0) { /* nothing failed, or only a mark was not made */
            journal_close(&journal, false);
            if (!failed) {
                break;
            }
            continue;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_null(journal);
    }
    assert_true(nth > 20);
}

static void a_folder_that_cannot_be_is_told(void **state)
{
    (void)state;
    char kept[TMP_FOLDER_MAX];
    struct err err = {0};
    (void)snprintf(kept, sizeof kept, "%s", sample_dir);
    tmp_folder_path(sample_dir, kept, "file");
    tmp_folder_write(sample_dir, "");
    assert_true(sample_open(&journal, NULL, &opened, &err) != 0);
    assert_non_null(strstr(err.text, sample_dir));
    tmp_folder_path(sample_dir, kept, "new");
    assert_int_equal(sample_open(&journal, NULL, &opened, &err), 0);
    assert_true(opened.fresh);
    struct stat info;
    assert_int_equal(stat(sample_dir, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    (void)snprintf(sample_dir, sizeof sample_dir, "%s", kept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_journal_opens),
        TEST(a_missing_segment_is_noticed),
        TEST(the_floor_is_the_first_segment),
        TEST(a_renamed_segment_is_noticed),
        TEST(a_foreign_segment_is_noticed),
        TEST(a_cut_or_empty_segment_is_noticed),
        TEST(damage_is_found_where_it_is_looked_for),
        TEST(a_torn_tail_is_settled),
        TEST(an_empty_newest_segment_is_fine),
        TEST(a_failing_disk_is_told),
        TEST(without_memory_nothing_is_opened),
        TEST(a_folder_that_cannot_be_is_told),
    };
    return cmocka_run_group_tests(tests, make_journal, remove_journal);
}
