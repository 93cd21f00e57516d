/* base/thread.c - a pthread with a handshake at its start. */
#include "base/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct thread {
    pthread_t id;
    thread_fn *body;
    void *context;
    char name[16];

    /* The handshake: written by the new thread, awaited by its starter, so both need the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ready;
    int code;
    struct err err;
};

static void *run(void *argument)
{
    struct thread *self = argument;
    (void)pthread_setname_np(pthread_self(), self->name);
    self->body(self, self->context);
    (void)pthread_mutex_lock(&self->lock);
    bool ready = self->ready;
    (void)pthread_mutex_unlock(&self->lock);
    ASSERT(ready); /* else the starter would wait for ever */
    return NULL;
}

void thread_ready(struct thread *self, int code, const struct err *err)
{
    ASSERT(self != NULL);
    ASSERT(code <= 0);
    (void)pthread_mutex_lock(&self->lock);
    ASSERT(!self->ready);
    self->ready = true;
    self->code = code;
    if (code != 0) {
        self->err = err != NULL && err->code != 0 ? *err : (struct err){0};
    }
    (void)pthread_cond_signal(&self->changed);
    (void)pthread_mutex_unlock(&self->lock);
}

/* pthread_create with all signals blocked, which the new thread inherits. */
static int create(struct thread *thread)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread->id, NULL, run, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static int await_ready(struct thread *thread)
{
    (void)pthread_mutex_lock(&thread->lock);
    while (!thread->ready) {
        (void)pthread_cond_wait(&thread->changed, &thread->lock);
    }
    int code = thread->code;
    (void)pthread_mutex_unlock(&thread->lock);
    return code;
}

static void destroy(struct thread *thread)
{
    (void)pthread_cond_destroy(&thread->changed);
    (void)pthread_mutex_destroy(&thread->lock);
    free(thread);
}

int thread_start(struct thread **out, const char *name, thread_fn *body, void *context,
                 struct err *err)
{
    ASSERT(out != NULL);
    ASSERT(name != NULL && strlen(name) < sizeof((struct thread *)0)->name);
    ASSERT(body != NULL);
    struct thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) {
        return err_set(err, E_NOMEM, "start thread '%s': out of memory", name);
    }
    thread->body = body;
    thread->context = context;
    (void)snprintf(thread->name, sizeof thread->name, "%s", name);
    (void)pthread_mutex_init(&thread->lock, NULL);
    (void)pthread_cond_init(&thread->changed, NULL);
    int rc = create(thread);
    if (rc != 0) {
        destroy(thread);
        return err_set(err, E_SYSTEM, "start thread '%s': %s", name, strerror(rc));
    }
    rc = await_ready(thread);
    if (rc != 0) {
        struct err reported = thread->err;
        thread_join(&thread);
        if (reported.code != 0) {
            return err_set(err, rc, "%s", reported.text);
        }
        return err_set(err, rc, "thread '%s' did not start: %s", name, err_meaning(rc));
    }
    *out = thread;
    return 0;
}

void thread_join(struct thread **thread)
{
    if (thread == NULL || *thread == NULL) {
        return;
    }
    int rc = pthread_join((*thread)->id, NULL);
    ASSERT(rc == 0);
    destroy(*thread);
    *thread = NULL;
}
