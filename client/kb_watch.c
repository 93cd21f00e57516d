/* client/kb_watch.c - the public functions for watching. */
#include "client/kb_inside.h"

bool client_user_of(struct kb *kb, const struct owner *owner, struct owner *user)
{
    if (owner->kind != OWNER_USER_DEVICE || owner->device != client_device(kb)) {
        return false;
    }
    *user = *owner;
    user->kind = OWNER_USER;
    user->device = 0;
    return true;
}

void client_tell(struct kb *kb, const struct owner *owner, struct span path, uint64_t seq)
{
    struct owner user;
    hub_tell(kb->hub, owner, path, seq);
    if (client_user_of(kb, owner, &user)) {
        hub_tell(kb->hub, &user, path, seq);
    }
}

int kb_watch(struct kb *kb, const char *bag, kb_change_fn *on_change, void *context,
             struct kb_watch **watch, struct kb_error *error)
{
    ASSERT(kb != NULL && on_change != NULL && watch != NULL);
    struct err err = {0};
    struct owner owner;
    int rc = bag != NULL ? owner_parse(&owner, bag, &err) : 0;
    rc = rc != 0 ? rc
                 : watch_new(kb->hub, bag != NULL ? &owner : NULL, false, on_change, context, watch,
                             &err);
    return rc == 0 ? 0 : client_fail(error, &err);
}

void kb_unwatch(struct kb *kb, struct kb_watch **watch)
{
    if (kb != NULL) { /* else nothing was watched: clean-up code may call this blindly */
        watch_free(kb->hub, watch);
    }
}

int kb_fd(const struct kb *kb)
{
    ASSERT(kb != NULL);
    return hub_fd(kb->hub);
}

int kb_dispatch(struct kb *kb)
{
    ASSERT(kb != NULL);
    return hub_dispatch(kb->hub);
}
