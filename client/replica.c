/* client/replica.c - opening the replica, its transactions, and its meta records. */
#include "client/replica.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "client/replica_check.h"
#include "client/replica_inside.h"

enum { READERS_MAX = 512 };

static const char *const table_names[TABLES] = {"meta", "bags", "names", "ids", "items", "stage"};

int replica_error(const struct replica *replica, int rc, const char *doing, struct err *err)
{
    switch (rc) {
    case 0:
        return 0;
    case MDB_NOTFOUND:
        return err_set(err, E_NOT_FOUND, "%s: there is no such record", doing);
    case MDB_MAP_FULL:
        return err_set(err, E_NOSPACE,
                       "%s: '%s' has reached the size it was given; give it more (map_bytes)",
                       doing, replica->path);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_PANIC:
    case MDB_BAD_TXN:
    case MDB_VERSION_MISMATCH:
        return err_set(err, E_CORRUPT, "%s: the replica in '%s' is damaged (%s)", doing,
                       replica->path, mdb_strerror(rc));
    default:
        break;
    }
    if (rc > 0) {
        errno = rc;
        return err_sys(err, doing, replica->path);
    }
    return err_set(err, E_SYSTEM, "%s: '%s': %s", doing, replica->path, mdb_strerror(rc));
}

/* --- transactions --- */

int replica_read_begin(struct replica *replica, MDB_txn **txn, struct err *err)
{
    int rc = mdb_txn_begin(replica->env, NULL, MDB_RDONLY, txn);
    return replica_error(replica, rc, "read", err);
}

/* LMDB would wait for the thread's own transaction for ever. */
static _Thread_local const struct replica *in_batch;

void replica_write_only(const struct replica *replica)
{
    in_batch = replica;
}

int replica_write_begin(struct replica *replica, MDB_txn **txn, struct err *err)
{
    ASSERT(in_batch != replica);
    (void)pthread_mutex_lock(&replica->write_lock);
    int rc = mdb_txn_begin(replica->env, NULL, 0, txn);
    if (rc != 0) {
        (void)pthread_mutex_unlock(&replica->write_lock);
        return replica_error(replica, rc, "begin to write", err);
    }
    replica_count_begin(replica);
    return 0;
}

int replica_write_end(struct replica *replica, MDB_txn **txn, int rc, struct err *err)
{
    rc = rc != 0 ? rc : replica_count_end(replica, *txn, err);
    if (rc != 0) {
        mdb_txn_abort(*txn);
    } else {
        int done = mdb_txn_commit(*txn); /* frees it, whatever comes of it */
        rc = replica_error(replica, done, "commit", err);
    }
    *txn = NULL;
    if (rc == 0) {
        replica_count_commit(replica);
    }
    (void)pthread_mutex_unlock(&replica->write_lock);
    return rc;
}

int replica_sync(struct replica *replica, struct err *err)
{
    ASSERT(replica != NULL);
    return replica_error(replica, mdb_env_sync(replica->env, 1), "sync", err);
}

/* --- opening --- */

static int open_tables(struct replica *replica, struct err *err)
{
    MDB_txn *txn = NULL;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < TABLES; i++) {
        rc = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &replica->tables[i]);
        rc = replica_error(replica, rc, "open a table", err);
    }
    return replica_write_end(replica, &txn, rc, err);
}

/* What LMDB would trust is checked first. Its lock file is of no use here (one process has the
 * folder), and a damaged one would do harm. */
static int prepare_files(const struct replica *replica, struct err *err)
{
    char path[PATH_MAX];
    int rc = path_join(path, sizeof path, replica->path, "lock.mdb");
    if (rc == 0 && unlink(path) != 0 && errno != ENOENT) {
        return err_sys(err, "remove", path);
    }
    rc = rc != 0 ? rc : path_join(path, sizeof path, replica->path, "data.mdb");
    return rc != 0 ? err_set(err, rc, "path too long: '%.40s...'", replica->path)
                   : replica_check_file(path, table_names, TABLES, err);
}

static int open_env(struct replica *replica, uint64_t map_bytes, struct err *err)
{
    int rc = prepare_files(replica, err);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_env_create(&replica->env);
    rc = rc != 0 ? rc : mdb_env_set_mapsize(replica->env, map_bytes);
    rc = rc != 0 ? rc : mdb_env_set_maxdbs(replica->env, TABLES);
    rc = rc != 0 ? rc : mdb_env_set_maxreaders(replica->env, READERS_MAX);
    /* NOTLS: a reader is bound to its transaction, not to its thread. NOMETASYNC: one sync a commit
     * and not two; the root goes with the next one, so a power cut may undo the last commit. */
    rc = rc != 0 ? rc : mdb_env_open(replica->env, replica->path, MDB_NOTLS | MDB_NOMETASYNC, 0600);
    return replica_error(replica, rc, "open", err);
}

static void replica_free(struct replica **replica)
{
    const struct replica_rules *rules = (*replica)->rules;
    replica_rules_put_back(*replica, &rules);
    if ((*replica)->env != NULL) {
        mdb_env_close((*replica)->env);
    }
    (void)pthread_mutex_destroy(&(*replica)->rules_lock);
    (void)pthread_mutex_destroy(&(*replica)->count_lock);
    (void)pthread_mutex_destroy(&(*replica)->write_lock);
    free((*replica)->path);
    free(*replica);
    *replica = NULL;
}

static int put_u64(struct replica *replica, MDB_txn *txn, const struct record_key *key,
                   uint64_t value, struct err *err)
{
    uint8_t bytes[8];
    put_be64(bytes, value);
    return replica_record_put(replica, txn, TABLE_META, key, span_of(bytes, sizeof bytes), err);
}

static struct record_key key_text(const char *text)
{
    struct record_key key = {.size = strlen(text)};
    ASSERT(key.size > 0 && key.size <= sizeof key.bytes);
    memcpy(key.bytes, text, key.size);
    return key;
}

static int check_format(struct replica *replica, MDB_txn *txn, struct err *err)
{
    struct record_key key = key_text("format");
    struct span value;
    int rc = replica_record_get(replica, txn, TABLE_META, &key, &value, err);
    if (rc == E_NOT_FOUND) {
        return put_u64(replica, txn, &key, REPLICA_FORMAT, err);
    }
    if (rc != 0) {
        return rc;
    }
    uint64_t version = value.size == 8 ? get_be64(value.data) : 0;
    if (version == REPLICA_FORMAT) {
        return 0;
    }
    return err_set(err, E_FORMAT, "the replica in '%s' has format %llu, this version knows %d: %s",
                   replica->path, (unsigned long long)version, REPLICA_FORMAT,
                   version > REPLICA_FORMAT
                       ? "use the newer kitbag that made it"
                       : "move the folder aside, and all is fetched anew from the server");
}

/* The half of a bag's new copy that an earlier run had. */
static int drop_half_made(struct replica *replica, MDB_txn *txn, uint64_t local, struct err *err)
{
    struct replica_bag bag;
    int rc = replica_bag_get(replica, txn, local, &bag, NULL);
    if (rc == E_NOT_FOUND) { /* one that was to come from a file */
        struct record_key all = replica_key_number(local);
        return replica_record_delete_all(replica, txn, TABLE_ITEMS, &all, err);
    }
    if (rc != 0) {
        return rc == E_CORRUPT ? 0 : err_set(err, rc, "a bag can't be read");
    }
    struct record_key half = replica_key_item(local, bag.copy ^ 1u, (struct span){NULL, 0});
    return replica_record_delete_all(replica, txn, TABLE_ITEMS, &half, err);
}

int replica_throw_staged_away(struct replica *replica, MDB_txn *txn, struct err *err)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    int at = mdb_cursor_open(txn, replica->tables[TABLE_STAGE], &cursor);
    int rc = at != 0 ? replica_error(replica, at, "throw staged pages away", err) : 0;
    at = at != 0 ? at : mdb_cursor_get(cursor, &key, &data, MDB_FIRST);
    for (; rc == 0 && at == 0; at = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) {
        if (key.mv_size == 8) {
            rc = drop_half_made(replica, txn, get_be64(key.mv_data), err);
        }
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc != 0 ? rc
                   : replica_error(replica, mdb_drop(txn, replica->tables[TABLE_STAGE], 0),
                                   "throw staged pages away", err);
}

/* "running" stands there from here to replica_close. */
static int prepare(struct replica *replica, bool *unclean, struct err *err)
{
    MDB_txn *txn = NULL;
    struct record_key key = key_text("running");
    struct span value;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = check_format(replica, txn, err);
    rc = rc != 0 ? rc : replica_throw_staged_away(replica, txn, err);
    if (rc == 0) {
        *unclean = replica_record_get(replica, txn, TABLE_META, &key, &value, NULL) != E_NOT_FOUND;
        value = (struct span){NULL, 0};
        rc = replica_record_put(replica, txn, TABLE_META, &key, value, err);
    }
    return replica_write_end(replica, &txn, rc, err);
}

static int open_all(struct replica *replica, uint64_t map_bytes, struct err *err)
{
    bool unclean = false;
    uint64_t dropped = 0;
    uint64_t next = 0;
    uint64_t bags = 0;
    int rc = open_env(replica, map_bytes, err);
    rc = rc != 0 ? rc : open_tables(replica, err);
    rc = rc != 0 ? rc : prepare(replica, &unclean, err);
    rc = rc != 0 ? rc : replica_bag_repair(replica, &dropped, err);
    return rc != 0 || !unclean ? rc
                               : replica_scrub(replica, &next, UINT64_MAX, &bags, NULL, NULL, err);
}

int replica_open(struct replica **out, const char *dir, uint64_t map_bytes, struct err *err)
{
    ASSERT(out != NULL);
    ASSERT(dir != NULL);
    ASSERT(map_bytes > 0);
    int rc = dir_make(dir, 0700, err);
    if (rc != 0) {
        return rc;
    }
    struct replica *replica = calloc(1, sizeof *replica);
    if (replica == NULL) {
        return err_set(err, E_NOMEM, "open '%s': out of memory", dir);
    }
    (void)pthread_mutex_init(&replica->rules_lock, NULL);
    (void)pthread_mutex_init(&replica->count_lock, NULL);
    (void)pthread_mutex_init(&replica->write_lock, NULL);
    replica->path = strdup(dir);
    rc = replica->path == NULL ? err_set(err, E_NOMEM, "open '%s': out of memory", dir)
                               : open_all(replica, map_bytes, err);
    if (rc != 0) {
        replica_free(&replica);
        return rc;
    }
    *out = replica;
    return 0;
}

/* What is lost, or not said, is looked at again by the next opening. */
static void say_clean(struct replica *replica)
{
    MDB_txn *txn = NULL;
    struct record_key key = key_text("running");
    int rc = replica_write_begin(replica, &txn, NULL);
    if (rc == 0) {
        rc = replica_record_delete(replica, txn, TABLE_META, &key, NULL);
        rc = replica_write_end(replica, &txn, rc, NULL);
    }
    (void)rc;
    (void)mdb_env_sync(replica->env, 1);
}

void replica_close(struct replica **replica)
{
    if (replica != NULL && *replica != NULL) {
        say_clean(*replica);
        replica_free(replica);
    }
}

/* --- the position --- */

/* A damaged record counts as none: the server is then asked for everything that is newer. */
static int get_meta(struct replica *replica, MDB_txn *txn, const char *name, size_t size,
                    struct span *value, struct err *err)
{
    struct record_key key = key_text(name);
    int rc = replica_record_get(replica, txn, TABLE_META, &key, value, err);
    if (rc == E_NOT_FOUND || rc == E_CORRUPT || (rc == 0 && value->size != size)) {
        *value = (struct span){NULL, 0};
        return 0;
    }
    return rc;
}

int replica_position(struct replica *replica, struct replica_position *out, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(out != NULL);
    MDB_txn *txn = NULL;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    struct replica_position position = {0};
    struct span history = {NULL, 0};
    struct span at = {NULL, 0};
    rc = get_meta(replica, txn, "history", HISTORY_SIZE, &history, err);
    rc = rc != 0 ? rc : get_meta(replica, txn, "position", 8 + SHA256_SIZE, &at, err);
    if (rc == 0 && history.size > 0) {
        position.has_history = true;
        memcpy(position.history, history.data, HISTORY_SIZE);
        if (at.size > 0) {
            position.seq = get_be64(at.data);
            memcpy(position.hash, at.data + 8, SHA256_SIZE);
        }
    }
    mdb_txn_abort(txn);
    if (rc == 0) {
        *out = position;
    }
    return rc;
}

int replica_put_position(struct replica *replica, MDB_txn *txn, uint64_t seq,
                         const uint8_t hash[SHA256_SIZE], struct err *err)
{
    struct span at = {NULL, 0};
    int rc = get_meta(replica, txn, "position", 8 + SHA256_SIZE, &at, err);
    if (rc != 0 || (at.size > 0 && get_be64(at.data) >= seq)) {
        return rc;
    }
    uint8_t bytes[8 + SHA256_SIZE];
    put_be64(bytes, seq);
    memcpy(bytes + 8, hash, SHA256_SIZE);
    struct record_key key = key_text("position");
    return replica_record_put(replica, txn, TABLE_META, &key, span_of(bytes, sizeof bytes), err);
}

int replica_put_history(struct replica *replica, MDB_txn *txn, const uint8_t history[HISTORY_SIZE],
                        uint64_t resume_seq, struct err *err)
{
    struct span at = {NULL, 0};
    struct record_key key = key_text("history");
    int rc =
        replica_record_put(replica, txn, TABLE_META, &key, span_of(history, HISTORY_SIZE), err);
    rc = rc != 0 ? rc : get_meta(replica, txn, "position", 8 + SHA256_SIZE, &at, err);
    if (rc != 0 || (at.size > 0 && get_be64(at.data) <= resume_seq)) {
        return rc;
    }
    key = key_text("position");
    return replica_record_delete(replica, txn, TABLE_META, &key, err);
}

int replica_set_history(struct replica *replica, const uint8_t history[HISTORY_SIZE],
                        struct err *err)
{
    ASSERT(replica != NULL);
    MDB_txn *txn = NULL;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_put_history(replica, txn, history, 0, err);
    return replica_write_end(replica, &txn, rc, err);
}

/* --- notes --- */

static struct record_key key_note(const char *name)
{
    size_t size = strlen(name);
    ASSERT(size > 0 && size <= NOTE_NAME_MAX);
    struct record_key key = {.size = 5 + size};
    memcpy(key.bytes, "note:", 5);
    memcpy(key.bytes + 5, name, size);
    return key;
}

int replica_put_note(struct replica *replica, MDB_txn *txn, const char *name, struct span value,
                     struct err *err)
{
    struct record_key key = key_note(name);
    return value.size > 0 ? replica_record_put(replica, txn, TABLE_META, &key, value, err)
                          : replica_record_delete(replica, txn, TABLE_META, &key, err);
}

int replica_note_set(struct replica *replica, const char *name, struct span value, struct err *err)
{
    ASSERT(replica != NULL);
    MDB_txn *txn = NULL;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_put_note(replica, txn, name, value, err);
    return replica_write_end(replica, &txn, rc, err);
}

int replica_note_get(struct replica *replica, const char *name, struct buf *out, struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(out != NULL);
    struct record_key key = key_note(name);
    MDB_txn *txn = NULL;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    struct span value;
    rc = replica_record_get(replica, txn, TABLE_META, &key, &value, err);
    if (rc == 0 && buf_append_span(out, value) != 0) {
        rc = err_set(err, buf_error(out), "the note '%s' does not fit", name);
    }
    mdb_txn_abort(txn);
    return rc;
}
