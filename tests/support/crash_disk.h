/* tests/support/crash_disk.h - a disk for journal/ that records, fails, and loses power.
 *
 * Writes go to the real files at once, as they do to the page cache; what they replaced is kept
 * until a sync. crash_disk_cut then plays a power cut: of what was not synced any sector may be
 * what it was before, and any rename or removal may not have happened.
 */
#ifndef KITBAG_TESTS_SUPPORT_CRASH_DISK_H
#define KITBAG_TESTS_SUPPORT_CRASH_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/disk.h"

struct crash_record;

struct crash_disk {
    struct disk disk; /* to be given to the code under test */
    /* What goes wrong; zeros: nothing. */
    unsigned fail_at;   /* the call of this number (from 1, see `calls`) fails ... */
    int fail_errno;     /* ... with this */
    unsigned dead_from; /* from this call on the power is gone: nothing happens any more, EIO */
    bool short_writes;  /* a write takes half of its bytes */
    bool lying;         /* a sync returns 0 and does nothing: the control of crash tests */
    /* What happened. */
    unsigned calls;
    char text[4096]; /* "pwrite:name@offset+size fdatasync:name ...", as far as it fits */
    struct crash_record *records; /* not synced, newest first */
};

void crash_disk_init(struct crash_disk *disk);
/* Forget the counted calls and the text, not what is not synced. */
void crash_disk_restart(struct crash_disk *disk);
/* The power cut. `seed` chooses what is lost; equal seeds lose equal things. `all`: everything
 * that was not synced. The disk is as good as new afterwards. */
void crash_disk_cut(struct crash_disk *disk, uint64_t seed, bool all);
/* Ends without a cut. */
void crash_disk_free(struct crash_disk *disk);

#endif
