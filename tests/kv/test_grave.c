/* tests/kv/test_grave.c - what is told of deleted bags. */
#include "tests/kv/state.h"

#include "kv/inside.h"

struct list {
    struct kv_grave graves[8];
    size_t count;
    size_t stop_at; /* 0: never */
};

static int add(void *context, const struct kv_grave *grave, struct err *err)
{
    (void)err;
    struct list *list = context;
    list->graves[list->count++] = *grave;
    return list->count == list->stop_at ? E_QUOTA : 0;
}

static struct list list_of(struct state *state, struct kv_view *view, const char *owner)
{
    struct list list = {0};
    struct owner wanted = state_owner(owner != NULL ? owner : "fleet");
    struct err err = {0};
    int rc = kv_graves(state->kv, view, owner != NULL ? &wanted : NULL, add, &list, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    return list;
}

static void a_grave_tells_what_was_there(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t device = state_create(&state, "user:Ann/device:0000000000000001", ann);
    (void)state_put(&state, device, "a", "value");
    const struct bag_row was = state_bag(&state, device);
    struct kv_grave grave;
    assert_int_equal(kv_grave(state.kv, NULL, device, &grave, NULL), E_NOT_FOUND);
    uint64_t seq = state_delete(&state, device);
    assert_int_equal(kv_grave(state.kv, NULL, device, &grave, NULL), 0);
    assert_int_equal(grave.bag_id, device);
    assert_int_equal(grave.last_seq, seq);
    assert_int_equal(grave.parent, ann);
    assert_int_equal(grave.items, 1);
    assert_int_equal(grave.bytes, 6);
    assert_true(digest_equal(&grave.digest, &was.digest));
    assert_true(grave.whole);
    assert_true(owner_equal(&grave.owner, &was.owner));
    bool more = true;
    assert_int_equal(kv_clean(state.kv, seq, 10, &more, NULL), 0);
    assert_int_equal(kv_grave(state.kv, NULL, device, &grave, NULL), 0);
    assert_false(grave.whole);
    assert_int_equal(grave.items, 1);
    assert_int_equal(kv_grave(state.kv, NULL, 99, &grave, NULL), E_NOT_FOUND);
    state_close(&state);
}

static void graves_are_listed_by_owner(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    assert_int_equal(list_of(&state, NULL, NULL).count, 0);
    uint64_t first = state_create(&state, "user:Ann", 0);
    (void)state_delete(&state, first);
    uint64_t staff = state_create(&state, "group:Staff", 0);
    uint64_t second = state_create(&state, "user:Ann", 0);
    uint64_t device = state_create(&state, "user:Ann/device:0000000000000001", second);
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    (void)state_delete(&state, device);
    (void)state_delete(&state, second);
    (void)state_delete(&state, staff);
    (void)state_create(&state, "user:Ann", 0); /* who lives has no grave by that */

    struct list list = list_of(&state, NULL, "user:ANN");
    assert_int_equal(list.count, 2);
    assert_int_equal(list.graves[0].bag_id, first);
    assert_int_equal(list.graves[1].bag_id, second);
    list = list_of(&state, NULL, "user:Ann/device:0000000000000001");
    assert_int_equal(list.count, 1);
    assert_int_equal(list.graves[0].bag_id, device);
    assert_int_equal(list.graves[0].parent, second);
    assert_int_equal(list_of(&state, NULL, "user:Ann/device:0000000000000002").count, 0);
    assert_int_equal(list_of(&state, NULL, "group:Ann").count, 0);
    assert_int_equal(list_of(&state, NULL, NULL).count, 4);
    assert_int_equal(list_of(&state, view, NULL).count, 1); /* as it was then */
    list = (struct list){.stop_at = 2};
    assert_int_equal(kv_graves(state.kv, NULL, NULL, add, &list, NULL), E_QUOTA);
    assert_int_equal(list.count, 2);
    kv_view_free(&view);
    state_close(&state);
}

static struct list list_under(struct state *state, struct kv_view *view, const char *user,
                              uint64_t parent)
{
    struct list list = {0};
    struct owner owner = state_owner(user);
    struct err err = {0};
    int rc = kv_graves_under(state->kv, view, &owner, parent, add, &list, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    return list;
}

static void device_specific_ones_are_found_under_their_users(void **unused)
{
    (void)unused;
    static const char annas[] = "user:Anna/device:0000000000000001";
    struct state state;
    state_open(&state);
    uint64_t first = state_create(&state, "user:Anna", 0);
    uint64_t device = state_create(&state, annas, first);
    uint64_t ann = state_create(&state, "user:Ann", 0); /* as Anna begins */
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    (void)state_delete(&state, device);
    (void)state_delete(&state, first);
    (void)state_delete(&state, ann);
    uint64_t second = state_create(&state, "user:Anna", 0);
    uint64_t other = state_create(&state, annas, second);
    (void)state_delete(&state, other);

    struct list list = list_under(&state, NULL, "user:ANNA", first);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.graves[0].bag_id, device);
    list = list_under(&state, NULL, "user:Anna", second);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.graves[0].bag_id, other);
    assert_int_equal(list_under(&state, view, "user:Anna", first).count, 0);
    assert_int_equal(list_under(&state, NULL, "user:Ann", ann).count, 0);
    assert_int_equal(list_of(&state, NULL, "user:Ann").count, 1);
    assert_int_equal(list_of(&state, NULL, "user:Anna").count, 1);
    kv_view_free(&view);
    state_close(&state);
}

static void put_row(struct state *state, struct kv_key key, struct span row)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    if (row.size > 0) {
        rocksdb_writebatch_put(batch, (const char *)key.data, key.size, (const char *)row.data,
                               row.size);
    } else {
        kv_batch_delete(batch, &key);
    }
    assert_int_equal(kv_store_write(&state->kv->store, batch, NULL), 0);
    rocksdb_writebatch_destroy(batch);
}

/* Who looks at one of them only does not notice that another is spoiled. */
static void those_of_others_are_not_looked_at(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t device = state_create(&state, "user:Ann/device:0000000000000001", ann);
    uint64_t bea = state_create(&state, "user:Bea", 0);
    (void)state_delete(&state, device);
    (void)state_delete(&state, ann);
    (void)state_delete(&state, bea);
    put_row(&state, kv_key_grave(bea), SPAN_LITERAL("rubbish"));
    struct list list = {0};
    assert_int_equal(kv_graves(state.kv, NULL, NULL, add, &list, NULL), E_CORRUPT);
    assert_int_equal(list_of(&state, NULL, "user:Ann").count, 1);
    assert_int_equal(list_under(&state, NULL, "user:Ann", ann).count, 1);
    struct owner owner = state_owner("user:Bea");
    assert_int_equal(kv_graves(state.kv, NULL, &owner, add, &list, NULL), E_CORRUPT);
    put_row(&state, kv_key_named_grave(&owner, bea), SPAN_LITERAL("rubbish"));
    assert_int_equal(kv_graves(state.kv, NULL, &owner, add, &list, NULL), E_CORRUPT);
    state_close(&state);
}

/* A damaged grave is buried as well; what found it leads nowhere then. */
static void a_spoiled_one_is_buried(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t seq = state_delete(&state, ann);
    bool more = false;
    put_row(&state, kv_key_grave(ann), SPAN_LITERAL("rubbish"));
    assert_int_equal(kv_clean(state.kv, seq, 10, &more, NULL), 0);
    struct err err = {0};
    assert_int_equal(kv_bury(state.kv, seq + 1, 10, &more, &err), 0);
    assert_string_equal(err.text, "");
    assert_int_equal(list_of(&state, NULL, NULL).count, 0);
    assert_int_equal(list_of(&state, NULL, "user:Ann").count, 0);
    state_close(&state);
}

static void a_state_of_the_format_before_gets_its_names(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    struct buf row;
    buf_init(&row, 64);
    struct kv_key format = kv_key_format();
    kv_row_put_format(&row, kv_key_span(&format), KV_FORMAT_UNNAMED);
    char name[32];
    for (int i = 0; i < 1001; i++) { /* more than are named at once */
        (void)snprintf(name, sizeof name, "user:u%d", i);
        struct owner owner = state_owner(name);
        uint64_t bag_id = state_create(&state, name, 0);
        (void)state_delete(&state, bag_id);
        put_row(&state, kv_key_named_grave(&owner, bag_id), span_of(NULL, 0));
    }
    assert_int_equal(list_of(&state, NULL, "user:u0").count, 0);
    put_row(&state, format, buf_span(&row));
    state_reopen(&state, true);
    for (int i = 0; i < 1001; i++) {
        (void)snprintf(name, sizeof name, "user:u%d", i);
        assert_int_equal(list_of(&state, NULL, name).count, 1);
    }
    state_reopen(&state, true); /* and it is of this one now */
    assert_int_equal(list_of(&state, NULL, "user:u1000").count, 1);
    buf_free(&row);
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_specific_ones_are_found_under_their_users),
        cmocka_unit_test(those_of_others_are_not_looked_at),
        cmocka_unit_test(a_spoiled_one_is_buried),
        cmocka_unit_test(a_state_of_the_format_before_gets_its_names),
        cmocka_unit_test(a_grave_tells_what_was_there),
        cmocka_unit_test(graves_are_listed_by_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
