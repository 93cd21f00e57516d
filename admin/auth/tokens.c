/* admin/auth/tokens.c - made, listed, deleted. */
#include "admin/auth/tokens.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/auth/inside.h"

size_t auth_tokens_list(struct admin_auth *auth, uint64_t after, size_t limit,
                        struct auth_token *rows, bool *more)
{
    ASSERT(auth != NULL && rows != NULL && more != NULL);
    size_t count = 0;
    *more = false;
    (void)pthread_mutex_lock(&auth->lock);
    for (size_t i = 0; i < auth->roster.token_count && !*more; i++) {
        const struct auth_token *token = &auth->roster.tokens[i];
        if (token->id <= after) {
            continue;
        }
        *more = count == limit;
        if (!*more) {
            rows[count++] = *token;
        }
    }
    (void)pthread_mutex_unlock(&auth->lock);
    return count;
}

/* --- making, with `writing` held --- */

static int check_new(struct admin_auth *auth, const struct auth_token *token, struct err *err)
{
    (void)pthread_mutex_lock(&auth->lock);
    bool exists = auth_roster_token_named(&auth->roster, token->folded) != NULL;
    bool full = auth->roster.token_count >= AUTH_TOKENS_MAX;
    int rc = auth_roster_reserve(&auth->roster, err);
    (void)pthread_mutex_unlock(&auth->lock);
    if (exists) { /* the audit tells tokens apart by their names */
        return err_set(err, E_EXISTS, "there is an API token '%s' already", token->name);
    }
    return full ? err_set(err, E_QUOTA, "there are %d API tokens already, the limit: delete some",
                          AUTH_TOKENS_MAX)
                : rc;
}

static int write_token(const struct auth_by *by, struct auth_token *token, struct err *err)
{
    char path[AUTH_PATH_MAX];
    struct buf value;
    buf_init(&value, AUTH_RECORD_MAX);
    auth_put_token(&value, token);
    struct operation_write write = {
        .path = auth_token_path(path, token->id), .value = buf_span(&value), .has_if_seq = true};
    int rc = buf_error(&value);
    rc = rc != 0 ? err_set(err, rc, "out of memory")
                 : auth_submit(by->backend, by->actor, &write, 1, &token->seq, err);
    buf_free(&value);
    if (rc == 0) {
        (void)pthread_mutex_lock(&by->auth->lock);
        auth_roster_put_token(&by->auth->roster, token);
        (void)pthread_mutex_unlock(&by->auth->lock);
    }
    return rc;
}

int auth_token_add(const struct auth_by *by, const struct auth_new_token *wanted,
                   char text[AUTH_TOKEN_TEXT_MAX], struct auth_token *out, struct err *err)
{
    ASSERT(by != NULL && wanted != NULL && text != NULL && out != NULL);
    ASSERT(strlen(by->actor) <= ACTOR_MAX_BYTES && wanted->role != ADMIN_ROLE_NONE);
    char secret[AUTH_SECRET_CHARS + 1];
    struct auth_token token = {.id = random_u64(), .role = wanted->role};
    int rc = auth_name_fold(wanted->name, token.folded, err);
    if (rc != 0) {
        return rc;
    }
    (void)snprintf(token.name, sizeof token.name, "%s", wanted->name);
    (void)snprintf(token.by, sizeof token.by, "%s", by->actor);
    token.created_ms = clock_wall_ms(by->auth->clock);
    token.expires_ms = token.created_ms + wanted->lasts_ms;
    auth_secret_make(secret, token.secret);
    (void)pthread_mutex_lock(&by->auth->writing);
    rc = check_new(by->auth, &token, err);
    if (rc == 0) {
        rc = write_token(by, &token, err);
    }
    (void)pthread_mutex_unlock(&by->auth->writing);
    if (rc == 0) {
        (void)snprintf(text, AUTH_TOKEN_TEXT_MAX, "%s%s", AUTH_TOKEN_PREFIX, secret);
        *out = token;
    }
    sodium_memzero(secret, sizeof secret);
    return rc;
}

/* --- deleting --- */

struct doomed {
    struct operation_write *writes;
    char (*paths)[AUTH_PATH_MAX];
    uint64_t *ids;
    size_t count;
};

static bool is_doomed(const struct doomed *doomed, uint64_t id)
{
    for (size_t i = 0; i < doomed->count; i++) {
        if (doomed->ids[i] == id) {
            return true;
        }
    }
    return false;
}

static void choose(struct admin_auth *auth, struct auth_token_deletion *deletion,
                   struct doomed *doomed)
{
    (void)pthread_mutex_lock(&auth->lock);
    for (size_t i = 0; i < deletion->count; i++) {
        const struct auth_token *token = auth_roster_token(&auth->roster, deletion->ids[i]);
        deletion->gone[i] = token != NULL;
        if (token == NULL || is_doomed(doomed, token->id)) {
            continue;
        }
        doomed->ids[doomed->count] = token->id;
        struct span path = auth_token_path(doomed->paths[doomed->count], token->id);
        doomed->writes[doomed->count++] = (struct operation_write){
            .path = path, .remove = true, .has_if_seq = true, .if_seq = token->seq};
    }
    (void)pthread_mutex_unlock(&auth->lock);
}

static void forget(const struct auth_by *by, const struct doomed *doomed)
{
    (void)pthread_mutex_lock(&by->auth->lock);
    for (size_t i = 0; i < doomed->count; i++) {
        auth_roster_remove_token(&by->auth->roster, doomed->ids[i]);
        (void)auth_roster_forget_token(by->backend->kv, doomed->ids[i]);
    }
    (void)pthread_mutex_unlock(&by->auth->lock);
}

int auth_tokens_delete(const struct auth_by *by, struct auth_token_deletion *deletion,
                       struct err *err)
{
    ASSERT(by != NULL && deletion != NULL && deletion->count > 0 && deletion->gone != NULL);
    struct doomed doomed = {
        .writes = calloc(deletion->count, sizeof *doomed.writes),
        .paths = calloc(deletion->count, sizeof *doomed.paths),
        .ids = calloc(deletion->count, sizeof *doomed.ids),
    };
    int rc = doomed.writes != NULL && doomed.paths != NULL && doomed.ids != NULL
                 ? 0
                 : err_set(err, E_NOMEM, "out of memory");
    (void)pthread_mutex_lock(&by->auth->writing);
    if (rc == 0) {
        choose(by->auth, deletion, &doomed);
    }
    if (rc == 0 && doomed.count > 0 && !deletion->dry_run) {
        rc = auth_submit(by->backend, by->actor, doomed.writes, doomed.count, &deletion->seq, err);
        if (rc == 0) {
            forget(by, &doomed);
        }
    }
    (void)pthread_mutex_unlock(&by->auth->writing);
    deletion->deleted = rc == 0 ? doomed.count : 0;
    free(doomed.writes);
    free(doomed.paths);
    free(doomed.ids);
    return rc;
}
