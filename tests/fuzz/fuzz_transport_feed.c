/* tests/fuzz/fuzz_transport_feed.c - frames that nobody vouches for, into an open session.
 *
 * The input is a row of frames, each behind two bytes of its size. The session number is put where
 * a frame's own is, so that most of them get past it. Questions are answered, sizes of the pool and
 * of the feed stay within their limits, and nothing follows a cut.
 */
#include "transport/feed.h"

#include "tests/fuzz/fuzz.h"

enum { POOL_BYTES = 200000, BAGS_MAX = 300, FEED_BYTES_MAX = 600000, NOTHING = -1 };

static struct feed_pool *pool;
static struct feed *feed;
static uint64_t now_ms;

/* One step; returns the kind of its question. */
static int step(struct feed_event event, struct feed_action *question)
{
    int asked = NOTHING;
    event.now_ms = now_ms;
    now_ms += 7;
    struct feed_actions actions = feed_step(feed, &event);
    for (size_t i = 0; i < actions.count; i++) {
        const struct feed_action *action = &actions.list[i];
        if (action->kind == FEED_DO_SEND) {
            struct unpacked scratch = {0};
            struct wire_message message;
            FUZZ_CHECK(action->send.size <= WIRE_FRAME_MAX);
            FUZZ_CHECK(wire_decode(action->send, &scratch, &message, NULL) == 0);
            unpack_close(&scratch);
        } else if (action->kind == FEED_DO_CUT) {
            FUZZ_CHECK(i + 1 == actions.count);
            feed_free(&feed);
            return NOTHING;
        } else if (action->kind != FEED_DO_UNFOLLOW && action->kind != FEED_DO_HEARD) {
            asked = (int)action->kind;
            *question = *action;
        }
    }
    return asked;
}

static struct feed_event page_of(const struct feed_action *question)
{
    struct feed_event event = {.kind = FEED_PAGE};
    event.page.bag_id = question->read.bag_id;
    event.page.code = question->read.bag_id % 7 == 3 ? E_BAG_GONE : 0;
    event.page.last_seq = UINT64_MAX / 2;
    event.page.end = true;
    return event;
}

static struct feed_event mirror_of(const struct feed_action *question)
{
    struct feed_event event = {.kind = FEED_MIRRORING};
    event.mirroring.code = question->mirror.seq > UINT64_MAX / 2 ? E_DIVERGED : 0;
    event.mirroring.text = "";
    return event;
}

static struct feed_event batches_of(const struct feed_action *question)
{
    struct feed_event event = {.kind = FEED_BATCHES};
    event.batches.code = question->read_journal.after_seq % 7 == 3 ? E_TOO_OLD : 0;
    event.batches.text = "";
    event.batches.bytes = SPAN_LITERAL("a batch");
    event.batches.last_seq = question->read_journal.after_seq + 1;
    event.batches.end = true;
    return event;
}

/* What a server would say; whether there is something to say. */
static bool answer_to(int asked, const struct feed_action *question, struct feed_event *event)
{
    *event = (struct feed_event){0};
    switch (asked) {
    case FEED_DO_SIGN_IN:
        event->kind = FEED_SIGNED_IN;
        event->signed_in.ref = question->sign_in.ref;
        return true;
    case FEED_DO_SIGN_OUT:
        event->kind = FEED_SIGNED_OUT;
        event->signed_out.ref = question->sign_out.ref;
        return true;
    case FEED_DO_FOLLOW:
        event->kind = FEED_BAG;
        event->bag.bag_id = question->follow.bag_id;
        event->bag.code = question->follow.bag_id % 5 == 4 ? E_NOT_ALLOWED : 0;
        event->bag.last_seq = UINT64_MAX / 2;
        return true;
    case FEED_DO_LIST:
        event->kind = FEED_LISTED;
        event->listed.end = true;
        return true;
    case FEED_DO_MIRROR:
        *event = mirror_of(question);
        return true;
    case FEED_DO_READ_JOURNAL:
        *event = batches_of(question);
        return true;
    case FEED_DO_WANT_TURN:
        event->kind = FEED_TURN;
        return true;
    case FEED_DO_READ:
        *event = page_of(question);
        return true;
    default:
        return false;
    }
}

static void drive(struct feed_event event)
{
    struct feed_action question;
    int asked = step(event, &question);
    while (feed != NULL && asked != NOTHING && answer_to(asked, &question, &event)) {
        asked = step(event, &question);
    }
}

static void open_session(void)
{
    struct feed_options options = {
        .session = 5, .heartbeat_ms = 2000, .bags_max = BAGS_MAX, .pool = pool};
    struct wire_hello hello = {.version = WIRE_VERSION, .device = 1, .window = 3000};
    struct buf bytes;
    struct feed_action question;
    FUZZ_CHECK(feed_new(&feed, &options) == 0);
    buf_init(&bytes, WIRE_FRAME_MAX);
    wire_put_hello(&bytes, &hello);
    FUZZ_CHECK(step((struct feed_event){.kind = FEED_FRAME, .frame = buf_span(&bytes)},
                    &question) == FEED_DO_HELLO);
    buf_free(&bytes);
    struct feed_event welcome = {.kind = FEED_WELCOME};
    welcome.welcome.state = WIRE_RUNNING;
    FUZZ_CHECK(step(welcome, &question) == NOTHING);
    FUZZ_CHECK(feed_open(feed));
}

/* A frame of exactly its size, so that reading past it is seen. */
static void feed_frame_of(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));
    FUZZ_CHECK(copy != NULL);
    for (size_t i = 0; i < size; i++) {
        copy[i] = data[i];
    }
    if (size > 2 && copy[2] < 0x80) {
        copy[2] = 5;
    }
    drive((struct feed_event){.kind = FEED_FRAME, .frame = {copy, size}});
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    now_ms = 1;
    FUZZ_CHECK(feed_pool_new(&pool, POOL_BYTES) == 0);
    open_session();
    while (feed != NULL && size >= 2) {
        size_t take = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        take = take < size ? take : size;
        feed_frame_of(data, take);
        data += take;
        size -= take;
        FUZZ_CHECK(feed_pool_bytes(pool) <= POOL_BYTES);
        FUZZ_CHECK(feed == NULL || feed_bags(feed) <= BAGS_MAX);
        FUZZ_CHECK(feed == NULL || feed_bytes(feed) <= FEED_BYTES_MAX);
    }
    feed_free(&feed);
    feed_pool_free(&pool);
    return 0;
}
