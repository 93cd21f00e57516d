/* journal/journal.c - the append-only change journal: append, roll, prepare, count.
 *
 * How a folder becomes a journal is in journal_open.c; how it is read in cursor.c; how it gets rid
 * of old segments in journal_drop.c; its histories are in journal_history.c.
 */
#include "journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/file.h"
#include "journal/folder.h"
#include "journal/journal_inside.h"

/* --- pieces --- */

/* All the memory that it needs; the rest is told when the file is there. */
static struct piece *piece_alloc(const char *path)
{
    struct piece *piece = calloc(1, sizeof *piece);
    if (piece == NULL) {
        return NULL;
    }
    piece->path = strdup(path);
    if (piece->path == NULL) {
        piece_free(&piece);
    }
    return piece;
}

static void piece_fill(struct piece *piece, const struct segment *segment, off_t end)
{
    piece->id = *segment_id(segment);
    piece->file_bytes = (off_t)segment_file_size(segment);
    atomic_init(&piece->end, end);
    atomic_init(&piece->next, NULL);
}

struct piece *piece_new(const struct segment *segment, off_t end)
{
    struct piece *piece = piece_alloc(segment_path(segment));
    if (piece != NULL) {
        piece_fill(piece, segment, end);
    }
    return piece;
}

void piece_free(struct piece **piece)
{
    if (piece == NULL || *piece == NULL) {
        return;
    }
    free((*piece)->path);
    free((*piece)->marks);
    free(*piece);
    *piece = NULL;
}

void piece_mark(struct piece *piece, const struct segment_position *position, uint64_t time_ms)
{
    off_t before =
        piece->mark_count > 0 ? piece->marks[piece->mark_count - 1].at.offset : SEGMENT_HEADER_SIZE;
    if (position->offset - before < MARK_DISTANCE) {
        return;
    }
    struct mark *marks =
        array_reserve(piece->marks, &piece->mark_capacity, piece->mark_count + 1, sizeof *marks);
    if (marks == NULL) {
        return;
    }
    piece->marks = marks;
    piece->marks[piece->mark_count++] = (struct mark){*position, time_ms};
}

uint64_t piece_last_seq(const struct journal *journal, const struct piece *piece)
{
    const struct piece *next = atomic_load_explicit(&piece->next, memory_order_acquire);
    return next != NULL ? next->id.base_seq - 1 : journal->shown_head.seq;
}

void journal_link(struct journal *journal, struct piece *piece)
{
    (void)pthread_mutex_lock(&journal->lock); /* fails on our mistakes only */
    if (journal->newest == NULL) {
        journal->oldest = piece;
        journal->first = piece;
    } else {
        atomic_store_explicit(&journal->newest->next, piece, memory_order_release);
    }
    journal->newest = piece;
    journal->stat.segments++;
    journal->stat.file_bytes += (uint64_t)piece->file_bytes;
    journal->stat.bytes += (uint64_t)(atomic_load(&piece->end) - SEGMENT_HEADER_SIZE);
    (void)pthread_mutex_unlock(&journal->lock);
}

/* --- opening and closing --- */

static char *join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);
    if (path != NULL) {
        (void)snprintf(path, size, "%s/%s", dir, name); /* fits */
    }
    return path;
}

static int journal_new(struct journal **out, const struct journal_options *options, struct err *err)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    (void)pthread_mutex_init(&journal->lock, NULL); /* can't fail with these attributes */
    (void)pthread_cond_init(&journal->prepared_changed, NULL);
    atomic_init(&journal->failed, false);
    journal->disk = options->disk != NULL ? options->disk : &disk_system;
    journal->segment_bytes = options->segment_bytes - options->segment_bytes % SEGMENT_SECTOR;
    journal->dir = strdup(options->dir);
    journal->prepared_path = join(options->dir, FOLDER_PREPARED);
    if (journal->dir == NULL || journal->prepared_path == NULL) {
        journal_close(&journal, false);
        return err_set(err, E_NOMEM, "out of memory");
    }
    *out = journal;
    return 0;
}

int journal_open(struct journal **out, const struct journal_options *options,
                 const uint8_t new_history[HISTORY_SIZE], struct journal_opened *opened,
                 struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->dir != NULL);
    ASSERT(new_history != NULL && opened != NULL);

    if (options->segment_bytes < JOURNAL_SEGMENT_BYTES_MIN || options->segment_bytes > INT64_MAX) {
        return err_set(err, E_INVALID, "segments of %llu bytes: at least %d are needed",
                       (unsigned long long)options->segment_bytes, JOURNAL_SEGMENT_BYTES_MIN);
    }
    struct journal *journal = NULL;
    int rc = journal_new(&journal, options, err);
    if (rc != 0) {
        return rc;
    }
    rc = journal_load(journal, new_history, opened, err);
    if (rc != 0) {
        journal_close(&journal, false);
        return rc;
    }
    *out = journal;
    return 0;
}

static void mark_clean(struct journal *journal)
{
    uint64_t now_ms = clock_wall_ms(&clock_system);
    uint64_t last_ms = journal->stat.last_time_ms;
    /* without the mark the next start takes it for a crash, and loses nothing */
    (void)!segment_mark_clean(journal->segment, now_ms > last_ms ? now_ms : last_ms, NULL);
}

void journal_close(struct journal **journal, bool clean)
{
    if (journal == NULL || *journal == NULL) {
        return;
    }
    struct journal *closing = *journal;
    if (clean && closing->segment != NULL && !journal_failed(closing)) {
        mark_clean(closing);
    }
    segment_close(&closing->segment);
    for (struct piece *piece = closing->oldest; piece != NULL;) {
        struct piece *next = atomic_load(&piece->next);
        piece_free(&piece);
        piece = next;
    }
    (void)pthread_cond_destroy(&closing->prepared_changed);
    (void)pthread_mutex_destroy(&closing->lock);
    free(closing->prepared_path);
    free(closing->dir);
    free(closing);
    *journal = NULL;
}

/* --- telling --- */

void journal_history(const struct journal *journal, uint8_t out[HISTORY_SIZE])
{
    ASSERT(journal != NULL);
    (void)pthread_mutex_lock(journal_lock_of(journal));
    memcpy(out, journal->newest->id.history, HISTORY_SIZE);
    (void)pthread_mutex_unlock(journal_lock_of(journal));
}

void journal_head(const struct journal *journal, struct journal_position *out)
{
    ASSERT(journal != NULL && out != NULL);
    (void)pthread_mutex_lock(journal_lock_of(journal));
    *out = journal->shown_head;
    (void)pthread_mutex_unlock(journal_lock_of(journal));
}

uint64_t journal_floor(const struct journal *journal)
{
    ASSERT(journal != NULL);
    (void)pthread_mutex_lock(journal_lock_of(journal));
    uint64_t floor = journal->first->id.base_seq;
    (void)pthread_mutex_unlock(journal_lock_of(journal));
    return floor;
}

bool journal_failed(const struct journal *journal)
{
    ASSERT(journal != NULL);
    return atomic_load(&journal->failed);
}

int journal_stat(struct journal *journal, struct journal_stat *out, struct err *err)
{
    ASSERT(journal != NULL && out != NULL);
    (void)err; /* counters are kept; part of the contract should they ever be read from disk */
    (void)pthread_mutex_lock(&journal->lock);
    *out = journal->stat;
    out->head_seq = journal->shown_head.seq;
    out->floor_seq = journal->first->id.base_seq;
    out->first_time_ms = journal->first->first_ms;
    (void)pthread_mutex_unlock(&journal->lock);
    return 0;
}

/* --- appending --- */

int journal_failed_before(struct err *err)
{
    return err_set(err, E_READ_ONLY,
                   "the journal takes nothing more: writing to it failed before. Look after the "
                   "disk, then start again");
}

/* Waits while housekeeping is about to finish the file: making a second one would take longer. */
static bool take_prepared(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    while (journal->prepared == PREPARED_MAKING) {
        (void)pthread_cond_wait(&journal->prepared_changed, &journal->lock);
    }
    bool ready = journal->prepared == PREPARED_READY;
    (void)pthread_mutex_unlock(&journal->lock);
    return ready;
}

static void forget_prepared(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    journal->prepared = PREPARED_NONE;
    journal->stat.file_bytes -= journal->segment_bytes; /* counted with its piece from now on */
    (void)pthread_mutex_unlock(&journal->lock);
}

/* A file that was written ahead and has been damaged or taken away since only costs time. */
static bool is_spoilt(int rc)
{
    return rc == E_NOT_FOUND || rc == E_CORRUPT || rc == E_FORMAT;
}

static int make_next(struct journal *journal, const struct segment_id *id, const char *path,
                     struct segment **out, struct err *err)
{
    if (take_prepared(journal)) {
        int rc = segment_create_from(out, journal->prepared_path, path, id, journal->disk, err);
        if (rc == 0 || is_spoilt(rc)) {
            forget_prepared(journal);
        }
        if (!is_spoilt(rc)) {
            return rc;
        }
        (void)journal->disk->unlink(journal->disk->context, journal->prepared_path);
    }
    return segment_create(out, path, id, journal->segment_bytes, journal->disk, err);
}

void journal_next_id(const struct journal *journal, struct segment_id *out)
{
    *out = journal->newest->id; /* changed by the committer alone */
    out->purpose = SEGMENT_JOURNAL;
    out->base_seq = journal->head.seq + 1;
    memcpy(out->prev_hash, journal->head.hash, SHA256_SIZE);
}

/* A file that has the next one's name must not stay unnoticed while this one goes on being filled,
 * so that counts as E_IO. For the same reason the memory is there before the file. */
int journal_roll(struct journal *journal, const struct segment_id *id, struct err *err)
{
    char path[PATH_MAX];
    struct segment *next = NULL;
    int rc = folder_segment_path(path, journal->dir, id->base_seq, err);
    if (rc != 0) {
        return rc;
    }
    struct piece *piece = piece_alloc(path);
    if (piece == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    rc = make_next(journal, id, path, &next, err);
    if (rc != 0) {
        piece_free(&piece);
        if (rc == E_EXISTS && err != NULL) {
            err->code = E_IO;
        }
        return rc == E_EXISTS ? E_IO : rc;
    }
    piece_fill(piece, next, SEGMENT_HEADER_SIZE);
    segment_close(&journal->segment);
    journal->segment = next;
    journal_link(journal, piece);
    return 0;
}

static int roll(struct journal *journal, struct err *err)
{
    struct segment_id id;
    journal_next_id(journal, &id);
    return journal_roll(journal, &id, err);
}

/* Show what is synced: first the counters, then, by `end`, the bytes. */
static void publish(struct journal *journal, const struct batch *batch)
{
    journal->head.seq = batch->base_seq + batch->count - 1;
    memcpy(journal->head.hash, batch->hash, SHA256_SIZE);
    struct segment_position behind = {.offset = batch->next, .seq = journal->head.seq + 1};
    memcpy(behind.hash, batch->hash, SHA256_SIZE);

    struct piece *piece = journal->newest; /* changed by this thread alone */
    (void)pthread_mutex_lock(&journal->lock);
    journal->shown_head = journal->head;
    journal->stat.bytes += (uint64_t)(batch->next - batch->offset);
    journal->stat.last_time_ms = batch->time_ms;
    piece->last_ms = batch->time_ms;
    if (batch->offset == SEGMENT_HEADER_SIZE) {
        piece->first_ms = batch->time_ms;
    }
    piece_mark(piece, &behind, batch->time_ms);
    (void)pthread_mutex_unlock(&journal->lock);
    atomic_store_explicit(&piece->end, batch->next, memory_order_release);
}

int journal_append(struct journal *journal, uint32_t count, uint64_t time_ms, struct span payload,
                   struct journal_position *head, struct err *err)
{
    ASSERT(journal != NULL && count > 0);

    if (journal_failed(journal)) {
        return journal_failed_before(err);
    }
    int rc = 0;
    if (payload.size <= BATCH_PAYLOAD_MAX && !segment_has_room(journal->segment, payload.size)) {
        rc = roll(journal, err);
    }
    struct batch batch;
    if (rc == 0) {
        rc = segment_append(journal->segment, count, time_ms, payload, &batch, err);
    }
    if (rc != 0) {
        if (rc == E_IO) {
            atomic_store(&journal->failed, true);
        }
        return rc;
    }
    publish(journal, &batch);
    if (head != NULL) {
        *head = journal->head;
    }
    return 0;
}

/* --- preparing --- */

bool journal_prepare_begin(struct journal *journal, bool now)
{
    (void)pthread_mutex_lock(&journal->lock);
    const struct piece *newest = journal->newest;
    bool time_to = journal->prepared == PREPARED_NONE && !atomic_load(&journal->failed) &&
                   (now || atomic_load(&newest->end) > newest->file_bytes / 2);
    if (time_to) {
        journal->prepared = PREPARED_MAKING;
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return time_to;
}

void journal_prepare_end(struct journal *journal, bool ready)
{
    (void)pthread_mutex_lock(&journal->lock);
    journal->prepared = ready ? PREPARED_READY : PREPARED_NONE;
    journal->stat.file_bytes += ready ? journal->segment_bytes : 0;
    (void)pthread_cond_broadcast(&journal->prepared_changed);
    (void)pthread_mutex_unlock(&journal->lock);
}

int journal_prepare(struct journal *journal, struct err *err)
{
    ASSERT(journal != NULL);

    if (!journal_prepare_begin(journal, false)) {
        return 0;
    }
    struct segment_id id = {.purpose = SEGMENT_JOURNAL}; /* base seq 0: not in use yet */
    struct segment *segment = NULL;
    int rc = segment_create(&segment, journal->prepared_path, &id, journal->segment_bytes,
                            journal->disk, err);
    segment_close(&segment);
    journal_prepare_end(journal, rc == 0);
    return rc;
}
