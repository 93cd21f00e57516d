/* client/agent_run.c - serving the socket: a thread for each client while it is connected.
 *
 * The calling thread accepts and joins; a client's thread owns its descriptor. Ending means
 * shutting the receiving side of every client: waits and watches see that and end, answers still go
 * out.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/thread.h"
#include "client/agent_inside.h"
#include "client/agent_line.h"

enum { BACKLOG = 64 };

struct serving;

struct client {
    struct serving *serving;
    struct thread *thread; /* NULL: the place is free; of the accepting thread */
    int fd;
    _Atomic bool done; /* set by the client's thread as its last act */
};

struct serving {
    struct kb *kb;
    const char *path;
    int stop_fd;
    int listen_fd;
    int done_fd; /* an eventfd: some client is done */
    struct client clients[AGENT_CLIENTS_MAX];
};

/* --- one client --- */

static int send_frame(void *context, struct span frame)
{
    const struct client *client = context;
    return agent_line_write(client->fd, frame);
}

static void refuse(int fd, int code, const char *text)
{
    struct buf frame;
    buf_init(&frame, 1024);
    agent_put_end(&frame, code, text, (struct span){NULL, 0}, 0);
    (void)!agent_line_write(fd, buf_span(&frame)); /* it may be gone */
    buf_free(&frame);
}

static void client_run(struct thread *self, void *context)
{
    struct client *client = context;
    struct buf request;
    uint64_t one = 1;
    buf_init(&request, AGENT_FRAME_MAX);
    thread_ready(self, 0, NULL);
    int rc = 0;
    while (rc == 0) {
        rc = agent_line_read(client->fd, -1, &request);
        if (rc == E_TOO_LARGE) {
            refuse(client->fd, rc, "a request is at most 3.5 MiB");
        }
        if (rc == 0) {
            rc = agent_handle(client->serving->kb, buf_span(&request), client->fd, send_frame,
                              client);
        }
    }
    buf_free(&request);
    client->done = true;
    (void)!write(client->serving->done_fd, &one, sizeof one);
}

/* --- the accepting thread --- */

static void join_done(struct serving *serving)
{
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        struct client *client = &serving->clients[i];
        if (client->thread != NULL && client->done) {
            thread_join(&client->thread);
            (void)close(client->fd);
        }
    }
}

static void take_client(struct serving *serving)
{
    int fd = accept4(serving->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return; /* it went away again, or there is no descriptor now */
    }
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        struct client *client = &serving->clients[i];
        if (client->thread == NULL) {
            client->serving = serving;
            client->fd = fd;
            client->done = false;
            if (thread_start(&client->thread, "agent", client_run, client, NULL) == 0) {
                return;
            }
            break;
        }
    }
    refuse(fd, E_BUSY, "the agent has as many clients as it can serve: try again");
    (void)close(fd);
}

static void serve(struct serving *serving)
{
    struct pollfd fds[3] = {{.fd = serving->stop_fd, .events = POLLIN},
                            {.fd = serving->done_fd, .events = POLLIN},
                            {.fd = serving->listen_fd, .events = POLLIN}};
    while (fds[0].revents == 0) {
        if (poll(fds, 3, -1) < 0) {
            fds[0].revents = 0; /* a signal */
            continue;
        }
        if (fds[1].revents != 0) {
            uint64_t count = 0;
            (void)!read(serving->done_fd, &count, sizeof count);
            join_done(serving);
        }
        if (fds[2].revents != 0) {
            take_client(serving);
        }
    }
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        if (serving->clients[i].thread != NULL) {
            (void)shutdown(serving->clients[i].fd, SHUT_RD);
        }
    }
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        if (serving->clients[i].thread != NULL) {
            thread_join(&serving->clients[i].thread);
            (void)close(serving->clients[i].fd);
        }
    }
}

/* --- the socket --- */

static int bind_private(int fd, const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return err_set(err, E_INVALID, "the socket's path '%s' is too long", path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    (void)unlink(path); /* of an agent that was killed: the folder is ours */
    /* 0600 from its first moment: the descriptor's mode is what bind gives the file */
    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0) {
        return err_sys(err, "listen on", path);
    }
    return 0;
}

static int listen_on(struct serving *serving, struct err *err)
{
    serving->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    serving->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (serving->listen_fd < 0 || serving->done_fd < 0) {
        return err_sys(err, "socket", serving->path);
    }
    return bind_private(serving->listen_fd, serving->path, err);
}

/* Connect when the machine is to be connected; what goes wrong is told by the status. */
static void connect_if_wanted(struct kb *kb)
{
    struct agent_job job = {.kb = kb};
    (void)!agent_need_server(&job);
}

int agent_run(struct kb *kb, const char *socket_path, int stop_fd, void (*ready)(void *context),
              void *context, struct err *err)
{
    ASSERT(kb != NULL && socket_path != NULL);
    struct serving *serving = calloc(1, sizeof *serving);
    if (serving == NULL) {
        return err_set(err, E_NOMEM, "the agent: out of memory");
    }
    *serving = (struct serving){
        .kb = kb, .path = socket_path, .stop_fd = stop_fd, .listen_fd = -1, .done_fd = -1};
    int rc = listen_on(serving, err);
    if (rc == 0) {
        connect_if_wanted(kb);
        if (ready != NULL) {
            ready(context);
        }
        serve(serving);
        (void)unlink(socket_path);
    }
    if (serving->listen_fd >= 0) {
        (void)close(serving->listen_fd);
    }
    if (serving->done_fd >= 0) {
        (void)close(serving->done_fd);
    }
    free(serving);
    return rc;
}
