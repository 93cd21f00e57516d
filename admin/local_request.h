/* admin/local_request.h - one HTTP request to the server that runs with a data folder.
 *
 * Small, blocking and bounded: for the server's own program when it asks the one that runs already
 * ("kitbagd token"). kitbagctl uses libcurl.
 */
#ifndef KITBAG_ADMIN_LOCAL_REQUEST_H
#define KITBAG_ADMIN_LOCAL_REQUEST_H

#include "base/buf.h"
#include "base/err.h"

/* All borrowed for the call. */
struct admin_local_request {
    const char *data_dir; /* the socket in it is asked */
    const char *method;   /* "POST" */
    const char *target;   /* "/api/v1/enrollments", percent-encoded */
    struct span body;     /* JSON; may be empty */
    unsigned timeout_ms;  /* for all of it */
};

/* The server's socket in a data folder. */
#define ADMIN_SOCKET_NAME "admin.sock"

/* Ask, and append the body of the answer to `out` (whose maximum bounds it) when the server was
 * content (2xx).
 *
 * Returns 0; E_UNREACHABLE with a sentence that tells what to start; E_PERMISSION (it is another
 * account's server); E_TIMEOUT; E_MALFORMED or E_TOO_LARGE (the answer); E_INVALID (the folder's
 * path is too long for a socket); else the code and the sentence that the server answered.
 * `out` is untouched on failure. Blocks; any thread.
 */
MUST_CHECK int admin_local_request(const struct admin_local_request *request, struct buf *out,
                                   struct err *err);

#endif
