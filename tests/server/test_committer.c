/* The write path: exactly once, conditions, all or none. */
#include "tests/server/fixture.h"

static void begins_a_history(void **state)
{
    struct fixture *fx = *state;
    struct journal_position head;
    journal_head(fx->journal, &head);
    assert_int_equal(head.seq, 3);
    assert_int_equal(committer_server_bag(fx->committer), 2);
    assert_int_equal(committer_fleet_bag(fx->committer), 3);
    struct kv_position position;
    kv_position(fx->kv, &position);
    assert_int_equal(position.seq, 3);
    assert_memory_equal(position.hash, head.hash, SHA256_SIZE);
    fx_close(fx, true);
    fx_open(fx);
    journal_head(fx->journal, &head);
    assert_int_equal(head.seq, 3);
}

static void writes_and_answers(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    fx_forget(fx);
    const struct reply *reply = fx_write(fx, &a, 1, bag, "copy/default", "duplex");
    assert_int_equal(reply->code, 0);
    assert_int_equal(reply->number, 1);
    assert_int_equal(reply->session, a.session);
    assert_string_equal(fx_value(fx, bag, "copy/default"), "duplex");
    assert_int_equal(fx->change_count, 1);
    assert_int_equal(fx->changes[0].change.seq, reply->seq);
    assert_int_equal(fx->changes[0].change.origin, a.device);
    assert_string_equal(fx->changes[0].path, "copy/default");
    assert_memory_equal(fx->order, "rc", 2);
}

static void nothing_is_told_before_the_commit(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    fx_forget(fx);
    struct item item = {"p", "v", -1};
    fx_write_items(fx, &a, 1, bag, 0, 0, &item, 1);
    committer_deliver(fx->committer);
    assert_int_equal(fx->reply_count, 0);
    assert_string_equal(fx_value(fx, bag, "p"), "");
    committer_commit(fx->committer);
    assert_int_equal(fx->reply_count, 0);
    committer_deliver(fx->committer);
    assert_int_equal(fx->reply_count, 1);
}

static void a_repeat_gets_the_same_outcome(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    uint64_t seq = fx_write(fx, &a, 1, bag, "p", "v")->seq;
    assert_int_equal(fx_write(fx, &a, 2, bag, "p", "w")->code, 0);
    fx_forget(fx);
    const struct reply *reply = fx_write(fx, &a, 1, bag, "p", "v");
    assert_int_equal(reply->code, 0);
    assert_int_equal(reply->seq, seq);
    assert_int_equal(fx->change_count, 0);
    assert_string_equal(fx_value(fx, bag, "p"), "w");
    /* also in the batch that takes it up */
    struct item item = {"q", "x", -1};
    fx_write_items(fx, &a, 3, bag, 0, 0, &item, 1);
    fx_write_items(fx, &a, 3, bag, 0, 0, &item, 1);
    fx_run(fx);
    assert_int_equal(fx->reply_count, 3);
    assert_int_equal(fx->replies[1].reply.code, 0);
    assert_int_equal(fx->replies[2].reply.code, 0);
    assert_int_equal(fx->replies[1].reply.seq, fx->replies[2].reply.seq);
    assert_int_equal(fx->change_count, 1);
    /* and after a restart */
    fx_close(fx, false);
    fx_open(fx);
    reply = fx_write(fx, &a, 1, bag, "p", "v");
    assert_int_equal(reply->code, 0);
    assert_int_equal(reply->seq, seq);
}

static void other_content_under_a_used_number_is_another_disk(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    assert_int_equal(fx_write(fx, &a, 1, bag, "p", "v")->code, 0);
    assert_int_equal(fx_write(fx, &a, 1, bag, "p", "other")->code, E_WRITER);
    assert_string_equal(fx_value(fx, bag, "p"), "v");
}

static void gaps_wait_and_unknown_writers_start_over(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    assert_int_equal(fx_write(fx, &a, 2, bag, "p", "v")->code, E_WRITER);
    assert_int_equal(fx_write(fx, &a, 1, bag, "p", "v")->code, 0);
    assert_int_equal(fx_write(fx, &a, 3, bag, "p", "w")->code, E_DEFERRED);
    assert_int_equal(fx_write(fx, &a, 2, bag, "p", "x")->code, 0);
    assert_int_equal(fx_write(fx, &a, 3, bag, "p", "w")->code, 0);
    a.writer = 0;
    assert_int_equal(fx_write(fx, &a, 1, bag, "p", "v")->code, E_WRITER);
}

/* A server that was put back waits for nothing that it once had. */
static void a_machine_that_knows_later_outcomes_takes_new_numbers(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    assert_int_equal(fx_write(fx, &a, 1, bag, "p", "v")->code, 0);
    a.confirmed = 3; /* 2 and 3 were answered by a server whose disk is lost */
    assert_int_equal(fx_write(fx, &a, 4, bag, "p", "w")->code, E_WRITER);
    assert_int_equal(fx_write(fx, &a, 2, bag, "p", "w")->code, E_WRITER);
    a.confirmed = 1;
    assert_int_equal(fx_write(fx, &a, 2, bag, "p", "w")->code, 0);
}

static void a_writer_belongs_to_one_device(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    struct machine b;
    fx_join(fx, &a, 1);
    fx_join(fx, &b, 2);
    uint64_t bag = fx_user(fx, &a, "Ann");
    assert_int_equal(fx_user(fx, &b, "ann"), bag);
    assert_int_equal(fx_write(fx, &a, 1, bag, "p", "v")->code, 0);
    b.writer = a.writer;
    assert_int_equal(fx_write(fx, &b, 2, bag, "p", "w")->code, E_WRITER);
    assert_int_equal(fx_write(fx, &b, 1, bag, "p", "v")->code, E_WRITER);
    assert_string_equal(fx_value(fx, bag, "p"), "v");
}

static void confirmed_outcomes_are_forgotten(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    assert_int_equal(fx_write(fx, &a, 1, bag, "p", "v")->code, 0);
    a.confirmed = 1;
    assert_int_equal(fx_write(fx, &a, 2, bag, "p", "w")->code, 0);
    assert_int_equal(fx_write(fx, &a, 1, bag, "p", "v")->code, E_WRITER);
    a.confirmed = 3;
    assert_int_equal(fx_write(fx, &a, 3, bag, "p", "x")->code, E_WRITER);
}

static void too_many_unconfirmed_wait(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    struct item item = {"p", "v", -1};
    for (uint64_t n = 1; n <= OPERATIONS_UNCONFIRMED_MAX; n++) {
        fx_write_items(fx, &a, n, bag, 0, 0, &item, 1);
    }
    fx_run(fx);
    fx_forget(fx);
    uint64_t next = OPERATIONS_UNCONFIRMED_MAX + 1;
    assert_int_equal(fx_write(fx, &a, next, bag, "p", "v")->code, E_BUSY);
    assert_int_equal(fx->change_count, 0);
    a.confirmed = 1;
    assert_int_equal(fx_write(fx, &a, next, bag, "p", "v")->code, 0);
}

static void conditions_see_the_batch(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    fx_forget(fx);
    struct item absent = {"p", "one", 0};
    struct item again = {"p", "two", 0};
    fx_write_items(fx, &a, 1, bag, 0, 0, &absent, 1);
    fx_write_items(fx, &a, 2, bag, 0, 0, &again, 1);
    fx_run(fx);
    assert_int_equal(fx->replies[0].reply.code, 0);
    assert_int_equal(fx->replies[1].reply.code, E_CONDITION);
    assert_non_null(strstr(fx->replies[1].text, "'p' is at version"));
    assert_string_equal(fx_value(fx, bag, "p"), "one");
    /* a refusal is an outcome as well */
    assert_int_equal(fx->replies[1].reply.seq, fx->replies[0].reply.seq + 1);
    fx_write_items(fx, &a, 2, bag, 0, 0, &again, 1);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_CONDITION);
    struct item right = {"p", "three", (int64_t)fx->replies[0].reply.seq};
    fx_write_items(fx, &a, 3, bag, 0, 0, &right, 1);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    struct item removed = {"p", NULL, -1};
    fx_write_items(fx, &a, 4, bag, 0, 0, &removed, 1);
    fx_write_items(fx, &a, 5, bag, 0, 0, &absent, 1);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
}

static void a_set_is_done_whole_or_not_at_all(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    fx_forget(fx);
    struct item bad[] = {{"a", "1", -1}, {"b", "1", -1}, {"c/../d", "1", -1}};
    fx_write_items(fx, &a, 1, bag, 0, 0, bad, 3);
    struct item good[] = {{"a", "2", -1}, {"a", "3", -1}, {"b", NULL, -1}};
    fx_write_items(fx, &a, 2, bag, 0, 0, good, 3);
    fx_run(fx);
    assert_int_equal(fx->replies[0].reply.code, E_PATH);
    assert_int_equal(fx->replies[1].reply.code, 0);
    assert_int_equal(fx->change_count, 4);
    assert_int_equal(fx->changes[0].change.kind, CHANGE_OP_VOID);
    assert_int_equal(fx->changes[1].change.set_left, 2);
    assert_int_equal(fx->changes[2].change.set_left, 1);
    assert_int_equal(fx->changes[2].change.prev, fx->changes[1].change.seq);
    assert_int_equal(fx->changes[2].change.old_seq, fx->changes[1].change.seq);
    assert_int_equal(fx->changes[3].change.kind, CHANGE_ITEM_REMOVE);
    assert_string_equal(fx_value(fx, bag, "a"), "3");
    struct bag_row row;
    assert_int_equal(kv_bag(fx->kv, NULL, bag, &row, NULL), 0);
    assert_int_equal(row.items, 1);
}

static void overwriting_what_was_not_seen_is_a_conflict(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    struct machine b;
    fx_join(fx, &a, 1);
    fx_join(fx, &b, 2);
    uint64_t bag = fx_user(fx, &a, "Ann");
    (void)fx_user(fx, &b, "Ann");
    uint64_t seq = fx_write(fx, &a, 1, bag, "p", "a")->seq;
    fx_forget(fx);
    struct item item = {"p", "b", -1};
    fx_write_items(fx, &b, 1, bag, 0, seq - 1, &item, 1);    /* not seen */
    fx_write_items(fx, &b, 2, bag, 0, seq - 1, &item, 1);    /* its own */
    fx_write_items(fx, &a, 2, bag, 0, UINT64_MAX, &item, 1); /* seen */
    fx_run(fx);
    assert_true(fx->changes[0].change.conflict);
    assert_false(fx->changes[1].change.conflict);
    assert_false(fx->changes[2].change.conflict);
    struct item named = {"p", "c", (int64_t)fx->changes[2].change.seq};
    fx_write_items(fx, &b, 3, bag, 0, 0, &named, 1); /* named by the condition */
    fx_run(fx);
    assert_false(fx->changes[3].change.conflict);
}

static void rights(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    struct machine b;
    fx_join(fx, &a, 1);
    fx_join(fx, &b, 2);
    uint64_t ann = fx_user(fx, &a, "Ann");
    assert_int_equal(fx_write(fx, &b, 1, ann, "p", "v")->code, E_NOT_ALLOWED);
    assert_int_equal(fx_write(fx, &b, 2, 2, "p", "v")->code, E_NOT_ALLOWED); /* server */
    assert_int_equal(fx_write(fx, &b, 3, 3, "p", "v")->code, E_NOT_ALLOWED); /* fleet */
    assert_int_equal(fx_write(fx, &b, 4, a.bag, "p", "v")->code, E_NOT_ALLOWED);
    assert_int_equal(fx_write(fx, &b, 5, b.bag, "p", "v")->code, 0);
    assert_int_equal(fx_write(fx, &b, 6, b.bag, "@user/9", "v")->code, E_PATH);
    assert_int_equal(fx_write(fx, &b, 7, 99999, "p", "v")->code, E_BAG_GONE);
    struct sign_out out = {.session = 1, .device = a.device, .device_bag = a.bag, .bag_id = ann};
    assert_int_equal(fx_write(fx, &a, 1, ann, "p", "v")->code, 0);
    committer_sign_out(fx->committer, &out);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    assert_int_equal(fx_write(fx, &a, 2, ann, "p", "v")->code, E_NOT_ALLOWED);
}

static void a_deleted_bag_is_gone_for_late_writes(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t ann = fx_user(fx, &a, "Ann");
    assert_int_equal(fx_write(fx, &a, 1, ann, "p", "v")->code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    assert_int_equal(fx_write(fx, &a, 2, ann, "p", "w")->code, E_BAG_GONE);
    uint64_t again = fx_user(fx, &a, "Ann");
    assert_int_not_equal(again, ann);
    assert_string_equal(fx_value(fx, again, "p"), "");
    assert_int_equal(fx_write(fx, &a, 3, ann, "p", "w")->code, E_BAG_GONE);
    assert_int_equal(fx_write(fx, &a, 4, again, "p", "x")->code, 0);
}

static void a_machine_that_stood_alone_makes_bags(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    fx_create(fx, &a, 1, OWNER_USER, "Bob");
    struct item item = {"p", "v", -1};
    fx_write_items(fx, &a, 2, 0, 1, 0, &item, 1);
    fx_create(fx, &a, 3, OWNER_GROUP, "Staff");
    fx_write_items(fx, &a, 4, 0, 3, 0, &item, 1);
    fx_create(fx, &a, 5, OWNER_USER, "BOB");
    fx_write_items(fx, &a, 6, 0, 5, 0, &item, 1);
    fx_run(fx);
    assert_int_equal(fx->reply_count, 6);
    uint64_t bob = fx->replies[0].reply.seq;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fx->replies[i].reply.code, 0);
    }
    struct bag_row row;
    assert_int_equal(kv_bag(fx->kv, NULL, bob, &row, NULL), 0);
    assert_string_equal(row.owner.shown, "Bob");
    assert_string_equal(fx_value(fx, bob, "p"), "v");
    assert_string_equal(fx_value(fx, fx->replies[2].reply.seq, "p"), "v");
    assert_int_equal(fx->replies[4].reply.code, E_BAG_EXISTS);
    assert_int_equal(fx->replies[4].reply.seq, bob);
    assert_int_equal(fx->replies[5].reply.code, E_BAG_EXISTS);
    /* the repeat of a refused creation still names the bag */
    fx_create(fx, &a, 5, OWNER_USER, "BOB");
    fx_create(fx, &a, 1, OWNER_USER, "Bob");
    fx_run(fx);
    assert_int_equal(fx->replies[6].reply.code, E_BAG_EXISTS);
    assert_int_equal(fx->replies[6].reply.seq, bob);
    assert_int_equal(fx->replies[7].reply.code, 0);
    assert_int_equal(fx->replies[7].reply.seq, bob);
    /* it may write there by the bag's number, too */
    assert_int_equal(fx_write(fx, &a, 7, bob, "q", "v")->code, 0);
    assert_int_equal(fx_write(fx, &a, 8, fx->replies[2].reply.seq, "q", "v")->code, 0);
}

static void an_empty_operation_uses_its_number(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    struct buf bytes;
    buf_init(&bytes, 100);
    operation_put_empty(&bytes, 1);
    assert_int_equal(fx_operation(fx, &a, &bytes), 0);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_DROPPED);
    assert_int_equal(fx_write(fx, &a, 2, a.bag, "p", "v")->code, 0);
    buf_reset(&bytes);
    pack_array(&bytes, 1);
    pack_u64(&bytes, 3);
    assert_int_equal(fx_operation(fx, &a, &bytes), E_MALFORMED);
    buf_free(&bytes);
}

static void limits_of_a_bag(void **state)
{
    struct fixture *fx = *state;
    fx_close(fx, true);
    fx->limits.items_per_bag = 3; /* a user's bag begins without items */
    fx->limits.bytes_per_bag = 20;
    fx->limits.users = 1;
    fx_open(fx);
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t ann = fx_user(fx, &a, "Ann");
    assert_int_equal(fx_sign_in(fx, &a, "Bob", NULL)->reply.code, E_QUOTA);
    struct item three[] = {{"a", "", -1}, {"b", "", -1}, {"c", "", -1}, {"d", "", -1}};
    fx_write_items(fx, &a, 1, ann, 0, 0, three, 3);
    fx_write_items(fx, &a, 2, ann, 0, 0, three, 4);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_QUOTA);
    assert_int_equal(fx_write(fx, &a, 3, ann, "a", "12345678901234567")->code, 0); /* 20 bytes */
    assert_int_equal(fx_write(fx, &a, 4, ann, "a", "123456789012345678")->code, E_QUOTA);
    assert_int_equal(fx_write(fx, &a, 5, ann, "b", NULL)->code, 0);
    assert_int_equal(fx_write(fx, &a, 6, ann, "d", "")->code, 0);
}

static void a_value_has_a_limit(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    char *large = calloc(1, VALUE_MAX_BYTES + 2);
    assert_non_null(large);
    memset(large, 'x', VALUE_MAX_BYTES + 1);
    assert_int_equal(fx_write(fx, &a, 1, a.bag, "p", large)->code, E_TOO_LARGE);
    assert_non_null(strstr(fx_last(fx)->text, "1048576"));
    large[VALUE_MAX_BYTES] = '\0';
    assert_int_equal(fx_write(fx, &a, 2, a.bag, "p", large)->code, 0);
    free(large);
}

/* Sets that together are more than a batch takes are committed one after the other. */
static void a_full_draft_is_committed_at_once(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    char *large = calloc(1, VALUE_MAX_BYTES + 1);
    assert_non_null(large);
    memset(large, 'x', VALUE_MAX_BYTES);
    struct item items[] = {{"a", large, -1}, {"b", large, -1}};
    for (uint64_t n = 1; n <= 5; n++) {
        fx_write_items(fx, &a, n, a.bag, 0, 0, items, 2);
    }
    fx_run(fx);
    assert_int_equal(fx->reply_count, 5);
    assert_int_equal(fx->replies[0].reply.code, 0);
    /* the second carries two new and two old values: 4 MiB do not fit a batch */
    assert_int_equal(fx->replies[1].reply.code, E_TOO_LARGE);
    struct item one = {"a", "small", -1};
    fx_write_items(fx, &a, 6, a.bag, 0, 0, &one, 1);
    struct item other[] = {{"c", large, -1}, {"d", large, -1}};
    fx_write_items(fx, &a, 7, a.bag, 0, 0, other, 2);
    fx_write_items(fx, &a, 8, a.bag, 0, 0, &one, 1);
    fx_run(fx);
    assert_int_equal(fx->reply_count, 8);
    assert_int_equal(fx->replies[5].reply.code, 0);
    assert_int_equal(fx->replies[6].reply.code, 0);
    assert_int_equal(fx->replies[7].reply.code, 0);
    assert_string_equal(fx_value(fx, a.bag, "a"), "small");
    free(large);
}

static void time_in_the_journal_never_goes_back(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    (void)fx_write(fx, &a, 1, a.bag, "p", "v");
    fx->time.wall_ms -= 3600000;
    (void)fx_write(fx, &a, 2, a.bag, "p", "w");
    assert_int_equal(fx->changes[1].change.time_ms, fx->changes[0].change.time_ms);
    fx_close(fx, true);
    fx_open(fx);
    (void)fx_write(fx, &a, 3, a.bag, "p", "x");
    assert_int_equal(fx->changes[2].change.time_ms, fx->changes[0].change.time_ms);
    fx->time.wall_ms += 7200000;
    (void)fx_write(fx, &a, 4, a.bag, "p", "x");
    assert_int_equal(fx->changes[3].change.time_ms, fx->time.wall_ms);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(begins_a_history),
        TEST(writes_and_answers),
        TEST(nothing_is_told_before_the_commit),
        TEST(a_repeat_gets_the_same_outcome),
        TEST(other_content_under_a_used_number_is_another_disk),
        TEST(gaps_wait_and_unknown_writers_start_over),
        TEST(a_machine_that_knows_later_outcomes_takes_new_numbers),
        TEST(a_writer_belongs_to_one_device),
        TEST(confirmed_outcomes_are_forgotten),
        TEST(too_many_unconfirmed_wait),
        TEST(conditions_see_the_batch),
        TEST(a_set_is_done_whole_or_not_at_all),
        TEST(overwriting_what_was_not_seen_is_a_conflict),
        TEST(rights),
        TEST(a_deleted_bag_is_gone_for_late_writes),
        TEST(a_machine_that_stood_alone_makes_bags),
        TEST(an_empty_operation_uses_its_number),
        TEST(limits_of_a_bag),
        TEST(a_value_has_a_limit),
        TEST(a_full_draft_is_committed_at_once),
        TEST(time_in_the_journal_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
