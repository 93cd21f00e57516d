/* tests/transport/test_follow_bags.c - bags that are kept: FOLLOW, live changes, pages, cursors. */
#include "tests/transport/follow_rig.h"

static void handed_on(const uint64_t *seqs, size_t count)
{
    const struct follow_action *action = rig_did(FOLLOW_DO_LIVE);
    assert_int_equal(action->live.changes.count, count);
    for (size_t i = 0; i < count; i++) {
        struct change change;
        const msgpack_object *object = wire_object_at(&action->live.changes, i);
        assert_int_equal(change_decode(object, CHANGE_STREAM, &change, NULL), 0);
        assert_int_equal(change.seq, seqs[i]);
    }
}

static void bag_told(uint64_t bag_id, int code, uint64_t last_seq)
{
    wire_put_bag(&rig.bytes, RIG_SESSION, bag_id, code, last_seq, "why", NULL);
    (void)rig_got();
}

/* --- FOLLOW --- */

static void all_bags_in_messages_of_a_thousand(void **state)
{
    static struct wire_bag bags[2 * WIRE_BAGS_MAX + 1];
    uint64_t next = 0;
    (void)state;
    for (size_t i = 0; i < 2 * WIRE_BAGS_MAX + 1; i++) {
        bags[i] = (struct wire_bag){.bag_id = i + 1, .cursor = i};
    }
    rig_open(bags, 2 * WIRE_BAGS_MAX + 1);
    assert_int_equal(rig.did.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct wire_message *message = rig_sent(i, WIRE_FOLLOW);
        assert_int_equal(message->follow.bags.count, i < 2 ? WIRE_BAGS_MAX : 1);
        for (size_t j = 0; j < message->follow.bags.count; j++) {
            assert_int_equal(wire_bag_at(&message->follow.bags, j).cursor, next);
            next++;
        }
    }
}

static void what_is_under_way_is_not_followed_again(void **state)
{
    struct wire_bag bags[] = {{4, 9}, {5, 0}};
    (void)state;
    rig_open(bags, 1);
    rig_bags(bags, 2);
    rig_followed(5, 0);
    bags[0].cursor = 0; /* it is to be fetched anew */
    rig_bags(bags, 2);
    rig_followed(4, 0);
}

static size_t told_digest(uint64_t bag_id, uint64_t last_seq, uint64_t low)
{
    struct digest digest = {.low = low};
    wire_put_bag(&rig.bytes, RIG_SESSION, bag_id, 0, last_seq, "", &digest);
    return rig_got();
}

/* Followed once more at its cursor: to be compared. Live changes go on meanwhile. */
static void what_is_complete_is_compared_again(void **state)
{
    struct wire_bag bag = {4, 9};
    struct wire_heartbeat beat = {.seq = 50, .current = 50};
    (void)state;
    (void)rig_open_live(4, 9);
    assert_false(rig_did(FOLLOW_DO_BAG)->bag.has_digest);
    wire_put_heartbeat(&rig.bytes, RIG_SESSION, &beat);
    (void)rig_got();
    rig_bags(&bag, 1);
    rig_followed(4, 9);
    assert_int_equal(follow_current_seq(rig.follow), 50); /* that stays true */
    rig_bags(&bag, 1);
    rig_did_nothing();
    (void)rig_live_one(4, 10, 9);
    assert_int_equal(rig_count(FOLLOW_DO_LIVE), 1);
    rig_applied(0, 0, 0);
    (void)told_digest(4, 9, 5); /* of what it was before */
    assert_int_equal(rig_count(FOLLOW_DO_BAG), 0);
    (void)told_digest(4, 10, 6);
    assert_true(rig_did(FOLLOW_DO_BAG)->bag.has_digest);
    assert_int_equal(rig_did(FOLLOW_DO_BAG)->bag.digest.low, 6);
}

/* --- the fleet's bag first --- */

static void others_wait_for_the_fleet(void **state)
{
    struct wire_bag bags[] = {{4, 9}, {RIG_FLEET, 7}, {5, 0}};
    (void)state;
    rig_open(bags, 3);
    rig_followed(RIG_FLEET, 7);
    struct wire_bag more = {6, 1};
    rig_bags(&more, 1);
    rig_did_nothing();
    (void)rig_page(RIG_FLEET, WIRE_PAGE_FIRST, 7, 8);
    rig_applied(0, 0, 0);
    assert_int_equal(rig_count(FOLLOW_DO_SEND), 0);
    (void)rig_page(RIG_FLEET, WIRE_PAGE_LAST, 7, 8);
    rig_applied(0, 0, 0);
    assert_int_equal(rig_sent(0, WIRE_FOLLOW)->follow.bags.count, 3);
    rig_bags(&bags[1], 1); /* at its old cursor: fetched anew, and nobody waits for it */
    struct wire_bag one = {8, 1};
    rig_bags(&one, 1);
    rig_followed(8, 1);
}

static void a_fleet_that_is_complete_lets_others_go(void **state)
{
    struct wire_bag bags[] = {{4, 9}, {RIG_FLEET, 7}};
    (void)state;
    rig_open(bags, 2);
    (void)told_digest(RIG_FLEET, 7, 1);
    assert_int_equal(rig_sent(0, WIRE_FOLLOW)->follow.bags.count, 1);
    assert_int_equal(wire_bag_at(&rig.message.follow.bags, 0).bag_id, 4);
}

static void a_fleet_that_is_not_there_holds_up_nobody(void **state)
{
    struct wire_bag bags[] = {{4, 9}, {RIG_FLEET, 7}};
    (void)state;
    rig_open(bags, 1);
    rig_followed(4, 9);
    rig_bags(bags, 2);
    rig_followed(RIG_FLEET, 7);
    struct wire_bag more = {6, 1};
    rig_bags(&more, 1);
    rig_did_nothing();
    bag_told(RIG_FLEET, E_NOT_ALLOWED, 0);
    assert_int_equal(rig_sent(0, WIRE_FOLLOW)->follow.bags.count, 1);
}

static void forgotten_while_it_waits(void **state)
{
    struct wire_bag bags[] = {{4, 9}, {RIG_FLEET, 7}, {5, 3}};
    struct follow_event event = {.kind = FOLLOW_FORGET};
    (void)state;
    rig_open(bags, 3);
    event.forget.bag_id = 4;
    rig_step(event);
    (void)told_digest(RIG_FLEET, 7, 1);
    assert_int_equal(rig_sent(0, WIRE_FOLLOW)->follow.bags.count, 1);
    assert_int_equal(wire_bag_at(&rig.message.follow.bags, 0).bag_id, 5);
}

static void bags_without_a_session(void **state)
{
    struct wire_bag bag = {4, 9};
    (void)state;
    rig_bags(&bag, 1);
    rig_did_nothing();
}

static void forgetting(void **state)
{
    struct wire_bag bag = {4, 9};
    struct follow_event event = {.kind = FOLLOW_FORGET};
    (void)state;
    event.forget.bag_id = 4;
    rig_step(event);
    rig_did_nothing();
    rig_open(&bag, 1);
    rig_step(event);
    assert_int_equal(wire_id_at(&rig_sent(0, WIRE_UNFOLLOW)->unfollow.bags, 0), 4);
    bag_told(4, 0, 9); /* was on its way */
    rig_did_nothing();
    (void)rig_live_one(4, 10, 9);
    rig_did_nothing();
    (void)rig_page(4, WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 9, 12);
    rig_did_nothing();
    rig_bags(&bag, 1);
    rig_followed(4, 9);
}

/* --- BAG --- */

static void complete(void **state)
{
    struct wire_bag bag = {4, 9};
    (void)state;
    rig_open(&bag, 1);
    bag_told(4, 0, 9);
    assert_int_equal(rig_did(FOLLOW_DO_BAG)->bag.bag_id, 4);
    assert_int_equal(rig_did(FOLLOW_DO_BAG)->bag.code, 0);
    assert_int_equal(rig_did(FOLLOW_DO_BAG)->bag.last_seq, 9);
}

static void complete_at_another_cursor_is_an_old_answer(void **state)
{
    struct wire_bag bag = {4, 9};
    (void)state;
    rig_open(&bag, 1);
    bag_told(4, 0, 8);
    rig_did_nothing();
}

static void gone_or_not_allowed(void **state)
{
    static const int codes[] = {E_BAG_GONE, E_NOT_ALLOWED};
    struct wire_bag bags[] = {{4, 9}, {5, 9}};
    (void)state;
    rig_open(bags, 2);
    for (size_t i = 0; i < 2; i++) {
        bag_told(4 + i, codes[i], 9);
        assert_int_equal(rig_did(FOLLOW_DO_BAG)->bag.code, codes[i]);
        assert_string_equal(rig_did(FOLLOW_DO_BAG)->bag.text, "why");
        (void)rig_live_one(4 + i, 10, 9);
        rig_did_nothing();
    }
}

/* --- live --- */

static void what_fits_is_handed_on(void **state)
{
    static const struct rig_change message[] = {{4, 11, 9, 5, false}, {4, 13, 11, 5, false}};
    static const uint64_t seqs[] = {11, 13};
    (void)state;
    (void)rig_open_live(4, 9);
    (void)rig_live(message, 2);
    assert_int_equal(rig.did.count, 1);
    handed_on(seqs, 2);
    assert_int_equal(rig_did(FOLLOW_DO_LIVE)->live.position.seq, 13);
    assert_int_equal(follow_head_seq(rig.follow), 50); /* never goes back */
    rig_applied(0, 0, 0);
    rig_did_nothing();
    (void)rig_live_one(4, 60, 13);
    assert_int_equal(rig_count(FOLLOW_DO_LIVE), 1);
    assert_int_equal(follow_head_seq(rig.follow), 60);
    rig_applied(0, 0, 0);
    rig_tick(RIG_HEARTBEAT_MS);
    assert_int_equal(rig_sent(1, WIRE_HEARTBEAT)->heartbeat.seq, 60);
}

static void old_and_strange_changes_are_left_out(void **state)
{
    static const struct rig_change message[] = {
        {4, 8, 7, 5, false}, {4, 9, 8, 5, false}, {2, 10, 3, 5, false}, {4, 11, 9, 5, false}};
    static const uint64_t seqs[] = {11};
    (void)state;
    (void)rig_open_live(4, 9);
    (void)rig_live(message, 4);
    handed_on(seqs, 1);
    rig_applied(0, 0, 0);
    (void)rig_live(message, 3); /* nothing is left */
    rig_did_nothing();
}

/* The whole bag is left out, the others are handed on, and FOLLOW is sent once. */
static void a_gap(void **state)
{
    static const struct rig_change message[] = {
        {4, 11, 9, 5, false}, {5, 12, 9, 5, false}, {4, 14, 13, 5, false}, {4, 15, 14, 5, false}};
    static const uint64_t seqs[] = {12};
    struct wire_bag bags[] = {{4, 9}, {5, 9}};
    (void)state;
    rig_open(bags, 2);
    bag_told(4, 0, 9);
    bag_told(5, 0, 9);
    (void)rig_live(message, 4);
    assert_int_equal(wire_bag_at(&rig_sent(0, WIRE_FOLLOW)->follow.bags, 0).bag_id, 4);
    assert_int_equal(wire_bag_at(&rig.message.follow.bags, 0).cursor, 9);
    assert_int_equal(rig.message.follow.bags.count, 1);
    handed_on(seqs, 1);
    rig_applied(0, 0, 0);
    rig_did_nothing();
    (void)rig_live_one(4, 16, 15);
    rig_did_nothing(); /* FOLLOW is on its way */
    (void)rig_page(4, WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 9, 16);
    rig_applied(0, 0, 0);
    (void)rig_live_one(4, 17, 16);
    assert_int_equal(rig_count(FOLLOW_DO_LIVE), 1);
}

static void a_gap_alone(void **state)
{
    (void)state;
    (void)rig_open_live(4, 9);
    (void)rig_live_one(4, 12, 11);
    rig_followed(4, 9);
}

static void a_deletion(void **state)
{
    static const struct rig_change message[] = {
        {4, 11, 9, 5, false}, {4, 12, 11, 0, true}, {5, 13, 9, 5, false}};
    static const uint64_t seqs[] = {11, 12, 13};
    struct wire_bag bags[] = {{4, 9}, {5, 9}};
    (void)state;
    rig_open(bags, 2);
    (void)rig_live(message, 3);
    handed_on(seqs, 3);
    rig_applied(0, 0, 0);
    (void)rig_live_one(4, 14, 12);
    rig_did_nothing();
    (void)rig_live_one(5, 14, 13);
    assert_int_equal(rig_count(FOLLOW_DO_LIVE), 1);
}

/* The last bag of all: the table is empty afterwards. */
static void a_deletion_of_the_only_bag(void **state)
{
    static const struct rig_change message[] = {{4, 11, 9, 5, false}, {4, 12, 11, 0, true}};
    struct wire_bag bag = {4, 9};
    (void)state;
    rig_open(&bag, 1);
    (void)rig_live(message, 2);
    rig_applied(0, 0, 0);
    rig_did_nothing();
    bag = (struct wire_bag){20, 0};
    rig_bags(&bag, 1);
    rig_followed(20, 0);
}

/* Nothing of the message was applied: all its bags are fetched, the damaged one from its cursor. */
static void a_damaged_bag(void **state)
{
    static const struct rig_change message[] = {
        {4, 11, 9, 5, false}, {5, 12, 9, 5, false}, {4, 13, 11, 5, false}};
    struct wire_bag bags[] = {{4, 9}, {5, 9}};
    (void)state;
    rig_open(bags, 2);
    (void)rig_live(message, 3);
    rig_applied(E_CORRUPT, 5, 2);
    const struct wire_message *sent = rig_sent(0, WIRE_FOLLOW);
    assert_int_equal(sent->follow.bags.count, 2);
    assert_int_equal(wire_bag_at(&sent->follow.bags, 0).bag_id, 4);
    assert_int_equal(wire_bag_at(&sent->follow.bags, 0).cursor, 9);
    assert_int_equal(wire_bag_at(&sent->follow.bags, 1).bag_id, 5);
    assert_int_equal(wire_bag_at(&sent->follow.bags, 1).cursor, 2);
    (void)rig_live_one(5, 14, 12);
    rig_did_nothing();
}

static void a_replica_that_fails(void **state)
{
    (void)state;
    (void)rig_open_live(4, 9);
    (void)rig_live_one(4, 11, 9);
    rig_applied(E_NOSPACE, 0, 0);
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.code, E_NOSPACE);
}

static void a_change_that_is_none(void **state)
{
    struct wire_position position = {.seq = 3};
    (void)state;
    (void)rig_open_live(4, 9);
    wire_begin_live(&rig.bytes, RIG_SESSION, &position, 1);
    pack_nil(&rig.bytes);
    (void)rig_got();
    assert_int_equal(rig_count(FOLLOW_DO_DISCONNECT), 1);
    assert_int_equal(rig_did(FOLLOW_DO_STATUS)->status.code, E_MALFORMED);
    assert_true(rig_did(FOLLOW_DO_STATUS)->status.text[0] != '\0');
}

/* --- pages --- */

static void page_is(uint64_t flags, uint64_t cursor)
{
    assert_int_equal(rig.did.count, 1);
    assert_int_equal(rig_did(FOLLOW_DO_PAGE)->page.flags, flags);
    assert_int_equal(rig_did(FOLLOW_DO_PAGE)->page.cursor, cursor);
    assert_int_equal(rig_did(FOLLOW_DO_PAGE)->page.rows.count, 1);
    rig_applied(0, 0, 0);
    rig_did_nothing();
}

static void pages_from_first_to_last(void **state)
{
    struct wire_bag bag = {4, 9};
    (void)state;
    rig_open(&bag, 1);
    (void)rig_page(4, WIRE_PAGE_FIRST, 9, 30);
    page_is(WIRE_PAGE_FIRST, 30);
    (void)rig_live_one(4, 10, 9);
    rig_did_nothing(); /* nothing live in between */
    (void)rig_page(4, 0, 9, 30);
    page_is(0, 30);
    (void)rig_page(4, WIRE_PAGE_LAST, 9, 31);
    page_is(WIRE_PAGE_LAST, 31);
    (void)rig_live_one(4, 32, 31);
    assert_int_equal(rig_count(FOLLOW_DO_LIVE), 1);
}

static void a_rest_of_other_pages(void **state)
{
    struct wire_bag bag = {4, 9};
    (void)state;
    rig_open(&bag, 1);
    (void)rig_page(4, 0, 9, 30);
    rig_did_nothing();
    (void)rig_page(4, WIRE_PAGE_LAST, 9, 30);
    rig_did_nothing();
    (void)rig_page(4, WIRE_PAGE_FIRST | WIRE_PAGE_LAST | WIRE_PAGE_WHOLE, 0, 30);
    page_is(WIRE_PAGE_FIRST | WIRE_PAGE_LAST | WIRE_PAGE_WHOLE, 30);
}

/* They answer a FOLLOW that is replaced by another, or the session is lost between them; and the
 * bag is found up to date. It goes on live, and their rest, if it comes, is of nobody's. */
static void pages_that_nobody_ends(void **state)
{
    struct wire_bag bag = {4, 9};
    (void)state;
    (void)rig_open_live(4, 9);
    for (int lost = 0; lost <= 1; lost++, bag.cursor++) {
        (void)rig_page(4, WIRE_PAGE_FIRST, 5, bag.cursor);
        page_is(WIRE_PAGE_FIRST, bag.cursor);
        if (lost != 0) {
            rig_step((struct follow_event){.kind = FOLLOW_DOWN, .down = {.code = E_UNREACHABLE}});
            rig_greet();
            rig_welcome();
            rig_bags(&bag, 1);
        }
        bag_told(4, 0, bag.cursor);
        assert_int_equal(rig_did(FOLLOW_DO_BAG)->bag.code, 0);
        (void)rig_page(4, WIRE_PAGE_LAST, 5, bag.cursor);
        assert_int_equal(rig_count(FOLLOW_DO_PAGE), 0);
        (void)rig_live_one(4, bag.cursor + 1, bag.cursor);
        handed_on((const uint64_t[]){bag.cursor + 1}, 1);
        rig_applied(0, 0, 0);
    }
}

static void a_difference_from_what_is_not_here(void **state)
{
    (void)state;
    (void)rig_open_live(4, 9);
    (void)rig_page(4, WIRE_PAGE_FIRST, 10, 30);
    rig_followed(4, 9);
    (void)rig_page(4, WIRE_PAGE_LAST, 10, 30);
    rig_did_nothing(); /* its rest; and the FOLLOW is on its way */
    (void)rig_page(4, WIRE_PAGE_FIRST, 10, 30);
    rig_did_nothing();
    (void)rig_page(4, WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 8, 30); /* from further back is fine */
    page_is(WIRE_PAGE_FIRST | WIRE_PAGE_LAST, 30);
}

static void pages_never_lead_back(void **state)
{
    (void)state;
    (void)rig_open_live(4, 9);
    (void)rig_page(4, WIRE_PAGE_FIRST | WIRE_PAGE_LAST | WIRE_PAGE_WHOLE, 0, 8);
    rig_followed(4, 9); /* the server will say that it is diverged */
}

static void a_page_that_can_not_be_applied(void **state)
{
    struct wire_bag bag = {4, 9};
    (void)state;
    rig_open(&bag, 1);
    (void)rig_page(4, WIRE_PAGE_FIRST, 9, 30);
    rig_applied(E_CORRUPT, 4, 0);
    rig_followed(4, 0);
    (void)rig_page(4, WIRE_PAGE_LAST, 9, 30);
    rig_did_nothing();
    (void)rig_page(4, WIRE_PAGE_FIRST | WIRE_PAGE_LAST | WIRE_PAGE_WHOLE, 0, 31);
    page_is(WIRE_PAGE_FIRST | WIRE_PAGE_LAST | WIRE_PAGE_WHOLE, 31);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_bags_in_messages_of_a_thousand),
        TEST(what_is_under_way_is_not_followed_again),
        TEST(what_is_complete_is_compared_again),
        TEST(others_wait_for_the_fleet),
        TEST(a_fleet_that_is_complete_lets_others_go),
        TEST(a_fleet_that_is_not_there_holds_up_nobody),
        TEST(forgotten_while_it_waits),
        TEST(bags_without_a_session),
        TEST(forgetting),
        TEST(complete),
        TEST(complete_at_another_cursor_is_an_old_answer),
        TEST(gone_or_not_allowed),
        TEST(what_fits_is_handed_on),
        TEST(old_and_strange_changes_are_left_out),
        TEST(a_gap),
        TEST(a_gap_alone),
        TEST(a_deletion),
        TEST(a_deletion_of_the_only_bag),
        TEST(a_damaged_bag),
        TEST(a_replica_that_fails),
        TEST(a_change_that_is_none),
        TEST(pages_from_first_to_last),
        TEST(a_rest_of_other_pages),
        TEST(pages_that_nobody_ends),
        TEST(a_difference_from_what_is_not_here),
        TEST(pages_never_lead_back),
        TEST(a_page_that_can_not_be_applied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
