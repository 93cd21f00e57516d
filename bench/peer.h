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
    struct buf out;
    uint8_t frame[WIRE_FRAME_MAX];
    struct unpacked scratch;
};

/* One ZeroMQ context serves all peers. */
void peer_join(void *zmq, const char *token, struct peer_identity *out);
void peer_open(struct bench_peer *peer, void *zmq, const struct peer_identity *identity);
void peer_close(struct bench_peer *peer);

/* The next message that is not a heartbeat. LIVE, PAGE and BAG are credited. */
struct wire_message peer_receive(struct bench_peer *peer);
/* Until a message of this type. */
struct wire_message peer_expect(struct bench_peer *peer, enum wire_type type);

/* Sign in and return the user's bag; follow it and wait until it is complete. */
uint64_t peer_sign_in(struct bench_peer *peer, const char *user);
void peer_follow(struct bench_peer *peer, uint64_t bag_id);
/* Send a WRITE of one item; its OUTCOME is to be received. */
void peer_write(struct bench_peer *peer, uint64_t bag_id, const char *path, struct span value);
/* Receive an OUTCOME; it must be a success. */
void peer_acknowledged(struct bench_peer *peer);

#endif
