/* base/queue.c - a ring of pointers under one lock, and an eventfd that follows its state.
 *
 * Keeps true: the eventfd's counter is 1 while the ring holds something or is closed, else 0. It
 * is written and read under the lock, and only when that changes: a busy queue makes no calls.
 */
#include "base/queue.h"

#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct queue {
    int fd;
    size_t capacity;

    /* The lock guards all that follows: pushers and the popper are different threads. */
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t emptied;
    size_t poppers_waiting;
    size_t pushers_waiting;
    bool closed;
    bool signalled; /* the eventfd's counter is 1 */
    size_t first;
    size_t count;
    void *items[];
};

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

int queue_new(struct queue **out, size_t capacity, struct err *err)
{
    ASSERT(out != NULL);
    ASSERT(capacity > 0 && capacity < SIZE_MAX / sizeof(void *) - sizeof(struct queue));
    struct queue *queue = calloc(1, sizeof *queue + capacity * sizeof queue->items[0]);
    if (queue == NULL) {
        return err_set(err, E_NOMEM, "a queue for %zu items: out of memory", capacity);
    }
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->fd < 0) {
        free(queue);
        return err_sys(err, "open", "eventfd");
    }
    queue->capacity = capacity;
    (void)pthread_mutex_init(&queue->lock, NULL);
    cond_init(&queue->filled);
    cond_init(&queue->emptied);
    *out = queue;
    return 0;
}

void queue_free(struct queue **queue)
{
    if (queue == NULL || *queue == NULL) {
        return;
    }
    struct queue *gone = *queue;
    ASSERT(gone->count == 0);
    (void)pthread_cond_destroy(&gone->filled);
    (void)pthread_cond_destroy(&gone->emptied);
    (void)pthread_mutex_destroy(&gone->lock);
    (void)close(gone->fd);
    free(gone);
    *queue = NULL;
}

/* Brings the eventfd in line with the state. */
static void follow_state(struct queue *queue)
{
    bool wanted = queue->count > 0 || queue->closed;
    if (wanted == queue->signalled) {
        return;
    }
    uint64_t counter = 1;
    ssize_t size = wanted ? write(queue->fd, &counter, sizeof counter)
                          : read(queue->fd, &counter, sizeof counter);
    ASSERT(size == sizeof counter);
    queue->signalled = wanted;
}

static struct timespec deadline_in(unsigned wait_ms)
{
    struct timespec at = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Waits, with the lock, until the count is no longer `while_count_is`, the queue is closed, or the
 * time is over. */
static void wait_while(struct queue *queue, pthread_cond_t *cond, size_t *waiting,
                       size_t while_count_is, unsigned wait_ms)
{
    if (queue->count != while_count_is || queue->closed || wait_ms == 0) {
        return;
    }
    struct timespec deadline = deadline_in(wait_ms);
    int rc = 0;
    (*waiting)++;
    while (queue->count == while_count_is && !queue->closed && rc == 0) {
        rc = wait_ms == UINT_MAX ? pthread_cond_wait(cond, &queue->lock)
                                 : pthread_cond_timedwait(cond, &queue->lock, &deadline);
    }
    (*waiting)--;
}

int queue_push(struct queue *queue, void *item, unsigned wait_ms)
{
    ASSERT(queue != NULL);
    ASSERT(item != NULL);
    int rc = 0;
    (void)pthread_mutex_lock(&queue->lock);
    wait_while(queue, &queue->emptied, &queue->pushers_waiting, queue->capacity, wait_ms);
    if (queue->closed) {
        rc = E_CLOSED;
    } else if (queue->count == queue->capacity) {
        rc = E_BUSY;
    } else {
        queue->items[(queue->first + queue->count) % queue->capacity] = item;
        queue->count++;
        follow_state(queue);
        if (queue->poppers_waiting > 0) {
            (void)pthread_cond_signal(&queue->filled);
        }
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return rc;
}

void *queue_pop(struct queue *queue, unsigned wait_ms)
{
    ASSERT(queue != NULL);
    void *item = NULL;
    (void)pthread_mutex_lock(&queue->lock);
    wait_while(queue, &queue->filled, &queue->poppers_waiting, 0, wait_ms);
    if (queue->count > 0) {
        item = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
        follow_state(queue);
        if (queue->pushers_waiting > 0) {
            (void)pthread_cond_signal(&queue->emptied);
        }
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return item;
}

void queue_close(struct queue *queue)
{
    ASSERT(queue != NULL);
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    follow_state(queue);
    (void)pthread_cond_broadcast(&queue->filled);
    (void)pthread_cond_broadcast(&queue->emptied);
    (void)pthread_mutex_unlock(&queue->lock);
}

bool queue_done(struct queue *queue)
{
    ASSERT(queue != NULL);
    (void)pthread_mutex_lock(&queue->lock);
    bool done = queue->closed && queue->count == 0;
    (void)pthread_mutex_unlock(&queue->lock);
    return done;
}

int queue_fd(const struct queue *queue)
{
    ASSERT(queue != NULL);
    return queue->fd;
}
