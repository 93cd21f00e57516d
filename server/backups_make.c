/* server/backups_make.c - the thread that makes one backup. */
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "server/backup_verify.h"
#include "server/backups_inside.h"
#include "server/removals.h"

enum { LESS_URGENT = 10 }; /* of nice */

/* A new folder's file of removals begins here: what was removed before is in no backup of it. */
static int begin_removals(struct backups *backups, const char *folder, struct err *err)
{
    struct journal *journal = backups->options.source.journal;
    struct journal_position head;
    struct removal through = {.kind = REMOVAL_THROUGH,
                              .time_ms = clock_wall_ms(backups->options.clock)};
    journal_head(journal, &head);
    journal_history(journal, through.history);
    through.seq = head.seq;
    return removals_append(folder, &through, 1, err);
}

static int prepare(struct backups *backups, const char *folder, struct backup_place *place,
                   struct err *err)
{
    const struct backup_source *source = &backups->options.source;
    int rc = backup_place_find(place, folder, source->data_dir, source->server, err);
    if (rc == 0) {
        rc = backup_place_make(place, source->server, err);
    }
    if (rc == 0 && place->fresh) {
        rc = begin_removals(backups, place->folder, err);
    }
    if (rc == 0) {
        rc = backups_register(backups, place->folder, err);
    }
    if (rc == 0 && backups->options.seen != NULL) {
        rc = seen_save(backups->options.seen, source->kv, err);
    }
    return rc;
}

static int verify(struct backups *backups, struct admin_backup_report *report, struct err *err)
{
    struct backup_verified verified;
    (void)pthread_mutex_lock(&backups->lock);
    backups->view.verifying = true;
    (void)pthread_mutex_unlock(&backups->lock);
    atomic_store(&backups->progress.done, 0);
    atomic_store(&backups->progress.total, report->bytes);
    int rc = backup_verify(report->path, &backups->progress, &verified, err);
    report->verified = rc == 0;
    return rc;
}

static int run(struct backups *backups, struct admin_backup_report *report, struct err *err)
{
    char folder[PATH_MAX];
    struct backup_place place;
    (void)pthread_mutex_lock(&backups->lock);
    memcpy(folder, backups->view.folder, sizeof folder);
    bool read_back = backups->verify;
    (void)pthread_mutex_unlock(&backups->lock);
    int rc = prepare(backups, folder, &place, err);
    if (rc == 0) {
        rc = backup_make(&backups->options.source, &place, &backups->progress, report, err);
    }
    return rc == 0 && read_back ? verify(backups, report, err) : rc;
}

void backups_make(struct thread *self, void *context)
{
    struct backups *backups = context;
    struct admin_backup_report report = {0};
    struct err err = {0};
    thread_ready(self, 0, NULL);
    /* Whoever serves goes first; where that is not allowed, all are equal. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), LESS_URGENT);
    int rc = run(backups, &report, &err);
    if (rc == 0) {
        log_event(LOG_INFO, "backup", "backup.made",
                  "path=%s seq=%" PRIu64 " files=%" PRIu64 " bytes=%" PRIu64 " new_bytes=%" PRIu64
                  " frozen_us=%" PRIu64 " took_ms=%" PRIu64 " verified=%s",
                  LOG_Q(report.path), report.seq, report.files, report.bytes, report.new_bytes,
                  report.frozen_us, report.took_ms, report.verified ? "yes" : "no");
    } else {
        log_err(LOG_ERROR, "backup", "backup.failed", &err);
    }
    (void)pthread_mutex_lock(&backups->lock);
    backups->view.state = rc == 0 ? ADMIN_BACKUP_DONE : ADMIN_BACKUP_FAILED;
    backups->view.report = report;
    backups->view.err = err;
    (void)pthread_mutex_unlock(&backups->lock);
}
