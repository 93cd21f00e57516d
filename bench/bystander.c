/* bench/bystander.c - a thread with one connection. */
#include "bench/bystander.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

enum { PAUSE_US = 500 }; /* the machine has two cores, and others want them */

static void *write_on(void *context)
{
    struct bystander *bystander = context;
    const struct timespec pause = {.tv_nsec = PAUSE_US * 1000L};
    char path[32];
    for (size_t i = 0; !atomic_load(&bystander->stop); i++) {
        (void)snprintf(path, sizeof path, "bench/%zu", i % PATHS);
        uint64_t begin = clock_mono_ns();
        peer_write(&bystander->peer, bystander->bag, path, value_of());
        peer_acknowledged(&bystander->peer);
        samples_add(&bystander->samples, clock_mono_ns() - begin);
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

void bystander_again(struct bystander *bystander)
{
    samples_free(&bystander->samples);
    atomic_store(&bystander->stop, false);
    if (pthread_create(&bystander->thread, NULL, write_on, bystander) != 0) {
        bench_fail("no thread for a writer", NULL);
    }
}

void bystander_start(struct bystander *bystander, struct bench *bench,
                     const struct bench_server *server)
{
    bystander->samples = (struct samples){0};
    join_many(bench, server, &bystander->identity, 1);
    peer_open(&bystander->peer, bench->zmq, &bystander->identity);
    bystander->bag = peer_sign_in(&bystander->peer, "bystander");
    bystander_again(bystander);
}

void bystander_stop(struct bystander *bystander)
{
    atomic_store(&bystander->stop, true);
    (void)pthread_join(bystander->thread, NULL);
}

void bystander_close(struct bystander *bystander)
{
    samples_free(&bystander->samples);
    peer_close(&bystander->peer);
}
