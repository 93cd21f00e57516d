/* kv/inside.h - what the sources of kv/ share of an open state. */
#ifndef KITBAG_KV_INSIDE_H
#define KITBAG_KV_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "kv/store.h"

struct kv {
    struct kv_store store;
    atomic_size_t views; /* open ones: closing with one open would abort inside RocksDB */

    pthread_mutex_t lock; /* guards `position`: the applying thread sets it, any thread reads it */
    struct kv_position position;

    /* The applying thread's own. */
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

/* Of a view that may be NULL: the newest state. */
const rocksdb_readoptions_t *kv_view_read(const struct kv_view *view);

/* The newest mark; the state of a new folder when there is none. */
MUST_CHECK int kv_mark_get(struct kv *kv, struct kv_view *view, struct kv_mark *out,
                           struct err *err);

#endif
