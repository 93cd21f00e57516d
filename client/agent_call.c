/* client/agent_call.c - asking the process that owns the folder, by its socket. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/agent_frames.h"

static int connect_to(const char *path, int *out, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) > AGENT_SOCKET_MAX) {
        return err_set(err, E_INVALID, "the path of a socket has at most %d bytes",
                       AGENT_SOCKET_MAX);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_sys(err, "make a socket for", path);
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        bool nobody = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR;
        int rc = nobody            ? err_set(err, E_UNREACHABLE, "no agent serves '%s'", path)
                 : errno == EACCES ? err_set(err, E_PERMISSION,
                                             "'%s' may be opened by the agent's own account only: "
                                             "run this as that account",
                                             path)
                                   : err_sys(err, "connect to", path);
        (void)close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

static int lost(const char *path, struct err *err)
{
    return err_set(err, E_IO, "the agent at '%s' went away before it had answered", path);
}

/* Frames until the end. */
static int read_answer(int fd, const char *path, agent_reply_fn *reply, void *context,
                       struct err *err)
{
    struct buf bytes;
    struct unpacked scratch = {0};
    struct agent_frame frame = {0};
    int rc = 0;
    buf_init(&bytes, AGENT_FRAME_MAX);
    while (rc == 0 && !frame.end) {
        rc = agent_frame_receive(fd, &bytes);
        if (rc == E_CLOSED || rc == E_IO) {
            rc = lost(path, err);
            break;
        }
        rc = rc != 0 ? rc : agent_frame_read(buf_span(&bytes), &scratch, &frame);
        if (rc != 0) {
            rc = err_set(err, rc, "what '%s' answers is not an agent's answer", path);
            break;
        }
        rc = reply(context, buf_span(&bytes));
    }
    unpack_close(&scratch);
    buf_free(&bytes);
    return rc;
}

int agent_call(const char *socket, struct span request, agent_reply_fn *reply, void *context,
               struct err *err)
{
    ASSERT(socket != NULL && reply != NULL);
    int fd = -1;
    int rc = connect_to(socket, &fd, err);
    if (rc != 0) {
        return rc;
    }
    rc = agent_frame_send(fd, request);
    if (rc == E_TOO_LARGE) {
        rc = err_set(err, rc, "a request has at most %d bytes", AGENT_FRAME_MAX);
    } else { /* one that takes no request may have said why */
        rc = read_answer(fd, socket, reply, context, err);
    }
    (void)close(fd);
    return rc;
}
