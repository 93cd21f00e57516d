/* admin/local.h - the local administrative socket: the HTTP API for the server's own account.
 *
 * Threads of its own: one for the sockets, the others for what takes time. The socket (0600) lies
 * in the server's data folder, so whoever can open it may administer everything.
 */
#ifndef KITBAG_ADMIN_LOCAL_H
#define KITBAG_ADMIN_LOCAL_H

#include "admin/auth/auth.h"

struct admin_local;

/* Listen on a Unix socket at `socket_path` and answer. Call it while holding the lock of the data
 * folder: a socket that is there already is left over from a crash and is replaced.
 *
 *   backend      borrowed until admin_local_stop
 *   auth         who may sign in elsewhere, for the routes that administer that; borrowed as the
 *                backend is; may be NULL
 *   socket_path  copied; admin_local_request wants "DIR/" ADMIN_SOCKET_NAME
 *
 * Returns 0 when it listens; E_INVALID (the path is too long for a socket), E_EXISTS (something
 * that is no socket is there), E_PERMISSION, E_NOMEM, E_SYSTEM.
 */
MUST_CHECK int admin_local_start(struct admin_local **out, const struct admin_backend *backend,
                                 struct admin_auth *auth, const char *socket_path, struct err *err);

/* Stop listening, cut the connections, end the threads, remove the socket. Waits for calls of the
 * backend that are under way: before this, make them return E_CLOSED, or answer them meanwhile from
 * another thread. Accepts NULL and a nulled pointer. */
void admin_local_stop(struct admin_local **local);

#endif
