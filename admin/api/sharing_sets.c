/* admin/api/sharing_sets.c - change sets of the fleet's bag: what they did to flags and fences. */
#include "admin/api/sharing.h"

#include <string.h>

enum { LOOK_CHANGES = 20000 }; /* of the fleet's bag, for one list */

int admin_api_set(struct journal *journal, uint64_t seq, admin_api_set_fn *each, void *context,
                  struct err *err)
{
    struct past *past = NULL;
    struct change change = {0};
    int rc = past_open(&past, journal, seq, err);
    if (rc == 0) {
        rc = past_next(past, &change, err);
    }
    uint64_t end = rc == 0 ? seq + change.set_left : 0;
    for (uint64_t at = end; at > 0 && rc == 0; at--) {
        past_seek(past, at);
        rc = past_next(past, &change, err);
        if (rc == 0 && at + change.set_left != end) {
            break; /* of the set before */
        }
        rc = rc == 0 ? each(context, &change, err) : rc;
    }
    past_close(&past);
    return rc;
}

/* --- what a set did --- */

struct telling {
    const struct admin_catalogue *catalogue;
    json_t *head;    /* seq, time, by */
    json_t *changes; /* path -> "device" */
    json_t *rows;    /* path -> row */
    bool copy;
};

/* The row of a category, made when there is none. Borrowed; NULL: out of memory. */
static json_t *row_of(struct telling *telling, struct span path)
{
    char name[SHARING_PATH_MAX + 1];
    size_t size = path.size < sizeof name ? path.size : sizeof name - 1;
    memcpy(name, path.data, size);
    name[size] = '\0';
    json_t *row = json_object_get(telling->rows, name);
    if (row != NULL) {
        return row;
    }
    const struct category *category = sharing_get(&telling->catalogue->sharing, path);
    row = category != NULL ? admin_api_category(category) : json_pack("{s:s}", "path", name);
    json_t *members = json_pack("{s:s, s:[], s:[]}", "sharing", admin_api_sharing_name(category),
                                "initialised", "lifted");
    int rc = row != NULL && members != NULL && json_object_update(row, members) == 0 ? 0 : E_NOMEM;
    json_decref(members);
    if (rc != 0) {
        json_decref(row);
        return NULL;
    }
    return json_object_set_new(telling->rows, name, row) == 0 ? row : NULL;
}

/* Whether it is so already: of a flag that was taken away the catalogue's. */
static int tell_flag(struct telling *telling, const struct change *change, struct err *err)
{
    size_t head = sizeof SHARING_FLAG - 1;
    struct span path = span_of(change->path.data + head, change->path.size - head);
    const struct category *category = sharing_get(&telling->catalogue->sharing, path);
    bool device = category != NULL && category->default_device;
    bool copy = false;
    json_t *row = row_of(telling, path);
    int rc = row != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0 && change->kind == CHANGE_ITEM_SET) {
        rc = sharing_get_flag(change->value, &device, &copy, err);
    }
    if (rc != 0) {
        return rc;
    }
    const char *now = device ? "device" : "shared";
    const char *name = json_string_value(json_object_get(row, "path"));
    telling->copy = telling->copy || copy;
    rc = json_object_set_new(row, "sharing", json_string(now));
    rc = rc == 0 ? json_object_set_new(telling->changes, name, json_string(now)) : rc;
    return rc == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* A fence that is put back where it stood, or removed, is lifted. */
static int tell_fence(struct telling *telling, const struct change *change, struct err *err)
{
    struct unpacked scratch = {0};
    struct fence fence = {.from = 1};
    enum fence_layer layer = FENCE_SHARED;
    struct span category;
    int rc = fence_of_path(change->path, &layer, &category);
    if (rc == 0 && change->kind == CHANGE_ITEM_SET) {
        rc = fence_get_value(change->value, &scratch, &fence, err);
    }
    unpack_close(&scratch);
    json_t *row = rc == 0 ? row_of(telling, category) : NULL;
    json_t *layers = json_object_get(row, fence.from == 0 ? "initialised" : "lifted");
    size_t at = layer == FENCE_SHARED ? 0 : json_array_size(layers);
    if (rc == 0 && json_array_insert_new(layers, at, json_string(fence_layer_name(layer))) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    return rc;
}

static int tell_change(void *context, const struct change *change, struct err *err)
{
    struct telling *telling = context;
    if (telling->head == NULL) {
        telling->head =
            json_pack("{s:o, s:o, s:o}", "seq", admin_api_seq(change->seq), "time",
                      admin_api_time(change->time_ms), "by", admin_api_text(change->actor));
    }
    if (telling->head == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    return sharing_flag_is(change->path) ? tell_flag(telling, change, err)
           : fence_path_is(change->path) ? tell_fence(telling, change, err)
                                         : 0;
}

/* The rows in the order of their paths. */
static json_t *in_order(const struct telling *telling)
{
    json_t *rows = json_array();
    const struct sharing *sharing = &telling->catalogue->sharing;
    const struct category *category = sharing_next(sharing, NULL);
    int rc = rows != NULL ? 0 : E_NOMEM;
    const char *path;
    json_t *row;
    for (; category != NULL && rc == 0; category = sharing_next(sharing, category)) {
        row = json_object_get(telling->rows, category->path);
        rc = row != NULL ? json_array_append(rows, row) : 0;
    }
    json_object_foreach(telling->rows, path, row)
    {
        bool known = sharing_get(sharing, span_str(path)) != NULL;
        rc = rc == 0 && !known ? json_array_append(rows, row) : rc;
    }
    if (rc != 0) {
        json_decref(rows);
        return NULL;
    }
    return rows;
}

int admin_api_set_row(struct journal *journal, const struct admin_catalogue *catalogue,
                      uint64_t seq, json_t **out, struct err *err)
{
    struct telling telling = {
        .catalogue = catalogue, .changes = json_object(), .rows = json_object()};
    int rc = admin_api_set(journal, seq, tell_change, &telling, err);
    if (rc == 0) {
        json_t *members = json_pack("{s:b, s:O, s:o}", "copy", telling.copy, "changes",
                                    telling.changes, "categories", in_order(&telling));
        rc = members != NULL && json_object_update(telling.head, members) == 0
                 ? 0
                 : err_set(err, E_NOMEM, "out of memory");
        json_decref(members);
    }
    if (rc == 0) {
        *out = json_incref(telling.head);
    }
    json_decref(telling.head);
    json_decref(telling.changes);
    json_decref(telling.rows);
    return rc;
}

/* --- the newest ones --- */

/* Along the chain of the fleet's bag, until it is too old or too long. */
static int find_sets(const struct admin_request *request, struct past *past, uint64_t since_ms,
                     struct admin_api_sets *out, struct err *err)
{
    struct change change = {0};
    int rc = 0;
    for (int i = 0; i < LOOK_CHANGES && out->count < ADMIN_API_SETS_MAX && rc == 0; i++) {
        rc = past_next(past, &change, err);
        if (rc == 0 && (change.time_ms < since_ms || atomic_load(request->given_up))) {
            return 0;
        }
        uint64_t end = change.seq + change.set_left;
        bool other = out->count == 0 || out->seqs[out->count - 1] != end;
        if (rc == 0 && other && sharing_flag_is(change.path)) {
            out->seqs[out->count++] = end;
        }
    }
    return rc == E_NOT_FOUND || rc == E_TOO_OLD ? 0 : rc;
}

int admin_api_sets(const struct admin_request *request, uint64_t since_ms,
                   struct admin_api_sets *out, struct err *err)
{
    const struct admin_backend *backend = request->backend;
    static const struct owner owner = {.kind = OWNER_FLEET};
    struct bag_row fleet = {0};
    struct past *past = NULL;
    *out = (struct admin_api_sets){0};
    int rc = kv_bag_of(backend->kv, NULL, &owner, &fleet, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    rc = past_open(&past, backend->journal, fleet.last_seq, err);
    if (rc == 0) {
        rc = find_sets(request, past, since_ms, out, err);
    }
    past_close(&past);
    return rc;
}
