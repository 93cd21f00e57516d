/* admin/https/file.c - the console's files, from memory: whole, in part, compressed, or "as it
 * was".
 *
 * All of it runs on the loop's thread; nothing is copied.
 */
#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "admin/https/accept.h"
#include "admin/https/inside.h"

enum { ETAG_MAX = 96, CONTENT_RANGE_MAX = 80 };

const struct admin_asset *admin_asset_find(const struct admin_asset *assets, struct span path)
{
    for (const struct admin_asset *asset = assets; asset != NULL && asset->path != NULL; asset++) {
        if (span_equal(path, span_str(asset->path))) {
            return asset;
        }
    }
    return NULL;
}

/* One file as one request wants it. */
struct sending {
    struct admin_reply reply;
    char etag[ETAG_MAX];
    char content_range[CONTENT_RANGE_MAX];
    const unsigned char *bytes;
};

/* Which of its two forms? */
static void choose_form(struct sending *sending, const struct admin_asset *asset,
                        const struct admin_http_head *head)
{
    bool gzip = asset->gzip != NULL && admin_accepts_gzip(head->accept_encoding);
    sending->bytes = gzip ? asset->gzip : asset->plain;
    sending->reply = (struct admin_reply){
        .status = 200,
        .type = asset->type,
        .cache = asset->immutable ? "public, max-age=31536000, immutable" : "no-cache",
        .etag = sending->etag,
        .encoding = gzip ? "gzip" : NULL,
        .varies = asset->gzip != NULL,
        .ranges = true,
        .size = gzip ? asset->gzip_size : asset->plain_size,
    };
    (void)snprintf(sending->etag, sizeof sending->etag, "\"%s%s\"", asset->etag,
                   gzip ? "-gzip" : "");
}

/* A part of it, unless it is another file by now than the one that the rest was taken of. */
static void choose_part(struct sending *sending, const struct admin_http_head *head)
{
    struct admin_reply *reply = &sending->reply;
    if (head->if_range.size > 0 && !span_equal(head->if_range, span_str(sending->etag))) {
        return;
    }
    size_t size = reply->size;
    struct admin_range range;
    int rc = admin_range_read(head->range, size, &range);
    if (rc == E_NOT_FOUND) {
        reply->status = 416;
        reply->size = 0;
        (void)snprintf(sending->content_range, sizeof sending->content_range, "bytes */%zu", size);
    } else if (rc == 0) {
        reply->status = 206;
        reply->size = range.size;
        sending->bytes += range.first;
        (void)snprintf(sending->content_range, sizeof sending->content_range, "bytes %zu-%zu/%zu",
                       range.first, range.first + range.size - 1, size);
    } else {
        return;
    }
    reply->range = sending->content_range;
}

void admin_connection_send_file(struct admin_connection *c, const struct admin_asset *asset,
                                const struct admin_http_head *head)
{
    struct sending sending;
    choose_form(&sending, asset, head);
    sending.content_range[0] = '\0';
    if (admin_etag_listed(head->if_none_match, sending.etag)) {
        sending.reply.status = 304;
        sending.reply.size = 0;
    } else if (head->range.size > 0) {
        choose_part(&sending, head);
    }
    admin_connection_enter(c, ADMIN_STATE_ANSWER);
    admin_reply_head(c, &sending.reply);
    if (!c->head_only && sending.reply.size > 0 &&
        evbuffer_add_reference(bufferevent_get_output(c->bev), sending.bytes, sending.reply.size,
                               NULL, NULL) != 0) {
        c->cut = true; /* no memory: the answer is not whole */
    }
    admin_connection_timer(c, c->http->options.limits->stall_ms);
}
