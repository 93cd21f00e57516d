/* admin/auth/password.h - which passwords are taken, and what is kept of them.
 *
 * A password is text. It is hashed in Unicode's composed form (NFC), so that two keyboards that
 * write an accent differently write the same password. Hashing takes about 100 ms and 64 MiB: by
 * threads that may, never under a lock.
 */
#ifndef KITBAG_ADMIN_AUTH_PASSWORD_H
#define KITBAG_ADMIN_AUTH_PASSWORD_H

#include <stddef.h>

#include "admin/auth/auth.h"

enum { AUTH_HASH_MAX = 128 }; /* argon2id's text with its NUL */

/* What a hash costs. */
struct auth_cost {
    unsigned long long passes;
    size_t memory_bytes;
};
extern const struct auth_cost auth_cost_usual;

/* Would it be taken for the account `name` (NULL: no account yet)? E_INVALID with the rule. */
MUST_CHECK int auth_password_check(const char *password, const char *name, struct err *err);

/* E_NOMEM (the 64 MiB), E_INVALID (it is not UTF-8, or too long). */
MUST_CHECK int auth_password_hash(const char *password, const struct auth_cost *cost,
                                  char out[AUTH_HASH_MAX], struct err *err);

/* 1, 0, or E_NOMEM: there was no memory to find out. `hash` NULL: of nobody; takes the same time
 * and memory, and is 0. */
MUST_CHECK int auth_password_fits(const char *password, const char *hash,
                                  const struct auth_cost *cost);

/* Was the hash made at another cost? */
bool auth_password_outdated(const char *hash, const struct auth_cost *cost);

/* 20 characters in groups of five, none of which is mistaken for another. */
void auth_password_make(char out[ADMIN_MADE_UP_MAX]);

#endif
