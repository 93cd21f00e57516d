/* journal/lineage.c - the histories before the present one. */
#include "journal/lineage.h"

#include <string.h>

void lineage_add(struct lineage *lineage, const uint8_t history[HISTORY_SIZE], uint64_t last_seq)
{
    ASSERT(lineage != NULL && lineage->count <= LINEAGE_MAX);
    if (lineage->count == LINEAGE_MAX) {
        lineage->count--;
        memmove(&lineage->of[0], &lineage->of[1], lineage->count * sizeof lineage->of[0]);
    }
    struct ancestor *ancestor = &lineage->of[lineage->count++];
    memcpy(ancestor->history, history, HISTORY_SIZE);
    ancestor->last_seq = last_seq;
}

const struct ancestor *lineage_find(const struct lineage *lineage,
                                    const uint8_t history[HISTORY_SIZE])
{
    ASSERT(lineage != NULL && lineage->count <= LINEAGE_MAX);
    for (uint32_t i = lineage->count; i > 0; i--) {
        const struct ancestor *ancestor = &lineage->of[i - 1];
        if (memcmp(ancestor->history, history, HISTORY_SIZE) == 0) {
            return ancestor;
        }
    }
    return NULL;
}
