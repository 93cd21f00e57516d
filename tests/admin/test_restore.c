/* Tests of admin/restore.c: a bag, an item, a deleted user as they were; previews; many items. */
#include "admin/restore.h"
#include "kv/inside.h"
#include "tests/admin/past_fixture.h"

static struct admin_restore_report report;
static struct err why;

static int restore(const char *owner, uint64_t seq, const char *item, bool dry_run)
{
    struct admin_restore_options options = {.backend = &fake.backend,
                                            .actor = "admin",
                                            .seq = seq,
                                            .only = span_str(item != NULL ? item : ""),
                                            .dry_run = dry_run};
    why = (struct err){0};
    assert_int_equal(owner_parse(&options.owner, owner, NULL), 0);
    return admin_restore(&options, &report, &why);
}

static void assert_counts(uint64_t set, uint64_t changed, uint64_t removed)
{
    assert_int_equal(report.set, set);
    assert_int_equal(report.changed, changed);
    assert_int_equal(report.removed, removed);
}

static void a_bag_goes_back_to_a_moment(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "b", "2"); /* 4 */
    (void)fake_put(&fake, "user:ann", "e", "5"); /* 5 */
    (void)fake_put(&fake, "user:ann", "a", "3"); /* 6 */
    (void)fake_remove(&fake, "user:ann", "b");   /* 7 */
    (void)fake_put(&fake, "user:ann", "c", "4"); /* 8 */
    uint64_t head = fake_head(&fake);
    assert_int_equal(restore("user:ann", 5, NULL, true), 0);
    assert_counts(1, 1, 1);
    assert_int_equal(report.change_sets, 1);
    assert_int_equal(report.last_seq, 0);
    assert_int_equal(fake_head(&fake), head); /* a preview changes nothing */
    assert_int_equal(restore("user:ann", 5, NULL, false), 0);
    assert_counts(1, 1, 1);
    assert_int_equal(report.last_seq, head + 3);
    assert_past("user:ann", ADMIN_PAST_NOW, "a=1 b=2 e=5");
    assert_past("user:ann", head, "a=3 c=4 e=5"); /* nothing of it is lost */
    assert_int_equal(restore("user:ann", 5, NULL, false), 0);
    assert_counts(0, 0, 0);
    assert_int_equal(report.change_sets, 0);
    assert_int_equal(report.last_seq, 0);
}

static void a_deleted_user_comes_back_with_device_specific_bags(void **state)
{
    (void)state;
    static const char device[] = "user:ann/device:0000000000000007";
    (void)fake_put(&fake, "user:ann", "a", "1");
    (void)fake_put(&fake, device, "d", "2");
    (void)fake_put(&fake, "user:ann", "a", "3");
    uint64_t before = fake_head(&fake);
    (void)fake_delete(&fake, "user:ann");
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, NULL, true), 0);
    assert_counts(2, 0, 0);
    assert_int_equal(report.bags, 2);
    assert_int_equal(report.seq, before);
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, NULL, false), 0);
    assert_int_equal(report.bags, 2);
    assert_int_equal(report.change_sets, 2);
    assert_past("user:ann", ADMIN_PAST_NOW, "a=3");
    assert_past(device, ADMIN_PAST_NOW, "d=2");
    /* again, from changes alone, at an older moment, while there is another bag */
    (void)fake_delete(&fake, "user:ann");
    clean_all();
    (void)fake_put(&fake, "user:ann", "z", "9");
    assert_int_equal(restore("user:ann", before - 1, NULL, false), 0);
    assert_counts(2, 0, 1);
    assert_int_equal(report.bags, 1);
    assert_past("user:ann", ADMIN_PAST_NOW, "a=1");
    assert_past(device, ADMIN_PAST_NOW, "d=2");
}

/* To bring one of a thousand back costs the same as to bring one of one: a spoiled grave of another
 * is not noticed. */
static void graves_of_others_are_not_looked_at(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");
    (void)fake_put(&fake, "user:ann/device:0000000000000007", "d", "2");
    uint64_t bea = fake_put(&fake, "user:bea", "b", "1");
    uint64_t before = fake_head(&fake);
    (void)fake_delete(&fake, "user:ann");
    (void)fake_delete(&fake, "user:bea");
    struct kv_key key = kv_key_grave(bea);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put(batch, (const char *)key.data, key.size, "spoiled", 7);
    assert_int_equal(kv_store_write(&fake.backend.kv->store, batch, NULL), 0);
    rocksdb_writebatch_destroy(batch);
    assert_int_equal(restore("user:bea", ADMIN_PAST_NOW, NULL, true), E_CORRUPT);
    assert_int_equal(restore("user:ann", before, NULL, true), 0);
    assert_counts(2, 0, 0);
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, NULL, false), 0);
    assert_counts(2, 0, 0);
}

static void an_empty_user_comes_back_too(void **state)
{
    (void)state;
    (void)fake_put(&fake, "group:g", NULL, NULL);
    (void)fake_delete(&fake, "group:g");
    assert_int_equal(restore("group:g", ADMIN_PAST_NOW, NULL, false), 0);
    assert_int_equal(report.bags, 1);
    assert_past("group:g", ADMIN_PAST_NOW, "");
}

static void an_item_comes_back(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "b", "1"); /* 4 */
    (void)fake_put(&fake, "user:ann", "a", "2"); /* 5 */
    (void)fake_remove(&fake, "user:ann", "a");   /* 6 */
    (void)fake_put(&fake, "user:ann", "b", "2"); /* 7 */
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, "a", false), 0);
    assert_counts(1, 0, 0);
    assert_past("user:ann", ADMIN_PAST_NOW, "a=2 b=2");
    assert_int_equal(restore("user:ann", 3, "a", false), 0);
    assert_counts(0, 1, 0);
    assert_past("user:ann", ADMIN_PAST_NOW, "a=1 b=2");
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, "a", false), E_EXISTS);
    assert_non_null(strstr(why.text, "'ann' has an item 'a', at seq 9: say to which moment"));
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, "x", false), E_NOT_FOUND);
    assert_string_equal(why.text, "'ann' never had an item 'x' that was removed");
    assert_int_equal(restore("user:ann", 3, "b", false), E_NOT_FOUND);
    assert_string_equal(why.text, "after change 3 'ann' had no item 'b'");
    assert_past("user:ann", ADMIN_PAST_NOW, "a=1 b=2");
}

static void an_item_comes_back_from_behind_a_fence(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "copy/a", "1");
    (void)fake_fence_up(&fake, "copy");
    assert_past("user:ann", ADMIN_PAST_NOW, "");
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, "copy/a", false), 0);
    assert_counts(1, 0, 0);
    assert_past("user:ann", ADMIN_PAST_NOW, "copy/a=1");
}

static void who_is_not_deleted_needs_a_moment(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, NULL, true), E_EXISTS);
    assert_non_null(strstr(why.text, "'ann' is not deleted: say to which moment"));
    assert_int_equal(restore("user:bob", ADMIN_PAST_NOW, NULL, true), E_NOT_FOUND);
    assert_string_equal(why.text, "no user 'bob' was deleted that anything is known of");
    assert_int_equal(restore("user:bob", 3, NULL, true), E_NOT_FOUND);
}

static void change_it(struct fake_backend *backend)
{
    (void)fake_put(backend, "user:ann", "a", "meanwhile");
}

static void what_is_changed_meanwhile_is_not_overwritten(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");
    (void)fake_put(&fake, "user:ann", "a", "2");
    fake.meanwhile = change_it;
    assert_int_equal(restore("user:ann", 3, NULL, false), E_CONDITION);
    assert_non_null(strstr(why.text, ", meanwhile: look again, and restore again"));
    assert_counts(0, 0, 0);
    assert_past("user:ann", ADMIN_PAST_NOW, "a=meanwhile");
}

/* More than one change set by number, and by bytes. */
static void many_items_go_in_several_change_sets(void **state)
{
    (void)state;
    static char large[400 << 10];
    memset(large, 'x', sizeof large - 1);
    struct operation_write *writes = calloc(ADMIN_RESTORE_WRITES, sizeof *writes);
    char(*paths)[16] = calloc(ADMIN_RESTORE_WRITES, sizeof *paths);
    assert_true(writes != NULL && paths != NULL);
    for (size_t i = 0; i < ADMIN_RESTORE_WRITES; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "p/%06zu", i);
        writes[i].path = span_str(paths[i]);
        writes[i].value = SPAN_LITERAL("v");
    }
    struct submit submit = {
        .create = true, .actor = "admin", .writes = writes, .write_count = ADMIN_RESTORE_WRITES};
    assert_int_equal(owner_parse(&submit.owner, "user:ann", NULL), 0);
    assert_int_equal(fake_submit(&fake, &submit, 1, NULL), 0);
    for (int i = 0; i < 5; i++) {
        char path[8];
        (void)snprintf(path, sizeof path, "q%d", i);
        (void)fake_put(&fake, "user:ann", path, large);
    }
    (void)fake_delete(&fake, "user:ann");
    fake.largest_set = 0;
    fake.largest_bytes = 0;
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, NULL, false), 0);
    assert_int_equal(report.set, ADMIN_RESTORE_WRITES + 5);
    assert_int_equal(report.change_sets, 3);
    assert_int_equal(fake.largest_set, ADMIN_RESTORE_WRITES);
    assert_true(fake.largest_bytes <= ADMIN_RESTORE_BYTES);
    uint64_t again = report.change_sets;
    (void)fake_delete(&fake, "user:ann");
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, NULL, true), 0);
    assert_int_equal(report.change_sets, again); /* a preview counts the same */
    free(writes);
    free(paths);
}

static void a_refusal_is_told(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");
    (void)fake_delete(&fake, "user:ann");
    fake.refuse_code = E_QUOTA;
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, NULL, false), E_QUOTA);
    assert_int_equal(report.bags, 0);
    fake.refuse_code = 0;
    fake.fail_code = E_CLOSED;
    assert_int_equal(restore("user:ann", ADMIN_PAST_NOW, NULL, false), E_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(a_bag_goes_back_to_a_moment),
        FAKE_TEST(a_deleted_user_comes_back_with_device_specific_bags),
        FAKE_TEST(graves_of_others_are_not_looked_at),
        FAKE_TEST(an_empty_user_comes_back_too),
        FAKE_TEST(an_item_comes_back),
        FAKE_TEST(an_item_comes_back_from_behind_a_fence),
        FAKE_TEST(who_is_not_deleted_needs_a_moment),
        FAKE_TEST(what_is_changed_meanwhile_is_not_overwritten),
        FAKE_TEST(many_items_go_in_several_change_sets),
        FAKE_TEST(a_refusal_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
