/* client/identity.c - the identity file, read and written. */
#include "client/identity.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hash.h"

enum { FILE_MAX = 16384, IDENTITY_FORMAT = 1, SUM_LINE = 6 + 16 + 1 };

/* --- writing --- */

static void put_hex(struct buf *out, const char *name, const void *data, size_t size)
{
    char text[2 * SHA256_SIZE + 1];
    ASSERT(2 * size < sizeof text);
    hex_encode(data, size, text);
    (void)buf_printf(out, "%s = %s\n", name, text);
    key_wipe(text, sizeof text);
}

static void put_server(struct buf *out, const struct identity *identity)
{
    char device[DEVICE_TEXT_MAX];
    device_format(identity->device, device);
    (void)buf_printf(out, "device = %s\n", device);
    put_hex(out, "history", identity->history, HISTORY_SIZE);
    put_hex(out, "server_key", identity->server_key, KEY_SIZE);
    put_hex(out, "signing_key", identity->signing_key, KEY_SIZE);
    for (size_t i = 0; i < identity->address_count; i++) {
        (void)buf_printf(out, "address = %s\n", identity->addresses[i]);
    }
    (void)buf_printf(out, "name = %s\n", identity->name);
}

int identity_store(const struct identity *identity, const char *path, struct err *err)
{
    ASSERT(identity != NULL);
    struct buf out;
    buf_init(&out, FILE_MAX);
    (void)buf_printf(&out, "kitbag-identity = %d\n", IDENTITY_FORMAT);
    if (identity->has_keys) {
        put_hex(&out, "public_key", identity->keys.public_key, KEY_SIZE);
        put_hex(&out, "secret_key", identity->keys.secret_key, KEY_SIZE);
    }
    if (identity->device != 0) {
        put_server(&out, identity);
    }
    (void)buf_printf(&out, "started = %s\n", identity->started ? "yes" : "no");
    (void)buf_printf(&out, "sum = %016llx\n", (unsigned long long)hash64(buf_span(&out), 0));
    int rc = buf_error(&out);
    rc = rc != 0 ? err_set(err, rc, "the identity does not fit '%s'", path)
                 : file_replace(path, out.data, out.size, 0600, err);
    if (out.data != NULL) {
        key_wipe(out.data, out.size);
    }
    buf_free(&out);
    return rc;
}

void identity_wipe(struct identity *identity)
{
    key_wipe(&identity->keys, sizeof identity->keys);
    identity->has_keys = false;
}

/* --- reading --- */

static int damaged(const char *path, const char *what, struct err *err)
{
    return err_set(err, E_CORRUPT,
                   "'%s' is damaged (%s): restore it from a copy, or move it away and join again "
                   "with a new token",
                   path, what);
}

static int hex_value(struct span value, void *out, size_t size)
{
    return hex_decode(value, out, size);
}

static int copy_text(struct span value, char *out, size_t size)
{
    if (value.size >= size || memchr(value.data, '\0', value.size) != NULL) {
        return E_INVALID;
    }
    memcpy(out, value.data, value.size);
    out[value.size] = '\0';
    return 0;
}

static bool is(struct span name, const char *text)
{
    return span_equal(name, span_str(text));
}

static int take_address(struct identity *identity, struct span value)
{
    if (identity->address_count == TOKEN_ADDRESSES_MAX) {
        return E_INVALID;
    }
    return copy_text(value, identity->addresses[identity->address_count++], ADDRESS_MAX_BYTES + 1);
}

static int take_line(struct identity *identity, struct span name, struct span value)
{
    if (is(name, "public_key")) {
        return hex_value(value, identity->keys.public_key, KEY_SIZE);
    }
    if (is(name, "secret_key")) {
        identity->has_keys = true;
        return hex_value(value, identity->keys.secret_key, KEY_SIZE);
    }
    if (is(name, "device")) {
        char text[DEVICE_TEXT_MAX];
        return copy_text(value, text, sizeof text) != 0
                   ? E_INVALID
                   : device_parse(text, &identity->device, NULL);
    }
    if (is(name, "history")) {
        return hex_value(value, identity->history, HISTORY_SIZE);
    }
    if (is(name, "server_key")) {
        return hex_value(value, identity->server_key, KEY_SIZE);
    }
    if (is(name, "signing_key")) {
        return hex_value(value, identity->signing_key, KEY_SIZE);
    }
    if (is(name, "address")) {
        return take_address(identity, value);
    }
    if (is(name, "name")) {
        return copy_text(value, identity->name, sizeof identity->name);
    }
    if (is(name, "started")) {
        identity->started = is(value, "yes");
        return identity->started || is(value, "no") ? 0 : E_INVALID;
    }
    return E_INVALID;
}

/* Splits "name = value" off `text`. */
static int next_line(struct span *text, struct span *name, struct span *value)
{
    const uint8_t *end = memchr(text->data, '\n', text->size);
    if (end == NULL) {
        return E_INVALID;
    }
    struct span line = span_of(text->data, (size_t)(end - text->data));
    *text = span_of(end + 1, text->size - line.size - 1);
    const uint8_t *equals = memmem(line.data, line.size, " = ", 3);
    if (equals == NULL) {
        return E_INVALID;
    }
    *name = span_of(line.data, (size_t)(equals - line.data));
    *value = span_of(equals + 3, line.size - name->size - 3);
    return 0;
}

static int check_sum(struct span *text)
{
    if (text->size < SUM_LINE) {
        return E_INVALID;
    }
    char expected[SUM_LINE + 1];
    text->size -= SUM_LINE;
    (void)snprintf(expected, sizeof expected, "sum = %016llx\n",
                   (unsigned long long)hash64(*text, 0));
    return memcmp(text->data + text->size, expected, SUM_LINE) == 0 ? 0 : E_INVALID;
}

static int parse(struct identity *identity, struct span text, const char *path, struct err *err)
{
    struct span name;
    struct span value;
    if (check_sum(&text) != 0) {
        return damaged(path, "its checksum does not fit", err);
    }
    if (next_line(&text, &name, &value) != 0 || !is(name, "kitbag-identity")) {
        return damaged(path, "its first line", err);
    }
    if (!is(value, "1")) {
        return err_set(err, E_FORMAT,
                       "'%s' has a format that this version does not know: use the newer kitbag "
                       "that wrote it",
                       path);
    }
    while (text.size > 0) {
        if (next_line(&text, &name, &value) != 0 || take_line(identity, name, value) != 0) {
            return damaged(path, "a line of it", err);
        }
    }
    bool whole = identity->device == 0 || (identity->has_keys && identity->address_count > 0);
    return whole ? 0 : damaged(path, "something is missing", err);
}

/* Others who can read it could be this machine. */
static int check_mode(const char *path, struct err *err)
{
    struct stat file;
    if (stat(path, &file) != 0) {
        return err_sys(err, "look at", path);
    }
    if ((file.st_mode & 077) != 0) {
        return err_set(err, E_PERMISSION,
                       "others may read '%s', which holds this machine's secret key: chmod 600 it",
                       path);
    }
    return 0;
}

int identity_load(struct identity *out, const char *path, struct err *err)
{
    ASSERT(out != NULL);
    struct buf text;
    struct identity identity = {0};
    buf_init(&text, FILE_MAX);
    int rc = file_read(path, &text, NULL);
    if (rc == E_NOT_FOUND) {
        *out = identity;
        buf_free(&text);
        return 0;
    }
    if (rc == E_TOO_LARGE) {
        rc = damaged(path, "it is too long", err);
    } else if (rc != 0) {
        rc = err_set(err, rc, "'%s' can't be read: %s", path, err_meaning(rc));
    }
    rc = rc != 0 ? rc : check_mode(path, err);
    rc = rc != 0 ? rc : parse(&identity, buf_span(&text), path, err);
    if (text.data != NULL) {
        key_wipe(text.data, text.size);
    }
    buf_free(&text);
    if (rc == 0) {
        *out = identity;
    }
    identity_wipe(&identity);
    return rc;
}
