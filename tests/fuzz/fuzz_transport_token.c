/* fuzz_transport_token.c - what a person pastes as a join token, or types as an address. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "transport/token.h"

/* What is taken for a token is written as one that says the same. */
static void check_token(const char *text)
{
    struct join_token token = {0};
    struct join_token again = {0};
    struct err err = {0};
    char written[TOKEN_TEXT_MAX];
    int rc = token_parse(&token, text, &err);
    FUZZ_CHECK(rc == err.code);
    if (rc == 0) {
        FUZZ_CHECK(token_format(&token, written, NULL) == 0);
        FUZZ_CHECK(token_parse(&again, written, NULL) == 0);
        FUZZ_CHECK(memcmp(&token, &again, sizeof token) == 0);
    }
}

static void check_address(const char *text)
{
    char endpoint[ADDRESS_MAX_BYTES + 16];
    struct err err = {0};
    int rc = address_endpoint(text, endpoint, sizeof endpoint, &err);
    FUZZ_CHECK(rc == err.code);
    FUZZ_CHECK(rc != 0 || strncmp(endpoint, "tcp://", 6) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text != NULL) {
        if (size > 0) {
            memcpy(text, data, size);
        }
        text[size] = '\0';
        check_token(text);
        check_address(text);
    }
    free(text);
    return 0;
}
