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

/* The instruction takes three cycles, and one can begin in each. So three lanes of bytes are worked
 * off side by side, and joined: the checksum of a lane is carried over the bytes of those behind it
 * by tables of what LANE zero bytes make of each byte of a checksum. */
enum { LANE = 512 };

static uint32_t lane_tables[4][256];
static pthread_once_t lane_tables_once = PTHREAD_ONCE_INIT;

static void make_lane_tables(void)
{
    static const uint8_t zeros[LANE];
    uint32_t of_bit[32];
    for (unsigned bit = 0; bit < 32; bit++) {
        of_bit[bit] = ~crc32c_by_table(~(1u << bit), zeros, LANE);
    }
    for (unsigned byte = 0; byte < 4; byte++) {
        for (uint32_t value = 0; value < 256; value++) {
            uint32_t sum = 0;
            for (unsigned bit = 0; bit < 8; bit++) {
                sum ^= (value >> bit & 1) != 0 ? of_bit[8 * byte + bit] : 0;
            }
            lane_tables[byte][value] = sum;
        }
    }
}

static uint32_t over_lane(uint32_t state)
{
    return lane_tables[0][state & 0xff] ^ lane_tables[1][state >> 8 & 0xff] ^
           lane_tables[2][state >> 16 & 0xff] ^ lane_tables[3][state >> 24];
}

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

__attribute__((target("sse4.2"))) static uint32_t crc_three_lanes(uint32_t state, const uint8_t *at)
{
    uint64_t first = state;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const uint8_t *end = at + LANE; at < end; at += 8) {
        first = _mm_crc32_u64(first, word_at(at));
        second = _mm_crc32_u64(second, word_at(at + LANE));
        third = _mm_crc32_u64(third, word_at(at + 2 * LANE));
    }
    uint32_t two = over_lane((uint32_t)first) ^ (uint32_t)second;
    return over_lane(two) ^ (uint32_t)third;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t size)
{
    const uint8_t *at = data;
    uint32_t state = ~crc;
    if (size >= 3 * LANE) {
        (void)pthread_once(&lane_tables_once, make_lane_tables);
    }
    for (; size >= 3 * LANE; size -= 3 * LANE, at += 3 * LANE) {
        state = crc_three_lanes(state, at);
    }
    uint64_t wide = state;
    for (; size >= 8; size -= 8, at += 8) {
        wide = _mm_crc32_u64(wide, word_at(at));
    }
    state = (uint32_t)wide;
    for (; size > 0; size--, at++) {
        state = _mm_crc32_u8(state, *at);
    }
    return ~state;
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

/* --- SHA-256: the algorithm is looked up once, and each thread keeps its context: either costs as
 * much as the hash of a few hundred bytes --- */

static EVP_MD *sha256_algorithm;
static pthread_key_t sha256_context;
static bool sha256_keeps;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void prepare_sha256(void)
{
    sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    sha256_keeps = pthread_key_create(&sha256_context, free_context) == 0;
}

/* The thread's own; `kept` is false when it could not be kept, and has to be freed. */
static EVP_MD_CTX *get_context(bool *kept)
{
    *kept = sha256_keeps;
    EVP_MD_CTX *context = sha256_keeps ? pthread_getspecific(sha256_context) : NULL;
    if (context == NULL) {
        context = EVP_MD_CTX_new();
        ASSERT(context != NULL);
        *kept = sha256_keeps && pthread_setspecific(sha256_context, context) == 0;
    }
    return context;
}

void sha256(const struct span *pieces, size_t count, uint8_t out[SHA256_SIZE])
{
    ASSERT(pieces != NULL || count == 0);
    (void)pthread_once(&sha256_once, prepare_sha256);
    ASSERT(sha256_algorithm != NULL);
    bool kept = false;
    EVP_MD_CTX *context = get_context(&kept);
    int ok = EVP_DigestInit_ex2(context, sha256_algorithm, NULL);
    for (size_t i = 0; i < count && ok == 1; i++) {
        if (pieces[i].size > 0) {
            ok = EVP_DigestUpdate(context, pieces[i].data, pieces[i].size);
        }
    }
    unsigned size = 0;
    ok = ok == 1 ? EVP_DigestFinal_ex(context, out, &size) : ok;
    ASSERT(ok == 1 && size == SHA256_SIZE);
    if (!kept) {
        EVP_MD_CTX_free(context);
    }
}

void sha256_begin(struct sha256_run *run)
{
    ASSERT(run != NULL);
    (void)pthread_once(&sha256_once, prepare_sha256);
    ASSERT(sha256_algorithm != NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(context != NULL);
    int ok = EVP_DigestInit_ex2(context, sha256_algorithm, NULL);
    ASSERT(ok == 1);
    run->context = context;
}

void sha256_add(struct sha256_run *run, struct span bytes)
{
    ASSERT(run != NULL && run->context != NULL);
    int ok = bytes.size > 0 ? EVP_DigestUpdate(run->context, bytes.data, bytes.size) : 1;
    ASSERT(ok == 1);
}

void sha256_end(struct sha256_run *run, uint8_t out[SHA256_SIZE])
{
    ASSERT(run != NULL && run->context != NULL);
    unsigned size = SHA256_SIZE;
    int ok = out != NULL ? EVP_DigestFinal_ex(run->context, out, &size) : 1;
    ASSERT(ok == 1 && size == SHA256_SIZE);
    EVP_MD_CTX_free(run->context);
    run->context = NULL;
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
