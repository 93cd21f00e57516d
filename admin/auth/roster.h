/* admin/auth/roster.h - the accounts and API tokens that there are, in memory.
 *
 * Accounts lie in order of folded names, tokens in order of ids. Reads the server's bag and the
 * notes of last uses; writes nothing. The caller locks.
 */
#ifndef KITBAG_ADMIN_AUTH_ROSTER_H
#define KITBAG_ADMIN_AUTH_ROSTER_H

#include "admin/auth/records.h"

enum { AUTH_ACCOUNTS_MAX = 1000, AUTH_TOKENS_MAX = 1000, AUTH_NOTE_MS = 60 * 60 * 1000 };

/* Born zeroed. Pointers to elements live until the next put, remove or load. */
struct auth_roster {
    struct auth_account *accounts;
    size_t account_count;
    size_t account_capacity;
    struct auth_token *tokens;
    size_t token_count;
    size_t token_capacity;
    size_t left_out; /* records that can't be understood */
};

void auth_roster_free(struct auth_roster *roster);

/* What the server's bag has, into an empty roster. A record that can't be understood is left out
 * and logged. E_IO, E_CORRUPT, E_NOMEM. */
MUST_CHECK int auth_roster_load(struct auth_roster *roster, struct kv *kv, struct err *err);

/* NULL: there is none. */
struct auth_account *auth_roster_account(const struct auth_roster *roster, const char *folded);
struct auth_token *auth_roster_token(const struct auth_roster *roster, uint64_t id);
struct auth_token *auth_roster_secret(const struct auth_roster *roster,
                                      const uint8_t hash[SHA256_SIZE]);
struct auth_token *auth_roster_token_named(const struct auth_roster *roster, const char *folded);
/* Accounts with the role admin. */
size_t auth_roster_admins(const struct auth_roster *roster);

/* Room for one more of each, so that a change that was written can be kept. E_NOMEM. */
MUST_CHECK int auth_roster_reserve(struct auth_roster *roster, struct err *err);
/* Add, or replace the one of that name or id. Never fails after auth_roster_reserve. */
void auth_roster_put_account(struct auth_roster *roster, const struct auth_account *account);
void auth_roster_put_token(struct auth_roster *roster, const struct auth_token *token);
void auth_roster_remove_account(struct auth_roster *roster, const char *folded);
void auth_roster_remove_token(struct auth_roster *roster, uint64_t id);

/* Note in kv/ when each was used last, if that is AUTH_NOTE_MS later than what is noted; what can't
 * be noted is noted the next time. Waits for no disk. */
void auth_roster_note(struct auth_roster *roster, struct kv *kv);
/* What was noted of one that is deleted goes; what stays for E_BUSY or E_IO tells nobody anything.
 */
int auth_roster_forget_account(struct kv *kv, const char *folded);
int auth_roster_forget_token(struct kv *kv, uint64_t id);

#endif
