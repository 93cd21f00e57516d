/* admin/api/devices.c - the client machines: seeing them, removing them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/api/remove.h"
#include "admin/devices.h"

enum {
    DEVICES_LIMIT = 500,
    DEVICES_LIMIT_MAX = 1000,
    FOLDED_MAX = 1100,
    RECORD_PLAIN_MAX = 2048, /* bytes of a record that are looked at before it is read */
};

/* --- seeing --- */

struct device_question {
    char filter[FOLDED_MAX]; /* folded */
    const char *state;       /* one of `states` */
    uint64_t limit;
    uint64_t after;
};

struct device_listing {
    const struct admin_request *request;
    struct kv_view *view;
    const struct device_question *question;
    json_t *rows;
    uint64_t last;
    bool more;
};

static bool text_matches(const char *text, const char *filter)
{
    char folded[FOLDED_MAX];
    return name_fold_search(span_str(text), folded, sizeof folded, NULL) == 0 &&
           strstr(folded, filter) != NULL;
}

/* Of plain letters alone: then folding makes small letters of them, and what is in no part of the
 * record is in none of its texts. */
static bool record_may_match(struct span record, const char *filter)
{
    char small[RECORD_PLAIN_MAX];
    if (record.size > sizeof small) {
        return true;
    }
    for (size_t i = 0; i < record.size; i++) {
        uint8_t c = record.data[i];
        if (c >= 0x80 || c == '\\') {
            return true;
        }
        small[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    return memmem(small, record.size, filter, strlen(filter)) != NULL;
}

static bool device_may_match(void *context, uint64_t device, struct span record)
{
    const struct device_listing *listing = context;
    char id[DEVICE_TEXT_MAX];
    device_format(device, id);
    return strstr(id, listing->question->filter) != NULL ||
           record_may_match(record, listing->question->filter);
}

static bool device_matches(const struct device_question *question,
                           const struct admin_device *device)
{
    char id[DEVICE_TEXT_MAX];
    device_format(device->id, id);
    return (text_matches(device->name, question->filter) ||
            text_matches(device->serial, question->filter) ||
            text_matches(device->model, question->filter) || strstr(id, question->filter) != NULL);
}

static int count_user(void *context, uint64_t user_bag, struct err *err)
{
    (void)user_bag;
    (void)err;
    ++*(json_int_t *)context;
    return 0;
}

/* Removed and diverged machines are served nothing; one that waits for a right is served the rest.
 */
static const char *state_of(const struct admin_device *device, const struct device_live *live)
{
    return device->removed ? "removed" : live->refused == E_DIVERGED ? "diverged" : "active";
}

static json_t *seq_or_null(uint64_t seq)
{
    return seq > 0 ? admin_api_seq(seq) : json_null();
}

/* What is known of it only while the server runs. */
static json_t *live_members(const struct admin_backend *backend, const struct admin_device *device,
                            const struct device_live *live)
{
    struct journal_position head;
    journal_head(backend->journal, &head);
    uint64_t lag = live->seq < head.seq ? head.seq - live->seq : 0;
    json_t *members = json_pack(
        "{s:s, s:b, s:o, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o}", "state",
        state_of(device, live), "connected", live->connected, "last_seen",
        admin_api_time(live->last_seen_ms), "address", live->address, "cursor",
        seq_or_null(live->seq), "lag", live->seq > 0 ? json_integer((json_int_t)lag) : json_null(),
        "current_seq", seq_or_null(live->current_seq), "mirror_seq", seq_or_null(live->mirror_seq),
        "followed", (json_int_t)live->followed, "healed", (json_int_t)live->healed, "waiting",
        live->connected ? json_integer((json_int_t)live->waiting) : json_null(), "verified",
        admin_api_time(live->verified_ms), "refused",
        live->refused != 0 ? json_string(err_name(live->refused)) : json_null());
    if (members != NULL && live->refused != 0) {
        (void)json_object_set_new(members, "refused_text", json_string(err_meaning(live->refused)));
    }
    if (members != NULL && live->software[0] != '\0') {
        (void)json_object_set_new(members, "version", json_string(live->software));
    }
    return members;
}

static int make_row(const struct admin_backend *backend, struct kv_view *view,
                    const struct admin_device *device, const struct device_live *live, json_t **out,
                    struct err *err)
{
    char id[DEVICE_TEXT_MAX];
    const char *keep = json_string_value(json_object_get(device->record, "keep"));
    json_int_t users = 0;
    device_format(device->id, id);
    int rc = admin_device_users(backend->kv, view, device->id, count_user, &users, err);
    if (rc != 0) {
        return rc;
    }
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:s, s:b}", "id", id, "name", device->name,
                  "serial", device->serial, "model", device->model, "version", device->software,
                  "joined", admin_api_time(device->joined_ms), "users", users, "keep",
                  keep != NULL ? keep : "signed-in", "mirror",
                  json_is_true(json_object_get(device->record, "mirror")));
    json_t *members = live_members(backend, device, live);
    if (row == NULL || members == NULL || json_object_update(row, members) != 0) {
        json_decref(row);
        row = NULL;
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(members);
    *out = row;
    return rc;
}

static int read_live(const struct admin_backend *backend, uint64_t id, struct device_live *live,
                     struct err *err)
{
    int rc = backend->device(backend->context, id, live, err);
    return rc == E_NOT_FOUND ? 0 : rc;
}

int admin_api_device_row(const struct admin_request *request, struct kv_view *view,
                         const struct admin_device *device, json_t **out, struct err *err)
{
    struct device_live live = {0};
    int rc = read_live(request->backend, device->id, &live, err);
    return rc == 0 ? make_row(request->backend, view, device, &live, out, err) : rc;
}

/* Is it one of those that are asked for? */
static bool state_matches(const char *wanted, const struct admin_device *device,
                          const struct device_live *live)
{
    if (strcmp(wanted, "all") == 0) {
        return true;
    }
    if (strcmp(wanted, "connected") == 0 || strcmp(wanted, "away") == 0) {
        return !device->removed && live->connected == (strcmp(wanted, "connected") == 0);
    }
    return strcmp(wanted, "active") == 0 ? !device->removed
                                         : strcmp(wanted, state_of(device, live)) == 0;
}

static int add_device(void *context, const struct admin_device *device, struct err *err)
{
    struct device_listing *listing = context;
    const struct admin_backend *backend = listing->request->backend;
    struct device_live live = {0};
    if (!device_matches(listing->question, device)) {
        return 0;
    }
    int rc = read_live(backend, device->id, &live, err);
    if (rc != 0 || !state_matches(listing->question->state, device, &live)) {
        return rc;
    }
    if (json_array_size(listing->rows) >= listing->question->limit) {
        listing->more = true;
        return 1;
    }
    json_t *row = NULL;
    rc = make_row(backend, listing->view, device, &live, &row, err);
    if (rc == 0 && json_array_append(listing->rows, row) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(row);
    listing->last = device->id;
    return rc;
}

static int read_device_question(const struct admin_request *request,
                                struct device_question *question, struct err *err)
{
    const char *state = admin_query(request, "state");
    const char *filter = admin_query(request, "filter");
    const char *cursor = admin_query(request, "cursor");
    static const char *const states[] = {"active",   "connected", "away",
                                         "diverged", "removed",   "all"};
    bool known = false;
    question->state = state != NULL ? state : "active";
    question->limit = DEVICES_LIMIT;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        known = known || strcmp(question->state, states[i]) == 0;
    }
    if (!known) {
        return err_set(err, E_INVALID,
                       "'state' is active, connected, away, diverged, removed or all, not '%s'",
                       question->state);
    }
    if (cursor != NULL && device_parse(cursor, &question->after, NULL) != 0) {
        return err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
    }
    int rc = name_fold_search(span_str(filter != NULL ? filter : ""), question->filter,
                              sizeof question->filter, err);
    return rc == 0
               ? admin_query_number(request, "limit", 1, DEVICES_LIMIT_MAX, &question->limit, err)
               : rc;
}

static int list_devices(struct device_listing *listing, struct err *err)
{
    const struct admin_backend *backend = listing->request->backend;
    int rc = kv_view_new(&listing->view, backend->kv, err);
    if (rc == 0) {
        rc = admin_devices_some(backend->kv, listing->view, listing->question->after,
                                device_may_match, add_device, listing, err);
    }
    kv_view_free(&listing->view);
    return rc == 1 ? 0 : rc;
}

int admin_api_devices(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    struct device_question question = {0};
    int rc = read_device_question(request, &question, err);
    if (rc != 0) {
        return rc;
    }
    struct device_listing listing = {
        .request = request, .question = &question, .rows = json_array()};
    rc = list_devices(&listing, err);
    if (rc != 0) {
        json_decref(listing.rows);
        return rc;
    }
    response->json = json_pack("{s:o}", "devices", listing.rows);
    if (listing.more) {
        char last[DEVICE_TEXT_MAX];
        device_format(listing.last, last);
        (void)json_object_set_new(response->json, "next", json_string(last));
    }
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* --- removing --- */

/* The item as it has to become; `item` is as it is. E_NOT_FOUND: removed already. */
static int removed_record(const struct kv_item *item, struct buf *out, struct err *err)
{
    json_t *record = NULL;
    int rc = admin_json_read(item->row.value, &record, err);
    const char *state = json_string_value(json_object_get(record, "state"));
    if (rc != E_NOMEM && (!json_is_object(record) || state == NULL)) {
        rc = err_set(err, E_CORRUPT, "what the server knows of this machine can't be read");
    } else if (rc == 0 && strcmp(state, "removed") == 0) {
        rc = E_NOT_FOUND;
    } else if (rc == 0 && (json_object_set_new(record, "state", json_string("removed")) != 0 ||
                           admin_json_append(out, record) != 0)) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(record);
    return rc;
}

static int remove_device(struct admin_removal *removal, const char *id, struct err *err)
{
    struct kv *kv = removal->request->backend->kv;
    struct owner server = {.kind = OWNER_SERVER};
    struct bag_row bag = {0};
    uint64_t device = 0;
    if (device_parse(id, &device, NULL) != 0) {
        return E_NOT_FOUND;
    }
    int rc = kv_bag_of(kv, NULL, &server, &bag, err);
    if (rc != 0) {
        return rc;
    }
    char text[ADMIN_DEVICE_PATH_MAX];
    struct span path = admin_device_path(text, device);
    struct kv_item item = {0};
    rc = kv_item(kv, NULL, bag.bag_id, path, &item, err);
    if (rc != 0) {
        return rc;
    }
    struct buf value;
    buf_init(&value, VALUE_MAX_BYTES);
    rc = item.row.state == ITEM_LIVE ? removed_record(&item, &value, err) : E_NOT_FOUND;
    if (rc == 0 && !removal->dry_run) {
        struct operation_write write = {
            .path = path, .value = buf_span(&value), .has_if_seq = true, .if_seq = item.row.seq};
        rc = admin_removal_write(removal, &write, err);
    }
    buf_free(&value);
    kv_item_free(&item);
    return rc;
}

int admin_api_devices_delete(const struct admin_request *request, struct admin_response *response,
                             struct err *err)
{
    static const struct admin_removable machines = {.things = "devices",
                                                    .thing = "machine",
                                                    .none = "no registered machine",
                                                    .is_named = true,
                                                    .remove = remove_device};
    return admin_removal_run(&machines, request, response, err);
}
