/* admin/backups.h - what administration asks of the server about backups, and about a restored one.
 *
 * server/ fills struct admin_backups. Its functions may be called from any thread of admin/, and
 * block on the disk, some on the main thread; E_CLOSED when the server is going down.
 */
#ifndef KITBAG_ADMIN_BACKUPS_H
#define KITBAG_ADMIN_BACKUPS_H

#include <limits.h>

#include "journal/change.h"

struct admin_backup_order {
    const char *folder; /* where to; borrowed for the call */
    const char *actor;  /* who asks; borrowed, at most ACTOR_MAX_BYTES */
    bool verify;        /* and read it back when it is made */
    bool dry_run;
};

struct admin_backup_report {
    char path[PATH_MAX]; /* the backup; of a dry run: the folder it would be put into */
    uint64_t seq;        /* the last change in it */
    uint8_t history[HISTORY_SIZE];
    uint64_t time_ms;
    uint64_t files;
    uint64_t bytes;      /* of all files; of a dry run: about */
    uint64_t new_bytes;  /* that the backup before it has not */
    uint64_t room_bytes; /* free where it is put, before it */
    bool same_disk;      /* as the data, and mounted as it is: links, not copies */
    bool fresh;          /* the folder held no backup before it */
    uint64_t frozen_us;  /* how long it took to have all of one moment */
    uint64_t took_ms;
    bool verified;
};

enum admin_backup_state {
    ADMIN_BACKUP_NONE, /* since the start */
    ADMIN_BACKUP_RUNNING,
    ADMIN_BACKUP_DONE,
    ADMIN_BACKUP_FAILED,
};

/* The backup that is being made, or was last. */
struct admin_backup_view {
    enum admin_backup_state state;
    uint64_t number; /* of those since the start, from 1 */
    bool verifying;
    char folder[PATH_MAX];
    char by[ACTOR_MAX_BYTES + 1];
    uint64_t begun_ms; /* since 1970 */
    uint64_t done_bytes;
    uint64_t total_bytes;
    struct admin_backup_report report; /* of DONE */
    struct err err;                    /* of FAILED */
};

/* A folder of backups, whose file of removals is kept up to date. */
struct admin_backup_folder {
    char folder[PATH_MAX];
    char newest[64]; /* the newest backup's name, "": none */
    uint64_t newest_ms;
    uint64_t newest_seq;
    uint64_t backups;
    uint64_t told_seq;       /* what was removed up to here is told in it */
    char text[ERR_TEXT_MAX]; /* why it can't be reached, "": it can */
};
typedef int admin_backup_folder_fn(void *context, const struct admin_backup_folder *folder,
                                   struct err *err);

/* This server's data came out of a backup. */
struct admin_restored {
    bool restored; /* false: it never did, the rest is zero */
    bool held;     /* nobody is served until it is confirmed */
    char backup[64];
    uint64_t backup_ms;
    uint8_t parent[HISTORY_SIZE];
    uint64_t parent_seq;
    uint64_t restored_ms;
    bool removals_known;
    uint64_t known_to_ms; /* 0: to nowhere */
    uint64_t confirmed_ms;
    char confirmed_by[ACTOR_MAX_BYTES + 1];
};

struct admin_backups {
    void *context;
    /* Begin a backup: it goes on by itself, and `number` is told its own; of a dry run `report` is
     * filled and nothing changes. E_BUSY (one is being made), and what makes a folder unfit. */
    int (*start)(void *context, const struct admin_backup_order *order, uint64_t *number,
                 struct admin_backup_report *report, struct err *err);
    void (*view)(void *context, struct admin_backup_view *out);
    int (*folders)(void *context, admin_backup_folder_fn *each, void *each_context,
                   struct err *err);
    /* Its file of removals is no longer kept up to date. E_NOT_FOUND: it is no such folder. */
    int (*forget)(void *context, const char *folder, const char *actor, bool dry_run, uint64_t *seq,
                  struct err *err);
    int (*restored)(void *context, struct admin_restored *out, struct err *err);
    /* Somebody has looked through machines and people: serve. `seq` 0: nothing was held. */
    int (*confirm)(void *context, const char *actor, uint64_t *seq, struct err *err);
};

#endif
