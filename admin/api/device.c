/* admin/api/device.c - one client machine: all that is known of it, and what an administrator gives
 * it: a name, the right to keep more than its users' settings, the right to mirror the journal.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/devices.h"

enum { PATCH_TRIES = 5, LABEL_MAX = 255 };

struct patch {
    const struct admin_request *request;
    uint64_t id;
    json_t *body;
    bool dry_run;
    uint64_t seq;
    bool changes; /* something is otherwise than it was */
};

static int find_item(const struct admin_request *request, uint64_t id, struct kv_item *item,
                     struct err *err)
{
    struct kv *kv = request->backend->kv;
    struct owner server = {.kind = OWNER_SERVER};
    struct bag_row bag = {0};
    char path[ADMIN_DEVICE_PATH_MAX];
    int rc = kv_bag_of(kv, NULL, &server, &bag, err);
    if (rc == 0) {
        rc = kv_item(kv, NULL, bag.bag_id, admin_device_path(path, id), item, err);
    }
    if (rc == 0 && item->row.state != ITEM_LIVE) {
        rc = err_set(err, E_NOT_FOUND, "no registered machine has the ID %s", request->parts[0]);
    }
    return rc;
}

static int find_record(const struct admin_request *request, uint64_t id, struct kv_item *item,
                       json_t **record, struct err *err)
{
    int rc = find_item(request, id, item, err);
    if (rc == 0) {
        rc = admin_json_read(item->row.value, record, err);
    }
    if (rc == E_MALFORMED || (rc == 0 && !json_is_object(*record))) {
        rc = err_set(err, E_CORRUPT, "what the server knows of machine %s can't be read",
                     request->parts[0]);
    }
    return rc;
}

/* --- GET --- */

struct find_one {
    uint64_t id;
    json_t *row;
    const struct admin_request *request;
    struct kv_view *view;
};

static int see_device(void *context, const struct admin_device *device, struct err *err)
{
    struct find_one *find = context;
    if (device->id != find->id) {
        return 1; /* they come in order of ids */
    }
    int rc = admin_api_device_row(find->request, find->view, device, &find->row, err);
    return rc == 0 ? 1 : rc;
}

int admin_api_device(const struct admin_request *request, struct admin_response *response,
                     struct err *err)
{
    struct find_one find = {.request = request};
    int rc = device_parse(request->parts[0], &find.id, err);
    if (rc == 0) {
        rc = kv_view_new(&find.view, request->backend->kv, err);
    }
    if (rc == 0) {
        rc = admin_devices_each(request->backend->kv, find.view, find.id - 1, see_device, &find,
                                err);
    }
    kv_view_free(&find.view);
    if (rc >= 0 && find.row == NULL) {
        return err_set(err, E_NOT_FOUND, "no registered machine has the ID %s", request->parts[0]);
    }
    response->json = find.row;
    return rc < 0 ? rc : 0;
}

/* --- PATCH --- */

static int check_name(const json_t *name, struct err *err)
{
    const char *text = json_string_value(name);
    size_t size = json_string_length(name);
    bool good = text != NULL && size > 0 && size <= LABEL_MAX && strlen(text) == size;
    for (size_t i = 0; good && i < size; i++) {
        good = (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
    }
    return good ? 0
                : err_set(err, E_INVALID,
                          "'name' is a text of 1 to %d bytes without control characters",
                          (int)LABEL_MAX);
}

/* A name is an operator's to give; what a machine may hold beyond its users' settings is not. */
static int check_role(const struct patch *patch, struct err *err)
{
    bool rights = json_object_get(patch->body, "keep") != NULL ||
                  json_object_get(patch->body, "mirror") != NULL;
    return !rights || patch->request->role >= ADMIN_ROLE_ADMIN
               ? 0
               : err_set(err, E_NOT_ALLOWED,
                         "what a machine may keep or mirror is changed with the role admin");
}

static int check_patch(const struct patch *patch, struct err *err)
{
    static const char *const keeps[] = {"signed-in", "groups", "everybody"};
    json_t *name = json_object_get(patch->body, "name");
    json_t *keep = json_object_get(patch->body, "keep");
    json_t *mirror = json_object_get(patch->body, "mirror");
    if (name == NULL && keep == NULL && mirror == NULL) {
        return err_set(err, E_INVALID, "nothing is to be changed: give name, keep or mirror");
    }
    bool known = keep == NULL;
    for (size_t i = 0; i < sizeof keeps / sizeof keeps[0] && !known; i++) {
        known = json_is_string(keep) && strcmp(json_string_value(keep), keeps[i]) == 0;
    }
    if (!known) {
        return err_set(err, E_INVALID, "'keep' is signed-in, groups or everybody");
    }
    if (mirror != NULL && !json_is_boolean(mirror)) {
        return err_set(err, E_INVALID, "'mirror' is true or false");
    }
    return name != NULL ? check_name(name, err) : 0;
}

/* A record that does not tell a right does not give it. */
static bool is_same(const json_t *record, const char *member, const json_t *value)
{
    const json_t *now = json_object_get(record, member);
    if (now != NULL) {
        return json_equal(now, value) != 0;
    }
    return json_is_false(value) || (json_is_string(value) && strcmp(member, "keep") == 0 &&
                                    strcmp(json_string_value(value), "signed-in") == 0);
}

static int change_record(struct patch *patch, json_t *record, struct err *err)
{
    static const char *const members[] = {"name", "keep", "mirror"};
    const char *state = json_string_value(json_object_get(record, "state"));
    if (state != NULL && strcmp(state, "removed") == 0) {
        return err_set(err, E_CONDITION, "machine %s was removed: it has to join again first",
                       patch->request->parts[0]);
    }
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_t *value = json_object_get(patch->body, members[i]);
        if (value == NULL || is_same(record, members[i], value)) {
            continue;
        }
        patch->changes = true;
        if (json_object_set(record, members[i], value) != 0) {
            return err_set(err, E_NOMEM, "out of memory");
        }
    }
    return 0;
}

/* E_BUSY: the record was changed meanwhile. */
static int submit_record(struct patch *patch, const struct kv_item *item, const json_t *record,
                         struct err *err)
{
    const struct admin_backend *backend = patch->request->backend;
    char path[ADMIN_DEVICE_PATH_MAX];
    struct buf value;
    buf_init(&value, VALUE_MAX_BYTES);
    int rc = admin_json_append(&value, record);
    struct operation_write write = {
        .path = admin_device_path(path, patch->id),
        .value = buf_span(&value),
        .has_if_seq = true,
        .if_seq = item->row.seq,
    };
    struct submit submit = {
        .kind = SUBMIT_WRITE,
        .actor = patch->request->actor,
        .owner = {.kind = OWNER_SERVER},
        .writes = &write,
        .write_count = 1,
    };
    rc = rc == 0 ? backend->submit(backend->context, &submit, 1, err)
                 : err_set(err, rc, "out of memory");
    buf_free(&value);
    if (rc == 0 && submit.code == E_CONDITION) {
        return err_set(err, E_BUSY, "machine %s is changing: try again", patch->request->parts[0]);
    }
    patch->seq = submit.seq;
    return rc == 0 && submit.code != 0 ? err_set(err, submit.code, "%s", submit.text) : rc;
}

static int try_patch(struct patch *patch, json_t **record, struct err *err)
{
    struct kv_item item = {0};
    patch->changes = false;
    int rc = find_record(patch->request, patch->id, &item, record, err);
    if (rc == 0) {
        rc = change_record(patch, *record, err);
    }
    if (rc == 0 && patch->changes && !patch->dry_run) {
        rc = submit_record(patch, &item, *record, err);
    }
    kv_item_free(&item);
    return rc;
}

/* What the audit tells: which machine, and what it was given. */
static json_t *patch_about(const struct patch *patch)
{
    json_t *about = json_copy(patch->body);
    (void)json_object_del(about, "dry_run");
    (void)json_object_set_new(about, "device", json_string(patch->request->parts[0]));
    return about;
}

static int run_patch(struct patch *patch, struct admin_response *response, struct err *err)
{
    json_t *record = NULL;
    int rc = E_BUSY;
    for (int i = 0; i < PATCH_TRIES && rc == E_BUSY; i++) {
        json_decref(record);
        record = NULL;
        rc = try_patch(patch, &record, err);
    }
    if (rc == 0) {
        const char *keep = json_string_value(json_object_get(record, "keep"));
        const char *name = json_string_value(json_object_get(record, "name"));
        response->json =
            json_pack("{s:b, s:s, s:s, s:s, s:b, s:b, s:o}", "dry_run", patch->dry_run, "id",
                      patch->request->parts[0], "name", name != NULL ? name : "", "keep",
                      keep != NULL ? keep : "signed-in", "mirror",
                      json_is_true(json_object_get(record, "mirror")), "changed", patch->changes,
                      "seq", patch->seq > 0 ? admin_api_seq(patch->seq) : json_null());
        response->about = patch_about(patch);
        rc = response->json != NULL && response->about != NULL
                 ? 0
                 : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(record);
    return rc;
}

int admin_api_device_patch(const struct admin_request *request, struct admin_response *response,
                           struct err *err)
{
    struct patch patch = {.request = request};
    int rc = device_parse(request->parts[0], &patch.id, err);
    if (rc == 0) {
        rc = admin_body_json(request, "name keep mirror dry_run", &patch.body, err);
    }
    if (rc == 0) {
        rc = admin_api_bool(patch.body, "dry_run", &patch.dry_run, err);
    }
    if (rc == 0) {
        rc = check_role(&patch, err);
    }
    if (rc == 0) {
        rc = check_patch(&patch, err);
    }
    if (rc == 0) {
        rc = run_patch(&patch, response, err);
    }
    json_decref(patch.body);
    return rc;
}
