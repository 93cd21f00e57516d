/* tests/fuzz/fuzz_admin_http.c - bytes of a client: the head, the route it finds, its parts and
 * parameters, and a body of JSON.
 *
 * A head lies within the input; every shorter piece of it is told to be a piece; decoded texts are
 * short and hold no control over what is around them.
 */
#include <string.h>

#include "admin/api/api.h"
#include "admin/https/accept.h"
#include "admin/https/head.h"
#include "tests/fuzz/fuzz.h"

static void check_within(struct span part, const uint8_t *data, size_t size)
{
    FUZZ_CHECK(part.size == 0 || (part.data >= data && part.size <= size &&
                                  (size_t)(part.data - data) <= size - part.size));
}

static void check_request(const struct admin_request *request)
{
    for (size_t i = 0; i < ADMIN_PARTS_MAX && request->parts[i] != NULL; i++) {
        FUZZ_CHECK(strlen(request->parts[i]) <= ADMIN_TEXT_MAX);
    }
    for (size_t i = 0; i < request->query_count; i++) {
        FUZZ_CHECK(strlen(request->query[i].value) <= ADMIN_TEXT_MAX);
        FUZZ_CHECK(admin_query(request, request->query[i].name) == request->query[i].value);
    }
}

static void try_route(const struct admin_http_head *head, struct span body)
{
    char allow[ADMIN_ALLOW_MAX];
    int code = 0;
    struct err err = {0};
    const struct admin_route *route =
        admin_route_find(admin_api_routes, head->method, head->path, allow, &code, &err);
    FUZZ_CHECK((route == NULL) == (code != 0));
    if (route == NULL) {
        return;
    }
    struct admin_request request = {.body = body};
    json_t *json = NULL;
    if (admin_request_fill(&request, route, head->path, head->query, &err) == 0) {
        check_request(&request);
    }
    if (admin_body_json(&request, "users groups ids dry_run count expires_s", &json, &err) == 0) {
        FUZZ_CHECK(json_is_object(json));
        json_decref(json);
    }
    admin_request_free(&request);
}

/* What it takes: a part lies within the whole. */
static void try_accept(const struct admin_http_head *head, const uint8_t *data)
{
    const struct span kept[] = {head->if_match,     head->if_none_match, head->if_range,
                                head->range,        head->cookie,        head->accept_encoding,
                                head->fetch_site,   head->authorization, head->csrf,
                                head->last_event_id};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        check_within(kept[i], data, head->size);
    }
    struct admin_range range;
    if (admin_range_read(head->range, 1000, &range) == 0) {
        FUZZ_CHECK(range.size > 0 && range.first < 1000 && range.size <= 1000 - range.first);
    }
    (void)admin_accepts_gzip(head->accept_encoding);
    (void)admin_etag_listed(head->if_none_match, "\"a\"");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct admin_http_head head;
    struct admin_http_head again;
    struct err err = {0};
    int rc = admin_http_head_read(&head, span_of(data, size), &err);
    if (rc != 0) {
        FUZZ_CHECK(rc == E_BUSY || rc == E_MALFORMED || rc == E_TOO_LARGE || rc == E_PROTOCOL);
        FUZZ_CHECK(rc == E_BUSY || err.text[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(head.size <= size && head.size <= HTTP_HEAD_MAX_BYTES);
    FUZZ_CHECK(memcmp(data + head.size - 4, "\r\n\r\n", 4) == 0);
    FUZZ_CHECK(admin_http_head_read(&again, span_of(data, head.size - 1), NULL) == E_BUSY);
    check_within(head.method, data, head.size);
    check_within(head.path, data, head.size);
    check_within(head.query, data, head.size);
    FUZZ_CHECK(head.path.data[0] == '/');
    try_accept(&head, data);
    try_route(&head, span_of(data + head.size, size - head.size));
    return 0;
}
