#include "server/draft.h"
#include "tests/server/fixture.h"
#include "tests/support/fail_alloc.h"

static struct draft *draft;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(draft_new(&draft), 0);
    draft_reset(draft, 100, 5000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    draft_free(&draft);
    draft_free(&draft);
    return 0;
}

static int add(size_t value_bytes)
{
    struct change *change = draft_next(draft);
    if (change == NULL) {
        return E_NOMEM;
    }
    change->kind = CHANGE_ITEM_SET;
    change->bag_id = 4;
    change->prev = 4;
    change->path = SPAN_LITERAL("p");
    uint8_t *value = arena_zero(&draft->arena, value_bytes);
    if (value == NULL) {
        return E_NOMEM;
    }
    change->value = span_of(value, value_bytes);
    draft_push(draft);
    return 0;
}

static int keep(void *context, const struct change *change, struct err *err)
{
    (void)err;
    uint32_t **left = context;
    *(*left)++ = change->set_left;
    assert_int_equal(change->time_ms, 5000);
    return 0;
}

static void sets_and_their_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(add(10), 0);
    }
    assert_int_equal(draft_seal(draft), 0);
    assert_int_equal(add(10), 0);
    assert_int_equal(draft_seal(draft), 0);
    assert_int_equal(add(10), 0);
    draft_cut(draft);
    assert_int_equal(draft->count, 4);
    assert_int_equal(draft->changes[3].seq, 103);
    struct batch batch = {
        .base_seq = 100, .count = 4, .time_ms = 5000, .payload = draft_payload(draft)};
    struct unpacked scratch = {0};
    uint32_t left[4];
    uint32_t *at = left;
    assert_int_equal(batch_changes(&batch, &scratch, keep, &at, NULL), 0);
    static const uint32_t wanted[] = {2, 1, 0, 0};
    assert_memory_equal(left, wanted, sizeof wanted);
    unpack_close(&scratch);
}

static void what_does_not_fit_leaves_the_rest(void **state)
{
    (void)state;
    assert_int_equal(add(10), 0);
    assert_int_equal(draft_seal(draft), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(add(VALUE_MAX_BYTES), 0);
    }
    assert_int_equal(draft_seal(draft), E_TOO_LARGE);
    draft_cut(draft);
    assert_int_equal(add(10), 0);
    assert_int_equal(draft_seal(draft), 0);
    assert_true(draft_payload(draft).size < 1000);
}

static void no_more_changes_than_the_limit(void **state)
{
    (void)state;
    for (int i = 0; i < DRAFT_CHANGES_MAX; i++) {
        assert_int_equal(add(0), 0);
        assert_int_equal(draft_seal(draft), 0);
    }
    assert_int_equal(add(0), 0);
    assert_int_equal(draft_seal(draft), E_TOO_LARGE);
    /* one set alone may be larger */
    draft_reset(draft, 1, 1);
    for (int i = 0; i < DRAFT_CHANGES_MAX + 1; i++) {
        assert_int_equal(add(0), 0);
    }
    assert_int_equal(draft_seal(draft), 0);
    draft_reset(draft, 1, 1);
    assert_int_equal(draft->capacity, 0); /* so much is not kept */
}

static void replies_are_kept_in_order(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 5000; i++) {
        struct reply reply = {.kind = REPLY_OUTCOME, .number = i};
        assert_int_equal(draft_reply(draft, &reply), 0);
    }
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(draft->replies[i].number, i);
    }
    draft_reset(draft, 1, 1);
    assert_int_equal(draft->reply_count, 0);
}

static void without_memory(void **state)
{
    (void)state;
    struct draft *other = NULL;
    fail_alloc_at(1);
    assert_int_equal(draft_new(&other), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_null(other);
    fail_alloc_at(1);
    assert_int_equal(add(10), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_int_equal(draft->count, 0);
    assert_int_equal(add(10), 0);
    fail_alloc_at(1);
    assert_int_equal(draft_seal(draft), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_int_equal(draft_seal(draft), 0);
    struct reply reply = {.kind = REPLY_OUTCOME};
    fail_alloc_at(1);
    assert_int_equal(draft_reply(draft, &reply), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_int_equal(draft->reply_count, 0);
}

static void the_next_draft_is_encoded_in_the_memory_of_the_last(void **state)
{
    (void)state;
    struct draft *last = draft;
    struct draft *next = NULL;
    assert_int_equal(draft_new(&next), 0);
    assert_int_equal(add(1000), 0);
    assert_int_equal(draft_seal(draft), 0);
    draft_pass_memory(draft, next); /* little: each keeps its own */
    assert_non_null(draft->body.data);
    assert_null(next->body.data);
    assert_int_equal(add(VALUE_MAX_BYTES), 0);
    assert_int_equal(add(VALUE_MAX_BYTES), 0);
    assert_int_equal(draft_seal(draft), 0);
    size_t bytes = draft->bytes;
    assert_int_equal(bytes, draft->body.size);
    const uint8_t *memory = draft->body.data;
    draft = next;
    draft_pass_memory(last, draft);
    assert_null(last->body.data);
    assert_int_equal(last->bytes, bytes);
    draft_reset(draft, 101, 5000);
    assert_int_equal(add(VALUE_MAX_BYTES), 0);
    assert_int_equal(add(VALUE_MAX_BYTES), 0);
    fail_alloc_at(1);
    assert_int_equal(draft_seal(draft), 0);
    assert_false(fail_alloc_stop());
    assert_ptr_equal(draft->body.data, memory);
    draft_free(&last);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sets_and_their_bytes),
        TEST(what_does_not_fit_leaves_the_rest),
        TEST(no_more_changes_than_the_limit),
        TEST(replies_are_kept_in_order),
        TEST(without_memory),
        TEST(the_next_draft_is_encoded_in_the_memory_of_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
