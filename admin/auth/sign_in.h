/* admin/auth/sign_in.h - signing in by name and password, and out; one's own password.
 *
 * A name that there is not takes the time of one that there is, and is refused by the same words.
 * Thread safe. Hashes passwords: for threads of ADMIN_LANE_PASSWORD.
 */
#ifndef KITBAG_ADMIN_AUTH_SIGN_IN_H
#define KITBAG_ADMIN_AUTH_SIGN_IN_H

#include "admin/auth/accounts.h"
#include "admin/auth/secret.h"

/* Who tries. By the local socket nobody waits. */
struct auth_from {
    const char *address;
    bool local;
};

/* Somebody who was let in. */
struct auth_entry {
    char id[AUTH_SECRET_CHARS + 1]; /* for the cookie; the caller wipes it */
    struct admin_identity who;
    uint64_t wait_ms; /* of E_LOCKED: for how long */
};

/* `replaces`: a session that ends when this one begins; 0: none. E_CREDENTIALS, E_LOCKED, E_NOMEM.
 * A password that was hashed at another cost is hashed anew, which may block on submit. */
struct auth_sign_in {
    const char *name;
    const char *password;
    struct auth_from from;
    uint64_t replaces;
};
MUST_CHECK int auth_sign_in(const struct auth_by *by, const struct auth_sign_in *sign_in,
                            struct auth_entry *out, struct err *err);

/* End a session. */
void auth_sign_out(struct admin_auth *auth, uint64_t session);

/* The password of a session's own account: ends all its sessions, and begins one in place of that
 * which asks. E_CREDENTIALS (the old one is wrong), E_LOCKED, E_INVALID, E_UNAUTHENTICATED (it has
 * ended meanwhile), E_NOMEM, what submit returns. */
struct auth_own_password {
    const struct admin_identity *who;
    const char *old;
    const char *password;
    struct auth_from from;
};
MUST_CHECK int auth_own_password(const struct auth_by *by, const struct auth_own_password *change,
                                 struct auth_entry *out, struct err *err);

#endif
