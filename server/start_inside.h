/* server/start_inside.h - all of a server, for the files that start it and tell how it is: start.c,
 * start_status.c.
 */
#ifndef KITBAG_SERVER_START_INSIDE_H
#define KITBAG_SERVER_START_INSIDE_H

#include <limits.h>

#include "admin/exports.h"
#include "admin/local.h"
#include "server/backups.h"
#include "server/console.h"
#include "server/housekeeping.h"
#include "server/loop.h"
#include "server/recovery.h"
#include "server/start.h"

struct server {
    struct server_options options;
    uint64_t started_ms;
    int lock;
    int signal_fd;
    struct key_pair curve;
    struct sign_pair sign;
    bool new_keys;
    char journal_dir[PATH_MAX];
    char socket_path[PATH_MAX];
    struct recovery_options recovery;
    struct journal *journal;
    struct kv *kv;
    struct registry *registry;
    struct committer *committer;
    struct router *router;
    struct sessions *sessions;
    struct desk *desk;
    struct seen *seen;
    struct sign_ins *sign_ins;
    struct upkeep *upkeep;
    struct housekeeping *housekeeping;
    struct backups *backups; /* NULL while the state is away */
    struct admin_backups admin_backups;
    bool unclean;         /* the state was not closed in order the last time */
    uint64_t flushed_seq; /* it was on disk up to here when it was opened */
    struct admin_backend backend;
    struct admin_exports *exports; /* outlasts the state */
    struct admin_board *board;
    struct admin_local *local;
    struct console *console;
};

/* What the desk answers by them (desk_options); `context` is the server. */
int start_device(void *context, uint64_t device, struct device_live *out);
void start_status(void *context, struct server_status *out);

#endif
