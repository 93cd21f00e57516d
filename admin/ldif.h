/* admin/ldif.h - a reader of LDIF (RFC 2849): one record after the other, from an open file.
 *
 * Content records only. What is not one is told with its line and skipped: change records, values
 * by URL (`:<`, never fetched), text that is not LDIF. Memory is bounded by the limits below.
 */
#ifndef KITBAG_ADMIN_LDIF_H
#define KITBAG_ADMIN_LDIF_H

#include "base/buf.h"
#include "base/err.h"

enum {
    LDIF_LINE_MAX_BYTES = 2 << 20,   /* unfolded */
    LDIF_RECORD_MAX_BYTES = 4 << 20, /* names and decoded values */
    LDIF_ATTRIBUTES_MAX = 10000,     /* of a record */
};

struct admin_ldif;

struct admin_ldif_attribute {
    struct span name;    /* without options: "cn" of "cn;lang-ja"; compare without case */
    struct span options; /* ";lang-ja", or empty */
    struct span value;   /* decoded; any bytes */
};

/* Lives until the next call. */
struct admin_ldif_record {
    uint64_t line; /* of its dn, from 1 */
    struct span dn;
    const struct admin_ldif_attribute *attributes;
    size_t attribute_count;
};

/* `fd` is borrowed and read from offset 0 with pread. */
MUST_CHECK int admin_ldif_open(struct admin_ldif **out, int fd, struct err *err);
void admin_ldif_close(struct admin_ldif **ldif);

/* The next record.
 *
 * Returns 0; E_NOT_FOUND at the end; E_MALFORMED, E_TOO_LARGE or E_NOT_ALLOWED for a record that is
 * left out, with a sentence, and `out->line` the line it is about: the next call goes on behind
 * it. E_FORMAT (a version that is not 1), E_IO, E_NOMEM end it all.
 */
MUST_CHECK int admin_ldif_next(struct admin_ldif *ldif, struct admin_ldif_record *out,
                               struct err *err);

/* Does the attribute's name equal `name`, without case? */
bool admin_ldif_is(const struct admin_ldif_attribute *attribute, const char *name);

#endif
