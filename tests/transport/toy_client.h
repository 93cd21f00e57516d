/* tests/transport/toy_client.h - the toy world's machines: carry out what followers want done. */
#ifndef KITBAG_TESTS_TRANSPORT_TOY_CLIENT_H
#define KITBAG_TESTS_TRANSPORT_TOY_CLIENT_H

#include "tests/transport/toy_keeper.h"

/* --- connections --- */

/* The client's end goes; what it has sent may still arrive, cut anywhere. */
static inline void toy_detach(struct toy *toy, struct toy_client *client)
{
    if (client->session != TOY_NOBODY) {
        struct toy_session *session = &toy->sessions[client->session];
        session->attached = false;
        toy_drop_behind(&session->down, 0);
        if (toy->chaos && session->up.count > 0) {
            toy_drop_behind(&session->up, toy_below(toy, session->up.count + 1));
        }
    }
    client->session = TOY_NOBODY;
    client->connecting = false;
}

static inline void toy_clear_session(struct toy_session *session)
{
    feed_free(&session->feed);
    toy_drop_behind(&session->up, 0);
    toy_drop_behind(&session->down, 0);
    memset(session, 0, sizeof *session);
}

static inline int toy_free_session(struct toy *toy)
{
    for (int i = 0; i < TOY_SESSIONS; i++) {
        struct toy_session *session = &toy->sessions[i];
        if (session->used && session->feed == NULL && !session->attached) {
            toy_clear_session(session);
        }
        if (!session->used) {
            return i;
        }
    }
    fail_msg("too many sessions");
    return 0;
}

static inline void toy_attach(struct toy *toy, int number)
{
    struct toy_client *client = &toy->clients[number];
    client->session = toy_free_session(toy);
    client->connecting = false;
    struct toy_session *session = &toy->sessions[client->session];
    struct feed_options options = {
        .session = ++toy->last_session,
        .heartbeat_ms = TOY_HEARTBEAT_MS,
        .bags_max = TOY_BAGS,
        .pool = toy->pool,
    };
    session->used = true;
    session->attached = true;
    session->client = number;
    assert_int_equal(feed_new(&session->feed, &options), 0);
    toy_follow_step(toy, number, (struct follow_event){.kind = FOLLOW_UP});
}

static inline void toy_down(struct toy *toy, int number, int code)
{
    struct follow_event event = {.kind = FOLLOW_DOWN};
    toy_detach(toy, &toy->clients[number]);
    event.down.code = code;
    toy_follow_step(toy, number, event);
}

/* One frame from the server arrives; after the last one of a connection that was cut, its end. */
static inline void toy_arrive_down(struct toy *toy, int number)
{
    struct toy_session *session = &toy->sessions[toy->clients[number].session];
    if (session->down.count == 0) {
        toy_down(toy, number, E_UNREACHABLE);
        return;
    }
    struct follow_event event = {.kind = FOLLOW_FRAME};
    event.frame = toy_pop(&session->down);
    uint8_t *frame = (uint8_t *)(uintptr_t)event.frame.data;
    toy_follow_step(toy, number, event);
    free(frame);
}

/* --- the replica --- */

static inline void toy_apply_change(const struct toy *toy, struct toy_client *client,
                                    const struct change *change)
{
    struct toy_replica *replica = toy_replica(client, change->bag_id);
    assert_non_null(replica);
    assert_false(replica->staging); /* nothing live between pages */
    assert_int_equal(change->prev, replica->cursor);
    replica->cursor = change->seq;
    if (change->kind == CHANGE_BAG_DELETE) {
        memset(replica, 0, sizeof *replica);
        return;
    }
    int path = toy_path_number(change->path);
    bool live = change->kind == CHANGE_ITEM_SET;
    replica->items[path] = toy_item_of(change->seq, live, change->value);
    (void)toy;
}

/* What the replica's damage is: it holds nothing of that bag any more. */
static inline void toy_lose_bag(struct toy_replica *replica, struct follow_event *answer)
{
    uint64_t id = replica->id;
    memset(replica, 0, sizeof *replica);
    replica->id = id;
    answer->applied.code = E_CORRUPT;
    answer->applied.bag_id = id;
}

static inline void toy_apply_live(struct toy *toy, struct toy_client *client,
                                  const struct follow_action *action, struct follow_event *answer)
{
    struct change change;
    assert_true(action->live.changes.count > 0);
    if (toy_chance(toy, 40)) {
        const msgpack_object *first = wire_object_at(&action->live.changes, 0);
        assert_int_equal(change_decode(first, CHANGE_STREAM, &change, NULL), 0);
        toy_lose_bag(toy_replica(client, change.bag_id), answer);
        return;
    }
    client->applied_lives++;
    for (size_t i = 0; i < action->live.changes.count; i++) {
        const msgpack_object *object = wire_object_at(&action->live.changes, i);
        assert_int_equal(change_decode(object, CHANGE_STREAM, &change, NULL), 0);
        toy_apply_change(toy, client, &change);
    }
    for (size_t i = 0; i < TOY_BAGS; i++) {
        if (client->bags[i].id != 0) {
            toy_check_replica(toy, &client->bags[i]);
        }
    }
    if (action->live.position.seq > client->position) {
        client->position = action->live.position.seq;
    }
}

static inline void toy_stage(struct toy_replica *replica, const struct follow_action *action)
{
    if ((action->page.flags & WIRE_PAGE_FIRST) != 0) {
        bool whole = (action->page.flags & WIRE_PAGE_WHOLE) != 0;
        replica->staging = true;
        memset(replica->staged, 0, sizeof replica->staged);
        if (!whole) {
            assert_true(action->page.since <= replica->cursor);
            memcpy(replica->staged, replica->items, sizeof replica->staged);
        }
    }
    assert_true(replica->staging);
    for (size_t i = 0; i < action->page.rows.count; i++) {
        struct span path;
        struct item_row row;
        wire_row_at(&action->page.rows, i, &path, &row);
        struct toy_item *item = &replica->staged[toy_path_number(path)];
        if (row.seq > item->seq) {
            *item = toy_item_of(row.seq, row.state == ITEM_LIVE, row.value);
        }
    }
}

static inline void toy_apply_page(struct toy *toy, struct toy_client *client,
                                  const struct follow_action *action, struct follow_event *answer)
{
    struct toy_replica *replica = toy_replica(client, action->page.bag_id);
    assert_non_null(replica);
    if (toy_chance(toy, 40)) {
        toy_lose_bag(replica, answer);
        return;
    }
    toy_stage(replica, action);
    client->applied_pages++;
    if ((action->page.flags & WIRE_PAGE_LAST) == 0) {
        return;
    }
    assert_true(action->page.cursor >= replica->cursor);
    memcpy(replica->items, replica->staged, sizeof replica->items);
    replica->cursor = action->page.cursor;
    replica->staging = false;
    replica->damaged = replica->damaged && (action->page.flags & WIRE_PAGE_WHOLE) == 0;
    client->fleet_complete = client->fleet_complete || replica->id == toy->fleet;
    toy_check_replica(toy, replica);
    if (action->page.position.seq > client->position) {
        client->position = action->page.position.seq;
    }
}

/* --- operations --- */

static inline void toy_write(struct toy *toy, struct toy_client *client, struct toy_op op)
{
    assert_true(client->op_count < TOY_OPS);
    op.stamp = ++toy->last_stamp;
    client->ops[client->op_count++] = op;
    client->to_tell_ops = true;
}

static inline void toy_put_op(struct buf *out, uint64_t number, const struct toy_op *op)
{
    struct operation_write write = {.path = toy_path(op->path), .remove = op->remove};
    if (!op->remove) {
        write.value = toy_value(op->stamp, op->size);
    }
    operation_begin_write(out, number, op->bag_id, 0, 0, 1);
    operation_put_write(out, &write);
}

static inline void toy_answer_ops(struct toy *toy, int number, const struct follow_action *action)
{
    const struct toy_client *client = &toy->clients[number];
    struct follow_event event = {.kind = FOLLOW_OPS_READ};
    struct buf bytes;
    buf_init(&bytes, WIRE_MESSAGE_MAX);
    event.ops_read.first = action->read_ops.from;
    for (uint64_t n = action->read_ops.from; client->first_op + n - 1 < client->op_count &&
                                             event.ops_read.count < action->read_ops.max_count;
         n++) {
        size_t before = bytes.size;
        toy_put_op(&bytes, n, &client->ops[client->first_op + n - 1]);
        if (before > 0 && bytes.size > action->read_ops.max_bytes) {
            buf_truncate(&bytes, before);
            break;
        }
        event.ops_read.count++;
    }
    assert_int_equal(buf_error(&bytes), 0);
    event.ops_read.bytes = buf_span(&bytes);
    toy_follow_step(toy, number, event);
    buf_free(&bytes);
}

static inline void toy_settle(struct toy_client *client, const struct follow_action *action)
{
    struct toy_op *op = &client->ops[client->first_op + action->outcome.number - 1];
    assert_false(op->settled);
    assert_int_equal(action->outcome.number, client->confirmed + 1); /* in order, once */
    assert_true(action->outcome.code == 0 || action->outcome.code == E_BAG_GONE);
    op->settled = true;
    client->confirmed = action->outcome.number;
    client->outcomes++;
}

static inline void toy_renumber(struct toy_client *client)
{
    client->first_op += client->confirmed;
    client->confirmed = 0;
    client->writer += 1000;
    client->renumbered++;
    client->to_tell_ops = true;
}

/* --- answers --- */

static inline void toy_answer_identify(struct toy *toy, int number)
{
    const struct toy_client *client = &toy->clients[number];
    struct follow_event event = {.kind = FOLLOW_IDENTITY};
    event.identity.hello = (struct wire_hello){
        .version = WIRE_VERSION,
        .device = (uint64_t)number + 1,
        .has_history = client->position != 0,
        .position = toy_position(client->position),
        .writer = client->writer,
        .software = SPAN_LITERAL("toy"),
        .window = client->window,
    };
    event.identity.join = (struct wire_join){.version = WIRE_VERSION, .name = SPAN_LITERAL("toy")};
    toy_follow_step(toy, number, event);
}

static inline void toy_tell_bags(struct toy *toy, int number, bool urgent)
{
    struct toy_client *client = &toy->clients[number];
    struct follow_event event = {.kind = FOLLOW_BAGS};
    struct wire_bag list[TOY_BAGS];
    for (size_t i = 0; i < TOY_BAGS; i++) {
        if (client->bags[i].id != 0) {
            list[event.bags.count++] =
                (struct wire_bag){client->bags[i].id, client->bags[i].cursor};
        }
    }
    client->to_follow = false;
    event.bags.list = list;
    event.bags.urgent = urgent;
    toy_follow_step(toy, number, event);
}

static inline void toy_answer_follower(struct toy *toy, int number,
                                       const struct follow_action *action)
{
    struct follow_event event = {.kind = FOLLOW_APPLIED};
    switch (action->kind) {
    case FOLLOW_DO_IDENTIFY:
        toy_answer_identify(toy, number);
        break;
    case FOLLOW_DO_LIST_BAGS:
        toy_tell_bags(toy, number, false);
        break;
    case FOLLOW_DO_READ_OPS:
        toy_answer_ops(toy, number, action);
        break;
    case FOLLOW_DO_LIVE:
        toy_apply_live(toy, &toy->clients[number], action, &event);
        toy_follow_step(toy, number, event);
        break;
    case FOLLOW_DO_BATCHES:
        toy_take_batches(toy, &toy->clients[number], action, &event);
        toy_follow_step(toy, number, event);
        break;
    default:
        toy_apply_page(toy, &toy->clients[number], action, &event);
        toy_follow_step(toy, number, event);
        break;
    }
}

/* --- carrying out --- */

static inline void toy_take_bag(const struct toy *toy, struct toy_client *client,
                                const struct follow_action *action)
{
    struct toy_replica *replica = toy_replica(client, action->bag.bag_id);
    assert_non_null(replica);
    if (action->bag.code == 0) {
        assert_int_equal(replica->cursor, action->bag.last_seq);
        toy_check_replica(toy, replica);
        replica->staging = false; /* of a FOLLOW that another replaced, or a session that is lost */
        client->fleet_complete = client->fleet_complete || replica->id == toy->fleet;
        if (action->bag.has_digest) {
            toy_compare(toy, client, replica, &action->bag.digest);
        }
    } else {
        memset(replica, 0, sizeof *replica);
    }
}

/* Nothing but the fleet's bag is followed before that one is complete. */
static inline void toy_check_fleet_first(const struct toy *toy, const struct toy_client *client,
                                         struct span frame)
{
    struct unpacked scratch = {0};
    struct wire_message message;
    assert_int_equal(wire_decode(frame, &scratch, &message, NULL), 0);
    if (message.type == WIRE_FOLLOW && toy->fleet != 0 && !client->fleet_complete) {
        for (size_t i = 0; i < message.follow.bags.count; i++) {
            assert_int_equal(wire_bag_at(&message.follow.bags, i).bag_id, toy->fleet);
        }
    }
    unpack_close(&scratch);
}

static inline void toy_welcome(struct toy_client *client, const struct wire_welcome *welcome)
{
    assert_int_equal(welcome->resume_seq, WIRE_SAME_HISTORY);
    client->fleet_complete = false;
    client->listing = false;
    client->to_list = client->keeps;
    client->listed_to = 0;
    client->to_mirror = client->mirrors;
    if (welcome->fleet_bag != 0) {
        (void)toy_replica_add(client, welcome->fleet_bag);
    }
}

/* True: it is a question. */
static inline bool toy_carry_out_follower(struct toy *toy, int number,
                                          const struct follow_action *action)
{
    struct toy_client *client = &toy->clients[number];
    switch (action->kind) {
    case FOLLOW_DO_CONNECT:
        client->connecting = true;
        return false;
    case FOLLOW_DO_DISCONNECT:
        toy_detach(toy, client);
        return false;
    case FOLLOW_DO_SEND:
        assert_int_not_equal(client->session, TOY_NOBODY);
        toy_check_fleet_first(toy, client, action->send);
        toy_push(&toy->sessions[client->session].up, action->send);
        return false;
    case FOLLOW_DO_BAG:
        toy_take_bag(toy, client, action);
        return false;
    case FOLLOW_DO_OUTCOME:
        toy_settle(client, action);
        return false;
    case FOLLOW_DO_NEW_WRITER:
        toy_renumber(client);
        return false;
    case FOLLOW_DO_SIGNED_IN:
        for (size_t i = 0; action->signed_in.code == 0 && i < action->signed_in.bags.count; i++) {
            (void)toy_replica_add(client, wire_owner_at(&action->signed_in.bags, i).bag_id);
        }
        return false;
    case FOLLOW_DO_STATUS:
        client->phase = action->status.phase;
        client->why = action->status.code;
        client->retry_at_ms = action->status.retry_at_ms;
        return false;
    case FOLLOW_DO_JOINED:
        client->joined = true;
        return false;
    case FOLLOW_DO_DEFERRED:
        client->deferrals++;
        return false;
    case FOLLOW_DO_WELCOME:
        toy_welcome(client, &action->welcome);
        return false;
    case FOLLOW_DO_OWNERS:
        toy_take_owners(client, action);
        return false;
    case FOLLOW_DO_MIRRORING:
        toy_take_mirroring(client, action);
        return false;
    case FOLLOW_DO_SIGNED_OUT:
        return false;
    default:
        return true;
    }
}

static inline void toy_follow_step(struct toy *toy, int number, struct follow_event event)
{
    struct toy_client *client = &toy->clients[number];
    struct follow_action question = {.kind = FOLLOW_DO_STATUS};
    event.now_ms = toy->now_ms;
    if (toy->trace != NULL) {
        trace_follow_event(toy->trace, number == 0 ? "client" : "client 2", &event);
    }
    struct follow_actions actions = follow_step(client->follow, &event);
    for (size_t i = 0; i < actions.count; i++) {
        assert_int_equal(question.kind, FOLLOW_DO_STATUS); /* a question is the last action */
        if (toy->trace != NULL) {
            trace_follow_action(toy->trace, &actions.list[i]);
        }
        if (toy_carry_out_follower(toy, number, &actions.list[i])) {
            question = actions.list[i];
        }
    }
    if (question.kind != FOLLOW_DO_STATUS) {
        toy_answer_follower(toy, number, &question);
    } else if (client->to_tell_ops) {
        struct follow_event ops = {.kind = FOLLOW_OPS};
        client->to_tell_ops = false;
        ops.ops.last = client->op_count - client->first_op;
        ops.ops.confirmed = client->confirmed;
        toy_follow_step(toy, number, ops);
    } else if (client->to_follow) {
        toy_tell_bags(toy, number, true);
    } else if (client->phase == FOLLOW_OPEN && client->to_mirror) {
        toy_ask_mirror(toy, number);
    } else if (client->phase == FOLLOW_OPEN && !client->listing &&
               (client->to_list || toy_hears_of_bags(client))) {
        toy_list_more(toy, number);
    }
}

/* --- the world --- */

static inline void toy_begin(struct toy *toy, int clients, uint64_t seed, size_t pool_bytes)
{
    memset(toy, 0, sizeof *toy);
    toy->random = seed;
    toy->state = WIRE_RUNNING;
    toy->now_ms = 1000;
    assert_int_equal(feed_pool_new(&toy->pool, pool_bytes), 0);
    for (int i = 0; i < TOY_CLIENTS; i++) {
        toy->clients[i].session = TOY_NOBODY;
    }
    for (int i = 0; i < clients; i++) {
        struct follow_options options = {.address_count = 2, .seed = seed + (uint64_t)i};
        assert_int_equal(follow_new(&toy->clients[i].follow, &options), 0);
        toy->clients[i].window = WIRE_WINDOW_MAX;
        toy->clients[i].writer = 100 + (uint64_t)i;
    }
}

static inline void toy_end(struct toy *toy)
{
    for (int i = 0; i < TOY_SESSIONS; i++) {
        toy_clear_session(&toy->sessions[i]);
    }
    for (int i = 0; i < TOY_CLIENTS; i++) {
        follow_free(&toy->clients[i].follow);
    }
    feed_pool_free(&toy->pool);
}

static inline void toy_sign_in(struct toy *toy, int number, int user)
{
    char name[] = "user0";
    name[4] = (char)('0' + user);
    struct follow_event event = {.kind = FOLLOW_SIGN_IN};
    event.sign_in.ref = 1;
    event.sign_in.user = span_str(name);
    toy->clients[number].signed_in[user] = true;
    toy_follow_step(toy, number, event);
}

static inline bool toy_something_comes(const struct toy *toy, const struct toy_client *client)
{
    if (client->session == TOY_NOBODY) {
        return false;
    }
    const struct toy_session *session = &toy->sessions[client->session];
    return session->down.count > 0 || session->closing;
}

/* Let everything that is on its way arrive, and everything that is asked for be done, in order. */
static inline void toy_settle_down(struct toy *toy)
{
    for (bool busy = true; busy;) {
        busy = false;
        for (int i = 0; i < TOY_SESSIONS; i++) {
            struct toy_session *session = &toy->sessions[i];
            if (session->up.count > 0) {
                toy_arrive_up(toy, i);
                busy = true;
            }
            if (session->feed != NULL && session->wants_turn) {
                toy_turn(toy, i);
                busy = true;
            }
        }
        for (int i = 0; i < TOY_CLIENTS; i++) {
            const struct toy_client *client = &toy->clients[i];
            if (client->connecting) {
                toy_attach(toy, i);
                busy = true;
            } else if (toy_something_comes(toy, client)) {
                toy_arrive_down(toy, i);
                busy = true;
            }
        }
        if (!busy && toy->pending_count > 0) {
            toy_commit(toy);
            busy = true;
        }
    }
}

#endif
