/* journal/journal_history.c - forks, ancestors, and what is told of single segments. */
#include <string.h>

#include "journal/journal_inside.h"

static bool is_known(const struct segment_id *id, const uint8_t *history)
{
    return memcmp(id->history, history, HISTORY_SIZE) == 0 ||
           lineage_find(&id->lineage, history) != NULL;
}

int journal_fork(struct journal *journal, const uint8_t new_history[HISTORY_SIZE], struct err *err)
{
    ASSERT(journal != NULL && new_history != NULL);

    if (journal_failed(journal)) {
        return journal_failed_before(err);
    }
    struct segment_id id;
    journal_next_id(journal, &id);
    if (is_known(&id, new_history)) {
        return err_set(err, E_INVALID, "the journal has been of this history already");
    }
    if (id.base_seq == journal->newest->id.base_seq) { /* both files would have one name */
        return err_set(err, E_INVALID,
                       "no new history can begin at change %llu, where the newest file of the "
                       "journal begins: write something first",
                       (unsigned long long)id.base_seq);
    }
    lineage_add(&id.lineage, id.history, journal->head.seq);
    memcpy(id.history, new_history, HISTORY_SIZE);
    int rc = journal_roll(journal, &id, err);
    if (rc == E_IO) {
        atomic_store(&journal->failed, true);
    }
    return rc;
}

int journal_lineage(struct journal *journal, const uint8_t history[HISTORY_SIZE],
                    uint64_t *resume_seq, struct err *err)
{
    ASSERT(journal != NULL && history != NULL && resume_seq != NULL);

    int rc = 0;
    (void)pthread_mutex_lock(&journal->lock);
    const struct segment_id *id = &journal->newest->id;
    const struct ancestor *ancestor = lineage_find(&id->lineage, history);
    if (memcmp(id->history, history, HISTORY_SIZE) == 0) {
        *resume_seq = UINT64_MAX;
    } else if (ancestor != NULL) {
        *resume_seq = ancestor->last_seq;
    } else {
        rc = E_HISTORY;
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return rc == 0 ? 0 : err_set(err, rc, "the journal was never of this history");
}

static void describe(const struct journal *journal, const struct piece *piece,
                     struct journal_segment_info *out)
{
    *out = (struct journal_segment_info){
        .base_seq = piece->id.base_seq,
        .last_seq = piece_last_seq(journal, piece),
        .first_time_ms = piece->first_ms,
        .last_time_ms = piece->last_ms,
        .bytes = (uint64_t)(atomic_load(&piece->end) - SEGMENT_HEADER_SIZE),
        .file_bytes = (uint64_t)piece->file_bytes,
        .newest = piece == journal->newest,
        .readers = piece->readers,
    };
    memcpy(out->history, piece->id.history, HISTORY_SIZE);
}

int journal_segment_info(struct journal *journal, uint64_t seq, struct journal_segment_info *out,
                         struct err *err)
{
    ASSERT(journal != NULL && out != NULL);

    bool found = false;
    (void)pthread_mutex_lock(&journal->lock);
    uint64_t head = journal->shown_head.seq;
    for (const struct piece *piece = journal->first; piece != NULL && !found;
         piece = atomic_load(&piece->next)) {
        /* one that holds nothing yet is told behind the head */
        found = piece_last_seq(journal, piece) >= seq || (piece->id.base_seq == seq);
        if (found) {
            describe(journal, piece, out);
        }
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return found ? 0
                 : err_set(err, E_NOT_FOUND,
                           "change %llu is ahead of the journal, which ends with %llu",
                           (unsigned long long)seq, (unsigned long long)head);
}
