/* admin/auth/password.c - argon2id by libsodium. */
#include "admin/auth/password.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/hash.h"
#include "base/name.h"

/* Three passes over 64 MiB: 114 ms on the machine that this was measured on. */
const struct auth_cost auth_cost_usual = {3, (size_t)64 << 20};

/* --- rules --- */

/* Of the lists of stolen passwords, those of at least eight characters that lead them. */
static const char *const commonest[] = {
    "12345678",      "123456789", "1234567890", "123123123", "87654321",   "987654321",
    "11111111",      "00000000",  "88888888",   "password",  "password1",  "password12",
    "password123",   "passw0rd",  "p@ssw0rd",   "p@ssword",  "qwertyui",   "qwertyuiop",
    "qwerty123",     "qwerty12",  "1q2w3e4r",   "1qaz2wsx",  "1q2w3e4r5t", "asdfghjkl",
    "iloveyou",      "sunshine",  "princess",   "football",  "baseball",   "superman",
    "trustno1",      "welcome1",  "letmein1",   "changeme",  "admin123",   "admin1234",
    "administrator", "abcd1234",  "abc12345",   "a1b2c3d4",
};

/* Characters of UTF-8 text; -1 when it is none. */
static int count_characters(const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    int count = 0;
    while (*at != 0) {
        utf8proc_int32_t rune;
        utf8proc_ssize_t used = utf8proc_iterate(at, -1, &rune);
        if (used <= 0) {
            return -1;
        }
        at += used;
        count++;
    }
    return count;
}

static bool is_common(const char *folded)
{
    for (size_t i = 0; i < sizeof commonest / sizeof commonest[0]; i++) {
        if (strcmp(folded, commonest[i]) == 0) {
            return true;
        }
    }
    return strspn(folded, (char[]){folded[0], '\0'}) == strlen(folded);
}

int auth_password_check(const char *password, const char *name, struct err *err)
{
    ASSERT(password != NULL);
    char folded[4 * ADMIN_PASSWORD_MAX_BYTES];
    char folded_name[4 * NAME_MAX_BYTES] = "";
    if (strlen(password) > ADMIN_PASSWORD_MAX_BYTES) {
        return err_set(err, E_INVALID, "a password has at most %d bytes", ADMIN_PASSWORD_MAX_BYTES);
    }
    int characters = count_characters(password);
    if (characters < 0) {
        return err_set(err, E_INVALID, "the password is not UTF-8 text");
    }
    if (characters < ADMIN_PASSWORD_MIN_CHARACTERS) {
        return err_set(err, E_INVALID, "a password has at least %d characters",
                       ADMIN_PASSWORD_MIN_CHARACTERS);
    }
    int rc = 0;
    if (name_fold_search(span_str(password), folded, sizeof folded, NULL) == 0) {
        if (is_common(folded)) {
            rc = err_set(err, E_INVALID,
                         "this password is one of those that are tried first: take another");
        } else if (name != NULL &&
                   name_fold_search(span_str(name), folded_name, sizeof folded_name, NULL) == 0 &&
                   strcmp(folded, folded_name) == 0) {
            rc = err_set(err, E_INVALID, "the password is the account's name: take another");
        }
    }
    sodium_memzero(folded, sizeof folded);
    return rc;
}

/* --- hashing --- */

static void wipe(char **text)
{
    if (*text != NULL) {
        sodium_memzero(*text, strlen(*text));
    }
    free(*text); /* utf8proc allocates by malloc */
    *text = NULL;
}

/* The composed form; NULL: it is not text, or there is no memory. */
static char *compose(const char *password)
{
    return strlen(password) > ADMIN_PASSWORD_MAX_BYTES
               ? NULL
               : (char *)utf8proc_NFC((const utf8proc_uint8_t *)password);
}

int auth_password_hash(const char *password, const struct auth_cost *cost, char out[AUTH_HASH_MAX],
                       struct err *err)
{
    ASSERT(password != NULL && cost != NULL && out != NULL);
    _Static_assert(AUTH_HASH_MAX >= crypto_pwhash_STRBYTES, "a hash has room");
    if (strlen(password) > ADMIN_PASSWORD_MAX_BYTES || count_characters(password) < 0) {
        return err_set(err, E_INVALID, "the password is too long, or not UTF-8 text");
    }
    char *composed = compose(password);
    int rc = composed != NULL ? crypto_pwhash_str(out, composed, strlen(composed), cost->passes,
                                                  cost->memory_bytes)
                              : -1;
    wipe(&composed);
    return rc == 0 ? 0 : err_set(err, E_NOMEM, "there is no memory to hash a password");
}

/* --- looking --- */

enum { KEY_BYTES = 32, NUMBERS = 3 };

/* What argon2id's text holds. */
struct parsed {
    uint64_t numbers[NUMBERS]; /* KiB, passes, lanes */
    uint8_t salt[crypto_pwhash_SALTBYTES];
    uint8_t key[KEY_BYTES];
};

static bool take(const char **text, const char *word)
{
    size_t size = strlen(word);
    bool is_there = strncmp(*text, word, size) == 0;
    *text += is_there ? size : 0;
    return is_there;
}

static bool take_number(const char **text, uint64_t *out)
{
    char *end = NULL;
    bool digit = **text >= '0' && **text <= '9';
    *out = digit ? strtoull(*text, &end, 10) : 0;
    *text = digit ? end : *text;
    return digit;
}

/* Exactly so many bytes, up to `end`. */
static bool take_bytes(const char **text, char end, uint8_t *out, size_t size)
{
    size_t got = 0;
    const char *stop = NULL;
    bool good = sodium_base642bin(out, size, *text, strlen(*text), NULL, &got, &stop,
                                  sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
                got == size && *stop == end;
    *text = good && end != '\0' ? stop + 1 : *text;
    return good;
}

/* "$argon2id$v=19$m=65536,t=3,p=1$SALT$KEY" */
static bool parse(const char *hash, struct parsed *out)
{
    static const char *const before[NUMBERS] = {"$argon2id$v=19$m=", ",t=", ",p="};
    for (size_t i = 0; i < NUMBERS; i++) {
        if (!take(&hash, before[i]) || !take_number(&hash, &out->numbers[i])) {
            return false;
        }
    }
    return out->numbers[0] <= crypto_pwhash_argon2id_MEMLIMIT_MAX / 1024 && out->numbers[2] == 1 &&
           take(&hash, "$") && take_bytes(&hash, '$', out->salt, sizeof out->salt) &&
           take_bytes(&hash, '\0', out->key, sizeof out->key);
}

/* Not crypto_pwhash_str_verify: to that a lack of memory is a wrong password, which would count
 * against its owner. A hash that can't be read, or of nobody (NULL), costs the usual, and is 0. */
static int look(const char *composed, const char *hash, const struct auth_cost *cost)
{
    struct parsed parsed = {0};
    uint8_t key[KEY_BYTES];
    bool known = hash != NULL && parse(hash, &parsed);
    unsigned long long passes = known ? parsed.numbers[1] : cost->passes;
    size_t memory_bytes = known ? (size_t)parsed.numbers[0] * 1024 : cost->memory_bytes;
    errno = 0;
    int rc = crypto_pwhash(key, sizeof key, composed, strlen(composed), parsed.salt, passes,
                           memory_bytes, crypto_pwhash_ALG_ARGON2ID13);
    bool no_memory = rc != 0 && errno == ENOMEM;
    bool fits = rc == 0 && sodium_memcmp(key, parsed.key, sizeof key) == 0 && known;
    sodium_memzero(key, sizeof key);
    sodium_memzero(&parsed, sizeof parsed);
    return no_memory ? E_NOMEM : fits;
}

int auth_password_fits(const char *password, const char *hash, const struct auth_cost *cost)
{
    ASSERT(password != NULL && cost != NULL);
    bool text = strlen(password) <= ADMIN_PASSWORD_MAX_BYTES && count_characters(password) >= 0;
    char *composed = text ? compose(password) : NULL;
    if (text && composed == NULL) {
        return E_NOMEM;
    }
    int rc = look(text ? composed : "", text ? hash : NULL, cost);
    wipe(&composed);
    return rc;
}

bool auth_password_outdated(const char *hash, const struct auth_cost *cost)
{
    ASSERT(hash != NULL && cost != NULL);
    return crypto_pwhash_str_needs_rehash(hash, cost->passes, cost->memory_bytes) != 0;
}

/* --- made up --- */

void auth_password_make(char out[ADMIN_MADE_UP_MAX])
{
    ASSERT(out != NULL);
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789"; /* 31: 99 bits in 20 */
    enum { LETTERS = sizeof letters - 1, ALL = 20, GROUP = 5 };
    char *to = out;
    for (size_t i = 0; i < ALL; i++) {
        if (i > 0 && i % GROUP == 0) {
            *to++ = '-';
        }
        *to++ = letters[randombytes_uniform(LETTERS)];
    }
    *to = '\0';
}
