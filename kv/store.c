/* kv/store.c - RocksDB: its options, its errors, reading, writing, scanning. */
#include "kv/store.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"

enum {
    MEMTABLES = 4,   /* one is written, three wait for the disk, before writes wait */
    BLOOM_BITS = 10, /* one useless look-up in a hundred */
    RESTART_INTERVAL =
        4, /* rows of a block that are walked over to find one; with 16 an eighth more */
    OPTIONS_TEXT_MAX = 1024,
    OPEN_FILES = 512, /* descriptors are for the machines that connect */
    L0_SLOWDOWN = 40, /* files; replay makes them faster than compaction takes them */
    L0_STOP = 80,
    INFO_LOG_HEADER = 5, /* its info log aborts the process on a full disk: nothing is logged */
    INFO_LOGS = 2,
};

/* Of a memtable, for the filter of its keys: most look-ups are for rows that are not in it. */
static const double MEMTABLE_BLOOM = 0.02;

/* --- errors --- */

static const struct {
    const char *part;
    int code;
} messages[] = {
    {"No space left on device", E_NOSPACE},
    {"Disk quota exceeded", E_NOSPACE},
    {"Permission denied", E_PERMISSION},
    {"Operation not permitted", E_PERMISSION},
    {"LOCK: Resource temporarily unavailable", E_BUSY}, /* another process */
    {"lock hold by current process", E_BUSY},
    {"Corruption:", E_CORRUPT},
    {"Cannot allocate memory", E_NOMEM},
    {"No such file or directory", E_CORRUPT}, /* the folder is there: a file of it was lost */
};

int kv_store_err(struct err *err, const char *operation, char *message)
{
    ASSERT(message != NULL);
    int code = E_IO;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        if (strstr(message, messages[i].part) != NULL) {
            code = messages[i].code;
            break;
        }
    }
    (void)err_set(err, code,
                  code == E_CORRUPT
                      ? "the state can't be %s: %.200s (keep a copy of the data folder, then move "
                        "its folder state away: it is made anew from the journal)"
                      : "the state can't be %s: %s",
                  operation, message);
    rocksdb_free(message);
    return code;
}

/* --- opening --- */

static bool is_table(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".sst") == 0;
}

/* Without its file CURRENT RocksDB would take the folder for an empty one and remove the tables. */
static int check_folder(const char *dir, struct err *err)
{
    DIR *folder = opendir(dir);
    if (folder == NULL) {
        return err_sys(err, "open", dir);
    }
    bool tables = false;
    bool current = false;
    const struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        tables = tables || is_table(entry->d_name);
        current = current || strcmp(entry->d_name, "CURRENT") == 0;
    }
    (void)closedir(folder);
    if (tables && !current) {
        return err_set(err, E_CORRUPT,
                       "the state in %s has lost its file CURRENT: move the folder away, and it is "
                       "made anew from the journal",
                       dir);
    }
    return 0;
}

/* What the C interface has no functions for. Closing is not flushing. Rows come in the order of
 * their keys, so that each is put in from where the last one of its kind was.
 *
 * Rows are looked up one by one far more often than they are walked over. Filters and indexes are
 * in the cache, so that its size bounds them too, and stay there: asking for them each time cost a
 * twentieth of a look-up. */
static void options_text(char *out, size_t size, uint64_t cache_bytes)
{
    int length = snprintf(out, size,
                          "avoid_flush_during_shutdown=true;"
                          "memtable_insert_with_hint_prefix_extractor=fixed:1;"
                          "block_based_table_factory={block_cache=%" PRIu64 ";"
                          "filter_policy=bloomfilter:%d:false;"
                          "block_restart_interval=%d;"
                          "cache_index_and_filter_blocks=true;"
                          "metadata_cache_options={unpartitioned_pinning=kAll;}}",
                          cache_bytes, BLOOM_BITS, RESTART_INTERVAL);
    ASSERT(length > 0 && (size_t)length < size);
}

static int make_options(struct kv_store *store, const struct kv_options *wanted, struct err *err)
{
    rocksdb_options_t *base = rocksdb_options_create();
    store->options = rocksdb_options_create();
    char *message = NULL;
    char text[OPTIONS_TEXT_MAX];
    options_text(text, sizeof text, wanted->cache_bytes);
    rocksdb_get_options_from_string(base, text, store->options, &message);
    rocksdb_options_destroy(base);
    if (message != NULL) {
        return kv_store_err(err, "set up", message);
    }
    rocksdb_options_t *options = store->options;
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_write_buffer_size(options, wanted->memtable_bytes);
    rocksdb_options_set_max_write_buffer_number(options, MEMTABLES);
    rocksdb_options_set_level0_slowdown_writes_trigger(options, L0_SLOWDOWN);
    rocksdb_options_set_level0_stop_writes_trigger(options, L0_STOP);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, MEMTABLE_BLOOM);
    rocksdb_options_set_memtable_whole_key_filtering(options, 1);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_max_open_files(options, OPEN_FILES);
    rocksdb_options_set_info_log_level(options, INFO_LOG_HEADER);
    rocksdb_options_set_keep_log_file_num(options, INFO_LOGS);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    return 0;
}

/* All but the database itself. */
static int prepare(struct kv_store *store, const struct kv_options *options, struct err *err)
{
    int rc = check_folder(options->dir, err);
    if (rc == 0) {
        rc = make_options(store, options, err);
    }
    if (rc != 0) {
        return rc;
    }
    store->read = rocksdb_readoptions_create();
    store->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(store->write, 1);
    rocksdb_writeoptions_set_no_slowdown(store->write, 1);
    store->stall_max_ms = KV_STALL_MAX_MS;
    return 0;
}

int kv_store_open(struct kv_store *store, const struct kv_options *options, struct err *err)
{
    ASSERT(store != NULL);
    ASSERT(options != NULL && options->dir != NULL);
    ASSERT(options->memtable_bytes > 0);
    *store = (struct kv_store){0};
    int rc = dir_make(options->dir, 0700, err);
    if (rc == 0) {
        rc = prepare(store, options, err);
    }
    if (rc != 0) {
        return rc;
    }
    char *message = NULL;
    store->db = rocksdb_open(store->options, options->dir, &message);
    return message == NULL ? 0 : kv_store_err(err, "opened", message);
}

int kv_store_open_read(struct kv_store *store, const struct kv_options *options, struct err *err)
{
    ASSERT(store != NULL);
    ASSERT(options != NULL && options->dir != NULL);
    *store = (struct kv_store){0};
    int rc = prepare(store, options, err);
    if (rc != 0) {
        return rc;
    }
    char *message = NULL;
    rocksdb_options_set_create_if_missing(store->options, 0);
    store->db = rocksdb_open_for_read_only(store->options, options->dir, 0, &message);
    return message == NULL ? 0 : kv_store_err(err, "opened", message);
}

void kv_store_close(struct kv_store *store)
{
    ASSERT(store != NULL);
    if (store->db != NULL) {
        rocksdb_close(store->db);
    }
    if (store->write != NULL) {
        rocksdb_writeoptions_destroy(store->write);
    }
    if (store->read != NULL) {
        rocksdb_readoptions_destroy(store->read);
    }
    if (store->options != NULL) {
        rocksdb_options_destroy(store->options);
    }
    *store = (struct kv_store){0};
}

/* --- rows --- */

int kv_store_get(const struct kv_store *store, const rocksdb_readoptions_t *read, struct span key,
                 rocksdb_pinnableslice_t **pin, struct span *row, struct err *err)
{
    char *message = NULL;
    rocksdb_set_perf_level(rocksdb_disable); /* the thread's: it counts for nobody to look at */
    rocksdb_pinnableslice_t *found = rocksdb_get_pinned(
        store->db, read != NULL ? read : store->read, (const char *)key.data, key.size, &message);
    if (message != NULL) {
        return kv_store_err(err, "read", message);
    }
    if (found == NULL) {
        return E_NOT_FOUND;
    }
    size_t size = 0;
    const char *data = rocksdb_pinnableslice_value(found, &size);
    *pin = found;
    *row = span_of(data, size);
    return 0;
}

int kv_store_try(struct kv_store *store, rocksdb_writebatch_t *batch, struct err *err)
{
    char *message = NULL;
    rocksdb_set_perf_level(rocksdb_disable);
    rocksdb_write(store->db, store->write, batch, &message);
    if (message == NULL) {
        return 0;
    }
    if (strstr(message, "Write stall") == NULL) {
        return kv_store_err(err, "written", message);
    }
    rocksdb_free(message);
    return err_set(err, E_BUSY, "the disk of the state does not keep up");
}

/* RocksDB itself would wait without end. */
int kv_store_write(struct kv_store *store, rocksdb_writebatch_t *batch, struct err *err)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (uint64_t start_ns = clock_mono_ns();;) {
        int rc = kv_store_try(store, batch, err);
        if (rc != E_BUSY) {
            return rc;
        }
        if (clock_mono_ns() - start_ns >= store->stall_max_ms * UINT64_C(1000000)) {
            return err_set(err, E_IO, "the state can't be written: its disk does not keep up");
        }
        (void)nanosleep(&pause, NULL);
    }
}

int kv_store_flush(struct kv_store *store, struct err *err)
{
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    char *message = NULL;
    rocksdb_flush(store->db, options, &message);
    rocksdb_flushoptions_destroy(options);
    return message == NULL ? 0 : kv_store_err(err, "flushed", message);
}

/* --- scanning --- */

/* The first key behind all that begin with `prefix`: no letter of ours is 0xff. */
static struct kv_key behind_prefix(const struct kv_key *prefix)
{
    struct kv_key key = *prefix;
    while (key.data[key.size - 1] == 0xff) {
        key.size--;
    }
    key.data[key.size - 1]++;
    return key;
}

static void open_scan(struct kv_scan *scan, const struct kv_store *store,
                      const rocksdb_snapshot_t *snapshot, const struct kv_key *prefix, bool cold)
{
    scan->upper = behind_prefix(prefix);
    scan->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(scan->read, (const char *)scan->upper.data,
                                                scan->upper.size);
    rocksdb_readoptions_set_fill_cache(scan->read, cold ? 0 : 1);
    if (snapshot != NULL) {
        rocksdb_readoptions_set_snapshot(scan->read, snapshot);
    }
    scan->iterator = rocksdb_create_iterator(store->db, scan->read);
}

static void seek(struct kv_scan *scan, const struct kv_key *from, bool behind)
{
    rocksdb_iter_seek(scan->iterator, (const char *)from->data, from->size);
    if (behind && rocksdb_iter_valid(scan->iterator) != 0) {
        size_t size = 0;
        const char *key = rocksdb_iter_key(scan->iterator, &size);
        if (span_equal(span_of(key, size), kv_key_span(from))) {
            rocksdb_iter_next(scan->iterator);
        }
    }
}

void kv_scan_open(struct kv_scan *scan, const struct kv_store *store,
                  const rocksdb_snapshot_t *snapshot, const struct kv_key *prefix,
                  const struct kv_key *from, bool behind)
{
    open_scan(scan, store, snapshot, prefix, false);
    seek(scan, from, behind);
}

void kv_scan_open_cold(struct kv_scan *scan, const struct kv_store *store,
                       const rocksdb_snapshot_t *snapshot, const struct kv_key *prefix,
                       const struct kv_key *from)
{
    open_scan(scan, store, snapshot, prefix, true);
    seek(scan, from, true);
}

int kv_scan_row(const struct kv_scan *scan, struct span *key, struct span *row, struct err *err)
{
    if (rocksdb_iter_valid(scan->iterator) == 0) {
        char *message = NULL;
        rocksdb_iter_get_error(scan->iterator, &message);
        return message == NULL ? E_NOT_FOUND : kv_store_err(err, "read", message);
    }
    size_t size = 0;
    const char *data = rocksdb_iter_key(scan->iterator, &size);
    *key = span_of(data, size);
    data = rocksdb_iter_value(scan->iterator, &size);
    *row = span_of(data, size);
    return 0;
}

void kv_scan_step(struct kv_scan *scan)
{
    rocksdb_iter_next(scan->iterator);
}

void kv_scan_seek(struct kv_scan *scan, const struct kv_key *from)
{
    seek(scan, from, false);
}

void kv_scan_close(struct kv_scan *scan)
{
    rocksdb_iter_destroy(scan->iterator);
    rocksdb_readoptions_destroy(scan->read);
}
