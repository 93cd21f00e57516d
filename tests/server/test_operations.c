/* Operations one by one: deferral keeps their order, odd ones are told apart. */
#include "tests/server/fixture.h"

static void deferred_ones_hold_back_those_behind(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    struct buf bytes;
    buf_init(&bytes, 100);
    struct operation_from from = {.session = 1,
                                  .device = a.device,
                                  .device_bag = a.bag,
                                  .writer = a.writer,
                                  .deferred_from = 1};
    for (uint64_t n = 2; n <= 3; n++) {
        buf_reset(&bytes);
        operation_put_empty(&bytes, n);
        assert_int_equal(unpack_open(&fx->unpacked, buf_span(&bytes), 100), 0);
        assert_int_equal(operation_number(&fx->unpacked.root), n);
        assert_int_equal(committer_operation(fx->committer, &from, &fx->unpacked.root, NULL), 0);
        assert_int_equal(from.deferred_from, 1);
    }
    fx_run(fx);
    /* a writer that nobody knows, and yet not "take a new one": number 1 is on its way */
    assert_int_equal(fx->replies[0].reply.code, E_DEFERRED);
    assert_int_equal(fx->replies[1].reply.code, E_DEFERRED);
    from.deferred_from = 0;
    buf_reset(&bytes);
    operation_put_empty(&bytes, 1);
    assert_int_equal(unpack_open(&fx->unpacked, buf_span(&bytes), 100), 0);
    assert_int_equal(committer_operation(fx->committer, &from, &fx->unpacked.root, NULL), 0);
    assert_int_equal(from.deferred_from, 0);
    buf_reset(&bytes);
    operation_put_empty(&bytes, 5); /* a gap: from here on nothing is taken */
    assert_int_equal(unpack_open(&fx->unpacked, buf_span(&bytes), 100), 0);
    assert_int_equal(committer_operation(fx->committer, &from, &fx->unpacked.root, NULL), 0);
    assert_int_equal(from.deferred_from, 5);
    fx_run(fx);
    assert_int_equal(fx->replies[2].reply.code, E_DROPPED);
    assert_int_equal(fx->replies[3].reply.code, E_DEFERRED);
    buf_free(&bytes);
}

static void what_is_no_operation_has_no_number(void **state)
{
    struct fixture *fx = *state;
    struct buf bytes;
    buf_init(&bytes, 100);
    pack_u64(&bytes, 5);
    assert_int_equal(unpack_open(&fx->unpacked, buf_span(&bytes), 100), 0);
    assert_int_equal(operation_number(&fx->unpacked.root), 0);
    buf_reset(&bytes);
    pack_array(&bytes, 0);
    assert_int_equal(unpack_open(&fx->unpacked, buf_span(&bytes), 100), 0);
    assert_int_equal(operation_number(&fx->unpacked.root), 0);
    buf_free(&bytes);
}

/* A name that does not fold is a refusal: the machine must not send it for ever. */
static void a_bad_name_is_refused_for_good(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    struct buf bytes;
    buf_init(&bytes, 1000);
    for (size_t i = 0; i < 2; i++) { /* and the repeat gets the same */
        buf_reset(&bytes);
        pack_array(&bytes, 4);
        pack_u64(&bytes, 1);
        pack_u64(&bytes, OPERATION_CREATE);
        pack_u64(&bytes, OWNER_USER);
        pack_cstr(&bytes, "a/b");
        assert_int_equal(fx_operation(fx, &a, &bytes), 0);
        fx_run(fx);
        assert_int_equal(fx_last(fx)->reply.code, E_NAME);
        assert_true(strlen(fx_last(fx)->text) > 0);
    }
    buf_free(&bytes);
    assert_int_equal(fx_write(fx, &a, 2, a.bag, "p", "v")->code, 0);
}

static void a_made_bag_whose_making_was_confirmed(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_create(fx, &a, 1, OWNER_USER, "Bob");
    fx_run(fx);
    uint64_t bob = fx_last(fx)->reply.seq;
    struct item item = {"p", "v", -1};
    a.confirmed = 1;
    fx_write_items(fx, &a, 2, 0, 1, 0, &item, 1); /* still known while this is judged */
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    fx_write_items(fx, &a, 3, 0, 1, 0, &item, 1);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_BAG_GONE);
    assert_non_null(strstr(fx_last(fx)->text, "name the bag"));
    fx_write_items(fx, &a, 4, bob, 0, 0, &item, 1);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
}

static void removing_what_is_absent_is_a_change(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    const struct reply *reply = fx_write(fx, &a, 1, a.bag, "nothing/there", NULL);
    assert_int_equal(reply->code, 0);
    assert_int_equal(fx->change_count, 1);
    assert_int_equal(fx->changes[0].change.kind, CHANGE_ITEM_REMOVE);
    assert_int_equal(fx->changes[0].change.seq, reply->seq);
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, a.bag, &row, NULL), 0);
    assert_int_equal(row.last_seq, reply->seq);
    assert_int_equal(row.items, 0);
}

/* Else the machine could read what an administrator puts there later. */
static void a_managed_group_is_not_made_by_a_machine(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_close(fx, true);
    fx->limits.groups_managed = true;
    fx_open(fx);
    fx_join(fx, &a, 1);
    fx_create(fx, &a, 1, OWNER_GROUP, "Staff");
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_NOT_ALLOWED);
    fx_create(fx, &a, 2, OWNER_USER, "Bob");
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
}

/* A disk that was put back sends what it had again, under a new writer: what it wrote meanwhile was
 * lost there, and is as unseen as another machine's. */
static void a_new_writer_does_not_know_what_the_old_one_wrote(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    uint64_t old_seq = fx_write(fx, &a, 1, bag, "p", "old")->seq;
    struct item again = {"p", "old", -1};
    (void)fx_write(fx, &a, 2, bag, "p", "newer");
    (void)fx_write(fx, &a, 3, bag, "q", "newer");
    a.writer += 1000;
    fx_forget(fx);
    fx_write_items(fx, &a, 1, bag, 0, old_seq, &again, 1); /* in the writer's first operation */
    fx_write_items(fx, &a, 2, bag, 0, old_seq, &again, 1); /* its own by now */
    fx_run(fx);
    fx_close(fx, true);
    fx_open(fx); /* and it is remembered */
    again.path = "q";
    fx_write_items(fx, &a, 3, bag, 0, old_seq, &again, 1);
    fx_write_items(fx, &a, 4, bag, 0, old_seq, &again, 1);
    fx_run(fx);
    assert_int_equal(fx->change_count, 4);
    assert_true(fx->changes[0].change.conflict);
    assert_false(fx->changes[1].change.conflict);
    assert_true(fx->changes[2].change.conflict);
    assert_false(fx->changes[3].change.conflict);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(deferred_ones_hold_back_those_behind),
        TEST(what_is_no_operation_has_no_number),
        TEST(a_bad_name_is_refused_for_good),
        TEST(a_made_bag_whose_making_was_confirmed),
        TEST(removing_what_is_absent_is_a_change),
        TEST(a_managed_group_is_not_made_by_a_machine),
        TEST(a_new_writer_does_not_know_what_the_old_one_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
