/* admin/api/sharing.c - what is shared: seeing it, changing it, taking a change back.
 *
 * A change is one set in the fleet's bag, whatever the number of people. The server judges it, also
 * that of a dry run; what a dry run adds is a walk over everybody's items that counts.
 */
#include "admin/api/sharing.h"

#include <stdlib.h>
#include <string.h>

#include "admin/sharing_preview.h"
#include "base/clock.h"

/* --- seeing --- */

/* Why it can't be taken back now: a text, or null. */
static int judge_undo(const struct admin_request *request, uint64_t seq, json_t **why,
                      struct err *err)
{
    const struct admin_backend *backend = request->backend;
    struct submit submit = {
        .kind = SUBMIT_SHARING_UNDO, .actor = request->actor, .undo_seq = seq, .dry_run = true};
    int rc = backend->submit(backend->context, &submit, 1, err);
    if (rc != 0) {
        return rc;
    }
    *why = submit.code != 0 ? json_string(submit.text) : json_null();
    return *why != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* A set that may be taken back, with until when. */
static int set_row(const struct admin_request *request, const struct admin_catalogue *catalogue,
                   const struct server_status *status, uint64_t seq, json_t *rows, struct err *err)
{
    json_t *row = NULL;
    json_t *why = NULL;
    struct past_change last = {0};
    struct journal *journal = request->backend->journal;
    int rc = admin_api_set_row(journal, catalogue, seq, &row, err);
    if (rc == 0) {
        rc = journal_change_at(journal, seq, &last, err);
    }
    if (rc == 0) {
        rc = judge_undo(request, seq, &why, err);
    }
    if (rc == 0) {
        uint64_t keep_ms = status->undo_keep_ms;
        uint64_t until_ms = keep_ms > 0 ? last.change.time_ms + keep_ms : 0;
        bool done = json_object_set_new(row, "until", admin_api_time(until_ms)) == 0 &&
                    json_object_set(row, "refused", why) == 0 && json_array_append(rows, row) == 0;
        rc = done ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    past_change_free(&last);
    json_decref(why);
    json_decref(row);
    return rc == E_TOO_OLD || rc == E_NOT_FOUND ? 0 : rc; /* the journal let go of it just now */
}

static int set_rows(const struct admin_request *request, const struct admin_catalogue *catalogue,
                    json_t *rows, struct err *err)
{
    const struct admin_backend *backend = request->backend;
    struct server_status status = {0};
    struct admin_api_sets sets = {.count = 0};
    int rc = backend->status(backend->context, &status, err);
    if (rc == 0) {
        uint64_t now_ms = clock_wall_ms(&clock_system);
        uint64_t keep_ms = status.undo_keep_ms;
        uint64_t since_ms = keep_ms > 0 && keep_ms < now_ms ? now_ms - keep_ms : 0;
        rc = admin_api_sets(request, since_ms, &sets, err);
    }
    for (size_t i = 0; i < sets.count && rc == 0; i++) {
        rc = set_row(request, catalogue, &status, sets.seqs[i], rows, err);
    }
    return rc;
}

int admin_api_sharing(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    struct admin_catalogue catalogue = {0};
    json_t *rows = NULL;
    json_t *sets = json_array();
    int rc = admin_catalogue_read(&catalogue, request->backend->kv, NULL, err);
    if (rc == 0) {
        rc = admin_api_category_rows(request, &catalogue, true, &rows, err);
    }
    if (rc == 0) {
        rc = set_rows(request, &catalogue, sets, err);
    }
    if (rc == 0) {
        response->json = json_pack("{s:O, s:O}", "sharing", rows, "undo", sets);
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(rows);
    json_decref(sets);
    admin_catalogue_free(&catalogue);
    return rc;
}

/* --- a change, or one that is taken back --- */

struct switching {
    const struct admin_request *request;
    json_t *body;
    struct operation_write *writes;
    size_t write_count;
    bool copy;
    uint64_t undo_seq; /* 0: it is no undo */
    bool dry_run;
    uint64_t seq;
    struct kv_view *view;
    struct admin_sharing_preview preview;
};

static int submit(struct switching *job, struct err *err)
{
    const struct admin_backend *backend = job->request->backend;
    struct submit submit = {
        .kind = job->undo_seq != 0 ? SUBMIT_SHARING_UNDO : SUBMIT_SHARING,
        .actor = job->request->actor,
        .writes = job->writes,
        .write_count = job->write_count,
        .copy = job->copy,
        .undo_seq = job->undo_seq,
        .dry_run = job->dry_run,
    };
    int rc = backend->submit(backend->context, &submit, 1, err);
    if (rc == 0 && submit.code != 0) {
        rc = err_set(err, submit.code, "%s", submit.text);
    }
    job->seq = submit.seq;
    return rc;
}

static int take_back(void *context, const struct change *change, struct err *err)
{
    return admin_sharing_preview_undo(context, change, err);
}

static int preview(struct switching *job, struct err *err)
{
    const struct admin_backend *backend = job->request->backend;
    struct admin_sharing_preview *preview = &job->preview;
    int rc = kv_view_new(&job->view, backend->kv, err);
    if (rc == 0) {
        rc = admin_sharing_preview_open(preview, backend->kv, job->view, job->request->given_up,
                                        err);
    }
    if (rc == 0) {
        rc = job->undo_seq != 0
                 ? admin_api_set(backend->journal, job->undo_seq, take_back, preview, err)
                 : admin_sharing_preview_switch(preview, job->writes, job->write_count, job->copy,
                                                err);
    }
    return rc == 0 ? admin_sharing_preview_count(preview, err) : rc;
}

/* --- what is answered --- */

static json_t *layers(const bool in[2])
{
    json_t *names = json_array();
    for (enum fence_layer layer = FENCE_SHARED; layer <= FENCE_DEVICE; layer++) {
        if (in[layer]) {
            (void)json_array_append_new(names, json_string(fence_layer_name(layer)));
        }
    }
    return names;
}

static int put_counted(json_t *rows, const struct admin_sharing_row *row, struct err *err)
{
    json_t *json = admin_api_category(row->before);
    json_t *members = json_pack(
        "{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I}", "was", admin_api_sharing_name(row->before),
        "sharing", admin_api_sharing_name(row->after), "initialised", layers(row->initialised),
        "lifted", layers(row->lifted), "users", (json_int_t)row->users, "devices",
        (json_int_t)row->device_count, "items", (json_int_t)row->items, "returning",
        (json_int_t)row->returning);
    bool done = json != NULL && members != NULL && json_object_update(json, members) == 0 &&
                json_array_append(rows, json) == 0;
    json_decref(members);
    json_decref(json);
    return done ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int document(struct switching *job, json_t *rows, json_t **out, struct err *err)
{
    json_t *seq = job->seq > 0 ? admin_api_seq(job->seq) : json_null();
    *out = job->undo_seq != 0
               ? json_pack("{s:b, s:o, s:o, s:O}", "dry_run", job->dry_run, "undone",
                           admin_api_seq(job->undo_seq), "seq", seq, "categories", rows)
               : json_pack("{s:b, s:b, s:o, s:O}", "dry_run", job->dry_run, "copy", job->copy,
                           "seq", seq, "categories", rows);
    return *out != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int answer_preview(struct switching *job, json_t **out, struct err *err)
{
    json_t *rows = json_array();
    int rc = 0;
    for (size_t i = 0; i < job->preview.count && rc == 0; i++) {
        const struct admin_sharing_row *row = &job->preview.rows[i];
        rc = admin_sharing_row_touched(row) ? put_counted(rows, row, err) : 0;
    }
    rc = rc == 0 ? document(job, rows, out, err) : rc;
    json_decref(rows);
    return rc;
}

/* As the journal has it, whatever else was changed meanwhile. */
static int answer_done(struct switching *job, json_t **out, struct err *err)
{
    const struct admin_backend *backend = job->request->backend;
    struct admin_catalogue catalogue = {0};
    json_t *row = NULL;
    json_t *none = json_array();
    int rc = admin_catalogue_read(&catalogue, backend->kv, NULL, err);
    if (rc == 0 && job->seq != 0) {
        rc = admin_api_set_row(backend->journal, &catalogue, job->seq, &row, err);
    }
    if (rc == 0) {
        json_t *rows = row != NULL ? json_object_get(row, "categories") : none;
        rc = document(job, rows, out, err);
    }
    json_decref(none);
    json_decref(row);
    admin_catalogue_free(&catalogue);
    return rc;
}

static int run(struct switching *job, struct admin_response *response, struct err *err)
{
    int rc = submit(job, err);
    if (rc == 0 && job->dry_run) {
        rc = preview(job, err);
    }
    if (rc == 0) {
        rc = job->dry_run ? answer_preview(job, &response->json, err)
                          : answer_done(job, &response->json, err);
    }
    response->partly = rc != 0 && job->seq != 0; /* it was done, and can't be told */
    admin_sharing_preview_close(&job->preview);
    kv_view_free(&job->view);
    return rc;
}

/* --- what is asked --- */

static int read_changes(struct switching *job, struct err *err)
{
    json_t *changes = json_object_get(job->body, "changes");
    const char *path;
    json_t *value;
    size_t count = json_object_size(changes);
    if (!json_is_object(changes) || count == 0) {
        return err_set(err, E_INVALID,
                       "'changes' tells which category is to be how, such as "
                       "{\"copy/default\": \"device\"}");
    }
    job->writes = calloc(count, sizeof *job->writes);
    if (job->writes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    json_object_foreach(changes, path, value)
    {
        const char *text = json_string_value(value);
        if (text == NULL || (strcmp(text, "shared") != 0 && strcmp(text, "device") != 0)) {
            return err_set(err, E_INVALID,
                           "'%s' can be \"shared\" (across all devices) or \"device\" "
                           "(device-specific)",
                           path);
        }
        job->writes[job->write_count++] =
            (struct operation_write){.path = span_str(path), .value = span_str(text)};
    }
    return 0;
}

static int read_undo(struct switching *job, struct err *err)
{
    const char *text = json_string_value(json_object_get(job->body, "seq"));
    if (text == NULL || text[0] == '\0' || strlen(text) > 20 ||
        text[strspn(text, "0123456789")] != '\0') {
        return err_set(err, E_INVALID,
                       "'seq' names the change to take back, such as \"4711\": GET "
                       "/api/v1/sharing tells which there are");
    }
    job->undo_seq = strtoull(text, NULL, 10);
    return job->undo_seq != 0 ? 0 : err_set(err, E_NOT_FOUND, "there is no change 0");
}

static void tell_audit(const struct switching *job, struct admin_response *response)
{
    json_t *changes = json_object();
    for (size_t i = 0; i < job->write_count && i < ADMIN_API_TOLD_MAX; i++) {
        (void)json_object_set_new(changes, (const char *)job->writes[i].path.data,
                                  admin_api_text(job->writes[i].value));
    }
    response->about = job->undo_seq != 0
                          ? json_pack("{s:o}", "undone", admin_api_seq(job->undo_seq))
                          : json_pack("{s:O, s:b}", "changes", changes, "copy", job->copy);
    json_decref(changes);
}

static int handle(struct switching *job, bool undo, struct admin_response *response,
                  struct err *err)
{
    const char *members = undo ? "seq dry_run" : "changes copy dry_run";
    int rc = admin_body_json(job->request, members, &job->body, err);
    if (rc == 0) {
        rc = admin_api_bool(job->body, "dry_run", &job->dry_run, err);
    }
    if (rc == 0) {
        rc = admin_api_bool(job->body, "copy", &job->copy, err);
    }
    if (rc == 0) {
        rc = undo ? read_undo(job, err) : read_changes(job, err);
    }
    if (rc == 0) {
        rc = run(job, response, err);
        tell_audit(job, response);
    }
    free(job->writes);
    json_decref(job->body);
    return rc;
}

int admin_api_sharing_put(const struct admin_request *request, struct admin_response *response,
                          struct err *err)
{
    struct switching job = {.request = request};
    return handle(&job, false, response, err);
}

int admin_api_sharing_undo(const struct admin_request *request, struct admin_response *response,
                           struct err *err)
{
    struct switching job = {.request = request};
    return handle(&job, true, response, err);
}
