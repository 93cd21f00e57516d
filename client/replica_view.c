/* client/replica_view.c - what a person sees on this device: of the layers that may hold an item
 * the one that counts, all under one snapshot.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/replica_inside.h"

struct row {
    struct span path;
    struct item_row row;
};

/* What one layer has of a list. */
struct rows {
    struct row *list;
    size_t count, capacity, at;
    size_t skip; /* bytes of the path that are the layer's own */
    uint64_t items, bytes;
    bool damaged;
};

struct looking {
    struct replica *replica;
    MDB_txn *txn;
    const struct replica_view *view;
    const struct replica_rules *rules;
    struct replica_bag bags[REPLICA_LAYERS];
    bool looked[REPLICA_LAYERS]; /* for the bag; its `local` is 0: there is none */
    struct rows *rows;           /* of a list, by layer; NULL: of one item */
    bool telling;                /* a list: everything is read */
    /* Where damage was met: in an item's record, else in the rules or in what leads to bags. */
    uint64_t bad_bag;
    struct record_key bad_key; /* of size 0: it is not an item's */
};

/* --- bags --- */

static int find_bag(struct looking *look, enum replica_layer layer, struct err *err)
{
    struct replica_bag *bag = &look->bags[layer];
    struct owner owner = *look->view->owner;
    bool user = owner.kind == OWNER_USER;
    int rc = E_NOT_FOUND;
    if (look->looked[layer]) {
        return 0;
    }
    if (layer == REPLICA_DEFAULT && user && look->rules != NULL) {
        *bag = look->rules->fleet;
        rc = 0;
    } else if (layer == REPLICA_SHARED || (layer == REPLICA_DEVICE && user && look->view->device)) {
        owner.kind = layer == REPLICA_DEVICE ? OWNER_USER_DEVICE : owner.kind;
        owner.device = layer == REPLICA_DEVICE ? look->view->device : owner.device;
        rc = replica_bag_get_by_owner(look->replica, look->txn, &owner, bag, err);
    }
    bag->local = rc == 0 ? bag->local : 0;
    look->looked[layer] = rc == 0 || rc == E_NOT_FOUND;
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* The snapshot, its rules, and the owner's bag. */
static int begin(struct looking *look, struct replica *replica, const struct replica_view *view,
                 struct err *err)
{
    *look = (struct looking){.replica = replica, .view = view, .rows = look->rows};
    int rc = replica_read_begin(replica, &look->txn, err);
    rc = rc != 0 ? rc : replica_rules_get(replica, look->txn, &look->rules, &look->bad_bag, err);
    if (rc != 0) {
        return rc;
    }
    look->bad_bag = 0;
    return find_bag(look, REPLICA_SHARED, err);
}

static void end(struct looking *look)
{
    if (look->txn != NULL) {
        mdb_txn_abort(look->txn);
        look->txn = NULL;
    }
    replica_rules_put_back(look->replica, &look->rules);
}

/* 0: it was mended, look again. Else E_CORRUPT, or why it could not be healed. */
static int heal(const struct looking *look, struct err *err)
{
    return look->bad_key.size > 0
               ? replica_item_heal(look->replica, look->bad_bag, &look->bad_key, err)
               : replica_rules_heal(look->replica, look->bad_bag, err);
}

/* --- one layer --- */

static int read_row(struct looking *look, enum replica_layer layer, struct span path,
                    struct item_row *row, struct err *err)
{
    const struct replica_bag *bag = &look->bags[layer];
    uint8_t bytes[sizeof SHARING_DEFAULT + PATH_MAX_BYTES];
    struct span value;
    *row = (struct item_row){.state = ITEM_ABSENT};
    if (layer == REPLICA_DEFAULT) {
        size_t head = sizeof SHARING_DEFAULT - 1;
        if (head + path.size > PATH_MAX_BYTES) {
            return 0;
        }
        memcpy(bytes, SHARING_DEFAULT, head);
        memcpy(bytes + head, path.data, path.size);
        path = span_of(bytes, head + path.size);
    }
    struct record_key key = replica_key_item(bag->local, bag->copy, path);
    int rc = replica_record_get(look->replica, look->txn, TABLE_ITEMS, &key, &value, err);
    if (rc == 0 && !replica_record_item(value, row)) {
        rc = err_set(err, E_CORRUPT, "an item's record in '%s' is damaged", look->replica->path);
    }
    if (rc == E_CORRUPT) {
        look->bad_bag = bag->local;
        look->bad_key = key;
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* Of a list the layer's next row, if it is this item's. */
static void next_row(const struct rows *rows, struct span path, struct item_row *row)
{
    bool there = rows->at < rows->count && span_equal(rows->list[rows->at].path, path);
    *row = there ? rows->list[rows->at].row : (struct item_row){.state = ITEM_ABSENT};
}

/* `hidden`: by a fence. */
static int find_row(struct looking *look, enum replica_layer layer, struct span path,
                    struct item_row *row, bool *hidden, struct err *err)
{
    *row = (struct item_row){.state = ITEM_ABSENT};
    *hidden = false;
    int rc = find_bag(look, layer, err);
    if (rc != 0 || look->bags[layer].local == 0) {
        return rc;
    }
    if (look->rows != NULL) {
        next_row(&look->rows[layer], path, row);
    } else {
        rc = read_row(look, layer, path, row, err);
    }
    *hidden = rc == 0 && row->state == ITEM_LIVE && layer != REPLICA_DEFAULT &&
              replica_rules_hide(look->rules, look->bags[layer].owner.kind, path, row->seq);
    return rc;
}

/* --- which one counts --- */

/* The local writes to the item; each may be NULL. */
struct over {
    const struct replica_local *bag, *device;
};

static bool take_local(const struct replica_local *local, enum replica_layer layer,
                       struct replica_seen *out)
{
    if (local == NULL || local->removed) {
        return false;
    }
    out->layer = layer;
    out->local = true;
    out->row = (struct item_row){
        .state = ITEM_LIVE, .seq = local->seq, .time_ms = local->time_ms, .value = local->value};
    return true;
}

/* The layer that the item is written to first; how many there are. */
static size_t order_of(const struct category *category, enum replica_layer order[REPLICA_LAYERS])
{
    size_t count = 0;
    bool device = sharing_layer_of(category) == SHARING_DEVICE;
    if (device) {
        order[count++] = REPLICA_DEVICE;
    }
    if (!device || category->copy) {
        order[count++] = REPLICA_SHARED;
    }
    order[count++] = REPLICA_DEFAULT;
    return count;
}

static const struct category *category_of(const struct looking *look, struct span path)
{
    return look->view->owner->kind == OWNER_USER ? replica_rules_category(look->rules, path) : NULL;
}

/* out->layer stays REPLICA_NONE: nothing does. */
static int resolve(struct looking *look, struct span path, const struct over *over,
                   struct replica_seen *out, struct err *err)
{
    const struct category *category = category_of(look, path);
    enum replica_layer order[REPLICA_LAYERS];
    size_t count = order_of(category, order);
    *out = (struct replica_seen){.path = path};
    if (take_local(over->bag, order[0], out)) {
        return 0;
    }
    for (size_t i = over->bag != NULL ? 1 : 0; i < count; i++) { /* removed: one layer less */
        bool hidden = false;
        struct item_row row = {.state = ITEM_ABSENT};
        bool own = order[i] == REPLICA_DEVICE && over->device != NULL;
        if (own && take_local(over->device, order[i], out)) {
            return 0;
        }
        int rc = own ? 0 : find_row(look, order[i], path, &row, &hidden, err);
        bool late = order[i] == REPLICA_SHARED && i > 0 && !own && row.seq >= category->flag_seq;
        if (rc != 0 || (!own && row.state == ITEM_LIVE && !hidden && !late)) {
            out->layer = rc == 0 ? order[i] : REPLICA_NONE;
            out->row = row;
            return rc;
        }
    }
    return 0;
}

/* --- one item --- */

static const struct replica_local *local_of(const struct replica_locals *locals, struct span path)
{
    for (size_t i = 0; i < locals->count; i++) {
        if (span_equal(locals->list[i].path, path)) {
            return &locals->list[i];
        }
    }
    return NULL;
}

static int no_item(struct span path, struct err *err)
{
    return err_set(err, E_NOT_FOUND, "there is no item '%.*s'", (int)path.size,
                   (const char *)path.data);
}

static void explain_layer(const struct item_row *row, uint64_t hidden_by, struct replica_found *out)
{
    out->there = row->state == ITEM_LIVE;
    out->hidden_by = hidden_by;
    out->row = *row;
    out->row.value = (struct span){NULL, 0};
    out->size = row->value.size;
}

static int explain(struct looking *look, struct span path, struct replica_explained *out,
                   struct err *err)
{
    const struct category *category = category_of(look, path);
    int rc = 0;
    if (category != NULL) {
        memcpy(out->category, category->path, category->path_size);
        out->has_flag = category->has_flag;
        out->device = category->device;
        out->copy = category->copy;
        out->flag_seq = category->flag_seq;
    }
    for (enum replica_layer layer = REPLICA_SHARED; rc == 0 && layer < REPLICA_LAYERS; layer++) {
        bool hidden = false;
        struct item_row row;
        rc = find_row(look, layer, path, &row, &hidden, err);
        if (rc == 0) {
            enum owner_kind kind = look->bags[layer].owner.kind;
            explain_layer(&row, hidden ? replica_rules_fence(look->rules, kind, path) : 0,
                          &out->layers[layer]);
        }
    }
    return rc;
}

/* What counts, its value appended. `start`: where it begins there. */
static int try_item(struct looking *look, struct span path, struct replica_seen *out,
                    struct buf *value, struct err *err)
{
    const struct over over = {local_of(&look->view->over, path),
                              local_of(&look->view->over_device, path)};
    if (look->bags[REPLICA_SHARED].local == 0) {
        *out = (struct replica_seen){.path = path};
        return 0; /* no bag, no items */
    }
    int rc = resolve(look, path, &over, out, err);
    if (rc == 0 && value != NULL && buf_append_span(value, out->row.value) != 0) {
        rc = err_set(err, buf_error(value), "the value of '%.*s' does not fit", (int)path.size,
                     (const char *)path.data);
    }
    return rc;
}

static int look_once(struct looking *look, struct replica *replica, const struct replica_view *view,
                     struct span path, struct replica_explained *out, bool all, struct buf *value,
                     struct err *err)
{
    int rc = begin(look, replica, view, err);
    rc = rc != 0 ? rc : try_item(look, path, &out->seen, value, err);
    if (rc == 0 && all) {
        rc = explain(look, path, out, err);
    }
    end(look);
    return rc;
}

static int look_up(struct replica *replica, const struct replica_view *view, struct span path,
                   struct replica_explained *out, bool all, struct buf *value, struct err *err)
{
    ASSERT(replica != NULL && view != NULL && view->owner != NULL && out != NULL);
    struct looking look = {.rows = NULL};
    size_t start = value != NULL ? value->size : 0;
    *out = (struct replica_explained){.seen = {.path = path}};
    if (path.size > PATH_MAX_BYTES) {
        return 0;
    }
    int rc = look_once(&look, replica, view, path, out, all, value, err);
    if (rc == E_CORRUPT) {
        rc = heal(&look, err);
        if (rc == 0) {
            *out = (struct replica_explained){.seen = {.path = path}};
            rc = look_once(&look, replica, view, path, out, all, value, err);
        }
    }
    bool told = rc == 0 && value != NULL && value->size > start;
    out->seen.row.value = told ? span_of(value->data + start, value->size - start)
                               : (struct span){NULL, 0}; /* the map's is gone */
    return rc;
}

int replica_view_item(struct replica *replica, const struct replica_view *view, struct span path,
                      struct replica_seen *out, struct buf *value, struct err *err)
{
    struct replica_explained found;
    int rc = look_up(replica, view, path, &found, false, value, err);
    if (rc == 0 && found.seen.layer == REPLICA_NONE) {
        return no_item(path, err);
    }
    if (rc == 0) {
        *out = found.seen;
    }
    return rc;
}

int replica_view_explain(struct replica *replica, const struct replica_view *view, struct span path,
                         struct replica_explained *out, struct buf *value, struct err *err)
{
    struct replica_explained found;
    int rc = look_up(replica, view, path, &found, true, value, err);
    if (rc == 0) {
        *out = found;
    }
    return rc;
}

/* --- all items --- */

static int gather(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct rows *rows = context;
    if (row == NULL || path.size <= rows->skip) {
        rows->damaged = true;
        return 0;
    }
    rows->items++;
    rows->bytes += path.size + row->value.size;
    struct row *list = array_reserve(rows->list, &rows->capacity, rows->count + 1, sizeof *list);
    if (list == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    rows->list = list;
    path = span_of(path.data + rows->skip, path.size - rows->skip);
    list[rows->count++] = (struct row){.path = path, .row = *row};
    return 0;
}

static int gather_layer(struct looking *look, enum replica_layer layer, struct span prefix,
                        struct err *err)
{
    struct rows *rows = &look->rows[layer];
    int rc = find_bag(look, layer, err);
    const struct replica_bag *bag = &look->bags[layer];
    if (rc != 0 || bag->local == 0) {
        return rc;
    }
    struct buf path;
    buf_init(&path, sizeof SHARING_DEFAULT + PATH_MAX_BYTES);
    if (layer == REPLICA_DEFAULT) {
        (void)buf_append_span(&path, span_str(SHARING_DEFAULT));
        rows->skip = path.size;
    }
    (void)buf_append_span(&path, prefix);
    rc = buf_error(&path);
    if (rc != 0) {
        rc = err_set(err, rc, "out of memory");
    } else if (path.size <= PATH_MAX_BYTES) {
        struct record_key first = replica_key_item(bag->local, bag->copy, buf_span(&path));
        rc = replica_record_items(look->replica, look->txn, TABLE_ITEMS, &first, gather, rows,
                                  "read", err);
    }
    buf_free(&path);
    /* An item whose key was damaged so much that it left its place is missing from the count. */
    bool counted = layer != REPLICA_DEFAULT && prefix.size == 0;
    rows->damaged = rows->damaged || (rc == 0 && counted &&
                                      (rows->items != bag->items || rows->bytes != bag->bytes));
    return rc;
}

/* The next local write of a list. */
struct locals {
    struct replica_locals all;
    size_t at;
};

static const struct replica_local *next_local(const struct locals *locals)
{
    return locals->at < locals->all.count ? &locals->all.list[locals->at] : NULL;
}

static void lower(bool *found, struct span *lowest, struct span path)
{
    if (!*found || span_compare(path, *lowest) < 0) {
        *lowest = path;
        *found = true;
    }
}

/* The lowest path that was not told yet; false: there is none. */
static bool next_path(const struct looking *look, const struct locals over[2], struct span *path)
{
    bool found = false;
    for (int i = 0; i < 2; i++) {
        const struct replica_local *local = next_local(&over[i]);
        if (local != NULL) {
            lower(&found, path, local->path);
        }
    }
    for (int i = REPLICA_SHARED; i < REPLICA_LAYERS; i++) {
        const struct rows *rows = &look->rows[i];
        if (rows->at < rows->count) {
            lower(&found, path, rows->list[rows->at].path);
        }
    }
    return found;
}

/* The local write to this item, which is passed with it. */
static const struct replica_local *pass_local(struct locals *locals, struct span path)
{
    const struct replica_local *local = next_local(locals);
    if (local == NULL || !span_equal(local->path, path)) {
        return NULL;
    }
    locals->at++;
    return local;
}

static int tell_all(struct looking *look, replica_seen_fn *each, void *context, struct err *err)
{
    struct locals over[2] = {{.all = look->view->over}, {.all = look->view->over_device}};
    struct span path = {NULL, 0};
    int rc = 0;
    while (rc == 0 && next_path(look, over, &path)) {
        struct replica_seen seen;
        const struct over here = {pass_local(&over[0], path), pass_local(&over[1], path)};
        rc = resolve(look, path, &here, &seen, err);
        if (rc == 0 && seen.layer != REPLICA_NONE) {
            rc = each(context, &seen, err);
        }
        for (int i = REPLICA_SHARED; i < REPLICA_LAYERS; i++) {
            struct rows *rows = &look->rows[i];
            bool told = rows->at < rows->count && span_equal(rows->list[rows->at].path, path);
            rows->at += told ? 1 : 0;
        }
    }
    return rc;
}

static int list_once(struct looking *look, struct replica *replica, const struct replica_view *view,
                     struct span prefix, replica_seen_fn *each, void *context, struct err *err)
{
    int rc = begin(look, replica, view, err);
    bool there = look->bags[REPLICA_SHARED].local != 0;
    for (enum replica_layer layer = REPLICA_SHARED; rc == 0 && there && layer < REPLICA_LAYERS;
         layer++) {
        rc = gather_layer(look, layer, prefix, err);
    }
    if (rc == 0 && there) {
        look->telling = true;
        rc = tell_all(look, each, context, err);
    }
    end(look);
    return rc;
}

static void free_rows(struct rows rows[REPLICA_LAYERS])
{
    for (int i = 0; i < REPLICA_LAYERS; i++) {
        free(rows[i].list);
        rows[i] = (struct rows){0};
    }
}

/* The bags in which something was damaged. */
static int mark_damaged(const struct looking *look, struct err *err)
{
    int rc = 0;
    for (int i = REPLICA_SHARED; i < REPLICA_LAYERS; i++) {
        if (look->rows[i].damaged) {
            rc = replica_bag_mark_damaged(look->replica, look->bags[i].local, err);
        }
    }
    return rc;
}

int replica_view_items(struct replica *replica, const struct replica_view *view, struct span prefix,
                       replica_seen_fn *each, void *context, struct err *err)
{
    ASSERT(replica != NULL && view != NULL && view->owner != NULL && each != NULL);
    struct rows rows[REPLICA_LAYERS] = {{0}};
    struct looking look = {.rows = rows};
    if (prefix.size > PATH_MAX_BYTES) {
        return 0;
    }
    int rc = list_once(&look, replica, view, prefix, each, context, err);
    if (rc == E_CORRUPT && !look.telling) {
        free_rows(rows);
        rc = heal(&look, err);
        rc = rc != 0 ? rc : list_once(&look, replica, view, prefix, each, context, err);
    }
    rc = rc != 0 ? rc : mark_damaged(&look, err);
    free_rows(rows);
    return rc;
}
