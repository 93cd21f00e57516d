/* Tests of base/thread.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/thread.h"
#include "tests/support/died.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/no_memory.h"

struct seen {
    bool prepared;
    bool finished;
    char name[16];
    sigset_t blocked;
};

static void pause_ms(long ms)
{
    struct timespec pause = {0, ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void look_around(struct thread *self, void *context)
{
    struct seen *seen = context;
    (void)pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
    pause_ms(20);
    seen->prepared = true;
    thread_ready(self, 0, NULL);
    pause_ms(20);
    seen->finished = true;
}

static void start_returns_when_ready_and_join_when_done(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct thread *thread = NULL;
    struct err err = {0};
    assert_int_equal(thread_start(&thread, "fifteen-letters", look_around, &seen, &err), 0);
    assert_true(seen.prepared);
    assert_int_equal(err.code, 0);
    thread_join(&thread);
    assert_null(thread);
    assert_true(seen.finished);
    assert_string_equal(seen.name, "fifteen-letters");
    thread_join(&thread);
    thread_join(NULL);
}

static void signals_are_left_to_the_main_thread(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct thread *thread = NULL;
    sigset_t after;
    assert_int_equal(thread_start(&thread, "t", look_around, &seen, NULL), 0);
    thread_join(&thread);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGCHLD};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_int_equal(sigismember(&seen.blocked, numbers[i]), 1);
        assert_int_equal(sigismember(&after, numbers[i]), 0);
    }
}

static void fail_with_words(struct thread *self, void *context)
{
    (void)context;
    struct err err = {0};
    thread_ready(self, err_set(&err, E_BUSY, "port 8443 is taken"), &err);
}

static void fail_without_words(struct thread *self, void *context)
{
    (void)context;
    thread_ready(self, E_IO, NULL);
}

static void a_body_that_cannot_start_is_reported(void **state)
{
    (void)state;
    struct thread *thread = NULL;
    struct err err = {0};
    assert_int_equal(thread_start(&thread, "feed", fail_with_words, NULL, &err), E_BUSY);
    assert_null(thread);
    assert_int_equal(err.code, E_BUSY);
    assert_string_equal(err.text, "port 8443 is taken");
    assert_int_equal(thread_start(&thread, "feed", fail_without_words, NULL, &err), E_IO);
    assert_null(thread);
    assert_string_equal(err.text, "thread 'feed' did not start: reading or writing failed");
    assert_int_equal(thread_start(&thread, "feed", fail_with_words, NULL, NULL), E_BUSY);
}

static void without_memory_there_is_no_thread(void **state)
{
    (void)state;
    struct thread *thread = NULL;
    struct err err = {0};
    fail_alloc_at(1);
    assert_int_equal(thread_start(&thread, "t", fail_with_words, NULL, &err), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_null(thread);
    assert_int_equal(err.code, E_NOMEM);
}

/* Runs first: later, the C library keeps a stack of an ended thread at hand. */
static void without_a_stack_there_is_no_thread(void **state)
{
    (void)state;
    struct thread *thread = NULL;
    struct err err = {0};
    if (!no_memory_begin()) {
        skip();
    }
    int rc = thread_start(&thread, "feed", fail_with_words, NULL, &err);
    no_memory_end();
    assert_int_equal(rc, E_SYSTEM);
    assert_null(thread);
    assert_string_equal(err.text, "start thread 'feed': Resource temporarily unavailable");
}

static void never_ready(struct thread *self, void *context)
{
    (void)self;
    (void)context;
}

static void ready_twice(struct thread *self, void *context)
{
    (void)context;
    thread_ready(self, 0, NULL);
    thread_ready(self, 0, NULL);
}

struct start {
    const char *name;
    thread_fn *body;
};

static void start(void *context)
{
    const struct start *how = context;
    struct thread *thread = NULL;
    if (thread_start(&thread, how->name, how->body, NULL, NULL) == 0) {
        thread_join(&thread);
    }
}

static void bodies_and_names_that_break_the_rules_are_mistakes(void **state)
{
    (void)state;
    struct start fine = {"t", fail_without_words};
    struct start silent = {"t", never_ready};
    struct start eager = {"t", ready_twice};
    struct start named = {"sixteen-letters-", fail_without_words};
    assert_false(died(start, &fine));
    assert_true(died(start, &silent));
    assert_true(died(start, &eager));
    assert_true(died(start, &named));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_stack_there_is_no_thread),
        cmocka_unit_test(start_returns_when_ready_and_join_when_done),
        cmocka_unit_test(signals_are_left_to_the_main_thread),
        cmocka_unit_test(a_body_that_cannot_start_is_reported),
        cmocka_unit_test(without_memory_there_is_no_thread),
        cmocka_unit_test(bodies_and_names_that_break_the_rules_are_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
