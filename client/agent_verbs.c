/* client/agent_verbs.c - the verbs of the machine, its people and its outbox. */
#include <stdlib.h>

#include "client/agent_inside.h"

enum {
    NAMES_MAX = KB_GROUPS_MAX + 1,
    LABEL_ROOM = 257,
    JUDGE_MS = 10000, /* so long a policy's end is waited for, unless a time was given */
    JUDGED_FIELDS = 8,
};

/* --- the machine --- */

static enum kb_join_policy take_policy(struct call *call)
{
    return (enum kb_join_policy)walk_u64_max(&call->arguments, KB_MERGE);
}

/* What the policy has come to, and whether that is all. */
static int tell_judged(struct call *call, unsigned timeout_ms, struct buf *out)
{
    struct kb_error why = {0};
    struct kb_judged judged = {.size = sizeof judged};
    int rc = kb_judged(call->kb, timeout_ms != 0 ? timeout_ms : JUDGE_MS, &judged, &why);
    if (rc != 0 && rc != KB_E_TIMEOUT) {
        call->error = why;
        return rc;
    }
    pack_bool(out, rc == 0);
    pack_u64(out, judged.users);
    pack_u64(out, judged.groups);
    pack_u64(out, judged.same);
    pack_u64(out, judged.taken);
    pack_u64(out, judged.replaced_there);
    pack_u64(out, judged.replaced_here);
    pack_cstr(out, judged.saved);
    return 0;
}

int call_join(struct call *call)
{
    char token[TOKEN_TEXT_MAX + 2];
    char name[LABEL_ROOM];
    char serial[LABEL_ROOM];
    char model[LABEL_ROOM];
    struct kb_join_report report = {.users = 0};
    struct kb_join_options options = {.size = sizeof options};
    call_text(call, token, sizeof token);
    const char **servers = call_names(call, TOKEN_ADDRESSES_MAX + 1, ADDRESS_MAX_BYTES + 2);
    options.servers = servers;
    options.name = call_optional(call, name, sizeof name) ? name : NULL;
    options.serial = call_optional(call, serial, sizeof serial) ? serial : NULL;
    options.model = call_optional(call, model, sizeof model) ? model : NULL;
    options.timeout_ms = call_ms(call);
    options.policy = take_policy(call);
    int rc = call_taken(call);
    rc = rc != 0 ? rc : kb_join(call->kb, token, &options, &report, &call->error);
    rc = rc != 0 ? rc : kb_start(call->kb, &call->error);
    if (rc == 0) {
        struct buf *out = call_results(call, 3 + JUDGED_FIELDS);
        pack_cstr(out, report.device);
        pack_u64(out, report.users);
        pack_u64(out, report.writes);
        rc = tell_judged(call, options.timeout_ms, out);
    }
    free(servers);
    return rc;
}

int call_start(struct call *call)
{
    enum kb_join_policy policy = take_policy(call);
    unsigned timeout_ms = call_ms(call);
    int rc = call_taken(call);
    rc = rc != 0 ? rc : kb_start_with(call->kb, policy, &call->error);
    if (rc == 0 && policy != KB_SERVER_WINS) {
        rc = tell_judged(call, timeout_ms, call_results(call, JUDGED_FIELDS));
    }
    return rc;
}

int call_stop(struct call *call)
{
    int rc = call_taken(call);
    return rc != 0 ? rc : kb_stop(call->kb, &call->error);
}

int call_status(struct call *call)
{
    struct kb_status status = {.size = sizeof status};
    int rc = call_taken(call);
    if (rc != 0) {
        return rc;
    }
    kb_status(call->kb, &status);
    struct buf *out = call_row(call, 26);
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
    pack_bool(out, client_wanted(call->kb));
    pack_u64(out, status.healed);
    pack_u64(out, status.verified_ms);
    pack_cstr(out, status.kept);
    pack_u64(out, status.mirror_seq);
    pack_u64(out, (uint64_t)-status.mirror_code);
    pack_cstr(out, status.mirror_text);
    pack_u64(out, status.mirror_from);
    pack_u64(out, status.mirror_bytes);
    (void)call_send(call);
    return 0;
}

int call_verify(struct call *call)
{
    struct kb_verify_report report = {.records = 0};
    int rc = call_taken(call);
    rc = rc != 0 ? rc : kb_verify(call->kb, &report, &call->error);
    struct buf *out = call_results(call, 3);
    pack_u64(out, report.records);
    pack_u64(out, report.damaged);
    pack_u64(out, report.batches);
    return rc;
}

/* --- people --- */

int call_login(struct call *call)
{
    char user[CALL_BAG_ROOM];
    call_text(call, user, sizeof user);
    const char **groups = call_names(call, NAMES_MAX, CALL_BAG_ROOM);
    unsigned timeout_ms = call_ms(call);
    int rc = call_taken(call);
    rc = rc != 0 ? rc : call_connect(call);
    rc = rc != 0 ? rc : kb_login(call->kb, user, groups, timeout_ms, &call->error);
    free(groups);
    return rc;
}

int call_logout(struct call *call)
{
    char user[CALL_BAG_ROOM];
    call_text(call, user, sizeof user);
    int rc = call_taken(call);
    return rc != 0 ? rc : kb_logout(call->kb, user, &call->error);
}

static int send_user(void *context, const struct kb_user *user)
{
    struct call *call = context;
    struct buf *out = call_row(call, 4);
    pack_cstr(out, user->name);
    pack_u64(out, user->cursor);
    pack_u64(out, user->items);
    pack_bool(out, user->complete);
    return call_send(call);
}

int call_users(struct call *call)
{
    int rc = call_taken(call);
    return rc != 0 ? rc : kb_users(call->kb, send_user, call, &call->error);
}

/* --- the outbox --- */

static int send_op(void *context, const struct kb_op *op)
{
    struct call *call = context;
    struct buf *out = call_row(call, 8);
    pack_u64(out, op->op);
    pack_cstr(out, op->bag);
    pack_cstr(out, op->item);
    pack_u64(out, op->items);
    pack_u64(out, op->bytes);
    pack_u64(out, op->time_ms);
    pack_u64(out, (uint64_t)-op->code);
    pack_cstr(out, op->text);
    return call_send(call);
}

int call_outbox(struct call *call)
{
    bool refused = walk_bool(&call->arguments);
    int rc = call_taken(call);
    return rc != 0 ? rc
                   : kb_outbox(call->kb, refused ? KB_OUTBOX_REFUSED : KB_OUTBOX_PENDING, send_op,
                               call, &call->error);
}

int call_retry(struct call *call)
{
    uint64_t op = walk_u64(&call->arguments);
    int rc = call_taken(call);
    return rc != 0 ? rc : kb_outbox_retry(call->kb, op, &call->error);
}

int call_drop(struct call *call)
{
    uint64_t op = walk_u64(&call->arguments);
    int rc = call_taken(call);
    return rc != 0 ? rc : kb_outbox_drop(call->kb, op, &call->error);
}
