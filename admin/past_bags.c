/* admin/past_bags.c - which bag was an owner's at a moment: the one of today, or one of the graves.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/past.h"

static void take_grave(struct admin_past_bag *out, const struct kv_grave *grave)
{
    *out = (struct admin_past_bag){
        .row = {.exists = true,
                .bag_id = grave->bag_id,
                .parent = grave->parent,
                .last_seq = grave->last_seq,
                .items = grave->items,
                .bytes = grave->bytes,
                .owner = grave->owner},
        .deleted = true,
        .whole = grave->whole,
        .deleted_seq = grave->last_seq,
    };
}

/* --- one owner's --- */

struct search {
    uint64_t seq;
    bool any;               /* a grave of that owner was seen */
    bool newest;            /* the newest one is wanted, not the one of that moment */
    uint64_t last_deletion; /* of those before the moment */
    uint64_t next_creation; /* of those behind it; 0: none */
    bool found;
    struct admin_past_bag *out;
};

static int see_grave(void *context, const struct kv_grave *grave, struct err *err)
{
    (void)err;
    struct search *search = context;
    search->any = true;
    if (search->newest ? grave->bag_id <= search->seq
                       : grave->bag_id <= search->seq && search->seq < grave->last_seq) {
        take_grave(search->out, grave); /* in order of ids: a later one is newer */
        search->found = true;
    } else if (grave->last_seq <= search->seq) {
        search->last_deletion = grave->last_seq;
    } else if (search->next_creation == 0) {
        search->next_creation = grave->bag_id;
    }
    return 0;
}

/* "user 'zoe'", for sentences. */
static void describe(const struct owner *owner, char out[OWNER_TEXT_MAX])
{
    int size = snprintf(out, OWNER_TEXT_MAX, "%s '%s'",
                        owner->kind == OWNER_GROUP ? "group" : "user", owner->shown);
    if (owner->kind == OWNER_USER_DEVICE) {
        char device[DEVICE_TEXT_MAX];
        device_format(owner->device, device);
        (void)snprintf(out + size, OWNER_TEXT_MAX - (size_t)size, " on machine %s", device);
    }
}

static int not_found(const struct admin_backend *backend, const struct owner *owner,
                     const struct search *search, struct err *err)
{
    char name[OWNER_TEXT_MAX];
    char before[64] = "";
    char behind[64] = "";
    describe(owner, name);
    uint64_t floor = journal_floor(backend->journal);
    if (search->last_deletion != 0) {
        (void)snprintf(before, sizeof before, ", it was deleted with change %" PRIu64,
                       search->last_deletion);
    }
    if (search->next_creation != 0) {
        (void)snprintf(behind, sizeof behind, ", it was made with change %" PRIu64,
                       search->next_creation);
    }
    bool known = search->any || search->next_creation != 0;
    if (known && search->last_deletion == 0 && search->seq + 1 < floor) {
        return err_set(err, E_TOO_OLD,
                       "whether there was %s after change %" PRIu64 " is not known any more: the "
                       "journal begins with change %" PRIu64,
                       name, search->seq, floor);
    }
    if (search->seq == ADMIN_PAST_NOW || !known) {
        return err_set(err, E_NOT_FOUND, "there is no %s%s", name, before);
    }
    return err_set(err, E_NOT_FOUND, "after change %" PRIu64 " there was no %s%s%s", search->seq,
                   name, before, behind);
}

int admin_past_bag(const struct admin_backend *backend, struct kv_view *view,
                   const struct owner *owner, uint64_t seq, struct admin_past_bag *out,
                   struct err *err)
{
    ASSERT(backend != NULL && view != NULL && owner != NULL && out != NULL);
    struct bag_row row = {0};
    struct search search = {.seq = seq, .out = out};
    int rc = kv_bag_of(backend->kv, view, owner, &row, err);
    if (rc == 0 && row.bag_id <= seq) {
        *out = (struct admin_past_bag){.row = row};
        return 0;
    }
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    bool now = rc == 0;
    rc = kv_graves(backend->kv, view, owner, see_grave, &search, err);
    if (rc == 0 && !search.found) {
        search.next_creation = search.next_creation == 0 && now ? row.bag_id : search.next_creation;
        rc = not_found(backend, owner, &search, err);
    }
    return rc;
}

int admin_past_deleted(const struct admin_backend *backend, struct kv_view *view,
                       const struct owner *owner, uint64_t seq, struct admin_past_bag *out,
                       struct err *err)
{
    ASSERT(backend != NULL && view != NULL && owner != NULL && out != NULL);
    struct search search = {.seq = seq, .newest = true, .out = out};
    int rc = kv_graves(backend->kv, view, owner, see_grave, &search, err);
    if (rc == 0 && !search.found) {
        char name[OWNER_TEXT_MAX];
        describe(owner, name);
        rc = err_set(err, E_NOT_FOUND, "no %s was deleted that anything is known of", name);
    }
    return rc;
}

/* --- a user's device-specific ones --- */

struct children {
    uint64_t seq;
    admin_past_bag_fn *each;
    void *context;
};

static int see_child(void *context, const struct bag_row *row, struct err *err)
{
    const struct children *children = context;
    struct admin_past_bag bag = {.row = *row};
    return row->bag_id <= children->seq ? children->each(children->context, &bag, err) : 0;
}

static int see_dead_child(void *context, const struct kv_grave *grave, struct err *err)
{
    const struct children *children = context;
    if (grave->bag_id > children->seq || grave->last_seq <= children->seq) {
        return 0;
    }
    struct admin_past_bag bag = {0};
    take_grave(&bag, grave);
    return children->each(children->context, &bag, err);
}

int admin_past_children(const struct admin_backend *backend, struct kv_view *view,
                        const struct bag_row *user, uint64_t seq, admin_past_bag_fn *each,
                        void *context, struct err *err)
{
    ASSERT(backend != NULL && view != NULL && each != NULL);
    ASSERT(user != NULL && user->owner.kind == OWNER_USER);
    struct children children = {seq, each, context};
    int rc = kv_children(backend->kv, view, user->bag_id, see_child, &children, err);
    if (rc == 0 && seq != ADMIN_PAST_NOW) {
        rc = kv_graves_under(backend->kv, view, &user->owner, user->bag_id, see_dead_child,
                             &children, err);
    }
    return rc;
}
