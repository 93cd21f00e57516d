/* client/network.c - its turns, and what it tells of itself. */
#include "client/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/network_inside.h"

enum { HEARD_EVERY_MS = 500 };

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
    if (open && code == 0 && network->troubled) { /* what was put off is told now */
        network->put_off_at_ms = network->put_off_at_ms != 0 ? network->now_ms : 0;
        network->due_at_ms = network->now_ms;
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
    kb->live.last_heard_ms = client_wall_ms(kb);
    kb->live.head_seq = follow_head_seq(network->follow);
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
        network->passed_at_ms = client_mono_ms(network->kb) + NETWORK_PASSED_MS;
    }
}

void network_ask_again_later(struct network *network)
{
    network->told_confirmed = UINT64_MAX; /* it is told of the outbox again, then it asks again */
    network->passed_due = true;
    network->passed_at_ms = client_mono_ms(network->kb) + NETWORK_AGAIN_MS;
}

/* Outcomes are durable by now, by a write that took them along, or are made so. */
static void pass(struct network *network)
{
    struct err err = {0};
    struct client_settled settled;
    network->passed_due = false;
    int rc = outbox_flush(network->kb->outbox, &err);
    rc = rc != 0 ? rc : client_settle_passed(network->kb, &settled, &err);
    if (rc == 0 && settled.added) {
        atomic_fetch_or(&network->news, NETWORK_BAGS);
    }
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

static void tend_session(struct network *network)
{
    network_sign_in_due(network);
    network_try_put_off(network);
    network_look_for_own(network);
    if (network->open && network->reconcile_due && network->device_caught) {
        network_reconcile(network);
    }
    if (network->open) {
        network_judge(network);
    }
    if (network->open) {
        network_keep_ask(network);
    }
    if (network->open) {
        network_mirror_ask(network);
    }
    if (network->open && network->healed_due) {
        struct follow_event event = {.kind = FOLLOW_HEALED, .healed = network->healed};
        network->healed_due = false;
        network_step(network, event);
    }
}

static void tend(struct network *network)
{
    unsigned news = atomic_exchange(&network->news, 0);
    if (network->passed_due && network->now_ms >= network->passed_at_ms) {
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
    if (network->open) {
        tend_session(network);
    }
    if (network->now_ms >= network->care_at_ms) {
        network_care(network);
    }
    (void)network_flush(network);
}

/* --- turns --- */

uint64_t network_next_ms(const struct network *network)
{
    if (!network->begun || atomic_load(&network->news) != 0) {
        return 0;
    }
    if (network->batch != NULL) { /* what came is to be committed, unless more comes at once */
        return 0;
    }
    uint64_t next_ms = follow_next_tick(network->follow);
    if (network->care_at_ms < next_ms) {
        next_ms = network->care_at_ms;
    }
    if (network->open && network->mirror_due && network->mirror_at_ms < next_ms) {
        next_ms = network->mirror_at_ms;
    }
    if (network->open && network->due_unsent && network->due_at_ms < next_ms) {
        next_ms = network->due_at_ms;
    }
    if (network->open && network->own_at_ms != 0 && network->own_at_ms < next_ms) {
        next_ms = network->own_at_ms;
    }
    if (network->open && network->put_off_at_ms != 0 && network->put_off_at_ms < next_ms) {
        next_ms = network->put_off_at_ms;
    }
    if (network->open && network->judge_due && network->judge_at_ms < next_ms) {
        next_ms = network->judge_at_ms;
    }
    if (network->passed_due && network->passed_at_ms < next_ms) {
        next_ms = network->passed_at_ms;
    }
    if (network->first != NULL && network->now_ms + NETWORK_RETRY_MS < next_ms) {
        next_ms = network->now_ms + NETWORK_RETRY_MS;
    }
    return next_ms;
}

static void take_in(struct network *network, const struct network_event *event)
{
    struct follow_event step = {.kind = FOLLOW_TICK};
    switch (event->kind) {
    case NETWORK_UP:
        step.kind = FOLLOW_UP;
        break;
    case NETWORK_DOWN:
        step.kind = FOLLOW_DOWN;
        step.down.code = event->code;
        step.down.text = event->text;
        break;
    case NETWORK_FRAME:
        step.kind = FOLLOW_FRAME;
        step.frame = event->frame;
        break;
    case NETWORK_TIME:
        break;
    }
    network_step(network, step);
    if (event->kind == NETWORK_FRAME) {
        tell_heard(network, network->now_ms);
    }
}

void network_turn(struct network *network, const struct network_event *event)
{
    ASSERT(network != NULL && event != NULL);
    network->now_ms = client_mono_ms(network->kb);
    if (event->kind != NETWORK_FRAME) {
        network_commit_or_lose(network);
        network_take_down(network);
    }
    if (!network->begun) {
        network->begun = true;
        network_care_begin(network);
        network_judge_begin(network);
        tell_ops(network);
        network_step(network, (struct follow_event){.kind = FOLLOW_START});
    } else if (event->kind != NETWORK_TIME ||
               follow_next_tick(network->follow) <= network->now_ms) {
        take_in(network, event);
    }
    network->batch_bytes += event->frame.size;
    if (network->batch_weight >= NETWORK_BATCH_WEIGHT ||
        network->batch_bytes > NETWORK_BATCH_BYTES) {
        network_commit_or_lose(network);
        network_take_down(network);
    }
    if (network->batch == NULL) {
        tend(network);
    }
}

/* --- making and freeing --- */

static void network_free(struct network **network)
{
    struct network *old = *network;
    replica_batch_abort(&old->batch);
    network_drop_queue(old);
    network_session_lost(old);
    follow_free(&old->follow);
    network_thread_free(&old->own);
    free(old->followed);
    free(old->touched);
    identity_wipe(&old->identity);
    buf_free(&old->ops);
    free(old->changes);
    free(old->rows);
    free(old->bags);
    free(old);
    *network = NULL;
}

static int network_new(struct network **out, struct kb *kb, struct err *err)
{
    struct network *network = calloc(1, sizeof *network);
    if (network == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    network->kb = kb;
    (void)pthread_mutex_lock(&kb->lock);
    network->identity = kb->identity;
    kb->live = (struct live){.healed = kb->live.healed, .verified_ms = kb->live.verified_ms};
    (void)pthread_mutex_unlock(&kb->lock);
    buf_init(&network->ops, WIRE_MESSAGE_MAX);
    network->told_confirmed = UINT64_MAX;
    network_bags_init(network);
    struct follow_options options = {.address_count = network->identity.address_count,
                                     .seed = client_random(kb)};
    if (follow_new(&network->follow, &options) != 0) {
        network_free(&network);
        return err_set(err, E_NOMEM, "out of memory");
    }
    *out = network;
    return 0;
}

int network_start(struct network **out, struct kb *kb, struct err *err)
{
    ASSERT(out != NULL && kb != NULL);
    struct network *network = NULL;
    int rc = network_new(&network, kb, err);
    if (rc != 0) {
        return rc;
    }
    if (kb->world.port != NULL) {
        network->port = *kb->world.port;
    } else {
        rc = network_thread_new(network, err);
    }
    if (rc != 0) {
        network_free(&network);
        return rc;
    }
    *out = network;
    return 0;
}

void network_wake(struct network *network, unsigned news)
{
    unsigned before = atomic_fetch_or(&network->news, news);
    if ((before & news) != news && network->own != NULL) {
        network_thread_wake(network->own);
    }
}

void network_stop(struct network **network)
{
    if (network == NULL || *network == NULL) {
        return;
    }
    struct network *old = *network;
    if (old->own != NULL) {
        network_thread_join(old->own);
    }
    network_commit_or_lose(old);
    network_step(old, (struct follow_event){.kind = FOLLOW_STOP});
    network_free(network);
}
