/* admin/https/http.c - the threads of the HTTP server: the loop that accepts, and the lanes. */
#include "admin/https/http.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "admin/https/inside.h"
#include "base/log.h"

enum {
    LANE_JOBS_MAX = 64,
    /* every job that can be there at once, so that a lane never waits for the loop */
    DONE_JOBS_MAX = ADMIN_LANES * (LANE_JOBS_MAX + 1),
    RESUME_MS = 500,
};

const struct admin_http_limits admin_http_usual = {
    .connections = 64,
    .streams = 16,
    .files = 2,
    .head_ms = 15000,
    .stall_ms = 60000,
    .stream_ms = 100,
};

/* --- jobs and lanes --- */

struct admin_job *admin_job_new(void)
{
    struct admin_job *job = calloc(1, sizeof *job);
    if (job != NULL) {
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
    }
    if (j->response.stream != NULL) {
        j->response.stream->free(j->response.stream);
    }
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
    struct admin_lane_thread *lane = context;
    thread_ready(self, 0, NULL);
    for (;;) {
        struct admin_job *job = queue_pop(lane->jobs, UINT_MAX);
        if (job == NULL) {
            return; /* closed */
        }
        if (!atomic_load(&job->given_up)) {
            admin_route_run(job->route, &job->request, &job->response, &job->body_out);
        }
        int rc = queue_push(lane->done, job, UINT_MAX);
        ASSERT(rc == 0); /* it has room for all, and is closed after us */
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
    return queue_push(http->lanes[lane].jobs, job, 0);
}

/* --- the loop's events --- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
                      int peer_size, void *context)
{
    (void)listener;
    (void)peer;
    (void)peer_size;
    admin_connection_open(context, fd);
}

/* No descriptor or no memory for another connection: let the others end first. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct admin_http *http = context;
    struct timeval wait = {.tv_usec = RESUME_MS * 1000};
    log_event(LOG_WARNING, "admin", "accept.failed", "errno=%d", errno);
    (void)evconnlistener_disable(listener);
    (void)event_add(http->resume, &wait);
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    admin_http_count(context, 0);
}

void admin_http_count(struct admin_http *http, int change)
{
    http->connection_count = (unsigned)((int)http->connection_count + change);
    if (http->connection_count < http->options.limits->connections) {
        (void)evconnlistener_enable(http->listener);
    } else {
        (void)evconnlistener_disable(http->listener);
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
    int rc = queue_new(&http->done, DONE_JOBS_MAX, err);
    if (rc != 0) {
        return rc;
    }
    http->base = event_base_new();
    if (http->base == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    http->listener =
        evconnlistener_new(http->base, on_accept, http, LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0,
                           http->options.listener);
    http->resume = evtimer_new(http->base, on_resume, http);
    http->stopped = event_new(http->base, http->stop_fd, EV_READ, on_stop, http);
    http->finished =
        event_new(http->base, queue_fd(http->done), EV_READ | EV_PERSIST, on_finished, http);
    if (http->listener == NULL || http->resume == NULL || http->stopped == NULL ||
        http->finished == NULL || event_add(http->stopped, NULL) != 0 ||
        event_add(http->finished, NULL) != 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    evconnlistener_set_error_cb(http->listener, on_accept_error);
    return evconnlistener_enable(http->listener) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int start_threads(struct admin_http *http, struct err *err)
{
    static const char *const names[ADMIN_LANES] = {"admin-quick", "admin-list", "admin-past",
                                                   "admin-long", "admin-password"};
    int rc = 0;
    for (int i = 0; i < ADMIN_LANES && rc == 0; i++) {
        struct admin_lane_thread *lane = &http->lanes[i];
        lane->done = http->done;
        rc = queue_new(&lane->jobs, LANE_JOBS_MAX, err);
        if (rc == 0) {
            rc = thread_start(&lane->thread, names[i], run_lane, lane, err);
        }
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
        thread_join(&http->lanes[i].thread);
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
    if (http->listener != NULL) {
        evconnlistener_free(http->listener); /* leaves the descriptor */
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
    ASSERT(options->listener >= 0 && options->routes != NULL && options->limits != NULL);

    struct admin_http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    http->options = *options;
    http->stop_fd = -1;
    int rc = make_events(http, err);
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
    int listener = (*http)->options.listener;
    tear_down(*http);
    (void)close(listener); /* nothing was written to it */
    *http = NULL;
}
