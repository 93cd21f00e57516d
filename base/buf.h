/* base/buf.h - spans of borrowed bytes, and growing buffers that are born with a maximum. */
#ifndef KITBAG_BASE_BUF_H
#define KITBAG_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

/* Bytes that somebody else owns. `data` may be NULL when size is 0. */
struct span {
    const uint8_t *data;
    size_t size;
};

#define SPAN_LITERAL(text) ((struct span){(const uint8_t *)(text), sizeof(text) - 1})

struct span span_of(const void *data, size_t size);
struct span span_str(const char *text); /* without the NUL */
bool span_equal(struct span a, struct span b);
int span_compare(struct span a, struct span b); /* memcmp order, shorter first */
struct span span_trim(struct span text);        /* without spaces and tabs at its ends */
/* A copy with one NUL behind it, to be freed; NULL when out of memory. */
char *span_dup(struct span text);

/* A buffer that owns its bytes. A failed append leaves the content as it was and marks the buffer:
 * writers may append many times and look once, at `buf_error`. */
struct buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t max;
    int error; /* 0, E_TOO_LARGE or E_NOMEM: sticky until buf_reset */
};

void buf_init(struct buf *buf, size_t max);
void buf_free(struct buf *buf);  /* keeps max; the buffer can be used again */
void buf_reset(struct buf *buf); /* size and error to 0, memory kept */
void buf_truncate(struct buf *buf, size_t size);
/* Room for `size` more bytes behind the content, to be written by the caller, who then adds to
 * `size` what was written. Returns 0 or the buffer's error. */
int buf_reserve(struct buf *buf, size_t size);
int buf_append(struct buf *buf, const void *data, size_t size);
int buf_append_span(struct buf *buf, struct span span);
int buf_append_u8(struct buf *buf, uint8_t value);
int buf_append_be32(struct buf *buf, uint32_t value);
int buf_append_be64(struct buf *buf, uint64_t value);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `size` more bytes, zeroed; NULL when they do not fit. Valid until the next append. */
uint8_t *buf_extend(struct buf *buf, size_t size);
struct span buf_span(const struct buf *buf);
MUST_CHECK int buf_error(const struct buf *buf);
/* The bytes as an own malloc'ed block with one NUL behind them (not counted), which the caller
 * frees; NULL when out of memory or when the buffer is marked. The buffer is empty afterwards. */
char *buf_steal(struct buf *buf, size_t *size);

/* Fixed-width numbers in byte order of files and keys (big-endian) and of headers (little). */
void put_be32(uint8_t *at, uint32_t value);
void put_be64(uint8_t *at, uint64_t value);
uint32_t get_be32(const uint8_t *at);
uint64_t get_be64(const uint8_t *at);
void put_le16(uint8_t *at, uint16_t value);
void put_le32(uint8_t *at, uint32_t value);
void put_le64(uint8_t *at, uint64_t value);
uint16_t get_le16(const uint8_t *at);
uint32_t get_le32(const uint8_t *at);
uint64_t get_le64(const uint8_t *at);

#endif
