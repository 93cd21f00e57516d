/* server/addresses.c - from the configuration, the endpoint, or the interfaces. */
#include "server/addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void add(struct join_token *token, const char *host, int port)
{
    if (token->address_count == TOKEN_ADDRESSES_MAX) {
        return;
    }
    char *out = token->addresses[token->address_count];
    int size = snprintf(out, ADDRESS_MAX_BYTES + 1, "%s:%d", host, port);
    if (size <= 0 || size > ADDRESS_MAX_BYTES) {
        return;
    }
    for (size_t i = 0; i < token->address_count; i++) {
        if (strcmp(token->addresses[i], out) == 0) {
            return;
        }
    }
    token->address_count++;
}

/* "host", "[::1]" or "host:8443": is there a port? */
static bool has_port(const char *address)
{
    const char *behind = address[0] == '[' ? strchr(address, ']') : address;
    return behind != NULL && strchr(behind, ':') != NULL;
}

static void add_configured(struct join_token *token, const char *address, int port)
{
    if (!has_port(address)) {
        add(token, address, port);
    } else if (token->address_count < TOKEN_ADDRESSES_MAX) {
        (void)snprintf(token->addresses[token->address_count++], ADDRESS_MAX_BYTES + 1, "%s",
                       address);
    }
}

/* The address of one interface as text; false: of no use to others. */
static bool interface_address(const struct ifaddrs *at, bool loopback, char *out, size_t size)
{
    if (at->ifa_addr == NULL || (at->ifa_flags & IFF_UP) == 0 ||
        ((at->ifa_flags & IFF_LOOPBACK) != 0) != loopback) {
        return false;
    }
    char text[INET6_ADDRSTRLEN];
    if (at->ifa_addr->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, at->ifa_addr, sizeof v4);
        return inet_ntop(AF_INET, &v4.sin_addr, out, (socklen_t)size) != NULL;
    }
    if (at->ifa_addr->sa_family != AF_INET6) {
        return false;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, at->ifa_addr, sizeof v6);
    if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) ||
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text) == NULL) {
        return false;
    }
    return snprintf(out, size, "[%s]", text) < (int)size;
}

static void add_interfaces(struct join_token *token, bool v6, int port)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0) {
        add(token, "localhost", port);
        return;
    }
    for (int loopback = 0; loopback < 2 && token->address_count == 0; loopback++) {
        for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
            char text[INET6_ADDRSTRLEN + 2];
            if (interface_address(at, loopback != 0, text, sizeof text) && (v6 || text[0] != '[')) {
                add(token, text, port);
            }
        }
    }
    freeifaddrs(all);
}

void addresses_fill(struct join_token *token, const char (*configured)[ADDRESS_MAX_BYTES + 1],
                    size_t configured_count, const char *listen, int port)
{
    ASSERT(token != NULL && listen != NULL);
    token->address_count = 0;
    for (size_t i = 0; i < configured_count; i++) {
        add_configured(token, configured[i], port);
    }
    if (configured_count > 0) {
        return;
    }
    char host[ADDRESS_MAX_BYTES + 1];
    const char *from = strncmp(listen, "tcp://", 6) == 0 ? listen + 6 : listen;
    const char *colon = strrchr(from, ':');
    size_t size = colon != NULL ? (size_t)(colon - from) : strlen(from);
    size = size < sizeof host ? size : sizeof host - 1;
    memcpy(host, from, size);
    host[size] = '\0';
    bool any_v4 = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "*") == 0;
    bool any_v6 = strcmp(host, "[::]") == 0;
    if (any_v4 || any_v6) {
        add_interfaces(token, any_v6, port);
    } else {
        add(token, host, port);
    }
}
