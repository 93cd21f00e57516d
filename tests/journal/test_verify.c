/* tests/journal/test_verify.c - what verify says of whole, damaged and growing journals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "base/thread.h"
#include "journal/format.h"
#include "journal/verify.h"
#include "tests/journal/journal_samples.h"

enum { MIB = 1 << 20 };

/* Stands in for the system's: verify waits with it before it looks again. No time passes, and the
 * test says what happens meanwhile. */
static void (*while_waiting)(void);
static unsigned waits;

int nanosleep(const struct timespec *wait, struct timespec *left)
{
    (void)wait;
    (void)left;
    waits++;
    if (while_waiting != NULL) {
        while_waiting();
    }
    return 0;
}

static struct journal *journal;
static struct verify_report report;
static struct err err;

static void open_journal(void)
{
    struct journal_opened opened;
    if (sample_open(&journal, NULL, &opened, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

/* Change 1; 2 to 4; 5; each with its own batch, at 4096, 4608 and 8192. */
static int setup(void **state)
{
    (void)state;
    tmp_folder_make(sample_dir);
    err = (struct err){0};
    open_journal();
    assert_int_equal(sample_append(journal, 1, 0), 0);
    assert_int_equal(sample_append(journal, 3, 1000), 0);
    assert_int_equal(sample_append(journal, 1, 1000), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    journal_close(&journal, false);
    tmp_folder_remove(sample_dir);
    return 0;
}

static int verify(void)
{
    waits = 0;
    return journal_verify(sample_dir, &report, NULL, NULL, &err);
}

static void is_whole(enum segment_tail tail, uint64_t batches, uint64_t last_seq)
{
    int rc = verify();
    if (rc != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(report.tail, tail);
    assert_int_equal(report.batches, batches);
    assert_int_equal(report.changes, last_seq);
    assert_int_equal(report.first_seq, 1);
    assert_int_equal(report.last_seq, last_seq);
    assert_string_equal(report.file, "");
    assert_int_equal(report.fault_seq, 0);
}

/* The report and the sentence name file, offset and seq, and what is left. */
static void is_damaged(int code, uint64_t base, uint64_t offset, uint64_t seq, const char *words)
{
    char path[TMP_FOLDER_MAX];
    char left[64];
    assert_int_equal(verify(), code);
    sample_file(path, base);
    assert_string_equal(report.file, strrchr(path, '/') + 1);
    assert_int_equal(report.offset, offset);
    assert_int_equal(report.fault_seq, seq);
    (void)snprintf(left, sizeof left, "Changes 1 to %d are whole", (int)seq - 1);
    if (strstr(err.text, path) == NULL || strstr(err.text, words) == NULL ||
        strstr(err.text, seq > 1 ? left : "restore a backup") == NULL) {
        fail_msg("'%s' does not name '%s', '%s' and '%s'", err.text, path, words, left);
    }
}

static void whole_journals_are_counted(void **state)
{
    (void)state;
    is_whole(SEGMENT_TAIL_OPEN, 3, 5);
    assert_int_equal(report.segments, 1);
    assert_int_equal(report.bytes, 512 + 3584 + 1536);
    journal_close(&journal, true);
    is_whole(SEGMENT_TAIL_CLEAN, 3, 5);
    is_whole(SEGMENT_TAIL_CLEAN, 3, 5); /* nothing was changed */
    open_journal();
    is_whole(SEGMENT_TAIL_OPEN, 3, 5);
}

static void a_journal_without_changes_is_whole(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    sample_file(path, 1);
    spoil_pattern(path, SEGMENT_HEADER_SIZE, 8192);
    is_whole(SEGMENT_TAIL_OPEN, 0, 0);
}

static void no_journal_is_told(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    sample_file(path, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(verify(), E_NOT_FOUND);
    assert_non_null(strstr(err.text, sample_dir));
    assert_int_equal(journal_verify("/no/such/folder", &report, NULL, NULL, &err), E_NOT_FOUND);
}

static void a_torn_tail_is_told_and_left(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    sample_file(path, 1);
    spoil_pattern(path, 8192 + 512, 512);
    is_whole(SEGMENT_TAIL_TORN, 2, 4);
    assert_int_equal(waits, 3); /* it does not come to rest */
    is_whole(SEGMENT_TAIL_TORN, 2, 4);
}

/* Two sectors of the last batch that arrive while verify waits. */
static uint8_t late[1024];

static void write_late(void)
{
    char path[TMP_FOLDER_MAX];
    sample_file(path, 1);
    spoil_write(path, waits == 1 ? 8192 + 512 : 8192, late + (waits == 1 ? 512 : 0), 512);
}

/* The server is in the middle of a write: first cut short, then with nothing at its beginning. */
static void what_is_being_written_is_waited_for(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    sample_file(path, 1);
    spoil_read(path, 8192, late, sizeof late);
    spoil_pattern(path, 8192, sizeof late);
    while_waiting = write_late;
    is_whole(SEGMENT_TAIL_OPEN, 3, 5);
    assert_int_equal(waits, 2);
    /* half a sector: what a reader may see of a page that is being copied */
    uint8_t zeros[100] = {0};
    spoil_write(path, 8192 + 700, zeros, sizeof zeros);
    is_whole(SEGMENT_TAIL_OPEN, 3, 5);
    assert_int_equal(waits, 1);
    while_waiting = NULL;
}

static void each_kind_of_damage_is_named(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    sample_file(path, 1);
    spoil_flip(path, 8192 + 300, 1);
    is_damaged(E_CORRUPT, 1, 8192, 5, "checksum");
    spoil_flip(path, 8192 + 300, 1);
    spoil_flip(path, 4608 + 36, 1);
    is_damaged(E_CORRUPT, 1, 4608, 2, "header");
    spoil_flip(path, 4608 + 36, 1);
    spoil_flip(path, 4096 + 90, 1);
    is_damaged(E_CORRUPT, 1, 4096, 1, "checksum");
    spoil_flip(path, 4096 + 90, 1);
    spoil_flip(path, 20, 1);
    is_damaged(E_CORRUPT, 1, 0, 1, "header");
    spoil_flip(path, 20, 1);
    spoil_flip(path, 9728, 1); /* the sector where the next batch will begin */
    is_damaged(E_CORRUPT, 1, 9728, 6, "header");
    spoil_flip(path, 9728, 1);
    spoil_pattern(path, 4608, 3584); /* a batch that is gone, with one behind it */
    is_damaged(E_CORRUPT, 1, 4608, 2, "later change");
}

/* A change's header and checksums right, its history rewritten: the chain of hashes tells. */
static void a_forged_batch_is_noticed(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    uint8_t bytes[512];
    struct format_batch batch;
    const char *why = NULL;
    sample_file(path, 1);
    spoil_read(path, 4096, bytes, sizeof bytes);
    assert_int_equal(format_get_batch(bytes, &batch, &why), 0);
    batch.time_ms++;
    uint8_t zeros[SHA256_SIZE] = {0};
    format_put_batch(bytes, &batch, zeros);
    spoil_write(path, 4096, bytes, sizeof bytes);
    is_damaged(E_CORRUPT, 1, 4608, 2, "does not follow the one before");
}

static void a_payload_without_sense_is_noticed(void **state)
{
    (void)state;
    struct journal_position head;
    struct buf payload;
    buf_init(&payload, 4096);
    sample_payload(&payload, 6, 2, 10);
    assert_int_equal(journal_append(journal, 3, 1, buf_span(&payload), &head, NULL), 0);
    is_damaged(E_CORRUPT, 1, 9728, 8, "change 8");
    buf_free(&payload);
}

static void make_many(void)
{
    for (int i = 0; i < 20; i++) {
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
}

static void joints_are_checked(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    char moved[TMP_FOLDER_MAX];
    make_many(); /* segments begin with 1, 13 and 20 */
    is_whole(SEGMENT_TAIL_OPEN, 23, 25);
    assert_int_equal(report.segments, 3);
    sample_file(path, 13);
    sample_file(moved, 14);
    assert_int_equal(rename(path, moved), 0);
    is_damaged(E_CORRUPT, 14, 0, 13, "name");
    assert_int_equal(rename(moved, path), 0);
    tmp_folder_path(moved, sample_dir, "away");
    assert_int_equal(rename(path, moved), 0);
    is_damaged(E_CORRUPT, 20, 0, 13, "missing");
    assert_int_equal(rename(moved, path), 0);
    uint8_t header[SEGMENT_HEADER_SIZE];
    spoil_read(path, 0, header, sizeof header);
    header[50] ^= 1;
    spoil_header_crc(header);
    spoil_write(path, 0, header, sizeof header);
    is_damaged(E_CORRUPT, 13, 0, 13, "hash");
    header[50] ^= 1;
    header[16] ^= 1;
    spoil_header_crc(header);
    spoil_write(path, 0, header, sizeof header);
    is_damaged(E_CORRUPT, 13, 0, 13, "another history");
    header[16] ^= 1;
    header[8] = 9;
    spoil_header_crc(header);
    spoil_write(path, 0, header, sizeof header);
    is_damaged(E_FORMAT, 13, 0, 13, "newer");
    header[8] = 1;
    header[12] = 2;
    spoil_header_crc(header);
    spoil_write(path, 0, header, sizeof header);
    is_damaged(E_CORRUPT, 13, 0, 13, "no file of a server's journal");
}

/* A segment that another one follows has no torn end and no mark. */
static void the_end_of_a_full_segment_is_checked(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    off_t last = SEGMENT_HEADER_SIZE + 6 * (MIB + SEGMENT_SECTOR);
    make_many();
    sample_file(path, 13);
    spoil_flip(path, last + MIB + SEGMENT_SECTOR, 1);
    is_damaged(E_CORRUPT, 13, (uint64_t)(last + MIB + SEGMENT_SECTOR), 20, "header");
    spoil_flip(path, last + MIB + SEGMENT_SECTOR, 1);
    spoil_pattern(path, last + 4096, SEGMENT_SECTOR);
    is_damaged(E_CORRUPT, 13, (uint64_t)last, 19, "checksum");
    spoil_pattern(path, last, SEGMENT_SECTOR);
    is_damaged(E_CORRUPT, 13, (uint64_t)last, 19, "does not end as a full file");
    assert_int_equal(truncate(path, SAMPLE_SEGMENT_BYTES - 1), 0);
    is_damaged(E_CORRUPT, 13, 0, 13, "instead of");
}

struct told {
    uint64_t calls;
    uint64_t done;
    uint64_t total;
};

static void on_progress(void *context, uint64_t done, uint64_t total)
{
    struct told *told = context;
    assert_true(done >= told->done && done <= total);
    *told = (struct told){told->calls + 1, done, total};
}

static void progress_is_told_to_the_end(void **state)
{
    (void)state;
    struct told told = {0};
    make_many();
    assert_int_equal(journal_verify(sample_dir, &report, on_progress, &told, &err), 0);
    assert_int_equal(told.total, 3 * SAMPLE_SEGMENT_BYTES);
    assert_int_equal(told.done, told.total);
    assert_true(told.calls > 15 && told.calls < 30);
}

/* The server lets go of a file while it is read, and writes the next one's pattern into it. */
static void let_go(void *context, uint64_t done, uint64_t total)
{
    uint64_t *at = context;
    (void)total;
    if (*at != 0 && done >= *at) {
        uint64_t floor = *at > SAMPLE_SEGMENT_BYTES ? 20 : 13;
        assert_int_equal(journal_drop(journal, floor, NULL, NULL), 0);
        *at = 0;
    }
}

static void files_that_go_meanwhile_are_no_damage(void **state)
{
    (void)state;
    make_many(); /* segments begin with 1, 13 and 20 */
    uint64_t at = 3 * MIB;
    if (journal_verify(sample_dir, &report, let_go, &at, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(report.first_seq, 13);
    assert_int_equal(report.last_seq, 25);
    at = 11 * MIB;
    assert_int_equal(sample_append(journal, 1, 10), 0);
    assert_int_equal(journal_verify(sample_dir, &report, NULL, NULL, &err), 0);
    assert_int_equal(report.first_seq, 13);
    at = MIB;
    assert_int_equal(journal_verify(sample_dir, &report, let_go, &at, &err), 0);
    at = SAMPLE_SEGMENT_BYTES + 1; /* now the one that begins with 13 */
    char path[TMP_FOLDER_MAX];
    sample_file(path, 13);
    spoil_flip(path, SEGMENT_HEADER_SIZE + 200, 1); /* and damage in it is of no interest then */
    assert_int_equal(journal_drop(journal, 20, NULL, NULL), 0);
    assert_int_equal(journal_verify(sample_dir, &report, NULL, NULL, &err), 0);
    assert_int_equal(report.first_seq, 20);
}

/* Behind a damaged file the others are read all the same. */
static void what_is_whole_behind_a_fault_is_told(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    make_many();
    sample_file(path, 13);
    spoil_flip(path, SEGMENT_HEADER_SIZE + MIB + SEGMENT_SECTOR + 100, 1);
    is_damaged(E_CORRUPT, 13, SEGMENT_HEADER_SIZE + MIB + SEGMENT_SECTOR, 14, "from 20 on");
    assert_int_equal(report.faults, 1);
    assert_int_equal(report.fault_base, 14);
    assert_int_equal(report.whole_from, 20);
    assert_int_equal(report.last_seq, 25);
    assert_int_equal(report.segments, 2);
    sample_file(path, 20);
    spoil_flip(path, SEGMENT_HEADER_SIZE + 100, 1);
    assert_int_equal(verify(), E_CORRUPT);
    assert_int_equal(report.faults, 2);
    assert_int_equal(report.fault_base, 14);
    assert_int_equal(report.whole_from, 0);
}

static atomic_bool writing;

static void write_thread(struct thread *self, void *context)
{
    (void)context;
    thread_ready(self, 0, NULL);
    for (int i = 0; atomic_load(&writing) && i < 100000; i++) {
        if (sample_append(journal, 1, i % 20 == 0 ? 300000 : 700) != 0) {
            break;
        }
    }
}

/* The server may be running: what is being written is not called damaged. */
static void a_growing_journal_is_whole(void **state)
{
    (void)state;
    struct thread *thread = NULL;
    uint64_t seen = 0;
    atomic_store(&writing, true);
    assert_int_equal(thread_start(&thread, "write", write_thread, NULL, NULL), 0);
    for (int i = 0; i < 15; i++) {
        int rc = verify();
        if (rc != 0 || report.last_seq < seen) {
            atomic_store(&writing, false);
            thread_join(&thread);
            fail_msg("%s", err.text);
        }
        seen = report.last_seq;
    }
    atomic_store(&writing, false);
    thread_join(&thread);
    assert_true(seen > 5);
    assert_int_equal(verify(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_journals_are_counted),
        TEST(a_journal_without_changes_is_whole),
        TEST(no_journal_is_told),
        TEST(a_torn_tail_is_told_and_left),
        TEST(what_is_being_written_is_waited_for),
        TEST(each_kind_of_damage_is_named),
        TEST(a_forged_batch_is_noticed),
        TEST(a_payload_without_sense_is_noticed),
        TEST(joints_are_checked),
        TEST(the_end_of_a_full_segment_is_checked),
        TEST(progress_is_told_to_the_end),
        TEST(files_that_go_meanwhile_are_no_damage),
        TEST(what_is_whole_behind_a_fault_is_told),
        TEST(a_growing_journal_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
