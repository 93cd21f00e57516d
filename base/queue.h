/* base/queue.h - a bounded queue of pointers from many threads to one, with a descriptor to poll.
 *
 * It has a lock because senders and receiver are different threads; no call holds it while it
 * blocks on anything but room or content.
 */
#ifndef KITBAG_BASE_QUEUE_H
#define KITBAG_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct queue;

/* `capacity` items at most. The queue never frees items: what is left at queue_free must have been
 * taken out by its owner. */
MUST_CHECK int queue_new(struct queue **out, size_t capacity, struct err *err);
void queue_free(struct queue **queue);

/* Ownership of `item` passes with success. Full: E_BUSY at once, or after `wait_ms` without room
 * (UINT_MAX waits for ever). Closed: E_CLOSED. */
MUST_CHECK int queue_push(struct queue *queue, void *item, unsigned wait_ms);

/* The oldest item, or NULL when there is none within `wait_ms` (UINT_MAX waits for ever) or the
 * queue is closed and empty. */
void *queue_pop(struct queue *queue, unsigned wait_ms);

/* No more pushes; everybody who waits is woken. */
void queue_close(struct queue *queue);

/* Closed and empty: nothing will come any more. */
bool queue_done(struct queue *queue);

/* Readable while there is something to pop, and for good once the queue is closed (level, an
 * eventfd): who polls it asks queue_done when a pop gave nothing. Borrowed. */
int queue_fd(const struct queue *queue);

#endif
