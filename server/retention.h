/* server/retention.h - what of the past may go, and what holds the rest: a decision without disk
 * and clock.
 *
 *   journal     whole segments go: older than journal.keep, or over journal.max_bytes, or, with
 *               little room on the disk, all that can
 *   tombstones  go when every active device has passed them, or older than tombstones.keep
 *   undo        what a deletion or a fence made void is kept on disk for undo.keep
 *
 * Keeps true: no segment goes that holds something that the state has not flushed, that an undo
 * within undo.keep needs, or the place in time where that begins; the newest segment never goes.
 * While the clock is not trusted nothing goes by age. What was decided never goes back.
 */
#ifndef KITBAG_SERVER_RETENTION_H
#define KITBAG_SERVER_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct retention_settings {
    uint64_t journal_keep_ms;
    uint64_t journal_max_bytes; /* 0: no limit */
    uint64_t tombstones_keep_ms;
    uint64_t undo_keep_ms;
    uint64_t devices_active_ms; /* a device that was not heard of for longer holds nothing */
};

struct retention_segment {
    uint64_t base_seq;
    uint64_t last_seq; /* base - 1: it holds no change */
    uint64_t last_ms;  /* of the newest batch; with none, of the one before */
    uint64_t bytes;    /* on disk */
};

struct retention_device {
    uint64_t device;
    uint64_t seq; /* it is complete up to here */
    uint64_t last_ms;
};

/* Everything is borrowed for the call. */
struct retention_input {
    const struct retention_settings *settings;
    uint64_t now_ms;
    bool clock_held; /* ages mean nothing at the moment */
    bool room_low;
    uint64_t head_seq;
    uint64_t flushed_seq;
    uint64_t undo_seq;       /* the last change that is older than undo.keep; 0: none */
    uint64_t tombstones_seq; /* the last change that is older than tombstones.keep; 0: none */
    uint64_t undo_before;    /* what was decided the last time */
    uint64_t purged_before;
    const struct retention_segment *segments; /* the oldest first; at least one */
    size_t segment_count;
    const struct retention_device *devices; /* that are registered */
    size_t device_count;
};

/* What keeps a limit from rising further. */
enum retention_hold {
    RETENTION_NEWEST,     /* it is the newest segment */
    RETENTION_AGE,        /* it is not old enough */
    RETENTION_FLUSH,      /* the state is not flushed beyond */
    RETENTION_UNDO,       /* an undo needs it */
    RETENTION_CLOCK,      /* the clock stepped */
    RETENTION_DEVICE,     /* a device has not passed it, and it is not old enough */
    RETENTION_EVERYTHING, /* nothing is left to go */
};

struct retention_limit {
    uint64_t seq;
    enum retention_hold hold;
    uint64_t device; /* of RETENTION_DEVICE */
};

struct retention_decision {
    struct retention_limit journal;    /* segments that end below seq go */
    struct retention_limit tombstones; /* those of changes up to seq go */
    struct retention_limit undo;       /* what became void up to seq can't be undone */
};

void retention_decide(const struct retention_input *input, struct retention_decision *out);

/* Is this device's position waited for? */
bool retention_active(const struct retention_input *input, const struct retention_device *device);

/* One sentence for a person: what holds it. Into ERR_TEXT_MAX bytes. */
void retention_journal_text(const struct retention_input *input,
                            const struct retention_decision *decision, char *out);
void retention_tombstones_text(const struct retention_input *input,
                               const struct retention_decision *decision, char *out);
void retention_undo_text(const struct retention_input *input,
                         const struct retention_decision *decision, char *out);

#endif
