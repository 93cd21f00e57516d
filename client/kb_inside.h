/* client/kb_inside.h - the inside of struct kb, for the files that are made of it.
 *
 * Why a value never flips back. A reader looks at the outbox first and at the replica second; the
 * network thread commits to the replica first and takes a passed write out of the outbox second.
 * So a reader that misses in the outbox, because the write was taken out, reads a replica that has
 * it (or what came after it). A write is taken out only when its outcome is on disk and its bag's
 * cursor has passed its seq, so after a crash it is not there again over something newer; and if a
 * power cut undid the replica's last commit, it is there again, because its record leaves the
 * outbox's file only after replica_sync (outbox_set_barrier).
 *
 * Locks. `control` is held by who starts, stops or joins, for as long as that takes. `lock` guards
 * identity, live, mirroring, judging, kept, note and requests, is held for moments, and no other
 * lock is taken under it. The replica, the outbox and the hub have locks of their own; the order is
 * outbox, then replica.
 */
#ifndef KITBAG_CLIENT_KB_INSIDE_H
#define KITBAG_CLIENT_KB_INSIDE_H

#include <limits.h>
#include <pthread.h>

#include "client/identity.h"
#include "client/include/kitbag.h"
#include "client/outbox.h"
#include "client/replica.h"
#include "client/watch.h"
#include "client/world.h"

struct network;
struct request;

/* What the network thread last told of itself. */
struct live {
    bool connected; /* WELCOME came */
    bool caught_up; /* all bags kept were complete since then */
    bool refused;   /* the server refused this machine until somebody acts */
    int code;       /* why it is not connected, or why writes wait */
    char text[ERR_TEXT_MAX];
    char server[ADDRESS_MAX_BYTES + 1];
    uint64_t head_seq;
    uint64_t current_seq;   /* all bags kept are complete to here; 0: not known */
    uint64_t last_heard_ms; /* since 1970 */
    uint64_t healed;        /* bags ever fetched anew because they differed from the server's */
    uint64_t verified_ms;   /* since 1970: every bag was compared since then; 0: not yet */
};

/* How the copy of the server's journal is. */
struct mirroring {
    int code;
    char text[ERR_TEXT_MAX]; /* "": nothing to say */
    uint64_t floor_seq;      /* from here ... */
    uint64_t seq;            /* ... to here it is complete */
    uint64_t bytes;          /* of disk */
};

/* What joining, or starting again, has still to judge (kb_policy.h). */
struct judging {
    bool due;
    bool held;             /* operations wait for it */
    int policy;            /* enum kb_join_policy */
    uint64_t upto;         /* operations with an id up to this one */
    struct kb_judged done; /* what came of it so far */
};

struct kb {
    char dir[PATH_MAX];
    char identity_path[PATH_MAX];
    int lock_fd;
    struct client_world world; /* fixed */
    struct replica *replica;
    struct outbox *outbox;
    struct hub *hub;
    struct mirror *mirror; /* of whoever runs the network's turns; NULL: none, or not opened */
    char mirror_dir[PATH_MAX];
    uint64_t mirror_keep_ms; /* 0: everything */
    int mirror_lock_fd;
    uint64_t keep_users_max, keep_unused_ms; /* 0: no bound */
    pthread_mutex_t due_lock; /* what client_due_add and _done read is what they replace */
    pthread_mutex_t control;
    struct network *network; /* NULL while stopped; written with `control` and `lock` */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* requests, live */
    struct identity identity;
    struct live live;
    struct mirroring mirroring;
    struct judging judging;
    unsigned kept;            /* enum wire_keep, as the server last said; also while it is away */
    char note[ERR_TEXT_MAX];  /* something found that is not wrong any more; "" mostly */
    struct request *requests; /* sign-ins that somebody waits for */
    uint64_t last_ref;
    bool closing; /* who waits gives up */
};

/* --- kb_open.c --- */
/* kb_open in a world of the caller's; `world` may be NULL and is copied. With a port of its own the
 * machine has no thread: after kb_start the caller drives kb->network by network_turn, signs people
 * in by client_login_begin, and calls nothing that waits. Joining is not made up: a test stores an
 * identity (identity_store) in the folder first. */
MUST_CHECK int client_open(struct kb **kb, const struct kb_options *options,
                           const struct client_world *world, struct kb_error *error);
/* Of the machine's world. */
uint64_t client_wall_ms(const struct kb *kb);
uint64_t client_mono_ms(const struct kb *kb);
uint64_t client_up_ms(const struct kb *kb);
uint64_t client_random(const struct kb *kb);
/* Copies an error of ours to one of the public header; returns its code. */
int client_fail(struct kb_error *error, const struct err *err);
bool client_joined(struct kb *kb);
/* This machine's ID; 0: it never joined. */
uint64_t client_device(struct kb *kb);
/* Everybody who waits in a call gives up with E_CLOSED, now and later: kb_close is next. */
void client_give_up(struct kb *kb);
/* Stores a changed identity: whole, durably, then in memory. */
MUST_CHECK int client_store_identity(struct kb *kb, const struct identity *identity,
                                     struct err *err);
/* --- kb_settle.c --- */
/* The owner's bag here is the server's bag `bag_id` from now on, and kept. `out` may be NULL. */
MUST_CHECK int client_keep_bag(struct kb *kb, const struct owner *owner, uint64_t bag_id,
                               struct replica_bag *out, struct err *err);
/* Gives every CREATE of the outbox its bag in the replica, and the bag its id. */
MUST_CHECK int client_settle_creates(struct kb *kb, struct err *err);
/* Lets go of taken up writes that the replica has, and begins to keep the bags of users on this
 * machine that writes made. */
struct client_settled {
    bool waiting; /* some outcomes are not durable */
    bool added;   /* a bag: it is to be followed */
};
MUST_CHECK int client_settle_passed(struct kb *kb, struct client_settled *settled, struct err *err);
/* Writes of bags that are gone stay to be answered, and are visible no more. */
MUST_CHECK int client_hide_gone(struct kb *kb, struct err *err);
/* Both, and tells watchers where the visible value changed by it. */
void client_passed(struct kb *kb, uint64_t bag_id, uint64_t cursor, bool *waiting);

/* --- kb_mirror.c --- */
/* Opens the copy of the journal when it is not open; by whoever runs the network's turns, or before
 * anybody does. */
MUST_CHECK int client_mirror_open(struct kb *kb, struct err *err);
/* The same at the start: a failure is told by the status alone. Without a folder: nothing. */
void client_mirror_begin(struct kb *kb);
void client_mirror_close(struct kb *kb);
/* Tells the status where it stands. */
void client_mirror_tell(struct kb *kb);

/* --- network_keep.c, network_care.c --- */
/* What the server said when this machine was last connected: enum wire_keep. */
unsigned client_kept_note(struct kb *kb);
uint64_t client_healed_note(struct kb *kb);

/* --- kb_status.c --- */
/* What the machine's owner can do about a refusal that stands, or NULL. */
const char *client_remedy(int code);

/* --- kb_sync.c --- */
/* Is it connected? It is one of the server's, then. */
bool client_connected(struct kb *kb);
/* Was it started, and not stopped since? */
bool client_wanted(struct kb *kb);
/* Connects when it was started, without waiting; else does nothing. */
MUST_CHECK int client_connect(struct kb *kb, struct err *err);

/* With kb->control: the network ends, until client_go_on. False: it does not run. */
bool client_halt(struct kb *kb);
MUST_CHECK int client_go_on(struct kb *kb, struct err *err);

/* --- kb_items.c --- */
/* The bag that `text` names and that is kept here. E_INVALID, E_NAME, E_NOT_SIGNED_IN. */
MUST_CHECK int client_find_bag(struct kb *kb, const char *text, struct replica_bag *bag,
                               struct err *err);
/* What is visible, of a user's bag on this machine: E_NOT_FOUND, or the value (appended; may be
 * NULL) and its row. `pending`: it is a local write that the server has not taken up, and its row
 * has a time only. A default's row has the seq 0. */
MUST_CHECK int client_read(struct kb *kb, const struct owner *owner, struct span path,
                           struct buf *value, struct item_row *row, bool *pending, struct err *err);
/* The local writes to an item, and the view that they lie over. Not to be moved. */
struct client_over {
    struct replica_view view;
    struct owner device; /* the same user on this machine */
    struct replica_local own, on_device;
    struct buf own_value, device_value;
};
/* To be freed whatever it returns. `owner` is borrowed until then. */
MUST_CHECK int client_over_find(struct kb *kb, const struct owner *owner, struct span path,
                                struct client_over *over, struct err *err);
void client_over_free(struct client_over *over);
/* After E_CORRUPT of reading: what was damaged is fetched anew. Other results are fine. */
void client_tell_damage(struct kb *kb, int rc);

/* --- kb_watch.c --- */
/* The user whose bag on this machine it is; false: it is another kind of bag. */
bool client_user_of(struct kb *kb, const struct owner *owner, struct owner *user);
/* hub_tell; what changes in a user's bag on this machine is told of the user's bag, too. */
void client_tell(struct kb *kb, const struct owner *owner, struct span path, uint64_t seq);

/* --- kb_write.c --- */
/* Is the user's item written to the bag on the device now? `rules`: a const struct replica_rules,
 * or NULL. An outbox_device_fn. */
bool client_is_device_specific(void *rules, struct span path);

/* --- kb_explain.c --- */
enum kb_layer client_layer(enum replica_layer layer);

/* --- kb_people.c --- */
/* Signing in without waiting. `request` stays NULL when it is done already (kept, and there is no
 * connection; a machine that never joined). Else ask client_login_end until it does not return
 * E_DEFERRED: then the request is freed and nulled. `give_up`: as when the time is over. */
MUST_CHECK int client_login_begin(struct kb *kb, const char *user, const char *const *groups,
                                  struct request **request, struct err *err);
MUST_CHECK int client_login_end(struct kb *kb, struct request **request, bool give_up,
                                struct err *err);

/* --- kb_groups.c --- */
/* Which groups a user signed in with: shown names, remembered with the user's bag. */
enum { KB_GROUPS_MAX = 64 };
struct kb_groups {
    size_t count;
    struct owner list[KB_GROUPS_MAX];
};
MUST_CHECK int client_groups_get(struct kb *kb, uint64_t user_local, struct kb_groups *out,
                                 struct err *err);
MUST_CHECK int client_groups_set(struct kb *kb, uint64_t user_local, const struct kb_groups *groups,
                                 struct err *err);
MUST_CHECK int client_groups_forget(struct kb *kb, uint64_t user_local, struct err *err);
/* The note that keeps them, which has this name and the bag's local number; errors stay in the
 * buffer. */
#define CLIENT_NOTE_GROUPS "groups/"
void client_groups_put(const struct kb_groups *groups, struct buf *out);
/* Drops group bags that no kept user needs; `dropped` is told each server's bag that went. */
MUST_CHECK int client_drop_spare_groups(struct kb *kb,
                                        void (*dropped)(void *context, uint64_t bag_id),
                                        void *context, struct err *err);

/* --- kb_people.c, again --- */
/* A signed-in user is let go of: as kb_logout, by the machine itself. E_NOT_SIGNED_IN. */
MUST_CHECK int client_let_go(struct kb *kb, const struct owner *user, struct err *err);
/* The user's bag goes, and with it those of the user on one device. */
MUST_CHECK int client_drop_own_devices(struct kb *kb, const struct owner *user, struct err *err);
/* Are bags of this kind kept here by a right, whoever is signed in? */
bool client_keeps(struct kb *kb, enum owner_kind kind);
/* That long from now, for conditions that wait by `kb->changed`. */
struct timespec client_after(unsigned timeout_ms);
/* Is the user in the server's list of who is signed in here, as far as this machine knows it? */
bool client_is_listed(struct kb *kb, uint64_t bag_id);

/* --- kb_due.c --- */
struct due {
    uint64_t bag_id; /* the user's */
    bool in, out;    /* one of both, or the one after the other */
    struct owner user;
    struct kb_groups groups;
};
/* In the order in which they were added; `due` is borrowed. Not 0 from `each` stops and is
 * returned; it may not add or remove. */
typedef int client_due_fn(void *context, const struct due *due, struct err *err);
MUST_CHECK int client_dues(struct kb *kb, client_due_fn *each, void *context, struct err *err);
/* Instead of what there is of this bag. E_QUOTA. */
MUST_CHECK int client_due_add(struct kb *kb, const struct due *due, struct err *err);
/* Has the server still to be told of anything of this bag? */
bool client_is_due(struct kb *kb, uint64_t bag_id);
/* The server was told of the sign-in (a sign-out stays), or with `out` of all. There may be none.
 */
MUST_CHECK int client_due_done(struct kb *kb, uint64_t bag_id, bool out, struct err *err);

/* More of them, for a note that is written with other things in one transaction: the list as it is
 * (nobody else changes it until the end), what is put to it (one per bag that has none), and the
 * note's bytes. E_QUOTA. */
#define CLIENT_NOTE_DUES "due"
enum { CLIENT_DUES_BYTES_MAX = 4 << 20 };
struct due_list {
    struct buf bytes;
    uint32_t count;
};
MUST_CHECK int client_dues_begin(struct kb *kb, struct due_list *list, struct err *err);
MUST_CHECK int client_dues_put(struct due_list *list, const struct due *due, struct err *err);
MUST_CHECK int client_dues_bytes(const struct due_list *list, struct buf *out, struct err *err);
void client_dues_end(struct kb *kb, struct due_list *list);

#endif
