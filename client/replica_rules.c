/* client/replica_rules.c - what the fleet's bag says of users' items, under a reader's snapshot:
 * fences, categories and flags.
 *
 * Whether it says anything, and which generation of it, is one record of `meta` that changes with
 * the fleet's bag in one transaction: who reads looks at it under his snapshot. The rules of one
 * generation are decoded once and shared by all readers.
 */
#include <stdlib.h>
#include <string.h>

#include "client/replica_inside.h"

enum { NOTE_SIZE = 16 };

static const char FENCE[] = "@fence/";
static const char *const prefixes[] = {SHARING_CATEGORY, SHARING_DEFAULT, FENCE, SHARING_FLAG};
enum { PREFIXES = sizeof prefixes / sizeof prefixes[0] };

static struct record_key note_key(void)
{
    return (struct record_key){.bytes = "fences", .size = 6};
}

static bool begins_with(struct span path, const char *prefix)
{
    size_t size = strlen(prefix);
    return path.size >= size && memcmp(path.data, prefix, size) == 0;
}

bool replica_rules_concern(struct span path)
{
    bool concern = false;
    for (size_t i = 0; i < PREFIXES; i++) {
        concern = concern || begins_with(path, prefixes[i]);
    }
    return concern;
}

/* --- writing --- */

/* Does the fleet have an item whose path begins so? */
static int look_for(struct replica *replica, MDB_txn *txn, const struct replica_bag *fleet,
                    const char *prefix, bool *there, struct err *err)
{
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn, replica->tables[TABLE_ITEMS], &cursor);
    if (rc != 0) {
        return replica_error(replica, rc, "look for rules", err);
    }
    struct record_key first = replica_key_item(fleet->local, fleet->copy, span_str(prefix));
    MDB_val key = {first.size, first.bytes};
    MDB_val data;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    *there = rc == 0 && replica_key_begins(&key, &first);
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : replica_error(replica, rc, "look for rules", err);
}

int replica_rules_note(struct replica *replica, MDB_txn *txn, const struct replica_bag *fleet,
                       bool there, struct err *err)
{
    struct record_key key = note_key();
    bool any = false;
    int rc = 0;
    for (size_t i = 0; rc == 0 && there && !any && i < PREFIXES; i++) {
        rc = look_for(replica, txn, fleet, prefixes[i], &any, err);
    }
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

/* What the server's own version took for a rule and this one does not is none here. */
static int put_rule(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct replica_rules *rules = context;
    if (row == NULL) {
        return err_set(err, E_CORRUPT, "a rule of the fleet's bag is damaged");
    }
    int rc = begins_with(path, FENCE)
                 ? fences_put(&rules->fences, path, row->seq, row->value, err)
                 : sharing_put(&rules->sharing, path, row->seq, row->value, err);
    return rc == E_MALFORMED || rc == E_QUOTA ? 0 : rc;
}

static int load(struct replica *replica, MDB_txn *txn, uint64_t local, struct replica_rules *rules,
                struct err *err)
{
    static const char *const decoded[] = {FENCE, SHARING_CATEGORY, SHARING_FLAG};
    int rc = replica_bag_get(replica, txn, local, &rules->fleet, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? err_set(err, E_CORRUPT, "the fleet's bag is damaged") : rc;
    }
    for (size_t i = 0; rc == 0 && i < sizeof decoded / sizeof decoded[0]; i++) {
        struct record_key prefix = replica_key_item(local, rules->fleet.copy, span_str(decoded[i]));
        rc = replica_record_items(replica, txn, TABLE_ITEMS, &prefix, put_rule, rules, "read rules",
                                  err);
    }
    return rc;
}

/* The one in the replica, if it is of this generation. */
static struct replica_rules *find(struct replica *replica, uint64_t generation)
{
    (void)pthread_mutex_lock(&replica->rules_lock);
    struct replica_rules *rules = replica->rules;
    if (rules != NULL && rules->generation == generation) {
        rules->refs++;
    } else {
        rules = NULL;
    }
    (void)pthread_mutex_unlock(&replica->rules_lock);
    return rules;
}

void replica_rules_put_back(struct replica *replica, const struct replica_rules **rules)
{
    if (*rules == NULL) {
        return;
    }
    struct replica_rules *old = (struct replica_rules *)(uintptr_t)*rules;
    *rules = NULL;
    (void)pthread_mutex_lock(&replica->rules_lock);
    bool last = --old->refs == 0;
    (void)pthread_mutex_unlock(&replica->rules_lock);
    if (last) {
        fences_free(&old->fences);
        sharing_free(&old->sharing);
        free(old);
    }
}

/* In the replica's stead of an older generation; a reader of an older snapshot keeps his own. */
static void share(struct replica *replica, struct replica_rules *rules)
{
    const struct replica_rules *old = NULL;
    (void)pthread_mutex_lock(&replica->rules_lock);
    if (replica->rules == NULL || replica->rules->generation < rules->generation) {
        old = replica->rules;
        replica->rules = rules;
        rules->refs++;
    }
    (void)pthread_mutex_unlock(&replica->rules_lock);
    replica_rules_put_back(replica, &old);
}

static int decode(struct replica *replica, MDB_txn *txn, uint64_t generation, uint64_t local,
                  const struct replica_rules **out, struct err *err)
{
    struct replica_rules *rules = calloc(1, sizeof *rules);
    if (rules == NULL) {
        return err_set(err, E_NOMEM, "read rules: out of memory");
    }
    rules->generation = generation;
    rules->refs = 1;
    *out = rules;
    int rc = load(replica, txn, local, rules, err);
    if (rc != 0) {
        replica_rules_put_back(replica, out);
        return rc;
    }
    share(replica, rules);
    return 0;
}

int replica_rules_get(struct replica *replica, MDB_txn *txn, const struct replica_rules **out,
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
        rc = err_set(err, E_CORRUPT, "the note of the fleet's rules is damaged");
    }
    if (rc != 0) {
        return rc;
    }
    uint64_t generation = get_be64(note.data);
    *fleet_local = get_be64(note.data + 8);
    *out = find(replica, generation);
    return *out != NULL ? 0 : decode(replica, txn, generation, *fleet_local, out, err);
}

int replica_rules_heal(struct replica *replica, uint64_t fleet_local, struct err *err)
{
    /* without its rules nothing can be told of any bag */
    return fleet_local != 0 ? replica_bag_mark_damaged(replica, fleet_local, err)
                            : replica_meta_repair(replica, err);
}

static int try_take(struct replica *replica, const struct replica_rules **out, uint64_t *fleet,
                    struct err *err)
{
    MDB_txn *txn = NULL;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc == 0) {
        rc = replica_rules_get(replica, txn, out, fleet, err);
        mdb_txn_abort(txn);
    }
    return rc;
}

int replica_rules_take(struct replica *replica, const struct replica_rules **out, struct err *err)
{
    ASSERT(replica != NULL && out != NULL);
    uint64_t fleet = 0;
    *out = NULL;
    int rc = try_take(replica, out, &fleet, err);
    if (rc == E_CORRUPT) {
        rc = replica_rules_heal(replica, fleet, err);
        rc = rc != 0 ? rc : try_take(replica, out, &fleet, err);
    }
    return rc;
}

/* --- asking --- */

uint64_t replica_rules_fence(const struct replica_rules *rules, enum owner_kind kind,
                             struct span path)
{
    return rules != NULL ? fences_position(&rules->fences, kind, path) : 0;
}

bool replica_rules_hide(const struct replica_rules *rules, enum owner_kind kind, struct span path,
                        uint64_t seq)
{
    return seq < replica_rules_fence(rules, kind, path);
}

const struct category *replica_rules_category(const struct replica_rules *rules, struct span path)
{
    return rules != NULL ? sharing_find(&rules->sharing, path) : NULL;
}
