/* admin/https/inside.h - the inside of struct admin_http, for
 *
 *   http.c        threads, lanes, accepting
 *   crowd.c       who is let in when there is no room
 *   connection.c  a connection's way from one request to the next
 *   entry.c       a request: its route, who asks, whether its body may come
 *   answer.c      what is said: documents, problems, streams
 *   file.c        what is said: files of the console
 *   download.c    what is said: files that a route opened
 *   reply.c       the head of what is said
 *
 * The loop's thread owns connections. A job is owned by the loop until it is put into a lane, by
 * the lane's thread until it is put into `done`, then by the loop again. A connection that ends
 * meanwhile leaves its job behind (connection = NULL, given_up = true), and what the job holds is
 * counted until it is freed, by the loop or when no thread runs any more.
 */
#ifndef KITBAG_ADMIN_HTTPS_INSIDE_H
#define KITBAG_ADMIN_HTTPS_INSIDE_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>

#include "admin/https/head.h"
#include "admin/https/http.h"
#include "base/queue.h"
#include "base/thread.h"

enum {
    ADMIN_LANE_THREADS_MAX = 2,
    ADMIN_LANE_JOBS_MAX = 64, /* that wait in one */
    /* All that the loop has handed out and not taken back: `done` has room for as many. */
    ADMIN_JOBS_OUT_MAX = ADMIN_LANES * (ADMIN_LANE_JOBS_MAX + ADMIN_LANE_THREADS_MAX),
};

struct admin_connection;

struct admin_job {
    struct admin_http *http;
    const struct admin_route *route;
    /* Its body is `body_in`, its who `who`, its address `address`; a file that it has is counted in
     * http->file_count. */
    struct admin_request request;
    struct admin_identity who;
    struct admin_response response;
    char address[INET6_ADDRSTRLEN]; /* a copy: the connection may end while the function runs */
    struct buf body_in;
    size_t body_reserved; /* for it, counted in http->body_bytes */
    struct buf body_out;
    char if_none_match[ADMIN_IF_MATCH_MAX]; /* the headers, "" when there is none */
    char range[ADMIN_IF_MATCH_MAX];
    char if_range[ADMIN_IF_MATCH_MAX];
    atomic_bool given_up; /* set by the loop, read by the lane's thread: no lock needed */
    struct admin_connection *connection; /* the loop's alone */
};

struct admin_lane_threads {
    const struct admin_http *http;
    struct queue *jobs;
    struct thread *threads[ADMIN_LANE_THREADS_MAX];
};

struct admin_http {
    struct admin_http_options options;
    int listener_fds[ADMIN_HTTP_LISTENERS_MAX];
    struct event_base *base;
    struct evconnlistener *listeners[ADMIN_HTTP_LISTENERS_MAX];
    struct event *resume; /* accept again after a failure */
    struct event *stopped;
    struct event *finished;
    int stop_fd; /* an eventfd: readable when the loop has to end */
    struct queue *done;
    struct admin_lane_threads lanes[ADMIN_LANES];
    struct thread *loop;
    /* The loop's. */
    struct admin_connection *connections; /* the newest first */
    unsigned connection_count;
    unsigned stream_count;
    unsigned file_count;
    unsigned jobs_out;   /* handed to lanes and not taken out of `done` */
    size_t body_bytes;   /* promised to bodies in memory */
    size_t answer_bytes; /* of answers that wait to be sent */
    uint64_t date_s;     /* the second that `date` tells */
    char date[32];
};

/* Where a connection is on its way; its timer belongs to the state. */
enum admin_state {
    ADMIN_STATE_HANDSHAKE, /* of TLS */
    ADMIN_STATE_HEAD,
    ADMIN_STATE_BODY,
    ADMIN_STATE_RUNNING,
    ADMIN_STATE_ANSWER,
    ADMIN_STATE_STREAM,
    ADMIN_STATE_LINGER,
};

/* Where somebody connects from. */
struct admin_peer {
    struct in6_addr group; /* what is counted together: an IPv4 address, or a /64 of IPv6 */
    char address[INET6_ADDRSTRLEN]; /* as text; "" of a local socket */
};

struct admin_connection {
    struct admin_http *http;
    struct admin_connection *next;
    struct admin_connection **link; /* what points to us */
    struct bufferevent *bev;
    struct ssl_st *ssl; /* of `bev`; NULL: no TLS */
    struct event *timer;
    struct admin_peer peer;
    enum admin_state state;
    uint64_t since_ms; /* when that state began; of HEAD: when the connection began to wait */
    bool known;        /* who asked on it was let in */
    bool head_only;    /* the request is a HEAD: no body is sent */
    bool close_after;  /* the answer is the last one */
    bool linger_after; /* and the client may still be sending */
    bool cut;          /* what was not sent yet is dropped */
    bool expects_continue;
    size_t answer_size; /* counted in http->answer_bytes */
    uint64_t body_left;
    uint64_t file_offset;
    uint64_t moved;      /* bytes of the body since the timer was set */
    size_t waiting;      /* bytes of the answer when the timer was set */
    uint64_t spoke_ms;   /* when a stream last gave something */
    uint64_t sent_ms;    /* when a stream was last sent anything */
    uint64_t alive_ms;   /* when it was last asked whether its reader still may */
    uint64_t drained_ms; /* when its reader was last not behind */
    struct admin_job *job;
    uint64_t download_at; /* where the rest of the file that is the answer begins */
    uint64_t download_left;
    struct buf piece; /* of a stream */
};

/* The head of an answer. Texts are borrowed for the call, NULL when there is none. */
struct admin_reply {
    int status;
    const char *type;
    const char *cache; /* Cache-Control; NULL: no-store */
    const char *etag;  /* in its quotes */
    const char *encoding;
    bool varies; /* with Accept-Encoding */
    const char *allow;
    const char *cookie;
    const char *download; /* saved under this name */
    const char *range;    /* Content-Range */
    bool ranges;          /* Range is taken */
    unsigned retry_after_s;
    bool chunked;
    size_t size; /* of the body, unless it is chunked */
};

/* --- crowd.c --- */

/* Of a peer's socket address. */
void admin_peer_of(struct admin_peer *peer, const struct sockaddr *address);
/* May somebody come in from there? Cuts whoever has to make room. */
bool admin_crowd_admit(struct admin_http *http, const struct admin_peer *peer);

/* --- connection.c --- */

/* Takes the descriptor over. */
void admin_connection_open(struct admin_http *http, int fd, const struct admin_peer *peer);
void admin_connection_close(struct admin_connection *connection);
void admin_connection_enter(struct admin_connection *connection, enum admin_state state);

/* --- entry.c --- */

/* The head is whole: make the job, find who answers and who asks. The job's response may hold what
 * goes with the refusal. `asset` is set in place of a job when a file is asked for. */
MUST_CHECK int admin_connection_begin(struct admin_connection *connection,
                                      const struct admin_http_head *head,
                                      const struct admin_asset **asset, struct err *err);

/* --- answer.c --- */

/* Its job is done: send what it gave. */
void admin_connection_answer(struct admin_connection *connection);
/* Answer without having run a function. With `whole` all of the request was read, and others may
 * follow; else the client may go on sending, so the connection ends. */
void admin_connection_refuse(struct admin_connection *connection, bool whole, int code,
                             const struct err *err);
/* Ask the stream that is the answer for more. May close the connection. */
void admin_connection_pump(struct admin_connection *connection);
void admin_connection_timer(struct admin_connection *connection, unsigned ms);

/* --- file.c --- */

/* NULL when there is none at that path. */
const struct admin_asset *admin_asset_find(const struct admin_asset *assets, struct span path);
void admin_connection_send_file(struct admin_connection *connection,
                                const struct admin_asset *asset,
                                const struct admin_http_head *head);

/* --- download.c --- */

/* The job's answer is a file: its head, and the first piece. */
void admin_connection_download(struct admin_connection *connection);
/* All was written: the next piece of the file. False: that was the last one. The connection is to
 * be cut when the piece can't be read. */
bool admin_connection_download_more(struct admin_connection *connection);

/* --- reply.c --- */

void admin_reply_head(struct admin_connection *connection, const struct admin_reply *reply);

/* --- http.c --- */

/* Hand the job to its lane: E_BUSY when too much waits there, or too many are out. */
MUST_CHECK int admin_http_dispatch(struct admin_http *http, struct admin_job *job);
/* A connection came or went: is there room for another? */
void admin_http_count(struct admin_http *http, int change);

struct admin_job *admin_job_new(struct admin_http *http); /* NULL when out of memory */
void admin_job_free(struct admin_job **job);

#endif
