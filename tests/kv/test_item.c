/* tests/kv/test_item.c - reading one item, and a bag's items page by page. */
#include "tests/kv/state.h"

static void an_item_tells_all_it_has(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    struct change change = {.kind = CHANGE_ITEM_SET,
                            .bag_id = ann,
                            .prev = ann,
                            .origin = 5,
                            .conflict = true,
                            .path = SPAN_LITERAL("a/b"),
                            .value = SPAN_LITERAL("x\0y")};
    uint64_t seq = state_apply(&state, &change);
    struct kv_item item;
    assert_int_equal(kv_item(state.kv, NULL, ann, SPAN_LITERAL("a/b"), &item, NULL), 0);
    assert_int_equal(item.row.state, ITEM_LIVE);
    assert_true(item.row.conflict);
    assert_int_equal(item.row.seq, seq);
    assert_int_equal(item.row.time_ms, change.time_ms);
    assert_int_equal(item.row.origin, 5);
    assert_true(span_equal(item.row.value, SPAN_LITERAL("x\0y")));
    kv_item_free(&item);
    assert_int_equal(item.row.state, ITEM_ABSENT);
    kv_item_free(&item);
    /* who knows that the bag is there gets the same */
    assert_int_equal(kv_item_in(state.kv, NULL, ann, SPAN_LITERAL("a/b"), &item, NULL), 0);
    assert_int_equal(item.row.seq, seq);
    assert_true(span_equal(item.row.value, SPAN_LITERAL("x\0y")));
    kv_item_free(&item);
    assert_int_equal(kv_item_in(state.kv, NULL, ann, SPAN_LITERAL("a"), &item, NULL), 0);
    assert_int_equal(item.row.state, ITEM_ABSENT);
    assert_int_equal(kv_item_in(state.kv, NULL, ann, SPAN_LITERAL(""), &item, NULL), 0);
    assert_int_equal(item.row.state, ITEM_ABSENT);

    (void)state_put(&state, ann, "a/b", NULL);
    assert_string_equal(state_get(&state, NULL, ann, "a/b"), "-");
    assert_string_equal(state_get(&state, NULL, ann, "a"), "");
    assert_string_equal(state_get(&state, NULL, ann, "a/b/c"), "");
    assert_string_equal(state_get(&state, NULL, 99, "a/b"), "");
    assert_string_equal(state_get(&state, NULL, ann, ""), "");
    state_close(&state);
}

static void paths_and_values_go_to_their_limits(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    char path[PATH_MAX_BYTES + 2];
    memset(path, 'p', sizeof path);
    path[PATH_MAX_BYTES] = '\0';
    uint8_t *value = malloc(VALUE_MAX_BYTES);
    assert_non_null(value);
    memset(value, 7, VALUE_MAX_BYTES);
    struct change change = {.kind = CHANGE_ITEM_SET,
                            .bag_id = ann,
                            .prev = ann,
                            .path = span_str(path),
                            .value = span_of(value, VALUE_MAX_BYTES)};
    (void)state_apply(&state, &change);
    state_reopen(&state, true);
    struct kv_item item;
    assert_int_equal(kv_item(state.kv, NULL, ann, span_str(path), &item, NULL), 0);
    assert_int_equal(item.row.state, ITEM_LIVE);
    assert_true(span_equal(item.row.value, change.value));
    kv_item_free(&item);
    assert_int_equal(kv_item(state.kv, NULL, ann, span_of(path, PATH_MAX_BYTES + 1), &item, NULL),
                     0);
    assert_int_equal(item.row.state, ITEM_ABSENT);

    struct change too_long = {.seq = state_seq(&state) + 1,
                              .kind = CHANGE_ITEM_SET,
                              .bag_id = ann,
                              .prev = change.seq,
                              .path = span_of(path, PATH_MAX_BYTES + 1)};
    assert_int_equal(kv_apply(state.kv, &too_long, 1, state_hash, NULL), E_CORRUPT);
    free(value);
    state_close(&state);
}

/* --- pages --- */

struct seen {
    char text[4096];
    int stop_at;
    int rows;
};

static int note(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct seen *seen = context;
    if (seen->stop_at > 0 && --seen->stop_at == 0) {
        return err_set(err, E_QUOTA, "enough");
    }
    seen->rows++;
    size_t at = strlen(seen->text);
    (void)snprintf(seen->text + at, sizeof seen->text - at, "%.*s%s%.*s ", (int)path.size,
                   (const char *)path.data, row->state == ITEM_LIVE ? "=" : "-",
                   (int)row->value.size, (const char *)row->value.data);
    return 0;
}

/* All pages of `budget`; "|" between them. */
static const char *pages(struct state *state, struct kv_view *view, struct kv_page page)
{
    static struct seen seen;
    seen = (struct seen){0};
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    bool end = false;
    for (;;) {
        struct err err = {0};
        int rc = kv_page(state->kv, view, &page, note, &seen, &next, &end, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(rc, 0);
        if (end) {
            break;
        }
        assert_true(next.size > 0);
        page.after = buf_span(&next);
        size_t at = strlen(seen.text);
        (void)snprintf(seen.text + at, sizeof seen.text - at, "|");
    }
    buf_free(&next);
    return seen.text;
}

static void pages_go_through_a_bag_in_order(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t other = state_create(&state, "user:Zoe", 0);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    uint64_t third = state_create(&state, "user:Bea", 0);
    (void)state_put(&state, other, "zz", "other");
    (void)state_put(&state, third, "a", "third");
    (void)state_put(&state, ann, "b", "2");
    (void)state_put(&state, ann, "a", "1");
    uint64_t since = state_put(&state, ann, "c", "3");
    (void)state_put(&state, ann, "b", NULL);
    (void)state_put(&state, ann, "a/x", "4");

    struct kv_page page = {.bag_id = ann, .budget_bytes = 1 << 16};
    assert_string_equal(pages(&state, NULL, page), "a=1 a/x=4 c=3 ");
    page.budget_bytes = 1; /* one row each, the tombstone is looked at */
    assert_string_equal(pages(&state, NULL, page), "a=1 |a/x=4 ||c=3 ");
    page.since = since;
    assert_string_equal(pages(&state, NULL, page), "|a/x=4 |b- |");
    page.budget_bytes = 1 << 16;
    assert_string_equal(pages(&state, NULL, page), "a/x=4 b- ");
    page.since = since - 1;
    assert_string_equal(pages(&state, NULL, page), "a/x=4 b- c=3 ");
    page.since = state_seq(&state);
    assert_string_equal(pages(&state, NULL, page), "");
    state_close(&state);
}

static void pages_obey_prefix_and_start(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    static const char *const paths[] = {"a", "b", "b/1", "b/2", "bc", "c", "\xff"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        (void)state_put(&state, ann, paths[i], "");
    }
    const struct {
        const char *prefix;
        const char *after;
        const char *want;
    } cases[] = {
        {"b", "", "b= b/1= b/2= bc= "},
        {"b/", "", "b/1= b/2= "},
        {"b/", "b/1", "b/2= "},
        {"b/", "a", "b/1= b/2= "},
        {"b/", "b/2", ""},
        {"b/", "c", ""},
        {"", "b/2", "bc= c= \xff= "},
        {"", "b/11", "b/2= bc= c= \xff= "},
        {"x", "", ""},
        {"\xff", "", "\xff= "},
        {"bc", "bc", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kv_page page = {.bag_id = ann,
                               .prefix = span_str(cases[i].prefix),
                               .after = span_str(cases[i].after),
                               .budget_bytes = 1 << 16};
        assert_string_equal(pages(&state, NULL, page), cases[i].want);
    }
    state_close(&state);
}

static void a_page_of_a_view_stands_still(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, ann, "a", "1");
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    (void)state_put(&state, ann, "a", "2");
    (void)state_put(&state, ann, "b", "3");
    (void)state_delete(&state, ann);
    struct kv_page page = {.bag_id = ann, .budget_bytes = 1};
    assert_string_equal(pages(&state, view, page), "a=1 ");
    kv_view_free(&view);

    struct seen seen = {0};
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    bool end = false;
    assert_int_equal(kv_page(state.kv, NULL, &page, note, &seen, &next, &end, NULL), E_BAG_GONE);
    page.bag_id = 99;
    assert_int_equal(kv_page(state.kv, NULL, &page, note, &seen, &next, &end, NULL), E_NOT_FOUND);
    assert_int_equal(seen.rows, 0);
    buf_free(&next);
    state_close(&state);
}

static void a_page_can_be_stopped_and_refuses_long_paths(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, ann, "a", "1");
    (void)state_put(&state, ann, "b", "1");
    struct kv_page page = {.bag_id = ann, .budget_bytes = 1 << 16};
    struct seen seen = {.stop_at = 2};
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    bool end = true;
    assert_int_equal(kv_page(state.kv, NULL, &page, note, &seen, &next, &end, NULL), E_QUOTA);
    assert_false(end);
    assert_true(span_equal(buf_span(&next), SPAN_LITERAL("a"))); /* what was sent */

    uint8_t path[PATH_MAX_BYTES + 1] = {'p'};
    page.after = span_of(path, sizeof path);
    assert_int_equal(kv_page(state.kv, NULL, &page, note, &seen, &next, &end, NULL), E_INVALID);
    page.prefix = page.after;
    page.after = span_of(NULL, 0);
    assert_int_equal(kv_page(state.kv, NULL, &page, note, &seen, &next, &end, NULL), E_INVALID);
    buf_free(&next);
    state_close(&state);
}

/* --- pages of deleted bags --- */

static void what_was_deleted_can_be_read_until_it_is_cleaned(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, ann, "a", "1");
    (void)state_put(&state, ann, "b", "2");
    (void)state_put(&state, ann, "c", NULL);
    struct kv_page page = {.bag_id = ann, .budget_bytes = 1 << 16};
    struct seen seen = {0};
    struct buf next;
    struct err err = {0};
    buf_init(&next, PATH_MAX_BYTES);
    bool end = false;
    assert_int_equal(kv_void_page(state.kv, NULL, &page, note, &seen, &next, &end, NULL),
                     E_NOT_FOUND); /* it is not deleted */
    (void)state_delete(&state, ann);
    assert_int_equal(kv_void_page(state.kv, NULL, &page, note, &seen, &next, &end, &err), 0);
    assert_true(end);
    assert_string_equal(seen.text, "a=1 b=2 ");
    seen = (struct seen){0};
    page.after = SPAN_LITERAL("a");
    page.since = 1;
    assert_int_equal(kv_void_page(state.kv, NULL, &page, note, &seen, &next, &end, NULL), 0);
    assert_string_equal(seen.text, "b=2 c- ");
    state_reopen(&state, true);
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);

    bool more = false; /* one row went: it is not what it was */
    assert_int_equal(kv_clean(state.kv, UINT64_MAX, 1, &more, NULL), 0);
    assert_true(more);
    assert_int_equal(kv_void_page(state.kv, NULL, &page, note, &seen, &next, &end, &err),
                     E_NOT_FOUND);
    assert_string_not_equal(err.text, "");
    seen = (struct seen){0};
    assert_int_equal(kv_void_page(state.kv, view, &page, note, &seen, &next, &end, NULL), 0);
    assert_string_equal(seen.text, "b=2 c- ");
    page.bag_id = 99;
    assert_int_equal(kv_void_page(state.kv, NULL, &page, note, &seen, &next, &end, NULL),
                     E_NOT_FOUND);
    kv_view_free(&view);
    buf_free(&next);
    state_close(&state);
}

/* --- fences --- */

static uint64_t put_fence(struct state *state, uint64_t fleet, const char *path, uint64_t from)
{
    const struct fence fence = {.from = from};
    struct buf value;
    char text[64] = {0};
    buf_init(&value, sizeof text - 1);
    fence_put_value(&value, &fence);
    assert_int_equal(buf_error(&value), 0);
    struct kv_item item;
    assert_int_equal(kv_item(state->kv, NULL, fleet, span_str(path), &item, NULL), 0);
    struct change change = {.kind = CHANGE_ITEM_SET,
                            .bag_id = fleet,
                            .prev = state_bag(state, fleet).last_seq,
                            .path = span_str(path),
                            .value = buf_span(&value),
                            .old_seq = item.row.seq};
    uint64_t seq = state_apply(state, &change);
    kv_item_free(&item);
    buf_free(&value);
    return seq;
}

static void fences_are_the_fleets_items(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    struct fences fences = {0};
    assert_int_equal(kv_fences(state.kv, NULL, 99, &fences, NULL), E_NOT_FOUND);
    uint64_t fleet = state_create(&state, "fleet", 0);
    (void)state_put(&state, fleet, "@fenc", "another");
    (void)state_put(&state, fleet, "settings", "another");
    assert_int_equal(kv_fences(state.kv, NULL, fleet, &fences, NULL), 0);
    assert_int_equal(fences.count, 0);
    uint64_t seq = put_fence(&state, fleet, "@fence/shared/browser", 0);
    (void)put_fence(&state, fleet, "@fence/device/mail", 2);
    (void)state_put(&state, fleet, "@fence/shared/lifted", NULL);
    assert_int_equal(kv_fences(state.kv, NULL, fleet, &fences, NULL), 0);
    assert_int_equal(fences.count, 2);
    assert_int_equal(fences_position(&fences, OWNER_USER, SPAN_LITERAL("browser/home")), seq);
    assert_int_equal(fences_position(&fences, OWNER_USER_DEVICE, SPAN_LITERAL("mail")), 2);
    assert_int_equal(fences_position(&fences, OWNER_USER, SPAN_LITERAL("lifted")), 0);
    fences_free(&fences);
    (void)state_put(&state, fleet, "@fence/shared/bad", "not a fence");
    struct err err = {0};
    assert_int_equal(kv_fences(state.kv, NULL, fleet, &fences, &err), E_MALFORMED);
    fences_free(&fences);
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_tells_all_it_has),
        cmocka_unit_test(paths_and_values_go_to_their_limits),
        cmocka_unit_test(pages_go_through_a_bag_in_order),
        cmocka_unit_test(pages_obey_prefix_and_start),
        cmocka_unit_test(a_page_of_a_view_stands_still),
        cmocka_unit_test(a_page_can_be_stopped_and_refuses_long_paths),
        cmocka_unit_test(what_was_deleted_can_be_read_until_it_is_cleaned),
        cmocka_unit_test(fences_are_the_fleets_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
