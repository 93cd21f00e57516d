/* transport/keys.c - key pairs, and the files of the server's.
 *
 * A key file holds two lines of 64 hexadecimal digits: the secret (of sign.key: the seed), and the
 * public key that belongs to it, so that a damaged file is noticed and not taken for another key.
 */
#include "transport/keys.h"

#include <limits.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#include "base/file.h"
#include "base/hash.h"

_Static_assert((size_t)KEY_SIZE == crypto_box_SECRETKEYBYTES, "a CURVE key");
_Static_assert((size_t)SIGN_SECRET_SIZE == crypto_sign_SECRETKEYBYTES, "a seed and a public key");

enum { HEX_SIZE = 2 * KEY_SIZE, FILE_SIZE = 2 * (HEX_SIZE + 1), FILE_SIZE_MAX = 4096 };

void key_pair_make(struct key_pair *pair)
{
    random_bytes(pair->secret_key, KEY_SIZE);
    key_pair_of_secret(pair, pair->secret_key);
}

void key_pair_of_secret(struct key_pair *pair, const uint8_t secret[KEY_SIZE])
{
    uint8_t public_key[KEY_SIZE];
    int rc = crypto_scalarmult_base(public_key, secret);
    ASSERT(rc == 0);
    memmove(pair->secret_key, secret, KEY_SIZE);
    memcpy(pair->public_key, public_key, KEY_SIZE);
}

static void sign_pair_of_seed(struct sign_pair *pair, const uint8_t seed[KEY_SIZE])
{
    int rc = crypto_sign_seed_keypair(pair->public_key, pair->secret_key, seed);
    ASSERT(rc == 0);
}

void sign_pair_make(struct sign_pair *pair)
{
    uint8_t seed[KEY_SIZE];
    random_bytes(seed, sizeof seed);
    sign_pair_of_seed(pair, seed);
    key_wipe(seed, sizeof seed);
}

void key_z85(const uint8_t key[KEY_SIZE], char out[KEY_Z85_MAX])
{
    const char *text = zmq_z85_encode(out, key, KEY_SIZE);
    ASSERT(text != NULL);
}

int key_from_z85(const char *text, uint8_t key[KEY_SIZE])
{
    if (strlen(text) != KEY_Z85_MAX - 1 || zmq_z85_decode(key, text) == NULL) {
        return E_INVALID;
    }
    return 0;
}

void key_wipe(void *secret, size_t size)
{
    sodium_memzero(secret, size);
}

/* --- files --- */

struct key_file {
    uint8_t secret[KEY_SIZE];
    uint8_t public_key[KEY_SIZE];
};

static int check_mode(const char *path, struct err *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return err_sys(err, "stat", path);
    }
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return err_set(err, E_PERMISSION,
                       "'%s' holds a secret key and is open to others: 'chmod 600' it, or, if "
                       "somebody may have read it, remove it and let every machine join again",
                       path);
    }
    return 0;
}

/* Returns E_NOT_FOUND without a sentence of ours: the caller makes the file then. */
static int read_file(const char *path, struct key_file *keys, struct err *err)
{
    struct buf text;
    buf_init(&text, FILE_SIZE_MAX);
    int rc = check_mode(path, err);
    if (rc == 0) {
        rc = buf_reserve(&text, FILE_SIZE_MAX); /* one block, so that one is to be wiped */
    }
    if (rc == 0) {
        rc = file_read(path, &text, err);
    }
    if (rc == 0 || rc == E_TOO_LARGE) {
        const char *at = (const char *)text.data;
        bool whole =
            rc == 0 && text.size == FILE_SIZE && at[HEX_SIZE] == '\n' &&
            at[FILE_SIZE - 1] == '\n' &&
            hex_decode(span_of(at, HEX_SIZE), keys->secret, KEY_SIZE) == 0 &&
            hex_decode(span_of(at + HEX_SIZE + 1, HEX_SIZE), keys->public_key, KEY_SIZE) == 0;
        rc = whole ? 0 : E_CORRUPT;
    }
    if (text.data != NULL) {
        key_wipe(text.data, text.capacity);
    }
    buf_free(&text);
    return rc;
}

static int write_file(const char *path, const struct key_file *keys, struct err *err)
{
    char text[FILE_SIZE + 1];
    hex_encode(keys->secret, KEY_SIZE, text);
    text[HEX_SIZE] = '\n';
    hex_encode(keys->public_key, KEY_SIZE, text + HEX_SIZE + 1);
    text[FILE_SIZE - 1] = '\n';
    int rc = file_replace(path, text, FILE_SIZE, 0600, err);
    key_wipe(text, sizeof text);
    return rc;
}

static void public_of_curve(const uint8_t secret[KEY_SIZE], uint8_t public_key[KEY_SIZE])
{
    struct key_pair pair;
    key_pair_of_secret(&pair, secret);
    memcpy(public_key, pair.public_key, KEY_SIZE);
    key_wipe(&pair, sizeof pair);
}

static void public_of_sign(const uint8_t seed[KEY_SIZE], uint8_t public_key[KEY_SIZE])
{
    struct sign_pair pair;
    sign_pair_of_seed(&pair, seed);
    memcpy(public_key, pair.public_key, KEY_SIZE);
    key_wipe(&pair, sizeof pair);
}

/* The keys of the file, which is made with new ones when there is none; `loss` says what a new key
 * means. */
static int load_file(const char *dir, const char *name, const char *loss,
                     void (*public_of)(const uint8_t *secret, uint8_t *public_key),
                     struct key_file *keys, struct err *err)
{
    char path[PATH_MAX];
    int rc = path_join(path, sizeof path, dir, name);
    if (rc != 0) {
        return err_set(err, rc, "the path of the folder of keys is too long");
    }
    rc = read_file(path, keys, err);
    if (rc == E_NOT_FOUND) {
        random_bytes(keys->secret, KEY_SIZE);
        public_of(keys->secret, keys->public_key);
        return write_file(path, keys, err);
    }
    uint8_t public_key[KEY_SIZE];
    if (rc == 0) {
        public_of(keys->secret, public_key);
        rc = memcmp(public_key, keys->public_key, KEY_SIZE) == 0 ? 0 : E_CORRUPT;
    }
    if (rc == E_CORRUPT) {
        return err_set(err, rc,
                       "'%.200s' is damaged: bring it back from a backup; a new key (remove the "
                       "file) means that %s",
                       path, loss);
    }
    return rc;
}

static const char SIGN_FILE[] = "sign.key";
static const char JOIN_AGAIN[] = "every machine has to join again";

int keys_load_server(const char *dir, struct key_pair *curve, struct sign_pair *sign,
                     struct err *err)
{
    ASSERT(dir != NULL);
    ASSERT(curve != NULL && sign != NULL);
    struct key_file of_curve = {0};
    struct key_file of_sign = {0};
    struct err found = {0}; /* what made a first look fail is no failure: kept apart */
    int rc = sodium_init() >= 0 ? 0 : err_set(&found, E_SYSTEM, "libsodium does not start");
    if (rc == 0) {
        rc = dir_make(dir, 0700, &found);
    }
    if (rc == 0) {
        rc = load_file(dir, "curve.key", JOIN_AGAIN, public_of_curve, &of_curve, &found);
    }
    if (rc == 0) {
        rc = load_file(dir, SIGN_FILE, JOIN_AGAIN, public_of_sign, &of_sign, &found);
    }
    if (rc == 0) {
        key_pair_of_secret(curve, of_curve.secret);
        sign_pair_of_seed(sign, of_sign.secret);
    } else {
        (void)err_set(err, rc, "%s", found.text);
    }
    key_wipe(&of_curve, sizeof of_curve);
    key_wipe(&of_sign, sizeof of_sign);
    return rc;
}

int keys_load_sign(const char *dir, struct sign_pair *sign, struct err *err)
{
    ASSERT(dir != NULL && sign != NULL);
    struct key_file keys = {0};
    struct err found = {0};
    int rc = load_file(dir, SIGN_FILE,
                       "files that this machine signed before are not taken for its own any more",
                       public_of_sign, &keys, &found);
    if (rc == 0) {
        sign_pair_of_seed(sign, keys.secret);
    } else {
        (void)err_set(err, rc, "%s", found.text);
    }
    key_wipe(&keys, sizeof keys);
    return rc;
}

int key_vouch(const uint8_t own_secret[KEY_SIZE], const uint8_t peer[KEY_SIZE], uint64_t device,
              const uint8_t signer[KEY_SIZE], uint8_t out[KEY_PROOF_SIZE])
{
    static const char words[] = "kitbag signer\n";
    uint8_t shared[crypto_box_BEFORENMBYTES];
    uint8_t number[8];
    crypto_auth_hmacsha256_state state;
    if (crypto_box_beforenm(shared, peer, own_secret) != 0) {
        return E_INVALID;
    }
    put_be64(number, device);
    (void)crypto_auth_hmacsha256_init(&state, shared, sizeof shared);
    (void)crypto_auth_hmacsha256_update(&state, (const uint8_t *)words, sizeof words - 1);
    (void)crypto_auth_hmacsha256_update(&state, number, sizeof number);
    (void)crypto_auth_hmacsha256_update(&state, signer, KEY_SIZE);
    (void)crypto_auth_hmacsha256_final(&state, out);
    key_wipe(shared, sizeof shared);
    key_wipe(&state, sizeof state);
    return 0;
}
