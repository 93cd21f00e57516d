/* tests/client/test_network_thread.c - a thread and sockets: several addresses, being woken, the
 * end. */
#include "tests/client/kb_samples.h"

struct fixture {
    struct toy *toy;
    struct machine m;
};

static void begin(struct fixture *f)
{
    f->toy = toy_new();
    machine_begin(&f->m);
}

static void end(struct fixture *f)
{
    machine_end(&f->m);
    toy_free(f->toy);
}

static void join_by(struct fixture *f, const char *const *servers)
{
    char token[TOKEN_TEXT_MAX];
    struct kb_error error = {0};
    struct kb_join_options options = {.size = sizeof options, .servers = servers};
    toy_token(f->toy, token);
    ok(kb_join(f->m.kb, token, &options, NULL, &error), &error);
}

/* The same server by two ways: the first is closed. */
static void the_next_address_is_tried_within_seconds(void **state)
{
    (void)state;
    struct fixture f;
    char address[64];
    begin(&f);
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", f.toy->port);
    const char *servers[] = {"127.0.0.1:1", address, NULL};
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    join_by(&f, servers);
    machine_start(&f.m);
    wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
    assert_true(clock_mono_ms(&clock_system) - begin_ms < 5000);
    assert_string_equal(status_of(&f.m).server, address);
    end(&f);
}

/* It goes on at another place, with the same keys and the same data. */
static void a_server_that_moves_to_its_other_address_is_found(void **state)
{
    (void)state;
    struct fixture f;
    char first[64];
    char second[64];
    begin(&f);
    int port = f.toy->port;
    toy_stop(f.toy);
    f.toy->port = 0;
    toy_start(f.toy); /* two ports that are free */
    (void)snprintf(first, sizeof first, "127.0.0.1:%d", f.toy->port);
    (void)snprintf(second, sizeof second, "127.0.0.1:%d", port);
    const char *servers[] = {first, second, NULL};
    join_by(&f, servers);
    machine_start(&f.m);
    wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
    login(&f.m, "Ann");
    toy_stop(f.toy);
    uint64_t op = set(&f.m, "user:Ann", "a", "1");
    f.toy->port = port;
    toy_start(f.toy);
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    assert_int_equal(kb_wait(f.m.kb, op, 10000, NULL), 0);
    assert_true(clock_mono_ms(&clock_system) - begin_ms < 8000);
    assert_string_equal(status_of(&f.m).server, second);
    end(&f);
}

static void a_write_wakes_it(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    join_by(&f, NULL);
    machine_start(&f.m);
    login(&f.m, "Ann");
    for (int i = 0; i < 50; i++) {
        uint64_t op = set(&f.m, "user:Ann", "a", "1");
        assert_int_equal(kb_wait(f.m.kb, op, 1000, NULL),
                         0); /* a heartbeat comes later than that */
    }
    end(&f);
}

static void it_ends_and_starts_again(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    begin(&f);
    join_by(&f, NULL);
    for (int i = 0; i < 10; i++) {
        machine_start(&f.m);
        if (i % 2 == 0) {
            wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
        }
        ok(kb_stop(f.m.kb, &error), &error);
    }
    end(&f);
}

struct writing {
    struct replica *replica;
    atomic_bool stopping;
    int rc;
};

static void write_notes(struct thread *self, void *context)
{
    struct writing *writing = context;
    thread_ready(self, 0, NULL);
    while (!atomic_load(&writing->stopping) && writing->rc == 0) {
        writing->rc = replica_note_set(writing->replica, "note", SPAN_LITERAL("x"), NULL);
    }
}

static void put_many(struct toy *toy, void *context)
{
    (void)context;
    struct toy_bag *bag = toy_ensure(toy, OWNER_USER, span_str("Ann"));
    for (int i = 0; i < 500; i++) {
        toy_put_text(toy, bag, "a", "1");
    }
}

/* A transaction that is open then belongs to its thread, while others wait for theirs. */
static void it_ends_in_the_middle_of_what_comes(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    struct thread *thread = NULL;
    begin(&f);
    join_by(&f, NULL);
    machine_start(&f.m);
    login(&f.m, "Ann");
    struct writing writing = {.replica = f.m.kb->replica};
    assert_int_equal(thread_start(&thread, "writer", write_notes, &writing, NULL), 0);
    for (int i = 0; i < 20; i++) {
        machine_start(&f.m);
        wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
        toy_do(f.toy, put_many, NULL);
        ok(kb_stop(f.m.kb, &error), &error);
    }
    atomic_store(&writing.stopping, true);
    thread_join(&thread);
    assert_int_equal(writing.rc, 0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_address_is_tried_within_seconds),
        cmocka_unit_test(a_server_that_moves_to_its_other_address_is_found),
        cmocka_unit_test(a_write_wakes_it),
        cmocka_unit_test(it_ends_and_starts_again),
        cmocka_unit_test(it_ends_in_the_middle_of_what_comes),
    };
    return cmocka_run_group_tests_name("client/network_thread", tests, NULL, NULL);
}
