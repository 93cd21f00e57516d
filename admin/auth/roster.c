/* admin/auth/roster.c - two sorted arrays. */
#include "admin/auth/roster.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"

enum { LOOK_BYTES = 256 << 10 };

#define ACCOUNT_NOTE "admin.account-used/"
#define TOKEN_NOTE   "admin.token-used/"

void auth_roster_free(struct auth_roster *roster)
{
    ASSERT(roster != NULL);
    if (roster->accounts != NULL) {
        sodium_memzero(roster->accounts, roster->account_count * sizeof *roster->accounts);
    }
    free(roster->accounts);
    free(roster->tokens);
    *roster = (struct auth_roster){0};
}

/* --- finding --- */

/* Where it is, or would be. */
static size_t account_at(const struct auth_roster *roster, const char *folded)
{
    size_t low = 0;
    size_t high = roster->account_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(roster->accounts[middle].folded, folded) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t token_at(const struct auth_roster *roster, uint64_t id)
{
    size_t low = 0;
    size_t high = roster->token_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (roster->tokens[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct auth_account *auth_roster_account(const struct auth_roster *roster, const char *folded)
{
    ASSERT(roster != NULL && folded != NULL);
    size_t at = account_at(roster, folded);
    bool here = at < roster->account_count && strcmp(roster->accounts[at].folded, folded) == 0;
    return here ? &roster->accounts[at] : NULL;
}

struct auth_token *auth_roster_token(const struct auth_roster *roster, uint64_t id)
{
    ASSERT(roster != NULL);
    size_t at = token_at(roster, id);
    return at < roster->token_count && roster->tokens[at].id == id ? &roster->tokens[at] : NULL;
}

struct auth_token *auth_roster_secret(const struct auth_roster *roster,
                                      const uint8_t hash[SHA256_SIZE])
{
    ASSERT(roster != NULL && hash != NULL);
    for (size_t i = 0; i < roster->token_count; i++) {
        if (memcmp(roster->tokens[i].secret, hash, SHA256_SIZE) == 0) {
            return &roster->tokens[i];
        }
    }
    return NULL;
}

struct auth_token *auth_roster_token_named(const struct auth_roster *roster, const char *folded)
{
    ASSERT(roster != NULL && folded != NULL);
    for (size_t i = 0; i < roster->token_count; i++) {
        if (strcmp(roster->tokens[i].folded, folded) == 0) {
            return &roster->tokens[i];
        }
    }
    return NULL;
}

size_t auth_roster_admins(const struct auth_roster *roster)
{
    ASSERT(roster != NULL);
    size_t count = 0;
    for (size_t i = 0; i < roster->account_count; i++) {
        count += roster->accounts[i].role == ADMIN_ROLE_ADMIN;
    }
    return count;
}

/* --- changing --- */

int auth_roster_reserve(struct auth_roster *roster, struct err *err)
{
    ASSERT(roster != NULL);
    struct auth_account *accounts = array_reserve(roster->accounts, &roster->account_capacity,
                                                  roster->account_count + 1, sizeof *accounts);
    roster->accounts = accounts != NULL ? accounts : roster->accounts;
    struct auth_token *tokens = array_reserve(roster->tokens, &roster->token_capacity,
                                              roster->token_count + 1, sizeof *tokens);
    roster->tokens = tokens != NULL ? tokens : roster->tokens;
    return accounts != NULL && tokens != NULL
               ? 0
               : err_set(err, E_NOMEM, "accounts and API tokens: out of memory");
}

void auth_roster_put_account(struct auth_roster *roster, const struct auth_account *account)
{
    ASSERT(roster != NULL && account != NULL);
    size_t at = account_at(roster, account->folded);
    if (auth_roster_account(roster, account->folded) == NULL) {
        ASSERT(roster->account_count < roster->account_capacity);
        memmove(&roster->accounts[at + 1], &roster->accounts[at],
                (roster->account_count - at) * sizeof *roster->accounts);
        roster->account_count++;
    }
    roster->accounts[at] = *account;
}

void auth_roster_put_token(struct auth_roster *roster, const struct auth_token *token)
{
    ASSERT(roster != NULL && token != NULL);
    size_t at = token_at(roster, token->id);
    if (auth_roster_token(roster, token->id) == NULL) {
        ASSERT(roster->token_count < roster->token_capacity);
        memmove(&roster->tokens[at + 1], &roster->tokens[at],
                (roster->token_count - at) * sizeof *roster->tokens);
        roster->token_count++;
    }
    roster->tokens[at] = *token;
}

void auth_roster_remove_account(struct auth_roster *roster, const char *folded)
{
    ASSERT(roster != NULL && folded != NULL);
    size_t at = account_at(roster, folded);
    if (auth_roster_account(roster, folded) != NULL) {
        roster->account_count--;
        memmove(&roster->accounts[at], &roster->accounts[at + 1],
                (roster->account_count - at) * sizeof *roster->accounts);
    }
}

void auth_roster_remove_token(struct auth_roster *roster, uint64_t id)
{
    ASSERT(roster != NULL);
    size_t at = token_at(roster, id);
    if (auth_roster_token(roster, id) != NULL) {
        roster->token_count--;
        memmove(&roster->tokens[at], &roster->tokens[at + 1],
                (roster->token_count - at) * sizeof *roster->tokens);
    }
}

/* --- loading --- */

/* One that can't be understood is left out, and told: the others have to come in to mend it. */
static int left_out(struct auth_roster *roster, struct span path, const struct err *why,
                    struct err *err)
{
    if (why->code == E_NOMEM) {
        return err_set(err, E_NOMEM, "accounts and API tokens: out of memory");
    }
    char name[PATH_MAX_BYTES + 1];
    roster->left_out++;
    (void)snprintf(name, sizeof name, "%.*s", (int)path.size, (const char *)path.data);
    log_event(LOG_ERROR, "admin", "admin.record_unreadable", "item=%s text=%s", LOG_Q(name),
              LOG_Q(why->text));
    return 0;
}

static int load_account(void *context, struct span path, const struct item_row *row,
                        struct err *err)
{
    struct auth_roster *roster = context;
    struct auth_account account = {0};
    struct err why = {0};
    int rc = auth_get_account(&account, path, row->value, &why);
    if (rc != 0) {
        return left_out(roster, path, &why, err);
    }
    account.seq = row->seq;
    rc = auth_roster_reserve(roster, err);
    if (rc == 0) {
        auth_roster_put_account(roster, &account);
    }
    sodium_memzero(&account, sizeof account);
    return rc;
}

static int load_token(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct auth_roster *roster = context;
    struct auth_token token = {0};
    struct err why = {0};
    int rc = auth_get_token(&token, path, row->value, &why);
    if (rc != 0) {
        return left_out(roster, path, &why, err);
    }
    token.seq = row->seq;
    rc = auth_roster_reserve(roster, err);
    if (rc == 0) {
        auth_roster_put_token(roster, &token);
    }
    return rc;
}

static int walk(struct kv *kv, uint64_t bag_id, const char *prefix, kv_row_fn *each,
                struct auth_roster *roster, struct err *err)
{
    char from[PATH_MAX_BYTES];
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    bool end = false;
    int rc = 0;
    while (!end && rc == 0) {
        size_t size = next.size;
        memcpy(from, size > 0 ? (const char *)next.data : "", size);
        struct kv_page page = {.bag_id = bag_id,
                               .after = span_of(from, size),
                               .prefix = span_str(prefix),
                               .budget_bytes = LOOK_BYTES};
        rc = kv_page(kv, NULL, &page, each, roster, &next, &end, err);
    }
    buf_free(&next);
    return rc;
}

/* --- last uses --- */

static uint64_t note_read(struct span bytes)
{
    return bytes.size == sizeof(uint64_t) ? get_be64(bytes.data) : 0;
}

static int read_account_note(void *context, const char *name, struct span bytes, struct err *err)
{
    (void)err;
    struct auth_account *account = auth_roster_account(context, name + sizeof ACCOUNT_NOTE - 1);
    if (account != NULL && account->created_ms <= note_read(bytes)) {
        account->used_ms = account->noted_ms = note_read(bytes);
    }
    return 0;
}

static int read_token_note(void *context, const char *name, struct span bytes, struct err *err)
{
    (void)err;
    uint64_t id = 0;
    struct auth_token *token = device_parse(name + sizeof TOKEN_NOTE - 1, &id, NULL) == 0
                                   ? auth_roster_token(context, id)
                                   : NULL;
    if (token != NULL) {
        token->used_ms = token->noted_ms = note_read(bytes);
    }
    return 0;
}

static bool put_note(struct kv *kv, const char *name, uint64_t used_ms)
{
    uint8_t bytes[sizeof(uint64_t)];
    put_be64(bytes, used_ms);
    return kv_note_put(kv, name, span_of(bytes, sizeof bytes), NULL) == 0;
}

static void account_note(char name[AUTH_PATH_MAX], const char *folded)
{
    (void)snprintf(name, AUTH_PATH_MAX, "%s%s", ACCOUNT_NOTE, folded);
}

static void token_note(char name[AUTH_PATH_MAX], uint64_t id)
{
    char digits[DEVICE_TEXT_MAX];
    device_format(id, digits);
    (void)snprintf(name, AUTH_PATH_MAX, "%s%s", TOKEN_NOTE, digits);
}

static bool is_due(uint64_t used_ms, uint64_t noted_ms)
{
    return used_ms > noted_ms && (noted_ms == 0 || used_ms - noted_ms >= AUTH_NOTE_MS);
}

void auth_roster_note(struct auth_roster *roster, struct kv *kv)
{
    ASSERT(roster != NULL && kv != NULL);
    char name[AUTH_PATH_MAX];
    for (size_t i = 0; i < roster->account_count; i++) {
        struct auth_account *account = &roster->accounts[i];
        account_note(name, account->folded);
        if (is_due(account->used_ms, account->noted_ms) && put_note(kv, name, account->used_ms)) {
            account->noted_ms = account->used_ms;
        }
    }
    for (size_t i = 0; i < roster->token_count; i++) {
        struct auth_token *token = &roster->tokens[i];
        token_note(name, token->id);
        if (is_due(token->used_ms, token->noted_ms) && put_note(kv, name, token->used_ms)) {
            token->noted_ms = token->used_ms;
        }
    }
}

int auth_roster_forget_account(struct kv *kv, const char *folded)
{
    ASSERT(kv != NULL && folded != NULL);
    char name[AUTH_PATH_MAX];
    account_note(name, folded);
    return kv_note_remove(kv, name, NULL);
}

int auth_roster_forget_token(struct kv *kv, uint64_t id)
{
    ASSERT(kv != NULL);
    char name[AUTH_PATH_MAX];
    token_note(name, id);
    return kv_note_remove(kv, name, NULL);
}

int auth_roster_load(struct auth_roster *roster, struct kv *kv, struct err *err)
{
    ASSERT(roster != NULL && roster->account_count == 0 && roster->token_count == 0);
    struct owner server = {.kind = OWNER_SERVER};
    struct bag_row bag = {0};
    int rc = kv_bag_of(kv, NULL, &server, &bag, err);
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    rc = rc == 0 ? walk(kv, bag.bag_id, AUTH_ACCOUNT_PREFIX, load_account, roster, err) : rc;
    rc = rc == 0 ? walk(kv, bag.bag_id, AUTH_TOKEN_ITEM_PREFIX, load_token, roster, err) : rc;
    rc = rc == 0 ? kv_notes(kv, ACCOUNT_NOTE, read_account_note, roster, err) : rc;
    return rc == 0 ? kv_notes(kv, TOKEN_NOTE, read_token_note, roster, err) : rc;
}
