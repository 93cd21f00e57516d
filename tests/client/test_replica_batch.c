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

/* --- anything in any order, against a model --- */

enum { MODEL_BAGS = 3, MODEL_ITEMS = 40, MODEL_PAGES = 3, ROUNDS = 250 };

/* A bag as it should be: per item the seq of its value, 0: absent. The value tells the seq. */
struct model_bag {
    uint64_t cursor;
    uint64_t items[MODEL_ITEMS];
    unsigned page; /* of a whole bag in the making: the next one; 0: none */
    uint64_t staged[MODEL_ITEMS];
};

struct model {
    uint64_t random;
    uint64_t seq;
    struct model_bag bags[MODEL_BAGS];
};

static unsigned pick(struct model *model, unsigned count)
{
    model->random = model->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(model->random >> 33) % count;
}

/* Rows of the model need texts that last: one per slot. */
struct texts {
    char paths[MODEL_ITEMS][16];
    char values[MODEL_ITEMS][16];
};

static struct replica_row row_of(struct texts *texts, unsigned item, uint64_t seq)
{
    (void)snprintf(texts->paths[item], sizeof texts->paths[item], "item/%02u", item);
    (void)snprintf(texts->values[item], sizeof texts->values[item], "v%d", (int)seq);
    return sample_row(texts->paths[item], seq, texts->values[item]);
}

static void live_changes(struct model *model, unsigned which, struct replica_batch *batch)
{
    struct model_bag *bag = &model->bags[which];
    unsigned count = 1 + pick(model, 6);
    for (unsigned i = 0; i < count; i++) {
        struct texts texts;
        unsigned item = pick(model, MODEL_ITEMS);
        bool removes = pick(model, 3) == 0;
        uint64_t bad = 0;
        uint64_t seq = ++model->seq;
        struct replica_row row = row_of(&texts, item, seq);
        struct change made =
            sample_set(40 + which, seq, bag->cursor, texts.paths[item], texts.values[item]);
        made.kind = removes ? CHANGE_ITEM_REMOVE : CHANGE_ITEM_SET;
        made.path = row.path;
        assert_int_equal(replica_batch_changes(batch, &made, 1, seq, sample_hash, &bad, NULL), 0);
        bag->items[item] = removes ? 0 : seq;
        bag->cursor = seq;
    }
}

static void difference(struct model *model, unsigned which, struct replica_batch *batch)
{
    struct model_bag *bag = &model->bags[which];
    struct texts texts;
    struct replica_row rows[MODEL_ITEMS];
    size_t count = 0;
    struct replica_page page = {
        .bag_id = 40 + which, .first = true, .last = true, .since = bag->cursor};
    for (unsigned item = 0; item < MODEL_ITEMS; item++) {
        if (pick(model, 4) == 0) {
            bag->items[item] = ++model->seq;
            rows[count++] = row_of(&texts, item, model->seq);
        }
    }
    page.cursor = page.seq = bag->cursor = ++model->seq;
    assert_int_equal(replica_batch_page(batch, &page, rows, count, NULL), 0);
}

/* One page of a whole bag: a third of the items. */
static void next_page(struct model *model, unsigned which, struct replica_batch *batch)
{
    struct model_bag *bag = &model->bags[which];
    struct texts texts;
    struct replica_row rows[MODEL_ITEMS];
    size_t count = 0;
    unsigned number = bag->page;
    bool last = number == MODEL_PAGES - 1;
    for (unsigned item = 0; number == 0 && item < MODEL_ITEMS; item++) {
        bag->staged[item] = pick(model, 3) == 0 ? 0 : ++model->seq;
    }
    for (unsigned item = 0; item < MODEL_ITEMS; item++) {
        if (bag->staged[item] != 0 && item * MODEL_PAGES / MODEL_ITEMS == number) {
            rows[count++] = row_of(&texts, item, bag->staged[item]);
        }
    }
    struct replica_page page = {
        .bag_id = 40 + which, .first = number == 0, .last = last, .whole = true};
    page.cursor = page.seq = last ? ++model->seq : 0;
    assert_int_equal(replica_batch_page(batch, &page, rows, count, NULL), 0);
    bag->page = last ? 0 : number + 1;
    if (last) {
        memcpy(bag->items, bag->staged, sizeof bag->items);
        bag->cursor = page.cursor;
    }
}

static void check_model(struct fixture *f, const struct model *model)
{
    for (unsigned which = 0; which < MODEL_BAGS; which++) {
        const struct model_bag *bag = &model->bags[which];
        struct replica_bag found = bag_with_id(f, 40 + which);
        struct digest digest = {0};
        struct buf expected;
        buf_init(&expected, 65536);
        for (unsigned item = 0; item < MODEL_ITEMS; item++) {
            struct texts texts;
            if (bag->items[item] == 0) {
                continue;
            }
            struct replica_row row = row_of(&texts, item, bag->items[item]);
            digest_add(&digest, row.path, row.row.seq, row.row.value);
            (void)list_one(&expected, row.path, &row.row, NULL);
        }
        assert_int_equal(buf_append_u8(&expected, 0), 0);
        assert_items(f, found.local, "", (const char *)expected.data);
        assert_true(digest_equal(&found.digest, &digest));
        assert_int_equal(found.cursor, bag->cursor);
        buf_free(&expected);
    }
}

static void any_messages_in_any_order_give_what_they_should(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    static struct model model;
    static struct model before;
    model = (struct model){.random = 11, .seq = 100};
    for (unsigned which = 0; which < MODEL_BAGS; which++) {
        char name[16];
        (void)snprintf(name, sizeof name, "user%u", which);
        model.bags[which].cursor = sample_bag(&f, name, 40 + which, 40 + which).cursor;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct replica_batch *batch = begin(&f);
        before = model;
        unsigned messages = 1 + pick(&model, 6);
        for (unsigned i = 0; i < messages; i++) {
            unsigned which = pick(&model, MODEL_BAGS);
            unsigned kind = pick(&model, 8);
            if (kind < 4) {
                live_changes(&model, which, batch);
            } else if (kind < 7) {
                next_page(&model, which, batch);
            } else if (model.bags[which].page == 0) {
                difference(&model, which, batch);
            }
        }
        if (pick(&model, 6) == 0) {
            uint64_t random = model.random;
            replica_batch_abort(&batch);
            model = before;
            model.random = random;
        } else {
            assert_int_equal(replica_batch_commit(&batch, NULL, NULL, NULL), 0);
        }
        check_model(&f, &model);
        if (pick(&model, 40) == 0) { /* what was staged is not there any more */
            fixture_again(&f);
            for (unsigned which = 0; which < MODEL_BAGS; which++) {
                model.bags[which].page = 0;
            }
        }
    }
    assert_int_equal(scrub_all(&f), 0);
    uint64_t records = 0;
    uint64_t damaged = 9;
    assert_int_equal(replica_verify(f.replica, &records, &damaged, NULL), 0);
    assert_int_equal(damaged, 0);
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
        cmocka_unit_test(any_messages_in_any_order_give_what_they_should),
    };
    return cmocka_run_group_tests_name("client/replica_batch", tests, NULL, NULL);
}
