/* client/replica_import.c - bags from a file: staged, then put in their place in one transaction.
 *
 * A bag's items are written under a prefix that nobody reads: the other copy of the bag that is
 * here, or a number that no bag has yet. In `stage` lie, until the end,
 *
 *   local                    the same note that a bag has which is fetched anew: it makes that what
 *                            an earlier run staged goes when the replica is opened
 *   local, 0, path           an item of a difference
 *   local, 1                 the plan: what the bag's record will be (see put_plan)
 *   local, 2, name of a note its value
 */
#include "client/replica_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/replica_inside.h"

enum {
    ROWS_MAX = 16384,     /* of one transaction, and */
    BYTES_MAX = 8 << 20,  /* so many bytes */
    KEPT_MAX = 256 << 20, /* bytes of what stays of one bag */
    STATE_SIZE = 32,      /* as replica_stage.c has it; it is never read */
    PLAN = 1,
    NOTE = 2,
    PLAN_HEAD = 10, /* of a plan: flags, the copy that was here, and its cursor */
    PLAN_DIFFERS = 1,
    PLAN_IS_NEW = 2,
};

struct replica_import {
    struct replica_writer writer; /* txn NULL: none is open */
    uint64_t now_ms;
    replica_left_out_fn *left_out;
    void *context;
    size_t rows, bytes; /* of the transaction */
    bool is_new;        /* the bag at hand; and */
    bool differs;
    struct replica_bag here; /* as it is here, when it is not new */
    struct replica_bag bag;  /* as it will be */
    bool ordered;            /* its rows come in the order of paths */
    unsigned append;         /* MDB_APPEND: nothing lies behind it */
};

/* --- transactions --- */

static int begin(struct replica_import *import, struct err *err)
{
    if (import->writer.txn != NULL) {
        return 0;
    }
    struct replica *replica = import->writer.replica;
    int rc = replica_write_begin(replica, &import->writer.txn, err);
    if (rc != 0) {
        return rc;
    }
    import->rows = 0;
    import->bytes = 0;
    rc = mdb_cursor_open(import->writer.txn, replica->tables[TABLE_ITEMS], &import->writer.items);
    return replica_error(replica, rc, "write", err);
}

static int end(struct replica_import *import, int rc, struct err *err)
{
    if (import->writer.txn == NULL) {
        return rc;
    }
    if (import->writer.items != NULL) {
        mdb_cursor_close(import->writer.items);
        import->writer.items = NULL;
    }
    return replica_write_end(import->writer.replica, &import->writer.txn, rc, err);
}

/* Does anything lie behind the bag's last item? */
static int find_end(struct replica_import *import, struct err *err)
{
    struct record_key behind =
        replica_key_item(import->bag.local, import->bag.copy, (struct span){NULL, 0});
    behind.bytes[ITEM_KEY - 1]++;
    MDB_val key = {behind.size, behind.bytes};
    MDB_val data;
    int rc = mdb_cursor_get(import->writer.items, &key, &data, MDB_SET_RANGE);
    import->append = rc == MDB_NOTFOUND ? MDB_APPEND : 0;
    return rc == MDB_NOTFOUND ? 0 : replica_error(import->writer.replica, rc, "write", err);
}

/* After each row: others may write between two transactions. */
static int wrote(struct replica_import *import, size_t bytes, struct err *err)
{
    import->rows++;
    import->bytes += bytes;
    if (import->rows < ROWS_MAX && import->bytes < BYTES_MAX) {
        return 0;
    }
    int rc = end(import, 0, err);
    rc = rc != 0 ? rc : begin(import, err);
    return rc != 0 || !import->ordered ? rc : find_end(import, err);
}

/* --- staging --- */

int replica_import_begin(struct replica *replica, uint64_t now_ms, replica_left_out_fn *left_out,
                         void *context, struct replica_import **out, struct err *err)
{
    ASSERT(replica != NULL && left_out != NULL && out != NULL);
    struct replica_import *import = calloc(1, sizeof *import);
    if (import == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    import->writer.replica = replica;
    import->now_ms = now_ms;
    import->left_out = left_out;
    import->context = context;
    int rc = begin(import, err); /* then all that is staged is the import's */
    rc = rc != 0 ? rc : replica_throw_staged_away(replica, import->writer.txn, err);
    rc = end(import, rc, err);
    if (rc != 0) {
        free(import);
        return rc;
    }
    *out = import;
    return 0;
}

static struct record_key key_plan(uint64_t local)
{
    struct record_key key = replica_key_number(local);
    key.bytes[key.size++] = PLAN;
    return key;
}

/* The bag's place among what is staged. What an earlier fetch left of the other copy goes. */
static int take_room(struct replica_import *import, struct err *err)
{
    static const uint8_t state[STATE_SIZE];
    struct replica *replica = import->writer.replica;
    MDB_txn *txn = import->writer.txn;
    struct record_key number = replica_key_number(import->bag.local);
    struct span before;
    int rc = replica_record_get(replica, txn, TABLE_STAGE, &number, &before, NULL);
    if (rc == 0) {
        return err_set(err, E_MALFORMED, "the bag of '%.150s' comes twice",
                       import->bag.owner.shown);
    }
    rc = rc == E_NOT_FOUND ? 0 : err_set(err, rc, "what is staged can't be read");
    if (rc == 0 && !import->is_new) {
        struct record_key copy =
            replica_key_item(import->here.local, import->here.copy ^ 1u, (struct span){NULL, 0});
        rc = replica_record_delete_all(replica, txn, TABLE_ITEMS, &copy, err);
    }
    return rc != 0 ? rc
                   : replica_record_put(replica, txn, TABLE_STAGE, &number,
                                        span_of(state, sizeof state), err);
}

int replica_import_bag(struct replica_import *import, const struct snapshot_bag *bag,
                       enum replica_fate fate, const struct replica_bag *here, struct err *err)
{
    ASSERT(import != NULL && bag != NULL && here != NULL);
    ASSERT(fate != REPLICA_IS_THERE && fate != REPLICA_IS_OLDER);
    int rc = begin(import, err);
    if (rc != 0) {
        return rc;
    }
    import->here = *here;
    import->ordered = true;
    import->is_new = fate == REPLICA_IS_NEW;
    import->differs = bag->differs;
    import->bag = (struct replica_bag){.bag_id = bag->bag_id,
                                       .cursor = bag->last_seq,
                                       .complete = true,
                                       .keep = true,
                                       .used_ms = import->now_ms,
                                       .owner = bag->owner};
    if (import->is_new) {
        rc = replica_bag_next_local(import->writer.replica, import->writer.txn, &import->bag.local,
                                    err);
    } else {
        import->bag.local = import->here.local;
        import->bag.copy = import->here.copy ^ 1;
    }
    rc = rc != 0 ? rc : take_room(import, err);
    return rc != 0 ? rc : find_end(import, err);
}

static int put_row(struct replica_import *import, struct span path, const struct item_row *row,
                   struct err *err)
{
    struct replica_bag *bag = &import->bag;
    struct record_key key = replica_key_item(bag->local, bag->copy, path);
    int rc = replica_record_put_item(import->writer.replica, import->writer.items, TABLE_ITEMS,
                                     &key, row, import->append, err);
    if (rc != 0) {
        return rc;
    }
    bag->items++;
    bag->bytes += path.size + row->value.size;
    digest_add(&bag->digest, path, row->seq, row->value);
    return wrote(import, path.size + row->value.size, err);
}

/* By a cursor of its own: differences are few. */
static int put_difference(struct replica_import *import, struct span path,
                          const struct item_row *row, struct err *err)
{
    struct replica *replica = import->writer.replica;
    struct record_key key = replica_key_item(import->bag.local, 0, path);
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(import->writer.txn, replica->tables[TABLE_STAGE], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, "write", err);
    }
    rc = replica_record_put_item(replica, cursor, TABLE_STAGE, &key, row, 0, err);
    mdb_cursor_close(cursor);
    return rc != 0 ? rc : wrote(import, path.size + row->value.size, err);
}

int replica_import_item(struct replica_import *import, struct span path, const struct item_row *row,
                        struct err *err)
{
    ASSERT(import != NULL && import->writer.txn != NULL);
    ASSERT(row->state == ITEM_LIVE || import->differs);
    return import->differs ? put_difference(import, path, row, err)
                           : put_row(import, path, row, err);
}

int replica_import_note(struct replica_import *import, const char *prefix, struct span value,
                        struct err *err)
{
    ASSERT(import != NULL && import->writer.txn != NULL);
    char name[NOTE_NAME_MAX + 1];
    struct record_key key = replica_key_number(import->bag.local);
    int size = snprintf(name, sizeof name, "%s%llu", prefix, (unsigned long long)import->bag.local);
    ASSERT(size > 0 && (size_t)size < sizeof name);
    key.bytes[key.size++] = NOTE;
    memcpy(key.bytes + key.size, name, (size_t)size);
    key.size += (size_t)size;
    return replica_record_put(import->writer.replica, import->writer.txn, TABLE_STAGE, &key, value,
                              err);
}

/* --- what stays of the copy that is here --- */

struct keeping {
    const struct replica_import *import;
    struct buf bytes; /* of each: size of the path, path, row, value */
};

static int keep_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct keeping *keeping = context;
    const struct replica_import *import = keeping->import;
    if (row == NULL || !import->left_out(import->context, &import->bag.owner, path)) {
        return 0; /* a damaged one is fetched when there is a server */
    }
    (void)buf_append(&keeping->bytes, &path.size, sizeof path.size);
    (void)buf_append_span(&keeping->bytes, path);
    (void)buf_append(&keeping->bytes, row, sizeof *row);
    (void)buf_append_span(&keeping->bytes, row->value);
    int rc = buf_error(&keeping->bytes);
    return rc == 0 ? 0
                   : err_set(err, rc, "what stays of '%.150s' does not fit into memory",
                             import->bag.owner.shown);
}

static int put_kept(struct replica_import *import, struct span path, const struct item_row *row,
                    struct err *err)
{
    struct item_row there;
    struct record_key key = replica_key_item(import->bag.local, import->bag.copy, path);
    int rc = replica_item_get(import->writer.replica, import->writer.items, &key, &there, err);
    return rc != 0 || there.state == ITEM_LIVE ? rc : put_row(import, path, row, err);
}

static int put_all_kept(struct replica_import *import, struct span bytes, struct err *err)
{
    int rc = 0;
    import->ordered = false;
    import->append = 0;
    while (rc == 0 && bytes.size > 0) {
        struct span path = {NULL, 0};
        struct item_row row;
        memcpy(&path.size, bytes.data, sizeof path.size);
        path.data = bytes.data + sizeof path.size;
        memcpy(&row, path.data + path.size, sizeof row);
        row.value.data = path.data + path.size + sizeof row;
        size_t size = sizeof path.size + path.size + sizeof row + row.value.size;
        bytes = span_of(bytes.data + size, bytes.size - size);
        rc = put_kept(import, path, &row, err);
    }
    return rc;
}

/* Nothing was staged under the prefix of the copy that is here, so its rows can be read while the
 * others are written, once they are out of the map. */
static int keep_what_was_left_out(struct replica_import *import, struct err *err)
{
    struct keeping keeping = {.import = import};
    struct replica *replica = import->writer.replica;
    struct record_key prefix =
        replica_key_item(import->here.local, import->here.copy, (struct span){NULL, 0});
    buf_init(&keeping.bytes, KEPT_MAX);
    int rc = replica_record_items(replica, import->writer.txn, TABLE_ITEMS, &prefix, keep_row,
                                  &keeping, "read", err);
    rc = rc != 0 ? rc : put_all_kept(import, buf_span(&keeping.bytes), err);
    buf_free(&keeping.bytes);
    return rc;
}

/* --- the plan --- */

static int put_plan(struct replica_import *import, struct err *err)
{
    uint8_t bytes[PLAN_HEAD + RECORD_BAG_MAX];
    struct record_key key = key_plan(import->bag.local);
    bytes[0] = (uint8_t)((import->differs ? PLAN_DIFFERS : 0) | (import->is_new ? PLAN_IS_NEW : 0));
    bytes[1] = import->here.copy;
    put_be64(bytes + 2, import->here.cursor);
    size_t size = replica_bag_encode(&import->bag, bytes + PLAN_HEAD);
    return replica_record_put(import->writer.replica, import->writer.txn, TABLE_STAGE, &key,
                              span_of(bytes, PLAN_HEAD + size), err);
}

int replica_import_bag_end(struct replica_import *import, const struct snapshot_bag *bag,
                           struct err *err)
{
    ASSERT(import != NULL && import->writer.txn != NULL);
    bool same = !import->is_new && import->here.bag_id == import->bag.bag_id;
    import->bag.cursor = bag->complete_to;
    int rc = 0;
    if (bag->left_out > 0 && same && import->here.complete) {
        if (import->here.cursor < import->bag.cursor) { /* what stays is as of then */
            import->bag.cursor = import->here.cursor;
        }
        rc = import->differs ? 0 : keep_what_was_left_out(import, err);
    }
    return rc != 0 ? rc : put_plan(import, err);
}

/* --- the switch --- */

struct plan {
    bool differs, is_new;
    uint8_t copy; /* that counted, and */
    uint64_t cursor;
    struct replica_bag bag;
};

static int get_plan(const MDB_val *key, const MDB_val *data, struct plan *plan)
{
    struct span bytes;
    if (!replica_record_check(TABLE_STAGE, key, data, &bytes) || bytes.size < PLAN_HEAD) {
        return E_CORRUPT;
    }
    *plan = (struct plan){.differs = (bytes.data[0] & PLAN_DIFFERS) != 0,
                          .is_new = (bytes.data[0] & PLAN_IS_NEW) != 0,
                          .copy = bytes.data[1],
                          .cursor = get_be64(bytes.data + 2)};
    if (!replica_bag_decode(span_of(bytes.data + PLAN_HEAD, bytes.size - PLAN_HEAD), &plan->bag)) {
        return E_CORRUPT;
    }
    plan->bag.local = get_be64(key->mv_data);
    return 0;
}

static int changed_meanwhile(const struct replica_bag *bag, struct err *err)
{
    return err_set(err, E_BUSY, "the bag of '%.150s' was changed meanwhile: try again",
                   bag->owner.shown);
}

static int move_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct replica_import *import = context;
    return row == NULL ? err_set(err, E_CORRUPT, "a staged item is damaged")
                       : replica_item_put(&import->writer, &import->bag, path, row, err);
}

/* `now`: the bag as it is. */
static int put_on_top(struct replica_import *import, const struct plan *plan,
                      const struct replica_bag *now, struct err *err)
{
    struct replica *replica = import->writer.replica;
    struct record_key prefix = replica_key_item(plan->bag.local, 0, (struct span){NULL, 0});
    if (!now->complete || now->bag_id != plan->bag.bag_id || now->cursor != plan->cursor) {
        return changed_meanwhile(now, err);
    }
    import->bag = *now;
    int rc = replica_record_items(replica, import->writer.txn, TABLE_STAGE, &prefix, move_row,
                                  import, "move staged items", err);
    if (plan->bag.cursor > import->bag.cursor) {
        import->bag.cursor = plan->bag.cursor;
    }
    import->bag.keep = true;
    return rc;
}

static int take_place(struct replica_import *import, const struct plan *plan,
                      const struct replica_bag *now, struct err *err)
{
    struct replica *replica = import->writer.replica;
    struct record_key old = replica_key_item(now->local, now->copy, (struct span){NULL, 0});
    if (now->copy != plan->copy) {
        return changed_meanwhile(now, err);
    }
    import->bag = plan->bag;
    int rc = replica_record_delete_all(replica, import->writer.txn, TABLE_ITEMS, &old, err);
    return rc != 0 || now->bag_id == plan->bag.bag_id
               ? rc
               : replica_bag_delete_id(replica, import->writer.txn, now->bag_id, err);
}

static int switch_bag(struct replica_import *import, const struct plan *plan, struct err *err)
{
    struct replica *replica = import->writer.replica;
    MDB_txn *txn = import->writer.txn;
    struct replica_bag now;
    int rc = replica_bag_get_by_owner(replica, txn, &plan->bag.owner, &now, NULL);
    bool fits = plan->is_new ? rc == E_NOT_FOUND : rc == 0 && now.local == plan->bag.local;
    if (!fits) {
        return rc == 0 || rc == E_NOT_FOUND
                   ? changed_meanwhile(&plan->bag, err)
                   : err_set(err, rc, "the bag of '%.150s' can't be read", plan->bag.owner.shown);
    }
    if (plan->is_new) {
        import->bag = plan->bag;
        rc = 0;
    } else {
        rc = plan->differs ? put_on_top(import, plan, &now, err)
                           : take_place(import, plan, &now, err);
    }
    rc = rc != 0 ? rc : replica_bag_put(replica, txn, &import->bag, err);
    rc = rc != 0 ? rc : replica_bag_put_index(replica, txn, &import->bag, err);
    return rc != 0 || import->bag.owner.kind != OWNER_FLEET
               ? rc
               : replica_rules_note(replica, txn, &import->bag, true, err);
}

static int take_note(struct replica_import *import, const MDB_val *key, const MDB_val *data,
                     struct err *err)
{
    char name[NOTE_NAME_MAX + 1];
    struct span value;
    size_t size = key->mv_size - 9;
    if (!replica_record_check(TABLE_STAGE, key, data, &value) || size > NOTE_NAME_MAX) {
        return err_set(err, E_CORRUPT, "a staged note is damaged");
    }
    memcpy(name, (const uint8_t *)key->mv_data + 9, size);
    name[size] = '\0';
    return replica_put_note(import->writer.replica, import->writer.txn, name, value, err);
}

/* One record of `stage`. What is done by it writes to other tables, or removes nothing here. */
static int take_staged(struct replica_import *import, const MDB_val *key, const MDB_val *data,
                       struct err *err)
{
    struct plan plan;
    uint8_t what = key->mv_size >= 9 ? ((const uint8_t *)key->mv_data)[8] : 0;
    if (what == PLAN && key->mv_size == 9) {
        return get_plan(key, data, &plan) != 0 ? err_set(err, E_CORRUPT, "a staged bag is damaged")
                                               : switch_bag(import, &plan, err);
    }
    return what == NOTE ? take_note(import, key, data, err) : 0;
}

static int switch_all(struct replica_import *import, struct err *err)
{
    struct replica *replica = import->writer.replica;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    int at = mdb_cursor_open(import->writer.txn, replica->tables[TABLE_STAGE], &cursor);
    int rc = at != 0 ? replica_error(replica, at, "take a file", err) : 0;
    at = at != 0 ? at : mdb_cursor_get(cursor, &key, &data, MDB_FIRST);
    for (; rc == 0 && at == 0; at = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) {
        rc = take_staged(import, &key, &data, err);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc != 0 || at == MDB_NOTFOUND ? rc : replica_error(replica, at, "take a file", err);
}

static int put_position(struct replica_import *import, const struct replica_position *position,
                        struct err *err)
{
    static const uint8_t unknown[SHA256_SIZE];
    struct replica *replica = import->writer.replica;
    struct replica_position now;
    int rc = replica_position(replica, &now, err);
    if (rc == 0 && !now.has_history) {
        rc = replica_put_history(replica, import->writer.txn, position->history, 0, err);
    }
    if (rc != 0 || memcmp(position->hash, unknown, sizeof unknown) == 0) {
        return rc;
    }
    return replica_put_position(replica, import->writer.txn, position->seq, position->hash, err);
}

/* Everything in `stage` is the import's. */
static int switch_over(struct replica_import *import, const struct replica_position *position,
                       const struct replica_note *notes, size_t note_count, struct err *err)
{
    struct replica *replica = import->writer.replica;
    MDB_txn *txn = import->writer.txn;
    int rc = switch_all(import, err);
    rc = rc != 0 ? rc : put_position(import, position, err);
    for (size_t i = 0; rc == 0 && i < note_count; i++) {
        rc = replica_put_note(replica, txn, notes[i].name, notes[i].value, err);
    }
    return rc != 0 ? rc
                   : replica_error(replica, mdb_drop(txn, replica->tables[TABLE_STAGE], 0),
                                   "take a file", err);
}

int replica_import_commit(struct replica_import **import, const struct replica_position *position,
                          const struct replica_note *notes, size_t note_count, struct err *err)
{
    ASSERT(import != NULL && *import != NULL);
    ASSERT(position != NULL && position->has_history);
    struct replica_import *old = *import;
    int rc = end(old, 0, err); /* the rest is staged */
    rc = rc != 0 ? rc : begin(old, err);
    rc = rc != 0 ? rc : switch_over(old, position, notes, note_count, err);
    rc = end(old, rc, err);
    if (rc != 0) {
        replica_import_abort(import);
        return rc;
    }
    rc = replica_sync(old->writer.replica, err); /* the last commit too survives a power cut */
    free(old);
    *import = NULL;
    return rc;
}

/* --- giving up --- */

/* What was staged goes. If it can't, it does when the replica is opened. */
static void unstage(struct replica_import *import)
{
    struct replica *replica = import->writer.replica;
    if (begin(import, NULL) == 0) {
        int rc = replica_throw_staged_away(replica, import->writer.txn, NULL);
        (void)!end(import, rc, NULL);
    }
}

void replica_import_abort(struct replica_import **import)
{
    if (import == NULL || *import == NULL) {
        return;
    }
    (void)!end(*import, E_CLOSED, NULL);
    unstage(*import);
    free(*import);
    *import = NULL;
}
