/* admin/route.c - finding the route, decoding what was asked, writing documents and problems. */
#include "admin/route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "admin/auth/auth.h"

/* --- finding --- */

/* The piece up to the next `end`, taken off the front of `rest` with that end. */
static struct span take_until(struct span *rest, char end)
{
    size_t size = 0;
    while (size < rest->size && rest->data[size] != (uint8_t)end) {
        size++;
    }
    struct span piece = span_of(rest->data, size);
    size += size < rest->size;
    *rest = span_of(rest->data + size, rest->size - size);
    return piece;
}

/* Does the path fit the pattern? Its variable pieces go to `parts` (may be NULL). */
static bool matches(const char *pattern, struct span path, struct span *parts)
{
    struct span wanted = span_str(pattern);
    size_t part = 0;
    if (path.size > 0 && path.data[path.size - 1] == '/') {
        return false; /* each thing has one address */
    }
    while (wanted.size > 0 && path.size > 0) {
        struct span piece = take_until(&path, '/');
        struct span want = take_until(&wanted, '/');
        if (want.size > 0 && want.data[0] == '{') {
            if (piece.size == 0) {
                return false;
            }
            if (parts != NULL) {
                parts[part++] = piece;
            }
        } else if (!span_equal(piece, want)) {
            return false;
        }
    }
    return wanted.size == 0 && path.size == 0;
}

const struct admin_route *admin_route_find(const struct admin_route *routes, struct span method,
                                           struct span path, char *allow, int *code,
                                           struct err *err)
{
    ASSERT(routes != NULL && allow != NULL && code != NULL);
    size_t used = 0;
    allow[0] = '\0';
    /* a HEAD is answered as a GET, without the body */
    struct span wanted = span_equal(method, SPAN_LITERAL("HEAD")) ? SPAN_LITERAL("GET") : method;
    for (const struct admin_route *route = routes; route->method != NULL; route++) {
        if (!matches(route->pattern, path, NULL)) {
            continue;
        }
        if (span_equal(wanted, span_str(route->method))) {
            *code = 0;
            return route;
        }
        bool get = strcmp(route->method, "GET") == 0;
        int size = snprintf(allow + used, ADMIN_ALLOW_MAX - used, "%s%s%s", used > 0 ? ", " : "",
                            route->method, get ? ", HEAD" : "");
        used += (size_t)size;
        ASSERT(used < ADMIN_ALLOW_MAX); /* the table is ours */
    }
    int size = path.size < 200 ? (int)path.size : 200;
    if (used > 0) {
        *code = err_set(err, E_NOT_ALLOWED, "'%.*s' takes %s only", size, (const char *)path.data,
                        allow);
    } else {
        *code = err_set(err, E_NOT_FOUND, "there is no '%.*s' here", size, (const char *)path.data);
    }
    return NULL;
}

/* --- decoding --- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_utf8(const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    while (*at != 0) {
        utf8proc_int32_t rune;
        utf8proc_ssize_t used = utf8proc_iterate(at, -1, &rune);
        if (used <= 0) {
            return false;
        }
        at += used;
    }
    return true;
}

/* Decoded texts go one after the other into one block that is large enough for all. */
struct decoding {
    char *at;
    struct err *err;
};

static int bad_text(struct decoding *decoding, struct span text)
{
    return err_set(decoding->err, E_MALFORMED, "'%.*s' is not percent-encoded UTF-8 text",
                   text.size < 200 ? (int)text.size : 200, (const char *)text.data);
}

/* `plus`: in a query it means a space. */
static int decode(struct decoding *decoding, struct span text, bool plus, const char **out)
{
    char *to = decoding->at;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) {
                return bad_text(decoding, text);
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        *to++ = (char)(plus && text.data[i] == '+' ? ' ' : c);
    }
    *to = '\0';
    *out = decoding->at;
    decoding->at = to + 1;
    if (strlen(*out) > ADMIN_TEXT_MAX) {
        return err_set(decoding->err, E_TOO_LARGE, "a part of the address is longer than %d bytes",
                       ADMIN_TEXT_MAX);
    }
    return is_utf8(*out) ? 0 : bad_text(decoding, text);
}

/* Is `word` one of the words of `list`, which are parted by spaces? */
static bool in_list(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = list; *at != '\0';) {
        size_t item = strcspn(at, " ");
        if (item == size && memcmp(at, word, size) == 0) {
            return true;
        }
        at += item;
        at += strspn(at, " ");
    }
    return false;
}

static int add_parameter(struct admin_request *request, const struct admin_route *route,
                         struct decoding *decoding, struct span item)
{
    struct admin_pair pair = {0};
    struct span name = take_until(&item, '=');
    int rc = decode(decoding, name, true, &pair.name);
    if (rc == 0) {
        rc = decode(decoding, item, true, &pair.value);
    }
    if (rc != 0) {
        return rc;
    }
    if (!in_list(route->query, pair.name)) {
        return err_set(decoding->err, E_INVALID, "'%s' takes no parameter '%s'%s%s", route->pattern,
                       pair.name, route->query[0] != '\0' ? ", only: " : "", route->query);
    }
    if (admin_query(request, pair.name) != NULL || request->query_count == ADMIN_QUERY_MAX) {
        return err_set(decoding->err, E_INVALID, "the parameter '%s' was given twice", pair.name);
    }
    request->query[request->query_count++] = pair;
    return 0;
}

int admin_request_fill(struct admin_request *request, const struct admin_route *route,
                       struct span path, struct span query, struct err *err)
{
    ASSERT(request != NULL && route != NULL);
    struct span parts[ADMIN_PARTS_MAX] = {{0}};
    bool fits = matches(route->pattern, path, parts);
    ASSERT(fits); /* that is how the route was found */
    /* decoded texts are no longer than encoded ones; each gets a NUL, and an empty value too */
    request->memory = malloc(path.size + 2 * query.size + ADMIN_PARTS_MAX + 2);
    if (request->memory == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    struct decoding decoding = {request->memory, err};
    int rc = 0;
    for (size_t i = 0; i < ADMIN_PARTS_MAX && parts[i].size > 0 && rc == 0; i++) {
        rc = decode(&decoding, parts[i], false, &request->parts[i]);
    }
    while (query.size > 0 && rc == 0) {
        struct span item = take_until(&query, '&');
        rc = item.size == 0 ? 0 : add_parameter(request, route, &decoding, item);
    }
    return rc;
}

void admin_request_free(struct admin_request *request)
{
    free(request->memory);
    request->memory = NULL;
}

/* --- reading what was asked --- */

const char *admin_query(const struct admin_request *request, const char *name)
{
    for (size_t i = 0; i < request->query_count; i++) {
        if (strcmp(request->query[i].name, name) == 0) {
            return request->query[i].value;
        }
    }
    return NULL;
}

int admin_request_condition(const struct admin_request *request, struct admin_condition *out,
                            struct err *err)
{
    const char *text = request->if_match;
    size_t size = strlen(text);
    *out = (struct admin_condition){.given = size > 0, .any = strcmp(text, "*") == 0};
    if (!out->given || out->any) {
        return 0;
    }
    bool quoted = size >= 2 && text[0] == '"' && text[size - 1] == '"';
    text += quoted;
    size -= quoted ? 2 : 0;
    if (size == 0 || size > 19 || strspn(text, "0123456789") != size) {
        return err_set(err, E_INVALID,
                       "'If-Match' is the seq of the item (its ETag), 0 when there has to be none, "
                       "or *, not '%s'",
                       request->if_match);
    }
    out->seq = strtoull(text, NULL, 10);
    return 0;
}

int admin_query_number(const struct admin_request *request, const char *name, uint64_t min,
                       uint64_t max, uint64_t *out, struct err *err)
{
    const char *text = admin_query(request, name);
    if (text == NULL) {
        return 0;
    }
    uint64_t value = 0;
    bool good = text[0] != '\0' && strlen(text) <= 19;
    for (const char *at = text; *at != '\0' && good; at++) {
        good = *at >= '0' && *at <= '9';
        value = value * 10 + (uint64_t)(*at - '0');
    }
    if (!good || value < min || value > max) {
        return err_set(err, E_INVALID, "'%s' is a number from %" PRIu64 " to %" PRIu64 ", not '%s'",
                       name, min, max, text);
    }
    *out = value;
    return 0;
}

int admin_query_bool(const struct admin_request *request, const char *name, bool *out,
                     struct err *err)
{
    const char *text = admin_query(request, name);
    if (text == NULL) {
        return 0;
    }
    bool yes = text[0] == '\0' || in_list("1 true yes", text);
    if (!yes && !in_list("0 false no", text)) {
        return err_set(err, E_INVALID, "'%s' is 1 or 0, not '%s'", name, text);
    }
    *out = yes;
    return 0;
}

int admin_json_read(struct span bytes, json_t **out, struct err *err)
{
    json_error_t fault;
    const char *data = bytes.size > 0 ? (const char *)bytes.data : "";
    json_t *json = json_loadb(data, bytes.size, JSON_REJECT_DUPLICATES, &fault);
    if (json == NULL && fault.text[0] == '\0') { /* jansson has no words for that */
        return err_set(err, E_NOMEM, "out of memory");
    }
    if (json == NULL) {
        return err_set(err, E_MALFORMED, "it is not valid JSON: line %d, column %d: %s", fault.line,
                       fault.column, fault.text);
    }
    *out = json;
    return 0;
}

int admin_body_json(const struct admin_request *request, const char *members, json_t **out,
                    struct err *err)
{
    json_t *json = NULL;
    struct span body = request->body.size > 0 ? request->body : SPAN_LITERAL("{}");
    int rc = admin_json_read(body, &json, err);
    if (rc != 0) {
        (void)err_prefix(err, "the body");
        return rc;
    }
    const char *name;
    json_t *value;
    rc = json_is_object(json) ? 0 : err_set(err, E_INVALID, "the body is not a JSON object");
    json_object_foreach(json, name, value)
    {
        if (rc == 0 && !in_list(members, name)) {
            rc = err_set(err, E_INVALID, "the body has a member '%s', which is none of: %s", name,
                         members);
        }
    }
    if (rc != 0) {
        json_decref(json);
        return rc;
    }
    *out = json;
    return 0;
}

/* --- answering --- */

static int status_of(int code)
{
    static const struct {
        int code;
        int status;
    } rows[] = {
        {E_INVALID, 400},     {E_USAGE, 400},       {E_MALFORMED, 400},
        {E_PATH, 400},        {E_NAME, 400},        {E_FORMAT, 400},
        {E_NOT_FOUND, 404},   {E_BAG_GONE, 404},    {E_TIMEOUT, 408},
        {E_EXISTS, 409},      {E_BUSY, 503},        {E_CONDITION, 412},
        {E_TOO_LARGE, 413},   {E_NOT_ALLOWED, 403}, {E_STOPPED, 409},
        {E_HISTORY, 409},     {E_DIVERGED, 409},    {E_QUOTA, 429},
        {E_READ_ONLY, 503},   {E_DEFERRED, 503},    {E_CLOSED, 503},
        {E_NOSPACE, 507},     {E_TOO_OLD, 410},     {E_UNAUTHENTICATED, 401},
        {E_CREDENTIALS, 401}, {E_CSRF, 403},        {E_LOCKED, 429},
        {E_LAST_ADMIN, 409},  {E_MUST_CHANGE, 403}, {E_SHARING_CHANGED, 409},
        {E_CATEGORY, 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == code) {
            return rows[i].status;
        }
    }
    return 500;
}

static int append_piece(const char *piece, size_t size, void *context)
{
    return buf_append(context, piece, size) == 0 ? 0 : -1;
}

/* Not json_dumps: without memory for a piece it leaves that piece out. */
int admin_json_append(struct buf *out, const json_t *json)
{
    if (json == NULL || json_dump_callback(json, append_piece, out, JSON_COMPACT) != 0) {
        out->error = out->error != 0 ? out->error : E_NOMEM;
    }
    return buf_error(out);
}

static void put_json(struct buf *body, const json_t *json)
{
    buf_reset(body);
    (void)admin_json_append(body, json); /* the buffer keeps its error */
}

void admin_problem(struct admin_response *response, int code, const struct err *err,
                   struct buf *body)
{
    ASSERT(response != NULL && body != NULL && code < 0);
    if (response->status == 0) {
        response->status = status_of(code);
    }
    const char *detail = err != NULL && err->code == code ? err->text : err_meaning(code);
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s}", "code", err_name(code), "title",
                                err_meaning(code), "status", response->status, "detail", detail);
    if (problem != NULL && response->json != NULL) {
        (void)json_object_update(problem, response->json);
    }
    put_json(body, problem);
    json_decref(problem);
    json_decref(response->json);
    response->json = NULL;
}

/* It only told what it would do. */
static bool is_dry_run(const struct admin_response *response)
{
    return json_is_true(json_object_get(response->json, "dry_run"));
}

void admin_response_drop_file(struct admin_response *response)
{
    ASSERT(response != NULL);
    if (response->is_file) {
        (void)close(response->file); /* it was read only */
        response->is_file = false;
    }
}

void admin_route_run(const struct admin_route *route, const struct admin_request *request,
                     struct admin_response *response, struct buf *body)
{
    struct err err = {0};
    int rc = route->run(request, response, &err);
    response->deferred = rc == E_DEFERRED && request->at_once;
    if (response->deferred) {
        return;
    }
    if (rc == 0 && response->stream == NULL) {
        response->status = response->status != 0 ? response->status : 200;
        if (route->action != NULL && !is_dry_run(response)) {
            admin_audit(request, route, response);
        }
        if (response->is_file) {
            buf_reset(body);
        } else if (response->is_raw) {
            buf_reset(body);
            (void)buf_append_span(body, buf_span(&response->raw)); /* the buffer keeps its error */
        } else {
            put_json(body, response->json);
        }
        rc = buf_error(body);
        if (rc != 0) {
            (void)err_set(&err, rc, "the answer is too long: ask for less at once");
            response->status = 0;
            json_decref(response->json);
            response->json = NULL;
        }
    }
    if (rc != 0) {
        response->is_raw = false;
        response->etag = 0;
        admin_response_drop_file(response);
        admin_problem(response, rc, &err, body);
        if (route->action != NULL && response->partly) {
            admin_audit(request, route, response);
        }
    }
    buf_free(&response->raw);
    json_decref(response->json);
    response->json = NULL;
}
