/* server/adoptions.c - an array, and JSON by jansson. */
#include "server/adoptions.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void adoptions_free(struct adoptions *adoptions)
{
    ASSERT(adoptions != NULL);
    free(adoptions->list);
    *adoptions = (struct adoptions){0};
}

/* --- the item --- */

struct span adoption_path(char out[ADOPTION_PATH_MAX], uint64_t bag_id)
{
    int size = snprintf(out, ADOPTION_PATH_MAX, "%s%" PRIu64, ADOPTION_PREFIX, bag_id);
    return span_of(out, (size_t)size);
}

bool adoption_path_is(struct span path)
{
    size_t size = sizeof ADOPTION_PREFIX - 1;
    return path.size > size && memcmp(path.data, ADOPTION_PREFIX, size) == 0;
}

/* 0: it is no such path. */
static uint64_t bag_of(struct span path)
{
    uint64_t id = 0;
    if (!adoption_path_is(path)) {
        return 0;
    }
    for (size_t i = sizeof ADOPTION_PREFIX - 1; i < path.size; i++) {
        if (path.data[i] < '0' || path.data[i] > '9' || id > UINT64_MAX / 10 - 9) {
            return 0;
        }
        id = 10 * id + (uint64_t)(path.data[i] - '0');
    }
    return id;
}

void adoption_put_value(struct buf *out, const struct adoption *adoption)
{
    ASSERT(out != NULL && adoption != NULL);
    char device[DEVICE_TEXT_MAX] = "";
    if (adoption->device != 0) {
        device_format(adoption->device, device);
    }
    json_t *object =
        json_pack("{s:s, s:s, s:s}", "kind", adoption->owner.kind == OWNER_GROUP ? "group" : "user",
                  "name", adoption->owner.shown, "device", device);
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    if (text == NULL) {
        out->error = E_NOMEM;
    } else {
        (void)buf_append_span(out, span_str(text));
    }
    free(text);
    json_decref(object);
}

static int read_value(struct adoption *adoption, struct span value, struct err *err)
{
    json_t *object = json_loadb((const char *)value.data, value.size, JSON_REJECT_DUPLICATES, NULL);
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const char *name = json_string_value(json_object_get(object, "name"));
    const char *device = json_string_value(json_object_get(object, "device"));
    bool group = kind != NULL && strcmp(kind, "group") == 0;
    bool good =
        kind != NULL && name != NULL && device != NULL && (group || strcmp(kind, "user") == 0) &&
        owner_make(&adoption->owner, group ? OWNER_GROUP : OWNER_USER, span_str(name), 0, NULL) ==
            0 &&
        (device[0] == '\0' || device_parse(device, &adoption->device, NULL) == 0);
    json_decref(object);
    return good ? 0 : err_set(err, E_MALFORMED, "the note of a copy that is wanted can't be read");
}

/* --- the list --- */

static struct adoption *find(const struct adoptions *adoptions, uint64_t bag_id)
{
    for (size_t i = 0; i < adoptions->count; i++) {
        if (adoptions->list[i].bag_id == bag_id) {
            return &adoptions->list[i];
        }
    }
    return NULL;
}

void adoptions_remove(struct adoptions *adoptions, struct span path)
{
    ASSERT(adoptions != NULL);
    struct adoption *adoption = find(adoptions, bag_of(path));
    if (adoption != NULL) {
        *adoption = adoptions->list[--adoptions->count];
    }
}

int adoptions_put(struct adoptions *adoptions, struct span path, struct span value, struct err *err)
{
    ASSERT(adoptions != NULL);
    struct adoption adoption = {.bag_id = bag_of(path)};
    if (adoption.bag_id == 0) {
        return err_set(err, E_MALFORMED, "the path of a copy that is wanted names no bag");
    }
    adoptions_remove(adoptions, path);
    int rc = read_value(&adoption, value, err);
    if (rc != 0) {
        return rc;
    }
    struct adoption *list =
        array_reserve(adoptions->list, &adoptions->capacity, adoptions->count + 1, sizeof *list);
    if (list == NULL) {
        return err_set(err, E_NOMEM, "the copies that are wanted: out of memory");
    }
    adoptions->list = list;
    list[adoptions->count++] = adoption;
    return 0;
}

const struct adoption *adoptions_of_bag(const struct adoptions *adoptions, uint64_t bag_id)
{
    ASSERT(adoptions != NULL);
    return find(adoptions, bag_id);
}

const struct adoption *adoptions_of_owner(const struct adoptions *adoptions,
                                          const struct owner *owner)
{
    ASSERT(adoptions != NULL && owner != NULL);
    for (size_t i = 0; i < adoptions->count; i++) {
        if (owner_equal(&adoptions->list[i].owner, owner)) {
            return &adoptions->list[i];
        }
    }
    return NULL;
}
