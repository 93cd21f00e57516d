/* Scrubbing: a round, its rest, the time between rounds; a wrong bag is counted and told. */
#include "kv/inside.h"
#include "server/scrub.h"
#include "tests/server/fixture.h"

enum { BAGS = 20 };

static void fill(struct fixture *fx)
{
    for (int i = 0; i < BAGS; i++) {
        char owner[32];
        (void)snprintf(owner, sizeof owner, "user:u%d", i);
        (void)fx_submit(fx, SUBMIT_WRITE, owner, "copy/default", "value");
    }
}

/* All slices of a round, with the rests that it takes. */
static void run_round(struct fixture *fx, struct scrub *scrub)
{
    uint64_t before = scrub->round_ms;
    for (int i = 0; i < 10000 && scrub->round_ms == before; i++) {
        scrub_work(scrub, fx->kv, &fx->clock);
        fx->time.mono_ms += 10;
        fx->time.wall_ms += 10;
    }
    assert_true(scrub->round_ms > before);
}

static void rounds(void **state)
{
    struct fixture *fx = *state;
    fill(fx);
    struct scrub scrub;
    scrub_begin(&scrub, 1000000, true, &fx->clock);
    uint64_t begun_ms = fx->time.mono_ms;
    run_round(fx, &scrub);
    assert_int_equal(scrub.checked, BAGS + 2); /* the server's and the fleet's */
    assert_int_equal(scrub.wrong, 0);
    fx->time.mono_ms = begun_ms + 1000000 - 1;
    scrub_work(&scrub, fx->kv, &fx->clock);
    assert_int_equal(scrub.checked, BAGS + 2);
    fx->time.mono_ms++;
    fx->time.wall_ms++;
    run_round(fx, &scrub);
    assert_int_equal(scrub.checked, 2 * (BAGS + 2));
}

static void after_a_clean_stop_it_waits(void **state)
{
    struct fixture *fx = *state;
    struct scrub scrub;
    scrub_begin(&scrub, 1000, false, &fx->clock);
    fx->time.mono_ms += 999;
    scrub_work(&scrub, fx->kv, &fx->clock);
    assert_int_equal(scrub.checked, 0);
    fx->time.mono_ms += 1;
    run_round(fx, &scrub);
    assert_int_equal(scrub.checked, 2);
}

/* A state that is too large for a slice is read in several, with rests between them. */
static void it_rests(void **state)
{
    struct fixture *fx = *state;
    char *large = calloc(1, 500001);
    assert_non_null(large);
    memset(large, 'x', 500000);
    for (int i = 0; i < 40; i++) {
        char owner[32];
        (void)snprintf(owner, sizeof owner, "user:u%d", i);
        (void)fx_submit(fx, SUBMIT_WRITE, owner, "copy/default", large);
    }
    free(large);
    struct scrub scrub;
    scrub_begin(&scrub, 1000000, true, &fx->clock);
    scrub_work(&scrub, fx->kv, &fx->clock);
    if (scrub.round_ms == 0) { /* this machine did not read 20 MB in a slice */
        uint64_t checked = scrub.checked;
        assert_true(scrub.next_ms >= fx->time.mono_ms + 4 * 49);
        fx->time.mono_ms = scrub.next_ms - 1;
        scrub_work(&scrub, fx->kv, &fx->clock);
        assert_int_equal(scrub.checked, checked);
        run_round(fx, &scrub);
    }
    assert_int_equal(scrub.checked, 42);
}

/* --- damage --- */

/* Another value in the item's row, behind the state's back. */
static void damage(struct fixture *fx, uint64_t bag_id, const char *path)
{
    struct kv_item item = {0};
    assert_int_equal(kv_item(fx->kv, NULL, bag_id, span_str(path), &item, NULL), 0);
    struct item_row row = item.row;
    row.value = SPAN_LITERAL("not this");
    struct kv_key key = kv_key_item(bag_id, span_str(path));
    struct buf bytes;
    buf_init(&bytes, 1024);
    kv_row_put_item(&bytes, kv_key_span(&key), &row);
    kv_item_free(&item);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put(batch, (const char *)key.data, key.size, (const char *)bytes.data,
                           bytes.size);
    assert_int_equal(kv_store_write(&fx->kv->store, batch, NULL), 0);
    rocksdb_writebatch_destroy(batch);
    buf_free(&bytes);
}

static void a_wrong_bag_is_counted(void **state)
{
    struct fixture *fx = *state;
    fill(fx);
    struct submit eve = fx_submit(fx, SUBMIT_WRITE, "user:eve", "copy/default", "her words");
    damage(fx, eve.bag_id, "copy/default");
    struct scrub scrub;
    scrub_begin(&scrub, 1000, true, &fx->clock);
    run_round(fx, &scrub);
    assert_int_equal(scrub.checked, BAGS + 3);
    assert_int_equal(scrub.wrong, 1);
    fx->time.mono_ms += 1000;
    run_round(fx, &scrub); /* it goes on, and finds it again */
    assert_int_equal(scrub.wrong, 2);
    /* the others are served as before */
    struct submit submit = fx_submit(fx, SUBMIT_WRITE, "user:u1", "copy/default", "new");
    assert_int_equal(submit.code, 0);
    assert_string_equal(fx_value(fx, submit.bag_id, "copy/default"), "new");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rounds),
        TEST(after_a_clean_stop_it_waits),
        TEST(it_rests),
        TEST(a_wrong_bag_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
