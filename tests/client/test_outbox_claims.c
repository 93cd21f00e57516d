/* tests/client/test_outbox_claims.c - which writes a policy of joining has to judge. */
#include "client/outbox_claims.h"

#include "tests/client/outbox_samples.h"
#include "tests/support/fail_alloc.h"

static struct outbox_claims claims_of(struct box *box, enum outbox_claimed which, uint64_t upto)
{
    struct outbox_claims claims;
    assert_int_equal(outbox_claims(box->outbox, which, &box->ann, upto, &claims, NULL), 0);
    return claims;
}

static void the_newest_of_each_item_is_claimed(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    assert_int_equal(outbox_newest(box.outbox), 0);
    (void)add(&box, "b", "old");
    (void)add(&box, "a", "1");
    (void)add(&box, "c", NULL);
    uint64_t upto = add(&box, "b", "new");
    (void)add(&box, "a", "later"); /* so that one is not claimed */
    (void)add(&box, "d", "later");
    assert_int_equal(outbox_newest(box.outbox), upto + 2);
    struct outbox_claims claims = claims_of(&box, OUTBOX_HELD, upto);
    assert_int_equal(claims.count, 2);
    assert_string_equal(claims.list[0].path, "b");
    assert_memory_equal(claims.list[0].value, "new", 3);
    assert_int_equal(claims.list[0].size, 3);
    assert_int_equal(claims.list[0].seen, 40);
    assert_string_equal(claims.list[1].path, "c");
    assert_true(claims.list[1].removed);
    assert_int_equal(claims.id_count, 4); /* all of them are to go */
    outbox_claims_free(&claims);
    outbox_claims_free(&claims); /* again: nothing */
    outbox_claims_free(NULL);
    claims = claims_of(&box, OUTBOX_MET, upto);
    assert_int_equal(claims.count + claims.id_count, 0);
    outbox_claims_free(&claims);
    box_end(&box);
}

static void the_largest_change_set_is_claimed(void **state)
{
    (void)state;
    struct box box;
    uint64_t upto = 0;
    static char paths[OPERATION_WRITES_MAX][8];
    static struct operation_write writes[OPERATION_WRITES_MAX];
    box_begin(&box);
    for (size_t i = 0; i < OPERATION_WRITES_MAX; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "p%zu", i);
        writes[i] = write_of(paths[i], "v");
        writes[i].device = true;
    }
    struct outbox_target target = to_ann(&box);
    assert_int_equal(
        outbox_write(box.outbox, &target, writes, OPERATION_WRITES_MAX, 1234, &upto, NULL), 0);
    struct outbox_claims claims = claims_of(&box, OUTBOX_HELD, upto);
    assert_int_equal(claims.count, OPERATION_WRITES_MAX);
    assert_int_equal(claims.list[0].seen, 40);
    outbox_claims_free(&claims);
    box_end(&box);
}

static void what_was_perhaps_sent_is_not_claimed(void **state)
{
    (void)state;
    struct box box;
    struct buf bytes;
    uint32_t count = 0;
    box_begin(&box);
    (void)add(&box, "a", "1");
    uint64_t upto = add(&box, "b", "1");
    buf_init(&bytes, 4096);
    assert_int_equal(outbox_read(box.outbox, 1, 1, 4096, &bytes, &count, NULL), 0);
    buf_free(&bytes);
    struct outbox_claims claims = claims_of(&box, OUTBOX_HELD, upto);
    assert_int_equal(claims.count, 1);
    assert_string_equal(claims.list[0].path, "b");
    outbox_claims_free(&claims);
    box_end(&box);
}

/* A bag that was made here, and that the server has. */
static uint64_t meet(struct box *box)
{
    uint64_t made = 0;
    assert_int_equal(outbox_create(box->outbox, &box->ann, 1, &made, NULL), 0);
    struct outbox_target target = {.owner = &box->ann, .made_by = made};
    (void)add_to(box, target, "a", "1");
    uint64_t upto = add_to(box, target, "a", "2");
    struct outbox_answer answer = {.number = 1, .code = E_BAG_EXISTS, .seq = ANN_BAG};
    outbox_outcome(box->outbox, &answer, NULL);
    assert_int_equal(outbox_flush(box->outbox, NULL), 0);
    return upto;
}

static void what_met_another_bag_is_claimed(void **state)
{
    (void)state;
    struct box box;
    struct owner *owners = NULL;
    size_t count = 0;
    box_begin(&box);
    uint64_t upto = meet(&box);
    box_again(&box);
    struct outbox_claims claims = claims_of(&box, OUTBOX_MET, upto);
    assert_int_equal(claims.count, 1);
    assert_memory_equal(claims.list[0].value, "2", 1);
    assert_int_equal(claims.list[0].seen, 0);
    assert_int_equal(claims.id_count, 2);
    assert_int_equal(outbox_claimants(box.outbox, OUTBOX_MET, upto, &owners, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_string_equal(owners[0].shown, "Ann");
    free(owners);
    assert_int_equal(outbox_drop_all(box.outbox, claims.ids, claims.id_count, NULL), 0);
    assert_int_equal(outbox_drop_all(box.outbox, claims.ids, claims.id_count, NULL), 0);
    outbox_claims_free(&claims);
    box_again(&box); /* durable */
    assert_int_equal(outbox_claimants(box.outbox, OUTBOX_MET, upto, &owners, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_null(owners);
    box_end(&box);
}

static void each_owner_is_told_once(void **state)
{
    (void)state;
    struct box box;
    struct owner *owners = NULL;
    struct owner bob;
    struct owner small; /* the same as Ann */
    size_t count = 0;
    box_begin(&box);
    assert_int_equal(owner_make(&bob, OWNER_USER, span_str("Bob"), 0, NULL), 0);
    assert_int_equal(owner_make(&small, OWNER_USER, span_str("ann"), 0, NULL), 0);
    struct outbox_target to_bob = {.owner = &bob, .bag_id = 41};
    struct outbox_target to_small = {.owner = &small, .bag_id = ANN_BAG};
    (void)add(&box, "a", "1");
    (void)add_to(&box, to_bob, "a", "1");
    uint64_t upto = add_to(&box, to_small, "b", "1");
    assert_int_equal(outbox_claimants(box.outbox, OUTBOX_HELD, upto, &owners, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_true(owner_equal(&owners[0], &box.ann));
    assert_true(owner_equal(&owners[1], &bob));
    free(owners);
    struct outbox_claims claims = claims_of(&box, OUTBOX_HELD, upto);
    assert_int_equal(claims.count, 2);
    outbox_claims_free(&claims);
    box_end(&box);
}

static void without_memory_nothing_is_claimed(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    uint64_t upto = add(&box, "b", "2");
    for (unsigned nth = 1;; nth++) {
        struct outbox_claims claims;
        struct owner *owners = NULL;
        size_t count = 0;
        fail_alloc_at(nth);
        int rc = outbox_claimants(box.outbox, OUTBOX_HELD, upto, &owners, &count, NULL);
        int second = outbox_claims(box.outbox, OUTBOX_HELD, &box.ann, upto, &claims, NULL);
        bool failed = fail_alloc_stop();
        assert_int_equal(rc == E_NOMEM || second == E_NOMEM, failed);
        assert_int_equal(count, rc == 0 ? 1 : 0);
        assert_int_equal(claims.count, second == 0 ? 2 : claims.count);
        free(owners);
        outbox_claims_free(&claims);
        if (!failed) {
            break;
        }
    }
    box_end(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_of_each_item_is_claimed),
        cmocka_unit_test(the_largest_change_set_is_claimed),
        cmocka_unit_test(what_was_perhaps_sent_is_not_claimed),
        cmocka_unit_test(what_met_another_bag_is_claimed),
        cmocka_unit_test(each_owner_is_told_once),
        cmocka_unit_test(without_memory_nothing_is_claimed),
    };
    return cmocka_run_group_tests_name("client/outbox_claims", tests, NULL, NULL);
}
