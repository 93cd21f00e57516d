/* tests/sim/net.h - connections between machines and the server, as TCP with CURVE over it has
 * them: within one, frames are whole and in order; it may break at any byte, and then what was on
 * its way is lost from some frame on, each way for itself.
 *
 * Neither side learns at once that a connection is lost, and the server never does. A direction
 * that is blocked delivers nothing until it is not: the other goes on. Frames of a connection that
 * its machine gave up may still come to the server, later than those of the next one.
 */
#ifndef KITBAG_TESTS_SIM_NET_H
#define KITBAG_TESTS_SIM_NET_H

#include "transport/keys.h"
#include "transport/router.h"

enum { NET_MACHINES = 8 };

struct net_frame {
    struct net_frame *next;
    uint64_t at_ms;
    size_t size;
    uint8_t bytes[];
};

struct net_pipe {
    struct net_frame *first, *last;
    uint64_t last_ms;
    size_t bytes;
};

enum net_side { NET_UP, NET_DOWN }; /* to the server, to the machine */

enum net_news { NET_NOTHING, NET_IS_UP, NET_IS_DOWN, NET_IS_REFUSED, NET_IS_FRAME };

struct conn {
    struct conn *next;
    uint64_t id;
    unsigned machine;
    uint8_t key[KEY_SIZE];
    bool dialling;     /* the handshakes are under way, until at_ms */
    bool machine_gone; /* the machine has another one, or none */
    bool server_gone;  /* the server cut it, or ended */
    bool broken;       /* nothing that is sent now arrives */
    uint64_t at_ms;    /* of the handshakes' end; of the news that it is down: 0, never */
    uint64_t cut_ms;   /* the server lets go then; 0: it does not */
    struct net_pipe pipes[2];
    /* What went through it, for the checks. */
    uint64_t writer, device;
};

struct net {
    struct conn *conns; /* newest first */
    struct conn *of[NET_MACHINES];
    uint64_t ids;
    uint64_t blocked_ms[NET_MACHINES][2]; /* until then */
    unsigned delay_ms;                    /* at most */
    bool calm;                            /* nothing goes wrong, and quickly */
    uint64_t frames, breaks;
};
extern struct net net;

void net_begin(void);
void net_end(void);

/* --- a machine's side (struct network_port) --- */
void net_dial(unsigned machine, const uint8_t key[KEY_SIZE]);
void net_hang_up(unsigned machine);
int net_send_up(unsigned machine, struct span bytes);
/* When something is there for it; UINT64_MAX: nothing is on its way. */
uint64_t net_next_ms(unsigned machine);
/* What is due now. A frame is to be freed. `admitted` judges a key, `alive`: is there a server? */
enum net_news net_take(unsigned machine, struct net_frame **frame);

/* --- the server's side (struct sessions_port) --- */
int net_send_down(const struct peer *peer, struct span bytes);
void net_cut(const struct peer *peer);
uint64_t net_server_next_ms(void);
/* The next frame that is due; NULL: none. To be freed. */
struct net_frame *net_server_take(struct conn **from);
struct peer net_peer_of(const struct conn *conn);
struct conn *net_conn_of(const struct peer *peer);
/* The server ended: connections break. */
void net_server_ended(void);

/* --- what goes wrong --- */
void net_break(unsigned machine);
void net_block(unsigned machine, enum net_side side, uint64_t until_ms);
void net_calm(void);

/* Given by the server's part. */
bool server_is_up(void);
bool server_admits(const uint8_t key[KEY_SIZE]);
/* Told of each frame before it is delivered; may change it (controls). */
void net_watch(struct conn *conn, enum net_side side, struct net_frame *frame);

#endif
