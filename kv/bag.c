/* kv/bag.c - reading bags, the directory, writers and outcomes. */
#include <stdio.h>
#include <string.h>

#include "kv/inside.h"

int kv_bag_get(struct kv *kv, struct kv_view *view, const struct kv_key *key, struct bag_row *out,
               struct err *err)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    struct kv_recent recent;
    if (key->data[0] == 'B' && kv_recent(kv, view, key, &recent)) {
        if (!recent.present) {
            return E_NOT_FOUND;
        }
        *out = recent.bag;
        return 0;
    }
    int rc = kv_store_get(&kv->store, kv_view_read(view), kv_key_span(key), &pin, &row, err);
    if (rc == 0) {
        rc = kv_row_get_bag(kv_key_span(key), row, out, err);
    }
    rocksdb_pinnableslice_destroy(pin);
    return rc;
}

static int read_id(struct kv *kv, struct kv_view *view, const struct kv_key *key, uint64_t *out,
                   struct err *err)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    int rc = kv_store_get(&kv->store, kv_view_read(view), kv_key_span(key), &pin, &row, err);
    if (rc == 0) {
        rc = kv_row_get_id(kv_key_span(key), row, out, err);
    }
    rocksdb_pinnableslice_destroy(pin);
    return rc;
}

/* --- bags --- */

int kv_bag(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct bag_row *out,
           struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(out != NULL);
    struct kv_key key = kv_key_bag(bag_id);
    int rc = kv_bag_get(kv, view, &key, out, err);
    if (rc != E_NOT_FOUND) {
        return rc;
    }
    struct bag_row grave;
    key = kv_key_grave(bag_id);
    rc = kv_bag_get(kv, view, &key, &grave, err);
    if (rc == 0) {
        return err_set(err, E_BAG_GONE, "the bag was deleted");
    }
    return rc == E_NOT_FOUND ? err_set(err, E_NOT_FOUND, "there is no such bag") : rc;
}

/* A row that names a bag, then the bag, which must be there in the same view. */
static int follow(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct bag_row *out,
                  struct err *err)
{
    struct kv_key key = kv_key_bag(bag_id);
    int rc = kv_bag_get(kv, view, &key, out, err);
    if (rc == E_NOT_FOUND) {
        rc = err_set(err, E_CORRUPT, "the directory names bag %llu, which is not there",
                     (unsigned long long)bag_id);
    }
    return rc;
}

/* The bag_id of an owner. A user-device bag is found by way of the user's: it is that one's child,
 * and a user who was deleted and made again has other children. E_NOT_FOUND without a sentence. */
static int find_id(struct kv *kv, struct kv_view *view, const struct owner *owner, uint64_t *bag_id,
                   struct err *err)
{
    if (owner->kind != OWNER_USER_DEVICE) {
        struct kv_key key = kv_key_owner(owner);
        return read_id(kv, view, &key, bag_id, err);
    }
    struct kv_key key = kv_key_owner_named(OWNER_USER, owner->folded);
    uint64_t parent = 0;
    int rc = read_id(kv, view, &key, &parent, err);
    if (rc != 0) {
        return rc;
    }
    key = kv_key_child(parent, owner->device);
    return read_id(kv, view, &key, bag_id, err);
}

int kv_bag_of(struct kv *kv, struct kv_view *view, const struct owner *owner, struct bag_row *out,
              struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(owner != NULL);
    ASSERT(out != NULL);
    struct kv_view *own = NULL;
    int rc = 0;
    if (view == NULL) {
        /* Several rows: they have to be of one moment. */
        rc = kv_view_new(&own, kv, err);
        if (rc != 0) {
            return rc;
        }
        view = own;
    }
    uint64_t bag_id = 0;
    rc = find_id(kv, view, owner, &bag_id, err);
    if (rc == 0) {
        rc = follow(kv, view, bag_id, out, err);
    } else if (rc == E_NOT_FOUND) {
        (void)err_set(err, E_NOT_FOUND, "there is no bag of this owner");
    }
    kv_view_free(&own);
    return rc;
}

/* --- lists of bags: the rows of a prefix are or name them --- */

/* What a list hands over: the rows behind `from`, whose key after the prefix holds `search`. */
struct list {
    const struct kv_key *prefix;
    const struct kv_key *from;
    struct span search;
    size_t limit;
    kv_bag_fn *each;
    void *context;
    bool more;
};

static bool matches(const struct list *list, struct span key)
{
    if (list->search.size == 0) {
        return true;
    }
    return memmem(key.data + list->prefix->size, key.size - list->prefix->size, list->search.data,
                  list->search.size) != NULL;
}

static int hand_over(struct kv *kv, struct kv_view *view, const struct list *list, struct span key,
                     struct span row, struct err *err)
{
    struct bag_row bag;
    int rc = 0;
    if (key.data[0] == 'B') {
        rc = kv_row_get_bag(key, row, &bag, err);
    } else {
        uint64_t bag_id = 0;
        rc = kv_row_get_id(key, row, &bag_id, err);
        rc = rc != 0 ? rc : follow(kv, view, bag_id, &bag, err);
    }
    return rc != 0 ? rc : list->each(list->context, &bag, err);
}

static int walk_list(struct kv *kv, struct kv_view *view, struct list *list, struct err *err)
{
    struct kv_view *own = NULL;
    if (view == NULL) {
        int rc = kv_view_new(&own, kv, err);
        if (rc != 0) {
            return rc;
        }
        view = own;
    }
    struct kv_scan scan;
    kv_scan_open(&scan, &kv->store, view->snapshot, list->prefix, list->from, true);
    size_t found = 0;
    int rc = 0;
    for (;;) {
        struct span key;
        struct span row;
        rc = kv_scan_row(&scan, &key, &row, err);
        if (rc != 0) {
            rc = rc == E_NOT_FOUND ? 0 : rc;
            break;
        }
        if (matches(list, key)) {
            if (found == list->limit) {
                list->more = true;
                break;
            }
            found++;
            rc = hand_over(kv, view, list, key, row, err);
            if (rc != 0) {
                break;
            }
        }
        kv_scan_step(&scan);
    }
    kv_scan_close(&scan);
    kv_view_free(&own);
    return rc;
}

int kv_children(struct kv *kv, struct kv_view *view, uint64_t parent, kv_bag_fn *each,
                void *context, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(each != NULL);
    struct kv_key prefix = kv_key_children(parent);
    struct list list = {
        .prefix = &prefix, .from = &prefix, .limit = SIZE_MAX, .each = each, .context = context};
    return walk_list(kv, view, &list, err);
}

int kv_bags(struct kv *kv, struct kv_view *view, uint64_t after_bag_id, size_t limit,
            kv_bag_fn *each, void *context, bool *more, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(each != NULL);
    ASSERT(more != NULL);
    struct kv_key prefix = kv_key_bags();
    struct kv_key from = kv_key_bag(after_bag_id);
    struct list list = {
        .prefix = &prefix, .from = &from, .limit = limit, .each = each, .context = context};
    int rc = walk_list(kv, view, &list, err);
    if (rc == 0) {
        *more = list.more;
    }
    return rc;
}

/* --- the directory --- */

struct owners {
    struct kv_names_query query; /* what is still wanted */
    char last[NAME_MAX_BYTES + 1];
    kv_bag_fn *each;
    void *context;
};

static int walk_directory(struct kv *kv, struct kv_view *view, const struct owners *owners,
                          bool *more, struct err *err)
{
    struct kv_key prefix = kv_key_owner_named(owners->query.kind, "");
    struct kv_key from = kv_key_owner_named(owners->query.kind, owners->query.after);
    struct list list = {.prefix = &prefix,
                        .from = &from,
                        .search = span_str(owners->query.search),
                        .limit = owners->query.limit,
                        .each = owners->each,
                        .context = owners->context};
    int rc = walk_list(kv, view, &list, err);
    if (rc == 0) {
        *more = list.more;
    }
    return rc;
}

/* The bags of names, each with its NUL. Who was deleted since they were looked up is left out.
 * `handed` counts the others. */
static int hand_over_named(struct kv *kv, const struct owners *owners, struct span names,
                           size_t *handed, struct err *err)
{
    struct kv_view *view = NULL;
    int rc = kv_view_new(&view, kv, err);
    for (size_t at = 0; at < names.size && rc == 0;) {
        const char *name = (const char *)names.data + at;
        struct kv_key key = kv_key_owner_named(owners->query.kind, name);
        struct bag_row bag;
        uint64_t bag_id = 0;
        at += strlen(name) + 1;
        rc = read_id(kv, view, &key, &bag_id, err);
        if (rc == 0) {
            rc = follow(kv, view, bag_id, &bag, err);
            rc = rc == 0 ? owners->each(owners->context, &bag, err) : rc;
            *handed += rc == 0;
        } else if (rc == E_NOT_FOUND) {
            rc = 0;
        }
    }
    kv_view_free(&view);
    return rc;
}

static void go_on_behind(struct owners *owners, struct span names)
{
    const char *text = (const char *)names.data;
    const char *end = memrchr(text, '\0', names.size - 1);
    (void)snprintf(owners->last, sizeof owners->last, "%s", end != NULL ? end + 1 : text);
    owners->query.after = owners->last;
}

/* Not `whole`: not all names are in memory, the rest has to be looked for in the directory. */
static int look_in_memory(struct kv *kv, struct owners *owners, bool *more, bool *whole,
                          struct err *err)
{
    struct kv_names_query *query = &owners->query;
    struct buf names;
    int rc = 0;
    *more = *whole = true;
    buf_init(&names, SIZE_MAX / 2);
    while (rc == 0 && *whole && *more && query->limit > 0) {
        size_t handed = 0;
        buf_reset(&names);
        rc = kv_names_find(&kv->names, query, &names, more);
        if (rc == 0) {
            rc = hand_over_named(kv, owners, buf_span(&names), &handed, err);
            query->limit -= handed;
        } else if (rc == E_BUSY) {
            *whole = false;
            rc = 0;
        } else {
            (void)err_set(err, rc, "out of memory");
        }
        if (rc == 0 && *whole && *more) {
            go_on_behind(owners, buf_span(&names));
        }
    }
    buf_free(&names);
    return rc;
}

int kv_owners(struct kv *kv, struct kv_view *view, enum owner_kind kind, const char *search,
              const char *after, size_t limit, kv_bag_fn *each, void *context, bool *more,
              struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(kind == OWNER_USER || kind == OWNER_GROUP);
    ASSERT(search != NULL);
    ASSERT(each != NULL);
    ASSERT(more != NULL);
    if (after != NULL && strlen(after) > NAME_MAX_BYTES) {
        return err_set(err, E_INVALID, "a name has at most %d bytes", (int)NAME_MAX_BYTES);
    }
    struct owners owners = {.query = {.kind = kind,
                                      .search = search,
                                      .after = after != NULL ? after : "",
                                      .limit = limit},
                            .each = each,
                            .context = context};
    bool whole = false;
    int rc = view == NULL ? look_in_memory(kv, &owners, more, &whole, err) : 0;
    return rc != 0 || whole ? rc : walk_directory(kv, view, &owners, more, err);
}

/* --- writers --- */

int kv_writer(struct kv *kv, uint64_t writer, struct kv_writer *out, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(out != NULL);
    struct kv_key key = kv_key_writer(writer);
    struct kv_recent recent;
    if (kv_recent(kv, NULL, &key, &recent)) {
        *out = recent.present ? recent.writer : (struct kv_writer){0};
        return 0;
    }
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    int rc = kv_store_get(&kv->store, NULL, kv_key_span(&key), &pin, &row, err);
    if (rc == E_NOT_FOUND) {
        *out = (struct kv_writer){0};
        return 0;
    }
    if (rc == 0) {
        rc = kv_row_get_writer(kv_key_span(&key), row, out, err);
    }
    rocksdb_pinnableslice_destroy(pin);
    return rc;
}

int kv_outcome(struct kv *kv, uint64_t writer, uint64_t number, struct kv_outcome *out,
               struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(out != NULL);
    struct kv_key key = kv_key_outcome(writer, number);
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    int rc = kv_store_get(&kv->store, NULL, kv_key_span(&key), &pin, &row, err);
    if (rc == E_NOT_FOUND) {
        return err_set(err, E_NOT_FOUND, "the outcome of this operation is not known");
    }
    if (rc == 0) {
        rc = kv_row_get_outcome(kv_key_span(&key), row, out, err);
    }
    rocksdb_pinnableslice_destroy(pin);
    return rc;
}
