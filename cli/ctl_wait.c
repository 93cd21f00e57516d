/* cli/ctl_wait.c - kitbagctl wait: until machines hold all of their data up to a seq.
 *
 * Without --seq it is what the server holds at this moment. Removed machines are not waited for;
 * one that is not connected is, until the time is over.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/ctl_device.h"
#include "cli/ctl_list.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

enum { TARGET_MAX_BYTES = 512, FIRST_PAUSE_MS = 100, LAST_PAUSE_MS = 500, NAMES_MAX = 200 };

static const uint64_t default_timeout_ms = 60000;

struct waiting {
    const struct invocation *invocation;
    const char *id; /* NULL: all machines */
    uint64_t seq;
    uint64_t began_ms;
    uint64_t timeout_ms;
    size_t machines;
    size_t behind;
    char names[NAMES_MAX]; /* of some that are */
};

static uint64_t seq_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static int read_seq(const struct invocation *invocation, uint64_t *seq, struct err *err)
{
    const char *text = invocation_option(invocation, "seq");
    json_t *status = NULL;
    if (text != NULL) {
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 19 || text[digits] != '\0') {
            return err_set(err, E_USAGE, "--seq takes a seq, not '%s'", text);
        }
        *seq = strtoull(text, NULL, 10);
        return 0;
    }
    int rc = ctl_ask(invocation, "/api/v1/status", NULL, &status, err);
    if (rc == 0) {
        *seq = seq_of(status, "seq");
    }
    json_decref(status);
    return rc;
}

static int read_timeout(const struct invocation *invocation, uint64_t *timeout_ms, struct err *err)
{
    const char *text = invocation_option(invocation, "timeout");
    *timeout_ms = default_timeout_ms;
    return text == NULL || clock_parse_duration(text, timeout_ms) == 0
               ? 0
               : err_set(err, E_USAGE, "--timeout takes a time such as 30s or 5m, not '%s'", text);
}

/* --- looking --- */

static void look_at_one(struct waiting *waiting, const json_t *device)
{
    const char *name = json_string_value(json_object_get(device, "name"));
    const char *id = json_string_value(json_object_get(device, "id"));
    waiting->machines++;
    if (seq_of(device, "current_seq") >= waiting->seq) {
        return;
    }
    size_t used = strlen(waiting->names);
    (void)snprintf(waiting->names + used, NAMES_MAX - used, "%s%s%s", used > 0 ? ", " : "",
                   name != NULL && name[0] != '\0' ? name : id,
                   json_is_true(json_object_get(device, "connected")) ? "" : " (not connected)");
    waiting->behind++;
}

static int look_at_all(struct waiting *waiting, struct err *err)
{
    json_t *rows = NULL;
    size_t i;
    json_t *device;
    int rc = ctl_list(waiting->invocation, "/api/v1/devices?limit=1000&state=active", "devices",
                      &rows, err);
    json_array_foreach(rows, i, device)
    {
        look_at_one(waiting, device);
    }
    json_decref(rows);
    return rc;
}

static int look(struct waiting *waiting, struct err *err)
{
    struct buf buf;
    json_t *device = NULL;
    waiting->machines = 0;
    waiting->behind = 0;
    waiting->names[0] = '\0';
    if (waiting->id == NULL) {
        return look_at_all(waiting, err);
    }
    buf_init(&buf, TARGET_MAX_BYTES);
    (void)buf_append_span(&buf, SPAN_LITERAL("/api/v1/devices/"));
    ctl_escape(&buf, waiting->id);
    const char *target = ctl_target(&buf, err);
    int rc =
        target != NULL ? ctl_ask(waiting->invocation, target, NULL, &device, err) : E_TOO_LARGE;
    if (rc == 0) {
        look_at_one(waiting, device);
    }
    json_decref(device);
    buf_free(&buf);
    return rc;
}

static void pause_ms(unsigned ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Until nobody is behind, or the time is over. */
static int wait_for(struct waiting *waiting, struct err *err)
{
    unsigned next_ms = FIRST_PAUSE_MS;
    for (;;) {
        int rc = look(waiting, err);
        uint64_t took_ms = clock_mono_ms(&clock_system) - waiting->began_ms;
        if (rc != 0 || waiting->behind == 0) {
            return rc;
        }
        if (took_ms >= waiting->timeout_ms) {
            return err_set(err, E_TIMEOUT, "%zu of %zu machine%s not at seq %" PRIu64 " yet: %s",
                           waiting->behind, waiting->machines,
                           waiting->machines == 1 ? " is" : "s are", waiting->seq, waiting->names);
        }
        output_progress("machines at that seq", waiting->machines - waiting->behind,
                        waiting->machines);
        uint64_t left_ms = waiting->timeout_ms - took_ms;
        pause_ms(left_ms < next_ms ? (unsigned)left_ms : next_ms);
        next_ms = next_ms * 2 < LAST_PAUSE_MS ? next_ms * 2 : LAST_PAUSE_MS;
    }
}

static int print_result(const struct waiting *waiting, enum output_format format, struct err *err)
{
    static const struct output_column columns[] = {
        {"machines", "Machines", true},
        {"seq", "At seq", true},
        {"waited_ms", "Waited ms", true},
        {NULL, NULL, false},
    };
    uint64_t took_ms = clock_mono_ms(&clock_system) - waiting->began_ms;
    json_t *result = json_pack("{s:I, s:o, s:I}", "machines", (json_int_t)waiting->machines, "seq",
                               output_seq(waiting->seq), "waited_ms", (json_int_t)took_ms);
    if (result == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    output_object(format, columns, result);
    json_decref(result);
    return 0;
}

int ctl_wait(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    struct waiting waiting = {.invocation = invocation, .began_ms = clock_mono_ms(&clock_system)};
    const char *device = invocation_option(invocation, "device");
    json_t *id = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0 && device == NULL) {
        rc = err_set(err, E_USAGE, "say whom to wait for: --device ID, or --device all");
    }
    if (rc == 0) {
        rc = read_timeout(invocation, &waiting.timeout_ms, err);
    }
    if (rc == 0) {
        rc = read_seq(invocation, &waiting.seq, err);
    }
    if (rc == 0 && strcmp(device, "all") != 0) {
        rc = ctl_device_id(invocation, device, &id, err);
        waiting.id = json_string_value(id);
    }
    if (rc == 0) {
        rc = wait_for(&waiting, err);
        output_progress_end();
    }
    if (rc == 0) {
        rc = print_result(&waiting, format, err);
    }
    json_decref(id);
    return rc;
}
