/* admin/auth/sessions.h - who is signed in by a browser. In memory alone.
 *
 * Keeps true: of a session's id only the hash is kept. At most AUTH_SESSIONS_PER_ACCOUNT are of one
 * account and AUTH_SESSIONS_MAX in all: a new one ends the one that was begun first. A session ends
 * when it was not used for the idle time, or is older than the most that one may become.
 *
 * Pure; times are of a clock that never goes back, in ms. The caller locks.
 */
#ifndef KITBAG_ADMIN_AUTH_SESSIONS_H
#define KITBAG_ADMIN_AUTH_SESSIONS_H

#include "admin/auth/records.h"
#include "admin/auth/secret.h"

enum { AUTH_SESSIONS_MAX = 4096, AUTH_SESSIONS_PER_ACCOUNT = 32 };

struct auth_session {
    struct auth_session *next; /* with the same place in the table */
    uint64_t number;           /* never 0, never used twice */
    uint8_t id[SHA256_SIZE];   /* the hash */
    char csrf[ADMIN_CSRF_DIGITS + 1];
    char account[AUTH_NAME_MAX + 1]; /* folded */
    uint64_t stamp;                  /* of the account when it was begun */
    uint64_t begun_ms;
    uint64_t used_ms;
};

struct auth_sessions;

MUST_CHECK int auth_sessions_new(struct auth_sessions **out, struct err *err); /* E_NOMEM */
void auth_sessions_free(struct auth_sessions **sessions);
/* Of all, from now on. */
void auth_sessions_limits(struct auth_sessions *sessions, uint64_t idle_ms, uint64_t max_ms);

/* A new one; its id as text goes to `id`. What is returned lives until the next call but
 * auth_sessions_find and _number. NULL: out of memory. */
struct auth_session *auth_sessions_begin(struct auth_sessions *sessions, const char *account,
                                         uint64_t stamp, uint64_t now_ms,
                                         char id[AUTH_SECRET_CHARS + 1]);
/* NULL: there is none, or it has expired. */
struct auth_session *auth_sessions_find(const struct auth_sessions *sessions,
                                        const uint8_t id[SHA256_SIZE], uint64_t now_ms);
struct auth_session *auth_sessions_number(const struct auth_sessions *sessions, uint64_t number,
                                          uint64_t now_ms);
/* For how long it lasts when it is not used any more. */
uint64_t auth_session_left_ms(const struct auth_sessions *sessions,
                              const struct auth_session *session, uint64_t now_ms);
void auth_sessions_end(struct auth_sessions *sessions, uint64_t number);
/* All of an account. */
void auth_sessions_end_account(struct auth_sessions *sessions, const char *account);
size_t auth_sessions_count(const struct auth_sessions *sessions);

#endif
