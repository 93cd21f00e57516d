/* admin/auth/auth.h - who may come in: accounts, sessions, API tokens, the lock-out, the audit.
 *
 * One object for all of the server's life. Accounts and API tokens are items of the server's bag
 * (records.h) and are kept in memory too; sessions and what is known of failed sign-ins live in
 * memory alone, so a restart signs everybody out and a reopened state does not.
 *
 * Keeps true: no password, session or API token is in memory or on disk but as its hash; nobody
 * who lost an account, its role or its password is served after the change was answered; there is
 * always an account that is an administrator's once there was one.
 *
 * Thread safe. What a function may wait for is said at each.
 */
#ifndef KITBAG_ADMIN_AUTH_AUTH_H
#define KITBAG_ADMIN_AUTH_AUTH_H

#include "admin/route.h"
#include "base/clock.h"

struct admin_auth;

enum {
    ADMIN_CSRF_DIGITS = 64,
    ADMIN_PASSWORD_MIN_CHARACTERS = 8,
    ADMIN_PASSWORD_MAX_BYTES = 1024,
    ADMIN_MADE_UP_MAX = 24, /* a password that was made up, with its NUL */
    ADMIN_SESSION_IDLE_MS = 30 * 60 * 1000,
    ADMIN_SESSION_MAX_MS = 12 * 60 * 60 * 1000,
};

/* Somebody who was let in. Plain data, copied freely. */
struct admin_identity {
    char actor[ACTOR_MAX_BYTES + 1]; /* "ann"; of an API token "token:NAME" */
    enum admin_role role;
    enum admin_via via;
    uint64_t session;    /* the number of the session or API token; 0: none */
    uint64_t expires_ms; /* since 1970: when it ends if nothing happens; 0: never */
    bool must_change; /* a session whose password somebody else knows: it may do nothing but change
                         it, tell who it is, and end */
    char csrf[ADMIN_CSRF_DIGITS + 1]; /* of a session, else "" */
};

/* What came with a request. Texts are borrowed for the call; an absent header has size 0. */
struct admin_credentials {
    struct span cookie;        /* the header Cookie, whole */
    struct span authorization; /* the header Authorization, whole */
    struct span csrf;          /* the header X-CSRF-Token */
    bool changes;              /* the route changes something (its row has an action) */
    const char *address;       /* of the other side, as a number without a port */
    uint64_t now_ms;           /* since 1970, by the clock of admin_auth_new */
};

/* `clock` is borrowed for life. Nobody is let in before admin_auth_load. E_NOMEM. */
MUST_CHECK int admin_auth_new(struct admin_auth **out, const struct clock *clock, struct err *err);
void admin_auth_free(struct admin_auth **auth);

/* For how long a session lasts without a request, and at the most. Applies to those that exist,
 * too. Any time. */
void admin_auth_limits(struct admin_auth *auth, uint64_t idle_ms, uint64_t max_ms);

/* Read accounts and API tokens from the server's bag, in place of what was known: at the start and
 * whenever the state was opened again. Reads kv/ only: the main thread may call it. Sessions of
 * accounts that are as they were stay. E_IO, E_CORRUPT, E_NOMEM. */
MUST_CHECK int admin_auth_load(struct admin_auth *auth, const struct admin_backend *backend,
                               struct err *err);

/* The first start: is there no account yet (after admin_auth_load)? */
bool admin_auth_is_new(struct admin_auth *auth);
/* Make the account "admin" when there is no account; else it does nothing. With `password` NULL one
 * is made up (20 characters that are not mistaken for others) and put into `made_up`
 * (ADMIN_MADE_UP_MAX bytes; "" when none was made up): show it once, then wipe it.
 *
 * Hashes for 100 ms and blocks on backend->submit: never from the main thread, which answers that.
 * E_INVALID (the password is too short, too long, or not text), E_NOMEM, what submit returns. */
MUST_CHECK int admin_auth_first_start(struct admin_auth *auth, const struct admin_backend *backend,
                                      const char *password, char *made_up, struct err *err);
/* The password in the first line of a file (--admin-password-file), into a buffer of
 * ADMIN_PASSWORD_MAX_BYTES + 1 bytes, which the caller wipes. E_NOT_FOUND, E_PERMISSION, E_IO,
 * E_INVALID (it would not be taken as a password). */
MUST_CHECK int admin_auth_password_file(const char *path, char *out, struct err *err);

/* Who sent a request that came over HTTPS? Looks at no disk, hashes no password: microseconds.
 * 0, E_UNAUTHENTICATED (nobody who may come in; `out` is untouched) or E_CSRF (a session, and the
 * token that its changes need is missing or another). A route whose role is ADMIN_ROLE_NONE is to
 * be run in any case: with `out` when 0 was returned, as nobody otherwise. */
MUST_CHECK int admin_auth_check(struct admin_auth *auth, const struct admin_credentials *given,
                                struct admin_identity *out, struct err *err);
/* Whoever opened the local socket. */
void admin_auth_local(struct admin_identity *out);

/* Is that still so: not signed out, expired, deleted or changed? Streams ask every few seconds; it
 * does not keep a session from expiring. */
bool admin_auth_alive(struct admin_auth *auth, const struct admin_identity *who);

/* After each request, on a thread of a lane (it may block on backend->submit): write down when
 * accounts and API tokens were last used, if an hour has passed since that was done. */
void admin_auth_note(struct admin_auth *auth, const struct admin_backend *backend);

/* Tell the audit of a change that succeeded and was no dry run: writes the item `@audit` of the
 * server's bag, as {"actor","action","via","address","status","about"}. Blocks on backend->submit.
 * What can't be written is logged. Routes without an action, those that anybody may use (they
 * tell it themselves) and requests without `auth` are passed over. */
void admin_audit(const struct admin_request *request, const struct admin_route *route,
                 const struct admin_response *response);

#endif
