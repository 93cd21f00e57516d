/* server/housekeeping.h - a thread for what blocks on the disk and nobody waits for: the next
 * segment of the journal is written ahead, the state is flushed, the room on the disk is watched.
 */
#ifndef KITBAG_SERVER_HOUSEKEEPING_H
#define KITBAG_SERVER_HOUSEKEEPING_H

#include "journal/journal.h"
#include "kv/kv.h"

struct housekeeping;

struct housekeeping_options {
    struct journal *journal;    /* borrowed until the stop */
    struct kv *kv;              /* borrowed until the stop */
    uint64_t flush_interval_ms; /* when few changes came */
    uint64_t flush_changes;     /* so many are flushed at once; 0: 200,000 */
    const char *dir;            /* on the disk that is watched; borrowed until the stop */
    uint64_t reserve_bytes;     /* with less free there is no room */
};

MUST_CHECK int housekeeping_start(struct housekeeping **out,
                                  const struct housekeeping_options *options, struct err *err);
/* Waits for a flush that is under way. */
void housekeeping_stop(struct housekeeping **housekeeping);

/* Is more than the reserve free? As of the last look. Any thread. */
bool housekeeping_room(const struct housekeeping *housekeeping);
/* Up to where the state is on disk: replaying would begin behind it. Any thread. */
uint64_t housekeeping_flushed(const struct housekeeping *housekeeping);

#endif
