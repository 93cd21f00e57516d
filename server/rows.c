/* server/rows.c - a loop around kv_page. */
#include "server/rows.h"

#include <string.h>

enum { PAGE_BYTES = 65536 };

struct walk_state {
    kv_row_fn *each;
    void *context;
    int stopped;
};

static int each_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct walk_state *state = context;
    state->stopped = state->each(state->context, path, row, err);
    return state->stopped;
}

int rows_each(struct kv *kv, uint64_t bag_id, struct span prefix, kv_row_fn *each, void *context,
              struct err *err)
{
    ASSERT(kv != NULL && each != NULL);
    struct walk_state state = {each, context, 0};
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    uint8_t after[PATH_MAX_BYTES];
    bool end = false;
    int rc = 0;
    while (rc == 0 && !end) {
        size_t size = next.size;
        if (size > 0) {
            memcpy(after, next.data, size);
        }
        buf_reset(&next);
        struct kv_page page = {
            .bag_id = bag_id,
            .after = span_of(after, size),
            .prefix = prefix,
            .budget_bytes = PAGE_BYTES,
        };
        rc = kv_page(kv, NULL, &page, each_row, &state, &next, &end, err);
        if (state.stopped != 0) {
            rc = state.stopped;
        }
    }
    buf_free(&next);
    return rc;
}
