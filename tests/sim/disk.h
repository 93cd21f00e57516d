/* tests/sim/disk.h - the disk of one side: what was not synced can be lost, sector by sector.
 *
 * Writes go to the real files at once, as they do to the page cache; what they replaced is kept
 * until a sync that works. A sync that failed makes nothing durable, and a later one does not make
 * up for it: only bytes that are written anew and synced are safe.
 */
#ifndef KITBAG_TESTS_SIM_DISK_H
#define KITBAG_TESTS_SIM_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/disk.h"

struct sim_record;

struct sim_disk {
    struct disk disk; /* to be given to the product */
    uint64_t dies_at; /* the power goes at the call of this number; 0: never */
    bool dead;        /* since then all fails and nothing happens */
    bool full;        /* a file that grows gets ENOSPC */
    bool sync_fails;  /* the next sync fails with EIO */
    bool lies;        /* for controls: a sync returns 0 and does nothing */
    uint64_t calls;
    struct sim_record *records; /* newest first */
};

void sim_disk_init(struct sim_disk *disk);
/* The power goes: of what was not synced any sector may be what it was before, any rename or
 * removal may not have happened. The disk is as good as new afterwards. */
void sim_disk_cut(struct sim_disk *disk);
/* The process ends and the system goes on: nothing is lost, nothing becomes durable by it. */
void sim_disk_revive(struct sim_disk *disk);
void sim_disk_free(struct sim_disk *disk);

#endif
