/* client/include/kitbag.h - personal settings that follow their person, on a client machine.
 *
 * A data folder holds this machine's replica and its outbox. Reads and writes are local and never
 * wait for the network: a write is durable when kb_set returns and is sent when the server can be
 * reached. One process owns a folder; for any other kb_open gives KB_E_BUSY and the address of the
 * local socket by which the owner (usually `kitbag agent`) serves others.
 *
 * Threads: every function may be called from any thread at any time, but kb_close, which must be
 * the last. Callbacks of kb_watch run inside kb_dispatch, on the thread that calls it; they may
 * call anything but kb_close and kb_dispatch. Other callbacks run inside the call they were given
 * to.
 *
 * Names of bags: "user:NAME", "group:ID", "user:NAME/device:ID", "device:ID", "fleet". Items are
 * paths such as "copy/default": 1 to 255 bytes of UTF-8, segments by '/', none empty, "." or "..",
 * no control character. Values are 0 to 1 MiB of any bytes.
 *
 * Results are 0 or a negative KB_E_... code; `error` (may be NULL) then holds a sentence that names
 * the thing and the remedy, and outputs are untouched.
 */
#ifndef KITBAG_H
#define KITBAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KB_API __attribute__((visibility("default")))

/* Numbers never change. kb_code_name gives the stable name, kb_exit_code what commands exit with.
 */
enum kb_code {
    KB_OK = 0,
    KB_E_INVALID = -1,
    KB_E_NOT_FOUND = -2,
    KB_E_EXISTS = -3,
    KB_E_CONDITION = -4,
    KB_E_NOT_ALLOWED = -5,
    KB_E_UNREACHABLE = -6,
    KB_E_TIMEOUT = -7,
    KB_E_NOMEM = -8,
    KB_E_IO = -9,
    KB_E_NOSPACE = -10,
    KB_E_CORRUPT = -11,
    KB_E_FORMAT = -12,
    KB_E_BUSY = -13,
    KB_E_TOO_LARGE = -14,
    KB_E_MALFORMED = -15,
    KB_E_PATH = -16,
    KB_E_NAME = -17,
    KB_E_STOPPED = -18,
    KB_E_READ_ONLY = -19,
    KB_E_DEFERRED = -20,
    KB_E_BAG_GONE = -21,
    KB_E_DROPPED = -22,
    KB_E_TOKEN_UNKNOWN = -23,
    KB_E_TOKEN_USED = -24,
    KB_E_TOKEN_EXPIRED = -25,
    KB_E_DEVICE_REMOVED = -26,
    KB_E_HISTORY = -27,
    KB_E_DIVERGED = -28,
    KB_E_PROTOCOL = -29,
    KB_E_BAG_EXISTS = -33,
    KB_E_NOT_JOINED = -34,
    KB_E_NOT_SIGNED_IN = -35,
    KB_E_QUOTA = -38,
    KB_E_SYSTEM = -39,
    KB_E_CLOSED = -40,
    KB_E_PERMISSION = -41,
    KB_E_TOO_OLD = -42,
    KB_E_SHARING_CHANGED = -49,
    KB_E_CATEGORY = -50,
    KB_E_SIGNATURE = -51,
    KB_E_PASSWORD = -52
};

struct kb_error {
    int code;
    char text[384];
};

struct kb; /* an open data folder */

/* --- opening --- */

struct kb_options {
    size_t size;          /* sizeof(struct kb_options) */
    const char *data_dir; /* made when it is not there (0700) */
    const char *socket;   /* the agent's socket, for the sentence of KB_E_BUSY; NULL: in data_dir */
    uint64_t map_bytes;   /* most that the replica may grow to; 0: 16 GiB (sparse) */
    uint64_t outbox_bytes; /* most that may wait to be sent; 0: 64 MiB */
    /* The folder of a copy of the server's whole journal, kept when an administrator gave this
     * machine that right; NULL: none. */
    const char *mirror_dir;
    uint64_t mirror_keep_ms; /* what is so much older than its last change goes; 0: nothing */
    /* Users whose bags nobody used for so long, or the least recently used of more than so many,
     * are signed out by this machine while it is connected; 0: never. None whose writes were not
     * sent, and none at all where everybody is kept by a right. A clock that steps by more than an
     * hour makes nobody unused: disuse counts anew from there. */
    uint64_t keep_users_max;
    uint64_t keep_unused_ms;
};

/* Opens the folder for this process: recovers outbox and replica. Nothing connects before kb_start.
 * KB_E_BUSY, KB_E_FORMAT (a newer version wrote it), KB_E_CORRUPT (names the file and the remedy),
 * KB_E_PERMISSION, KB_E_NOSPACE. */
KB_API int kb_open(struct kb **kb, const struct kb_options *options, struct kb_error *error);
/* Stops, waits for its threads, closes, nulls. */
KB_API void kb_close(struct kb **kb);

/* --- joining a server, connecting --- */

/* Whose values count where the server and this machine both have a user or group, when a machine
 * with data joins, or goes on after it stood stopped. What only this machine has is taken up in any
 * case. The last three judge item by item, and keep what only one side has; on a machine that goes
 * on they judge what it wrote to items that others have changed since. What is replaced by it, here
 * or there, is saved in a file first. */
enum kb_join_policy {
    KB_SERVER_WINS = 0, /* the server's copy of the whole bag; on a machine that goes on: none, what
                           it wrote is sent, and the later arrival counts */
    KB_CLIENT_WINS = 1, /* this machine's value */
    KB_NEWEST = 2,      /* the later one: when it was written here, when the server took it up */
    KB_MERGE = 3        /* the server's value */
};

struct kb_join_options {
    size_t size;
    const char *const *servers; /* addresses to use instead of the token's; NULL-ended, or NULL */
    const char *name;           /* of this machine; NULL: the host's name */
    const char *serial;         /* NULL: "" */
    const char *model;          /* NULL: "" */
    enum kb_join_policy policy;
    unsigned timeout_ms; /* 0: 10 s */
};

struct kb_join_report {
    char device[17]; /* this machine's ID, 16 hexadecimal digits */
    uint64_t users;  /* local users that will be taken up when they meet the server */
    uint64_t writes; /* local writes that wait in the outbox */
};

/* Join with a token (blocks until the server answered). A machine that was removed may join the
 * same server again, and keeps what it has. KB_E_EXISTS: joined already; KB_E_TOKEN_...,
 * KB_E_UNREACHABLE, KB_E_PROTOCOL. May be repeated after a failure. */
KB_API int kb_join(struct kb *kb, const char *token, const struct kb_join_options *options,
                   struct kb_join_report *report, struct kb_error *error);

/* What the policy has come to, of items that both sides had. */
struct kb_judged {
    size_t size;             /* set by the caller to sizeof(struct kb_judged) */
    uint64_t users, groups;  /* that both sides had something of */
    uint64_t same;           /* items with the same value on both sides */
    uint64_t taken;          /* this machine's items that the server had not */
    uint64_t replaced_there; /* its items whose value replaced the server's */
    uint64_t replaced_here;  /* its items whose value was replaced by the server's, or given up */
    char saved[4096];        /* the file with all values that were replaced; "": there were none */
};
/* Waits until the policy of the last kb_join or kb_start_with was carried out: at once when there
 * is nothing to judge. KB_E_TIMEOUT: it goes on; KB_E_STOPPED: when synchronization is started;
 * KB_E_CLOSED. `judged` is also filled when it returns KB_E_TIMEOUT. */
KB_API int kb_judged(struct kb *kb, unsigned timeout_ms, struct kb_judged *judged,
                     struct kb_error *error);

/* Connect and keep connected (returns at once; remembered in the folder) / stop. Starting a machine
 * that never joined is KB_E_NOT_JOINED. What is kept stays usable after a stop. */
KB_API int kb_start(struct kb *kb, struct kb_error *error);
KB_API int kb_stop(struct kb *kb, struct kb_error *error);
/* kb_start with a policy for what was written here since the machine stopped, or lost its server.
 * KB_E_CONDITION: it is connected, and sends what it writes. */
KB_API int kb_start_with(struct kb *kb, enum kb_join_policy policy, struct kb_error *error);

/* --- people --- */

/* Sign a user in. Connected: the bags of the user and of `groups` (NULL-ended, may be NULL) are
 * fetched and kept; returns when they are complete here. Not connected within timeout_ms (0: 5 s)
 * or stopped: a user whose bag is kept signs in at once, any other gets KB_E_UNREACHABLE or
 * KB_E_STOPPED. A machine that never joined registers the user itself. */
KB_API int kb_login(struct kb *kb, const char *user, const char *const *groups, unsigned timeout_ms,
                    struct kb_error *error);
/* The user's bags are no longer kept here (their unsent writes still go out). */
KB_API int kb_logout(struct kb *kb, const char *user, struct kb_error *error);

struct kb_user {
    const char *name; /* as first written */
    uint64_t cursor;  /* the seq up to which the bag is complete here; 0: not yet */
    uint64_t items;
    bool complete;
};
/* Callbacks return 0 to go on; anything else stops and is returned. */
typedef int kb_user_fn(void *context, const struct kb_user *user);
KB_API int kb_users(struct kb *kb, kb_user_fn *each, void *context, struct kb_error *error);

/* --- reading and writing: local, durable, at once --- */

/* "user:NAME" is what counts for that user on this machine. Where an administrator made a category
 * device-specific, reads see and writes change this machine's own values of it; where the user has
 * none, there may be a default. "user:NAME/device:ID" is the bag itself in which a machine's own
 * values of a user are. */
enum kb_layer {
    KB_LAYER_NONE = 0,
    KB_LAYER_SHARED = 1, /* the same on all machines */
    KB_LAYER_DEVICE = 2, /* this machine's own */
    KB_LAYER_DEFAULT = 3 /* nobody wrote it: for everybody who has none */
};

struct kb_value {
    void *data; /* with one NUL behind it that `size` does not count; kb_value_free */
    size_t size;
    uint64_t seq;     /* the server's seq of this value; 0: not sent or not acknowledged yet, or
                         a default */
    uint64_t time_ms; /* since 1970 */
    bool pending;     /* a local write that waits in the outbox */
};
/* KB_E_NOT_FOUND: no such item; KB_E_NOT_SIGNED_IN: the bag is not kept here. */
KB_API int kb_get(struct kb *kb, const char *bag, const char *item, struct kb_value *value,
                  struct kb_error *error);
KB_API void kb_value_free(struct kb_value *value);

struct kb_write_options {
    size_t size;
    bool has_if_seq; /* write only when the item's seq is if_seq (0: when there is none) */
    uint64_t if_seq;
};
struct kb_write {
    const char *item;
    const void *bytes; /* NULL with remove */
    size_t size;
    bool remove;
};
/* `op` (may be NULL) names the write for kb_wait. Refused at once: KB_E_PATH, KB_E_TOO_LARGE (also
 * by the limit of its category), KB_E_NOT_SIGNED_IN, KB_E_NOT_ALLOWED (the fleet bag),
 * KB_E_NOSPACE, KB_E_QUOTA (the outbox is full). What the server refuses later is listed by
 * kb_outbox, such as KB_E_SHARING_CHANGED: it was written as this machine's own, and is shared by
 * now. */
KB_API int kb_set(struct kb *kb, const char *bag, const char *item, const void *bytes, size_t size,
                  const struct kb_write_options *options, uint64_t *op, struct kb_error *error);
KB_API int kb_remove(struct kb *kb, const char *bag, const char *item,
                     const struct kb_write_options *options, uint64_t *op, struct kb_error *error);
/* Many items of one bag as one change set: all of it or none, here, on the server and on every
 * machine. At most 10,000 items and 2 MiB. */
KB_API int kb_apply(struct kb *kb, const char *bag, const struct kb_write *writes, size_t count,
                    const struct kb_write_options *options, uint64_t *op, struct kb_error *error);
/* Until the server took it up: 0, the code it was refused with, or KB_E_TIMEOUT. */
KB_API int kb_wait(struct kb *kb, uint64_t op, unsigned timeout_ms, struct kb_error *error);

struct kb_item {
    const char *path;
    const void *bytes; /* borrowed for the callback */
    size_t size;
    uint64_t seq; /* as of kb_value */
    uint64_t time_ms;
    bool pending;
    enum kb_layer layer; /* of one that is pending: where it would go now */
};
typedef int kb_item_fn(void *context, const struct kb_item *item);
/* In order of paths; `prefix` NULL or "": all. */
KB_API int kb_list(struct kb *kb, const char *bag, const char *prefix, kb_item_fn *each,
                   void *context, struct kb_error *error);

/* Is the category of an item shared? */
enum kb_sharing {
    KB_SHARING_ALWAYS = 0, /* it can't be anything else */
    KB_SHARING_SHARED = 1, /* Shared across All Devices */
    KB_SHARING_DEVICE = 2  /* Device-Specific (Not Shared) */
};
/* What a layer has of an item. */
struct kb_found {
    bool there;
    uint64_t initialised_seq; /* its category was initialised for everybody by this change, so it
                                 does not count; 0: it was not since */
    uint64_t seq;
    uint64_t time_ms;
    char origin[17]; /* the machine that wrote it, 16 hexadecimal digits; "": the server itself, or
                        an administrator */
    uint64_t bytes;
};
struct kb_explanation {
    size_t size;         /* set by the caller to sizeof(struct kb_explanation) */
    enum kb_layer layer; /* whose value counts; KB_LAYER_NONE: there is none */
    bool pending;        /* a write of this machine that waits in the outbox */
    char category[256];  /* that the item belongs to; "": none */
    enum kb_sharing sharing;
    bool copy; /* DEVICE: machines without a value of their own see the shared one from before */
    uint64_t sharing_seq;  /* of the change that set it; 0: it is as the catalogue has it */
    uint64_t seq, time_ms; /* of the value that counts */
    char origin[17];       /* of it, as above; of a local write this machine */
    char device[17];       /* this machine; "" when it never joined */
    struct kb_found shared, own, fallback; /* by layer: SHARED, DEVICE, DEFAULT */
};
/* Where the value of an item comes from, and who set it, as far as this machine knows. `value` (may
 * be NULL) gets the value, empty when there is none. KB_E_NOT_SIGNED_IN, KB_E_PATH. */
KB_API int kb_explain(struct kb *kb, const char *bag, const char *item,
                      struct kb_explanation *explanation, struct kb_value *value,
                      struct kb_error *error);

/* --- watching --- */

struct kb_change {
    const char *bag;  /* "": every one that is watched */
    const char *item; /* NULL: the bag was removed, or read anew: read again what you need */
    bool removed;
    const void *bytes; /* the value now; borrowed for the callback; NULL when removed */
    size_t size;
    uint64_t seq; /* 0: a local write that is not acknowledged yet */
};
typedef void kb_change_fn(void *context, const struct kb_change *change);
struct kb_watch;
/* `bag` NULL: every bag kept here; what is this machine's own of a user is told of the user's bag.
 * A flag that changes which values count is told as one change without item. At most 4,096 changes
 * wait for kb_dispatch; when more come they are told as one change without item ("read again"),
 * never lost in silence. */
KB_API int kb_watch(struct kb *kb, const char *bag, kb_change_fn *on_change, void *context,
                    struct kb_watch **watch, struct kb_error *error);
KB_API void kb_unwatch(struct kb *kb, struct kb_watch **watch);
/* Readable when kb_dispatch has something to do. Borrowed. */
KB_API int kb_fd(const struct kb *kb);
/* Run the callbacks that wait; returns how many ran. Never blocks. */
KB_API int kb_dispatch(struct kb *kb);

/* --- the outbox --- */

enum kb_outbox_which { KB_OUTBOX_PENDING = 0, KB_OUTBOX_REFUSED = 1 };
struct kb_op {
    uint64_t op;
    const char *bag;
    const char *item; /* of a change set: its first item */
    size_t items;
    size_t bytes;
    uint64_t time_ms;
    int code; /* of a refused one */
    const char *text;
};
typedef int kb_op_fn(void *context, const struct kb_op *op);
KB_API int kb_outbox(struct kb *kb, enum kb_outbox_which which, kb_op_fn *each, void *context,
                     struct kb_error *error);
/* A refused write: send it again as a new write (without its condition, and by what is shared now)
 * / forget it. `op` 0: all. A pending one can be dropped until it was acknowledged. */
KB_API int kb_outbox_retry(struct kb *kb, uint64_t op, struct kb_error *error);
KB_API int kb_outbox_drop(struct kb *kb, uint64_t op, struct kb_error *error);

/* --- snapshots: files (*.kitbag) of bags as they were at one moment --- */

enum kb_snapshot_kind {
    KB_SNAPSHOT_SERVER = 1,  /* of the server: an export. The machine goes on from there */
    KB_SNAPSHOT_MACHINE = 2, /* of a machine. Comes back as new writes */
    KB_SNAPSHOT_OUTBOX = 3   /* what waits to be sent: for the server alone */
};

struct kb_import_options {
    size_t size;
    const char *password; /* of the file; NULL: none */
    /* The fingerprint of the key that the file has to be signed with ("AB:CD:...", as the server
     * shows it), where this machine does not know the signer: of a server that it has not joined,
     * of another machine. NULL: none. */
    const char *trust;
    bool dry_run; /* everything is looked at, nothing is changed */
};

struct kb_import_report {
    enum kb_snapshot_kind kind;
    char name[256];       /* of who made it */
    char signer[96];      /* fingerprint */
    uint64_t created_ms;  /* since 1970 */
    uint64_t seq;         /* SERVER: all of it is as of this one */
    uint64_t bags, items; /* in the file */
    uint64_t left_out;    /* items that the file does not have: of categories that are not exported,
                             and without a password secret ones */
    uint64_t taken;       /* bags that took effect; and */
    uint64_t users;       /* of these, of people, who can sign in now */
    uint64_t items_taken; /* of these; MACHINE: written anew */
    uint64_t newer;       /* bags of which this machine has a newer copy: they stay as they are */
    uint64_t same;        /* bags that are here just so; MACHINE: items */
    uint64_t skipped; /* bags of other machines; MACHINE: also of people who are not signed in */
};

/* Takes what is in the file at `path`. It is verified whole first; then a file of the server takes
 * effect at once or not at all, also when the process is killed, on a machine that is not
 * connected; its people can sign in, and when the machine connects it goes on from the file's seq.
 * Writes that wait to be sent stay, and are seen over it. A file of a machine is written anew,
 * item by item where it differs from what is here; what is not in the file stays.
 *
 * KB_E_MALFORMED (damaged, altered, cut short), KB_E_FORMAT (of a newer version), KB_E_TOO_LARGE
 * (it would unpack to more than a replica holds), KB_E_SIGNATURE (who signed it is not trusted: the
 * sentence has the fingerprint), KB_E_PASSWORD, KB_E_HISTORY (of another server), KB_E_CONDITION
 * (older than what this machine has; or this machine is connected), KB_E_QUOTA (more people than a
 * machine can sign in by itself), KB_E_INVALID (a file of an outbox). `report` may be NULL. */
KB_API int kb_import(struct kb *kb, const char *path, const struct kb_import_options *options,
                     struct kb_import_report *report, struct kb_error *error);

struct kb_export_options {
    size_t size;
    const char *password; /* NULL: none; then values of secret categories are left out */
};

struct kb_export_report {
    char signer[96]; /* this machine's fingerprint */
    uint64_t users, groups, items, left_out;
    uint64_t operations; /* of an outbox */
    uint64_t bytes;      /* of the file */
};

/* Write what this machine has of people and groups, its own writes included, to a new file at
 * `path` (0600), which is durable then. KB_E_EXISTS: there is such a file. */
KB_API int kb_export(struct kb *kb, const char *path, const struct kb_export_options *options,
                     struct kb_export_report *report, struct kb_error *error);
/* The same with the writes that wait to be sent, for a machine that can't reach its server: an
 * administrator has the server take them from the file. They go on waiting here, and are done once,
 * however often and in whichever way they get there. KB_E_NOT_JOINED, KB_E_NOT_FOUND (nothing
 * waits). */
KB_API int kb_export_outbox(struct kb *kb, const char *path, struct kb_export_report *report,
                            struct kb_error *error);

/* --- status --- */

enum kb_phase {
    KB_PHASE_ALONE = 0, /* never joined */
    KB_PHASE_STOPPED = 1,
    KB_PHASE_CONNECTING = 2,
    KB_PHASE_CATCHING_UP = 3,
    KB_PHASE_CURRENT = 4, /* all bags were complete when last heard */
    KB_PHASE_REFUSED = 5  /* the server refused this machine: see code and text */
};
struct kb_status {
    size_t size; /* set by the caller to sizeof(struct kb_status) */
    enum kb_phase phase;
    bool connected;
    int code;        /* why it is not connected, or why writes wait; 0: nothing to say */
    char text[384];  /* the sentence to it, with the remedy */
    char device[17]; /* "" before joining */
    char name[256];
    char history[33];
    char server[301];  /* the address in use */
    uint64_t head_seq; /* the server's, as last heard */
    uint64_t seq;      /* this replica is complete to here */
    uint64_t users, bags, bags_complete, items;
    uint64_t pending, refused; /* operations in the outbox */
    uint64_t last_heard_ms;    /* since 1970; 0: never */
    uint64_t healed;           /* bags ever fetched anew because they differed from the server's */
    uint64_t verified_ms; /* since 1970: every bag was compared with the server's since then, by
                             digest; 0: not yet */
    char kept[12];       /* whose bags, beside this machine's: "signed-in", "groups", "everybody" */
    uint64_t mirror_seq; /* the copy of the journal is complete to here; 0: there is none */
    int mirror_code;     /* why it does not go on; 0: nothing to say */
    char mirror_text[384]; /* the sentence to it; also what happened to it, without a code */
    uint64_t mirror_from;  /* the first change that is in it; 0: there is none */
    uint64_t mirror_bytes; /* of disk that it takes */
};
KB_API void kb_status(struct kb *kb, struct kb_status *status);

struct kb_verify_report {
    uint64_t records; /* whose checksum was compared */
    uint64_t damaged; /* dropped, and fetched anew when connected */
    uint64_t batches; /* of the outbox, with their chained hashes */
};
/* Reads every record of the replica and of the outbox. KB_E_CORRUPT when something was damaged. */
KB_API int kb_verify(struct kb *kb, struct kb_verify_report *report, struct kb_error *error);

KB_API const char *kb_code_name(int code);
KB_API int kb_exit_code(int code);
KB_API const char *kb_version(void);

#ifdef __cplusplus
}
#endif

#endif
