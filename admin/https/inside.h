/* admin/https/inside.h - the inside of struct admin_http, for http.c (threads, accepting, lanes),
 * connection.c (a connection's way from one request to the next) and answer.c.
 *
 * The loop's thread owns connections. A job is owned by the loop until it is put into a lane, by
 * the lane's thread until it is put into `done`, then by the loop again. A connection that ends
 * meanwhile leaves its job behind (connection = NULL, given_up = true).
 */
#ifndef KITBAG_ADMIN_HTTP_INSIDE_H
#define KITBAG_ADMIN_HTTP_INSIDE_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "admin/https/head.h"
#include "admin/https/http.h"
#include "base/queue.h"
#include "base/thread.h"

struct admin_connection;

struct admin_job {
    const struct admin_route *route;
    struct admin_request request; /* its body is `body_in` */
    struct admin_response response;
    struct buf body_in;
    struct buf body_out;
    atomic_bool given_up; /* set by the loop, read by the lane's thread: no lock needed */
    struct admin_connection *connection; /* the loop's alone */
};

struct admin_lane_thread {
    struct queue *jobs;
    struct queue *done; /* that of all lanes */
    struct thread *thread;
};

struct admin_http {
    struct admin_http_options options;
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *resume; /* accept again after a failure */
    struct event *stopped;
    struct event *finished;
    int stop_fd; /* an eventfd: readable when the loop has to end */
    struct queue *done;
    struct admin_lane_thread lanes[ADMIN_LANES];
    struct thread *loop;
    /* The loop's. */
    struct admin_connection *connections;
    unsigned connection_count;
    unsigned stream_count;
    unsigned file_count;
};

/* Where a connection is on its way; its timer belongs to the state. */
enum admin_state {
    ADMIN_STATE_HEAD,
    ADMIN_STATE_BODY,
    ADMIN_STATE_RUNNING,
    ADMIN_STATE_ANSWER,
    ADMIN_STATE_STREAM,
    ADMIN_STATE_LINGER,
};

struct admin_connection {
    struct admin_http *http;
    struct admin_connection *next;
    struct admin_connection **link; /* what points to us */
    struct bufferevent *bev;
    struct event *timer;
    enum admin_state state;
    bool close_after;  /* the answer is the last one */
    bool linger_after; /* and the client may still be sending */
    bool expects_continue;
    bool has_file; /* counted in http->file_count */
    uint64_t body_left;
    uint64_t file_offset;
    uint64_t moved;      /* bytes of the body since the timer was set */
    size_t waiting;      /* bytes of the answer when the timer was set */
    uint64_t spoke_ms;   /* when a stream last gave something */
    uint64_t drained_ms; /* when its reader was last not behind */
    struct admin_job *job;
    struct buf piece; /* of a stream */
};

/* --- connection.c --- */

/* Takes the descriptor over. */
void admin_connection_open(struct admin_http *http, int fd);
void admin_connection_close(struct admin_connection *connection);

/* --- answer.c --- */

/* Its job is done: send what it gave. */
void admin_connection_answer(struct admin_connection *connection);
/* Answer without having run a function; the client may go on sending, so the connection ends. */
void admin_connection_refuse(struct admin_connection *connection, int code, const struct err *err);
/* Ask the stream that is the answer for more. May close the connection. */
void admin_connection_pump(struct admin_connection *connection);
void admin_connection_timer(struct admin_connection *connection, unsigned ms);

/* --- http.c --- */

/* Hand the job to its lane: E_BUSY when too much waits there. */
MUST_CHECK int admin_http_dispatch(struct admin_http *http, struct admin_job *job);
/* A connection came or went: is there room for another? */
void admin_http_count(struct admin_http *http, int change);

struct admin_job *admin_job_new(void); /* NULL when out of memory */
void admin_job_free(struct admin_job **job);

#endif
