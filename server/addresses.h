/* server/addresses.h - under which addresses client machines reach this server. */
#ifndef KITBAG_SERVER_ADDRESSES_H
#define KITBAG_SERVER_ADDRESSES_H

#include "transport/token.h"

/* Fill token->addresses: what was configured (a missing port becomes `port`), else what `listen`
 * names, and in place of 0.0.0.0 and [::] the addresses of this machine's interfaces, the loopback
 * one only when there is no other. */
void addresses_fill(struct join_token *token, const char (*configured)[ADDRESS_MAX_BYTES + 1],
                    size_t configured_count, const char *listen, int port);

#endif
