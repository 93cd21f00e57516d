/* The journal to those who may have all of it. */
#include "tests/server/sessions_fixture.h"

/* What a mirroring machine has: the journal's bytes, one batch behind the other. */
struct copy {
    struct buf bytes;
    uint64_t session;
    uint64_t head_seq; /* as told last */
    size_t messages;
};

static void fill(struct net *net, size_t count, size_t size)
{
    static char big[1 << 20];
    for (size_t i = 0; i < count; i++) {
        memset(big, 'a' + (int)i % 26, size - 1);
        big[size - 1] = '\0';
        assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", big).code, 0);
    }
}

static uint64_t begin(struct net *net, struct machine *machine)
{
    fx_join(net->fx, machine, 1);
    net_record(net, machine, "active", ",\"mirror\":true");
    return net_hello(net, 1, machine);
}

static void ask(struct net *net, const struct machine *machine, uint64_t session,
                const struct wire_mirror *mirror)
{
    struct buf frame = net_buf();
    wire_put_mirror(&frame, session, mirror);
    net_frame(net, 1, machine->key, &frame);
}

static struct wire_mirror at_head(struct net *net)
{
    struct journal_position head;
    journal_head(net->fx->journal, &head);
    struct wire_mirror mirror = {.seq = head.seq, .has_hash = true};
    memcpy(mirror.hash, head.hash, SHA256_SIZE);
    return mirror;
}

static void take_message(struct copy *copy, const struct wire_message *message)
{
    assert_int_equal(message->type, WIRE_BATCHES);
    assert_int_equal(buf_append_span(&copy->bytes, message->batches.bytes), 0);
    copy->head_seq = message->batches.head_seq;
    copy->messages++;
}

/* All that was sent so far, in parts or whole. */
static void take(struct net *net, struct copy *copy)
{
    struct buf parts = net_buf();
    struct unpacked unpacked = {0};
    while (!net_silent(net, 1)) {
        const struct wire_message *message = net_next(net, 1);
        if (message->type != WIRE_PART) {
            take_message(copy, message);
            continue;
        }
        assert_int_equal(message->part.offset, parts.size);
        assert_int_equal(buf_append_span(&parts, message->part.bytes), 0);
        if (parts.size == message->part.total) {
            struct wire_message whole;
            assert_int_equal(wire_decode(buf_span(&parts), &unpacked, &whole, NULL), 0);
            take_message(copy, &whole);
            buf_reset(&parts);
        }
    }
    assert_int_equal(parts.size, 0);
    unpack_close(&unpacked);
    buf_free(&parts);
}

/* Credit until nothing more comes. */
static void take_all(struct net *net, const struct machine *machine, struct copy *copy)
{
    size_t before;
    do {
        before = net->sent_count;
        net_credit(net, 1, machine, copy->session);
    } while (net->sent_count > before);
    take(net, copy);
}

/* The bytes are those of the journal from behind `after` to the head. */
static void expect_journal(struct net *net, const struct copy *copy, uint64_t after)
{
    struct journal_cursor *cursor = NULL;
    assert_int_equal(journal_cursor_open(&cursor, net->fx->journal, after + 1, NULL), 0);
    struct batch batch;
    struct span raw;
    size_t at = 0;
    while (journal_cursor_next_raw(cursor, &batch, &raw, NULL) == 0) {
        assert_true(at + raw.size <= copy->bytes.size);
        assert_memory_equal(copy->bytes.data + at, raw.data, raw.size);
        at += raw.size;
    }
    assert_int_equal(at, copy->bytes.size);
    journal_cursor_close(&cursor);
}

static void begin_copy(struct copy *copy, uint64_t session)
{
    *copy = (struct copy){.session = session};
    buf_init(&copy->bytes, 64 << 20);
}

static void the_whole_journal_then_what_is_committed(void **state)
{
    struct net *net = *state;
    struct machine a;
    uint64_t session = begin(net, &a);
    fill(net, 40, 20000);  /* several messages, each of some batches */
    fill(net, 1, 1 << 20); /* one that goes in parts */
    struct copy copy;
    begin_copy(&copy, session);
    ask(net, &a, session, &(struct wire_mirror){0});
    assert_int_equal(net_expect(net, 1, WIRE_MIRRORING)->mirroring.code, 0);
    net_run(net);
    take_all(net, &a, &copy);
    expect_journal(net, &copy, 0);
    assert_true(copy.messages > 10 && copy.messages < 60);
    struct wire_mirror end = at_head(net);
    assert_int_equal(copy.head_seq, end.seq);
    struct device_live live = {0};
    assert_int_equal(sessions_device(net->sessions, a.device, &live), 0);
    assert_int_equal(live.mirror_seq, end.seq);
    /* a batch with nothing that it follows */
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", "small").code, 0);
    net_run(net);
    take_all(net, &a, &copy);
    expect_journal(net, &copy, 0);
    buf_free(&copy.bytes);
}

static void from_where_a_copy_ends(void **state)
{
    struct net *net = *state;
    struct machine a;
    uint64_t session = begin(net, &a);
    fill(net, 3, 100);
    struct wire_mirror end = at_head(net);
    fill(net, 3, 100);
    struct copy copy;
    begin_copy(&copy, session);
    ask(net, &a, session, &end);
    assert_int_equal(net_expect(net, 1, WIRE_MIRRORING)->mirroring.code, 0);
    net_run(net);
    take_all(net, &a, &copy);
    expect_journal(net, &copy, end.seq);
    buf_free(&copy.bytes);
}

static void copies_that_do_not_fit(void **state)
{
    struct net *net = *state;
    struct machine a;
    uint64_t session = begin(net, &a);
    struct wire_mirror end = at_head(net);
    struct wire_mirror variants[3] = {end, end, {.seq = 2}};
    variants[0].seq++;
    variants[1].hash[5] ^= 1;
    for (size_t i = 0; i < 3; i++) { /* ahead, another hash, the middle of a batch */
        ask(net, &a, session, &variants[i]);
        assert_int_equal(net_expect(net, 1, WIRE_MIRRORING)->mirroring.code, -E_DIVERGED);
    }
    struct device_live live = {0};
    assert_int_equal(sessions_device(net->sessions, a.device, &live), 0);
    assert_int_equal(live.refused, E_DIVERGED);
    assert_int_equal(live.mirror_seq, 0);
    net_run(net);
    assert_true(net_silent(net, 1));
    /* its bags are served; that its copy is not stays to be seen until it is */
    struct wire_heartbeat beat = {.seq = 1};
    net_beat(net, 1, &a, session, &beat);
    assert_int_equal(sessions_device(net->sessions, a.device, &live), 0);
    assert_int_equal(live.refused, E_DIVERGED);
    ask(net, &a, session, &end); /* it may try again */
    assert_int_equal(net_expect(net, 1, WIRE_MIRRORING)->mirroring.code, 0);
    net_beat(net, 1, &a, session, &beat);
    assert_int_equal(sessions_device(net->sessions, a.device, &live), 0);
    assert_int_equal(live.refused, 0);
}

static void below_the_floor_is_too_old(void **state)
{
    struct net *net = *state;
    struct machine a;
    uint64_t session = begin(net, &a);
    fill(net, 9, 1 << 20);
    uint64_t floor = 0;
    assert_int_equal(journal_drop(net->fx->journal, UINT64_MAX, &floor, NULL), 0);
    assert_true(floor > 10);
    ask(net, &a, session, &(struct wire_mirror){.seq = floor - 2});
    assert_int_equal(net_expect(net, 1, WIRE_MIRRORING)->mirroring.code, -E_TOO_OLD);
    assert_int_equal(net->message.mirroring.floor_seq, floor);
    assert_true(net->message.mirroring.text.size > 0);
    /* and so is the beginning */
    ask(net, &a, session, &(struct wire_mirror){0});
    assert_int_equal(net_expect(net, 1, WIRE_MIRRORING)->mirroring.code, -E_TOO_OLD);
    struct copy copy;
    begin_copy(&copy, session);
    ask(net, &a, session, &(struct wire_mirror){.seq = floor - 1});
    assert_int_equal(net_expect(net, 1, WIRE_MIRRORING)->mirroring.code, 0);
    net_run(net);
    take_all(net, &a, &copy);
    expect_journal(net, &copy, floor - 1);
    buf_free(&copy.bytes);
}

/* It grants no credit while the journal goes on and lets go of what it has not got. */
static void the_floor_passes_one_that_takes_nothing(void **state)
{
    struct net *net = *state;
    struct machine a;
    uint64_t session = begin(net, &a);
    fill(net, 30, 20000);
    ask(net, &a, session, &(struct wire_mirror){0});
    net_run(net); /* as far as its window goes */
    fill(net, 18, 1 << 20);
    uint64_t floor = 0;
    assert_int_equal(journal_drop(net->fx->journal, UINT64_MAX, &floor, NULL), 0);
    /* what it stood in does not stay on the disk for it */
    struct journal_stat stat = {0};
    assert_int_equal(journal_stat(net->fx->journal, &stat, NULL), 0);
    assert_true(stat.leaving_bytes > 0);
    sessions_tick(net->sessions);
    assert_int_equal(journal_drop(net->fx->journal, UINT64_MAX, &floor, NULL), 0);
    assert_int_equal(journal_stat(net->fx->journal, &stat, NULL), 0);
    assert_int_equal(stat.leaving_bytes, 0);
    bool told = false;
    for (int i = 0; i < 200 && !told; i++) {
        net_credit(net, 1, &a, session);
        while (!told && !net_silent(net, 1)) {
            const struct wire_message *message = net_next(net, 1);
            told = message->type == WIRE_MIRRORING && message->mirroring.code != 0;
        }
    }
    assert_true(told);
    assert_int_equal(net->message.mirroring.code, -E_TOO_OLD);
    assert_int_equal(net->message.mirroring.floor_seq, floor);
    assert_false(net->cut[1]);
    ask(net, &a, session, &(struct wire_mirror){.seq = floor - 1}); /* it starts over */
    assert_int_equal(net_expect(net, 1, WIRE_MIRRORING)->mirroring.code, 0);
}

static void without_the_right_there_is_nothing(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t session = net_hello(net, 1, &a);
    ask(net, &a, session, &(struct wire_mirror){0});
    assert_int_equal(net_expect(net, 1, WIRE_MIRRORING)->mirroring.code, -E_NOT_ALLOWED);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0);
    net_run(net);
    assert_true(net_silent(net, 1));
}

/* Taken away in the middle of the stream, the right or the device: not a byte more. */
static void a_right_that_ends_ends_the_mirror(void **state)
{
    struct net *net = *state;
    static const char *const words[] = {"active", "removed"};
    static const int codes[] = {E_SUPERSEDED, E_DEVICE_REMOVED};
    for (size_t i = 0; i < 2; i++) {
        struct machine a;
        fx_join(net->fx, &a, (uint8_t)(i + 1));
        net_record(net, &a, "active", ",\"mirror\":true");
        net->cut[1] = false;
        net->read = net->sent_count;
        uint64_t session = net_hello(net, 1, &a);
        fill(net, 30, 20000);
        ask(net, &a, session, &(struct wire_mirror){0});
        net_run(net);
        (void)net_expect(net, 1, WIRE_MIRRORING);
        (void)net_expect(net, 1, WIRE_BATCHES); /* and more are to come */
        net->read = net->sent_count;
        net_record(net, &a, words[i], "");
        net_expect_error(net, 1, codes[i]);
        struct device_live live = {0};
        assert_int_equal(sessions_device(net->sessions, a.device, &live), 0);
        assert_false(live.connected);
        assert_int_equal(live.mirror_seq, 0);
        net_run(net);
        assert_true(net_silent(net, 1));
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_whole_journal_then_what_is_committed),
        TEST(from_where_a_copy_ends),
        TEST(copies_that_do_not_fit),
        TEST(below_the_floor_is_too_old),
        TEST(the_floor_passes_one_that_takes_nothing),
        TEST(without_the_right_there_is_nothing),
        TEST(a_right_that_ends_ends_the_mirror),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
