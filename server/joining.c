/* server/joining.c - the token is used up, the device and its bag are made, in one set. */
#include "server/joining.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"

struct job {
    struct plan *plan;
    struct plan_by by;
    struct reply reply;
    struct err err;
};

static int answer(struct job *job, int code)
{
    if (code == PLAN_FULL) {
        return code;
    }
    if (code == PLAN_TROUBLE) {
        log_err(LOG_ERROR, "commit", "join.trouble", &job->err);
        code = err_set(&job->err, E_BUSY, "the server could not read its state: try again");
    }
    job->reply.code = code;
    job->reply.pending = job->plan->draft->count > 0;
    if (code != 0) {
        const char *text = job->err.code == code ? job->err.text : err_meaning(code);
        job->reply.text = arena_text(&job->plan->draft->arena, text);
    }
    (void)draft_reply(job->plan->draft, &job->reply);
    return 0;
}

/* The token as it is, also when it was used by an earlier join of this draft. */
static int read_token(struct job *job, const uint8_t *key, struct token_record *token)
{
    char path[RECORD_PATH_MAX];
    struct item_row row = {0};
    struct span item = record_token_path(path, key);
    if (overlay_item(&job->plan->overlay, job->plan->server_bag, item, &row, &job->err) != 0) {
        return PLAN_TROUBLE;
    }
    if (row.state != ITEM_LIVE || record_get_token(token, item, row.value, NULL) != 0) {
        return err_set(&job->err, E_TOKEN_UNKNOWN, "%s", err_meaning(E_TOKEN_UNKNOWN));
    }
    return 0;
}

static int read_device(struct job *job, uint64_t device, struct device_record *record)
{
    char path[RECORD_PATH_MAX];
    struct item_row row = {0};
    struct span item = record_device_path(path, device);
    if (overlay_item(&job->plan->overlay, job->plan->server_bag, item, &row, &job->err) != 0) {
        return PLAN_TROUBLE;
    }
    return row.state == ITEM_LIVE ? record_get_device(record, item, row.value, NULL) : E_NOT_FOUND;
}

/* A used token: by this very machine? */
static int repeat(struct job *job, const struct join *join, const struct token_record *token)
{
    struct device_record device = {0};
    int rc = read_device(job, token->device, &device);
    if (rc == PLAN_TROUBLE) {
        return rc;
    }
    if (rc != 0 || memcmp(device.key, join->public_key, KEY_SIZE) != 0) {
        return err_set(&job->err, E_TOKEN_USED, "%s", err_meaning(E_TOKEN_USED));
    }
    if (device.removed) {
        return err_set(&job->err, E_DEVICE_REMOVED, "%s", err_meaning(E_DEVICE_REMOVED));
    }
    job->reply.id = device.id;
    return 0;
}

static void copy_label(char *out, struct span label)
{
    ASSERT(label.size <= WIRE_LABEL_MAX); /* the decoder's limit */
    if (label.size > 0) {
        memcpy(out, label.data, label.size);
    }
    out[label.size] = '\0';
}

static int put_token(struct job *job, const struct token_record *token)
{
    char path[RECORD_PATH_MAX];
    struct buf text;
    buf_init(&text, RECORD_TEXT_MAX);
    record_put_token(&text, token);
    int rc = buf_error(&text) != 0
                 ? PLAN_TROUBLE
                 : plan_set(job->plan, &job->by, job->plan->server_bag,
                            record_token_path(path, token->key), buf_span(&text), &job->err);
    buf_free(&text);
    return rc;
}

static int put_device(struct job *job, const struct device_record *device)
{
    char path[RECORD_PATH_MAX];
    struct buf text;
    buf_init(&text, RECORD_TEXT_MAX);
    record_put_device(&text, device);
    int rc = buf_error(&text) != 0
                 ? PLAN_TROUBLE
                 : plan_set(job->plan, &job->by, job->plan->server_bag,
                            record_device_path(path, device->id), buf_span(&text), &job->err);
    buf_free(&text);
    return rc;
}

/* The bag of a device is there from its first join on; somebody may have deleted it. */
static int ensure_bag(struct job *job, uint64_t device)
{
    struct owner owner = {.kind = OWNER_DEVICE, .device = device};
    struct bag_row bag = {0};
    uint64_t bag_id = 0;
    int rc = plan_read(overlay_bag_of(&job->plan->overlay, &owner, &bag, &job->err));
    return rc == E_NOT_FOUND || rc == E_BAG_GONE
               ? plan_create(job->plan, &job->by, &owner, 0, &bag_id, &job->err)
               : rc;
}

static int put_all(struct job *job, const struct device_record *device, struct token_record *token)
{
    token->used = true;
    token->device = device->id;
    job->by.origin = device->id;
    int rc = ensure_bag(job, device->id);
    if (rc == 0) {
        rc = put_device(job, device);
    }
    if (rc == 0) {
        rc = put_token(job, token);
    }
    if (rc == 0) {
        rc = plan_seal(job->plan, &job->err);
    }
    job->reply.id = device->id;
    return rc;
}

static void describe(struct device_record *device, const struct join *join)
{
    device->joined_ms = join->now_ms;
    memcpy(device->key, join->public_key, KEY_SIZE);
    copy_label(device->serial, join->serial);
    copy_label(device->model, join->model);
    copy_label(device->software, join->software);
}

static int make_device(struct job *job, const struct registry *registry, const struct join *join,
                       struct token_record *token)
{
    struct device_record device = {0};
    do {
        device.id = random_u64();
    } while (device.id == 0 || registry_knows(registry, device.id));
    describe(&device, join);
    copy_label(device.name, join->name);
    return put_all(job, &device, token);
}

/* The name stays: it is the place's, or was given by an administrator. */
static int replace_device(struct job *job, const struct join *join, struct token_record *token)
{
    struct device_record device = {0};
    int rc = read_device(job, token->replaces, &device);
    if (rc != 0) {
        return rc == PLAN_TROUBLE ? rc
                                  : err_set(&job->err, E_NOT_FOUND,
                                            "the machine that this token replaces is not known "
                                            "to the server any more");
    }
    describe(&device, join);
    device.removed = false;
    if (!token->keeps_rights) {
        device.keep = KEEP_SIGNED_IN;
        device.mirror = false;
    }
    return put_all(job, &device, token);
}

static int plan_join(struct job *job, const struct registry *registry, const struct join *join)
{
    struct token_record token = {0};
    int rc = read_token(job, join->token, &token);
    if (rc != 0) {
        return rc;
    }
    if (token.used) {
        return repeat(job, join, &token);
    }
    if (token.expires_ms <= join->now_ms) {
        return err_set(&job->err, E_TOKEN_EXPIRED, "%s", err_meaning(E_TOKEN_EXPIRED));
    }
    if (registry_peer(registry, join->public_key).kind != REGISTRY_NOBODY) {
        return err_set(&job->err, E_EXISTS, "another machine has this key: make a new one");
    }
    if (job->plan->closed != 0) {
        return err_set(&job->err, job->plan->closed, "%s", plan_closed_text(job->plan));
    }
    return token.replaces != 0 ? replace_device(job, join, &token)
                               : make_device(job, registry, join, &token);
}

int join_plan(struct plan *plan, const struct registry *registry, const struct join *join)
{
    ASSERT(plan != NULL && registry != NULL && join != NULL);
    ASSERT(plan->draft->count == 0);
    struct job job = {
        .plan = plan,
        .by = {.actor = "", .seen = UINT64_MAX},
        .reply = {.kind = REPLY_JOINED, .session = join->session},
    };
    plan_begin(plan);
    int rc = plan_join(&job, registry, join);
    if (rc != 0) {
        plan_undo(plan);
    }
    return answer(&job, rc);
}
