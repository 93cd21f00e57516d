/* cli/kitbag_people.c - signing people in and out, and who is signed in. */
#include <string.h>

#include "base/clock.h"
#include "cli/kitbag_call.h"
#include "cli/kitbag_verbs.h"
#include "cli/output.h"

enum { TIMEOUT_MAX_MS = 3600000 };

static uint32_t count_of(const struct invocation *invocation, const char *option)
{
    uint32_t count = 0;
    while (invocation_option_at(invocation, option, count) != NULL) {
        count++;
    }
    return count;
}

int verb_login(const struct invocation *invocation, struct err *err)
{
    uint64_t timeout_ms = 0;
    const char *timeout = invocation_option(invocation, "timeout");
    if (timeout != NULL &&
        (clock_parse_duration(timeout, &timeout_ms) != 0 || timeout_ms > TIMEOUT_MAX_MS)) {
        return err_set(err, E_USAGE, "--timeout takes a time such as 5s, at most 1h, not '%s'",
                       timeout);
    }
    struct call call = {0};
    call_begin(&call, "login", 3);
    pack_cstr(&call.request, invocation->args[0]);
    uint32_t groups = count_of(invocation, "group");
    pack_array(&call.request, groups);
    for (uint32_t i = 0; i < groups; i++) {
        pack_cstr(&call.request, invocation_option_at(invocation, "group", i));
    }
    pack_u64(&call.request, timeout_ms);
    int rc = call_run(&call, invocation, err);
    call_close(&call);
    return rc;
}

int verb_logout(const struct invocation *invocation, struct err *err)
{
    struct call call = {0};
    call_begin(&call, "logout", 1);
    pack_cstr(&call.request, invocation->args[0]);
    int rc = call_run(&call, invocation, err);
    call_close(&call);
    return rc;
}

static int add_user(void *context, struct walk *fields, struct err *err)
{
    json_t *rows = context;
    struct span name = walk_str(fields);
    uint64_t cursor = walk_u64(fields);
    uint64_t items = walk_u64(fields);
    bool complete = walk_bool(fields);
    if (walk_end(fields, true) != 0) {
        return err_set(err, E_MALFORMED, "the agent's answer can't be read");
    }
    json_t *row = json_object();
    output_set_bytes(row, "name", name.data, name.size);
    (void)json_object_set_new(row, "items", json_integer((json_int_t)items));
    (void)json_object_set_new(row, "seq", output_seq(cursor));
    (void)json_object_set_new(row, "complete", json_boolean(complete));
    return json_array_append_new(rows, row) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

int verb_users(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {{"name", "USER", false},
                                                   {"items", "ITEMS", true},
                                                   {"seq", "SEQ", true},
                                                   {"complete", "COMPLETE", false},
                                                   {NULL, NULL, false}};
    enum output_format format;
    int rc = output_format(invocation, &format, err);
    if (rc != 0) {
        return rc;
    }
    struct call call = {.row = add_user, .context = json_array()};
    call_begin(&call, "users", 0);
    rc = call_run(&call, invocation, err);
    if (rc == 0) {
        output_rows(format, columns, call.context);
    }
    json_decref(call.context);
    call_close(&call);
    return rc;
}
