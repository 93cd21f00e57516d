/* Every allocation fails once while a server's data is opened, and during each kind of request that
 * changes something: it is answered by "done" or by an error that asks to try again, or a session
 * loses its answer; the same request made again is done, and done once. */
#include "tests/server/fixture.h"
#include "tests/support/fail_alloc.h"

enum { TRIES_MAX = 2000 };

/* Whatever was lost on the way: what was committed is in the journal. */
static void open_again_if_stopped(struct fixture *fx)
{
    fx_run(fx); /* what found no memory then */
    if (committer_state(fx->committer) != COMMITTER_RUNNING) {
        fx_close(fx, false);
        fx_open(fx);
    }
}

/* One request; its code, or 1 when no answer came. `number` makes its names. */
typedef int request_fn(struct fixture *fx, const struct machine *machine, unsigned number);

static int answer_of(const struct fixture *fx)
{
    assert_true(fx->reply_count <= 1);
    return fx->reply_count == 1 ? fx->replies[0].reply.code : 1;
}

static int submit_now(struct fixture *fx, struct submit *submit)
{
    submit->actor = "test";
    fx_forget(fx);
    int rc = committer_submit(fx->committer, submit, fx, 7);
    assert_true(rc == 0 || rc == E_NOMEM);
    fx_run(fx);
    return rc != 0 ? rc : answer_of(fx);
}

static int submit_item(struct fixture *fx, const char *owner, const char *value)
{
    struct submit submit = {.kind = SUBMIT_WRITE, .create = true};
    struct operation_write write = {.path = SPAN_LITERAL("copy/a"), .value = span_str(value)};
    assert_int_equal(owner_parse(&submit.owner, owner, NULL), 0);
    submit.writes = &write;
    submit.write_count = 1;
    return submit_now(fx, &submit);
}

static int write_to_a_new_user(struct fixture *fx, const struct machine *machine, unsigned number)
{
    (void)machine;
    char owner[32];
    (void)snprintf(owner, sizeof owner, "user:u%u", number);
    return submit_item(fx, owner, "1");
}

static int write_and_delete(struct fixture *fx, const struct machine *machine, unsigned number)
{
    char owner[32];
    int rc = write_to_a_new_user(fx, machine, number);
    if (rc != 0) {
        return rc;
    }
    struct submit submit = {.kind = SUBMIT_DELETE};
    (void)snprintf(owner, sizeof owner, "user:u%u", number);
    assert_int_equal(owner_parse(&submit.owner, owner, NULL), 0);
    return submit_now(fx, &submit);
}

static int fence(struct fixture *fx, const struct machine *machine, unsigned number)
{
    (void)machine;
    (void)number;
    struct submit submit = {.kind = SUBMIT_FENCE, .category = SPAN_LITERAL("copy")};
    return submit_now(fx, &submit);
}

static int fence_and_lift(struct fixture *fx, const struct machine *machine, unsigned number)
{
    int rc = fence(fx, machine, number);
    struct submit submit = {.kind = SUBMIT_LIFT, .category = SPAN_LITERAL("copy")};
    return rc != 0 ? rc : submit_now(fx, &submit);
}

static int sign_in(struct fixture *fx, const struct machine *machine, unsigned number)
{
    char user[32];
    struct span group = SPAN_LITERAL("night shift");
    (void)snprintf(user, sizeof user, "s%u", number);
    struct sign_in wanted = {
        .session = machine->session,
        .device = machine->device,
        .device_bag = machine->bag,
        .ref = 5,
        .user = span_str(user),
        .groups = &group,
        .group_count = 1,
    };
    fx_forget(fx);
    committer_sign_in(fx->committer, &wanted);
    fx_run(fx);
    return answer_of(fx);
}

static int join_again(struct fixture *fx, const struct machine *machine, unsigned number)
{
    (void)number;
    fx_forget(fx);
    fx_try_join(fx, machine, "printer");
    return answer_of(fx);
}

static int join_new(struct fixture *fx, const struct machine *machine, unsigned number)
{
    (void)machine;
    struct machine other = {.session = 9};
    memset(other.token, 9, KEY_SIZE);
    memset(other.key, 0x89, KEY_SIZE);
    memcpy(other.token, &number, sizeof number);
    memcpy(other.key, &number, sizeof number);
    unsigned paused = fail_alloc_pause();
    if (registry_peer(fx->registry, other.key).kind == REGISTRY_NOBODY) {
        fx_token(fx, other.token, fx->time.wall_ms + 100000);
    }
    fail_alloc_resume(paused);
    return join_again(fx, &other, number);
}

/* E_IO: administration is told to look at the log, where the cause stands. */
static bool is_short(int code)
{
    return code == E_NOMEM || code == E_IO || wire_deferred(code);
}

/* Done the second time: what the first time did, when its answer was lost, stays. Returns how many
 * tries it took. */
static unsigned check_request(struct fixture *fx, const struct machine *machine,
                              request_fn *request)
{
    unsigned nth = 1;
    for (bool failed = true; failed; nth++) {
        assert_true(nth < TRIES_MAX);
        fail_alloc_at(nth);
        int code = request(fx, machine, nth);
        failed = fail_alloc_stop();
        if (code != 0 && code != 1 && !is_short(code)) {
            fail_msg("allocation %u: %s: %s", nth, err_name(code), fx->replies[0].text);
        }
        assert_true(failed || code == 0);
        open_again_if_stopped(fx);
        assert_int_equal(request(fx, machine, nth), 0);
    }
    return nth - 1;
}

static void requests_may_fail_anywhere(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx->limits.users = 10000;
    fx_close(fx, true);
    fx_open(fx);
    fx_join(fx, &a, 1);
    assert_int_equal(submit_item(fx, "group:night shift", "1"), 0);
    request_fn *const requests[] = {
        write_to_a_new_user, write_and_delete, fence, fence_and_lift, sign_in,
        join_again,          join_new};
    unsigned tries = 0;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        tries += check_request(fx, &a, requests[i]);
    }
    assert_true(tries > 3 * sizeof requests / sizeof requests[0]);
}

static void opening_may_fail_anywhere(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    assert_int_equal(fx_write(fx, &a, 1, a.bag, "p", "v")->code, 0);
    unsigned nth = 1;
    for (bool failed = true; failed; nth++) {
        struct err err = {0};
        assert_true(nth < TRIES_MAX);
        fx_close(fx, nth % 2 == 0); /* recovery replays when it was no clean end */
        fail_alloc_at(nth);
        int rc = fx_try_open(fx, &err);
        failed = fail_alloc_stop();
        assert_true(failed ? rc == 0 || rc == E_NOMEM : rc == 0);
        if (rc != 0) {
            fx_close(fx, false);
            fx_open(fx);
        }
        assert_int_equal(registry_devices(fx->registry), 1);
        assert_string_equal(fx_value(fx, a.bag, "p"), "v");
    }
    assert_true(nth > 20);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_may_fail_anywhere),
        TEST(opening_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
