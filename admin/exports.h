/* admin/exports.h - user data prepared for export: snapshot files of one seq, for a while.
 *
 * Preparing reads everything under one view of the state into a file of its own, the base, sealed
 * with a key that is in memory alone. What is offered is made of the base: a signed snapshot file
 * (docs/snapshot-format.md) of what was chosen, with a password or without one, and lists of
 * addresses. So all of it is of the same seq, and can be made again as long as the base is there.
 *
 * Keeps true:
 *   - The files have no names: what was prepared is gone from the disk when its time is over, when
 *     it is removed, when the server stops, and when it crashes. Who has one open reads it to its
 *     end.
 *   - No more than EXPORTS_MAX are there at once, and none is written into the disk's reserve.
 *   - Memory is flat: blocks of records, and the names that were chosen.
 *
 * Safe from any thread. Preparing blocks for as long as it takes to read the data.
 */
#ifndef KITBAG_ADMIN_EXPORTS_H
#define KITBAG_ADMIN_EXPORTS_H

#include <stdatomic.h>

#include "admin/backend.h"
#include "admin/people.h"
#include "base/clock.h"
#include "journal/snapshot.h"

struct admin_exports;

enum {
    EXPORTS_MAX = 16,
    EXPORT_ID_MAX = 17,   /* 16 digits, lower case, and the NUL */
    EXPORT_LATE_MAX = 20, /* machines that are named */
};

struct admin_exports_options {
    const char *dir;           /* the files are made in it; copied */
    const char *name;          /* the server's, for the header; "": its machine's. Copied */
    const uint8_t *secret_key; /* SNAPSHOT_SECRET_SIZE bytes, borrowed for life */
    const struct clock *clock; /* borrowed for life */
    uint64_t keep_ms;
    uint64_t users_max; /* that may be named at once; `all` is not counted */
    uint64_t groups_max;
    unsigned settle_ms; /* how long machines are waited for */
};

MUST_CHECK int admin_exports_start(struct admin_exports **out,
                                   const struct admin_exports_options *options, struct err *err);
/* Nobody may be calling any more. Accepts NULL and a nulled pointer. */
void admin_exports_stop(struct admin_exports **exports);
void admin_exports_limits(const struct admin_exports *exports, uint64_t *users_max,
                          uint64_t *groups_max, uint64_t *keep_ms);

/* What is in the file that is offered. */
struct admin_export_form {
    bool personal;        /* personal setting information: users' bags */
    bool groups;          /* user group address lists: groups' bags */
    struct span password; /* empty: none, and secret categories are left out. Borrowed */
};

struct admin_export_order {
    const struct owner *owners; /* users and groups, in any order; borrowed, as all of this */
    size_t owner_count;
    bool all;              /* everybody and all groups; `owners` does not count */
    uint64_t since_device; /* only what this machine's cursor lacks; 0: whole bags */
    struct admin_export_form form;
    const char *actor; /* at most ACTOR_MAX_BYTES */
    const atomic_bool *given_up;
};

/* One that is prepared. Plain data. */
struct admin_export {
    char id[EXPORT_ID_MAX];
    uint8_t history[HISTORY_SIZE];
    uint64_t seq;
    uint64_t created_ms; /* since 1970 */
    uint64_t expires_ms; /* since 1970, for people */
    uint64_t left_ms;    /* until it is gone */
    char by[ACTOR_MAX_BYTES + 1];
    bool all;
    uint64_t since_device;
    uint64_t users, groups; /* chosen */
    uint64_t personal_addresses, group_addresses;
    /* The file that is offered. */
    bool has_personal, has_groups, has_password;
    unsigned version; /* rises when it is made anew */
    uint64_t size;
    struct snapshot_counts counts;
    /* Machines that did not tell in time that the server has all they hold. */
    uint64_t late[EXPORT_LATE_MAX];
    uint64_t late_count; /* all of them */
};

/* E_INVALID (nothing was chosen, or more than the limits allow), E_NOT_FOUND (a name, the machine),
 * E_QUOTA (EXPORTS_MAX are there), E_NOSPACE, E_CLOSED (given up), and what reading the state and
 * writing snapshots may return. Then nothing is left. */
MUST_CHECK int admin_exports_prepare(struct admin_exports *exports,
                                     const struct admin_backend *backend,
                                     const struct admin_export_order *order,
                                     struct admin_export *out, struct err *err);
/* Make the file that is offered anew; whoever reads the one before reads on. E_NOT_FOUND. */
MUST_CHECK int admin_exports_shape(struct admin_exports *exports, const char *id,
                                   const struct admin_export_form *form, struct admin_export *out,
                                   struct err *err);

/* All of them, the oldest first, at most EXPORTS_MAX: how many. */
size_t admin_exports_list(struct admin_exports *exports, struct admin_export out[EXPORTS_MAX]);
/* E_NOT_FOUND: there is none of this ID, or its time is over. */
MUST_CHECK int admin_exports_get(struct admin_exports *exports, const char *id,
                                 struct admin_export *out, struct err *err);
/* The file that is offered: a descriptor of the caller's own, to be read with pread. E_NOT_FOUND,
 * E_SYSTEM. */
MUST_CHECK int admin_exports_open(struct admin_exports *exports, const char *id,
                                  struct admin_export *out, int *fd, struct err *err);
/* It is gone at once. E_NOT_FOUND. */
MUST_CHECK int admin_exports_remove(struct admin_exports *exports, const char *id, struct err *err);

/* Address lists of one, all of a kind in one file, for other programs. */
struct admin_export_lists {
    bool group; /* user groups' lists, not personal ones */
    enum admin_format format;
    const atomic_bool *given_up;
    uint64_t *addresses; /* out: how many are in it */
};
/* A new file without a name, the same one each time; the descriptor is the caller's. E_NOT_FOUND;
 * E_CONDITION: the export is of differences, and has no whole lists; E_CLOSED, E_NOSPACE... */
MUST_CHECK int admin_exports_addresses(struct admin_exports *exports, const char *id,
                                       const struct admin_export_lists *lists, int *fd,
                                       uint64_t *size, struct err *err);

#endif
