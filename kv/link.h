/* kv/link.h - items that stand for a link between two owners, found from its other end.
 *
 *   machine's bag   @user/BAG_ID    the user of that bag is signed in there   row 'U'
 *   user's bag      @group/FOLDED   the user belongs to that group            row 'P'
 *
 * Keeps true: there is the row when, and only when, there is the live item, for it is written in
 * the same batch. Of a deleted bag the rows stay as long as the items do, hidden as these are.
 *
 * Only what is written as the server writes it is a link: a number of decimal digits without a
 * leading zero, a name without a NUL. So no two items of a bag have the same row.
 */
#ifndef KITBAG_KV_LINK_H
#define KITBAG_KV_LINK_H

#include "kv/key.h"

/* Of what kind the owner is in whose bag the path stands for a link; 0: in nobody's. */
enum owner_kind kv_link_holder(struct span path);
/* The row that finds it, of such a path only. */
struct kv_key kv_link_key(uint64_t bag_id, struct span path);

#endif
