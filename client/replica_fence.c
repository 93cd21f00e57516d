/* client/replica_fence.c - which items are void: the fleet's fences under a reader's snapshot.
 *
 * Whether there are fences, and which generation of them, is one record of `meta` that changes with
 * the fleet's bag in one transaction: who reads looks at it under his snapshot. The fences of one
 * generation are decoded once and shared by all readers.
 */
#include <stdlib.h>
#include <string.h>

#include "client/replica_inside.h"

enum { NOTE_SIZE = 16 };

static const char PREFIX[] = "@fence/";

struct fence_cache {
    unsigned refs; /* guarded by the replica's fence_lock, as its pointer is */
    uint64_t generation;
    struct fences set;
};

static struct record_key note_key(void)
{
    return (struct record_key){.bytes = "fences", .size = 6};
}

/* --- writing --- */

/* Where the fleet's fences begin, if there is one. */
static int first_fence(struct replica *replica, MDB_txn *txn, const struct replica_bag *fleet,
                       bool *there, struct err *err)
{
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn, replica->tables[TABLE_ITEMS], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, "look for fences", err);
    }
    struct record_key first = replica_key_item(fleet->local, fleet->copy, span_str(PREFIX));
    MDB_val key = {first.size, first.bytes};
    MDB_val data;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    *there = rc == 0 && replica_key_begins(&key, &first);
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "look for fences", err);
}

int replica_fence_note(struct replica *replica, MDB_txn *txn, const struct replica_bag *fleet,
                       bool there, struct err *err)
{
    struct record_key key = note_key();
    bool any = false;
    int rc = there ? first_fence(replica, txn, fleet, &any, err) : 0;
    if (rc != 0) {
        return rc;
    }
    if (!any) {
        return replica_record_delete(replica, txn, TABLE_META, &key, err);
    }
    uint8_t bytes[NOTE_SIZE];
    put_be64(bytes, mdb_txn_id(txn)); /* no other state of the file has it */
    put_be64(bytes + 8, fleet->local);
    return replica_record_put(replica, txn, TABLE_META, &key, span_of(bytes, sizeof bytes), err);
}

/* --- reading --- */

static int put_fence(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct fence_cache *fences = context;
    if (row == NULL) {
        return err_set(err, E_CORRUPT, "a fence is damaged");
    }
    int rc = fences_put(&fences->set, path, row->seq, row->value, err);
    /* What the server's own version took for a fence and this one does not is none here. */
    return rc == E_MALFORMED || rc == E_QUOTA ? 0 : rc;
}

static int load(struct replica *replica, MDB_txn *txn, uint64_t local, struct fence_cache *fences,
                struct err *err)
{
    struct replica_bag fleet;
    int rc = replica_bag_get(replica, txn, local, &fleet, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? err_set(err, E_CORRUPT, "the fleet's bag is damaged") : rc;
    }
    struct record_key prefix = replica_key_item(local, fleet.copy, span_str(PREFIX));
    return replica_record_items(replica, txn, TABLE_ITEMS, &prefix, put_fence, fences,
                                "read fences", err);
}

/* The one in the replica, if it is of this generation. */
static struct fence_cache *take(struct replica *replica, uint64_t generation)
{
    (void)pthread_mutex_lock(&replica->fence_lock);
    struct fence_cache *fences = replica->fences;
    if (fences != NULL && fences->generation == generation) {
        fences->refs++;
    } else {
        fences = NULL;
    }
    (void)pthread_mutex_unlock(&replica->fence_lock);
    return fences;
}

void replica_fence_put_back(struct replica *replica, const struct fence_cache **fences)
{
    if (*fences == NULL) {
        return;
    }
    struct fence_cache *old = (struct fence_cache *)(uintptr_t)*fences;
    *fences = NULL;
    (void)pthread_mutex_lock(&replica->fence_lock);
    bool last = --old->refs == 0;
    (void)pthread_mutex_unlock(&replica->fence_lock);
    if (last) {
        fences_free(&old->set);
        free(old);
    }
}

/* In the replica's stead of an older generation; a reader of an older snapshot keeps his own. */
static void share(struct replica *replica, struct fence_cache *fences)
{
    const struct fence_cache *old = NULL;
    (void)pthread_mutex_lock(&replica->fence_lock);
    if (replica->fences == NULL || replica->fences->generation < fences->generation) {
        old = replica->fences;
        replica->fences = fences;
        fences->refs++;
    }
    (void)pthread_mutex_unlock(&replica->fence_lock);
    replica_fence_put_back(replica, &old);
}

static int decode(struct replica *replica, MDB_txn *txn, uint64_t generation, uint64_t local,
                  const struct fence_cache **out, struct err *err)
{
    struct fence_cache *fences = calloc(1, sizeof *fences);
    if (fences == NULL) {
        return err_set(err, E_NOMEM, "read fences: out of memory");
    }
    fences->generation = generation;
    fences->refs = 1;
    *out = fences;
    int rc = load(replica, txn, local, fences, err);
    if (rc != 0) {
        replica_fence_put_back(replica, out);
        return rc;
    }
    share(replica, fences);
    return 0;
}

int replica_fence_get(struct replica *replica, MDB_txn *txn, const struct fence_cache **out,
                      uint64_t *fleet_local, struct err *err)
{
    struct record_key key = note_key();
    struct span note;
    *out = NULL;
    *fleet_local = 0;
    int rc = replica_record_get(replica, txn, TABLE_META, &key, &note, err);
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    if (rc == 0 && note.size != NOTE_SIZE) {
        rc = err_set(err, E_CORRUPT, "the note of fences is damaged");
    }
    if (rc != 0) {
        return rc;
    }
    uint64_t generation = get_be64(note.data);
    *fleet_local = get_be64(note.data + 8);
    *out = take(replica, generation);
    return *out != NULL ? 0 : decode(replica, txn, generation, *fleet_local, out, err);
}

bool replica_fence_hides(const struct fence_cache *fences, enum owner_kind kind, struct span path,
                         uint64_t seq)
{
    return fences != NULL && seq < fences_position(&fences->set, kind, path);
}
