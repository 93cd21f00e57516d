/* admin/api/owner_devices.c - GET /owners/{kind}/{name}/devices: which machines hold somebody's
 * settings, and since when.
 *
 * A machine holds a user who is signed in at it, and the groups of those who are; one with the
 * right to keep more holds every group, or everybody. Removed machines hold nothing that counts.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/devices.h"
#include "admin/holders.h"

enum {
    LIMIT = 500, /* when nothing else is asked for */
    LIMIT_MAX = 1000,
};

/* A machine that is told of; what is known of it only while the server runs comes last. */
struct told {
    uint64_t device;
    json_t *row; /* borrowed from `rows` */
};

struct holding {
    const struct admin_request *request;
    struct kv_view *view;
    struct bag_row bag;
    uint64_t limit;
    uint64_t after;
    bool more;
    struct admin_holders holders; /* by signing in */
    json_t *rows;
    struct told told[LIMIT_MAX];
};

/* Where the user, or somebody of the group, is signed in. */
static int find_holders(struct holding *all, struct err *err)
{
    struct kv *kv = all->request->backend->kv;
    int rc = all->bag.owner.kind == OWNER_GROUP
                 ? admin_holders_add_group(&all->holders, kv, all->view, all->bag.owner.folded, err)
                 : admin_holders_add_user(&all->holders, all->bag.bag_id, err);
    return rc == 0 ? admin_holders_find(&all->holders, kv, all->view, err) : rc;
}

static bool has_word(struct span record, const char *word)
{
    return memmem(record.data, record.size, word, strlen(word)) != NULL;
}

/* A record without the word gives no right to keep more; each has a right of some kind. */
static bool may_hold(void *context, uint64_t device, struct span record)
{
    const struct holding *all = context;
    return admin_holders_at(&all->holders, device) != NULL || has_word(record, "everybody") ||
           (all->bag.owner.kind == OWNER_GROUP && has_word(record, "groups"));
}

/* By the right alone, whoever signs in there. */
static bool keeps(const struct holding *all, const struct admin_device *device)
{
    const char *keep = json_string_value(json_object_get(device->record, "keep"));
    return keep != NULL && (strcmp(keep, "everybody") == 0 ||
                            (all->bag.owner.kind == OWNER_GROUP && strcmp(keep, "groups") == 0));
}

static int add_row(struct holding *all, const struct admin_device *device,
                   const struct admin_holder *holder, struct err *err)
{
    char id[DEVICE_TEXT_MAX];
    device_format(device->id, id);
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id, "name", device->name, "serial",
                            device->serial, "why", holder != NULL ? "signed-in" : "keep", "since",
                            admin_api_time(holder != NULL ? holder->since_ms : 0));
    all->told[json_array_size(all->rows)] = (struct told){device->id, row};
    return json_array_append_new(all->rows, row) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int see_device(void *context, const struct admin_device *device, struct err *err)
{
    struct holding *all = context;
    const struct admin_holder *holder = admin_holders_at(&all->holders, device->id);
    if (device->removed || (holder == NULL && !keeps(all, device))) {
        return 0;
    }
    if (json_array_size(all->rows) >= all->limit) {
        all->more = true;
        return 1;
    }
    return add_row(all, device, holder, err);
}

static int add_live(const struct holding *all, struct err *err)
{
    const struct admin_backend *backend = all->request->backend;
    size_t count = json_array_size(all->rows);
    uint64_t ids[LIMIT_MAX];
    struct device_live *live = calloc(count + 1, sizeof *live);
    if (live == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        ids[i] = all->told[i].device;
    }
    int rc = backend->devices(backend->context, ids, count, live, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        json_t *row = all->told[i].row;
        if (json_object_set_new(row, "connected", json_boolean(live[i].connected)) != 0 ||
            json_object_set_new(row, "last_seen", admin_api_time(live[i].last_seen_ms)) != 0) {
            rc = err_set(err, E_NOMEM, "out of memory");
        }
    }
    free(live);
    return rc;
}

static int read_question(struct holding *all, struct err *err)
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

static int answer(const struct holding *all, struct admin_response *response, struct err *err)
{
    char last[DEVICE_TEXT_MAX];
    response->json = json_pack("{s:s, s:O}", "name", all->bag.owner.shown, "devices", all->rows);
    if (response->json == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    if (all->more) {
        device_format(all->told[json_array_size(all->rows) - 1].device, last);
        (void)json_object_set_new(response->json, "next", json_string(last));
    }
    return 0;
}

static int look(struct holding *all, struct admin_response *response, struct err *err)
{
    int rc = read_question(all, err);
    if (rc == 0) {
        rc = find_holders(all, err);
    }
    if (rc == 0) {
        rc = admin_devices_some(all->request->backend->kv, all->view, all->after, may_hold,
                                see_device, all, err);
    }
    if (rc >= 0) {
        rc = add_live(all, err);
    }
    return rc == 0 ? answer(all, response, err) : rc;
}

int admin_api_owner_devices(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    struct holding *all = calloc(1, sizeof *all);
    if (all == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    all->request = request;
    all->rows = json_array();
    int rc = look(all, response, err);
    kv_view_free(&all->view);
    admin_holders_free(&all->holders);
    json_decref(all->rows);
    free(all);
    return rc;
}
