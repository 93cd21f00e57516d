/* admin/auth/secret.c - base64url by libsodium, and two headers taken apart. */
#include "admin/auth/secret.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

enum { SECRET_BYTES = 32 };

static void hash_of(const char *text, uint8_t hash[SHA256_SIZE])
{
    struct span piece = span_of(text, AUTH_SECRET_CHARS);
    sha256(&piece, 1, hash);
}

void auth_secret_make(char text[AUTH_SECRET_CHARS + 1], uint8_t hash[SHA256_SIZE])
{
    ASSERT(text != NULL && hash != NULL);
    uint8_t bytes[SECRET_BYTES];
    random_bytes(bytes, sizeof bytes);
    (void)sodium_bin2base64(text, AUTH_SECRET_CHARS + 1, bytes, sizeof bytes,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof bytes);
    hash_of(text, hash);
}

bool auth_secret_hash(struct span text, uint8_t hash[SHA256_SIZE])
{
    ASSERT(hash != NULL);
    if (text.size != AUTH_SECRET_CHARS) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        uint8_t letter = c | 0x20;
        if (!(c >= '0' && c <= '9') && !(letter >= 'a' && letter <= 'z') && c != '-' && c != '_') {
            return false;
        }
    }
    hash_of((const char *)text.data, hash);
    return true;
}

static bool take_prefix(struct span *text, const char *prefix, size_t size)
{
    if (text->size < size || memcmp(text->data, prefix, size) != 0) {
        return false;
    }
    *text = span_of(text->data + size, text->size - size);
    return true;
}

struct span auth_secret_of_cookie(struct span header)
{
    struct span found = {NULL, 0};
    bool twice = false;
    while (header.size > 0) {
        const uint8_t *end = memchr(header.data, ';', header.size);
        size_t size = end != NULL ? (size_t)(end - header.data) : header.size;
        struct span pair = span_trim(span_of(header.data, size));
        if (take_prefix(&pair, AUTH_COOKIE "=", sizeof AUTH_COOKIE)) {
            twice = twice || found.data != NULL;
            found = pair;
        }
        size += end != NULL;
        header = span_of(header.data + size, header.size - size);
    }
    return twice ? span_of(NULL, 0) : found;
}

struct span auth_secret_of_authorization(struct span header)
{
    static const char SCHEME[] = "Bearer ";
    size_t size = sizeof SCHEME - 1;
    header = span_trim(header);
    if (header.size < size || strncasecmp((const char *)header.data, SCHEME, size) != 0) {
        return span_of(NULL, 0);
    }
    struct span text = span_trim(span_of(header.data + size, header.size - size));
    if (!take_prefix(&text, AUTH_TOKEN_PREFIX, sizeof AUTH_TOKEN_PREFIX - 1)) {
        return span_of(NULL, 0);
    }
    return text;
}
