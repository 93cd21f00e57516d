/* admin/https/head.c - line by line; RFC 9112 without what is obsolete. */
#include "admin/https/head.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The head while it is read. */
struct reading {
    struct admin_http_head head;
    struct span rest; /* of the head's bytes */
    bool has_host;
    bool has_length;
    bool says_close;
    struct err *err;
};

static int malformed(const struct reading *reading, const char *what)
{
    return err_set(reading->err, E_MALFORMED, "the request is not valid HTTP: %s", what);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* A character of a token: methods and names of headers. */
static bool is_token(uint8_t c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_tokens(struct span span)
{
    for (size_t i = 0; i < span.size; i++) {
        if (!is_token(span.data[i])) {
            return false;
        }
    }
    return span.size > 0;
}

/* Take what stands before `end` off the front of `rest`, and the `end` too. */
static bool take_until(struct span *rest, const char *end, struct span *out)
{
    size_t size = strlen(end);
    const uint8_t *at = rest->size > 0 ? memmem(rest->data, rest->size, end, size) : NULL;
    if (at == NULL) {
        return false;
    }
    *out = span_of(rest->data, (size_t)(at - rest->data));
    *rest = span_of(at + size, rest->size - out->size - size);
    return true;
}

static bool same_word(struct span text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

/* Visible ASCII, beginning with '/', cut at the '?'. */
static int read_target(struct reading *reading, struct span target)
{
    if (target.size == 0 || target.data[0] != '/') {
        return malformed(reading, "its target does not begin with '/'");
    }
    for (size_t i = 0; i < target.size; i++) {
        if (target.data[i] <= ' ' || target.data[i] >= 0x7f || target.data[i] == '#') {
            return malformed(reading, "its target holds a character that has to be encoded");
        }
    }
    struct span rest = target;
    if (take_until(&rest, "?", &reading->head.path)) {
        reading->head.query = rest;
    } else {
        reading->head.path = target;
    }
    return 0;
}

static int read_request_line(struct reading *reading, struct span line)
{
    struct span target;
    if (!take_until(&line, " ", &reading->head.method) || !is_tokens(reading->head.method) ||
        !take_until(&line, " ", &target)) {
        return malformed(reading, "its first line is not 'METHOD TARGET HTTP/1.1'");
    }
    if (line.size == 8 && memcmp(line.data, "HTTP/", 5) == 0 && is_digit(line.data[5]) &&
        line.data[6] == '.' && is_digit(line.data[7]) && memcmp(line.data + 5, "1.1", 3) != 0) {
        return err_set(reading->err, E_PROTOCOL, "this server speaks HTTP/1.1, not %.8s",
                       (const char *)line.data);
    }
    if (!span_equal(line, SPAN_LITERAL("HTTP/1.1"))) {
        return malformed(reading, "its version is not HTTP/1.1");
    }
    return read_target(reading, target);
}

static int read_length(struct reading *reading, struct span value)
{
    if (reading->has_length) {
        return malformed(reading, "it has more than one Content-Length");
    }
    if (value.size == 0 || value.size > 15) {
        return malformed(reading, "its Content-Length is not a number");
    }
    for (size_t i = 0; i < value.size; i++) {
        if (!is_digit(value.data[i])) {
            return malformed(reading, "its Content-Length is not a number");
        }
        reading->head.body_size = reading->head.body_size * 10 + (value.data[i] - '0');
    }
    reading->has_length = true;
    return 0;
}

/* "close", or a list of words that holds it. */
static void read_connection(struct reading *reading, struct span value)
{
    while (value.size > 0) {
        size_t size = 0;
        while (size < value.size && value.data[size] != ',' && value.data[size] != ' ') {
            size++;
        }
        struct span word = span_of(value.data, size);
        reading->says_close = reading->says_close || same_word(word, "close");
        size += size < value.size; /* the comma or space */
        value = span_of(value.data + size, value.size - size);
    }
}

/* A name or a number, and perhaps a port: only what can stand there. */
static int read_host(struct reading *reading, struct span value)
{
    if (reading->has_host) {
        return malformed(reading, "it has more than one Host");
    }
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        if (!is_digit(c) && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
            strchr("-._~:[]%", c) == NULL) {
            return malformed(reading, "its Host is not the name or address of a machine");
        }
    }
    if (value.size == 0) {
        return malformed(reading, "its Host is empty");
    }
    reading->has_host = true;
    return 0;
}

/* Headers whose values are kept as they are. */
static const struct {
    const char *name;
    size_t offset; /* of the value in the head */
    bool many;     /* it may be there again: the first one counts */
} kept[] = {
    {"If-Match", offsetof(struct admin_http_head, if_match), false},
    {"If-None-Match", offsetof(struct admin_http_head, if_none_match), false},
    {"If-Range", offsetof(struct admin_http_head, if_range), false},
    {"Range", offsetof(struct admin_http_head, range), false},
    {"Accept-Encoding", offsetof(struct admin_http_head, accept_encoding), true},
    {"Last-Event-ID", offsetof(struct admin_http_head, last_event_id), false},
    {"Cookie", offsetof(struct admin_http_head, cookie), false},
    {"Authorization", offsetof(struct admin_http_head, authorization), false},
    {"X-CSRF-Token", offsetof(struct admin_http_head, csrf), false},
    {"Sec-Fetch-Site", offsetof(struct admin_http_head, fetch_site), false},
};

static int keep_header(struct reading *reading, struct span name, struct span value)
{
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (!same_word(name, kept[i].name)) {
            continue;
        }
        struct span *to = (struct span *)((char *)&reading->head + kept[i].offset);
        if (to->data != NULL && !kept[i].many) {
            return err_set(reading->err, E_MALFORMED,
                           "the request is not valid HTTP: it has more than one %s", kept[i].name);
        }
        *to = to->data == NULL ? value : *to;
        return 0;
    }
    return 0;
}

static int read_known_header(struct reading *reading, struct span name, struct span value)
{
    if (same_word(name, "content-length")) {
        return read_length(reading, value);
    }
    if (same_word(name, "transfer-encoding")) {
        return malformed(reading, "a body needs a Content-Length, Transfer-Encoding is not taken");
    }
    if (same_word(name, "host")) {
        return read_host(reading, value);
    }
    if (same_word(name, "connection")) {
        read_connection(reading, value);
    } else if (same_word(name, "expect")) {
        if (!same_word(value, "100-continue")) {
            return malformed(reading, "it expects what is not known here");
        }
        reading->head.expects_continue = true;
    }
    return keep_header(reading, name, value);
}

static int read_header(struct reading *reading, struct span line)
{
    struct span name;
    if (!take_until(&line, ":", &name) || !is_tokens(name)) {
        return malformed(reading, "a line of its head is not 'Name: value'");
    }
    struct span value = span_trim(line);
    for (size_t i = 0; i < value.size; i++) {
        if ((value.data[i] < ' ' && value.data[i] != '\t') || value.data[i] == 0x7f) {
            return malformed(reading, "a header holds a control character");
        }
    }
    return read_known_header(reading, name, value);
}

static int read_lines(struct reading *reading)
{
    struct span line;
    if (!take_until(&reading->rest, "\r\n", &line)) {
        return malformed(reading, "its lines do not end with CR LF");
    }
    int rc = read_request_line(reading, line);
    for (size_t count = 0; rc == 0 && take_until(&reading->rest, "\r\n", &line); count++) {
        if (line.size == 0) {
            break;
        }
        if (count == HTTP_HEADERS_MAX) {
            return err_set(reading->err, E_TOO_LARGE, "the request has more than %d headers",
                           HTTP_HEADERS_MAX);
        }
        rc = read_header(reading, line);
    }
    if (rc == 0 && !reading->has_host) {
        rc = malformed(reading, "it has no Host");
    }
    return rc;
}

int admin_http_head_read(struct admin_http_head *head, struct span bytes, struct err *err)
{
    ASSERT(head != NULL);
    struct reading reading = {.err = err};
    size_t limit = bytes.size < HTTP_HEAD_MAX_BYTES ? bytes.size : HTTP_HEAD_MAX_BYTES;
    const uint8_t *end = limit > 0 ? memmem(bytes.data, limit, "\r\n\r\n", 4) : NULL;
    if (end == NULL && bytes.size >= HTTP_HEAD_MAX_BYTES) {
        return err_set(err, E_TOO_LARGE, "the head of the request is larger than %d bytes",
                       HTTP_HEAD_MAX_BYTES);
    }
    if (end == NULL) {
        return E_BUSY;
    }
    reading.head.size = (size_t)(end - bytes.data) + 4;
    reading.rest = span_of(bytes.data, reading.head.size);
    int rc = read_lines(&reading);
    if (rc != 0) {
        return rc;
    }
    reading.head.keep_alive = !reading.says_close;
    *head = reading.head;
    return 0;
}
