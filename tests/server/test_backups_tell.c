/* tests/server/test_backups_tell.c - what is removed is told beside the backups. */
#include "tests/server/backups_fixture.h"

struct tally {
    size_t bags;
    size_t devices;
    struct removal last;
    char text[REMOVAL_TEXT_MAX];
};

static int count_line(void *context, const struct removal *removal, struct err *err)
{
    (void)err;
    struct tally *tally = context;
    tally->bags += removal->kind == REMOVAL_BAG;
    tally->devices += removal->kind == REMOVAL_DEVICE;
    tally->last = *removal;
    if (removal->kind == REMOVAL_BAG) {
        (void)snprintf(tally->text, sizeof tally->text, "%s", removal->text);
    }
    return 0;
}

static struct tally read_file(void)
{
    struct tally tally = {0};
    struct err err = {0};
    int rc = removals_read(ground.folder, NULL, count_line, &tally, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    return tally;
}

static void wait_told(uint64_t seq)
{
    while (read_file().last.seq < seq) {
        pause_a_little();
    }
}

static void a_removal_is_told_when_it_was_committed(void **state)
{
    (void)state;
    (void)change(SUBMIT_WRITE, "user:Ann", "a", "1");
    (void)change(SUBMIT_WRITE, "user:bob", "a", "1");
    (void)make(ground.folder);
    struct submit gone = change(SUBMIT_DELETE, "user:Ann", NULL, NULL);
    wait_told(gone.seq);
    struct tally tally = read_file();
    assert_int_equal(tally.bags, 1);
    assert_string_equal(tally.text, "user:Ann");
    assert_int_equal(tally.last.kind, REMOVAL_THROUGH);
    gone = change(SUBMIT_DELETE, "user:bob", NULL, NULL);
    wait_told(gone.seq);
    assert_int_equal(read_file().bags, 2);
}

static void what_a_crash_kept_from_it_is_told_later(void **state)
{
    (void)state;
    (void)change(SUBMIT_WRITE, "user:ann", "a", "1");
    (void)make(ground.folder);
    stop();
    closed = false; /* the server is there, and its backups are not looked after */
    struct submit gone = change(SUBMIT_DELETE, "user:ann", NULL, NULL);
    start();
    wait_told(gone.seq);
    assert_int_equal(read_file().bags, 1);
    stop(); /* and once only */
    start();
    struct submit written = change(SUBMIT_WRITE, "user:bob", "a", "1");
    stop();
    assert_int_equal(read_file().bags, 1);
    assert_int_equal(read_file().last.seq, written.seq); /* nothing was removed up to there */
    start();
}

static void a_folder_that_is_away_is_said_and_caught_up_with(void **state)
{
    (void)state;
    char away[TMP_FOLDER_MAX];
    (void)change(SUBMIT_WRITE, "user:ann", "a", "1");
    (void)make(ground.folder);
    tmp_folder_path(away, ground.dir, "away");
    assert_int_equal(rename(ground.folder, away), 0);
    struct submit gone = change(SUBMIT_DELETE, "user:ann", NULL, NULL);
    while (folders().row.text[0] == '\0') {
        pause_a_little();
    }
    assert_int_equal(rename(away, ground.folder), 0);
    (void)change(SUBMIT_WRITE, "user:bob", "a", "1");
    gone = change(SUBMIT_DELETE, "user:bob", NULL, NULL); /* it is looked at again */
    wait_told(gone.seq);
    assert_int_equal(read_file().bags, 2);
    struct folder_row rows = folders();
    assert_int_equal(rows.count, 1);
    assert_string_equal(rows.row.folder, ground.folder);
    assert_int_equal(rows.row.backups, 1);
    assert_true(rows.row.newest_seq > 0 && rows.row.newest_ms > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_removal_is_told_when_it_was_committed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_crash_kept_from_it_is_told_later, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_is_away_is_said_and_caught_up_with, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
