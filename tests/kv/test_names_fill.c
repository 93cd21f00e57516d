/* tests/kv/test_names_fill.c - what is found in memory is what the directory holds: random people
 * and groups come and go while it is read, the state is closed and opened again, memory is
 * missing. */
#include "tests/kv/state.h"
#include "tests/support/fail_alloc.h"

enum { PEOPLE = 60, ROUNDS = 400, TRIES_MAX = 200 };

static struct state state;
static uint64_t bags[2][PEOPLE]; /* users and groups: 0, or the bag of number i */
static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed = hash64(span_of(&seed, sizeof seed), 5);
    return seed % below;
}

/* The same name folded, written in two ways. */
static void come_or_go(void)
{
    char text[64];
    size_t group = draw(2);
    size_t which = draw(PEOPLE);
    if (bags[group][which] != 0) {
        (void)state_delete(&state, bags[group][which]);
        bags[group][which] = 0;
        return;
    }
    (void)snprintf(text, sizeof text, "%s:%s%zu", group != 0 ? "group" : "user",
                   draw(2) == 0 ? "Ann-" : "ANN-", which);
    bags[group][which] = state_create(&state, text, 0);
}

static void begin(void)
{
    memset(bags, 0, sizeof bags);
    seed = 17;
    state_open(&state);
}

static void fill(size_t budget)
{
    for (bool more = true; more;) {
        struct err err = {0};
        int rc = kv_names_fill(state.kv, budget, &more, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(rc, 0);
    }
}

/* --- what is found --- */

struct list {
    char text[8192];
    size_t stop_after;
    size_t count;
};

static int add(void *context, const struct bag_row *bag, struct err *err)
{
    struct list *list = context;
    size_t size = strlen(list->text);
    (void)err;
    (void)snprintf(list->text + size, sizeof list->text - size, "%s=%llu ", bag->owner.shown,
                   (unsigned long long)bag->bag_id);
    return ++list->count == list->stop_after ? 7 : 0;
}

/* Of a view the directory itself is walked. */
static void compare(enum owner_kind kind, const char *search, const char *after, size_t limit,
                    size_t stop_after)
{
    struct kv_view *view = NULL;
    struct list here = {.stop_after = stop_after};
    struct list there = {.stop_after = stop_after};
    bool more[2] = {false, false};
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    int rc = kv_owners(state.kv, view, kind, search, after, limit, add, &there, &more[1], NULL);
    assert_int_equal(
        kv_owners(state.kv, NULL, kind, search, after, limit, add, &here, &more[0], NULL), rc);
    assert_string_equal(here.text, there.text);
    assert_int_equal(more[0], rc == 0 && more[1]);
    kv_view_free(&view);
}

static void compare_all(void)
{
    static const enum owner_kind kinds[] = {OWNER_USER, OWNER_GROUP};
    for (size_t i = 0; i < 2; i++) {
        compare(kinds[i], "", NULL, PEOPLE + 1, 0);
        compare(kinds[i], "", NULL, 7, 0);
        compare(kinds[i], "n-1", NULL, 5, 0);
        compare(kinds[i], "4", "ann-3", 3, 0);
        compare(kinds[i], "nobody", NULL, 3, 0);
    }
}

static void test_random(void **unused)
{
    (void)unused;
    begin();
    for (int i = 0; i < ROUNDS; i++) {
        bool more = true;
        come_or_go();
        if (i % 100 >= 20) {
            assert_int_equal(kv_names_fill(state.kv, 1 + draw(3), &more, NULL), 0);
        }
        if (i % 20 == 0) {
            compare_all(); /* with names in memory, some of them, or none */
        }
        if (i % 100 == 99) {
            fill(5);
            compare_all();
            state_reopen(&state, true); /* and nothing is known again */
        }
    }
    fill(1000);
    compare_all();
    state_close(&state);
}

/* What was not flushed is gone after a crash: nobody finds it. */
static void test_crash(void **unused)
{
    (void)unused;
    begin();
    (void)state_create(&state, "user:ann-kept", 0);
    state_reopen(&state, true);
    fill(10);
    (void)state_create(&state, "user:ann-lost", 0);
    compare_all();
    state_reopen(&state, false);
    fill(10);
    compare_all();
    struct list list = {0};
    bool more = false;
    assert_int_equal(kv_owners(state.kv, NULL, OWNER_USER, "ann", NULL, 9, add, &list, &more, NULL),
                     0);
    assert_int_equal(list.count, 1);
    state_close(&state);
}

/* Who asks may end it; then nothing else is handed over. */
static void test_stopped(void **unused)
{
    (void)unused;
    begin();
    for (int i = 0; i < 60; i++) {
        come_or_go();
    }
    fill(10);
    struct list list = {.stop_after = 3};
    bool more = false;
    assert_int_equal(
        kv_owners(state.kv, NULL, OWNER_USER, "", NULL, PEOPLE, add, &list, &more, NULL), 7);
    assert_int_equal(list.count, 3);
    char longest[NAME_MAX_BYTES + 2];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(
        kv_owners(state.kv, NULL, OWNER_USER, "", longest, PEOPLE, add, &list, &more, NULL),
        E_INVALID);
    state_close(&state);
}

/* Reading, asking and applying with one allocation missing: it is told, or done without. */
static void test_no_memory(void **unused)
{
    (void)unused;
    begin();
    for (int i = 0; i < 40; i++) {
        come_or_go();
    }
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        struct list list = {0};
        bool more = true;
        assert_true(nth < TRIES_MAX);
        fail_alloc_at(nth);
        int rc = 0;
        while (more && rc == 0) {
            rc = kv_names_fill(state.kv, 9, &more, NULL);
        }
        if (rc == 0) {
            rc = kv_owners(state.kv, NULL, OWNER_USER, "a", NULL, 50, add, &list, &more, NULL);
        }
        failed = fail_alloc_stop();
        assert_true(rc == 0 || (failed && rc == E_NOMEM));
        fill(9);
        compare_all();
        state_reopen(&state, true);
    }
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
