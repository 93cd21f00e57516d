/* server/upkeep.h - the state's slow work, done by the thread that applies when nothing else waits:
 * tombstones, rows of deleted bags and graves whose time is over are removed, a few at a time.
 *
 * Housekeeping says how far each may go; nothing beyond that is touched. A slice takes about half a
 * millisecond: it removes as many rows as the slices before showed to be quick enough.
 */
#ifndef KITBAG_SERVER_UPKEEP_H
#define KITBAG_SERVER_UPKEEP_H

#include "kv/kv.h"

struct upkeep;

/* Each may only grow; a lower one than before is ignored. */
struct upkeep_goals {
    uint64_t purge_to;   /* tombstones of changes up to here go */
    uint64_t clean_to;   /* rows of bags that were deleted up to here go */
    uint64_t bury_below; /* graves of bags that were deleted below go */
};

MUST_CHECK int upkeep_new(struct upkeep **out);
void upkeep_free(struct upkeep **upkeep);

void upkeep_set(struct upkeep *upkeep, const struct upkeep_goals *goals); /* any thread */

/* One slice, by the thread that applies to `kv`; false: nothing was to be done. What fails is
 * logged and left until the goals change. */
bool upkeep_work(struct upkeep *upkeep, struct kv *kv);

#endif
