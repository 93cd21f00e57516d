/* tests/support/crash_disk.c - a disk for journal/ that records, fails, and loses power. */
#include "tests/support/crash_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512 };

/* A write that is not synced (fd >= 0, with the bytes it replaced), a rename, or a removal: a
 * rename to a name that nobody knows, so that the file can come back. */
struct crash_record {
    struct crash_record *next;
    int fd;
    ino_t inode;
    off_t offset;
    size_t size;
    uint8_t *before;
    bool removed;
    char from[PATH_MAX];
    char to[PATH_MAX];
};

static void record_free(struct crash_record *record)
{
    if (record->fd >= 0) {
        (void)close(record->fd);
    }
    if (record->removed) {
        (void)unlink(record->to); /* gone for good; not there any more when it came back */
    }
    free(record->before);
    free(record);
}

/* A test can't go on without these. */
static void must(bool holds, const char *what)
{
    if (!holds) {
        perror(what);
        abort();
    }
}

static struct crash_record *record_new(struct crash_disk *disk)
{
    struct crash_record *record = calloc(1, sizeof *record);
    must(record != NULL, "calloc");
    record->fd = -1;
    record->next = disk->records;
    disk->records = record;
    return record;
}

static void name_of(int fd, char *out, size_t size)
{
    char link[64];
    char path[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len < 0 ? 0 : len] = '\0';
    const char *slash = strrchr(path, '/');
    (void)snprintf(out, size, "%.*s", (int)size - 1, slash != NULL ? slash + 1 : path);
}

static void note(struct crash_disk *disk, const char *text)
{
    size_t used = strlen(disk->text);
    (void)snprintf(disk->text + used, sizeof disk->text - used, "%s%s", used > 0 ? " " : "", text);
}

/* Counts and notes a call; false when it has to fail, errno set. */
static bool begin(struct crash_disk *disk, const char *call, int fd, const char *detail)
{
    char name[256] = "";
    if (fd >= 0) {
        name_of(fd, name, sizeof name);
    }
    char text[PATH_MAX + 300];
    (void)snprintf(text, sizeof text, "%s:%s%s", call, name, detail);
    note(disk, text);
    disk->calls++;
    if (disk->dead_from != 0 && disk->calls >= disk->dead_from) {
        errno = EIO;
        return false;
    }
    if (disk->calls == disk->fail_at) {
        errno = disk->fail_errno;
        return false;
    }
    return true;
}

static ssize_t crash_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    struct crash_disk *disk = context;
    char detail[64];
    (void)snprintf(detail, sizeof detail, "@%lld+%zu", (long long)offset, size);
    if (!begin(disk, "pwrite", fd, detail)) {
        return -1;
    }
    size = disk->short_writes && size > 1 ? size / 2 : size;
    struct stat info;
    must(fstat(fd, &info) == 0, "fstat");
    struct crash_record *record = record_new(disk);
    record->inode = info.st_ino;
    record->offset = offset;
    record->size = size;
    record->before = calloc(1, size);
    must(record->before != NULL, "calloc");
    must(pread(fd, record->before, size, offset) >= 0, "pread");
    record->fd = dup(fd);
    must(record->fd >= 0, "dup");
    return pwrite(fd, data, size, offset);
}

/* A folder's sync makes renames and removals durable, a file's its writes. */
static void forget(struct crash_disk *disk, int fd)
{
    struct stat info;
    must(fstat(fd, &info) == 0, "fstat");
    for (struct crash_record **at = &disk->records; *at != NULL;) {
        struct crash_record *record = *at;
        bool synced = record->fd >= 0 ? record->inode == info.st_ino : S_ISDIR(info.st_mode);
        if (synced) {
            *at = record->next;
            record_free(record);
        } else {
            at = &record->next;
        }
    }
}

static int sync_call(struct crash_disk *disk, const char *call, int fd)
{
    if (!begin(disk, call, fd, "")) {
        return -1;
    }
    if (!disk->lying) { /* the page cache is this process's files: no real sync is needed */
        forget(disk, fd);
    }
    return 0;
}

static int crash_fdatasync(void *context, int fd)
{
    return sync_call(context, "fdatasync", fd);
}

static int crash_fsync(void *context, int fd)
{
    return sync_call(context, "fsync", fd);
}

static int crash_rename(void *context, const char *from, const char *to)
{
    struct crash_disk *disk = context;
    const char *slash = strrchr(to, '/');
    if (!begin(disk, "rename", -1, slash != NULL ? slash + 1 : to)) {
        return -1;
    }
    int rc = rename(from, to);
    if (rc == 0) {
        struct crash_record *record = record_new(disk);
        (void)snprintf(record->from, sizeof record->from, "%s", from);
        (void)snprintf(record->to, sizeof record->to, "%s", to);
    }
    return rc;
}

static int crash_unlink(void *context, const char *path)
{
    struct crash_disk *disk = context;
    const char *slash = strrchr(path, '/');
    if (!begin(disk, "unlink", -1, slash != NULL ? slash + 1 : path)) {
        return -1;
    }
    static unsigned long number; /* tests use one thread for it */
    char hidden[PATH_MAX];
    int len = snprintf(hidden, sizeof hidden, "%s.removed-%lu", path, number++);
    must(len > 0 && (size_t)len < sizeof hidden, "path");
    int rc = rename(path, hidden);
    if (rc == 0) {
        struct crash_record *record = record_new(disk);
        record->removed = true;
        (void)snprintf(record->from, sizeof record->from, "%s", path);
        (void)snprintf(record->to, sizeof record->to, "%s", hidden);
    }
    return rc;
}

void crash_disk_init(struct crash_disk *disk)
{
    *disk = (struct crash_disk){
        .disk = {crash_pwrite, crash_fdatasync, crash_fsync, crash_rename, crash_unlink, disk}};
}

void crash_disk_restart(struct crash_disk *disk)
{
    disk->calls = 0;
    disk->text[0] = '\0';
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15U; /* splitmix64 */
    uint64_t value = *state;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31);
}

static void undo_write(const struct crash_record *record, uint64_t *random, bool all)
{
    for (size_t at = 0; at < record->size;) {
        size_t in_sector = (size_t)((record->offset + (off_t)at) % SECTOR);
        size_t size = SECTOR - in_sector;
        size = size < record->size - at ? size : record->size - at;
        if (all || (next_random(random) & 1) != 0) {
            off_t offset = record->offset + (off_t)at;
            must(pwrite(record->fd, record->before + at, size, offset) == (ssize_t)size, "pwrite");
        }
        at += size;
    }
}

/* Of several that belong together a later one may have stayed: then this one did too. */
static void undo_rename(const struct crash_record *record)
{
    if (access(record->to, F_OK) == 0 && access(record->from, F_OK) != 0) {
        must(rename(record->to, record->from) == 0, "rename");
    }
}

void crash_disk_cut(struct crash_disk *disk, uint64_t seed, bool all)
{
    uint64_t random = seed;
    while (disk->records != NULL) { /* newest first, so that what comes back is older and older */
        struct crash_record *record = disk->records;
        disk->records = record->next;
        if (record->fd >= 0) {
            undo_write(record, &random, all);
        } else if (all || (next_random(&random) & 1) != 0) {
            undo_rename(record);
        }
        record_free(record);
    }
    crash_disk_init(disk);
}

void crash_disk_free(struct crash_disk *disk)
{
    while (disk->records != NULL) {
        struct crash_record *record = disk->records;
        disk->records = record->next;
        record_free(record);
    }
}
