/* tests/kv/test_grave.c - what is told of deleted bags. */
#include "tests/kv/state.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grave_tells_what_was_there),
        cmocka_unit_test(graves_are_listed_by_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
