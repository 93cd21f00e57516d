/* tests/server/test_restore_carry.c - what is carried over into a new history, and what is not. */
#include "server/restore_carry.h"

#include "server/backup_record.h"
#include "tests/server/backup_fixture.h"

static struct ground ground;
static struct settings settings;
static struct manifest manifest;
static struct removal_list list;
static struct restore_report report;

static int setup(void **state)
{
    (void)state;
    ground_open(&ground);
    settings = (struct settings){.limits = ground.fx->limits};
    manifest = (struct manifest){0};
    list = (struct removal_list){0};
    report = (struct restore_report){.known = true};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    removal_list_free(&list);
    ground_close(&ground);
    return 0;
}

/* The journal as it is now is a backup's, just put in its place. */
static void carry(bool keep_folders)
{
    struct err err = {0};
    committer_free(&ground.fx->committer);
    registry_free(&ground.fx->registry);
    struct journal_position head;
    journal_head(ground.fx->journal, &head);
    journal_history(ground.fx->journal, manifest.history);
    manifest.seq = head.seq;
    manifest.time_ms = 77;
    const struct restore_carry wanted = {.journal = ground.fx->journal,
                                         .kv = ground.fx->kv,
                                         .settings = &settings,
                                         .manifest = &manifest,
                                         .name = "20261123T034858Z-4711",
                                         .removals = &list,
                                         .keep_folders = keep_folders};
    int rc = restore_carry(&wanted, &report, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    fx_close(ground.fx, true);
    fx_open(ground.fx);
}

static void add(struct removal removal)
{
    assert_int_equal(removal_list_add(&list, &removal, NULL), 0);
}

static uint64_t bag_of(const char *text)
{
    struct owner owner;
    struct bag_row row = {0};
    assert_int_equal(owner_parse(&owner, text, NULL), 0);
    return kv_bag_of(ground.fx->kv, NULL, &owner, &row, NULL) == 0 ? row.bag_id : 0;
}

static struct restored_record record(void)
{
    struct restored_record found = {0};
    const char *text = fx_value(ground.fx, 2, RESTORED_ITEM);
    struct kv_item item = {0};
    assert_string_not_equal(text, "");
    assert_int_equal(kv_item(ground.fx->kv, NULL, 2, SPAN_LITERAL(RESTORED_ITEM), &item, NULL), 0);
    assert_int_equal(restored_get(&found, item.row.value, NULL), 0);
    kv_item_free(&item);
    return found;
}

static void a_history_begins_and_says_where_it_came_from(void **state)
{
    (void)state;
    uint8_t history[HISTORY_SIZE];
    report.known_to_ms = 99;
    carry(false);
    journal_history(ground.fx->journal, history);
    assert_memory_equal(history, report.history, HISTORY_SIZE);
    assert_memory_not_equal(history, manifest.history, HISTORY_SIZE);
    struct restored_record found = record();
    assert_string_equal(found.backup, "20261123T034858Z-4711");
    assert_memory_equal(found.parent, manifest.history, HISTORY_SIZE);
    assert_true(found.parent_seq == manifest.seq && found.backup_ms == 77);
    assert_true(!found.unknown && found.known_to_ms == 99 && found.restored_ms > 0);
    assert_false(restored_held(&found));
}

static void what_is_not_known_holds(void **state)
{
    (void)state;
    report.known = false;
    carry(false);
    struct restored_record found = record();
    assert_true(restored_held(&found));
    assert_true(registry_held(ground.fx->registry));
}

/* In the history of the backup up to its change: it is in the backup already. */
static void only_what_came_after_counts(void **state)
{
    (void)state;
    uint8_t ancestor[HISTORY_SIZE];
    uint8_t present[HISTORY_SIZE];
    static const uint8_t later[HISTORY_SIZE] = {7};
    static const char *const users[] = {"user:ann", "user:bob", "user:eve", "user:zoe", "user:kim"};
    uint64_t bags[5];
    for (size_t i = 0; i < 5; i++) {
        ground_put(&ground, users[i], "1");
        bags[i] = bag_of(users[i]);
    }
    journal_history(ground.fx->journal, ancestor);
    assert_int_equal(fx_submit(ground.fx, SUBMIT_FORK, "server", NULL, NULL).code, 0);
    journal_history(ground.fx->journal, present);
    uint64_t seq = ground_head(&ground);
    struct removal removal = {.kind = REMOVAL_BAG, .bag_id = bags[0], .seq = seq};
    memcpy(removal.history, present, HISTORY_SIZE);
    add(removal); /* at the backup's last change */
    removal.bag_id = bags[1];
    removal.seq = seq + 1;
    add(removal); /* behind it */
    add(removal); /* and told twice */
    removal.bag_id = bags[2];
    removal.seq = seq + 100;
    memcpy(removal.history, ancestor, HISTORY_SIZE);
    add(removal); /* on a line that was left before the backup */
    removal.bag_id = bags[3];
    removal.seq = 5;
    memcpy(removal.history, later, HISTORY_SIZE);
    add(removal); /* on a line that left the backup's */
    removal.bag_id = bags[4];
    memcpy(removal.text, "user:sam", sizeof "user:sam");
    add(removal); /* where the number was somebody else's */
    removal.text[0] = '\0';
    removal.bag_id = seq + 50;
    add(removal); /* made after the backup */
    carry(false);
    assert_int_equal(bag_of("user:ann"), bags[0]);
    assert_int_equal(bag_of("user:bob"), 0);
    assert_int_equal(bag_of("user:eve"), bags[2]);
    assert_int_equal(bag_of("user:zoe"), 0);
    assert_int_equal(bag_of("user:kim"), bags[4]);
    assert_int_equal(report.owners, 2);
}

static void a_machine_ends_as_it_was_last(void **state)
{
    (void)state;
    struct machine removed;
    struct machine replaced;
    struct removal removal = {.kind = REMOVAL_DEVICE, .history = {7}, .seq = 5};
    fx_join(ground.fx, &removed, 1);
    fx_join(ground.fx, &replaced, 2);
    removal.device = removed.device;
    add(removal);
    removal.device = replaced.device;
    add(removal);
    removal.kind = REMOVAL_KEY; /* another machine took its place */
    memset(removal.key, 0x55, KEY_SIZE);
    add(removal);
    removal.device = 0x1234; /* it joined after the backup */
    add(removal);
    carry(false);
    assert_true(report.machines == 1 && report.keys == 1);
    assert_false(registry_active(ground.fx->registry, removed.device));
    assert_true(registry_active(ground.fx->registry, replaced.device));
    assert_false(registry_holds(ground.fx->registry, replaced.device, replaced.key));
    assert_true(registry_holds(ground.fx->registry, replaced.device, removal.key));
    assert_false(registry_knows(ground.fx->registry, 0x1234));
}

static void nothing_but_rights_is_removed_of_the_servers_bag(void **state)
{
    (void)state;
    static const char *const paths[] = {"@account/ann", "@token/12", "@audit", "device/1"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fx_submit(ground.fx, SUBMIT_WRITE, "server", paths[i], "x").code, 0);
        struct removal removal = {.kind = REMOVAL_ITEM, .history = {7}, .seq = 5};
        (void)snprintf(removal.text, sizeof removal.text, "%s", paths[i]);
        add(removal);
        add(removal);
    }
    carry(false);
    assert_int_equal(report.items, 2);
    assert_string_equal(fx_value(ground.fx, 2, "@account/ann"), "");
    assert_string_equal(fx_value(ground.fx, 2, "@token/12"), "");
    assert_string_equal(fx_value(ground.fx, 2, "@audit"), "x");
}

static void folders_of_backups_stay_with_the_server_at_its_place(void **state)
{
    (void)state;
    char item[BACKUP_ITEM_MAX];
    struct buf text;
    buf_init(&text, BACKUP_RECORD_MAX);
    (void)backup_record_path(item, "/srv/b");
    backup_record_put(&text, "/srv/b", 1);
    (void)buf_append_u8(&text, 0);
    const char *value = (const char *)text.data;
    assert_int_equal(fx_submit(ground.fx, SUBMIT_WRITE, "server", item, value).code, 0);
    carry(true);
    assert_string_equal(fx_value(ground.fx, 2, item), value);
    assert_int_equal(report.folders_left, 0);
    carry(false);
    assert_string_equal(fx_value(ground.fx, 2, item), "");
    assert_int_equal(report.folders_left, 1);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_history_begins_and_says_where_it_came_from, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_not_known_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_came_after_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_machine_ends_as_it_was_last, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_but_rights_is_removed_of_the_servers_bag, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(folders_of_backups_stay_with_the_server_at_its_place, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
