/* tests/kv/test_overlay.c - rows in memory: read once, written once, in order. */
#include "tests/kv/state.h"

#include "kv/overlay.h"
#include "tests/support/fail_alloc.h"

static void open_store(struct kv_store *store, char dir[TMP_FOLDER_MAX])
{
    tmp_folder_make(dir);
    const struct kv_options options = {dir, 1 << 20, 1 << 20};
    assert_int_equal(kv_store_open(store, &options, NULL), 0);
}

static struct kv_cell *get(struct kv_overlay *overlay, struct kv_key key)
{
    struct kv_cell *cell = NULL;
    struct err err = {0};
    int rc = kv_overlay_get(overlay, &key, &cell, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    return cell;
}

static void write_overlay(struct kv_overlay *overlay, struct kv_store *store, int want)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    struct buf scratch;
    buf_init(&scratch, 1 << 16);
    assert_int_equal(kv_overlay_write(overlay, batch, &scratch, NULL), 0);
    assert_int_equal(rocksdb_writebatch_count(batch), want);
    assert_int_equal(kv_store_write(store, batch, NULL), 0);
    buf_free(&scratch);
    rocksdb_writebatch_destroy(batch);
}

/* One row of every kind. */
static void fill(struct kv_overlay *overlay)
{
    struct kv_cell *cell = get(overlay, kv_key_bag(1));
    *cell->bag = (struct bag_row){
        .exists = true, .bag_id = 1, .last_seq = 9, .owner = {OWNER_USER, 0, "Ann", "ann"}};
    cell->present = cell->dirty = true;
    cell = get(overlay, kv_key_grave(2));
    *cell->bag = (struct bag_row){.exists = false, .bag_id = 2, .owner = {.kind = OWNER_FLEET}};
    cell->present = cell->dirty = true;
    cell = get(overlay, kv_key_item(1, SPAN_LITERAL("a")));
    cell->item = (struct item_row){ITEM_LIVE, false, 3, 4, 5, SPAN_LITERAL("value")};
    cell->present = cell->dirty = true;
    cell = get(overlay, kv_key_writer(7));
    cell->writer = (struct kv_writer){true, 1, 2, 3, 4};
    cell->present = cell->dirty = true;
    cell = get(overlay, kv_key_outcome(7, 2));
    cell->outcome = (struct kv_outcome){1, 2, 3, 4};
    cell->present = cell->dirty = true;
    cell = get(overlay, kv_key_child(1, 5));
    cell->id = 66;
    cell->present = cell->dirty = true;
    cell = get(overlay, kv_key_owner_named(OWNER_USER, "ann"));
    cell->id = 1;
    cell->present = cell->dirty = true;
    const struct owner bea = {OWNER_USER, 0, "Bea", "bea"};
    cell = get(overlay, kv_key_named_grave(&bea, 2));
    cell->id = 2;
    cell->present = cell->dirty = true;
    cell = get(overlay, kv_key_doomed(2));
    cell->doom = (struct kv_doom){2, KV_DOOM_EMPTY};
    cell->present = cell->dirty = true;
}

static void fill_all(struct kv_overlay *overlay)
{
    fill(overlay);
    struct kv_key key = kv_key_tombstone(9);
    struct kv_cell *cell = NULL;
    assert_int_equal(kv_overlay_put(overlay, &key, false, &cell, NULL), 0);
    cell->place = (struct kv_place){1, SPAN_LITERAL("gone")};
    cell->present = cell->dirty = true;
}

static void check_place(struct kv_store *store)
{
    struct kv_key key = kv_key_tombstone(9);
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    struct kv_place place;
    assert_int_equal(kv_store_get(store, NULL, kv_key_span(&key), &pin, &row, NULL), 0);
    assert_int_equal(kv_row_get_place(kv_key_span(&key), row, &place, NULL), 0);
    assert_int_equal(place.bag_id, 1);
    assert_true(span_equal(place.path, SPAN_LITERAL("gone")));
    rocksdb_pinnableslice_destroy(pin);
}

static void rows_go_to_the_store_and_back(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    struct kv_store store;
    open_store(&store, dir);
    struct kv_overlay overlay;
    kv_overlay_init(&overlay, &store, NULL);
    fill_all(&overlay);
    (void)get(&overlay, kv_key_bag(5)); /* looked at only */
    write_overlay(&overlay, &store, 10);
    check_place(&store);
    kv_overlay_free(&overlay);

    kv_overlay_init(&overlay, &store, NULL);
    assert_string_equal(get(&overlay, kv_key_bag(1))->bag->owner.shown, "Ann");
    assert_int_equal(get(&overlay, kv_key_grave(2))->bag->owner.kind, OWNER_FLEET);
    struct kv_cell *item = get(&overlay, kv_key_item(1, SPAN_LITERAL("a")));
    assert_true(item->present && item->stored && !item->dirty);
    assert_int_equal(item->item.seq, 3);
    assert_null(item->item.value.data); /* nobody asks for it */
    assert_int_equal(get(&overlay, kv_key_writer(7))->writer.highest, 2);
    assert_int_equal(get(&overlay, kv_key_outcome(7, 2))->outcome.seq, 3);
    assert_int_equal(get(&overlay, kv_key_child(1, 5))->id, 66);
    assert_int_equal(get(&overlay, kv_key_owner_named(OWNER_USER, "ann"))->id, 1);
    const struct owner bea = {OWNER_USER, 0, "Bea", "bea"};
    assert_int_equal(get(&overlay, kv_key_named_grave(&bea, 2))->id, 2);
    assert_int_equal(get(&overlay, kv_key_doomed(2))->doom.stage, KV_DOOM_EMPTY);
    assert_false(get(&overlay, kv_key_doomed(3))->present);
    write_overlay(&overlay, &store, 0); /* nothing was changed */

    item->present = false;
    item->dirty = true;
    get(&overlay, kv_key_doomed(3))->dirty = true; /* made and dropped: nothing to delete */
    write_overlay(&overlay, &store, 1);
    kv_overlay_free(&overlay);
    kv_overlay_init(&overlay, &store, NULL);
    assert_false(get(&overlay, kv_key_item(1, SPAN_LITERAL("a")))->present);
    kv_overlay_free(&overlay);
    kv_store_close(&store);
    tmp_folder_remove(dir);
}

static void a_key_has_one_cell_however_many_there_are(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    struct kv_store store;
    open_store(&store, dir);
    struct kv_overlay overlay;
    kv_overlay_init(&overlay, &store, NULL);
    enum { CELLS = 1000 };
    static struct kv_cell *cells[CELLS];
    for (uint64_t i = 0; i < CELLS; i++) {
        cells[i] = get(&overlay, kv_key_writer(i * 7919 % CELLS));
        cells[i]->writer.highest = i;
        cells[i]->present = cells[i]->dirty = true;
    }
    assert_int_equal(overlay.count, CELLS);
    for (uint64_t i = 0; i < CELLS; i++) {
        assert_ptr_equal(get(&overlay, kv_key_writer(i * 7919 % CELLS)), cells[i]);
        assert_int_equal(cells[i]->writer.highest, i);
    }
    write_overlay(&overlay, &store, CELLS);
    kv_overlay_free(&overlay);
    kv_store_close(&store);
    tmp_folder_remove(dir);
}

struct order {
    struct kv_key last;
    size_t count;
};

static void note_put(void *context, const char *key, size_t key_size, const char *value,
                     size_t value_size)
{
    (void)value;
    (void)value_size;
    struct order *order = context;
    struct span here = span_of(key, key_size);
    assert_true(order->count == 0 || span_compare(kv_key_span(&order->last), here) < 0);
    order->last.size = key_size;
    memcpy(order->last.data, key, key_size);
    order->count++;
}

static void note_deletion(void *context, const char *key, size_t key_size)
{
    note_put(context, key, key_size, NULL, 0);
}

/* Keys that differ in any place, or in length alone. */
static void rows_are_written_in_the_order_of_keys(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    struct kv_store store;
    open_store(&store, dir);
    struct kv_overlay overlay;
    kv_overlay_init(&overlay, &store, NULL);
    enum { BAGS = 7, SIZES = 40 };
    const uint64_t bags[BAGS] = {1, 2, 255, 256, 1ULL << 32, 1ULL << 56, UINT64_MAX};
    for (size_t i = 0; i < BAGS; i++) {
        for (size_t size = SIZES; size > 0; size--) {
            char path[SIZES];
            memset(path, 'p', sizeof path);
            path[size - 1] = (char)('z' - size % 3);
            struct kv_cell *cell =
                get(&overlay, kv_key_item(bags[BAGS - 1 - i], span_of(path, size)));
            cell->item = (struct item_row){.state = ITEM_TOMBSTONE, .seq = 1};
            cell->present = cell->dirty = true;
        }
    }
    fill(&overlay);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    struct buf scratch;
    buf_init(&scratch, 1 << 16);
    assert_int_equal(kv_overlay_write(&overlay, batch, &scratch, NULL), 0);
    struct order order = {0};
    rocksdb_writebatch_iterate(batch, &order, note_put, note_deletion);
    assert_int_equal(order.count, BAGS * SIZES + 9);
    buf_free(&scratch);
    rocksdb_writebatch_destroy(batch);
    kv_overlay_free(&overlay);
    kv_store_close(&store);
    tmp_folder_remove(dir);
}

static void what_is_known_is_not_looked_up(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    struct kv_store store;
    open_store(&store, dir);
    struct kv_overlay overlay;
    kv_overlay_init(&overlay, &store, NULL);
    fill(&overlay);
    write_overlay(&overlay, &store, 9);
    kv_overlay_free(&overlay);

    kv_overlay_init(&overlay, &store, NULL);
    struct kv_key key = kv_key_outcome(7, 2);
    struct kv_cell *cell = NULL;
    assert_int_equal(kv_overlay_put(&overlay, &key, true, &cell, NULL), 0);
    assert_false(cell->present);
    assert_ptr_equal(get(&overlay, key), cell); /* and it is not looked up later */
    assert_false(cell->present);
    cell->dirty = true;
    write_overlay(&overlay, &store, 1); /* a deletion */
    kv_overlay_free(&overlay);

    kv_overlay_init(&overlay, &store, NULL);
    assert_false(get(&overlay, key)->present);
    assert_true(get(&overlay, kv_key_writer(7))->present);
    key = kv_key_writer(7);
    assert_int_equal(kv_overlay_put(&overlay, &key, false, &cell, NULL), 0);
    assert_true(cell->present && cell->stored); /* it was looked up before */
    kv_overlay_free(&overlay);
    kv_store_close(&store);
    tmp_folder_remove(dir);
}

/* 70 keys, so that the table grows, then the write. */
static int run_out(struct kv_store *store, unsigned nth, bool *failed)
{
    struct kv_overlay overlay;
    kv_overlay_init(&overlay, store, NULL);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    struct buf scratch;
    buf_init(&scratch, 1 << 16);
    fail_alloc_at(nth);
    int rc = 0;
    for (uint64_t i = 0; i < 70 && rc == 0; i++) {
        struct kv_key key = kv_key_bag(i);
        struct kv_cell *cell = NULL;
        rc = kv_overlay_get(&overlay, &key, &cell, NULL);
        if (rc == 0) {
            cell->bag->owner.kind = OWNER_FLEET;
            cell->present = cell->dirty = true;
        }
    }
    rc = rc != 0 ? rc : kv_overlay_write(&overlay, batch, &scratch, NULL);
    *failed = fail_alloc_stop();
    buf_free(&scratch);
    rocksdb_writebatch_destroy(batch);
    kv_overlay_free(&overlay);
    return rc;
}

static void every_allocation_may_fail(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    struct kv_store store;
    open_store(&store, dir);
    unsigned nth = 1;
    for (bool failed = true; failed; nth++) {
        int rc = run_out(&store, nth, &failed);
        assert_int_equal(rc, failed ? E_NOMEM : 0);
    }
    assert_true(nth > 5); /* the table, twice; cells and bags; the order */
    kv_store_close(&store);
    tmp_folder_remove(dir);
}

/* What was written lately is known without the store: all of a bag and a writer, of an item its
 * state and seq. */
static void what_was_written_is_remembered(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    struct kv_store store = {0};
    struct kv_memory memory;
    struct kv_overlay pass;
    struct buf scratch;
    open_store(&store, dir);
    buf_init(&scratch, 1 << 16);
    assert_int_equal(kv_memory_init(&memory, NULL), 0);
    kv_overlay_init(&pass, &store, &memory);
    fill(&pass);
    kv_memory_keep(&memory, &pass, &scratch); /* nothing of it is in the store */
    kv_overlay_free(&pass);

    kv_overlay_init(&pass, &store, &memory);
    assert_string_equal(get(&pass, kv_key_bag(1))->bag->owner.shown, "Ann");
    assert_int_equal(get(&pass, kv_key_writer(7))->writer.highest, 2);
    struct kv_key key = kv_key_item(1, SPAN_LITERAL("a"));
    struct kv_cell *item = NULL;
    assert_int_equal(kv_overlay_guess(&pass, &key, &item, NULL), 0);
    assert_true(item->present && item->stored && !item->dirty);
    assert_int_equal(item->item.state, ITEM_LIVE);
    assert_int_equal(item->item.seq, 3);
    assert_false(get(&pass, kv_key_outcome(7, 2))->present);
    assert_false(get(&pass, kv_key_grave(2))->present);

    item->present = false; /* purged */
    get(&pass, kv_key_bag(1))->present = false;
    kv_memory_keep(&memory, &pass, &scratch);
    kv_overlay_free(&pass);
    kv_overlay_init(&pass, &store, &memory);
    assert_false(get(&pass, kv_key_bag(1))->present);
    assert_int_equal(kv_overlay_guess(&pass, &key, &item, NULL), 0);
    assert_false(item->present);
    kv_overlay_free(&pass);
    kv_memory_free(&memory);
    buf_free(&scratch);
    kv_store_close(&store);
    tmp_folder_remove(dir);
}

/* Without memory a row is not known as it was before. */
static void less_memory_knows_less(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    struct kv_store store = {0};
    open_store(&store, dir);
    for (unsigned nth = 1; nth < 3; nth++) {
        struct kv_memory memory;
        struct kv_overlay pass;
        struct buf scratch;
        buf_init(&scratch, 1 << 16);
        assert_int_equal(kv_memory_init(&memory, NULL), 0);
        kv_overlay_init(&pass, &store, &memory);
        fill(&pass);
        kv_memory_keep(&memory, &pass, &scratch);
        struct kv_cell *bag = get(&pass, kv_key_bag(1));
        bag->bag->last_seq = 10;
        memset(bag->bag->owner.shown, 'x', 200); /* so that it does not fit in place */
        buf_free(&scratch);
        fail_alloc_at(nth);
        kv_memory_keep(&memory, &pass, &scratch);
        (void)fail_alloc_stop();
        kv_overlay_free(&pass);
        kv_overlay_init(&pass, &store, &memory);
        bag = get(&pass, kv_key_bag(1)); /* the store has none */
        assert_true(!bag->present || bag->bag->last_seq == 10);
        kv_overlay_free(&pass);
        kv_memory_free(&memory);
        buf_free(&scratch);
    }
    kv_store_close(&store);
    tmp_folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_to_the_store_and_back),
        cmocka_unit_test(a_key_has_one_cell_however_many_there_are),
        cmocka_unit_test(what_is_known_is_not_looked_up),
        cmocka_unit_test(rows_are_written_in_the_order_of_keys),
        cmocka_unit_test(what_was_written_is_remembered),
        cmocka_unit_test(less_memory_knows_less),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
