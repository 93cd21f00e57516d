/* admin/auth/records.h - an account and an API token as items of the server's bag.
 *
 *   @account/NAME   {"name","role","password","stamp","created_ms","changed_ms","must_change"}
 *                   NAME is folded, "name" as it was written; password: argon2id's text; stamp: 16
 *                   hexadecimal digits, others after each change of role or password: what sessions
 *                   hold on to
 *   @token/ID       {"name","role","secret","created_ms","expires_ms","by"}
 *                   ID: 16 hexadecimal digits; secret: the SHA-256 of the secret, in hexadecimal
 *
 * Pure. Times are numbers, milliseconds since 1970.
 */
#ifndef KITBAG_ADMIN_AUTH_RECORDS_H
#define KITBAG_ADMIN_AUTH_RECORDS_H

#include "admin/auth/password.h"
#include "base/hash.h"

enum {
    AUTH_NAME_MAX = 48,      /* bytes of an account's or token's name, written and folded */
    AUTH_PATH_MAX = 80,      /* of an item, with its NUL */
    AUTH_RECORD_MAX = 16384, /* bytes of an item */
};

#define AUTH_ACCOUNT_PREFIX    "@account/"
#define AUTH_TOKEN_ITEM_PREFIX "@token/"

struct auth_account {
    char name[AUTH_NAME_MAX + 1];
    char folded[AUTH_NAME_MAX + 1];
    enum admin_role role;
    char password[AUTH_HASH_MAX];
    uint64_t stamp;
    uint64_t created_ms;
    uint64_t changed_ms; /* role or password */
    bool must_change;    /* somebody else knows the password */
    uint64_t seq;        /* of its item */
    /* In memory and in a note: */
    uint64_t used_ms;  /* last sign-in; 0: never */
    uint64_t noted_ms; /* what is noted of that */
};

struct auth_token {
    uint64_t id; /* never 0 */
    char name[AUTH_NAME_MAX + 1];
    char folded[AUTH_NAME_MAX + 1];
    enum admin_role role;
    uint8_t secret[SHA256_SIZE];
    uint64_t created_ms;
    uint64_t expires_ms;
    char by[ACTOR_MAX_BYTES + 1];
    uint64_t seq;
    uint64_t used_ms;
    uint64_t noted_ms;
};

/* Fold a name and check that it may be one. E_NAME. */
MUST_CHECK int auth_name_fold(const char *name, char folded[AUTH_NAME_MAX + 1], struct err *err);

const char *auth_role_name(enum admin_role role); /* "viewer"; of none "none" */
/* "viewer", "operator" or "admin"; E_INVALID. */
MUST_CHECK int auth_role_parse(const char *text, enum admin_role *role, struct err *err);

/* The item's path, into AUTH_PATH_MAX bytes. */
struct span auth_account_path(char *out, const char *folded);
struct span auth_token_path(char *out, uint64_t id);

/* JSON appended to `out`; errors stay in the buffer. */
void auth_put_account(struct buf *out, const struct auth_account *account);
void auth_put_token(struct buf *out, const struct auth_token *token);

/* E_MALFORMED with a sentence, E_NOMEM. Fields that this version does not know are fine. */
MUST_CHECK int auth_get_account(struct auth_account *out, struct span path, struct span value,
                                struct err *err);
MUST_CHECK int auth_get_token(struct auth_token *out, struct span path, struct span value,
                              struct err *err);

#endif
