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
    note("the server takes no writes");
    set_state(WIRE_READ_ONLY);
    toy_settle_down(&toy);
    note("two writes wait");
    machine_writes(0);
    machine_writes(1);
    toy_settle_down(&toy);
    note("the machine tries again");
    pass_time(FOLLOW_DEFER_FIRST_MS);
    toy_settle_down(&toy);
    note("it takes writes again");
    set_state(WIRE_RUNNING);
    toy_settle_down(&toy);
    assert_int_equal(toy.clients[0].confirmed, 2);
    compare("deferred");
}

static void a_stopped_server(void **state)
{
    (void)state;
    silently(connect_and_sign_in);
    note("synchronization is stopped");
    set_state(WIRE_STOPPED);
    toy_settle_down(&toy);
    note("two writes wait, and are told of");
    machine_writes(0);
    machine_writes(1);
    toy_settle_down(&toy);
    pass_time(TOY_HEARTBEAT_MS);
    toy_settle_down(&toy);
    note("another change is not sent");
    administrator_sets(2, 8);
    toy_settle_down(&toy);
    note("synchronization runs again");
    set_state(WIRE_RUNNING);
    toy_settle_down(&toy);
    assert_int_equal(toy.clients[0].confirmed, 2);
    compare("stopped");
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

static void a_damaged_replica(void **state)
{
    (void)state;
    silently(connect_and_sign_in);
    administrator_sets(0, 8);
    toy_settle_down(&toy);
    note("the machine's disk changes a value unseen; it asks what its bags are to add up to");
    toy_damage(toy_replica(&toy.clients[0], 1), 0);
    toy_tell_bags(&toy, 0, false);
    toy_settle_down(&toy);
    assert_int_equal(toy.clients[0].healed, 1);
    note("what was fetched anew is told with the next heartbeat");
    struct follow_event event = {.kind = FOLLOW_HEALED};
    event.healed = toy.clients[0].healed;
    toy_follow_step(&toy, 0, event);
    pass_time(TOY_HEARTBEAT_MS);
    toy_settle_down(&toy);
    compare("damaged");
}

static void keeping_everybody(void **state)
{
    (void)state;
    toy.clients[0].keeps = true;
    toy.fleet = toy_create(&toy, TOY_FLEET); /* bag 3 */
    (void)toy_create(&toy, 2);
    (void)toy_create(&toy, 3);
    note("the fleet's bag first; four others, of which a list holds three");
    connect_client();
    note("somebody new is told of with a heartbeat, though nobody was silent");
    uint64_t newest = toy_create(&toy, 0);
    struct feed_event event = {.kind = FEED_TICK};
    event.head_seq = toy.head;
    event.newest_bag = newest;
    toy_feed_step(&toy, toy.clients[0].session, event);
    toy_settle_down(&toy);
    assert_non_null(toy_replica(&toy.clients[0], newest));
    compare("everybody");
}

static void a_mirror(void **state)
{
    (void)state;
    toy.clients[0].mirrors = true;
    toy.floor = 1;
    for (int i = 0; i < 3; i++) {
        administrator_sets(i, 40000);
    }
    note("the journal from its beginning, a frame at a time");
    connect_client();
    assert_int_equal(toy.clients[0].mirror_seq, toy.head);
    note("what is written from now on; one batch is longer than a frame");
    administrator_sets(0, 8);
    toy_settle_down(&toy);
    administrator_sets(1, 150000);
    toy_settle_down(&toy);
    assert_int_equal(toy.clients[0].mirror_seq, toy.head);
    note("the machine is away, and what it lacks is let go of meanwhile: it starts over");
    toy_detach(&toy, &toy.clients[0]);
    administrator_sets(2, 8);
    administrator_sets(3, 8);
    toy.floor = toy.head;
    toy_down(&toy, 0, E_UNREACHABLE);
    toy_settle_down(&toy);
    assert_int_equal(toy.clients[0].mirror_first, toy.head);
    compare("mirror");
}

/* --- machines that do not keep to it --- */

static struct toy_queue *up(void)
{
    return &toy.sessions[toy.clients[0].session].up;
}

static uint64_t session_number(void)
{
    return feed_session(toy.sessions[toy.clients[0].session].feed);
}

/* A message of the open session, so many times; `put` writes it. */
static void says(size_t times, void (*put)(struct buf *out, uint64_t session))
{
    struct buf out;
    buf_init(&out, WIRE_FRAME_MAX);
    put(&out, session_number());
    assert_int_equal(buf_error(&out), 0);
    for (size_t i = 0; i < times; i++) {
        toy_push(up(), buf_span(&out));
    }
    buf_free(&out);
    toy_settle_down(&toy);
}

static void open_again(void)
{
    toy.trace = NULL;
    while (toy.clients[0].phase != FOLLOW_OPEN) {
        toy.now_ms = toy.clients[0].retry_at_ms;
        pass_time(0);
        toy_settle_down(&toy);
    }
    toy.trace = &trace;
}

static void put_much_credit(struct buf *out, uint64_t session)
{
    wire_put_credit(out, session, 1u << 30);
}

static void put_two_credits(struct buf *out, uint64_t session)
{
    wire_put_credit(out, session, 2);
}

static void put_less_credit(struct buf *out, uint64_t session)
{
    wire_put_credit(out, session, 1);
}

static void put_list(struct buf *out, uint64_t session)
{
    wire_put_list(out, session, 0);
}

static void put_mirror(struct buf *out, uint64_t session)
{
    struct wire_mirror mirror = {0};
    wire_put_mirror(out, session, &mirror);
}

static void put_many_bags(struct buf *out, uint64_t session)
{
    static struct wire_bag bags[WIRE_BAGS_MAX];
    for (size_t i = 0; i < WIRE_BAGS_MAX; i++) {
        bags[i] = (struct wire_bag){.bag_id = 1000 + i};
    }
    wire_put_follow(out, session, bags, WIRE_BAGS_MAX);
}

static void put_hello_again(struct buf *out, uint64_t session)
{
    struct wire_hello hello = {.version = WIRE_VERSION, .device = 1, .window = 1000};
    (void)session;
    wire_put_hello(out, &hello);
}

static void misbehaviour(void **state)
{
    (void)state;
    toy.floor = 1;
    silently(connect_and_sign_in);
    note("it acknowledges what it never got");
    says(1, put_much_credit);
    open_again();
    note("its credit goes down");
    says(1, put_two_credits);
    says(1, put_less_credit);
    open_again();
    note("it follows many bags that are not there, and more than a session may");
    says(1, put_many_bags);
    open_again();
    note("it asks for the journal twice");
    says(2, put_mirror);
    open_again();
    note("it asks for lists without waiting for an answer");
    toy.sessions[toy.clients[0].session].holds_back = true;
    says(2, put_list);
    open_again();
    note("it says HELLO again");
    says(1, put_hello_again);
    open_again();
    compare("misbehaviour");
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
        cmocka_unit_test_setup_teardown(a_stopped_server, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deleted_bag, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_replica, setup, teardown),
        cmocka_unit_test_setup_teardown(keeping_everybody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mirror, setup, teardown),
        cmocka_unit_test_setup_teardown(misbehaviour, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
