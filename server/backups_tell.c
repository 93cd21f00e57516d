/* server/backups_tell.c - what was removed is told beside every backup, moments after it was.
 *
 * The main thread notes the first change that may have taken something away; the rest is read out
 * of the journal from there. So the path of a commit pays for a look at each change, and nothing is
 * lost that is in the journal.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/log.h"
#include "server/backups_inside.h"
#include "server/removals.h"

enum {
    RETRY_S = 60,
    MARK_MS = 3600000, /* so long a stretch of the journal is read after a crash, at most */
    SETTLE_MS = 10,
    SETTLE_TRIES = 500,
};

struct telling {
    struct backups *backups;
    struct removal *removals;
    size_t count;
    size_t capacity;
    /* The last line of a file. */
    bool any;
    struct removal last;
};

static int collect(void *context, const struct removal *removal, struct err *err)
{
    struct telling *telling = context;
    struct removal *removals =
        array_reserve(telling->removals, &telling->capacity, telling->count + 1, sizeof *removals);
    if (removals == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    telling->removals = removals;
    telling->removals[telling->count++] = *removal;
    return 0;
}

/* --- where a file ends --- */

static int keep_last(void *context, const struct removal *removal, struct err *err)
{
    (void)err;
    struct telling *telling = context;
    telling->any = true;
    telling->last = *removal;
    return 0;
}

/* The change behind the last one that the file tells of. Of what a line of a history says that was
 * left since, only what we share counts. */
static int find_from(struct telling *telling, const char *folder, uint64_t *from, struct err *err)
{
    struct journal *journal = telling->backups->options.source.journal;
    uint64_t shared = 0;
    telling->any = false;
    int rc = removals_read(folder, NULL, keep_last, telling, err);
    if (rc != 0) {
        return rc;
    }
    *from = journal_floor(journal);
    if (telling->any && journal_lineage(journal, telling->last.history, &shared, NULL) == 0) {
        *from = (telling->last.seq < shared ? telling->last.seq : shared) + 1;
    }
    return 0;
}

/* --- telling one folder --- */

/* Who a deleted bag was: the state may be some changes behind the journal. */
static void name_bags(struct telling *telling, uint64_t through)
{
    struct kv *kv = telling->backups->options.source.kv;
    struct kv_position position = {0};
    for (int i = 0; i < SETTLE_TRIES && !atomic_load(&telling->backups->stopping); i++) {
        const struct timespec pause = {.tv_nsec = SETTLE_MS * 1000000L};
        kv_position(kv, &position);
        if (position.seq >= through) {
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    for (size_t i = 0; i < telling->count; i++) {
        struct removal *removal = &telling->removals[i];
        struct kv_grave grave;
        if (removal->kind == REMOVAL_BAG &&
            kv_grave(kv, NULL, removal->bag_id, &grave, NULL) == 0) {
            owner_format(&grave.owner, removal->text);
        }
    }
}

/* The journal no longer holds all that the file does not tell. */
static int note_gap(struct telling *telling, uint64_t *from, struct err *err)
{
    struct journal *journal = telling->backups->options.source.journal;
    struct journal_segment_info oldest;
    *from = journal_floor(journal);
    int rc = journal_segment_info(journal, *from, &oldest, err);
    struct removal gap = {.kind = REMOVAL_GAP, .seq = *from - 1, .time_ms = oldest.first_time_ms};
    if (rc == 0) {
        memcpy(gap.history, oldest.history, HISTORY_SIZE);
        rc = collect(telling, &gap, err);
    }
    return rc;
}

static int tell_from(struct telling *telling, const char *folder, uint64_t from, uint64_t *told,
                     struct err *err)
{
    const struct backups_options *options = &telling->backups->options;
    struct removal through = {0};
    telling->count = 0;
    int rc = removals_scan(options->source.journal, from, options->server_bag, collect, telling,
                           &through, err);
    if (rc == E_TOO_OLD) {
        telling->count = 0;
        rc = note_gap(telling, &from, err);
        if (rc == 0) {
            rc = removals_scan(options->source.journal, from, options->server_bag, collect, telling,
                               &through, err);
        }
    }
    if (rc != 0 || through.seq == 0) {
        return rc;
    }
    name_bags(telling, through.seq);
    rc = collect(telling, &through, err);
    if (rc == 0) {
        rc = removals_append(folder, telling->removals, telling->count, err);
    }
    *told = rc == 0 ? through.seq : *told;
    return rc;
}

/* Nothing was removed up to here. */
static int tell_nothing(struct telling *telling, struct backups_folder *folder, uint64_t noted,
                        struct err *err)
{
    struct journal_segment_info info;
    struct removal through = {.kind = REMOVAL_THROUGH,
                              .seq = noted,
                              .time_ms = clock_wall_ms(telling->backups->options.clock)};
    if (noted <= folder->told_seq) {
        return 0;
    }
    int rc = journal_segment_info(telling->backups->options.source.journal, noted, &info, err);
    if (rc == 0) {
        memcpy(through.history, info.history, HISTORY_SIZE);
        rc = removals_append(folder->path, &through, 1, err);
    }
    folder->told_seq = rc == 0 ? noted : folder->told_seq;
    return rc;
}

/* What there is to do: the first change that may have taken something away (0: none did), and
 * whether to say that nothing was up to `noted`. */
struct work {
    uint64_t pending;
    uint64_t noted;
    bool mark;
};

static int tell_folder(struct telling *telling, struct backups_folder *folder,
                       const struct work *work, struct err *err)
{
    uint64_t from = folder->told_seq + 1;
    int rc = folder->behind ? find_from(telling, folder->path, &from, err) : 0;
    if (rc != 0) {
        return rc;
    }
    if (!folder->behind && work->pending == 0) {
        return work->mark ? tell_nothing(telling, folder, work->noted, err) : 0;
    }
    from = !folder->behind && work->pending > from ? work->pending : from;
    return tell_from(telling, folder->path, from, &folder->told_seq, err);
}

static void put_back(struct backups *backups, const struct backups_folder *folder)
{
    (void)pthread_mutex_lock(&backups->lock);
    for (size_t i = 0; i < backups->folder_count; i++) {
        if (strcmp(backups->folders[i].path, folder->path) == 0) {
            backups->folders[i] = *folder;
        }
    }
    (void)pthread_mutex_unlock(&backups->lock);
}

/* Of a copy of the folder; what came of it is put back. */
static void tell_one(struct telling *telling, struct backups_folder *folder,
                     const struct work *work)
{
    struct err err = {0};
    bool failed_before = folder->text[0] != '\0';
    int rc = tell_folder(telling, folder, work, &err);
    folder->behind = rc != 0;
    folder->text[0] = '\0';
    if (rc != 0) {
        memcpy(folder->text, err.text, sizeof folder->text);
    }
    if (rc != 0 && !failed_before) {
        log_event(LOG_WARNING, "backup", "backup.removals_behind",
                  "folder=%s reason=%s text=\"what is removed from now on is not told beside the "
                  "backups there, until the folder can be reached again or 'kitbagctl backup "
                  "forget' is used\"",
                  LOG_Q(folder->path), LOG_Q(err.text));
    } else if (rc == 0 && failed_before) {
        log_event(LOG_INFO, "backup", "backup.removals_told", "folder=%s", LOG_Q(folder->path));
    }
    put_back(telling->backups, folder);
}

static void tell_all(struct telling *telling, const struct work *work)
{
    struct backups *backups = telling->backups;
    struct backups_folder folder;
    for (size_t i = 0;; i++) {
        (void)pthread_mutex_lock(&backups->lock);
        bool more = i < backups->folder_count;
        if (more) {
            folder = backups->folders[i];
        }
        (void)pthread_mutex_unlock(&backups->lock);
        if (!more) {
            return;
        }
        if (work->pending != 0 || work->mark || folder.behind) {
            tell_one(telling, &folder, work);
        }
    }
}

/* --- the thread --- */

/* Until there is something to do. */
static void wait(struct backups *backups, struct work *work)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RETRY_S;
    int late = 0;
    (void)pthread_mutex_lock(&backups->lock);
    while (backups->pending_seq == 0 && late != ETIMEDOUT && !atomic_load(&backups->stopping)) {
        late = pthread_cond_timedwait(&backups->changed, &backups->lock, &until);
    }
    work->noted = atomic_load(&backups->noted_seq); /* before it: see backups_note */
    work->pending = backups->pending_seq;
    backups->pending_seq = 0;
    (void)pthread_mutex_unlock(&backups->lock);
}

void backups_tell(struct thread *self, void *context)
{
    struct backups *backups = context;
    struct telling telling = {.backups = backups};
    thread_ready(self, 0, NULL);
    struct work work = {0};
    uint64_t marked_ms = clock_mono_ms(&clock_system);
    tell_all(&telling, &work);
    while (!atomic_load(&backups->stopping)) {
        wait(backups, &work);
        uint64_t now_ms = clock_mono_ms(&clock_system);
        work.mark = now_ms - marked_ms >= MARK_MS || atomic_load(&backups->stopping);
        tell_all(&telling, &work);
        marked_ms = work.mark ? now_ms : marked_ms;
    }
    free(telling.removals);
}
