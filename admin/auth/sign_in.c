/* admin/auth/sign_in.c - attempts: counted, judged, told. */
#include "admin/auth/sign_in.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "admin/auth/audit.h"
#include "admin/auth/inside.h"

enum { LOCK_TOLD_MS = 10 * 1000 };

/* One look at a password. */
struct attempt {
    const struct auth_by *by;
    struct auth_from from;
    char folded[AUTH_NAME_MAX + 1]; /* "": it can be nobody's */
    bool exists;
    struct auth_account account; /* a copy */
    bool locks;                  /* who tries has to wait after this one */
};

static void begin(struct attempt *attempt, const char *name)
{
    struct admin_auth *auth = attempt->by->auth;
    if (auth_name_fold(name, attempt->folded, NULL) != 0) {
        attempt->folded[0] = '\0';
    }
    (void)pthread_mutex_lock(&auth->lock);
    const struct auth_account *account = auth_roster_account(&auth->roster, attempt->folded);
    attempt->exists = account != NULL;
    if (account != NULL) {
        attempt->account = *account;
    }
    (void)pthread_mutex_unlock(&auth->lock);
}

static struct auth_attempt counted(const struct attempt *attempt)
{
    return (struct auth_attempt){attempt->folded, attempt->from.address,
                                 auth_now_ms(attempt->by->auth)};
}

static int may_try(struct attempt *attempt, uint64_t *wait_ms, struct err *err)
{
    struct admin_auth *auth = attempt->by->auth;
    if (attempt->from.local) {
        return 0;
    }
    struct auth_attempt count = counted(attempt);
    (void)pthread_mutex_lock(&auth->lock);
    int rc = auth_lockout_try(auth->lockout, &count, wait_ms, &attempt->locks);
    (void)pthread_mutex_unlock(&auth->lock);
    if (rc == 0) {
        return 0;
    }
    return err_set(err, rc,
                   "too many attempts to sign in failed: wait %" PRIu64 " seconds, then try again",
                   (*wait_ms + 999) / 1000);
}

/* --- telling --- */

/* What was typed as a name may be a password: only names of accounts are told. */
static void log_failed(struct attempt *attempt, const char *why)
{
    struct admin_auth *auth = attempt->by->auth;
    uint64_t held = 0;
    (void)pthread_mutex_lock(&auth->lock);
    bool pass = log_limit_pass(&auth->failed_log, auth_now_ms(auth), &held);
    (void)pthread_mutex_unlock(&auth->lock);
    if (pass) {
        log_event(LOG_WARNING, "admin", "admin.sign_in_failed",
                  "account=%s address=%s why=%s held_back=%" PRIu64,
                  attempt->exists ? LOG_Q(attempt->account.folded) : "unknown",
                  attempt->from.address[0] != '\0' ? attempt->from.address : "local", why, held);
    }
}

/* Whoever has many addresses could fill the journal: one a while is told, and how many were not. */
static void audit_locked(struct attempt *attempt)
{
    struct admin_auth *auth = attempt->by->auth;
    uint64_t now_ms = auth_now_ms(auth);
    (void)pthread_mutex_lock(&auth->lock);
    bool pass = auth->lock_told_ms == 0 || now_ms - auth->lock_told_ms >= LOCK_TOLD_MS;
    uint64_t held = auth->lock_held;
    auth->lock_held = pass ? 0 : held + 1;
    auth->lock_told_ms = pass ? now_ms : auth->lock_told_ms;
    (void)pthread_mutex_unlock(&auth->lock);
    if (!pass) {
        return;
    }
    struct auth_event event = {
        .action = "session.locked",
        .via = ADMIN_VIA_SESSION,
        .address = attempt->from.address,
        .status = 401,
        .about = json_pack("{s:s?, s:I}", "account", attempt->exists ? attempt->account.name : NULL,
                           "held_back", (json_int_t)held),
    };
    auth_audit(attempt->by->backend, &event);
    json_decref(event.about);
}

static int refuse(struct attempt *attempt, const char *sentence, struct err *err)
{
    log_failed(attempt, attempt->locks ? "wrong_and_locked" : "wrong");
    if (attempt->locks) {
        audit_locked(attempt);
    }
    return err_set(err, E_CREDENTIALS, "%s", sentence);
}

/* --- signing in --- */

/* It was no wrong password. */
static void let_off(const struct attempt *attempt)
{
    struct admin_auth *auth = attempt->by->auth;
    if (attempt->from.local) {
        return;
    }
    struct auth_attempt count = counted(attempt);
    (void)pthread_mutex_lock(&auth->lock);
    auth_lockout_undo(auth->lockout, &count);
    (void)pthread_mutex_unlock(&auth->lock);
}

/* A session for who has shown the password of this very account, and the place is known from now
 * on: with the lock for both, so that a password that is changed meanwhile takes both away. */
static int let_in(const struct attempt *attempt, const struct auth_account *account,
                  struct auth_entry *out, struct err *err)
{
    struct admin_auth *auth = attempt->by->auth;
    int rc = auth_begin_session(auth, account, out->id, &out->who, err);
    if (rc == 0 && !attempt->from.local) {
        struct auth_attempt count = counted(attempt);
        auth_lockout_know(auth->lockout, &count);
    }
    return rc;
}

/* Is it the password? An attempt that could not be judged is none. */
static int judge(struct attempt *attempt, const char *password, const char *sentence,
                 struct err *err)
{
    const char *hash = attempt->exists ? attempt->account.password : NULL;
    int rc = auth_password_fits(password, hash, &attempt->by->auth->cost);
    if (rc == E_NOMEM) {
        let_off(attempt);
        return err_set(err, rc, "there is no memory to look at a password: try again in a moment");
    }
    return rc == 1 ? 0 : refuse(attempt, sentence, err);
}

/* The account is looked at again: it may have been changed while the password was hashed. */
static int enter(struct attempt *attempt, uint64_t replaces, struct auth_entry *out,
                 struct err *err)
{
    struct admin_auth *auth = attempt->by->auth;
    (void)pthread_mutex_lock(&auth->lock);
    struct auth_account *account = auth_roster_account(&auth->roster, attempt->folded);
    bool same = account != NULL && account->stamp == attempt->account.stamp;
    int rc = same ? let_in(attempt, account, out, err)
                  : err_set(err, E_CREDENTIALS, "the name or the password is wrong");
    if (same && rc == 0) {
        account->used_ms = clock_wall_ms(auth->clock);
        if (replaces != 0) {
            auth_sessions_end(auth->sessions, replaces);
        }
    }
    (void)pthread_mutex_unlock(&auth->lock);
    return rc;
}

/* The cost was raised since: what can't be written now is hashed anew the next time. */
static void rehash(struct attempt *attempt, const char *password)
{
    struct admin_auth *auth = attempt->by->auth;
    struct err err = {0};
    char hash[AUTH_HASH_MAX];
    if (!auth_password_outdated(attempt->account.password, &auth->cost)) {
        return;
    }
    int rc = auth_password_hash(password, &auth->cost, hash, &err);
    (void)pthread_mutex_lock(&auth->writing);
    (void)pthread_mutex_lock(&auth->lock);
    const struct auth_account *now = auth_roster_account(&auth->roster, attempt->folded);
    bool same = now != NULL && now->stamp == attempt->account.stamp;
    if (same) {
        attempt->account = *now;
    }
    (void)pthread_mutex_unlock(&auth->lock);
    if (rc == 0 && same) {
        memcpy(attempt->account.password, hash, sizeof hash);
        rc = auth_account_write(attempt->by, &attempt->account, &err);
    }
    (void)pthread_mutex_unlock(&auth->writing);
    if (rc != 0) {
        log_err(LOG_WARNING, "admin", "admin.rehash_failed", &err);
    }
    sodium_memzero(hash, sizeof hash);
}

int auth_sign_in(const struct auth_by *by, const struct auth_sign_in *sign_in,
                 struct auth_entry *out, struct err *err)
{
    ASSERT(by != NULL && sign_in != NULL && out != NULL);
    ASSERT(sign_in->name != NULL && sign_in->password != NULL && sign_in->from.address != NULL);
    struct attempt attempt = {.by = by, .from = sign_in->from};
    *out = (struct auth_entry){0};
    begin(&attempt, sign_in->name);
    int rc = may_try(&attempt, &out->wait_ms, err);
    if (rc != 0) {
        log_failed(&attempt, "waits");
        goto out;
    }
    rc = judge(&attempt, sign_in->password, "the name or the password is wrong", err);
    if (rc != 0) {
        goto out;
    }
    let_off(&attempt);
    rc = enter(&attempt, sign_in->replaces, out, err);
    if (rc == 0) {
        rehash(&attempt, sign_in->password);
    }
out:
    sodium_memzero(&attempt, sizeof attempt);
    return rc;
}

void auth_sign_out(struct admin_auth *auth, uint64_t session)
{
    ASSERT(auth != NULL && session != 0);
    (void)pthread_mutex_lock(&auth->lock);
    auth_sessions_end(auth->sessions, session);
    (void)pthread_mutex_unlock(&auth->lock);
}

/* --- one's own password --- */

/* In place of the session that asked: its id may be what made a new password necessary. */
static int begin_anew(struct attempt *attempt, uint64_t stamp, struct auth_entry *out,
                      struct err *err)
{
    struct admin_auth *auth = attempt->by->auth;
    (void)pthread_mutex_lock(&auth->lock);
    const struct auth_account *account = auth_roster_account(&auth->roster, attempt->folded);
    bool ours = account != NULL && account->stamp == stamp; /* nobody changed it since */
    int rc = ours ? let_in(attempt, account, out, err)
                  : err_set(err, E_UNAUTHENTICATED, "sign in first");
    (void)pthread_mutex_unlock(&auth->lock);
    return rc;
}

/* Whoever knows the old one would know the new one. In any of the forms that are hashed alike. */
static int check_other(const struct attempt *attempt, const char *password, struct err *err)
{
    int rc = auth_password_fits(password, attempt->account.password, &attempt->by->auth->cost);
    return rc == 1   ? err_set(err, E_INVALID, "the new password is the old one: take another")
           : rc != 0 ? err_set(err, rc, "there is no memory to look at a password")
                     : 0;
}

int auth_own_password(const struct auth_by *by, const struct auth_own_password *change,
                      struct auth_entry *out, struct err *err)
{
    ASSERT(by != NULL && change != NULL && out != NULL && change->who->via == ADMIN_VIA_SESSION);
    struct attempt attempt = {.by = by, .from = change->from};
    struct auth_account_row row;
    struct auth_account_change wanted = {.password = change->password, .own = true};
    *out = (struct auth_entry){0};
    begin(&attempt, change->who->actor);
    int rc = attempt.exists ? auth_password_check(change->password, attempt.folded, err)
                            : err_set(err, E_UNAUTHENTICATED, "sign in first");
    if (rc == 0) {
        rc = may_try(&attempt, &out->wait_ms, err);
    }
    if (rc != 0) {
        goto out;
    }
    rc = judge(&attempt, change->old, "the old password is wrong", err);
    if (rc != 0) {
        goto out;
    }
    let_off(&attempt);
    rc = check_other(&attempt, change->password, err);
    if (rc == 0) {
        /* what was checked is the password of this very account, or nothing is changed */
        wanted.condition = (struct admin_condition){.given = true, .seq = attempt.account.seq};
        rc = auth_account_change(by, attempt.folded, &wanted, &row, err);
    }
    if (rc == 0) {
        rc = begin_anew(&attempt, row.account.stamp, out, err);
    }
out:
    sodium_memzero(&attempt, sizeof attempt);
    return rc;
}
