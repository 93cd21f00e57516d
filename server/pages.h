/* server/pages.h - one page of a bag, read under one view, as the wire has it. */
#ifndef KITBAG_SERVER_PAGES_H
#define KITBAG_SERVER_PAGES_H

#include "kv/kv.h"
#include "transport/feed.h"

/* The memory of the page that was read last. Born by pages_init. */
struct pages {
    struct buf rows;
    struct buf next;
};

void pages_init(struct pages *pages);
void pages_free(struct pages *pages);

/* What to read: of FEED_DO_READ. */
struct page_request {
    uint64_t bag_id;
    uint64_t since;
    struct span after;
    size_t budget_bytes;
};

/* Never fails: what goes wrong is the page's code, and logged. The page points into `pages` and
 * lives until the next call. */
void pages_read(struct pages *pages, struct kv *kv, const struct page_request *request,
                struct feed_page *out);

#endif
