/* client/network_thread.c - a thread and a dealer for the network's turns. */
#include <stdlib.h>

#include "client/network_inside.h"
#include "transport/dealer.h"

enum { WAIT_MAX_MS = 60000 };

struct network_thread {
    struct network *network;
    struct thread *thread;
    struct dealer *dealer;
    atomic_bool stopping;
};

/* --- the dealer as a port --- */

static int port_connect(void *context, const char *address, const uint8_t server_key[KEY_SIZE],
                        const struct key_pair *own, struct err *err)
{
    struct network_thread *thread = context;
    char endpoint[ADDRESS_MAX_BYTES + 16];
    int rc = address_endpoint(address, endpoint, sizeof endpoint, err);
    return rc != 0 ? rc : dealer_connect(thread->dealer, endpoint, server_key, own, err);
}

static void port_disconnect(void *context)
{
    struct network_thread *thread = context;
    dealer_disconnect(thread->dealer);
}

static int port_send(void *context, struct span bytes)
{
    struct network_thread *thread = context;
    return dealer_send(thread->dealer, bytes);
}

/* --- the loop --- */

static int wait_ms(const struct network_thread *thread)
{
    uint64_t next_ms = network_next_ms(thread->network);
    uint64_t now_ms = client_mono_ms(thread->network->kb);
    if (next_ms <= now_ms) {
        return 0;
    }
    return next_ms - now_ms < WAIT_MAX_MS ? (int)(next_ms - now_ms) : WAIT_MAX_MS;
}

static struct network_event wait_once(struct network_thread *thread)
{
    struct network_event event = {.kind = NETWORK_TIME};
    switch (dealer_wait(thread->dealer, wait_ms(thread), &event.frame)) {
    case DEALER_UP:
        event.kind = NETWORK_UP;
        break;
    case DEALER_DOWN:
        event.kind = NETWORK_DOWN;
        event.code = E_UNREACHABLE;
        break;
    case DEALER_REFUSED:
        event.kind = NETWORK_DOWN;
        event.code = E_NOT_ALLOWED;
        event.text = "the server does not know this machine's key";
        break;
    case DEALER_CUT:
        event.kind = NETWORK_DOWN;
        event.code = E_UNREACHABLE;
        event.text = "what answers there hangs up: it has another key than this machine's server "
                     "(is it another one, or was it set up anew?), or too many connections";
        break;
    case DEALER_MESSAGE:
        event.kind = NETWORK_FRAME;
        break;
    case DEALER_WOKEN: /* the turn looks why */
    case DEALER_NOTHING:
    default:
        break;
    }
    return event;
}

static void run(struct thread *self, void *context)
{
    struct network_thread *thread = context;
    struct network_event event = {.kind = NETWORK_TIME};
    thread_ready(self, 0, NULL);
    while (!atomic_load(&thread->stopping)) {
        network_turn(thread->network, &event);
        event = wait_once(thread);
    }
    /* A transaction is its thread's: left open it would look to the others as if its owner died. */
    network_commit_or_lose(thread->network);
}

/* --- from other threads --- */

int network_thread_new(struct network *network, struct err *err)
{
    struct network_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    thread->network = network;
    network->own = thread;
    network->port = (struct network_port){.connect = port_connect,
                                          .disconnect = port_disconnect,
                                          .send = port_send,
                                          .context = thread};
    int rc = dealer_new(&thread->dealer, err);
    return rc != 0 ? rc : thread_start(&thread->thread, "kb-network", run, thread, err);
}

void network_thread_wake(struct network_thread *thread)
{
    dealer_wake(thread->dealer);
}

void network_thread_join(struct network_thread *thread)
{
    atomic_store(&thread->stopping, true);
    dealer_wake(thread->dealer);
    thread_join(&thread->thread);
}

void network_thread_free(struct network_thread **thread)
{
    if (*thread == NULL) {
        return;
    }
    ASSERT((*thread)->thread == NULL); /* joined, or never started */
    dealer_free(&(*thread)->dealer);
    free(*thread);
    *thread = NULL;
}
