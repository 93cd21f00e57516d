/* client/agent_line.c - frames on the agent's socket. */
#include "client/agent_line.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "client/agent.h"

enum { LENGTH_SIZE = 4, WRITE_TIMEOUT_MS = 30000, CHUNK_BYTES = 65536 };

/* Wait for bytes. 0, E_CLOSED or E_IO. */
static int wait_for_bytes(int fd, int stop_fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
    for (;;) {
        int ready = poll(fds, 2, -1);
        if (ready < 0 && errno != EINTR) {
            return E_IO;
        }
        if (ready > 0) {
            return fds[1].revents != 0 ? E_CLOSED : 0;
        }
    }
}

/* Exactly `size` bytes. */
static int read_all(int fd, int stop_fd, uint8_t *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        int rc = wait_for_bytes(fd, stop_fd);
        if (rc != 0) {
            return rc;
        }
        ssize_t got = recv(fd, out + done, size - done, 0);
        if (got == 0) {
            return done == 0 ? E_NOT_FOUND : E_IO;
        }
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            return E_IO;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

int agent_line_read(int fd, int stop_fd, struct buf *out)
{
    uint8_t length[LENGTH_SIZE];
    buf_reset(out);
    int rc = read_all(fd, stop_fd, length, sizeof length);
    if (rc != 0) {
        return rc;
    }
    uint32_t left = get_be32(length);
    if (left > AGENT_FRAME_MAX || left > out->max) {
        return E_TOO_LARGE;
    }
    /* by pieces: memory is taken for what came, not for what was promised */
    while (left > 0) {
        size_t piece = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        uint8_t *at = buf_extend(out, piece);
        if (at == NULL) {
            return E_NOMEM;
        }
        rc = read_all(fd, stop_fd, at, piece);
        if (rc != 0) {
            return rc == E_NOT_FOUND ? E_IO : rc;
        }
        left -= (uint32_t)piece;
    }
    return 0;
}

/* Writable again before the time is over? */
static bool wait_for_room(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    int ready;
    do {
        ready = poll(&room, 1, WRITE_TIMEOUT_MS);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EAGAIN) {
            if (!wait_for_room(fd)) {
                return E_IO;
            }
        } else if (put < 0 && errno != EINTR) {
            return E_IO;
        }
        size_t done = put > 0 ? (size_t)put : 0;
        bytes += done;
        size -= done;
    }
    return 0;
}

int agent_line_write(int fd, struct span frame)
{
    uint8_t length[LENGTH_SIZE];
    if (frame.size > AGENT_FRAME_MAX) {
        return E_TOO_LARGE;
    }
    put_be32(length, (uint32_t)frame.size);
    int rc = write_all(fd, length, sizeof length);
    return rc != 0 ? rc : write_all(fd, frame.data, frame.size);
}
