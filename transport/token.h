/* transport/token.h - join tokens: the text that an administrator hands to a machine. */
#ifndef KITBAG_TRANSPORT_TOKEN_H
#define KITBAG_TRANSPORT_TOKEN_H

#include "transport/keys.h"

enum { TOKEN_ADDRESSES_MAX = 8, ADDRESS_MAX_BYTES = 300, TOKEN_TEXT_MAX = 4096 };

struct join_token {
    size_t address_count;
    char addresses[TOKEN_ADDRESSES_MAX][ADDRESS_MAX_BYTES + 1]; /* HOST:PORT */
    uint8_t server_key[KEY_SIZE];
    uint8_t signing_key[KEY_SIZE];
    uint8_t secret[KEY_SIZE]; /* a CURVE secret key, good for one join */
    uint64_t expires_ms;      /* since 1970 */
};

/* NUL-ended text into TOKEN_TEXT_MAX bytes. */
MUST_CHECK int token_format(const struct join_token *token, char *out, struct err *err);
/* E_INVALID with a sentence ("a join token begins with kb1. ..."); surrounding space is fine. */
MUST_CHECK int token_parse(struct join_token *token, const char *text, struct err *err);

/* "host", "host:8443", "[::1]:8443" -> "tcp://host:8443" for ZeroMQ. E_INVALID. */
MUST_CHECK int address_endpoint(const char *address, char *out, size_t out_size, struct err *err);

#endif
