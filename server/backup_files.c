/* server/backup_files.c - links, copies, checksums. */
#include "server/backup_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum {
    CHUNK = 1 << 20,
    TREE_DESCRIPTORS = 16,
    PUSH = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER,
};

/* --- listing --- */

static int is_plain(const struct dirent *entry)
{
    return entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN;
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int backup_files_each(const char *dir, backup_file_fn *each, void *context, struct err *err)
{
    ASSERT(dir != NULL && each != NULL);
    struct dirent **entries = NULL;
    int count = scandir(dir, &entries, is_plain, by_name);
    if (count < 0) {
        return err_sys(err, "open the folder", dir);
    }
    int rc = 0;
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        struct stat info;
        bool plain = rc == 0 && path_join(path, sizeof path, dir, entries[i]->d_name) == 0 &&
                     lstat(path, &info) == 0 && S_ISREG(info.st_mode);
        if (plain) {
            rc = each(context, entries[i]->d_name, err);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int backup_file_source(const char *path, char out[MANIFEST_SOURCE_MAX], uint64_t *size,
                       struct err *err)
{
    ASSERT(path != NULL && out != NULL && size != NULL);
    struct stat info;
    if (lstat(path, &info) != 0) {
        return err_sys(err, "look at", path);
    }
    (void)snprintf(out, MANIFEST_SOURCE_MAX, "%" PRIu64 "-%" PRId64 ".%09ld", (uint64_t)info.st_ino,
                   (int64_t)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    *size = (uint64_t)info.st_size;
    return 0;
}

/* --- reading --- */

/* What is done with the bytes, piece by piece. */
typedef int piece_fn(void *context, struct span piece, off_t at, struct err *err);

static int report(struct backup_progress *progress, size_t size, struct err *err)
{
    if (progress == NULL) {
        return 0;
    }
    (void)atomic_fetch_add(&progress->done, size);
    if (progress->tell != NULL) {
        progress->tell(progress->context, progress);
    }
    return progress->cancelled != NULL && atomic_load(progress->cancelled)
               ? err_set(err, E_CLOSED, "the server is shutting down")
               : 0;
}

static int read_pieces(const char *path, piece_fn *each, void *context,
                       struct backup_progress *progress, struct err *err)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return err_sys(err, "open", path);
    }
    uint8_t *chunk = malloc(CHUNK);
    int rc = chunk != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    for (off_t at = 0; rc == 0;) {
        ssize_t got = pread(fd, chunk, CHUNK, at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            rc = err_sys(err, "read", path);
        } else if (got > 0) {
            rc = each(context, span_of(chunk, (size_t)got), at, err);
            at += got;
        }
        if (rc == 0 && got > 0) {
            rc = report(progress, (size_t)got, err);
        }
        if (got == 0) {
            break;
        }
    }
    free(chunk);
    (void)close(fd); /* only read from */
    return rc;
}

/* --- summing up --- */

struct sum {
    struct sha256_run run;
    uint64_t size;
};

static int sum_piece(void *context, struct span piece, off_t at, struct err *err)
{
    (void)at;
    (void)err;
    struct sum *sum = context;
    sha256_add(&sum->run, piece);
    sum->size += piece.size;
    return 0;
}

int backup_file_sum(const char *path, uint64_t *size, uint8_t out[SHA256_SIZE],
                    struct backup_progress *progress, struct err *err)
{
    ASSERT(path != NULL && size != NULL && out != NULL);
    struct sum sum = {0};
    sha256_begin(&sum.run);
    int rc = read_pieces(path, sum_piece, &sum, progress, err);
    sha256_end(&sum.run, rc == 0 ? out : NULL);
    *size = sum.size;
    return rc;
}

/* --- copying --- */

struct target {
    int fd;
    const char *path;
};

/* The bytes go to the disk piece by piece: one large sync at the end would hold up the journal's
 * own for as long as it takes. Whether they arrived is that sync's to say. */
static int copy_piece(void *context, struct span piece, off_t at, struct err *err)
{
    const struct target *target = context;
    int rc = file_write_at(target->fd, piece.data, piece.size, at, target->path, err);
    (void)sync_file_range(target->fd, at, (off_t)piece.size, PUSH);
    return rc;
}

int backup_file_copy(const char *from, const char *to, mode_t mode,
                     struct backup_progress *progress, struct err *err)
{
    ASSERT(from != NULL && to != NULL);
    struct target target = {.path = to};
    target.fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (target.fd < 0) {
        return err_sys(err, "open", to);
    }
    int rc = read_pieces(from, copy_piece, &target, progress, err);
    if (rc == 0 && (fchmod(target.fd, mode) != 0 || fsync(target.fd) != 0)) {
        rc = err_sys(err, "sync", to);
    }
    (void)close(target.fd); /* what counts is synced */
    return rc;
}

int backup_file_link(const char *from, const char *to, struct backup_progress *progress,
                     bool *linked, struct err *err)
{
    ASSERT(from != NULL && to != NULL);
    bool done = link(from, to) == 0;
    if (linked != NULL) {
        *linked = done;
    }
    if (done) {
        return 0;
    }
    /* Another disk, one that knows no links, or too many of them. */
    bool copies = errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOTSUP;
    return copies ? backup_file_copy(from, to, 0600, progress, err) : err_sys(err, "link", to);
}

/* --- removing --- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

int backup_tree_remove(const char *dir, struct err *err)
{
    ASSERT(dir != NULL);
    struct stat info;
    if (lstat(dir, &info) != 0) {
        return errno == ENOENT ? 0 : err_sys(err, "look at", dir);
    }
    return nftw(dir, remove_one, TREE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS) == 0
               ? 0
               : err_sys(err, "remove", dir);
}
