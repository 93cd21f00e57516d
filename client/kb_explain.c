/* client/kb_explain.c - where a value comes from: which layer counts, and what the others have. */
#include <stdio.h>
#include <string.h>

#include "client/kb_inside.h"

enum kb_layer client_layer(enum replica_layer layer)
{
    static const enum kb_layer layers[REPLICA_LAYERS] = {
        [REPLICA_NONE] = KB_LAYER_NONE,
        [REPLICA_SHARED] = KB_LAYER_SHARED,
        [REPLICA_DEVICE] = KB_LAYER_DEVICE,
        [REPLICA_DEFAULT] = KB_LAYER_DEFAULT,
    };
    ASSERT(layer < REPLICA_LAYERS);
    return layers[layer];
}

/* "": the server itself. */
static void set_device(uint64_t device, char out[17])
{
    out[0] = '\0';
    if (device != 0) {
        (void)snprintf(out, 17, "%016llx", (unsigned long long)device);
    }
}

static void set_found(const struct replica_found *found, struct kb_found *out)
{
    *out = (struct kb_found){.there = found->there,
                             .initialised_seq = found->hidden_by,
                             .seq = found->row.seq,
                             .time_ms = found->row.time_ms,
                             .bytes = found->size};
    set_device(found->row.origin, out->origin);
}

static void fill(const struct replica_explained *found, const struct replica_view *view,
                 uint64_t device, struct kb_explanation *out)
{
    const struct replica_seen *seen = &found->seen;
    bool raw = view->owner->kind == OWNER_USER_DEVICE; /* the bag itself was asked for */
    enum replica_layer layer = raw && seen->layer == REPLICA_SHARED ? REPLICA_DEVICE : seen->layer;
    *out = (struct kb_explanation){.size = sizeof *out,
                                   .layer = client_layer(layer),
                                   .pending = seen->local && seen->row.seq == 0,
                                   .copy = found->copy,
                                   .sharing_seq = found->flag_seq,
                                   .seq = seen->row.seq,
                                   .time_ms = seen->row.time_ms};
    _Static_assert(sizeof found->category <= sizeof out->category, "a category's path fits");
    memcpy(out->category, found->category, sizeof found->category);
    if (found->has_flag) {
        out->sharing = found->device ? KB_SHARING_DEVICE : KB_SHARING_SHARED;
    }
    set_device(seen->local ? device : seen->row.origin, out->origin);
    set_device(device, out->device);
    set_found(&found->layers[REPLICA_SHARED], raw ? &out->own : &out->shared);
    if (!raw) {
        set_found(&found->layers[REPLICA_DEVICE], &out->own);
    }
    set_found(&found->layers[REPLICA_DEFAULT], &out->fallback);
}

static int explain(struct kb *kb, const char *bag_text, struct span path,
                   struct kb_explanation *out, struct buf *value, struct err *err)
{
    struct replica_bag bag;
    struct client_over over;
    struct replica_explained found;
    int rc = path_check(path, err);
    rc = rc != 0 ? rc : client_find_bag(kb, bag_text, &bag, err);
    if (rc != 0) {
        return rc;
    }
    rc = client_over_find(kb, &bag.owner, path, &over, err);
    rc = rc != 0 ? rc : replica_view_explain(kb->replica, &over.view, path, &found, value, err);
    if (rc == 0) {
        fill(&found, &over.view, client_device(kb), out);
    }
    client_over_free(&over);
    client_tell_damage(kb, rc);
    return rc;
}

int kb_explain(struct kb *kb, const char *bag, const char *item, struct kb_explanation *explanation,
               struct kb_value *value, struct kb_error *error)
{
    ASSERT(kb != NULL && bag != NULL && item != NULL && explanation != NULL);
    struct err err = {0};
    struct kb_explanation made;
    struct kb_value read = {.data = NULL};
    struct buf bytes;
    if (explanation->size != sizeof *explanation) {
        (void)err_set(&err, E_INVALID, "the explanation does not have the size of this version's");
        return client_fail(error, &err);
    }
    buf_init(&bytes, VALUE_MAX_BYTES + 1);
    int rc = explain(kb, bag, span_str(item), &made, value != NULL ? &bytes : NULL, &err);
    if (rc == 0 && value != NULL) {
        read.data = buf_steal(&bytes, &read.size);
        rc = read.data == NULL ? err_set(&err, E_NOMEM, "out of memory") : 0;
    }
    buf_free(&bytes);
    if (rc != 0) {
        return client_fail(error, &err);
    }
    *explanation = made;
    if (value != NULL) {
        read.seq = made.layer == KB_LAYER_DEFAULT ? 0 : made.seq;
        read.time_ms = made.time_ms;
        read.pending = made.pending;
        *value = read;
    }
    return 0;
}
