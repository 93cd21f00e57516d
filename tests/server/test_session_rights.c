/* What a change takes away, and from whom. */
#include <inttypes.h>
#include <stdatomic.h>
#include <unistd.h>

#include "server/access.h"
#include "tests/server/sessions_fixture.h"

static void a_removed_machine_is_cut_before_the_answer(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    (void)net_hello(net, 1, &a);
    char path[RECORD_PATH_MAX];
    char text[512];
    char key[2 * KEY_SIZE + 1];
    struct span item = record_device_path(path, a.device);
    path[item.size] = '\0';
    hex_encode(a.key, KEY_SIZE, key);
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"x\",\"key\":\"%s\",\"joined_ms\":1,\"state\":\"removed\"}", key);
    fx_forget(net->fx);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "server", path, text).code, 0);
    assert_memory_equal(net->fx->order, "drc", 3);
    net_expect_error(net, 1, E_DEVICE_REMOVED);
    assert_int_equal(sessions_count(net->sessions), 0);
    struct wire_hello hello = net_greeting(&a);
    struct buf frame = net_buf();
    wire_put_hello(&frame, &hello);
    net_frame(net, 2, a.key, &frame);
    net_expect_error(net, 2, E_DEVICE_REMOVED);
}

static void signing_out_ends_the_changes(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t on_b = net_hello(net, 2, &b);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", NULL);
    (void)net_sign_in(net, 2, &b, on_b, "Ann", NULL);
    net_follow(net, 2, &b, on_b, bag, 0);
    (void)net_expect(net, 2, WIRE_PAGE);
    (void)net_complete(net, 2, bag);
    struct buf frame = net_buf();
    wire_put_sign_out(&frame, on_b, 8, bag);
    net_frame(net, 2, b.key, &frame);
    net_run(net);
    assert_int_equal(net_next(net, 2)->type, WIRE_SIGNED_OUT);
    assert_int_equal(net->message.signed_out.code, 0);
    net_write(net, 1, &a, on_a, 1, bag, "p", "v");
    net_run(net);
    assert_int_equal(net_outcome(net, 1).code, 0);
    assert_true(net_silent(net, 2));
    assert_false(net->cut[2]);
}

static void leaving_a_group_ends_its_changes(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", "Staff");
    uint64_t group = wire_owner_at(&net->message.signed_in.bags, 1).bag_id;
    net_follow(net, 1, &a, on_a, bag, 0);
    net_follow(net, 1, &a, on_a, group, 0);
    net_write(net, 1, &a, on_a, 1, group, "p", "v");
    net_run(net);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "@group/staff", NULL).code, 0);
    assert_true(net->cut[1]);
    uint64_t again = net_hello(net, 2, &a);
    net_follow(net, 2, &a, again, group, 0);
    assert_int_equal(net_next(net, 2)->bag.code, -E_NOT_ALLOWED);
    net_follow(net, 2, &a, again, bag, 0);
    assert_int_equal(net_next(net, 2)->type, WIRE_PAGE);
}

/* A machine need not follow the user by whom it has the right to a group. */
static void leaving_a_group_ends_it_for_who_follows_the_group_alone(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    (void)net_sign_in(net, 1, &a, on_a, "Ann", "Staff");
    uint64_t group = wire_owner_at(&net->message.signed_in.bags, 1).bag_id;
    net_follow(net, 1, &a, on_a, group, 0);
    (void)net_next(net, 1);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "@group/staff", NULL).code, 0);
    net_run(net);
    size_t before = net->sent_count;
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "group:staff", "p", "secret").code, 0);
    net_run(net);
    assert_true(net->cut[1]);
    assert_int_equal(net->sent_count, before);
}

static void who_is_deleted_takes_their_groups_along(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    (void)net_sign_in(net, 1, &a, on_a, "Ann", "Staff");
    uint64_t group = wire_owner_at(&net->message.signed_in.bags, 1).bag_id;
    net_follow(net, 1, &a, on_a, group, 0);
    (void)net_next(net, 1);
    assert_int_equal(fx_submit(net->fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    net_run(net);
    size_t before = net->sent_count;
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "group:staff", "p", "secret").code, 0);
    net_run(net);
    assert_int_equal(net->sent_count, before);
}

/* In one batch, and more than are looked up at once. */
static void many_who_are_deleted_take_their_groups_along(void **state)
{
    enum { MANY = 66 };
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t on_b = net_hello(net, 2, &b);
    (void)net_sign_in(net, 1, &a, on_a, "user 11", "Staff");
    uint64_t group = wire_owner_at(&net->message.signed_in.bags, 1).bag_id;
    (void)net_sign_in(net, 2, &b, on_b, "Bob", "Staff");
    net_follow(net, 1, &a, on_a, group, group);
    net_follow(net, 2, &b, on_b, group, group);
    for (int i = 0; i < MANY; i++) {
        char owner[OWNER_TEXT_MAX];
        (void)snprintf(owner, sizeof owner, "user:user %d", i);
        assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, owner, "p", "v").code, 0);
    }
    for (int i = 0; i < MANY; i++) {
        char owner[OWNER_TEXT_MAX];
        (void)snprintf(owner, sizeof owner, "user:user %d", i);
        struct submit gone = {.kind = SUBMIT_DELETE, .actor = "test"};
        assert_int_equal(owner_parse(&gone.owner, owner, NULL), 0);
        assert_int_equal(committer_submit(net->fx->committer, &gone, net, 0), 0);
    }
    net_run(net);
    assert_true(net->cut[1]);
    assert_false(net->cut[2]); /* Bob still is of the group */
}

/* kv/ takes nothing in while it is closed; not for ever, so that who waits for it is found out. */
static atomic_bool gate_closed;

static int gated_apply(struct kv *kv, const struct change *changes, size_t count,
                       const uint8_t hash[SHA256_SIZE], struct err *err)
{
    for (int i = 0; i < 50000 && gate_closed; i++) {
        (void)usleep(200);
    }
    return kv_apply(kv, changes, count, hash, err);
}

static int gated_setup(void **state)
{
    gate_closed = false;
    *state = net_new_over(gated_apply);
    return 0;
}

/* Whoever writes meanwhile would wait as well. */
static void while_nobody_follows_a_group_kv_is_not_waited_for(void **state)
{
    enum { GONE = 6 }; /* fewer would be applied by this thread */
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", "Staff");
    net_follow(net, 1, &a, on_a, bag, bag);
    char owner[OWNER_TEXT_MAX];
    for (int i = 0; i < GONE; i++) {
        (void)snprintf(owner, sizeof owner, "user:user %d", i);
        assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, owner, "p", "v").code, 0);
    }
    gate_closed = true;
    for (int i = 0; i < GONE; i++) {
        (void)snprintf(owner, sizeof owner, "user:user %d", i);
        struct submit gone = {.kind = SUBMIT_DELETE, .actor = "test"};
        assert_int_equal(owner_parse(&gone.owner, owner, NULL), 0);
        assert_int_equal(committer_submit(net->fx->committer, &gone, net, 0), 0);
    }
    net_run(net);
    net_forget(net);
    net_write(net, 1, &a, on_a, 1, bag, "p", "v");
    net_run(net);
    assert_int_equal(net_outcome(net, 1).code, 0);
    assert_true(committer_bag_lags(net->fx->committer, bag));
    gate_closed = false;
    committer_settle(net->fx->committer);
    assert_false(committer_bag_lags(net->fx->committer, bag));
}

/* Until the state has all that the journal has, when a test says so. */
static struct net *hurried;

static uint64_t hurried_wall_ms(void *context)
{
    const struct clock_fake *time = context;
    struct journal_position head = {0};
    struct kv_position position = {0};
    if (hurried != NULL) {
        journal_head(hurried->fx->journal, &head);
        for (int i = 0; i < 100000 && position.seq < head.seq; i++) {
            (void)usleep(200);
            kv_position(hurried->fx->kv, &position);
        }
    }
    return time->wall_ms;
}

/* The open draft takes so many changes more. */
static void leave_room_for(struct net *net, size_t changes)
{
    enum { EACH = 900 };
    static struct operation_write writes[EACH];
    static char paths[EACH][8];
    for (size_t i = 0; i < EACH; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "p%zu", i);
        writes[i] = (struct operation_write){.path = span_str(paths[i]), .value = span_str("v")};
    }
    struct submit fill = {.kind = SUBMIT_WRITE, .actor = "test", .writes = writes};
    assert_int_equal(owner_parse(&fill.owner, "user:bob", NULL), 0);
    for (size_t left = DRAFT_CHANGES_MAX - changes; left > 0; left -= fill.write_count) {
        fill.write_count = left < EACH ? left : EACH;
        assert_int_equal(committer_submit(net->fx->committer, &fill, net, 0), 0);
    }
}

/* There are so many of them that some sign-outs are committed, and are in the state, before all are
 * planned: each machine is told nevertheless that its groups have ended. */
static void one_who_is_deleted_on_many_machines(void **state)
{
    enum { MACHINES = 4 };
    struct net *net = *state;
    struct machine machines[MACHINES];
    uint64_t group = 0;
    net->fx->clock.wall_ms = hurried_wall_ms;
    for (uint8_t i = 0; i < MACHINES; i++) {
        fx_join(net->fx, &machines[i], i + 1);
        uint64_t session = net_hello(net, i + 1, &machines[i]);
        uint64_t ann = net_sign_in(net, i + 1, &machines[i], session, "Ann", "Staff");
        group = wire_owner_at(&net->message.signed_in.bags, 1).bag_id;
        net_follow(net, i + 1, &machines[i], session, ann, ann);
        net_follow(net, i + 1, &machines[i], session, group, group);
    }
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:bob", "p", "v").code, 0);
    struct submit gone = {.kind = SUBMIT_DELETE, .actor = "test"};
    assert_int_equal(owner_parse(&gone.owner, "user:ann", NULL), 0);
    assert_int_equal(committer_submit(net->fx->committer, &gone, net, 0), 0);
    committer_commit(net->fx->committer);
    leave_room_for(net, 2);
    fx_forget(net->fx);
    hurried = net;
    net_run(net);
    hurried = NULL;
    for (uint8_t i = 1; i <= MACHINES; i++) {
        assert_true(net->cut[i]);
    }
}

static void put_big(struct net *net, const char *path)
{
    static char big[100001];
    memset(big, 'x', sizeof big - 1);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", path, big).code, 0);
}

/* A machine that withheld its credit gets nothing for it when the right has ended meanwhile. */
static void signing_out_ends_pages_as_well(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", NULL);
    put_big(net, "a");
    put_big(net, "b");
    put_big(net, "c");
    put_big(net, "d");
    net_follow(net, 1, &a, on_a, bag, 0); /* more than its window takes */
    struct buf frame = net_buf();
    wire_put_sign_out(&frame, on_a, 8, bag);
    net_frame(net, 1, a.key, &frame);
    net_run(net);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "e", "secret").code, 0);
    size_t before = net->sent_count;
    uint64_t received = 0;
    for (size_t i = 0; i < 8; i++) {
        received = 0;
        for (size_t s = 0; s < net->sent_count; s++) {
            uint64_t type = net->sent[s].bytes[1];
            received += type == WIRE_PART || type == WIRE_PAGE ? net->sent[s].size : 0;
        }
        frame = net_buf();
        wire_put_credit(&frame, on_a, received);
        net_frame(net, 1, a.key, &frame);
        net_run(net);
    }
    for (size_t i = before; i < net->sent_count; i++) {
        assert_null(memmem(net->sent[i].bytes, net->sent[i].size, "secret", 6));
    }
}

static void whoever_is_deleted_is_signed_out(void **state)
{
    struct net *net = *state;
    struct machine a;
    struct machine b;
    fx_join(net->fx, &a, 1);
    fx_join(net->fx, &b, 2);
    uint64_t on_a = net_hello(net, 1, &a);
    uint64_t bag = net_sign_in(net, 1, &a, on_a, "Ann", NULL);
    net_follow(net, 1, &a, on_a, bag, 0);
    uint64_t on_b = net_hello(net, 2, &b);
    assert_int_equal(net_sign_in(net, 2, &b, on_b, "Ann", NULL), bag); /* and does not follow */
    struct buf frame = net_buf();
    wire_put_bye(&frame, on_b);
    net_frame(net, 2, b.key, &frame);
    char path[ACCESS_PATH_MAX];
    struct span item = access_user_path(path, bag);
    path[item.size] = '\0';
    assert_string_equal(fx_value(net->fx, a.bag, path), "Ann");
    assert_int_equal(fx_submit(net->fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    net_run(net);
    assert_string_equal(fx_value(net->fx, a.bag, path), "");
    assert_string_equal(fx_value(net->fx, b.bag, path), "Ann");
    (void)net_hello(net, 3, &b);
    net_run(net);
    assert_string_equal(fx_value(net->fx, b.bag, path), "");
}

static uint64_t follow_page(struct net *net, uint8_t peer, const struct machine *machine,
                            uint64_t session, uint64_t bag_id)
{
    net_follow(net, peer, machine, session, bag_id, 0);
    uint64_t cursor = net_expect(net, peer, WIRE_PAGE)->page.cursor;
    assert_int_equal(net_complete(net, peer, bag_id), cursor);
    return cursor;
}

/* What a machine may keep is narrowed: its session ends, and it is refused what it may not. */
static void what_may_be_kept_is_taken_back(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    uint64_t ann = fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", "v").bag_id;
    uint64_t staff = fx_submit(net->fx, SUBMIT_WRITE, "group:staff", "p", "v").bag_id;
    static const char *const rights[] = {",\"keep\":\"everybody\"", ",\"keep\":\"groups\"", ""};
    for (uint8_t i = 0; i < 3; i++) {
        net_record(net, &a, "active", rights[i]);
        uint8_t peer = (uint8_t)(i + 1);
        if (i > 0) {
            net_expect_error(net, i, E_SUPERSEDED);
        }
        size_t before = net->sent_count;
        assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", "secret").code, 0);
        assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "group:staff", "p", "secret").code, 0);
        assert_int_equal(net->sent_count, before);
        uint64_t session = net_hello(net, peer, &a);
        if (i == 0) {
            (void)follow_page(net, peer, &a, session, ann);
        } else {
            net_follow(net, peer, &a, session, ann, 0);
            assert_int_equal(net_expect(net, peer, WIRE_BAG)->bag.code, -E_NOT_ALLOWED);
        }
        if (i < 2) {
            (void)follow_page(net, peer, &a, session, staff);
        } else {
            net_follow(net, peer, &a, session, staff, 0);
            assert_int_equal(net_expect(net, peer, WIRE_BAG)->bag.code, -E_NOT_ALLOWED);
        }
    }
    /* any other change of its record leaves it alone */
    net_record(net, &a, "active", ",\"serial\":\"S-2\"");
    assert_false(net->cut[3]);
}

/* Rights by people come and go; those by `keep` stay. */
static void what_is_kept_does_not_hang_on_people(void **state)
{
    struct net *net = *state;
    struct machine a;
    fx_join(net->fx, &a, 1);
    net_record(net, &a, "active", ",\"keep\":\"everybody\"");
    uint64_t session = net_hello(net, 1, &a);
    uint64_t ann = net_sign_in(net, 1, &a, session, "Ann", "Staff");
    uint64_t group = wire_owner_at(&net->message.signed_in.bags, 1).bag_id;
    (void)follow_page(net, 1, &a, session, ann);
    net_follow(net, 1, &a, session, group, group);
    (void)net_complete(net, 1, group);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "@group/staff", NULL).code, 0);
    (void)net_expect(net, 1, WIRE_LIVE);
    struct buf frame = net_buf();
    wire_put_sign_out(&frame, session, 8, ann);
    net_frame(net, 1, a.key, &frame);
    net_run(net);
    (void)net_expect(net, 1, WIRE_SIGNED_OUT);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0);
    (void)net_expect(net, 1, WIRE_LIVE);
    assert_int_equal(fx_submit(net->fx, SUBMIT_WRITE, "group:staff", "p", "v").code, 0);
    (void)net_expect(net, 1, WIRE_LIVE);
    /* who is deleted is no longer signed in there either */
    ann = net_sign_in(net, 1, &a, session, "Ann", NULL);
    char path[ACCESS_PATH_MAX];
    struct span item = access_user_path(path, ann);
    path[item.size] = '\0';
    assert_string_equal(fx_value(net->fx, a.bag, path), "Ann");
    assert_int_equal(fx_submit(net->fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    net_run(net);
    assert_string_equal(fx_value(net->fx, a.bag, path), "");
    assert_false(net->cut[1]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_removed_machine_is_cut_before_the_answer),
        TEST(signing_out_ends_the_changes),
        TEST(leaving_a_group_ends_its_changes),
        TEST(leaving_a_group_ends_it_for_who_follows_the_group_alone),
        TEST(who_is_deleted_takes_their_groups_along),
        TEST(many_who_are_deleted_take_their_groups_along),
        cmocka_unit_test_setup_teardown(while_nobody_follows_a_group_kv_is_not_waited_for,
                                        gated_setup, net_teardown),
        TEST(one_who_is_deleted_on_many_machines),
        TEST(signing_out_ends_pages_as_well),
        TEST(whoever_is_deleted_is_signed_out),
        TEST(what_may_be_kept_is_taken_back),
        TEST(what_is_kept_does_not_hang_on_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
