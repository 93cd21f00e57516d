/* cli/kitbag_outbox.c - what waits to be sent, what was refused, and what to do with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/kitbag_call.h"
#include "cli/kitbag_verbs.h"
#include "cli/output.h"

static int add_op(void *context, struct walk *fields, struct err *err)
{
    json_t *rows = context;
    uint64_t op = walk_u64(fields);
    struct span bag = walk_str(fields);
    struct span item = walk_str(fields);
    uint64_t items = walk_u64(fields);
    uint64_t bytes = walk_u64(fields);
    uint64_t time_ms = walk_u64(fields);
    uint64_t code = walk_u64(fields);
    struct span text = walk_str(fields);
    char time[CLOCK_TEXT_MAX];
    if (walk_end(fields, true) != 0) {
        return err_set(err, E_MALFORMED, "the agent's answer can't be read");
    }
    clock_format(time_ms, time);
    json_t *row = json_object();
    (void)json_object_set_new(row, "op", output_seq(op));
    output_set_bytes(row, "bag", bag.data, bag.size);
    output_set_bytes(row, "item", item.data, item.size);
    (void)json_object_set_new(row, "items", json_integer((json_int_t)items));
    (void)json_object_set_new(row, "bytes", json_integer((json_int_t)bytes));
    (void)json_object_set_new(row, "time", json_string(time));
    if (code != 0) {
        (void)json_object_set_new(row, "code", json_string(err_name(err_from_wire(code))));
        output_set_bytes(row, "text", text.data, text.size);
    }
    return json_array_append_new(rows, row) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static int list(const struct invocation *invocation, bool refused, struct err *err)
{
    static const struct output_column all[] = {
        {"op", "OP", true},       {"bag", "BAG", false},    {"item", "ITEM", false},
        {"items", "ITEMS", true}, {"bytes", "BYTES", true}, {"time", "TIME", false},
        {"code", "CODE", false},  {"text", "WHY", false},   {NULL, NULL, false}};
    struct output_column columns[sizeof all / sizeof all[0]];
    enum output_format format;
    int rc = output_format(invocation, &format, err);
    if (rc != 0) {
        return rc;
    }
    memcpy(columns, all, sizeof columns);
    if (!refused) {
        columns[6].key = NULL;
    }
    struct call call = {.row = add_op, .context = json_array()};
    call_begin(&call, "outbox", 1);
    pack_bool(&call.request, refused);
    rc = call_run(&call, invocation, err);
    if (rc == 0) {
        output_rows(format, columns, call.context);
    }
    json_decref(call.context);
    call_close(&call);
    return rc;
}

int verb_outbox_ls(const struct invocation *invocation, struct err *err)
{
    return list(invocation, false, err);
}

int verb_outbox_refused(const struct invocation *invocation, struct err *err)
{
    return list(invocation, true, err);
}

/* retry or drop: the number of an operation, or "all". */
static int act(const struct invocation *invocation, const char *verb, struct err *err)
{
    const char *text = invocation->args[0];
    unsigned long long op = 0;
    if (strcmp(text, "all") != 0) {
        char *end = NULL;
        errno = 0;
        op = strtoull(text, &end, 10);
        if (errno != 0 || *end != '\0' || end == text || text[0] == '-' || op == 0) {
            return err_set(err, E_USAGE,
                           "name an operation by its number ('kitbag outbox refused' lists them) "
                           "or say all, not '%s'",
                           text);
        }
    }
    struct call call = {0};
    call_begin(&call, verb, 1);
    pack_u64(&call.request, op);
    int rc = call_run(&call, invocation, err);
    call_close(&call);
    return rc;
}

int verb_outbox_retry(const struct invocation *invocation, struct err *err)
{
    return act(invocation, "retry", err);
}

int verb_outbox_drop(const struct invocation *invocation, struct err *err)
{
    if (!command_confirm(invocation, "Forget these writes? They can't be brought back.", err)) {
        return err->code;
    }
    return act(invocation, "drop", err);
}
