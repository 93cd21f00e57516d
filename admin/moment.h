/* admin/moment.h - a moment that a person names: a change's seq, or a time.
 *
 *   4711                       the state after this change
 *   2026-11-22                 the state at a time, of UTC; what is left out is zero
 *   2026-11-22T17:51:37.123Z   "T" may be a space, the "Z" may be left out
 *   -2h                        that long ago (see clock_parse_duration)
 *   now
 *
 * Pure but for the look into the journal that finds the seq of a time. Any thread; blocks on the
 * disk.
 */
#ifndef KITBAG_ADMIN_MOMENT_H
#define KITBAG_ADMIN_MOMENT_H

#include "base/clock.h"
#include "journal/journal.h"

/* The text alone: a seq (then *time_ms is 0), or a time (then *seq is 0). `now_ms` since 1970.
 * E_INVALID with the forms that there are. */
MUST_CHECK int admin_moment_parse(const char *text, uint64_t now_ms, uint64_t *seq,
                                  uint64_t *time_ms, struct err *err);

/* The last change that counts: of a time the last one before or at it, 0 when everything is newer.
 * E_INVALID (see above; or the seq is 0 or ahead of the journal), E_TOO_OLD (the journal begins
 * later than that time), and what reading it may return. */
MUST_CHECK int admin_moment_seq(struct journal *journal, const char *text, uint64_t *seq,
                                struct err *err);

/* No moment lies within a change set: when `seq` does, the set's last change. */
MUST_CHECK int admin_moment_whole(struct journal *journal, uint64_t *seq, struct err *err);

#endif
