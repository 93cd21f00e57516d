/* journal/cursor.c - reading the journal: from a change on, the hash after a change, the last
 * change of a time.
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

/* Leave the piece that is stood in, and stand in `piece` (NULL: nowhere). */
static void stand_in(struct place *place, struct piece *piece)
{
    (void)pthread_mutex_lock(&place->journal->lock); /* fails on our mistakes only */
    if (piece != NULL) {
        piece->readers++;
    }
    if (place->piece != NULL) {
        place->piece->readers--;
    }
    (void)pthread_mutex_unlock(&place->journal->lock);
    place->piece = piece;
}

static void place_close(struct place *place)
{
    segment_close(&place->segment);
    stand_in(place, NULL);
    buf_free(&place->scratch);
}

/* What is looked for: a change, or the first one behind a time. */
struct target {
    uint64_t seq;
    bool by_time;
    uint64_t time_ms;
};

static bool mark_is_before(const struct mark *mark, const struct target *target)
{
    return target->by_time ? mark->time_ms <= target->time_ms : mark->at.seq <= target->seq;
}

static bool piece_is_before(const struct piece *piece, const struct target *target)
{
    return target->by_time ? piece->first_ms != 0 && piece->first_ms <= target->time_ms
                           : piece->id.base_seq <= target->seq;
}

/* The last place known in the piece that is not behind the target. Under the lock. */
static void find_mark(const struct piece *piece, const struct target *target,
                      struct segment_position *at)
{
    *at = (struct segment_position){.offset = SEGMENT_HEADER_SIZE, .seq = piece->id.base_seq};
    memcpy(at->hash, piece->id.prev_hash, SHA256_SIZE);
    size_t low = 0;
    size_t high = piece->mark_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mark_is_before(&piece->marks[middle], target)) {
            *at = piece->marks[middle].at;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
}

/* Stand in the piece that holds the target, or would. False: it is below the floor, which is told
 * either way. */
static bool place_find(struct place *place, const struct target *target, uint64_t *floor)
{
    struct journal *journal = place->journal;
    (void)pthread_mutex_lock(&journal->lock);
    struct piece *piece = journal->first;
    *floor = piece->id.base_seq;
    bool found = piece_is_before(piece, target);
    if (found) {
        for (;;) {
            struct piece *next = atomic_load_explicit(&piece->next, memory_order_acquire);
            if (next == NULL || !piece_is_before(next, target)) {
                break;
            }
            piece = next;
        }
        find_mark(piece, target, &place->at);
        piece->readers++;
        place->piece = piece;
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return found;
}

/* In any case place_close has to follow. */
static int place_open(struct place *place, struct journal *journal, uint64_t seq, struct err *err)
{
    *place = (struct place){.journal = journal};
    buf_init(&place->scratch, BATCH_SIZE_MAX);
    struct target target = {.seq = seq};
    uint64_t floor = 0;
    if (!place_find(place, &target, &floor)) {
        return err_set(err, E_NOT_FOUND,
                       "change %llu is older than the journal, which begins at change %llu",
                       (unsigned long long)seq, (unsigned long long)floor);
    }
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
    stand_in(place, next);
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

typedef int step_fn(struct segment *segment, struct segment_position *at, struct buf *scratch,
                    struct batch *out, struct err *err);

/* The next batch, by segment_step or segment_step_unhashed. What `end` promised has to be there. */
static int place_step_by(step_fn *step, struct place *place, struct batch *out, struct err *err)
{
    int rc = place_wait(place, err);
    if (rc != 0) {
        return rc;
    }
    rc = step(place->segment, &place->at, &place->scratch, out, err);
    if (rc == E_NOT_FOUND || (rc == 0 && out->clean_stop)) {
        return err_set(err, E_CORRUPT,
                       "'%s' is damaged at offset %lld, where change %llu begins: the batch that "
                       "was there is gone",
                       place->piece->path, (long long)place->at.offset,
                       (unsigned long long)place->at.seq);
    }
    return rc;
}

static int place_step(struct place *place, struct batch *out, struct err *err)
{
    return place_step_by(segment_step, place, out, err);
}

/* Leave a mark for those who come later, when the last one is far away. */
static void place_mark(const struct place *place, uint64_t time_ms)
{
    (void)pthread_mutex_lock(&place->journal->lock);
    piece_mark(place->piece, &place->at, time_ms);
    (void)pthread_mutex_unlock(&place->journal->lock);
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

static int next_wanted(struct journal_cursor *cursor, step_fn *step, struct batch *out,
                       struct err *err)
{
    ASSERT(cursor != NULL && out != NULL);

    struct batch batch;
    for (;;) {
        int rc = place_step_by(step, &cursor->place, &batch, err);
        if (rc != 0) {
            return rc;
        }
        if (batch.base_seq + batch.count > cursor->from) {
            break;
        }
        place_mark(&cursor->place, batch.time_ms);
    }
    *out = batch;
    return 0;
}

int journal_cursor_next(struct journal_cursor *cursor, struct batch *out, struct err *err)
{
    return next_wanted(cursor, segment_step, out, err);
}

int journal_cursor_next_raw(struct journal_cursor *cursor, struct batch *out, struct span *raw,
                            struct err *err)
{
    ASSERT(raw != NULL);
    int rc = next_wanted(cursor, segment_step_unhashed, out, err);
    if (rc == 0) {
        *raw = span_of(cursor->place.scratch.data, BATCH_HEADER_SIZE + out->payload.size);
    }
    return rc;
}

/* --- the hash after a change --- */

static int search(struct place *place, uint64_t seq, uint8_t out[SHA256_SIZE], struct err *err)
{
    while (place->at.seq <= seq) {
        struct batch batch;
        int rc = place_step(place, &batch, err);
        if (rc != 0) {
            return rc;
        }
        place_mark(place, batch.time_ms);
    }
    if (place->at.seq != seq + 1) {
        return err_set(err, E_NOT_FOUND, "no batch ends with change %llu", (unsigned long long)seq);
    }
    memcpy(out, place->at.hash, SHA256_SIZE);
    return 0;
}

/* Right before the floor, and at the head, no file has to be read. */
static bool hash_at_hand(struct journal *journal, uint64_t seq, uint8_t out[SHA256_SIZE],
                         uint64_t *head)
{
    static const uint8_t unknown[SHA256_SIZE];
    const uint8_t *hash = NULL;
    (void)pthread_mutex_lock(&journal->lock);
    const struct segment_id *first = &journal->first->id;
    *head = journal->shown_head.seq;
    if (seq + 1 == first->base_seq) {
        bool known = seq == 0 || memcmp(first->prev_hash, unknown, SHA256_SIZE) != 0;
        hash = known ? first->prev_hash : NULL;
    } else if (seq == *head) {
        hash = journal->shown_head.hash;
    }
    if (hash != NULL) {
        memcpy(out, hash, SHA256_SIZE);
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return hash != NULL;
}

int journal_hash_at(struct journal *journal, uint64_t seq, uint8_t out[SHA256_SIZE],
                    struct err *err)
{
    ASSERT(journal != NULL && out != NULL);

    uint64_t head = 0;
    if (hash_at_hand(journal, seq, out, &head)) {
        return 0;
    }
    if (seq > head) {
        return err_set(err, E_NOT_FOUND,
                       "change %llu is ahead of the journal, which ends with %llu",
                       (unsigned long long)seq, (unsigned long long)head);
    }
    struct place place;
    int rc = place_open(&place, journal, seq, err);
    if (rc == 0) {
        rc = search(&place, seq, out, err);
    }
    place_close(&place);
    /* The floor may have come to lie right behind it meanwhile. */
    return rc == E_NOT_FOUND && hash_at_hand(journal, seq, out, &head) ? 0 : rc;
}

/* --- the last change of a time --- */

/* Over all batches that are not newer. */
static int pass_time(struct place *place, uint64_t time_ms, uint64_t *seq, struct err *err)
{
    *seq = place->at.seq - 1;
    for (;;) {
        struct batch batch;
        struct err why = {0};
        int rc = place_step(place, &batch, &why);
        if (rc == E_NOT_FOUND || (rc == 0 && batch.time_ms > time_ms)) {
            return 0;
        }
        if (rc != 0) {
            return err_set(err, rc, "%s", why.text);
        }
        place_mark(place, batch.time_ms);
        *seq = batch.base_seq + batch.count - 1;
    }
}

int journal_seek_time(struct journal *journal, uint64_t time_ms, uint64_t *seq, struct err *err)
{
    ASSERT(journal != NULL && seq != NULL);

    struct target target = {.by_time = true, .time_ms = time_ms};
    struct place place = {.journal = journal};
    uint64_t floor = 0;
    uint64_t found = 0;
    int rc = 0;
    buf_init(&place.scratch, BATCH_SIZE_MAX);
    if (place_find(&place, &target, &floor)) {
        rc = segment_open_read(&place.segment, place.piece->path, err);
        if (rc == 0) {
            rc = pass_time(&place, time_ms, &found, err);
        }
    } else if (floor > 1) {
        rc = err_set(err, E_TOO_OLD,
                     "the journal does not reach back so far: it begins at change %llu",
                     (unsigned long long)floor);
    }
    place_close(&place);
    if (rc == 0) {
        *seq = found;
    }
    return rc;
}
