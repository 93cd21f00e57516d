/* tests/journal/test_batch.c - a batch's payload, and payloads that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "journal/journal.h"
#include "tests/journal/segment_samples.h"

static struct buf payload;
static struct unpacked scratch;

static int setup(void **state)
{
    (void)state;
    buf_init(&payload, BATCH_PAYLOAD_MAX);
    scratch = (struct unpacked){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&payload);
    unpack_close(&scratch);
    return 0;
}

static struct batch batch_of(uint32_t count)
{
    return (struct batch){
        .base_seq = 100, .count = count, .time_ms = 5, .payload = buf_span(&payload)};
}

struct seen {
    uint64_t next_seq;
    uint64_t stop_at;
};

static int on_change(void *context, const struct change *change, struct err *err)
{
    struct seen *seen = context;
    assert_int_equal(change->seq, seen->next_seq);
    assert_int_equal(change->time_ms, 5);
    assert_int_equal(change->kind, CHANGE_ITEM_SET);
    assert_int_equal(change->prev, change->seq - 1);
    assert_true(sample_is(change->value, change->seq));
    if (change->seq == seen->stop_at) {
        return err_set(err, E_BUSY, "stop");
    }
    seen->next_seq++;
    return 0;
}

static void changes_come_with_their_seq_and_time(void **state)
{
    (void)state;
    struct seen seen = {.next_seq = 100};
    sample_payload(&payload, 100, 50, 40);
    struct batch batch = batch_of(50);
    assert_int_equal(batch_changes(&batch, &scratch, on_change, &seen, NULL), 0);
    assert_int_equal(seen.next_seq, 150);
    seen.next_seq = 100; /* the same memory again */
    assert_int_equal(batch_changes(&batch, &scratch, on_change, &seen, NULL), 0);
    assert_int_equal(seen.next_seq, 150);
}

static void what_the_callback_returns_is_returned(void **state)
{
    (void)state;
    struct seen seen = {.next_seq = 100, .stop_at = 103};
    struct err err = {0};
    sample_payload(&payload, 100, 50, 4);
    struct batch batch = batch_of(50);
    assert_int_equal(batch_changes(&batch, &scratch, on_change, &seen, &err), E_BUSY);
    assert_string_equal(err.text, "stop");
    assert_int_equal(seen.next_seq, 103);
}

/* `bytes` as a payload; the sentence has to name the place. */
static void refused(uint32_t count, int code, const char *place)
{
    struct seen seen = {.next_seq = 100};
    struct err err = {0};
    struct batch batch = batch_of(count);
    assert_int_equal(batch_changes(&batch, &scratch, on_change, &seen, &err), code);
    if (strstr(err.text, place) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, place);
    }
}

static void payloads_that_lie_are_refused(void **state)
{
    (void)state;
    static const uint8_t endless[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    sample_payload(&payload, 100, 3, 4);
    refused(4, E_MALFORMED, "change 103");
    refused(2, E_MALFORMED, "limit"); /* more than two changes can have */
    buf_truncate(&payload, payload.size - 1);
    refused(3, E_MALFORMED, "change 100");
    buf_reset(&payload);
    refused(1, E_MALFORMED, "change 100");
    (void)buf_append(&payload, endless, sizeof endless);
    refused(UINT32_MAX, E_MALFORMED, "change 100");
    buf_reset(&payload);
    pack_u64(&payload, 7);
    refused(1, E_MALFORMED, "change 100");
    sample_payload(&payload, 100, 3, 4);
    payload.data[payload.size - 2] ^= 0x80; /* old_seq of the third is something else now */
    refused(3, E_MALFORMED, "change 102");
}

static void a_change_of_another_place_is_refused(void **state)
{
    (void)state;
    struct change change = {
        .seq = 7, .kind = CHANGE_BAG_CREATE, .bag_id = 7, .owner = {.kind = OWNER_FLEET}};
    batch_begin(&payload, 1);
    change_encode(&payload, &change, CHANGE_JOURNAL);
    refused(1, E_MALFORMED, "change 100"); /* a bag's id is the seq of its creation */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_come_with_their_seq_and_time),
        TEST(what_the_callback_returns_is_returned),
        TEST(payloads_that_lie_are_refused),
        TEST(a_change_of_another_place_is_refused),

    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
