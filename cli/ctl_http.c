/* cli/ctl_http.c - libcurl on a Unix socket. */
#include "cli/ctl_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/file.h"
#include "cli/output.h"

enum {
    ANSWER_MAX_BYTES = 80 << 20,
    LINE_MAX_BYTES = 16 << 20,
    CONNECT_MS = 5000,
    QUICK_MS = 60000,
    LONG_MS = 3600 * 1000, /* a deletion or an import of very many */
};

static const char SOCKET_NAME[] = "admin.sock";
static const char USUAL_DATA_DIR[] = "/var/lib/kitbagd";

/* One request and what came of it. */
struct exchange {
    const struct invocation *invocation;
    CURL *curl;
    struct curl_slist *headers;
    char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct buf answer; /* of a stream: the line that is not whole yet */
    struct span upload;
    size_t uploaded;
    ctl_line_fn *each; /* of a stream */
    void *context;
    int rc; /* of a callback */
    struct err *err;
};

const char *ctl_data_dir(const struct invocation *invocation)
{
    const char *dir = invocation_option(invocation, "data");
    if (dir == NULL) {
        dir = getenv("KITBAG_SERVER_DATA");
    }
    return dir != NULL && dir[0] != '\0' ? dir : USUAL_DATA_DIR;
}

/* --- what libcurl calls --- */

static size_t on_answer(char *data, size_t one, size_t size, void *context)
{
    struct exchange *ex = context;
    ex->rc = buf_append(&ex->answer, data, one * size);
    if (ex->rc != 0) {
        (void)err_set(ex->err, ex->rc, "the server's answer is too long");
    }
    return ex->rc == 0 ? size : 0;
}

static int problem(json_t *document, long status, struct err *err)
{
    const char *name = json_string_value(json_object_get(document, "code"));
    const char *detail = json_string_value(json_object_get(document, "detail"));
    if (name == NULL || detail == NULL) {
        return err_set(err, E_MALFORMED, "the server answered with HTTP status %ld", status);
    }
    return err_set(err, err_from_name(name), "%s", detail);
}

static int take_line(struct exchange *ex, struct span text)
{
    json_t *line = json_loadb((const char *)text.data, text.size, 0, NULL);
    int rc = 0;
    if (!json_is_object(line)) {
        rc = err_set(ex->err, E_MALFORMED, "the server's stream holds what is not a document");
    } else if (json_object_get(line, "detail") != NULL) {
        rc = problem(line, 200, ex->err);
    } else {
        rc = ex->each(ex->context, line, ex->err);
    }
    json_decref(line);
    return rc;
}

/* Whole lines go on; the rest waits for more. */
static size_t on_stream(char *data, size_t one, size_t size, void *context)
{
    struct exchange *ex = context;
    long status = 0;
    (void)curl_easy_getinfo(ex->curl, CURLINFO_RESPONSE_CODE, &status);
    if (on_answer(data, one, size, context) == 0) {
        return 0;
    }
    size_t used = 0;
    const uint8_t *end;
    while (status == 200 && ex->rc == 0 && used < ex->answer.size &&
           (end = memchr(ex->answer.data + used, '\n', ex->answer.size - used)) != NULL) {
        size_t line = (size_t)(end - (ex->answer.data + used)) + 1;
        ex->rc = take_line(ex, span_of(ex->answer.data + used, line));
        used += line;
    }
    memmove(ex->answer.data, ex->answer.data + used, ex->answer.size - used);
    buf_truncate(&ex->answer, ex->answer.size - used);
    return ex->rc == 0 ? size : 0;
}

static size_t on_upload(char *data, size_t one, size_t size, void *context)
{
    struct exchange *ex = context;
    size_t left = ex->upload.size - ex->uploaded;
    size_t piece = one * size < left ? one * size : left;
    if (piece > 0) {
        memcpy(data, ex->upload.data + ex->uploaded, piece);
    }
    ex->uploaded += piece;
    output_progress(ex->uploaded == ex->upload.size ? "sent; the server works on it" : "sending",
                    ex->uploaded, ex->upload.size);
    return piece;
}

/* --- a request --- */

static int close_exchange(struct exchange *ex, int rc)
{
    curl_slist_free_all(ex->headers);
    curl_easy_cleanup(ex->curl);
    buf_free(&ex->answer);
    return rc;
}

static int open_exchange(struct exchange *ex, const struct invocation *invocation,
                         const char *target, struct err *err)
{
    *ex = (struct exchange){.invocation = invocation, .err = err};
    buf_init(&ex->answer, ANSWER_MAX_BYTES);
    const char *dir = ctl_data_dir(invocation);
    if (path_join(ex->socket_path, sizeof ex->socket_path, dir, SOCKET_NAME) != 0) {
        return err_set(err, E_INVALID,
                       "the path of the data folder '%.80s...' is too long for a socket in it",
                       dir);
    }
    char url[4096] = "http://localhost";
    size_t size = strlen(url);
    if (strlen(target) >= sizeof url - size) {
        return err_set(err, E_TOO_LARGE, "that is too long to ask for");
    }
    memcpy(url + size, target, strlen(target) + 1);
    ex->curl = curl_easy_init();
    ex->headers = curl_slist_append(NULL, "Content-Type: application/json");
    bool ready =
        ex->curl != NULL && ex->headers != NULL &&
        curl_easy_setopt(ex->curl, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_UNIX_SOCKET_PATH, ex->socket_path) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_PROXY, "") == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_HTTPHEADER, ex->headers) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_TIMEOUT_MS, (long)QUICK_MS) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_WRITEFUNCTION, on_answer) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_WRITEDATA, ex) == CURLE_OK;
    return ready ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int no_server(const struct exchange *ex)
{
    const char *dir = ctl_data_dir(ex->invocation);
    return err_set(ex->err, E_UNREACHABLE,
                   "no server runs with the data folder '%s': start it with 'kitbagd --data %s'",
                   dir, dir);
}

static int transport_failed(const struct exchange *ex, CURLcode code)
{
    long number = 0;
    if (ex->rc != 0) {
        return ex->rc; /* a callback gave up, and said why */
    }
    (void)curl_easy_getinfo(ex->curl, CURLINFO_OS_ERRNO, &number);
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        if (number == EACCES || number == EPERM) {
            return err_set(ex->err, E_PERMISSION,
                           "'%s' may be opened by the server's own account only: run this as that "
                           "account",
                           ex->socket_path);
        }
        return no_server(ex);
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(ex->err, E_TIMEOUT, "the server did not answer in time");
    case CURLE_OUT_OF_MEMORY:
        return err_set(ex->err, E_NOMEM, "out of memory");
    default:
        return err_set(ex->err, E_UNREACHABLE,
                       "the server ended the connection (%s): is it stopping?",
                       curl_easy_strerror(code));
    }
}

static int perform(struct exchange *ex, json_t **document)
{
    CURLcode code = curl_easy_perform(ex->curl);
    long status = 0;
    output_progress_end();
    (void)curl_easy_getinfo(ex->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK && (status < 400 || ex->rc != 0)) {
        return transport_failed(ex, code);
    }
    if (ex->each != NULL && status == 200) {
        return 0;
    }
    json_t *json = json_loadb((const char *)ex->answer.data, ex->answer.size, 0, NULL);
    if (status / 100 != 2 || json == NULL) {
        int rc = problem(json, status, ex->err);
        json_decref(json);
        return rc;
    }
    *document = json;
    return 0;
}

/* What is asked of one owner may be asked of the past. */
static bool may_take_long(const char *target)
{
    static const char owners[] = "/api/v1/owners/";
    return strncmp(target, owners, sizeof owners - 1) == 0;
}

int ctl_ask(const struct invocation *invocation, const char *target, json_t *body, json_t **answer,
            struct err *err)
{
    struct exchange ex;
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    int rc = open_exchange(&ex, invocation, target, err);
    if (rc == 0 && body != NULL &&
        (text == NULL ||
         curl_easy_setopt(ex.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text)) !=
             CURLE_OK ||
         curl_easy_setopt(ex.curl, CURLOPT_POSTFIELDS, text) != CURLE_OK)) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0 && (body != NULL || may_take_long(target)) &&
        curl_easy_setopt(ex.curl, CURLOPT_TIMEOUT_MS, (long)LONG_MS) != CURLE_OK) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = perform(&ex, answer);
    }
    rc = close_exchange(&ex, rc);
    free(text);
    return rc;
}

/* CURLOPT_COPYPOSTFIELDS would end at a NUL without the size before it. */
static bool set_body(const struct exchange *ex, const struct ctl_request *request, struct span body)
{
    bool has_body = request->json != NULL || strcmp(request->method, "PUT") == 0;
    return curl_easy_setopt(ex->curl, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK &&
           (!has_body ||
            (curl_easy_setopt(ex->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size) ==
                 CURLE_OK &&
             curl_easy_setopt(ex->curl, CURLOPT_POSTFIELDS,
                              body.size > 0 ? (const char *)body.data : "") == CURLE_OK));
}

static bool add_condition(struct exchange *ex, const char *if_match)
{
    char header[64];
    if (if_match == NULL) {
        return true;
    }
    int size = snprintf(header, sizeof header, "If-Match: \"%s\"", if_match);
    struct curl_slist *headers =
        size > 0 && (size_t)size < sizeof header ? curl_slist_append(ex->headers, header) : NULL;
    if (headers == NULL) {
        return false;
    }
    ex->headers = headers;
    return curl_easy_setopt(ex->curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
}

int ctl_send(const struct invocation *invocation, const struct ctl_request *request,
             json_t **answer, struct err *err)
{
    struct exchange ex;
    char *text = request->json != NULL ? json_dumps(request->json, JSON_COMPACT) : NULL;
    struct span body = text != NULL ? span_str(text) : request->bytes;
    int rc = open_exchange(&ex, invocation, request->target, err);
    if (rc == 0 && ((request->json != NULL && text == NULL) || !set_body(&ex, request, body) ||
                    !add_condition(&ex, request->if_match))) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = perform(&ex, answer);
    }
    rc = close_exchange(&ex, rc);
    free(text);
    return rc;
}

int ctl_upload(const struct invocation *invocation, const char *target, struct span bytes,
               json_t **answer, struct err *err)
{
    struct exchange ex;
    int rc = open_exchange(&ex, invocation, target, err);
    ex.upload = bytes;
    if (rc == 0 && (curl_easy_setopt(ex.curl, CURLOPT_POST, 1L) != CURLE_OK ||
                    curl_easy_setopt(ex.curl, CURLOPT_POSTFIELDSIZE_LARGE,
                                     (curl_off_t)bytes.size) != CURLE_OK ||
                    curl_easy_setopt(ex.curl, CURLOPT_READFUNCTION, on_upload) != CURLE_OK ||
                    curl_easy_setopt(ex.curl, CURLOPT_READDATA, &ex) != CURLE_OK ||
                    curl_easy_setopt(ex.curl, CURLOPT_TIMEOUT_MS, (long)LONG_MS) != CURLE_OK)) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = perform(&ex, answer);
    }
    return close_exchange(&ex, rc);
}

int ctl_stream(const struct invocation *invocation, const char *target, ctl_line_fn *each,
               void *context, struct err *err)
{
    struct exchange ex;
    json_t *unused = NULL;
    int rc = open_exchange(&ex, invocation, target, err);
    ex.each = each;
    ex.context = context;
    ex.answer.max = LINE_MAX_BYTES;
    if (rc == 0 && (curl_easy_setopt(ex.curl, CURLOPT_WRITEFUNCTION, on_stream) != CURLE_OK ||
                    curl_easy_setopt(ex.curl, CURLOPT_TIMEOUT_MS, 0L) != CURLE_OK)) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = perform(&ex, &unused);
    }
    json_decref(unused);
    return close_exchange(&ex, rc);
}
