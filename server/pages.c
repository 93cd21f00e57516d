/* server/pages.c - rows until the frame is full. */
#include "server/pages.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"

enum {
    ROW_HEAD_BYTES = 48,                            /* all of an encoded row but path and value */
    ROWS_MAX_BYTES = VALUE_MAX_BYTES + (128 << 10), /* a page and the largest row */
};

void pages_init(struct pages *pages)
{
    ASSERT(pages != NULL);
    buf_init(&pages->rows, ROWS_MAX_BYTES);
    buf_init(&pages->next, PATH_MAX_BYTES);
}

void pages_free(struct pages *pages)
{
    ASSERT(pages != NULL);
    buf_free(&pages->rows);
    buf_free(&pages->next);
}

struct fill {
    struct buf *rows;
    size_t budget_bytes;
    uint32_t count;
    bool full;
};

static int add_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)err;
    struct fill *fill = context;
    size_t size = path.size + row->value.size + ROW_HEAD_BYTES;
    if (fill->count > 0 && fill->rows->size + size > fill->budget_bytes) {
        fill->full = true;
        return 1;
    }
    wire_put_row(fill->rows, path, row);
    fill->count++;
    return buf_error(fill->rows);
}

static int read_rows(struct pages *pages, struct kv *kv, struct kv_view *view,
                     const struct page_request *request, struct feed_page *out, struct err *err)
{
    struct fill fill = {.rows = &pages->rows, .budget_bytes = request->budget_bytes};
    struct kv_page page = {
        .bag_id = request->bag_id,
        .since = request->since,
        .after = request->after,
        .budget_bytes = request->budget_bytes,
    };
    int rc = kv_page(kv, view, &page, add_row, &fill, &pages->next, &out->end, err);
    if (fill.full) {
        out->end = false;
        rc = 0;
    }
    out->rows = buf_span(&pages->rows);
    out->row_count = fill.count;
    out->next = buf_span(&pages->next);
    return rc;
}

static int read_page(struct pages *pages, struct kv *kv, struct kv_view *view,
                     const struct page_request *request, struct feed_page *out, struct err *err)
{
    struct bag_row bag = {0};
    int rc = kv_bag(kv, view, request->bag_id, &bag, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? E_BAG_GONE : rc;
    }
    struct kv_position position = {0};
    rc = kv_view_position(kv, view, &position, err);
    if (rc != 0) {
        return rc;
    }
    out->last_seq = bag.last_seq;
    out->position.seq = position.seq;
    memcpy(out->position.hash, position.hash, SHA256_SIZE);
    out->whole = request->since != 0 && request->since < bag.purged_to;
    rc = out->whole ? 0 : read_rows(pages, kv, view, request, out, err);
    out->has_digest = out->end;
    out->digest = bag.digest; /* of the same snapshot as last_seq */
    return rc;
}

void pages_read(struct pages *pages, struct kv *kv, const struct page_request *request,
                struct feed_page *out)
{
    ASSERT(pages != NULL && kv != NULL && request != NULL && out != NULL);
    struct err err = {0};
    struct kv_view *view = NULL;
    *out = (struct feed_page){.bag_id = request->bag_id};
    buf_reset(&pages->rows);
    buf_reset(&pages->next);
    int rc = kv_view_new(&view, kv, &err);
    if (rc == 0) {
        rc = read_page(pages, kv, view, request, out, &err);
    }
    kv_view_free(&view);
    out->code = rc;
    if (rc != 0 && rc != E_BAG_GONE) {
        log_event(LOG_ERROR, "session", "page.failed", "bag=%" PRIu64 " code=%s text=%s",
                  request->bag_id, err_name(rc), LOG_Q(err.text));
    }
}
