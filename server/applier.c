/* server/applier.c - a list of batches, a thread that takes many at once, and who waits for it. */
#include "server/applier.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/thread.h"

struct list {
    struct draft *first;
    struct draft **end;
};

struct applier {
    /* Set before the thread starts. */
    int (*apply)(struct kv *kv, const struct change *changes, size_t count,
                 const uint8_t hash[SHA256_SIZE], struct err *err);
    bool (*idle)(void *context, struct kv *kv);
    void *idle_context;
    void (*reached)(void *context);
    void *reached_context;
    struct thread *thread; /* NULL: driven */

    /* Guards what follows, but the last group: it is handed from one thread to the other. Nobody
     * holds it while applying. */
    pthread_mutex_t lock;
    pthread_cond_t work;   /* for the thread: something waits, or it is to stop */
    pthread_cond_t change; /* for the committer's: something was applied, or the thread rests */
    struct kv *kv;         /* NULL: it was let go of */
    struct list waiting;
    struct list done;
    size_t changes; /* given and not done */
    size_t bytes;
    uint64_t applied_seq;
    uint64_t asked_seq; /* who asked is to be told when it is reached; 0: nobody */
    bool busy;          /* somebody is at kv/ */
    bool stop;
    bool idle_wanted;
    struct err failure; /* code 0: none */

    /* The thread's own. */
    struct change *merged;
    size_t merged_capacity;
};

static void list_init(struct list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_add(struct list *list, struct draft *draft)
{
    draft->next_applied = NULL;
    *list->end = draft;
    list->end = &draft->next_applied;
}

static void lock(struct applier *applier)
{
    int rc = pthread_mutex_lock(&applier->lock);
    ASSERT(rc == 0);
}

static void unlock(struct applier *applier)
{
    int rc = pthread_mutex_unlock(&applier->lock);
    ASSERT(rc == 0);
}

/* --- applying --- */

static bool room_for(struct applier *applier, size_t count)
{
    if (count <= applier->merged_capacity) {
        return true;
    }
    struct change *merged = realloc(applier->merged, count * sizeof *merged);
    if (merged == NULL) {
        return false;
    }
    applier->merged = merged;
    applier->merged_capacity = count;
    return true;
}

/* What is applied at once: `batches` from the first that waits. The link of the last of them may be
 * set meanwhile by who gives the next one, so nobody follows it without the lock. */
struct load {
    struct draft *first;
    size_t batches;
    size_t changes;
};

static int apply_merged(struct applier *applier, struct kv *kv, const struct load *load,
                        struct err *err)
{
    const struct draft *draft = load->first;
    size_t at = 0;
    for (size_t batch = 0; batch < load->batches; batch++) {
        draft = batch == 0 ? draft : draft->next_applied;
        for (size_t i = 0; i < draft->count; i++) {
            change_copy(&applier->merged[at++], &draft->changes[i]);
        }
    }
    return applier->apply(kv, applier->merged, at, draft->head.hash, err);
}

static int apply_load(struct applier *applier, struct kv *kv, const struct load *load,
                      struct err *err)
{
    if (load->batches > 1 && room_for(applier, load->changes)) {
        return apply_merged(applier, kv, load, err);
    }
    const struct draft *draft = load->first;
    int rc = 0;
    for (size_t batch = 0; batch < load->batches && rc == 0; batch++) {
        draft = batch == 0 ? draft : draft->next_applied;
        rc = applier->apply(kv, draft->changes, draft->count, draft->head.hash, err);
    }
    return rc;
}

/* Under the lock: what waits, as much as is applied at once. */
static struct load choose(const struct applier *applier)
{
    struct load load = {.first = applier->waiting.first};
    const struct draft *draft = load.first;
    do {
        load.batches++;
        load.changes += draft->count;
        draft = draft->next_applied;
    } while (draft != NULL && load.changes + draft->count <= APPLIER_MERGE_CHANGES);
    return load;
}

/* Under the lock: the load is done with. What waits behind one that failed will not be applied
 * either. */
static void finish(struct applier *applier, const struct load *load, int rc, const struct err *err)
{
    if (rc != 0) {
        applier->failure = *err;
        applier->failure.code = rc;
    }
    for (size_t i = 0; applier->waiting.first != NULL && (i < load->batches || rc != 0); i++) {
        struct draft *draft = applier->waiting.first;
        applier->waiting.first = draft->next_applied;
        applier->changes -= draft->count;
        applier->bytes -= draft->bytes;
        if (rc == 0) {
            applier->applied_seq = draft->head.seq;
        }
        list_add(&applier->done, draft);
    }
    if (applier->waiting.first == NULL) {
        applier->waiting.end = &applier->waiting.first;
    }
}

static bool has_reached(const struct applier *applier, uint64_t seq)
{
    return applier->applied_seq >= seq || applier->failure.code != 0;
}

/* Under the lock, so that whoever waits until something is applied knows that this is over. */
static void tell_reached(struct applier *applier)
{
    if (applier->asked_seq != 0 && has_reached(applier, applier->asked_seq)) {
        applier->asked_seq = 0;
        if (applier->reached != NULL) {
            applier->reached(applier->reached_context);
        }
    }
}

/* Under the lock, which is given away meanwhile. */
static void work(struct applier *applier)
{
    struct load load = choose(applier);
    struct kv *kv = applier->kv;
    struct err err = {0};
    applier->busy = true;
    unlock(applier);
    int rc = apply_load(applier, kv, &load, &err);
    lock(applier);
    applier->busy = false;
    finish(applier, &load, rc, &err);
    tell_reached(applier);
    (void)pthread_cond_broadcast(&applier->change);
}

/* --- idle work --- */

static bool may_idle(const struct applier *applier)
{
    return applier->idle_wanted && !applier->stop && !applier->busy &&
           applier->waiting.first == NULL && applier->kv != NULL && applier->failure.code == 0;
}

/* Under the lock, which is given away meanwhile: one slice. */
static void idle(struct applier *applier)
{
    struct kv *kv = applier->kv;
    applier->busy = true;
    unlock(applier);
    bool more = applier->idle(applier->idle_context, kv);
    lock(applier);
    applier->busy = false;
    applier->idle_wanted = more;
    (void)pthread_cond_broadcast(&applier->change);
}

/* Under the lock: what is to be done now, once; false: nothing is. */
static bool step(struct applier *applier)
{
    if (applier->waiting.first != NULL) {
        work(applier);
    } else if (may_idle(applier)) {
        idle(applier);
    } else {
        return false;
    }
    return true;
}

static void run(struct thread *self, void *context)
{
    struct applier *applier = context;
    thread_ready(self, 0, NULL);
    lock(applier);
    while (!applier->stop || applier->waiting.first != NULL) {
        if (!step(applier)) {
            (void)pthread_cond_wait(&applier->work, &applier->lock);
        }
    }
    unlock(applier);
}

/* Under the lock: until the thread did something. */
static void wait_for_thread(struct applier *applier)
{
    if (applier->thread != NULL) {
        (void)pthread_cond_wait(&applier->change, &applier->lock);
    } else {
        bool done = step(applier);
        ASSERT(done); /* nobody else would ever do it */
    }
}

/* --- birth and death --- */

static void init_locks(struct applier *applier)
{
    (void)pthread_mutex_init(&applier->lock, NULL);
    (void)pthread_cond_init(&applier->work, NULL);
    (void)pthread_cond_init(&applier->change, NULL);
}

int applier_start(struct applier **out, const struct applier_options *options, uint64_t seq,
                  struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->kv != NULL && options->apply != NULL);
    struct applier *applier = calloc(1, sizeof *applier);
    if (applier == NULL) {
        return err_set(err, E_NOMEM, "the applier: out of memory");
    }
    init_locks(applier);
    list_init(&applier->waiting);
    list_init(&applier->done);
    applier->kv = options->kv;
    applier->apply = options->apply;
    applier->idle = options->idle;
    applier->idle_context = options->idle_context;
    applier->reached = options->reached;
    applier->reached_context = options->reached_context;
    applier->applied_seq = seq;
    int rc = options->driven ? 0 : thread_start(&applier->thread, "apply", run, applier, err);
    if (rc != 0) {
        applier_stop(&applier);
        return rc;
    }
    *out = applier;
    return 0;
}

void applier_stop(struct applier **applier)
{
    if (applier == NULL || *applier == NULL) {
        return;
    }
    struct applier *gone = *applier;
    lock(gone);
    ASSERT(gone->waiting.first == NULL && gone->done.first == NULL);
    gone->stop = true;
    (void)pthread_cond_signal(&gone->work);
    unlock(gone);
    thread_join(&gone->thread);
    (void)pthread_mutex_destroy(&gone->lock);
    (void)pthread_cond_destroy(&gone->work);
    (void)pthread_cond_destroy(&gone->change);
    free(gone->merged);
    free(gone);
    *applier = NULL;
}

/* --- the committer's side --- */

static bool is_full(const struct applier *applier, const struct draft *draft)
{
    return applier->changes > 0 && (applier->changes + draft->count > APPLIER_WAITING_CHANGES ||
                                    applier->bytes + draft->bytes > APPLIER_WAITING_BYTES);
}

void applier_give(struct applier *applier, struct draft *draft)
{
    ASSERT(applier != NULL && draft != NULL && draft->count > 0);
    lock(applier);
    while (is_full(applier, draft)) {
        wait_for_thread(applier);
    }
    bool rested = applier->waiting.first == NULL;
    if (applier->failure.code == 0) {
        applier->changes += draft->count;
        applier->bytes += draft->bytes;
        list_add(&applier->waiting, draft);
    } else {
        list_add(&applier->done, draft);
        rested = false;
    }
    unlock(applier);
    if (rested) {
        (void)pthread_cond_signal(&applier->work);
    }
}

bool applier_apply_here(struct applier *applier, struct draft *draft)
{
    ASSERT(applier != NULL && draft != NULL && draft->count > 0);
    lock(applier);
    bool here = !applier->busy && applier->waiting.first == NULL && applier->failure.code == 0;
    applier->busy = applier->busy || here;
    unlock(applier);
    if (!here) {
        return false;
    }
    struct err err = {0};
    int rc = applier->apply(applier->kv, draft->changes, draft->count, draft->head.hash, &err);
    lock(applier);
    applier->busy = false;
    if (rc == 0) {
        applier->applied_seq = draft->head.seq;
    } else {
        applier->failure = err;
        applier->failure.code = rc;
    }
    tell_reached(applier);
    unlock(applier);
    return true;
}

void applier_idle(struct applier *applier)
{
    ASSERT(applier != NULL);
    lock(applier);
    applier->idle_wanted = applier->idle != NULL;
    bool wake = may_idle(applier);
    unlock(applier);
    if (wake) {
        (void)pthread_cond_signal(&applier->work);
    }
}

bool applier_step(struct applier *applier)
{
    ASSERT(applier != NULL && applier->thread == NULL);
    lock(applier);
    bool done = step(applier);
    unlock(applier);
    return done;
}

struct draft *applier_take(struct applier *applier)
{
    ASSERT(applier != NULL);
    lock(applier);
    struct draft *taken = applier->done.first;
    list_init(&applier->done);
    unlock(applier);
    return taken;
}

uint64_t applier_applied(struct applier *applier)
{
    ASSERT(applier != NULL);
    lock(applier);
    uint64_t seq = applier->applied_seq;
    unlock(applier);
    return seq;
}

bool applier_reached(struct applier *applier, uint64_t seq)
{
    ASSERT(applier != NULL && seq > 0);
    lock(applier);
    bool reached = has_reached(applier, seq);
    applier->asked_seq = reached ? 0 : seq;
    unlock(applier);
    return reached;
}

void applier_wait(struct applier *applier, uint64_t seq)
{
    ASSERT(applier != NULL);
    lock(applier);
    while (!has_reached(applier, seq)) {
        wait_for_thread(applier);
    }
    unlock(applier);
}

int applier_failure(struct applier *applier, struct err *err)
{
    ASSERT(applier != NULL);
    lock(applier);
    int code = applier->failure.code;
    if (code != 0 && err != NULL) {
        *err = applier->failure;
    }
    unlock(applier);
    return code;
}

void applier_let_go(struct applier *applier)
{
    ASSERT(applier != NULL);
    lock(applier);
    ASSERT(applier->failure.code != 0 && applier->waiting.first == NULL);
    while (applier->busy) {
        (void)pthread_cond_wait(&applier->change, &applier->lock);
    }
    applier->kv = NULL;
    unlock(applier);
}

void applier_restart(struct applier *applier, struct kv *kv, uint64_t seq)
{
    ASSERT(applier != NULL && kv != NULL);
    lock(applier);
    ASSERT(!applier->busy && applier->waiting.first == NULL);
    applier->kv = kv;
    applier->applied_seq = seq;
    applier->failure = (struct err){0};
    unlock(applier);
}
