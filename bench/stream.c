/* bench/stream.c - connections with many writes in flight. */
#include "bench/stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "bench/load.h"

static void send_writes(struct stream *stream, size_t count)
{
    char path[32];
    stream->unanswered += count;
    while (count > 0) {
        uint32_t now = (uint32_t)(count < FRAME_OPS ? count : FRAME_OPS);
        peer_begin_writes(&stream->peer, now);
        for (uint32_t i = 0; i < now; i++) {
            stream->random = stream->random * 6364136223846793005u + 1442695040888963407u;
            uint64_t number = stream->bag_count == 1 ? stream->made++ : stream->random >> 20;
            uint64_t bag = stream->bags[number / stream->paths % stream->bag_count];
            (void)snprintf(path, sizeof path, "bench/%zu", (size_t)(number % stream->paths));
            peer_put_item(&stream->peer, bag, path, value_of());
        }
        peer_send(&stream->peer);
        count -= now;
    }
}

/* Until nothing is unanswered. */
static void settle(struct stream *stream)
{
    while (stream->unanswered > 0) {
        struct wire_message message = peer_expect(&stream->peer, WIRE_OUTCOME);
        stream->unanswered -= peer_outcomes(&message, NULL);
    }
}

double streams_run(struct stream *streams, size_t count, double seconds, size_t changes)
{
    struct load load;
    struct wire_message message;
    size_t ready[LOAD_READY_MAX];
    size_t done = 0;
    load_open(&load);
    for (size_t i = 0; i < count; i++) {
        load_add(&load, &streams[i].peer, i);
    }
    uint64_t begin = clock_mono_ns();
    uint64_t end = seconds_from_now(seconds);
    for (size_t i = 0; i < count; i++) {
        send_writes(&streams[i], streams[i].window);
    }
    for (size_t first = 1; seconds > 0 ? clock_mono_ns() < end : done < changes; first = 0) {
        size_t found = first != 0 ? count : load_wait(&load, ready, 10000);
        if (found == 0) {
            bench_fail("no acknowledgement within 10 s", NULL);
        }
        for (size_t i = 0; i < found; i++) {
            struct stream *stream = &streams[first != 0 ? i : ready[i]];
            while (peer_try(&stream->peer, &message)) {
                if (message.type == WIRE_OUTCOME) {
                    size_t now = peer_outcomes(&message, NULL);
                    done += now;
                    stream->unanswered -= now;
                    send_writes(stream, now);
                }
            }
        }
    }
    double result = rate(done, begin);
    for (size_t i = 0; i < count; i++) {
        settle(&streams[i]);
    }
    load_close(&load);
    return result;
}

void streams_open(struct bench *bench, const struct bench_server *server, struct stream *streams,
                  size_t count)
{
    static struct peer_identity identities[STREAMS_MAX];
    join_many(bench, server, identities, count);
    for (size_t i = 0; i < count; i++) {
        streams[i] = (struct stream){.random = random_u64()};
        peer_open(&streams[i].peer, bench->zmq, &identities[i]);
    }
}

void streams_close(struct stream *streams, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        peer_close(&streams[i].peer);
        free(streams[i].bags);
    }
}

/* Until `count` operations are acknowledged; their seqs into `seqs`, in order. */
static void collect(struct stream *stream, uint64_t *seqs, size_t count)
{
    uint64_t some[WIRE_OPS_UNANSWERED];
    for (size_t done = 0; done < count;) {
        struct wire_message message = peer_expect(&stream->peer, WIRE_OUTCOME);
        size_t now = peer_outcomes(&message, some);
        for (size_t i = 0; i < now && seqs != NULL; i++) {
            seqs[done + i] = some[i];
        }
        done += now;
    }
}

/* So many of them next, of all that are left. */
static size_t share(size_t done, size_t all, size_t most)
{
    return all - done < most ? all - done : most;
}

static void create_bags(struct stream *streams, size_t count, const char *prefix, size_t bags)
{
    char user[48];
    for (size_t done = 0, now = 0; done < bags; done += now) {
        now = share(done, bags, FRAME_OPS);
        for (size_t i = 0; i < count; i++) {
            peer_begin_writes(&streams[i].peer, (uint32_t)now);
            for (size_t at = 0; at < now; at++) {
                (void)snprintf(user, sizeof user, "%s.%zu.%zu", prefix, i, done + at);
                peer_put_create(&streams[i].peer, user);
            }
            peer_send(&streams[i].peer);
        }
        for (size_t i = 0; i < count; i++) {
            collect(&streams[i], &streams[i].bags[done], now);
        }
    }
}

static void fill_bags(struct stream *streams, size_t count, size_t bags)
{
    static char paths[STREAM_BAG_ITEMS][24];
    for (size_t i = 0; i < STREAM_BAG_ITEMS; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "bench/%zu", i);
    }
    for (size_t done = 0, now = 0; done < bags; done += now) {
        now = share(done, bags, FRAME_OPS / STREAM_BAG_ITEMS);
        for (size_t i = 0; i < count; i++) {
            peer_begin_writes(&streams[i].peer, (uint32_t)now);
            for (size_t at = 0; at < now; at++) {
                peer_put_items(&streams[i].peer, streams[i].bags[done + at], paths,
                               STREAM_BAG_ITEMS, value_of());
            }
            peer_send(&streams[i].peer);
        }
        for (size_t i = 0; i < count; i++) {
            collect(&streams[i], NULL, now);
        }
    }
}

static void make_room(struct stream *stream, size_t bags)
{
    stream->bags = calloc(bags, sizeof *stream->bags);
    ASSERT(stream->bags != NULL);
    stream->bag_count = bags;
}

void streams_sign_in(struct stream *streams, size_t count, const char *prefix, size_t bags)
{
    char user[48];
    for (size_t i = 0; i < count; i++) {
        make_room(&streams[i], bags);
        for (size_t bag = 0; bag < bags; bag++) {
            (void)snprintf(user, sizeof user, "%s.%zu.%zu", prefix, i, bag);
            streams[i].bags[bag] = peer_sign_in(&streams[i].peer, user);
        }
    }
}

void streams_populate(struct stream *streams, size_t count, const char *prefix, size_t bags)
{
    for (size_t i = 0; i < count; i++) {
        make_room(&streams[i], bags);
        streams[i].paths = STREAM_BAG_ITEMS;
    }
    create_bags(streams, count, prefix, bags);
    fill_bags(streams, count, bags);
}
