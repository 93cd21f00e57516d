/* admin/auth/sessions.c - a hash table of chains; the rare questions walk all of it. */
#include "admin/auth/sessions.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 1024 };

struct auth_sessions {
    uint64_t idle_ms;
    uint64_t max_ms;
    uint64_t last_number;
    size_t count;
    struct auth_session *places[PLACES];
};

int auth_sessions_new(struct auth_sessions **out, struct err *err)
{
    ASSERT(out != NULL);
    struct auth_sessions *sessions = calloc(1, sizeof *sessions);
    if (sessions == NULL) {
        return err_set(err, E_NOMEM, "the sessions of administrators: out of memory");
    }
    sessions->idle_ms = ADMIN_SESSION_IDLE_MS;
    sessions->max_ms = ADMIN_SESSION_MAX_MS;
    *out = sessions;
    return 0;
}

static void forget(struct auth_session *session)
{
    sodium_memzero(session, sizeof *session);
    free(session);
}

void auth_sessions_free(struct auth_sessions **sessions)
{
    if (sessions == NULL || *sessions == NULL) {
        return;
    }
    for (size_t i = 0; i < PLACES; i++) {
        while ((*sessions)->places[i] != NULL) {
            struct auth_session *session = (*sessions)->places[i];
            (*sessions)->places[i] = session->next;
            forget(session);
        }
    }
    free(*sessions);
    *sessions = NULL;
}

void auth_sessions_limits(struct auth_sessions *sessions, uint64_t idle_ms, uint64_t max_ms)
{
    ASSERT(sessions != NULL && idle_ms > 0 && max_ms > 0);
    sessions->idle_ms = idle_ms;
    sessions->max_ms = max_ms;
}

/* --- looking --- */

uint64_t auth_session_left_ms(const struct auth_sessions *sessions,
                              const struct auth_session *session, uint64_t now_ms)
{
    ASSERT(sessions != NULL && session != NULL);
    uint64_t idle_end = session->used_ms + sessions->idle_ms;
    uint64_t max_end = session->begun_ms + sessions->max_ms;
    uint64_t end = idle_end < max_end ? idle_end : max_end;
    return end > now_ms ? end - now_ms : 0;
}

static bool is_over(const struct auth_sessions *sessions, const struct auth_session *session,
                    uint64_t now_ms)
{
    return auth_session_left_ms(sessions, session, now_ms) == 0;
}

/* The hash is as random as the id. */
static size_t place_of(const uint8_t id[SHA256_SIZE])
{
    return get_be32(id) % PLACES;
}

struct auth_session *auth_sessions_find(const struct auth_sessions *sessions,
                                        const uint8_t id[SHA256_SIZE], uint64_t now_ms)
{
    ASSERT(sessions != NULL && id != NULL);
    struct auth_session *session = sessions->places[place_of(id)];
    while (session != NULL && sodium_memcmp(session->id, id, SHA256_SIZE) != 0) {
        session = session->next;
    }
    return session == NULL || is_over(sessions, session, now_ms) ? NULL : session;
}

struct auth_session *auth_sessions_number(const struct auth_sessions *sessions, uint64_t number,
                                          uint64_t now_ms)
{
    ASSERT(sessions != NULL);
    for (size_t i = 0; i < PLACES; i++) {
        for (struct auth_session *at = sessions->places[i]; at != NULL; at = at->next) {
            if (at->number == number) {
                return is_over(sessions, at, now_ms) ? NULL : at;
            }
        }
    }
    return NULL;
}

size_t auth_sessions_count(const struct auth_sessions *sessions)
{
    ASSERT(sessions != NULL);
    return sessions->count;
}

/* --- ending --- */

/* Which ones end: those of a number, of an account, or that are over. */
struct which {
    uint64_t number;
    const char *account;
    uint64_t over_ms;
};

static bool is_meant(const struct auth_sessions *sessions, const struct auth_session *session,
                     const struct which *which)
{
    return (which->number != 0 && session->number == which->number) ||
           (which->account != NULL && strcmp(session->account, which->account) == 0) ||
           (which->over_ms != 0 && is_over(sessions, session, which->over_ms));
}

static void end(struct auth_sessions *sessions, const struct which *which)
{
    for (size_t i = 0; i < PLACES; i++) {
        struct auth_session **at = &sessions->places[i];
        while (*at != NULL) {
            struct auth_session *session = *at;
            if (is_meant(sessions, session, which)) {
                *at = session->next;
                sessions->count--;
                forget(session);
            } else {
                at = &session->next;
            }
        }
    }
}

void auth_sessions_end(struct auth_sessions *sessions, uint64_t number)
{
    ASSERT(sessions != NULL && number != 0);
    end(sessions, &(struct which){.number = number});
}

void auth_sessions_end_account(struct auth_sessions *sessions, const char *account)
{
    ASSERT(sessions != NULL && account != NULL);
    end(sessions, &(struct which){.account = account});
}

/* --- beginning --- */

/* The first that was begun, of an account or (NULL) of all, and how many there are. */
static size_t count_of(const struct auth_sessions *sessions, const char *account,
                       uint64_t *first_number)
{
    size_t count = 0;
    *first_number = 0;
    for (size_t i = 0; i < PLACES; i++) {
        for (struct auth_session *at = sessions->places[i]; at != NULL; at = at->next) {
            if (account != NULL && strcmp(at->account, account) != 0) {
                continue;
            }
            count++;
            if (*first_number == 0 || at->number < *first_number) { /* numbers rise */
                *first_number = at->number;
            }
        }
    }
    return count;
}

static void make_room(struct auth_sessions *sessions, const char *account, uint64_t now_ms)
{
    uint64_t first = 0;
    end(sessions, &(struct which){.over_ms = now_ms});
    if (count_of(sessions, account, &first) >= AUTH_SESSIONS_PER_ACCOUNT) {
        auth_sessions_end(sessions, first);
    }
    if (count_of(sessions, NULL, &first) >= AUTH_SESSIONS_MAX) {
        auth_sessions_end(sessions, first);
    }
}

struct auth_session *auth_sessions_begin(struct auth_sessions *sessions, const char *account,
                                         uint64_t stamp, uint64_t now_ms,
                                         char id[AUTH_SECRET_CHARS + 1])
{
    ASSERT(sessions != NULL && account != NULL && strlen(account) <= AUTH_NAME_MAX && id != NULL);
    struct auth_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return NULL;
    }
    make_room(sessions, account, now_ms);
    uint8_t csrf[ADMIN_CSRF_DIGITS / 2];
    random_bytes(csrf, sizeof csrf);
    hex_encode(csrf, sizeof csrf, session->csrf);
    auth_secret_make(id, session->id);
    session->number = ++sessions->last_number;
    memcpy(session->account, account, strlen(account) + 1);
    session->stamp = stamp;
    session->begun_ms = now_ms;
    session->used_ms = now_ms;
    struct auth_session **place = &sessions->places[place_of(session->id)];
    session->next = *place;
    *place = session;
    sessions->count++;
    return session;
}
