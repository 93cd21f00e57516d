/* admin/https/accept.h - what a client takes: encodings, parts, what it has already. Pure. */
#ifndef KITBAG_ADMIN_HTTPS_ACCEPT_H
#define KITBAG_ADMIN_HTTPS_ACCEPT_H

#include "base/buf.h"
#include "base/err.h"

/* Does the header Accept-Encoding take gzip? */
bool admin_accepts_gzip(struct span accept_encoding);

/* Is the tag, in its quotes, in a list of If-None-Match, or is that "*"? W/ before one of the list
 * makes no difference. */
bool admin_etag_listed(struct span list, const char *etag);

struct admin_range {
    size_t first;
    size_t size; /* never 0 */
};
/* The header Range, of something of `size` bytes. E_INVALID: it is no single range of bytes, and
 * does not count; E_NOT_FOUND: there is nothing in it. */
MUST_CHECK int admin_range_read(struct span header, size_t size, struct admin_range *out);

#endif
