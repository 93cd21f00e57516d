/* bench/peer.c - a client machine of the bench: the protocol by hand. */
#include "bench/peer.h"

#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum { TIMEOUT_MS = 10000 };

/* The message that was received last, of whichever peer: there is one thread. */
static uint8_t frame[WIRE_FRAME_MAX];
static struct unpacked scratch;

static void *connect_with(void *zmq, const char *endpoint, const uint8_t *server_key,
                          const struct key_pair *keys)
{
    void *socket = zmq_socket(zmq, ZMQ_DEALER);
    int zero = 0;
    int hwm = 4096;
    int timeout = TIMEOUT_MS;
    if (socket == NULL || zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero) != 0 ||
        zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof hwm) != 0 ||
        zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof hwm) != 0 ||
        zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout, sizeof timeout) != 0 ||
        zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout, sizeof timeout) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, KEY_SIZE) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, KEY_SIZE) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, KEY_SIZE) != 0 ||
        zmq_connect(socket, endpoint) != 0) {
        bench_fail("can't make a socket", NULL);
    }
    return socket;
}

static void send_out(struct bench_peer *peer)
{
    if (buf_error(&peer->out) != 0 ||
        zmq_send(peer->socket, peer->out.data, peer->out.size, 0) < 0) {
        bench_fail("sending failed", NULL);
    }
    buf_reset(&peer->out);
}

static void credit(struct bench_peer *peer, enum wire_type type, size_t size)
{
    if (type != WIRE_LIVE && type != WIRE_PAGE && type != WIRE_BAG && type != WIRE_PART &&
        type != WIRE_OWNERS && type != WIRE_BATCHES) {
        return;
    }
    peer->received += size;
    peer->frames++;
    if (peer->received - peer->credited >= peer->window / 4 ||
        peer->frames >= WIRE_CREDIT_FRAMES / 2) {
        peer->credited = peer->received;
        peer->frames = 0;
        wire_put_credit(&peer->out, peer->session, peer->received);
        send_out(peer);
    }
}

/* One message into `out`, or a heartbeat; false: nothing came. */
static bool receive(struct bench_peer *peer, int flags, struct wire_message *out)
{
    struct err err = {0};
    int size = zmq_recv(peer->socket, frame, sizeof frame, flags);
    if (size < 0) {
        return false;
    }
    struct span bytes = {frame, (size_t)size};
    if (wire_decode(bytes, &scratch, out, &err) != 0) {
        bench_fail("the server's message", &err);
    }
    if (out->type == WIRE_WELCOME) {
        peer->window = out->welcome.window;
    }
    credit(peer, out->type, bytes.size);
    if (out->type == WIRE_ERROR) {
        (void)fprintf(stderr, "kitbag-bench: the server said: %.*s\n", (int)out->error.text.size,
                      (const char *)out->error.text.data);
        bench_fail("the session ended", NULL);
    }
    return true;
}

bool peer_try(struct bench_peer *peer, struct wire_message *out)
{
    do {
        if (!receive(peer, ZMQ_DONTWAIT, out)) {
            return false;
        }
    } while (out->type == WIRE_HEARTBEAT);
    return true;
}

bool peer_skim(struct bench_peer *peer, uint64_t *seq)
{
    int size = zmq_recv(peer->socket, frame, sizeof frame, ZMQ_DONTWAIT);
    if (size < 0) {
        return false;
    }
    /* [type, session, seq, ...]: type below 128, session of nine bytes. */
    if (size > 20 && frame[1] == WIRE_LIVE && frame[2] == 0xcf) {
        uint64_t far = get_be64(frame + 12);
        *seq = frame[11] == 0xcf   ? far
               : frame[11] == 0xce ? far >> 32
               : frame[11] == 0xcd ? far >> 48
               : frame[11] == 0xcc ? far >> 56
                                   : frame[11];
    }
    credit(peer, (enum wire_type)frame[1], (size_t)size);
    return true;
}

struct wire_message peer_receive(struct bench_peer *peer)
{
    struct wire_message message;
    do {
        if (!receive(peer, 0, &message)) {
            bench_fail("the server said nothing for 10 s", NULL);
        }
    } while (message.type == WIRE_HEARTBEAT);
    return message;
}

struct wire_message peer_expect(struct bench_peer *peer, enum wire_type type)
{
    struct wire_message message;
    do {
        message = peer_receive(peer);
    } while (message.type != type);
    return message;
}

static void peer_init(struct bench_peer *peer, void *socket)
{
    *peer = (struct bench_peer){.socket = socket, .writer = random_u64(), .next = 1};
    buf_init(&peer->out, WIRE_FRAME_MAX);
}

void peer_begin_join(struct bench_peer *peer, void *zmq, const char *text,
                     struct peer_identity *out)
{
    struct join_token token;
    struct err err = {0};
    struct key_pair once;
    if (token_parse(&token, text, &err) != 0 ||
        address_endpoint(token.addresses[0], out->endpoint, sizeof out->endpoint, &err) != 0) {
        bench_fail("token", &err);
    }
    memcpy(out->server_key, token.server_key, KEY_SIZE);
    key_pair_of_secret(&once, token.secret);
    key_pair_make(&out->keys);
    peer_init(peer, connect_with(zmq, out->endpoint, out->server_key, &once));
    struct wire_join join = {.version = WIRE_VERSION, .name = SPAN_LITERAL("bench")};
    memcpy(join.public_key, out->keys.public_key, KEY_SIZE);
    wire_put_join(&peer->out, &join);
    send_out(peer);
}

void peer_join(void *zmq, const char *text, struct peer_identity *out)
{
    struct bench_peer peer;
    peer_begin_join(&peer, zmq, text, out);
    out->device = peer_expect(&peer, WIRE_JOINED).joined.device;
    peer_close(&peer);
}

void peer_begin_open(struct bench_peer *peer, void *zmq, const struct peer_identity *identity)
{
    peer_init(peer, connect_with(zmq, identity->endpoint, identity->server_key, &identity->keys));
    struct wire_hello hello = {.version = WIRE_VERSION,
                               .device = identity->device,
                               .writer = peer->writer,
                               .window = WIRE_WINDOW_MIRROR, /* granted to who may mirror */
                               .software = SPAN_LITERAL("kitbag-bench")};
    wire_put_hello(&peer->out, &hello);
    send_out(peer);
}

void peer_open(struct bench_peer *peer, void *zmq, const struct peer_identity *identity)
{
    peer_begin_open(peer, zmq, identity);
    peer->session = peer_expect(peer, WIRE_WELCOME).session;
}

void peer_heartbeat(struct bench_peer *peer)
{
    const struct wire_heartbeat beat = {0};
    wire_put_heartbeat(&peer->out, peer->session, &beat);
    send_out(peer);
}

void peer_close(struct bench_peer *peer)
{
    (void)zmq_close(peer->socket);
    buf_free(&peer->out);
}

uint64_t peer_sign_in(struct bench_peer *peer, const char *user)
{
    wire_put_sign_in(&peer->out, peer->session, 1, span_str(user), NULL, 0, 0);
    send_out(peer);
    struct wire_message message = peer_expect(peer, WIRE_SIGNED_IN);
    if (message.signed_in.code != 0 || message.signed_in.bags.count == 0) {
        bench_fail("signing in was refused", NULL);
    }
    return wire_owner_at(&message.signed_in.bags, 0).bag_id;
}

void peer_follow(struct bench_peer *peer, uint64_t bag_id)
{
    struct wire_bag bag = {bag_id, 0};
    wire_put_follow(&peer->out, peer->session, &bag, 1);
    send_out(peer);
    for (;;) {
        struct wire_message message = peer_receive(peer);
        if ((message.type == WIRE_PAGE && (message.page.flags & WIRE_PAGE_LAST) != 0) ||
            message.type == WIRE_BAG) {
            return;
        }
    }
}

void peer_write(struct bench_peer *peer, uint64_t bag_id, const char *path, struct span value)
{
    struct operation_write write = {.path = span_str(path), .value = value};
    wire_begin_write(&peer->out, peer->session, peer->next - 1, 1);
    operation_begin_write(&peer->out, peer->next++, bag_id, 0, UINT64_MAX >> 1, 1);
    operation_put_write(&peer->out, &write);
    send_out(peer);
}

void peer_acknowledged(struct bench_peer *peer)
{
    struct wire_message message = peer_expect(peer, WIRE_OUTCOME);
    (void)peer_outcomes(&message, NULL);
}

void peer_begin_writes(struct bench_peer *peer, uint32_t count)
{
    wire_begin_write(&peer->out, peer->session, peer->next - 1, count);
}

void peer_put_item(struct bench_peer *peer, uint64_t bag_id, const char *path, struct span value)
{
    struct operation_write write = {.path = span_str(path), .value = value};
    operation_begin_write(&peer->out, peer->next++, bag_id, 0, UINT64_MAX >> 1, 1);
    operation_put_write(&peer->out, &write);
}

void peer_put_items(struct bench_peer *peer, uint64_t bag_id, char (*items)[24], uint32_t count,
                    struct span value)
{
    operation_begin_write(&peer->out, peer->next++, bag_id, 0, UINT64_MAX >> 1, count);
    for (uint32_t i = 0; i < count; i++) {
        struct operation_write write = {.path = span_str(items[i]), .value = value};
        operation_put_write(&peer->out, &write);
    }
}

void peer_put_create(struct bench_peer *peer, const char *user)
{
    struct owner owner;
    if (owner_make(&owner, OWNER_USER, span_str(user), 0, NULL) != 0) {
        bench_fail("a user's name", NULL);
    }
    operation_put_create(&peer->out, peer->next++, &owner);
}

void peer_send(struct bench_peer *peer)
{
    send_out(peer);
}

size_t peer_outcomes(const struct wire_message *message, uint64_t *seqs)
{
    for (size_t i = 0; i < message->outcome.entries.count; i++) {
        struct wire_outcome outcome = wire_outcome_at(&message->outcome.entries, i);
        if (outcome.code != 0) {
            (void)fprintf(stderr, "kitbag-bench: %.*s\n", (int)outcome.text.size,
                          (const char *)outcome.text.data);
            bench_fail("a write was refused", NULL);
        }
        if (seqs != NULL) {
            seqs[i] = outcome.seq;
        }
    }
    return message->outcome.entries.count;
}
