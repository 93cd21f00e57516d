/* admin/auth/tokens.h - API tokens: what scripts come in with.
 *
 * The text is told once, when the token is made; its SHA-256 is what is kept. A token has a role of
 * its own, no more than that of whoever made it, and outlives their account. Thread safe; making
 * and deleting block on backend->submit.
 */
#ifndef KITBAG_ADMIN_AUTH_TOKENS_H
#define KITBAG_ADMIN_AUTH_TOKENS_H

#include "admin/auth/accounts.h"
#include "admin/auth/secret.h"

enum {
    AUTH_TOKEN_DAYS = 365, /* when nothing else is asked for */
    AUTH_TOKEN_DAYS_MAX = 3650,
};

/* At most `limit` tokens in order of ids, from behind `after` (0: from the start), expired ones
 * too, into `rows`. Returns how many; `more` tells whether others follow. */
size_t auth_tokens_list(struct admin_auth *auth, uint64_t after, size_t limit,
                        struct auth_token *rows, bool *more);

/* `text` gets the token, to be shown once and wiped. E_NAME, E_EXISTS (of that name), E_QUOTA,
 * E_NOMEM, what submit returns. */
struct auth_new_token {
    const char *name;
    enum admin_role role;
    uint64_t lasts_ms;
};
MUST_CHECK int auth_token_add(const struct auth_by *by, const struct auth_new_token *wanted,
                              char text[AUTH_TOKEN_TEXT_MAX], struct auth_token *out,
                              struct err *err);

/* All of `ids` that there are, as one change set; as auth_deletion. */
struct auth_token_deletion {
    const uint64_t *ids;
    size_t count;
    bool dry_run;
    bool *gone;
    size_t deleted;
    uint64_t seq;
};
MUST_CHECK int auth_tokens_delete(const struct auth_by *by, struct auth_token_deletion *deletion,
                                  struct err *err);

#endif
