/* admin/compare.h - two states of bags, item by item: what one has and the other has not, or has
 * otherwise.
 *
 * A side is a bag as of a moment, or nothing. Items whose values are the same are no difference,
 * whoever wrote them and when. Owns nothing but the two sides; blocks on the disk.
 */
#ifndef KITBAG_ADMIN_COMPARE_H
#define KITBAG_ADMIN_COMPARE_H

#include "admin/past.h"

enum admin_difference { ADMIN_ADDED, ADMIN_CHANGED, ADMIN_REMOVED };
const char *admin_difference_name(enum admin_difference difference);

/* Born zeroed; sides that stay NULL hold nothing. They have to be opened with `values`. */
struct admin_compare {
    struct admin_past *from;
    struct admin_past *to;
    bool have_from, have_to; /* an item is at hand that was not told yet */
    struct admin_past_item from_item, to_item;
};
void admin_compare_close(struct admin_compare *compare);
/* Both sides go on behind a path. */
void admin_compare_seek(struct admin_compare *compare, struct span after);

struct admin_compare_row {
    enum admin_difference difference;
    struct span path;                   /* borrowed until the next call, as all of it */
    const struct admin_past_item *from; /* NULL: ADDED */
    const struct admin_past_item *to;   /* NULL: REMOVED */
};
/* The next difference in order of paths; E_NOT_FOUND behind the last, and what admin_past_next may
 * return. */
MUST_CHECK int admin_compare_next(struct admin_compare *compare, struct admin_compare_row *out,
                                  struct err *err);

#endif
