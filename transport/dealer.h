/* transport/dealer.h - a client machine's socket: one DEALER per connection attempt, CURVE.
 *
 * Owned by one thread; any thread may call dealer_wake. A new socket is made for each try, so that
 * nothing of an old session can arrive in a new one.
 */
#ifndef KITBAG_TRANSPORT_DEALER_H
#define KITBAG_TRANSPORT_DEALER_H

#include "transport/keys.h"

struct dealer;

/* One per process or per kb handle: the ZeroMQ context and its wake-up. */
MUST_CHECK int dealer_new(struct dealer **out, struct err *err);
void dealer_free(struct dealer **dealer);

/* Begin to connect (the old connection, if any, is dropped). `endpoint` as of address_endpoint. */
MUST_CHECK int dealer_connect(struct dealer *dealer, const char *endpoint,
                              const uint8_t server_key[KEY_SIZE], const struct key_pair *own,
                              struct err *err);
/* What was sent and is still on its way has 100 ms more, without anybody waiting but dealer_free.
 */
void dealer_disconnect(struct dealer *dealer);

enum dealer_event {
    DEALER_NOTHING, /* the time is over */
    DEALER_WOKEN,   /* by dealer_wake */
    DEALER_UP,      /* TCP and CURVE handshakes are done */
    DEALER_DOWN,    /* the connection was lost or could not be made; it tries no more by itself */
    DEALER_REFUSED, /* the server does not know our key (ZAP 400) */
    DEALER_CUT,     /* who answers hung up in the handshake: it has another key, or no room */
    DEALER_MESSAGE,
};

/* Wait for one event; timeout_ms -1: for ever. `bytes` (of DEALER_MESSAGE, else empty) are borrowed
 * until the next call. Messages that came before the connection was lost are told before its loss.
 * After DEALER_DOWN, DEALER_REFUSED and DEALER_CUT there is no connection: nothing but a wake comes
 * until the next dealer_connect. */
enum dealer_event dealer_wait(struct dealer *dealer, int timeout_ms, struct span *bytes);
void dealer_wake(struct dealer *dealer);

/* Never blocks. E_BUSY: the socket takes no more now; E_UNREACHABLE: not connected. */
MUST_CHECK int dealer_send(struct dealer *dealer, struct span bytes);

#endif
