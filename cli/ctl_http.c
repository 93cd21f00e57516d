/* cli/ctl_http.c - libcurl on a Unix socket, or by TLS. */
#include "cli/ctl_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

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

/* What asked last, and of whom: it keeps the connection for the next page of a list. The program
 * has one thread. */
static struct {
    CURL *curl;
    struct ctl_server server;
} kept;

/* One request and what came of it. */
struct exchange {
    const struct ctl_server *server;
    CURL *curl;
    bool keep;              /* it goes back to `kept` */
    struct ctl_trust trust; /* over HTTPS */
    struct curl_slist *headers;
    char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct buf answer; /* of a stream: the line that is not whole yet */
    struct span upload;
    size_t uploaded;
    char *cookie;                  /* where the answer's goes; NULL: nobody wants it */
    struct ctl_download *download; /* NULL: the answer is no file */
    ctl_line_fn *each;             /* of a stream */
    void *context;
    int rc; /* of a callback */
    struct err *err;
};

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

/* Of an HTTPS server that does not know who asks. */
static int not_signed_in(const struct ctl_server *server, struct err *err)
{
    if (server->token[0] != '\0') {
        return err_set(err, E_NOT_ALLOWED,
                       "%s does not take the API token in '%s': it has expired, or was removed",
                       server->url, server->token_file);
    }
    return server->cookie[0] != '\0'
               ? err_set(err, E_NOT_ALLOWED,
                         "the session at %s has ended: sign in again: kitbagctl login", server->url)
               : err_set(err, E_NOT_ALLOWED,
                         "nobody is signed in at %s: kitbagctl login --server %s", server->url,
                         server->url);
}

static int problem(const struct ctl_server *server, json_t *document, long status, struct err *err)
{
    const char *name = json_string_value(json_object_get(document, "code"));
    const char *detail = json_string_value(json_object_get(document, "detail"));
    if (name == NULL || detail == NULL) {
        return err_set(err, E_MALFORMED, "the server answered with HTTP status %ld", status);
    }
    int code = err_from_name(name);
    return code == E_UNAUTHENTICATED && !server->local ? not_signed_in(server, err)
                                                       : err_set(err, code, "%s", detail);
}

static int take_line(struct exchange *ex, struct span text)
{
    json_t *line = json_loadb((const char *)text.data, text.size, 0, NULL);
    int rc = 0;
    if (!json_is_object(line)) {
        rc = err_set(ex->err, E_MALFORMED, "the server's stream holds what is not a document");
    } else if (json_object_get(line, "detail") != NULL) {
        rc = problem(ex->server, line, 200, ex->err);
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

/* What is no file is kept, to tell why. */
static size_t on_file(char *data, size_t one, size_t size, void *context)
{
    struct exchange *ex = context;
    struct ctl_download *download = ex->download;
    long status = 0;
    (void)curl_easy_getinfo(ex->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 206) {
        return on_answer(data, one, size, context);
    }
    size *= one;                                                 /* which is 1 */
    if (status == 200 && !download->moved && download->at > 0) { /* another one by now */
        ex->rc = ftruncate(download->fd, 0) == 0 ? 0 : err_sys(ex->err, "cut", "the file");
        download->at = 0;
    }
    ex->rc = ex->rc == 0
                 ? file_write_at(download->fd, data, size, (off_t)download->at, "the file", ex->err)
                 : ex->rc;
    download->at += size;
    download->moved = true;
    output_progress("fetching", download->at, download->size);
    return ex->rc == 0 ? size : 0;
}

/* --- a request --- */

/* Who was trusted as one of them is trusted as the other. Which local one it is libcurl looks at.
 */
static bool same_server(const struct ctl_server *one, const struct ctl_server *other)
{
    return one->local == other->local && strcmp(one->url, other->url) == 0 &&
           strcmp(one->ca_file, other->ca_file) == 0 && strcmp(one->pinned, other->pinned) == 0 &&
           one->only_pinned == other->only_pinned;
}

void ctl_http_end(void)
{
    curl_easy_cleanup(kept.curl);
    kept.curl = NULL;
}

/* A new handle, or the kept one with its connection and without anything else. */
static CURL *take_handle(const struct ctl_server *server)
{
    CURL *curl = kept.curl;
    if (curl == NULL || !same_server(&kept.server, server)) {
        ctl_http_end();
        return curl_easy_init();
    }
    kept.curl = NULL;
    curl_easy_reset(curl);
    return curl;
}

static int close_exchange(struct exchange *ex, int rc)
{
    curl_slist_free_all(ex->headers);
    if (ex->keep && rc == 0) {
        ctl_http_end();
        kept.curl = ex->curl;
        kept.server = *ex->server;
        (void)curl_easy_setopt(kept.curl, CURLOPT_HTTPHEADER, NULL); /* it is gone */
    } else {
        curl_easy_cleanup(ex->curl);
    }
    buf_free(&ex->answer);
    return rc;
}

/* "Set-Cookie: NAME=VALUE; ..." */
static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    static const char name[] = "set-cookie:";
    struct exchange *ex = context;
    size_t start = sizeof name - 1;
    if (one * size > start && strncasecmp(data, name, start) == 0) {
        while (start < size && data[start] == ' ') {
            start++;
        }
        size_t end = start;
        while (end < size && strchr(";\r\n", data[end]) == NULL) {
            end++;
        }
        (void)snprintf(ex->cookie, CTL_COOKIE_MAX, "%.*s", (int)(end - start), data + start);
    }
    return one * size;
}

static bool add_header(struct exchange *ex, const char *name, const char *value)
{
    char header[CTL_COOKIE_MAX + 32];
    int size = snprintf(header, sizeof header, "%s: %s", name, value);
    struct curl_slist *headers =
        size > 0 && (size_t)size < sizeof header ? curl_slist_append(ex->headers, header) : NULL;
    ex->headers = headers != NULL ? headers : ex->headers;
    return headers != NULL;
}

static bool is_this_machine(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

/* As whom, and whether it is that server at all. */
static bool set_https(struct exchange *ex)
{
    const struct ctl_server *server = ex->server;
    ex->trust = (struct ctl_trust){
        .host = server->host, .pinned = server->pinned, .only_pinned = server->only_pinned};
    bool ready = ctl_trust_set(ex->curl, &ex->trust) &&
                 (!is_this_machine(server->host) ||
                  curl_easy_setopt(ex->curl, CURLOPT_PROXY, "") == CURLE_OK) &&
                 (server->ca_file[0] == '\0' ||
                  curl_easy_setopt(ex->curl, CURLOPT_CAINFO, server->ca_file) == CURLE_OK);
    if (ready && server->token[0] != '\0') {
        char bearer[CTL_TOKEN_MAX + 8];
        (void)snprintf(bearer, sizeof bearer, "Bearer %s", server->token);
        ready = add_header(ex, "Authorization", bearer);
    } else if (ready && server->cookie[0] != '\0') {
        ready = add_header(ex, "Cookie", server->cookie) &&
                add_header(ex, "X-CSRF-Token", server->csrf);
    }
    return ready;
}

static bool set_local(struct exchange *ex)
{
    return curl_easy_setopt(ex->curl, CURLOPT_UNIX_SOCKET_PATH, ex->socket_path) == CURLE_OK &&
           curl_easy_setopt(ex->curl, CURLOPT_PROXY, "") == CURLE_OK;
}

static int open_exchange(struct exchange *ex, const struct ctl_server *server, const char *target,
                         struct err *err)
{
    *ex = (struct exchange){.server = server, .err = err};
    buf_init(&ex->answer, ANSWER_MAX_BYTES);
    if (server->local &&
        path_join(ex->socket_path, sizeof ex->socket_path, server->data_dir, SOCKET_NAME) != 0) {
        return err_set(err, E_INVALID,
                       "the path of the data folder '%.80s...' is too long for a socket in it",
                       server->data_dir);
    }
    char url[4096];
    int size =
        snprintf(url, sizeof url, "%s%s", server->local ? "http://localhost" : server->url, target);
    if (size < 0 || (size_t)size >= sizeof url) {
        return err_set(err, E_TOO_LARGE, "that is too long to ask for");
    }
    ex->curl = take_handle(server);
    bool ready =
        ex->curl != NULL && add_header(ex, "Content-Type", "application/json") &&
        (server->local ? set_local(ex) : set_https(ex)) &&
        curl_easy_setopt(ex->curl, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK && /* a name may be ".." */
        curl_easy_setopt(ex->curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_HTTPHEADER, ex->headers) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_TIMEOUT_MS, (long)QUICK_MS) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_WRITEFUNCTION, on_answer) == CURLE_OK &&
        curl_easy_setopt(ex->curl, CURLOPT_WRITEDATA, ex) == CURLE_OK;
    return ready ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* Of the server that the invocation means, which is kept in `server`. */
static int open_found(struct exchange *ex, const struct invocation *invocation,
                      struct ctl_server *server, const char *target, struct err *err)
{
    *ex = (struct exchange){0};
    int rc = ctl_server_find(invocation, server, err);
    return rc == 0 ? open_exchange(ex, server, target, err) : rc;
}

/* --- what went wrong on the way --- */

static int no_server(const struct exchange *ex)
{
    const char *dir = ex->server->data_dir;
    return err_set(
        ex->err, E_UNREACHABLE,
        "no server runs with the data folder '%s': start it with 'kitbagd --data %s'%s", dir, dir,
        ex->server->named ? "" : ", or sign in to another: kitbagctl login --server URL");
}

static int no_connection(const struct exchange *ex, CURLcode code)
{
    long number = 0;
    (void)curl_easy_getinfo(ex->curl, CURLINFO_OS_ERRNO, &number);
    if (!ex->server->local) {
        return err_set(ex->err, E_UNREACHABLE,
                       "%s can't be reached (%s): does the server run, and is that the address of "
                       "its console?",
                       ex->server->url,
                       number != 0 ? strerror((int)number) : curl_easy_strerror(code));
    }
    if (number == EACCES || number == EPERM) {
        return err_set(ex->err, E_PERMISSION,
                       "'%s' may be opened by the server's own account only: run this as that "
                       "account, or sign in: kitbagctl login",
                       ex->socket_path);
    }
    return no_server(ex);
}

/* A certificate that was refused, before anything was sent. */
static int not_trusted(const struct exchange *ex)
{
    const struct ctl_server *server = ex->server;
    if (ex->trust.verdict == CTL_TRUST_UNKNOWN) {
        return err_set(ex->err, E_NOT_ALLOWED,
                       "nobody vouches for the certificate of %s: sign in once and compare it "
                       "(kitbagctl login --server %s), or give its --fingerprint",
                       server->url, server->url);
    }
    if (server->only_pinned) {
        return err_set(ex->err, E_NOT_ALLOWED,
                       "the certificate of %s is not the one of --fingerprint but %s: nothing was "
                       "sent to it",
                       server->url, ex->trust.seen);
    }
    return err_set(ex->err, E_NOT_ALLOWED,
                   "%s shows another certificate than at the sign-in; nothing was sent to it. Was "
                   "it replaced on purpose? Then sign in again (kitbagctl login), which shows the "
                   "new fingerprint to compare. If not, somebody may be in between",
                   server->url);
}

static int transport_failed(const struct exchange *ex, CURLcode code)
{
    if (ex->rc != 0) {
        return ex->rc; /* a callback gave up, and said why */
    }
    if (ex->trust.verdict == CTL_TRUST_UNKNOWN || ex->trust.verdict == CTL_TRUST_CHANGED) {
        return not_trusted(ex);
    }
    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return no_connection(ex, code);
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(ex->err, E_TIMEOUT, "the server did not answer in time");
    case CURLE_OUT_OF_MEMORY:
        return err_set(ex->err, E_NOMEM, "out of memory");
    case CURLE_SSL_CONNECT_ERROR:
        return err_set(ex->err, E_UNREACHABLE,
                       "%s does not speak TLS as a console of Kitbag does: is it that address?",
                       ex->server->url);
    case CURLE_SSL_CACERT_BADFILE:
        return err_set(ex->err, E_USAGE, "'%s' (--ca-file) holds no certificates of authorities",
                       ex->server->ca_file);
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
    if ((ex->each != NULL && status == 200) || (ex->download != NULL && status / 100 == 2)) {
        return 0;
    }
    json_t *json = json_loadb((const char *)ex->answer.data, ex->answer.size, 0, NULL);
    if (status / 100 != 2 || json == NULL) {
        int rc = problem(ex->server, json, status, ex->err);
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
    struct ctl_server server;
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    int rc = open_found(&ex, invocation, &server, target, err);
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
    ex.keep = true;
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
    char seq[32];
    if (if_match == NULL) {
        return true;
    }
    int size = snprintf(seq, sizeof seq, "\"%s\"", if_match);
    return size > 0 && (size_t)size < sizeof seq && add_header(ex, "If-Match", seq) &&
           curl_easy_setopt(ex->curl, CURLOPT_HTTPHEADER, ex->headers) == CURLE_OK;
}

static bool want_cookie(struct exchange *ex, char *cookie)
{
    ex->cookie = cookie;
    return cookie == NULL ||
           (curl_easy_setopt(ex->curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
            curl_easy_setopt(ex->curl, CURLOPT_HEADERDATA, ex) == CURLE_OK);
}

int ctl_send_to(const struct ctl_server *server, const struct ctl_request *request, json_t **answer,
                struct err *err)
{
    struct exchange ex;
    char *text = request->json != NULL ? json_dumps(request->json, JSON_COMPACT) : NULL;
    struct span body = text != NULL ? span_str(text) : request->bytes;
    int rc = open_exchange(&ex, server, request->target, err);
    if (rc == 0 && ((request->json != NULL && text == NULL) || !set_body(&ex, request, body) ||
                    !add_condition(&ex, request->if_match) || !want_cookie(&ex, request->cookie))) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = perform(&ex, answer);
    }
    rc = close_exchange(&ex, rc);
    free(text);
    return rc;
}

int ctl_send(const struct invocation *invocation, const struct ctl_request *request,
             json_t **answer, struct err *err)
{
    struct ctl_server server;
    int rc = ctl_server_find(invocation, &server, err);
    return rc == 0 ? ctl_send_to(&server, request, answer, err) : rc;
}

int ctl_look_at(const struct ctl_server *server, enum ctl_trust_verdict *verdict,
                char seen[CTL_FINGERPRINT_MAX], struct err *err)
{
    struct exchange ex;
    struct err why = {0};
    int rc = open_exchange(&ex, server, "", &why);
    if (rc == 0 && curl_easy_setopt(ex.curl, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK) {
        rc = err_set(&why, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        CURLcode code = curl_easy_perform(ex.curl);
        rc = code != CURLE_OK ? transport_failed(&ex, code) : 0;
    }
    *verdict = ex.trust.verdict;
    memcpy(seen, ex.trust.seen, CTL_FINGERPRINT_MAX);
    rc = *verdict != CTL_TRUST_NOT_ASKED ? 0 : err_set(err, rc, "%s", why.text);
    return close_exchange(&ex, rc);
}

int ctl_upload(const struct invocation *invocation, const char *target, struct span bytes,
               json_t **answer, struct err *err)
{
    struct exchange ex;
    struct ctl_server server;
    int rc = open_found(&ex, invocation, &server, target, err);
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

/* What is no one document. */
static int perform_stream(struct exchange *ex, int rc)
{
    json_t *unused = NULL;
    rc = rc == 0 ? perform(ex, &unused) : rc;
    json_decref(unused);
    return close_exchange(ex, rc);
}

int ctl_fetch(const struct invocation *invocation, const char *target,
              struct ctl_download *download, struct err *err)
{
    struct exchange ex;
    struct ctl_server server;
    char etag[128], range[64];
    int rc = open_found(&ex, invocation, &server, target, err);
    ex.download = download;
    download->moved = false;
    (void)snprintf(etag, sizeof etag, "\"%s\"", download->etag);
    (void)snprintf(range, sizeof range, "bytes=%llu-", (unsigned long long)download->at);
    bool rest = rc != 0 || download->at == 0 ||
                (add_header(&ex, "If-Range", etag) && add_header(&ex, "Range", range));
    if (rc == 0 &&
        (!rest || curl_easy_setopt(ex.curl, CURLOPT_HTTPHEADER, ex.headers) != CURLE_OK ||
         curl_easy_setopt(ex.curl, CURLOPT_WRITEFUNCTION, on_file) != CURLE_OK ||
         curl_easy_setopt(ex.curl, CURLOPT_TIMEOUT_MS, (long)LONG_MS) != CURLE_OK)) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    return perform_stream(&ex, rc);
}

int ctl_stream(const struct invocation *invocation, const char *target, ctl_line_fn *each,
               void *context, struct err *err)
{
    struct exchange ex;
    struct ctl_server server;
    int rc = open_found(&ex, invocation, &server, target, err);
    ex.each = each;
    ex.context = context;
    ex.answer.max = LINE_MAX_BYTES;
    if (rc == 0 && (curl_easy_setopt(ex.curl, CURLOPT_WRITEFUNCTION, on_stream) != CURLE_OK ||
                    curl_easy_setopt(ex.curl, CURLOPT_TIMEOUT_MS, 0L) != CURLE_OK)) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    return perform_stream(&ex, rc);
}
