/* server/housekeeping.c - looks around a few times a second. */
#include "server/housekeeping.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"

enum { LOOK_EVERY_MS = 200, FLUSH_CHANGES = 200000 };

struct housekeeping {
    struct housekeeping_options options;
    struct thread *thread;
    struct queue *stop;           /* closed to stop; nothing is ever pushed */
    atomic_bool room;             /* written by the thread, read by anyone */
    _Atomic uint64_t flushed_seq; /* written by the thread, read by anyone */
    uint64_t flushed_ms;          /* the thread's */
    struct log_limit prepare_failed;
    struct log_limit flush_failed;
};

static void prepare(struct housekeeping *housekeeping)
{
    struct err err = {0};
    uint64_t held_back = 0;
    if (journal_prepare(housekeeping->options.journal, &err) == 0) {
        return;
    }
    if (log_limit_pass(&housekeeping->prepare_failed, clock_mono_ms(&clock_system), &held_back)) {
        log_event(LOG_WARNING, "housekeeping", "journal.not_prepared",
                  "code=%s text=%s held_back=%" PRIu64, err_name(err.code), LOG_Q(err.text),
                  held_back);
    }
}

/* Before the disk is full: the journal must be able to roll, and the state to write what it has in
 * memory, or it could not even be opened again. */
static void look_for_room(struct housekeeping *housekeeping)
{
    struct statvfs info;
    if (statvfs(housekeeping->options.dir, &info) != 0) {
        return; /* it can't be told: writing will */
    }
    uint64_t free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    bool room = free_bytes >= housekeeping->options.reserve_bytes;
    if (room == housekeeping->room) {
        return;
    }
    housekeeping->room = room;
    log_event(room ? LOG_INFO : LOG_ERROR, "housekeeping", room ? "disk.room" : "disk.low",
              "free=%" PRIu64 " reserve=%" PRIu64 " writes=%s", free_bytes,
              housekeeping->options.reserve_bytes, room ? "taken" : "deferred");
}

static bool flush_is_due(const struct housekeeping *housekeeping, uint64_t now_ms)
{
    struct kv_position position;
    kv_position(housekeeping->options.kv, &position);
    uint64_t changes = position.seq - housekeeping->flushed_seq;
    return changes >= housekeeping->options.flush_changes ||
           (changes > 0 &&
            now_ms - housekeeping->flushed_ms >= housekeeping->options.flush_interval_ms);
}

static void flush(struct housekeeping *housekeeping)
{
    uint64_t now_ms = clock_mono_ms(&clock_system);
    if (!flush_is_due(housekeeping, now_ms)) {
        return;
    }
    struct err err = {0};
    uint64_t seq = 0;
    uint64_t held_back = 0;
    int rc = kv_flush(housekeeping->options.kv, &seq, &err);
    housekeeping->flushed_ms = now_ms;
    if (rc == 0) {
        housekeeping->flushed_seq = seq;
        log_event(LOG_DEBUG, "housekeeping", "state.flushed", "seq=%" PRIu64, seq);
    } else if (log_limit_pass(&housekeeping->flush_failed, now_ms, &held_back)) {
        log_event(LOG_ERROR, "housekeeping", "state.not_flushed",
                  "code=%s text=%s held_back=%" PRIu64, err_name(rc), LOG_Q(err.text), held_back);
    }
}

static void run(struct thread *self, void *context)
{
    struct housekeeping *housekeeping = context;
    thread_ready(self, 0, NULL);
    while (!queue_done(housekeeping->stop)) {
        look_for_room(housekeeping);
        if (housekeeping->room) {
            prepare(housekeeping);
        }
        flush(housekeeping);
        (void)queue_pop(housekeeping->stop, LOOK_EVERY_MS); /* nothing comes: it is a pause */
    }
}

int housekeeping_start(struct housekeeping **out, const struct housekeeping_options *options,
                       struct err *err)
{
    ASSERT(out != NULL && options != NULL);
    ASSERT(options->journal != NULL && options->kv != NULL && options->dir != NULL);
    struct housekeeping *housekeeping = calloc(1, sizeof *housekeeping);
    if (housekeeping == NULL) {
        return err_set(err, E_NOMEM, "housekeeping: out of memory");
    }
    housekeeping->options = *options;
    if (options->flush_changes == 0) {
        housekeeping->options.flush_changes = FLUSH_CHANGES;
    }
    housekeeping->flushed_ms = clock_mono_ms(&clock_system);
    housekeeping->room = true;
    look_for_room(housekeeping);
    int rc = queue_new(&housekeeping->stop, 1, err);
    if (rc == 0) {
        rc = thread_start(&housekeeping->thread, "housekeeping", run, housekeeping, err);
    }
    if (rc != 0) {
        housekeeping_stop(&housekeeping);
        return rc;
    }
    *out = housekeeping;
    return 0;
}

void housekeeping_stop(struct housekeeping **housekeeping)
{
    if (housekeeping == NULL || *housekeeping == NULL) {
        return;
    }
    struct housekeeping *gone = *housekeeping;
    if (gone->stop != NULL) {
        queue_close(gone->stop);
    }
    thread_join(&gone->thread);
    queue_free(&gone->stop);
    free(gone);
    *housekeeping = NULL;
}

uint64_t housekeeping_flushed(const struct housekeeping *housekeeping)
{
    ASSERT(housekeeping != NULL);
    return housekeeping->flushed_seq;
}

bool housekeeping_room(const struct housekeeping *housekeeping)
{
    ASSERT(housekeeping != NULL);
    return housekeeping->room;
}
