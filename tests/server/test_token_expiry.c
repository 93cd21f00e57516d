/* Join tokens go seven days after their end, and not before. */
#include "server/token_expiry.h"
#include "tests/server/fixture.h"
#include "tests/support/fail_alloc.h"

static int code_of_all;             /* what every submit is answered with */
static const char *changed_in_time; /* the path of an item that somebody writes before it */

/* The main thread's part, here on this one. */
static int hand_in(void *context, struct submit *submits, size_t count, struct err *err)
{
    struct fixture *fx = context;
    assert_int_equal(count, 1);
    if (code_of_all != 0) {
        submits->code = code_of_all;
        return 0;
    }
    if (changed_in_time != NULL) {
        assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", changed_in_time, "{}").code, 0);
        changed_in_time = NULL;
    }
    int rc = committer_submit(fx->committer, submits, fx, 1);
    if (rc != 0) {
        return err_set(err, rc, "out of memory");
    }
    fx_run(fx);
    committer_settle(fx->committer);
    submit_finish(submits, &fx_last(fx)->reply);
    return 0;
}

static int run(struct fixture *fx, uint64_t now_ms, size_t *removed)
{
    struct clearing_submit submit = {hand_in, fx};
    return token_expiry_turn(fx->kv, &submit, now_ms, removed, NULL);
}

static size_t removed_at(struct fixture *fx, uint64_t now_ms)
{
    size_t removed = 99;
    assert_int_equal(run(fx, now_ms, &removed), 0);
    return removed;
}

static void expired_tokens_go(void **state)
{
    struct fixture *fx = *state;
    uint8_t key[KEY_SIZE] = {1};
    uint64_t end_ms = fx->time.wall_ms + 1000;
    fx_token(fx, key, end_ms);
    assert_int_equal(registry_peer(fx->registry, key).kind, REGISTRY_TOKEN);
    assert_int_equal(removed_at(fx, 5), 0); /* a clock of 1970 */
    assert_int_equal(removed_at(fx, end_ms + TOKEN_EXPIRY_MS - 1), 0);
    assert_int_equal(removed_at(fx, end_ms + TOKEN_EXPIRY_MS), 0);
    assert_int_equal(removed_at(fx, end_ms + TOKEN_EXPIRY_MS + 1), 1);
    assert_int_equal(registry_peer(fx->registry, key).kind, REGISTRY_NOBODY);
    assert_int_equal(removed_at(fx, end_ms + TOKEN_EXPIRY_MS + 1), 0);
}

static void used_tokens_go_and_their_machines_stay(void **state)
{
    struct fixture *fx = *state;
    struct machine machine;
    fx_join(fx, &machine, 1);
    uint64_t used_ms = fx->time.wall_ms;
    assert_int_equal(removed_at(fx, used_ms + TOKEN_EXPIRY_MS), 0);
    assert_int_equal(removed_at(fx, used_ms + TOKEN_EXPIRY_MS + 1), 1);
    assert_true(registry_holds(fx->registry, machine.device, machine.key));
    fx_close(fx, true);
    fx_open(fx);
    assert_true(registry_holds(fx->registry, machine.device, machine.key));
    assert_int_equal(registry_peer(fx->registry, machine.token).kind, REGISTRY_NOBODY);
}

static void many_go_in_pieces(void **state)
{
    struct fixture *fx = *state;
    uint64_t end_ms = fx->time.wall_ms + 1000;
    for (int i = 0; i < TOKEN_EXPIRY_AT_ONCE + 1; i++) {
        uint8_t key[KEY_SIZE] = {2, (uint8_t)i, (uint8_t)(i >> 8)};
        fx_token(fx, key, end_ms);
        fx_forget(fx);
    }
    fx->time.wall_ms = end_ms + TOKEN_EXPIRY_MS + 1;
    uint8_t fresh[KEY_SIZE] = {3};
    fx_token(fx, fresh, fx->time.wall_ms + 1000);
    assert_int_equal(removed_at(fx, fx->time.wall_ms), TOKEN_EXPIRY_AT_ONCE);
    assert_int_equal(removed_at(fx, fx->time.wall_ms), 1);
    assert_int_equal(removed_at(fx, fx->time.wall_ms), 0);
    assert_int_equal(registry_peer(fx->registry, fresh).kind, REGISTRY_TOKEN);
}

static void what_can_not_be_understood_stays(void **state)
{
    struct fixture *fx = *state;
    uint8_t key[KEY_SIZE] = {4};
    char path[RECORD_PATH_MAX];
    struct span item = record_token_path(path, key);
    path[item.size] = '\0';
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", path, "{").code, 0);
    assert_int_equal(removed_at(fx, UINT64_MAX), 0);
}

static void a_refusal_is_told(void **state)
{
    struct fixture *fx = *state;
    uint8_t key[KEY_SIZE] = {5};
    fx_token(fx, key, fx->time.wall_ms);
    size_t removed = 99;
    code_of_all = E_NOSPACE;
    assert_int_equal(run(fx, fx->time.wall_ms + 2 * (uint64_t)TOKEN_EXPIRY_MS, &removed),
                     E_NOSPACE);
    assert_int_equal(removed, 0);
    code_of_all = 0;
    assert_int_equal(removed_at(fx, fx->time.wall_ms + 2 * (uint64_t)TOKEN_EXPIRY_MS), 1);
}

static void one_that_changed_meanwhile_stays(void **state)
{
    struct fixture *fx = *state;
    uint8_t key[KEY_SIZE] = {6};
    char path[RECORD_PATH_MAX];
    struct span item = record_token_path(path, key);
    path[item.size] = '\0';
    fx_token(fx, key, fx->time.wall_ms);
    size_t removed = 99;
    changed_in_time = path;
    assert_int_equal(run(fx, fx->time.wall_ms + 2 * (uint64_t)TOKEN_EXPIRY_MS, &removed),
                     E_CONDITION);
    assert_int_equal(removed, 0);
    assert_string_equal(fx_value(fx, committer_server_bag(fx->committer), path), "{}");
}

static void without_memory_they_stay(void **state)
{
    struct fixture *fx = *state;
    uint8_t key[KEY_SIZE] = {1};
    fx_token(fx, key, fx->time.wall_ms + 1000);
    uint64_t now_ms = fx->time.wall_ms + 2 * (uint64_t)TOKEN_EXPIRY_MS;
    size_t removed = 0;
    unsigned nth = 1;
    for (; removed == 0; nth++) {
        assert_true(nth < 1000);
        fail_alloc_at(nth);
        fx_forget(fx);
        int rc = run(fx, now_ms, &removed);
        bool failed = fail_alloc_stop();
        assert_true(rc == 0 || failed);
        assert_int_equal(rc == 0, removed == 1);
        if (committer_state(fx->committer) != COMMITTER_RUNNING) { /* it could not be applied */
            fx_close(fx, false);
            fx_open(fx);
        }
    }
    assert_true(nth > 2);
    assert_int_equal(removed_at(fx, now_ms), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(expired_tokens_go),        TEST(used_tokens_go_and_their_machines_stay),
        TEST(many_go_in_pieces),        TEST(what_can_not_be_understood_stays),
        TEST(a_refusal_is_told),        TEST(one_that_changed_meanwhile_stays),
        TEST(without_memory_they_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
