/* admin/api/devices.c - the client machines: seeing them, removing them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/api/remove.h"
#include "admin/devices.h"
#include "base/array.h"

enum {
    DEVICES_LIMIT = 500,
    DEVICES_LIMIT_MAX = 1000,
    FOLDED_MAX = 1100,
    RECORD_PLAIN_MAX = 2048, /* bytes of a record that are looked at before it is read */
    SIFTED_AT_ONCE = 500,
};

/* --- what is asked for --- */

struct device_question {
    char filter[FOLDED_MAX]; /* folded */
    const char *state;       /* one of `states` */
    uint64_t limit;
    uint64_t after;
};

/* One that is in the answer, but for what is known of it only while the server runs. */
struct device_told {
    uint64_t id;
    bool removed;
    json_t *row; /* owned */
};

struct device_listing {
    const struct admin_request *request;
    struct kv_view *view;
    const struct device_question *question;
    uint64_t *wanted; /* those that are as asked for now, in order; of some questions */
    size_t wanted_count;
    size_t wanted_room;
    size_t wanted_at; /* all before were come by */
    bool no_memory;
    struct device_told *told;
    size_t count;
    size_t room;
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
    const char *filter = listing->question->filter;
    char id[DEVICE_TEXT_MAX];
    if (filter[0] == '\0') {
        return true;
    }
    device_format(device, id);
    return strstr(id, filter) != NULL || record_may_match(record, filter);
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

/* --- one of them --- */

/* Removed and diverged machines are served nothing; one that waits for a right is served the rest.
 */
static const char *state_of(bool removed, const struct device_live *live)
{
    return removed ? "removed" : live->refused == E_DIVERGED ? "diverged" : "active";
}

static json_t *seq_or_null(uint64_t seq)
{
    return seq > 0 ? admin_api_seq(seq) : json_null();
}

/* What is known of it only while the server runs. */
static json_t *live_members(const struct admin_backend *backend, bool removed,
                            const struct device_live *live)
{
    struct journal_position head;
    journal_head(backend->journal, &head);
    uint64_t lag = live->seq < head.seq ? head.seq - live->seq : 0;
    json_t *members = json_pack(
        "{s:s, s:b, s:o, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o}", "state",
        state_of(removed, live), "connected", live->connected, "last_seen",
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

/* What is kept of it, and who is signed in. */
static int make_row(const struct admin_backend *backend, struct kv_view *view,
                    const struct admin_device *device, json_t **out, struct err *err)
{
    char id[DEVICE_TEXT_MAX];
    const char *keep = json_string_value(json_object_get(device->record, "keep"));
    uint64_t users = 0;
    device_format(device->id, id);
    int rc = admin_device_user_count(backend->kv, view, device->id, &users, err);
    if (rc != 0) {
        return rc;
    }
    *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:s, s:b}", "id", id, "name",
                     device->name, "serial", device->serial, "model", device->model, "version",
                     device->software, "joined", admin_api_time(device->joined_ms), "users", users,
                     "keep", keep != NULL ? keep : "signed-in", "mirror",
                     json_is_true(json_object_get(device->record, "mirror")));
    return *out != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int add_live(const struct admin_backend *backend, bool removed,
                    const struct device_live *live, json_t *row, struct err *err)
{
    json_t *members = live_members(backend, removed, live);
    bool added = members != NULL && json_object_update(row, members) == 0;
    json_decref(members);
    return added ? 0 : err_set(err, E_NOMEM, "out of memory");
}

int admin_api_device_row(const struct admin_request *request, struct kv_view *view,
                         const struct admin_device *device, json_t **out, struct err *err)
{
    const struct admin_backend *backend = request->backend;
    struct device_live live = {0};
    json_t *row = NULL;
    int rc = backend->devices(backend->context, &device->id, 1, &live, err);
    if (rc == 0) {
        rc = make_row(backend, view, device, &row, err);
    }
    if (rc == 0) {
        rc = add_live(backend, device->removed, &live, row, err);
    }
    if (rc != 0) {
        json_decref(row);
        return rc;
    }
    *out = row;
    return 0;
}

/* --- many of them --- */

/* Do only those machines count of which the server knows something at this moment? */
static bool asks_for_live(const struct device_question *question)
{
    return strcmp(question->state, "connected") == 0 || strcmp(question->state, "away") == 0 ||
           strcmp(question->state, "diverged") == 0;
}

/* Is it one of those that are asked for, unless it was removed? */
static bool live_matches(const char *wanted, const struct device_live *live)
{
    if (strcmp(wanted, "diverged") == 0) {
        return live->refused == E_DIVERGED;
    }
    return (strcmp(wanted, "connected") != 0 || live->connected) &&
           (strcmp(wanted, "away") != 0 || !live->connected);
}

static bool removed_matches(const char *wanted, bool removed)
{
    return strcmp(wanted, "all") == 0 || removed == (strcmp(wanted, "removed") == 0);
}

/* Nothing is read of it yet: only its number is noted. */
static bool note_device(void *context, uint64_t device, struct span record)
{
    struct device_listing *listing = context;
    if (!device_may_match(listing, device, record)) {
        return false;
    }
    uint64_t *wanted = array_reserve(listing->wanted, &listing->wanted_room,
                                     listing->wanted_count + 1, sizeof *wanted);
    if (wanted == NULL) {
        listing->no_memory = true;
        return false;
    }
    listing->wanted = wanted;
    wanted[listing->wanted_count++] = device;
    return false;
}

/* Of the noted ones those stay that are as is asked for at this moment. */
static int sift(struct device_listing *listing, struct err *err)
{
    const struct admin_backend *backend = listing->request->backend;
    struct device_live live[SIFTED_AT_ONCE];
    size_t kept = 0;
    int rc = 0;
    for (size_t done = 0; done < listing->wanted_count && rc == 0; done += SIFTED_AT_ONCE) {
        size_t left = listing->wanted_count - done;
        size_t count = left < SIFTED_AT_ONCE ? left : SIFTED_AT_ONCE;
        rc = backend->devices(backend->context, listing->wanted + done, count, live, err);
        for (size_t i = 0; i < count && rc == 0; i++) {
            if (live_matches(listing->question->state, &live[i])) {
                listing->wanted[kept++] = listing->wanted[done + i];
            }
        }
    }
    listing->wanted_count = kept;
    return rc;
}

/* Both are come by in order. */
static bool is_wanted(void *context, uint64_t device, struct span record)
{
    struct device_listing *listing = context;
    (void)record;
    while (listing->wanted_at < listing->wanted_count &&
           listing->wanted[listing->wanted_at] < device) {
        listing->wanted_at++;
    }
    return listing->wanted_at < listing->wanted_count &&
           listing->wanted[listing->wanted_at] == device;
}

static int add_device(void *context, const struct admin_device *device, struct err *err)
{
    struct device_listing *listing = context;
    if (!device_matches(listing->question, device) ||
        !removed_matches(listing->question->state, device->removed)) {
        return 0;
    }
    if (listing->count >= listing->question->limit) {
        listing->more = true;
        return 1;
    }
    struct device_told *told =
        array_reserve(listing->told, &listing->room, listing->count + 1, sizeof *told);
    if (told == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    listing->told = told;
    struct device_told *next = &told[listing->count];
    *next = (struct device_told){.id = device->id, .removed = device->removed};
    int rc = make_row(listing->request->backend, listing->view, device, &next->row, err);
    listing->count += rc == 0;
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

static int find_devices(struct device_listing *listing, struct err *err)
{
    struct kv *kv = listing->request->backend->kv;
    uint64_t after = listing->question->after;
    bool sifted = asks_for_live(listing->question);
    int rc = kv_view_new(&listing->view, kv, err);
    if (rc == 0 && sifted) {
        rc = admin_devices_some(kv, listing->view, after, note_device, add_device, listing, err);
        rc = rc == 0 && listing->no_memory ? err_set(err, E_NOMEM, "out of memory") : rc;
    }
    if (rc == 0 && sifted) {
        rc = sift(listing, err);
    }
    if (rc == 0) {
        rc = admin_devices_some(kv, listing->view, after, sifted ? is_wanted : device_may_match,
                                add_device, listing, err);
    }
    kv_view_free(&listing->view);
    return rc == 1 ? 0 : rc;
}

/* The rows whole, as an array. One that is no longer as it was when it was looked for is left out.
 */
static int tell_devices(struct device_listing *listing, json_t *rows, struct err *err)
{
    const struct admin_backend *backend = listing->request->backend;
    uint64_t ids[DEVICES_LIMIT_MAX];
    struct device_live *live = calloc(listing->count + 1, sizeof *live);
    if (live == NULL || rows == NULL) {
        free(live);
        return err_set(err, E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < listing->count; i++) {
        ids[i] = listing->told[i].id;
    }
    int rc = backend->devices(backend->context, ids, listing->count, live, err);
    for (size_t i = 0; i < listing->count && rc == 0; i++) {
        const struct device_told *told = &listing->told[i];
        if (!live_matches(listing->question->state, &live[i])) {
            continue;
        }
        rc = add_live(backend, told->removed, &live[i], told->row, err);
        if (rc == 0 && json_array_append(rows, told->row) != 0) {
            rc = err_set(err, E_NOMEM, "out of memory");
        }
    }
    free(live);
    return rc;
}

static int answer_devices(struct device_listing *listing, struct admin_response *response,
                          struct err *err)
{
    char last[DEVICE_TEXT_MAX];
    json_t *rows = json_array();
    int rc = tell_devices(listing, rows, err);
    if (rc != 0) {
        json_decref(rows);
        return rc;
    }
    response->json = json_pack("{s:o}", "devices", rows);
    if (listing->more) {
        device_format(listing->told[listing->count - 1].id, last);
        (void)json_object_set_new(response->json, "next", json_string(last));
    }
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

int admin_api_devices(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    struct device_question question = {0};
    struct device_listing listing = {.request = request, .question = &question};
    int rc = read_device_question(request, &question, err);
    if (rc == 0) {
        rc = find_devices(&listing, err);
    }
    if (rc == 0) {
        rc = answer_devices(&listing, response, err);
    }
    for (size_t i = 0; i < listing.count; i++) {
        json_decref(listing.told[i].row);
    }
    free(listing.told);
    free(listing.wanted);
    return rc;
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
