/* admin/past_undo.c - a list that is sorted and thinned out whenever it is full. */
#include "admin/past_undo.h"

#include <stdlib.h>
#include <string.h>

#include "admin/past.h"

enum { FIRST_CAPACITY = 4096, PATHS_MAX_BYTES = 4 * ADMIN_PAST_ITEMS_MAX * (PATH_MAX_BYTES + 1) };

void past_undo_init(struct past_undo *undo, uint64_t seq)
{
    ASSERT(undo != NULL);
    *undo = (struct past_undo){.seq = seq};
    buf_init(&undo->paths, PATHS_MAX_BYTES);
}

void past_undo_free(struct past_undo *undo)
{
    free(undo->entries);
    buf_free(&undo->paths);
    undo->entries = NULL;
    undo->count = 0;
    undo->capacity = 0;
}

struct span past_undo_path(const struct past_undo *undo, const struct past_undo_entry *entry)
{
    return span_of(undo->paths.data + entry->path_at, entry->path_size);
}

/* By path, then as they were told. */
static int in_order(const void *a, const void *b, void *context)
{
    const struct past_undo *undo = context;
    const struct past_undo_entry *one = a;
    const struct past_undo_entry *other = b;
    int by_path = span_compare(past_undo_path(undo, one), past_undo_path(undo, other));
    return by_path != 0 ? by_path : (one->order > other->order) - (one->order < other->order);
}

/* Of the entries of one item, the one that tells what it was: the newest change up to the moment,
 * or else what the oldest one behind it replaced. */
static size_t telling(const struct past_undo *undo, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        if (undo->entries[i].before) {
            return i;
        }
    }
    return end - 1;
}

/* Paths of entries that are left, one behind the other in a buffer of their own. */
static int pack_paths(struct past_undo *undo, struct err *err)
{
    struct buf paths;
    buf_init(&paths, PATHS_MAX_BYTES);
    for (size_t i = 0; i < undo->count; i++) {
        (void)buf_append_span(&paths, past_undo_path(undo, &undo->entries[i]));
    }
    int rc = buf_error(&paths);
    if (rc != 0) {
        buf_free(&paths);
        return err_set(err, rc, "out of memory");
    }
    size_t at = 0;
    for (size_t i = 0; i < undo->count; i++) {
        undo->entries[i].path_at = at;
        at += undo->entries[i].path_size;
    }
    buf_free(&undo->paths);
    undo->paths = paths;
    return 0;
}

/* One entry an item is left. */
static int thin_out(struct past_undo *undo, struct err *err)
{
    if (undo->count == 0) {
        return 0;
    }
    qsort_r(undo->entries, undo->count, sizeof *undo->entries, in_order, undo);
    size_t kept = 0;
    for (size_t i = 0, end = 0; i < undo->count; i = end) {
        struct span path = past_undo_path(undo, &undo->entries[i]);
        end = i + 1;
        while (end < undo->count && span_equal(path, past_undo_path(undo, &undo->entries[end]))) {
            end++;
        }
        undo->entries[kept++] = undo->entries[telling(undo, i, end)];
    }
    undo->count = kept;
    if (kept > ADMIN_PAST_ITEMS_MAX) {
        return err_set(err, E_TOO_LARGE,
                       "more than %d items were changed since then: ask for one item alone, or for "
                       "a later moment",
                       (int)ADMIN_PAST_ITEMS_MAX);
    }
    return pack_paths(undo, err);
}

static int make_room(struct past_undo *undo, struct err *err)
{
    int rc = undo->capacity > 0 ? thin_out(undo, err) : 0;
    if (rc != 0 || undo->count * 2 < undo->capacity) {
        return rc;
    }
    size_t capacity = undo->capacity > 0 ? 2 * undo->capacity : FIRST_CAPACITY;
    struct past_undo_entry *entries = realloc(undo->entries, capacity * sizeof *entries);
    if (entries == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    undo->entries = entries;
    undo->capacity = capacity;
    return 0;
}

static struct past_undo_entry entry_of(const struct past_undo *undo, const struct change *change)
{
    struct past_undo_entry entry = {
        .before = change->seq <= undo->seq, .holder = change->seq, .order = undo->told};
    if (entry.before) {
        entry.live = change->kind == CHANGE_ITEM_SET;
        entry.seq = change->seq;
        entry.size = change->value.size;
    } else {
        entry.live = change->has_old;
        entry.from_old = true;
        entry.seq = change->old_seq;
        entry.size = change->old_value.size;
    }
    return entry;
}

int past_undo_add(struct past_undo *undo, const struct change *change, struct err *err)
{
    ASSERT(undo != NULL && change != NULL);
    if (change->kind != CHANGE_ITEM_SET && change->kind != CHANGE_ITEM_REMOVE) {
        return 0;
    }
    int rc = undo->count == undo->capacity ? make_room(undo, err) : 0;
    if (rc != 0) {
        return rc;
    }
    struct past_undo_entry entry = entry_of(undo, change);
    entry.path_at = undo->paths.size;
    entry.path_size = change->path.size;
    if (buf_append_span(&undo->paths, change->path) != 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    undo->entries[undo->count++] = entry;
    undo->told++;
    return 0;
}

int past_undo_finish(struct past_undo *undo, struct err *err)
{
    ASSERT(undo != NULL);
    return thin_out(undo, err);
}

size_t past_undo_behind(const struct past_undo *undo, struct span path)
{
    size_t low = 0;
    size_t high = undo->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (path.size == 0 ||
            span_compare(past_undo_path(undo, &undo->entries[middle]), path) > 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}
