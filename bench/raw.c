/* bench/raw.c - what the machine itself can do. */
#include "bench/raw.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "bench/server.h"

enum { SYNC_FILE_BYTES = 8 << 20, SYNC_WRITE_BYTES = 512, PING_BYTES = 200 };

void raw_sync(const char *dir, double seconds, struct samples *out)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/sync", dir);
    static uint8_t block[1 << 20];
    memset(block, 0x5a, sizeof block);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    for (off_t at = 0; fd >= 0 && at < SYNC_FILE_BYTES; at += (off_t)sizeof block) {
        if (pwrite(fd, block, sizeof block, at) != (ssize_t)sizeof block) {
            bench_fail("can't write the file to sync", NULL);
        }
    }
    if (fd < 0 || fsync(fd) != 0) {
        bench_fail("can't make the file to sync", NULL);
    }
    uint64_t end = clock_mono_ns() + (uint64_t)(seconds * 1e9);
    uint64_t before = clock_mono_ns();
    for (off_t at = 0; before < end; at = (at + SYNC_WRITE_BYTES) % SYNC_FILE_BYTES) {
        if (pwrite(fd, block, SYNC_WRITE_BYTES, at) != SYNC_WRITE_BYTES || fdatasync(fd) != 0) {
            bench_fail("can't sync", NULL);
        }
        uint64_t now = clock_mono_ns();
        samples_add(out, now - before);
        before = now;
    }
    (void)close(fd);
    (void)unlink(path);
}

struct echo {
    void *zmq;
    struct key_pair keys;
    char endpoint[64];
    pthread_barrier_t bound;
};

/* Sends back what comes until a message of one byte. */
static void *echo_run(void *context)
{
    struct echo *echo = context;
    void *router = zmq_socket(echo->zmq, ZMQ_ROUTER);
    int yes = 1;
    size_t size = sizeof echo->endpoint;
    if (zmq_setsockopt(router, ZMQ_CURVE_SERVER, &yes, sizeof yes) != 0 ||
        zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, echo->keys.secret_key, KEY_SIZE) != 0 ||
        zmq_bind(router, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, echo->endpoint, &size) != 0) {
        bench_fail("can't bind", NULL);
    }
    (void)pthread_barrier_wait(&echo->bound);
    for (int got = 0; got != 1;) {
        uint8_t id[64];
        uint8_t bytes[PING_BYTES];
        int id_size = zmq_recv(router, id, sizeof id, 0);
        got = zmq_recv(router, bytes, sizeof bytes, 0);
        (void)zmq_send(router, id, (size_t)id_size, ZMQ_SNDMORE);
        (void)zmq_send(router, bytes, (size_t)got, 0);
    }
    (void)zmq_close(router);
    return NULL;
}

void raw_round_trip(double seconds, struct samples *out)
{
    struct echo echo = {.zmq = zmq_ctx_new()};
    struct key_pair own;
    pthread_t thread;
    uint8_t bytes[PING_BYTES] = {0};
    key_pair_make(&echo.keys);
    key_pair_make(&own);
    (void)pthread_barrier_init(&echo.bound, NULL, 2);
    if (pthread_create(&thread, NULL, echo_run, &echo) != 0) {
        bench_fail("can't start a thread", NULL);
    }
    (void)pthread_barrier_wait(&echo.bound);
    void *dealer = zmq_socket(echo.zmq, ZMQ_DEALER);
    if (zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, echo.keys.public_key, KEY_SIZE) != 0 ||
        zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, own.public_key, KEY_SIZE) != 0 ||
        zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, own.secret_key, KEY_SIZE) != 0 ||
        zmq_connect(dealer, echo.endpoint) != 0) {
        bench_fail("can't connect", NULL);
    }
    uint64_t end = 0;
    for (int round = 0; end == 0 || clock_mono_ns() < end; round++) {
        uint64_t before = clock_mono_ns();
        (void)zmq_send(dealer, bytes, sizeof bytes, 0);
        (void)zmq_recv(dealer, bytes, sizeof bytes, 0);
        if (round < 100) { /* the handshake and the first round trips do not count */
            end = clock_mono_ns() + (uint64_t)(seconds * 1e9);
        } else {
            samples_add(out, clock_mono_ns() - before);
        }
    }
    (void)zmq_send(dealer, bytes, 1, 0);
    (void)zmq_recv(dealer, bytes, sizeof bytes, 0);
    (void)pthread_join(thread, NULL);
    (void)zmq_close(dealer);
    (void)zmq_ctx_term(echo.zmq);
    (void)pthread_barrier_destroy(&echo.bound);
}
