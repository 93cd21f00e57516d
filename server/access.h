/* server/access.h - may this device read that bag, may it write to it?
 *
 * A device's own bag tells who is signed in there; a user's bag tells the groups:
 *
 *   device bag   @user/BAG_ID   = the user's shown name       signed in here
 *   device bag   @group/BAG_ID  = the group's shown name      a group that this device made, until
 *                                                             somebody of it signs in here
 *   user's bag   @group/FOLDED  = the group's shown name      belongs to this group
 *
 * Reading: fleet, the device's own bag, the bags of those users, their device-specific ones of this
 * device, their groups'. Writing: the same but fleet. Nobody reads or writes the server's bag.
 *
 * An administrator may let a device keep more, to read only: every group's bag (KEEP_GROUPS), and
 * every user's (KEEP_EVERYBODY), with the device-specific ones of this device, never another's.
 */
#ifndef KITBAG_SERVER_ACCESS_H
#define KITBAG_SERVER_ACCESS_H

#include "server/overlay.h"
#include "server/records.h"

enum { ACCESS_PATH_MAX = NAME_MAX_BYTES + 16 };

/* A group whose folded name is so long that "@group/" and it exceed a path has no such item: it is
 * refused as a name (248 bytes at most). */
enum { GROUP_FOLDED_MAX = PATH_MAX_BYTES - 7 };

/* The paths above, into ACCESS_PATH_MAX bytes. */
struct span access_user_path(char *out, uint64_t bag_id);
struct span access_made_path(char *out, uint64_t bag_id);
struct span access_group_path(char *out, const char *folded);
/* bag_id of "@user/BAG_ID"; 0: it is no such path. */
uint64_t access_user_of_path(struct span path);
bool access_is_group_path(struct span path);
/* The folded name of "@group/FOLDED". */
void access_group_of_path(struct span path, char out[NAME_MAX_BYTES + 1]);

struct access {
    struct kv *kv;
    struct overlay *overlay; /* NULL: judge by what is applied only */
    uint64_t device;
    uint64_t device_bag;
    enum device_keep keep;
};

enum access_right { ACCESS_READ, ACCESS_WRITE };

/* 0, E_NOT_ALLOWED with a sentence, or what reading the state may return. */
MUST_CHECK int access_check(const struct access *access, enum access_right right,
                            const struct bag_row *bag, struct err *err);

/* Is it a bag that a device of this number is to keep by `keep` alone? What LIST tells. */
bool access_keeps(enum device_keep keep, uint64_t device, const struct owner *owner);

/* Is the user of this bag signed in there? 1, 0, or what reading the state may return. */
MUST_CHECK int access_signed_in(const struct access *access, uint64_t user_bag, struct err *err);

/* The bag ids of the users who are signed in there, as applied. `each` returning non-zero stops
 * and is returned. */
typedef int access_user_fn(void *context, uint64_t bag_id, struct err *err);
MUST_CHECK int access_users(struct kv *kv, uint64_t device_bag, access_user_fn *each, void *context,
                            struct err *err);
/* The folded names of the groups that a user belongs to, as applied. */
typedef int access_group_fn(void *context, struct span folded, struct span shown, struct err *err);
MUST_CHECK int access_groups(struct kv *kv, uint64_t user_bag, access_group_fn *each, void *context,
                             struct err *err);

#endif
