/* client/agent_inside.h - what the files behind client/agent.h share. */
#ifndef KITBAG_CLIENT_AGENT_INSIDE_H
#define KITBAG_CLIENT_AGENT_INSIDE_H

#include "client/agent.h"

/* --- agent_frame.c: one frame of an answer in place of what `out` held --- */
void agent_put_row(struct buf *out, uint32_t fields);
void agent_put_end(struct buf *out, int code, const char *text, struct span results,
                   uint32_t result_count);

/* One request while it is done. */
struct agent_job {
    struct kb *kb;
    struct walk args;
    int cancel_fd;
    agent_reply_fn *reply;
    void *context;
    struct buf frame;   /* the frame that is being told */
    struct buf results; /* of the end */
    uint32_t result_count;
    struct buf strings; /* NUL-ended copies of arguments */
    int stopped;        /* what `reply` returned, when it was not 0 */
    struct kb_error error;
};

/* A verb returns 0 or a code, with its sentence in job->error. */
typedef int agent_verb_fn(struct agent_job *job);

/* --- agent_handle.c --- */
/* The next argument, copied and NUL-ended; it lives as long as the job. NULL: not a text, or one
 * with a NUL in it; job->args.error is set then. */
const char *agent_text(struct agent_job *job);
const char *agent_text_or_nil(struct agent_job *job, bool *is_nil);
/* All arguments were there and of their types? E_MALFORMED with a sentence otherwise. */
MUST_CHECK int agent_args_end(struct agent_job *job);
int agent_fail(struct agent_job *job, int code, const char *text);
/* Tell the row in job->frame; not 0: nobody listens any more, return it. */
MUST_CHECK int agent_tell(struct agent_job *job);
bool agent_cancelled(const struct agent_job *job);
/* Connect for this verb when the machine is to be connected: an agent is already. */
MUST_CHECK int agent_need_server(struct agent_job *job);

/* --- by file --- */
agent_verb_fn agent_join, agent_start, agent_stop, agent_login, agent_logout, agent_users,
    agent_status, agent_verify; /* agent_people.c */
agent_verb_fn agent_get, agent_set, agent_rm, agent_apply, agent_wait, agent_ls,
    agent_watch;                                     /* agent_items.c */
agent_verb_fn agent_outbox, agent_retry, agent_drop; /* agent_people.c */

#endif
