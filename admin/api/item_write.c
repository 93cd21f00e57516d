/* admin/api/item_write.c - an administrator sets or removes one item: PUT and DELETE.
 *
 * A dry run goes the same way and stops before the writing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/api/api.h"

struct item_write {
    const struct admin_request *request;
    struct owner owner;
    struct operation_write write;
    bool dry_run;
    bool create;      /* the user's bag on the machine is made with it */
    bool there;       /* something is there now */
    uint64_t old_seq; /* and its seq */
    uint64_t seq;     /* of the change */
};

/* Is it written where it is read, and is it what the category holds? What was left behind in the
 * other layer can be removed all the same. */
static int check_category(const struct item_write *job, struct err *err)
{
    struct admin_catalogue catalogue = {0};
    const char *item = job->request->parts[2];
    int rc = admin_catalogue_read(&catalogue, job->request->backend->kv, NULL, err);
    if (rc != 0) {
        return rc;
    }
    const struct category *category = sharing_find(&catalogue.sharing, job->write.path);
    bool device = sharing_layer_of(category) == SHARING_DEVICE;
    if (job->owner.kind == OWNER_USER && device) {
        rc = err_set(err, E_SHARING_CHANGED,
                     "'%s' is device-specific now, each machine has a value of its own: say whose "
                     "it is to be with 'device', the machine's ID",
                     item);
    } else if (job->owner.kind == OWNER_USER_DEVICE && category != NULL && category->has_flag &&
               !device) {
        rc = err_set(err, E_SHARING_CHANGED,
                     "'%s' is shared across all devices now, and a value of one machine alone "
                     "would be seen nowhere: leave 'device' out",
                     item);
    } else if (job->owner.kind != OWNER_GROUP) {
        rc = sharing_check_value(category, job->write.path, job->write.value, err);
    }
    admin_catalogue_free(&catalogue);
    return rc;
}

static int is_active(void *context, const struct admin_device *device, struct err *err)
{
    (void)context;
    (void)err;
    return device->removed ? E_NOT_FOUND : 0;
}

/* The user has nothing yet on that machine alone: the first item makes the bag. */
static int look_at_machine(struct item_write *job, struct kv_view *view, struct err *err)
{
    struct kv *kv = job->request->backend->kv;
    struct owner user = job->owner;
    struct bag_row bag = {0};
    user.kind = OWNER_USER;
    user.device = 0;
    int rc = kv_bag_of(kv, view, &user, &bag, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? err_set(err, rc, "there is no user '%s'", user.shown) : rc;
    }
    rc = admin_device_find(kv, view, job->owner.device, is_active, NULL, err);
    job->create = rc == 0;
    return rc == E_NOT_FOUND
               ? err_set(err, rc, "there is no machine %s", admin_query(job->request, "device"))
               : rc;
}

/* What is there now: what a fence hides is not. */
static int look(struct item_write *job, struct err *err)
{
    const struct admin_backend *backend = job->request->backend;
    struct kv_view *view = NULL;
    struct admin_past_bag bag = {0};
    struct admin_past *past = NULL;
    struct admin_past_item item;
    int rc = kv_view_new(&view, backend->kv, err);
    if (rc == 0) {
        rc = admin_past_bag(backend, view, &job->owner, ADMIN_PAST_NOW, &bag, err);
    }
    if (rc == E_NOT_FOUND && job->owner.kind == OWNER_USER_DEVICE && !job->write.remove) {
        rc = look_at_machine(job, view, err);
    }
    if (rc == 0 && !job->create) {
        struct admin_past_options options = {.backend = backend,
                                             .view = view,
                                             .bag = &bag,
                                             .seq = ADMIN_PAST_NOW,
                                             .only = job->write.path};
        rc = admin_past_open(&past, &options, err);
    }
    if (rc == 0 && past != NULL) {
        rc = admin_past_next(past, &item, err);
        job->there = rc == 0;
        job->old_seq = rc == 0 ? item.seq : 0;
        rc = rc == E_NOT_FOUND ? 0 : rc;
    }
    admin_past_close(&past);
    kv_view_free(&view);
    return rc;
}

static int not_there(const struct item_write *job, struct err *err)
{
    return err_set(err, E_NOT_FOUND, "%s '%s' has no item '%s'", admin_api_kind(job->owner.kind),
                   job->owner.shown, job->request->parts[2]);
}

static int check_condition(struct item_write *job, struct err *err)
{
    struct admin_condition condition = {0};
    int rc = admin_request_condition(job->request, &condition, err);
    if (rc != 0 || !condition.given) {
        return rc;
    }
    if (condition.any) {
        condition.seq = job->old_seq;
    }
    if (condition.any ? !job->there : condition.seq != job->old_seq) {
        return job->there
                   ? err_set(err, E_CONDITION, "'%s' is at seq %" PRIu64 " now",
                             job->request->parts[2], job->old_seq)
                   : err_set(err, E_CONDITION, "'%s' is not there now", job->request->parts[2]);
    }
    job->write.has_if_seq = true;
    job->write.if_seq = condition.seq;
    return 0;
}

static int check(struct item_write *job, struct err *err)
{
    int rc = admin_api_owner_of(job->request, &job->owner, err);
    if (rc == 0) {
        rc = admin_query_bool(job->request, "dry_run", &job->dry_run, err);
    }
    if (rc == 0) {
        rc = path_check(job->write.path, err);
    }
    if (rc == 0 && path_reserved(job->write.path)) {
        rc = err_set(err, E_PATH, "the path '%s' begins with '@': such items are Kitbag's own",
                     job->request->parts[2]);
    }
    if (rc == 0 && !job->write.remove) {
        rc = value_check(job->write.path, job->write.value, err);
    }
    if (rc == 0 && !job->write.remove) {
        rc = check_category(job, err);
    }
    if (rc == 0) {
        rc = look(job, err);
    }
    if (rc == 0) {
        rc = check_condition(job, err);
    }
    return rc == 0 && job->write.remove && !job->there ? not_there(job, err) : rc;
}

static int submit(struct item_write *job, struct err *err)
{
    const struct admin_backend *backend = job->request->backend;
    struct submit submit = {
        .kind = SUBMIT_WRITE,
        .actor = job->request->actor,
        .create = job->create,
        .owner = job->owner,
        .writes = &job->write,
        .write_count = 1,
    };
    int rc = backend->submit(backend->context, &submit, 1, err);
    if (rc == 0 && submit.code != 0) {
        rc = err_set(err, submit.code, "%s", submit.text);
    }
    job->seq = submit.seq;
    return rc;
}

static int run(struct item_write *job, struct admin_response *response, struct err *err)
{
    int rc = check(job, err);
    if (rc == 0 && !job->dry_run) {
        rc = submit(job, err);
    }
    if (rc != 0) {
        return rc;
    }
    const char *what = job->write.remove ? "removed" : job->there ? "changed" : "added";
    response->json = json_pack("{s:b, s:s, s:s, s:s, s:I, s:o, s:o}", "dry_run", job->dry_run,
                               "name", job->owner.shown, "item", job->request->parts[2], "change",
                               what, "size", (json_int_t)job->write.value.size, "old_seq",
                               job->there ? admin_api_seq(job->old_seq) : json_null(), "seq",
                               job->seq > 0 ? admin_api_seq(job->seq) : json_null());
    response->etag = job->write.remove ? 0 : job->seq;
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

int admin_api_item_put(const struct admin_request *request, struct admin_response *response,
                       struct err *err)
{
    struct item_write job = {
        .request = request,
        .write = {.path = span_str(request->parts[2]), .value = request->body},
    };
    return run(&job, response, err);
}

int admin_api_item_delete(const struct admin_request *request, struct admin_response *response,
                          struct err *err)
{
    struct item_write job = {
        .request = request,
        .write = {.path = span_str(request->parts[2]), .remove = true},
    };
    return run(&job, response, err);
}
