/* admin/https/listen.c - getaddrinfo, and sockets. */
#include "admin/https/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_MAX_BYTES = 255, BACKLOG = 512 };

struct place {
    char host[HOST_MAX_BYTES + 1]; /* without the brackets */
    char port[6];
};

bool admin_listen_is_none(const char *list)
{
    ASSERT(list != NULL);
    return strcmp(list, "none") == 0;
}

static int bad(const char *list, struct err *err)
{
    return err_set(err, E_INVALID,
                   "'%.80s' is no address for the console: it looks like 0.0.0.0:8444 or "
                   "[::]:8444, several with commas; or it is none",
                   list);
}

/* The next address of a list, taken off its front. 1, 0 at the end, or E_INVALID. */
static int next_place(const char **list, struct place *place)
{
    const char *at = *list + strspn(*list, " \t,");
    if (*at == '\0') {
        return 0;
    }
    size_t size = strcspn(at, ",");
    *list = at + size;
    while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t')) {
        size--;
    }
    const char *colon = memrchr(at, ':', size);
    if (colon == NULL) {
        return E_INVALID;
    }
    size_t host = (size_t)(colon - at);
    size_t port = size - host - 1;
    bool bracketed = host > 2 && at[0] == '[' && at[host - 1] == ']';
    if (bracketed) {
        at++;
        host -= 2;
    }
    bool brackets = memchr(at, '[', host) != NULL || memchr(at, ']', host) != NULL;
    if (host == 0 || brackets || host > HOST_MAX_BYTES || port == 0 || port > 5 ||
        strspn(colon + 1, "0123456789") < port || (!bracketed && memchr(at, ':', host) != NULL)) {
        return E_INVALID;
    }
    memcpy(place->host, at, host);
    place->host[host] = '\0';
    memcpy(place->port, colon + 1, port);
    place->port[port] = '\0';
    return strtoul(place->port, NULL, 10) <= UINT16_MAX ? 1 : E_INVALID;
}

int admin_listen_check(const char *list, struct err *err)
{
    ASSERT(list != NULL);
    if (admin_listen_is_none(list)) {
        return 0;
    }
    struct place place = {0};
    const char *rest = list;
    int found = 0;
    int rc = 0;
    while ((rc = next_place(&rest, &place)) == 1) {
        found++;
    }
    return rc == 0 && found > 0 ? 0 : bad(list, err);
}

static int fault_of(const struct place *place, int number, struct err *err)
{
    if (number == EADDRINUSE) {
        return err_set(err, E_BUSY,
                       "the console can't listen on %s port %s: another program does. Stop that "
                       "one, or set server.console to another port",
                       place->host, place->port);
    }
    char thing[sizeof *place + 20];
    (void)snprintf(thing, sizeof thing, "%s port %s", place->host, place->port);
    errno = number;
    return err_sys(err, "open the console at", thing);
}

/* Returns a descriptor, or -1 with errno. */
static int open_at(const struct addrinfo *at)
{
    static const int on = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted ones inherit it */
    if (at->ai_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on); /* IPv4 has its own */
    }
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int number = errno;
        (void)close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

static int open_place(const struct place *place, int *fds, size_t max, size_t *count,
                      struct err *err)
{
    const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *all = NULL;
    int fault = getaddrinfo(place->host, place->port, &hints, &all);
    if (fault != 0) {
        return err_set(err, E_NOT_FOUND, "the console's address '%s': %s", place->host,
                       gai_strerror(fault));
    }
    int rc = 0;
    for (const struct addrinfo *at = all; at != NULL && rc == 0; at = at->ai_next) {
        if (*count == max) {
            rc = err_set(err, E_INVALID, "the console takes %zu addresses at most", max);
            break;
        }
        int fd = open_at(at);
        if (fd >= 0) {
            fds[(*count)++] = fd;
        } else {
            rc = fault_of(place, errno, err);
        }
    }
    freeaddrinfo(all);
    return rc;
}

int admin_listen(const char *list, int *fds, size_t max, size_t *count, struct err *err)
{
    ASSERT(list != NULL && fds != NULL && count != NULL);
    ASSERT(!admin_listen_is_none(list));
    int rc = admin_listen_check(list, err);
    struct place place = {0};
    size_t opened = 0;
    const char *rest = list;
    while (rc == 0 && next_place(&rest, &place) == 1) {
        rc = open_place(&place, fds, max, &opened, err);
    }
    if (rc != 0) {
        while (opened > 0) {
            (void)close(fds[--opened]);
        }
        return rc;
    }
    *count = opened;
    return 0;
}

int admin_listen_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    memset(&address, 0, sizeof address);
    socklen_t size = sizeof address;
    if (getsockname(fd, &address.any, &size) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

void admin_listen_host(const char *list, char *out, size_t size)
{
    ASSERT(list != NULL && out != NULL && size > 0);
    struct place place = {0};
    out[0] = '\0';
    if (next_place(&list, &place) != 1 || strcmp(place.host, "0.0.0.0") == 0 ||
        strcmp(place.host, "::") == 0) {
        return;
    }
    bool v6 = strchr(place.host, ':') != NULL;
    (void)snprintf(out, size, "%s%s%s", v6 ? "[" : "", place.host, v6 ? "]" : "");
}
