/* bench/load.h - many peers in one thread: which of them has something to receive. */
#ifndef KITBAG_BENCH_LOAD_H
#define KITBAG_BENCH_LOAD_H

#include "bench/peer.h"

struct load {
    int epoll;
};

void load_open(struct load *load);
void load_close(struct load *load);
/* From now on `index` is told when this peer has something. Whoever adds a peer, is told, or sends
 * something receives until peer_try is false: only what comes after that is told. */
void load_add(struct load *load, const struct bench_peer *peer, size_t index);

enum { LOAD_READY_MAX = 256 };
/* Waits, at most `timeout_ms`; how many indexes are ready. */
size_t load_wait(struct load *load, size_t ready[LOAD_READY_MAX], int timeout_ms);

#endif
