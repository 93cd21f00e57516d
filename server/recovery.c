/* server/recovery.c - compare positions, then replay in chunks. */
#include "server/recovery.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "server/arena.h"

enum {
    CHUNK_CHANGES = 131072, /* applied at once: RocksDB takes sorted rows fastest */
    CHUNK_BYTES = 64 << 20,
};

/* --- do they belong together? --- */

static int check_hash(struct journal *journal, const struct kv_position *state, struct err *err)
{
    uint8_t hash[SHA256_SIZE];
    int rc = journal_hash_at(journal, state->seq, hash, err);
    if (rc == E_NOT_FOUND && state->seq + 1 < journal_floor(journal)) {
        return err_set(err, E_CORRUPT,
                       "the state holds changes up to %" PRIu64 ", and the journal begins at "
                       "%" PRIu64 ": the changes between are lost; restore a backup",
                       state->seq, journal_floor(journal));
    }
    if (rc == E_NOT_FOUND || (rc == 0 && memcmp(hash, state->hash, SHA256_SIZE) != 0)) {
        return err_set(err, E_DIVERGED,
                       "state/ and journal/ hold different changes at %" PRIu64
                       ": they are of different servers or backups; put back both from one "
                       "backup, or move state/ away and it is made from the journal anew",
                       state->seq);
    }
    return rc;
}

static int check_positions(struct journal *journal, struct kv *kv, struct err *err)
{
    struct kv_position state;
    struct journal_position head;
    uint8_t history[HISTORY_SIZE];
    kv_position(kv, &state);
    journal_head(journal, &head);
    journal_history(journal, history);
    if (state.fresh) {
        return journal_floor(journal) <= 1
                   ? 0
                   : err_set(err, E_CORRUPT,
                             "state/ is empty, and the journal begins at %" PRIu64
                             ": it can't be made anew; restore a backup",
                             journal_floor(journal));
    }
    uint64_t last_seq = UINT64_MAX;
    if (memcmp(state.history, history, HISTORY_SIZE) != 0 &&
        (journal_lineage(journal, state.history, &last_seq, NULL) != 0 || state.seq > last_seq)) {
        return err_set(err, E_DIVERGED,
                       "state/ and journal/ are of different histories: put back both from one "
                       "backup");
    }
    if (state.seq > head.seq) {
        return err_set(err, E_DIVERGED,
                       "state/ holds changes up to %" PRIu64 ", and the journal ends at %" PRIu64
                       ": the journal was put back from an older copy; put back both from one "
                       "backup",
                       state.seq, head.seq);
    }
    return check_hash(journal, &state, err);
}

/* --- replaying --- */

struct chunk {
    struct kv *kv;
    struct arena payloads; /* the changes point into them */
    struct unpacked unpacked;
    struct change *changes;
    size_t count;
    size_t capacity;
    uint8_t hash[SHA256_SIZE]; /* after the last of them */
    uint64_t replayed;
};

static int collect(void *context, const struct change *change, struct err *err)
{
    struct chunk *chunk = context;
    struct change *changes =
        array_reserve(chunk->changes, &chunk->capacity, chunk->count + 1, sizeof *changes);
    if (changes == NULL) {
        return err_set(err, E_NOMEM, "replaying the journal: out of memory");
    }
    chunk->changes = changes;
    change_copy(&chunk->changes[chunk->count++], change);
    return 0;
}

static int add_batch(struct chunk *chunk, const struct batch *batch, struct err *err)
{
    struct batch copy = *batch;
    if (!arena_copy(&chunk->payloads, batch->payload, &copy.payload)) {
        return err_set(err, E_NOMEM, "replaying the journal: out of memory");
    }
    memcpy(chunk->hash, batch->hash, SHA256_SIZE);
    return batch_changes(&copy, &chunk->unpacked, collect, chunk, err);
}

static int apply_chunk(struct chunk *chunk, struct err *err)
{
    if (chunk->count == 0) {
        return 0;
    }
    int rc = kv_apply(chunk->kv, chunk->changes, chunk->count, chunk->hash, err);
    if (rc != 0) {
        (void)err_prefix(err, "replaying the journal into state/: ");
        return rc;
    }
    chunk->replayed += chunk->count;
    chunk->count = 0;
    arena_reset(&chunk->payloads);
    return 0;
}

static int replay_from(struct chunk *chunk, struct journal_cursor *cursor,
                       const struct recovery_options *options, uint64_t head, struct err *err)
{
    for (;;) {
        struct batch batch = {0};
        int rc = journal_cursor_next(cursor, &batch, err);
        if (rc == E_NOT_FOUND) {
            return apply_chunk(chunk, err);
        }
        if (rc == 0 && !batch.clean_stop) {
            rc = add_batch(chunk, &batch, err);
        }
        if (rc == 0 && (chunk->count >= CHUNK_CHANGES || chunk->payloads.bytes >= CHUNK_BYTES)) {
            rc = apply_chunk(chunk, err);
            if (options->progress != NULL) {
                options->progress(options->context, batch.base_seq + batch.count - 1, head);
            }
        }
        if (rc != 0) {
            return rc;
        }
    }
}

static int replay(struct journal *journal, struct kv *kv, const struct recovery_options *options,
                  uint64_t *replayed, struct err *err)
{
    struct kv_position state;
    struct journal_position head;
    kv_position(kv, &state);
    journal_head(journal, &head);
    *replayed = 0;
    if (state.seq == head.seq) {
        return 0;
    }
    struct journal_cursor *cursor = NULL;
    int rc = journal_cursor_open(&cursor, journal, state.seq + 1, err);
    if (rc != 0) {
        return rc;
    }
    struct chunk chunk = {.kv = kv};
    rc = replay_from(&chunk, cursor, options, head.seq, err);
    *replayed = chunk.replayed;
    journal_cursor_close(&cursor);
    unpack_close(&chunk.unpacked);
    arena_free(&chunk.payloads);
    free(chunk.changes);
    return rc;
}

/* --- opening --- */

int recovery_open_state(struct kv **out, struct journal *journal,
                        const struct recovery_options *options, uint64_t *replayed, struct err *err)
{
    ASSERT(out != NULL && journal != NULL && options != NULL && replayed != NULL);
    char dir[PATH_MAX];
    int rc = path_join(dir, sizeof dir, options->dir, "state");
    if (rc != 0) {
        return err_set(err, rc, "the path of the data folder '%.60s...' is too long", options->dir);
    }
    struct kv_options wanted = {
        .dir = dir,
        .memtable_bytes = options->memtable_bytes,
        .cache_bytes = options->cache_bytes,
    };
    struct kv *kv = NULL;
    rc = kv_open(&kv, &wanted, err);
    if (rc == 0) {
        rc = check_positions(journal, kv, err);
    }
    if (rc == 0) {
        rc = replay(journal, kv, options, replayed, err);
    }
    if (rc != 0) {
        kv_close(&kv, false);
        return rc;
    }
    *out = kv;
    return 0;
}

int recovery_open(struct recovered *out, const struct recovery_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->dir != NULL);
    char dir[PATH_MAX];
    int rc = path_join(dir, sizeof dir, options->dir, "journal");
    if (rc != 0) {
        return err_set(err, rc, "the path of the data folder '%.60s...' is too long", options->dir);
    }
    struct journal_options wanted = {
        .dir = dir, .segment_bytes = options->segment_bytes, .disk = options->disk};
    uint8_t history[HISTORY_SIZE];
    random_bytes(history, sizeof history);
    struct recovered recovered = {0};
    rc = journal_open(&recovered.journal, &wanted, history, &recovered.opened, err);
    if (rc == E_CORRUPT && err != NULL) {
        struct err was = *err;
        (void)err_set(err, rc,
                      "%.240s (keep a copy of the data folder and restore a backup; 'kitbagctl "
                      "journal verify' tells which changes are whole)",
                      was.text);
    }
    if (rc == 0) {
        rc = recovery_open_state(&recovered.kv, recovered.journal, options, &recovered.replayed,
                                 err);
    }
    if (rc != 0) {
        journal_close(&recovered.journal, false);
        return rc;
    }
    *out = recovered;
    return 0;
}
