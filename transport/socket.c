/* transport/socket.c - options, descriptors and monitors of sockets. */
#include "transport/socket.h"

#include <errno.h>
#include <stdint.h>
#include <zmq.h>

#include "transport/wire.h"

enum { CURVE_OVERHEAD = 128 }; /* MAXMSGSIZE counts the encrypted message; 33 bytes today */

int socket_set(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

int socket_set_remote(void *socket)
{
    int64_t most = WIRE_FRAME_MAX + CURVE_OVERHEAD;
    int failed = socket_set(socket, ZMQ_LINGER, 0);
    failed |= socket_set(socket, ZMQ_IPV6, 1);
    failed |= zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most);
    return failed;
}

int socket_fd(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    int rc = zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    ASSERT(rc == 0 && fd >= 0);
    return fd;
}

void *socket_monitor(void *zmq, void *socket, const char *endpoint, int events)
{
    if (zmq_socket_monitor(socket, endpoint, events) != 0) {
        return NULL;
    }
    void *monitor = zmq_socket(zmq, ZMQ_PAIR);
    if (monitor == NULL) {
        return NULL;
    }
    if (socket_set(monitor, ZMQ_LINGER, 0) != 0 || socket_set(monitor, ZMQ_RCVHWM, 0) != 0 ||
        zmq_connect(monitor, endpoint) != 0) {
        int why = errno;
        (void)zmq_close(monitor);
        errno = why;
        return NULL;
    }
    return monitor;
}
