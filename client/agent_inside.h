/* client/agent_inside.h - one request while it is done: its arguments, its frames, its verbs.
 *
 *   agent_handle.c  arguments and frames; which verb
 *   agent_verbs.c   the machine, its people, its outbox
 *   agent_items.c   items and watching
 *   agent_files.c   snapshot files
 */
#ifndef KITBAG_CLIENT_AGENT_INSIDE_H
#define KITBAG_CLIENT_AGENT_INSIDE_H

#include "client/agent.h"
#include "client/kb_inside.h"

enum {
    CALL_ITEM_ROOM = PATH_MAX_BYTES + 2, /* one more than is allowed: it is refused by name */
    CALL_BAG_ROOM = OWNER_TEXT_MAX + 2,
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

/* --- arguments, in order; what is wrong with them is said by call_taken --- */
/* As a C string; a NUL inside is wrong. Too long is cut at the size, which is more than any name or
 * path may have, so that it is refused by its own rule. */
void call_text(struct call *call, char *out, size_t size);
void call_copy_text(struct call *call, struct span text, char *out, size_t size);
bool call_optional(struct call *call, char *out, size_t size); /* false: it was nil */
unsigned call_ms(struct call *call);
struct kb_write_options call_condition(struct call *call);
/* A list of texts, ended by NULL, in one block to be freed; NULL when it is wrong. */
const char **call_names(struct call *call, size_t max_count, size_t max_size);
/* 0 when all arguments were there and no more. */
MUST_CHECK int call_taken(struct call *call);

/* --- frames --- */
/* Begin a row, pack its fields, send it. */
struct buf *call_row(struct call *call, uint32_t fields);
int call_send(struct call *call); /* not 0: nobody listens any more */
struct buf *call_results(struct call *call, uint32_t count);

MUST_CHECK int call_connect(struct call *call); /* when it was started */
bool call_cancelled(const struct call *call);

/* A verb returns 0 or a code, with its sentence in call->error. */
typedef int call_verb(struct call *call);
call_verb call_join, call_start, call_stop, call_status, call_verify, call_login, call_logout,
    call_users, call_outbox, call_retry, call_drop; /* agent_verbs.c */
call_verb call_get, call_ls, call_explain, call_set, call_rm, call_apply, call_wait,
    call_watch;                                         /* agent_items.c */
call_verb call_import, call_export, call_export_outbox; /* agent_files.c */

#endif
