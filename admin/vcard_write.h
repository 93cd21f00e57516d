/* admin/vcard_write.h - a writer of vCards, 4.0 (RFC 6350): addresses, one card each.
 *
 * Lines end in CR LF and are folded at 75 bytes, never within a character. How a name sounds is
 * X-PHONETIC-LAST-NAME, as telephones write it; whose list an address is in, CATEGORIES.
 */
#ifndef KITBAG_ADMIN_VCARD_WRITE_H
#define KITBAG_ADMIN_VCARD_WRITE_H

#include "admin/address.h"

/* Appended; errors stay in the buffer. */
void admin_vcard_put(struct buf *out, const struct admin_address *address);

#endif
