/* bench/load.c - epoll over the sockets' descriptors: zmq_poll would look at all of them. */
#include "bench/load.h"

#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

void load_open(struct load *load)
{
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0) {
        bench_fail("epoll", NULL);
    }
}

void load_close(struct load *load)
{
    (void)close(load->epoll);
}

void load_add(struct load *load, const struct bench_peer *peer, size_t index)
{
    int fd = -1;
    size_t size = sizeof fd;
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = index}};
    if (zmq_getsockopt(peer->socket, ZMQ_FD, &fd, &size) != 0 ||
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        bench_fail("epoll", NULL);
    }
}

size_t load_wait(struct load *load, size_t ready[LOAD_READY_MAX], int timeout_ms)
{
    struct epoll_event events[LOAD_READY_MAX];
    int count = epoll_wait(load->epoll, events, LOAD_READY_MAX, timeout_ms);
    for (int i = 0; i < count; i++) {
        ready[i] = (size_t)events[i].data.u64;
    }
    return count > 0 ? (size_t)count : 0;
}
