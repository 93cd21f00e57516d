/* server/retaining.h - carries out what retention decides: looks at the journal, the devices and
 * the times, lets go of segments, and sets the goals of the state's upkeep.
 *
 * The journal may be shorter than tombstones are kept: so (time, seq) marks of the head are noted
 * in the state ("retention/marks"), some four a day, to tell later how old a seq is.
 *
 * Owned by one thread; blocks on the disk.
 */
#ifndef KITBAG_SERVER_RETAINING_H
#define KITBAG_SERVER_RETAINING_H

#include "admin/backend.h"
#include "server/retention.h"
#include "server/seen.h"
#include "server/upkeep.h"

struct retaining;

struct retaining_options {
    struct retention_settings settings;
    struct journal *journal; /* borrowed for life, as all of these */
    struct kv *kv;
    struct seen *seen;
    struct upkeep *upkeep;
};

struct retaining_now {
    uint64_t wall_ms;
    uint64_t flushed_seq;
    bool clock_held;
    bool room_low;
};

MUST_CHECK int retaining_new(struct retaining **out, const struct retaining_options *options,
                             struct err *err);
void retaining_free(struct retaining **retaining);

/* Decide and do. E_IO, E_CORRUPT, E_NOMEM...: some of it was not done; the next round tries again.
 */
MUST_CHECK int retaining_round(struct retaining *retaining, const struct retaining_now *now,
                               struct err *err);
/* Can no change of this seq or below be undone any more? */
uint64_t retaining_undo_seq(const struct retaining *retaining);
/* What the last round decided, and why. */
void retaining_lines(const struct retaining *retaining, struct retention_line out[RETENTION_LINES]);

#endif
