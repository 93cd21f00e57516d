/* cli/kitbag_call.c - one verb of client/agent.h, asked by a command. */
#include "cli/kitbag_call.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/kitbag_settings.h"
#include "journal/owner.h"

enum { BUSY_WAIT_MS = 3000, BUSY_PAUSE_MS = 20 };

void call_begin(struct call *call, const char *verb, uint32_t arguments)
{
    buf_init(&call->request, AGENT_FRAME_MAX);
    buf_init(&call->end_bytes, AGENT_FRAME_MAX);
    agent_begin(&call->request, verb, arguments);
}

void call_close(struct call *call)
{
    buf_free(&call->request);
    buf_free(&call->end_bytes);
    unpack_close(&call->scratch);
}

static int end_here(struct call *call, struct span frame)
{
    /* the frame is borrowed for this call only, its results are read later */
    buf_reset(&call->end_bytes);
    int rc = buf_append_span(&call->end_bytes, frame);
    struct agent_frame end;
    if (rc == 0) {
        rc = agent_frame_read(buf_span(&call->end_bytes), &call->scratch, &end);
    }
    if (rc != 0) {
        return err_set(&call->err, rc, "the agent's answer can't be read");
    }
    call->ended = true;
    call->code = end.code;
    call->end.results = end.fields;
    if (end.code != 0) {
        (void)err_set(&call->err, end.code, "%s", end.text);
    }
    return 0;
}

static int on_frame(void *context, struct span frame)
{
    struct call *call = context;
    struct agent_frame read;
    int rc = agent_frame_read(frame, &call->scratch, &read);
    if (rc != 0) {
        return err_set(&call->err, rc, "the agent's answer can't be read");
    }
    if (read.end) {
        return end_here(call, frame);
    }
    if (call->row == NULL) {
        return err_set(&call->err, E_MALFORMED, "the agent's answer has rows nobody asked for");
    }
    return call->row(call->context, &read.fields, &call->err);
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = 0, .tv_nsec = ms * 1000000};
    (void)nanosleep(&time, NULL);
}

int call_run(struct call *call, const struct invocation *invocation, struct err *err)
{
    struct config *config = NULL;
    int rc = buf_error(&call->request);
    if (rc != 0) {
        return err_set(err, rc, "%s",
                       rc == E_TOO_LARGE ? "this is more than one request can carry (3.5 MiB)"
                                         : err_meaning(rc));
    }
    rc = kitbag_settings(invocation, &config, err);
    if (rc != 0) {
        return rc;
    }
    const char *socket = config_text(config, "client.socket");
    struct kb_options options = {
        .size = sizeof options,
        .data_dir = config_text(config, "client.data"),
        .socket = socket[0] != '\0' ? socket : NULL,
        .map_bytes = config_u64(config, "client.map_size"),
        .outbox_bytes = config_u64(config, "client.outbox_size"),
    };
    uint64_t give_up_ms = clock_mono_ms(&clock_system) + BUSY_WAIT_MS;
    struct err failed = {0};
    do {
        rc = agent_request(&options, buf_span(&call->request), &call->end.by_agent, on_frame, call,
                           &failed);
        if (rc == E_BUSY && !call->ended) {
            pause_ms(BUSY_PAUSE_MS);
        }
    } while (rc == E_BUSY && !call->ended && clock_mono_ms(&clock_system) < give_up_ms);
    config_free(&config);
    if (call->ended) { /* what the verb said counts, whatever happened to the line afterwards */
        rc = call->code;
    }
    const struct err *why = call->err.code != 0 ? &call->err : &failed;
    return rc == 0 ? 0 : err_set(err, rc, "%s", why->text[0] != '\0' ? why->text : err_meaning(rc));
}

int call_bag(const struct invocation *invocation, char *out, size_t size, int *next,
             struct err *err)
{
    const char *bag = invocation_option(invocation, "bag");
    *next = bag == NULL ? 1 : 0;
    if (bag == NULL && invocation->arg_count == 0) {
        return err_set(err, E_USAGE, "whose? name a user, or a bag with --bag");
    }
    int length = bag != NULL ? snprintf(out, size, "%s", bag)
                             : snprintf(out, size, "user:%s", invocation->args[0]);
    if (length < 0 || (size_t)length >= size) {
        return err_set(err, E_NAME, "the name is longer than %d bytes", NAME_MAX_BYTES);
    }
    return 0;
}
