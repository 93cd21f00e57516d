/* admin/auth/accounts.h - accounts listed, added, changed, deleted.
 *
 * Keeps true: each change is a change set with the condition that the account is as it was read; no
 * change leaves the server without an administrator's account; who is signed in to an account that
 * lost its role, its password or itself is signed out before the change is answered, and no place
 * is known any more (lockout.h) for an account that lost its password or itself.
 *
 * Thread safe. All but the list block on backend->submit; a password takes 100 ms more.
 */
#ifndef KITBAG_ADMIN_AUTH_ACCOUNTS_H
#define KITBAG_ADMIN_AUTH_ACCOUNTS_H

#include "admin/auth/roster.h"

/* By whom, where. */
struct auth_by {
    struct admin_auth *auth;
    const struct admin_backend *backend;
    const char *actor;
};

/* An account as lists show it. */
struct auth_account_row {
    struct auth_account account; /* without the password */
    bool locked;                 /* somebody who tries it has to wait */
};

/* At most `limit` accounts in order of folded names, from behind `after` ("": from the start), into
 * `rows`. Returns how many; `more` tells whether others follow. */
size_t auth_accounts_list(struct admin_auth *auth, const char *after, size_t limit,
                          struct auth_account_row *rows, bool *more);
/* E_NAME, E_NOT_FOUND. */
MUST_CHECK int auth_account_find(struct admin_auth *auth, const char *name,
                                 struct auth_account_row *out, struct err *err);

/* `password` NULL: one is made up (into `made_up`). E_NAME, E_INVALID, E_EXISTS, E_QUOTA, E_NOMEM,
 * what submit returns. */
struct auth_new_account {
    const char *name;
    enum admin_role role;
    const char *password;
    bool chosen; /* by whoever will use it: nobody else knows the password */
};
MUST_CHECK int auth_account_add(const struct auth_by *by, const struct auth_new_account *wanted,
                                char made_up[ADMIN_MADE_UP_MAX], struct auth_account_row *out,
                                struct err *err);

struct auth_account_change {
    enum admin_role role; /* NONE: as it is */
    const char *password; /* NULL: as it is */
    bool own;             /* the password is of whoever asks */
    bool unlock;          /* who tries the account has to wait no more */
    struct admin_condition condition;
};
/* E_NAME, E_NOT_FOUND, E_INVALID, E_LAST_ADMIN, E_CONDITION, E_NOMEM, what submit returns. */
MUST_CHECK int auth_account_change(const struct auth_by *by, const char *name,
                                   const struct auth_account_change *change,
                                   struct auth_account_row *out, struct err *err);

/* All of `names` that there are, as one change set. `gone` has room for `count` flags, which tell
 * which those were. E_LAST_ADMIN, E_CONDITION, E_NOMEM, what submit returns. */
struct auth_deletion {
    const char *const *names;
    size_t count;
    bool dry_run;
    bool *gone;
    size_t deleted;
    uint64_t seq;
};
MUST_CHECK int auth_accounts_delete(const struct auth_by *by, struct auth_deletion *deletion,
                                    struct err *err);

#endif
