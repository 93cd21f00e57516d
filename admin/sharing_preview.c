/* admin/sharing_preview.c - rules before and after, and one walk over everybody's items. */
#include "admin/sharing_preview.h"

#include <stdlib.h>
#include <string.h>

#include "admin/walk.h"
#include "base/array.h"

static const uint64_t LAST = UINT64_MAX; /* the seq of a change that was not made yet */

/* --- the rules --- */

static int read_fences(struct admin_sharing_preview *preview, struct fences *out, struct err *err)
{
    static const struct owner owner = {.kind = OWNER_FLEET};
    struct bag_row fleet = {0};
    int rc = kv_bag_of(preview->kv, preview->view, &owner, &fleet, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    return kv_fences(preview->kv, preview->view, fleet.bag_id, out, err);
}

/* After each change of the rules: sets keep their rows where they are, but not for ever. */
static void link_rows(struct admin_sharing_preview *preview)
{
    for (size_t i = 0; i < preview->count; i++) {
        struct admin_sharing_row *row = &preview->rows[i];
        struct span path = span_of(row->before->path, row->before->path_size);
        row->after = sharing_get(&preview->after.sharing, path);
        ASSERT(row->after != NULL); /* flags change, categories do not */
        row->switched = row->before->device != row->after->device;
    }
}

static int make_rows(struct admin_sharing_preview *preview, struct err *err)
{
    const struct sharing *sharing = &preview->before.sharing;
    preview->rows = calloc(sharing->count + 1, sizeof *preview->rows);
    if (preview->rows == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    const struct category *category = sharing_next(sharing, NULL);
    for (; category != NULL; category = sharing_next(sharing, category)) {
        preview->rows[preview->count++].before = category;
    }
    link_rows(preview);
    return 0;
}

int admin_sharing_preview_open(struct admin_sharing_preview *preview, struct kv *kv,
                               struct kv_view *view, const atomic_bool *given_up, struct err *err)
{
    ASSERT(preview != NULL && kv != NULL && view != NULL && given_up != NULL);
    preview->kv = kv;
    preview->view = view;
    preview->given_up = given_up;
    int rc = admin_catalogue_read(&preview->before, kv, view, err);
    if (rc == 0) {
        rc = admin_catalogue_read(&preview->after, kv, view, err);
    }
    if (rc == 0) {
        rc = read_fences(preview, &preview->fences_before, err);
    }
    if (rc == 0) {
        rc = read_fences(preview, &preview->fences_after, err);
    }
    return rc == 0 ? make_rows(preview, err) : rc;
}

void admin_sharing_preview_close(struct admin_sharing_preview *preview)
{
    ASSERT(preview != NULL);
    for (size_t i = 0; i < preview->count; i++) {
        free(preview->rows[i].devices);
    }
    free(preview->rows);
    fences_free(&preview->fences_before);
    fences_free(&preview->fences_after);
    admin_catalogue_free(&preview->before);
    admin_catalogue_free(&preview->after);
    *preview = (struct admin_sharing_preview){0};
}

/* --- what changes --- */

static int put_flag(struct admin_sharing_preview *preview, const struct category *category,
                    bool device, bool copy, struct err *err)
{
    struct buf path;
    struct buf value;
    buf_init(&path, PATH_MAX_BYTES);
    buf_init(&value, VALUE_MAX_BYTES);
    int rc = sharing_path(&path, SHARING_FLAG, span_of(category->path, category->path_size));
    sharing_put_flag(&value, device, copy);
    rc = rc == 0 ? buf_error(&value) : rc;
    rc = rc == 0
             ? sharing_put(&preview->after.sharing, buf_span(&path), LAST, buf_span(&value), err)
             : err_set(err, E_NOMEM, "out of memory");
    buf_free(&path);
    buf_free(&value);
    return rc;
}

static int switch_one(struct admin_sharing_preview *preview, const struct operation_write *write,
                      bool copy, struct err *err)
{
    const struct category *category = sharing_get(&preview->before.sharing, write->path);
    bool device = span_equal(write->value, SPAN_LITERAL("device"));
    if (category == NULL || !category->has_flag || category->device == device) {
        return 0;
    }
    if (!copy && device) {
        preview->change.to_device = true;
    } else if (!copy) {
        preview->change.to_shared = true;
    }
    return put_flag(preview, category, device, copy && device, err);
}

int admin_sharing_preview_switch(struct admin_sharing_preview *preview,
                                 const struct operation_write *writes, size_t count, bool copy,
                                 struct err *err)
{
    ASSERT(preview != NULL && (writes != NULL || count == 0));
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = switch_one(preview, &writes[i], copy, err);
    }
    if (rc != 0) {
        return rc;
    }
    link_rows(preview);
    for (size_t i = 0; i < preview->count; i++) {
        struct admin_sharing_row *row = &preview->rows[i];
        for (enum fence_layer layer = FENCE_SHARED; layer <= FENCE_DEVICE; layer++) {
            row->initialised[layer] = sharing_initialises(preview->change, row->before, layer);
        }
    }
    return 0;
}

static int undo_flag(struct admin_sharing_preview *preview, const struct change *change,
                     struct err *err)
{
    struct sharing *after = &preview->after.sharing;
    int rc = 0;
    if (change->has_old) {
        rc = sharing_put(after, change->path, LAST, change->old_value, err);
    } else {
        sharing_remove(after, change->path);
    }
    link_rows(preview);
    return rc;
}

static struct admin_sharing_row *row_of(const struct admin_sharing_preview *preview,
                                        struct span path)
{
    const struct category *category = sharing_find(&preview->before.sharing, path);
    size_t low = 0;
    size_t high = category != NULL ? preview->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(preview->rows[middle].before->path, category->path);
        if (order == 0) {
            return &preview->rows[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

static int undo_fence(struct admin_sharing_preview *preview, const struct change *change,
                      struct err *err)
{
    enum fence_layer layer = FENCE_SHARED;
    struct span category;
    int rc = fence_of_path(change->path, &layer, &category);
    if (rc != 0) {
        return err_set(err, rc, "the path of a fence is not readable");
    }
    struct admin_sharing_row *row = row_of(preview, category);
    if (row != NULL) {
        row->lifted[layer] = true;
    }
    if (change->has_old) {
        return fences_put(&preview->fences_after, change->path, change->old_seq, change->old_value,
                          err);
    }
    fences_remove(&preview->fences_after, change->path);
    return 0;
}

int admin_sharing_preview_undo(struct admin_sharing_preview *preview, const struct change *change,
                               struct err *err)
{
    ASSERT(preview != NULL && change != NULL);
    if (fence_path_is(change->path)) {
        return undo_fence(preview, change, err);
    }
    return sharing_flag_is(change->path) ? undo_flag(preview, change, err) : 0;
}

/* --- counting --- */

static bool counts(const struct category *category, const struct fences *fences,
                   enum owner_kind kind, struct span path, uint64_t seq)
{
    bool own = kind == OWNER_USER_DEVICE;
    if (seq < fences_position(fences, kind, path)) {
        return false;
    }
    return sharing_layer_of(category) == SHARING_SHARED
               ? !own
               : own || (category->copy && seq < category->flag_seq);
}

static int add_device(struct admin_sharing_row *row, uint64_t device, struct err *err)
{
    size_t low = 0;
    size_t high = row->device_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        low = row->devices[middle] < device ? middle + 1 : low;
        high = row->devices[middle] < device ? high : middle;
    }
    if (low < row->device_count && row->devices[low] == device) {
        return 0;
    }
    uint64_t *devices =
        array_reserve(row->devices, &row->device_room, row->device_count + 1, sizeof *devices);
    if (devices == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    row->devices = devices;
    memmove(&devices[low + 1], &devices[low], (row->device_count - low) * sizeof *devices);
    devices[low] = device;
    row->device_count++;
    return 0;
}

/* What is told of the user whose items are walked over. */
struct counting {
    struct admin_sharing_preview *preview;
    bool touched; /* what the user has on all machines */
};

static int see_item(void *context, const struct bag_row *bag, struct span path,
                    const struct item_row *item, struct err *err)
{
    struct counting *counting = context;
    struct admin_sharing_preview *preview = counting->preview;
    struct admin_sharing_row *row = row_of(preview, path);
    if (row == NULL) {
        return 0;
    }
    enum owner_kind kind = bag->owner.kind;
    bool own = kind == OWNER_USER_DEVICE;
    bool before = counts(row->before, &preview->fences_before, kind, path, item->seq);
    bool after = !row->initialised[own ? FENCE_DEVICE : FENCE_SHARED] &&
                 counts(row->after, &preview->fences_after, kind, path, item->seq);
    if (before == after) {
        return 0;
    }
    uint64_t user = own ? bag->parent : bag->bag_id;
    row->users += row->last_user != user;
    row->last_user = user;
    row->items += before;
    row->returning += after;
    if (own) {
        return add_device(row, bag->owner.device, err);
    }
    row->last_shared = user;
    counting->touched = true;
    return 0;
}

struct signing {
    const struct admin_sharing_preview *preview;
    uint64_t user;
};

/* What a user has on all machines counts at those where they are signed in. */
static int see_sign_in(void *context, const struct kv_sign_in *sign_in, struct err *err)
{
    const struct signing *signing = context;
    int rc = 0;
    for (size_t i = 0; i < signing->preview->count && rc == 0; i++) {
        struct admin_sharing_row *row = &signing->preview->rows[i];
        rc = row->last_shared == signing->user ? add_device(row, sign_in->device, err) : 0;
    }
    return rc;
}

static int see_user(void *context, const struct bag_row *user, struct err *err)
{
    struct counting *counting = context;
    struct signing signing = {counting->preview, user->bag_id};
    if (!counting->touched) {
        return 0;
    }
    counting->touched = false;
    return kv_sign_ins(counting->preview->kv, counting->preview->view, &user->bag_id, 1,
                       see_sign_in, &signing, err);
}

bool admin_sharing_row_touched(const struct admin_sharing_row *row)
{
    ASSERT(row != NULL);
    return row->switched || row->initialised[FENCE_SHARED] || row->initialised[FENCE_DEVICE] ||
           row->lifted[FENCE_SHARED] || row->lifted[FENCE_DEVICE];
}

/* Those that are touched, but for such within others of them: these are walked over anyway. */
static size_t choose_categories(const struct admin_sharing_preview *preview, struct span *out)
{
    size_t count = 0;
    for (size_t i = 0; i < preview->count; i++) {
        const struct admin_sharing_row *row = &preview->rows[i];
        struct span path = span_of(row->before->path, row->before->path_size);
        bool within = false;
        for (size_t k = 0; k < count && !within; k++) {
            within = admin_walk_within(path, out[k]);
        }
        if (!within && admin_sharing_row_touched(row)) {
            out[count++] = path;
        }
    }
    return count;
}

int admin_sharing_preview_count(struct admin_sharing_preview *preview, struct err *err)
{
    ASSERT(preview != NULL && preview->rows != NULL);
    struct counting counting = {preview, false};
    struct span *categories = calloc(preview->count + 1, sizeof *categories);
    if (categories == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    struct admin_walk walk = {.kv = preview->kv,
                              .view = preview->view,
                              .given_up = preview->given_up,
                              .shared = true,
                              .device = true,
                              .categories = categories,
                              .item = see_item,
                              .user = see_user,
                              .context = &counting};
    walk.category_count = choose_categories(preview, categories);
    int rc = walk.category_count > 0 ? admin_walk_people(&walk, err) : 0;
    free(categories);
    return rc;
}
