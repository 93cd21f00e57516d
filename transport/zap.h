/* transport/zap.h - who may finish the CURVE handshake: the server's end of ZAP (ZeroMQ RFC 27).
 *
 * Owned by the router's thread. libzmq asks once for each handshake and waits for the answer.
 */
#ifndef KITBAG_TRANSPORT_ZAP_H
#define KITBAG_TRANSPORT_ZAP_H

#include "transport/keys.h"

#define ZAP_DOMAIN "kitbag"

struct zap {
    void *socket; /* ZeroMQ's; polled by the router */
    bool (*admit)(void *context, const uint8_t key[KEY_SIZE]);
    void *context;
};

/* To be called before the socket that asks is bound. `zmq_context` is borrowed. E_SYSTEM. */
MUST_CHECK int zap_open(struct zap *zap, void *zmq_context,
                        bool (*admit)(void *context, const uint8_t key[KEY_SIZE]), void *context,
                        struct err *err);
void zap_close(struct zap *zap);

/* Answer every question that waits: 200 with the public key as the user's id, 400 to keys that are
 * not admitted and to mechanisms other than CURVE. What is no question is answered 500. Never
 * blocks. */
void zap_answer(struct zap *zap);

#endif
