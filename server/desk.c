/* server/desk.c - a list of tickets under a lock. */
#include "server/desk.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

enum {
    PIECE_BYTES = 256 << 10, /* of values, before machines get their turn */
    PIECE_WRITES = 1000,
    PIECE_US = 500, /* or so long: deletions cost more than their bytes tell */
    DEVICES_AT_ONCE = 500,
};

enum ticket_kind { TICKET_SUBMIT, TICKET_STATUS, TICKET_DEVICES, TICKET_CLOCK };

/* Lives on the stack of the thread that waits. Between handing in and `done` it is the main
 * thread's. */
struct ticket {
    struct ticket *next;
    enum ticket_kind kind;
    struct submit *submits;
    size_t submit_count;
    size_t planned;
    size_t answered;
    uint64_t seq; /* kv/ has to have this before it is done */
    struct server_status *status;
    const uint64_t *devices;
    size_t device_count;
    struct device_live *live; /* of each */
    int rc;
    bool done; /* under the lock */
};

struct desk {
    struct desk_options options;
    /* The lock guards the list, `closed` and every ticket's `done`: callers are other threads. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ticket *first;
    struct ticket *last;
    bool closed;
    /* The main thread's, the oldest first: submits that are being worked on, */
    struct ticket *active;
    struct ticket *answered; /* and those that only wait for kv/, which their callers read */
};

/* --- the callers --- */

static int hand_in(struct desk *desk, struct ticket *ticket, struct err *err)
{
    (void)pthread_mutex_lock(&desk->lock);
    if (desk->closed) {
        (void)pthread_mutex_unlock(&desk->lock);
        return err_set(err, E_CLOSED, "the server is shutting down");
    }
    if (desk->first == NULL) {
        desk->first = ticket;
    } else {
        desk->last->next = ticket;
    }
    desk->last = ticket;
    (void)pthread_mutex_unlock(&desk->lock);
    desk->options.wake(desk->options.context);
    (void)pthread_mutex_lock(&desk->lock);
    while (!ticket->done) {
        (void)pthread_cond_wait(&desk->changed, &desk->lock);
    }
    (void)pthread_mutex_unlock(&desk->lock);
    return ticket->rc == 0 ? 0 : err_set(err, ticket->rc, "%s", err_meaning(ticket->rc));
}

static int backend_submit(void *context, struct submit *submits, size_t count, struct err *err)
{
    ASSERT(context != NULL && (submits != NULL || count == 0));
    struct ticket ticket = {.kind = TICKET_SUBMIT, .submits = submits, .submit_count = count};
    return count == 0 ? 0 : hand_in(context, &ticket, err);
}

static int backend_status(void *context, struct server_status *out, struct err *err)
{
    ASSERT(context != NULL && out != NULL);
    struct ticket ticket = {.kind = TICKET_STATUS, .status = out};
    return hand_in(context, &ticket, err);
}

static int backend_devices(void *context, const uint64_t *ids, size_t count,
                           struct device_live *out, struct err *err)
{
    ASSERT(context != NULL && ((ids != NULL && out != NULL) || count == 0));
    int rc = 0;
    for (size_t done = 0; done < count && rc == 0; done += DEVICES_AT_ONCE) {
        size_t left = count - done;
        struct ticket ticket = {.kind = TICKET_DEVICES,
                                .devices = ids + done,
                                .device_count = left < DEVICES_AT_ONCE ? left : DEVICES_AT_ONCE,
                                .live = out + done};
        rc = hand_in(context, &ticket, err);
    }
    return rc;
}

static int backend_confirm_clock(void *context, struct err *err)
{
    ASSERT(context != NULL);
    struct ticket ticket = {.kind = TICKET_CLOCK};
    return hand_in(context, &ticket, err);
}

/* One item of the server's bag; `seq` may be NULL. */
static int submit_record(struct desk *desk, struct span path, const struct buf *text,
                         const char *actor, uint64_t *seq, struct err *err)
{
    struct operation_write write = {.path = path, .value = buf_span(text)};
    struct submit submit = {
        .kind = SUBMIT_WRITE,
        .actor = actor,
        .owner = {.kind = OWNER_SERVER},
        .writes = &write,
        .write_count = 1,
    };
    int rc = buf_error(text) != 0
                 ? err_set(err, buf_error(text), "a record of the server: out of memory")
                 : backend_submit(desk, &submit, 1, err);
    if (rc == 0 && submit.code != 0) {
        rc = err_set(err, submit.code, "%s", submit.text);
    }
    if (rc == 0 && seq != NULL) {
        *seq = submit.seq;
    }
    return rc;
}

/* The token's public half goes into the server's bag. */
static int submit_token(struct desk *desk, const struct token_record *record, const char *actor,
                        struct err *err)
{
    char path[RECORD_PATH_MAX];
    struct buf text;
    buf_init(&text, RECORD_TEXT_MAX);
    record_put_token(&text, record);
    int rc = submit_record(desk, record_token_path(path, record->key), &text, actor, NULL, err);
    buf_free(&text);
    return rc;
}

static int backend_sync(void *context, bool run, const char *actor, uint64_t *seq, struct err *err)
{
    ASSERT(context != NULL && actor != NULL && strlen(actor) <= ACTOR_MAX_BYTES && seq != NULL);
    struct desk *desk = context;
    struct server_status status = {0};
    int rc = backend_status(desk, &status, err);
    *seq = 0;
    if (rc != 0 || status.sync_stopped == !run) {
        return rc;
    }
    struct sync_record record = {.stopped = !run, .since_ms = clock_wall_ms(&clock_system)};
    struct buf text;
    buf_init(&text, RECORD_TEXT_MAX);
    (void)snprintf(record.by, sizeof record.by, "%s", actor);
    record_put_sync(&text, &record);
    rc = submit_record(desk, SPAN_LITERAL(RECORD_SYNC_PATH), &text, actor, seq, err);
    buf_free(&text);
    if (rc == 0) {
        log_event(LOG_INFO, "server", run ? "sync.started" : "sync.stopped", "by=%s seq=%" PRIu64,
                  LOG_Q(actor), *seq);
    }
    return rc;
}

static uint64_t backend_last_sign_in(void *context, uint64_t bag_id)
{
    ASSERT(context != NULL);
    const struct desk *desk = context;
    return desk->options.sign_ins != NULL
               ? sign_ins_last(desk->options.sign_ins, committer_kv(desk->options.committer),
                               bag_id)
               : 0;
}

/* Is there such a machine, removed or not? */
static int check_replaced(struct desk *desk, uint64_t device, struct err *err)
{
    struct kv *kv = committer_kv(desk->options.committer);
    struct owner server = {.kind = OWNER_SERVER};
    struct bag_row bag = {0};
    struct kv_item item = {0};
    char path[RECORD_PATH_MAX];
    int rc = kv_bag_of(kv, NULL, &server, &bag, err);
    if (rc == 0) {
        rc = kv_item(kv, NULL, bag.bag_id, record_device_path(path, device), &item, err);
    }
    if (rc == 0 && item.row.state != ITEM_LIVE) {
        rc = err_set(err, E_NOT_FOUND, "no registered machine has the ID %016" PRIx64, device);
    }
    kv_item_free(&item);
    return rc;
}

static void describe_token(struct token_record *record, const struct enrollment *wanted)
{
    *record = (struct token_record){
        .expires_ms = wanted->expires_ms,
        .replaces = wanted->replaces,
        .keeps_rights = wanted->replaces != 0 && wanted->keeps_rights,
        .created_ms = clock_wall_ms(&clock_system),
    };
    (void)snprintf(record->by, sizeof record->by, "%s", wanted->actor);
}

static int backend_enroll(void *context, struct enrollment *wanted, char *out, size_t out_size,
                          struct err *err)
{
    ASSERT(context != NULL && wanted != NULL && out != NULL && out_size >= TOKEN_TEXT_MAX);
    ASSERT(wanted->actor != NULL && strlen(wanted->actor) <= ACTOR_MAX_BYTES);
    struct desk *desk = context;
    int rc = wanted->replaces != 0 ? check_replaced(desk, wanted->replaces, err) : 0;
    if (rc != 0) {
        return rc;
    }
    struct key_pair pair;
    struct token_record record;
    key_pair_make(&pair);
    struct join_token token = desk->options.token;
    token.expires_ms = wanted->expires_ms;
    memcpy(token.secret, pair.secret_key, KEY_SIZE);
    describe_token(&record, wanted);
    memcpy(record.key, pair.public_key, KEY_SIZE);
    hex_encode(record.key, (sizeof wanted->id - 1) / 2, wanted->id);
    rc = submit_token(desk, &record, wanted->actor, err);
    if (rc == 0) {
        rc = token_format(&token, out, err);
    }
    key_wipe(&pair, sizeof pair);
    key_wipe(&token, sizeof token);
    return rc;
}

void desk_backend(struct desk *desk, struct admin_backend *out)
{
    ASSERT(desk != NULL && out != NULL);
    *out = (struct admin_backend){
        .context = desk,
        .kv = committer_kv(desk->options.committer),
        .journal = desk->options.journal,
        .journal_dir = desk->options.journal_dir,
        .submit = backend_submit,
        .status = backend_status,
        .devices = backend_devices,
        .enroll = backend_enroll,
        .sync = backend_sync,
        .last_sign_in = backend_last_sign_in,
        .confirm_clock = backend_confirm_clock,
    };
}

/* --- the main thread --- */

static void finish(struct desk *desk, struct ticket *ticket, int rc)
{
    (void)pthread_mutex_lock(&desk->lock);
    ticket->rc = rc;
    ticket->done = true; /* its memory may be gone as soon as the lock is free */
    (void)pthread_cond_broadcast(&desk->changed);
    (void)pthread_mutex_unlock(&desk->lock);
}

static struct ticket *take_all(struct desk *desk)
{
    (void)pthread_mutex_lock(&desk->lock);
    struct ticket *all = desk->first;
    desk->first = NULL;
    desk->last = NULL;
    (void)pthread_mutex_unlock(&desk->lock);
    return all;
}

static void find_devices(const struct desk *desk, const struct ticket *ticket)
{
    for (size_t i = 0; i < ticket->device_count; i++) {
        struct device_live live = {0};
        int rc = desk->options.device(desk->options.context, ticket->devices[i], &live);
        ticket->live[i] = rc == 0 ? live : (struct device_live){0};
    }
}

static void add_last(struct ticket **list, struct ticket *ticket)
{
    while (*list != NULL) {
        list = &(*list)->next;
    }
    ticket->next = NULL;
    *list = ticket;
}

static void begin(struct desk *desk, struct ticket *ticket)
{
    switch (ticket->kind) {
    case TICKET_STATUS:
        desk->options.status(desk->options.context, ticket->status);
        finish(desk, ticket, 0);
        break;
    case TICKET_DEVICES:
        find_devices(desk, ticket);
        finish(desk, ticket, 0);
        break;
    case TICKET_CLOCK:
        desk->options.confirm_clock(desk->options.context);
        finish(desk, ticket, 0);
        break;
    case TICKET_SUBMIT:
        add_last(&desk->active, ticket);
        break;
    }
}

static size_t weight(const struct submit *submit)
{
    size_t bytes = 0;
    for (size_t i = 0; i < submit->write_count; i++) {
        bytes += submit->writes[i].path.size + submit->writes[i].value.size;
    }
    return bytes;
}

/* The first ticket that has something left to plan. */
static struct ticket *unplanned(const struct desk *desk)
{
    struct ticket *ticket = desk->active;
    while (ticket != NULL && ticket->planned == ticket->submit_count) {
        ticket = ticket->next;
    }
    return ticket;
}

static void leave(struct desk *desk, struct ticket *ticket)
{
    struct ticket **at = &desk->active;
    while (*at != ticket) {
        at = &(*at)->next;
    }
    *at = ticket->next;
    ticket->seq = committer_head(desk->options.committer);
    add_last(&desk->answered, ticket);
}

static void count_answer(struct desk *desk, struct ticket *ticket)
{
    ticket->answered++;
    if (ticket->answered == ticket->submit_count) {
        leave(desk, ticket);
    }
}

static void plan_piece(struct desk *desk)
{
    size_t bytes = 0;
    size_t writes = 0;
    uint64_t end_ns = clock_mono_ns() + PIECE_US * UINT64_C(1000);
    struct ticket *ticket = NULL;
    while (bytes < PIECE_BYTES && writes < PIECE_WRITES && (ticket = unplanned(desk)) != NULL) {
        struct submit *submit = &ticket->submits[ticket->planned];
        bytes += weight(submit);
        writes += submit->write_count + 1;
        uint64_t index = ticket->planned++;
        int rc = committer_submit(desk->options.committer, submit, ticket, index);
        if (rc != 0) {
            submit->code = rc;
            (void)snprintf(submit->text, sizeof submit->text, "the server is out of memory");
            count_answer(desk, ticket);
        }
        if (clock_mono_ns() >= end_ns) {
            break;
        }
    }
}

bool desk_work(struct desk *desk)
{
    ASSERT(desk != NULL);
    struct ticket *ticket = take_all(desk);
    while (ticket != NULL) {
        struct ticket *next = ticket->next;
        begin(desk, ticket);
        ticket = next;
    }
    plan_piece(desk);
    return unplanned(desk) != NULL;
}

void desk_reply(struct desk *desk, const struct reply *reply)
{
    ASSERT(desk != NULL && reply != NULL && reply->kind == REPLY_SUBMITTED);
    struct ticket *ticket = reply->ticket;
    submit_finish(&ticket->submits[reply->number], reply);
    count_answer(desk, ticket);
}

void desk_answer(struct desk *desk)
{
    ASSERT(desk != NULL);
    while (desk->answered != NULL &&
           committer_reached(desk->options.committer, desk->answered->seq)) {
        struct ticket *ticket = desk->answered;
        desk->answered = ticket->next;
        finish(desk, ticket, 0);
    }
}

void desk_close(struct desk *desk)
{
    ASSERT(desk != NULL);
    committer_settle(desk->options.committer);
    desk_answer(desk);
    ASSERT(desk->answered == NULL);
    (void)pthread_mutex_lock(&desk->lock);
    desk->closed = true;
    (void)pthread_mutex_unlock(&desk->lock);
    struct ticket *ticket = take_all(desk);
    while (ticket != NULL) {
        struct ticket *next = ticket->next;
        finish(desk, ticket, E_CLOSED);
        ticket = next;
    }
    while (desk->active != NULL) {
        ticket = desk->active;
        ASSERT(ticket->answered == ticket->planned);
        desk->active = ticket->next;
        finish(desk, ticket, E_CLOSED);
    }
}

int desk_new(struct desk **out, const struct desk_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->wake != NULL);
    struct desk *desk = calloc(1, sizeof *desk);
    if (desk == NULL) {
        return err_set(err, E_NOMEM, "the desk: out of memory");
    }
    desk->options = *options;
    (void)pthread_mutex_init(&desk->lock, NULL);
    (void)pthread_cond_init(&desk->changed, NULL);
    *out = desk;
    return 0;
}

void desk_free(struct desk **desk)
{
    if (desk == NULL || *desk == NULL) {
        return;
    }
    ASSERT((*desk)->first == NULL && (*desk)->active == NULL && (*desk)->answered == NULL);
    (void)pthread_cond_destroy(&(*desk)->changed);
    (void)pthread_mutex_destroy(&(*desk)->lock);
    free(*desk);
    *desk = NULL;
}
