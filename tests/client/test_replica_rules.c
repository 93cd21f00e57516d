/* tests/client/test_replica_rules.c - what a fence of the fleet's bag hides, and shows
 * again; rules of one moment. */
#include "tests/client/replica_samples.h"

#include <pthread.h>
#include <stdatomic.h>

#include "client/replica_inside.h"
#include "tests/client/sharing_samples.h"
#include "tests/support/fail_alloc.h"

/* The fleet's change at `seq`: a fence on `category`, NULL value: lifted. Follows `prev`. */
static void fence_at(struct fixture *f, enum fence_layer layer, const char *category, uint64_t from,
                     const char *except, uint64_t seq, uint64_t prev)
{
    struct buf path;
    struct buf value;
    struct fence fence = {.from = from};
    buf_init(&path, PATH_MAX_BYTES);
    buf_init(&value, 1000);
    if (except != NULL) {
        fence.except[fence.except_count++] = span_str(except);
    }
    assert_int_equal(fence_path(&path, layer, span_str(category)), 0);
    fence_put_value(&value, &fence);
    struct change change = sample_set(9, seq, prev, "", "");
    change.path = buf_span(&path);
    change.value = buf_span(&value);
    uint64_t bad = 0;
    assert_int_equal(
        replica_apply(f->replica, &change, 1, seq, sample_hash, &bad, NULL, NULL, NULL), 0);
    buf_free(&path);
    buf_free(&value);
}

static void lift(struct fixture *f, const char *path, uint64_t seq, uint64_t prev)
{
    struct change change = sample_set(9, seq, prev, path, "");
    change.kind = CHANGE_ITEM_REMOVE;
    uint64_t bad = 0;
    assert_int_equal(
        replica_apply(f->replica, &change, 1, seq, sample_hash, &bad, NULL, NULL, NULL), 0);
}

/* The fleet, and Ann's bag with three items in and around "copy". */
static struct replica_bag begin(struct fixture *f)
{
    fixture_begin(f);
    (void)sample_fleet(f);
    struct replica_bag ann = sample_bag(f, "Ann", 40, 40);
    apply_set(f, 40, 41, 40, "copy/paper", "a4");
    apply_set(f, 40, 42, 41, "copy/tray", "2");
    apply_set(f, 40, 43, 42, "copying", "no");
    return ann;
}

static void a_fence_hides_what_is_older_until_it_is_lifted(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    fence_at(&f, FENCE_SHARED, "copy", 0, "copy/tray", 50, 9);
    assert_null(value_of(&f, ann.local, "copy/paper"));
    assert_string_equal(value_of(&f, ann.local, "copy/tray"), "2");
    assert_items(&f, ann.local, "", "copy/tray=2 copying=no");
    assert_items(&f, ann.local, "copy/p", "");
    struct item_row row;
    struct err err = {0};
    assert_int_equal(replica_item(f.replica, ann.local, span_str("copy/paper"), &row, NULL, &err),
                     E_NOT_FOUND);
    assert_non_null(strstr(err.text, "copy/paper"));
    apply_set(&f, 40, 51, 43, "copy/paper", "a3"); /* written since */
    assert_items(&f, ann.local, "", "copy/paper=a3 copy/tray=2 copying=no");
    apply_set(&f, 40, 52, 51, "copy/tray", "3");
    fence_at(&f, FENCE_SHARED, "copy", 0, NULL, 60, 50);
    assert_items(&f, ann.local, "", "copying=no");
    fence_at(&f, FENCE_SHARED, "copy", 50, NULL, 61, 60); /* back to where it was before */
    assert_items(&f, ann.local, "", "copy/paper=a3 copy/tray=3 copying=no");
    lift(&f, "@fence/shared/copy", 62, 61);
    assert_items(&f, ann.local, "", "copy/paper=a3 copy/tray=3 copying=no");
    assert_int_equal(scrub_all(&f), 0);
    fixture_end(&f);
}

static void what_is_hidden_still_counts(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    struct replica_bag before = bag_with_id(&f, 40);
    fence_at(&f, FENCE_SHARED, "copy", 0, NULL, 50, 9);
    struct replica_bag after = bag_with_id(&f, 40);
    assert_true(digest_equal(&before.digest, &after.digest));
    assert_int_equal(after.items, 3);
    assert_items(&f, ann.local, "", "copying=no"); /* and is not taken for damage */
    assert_true(bag_with_id(&f, 40).complete);
    fixture_again(&f); /* it is known from the start */
    assert_items(&f, ann.local, "", "copying=no");
    lift(&f, "@fence/shared/copy", 51, 50);
    assert_items(&f, ann.local, "", "copy/paper=a4 copy/tray=2 copying=no");
    fixture_end(&f);
}

static void layers_are_apart(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    struct replica_bag device = {.bag_id = 45, .cursor = 45, .complete = true, .keep = true};
    struct replica_bag group = {.bag_id = 46, .cursor = 46, .complete = true, .keep = true};
    assert_int_equal(owner_make(&device.owner, OWNER_USER_DEVICE, span_str("Ann"), 7, NULL), 0);
    assert_int_equal(owner_make(&group.owner, OWNER_GROUP, span_str("staff"), 0, NULL), 0);
    assert_int_equal(replica_bag_add(f.replica, &device, NULL), 0);
    assert_int_equal(replica_bag_add(f.replica, &group, NULL), 0);
    apply_set(&f, 45, 47, 45, "copy/paper", "mine");
    apply_set(&f, 46, 48, 46, "copy/paper", "ours");
    fence_at(&f, FENCE_DEVICE, "copy", 0, NULL, 50, 9);
    assert_null(value_of(&f, device.local, "copy/paper"));
    assert_string_equal(value_of(&f, ann.local, "copy/paper"), "a4");
    fence_at(&f, FENCE_SHARED, "copy", 0, NULL, 51, 50);
    assert_null(value_of(&f, ann.local, "copy/paper"));
    assert_string_equal(value_of(&f, group.local, "copy/paper"), "ours");
    fixture_end(&f);
}

/* Fences come with the fleet's pages too, and go with its bag. */
static void fences_follow_the_fleets_bag_as_a_whole(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    fence_at(&f, FENCE_SHARED, "copying", 0, NULL, 50, 9);
    assert_items(&f, ann.local, "", "copy/paper=a4 copy/tray=2");
    struct buf value;
    const struct fence fence = {0};
    buf_init(&value, 100);
    fence_put_value(&value, &fence);
    struct replica_row row = sample_row("@fence/shared/copy/tray", 60, "");
    row.row.value = buf_span(&value);
    struct replica_page page = {
        .bag_id = 9, .first = true, .last = true, .whole = true, .cursor = 60, .seq = 60};
    assert_int_equal(replica_stage(f.replica, &page, &row, 1, NULL), 0);
    buf_free(&value);
    assert_items(&f, ann.local, "", "copy/paper=a4 copying=no");
    page = (struct replica_page){.bag_id = 9, .first = true, .last = true, .since = 60};
    page.cursor = page.seq = 61;
    row = sample_removed("@fence/shared/copy/tray", 61);
    assert_int_equal(replica_stage(f.replica, &page, &row, 1, NULL), 0);
    assert_items(&f, ann.local, "", "copy/paper=a4 copy/tray=2 copying=no");
    fence_at(&f, FENCE_SHARED, "copy", 0, NULL, 62, 61);
    struct replica_bag fleet = bag_with_id(&f, 9);
    assert_items(&f, ann.local, "", "copying=no");
    assert_int_equal(replica_bag_clear(f.replica, fleet.local, NULL), 0);
    assert_items(&f, ann.local, "", "copy/paper=a4 copy/tray=2 copying=no");
    assert_int_equal(replica_bag_drop(f.replica, fleet.local, NULL), 0);
    assert_string_equal(value_of(&f, ann.local, "copy/tray"), "2");
    fixture_end(&f);
}

struct reading {
    struct fixture *f;
    char text[128];
};

/* While the list is told, the fence is lifted: the list goes on as it began. */
static int lift_meanwhile(void *context, struct span path, const struct item_row *row,
                          struct err *err)
{
    struct reading *reading = context;
    (void)row;
    (void)err;
    if (reading->text[0] == '\0') {
        lift(reading->f, "@fence/shared/copy/tray", 51, 50);
    }
    size_t used = strlen(reading->text);
    (void)snprintf(reading->text + used, sizeof reading->text - used, "%.*s ", (int)path.size,
                   (const char *)path.data);
    return 0;
}

static void a_list_is_of_one_moment(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    fence_at(&f, FENCE_SHARED, "copy/tray", 0, NULL, 50, 9);
    struct reading reading = {.f = &f};
    struct span all = {NULL, 0};
    assert_int_equal(replica_items(f.replica, ann.local, all, lift_meanwhile, &reading, NULL), 0);
    assert_string_equal(reading.text, "copy/paper copying ");
    assert_items(&f, ann.local, "", "copy/paper=a4 copy/tray=2 copying=no");
    fixture_end(&f);
}

static void spoil(struct fixture *f, enum table table, const struct record_key *wanted)
{
    MDB_txn *txn = NULL;
    MDB_val key = {wanted->size, (void *)(uintptr_t)wanted->bytes};
    MDB_val data;
    static uint8_t bytes[1000];
    assert_int_equal(mdb_txn_begin(f->replica->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_get(txn, f->replica->tables[table], &key, &data), 0);
    assert_true(data.mv_size <= sizeof bytes);
    memcpy(bytes, data.mv_data, data.mv_size);
    bytes[data.mv_size - 1] ^= 1;
    data.mv_data = bytes;
    assert_int_equal(mdb_put(txn, f->replica->tables[table], &key, &data, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

/* Without its fences nothing can be told; the fleet's bag comes anew. */
static void a_damaged_fence_is_no_fence_that_is_not_there(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    fence_at(&f, FENCE_SHARED, "copy", 0, NULL, 50, 9);
    struct replica_bag fleet = bag_with_id(&f, 9);
    struct record_key key =
        replica_key_item(fleet.local, fleet.copy, span_str("@fence/shared/copy"));
    spoil(&f, TABLE_ITEMS, &key);
    struct item_row row;
    assert_int_equal(replica_item(f.replica, ann.local, span_str("copy/tray"), &row, NULL, NULL),
                     E_CORRUPT);
    assert_int_equal(bag_with_id(&f, 9).cursor, 0);
    assert_int_equal(bag_with_id(&f, 40).cursor, 43);
    /* a miss beside it does not remove it, and opening again does not forget it */
    assert_int_equal(
        replica_item(f.replica, fleet.local, span_str("@fence/shared/cop"), &row, NULL, NULL),
        E_CORRUPT);
    fixture_again(&f);
    assert_int_equal(replica_item(f.replica, ann.local, span_str("copy/tray"), &row, NULL, NULL),
                     E_CORRUPT);
    char told[64] = "";
    struct buf out;
    buf_init(&out, sizeof told);
    assert_int_equal(
        replica_items(f.replica, ann.local, (struct span){NULL, 0}, list_one, &out, NULL),
        E_CORRUPT);
    assert_int_equal(out.size, 0);
    buf_free(&out);
    struct replica_page page = {
        .bag_id = 9, .first = true, .last = true, .whole = true, .cursor = 50, .seq = 50};
    assert_int_equal(replica_stage(f.replica, &page, NULL, 0, NULL), 0);
    assert_string_equal(value_of(&f, ann.local, "copy/tray"), "2");
    fixture_end(&f);
}

static void a_damaged_note_is_made_anew(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    fence_at(&f, FENCE_SHARED, "copy", 0, NULL, 50, 9);
    struct record_key key = {.bytes = "fences", .size = 6};
    spoil(&f, TABLE_META, &key);
    assert_null(value_of(&f, ann.local, "copy/tray"));
    spoil(&f, TABLE_META, &key);
    assert_items(&f, ann.local, "", "copying=no");
    lift(&f, "@fence/shared/copy", 51, 50);
    key = (struct record_key){.bytes = "format", .size = 6}; /* beside a note that is not there */
    spoil(&f, TABLE_META, &key);
    assert_string_equal(value_of(&f, ann.local, "copy/tray"), "2");
    fixture_end(&f);
}

/* What a server of another version took for a fence hides nothing here. */
static void what_is_no_fence_hides_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    apply_set(&f, 9, 50, 9, "@fence/shared/copy", "not a fence");
    apply_set(&f, 9, 51, 50, "@fence/other/copying", "\x93");
    assert_items(&f, ann.local, "", "copy/paper=a4 copy/tray=2 copying=no");
    fence_at(&f, FENCE_SHARED, "copy/tray", 0, NULL, 52, 51);
    assert_items(&f, ann.local, "", "copy/paper=a4 copying=no");
    fixture_end(&f);
}

static void every_allocation_of_reading_may_fail(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    fence_at(&f, FENCE_SHARED, "copy", 0, "copy/tray", 50, 9);
    unsigned nth = 1;
    for (;; nth++) {
        struct item_row row;
        fixture_again(&f); /* what was decoded is forgotten */
        fail_alloc_at(nth);
        int rc = replica_item(f.replica, ann.local, span_str("copy/paper"), &row, NULL, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, E_NOT_FOUND);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
    }
    assert_true(nth > 3);
    assert_items(&f, ann.local, "", "copy/tray=2 copying=no");
    fixture_end(&f);
}

/* --- rules that are taken --- */

static void rules_do_not_change_while_they_are_held(void **state)
{
    (void)state;
    struct fixture f;
    (void)begin(&f);
    const struct replica_rules *before = NULL;
    const struct replica_rules *after = NULL;
    struct span path = SPAN_LITERAL("copy/paper");
    fence_at(&f, FENCE_SHARED, "fax", 0, NULL, 50, FLEET);
    assert_int_equal(replica_rules_take(f.replica, &before, NULL), 0);
    fleet_category(f.replica, "copy", 0, 60, 50);
    fleet_flag(f.replica, "copy", true, false, 61, 60);
    assert_int_equal(replica_rules_take(f.replica, &after, NULL), 0);
    assert_null(replica_rules_category(before, path));
    assert_int_equal(sharing_layer_of(replica_rules_category(after, path)), SHARING_DEVICE);
    assert_null(replica_rules_category(after, SPAN_LITERAL("copying")));
    assert_null(replica_rules_category(NULL, path));
    replica_rules_put_back(f.replica, &before);
    replica_rules_put_back(f.replica, &after);
    assert_null(after);
    assert_true(replica_rules_concern(SPAN_LITERAL("@sharing/copy")));
    assert_true(replica_rules_concern(SPAN_LITERAL("@category/copy")));
    assert_true(replica_rules_concern(SPAN_LITERAL("@fence/shared/copy")));
    assert_true(replica_rules_concern(SPAN_LITERAL("@default/a")));
    assert_false(replica_rules_concern(SPAN_LITERAL("@user/1")));
    assert_false(replica_rules_concern(SPAN_LITERAL("sharing")));
    fixture_end(&f);
}

/* --- many readers --- */

enum { READERS = 3, FLIPS = 150 };

struct reader {
    struct fixture *f;
    uint64_t local;
    atomic_bool *over;
    unsigned lists;
    bool wrong;
};

static int count_copy(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)row;
    (void)err;
    *(unsigned *)context += path.size > 5 && memcmp(path.data, "copy/", 5) == 0 ? 1 : 0;
    return 0;
}

/* The fence hides both items of its category or none, whatever happens meanwhile. */
static void *read_on(void *context)
{
    struct reader *reader = context;
    struct span all = {NULL, 0};
    while (!atomic_load(reader->over)) {
        unsigned seen = 0;
        int rc = replica_items(reader->f->replica, reader->local, all, count_copy, &seen, NULL);
        reader->wrong = reader->wrong || rc != 0 || (seen != 0 && seen != 2);
        reader->lists++;
    }
    return NULL;
}

static void readers_on_other_threads_see_whole_moments(void **state)
{
    (void)state;
    struct fixture f;
    struct replica_bag ann = begin(&f);
    atomic_bool over = false;
    pthread_t threads[READERS];
    struct reader readers[READERS];
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.f = &f, .local = ann.local, .over = &over};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    uint64_t prev = 9;
    for (uint64_t seq = 50; seq < 50 + FLIPS; seq += 2) {
        fence_at(&f, FENCE_SHARED, "copy", 0, NULL, seq, prev);
        lift(&f, "@fence/shared/copy", seq + 1, seq);
        prev = seq + 1;
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(readers[i].lists > 0);
        assert_false(readers[i].wrong);
    }
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fence_hides_what_is_older_until_it_is_lifted),
        cmocka_unit_test(what_is_hidden_still_counts),
        cmocka_unit_test(layers_are_apart),
        cmocka_unit_test(fences_follow_the_fleets_bag_as_a_whole),
        cmocka_unit_test(a_list_is_of_one_moment),
        cmocka_unit_test(a_damaged_fence_is_no_fence_that_is_not_there),
        cmocka_unit_test(a_damaged_note_is_made_anew),
        cmocka_unit_test(what_is_no_fence_hides_nothing),
        cmocka_unit_test(every_allocation_of_reading_may_fail),
        cmocka_unit_test(rules_do_not_change_while_they_are_held),
        cmocka_unit_test(readers_on_other_threads_see_whole_moments),
    };
    return cmocka_run_group_tests_name("client/replica_rules", tests, NULL, NULL);
}
