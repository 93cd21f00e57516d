/* cli/kitbag_status.c - the row that the verb `status` answers with. */
#include "cli/kitbag_status.h"

#include "base/clock.h"

const char *status_phase_name(uint64_t phase)
{
    static const char *const names[] = {"alone",       "stopped", "connecting",
                                        "catching-up", "current", "refused"};
    return phase < sizeof names / sizeof names[0] ? names[phase] : "unknown";
}

static void set_text(json_t *row, const char *key, struct walk *fields)
{
    struct span text = walk_str(fields);
    output_set_bytes(row, key, text.data, text.size);
}

static void set_number(json_t *row, const char *key, struct walk *fields)
{
    (void)json_object_set_new(row, key, json_integer((json_int_t)walk_u64(fields)));
}

static void set_code(json_t *row, const char *key, struct walk *fields)
{
    uint64_t code = walk_u64(fields);
    const char *name = code == 0 ? "" : err_name(err_from_wire(code));
    (void)json_object_set_new(row, key, json_string(name));
}

/* "": never. */
static void set_moment(json_t *row, const char *key, struct walk *fields)
{
    char text[CLOCK_TEXT_MAX] = "";
    uint64_t wall_ms = walk_u64(fields);
    if (wall_ms != 0) {
        clock_format(wall_ms, text);
    }
    (void)json_object_set_new(row, key, json_string(text));
}

/* In the order of AGENT_STATUS_FIELDS. */
static int read_status(void *context, struct walk *fields, struct err *err)
{
    json_t *row = context;
    (void)json_object_set_new(row, "phase", json_string(status_phase_name(walk_u64(fields))));
    (void)json_object_set_new(row, "connected", json_boolean(walk_bool(fields)));
    set_code(row, "code", fields);
    set_text(row, "text", fields);
    set_text(row, "device", fields);
    set_text(row, "name", fields);
    set_text(row, "history", fields);
    set_text(row, "server", fields);
    (void)json_object_set_new(row, "head_seq", output_seq(walk_u64(fields)));
    (void)json_object_set_new(row, "seq", output_seq(walk_u64(fields)));
    set_number(row, "users", fields);
    set_number(row, "bags", fields);
    set_number(row, "bags_complete", fields);
    set_number(row, "items", fields);
    set_number(row, "pending", fields);
    set_number(row, "refused", fields);
    set_moment(row, "last_heard", fields);
    (void)json_object_set_new(row, "wanted", json_boolean(walk_bool(fields)));
    set_number(row, "healed", fields);
    set_moment(row, "verified", fields);
    set_text(row, "kept", fields);
    (void)json_object_set_new(row, "mirror_seq", output_seq(walk_u64(fields)));
    set_code(row, "mirror_code", fields);
    set_text(row, "mirror_text", fields);
    (void)json_object_set_new(row, "mirror_from", output_seq(walk_u64(fields)));
    set_number(row, "mirror_bytes", fields);
    return walk_end(fields, true) == 0
               ? 0
               : err_set(err, E_MALFORMED, "the agent's answer can't be read");
}

int status_ask(const struct invocation *invocation, json_t **out, struct err *err)
{
    struct call call = {.row = read_status, .context = json_object()};
    call_begin(&call, "status", 0);
    int rc = call_run(&call, invocation, err);
    if (rc == 0) {
        (void)json_object_set_new(call.context, "agent", json_boolean(call.end.by_agent));
        *out = call.context;
    } else {
        json_decref(call.context);
    }
    call_close(&call);
    return rc;
}
