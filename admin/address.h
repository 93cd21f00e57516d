/* admin/address.h - an address of an address list: the JSON value of an item, taken apart.
 *
 * {"name","kana","mail":[],"fax":[],"telephone":[],"organization","department","title"}. What is
 * missing, or of another kind, is empty: an address is shown with what can be read of it. Pure.
 */
#ifndef KITBAG_ADMIN_ADDRESS_H
#define KITBAG_ADMIN_ADDRESS_H

#include <jansson.h>

#include "base/buf.h"

enum admin_address_list { ADDRESS_MAIL, ADDRESS_FAX, ADDRESS_TELEPHONE, ADDRESS_LISTS };

struct admin_address {
    const char *owner; /* whose list it is in; borrowed */
    char id[256];      /* the path's part that names it */
    /* Texts without a NUL in them, never NULL; `name` is the ID when the value has none. */
    const char *name, *kana, *organization, *department, *title;
    const json_t *lists[ADDRESS_LISTS]; /* arrays; NULL: empty */
    json_t *value;                      /* what all of these point into */
};

/* `id` is at most 255 bytes and has no NUL. Needs admin_address_free, whatever is in it. */
void admin_address_read(struct admin_address *out, const char *owner, struct span id,
                        struct span value);
void admin_address_free(struct admin_address *address);

size_t admin_address_count(const struct admin_address *address, enum admin_address_list list);
/* A value of a list; "" when it is no text. */
const char *admin_address_at(const struct admin_address *address, enum admin_address_list list,
                             size_t i);

#endif
