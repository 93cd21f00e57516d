/* admin/auth/secret.h - what a browser or a script shows to be known again.
 *
 * A secret is 256 random bits, written as 43 characters of base64url. The server keeps only its
 * SHA-256: who reads the memory or the disk can't use what is there. Pure but for the random bytes.
 */
#ifndef KITBAG_ADMIN_AUTH_SECRET_H
#define KITBAG_ADMIN_AUTH_SECRET_H

#include "base/hash.h"

#define AUTH_COOKIE       "__Host-kitbag"
#define AUTH_TOKEN_PREFIX "kba_"

enum { AUTH_SECRET_CHARS = 43, AUTH_TOKEN_TEXT_MAX = AUTH_SECRET_CHARS + 5 };

/* A new one, NUL-ended, and its hash. Whoever got the text wipes it. */
void auth_secret_make(char text[AUTH_SECRET_CHARS + 1], uint8_t hash[SHA256_SIZE]);

/* false: it has not the form of a secret; `hash` is untouched. */
bool auth_secret_hash(struct span text, uint8_t hash[SHA256_SIZE]);

/* The value of our cookie in the header Cookie; empty when it is not there, or there twice. */
struct span auth_secret_of_cookie(struct span header);

/* The secret of an API token in the header Authorization; empty when that is none of ours. */
struct span auth_secret_of_authorization(struct span header);

#endif
