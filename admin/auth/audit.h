/* admin/auth/audit.h - who did what, as changes of one item of the server's bag.
 *
 *   @audit   {"actor","action","via","address","status","about"}
 *
 * Each event is a new value of the item: its past in the journal is the audit log, and each change
 * names the one before it. Names and counts are told, never values, passwords or tokens.
 */
#ifndef KITBAG_ADMIN_AUTH_AUDIT_H
#define KITBAG_ADMIN_AUTH_AUDIT_H

#include "admin/auth/auth.h"

#define AUTH_AUDIT_PATH "@audit"

enum { AUTH_AUDIT_MAX = 64 << 10 }; /* bytes of one event; with more its "about" is left out */

struct auth_event {
    const char *actor; /* NULL: nobody who is known */
    const char *action;
    enum admin_via via;
    const char *address; /* NULL: "" */
    int status;
    json_t *about; /* borrowed; NULL: nothing is told */
};

const char *auth_via_name(enum admin_via via); /* "local", "session", "token" */

/* Blocks on submit; what can't be written is logged. */
void auth_audit(const struct admin_backend *backend, const struct auth_event *event);

#endif
