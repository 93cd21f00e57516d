/* client/overlay.c - a hash table of chains; each chain holds the newest write of its items. */
#include "client/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { BUCKETS_FIRST = 64 };

struct overlay {
    struct overlay_write **buckets;
    size_t bucket_count; /* a power of two */
    size_t items;
    uint64_t seed;
};

int client_overlay_new(struct overlay **out)
{
    ASSERT(out != NULL);
    struct overlay *overlay = calloc(1, sizeof *overlay);
    if (overlay == NULL) {
        return E_NOMEM;
    }
    overlay->buckets = calloc(BUCKETS_FIRST, sizeof(struct overlay_write *));
    if (overlay->buckets == NULL) {
        free(overlay);
        return E_NOMEM;
    }
    overlay->bucket_count = BUCKETS_FIRST;
    overlay->seed = random_u64();
    *out = overlay;
    return 0;
}

void client_overlay_free(struct overlay **overlay)
{
    if (overlay == NULL || *overlay == NULL) {
        return;
    }
    free((*overlay)->buckets);
    free(*overlay);
    *overlay = NULL;
}

static uint64_t hash_of(const struct overlay *overlay, const char *bag, struct span path)
{
    return hash64(path, hash64(span_str(bag), overlay->seed));
}

static struct overlay_write **bucket_of(const struct overlay *overlay, uint64_t hash)
{
    return &overlay->buckets[hash & (overlay->bucket_count - 1)];
}

/* Without memory for it the chains are longer, that is all. */
static void grow(struct overlay *overlay)
{
    size_t count = 2 * overlay->bucket_count;
    struct overlay_write **buckets = calloc(count, sizeof(struct overlay_write *));
    if (buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < overlay->bucket_count; i++) {
        struct overlay_write *write = overlay->buckets[i];
        while (write != NULL) {
            struct overlay_write *next = write->next;
            struct overlay_write **to = &buckets[write->hash & (count - 1)];
            write->next = *to;
            *to = write;
            write = next;
        }
    }
    free(overlay->buckets);
    overlay->buckets = buckets;
    overlay->bucket_count = count;
}

static bool same(const struct overlay_write *write, uint64_t hash, const char *bag,
                 struct span path)
{
    return write->hash == hash && span_equal(write->path, path) &&
           (write->bag == bag || strcmp(write->bag, bag) == 0);
}

/* The link that leads to the item's newest write; it leads to NULL when there is none. */
static struct overlay_write **find(const struct overlay *overlay, uint64_t hash, const char *bag,
                                   struct span path)
{
    struct overlay_write **link = bucket_of(overlay, hash);
    while (*link != NULL && !same(*link, hash, bag, path)) {
        link = &(*link)->next;
    }
    return link;
}

void client_overlay_show(struct overlay *overlay, struct overlay_write *write)
{
    ASSERT(!write->shown);
    write->hash = hash_of(overlay, write->bag, write->path);
    struct overlay_write **link = find(overlay, write->hash, write->bag, write->path);
    struct overlay_write *before = *link;
    write->shown = true;
    write->newer = NULL;
    write->older = before;
    write->next = before != NULL ? before->next : NULL;
    *link = write;
    if (before != NULL) {
        before->newer = write;
        before->next = NULL;
    } else if (++overlay->items > overlay->bucket_count) {
        grow(overlay);
    }
}

void client_overlay_hide(struct overlay *overlay, struct overlay_write *write)
{
    if (!write->shown) {
        return;
    }
    if (write->older != NULL) {
        write->older->newer = write->newer;
    }
    if (write->newer != NULL) {
        write->newer->older = write->older;
    } else {
        struct overlay_write **link = find(overlay, write->hash, write->bag, write->path);
        ASSERT(*link == write);
        *link = write->older != NULL ? write->older : write->next;
        if (write->older != NULL) {
            write->older->next = write->next;
        } else {
            overlay->items--;
        }
    }
    write->shown = false;
    write->next = NULL;
    write->older = NULL;
    write->newer = NULL;
}

const struct overlay_write *client_overlay_find(const struct overlay *overlay, const char *bag,
                                                struct span path)
{
    return *find(overlay, hash_of(overlay, bag, path), bag, path);
}

static bool has_prefix(struct span path, struct span prefix)
{
    return path.size >= prefix.size &&
           (prefix.size == 0 || memcmp(path.data, prefix.data, prefix.size) == 0);
}

static int by_path(const void *a, const void *b)
{
    const struct overlay_write *const *left = a;
    const struct overlay_write *const *right = b;
    return span_compare((*left)->path, (*right)->path);
}

int client_overlay_list(const struct overlay *overlay, const char *bag, struct span prefix,
                        const struct overlay_write ***list, size_t *count)
{
    *list = NULL;
    *count = 0;
    if (overlay->items == 0) {
        return 0;
    }
    const struct overlay_write **found = calloc(overlay->items, sizeof(struct overlay_write *));
    if (found == NULL) {
        return E_NOMEM;
    }
    size_t n = 0;
    for (size_t i = 0; i < overlay->bucket_count; i++) {
        for (const struct overlay_write *w = overlay->buckets[i]; w != NULL; w = w->next) {
            if (has_prefix(w->path, prefix) && (w->bag == bag || strcmp(w->bag, bag) == 0)) {
                found[n++] = w;
            }
        }
    }
    if (n == 0) {
        free(found);
        return 0;
    }
    qsort(found, n, sizeof(struct overlay_write *), by_path);
    *list = found;
    *count = n;
    return 0;
}
