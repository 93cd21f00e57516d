/* client/agent_verbs.c - the verbs: a request's arguments in, a call of libkitbag, frames out. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent.h"
#include "client/kb_inside.h"

enum {
    ITEM_ROOM = PATH_MAX_BYTES + 2, /* one more than is allowed: so that it is refused by name */
    BAG_ROOM = OWNER_TEXT_MAX + 2,
    NAMES_MAX = KB_GROUPS_MAX + 1, /* of a list: groups, servers */
    WRITES_MAX = 10001,
    WAIT_DEFAULT_MS = 10000,
    WAIT_SLICE_MS = 200,
    LABEL_ROOM = 257,
};

/* One request being done. */
struct call {
    struct kb *kb;
    struct walk arguments;
    int cancel_fd;
    agent_reply_fn *reply;
    void *context;
    int stopped; /* what `reply` returned */
    struct buf frame;
    struct buf results; /* packed, of the end */
    uint32_t result_count;
    struct kb_error error;
};

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
static void copy_text(struct call *call, struct span text, char *out, size_t size)
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

static void take_text(struct call *call, char *out, size_t size)
{
    copy_text(call, walk_str(&call->arguments), out, size);
}

/* False: it was nil. */
static bool take_optional(struct call *call, char *out, size_t size)
{
    out[0] = '\0';
    if (walk_nil(&call->arguments)) {
        return false;
    }
    take_text(call, out, size);
    return true;
}

static unsigned take_ms(struct call *call)
{
    return (unsigned)walk_u64_max(&call->arguments, 1u << 30);
}

static struct kb_write_options take_condition(struct call *call)
{
    struct kb_write_options options = {.size = sizeof options};
    options.has_if_seq = !walk_nil(&call->arguments);
    if (options.has_if_seq) {
        options.if_seq = walk_u64(&call->arguments);
    }
    return options;
}

/* A list of texts: the strings lie in one block behind the pointers, NULL ends them. */
static const char **take_names(struct call *call, size_t max_count, size_t max_size)
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
        copy_text(call, walk_str(&list), at, max_size);
        names[i] = at;
    }
    call->arguments.error = list.error != 0 ? list.error : call->arguments.error;
    return names;
}

/* 0 when all arguments were there and no more. */
static int taken(struct call *call)
{
    return walk_end(&call->arguments, false) == 0 ? 0 : malformed(call);
}

/* --- frames --- */

static int send_frame(struct call *call)
{
    if (call->stopped == 0) {
        int rc = buf_error(&call->frame);
        call->stopped = rc != 0 ? rc : call->reply(call->context, buf_span(&call->frame));
    }
    return call->stopped;
}

static struct buf *begin_row(struct call *call, uint32_t fields)
{
    buf_reset(&call->frame);
    pack_array(&call->frame, fields + 1);
    pack_u64(&call->frame, 0);
    return &call->frame;
}

static struct buf *begin_results(struct call *call, uint32_t count)
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
    (void)send_frame(call);
}

static bool cancelled(const struct call *call, int timeout_ms)
{
    struct pollfd fd = {.fd = call->cancel_fd, .events = POLLIN | POLLRDHUP};
    return call->cancel_fd >= 0 && poll(&fd, 1, timeout_ms) != 0;
}

/* --- the machine --- */

static int connect_if_wanted(struct call *call)
{
    struct err err = {0};
    int rc = kb_connect(call->kb, &err);
    return rc != 0 ? kb_fail(&call->error, &err) : 0;
}

static int verb_join(struct call *call)
{
    char token[TOKEN_TEXT_MAX + 2];
    char name[LABEL_ROOM];
    char serial[LABEL_ROOM];
    char model[LABEL_ROOM];
    struct kb_join_report report = {.users = 0};
    struct kb_join_options options = {.size = sizeof options};
    take_text(call, token, sizeof token);
    const char **servers = take_names(call, TOKEN_ADDRESSES_MAX + 1, ADDRESS_MAX_BYTES + 2);
    options.servers = servers;
    options.name = take_optional(call, name, sizeof name) ? name : NULL;
    options.serial = take_optional(call, serial, sizeof serial) ? serial : NULL;
    options.model = take_optional(call, model, sizeof model) ? model : NULL;
    options.timeout_ms = take_ms(call);
    int rc = taken(call);
    rc = rc != 0 ? rc : kb_join(call->kb, token, &options, &report, &call->error);
    rc = rc != 0 ? rc : kb_start(call->kb, &call->error);
    if (rc == 0) {
        struct buf *out = begin_results(call, 3);
        pack_cstr(out, report.device);
        pack_u64(out, report.users);
        pack_u64(out, report.writes);
    }
    free(servers);
    return rc;
}

static int verb_start(struct call *call)
{
    int rc = taken(call);
    return rc != 0 ? rc : kb_start(call->kb, &call->error);
}

static int verb_stop(struct call *call)
{
    int rc = taken(call);
    return rc != 0 ? rc : kb_stop(call->kb, &call->error);
}

static int verb_status(struct call *call)
{
    struct kb_status status = {.size = sizeof status};
    int rc = taken(call);
    if (rc != 0) {
        return rc;
    }
    kb_status(call->kb, &status);
    struct buf *out = begin_row(call, 18);
    pack_u64(out, (uint64_t)status.phase);
    pack_bool(out, status.connected);
    pack_u64(out, (uint64_t)-status.code);
    pack_cstr(out, status.text);
    pack_cstr(out, status.device);
    pack_cstr(out, status.name);
    pack_cstr(out, status.history);
    pack_cstr(out, status.server);
    const uint64_t numbers[] = {status.head_seq, status.seq,           status.users,
                                status.bags,     status.bags_complete, status.items,
                                status.pending,  status.refused,       status.last_heard_ms};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        pack_u64(out, numbers[i]);
    }
    pack_bool(out, kb_wanted(call->kb));
    (void)send_frame(call);
    return 0;
}

static int verb_verify(struct call *call)
{
    struct kb_verify_report report = {.records = 0};
    int rc = taken(call);
    rc = rc != 0 ? rc : kb_verify(call->kb, &report, &call->error);
    struct buf *out = begin_results(call, 3);
    pack_u64(out, report.records);
    pack_u64(out, report.damaged);
    pack_u64(out, report.batches);
    return rc;
}

/* --- people --- */

static int verb_login(struct call *call)
{
    char user[BAG_ROOM];
    take_text(call, user, sizeof user);
    const char **groups = take_names(call, NAMES_MAX, BAG_ROOM);
    unsigned timeout_ms = take_ms(call);
    int rc = taken(call);
    rc = rc != 0 ? rc : connect_if_wanted(call);
    rc = rc != 0 ? rc : kb_login(call->kb, user, groups, timeout_ms, &call->error);
    free(groups);
    return rc;
}

static int verb_logout(struct call *call)
{
    char user[BAG_ROOM];
    take_text(call, user, sizeof user);
    int rc = taken(call);
    return rc != 0 ? rc : kb_logout(call->kb, user, &call->error);
}

static int send_user(void *context, const struct kb_user *user)
{
    struct call *call = context;
    struct buf *out = begin_row(call, 4);
    pack_cstr(out, user->name);
    pack_u64(out, user->cursor);
    pack_u64(out, user->items);
    pack_bool(out, user->complete);
    return send_frame(call);
}

static int verb_users(struct call *call)
{
    int rc = taken(call);
    return rc != 0 ? rc : kb_users(call->kb, send_user, call, &call->error);
}

/* --- items --- */

static int verb_get(struct call *call)
{
    char bag[BAG_ROOM];
    char item[ITEM_ROOM];
    struct kb_value value = {.data = NULL};
    take_text(call, bag, sizeof bag);
    take_text(call, item, sizeof item);
    int rc = taken(call);
    rc = rc != 0 ? rc : kb_get(call->kb, bag, item, &value, &call->error);
    if (rc == 0) {
        struct buf *out = begin_row(call, 4);
        pack_bin(out, span_of(value.data, value.size));
        pack_u64(out, value.seq);
        pack_u64(out, value.time_ms);
        pack_bool(out, value.pending);
        (void)send_frame(call);
    }
    kb_value_free(&value);
    return rc;
}

static int send_item(void *context, const struct kb_item *item)
{
    struct call *call = context;
    struct buf *out = begin_row(call, 5);
    pack_cstr(out, item->path);
    pack_bin(out, span_of(item->bytes, item->size));
    pack_u64(out, item->seq);
    pack_u64(out, item->time_ms);
    pack_bool(out, item->pending);
    return send_frame(call);
}

static int verb_ls(struct call *call)
{
    char bag[BAG_ROOM];
    char prefix[ITEM_ROOM];
    take_text(call, bag, sizeof bag);
    take_text(call, prefix, sizeof prefix);
    int rc = taken(call);
    return rc != 0 ? rc : kb_list(call->kb, bag, prefix, send_item, call, &call->error);
}

/* In slices, to notice that nobody waits any more. */
static int wait_for(struct call *call, uint64_t op, unsigned wait_ms)
{
    int rc = connect_if_wanted(call);
    if (rc != 0) {
        return rc;
    }
    for (;;) {
        unsigned slice_ms = wait_ms < WAIT_SLICE_MS ? wait_ms : WAIT_SLICE_MS;
        rc = kb_wait(call->kb, op, slice_ms, &call->error);
        wait_ms -= slice_ms;
        if (rc != E_TIMEOUT || wait_ms == 0 || cancelled(call, 0)) {
            return rc;
        }
    }
}

/* A write was made: its number is told whatever comes of waiting for it. */
static int written(struct call *call, uint64_t op, unsigned wait_ms)
{
    pack_u64(begin_results(call, 1), op);
    return wait_ms == 0 ? 0 : wait_for(call, op, wait_ms);
}

static int verb_set(struct call *call)
{
    char bag[BAG_ROOM];
    char item[ITEM_ROOM];
    uint64_t op = 0;
    take_text(call, bag, sizeof bag);
    take_text(call, item, sizeof item);
    struct span bytes = walk_bin(&call->arguments);
    struct kb_write_options options = take_condition(call);
    unsigned wait_ms = take_ms(call);
    int rc = taken(call);
    rc = rc != 0 ? rc
                 : kb_set(call->kb, bag, item, bytes.data, bytes.size, &options, &op, &call->error);
    return rc != 0 ? rc : written(call, op, wait_ms);
}

static int verb_rm(struct call *call)
{
    char bag[BAG_ROOM];
    char item[ITEM_ROOM];
    uint64_t op = 0;
    take_text(call, bag, sizeof bag);
    take_text(call, item, sizeof item);
    struct kb_write_options options = take_condition(call);
    unsigned wait_ms = take_ms(call);
    int rc = taken(call);
    rc = rc != 0 ? rc : kb_remove(call->kb, bag, item, &options, &op, &call->error);
    return rc != 0 ? rc : written(call, op, wait_ms);
}

/* The writes of a change set; their paths lie in one block behind them. */
static struct kb_write *take_writes(struct call *call, size_t *count)
{
    struct walk list = walk_array(walk_any(&call->arguments));
    if (list.error != 0 || list.left > WRITES_MAX) {
        call->arguments.error = E_MALFORMED;
        return NULL;
    }
    *count = list.left;
    struct kb_write *writes = calloc(1, (*count + 1) * sizeof *writes + *count * ITEM_ROOM);
    if (writes == NULL) {
        call->arguments.error = E_NOMEM;
        return NULL;
    }
    char *at = (char *)(writes + *count + 1);
    for (size_t i = 0; i < *count; i++, at += ITEM_ROOM) {
        struct walk write = walk_array(walk_any(&list));
        copy_text(call, walk_str(&write), at, ITEM_ROOM);
        writes[i].item = at;
        writes[i].remove = walk_nil(&write);
        if (!writes[i].remove) {
            struct span value = walk_bin(&write);
            writes[i].bytes = value.data;
            writes[i].size = value.size;
        }
        if (walk_end(&write, false) != 0) {
            call->arguments.error = E_MALFORMED;
        }
    }
    return writes;
}

static int verb_apply(struct call *call)
{
    char bag[BAG_ROOM];
    uint64_t op = 0;
    size_t count = 0;
    take_text(call, bag, sizeof bag);
    struct kb_write *writes = take_writes(call, &count);
    struct kb_write_options options = take_condition(call);
    unsigned wait_ms = take_ms(call);
    int rc = taken(call);
    rc = rc != 0 ? rc : kb_apply(call->kb, bag, writes, count, &options, &op, &call->error);
    free(writes);
    return rc != 0 ? rc : written(call, op, wait_ms);
}

static int verb_wait(struct call *call)
{
    uint64_t op = walk_u64(&call->arguments);
    unsigned wait_ms = take_ms(call);
    int rc = taken(call);
    return rc != 0 ? rc : wait_for(call, op, wait_ms != 0 ? wait_ms : WAIT_DEFAULT_MS);
}

/* --- watching --- */

static void send_change(void *context, const struct kb_change *change)
{
    struct call *call = context;
    struct buf *out = begin_row(call, 5);
    pack_cstr(out, change->bag);
    if (change->item != NULL) {
        pack_cstr(out, change->item);
    } else {
        pack_nil(out);
    }
    pack_bool(out, change->removed);
    if (change->bytes != NULL) {
        pack_bin(out, span_of(change->bytes, change->size));
    } else {
        pack_nil(out);
    }
    pack_u64(out, change->seq);
    (void)send_frame(call);
}

/* Until nobody listens any more. */
static int watch_on(struct call *call, struct kb_watch *watch)
{
    struct kb_change begin = {.bag = ""};
    send_change(call, &begin);
    while (call->stopped == 0) {
        struct pollfd fds[2] = {
            {.fd = watch_fd(watch), .events = POLLIN},
            {.fd = call->cancel_fd, .events = POLLIN | POLLRDHUP},
        };
        if (poll(fds, 2, -1) > 0 && fds[1].revents != 0) {
            return 0;
        }
        (void)watch_dispatch(call->kb->hub, watch);
    }
    return 0;
}

static int verb_watch(struct call *call)
{
    char bag[BAG_ROOM];
    struct err err = {0};
    struct owner owner;
    struct kb_watch *watch = NULL;
    bool one = take_optional(call, bag, sizeof bag);
    int rc = taken(call);
    if (rc != 0) {
        return rc;
    }
    rc = one ? owner_parse(&owner, bag, &err) : 0;
    rc = rc != 0
             ? rc
             : watch_new(call->kb->hub, one ? &owner : NULL, true, send_change, call, &watch, &err);
    if (rc != 0) {
        return kb_fail(&call->error, &err);
    }
    rc = connect_if_wanted(call);
    rc = rc != 0 ? rc : watch_on(call, watch);
    watch_free(call->kb->hub, &watch);
    return rc;
}

/* --- the outbox --- */

static int send_op(void *context, const struct kb_op *op)
{
    struct call *call = context;
    struct buf *out = begin_row(call, 8);
    pack_u64(out, op->op);
    pack_cstr(out, op->bag);
    pack_cstr(out, op->item);
    pack_u64(out, op->items);
    pack_u64(out, op->bytes);
    pack_u64(out, op->time_ms);
    pack_u64(out, (uint64_t)-op->code);
    pack_cstr(out, op->text);
    return send_frame(call);
}

static int verb_outbox(struct call *call)
{
    bool refused = walk_bool(&call->arguments);
    int rc = taken(call);
    return rc != 0 ? rc
                   : kb_outbox(call->kb, refused ? KB_OUTBOX_REFUSED : KB_OUTBOX_PENDING, send_op,
                               call, &call->error);
}

static int verb_retry(struct call *call)
{
    uint64_t op = walk_u64(&call->arguments);
    int rc = taken(call);
    return rc != 0 ? rc : kb_outbox_retry(call->kb, op, &call->error);
}

static int verb_drop(struct call *call)
{
    uint64_t op = walk_u64(&call->arguments);
    int rc = taken(call);
    return rc != 0 ? rc : kb_outbox_drop(call->kb, op, &call->error);
}

/* --- which --- */

static const struct verb {
    const char *name;
    int (*run)(struct call *call);
} verbs[] = {
    {"join", verb_join},     {"start", verb_start},   {"stop", verb_stop},
    {"status", verb_status}, {"verify", verb_verify}, {"login", verb_login},
    {"logout", verb_logout}, {"users", verb_users},   {"get", verb_get},
    {"set", verb_set},       {"rm", verb_rm},         {"apply", verb_apply},
    {"wait", verb_wait},     {"ls", verb_ls},         {"watch", verb_watch},
    {"outbox", verb_outbox}, {"retry", verb_retry},   {"drop", verb_drop},
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
    buf_init(&call.results, 256);
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
