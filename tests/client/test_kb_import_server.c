/* tests/client/test_kb_import_server.c - what a file of the server does to a machine. */
#include "tests/client/file_samples.h"

static void begin(struct machine *machine)
{
    machine_begin(machine);
    machine_of(machine, 1);
}

static void take(struct machine *machine, const struct file *file, struct kb_import_report *report)
{
    struct kb_error error = {0};
    ok(take_file(machine, file->path, NULL, report, &error), &error);
}

static uint64_t cursor_of(struct machine *machine, const char *user)
{
    struct owner owner;
    struct replica_bag bag;
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str(user), 0, NULL), 0);
    int rc = replica_bag_by_owner(machine->kb->replica, &owner, &bag, NULL);
    return rc == 0 ? bag.cursor : 0;
}

/* Each bag is where the file has it; where something was left out, before that. */
static void cursors_are_the_files(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    begin(&machine);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    take(&machine, &file, NULL);
    assert_int_equal(cursor_of(&machine, "Ann"), 599); /* the key has 600 */
    assert_int_equal(cursor_of(&machine, "Bo"), 13);
    assert_string_equal(status_of(&machine).history, "30313233343536373839616263646500");
    assert_int_equal(status_of(&machine).seq, 1000);
    machine_end(&machine);
}

struct noted {
    size_t count;
    char first_group[NAME_MAX_BYTES + 1];
};

static int note_due(void *context, const struct due *due, struct err *err)
{
    (void)err;
    struct noted *noted = context;
    assert_true(due->in && !due->out);
    noted->count++;
    if (strcmp(due->user.shown, "Ann") == 0) {
        assert_int_equal(due->bag_id, 7);
        assert_int_equal(due->groups.count, 1);
        memcpy(noted->first_group, due->groups.list[0].shown, sizeof noted->first_group);
    }
    return 0;
}

static void whom_it_brings_is_to_be_signed_in(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct noted noted = {0};
    struct kb_groups groups;
    struct owner ann;
    struct replica_bag bag;
    begin(&machine);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    take(&machine, &file, NULL);
    assert_int_equal(client_dues(machine.kb, note_due, &noted, NULL), 0);
    assert_int_equal(noted.count, 2);
    assert_string_equal(noted.first_group, "Sales");
    assert_int_equal(owner_parse(&ann, "user:ann", NULL), 0);
    assert_int_equal(replica_bag_by_owner(machine.kb->replica, &ann, &bag, NULL), 0);
    assert_int_equal(client_groups_get(machine.kb, bag.local, &groups, NULL), 0);
    assert_int_equal(groups.count, 1);
    assert_string_equal(groups.list[0].folded, "sales");

    /* signed out again, the server need not hear of it */
    struct kb_error error = {0};
    ok(kb_logout(machine.kb, "Ann", &error), &error);
    assert_false(client_is_due(machine.kb, 7));
    assert_true(client_is_due(machine.kb, 12));
    machine_end(&machine);
}

static void nothing_is_done_by_a_dry_run(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct kb_error error = {0};
    struct kb_import_report report;
    struct kb_import_options options = {.size = sizeof options, .dry_run = true};
    begin(&machine);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    ok(kb_import(machine.kb, file.path, &options, &report, &error), &error);
    assert_int_equal(report.taken, 3);
    assert_int_equal(report.users, 2);
    assert_int_equal(report.items_taken, 5);
    assert_int_equal(status_of(&machine).bags, 0);
    assert_false(client_is_due(machine.kb, 7));
    assert_int_equal(status_of(&machine).seq, 0);
    machine_end(&machine);
}

static void older_files_are_refused_and_older_bags_stay(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct kb_error error = {0};
    struct kb_import_report report;
    begin(&machine);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    take(&machine, &file, NULL);
    take(&machine, &file, &report); /* again: what is whole is there */
    assert_int_equal(report.same, 2);
    assert_int_equal(report.newer, 0);

    file_begin(&file, machine.folder, (struct file_form){.who = 1, .seq = 899});
    file_bag(&file, "user:Ann", 7, 899);
    file_item(&file, "copy", 700, "old");
    file_end(&file);
    assert_int_equal(take_file(&machine, file.path, NULL, NULL, &error), KB_E_CONDITION);
    assert_non_null(
        strstr(error.text, "is older than what this machine has: it is as of change 899"));
    assert_string_equal(get(&machine, "user:Ann", "copy"), "two sides");

    file_begin(&file, machine.folder, (struct file_form){.who = 1, .seq = 899});
    file_bag(&file, "user:Ann", 7, 899);
    file_item(&file, "copy", 700, "old");
    file_bag(&file, "user:Cy", 20, 30);
    file_item(&file, "copy", 30, "new here");
    file_end(&file);
    take(&machine, &file, &report);
    assert_int_equal(report.taken, 1);
    assert_int_equal(report.newer, 1);
    assert_string_equal(get(&machine, "user:Ann", "copy"), "two sides");
    assert_string_equal(get(&machine, "user:Cy", "copy"), "new here");
    assert_int_equal(status_of(&machine).seq, 1000); /* never back */
    machine_end(&machine);
}

static void a_newer_file_replaces(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct kb_import_report report;
    begin(&machine);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    take(&machine, &file, NULL);
    file_begin(&file, machine.folder, (struct file_form){.who = 1, .seq = 2000});
    file_bag(&file, "user:Ann", 7, 1500);
    file_item(&file, "copy", 1500, "booklet");
    file_end(&file);
    take(&machine, &file, &report);
    assert_int_equal(report.taken, 1);
    assert_string_equal(get(&machine, "user:Ann", "copy"), "booklet");
    assert_null(get(&machine, "user:Ann", "fax"));
    assert_int_equal(cursor_of(&machine, "Ann"), 1500);
    assert_int_equal(status_of(&machine).seq, 2000);
    machine_end(&machine);
}

/* What a person wrote here and was not sent lies over whatever the file brings. */
static void writes_that_wait_stay_visible(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    uint64_t refused = 0;
    uint64_t pending = 0;
    begin(&machine);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    take(&machine, &file, NULL);
    (void)set(&machine, "user:Ann", "copy", "mine");
    file_begin(&file, machine.folder, (struct file_form){.who = 1, .seq = 2000});
    file_bag(&file, "user:Ann", 7, 1500);
    file_item(&file, "copy", 1500, "booklet");
    file_item(&file, "zoom", 1400, "2");
    file_end(&file);
    take(&machine, &file, NULL);
    assert_string_equal(get(&machine, "user:Ann", "copy"), "mine*");
    assert_string_equal(get(&machine, "user:Ann", "zoom"), "2");
    outbox_counts(machine.kb->outbox, &pending, &refused);
    assert_int_equal(pending, 1);
    machine_again(&machine);
    assert_string_equal(get(&machine, "user:Ann", "copy"), "mine*");
    machine_end(&machine);
}

/* One that this machine registered itself, standing alone. */
static void what_was_made_here_lies_over_it(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    char trust[SNAPSHOT_FINGERPRINT_MAX];
    struct kb_error error = {0};
    machine_begin(&machine);
    login(&machine, "ann");
    (void)set(&machine, "user:ann", "copy", "mine");
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    file_fingerprint(1, trust);
    ok(take_file(&machine, file.path, trust, NULL, &error), &error);
    assert_string_equal(get(&machine, "user:Ann", "copy"), "mine*");
    assert_string_equal(get(&machine, "user:Ann", "fax"), "fine");
    machine_again(&machine);
    assert_string_equal(get(&machine, "user:Ann", "copy"), "mine*");
    assert_string_equal(get(&machine, "user:Ann", "fax"), "fine");
    (void)set(&machine, "user:Ann", "fax", "coarse");
    assert_string_equal(get(&machine, "user:Ann", "fax"), "coarse*");
    machine_end(&machine);
}

static void bags_of_other_machines_are_none_of_its(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct kb_import_report report;
    begin(&machine);
    file_begin(&file, machine.folder, (struct file_form){.who = 1});
    file_bag(&file, "user:Ann", 7, 900);
    file_item(&file, "copy", 800, "two sides");
    file_bag(&file, "user:Ann/device:0000000000000005", 8, 900);
    file_item(&file, "timeline/1", 800, "here");
    file_bag(&file, "user:Ann/device:0000000000000006", 9, 900);
    file_item(&file, "timeline/1", 800, "there");
    file_bag(&file, "device:0000000000000006", 10, 900);
    file_item(&file, "@user/7", 800, "Ann");
    file_end(&file);
    take(&machine, &file, &report);
    assert_int_equal(report.taken, 2);
    assert_int_equal(report.skipped, 2);
    assert_string_equal(get(&machine, "user:Ann/device:0000000000000005", "timeline/1"), "here");
    struct kb_error error = {0};
    struct kb_value value;
    assert_int_equal(
        kb_get(machine.kb, "user:Ann/device:0000000000000006", "timeline/1", &value, &error),
        KB_E_NOT_SIGNED_IN);
    machine_end(&machine);
}

/* By the catalogue: what is left out of files of categories that are not exported, and what is not
 * in it for it was removed. */
static void what_the_catalogue_leaves_out_stays(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct buf row;
    struct category secret = {.path = "secret",
                              .path_size = 6,
                              .secret = true,
                              .exported = true,
                              .title = "Secret",
                              .title_ja = "Secret"};
    begin(&machine);
    buf_init(&row, 1000);
    sharing_put_category(&row, &secret);
    (void)buf_append_u8(&row, 0);
    for (int i = 0; i < 2; i++) {
        bool first = i == 0;
        file_begin(&file, machine.folder,
                   (struct file_form){
                       .who = 1, .seq = first ? 1000 : 2000, .password = first ? "x" : NULL});
        file_bag(&file, "fleet", 2, 3);
        struct item_row fleet = {
            .state = ITEM_LIVE, .seq = 3, .value = span_of(row.data, row.size - 1)};
        assert_int_equal(
            snapshot_put_item(file.writer, SPAN_LITERAL("@category/secret"), &fleet, NULL), 0);
        file_bag(&file, "user:Ann", 7, first ? 900 : 1500);
        file_item(&file, "copy", 800, "two sides");
        if (first) {
            file_item(&file, "fax", 700, "removed since");
        }
        file_item(&file, "secret/key", 600, "hunter2");
        file_end(&file);
        struct kb_error error = {0};
        struct kb_import_options options = {.size = sizeof options, .password = first ? "x" : NULL};
        ok(kb_import(machine.kb, file.path, &options, NULL, &error), &error);
        assert_string_equal(get(&machine, "user:Ann", "secret/key"), "hunter2");
    }
    assert_null(get(&machine, "user:Ann", "fax"));
    assert_int_equal(cursor_of(&machine, "Ann"), 599);
    buf_free(&row);
    machine_end(&machine);
}

static void too_many_people_are_refused_as_a_whole(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    char name[32];
    struct kb_error error = {0};
    begin(&machine);
    file_begin(&file, machine.folder, (struct file_form){.who = 1, .seq = 5000});
    for (uint64_t i = 0; i < 1001; i++) {
        (void)snprintf(name, sizeof name, "user:%04d", (int)i);
        file_bag(&file, name, 10 + i, 20 + i);
    }
    file_end(&file);
    assert_int_equal(take_file(&machine, file.path, NULL, NULL, &error), KB_E_QUOTA);
    assert_int_equal(status_of(&machine).bags, 0);
    assert_false(client_is_due(machine.kb, 10));
    machine_end(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursors_are_the_files),
        cmocka_unit_test(whom_it_brings_is_to_be_signed_in),
        cmocka_unit_test(nothing_is_done_by_a_dry_run),
        cmocka_unit_test(older_files_are_refused_and_older_bags_stay),
        cmocka_unit_test(a_newer_file_replaces),
        cmocka_unit_test(writes_that_wait_stay_visible),
        cmocka_unit_test(what_was_made_here_lies_over_it),
        cmocka_unit_test(bags_of_other_machines_are_none_of_its),
        cmocka_unit_test(what_the_catalogue_leaves_out_stays),
        cmocka_unit_test(too_many_people_are_refused_as_a_whole),
    };
    return cmocka_run_group_tests_name("client/kb_import_server", tests, NULL, NULL);
}
