/* tests/kv/test_link.c - where users are signed in, and who belongs to a group, from that end. */
#include "tests/kv/state.h"

#include "kv/inside.h"
#include "kv/link.h"

static struct state state;
static uint64_t ann, bea, cyd;
static uint64_t machines[3]; /* their bags; the machines are 9, 5 and the highest */

static void sign_in(uint64_t machine_bag, uint64_t user_bag, const char *value)
{
    char path[64];
    (void)snprintf(path, sizeof path, "@user/%llu", (unsigned long long)user_bag);
    (void)state_put(&state, machine_bag, path, value);
}

static void begin(void)
{
    state_open(&state);
    ann = state_create(&state, "user:Ann", 0);
    machines[0] = state_create(&state, "device:0000000000000009", 0);
    bea = state_create(&state, "user:Bea", 0);
    machines[1] = state_create(&state, "device:0000000000000005", 0);
    machines[2] = state_create(&state, "device:ffffffffffffffff", 0);
    cyd = state_create(&state, "user:Cyd", 0);
    sign_in(machines[0], ann, "Ann");
    sign_in(machines[1], ann, "Ann");
    sign_in(machines[1], cyd, "Cyd");
    sign_in(machines[2], bea, "Bea");
}

struct seen {
    char text[512];
    size_t count;
    uint64_t time_ms; /* of the last */
    size_t stop_at;   /* 0: never */
    int stop;
};

static int see_sign_in(void *context, const struct kv_sign_in *sign_in, struct err *err)
{
    struct seen *seen = context;
    size_t size = strlen(seen->text);
    (void)err;
    const char *name = sign_in->user_bag == ann ? "ann" : sign_in->user_bag == bea ? "bea" : "cyd";
    (void)snprintf(seen->text + size, sizeof seen->text - size, "%s:%llx ", name,
                   (unsigned long long)sign_in->device);
    seen->time_ms = sign_in->time_ms;
    return ++seen->count == seen->stop_at ? seen->stop : 0;
}

static int see_member(void *context, uint64_t user_bag, uint64_t time_ms, struct err *err)
{
    const struct kv_sign_in member = {.user_bag = user_bag, .device = 0, .time_ms = time_ms};
    return see_sign_in(context, &member, err);
}

static struct seen where(const uint64_t *users, size_t count, struct kv_view *view)
{
    struct kv_view *own = NULL;
    struct seen seen = {0};
    struct err err = {0};
    assert_int_equal(kv_view_new(&own, state.kv, NULL), 0);
    int rc =
        kv_sign_ins(state.kv, view != NULL ? view : own, users, count, see_sign_in, &seen, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    kv_view_free(&own);
    return seen;
}

static struct seen members(const char *group)
{
    struct kv_view *view = NULL;
    struct seen seen = {0};
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    assert_int_equal(kv_members(state.kv, view, group, see_member, &seen, NULL), 0);
    kv_view_free(&view);
    return seen;
}

static void paths_of_links(void **unused)
{
    (void)unused;
    static const struct {
        const char *path;
        int holder;
    } cases[] = {
        {"@user/1", OWNER_DEVICE},
        {"@user/18446744073709551615", OWNER_DEVICE},
        {"@user/18446744073709551616", 0},
        {"@user/01", 0},
        {"@user/0", 0},
        {"@user/", 0},
        {"@user", 0},
        {"@user/1a", 0},
        {"@user/-1", 0},
        {"@users/1", 0},
        {"@group/s", OWNER_USER},
        {"@group/", 0},
        {"@group", 0},
        {"a", 0},
        {"copy/@user/1", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(kv_link_holder(span_str(cases[i].path)), cases[i].holder);
    }
    assert_int_equal(kv_link_holder(SPAN_LITERAL("@group/a\0b")), 0);
    char longest[PATH_MAX_BYTES];
    memset(longest, 'p', sizeof longest);
    memcpy(longest, "@group/", 7);
    struct kv_key key = kv_link_key(7, span_of(longest, sizeof longest));
    assert_int_equal(key.size, 1 + sizeof longest - 7 + 1 + 8);
    assert_int_equal(kv_key_holder(kv_key_span(&key)), 7);
    key = kv_link_key(7, SPAN_LITERAL("@user/12"));
    assert_int_equal(kv_key_bag_id(kv_key_span(&key)), 12);
    assert_int_equal(kv_key_holder(kv_key_span(&key)), 7);
}

static void where_users_are(void **unused)
{
    (void)unused;
    begin();
    const uint64_t all[] = {ann, bea, cyd};
    const uint64_t others[] = {ann - 1, ann + 1, cyd, UINT64_MAX};
    assert_string_equal(where(all, 3, NULL).text, "ann:9 ann:5 bea:ffffffffffffffff cyd:5 ");
    assert_string_equal(where(all, 1, NULL).text, "ann:9 ann:5 ");
    assert_string_equal(where(others, 4, NULL).text, "cyd:5 ");
    assert_string_equal(where(NULL, 0, NULL).text, "");
    state_reopen(&state, true); /* by rows, not by what is in memory */
    assert_string_equal(where(all, 3, NULL).text, "ann:9 ann:5 bea:ffffffffffffffff cyd:5 ");
    state_close(&state);
}

static void it_follows_the_items(void **unused)
{
    (void)unused;
    begin();
    const uint64_t all[] = {ann, bea, cyd};
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    sign_in(machines[0], ann, NULL);
    assert_string_equal(where(all, 3, NULL).text, "ann:5 bea:ffffffffffffffff cyd:5 ");
    sign_in(machines[0], ann, "Ann");
    sign_in(machines[2], bea, NULL);
    assert_string_equal(where(all, 3, NULL).text, "ann:9 ann:5 cyd:5 ");
    assert_string_equal(where(all, 3, view).text, "ann:9 ann:5 bea:ffffffffffffffff cyd:5 ");
    kv_view_free(&view);
    sign_in(machines[1], cyd, "Cyd again");
    const uint64_t only[] = {cyd};
    assert_int_equal(where(only, 1, NULL).time_ms, 1000 + state_seq(&state));
    state_close(&state);
}

/* The same path in another bag tells nothing. */
static void only_where_it_counts(void **unused)
{
    (void)unused;
    begin();
    const uint64_t only[] = {bea};
    sign_in(ann, bea, "not a machine's");
    (void)state_put(&state, machines[0], "@group/sales", "not a user's");
    assert_string_equal(where(only, 1, NULL).text, "bea:ffffffffffffffff ");
    assert_string_equal(members("sales").text, "");
    state_close(&state);
}

static void one_change_set_after_another(void **unused)
{
    (void)unused;
    begin();
    const uint64_t only[] = {bea};
    char path[64];
    (void)snprintf(path, sizeof path, "@user/%llu", (unsigned long long)bea);
    uint64_t seq = state_seq(&state);
    uint64_t prev = state_bag(&state, machines[0]).last_seq;
    struct change changes[3]; /* in, out, in */
    for (size_t i = 0; i < 3; i++) {
        changes[i] = (struct change){.seq = seq + 1 + i,
                                     .kind = i == 1 ? CHANGE_ITEM_REMOVE : CHANGE_ITEM_SET,
                                     .bag_id = machines[0],
                                     .prev = i == 0 ? prev : seq + i,
                                     .path = span_str(path),
                                     .old_seq = i == 0 ? 0 : seq + i,
                                     .has_old = i == 1};
    }
    assert_int_equal(kv_apply(state.kv, changes, 2, state_hash, NULL), 0);
    assert_string_equal(where(only, 1, NULL).text, "bea:ffffffffffffffff ");
    assert_int_equal(kv_apply(state.kv, changes + 2, 1, state_hash, NULL), 0);
    assert_string_equal(where(only, 1, NULL).text, "bea:9 bea:ffffffffffffffff ");
    state_close(&state);
}

/* How many rows there are of a kind. */
static size_t rows_of(char letter)
{
    struct kv_key prefix = kv_key_sign_ins_all();
    struct kv_scan scan;
    struct span key;
    struct span row;
    size_t count = 0;
    prefix.data[0] = (uint8_t)letter;
    kv_scan_open(&scan, &state.kv->store, NULL, &prefix, &prefix, false);
    for (; kv_scan_row(&scan, &key, &row, NULL) == 0; kv_scan_step(&scan)) {
        count++;
    }
    kv_scan_close(&scan);
    return count;
}

static void deleted_bags_tell_nothing(void **unused)
{
    (void)unused;
    begin();
    const uint64_t all[] = {ann, bea, cyd};
    (void)state_put(&state, ann, "@group/sales", "Sales");
    (void)state_put(&state, cyd, "@group/sales", "Sales");
    uint64_t seq = state_delete(&state, machines[1]);
    assert_string_equal(where(all, 3, NULL).text, "ann:9 bea:ffffffffffffffff ");
    uint64_t last = state_delete(&state, ann);
    assert_string_equal(members("sales").text, "cyd:0 ");
    assert_int_equal(rows_of('U'), 4);
    assert_int_equal(rows_of('P'), 2);
    uint64_t again = state_create(&state, "device:0000000000000005", 0);
    sign_in(again, cyd, "Cyd");
    assert_string_equal(where(all, 3, NULL).text, "ann:9 bea:ffffffffffffffff cyd:5 ");
    bool more = true;
    assert_int_equal(kv_clean(state.kv, seq, 100, &more, NULL), 0); /* the machine's bag */
    assert_int_equal(rows_of('U'), 3);
    assert_int_equal(rows_of('P'), 2);
    assert_int_equal(kv_clean(state.kv, last, 100, &more, NULL), 0); /* Ann's */
    assert_int_equal(rows_of('U'), 3);
    assert_int_equal(rows_of('P'), 1);
    assert_int_equal(kv_bury(state.kv, last + 1, 100, &more, NULL), 0);
    assert_string_equal(where(all, 3, NULL).text, "ann:9 bea:ffffffffffffffff cyd:5 ");
    assert_string_equal(members("sales").text, "cyd:0 ");
    state_close(&state);
}

static void members_of_groups(void **unused)
{
    (void)unused;
    begin();
    (void)state_put(&state, cyd, "@group/sales", "Sales");
    (void)state_put(&state, ann, "@group/sales", "Sales");
    uint64_t seq = state_put(&state, bea, "@group/salesmen", "Salesmen");
    assert_string_equal(members("sales").text, "ann:0 cyd:0 ");
    assert_string_equal(members("salesmen").text, "bea:0 ");
    assert_int_equal(members("salesmen").time_ms, 1000 + seq);
    assert_string_equal(members("sale").text, "");
    (void)state_put(&state, ann, "@group/sales", NULL);
    assert_string_equal(members("sales").text, "cyd:0 ");
    state_close(&state);
}

static void whoever_looks_may_stop(void **unused)
{
    (void)unused;
    begin();
    (void)state_put(&state, ann, "@group/sales", "Sales");
    (void)state_put(&state, cyd, "@group/sales", "Sales");
    const uint64_t all[] = {ann, bea, cyd};
    static const int stops[] = {1, E_NOT_FOUND, E_BUSY};
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct seen seen = {.stop_at = 2, .stop = stops[i]};
        assert_int_equal(kv_sign_ins(state.kv, view, all, 3, see_sign_in, &seen, NULL), stops[i]);
        assert_string_equal(seen.text, "ann:9 ann:5 ");
        seen = (struct seen){.stop_at = 1, .stop = stops[i]};
        assert_int_equal(kv_members(state.kv, view, "sales", see_member, &seen, NULL), stops[i]);
        assert_string_equal(seen.text, "ann:0 ");
    }
    kv_view_free(&view);
    state_close(&state);
}

static void spoil(struct kv_key key)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put(batch, (const char *)key.data, key.size, "rubbish", 7);
    assert_int_equal(kv_store_write(&state.kv->store, batch, NULL), 0);
    rocksdb_writebatch_destroy(batch);
}

static void a_spoiled_row_is_told(void **unused)
{
    (void)unused;
    begin();
    (void)state_put(&state, ann, "@group/sales", "Sales");
    spoil(kv_key_sign_in(bea, machines[2]));
    spoil(kv_key_member(SPAN_LITERAL("sales"), ann));
    const uint64_t all[] = {ann, bea, cyd};
    const uint64_t others[] = {ann, cyd};
    struct kv_view *view = NULL;
    struct seen seen = {0};
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    assert_int_equal(kv_sign_ins(state.kv, view, all, 3, see_sign_in, &seen, NULL), E_CORRUPT);
    assert_int_equal(kv_members(state.kv, view, "sales", see_member, &seen, NULL), E_CORRUPT);
    kv_view_free(&view);
    assert_string_equal(where(others, 2, NULL).text, "ann:9 ann:5 cyd:5 ");
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_of_links),
        cmocka_unit_test(where_users_are),
        cmocka_unit_test(it_follows_the_items),
        cmocka_unit_test(only_where_it_counts),
        cmocka_unit_test(one_change_set_after_another),
        cmocka_unit_test(deleted_bags_tell_nothing),
        cmocka_unit_test(members_of_groups),
        cmocka_unit_test(whoever_looks_may_stop),
        cmocka_unit_test(a_spoiled_row_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
