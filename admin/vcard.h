/* admin/vcard.h - a reader of vCards, 4.0 (RFC 6350) and 3.0 (RFC 2426): one after the other, from
 * an open file.
 *
 * A card becomes the record that LDIF would have: FN is its cn, EMAIL mail, TEL telephoneNumber (of
 * the type fax facsimileTelephoneNumber), ORG o and ou, TITLE title, X-PHONETIC-* and SORT-AS the
 * phonetic cn, and UID uid when it is a name and no URI. A card whose KIND is not individual is no
 * person; all others get the objectClass person. What is not a card is told with its line and
 * skipped. Memory is bounded.
 */
#ifndef KITBAG_ADMIN_VCARD_H
#define KITBAG_ADMIN_VCARD_H

#include "admin/record.h"

enum { VCARD_LINE_MAX_BYTES = 2 << 20 /* unfolded: pictures are lines too */ };

struct admin_vcard;

/* `fd` is borrowed and read from offset 0 with pread. */
MUST_CHECK int admin_vcard_open(struct admin_vcard **out, int fd, struct err *err);
void admin_vcard_close(struct admin_vcard **vcard);

/* The next record, which lives until the next call.
 *
 * Returns 0; E_NOT_FOUND at the end; E_MALFORMED, E_TOO_LARGE or E_NOT_ALLOWED (another version)
 * for a card that is left out, with a sentence, and `out->line` the line it is about: the next call
 * goes on behind it. E_IO, E_NOMEM end it all.
 */
MUST_CHECK int admin_vcard_next(struct admin_vcard *vcard, struct admin_record *out,
                                struct err *err);

#endif
