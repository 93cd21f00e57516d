/* server/clearing.c - one fence after the other, one bag after the other. */
#include "server/clearing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/rows.h"

enum {
    BAGS_OF_TURN = 400,
    ITEMS_OF_SUBMIT = 64,
    PAGE_BYTES = 65536,
    VALUE_MAX = 65536, /* of a fence: FENCE_EXCEPT_MAX paths and a little */
    NOTE_NAME_MAX = 32,
};

static const char FENCES[] = "@fence/";

/* An item that is to go. */
struct void_item {
    char path[PATH_MAX_BYTES];
    size_t size;
    uint64_t seq;
};

struct clearing {
    struct clearing_submit submit;
    /* The fence at hand; seq 0: none. */
    struct buf path;
    struct buf value;     /* what marks it as cleared */
    bool marked;          /* it is so already */
    uint64_t seq;         /* of its item */
    struct fences fences; /* it alone */
    enum fence_layer layer;
    struct span category; /* into `path` */
    uint64_t bag_id;      /* bags up to here are done */
    uint64_t at_bag;      /* the one that is read */
    struct buf after;     /* the path behind which it is read on */
    uint64_t removed;
    /* Of a turn. */
    struct bag_row bags[BAGS_OF_TURN];
    size_t bag_count;
    struct void_item items[ITEMS_OF_SUBMIT];
    size_t item_count;
    size_t items_wanted;
    enum owner_kind kind;
};

int clearing_new(struct clearing **out, const struct clearing_submit *submit)
{
    ASSERT(out != NULL && submit != NULL && submit->submit != NULL);
    struct clearing *clearing = calloc(1, sizeof *clearing);
    if (clearing == NULL) {
        return E_NOMEM;
    }
    clearing->submit = *submit;
    buf_init(&clearing->path, PATH_MAX_BYTES);
    buf_init(&clearing->value, VALUE_MAX);
    buf_init(&clearing->after, PATH_MAX_BYTES);
    *out = clearing;
    return 0;
}

static void let_go(struct clearing *clearing)
{
    fences_free(&clearing->fences);
    buf_reset(&clearing->path);
    buf_reset(&clearing->value);
    clearing->seq = 0;
    clearing->bag_id = 0;
    clearing->at_bag = 0;
    clearing->removed = 0;
}

void clearing_free(struct clearing **clearing)
{
    if (clearing == NULL || *clearing == NULL) {
        return;
    }
    let_go(*clearing);
    buf_free(&(*clearing)->path);
    buf_free(&(*clearing)->value);
    buf_free(&(*clearing)->after);
    free(*clearing);
    *clearing = NULL;
}

/* --- finding a fence --- */

struct search {
    struct clearing *clearing;
    struct kv *kv;
    uint64_t undo_seq;
};

enum { FOUND = 1 };

/* What tells that all that the fence at this version hides is gone. A crash may take it back: then
 * the bags are looked at again. */
static const char *note_name(uint64_t seq, char out[NOTE_NAME_MAX])
{
    (void)snprintf(out, NOTE_NAME_MAX, "cleared/%016" PRIx64, seq);
    return out;
}

int clearing_is_done(struct kv *kv, uint64_t seq, bool *done, struct err *err)
{
    ASSERT(kv != NULL && done != NULL);
    char name[NOTE_NAME_MAX];
    struct buf bytes;
    buf_init(&bytes, KV_NOTE_MAX_BYTES);
    struct err why = {0};
    int rc = kv_note_get(kv, note_name(seq, name), &bytes, &why);
    buf_free(&bytes);
    *done = rc == 0;
    return rc == 0 || rc == E_NOT_FOUND ? 0 : err_set(err, rc, "%s", why.text);
}

/* FOUND when there is something to do for a fence of this version. */
static int is_due(const struct search *search, uint64_t seq, const struct fence *fence,
                  struct err *err)
{
    if (!fence->cleared) {
        return seq <= search->undo_seq ? FOUND : 0;
    }
    bool done = false;
    int rc = clearing_is_done(search->kv, seq, &done, err);
    return rc == 0 && !done ? FOUND : rc;
}

/* Takes the fence: its path, its value with the mark, and a set of it alone. */
static int take_fence(struct clearing *clearing, struct span path, const struct item_row *row,
                      struct fence *fence, struct err *err)
{
    clearing->seq = row->seq;
    clearing->marked = fence->cleared;
    fence->from = fence->from != 0 ? fence->from : row->seq; /* the marked item has another seq */
    fence->cleared = true;
    (void)buf_append_span(&clearing->path, path);
    fence_put_value(&clearing->value, fence);
    int rc = buf_error(&clearing->path);
    rc = rc != 0 ? rc : buf_error(&clearing->value);
    if (rc != 0) {
        return err_set(err, rc, "clearing a category: out of memory");
    }
    rc = fence_of_path(buf_span(&clearing->path), &clearing->layer, &clearing->category);
    return rc != 0 ? err_set(err, rc, "the path '%.*s' is not a fence's", (int)path.size,
                             (const char *)path.data)
                   : fences_put(&clearing->fences, path, row->seq, row->value, err);
}

static int each_fence(void *context, struct span path, const struct item_row *row, struct err *err)
{
    const struct search *search = context;
    struct unpacked scratch = {0};
    struct fence fence = {0};
    int rc = fence_get_value(row->value, &scratch, &fence, err);
    if (rc == 0) {
        rc = is_due(search, row->seq, &fence, err);
    }
    if (rc == FOUND) {
        rc = take_fence(search->clearing, path, row, &fence, err);
        if (rc != 0) {
            let_go(search->clearing);
        }
        rc = rc == 0 ? FOUND : rc;
    }
    unpack_close(&scratch);
    return rc;
}

static int find_fence(struct clearing *clearing, struct kv *kv, const struct bag_row *fleet,
                      uint64_t undo_seq, struct err *err)
{
    struct search search = {clearing, kv, undo_seq};
    int rc = rows_each(kv, fleet->bag_id, span_str(FENCES), each_fence, &search, err);
    return rc == FOUND ? 0 : rc;
}

/* One that was lifted or put up anew is another one. */
static int check_fence(struct clearing *clearing, struct kv *kv, const struct bag_row *fleet,
                       struct err *err)
{
    struct kv_item item = {0};
    int rc = kv_item(kv, NULL, fleet->bag_id, buf_span(&clearing->path), &item, err);
    if (rc == 0 && (item.row.state != ITEM_LIVE || item.row.seq != clearing->seq)) {
        let_go(clearing);
    }
    kv_item_free(&item);
    return rc;
}

/* --- submitting --- */

int clearing_write(const struct clearing_submit *by, const struct owner *owner,
                   const struct operation_write *writes, size_t count, struct err *err)
{
    ASSERT(by != NULL && owner != NULL && writes != NULL && count > 0);
    struct submit submit = {
        .kind = SUBMIT_WRITE,
        .actor = "kitbagd",
        .owner = *owner,
        .writes = writes,
        .write_count = count,
    };
    int rc = by->submit(by->context, &submit, 1, err);
    return rc != 0 || submit.code == 0 ? rc : err_set(err, submit.code, "%s", submit.text);
}

/* Somebody was quicker: the bag or the item is another one by now, and not void. */
static bool is_moot(int rc)
{
    return rc == E_CONDITION || rc == E_NOT_FOUND || rc == E_BAG_GONE;
}

/* --- the items of a bag --- */

static int each_item(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)err;
    struct clearing *clearing = context;
    if (row->seq >= fences_position(&clearing->fences, clearing->kind, path)) {
        return 0;
    }
    struct void_item *item = &clearing->items[clearing->item_count++];
    memcpy(item->path, path.data, path.size);
    item->size = path.size;
    item->seq = row->seq;
    return clearing->item_count == clearing->items_wanted ? FOUND : 0;
}

/* Up to items_wanted void items of the bag, from where the last ones were found. */
static int collect(struct clearing *clearing, struct kv *kv, const struct bag_row *bag,
                   struct err *err)
{
    clearing->item_count = 0;
    clearing->kind = bag->owner.kind;
    if (clearing->at_bag != bag->bag_id) {
        clearing->at_bag = bag->bag_id;
        buf_reset(&clearing->after);
    }
    struct err why = {0};
    bool end = false;
    int rc = 0;
    while (rc == 0 && !end) {
        struct kv_page page = {
            .bag_id = bag->bag_id,
            .after = buf_span(&clearing->after),
            .prefix = clearing->category,
            .budget_bytes = PAGE_BYTES,
        };
        rc = kv_page(kv, NULL, &page, each_item, clearing, &clearing->after, &end, &why);
    }
    if (clearing->item_count > 0) {
        const struct void_item *last = &clearing->items[clearing->item_count - 1];
        buf_reset(&clearing->after);
        (void)buf_append(&clearing->after, last->path, last->size);
    }
    bool gone = rc == E_NOT_FOUND || rc == E_BAG_GONE;
    return rc == 0 || rc == FOUND || gone ? 0 : err_set(err, rc, "%s", why.text);
}

static int remove_items(struct clearing *clearing, const struct owner *owner, struct err *err)
{
    struct operation_write writes[ITEMS_OF_SUBMIT];
    for (size_t i = 0; i < clearing->item_count; i++) {
        const struct void_item *item = &clearing->items[i];
        writes[i] = (struct operation_write){
            .path = span_of(item->path, item->size),
            .remove = true,
            .has_if_seq = true,
            .if_seq = item->seq,
        };
    }
    struct err why = {0};
    int rc = clearing_write(&clearing->submit, owner, writes, clearing->item_count, &why);
    if (rc == 0) {
        clearing->removed += clearing->item_count;
    } else {
        buf_reset(&clearing->after); /* they are met again, those that are still void */
    }
    return rc == 0 || is_moot(rc) ? 0 : err_set(err, rc, "%s", why.text);
}

/* Removes at most *items; `done`: the bag holds no more of them. */
static int clear_bag(struct clearing *clearing, struct kv *kv, const struct bag_row *bag,
                     size_t *items, bool *done, struct err *err)
{
    int rc = 0;
    *done = false;
    while (rc == 0 && *items > 0 && !*done) {
        clearing->items_wanted = *items < ITEMS_OF_SUBMIT ? *items : ITEMS_OF_SUBMIT;
        rc = collect(clearing, kv, bag, err);
        *done = rc == 0 && clearing->item_count == 0;
        if (rc == 0 && !*done) {
            *items -= clearing->item_count;
            rc = remove_items(clearing, &bag->owner, err);
        }
    }
    return rc;
}

/* --- the bags --- */

static int each_bag(void *context, const struct bag_row *bag, struct err *err)
{
    (void)err;
    struct clearing *clearing = context;
    clearing->bags[clearing->bag_count++] = *bag;
    return 0;
}

static bool concerns(const struct clearing *clearing, const struct bag_row *bag)
{
    return bag->owner.kind == (clearing->layer == FENCE_SHARED ? OWNER_USER : OWNER_USER_DEVICE);
}

static int clear_bags(struct clearing *clearing, struct kv *kv, size_t items, bool *end,
                      struct err *err)
{
    bool more = false;
    clearing->bag_count = 0;
    int rc = kv_bags(kv, NULL, clearing->bag_id, BAGS_OF_TURN, each_bag, clearing, &more, err);
    bool done = true;
    for (size_t i = 0; i < clearing->bag_count && rc == 0 && done; i++) {
        const struct bag_row *bag = &clearing->bags[i];
        if (concerns(clearing, bag)) {
            rc = clear_bag(clearing, kv, bag, &items, &done, err);
        }
        if (rc == 0 && done) {
            clearing->bag_id = bag->bag_id;
        }
    }
    *end = rc == 0 && done && !more;
    return rc;
}

/* --- a fence's two steps --- */

/* First the fence says that it can't be lifted any more: a lift would bring back half of it. */
static int mark_fence(struct clearing *clearing, const struct bag_row *fleet, struct err *err)
{
    struct operation_write write = {
        .path = buf_span(&clearing->path),
        .value = buf_span(&clearing->value),
        .has_if_seq = true,
        .if_seq = clearing->seq,
    };
    struct err why = {0};
    int rc = clearing_write(&clearing->submit, &fleet->owner, &write, 1, &why);
    let_go(clearing);
    return rc == 0 || is_moot(rc) ? 0 : err_set(err, rc, "%s", why.text);
}

/* Then what it hides goes; at the end that is noted. */
static int clear_fence(struct clearing *clearing, struct kv *kv, size_t items, struct err *err)
{
    bool end = false;
    int rc = clear_bags(clearing, kv, items, &end, err);
    if (rc != 0 || !end) {
        return rc;
    }
    char name[NOTE_NAME_MAX];
    rc = kv_note_put(kv, note_name(clearing->seq, name), SPAN_LITERAL("1"), err);
    if (rc == 0) {
        log_event(LOG_INFO, "clearing", "fence.cleared", "fence=%.*s items=%" PRIu64,
                  (int)clearing->path.size, (const char *)clearing->path.data, clearing->removed);
        let_go(clearing);
    }
    return rc;
}

int clearing_turn(struct clearing *clearing, struct kv *kv, uint64_t undo_seq, size_t items,
                  bool *busy, struct err *err)
{
    ASSERT(clearing != NULL && kv != NULL && busy != NULL && items > 0);
    static const struct owner owner = {.kind = OWNER_FLEET};
    struct bag_row fleet = {0};
    *busy = false;
    int rc = kv_bag_of(kv, NULL, &owner, &fleet, err);
    if (rc == 0 && clearing->seq != 0) {
        rc = check_fence(clearing, kv, &fleet, err);
    }
    if (rc == 0 && clearing->seq == 0) {
        rc = find_fence(clearing, kv, &fleet, undo_seq, err);
    }
    *busy = clearing->seq != 0;
    if (rc != 0 || !*busy) {
        return rc;
    }
    return clearing->marked ? clear_fence(clearing, kv, items, err)
                            : mark_fence(clearing, &fleet, err);
}
