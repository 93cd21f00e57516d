/* bench/rows_replay.c - reading it all again: by a mirror, and into a machine's replica. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "bench/bench.h"
#include "bench/stream.h"
#include "client/replica.h"
#include "journal/format.h"
#include "journal/mirror.h"
#include "transport/parts.h"

enum {
    BAGS = 1000,
    LIVE_CHANGES = 240, /* of one message: about 64 KiB */
    LIVE_BYTES = LIVE_CHANGES * 320,
    MESSAGES = 16,            /* of one transaction */
    TAKE_BYTES = 1 << 20,     /* that a mirror takes at once */
    SEGMENT_BYTES = 16 << 20, /* of its files, which are written ahead */
};

/* --- a mirror --- */

static void let_mirror(const struct bench_server *server, uint64_t device)
{
    char command[4600];
    char id[DEVICE_TEXT_MAX];
    device_format(device, id);
    (void)snprintf(command, sizeof command,
                   "'%s/kitbagctl' --data '%s' --yes device mirror %s yes >'%s/ctl.log' 2>&1",
                   server->bin, server->data, id, server->dir);
    if (system(command) != 0) { /* NOLINT(cert-env33-c): our own program */
        bench_fail("kitbagctl device mirror", NULL);
    }
}

static void fill(struct bench *bench, const struct bench_server *server, size_t changes)
{
    static struct stream streams[STREAMS_MAX];
    streams_open(bench, server, streams, STREAMS_MAX);
    streams_sign_in(streams, STREAMS_MAX, "replay", 1);
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        streams[i].paths = PATHS;
        streams[i].window = STREAM_WINDOW;
    }
    (void)streams_run(streams, STREAMS_MAX, 0, changes);
    streams_close(streams, STREAMS_MAX);
}

/* What is done with the batches that come. */
struct sink {
    struct mirror *mirror; /* kept there, or NULL: only verified */
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
};

/* Checksum, chain of hashes and guard of whole batches, as whoever keeps them verifies them. */
static void verify(struct sink *sink, struct span raw)
{
    while (raw.size > 0) {
        struct format_batch header;
        const char *why = "is cut short";
        if (raw.size < BATCH_HEADER_SIZE || format_get_batch(raw.data, &header, &why) != 0 ||
            header.payload_size > raw.size - BATCH_HEADER_SIZE ||
            !format_crc_holds(raw.data, &header) || header.base_seq != sink->seq + 1 ||
            !format_hash_holds(raw.data, &header, sink->hash) ||
            pack_guard(span_of(raw.data + BATCH_HEADER_SIZE, header.payload_size),
                       change_elements_max(header.count)) != 0) {
            bench_fail("a batch of the journal is not what it should be", NULL);
        }
        memcpy(sink->hash, header.hash, SHA256_SIZE);
        sink->seq += header.count;
        raw.data += BATCH_HEADER_SIZE + header.payload_size;
        raw.size -= BATCH_HEADER_SIZE + header.payload_size;
    }
}

static void take(struct sink *sink, struct buf *raw)
{
    struct err err = {0};
    if (raw->size > 0 && sink->mirror == NULL) {
        verify(sink, buf_span(raw));
    } else if (raw->size > 0) {
        struct mirror_position position;
        if (mirror_take(sink->mirror, buf_span(raw), &err) != 0) {
            bench_fail("the mirror", &err);
        }
        mirror_position(sink->mirror, &position);
        sink->seq = position.seq;
    }
    buf_reset(raw);
}

/* Everything the server has, into the sink; changes a second. */
static double replay_all(struct bench *bench, const struct peer_identity *identity,
                         struct sink *sink)
{
    struct bench_peer peer;
    const struct wire_mirror from_the_start = {0};
    struct err err = {0};
    struct parts_in parts;
    struct unpacked scratch = {0};
    struct buf raw;
    uint64_t head = UINT64_MAX;
    parts_in_init(&parts);
    buf_init(&raw, TAKE_BYTES + WIRE_MESSAGE_MAX);
    peer_open(&peer, bench->zmq, identity);
    wire_put_mirror(&peer.out, peer.session, &from_the_start);
    uint64_t begin = clock_mono_ns();
    peer_send(&peer);
    while (sink->seq < head) {
        struct wire_message message = peer_receive(&peer);
        bool whole = false;
        if (message.type == WIRE_PART &&
            (parts_in_add(&parts, &message.part, &whole, &err) != 0 ||
             (whole && wire_decode(buf_span(&parts.bytes), &scratch, &message, &err) != 0))) {
            bench_fail("a message in parts", &err);
        }
        if (message.type == WIRE_MIRRORING && message.mirroring.code != 0) {
            bench_fail("the server lets no machine mirror it", NULL);
        }
        if (message.type == WIRE_BATCHES) {
            head = message.batches.head_seq;
            (void)buf_append_span(&raw, message.batches.bytes);
            take(sink, &raw);
        }
        if (whole) {
            parts_in_free(&parts);
        }
    }
    double result = rate((size_t)sink->seq, begin);
    peer_close(&peer);
    buf_free(&raw);
    parts_in_free(&parts);
    unpack_close(&scratch);
    return result;
}

static void rows_mirror(struct bench *bench)
{
    static struct bench_server server;
    struct peer_identity identity;
    struct sink verifying = {0};
    struct sink keeping = {0};
    struct err err = {0};
    size_t changes = bench->quick ? 200000 : 1000000;
    char dir[96];
    char name[80];
    server_start(&server, bench->server.bin, NULL);
    fill(bench, &server, changes);
    join_many(bench, &server, &identity, 1);
    let_mirror(&server, identity.device);
    double verified = replay_all(bench, &identity, &verifying);
    (void)snprintf(dir, sizeof dir, "%s/mirror", server.dir);
    struct mirror_options options = {.dir = dir, .segment_bytes = SEGMENT_BYTES};
    if (mirror_open(&keeping.mirror, &options, &err) != 0) {
        bench_fail("the mirror", &err);
    }
    double kept = replay_all(bench, &identity, &keeping);
    mirror_close(&keeping.mirror);
    server_stop(&server);
    (void)snprintf(name, sizeof name, "replay of %zu changes, received and verified", changes);
    row_print(name, verified, "/s", TARGET_AT_LEAST, 1700000, "CRC, chain of hashes, guard");
    row_print("the same, decoded, and synced to a mirror's disk", kept, "/s", TARGET_NONE, 0, "");
}

/* --- a replica --- */

struct replay {
    struct replica *replica;
    uint64_t last[BAGS]; /* seq of each bag's newest change */
    uint64_t seq;
    struct buf messages[MESSAGES];
    struct change changes[LIVE_CHANGES];
    struct unpacked scratch;
};

static uint64_t bag_id_of(size_t bag)
{
    return bag + 1;
}

static void add_bags(struct replay *replay)
{
    struct err err = {0};
    char user[32];
    for (size_t i = 0; i < BAGS; i++) {
        struct replica_bag bag = {.bag_id = bag_id_of(i), .complete = true, .keep = true};
        bag.cursor = bag.bag_id;
        replay->last[i] = bag.bag_id;
        (void)snprintf(user, sizeof user, "replay.%zu", i);
        if (owner_make(&bag.owner, OWNER_USER, span_str(user), 0, &err) != 0 ||
            replica_bag_add(replay->replica, &bag, &err) != 0) {
            bench_fail("the replica", &err);
        }
    }
    replay->seq = BAGS;
}

/* One LIVE message of so many changes, each at the place that `number` counts on. */
static void encode(struct replay *replay, struct buf *out, size_t items, uint64_t *number,
                   bool random)
{
    char path[32];
    struct wire_position position = {.seq = replay->seq + LIVE_CHANGES};
    buf_reset(out);
    wire_begin_live(out, 1, &position, LIVE_CHANGES);
    for (size_t i = 0; i < LIVE_CHANGES; i++) {
        uint64_t at = (*number)++;
        if (random) {
            at = hash64(span_of(&at, sizeof at), 1);
        }
        size_t bag = (size_t)(at / items % BAGS);
        (void)snprintf(path, sizeof path, "item/%06zu", (size_t)(at % items));
        struct change change = {.kind = CHANGE_ITEM_SET,
                                .seq = ++replay->seq,
                                .time_ms = 1700000000000,
                                .bag_id = bag_id_of(bag),
                                .prev = replay->last[bag],
                                .origin = 1,
                                .path = span_str(path),
                                .value = value_of()};
        replay->last[bag] = change.seq;
        change_encode(out, &change, CHANGE_STREAM);
    }
}

static void apply(struct replay *replay)
{
    struct replica_batch *batch = NULL;
    struct err err = {0};
    uint64_t bad = 0;
    if (replica_batch_begin(replay->replica, &batch, &err) != 0) {
        bench_fail("the replica", &err);
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        struct wire_message message;
        if (wire_decode(buf_span(&replay->messages[i]), &replay->scratch, &message, &err) != 0) {
            bench_fail("a message of the bench's own", &err);
        }
        for (size_t at = 0; at < LIVE_CHANGES; at++) {
            if (change_decode(wire_object_at(&message.live.changes, at), CHANGE_STREAM,
                              &replay->changes[at], &err) != 0) {
                bench_fail("a change", &err);
            }
        }
        if (replica_batch_changes(batch, replay->changes, LIVE_CHANGES, message.live.position.seq,
                                  message.live.position.hash, &bad, &err) != 0) {
            bench_fail("the replica", &err);
        }
    }
    if (replica_batch_commit(&batch, NULL, NULL, &err) != 0) {
        bench_fail("the replica", &err);
    }
}

/* Changes a second, encoding not counted. */
static double replay_run(struct replay *replay, size_t items, size_t changes, bool random)
{
    uint64_t number = 0;
    uint64_t ns = 0;
    size_t done = 0;
    while (done < changes) {
        for (size_t i = 0; i < MESSAGES; i++) {
            encode(replay, &replay->messages[i], items, &number, random);
        }
        uint64_t before = clock_mono_ns();
        apply(replay);
        ns += clock_mono_ns() - before;
        done += (size_t)MESSAGES * LIVE_CHANGES;
    }
    return (double)done * 1e9 / (double)ns;
}

static void rows_replica(struct bench *bench)
{
    static struct replay replay;
    size_t items = bench->quick ? 200 : 1000;
    struct err err = {0};
    char dir[96];
    char note[64];
    (void)snprintf(dir, sizeof dir, "%s/replica", bench->server.dir);
    for (size_t i = 0; i < MESSAGES; i++) {
        buf_init(&replay.messages[i], LIVE_BYTES);
    }
    if (replica_open(&replay.replica, dir, (uint64_t)8 << 30, &err) != 0) {
        bench_fail("the replica", &err);
    }
    add_bags(&replay);
    (void)snprintf(note, sizeof note, "%d messages of %d changes a transaction", MESSAGES,
                   LIVE_CHANGES);
    row_print("replay applied to a replica, synced, bags in path order",
              replay_run(&replay, items, items * BAGS, false), "/s", TARGET_AT_LEAST, 600000, note);
    (void)snprintf(note, sizeof note, "over %zu items", items * BAGS);
    row_print("replay applied to a replica, synced, random keys",
              replay_run(&replay, items, bench->quick ? 100000 : 300000, true), "/s",
              TARGET_AT_LEAST, 60000, note);
    replica_close(&replay.replica);
    for (size_t i = 0; i < MESSAGES; i++) {
        buf_free(&replay.messages[i]);
    }
    unpack_close(&replay.scratch);
}

void rows_replay(struct bench *bench)
{
    rows_replica(bench);
    rows_mirror(bench);
}
