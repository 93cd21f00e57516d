/* server/housekeeping.c - looks around a few times a second. */
#include "server/housekeeping.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "server/clock_watch.h"
#include "server/scrub.h"
#include "server/token_expiry.h"

enum {
    LOOK_EVERY_MS = 200,
    FLUSH_CHANGES = 200000,
    ROUND_EVERY_MS = 60000,
    TOKENS_EVERY_MS = 3600000,
    CLEARING_EVERY_MS = 60000, /* when there was nothing to clear */
    CLEARING_ITEMS = 60,       /* of one look: 300 a second */
    QUIET_CHANGES = 400,       /* with more since the last look, others are busy writing */
    NAMES_AT_ONCE = 1000,      /* read into memory while applying may wait for it */
    NAMES_MS = 40,             /* of one look, while not all are there */
    NAMES_PAUSE_MS = 20,
};

static const char CLOCK_NOTE[] = "clock";
enum { CLOCK_NOTE_SIZE = 24 };

struct housekeeping {
    struct housekeeping_options options;
    struct thread *thread;
    struct queue *stop;           /* closed to stop; nothing is ever pushed */
    atomic_bool room;             /* written by the thread, read by anyone */
    atomic_bool confirmed;        /* set by anyone, taken by the thread */
    _Atomic uint64_t flushed_seq; /* written by the thread, read by anyone */
    /* The lock guards what is shown: the thread writes it, status reads it. */
    pthread_mutex_t lock;
    struct server_status shown;
    /* The thread's. */
    struct retaining *retaining;
    struct clearing *clearing;
    struct scrub scrub;
    struct clock_watch watch;
    struct disk_room free;
    struct err not_prepared; /* why the last try failed; code 0: it did not */
    struct err not_flushed;
    bool room_low;
    bool round_due;  /* not only when its time has come */
    bool step_found; /* and not noted: a step of the clock */
    bool flush_due;  /* it was noted, and a crash would take that back */
    uint64_t looked_seq;
    uint64_t flushed_ms;
    uint64_t round_ms;
    uint64_t tokens_ms;
    uint64_t clearing_ms;
    struct log_limit prepare_failed;
    struct log_limit flush_failed;
    struct log_limit work_failed;
};

static uint64_t mono_ms(const struct housekeeping *housekeeping)
{
    return clock_mono_ms(housekeeping->options.clock);
}

static uint64_t wall_ms(const struct housekeeping *housekeeping)
{
    return clock_wall_ms(housekeeping->options.clock);
}

static void complain(struct housekeeping *housekeeping, struct log_limit *limit,
                     enum log_level level, const char *event, const struct err *err)
{
    uint64_t held_back = 0;
    if (log_limit_pass(limit, mono_ms(housekeeping), &held_back)) {
        log_event(level, "housekeeping", event, "code=%s text=%s held_back=%" PRIu64,
                  err_name(err->code), LOG_Q(err->text), held_back);
    }
}

/* --- the disk --- */

static void prepare(struct housekeeping *housekeeping)
{
    struct err *err = &housekeeping->not_prepared;
    *err = (struct err){0};
    if (journal_prepare(housekeeping->options.journal, err) != 0) {
        complain(housekeeping, &housekeeping->prepare_failed, LOG_WARNING, "journal.not_prepared",
                 err);
    }
}

static bool system_room(const struct housekeeping *housekeeping, struct disk_room *out)
{
    struct statvfs info;
    if (statvfs(housekeeping->options.dir, &info) != 0) {
        return false;
    }
    out->bytes = (uint64_t)info.f_bavail * info.f_frsize;
    out->files = info.f_files > 0 ? (uint64_t)info.f_favail : UINT64_MAX;
    return true;
}

static void look_for_little(struct housekeeping *housekeeping, const struct disk_room *free)
{
    uint64_t reserve = housekeeping->options.reserve_bytes;
    bool low = free->bytes < reserve || free->bytes - reserve < reserve;
    if (low && !housekeeping->room_low) {
        housekeeping->round_due = true;
        log_event(LOG_WARNING, "housekeeping", "disk.shrinking",
                  "free=%" PRIu64 " text=\"there is little room on the disk: the journal goes down "
                  "to what undo and a start after a crash need\"",
                  free->bytes);
    }
    housekeeping->room_low = low;
}

/* Before the disk is full: the journal must be able to roll, and the state to write what it has in
 * memory, or it could not even be opened again. Both make files for that. */
static void look_for_room(struct housekeeping *housekeeping)
{
    const struct housekeeping_options *options = &housekeeping->options;
    struct disk_room free = {0};
    if (options->room != NULL ? !options->room(options->room_context, &free)
                              : !system_room(housekeeping, &free)) {
        return; /* it can't be told: writing will */
    }
    housekeeping->free = free;
    look_for_little(housekeeping, &free);
    bool room = free.bytes >= options->reserve_bytes && free.files >= HOUSEKEEPING_FILES;
    if (room == housekeeping->room) {
        return;
    }
    housekeeping->room = room;
    log_event(room ? LOG_INFO : LOG_ERROR, "housekeeping", room ? "disk.ok" : "disk.low",
              "free=%" PRIu64 " reserve=%" PRIu64 " files=%" PRIu64 " writes=%s", free.bytes,
              options->reserve_bytes, free.files, room ? "taken" : "deferred");
}

static bool flush_is_due(const struct housekeeping *housekeeping, uint64_t now_ms)
{
    struct kv_position position;
    kv_position(housekeeping->options.kv, &position);
    uint64_t changes = position.seq - housekeeping->flushed_seq;
    return housekeeping->flush_due || changes >= housekeeping->options.flush_changes ||
           (changes > 0 &&
            now_ms - housekeeping->flushed_ms >= housekeeping->options.flush_interval_ms);
}

static void flush(struct housekeeping *housekeeping)
{
    uint64_t now_ms = mono_ms(housekeeping);
    if (!flush_is_due(housekeeping, now_ms)) {
        return;
    }
    struct err *err = &housekeeping->not_flushed;
    *err = (struct err){0};
    uint64_t seq = 0;
    int rc = kv_flush(housekeeping->options.kv, &seq, err);
    housekeeping->flushed_ms = now_ms;
    if (rc == 0) {
        housekeeping->flushed_seq = seq;
        housekeeping->flush_due = false;
        log_event(LOG_DEBUG, "housekeeping", "state.flushed", "seq=%" PRIu64, seq);
    } else {
        complain(housekeeping, &housekeeping->flush_failed, LOG_ERROR, "state.not_flushed", err);
    }
}

/* --- the clock --- */

static int begin_watch(struct housekeeping *housekeeping, struct err *err)
{
    struct clock_record record = {0};
    struct buf bytes;
    buf_init(&bytes, KV_NOTE_MAX_BYTES);
    struct err why = {0};
    int rc = kv_note_get(housekeeping->options.kv, CLOCK_NOTE, &bytes, &why);
    if (rc == 0 && bytes.size == CLOCK_NOTE_SIZE) {
        record = (struct clock_record){get_be64(bytes.data), get_be64(bytes.data + 8),
                                       (int64_t)get_be64(bytes.data + 16)};
    }
    buf_free(&bytes);
    clock_watch_begin(&housekeeping->watch, wall_ms(housekeeping), mono_ms(housekeeping), &record);
    return rc == 0 || rc == E_NOT_FOUND ? 0 : err_set(err, rc, "%s", why.text);
}

static int save_watch(const struct housekeeping *housekeeping, struct err *err)
{
    struct clock_record record = clock_watch_record(&housekeeping->watch, wall_ms(housekeeping));
    uint8_t bytes[CLOCK_NOTE_SIZE];
    put_be64(bytes, record.wall_ms);
    put_be64(bytes + 8, record.hold_ms);
    put_be64(bytes + 16, (uint64_t)record.step_ms);
    return kv_note_put(housekeeping->options.kv, CLOCK_NOTE, span_of(bytes, sizeof bytes), err);
}

static bool clock_held(const struct housekeeping *housekeeping)
{
    return housekeeping->watch.hold_ms > 0;
}

static void look_at_clock(struct housekeeping *housekeeping)
{
    struct clock_watch *watch = &housekeeping->watch;
    bool held = clock_held(housekeeping);
    if (clock_watch_look(watch, wall_ms(housekeeping), mono_ms(housekeeping))) {
        housekeeping->round_due = true;
        housekeeping->step_found = true;
        log_event(LOG_ERROR, "housekeeping", "clock.stepped",
                  "by_ms=%" PRId64 " text=\"nothing is dropped for its age until the clock has run "
                  "for a day or was confirmed\"",
                  watch->step_ms);
    }
    if (atomic_exchange(&housekeeping->confirmed, false)) {
        clock_watch_confirm(watch, wall_ms(housekeeping), mono_ms(housekeeping));
    }
    if (held && !clock_held(housekeeping)) {
        housekeeping->round_due = true;
        log_event(LOG_INFO, "housekeeping", "clock.trusted", NULL);
    }
}

/* --- what may go --- */

static int note(struct housekeeping *housekeeping, struct err *err)
{
    int rc = save_watch(housekeeping, err);
    if (rc == 0 && housekeeping->step_found) {
        housekeeping->step_found = false;
        housekeeping->flush_due = true;
    }
    rc = rc != 0 ? rc : seen_save(housekeeping->options.seen, housekeeping->options.kv, err);
    return rc != 0 || housekeeping->options.sign_ins == NULL
               ? rc
               : sign_ins_save(housekeeping->options.sign_ins, housekeeping->options.kv, err);
}

static void retention_round(struct housekeeping *housekeeping)
{
    uint64_t now_ms = mono_ms(housekeeping);
    if (!housekeeping->round_due && now_ms - housekeeping->round_ms < ROUND_EVERY_MS) {
        return;
    }
    housekeeping->round_due = false;
    housekeeping->round_ms = now_ms;
    struct retaining_now now = {
        .wall_ms = wall_ms(housekeeping),
        .flushed_seq = housekeeping->flushed_seq,
        .clock_held = clock_held(housekeeping),
        .room_low = housekeeping->room_low,
    };
    struct err err = {0};
    int rc = retaining_round(housekeeping->retaining, &now, &err);
    if (housekeeping->room && rc == 0) {
        rc = note(housekeeping, &err);
    }
    if (rc != 0) {
        complain(housekeeping, &housekeeping->work_failed, LOG_ERROR, "retention.failed", &err);
    }
}

/* Did others write little since the last look? */
static bool is_quiet(struct housekeeping *housekeeping)
{
    struct kv_position position;
    kv_position(housekeeping->options.kv, &position);
    bool quiet = position.seq - housekeeping->looked_seq < QUIET_CHANGES;
    housekeeping->looked_seq = position.seq;
    return quiet;
}

static int clear_tokens(struct housekeeping *housekeeping, uint64_t now_ms, struct err *err)
{
    if (clock_held(housekeeping) || now_ms < housekeeping->tokens_ms) {
        return 0;
    }
    housekeeping->tokens_ms = now_ms + TOKENS_EVERY_MS;
    size_t removed = 0;
    int rc = token_expiry_turn(housekeeping->options.kv, &housekeeping->options.submit,
                               wall_ms(housekeeping), &removed, err);
    if (rc == 0 && removed == TOKEN_EXPIRY_AT_ONCE) {
        housekeeping->tokens_ms = now_ms; /* there may be more */
    }
    return rc;
}

static int clear_fences(struct housekeeping *housekeeping, uint64_t now_ms, struct err *err)
{
    if (now_ms < housekeeping->clearing_ms) {
        return 0;
    }
    bool busy = false;
    int rc = clearing_turn(housekeeping->clearing, housekeeping->options.kv,
                           retaining_undo_seq(housekeeping->retaining), CLEARING_ITEMS, &busy, err);
    if (rc != 0 || !busy) {
        housekeeping->clearing_ms = now_ms + CLEARING_EVERY_MS;
    }
    return rc;
}

/* Changes of its own, when others write little. */
static void clear(struct housekeeping *housekeeping)
{
    if (!is_quiet(housekeeping) || housekeeping->clearing == NULL || !housekeeping->room) {
        return;
    }
    struct err err = {0};
    uint64_t now_ms = mono_ms(housekeeping);
    int rc = clear_tokens(housekeeping, now_ms, &err);
    if (rc == 0) {
        rc = clear_fences(housekeeping, now_ms, &err);
    }
    if (rc != 0 && rc != E_CLOSED) {
        complain(housekeeping, &housekeeping->work_failed, LOG_WARNING, "clearing.deferred", &err);
    }
}

/* --- the thread --- */

static void tell_no_room(const struct housekeeping *housekeeping, char out[ERR_TEXT_MAX])
{
    static const char end[] = "writes are deferred, and go on by themselves when there is more";
    const struct disk_room *free = &housekeeping->free;
    if (free->bytes < housekeeping->options.reserve_bytes) {
        (void)snprintf(out, ERR_TEXT_MAX,
                       "there is too little room on the server's disk (%" PRIu64
                       " MiB are free, %" PRIu64 " are needed): %s",
                       free->bytes >> 20, housekeeping->options.reserve_bytes >> 20, end);
    } else {
        (void)snprintf(out, ERR_TEXT_MAX,
                       "there is too little room for files on the server's disk (%" PRIu64
                       " inodes are free, %d are needed): %s",
                       free->files, (int)HOUSEKEEPING_FILES, end);
    }
}

/* The worst that is known of the disk. */
static void tell_trouble(const struct housekeeping *housekeeping, char out[ERR_TEXT_MAX])
{
    out[0] = '\0';
    if (!housekeeping->room) {
        tell_no_room(housekeeping, out);
    } else if (housekeeping->not_flushed.code != 0) {
        (void)snprintf(out, ERR_TEXT_MAX, "%s", housekeeping->not_flushed.text);
    } else if (housekeeping->not_prepared.code != 0) {
        (void)snprintf(out, ERR_TEXT_MAX, "%s", housekeeping->not_prepared.text);
    }
}

static void show(struct housekeeping *housekeeping)
{
    struct server_status *shown = &housekeeping->shown;
    (void)pthread_mutex_lock(&housekeeping->lock);
    tell_trouble(housekeeping, shown->state_text);
    retaining_lines(housekeeping->retaining, shown->retention);
    shown->clock_stepped = clock_held(housekeeping);
    shown->room_bytes = housekeeping->free.bytes;
    shown->reserve_bytes = housekeeping->options.reserve_bytes;
    shown->digests.bags = housekeeping->scrub.checked;
    shown->digests.wrong = housekeeping->scrub.wrong;
    shown->digests.round_ms = housekeeping->scrub.round_ms;
    (void)pthread_mutex_unlock(&housekeeping->lock);
}

static void look_at_users(struct housekeeping *housekeeping)
{
    struct sign_ins *sign_ins = housekeeping->options.sign_ins;
    struct err err = {0};
    if (sign_ins != NULL && sign_ins_look(sign_ins, housekeeping->options.kv, &err) != 0) {
        complain(housekeeping, &housekeeping->work_failed, LOG_ERROR, "limits.unreadable", &err);
    }
}

/* After the start the directory is read, so that searches need not: with a million people that
 * takes seconds, in which the rest is looked at too. Returns how long to wait until the next look.
 */
static unsigned read_names(struct housekeeping *housekeeping)
{
    uint64_t end_ms = mono_ms(housekeeping) + NAMES_MS;
    struct err err = {0};
    bool more = true;
    int rc = 0;
    while (more && rc == 0 && !queue_done(housekeeping->stop) && mono_ms(housekeeping) < end_ms) {
        rc = kv_names_fill(housekeeping->options.kv, NAMES_AT_ONCE, &more, &err);
    }
    if (rc != 0) {
        complain(housekeeping, &housekeeping->work_failed, LOG_WARNING, "names.not_read", &err);
    }
    return more && rc == 0 ? NAMES_PAUSE_MS : LOOK_EVERY_MS;
}

static void look(struct housekeeping *housekeeping)
{
    look_at_clock(housekeeping);
    look_for_room(housekeeping);
    if (housekeeping->room) {
        prepare(housekeeping);
    }
    flush(housekeeping);
    retention_round(housekeeping);
    scrub_work(&housekeeping->scrub, housekeeping->options.kv, housekeeping->options.clock);
    clear(housekeeping);
    look_at_users(housekeeping);
    show(housekeeping);
}

static void run(struct thread *self, void *context)
{
    struct housekeeping *housekeeping = context;
    thread_ready(self, 0, NULL);
    while (!queue_done(housekeeping->stop)) {
        look(housekeeping);
        unsigned pause_ms = read_names(housekeeping);
        (void)queue_pop(housekeeping->stop, pause_ms); /* nothing comes: it is a pause */
    }
    struct err err = {0};
    if (note(housekeeping, &err) != 0) {
        log_err(LOG_WARNING, "housekeeping", "not_noted", &err);
    }
}

static int start_parts(struct housekeeping *housekeeping, struct err *err)
{
    const struct housekeeping_options *options = &housekeeping->options;
    struct retaining_options retaining = {
        .settings = options->retention,
        .journal = options->journal,
        .kv = options->kv,
        .seen = options->seen,
        .upkeep = options->upkeep,
    };
    int rc = retaining_new(&housekeeping->retaining, &retaining, err);
    if (rc == 0) {
        rc = begin_watch(housekeeping, err);
    }
    if (rc == 0 && options->submit.submit != NULL &&
        clearing_new(&housekeeping->clearing, &options->submit) != 0) {
        rc = err_set(err, E_NOMEM, "housekeeping: out of memory");
    }
    return rc;
}

int housekeeping_start(struct housekeeping **out, const struct housekeeping_options *options,
                       struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->clock != NULL);
    ASSERT(options->journal != NULL && options->kv != NULL && options->dir != NULL);
    struct housekeeping *housekeeping = calloc(1, sizeof *housekeeping);
    if (housekeeping == NULL) {
        return err_set(err, E_NOMEM, "housekeeping: out of memory");
    }
    housekeeping->options = *options;
    if (options->flush_changes == 0) {
        housekeeping->options.flush_changes = FLUSH_CHANGES;
    }
    (void)pthread_mutex_init(&housekeeping->lock, NULL);
    housekeeping->flushed_seq = options->flushed_seq;
    housekeeping->flushed_ms = mono_ms(housekeeping);
    housekeeping->room = true;
    housekeeping->round_due = true;
    scrub_begin(&housekeeping->scrub, options->scrub_ms, options->unclean, options->clock);
    look_for_room(housekeeping);
    int rc = start_parts(housekeeping, err);
    if (rc == 0) {
        show(housekeeping);
        rc = queue_new(&housekeeping->stop, 1, err);
    }
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
    clearing_free(&gone->clearing);
    retaining_free(&gone->retaining);
    (void)pthread_mutex_destroy(&gone->lock);
    free(gone);
    *housekeeping = NULL;
}

/* --- for others --- */

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

void housekeeping_status(struct housekeeping *housekeeping, struct server_status *out)
{
    ASSERT(housekeeping != NULL && out != NULL);
    const struct server_status *shown = &housekeeping->shown;
    (void)pthread_mutex_lock(&housekeeping->lock);
    memcpy(out->state_text, shown->state_text, sizeof out->state_text);
    memcpy(out->retention, shown->retention, sizeof out->retention);
    out->clock_stepped = shown->clock_stepped;
    out->room_bytes = shown->room_bytes;
    out->reserve_bytes = shown->reserve_bytes;
    out->digests.bags = shown->digests.bags;
    out->digests.wrong = shown->digests.wrong;
    out->digests.round_ms = shown->digests.round_ms;
    (void)pthread_mutex_unlock(&housekeeping->lock);
    out->flushed_seq = housekeeping->flushed_seq;
}

void housekeeping_confirm_clock(struct housekeeping *housekeeping)
{
    ASSERT(housekeeping != NULL);
    atomic_store(&housekeeping->confirmed, true);
}
