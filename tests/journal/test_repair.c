/* tests/journal/test_repair.c - a damaged journal becomes a whole one, and nothing is thrown away.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "journal/repair.h"
#include "tests/journal/journal_samples.h"
#include "tests/support/crash_disk.h"
#include "tests/support/fail_alloc.h"

enum { MIB = 1 << 20 };

static struct journal *journal;
static struct journal_opened opened;
static struct crash_disk disk;
static struct disk quick;
static char above[TMP_FOLDER_MAX];
static struct repair_report report;
static struct err err;

/* Segments begin with 1, 9 and 16; the head is 18. */
static int setup(void **state)
{
    (void)state;
    tmp_folder_make(above);
    tmp_folder_path(sample_dir, above, "journal");
    crash_disk_init(&disk);
    quick = sample_quick_disk();
    assert_int_equal(sample_open(&journal, &quick, &opened, NULL), 0);
    assert_int_equal(sample_append(journal, 1, 0), 0);
    for (int i = 2; i <= 18; i++) {
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
    journal_close(&journal, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    journal_close(&journal, false);
    crash_disk_free(&disk);
    tmp_folder_remove(above);
    return 0;
}

static int repair(enum repair_keep keep, bool dry_run)
{
    struct repair_options options = {.keep = keep, .dry_run = dry_run, .disk = &disk.disk};
    err = (struct err){0};
    return journal_repair(sample_dir, &options, &report, &err);
}

static void damage(uint64_t base_seq, off_t offset)
{
    char path[TMP_FOLDER_MAX];
    sample_file(path, base_seq);
    spoil_flip(path, offset, 1);
}

static bool is_there(uint64_t base_seq)
{
    char path[TMP_FOLDER_MAX];
    sample_file(path, base_seq);
    return access(path, F_OK) == 0;
}

static bool is_kept(uint64_t base_seq)
{
    char path[TMP_FOLDER_MAX];
    char name[64];
    (void)snprintf(name, sizeof name, "journal.damaged/%020llu.kbj", (unsigned long long)base_seq);
    tmp_folder_path(path, above, name);
    return access(path, F_OK) == 0;
}

static void opens(uint64_t first, uint64_t last)
{
    if (sample_open(&journal, &quick, &opened, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(journal_floor(journal), first);
    assert_int_equal(sample_last_seq(journal, first), last);
    assert_int_equal(sample_append(journal, 1, 100), 0);
    journal_close(&journal, true);
    struct verify_report whole;
    assert_int_equal(journal_verify(sample_dir, &whole, NULL, NULL, &err), 0);
    assert_int_equal(whole.last_seq, last + 1);
}

static void a_whole_journal_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(repair(REPAIR_KEEP_BEFORE, false), 0);
    assert_false(report.damaged);
    assert_int_equal(report.kept_first, 1);
    assert_int_equal(report.kept_last, 18);
    assert_int_equal(disk.calls, 0);
    opens(1, 18);
}

/* In the middle of the middle file: its beginning stays, the rest and the newest go. */
static void it_is_cut_at_the_fault(void **state)
{
    (void)state;
    off_t third = SEGMENT_HEADER_SIZE + 2 * (MIB + SEGMENT_SECTOR);
    damage(9, third + 3000);
    for (int dry = 1; dry >= 0; dry--) {
        assert_int_equal(repair(REPAIR_KEEP_BEFORE, dry != 0), 0);
        assert_true(report.damaged);
        assert_int_equal(report.offset, third);
        assert_string_equal(report.file, "00000000000000000009.kbj");
        assert_non_null(strstr(report.what, "checksum"));
        assert_int_equal(report.kept_first, 1);
        assert_int_equal(report.kept_last, 10);
        assert_int_equal(report.lost_first, 11);
        assert_int_equal(report.lost_last, 18);
        assert_int_equal(report.moved_files, 1);
        assert_int_equal(report.moved_bytes, SAMPLE_SEGMENT_BYTES + SAMPLE_SEGMENT_BYTES - third);
        assert_non_null(strstr(report.moved_to, "/journal.damaged"));
        assert_int_equal(is_there(16), dry != 0);
        assert_int_equal(is_kept(16), dry == 0);
        assert_int_equal(is_kept(9), dry == 0);
    }
    opens(1, 10);
    assert_int_equal(repair(REPAIR_KEEP_BEFORE, false), 0);
    assert_false(report.damaged);
}

/* At the beginning of a file: all of it goes. */
static void whole_files_go(void **state)
{
    (void)state;
    damage(9, 20);
    assert_int_equal(repair(REPAIR_KEEP_BEFORE, false), 0);
    assert_int_equal(report.kept_last, 8);
    assert_int_equal(report.lost_first, 9);
    assert_int_equal(report.moved_files, 2);
    assert_true(is_kept(9) && is_kept(16) && !is_there(9));
    opens(1, 8);
}

static void a_gap_is_a_fault(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    sample_file(path, 9);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(repair(REPAIR_KEEP_BEFORE, true), 0);
    assert_int_equal(report.kept_last, 8);
    assert_int_equal(repair(REPAIR_KEEP_BEHIND, false), 0);
    assert_int_equal(report.kept_first, 16);
    assert_int_equal(report.kept_last, 18);
    assert_int_equal(report.lost_first, 1);
    assert_int_equal(report.lost_last, 15);
    opens(16, 18);
}

static void the_newest_can_be_kept(void **state)
{
    (void)state;
    damage(1, SEGMENT_HEADER_SIZE + 50);
    damage(9, SEGMENT_HEADER_SIZE + MIB);
    assert_int_equal(repair(REPAIR_KEEP_BEFORE, true), E_CORRUPT); /* nothing would be left */
    assert_non_null(strstr(err.text, "keep the files behind it"));
    assert_int_equal(repair(REPAIR_KEEP_BEHIND, true), 0);
    assert_true(is_there(1));
    assert_int_equal(repair(REPAIR_KEEP_BEHIND, false), 0);
    assert_int_equal(report.kept_first, 16);
    assert_int_equal(report.kept_last, 18);
    assert_int_equal(report.moved_files, 2);
    assert_true(is_kept(1) && is_kept(9));
    opens(16, 18);
}

static void what_cannot_be_done_is_told(void **state)
{
    (void)state;
    damage(16, SEGMENT_HEADER_SIZE + 50);
    assert_int_equal(repair(REPAIR_KEEP_BEHIND, true), E_CORRUPT);
    assert_non_null(strstr(err.text, "keep what is before"));
    char path[TMP_FOLDER_MAX];
    uint8_t header[SEGMENT_HEADER_SIZE];
    damage(16, SEGMENT_HEADER_SIZE + 50);
    sample_file(path, 9);
    spoil_read(path, 0, header, sizeof header);
    header[8] = 9;
    spoil_header_crc(header);
    spoil_write(path, 0, header, sizeof header);
    assert_int_equal(repair(REPAIR_KEEP_BEFORE, true), E_FORMAT);
    struct repair_options options = {.keep = REPAIR_KEEP_BEFORE};
    assert_int_equal(journal_repair(above, &options, &report, &err), E_NOT_FOUND);
}

/* An earlier repair's files are not overwritten. */
static void what_was_kept_stays(void **state)
{
    (void)state;
    char name[TMP_FOLDER_MAX];
    tmp_folder_path(name, above, "journal.damaged");
    assert_int_equal(mkdir(name, 0700), 0);
    tmp_folder_path(name, above, "journal.damaged/00000000000000000016.kbj");
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    damage(16, SEGMENT_HEADER_SIZE + MIB + 2000);
    assert_int_equal(repair(REPAIR_KEEP_BEFORE, false), E_EXISTS);
    assert_non_null(strstr(err.text, name));
    assert_true(is_there(16));
    assert_int_equal(unlink(name), 0);
    assert_int_equal(repair(REPAIR_KEEP_BEFORE, false), 0);
    opens(1, 16);
}

/* The power goes at each call: what is left can be repaired, to the same end, and is kept. */
static void a_power_cut_is_no_harm(void **state)
{
    (void)state;
    unsigned dead_from = 1;
    for (bool done = false; !done; dead_from++) {
        (void)teardown(NULL);
        (void)setup(NULL);
        damage(9, SEGMENT_HEADER_SIZE + 2 * (MIB + SEGMENT_SECTOR) + 3000);
        crash_disk_restart(&disk);
        disk.dead_from = dead_from;
        int rc = repair(REPAIR_KEEP_BEFORE, false);
        done = rc == 0 && disk.calls < dead_from;
        crash_disk_cut(&disk, dead_from * 7, false);
        if (repair(REPAIR_KEEP_BEFORE, false) != 0) {
            fail_msg("call %u: %s", dead_from, err.text);
        }
        assert_true(is_kept(9) && is_kept(16));
        opens(1, 10);
    }
    assert_true(dead_from > 20);
}

static void without_memory_it_can_be_done_again(void **state)
{
    (void)state;
    struct repair_options options = {.keep = REPAIR_KEEP_BEFORE, .disk = &quick};
    unsigned failed = 0;
    damage(9, SEGMENT_HEADER_SIZE + 2 * (MIB + SEGMENT_SECTOR) + 3000);
    for (unsigned nth = 1;; nth++) {
        fail_alloc_at(nth);
        int rc = journal_repair(sample_dir, &options, &report, &err);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        failed++;
        assert_int_equal(rc, E_NOMEM);
    }
    assert_true(failed > 8);
    opens(1, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_journal_is_left_alone),
        TEST(it_is_cut_at_the_fault),
        TEST(whole_files_go),
        TEST(a_gap_is_a_fault),
        TEST(the_newest_can_be_kept),
        TEST(what_cannot_be_done_is_told),
        TEST(what_was_kept_stays),
        TEST(a_power_cut_is_no_harm),
        TEST(without_memory_it_can_be_done_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
