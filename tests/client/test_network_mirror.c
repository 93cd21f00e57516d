/* tests/client/test_network_mirror.c - the copy of the server's journal: taken, begun anew, and
 * left alone when the two have parted. */
#include "journal/journal.h"
#include "journal/mirror.h"
#include "journal/verify.h"

#include "tests/client/driven.h"
#include "tests/journal/journal_samples.h"

struct fixture {
    struct driven d;
    char dir[TMP_FOLDER_MAX]; /* of the copy */
    struct journal *journal;  /* the server's */
    struct buf batches;
};

static void open_copy(struct fixture *f)
{
    struct kb_options options = {.size = sizeof options,
                                 .data_dir = f->d.m.dir,
                                 .map_bytes = 64 << 20,
                                 .mirror_dir = f->dir};
    struct kb_error error = {0};
    kb_close(&f->d.m.kb);
    ok(client_open(&f->d.m.kb, &options, &f->d.world, &error), &error);
}

/* The server's journal has ten batches of ten changes. */
static void begin(struct fixture *f)
{
    struct journal_opened opened;
    driven_begin(&f->d, 1);
    tmp_folder_path(f->dir, f->d.m.folder, "copy");
    tmp_folder_path(sample_dir, f->d.m.folder, "journal");
    f->journal = NULL;
    assert_int_equal(sample_open(&f->journal, NULL, &opened, NULL), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(sample_append(f->journal, 10, 100), 0);
    }
    buf_init(&f->batches, 1 << 20);
    journal_history(f->journal, f->d.toy->history);
    f->d.toy->mirror = true;
    open_copy(f);
}

static void end(struct fixture *f)
{
    kb_close(&f->d.m.kb);
    journal_close(&f->journal, true);
    buf_free(&f->batches);
    driven_end(&f->d);
}

/* What the server sends from here: the batches behind change `after`, up to `last`. */
static void fill(struct fixture *f, uint64_t after, uint64_t last)
{
    struct journal_cursor *cursor = NULL;
    struct batch batch;
    struct span raw;
    buf_reset(&f->batches);
    assert_int_equal(journal_cursor_open(&cursor, f->journal, after + 1, NULL), 0);
    while (journal_cursor_next_raw(cursor, &batch, &raw, NULL) == 0 && batch.base_seq <= last) {
        assert_int_equal(buf_append(&f->batches, raw.data, raw.size), 0);
    }
    journal_cursor_close(&cursor);
    f->d.toy->batches = buf_span(&f->batches);
}

/* The copy has the changes up to `last`. */
static void begin_copied(struct fixture *f, uint64_t last)
{
    begin(f);
    fill(f, 0, last);
    driven_start(&f->d);
    assert_int_equal(status_of(&f->d.m).mirror_seq, last);
}

static void the_journal_is_copied_and_goes_on(void **state)
{
    (void)state;
    struct fixture f;
    begin_copied(&f, 50);
    assert_int_equal(f.d.toy->mirror_from, 0);
    assert_int_equal(status_of(&f.d.m).mirror_code, 0);
    fill(&f, 50, 100);
    driven_reconnect(&f.d);
    assert_int_equal(f.d.toy->mirror_from, 50);
    assert_int_equal(status_of(&f.d.m).mirror_seq, 100);
    assert_int_equal(f.d.toy->mirrors, 2);
    f.d.toy->batches = (struct span){NULL, 0};
    open_copy(&f); /* it is on disk */
    assert_int_equal(status_of(&f.d.m).mirror_seq, 100);
    kb_close(&f.d.m.kb);
    journal_close(&f.journal, true);
    memcpy(sample_dir, f.dir, sizeof sample_dir);
    struct journal_opened opened;
    assert_int_equal(sample_open(&f.journal, NULL, &opened, NULL), 0);
    assert_int_equal(sample_last_seq(f.journal, 1), 100); /* the server's, change by change */
    end(&f);
}

static void what_is_old_goes_from_the_copy(void **state)
{
    (void)state;
    struct fixture f;
    const uint8_t second[HISTORY_SIZE] = {2};
    begin(&f);
    assert_int_equal(journal_fork(f.journal, second, NULL), 0); /* which begins a new file */
    assert_int_equal(sample_append(f.journal, 1, 100), 0);
    assert_int_equal(sample_append(f.journal, 10, 100), 0);
    assert_int_equal(sample_append(f.journal, 10, 100), 0);
    f.d.m.kb->mirror_keep_ms = 11; /* change 101 was made 11 ms before the last one */
    fill(&f, 0, 200);
    driven_start(&f.d);
    driven_pass(&f.d, 120000);
    struct kb_status status = status_of(&f.d.m);
    assert_int_equal(status.mirror_seq, 121);
    assert_int_equal(status.mirror_from, 1);
    assert_int_equal(status.mirror_bytes, 2 * 64 << 20);
    f.d.m.kb->mirror_keep_ms = 10;
    driven_pass(&f.d, 120000);
    status = status_of(&f.d.m);
    assert_int_equal(status.mirror_seq, 121);
    assert_int_equal(status.mirror_from, 101);
    assert_int_equal(status.mirror_bytes, 64 << 20);
    assert_int_equal(status.mirror_code, 0);
    end(&f);
}

static void a_copy_that_is_too_old_begins_anew_and_says_so(void **state)
{
    (void)state;
    struct fixture f;
    begin_copied(&f, 20);
    f.d.toy->mirror_code = E_TOO_OLD;
    f.d.toy->floor_seq = 71;
    fill(&f, 70, 100);
    driven_reconnect(&f.d);
    struct kb_status status = status_of(&f.d.m);
    assert_int_equal(f.d.toy->mirror_from, 70);
    assert_int_equal(status.mirror_seq, 100);
    assert_int_equal(status.mirror_code, 0);
    assert_non_null(strstr(status.mirror_text, "the copy began anew with change 71"));
    end(&f);
}

/* The server was put back to change 10, and has let go of all that was before 71 since: the copy is
 * the only one that has 11 to 20. */
static void a_copy_of_a_history_that_ended_is_not_thrown_away(void **state)
{
    (void)state;
    struct fixture f;
    begin_copied(&f, 20);
    memset(f.d.toy->history, 9, HISTORY_SIZE);
    f.d.toy->resume_seq = 10;
    f.d.toy->mirror_code = E_TOO_OLD;
    f.d.toy->floor_seq = 71;
    fill(&f, 70, 100);
    driven_reconnect(&f.d);
    struct kb_status status = status_of(&f.d.m);
    assert_int_equal(status.mirror_code, KB_E_DIVERGED);
    assert_non_null(strstr(status.mirror_text, f.dir));
    assert_int_equal(status.mirror_seq, 20);
    open_copy(&f);
    assert_int_equal(status_of(&f.d.m).mirror_seq, 20);
    end(&f);
}

static void a_copy_that_has_parted_is_left_alone(void **state)
{
    (void)state;
    struct fixture f;
    begin_copied(&f, 50);
    f.d.toy->mirror_code = E_DIVERGED;
    driven_reconnect(&f.d);
    struct kb_status status = status_of(&f.d.m);
    assert_int_equal(status.mirror_code, KB_E_DIVERGED);
    assert_non_null(strstr(status.mirror_text, f.dir));
    assert_int_equal(status.mirror_seq, 50);
    unsigned mirrors = f.d.toy->mirrors;
    driven_pass(&f.d, 600000);
    assert_int_equal(f.d.toy->mirrors, mirrors); /* not before somebody acted */
    assert_int_equal(status_of(&f.d.m).phase, KB_PHASE_CURRENT);
    end(&f);
}

/* What does not follow on the copy is not taken, and the rest of the machine works. */
static void batches_that_do_not_fit_are_not_taken(void **state)
{
    (void)state;
    struct fixture f;
    begin_copied(&f, 50);
    fill(&f, 60, 100);
    driven_down(&f.d);
    driven_pass(&f.d, 20000);
    struct kb_status status = status_of(&f.d.m);
    assert_int_equal(status.mirror_seq, 50);
    assert_int_not_equal(status.mirror_code, 0);
    assert_int_equal(status.phase, KB_PHASE_CURRENT);
    fill(&f, 50, 100);
    driven_pass(&f.d, 60000); /* tried again after a minute */
    assert_int_equal(status_of(&f.d.m).mirror_seq, 100);
    assert_int_equal(status_of(&f.d.m).mirror_code, 0);
    end(&f);
}

/* Each try that fails ends the session, and with it what others wait for. */
static void what_never_fits_is_tried_less_and_less(void **state)
{
    (void)state;
    struct fixture f;
    begin_copied(&f, 50);
    fill(&f, 60, 100);
    driven_reconnect(&f.d);
    unsigned connects = f.d.connects;
    driven_pass(&f.d, 4 * 3600000);
    assert_in_range(f.d.connects - connects, 8, 16);
    fill(&f, 50, 100);
    driven_pass(&f.d, 3600000);
    assert_int_equal(status_of(&f.d.m).mirror_seq, 100);
    assert_int_equal(status_of(&f.d.m).mirror_code, 0);
    end(&f);
}

static void without_the_right_it_says_who_gives_it(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.d.toy->mirror = false;
    driven_start(&f.d);
    assert_int_equal(f.d.toy->mirrors, 0);
    assert_int_equal(status_of(&f.d.m).mirror_code, KB_E_NOT_ALLOWED);
    assert_non_null(strstr(status_of(&f.d.m).mirror_text, "kitbagctl device mirror"));
    assert_int_equal(status_of(&f.d.m).phase, KB_PHASE_CURRENT);
    f.d.toy->mirror = true;
    fill(&f, 0, 50);
    driven_reconnect(&f.d);
    assert_int_equal(status_of(&f.d.m).mirror_seq, 50);
    assert_int_equal(status_of(&f.d.m).mirror_code, 0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_journal_is_copied_and_goes_on),
        cmocka_unit_test(what_is_old_goes_from_the_copy),
        cmocka_unit_test(a_copy_that_is_too_old_begins_anew_and_says_so),
        cmocka_unit_test(a_copy_of_a_history_that_ended_is_not_thrown_away),
        cmocka_unit_test(a_copy_that_has_parted_is_left_alone),
        cmocka_unit_test(batches_that_do_not_fit_are_not_taken),
        cmocka_unit_test(what_never_fits_is_tried_less_and_less),
        cmocka_unit_test(without_the_right_it_says_who_gives_it),
    };
    return cmocka_run_group_tests_name("client/network_mirror", tests, NULL, NULL);
}
