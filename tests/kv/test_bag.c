/* tests/kv/test_bag.c - finding bags: by id, by owner, by parent, in the directory; graves. */
#include "tests/kv/state.h"

static void a_bag_is_found_by_id_and_owner(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    static const char *const owners[] = {"fleet", "server", "group:Ann", "user:ANN",
                                         "device:00f3000000000001"};
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        uint64_t bag_id = state_create(&state, owners[i], 0);
        struct owner owner = state_owner(owners[i]);
        struct bag_row bag;
        assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, NULL), 0);
        assert_int_equal(bag.bag_id, bag_id);
        assert_true(bag.exists);
        bag = state_bag(&state, bag_id);
        char text[OWNER_TEXT_MAX];
        owner_format(&bag.owner, text);
        assert_string_equal(text, owners[i]);
        assert_int_equal(bag.last_seq, bag_id);
    }
    struct owner folded = state_owner("user:ann");
    struct bag_row bag;
    assert_int_equal(kv_bag_of(state.kv, NULL, &folded, &bag, NULL), 0);
    assert_string_equal(bag.owner.shown, "ANN");
    state_close(&state);
}

static void what_is_not_there_is_told(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    struct bag_row bag;
    struct kv_grave grave;
    assert_int_equal(kv_bag(state.kv, NULL, 99, &bag, NULL), E_NOT_FOUND);
    assert_int_equal(kv_grave(state.kv, NULL, ann, &grave, NULL), E_NOT_FOUND);
    static const char *const others[] = {"user:An",
                                         "user:Anna",
                                         "group:Ann",
                                         "fleet",
                                         "user:Ann/device:00f3000000000001",
                                         "device:00f3000000000001"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct owner owner = state_owner(others[i]);
        struct err err = {0};
        assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, &err), E_NOT_FOUND);
        assert_string_not_equal(err.text, "");
    }
    state_close(&state);
}

static void a_deleted_bag_leaves_a_grave(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t first = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, first, "a", "secret");
    struct kv_view *before = NULL;
    assert_int_equal(kv_view_new(&before, state.kv, NULL), 0);
    uint64_t deleted = state_delete(&state, first);

    struct bag_row bag;
    struct owner owner = state_owner("user:Ann");
    assert_int_equal(kv_bag(state.kv, NULL, first, &bag, NULL), E_BAG_GONE);
    assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, NULL), E_NOT_FOUND);
    struct kv_grave grave;
    assert_int_equal(kv_grave(state.kv, NULL, first, &grave, NULL), 0);
    assert_int_equal(grave.bag_id, first);
    assert_int_equal(grave.last_seq, deleted);
    assert_true(owner_equal(&grave.owner, &owner));
    assert_string_equal(state_get(&state, NULL, first, "a"), "");

    uint64_t second = state_create(&state, "user:ann", 0);
    assert_int_not_equal(first, second);
    assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, NULL), 0);
    assert_int_equal(bag.bag_id, second);
    assert_int_equal(bag.items, 0);
    assert_string_equal(bag.owner.shown, "ann");
    assert_string_equal(state_get(&state, NULL, second, "a"), "");
    assert_int_equal(kv_bag(state.kv, NULL, first, &bag, NULL), E_BAG_GONE);

    assert_int_equal(kv_bag_of(state.kv, before, &owner, &bag, NULL), 0);
    assert_int_equal(bag.bag_id, first);
    assert_int_equal(kv_bag(state.kv, before, first, &bag, NULL), 0);
    assert_int_equal(kv_grave(state.kv, before, first, &grave, NULL), E_NOT_FOUND);
    assert_string_equal(state_get(&state, before, first, "a"), "=secret");
    kv_view_free(&before);
    state_close(&state);
}

/* --- lists --- */

struct seen {
    char text[512];
    int stop_at; /* this many bags, then E_QUOTA */
};

static int note(void *context, const struct bag_row *bag, struct err *err)
{
    struct seen *seen = context;
    if (seen->stop_at > 0 && --seen->stop_at == 0) {
        return err_set(err, E_QUOTA, "enough");
    }
    char owner[OWNER_TEXT_MAX];
    owner_format(&bag->owner, owner);
    size_t at = strlen(seen->text);
    (void)snprintf(seen->text + at, sizeof seen->text - at, "%llu:%s ",
                   (unsigned long long)bag->bag_id, owner);
    return 0;
}

static void a_users_devices_hang_on_the_users_bag(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t bea = state_create(&state, "user:Bea", 0);
    uint64_t on2 = state_create(&state, "user:Ann/device:0000000000000002", ann);
    uint64_t on1 = state_create(&state, "user:Ann/device:0000000000000001", ann);
    (void)state_create(&state, "user:Bea/device:0000000000000001", bea);

    struct seen seen = {0};
    assert_int_equal(kv_children(state.kv, NULL, ann, note, &seen, NULL), 0);
    assert_string_equal(seen.text, "4:user:Ann/device:0000000000000001 "
                                   "3:user:Ann/device:0000000000000002 ");
    seen = (struct seen){.stop_at = 2};
    assert_int_equal(kv_children(state.kv, NULL, ann, note, &seen, NULL), E_QUOTA);
    seen = (struct seen){0};
    assert_int_equal(kv_children(state.kv, NULL, on1, note, &seen, NULL), 0);
    assert_string_equal(seen.text, "");

    struct owner owner = state_owner("user:ANN/device:0000000000000002");
    struct bag_row bag;
    assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, NULL), 0);
    assert_int_equal(bag.bag_id, on2);
    assert_int_equal(bag.parent, ann);

    /* The user goes first: the devices' bags have deletions of their own. */
    (void)state_delete(&state, ann);
    assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, NULL), E_NOT_FOUND);
    (void)state_delete(&state, on1);
    seen = (struct seen){0};
    assert_int_equal(kv_children(state.kv, NULL, ann, note, &seen, NULL), 0);
    assert_string_equal(seen.text, "3:user:Ann/device:0000000000000002 ");

    /* The next Ann has none of them. */
    uint64_t next = state_create(&state, "user:Ann", 0);
    assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, NULL), E_NOT_FOUND);
    (void)state_create(&state, "user:Ann/device:0000000000000002", next);
    assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, NULL), 0);
    assert_int_equal(bag.parent, next);
    state_close(&state);
}

/* The names found, and "+" when there are more. */
static const char *owners(struct state *state, enum owner_kind kind, const char *search,
                          const char *after, size_t limit)
{
    static struct seen seen;
    seen = (struct seen){0};
    bool more = false;
    assert_int_equal(
        kv_owners(state->kv, NULL, kind, search, after, limit, note, &seen, &more, NULL), 0);
    if (more) {
        size_t at = strlen(seen.text);
        (void)snprintf(seen.text + at, sizeof seen.text - at, "+");
    }
    return seen.text;
}

static void the_directory_is_searched_by_any_part(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    (void)state_create(&state, "user:Joanna", 0);
    (void)state_create(&state, "user:bea", 0);
    (void)state_create(&state, "user:ANN", 0);
    (void)state_create(&state, "group:Annex", 0);
    uint64_t gone = state_create(&state, "user:Annika", 0);
    (void)state_delete(&state, gone);
    (void)state_create(&state, "device:0000000000000001", 0);
    (void)state_create(&state, "user:ANN/device:0000000000000001", 3);

    assert_string_equal(owners(&state, OWNER_USER, "", NULL, 10),
                        "3:user:ANN 2:user:bea 1:user:Joanna ");
    assert_string_equal(owners(&state, OWNER_GROUP, "", NULL, 10), "4:group:Annex ");
    assert_string_equal(owners(&state, OWNER_USER, "nn", NULL, 10), "3:user:ANN 1:user:Joanna ");
    assert_string_equal(owners(&state, OWNER_USER, "ann", NULL, 1), "3:user:ANN +");
    assert_string_equal(owners(&state, OWNER_USER, "ann", "ann", 1), "1:user:Joanna ");
    assert_string_equal(owners(&state, OWNER_USER, "", "ann", 1), "2:user:bea +");
    assert_string_equal(owners(&state, OWNER_USER, "", "b", 5), "2:user:bea 1:user:Joanna ");
    assert_string_equal(owners(&state, OWNER_USER, "", "joanna", 5), "");
    assert_string_equal(owners(&state, OWNER_USER, "x", NULL, 5), "");
    assert_string_equal(owners(&state, OWNER_USER, "", NULL, 0), "+");

    char after[NAME_MAX_BYTES + 2];
    memset(after, 'b', sizeof after);
    after[NAME_MAX_BYTES + 1] = '\0';
    bool more = false;
    struct seen seen = {0};
    assert_int_equal(kv_owners(state.kv, NULL, OWNER_USER, "", after, 5, note, &seen, &more, NULL),
                     E_INVALID);
    after[NAME_MAX_BYTES] = '\0';
    assert_string_equal(owners(&state, OWNER_USER, "", after, 5), "2:user:bea 1:user:Joanna ");
    seen = (struct seen){.stop_at = 1};
    assert_int_equal(kv_owners(state.kv, NULL, OWNER_USER, "", NULL, 5, note, &seen, &more, NULL),
                     E_QUOTA);
    state_close(&state);
}

static void a_long_directory_comes_in_pages(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    for (int i = 0; i < 100; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "user:u%02d", i * 37 % 100);
        (void)state_create(&state, name, 0);
    }
    char after[8] = "";
    int found = 0;
    bool more = true;
    while (more) {
        struct seen seen = {0};
        assert_int_equal(
            kv_owners(state.kv, NULL, OWNER_USER, "u", after, 7, note, &seen, &more, NULL), 0);
        for (const char *at = seen.text; (at = strstr(at, ":user:")) != NULL; at += 9) {
            (void)snprintf(after, sizeof after, "%.3s", at + 6);
            char want[16];
            (void)snprintf(want, sizeof want, "u%02d", found++);
            assert_string_equal(after, want);
        }
    }
    assert_int_equal(found, 100);
    state_close(&state);
}

struct bags {
    uint64_t ids[8];
    size_t count;
};

static int add_bag(void *context, const struct bag_row *bag, struct err *err)
{
    (void)err;
    struct bags *bags = context;
    assert_true(bag->exists);
    bags->ids[bags->count++] = bag->bag_id;
    return 0;
}

static void all_bags_come_by_number(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    bool more = true;
    struct bags bags = {0};
    assert_int_equal(kv_bags(state.kv, NULL, 0, 10, add_bag, &bags, &more, NULL), 0);
    assert_int_equal(bags.count, 0);
    assert_false(more);
    uint64_t zoe = state_create(&state, "user:Zoe", 0);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t device = state_create(&state, "user:Ann/device:0000000000000001", ann);
    uint64_t fleet = state_create(&state, "fleet", 0);
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    (void)state_delete(&state, device);

    assert_int_equal(kv_bags(state.kv, NULL, 0, 2, add_bag, &bags, &more, NULL), 0);
    assert_int_equal(bags.count, 2);
    assert_int_equal(bags.ids[0], zoe);
    assert_int_equal(bags.ids[1], ann);
    assert_true(more);
    bags.count = 0;
    assert_int_equal(kv_bags(state.kv, NULL, ann, 1, add_bag, &bags, &more, NULL), 0);
    assert_int_equal(bags.count, 1);
    assert_int_equal(bags.ids[0], fleet);
    assert_false(more);
    bags.count = 0;
    assert_int_equal(kv_bags(state.kv, view, ann, 10, add_bag, &bags, &more, NULL), 0);
    assert_int_equal(bags.count, 2);
    assert_int_equal(bags.ids[0], device);
    bags.count = 0;
    assert_int_equal(kv_bags(state.kv, NULL, UINT64_MAX, 10, add_bag, &bags, &more, NULL), 0);
    assert_int_equal(bags.count, 0);
    kv_view_free(&view);
    state_close(&state);
}

static void counts_are_kept(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_create(&state, "group:Staff", 0);
    (void)state_create(&state, "fleet", 0);
    (void)state_put(&state, ann, "a", "12345");
    (void)state_put(&state, ann, "b", "1");
    (void)state_put(&state, ann, "b", NULL);
    struct kv_counts counts;
    const struct kv_counts some = {.users = 1, .groups = 1, .bags = 3, .items = 1, .bytes = 6};
    assert_int_equal(kv_counts(state.kv, NULL, &counts, NULL), 0);
    assert_memory_equal(&counts, &some, sizeof counts);
    state_reopen(&state, true);
    (void)state_delete(&state, ann);
    const struct kv_counts fewer = {.groups = 1, .bags = 2};
    assert_int_equal(kv_counts(state.kv, NULL, &counts, NULL), 0);
    assert_memory_equal(&counts, &fewer, sizeof counts);
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bag_is_found_by_id_and_owner),
        cmocka_unit_test(what_is_not_there_is_told),
        cmocka_unit_test(a_deleted_bag_leaves_a_grave),
        cmocka_unit_test(a_users_devices_hang_on_the_users_bag),
        cmocka_unit_test(the_directory_is_searched_by_any_part),
        cmocka_unit_test(a_long_directory_comes_in_pages),
        cmocka_unit_test(all_bags_come_by_number),
        cmocka_unit_test(counts_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
