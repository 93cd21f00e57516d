/* client/agent_serve.c - the agent's socket.
 *
 * The calling thread polls the listening socket and the clients that are silent, which cost nothing
 * but their descriptor. A client that says something gets a thread for that one request, so that
 * nobody waits for somebody else's wait.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/thread.h"
#include "client/agent_frames.h"
#include "client/kb_inside.h"

enum {
    FRAME_TIME_S = 10, /* for a frame that was begun, in either direction */
    FIXED_FDS = 3,     /* stop, listening, done */
    BACKLOG = 16,
};

enum client_state { CLIENT_FREE, CLIENT_SILENT, CLIENT_BUSY, CLIENT_ANSWERED, CLIENT_LEAVING };

struct agent;

struct client {
    struct agent *agent;
    int fd;
    struct thread *thread; /* while busy; joined by the main thread */
    _Atomic(int) state;    /* BUSY -> ANSWERED or LEAVING by its thread, all else by the main one */
};

struct agent {
    struct kb *kb;
    int listen_fd;
    int done_fd; /* an eventfd: some thread has done its request */
    struct client clients[AGENT_CLIENTS_MAX];
};

/* --- one request, in a thread --- */

static int send_reply(void *context, struct span frame)
{
    const struct client *client = context;
    return agent_frame_send(client->fd, frame);
}

static bool serve_request(struct client *client)
{
    struct buf request;
    buf_init(&request, AGENT_FRAME_MAX);
    int rc = agent_frame_receive(client->fd, &request);
    rc = rc != 0
             ? rc
             : agent_handle(client->agent->kb, buf_span(&request), client->fd, send_reply, client);
    buf_free(&request);
    return rc == 0;
}

static void serve(struct thread *self, void *context)
{
    struct client *client = context;
    thread_ready(self, 0, NULL);
    bool stays = serve_request(client);
    uint64_t one = 1;
    atomic_store(&client->state, stays ? CLIENT_ANSWERED : CLIENT_LEAVING);
    ssize_t done = write(client->agent->done_fd, &one, sizeof one);
    (void)done; /* full means that it is readable already */
}

/* --- clients --- */

static void leave(struct client *client)
{
    (void)close(client->fd);
    client->fd = -1;
    atomic_store(&client->state, CLIENT_FREE);
}

static void refuse(int fd)
{
    struct buf frame;
    buf_init(&frame, 256);
    pack_array(&frame, 3);
    pack_u64(&frame, 1);
    pack_u64(&frame, (uint64_t)-E_BUSY);
    pack_cstr(&frame, "the agent serves as many as it can: try again");
    if (buf_error(&frame) == 0) {
        (void)!agent_frame_send(fd, buf_span(&frame)); /* it is closed either way */
    }
    buf_free(&frame);
    (void)close(fd);
}

static void accept_one(struct agent *agent)
{
    const struct timeval time = {.tv_sec = FRAME_TIME_S};
    int fd = accept4(agent->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return; /* it left again, or there is no descriptor: it will ask once more */
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        struct client *client = &agent->clients[i];
        if (atomic_load(&client->state) == CLIENT_FREE) {
            client->fd = fd;
            atomic_store(&client->state, CLIENT_SILENT);
            return;
        }
    }
    refuse(fd);
}

static void begin_request(struct client *client)
{
    atomic_store(&client->state, CLIENT_BUSY);
    if (thread_start(&client->thread, "kb-request", serve, client, NULL) != 0) {
        leave(client);
    }
}

/* Threads that are done are joined. */
static void collect(struct agent *agent)
{
    uint64_t count;
    ssize_t done = read(agent->done_fd, &count, sizeof count);
    (void)done; /* nothing to read is fine */
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        struct client *client = &agent->clients[i];
        int state = atomic_load(&client->state);
        if (state != CLIENT_ANSWERED && state != CLIENT_LEAVING) {
            continue;
        }
        thread_join(&client->thread);
        if (state == CLIENT_ANSWERED) {
            atomic_store(&client->state, CLIENT_SILENT);
        } else {
            leave(client);
        }
    }
}

static void end_all(struct agent *agent)
{
    client_give_up(agent->kb);
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        struct client *client = &agent->clients[i];
        if (atomic_load(&client->state) != CLIENT_FREE) {
            (void)shutdown(client->fd, SHUT_RDWR); /* its thread sees that nobody waits */
            thread_join(&client->thread);
            leave(client);
        }
    }
}

/* --- the loop --- */

static bool wait_once(struct agent *agent, int stop_fd, struct err *err, int *rc)
{
    struct pollfd fds[FIXED_FDS + AGENT_CLIENTS_MAX] = {
        {.fd = stop_fd, .events = POLLIN},
        {.fd = agent->listen_fd, .events = POLLIN},
        {.fd = agent->done_fd, .events = POLLIN},
    };
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        const struct client *client = &agent->clients[i];
        bool silent = atomic_load(&client->state) == CLIENT_SILENT;
        fds[FIXED_FDS + i] = (struct pollfd){.fd = silent ? client->fd : -1, .events = POLLIN};
    }
    if (poll(fds, FIXED_FDS + AGENT_CLIENTS_MAX, -1) < 0) {
        *rc = errno == EINTR ? 0 : err_sys(err, "poll", "the agent's socket");
        return *rc == 0;
    }
    if (fds[0].revents != 0) {
        return false;
    }
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        if (fds[FIXED_FDS + i].revents != 0) {
            begin_request(&agent->clients[i]);
        }
    }
    if (fds[2].revents != 0) {
        collect(agent);
    }
    if (fds[1].revents != 0) {
        accept_one(agent);
    }
    return true;
}

/* Nobody can connect between bind and listen: until then the mode is set. */
static int open_socket(const char *path, int *out, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) > AGENT_SOCKET_MAX) {
        return err_set(err, E_INVALID, "the path of a socket has at most %d bytes",
                       AGENT_SOCKET_MAX);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (unlink(path) != 0 && errno != ENOENT) {
        return err_sys(err, "remove the stale socket", path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0) {
        int rc = err_sys(err, "serve", path);
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    *out = fd;
    return 0;
}

static int agent_begin_serving(struct agent *agent, struct kb *kb, const char *socket,
                               struct err *err)
{
    *agent = (struct agent){.kb = kb, .listen_fd = -1, .done_fd = -1};
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        agent->clients[i].agent = agent;
        agent->clients[i].fd = -1;
    }
    agent->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = agent->done_fd < 0 ? err_sys(err, "eventfd", "for the agent") : 0;
    rc = rc != 0 ? rc : open_socket(socket, &agent->listen_fd, err);
    return rc != 0 ? rc : client_connect(kb, err);
}

int agent_run(struct kb *kb, const char *socket, int stop_fd, void (*ready)(void *context),
              void *context, struct err *err)
{
    ASSERT(kb != NULL && socket != NULL && stop_fd >= 0);
    struct agent agent;
    int rc = agent_begin_serving(&agent, kb, socket, err);
    if (rc == 0 && ready != NULL) {
        ready(context);
    }
    while (rc == 0 && wait_once(&agent, stop_fd, err, &rc)) {
    }
    if (agent.listen_fd >= 0) {
        (void)unlink(socket);
        (void)close(agent.listen_fd);
    }
    end_all(&agent);
    if (agent.done_fd >= 0) {
        (void)close(agent.done_fd);
    }
    return rc;
}
