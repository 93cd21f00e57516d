/* The desk: other threads hand in and wait, this thread answers; closing sends them home. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/thread.h"
#include "server/desk.h"
#include "tests/server/fixture.h"

static struct desk *desk;
static struct admin_backend backend;
static atomic_int wakes;

static void on_wake(void *context)
{
    (void)context;
    wakes++;
}

static atomic_bool reports_stopped;

static void on_status(void *context, struct server_status *out)
{
    (void)context;
    *out = (struct server_status){
        .state = SERVER_RUNNING, .sessions = 42, .sync_stopped = reports_stopped};
}

static atomic_int confirmed;

static void on_confirm(void *context)
{
    (void)context;
    confirmed++;
}

static int on_find(void *context, uint64_t device, struct device_live *out)
{
    (void)context;
    *out = (struct device_live){.device = device};
    return device % 2 == 1 ? 0 : E_NOT_FOUND;
}

static void on_replies(void *context, const struct reply *replies, size_t count)
{
    fx_on_replies(context, replies, count);
    for (size_t i = 0; i < count; i++) {
        if (replies[i].kind == REPLY_SUBMITTED && replies[i].ticket != context) { /* its own */
            desk_reply(desk, &replies[i]);
        }
    }
}

/* kv/ takes nothing in while it is closed. */
static atomic_bool gate_closed;

static int gated_apply(struct kv *kv, const struct change *changes, size_t count,
                       const uint8_t hash[SHA256_SIZE], struct err *err)
{
    while (gate_closed) {
        (void)usleep(200);
    }
    return kv_apply(kv, changes, count, hash, err);
}

static int setup(void **state)
{
    log_set_level(LOG_ERROR + 1);
    struct fixture *fx = fx_new();
    gate_closed = false;
    fx->apply = gated_apply;
    fx->reached = on_wake;
    fx->sink = (struct committer_sink){fx_on_device, on_replies, fx_on_changes, fx};
    fx_open(fx);
    struct desk_options options = {
        .wake = on_wake,
        .status = on_status,
        .device = on_find,
        .confirm_clock = on_confirm,
        .context = fx,
        .committer = fx->committer,
        .journal = fx->journal,
        .journal_dir = "here",
        .token = {.address_count = 1, .addresses = {"a:1"}},
    };
    assert_int_equal(desk_new(&desk, &options, NULL), 0);
    desk_backend(desk, &backend);
    wakes = 0;
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    desk_close(desk);
    desk_free(&desk);
    fx_free(*state);
    return 0;
}

/* --- a thread that asks --- */

struct asker {
    struct thread *thread;
    void (*ask)(struct asker *asker);
    int rc;
    struct err err;
    struct server_status status;
    uint64_t ids[1200];
    struct device_live live[1200];
    size_t device_count;
    struct submit *submits;
    size_t submit_count;
    char token[TOKEN_TEXT_MAX];
    struct enrollment wanted;
    bool run;
    uint64_t seq;
    atomic_bool done;
};

static void ask_thread(struct thread *self, void *context)
{
    struct asker *asker = context;
    thread_ready(self, 0, NULL);
    asker->ask(asker);
    asker->done = true;
}

static void start(struct asker *asker, void (*ask)(struct asker *asker))
{
    asker->ask = ask;
    assert_int_equal(thread_start(&asker->thread, "asker", ask_thread, asker, NULL), 0);
}

/* Plays the main thread until the asker has its answer. */
static void serve(struct fixture *fx, struct asker *asker)
{
    while (!asker->done) {
        (void)desk_work(desk);
        fx_run(fx);
        desk_answer(desk);
    }
    thread_join(&asker->thread);
}

static void ask_status(struct asker *asker)
{
    asker->rc = backend.status(backend.context, &asker->status, &asker->err);
}

static void ask_devices(struct asker *asker)
{
    asker->rc =
        backend.devices(backend.context, asker->ids, asker->device_count, asker->live, &asker->err);
}

static void ask_to_confirm(struct asker *asker)
{
    asker->rc = backend.confirm_clock(backend.context, &asker->err);
}

static void ask_submit(struct asker *asker)
{
    asker->rc = backend.submit(backend.context, asker->submits, asker->submit_count, &asker->err);
}

static void ask_token(struct asker *asker)
{
    asker->wanted = (struct enrollment){.expires_ms = 123456, .actor = "me"};
    asker->rc = backend.enroll(backend.context, &asker->wanted, asker->token, sizeof asker->token,
                               &asker->err);
}

static void the_clock_is_confirmed(void **state)
{
    struct asker asker = {0};
    confirmed = 0;
    start(&asker, ask_to_confirm);
    serve(*state, &asker);
    assert_int_equal(asker.rc, 0);
    assert_int_equal(confirmed, 1);
    desk_close(desk);
    struct err err = {0};
    assert_int_equal(backend.confirm_clock(backend.context, &err), E_CLOSED);
    assert_int_equal(confirmed, 1);
}

static void status_is_told(void **state)
{
    struct asker asker = {0};
    start(&asker, ask_status);
    serve(*state, &asker);
    assert_int_equal(asker.rc, 0);
    assert_int_equal(asker.status.sessions, 42);
    assert_true(wakes > 0);
    assert_string_equal(backend.journal_dir, "here");
}

/* Some hundred at a time: then others have their turn. */
static void many_devices(void **state)
{
    static struct asker asker;
    asker = (struct asker){.device_count = 1200};
    for (size_t i = 0; i < asker.device_count; i++) {
        asker.ids[i] = i;
        asker.live[i].connected = true; /* of what lay there before nothing is left */
    }
    wakes = 0;
    start(&asker, ask_devices);
    serve(*state, &asker);
    assert_int_equal(asker.rc, 0);
    assert_int_equal(wakes, 3);
    for (size_t i = 0; i < asker.device_count; i++) {
        assert_int_equal(asker.live[i].device, i % 2 == 1 ? i : 0);
        assert_false(asker.live[i].connected);
    }
    asker.device_count = 0;
    ask_devices(&asker);
    assert_int_equal(asker.rc, 0);
    desk_close(desk);
    asker.device_count = 2;
    ask_devices(&asker);
    assert_int_equal(asker.rc, E_CLOSED);
}

enum { MANY = 50 };

static void submits_in_pieces(void **state)
{
    struct fixture *fx = *state;
    static char value[20000];
    memset(value, 'v', sizeof value - 1);
    struct operation_write write = {.path = SPAN_LITERAL("p"), .value = span_str(value)};
    struct submit *submits = calloc(MANY, sizeof *submits);
    assert_non_null(submits);
    for (int i = 0; i < MANY; i++) {
        char owner[32];
        (void)snprintf(owner, sizeof owner, i == 7 ? "user:ok%d" : "group:g%d", i);
        submits[i] =
            (struct submit){.create = i != 9, .actor = "me", .writes = &write, .write_count = 1};
        assert_int_equal(owner_parse(&submits[i].owner, owner, NULL), 0);
    }
    struct asker asker = {.submits = submits, .submit_count = MANY};
    start(&asker, ask_submit);
    while (wakes == 0) {
    }
    assert_true(desk_work(desk)); /* a piece: others want their turn */
    fx_run(fx);
    assert_false(asker.done);
    serve(fx, &asker);
    assert_int_equal(asker.rc, 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(submits[i].code, i == 9 ? E_NOT_FOUND : 0);
        assert_int_equal(submits[i].created, i != 9);
    }
    free(submits);
}

static void a_token_and_its_public_half(void **state)
{
    struct fixture *fx = *state;
    struct asker asker = {0};
    start(&asker, ask_token);
    serve(fx, &asker);
    assert_int_equal(asker.rc, 0);
    struct join_token token = {0};
    assert_int_equal(token_parse(&token, asker.token, NULL), 0);
    assert_int_equal(token.expires_ms, 123456);
    assert_string_equal(token.addresses[0], "a:1");
    struct key_pair pair;
    key_pair_of_secret(&pair, token.secret);
    assert_int_equal(registry_peer(fx->registry, pair.public_key).kind, REGISTRY_TOKEN);
}

/* An administrator reads kv/ after the answer, and so waits for it; machines do not. */
static void who_writes_waits_for_kv_alone(void **state)
{
    enum { ITEMS = 6 }; /* fewer would be applied by this thread */
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Bob");
    committer_settle(fx->committer);
    struct operation_write writes[ITEMS];
    static const char paths[] = "123456";
    for (size_t i = 0; i < ITEMS; i++) {
        writes[i] =
            (struct operation_write){.path = span_of(&paths[i], 1), .value = SPAN_LITERAL("v")};
    }
    struct submit submit = {.create = true, .actor = "me", .writes = writes, .write_count = ITEMS};
    assert_int_equal(owner_parse(&submit.owner, "user:ann", NULL), 0);
    struct asker asker = {.submits = &submit, .submit_count = 1};
    fx_forget(fx);
    gate_closed = true;
    start(&asker, ask_submit);
    while (fx->reply_count == 0) {
        (void)desk_work(desk);
        fx_run(fx);
        desk_answer(desk);
    }
    int before = wakes;
    assert_int_equal(fx_write(fx, &a, 1, bag, "p", "v")->code, 0);
    desk_answer(desk);
    assert_false(asker.done);
    assert_int_equal(kv_bag_of(fx->kv, NULL, &submit.owner, &(struct bag_row){0}, NULL),
                     E_NOT_FOUND);
    gate_closed = false;
    for (int i = 0; i < 50000 && wakes == before; i++) {
        (void)usleep(200);
    }
    assert_int_equal(wakes, before + 1);
    desk_answer(desk);
    thread_join(&asker.thread);
    assert_int_equal(asker.rc, 0);
    assert_int_equal(submit.code, 0);
    assert_string_equal(fx_value(fx, submit.bag_id, "6"), "v");
}

/* It is in the journal: so whoever waits for kv/ when the desk closes is told so, not sent home. */
static void closing_waits_for_kv(void **state)
{
    struct fixture *fx = *state;
    struct operation_write write = {.path = SPAN_LITERAL("p"), .value = SPAN_LITERAL("v")};
    struct submit submit = {.create = true, .actor = "me", .writes = &write, .write_count = 1};
    assert_int_equal(owner_parse(&submit.owner, "user:ann", NULL), 0);
    struct asker asker = {.submits = &submit, .submit_count = 1};
    start(&asker, ask_submit);
    while (fx->reply_count == 0) {
        (void)desk_work(desk);
        fx_run(fx);
    }
    assert_false(asker.done);
    desk_close(desk);
    thread_join(&asker.thread);
    assert_int_equal(asker.rc, 0);
    assert_string_equal(fx_value(fx, submit.bag_id, "p"), "v");
}

static void ask_sync(struct asker *asker)
{
    asker->rc = backend.sync(backend.context, asker->run, "eve", &asker->seq, &asker->err);
}

/* The change is in the journal before it is answered; where nothing changes there is none. */
static void synchronization_is_stopped_and_started(void **state)
{
    struct fixture *fx = *state;
    struct asker stop = {.run = false};
    start(&stop, ask_sync);
    serve(fx, &stop);
    assert_int_equal(stop.rc, 0);
    assert_int_equal(stop.seq, 4);
    assert_true(committer_sync(fx->committer)->stopped);
    assert_string_equal(committer_sync(fx->committer)->by, "eve");
    assert_true(committer_sync(fx->committer)->since_ms > 0);
    reports_stopped = true;
    struct asker again = {.run = false};
    start(&again, ask_sync);
    serve(fx, &again);
    assert_int_equal(again.rc, 0);
    assert_int_equal(again.seq, 0);
    struct asker run = {.run = true};
    start(&run, ask_sync);
    serve(fx, &run);
    assert_int_equal(run.rc, 0);
    assert_int_equal(run.seq, 5);
    assert_false(committer_sync(fx->committer)->stopped);
    reports_stopped = false;
}

static void several_at_once(void **state)
{
    struct fixture *fx = *state;
    struct operation_write write = {.path = SPAN_LITERAL("p"), .value = SPAN_LITERAL("v")};
    struct asker askers[4] = {0};
    struct submit submits[4];
    for (int i = 0; i < 4; i++) {
        submits[i] =
            (struct submit){.create = true, .actor = "me", .writes = &write, .write_count = 1};
        assert_int_equal(owner_parse(&submits[i].owner, "user:ann", NULL), 0);
        askers[i].submits = &submits[i];
        askers[i].submit_count = 1;
        start(&askers[i], ask_submit);
    }
    for (int i = 0; i < 4; i++) {
        serve(fx, &askers[i]);
        assert_int_equal(askers[i].rc, 0);
        assert_int_equal(submits[i].code, 0);
    }
}

static void closing_sends_everybody_home(void **state)
{
    (void)state;
    struct asker asker = {0};
    start(&asker, ask_status);
    while (wakes == 0) {
    }
    desk_close(desk);
    thread_join(&asker.thread);
    assert_int_equal(asker.rc, E_CLOSED);
    assert_int_equal(backend.status(backend.context, &asker.status, &asker.err), E_CLOSED);
}

/* Half of a long ticket was planned and answered. */
static void closing_in_the_middle_of_a_ticket(void **state)
{
    struct fixture *fx = *state;
    static char value[300000];
    memset(value, 'v', sizeof value - 1);
    struct operation_write write = {.path = SPAN_LITERAL("p"), .value = span_str(value)};
    struct submit submits[2];
    for (int i = 0; i < 2; i++) {
        submits[i] =
            (struct submit){.create = true, .actor = "me", .writes = &write, .write_count = 1};
        assert_int_equal(owner_parse(&submits[i].owner, "user:ann", NULL), 0);
    }
    struct asker asker = {.submits = submits, .submit_count = 2};
    start(&asker, ask_submit);
    while (wakes == 0) {
    }
    assert_true(desk_work(desk));
    fx_run(fx);
    desk_close(desk);
    thread_join(&asker.thread);
    assert_int_equal(asker.rc, E_CLOSED);
    assert_int_equal(submits[0].code, 0);
    assert_true(submits[0].seq > 0);
    assert_int_equal(submits[1].seq, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_clock_is_confirmed),
        TEST(status_is_told),
        TEST(many_devices),
        TEST(submits_in_pieces),
        TEST(a_token_and_its_public_half),
        TEST(who_writes_waits_for_kv_alone),
        TEST(closing_waits_for_kv),
        TEST(synchronization_is_stopped_and_started),
        TEST(several_at_once),
        TEST(closing_sends_everybody_home),
        TEST(closing_in_the_middle_of_a_ticket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
