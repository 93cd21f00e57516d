/* journal/snapshot_seal.h - keys of snapshot files: passwords, sealing, signatures, fingerprints.
 */
#ifndef KITBAG_JOURNAL_SNAPSHOT_SEAL_H
#define KITBAG_JOURNAL_SNAPSHOT_SEAL_H

#include "journal/snapshot_format.h"

enum { SEAL_KEY_SIZE = 32 };

/* Seals or opens blocks under one key. Born zeroed; snapshot_cipher_close wipes and frees. */
struct snapshot_cipher {
    void *context; /* OpenSSL's; NULL: nothing is sealed */
};

/* A new file's key: a fresh salt, and the key that password or `key` give with it. `lock` is
 * filled. E_INVALID (a password that is empty or too long), E_NOMEM. About 0.2 s with a password.
 */
MUST_CHECK int snapshot_cipher_make(struct snapshot_cipher *cipher, enum snapshot_sealing sealing,
                                    struct span password, const uint8_t *key,
                                    struct snapshot_lock *lock, struct err *err);
/* A file's key from what its reader brings. E_PASSWORD: none was given, or it is another one;
 * E_MALFORMED: the lock asks for more work or memory than is ever needed. */
MUST_CHECK int snapshot_cipher_open(struct snapshot_cipher *cipher, enum snapshot_sealing sealing,
                                    const struct snapshot_lock *lock,
                                    const struct snapshot_keys *keys, struct err *err);
void snapshot_cipher_close(struct snapshot_cipher *cipher);

/* `bytes` (size of them) in place; the tag is put behind them, where there is room for it. */
void snapshot_seal_block(struct snapshot_cipher *cipher, uint64_t number, struct span head,
                         uint8_t *bytes, size_t size);
/* The way back, of `size` bytes with the tag. E_MALFORMED: they are not what was sealed. */
MUST_CHECK int snapshot_open_block(struct snapshot_cipher *cipher, uint64_t number,
                                   struct span head, uint8_t *bytes, size_t size);

/* The public half of a signing key. */
void snapshot_public_key(const uint8_t secret[SNAPSHOT_SECRET_SIZE],
                         uint8_t out[SNAPSHOT_KEY_SIZE]);
/* Overwrite a secret that is no longer needed. */
void snapshot_wipe(void *secret, size_t size);
/* Of the SHA-256 of all that is signed. */
void snapshot_sign(const uint8_t secret[SNAPSHOT_SECRET_SIZE], const uint8_t hash[SHA256_SIZE],
                   uint8_t out[SNAPSHOT_SIGNATURE_SIZE]);
bool snapshot_signature_holds(const uint8_t signer[SNAPSHOT_KEY_SIZE],
                              const uint8_t hash[SHA256_SIZE],
                              const uint8_t signature[SNAPSHOT_SIGNATURE_SIZE]);

#endif
