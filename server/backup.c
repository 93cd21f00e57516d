/* server/backup.c - staged beside the data, put into place file by file, named last. */
#include "server/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "journal/journal.h"
#include "kv/checkpoint.h"

static const char STAGE[] = "backup.partial";

struct run {
    const struct backup_source *source;
    const struct backup_place *place;
    struct backup_progress *progress;
    struct admin_backup_report *report;
    struct journal_copied copied;
    char stage[PATH_MAX];   /* DATA/backup.partial */
    char before[PATH_MAX];  /* the backup before this one, "": none */
    char partial[PATH_MAX]; /* FOLDER/NAME.partial */
    char final[PATH_MAX];   /* FOLDER/NAME */
    struct manifest old;    /* of `before` */
    struct manifest now;
};

static int join(char out[PATH_MAX], const char *dir, const char *name, struct err *err)
{
    int rc = path_join(out, PATH_MAX, dir, name);
    return rc == 0 ? 0 : err_set(err, rc, "the path is too long: '%.60s...'", dir);
}

static int make_folder(const char *dir, const char *name, struct err *err)
{
    char path[PATH_MAX];
    int rc = join(path, dir, name, err);
    return rc != 0 || mkdir(path, 0700) == 0 ? rc : err_sys(err, "make the folder", path);
}

int backup_tidy(const char *data_dir, struct err *err)
{
    ASSERT(data_dir != NULL);
    char path[PATH_MAX];
    int rc = join(path, data_dir, STAGE, err);
    return rc == 0 ? backup_tree_remove(path, err) : rc;
}

/* --- room --- */

static int room_of(const char *path, uint64_t *bytes, struct err *err)
{
    struct statvfs info;
    if (statvfs(path, &info) != 0) {
        return err_sys(err, "look for room in", path);
    }
    *bytes = (uint64_t)info.f_bavail * info.f_frsize;
    return 0;
}

/* Are they of one file system, and can a file of one be linked to from the other? The same disk,
 * mounted twice (as systemd does for a unit's folders), does not do. */
static void compare_disks(const char *a, const char *b, bool *same, bool *links)
{
    struct statx first = {0};
    struct statx second = {0};
    const unsigned wanted = STATX_BASIC_STATS | STATX_MNT_ID;
    *same =
        statx(AT_FDCWD, a, 0, wanted, &first) == 0 && statx(AT_FDCWD, b, 0, wanted, &second) == 0 &&
        first.stx_dev_major == second.stx_dev_major && first.stx_dev_minor == second.stx_dev_minor;
    bool told = (first.stx_mask & second.stx_mask & STATX_MNT_ID) != 0;
    *links = *same && (!told || first.stx_mnt_id == second.stx_mnt_id);
}

struct tally {
    const char *dir;
    const struct manifest *old;
    const char *sub;
    uint64_t bytes;
    uint64_t old_bytes; /* that `old` has already */
};

static int tally_file(void *context, const char *name, struct err *err)
{
    struct tally *tally = context;
    char path[PATH_MAX];
    char relative[PATH_MAX];
    char source[MANIFEST_SOURCE_MAX];
    uint64_t size = 0;
    int rc = join(path, tally->dir, name, err);
    if (rc == 0) {
        rc = join(relative, tally->sub, name, err);
    }
    if (rc != 0 || backup_file_source(path, source, &size, NULL) != 0) {
        return rc; /* a table that was merged meanwhile is gone */
    }
    if (strstr(name, ".prepared") != NULL || strstr(name, ".partial") != NULL) {
        return 0; /* no change of the journal is in it yet */
    }
    const struct manifest_file *old = manifest_find(tally->old, relative);
    bool same = old != NULL && old->size == size && strcmp(old->source, source) == 0;
    tally->bytes += size;
    tally->old_bytes += same ? size : 0;
    return 0;
}

static int tally_folder(struct run *run, const char *dir, const char *sub, struct err *err)
{
    char path[PATH_MAX];
    struct tally tally = {.dir = path, .old = &run->old, .sub = sub};
    int rc = join(path, dir, sub, err);
    if (rc == 0) {
        rc = backup_files_each(path, tally_file, &tally, err);
    }
    run->report->bytes += tally.bytes;
    run->report->new_bytes += tally.bytes - tally.old_bytes;
    return rc;
}

static int no_room(const struct admin_backup_report *report, uint64_t wanted, const char *folder,
                   bool same, struct err *err)
{
    return err_set(err, E_NOSPACE,
                   "a backup in '%.200s' takes about %" PRIu64 " MiB, and %" PRIu64
                   " MiB are free there%s",
                   folder, (wanted >> 20) + 1, report->room_bytes >> 20,
                   same ? " beyond what the server itself needs" : "");
}

/* Where links can be, all but the newest segment and some KiB are. */
static int check_room(const struct backup_source *source, const char *folder,
                      struct admin_backup_report *report, struct err *err)
{
    char above[PATH_MAX];
    (void)snprintf(above, sizeof above, "%s", folder);
    char *slash = strrchr(above, '/');
    if (report->fresh && slash != NULL && access(folder, F_OK) != 0) {
        slash[slash == above ? 1 : 0] = '\0';
    }
    struct journal_segment_info newest;
    struct journal_position head;
    journal_head(source->journal, &head);
    int rc = journal_segment_info(source->journal, head.seq, &newest, err);
    if (rc == 0) {
        rc = room_of(above, &report->room_bytes, err);
    }
    if (rc != 0) {
        return rc;
    }
    bool same = false;
    compare_disks(above, source->data_dir, &same, &report->same_disk);
    uint64_t wanted = report->same_disk ? newest.bytes + (1 << 20) : report->new_bytes;
    if (same) {
        report->room_bytes -=
            report->room_bytes < source->reserve_bytes ? report->room_bytes : source->reserve_bytes;
    }
    return report->room_bytes < wanted ? no_room(report, wanted, folder, same, err) : 0;
}

static int find_before(struct run *run, struct err *err)
{
    char name[BACKUP_NAME_MAX];
    struct err why = {0};
    if (access(run->place->folder, F_OK) != 0 ||
        backup_place_newest(run->place->folder, name, NULL) != 0) {
        return 0;
    }
    int rc = join(run->before, run->place->folder, name, err);
    if (rc == 0 && manifest_read(&run->old, run->before, &why) != 0) {
        run->before[0] = '\0'; /* a damaged one is no help; the new one is whole by itself */
    }
    return rc;
}

/* Of the newest segment only what is written counts. */
static int tally_live(struct run *run, struct err *err)
{
    struct journal_segment_info newest;
    struct journal_position head;
    journal_head(run->source->journal, &head);
    int rc = journal_segment_info(run->source->journal, head.seq, &newest, err);
    if (rc == 0) {
        rc = tally_folder(run, run->source->data_dir, "journal", err);
    }
    if (rc == 0) {
        uint64_t empty = newest.file_bytes - newest.bytes;
        run->report->bytes -= empty < run->report->bytes ? empty : run->report->bytes;
        run->report->new_bytes -= empty < run->report->new_bytes ? empty : run->report->new_bytes;
        rc = tally_folder(run, run->source->data_dir, "state", err);
    }
    return rc;
}

int backup_look(const struct backup_source *source, const struct backup_place *place,
                struct admin_backup_report *report, struct err *err)
{
    ASSERT(source != NULL && place != NULL && report != NULL);
    struct run run = {.source = source, .place = place, .report = report};
    struct journal_position head;
    *report = (struct admin_backup_report){0};
    journal_head(source->journal, &head);
    journal_history(source->journal, report->history);
    report->seq = head.seq;
    (void)snprintf(report->path, sizeof report->path, "%s", place->folder);
    int rc = find_before(&run, err);
    report->fresh = run.before[0] == '\0';
    if (rc == 0) {
        rc = tally_live(&run, err);
    }
    if (rc == 0) {
        rc = check_room(source, place->folder, report, err);
    }
    manifest_free(&run.old);
    return rc;
}

/* --- one moment --- */

static int stage(struct run *run, struct err *err)
{
    char path[PATH_MAX];
    uint64_t begun_ns = clock_mono_ns();
    int rc = backup_tidy(run->source->data_dir, err);
    if (rc == 0) {
        rc = join(run->stage, run->source->data_dir, STAGE, err);
    }
    if (rc == 0) {
        rc = make_folder(run->source->data_dir, STAGE, err);
    }
    if (rc == 0) {
        rc = make_folder(run->stage, "journal", err);
    }
    if (rc == 0) {
        rc = join(path, run->stage, "state", err);
    }
    if (rc == 0) {
        rc = kv_checkpoint(run->source->kv, path, err);
    }
    if (rc == 0) {
        rc = join(path, run->stage, "journal", err);
    }
    if (rc == 0) { /* behind the state: so it reaches at least as far */
        rc = journal_copy(run->source->journal, path, &run->copied, err);
    }
    run->report->frozen_us = (clock_mono_ns() - begun_ns) / 1000;
    return rc;
}

/* --- into place --- */

/* The backup before has it: the same file, by its number and time, under the same name. */
static bool link_before(const struct run *run, const char *relative, const char *to,
                        struct manifest_file *file)
{
    char from[PATH_MAX];
    char source[MANIFEST_SOURCE_MAX];
    uint64_t size = 0;
    const struct manifest_file *old = manifest_find(&run->old, relative);
    if (old == NULL || old->size != file->size || strcmp(old->source, file->source) != 0 ||
        path_join(from, sizeof from, run->before, relative) != 0 ||
        backup_file_source(from, source, &size, NULL) != 0 || size != file->size ||
        link(from, to) != 0) {
        return false;
    }
    memcpy(file->sha256, old->sha256, SHA256_SIZE);
    return true;
}

struct folder {
    struct run *run;
    const char *sub; /* "journal", "state", "keys" */
    char from[PATH_MAX];
};

static bool never_changes(const struct folder *folder, const char *path)
{
    struct stat info; /* what is not linked is the stage's own */
    return stat(path, &info) == 0 && info.st_nlink > 1 &&
           (strcmp(folder->sub, "journal") == 0 || kv_is_table(path));
}

static int place_file(struct run *run, const char *from, const char *relative, bool fixed,
                      bool linked, struct err *err)
{
    char to[PATH_MAX];
    struct manifest_file *file = NULL;
    int rc = join(to, run->partial, relative, err);
    if (rc == 0) {
        rc = manifest_add(&run->now, relative, &file, err);
    }
    if (rc == 0) {
        rc = backup_file_source(from, file->source, &file->size, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!fixed) {
        file->source[0] = '\0';
    }
    run->report->files++;
    if (fixed && link_before(run, relative, to, file)) {
        run->report->bytes += file->size;
        return 0;
    }
    rc = linked ? backup_file_link(from, to, run->progress, NULL, err)
                : backup_file_copy(from, to, 0600, run->progress, err);
    if (rc == 0) {
        rc = backup_file_sum(to, &file->size, file->sha256, run->progress, err);
    }
    run->report->bytes += file->size;
    run->report->new_bytes += file->size;
    return rc;
}

static int place_in(void *context, const char *name, struct err *err)
{
    struct folder *folder = context;
    char from[PATH_MAX];
    char relative[PATH_MAX];
    int rc = join(from, folder->from, name, err);
    if (rc == 0) {
        rc = join(relative, folder->sub, name, err);
    }
    if (rc != 0 || strcmp(name, "LOCK") == 0) {
        return rc;
    }
    bool keys = strcmp(folder->sub, "keys") == 0;
    return place_file(folder->run, from, relative, !keys && never_changes(folder, from), !keys,
                      err);
}

static int place_folder(struct run *run, const char *above, const char *sub, struct err *err)
{
    struct folder folder = {.run = run, .sub = sub};
    char to[PATH_MAX];
    int rc = join(folder.from, above, sub, err);
    if (rc == 0) {
        rc = make_folder(run->partial, sub, err);
    }
    if (rc == 0) {
        rc = backup_files_each(folder.from, place_in, &folder, err);
    }
    if (rc == 0) {
        rc = join(to, run->partial, sub, err);
    }
    return rc == 0 ? dir_sync(to, err) : rc;
}

static int name_it(struct run *run, struct err *err)
{
    char name[BACKUP_NAME_MAX];
    int rc = backup_place_name(run->place->folder, run->report->time_ms, run->copied.head.seq, name,
                               err);
    if (rc == 0) {
        rc = join(run->final, run->place->folder, name, err);
    }
    if (rc != 0) {
        return rc;
    }
    int length = snprintf(run->partial, sizeof run->partial, "%s.partial", run->final);
    ASSERT(length > 0 && (size_t)length < sizeof run->partial); /* the place left room for it */
    return mkdir(run->partial, 0700) == 0 ? 0 : err_sys(err, "make the folder", run->partial);
}

static int place_all(struct run *run, struct err *err)
{
    char format[PATH_MAX];
    int rc = join(format, run->source->data_dir, "format", err);
    if (rc == 0) {
        rc = place_file(run, format, "format", false, false, err);
    }
    if (rc == 0) {
        rc = place_folder(run, run->stage, "journal", err);
    }
    if (rc == 0) {
        rc = place_folder(run, run->source->data_dir, "keys", err);
    }
    return rc == 0 ? place_folder(run, run->stage, "state", err) : rc;
}

/* --- the end --- */

static int describe(struct run *run, struct err *err)
{
    struct manifest *now = &run->now;
    struct kv_counts counts;
    memcpy(now->server, run->source->server, KEY_SIZE);
    memcpy(now->history, run->copied.history, HISTORY_SIZE);
    memcpy(now->hash, run->copied.head.hash, SHA256_SIZE);
    (void)snprintf(now->version, sizeof now->version, "%s", KITBAG_VERSION);
    now->time_ms = run->report->time_ms;
    now->seq = run->copied.head.seq;
    now->floor = run->copied.floor;
    int rc = kv_counts(run->source->kv, NULL, &counts, err);
    if (rc == 0) {
        now->users = counts.users;
        now->groups = counts.groups;
        now->items = counts.items;
    }
    return rc;
}

static int finish(struct run *run, struct err *err)
{
    int rc = describe(run, err);
    if (rc == 0) {
        rc = manifest_write(&run->now, run->partial, err);
    }
    if (rc == 0 && rename(run->partial, run->final) != 0) {
        rc = err_sys(err, "rename to", run->final);
    }
    if (rc == 0) {
        rc = dir_sync_parent(run->final, err);
    }
    if (rc == 0) {
        struct admin_backup_report *report = run->report;
        (void)snprintf(report->path, sizeof report->path, "%s", run->final);
        report->seq = run->now.seq;
        memcpy(report->history, run->now.history, HISTORY_SIZE);
    }
    return rc;
}

static int make(struct run *run, struct err *err)
{
    int rc = stage(run, err);
    struct admin_backup_report sizes = {0};
    if (rc == 0) { /* of the stage, which does not change any more */
        struct run look = *run;
        look.report = &sizes;
        rc = tally_folder(&look, run->stage, "journal", err);
        if (rc == 0) {
            rc = tally_folder(&look, run->stage, "state", err);
        }
    }
    if (rc == 0) {
        sizes.fresh = false;
        rc = check_room(run->source, run->place->folder, &sizes, err);
        run->report->room_bytes = sizes.room_bytes;
        run->report->same_disk = sizes.same_disk;
    }
    if (rc == 0 && run->progress != NULL) { /* what is copied is read twice */
        atomic_store(&run->progress->total, sizes.new_bytes * (sizes.same_disk ? 1 : 2));
    }
    if (rc == 0) {
        rc = name_it(run, err);
    }
    if (rc == 0) {
        rc = place_all(run, err);
    }
    return rc == 0 ? finish(run, err) : rc;
}

int backup_make(const struct backup_source *source, const struct backup_place *place,
                struct backup_progress *progress, struct admin_backup_report *report,
                struct err *err)
{
    ASSERT(source != NULL && place != NULL && report != NULL);
    struct run run = {.source = source, .place = place, .progress = progress, .report = report};
    uint64_t begun_ms = clock_mono_ms(&clock_system);
    *report = (struct admin_backup_report){.time_ms = clock_wall_ms(&clock_system)};
    int rc = backup_place_tidy(place->folder, err);
    if (rc == 0) {
        rc = find_before(&run, err);
    }
    report->fresh = run.before[0] == '\0';
    if (rc == 0) {
        rc = make(&run, err);
    }
    if (run.stage[0] != '\0') {
        (void)!backup_tree_remove(run.stage, NULL); /* else the next one does */
    }
    if (rc != 0 && run.partial[0] != '\0') {
        (void)!backup_tree_remove(run.partial, NULL);
    }
    report->took_ms = clock_mono_ms(&clock_system) - begun_ms;
    manifest_free(&run.old);
    manifest_free(&run.now);
    return rc;
}
