/* Tests of cli/ctl_repair.c: a journal that is whole or is not, and what becomes of it. */
#include "tests/cli/run_ctl.h"

#include "base/file.h"
#include "journal/journal.h"

static void make_journal(char dir[TMP_FOLDER_MAX], bool clean)
{
    struct journal *journal = NULL;
    struct journal_opened opened;
    struct journal_position head;
    static const uint8_t history[HISTORY_SIZE] = "0123456789abcdef";
    struct owner owner = {0};
    tmp_folder_path(dir, ctl.folder, "journal");
    struct journal_options options = {.dir = dir, .segment_bytes = 8 << 20};
    assert_int_equal(journal_open(&journal, &options, history, &opened, NULL), 0);
    assert_int_equal(owner_make(&owner, OWNER_USER, SPAN_LITERAL("ann"), 0, NULL), 0);
    for (uint64_t i = 1; i <= 5; i++) {
        struct buf payload;
        struct change change = {.seq = i,
                                .time_ms = 1700000000000,
                                .kind = CHANGE_BAG_CREATE,
                                .bag_id = i,
                                .owner = owner};
        buf_init(&payload, BATCH_PAYLOAD_MAX);
        batch_begin(&payload, 1);
        change_encode(&payload, &change, CHANGE_JOURNAL);
        assert_int_equal(
            journal_append(journal, 1, change.time_ms, buf_span(&payload), &head, NULL), 0);
        buf_free(&payload);
    }
    journal_close(&journal, clean);
}

static void a_whole_journal_is_told_so(void **state)
{
    (void)state;
    char dir[TMP_FOLDER_MAX];
    make_journal(dir, true);
    assert_int_equal(run_ctl("journal", "verify", NULL), 0);
    assert_printed("Journal:      whole\nFirst change: 1\nLast change:  5\nChanges:      5\n"
                   "Batches:      5\nFiles:        1\n");
    assert_printed("Ends with:    a clean stop\n");
    assert_int_equal(run_ctl("journal", "verify", "-o", "json", NULL), 0);
    json_t *report = json_loads(ctl.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(report, "last_seq")), "5");
    json_decref(report);
}

static void a_journal_that_was_not_closed_is_whole_too(void **state)
{
    (void)state;
    char dir[TMP_FOLDER_MAX];
    make_journal(dir, false);
    assert_int_equal(run_ctl("journal", "verify", NULL), 0);
    assert_printed("Ends with:    open: the server runs, or was killed between two writes\n");
}

/* The name of the only segment. */
static void find_segment(const char *dir, char path[TMP_FOLDER_MAX])
{
    char command[TMP_FOLDER_MAX + 64];
    (void)snprintf(command, sizeof command, "ls -d %.400s/*", dir);
    FILE *list = popen(command, "re"); /* NOLINT: a test, on a name of its own */
    assert_non_null(list);
    path[0] = '\0';
    while (fgets(path, TMP_FOLDER_MAX, list) != NULL && strstr(path, "lock") != NULL) {
    }
    (void)pclose(list);
    path[strcspn(path, "\n")] = '\0';
}

/* A bit of the third of five batches is another one now. */
static void damage(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;
    off_t at = SEGMENT_HEADER_SIZE + 2 * SEGMENT_SECTOR + BATCH_HEADER_SIZE + 3;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

static void damage_is_told_with_its_place(void **state)
{
    (void)state;
    char dir[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    make_journal(dir, true);
    find_segment(dir, path);
    damage(path);
    assert_int_equal(run_ctl("journal", "verify", NULL), 1);
    char wanted[2 * TMP_FOLDER_MAX];
    (void)snprintf(wanted, sizeof wanted,
                   "kitbagctl: change 3: '%s' is damaged at offset 5120: the batch fails its "
                   "checksum. Changes 1 to 2 are whole;",
                   path);
    assert_said(wanted);
    assert_said("Keep a copy of the whole data folder before anything else is done with it.\n");
    assert_said("'kitbagctl journal repair' would keep what is before the damage: changes 1 to "
                "2.\n");
    assert_int_equal(run_ctl("journal", "verify", "-o", "json", NULL), 1);
}

static void a_folder_without_a_journal_is_told(void **state)
{
    (void)state;
    char wanted[TMP_FOLDER_MAX + 64];
    assert_int_equal(run_ctl("journal", "verify", NULL), 3);
    (void)snprintf(wanted, sizeof wanted,
                   "there is no journal in '%s': is that a server's data folder?", ctl.data);
    assert_said(wanted);
}

/* --- repair --- */

static void a_whole_journal_needs_no_repair(void **state)
{
    (void)state;
    char dir[TMP_FOLDER_MAX];
    make_journal(dir, true);
    assert_int_equal(run_ctl("journal", "repair", NULL), 0); /* nothing to ask about */
    assert_string_equal(ctl.out, "Damaged:           no\n");
}

static void a_repair_asks_and_cuts_the_damage_out(void **state)
{
    (void)state;
    char dir[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    make_journal(dir, true);
    find_segment(dir, path);
    damage(path);
    assert_int_equal(run_ctl("journal", "repair", NULL), 2);
    assert_said("this asks before it acts: add --yes (or --dry-run to see)");
    assert_int_equal(run_ctl("journal", "repair", "--dry-run", NULL), 0);
    assert_printed("Dry run:           yes\nDamaged:           yes\n");
    assert_printed("Offset:            5120\n");
    assert_printed("First change kept: 1\nLast change kept:  2\nFirst change lost: 3\n");
    assert_int_equal(run_ctl("journal", "verify", NULL), 1); /* as it was */
    assert_int_equal(run_ctl("journal", "repair", "--yes", "-o", "json", NULL), 0);
    json_t *report = json_loads(ctl.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(report, "kept_last")), "2");
    const char *moved = json_string_value(json_object_get(report, "moved_to"));
    assert_int_equal(access(moved, F_OK), 0);
    json_decref(report);
    assert_said("machines that have seen what was lost say diverged");
    assert_int_equal(run_ctl("journal", "verify", NULL), 0);
    assert_printed("Last change:  2\n");
}

static void nothing_is_left_is_told(void **state)
{
    (void)state;
    char dir[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    make_journal(dir, true);
    find_segment(dir, path);
    damage(path);
    assert_int_equal(run_ctl("journal", "repair", "--keep-newest", "--yes", NULL), 1);
    assert_int_equal(run_ctl("journal", "verify", NULL), 1); /* as it was */
    assert_null(strstr(ctl.err, "--keep-newest"));           /* what can't be done is not offered */
}

static void a_running_servers_journal_is_left_alone(void **state)
{
    (void)state;
    char dir[TMP_FOLDER_MAX];
    make_journal(dir, true);
    int lock = dir_lock(ctl.data, NULL);
    assert_true(lock >= 0);
    assert_int_equal(run_ctl("journal", "repair", "--yes", NULL), 1);
    assert_said("stop it first, its journal is its own");
    (void)close(lock);
    assert_int_equal(run_ctl("journal", "repair", "--yes", NULL), 0);
}

static void a_folder_without_a_journal_is_not_made_one(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    assert_int_equal(run_ctl("journal", "repair", "--yes", NULL), 3);
    assert_said("is that a server's data folder?");
    tmp_folder_path(path, ctl.folder, "lock");
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(a_whole_journal_is_told_so),
        CTL_TEST(a_journal_that_was_not_closed_is_whole_too),
        CTL_TEST(damage_is_told_with_its_place),
        CTL_TEST(a_folder_without_a_journal_is_told),
        CTL_TEST(a_whole_journal_needs_no_repair),
        CTL_TEST(a_repair_asks_and_cuts_the_damage_out),
        CTL_TEST(nothing_is_left_is_told),
        CTL_TEST(a_running_servers_journal_is_left_alone),
        CTL_TEST(a_folder_without_a_journal_is_not_made_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
