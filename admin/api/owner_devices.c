/* admin/api/owner_devices.c - GET /owners/{kind}/{name}/devices: which machines hold somebody's
 * settings, and since when.
 *
 * A machine holds a user who is signed in at it, and the groups of those who are; one with the
 * right to keep more holds every group, or everybody. Removed machines hold nothing that counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/devices.h"
#include "base/array.h"

enum {
    LIMIT = 500, /* when nothing else is asked for */
    LIMIT_MAX = 1000,
};

/* Of the user, somewhere. */
struct sign_in {
    uint64_t device;
    uint64_t ms; /* when */
};

struct holders {
    const struct admin_request *request;
    struct kv_view *view;
    struct bag_row bag;
    uint64_t limit;
    uint64_t after;
    uint64_t last;
    bool more;
    json_t *rows;
    struct sign_in *sign_ins; /* in order of machines */
    size_t count;
    size_t room;
};

/* What is known of one machine while it is looked at. */
struct holder {
    const struct holders *all;
    bool holds;
    uint64_t since_ms; /* the newest sign-in of the user, or of a member of the group; 0: none */
};

/* When an item of a bag was written; 0 when it is not there. */
static int written_at(const struct holders *all, uint64_t bag_id, const char *path, uint64_t *ms,
                      struct err *err)
{
    struct kv_item item = {0};
    *ms = 0;
    if (strlen(path) > PATH_MAX_BYTES) {
        return 0; /* a name so long never is a group's */
    }
    int rc = kv_item(all->request->backend->kv, all->view, bag_id, span_str(path), &item, err);
    if (rc == 0 && item.row.state == ITEM_LIVE) {
        *ms = item.row.time_ms > 0 ? item.row.time_ms : 1;
    }
    kv_item_free(&item);
    return rc;
}

static int note_sign_in(void *context, uint64_t device, struct span path,
                        const struct item_row *row, struct err *err)
{
    struct holders *all = context;
    if (admin_device_user_bag(path) != all->bag.bag_id) {
        return 0; /* another bag's number begins with the same digits */
    }
    struct sign_in *sign_ins =
        array_reserve(all->sign_ins, &all->room, all->count + 1, sizeof *sign_ins);
    if (sign_ins == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    all->sign_ins = sign_ins;
    sign_ins[all->count++] = (struct sign_in){device, row->time_ms > 0 ? row->time_ms : 1};
    return 1;
}

/* Where the user is signed in: of all machines on one tour. */
static int find_sign_ins(struct holders *all, struct err *err)
{
    char path[64];
    int size =
        snprintf(path, sizeof path, ADMIN_DEVICE_USERS "%llu", (unsigned long long)all->bag.bag_id);
    return kv_device_items(all->request->backend->kv, all->view, span_of(path, (size_t)size),
                           note_sign_in, all, err);
}

static int by_device(const void *a, const void *b)
{
    const struct sign_in *one = a;
    const struct sign_in *other = b;
    return (one->device > other->device) - (one->device < other->device);
}

static const struct sign_in *sign_in_at(const struct holders *all, uint64_t device)
{
    const struct sign_in key = {.device = device};
    return all->count == 0 ? NULL : bsearch(&key, all->sign_ins, all->count, sizeof key, by_device);
}

/* A record without the word gives no right to keep more. */
static bool may_hold(void *context, uint64_t device, struct span record)
{
    const struct holders *all = context;
    return all->bag.owner.kind == OWNER_GROUP || sign_in_at(all, device) != NULL ||
           memmem(record.data, record.size, "keep", 4) != NULL;
}

static void take_time(struct holder *holder, uint64_t ms)
{
    holder->holds = holder->holds || ms > 0;
    holder->since_ms = ms > holder->since_ms ? ms : holder->since_ms;
}

/* Somebody is signed in there: of the group? */
static int see_user(void *context, uint64_t user_bag, struct err *err)
{
    struct holder *holder = context;
    char path[NAME_MAX_BYTES + 16];
    uint64_t ms = 0;
    (void)snprintf(path, sizeof path, "@group/%s", holder->all->bag.owner.folded);
    int rc = written_at(holder->all, user_bag, path, &ms, err);
    if (rc == 0) {
        take_time(holder, ms);
    }
    return rc;
}

static int look_at(const struct holders *all, const struct admin_device *device,
                   struct holder *holder, struct err *err)
{
    if (all->bag.owner.kind == OWNER_GROUP) {
        return admin_device_users(all->request->backend->kv, all->view, device->id, see_user,
                                  holder, err);
    }
    const struct sign_in *sign_in = sign_in_at(all, device->id);
    if (sign_in != NULL) {
        take_time(holder, sign_in->ms);
    }
    return 0;
}

/* By the right alone, whoever signs in there. */
static bool keeps(const struct holders *all, const struct admin_device *device)
{
    const char *keep = json_string_value(json_object_get(device->record, "keep"));
    return keep != NULL && (strcmp(keep, "everybody") == 0 ||
                            (all->bag.owner.kind == OWNER_GROUP && strcmp(keep, "groups") == 0));
}

static int add_row(struct holders *all, const struct admin_device *device,
                   const struct holder *holder, struct err *err)
{
    const struct admin_backend *backend = all->request->backend;
    struct device_live live = {0};
    char id[DEVICE_TEXT_MAX];
    int rc = backend->device(backend->context, device->id, &live, err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    device_format(device->id, id);
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:o}", "id", id, "name", device->name,
                            "serial", device->serial, "why", holder->holds ? "signed-in" : "keep",
                            "since", admin_api_time(holder->since_ms), "connected", live.connected,
                            "last_seen", admin_api_time(live.last_seen_ms));
    return json_array_append_new(all->rows, row) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int see_device(void *context, const struct admin_device *device, struct err *err)
{
    struct holders *all = context;
    struct holder holder = {.all = all};
    if (device->removed) {
        return 0;
    }
    int rc = look_at(all, device, &holder, err);
    if (rc != 0 || (!holder.holds && !keeps(all, device))) {
        return rc;
    }
    if (json_array_size(all->rows) >= all->limit) {
        all->more = true;
        return 1;
    }
    all->last = device->id;
    return add_row(all, device, &holder, err);
}

static int read_question(struct holders *all, struct err *err)
{
    const struct admin_request *request = all->request;
    const char *cursor = admin_query(request, "cursor");
    struct owner owner = {0};
    all->limit = LIMIT;
    if (cursor != NULL && device_parse(cursor, &all->after, NULL) != 0) {
        return err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
    }
    int rc = admin_query_number(request, "limit", 1, LIMIT_MAX, &all->limit, err);
    if (rc == 0) {
        rc = admin_api_owner_of(request, &owner, err);
    }
    if (rc == 0) {
        rc = kv_view_new(&all->view, request->backend->kv, err);
    }
    if (rc == 0) {
        rc = kv_bag_of(request->backend->kv, all->view, &owner, &all->bag, err);
    }
    return rc != E_NOT_FOUND
               ? rc
               : err_set(err, rc, "there is no %s '%s'", request->parts[0], request->parts[1]);
}

static int answer(const struct holders *all, struct admin_response *response, struct err *err)
{
    char last[DEVICE_TEXT_MAX];
    response->json = json_pack("{s:s, s:O}", "name", all->bag.owner.shown, "devices", all->rows);
    if (response->json == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    if (all->more) {
        device_format(all->last, last);
        (void)json_object_set_new(response->json, "next", json_string(last));
    }
    return 0;
}

int admin_api_owner_devices(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    struct holders all = {.request = request, .rows = json_array()};
    int rc = read_question(&all, err);
    if (rc == 0 && all.bag.owner.kind == OWNER_USER) {
        rc = find_sign_ins(&all, err);
    }
    if (rc == 0) {
        rc = admin_devices_some(request->backend->kv, all.view, all.after, may_hold, see_device,
                                &all, err);
    }
    if (rc >= 0) {
        rc = answer(&all, response, err);
    }
    kv_view_free(&all.view);
    free(all.sign_ins);
    json_decref(all.rows);
    return rc;
}
