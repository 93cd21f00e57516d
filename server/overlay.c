/* server/overlay.c - rows in tables over kv/, with an undo list for sets that are refused. */
#include "server/overlay.h"

#include <string.h>

struct overlay_bag {
    struct table_node node;
    uint64_t bag_id;
    int code; /* of kv_bag: 0, E_NOT_FOUND, E_BAG_GONE */
    struct bag_row row;
};

struct overlay_owner {
    struct table_node node;
    struct owner owner;
    uint64_t bag_id; /* 0: it has none */
};

struct overlay_item {
    struct table_node node;
    uint64_t bag_id;
    struct span path;
    struct item_row row;
    struct kv_item from_kv; /* holds the value that was read */
    struct overlay_item *next_pinned;
};

struct overlay_writer {
    struct table_node node;
    uint64_t writer;
    struct kv_writer row;
};

struct overlay_outcome {
    struct table_node node;
    uint64_t writer;
    uint64_t number;
    bool known;
    struct kv_outcome row;
};

/* What a row was before a change: `at` is where, `size` how much, the bytes follow. */
struct overlay_undo {
    struct overlay_undo *next;
    void *at;
    size_t size;
    uint8_t was[];
};

void overlay_reset(struct overlay *overlay, struct kv *kv, struct arena *arena)
{
    ASSERT(overlay != NULL && kv != NULL && arena != NULL);
    while (overlay->pinned != NULL) {
        struct overlay_item *item = overlay->pinned;
        overlay->pinned = item->next_pinned;
        kv_item_free(&item->from_kv);
    }
    table_clear(&overlay->bags);
    table_clear(&overlay->owners);
    table_clear(&overlay->items);
    table_clear(&overlay->writers);
    table_clear(&overlay->outcomes);
    overlay->undo = NULL;
    overlay->kv = kv;
    overlay->arena = arena;
}

void overlay_free(struct overlay *overlay)
{
    ASSERT(overlay != NULL);
    if (overlay->kv != NULL) {
        overlay_reset(overlay, overlay->kv, overlay->arena);
    }
    table_free(&overlay->bags);
    table_free(&overlay->owners);
    table_free(&overlay->items);
    table_free(&overlay->writers);
    table_free(&overlay->outcomes);
}

static int out_of_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "a batch of changes: out of memory");
}

/* --- finding --- */

static uint64_t hash_u64(uint64_t number, uint64_t more)
{
    return table_hash(span_of(&number, sizeof number), more);
}

static uint64_t hash_owner(const struct owner *owner)
{
    return table_hash(span_str(owner->folded), owner->device + (uint64_t)owner->kind);
}

static bool match_bag(const struct table_node *node, const void *key)
{
    const struct overlay_bag *bag = (const void *)node;
    return bag->bag_id == *(const uint64_t *)key;
}

static bool match_owner(const struct table_node *node, const void *key)
{
    const struct overlay_owner *entry = (const void *)node;
    return owner_equal(&entry->owner, key);
}

struct item_key {
    uint64_t bag_id;
    struct span path;
};

static bool match_item(const struct table_node *node, const void *key)
{
    const struct overlay_item *item = (const void *)node;
    const struct item_key *wanted = key;
    return item->bag_id == wanted->bag_id && span_equal(item->path, wanted->path);
}

static bool match_writer(const struct table_node *node, const void *key)
{
    const struct overlay_writer *writer = (const void *)node;
    return writer->writer == *(const uint64_t *)key;
}

struct outcome_key {
    uint64_t writer;
    uint64_t number;
};

static bool match_outcome(const struct table_node *node, const void *key)
{
    const struct overlay_outcome *outcome = (const void *)node;
    const struct outcome_key *wanted = key;
    return outcome->writer == wanted->writer && outcome->number == wanted->number;
}

static int find_bag(struct overlay *overlay, uint64_t bag_id, struct overlay_bag **out,
                    struct err *err)
{
    uint64_t hash = hash_u64(bag_id, 0);
    struct table_node *node = table_find(&overlay->bags, hash, match_bag, &bag_id);
    if (node != NULL) {
        *out = (struct overlay_bag *)(void *)node;
        return 0;
    }
    struct overlay_bag *bag = arena_zero(overlay->arena, sizeof *bag);
    if (bag == NULL) {
        return out_of_memory(err);
    }
    bag->bag_id = bag_id;
    bag->code = kv_bag(overlay->kv, NULL, bag_id, &bag->row, err);
    if (bag->code != 0 && bag->code != E_NOT_FOUND && bag->code != E_BAG_GONE) {
        return bag->code;
    }
    if (bag->code != 0) {
        bag->row = (struct bag_row){0};
    }
    table_add(&overlay->bags, &bag->node, hash);
    *out = bag;
    return 0;
}

static int find_owner(struct overlay *overlay, const struct owner *owner,
                      struct overlay_owner **out, struct err *err)
{
    uint64_t hash = hash_owner(owner);
    struct table_node *node = table_find(&overlay->owners, hash, match_owner, owner);
    if (node != NULL) {
        *out = (struct overlay_owner *)(void *)node;
        return 0;
    }
    struct overlay_owner *entry = arena_zero(overlay->arena, sizeof *entry);
    if (entry == NULL) {
        return out_of_memory(err);
    }
    struct bag_row row = {0};
    int rc = kv_bag_of(overlay->kv, NULL, owner, &row, err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    entry->owner = *owner;
    entry->bag_id = rc == 0 ? row.bag_id : 0;
    table_add(&overlay->owners, &entry->node, hash);
    *out = entry;
    return 0;
}

static int find_item(struct overlay *overlay, uint64_t bag_id, struct span path,
                     struct overlay_item **out, struct err *err)
{
    struct item_key key = {bag_id, path};
    uint64_t hash = table_hash(path, bag_id);
    struct table_node *node = table_find(&overlay->items, hash, match_item, &key);
    if (node != NULL) {
        *out = (struct overlay_item *)(void *)node;
        return 0;
    }
    struct overlay_item *item = arena_zero(overlay->arena, sizeof *item);
    if (item == NULL || !arena_copy(overlay->arena, path, &item->path)) {
        return out_of_memory(err);
    }
    item->bag_id = bag_id;
    int rc = kv_item(overlay->kv, NULL, bag_id, path, &item->from_kv, err);
    if (rc != 0) {
        return rc;
    }
    item->row = item->from_kv.row;
    item->next_pinned = overlay->pinned;
    overlay->pinned = item;
    table_add(&overlay->items, &item->node, hash);
    *out = item;
    return 0;
}

static int find_writer(struct overlay *overlay, uint64_t writer, struct overlay_writer **out,
                       struct err *err)
{
    uint64_t hash = hash_u64(writer, 0);
    struct table_node *node = table_find(&overlay->writers, hash, match_writer, &writer);
    if (node != NULL) {
        *out = (struct overlay_writer *)(void *)node;
        return 0;
    }
    struct overlay_writer *entry = arena_zero(overlay->arena, sizeof *entry);
    if (entry == NULL) {
        return out_of_memory(err);
    }
    entry->writer = writer;
    int rc = kv_writer(overlay->kv, writer, &entry->row, err);
    if (rc != 0) {
        return rc;
    }
    table_add(&overlay->writers, &entry->node, hash);
    *out = entry;
    return 0;
}

/* `read`: ask kv/ when it is not here; a new operation has no outcome there. */
static int find_outcome(struct overlay *overlay, struct outcome_key key, bool read,
                        struct overlay_outcome **out, struct err *err)
{
    uint64_t hash = hash_u64(key.writer, key.number);
    struct table_node *node = table_find(&overlay->outcomes, hash, match_outcome, &key);
    if (node != NULL) {
        *out = (struct overlay_outcome *)(void *)node;
        return 0;
    }
    struct overlay_outcome *entry = arena_zero(overlay->arena, sizeof *entry);
    if (entry == NULL) {
        return out_of_memory(err);
    }
    entry->writer = key.writer;
    entry->number = key.number;
    if (read) {
        int rc = kv_outcome(overlay->kv, key.writer, key.number, &entry->row, err);
        if (rc != 0 && rc != E_NOT_FOUND) {
            return rc;
        }
        entry->known = rc == 0;
    }
    table_add(&overlay->outcomes, &entry->node, hash);
    *out = entry;
    return 0;
}

/* --- reading --- */

int overlay_bag(struct overlay *overlay, uint64_t bag_id, struct bag_row *out, struct err *err)
{
    ASSERT(overlay != NULL && out != NULL);
    struct overlay_bag *bag = NULL;
    int rc = find_bag(overlay, bag_id, &bag, err);
    if (rc != 0) {
        return rc;
    }
    if (bag->code != 0) {
        return err_set(err, bag->code, "%s", err_meaning(bag->code));
    }
    *out = bag->row;
    return 0;
}

int overlay_bag_of(struct overlay *overlay, const struct owner *owner, struct bag_row *out,
                   struct err *err)
{
    ASSERT(overlay != NULL && owner != NULL && out != NULL);
    struct overlay_owner *entry = NULL;
    int rc = find_owner(overlay, owner, &entry, err);
    if (rc != 0) {
        return rc;
    }
    if (entry->bag_id == 0) {
        char text[OWNER_TEXT_MAX];
        owner_format(owner, text);
        return err_set(err, E_NOT_FOUND, "there is no '%s' here", text);
    }
    return overlay_bag(overlay, entry->bag_id, out, err);
}

int overlay_item(struct overlay *overlay, uint64_t bag_id, struct span path, struct item_row *out,
                 struct err *err)
{
    ASSERT(overlay != NULL && out != NULL);
    struct overlay_item *item = NULL;
    int rc = find_item(overlay, bag_id, path, &item, err);
    if (rc == 0) {
        *out = item->row;
    }
    return rc;
}

int overlay_writer(struct overlay *overlay, uint64_t writer, struct kv_writer *out, struct err *err)
{
    ASSERT(overlay != NULL && out != NULL);
    struct overlay_writer *entry = NULL;
    int rc = find_writer(overlay, writer, &entry, err);
    if (rc == 0) {
        *out = entry->row;
    }
    return rc;
}

int overlay_outcome(struct overlay *overlay, uint64_t writer, uint64_t number,
                    struct kv_outcome *out, struct err *err)
{
    ASSERT(overlay != NULL && out != NULL);
    struct overlay_outcome *entry = NULL;
    int rc = find_outcome(overlay, (struct outcome_key){writer, number}, true, &entry, err);
    if (rc != 0) {
        return rc;
    }
    if (!entry->known) {
        return E_NOT_FOUND;
    }
    *out = entry->row;
    return 0;
}

/* --- changing --- */

void overlay_begin(struct overlay *overlay)
{
    ASSERT(overlay != NULL);
    overlay->undo = NULL;
}

void overlay_rollback(struct overlay *overlay)
{
    ASSERT(overlay != NULL);
    for (; overlay->undo != NULL; overlay->undo = overlay->undo->next) {
        memcpy(overlay->undo->at, overlay->undo->was, overlay->undo->size);
    }
}

/* Remember what is at `at` before it is changed. */
static int remember(struct overlay *overlay, void *at, size_t size, struct err *err)
{
    struct overlay_undo *undo = arena_alloc(overlay->arena, sizeof *undo + size);
    if (undo == NULL) {
        return out_of_memory(err);
    }
    undo->at = at;
    undo->size = size;
    memcpy(undo->was, at, size);
    undo->next = overlay->undo;
    overlay->undo = undo;
    return 0;
}

static int apply_rows(struct overlay *overlay, const struct change *change, struct err *err)
{
    struct overlay_bag *bag = NULL;
    struct overlay_item *item = NULL;
    int rc = find_bag(overlay, change->bag_id, &bag, err);
    if (rc == 0) {
        rc = remember(overlay, &bag->row, sizeof bag->row, err);
    }
    if (rc == 0 && change->path.size > 0) {
        rc = find_item(overlay, change->bag_id, change->path, &item, err);
    }
    if (rc == 0 && item != NULL) {
        rc = remember(overlay, &item->row, sizeof item->row, err);
    }
    if (rc == 0) {
        rc = remember(overlay, &bag->code, sizeof bag->code, err);
    }
    if (rc == 0) {
        rc = apply_change(change, &bag->row, item != NULL ? &item->row : NULL, true, err);
    }
    if (rc == 0) {
        bag->code = bag->row.exists ? 0 : E_BAG_GONE;
    }
    return rc;
}

/* The directory follows the creation and deletion of bags. */
static int apply_owner(struct overlay *overlay, const struct owner *owner, uint64_t bag_id,
                       struct err *err)
{
    struct overlay_owner *entry = NULL;
    int rc = find_owner(overlay, owner, &entry, err);
    if (rc == 0) {
        rc = remember(overlay, &entry->bag_id, sizeof entry->bag_id, err);
    }
    if (rc == 0) {
        entry->bag_id = bag_id;
    }
    return rc;
}

static int apply_op(struct overlay *overlay, const struct change *change, struct err *err)
{
    const struct change_op *op = &change->op;
    struct overlay_writer *writer = NULL;
    struct overlay_outcome *outcome = NULL;
    int rc = find_writer(overlay, op->writer, &writer, err);
    if (rc == 0) {
        rc = find_outcome(overlay, (struct outcome_key){op->writer, op->number}, false, &outcome,
                          err);
    }
    if (rc == 0) {
        rc = remember(overlay, &writer->row, sizeof writer->row, err);
    }
    if (rc == 0) {
        rc = remember(overlay, &outcome->row, sizeof outcome->row, err);
    }
    if (rc == 0) {
        rc = remember(overlay, &outcome->known, sizeof outcome->known, err);
    }
    if (rc != 0) {
        return rc;
    }
    writer->row.known = true;
    writer->row.device = change->origin;
    writer->row.highest = op->number;
    if (op->confirmed > writer->row.confirmed) {
        writer->row.confirmed = op->confirmed;
    }
    outcome->known = true;
    outcome->row = (struct kv_outcome){
        .hash = op->hash,
        .code = change->code,
        .seq = change->seq,
        .bag_id = change->bag_id,
    };
    return 0;
}

int overlay_apply(struct overlay *overlay, const struct change *change, struct err *err)
{
    ASSERT(overlay != NULL && change != NULL);
    int rc = 0;
    if (change->kind == CHANGE_BAG_DELETE) {
        struct bag_row row = {0};
        rc = overlay_bag(overlay, change->bag_id, &row, err);
        if (rc == 0) {
            rc = apply_owner(overlay, &row.owner, 0, err);
        }
    }
    if (rc == 0 && change->bag_id != 0) {
        rc = apply_rows(overlay, change, err);
    }
    if (rc == 0 && change->kind == CHANGE_BAG_CREATE) {
        rc = apply_owner(overlay, &change->owner, change->bag_id, err);
    }
    if (rc == 0 && change->has_op) {
        rc = apply_op(overlay, change, err);
    }
    return rc;
}
