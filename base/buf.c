/* base/buf.c - growing buffers with a maximum, and numbers of fixed width. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { FIRST_CAPACITY = 256 };

struct span span_of(const void *data, size_t size)
{
    ASSERT(data != NULL || size == 0);
    return (struct span){data, size};
}

struct span span_str(const char *text)
{
    ASSERT(text != NULL);
    return (struct span){(const uint8_t *)text, strlen(text)};
}

bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int span_compare(struct span a, struct span b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) {
        return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

struct span span_trim(struct span text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text = span_of(text.data + 1, text.size - 1);
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

char *span_dup(struct span text)
{
    char *out = malloc(text.size + 1);
    if (out != NULL) {
        if (text.size > 0) {
            memcpy(out, text.data, text.size);
        }
        out[text.size] = '\0';
    }
    return out;
}

void buf_init(struct buf *buf, size_t max)
{
    ASSERT(buf != NULL);
    *buf = (struct buf){.max = max};
}

void buf_free(struct buf *buf)
{
    ASSERT(buf != NULL);
    free(buf->data);
    *buf = (struct buf){.max = buf->max};
}

void buf_reset(struct buf *buf)
{
    buf->size = 0;
    buf->error = 0;
}

void buf_truncate(struct buf *buf, size_t size)
{
    ASSERT(size <= buf->size);
    buf->size = size;
}

/* Doubles until `needed` fits, so that many small appends cost one copy each on average. */
static int grow(struct buf *buf, size_t needed)
{
    size_t capacity = buf->capacity != 0 ? buf->capacity : FIRST_CAPACITY;
    while (capacity < needed) {
        capacity = capacity > buf->max / 2 ? buf->max : capacity * 2;
    }
    if (capacity > buf->max) {
        capacity = buf->max;
    }
    uint8_t *data = realloc(buf->data, capacity);
    if (data == NULL) {
        buf->error = E_NOMEM;
        return buf->error;
    }
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

/* What a full buffer does for `size` more bytes. */
static int make_room(struct buf *buf, size_t size)
{
    if (buf->error == 0 && size > buf->max - buf->size) {
        buf->error = E_TOO_LARGE;
    }
    return buf->error != 0 ? buf->error : grow(buf, buf->size + size);
}

/* The way of nearly every append: writers of messages call it per element. */
static inline int reserve(struct buf *buf, size_t size)
{
    if (buf->error == 0 && size <= buf->capacity - buf->size) {
        return 0;
    }
    return make_room(buf, size);
}

int buf_reserve(struct buf *buf, size_t size)
{
    return reserve(buf, size);
}

int buf_append(struct buf *buf, const void *data, size_t size)
{
    int rc = reserve(buf, size);
    if (rc != 0 || size == 0) {
        return rc;
    }
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return 0;
}

int buf_append_span(struct buf *buf, struct span span)
{
    return buf_append(buf, span.data, span.size);
}

int buf_append_u8(struct buf *buf, uint8_t value)
{
    return buf_append(buf, &value, 1);
}

int buf_append_be32(struct buf *buf, uint32_t value)
{
    uint8_t bytes[4];
    put_be32(bytes, value);
    return buf_append(buf, bytes, sizeof bytes);
}

int buf_append_be64(struct buf *buf, uint64_t value)
{
    uint8_t bytes[8];
    put_be64(bytes, value);
    return buf_append(buf, bytes, sizeof bytes);
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    if (buf->error != 0) {
        return buf->error;
    }
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(len >= 0);
    /* vsnprintf wants room for its NUL, which is no part of the content. A full buffer has none,
     * so the text is made beside it when it is the last that fits. */
    size_t size = (size_t)len;
    int rc = buf_reserve(buf, size);
    if (rc == 0 && buf->capacity - buf->size > size) {
        (void)vsnprintf((char *)buf->data + buf->size, size + 1, format, again);
        buf->size += size;
    } else if (rc == 0 && size > 0) {
        char *text = malloc(size + 1);
        if (text == NULL) {
            buf->error = rc = E_NOMEM;
        } else {
            (void)vsnprintf(text, size + 1, format, again);
            rc = buf_append(buf, text, size);
            free(text);
        }
    }
    va_end(again);
    return rc;
}

uint8_t *buf_extend(struct buf *buf, size_t size)
{
    if (buf_reserve(buf, size) != 0) {
        return NULL;
    }
    /* Even no bytes have an address, so that NULL means one thing. */
    if (buf->data == NULL && grow(buf, 0) != 0) {
        return NULL;
    }
    uint8_t *at = buf->data + buf->size;
    memset(at, 0, size);
    buf->size += size;
    return at;
}

struct span buf_span(const struct buf *buf)
{
    return (struct span){buf->data, buf->size};
}

int buf_error(const struct buf *buf)
{
    return buf->error;
}

char *buf_steal(struct buf *buf, size_t *size)
{
    char *block = NULL;
    if (buf->error == 0) {
        block = realloc(buf->data, buf->size + 1);
    }
    if (block == NULL) {
        buf_free(buf);
        return NULL;
    }
    block[buf->size] = '\0';
    if (size != NULL) {
        *size = buf->size;
    }
    *buf = (struct buf){.max = buf->max};
    return block;
}

void put_be32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

void put_be64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (56 - 8 * i));
    }
}

uint32_t get_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

uint64_t get_be64(const uint8_t *at)
{
    return (uint64_t)get_be32(at) << 32 | get_be32(at + 4);
}

void put_le16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

void put_le32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

void put_le64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

uint16_t get_le16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

uint32_t get_le32(const uint8_t *at)
{
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

uint64_t get_le64(const uint8_t *at)
{
    return (uint64_t)get_le32(at + 4) << 32 | get_le32(at);
}
