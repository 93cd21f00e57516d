/* server/overlay.c - rows in tables over kv/, with an undo list for sets that are refused. */
#include "server/overlay.h"

#include <string.h>

enum row_kind { ROW_BAG, ROW_OWNER, ROW_ITEM, ROW_WRITER, ROW_OUTCOME };

_Static_assert((int)ROW_OUTCOME < (int)ERA_TABLES, "a table for each kind of row");

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

static void forget_last(struct overlay *overlay)
{
    overlay->last_bag = NULL;
    overlay->last_item = NULL;
    overlay->last_writer = NULL;
}

int overlay_open(struct overlay *overlay, struct kv *kv)
{
    ASSERT(overlay != NULL && kv != NULL);
    overlay->kv = kv;
    overlay->eras.keep_bytes = OVERLAY_ERA_BYTES;
    return eras_open(&overlay->eras);
}

void overlay_free(struct overlay *overlay)
{
    ASSERT(overlay != NULL);
    eras_free(&overlay->eras);
    undo_free(&overlay->undo);
}

void overlay_reset(struct overlay *overlay, struct kv *kv)
{
    ASSERT(overlay != NULL && kv != NULL);
    eras_reset(&overlay->eras);
    forget_last(overlay);
    overlay_begin(overlay);
    overlay->kv = kv;
}

struct arena *overlay_arena(struct overlay *overlay)
{
    ASSERT(overlay != NULL);
    return &overlay->eras.young->arena;
}

bool overlay_is_full(const struct overlay *overlay)
{
    ASSERT(overlay != NULL);
    return overlay->eras.young->arena.bytes >= OVERLAY_ERA_BYTES;
}

uint64_t overlay_old_seq(const struct overlay *overlay)
{
    ASSERT(overlay != NULL);
    return overlay->eras.old != NULL ? overlay->eras.old->last_seq : 0;
}

void overlay_turn(struct overlay *overlay)
{
    ASSERT(overlay != NULL);
    overlay_begin(overlay);          /* undoing reaches into the young era only */
    (void)eras_turn(&overlay->eras); /* without memory this one grows on */
    forget_last(overlay);
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

static bool item_moved(struct arena *arena, struct table_node *row)
{
    struct overlay_item *item = (void *)row;
    return arena_copy(arena, item->path, &item->path) &&
           arena_copy(arena, item->row.value, &item->row.value);
}

/* 0: a known row. E_NOT_FOUND: a new one, zeroed and in no table yet. E_NOMEM. */
static int find_row(struct overlay *overlay, const struct era_row *what, struct table_node **out,
                    struct err *err)
{
    int rc = eras_find(&overlay->eras, what, out);
    ASSERT(*out != NULL || rc == E_NOMEM);
    return rc == E_NOMEM ? out_of_memory(err) : rc;
}

static int find_bag(struct overlay *overlay, uint64_t bag_id, struct overlay_bag **out,
                    struct err *err)
{
    if (overlay->last_bag != NULL && overlay->last_bag->bag_id == bag_id) {
        *out = overlay->last_bag;
        return 0;
    }
    struct era_row what = {ROW_BAG, hash_u64(bag_id, 0),        match_bag,
                           &bag_id, sizeof(struct overlay_bag), NULL};
    struct table_node *node = NULL;
    int rc = find_row(overlay, &what, &node, err);
    struct overlay_bag *bag = (void *)node;
    *out = bag;
    if (rc != E_NOT_FOUND) {
        overlay->last_bag = bag;
        return rc;
    }
    bag->bag_id = bag_id;
    bag->code = kv_bag(overlay->kv, NULL, bag_id, &bag->row, err);
    if (bag->code != 0 && bag->code != E_NOT_FOUND && bag->code != E_BAG_GONE) {
        return bag->code;
    }
    if (bag->code != 0) {
        bag->row = (struct bag_row){0};
    }
    eras_add(&overlay->eras, &what, node);
    overlay->last_bag = bag;
    return 0;
}

static int find_owner(struct overlay *overlay, const struct owner *owner,
                      struct overlay_owner **out, struct err *err)
{
    struct era_row what = {
        ROW_OWNER, hash_owner(owner), match_owner, owner, sizeof(struct overlay_owner), NULL};
    struct table_node *node = NULL;
    int rc = find_row(overlay, &what, &node, err);
    struct overlay_owner *entry = (void *)node;
    *out = entry;
    if (rc != E_NOT_FOUND) {
        return rc;
    }
    struct bag_row row = {0};
    rc = kv_bag_of(overlay->kv, NULL, owner, &row, err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    entry->owner = *owner;
    entry->bag_id = rc == 0 ? row.bag_id : 0;
    eras_add(&overlay->eras, &what, node);
    return 0;
}

/* From kv/, with a copy of the value. */
static int read_item(struct overlay *overlay, struct overlay_item *item, struct err *err)
{
    const struct overlay_bag *bag = overlay->last_bag;
    bool there = bag != NULL && bag->bag_id == item->bag_id && bag->code == 0;
    struct kv_item found = {0};
    int rc = there ? kv_item_in(overlay->kv, NULL, item->bag_id, item->path, &found, err)
                   : kv_item(overlay->kv, NULL, item->bag_id, item->path, &found, err);
    if (rc != 0) {
        return rc;
    }
    item->row = found.row;
    if (!arena_copy(overlay_arena(overlay), found.row.value, &item->row.value)) {
        rc = out_of_memory(err);
    }
    kv_item_free(&found);
    return rc;
}

static int find_item(struct overlay *overlay, uint64_t bag_id, struct span path,
                     struct overlay_item **out, struct err *err)
{
    struct item_key key = {bag_id, path};
    if (overlay->last_item != NULL && match_item(&overlay->last_item->node, &key)) {
        *out = overlay->last_item;
        return 0;
    }
    struct era_row what = {ROW_ITEM, table_hash(path, bag_id),    match_item,
                           &key,     sizeof(struct overlay_item), item_moved};
    struct table_node *node = NULL;
    int rc = find_row(overlay, &what, &node, err);
    struct overlay_item *item = (void *)node;
    *out = item;
    if (rc != E_NOT_FOUND) {
        overlay->last_item = item;
        return rc;
    }
    item->bag_id = bag_id;
    if (!arena_copy(overlay_arena(overlay), path, &item->path)) {
        return out_of_memory(err);
    }
    rc = read_item(overlay, item, err);
    if (rc == 0) {
        eras_add(&overlay->eras, &what, node);
        overlay->last_item = item;
    }
    return rc;
}

static int find_writer(struct overlay *overlay, uint64_t writer, struct overlay_writer **out,
                       struct err *err)
{
    if (overlay->last_writer != NULL && overlay->last_writer->writer == writer) {
        *out = overlay->last_writer;
        return 0;
    }
    struct era_row what = {ROW_WRITER, hash_u64(writer, 0),           match_writer,
                           &writer,    sizeof(struct overlay_writer), NULL};
    struct table_node *node = NULL;
    int rc = find_row(overlay, &what, &node, err);
    struct overlay_writer *entry = (void *)node;
    *out = entry;
    if (rc != E_NOT_FOUND) {
        overlay->last_writer = entry;
        return rc;
    }
    entry->writer = writer;
    rc = kv_writer(overlay->kv, writer, &entry->row, err);
    if (rc == 0) {
        eras_add(&overlay->eras, &what, node);
        overlay->last_writer = entry;
    }
    return rc;
}

static struct era_row row_of_outcome(const struct outcome_key *key)
{
    return (struct era_row){ROW_OUTCOME, hash_u64(key->writer, key->number), match_outcome,
                            key,         sizeof(struct overlay_outcome),     NULL};
}

static int find_outcome(struct overlay *overlay, struct outcome_key key,
                        struct overlay_outcome **out, struct err *err)
{
    struct era_row what = row_of_outcome(&key);
    struct table_node *node = NULL;
    int rc = find_row(overlay, &what, &node, err);
    struct overlay_outcome *entry = (void *)node;
    *out = entry;
    if (rc != E_NOT_FOUND) {
        return rc;
    }
    entry->writer = key.writer;
    entry->number = key.number;
    rc = kv_outcome(overlay->kv, key.writer, key.number, &entry->row, err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    entry->known = rc == 0;
    eras_add(&overlay->eras, &what, node);
    return 0;
}

/* The outcome of an operation that is the writer's next one: nobody has it yet. A row that says so
 * may be there; the newer one is found before it. */
static int add_outcome(struct overlay *overlay, struct outcome_key key,
                       struct overlay_outcome **out, struct err *err)
{
    struct overlay_outcome *entry = arena_zero(overlay_arena(overlay), sizeof *entry);
    if (entry == NULL) {
        return out_of_memory(err);
    }
    struct era_row what = row_of_outcome(&key);
    entry->writer = key.writer;
    entry->number = key.number;
    eras_add(&overlay->eras, &what, &entry->node);
    *out = entry;
    return 0;
}

/* --- reading --- */

int overlay_look_at_bag(struct overlay *overlay, uint64_t bag_id, const struct bag_row **out,
                        struct err *err)
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
    *out = &bag->row;
    return 0;
}

int overlay_bag(struct overlay *overlay, uint64_t bag_id, struct bag_row *out, struct err *err)
{
    ASSERT(out != NULL);
    const struct bag_row *bag = NULL;
    int rc = overlay_look_at_bag(overlay, bag_id, &bag, err);
    if (rc == 0) {
        *out = *bag;
    }
    return rc;
}

static const struct overlay_bag *peek_bag(const struct overlay *overlay, uint64_t bag_id)
{
    struct era_row what = {ROW_BAG, hash_u64(bag_id, 0),        match_bag,
                           &bag_id, sizeof(struct overlay_bag), NULL};
    return (const void *)eras_peek(&overlay->eras, &what);
}

bool overlay_look_at_deleted(const struct overlay *overlay, uint64_t bag_id,
                             const struct bag_row **out)
{
    ASSERT(overlay != NULL && out != NULL);
    const struct overlay_bag *bag = peek_bag(overlay, bag_id);
    if (bag == NULL || bag->code != E_BAG_GONE || bag->row.bag_id != bag_id) {
        return false;
    }
    *out = &bag->row;
    return true;
}

uint64_t overlay_bag_seq(const struct overlay *overlay, uint64_t bag_id)
{
    ASSERT(overlay != NULL);
    const struct overlay_bag *bag = peek_bag(overlay, bag_id);
    return bag != NULL ? bag->row.last_seq : 0;
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
    struct overlay_writer *owner = NULL;
    struct overlay_outcome *entry = NULL;
    int rc = find_writer(overlay, writer, &owner, err);
    if (rc == 0) {
        rc = find_outcome(overlay, (struct outcome_key){writer, number}, &entry, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!entry->known || number <= owner->row.confirmed) {
        return E_NOT_FOUND;
    }
    *out = entry->row;
    return 0;
}

/* --- changing --- */

void overlay_begin(struct overlay *overlay)
{
    ASSERT(overlay != NULL);
    undo_begin(&overlay->undo);
}

void overlay_rollback(struct overlay *overlay)
{
    ASSERT(overlay != NULL);
    undo_back(&overlay->undo);
}

/* What is at `at` is about to be changed. */
static int remember(struct overlay *overlay, void *at, size_t size, struct err *err)
{
    return undo_keep(&overlay->undo, at, size) ? 0 : out_of_memory(err);
}

/* All of a bag's row but its owner, the bulk of it, which only a creation sets. */
static int remember_bag(struct overlay *overlay, struct overlay_bag *bag, bool created,
                        struct err *err)
{
    if (created) {
        return remember(overlay, &bag->code, sizeof *bag - offsetof(struct overlay_bag, code), err);
    }
    size_t before = offsetof(struct overlay_bag, row.owner) - offsetof(struct overlay_bag, code);
    size_t behind = offsetof(struct overlay_bag, row.owner) + sizeof bag->row.owner;
    int rc = remember(overlay, &bag->code, before, err);
    if (rc == 0 && behind < sizeof *bag) {
        rc = remember(overlay, (char *)bag + behind, sizeof *bag - behind, err);
    }
    return rc;
}

static int apply_rows(struct overlay *overlay, const struct change *change, struct err *err)
{
    struct overlay_bag *bag = NULL;
    struct overlay_item *item = NULL;
    int rc = find_bag(overlay, change->bag_id, &bag, err);
    if (rc == 0) {
        rc = remember_bag(overlay, bag, change->kind == CHANGE_BAG_CREATE, err);
    }
    if (rc == 0 && change->path.size > 0) {
        rc = find_item(overlay, change->bag_id, change->path, &item, err);
    }
    if (rc == 0 && item != NULL) {
        rc = remember(overlay, &item->row, sizeof item->row, err);
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
    struct outcome_key key = {op->writer, op->number};
    struct overlay_writer *writer = NULL;
    struct overlay_outcome *outcome = NULL;
    int rc = find_writer(overlay, op->writer, &writer, err);
    if (rc == 0) {
        rc = op->number > writer->row.highest ? add_outcome(overlay, key, &outcome, err)
                                              : find_outcome(overlay, key, &outcome, err);
    }
    if (rc == 0) {
        rc = remember(overlay, &writer->row, sizeof writer->row, err);
    }
    if (rc == 0) {
        rc = remember(overlay, &outcome->known,
                      sizeof *outcome - offsetof(struct overlay_outcome, known), err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!writer->row.known) {
        writer->row.known = true;
        writer->row.begun = change->seq;
    }
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
    overlay->eras.young->last_seq = change->seq;
    return rc;
}
