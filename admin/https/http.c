/* admin/https/http.c - the threads of the HTTP server: the loop that accepts, and the lanes. */
#include "admin/https/http.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "admin/https/inside.h"
#include "base/log.h"

enum { RESUME_MS = 500 };

static const struct {
    const char *name;
    int threads;
    size_t jobs; /* that wait at most */
} lane_rows[ADMIN_LANES] = {
    [ADMIN_LANE_QUICK] = {"admin-quick", 1, ADMIN_LANE_JOBS_MAX},
    [ADMIN_LANE_LIST] = {"admin-list", 1, ADMIN_LANE_JOBS_MAX},
    [ADMIN_LANE_PAST] = {"admin-past", 1, ADMIN_LANE_JOBS_MAX},
    [ADMIN_LANE_LONG] = {"admin-long", 1, ADMIN_LANE_JOBS_MAX},
    [ADMIN_LANE_PASSWORD] = {"admin-password", ADMIN_LANE_THREADS_MAX, 16},
};

const struct admin_http_limits admin_http_usual = {
    .connections = 64,
    .streams = 16,
    .files = 2,
    .head_ms = 15000,
    .stall_ms = 60000,
    .stream_stall_ms = 600000, /* somebody looks at a page of "journal tail" */
    .stream_ms = 100,
    .body_bytes = 64 << 20,
    .answer_bytes = 512 << 20,
};

/* Who is slow is cut within 15 s: by then a head was not whole, or 64 KiB did not move. */
const struct admin_http_limits admin_http_console = {
    .connections = 1024,
    .per_address = 64,
    .streams = 256,
    .files = 4,
    .head_ms = 10000,
    .stall_ms = 10000,
    .stream_stall_ms = 12000,
    .stream_ms = 100,
    .body_bytes = 64 << 20,
    .answer_bytes = 256 << 20,
};

/* --- jobs and lanes --- */

struct admin_job *admin_job_new(struct admin_http *http)
{
    struct admin_job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        job->http = http;
        buf_init(&job->body_in, ADMIN_BODY_MAX_BYTES);
        buf_init(&job->body_out, ADMIN_RESPONSE_MAX_BYTES);
        atomic_init(&job->given_up, false);
        job->request.file = -1;
        job->request.given_up = &job->given_up;
    }
    return job;
}

void admin_job_free(struct admin_job **job)
{
    if (job == NULL || *job == NULL) {
        return;
    }
    struct admin_job *j = *job;
    if (j->request.file >= 0) {
        (void)close(j->request.file); /* it has no name: it is gone now */
        j->http->file_count--;
    }
    j->http->body_bytes -= j->body_reserved;
    if (j->response.stream != NULL) {
        j->response.stream->free(j->response.stream);
    }
    admin_response_drop_file(&j->response);
    json_decref(j->response.json);
    json_decref(j->response.about);
    admin_request_free(&j->request);
    buf_free(&j->body_in);
    buf_free(&j->body_out);
    free(j);
    *job = NULL;
}

static void run_lane(struct thread *self, void *context)
{
    struct admin_lane_threads *lane = context;
    const struct admin_http_options *options = &lane->http->options;
    thread_ready(self, 0, NULL);
    for (;;) {
        struct admin_job *job = queue_pop(lane->jobs, UINT_MAX);
        if (job == NULL) {
            return; /* closed */
        }
        if (!atomic_load(&job->given_up)) {
            admin_route_run(job->route, &job->request, &job->response, &job->body_out);
            if (!options->local) {
                admin_auth_note(options->auth, options->backend);
            }
        }
        int rc = queue_push(lane->http->done, job, 0);
        ASSERT(rc == 0); /* it has room for all that are out, and is never closed */
    }
}

int admin_http_dispatch(struct admin_http *http, struct admin_job *job)
{
    enum admin_lane lane = job->route->lane;
    if (lane == ADMIN_LANE_LOOP) {
        job->request.at_once = true;
        admin_route_run(job->route, &job->request, &job->response, &job->body_out);
        job->request.at_once = false;
        if (!job->response.deferred) {
            admin_connection_answer(job->connection);
            return 0;
        }
        lane = ADMIN_LANE_QUICK;
    }
    if (http->jobs_out == ADMIN_JOBS_OUT_MAX) {
        return E_BUSY;
    }
    int rc = queue_push(http->lanes[lane].jobs, job, 0);
    http->jobs_out += rc == 0;
    return rc;
}

/* --- the loop's events --- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
                      int peer_size, void *context)
{
    (void)listener;
    (void)peer_size;
    struct admin_http *http = context;
    struct admin_peer from = {0};
    admin_peer_of(&from, peer);
    if (!admin_crowd_admit(http, &from)) {
        (void)evutil_closesocket(fd); /* nothing was read or written */
        return;
    }
    admin_connection_open(http, fd, &from);
}

/* No descriptor or no memory for another connection: let the others end first. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct admin_http *http = context;
    struct timeval wait = {.tv_usec = RESUME_MS * 1000};
    log_event(LOG_WARNING, "admin", "accept.failed", "errno=%d", errno);
    (void)evconnlistener_disable(listener);
    (void)event_add(http->resume, &wait); /* enables all of them */
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    admin_http_count(context, 0);
}

void admin_http_count(struct admin_http *http, int change)
{
    const struct admin_http_limits *limits = http->options.limits;
    http->connection_count = (unsigned)((int)http->connection_count + change);
    bool room = limits->per_address > 0 || http->connection_count < limits->connections;
    for (size_t i = 0; i < http->options.listener_count; i++) {
        if (room) {
            (void)evconnlistener_enable(http->listeners[i]);
        } else {
            (void)evconnlistener_disable(http->listeners[i]);
        }
    }
}

static void on_finished(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct admin_http *http = context;
    for (;;) {
        struct admin_job *job = queue_pop(http->done, 0);
        if (job == NULL) {
            return;
        }
        http->jobs_out--;
        if (job->connection != NULL) {
            admin_connection_answer(job->connection);
        } else {
            admin_job_free(&job);
        }
    }
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct admin_http *http = context;
    (void)event_base_loopbreak(http->base);
}

static void run_loop(struct thread *self, void *context)
{
    struct admin_http *http = context;
    thread_ready(self, 0, NULL);
    (void)event_base_dispatch(http->base);
    while (http->connections != NULL) {
        admin_connection_close(http->connections);
    }
}

/* --- starting and stopping --- */

static int make_events(struct admin_http *http, struct err *err)
{
    http->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (http->stop_fd < 0) {
        return err_sys(err, "eventfd", "administration");
    }
    int rc = queue_new(&http->done, ADMIN_JOBS_OUT_MAX, err);
    if (rc != 0) {
        return rc;
    }
    http->base = event_base_new();
    if (http->base == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    http->resume = evtimer_new(http->base, on_resume, http);
    http->stopped = event_new(http->base, http->stop_fd, EV_READ, on_stop, http);
    http->finished =
        event_new(http->base, queue_fd(http->done), EV_READ | EV_PERSIST, on_finished, http);
    if (http->resume == NULL || http->stopped == NULL || http->finished == NULL ||
        event_add(http->stopped, NULL) != 0 || event_add(http->finished, NULL) != 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    return 0;
}

static int make_listeners(struct admin_http *http, struct err *err)
{
    for (size_t i = 0; i < http->options.listener_count; i++) {
        struct evconnlistener *listener = evconnlistener_new(
            http->base, on_accept, http, LEV_OPT_CLOSE_ON_EXEC, 0, http->listener_fds[i]);
        if (listener == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        evconnlistener_set_error_cb(listener, on_accept_error);
        http->listeners[i] = listener;
    }
    return 0;
}

static int start_lane(struct admin_http *http, int row, struct err *err)
{
    struct admin_lane_threads *lane = &http->lanes[row];
    lane->http = http;
    int rc = queue_new(&lane->jobs, lane_rows[row].jobs, err);
    for (int i = 0; i < lane_rows[row].threads && rc == 0; i++) {
        rc = thread_start(&lane->threads[i], lane_rows[row].name, run_lane, lane, err);
    }
    return rc;
}

static int start_threads(struct admin_http *http, struct err *err)
{
    int rc = 0;
    for (int i = 0; i < ADMIN_LANES && rc == 0; i++) {
        rc = start_lane(http, i, err);
    }
    return rc == 0 ? thread_start(&http->loop, "admin", run_loop, http, err) : rc;
}

static void stop_threads(struct admin_http *http)
{
    if (http->loop != NULL) {
        uint64_t one = 1;
        ssize_t written = write(http->stop_fd, &one, sizeof one);
        ASSERT(written == sizeof one);
        thread_join(&http->loop);
    }
    for (int i = 0; i < ADMIN_LANES; i++) {
        if (http->lanes[i].jobs != NULL) {
            queue_close(http->lanes[i].jobs);
        }
        for (int t = 0; t < ADMIN_LANE_THREADS_MAX; t++) {
            thread_join(&http->lanes[i].threads[t]);
        }
        queue_free(&http->lanes[i].jobs);
    }
}

static void free_events(struct admin_http *http)
{
    struct event *events[] = {http->resume, http->stopped, http->finished};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    for (size_t i = 0; i < ADMIN_HTTP_LISTENERS_MAX; i++) {
        if (http->listeners[i] != NULL) {
            evconnlistener_free(http->listeners[i]); /* leaves the descriptor */
        }
    }
    if (http->base != NULL) {
        event_base_free(http->base);
    }
    if (http->stop_fd >= 0) {
        (void)close(http->stop_fd); /* nothing is lost */
    }
}

static void tear_down(struct admin_http *http)
{
    stop_threads(http);
    free_events(http);
    struct admin_job *job;
    while (http->done != NULL && (job = queue_pop(http->done, 0)) != NULL) {
        admin_job_free(&job);
    }
    queue_free(&http->done);
    free(http);
}

int admin_http_start(struct admin_http **out, const struct admin_http_options *options,
                     struct err *err)
{
    ASSERT(out != NULL && options != NULL);
    ASSERT(options->routes != NULL && options->limits != NULL);
    ASSERT(options->local || options->auth != NULL);
    ASSERT(options->listener_count > 0 && options->listener_count <= ADMIN_HTTP_LISTENERS_MAX);

    struct admin_http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    http->options = *options;
    memcpy(http->listener_fds, options->listeners, options->listener_count * sizeof(int));
    http->options.listeners = http->listener_fds;
    http->stop_fd = -1;
    int rc = make_events(http, err);
    if (rc == 0) {
        rc = make_listeners(http, err);
    }
    if (rc == 0) {
        rc = start_threads(http, err);
    }
    if (rc != 0) {
        tear_down(http);
        return rc;
    }
    *out = http;
    return 0;
}

void admin_http_stop(struct admin_http **http)
{
    if (http == NULL || *http == NULL) {
        return;
    }
    int fds[ADMIN_HTTP_LISTENERS_MAX];
    size_t count = (*http)->options.listener_count;
    memcpy(fds, (*http)->listener_fds, sizeof fds);
    tear_down(*http);
    for (size_t i = 0; i < count; i++) {
        (void)close(fds[i]); /* nothing was written to it */
    }
    *http = NULL;
}
