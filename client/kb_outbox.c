/* client/kb_outbox.c - what waits for the server, and what it refused. */
#include <stdlib.h>
#include <string.h>

#include "client/kb_inside.h"
#include "client/network.h"

/* An operation, copied: callbacks run without the outbox's lock. */
struct copy {
    struct copy *next;
    struct kb_op op;
    char bag[OWNER_TEXT_MAX];
    char item[PATH_MAX_BYTES + 1];
    char text[ERR_TEXT_MAX];
};

struct copies {
    struct copy *first, **link;
};

static int copy_op(void *context, const struct outbox_entry *entry, struct err *err)
{
    struct copies *copies = context;
    if (entry->kind != OPERATION_WRITE) {
        return 0; /* registering a user is no write of anybody's */
    }
    struct copy *copy = calloc(1, sizeof *copy);
    if (copy == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    owner_format(entry->owner, copy->bag);
    memcpy(copy->item, entry->first_path.data, entry->first_path.size);
    size_t length = strnlen(entry->text, sizeof copy->text - 1);
    memcpy(copy->text, entry->text, length);
    copy->op = (struct kb_op){.op = entry->id,
                              .bag = copy->bag,
                              .item = copy->item,
                              .items = entry->items,
                              .bytes = entry->bytes,
                              .time_ms = entry->time_ms,
                              .code = entry->code,
                              .text = copy->text};
    *copies->link = copy;
    copies->link = &copy->next;
    return 0;
}

static void copies_free(struct copies *copies)
{
    while (copies->first != NULL) {
        struct copy *copy = copies->first;
        copies->first = copy->next;
        free(copy);
    }
}

static int copy_all(struct kb *kb, enum outbox_state state, struct copies *copies, struct err *err)
{
    *copies = (struct copies){0};
    copies->link = &copies->first;
    return outbox_each(kb->outbox, state, copy_op, copies, err);
}

int kb_outbox(struct kb *kb, enum kb_outbox_which which, kb_op_fn *each, void *context,
              struct kb_error *error)
{
    ASSERT(kb != NULL && each != NULL);
    struct err err = {0};
    struct copies copies;
    int told = 0;
    int rc =
        copy_all(kb, which == KB_OUTBOX_REFUSED ? OUTBOX_REFUSED : OUTBOX_PENDING, &copies, &err);
    for (struct copy *copy = copies.first; rc == 0 && told == 0 && copy != NULL;
         copy = copy->next) {
        told = each(context, &copy->op);
    }
    copies_free(&copies);
    return rc != 0 ? client_fail(error, &err) : told;
}

/* Of `op`, or of all that are in this state. */
static int for_each_of(struct kb *kb, uint64_t op, enum outbox_state state,
                       int (*each)(struct kb *kb, const struct kb_op *op, struct err *err),
                       struct err *err)
{
    struct copies copies;
    bool found = op == 0;
    int rc = copy_all(kb, state, &copies, err);
    for (struct copy *copy = copies.first; rc == 0 && copy != NULL; copy = copy->next) {
        if (op == 0 || copy->op.op == op) {
            found = true;
            rc = each(kb, &copy->op, err);
        }
    }
    copies_free(&copies);
    if (rc == 0 && !found) {
        return E_NOT_FOUND;
    }
    return rc;
}

static int no_such(uint64_t op, struct err *err)
{
    return err_set(err, E_NOT_FOUND, "there is no such write: %llu", (unsigned long long)op);
}

/* The whole bag is told of: what the write showed is not shown any more, or is again. */
static void tell_bag(struct kb *kb, const char *bag)
{
    struct owner owner;
    if (owner_parse(&owner, bag, NULL) == 0) {
        client_tell(kb, &owner, (struct span){NULL, 0}, 0);
    }
}

static int retry(struct kb *kb, const struct kb_op *op, struct err *err)
{
    struct replica_bag bag;
    int rc = client_find_bag(kb, op->bag, &bag, err);
    if (rc != 0) {
        return rc;
    }
    struct outbox_target target = {.owner = &bag.owner,
                                   .bag_id = bag.bag_id,
                                   .made_by = bag.bag_id == 0 ? bag.made_by : 0,
                                   .seen = bag.cursor};
    const struct replica_rules *rules = NULL;
    if (bag.owner.kind == OWNER_USER) { /* without them it is made as a shared one, as any write */
        client_tell_damage(kb, replica_rules_take(kb->replica, &rules, NULL));
    }
    rc = outbox_retry(kb->outbox, op->op, &target, client_is_device_specific,
                      (void *)(uintptr_t)rules, client_wall_ms(kb), NULL, err);
    replica_rules_put_back(kb->replica, &rules);
    if (rc == 0) {
        tell_bag(kb, op->bag);
    }
    return rc;
}

static int drop(struct kb *kb, const struct kb_op *op, struct err *err)
{
    int rc = outbox_drop(kb->outbox, op->op, err);
    if (rc == 0) {
        tell_bag(kb, op->bag);
    }
    return rc;
}

static void wake(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    if (kb->network != NULL) {
        network_wake(kb->network, NETWORK_OPS);
    }
    (void)pthread_mutex_unlock(&kb->lock);
}

int kb_outbox_retry(struct kb *kb, uint64_t op, struct kb_error *error)
{
    ASSERT(kb != NULL);
    struct err err = {0};
    int rc = for_each_of(kb, op, OUTBOX_REFUSED, retry, &err);
    wake(kb);
    rc = rc == E_NOT_FOUND && err.code == 0 ? no_such(op, &err) : rc;
    return rc == 0 ? 0 : client_fail(error, &err);
}

/* All: the refused ones. One by its number: also one that is pending. */
int kb_outbox_drop(struct kb *kb, uint64_t op, struct kb_error *error)
{
    ASSERT(kb != NULL);
    struct err err = {0};
    int rc = for_each_of(kb, op, OUTBOX_REFUSED, drop, &err);
    if (rc == E_NOT_FOUND && err.code == 0 && op != 0) {
        rc = for_each_of(kb, op, OUTBOX_PENDING, drop, &err);
    }
    wake(kb);
    rc = rc == E_NOT_FOUND && err.code == 0 ? no_such(op, &err) : rc;
    return rc == 0 ? 0 : client_fail(error, &err);
}
