/* client/kb_joining.h - the connection by which a machine joins: one of its own, on the caller's
 * thread, that ends when the server answered.
 */
#ifndef KITBAG_CLIENT_KB_JOINING_H
#define KITBAG_CLIENT_KB_JOINING_H

#include "client/kb_inside.h"
#include "transport/dealer.h"
#include "transport/follow.h"
#include "transport/token.h"

/* Born zeroed but for the first five. */
struct joining {
    struct kb *kb;
    const struct join_token *token;
    const struct kb_join_options *options;
    const struct identity *identity; /* with the addresses and the name to use */
    bool asks;                       /* by HELLO, whether this machine is the server's still */
    bool welcome;                    /* it is */
    struct key_pair once;            /* of the token, or its own when it asks */
    struct dealer *dealer;
    struct follow *follow;
    bool joined;
    uint64_t device;
    uint8_t history[HISTORY_SIZE];
    int code; /* why it is not joined yet */
    bool refused;
    char text[ERR_TEXT_MAX];
};

/* Until the server said yes (`joined`, or `welcome`) or no, or the time is over. The code of its
 * refusal, E_UNREACHABLE, E_NOMEM; sentences say what to do. */
MUST_CHECK int client_converse(struct joining *joining, unsigned timeout_ms, struct err *err);

#endif
