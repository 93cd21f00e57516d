/* admin/ldif.h - a reader of LDIF (RFC 2849): one record after the other, from an open file.
 *
 * Content records only. What is not one is told with its line and skipped: change records, values
 * by URL (`:<`, never fetched), text that is not LDIF. Memory is bounded by the limits below.
 */
#ifndef KITBAG_ADMIN_LDIF_H
#define KITBAG_ADMIN_LDIF_H

#include "admin/record.h"

enum { LDIF_LINE_MAX_BYTES = 2 << 20 /* unfolded */ };

struct admin_ldif;

/* `fd` is borrowed and read from offset 0 with pread. */
MUST_CHECK int admin_ldif_open(struct admin_ldif **out, int fd, struct err *err);
void admin_ldif_close(struct admin_ldif **ldif);

/* The next record, which lives until the next call.
 *
 * Returns 0; E_NOT_FOUND at the end; E_MALFORMED, E_TOO_LARGE or E_NOT_ALLOWED for a record that is
 * left out, with a sentence, and `out->line` the line it is about: the next call goes on behind
 * it. E_FORMAT (a version that is not 1), E_IO, E_NOMEM end it all.
 */
MUST_CHECK int admin_ldif_next(struct admin_ldif *ldif, struct admin_record *out, struct err *err);

#endif
