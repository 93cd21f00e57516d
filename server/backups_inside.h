/* server/backups_inside.h - the inside of struct backups, for the files that are made of it:
 * backups.c (starting, what administration asks), backups_make.c (the thread that makes one),
 * backups_tell.c (the thread that tells what was removed).
 */
#ifndef KITBAG_SERVER_BACKUPS_INSIDE_H
#define KITBAG_SERVER_BACKUPS_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/thread.h"
#include "server/backups.h"

enum { BACKUPS_FOLDERS_MAX = 64 };

struct backups_folder {
    char path[PATH_MAX];
    uint64_t told_seq;       /* what was removed up to here is in its file */
    bool behind;             /* where its file ends has to be looked for, or the last try failed */
    char text[ERR_TEXT_MAX]; /* why it failed, "": it did not */
};

struct backups {
    struct backups_options options;
    struct thread *teller;
    struct thread *maker; /* NULL: none since it was joined */
    atomic_bool stopping;
    struct backup_progress progress; /* of the maker's backup */
    _Atomic(uint64_t) noted_seq;     /* all changes up to here were noted */

    /* Guards what stands below: the main thread notes, administration looks, two threads work. It
     * is never held over a call to the disk. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* there is something to tell, or it is stopping */
    uint64_t pending_seq;   /* the first change that may have taken something away; 0: none */
    size_t folder_count;
    struct backups_folder *folders; /* BACKUPS_FOLDERS_MAX */
    struct admin_backup_view view;
    bool verify; /* the maker's backup is to be read back */
};

/* The thread that tells what was removed: from the start to the stop. */
thread_fn backups_tell;
/* The thread that makes the backup of `view`. */
thread_fn backups_make;

/* Have the folder's file kept up to date: noted in the server's bag, unless it is already. */
MUST_CHECK int backups_register(struct backups *backups, const char *folder, struct err *err);

#endif
