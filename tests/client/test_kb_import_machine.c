/* tests/client/test_kb_import_machine.c - a file of a machine comes back as new writes. */
#include "tests/client/file_samples.h"

static void path_of(const struct machine *machine, char out[TMP_FOLDER_MAX])
{
    tmp_folder_path(out, machine->folder, "mine.kitbag");
}

static void save(struct machine *machine)
{
    char path[TMP_FOLDER_MAX];
    struct kb_error error = {0};
    path_of(machine, path);
    (void)unlink(path);
    ok(kb_export(machine->kb, path, NULL, NULL, &error), &error);
}

static uint64_t pending(struct machine *machine)
{
    return status_of(machine).pending;
}

static void what_was_saved_comes_back(void **state)
{
    (void)state;
    struct machine machine;
    char path[TMP_FOLDER_MAX];
    struct kb_error error = {0};
    struct kb_import_report report;
    machine_begin(&machine);
    path_of(&machine, path);
    login(&machine, "Ann");
    (void)set(&machine, "user:Ann", "copy", "one");
    (void)set(&machine, "user:Ann", "fax", "two");
    save(&machine);
    (void)set(&machine, "user:Ann", "copy", "other");
    (void)set(&machine, "user:Ann", "zoom", "3");
    uint64_t before = pending(&machine);
    struct kb_import_options options = {.size = sizeof options, .dry_run = true};
    ok(kb_import(machine.kb, path, &options, &report, &error), &error);
    assert_int_equal(report.items_taken, 1);
    assert_string_equal(get(&machine, "user:Ann", "copy"), "other*");

    ok(take_file(&machine, path, NULL, &report, &error), &error);
    assert_int_equal(report.kind, KB_SNAPSHOT_MACHINE);
    assert_int_equal(report.taken, 1);
    assert_int_equal(report.users, 1);
    assert_int_equal(report.items_taken, 1);
    assert_int_equal(report.same, 1);
    assert_string_equal(get(&machine, "user:Ann", "copy"), "one*");
    assert_string_equal(get(&machine, "user:Ann", "fax"), "two*");
    assert_string_equal(get(&machine, "user:Ann", "zoom"), "3*"); /* not in the file: it stays */
    assert_int_equal(pending(&machine), before + 1);
    ok(take_file(&machine, path, NULL, &report, &error), &error); /* there is nothing left */
    assert_int_equal(report.items_taken, 0);
    assert_int_equal(report.same, 2);
    machine_end(&machine);
}

/* One that stands alone registers them. */
static void on_another_machine_by_its_fingerprint(void **state)
{
    (void)state;
    struct machine one;
    struct machine two;
    char path[TMP_FOLDER_MAX];
    struct kb_error error = {0};
    struct kb_export_report saved;
    struct kb_import_report report;
    machine_begin(&one);
    machine_begin(&two);
    path_of(&one, path);
    login(&one, "Ann");
    (void)set(&one, "user:Ann", "copy", "one");
    ok(kb_export(one.kb, path, NULL, &saved, &error), &error);
    assert_int_equal(take_file(&two, path, NULL, &report, &error), KB_E_SIGNATURE);
    assert_non_null(strstr(error.text, "signed by another machine"));
    assert_non_null(strstr(error.text, saved.signer));
    ok(take_file(&two, path, saved.signer, &report, &error), &error);
    assert_int_equal(report.items_taken, 1);
    assert_string_equal(get(&two, "user:Ann", "copy"), "one*");
    machine_end(&one);
    machine_end(&two);
}

/* On one that has joined they sign in first. */
static void nobody_is_signed_in_by_it(void **state)
{
    (void)state;
    struct machine one;
    struct machine two;
    char path[TMP_FOLDER_MAX];
    struct kb_error error = {0};
    struct kb_export_report saved;
    struct kb_import_report report;
    machine_begin(&one);
    machine_begin(&two);
    machine_of(&two, 1);
    path_of(&one, path);
    login(&one, "Ann");
    (void)set(&one, "user:Ann", "copy", "one");
    ok(kb_export(one.kb, path, NULL, &saved, &error), &error);
    ok(take_file(&two, path, saved.signer, &report, &error), &error);
    assert_int_equal(report.taken, 0);
    assert_int_equal(report.skipped, 1);
    assert_int_equal(pending(&two), 0);
    assert_int_equal(status_of(&two).users, 0);
    machine_end(&one);
    machine_end(&two);
}

static void item(struct file *file, const char *path, enum item_state state)
{
    const struct item_row row = {
        .state = state, .seq = 5, .value = span_str(state == ITEM_LIVE ? "v" : "")};
    assert_int_equal(snapshot_put_item(file->writer, span_str(path), &row, NULL), 0);
}

/* What lay beyond a server's state that was put back is saved as a difference. */
static void removals_and_reserved_paths(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    char trust[SNAPSHOT_FINGERPRINT_MAX];
    struct kb_error error = {0};
    struct kb_import_report report;
    struct snapshot_bag bag = {.bag_id = 7, .last_seq = 5, .differs = true, .since = 3};
    machine_begin(&machine);
    login(&machine, "Ann");
    (void)set(&machine, "user:Ann", "copy", "one");
    file_begin(&file, machine.folder, (struct file_form){.who = 3, .kind = SNAPSHOT_MACHINE});
    assert_int_equal(owner_parse(&bag.owner, "user:Ann", NULL), 0);
    assert_int_equal(snapshot_put_bag(file.writer, &bag, NULL), 0);
    item(&file, "@group/sales", ITEM_LIVE);
    item(&file, "copy", ITEM_TOMBSTONE);
    item(&file, "gone already", ITEM_TOMBSTONE);
    item(&file, "new", ITEM_LIVE);
    file_bag(&file, "fleet", 2, 5);
    item(&file, "@category/x", ITEM_LIVE);
    file_bag(&file, "user:Ann/device:0000000000000009", 9, 5);
    item(&file, "timeline/1", ITEM_LIVE);
    file_end(&file);
    file_fingerprint(3, trust);
    ok(take_file(&machine, file.path, trust, &report, &error), &error);
    assert_int_equal(report.items_taken, 2);
    assert_int_equal(report.same, 1);
    assert_int_equal(report.skipped, 2);
    assert_null(get(&machine, "user:Ann", "copy"));
    assert_null(get(&machine, "user:Ann", "timeline/1"));
    assert_string_equal(get(&machine, "user:Ann", "new"), "v*");
    machine_end(&machine);
}

static void many_items_are_many_change_sets(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    char path[32];
    char trust[SNAPSHOT_FINGERPRINT_MAX];
    struct kb_error error = {0};
    struct kb_import_report report;
    machine_begin(&machine);
    file_begin(&file, machine.folder, (struct file_form){.who = 3, .kind = SNAPSHOT_MACHINE});
    file_bag(&file, "user:Ann", 0, 0);
    for (int i = 0; i < 2500; i++) {
        (void)snprintf(path, sizeof path, "item/%04d", i);
        file_item(&file, path, 0, "v");
    }
    file_end(&file);
    file_fingerprint(3, trust);
    ok(take_file(&machine, file.path, trust, &report, &error), &error);
    assert_int_equal(report.items_taken, 2500);
    assert_int_equal(pending(&machine), 3 + 1); /* and the creation of Ann */
    assert_string_equal(get(&machine, "user:Ann", "item/2499"), "v*");
    machine_end(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_comes_back),
        cmocka_unit_test(on_another_machine_by_its_fingerprint),
        cmocka_unit_test(nobody_is_signed_in_by_it),
        cmocka_unit_test(removals_and_reserved_paths),
        cmocka_unit_test(many_items_are_many_change_sets),
    };
    return cmocka_run_group_tests_name("client/kb_import_machine", tests, NULL, NULL);
}
