/* server/rows.h - all live rows of a bag, page after page: for short lists such as the registry. */
#ifndef KITBAG_SERVER_ROWS_H
#define KITBAG_SERVER_ROWS_H

#include "kv/kv.h"

/* Every live item whose path begins with `prefix` (empty: all), in order of paths, as applied.
 * `each` returning non-zero stops and is returned. Errors as of kv_page. */
MUST_CHECK int rows_each(struct kv *kv, uint64_t bag_id, struct span prefix, kv_row_fn *each,
                         void *context, struct err *err);

#endif
