/* client/world.h - what a client machine takes from outside: time, chance, the disk of its outbox
 * and the connection to a server. A simulation makes them up and drives many machines in one
 * thread; everybody else takes the real ones.
 */
#ifndef KITBAG_CLIENT_WORLD_H
#define KITBAG_CLIENT_WORLD_H

#include "base/clock.h"
#include "journal/disk.h"
#include "transport/keys.h"

/* The connection, as the network sees it. What it brings is fed in by network_turn: up or down once
 * per connect, frames between. All are called inside network_turn or network_stop; none may call
 * back. */
struct network_port {
    /* Begin to connect (the old connection, if any, is dropped) to `address`, one of the
     * identity's. An error ends this try at once. */
    int (*connect)(void *context, const char *address, const uint8_t server_key[KEY_SIZE],
                   const struct key_pair *own, struct err *err);
    void (*disconnect)(void *context);
    /* Never blocks; `bytes` are borrowed for the call. E_BUSY: no more now (tried again after
     * NETWORK_RETRY_MS); E_UNREACHABLE: not connected. */
    int (*send)(void *context, struct span bytes);
    void *context;
};

/* Everything in it is borrowed until kb_close. */
struct client_world {
    const struct clock *clock;         /* NULL: the system's */
    uint64_t (*random)(void *context); /* never 0; NULL: base/hash.h */
    void *random_context;
    const struct disk *disk;         /* of the outbox; NULL: the real one */
    const struct network_port *port; /* not NULL: there is no thread, network_turn drives it */
};

#endif
