/* tests/transport/test_feed_golden.c - what both sides do, event by event, as it is written down.
 *
 * Each scenario is compared byte for byte with golden/NAME.trace beside this file. After a change
 * that is meant, run it with KITBAG_GOLDEN=write and read the difference.
 */
#include "tests/transport/toy_client.h"

#include "base/file.h"

enum { POOL_BYTES = 1 << 20, TRACE_MAX = 1 << 20 };

static struct toy toy;
static struct buf trace;

static void golden_path(char *out, size_t size, const char *name)
{
    const char *slash = strrchr(__FILE__, '/');
    int folder = slash == NULL ? 0 : (int)(slash + 1 - __FILE__);
    (void)snprintf(out, size, "%.*sgolden/%s.trace", folder, __FILE__, name);
}

static void note(const char *text)
{
    (void)buf_printf(&trace, "# %s\n", text);
}

static int setup(void **state)
{
    (void)state;
    buf_init(&trace, TRACE_MAX);
    toy_begin(&toy, 1, 5, POOL_BYTES);
    toy.trace = &trace;
    (void)toy_create(&toy, 0); /* bag 1 */
    (void)toy_create(&toy, 1); /* bag 2 */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    toy_end(&toy);
    buf_free(&trace);
    return 0;
}

/* The lines that differ first are told: the trace as a whole is too long for a message. */
static void tell_difference(const char *name, struct span was, struct span is)
{
    size_t line = 1;
    size_t at = 0;
    size_t begin = 0;
    while (at < was.size && at < is.size && was.data[at] == is.data[at]) {
        if (was.data[at++] == '\n') {
            line++;
            begin = at;
        }
    }
    const uint8_t *end = begin < is.size ? memchr(is.data + begin, '\n', is.size - begin) : NULL;
    size_t size = end == NULL ? 0 : (size_t)(end - is.data) - begin;
    fail_msg("%s.trace:%zu: is now '%.*s'", name, line, (int)size, (const char *)is.data + begin);
}

static void compare(const char *name)
{
    char path[4096];
    golden_path(path, sizeof path, name);
    assert_int_equal(buf_error(&trace), 0);
    const char *mode = getenv("KITBAG_GOLDEN");
    if (mode != NULL && strcmp(mode, "write") == 0) {
        assert_int_equal(file_replace(path, trace.data, trace.size, 0644, NULL), 0);
    }
    struct buf golden;
    buf_init(&golden, TRACE_MAX);
    assert_int_equal(file_read(path, &golden, NULL), 0);
    if (!span_equal(buf_span(&golden), buf_span(&trace))) {
        tell_difference(name, buf_span(&golden), buf_span(&trace));
    }
    buf_free(&golden);
}

/* --- what the scenarios are made of --- */

static void client_event(enum follow_event_kind kind)
{
    toy_follow_step(&toy, 0, (struct follow_event){.kind = kind});
}

static void connect_client(void)
{
    client_event(FOLLOW_START);
    toy_settle_down(&toy);
}

static void silently(void (*act)(void))
{
    toy.trace = NULL;
    act();
    toy.trace = &trace;
}

static void administrator_sets(int path, uint32_t size)
{
    toy_set(&toy, 1, path, ++toy.last_stamp, size);
    toy_dispatch(&toy, toy.head);
}

static void sign_in(void)
{
    toy_sign_in(&toy, 0, 0);
    toy_settle_down(&toy);
}

static void connect_and_sign_in(void)
{
    connect_client();
    sign_in();
}

static void machine_writes(int path)
{
    struct toy_op op = {.bag_id = 1, .path = path, .size = 8};
    toy_write(&toy, &toy.clients[0], op);
    client_event(FOLLOW_TICK);
}

static void pass_time(uint64_t ms)
{
    toy.now_ms += ms;
    client_event(FOLLOW_TICK);
}

static void set_state(enum wire_state is)
{
    struct feed_event event = {.kind = FEED_STATE};
    toy.state = is;
    event.state = is;
    toy_feed_step(&toy, toy.clients[0].session, event);
}

static void administrator_deletes(void)
{
    toy_delete(&toy, toy_bag(&toy, 1));
}

/* --- scenarios --- */

static void joining(void **state)
{
    (void)state;
    struct follow_options options = {.address_count = 1, .seed = 1, .join = true};
    follow_free(&toy.clients[0].follow);
    assert_int_equal(follow_new(&toy.clients[0].follow, &options), 0);
    connect_client();
    assert_true(toy.clients[0].joined);
    compare("join");
}

static void a_first_sign_in(void **state)
{
    (void)state;
    toy.page_bytes_max = 300;
    for (int i = 0; i < 4; i++) {
        administrator_sets(i, 100);
    }
    silently(connect_client);
    note("a user who was never here signs in; the bag takes two pages");
    sign_in();
    assert_int_equal(toy_replica(&toy.clients[0], 1)->cursor, toy.head);
    compare("sign-in");
}

static void live_changes(void **state)
{
    (void)state;
    silently(connect_and_sign_in);
    note("an administrator writes");
    administrator_sets(0, 8);
    toy_settle_down(&toy);
    note("the machine writes");
    machine_writes(1);
    toy_settle_down(&toy);
    note("both are silent for a while");
    pass_time(TOY_HEARTBEAT_MS);
    toy_settle_down(&toy);
    compare("live");
}

static void a_slow_client(void **state)
{
    (void)state;
    toy.clients[0].window = 1500;
    silently(connect_and_sign_in);
    note("more than the window is written while the machine reads nothing");
    administrator_sets(0, 600);
    administrator_sets(1, 600);
    administrator_sets(2, 600);
    note("it reads again");
    toy_settle_down(&toy);
    assert_int_equal(toy_replica(&toy.clients[0], 1)->cursor, toy.head);
    note("and is told what is new at once");
    administrator_sets(3, 600);
    toy_settle_down(&toy);
    compare("slow");
}

static void reconnecting(void **state)
{
    (void)state;
    silently(connect_and_sign_in);
    note("the connection is lost, and nothing is written meanwhile");
    toy_down(&toy, 0, E_UNREACHABLE);
    toy_settle_down(&toy);
    assert_int_equal(toy.clients[0].phase, FOLLOW_OPEN);
    note("the server restarts: it does not know the session");
    feed_free(&toy.sessions[toy.clients[0].session].feed);
    struct feed_options options = {
        .session = 99, .heartbeat_ms = TOY_HEARTBEAT_MS, .bags_max = TOY_BAGS, .pool = toy.pool};
    struct toy_session *session = &toy.sessions[toy.clients[0].session];
    assert_int_equal(feed_new(&session->feed, &options), 0);
    memset(session->subscribed, 0, sizeof session->subscribed);
    pass_time(TOY_HEARTBEAT_MS);
    toy_settle_down(&toy);
    assert_int_equal(toy.clients[0].phase, FOLLOW_OPEN);
    compare("reconnect");
}

static void a_deferred_write(void **state)
{
    (void)state;
    silently(connect_and_sign_in);
    note("synchronization is stopped");
    set_state(WIRE_STOPPED);
    toy_settle_down(&toy);
    note("two writes wait");
    machine_writes(0);
    machine_writes(1);
    toy_settle_down(&toy);
    note("the machine tries again");
    pass_time(FOLLOW_DEFER_FIRST_MS);
    toy_settle_down(&toy);
    note("synchronization runs again");
    set_state(WIRE_RUNNING);
    toy_settle_down(&toy);
    assert_int_equal(toy.clients[0].confirmed, 2);
    compare("deferred");
}

static void a_deleted_bag(void **state)
{
    (void)state;
    silently(connect_and_sign_in);
    note("the user is deleted while the machine listens");
    administrator_deletes();
    toy_settle_down(&toy);
    assert_null(toy_replica(&toy.clients[0], 1));
    note("the next sign-in makes another bag, which is deleted while the machine is away");
    toy_sign_in(&toy, 0, 0);
    toy_settle_down(&toy);
    toy_detach(&toy, &toy.clients[0]);
    toy_delete(&toy, toy_bag_of(&toy, 0));
    toy_down(&toy, 0, E_UNREACHABLE);
    toy_settle_down(&toy);
    assert_true(toy_replica(&toy.clients[0], 0) == &toy.clients[0].bags[0]); /* none is kept */
    compare("deleted");
}

static void bad_bytes(void **state)
{
    (void)state;
    silently(connect_and_sign_in);
    note("a machine sends what is no message");
    toy_push(&toy.sessions[toy.clients[0].session].up, SPAN_LITERAL("\xdd\xff\xff\xff\xff"));
    toy_settle_down(&toy);
    note("it connects again; now the server sends what is no message");
    toy.now_ms = toy.clients[0].retry_at_ms;
    toy.trace = NULL;
    pass_time(0);
    toy_settle_down(&toy);
    toy.trace = &trace;
    assert_int_equal(toy.clients[0].phase, FOLLOW_OPEN);
    toy_push(&toy.sessions[toy.clients[0].session].down, SPAN_LITERAL("\x93\x21"));
    toy_settle_down(&toy);
    assert_int_equal(toy.clients[0].phase, FOLLOW_WAITING);
    compare("bad-bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(joining, setup, teardown),
        cmocka_unit_test_setup_teardown(a_first_sign_in, setup, teardown),
        cmocka_unit_test_setup_teardown(live_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_client, setup, teardown),
        cmocka_unit_test_setup_teardown(reconnecting, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deferred_write, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deleted_bag, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_bytes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
