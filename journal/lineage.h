/* journal/lineage.h - the histories before the present one. Pure.
 *
 * Every segment's header carries them, so that a machine that comes back after years is told up to
 * which change its past is ours too, when the segments of that time are long gone.
 */
#ifndef KITBAG_JOURNAL_LINEAGE_H
#define KITBAG_JOURNAL_LINEAGE_H

#include "journal/change.h"

enum { LINEAGE_MAX = 16 };

struct ancestor {
    uint8_t history[HISTORY_SIZE];
    uint64_t last_seq; /* the last change that belongs to it */
};

/* Oldest first; of more than LINEAGE_MAX the newest. */
struct lineage {
    uint32_t count;
    struct ancestor of[LINEAGE_MAX];
};

/* `history` ended with `last_seq`. */
void lineage_add(struct lineage *lineage, const uint8_t history[HISTORY_SIZE], uint64_t last_seq);

/* NULL: it is no ancestor. */
const struct ancestor *lineage_find(const struct lineage *lineage,
                                    const uint8_t history[HISTORY_SIZE]);

#endif
