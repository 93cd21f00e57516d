/* journal/past.c - backwards: a bag's chain of changes, and one change by its seq. */
#include "journal/past.h"

#include <stdlib.h>
#include <string.h>

struct past {
    struct journal *journal;
    uint64_t seq; /* to be told next; 0: the chain is at its end */
    /* The batch that was read last: its payload lives in the cursor, what it was unpacked to in
     * `unpacked`. */
    struct journal_cursor *cursor; /* NULL: none */
    struct batch batch;
    struct unpacked unpacked;
};

int past_open(struct past **out, struct journal *journal, uint64_t newest_seq, struct err *err)
{
    ASSERT(out != NULL && journal != NULL);
    struct past *past = calloc(1, sizeof *past);
    if (past == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    past->journal = journal;
    past->seq = newest_seq;
    *out = past;
    return 0;
}

void past_close(struct past **past)
{
    if (past == NULL || *past == NULL) {
        return;
    }
    journal_cursor_close(&(*past)->cursor);
    unpack_close(&(*past)->unpacked);
    free(*past);
    *past = NULL;
}

void past_seek(struct past *past, uint64_t seq)
{
    ASSERT(past != NULL);
    past->seq = seq;
}

/* The batch that holds past->seq. When there is an error there is none. */
static int read_batch(struct past *past, struct err *err)
{
    journal_cursor_close(&past->cursor);
    uint64_t floor = journal_floor(past->journal);
    if (past->seq < floor) {
        return err_set(err, E_TOO_OLD,
                       "change %llu is no longer in the journal, which begins at change %llu",
                       (unsigned long long)past->seq, (unsigned long long)floor);
    }
    int rc = journal_cursor_open(&past->cursor, past->journal, past->seq, err);
    if (rc == E_NOT_FOUND) { /* let go of meanwhile */
        rc = err == NULL ? E_TOO_OLD : (err->code = E_TOO_OLD);
    }
    if (rc == 0) {
        rc = journal_cursor_next(past->cursor, &past->batch, err);
    }
    if (rc == 0) {
        rc = batch_unpack(&past->batch, &past->unpacked, err);
    }
    if (rc != 0) {
        journal_cursor_close(&past->cursor);
    }
    return rc;
}

static bool is_at_hand(const struct past *past)
{
    return past->cursor != NULL && past->seq >= past->batch.base_seq &&
           past->seq - past->batch.base_seq < past->batch.count;
}

int past_next(struct past *past, struct change *out, struct err *err)
{
    ASSERT(past != NULL && out != NULL);

    if (past->seq == 0) {
        return err_set(err, E_NOT_FOUND, "there is no change before that one");
    }
    int rc = is_at_hand(past) ? 0 : read_batch(past, err);
    if (rc == 0) {
        rc = batch_change(&past->batch, &past->unpacked, past->seq, out, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (out->prev >= out->seq) { /* else the chain would never end */
        return err_set(err, E_CORRUPT, "change %llu names %llu as the change before it",
                       (unsigned long long)out->seq, (unsigned long long)out->prev);
    }
    past->seq = out->prev;
    return 0;
}

/* --- changes that own what they point to --- */

void past_change_free(struct past_change *change)
{
    if (change == NULL) {
        return;
    }
    free(change->bytes);
    *change = (struct past_change){0};
}

int past_change_copy(struct past_change *out, const struct change *change, struct err *err)
{
    ASSERT(out != NULL && change != NULL);

    struct change copy = *change;
    struct span *spans[] = {&copy.actor, &copy.path, &copy.value, &copy.old_value};
    size_t size = 1; /* never nothing */
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        size += spans[i]->size;
    }
    uint8_t *bytes = malloc(size);
    if (bytes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    uint8_t *at = bytes;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        if (spans[i]->size > 0) {
            memcpy(at, spans[i]->data, spans[i]->size);
        }
        *spans[i] = span_of(at, spans[i]->size);
        at += spans[i]->size;
    }
    past_change_free(out);
    *out = (struct past_change){.change = copy, .bytes = bytes};
    return 0;
}

int journal_change_at(struct journal *journal, uint64_t seq, struct past_change *out,
                      struct err *err)
{
    ASSERT(journal != NULL && out != NULL);

    struct past *past = NULL;
    struct change change;
    int rc = past_open(&past, journal, seq, err);
    if (rc == 0) {
        rc = past_next(past, &change, err);
    }
    if (rc == 0) {
        rc = past_change_copy(out, &change, err);
    }
    past_close(&past);
    return rc;
}
