/* server/restore.c - verified, put together beside, carried on, swapped in. */
#include "server/restore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "kv/checkpoint.h"
#include "server/backup_verify.h"
#include "server/data_folder.h"
#include "server/recovery.h"
#include "server/restore_carry.h"
#include "server/restore_swap.h"
#include "server/seen.h"

static const char *const folders[] = {"journal", "keys", "state"};
enum { FOLDERS = sizeof folders / sizeof folders[0] };

struct run {
    const struct restore_options *options;
    struct restore_report *report;
    const char *data_dir;
    char backup[PATH_MAX];
    char partial[PATH_MAX]; /* DATA/restore.partial */
    struct manifest manifest;
    bool old; /* there is an old data folder's content */
    struct recovered restored;
    struct removal_list removals;
};

static int join(char out[PATH_MAX], const char *dir, const char *name, struct err *err)
{
    int rc = path_join(out, PATH_MAX, dir, name);
    return rc == 0 ? 0 : err_set(err, rc, "the path is too long: '%.60s...'", dir);
}

/* --- the backup --- */

static int open_backup(struct run *run, struct err *err)
{
    int rc = backup_find(run->options->backup, run->backup, err);
    if (rc == 0) {
        rc = manifest_read(&run->manifest, run->backup, err);
    }
    if (rc == 0 && run->options->progress != NULL) {
        atomic_store(&run->options->progress->total, manifest_bytes(&run->manifest));
    }
    if (rc == 0) {
        rc = backup_verify_files(&run->manifest, run->backup, run->options->progress, err);
    }
    if (rc == 0) {
        struct restore_report *report = run->report;
        (void)snprintf(report->backup, sizeof report->backup, "%s", run->backup);
        report->backup_ms = run->manifest.time_ms;
        report->parent_seq = run->manifest.seq;
        memcpy(report->parent, run->manifest.history, HISTORY_SIZE);
    }
    return rc;
}

/* The layout of a data folder has a version: the backup's has to be the one we know. */
static int check_format(const struct run *run, struct err *err)
{
    char paths[2][PATH_MAX];
    struct buf texts[2];
    const char *const dirs[2] = {run->data_dir, run->backup};
    int rc = 0;
    for (size_t i = 0; i < 2; i++) {
        buf_init(&texts[i], 256);
        rc = rc == 0 ? join(paths[i], dirs[i], "format", err) : rc;
        rc = rc == 0 ? file_read(paths[i], &texts[i], err) : rc;
    }
    if (rc == 0 && !span_equal(buf_span(&texts[0]), buf_span(&texts[1]))) {
        rc = err_set(err, E_FORMAT,
                     "the backup '%.200s' is of another format than this kitbagd knows: use the "
                     "version %s that made it",
                     run->backup, run->manifest.version);
    }
    buf_free(&texts[0]);
    buf_free(&texts[1]);
    return rc;
}

/* --- what is there --- */

/* Whose data is it? Without its keys nobody can tell; it is kept aside in any case. */
static int check_old(struct run *run, struct err *err)
{
    char path[PATH_MAX];
    char key[PATH_MAX];
    struct key_pair curve;
    struct sign_pair sign;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < FOLDERS; i++) {
        rc = join(path, run->data_dir, folders[i], err);
        run->old = run->old || (rc == 0 && access(path, F_OK) == 0);
    }
    if (rc == 0) {
        rc = join(path, run->data_dir, "keys", err);
    }
    if (rc == 0) {
        rc = join(key, path, "sign.key", err);
    }
    if (rc != 0 || access(key, F_OK) != 0) {
        return rc;
    }
    rc = keys_load_server(path, &curve, &sign, err);
    if (rc == 0 && memcmp(sign.public_key, run->manifest.server, KEY_SIZE) != 0) {
        rc = err_set(err, E_EXISTS,
                     "'%.150s' holds the data of another server than the backup '%.150s' is of: "
                     "name another folder with --data",
                     run->data_dir, run->backup);
    }
    key_wipe(&curve, sizeof curve);
    key_wipe(&sign, sizeof sign);
    return rc;
}

/* --- putting together --- */

static int take_file(struct run *run, const struct manifest_file *file, struct err *err)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    if (strcmp(file->path, "format") == 0) {
        return 0; /* the folder has its own */
    }
    int rc = join(from, run->backup, file->path, err);
    if (rc == 0) {
        rc = join(to, run->partial, file->path, err);
    }
    if (rc != 0) {
        return rc;
    }
    /* What has a source never changes, so the two may share it. */
    return file->source[0] != '\0' ? backup_file_link(from, to, run->options->progress, NULL, err)
                                   : backup_file_copy(from, to, 0600, NULL, err);
}

static int put_together(struct run *run, struct err *err)
{
    int rc = join(run->partial, run->data_dir, RESTORE_PARTIAL, err);
    if (rc == 0) {
        rc = backup_tree_remove(run->partial, err);
    }
    if (rc == 0) {
        rc = dir_make(run->partial, 0700, err);
    }
    for (size_t i = 0; rc == 0 && i < FOLDERS; i++) {
        char path[PATH_MAX];
        rc = join(path, run->partial, folders[i], err);
        rc = rc == 0 ? dir_make(path, 0700, err) : rc;
    }
    for (size_t i = 0; rc == 0 && i < run->manifest.count; i++) {
        rc = take_file(run, &run->manifest.files[i], err);
    }
    for (size_t i = 0; rc == 0 && i < FOLDERS; i++) {
        char path[PATH_MAX];
        rc = join(path, run->partial, folders[i], err);
        rc = rc == 0 ? dir_sync(path, err) : rc;
    }
    return rc;
}

static int open_restored(struct run *run, struct err *err)
{
    const struct settings *settings = run->options->settings;
    const struct recovery_options options = {
        .dir = run->partial,
        .segment_bytes = settings->segment_bytes,
        .memtable_bytes = settings->memtable_bytes,
        .cache_bytes = settings->cache_bytes,
    };
    int rc = recovery_open(&run->restored, &options, err);
    struct journal_position head;
    if (rc == 0) {
        journal_head(run->restored.journal, &head);
        if (head.seq != run->manifest.seq ||
            memcmp(head.hash, run->manifest.hash, SHA256_SIZE) != 0) {
            rc = err_set(err, E_CORRUPT,
                         "the backup is damaged: the journal in '%.200s' is not the one that its "
                         "manifest tells of",
                         run->backup);
        }
    }
    return rc;
}

/* --- what was removed since --- */

static uint64_t server_bag(struct kv *kv)
{
    static const struct owner server = {.kind = OWNER_SERVER};
    struct bag_row row = {0};
    return kv_bag_of(kv, NULL, &server, &row, NULL) == 0 ? row.bag_id : 0;
}

/* Does the old journal go on from the backup's last change? Then it tells all. */
static int scan_old(struct run *run, struct journal *old, struct err *err)
{
    struct restore_report *report = run->report;
    struct journal_position head;
    uint8_t hash[SHA256_SIZE];
    struct removal through;
    journal_head(old, &head);
    report->old_seq = head.seq;
    int rc = journal_hash_at(old, run->manifest.seq, hash, err);
    if (rc == 0 && memcmp(hash, run->manifest.hash, SHA256_SIZE) != 0) {
        rc = err_set(err, E_NOT_FOUND, "the old data is not of the backup's line of changes");
    }
    if (rc == 0) {
        rc = removals_scan(old, run->manifest.seq + 1, server_bag(run->restored.kv),
                           removal_list_add, &run->removals, &through, err);
    }
    if (rc == 0) {
        report->known = true;
        report->from_journal = true;
        report->known_to_ms = through.seq != 0 ? through.time_ms : run->manifest.time_ms;
    }
    return rc;
}

/* One that is damaged, or older than the backup, is of no use; that is no failure. */
static int ask_old_journal(struct run *run, struct err *err)
{
    char path[PATH_MAX];
    struct journal *old = NULL;
    struct journal_opened opened;
    struct err why = {0};
    int rc = join(path, run->data_dir, "journal", err);
    if (rc != 0 || access(path, F_OK) != 0) {
        return rc;
    }
    const struct journal_options options = {.dir = path,
                                            .segment_bytes = run->options->settings->segment_bytes};
    uint8_t unused[HISTORY_SIZE];
    random_bytes(unused, sizeof unused);
    rc = journal_open(&old, &options, unused, &opened, &why);
    if (rc == 0) {
        rc = scan_old(run, old, &why);
    }
    journal_close(&old, rc == 0);
    return rc == E_NOMEM ? err_set(err, rc, "%s", why.text) : 0;
}

struct file_reading {
    struct run *run;
    bool gap; /* something that came after the backup is not told */
};

static int take_line(void *context, const struct removal *removal, struct err *err)
{
    struct file_reading *reading = context;
    struct run *run = reading->run;
    uint64_t shared = 0;
    bool ours = memcmp(removal->history, run->manifest.history, HISTORY_SIZE) == 0;
    bool before =
        ours ? removal->seq <= run->manifest.seq
             : journal_lineage(run->restored.journal, removal->history, &shared, NULL) == 0;
    reading->gap = reading->gap || (removal->kind == REMOVAL_GAP && !before);
    if (!run->report->from_journal) {
        run->report->known_to_ms = removal->time_ms;
    }
    return removal_list_add(&run->removals, removal, err);
}

static int ask_file(struct run *run, struct err *err)
{
    char folder[PATH_MAX];
    struct removals_head head = {0};
    struct file_reading reading = {.run = run};
    struct err why = {0};
    memcpy(folder, run->backup, sizeof folder);
    char *slash = strrchr(folder, '/');
    ASSERT(slash != NULL); /* it is a real path */
    slash[slash == folder ? 1 : 0] = '\0';
    int rc = removals_read(folder, &head, take_line, &reading, &why);
    if (rc == E_NOMEM) {
        return err_set(err, rc, "%s", why.text);
    }
    struct restore_report *report = run->report;
    char *text = report->removals_text;
    size_t size = sizeof report->removals_text;
    if (rc == E_NOT_FOUND) {
        (void)snprintf(text, size, "there is no file '%s' beside the backup", MANIFEST_REMOVALS);
    } else if (rc != 0) {
        (void)snprintf(text, size, "%s", why.text);
    } else if (memcmp(head.server, run->manifest.server, KEY_SIZE) != 0) {
        (void)snprintf(text, size, "the file of removals beside the backup is another server's");
    } else if (reading.gap) {
        (void)snprintf(text, size, "the file of removals beside the backup has a gap");
    } else if (!head.original) {
        (void)snprintf(text, size,
                       "the file of removals beside the backup is a copy, and what was removed "
                       "after it was copied is not in it");
    } else {
        report->known = true;
    }
    return 0;
}

/* Both are asked: each may tell what the other lacks, and what is told twice is done once. The
 * journal comes last, for it knows best. */
static int collect(struct run *run, struct err *err)
{
    int rc = ask_file(run, err);
    return rc == 0 ? ask_old_journal(run, err) : rc;
}

/* --- where the machines were --- */

/* A machine that is beyond the backup resumes from where it was known to be on our line. The old
 * state knows that better than the backup's, when its journal goes on from there; one that can't be
 * read only makes machines put aside more than they had to. */
static void carry_positions(struct run *run)
{
    char path[PATH_MAX];
    struct kv *old = NULL;
    struct err why = {0};
    const struct kv_options options = {path, run->options->settings->memtable_bytes,
                                       run->options->settings->cache_bytes};
    if (!run->report->from_journal || join(path, run->data_dir, "state", NULL) != 0) {
        return;
    }
    int rc = kv_open_read(&old, &options, &why);
    if (rc == 0) {
        rc = seen_carry(old, run->restored.kv, run->manifest.seq, &why);
    }
    if (rc != 0) {
        log_err(LOG_WARNING, "server", "restore.positions_unknown", &why);
    }
    kv_close(&old, false);
}

/* --- the end --- */

static int carry(struct run *run, struct err *err)
{
    const char *slash = strrchr(run->backup, '/');
    const struct restore_carry wanted = {
        .journal = run->restored.journal,
        .kv = run->restored.kv,
        .settings = run->options->settings,
        .manifest = &run->manifest,
        .name = slash + 1,
        .removals = &run->removals,
        .keep_folders = run->old,
    };
    return restore_carry(&wanted, run->report, err);
}

static void close_restored(struct run *run, bool whole)
{
    kv_close(&run->restored.kv, whole);
    journal_close(&run->restored.journal, whole);
}

static int install(struct run *run, struct err *err)
{
    char name[64];
    char history[2 * HISTORY_SIZE + 1];
    hex_encode(run->report->history, HISTORY_SIZE, history);
    (void)snprintf(name, sizeof name, "replaced-%.8s", history);
    int rc = restore_commit(run->data_dir, name, err);
    return rc == 0 ? restore_finish(run->data_dir, run->report->replaced, err) : rc;
}

static int restore(struct run *run, struct err *err)
{
    int rc = open_backup(run, err);
    if (rc == 0) {
        rc = check_format(run, err);
    }
    if (rc == 0) {
        rc = check_old(run, err);
    }
    if (rc == 0) {
        rc = put_together(run, err);
    }
    if (rc == 0) {
        rc = open_restored(run, err);
    }
    if (rc == 0) {
        rc = collect(run, err);
    }
    if (rc == 0) {
        carry_positions(run);
        rc = carry(run, err);
    }
    close_restored(run, rc == 0);
    if (rc != 0 && run->partial[0] != '\0') {
        (void)!backup_tree_remove(run->partial, NULL); /* else the server says what to do */
    }
    return rc == 0 ? install(run, err) : rc;
}

/* What root puts there the server's account could not read. */
static int check_account(const char *data_dir, struct err *err)
{
    struct stat info;
    if (stat(data_dir, &info) != 0 || info.st_uid == geteuid()) {
        return 0; /* it is made, or ours */
    }
    return err_set(err, E_NOT_ALLOWED,
                   "'%.200s' belongs to another account: restore as that one (runuser -u ACCOUNT "
                   "-- kitbagd restore ...)",
                   data_dir);
}

int restore_run(const struct restore_options *options, struct restore_report *out, struct err *err)
{
    ASSERT(options != NULL && options->backup != NULL && options->settings != NULL);
    ASSERT(out != NULL);
    struct run run = {.options = options, .report = out, .data_dir = options->settings->data_dir};
    int lock = -1;
    *out = (struct restore_report){0};
    int rc = check_account(run.data_dir, err);
    if (rc == 0) {
        rc = data_folder_open(run.data_dir, &lock, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = restore_finish(run.data_dir, out->replaced, err);
    out->finished = rc == 0;
    if (rc == E_NOT_FOUND) {
        rc = restore(&run, err);
    }
    removal_list_free(&run.removals);
    manifest_free(&run.manifest);
    (void)close(lock); /* nothing was written through it */
    return rc;
}
