/* admin/auth/accounts.c - one change after the other: read, check, submit, keep. */
#include "admin/auth/accounts.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/auth/inside.h"

/* --- reading --- */

static void fill_row(const struct auth_waits *waits, const struct auth_account *account,
                     struct auth_account_row *row)
{
    row->account = *account;
    sodium_memzero(row->account.password, sizeof row->account.password);
    row->locked = auth_waits_has(waits, account->folded);
}

size_t auth_accounts_list(struct admin_auth *auth, const char *after, size_t limit,
                          struct auth_account_row *rows, bool *more)
{
    ASSERT(auth != NULL && after != NULL && rows != NULL && more != NULL);
    size_t count = 0;
    struct auth_waits waits;
    *more = false;
    (void)pthread_mutex_lock(&auth->lock);
    auth_lockout_waits(auth->lockout, auth_now_ms(auth), &waits);
    for (size_t i = 0; i < auth->roster.account_count && !*more; i++) {
        const struct auth_account *account = &auth->roster.accounts[i];
        if (strcmp(account->folded, after) <= 0) {
            continue;
        }
        *more = count == limit;
        if (!*more) {
            fill_row(&waits, account, &rows[count++]);
        }
    }
    (void)pthread_mutex_unlock(&auth->lock);
    return count;
}

/* A copy, with the password's hash. */
static int copy_account(struct admin_auth *auth, const char *name, struct auth_account *out,
                        struct err *err)
{
    char folded[AUTH_NAME_MAX + 1];
    int rc = auth_name_fold(name, folded, err);
    if (rc != 0) {
        return rc;
    }
    (void)pthread_mutex_lock(&auth->lock);
    const struct auth_account *account = auth_roster_account(&auth->roster, folded);
    if (account != NULL) {
        *out = *account;
    }
    (void)pthread_mutex_unlock(&auth->lock);
    return account != NULL ? 0 : err_set(err, E_NOT_FOUND, "there is no account '%s'", name);
}

static void tell(struct admin_auth *auth, const struct auth_account *account,
                 struct auth_account_row *out)
{
    struct auth_waits waits;
    (void)pthread_mutex_lock(&auth->lock);
    auth_lockout_waits(auth->lockout, auth_now_ms(auth), &waits);
    fill_row(&waits, account, out);
    (void)pthread_mutex_unlock(&auth->lock);
}

int auth_account_find(struct admin_auth *auth, const char *name, struct auth_account_row *out,
                      struct err *err)
{
    ASSERT(auth != NULL && name != NULL && out != NULL);
    struct auth_account account;
    int rc = copy_account(auth, name, &account, err);
    if (rc == 0) {
        tell(auth, &account, out);
        sodium_memzero(&account, sizeof account);
    }
    return rc;
}

/* --- writing, with `writing` held --- */

int auth_account_write(const struct auth_by *by, struct auth_account *account, struct err *err)
{
    struct admin_auth *auth = by->auth;
    char path[AUTH_PATH_MAX];
    struct buf value;
    buf_init(&value, AUTH_RECORD_MAX);
    (void)pthread_mutex_lock(&auth->lock);
    int rc = auth_roster_reserve(&auth->roster, err);
    (void)pthread_mutex_unlock(&auth->lock);
    if (rc == 0) {
        auth_put_account(&value, account);
        rc = buf_error(&value) == 0 ? 0 : err_set(err, buf_error(&value), "out of memory");
    }
    struct operation_write write = {.path = auth_account_path(path, account->folded),
                                    .value = buf_span(&value),
                                    .has_if_seq = true,
                                    .if_seq = account->seq};
    if (rc == 0) {
        rc = auth_submit(by->backend, by->actor, &write, 1, &account->seq, err);
    }
    if (rc == 0) {
        (void)pthread_mutex_lock(&auth->lock);
        const struct auth_account *now = auth_roster_account(&auth->roster, account->folded);
        if (now != NULL) { /* somebody may have signed in meanwhile */
            account->used_ms = now->used_ms;
            account->noted_ms = now->noted_ms;
        }
        auth_roster_put_account(&auth->roster, account);
        (void)pthread_mutex_unlock(&auth->lock);
    }
    if (value.size > 0) {
        sodium_memzero(value.data, value.size);
    }
    buf_free(&value);
    return rc;
}

/* Who came in with what was valid before does so no more. */
static void end_entries(struct admin_auth *auth, const char *folded, bool new_password)
{
    (void)pthread_mutex_lock(&auth->lock);
    auth_sessions_end_account(auth->sessions, folded);
    if (new_password) {
        auth_lockout_forget_places(auth->lockout, folded);
    }
    (void)pthread_mutex_unlock(&auth->lock);
}

/* --- adding --- */

static int check_new(struct admin_auth *auth, const struct auth_account *account, struct err *err)
{
    (void)pthread_mutex_lock(&auth->lock);
    bool exists = auth_roster_account(&auth->roster, account->folded) != NULL;
    bool full = auth->roster.account_count >= AUTH_ACCOUNTS_MAX;
    (void)pthread_mutex_unlock(&auth->lock);
    if (exists) {
        return err_set(err, E_EXISTS, "there is an account '%s' already", account->name);
    }
    return full ? err_set(err, E_QUOTA, "there are %d accounts already, the limit",
                          AUTH_ACCOUNTS_MAX)
                : 0;
}

static int prepare(struct admin_auth *auth, const struct auth_new_account *wanted,
                   const char *password, struct auth_account *account, struct err *err)
{
    int rc = auth_name_fold(wanted->name, account->folded, err);
    if (rc == 0) {
        (void)snprintf(account->name, sizeof account->name, "%s", wanted->name);
        rc = auth_password_check(password, account->folded, err);
    }
    if (rc == 0) {
        rc = check_new(auth, account, err); /* before 100 ms of work for nothing */
    }
    if (rc == 0) {
        rc = auth_password_hash(password, &auth->cost, account->password, err);
    }
    account->role = wanted->role;
    account->stamp = random_u64();
    account->created_ms = account->changed_ms = clock_wall_ms(auth->clock);
    account->must_change = !wanted->chosen;
    return rc;
}

int auth_account_add(const struct auth_by *by, const struct auth_new_account *wanted,
                     char made_up[ADMIN_MADE_UP_MAX], struct auth_account_row *out, struct err *err)
{
    ASSERT(by != NULL && wanted != NULL && made_up != NULL && out != NULL);
    ASSERT(wanted->role != ADMIN_ROLE_NONE);
    struct admin_auth *auth = by->auth;
    struct auth_account account = {0};
    made_up[0] = '\0';
    if (wanted->password == NULL) {
        auth_password_make(made_up);
    }
    int rc =
        prepare(auth, wanted, wanted->password != NULL ? wanted->password : made_up, &account, err);
    if (rc == 0) {
        (void)pthread_mutex_lock(&auth->writing);
        rc = check_new(auth, &account, err);
        if (rc == 0) {
            rc = auth_account_write(by, &account, err);
        }
        (void)pthread_mutex_unlock(&auth->writing);
    }
    if (rc == 0) {
        tell(auth, &account, out);
    } else {
        sodium_memzero(made_up, ADMIN_MADE_UP_MAX);
    }
    sodium_memzero(&account, sizeof account);
    return rc;
}

/* --- changing --- */

static int check_condition(const struct admin_condition *condition,
                           const struct auth_account *account, struct err *err)
{
    if (!condition->given || condition->any || condition->seq == account->seq) {
        return 0;
    }
    return err_set(err, E_CONDITION,
                   "the account '%s' was changed meanwhile: look at it again, then decide",
                   account->name);
}

static int check_last_admin(struct admin_auth *auth, const struct auth_account *account,
                            enum admin_role role, struct err *err)
{
    if (account->role != ADMIN_ROLE_ADMIN || role == ADMIN_ROLE_ADMIN || role == ADMIN_ROLE_NONE) {
        return 0;
    }
    (void)pthread_mutex_lock(&auth->lock);
    size_t admins = auth_roster_admins(&auth->roster);
    (void)pthread_mutex_unlock(&auth->lock);
    return admins > 1 ? 0
                      : err_set(err, E_LAST_ADMIN,
                                "'%s' is the only administrator: make somebody else one first",
                                account->name);
}

/* With `writing`: the account as it is now, changed and written. */
static int change_now(const struct auth_by *by, const char *name,
                      const struct auth_account_change *change, const char *hash,
                      struct auth_account *account, struct err *err)
{
    int rc = copy_account(by->auth, name, account, err);
    if (rc == 0) {
        rc = check_condition(&change->condition, account, err);
    }
    if (rc == 0) {
        rc = check_last_admin(by->auth, account, change->role, err);
    }
    bool role = change->role != ADMIN_ROLE_NONE && change->role != account->role;
    if (rc != 0 || (!role && hash == NULL)) {
        return rc;
    }
    account->role = role ? change->role : account->role;
    if (hash != NULL) {
        memcpy(account->password, hash, AUTH_HASH_MAX);
        account->must_change = !change->own;
    }
    account->stamp = random_u64();
    account->changed_ms = clock_wall_ms(by->auth->clock);
    rc = auth_account_write(by, account, err);
    if (rc == 0) {
        end_entries(by->auth, account->folded, hash != NULL);
    }
    return rc;
}

static int hash_new(struct admin_auth *auth, const char *name, const char *password,
                    char hash[AUTH_HASH_MAX], struct err *err)
{
    struct auth_account_row row; /* a name that is not there costs no hashing */
    int rc = auth_account_find(auth, name, &row, err);
    if (rc == 0) {
        rc = auth_password_check(password, row.account.folded, err);
    }
    return rc == 0 ? auth_password_hash(password, &auth->cost, hash, err) : rc;
}

int auth_account_change(const struct auth_by *by, const char *name,
                        const struct auth_account_change *change, struct auth_account_row *out,
                        struct err *err)
{
    ASSERT(by != NULL && name != NULL && change != NULL && out != NULL);
    struct admin_auth *auth = by->auth;
    struct auth_account account = {0};
    char hash[AUTH_HASH_MAX] = "";
    bool has_password = change->password != NULL;
    int rc = has_password ? hash_new(auth, name, change->password, hash, err) : 0;
    if (rc == 0) {
        (void)pthread_mutex_lock(&auth->writing);
        rc = change_now(by, name, change, has_password ? hash : NULL, &account, err);
        (void)pthread_mutex_unlock(&auth->writing);
    }
    if (rc == 0 && change->unlock) {
        (void)pthread_mutex_lock(&auth->lock);
        auth_lockout_clear(auth->lockout, account.folded);
        (void)pthread_mutex_unlock(&auth->lock);
    }
    if (rc == 0) {
        tell(auth, &account, out);
    }
    sodium_memzero(hash, sizeof hash);
    sodium_memzero(&account, sizeof account);
    return rc;
}

/* --- deleting --- */

/* A set of accounts to remove, with what their items are called. */
struct doomed {
    struct operation_write *writes;
    char (*paths)[AUTH_PATH_MAX];
    char (*folded)[AUTH_NAME_MAX + 1];
    size_t count;
};

static bool is_doomed(const struct doomed *doomed, const char *folded)
{
    for (size_t i = 0; i < doomed->count; i++) {
        if (strcmp(doomed->folded[i], folded) == 0) {
            return true;
        }
    }
    return false;
}

static int choose(const struct auth_by *by, struct auth_deletion *deletion, struct doomed *doomed,
                  struct err *err)
{
    struct auth_account account;
    size_t admins = 0;
    for (size_t i = 0; i < deletion->count; i++) {
        deletion->gone[i] = copy_account(by->auth, deletion->names[i], &account, NULL) == 0;
        if (!deletion->gone[i] || is_doomed(doomed, account.folded)) {
            continue;
        }
        admins += account.role == ADMIN_ROLE_ADMIN;
        memcpy(doomed->folded[doomed->count], account.folded, sizeof account.folded);
        struct span path = auth_account_path(doomed->paths[doomed->count], account.folded);
        doomed->writes[doomed->count++] = (struct operation_write){
            .path = path, .remove = true, .has_if_seq = true, .if_seq = account.seq};
    }
    sodium_memzero(&account, sizeof account);
    (void)pthread_mutex_lock(&by->auth->lock);
    bool none_left = admins > 0 && auth_roster_admins(&by->auth->roster) == admins;
    (void)pthread_mutex_unlock(&by->auth->lock);
    return none_left ? err_set(err, E_LAST_ADMIN,
                               "that would leave no administrator: make somebody else one first")
                     : 0;
}

static void forget(const struct auth_by *by, const struct doomed *doomed)
{
    struct admin_auth *auth = by->auth;
    (void)pthread_mutex_lock(&auth->lock);
    for (size_t i = 0; i < doomed->count; i++) {
        auth_roster_remove_account(&auth->roster, doomed->folded[i]);
        auth_sessions_end_account(auth->sessions, doomed->folded[i]);
        auth_lockout_forget_places(auth->lockout, doomed->folded[i]);
        (void)auth_roster_forget_account(by->backend->kv, doomed->folded[i]);
    }
    (void)pthread_mutex_unlock(&auth->lock);
}

int auth_accounts_delete(const struct auth_by *by, struct auth_deletion *deletion, struct err *err)
{
    ASSERT(by != NULL && deletion != NULL && deletion->count > 0 && deletion->gone != NULL);
    struct doomed doomed = {
        .writes = calloc(deletion->count, sizeof *doomed.writes),
        .paths = calloc(deletion->count, sizeof *doomed.paths),
        .folded = calloc(deletion->count, sizeof *doomed.folded),
    };
    int rc = doomed.writes != NULL && doomed.paths != NULL && doomed.folded != NULL
                 ? 0
                 : err_set(err, E_NOMEM, "out of memory");
    (void)pthread_mutex_lock(&by->auth->writing);
    if (rc == 0) {
        rc = choose(by, deletion, &doomed, err);
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
    free(doomed.folded);
    return rc;
}
