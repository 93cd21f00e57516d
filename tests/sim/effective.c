/* tests/sim/effective.c - layers on each other, path by path. */
#include "tests/sim/effective.h"

#include <stdlib.h>
#include <string.h>

enum { ITEMS_MAX = 3 * MODEL_ITEMS_MAX };

/* The items of one bag that are no longer or not hidden. */
struct layer {
    struct model_item items[MODEL_ITEMS_MAX];
    size_t count;
};

static struct layer shared, device, defaults;

static void fill(struct layer *layer, const struct model_bag *bag, const struct fences *fences)
{
    const struct model_item *items = NULL;
    layer->count = 0;
    size_t count = bag != NULL ? model_items(bag, model.head, &items) : 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].seq >= fences_position(fences, bag->owner.kind, span_str(items[i].path))) {
            layer->items[layer->count++] = items[i];
        }
    }
}

static void fill_defaults(void)
{
    const struct model_item *items = NULL;
    const struct model_bag *fleet = model_bag(model.fleet);
    size_t skip = strlen(SHARING_DEFAULT);
    defaults.count = 0;
    size_t count = fleet != NULL ? model_items(fleet, model.head, &items) : 0;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(items[i].path, SHARING_DEFAULT, skip) == 0) {
            defaults.items[defaults.count++] =
                (struct model_item){items[i].path + skip, 0, items[i].change};
        }
    }
}

static const struct model_item *item_of(const struct layer *layer, const char *path)
{
    for (size_t i = 0; i < layer->count; i++) {
        if (strcmp(layer->items[i].path, path) == 0) {
            return &layer->items[i];
        }
    }
    return NULL;
}

static const struct model_item *effective(const char *path)
{
    const struct category *category = sharing_find(&model.sharing, span_str(path));
    const struct model_item *common = item_of(&shared, path);
    const struct model_item *found = common;
    if (sharing_layer_of(category) == SHARING_DEVICE) {
        bool frozen = category->copy && common != NULL && common->seq < category->flag_seq;
        found = item_of(&device, path);
        found = found == NULL && frozen ? common : found;
    }
    return found == NULL ? item_of(&defaults, path) : found;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct model_item *)a)->path, ((const struct model_item *)b)->path);
}

size_t effective_items(const struct model_bag *bag, const struct model_bag *own,
                       const struct model_item **out)
{
    static struct model_item items[ITEMS_MAX];
    const struct layer *const layers[] = {&shared, &device, &defaults};
    struct fences fences;
    size_t count = 0;
    model_fences(&fences, model.head);
    fill(&shared, bag, &fences);
    fill(&device, own, &fences);
    fill_defaults();
    bool user = bag->owner.kind == OWNER_USER;
    for (size_t i = 0; i < (user ? 3 : 1); i++) {
        for (size_t j = 0; j < layers[i]->count; j++) {
            const char *path = layers[i]->items[j].path;
            bool earlier = (i > 0 && item_of(&shared, path) != NULL) ||
                           (i > 1 && item_of(&device, path) != NULL);
            const struct model_item *found = earlier ? NULL
                                             : user  ? effective(path)
                                                     : &layers[i]->items[j];
            if (found != NULL) {
                items[count++] = *found;
            }
        }
    }
    qsort(items, count, sizeof items[0], by_path);
    fences_free(&fences);
    *out = items;
    return count;
}
