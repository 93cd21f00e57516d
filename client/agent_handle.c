/* client/agent_handle.c - one request: its arguments, its frames, its verb. */
#include "client/agent_inside.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { RESULTS_MAX = 1024 }; /* bytes: numbers, and a name or two */

/* --- arguments --- */

static int bad(struct call *call, int code, const char *text)
{
    call->error.code = code;
    size_t length = strnlen(text, sizeof call->error.text - 1);
    memcpy(call->error.text, text, length);
    call->error.text[length] = '\0';
    return code;
}

static int malformed(struct call *call)
{
    return bad(call, E_MALFORMED, "the request does not have the arguments of its verb");
}

/* A text as a C string; a NUL inside ends the request. Too long is cut at the size, which is more
 * than any name or path may have, so that it is refused by its own rule. */
void call_copy_text(struct call *call, struct span text, char *out, size_t size)
{
    size_t length = text.size < size - 1 ? text.size : size - 1;
    if (length > 0 && memchr(text.data, '\0', length) != NULL) {
        call->arguments.error = E_MALFORMED;
        length = 0;
    }
    if (length > 0) {
        memcpy(out, text.data, length);
    }
    out[length] = '\0';
}

void call_text(struct call *call, char *out, size_t size)
{
    call_copy_text(call, walk_str(&call->arguments), out, size);
}

/* False: it was nil. */
bool call_optional(struct call *call, char *out, size_t size)
{
    out[0] = '\0';
    if (walk_nil(&call->arguments)) {
        return false;
    }
    call_text(call, out, size);
    return true;
}

unsigned call_ms(struct call *call)
{
    return (unsigned)walk_u64_max(&call->arguments, 1u << 30);
}

struct kb_write_options call_condition(struct call *call)
{
    struct kb_write_options options = {.size = sizeof options};
    options.has_if_seq = !walk_nil(&call->arguments);
    if (options.has_if_seq) {
        options.if_seq = walk_u64(&call->arguments);
    }
    return options;
}

/* A list of texts: the strings lie in one block behind the pointers, NULL ends them. */
const char **call_names(struct call *call, size_t max_count, size_t max_size)
{
    struct walk list = walk_array(walk_any(&call->arguments));
    if (list.error != 0 || list.left > max_count) {
        call->arguments.error = E_MALFORMED;
        return NULL;
    }
    size_t count = list.left;
    const char **names = calloc(1, (count + 1) * sizeof(char *) + count * max_size);
    if (names == NULL) {
        call->arguments.error = E_NOMEM;
        return NULL;
    }
    char *at = (char *)(names + count + 1);
    for (size_t i = 0; i < count; i++, at += max_size) {
        call_copy_text(call, walk_str(&list), at, max_size);
        names[i] = at;
    }
    call->arguments.error = list.error != 0 ? list.error : call->arguments.error;
    return names;
}

/* 0 when all arguments were there and no more. */
int call_taken(struct call *call)
{
    int rc = walk_end(&call->arguments, false);
    if (rc == E_NOMEM) {
        return bad(call, rc, err_meaning(rc));
    }
    return rc == 0 ? 0 : malformed(call);
}

/* --- frames --- */

int call_send(struct call *call)
{
    if (call->stopped == 0) {
        int rc = buf_error(&call->frame);
        rc = rc != 0 ? rc : buf_error(&call->results); /* else it would tell of more than it has */
        call->stopped = rc != 0 ? rc : call->reply(call->context, buf_span(&call->frame));
    }
    return call->stopped;
}

struct buf *call_row(struct call *call, uint32_t fields)
{
    buf_reset(&call->frame);
    pack_array(&call->frame, fields + 1);
    pack_u64(&call->frame, 0);
    return &call->frame;
}

struct buf *call_results(struct call *call, uint32_t count)
{
    call->result_count = count;
    return &call->results;
}

static void send_end(struct call *call, int code)
{
    if (call->error.text[0] == '\0' && code != 0) {
        (void)bad(call, code, err_meaning(code));
    }
    buf_reset(&call->frame);
    pack_array(&call->frame, 3 + call->result_count);
    pack_u64(&call->frame, 1);
    pack_u64(&call->frame, (uint64_t)-code);
    pack_cstr(&call->frame, code != 0 ? call->error.text : "");
    (void)buf_append_span(&call->frame, buf_span(&call->results));
    (void)call_send(call);
}

bool call_cancelled(const struct call *call)
{
    struct pollfd fd = {.fd = call->cancel_fd, .events = POLLIN | POLLRDHUP};
    return call->cancel_fd >= 0 && poll(&fd, 1, 0) != 0;
}

int call_connect(struct call *call)
{
    struct err err = {0};
    int rc = client_connect(call->kb, &err);
    return rc != 0 ? client_fail(&call->error, &err) : 0;
}

/* --- which --- */

static const struct verb {
    const char *name;
    int (*run)(struct call *call);
} verbs[] = {
    {"join", call_join},       {"start", call_start},   {"stop", call_stop},
    {"status", call_status},   {"verify", call_verify}, {"login", call_login},
    {"logout", call_logout},   {"users", call_users},   {"get", call_get},
    {"set", call_set},         {"rm", call_rm},         {"apply", call_apply},
    {"wait", call_wait},       {"ls", call_ls},         {"watch", call_watch},
    {"outbox", call_outbox},   {"retry", call_retry},   {"drop", call_drop},
    {"import", call_import},   {"export", call_export}, {"export-outbox", call_export_outbox},
    {"explain", call_explain},
};

static int run(struct call *call, const struct unpacked *request)
{
    call->arguments = walk_array(&request->root);
    struct span name = walk_str(&call->arguments);
    if (call->arguments.error != 0) {
        return bad(call, E_MALFORMED, "a request is an array that begins with its verb");
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (span_equal(name, span_str(verbs[i].name))) {
            return verbs[i].run(call);
        }
    }
    return bad(call, E_INVALID, "there is no such verb: is the agent older than the command?");
}

int agent_handle(struct kb *kb, struct span request, int cancel_fd, agent_reply_fn *reply,
                 void *context)
{
    ASSERT(kb != NULL && reply != NULL);
    struct unpacked unpacked = {0};
    struct call call = {.kb = kb, .cancel_fd = cancel_fd, .reply = reply, .context = context};
    buf_init(&call.frame, AGENT_FRAME_MAX);
    buf_init(&call.results, RESULTS_MAX);
    int rc = unpack_open(&unpacked, request, AGENT_ELEMENTS_MAX);
    rc = rc != 0 ? bad(&call, rc, "the request can't be read") : run(&call, &unpacked);
    if (call.stopped == 0) {
        send_end(&call, rc);
    }
    unpack_close(&unpacked);
    buf_free(&call.frame);
    buf_free(&call.results);
    return call.stopped;
}
