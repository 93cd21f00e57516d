/* kv/inside.h - what the sources of kv/ share of an open state. */
#ifndef KITBAG_KV_INSIDE_H
#define KITBAG_KV_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "kv/names.h"
#include "kv/overlay.h"
#include "kv/store.h"

struct kv {
    struct kv_store store;
    bool read_only;
    atomic_size_t views; /* open ones: closing with one open would abort inside RocksDB */

    pthread_mutex_t lock; /* guards `position`: the applying thread sets it, any thread reads it */
    struct kv_position position;

    /* What was written lately. The applying thread alone changes it, and needs the lock for that;
     * others may look at bags and writers while they have it, and ask the store when they do not
     * get it at once. */
    pthread_mutex_t memory_lock;
    struct kv_memory memory;

    struct kv_names names; /* has a lock of its own */

    /* The applying thread's own. */
    struct kv_counts counts;
    uint64_t purge_seq; /* tombstones below are gone */
    uint64_t bury_seq;  /* graves below are gone */
    uint64_t clean_seq; /* bags that were deleted below are cleaned */
    uint64_t clean_bag; /* the bag deleted at clean_seq, when kv_clean is at it; else 0 */
    struct kv_key
        clean_key; /* its last removed row: so that gone rows are not stepped over again */
};

struct kv_view {
    struct kv *kv;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read;
};

/* What was written lately of a bag's or writer's `key`, when `view` is NULL and nobody is at it:
 * true, and whether there is a row, and which. False: ask the store. Any thread. */
struct kv_recent {
    bool present;
    struct bag_row bag;      /* of 'B' */
    struct kv_writer writer; /* of 'W' */
};
bool kv_recent(struct kv *kv, const struct kv_view *view, const struct kv_key *key,
               struct kv_recent *out);

/* An overlay that asks what was written lately, then the store. The applying thread's. */
void kv_rows_begin(struct kv *kv, struct kv_overlay *rows);
/* Write its dirty rows, and the mark when it is not NULL, in one go, and know them from then on. */
MUST_CHECK int kv_rows_write(struct kv *kv, struct kv_overlay *rows, const struct kv_mark *mark,
                             struct err *err);

/* One row, encoded in `row`, appended to the batch. E_NOMEM when that failed. */
MUST_CHECK int kv_batch_put(rocksdb_writebatch_t *batch, const struct kv_key *key,
                            const struct buf *row, struct err *err);
void kv_batch_delete(rocksdb_writebatch_t *batch, const struct kv_key *key);

/* The row of a bag or of a grave. E_NOT_FOUND, without a sentence. */
MUST_CHECK int kv_bag_get(struct kv *kv, struct kv_view *view, const struct kv_key *key,
                          struct bag_row *out, struct err *err);
/* What became of a bag that was deleted at `seq`. E_NOT_FOUND, without a sentence. */
MUST_CHECK int kv_doom_get(struct kv *kv, struct kv_view *view, uint64_t seq, struct kv_doom *out,
                           struct err *err);

/* Write the rows that find graves by names, for all graves there are. */
MUST_CHECK int kv_graves_name_all(struct kv *kv, struct err *err);

/* Write the rows that find links from their other ends, for all bags there are. */
MUST_CHECK int kv_links_make_all(struct kv *kv, struct err *err);

/* Of a view that may be NULL: the newest state. */
const rocksdb_readoptions_t *kv_view_read(const struct kv_view *view);

/* The newest mark; the state of a new folder when there is none. */
MUST_CHECK int kv_mark_get(struct kv *kv, struct kv_view *view, struct kv_mark *out,
                           struct err *err);

#endif
