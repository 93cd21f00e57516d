/* journal/snapshot_seal.c - keys of snapshot files.
 *
 * The key of a sealed file is made of the password by scrypt with the file's own salt, or is the
 * SHA-256 of some words, the writer's key and the salt. No two files share one, so the blocks'
 * numbers serve as nonces.
 */
#include "journal/snapshot_seal.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum {
    LOG_N = 15, /* with r 8: 32 MiB, which a small machine has; p 3 makes up for the rest */
    SCRYPT_R = 8,
    SCRYPT_P = 3,
    LOG_N_MIN = 10,
    LOG_N_MAX = 17,
    R_MAX = 16,
    P_MAX = 8,
    NONCE_SIZE = 12,
    MIB = 1 << 20,
    MEMORY_MAX = 80 * MIB, /* of scrypt: what N and r of a file may ask for, and some */
};

static const char WORDS_SIGNED[] = "kitbag snapshot\n";
static const char WORDS_KEY[] = "kitbag snapshot key\n";
static const char WORDS_CHECK[] = "kitbag snapshot check\n";

/* --- AES-256-GCM --- */

static EVP_CIPHER_CTX *context_of(const struct snapshot_cipher *cipher)
{
    ASSERT(cipher->context != NULL);
    return cipher->context;
}

static void make_nonce(uint64_t number, uint8_t out[NONCE_SIZE])
{
    memset(out, 0, NONCE_SIZE);
    put_be64(out + NONCE_SIZE - 8, number);
}

/* These fail only when out of memory or by a mistake of ours. */
static void seal(EVP_CIPHER_CTX *context, const uint8_t nonce[NONCE_SIZE], struct span head,
                 uint8_t *bytes, size_t size, uint8_t tag[SNAPSHOT_TAG_SIZE])
{
    int count = 0;
    int ok = EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, 1);
    ASSERT(ok == 1);
    ok = EVP_CipherUpdate(context, NULL, &count, head.data, (int)head.size);
    ASSERT(ok == 1);
    if (size > 0) {
        ok = EVP_CipherUpdate(context, bytes, &count, bytes, (int)size);
        ASSERT(ok == 1 && (size_t)count == size);
    }
    uint8_t rest[EVP_MAX_BLOCK_LENGTH];
    ok = EVP_CipherFinal_ex(context, rest, &count);
    ASSERT(ok == 1 && count == 0);
    ok = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SNAPSHOT_TAG_SIZE, tag);
    ASSERT(ok == 1);
}

static int unseal(EVP_CIPHER_CTX *context, const uint8_t nonce[NONCE_SIZE], struct span head,
                  uint8_t *bytes, size_t size, uint8_t tag[SNAPSHOT_TAG_SIZE])
{
    int count = 0;
    uint8_t rest[EVP_MAX_BLOCK_LENGTH];
    int ok = EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, 0);
    ok = ok == 1 ? EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, SNAPSHOT_TAG_SIZE, tag) : ok;
    ok = ok == 1 ? EVP_CipherUpdate(context, NULL, &count, head.data, (int)head.size) : ok;
    if (ok == 1 && size > 0) {
        ok = EVP_CipherUpdate(context, bytes, &count, bytes, (int)size);
    }
    ASSERT(ok == 1);
    return EVP_CipherFinal_ex(context, rest, &count) == 1 ? 0 : E_MALFORMED;
}

void snapshot_seal_block(struct snapshot_cipher *cipher, uint64_t number, struct span head,
                         uint8_t *bytes, size_t size)
{
    uint8_t nonce[NONCE_SIZE];
    make_nonce(number, nonce);
    seal(context_of(cipher), nonce, head, bytes, size, bytes + size);
}

int snapshot_open_block(struct snapshot_cipher *cipher, uint64_t number, struct span head,
                        uint8_t *bytes, size_t size)
{
    uint8_t nonce[NONCE_SIZE];
    if (size < SNAPSHOT_TAG_SIZE) {
        return E_MALFORMED;
    }
    size -= SNAPSHOT_TAG_SIZE;
    make_nonce(number, nonce);
    return unseal(context_of(cipher), nonce, head, bytes, size, bytes + size);
}

/* --- keys --- */

static int key_of_password(struct span password, const struct snapshot_lock *lock,
                           uint8_t key[SEAL_KEY_SIZE], struct err *err)
{
    int ok = EVP_PBE_scrypt((const char *)password.data, password.size, lock->salt,
                            sizeof lock->salt, UINT64_C(1) << lock->log_n, lock->r, lock->p,
                            MEMORY_MAX, key, SEAL_KEY_SIZE);
    return ok == 1 ? 0 : err_set(err, E_NOMEM, "not enough memory to work out the password's key");
}

static void key_of_key(const uint8_t own[SNAPSHOT_KEY_SIZE], const struct snapshot_lock *lock,
                       uint8_t key[SEAL_KEY_SIZE])
{
    const struct span pieces[] = {
        SPAN_LITERAL(WORDS_KEY), {own, SNAPSHOT_KEY_SIZE}, {lock->salt, sizeof lock->salt}};
    sha256(pieces, sizeof pieces / sizeof pieces[0], key);
}

static int start(struct snapshot_cipher *cipher, const uint8_t key[SEAL_KEY_SIZE], struct err *err)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL || EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, NULL, 1) != 1) {
        EVP_CIPHER_CTX_free(context);
        return err_set(err, E_NOMEM, "out of memory");
    }
    cipher->context = context;
    return 0;
}

/* What the right key makes of nothing, under a nonce that no block has. */
static void work_out_check(struct snapshot_cipher *cipher, uint8_t out[SNAPSHOT_TAG_SIZE])
{
    uint8_t nonce[NONCE_SIZE];
    memset(nonce, 0xff, sizeof nonce);
    seal(context_of(cipher), nonce, SPAN_LITERAL(WORDS_CHECK), NULL, 0, out);
}

static int check_password(struct span password, struct err *err)
{
    if (password.size > 0 && password.size <= SNAPSHOT_PASSWORD_MAX) {
        return 0;
    }
    return err_set(err, E_INVALID, "a password has 1 to %d bytes", SNAPSHOT_PASSWORD_MAX);
}

int snapshot_cipher_make(struct snapshot_cipher *cipher, enum snapshot_sealing sealing,
                         struct span password, const uint8_t *key, struct snapshot_lock *lock,
                         struct err *err)
{
    uint8_t made[SEAL_KEY_SIZE];
    ASSERT(cipher->context == NULL && sealing != SNAPSHOT_OPEN);
    ASSERT(sealing != SNAPSHOT_KEY || key != NULL);
    *lock = (struct snapshot_lock){0};
    random_bytes(lock->salt, sizeof lock->salt);
    int rc = 0;
    if (sealing == SNAPSHOT_PASSWORD) {
        lock->log_n = LOG_N;
        lock->r = SCRYPT_R;
        lock->p = SCRYPT_P;
        rc = check_password(password, err);
        rc = rc != 0 ? rc : key_of_password(password, lock, made, err);
    } else {
        key_of_key(key, lock, made);
    }
    rc = rc != 0 ? rc : start(cipher, made, err);
    if (rc == 0) {
        work_out_check(cipher, lock->check);
    }
    snapshot_wipe(made, sizeof made);
    return rc;
}

static int find_key(enum snapshot_sealing sealing, const struct snapshot_lock *lock,
                    const struct snapshot_keys *keys, uint8_t out[SEAL_KEY_SIZE], struct err *err)
{
    if (sealing == SNAPSHOT_KEY) {
        if (keys->key == NULL) {
            return err_set(err, E_PASSWORD,
                           "it is sealed for the machine that made it, which alone can read it");
        }
        key_of_key(keys->key, lock, out);
        return 0;
    }
    if (keys->password.size == 0) {
        return err_set(err, E_PASSWORD, "it is sealed with a password: give it");
    }
    bool usual = lock->log_n >= LOG_N_MIN && lock->log_n <= LOG_N_MAX && lock->r > 0 &&
                 lock->r <= R_MAX && lock->p > 0 && lock->p <= P_MAX &&
                 (lock->r << lock->log_n) <= (uint64_t)(64 * MIB / 128);
    if (!usual) {
        return err_set(err, E_MALFORMED,
                       "its password would take more memory or time than is ever needed");
    }
    int rc = check_password(keys->password, err);
    return rc != 0 ? rc : key_of_password(keys->password, lock, out, err);
}

int snapshot_cipher_open(struct snapshot_cipher *cipher, enum snapshot_sealing sealing,
                         const struct snapshot_lock *lock, const struct snapshot_keys *keys,
                         struct err *err)
{
    uint8_t key[SEAL_KEY_SIZE];
    uint8_t check[SNAPSHOT_TAG_SIZE];
    ASSERT(cipher->context == NULL && sealing != SNAPSHOT_OPEN);
    int rc = find_key(sealing, lock, keys, key, err);
    rc = rc != 0 ? rc : start(cipher, key, err);
    if (rc == 0) {
        work_out_check(cipher, check);
        if (CRYPTO_memcmp(check, lock->check, sizeof check) != 0) {
            rc = err_set(err, E_PASSWORD,
                         sealing == SNAPSHOT_KEY
                             ? "it is sealed for the machine that made it, which alone can read it"
                             : "the password is another one");
        }
    }
    snapshot_wipe(key, sizeof key);
    if (rc != 0) {
        snapshot_cipher_close(cipher);
    }
    return rc;
}

void snapshot_cipher_close(struct snapshot_cipher *cipher)
{
    EVP_CIPHER_CTX_free(cipher->context); /* wipes its key */
    cipher->context = NULL;
}

/* --- signatures --- */

static void signed_text(const uint8_t hash[SHA256_SIZE],
                        uint8_t out[sizeof WORDS_SIGNED - 1 + SHA256_SIZE])
{
    memcpy(out, WORDS_SIGNED, sizeof WORDS_SIGNED - 1);
    memcpy(out + sizeof WORDS_SIGNED - 1, hash, SHA256_SIZE);
}

void snapshot_public_key(const uint8_t secret[SNAPSHOT_SECRET_SIZE], uint8_t out[SNAPSHOT_KEY_SIZE])
{
    int rc = crypto_sign_ed25519_sk_to_pk(out, secret);
    ASSERT(rc == 0);
}

void snapshot_wipe(void *secret, size_t size)
{
    OPENSSL_cleanse(secret, size);
}

void snapshot_sign(const uint8_t secret[SNAPSHOT_SECRET_SIZE], const uint8_t hash[SHA256_SIZE],
                   uint8_t out[SNAPSHOT_SIGNATURE_SIZE])
{
    uint8_t text[sizeof WORDS_SIGNED - 1 + SHA256_SIZE];
    signed_text(hash, text);
    int rc = crypto_sign_detached(out, NULL, text, sizeof text, secret);
    ASSERT(rc == 0);
}

bool snapshot_signature_holds(const uint8_t signer[SNAPSHOT_KEY_SIZE],
                              const uint8_t hash[SHA256_SIZE],
                              const uint8_t signature[SNAPSHOT_SIGNATURE_SIZE])
{
    uint8_t text[sizeof WORDS_SIGNED - 1 + SHA256_SIZE];
    signed_text(hash, text);
    return crypto_sign_verify_detached(signature, text, sizeof text, signer) == 0;
}

void snapshot_fingerprint(const uint8_t signer[SNAPSHOT_KEY_SIZE],
                          char out[SNAPSHOT_FINGERPRINT_MAX])
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t hash[SHA256_SIZE];
    struct span key = span_of(signer, SNAPSHOT_KEY_SIZE);
    sha256(&key, 1, hash);
    for (size_t i = 0; i < sizeof hash; i++) {
        out[3 * i] = digits[hash[i] >> 4];
        out[3 * i + 1] = digits[hash[i] & 15];
        out[3 * i + 2] = i + 1 < sizeof hash ? ':' : '\0';
    }
}

bool snapshot_fingerprint_is(const char *text, const uint8_t signer[SNAPSHOT_KEY_SIZE])
{
    char expected[SNAPSHOT_FINGERPRINT_MAX];
    const char *at = expected;
    snapshot_fingerprint(signer, expected);
    for (; *text != '\0' && *at != '\0'; text++) {
        at += *at == ':' ? 1 : 0;
        if (*text == ':') {
            continue;
        }
        if (toupper((unsigned char)*text) != *at++) {
            return false;
        }
    }
    return *text == '\0' && *at == '\0';
}
