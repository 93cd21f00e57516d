/* admin/https/listen.h - the addresses on which the console waits for browsers. */
#ifndef KITBAG_ADMIN_HTTPS_LISTEN_H
#define KITBAG_ADMIN_HTTPS_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* "none": no address at all. */
bool admin_listen_is_none(const char *list);

/* "HOST:PORT" or "[IPv6]:PORT", several with commas, without looking any name up; or "none".
 * E_INVALID with a sentence. Pure. */
MUST_CHECK int admin_listen_check(const char *list, struct err *err);

/* Listen on all of them: on port 0 the system picks one; a name may stand for several addresses.
 * The sockets do not block and send without delay. On failure none is left open.
 *
 *   fds    room for `max` descriptors, the caller's on success
 *   count  how many there are, at least 1
 *
 * E_INVALID (as above, or more than `max`), E_NOT_FOUND (nobody knows the name), E_PERMISSION,
 * E_BUSY (another program has the port), E_SYSTEM. */
MUST_CHECK int admin_listen(const char *list, int *fds, size_t max, size_t *count, struct err *err);

/* The port of a listening socket. */
int admin_listen_port(int fd);

/* The host of the first address as one can call it: of an address that stands for all of a
 * machine's "" */
void admin_listen_host(const char *list, char *out, size_t size);

#endif
