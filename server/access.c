/* server/access.c - rights, looked up in the items that stand for them. */
#include "server/access.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/rows.h"

static const char USER_PREFIX[] = "@user/";
static const char GROUP_PREFIX[] = "@group/";

static struct span path_of_id(char *out, const char *prefix, uint64_t bag_id)
{
    int size = snprintf(out, ACCESS_PATH_MAX, "%s%" PRIu64, prefix, bag_id);
    return span_of(out, (size_t)size);
}

struct span access_user_path(char *out, uint64_t bag_id)
{
    return path_of_id(out, USER_PREFIX, bag_id);
}

struct span access_made_path(char *out, uint64_t bag_id)
{
    return path_of_id(out, GROUP_PREFIX, bag_id);
}

struct span access_group_path(char *out, const char *folded)
{
    ASSERT(strlen(folded) <= GROUP_FOLDED_MAX);
    int size = snprintf(out, ACCESS_PATH_MAX, "%s%s", GROUP_PREFIX, folded);
    return span_of(out, (size_t)size);
}

static bool begins_with(struct span path, const char *prefix)
{
    size_t size = strlen(prefix);
    return path.size > size && memcmp(path.data, prefix, size) == 0;
}

/* 0: not a number. */
static uint64_t parse_id(struct span digits)
{
    uint64_t bag_id = 0;
    for (size_t i = 0; i < digits.size; i++) {
        uint8_t digit = digits.data[i];
        if (digit < '0' || digit > '9' || __builtin_mul_overflow(bag_id, 10u, &bag_id) ||
            __builtin_add_overflow(bag_id, (uint64_t)(digit - '0'), &bag_id)) {
            return 0;
        }
    }
    return bag_id;
}

uint64_t access_user_of_path(struct span path)
{
    size_t skip = sizeof USER_PREFIX - 1;
    return begins_with(path, USER_PREFIX) ? parse_id(span_of(path.data + skip, path.size - skip))
                                          : 0;
}

bool access_is_group_path(struct span path)
{
    return begins_with(path, GROUP_PREFIX);
}

void access_group_of_path(struct span path, char out[NAME_MAX_BYTES + 1])
{
    ASSERT(access_is_group_path(path) && path.size <= PATH_MAX_BYTES);
    size_t skip = sizeof GROUP_PREFIX - 1;
    memcpy(out, path.data + skip, path.size - skip);
    out[path.size - skip] = '\0';
}

/* Is there such an item? 1, 0, or a negative code. */
static int has_item(const struct access *access, uint64_t bag_id, struct span path, struct err *err)
{
    if (access->overlay != NULL) {
        struct item_row row = {0};
        int rc = overlay_item(access->overlay, bag_id, path, &row, err);
        return rc != 0 ? rc : row.state == ITEM_LIVE;
    }
    struct kv_item item = {0};
    int rc = kv_item(access->kv, NULL, bag_id, path, &item, err);
    if (rc != 0) {
        return rc;
    }
    bool live = item.row.state == ITEM_LIVE;
    kv_item_free(&item);
    return live;
}

int access_signed_in(const struct access *access, uint64_t user_bag, struct err *err)
{
    ASSERT(access != NULL);
    char path[ACCESS_PATH_MAX];
    return has_item(access, access->device_bag, access_user_path(path, user_bag), err);
}

/* --- lists --- */

struct users {
    access_user_fn *each;
    void *context;
};

static int each_user(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)row;
    struct users *users = context;
    uint64_t bag_id = access_user_of_path(path);
    return bag_id == 0 ? 0 : users->each(users->context, bag_id, err);
}

int access_users(struct kv *kv, uint64_t device_bag, access_user_fn *each, void *context,
                 struct err *err)
{
    ASSERT(kv != NULL && each != NULL);
    struct users users = {each, context};
    return rows_each(kv, device_bag, span_str(USER_PREFIX), each_user, &users, err);
}

struct groups {
    access_group_fn *each;
    void *context;
};

static int each_group(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct groups *groups = context;
    size_t skip = sizeof GROUP_PREFIX - 1;
    return groups->each(groups->context, span_of(path.data + skip, path.size - skip), row->value,
                        err);
}

int access_groups(struct kv *kv, uint64_t user_bag, access_group_fn *each, void *context,
                  struct err *err)
{
    ASSERT(kv != NULL && each != NULL);
    struct groups groups = {each, context};
    return rows_each(kv, user_bag, span_str(GROUP_PREFIX), each_group, &groups, err);
}

/* --- groups --- */

struct search {
    const struct access *access;
    struct span path; /* "@group/FOLDED" */
};

/* Stops (with 1) at the first signed-in user who belongs to the group. */
static int each_member(void *context, uint64_t bag_id, struct err *err)
{
    const struct search *search = context;
    return has_item(search->access, bag_id, search->path, err);
}

static int group_allowed(const struct access *access, const struct bag_row *bag, struct err *err)
{
    char path[ACCESS_PATH_MAX];
    int made = has_item(access, access->device_bag, access_made_path(path, bag->bag_id), err);
    if (made != 0) {
        return made;
    }
    if (strlen(bag->owner.folded) > GROUP_FOLDED_MAX) {
        return 0;
    }
    struct search search = {access, access_group_path(path, bag->owner.folded)};
    return access_users(access->kv, access->device_bag, each_member, &search, err);
}

/* --- the right --- */

bool access_keeps(enum device_keep keep, uint64_t device, const struct owner *owner)
{
    ASSERT(owner != NULL);
    switch (owner->kind) {
    case OWNER_GROUP:
        return keep >= KEEP_GROUPS;
    case OWNER_USER:
        return keep == KEEP_EVERYBODY;
    case OWNER_USER_DEVICE:
        return keep == KEEP_EVERYBODY && owner->device == device;
    case OWNER_FLEET:
    case OWNER_SERVER:
    case OWNER_DEVICE:
        break;
    }
    return false; /* what is its own it has anyhow */
}

/* 1, 0, or a negative code. */
static int allowed(const struct access *access, enum access_right right, const struct bag_row *bag,
                   struct err *err)
{
    if (right == ACCESS_READ && access_keeps(access->keep, access->device, &bag->owner)) {
        return 1;
    }
    switch (bag->owner.kind) {
    case OWNER_FLEET:
        return right == ACCESS_READ;
    case OWNER_SERVER:
        return 0;
    case OWNER_DEVICE:
        return bag->owner.device == access->device;
    case OWNER_USER:
        return access_signed_in(access, bag->bag_id, err);
    case OWNER_USER_DEVICE:
        return bag->owner.device == access->device ? access_signed_in(access, bag->parent, err) : 0;
    case OWNER_GROUP:
        return group_allowed(access, bag, err);
    }
    return 0;
}

int access_check(const struct access *access, enum access_right right, const struct bag_row *bag,
                 struct err *err)
{
    ASSERT(access != NULL && bag != NULL);
    int rc = allowed(access, right, bag, err);
    if (rc < 0) {
        return rc;
    }
    if (rc > 0) {
        return 0;
    }
    char owner[OWNER_TEXT_MAX];
    owner_format(&bag->owner, owner);
    return err_set(err, E_NOT_ALLOWED, "this machine may not %s '%s'%s",
                   right == ACCESS_READ ? "read" : "write to", owner,
                   bag->owner.kind == OWNER_USER ? ": that user is not signed in here" : "");
}
