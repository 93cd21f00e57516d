/* base/thread.h - threads whose start returns when they are ready and whose stop joins. */
#ifndef KITBAG_BASE_THREAD_H
#define KITBAG_BASE_THREAD_H

#include "base/err.h"

struct thread;

/* The body of a thread. It prepares itself, calls thread_ready once (0, or the error that ends it;
 * after an error it must return), and runs until it is told to stop by means of its own (a queue's
 * close, an eventfd). */
typedef void thread_fn(struct thread *self, void *context);

/* Starts a thread and waits for its thread_ready. `name` (at most 15 bytes) is shown by ps.
 * `context` is borrowed until thread_join. Returns 0, what thread_ready reported, or E_SYSTEM.
 * Signals are blocked in the new thread: the main thread alone handles them. */
MUST_CHECK int thread_start(struct thread **out, const char *name, thread_fn *body, void *context,
                            struct err *err);

/* Called by the body. `err` is copied; may be NULL. */
void thread_ready(struct thread *self, int code, const struct err *err);

/* Waits for the body to return, frees, nulls. Accepts NULL and a nulled pointer. */
void thread_join(struct thread **thread);

#endif
