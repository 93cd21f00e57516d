/* base/hash.c - CRC32C in hardware and by table, SHA-256, XXH3, random bytes, hexadecimal. */
#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include "base/err.h"

/* --- CRC32C: reflected polynomial 0x82f63b78, eight bytes a step by eight tables --- */

static uint32_t crc_tables[8][256];
static pthread_once_t crc_tables_once = PTHREAD_ONCE_INIT;

static void make_crc_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
        }
        crc_tables[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int t = 1; t < 8; t++) {
            uint32_t before = crc_tables[t - 1][i];
            crc_tables[t][i] = (before >> 8) ^ crc_tables[0][before & 0xff];
        }
    }
}

uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size)
{
    (void)pthread_once(&crc_tables_once, make_crc_tables);
    const uint8_t *at = data;
    uint32_t state = ~crc;
    for (; size >= 8; size -= 8, at += 8) {
        uint32_t low = get_le32(at) ^ state;
        state = crc_tables[7][low & 0xff] ^ crc_tables[6][(low >> 8) & 0xff] ^
                crc_tables[5][(low >> 16) & 0xff] ^ crc_tables[4][low >> 24] ^
                crc_tables[3][at[4]] ^ crc_tables[2][at[5]] ^ crc_tables[1][at[6]] ^
                crc_tables[0][at[7]];
    }
    for (; size > 0; size--, at++) {
        state = (state >> 8) ^ crc_tables[0][(state ^ *at) & 0xff];
    }
    return ~state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t size)
{
    const uint8_t *at = data;
    uint64_t state = (uint32_t)~crc;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        state = _mm_crc32_u64(state, word);
    }
    uint32_t rest = (uint32_t)state;
    for (; size > 0; size--, at++) {
        rest = _mm_crc32_u8(rest, *at);
    }
    return ~rest;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    ASSERT(data != NULL || size == 0);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return crc32c_sse42(crc, data, size);
    }
#endif
    return crc32c_by_table(crc, data, size);
}

/* --- SHA-256: the algorithm is looked up once, a look-up costs more than a short hash --- */

static EVP_MD *sha256_algorithm;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
    sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void sha256(const struct span *pieces, size_t count, uint8_t out[SHA256_SIZE])
{
    ASSERT(pieces != NULL || count == 0);
    (void)pthread_once(&sha256_once, fetch_sha256);
    ASSERT(sha256_algorithm != NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(context != NULL);
    int ok = EVP_DigestInit_ex2(context, sha256_algorithm, NULL);
    for (size_t i = 0; i < count && ok == 1; i++) {
        if (pieces[i].size > 0) {
            ok = EVP_DigestUpdate(context, pieces[i].data, pieces[i].size);
        }
    }
    unsigned size = 0;
    ok = ok == 1 ? EVP_DigestFinal_ex(context, out, &size) : ok;
    ASSERT(ok == 1 && size == SHA256_SIZE);
    EVP_MD_CTX_free(context);
}

uint64_t hash64(struct span bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}

void hash128(struct span bytes, uint64_t seed, uint64_t out[2])
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data, bytes.size, seed);
    out[0] = hash.low64;
    out[1] = hash.high64;
}

void random_bytes(void *out, size_t size)
{
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
}

uint64_t random_u64(void)
{
    uint64_t value = 0;
    while (value == 0) {
        random_bytes(&value, sizeof value);
    }
    return value;
}

void hex_encode(const void *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * size] = '\0';
}

enum { NO_DIGIT = 16 };

static uint8_t digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return (uint8_t)(c - '0');
    }
    uint8_t lower = c | 0x20;
    if (lower >= 'a' && lower <= 'f') {
        return (uint8_t)(lower - 'a' + 10);
    }
    return NO_DIGIT;
}

int hex_decode(struct span text, uint8_t *out, size_t size)
{
    if (text.size % 2 != 0 || text.size / 2 != size) {
        return E_INVALID;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (digit_of(text.data[i]) == NO_DIGIT) {
            return E_INVALID;
        }
    }
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(digit_of(text.data[2 * i]) << 4 | digit_of(text.data[2 * i + 1]));
    }
    return 0;
}
