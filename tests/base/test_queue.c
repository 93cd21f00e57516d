/* Tests of base/queue.c, alone and among threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/queue.h"
#include "base/thread.h"
#include "tests/support/died.h"
#include "tests/support/fail_alloc.h"

static struct queue *new_queue(size_t capacity)
{
    struct queue *queue = NULL;
    assert_int_equal(queue_new(&queue, capacity, NULL), 0);
    return queue;
}

static bool readable(const struct queue *queue)
{
    struct pollfd poll_fd = {.fd = queue_fd(queue), .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

static void items_leave_in_order_within_the_capacity(void **state)
{
    (void)state;
    int items[4];
    struct queue *queue = new_queue(3);
    for (int round = 0; round < 5; round++) { /* the ring goes round */
        assert_int_equal(queue_push(queue, &items[0], 0), 0);
        assert_int_equal(queue_push(queue, &items[1], 0), 0);
        assert_int_equal(queue_push(queue, &items[2], 0), 0);
        assert_int_equal(queue_push(queue, &items[3], 0), E_BUSY);
        assert_ptr_equal(queue_pop(queue, 0), &items[0]);
        assert_int_equal(queue_push(queue, &items[3], 0), 0);
        assert_ptr_equal(queue_pop(queue, 0), &items[1]);
        assert_ptr_equal(queue_pop(queue, 0), &items[2]);
        assert_ptr_equal(queue_pop(queue, 0), &items[3]);
        assert_null(queue_pop(queue, 0));
    }
    queue_free(&queue);
    assert_null(queue);
    queue_free(&queue);
    queue_free(NULL);
}

static void the_descriptor_follows_the_content(void **state)
{
    (void)state;
    int item;
    struct queue *queue = new_queue(2);
    assert_false(readable(queue));
    assert_int_equal(queue_push(queue, &item, 0), 0);
    assert_true(readable(queue));
    assert_true(readable(queue)); /* a level, no edge */
    assert_int_equal(queue_push(queue, &item, 0), 0);
    assert_non_null(queue_pop(queue, 0));
    assert_true(readable(queue));
    assert_non_null(queue_pop(queue, 0));
    assert_false(readable(queue));
    queue_close(queue);
    assert_true(readable(queue));
    assert_null(queue_pop(queue, 0));
    assert_true(readable(queue));
    queue_free(&queue);
}

static void a_closed_queue_takes_nothing_and_gives_the_rest(void **state)
{
    (void)state;
    int item;
    struct queue *queue = new_queue(2);
    assert_int_equal(queue_push(queue, &item, 0), 0);
    assert_false(queue_done(queue));
    queue_close(queue);
    queue_close(queue);
    assert_int_equal(queue_push(queue, &item, UINT_MAX), E_CLOSED);
    assert_false(queue_done(queue));
    assert_ptr_equal(queue_pop(queue, UINT_MAX), &item);
    assert_true(queue_done(queue));
    assert_null(queue_pop(queue, UINT_MAX));
    queue_free(&queue);
}

static void waiting_ends_in_time(void **state)
{
    (void)state;
    int item;
    struct queue *queue = new_queue(1);
    uint64_t start_ms = clock_mono_ms(&clock_system);
    assert_null(queue_pop(queue, 30));
    uint64_t popped_ms = clock_mono_ms(&clock_system);
    assert_true(popped_ms - start_ms >= 29 && popped_ms - start_ms < 5000);
    assert_int_equal(queue_push(queue, &item, 1000), 0);
    assert_int_equal(queue_push(queue, &item, 30), E_BUSY);
    uint64_t pushed_ms = clock_mono_ms(&clock_system);
    assert_true(pushed_ms - popped_ms >= 29 && pushed_ms - popped_ms < 5000);
    assert_non_null(queue_pop(queue, 1000));
    queue_free(&queue);
}

enum { SENDERS = 4, EACH = 2000 };

struct item {
    unsigned sender;
    unsigned number;
};

struct sender {
    struct queue *queue;
    unsigned id;
    struct item items[EACH];
};

static void send_all(struct thread *self, void *context)
{
    struct sender *sender = context;
    thread_ready(self, 0, NULL);
    for (unsigned i = 0; i < EACH; i++) {
        sender->items[i] = (struct item){sender->id, i};
        /* All kinds of waiting, so that time-outs and wake-ups happen side by side. */
        static const unsigned waits_ms[] = {0, 1, UINT_MAX};
        unsigned wait_ms = waits_ms[i % 3];
        int rc = E_BUSY;
        while (rc == E_BUSY) {
            rc = queue_push(sender->queue, &sender->items[i], wait_ms);
            ASSERT(rc != E_BUSY || wait_ms != UINT_MAX);
            if (rc == E_BUSY) {
                (void)sched_yield(); /* there are more threads than processors */
            }
        }
        ASSERT(rc == 0);
    }
}

/* `by_poll`: the receiver waits for the descriptor, as an event loop does. */
static void receive_all(struct queue *queue, bool by_poll)
{
    unsigned next[SENDERS] = {0};
    for (unsigned count = 0; count < SENDERS * EACH;) {
        if (by_poll) {
            struct pollfd poll_fd = {.fd = queue_fd(queue), .events = POLLIN};
            assert_int_equal(poll(&poll_fd, 1, 20000), 1);
        }
        struct item *item = queue_pop(queue, by_poll ? 0 : 20000);
        assert_non_null(item);
        assert_int_equal(item->number, next[item->sender]);
        next[item->sender]++;
        count++;
    }
    assert_null(queue_pop(queue, 0));
    assert_false(readable(queue));
}

static void many_senders(size_t capacity, bool by_poll)
{
    struct queue *queue = new_queue(capacity);
    struct sender *senders = calloc(SENDERS, sizeof *senders);
    assert_non_null(senders);
    struct thread *threads[SENDERS] = {0};
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i].queue = queue;
        senders[i].id = i;
        assert_int_equal(thread_start(&threads[i], "sender", send_all, &senders[i], NULL), 0);
    }
    receive_all(queue, by_poll);
    for (unsigned i = 0; i < SENDERS; i++) {
        thread_join(&threads[i]);
    }
    free(senders);
    queue_free(&queue);
}

static void nothing_is_lost_among_threads(void **state)
{
    (void)state;
    many_senders(1, false);
    many_senders(7, false);
    many_senders(1, true);
    many_senders(1000, true);
}

struct waiter {
    struct queue *queue;
    bool pushes;
    atomic_int result; /* 1 while it waits */
};

static void wait_for_ever(struct thread *self, void *context)
{
    struct waiter *waiter = context;
    static int item;
    thread_ready(self, 0, NULL);
    if (waiter->pushes) {
        waiter->result = queue_push(waiter->queue, &item, UINT_MAX);
    } else {
        waiter->result = queue_pop(waiter->queue, UINT_MAX) == NULL ? 0 : -1;
    }
}

static void closing_wakes_who_waits(void **state)
{
    (void)state;
    int item;
    struct waiter waiters[4];
    struct thread *threads[4] = {0};
    struct queue *empty = new_queue(1);
    struct queue *full = new_queue(1);
    assert_int_equal(queue_push(full, &item, 0), 0);
    for (unsigned i = 0; i < 4; i++) {
        waiters[i].queue = i % 2 == 0 ? empty : full;
        waiters[i].pushes = i % 2 != 0;
        waiters[i].result = 1;
        assert_int_equal(thread_start(&threads[i], "waiter", wait_for_ever, &waiters[i], NULL), 0);
    }
    struct timespec pause = {0, 50000000};
    (void)nanosleep(&pause, NULL);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(waiters[i].result, 1);
    }
    queue_close(empty);
    queue_close(full);
    for (unsigned i = 0; i < 4; i++) {
        thread_join(&threads[i]);
        assert_int_equal(waiters[i].result, i % 2 == 0 ? 0 : E_CLOSED);
    }
    assert_non_null(queue_pop(full, 0));
    queue_free(&empty);
    queue_free(&full);
}

static void without_memory_or_descriptors_there_is_no_queue(void **state)
{
    (void)state;
    struct queue *queue = NULL;
    struct err err = {0};
    fail_alloc_at(1);
    assert_int_equal(queue_new(&queue, 5, &err), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_null(queue);
    assert_int_equal(err.code, E_NOMEM);

    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = queue_new(&queue, 5, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rc, E_SYSTEM);
    assert_null(queue);
}

static void free_it(void *context)
{
    queue_free(context);
}

static void items_left_behind_are_a_mistake(void **state)
{
    (void)state;
    int item;
    struct queue *queue = new_queue(1);
    assert_int_equal(queue_push(queue, &item, 0), 0);
    assert_true(died(free_it, &queue));
    assert_non_null(queue_pop(queue, 0));
    queue_free(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_leave_in_order_within_the_capacity),
        cmocka_unit_test(the_descriptor_follows_the_content),
        cmocka_unit_test(a_closed_queue_takes_nothing_and_gives_the_rest),
        cmocka_unit_test(waiting_ends_in_time),
        cmocka_unit_test(nothing_is_lost_among_threads),
        cmocka_unit_test(closing_wakes_who_waits),
        cmocka_unit_test(without_memory_or_descriptors_there_is_no_queue),
        cmocka_unit_test(items_left_behind_are_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
