/* client/kb_join.c - joining a server with a token; starting and stopping.
 *
 * Joining is a connection of its own, on the caller's thread: with the token's key pair, saying
 * which key this machine will use from then on. That key is on disk before it is said, so a JOIN
 * whose answer was lost can be repeated.
 *
 * A machine that was removed, or whose place another has taken, joins the same server again on top
 * of what it keeps: it asks first, by a HELLO with the key it has, whether it is one of the
 * server's still. Whom it keeps it signs in again, so that their bags are followed from where they
 * are; what it wrote meanwhile waits in the outbox, and is sent.
 *
 * A machine that is the server's, and is given a token with other addresses, goes there from then
 * on: its server has moved. The token stays unused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "client/kb_files.h"
#include "client/network.h"
#include "transport/dealer.h"
#include "transport/follow.h"

enum { JOIN_MS = 10000, LOOK_MS = 200 };

struct joining {
    struct kb *kb;
    const struct join_token *token;
    const struct kb_join_options *options;
    const struct identity *identity; /* with the addresses and the name to use */
    bool asks;                       /* by HELLO, whether this machine is the server's still */
    bool welcome;                    /* it is */
    struct key_pair once;            /* of the token, or its own when it asks */
    struct dealer *dealer;
    struct follow *follow;
    bool joined;
    uint64_t device;
    uint8_t history[HISTORY_SIZE];
    int code; /* why it is not joined yet */
    bool refused;
    char text[ERR_TEXT_MAX];
};

/* --- carrying out --- */

static struct span label(const char *text)
{
    size_t size = text != NULL ? strnlen(text, WIRE_LABEL_MAX) : 0;
    return span_of(text, size);
}

static void identify(const struct joining *joining, struct follow_event *event)
{
    const struct identity *identity = joining->identity;
    struct wire_join *join = &event->identity.join;
    ASSERT(identity != NULL && identity->has_keys);
    if (joining->asks) {
        event->identity.hello = (struct wire_hello){.version = WIRE_VERSION,
                                                    .device = identity->device,
                                                    .software = label("kitbag " KITBAG_VERSION),
                                                    .window = WIRE_WINDOW_MAX};
        return;
    }
    *join = (struct wire_join){
        .version = WIRE_VERSION,
        .name = label(identity->name),
        .serial = label(joining->options->serial),
        .model = label(joining->options->model),
        .software = label("kitbag " KITBAG_VERSION),
    };
    memcpy(join->public_key, identity->keys.public_key, sizeof join->public_key);
}

static void connect_to(struct joining *joining, size_t address)
{
    char endpoint[ADDRESS_MAX_BYTES + 16];
    struct err err = {0};
    int rc =
        address_endpoint(joining->identity->addresses[address], endpoint, sizeof endpoint, &err);
    rc = rc != 0 ? rc
                 : dealer_connect(joining->dealer, endpoint, joining->token->server_key,
                                  &joining->once, &err);
    if (rc != 0) { /* the follow's own deadline ends this try */
        joining->code = rc;
        memcpy(joining->text, err.text, sizeof joining->text);
    }
}

static void note_status(struct joining *joining, const struct follow_action *action)
{
    if (action->status.code == 0) {
        return;
    }
    joining->code = action->status.code;
    joining->refused = action->status.phase == FOLLOW_WAITING &&
                       action->status.code != E_UNREACHABLE && action->status.code != E_TIMEOUT &&
                       action->status.code != E_BUSY;
    (void)snprintf(joining->text, sizeof joining->text, "%s", action->status.text);
}

/* True when `answer` has to be given next. */
static bool carry_out(struct joining *joining, const struct follow_action *action,
                      struct follow_event *answer)
{
    switch ((int)action->kind) {
    case FOLLOW_DO_CONNECT:
        connect_to(joining, action->address);
        return false;
    case FOLLOW_DO_DISCONNECT:
        dealer_disconnect(joining->dealer);
        return false;
    case FOLLOW_DO_SEND: /* JOIN is one frame on a fresh connection: there is room */
        if (dealer_send(joining->dealer, action->send) != 0) {
            dealer_disconnect(joining->dealer);
        }
        return false;
    case FOLLOW_DO_IDENTIFY:
        answer->kind = FOLLOW_IDENTITY;
        identify(joining, answer);
        return true;
    case FOLLOW_DO_JOINED:
        joining->joined = true;
        joining->device = action->joined.device;
        memcpy(joining->history, action->joined.history, HISTORY_SIZE);
        return false;
    case FOLLOW_DO_WELCOME:
        joining->welcome = true;
        return false;
    case FOLLOW_DO_STATUS:
        note_status(joining, action);
        return false;
    default:
        return false; /* nothing else comes before WELCOME, behind which nothing is of interest */
    }
}

static void step(struct joining *joining, struct follow_event event)
{
    bool asked = true;
    while (asked) {
        event.now_ms = clock_mono_ms(&clock_system);
        struct follow_event answer = {0};
        struct follow_actions actions = follow_step(joining->follow, &event);
        asked = false;
        for (size_t i = 0; i < actions.count; i++) {
            asked = carry_out(joining, &actions.list[i], &answer);
        }
        event = answer;
    }
}

static void wait_once(struct joining *joining, uint64_t until_ms)
{
    struct span bytes;
    struct follow_event event = {.kind = FOLLOW_TICK};
    uint64_t now_ms = clock_mono_ms(&clock_system);
    uint64_t next_ms = follow_next_tick(joining->follow);
    next_ms = next_ms < until_ms ? next_ms : until_ms;
    next_ms = next_ms < now_ms + LOOK_MS ? next_ms : now_ms + LOOK_MS;
    int wait_ms = next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
    switch (dealer_wait(joining->dealer, wait_ms, &bytes)) {
    case DEALER_UP:
        event.kind = FOLLOW_UP;
        break;
    case DEALER_DOWN:
        event.kind = FOLLOW_DOWN;
        event.down.code = E_UNREACHABLE;
        break;
    case DEALER_REFUSED:
        event.kind = FOLLOW_DOWN;
        event.down.code = E_TOKEN_UNKNOWN;
        break;
    case DEALER_CUT:
        event.kind = FOLLOW_DOWN;
        event.down.code = E_UNREACHABLE;
        event.down.text = "what answers there hangs up: it has another key than the token's server "
                          "(is the token of another one?), or too many connections";
        break;
    case DEALER_MESSAGE:
        event.kind = FOLLOW_FRAME;
        event.frame = bytes;
        break;
    case DEALER_NOTHING:
    case DEALER_WOKEN:
    default:
        break;
    }
    step(joining, event);
}

static bool is_closing(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    bool closing = kb->closing;
    (void)pthread_mutex_unlock(&kb->lock);
    return closing;
}

static int run(struct joining *joining, unsigned timeout_ms, struct err *err)
{
    uint64_t until_ms = clock_mono_ms(&clock_system) + timeout_ms;
    step(joining, (struct follow_event){.kind = FOLLOW_START});
    while (!joining->joined && !joining->welcome && !joining->refused && !is_closing(joining->kb) &&
           clock_mono_ms(&clock_system) < until_ms) {
        wait_once(joining, until_ms);
    }
    if (joining->joined || joining->welcome) {
        return 0;
    }
    if (joining->refused) {
        const char *remedy = client_remedy(joining->code);
        return err_set(err, joining->code, "%.150s%s%s", joining->text, remedy != NULL ? ": " : "",
                       remedy != NULL ? remedy : "");
    }
    bool known = strcmp(joining->text, err_meaning(E_UNREACHABLE)) != 0;
    return err_set(err, E_UNREACHABLE, "the server at %s can't be reached%s%.200s",
                   joining->identity->addresses[0], known ? ": " : "", known ? joining->text : "");
}

static int converse(struct joining *joining, unsigned timeout_ms, struct err *err)
{
    struct follow_options options = {
        .address_count = joining->identity->address_count,
        .seed = random_u64(),
        .join = !joining->asks,
    };
    if (joining->asks) {
        joining->once = joining->identity->keys;
    } else {
        key_pair_of_secret(&joining->once, joining->token->secret);
    }
    int rc = dealer_new(&joining->dealer, err);
    if (rc == 0 && follow_new(&joining->follow, &options) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    rc = rc != 0 ? rc : run(joining, timeout_ms, err);
    follow_free(&joining->follow);
    dealer_free(&joining->dealer);
    key_wipe(&joining->once, sizeof joining->once);
    return rc;
}

/* --- before and after --- */

static int take_addresses(struct identity *identity, const struct join_token *token,
                          const char *const *servers, struct err *err)
{
    char endpoint[ADDRESS_MAX_BYTES + 16];
    identity->address_count = 0;
    for (size_t i = 0; servers != NULL && servers[i] != NULL; i++) {
        if (i == TOKEN_ADDRESSES_MAX) {
            return err_set(err, E_INVALID, "at most %d addresses can be given",
                           TOKEN_ADDRESSES_MAX);
        }
        int rc =
            strlen(servers[i]) > ADDRESS_MAX_BYTES
                ? err_set(err, E_INVALID, "an address is longer than %d bytes", ADDRESS_MAX_BYTES)
                : address_endpoint(servers[i], endpoint, sizeof endpoint, err);
        if (rc != 0) {
            return rc;
        }
        memcpy(identity->addresses[i], servers[i], strlen(servers[i]) + 1);
        identity->address_count++;
    }
    if (identity->address_count == 0) {
        identity->address_count = token->address_count;
        memcpy(identity->addresses, token->addresses, sizeof identity->addresses);
    }
    return identity->address_count > 0
               ? 0
               : err_set(err, E_INVALID, "the token names no server: give its address");
}

static void take_name(struct identity *identity, const char *name)
{
    char host[sizeof identity->name] = "";
    if (name == NULL || name[0] == '\0') {
        (void)gethostname(host, sizeof host - 1);
        name = host;
    }
    size_t size = strnlen(name, sizeof identity->name - 1);
    memcpy(identity->name, name, size);
    identity->name[size] = '\0';
    for (char *at = identity->name; *at != '\0'; at++) {
        if (*at == '\n') {
            *at = ' '; /* it is a line of the identity file */
        }
    }
}

/* It is one of the server's, then. */
static bool is_connected(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    bool connected = kb->network != NULL && kb->live.connected;
    (void)pthread_mutex_unlock(&kb->lock);
    return connected;
}

/* Does it look for its server elsewhere than it did? */
static bool is_elsewhere(struct kb *kb, const struct identity *identity)
{
    (void)pthread_mutex_lock(&kb->lock);
    bool other = kb->identity.address_count != identity->address_count;
    for (size_t i = 0; i < identity->address_count && !other; i++) {
        other = strcmp(kb->identity.addresses[i], identity->addresses[i]) != 0;
    }
    (void)pthread_mutex_unlock(&kb->lock);
    return other;
}

/* Of a machine that has joined: may it join again? Only when the token's server does not know it as
 * its own any more. A removed machine's key stays refused: then it takes a new one. `moved`: the
 * server knows it, at other addresses. */
static int ask_server(struct kb *kb, const struct join_token *token,
                      const struct kb_join_options *options, struct identity *identity, bool *moved,
                      struct err *err)
{
    struct joining asking = {
        .kb = kb, .token = token, .options = options, .identity = identity, .asks = true};
    struct err why = {0};
    if (memcmp(identity->server_key, token->server_key, KEY_SIZE) != 0) {
        return err_set(err, E_EXISTS,
                       "this machine has joined '%s', and the token is of another server",
                       identity->addresses[0]);
    }
    int rc = converse(&asking, options->timeout_ms != 0 ? options->timeout_ms : JOIN_MS, &why);
    *moved = rc == 0 && is_elsewhere(kb, identity);
    if (rc == 0) {
        return *moved ? 0
                      : err_set(err, E_EXISTS, "this machine has joined '%s' already",
                                identity->addresses[0]);
    }
    if (rc == E_DEVICE_REMOVED) {
        key_pair_make(&identity->keys);
        return client_store_identity(kb, identity, err);
    }
    return rc == E_TOKEN_UNKNOWN || rc == E_NOT_ALLOWED ? 0 : err_set(err, rc, "%s", why.text);
}

static int prepare(struct kb *kb, const struct join_token *token,
                   const struct kb_join_options *options, struct identity *identity, bool *moved,
                   struct err *err)
{
    (void)pthread_mutex_lock(&kb->lock);
    *identity = kb->identity;
    (void)pthread_mutex_unlock(&kb->lock);
    int rc = 0;
    if (!identity->has_keys) { /* on disk before the server hears of it */
        key_pair_make(&identity->keys);
        identity->has_keys = true;
        rc = client_store_identity(kb, identity, err);
    }
    rc = rc != 0 ? rc : take_addresses(identity, token, options->servers, err);
    if (rc == 0 && is_connected(kb)) {
        rc = err_set(err, E_EXISTS, "this machine has joined '%s' already", identity->addresses[0]);
    } else if (rc == 0 && identity->device != 0) {
        rc = ask_server(kb, token, options, identity, moved, err);
    }
    take_name(identity, options->name);
    return rc;
}

static int count_user(void *context, const struct replica_bag *bag, struct err *err)
{
    (void)err;
    uint64_t *users = context;
    *users += bag->owner.kind == OWNER_USER && bag->bag_id == 0 ? 1 : 0;
    return 0;
}

static int count_write(void *context, const struct outbox_entry *entry, struct err *err)
{
    (void)err;
    uint64_t *writes = context;
    *writes += entry->kind == OPERATION_WRITE ? 1 : 0;
    return 0;
}

/* --- those who are kept sign in again --- */

struct again {
    struct kb *kb;
    bool listed; /* only those whom the server had signed in here */
    struct due *list;
    size_t count, capacity;
};

static int note_again(void *context, const struct replica_bag *bag, struct err *err)
{
    struct again *again = context;
    if (bag->owner.kind != OWNER_USER || !bag->keep || bag->bag_id == 0 || bag->made_by != 0) {
        return 0;
    }
    struct due *list = array_reserve(again->list, &again->capacity, again->count + 1, sizeof *list);
    if (list == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    again->list = list;
    list[again->count] = (struct due){.bag_id = bag->bag_id, .in = true, .user = bag->owner};
    int rc = client_groups_get(again->kb, bag->local, &list[again->count].groups, err);
    again->count++;
    return rc;
}

/* More than can be noted sign in by themselves: the server has their bags. */
static int sign_in_again(struct kb *kb, struct err *err)
{
    struct again again = {.kb = kb, .listed = client_keeps(kb, OWNER_USER)};
    int rc = replica_bags(kb->replica, note_again, &again, err);
    for (size_t i = 0; rc == 0 && i < again.count; i++) {
        if (!again.listed || client_is_listed(kb, again.list[i].bag_id)) {
            rc = client_due_add(kb, &again.list[i], err);
        }
    }
    free(again.list);
    return rc == E_QUOTA ? 0 : rc;
}

static int finish(struct kb *kb, const struct joining *joining, struct identity *identity,
                  struct kb_join_report *report, struct err *err)
{
    struct kb_join_report made = {0};
    int rc = identity->device != 0 ? sign_in_again(kb, err) : 0;
    identity->device = joining->device;
    memcpy(identity->history, joining->history, HISTORY_SIZE);
    memcpy(identity->server_key, joining->token->server_key, KEY_SIZE);
    memcpy(identity->signing_key, joining->token->signing_key, KEY_SIZE);
    identity->started = true;
    rc = rc != 0 ? rc : replica_bags(kb->replica, count_user, &made.users, err);
    rc = rc != 0 ? rc : outbox_each(kb->outbox, OUTBOX_PENDING, count_write, &made.writes, err);
    rc = rc != 0 ? rc : client_store_identity(kb, identity, err);
    if (rc == 0) {
        outbox_set_alone(kb->outbox, false);
        device_format(identity->device, made.device);
        if (report != NULL) {
            *report = made;
        }
    }
    return rc;
}

/* All but the addresses stays. */
static int move(struct kb *kb, const struct identity *identity, struct kb_join_report *report,
                struct err *err)
{
    struct kb_join_report made = {0};
    device_format(identity->device, made.device);
    int rc = client_store_identity(kb, identity, err);
    if (rc == 0 && report != NULL) {
        *report = made;
    }
    return rc;
}

static int join(struct kb *kb, const char *text, const struct kb_join_options *options,
                struct kb_join_report *report, struct err *err)
{
    struct join_token token;
    struct identity identity;
    int rc = token_parse(&token, text, err);
    if (rc != 0) {
        return rc;
    }
    bool moved = false;
    rc = client_check_token(kb, &token, err);
    rc = rc != 0 ? rc : prepare(kb, &token, options, &identity, &moved, err);
    struct joining joining = {.kb = kb, .token = &token, .options = options, .identity = &identity};
    if (rc == 0 && moved) {
        rc = move(kb, &identity, report, err);
    } else if (rc == 0) {
        rc = converse(&joining, options->timeout_ms != 0 ? options->timeout_ms : JOIN_MS, err);
        rc = rc != 0 ? rc : finish(kb, &joining, &identity, report, err);
    }
    identity_wipe(&identity);
    key_wipe(&token, sizeof token);
    return rc;
}

/* --- starting and stopping --- */

int client_go_on(struct kb *kb, struct err *err)
{
    if (kb->network != NULL) {
        return 0;
    }
    struct network *network = NULL;
    int rc = network_start(&network, kb, err);
    if (rc == 0) {
        (void)pthread_mutex_lock(&kb->lock);
        kb->network = network;
        (void)pthread_cond_broadcast(&kb->changed);
        (void)pthread_mutex_unlock(&kb->lock);
        network_wake(network, NETWORK_REQUESTS | NETWORK_OPS);
    }
    return rc;
}

/* With kb->control. False: it does not run. */
bool client_halt(struct kb *kb)
{
    struct network *network = kb->network;
    if (network == NULL) {
        return false;
    }
    (void)pthread_mutex_lock(&kb->lock);
    kb->network = NULL; /* nobody wakes it from now on */
    (void)pthread_cond_broadcast(&kb->changed);
    (void)pthread_mutex_unlock(&kb->lock);
    network_stop(&network);
    outbox_stop_sending(kb->outbox);
    return true;
}

int kb_join(struct kb *kb, const char *token, const struct kb_join_options *options,
            struct kb_join_report *report, struct kb_error *error)
{
    ASSERT(kb != NULL && token != NULL);
    struct err err = {0};
    struct kb_join_options defaults = {.size = sizeof defaults};
    if (options == NULL) {
        options = &defaults;
    }
    if (options->size != sizeof *options || options->policy != KB_SERVER_WINS) {
        (void)err_set(&err, E_INVALID, "the options are not those of this version");
        return client_fail(error, &err);
    }
    (void)pthread_mutex_lock(&kb->control);
    bool halted = !is_connected(kb) && client_halt(kb); /* else it is not given up for it */
    int rc = join(kb, token, options, report, &err);
    if (halted && client_go_on(kb, rc == 0 ? &err : NULL) != 0 && rc == 0) {
        rc = err.code;
    }
    (void)pthread_mutex_unlock(&kb->control);
    return rc == 0 ? 0 : client_fail(error, &err);
}

/* With kb->control. */
static int set_started(struct kb *kb, bool started, struct err *err)
{
    struct identity identity;
    (void)pthread_mutex_lock(&kb->lock);
    identity = kb->identity;
    (void)pthread_mutex_unlock(&kb->lock);
    if (identity.device == 0) {
        return started ? err_set(err, E_NOT_JOINED,
                                 "this machine has not joined a server: join with a token first")
                       : 0;
    }
    int rc = 0;
    if (identity.started != started) {
        identity.started = started;
        rc = client_store_identity(kb, &identity, err);
    }
    identity_wipe(&identity);
    return rc;
}

bool client_wanted(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    bool wanted = kb->identity.device != 0 && kb->identity.started;
    (void)pthread_mutex_unlock(&kb->lock);
    return wanted;
}

int client_connect(struct kb *kb, struct err *err)
{
    (void)pthread_mutex_lock(&kb->control);
    int rc = client_wanted(kb) ? client_go_on(kb, err) : 0;
    (void)pthread_mutex_unlock(&kb->control);
    return rc;
}

int kb_start(struct kb *kb, struct kb_error *error)
{
    ASSERT(kb != NULL);
    struct err err = {0};
    (void)pthread_mutex_lock(&kb->control);
    int rc = set_started(kb, true, &err);
    rc = rc != 0 ? rc : client_go_on(kb, &err);
    (void)pthread_mutex_unlock(&kb->control);
    return rc == 0 ? 0 : client_fail(error, &err);
}

int kb_stop(struct kb *kb, struct kb_error *error)
{
    ASSERT(kb != NULL);
    struct err err = {0};
    (void)pthread_mutex_lock(&kb->control);
    int rc = set_started(kb, false, &err);
    if (rc == 0) {
        (void)client_halt(kb);
    }
    (void)pthread_mutex_unlock(&kb->control);
    return rc == 0 ? 0 : client_fail(error, &err);
}
