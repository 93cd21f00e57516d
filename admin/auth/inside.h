/* admin/auth/inside.h - what the files of admin/auth share: the object, and its parts' calls.
 *
 * Two locks. `lock` guards everything in the object but the constants and is held for microseconds.
 * `writing` is held by whoever changes accounts or tokens, over the submit, so that one change
 * knows of the one before it; it is taken before `lock`, and never by a request that changes
 * nothing. Passwords are hashed under `writing` at most, never under `lock`.
 */
#ifndef KITBAG_ADMIN_AUTH_INSIDE_H
#define KITBAG_ADMIN_AUTH_INSIDE_H

#include <pthread.h>

#include "admin/auth/accounts.h"
#include "admin/auth/lockout.h"
#include "admin/auth/sessions.h"
#include "base/log.h"

struct admin_auth {
    const struct clock *clock;
    struct auth_cost cost;
    pthread_mutex_t writing;
    pthread_mutex_t lock;
    bool loaded;
    struct auth_roster roster;
    struct auth_sessions *sessions;
    struct auth_lockout *lockout;
    struct log_limit failed_log;
    uint64_t lock_told_ms; /* when the audit was told of a lock-out last; 0: never */
    uint64_t lock_held;    /* how often it was not, since */
    uint64_t noted_ms;     /* when the last uses were looked through */
};

/* The clock that sessions and waits go by. */
uint64_t auth_now_ms(const struct admin_auth *auth);

/* One change set of the server's bag, with conditions. 0 and the seq of its last change, or what
 * it was refused with: E_CONDITION when somebody else was quicker. */
MUST_CHECK int auth_submit(const struct admin_backend *backend, const char *actor,
                           const struct operation_write *writes, size_t count, uint64_t *seq,
                           struct err *err);

/* Write the account with the condition that its item is at account->seq, and keep it. Called with
 * `writing`, without `lock`. */
MUST_CHECK int auth_account_write(const struct auth_by *by, struct auth_account *account,
                                  struct err *err);

/* A session of the account, for a request that has just shown the password. Called with the lock.
 * E_NOMEM. */
MUST_CHECK int auth_begin_session(struct admin_auth *auth, const struct auth_account *account,
                                  char id[AUTH_SECRET_CHARS + 1], struct admin_identity *out,
                                  struct err *err);

#endif
