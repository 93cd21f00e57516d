/* client/agent_handle.c - one request: which verb, its arguments, its end. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "client/agent_inside.h"
#include "client/kb_inside.h"

struct verb {
    const char *name;
    agent_verb_fn *run;
};

static const struct verb verbs[] = {
    {"join", agent_join},   {"start", agent_start},   {"stop", agent_stop},
    {"login", agent_login}, {"logout", agent_logout}, {"users", agent_users},
    {"get", agent_get},     {"set", agent_set},       {"rm", agent_rm},
    {"apply", agent_apply}, {"wait", agent_wait},     {"ls", agent_ls},
    {"watch", agent_watch}, {"outbox", agent_outbox}, {"retry", agent_retry},
    {"drop", agent_drop},   {"status", agent_status}, {"verify", agent_verify},
};

int agent_fail(struct agent_job *job, int code, const char *text)
{
    job->error.code = code;
    (void)snprintf(job->error.text, sizeof job->error.text, "%s", text);
    return code;
}

static const char *copy_text(struct agent_job *job, struct span text)
{
    size_t at = job->strings.size;
    if (memchr(text.size > 0 ? text.data : (const uint8_t *)"x", 0, text.size) != NULL ||
        buf_append_span(&job->strings, text) != 0 || buf_append_u8(&job->strings, 0) != 0) {
        job->args.error = E_MALFORMED;
        return NULL;
    }
    return (const char *)job->strings.data + at;
}

const char *agent_text(struct agent_job *job)
{
    struct span text = walk_str(&job->args);
    return job->args.error != 0 ? NULL : copy_text(job, text);
}

const char *agent_text_or_nil(struct agent_job *job, bool *is_nil)
{
    *is_nil = walk_nil(&job->args);
    return *is_nil ? NULL : agent_text(job);
}

int agent_args_end(struct agent_job *job)
{
    return walk_end(&job->args, false) == 0
               ? 0
               : agent_fail(job, E_MALFORMED,
                            "the request is not one that this version of kitbag understands");
}

int agent_tell(struct agent_job *job)
{
    if (buf_error(&job->frame) != 0) {
        return agent_fail(job, E_TOO_LARGE, "the answer is larger than one frame can be");
    }
    job->stopped = job->reply(job->context, buf_span(&job->frame));
    return job->stopped;
}

bool agent_cancelled(const struct agent_job *job)
{
    struct pollfd fd = {.fd = job->cancel_fd, .events = POLLIN | POLLRDHUP};
    return job->cancel_fd >= 0 && poll(&fd, 1, 0) > 0;
}

int agent_need_server(struct agent_job *job)
{
    (void)pthread_mutex_lock(&job->kb->lock);
    bool start = job->kb->identity.started && job->kb->network == NULL;
    (void)pthread_mutex_unlock(&job->kb->lock);
    return start ? kb_start(job->kb, &job->error) : 0;
}

static int run_verb(struct agent_job *job, struct span name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (span_equal(name, span_str(verbs[i].name))) {
            return verbs[i].run(job);
        }
    }
    return agent_fail(job, E_INVALID,
                      "the agent does not know this command: is it of an older "
                      "version than the program that asks?");
}

static int end_job(struct agent_job *job, int code)
{
    if (job->stopped != 0) {
        return job->stopped;
    }
    const char *text = code == 0 ? "" : job->error.text;
    agent_put_end(&job->frame, code, text, buf_span(&job->results), job->result_count);
    if (buf_error(&job->frame) != 0) {
        agent_put_end(&job->frame, E_NOMEM, "out of memory", (struct span){NULL, 0}, 0);
    }
    return job->reply(job->context, buf_span(&job->frame));
}

int agent_handle(struct kb *kb, struct span request, int cancel_fd, agent_reply_fn *reply,
                 void *context)
{
    ASSERT(kb != NULL && reply != NULL);
    struct unpacked scratch = {0};
    struct agent_job job = {.kb = kb, .cancel_fd = cancel_fd, .reply = reply, .context = context};
    buf_init(&job.frame, AGENT_FRAME_MAX);
    buf_init(&job.results, 4096);
    /* reserved whole: pointers into it stay valid */
    buf_init(&job.strings, 2 * request.size + 64);
    int rc = request.size > AGENT_FRAME_MAX ? E_TOO_LARGE
                                            : unpack_open(&scratch, request, AGENT_ELEMENTS_MAX);
    if (rc == 0 && buf_reserve(&job.strings, 2 * request.size + 64) != 0) {
        rc = E_NOMEM;
    }
    if (rc != 0) {
        rc = agent_fail(&job, rc, "the request can't be read");
    } else {
        job.args = walk_array(&scratch.root);
        struct span name = walk_str(&job.args);
        rc = job.args.error != 0 ? agent_args_end(&job) : run_verb(&job, name);
    }
    rc = end_job(&job, rc);
    unpack_close(&scratch);
    buf_free(&job.frame);
    buf_free(&job.results);
    buf_free(&job.strings);
    return rc;
}
