/* admin/https/download.c - files that a route opened: whole, or from where a download broke off.
 *
 * All of it runs on the loop's thread. A piece is read when the one before is on its way: however
 * large the file and however slow its reader, no more than a piece is in memory. The file stays
 * open until its reader has it, also when it has no name any more.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/https/accept.h"
#include "admin/https/inside.h"

enum { PIECE_BYTES = 128 << 10, QUOTED_MAX = ADMIN_FILE_ETAG_MAX + 2, CONTENT_RANGE_MAX = 80 };

/* A part of it, unless it is another file by now than the one that the rest was taken of. */
static void choose_part(struct admin_connection *c, struct admin_reply *reply,
                        char content_range[CONTENT_RANGE_MAX])
{
    const struct admin_job *job = c->job;
    bool other = job->if_range[0] != '\0' && strcmp(job->if_range, reply->etag) != 0;
    struct admin_range range;
    int rc = other ? E_INVALID : admin_range_read(span_str(job->range), reply->size, &range);
    if (rc == E_NOT_FOUND) {
        reply->status = 416;
        (void)snprintf(content_range, CONTENT_RANGE_MAX, "bytes */%zu", reply->size);
        reply->size = 0;
        reply->range = content_range;
    } else if (rc == 0) {
        reply->status = 206;
        (void)snprintf(content_range, CONTENT_RANGE_MAX, "bytes %zu-%zu/%zu", range.first,
                       range.first + range.size - 1, reply->size);
        reply->size = range.size;
        reply->range = content_range;
        c->download_at = range.first;
    }
}

void admin_connection_download(struct admin_connection *c)
{
    const struct admin_response *response = &c->job->response;
    char etag[QUOTED_MAX];
    char content_range[CONTENT_RANGE_MAX];
    (void)snprintf(etag, sizeof etag, "\"%s\"", response->file_etag);
    struct admin_reply reply = {
        .status = 200,
        .type = response->content_type,
        .etag = etag,
        .download = response->disposition_name,
        .ranges = true,
        .size = (size_t)response->file_size,
    };
    c->download_at = 0;
    if (admin_etag_listed(span_str(c->job->if_none_match), etag)) {
        reply.status = 304;
        reply.size = 0;
    } else if (c->job->range[0] != '\0') {
        choose_part(c, &reply, content_range);
    }
    c->job->response.status = reply.status;
    c->download_left = c->head_only ? 0 : reply.size;
    admin_reply_head(c, &reply);
    (void)admin_connection_download_more(c);
}

bool admin_connection_download_more(struct admin_connection *c)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    struct evbuffer_iovec room;
    if (c->download_left == 0) {
        return false;
    }
    size_t size = c->download_left < PIECE_BYTES ? (size_t)c->download_left : PIECE_BYTES;
    ssize_t got = -1;
    if (evbuffer_reserve_space(out, (ev_ssize_t)size, &room, 1) == 1) {
        do {
            got = pread(c->job->response.file, room.iov_base, size, (off_t)c->download_at);
        } while (got < 0 && errno == EINTR);
    }
    if (got <= 0) { /* what was promised can't be given: the client sees that it is not whole */
        c->download_left = 0;
        c->cut = true;
        return true;
    }
    room.iov_len = (size_t)got;
    c->download_at += (uint64_t)got;
    c->download_left -= (uint64_t)got;
    c->moved += (uint64_t)got;
    (void)evbuffer_commit_space(out, &room, 1); /* fails for another's room only */
    return true;
}
