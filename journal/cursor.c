/* journal/cursor.c - reading the journal: from a change on, and the hash after a change.
 *
 * Every reader has descriptors and memory of its own. Why it may read while the committer appends
 * is told in journal_inside.h.
 */
#include <stdlib.h>
#include <string.h>

#include "journal/journal_inside.h"

/* A place in the row of pieces. */
struct place {
    struct journal *journal;
    struct piece *piece;
    struct segment *segment; /* of `piece`, to read only */
    struct segment_position at;
    struct buf scratch;
};

static void place_close(struct place *place)
{
    segment_close(&place->segment);
    buf_free(&place->scratch);
}

/* The piece that holds `seq`, or would. */
static struct piece *find_piece(const struct journal *journal, uint64_t seq)
{
    struct piece *piece = journal->first;
    for (;;) {
        struct piece *next = atomic_load_explicit(&piece->next, memory_order_acquire);
        if (next == NULL || next->id.base_seq > seq) {
            return piece;
        }
        piece = next;
    }
}

/* The last place known in the piece that is not behind `seq`. */
static void find_mark(struct journal *journal, const struct piece *piece, uint64_t seq,
                      struct segment_position *at)
{
    *at = (struct segment_position){.offset = SEGMENT_HEADER_SIZE, .seq = piece->id.base_seq};
    memcpy(at->hash, piece->id.prev_hash, SHA256_SIZE);
    (void)pthread_mutex_lock(&journal->lock); /* fails on our mistakes only */
    size_t low = 0;
    size_t high = piece->mark_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (piece->marks[middle].seq <= seq) {
            *at = piece->marks[middle];
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (void)pthread_mutex_unlock(&journal->lock);
}

static int place_open(struct place *place, struct journal *journal, uint64_t seq, struct err *err)
{
    *place = (struct place){.journal = journal};
    buf_init(&place->scratch, BATCH_SIZE_MAX);
    if (seq < journal_floor(journal)) {
        return err_set(err, E_NOT_FOUND,
                       "change %llu is older than the journal, which begins at "
                       "change %llu",
                       (unsigned long long)seq, (unsigned long long)journal_floor(journal));
    }
    place->piece = find_piece(journal, seq);
    find_mark(journal, place->piece, seq, &place->at);
    return segment_open_read(&place->segment, place->piece->path, err);
}

/* On to the next piece: it has to begin where this one ends. */
static int cross(struct place *place, struct piece *next, struct err *err)
{
    if (next->id.base_seq != place->at.seq ||
        memcmp(next->id.prev_hash, place->at.hash, SHA256_SIZE) != 0) {
        return err_set(err, E_CORRUPT,
                       "'%s' is damaged at offset 0, where change %llu begins: it does not follow "
                       "'%s'",
                       next->path, (unsigned long long)place->at.seq, place->piece->path);
    }
    struct segment *segment = NULL;
    int rc = segment_open_read(&segment, next->path, err);
    if (rc != 0) {
        return rc;
    }
    segment_close(&place->segment);
    place->segment = segment;
    place->piece = next;
    place->at.offset = SEGMENT_HEADER_SIZE;
    return 0;
}

/* Is there a batch to read? 0, or E_NOT_FOUND at the head. `next` is asked for first: once there
 * is one, the `end` that is loaded after it is final. */
static int place_wait(struct place *place, struct err *err)
{
    for (;;) {
        struct piece *next = atomic_load_explicit(&place->piece->next, memory_order_acquire);
        off_t end = atomic_load_explicit(&place->piece->end, memory_order_acquire);
        if (place->at.offset < end) {
            return 0;
        }
        if (next == NULL) {
            return err_set(err, E_NOT_FOUND, "change %llu is not there yet",
                           (unsigned long long)place->at.seq);
        }
        int rc = cross(place, next, err);
        if (rc != 0) {
            return rc;
        }
    }
}

/* The next batch, verified. What `end` promised has to be there. */
static int place_step(struct place *place, struct batch *out, struct err *err)
{
    int rc = place_wait(place, err);
    if (rc != 0) {
        return rc;
    }
    rc = segment_step(place->segment, &place->at, &place->scratch, out, err);
    if (rc == E_NOT_FOUND || (rc == 0 && out->clean_stop)) {
        return err_set(err, E_CORRUPT,
                       "'%s' is damaged at offset %lld, where change %llu begins: the batch that "
                       "was there is gone",
                       place->piece->path, (long long)place->at.offset,
                       (unsigned long long)place->at.seq);
    }
    return rc;
}

/* --- following the tail --- */

struct journal_cursor {
    struct place place;
    uint64_t from; /* batches that end before it are left out */
};

int journal_cursor_open(struct journal_cursor **out, struct journal *journal, uint64_t seq,
                        struct err *err)
{
    ASSERT(out != NULL && journal != NULL);

    struct journal_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int rc = place_open(&cursor->place, journal, seq, err);
    if (rc != 0) {
        journal_cursor_close(&cursor);
        return rc;
    }
    cursor->from = seq;
    *out = cursor;
    return 0;
}

void journal_cursor_close(struct journal_cursor **cursor)
{
    if (cursor == NULL || *cursor == NULL) {
        return;
    }
    place_close(&(*cursor)->place);
    free(*cursor);
    *cursor = NULL;
}

int journal_cursor_next(struct journal_cursor *cursor, struct batch *out, struct err *err)
{
    ASSERT(cursor != NULL && out != NULL);

    struct batch batch;
    do {
        int rc = place_step(&cursor->place, &batch, err);
        if (rc != 0) {
            return rc;
        }
    } while (batch.base_seq + batch.count <= cursor->from);
    *out = batch;
    return 0;
}

/* --- the hash after a change --- */

static void remember(struct place *place)
{
    (void)pthread_mutex_lock(&place->journal->lock);
    piece_mark(place->piece, &place->at);
    (void)pthread_mutex_unlock(&place->journal->lock);
}

static int search(struct place *place, uint64_t seq, uint8_t out[SHA256_SIZE], struct err *err)
{
    while (place->at.seq <= seq) {
        struct batch batch;
        int rc = place_step(place, &batch, err);
        if (rc != 0) {
            return rc;
        }
        remember(place);
    }
    if (place->at.seq != seq + 1) {
        return err_set(err, E_NOT_FOUND, "no batch ends with change %llu", (unsigned long long)seq);
    }
    memcpy(out, place->at.hash, SHA256_SIZE);
    return 0;
}

int journal_hash_at(struct journal *journal, uint64_t seq, uint8_t out[SHA256_SIZE],
                    struct err *err)
{
    ASSERT(journal != NULL && out != NULL);

    struct journal_position head;
    journal_head(journal, &head);
    if (seq > head.seq) {
        return err_set(err, E_NOT_FOUND,
                       "change %llu is ahead of the journal, which ends with %llu",
                       (unsigned long long)seq, (unsigned long long)head.seq);
    }
    if (seq == head.seq && seq >= journal_floor(journal)) {
        memcpy(out, head.hash, SHA256_SIZE);
        return 0;
    }
    struct place place;
    int rc = place_open(&place, journal, seq, err);
    if (rc == 0) {
        rc = search(&place, seq, out, err);
    }
    place_close(&place);
    return rc;
}
