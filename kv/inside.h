/* kv/inside.h - what the sources of kv/ share of an open state. */
#ifndef KITBAG_KV_INSIDE_H
#define KITBAG_KV_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "kv/overlay.h"
#include "kv/store.h"

struct kv {
    struct kv_store store;
    atomic_size_t views; /* open ones: closing with one open would abort inside RocksDB */

    pthread_mutex_t lock; /* guards `position`: the applying thread sets it, any thread reads it */
    struct kv_position position;

    atomic_uint_fast64_t applier; /* which thread applies (kv_thread), 0: none yet */

    /* The applying thread's own. */
    struct kv_overlay
        recent; /* rows that were written lately: hot bags and writers cost no look-up */
    struct kv_counts counts;
    uint64_t clean_bag; /* the deleted bag that kv_clean is at, 0: none */
    struct kv_key
        clean_key; /* its last removed row: so that gone rows are not stepped over again */
};

struct kv_view {
    struct kv *kv;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read;
};

/* A number of the calling thread, > 0. */
uint64_t kv_thread(void);

/* What the newest state has of a bag's or writer's `key`, when this is the applying thread and it
 * was written lately; NULL: ask the store. */
const struct kv_cell *kv_recent(struct kv *kv, const struct kv_view *view,
                                const struct kv_key *key);

/* Of a view that may be NULL: the newest state. */
const rocksdb_readoptions_t *kv_view_read(const struct kv_view *view);

/* The newest mark; the state of a new folder when there is none. */
MUST_CHECK int kv_mark_get(struct kv *kv, struct kv_view *view, struct kv_mark *out,
                           struct err *err);

#endif
