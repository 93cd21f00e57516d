/* The applier: order, merging, waiting, idle work, what fails. With threads; TSan looks at it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <pthread.h>

#include "server/applier.h"

/* What the pretended kv/ was told. The lock guards all of it: the test looks while it is written.
 */
static struct {
    pthread_mutex_t lock;
    uint64_t seq; /* of the last change */
    size_t calls;
    size_t most;       /* changes of one call */
    bool held;         /* a call lasts until the test lets it go */
    uint64_t fails_at; /* the call with this change fails */
    size_t inside;     /* threads that are in it now: never two */
    size_t slices;
    size_t slices_left;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void enter(void)
{
    (void)pthread_mutex_lock(&state.lock);
    assert_int_equal(state.inside, 0);
    state.inside++;
    (void)pthread_mutex_unlock(&state.lock);
}

static void leave(void)
{
    (void)pthread_mutex_lock(&state.lock);
    state.inside--;
    (void)pthread_mutex_unlock(&state.lock);
}

static void hold(bool held)
{
    (void)pthread_mutex_lock(&state.lock);
    state.held = held;
    (void)pthread_mutex_unlock(&state.lock);
}

static bool is_held(void)
{
    (void)pthread_mutex_lock(&state.lock);
    bool held = state.held;
    (void)pthread_mutex_unlock(&state.lock);
    return held;
}

static int apply(struct kv *kv, const struct change *changes, size_t count,
                 const uint8_t hash[SHA256_SIZE], struct err *err)
{
    assert_non_null(kv);
    enter();
    (void)pthread_mutex_lock(&state.lock);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (changes[i].seq == state.fails_at) {
            rc = err_set(err, E_IO, "the test lets it fail");
        }
        assert_int_equal(changes[i].seq, state.seq + i + 1);
    }
    if (rc == 0) {
        state.seq += count;
        assert_int_equal(hash[0], (uint8_t)state.seq);
    }
    state.calls++;
    state.most = count > state.most ? count : state.most;
    (void)pthread_mutex_unlock(&state.lock);
    while (is_held()) {
        (void)usleep(100);
    }
    leave();
    return rc;
}

static bool slice(void *context, struct kv *kv)
{
    (void)context;
    assert_non_null(kv);
    enter();
    (void)pthread_mutex_lock(&state.lock);
    state.slices++;
    bool more = state.slices_left > 0;
    state.slices_left -= more;
    (void)pthread_mutex_unlock(&state.lock);
    leave();
    return more;
}

static size_t look(const size_t *number)
{
    (void)pthread_mutex_lock(&state.lock);
    size_t now = *number;
    (void)pthread_mutex_unlock(&state.lock);
    return now;
}

static int kv_place; /* the applier only passes it on */

static size_t told; /* that what was asked for is reached */

static void on_reached(void *context)
{
    (void)context;
    (void)pthread_mutex_lock(&state.lock);
    told++;
    (void)pthread_mutex_unlock(&state.lock);
}

static struct applier *start_as(bool driven)
{
    (void)pthread_mutex_lock(&state.lock);
    state.seq = state.calls = state.most = state.fails_at = 0;
    state.held = false;
    state.slices = state.slices_left = told = 0;
    (void)pthread_mutex_unlock(&state.lock);
    struct applier *applier = NULL;
    struct applier_options options = {
        .kv = (void *)&kv_place,
        .apply = apply,
        .idle = slice,
        .reached = on_reached,
        .driven = driven,
    };
    assert_int_equal(applier_start(&applier, &options, 0, NULL), 0);
    return applier;
}

static struct applier *start(void)
{
    return start_as(false);
}

static uint64_t next_seq;

static struct draft *make(size_t count)
{
    struct draft *draft = NULL;
    assert_int_equal(draft_new(&draft), 0);
    draft_reset(draft, next_seq, 1);
    for (size_t i = 0; i < count; i++) {
        struct change *change = draft_next(draft);
        assert_non_null(change);
        change->kind = CHANGE_OP_VOID;
        draft_push(draft);
    }
    assert_int_equal(draft_seal(draft), 0);
    next_seq += count;
    draft->head.seq = next_seq - 1;
    draft->head.hash[0] = (uint8_t)draft->head.seq;
    return draft;
}

/* Frees what is given back; how many batches that were. */
static size_t take_all(struct applier *applier)
{
    size_t count = 0;
    struct draft *draft = applier_take(applier);
    while (draft != NULL) {
        struct draft *next = draft->next_applied;
        draft_free(&draft);
        draft = next;
        count++;
    }
    return count;
}

static void batches_are_applied_in_order(void **unused)
{
    (void)unused;
    struct applier *applier = start();
    next_seq = 1;
    size_t given = 0;
    size_t back = 0;
    for (; given < 500; given++) {
        applier_give(applier, make(1 + given % 7));
        back += take_all(applier);
    }
    applier_wait(applier, next_seq - 1);
    assert_int_equal(applier_applied(applier), next_seq - 1);
    assert_int_equal(state.seq, next_seq - 1);
    assert_int_equal(back + take_all(applier), given);
    applier_stop(&applier);
    assert_null(applier);
}

/* While one is applied, others come: they are applied at once, up to the limit. */
static void what_waits_is_merged(void **unused)
{
    (void)unused;
    struct applier *applier = start();
    next_seq = 1;
    hold(true);
    applier_give(applier, make(1));
    while (look(&state.calls) == 0) {
        (void)usleep(100);
    }
    for (int i = 0; i < 10; i++) {
        applier_give(applier, make(4000));
    }
    hold(false);
    applier_wait(applier, next_seq - 1);
    assert_int_equal(state.most, 16000); /* with a fifth it would be more than the limit */
    assert_int_equal(state.calls, 4);
    assert_int_equal(take_all(applier), 11);
    applier_stop(&applier);
}

static void a_giver_waits_for_room(void **unused)
{
    (void)unused;
    struct applier *applier = start();
    next_seq = 1;
    for (int i = 0; i < 12; i++) {
        applier_give(applier, make(16384));
        assert_true(applier_applied(applier) + APPLIER_WAITING_CHANGES >= next_seq - 1);
    }
    applier_wait(applier, next_seq - 1);
    assert_int_equal(take_all(applier), 12);
    applier_stop(&applier);
}

static void a_resting_applier_lets_others_apply(void **unused)
{
    (void)unused;
    struct applier *applier = start();
    next_seq = 1;
    struct draft *draft = make(3);
    assert_true(applier_apply_here(applier, draft));
    assert_int_equal(applier_applied(applier), 3);
    draft_free(&draft);
    hold(true);
    applier_give(applier, make(2));
    draft = make(1);
    assert_false(applier_apply_here(applier, draft));
    applier_give(applier, draft);
    hold(false);
    applier_wait(applier, 6);
    assert_int_equal(state.seq, 6);
    assert_int_equal(take_all(applier), 2);
    applier_stop(&applier);
}

static void idle_work_is_done_when_nothing_waits(void **unused)
{
    (void)unused;
    struct applier *applier = start();
    next_seq = 1;
    (void)usleep(1000);
    assert_int_equal(look(&state.slices), 0); /* nobody said that there is time */
    (void)pthread_mutex_lock(&state.lock);
    state.slices_left = 20;
    (void)pthread_mutex_unlock(&state.lock);
    applier_idle(applier);
    while (look(&state.slices) < 21) {
        applier_give(applier, make(1)); /* never at the same time */
        (void)take_all(applier);
        (void)usleep(100);
    }
    applier_wait(applier, next_seq - 1);
    (void)take_all(applier);
    assert_int_equal(look(&state.slices), 21);
    applier_idle(applier);
    while (look(&state.slices) < 22) {
        (void)usleep(100);
    }
    applier_stop(&applier);
}

static void after_a_failure_nothing_is_applied(void **unused)
{
    (void)unused;
    struct applier *applier = start();
    next_seq = 1;
    struct err err = {0};
    assert_int_equal(applier_failure(applier, &err), 0);
    (void)pthread_mutex_lock(&state.lock);
    state.fails_at = 3;
    (void)pthread_mutex_unlock(&state.lock);
    applier_give(applier, make(2));
    applier_wait(applier, 2);
    applier_give(applier, make(2));
    applier_give(applier, make(2));
    applier_wait(applier, 6); /* it ends although that is never reached */
    assert_int_equal(applier_failure(applier, &err), E_IO);
    assert_string_equal(err.text, "the test lets it fail");
    applier_give(applier, make(2));
    struct draft *here = make(1);
    assert_false(applier_apply_here(applier, here));
    draft_free(&here);
    assert_int_equal(applier_applied(applier), 2);
    assert_int_equal(take_all(applier), 4);
    applier_idle(applier);
    applier_let_go(applier);
    assert_int_equal(look(&state.slices), 0);
    (void)pthread_mutex_lock(&state.lock);
    state.fails_at = 0;
    state.seq = next_seq - 1; /* the state was opened again and replayed */
    (void)pthread_mutex_unlock(&state.lock);
    applier_restart(applier, (void *)&kv_place, next_seq - 1);
    assert_int_equal(applier_failure(applier, NULL), 0);
    applier_give(applier, make(2));
    applier_wait(applier, next_seq - 1);
    assert_int_equal(take_all(applier), 1);
    applier_stop(&applier);
}

static void what_fails_here_stops_it_too(void **unused)
{
    (void)unused;
    struct applier *applier = start();
    next_seq = 1;
    (void)pthread_mutex_lock(&state.lock);
    state.fails_at = 1;
    (void)pthread_mutex_unlock(&state.lock);
    struct draft *draft = make(1);
    assert_true(applier_apply_here(applier, draft));
    draft_free(&draft);
    assert_int_equal(applier_failure(applier, NULL), E_IO);
    assert_int_equal(applier_applied(applier), 0);
    applier_let_go(applier);
    applier_stop(&applier);
}

static void a_driven_one_does_what_it_is_told(void **unused)
{
    (void)unused;
    struct applier *applier = start_as(true);
    next_seq = 1;
    assert_false(applier_step(applier));
    applier_give(applier, make(2));
    applier_give(applier, make(1));
    assert_int_equal(applier_applied(applier), 0);
    assert_true(applier_step(applier)); /* both: they waited together */
    assert_int_equal(applier_applied(applier), 3);
    assert_false(applier_step(applier));
    applier_give(applier, make(2));
    applier_wait(applier, 5); /* by who waits */
    assert_int_equal(state.seq, 5);
    assert_int_equal(take_all(applier), 3);
    applier_idle(applier);
    assert_true(applier_step(applier));
    assert_int_equal(state.slices, 1);
    for (int i = 0; i < 12; i++) {
        applier_give(applier, make(16384));
        assert_true(applier_applied(applier) + APPLIER_WAITING_CHANGES >= next_seq - 1);
    }
    applier_wait(applier, next_seq - 1);
    assert_int_equal(take_all(applier), 12);
    applier_stop(&applier);
}

/* Once, as soon as it is so or can't come true any more; who asks too late sees it at once. */
static void who_asked_is_told(void **unused)
{
    (void)unused;
    struct applier *applier = start_as(true);
    next_seq = 1;
    applier_give(applier, make(2));
    assert_false(applier_reached(applier, 2));
    assert_int_equal(told, 0);
    assert_true(applier_step(applier));
    assert_int_equal(told, 1);
    assert_true(applier_reached(applier, 2));
    applier_give(applier, make(1));
    assert_true(applier_step(applier));
    assert_int_equal(told, 1); /* nobody asked for that */
    applier_give(applier, make(1));
    assert_false(applier_reached(applier, 4));
    state.fails_at = 4;
    assert_true(applier_step(applier));
    assert_int_equal(told, 2);
    assert_true(applier_reached(applier, 4));
    assert_int_equal(take_all(applier), 3);
    applier_stop(&applier);
}

/* Without waiting for it: the thread tells. */
static void who_asked_is_told_by_the_thread(void **unused)
{
    (void)unused;
    struct applier *applier = start();
    next_seq = 1;
    hold(true);
    applier_give(applier, make(2));
    assert_false(applier_reached(applier, 2));
    hold(false);
    for (int i = 0; i < 50000 && look(&told) == 0; i++) {
        (void)usleep(200);
    }
    assert_int_equal(look(&told), 1);
    assert_true(applier_reached(applier, 2));
    assert_int_equal(take_all(applier), 1);
    applier_stop(&applier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_applied_in_order),
        cmocka_unit_test(what_waits_is_merged),
        cmocka_unit_test(a_giver_waits_for_room),
        cmocka_unit_test(a_resting_applier_lets_others_apply),
        cmocka_unit_test(idle_work_is_done_when_nothing_waits),
        cmocka_unit_test(after_a_failure_nothing_is_applied),
        cmocka_unit_test(what_fails_here_stops_it_too),
        cmocka_unit_test(a_driven_one_does_what_it_is_told),
        cmocka_unit_test(who_asked_is_told),
        cmocka_unit_test(who_asked_is_told_by_the_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
