/* tests/sim/checks.c - frames and replicas against the model. */
#include "tests/sim/checks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/chance.h"
#include "tests/sim/control.h"
#include "tests/sim/model.h"
#include "tests/sim/verdict.h"
#include "transport/wire.h"

struct check_counts check_counts;

static struct unpacked unpacked;
static uint64_t round_head; /* the head when this round began */

void checks_begin(void)
{
    check_counts = (struct check_counts){0};
    round_head = 0;
}

void checks_round_begins(void)
{
    round_head = model.head;
}

void checks_round_ends(void)
{
    struct journal_position head;
    journal_head(server.open.journal, &head);
    must_hold(head.seq == model.head, "the journal shows what it has");
}

/* --- what the server sends --- */

static void check_right(const struct conn *conn, uint64_t bag_id, uint64_t seq, const char *what)
{
    must_hold(model_may_read(conn->device, bag_id, model.head) ||
                  model_may_read(conn->device, bag_id, seq),
              "%s of bag %" PRIu64 " is not sent to machine %u, which may not read it", what,
              bag_id, conn->machine);
}

static void check_outcome(const struct conn *conn, const struct wire_outcome *outcome)
{
    uint64_t seq = 0;
    int code = err_from_wire(outcome->code);
    if (outcome->code != 0 && (wire_deferred(code) || code == E_WRITER)) {
        return;
    }
    const struct model_change *change = model_outcome(conn->writer, outcome->number, &seq);
    must_hold(change != NULL,
              "operation %" PRIu64 " of machine %u is in the journal before it is answered",
              outcome->number, conn->machine);
    uint64_t told = outcome->code;
    must_hold(change->code == told,
              "operation %" PRIu64 " of machine %u is answered %" PRIu64 " and was %" PRIu64,
              outcome->number, conn->machine, told, change->code);
    must_hold(told != 0 || outcome->seq == seq,
              "operation %" PRIu64 " of machine %u was done at %" PRIu64 " and not at %" PRIu64,
              outcome->number, conn->machine, seq, outcome->seq);
    check_counts.acknowledged += told == 0 ? 1 : 0;
}

static void check_live(const struct conn *conn, const struct wire_message *message)
{
    for (size_t i = 0; i < message->live.changes.count; i++) {
        struct change change = {0};
        struct err err = {0};
        const msgpack_object *object = wire_object_at(&message->live.changes, i);
        must_hold(change_decode(object, CHANGE_STREAM, &change, &err) == 0, "LIVE is whole: %s",
                  err.text);
        must_hold(change.seq <= model.head, "change %" PRIu64 " is durable before it is sent",
                  change.seq);
        const struct model_change *mine = &model.changes[change.seq];
        must_hold(
            mine->kind == change.kind && mine->bag_id == change.bag_id &&
                (change.kind != CHANGE_ITEM_SET || mine->value_hash == hash64(change.value, 0)),
            "change %" PRIu64 " is sent as it was made", change.seq);
        check_right(conn, change.bag_id, change.seq - 1, "a change");
    }
}

static void check_bag(const struct conn *conn, const struct wire_message *message)
{
    uint64_t last_seq = message->bag.last_seq;
    const struct model_bag *bag = model_bag(message->bag.bag_id);
    if (message->bag.code != 0) {
        return;
    }
    check_right(conn, message->bag.bag_id, round_head, "BAG");
    must_hold(last_seq <= model.head && bag != NULL, "a bag is complete at what is durable");
    uint64_t seq = model_seq_at(bag, last_seq);
    must_hold(!message->bag.has_digest ||
                  digest_equal(&message->bag.digest, &model.changes[seq].digest),
              "the digest of bag %" PRIu64 " is told as it is at %" PRIu64, bag->bag_id, last_seq);
}

/* A line of the trace. */
static void tell_message(const struct conn *conn, const struct wire_message *message,
                         const char *who)
{
    static const char *const names[WIRE_TYPES] = {
        [WIRE_HELLO] = "HELLO",
        [WIRE_SIGN_IN] = "SIGN_IN",
        [WIRE_SIGN_OUT] = "SIGN_OUT",
        [WIRE_FOLLOW] = "FOLLOW",
        [WIRE_UNFOLLOW] = "UNFOLLOW",
        [WIRE_WRITE] = "WRITE",
        [WIRE_BYE] = "BYE",
        [WIRE_LIST] = "LIST",
        [WIRE_WELCOME] = "WELCOME",
        [WIRE_SIGNED_IN] = "SIGNED_IN",
        [WIRE_SIGNED_OUT] = "SIGNED_OUT",
        [WIRE_OUTCOME] = "OUTCOME",
        [WIRE_LIVE] = "LIVE",
        [WIRE_PAGE] = "PAGE",
        [WIRE_BAG] = "BAG",
        [WIRE_STATE] = "STATE",
        [WIRE_ERROR] = "ERROR",
        [WIRE_OWNERS] = "OWNERS",
    };
    uint64_t number = 0;
    uint64_t code = 0;
    switch (message->type) {
    case WIRE_BAG:
        number = message->bag.bag_id;
        code = message->bag.code;
        break;
    case WIRE_PAGE:
        number = message->page.bag_id;
        break;
    case WIRE_SIGN_OUT:
        number = message->sign_out.bag_id;
        break;
    case WIRE_SIGN_IN:
        number = message->sign_in.bag_id;
        break;
    case WIRE_SIGNED_IN:
        number = message->signed_in.bags.count;
        code = message->signed_in.code;
        break;
    case WIRE_SIGNED_OUT:
        code = message->signed_out.code;
        break;
    case WIRE_FOLLOW:
        number = message->follow.bags.count;
        break;
    case WIRE_ERROR:
        code = message->error.code;
        break;
    default:
        break;
    }
    if (names[message->type] != NULL) {
        tell("%s %" PRIu64 " machine %u: %s %" PRIu64 " %s", who, conn->id, conn->machine,
             names[message->type], number, code != 0 ? err_name(err_from_wire(code)) : "");
    }
}

void checks_sent(const struct conn *conn, struct span bytes)
{
    struct wire_message message;
    struct err err = {0};
    check_counts.frames++;
    must_hold(wire_decode(bytes, &unpacked, &message, &err) == 0, "the server sends messages: %s",
              err.text);
    if (verdict_tracing && conn != NULL) {
        tell_message(conn, &message, "  to");
    }
    if (message.type == WIRE_ERROR || conn == NULL || conn->device == 0) {
        return;
    }
    must_hold(!model_removed(conn->device, model.head),
              "machine %u, which was removed, is sent nothing (type %d)", conn->machine,
              (int)message.type);
    switch (message.type) {
    case WIRE_OUTCOME:
        for (size_t i = 0; i < message.outcome.entries.count; i++) {
            struct wire_outcome outcome = wire_outcome_at(&message.outcome.entries, i);
            check_outcome(conn, &outcome);
        }
        break;
    case WIRE_LIVE:
        check_live(conn, &message);
        break;
    case WIRE_PAGE:
        must_hold(message.page.cursor <= model.head, "a page is of what is durable");
        check_right(conn, message.page.bag_id, round_head, "a page");
        break;
    case WIRE_BAG:
        check_bag(conn, &message);
        break;
    case WIRE_SIGNED_IN:
        for (size_t i = 0; i < message.signed_in.bags.count; i++) {
            struct wire_owner owner = wire_owner_at(&message.signed_in.bags, i);
            check_right(conn, owner.bag_id, round_head, "SIGNED_IN");
        }
        break;
    case WIRE_HEARTBEAT:
        must_hold(message.heartbeat.seq <= model.head, "a heartbeat tells what is durable");
        break;
    default:
        break;
    }
}

void checks_submitted(const struct submit *submit, const struct reply *reply)
{
    if (reply->code != 0) {
        tell("admin: %d refused: %s", (int)submit->kind, reply->text != NULL ? reply->text : "");
        return;
    }
    must_hold(reply->seq <= model.head, "what an administrator did is durable before it is told");
    if (submit->kind == SUBMIT_WRITE && reply->seq != 0 && submit->write_count > 0) {
        const struct model_change *change = &model.changes[reply->seq];
        const struct operation_write *last = &submit->writes[submit->write_count - 1];
        must_hold(last->remove || change->kind != CHANGE_ITEM_SET ||
                      change->value_hash == hash64(last->value, 0),
                  "what an administrator wrote is there");
    }
}

/* --- what goes through the net --- */

static void change_a_digit(struct net_frame *frame)
{
    for (size_t i = 0; i + 9 < frame->size; i++) {
        if (frame->bytes[i] == 'S' && frame->bytes[i + 1] == '0' && frame->bytes[i + 2] == '0') {
            frame->bytes[i + 1] = '9';
            return;
        }
    }
}

void net_watch(struct conn *conn, enum net_side side, struct net_frame *frame)
{
    struct wire_message message;
    if (side == NET_DOWN && control == CONTROL_CHANGED_FRAME && chance_percent(2)) {
        change_a_digit(frame);
    }
    if (side != NET_UP ||
        wire_decode(span_of(frame->bytes, frame->size), &unpacked, &message, NULL) != 0) {
        return;
    }
    if (verdict_tracing) {
        tell_message(conn, &message, "from");
    }
    if (message.type == WIRE_HELLO) {
        conn->writer = message.hello.writer;
        conn->device = message.hello.device;
    }
}

/* --- what a machine has --- */

struct looking {
    struct machine *machine;
    bool all; /* the fences changed: everybody's visible items may have */
    struct fences fences;
    bool fenced; /* the fleet's bag is complete: the fences are known */
};

struct comparing {
    const struct looking *looking;
    const struct replica_bag *bag;
    const struct model_item *items;
    size_t count, at;
};

static bool is_void(const struct looking *looking, const struct replica_bag *bag,
                    const struct model_item *item)
{
    return item->seq < fences_position(&looking->fences, bag->owner.kind, span_str(item->path));
}

static void skip_void(struct comparing *comparing)
{
    while (comparing->at < comparing->count &&
           is_void(comparing->looking, comparing->bag, &comparing->items[comparing->at])) {
        comparing->at++;
    }
}

static int compare_item(void *context, struct span path, const struct item_row *row,
                        struct err *err)
{
    (void)err;
    struct comparing *comparing = context;
    unsigned machine = comparing->looking->machine->index;
    uint64_t bag_id = comparing->bag->bag_id;
    skip_void(comparing);
    must_hold(comparing->at < comparing->count,
              "machine %u has no item in bag %" PRIu64 " at %" PRIu64 " that is not there: %.*s",
              machine, bag_id, comparing->bag->cursor, (int)path.size, (const char *)path.data);
    const struct model_item *item = &comparing->items[comparing->at++];
    must_hold(span_equal(path, span_str(item->path)),
              "machine %u has the items of bag %" PRIu64 " at %" PRIu64 ": %.*s and not %s",
              machine, bag_id, comparing->bag->cursor, (int)path.size, (const char *)path.data,
              item->path);
    must_hold(row->seq == item->seq && item->change->value_hash == hash64(row->value, 0),
              "machine %u has the value of %s in bag %" PRIu64 " at %" PRIu64 ": seq %" PRIu64
              ", and it is %" PRIu64,
              machine, item->path, bag_id, comparing->bag->cursor, row->seq, item->seq);
    return 0;
}

static void compare_items(const struct looking *looking, const struct replica_bag *bag,
                          const struct model_bag *mine)
{
    struct comparing comparing = {.looking = looking, .bag = bag};
    struct err err = {0};
    comparing.count = model_items(mine, bag->cursor, &comparing.items);
    int rc = replica_items(looking->machine->kb->replica, bag->local, (struct span){NULL, 0},
                           compare_item, &comparing, &err);
    must_hold(rc == 0, "machine %u can be read: %s", looking->machine->index, err.text);
    skip_void(&comparing);
    must_hold(comparing.at == comparing.count,
              "machine %u has all items of bag %" PRIu64 " at %" PRIu64 ": %s is missing",
              looking->machine->index, bag->bag_id, bag->cursor,
              comparing.at < comparing.count ? comparing.items[comparing.at].path : "");
    check_counts.bags++;
}

static struct seen_bag *seen_of(struct machine *machine, uint64_t bag_id)
{
    for (size_t i = 0; i < machine->bag_count; i++) {
        if (machine->bags[i].bag_id == bag_id) {
            return &machine->bags[i];
        }
    }
    must_hold(machine->bag_count < MACHINE_BAGS_MAX, "few bags");
    struct seen_bag *made = &machine->bags[machine->bag_count++];
    *made = (struct seen_bag){.bag_id = bag_id};
    return made;
}

static int look_at_bag(void *context, const struct replica_bag *bag, struct err *err)
{
    (void)err;
    struct looking *looking = context;
    struct machine *machine = looking->machine;
    if (bag->bag_id == 0 || !bag->keep || !bag->complete || bag->cursor == 0) {
        return 0;
    }
    struct seen_bag *seen = seen_of(machine, bag->bag_id);
    bool same = seen->cursor == bag->cursor && digest_equal(&seen->digest, &bag->digest);
    if (same && !looking->all) {
        return 0;
    }
    must_hold(bag->cursor >= seen->cursor,
              "the cursor of bag %" PRIu64 " on machine %u does not "
              "go back: %" PRIu64 ", it was %" PRIu64,
              bag->bag_id, machine->index, bag->cursor, seen->cursor);
    must_hold(bag->cursor <= model.head,
              "the cursor of bag %" PRIu64 " on machine %u, %" PRIu64 ", is of what is durable",
              bag->bag_id, machine->index, bag->cursor);
    const struct model_bag *mine = model_bag(bag->bag_id);
    must_hold(mine != NULL && owner_equal(&mine->owner, &bag->owner),
              "bag %" PRIu64 " on machine %u is the server's", bag->bag_id, machine->index);
    uint64_t seq = model_seq_at(mine, bag->cursor);
    must_hold(digest_equal(&model.changes[seq].digest, &bag->digest),
              "bag %" PRIu64 " on machine %u has the digest of %" PRIu64, bag->bag_id,
              machine->index, bag->cursor);
    if (looking->fenced) {
        compare_items(looking, bag, mine);
    }
    *seen = (struct seen_bag){bag->bag_id, bag->cursor, bag->digest};
    return 0;
}

void checks_machine(struct machine *machine)
{
    struct looking looking = {.machine = machine};
    struct owner fleet = {.kind = OWNER_FLEET};
    struct replica_bag bag = {0};
    struct err err = {0};
    if (machine->kb == NULL) {
        return;
    }
    if (replica_bag_by_owner(machine->kb->replica, &fleet, &bag, NULL) == 0 && bag.complete &&
        bag.cursor > 0 && bag.cursor <= model.head) {
        looking.fenced = true;
        looking.all = seen_of(machine, bag.bag_id)->cursor != bag.cursor;
        model_fences(&looking.fences, bag.cursor);
    }
    int rc = replica_bags(machine->kb->replica, look_at_bag, &looking, &err);
    must_hold(rc == 0, "machine %u can be read: %s", machine->index, err.text);
    fences_free(&looking.fences);
}

void checks_written(struct machine *machine, const struct machine_write *write,
                    const struct sim_op *op, int code)
{
    uint32_t stamp = op->stamp;
    for (size_t i = 0; code == 0 && i < write->count; i++) {
        struct kb_value value = {0};
        struct kb_error error = {0};
        char expected[16];
        int rc = kb_get(machine->kb, write->bag, write->paths[i], &value, &error);
        (void)snprintf(expected, sizeof expected, "S%08" PRIu32, stamp);
        stamp += write->remove[i] ? 0 : 1;
        bool again = false; /* a later one of the set writes the same item */
        for (size_t j = i + 1; j < write->count; j++) {
            again |= strcmp(write->paths[i], write->paths[j]) == 0;
        }
        bool own = rc == 0 && value.size >= 9 && memcmp(value.data, expected, 9) == 0;
        /* Behind what was removed there may be a default, or the shared value of before. */
        bool none = rc == KB_E_NOT_FOUND || (rc == 0 && !value.pending);
        must_hold(again || (write->remove[i] ? none : own),
                  "machine %u sees its own write to %s at once", machine->index, write->paths[i]);
        kb_value_free(&value);
    }
}
