/* tests/transport/trace.h - events and actions of both sides as lines of text. */
#ifndef KITBAG_TESTS_TRANSPORT_TRACE_H
#define KITBAG_TESTS_TRANSPORT_TRACE_H

#include <inttypes.h>

#include "transport/feed.h"
#include "transport/follow.h"

enum { TRACE_LIST_MAX = 4 }; /* elements of a list that are shown */

struct trace_name {
    int number;
    const char *name;
};

#define TRACE_NAME(names, number)                                                                  \
    trace_name((names), sizeof(names) / sizeof *(names), (int)(number))

static inline const char *trace_name(const struct trace_name *names, size_t count, int number)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return "?";
}

static inline void trace_span(struct buf *out, const char *name, struct span text)
{
    (void)buf_printf(out, " %s=%.*s", name, (int)text.size, (const char *)text.data);
}

static inline void trace_u64(struct buf *out, const char *name, uint64_t value)
{
    (void)buf_printf(out, " %s=%" PRIu64, name, value);
}

static inline void trace_code(struct buf *out, int code)
{
    (void)buf_printf(out, " %s", code == 0 ? "ok" : err_name(code));
}

static inline int trace_code_of(uint64_t number)
{
    return number == 0 ? 0 : err_from_wire(number);
}

static inline void trace_change(struct buf *out, const msgpack_object *object)
{
    static const char *const kinds[] = {"?",   "history", "create", "delete",
                                        "set", "remove",  "void"};
    struct change change;
    if (change_decode(object, CHANGE_STREAM, &change, NULL) == 0) {
        (void)buf_printf(out, "%" PRIu64 "<%" PRIu64 " %s %" PRIu64 "/%.*s", change.seq,
                         change.prev, kinds[change.kind], change.bag_id, (int)change.path.size,
                         (const char *)change.path.data);
    } else {
        (void)buf_printf(out, "?");
    }
}

static inline void trace_row(struct buf *out, const struct wire_list *list, size_t i)
{
    struct span path;
    struct item_row row;
    wire_row_at(list, i, &path, &row);
    (void)buf_printf(out, "%.*s@%" PRIu64, (int)path.size, (const char *)path.data, row.seq);
    if (row.state == ITEM_TOMBSTONE) {
        (void)buf_printf(out, " gone");
    } else {
        (void)buf_printf(out, " %zuB", row.value.size);
    }
}

static inline void trace_operation(struct buf *out, const msgpack_object *object)
{
    struct operation operation;
    if (operation_decode(object, &operation, NULL) == 0) {
        (void)buf_printf(out, "#%" PRIu64 " bag %" PRIu64, operation.number, operation.bag_id);
    } else {
        (void)buf_printf(out, "?");
    }
}

static inline void trace_element(struct buf *out, enum wire_type type, const struct wire_list *list,
                                 size_t i)
{
    if (type == WIRE_FOLLOW) {
        struct wire_bag bag = wire_bag_at(list, i);
        (void)buf_printf(out, "%" PRIu64 " from %" PRIu64, bag.bag_id, bag.cursor);
    } else if (type == WIRE_UNFOLLOW) {
        (void)buf_printf(out, "%" PRIu64, wire_id_at(list, i));
    } else if (type == WIRE_SIGNED_IN || type == WIRE_OWNERS) {
        struct wire_owner owner = wire_owner_at(list, i);
        (void)buf_printf(out, "%" PRIu64 " %.*s", owner.bag_id, (int)owner.shown.size,
                         (const char *)owner.shown.data);
    } else if (type == WIRE_OUTCOME) {
        struct wire_outcome outcome = wire_outcome_at(list, i);
        int code = trace_code_of(outcome.code);
        (void)buf_printf(out, "#%" PRIu64 " %s %" PRIu64, outcome.number,
                         code == 0 ? "ok" : err_name(code), outcome.seq);
    } else if (type == WIRE_LIVE) {
        trace_change(out, wire_object_at(list, i));
    } else if (type == WIRE_PAGE) {
        trace_row(out, list, i);
    } else if (type == WIRE_WRITE) {
        trace_operation(out, wire_object_at(list, i));
    } else {
        struct span group = wire_group_at(list, i);
        (void)buf_printf(out, "%.*s", (int)group.size, (const char *)group.data);
    }
}

static inline void trace_list(struct buf *out, enum wire_type type, const struct wire_list *list)
{
    (void)buf_printf(out, " [");
    for (size_t i = 0; i < list->count && i < TRACE_LIST_MAX; i++) {
        (void)buf_printf(out, i == 0 ? "" : ", ");
        trace_element(out, type, list, i);
    }
    if (list->count > TRACE_LIST_MAX) {
        (void)buf_printf(out, ", and %zu more", list->count - TRACE_LIST_MAX);
    }
    (void)buf_printf(out, "]");
}

static inline void trace_page_flags(struct buf *out, uint64_t flags)
{
    (void)buf_printf(out, "%s%s%s", (flags & WIRE_PAGE_FIRST) != 0 ? " first" : "",
                     (flags & WIRE_PAGE_LAST) != 0 ? " last" : "",
                     (flags & WIRE_PAGE_WHOLE) != 0 ? " whole" : "");
}

static inline void trace_to_server(struct buf *out, const struct wire_message *message)
{
    switch ((int)message->type) {
    case WIRE_HELLO:
        trace_u64(out, "version", message->hello.version);
        trace_u64(out, "device", message->hello.device);
        trace_u64(out, "seq", message->hello.position.seq);
        trace_u64(out, "writer", message->hello.writer);
        trace_u64(out, "window", message->hello.window);
        break;
    case WIRE_JOIN:
        trace_span(out, "name", message->join.name);
        break;
    case WIRE_SIGN_IN:
        trace_u64(out, "ref", message->sign_in.ref);
        trace_span(out, "user", message->sign_in.user);
        trace_list(out, message->type, &message->sign_in.groups);
        break;
    case WIRE_SIGN_OUT:
        trace_u64(out, "ref", message->sign_out.ref);
        trace_u64(out, "bag", message->sign_out.bag_id);
        break;
    case WIRE_FOLLOW:
    case WIRE_UNFOLLOW:
        trace_list(out, message->type, &message->follow.bags);
        break;
    case WIRE_CREDIT:
        trace_u64(out, "received", message->credit.received);
        break;
    case WIRE_WRITE:
        trace_u64(out, "confirmed", message->write.confirmed);
        trace_list(out, message->type, &message->write.operations);
        break;
    case WIRE_LIST:
        trace_u64(out, "after", message->list.after);
        break;
    case WIRE_MIRROR:
        trace_u64(out, "seq", message->mirror.seq);
        (void)buf_printf(out, "%s", message->mirror.has_hash ? " hash" : "");
        break;
    default:
        break;
    }
}

static inline void trace_to_client(struct buf *out, const struct wire_message *message)
{
    switch ((int)message->type) {
    case WIRE_WELCOME:
        trace_u64(out, "head", message->welcome.head_seq);
        trace_u64(out, "state", message->welcome.state);
        trace_u64(out, "window", message->welcome.window);
        break;
    case WIRE_JOINED:
        trace_u64(out, "device", message->joined.device);
        break;
    case WIRE_SIGNED_IN:
        trace_u64(out, "ref", message->signed_in.ref);
        trace_code(out, trace_code_of(message->signed_in.code));
        trace_list(out, message->type, &message->signed_in.bags);
        break;
    case WIRE_SIGNED_OUT:
        trace_u64(out, "ref", message->signed_out.ref);
        trace_code(out, trace_code_of(message->signed_out.code));
        break;
    case WIRE_OUTCOME:
        trace_list(out, message->type, &message->outcome.entries);
        break;
    case WIRE_LIVE:
        trace_u64(out, "at", message->live.position.seq);
        trace_list(out, message->type, &message->live.changes);
        break;
    case WIRE_PAGE:
        trace_u64(out, "bag", message->page.bag_id);
        trace_page_flags(out, message->page.flags);
        trace_u64(out, "since", message->page.since);
        trace_u64(out, "cursor", message->page.cursor);
        trace_list(out, message->type, &message->page.rows);
        break;
    case WIRE_BAG:
        trace_u64(out, "bag", message->bag.bag_id);
        trace_code(out, trace_code_of(message->bag.code));
        trace_u64(out, "last", message->bag.last_seq);
        (void)buf_printf(out, "%s", message->bag.has_digest ? " digest" : "");
        break;
    case WIRE_STATE:
        trace_u64(out, "is", message->state.state);
        break;
    case WIRE_ERROR:
        trace_code(out, trace_code_of(message->error.code));
        trace_span(out, message->error.fatal ? "fatal" : "text", message->error.text);
        break;
    case WIRE_OWNERS:
        trace_code(out, trace_code_of(message->owners.code));
        trace_list(out, message->type, &message->owners.bags);
        (void)buf_printf(out, "%s", message->owners.end ? " end" : "");
        break;
    case WIRE_MIRRORING:
        trace_code(out, trace_code_of(message->mirroring.code));
        trace_u64(out, "floor", message->mirroring.floor_seq);
        break;
    case WIRE_BATCHES:
        trace_u64(out, "head", message->batches.head_seq);
        trace_u64(out, "bytes", message->batches.bytes.size);
        break;
    default:
        break;
    }
}

/* One message, as the other side will read it. */
static inline void trace_message(struct buf *out, struct span bytes)
{
    static const char *const names[WIRE_TYPES] = {
        [WIRE_HELLO] = "HELLO",
        [WIRE_JOIN] = "JOIN",
        [WIRE_SIGN_IN] = "SIGN_IN",
        [WIRE_SIGN_OUT] = "SIGN_OUT",
        [WIRE_FOLLOW] = "FOLLOW",
        [WIRE_UNFOLLOW] = "UNFOLLOW",
        [WIRE_CREDIT] = "CREDIT",
        [WIRE_WRITE] = "WRITE",
        [WIRE_HEARTBEAT] = "HEARTBEAT",
        [WIRE_BYE] = "BYE",
        [WIRE_PART] = "PART",
        [WIRE_WELCOME] = "WELCOME",
        [WIRE_JOINED] = "JOINED",
        [WIRE_SIGNED_IN] = "SIGNED_IN",
        [WIRE_SIGNED_OUT] = "SIGNED_OUT",
        [WIRE_OUTCOME] = "OUTCOME",
        [WIRE_LIVE] = "LIVE",
        [WIRE_PAGE] = "PAGE",
        [WIRE_BAG] = "BAG",
        [WIRE_STATE] = "STATE",
        [WIRE_ERROR] = "ERROR",
        [WIRE_LIST] = "LIST",
        [WIRE_MIRROR] = "MIRROR",
        [WIRE_OWNERS] = "OWNERS",
        [WIRE_MIRRORING] = "MIRRORING",
        [WIRE_BATCHES] = "BATCHES",
    };
    struct unpacked scratch = {0};
    struct wire_message message;
    if (wire_decode(bytes, &scratch, &message, NULL) != 0) {
        (void)buf_printf(out, " %zu bytes that are no message", bytes.size);
    } else {
        (void)buf_printf(out, " %s", names[message.type]);
        if (message.type == WIRE_PART) {
            trace_u64(out, "total", message.part.total);
            trace_u64(out, "offset", message.part.offset);
            trace_u64(out, "bytes", message.part.bytes.size);
        } else if (message.type == WIRE_HEARTBEAT) {
            trace_u64(out, "seq", message.heartbeat.seq);
            trace_u64(out, "current", message.heartbeat.current);
            trace_u64(out, "healed", message.heartbeat.healed);
            trace_u64(out, "newest", message.heartbeat.newest_bag);
        } else if (message.type < WIRE_WELCOME) {
            trace_to_server(out, &message);
        } else {
            trace_to_client(out, &message);
        }
    }
    unpack_close(&scratch);
}

/* --- the server's side --- */

static inline void trace_feed_event(struct buf *out, const char *who,
                                    const struct feed_event *event)
{
    static const struct trace_name names[] = {
        {FEED_FRAME, "got"},
        {FEED_TICK, "tick"},
        {FEED_WELCOME, "welcome"},
        {FEED_JOINED, "joined"},
        {FEED_SIGNED_IN, "signed in"},
        {FEED_SIGNED_OUT, "signed out"},
        {FEED_BAG, "bag"},
        {FEED_TURN, "turn"},
        {FEED_PAGE, "page"},
        {FEED_OUTCOMES, "outcomes"},
        {FEED_COMMITTED, "committed"},
        {FEED_STATE, "state"},
        {FEED_SENT_FAILED, "could not send"},
        {FEED_END, "end"},
        {FEED_LISTED, "listed"},
        {FEED_MIRRORING, "mirroring"},
        {FEED_BATCHES, "batches"},
    };
    (void)buf_printf(out, "%s: %s", who, TRACE_NAME(names, event->kind));
    if (event->kind == FEED_FRAME) {
        trace_message(out, event->frame);
    } else if (event->kind == FEED_BAG) {
        trace_u64(out, "bag", event->bag.bag_id);
        trace_code(out, event->bag.code);
        trace_u64(out, "last", event->bag.last_seq);
    } else if (event->kind == FEED_PAGE) {
        trace_u64(out, "bag", event->page.bag_id);
        trace_code(out, event->page.code);
        trace_u64(out, "last", event->page.last_seq);
        trace_u64(out, "rows", event->page.row_count);
        (void)buf_printf(out, "%s%s", event->page.whole ? " whole" : "",
                         event->page.end ? " end" : "");
    } else if (event->kind == FEED_COMMITTED) {
        trace_u64(out, "at", event->committed.position.seq);
        trace_u64(out, "changes", event->committed.count);
    } else if (event->kind == FEED_LISTED) {
        trace_u64(out, "count", event->listed.count);
        (void)buf_printf(out, "%s", event->listed.end ? " end" : "");
    } else if (event->kind == FEED_MIRRORING) {
        trace_code(out, event->mirroring.code);
    } else if (event->kind == FEED_BATCHES) {
        trace_code(out, event->batches.code);
        trace_u64(out, "last", event->batches.last_seq);
        (void)buf_printf(out, "%s", event->batches.end ? " end" : "");
    }
    (void)buf_printf(out, "\n");
}

static inline void trace_feed_action(struct buf *out, const struct feed_action *action)
{
    static const struct trace_name names[] = {
        {FEED_DO_SEND, "send"},
        {FEED_DO_HELLO, "check hello"},
        {FEED_DO_JOIN, "check join"},
        {FEED_DO_SIGN_IN, "sign in"},
        {FEED_DO_SIGN_OUT, "sign out"},
        {FEED_DO_FOLLOW, "may it follow"},
        {FEED_DO_UNFOLLOW, "unsubscribe"},
        {FEED_DO_WANT_TURN, "want a turn"},
        {FEED_DO_READ, "read"},
        {FEED_DO_WRITE, "write"},
        {FEED_DO_HEARD, "heard"},
        {FEED_DO_CUT, "cut"},
        {FEED_DO_LIST, "list"},
        {FEED_DO_MIRROR, "may it mirror"},
        {FEED_DO_READ_JOURNAL, "read the journal"},
    };
    (void)buf_printf(out, "    %s", TRACE_NAME(names, action->kind));
    switch ((int)action->kind) {
    case FEED_DO_SEND:
        trace_message(out, action->send);
        break;
    case FEED_DO_FOLLOW:
        trace_u64(out, "bag", action->follow.bag_id);
        trace_u64(out, "cursor", action->follow.cursor);
        break;
    case FEED_DO_UNFOLLOW:
        trace_u64(out, "bag", action->unfollow.bag_id);
        break;
    case FEED_DO_WANT_TURN:
        (void)buf_printf(out, "%s", action->turn.urgent ? " urgent" : "");
        break;
    case FEED_DO_READ:
        trace_u64(out, "bag", action->read.bag_id);
        trace_u64(out, "since", action->read.since);
        trace_span(out, "after", action->read.after);
        trace_u64(out, "budget", action->read.budget_bytes);
        break;
    case FEED_DO_HEARD:
        trace_u64(out, "seq", action->heard.seq);
        trace_u64(out, "healed", action->heard.healed);
        break;
    case FEED_DO_LIST:
        trace_u64(out, "after", action->list.after);
        break;
    case FEED_DO_MIRROR:
        trace_u64(out, "seq", action->mirror.seq);
        break;
    case FEED_DO_READ_JOURNAL:
        trace_u64(out, "after", action->read_journal.after_seq);
        trace_u64(out, "budget", action->read_journal.budget_bytes);
        break;
    case FEED_DO_CUT:
        trace_code(out, action->cut.code);
        trace_span(out, "why", span_str(action->cut.text));
        break;
    default:
        break;
    }
    (void)buf_printf(out, "\n");
}

/* --- the client's side --- */

static inline void trace_follow_event(struct buf *out, const char *who,
                                      const struct follow_event *event)
{
    static const struct trace_name names[] = {
        {FOLLOW_START, "start"},
        {FOLLOW_STOP, "stop"},
        {FOLLOW_UP, "up"},
        {FOLLOW_DOWN, "down"},
        {FOLLOW_FRAME, "got"},
        {FOLLOW_TICK, "tick"},
        {FOLLOW_IDENTITY, "identity"},
        {FOLLOW_BAGS, "bags"},
        {FOLLOW_FORGET, "forget"},
        {FOLLOW_APPLIED, "applied"},
        {FOLLOW_OPS, "operations"},
        {FOLLOW_OPS_READ, "operations read"},
        {FOLLOW_SIGN_IN, "sign in"},
        {FOLLOW_SIGN_OUT, "sign out"},
        {FOLLOW_LIST, "list"},
        {FOLLOW_MIRROR, "mirror"},
        {FOLLOW_HEALED, "healed"},
    };
    (void)buf_printf(out, "%s: %s", who, TRACE_NAME(names, event->kind));
    if (event->kind == FOLLOW_FRAME) {
        trace_message(out, event->frame);
    } else if (event->kind == FOLLOW_DOWN) {
        trace_code(out, event->down.code);
    } else if (event->kind == FOLLOW_BAGS) {
        trace_u64(out, "count", event->bags.count);
    } else if (event->kind == FOLLOW_APPLIED) {
        trace_code(out, event->applied.code);
    } else if (event->kind == FOLLOW_OPS) {
        trace_u64(out, "last", event->ops.last);
        trace_u64(out, "confirmed", event->ops.confirmed);
    } else if (event->kind == FOLLOW_OPS_READ) {
        trace_u64(out, "first", event->ops_read.first);
        trace_u64(out, "count", event->ops_read.count);
    }
    (void)buf_printf(out, "\n");
}

static inline void trace_follow_status(struct buf *out, const struct follow_action *action)
{
    static const struct trace_name phases[] = {
        {FOLLOW_IDLE, " idle"},
        {FOLLOW_WAITING, " waiting"},
        {FOLLOW_CONNECTING, " connecting"},
        {FOLLOW_GREETING, " greeting"},
        {FOLLOW_OPEN, " open"},
    };
    (void)buf_printf(out, "%s", TRACE_NAME(phases, action->status.phase));
    trace_code(out, action->status.code);
    if (action->status.phase == FOLLOW_WAITING) {
        trace_u64(out, "until", action->status.retry_at_ms);
    }
}

static const struct trace_name trace_follow_actions[] = {
    {FOLLOW_DO_CONNECT, "connect"},
    {FOLLOW_DO_DISCONNECT, "disconnect"},
    {FOLLOW_DO_SEND, "send"},
    {FOLLOW_DO_IDENTIFY, "identify"},
    {FOLLOW_DO_LIST_BAGS, "list bags"},
    {FOLLOW_DO_WELCOME, "welcome"},
    {FOLLOW_DO_JOINED, "joined"},
    {FOLLOW_DO_LIVE, "apply live"},
    {FOLLOW_DO_PAGE, "apply page"},
    {FOLLOW_DO_BAG, "bag"},
    {FOLLOW_DO_READ_OPS, "read operations"},
    {FOLLOW_DO_OUTCOME, "outcome"},
    {FOLLOW_DO_DEFERRED, "deferred"},
    {FOLLOW_DO_NEW_WRITER, "new writer"},
    {FOLLOW_DO_SIGNED_IN, "signed in"},
    {FOLLOW_DO_SIGNED_OUT, "signed out"},
    {FOLLOW_DO_STATUS, "status"},
    {FOLLOW_DO_OWNERS, "owners"},
    {FOLLOW_DO_MIRRORING, "mirroring"},
    {FOLLOW_DO_BATCHES, "take batches"},
};

static inline void trace_follow_action(struct buf *out, const struct follow_action *action)
{
    (void)buf_printf(out, "    %s", TRACE_NAME(trace_follow_actions, action->kind));
    switch ((int)action->kind) {
    case FOLLOW_DO_SEND:
        trace_message(out, action->send);
        break;
    case FOLLOW_DO_CONNECT:
        trace_u64(out, "address", action->address);
        break;
    case FOLLOW_DO_LIVE:
        trace_list(out, WIRE_LIVE, &action->live.changes);
        break;
    case FOLLOW_DO_PAGE:
        trace_u64(out, "bag", action->page.bag_id);
        trace_page_flags(out, action->page.flags);
        break;
    case FOLLOW_DO_BAG:
        trace_u64(out, "bag", action->bag.bag_id);
        trace_code(out, action->bag.code);
        break;
    case FOLLOW_DO_READ_OPS:
        trace_u64(out, "from", action->read_ops.from);
        break;
    case FOLLOW_DO_OUTCOME:
        trace_u64(out, "number", action->outcome.number);
        trace_code(out, action->outcome.code);
        break;
    case FOLLOW_DO_DEFERRED:
        trace_code(out, action->deferred.code);
        break;
    case FOLLOW_DO_STATUS:
        trace_follow_status(out, action);
        break;
    case FOLLOW_DO_OWNERS:
        trace_code(out, action->owners.code);
        trace_list(out, WIRE_OWNERS, &action->owners.list);
        break;
    case FOLLOW_DO_MIRRORING:
        trace_code(out, action->mirroring.code);
        trace_u64(out, "floor", action->mirroring.floor_seq);
        break;
    case FOLLOW_DO_BATCHES:
        trace_u64(out, "bytes", action->batches.bytes.size);
        break;
    default:
        break;
    }
    (void)buf_printf(out, "\n");
}

#endif
