/* tests/fuzz/fuzz_transport_follow.c - frames of a server that nobody vouches for.
 *
 * The input is a row of frames, each behind two bytes of its size. The session number is put where
 * a frame's own is, so that most of them get past it. Questions are answered, a lost session is
 * opened again for what is left of the input, and what is sent must be messages.
 */
#include "transport/follow.h"

#include "tests/fuzz/fuzz.h"

enum { SESSION = 5, BAGS = 6 };
enum { OPENED_MAX = 8 }; /* opening takes long, and to lose more sessions than that tells no more */

static struct follow *follow;
static uint64_t now_ms;
static bool connected;
static bool sends_known; /* what is sent now was sent, and looked at, before */

static void put_hello(struct follow_event *event)
{
    event->kind = FOLLOW_IDENTITY;
    event->identity.hello =
        (struct wire_hello){.version = WIRE_VERSION, .device = 1, .writer = 2, .window = 3000};
}

static void put_bags(struct follow_event *event)
{
    static struct wire_bag bags[BAGS];
    for (uint64_t i = 0; i < BAGS; i++) {
        bags[i] = (struct wire_bag){.bag_id = i + 1, .cursor = 3 * i};
    }
    event->kind = FOLLOW_BAGS;
    event->bags.list = bags;
    event->bags.count = BAGS;
}

/* Reads all that the action shows, as a replica would. */
static void apply(const struct follow_action *action, struct follow_event *event)
{
    event->kind = FOLLOW_APPLIED;
    if (action->kind == FOLLOW_DO_LIVE) {
        FUZZ_CHECK(action->live.changes.count > 0);
        for (size_t i = 0; i < action->live.changes.count; i++) {
            struct change change;
            const msgpack_object *object = wire_object_at(&action->live.changes, i);
            FUZZ_CHECK(change_decode(object, CHANGE_STREAM, &change, NULL) == 0);
            FUZZ_CHECK(change.bag_id >= 1 && change.bag_id <= BAGS);
        }
        return;
    }
    FUZZ_CHECK(action->page.bag_id >= 1 && action->page.bag_id <= BAGS);
    for (size_t i = 0; i < action->page.rows.count; i++) {
        struct span path;
        struct item_row row;
        wire_row_at(&action->page.rows, i, &path, &row);
        event->applied.code = row.seq % 11 == 5 ? E_CORRUPT : 0;
    }
    event->applied.bag_id = action->page.bag_id;
}

static void put_operation(const struct follow_action *action, struct follow_event *event)
{
    static struct buf bytes;
    buf_free(&bytes);
    buf_init(&bytes, 1000);
    operation_put_empty(&bytes, action->read_ops.from);
    event->kind = FOLLOW_OPS_READ;
    event->ops_read.first = action->read_ops.from;
    event->ops_read.count = 1;
    event->ops_read.bytes = buf_span(&bytes);
}

/* Whether the action is a question; its answer. */
static bool answer_to(const struct follow_action *action, struct follow_event *event)
{
    *event = (struct follow_event){0};
    switch ((int)action->kind) {
    case FOLLOW_DO_IDENTIFY:
        put_hello(event);
        return true;
    case FOLLOW_DO_LIST_BAGS:
        put_bags(event);
        return true;
    case FOLLOW_DO_READ_OPS:
        put_operation(action, event);
        return true;
    case FOLLOW_DO_LIVE:
    case FOLLOW_DO_PAGE:
        apply(action, event);
        return true;
    case FOLLOW_DO_BATCHES:
        event->kind = FOLLOW_APPLIED;
        return true;
    default:
        return false;
    }
}

static void check(const struct follow_action *action)
{
    if (action->kind == FOLLOW_DO_SEND) {
        struct unpacked scratch = {0};
        struct wire_message message;
        FUZZ_CHECK(connected);
        if (sends_known) {
            return;
        }
        FUZZ_CHECK(action->send.size <= WIRE_FRAME_MAX);
        FUZZ_CHECK(wire_decode(action->send, &scratch, &message, NULL) == 0);
        unpack_close(&scratch);
    } else if (action->kind == FOLLOW_DO_CONNECT || action->kind == FOLLOW_DO_DISCONNECT) {
        connected = false;
    }
}

static void drive(struct follow_event event)
{
    bool asked = true;
    while (asked) {
        event.now_ms = now_ms++;
        connected = connected || event.kind == FOLLOW_UP;
        struct follow_actions actions = follow_step(follow, &event);
        asked = false;
        for (size_t i = 0; i < actions.count; i++) {
            FUZZ_CHECK(!asked); /* a question is the last */
            check(&actions.list[i]);
            asked = answer_to(&actions.list[i], &event);
        }
    }
}

static void open_session(void)
{
    struct wire_welcome welcome = {
        .version = WIRE_VERSION, .state = WIRE_RUNNING, .heartbeat_ms = 2000, .window = 3000};
    struct buf bytes;
    drive((struct follow_event){.kind = FOLLOW_START});
    drive((struct follow_event){.kind = FOLLOW_UP});
    buf_init(&bytes, WIRE_FRAME_MAX);
    wire_put_welcome(&bytes, SESSION, &welcome);
    drive((struct follow_event){.kind = FOLLOW_FRAME, .frame = buf_span(&bytes)});
    buf_free(&bytes);
    FUZZ_CHECK(connected);
    drive((struct follow_event){.kind = FOLLOW_LIST});
    drive((struct follow_event){.kind = FOLLOW_MIRROR});
}

/* A frame of exactly its size, so that reading past it is seen. */
static void give(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));
    FUZZ_CHECK(copy != NULL);
    for (size_t i = 0; i < size; i++) {
        copy[i] = data[i];
    }
    if (size > 2 && copy[2] < 0x80) {
        copy[2] = SESSION;
    }
    drive((struct follow_event){.kind = FOLLOW_FRAME, .frame = {copy, size}});
    free(copy);
}

/* Which is the same for each input. */
static void open_first_session(void)
{
    static bool opened;
    sends_known = opened;
    open_session();
    opened = true;
    sends_known = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct follow_options options = {.address_count = 1, .seed = 1};
    struct follow_event ops = {.kind = FOLLOW_OPS};
    now_ms = 1;
    connected = false;
    FUZZ_CHECK(follow_new(&follow, &options) == 0);
    ops.ops.last = 3;
    drive(ops);
    open_first_session();
    for (int opened = 1; connected && size >= 2;) {
        size_t take = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        take = take < size ? take : size;
        give(data, take);
        data += take;
        size -= take;
        if (!connected) {
            drive((struct follow_event){.kind = FOLLOW_STOP});
        }
        if (!connected && size >= 2 && opened++ < OPENED_MAX) {
            open_session();
        }
    }
    follow_free(&follow);
    return 0;
}
