/* admin/auth/auth.c - the object, and who is let in. */
#include "admin/auth/auth.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/auth/inside.h"

enum { LOOK_AT_USES_MS = 60 * 1000 };

uint64_t auth_now_ms(const struct admin_auth *auth)
{
    return clock_up_ms(auth->clock);
}

int admin_auth_new(struct admin_auth **out, const struct clock *clock, struct err *err)
{
    ASSERT(out != NULL && clock != NULL);
    if (sodium_init() < 0) {
        return err_set(err, E_SYSTEM, "libsodium can't be used here");
    }
    struct admin_auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL) {
        return err_set(err, E_NOMEM, "accounts: out of memory");
    }
    auth->clock = clock;
    auth->cost = auth_cost_usual;
    (void)pthread_mutex_init(&auth->writing, NULL);
    (void)pthread_mutex_init(&auth->lock, NULL);
    int rc = auth_sessions_new(&auth->sessions, err);
    if (rc == 0) {
        rc = auth_lockout_new(&auth->lockout, err);
    }
    if (rc != 0) {
        admin_auth_free(&auth);
        return rc;
    }
    *out = auth;
    return 0;
}

void admin_auth_free(struct admin_auth **auth)
{
    if (auth == NULL || *auth == NULL) {
        return;
    }
    auth_roster_free(&(*auth)->roster);
    auth_sessions_free(&(*auth)->sessions);
    auth_lockout_free(&(*auth)->lockout);
    (void)pthread_mutex_destroy(&(*auth)->lock);
    (void)pthread_mutex_destroy(&(*auth)->writing);
    free(*auth);
    *auth = NULL;
}

void admin_auth_limits(struct admin_auth *auth, uint64_t idle_ms, uint64_t max_ms)
{
    ASSERT(auth != NULL);
    (void)pthread_mutex_lock(&auth->lock);
    auth_sessions_limits(auth->sessions, idle_ms, max_ms);
    (void)pthread_mutex_unlock(&auth->lock);
}

/* What is later in memory than in the notes. */
static void keep_uses(struct auth_roster *to, const struct auth_roster *from)
{
    for (size_t i = 0; i < to->account_count; i++) {
        struct auth_account *account = &to->accounts[i];
        const struct auth_account *old = auth_roster_account(from, account->folded);
        if (old != NULL && old->created_ms == account->created_ms &&
            old->used_ms > account->used_ms) {
            account->used_ms = old->used_ms;
        }
    }
    for (size_t i = 0; i < to->token_count; i++) {
        struct auth_token *token = &to->tokens[i];
        const struct auth_token *old = auth_roster_token(from, token->id);
        if (old != NULL && old->used_ms > token->used_ms) {
            token->used_ms = old->used_ms;
        }
    }
}

int admin_auth_load(struct admin_auth *auth, const struct admin_backend *backend, struct err *err)
{
    ASSERT(auth != NULL && backend != NULL);
    struct auth_roster loaded = {0};
    (void)pthread_mutex_lock(&auth->writing);
    int rc = auth_roster_load(&loaded, backend->kv, err);
    if (rc == 0) {
        (void)pthread_mutex_lock(&auth->lock);
        keep_uses(&loaded, &auth->roster);
        struct auth_roster old = auth->roster;
        auth->roster = loaded;
        auth->loaded = true;
        (void)pthread_mutex_unlock(&auth->lock);
        loaded = old;
    }
    auth_roster_free(&loaded);
    (void)pthread_mutex_unlock(&auth->writing);
    return rc;
}

bool admin_auth_is_new(struct admin_auth *auth)
{
    ASSERT(auth != NULL);
    (void)pthread_mutex_lock(&auth->lock);
    bool is_new = auth->loaded && auth->roster.account_count == 0 && auth->roster.left_out == 0;
    (void)pthread_mutex_unlock(&auth->lock);
    return is_new;
}

int auth_submit(const struct admin_backend *backend, const char *actor,
                const struct operation_write *writes, size_t count, uint64_t *seq, struct err *err)
{
    struct submit submit = {
        .kind = SUBMIT_WRITE,
        .actor = actor,
        .owner = {.kind = OWNER_SERVER},
        .writes = writes,
        .write_count = count,
    };
    int rc = backend->submit(backend->context, &submit, 1, err);
    if (rc == 0 && submit.code != 0) {
        rc = err_set(err, submit.code, "%s", submit.text);
    }
    if (rc == 0) {
        *seq = submit.seq;
    }
    return rc;
}

/* --- letting in --- */

static void fill_session(const struct admin_auth *auth, const struct auth_session *session,
                         const struct auth_account *account, uint64_t wall_ms,
                         struct admin_identity *out)
{
    *out = (struct admin_identity){.role = account->role,
                                   .via = ADMIN_VIA_SESSION,
                                   .session = session->number,
                                   .must_change = account->must_change};
    (void)snprintf(out->actor, sizeof out->actor, "%s", account->name);
    memcpy(out->csrf, session->csrf, sizeof out->csrf);
    out->expires_ms = wall_ms + auth_session_left_ms(auth->sessions, session, auth_now_ms(auth));
}

int auth_begin_session(struct admin_auth *auth, const struct auth_account *account,
                       char id[AUTH_SECRET_CHARS + 1], struct admin_identity *out, struct err *err)
{
    const struct auth_session *session =
        auth_sessions_begin(auth->sessions, account->folded, account->stamp, auth_now_ms(auth), id);
    if (session == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    fill_session(auth, session, account, clock_wall_ms(auth->clock), out);
    return 0;
}

static int nobody(struct err *err)
{
    return err_set(err, E_UNAUTHENTICATED, "sign in first, or send an API token");
}

static int check_token(struct admin_auth *auth, const struct admin_credentials *given,
                       struct admin_identity *out, struct err *err)
{
    uint8_t hash[SHA256_SIZE];
    struct auth_token *token = NULL;
    if (auth_secret_hash(auth_secret_of_authorization(given->authorization), hash)) {
        token = auth_roster_secret(&auth->roster, hash);
    }
    if (token == NULL) {
        return err_set(err, E_UNAUTHENTICATED,
                       "the header Authorization holds no API token that "
                       "this server knows");
    }
    if (token->expires_ms <= given->now_ms) {
        return err_set(err, E_UNAUTHENTICATED, "the API token '%s' has expired: make a new one",
                       token->name);
    }
    token->used_ms = given->now_ms;
    *out = (struct admin_identity){.role = token->role,
                                   .via = ADMIN_VIA_TOKEN,
                                   .session = token->id,
                                   .expires_ms = token->expires_ms};
    (void)snprintf(out->actor, sizeof out->actor, "token:%s", token->name);
    return 0;
}

/* The account of a session, as it was when the session began; NULL: the session is over. */
static const struct auth_account *account_of(const struct admin_auth *auth,
                                             const struct auth_session *session)
{
    const struct auth_account *account = auth_roster_account(&auth->roster, session->account);
    return account != NULL && account->stamp == session->stamp ? account : NULL;
}

static bool csrf_fits(const struct auth_session *session, struct span given)
{
    return given.size == ADMIN_CSRF_DIGITS &&
           sodium_memcmp(session->csrf, given.data, ADMIN_CSRF_DIGITS) == 0;
}

static int check_session(struct admin_auth *auth, const struct admin_credentials *given,
                         struct admin_identity *out, struct err *err)
{
    uint8_t id[SHA256_SIZE];
    uint64_t now_ms = auth_now_ms(auth);
    struct auth_session *session = NULL;
    if (auth_secret_hash(auth_secret_of_cookie(given->cookie), id)) {
        session = auth_sessions_find(auth->sessions, id, now_ms);
    }
    const struct auth_account *account = session != NULL ? account_of(auth, session) : NULL;
    if (account == NULL) {
        return nobody(err);
    }
    if (given->changes && !csrf_fits(session, given->csrf)) {
        return err_set(err, E_CSRF,
                       "a change needs the header X-CSRF-Token with what GET /api/v1/session "
                       "tells as 'csrf'");
    }
    session->used_ms = now_ms;
    fill_session(auth, session, account, given->now_ms, out);
    return 0;
}

int admin_auth_check(struct admin_auth *auth, const struct admin_credentials *given,
                     struct admin_identity *out, struct err *err)
{
    ASSERT(auth != NULL && given != NULL && out != NULL);
    (void)pthread_mutex_lock(&auth->lock);
    int rc = given->authorization.size > 0 ? check_token(auth, given, out, err)
             : given->cookie.size > 0      ? check_session(auth, given, out, err)
                                           : nobody(err);
    (void)pthread_mutex_unlock(&auth->lock);
    return rc;
}

void admin_auth_local(struct admin_identity *out)
{
    ASSERT(out != NULL);
    *out =
        (struct admin_identity){.actor = "admin", .role = ADMIN_ROLE_ADMIN, .via = ADMIN_VIA_LOCAL};
}

bool admin_auth_alive(struct admin_auth *auth, const struct admin_identity *who)
{
    ASSERT(auth != NULL && who != NULL);
    bool alive = who->via == ADMIN_VIA_LOCAL;
    (void)pthread_mutex_lock(&auth->lock);
    if (who->via == ADMIN_VIA_SESSION) {
        const struct auth_session *session =
            auth_sessions_number(auth->sessions, who->session, auth_now_ms(auth));
        alive = session != NULL && account_of(auth, session) != NULL;
    } else if (who->via == ADMIN_VIA_TOKEN) {
        const struct auth_token *token = auth_roster_token(&auth->roster, who->session);
        alive = token != NULL && token->expires_ms > clock_wall_ms(auth->clock);
    }
    (void)pthread_mutex_unlock(&auth->lock);
    return alive;
}

void admin_auth_note(struct admin_auth *auth, const struct admin_backend *backend)
{
    ASSERT(auth != NULL && backend != NULL);
    uint64_t now_ms = auth_now_ms(auth);
    (void)pthread_mutex_lock(&auth->lock);
    if (auth->noted_ms == 0 || now_ms - auth->noted_ms >= LOOK_AT_USES_MS) {
        auth->noted_ms = now_ms;
        auth_roster_note(&auth->roster, backend->kv);
    }
    (void)pthread_mutex_unlock(&auth->lock);
}
