/* bench/bystander.h - a machine that writes all the time while something else is measured: how long
 * its writes wait tells what that costs everybody.
 */
#ifndef KITBAG_BENCH_BYSTANDER_H
#define KITBAG_BENCH_BYSTANDER_H

#include <pthread.h>
#include <stdatomic.h>

#include "bench/bench.h"

struct bystander {
    struct bench_peer peer;
    struct peer_identity identity;
    uint64_t bag;
    pthread_t thread;
    atomic_bool stop;
    struct samples samples; /* the thread's until bystander_stop */
};

/* A new machine on `server`; one write is under way at any moment from now on. */
void bystander_start(struct bystander *bystander, struct bench *bench,
                     const struct bench_server *server);
/* No more; `samples` are the times from a write to its acknowledgement. Not to be moved meanwhile.
 */
void bystander_stop(struct bystander *bystander);
/* Go on with no samples. */
void bystander_again(struct bystander *bystander);
void bystander_close(struct bystander *bystander); /* of one that was stopped */

#endif
