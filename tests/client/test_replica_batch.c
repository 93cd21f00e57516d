/* tests/client/test_replica_batch.c - many messages of the server in one transaction. */
#include "tests/client/replica_samples.h"

#include "tests/support/fail_alloc.h"

static struct replica_batch *begin(struct fixture *f)
{
    struct replica_batch *batch = NULL;
    assert_int_equal(replica_batch_begin(f->replica, &batch, NULL), 0);
    return batch;
}

static int change(struct replica_batch *batch, uint64_t bag_id, uint64_t seq, uint64_t prev,
                  const char *path, const char *value, uint64_t *bad)
{
    struct change made = sample_set(bag_id, seq, prev, path, value);
    return replica_batch_changes(batch, &made, 1, seq, sample_hash, bad, NULL);
}

/* "40:a@41 " per change, "40:@42 " for a bag as a whole. */
static void tell(void *context, const struct replica_bag *bag, const struct change *change)
{
    char *text = context;
    size_t used = strlen(text);
    assert_int_equal(bag->bag_id, change->bag_id);
    (void)snprintf(text + used, 256 - used, "%d:%.*s%s@%d ", (int)change->bag_id,
                   (int)change->path.size, (const char *)change->path.data,
                   change->kind == CHANGE_ITEM_REMOVE ? "!" : "", (int)change->seq);
}

static void messages_of_all_kinds_are_one_transaction(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    struct replica_bag bob = sample_bag(&f, "Bob", 50, 0);
    struct replica_row rows[] = {sample_row("x", 51, "1"), sample_removed("gone", 52)};
    struct replica_page page = {
        .bag_id = 50, .first = true, .last = true, .whole = true, .cursor = 52, .seq = 60};
    char told[256] = "";
    uint64_t bad = 0;
    bool differs = true;
    struct replica_batch *batch = begin(&f);
    assert_int_equal(change(batch, 40, 61, 40, "a", "1", &bad), 0);
    assert_int_equal(replica_batch_page(batch, &page, rows, 2, NULL), 0);
    assert_int_equal(change(batch, 50, 62, 52, "y", "2", &bad), 0);
    page = (struct replica_page){.bag_id = 40, .first = true, .last = true, .since = 61};
    page.cursor = page.seq = 63;
    rows[0] = sample_row("b", 62, "2");
    rows[1] = sample_removed("a", 63);
    assert_int_equal(replica_batch_page(batch, &page, rows, 2, NULL), 0);
    assert_int_equal(replica_batch_complete(batch, 40, 63, NULL, &differs, NULL), 0);
    assert_false(differs);
    assert_items(&f, ann.local, "", ""); /* who reads meanwhile sees nothing of it */
    assert_int_equal(replica_batch_commit(&batch, tell, told, NULL), 0);
    assert_null(batch);
    assert_string_equal(told, "40:a@61 50:@52 50:y@62 40:b@62 40:a!@63 ");
    assert_items(&f, ann.local, "", "b=2");
    assert_items(&f, bob.local, "", "x=1 y=2");
    assert_int_equal(bag_with_id(&f, 40).cursor, 63);
    assert_int_equal(bag_with_id(&f, 50).cursor, 62);
    assert_int_equal(scrub_all(&f), 0);
    fixture_end(&f);
}

static void a_refused_message_leaves_the_others(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    struct replica_bag bob = sample_bag(&f, "Bob", 50, 50);
    struct change gap[] = {sample_set(40, 62, 61, "never", "1"),
                           sample_set(50, 63, 60, "never", "2")};
    struct replica_page page = {.bag_id = 40, .first = true, .last = true, .since = 70};
    char told[256] = "";
    uint64_t bad = 0;
    bool differs = true;
    struct replica_batch *batch = begin(&f);
    assert_int_equal(change(batch, 40, 61, 40, "a", "1", &bad), 0);
    assert_int_equal(replica_batch_changes(batch, gap, 2, 63, sample_hash, &bad, NULL),
                     E_CONDITION);
    assert_int_equal(bad, 50);
    assert_int_equal(replica_batch_page(batch, &page, NULL, 0, NULL), E_CONDITION);
    page.bag_id = 99;
    assert_int_equal(replica_batch_page(batch, &page, NULL, 0, NULL), E_NOT_FOUND);
    assert_int_equal(replica_batch_complete(batch, 50, 51, NULL, &differs, NULL), E_CONDITION);
    assert_int_equal(change(batch, 40, 64, 61, "b", "2", &bad), 0);
    assert_int_equal(bad, 0);
    assert_int_equal(replica_batch_commit(&batch, tell, told, NULL), 0);
    assert_string_equal(told, "40:a@61 40:b@64 ");
    assert_items(&f, ann.local, "", "a=1 b=2");
    assert_items(&f, bob.local, "", "");
    assert_int_equal(bag_with_id(&f, 50).cursor, 50);
    fixture_end(&f);
}

static void an_aborted_batch_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    uint64_t bad = 0;
    struct replica_batch *batch = begin(&f);
    assert_int_equal(change(batch, 40, 61, 40, "a", "1", &bad), 0);
    replica_batch_abort(&batch);
    replica_batch_abort(&batch);
    assert_items(&f, ann.local, "", "");
    assert_int_equal(bag_with_id(&f, 40).cursor, 40);
    apply_set(&f, 40, 61, 40, "a", "1"); /* others may write again */
    fixture_end(&f);
}

/* A bag that was deleted by one message is unknown to the next ones. */
static void a_deleted_bag_is_gone_for_the_rest(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 40, 40);
    struct change delete = {.seq = 62, .kind = CHANGE_BAG_DELETE, .bag_id = 40, .prev = 61};
    uint64_t bad = 0;
    bool differs = true;
    char told[256] = "";
    struct replica_batch *batch = begin(&f);
    assert_int_equal(change(batch, 40, 61, 40, "a", "1", &bad), 0);
    assert_int_equal(replica_batch_changes(batch, &delete, 1, 62, sample_hash, &bad, NULL), 0);
    assert_int_equal(change(batch, 40, 63, 62, "b", "1", &bad), 0);
    assert_int_equal(replica_batch_complete(batch, 40, 63, NULL, &differs, NULL), E_NOT_FOUND);
    assert_int_equal(replica_batch_commit(&batch, tell, told, NULL), 0);
    assert_string_equal(told, "40:a@61 40:@62 ");
    struct replica_bag bag;
    assert_int_equal(replica_bag_by_id(f.replica, 40, &bag, NULL), E_NOT_FOUND);
    fixture_end(&f);
}

static void a_full_map_spoils_the_batch_and_nothing_is_half_done(void **state)
{
    (void)state;
    struct fixture f;
    memset(&f, 0, sizeof f);
    tmp_folder_make(f.folder);
    tmp_folder_path(f.dir, f.folder, "replica");
    assert_int_equal(replica_open(&f.replica, f.dir, 1 << 18, NULL), 0);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    static char big[100000];
    memset(big, 'x', sizeof big - 1);
    uint64_t bad = 0;
    int rc = 0;
    struct replica_batch *batch = begin(&f);
    assert_int_equal(change(batch, 40, 41, 40, "first", "1", &bad), 0);
    for (uint64_t seq = 42; rc == 0 && seq < 60; seq++) {
        char path[16];
        (void)snprintf(path, sizeof path, "p%d", (int)seq);
        rc = change(batch, 40, seq, seq - 1, path, big, &bad);
    }
    assert_int_equal(rc, E_NOSPACE);
    bool differs = false;
    struct replica_page page = {.bag_id = 40, .first = true, .last = true, .whole = true};
    assert_int_equal(change(batch, 40, 90, 80, "more", "1", &bad), E_NOSPACE);
    assert_int_equal(replica_batch_page(batch, &page, NULL, 0, NULL), E_NOSPACE);
    assert_int_equal(replica_batch_complete(batch, 40, 41, NULL, &differs, NULL), E_NOSPACE);
    struct err err = {0};
    assert_int_equal(replica_batch_commit(&batch, NULL, NULL, &err), E_NOSPACE);
    assert_non_null(strstr(err.text, "map_bytes"));
    assert_items(&f, ann.local, "", "");
    fixture_end(&f);
}

static void many_bags_are_found_again(void **state)
{
    (void)state;
    enum { BAGS = 200 };
    struct fixture f;
    fixture_begin(&f);
    for (uint64_t i = 0; i < BAGS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "user%d", (int)i);
        (void)sample_bag(&f, name, 1000 + i, 1000 + i);
    }
    struct replica_batch *batch = begin(&f);
    uint64_t bad = 0;
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < BAGS; i++) {
            uint64_t seq = 2000 + round * BAGS + i;
            uint64_t prev = round == 0 ? 1000 + i : seq - BAGS;
            assert_int_equal(change(batch, 1000 + i, seq, prev, "a", "1", &bad), 0);
        }
    }
    assert_int_equal(replica_batch_commit(&batch, NULL, NULL, NULL), 0);
    for (uint64_t i = 0; i < BAGS; i++) {
        assert_int_equal(bag_with_id(&f, 1000 + i).cursor, 2000 + 2 * BAGS + i);
    }
    fixture_end(&f);
}

static int whole_batch(struct fixture *f)
{
    struct replica_batch *batch = NULL;
    struct replica_row rows[] = {sample_row("x", 51, "1")};
    struct replica_page page = {
        .bag_id = 50, .first = true, .last = true, .whole = true, .cursor = 52, .seq = 60};
    uint64_t bad = 0;
    bool differs = false;
    int rc = replica_batch_begin(f->replica, &batch, NULL);
    if (rc != 0) {
        return rc;
    }
    int first = change(batch, 40, 61, 40, "a", "1", &bad);
    int second = replica_batch_page(batch, &page, rows, 1, NULL);
    int third = replica_batch_complete(batch, 50, 52, NULL, &differs, NULL);
    rc = replica_batch_commit(&batch, NULL, NULL, NULL);
    assert_true(rc == 0 || first != 0 || second != 0 || third != 0);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_bag ann = sample_bag(&f, "Ann", 40, 40);
    (void)sample_bag(&f, "Bob", 50, 0);
    unsigned nth = 1;
    for (;; nth++) {
        fail_alloc_at(nth);
        int rc = whole_batch(&f);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_items(&f, ann.local, "", "");
    }
    assert_true(nth > 4);
    assert_items(&f, ann.local, "", "a=1");
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_all_kinds_are_one_transaction),
        cmocka_unit_test(a_refused_message_leaves_the_others),
        cmocka_unit_test(an_aborted_batch_leaves_nothing),
        cmocka_unit_test(a_deleted_bag_is_gone_for_the_rest),
        cmocka_unit_test(a_full_map_spoils_the_batch_and_nothing_is_half_done),
        cmocka_unit_test(many_bags_are_found_again),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("client/replica_batch", tests, NULL, NULL);
}
