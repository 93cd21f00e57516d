/* tests/client/test_replica_import.c - bags from a file take effect at once, or not at all. */
#include "tests/client/import_samples.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/fail_alloc.h"

/* Ann with two items at 900. */
static void take_ann(struct fixture *f)
{
    struct replica_import *import = import_begin(f);
    struct snapshot_bag bag = import_bag("Ann", 7, 900);
    assert_int_equal(import_begin_bag(f, import, &bag), 0);
    import_item(import, "copy", 800, "one");
    import_item(import, "fax", 900, "two");
    assert_int_equal(replica_import_bag_end(import, &bag, NULL), 0);
    assert_int_equal(import_commit(&import, 1000), 0);
    assert_null(import);
}

static void new_bags_are_there(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag found;
    struct replica_position position;
    struct replica_counts counts;
    fixture_begin(&f);
    take_ann(&f);
    import_assert(&f, "Ann", 900, "copy=one fax=two ");
    assert_int_equal(replica_bag_by_id(f.replica, 7, &found, NULL), 0);
    assert_int_equal(found.used_ms, 1700000000000);
    assert_int_equal(found.items, 2);
    assert_int_equal(found.bytes, 4 + 3 + 3 + 3);
    struct digest digest = {0};
    digest_add(&digest, SPAN_LITERAL("copy"), 800, SPAN_LITERAL("one"));
    digest_add(&digest, SPAN_LITERAL("fax"), 900, SPAN_LITERAL("two"));
    assert_true(digest_equal(&found.digest, &digest));
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_true(position.has_history);
    assert_string_equal((char *)position.history, "0123456789abcde");
    assert_int_equal(position.seq, 1000);
    replica_counts(f.replica, &counts);
    assert_int_equal(counts.users, 1);
    assert_int_equal(counts.items, 2);
    fixture_again(&f);
    import_assert(&f, "Ann", 900, "copy=one fax=two ");
    fixture_end(&f);
}

/* The next live change fits the cursor. */
static void the_stream_goes_on_behind_it(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t bad = 0;
    fixture_begin(&f);
    take_ann(&f);
    struct change change = sample_set(7, 1001, 900, "copy", "three");
    assert_int_equal(
        replica_apply(f.replica, &change, 1, 1001, sample_hash, &bad, NULL, NULL, NULL), 0);
    import_assert(&f, "Ann", 1001, "copy=three fax=two ");
    fixture_end(&f);
}

static void an_older_copy_is_replaced(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t bad = 0;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 7, 7);
    struct change change = sample_set(7, 9, 7, "gone since", "x");
    assert_int_equal(replica_apply(f.replica, &change, 1, 9, sample_hash, &bad, NULL, NULL, NULL),
                     0);
    import_assert(&f, "Ann", 9, "gone since=x ");
    take_ann(&f);
    import_assert(&f, "Ann", 900, "copy=one fax=two ");
    fixture_end(&f);
}

/* It was deleted at the server, and made again. */
static void another_bag_of_the_same_person_is_replaced(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag found;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 5, 6);
    take_ann(&f);
    import_assert(&f, "Ann", 900, "copy=one fax=two ");
    assert_int_equal(replica_bag_by_id(f.replica, 5, &found, NULL), E_NOT_FOUND);
    assert_int_equal(replica_bag_by_id(f.replica, 7, &found, NULL), 0);
    fixture_end(&f);
}

static void a_bag_of_this_machine_becomes_the_servers(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag found;
    fixture_begin(&f);
    struct replica_bag own = {
        .made_by = 3, .complete = true, .keep = true, .owner = sample_owner("Ann")};
    assert_int_equal(replica_bag_add(f.replica, &own, NULL), 0);
    take_ann(&f);
    import_assert(&f, "Ann", 900, "copy=one fax=two ");
    assert_int_equal(replica_bag_by_id(f.replica, 7, &found, NULL), 0);
    assert_int_equal(found.local, own.local);
    assert_int_equal(found.made_by, 0);
    fixture_end(&f);
}

/* What such a file leaves out stays as it was; what else is missing in it was removed. */
static void what_was_left_out_stays(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t bad = 0;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 7, 7);
    struct change changes[] = {sample_set(7, 9, 7, "secret/key", "hunter2"),
                               sample_set(7, 10, 9, "a", "gone since"),
                               sample_set(7, 11, 10, "secret/pin", "old")};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(replica_apply(f.replica, &changes[i], 1, changes[i].seq, sample_hash, &bad,
                                       NULL, NULL, NULL),
                         0);
    }
    struct replica_import *import = import_begin(&f);
    struct snapshot_bag bag = import_bag("Ann", 7, 900);
    assert_int_equal(import_begin_bag(&f, import, &bag), 0);
    import_item(import, "copy", 800, "one");
    import_item(import, "secret/pin", 850, "new");
    import_item(import, "zoom", 900, "two");
    bag.left_out = 1;
    bag.complete_to = 8; /* the key has 9 */
    assert_int_equal(replica_import_bag_end(import, &bag, NULL), 0);
    assert_int_equal(import_commit(&import, 1000), 0);
    import_assert(&f, "Ann", 8, "copy=one secret/key=hunter2 secret/pin=new zoom=two ");

    /* what the server sends since the cursor makes it whole */
    struct replica_page page = {.bag_id = 7,
                                .first = true,
                                .last = true,
                                .since = 8,
                                .cursor = 950,
                                .seq = 1000,
                                .hash = {7}};
    struct replica_row rows[] = {
        {SPAN_LITERAL("copy"),
         {.state = ITEM_LIVE, .seq = 800, .time_ms = 800, .value = SPAN_LITERAL("one")}},
        {SPAN_LITERAL("secret/key"), {.state = ITEM_TOMBSTONE, .seq = 950}}};
    assert_int_equal(replica_stage(f.replica, &page, rows, 2, NULL), 0);
    import_assert(&f, "Ann", 950, "copy=one secret/pin=new zoom=two ");
    fixture_end(&f);
}

static void a_difference_is_put_on_top(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    take_ann(&f);
    struct replica_import *import = import_begin(&f);
    struct snapshot_bag bag = import_difference("Ann", 7, 1200, 700);
    assert_int_equal(import_begin_bag(&f, import, &bag), 0);
    import_item(import, "copy", 1100, NULL);
    import_item(import, "fax", 800, "older than what is here");
    import_item(import, "zoom", 1200, "three");
    assert_int_equal(replica_import_bag_end(import, &bag, NULL), 0);
    assert_int_equal(import_commit(&import, 1300), 0);
    import_assert(&f, "Ann", 1200, "fax=two zoom=three ");
    fixture_end(&f);
}

static void many_items_take_many_transactions(void **state)
{
    (void)state;
    struct fixture f;
    char path[32];
    fixture_begin(&f);
    (void)sample_bag(&f, "Bo", 3, 4);
    (void)sample_bag(&f, "Eve", 5, 6); /* behind it: nothing can be appended for Bo */
    struct replica_import *import = import_begin(&f);
    const char *const names[] = {"Bo", "Cy"};
    for (uint64_t i = 0; i < 2; i++) {
        struct snapshot_bag bag = import_bag(names[i], 3 + 100 * i, 900);
        assert_int_equal(import_begin_bag(&f, import, &bag), 0);
        for (int n = 0; n < 20000; n++) {
            (void)snprintf(path, sizeof path, "item/%05d", n);
            import_item(import, path, 800, "v");
        }
        assert_int_equal(replica_import_bag_end(import, &bag, NULL), 0);
    }
    struct replica_bag before;
    assert_int_equal(replica_bag_by_id(f.replica, 3, &before, NULL), 0);
    assert_int_equal(before.items, 0); /* nobody sees it */
    assert_int_equal(import_commit(&import, 1000), 0);
    import_assert(&f, "Eve", 6, "");
    fixture_again(&f);
    for (size_t i = 0; i < 2; i++) {
        struct replica_bag bag;
        struct owner owner = sample_owner(names[i]);
        assert_int_equal(replica_bag_by_owner(f.replica, &owner, &bag, NULL), 0);
        assert_int_equal(bag.items, 20000);
    }
    uint64_t records = 0;
    uint64_t damaged = 0;
    assert_int_equal(replica_verify(f.replica, &records, &damaged, NULL), 0);
    assert_int_equal(damaged, 0);
    assert_true(records >= 40000);
    fixture_end(&f);
}

static void notes_come_with_it(void **state)
{
    (void)state;
    struct fixture f;
    struct buf note;
    char name[64];
    fixture_begin(&f);
    struct replica_import *import = import_begin(&f);
    struct snapshot_bag bag = import_bag("Ann", 7, 900);
    struct replica_position position = import_position(1000);
    const struct replica_note notes[] = {{"due", SPAN_LITERAL("Ann")}};
    assert_int_equal(import_begin_bag(&f, import, &bag), 0);
    assert_int_equal(replica_import_note(import, "groups/", SPAN_LITERAL("sales"), NULL), 0);
    assert_int_equal(replica_import_bag_end(import, &bag, NULL), 0);
    assert_int_equal(replica_import_commit(&import, &position, notes, 1, NULL), 0);
    struct replica_bag found;
    assert_int_equal(replica_bag_by_id(f.replica, 7, &found, NULL), 0);
    buf_init(&note, 100);
    (void)snprintf(name, sizeof name, "groups/%llu", (unsigned long long)found.local);
    assert_int_equal(replica_note_get(f.replica, name, &note, NULL), 0);
    assert_int_equal(replica_note_get(f.replica, "due", &note, NULL), 0);
    assert_true(span_equal(buf_span(&note), SPAN_LITERAL("salesAnn")));
    buf_free(&note);
    fixture_end(&f);
}

/* --- or not at all --- */

static struct replica_import *half_way(struct fixture *f)
{
    struct replica_import *import = import_begin(f);
    struct snapshot_bag bag = import_bag("Ann", 7, 900);
    assert_int_equal(import_begin_bag(f, import, &bag), 0);
    import_item(import, "copy", 800, "new");
    assert_int_equal(replica_import_bag_end(import, &bag, NULL), 0);
    bag = import_bag("Bo", 8, 900);
    assert_int_equal(import_begin_bag(f, import, &bag), 0);
    import_item(import, "copy", 800, "new");
    return import;
}

static void what_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_position position;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 7, 8);
    struct replica_import *import = half_way(&f);
    replica_import_abort(&import);
    assert_null(import);
    replica_import_abort(&import);
    import_assert(&f, "Ann", 8, "");
    import_assert_none(&f, "Bo");
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_false(position.has_history);
    take_ann(&f); /* and again */
    import_assert(&f, "Ann", 900, "copy=one fax=two ");
    fixture_end(&f);
}

/* Killed where everything is staged, and nothing is switched. */
static void a_crash_leaves_what_was_there(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 7, 8);
    replica_close(&f.replica);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char path[32];
        fixture_open(&f);
        struct replica_import *import = half_way(&f);
        for (int n = 0; n < 20000; n++) {
            (void)snprintf(path, sizeof path, "item/%05d", n);
            import_item(import, path, 800, "v");
        }
        _exit(import != NULL ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    fixture_open(&f);
    import_assert(&f, "Ann", 8, "");
    import_assert_none(&f, "Bo");
    take_ann(&f);
    import_assert(&f, "Ann", 900, "copy=one fax=two ");
    fixture_end(&f);
}

static void who_comes_meanwhile_is_not_overwritten(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_import *import = import_begin(&f);
    struct snapshot_bag bag = import_bag("Ann", 7, 900);
    assert_int_equal(import_begin_bag(&f, import, &bag), 0);
    for (int n = 0; n < 20000; n++) { /* so that the transaction ends */
        char path[32];
        (void)snprintf(path, sizeof path, "item/%05d", n);
        import_item(import, path, 800, "v");
    }
    assert_int_equal(replica_import_bag_end(import, &bag, NULL), 0);
    struct snapshot_bag other = import_bag("Ann", 7, 900); /* twice in the file, at the same time */
    assert_int_equal(import_begin_bag(&f, import, &other), 0);
    assert_int_equal(replica_import_bag_end(import, &other, NULL), 0);
    assert_int_equal(import_commit(&import, 1000), E_BUSY);
    assert_null(import);
    import_assert_none(&f, "Ann");
    fixture_end(&f);
}

static void a_bag_that_comes_twice_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    (void)sample_bag(&f, "Ann", 7, 8);
    struct replica_import *import = import_begin(&f);
    struct snapshot_bag bag = import_bag("Ann", 7, 900);
    assert_int_equal(import_begin_bag(&f, import, &bag), 0);
    assert_int_equal(replica_import_bag_end(import, &bag, NULL), 0);
    assert_int_equal(import_begin_bag(&f, import, &bag), E_MALFORMED);
    replica_import_abort(&import);
    import_assert(&f, "Ann", 8, "");
    fixture_end(&f);
}

static int take_small(struct fixture *f)
{
    struct replica_import *import = NULL;
    struct snapshot_bag bag = import_bag("Ann", 7, 900);
    struct item_row row = {.state = ITEM_LIVE, .seq = 800, .value = SPAN_LITERAL("one")};
    struct replica_position position = import_position(1000);
    int rc = replica_import_begin(f->replica, 1, import_left_out, NULL, &import, NULL);
    rc = rc != 0 ? rc : import_begin_bag(f, import, &bag);
    rc = rc != 0 ? rc : replica_import_item(import, SPAN_LITERAL("copy"), &row, NULL);
    rc = rc != 0 ? rc : replica_import_bag_end(import, &bag, NULL);
    if (rc != 0) {
        replica_import_abort(&import);
        return rc;
    }
    return replica_import_commit(&import, &position, NULL, 0, NULL);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    unsigned nth = 1;
    for (;; nth++) {
        fail_alloc_at(nth);
        int rc = take_small(&f);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_true(rc == E_NOMEM);
        import_assert_none(&f, "Ann");
    }
    import_assert(&f, "Ann", 900, "copy=one ");
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_bags_are_there),
        cmocka_unit_test(the_stream_goes_on_behind_it),
        cmocka_unit_test(an_older_copy_is_replaced),
        cmocka_unit_test(another_bag_of_the_same_person_is_replaced),
        cmocka_unit_test(a_bag_of_this_machine_becomes_the_servers),
        cmocka_unit_test(what_was_left_out_stays),
        cmocka_unit_test(a_difference_is_put_on_top),
        cmocka_unit_test(many_items_take_many_transactions),
        cmocka_unit_test(notes_come_with_it),
        cmocka_unit_test(what_is_given_up_leaves_nothing),
        cmocka_unit_test(a_crash_leaves_what_was_there),
        cmocka_unit_test(who_comes_meanwhile_is_not_overwritten),
        cmocka_unit_test(a_bag_that_comes_twice_is_refused),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("client/replica_import", tests, NULL, NULL);
}
