/* journal/fence.c - fences' paths and values, and the sorted set that items are looked up in. */
#include "journal/fence.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
struct fence_entry {
    enum fence_layer layer;
    uint64_t position;
    char *category; /* owned, with a NUL behind it */
    size_t category_size;
    char **except; /* owned, as well as each */
    size_t except_count;
};

static const char prefix[] = "@fence/";
enum { PREFIX_SIZE = sizeof prefix - 1, FENCE_ELEMENTS_MAX = 4 + FENCE_EXCEPT_MAX };

/* --- paths --- */

const char *fence_layer_name(enum fence_layer layer)
{
    return layer == FENCE_SHARED ? "shared" : "device";
}

bool fence_path_is(struct span path)
{
    return path.size > PREFIX_SIZE && memcmp(path.data, prefix, PREFIX_SIZE) == 0;
}

static int check_category(struct span category)
{
    bool fits = category.size > 0 && category.size <= FENCE_CATEGORY_MAX &&
                category.data[0] != '@' && path_check(category, NULL) == 0;
    return fits ? 0 : E_PATH;
}

int fence_path(struct buf *out, enum fence_layer layer, struct span category)
{
    ASSERT(out != NULL);
    if (check_category(category) != 0) {
        return E_PATH;
    }
    (void)buf_printf(out, "%s%s/", prefix, fence_layer_name(layer));
    (void)buf_append_span(out, category);
    return buf_error(out);
}

int fence_of_path(struct span path, enum fence_layer *layer, struct span *category)
{
    ASSERT(layer != NULL && category != NULL);
    if (!fence_path_is(path)) {
        return E_MALFORMED;
    }
    for (enum fence_layer i = FENCE_SHARED; i <= FENCE_DEVICE; i++) {
        const char *name = fence_layer_name(i);
        size_t before = PREFIX_SIZE + strlen(name) + 1;
        if (path.size > before && path.data[before - 1] == '/' &&
            memcmp(path.data + PREFIX_SIZE, name, strlen(name)) == 0) {
            struct span rest = {path.data + before, path.size - before};
            if (check_category(rest) != 0) {
                return E_MALFORMED;
            }
            *layer = i;
            *category = rest;
            return 0;
        }
    }
    return E_MALFORMED;
}

/* --- values --- */

void fence_put_value(struct buf *out, const struct fence *fence)
{
    ASSERT(out != NULL && fence != NULL);
    ASSERT(fence->except_count <= FENCE_EXCEPT_MAX);
    pack_array(out, 3);
    pack_u64(out, fence->from);
    pack_bool(out, fence->cleared);
    pack_array(out, (uint32_t)fence->except_count);
    for (size_t i = 0; i < fence->except_count; i++) {
        pack_str(out, fence->except[i]);
    }
}

int fence_get_value(struct span value, struct unpacked *scratch, struct fence *out, struct err *err)
{
    ASSERT(scratch != NULL && out != NULL);
    int rc = unpack_open(scratch, value, FENCE_ELEMENTS_MAX);
    if (rc == E_NOMEM) {
        return err_set(err, rc, "out of memory");
    }
    if (rc != 0) {
        return err_set(err, E_MALFORMED, "a fence's value is not readable");
    }
    struct fence fence = {0};
    struct walk walk = walk_array(&scratch->root);
    fence.from = walk_u64(&walk);
    fence.cleared = walk_bool(&walk);
    const msgpack_object *list = walk_any(&walk);
    bool good = list != NULL && walk_end(&walk, false) == 0;
    struct walk names = {.error = E_MALFORMED};
    if (good) {
        names = walk_array(list);
        good = names.error == 0 && names.left <= FENCE_EXCEPT_MAX;
    }
    while (good && names.left > 0) {
        struct span name = walk_str(&names);
        good = names.error == 0 && check_category(name) == 0;
        fence.except[fence.except_count++] = name;
    }
    if (!good) {
        return err_set(err, E_MALFORMED, "a fence's value has not the form of one");
    }
    *out = fence;
    return 0;
}

/* --- the set --- */

/* Is `path` the category, or within it? */
static bool within(struct span path, const char *category, size_t size)
{
    return path.size >= size && memcmp(path.data, category, size) == 0 &&
           (path.size == size || path.data[size] == '/');
}

static int compare(const struct fence_entry *entry, enum fence_layer layer, struct span category)
{
    if (entry->layer != layer) {
        return entry->layer < layer ? -1 : 1;
    }
    return span_compare(span_of(entry->category, entry->category_size), category);
}

/* Where the entry is, or would be. */
static size_t find(const struct fences *set, enum fence_layer layer, struct span category,
                   bool *found)
{
    size_t low = 0;
    size_t high = set->count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&set->entries[middle], layer, category);
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
            *found = order == 0;
        }
    }
    return high;
}

static void free_entry(struct fence_entry *entry)
{
    for (size_t i = 0; i < entry->except_count; i++) {
        free(entry->except[i]);
    }
    free(entry->except);
    free(entry->category);
}

static char *copy(struct span text)
{
    char *out = malloc(text.size + 1);
    if (out != NULL) {
        memcpy(out, text.data, text.size);
        out[text.size] = '\0';
    }
    return out;
}

static int make_entry(struct fence_entry *out, struct span category, const struct fence *fence)
{
    out->category = copy(category);
    out->category_size = category.size;
    if (fence->except_count > 0) {
        out->except = calloc(fence->except_count, sizeof *out->except);
    }
    if (out->category == NULL || (fence->except_count > 0 && out->except == NULL)) {
        free_entry(out);
        return E_NOMEM;
    }
    for (size_t i = 0; i < fence->except_count; i++) {
        out->except[i] = copy(fence->except[i]);
        if (out->except[i] == NULL) {
            free_entry(out);
            return E_NOMEM;
        }
        out->except_count++;
    }
    return 0;
}

/* Room for one more; E_QUOTA, E_NOMEM. */
static int grow(struct fences *set)
{
    if (set->count == FENCES_MAX) {
        return E_QUOTA;
    }
    struct fence_entry *entries =
        array_reserve(set->entries, &set->capacity, set->count + 1, sizeof *entries);
    if (entries == NULL) {
        return E_NOMEM;
    }
    set->entries = entries;
    return 0;
}

static int put_entry(struct fences *set, struct fence_entry *entry, struct err *err)
{
    bool found = false;
    struct span category = span_of(entry->category, entry->category_size);
    size_t at = find(set, entry->layer, category, &found);
    if (found) {
        free_entry(&set->entries[at]);
        set->entries[at] = *entry;
        return 0;
    }
    int rc = grow(set);
    if (rc != 0) {
        free_entry(entry);
        return err_set(err, rc, "%s",
                       rc == E_QUOTA ? "there are too many fences" : "out of memory");
    }
    memmove(&set->entries[at + 1], &set->entries[at], (set->count - at) * sizeof *set->entries);
    set->entries[at] = *entry;
    set->count++;
    return 0;
}

int fences_put(struct fences *set, struct span path, uint64_t seq, struct span value,
               struct err *err)
{
    ASSERT(set != NULL);
    struct unpacked scratch = {0};
    struct fence fence;
    struct fence_entry entry = {0};
    struct span category;
    int rc = fence_of_path(path, &entry.layer, &category);
    if (rc != 0) {
        return err_set(err, rc, "an item's path is not a fence's");
    }
    rc = fence_get_value(value, &scratch, &fence, err);
    if (rc == 0) {
        entry.position = fence.from != 0 ? fence.from : seq;
        rc = make_entry(&entry, category, &fence);
        rc = rc == 0 ? put_entry(set, &entry, err) : err_set(err, rc, "out of memory");
    }
    unpack_close(&scratch);
    return rc;
}

void fences_remove(struct fences *set, struct span path)
{
    ASSERT(set != NULL);
    enum fence_layer layer = FENCE_SHARED;
    struct span category;
    bool found = false;
    if (fence_of_path(path, &layer, &category) != 0) {
        return;
    }
    size_t at = find(set, layer, category, &found);
    if (found) {
        free_entry(&set->entries[at]);
        set->count--;
        memmove(&set->entries[at], &set->entries[at + 1], (set->count - at) * sizeof *set->entries);
    }
}

void fences_free(struct fences *set)
{
    ASSERT(set != NULL);
    for (size_t i = 0; i < set->count; i++) {
        free_entry(&set->entries[i]);
    }
    free(set->entries);
    *set = (struct fences){0};
}

static bool excepted(const struct fence_entry *entry, struct span path)
{
    for (size_t i = 0; i < entry->except_count; i++) {
        if (within(path, entry->except[i], strlen(entry->except[i]))) {
            return true;
        }
    }
    return false;
}

uint64_t fences_position(const struct fences *set, enum owner_kind kind, struct span path)
{
    ASSERT(set != NULL);
    bool device = kind == OWNER_USER_DEVICE;
    if (set->count == 0 || (kind != OWNER_USER && !device)) {
        return 0;
    }
    enum fence_layer layer = device ? FENCE_DEVICE : FENCE_SHARED;
    uint64_t position = 0;
    for (size_t i = 1; i <= path.size; i++) {
        if (i < path.size && path.data[i] != '/') {
            continue;
        }
        bool found = false;
        size_t at = find(set, layer, (struct span){path.data, i}, &found);
        if (found && set->entries[at].position > position && !excepted(&set->entries[at], path)) {
            position = set->entries[at].position;
        }
    }
    return position;
}
