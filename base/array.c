#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

enum { CAPACITY_FIRST = 16 };

void *array_reserve(void *items, size_t *capacity, size_t needed, size_t size)
{
    ASSERT(capacity != NULL && (items != NULL || *capacity == 0));
    ASSERT(needed > 0 && size > 0);

    if (needed <= *capacity) {
        return items;
    }
    size_t most = SIZE_MAX / size;
    if (needed > most) {
        return NULL;
    }
    size_t wanted = *capacity > most / 2 ? most : 2 * *capacity;
    wanted = wanted > CAPACITY_FIRST ? wanted : CAPACITY_FIRST;
    wanted = wanted > needed ? wanted : needed;
    void *wider = realloc(items, wanted * size);
    if (wider != NULL) {
        *capacity = wanted;
    }
    return wider;
}
