/* Every allocation fails once, and every read of the disk, in whatever reads or writes a journal:
 * it says so with a sentence, a part that can't be read is never taken for the journal's end, and
 * the same done again finds all there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#include "journal/past.h"
#include "journal/verify.h"
#include "tests/journal/journal_samples.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/io_calls.h"

enum { TRIES_MAX = 3000, BATCH = 40, VALUE_SIZE = 50000, CHANGES = 6 * BATCH };

static struct disk quick;

/* --- what may fail --- */

typedef int operation_fn(struct err *err);

static int open_and_close(struct err *err)
{
    struct journal *journal = NULL;
    struct journal_opened opened;
    int rc = sample_open(&journal, &quick, &opened, err);
    if (rc == 0) {
        struct journal_position head;
        journal_head(journal, &head);
        assert_int_equal(head.seq, CHANGES);
    }
    journal_close(&journal, false);
    return rc;
}

/* Of one that was opened before the failing begins. */
static struct journal *opened_journal;

static int read_all(struct err *err)
{
    struct journal_cursor *cursor = NULL;
    struct sample_reading reading = {.next_seq = 1};
    int rc = journal_cursor_open(&cursor, opened_journal, 1, err);
    rc = rc == 0 ? sample_read_on(cursor, &reading, err) : rc;
    journal_cursor_close(&cursor);
    assert_false(reading.wrong);
    if (rc == E_NOT_FOUND) { /* it was read to its end: then to its very end */
        assert_int_equal(reading.next_seq, CHANGES + 1);
        rc = 0;
    }
    return rc;
}

static int look_back(struct err *err)
{
    struct past_change found = {0};
    uint64_t seq = 0;
    uint8_t hash[SHA256_SIZE];
    int rc = journal_change_at(opened_journal, BATCH + 2, &found, err);
    if (rc == 0) {
        assert_int_equal(found.change.seq, BATCH + 2);
    }
    past_change_free(&found);
    rc = rc == 0 ? journal_hash_at(opened_journal, BATCH, hash, err) : rc;
    rc = rc == 0 ? journal_seek_time(opened_journal, 1000 + BATCH, &seq, err) : rc;
    assert_true(rc != 0 || seq == 2 * BATCH);
    return rc;
}

static int verify(struct err *err)
{
    struct verify_report report = {0};
    int rc = journal_verify(sample_dir, &report, NULL, NULL, err);
    assert_true(rc != 0 || report.changes == CHANGES);
    return rc;
}

/* --- failing it --- */

typedef bool stop_fn(void);

static void begin_read(unsigned nth)
{
    io_calls_start();
    io_calls_fail("pread", nth, EIO);
}

static bool end_read(void)
{
    bool failed = io_calls_failed();
    io_calls_stop();
    return failed;
}

static void open_journal(void)
{
    struct journal_opened opened;
    assert_int_equal(sample_open(&opened_journal, &quick, &opened, NULL), 0);
}

/* Each time with a journal that has kept nothing from before. Returns how often it failed. */
static unsigned check_failing(operation_fn *operation, void begin(unsigned nth), stop_fn *end,
                              int code)
{
    unsigned failures = 0;
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        struct err err = {0};
        assert_true(nth < TRIES_MAX);
        bool needs_journal = operation != open_and_close && operation != verify;
        if (needs_journal) {
            open_journal();
        }
        begin(nth);
        int rc = operation(&err);
        failed = end();
        if (rc != 0 && (rc != code || !failed || err.text[0] == 0)) {
            print_message("nth %u %s %s\n", nth, err_name(rc), err.text);
        }
        assert_true(rc == 0 || (failed && rc == code && err.text[0] != '\0'));
        assert_int_equal(operation(NULL), 0);
        journal_close(&opened_journal, false);
        failures += rc != 0;
    }
    return failures;
}

static void every_allocation(void **state)
{
    (void)state;
    assert_true(check_failing(open_and_close, fail_alloc_at, fail_alloc_stop, E_NOMEM) > 10);
    assert_true(check_failing(read_all, fail_alloc_at, fail_alloc_stop, E_NOMEM) > 3);
    assert_true(check_failing(look_back, fail_alloc_at, fail_alloc_stop, E_NOMEM) > 5);
    assert_true(check_failing(verify, fail_alloc_at, fail_alloc_stop, E_NOMEM) > 3);
}

static void every_read(void **state)
{
    (void)state;
    assert_true(check_failing(open_and_close, begin_read, end_read, E_IO) > 3);
    assert_true(check_failing(read_all, begin_read, end_read, E_IO) > 10);
    assert_true(check_failing(look_back, begin_read, end_read, E_IO) > 3);
    assert_true(check_failing(verify, begin_read, end_read, E_IO) > 10);
}

/* Appending goes over into a new segment, for which memory may be short as well: it is refused then
 * and nothing is written, and the next one is taken. */
static void appending_without_memory(void **state)
{
    (void)state;
    struct buf payload;
    unsigned refused = 0;
    open_journal();
    buf_init(&payload, BATCH_PAYLOAD_MAX);
    uint64_t seq = CHANGES;
    bool failed = true;
    for (unsigned nth = 1; failed || seq < 10 * BATCH; nth++) {
        struct journal_position head;
        assert_true(nth < TRIES_MAX);
        sample_payload(&payload, seq + 1, BATCH, VALUE_SIZE);
        fail_alloc_at(1 + nth % 8);
        int rc = journal_append(opened_journal, BATCH, 1000 + seq, buf_span(&payload), NULL, NULL);
        failed = fail_alloc_stop();
        assert_true(rc == 0 || (failed && rc == E_NOMEM));
        refused += rc != 0;
        seq += rc == 0 ? BATCH : 0;
        journal_head(opened_journal, &head);
        assert_int_equal(head.seq, seq);
    }
    assert_true(refused > 0);
    buf_free(&payload);
    assert_int_equal(sample_last_seq(opened_journal, 1), seq);
    journal_close(&opened_journal, false);
}

static int make_journal(void **state)
{
    (void)state;
    quick = sample_quick_disk();
    tmp_folder_make(sample_dir);
    open_journal();
    for (int i = 0; i < CHANGES / BATCH; i++) {
        assert_int_equal(sample_append(opened_journal, BATCH, VALUE_SIZE), 0);
    }
    journal_close(&opened_journal, false);
    return 0;
}

static int remove_journal(void **state)
{
    (void)state;
    tmp_folder_remove(sample_dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation), cmocka_unit_test(every_read),
        cmocka_unit_test(appending_without_memory), /* the last: it adds changes */
    };
    return cmocka_run_group_tests(tests, make_journal, remove_journal);
}
