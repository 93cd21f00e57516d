/* tests/server/sessions_fixture.h - sessions without sockets: peers are numbers, what is sent is
 * decoded and kept. */
#ifndef KITBAG_TESTS_SERVER_SESSIONS_FIXTURE_H
#define KITBAG_TESTS_SERVER_SESSIONS_FIXTURE_H

#include <stdlib.h>

#include "server/sessions.h"
#include "tests/server/fixture.h"

enum { SENT_MAX = 2048 };

struct sent {
    uint8_t peer;
    uint8_t *bytes;
    size_t size;
};

struct net {
    struct fixture *fx;
    struct sessions *sessions;
    struct seen *seen;
    struct sent sent[SENT_MAX];
    size_t sent_count;
    size_t read;   /* net_next has shown those before it */
    bool cut[256]; /* by peer */
    uint8_t deaf;  /* sending to this peer fails */
    struct unpacked unpacked;
    struct wire_message message; /* the one that net_next showed last */
};

UNUSED static int net_send(void *context, const struct peer *peer, struct span bytes)
{
    struct net *net = context;
    if (peer->id[0] == net->deaf) {
        return E_BUSY;
    }
    assert_true(net->sent_count < SENT_MAX);
    struct sent *sent = &net->sent[net->sent_count++];
    *sent = (struct sent){peer->id[0], malloc(bytes.size), bytes.size};
    if (sent->bytes == NULL) { /* a test makes allocations fail */
        net->sent_count--;
        return E_NOMEM;
    }
    memcpy(sent->bytes, bytes.data, bytes.size);
    return 0;
}

UNUSED static void net_cut(void *context, const struct peer *peer)
{
    struct net *net = context;
    net->cut[peer->id[0]] = true;
}

UNUSED static const char *net_address(void *context, const struct peer *peer)
{
    (void)context;
    (void)peer;
    return "192.0.2.1:9";
}

UNUSED static void net_on_device(void *context, uint64_t device)
{
    struct net *net = context;
    fx_on_device(net->fx, device);
    sessions_device_changed(net->sessions, device);
}

UNUSED static void net_on_replies(void *context, const struct reply *replies, size_t count)
{
    struct net *net = context;
    fx_on_replies(net->fx, replies, count);
    sessions_replies(net->sessions, replies, count);
}

UNUSED static void net_on_changes(void *context, const struct change *changes, size_t count,
                                  const struct journal_position *head)
{
    struct net *net = context;
    fx_on_changes(net->fx, changes, count, head);
    sessions_changes(net->sessions, changes, count, head);
}

typedef int net_apply_fn(struct kv *kv, const struct change *changes, size_t count,
                         const uint8_t hash[SHA256_SIZE], struct err *err);

/* With another kv_apply; NULL: that one. */
UNUSED static struct net *net_new_over(net_apply_fn *apply)
{
    log_set_level(LOG_ERROR + 1);
    struct net *net = calloc(1, sizeof *net);
    assert_non_null(net);
    net->fx = fx_new();
    net->fx->limits.users = 10000;
    net->fx->apply = apply;
    net->fx->sink = (struct committer_sink){net_on_device, net_on_replies, net_on_changes, net};
    fx_open(net->fx);
    assert_int_equal(seen_new(&net->seen), 0);
    struct sessions_options options = {
        .port = {net_send, net_cut, net_address, net},
        .committer = net->fx->committer,
        .registry = net->fx->registry,
        .journal = net->fx->journal,
        .clock = &net->fx->clock,
        .seen = net->seen,
        .heartbeat_ms = 2000,
        .bags_max = 1000,
        .bags_max_kept = 2000,
        .sessions_max = 100,
        .budget_bytes = 8 << 20,
    };
    assert_int_equal(sessions_new(&net->sessions, &options, NULL), 0);
    return net;
}

UNUSED static struct net *net_new(void)
{
    return net_new_over(NULL);
}

/* What was sent so far is not of interest. */
UNUSED static void net_forget(struct net *net)
{
    for (size_t i = 0; i < net->sent_count; i++) {
        free(net->sent[i].bytes);
    }
    net->sent_count = 0;
    net->read = 0;
}

UNUSED static void net_free(struct net *net)
{
    sessions_free(&net->sessions);
    seen_free(&net->seen);
    fx_free(net->fx);
    net_forget(net);
    unpack_close(&net->unpacked);
    free(net);
}

UNUSED static int net_setup(void **state)
{
    *state = net_new();
    return 0;
}

UNUSED static int net_teardown(void **state)
{
    net_free(*state);
    return 0;
}

UNUSED static struct peer net_peer(uint8_t number)
{
    return (struct peer){.size = 1, .id = {number}};
}

UNUSED static void net_frame(struct net *net, uint8_t number, const uint8_t key[KEY_SIZE],
                             struct buf *frame)
{
    struct peer peer = net_peer(number);
    assert_int_equal(buf_error(frame), 0);
    sessions_message(net->sessions, &peer, key, buf_span(frame));
    buf_free(frame);
}

/* The next message that was sent to the peer, decoded; fails when there is none. */
UNUSED static const struct wire_message *net_next(struct net *net, uint8_t peer)
{
    while (net->read < net->sent_count && net->sent[net->read].peer != peer) {
        net->read++;
    }
    assert_true(net->read < net->sent_count);
    const struct sent *sent = &net->sent[net->read++];
    struct err err = {0};
    assert_int_equal(
        wire_decode(span_of(sent->bytes, sent->size), &net->unpacked, &net->message, &err), 0);
    return &net->message;
}

UNUSED static bool net_silent(const struct net *net, uint8_t peer)
{
    for (size_t i = net->read; i < net->sent_count; i++) {
        if (net->sent[i].peer == peer) {
            return false;
        }
    }
    return true;
}

UNUSED static void net_run(struct net *net)
{
    do {
        fx_run(net->fx);
    } while (sessions_turns(net->sessions, 100) || committer_waiting(net->fx->committer));
}

UNUSED static struct buf net_buf(void)
{
    struct buf out;
    buf_init(&out, WIRE_MESSAGE_MAX);
    return out;
}

UNUSED static struct wire_hello net_greeting(const struct machine *machine)
{
    return (struct wire_hello){
        .version = WIRE_VERSION,
        .device = machine->device,
        .writer = machine->writer,
        .software = SPAN_LITERAL("test 1"),
        .window = WIRE_WINDOW_MAX,
    };
}

/* HELLO; the session's number of its WELCOME. */
UNUSED static uint64_t net_hello(struct net *net, uint8_t peer, const struct machine *machine)
{
    struct buf frame = net_buf();
    struct wire_hello hello = net_greeting(machine);
    wire_put_hello(&frame, &hello);
    net_frame(net, peer, machine->key, &frame);
    const struct wire_message *message = net_next(net, peer);
    assert_int_equal(message->type, WIRE_WELCOME);
    assert_int_equal(message->welcome.device, machine->device);
    assert_int_equal(message->welcome.device_bag, machine->bag);
    return message->session;
}

/* The next message is of this type. */
UNUSED static const struct wire_message *net_expect(struct net *net, uint8_t peer,
                                                    enum wire_type type)
{
    const struct wire_message *message = net_next(net, peer);
    if (message->type == WIRE_ERROR && type != WIRE_ERROR) {
        fail_msg("ERROR %d: %.*s", (int)message->error.code, (int)message->error.text.size,
                 (const char *)message->error.text.data);
    }
    assert_int_equal(message->type, type);
    return message;
}

/* BAG: complete up to last_seq, with the digest that the state has of it. Returns last_seq. */
UNUSED static uint64_t net_complete(struct net *net, uint8_t peer, uint64_t bag_id)
{
    const struct wire_message *message = net_expect(net, peer, WIRE_BAG);
    struct bag_row bag = {0};
    assert_int_equal(kv_bag(net->fx->kv, NULL, bag_id, &bag, NULL), 0);
    assert_int_equal(message->bag.bag_id, bag_id);
    assert_int_equal(message->bag.code, 0);
    assert_int_equal(message->bag.last_seq, bag.last_seq);
    assert_true(message->bag.has_digest);
    assert_true(digest_equal(&message->bag.digest, &bag.digest));
    return bag.last_seq;
}

/* An administrator writes the device's record: `rights` is more JSON, as ",\"mirror\":true". */
UNUSED static void net_record(struct net *net, const struct machine *machine, const char *word,
                              const char *rights)
{
    char path[RECORD_PATH_MAX];
    char text[512];
    char key[2 * KEY_SIZE + 1];
    struct span item = record_device_path(path, machine->device);
    path[item.size] = '\0';
    hex_encode(machine->key, KEY_SIZE, key);
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"x\",\"key\":\"%s\",\"joined_ms\":1,\"state\":\"%s\"%s}", key, word,
                   rights);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "server", path, text).code, 0);
}

UNUSED static void net_send_hello(struct net *net, uint8_t peer, const struct machine *machine,
                                  const struct wire_hello *hello)
{
    struct buf frame = net_buf();
    wire_put_hello(&frame, hello);
    net_frame(net, peer, machine->key, &frame);
}

/* What was sent to the peer is acknowledged. */
UNUSED static void net_credit(struct net *net, uint8_t peer, const struct machine *machine,
                              uint64_t session)
{
    uint64_t received = 0;
    for (size_t i = 0; i < net->sent_count; i++) {
        if (net->sent[i].peer == peer) {
            struct wire_message message;
            struct unpacked unpacked = {0};
            struct span bytes = span_of(net->sent[i].bytes, net->sent[i].size);
            assert_int_equal(wire_decode(bytes, &unpacked, &message, NULL), 0);
            bool counts = message.type == WIRE_PAGE || message.type == WIRE_LIVE ||
                          message.type == WIRE_BAG || message.type == WIRE_PART ||
                          message.type == WIRE_OWNERS || message.type == WIRE_BATCHES;
            received += counts && message.session == session ? bytes.size : 0;
            unpack_close(&unpacked);
        }
    }
    struct buf frame = net_buf();
    wire_put_credit(&frame, session, received);
    net_frame(net, peer, machine->key, &frame);
    net_run(net);
}

UNUSED static void net_beat(struct net *net, uint8_t peer, const struct machine *machine,
                            uint64_t session, const struct wire_heartbeat *beat)
{
    struct buf frame = net_buf();
    wire_put_heartbeat(&frame, session, beat);
    net_frame(net, peer, machine->key, &frame);
}

UNUSED static void net_follow(struct net *net, uint8_t peer, const struct machine *machine,
                              uint64_t session, uint64_t bag_id, uint64_t cursor)
{
    struct buf frame = net_buf();
    struct wire_bag bag = {bag_id, cursor};
    wire_put_follow(&frame, session, &bag, 1);
    net_frame(net, peer, machine->key, &frame);
    net_run(net);
}

UNUSED static void net_write(struct net *net, uint8_t peer, const struct machine *machine,
                             uint64_t session, uint64_t number, uint64_t bag_id, const char *path,
                             const char *value)
{
    struct buf frame = net_buf();
    struct operation_write write = {
        .path = span_str(path), .remove = value == NULL, .value = span_str(value ? value : "")};
    wire_begin_write(&frame, session, machine->confirmed, 1);
    operation_begin_write(&frame, number, bag_id, 0, UINT64_MAX >> 1, 1);
    operation_put_write(&frame, &write);
    net_frame(net, peer, machine->key, &frame);
}

UNUSED static struct wire_outcome net_outcome(struct net *net, uint8_t peer)
{
    const struct wire_message *message = net_next(net, peer);
    assert_int_equal(message->type, WIRE_OUTCOME);
    assert_int_equal(message->outcome.entries.count, 1);
    return wire_outcome_at(&message->outcome.entries, 0);
}

UNUSED static void net_expect_error(struct net *net, uint8_t peer, int code)
{
    const struct wire_message *message = net_next(net, peer);
    assert_int_equal(message->type, WIRE_ERROR);
    assert_int_equal(message->error.code, -code);
    assert_true(message->error.fatal);
    assert_true(net->cut[peer]);
}

UNUSED static uint64_t net_sign_in(struct net *net, uint8_t peer, const struct machine *machine,
                                   uint64_t session, const char *user, const char *group)
{
    struct buf frame = net_buf();
    struct span name = span_str(group != NULL ? group : "");
    wire_put_sign_in(&frame, session, 7, span_str(user), &name, group != NULL ? 1 : 0, 0);
    net_frame(net, peer, machine->key, &frame);
    net_run(net);
    const struct wire_message *message = net_next(net, peer);
    assert_int_equal(message->type, WIRE_SIGNED_IN);
    assert_int_equal(message->signed_in.ref, 7);
    assert_int_equal(message->signed_in.code, 0);
    assert_int_equal(message->signed_in.bags.count, group != NULL ? 2 : 1);
    return wire_owner_at(&message->signed_in.bags, 0).bag_id;
}

#endif
