/* admin/backend.h - what administration needs of the server, and how it gets it.
 *
 * admin/ reads the state through kv/ and changes it only through `submit`: there is one write path.
 * server/ fills this struct. All functions may be called from any thread of admin/, by several at
 * once, block until the main thread answered, and return E_CLOSED when the server is going down.
 */
#ifndef KITBAG_ADMIN_BACKEND_H
#define KITBAG_ADMIN_BACKEND_H

#include "journal/change.h"
#include "journal/fence.h"
#include "journal/journal.h"
#include "journal/operation.h"
#include "kv/kv.h"

enum submit_kind {
    SUBMIT_WRITE,   /* items of one owner as one change set; makes the bag when `create` */
    SUBMIT_DELETE,  /* the owner's bag and, of a user, the device-specific bags under it */
    SUBMIT_FENCE,   /* initialise a category in one layer for everybody: one change (fence.h) */
    SUBMIT_LIFT,    /* take back the newest fence of a category in one layer: one change */
    SUBMIT_FORK,    /* a new history from the present head */
    SUBMIT_SHARING, /* what categories are from now on, with what that initialises: one set */
    SUBMIT_SHARING_UNDO, /* take back what the set at a seq did: one set */
};

/* One change set. Results are filled per submit: all of it or none. */
struct submit {
    enum submit_kind kind;
    bool create;
    bool adopt; /* DELETE, of a user or group: the next machine that held it supplies its copy */
    const char *actor; /* who: "admin"; borrowed, at most ACTOR_MAX_BYTES */
    struct owner owner;
    const struct operation_write *writes; /* borrowed */
    size_t write_count;                   /* may be 0: only registers */
    /* SHARING: `writes` are categories (path) and "shared" or "device" (value), each once; `owner`
     * does not count. Categories that are so already are left out. */
    bool copy;         /* SHARING: to "device" without initialising: a device that has no value of
                          its own goes on with the shared one of before */
    uint64_t undo_seq; /* SHARING_UNDO: of any change of the set */
    bool dry_run;      /* SHARING, SHARING_UNDO: judged as ever, and not done */
    /* FENCE, LIFT: `owner` does not count. */
    enum fence_layer layer;
    struct span category;      /* borrowed */
    const struct span *except; /* FENCE: longer categories that are not initialised; borrowed */
    size_t except_count;
    /* out */
    int code; /* 0, E_NOT_FOUND, E_CONDITION, E_PATH, E_TOO_LARGE, E_QUOTA, E_READ_ONLY; of a LIFT
                 E_TOO_OLD: what it would bring back is gone; of SHARING E_NOT_FOUND: no such
                 category, E_INVALID: one that has no flag, or another value; of SHARING_UNDO
                 E_NOT_FOUND: no such change, E_CONDITION: changed again since, E_TOO_OLD */
    bool created;
    uint64_t bag_id;
    uint64_t seq; /* of its last change; 0 when nothing had to be done */
    char text[ERR_TEXT_MAX];
};

enum server_state { SERVER_RUNNING = 1, SERVER_STOPPED = 2, SERVER_READ_ONLY = 3 };

/* A limit below which something is dropped, and what holds it where it is. */
struct retention_line {
    const char *what; /* "journal", "tombstones", "undo"; a literal */
    uint64_t seq;     /* below this it goes, or has gone */
    char text[ERR_TEXT_MAX];
};
enum { RETENTION_LINES = 3 };

/* The replicas of the machines, all together; about a second old. */
struct server_replicas {
    uint64_t lag;        /* changes that the connected one furthest behind had not told to have */
    uint64_t behind;     /* connected ones that had not told to have all */
    uint64_t diverged;   /* registered, and refused because they hold what the server never had */
    uint64_t unverified; /* connected, and nothing of them was compared for a day */
};

struct server_status {
    enum server_state state;
    char state_text[ERR_TEXT_MAX]; /* why it is read-only */
    uint64_t uptime_ms;
    uint64_t sessions; /* connected client machines */
    uint64_t waiting;  /* of them, those that told of writes that the server has not */
    uint64_t devices;  /* registered, not removed */
    uint64_t writes;   /* changes committed since the start */
    uint64_t flushed_seq;
    /* Synchronization, as an administrator left it. `state` is SERVER_STOPPED when it is stopped
     * and the server could take writes. */
    bool sync_stopped;
    uint64_t sync_since_ms;            /* since 1970; 0: it was never changed */
    char sync_by[ACTOR_MAX_BYTES + 1]; /* who changed it last */
    uint64_t users;                    /* registered */
    uint64_t users_limit;
    bool held; /* its data was restored, and nobody is served until it is confirmed (backups.h) */
    bool users_evict; /* at the limit, who signed in longest ago makes room; else new ones are
                         refused */
    uint8_t history[HISTORY_SIZE];
    struct journal_position head;
    struct retention_line retention[RETENTION_LINES];
    uint64_t undo_keep_ms; /* for how long a deletion or a fence can be taken back */
    bool clock_stepped; /* nothing is dropped for its age until a day has passed or it was confirmed
                         */
    struct server_replicas replicas;
    uint64_t journal_max_bytes; /* beyond it the oldest changes go; 0: no limit */
    uint64_t room_bytes;        /* free on the disk */
    uint64_t reserve_bytes;     /* with less, writes are deferred */
    struct {
        uint64_t bags;     /* whose digest was recomputed since the start */
        uint64_t wrong;    /* that differed from their rows */
        uint64_t round_ms; /* since 1970: when the last whole round ended; 0: none yet */
        uint64_t healed;   /* bags that machines fetched anew for their digest, since the start */
    } digests;
};

/* What is known of a device only in memory: lost at a restart. */
struct device_live {
    uint64_t device;
    bool connected;
    uint64_t last_seen_ms; /* since 1970; 0: never that is known */
    uint64_t seq;          /* the position its replica told last */
    uint64_t followed;     /* bags it follows */
    uint64_t current_seq;  /* all of them are complete to here */
    uint64_t mirror_seq;   /* it was sent the journal to here; 0: it mirrors nothing now */
    uint64_t healed;       /* bags that it fetched anew for their digest, ever */
    uint64_t waiting;      /* writes that it holds and the server has not, as it told last */
    uint64_t verified_ms;  /* since 1970: when digests were last sent to compare; 0: not yet */
    int refused;           /* why it is not served (E_DIVERGED...), 0: it is */
    char address[64];
    char software[64];
};

struct admin_board;
struct admin_backups;
struct admin_exports;

enum { ENROLLMENT_ID_MAX = 17 };

/* A join token that is to be made. */
struct enrollment {
    uint64_t expires_ms; /* since 1970 */
    const char *actor;   /* who makes it; borrowed, at most ACTOR_MAX_BYTES */
    uint64_t replaces;   /* the machine whose ID and data the new one gets; 0: none's */
    /* It also gets what that one may keep and mirror beyond its users' bags: only an administrator
     * gives such rights, so a token that somebody else made takes them away. */
    bool keeps_rights;
    /* out */
    char id[ENROLLMENT_ID_MAX]; /* the first 16 digits of its path in the server's bag */
};

struct admin_backend {
    void *context;
    const struct admin_backups *backups; /* see backups.h */
    struct admin_board *board;           /* how the server is, for all who ask (board.h) */
    struct admin_exports *exports;       /* what is prepared for export (exports.h) */
    struct kv *kv;                       /* read only */
    struct journal *journal;             /* read only: cursors, stat */
    const char *journal_dir;
    /* E_CLOSED also when the server went down in the middle: those with a seq were done. */
    int (*submit)(void *context, struct submit *submits, size_t count, struct err *err);
    int (*status)(void *context, struct server_status *out, struct err *err);
    /* The live part of some devices: out[i] of ids[i], all zero when it was never seen. However
     * many are asked for, the main thread answers a few hundred at a time. */
    int (*devices)(void *context, const uint64_t *ids, size_t count, struct device_live *out,
                   struct err *err);
    /* A new join token as text (TOKEN_TEXT_MAX bytes of `out`); writes its public half.
     * E_NOT_FOUND: the machine that it is to replace is not registered. */
    int (*enroll)(void *context, struct enrollment *wanted, char *out, size_t out_size,
                  struct err *err);
    /* When the user whose bag it is signed in last, since 1970; 0: not known. */
    uint64_t (*last_sign_in)(void *context, uint64_t bag_id);
    /* Start or stop synchronization: `seq` is that of the change, 0 when it was so already. */
    int (*sync)(void *context, bool run, const char *actor, uint64_t *seq, struct err *err);
    /* The clock was set on purpose: dropping for age goes on. */
    int (*confirm_clock)(void *context, struct err *err);
};

#endif
