/* Every allocation of ours fails once in what reads a state beside its items, and in what tidies
 * it: it says so, and the same again is done. RocksDB's own memory is not ours to fail. */
#include "tests/kv/state.h"
#include "tests/support/fail_alloc.h"

enum { TRIES_MAX = 500, BAGS = 3 };

static struct state state;
static uint64_t fleet;

/* --- what may fail; each is told how much it found --- */

typedef int operation_fn(unsigned *found, struct err *err);

static int count_bag(void *context, const struct bag_row *bag, struct err *err)
{
    (void)bag;
    (void)err;
    ++*(unsigned *)context;
    return 0;
}

static int count_grave(void *context, const struct kv_grave *grave, struct err *err)
{
    (void)grave;
    (void)err;
    ++*(unsigned *)context;
    return 0;
}

static int read_bags(unsigned *found, struct err *err)
{
    bool more = false;
    return kv_bags(state.kv, NULL, 0, 100, count_bag, found, &more, err);
}

static int read_owners(unsigned *found, struct err *err)
{
    bool more = false;
    return kv_owners(state.kv, NULL, OWNER_USER, "u", NULL, 100, count_bag, found, &more, err);
}

static int read_graves(unsigned *found, struct err *err)
{
    return kv_graves(state.kv, NULL, NULL, count_grave, found, err);
}

static int read_fences(unsigned *found, struct err *err)
{
    struct fences fences = {0};
    int rc = kv_fences(state.kv, NULL, fleet, &fences, err);
    *found = (unsigned)fences.count;
    fences_free(&fences);
    return rc;
}

static int count_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)path;
    (void)row;
    (void)err;
    ++*(unsigned *)context;
    return 0;
}

static int read_page(unsigned *found, struct err *err)
{
    struct kv_page page = {.bag_id = fleet, .budget_bytes = 1 << 20};
    struct buf next;
    bool end = false;
    buf_init(&next, PATH_MAX_BYTES);
    int rc = kv_page(state.kv, NULL, &page, count_row, found, &next, &end, err);
    buf_free(&next);
    return rc;
}

static void none_is_wrong(void *context, const struct kv_wrong *wrong)
{
    (void)context;
    fail_msg("bag %llu: %s", (unsigned long long)wrong->bag_id, wrong->text);
}

static int scrub(unsigned *found, struct err *err)
{
    uint64_t next = 0;
    uint64_t checked = 0;
    uint64_t wrong = 0;
    int rc = kv_scrub(state.kv, &next, 1 << 20, &checked, &wrong, none_is_wrong, NULL, err);
    *found = rc == 0 ? (unsigned)checked : 0;
    return rc;
}

static void check_reading(operation_fn *operation, unsigned expected)
{
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        struct err err = {0};
        unsigned found = 0;
        assert_true(nth < TRIES_MAX);
        fail_alloc_at(nth);
        int rc = operation(&found, &err);
        failed = fail_alloc_stop();
        assert_true(rc == 0 ? found == expected : failed && rc == E_NOMEM);
        found = 0;
        assert_int_equal(operation(&found, NULL), 0);
        assert_int_equal(found, expected);
    }
}

static void put_fence(void)
{
    const struct fence fence = {.cleared = false};
    struct buf value;
    buf_init(&value, 64);
    fence_put_value(&value, &fence);
    struct change change = {.kind = CHANGE_ITEM_SET,
                            .bag_id = fleet,
                            .prev = state_bag(&state, fleet).last_seq,
                            .path = SPAN_LITERAL("@fence/shared/copy"),
                            .value = buf_span(&value)};
    (void)state_apply(&state, &change);
    buf_free(&value);
}

static int begin(void **unused)
{
    (void)unused;
    state_open(&state);
    fleet = state_create(&state, "fleet", 0);
    put_fence();
    for (int i = 0; i < BAGS; i++) {
        char owner[16];
        (void)snprintf(owner, sizeof owner, "user:u%d", i);
        uint64_t bag = state_create(&state, owner, 0);
        (void)state_put(&state, bag, "a", "one");
        (void)state_put(&state, bag, "b", "two");
        (void)state_put(&state, bag, "b", NULL);
        (void)snprintf(owner, sizeof owner, "user:gone%d", i);
        bag = state_create(&state, owner, 0);
        (void)state_put(&state, bag, "a", "one");
        (void)state_delete(&state, bag);
    }
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    state_close(&state);
    return 0;
}

static void reading(void **unused)
{
    (void)unused;
    check_reading(read_bags, BAGS + 1);
    check_reading(read_owners, BAGS);
    check_reading(read_graves, BAGS);
    check_reading(read_fences, 1);
    check_reading(read_page, 1);
    check_reading(scrub, BAGS + 1);
}

/* --- tidying --- */

typedef int tidy_fn(struct kv *kv, uint64_t up_to, size_t budget, bool *more, struct err *err);

/* In slices of one, so that each begins anew. */
static unsigned check_tidying(tidy_fn *tidy)
{
    uint64_t up_to = state_seq(&state) + 1;
    unsigned refused = 0;
    bool more = true;
    for (unsigned nth = 1; more; nth++) {
        struct err err = {0};
        assert_true(nth < TRIES_MAX);
        fail_alloc_at(1 + nth % 16);
        int rc = tidy(state.kv, up_to, 1, &more, &err);
        bool failed = fail_alloc_stop();
        assert_true(rc == 0 || (failed && rc == E_NOMEM && err.text[0] != '\0'));
        refused += rc != 0;
        more = more || rc != 0;
    }
    return refused;
}

static void tidying(void **unused)
{
    (void)unused;
    unsigned refused = check_tidying(kv_clean) + check_tidying(kv_bury) + check_tidying(kv_purge);
    assert_true(refused > 0);
    check_reading(read_graves, 0);
    check_reading(scrub, BAGS + 1);
    state_reopen(&state, true);
    check_reading(scrub, BAGS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reading, begin, end),
        cmocka_unit_test_setup_teardown(tidying, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
