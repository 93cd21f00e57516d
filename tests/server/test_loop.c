/* The main loop: signals, the desk, a state that has to be opened again. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/thread.h"
#include "server/loop.h"
#include "tests/server/sessions_fixture.h"

static struct router *router;
static struct desk *desk;
static struct key_pair keys;
static struct loop_options options;
static int reloads;
static int recoveries;
static int recover_code;
static int apply_code;
static sigset_t taken; /* signals that the loop takes */

static bool admit(void *context, const uint8_t key[KEY_SIZE])
{
    (void)context;
    (void)key;
    return false;
}

static void on_wake(void *context)
{
    (void)context;
    router_wake(router);
}

static void on_status(void *context, struct server_status *out)
{
    (void)context;
    *out = (struct server_status){.sessions = 42};
}

static int on_find(void *context, uint64_t device, struct device_live *out)
{
    (void)context;
    (void)device;
    (void)out;
    return E_NOT_FOUND;
}

static struct committer *stopped_by_reload; /* NULL: not */

static void on_reload(void *context)
{
    (void)context;
    reloads++;
    if (stopped_by_reload == NULL) {
        return;
    }
    struct operation_write write = {
        .path = SPAN_LITERAL(RECORD_SYNC_PATH),
        .value = SPAN_LITERAL("{\"state\":\"stopped\",\"since_ms\":1,\"by\":\"eve\"}")};
    struct submit submit = {
        .actor = "t", .owner = {.kind = OWNER_SERVER}, .writes = &write, .write_count = 1};
    assert_int_equal(committer_submit(stopped_by_reload, &submit, NULL, 0), 0);
    stopped_by_reload = NULL;
}

static int on_recover(void *context, struct err *err)
{
    (void)context;
    recoveries++;
    return recover_code == 0 ? 0 : err_set(err, recover_code, "it can't be opened");
}

static int failing_apply(struct kv *kv, const struct change *changes, size_t count,
                         const uint8_t hash[SHA256_SIZE], struct err *err)
{
    return apply_code != 0 ? err_set(err, apply_code, "the test lets it fail")
                           : kv_apply(kv, changes, count, hash, err);
}

static int setup(void **state)
{
    struct net *net = net_new();
    sessions_free(&net->sessions);
    fx_close(net->fx, true);
    net->fx->apply = failing_apply;
    apply_code = reloads = recoveries = recover_code = 0;
    fx_open(net->fx);
    struct sessions_options sessions = {
        .port = {net_send, net_cut, net_address, net},
        .committer = net->fx->committer,
        .registry = net->fx->registry,
        .journal = net->fx->journal,
        .clock = &clock_system,
        .heartbeat_ms = 2000,
        .bags_max = 10,
        .sessions_max = 10,
        .budget_bytes = 8 << 20,
    };
    assert_int_equal(sessions_new(&net->sessions, &sessions, NULL), 0);
    static const char *const listen[] = {"tcp://127.0.0.1:*", NULL};
    key_pair_make(&keys);
    struct router_options router_options = {
        .listen = listen, .keys = &keys, .io_threads = 1, .admit = admit};
    assert_int_equal(router_open(&router, &router_options, NULL), 0);
    struct desk_options desk_options = {.wake = on_wake,
                                        .status = on_status,
                                        .device = on_find,
                                        .committer = net->fx->committer,
                                        .journal = net->fx->journal};
    assert_int_equal(desk_new(&desk, &desk_options, NULL), 0);
    options = (struct loop_options){
        .router = router,
        .sessions = net->sessions,
        .committer = net->fx->committer,
        .desk = &desk,
        .clock = &clock_system,
        .signal_fd = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC),
        .reload = on_reload,
        .recover = on_recover,
    };
    assert_true(options.signal_fd >= 0);
    *state = net;
    return 0;
}

static int teardown(void **state)
{
    desk_close(desk);
    desk_free(&desk);
    router_close(&router);
    (void)close(options.signal_fd);
    net_free(*state);
    return 0;
}

static void signals(void **state)
{
    (void)state;
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(loop_run(&options, NULL), 0);
    assert_int_equal(reloads, 1);
    assert_int_equal(recoveries, 0);
}

/* What was handed in before the end is still done. */
static void what_waits_is_committed(void **state)
{
    struct net *net = *state;
    struct submit submit = {.actor = "t", .create = true};
    assert_int_equal(owner_parse(&submit.owner, "user:ann", NULL), 0);
    assert_int_equal(committer_submit(net->fx->committer, &submit, NULL, 0), 0);
    net->fx->reply_count = 0;
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(loop_run(&options, NULL), 0);
    assert_int_equal(net->fx->reply_count, 1);
    assert_int_equal(net->fx->replies[0].reply.code, 0);
}

static void ask_and_stop(struct thread *self, void *context)
{
    struct server_status *status = context;
    struct admin_backend backend;
    desk_backend(desk, &backend);
    thread_ready(self, 0, NULL);
    int rc = backend.status(backend.context, status, NULL);
    if (rc != 0) {
        status->sessions = 0;
    }
    (void)kill(getpid(), SIGTERM);
}

static void the_desk_wakes_it(void **state)
{
    (void)state;
    struct server_status status = {0};
    struct thread *thread = NULL;
    assert_int_equal(thread_start(&thread, "asker", ask_and_stop, &status, NULL), 0);
    assert_int_equal(loop_run(&options, NULL), 0);
    thread_join(&thread);
    assert_int_equal(status.sessions, 42);
}

/* Who is connected is told in the round that made it so. */
static void machines_are_told_that_it_is_stopped(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    (void)net_hello(net, 1, &a);
    struct server_status status = {0};
    struct thread *thread = NULL;
    stopped_by_reload = net->fx->committer;
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_int_equal(thread_start(&thread, "asker", ask_and_stop, &status, NULL), 0);
    assert_int_equal(loop_run(&options, NULL), 0);
    thread_join(&thread);
    assert_int_equal(net_expect(net, 1, WIRE_STATE)->state.state, WIRE_STOPPED);
}

static void a_signal_while_the_state_is_away_ends_it(void **state)
{
    struct net *net = *state;
    struct submit submit = {.actor = "t", .create = true};
    assert_int_equal(owner_parse(&submit.owner, "user:ann", NULL), 0);
    assert_int_equal(committer_submit(net->fx->committer, &submit, NULL, 0), 0);
    apply_code = E_IO;
    recover_code = E_CLOSED;
    assert_int_equal(loop_run(&options, NULL), 0);
    assert_int_equal(recoveries, 1);
    assert_int_equal(net->fx->replies[0].reply.code, 0); /* the journal has it */
}

static void what_can_t_be_opened_again_is_an_error(void **state)
{
    struct net *net = *state;
    struct submit submit = {.actor = "t", .create = true};
    assert_int_equal(owner_parse(&submit.owner, "user:ann", NULL), 0);
    assert_int_equal(committer_submit(net->fx->committer, &submit, NULL, 0), 0);
    apply_code = E_IO;
    recover_code = E_SYSTEM;
    struct err err = {0};
    assert_int_equal(loop_run(&options, &err), E_SYSTEM);
    assert_string_equal(err.text, "it can't be opened");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    /* before any thread is there, or one of those would take them */
    (void)sigemptyset(&taken);
    (void)sigaddset(&taken, SIGTERM);
    (void)sigaddset(&taken, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &taken, NULL);
    const struct CMUnitTest tests[] = {
        TEST(signals),
        TEST(what_waits_is_committed),
        TEST(the_desk_wakes_it),
        TEST(machines_are_told_that_it_is_stopped),
        TEST(a_signal_while_the_state_is_away_ends_it),
        TEST(what_can_t_be_opened_again_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
