/* tests/client/test_outbox_record.c - the records' bytes, golden; and records that make no sense.
 */
#include "tests/client/outbox_samples.h"

static void assert_bytes(struct buf *bytes, const char *hex)
{
    char text[512];
    assert_int_equal(buf_error(bytes), 0);
    assert_true(2 * bytes->size < sizeof text);
    hex_encode(bytes->data, bytes->size, text);
    assert_string_equal(text, hex);
    buf_free(bytes);
}

static void records_have_these_bytes(void **state)
{
    (void)state;
    static struct outbox outbox = {
        .writer = 258, .next_id = 4, .window_first = 3, .sending = true, .sent_max = 2};
    static uint8_t operation[] = {0x92, 3, 0};
    static char text[] = "user:A";
    static char why[] = "no";
    struct entry entry = {.id = 3,
                          .time_ms = 5,
                          .text = text,
                          .bytes = operation,
                          .size = sizeof operation,
                          .state = OUTBOX_REFUSED,
                          .bag_id = 40,
                          .code = E_QUOTA,
                          .why = why};
    struct made made = {.id = 1, .bag_id = 77, .code = E_BAG_EXISTS, .text = text};
    struct buf out;
    buf_init(&out, 200);
    outbox_record_state(&outbox, &out);
    assert_bytes(&out, "970002cd01020403c302");
    outbox_record_add(&entry, &out);
    assert_bytes(&out, "95010305a6757365723a41c403920300");
    struct outbox_answer answer = {.number = 3, .code = E_QUOTA, .text = span_str("no")};
    outbox_record_outcome(&answer, &out);
    assert_bytes(&out, "9502032600a26e6f");
    outbox_record_forget(3, &out);
    assert_bytes(&out, "920303");
    outbox_record_empty(3, &out);
    assert_bytes(&out, "920403");
    outbox_record_made(&made, 9, &out);
    assert_bytes(&out, "9605014d2109a6757365723a41");
    outbox_record_old(&entry, &out);
    assert_bytes(&out, "9a060305a6757365723a41c40392030002280026a26e6f");
    outbox_record_sending(false, 2, &out);
    assert_bytes(&out, "9307c202");
    answer = (struct outbox_answer){.number = 3,
                                    .seq = 60,
                                    .split = true,
                                    .device_bag = 55,
                                    .shared_seq = 58,
                                    .device_seq = 60};
    outbox_record_outcome(&answer, &out);
    assert_bytes(&out, "98020300"
                       "3ca0"
                       "373a3c");
    entry.state = OUTBOX_ACKED;
    entry.code = 0;
    entry.why = NULL;
    outbox_await(&entry, &answer);
    outbox_record_old(&entry, &out);
    assert_bytes(&out, "9d060305a6757365723a41c40392030001283c00a0"
                       "373a3c");
}

/* What replaying one batch of these bytes says of a fresh outbox (with a state record before). */
static int replay(struct box *box, const char *hex)
{
    uint8_t bytes[256];
    size_t size = strlen(hex) / 2;
    struct err err = {0};
    assert_int_equal(hex_decode(span_str(hex), bytes, size), 0);
    struct batch batch = {.payload = span_of(bytes, size)};
    int rc = outbox_replay(box->outbox, &batch, &err);
    if (rc != 0) {
        assert_non_null(strstr(err.text, "outbox.seg"));
    }
    return rc;
}

static void records_that_make_no_sense_are_corruption(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    const char *const wrong[] = {
        "91",                                               /* cut short */
        "01",                                               /* no array */
        "9101",                                             /* no record */
        "919108",                                           /* a kind of record that is not known */
        "91970001cd01020403c302",                           /* a second state */
        "9195010305a6757365723a41c403920300",               /* number 3 where 1 comes */
        "9195010305a6757365723a41c403920109",               /* no operation */
        "9195010305a67573653a3a41c403920100",               /* no owner */
        "9195010005a6757365723a41c403920100",               /* an owner without an id */
        "919202",                                           /* fields are missing */
        "91950203a02600a26e6f",                             /* not a number */
        "919a060305a6757365723a41c40392030000280026a26e6f", /* old, and pending */
        "91960201003ca037",                                 /* a split one, cut short */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(replay(&box, wrong[i]), E_CORRUPT);
    }
    assert_counts(&box, 0, 0);
    /* what names nothing that is there does nothing */
    assert_int_equal(replay(&box, "939502092600a26e6f920309920409"), 0);
    /* this one is fine, once */
    assert_int_equal(replay(&box, "9195010305a6757365723a41c403920100"), 0);
    assert_int_equal(replay(&box, "9195010305a6757365723a41c403920200"), E_CORRUPT);
    assert_counts(&box, 1, 0);
    box_end(&box);
}

/* Before anything is added to it in today's form, which the program that made it would not know. */
static void a_file_of_before_is_made_anew(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    box.outbox->writer = 0;
    assert_int_equal(replay(&box, "91970001cd01020403c202"), 0);
    assert_true(box.outbox->rewrite);
    box.outbox->writer = 0;
    assert_int_equal(replay(&box, "91970002cd01020403c202"), 0);
    assert_false(box.outbox->rewrite);
    box_end(&box);
}

static void a_newer_format_is_told_apart(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    box.outbox->writer = 0;
    assert_int_equal(replay(&box, "91970003cd01020403c302"), E_FORMAT);
    assert_int_equal(replay(&box, "9197000100040301c202"), E_CORRUPT);
    box.outbox->writer = 5;
    box_end(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_have_these_bytes),
        cmocka_unit_test(records_that_make_no_sense_are_corruption),
        cmocka_unit_test(a_file_of_before_is_made_anew),
        cmocka_unit_test(a_newer_format_is_told_apart),
    };
    return cmocka_run_group_tests_name("client/outbox_record", tests, NULL, NULL);
}
