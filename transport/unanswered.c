/* transport/unanswered.c - a ring that grows while it is needed and goes when it is empty. */
#include "transport/unanswered.h"

#include <stdlib.h>

#include "base/err.h"

enum { FIRST_CAPACITY = 8 };

void unanswered_free(struct unanswered *all)
{
    free(all->ring);
    *all = (struct unanswered){0};
}

static int grow(struct unanswered *all)
{
    uint32_t capacity = all->capacity == 0 ? FIRST_CAPACITY : 2 * all->capacity;
    struct unanswered_write *ring = malloc(capacity * sizeof *ring);
    if (ring == NULL) {
        return E_NOMEM;
    }
    for (uint32_t i = 0; i < all->writes; i++) {
        ring[i] = all->ring[(all->first + i) & (all->capacity - 1)];
    }
    free(all->ring);
    all->ring = ring;
    all->capacity = capacity;
    all->first = 0;
    return 0;
}

int unanswered_add(struct unanswered *all, uint32_t operations, uint32_t bytes)
{
    ASSERT(operations > 0);
    if (all->writes == all->capacity && grow(all) != 0) {
        return E_NOMEM;
    }
    all->ring[(all->first + all->writes) & (all->capacity - 1)] =
        (struct unanswered_write){.operations = operations, .bytes = bytes};
    all->writes++;
    all->operations += operations;
    all->bytes += bytes;
    return 0;
}

void unanswered_take(struct unanswered *all)
{
    if (all->operations == 0) {
        return;
    }
    struct unanswered_write *oldest = &all->ring[all->first];
    oldest->operations--;
    all->operations--;
    if (oldest->operations == 0) {
        all->bytes -= oldest->bytes;
        all->first = (all->first + 1) & (all->capacity - 1);
        all->writes--;
    }
    if (all->writes == 0 && all->capacity > FIRST_CAPACITY) {
        unanswered_free(all);
    }
}
