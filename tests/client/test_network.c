/* tests/client/test_network.c - connecting, losing the server, being refused. */
#include "tests/client/driven.h"

struct fixture {
    struct toy *toy;
    struct machine m;
};

static void begin(struct fixture *f)
{
    f->toy = toy_new();
    machine_begin(&f->m);
    machine_join(&f->m, f->toy);
    machine_start(&f->m);
    wait_until(status_of(&f->m).phase == KB_PHASE_CURRENT);
}

static void end(struct fixture *f)
{
    machine_end(&f->m);
    toy_free(f->toy);
}

static void it_comes_back_when_the_server_does(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    login(&f.m, "Ann");
    toy_stop(f.toy);
    wait_until(!status_of(&f.m).connected);
    uint64_t op = set(&f.m, "user:Ann", "a", "offline");
    assert_string_equal(get(&f.m, "user:Ann", "a"), "offline*");
    assert_int_equal(kb_wait(f.m.kb, op, 50, NULL), KB_E_TIMEOUT);
    assert_int_equal(status_of(&f.m).phase, KB_PHASE_CONNECTING);
    assert_int_equal(status_of(&f.m).code, KB_E_UNREACHABLE);
    toy_start(f.toy);
    assert_int_equal(kb_wait(f.m.kb, op, 10000, NULL), 0);
    wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
    assert_int_equal(status_of(&f.m).code, 0);
    wait_until(strcmp(get(&f.m, "user:Ann", "a"), "offline") == 0);
    end(&f);
}

static void set_refuse(struct toy *toy, void *context)
{
    toy->refuse_hello = *(int *)context;
}

static void cut_all(struct toy *toy, void *context)
{
    (void)context;
    for (size_t i = 0; i < TOY_PEERS; i++) {
        if (toy->peers[i].open) {
            toy->peers[i].open = false;
            router_cut(toy->router, &toy->peers[i].peer);
        }
    }
}

static void a_refused_machine_says_why_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct fixture f;
    int code = E_DEVICE_REMOVED;
    struct kb_error error = {0};
    begin(&f);
    login(&f.m, "Ann");
    assert_int_equal(kb_wait(f.m.kb, set(&f.m, "user:Ann", "a", "1"), 10000, NULL), 0);
    toy_do(f.toy, set_refuse, &code);
    toy_do(f.toy, cut_all, NULL);
    wait_until(status_of(&f.m).phase == KB_PHASE_REFUSED);
    assert_int_equal(status_of(&f.m).code, KB_E_DEVICE_REMOVED);
    assert_non_null(strstr(status_of(&f.m).text, "the toy says no: "));
    assert_non_null(strstr(status_of(&f.m).text, client_remedy(E_DEVICE_REMOVED)));
    assert_non_null(get(&f.m, "user:Ann", "a"));
    login(&f.m, "Ann");
    assert_int_equal(kb_login(f.m.kb, "Bob", NULL, 10000, &error), KB_E_DEVICE_REMOVED);
    (void)set(&f.m, "user:Ann", "b", "still works");
    ok(kb_stop(f.m.kb, &error), &error);
    code = 0;
    toy_do(f.toy, set_refuse, &code);
    machine_start(&f.m); /* somebody acted: it is tried at once */
    wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
    end(&f);
}

static void forget(struct toy *toy, void *context)
{
    toy->forget_device = context != NULL;
}

static void an_unknown_key_is_told_as_such(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    toy_do(f.toy, forget, &f);
    toy_do(f.toy, cut_all, NULL);
    wait_until(status_of(&f.m).phase == KB_PHASE_REFUSED);
    assert_int_equal(status_of(&f.m).code, KB_E_NOT_ALLOWED);
    assert_non_null(strstr(status_of(&f.m).text, "join again"));
    end(&f);
}

static void set_mute(struct toy *toy, void *context)
{
    toy->mute = context != NULL;
}

static void reads_and_writes_do_not_wait_for_a_silent_server(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    begin(&f);
    login(&f.m, "Ann");
    toy_do(f.toy, set_mute, &f);
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    for (int i = 0; i < 100; i++) {
        (void)set(&f.m, "user:Ann", "a", "1");
        (void)get(&f.m, "user:Ann", "a");
    }
    assert_true(clock_mono_ms(&clock_system) - begin_ms < 5000);
    assert_int_equal(kb_login(f.m.kb, "Bob", NULL, 100, &error), KB_E_TIMEOUT);
    login(&f.m, "Ann"); /* kept: not in time, but signed in all the same */
    begin_ms = clock_mono_ms(&clock_system);
    ok(kb_stop(f.m.kb, &error), &error);
    assert_true(clock_mono_ms(&clock_system) - begin_ms < 2000);
    end(&f);
}

static void stopping_and_closing_end_those_who_wait(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    login(&f.m, "Ann");
    toy_do(f.toy, set_mute, &f);
    (void)set(&f.m, "user:Ann", "a", "1");
    client_give_up(f.m.kb);
    assert_int_equal(kb_wait(f.m.kb, 1, 60000, NULL), KB_E_CLOSED);
    assert_int_equal(kb_login(f.m.kb, "Bob", NULL, 60000, NULL), KB_E_CLOSED);
    end(&f);
}

/* --- without a thread --- */

static void a_machine_is_driven_on_a_clock_of_its_own(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    driven_begin(&d, 1);
    driven_start(&d);
    struct kb_status status = status_of(&d.m);
    assert_int_equal(status.phase, KB_PHASE_CURRENT);
    assert_int_equal(status.last_heard_ms, d.time.wall_ms);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    d.time.wall_ms += 77;
    uint64_t op = set(&d.m, "user:Ann", "a", "1");
    struct kb_value value = {0};
    assert_int_equal(kb_get(d.m.kb, "user:Ann", "a", &value, NULL), 0);
    assert_int_equal(value.time_ms, d.time.wall_ms);
    kb_value_free(&value);
    driven_settle(&d);
    assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
    driven_pass(&d, 1000);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    assert_int_equal(d.connects, 1);
    driven_end(&d);
}

static void it_tries_again_when_its_clock_says_so(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    driven_begin(&d, 2);
    d.refuses = true;
    driven_start(&d);
    unsigned connects = d.connects;
    assert_in_range(connects, 1, 2);
    driven_settle(&d);
    assert_int_equal(d.connects, connects); /* no time passed */
    driven_pass(&d, 60000);
    assert_in_range(d.connects, 10, 60);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CONNECTING);
    assert_int_equal(driven_login(&d, "Ann", &err), E_UNREACHABLE);
    d.refuses = false;
    driven_pass(&d, 6000);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    driven_end(&d);
}

/* Its first frames are of one seed alike; what a loss does to it too. */
static uint64_t trace_of(uint64_t seed)
{
    struct driven d;
    struct err err = {0};
    driven_begin(&d, seed);
    driven_start(&d);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    for (int i = 0; i < 20; i++) {
        (void)set(&d.m, "user:Ann", "a", "1");
        if (i == 10) {
            driven_down(&d);
        }
        driven_pass(&d, 100);
    }
    driven_pass(&d, 10000);
    assert_int_equal(status_of(&d.m).pending, 0);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    uint64_t trace = d.trace;
    driven_end(&d);
    return trace;
}

static void one_seed_is_one_trace(void **state)
{
    (void)state;
    uint64_t trace = trace_of(3);
    assert_int_equal(trace_of(3), trace);
    assert_int_not_equal(trace_of(4), trace);
}

static void put_quietly(struct driven *d, const char *user, const char *path, const char *text)
{
    unsigned paused = fail_alloc_pause();
    toy_put_text(d->toy, toy_ensure(d->toy, OWNER_USER, span_str(user)), path, text);
    fail_alloc_resume(paused);
}

/* What a person does, of which anything may fail for want of memory. */
static void do_things(struct driven *d)
{
    struct request *request = NULL;
    struct kb_error error = {0};
    if (kb_start(d->m.kb, &error) != 0) {
        put_quietly(d, "Ann", "theirs", "2");
        return;
    }
    driven_settle(d);
    if (client_login_begin(d->m.kb, "Ann", NULL, &request, NULL) == 0 && request != NULL) {
        driven_settle(d);
        (void)!client_login_end(d->m.kb, &request, true, NULL);
    }
    put_quietly(d, "Ann", "theirs", "1");
    driven_settle(d);
    (void)!kb_set(d->m.kb, "user:Ann", "a", "1", 1, NULL, NULL, &error);
    driven_settle(d);
    put_quietly(d, "Ann", "theirs", "2");
    driven_pass(d, 3000);
}

/* Every allocation fails once, and then everything works, with nothing lost and nothing twice. */
static void memory_may_be_short_for_a_moment(void **state)
{
    (void)state;
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        struct driven d;
        struct err err = {0};
        driven_begin(&d, 5);
        d.toy->tells_digests = true;
        fail_alloc_at(nth);
        do_things(&d);
        failed = fail_alloc_stop();
        machine_start(&d.m);
        driven_pass(&d, 120000);
        assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
        assert_int_equal(driven_login(&d, "Ann", &err), 0);
        uint64_t op = set(&d.m, "user:Ann", "a", "2");
        driven_pass(&d, 10000);
        assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
        assert_string_equal(get(&d.m, "user:Ann", "a"), "2");
        assert_string_equal(get(&d.m, "user:Ann", "theirs"), "2");
        assert_int_equal(status_of(&d.m).healed, 0);
        assert_int_equal(status_of(&d.m).pending, 0);
        driven_end(&d);
    }
}

static void a_silent_server_is_noticed_by_the_clock_alone(void **state)
{
    (void)state;
    struct driven d;
    driven_begin(&d, 4);
    driven_start(&d);
    d.silent = true;
    unsigned connects = d.connects;
    driven_pass(&d, 30000);
    assert_true(d.connects > connects);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CONNECTING);
    d.silent = false;
    driven_pass(&d, 20000);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    driven_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_is_driven_on_a_clock_of_its_own),
        cmocka_unit_test(it_tries_again_when_its_clock_says_so),
        cmocka_unit_test(one_seed_is_one_trace),
        cmocka_unit_test(memory_may_be_short_for_a_moment),
        cmocka_unit_test(a_silent_server_is_noticed_by_the_clock_alone),
        cmocka_unit_test(it_comes_back_when_the_server_does),
        cmocka_unit_test(a_refused_machine_says_why_and_keeps_what_it_has),
        cmocka_unit_test(an_unknown_key_is_told_as_such),
        cmocka_unit_test(reads_and_writes_do_not_wait_for_a_silent_server),
        cmocka_unit_test(stopping_and_closing_end_those_who_wait),
    };
    return cmocka_run_group_tests_name("client/network", tests, NULL, NULL);
}
