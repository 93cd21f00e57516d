/* transport/socket.h - what is done in the same way to every socket of ZeroMQ.
 *
 * Sockets and contexts are ZeroMQ's, and the caller's. For the thread that owns the socket.
 */
#ifndef KITBAG_TRANSPORT_SOCKET_H
#define KITBAG_TRANSPORT_SOCKET_H

#include "base/assert.h"

/* 0, or -1 with errno: as zmq_setsockopt, of an option that is a number. */
int socket_set(void *socket, int option, int value);

/* For one that speaks with other machines: both families of addresses, no message that is longer
 * than a frame may be, and closing it does not wait. 0, or -1 with errno. */
MUST_CHECK int socket_set_remote(void *socket);

/* Where ZeroMQ tells, once, that it has something to say about it: to whoever heard all of what it
 * had to say before. Closed with the socket. */
int socket_fd(void *socket);

/* A socket on which `events` of the given one are read, told at `endpoint`, a name "inproc://..."
 * that no other monitor of the context has. It is the caller's to close, and without a mark: at
 * one, ZeroMQ's thread would wait for us. NULL with errno. */
MUST_CHECK void *socket_monitor(void *zmq, void *socket, const char *endpoint, int events);

#endif
