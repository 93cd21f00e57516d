/* client/kb_settle.c - what the outbox knows of bags, told to the replica; and writes that the
 * replica has, let go of.
 */
#include <string.h>

#include "client/kb_policy.h"

enum { ACKED_BAGS_MAX = 256 }; /* let go of per round */

/* --- what the outbox knows of bags --- */

/* A bag that this machine made: it may be missing here (a crash between the two, a replica that
 * was lost), or not know yet what the server called it. */
static int settle_create(void *context, const struct outbox_made *made, struct err *err)
{
    struct kb *kb = context;
    struct replica_bag bag;
    int rc = replica_bag_by_owner(kb->replica, &made->owner, &bag, err);
    if (rc == E_NOT_FOUND && made->bag_id == 0) {
        bag = (struct replica_bag){
            .made_by = made->id, .complete = true, .keep = true, .owner = made->owner};
        return replica_bag_add(kb->replica, &bag, err);
    }
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    if (bag.bag_id != 0 || bag.made_by != made->id || made->bag_id == 0) {
        return 0;
    }
    bag.bag_id = made->bag_id;
    bag.cursor = made->code == 0 ? made->bag_id : 0; /* not 0: it was made here */
    bag.complete = false; /* the server's copy comes, and the writes of here lie over it */
    return replica_bag_update(kb->replica, &bag, err);
}

struct made_ids {
    struct kb *kb;
    size_t count;
    uint64_t ids[ACKED_BAGS_MAX];
};

static int note_made(void *context, const struct outbox_made *made, struct err *err)
{
    struct made_ids *done = context;
    int rc = settle_create(done->kb, made, err);
    if (rc == 0 && made->bag_id != 0 && done->count < ACKED_BAGS_MAX) {
        done->ids[done->count++] = made->id;
    }
    return rc;
}

int client_settle_creates(struct kb *kb, struct err *err)
{
    struct made_ids done = {.kb = kb};
    int rc = outbox_creates(kb->outbox, note_made, &done, err);
    for (size_t i = 0; rc == 0 && i < done.count; i++) {
        outbox_made_done(kb->outbox, done.ids[i]);
    }
    return rc;
}

/* --- letting go of what was taken up --- */

/* Under the outbox's lock: was what the write showed something else than what the replica says? */
static void tell_if_other(void *context, const struct owner *owner, struct span path,
                          const struct span *value)
{
    struct kb *kb = context;
    struct replica_view view = {.owner = owner, .device = client_device(kb)};
    struct replica_seen seen;
    struct buf now;
    buf_init(&now, VALUE_MAX_BYTES + 1);
    int rc = replica_view_item(kb->replica, &view, path, &seen, &now, NULL);
    bool same = rc == 0 ? value != NULL && span_equal(*value, buf_span(&now))
                        : rc == E_NOT_FOUND && value == NULL;
    if (!same) {
        client_tell(kb, owner, path, rc == 0 ? seen.row.seq : 0);
    }
    buf_free(&now);
}

void client_passed(struct kb *kb, uint64_t bag_id, uint64_t cursor, bool *waiting)
{
    if (outbox_passed(kb->outbox, bag_id, cursor, tell_if_other, kb) > 0 && waiting != NULL) {
        *waiting = true;
    }
}

/* What writes of one bag wait for. */
struct awaited_bag {
    uint64_t bag_id;
    uint64_t user_bag; /* not 0: bag_id is the bag on this device of the user with this bag */
};

struct awaited_bags {
    size_t count;
    struct awaited_bag list[ACKED_BAGS_MAX];
};

static void collect(struct awaited_bags *bags, uint64_t bag_id, uint64_t user_bag)
{
    for (size_t i = 0; i < bags->count; i++) {
        if (bags->list[i].bag_id == bag_id) {
            return;
        }
    }
    if (bags->count < ACKED_BAGS_MAX) {
        bags->list[bags->count++] = (struct awaited_bag){bag_id, user_bag};
    }
}

static int collect_bag(void *context, const struct outbox_entry *entry, struct err *err)
{
    (void)err;
    collect(context, entry->bag_id, 0);
    if (entry->device_bag != 0) {
        collect(context, entry->device_bag, entry->bag_id);
    }
    return 0;
}

int client_keep_bag(struct kb *kb, const struct owner *owner, uint64_t bag_id,
                    struct replica_bag *out, struct err *err)
{
    struct replica_bag bag;
    int rc = replica_bag_by_owner(kb->replica, owner, &bag, err);
    if (rc == 0 && bag.bag_id != 0 && bag.bag_id != bag_id) { /* deleted and made again */
        rc = client_save_copy(kb, &bag, err);
        if (rc != 0) {
            return rc;
        }
        outbox_hide(kb->outbox, bag.bag_id);
        rc = replica_bag_drop(kb->replica, bag.local, err);
        rc = rc == 0 ? E_NOT_FOUND : rc;
    }
    if (rc == E_NOT_FOUND) {
        bag = (struct replica_bag){.bag_id = bag_id, .keep = true, .owner = *owner};
        rc = replica_bag_add(kb->replica, &bag, err);
    } else if (rc == 0 && (bag.bag_id == 0 || bag.made_by != 0 || !bag.keep ||
                           strcmp(bag.owner.shown, owner->shown) != 0)) {
        bag.complete = bag.complete && bag.bag_id != 0;
        bag.bag_id = bag_id;
        bag.made_by = 0;
        bag.keep = true;
        bag.owner = *owner;
        rc = replica_bag_update(kb->replica, &bag, err);
    }
    if (rc == 0 && out != NULL) {
        *out = bag;
    }
    return rc;
}

/* A write made the server give this machine a bag of the user's own: it is kept from now on, if the
 * user's is. E_NOT_FOUND: it is not, and nothing has to be waited for. */
static int keep_own(struct kb *kb, const struct awaited_bag *awaited, bool *added, struct err *err)
{
    struct replica_bag user;
    struct err why = {0};
    int rc = replica_bag_by_id(kb->replica, awaited->user_bag, &user, &why);
    uint64_t device = client_device(kb); /* 0: the identity was lost since */
    bool kept = rc == 0 && user.keep && user.owner.kind == OWNER_USER && device != 0;
    if (rc != 0 || !kept) {
        return rc == 0 || rc == E_NOT_FOUND ? E_NOT_FOUND : err_set(err, rc, "%s", why.text);
    }
    user.owner.kind = OWNER_USER_DEVICE;
    user.owner.device = device;
    rc = client_keep_bag(kb, &user.owner, awaited->bag_id, NULL, err);
    *added = *added || rc == 0;
    return rc;
}

/* Bags that are not kept here any more have no cursor to wait for. */
static int settle_bag(struct kb *kb, const struct awaited_bag *awaited,
                      struct client_settled *settled, struct err *err)
{
    struct replica_bag bag = {0};
    int rc = awaited->bag_id != 0 ? replica_bag_by_id(kb->replica, awaited->bag_id, &bag, NULL)
                                  : E_NOT_FOUND;
    if (rc == 0) {
        client_passed(kb, awaited->bag_id, bag.cursor, &settled->waiting);
        return 0;
    }
    if (rc == E_NOT_FOUND && awaited->user_bag != 0) {
        rc = keep_own(kb, awaited, &settled->added, err);
        if (rc != E_NOT_FOUND) {
            return rc;
        }
    }
    if (rc == E_NOT_FOUND) {
        client_passed(kb, awaited->bag_id, UINT64_MAX, &settled->waiting);
    }
    return 0;
}

int client_settle_passed(struct kb *kb, struct client_settled *settled, struct err *err)
{
    struct awaited_bags bags = {0};
    *settled = (struct client_settled){0};
    int rc = outbox_each(kb->outbox, OUTBOX_ACKED, collect_bag, &bags, err);
    for (size_t i = 0; rc == 0 && i < bags.count; i++) {
        rc = settle_bag(kb, &bags.list[i], settled, err);
    }
    return rc;
}

int client_hide_gone(struct kb *kb, struct err *err)
{
    struct awaited_bags bags = {0};
    int rc = outbox_each(kb->outbox, OUTBOX_PENDING, collect_bag, &bags, err);
    for (size_t i = 0; rc == 0 && i < bags.count; i++) {
        struct replica_bag bag;
        if (bags.list[i].bag_id != 0 &&
            replica_bag_by_id(kb->replica, bags.list[i].bag_id, &bag, NULL) == E_NOT_FOUND) {
            outbox_hide(kb->outbox, bags.list[i].bag_id);
        }
    }
    return rc;
}
