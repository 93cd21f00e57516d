/* base/hash.h - checksums, hashes, random bytes, hexadecimal. */
#ifndef KITBAG_BASE_HASH_H
#define KITBAG_BASE_HASH_H

#include "base/buf.h"

enum { SHA256_SIZE = 32 };

/* CRC32C (Castagnoli), in hardware where there is. Start with 0; feed pieces in order. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
/* The same by table: what crc32c uses where there is no such hardware. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size);

/* SHA-256 of up to `count` pieces after each other (OpenSSL). Aborts only when out of memory. */
void sha256(const struct span *pieces, size_t count, uint8_t out[SHA256_SIZE]);

/* The same of bytes that come one after the other. Born by sha256_begin; sha256_end frees it, and
 * has to be called (`out` may be NULL then: nobody wants to know). */
struct sha256_run {
    void *context;
};
void sha256_begin(struct sha256_run *run);
void sha256_add(struct sha256_run *run, struct span bytes);
void sha256_end(struct sha256_run *run, uint8_t out[SHA256_SIZE]);

/* XXH3-64 with a seed: checksums of rows, and keyed hashes of tables. */
uint64_t hash64(struct span bytes, uint64_t seed);
/* XXH3-128 with a seed, the lower half first: digests of bags. */
void hash128(struct span bytes, uint64_t seed, uint64_t out[2]);

/* From the kernel's generator; never fails after start (aborts if it does). */
void random_bytes(void *out, size_t size);
uint64_t random_u64(void); /* never 0 */

/* `out` has room for 2 * size + 1. Lower case, NUL-ended. */
void hex_encode(const void *data, size_t size, char *out);
/* Exactly 2 * size digits, else E_INVALID. */
MUST_CHECK int hex_decode(struct span text, uint8_t *out, size_t size);

#endif
