/* base/array.h - room in an array that grows. */
#ifndef KITBAG_BASE_ARRAY_H
#define KITBAG_BASE_ARRAY_H

#include <stddef.h>

#include "base/assert.h"

/* Room for `needed` elements, of `size` bytes each, in `items`, which has room for `*capacity`:
 *
 *     struct thing *things = array_reserve(all->things, &all->capacity, all->count + 1,
 *                                          sizeof *things);
 *     if (things == NULL) {
 *         return E_NOMEM;
 *     }
 *     all->things = things;
 *
 *   items     NULL only when `*capacity` is 0; when it has to move, the old place is gone
 *   capacity  of several arrays that share one: ask for each with a copy of the old one, and keep
 *             the new one when all have room
 *   needed    at least 1
 *
 * The room at least doubles, so that adding one by one takes few moves; new elements are not
 * zeroed. Returns where the elements are now, to be freed with free(), or NULL when out of memory:
 * then `items` and `*capacity` are as they were.
 */
MUST_CHECK void *array_reserve(void *items, size_t *capacity, size_t needed, size_t size);

#endif
