/* client/network.c - the thread, its loop, and what it tells of itself. */
#include "client/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/network_inside.h"

enum { HEARD_EVERY_MS = 500, WAIT_MAX_MS = 60000 };

/* --- telling --- */

static void copy_text(char out[ERR_TEXT_MAX], const char *text)
{
    size_t length = strnlen(text, ERR_TEXT_MAX - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

/* With the remedy, when it is a refusal that stands until somebody acts. */
static void copy_reason(char out[ERR_TEXT_MAX], int code, const char *text)
{
    const char *remedy = client_remedy(code);
    if (remedy == NULL) {
        copy_text(out, text);
    } else {
        (void)snprintf(out, ERR_TEXT_MAX, "%.100s: %s", text, remedy);
    }
}

/* The reason of a failure stays while the next try is under way. */
void network_tell_status(struct network *network, const struct follow_action *status)
{
    struct kb *kb = network->kb;
    enum follow_phase phase = status->status.phase;
    int code = status->status.code;
    bool open = phase == FOLLOW_OPEN;
    (void)pthread_mutex_lock(&kb->lock);
    kb->live.connected = open;
    if (open || code != 0) {
        kb->live.code = code;
        kb->live.refused = !open && client_remedy(code) != NULL;
        copy_reason(kb->live.text, code, code != 0 ? status->status.text : "");
    }
    if (!open) {
        kb->live.caught_up = false;
    }
    (void)pthread_cond_broadcast(&kb->changed);
    (void)pthread_mutex_unlock(&kb->lock);
    if (network->open && !open) {
        network->open = false;
        network_session_lost(network);
    }
    if (open && !network->open) {
        network->open = true;
        atomic_fetch_or(&network->news, NETWORK_REQUESTS);
    }
    network->troubled = open && code != 0;
}

void network_tell_caught(struct network *network)
{
    struct kb *kb = network->kb;
    bool caught_up = network->open && network->caught == network->followed_count;
    (void)pthread_mutex_lock(&kb->lock);
    kb->live.caught_up = caught_up;
    kb->live.head_seq = follow_head_seq(network->follow);
    kb->live.current_seq = caught_up ? follow_current_seq(network->follow) : 0;
    (void)pthread_cond_broadcast(&kb->changed);
    (void)pthread_mutex_unlock(&kb->lock);
}

void network_tell_trouble(struct network *network, int code, const char *text)
{
    struct kb *kb = network->kb;
    network->troubled = code != 0;
    (void)pthread_mutex_lock(&kb->lock);
    kb->live.code = code;
    copy_text(kb->live.text, text);
    (void)pthread_mutex_unlock(&kb->lock);
}

void network_tell_note(struct network *network, const char *text)
{
    struct kb *kb = network->kb;
    (void)pthread_mutex_lock(&kb->lock);
    copy_text(kb->note, text);
    (void)pthread_mutex_unlock(&kb->lock);
}

static void tell_heard(struct network *network, uint64_t now_ms)
{
    struct kb *kb = network->kb;
    if (now_ms - network->heard_ms < HEARD_EVERY_MS) {
        return;
    }
    network->heard_ms = now_ms;
    (void)pthread_mutex_lock(&kb->lock);
    kb->live.last_heard_ms = clock_wall_ms(&clock_system);
    kb->live.head_seq = follow_head_seq(network->follow);
    kb->live.current_seq = follow_current_seq(network->follow);
    kb->live.current_seq = network->open && network->caught == network->followed_count
                               ? follow_current_seq(network->follow)
                               : 0;
    (void)pthread_mutex_unlock(&kb->lock);
}

/* --- what has to be done besides waiting --- */

void network_pass_later(struct network *network)
{
    if (!network->passed_due) {
        network->passed_due = true;
        network->passed_at_ms = clock_mono_ms(&clock_system) + NETWORK_PASSED_MS;
    }
}

void network_ask_again_later(struct network *network)
{
    network->told_confirmed = UINT64_MAX; /* it is told of the outbox again, then it asks again */
    network->passed_due = true;
    network->passed_at_ms = clock_mono_ms(&clock_system) + NETWORK_AGAIN_MS;
}

/* Outcomes are durable by now, by a write that took them along, or are made so. */
static void pass(struct network *network)
{
    struct err err = {0};
    bool waiting = false;
    network->passed_due = false;
    int rc = outbox_flush(network->kb->outbox, &err);
    rc = rc != 0 ? rc : client_settle_passed(network->kb, &waiting, &err);
    if (rc != 0) {
        network_tell_trouble(network, rc, err.text);
        network_ask_again_later(network);
    } else if (network->pass_failed) {
        network_tell_trouble(network, 0, "");
    }
    network->pass_failed = rc != 0;
}

static void tell_ops(struct network *network)
{
    struct follow_event event = {.kind = FOLLOW_OPS};
    event.ops.last = outbox_last(network->kb->outbox);
    event.ops.confirmed = outbox_confirmed(network->kb->outbox);
    if (event.ops.last != network->told_last || event.ops.confirmed != network->told_confirmed) {
        network->told_last = event.ops.last;
        network->told_confirmed = event.ops.confirmed;
        network_step(network, event);
    }
}

static void tend(struct network *network)
{
    unsigned news = atomic_exchange(&network->news, 0);
    if (network->passed_due && clock_mono_ms(&clock_system) >= network->passed_at_ms) {
        pass(network);
        news |= NETWORK_OPS; /* more may be confirmed */
    }
    if ((news & NETWORK_OPS) != 0) {
        tell_ops(network);
    }
    if ((news & NETWORK_BAGS) != 0) {
        network_refollow(network);
        network->reconcile_due = true;
    }
    if ((news & NETWORK_REQUESTS) != 0) {
        network_send_requests(network);
    }
    if (network->reconcile_due && network->open && network->device_caught) {
        network_reconcile(network);
    }
    (void)network_flush(network);
}

/* --- the loop --- */

static int wait_ms(struct network *network)
{
    uint64_t now_ms = clock_mono_ms(&clock_system);
    uint64_t next_ms = follow_next_tick(network->follow);
    if (network->passed_due && network->passed_at_ms < next_ms) {
        next_ms = network->passed_at_ms;
    }
    if (network->first != NULL && now_ms + NETWORK_RETRY_MS < next_ms) {
        next_ms = now_ms + NETWORK_RETRY_MS;
    }
    if (next_ms <= now_ms) {
        return 0;
    }
    return next_ms - now_ms < WAIT_MAX_MS ? (int)(next_ms - now_ms) : WAIT_MAX_MS;
}

static void wait_once(struct network *network)
{
    struct span bytes;
    struct follow_event event = {.kind = FOLLOW_TICK};
    switch (dealer_wait(network->dealer, wait_ms(network), &bytes)) {
    case DEALER_UP:
        event.kind = FOLLOW_UP;
        break;
    case DEALER_DOWN:
        event.kind = FOLLOW_DOWN;
        event.down.code = E_UNREACHABLE;
        break;
    case DEALER_REFUSED:
        event.kind = FOLLOW_DOWN;
        event.down.code = E_NOT_ALLOWED;
        event.down.text = "the server does not know this machine's key";
        break;
    case DEALER_CUT:
        event.kind = FOLLOW_DOWN;
        event.down.code = E_UNREACHABLE;
        event.down.text = "what answers there hangs up: it has another key than this machine's "
                          "server (is it another one, or was it set up anew?), or too many "
                          "connections";
        break;
    case DEALER_MESSAGE:
        event.kind = FOLLOW_FRAME;
        event.frame = bytes;
        break;
    case DEALER_WOKEN:
        return; /* tend looks why */
    case DEALER_NOTHING:
    default:
        break;
    }
    network_step(network, event);
    if (event.kind == FOLLOW_FRAME) {
        tell_heard(network, clock_mono_ms(&clock_system));
    }
}

static void run(struct thread *self, void *context)
{
    struct network *network = context;
    thread_ready(self, 0, NULL);
    tell_ops(network);
    network_step(network, (struct follow_event){.kind = FOLLOW_START});
    while (!atomic_load(&network->stopping)) {
        tend(network);
        wait_once(network);
    }
    network_step(network, (struct follow_event){.kind = FOLLOW_STOP});
}

void network_wake(struct network *network, unsigned news)
{
    unsigned before = atomic_fetch_or(&network->news, news);
    if ((before & news) != news) {
        dealer_wake(network->dealer);
    }
}

/* --- starting and stopping --- */

static void network_free(struct network **network)
{
    struct network *old = *network;
    network_drop_queue(old);
    network_session_lost(old);
    follow_free(&old->follow);
    dealer_free(&old->dealer);
    free(old->followed);
    identity_wipe(&old->identity);
    buf_free(&old->ops);
    free(old->changes);
    free(old->rows);
    free(old->bags);
    free(old);
    *network = NULL;
}

int network_start(struct network **out, struct kb *kb, struct err *err)
{
    ASSERT(out != NULL && kb != NULL);
    struct network *network = calloc(1, sizeof *network);
    if (network == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    network->kb = kb;
    (void)pthread_mutex_lock(&kb->lock);
    network->identity = kb->identity;
    kb->live = (struct live){0};
    (void)pthread_mutex_unlock(&kb->lock);
    buf_init(&network->ops, WIRE_MESSAGE_MAX);
    network->told_confirmed = UINT64_MAX;
    struct follow_options options = {.address_count = network->identity.address_count,
                                     .seed = random_u64()};
    int rc = dealer_new(&network->dealer, err);
    if (rc == 0 && follow_new(&network->follow, &options) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    rc = rc != 0 ? rc : thread_start(&network->thread, "kb-network", run, network, err);
    if (rc != 0) {
        network_free(&network);
        return rc;
    }
    *out = network;
    return 0;
}

void network_stop(struct network **network)
{
    if (network == NULL || *network == NULL) {
        return;
    }
    atomic_store(&(*network)->stopping, true);
    dealer_wake((*network)->dealer);
    thread_join(&(*network)->thread);
    network_free(network);
}
