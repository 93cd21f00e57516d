/* transport/token.c - the text of a join token, and addresses. */
#include "transport/token.h"

#include <ctype.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/pack.h"

enum {
    TOKEN_FIELDS = 6,
    TOKEN_VERSION = 1,
    TOKEN_BYTES_MAX = 3 * TOKEN_TEXT_MAX / 4,
    TOKEN_ELEMENTS_MAX = 1 + TOKEN_FIELDS + TOKEN_ADDRESSES_MAX,
    HOST_MAX_BYTES = 253, /* of a name in the DNS */
    DEFAULT_PORT = 8443,
};

static const char prefix[] = "kb1.";

enum { PREFIX_SIZE = sizeof prefix - 1 };

/* --- addresses --- */

static int bad_address(const char *address, const char *why, struct err *err)
{
    return err_set(err, E_INVALID, "'%.80s' is no address (HOST, HOST:PORT or [IPV6]:PORT): %s",
                   address, why);
}

static bool all_of(const char *text, size_t size, const char *also)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80 || !(isalnum(c) || strchr(also, c) != NULL)) {
            return false;
        }
    }
    return size > 0;
}

/* ":PORT" or nothing. */
static int read_port(const char *text, unsigned *port)
{
    *port = DEFAULT_PORT;
    if (*text == '\0') {
        return 0;
    }
    size_t digits = *text == ':' ? strspn(text + 1, "0123456789") : 0;
    if (digits == 0 || digits > 5 || text[1 + digits] != '\0') {
        return E_INVALID;
    }
    unsigned value = 0;
    for (size_t i = 1; i <= digits; i++) {
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *port = value;
    return value >= 1 && value <= 65535 ? 0 : E_INVALID;
}

int address_endpoint(const char *address, char *out, size_t out_size, struct err *err)
{
    ASSERT(address != NULL);
    bool literal = address[0] == '[';
    size_t size = literal ? strcspn(address, "]") : strcspn(address, ":");
    if (literal && (address[size] == '\0' || !all_of(address + 1, size - 1, ":.%"))) {
        return bad_address(address, "between [ and ] an IPv6 address is expected", err);
    }
    size += literal ? 1 : 0;
    if (size > HOST_MAX_BYTES || (!literal && !all_of(address, size, "-._"))) {
        return bad_address(address, "the host's name is empty, too long or has other characters",
                           err);
    }
    unsigned port = 0;
    if (read_port(address + size, &port) != 0) {
        return bad_address(address, "a port is a number from 1 to 65535 after a colon", err);
    }
    int needed = snprintf(out, out_size, "tcp://%.*s:%u", (int)size, address, port);
    ASSERT(needed > 0);
    return (size_t)needed < out_size ? 0 : bad_address(address, "it is too long", err);
}

static int check_address(const char *address, struct err *err)
{
    char endpoint[ADDRESS_MAX_BYTES + 16];
    return address_endpoint(address, endpoint, sizeof endpoint, err);
}

/* --- writing --- */

int token_format(const struct join_token *token, char *out, struct err *err)
{
    ASSERT(token != NULL && out != NULL);
    if (token->address_count == 0 || token->address_count > TOKEN_ADDRESSES_MAX) {
        return err_set(err, E_INVALID, "a join token needs 1 to %d addresses of the server",
                       TOKEN_ADDRESSES_MAX);
    }
    struct buf bytes;
    buf_init(&bytes, TOKEN_BYTES_MAX);
    pack_array(&bytes, TOKEN_FIELDS);
    pack_u64(&bytes, TOKEN_VERSION);
    pack_array(&bytes, (uint32_t)token->address_count);
    int rc = 0;
    for (size_t i = 0; i < token->address_count && rc == 0; i++) {
        rc = check_address(token->addresses[i], err);
        pack_cstr(&bytes, token->addresses[i]);
    }
    pack_bin(&bytes, span_of(token->server_key, KEY_SIZE));
    pack_bin(&bytes, span_of(token->signing_key, KEY_SIZE));
    pack_bin(&bytes, span_of(token->secret, KEY_SIZE));
    pack_u64(&bytes, token->expires_ms);
    if (rc == 0 && buf_error(&bytes) != 0) {
        rc = err_set(err, buf_error(&bytes), "no memory to write a join token");
    }
    if (rc == 0) {
        memcpy(out, prefix, PREFIX_SIZE);
        (void)sodium_bin2base64(out + PREFIX_SIZE, TOKEN_TEXT_MAX - PREFIX_SIZE, bytes.data,
                                bytes.size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    }
    if (bytes.data != NULL) {
        key_wipe(bytes.data, bytes.capacity);
    }
    buf_free(&bytes);
    return rc;
}

/* --- reading --- */

static int read_addresses(const msgpack_object *array, struct join_token *token)
{
    struct walk walk = walk_array(array);
    if (walk.error != 0 || walk.left == 0 || walk.left > TOKEN_ADDRESSES_MAX) {
        return E_MALFORMED;
    }
    while (walk.left > 0) {
        struct span text = walk_str(&walk);
        char *address = token->addresses[token->address_count];
        if (walk.error != 0 || text.size > ADDRESS_MAX_BYTES ||
            (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)) {
            return E_MALFORMED;
        }
        if (text.size > 0) {
            memcpy(address, text.data, text.size);
        }
        if (check_address(address, NULL) != 0) {
            return E_MALFORMED;
        }
        token->address_count++;
    }
    return 0;
}

static int read_fields(const msgpack_object *root, struct join_token *token)
{
    struct walk walk = walk_array(root);
    uint64_t version = walk_u64(&walk);
    const msgpack_object *addresses = walk_any(&walk);
    walk_bytes(&walk, token->server_key, KEY_SIZE);
    walk_bytes(&walk, token->signing_key, KEY_SIZE);
    walk_bytes(&walk, token->secret, KEY_SIZE);
    token->expires_ms = walk_u64(&walk);
    int rc = walk_end(&walk, false);
    if (rc != 0 || version != TOKEN_VERSION) {
        return E_MALFORMED;
    }
    return read_addresses(addresses, token);
}

int token_parse(struct join_token *token, const char *text, struct err *err)
{
    ASSERT(token != NULL && text != NULL);
    static const char space[] = " \t\r\n";
    text += strspn(text, space);
    if (strncmp(text, prefix, PREFIX_SIZE) != 0) {
        return err_set(err, E_INVALID,
                       "a join token begins with %s; copy the whole line that 'kitbagd token' or "
                       "the console printed",
                       prefix);
    }
    uint8_t bytes[TOKEN_BYTES_MAX];
    size_t size = 0;
    struct unpacked unpacked = {0};
    struct join_token read = {0};
    const char *begin = text + PREFIX_SIZE;
    const char *end = begin;
    int rc = sodium_base642bin(bytes, sizeof bytes, begin, strlen(begin), space, &size, &end,
                               sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    if (rc == 0 && *end == '\0') {
        rc = unpack_open(&unpacked, span_of(bytes, size), TOKEN_ELEMENTS_MAX);
    } else {
        rc = E_MALFORMED;
    }
    if (rc == 0) {
        rc = read_fields(&unpacked.root, &read);
    }
    if (rc == 0) {
        *token = read;
    } else if (rc != E_NOMEM) {
        rc = err_set(err, E_INVALID, "the join token is damaged: copy it again, as a whole");
    } else {
        rc = err_set(err, rc, "no memory to read the join token");
    }
    unpack_close(&unpacked);
    key_wipe(bytes, sizeof bytes);
    key_wipe(&read, sizeof read);
    return rc;
}
