/* server/backups.h - backups of the running server: one is made at a time, by a thread of its own,
 * and what is removed is told beside all there are, by another.
 *
 * Which folders there are is noted in the server's bag (backup_record.h). What a crash kept from
 * their files of removals is told at the next start, out of the journal.
 *
 * backups_note belongs to the main thread; what admin_backups has may be called from any.
 */
#ifndef KITBAG_SERVER_BACKUPS_H
#define KITBAG_SERVER_BACKUPS_H

#include "admin/backend.h"
#include "admin/backups.h"
#include "server/backup.h"
#include "server/seen.h"

struct backups;

struct backups_options {
    struct backup_source source; /* borrowed until the stop, as all that follow */
    uint64_t server_bag;
    struct seen *seen; /* is written to the state before each backup; may be NULL */
    const struct clock *clock;
    const struct admin_backend *backend; /* its submit is used */
};

/* Reads which folders there are. What reading the state may return; E_NOMEM, E_SYSTEM. */
MUST_CHECK int backups_start(struct backups **out, const struct backups_options *options,
                             struct err *err);
/* A backup that is being made is given up. The backend must return E_CLOSED by now. Accepts NULL
 * and a nulled pointer. */
void backups_stop(struct backups **backups);

/* These were committed. */
void backups_note(struct backups *backups, const struct change *changes, size_t count);

/* What administration is given. Borrows. */
void backups_admin(struct backups *backups, struct admin_backups *out);

#endif
