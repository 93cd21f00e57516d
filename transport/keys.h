/* transport/keys.h - CURVE key pairs, signing keys, and where they are kept.
 *
 * Key files are 0600 and hold hexadecimal text; their folder is 0700. No function here logs, and no
 * sentence holds a secret.
 */
#ifndef KITBAG_TRANSPORT_KEYS_H
#define KITBAG_TRANSPORT_KEYS_H

#include "base/buf.h"
#include "base/err.h"

enum { KEY_SIZE = 32, KEY_Z85_MAX = 41, SIGN_SECRET_SIZE = 64 };

struct key_pair {
    uint8_t public_key[KEY_SIZE];
    uint8_t secret_key[KEY_SIZE];
};

struct sign_pair { /* Ed25519 */
    uint8_t public_key[KEY_SIZE];
    uint8_t secret_key[SIGN_SECRET_SIZE];
};

void key_pair_make(struct key_pair *pair);
void key_pair_of_secret(struct key_pair *pair, const uint8_t secret[KEY_SIZE]);
void sign_pair_make(struct sign_pair *pair);
void key_z85(const uint8_t key[KEY_SIZE], char out[KEY_Z85_MAX]);
MUST_CHECK int key_from_z85(const char *text, uint8_t key[KEY_SIZE]);
/* Overwrite secrets that are no longer needed. */
void key_wipe(void *secret, size_t size);

/* Load DIR/curve.key and DIR/sign.key, made at first use (durably). E_CORRUPT names the file;
 * E_PERMISSION also when a file can be read by others. */
MUST_CHECK int keys_load_server(const char *dir, struct key_pair *curve, struct sign_pair *sign,
                                struct err *err);

/* DIR/sign.key of a client machine, made at first use; errors as above. */
MUST_CHECK int keys_load_sign(const char *dir, struct sign_pair *sign, struct err *err);

/* A device's own key vouches for its signing key, so that the server, which knows the first, can
 * tell whose files are signed with the second. Machine and server work out the same proof, each
 * from its own secret and the other's public key; nobody else can. E_INVALID: `peer` is no key. */
enum { KEY_PROOF_SIZE = 32 };
MUST_CHECK int key_vouch(const uint8_t own_secret[KEY_SIZE], const uint8_t peer[KEY_SIZE],
                         uint64_t device, const uint8_t signer[KEY_SIZE],
                         uint8_t out[KEY_PROOF_SIZE]);

#endif
