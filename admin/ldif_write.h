/* admin/ldif_write.h - a writer of LDIF (RFC 2849): addresses as entries of inetOrgPerson.
 *
 *   o=kitbag                                     an organization
 *   cn=OWNER,cn=personal,o=kitbag                an organizationalRole, whose list it is
 *   uid=ID,cn=OWNER,cn=personal,o=kitbag         an address of it
 *
 * (`cn=group` for those of user groups). There is no `version: 1` in front: all programs do without
 * it, and slapadd takes it for an entry. A directory refuses whole files for one value that its
 * attribute can't hold, a mail address that is not ASCII, or a number with other signs than
 * directories know: such a value stands in `description` instead, with its name.
 */
#ifndef KITBAG_ADMIN_LDIF_WRITE_H
#define KITBAG_ADMIN_LDIF_WRITE_H

#include "admin/address.h"

/* Appended; errors stay in the buffer. The head once, then each owner before their addresses. */
void admin_ldif_put_head(struct buf *out, bool group);
void admin_ldif_put_owner(struct buf *out, bool group, const char *owner);
void admin_ldif_put(struct buf *out, bool group, const struct admin_address *address);

#endif
