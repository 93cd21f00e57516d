/* client/replica_use.c - when bags were last used, and by whom longest not. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/replica_inside.h"

enum { USED_MS = 3600 * 1000 }; /* how exactly it is noted */

static bool is_noted(const struct replica_bag *bag, uint64_t now_ms)
{
    return bag->used_ms <= now_ms && now_ms - bag->used_ms < USED_MS; /* clocks may go back */
}

static int note(struct replica *replica, uint64_t local, uint64_t now_ms, struct err *err)
{
    MDB_txn *txn = NULL;
    struct replica_bag bag;
    int rc = replica_write_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_get(replica, txn, local, &bag, err);
    if (rc == 0) {
        bag.used_ms = now_ms;
        rc = replica_bag_put(replica, txn, &bag, err);
    }
    return replica_write_end(replica, &txn, rc, err);
}

int replica_used(struct replica *replica, uint64_t local, uint64_t now_ms, struct err *err)
{
    ASSERT(replica != NULL);
    MDB_txn *txn = NULL;
    struct replica_bag bag;
    int rc = replica_read_begin(replica, &txn, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_bag_get(replica, txn, local, &bag, err);
    mdb_txn_abort(txn);
    return rc != 0 || is_noted(&bag, now_ms) ? rc : note(replica, local, now_ms, err);
}

struct uses {
    struct replica_use *list;
    size_t count;
    size_t capacity;
};

/* Users' own bags and, for the time being, those of users on devices. */
static int collect(void *context, const struct replica_bag *bag, struct err *err)
{
    struct uses *uses = context;
    bool of_user = bag->owner.kind == OWNER_USER || bag->owner.kind == OWNER_USER_DEVICE;
    if (!bag->keep || !of_user) {
        return 0;
    }
    struct replica_use *list =
        array_reserve(uses->list, &uses->capacity, uses->count + 1, sizeof *list);
    if (list == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    uses->list = list;
    uses->list[uses->count++] = (struct replica_use){
        .local = bag->local, .bag_id = bag->bag_id, .used_ms = bag->used_ms, .owner = bag->owner};
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct replica_use *left = a;
    const struct replica_use *right = b;
    int order = strcmp(left->owner.folded, right->owner.folded);
    return order != 0 ? order : (int)left->owner.kind - (int)right->owner.kind;
}

static int by_use(const void *a, const void *b)
{
    const struct replica_use *left = a;
    const struct replica_use *right = b;
    if (left->used_ms != right->used_ms) {
        return left->used_ms < right->used_ms ? -1 : 1;
    }
    return left->local < right->local ? -1 : left->local > right->local;
}

/* Sorted by name, a user's bags follow each other, the user's own first. */
static void join_bags(struct uses *uses)
{
    size_t users = 0;
    for (size_t i = 0; i < uses->count; i++) {
        const struct replica_use *use = &uses->list[i];
        struct replica_use *user = users > 0 ? &uses->list[users - 1] : NULL;
        if (use->owner.kind == OWNER_USER) {
            uses->list[users++] = *use;
        } else if (user != NULL && strcmp(user->owner.folded, use->owner.folded) == 0 &&
                   user->used_ms < use->used_ms) {
            user->used_ms = use->used_ms;
        }
    }
    uses->count = users;
}

int replica_least_used(struct replica *replica, struct replica_use **list, size_t *count,
                       struct err *err)
{
    ASSERT(replica != NULL);
    ASSERT(list != NULL && count != NULL);
    struct uses uses = {0};
    int rc = replica_bags(replica, collect, &uses, err);
    if (rc == 0 && uses.count > 0) {
        qsort(uses.list, uses.count, sizeof *uses.list, by_name);
        join_bags(&uses);
        qsort(uses.list, uses.count, sizeof *uses.list, by_use);
    }
    if (rc != 0 || uses.count == 0) {
        free(uses.list);
        uses = (struct uses){0};
    }
    if (rc == 0) {
        *list = uses.list;
        *count = uses.count;
    }
    return rc;
}
