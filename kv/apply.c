/* kv/apply.c - applying changes to the state: all rows and the position in one RocksDB batch. */
#include <inttypes.h>

#include "kv/inside.h"
#include "kv/link.h"
#include "kv/overlay.h"

/* One call of kv_apply: what it makes of the state, before any of it is written. */
struct pass {
    struct kv_overlay overlay;
    struct kv_mark mark;
};

static int misfit(const struct change *change, const char *what, struct err *err)
{
    return err_set(err, E_CORRUPT, "change %" PRIu64 " does not fit the state: %s", change->seq,
                   what);
}

static int get_bag(struct pass *pass, uint64_t bag_id, struct kv_cell **out, struct err *err)
{
    struct kv_key key = kv_key_bag(bag_id);
    return kv_overlay_get(&pass->overlay, &key, out, err);
}

/* --- bags --- */

/* The row that finds the bag by its owner. */
static struct kv_key index_key(const struct bag_row *bag)
{
    if (bag->owner.kind == OWNER_USER_DEVICE) {
        return kv_key_child(bag->parent, bag->owner.device);
    }
    return kv_key_owner(&bag->owner);
}

static void count_bag(struct kv_counts *counts, enum owner_kind kind, bool created)
{
    uint64_t one = created ? 1 : UINT64_MAX; /* or its negative */
    counts->bags += one;
    counts->users += kind == OWNER_USER ? one : 0;
    counts->groups += kind == OWNER_GROUP ? one : 0;
}

static int check_parent(struct pass *pass, const struct change *change, struct err *err)
{
    if (change->owner.kind != OWNER_USER_DEVICE) {
        return 0;
    }
    struct kv_cell *parent = NULL;
    int rc = get_bag(pass, change->parent, &parent, err);
    if (rc != 0) {
        return rc;
    }
    const struct owner user = {.kind = OWNER_USER};
    struct owner named = change->owner; /* the same name, without the device */
    named.kind = user.kind;
    named.device = user.device;
    if (!parent->present || !owner_equal(&parent->bag->owner, &named)) {
        return misfit(change, "the bag it hangs on is not its user's", err);
    }
    return 0;
}

static int create_bag(struct pass *pass, const struct change *change, struct err *err)
{
    struct kv_cell *cell = NULL;
    int rc = get_bag(pass, change->bag_id, &cell, err);
    if (rc != 0) {
        return rc;
    }
    rc = apply_change(change, cell->bag, NULL, true, err);
    if (rc != 0) {
        return rc;
    }
    rc = check_parent(pass, change, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_key key = index_key(cell->bag);
    struct kv_cell *index = NULL;
    rc = kv_overlay_get(&pass->overlay, &key, &index, err);
    if (rc != 0) {
        return rc;
    }
    if (index->present) {
        return misfit(change, "its owner has a bag already", err);
    }
    cell->present = cell->dirty = true;
    index->present = index->dirty = true;
    index->id = change->bag_id;
    count_bag(&pass->mark.counts, change->owner.kind, true);
    return 0;
}

/* The rows that a deletion makes or takes. No bag bears its number again, and no other deletion its
 * seq, so that there is neither grave nor doom yet. */
struct deletion {
    struct kv_cell *bag;
    struct kv_cell *index;
    struct kv_cell *grave;
    struct kv_cell *named;
    struct kv_cell *doom;
};

static int find_deleted(struct pass *pass, const struct change *change, struct deletion *out,
                        struct err *err)
{
    int rc = get_bag(pass, change->bag_id, &out->bag, err);
    if (rc != 0) {
        return rc;
    }
    if (!out->bag->present) {
        return misfit(change, "there is no such bag", err);
    }
    const struct kv_key keys[] = {index_key(out->bag->bag), kv_key_grave(change->bag_id),
                                  kv_key_named_grave(&out->bag->bag->owner, change->bag_id),
                                  kv_key_doomed(change->seq)};
    rc = kv_overlay_get(&pass->overlay, &keys[0], &out->index, err);
    if (rc == 0) {
        rc = kv_overlay_put(&pass->overlay, &keys[1], false, &out->grave, err);
    }
    if (rc == 0) {
        rc = kv_overlay_put(&pass->overlay, &keys[2], false, &out->named, err);
    }
    if (rc == 0) {
        rc = kv_overlay_put(&pass->overlay, &keys[3], false, &out->doom, err);
    }
    if (rc == 0 && (!out->index->present || out->index->id != change->bag_id)) {
        rc = misfit(change, "the directory does not name the bag", err);
    }
    return rc;
}

/* The items stay where they are, hidden, until kv_clean: a deletion costs the same however many
 * there are. */
static int delete_bag(struct pass *pass, const struct change *change, struct err *err)
{
    struct deletion rows = {0};
    int rc = find_deleted(pass, change, &rows, err);
    if (rc != 0) {
        return rc;
    }
    const struct bag_row before = *rows.bag->bag;
    rc = apply_change(change, rows.bag->bag, NULL, true, err);
    if (rc != 0) {
        return rc;
    }
    rows.bag->present = false;
    rows.bag->dirty = true;
    rows.index->present = false;
    rows.index->dirty = true;
    rows.grave->present = rows.grave->dirty = true;
    *rows.grave->bag = before;
    rows.grave->bag->last_seq = change->seq;
    rows.named->present = rows.named->dirty = true;
    rows.named->id = change->bag_id;
    rows.doom->present = rows.doom->dirty = true;
    rows.doom->doom = (struct kv_doom){change->bag_id, KV_DOOM_WHOLE};
    count_bag(&pass->mark.counts, before.owner.kind, false);
    pass->mark.counts.items -= before.items;
    pass->mark.counts.bytes -= before.bytes;
    return 0;
}

/* --- items --- */

/* Of an item that replaces nothing the row is not looked up: a bag's chain of changes has told
 * already that none is missing. */
static int get_item(struct pass *pass, const struct change *change, struct kv_cell **out,
                    struct err *err)
{
    if (change->path.size == 0 || change->path.size > PATH_MAX_BYTES) {
        return misfit(change, "its path is not a valid one", err);
    }
    struct kv_key key = kv_key_item(change->bag_id, change->path);
    return change->old_seq == 0 ? kv_overlay_guess(&pass->overlay, &key, out, err)
                                : kv_overlay_get(&pass->overlay, &key, out, err);
}

/* The row that finds a tombstone by its age comes with it and goes with it. One that is left behind
 * is dropped by kv_purge. */
static int keep_tombstones(struct pass *pass, const struct change *change,
                           const struct item_row *was, struct err *err)
{
    struct kv_cell *cell = NULL;
    if (was->state == ITEM_TOMBSTONE) {
        struct kv_key key = kv_key_tombstone(was->seq);
        int rc = kv_overlay_put(&pass->overlay, &key, true, &cell, err);
        if (rc != 0) {
            return rc;
        }
        cell->present = false;
        cell->dirty = true;
    }
    if (change->kind == CHANGE_ITEM_REMOVE) {
        struct kv_key key = kv_key_tombstone(change->seq);
        int rc = kv_overlay_put(&pass->overlay, &key, false, &cell, err);
        if (rc != 0) {
            return rc;
        }
        cell->present = cell->dirty = true;
        cell->place = (struct kv_place){change->bag_id, change->path};
    }
    return 0;
}

/* Of an item that stands for a link: the row that finds it from the other end. */
static int keep_link(struct pass *pass, const struct change *change, const struct bag_row *bag,
                     const struct item_row *was, struct err *err)
{
    if (kv_link_holder(change->path) != bag->owner.kind) {
        return 0;
    }
    struct kv_key key = kv_link_key(change->bag_id, change->path);
    struct kv_cell *cell = NULL;
    int rc = kv_overlay_put(&pass->overlay, &key, was->state == ITEM_LIVE, &cell, err);
    if (rc == 0) {
        cell->present = change->kind == CHANGE_ITEM_SET;
        cell->dirty = true;
        cell->link = (struct kv_link){bag->owner.device, change->time_ms};
    }
    return rc;
}

static int change_item(struct pass *pass, const struct change *change, struct err *err)
{
    struct kv_cell *cell = NULL;
    struct kv_cell *item = NULL;
    int rc = get_bag(pass, change->bag_id, &cell, err);
    if (rc == 0) {
        rc = get_item(pass, change, &item, err);
    }
    if (rc != 0) {
        return rc;
    }
    const uint64_t items = cell->bag->items;
    const uint64_t bytes = cell->bag->bytes;
    const struct item_row was = item->item;
    rc = apply_change(change, cell->bag, &item->item, true, err);
    if (rc != 0) {
        return rc;
    }
    item->present = item->dirty = true;
    cell->dirty = true;
    pass->mark.counts.items += cell->bag->items - items;
    pass->mark.counts.bytes += cell->bag->bytes - bytes;
    rc = keep_tombstones(pass, change, &was, err);
    return rc == 0 ? keep_link(pass, change, cell->bag, &was, err) : rc;
}

/* --- operations: exactly once --- */

static int drop_outcomes(struct pass *pass, uint64_t writer, uint64_t from, uint64_t to,
                         struct err *err)
{
    for (uint64_t number = from; number <= to; number++) {
        struct kv_key key = kv_key_outcome(writer, number);
        struct kv_cell *cell = NULL;
        int rc = kv_overlay_put(&pass->overlay, &key, true, &cell, err);
        if (rc != 0) {
            return rc;
        }
        cell->present = false;
        cell->dirty = true;
    }
    return 0;
}

/* A writer's first operation, its next one, or another change of its newest. Only of the last is
 * there an outcome. */
static int get_outcome(struct pass *pass, const struct change *change,
                       const struct kv_writer *writer, struct kv_cell **out, struct err *err)
{
    const struct change_op *op = &change->op;
    struct kv_key key = kv_key_outcome(op->writer, op->number);
    if (!writer->known) {
        return kv_overlay_put(&pass->overlay, &key, false, out, err);
    }
    if (writer->device != change->origin) {
        return misfit(change, "its writer is another device's", err);
    }
    if (op->number == writer->highest + 1) {
        return kv_overlay_put(&pass->overlay, &key, false, out, err);
    }
    if (op->number != writer->highest) {
        return misfit(change, "its operation is not its writer's next one", err);
    }
    int rc = kv_overlay_get(&pass->overlay, &key, out, err);
    if (rc == 0 && (!(*out)->present || (*out)->outcome.hash != op->hash)) {
        rc = misfit(change, "its operation was done before", err);
    }
    return rc;
}

static int note_operation(struct pass *pass, const struct change *change, struct err *err)
{
    const struct change_op *op = &change->op;
    struct kv_key key = kv_key_writer(op->writer);
    struct kv_cell *cell = NULL;
    int rc = kv_overlay_get(&pass->overlay, &key, &cell, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_cell *outcome = NULL;
    rc = get_outcome(pass, change, &cell->writer, &outcome, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_writer *writer = &cell->writer;
    if (!writer->known) {
        *writer = (struct kv_writer){.known = true,
                                     .device = change->origin,
                                     .confirmed = op->number - 1,
                                     .begun = change->seq};
    }
    /* Its own outcome can't have been confirmed yet, whatever it says. */
    uint64_t confirmed = op->confirmed < op->number ? op->confirmed : op->number - 1;
    if (confirmed > writer->confirmed) {
        rc = drop_outcomes(pass, op->writer, writer->confirmed + 1, confirmed, err);
        if (rc != 0) {
            return rc;
        }
        writer->confirmed = confirmed;
    }
    writer->highest = op->number;
    cell->present = cell->dirty = true;
    bool refused = change->kind == CHANGE_OP_VOID;
    outcome->outcome =
        (struct kv_outcome){op->hash, refused ? change->code : 0, change->seq, change->bag_id};
    outcome->present = outcome->dirty = true;
    return 0;
}

/* --- the pass --- */

static int apply_one(struct pass *pass, const struct change *change, struct err *err)
{
    struct kv_position *position = &pass->mark.position;
    if (change->seq != position->seq + 1) {
        return err_set(err, E_CORRUPT,
                       "the state is at change %" PRIu64 ", and change %" PRIu64 " does not follow",
                       position->seq, change->seq);
    }
    int rc = 0;
    switch (change->kind) {
    case CHANGE_HISTORY:
        for (size_t i = 0; i < HISTORY_SIZE; i++) {
            position->history[i] = change->history.id[i];
        }
        break;
    case CHANGE_BAG_CREATE:
        rc = create_bag(pass, change, err);
        break;
    case CHANGE_BAG_DELETE:
        rc = delete_bag(pass, change, err);
        break;
    case CHANGE_ITEM_SET:
    case CHANGE_ITEM_REMOVE:
        rc = change_item(pass, change, err);
        break;
    case CHANGE_OP_VOID:
        break;
    }
    if (rc == 0 && change->has_op) {
        rc = note_operation(pass, change, err);
    }
    position->seq = change->seq;
    return rc;
}

int kv_apply(struct kv *kv, const struct change *changes, size_t count,
             const uint8_t hash[SHA256_SIZE], struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(changes != NULL && count > 0);
    ASSERT(hash != NULL);
    struct pass pass = {.mark = {.position = kv->position, .counts = kv->counts}};
    kv_rows_begin(kv, &pass.overlay);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = apply_one(&pass, &changes[i], err);
    }
    pass.mark.position.fresh = false;
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        pass.mark.position.hash[i] = hash[i];
    }
    if (rc == 0) {
        rc = kv_rows_write(kv, &pass.overlay, &pass.mark, err);
    }
    if (rc == 0) {
        kv->counts = pass.mark.counts;
        (void)pthread_mutex_lock(&kv->lock);
        kv->position = pass.mark.position;
        (void)pthread_mutex_unlock(&kv->lock);
    }
    kv_overlay_free(&pass.overlay);
    return rc;
}
