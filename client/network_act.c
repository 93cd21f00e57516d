/* client/network_act.c - what the follow wants done, one action after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/network_inside.h"

/* --- sending --- */

void network_drop_queue(struct network *network)
{
    while (network->first != NULL) {
        struct outgoing *frame = network->first;
        network->first = frame->next;
        free(frame);
    }
    network->last = NULL;
    network->queued_bytes = 0;
}

void network_lose(struct network *network, int code, const char *text)
{
    network->down = code;
    size_t length = strnlen(text, sizeof network->down_text - 1);
    memcpy(network->down_text, text, length);
    network->down_text[length] = '\0';
}

static int send_bytes(struct network *network, struct span bytes)
{
    return network->port.send(network->port.context, bytes);
}

static void disconnect(struct network *network)
{
    network->port.disconnect(network->port.context);
}

bool network_flush(struct network *network)
{
    while (network->first != NULL) {
        struct outgoing *frame = network->first;
        int rc = send_bytes(network, span_of(frame->bytes, frame->size));
        if (rc == E_BUSY) {
            return false;
        }
        if (rc != 0) { /* its loss is told by the port */
            network_drop_queue(network);
            return true;
        }
        network->first = frame->next;
        network->last = network->first == NULL ? NULL : network->last;
        network->queued_bytes -= frame->size;
        free(frame);
    }
    return true;
}

static void send_later(struct network *network, struct span bytes)
{
    struct outgoing *frame = network->queued_bytes + bytes.size <= NETWORK_QUEUED_MAX
                                 ? malloc(sizeof *frame + bytes.size)
                                 : NULL;
    if (frame == NULL) {
        network_lose(network, E_UNREACHABLE, "the server reads too slowly");
        return;
    }
    frame->next = NULL;
    frame->size = bytes.size;
    memcpy(frame->bytes, bytes.data, bytes.size);
    if (network->last != NULL) {
        network->last->next = frame;
    } else {
        network->first = frame;
    }
    network->last = frame;
    network->queued_bytes += bytes.size;
}

static void send_now(struct network *network, struct span bytes)
{
    if (!network_flush(network) || send_bytes(network, bytes) == E_BUSY) {
        send_later(network, bytes);
    }
}

/* --- connecting --- */

static void connect_to(struct network *network, size_t address)
{
    struct err err = {0};
    struct kb *kb = network->kb;
    const char *text = network->identity.addresses[address];
    network_drop_queue(network);
    (void)pthread_mutex_lock(&kb->lock);
    memcpy(kb->live.server, text, strlen(text) + 1);
    (void)pthread_mutex_unlock(&kb->lock);
    int rc = network->port.connect(network->port.context, text, network->identity.server_key,
                                   &network->identity.keys, &err);
    if (rc != 0) {
        network_lose(network, E_UNREACHABLE, err.text);
    }
}

static void identify(struct network *network, struct follow_event *answer)
{
    struct err err = {0};
    struct wire_hello *hello = &answer->identity.hello;
    struct replica_position *position = &network->position;
    answer->kind = FOLLOW_IDENTITY;
    if (replica_position(network->kb->replica, position, &err) != 0) {
        network_lose(network, E_IO, err.text);
        *position = (struct replica_position){0};
    }
    *hello = (struct wire_hello){
        .version = WIRE_VERSION,
        .device = network->identity.device,
        .has_history = true,
        .writer = outbox_writer(network->kb->outbox),
        .software = SPAN_LITERAL("kitbag " KITBAG_VERSION),
        .window = network->kb->mirror_dir[0] != '\0' ? WIRE_WINDOW_MIRROR : WIRE_WINDOW_MAX,
    };
    memcpy(hello->history, position->has_history ? position->history : network->identity.history,
           HISTORY_SIZE);
    hello->position.seq = position->seq;
    memcpy(hello->position.hash, position->hash, SHA256_SIZE);
}

/* --- operations --- */

static void read_ops(struct network *network, const struct follow_action *action,
                     struct follow_event *answer)
{
    struct err err = {0};
    uint32_t count = 0;
    buf_reset(&network->ops);
    answer->kind = FOLLOW_OPS_READ;
    answer->ops_read.first = action->read_ops.from;
    if (network->held > 0 || network->judge_holds) { /* their writers have to be signed in first */
        return;
    }
    int rc = outbox_read(network->kb->outbox, action->read_ops.from, action->read_ops.max_count,
                         action->read_ops.max_bytes, &network->ops, &count, &err);
    if (rc != 0) {
        network_tell_trouble(network, rc, err.text);
        network_ask_again_later(network);
        count = 0;
    }
    answer->ops_read.count = count;
    answer->ops_read.bytes = buf_span(&network->ops);
}

static void new_writer(struct network *network)
{
    struct err err = {0};
    char text[ERR_TEXT_MAX];
    uint64_t pending = 0;
    uint64_t refused = 0;
    outbox_counts(network->kb->outbox, &pending, &refused);
    int rc = outbox_renumber(network->kb->outbox, &err);
    if (rc != 0) {
        network_tell_trouble(network, rc, err.text);
    } else {
        (void)snprintf(text, sizeof text,
                       "the server knew other writes under this machine's numbers (a disk that "
                       "was put back or copied?): the %llu that waited were sent again under new "
                       "ones; if newer values of this machine were replaced by them, an "
                       "administrator finds these in the history",
                       (unsigned long long)pending);
        network_tell_note(network, text);
    }
    network->told_confirmed = UINT64_MAX;
    atomic_fetch_or(&network->news, NETWORK_OPS);
}

static void list_bags(struct network *network, struct follow_event *answer)
{
    struct err err = {0};
    int rc = network_list_bags(network, &err);
    if (rc != 0) {
        network_lose(network, rc, err.text);
    }
    answer->kind = FOLLOW_BAGS;
    answer->bags.list = network->bags;
    answer->bags.count = rc == 0 ? network->bag_count : 0;
    answer->bags.urgent = false;
}

/* --- the step --- */

/* Can it be carried out while a batch is open? */
static bool fits_batch(const struct follow_action *action)
{
    return action->kind == FOLLOW_DO_LIVE || action->kind == FOLLOW_DO_PAGE ||
           action->kind == FOLLOW_DO_SEND || action->kind == FOLLOW_DO_OUTCOME ||
           (action->kind == FOLLOW_DO_BAG && action->bag.code == 0);
}

/* True when `answer` is to be given next. */
static bool carry_out(struct network *network, const struct follow_action *action,
                      struct follow_event *answer)
{
    if (!fits_batch(action)) {
        network_commit_or_lose(network);
    }
    switch ((int)action->kind) {
    case FOLLOW_DO_CONNECT:
        connect_to(network, action->address);
        return false;
    case FOLLOW_DO_DISCONNECT:
        network_drop_queue(network);
        disconnect(network);
        return false;
    case FOLLOW_DO_SEND:
        send_now(network, action->send);
        return false;
    case FOLLOW_DO_IDENTIFY:
        identify(network, answer);
        return true;
    case FOLLOW_DO_LIST_BAGS:
        list_bags(network, answer);
        return true;
    case FOLLOW_DO_READ_OPS:
        read_ops(network, action, answer);
        return true;
    case FOLLOW_DO_LIVE:
        network_live(network, action, answer);
        return true;
    case FOLLOW_DO_PAGE:
        network_page(network, action, answer);
        return true;
    case FOLLOW_DO_WELCOME:
        network_welcome(network, &action->welcome);
        return false;
    case FOLLOW_DO_BAG:
        (action->bag.code == 0 ? network_complete : network_bag_refused)(network, action);
        return false;
    case FOLLOW_DO_OUTCOME:
        network_outcome(network, action);
        return false;
    case FOLLOW_DO_DEFERRED:
        network_tell_trouble(network, action->deferred.code, action->deferred.text);
        return false;
    case FOLLOW_DO_NEW_WRITER:
        new_writer(network);
        return false;
    case FOLLOW_DO_SIGNED_IN:
        network_signed_in(network, action);
        return false;
    case FOLLOW_DO_SIGNED_OUT:
        network_signed_out(network, action);
        return false;
    case FOLLOW_DO_STATUS:
        network_tell_status(network, action);
        return false;
    case FOLLOW_DO_OWNERS:
        network_owners(network, action);
        return false;
    case FOLLOW_DO_MIRRORING:
        network_mirroring(network, action);
        return false;
    case FOLLOW_DO_BATCHES:
        network_batches(network, action, answer);
        return true;
    default:
        return false; /* JOINED: this is no join */
    }
}

static bool one_step(struct network *network, struct follow_event *event)
{
    struct follow_event answer = {0};
    bool asked = false;
    event->now_ms = client_mono_ms(network->kb);
    struct follow_actions actions = follow_step(network->follow, event);
    for (size_t i = 0; i < actions.count; i++) {
        asked = carry_out(network, &actions.list[i], &answer);
    }
    *event = answer;
    return asked;
}

void network_step(struct network *network, struct follow_event event)
{
    while (one_step(network, &event)) {
    }
    network_take_down(network);
}

/* Said at the end: the actions before it are carried out. */
void network_take_down(struct network *network)
{
    while (network->down != 0) {
        struct follow_event down = {.kind = FOLLOW_DOWN};
        char text[ERR_TEXT_MAX];
        memcpy(text, network->down_text, sizeof text);
        down.down.code = network->down;
        down.down.text = text;
        network->down = 0;
        disconnect(network);
        while (one_step(network, &down)) {
        }
    }
}
