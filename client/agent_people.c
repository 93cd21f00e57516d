/* client/agent_people.c - the verbs about people, the machine itself and its outbox. */
#include <string.h>

#include "client/agent_inside.h"
#include "client/kb_inside.h"

enum { LIST_MAX = 64, TIMEOUT_MAX_MS = 3600000 };

/* An array of texts as a NULL-ended list. */
static int read_texts(struct agent_job *job, const char *out[LIST_MAX + 1])
{
    const msgpack_object *array = walk_any(&job->args);
    struct walk outer = job->args;
    job->args = array != NULL ? walk_array(array) : (struct walk){.error = E_MALFORMED};
    size_t count = job->args.left;
    if (job->args.error == 0 && count > LIST_MAX) {
        return agent_fail(job, E_INVALID, "at most 64 groups or servers can be named at once");
    }
    for (size_t i = 0; i < count && job->args.error == 0; i++) {
        out[i] = agent_text(job);
    }
    out[count] = NULL;
    if (job->args.error != 0) {
        outer.error = E_MALFORMED;
    }
    job->args = outer;
    return 0;
}

int agent_join(struct agent_job *job)
{
    const char *servers[LIST_MAX + 1];
    bool none = false;
    struct kb_join_options options = {.size = sizeof options};
    struct kb_join_report report = {0};
    const char *token = agent_text(job);
    int rc = read_texts(job, servers);
    if (rc != 0) {
        return rc;
    }
    options.servers = servers[0] != NULL ? servers : NULL;
    options.name = agent_text_or_nil(job, &none);
    options.serial = agent_text_or_nil(job, &none);
    options.model = agent_text_or_nil(job, &none);
    options.timeout_ms = (unsigned)walk_u64_max(&job->args, TIMEOUT_MAX_MS);
    rc = agent_args_end(job);
    rc = rc != 0 ? rc : kb_join(job->kb, token, &options, &report, &job->error);
    if (rc != 0) {
        return rc;
    }
    pack_cstr(&job->results, report.device);
    pack_u64(&job->results, report.users);
    pack_u64(&job->results, report.writes);
    job->result_count = 3;
    return 0;
}

int agent_start(struct agent_job *job)
{
    int rc = agent_args_end(job);
    return rc != 0 ? rc : kb_start(job->kb, &job->error);
}

int agent_stop(struct agent_job *job)
{
    int rc = agent_args_end(job);
    return rc != 0 ? rc : kb_stop(job->kb, &job->error);
}

int agent_login(struct agent_job *job)
{
    const char *groups[LIST_MAX + 1];
    const char *user = agent_text(job);
    int rc = read_texts(job, groups);
    if (rc != 0) {
        return rc;
    }
    unsigned timeout_ms = (unsigned)walk_u64_max(&job->args, TIMEOUT_MAX_MS);
    rc = agent_args_end(job);
    rc = rc != 0 ? rc : agent_need_server(job);
    return rc != 0 ? rc : kb_login(job->kb, user, groups, timeout_ms, &job->error);
}

int agent_logout(struct agent_job *job)
{
    const char *user = agent_text(job);
    int rc = agent_args_end(job);
    return rc != 0 ? rc : kb_logout(job->kb, user, &job->error);
}

static int tell_user(void *context, const struct kb_user *user)
{
    struct agent_job *job = context;
    agent_put_row(&job->frame, 4);
    pack_cstr(&job->frame, user->name);
    pack_u64(&job->frame, user->cursor);
    pack_u64(&job->frame, user->items);
    pack_bool(&job->frame, user->complete);
    return agent_tell(job);
}

int agent_users(struct agent_job *job)
{
    int rc = agent_args_end(job);
    return rc != 0 ? rc : kb_users(job->kb, tell_user, job, &job->error);
}

int agent_status(struct agent_job *job)
{
    int rc = agent_args_end(job);
    if (rc != 0) {
        return rc;
    }
    struct kb_status status = {.size = sizeof status};
    kb_status(job->kb, &status);
    (void)pthread_mutex_lock(&job->kb->lock);
    bool wanted = job->kb->identity.started;
    (void)pthread_mutex_unlock(&job->kb->lock);
    struct buf *out = &job->frame;
    agent_put_row(out, 18); /* AGENT_STATUS_FIELDS */
    pack_u64(out, (uint64_t)status.phase);
    pack_bool(out, status.connected);
    pack_u64(out, (uint64_t)-status.code);
    pack_cstr(out, status.text);
    pack_cstr(out, status.device);
    pack_cstr(out, status.name);
    pack_cstr(out, status.history);
    pack_cstr(out, status.server);
    pack_u64(out, status.head_seq);
    pack_u64(out, status.seq);
    pack_u64(out, status.users);
    pack_u64(out, status.bags);
    pack_u64(out, status.bags_complete);
    pack_u64(out, status.items);
    pack_u64(out, status.pending);
    pack_u64(out, status.refused);
    pack_u64(out, status.last_heard_ms);
    pack_bool(out, wanted);
    return agent_tell(job);
}

int agent_verify(struct agent_job *job)
{
    struct kb_verify_report report = {0};
    int rc = agent_args_end(job);
    rc = rc != 0 ? rc : kb_verify(job->kb, &report, &job->error);
    pack_u64(&job->results, report.records);
    pack_u64(&job->results, report.damaged);
    pack_u64(&job->results, report.batches);
    job->result_count = 3;
    return rc;
}

/* --- the outbox --- */

static int tell_op(void *context, const struct kb_op *op)
{
    struct agent_job *job = context;
    agent_put_row(&job->frame, 8);
    pack_u64(&job->frame, op->op);
    pack_cstr(&job->frame, op->bag);
    pack_cstr(&job->frame, op->item != NULL ? op->item : "");
    pack_u64(&job->frame, op->items);
    pack_u64(&job->frame, op->bytes);
    pack_u64(&job->frame, op->time_ms);
    pack_u64(&job->frame, (uint64_t)-op->code);
    pack_cstr(&job->frame, op->text != NULL ? op->text : "");
    return agent_tell(job);
}

int agent_outbox(struct agent_job *job)
{
    bool refused = walk_bool(&job->args);
    int rc = agent_args_end(job);
    return rc != 0 ? rc
                   : kb_outbox(job->kb, refused ? KB_OUTBOX_REFUSED : KB_OUTBOX_PENDING, tell_op,
                               job, &job->error);
}

int agent_retry(struct agent_job *job)
{
    uint64_t op = walk_u64(&job->args);
    int rc = agent_args_end(job);
    return rc != 0 ? rc : kb_outbox_retry(job->kb, op, &job->error);
}

int agent_drop(struct agent_job *job)
{
    uint64_t op = walk_u64(&job->args);
    int rc = agent_args_end(job);
    return rc != 0 ? rc : kb_outbox_drop(job->kb, op, &job->error);
}
