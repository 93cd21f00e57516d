/* tests/client/test_outbox_settle.c - what becomes of an operation. */
#include "tests/client/outbox_samples.h"

static void taken_up_stays_visible_until_the_bag_passed(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    (void)add(&box, "b", "2");
    assert_sends(&box, 1, "1:bag40 a=1 2:bag40 b=2");
    answer(&box, 1, 0, 101);
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 101, NULL, NULL), 1); /* not durable yet */
    assert_string_equal(look(&box, "a"), "1");
    assert_int_equal(outbox_confirmed(box.outbox), 0);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    assert_int_equal(outbox_confirmed(box.outbox), 1);
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 100, NULL, NULL), 0);
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG + 1, 200, NULL, NULL), 0);
    assert_string_equal(look(&box, "a"), "1");
    box_crash(&box);
    assert_string_equal(look(&box, "a"), "1");
    assert_counts(&box, 1, 0);
    assert_int_equal(outbox_confirmed(box.outbox), 1);
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 101, NULL, NULL), 0);
    assert_null(look(&box, "a"));
    assert_string_equal(look(&box, "b"), "2");
    box_end(&box);
}

static void an_answer_that_was_not_durable_is_asked_for_again(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    assert_sends(&box, 1, "1:bag40 a=1");
    answer(&box, 1, 0, 101);
    box_crash(&box);
    assert_counts(&box, 1, 0);
    assert_sends(&box, 1, "1:bag40 a=1"); /* byte for byte */
    answer(&box, 1, 0, 101);
    struct outbox_told told;
    outbox_outcome(box.outbox, &(struct outbox_answer){.number = 1, .seq = 101}, &told);
    assert_false(told.news);
    assert_int_equal(told.id, 1);
    outbox_outcome(box.outbox, &(struct outbox_answer){.number = 9, .seq = 101}, &told);
    assert_int_equal(told.id, 0);
    box_end(&box);
}

static void every_answered_number_can_be_sent_again_until_it_is_confirmed(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    (void)add(&box, "b", "2");
    (void)add(&box, "c", "3");
    assert_sends(&box, 1, "1:bag40 a=1 2:bag40 b=2 3:bag40 c=3");
    answer(&box, 1, 0, 101);
    answer(&box, 2, E_QUOTA, 0);
    assert_int_equal(outbox_drop(box.outbox, 2, NULL), 0); /* flushes */
    assert_int_equal(outbox_confirmed(box.outbox), 2);
    answer(&box, 3, E_QUOTA, 0);
    assert_sends(&box, 3, "3:bag40 c=3");
    assert_counts(&box, 0, 1);
    box_again(&box);
    assert_counts(&box, 0, 1);
    assert_int_equal(outbox_confirmed(box.outbox), 3);
    assert_int_equal(outbox_wait(box.outbox, 3, 0, NULL), E_QUOTA);
    assert_int_equal(outbox_wait(box.outbox, 2, 0, NULL), 0);
    box_end(&box);
}

/* Outcomes become durable late. However many came before a crash, what was sent by then can't be
 * emptied after it: the server may have done it. */
static void what_was_sent_before_a_crash_is_still_known_to_be(void **state)
{
    (void)state;
    enum { FIRST = OUTBOX_UNANSWERED_MAX, MORE = 3 };
    struct box box;
    box_begin(&box);
    outbox_set_alone(box.outbox, true);
    for (int i = 0; i < FIRST + MORE; i++) {
        (void)add(&box, "a", "1");
    }
    outbox_set_alone(box.outbox, false);
    struct buf out;
    uint32_t count = 0;
    buf_init(&out, 1 << 20);
    assert_int_equal(outbox_read(box.outbox, 1, FIRST, 1 << 20, &out, &count, NULL), 0);
    assert_int_equal(count, FIRST);
    for (uint64_t number = 1; number <= MORE; number++) {
        answer(&box, number, 0, 100 + number);
    }
    assert_int_equal(outbox_read(box.outbox, FIRST + 1, MORE, 1 << 20, &out, &count, NULL), 0);
    assert_int_equal(count, MORE);
    buf_free(&out);
    box_crash(&box);
    assert_int_equal(outbox_drop(box.outbox, FIRST + MORE, NULL), E_BUSY);
    box_end(&box);
}

struct gone {
    unsigned count;
    char path[32];
    char value[32];
};

static void note_gone(void *context, const struct owner *owner, struct span path,
                      const struct span *value)
{
    struct gone *gone = context;
    assert_string_equal(owner->shown, "Ann");
    gone->count++;
    (void)snprintf(gone->path, sizeof gone->path, "%.*s", (int)path.size, (const char *)path.data);
    (void)snprintf(gone->value, sizeof gone->value, "%.*s", value != NULL ? (int)value->size : 9,
                   value != NULL ? (const char *)value->data : "(removed)");
}

static void passing_tells_what_was_visible_by_it_alone(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    (void)add(&box, "b", NULL);
    (void)add(&box, "a", "2");
    assert_sends(&box, 1, "1:bag40 a=1 2:bag40 b! 3:bag40 a=2");
    answer(&box, 1, 0, 101);
    answer(&box, 2, 0, 102);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    struct gone gone = {0};
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 102, note_gone, &gone), 0);
    assert_int_equal(gone.count, 1); /* "a" shows the newer write all the same */
    assert_string_equal(gone.path, "b");
    assert_string_equal(gone.value, "(removed)");
    answer(&box, 3, 0, 103);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 103, note_gone, &gone), 0);
    assert_int_equal(gone.count, 2);
    assert_string_equal(gone.value, "2");
    box_end(&box);
}

static void a_gone_bag_hides_all_of_it(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    (void)add(&box, "b", "2");
    assert_sends(&box, 1, "1:bag40 a=1 2:bag40 b=2");
    answer(&box, 1, 0, 101);
    outbox_hide(box.outbox, ANN_BAG);
    assert_null(look(&box, "a"));
    assert_null(look(&box, "b"));
    answer(&box, 2, E_BAG_GONE, 0);
    assert_counts(&box, 0, 1);
    box_end(&box);
}

/* --- split between two bags --- */

enum { OWN_BAG = 44 };

/* Two items in one change set, of which one went to the bag of the user on this device. */
static void add_split(struct box *box)
{
    struct outbox_target target = to_ann(box);
    struct operation_write writes[2] = {write_of("a", "1"), write_of("b", "2")};
    writes[1].device = true;
    assert_int_equal(outbox_write(box->outbox, &target, writes, 2, 1234, NULL, NULL), 0);
    assert_sends(box, 1, "1:bag40 a=1,b=2~");
}

static void assert_visible(struct box *box, bool visible)
{
    const char *a = look(box, "a");
    assert_true((a != NULL) == visible);
    assert_true((look(box, "b") != NULL) == visible);
}

static int note_device_bag(void *context, const struct outbox_entry *entry, struct err *err)
{
    (void)err;
    *(uint64_t *)context = entry->device_bag;
    return 0;
}

static uint64_t awaited_bag(struct box *box)
{
    uint64_t bag_id = 99;
    assert_int_equal(outbox_each(box->outbox, OUTBOX_ACKED, note_device_bag, &bag_id, NULL), 0);
    return bag_id;
}

static void a_split_write_waits_for_both_bags(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct box box;
        struct gone gone = {0};
        const uint64_t bags[2] = {ANN_BAG, OWN_BAG};
        const uint64_t seqs[2] = {101, 102};
        box_begin(&box);
        add_split(&box);
        answer_split(&box, 1, 102, OWN_BAG, 101, 102);
        assert_int_equal(outbox_passed(box.outbox, bags[first], 200, NULL, NULL), 1);
        assert_int_equal(outbox_flush(box.outbox, NULL), 0);
        assert_int_equal(outbox_passed(box.outbox, bags[first], seqs[first] - 1, NULL, NULL), 0);
        assert_int_equal(outbox_passed(box.outbox, bags[!first], seqs[!first] - 1, NULL, NULL), 0);
        assert_int_equal(awaited_bag(&box), OWN_BAG);
        assert_int_equal(outbox_passed(box.outbox, bags[first], seqs[first], note_gone, &gone), 0);
        assert_int_equal(gone.count, 0);
        assert_visible(&box, true);
        assert_int_equal(awaited_bag(&box), first == 1 ? 0 : OWN_BAG);
        /* a crash: it waits for both again, which their cursors have passed by now or have not */
        box_crash(&box);
        assert_visible(&box, true);
        assert_int_equal(awaited_bag(&box), OWN_BAG);
        assert_int_equal(outbox_passed(box.outbox, bags[first], seqs[first], note_gone, &gone), 0);
        assert_visible(&box, true);
        assert_int_equal(outbox_passed(box.outbox, bags[!first], 300, note_gone, &gone), 0);
        assert_int_equal(gone.count, 2);
        assert_visible(&box, false);
        box_end(&box);
    }
}

/* All of it is in the bag on the device; nothing of the user's has to be waited for. */
static void a_write_may_be_in_the_other_bag_alone(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    add_split(&box);
    answer_split(&box, 1, 102, OWN_BAG, 0, 102);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 500, NULL, NULL), 0);
    assert_visible(&box, true);
    assert_int_equal(outbox_passed(box.outbox, OWN_BAG, 102, NULL, NULL), 0);
    assert_visible(&box, false);
    box_end(&box);
}

static void a_bag_on_the_device_that_is_gone_is_not_waited_for(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    add_split(&box);
    answer_split(&box, 1, 102, OWN_BAG, 101, 102);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    outbox_hide(box.outbox, OWN_BAG);
    assert_visible(&box, true); /* the other part is still to come */
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 101, NULL, NULL), 0);
    assert_visible(&box, false);
    struct operation_write write = write_of("a", "3");
    struct outbox_target target = to_ann(&box);
    assert_int_equal(outbox_write(box.outbox, &target, &write, 1, 1234, NULL, NULL), 0);
    answer_split(&box, 2, 103, OWN_BAG, 0, 103);
    outbox_hide(box.outbox, OWN_BAG);
    assert_null(look(&box, "a"));
    /* it was gone when the server answered */
    assert_int_equal(outbox_write(box.outbox, &target, &write, 1, 1234, NULL, NULL), 0);
    answer_split(&box, 3, 104, 0, 0, 0);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    assert_string_equal(look(&box, "a"), "3");
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 1, NULL, NULL), 0);
    assert_null(look(&box, "a"));
    box_end(&box);
}

/* A new file and a new writer keep what it waits for, and under which flag the others were made. */
static void what_it_waits_for_outlives_the_file(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    add_split(&box);
    (void)add(&box, "c", "3");
    struct operation_write write = write_of("d", NULL);
    struct outbox_target target = to_ann(&box);
    write.device = true;
    assert_int_equal(outbox_write(box.outbox, &target, &write, 1, 1234, NULL, NULL), 0);
    answer_split(&box, 1, 102, OWN_BAG, 101, 102);
    assert_int_equal(outbox_renumber(box.outbox, NULL), 0);
    for (int round = 0; round < 2; round++) {
        assert_sends(&box, 1, "1:bag40 c=3 2:bag40 d!~");
        assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 101, NULL, NULL), 0);
        assert_visible(&box, true);
        assert_int_equal(awaited_bag(&box), OWN_BAG);
        box_again(&box);
    }
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 101, NULL, NULL), 0);
    assert_int_equal(outbox_passed(box.outbox, OWN_BAG, 102, NULL, NULL), 0);
    assert_visible(&box, false);
    box_end(&box);
}

/* --- bags that a CREATE makes --- */

static struct outbox_target to_local(const struct box *box, uint64_t made_by)
{
    return (struct outbox_target){.owner = &box->ann, .made_by = made_by};
}

static void begin_local(struct box *box, uint64_t *create)
{
    box_begin(box);
    outbox_set_alone(box->outbox, true);
    assert_int_equal(outbox_create(box->outbox, &box->ann, 1234, create, NULL), 0);
    (void)add_to(box, to_local(box, *create), "a", "1");
    (void)add_to(box, to_local(box, *create), "b", "2");
    outbox_set_alone(box->outbox, false);
}

static int note_made(void *context, const struct outbox_made *made, struct err *err)
{
    (void)err;
    *(struct outbox_made *)context = *made;
    return 0;
}

static void unsent_writes_name_the_bag_once_it_is_made(void **state)
{
    (void)state;
    struct box box;
    uint64_t create = 0;
    begin_local(&box, &create);
    struct outbox_made made = {0};
    assert_int_equal(outbox_creates(box.outbox, note_made, &made, NULL), 0);
    assert_int_equal(made.id, create);
    assert_int_equal(made.bag_id, 0);
    struct buf out;
    uint32_t count = 0;
    buf_init(&out, 1000);
    assert_int_equal(outbox_read(box.outbox, 1, 2, 1000, &out, &count, NULL), 0);
    buf_free(&out);
    answer(&box, 1, 0, 77); /* 1 and 2 were sent */
    assert_sends(&box, 1, "1:create Ann 2:by1 a=1 3:bag77 b=2");
    (void)add_to(&box, to_local(&box, create), "c", "3"); /* who does not know it yet */
    assert_int_equal(outbox_confirmed(box.outbox), 0);    /* 2 may be sent again and names 1 */
    box_crash(&box);
    assert_sends(&box, 1, "1:create Ann 2:by1 a=1 3:bag77 b=2 4:bag77 c=3");
    assert_int_equal(outbox_creates(box.outbox, note_made, &made, NULL), 0);
    assert_int_equal(made.bag_id, 77);
    assert_int_equal(made.code, 0);
    answer(&box, 2, 0, 78);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    assert_int_equal(outbox_confirmed(box.outbox), 2);
    assert_int_equal(outbox_passed(box.outbox, 77, 78, NULL, NULL), 0);
    assert_null(look(&box, "a"));
    outbox_made_done(box.outbox, create);
    made.id = 0;
    assert_int_equal(outbox_creates(box.outbox, note_made, &made, NULL), 0);
    assert_int_equal(made.id, 0);
    box_end(&box);
}

static void unsent_writes_of_a_bag_that_exists_are_refused_here(void **state)
{
    (void)state;
    struct box box;
    uint64_t create = 0;
    begin_local(&box, &create);
    struct buf out;
    uint32_t count = 0;
    buf_init(&out, 1000);
    assert_int_equal(outbox_read(box.outbox, 1, 2, 1000, &out, &count, NULL), 0);
    buf_free(&out);
    answer(&box, 1, E_BAG_EXISTS, 77);
    for (int round = 0; round < 2; round++) {
        assert_sends(&box, 1, "1:create Ann 2:by1 a=1 3:empty");
        assert_counts(&box, 2, 1);
        assert_null(look(&box, "b"));
        assert_string_equal(look(&box, "a"), "1"); /* until the server has refused it */
        assert_int_equal(outbox_flush(box.outbox, NULL), 0);
        box_crash(&box);
    }
    answer(&box, 2, E_BAG_EXISTS, 0);
    assert_null(look(&box, "a"));
    assert_counts(&box, 1, 2);
    struct outbox_target target = {.owner = &box.ann, .bag_id = 77};
    uint64_t id = 0;
    assert_int_equal(outbox_retry(box.outbox, 3, &target, NULL, NULL, 1234, &id, NULL), 0);
    assert_sends(&box, 3, "3:empty 4:bag77 b=2");
    box_end(&box);
}

static void a_refused_bag_takes_no_more_writes(void **state)
{
    (void)state;
    struct box box;
    uint64_t create = 0;
    begin_local(&box, &create);
    assert_sends(&box, 1, "1:create Ann 2:by1 a=1 3:by1 b=2");
    answer(&box, 1, E_NAME, 0);
    struct operation_write write = write_of("c", "3");
    struct outbox_target target = to_local(&box, create);
    assert_int_equal(outbox_write(box.outbox, &target, &write, 1, 1, NULL, NULL), E_NAME);
    target.made_by = 99;
    assert_int_equal(outbox_write(box.outbox, &target, &write, 1, 1, NULL, NULL), E_BAG_GONE);
    answer(&box, 2, E_BAG_GONE, 0);
    answer(&box, 3, E_BAG_GONE, 0);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    assert_int_equal(outbox_confirmed(box.outbox), 3);
    assert_counts(&box, 0, 3);
    box_end(&box);
}

/* What a server that is out of its mind says of a CREATE must not be believed, nor kill. */
static void a_made_bag_without_an_id_is_a_refusal(void **state)
{
    (void)state;
    struct box box;
    struct owner bob;
    struct outbox_target target = {.owner = &bob};
    box_begin(&box);
    assert_int_equal(owner_make(&bob, OWNER_USER, span_str("Bob"), 0, NULL), 0);
    assert_int_equal(outbox_create(box.outbox, &bob, 1234, &target.made_by, NULL), 0);
    (void)add_to(&box, target, "a", "1");
    answer(&box, 1, 0, 0);
    assert_counts(&box, 1, 2); /* an empty operation has the write's number */
    box_again(&box);
    assert_counts(&box, 1, 2);
    box_end(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_up_stays_visible_until_the_bag_passed),
        cmocka_unit_test(an_answer_that_was_not_durable_is_asked_for_again),
        cmocka_unit_test(every_answered_number_can_be_sent_again_until_it_is_confirmed),
        cmocka_unit_test(what_was_sent_before_a_crash_is_still_known_to_be),
        cmocka_unit_test(passing_tells_what_was_visible_by_it_alone),
        cmocka_unit_test(a_gone_bag_hides_all_of_it),
        cmocka_unit_test(a_split_write_waits_for_both_bags),
        cmocka_unit_test(a_write_may_be_in_the_other_bag_alone),
        cmocka_unit_test(a_bag_on_the_device_that_is_gone_is_not_waited_for),
        cmocka_unit_test(what_it_waits_for_outlives_the_file),
        cmocka_unit_test(unsent_writes_name_the_bag_once_it_is_made),
        cmocka_unit_test(unsent_writes_of_a_bag_that_exists_are_refused_here),
        cmocka_unit_test(a_refused_bag_takes_no_more_writes),
        cmocka_unit_test(a_made_bag_without_an_id_is_a_refusal),
    };
    return cmocka_run_group_tests_name("client/outbox_settle", tests, NULL, NULL);
}
