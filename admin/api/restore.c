/* admin/api/restore.c - POST /owners/restore: people, groups, or items of them, as they were.
 *
 * One that can't be restored does not keep the others from it: it is told in "failed".
 */
#include <stdio.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/moment.h"
#include "admin/restore.h"

enum {
    RESTORE_NAMES_MAX = 1000,
    RESTORE_ITEMS_MAX = 1000,
    RESTORE_WORK_MAX = 10000, /* names times items: each is looked up in the past */
};

struct restoring {
    const struct admin_request *request;
    bool dry_run;
    uint64_t seq;
    json_t *items; /* NULL: all of each owner */
    struct admin_restore_report total;
    json_int_t users;
    json_int_t groups;
    json_t *failed;
    json_t *told_users; /* the first of them, for the audit */
    json_t *told_groups;
};

static void add_report(struct restoring *job, const struct admin_restore_report *report)
{
    struct admin_restore_report *total = &job->total;
    total->seq = report->seq;
    total->set += report->set;
    total->changed += report->changed;
    total->removed += report->removed;
    total->bytes += report->bytes;
    total->bags += report->bags;
    total->change_sets += report->change_sets;
    total->last_seq = report->last_seq > total->last_seq ? report->last_seq : total->last_seq;
}

static int note_failure(struct restoring *job, const struct owner *owner, const char *name,
                        const char *item, int code, const char *reason)
{
    json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "kind", admin_api_kind(owner->kind), "name",
                            name, "code", err_name(code), "reason", reason);
    if (row != NULL && item != NULL) {
        (void)json_object_set_new(row, "item", json_string(item));
    }
    return json_array_append_new(job->failed, row) == 0 ? 0 : E_NOMEM;
}

/* Only what ends everything is an error. */
static int restore_one(struct restoring *job, const struct owner *owner, const char *name,
                       const char *item, struct err *err)
{
    struct admin_restore_report report = {0};
    struct err why = {0};
    struct admin_restore_options options = {
        .backend = job->request->backend,
        .actor = job->request->actor,
        .owner = *owner,
        .seq = job->seq,
        .only = span_str(item != NULL ? item : ""),
        .dry_run = job->dry_run,
        .given_up = job->request->given_up,
    };
    int rc = item != NULL ? path_check(options.only, &why) : 0;
    rc = rc == 0 ? admin_restore(&options, &report, &why) : rc;
    add_report(job, &report);
    if (rc == 0) {
        return 0;
    }
    if (rc == E_CLOSED || rc == E_NOMEM) {
        return err_set(err, rc, "%s", why.code == rc ? why.text : err_meaning(rc));
    }
    rc = note_failure(job, owner, name, item, rc, why.code == rc ? why.text : err_meaning(rc));
    return rc == 0 ? 1 : err_set(err, rc, "out of memory");
}

/* 1: something of it failed. */
static int restore_owner(struct restoring *job, enum owner_kind kind, const char *name,
                         struct err *err)
{
    struct owner owner = {.kind = kind};
    struct err why = {0};
    int rc = owner_make(&owner, kind, span_str(name), 0, &why);
    if (rc != 0) {
        owner.kind = kind;
        return note_failure(job, &owner, name, NULL, rc, why.text) == 0
                   ? 1
                   : err_set(err, E_NOMEM, "out of memory");
    }
    if (job->items == NULL) {
        return restore_one(job, &owner, name, NULL, err);
    }
    bool failed = false;
    size_t i;
    json_t *item;
    rc = 0;
    json_array_foreach(job->items, i, item)
    {
        rc = rc >= 0 ? restore_one(job, &owner, name, json_string_value(item), err) : rc;
        failed = failed || rc == 1;
    }
    return rc < 0 ? rc : failed;
}

static int restore_names(struct restoring *job, enum owner_kind kind, json_t *names,
                         json_int_t *done, struct err *err)
{
    size_t i;
    json_t *name;
    int rc = 0;
    json_array_foreach(names, i, name)
    {
        uint64_t before = job->total.change_sets;
        rc = restore_owner(job, kind, json_string_value(name), err);
        if (rc < 0) {
            return rc;
        }
        *done += rc == 0;
        if (rc == 0 || job->total.change_sets > before) { /* some items of it, at least */
            admin_api_tell(kind == OWNER_USER ? job->told_users : job->told_groups,
                           json_string_value(name));
        }
    }
    return 0;
}

static int read_body(struct restoring *job, json_t *body, json_t **users, json_t **groups,
                     struct err *err)
{
    struct journal *journal = job->request->backend->journal;
    json_t *at = json_object_get(body, "at");
    int rc = admin_api_bool(body, "dry_run", &job->dry_run, err);
    if (rc == 0) {
        rc = admin_api_strings(body, "users", RESTORE_NAMES_MAX, users, err);
    }
    if (rc == 0) {
        rc = admin_api_strings(body, "groups", RESTORE_NAMES_MAX, groups, err);
    }
    if (rc == 0) {
        rc = admin_api_strings(body, "items", RESTORE_ITEMS_MAX, &job->items, err);
    }
    if (rc == 0 && json_array_size(*users) + json_array_size(*groups) == 0) {
        rc = err_set(err, E_INVALID, "neither 'users' nor 'groups' names anybody");
    }
    job->items = json_array_size(job->items) > 0 ? job->items : NULL;
    size_t each = job->items != NULL ? json_array_size(job->items) : 1;
    size_t names = json_array_size(*users) + json_array_size(*groups);
    if (rc == 0 && names * each > RESTORE_WORK_MAX) {
        return err_set(err, E_TOO_LARGE,
                       "%zu items of %zu names are too many for one request: at "
                       "most %d in all",
                       each, names, (int)RESTORE_WORK_MAX);
    }
    job->seq = ADMIN_PAST_NOW;
    if (rc != 0 || at == NULL || json_is_null(at)) {
        return rc;
    }
    if (!json_is_string(at)) {
        return err_set(err, E_INVALID, "'at' is a seq or a time, as a text");
    }
    rc = admin_moment_seq(journal, json_string_value(at), &job->seq, err);
    if (rc == 0 && job->seq == 0) {
        rc = err_set(err, E_NOT_FOUND, "nothing was written before %s yet", json_string_value(at));
    }
    return rc == 0 ? admin_moment_whole(journal, &job->seq, err) : rc;
}

static json_t *document(const struct restoring *job)
{
    const struct admin_restore_report *total = &job->total;
    return json_pack(
        "{s:b, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:O}", "dry_run", job->dry_run,
        "users", job->users, "groups", job->groups, "at",
        total->seq != 0 && total->seq != ADMIN_PAST_NOW ? admin_api_seq(total->seq) : json_null(),
        "set", (json_int_t)total->set, "changed", (json_int_t)total->changed, "removed",
        (json_int_t)total->removed, "bytes", (json_int_t)total->bytes, "bags",
        (json_int_t)total->bags, "change_sets", (json_int_t)total->change_sets, "seq",
        total->last_seq > 0 ? admin_api_seq(total->last_seq) : json_null(), "failed", job->failed);
}

/* What the audit tells: whom, which items of them (none: all), and as of when. */
static json_t *told(const struct restoring *job, const json_t *body)
{
    const json_t *at = json_object_get(body, "at");
    json_t *items = json_array();
    size_t i;
    json_t *item;
    json_array_foreach(job->items, i, item)
    {
        admin_api_tell(items, json_string_value(item));
    }
    return json_pack("{s:O, s:O, s:I, s:o, s:o}", "users", job->told_users, "groups",
                     job->told_groups, "count", job->users + job->groups, "items", items, "at",
                     json_is_string(at) ? json_string(json_string_value(at)) : json_null());
}

int admin_api_owners_restore(const struct admin_request *request, struct admin_response *response,
                             struct err *err)
{
    json_t *body = NULL;
    json_t *users = NULL;
    json_t *groups = NULL;
    struct restoring job = {.request = request,
                            .failed = json_array(),
                            .told_users = json_array(),
                            .told_groups = json_array()};
    int rc = admin_body_json(request, "users groups items at dry_run", &body, err);
    if (rc == 0) {
        rc = read_body(&job, body, &users, &groups, err);
    }
    if (rc == 0) {
        rc = restore_names(&job, OWNER_USER, users, &job.users, err);
    }
    if (rc == 0) {
        rc = restore_names(&job, OWNER_GROUP, groups, &job.groups, err);
    }
    if (rc == 0) {
        response->json = document(&job);
        response->about = told(&job, body);
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    } else if (job.total.change_sets > 0 && !job.dry_run) {
        response->about = told(&job, body);
        response->partly = true;
    }
    json_decref(job.failed);
    json_decref(job.told_users);
    json_decref(job.told_groups);
    json_decref(body);
    return admin_api_past_code(request, response, rc);
}
