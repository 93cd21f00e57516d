/* When users signed in last, and who is next to make room. */
#include "server/sign_ins.h"

#include "tests/server/fixture.h"

enum { DAY_MS = 86400000 };

static struct sign_ins *sign_ins;
static uint64_t used; /* this bag's user is in use; 0: nobody's */

static void open_with(struct fixture *fx, uint64_t users_max, bool evict)
{
    sign_ins_free(&sign_ins);
    const struct sign_ins_options options = {users_max, evict, &fx->clock};
    assert_int_equal(sign_ins_new(&sign_ins, &options), 0);
}

static int setup(void **state)
{
    (void)fx_setup(state);
    open_with(*state, 4, true);
    used = 0;
    return 0;
}

static int teardown(void **state)
{
    sign_ins_free(&sign_ins);
    return fx_teardown(state);
}

static bool is_used(void *context, uint64_t bag_id)
{
    (void)context;
    return bag_id == used;
}

static uint64_t make(struct fixture *fx, const char *owner)
{
    fx_forget(fx); /* it keeps a few hundred answers */
    struct submit submit = fx_submit(fx, SUBMIT_WRITE, owner, "p", "v");
    assert_int_equal(submit.code, 0);
    return submit.bag_id;
}

static void sign_in_at(struct fixture *fx, uint64_t bag_id, uint64_t ms)
{
    fx->time.wall_ms = ms;
    sign_ins_note(sign_ins, bag_id);
}

static void save(struct fixture *fx)
{
    assert_int_equal(sign_ins_save(sign_ins, fx->kv, NULL), 0);
}

static void look(struct fixture *fx)
{
    assert_int_equal(sign_ins_look(sign_ins, fx->kv, NULL), 0);
}

static uint64_t next(struct fixture *fx)
{
    uint64_t bag_id = 0;
    int rc = sign_ins_next(sign_ins, fx->kv, is_used, NULL, &bag_id);
    return rc == 0 ? bag_id : (uint64_t)(int64_t)rc;
}

#define NONE (uint64_t)(int64_t) E_NOT_FOUND
#define BUSY (uint64_t)(int64_t) E_BUSY

/* Once a day in the state; what is newer in memory counts until then. */
static void a_sign_in_is_noted_once_a_day(void **state)
{
    struct fixture *fx = *state;
    uint64_t ann = make(fx, "user:ann");
    uint64_t start = 1700000000000;
    assert_int_equal(sign_ins_last(sign_ins, fx->kv, ann), 0);
    sign_in_at(fx, ann, start);
    assert_int_equal(sign_ins_last(sign_ins, fx->kv, ann), start);
    save(fx);
    assert_int_equal(sign_ins_last(sign_ins, fx->kv, ann), start);
    sign_in_at(fx, ann, start + DAY_MS - 1);
    assert_int_equal(sign_ins_last(sign_ins, fx->kv, ann), start + DAY_MS - 1);
    save(fx);
    assert_int_equal(sign_ins_last(sign_ins, fx->kv, ann), start); /* the day before */
    sign_in_at(fx, ann, start + DAY_MS);
    save(fx);
    open_with(fx, 4, true); /* as after a restart */
    assert_int_equal(sign_ins_last(sign_ins, fx->kv, ann), start + DAY_MS);
    sign_in_at(fx, ann, start - 5); /* the clock was set back */
    save(fx);
    assert_int_equal(sign_ins_last(sign_ins, fx->kv, ann), start - 5);
}

static void notes_of_who_is_gone_go(void **state)
{
    struct fixture *fx = *state;
    uint64_t ann = make(fx, "user:ann");
    uint64_t bob = make(fx, "user:bob");
    sign_in_at(fx, ann, 1700000000000);
    sign_in_at(fx, bob, 1700000000000);
    save(fx);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    for (int i = 0; i < 256; i++) {
        save(fx);
    }
    assert_int_equal(sign_ins_last(sign_ins, fx->kv, ann), 0);
    assert_int_equal(sign_ins_last(sign_ins, fx->kv, bob), 1700000000000);
}

/* Of whom nothing is known comes first, the oldest of them first. */
static void the_longest_away_is_next(void **state)
{
    struct fixture *fx = *state;
    uint64_t a = make(fx, "user:a");
    uint64_t b = make(fx, "user:b");
    (void)make(fx, "group:g");
    uint64_t c = make(fx, "user:c");
    uint64_t d = make(fx, "user:d");
    sign_in_at(fx, a, 3000);
    sign_in_at(fx, c, 2000);
    assert_int_equal(next(fx), BUSY); /* nobody was looked for yet */
    look(fx);
    assert_int_equal(next(fx), b);
    assert_int_equal(next(fx), d);
    assert_int_equal(next(fx), c);
    assert_int_equal(next(fx), a);
    assert_int_equal(next(fx), BUSY);
    look(fx); /* not so soon again */
    assert_int_equal(next(fx), BUSY);
    fx->time.mono_ms += 10000;
    look(fx);
    assert_int_equal(next(fx), b);
}

static void who_came_meanwhile_or_is_in_use_stays(void **state)
{
    struct fixture *fx = *state;
    uint64_t a = make(fx, "user:a");
    uint64_t b = make(fx, "user:b");
    uint64_t c = make(fx, "user:c");
    uint64_t d = make(fx, "user:d");
    look(fx);
    sign_in_at(fx, a, 5000);
    used = b;
    assert_int_equal(next(fx), c);
    used = d;
    assert_int_equal(next(fx), NONE); /* all that were found are needed */
}

static void nobody_is_looked_for_without_need(void **state)
{
    struct fixture *fx = *state;
    (void)make(fx, "user:a");
    open_with(fx, 100, true);
    look(fx);
    assert_int_equal(next(fx), BUSY);
    open_with(fx, 1, false);
    look(fx);
    assert_int_equal(next(fx), BUSY);
}

/* Many more than candidates: exactly the least recent are found, over several looks. */
static void many_users(void **state)
{
    struct fixture *fx = *state;
    fx_close(fx, true);
    fx->limits.users = 5000;
    fx_open(fx);
    static uint64_t bags[2500];
    size_t count = sizeof bags / sizeof bags[0];
    for (size_t i = 0; i < count; i++) {
        char owner[32];
        (void)snprintf(owner, sizeof owner, "user:u%zu", i);
        bags[i] = make(fx, owner);
    }
    open_with(fx, count, true);
    for (size_t i = 0; i < count; i++) {
        sign_in_at(fx, bags[i], 1000 + i * 7919 % count);
    }
    for (int i = 0; i < 2; i++) {
        look(fx);
        assert_int_equal(next(fx), BUSY);
    }
    look(fx);
    for (size_t i = 0; i < SIGN_INS_CANDIDATES; i++) {
        assert_int_equal(sign_ins_last(sign_ins, fx->kv, next(fx)), 1000 + i);
    }
    assert_int_equal(next(fx), BUSY);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sign_in_is_noted_once_a_day),     TEST(notes_of_who_is_gone_go),
        TEST(the_longest_away_is_next),          TEST(who_came_meanwhile_or_is_in_use_stays),
        TEST(nobody_is_looked_for_without_need), TEST(many_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
