/* client/kb_joining.c - the conversation with the server in which a machine joins.
 *
 * With the token's key pair it says which key this machine will use from then on; or it asks, by a
 * HELLO with the key that it has, whether it is one of the server's still.
 */
#include "client/kb_joining.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { LOOK_MS = 200 };

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

int client_converse(struct joining *joining, unsigned timeout_ms, struct err *err)
{
    ASSERT(joining != NULL);
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
