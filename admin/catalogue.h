/* admin/catalogue.h - the fleet's catalogue and flags, read to answer by them.
 *
 * Which values are secret is the catalogue's word. It fails safe: what a keychain or a network's
 * key is stays secret whatever the catalogue says, and what it does not know is judged as if there
 * were none.
 */
#ifndef KITBAG_ADMIN_CATALOGUE_H
#define KITBAG_ADMIN_CATALOGUE_H

#include "journal/sharing.h"
#include "kv/kv.h"

/* Born zeroed; one owner. */
struct admin_catalogue {
    struct sharing sharing;
    uint64_t seq; /* of the newest change of the fleet's bag that is in it */
    bool read;
};

/* Reads it, or reads it anew when the fleet's bag has changed since. `view` NULL: the newest state.
 * What reading the state may return, E_NOMEM: the catalogue is as it was. */
MUST_CHECK int admin_catalogue_read(struct admin_catalogue *catalogue, struct kv *kv,
                                    struct kv_view *view, struct err *err);
void admin_catalogue_free(struct admin_catalogue *catalogue);

/* Is it a secret, whose value is shown nowhere but on its user's machines? Of the server's own bag
 * all is one but what administrators did; of a bag of which no more is known, `kind` 0, what would
 * be one in any bag. The catalogue was read. */
bool admin_catalogue_secret(const struct admin_catalogue *catalogue, enum owner_kind kind,
                            struct span path);

#endif
