/* tests/server/test_restore.c - a backup becomes a server's data again. */
#include "server/restore.h"

#include "server/restore_swap.h"
#include "server/seen.h"
#include "tests/server/backup_fixture.h"

static struct ground ground;
static struct settings settings;
static char data_dir[TMP_FOLDER_MAX];
static struct restore_report report;

static int setup(void **state)
{
    (void)state;
    ground_open(&ground);
    settings = (struct settings){.segment_bytes = 8 << 20,
                                 .memtable_bytes = 4 << 20,
                                 .cache_bytes = 4 << 20,
                                 .limits = ground.fx->limits};
    memcpy(data_dir, ground.fx->dir, sizeof data_dir);
    settings.data_dir = data_dir;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ground_close(&ground);
    return 0;
}

static int try_restore(const char *backup, struct err *err)
{
    const struct restore_options options = {.backup = backup, .settings = &settings};
    return restore_run(&options, &report, err);
}

static void restore(const char *backup)
{
    struct err err = {0};
    int rc = try_restore(backup, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
}

/* Into a folder that is not there yet. */
static void elsewhere(const char *name)
{
    tmp_folder_path(data_dir, ground.dir, name);
}

/* The fixture goes on with what is in the data folder of the settings. */
static void look_at_it(void)
{
    memcpy(ground.fx->dir, data_dir, sizeof data_dir);
    fx_open(ground.fx);
}

static uint64_t bag_of(const char *text)
{
    struct owner owner;
    struct bag_row row = {0};
    assert_int_equal(owner_parse(&owner, text, NULL), 0);
    return kv_bag_of(ground.fx->kv, NULL, &owner, &row, NULL) == 0 ? row.bag_id : 0;
}

static const char *value_of(const char *owner)
{
    uint64_t bag = bag_of(owner);
    return bag != 0 ? fx_value(ground.fx, bag, "a") : "";
}

static int collect(void *context, const struct removal *removal, struct err *err)
{
    (void)context;
    return removals_append(ground.folder, removal, 1, err);
}

/* Removals up to now are told beside the backup, as the server does it. */
static void tell(uint64_t from_seq)
{
    struct removal through;
    assert_int_equal(removals_scan(ground.fx->journal, from_seq, 2, collect, NULL, &through, NULL),
                     0);
}

static void an_empty_folder_gets_it_with_a_new_history(void **state)
{
    (void)state;
    uint8_t parent[HISTORY_SIZE];
    uint64_t shared = 0;
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground);
    ground_put(&ground, "user:ann", "2");
    journal_history(ground.fx->journal, parent);
    fx_close(ground.fx, true);
    elsewhere("new");
    restore(ground.folder);
    assert_true(report.known && !report.from_journal && report.replaced[0] == '\0');
    assert_memory_equal(report.parent, parent, HISTORY_SIZE);
    assert_int_equal(report.parent_seq, ground.report.seq);
    look_at_it();
    assert_string_equal(value_of("user:ann"), "1");
    uint8_t history[HISTORY_SIZE];
    journal_history(ground.fx->journal, history);
    assert_memory_equal(history, report.history, HISTORY_SIZE);
    assert_memory_not_equal(history, parent, HISTORY_SIZE);
    assert_int_equal(journal_lineage(ground.fx->journal, parent, &shared, NULL), 0);
    assert_int_equal(shared, ground.report.seq);
    ground_put(&ground, "user:ann", "3"); /* it can be gone on with */
    struct backup_verified verified;
    assert_int_equal(backup_verify(ground.report.path, NULL, &verified, NULL), 0);
}

static void an_old_folder_is_kept_aside(void **state)
{
    (void)state;
    char path[PATH_MAX];
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground);
    ground_put(&ground, "user:ann", "2");
    uint64_t head = ground_head(&ground);
    fx_close(ground.fx, true);
    restore(ground.folder);
    assert_true(report.known && report.from_journal && report.old_seq == head);
    static const char *const parts[] = {"journal", "state", "keys"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        assert_int_equal(path_join(path, sizeof path, report.replaced, parts[i]), 0);
        assert_int_equal(access(path, F_OK), 0);
    }
    look_at_it();
    assert_string_equal(value_of("user:ann"), "1");
}

static void what_was_removed_does_not_come_back(void **state)
{
    (void)state;
    struct machine stays;
    struct machine goes;
    struct device_record record = {0};
    char room[RECORD_PATH_MAX];
    fx_join(ground.fx, &stays, 1);
    fx_join(ground.fx, &goes, 2);
    ground_put(&ground, "user:ann", "1");
    ground_put(&ground, "user:bob", "1");
    assert_int_equal(fx_submit(ground.fx, SUBMIT_WRITE, "server", "@account/ann", "{}").code, 0);
    ground_backup(&ground);
    uint64_t from = ground_head(&ground) + 1;
    struct span path = record_device_path(room, goes.device);
    room[path.size] = '\0';
    assert_int_equal(record_get_device(&record, path, span_str(fx_value(ground.fx, 2, room)), NULL),
                     0);
    record.removed = true;
    struct buf text;
    buf_init(&text, RECORD_TEXT_MAX);
    record_put_device(&text, &record);
    (void)buf_append_u8(&text, 0);
    assert_int_equal(
        fx_submit(ground.fx, SUBMIT_WRITE, "server", room, (const char *)text.data).code, 0);
    buf_free(&text);
    assert_int_equal(fx_submit(ground.fx, SUBMIT_DELETE, "user:bob", NULL, NULL).code, 0);
    assert_int_equal(fx_submit(ground.fx, SUBMIT_WRITE, "server", "@account/ann", NULL).code, 0);
    tell(from);
    fx_close(ground.fx, true);
    for (int i = 0; i < 2; i++) { /* by the file alone, then by both */
        elsewhere(i == 0 ? "new" : "data");
        restore(ground.folder);
        assert_true(report.known && report.from_journal == (i == 1));
        assert_true(report.machines == 1 && report.owners == 1 && report.items == 1);
        look_at_it();
        assert_true(registry_active(ground.fx->registry, stays.device));
        assert_false(registry_active(ground.fx->registry, goes.device));
        assert_true(registry_knows(ground.fx->registry, goes.device));
        assert_string_equal(value_of("user:ann"), "1");
        assert_int_equal(bag_of("user:bob"), 0);
        assert_string_equal(fx_value(ground.fx, 2, "@account/ann"), "");
        assert_false(registry_held(ground.fx->registry));
        fx_close(ground.fx, true);
    }
    look_at_it();
}

static void when_nobody_knows_nobody_is_served(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    static const struct {
        const char *name;
        const char *text; /* of its file of removals; NULL: it has none */
        const char *why;
    } rows[] = {{"none", NULL, "there is no file"}, {"bad", "nonsense\n", "damaged: line 1"}};
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground);
    fx_close(ground.fx, true);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tmp_folder_path(path, ground.folder, MANIFEST_REMOVALS);
        (void)unlink(path);
        if (rows[i].text != NULL) {
            tmp_folder_write(path, rows[i].text);
        }
        elsewhere(rows[i].name);
        restore(ground.folder);
        assert_false(report.known);
        assert_non_null(strstr(report.removals_text, rows[i].why));
        look_at_it();
        assert_true(registry_held(ground.fx->registry));
        fx_close(ground.fx, true);
    }
    look_at_it();
}

static void a_gap_is_not_knowing(void **state)
{
    (void)state;
    struct removal gap = {.kind = REMOVAL_GAP};
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground);
    journal_history(ground.fx->journal, gap.history);
    gap.seq = ground.report.seq; /* before the backup: nobody minds */
    assert_int_equal(removals_append(ground.folder, &gap, 1, NULL), 0);
    fx_close(ground.fx, true);
    elsewhere("before");
    restore(ground.folder);
    assert_true(report.known);
    gap.seq = ground.report.seq + 1;
    assert_int_equal(removals_append(ground.folder, &gap, 1, NULL), 0);
    elsewhere("behind");
    restore(ground.folder);
    assert_false(report.known);
    assert_non_null(strstr(report.removals_text, "gap"));
    look_at_it();
}

/* By the old state, where the backup's knows less; but not beyond the backup. */
static void positions_are_those_of_the_old_data(void **state)
{
    (void)state;
    struct seen *seen = NULL;
    struct seen_device at = {.seq = 3, .last_ms = 5};
    assert_int_equal(seen_new(&seen), 0);
    seen_note(seen, 0x77, &at);
    ground_put(&ground, "user:ann", "1");
    assert_int_equal(seen_save(seen, ground.fx->kv, NULL), 0);
    ground_backup(&ground);
    ground_put(&ground, "user:ann", "2");
    at = (struct seen_device){.seq = ground_head(&ground), .last_ms = 6};
    seen_note(seen, 0x77, &at);
    at = (struct seen_device){.seq = 4, .last_ms = 7};
    seen_note(seen, 0x88, &at);
    assert_int_equal(seen_save(seen, ground.fx->kv, NULL), 0);
    seen_free(&seen);
    fx_close(ground.fx, true);
    restore(ground.folder);
    look_at_it();
    assert_int_equal(seen_new(&seen), 0);
    assert_int_equal(seen_load(seen, ground.fx->kv, NULL), 0);
    assert_true(seen_get(seen, 0x77, &at));
    assert_true(at.seq == report.parent_seq && at.last_ms == 6);
    assert_true(seen_get(seen, 0x88, &at));
    assert_true(at.seq == 4 && at.last_ms == 7);
    seen_free(&seen);
}

/* --- what is refused --- */

static void a_damaged_backup_changes_nothing(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct err err = {0};
    ground_put(&ground, "user:ann", "1");
    ground_backup(&ground);
    ground_put(&ground, "user:ann", "2");
    fx_close(ground.fx, true);
    ground_file(&ground, "state/CURRENT", path);
    ground_damage(path);
    assert_int_equal(try_restore(ground.folder, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "CURRENT"));
    assert_int_equal(try_restore("/nowhere/at/all", &err), E_NOT_FOUND);
    look_at_it();
    assert_string_equal(value_of("user:ann"), "2");
    char partial[TMP_FOLDER_MAX];
    tmp_folder_path(partial, ground.fx->dir, RESTORE_PARTIAL);
    assert_int_not_equal(access(partial, F_OK), 0);
}

static void another_servers_data_stays(void **state)
{
    (void)state;
    char keys[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    struct key_pair curve;
    struct sign_pair sign;
    ground_backup(&ground);
    fx_close(ground.fx, true);
    tmp_folder_path(keys, ground.fx->dir, "keys");
    tmp_folder_path(path, keys, "sign.key");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(keys_load_server(keys, &curve, &sign, &err), 0); /* a new one */
    assert_int_equal(try_restore(ground.folder, &err), E_EXISTS);
    assert_non_null(strstr(err.text, "another server"));
    look_at_it();
}

static void a_server_that_runs_is_not_touched(void **state)
{
    (void)state;
    struct err err = {0};
    int lock = -1;
    ground_backup(&ground);
    assert_int_equal(data_folder_open(ground.fx->dir, &lock, &err), 0);
    assert_int_equal(try_restore(ground.folder, &err), E_BUSY);
    assert_int_equal(close(lock), 0);
}

static void one_that_lacked_its_renames_is_finished(void **state)
{
    (void)state;
    char ready[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    ground_backup(&ground);
    fx_close(ground.fx, true);
    tmp_folder_path(ready, ground.fx->dir, RESTORE_READY);
    assert_int_equal(mkdir(ready, 0700), 0);
    tmp_folder_path(path, ready, "replaces");
    tmp_folder_write(path, "replaced-x");
    restore(ground.folder);
    assert_true(report.finished);
    assert_int_not_equal(access(ready, F_OK), 0);
    look_at_it();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_folder_gets_it_with_a_new_history, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_old_folder_is_kept_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_removed_does_not_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(when_nobody_knows_nobody_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gap_is_not_knowing, setup, teardown),
        cmocka_unit_test_setup_teardown(positions_are_those_of_the_old_data, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_backup_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(another_servers_data_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_runs_is_not_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_lacked_its_renames_is_finished, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
