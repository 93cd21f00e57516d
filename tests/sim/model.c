/* tests/sim/model.c - the journal's changes, one behind the other. */
#include "tests/sim/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/records.h"
#include "tests/sim/chance.h"
#include "tests/sim/machine.h"
#include "tests/sim/verdict.h"

struct model model;

static struct journal *opened;

void model_begin(void)
{
    model = (struct model){0};
}

void model_close(void)
{
    journal_cursor_close(&model.cursor);
    opened = NULL;
}

void model_end(void)
{
    model_close();
    for (uint64_t seq = 1; seq <= model.head; seq++) {
        free(model.changes[seq].value);
        free(model.changes[seq].path);
    }
    free(model.changes);
    free(model.bags);
    free(model.stamps);
    sharing_free(&model.sharing);
    model = (struct model){0};
}

/* --- bags and items --- */

struct model_bag *model_bag(uint64_t bag_id)
{
    for (size_t i = model.bag_count; i-- > 0;) {
        if (model.bags[i].bag_id == bag_id) {
            return &model.bags[i];
        }
    }
    return NULL;
}

struct model_bag *model_bag_of(const struct owner *owner)
{
    for (size_t i = model.bag_count; i-- > 0;) {
        if (!model.bags[i].deleted && owner_equal(&model.bags[i].owner, owner)) {
            return &model.bags[i];
        }
    }
    return NULL;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct model_item *)a)->path, ((const struct model_item *)b)->path);
}

static size_t place_of(const struct model_item *items, size_t count, const char *path)
{
    size_t at = 0;
    while (at < count && strcmp(items[at].path, path) != 0) {
        at++;
    }
    return at;
}

size_t model_items(const struct model_bag *bag, uint64_t seq, const struct model_item **out)
{
    static struct model_item items[MODEL_ITEMS_MAX];
    size_t count = 0;
    for (uint64_t at = bag->first; at != 0 && at <= seq; at = model.changes[at].next) {
        const struct model_change *change = &model.changes[at];
        if (change->kind == CHANGE_BAG_DELETE) {
            count = 0;
        } else if (change->kind == CHANGE_ITEM_SET) {
            size_t place = place_of(items, count, change->path);
            count += place == count ? 1 : 0;
            must_hold(count <= MODEL_ITEMS_MAX, "the model has room for its items");
            items[place] = (struct model_item){change->path, at, change};
        } else if (change->kind == CHANGE_ITEM_REMOVE) {
            size_t place = place_of(items, count, change->path);
            if (place < count) {
                items[place] = items[--count];
            }
        }
    }
    qsort(items, count, sizeof items[0], by_path);
    *out = items;
    return count;
}

const struct model_change *model_item_at(const struct model_bag *bag, const char *path,
                                         uint64_t seq)
{
    const struct model_change *found = NULL;
    for (uint64_t at = bag->first; at != 0 && at <= seq; at = model.changes[at].next) {
        const struct model_change *change = &model.changes[at];
        if (change->kind == CHANGE_BAG_DELETE) {
            found = NULL;
        } else if (change->path != NULL && strcmp(change->path, path) == 0) {
            found = change->kind == CHANGE_ITEM_SET ? change : NULL;
        }
    }
    return found;
}

uint64_t model_seq_at(const struct model_bag *bag, uint64_t seq)
{
    uint64_t newest = 0;
    for (uint64_t at = bag->first; at != 0 && at <= seq; at = model.changes[at].next) {
        newest = at;
    }
    return newest;
}

/* --- a change --- */

static char *copy_text(struct span text)
{
    char *copy = malloc(text.size + 1);
    must_hold(copy != NULL, "there is memory");
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    copy[text.size] = '\0';
    return copy;
}

/* Values of the simulation begin with "S" and eight digits. */
static uint32_t stamp_of(struct span value)
{
    if (value.size < 9 || value.data[0] != 'S') {
        return 0;
    }
    char digits[9] = {0};
    memcpy(digits, value.data + 1, 8);
    return (uint32_t)strtoul(digits, NULL, 10);
}

static void count_stamp(uint32_t stamp)
{
    if (stamp == 0) {
        return;
    }
    if (stamp >= model.stamp_capacity) {
        size_t capacity = 2 * (size_t)stamp + 64;
        model.stamps = realloc(model.stamps, capacity * sizeof *model.stamps);
        must_hold(model.stamps != NULL, "there is memory");
        memset(model.stamps + model.stamp_capacity, 0,
               (capacity - model.stamp_capacity) * sizeof *model.stamps);
        model.stamp_capacity = capacity;
    }
    model.stamps[stamp]++;
}

size_t model_stamp(uint32_t stamp)
{
    return stamp < model.stamp_capacity ? model.stamps[stamp] : 0;
}

/* The digest is a sum modulo 2^128: of what is there before and behind. */
static void add_item(struct digest *digest, const struct change *change)
{
    digest_add(digest, change->path, change->seq, change->value);
}

static struct digest minus(struct digest a, const struct digest *b)
{
    struct digest out = {.low = a.low - b->low};
    out.high = a.high - b->high - (a.low < b->low ? 1 : 0);
    return out;
}

/* What a live item adds to its bag's digest, kept by the index of its change. */
static struct digest *parts;
static size_t part_capacity;

static struct digest *part(uint64_t seq)
{
    if (seq >= part_capacity) {
        part_capacity = 2 * (size_t)seq + 256;
        parts = realloc(parts, part_capacity * sizeof *parts);
        must_hold(parts != NULL, "there is memory");
    }
    return &parts[seq];
}

static uint64_t live_seq(const struct model_bag *bag, const char *path)
{
    const struct model_change *was = model_item_at(bag, path, UINT64_MAX);
    return was != NULL ? (uint64_t)(was - model.changes) : 0;
}

static void change_item(struct model_bag *bag, const struct change *change,
                        const struct model_change *mine)
{
    uint64_t before = live_seq(bag, mine->path);
    if (before != 0) {
        bag->digest = minus(bag->digest, part(before));
        bag->items--;
    }
    if (change->kind == CHANGE_ITEM_SET) {
        struct digest *own = part(change->seq);
        *own = (struct digest){0};
        add_item(own, change);
        add_item(&bag->digest, change);
        bag->items++;
    }
}

static struct model_bag *make_bag(const struct change *change)
{
    if (model.bag_count == model.bag_capacity) {
        model.bag_capacity = 2 * model.bag_capacity + 16;
        model.bags = realloc(model.bags, model.bag_capacity * sizeof *model.bags);
        must_hold(model.bags != NULL, "there is memory");
    }
    struct model_bag *bag = &model.bags[model.bag_count++];
    *bag =
        (struct model_bag){.bag_id = change->seq, .owner = change->owner, .parent = change->parent};
    if (change->owner.kind == OWNER_FLEET) {
        model.fleet = change->seq;
    } else if (change->owner.kind == OWNER_SERVER) {
        model.server = change->seq;
    }
    return bag;
}

/* An operation is one row of changes in one batch, once. */
static void check_once(const struct change *change)
{
    uint64_t seq = 0;
    const struct model_change *was = model_outcome(change->op.writer, change->op.number, &seq);
    must_hold(was == NULL || seq + 1 == change->seq,
              "operation %" PRIu64 " of writer %" PRIx64 " is done once: at %" PRIu64
              " and again at %" PRIu64,
              change->op.number, change->op.writer, seq, change->seq);
}

/* Was this written by a machine into the bag on it, by that bag's name? */
static bool is_raw(uint32_t stamp)
{
    for (unsigned i = 0; i < MACHINES; i++) {
        for (size_t j = 0; j < machines[i].op_count; j++) {
            const struct sim_op *op = &machines[i].ops[j];
            if (stamp >= op->stamp && stamp < op->stamp + op->stamps) {
                return op->raw;
            }
        }
    }
    return true; /* its op is just being made */
}

/* What a machine wrote is where the flags of this moment want it. */
static void check_place(const struct model_bag *bag, const struct change *change,
                        const struct model_change *mine)
{
    const struct category *category = sharing_find(&model.sharing, change->path);
    bool device = sharing_layer_of(category) == SHARING_DEVICE;
    must_hold(bag->owner.kind != OWNER_USER || !device,
              "what is device-specific does not go to bag %" PRIu64 " of a user, at %" PRIu64,
              bag->bag_id, change->seq);
    must_hold(bag->owner.kind != OWNER_USER_DEVICE || bag->owner.device == change->origin,
              "bag %" PRIu64 " of another machine is not written to, at %" PRIu64, bag->bag_id,
              change->seq);
    must_hold(bag->owner.kind != OWNER_USER_DEVICE || device || mine->stamp == 0 ||
                  is_raw(mine->stamp),
              "what is shared does not go to bag %" PRIu64 " on a machine, at %" PRIu64,
              bag->bag_id, change->seq);
}

static void follow_sharing(const struct change *change)
{
    if (change->bag_id != model.fleet) {
        return;
    }
    if (change->kind == CHANGE_ITEM_REMOVE) {
        sharing_remove(&model.sharing, change->path);
    } else {
        must_hold(sharing_put(&model.sharing, change->path, change->seq, change->value, NULL) == 0,
                  "what the fleet's bag tells of sharing can be read");
    }
}

static void note_change(const struct change *change)
{
    must_hold(change->seq == model.head + 1, "seqs have no gap");
    if (change->seq + 1 >= model.capacity) {
        model.capacity = 2 * model.capacity + 256;
        model.changes = realloc(model.changes, model.capacity * sizeof *model.changes);
        must_hold(model.changes != NULL, "there is memory");
    }
    if (change->has_op) {
        check_once(change);
    }
    struct model_change *mine = &model.changes[change->seq];
    *mine = (struct model_change){.kind = change->kind,
                                  .bag_id = change->bag_id,
                                  .time_ms = change->time_ms,
                                  .origin = change->origin,
                                  .code = change->code};
    if (change->has_op) {
        mine->writer = change->op.writer;
        mine->number = change->op.number;
    }
    bool is_item = change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE;
    if (is_item) {
        mine->path = copy_text(change->path);
    }
    if (change->kind == CHANGE_ITEM_SET) {
        mine->stamp = stamp_of(change->value);
        mine->value_hash = hash64(change->value, 0);
        mine->value_size = (uint32_t)change->value.size;
        mine->value =
            change->value.size <= MODEL_KEPT_BYTES ? (uint8_t *)copy_text(change->value) : NULL;
        count_stamp(mine->stamp);
    }
    struct model_bag *bag =
        change->kind == CHANGE_BAG_CREATE ? make_bag(change) : model_bag(change->bag_id);
    if (bag != NULL) {
        must_hold(!bag->deleted,
                  "nothing happens to bag %" PRIu64 " which was deleted, at %" PRIu64, bag->bag_id,
                  change->seq);
        must_hold(change->prev == bag->last, "prev of %" PRIu64 " is its bag's last change",
                  change->seq);
        if (is_item) {
            if (change->has_op) {
                check_place(bag, change, mine);
            }
            follow_sharing(change);
            change_item(bag, change, mine);
        } else if (change->kind == CHANGE_BAG_DELETE) {
            bag->deleted = true;
            bag->deleted_seq = change->seq;
        }
        if (bag->last != 0) {
            model.changes[bag->last].next = (uint32_t)change->seq;
        } else {
            bag->first = change->seq;
        }
        bag->last = bag->last_seq = change->seq;
        mine->digest = bag->digest;
    }
    model.head = change->seq;
}

/* --- the journal --- */

static int take_change(void *context, const struct change *change, struct err *err)
{
    (void)context;
    (void)err;
    note_change(change);
    return 0;
}

void model_follow(void)
{
    static struct unpacked unpacked;
    struct batch batch;
    struct err err = {0};
    int rc = 0;
    if (model.cursor == NULL) {
        return;
    }
    while ((rc = journal_cursor_next(model.cursor, &batch, &err)) == 0) {
        if (batch.clean_stop || batch.base_seq + batch.count - 1 <= model.head) {
            continue;
        }
        must_hold(batch_changes(&batch, &unpacked, take_change, NULL, &err) == 0,
                  "the journal can be read: %s", err.text);
        memcpy(model.hash, batch.hash, SHA256_SIZE);
        chance_note_bytes(span_of(model.hash, SHA256_SIZE));
    }
    must_hold(rc == E_NOT_FOUND, "the journal can be read: %s", err.text);
}

void model_reopen(struct journal *journal)
{
    struct journal_position head;
    uint8_t hash[SHA256_SIZE];
    struct err err = {0};
    journal_head(journal, &head);
    must_hold(head.seq >= model.head,
              "what was durable is there after a restart: it was %" PRIu64 ", it is %" PRIu64,
              model.head, head.seq);
    if (model.head > 0) {
        must_hold(journal_hash_at(journal, model.head, hash, &err) == 0 &&
                      memcmp(hash, model.hash, SHA256_SIZE) == 0,
                  "the journal up to %" PRIu64 " is what it was", model.head);
    }
    opened = journal;
    must_hold(journal_cursor_open(&model.cursor, journal, model.head + 1, &err) == 0,
              "the journal can be followed: %s", err.text);
    model_follow();
}

/* --- questions --- */

const struct model_change *model_outcome(uint64_t writer, uint64_t number, uint64_t *seq)
{
    for (uint64_t at = model.head; at > 0; at--) {
        const struct model_change *change = &model.changes[at];
        if (change->writer == writer && change->number == number) {
            *seq = at;
            return change;
        }
    }
    return NULL;
}

void model_fences(struct fences *out, uint64_t seq)
{
    const struct model_item *items = NULL;
    const struct model_bag *fleet = model_bag(model.fleet);
    *out = (struct fences){0};
    size_t count = fleet != NULL ? model_items(fleet, seq, &items) : 0;
    for (size_t i = 0; i < count; i++) {
        struct span path = span_str(items[i].path);
        if (fence_path_is(path)) {
            const struct model_change *change = items[i].change;
            must_hold(fences_put(out, path, items[i].seq,
                                 span_of(change->value, change->value_size), NULL) == 0,
                      "a fence in the journal is one");
        }
    }
}

/* --- rights --- */

static struct device_record rights_of(uint64_t device, uint64_t seq)
{
    char path[RECORD_PATH_MAX];
    struct device_record record = {.removed = true};
    struct span item = record_device_path(path, device);
    path[item.size] = '\0';
    const struct model_bag *records = model_bag(model.server);
    const struct model_change *change = records != NULL ? model_item_at(records, path, seq) : NULL;
    if (change != NULL && change->value != NULL) {
        (void)!record_get_device(&record, item, span_of(change->value, change->value_size), NULL);
    }
    return record;
}

bool model_removed(uint64_t device, uint64_t seq)
{
    return rights_of(device, seq).removed;
}

enum device_keep model_keeps(uint64_t device)
{
    return rights_of(device, model.head).keep;
}

static bool lives(const struct model_bag *bag, uint64_t seq)
{
    return bag->bag_id <= seq && (!bag->deleted || bag->deleted_seq > seq);
}

static struct model_bag *device_bag(uint64_t device)
{
    struct owner owner = {.kind = OWNER_DEVICE, .device = device};
    return model_bag_of(&owner);
}

bool model_signed_in(uint64_t device, uint64_t user_bag, uint64_t seq)
{
    char path[64];
    const struct model_bag *own = device_bag(device);
    (void)snprintf(path, sizeof path, "@user/%" PRIu64, user_bag);
    return own != NULL && model_item_at(own, path, seq) != NULL;
}

static bool group_of_somebody(uint64_t device, const struct model_bag *group, uint64_t seq)
{
    char path[NAME_MAX_BYTES + 32];
    const struct model_bag *own = device_bag(device);
    (void)snprintf(path, sizeof path, "@group/%" PRIu64, group->bag_id);
    if (own != NULL && model_item_at(own, path, seq) != NULL) {
        return true;
    }
    (void)snprintf(path, sizeof path, "@group/%s", group->owner.folded);
    for (size_t i = 0; i < model.bag_count; i++) {
        const struct model_bag *user = &model.bags[i];
        if (user->owner.kind == OWNER_USER && lives(user, seq) &&
            model_signed_in(device, user->bag_id, seq) && model_item_at(user, path, seq) != NULL) {
            return true;
        }
    }
    return false;
}

bool model_may_read(uint64_t device, uint64_t bag_id, uint64_t seq)
{
    const struct model_bag *bag = model_bag(bag_id);
    struct device_record rights = rights_of(device, seq);
    if (bag == NULL || rights.removed || !lives(bag, seq)) {
        return false;
    }
    switch (bag->owner.kind) {
    case OWNER_FLEET:
        return true;
    case OWNER_DEVICE:
        return bag->owner.device == device;
    case OWNER_USER:
        return rights.keep == KEEP_EVERYBODY || model_signed_in(device, bag_id, seq);
    case OWNER_USER_DEVICE:
        return bag->owner.device == device &&
               (rights.keep == KEEP_EVERYBODY || model_signed_in(device, bag->parent, seq));
    case OWNER_GROUP:
        return rights.keep >= KEEP_GROUPS || group_of_somebody(device, bag, seq);
    case OWNER_SERVER:
    default:
        return false;
    }
}
