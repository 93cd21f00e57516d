/* server/backup_verify.c - reads a backup whole. */
#include "server/backup_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "journal/verify.h"
#include "kv/checkpoint.h"
#include "server/backup_place.h"

enum { MEMORY_BYTES = 8 << 20, SCRUB_BYTES = 4 << 20 };

int backup_find(const char *path, char out[PATH_MAX], struct err *err)
{
    ASSERT(path != NULL && out != NULL);
    char name[BACKUP_NAME_MAX];
    char manifest[PATH_MAX];
    struct stat info;
    if (stat(path, &info) != 0) {
        return err_sys(err, "look at", path);
    }
    if (!S_ISDIR(info.st_mode)) {
        return err_set(err, E_NOT_FOUND, "'%.200s' is no backup: a backup is a folder", path);
    }
    if (realpath(path, out) == NULL) {
        return err_sys(err, "look at", path);
    }
    if (path_join(manifest, sizeof manifest, out, MANIFEST_NAME) == 0 &&
        access(manifest, F_OK) == 0) {
        return 0;
    }
    char folder[PATH_MAX];
    memcpy(folder, out, sizeof folder);
    if (backup_place_newest(folder, name, NULL) != 0) {
        return err_set(err, E_NOT_FOUND,
                       "'%.200s' is no whole backup, and holds none: a backup holds a file %s",
                       path, MANIFEST_NAME);
    }
    int rc = path_join(out, PATH_MAX, folder, name);
    return rc == 0 ? 0 : err_set(err, rc, "the path is too long: '%.60s...'", folder);
}

/* --- files --- */

static int damaged(const char *path, const char *why, struct err *err)
{
    return err_set(err, E_CORRUPT, "the backup is damaged: '%.250s' %s", path, why);
}

static int verify_file(const struct manifest_file *file, const char *dir,
                       struct backup_progress *progress, struct err *err)
{
    char path[PATH_MAX];
    uint8_t sum[SHA256_SIZE];
    uint64_t size = 0;
    int rc = path_join(path, sizeof path, dir, file->path);
    if (rc != 0) {
        return err_set(err, rc, "the path is too long: '%.60s...'", dir);
    }
    rc = backup_file_sum(path, &size, sum, progress, err);
    if (rc == E_NOT_FOUND) {
        return damaged(path, "is missing", err);
    }
    if (rc == 0 && size != file->size) {
        char why[80];
        (void)snprintf(why, sizeof why, "has %" PRIu64 " bytes, not %" PRIu64, size, file->size);
        return damaged(path, why, err);
    }
    return rc == 0 && memcmp(sum, file->sha256, SHA256_SIZE) != 0
               ? damaged(path, "is not what was written: its checksum is another", err)
               : rc;
}

int backup_verify_files(const struct manifest *manifest, const char *dir,
                        struct backup_progress *progress, struct err *err)
{
    ASSERT(manifest != NULL && dir != NULL);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < manifest->count; i++) {
        rc = verify_file(&manifest->files[i], dir, progress, err);
    }
    return rc;
}

/* --- the journal --- */

static int verify_journal(const struct manifest *manifest, const char *dir, struct err *err)
{
    char path[PATH_MAX];
    struct verify_report report = {0};
    int rc = path_join(path, sizeof path, dir, "journal");
    if (rc != 0) {
        return err_set(err, rc, "the path is too long: '%.60s...'", dir);
    }
    rc = journal_verify(path, &report, NULL, NULL, err);
    if (rc != 0) {
        (void)err_prefix(err, "the backup's journal: ");
        return rc;
    }
    return report.last_seq != manifest->seq || report.first_seq != manifest->floor
               ? damaged(path, "holds other changes than its manifest says", err)
               : 0;
}

/* --- the state --- */

struct scrubbing {
    char text[ERR_TEXT_MAX]; /* of the first wrong bag */
};

static void on_wrong(void *context, const struct kv_wrong *wrong)
{
    struct scrubbing *scrubbing = context;
    if (scrubbing->text[0] == '\0') {
        (void)snprintf(scrubbing->text, sizeof scrubbing->text, "%s", wrong->text);
    }
}

static int scrub(struct kv *kv, const char *path, const struct backup_progress *progress,
                 uint64_t *bags, struct err *err)
{
    struct scrubbing scrubbing = {0};
    uint64_t next = 1;
    uint64_t wrong = 0;
    int rc = 0;
    while (rc == 0 && next != 0 && wrong == 0) {
        rc = kv_scrub(kv, &next, SCRUB_BYTES, bags, &wrong, on_wrong, &scrubbing, err);
        if (progress != NULL && progress->cancelled != NULL && atomic_load(progress->cancelled)) {
            rc = err_set(err, E_CLOSED, "the server is shutting down");
        }
    }
    return rc == 0 && wrong > 0 ? err_set(err, E_CORRUPT, "the backup is damaged: '%.150s': %.200s",
                                          path, scrubbing.text)
                                : rc;
}

/* Does the state's newest change have the hash that the journal beside it gives it? */
static int check_together(struct kv *kv, const struct manifest *manifest, const char *path,
                          struct err *err)
{
    struct kv_position position;
    kv_position(kv, &position);
    if (position.fresh || position.seq > manifest->seq || position.seq + 1 < manifest->floor) {
        return damaged(path, "holds other changes than the journal beside it", err);
    }
    bool same =
        position.seq != manifest->seq || memcmp(position.hash, manifest->hash, SHA256_SIZE) == 0;
    return same ? 0 : damaged(path, "is of other changes than the journal beside it", err);
}

static int verify_state(const struct manifest *manifest, const char *dir,
                        const struct backup_progress *progress, uint64_t *bags, struct err *err)
{
    char path[PATH_MAX];
    struct kv *kv = NULL;
    int rc = path_join(path, sizeof path, dir, "state");
    if (rc != 0) {
        return err_set(err, rc, "the path is too long: '%.60s...'", dir);
    }
    const struct kv_options options = {path, MEMORY_BYTES, MEMORY_BYTES};
    rc = kv_open_read(&kv, &options, err);
    if (rc == 0) {
        rc = check_together(kv, manifest, path, err);
    }
    if (rc == 0) {
        rc = scrub(kv, path, progress, bags, err);
    }
    kv_close(&kv, false);
    return rc;
}

static void describe(struct backup_verified *out, const struct manifest *manifest)
{
    out->seq = manifest->seq;
    out->floor = manifest->floor;
    out->time_ms = manifest->time_ms;
    memcpy(out->history, manifest->history, HISTORY_SIZE);
    out->files = manifest->count;
    out->bytes = manifest_bytes(manifest);
    out->users = manifest->users;
    out->groups = manifest->groups;
    out->items = manifest->items;
}

int backup_verify(const char *path, struct backup_progress *progress, struct backup_verified *out,
                  struct err *err)
{
    ASSERT(path != NULL && out != NULL);
    struct manifest manifest = {0};
    *out = (struct backup_verified){0};
    int rc = backup_find(path, out->path, err);
    if (rc == 0) {
        rc = manifest_read(&manifest, out->path, err);
    }
    if (rc == 0 && progress != NULL) {
        atomic_store(&progress->total, manifest_bytes(&manifest));
    }
    if (rc == 0) {
        describe(out, &manifest);
        rc = backup_verify_files(&manifest, out->path, progress, err);
    }
    if (rc == 0) {
        rc = verify_journal(&manifest, out->path, err);
    }
    if (rc == 0) {
        rc = verify_state(&manifest, out->path, progress, &out->bags, err);
    }
    manifest_free(&manifest);
    return rc;
}
