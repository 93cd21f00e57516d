/* admin/api/remove.c - see remove.h */
#include "admin/api/remove.h"

#include "admin/api/api.h"

enum {
    IDS_MAX = 10000,
    REMOVE_TRIES = 5, /* a machine that joins at the same moment changes its item and its token's */
};

int admin_removal_write(struct admin_removal *removal, const struct operation_write *write,
                        struct err *err)
{
    const struct admin_backend *backend = removal->request->backend;
    struct submit submit = {
        .kind = SUBMIT_WRITE,
        .actor = removal->request->actor,
        .owner = {.kind = OWNER_SERVER},
        .writes = write,
        .write_count = 1,
    };
    int rc = backend->submit(backend->context, &submit, 1, err);
    removal->seq = submit.seq > removal->seq ? submit.seq : removal->seq;
    return rc == 0 && submit.code != 0 ? err_set(err, submit.code, "%s", submit.text) : rc;
}

/* Only what ends everything is an error; the rest is told of this one. */
static int remove_one(const struct admin_removable *kind, struct admin_removal *removal,
                      const char *id, struct err *err)
{
    struct err why = {0};
    int rc = E_CONDITION;
    for (int i = 0; i < REMOVE_TRIES && rc == E_CONDITION; i++) {
        rc = kind->remove(removal, id, &why);
    }
    if (rc == E_CLOSED || rc == E_NOMEM) {
        return err_set(err, rc, "%s", why.text);
    }
    if (rc == 0) {
        removal->removed++;
        admin_api_tell(removal->told, id);
    } else if (rc == E_NOT_FOUND) {
        (void)json_array_append_new(removal->missing, json_string(id));
    } else {
        (void)json_array_append_new(removal->failed, json_pack("{s:s, s:s, s:s}", "id", id, "code",
                                                               err_name(rc), "reason", why.text));
    }
    return 0;
}

static int remove_all(const struct admin_removable *kind, struct admin_removal *removal,
                      const json_t *ids, struct err *err)
{
    size_t i;
    json_t *id;
    int rc =
        json_array_size(ids) > 0 ? 0 : err_set(err, E_INVALID, "'ids' names no %s", kind->thing);
    json_array_foreach(ids, i, id)
    {
        rc = rc == 0 ? remove_one(kind, removal, json_string_value(id), err) : rc;
    }
    return rc;
}

static int answer(const struct admin_removable *kind, const struct admin_removal *removal,
                  size_t wanted, struct admin_response *response, struct err *err)
{
    response->json = json_pack("{s:b, s:I, s:o, s:O, s:O}", "dry_run", removal->dry_run,
                               kind->things, removal->removed, "seq",
                               removal->seq > 0 ? admin_api_seq(removal->seq) : json_null(),
                               "missing", removal->missing, "failed", removal->failed);
    if (response->json == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    bool nothing = removal->removed == 0 && json_array_size(removal->failed) == 0;
    return nothing ? err_set(err, E_NOT_FOUND, "%s has %s", kind->none,
                             wanted > 1 ? "one of these ids" : "this id")
                   : 0;
}

/* What the audit tells: how many, and perhaps the first of them by their ids. */
static json_t *told(const struct admin_removable *kind, const struct admin_removal *removal)
{
    json_t *about = json_pack("{s:I}", "count", removal->removed);
    if (about != NULL && kind->is_named) {
        (void)json_object_set(about, kind->things, removal->told); /* the number is told at least */
    }
    return about;
}

int admin_removal_run(const struct admin_removable *kind, const struct admin_request *request,
                      struct admin_response *response, struct err *err)
{
    struct admin_api_named wanted = {0};
    struct admin_removal removal = {
        .request = request, .told = json_array(), .missing = json_array(), .failed = json_array()};
    int rc = admin_api_named(request, "ids", IDS_MAX, kind->thing, &wanted, err);
    removal.dry_run = wanted.dry_run;
    if (rc == 0) {
        rc = remove_all(kind, &removal, wanted.names, err);
    }
    if (rc == 0) {
        rc = answer(kind, &removal, json_array_size(wanted.names), response, err);
    }
    response->about = told(kind, &removal);
    if (rc != 0 && removal.removed > 0 && !removal.dry_run) {
        response->partly = true;
        (void)err_prefix(err, "after %" JSON_INTEGER_FORMAT " of %zu", removal.removed,
                         json_array_size(wanted.names));
    }
    json_decref(removal.told);
    json_decref(removal.missing);
    json_decref(removal.failed);
    json_decref(wanted.body);
    return rc;
}
