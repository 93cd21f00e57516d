/* kv/store.h - RocksDB as the state uses it: one column family, no write-ahead log.
 *
 * With two column families a manual flush kept the position and lost what it describes, so there is
 * one. A crash leaves the state as of some earlier write, whole: RocksDB's memtables reach the disk
 * in the order in which they were written.
 *
 * All but opening and closing is safe from any thread.
 */
#ifndef KITBAG_KV_STORE_H
#define KITBAG_KV_STORE_H

#include <rocksdb/c.h>

#include "kv/row.h"

struct kv_store {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read; /* of the newest state */
    rocksdb_writeoptions_t *write;
    unsigned stall_max_ms; /* a write waits no longer for a disk that does not keep up */
};

enum { KV_STALL_MAX_MS = 10000 };

/* E_BUSY: another process has it; E_CORRUPT, E_NOSPACE, E_PERMISSION, E_IO. `store` is zeroed and
 * may be closed after a failure. */
MUST_CHECK int kv_store_open(struct kv_store *store, const struct kv_options *options,
                             struct err *err);
/* The same to read only: nothing in the folder is changed, which must hold a state, and who has it
 * open may go on. Writing to it fails. */
MUST_CHECK int kv_store_open_read(struct kv_store *store, const struct kv_options *options,
                                  struct err *err);
/* All snapshots and scans must be gone. Flushes nothing. Accepts a zeroed one. */
void kv_store_close(struct kv_store *store);

/* RocksDB's message as a code and a sentence; frees it. */
int kv_store_err(struct err *err, const char *operation, char *message);

/* A row, borrowed from `pin`, which rocksdb_pinnableslice_destroy frees (it accepts NULL). `read`
 * NULL: the newest state. E_NOT_FOUND leaves `err` alone. */
MUST_CHECK int kv_store_get(const struct kv_store *store, const rocksdb_readoptions_t *read,
                            struct span key, rocksdb_pinnableslice_t **pin, struct span *row,
                            struct err *err);
MUST_CHECK int kv_store_write(struct kv_store *store, rocksdb_writebatch_t *batch, struct err *err);
/* The same without waiting: E_BUSY when the disk does not keep up. */
MUST_CHECK int kv_store_try(struct kv_store *store, rocksdb_writebatch_t *batch, struct err *err);
MUST_CHECK int kv_store_flush(struct kv_store *store, struct err *err);

/* The rows whose keys begin with `prefix`, in order. It is not to be moved, and is closed before
 * the call that opened it returns. */
struct kv_scan {
    rocksdb_iterator_t *iterator;
    rocksdb_readoptions_t *read;
    struct kv_key upper; /* RocksDB borrows it */
};

/* From the first key >= `from` (or > `from`, when `behind`). `snapshot` NULL: the newest state. */
void kv_scan_open(struct kv_scan *scan, const struct kv_store *store,
                  const rocksdb_snapshot_t *snapshot, const struct kv_key *prefix,
                  const struct kv_key *from, bool behind);
/* The same, always `behind`, for rows that are read once: the cache stays as it is. A prefix as
 * `from` is the first row's place, for no row is just that. */
void kv_scan_open_cold(struct kv_scan *scan, const struct kv_store *store,
                       const rocksdb_snapshot_t *snapshot, const struct kv_key *prefix,
                       const struct kv_key *from);
/* The row it stands at, borrowed until kv_scan_step; E_NOT_FOUND at the end, without a sentence. */
MUST_CHECK int kv_scan_row(const struct kv_scan *scan, struct span *key, struct span *row,
                           struct err *err);
void kv_scan_step(struct kv_scan *scan);
/* Go on with the first key >= `from`, which begins with the scan's prefix. */
void kv_scan_seek(struct kv_scan *scan, const struct kv_key *from);
void kv_scan_close(struct kv_scan *scan);

#endif
