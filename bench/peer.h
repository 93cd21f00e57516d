/* bench/peer.h - a client machine of the bench: the protocol by hand, without replica and outbox.
 *
 * Everything blocks, at most 10 s, and ends the bench with a sentence when something goes wrong.
 */
#ifndef KITBAG_BENCH_PEER_H
#define KITBAG_BENCH_PEER_H

#include "bench/server.h"
#include "transport/wire.h"

struct peer_identity {
    struct key_pair keys;
    uint8_t server_key[KEY_SIZE];
    char endpoint[320];
    uint64_t device;
};

struct bench_peer {
    void *socket;
    uint64_t session;
    uint64_t writer;
    uint64_t next;     /* number of its next operation */
    uint64_t received; /* bytes that count against the credit */
    uint64_t credited;
    uint64_t frames; /* since the last CREDIT */
    uint64_t window; /* granted; 0 before WELCOME */
    struct buf out;
};

/* One ZeroMQ context serves all peers. */
void peer_join(void *zmq, const char *token, struct peer_identity *out);
void peer_open(struct bench_peer *peer, void *zmq, const struct peer_identity *identity);
void peer_close(struct bench_peer *peer);
/* The same without waiting: JOINED brings the device, WELCOME the session, for the caller to set.
 */
void peer_begin_join(struct bench_peer *peer, void *zmq, const char *token,
                     struct peer_identity *out);
void peer_begin_open(struct bench_peer *peer, void *zmq, const struct peer_identity *identity);
void peer_heartbeat(struct bench_peer *peer);

/* The next message that is not a heartbeat; borrowed until the next one of any peer. What counts is
 * credited. */
struct wire_message peer_receive(struct bench_peer *peer);
/* The same without waiting: false when there is none. */
bool peer_try(struct bench_peer *peer, struct wire_message *out);
/* As peer_try, but of a LIVE only its seq is read, into `seq`: what a thousand machines would
 * decode on processors of their own is not to be the load generator's. */
bool peer_skim(struct bench_peer *peer, uint64_t *seq);
/* Until a message of this type. */
struct wire_message peer_expect(struct bench_peer *peer, enum wire_type type);

/* Sign in and return the user's bag; follow it and wait until it is complete. */
uint64_t peer_sign_in(struct bench_peer *peer, const char *user);
void peer_follow(struct bench_peer *peer, uint64_t bag_id);
/* Send a WRITE of one item; its OUTCOME is to be received. */
void peer_write(struct bench_peer *peer, uint64_t bag_id, const char *path, struct span value);
/* Receive an OUTCOME; it must be a success. */
void peer_acknowledged(struct bench_peer *peer);

/* --- many at once --- */

/* A WRITE of several operations: begin, put each, send. */
void peer_begin_writes(struct bench_peer *peer, uint32_t count);
void peer_put_item(struct bench_peer *peer, uint64_t bag_id, const char *path, struct span value);
/* One change set of `count` items; the paths are items[i]. */
void peer_put_items(struct bench_peer *peer, uint64_t bag_id, char (*items)[24], uint32_t count,
                    struct span value);
void peer_put_create(struct bench_peer *peer, const char *user);
void peer_send(struct bench_peer *peer);
/* Of an OUTCOME: how many operations; each must be a success. `seqs` (may be NULL) receives the
 * seqs, at most WIRE_OPS_UNANSWERED. */
size_t peer_outcomes(const struct wire_message *message, uint64_t *seqs);

#endif
