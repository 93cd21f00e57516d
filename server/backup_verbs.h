/* server/backup_verbs.h - kitbagd restore and kitbagd verify: what they print.
 *
 * Progress goes to standard error when that is a terminal.
 */
#ifndef KITBAG_SERVER_BACKUP_VERBS_H
#define KITBAG_SERVER_BACKUP_VERBS_H

#include "server/settings.h"

/* The answer as lines, or as a document, appended to `out`. Errors of restore_run; E_NOMEM. */
MUST_CHECK int backup_verbs_restore(const char *backup, const struct settings *settings, bool json,
                                    struct buf *out, struct err *err);
/* Errors of backup_verify; E_NOMEM. */
MUST_CHECK int backup_verbs_verify(const char *backup, bool json, struct buf *out, struct err *err);

#endif
