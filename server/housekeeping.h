/* server/housekeeping.h - a thread for what blocks on the disk and nobody waits for.
 *
 * A few times a second it looks at the clock and at the room on the disk, writes the next segment
 * of the journal ahead, flushes the state, reads a piece of it again (scrub), and removes what is
 * over by ordinary changes (clearing, join tokens). About once a minute it lets go of what nobody
 * needs any more (retention) and notes what must not be forgotten (devices' positions, the clock).
 */
#ifndef KITBAG_SERVER_HOUSEKEEPING_H
#define KITBAG_SERVER_HOUSEKEEPING_H

#include "server/clearing.h"
#include "server/retaining.h"
#include "server/sign_ins.h"

struct housekeeping;

/* What is free on a disk. */
struct disk_room {
    uint64_t bytes;
    uint64_t files; /* that can still be made; UINT64_MAX: as many as there are bytes for */
};

enum { HOUSEKEEPING_FILES = 100 }; /* with fewer there is no room */

struct housekeeping_options {
    struct journal *journal; /* borrowed until the stop, as all that follow */
    struct kv *kv;
    struct seen *seen;
    struct sign_ins *sign_ins; /* may be NULL */
    struct upkeep *upkeep;
    const struct clock *clock;
    /* For changes of its own; submit NULL: there are none. It may block until the stop, but must
     * return E_CLOSED then. */
    struct clearing_submit submit;
    uint64_t flushed_seq;       /* the state was on disk up to here when it was opened */
    uint64_t flush_interval_ms; /* when few changes came */
    uint64_t flush_changes;     /* so many are flushed at once; 0: 200,000 */
    const char *dir;            /* on the disk that is watched */
    uint64_t reserve_bytes;     /* with less free there is no room; with less than twice as much the
                                   journal shrinks to what is needed */
    struct retention_settings retention;
    uint64_t scrub_ms; /* a round so often */
    bool unclean;      /* the state was not closed in order: the first round at once */
    /* Of the disk that `dir` is on, false: can't be told. NULL: the system's answer. */
    bool (*room)(void *context, struct disk_room *out);
    void *room_context;
};

MUST_CHECK int housekeeping_start(struct housekeeping **out,
                                  const struct housekeeping_options *options, struct err *err);
/* Waits for a flush that is under way, and notes positions and clock a last time. */
void housekeeping_stop(struct housekeeping **housekeeping);

/* --- any thread --- */

/* Are the reserve and HOUSEKEEPING_FILES free? As of the last look. */
bool housekeeping_room(const struct housekeeping *housekeeping);
/* Up to where the state is on disk: replaying would begin behind it. */
uint64_t housekeeping_flushed(const struct housekeeping *housekeeping);
/* Its part of the status: retention, clock, room, digests (but healed), and in state_text what is
 * wrong with the disk, "" when nothing is. */
void housekeeping_status(struct housekeeping *housekeeping, struct server_status *out);
/* The clock is right: ages count again, from the next look on. */
void housekeeping_confirm_clock(struct housekeeping *housekeeping);

#endif
