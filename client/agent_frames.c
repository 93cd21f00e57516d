/* client/agent_frames.c - frames on a stream socket. */
#include "client/agent_frames.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int send_all(int fd, const uint8_t *data, size_t size, int flags)
{
    while (size > 0) {
        ssize_t done = send(fd, data, size, MSG_NOSIGNAL | flags);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return E_IO;
        }
        data += done;
        size -= (size_t)done;
    }
    return 0;
}

int agent_frame_send(int fd, struct span bytes)
{
    uint8_t head[4];
    if (bytes.size > AGENT_FRAME_MAX) {
        return E_TOO_LARGE;
    }
    put_be32(head, (uint32_t)bytes.size);
    int rc = send_all(fd, head, sizeof head, bytes.size > 0 ? MSG_MORE : 0);
    return rc != 0 ? rc : send_all(fd, bytes.data, bytes.size, 0);
}

/* Returns how many came before the end. */
static size_t receive_all(int fd, uint8_t *data, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t done = recv(fd, data + have, size - have, 0);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            break;
        }
        have += (size_t)done;
    }
    return have;
}

int agent_frame_receive(int fd, struct buf *out)
{
    uint8_t head[4];
    buf_reset(out);
    size_t have = receive_all(fd, head, sizeof head);
    if (have != sizeof head) {
        return have == 0 ? E_CLOSED : E_IO;
    }
    size_t size = get_be32(head);
    if (size > AGENT_FRAME_MAX) {
        return E_TOO_LARGE;
    }
    uint8_t *bytes = size > 0 ? buf_extend(out, size) : out->data;
    if (size > 0 && bytes == NULL) {
        return buf_error(out);
    }
    return receive_all(fd, bytes, size) == size ? 0 : E_IO;
}
