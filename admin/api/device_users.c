/* admin/api/device_users.c - GET /devices/{id}/users: who is signed in at a machine, and since
 * when; their settings are kept there.
 *
 * In order of the numbers of their bags, written as text: that of the machine's items.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/devices.h"

enum { LIMIT = 500, LIMIT_MAX = 1000, PATH_ROOM = 32 };

static const char PREFIX[] = "@user/";

struct guests {
    const struct admin_request *request;
    struct kv_view *view;
    uint64_t device;
    uint64_t limit;
    char after[PATH_ROOM]; /* of the machine's bag; "": from the start */
    uint64_t last;         /* the bag of the row that was added last */
    bool more;
    json_t *rows;
};

/* 0, E_NOT_FOUND. */
static int check_device(const struct guests *guests, struct err *err)
{
    struct kv *kv = guests->request->backend->kv;
    struct owner server = {.kind = OWNER_SERVER};
    struct bag_row bag = {0};
    struct kv_item item = {0};
    char path[ADMIN_DEVICE_PATH_MAX];
    int rc = kv_bag_of(kv, guests->view, &server, &bag, err);
    if (rc == 0) {
        rc = kv_item(kv, guests->view, bag.bag_id, admin_device_path(path, guests->device), &item,
                     err);
    }
    bool live = rc == 0 && item.row.state == ITEM_LIVE;
    kv_item_free(&item);
    return rc != 0 && rc != E_NOT_FOUND
               ? rc
               : (live ? 0
                       : err_set(err, E_NOT_FOUND, "no registered machine has the ID %s",
                                 guests->request->parts[0]));
}

static int add_user(struct guests *guests, const struct bag_row *bag, uint64_t since_ms,
                    struct err *err)
{
    json_t *row =
        json_pack("{s:s, s:o}", "name", bag->owner.shown, "since", admin_api_time(since_ms));
    guests->last = bag->bag_id;
    return row != NULL && json_array_append_new(guests->rows, row) == 0
               ? 0
               : err_set(err, E_NOMEM, "out of memory");
}

/* One whose bag is gone was deleted: the machine is about to be told. */
static int see_user(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct guests *guests = context;
    char text[PATH_ROOM] = "";
    struct bag_row bag = {0};
    if (row->state != ITEM_LIVE || path.size >= sizeof text) {
        return 0;
    }
    memcpy(text, path.data, path.size);
    uint64_t bag_id = strtoull(text + sizeof PREFIX - 1, NULL, 10);
    int rc = kv_bag(guests->request->backend->kv, guests->view, bag_id, &bag, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND || rc == E_BAG_GONE ? 0 : rc;
    }
    if (json_array_size(guests->rows) >= guests->limit) {
        guests->more = true;
        return 1;
    }
    return add_user(guests, &bag, row->time_ms, err);
}

static int read_question(struct guests *guests, struct err *err)
{
    const char *cursor = admin_query(guests->request, "cursor");
    guests->limit = LIMIT;
    if (cursor != NULL) {
        if (cursor[0] == '\0' || strlen(cursor) > 20 ||
            strspn(cursor, "0123456789") != strlen(cursor)) {
            return err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
        }
        (void)snprintf(guests->after, sizeof guests->after, "%s%s", PREFIX, cursor);
    }
    int rc = admin_query_number(guests->request, "limit", 1, LIMIT_MAX, &guests->limit, err);
    return rc == 0 ? device_parse(guests->request->parts[0], &guests->device, err) : rc;
}

static int find_users(struct guests *guests, struct err *err)
{
    struct admin_items items = {
        .kv = guests->request->backend->kv,
        .owner = {.kind = OWNER_DEVICE, .device = guests->device},
        .prefix = PREFIX,
        .after = span_str(guests->after),
    };
    int rc = kv_view_new(&guests->view, items.kv, err);
    if (rc == 0) {
        rc = check_device(guests, err);
    }
    if (rc == 0) {
        items.view = guests->view;
        rc = admin_items_each(&items, see_user, guests, err);
    }
    kv_view_free(&guests->view);
    return rc == 1 ? 0 : rc;
}

int admin_api_device_users(const struct admin_request *request, struct admin_response *response,
                           struct err *err)
{
    struct guests guests = {.request = request, .rows = json_array()};
    int rc = read_question(&guests, err);
    if (rc == 0) {
        rc = find_users(&guests, err);
    }
    if (rc == 0) {
        response->json = json_pack("{s:O}", "users", guests.rows);
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0 && guests.more) {
        (void)json_object_set_new(response->json, "next", json_sprintf("%" PRIu64, guests.last));
    }
    json_decref(guests.rows);
    return rc;
}
