/* tests/kv/test_scrub.c - what was lost or spoiled in the state is found. */
#include "tests/kv/state.h"

#include "kv/inside.h"

enum { BAGS = 5, ITEMS = 4 };

struct found {
    uint64_t checked;
    uint64_t wrong;
    size_t count;
    struct kv_wrong last;
    char text[256];
};

static void note_wrong(void *context, const struct kv_wrong *wrong)
{
    struct found *found = context;
    found->count++;
    found->last = *wrong;
    (void)snprintf(found->text, sizeof found->text, "%s", wrong->text);
}

static struct found scrub_all(struct state *state)
{
    struct found found = {0};
    uint64_t next = 0;
    struct err err = {0};
    int rc = kv_scrub(state->kv, &next, SIZE_MAX, &found.checked, &found.wrong, note_wrong, &found,
                      &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_int_equal(next, 0);
    assert_int_equal(found.count, found.wrong);
    return found;
}

static void fill(struct state *state, uint64_t bags[BAGS])
{
    static const char *const owners[BAGS] = {"user:a", "user:b", "user:c", "group:d", "fleet"};
    static const char *const paths[ITEMS] = {"one", "two", "three", "four"};
    state_open(state);
    for (size_t i = 0; i < BAGS; i++) {
        bags[i] = state_create(state, owners[i], 0);
        for (size_t k = 0; k < ITEMS; k++) {
            (void)state_put(state, bags[i], paths[k], "value");
        }
        (void)state_put(state, bags[i], "four", NULL);
    }
}

/* Behind the state's back; `row` NULL removes it. */
static void put_row(struct state *state, struct kv_key key, const struct buf *row)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    if (row != NULL) {
        assert_int_equal(kv_batch_put(batch, &key, row, NULL), 0);
    } else {
        kv_batch_delete(batch, &key);
    }
    assert_int_equal(kv_store_write(&state->kv->store, batch, NULL), 0);
    rocksdb_writebatch_destroy(batch);
}

static void put_item(struct state *state, uint64_t bag_id, uint64_t seq, const char *value)
{
    const struct item_row item = {ITEM_LIVE, false, seq, 1, 2, span_str(value)};
    struct kv_key key = kv_key_item(bag_id, SPAN_LITERAL("two"));
    struct buf row;
    buf_init(&row, 4096);
    kv_row_put_item(&row, kv_key_span(&key), &item);
    put_row(state, key, &row);
    buf_free(&row);
}

static void a_sound_state_is_sound(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    struct found found = scrub_all(&state);
    assert_int_equal(found.checked, 0);
    state_close(&state);
    uint64_t bags[BAGS];
    fill(&state, bags);
    (void)state_delete(&state, bags[2]); /* what is deleted is nobody's */
    found = scrub_all(&state);
    assert_int_equal(found.checked, BAGS - 1);
    assert_int_equal(found.wrong, 0);
    state_close(&state);
}

static void a_lost_row_is_found(void **unused)
{
    (void)unused;
    struct state state;
    uint64_t bags[BAGS];
    fill(&state, bags);
    put_row(&state, kv_key_item(bags[1], SPAN_LITERAL("one")), NULL);
    struct found found = scrub_all(&state);
    assert_int_equal(found.checked, BAGS);
    assert_int_equal(found.wrong, 1);
    assert_int_equal(found.last.bag_id, bags[1]);
    assert_true(found.last.row.exists);
    assert_int_equal(found.last.row.items, 3);
    assert_int_equal(found.last.items, 2);
    assert_int_equal(found.last.row.bytes - found.last.bytes, strlen("one") + strlen("value"));
    assert_false(digest_equal(&found.last.digest, &found.last.row.digest));
    assert_string_not_equal(found.text, "");
    state_close(&state);
}

/* Of the same size, and of a right checksum: only the digest tells. */
static void another_value_or_seq_is_found(void **unused)
{
    (void)unused;
    struct state state;
    uint64_t bags[BAGS];
    fill(&state, bags);
    put_item(&state, bags[0], bags[0] + 2, "value"); /* as it was */
    put_item(&state, bags[3], bags[3] + 2, "eulav");
    put_item(&state, bags[4], bags[4] + 1, "value");
    struct found found = scrub_all(&state);
    assert_int_equal(found.wrong, 2);
    assert_int_equal(found.last.bag_id, bags[4]);
    assert_int_equal(found.last.items, 3);
    state_close(&state);
}

/* The row itself, and one of its items. */
static void unreadable_rows_are_found_and_passed(void **unused)
{
    (void)unused;
    struct state state;
    uint64_t bags[BAGS];
    fill(&state, bags);
    struct buf rubbish;
    buf_init(&rubbish, 64);
    (void)buf_append(&rubbish, "this is not what a row is", 25);
    put_row(&state, kv_key_item(bags[0], SPAN_LITERAL("three")), &rubbish);
    struct found found = scrub_all(&state);
    assert_int_equal(found.checked, BAGS);
    assert_int_equal(found.wrong, 1);
    assert_true(found.last.row.exists);
    assert_non_null(strstr(found.text, "damaged"));
    put_row(&state, kv_key_bag(bags[2]), &rubbish);
    found = scrub_all(&state);
    assert_int_equal(found.checked, BAGS);
    assert_int_equal(found.wrong, 2);
    assert_int_equal(found.last.bag_id, bags[2]);
    assert_false(found.last.row.exists);
    buf_free(&rubbish);
    state_close(&state);
}

/* A bag at a time, and on from there, also when that bag is gone by then. */
static void a_round_goes_in_steps(void **unused)
{
    (void)unused;
    struct state state;
    uint64_t bags[BAGS];
    fill(&state, bags);
    struct found found = {0};
    uint64_t next = 0;
    for (size_t i = 0; i < BAGS; i++) {
        assert_int_equal(found.checked, i);
        assert_int_equal(
            kv_scrub(state.kv, &next, 1, &found.checked, &found.wrong, note_wrong, &found, NULL),
            0);
        assert_true(next > bags[i]);
    }
    assert_int_equal(
        kv_scrub(state.kv, &next, 1, &found.checked, &found.wrong, note_wrong, &found, NULL), 0);
    assert_int_equal(next, 0);
    assert_int_equal(found.checked, BAGS);
    assert_int_equal(found.wrong, 0);

    next = bags[3];
    (void)state_delete(&state, bags[3]);
    assert_int_equal(
        kv_scrub(state.kv, &next, 1, &found.checked, &found.wrong, note_wrong, &found, NULL), 0);
    assert_int_equal(next, bags[4] + 1);
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_state_is_sound),
        cmocka_unit_test(a_lost_row_is_found),
        cmocka_unit_test(another_value_or_seq_is_found),
        cmocka_unit_test(unreadable_rows_are_found_and_passed),
        cmocka_unit_test(a_round_goes_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
