/* tests/kv/test_link_make.c - a state of a format before this one gets its links. */
#include "tests/kv/state.h"

#include "kv/inside.h"
#include "kv/link.h"

enum { USERS = 1100 }; /* more than are written at once */

static struct state state;
static uint64_t users[USERS];
static uint64_t machine, gone;

static void put_format(uint32_t version)
{
    struct kv_key key = kv_key_format();
    struct buf row;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    buf_init(&row, 64);
    kv_row_put_format(&row, kv_key_span(&key), version);
    assert_int_equal(kv_batch_put(batch, &key, &row, NULL), 0);
    assert_int_equal(kv_store_write(&state.kv->store, batch, NULL), 0);
    rocksdb_writebatch_destroy(batch);
    buf_free(&row);
}

/* All rows of a kind, as hexadecimal digits would tell them; removed when `remove`. */
static void take_rows(char letter, struct buf *out, bool remove)
{
    struct kv_key prefix = kv_key_sign_ins_all();
    struct kv_scan scan;
    struct span key;
    struct span row;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    prefix.data[0] = (uint8_t)letter;
    kv_scan_open(&scan, &state.kv->store, NULL, &prefix, &prefix, false);
    for (; kv_scan_row(&scan, &key, &row, NULL) == 0; kv_scan_step(&scan)) {
        (void)buf_append_span(out, key);
        (void)buf_append_span(out, row);
        if (remove) {
            rocksdb_writebatch_delete(batch, (const char *)key.data, key.size);
        }
    }
    kv_scan_close(&scan);
    assert_int_equal(kv_store_write(&state.kv->store, batch, NULL), 0);
    rocksdb_writebatch_destroy(batch);
    assert_int_equal(buf_error(out), 0);
}

static void populate(void)
{
    char text[64];
    state_open(&state);
    machine = state_create(&state, "device:0000000000000009", 0);
    gone = state_create(&state, "device:0000000000000005", 0);
    for (size_t i = 0; i < USERS; i++) {
        (void)snprintf(text, sizeof text, "user:u%zu", i);
        users[i] = state_create(&state, text, 0);
        (void)snprintf(text, sizeof text, "@user/%llu", (unsigned long long)users[i]);
        (void)state_put(&state, machine, text, "name");
    }
    (void)state_put(&state, machine, text, NULL); /* the last one signed out */
    (void)state_put(&state, machine, "@user/x", "no link");
    (void)state_put(&state, machine, "@group/made", "nor this");
    (void)state_put(&state, users[0], "@group/sales", "Sales");
    (void)state_put(&state, users[1], "@group/sales", "Sales");
    (void)state_put(&state, users[1], "@group/sales", NULL);
    (void)state_put(&state, users[2], "@user/1", "nor this");
    (void)state_put(&state, gone, "@user/1", "of a bag that is deleted next");
    (void)state_delete(&state, gone);
    bool more = true;
    assert_int_equal(kv_clean(state.kv, state_seq(&state), 100, &more, NULL), 0);
}

/* What is made when the state is opened is what applying had made. */
static void made_from(uint32_t version)
{
    struct buf before;
    struct buf after;
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    populate();
    take_rows('U', &before, true);
    take_rows('P', &before, true);
    assert_true(before.size > 1000 * (17 + 24));
    put_format(version);
    state_reopen(&state, true);
    take_rows('U', &after, false);
    take_rows('P', &after, false);
    assert_true(span_equal(buf_span(&before), buf_span(&after)));
    buf_reset(&after);
    take_rows('U', &after, true);
    take_rows('P', &after, true);
    state_reopen(&state, true); /* it is of this format now: nothing is made again */
    buf_reset(&after);
    take_rows('U', &after, false);
    assert_int_equal(after.size, 0);
    buf_free(&before);
    buf_free(&after);
    state_close(&state);
}

static void from_the_format_before(void **unused)
{
    (void)unused;
    made_from(KV_FORMAT_UNLINKED);
}

static void from_the_one_before_that(void **unused)
{
    (void)unused;
    made_from(KV_FORMAT_UNNAMED);
}

/* The state is refused rather than opened without some. */
static void a_spoiled_item_is_told(void **unused)
{
    (void)unused;
    populate();
    struct kv_key key = kv_key_item(users[0], SPAN_LITERAL("@group/sales"));
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put(batch, (const char *)key.data, key.size, "rubbish", 7);
    assert_int_equal(kv_store_write(&state.kv->store, batch, NULL), 0);
    rocksdb_writebatch_destroy(batch);
    put_format(KV_FORMAT_UNLINKED);
    kv_close(&state.kv, true);
    const struct kv_options options = {state.dir, 4 << 20, 1 << 20};
    struct err err = {0};
    assert_int_equal(kv_open(&state.kv, &options, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "is damaged"));
    tmp_folder_remove(state.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_the_format_before),
        cmocka_unit_test(from_the_one_before_that),
        cmocka_unit_test(a_spoiled_item_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
