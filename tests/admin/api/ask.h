/* tests/admin/api/ask.h - a request put to the API's routes, as text in, JSON out, without a
 * socket. */
#ifndef KITBAG_TESTS_ADMIN_ASK_H
#define KITBAG_TESTS_ADMIN_ASK_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "admin/api/api.h"
#include "admin/auth/auth.h"
#include "tests/admin/fake_backend.h"
#include "tests/support/fail_alloc.h"

/* Which allocation of the next request fails (0: none), and whether one did. jansson's count only
 * after ask_with_jansson. */
static struct {
    unsigned nth;
    bool failed;
} ask_fails;

static inline void ask_with_jansson(void)
{
    json_set_alloc_funcs(malloc, free);
}

/* The header If-Match of the next requests. */
static const char *ask_if_match;
/* The header Last-Event-ID of the next requests. */
static const char *ask_last_event_id;

/* Who sends the next requests, and from where; all NULL: nobody keeps accounts. */
static struct {
    struct admin_auth *auth;
    const struct admin_identity *who;
    const char *address;
} ask_as;

/* What was answered. */
struct answer {
    int status;
    json_t *json;
    char raw[256]; /* an item's bytes, as text */
    uint64_t etag;
    char set_cookie[ADMIN_COOKIE_MAX];
    unsigned retry_after_s;
    struct admin_stream *stream; /* the test frees it */
    char about[512];             /* what the audit is told, as text */
    bool partly;                 /* it is told although it failed */
};

static inline int ask_file(const char *text)
{
    int fd = memfd_create("upload", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

static inline void ask_introduce(struct admin_request *request)
{
    request->auth = ask_as.auth;
    request->who = ask_as.who;
    request->address = ask_as.address;
    request->via = ADMIN_VIA_SESSION;
    if (ask_as.who != NULL) {
        request->actor = ask_as.who->actor;
        request->role = ask_as.who->role;
        request->via = ask_as.who->via;
    }
}

static inline void ask_headers(struct admin_request *request)
{
    if (ask_if_match != NULL) {
        (void)snprintf(request->if_match, sizeof request->if_match, "%s", ask_if_match);
    }
    if (ask_last_event_id != NULL) {
        (void)snprintf(request->last_event_id, sizeof request->last_event_id, "%s",
                       ask_last_event_id);
    }
}

/* The beginning of the file that is the answer; false: it is none. */
static inline bool ask_take_file(struct admin_response *response, struct answer *answer)
{
    if (!response->is_file) {
        return false;
    }
    ssize_t got = pread(response->file, answer->raw, sizeof answer->raw - 1, 0);
    answer->raw[got > 0 ? got : 0] = '\0';
    admin_response_drop_file(response);
    return true;
}

/* `target` as in HTTP; `body` is the JSON, or the file of a route that takes one. */
static inline struct answer ask(struct fake_backend *fake, const char *method, const char *target,
                                const char *body)
{
    static atomic_bool given_up;
    struct admin_request request = {.backend = &fake->backend,
                                    .actor = "admin",
                                    .role = ADMIN_ROLE_ADMIN,
                                    .file = -1,
                                    .given_up = &given_up};
    struct admin_response response = {0};
    ask_introduce(&request);
    ask_headers(&request);
    struct buf out;
    struct err err = {0};
    int rc = 0;
    const char *mark = strchr(target, '?');
    struct span path = span_of(target, mark != NULL ? (size_t)(mark - target) : strlen(target));
    struct span query = span_str(mark != NULL ? mark + 1 : "");
    buf_init(&out, ADMIN_RESPONSE_MAX_BYTES);
    int file = body != NULL && strstr(target, "format=") != NULL ? ask_file(body) : -1;
    if (ask_fails.nth != 0) {
        fail_alloc_at(ask_fails.nth);
    }
    const struct admin_route *route =
        admin_route_find(admin_api_routes, span_str(method), path, response.allow, &rc, &err);
    if (route != NULL) {
        rc = admin_request_fill(&request, route, path, query, &err);
    }
    if (rc == 0 && route->body == ADMIN_BODY_FILE) {
        request.file = file;
    } else if (rc == 0 && body != NULL) {
        request.body = span_str(body);
    }
    if (rc == 0) {
        admin_route_run(route, &request, &response, &out);
    } else {
        admin_problem(&response, rc, &err, &out);
    }
    ask_fails.failed = ask_fails.nth != 0 && fail_alloc_stop();
    struct answer answer = {
        .status = response.status, .stream = response.stream, .etag = response.etag};
    answer.retry_after_s = response.retry_after_s;
    answer.partly = response.partly;
    memcpy(answer.set_cookie, response.set_cookie, sizeof answer.set_cookie);
    if (response.about != NULL) {
        (void)json_dumpb(response.about, answer.about, sizeof answer.about - 1, JSON_COMPACT);
        json_decref(response.about);
    }
    bool is_file = ask_take_file(&response, &answer);
    bool document = response.is_raw && response.content_type != NULL &&
                    strcmp(response.content_type, "application/json") == 0;
    if (response.is_raw && !document) {
        (void)snprintf(answer.raw, sizeof answer.raw, "%.*s", (int)out.size,
                       out.size > 0 ? (const char *)out.data : "");
    } else if (response.stream == NULL && !is_file && buf_error(&out) == 0) {
        answer.json = json_loadb((const char *)out.data, out.size, 0, NULL);
        if (answer.json == NULL) {
            fail_msg("this is no JSON: %.*s", (int)out.size, (const char *)out.data);
        }
    }
    assert_true(ask_fails.failed || answer.json != NULL || response.stream != NULL ||
                response.is_raw || is_file);
    if (file >= 0) {
        (void)close(file);
    }
    admin_request_free(&request);
    buf_free(&out);
    return answer;
}

static inline const char *text_at(const struct answer *answer, const char *member)
{
    const char *text = json_string_value(json_object_get(answer->json, member));
    return text != NULL ? text : "(none)";
}

static inline json_int_t number_at(const struct answer *answer, const char *member)
{
    const json_t *value = json_object_get(answer->json, member);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* The named member of the i-th object of an array. */
static inline json_t *row_at(const struct answer *answer, const char *array, size_t i,
                             const char *member)
{
    return json_object_get(json_array_get(json_object_get(answer->json, array), i), member);
}

static inline const char *row_text(const struct answer *answer, const char *array, size_t i,
                                   const char *member)
{
    const char *text = json_string_value(row_at(answer, array, i, member));
    return text != NULL ? text : "(none)";
}

static inline size_t rows_of(const struct answer *answer, const char *array)
{
    return json_array_size(json_object_get(answer->json, array));
}

/* The answer is a problem with this status, code and sentence. */
static inline void expect_problem(struct answer *answer, int status, const char *code,
                                  const char *detail)
{
    assert_int_equal(answer->status, status);
    assert_string_equal(text_at(answer, "code"), code);
    assert_string_equal(text_at(answer, "detail"), detail);
    json_decref(answer->json);
    answer->json = NULL;
}

static inline void answer_free(struct answer *answer)
{
    json_decref(answer->json);
    answer->json = NULL;
}

#endif
