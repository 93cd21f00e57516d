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
    cell->writer = (struct kv_writer){true, 1, 2, 3};
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
    cell = get(overlay, kv_key_doomed(2));
    cell->present = cell->dirty = true;
}

static void rows_go_to_the_store_and_back(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    struct kv_store store;
    open_store(&store, dir);
    struct kv_overlay overlay;
    kv_overlay_init(&overlay, &store);
    fill(&overlay);
    (void)get(&overlay, kv_key_bag(5)); /* looked at only */
    write_overlay(&overlay, &store, 8);
    kv_overlay_free(&overlay);

    kv_overlay_init(&overlay, &store);
    assert_string_equal(get(&overlay, kv_key_bag(1))->bag->owner.shown, "Ann");
    assert_int_equal(get(&overlay, kv_key_grave(2))->bag->owner.kind, OWNER_FLEET);
    struct kv_cell *item = get(&overlay, kv_key_item(1, SPAN_LITERAL("a")));
    assert_true(item->present && item->stored && !item->dirty);
    assert_true(span_equal(item->item.value, SPAN_LITERAL("value")));
    assert_int_equal(get(&overlay, kv_key_writer(7))->writer.highest, 2);
    assert_int_equal(get(&overlay, kv_key_outcome(7, 2))->outcome.seq, 3);
    assert_int_equal(get(&overlay, kv_key_child(1, 5))->id, 66);
    assert_int_equal(get(&overlay, kv_key_owner_named(OWNER_USER, "ann"))->id, 1);
    assert_true(get(&overlay, kv_key_doomed(2))->present);
    assert_false(get(&overlay, kv_key_doomed(3))->present);
    write_overlay(&overlay, &store, 0); /* nothing was changed */

    item->present = false;
    item->dirty = true;
    get(&overlay, kv_key_doomed(3))->dirty = true; /* made and dropped: nothing to delete */
    write_overlay(&overlay, &store, 1);
    kv_overlay_free(&overlay);
    kv_overlay_init(&overlay, &store);
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
    kv_overlay_init(&overlay, &store);
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
    for (size_t i = 1; i < overlay.count; i++) {
        struct span before = span_of(overlay.cells[i - 1]->key, overlay.cells[i - 1]->key_size);
        struct span here = span_of(overlay.cells[i]->key, overlay.cells[i]->key_size);
        assert_true(span_compare(before, here) < 0);
    }
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
    kv_overlay_init(&overlay, &store);
    fill(&overlay);
    write_overlay(&overlay, &store, 8);
    kv_overlay_free(&overlay);

    kv_overlay_init(&overlay, &store);
    struct kv_key key = kv_key_outcome(7, 2);
    struct kv_cell *cell = NULL;
    assert_int_equal(kv_overlay_put(&overlay, &key, true, &cell, NULL), 0);
    assert_false(cell->present);
    assert_ptr_equal(get(&overlay, key), cell); /* and it is not looked up later */
    assert_false(cell->present);
    cell->dirty = true;
    write_overlay(&overlay, &store, 1); /* a deletion */
    kv_overlay_free(&overlay);

    kv_overlay_init(&overlay, &store);
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
    kv_overlay_init(&overlay, store);
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
    assert_true(nth > 140); /* a cell and a bag for each key */
    kv_store_close(&store);
    tmp_folder_remove(dir);
}

/* What was written lately is known without the store: all of a bag and a writer, of an item all but
 * its value. What was forgotten is asked for again. */
static void what_was_written_is_remembered(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    struct kv_store store = {0};
    struct kv_overlay recent;
    struct kv_overlay pass;
    open_store(&store, dir);
    kv_overlay_init(&recent, &store);
    kv_overlay_init(&pass, &store);
    fill(&pass);
    kv_overlay_remember(&recent, &pass); /* nothing of it is in the store */
    kv_overlay_free(&pass);

    kv_overlay_init(&pass, &store);
    pass.seed = recent.seed;
    pass.recent = &recent;
    assert_string_equal(get(&pass, kv_key_bag(1))->bag->owner.shown, "Ann");
    assert_int_equal(get(&pass, kv_key_writer(7))->writer.highest, 2);
    const struct kv_cell *item = get(&pass, kv_key_item(1, SPAN_LITERAL("a")));
    assert_true(item->present && item->stored && !item->dirty);
    assert_int_equal(item->item.seq, 3);
    assert_int_equal(item->item.value.size, 5);
    assert_null(item->item.value.data);
    assert_false(get(&pass, kv_key_outcome(7, 2))->present);
    struct kv_key grave = kv_key_grave(2);
    assert_null(kv_overlay_find(&recent, &grave));
    kv_overlay_free(&pass);

    kv_overlay_init(&pass, &store);
    for (uint64_t bag = 10; bag < 10 + KV_RECENT_MAX; bag++) {
        (void)get(&pass, kv_key_writer(bag));
    }
    kv_overlay_remember(&recent, &pass); /* more than it holds beside what it has */
    struct kv_key old = kv_key_bag(1);
    assert_null(kv_overlay_find(&recent, &old));
    assert_int_equal(recent.count, KV_RECENT_MAX);
    kv_overlay_free(&pass);
    kv_overlay_free(&recent);
    kv_store_close(&store);
    tmp_folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_to_the_store_and_back),
        cmocka_unit_test(a_key_has_one_cell_however_many_there_are),
        cmocka_unit_test(what_is_known_is_not_looked_up),
        cmocka_unit_test(what_was_written_is_remembered),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
