/* journal/repair.h - a damaged journal becomes a whole one that is shorter.
 *
 * Nothing is thrown away: what is cut off goes to DIR/../journal.damaged/ first, synced. The server
 * must not run; the caller holds its lock.
 */
#ifndef KITBAG_JOURNAL_REPAIR_H
#define KITBAG_JOURNAL_REPAIR_H

#include <limits.h>

#include "journal/verify.h"

enum repair_keep {
    /* What is before the first fault. The newest changes are lost: the state may hold them, and
     * the machines' replicas. */
    REPAIR_KEEP_BEFORE,
    /* The segments behind the last damaged one. The floor rises, the newest changes stay: right
     * when the state was made durable past it, since only the past is lost. */
    REPAIR_KEEP_BEHIND,
};

struct repair_options {
    enum repair_keep keep;
    bool dry_run;            /* tell what would be done, change nothing */
    const struct disk *disk; /* NULL: the real one */
};

struct repair_report {
    bool damaged;   /* false: it is whole, nothing is to be done */
    char file[256]; /* the first fault, as in struct verify_report */
    uint64_t offset;
    char what[ERR_TEXT_MAX]; /* its sentence */
    uint64_t kept_first;     /* changes that are left; kept_last = kept_first - 1: none */
    uint64_t kept_last;
    uint64_t lost_first; /* changes that go, as far as can be told from names and headers */
    uint64_t lost_last;
    uint64_t moved_files; /* whole files moved to `moved_to` */
    uint64_t moved_bytes; /* with the part that was cut from a file that stays */
    char moved_to[PATH_MAX];
};

/* 0: it is whole now (or would be, with dry_run). E_CORRUPT: nothing would be left that way: the
 * sentence says what to do. E_NOT_FOUND: no journal there. E_EXISTS: something of the same name
 * lies in journal.damaged already. E_FORMAT: it was written by a newer version. E_IO, E_NOSPACE,
 * E_PERMISSION, E_NOMEM: begun perhaps, it can be called again. */
MUST_CHECK int journal_repair(const char *dir, const struct repair_options *options,
                              struct repair_report *report, struct err *err);

#endif
