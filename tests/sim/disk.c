/* tests/sim/disk.c - what was replaced, remembered until it is durable. */
#include "tests/sim/disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/chance.h"

enum { SECTOR = 512, NAME_ROOM = 256 }; /* paths are relative, and short */

/* A write (fd >= 0), or a rename, or a removal: a rename to a hidden name. */
struct sim_record {
    struct sim_record *next;
    int fd;
    ino_t inode;
    off_t offset;
    size_t size;
    uint8_t *before; /* NULL: nothing but zeros */
    uint8_t *safe;   /* by sector, of a write whose sync failed: written anew and synced since */
    bool removed;
    char from[NAME_ROOM];
    char to[NAME_ROOM];
    char replaced[NAME_ROOM]; /* a link to what was at `to`; "": nothing was */
};

static void must(bool holds, const char *what)
{
    if (!holds) {
        perror(what);
        abort();
    }
}

static struct sim_record *record_new(struct sim_disk *disk)
{
    struct sim_record *record = calloc(1, sizeof *record);
    must(record != NULL, "calloc");
    record->fd = -1;
    record->next = disk->records;
    disk->records = record;
    return record;
}

static void record_free(struct sim_record *record)
{
    if (record->fd >= 0) {
        (void)close(record->fd);
    }
    if (record->removed) {
        (void)unlink(record->to);
    }
    if (record->replaced[0] != '\0') {
        (void)unlink(record->replaced);
    }
    free(record->before);
    free(record->safe);
    free(record);
}

static bool begin(struct sim_disk *disk, const char *call, uint64_t a, uint64_t b)
{
    disk->calls++;
    chance_note(call, a, b);
    if (disk->dies_at != 0 && disk->calls >= disk->dies_at) {
        disk->dead = true;
    }
    if (disk->dead) {
        errno = EIO;
    }
    return !disk->dead;
}

static struct stat status_of(int fd)
{
    struct stat info;
    must(fstat(fd, &info) == 0, "fstat");
    return info;
}

static void keep_before(struct sim_record *record, int fd, size_t size, off_t offset, off_t end)
{
    record->fd = dup(fd);
    must(record->fd >= 0, "dup");
    record->offset = offset;
    record->size = size;
    if (offset < end) {
        record->before = calloc(1, size);
        must(record->before != NULL, "calloc");
        must(pread(fd, record->before, size, offset) >= 0, "pread");
    }
}

static ssize_t disk_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    struct sim_disk *disk = context;
    if (!begin(disk, "pwrite", size, (uint64_t)offset)) {
        return -1;
    }
    chance_note_bytes(span_of(data, size));
    struct stat info = status_of(fd);
    if (disk->full && offset + (off_t)size > info.st_size) {
        errno = ENOSPC;
        return -1;
    }
    struct sim_record *record = record_new(disk);
    record->inode = info.st_ino;
    keep_before(record, fd, size, offset, info.st_size);
    return pwrite(fd, data, size, offset);
}

/* --- syncing --- */

static size_t sectors_of(const struct sim_record *record)
{
    return record->size / SECTOR + 2;
}

static size_t sector_at(const struct sim_record *record, off_t at)
{
    return (size_t)(at / SECTOR - record->offset / SECTOR);
}

/* What the older one lost to a failed sync lies under a write that is durable now. */
static void make_safe(struct sim_record *older, const struct sim_record *newer)
{
    off_t from = older->offset > newer->offset ? older->offset : newer->offset;
    off_t older_end = older->offset + (off_t)older->size;
    off_t newer_end = newer->offset + (off_t)newer->size;
    off_t end = older_end < newer_end ? older_end : newer_end;
    for (off_t at = from; at < end; at = (at / SECTOR + 1) * SECTOR) {
        older->safe[sector_at(older, at)] = 1;
    }
}

static bool belongs(const struct sim_record *record, const struct stat *info)
{
    return record->fd >= 0 ? record->inode == info->st_ino : S_ISDIR(info->st_mode);
}

static void settle(struct sim_disk *disk, const struct stat *info)
{
    for (struct sim_record **at = &disk->records; *at != NULL;) {
        struct sim_record *record = *at;
        if (!belongs(record, info) || record->safe != NULL) {
            at = &record->next;
            continue;
        }
        for (struct sim_record *older = record->next; older != NULL; older = older->next) {
            if (older->safe != NULL && older->inode == record->inode && record->fd >= 0) {
                make_safe(older, record);
            }
        }
        *at = record->next;
        record_free(record);
    }
}

/* None of it will be durable by a later sync: the system has given it up. */
static void spoil(struct sim_disk *disk, const struct stat *info)
{
    for (struct sim_record *record = disk->records; record != NULL; record = record->next) {
        if (belongs(record, info) && record->fd >= 0 && record->safe == NULL) {
            record->safe = calloc(1, sectors_of(record));
            must(record->safe != NULL, "calloc");
        }
    }
}

static int sync_call(struct sim_disk *disk, const char *call, int fd)
{
    if (!begin(disk, call, 0, 0)) {
        return -1;
    }
    struct stat info = status_of(fd);
    if (disk->sync_fails) {
        disk->sync_fails = false;
        spoil(disk, &info);
        errno = EIO;
        return -1;
    }
    if (!disk->lies) {
        settle(disk, &info);
    }
    return 0;
}

static int disk_fdatasync(void *context, int fd)
{
    return sync_call(context, "fdatasync", fd);
}

static int disk_fsync(void *context, int fd)
{
    return sync_call(context, "fsync", fd);
}

/* --- names --- */

static void hidden_name(const char *path, char out[NAME_ROOM])
{
    static unsigned long number;
    int len = snprintf(out, NAME_ROOM, "%s.hidden-%lu", path, number++);
    must(len > 0 && len < NAME_ROOM, "path");
}

static int disk_rename(void *context, const char *from, const char *to)
{
    struct sim_disk *disk = context;
    char replaced[NAME_ROOM] = "";
    if (!begin(disk, "rename", strlen(from), strlen(to))) {
        return -1;
    }
    if (access(to, F_OK) == 0) {
        hidden_name(to, replaced);
        must(link(to, replaced) == 0, "link");
    }
    int rc = rename(from, to);
    if (rc == 0) {
        struct sim_record *record = record_new(disk);
        (void)snprintf(record->from, sizeof record->from, "%s", from);
        (void)snprintf(record->to, sizeof record->to, "%s", to);
        memcpy(record->replaced, replaced, sizeof replaced);
    }
    return rc;
}

static int disk_unlink(void *context, const char *path)
{
    struct sim_disk *disk = context;
    char hidden[NAME_ROOM];
    if (!begin(disk, "unlink", strlen(path), 0)) {
        return -1;
    }
    hidden_name(path, hidden);
    int rc = rename(path, hidden);
    if (rc == 0) {
        struct sim_record *record = record_new(disk);
        record->removed = true;
        (void)snprintf(record->from, sizeof record->from, "%s", path);
        (void)snprintf(record->to, sizeof record->to, "%s", hidden);
    }
    return rc;
}

/* --- the power --- */

static void undo_write(const struct sim_record *record)
{
    static const uint8_t zeros[SECTOR];
    bool all = chance_percent(30);
    for (size_t at = 0; at < record->size;) {
        off_t offset = record->offset + (off_t)at;
        size_t size = SECTOR - (size_t)(offset % SECTOR);
        size = size < record->size - at ? size : record->size - at;
        bool safe = record->safe != NULL && record->safe[sector_at(record, offset)] != 0;
        if (!safe && (all || chance_percent(50))) {
            const uint8_t *before = record->before != NULL ? record->before + at : zeros;
            must(pwrite(record->fd, before, size, offset) == (ssize_t)size, "pwrite");
        }
        at += size;
    }
}

/* Of several that belong together a later one may have stayed: then this one did too. */
static void undo_rename(struct sim_record *record)
{
    if (access(record->to, F_OK) != 0 || access(record->from, F_OK) == 0) {
        return;
    }
    must(rename(record->to, record->from) == 0, "rename");
    if (record->replaced[0] != '\0') {
        must(rename(record->replaced, record->to) == 0, "rename back");
        record->replaced[0] = '\0';
    }
}

void sim_disk_init(struct sim_disk *disk)
{
    *disk = (struct sim_disk){
        .disk = {disk_pwrite, disk_fdatasync, disk_fsync, disk_rename, disk_unlink, disk}};
}

void sim_disk_cut(struct sim_disk *disk)
{
    bool lies = disk->lies;
    uint64_t calls = disk->calls;
    while (disk->records != NULL) { /* newest first: what comes back is older and older */
        struct sim_record *record = disk->records;
        disk->records = record->next;
        if (record->fd >= 0) {
            undo_write(record);
        } else if (chance_percent(50)) {
            undo_rename(record);
        }
        record_free(record);
    }
    sim_disk_init(disk);
    disk->lies = lies;
    disk->calls = calls;
}

void sim_disk_revive(struct sim_disk *disk)
{
    disk->dies_at = 0;
    disk->dead = false;
    disk->sync_fails = false;
}

void sim_disk_free(struct sim_disk *disk)
{
    while (disk->records != NULL) {
        struct sim_record *record = disk->records;
        disk->records = record->next;
        record_free(record);
    }
}
