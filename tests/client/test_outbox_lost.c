/* tests/client/test_outbox_lost.c - writes that the server took up and then lost. */
#include "tests/client/outbox_samples.h"

#include <errno.h>

static int note_path(void *context, const struct outbox_entry *entry, struct err *err)
{
    struct buf *out = context;
    (void)err;
    (void)buf_printf(out, "%.*s %d %s;", (int)entry->first_path.size,
                     (const char *)entry->first_path.data, entry->code, entry->text);
    return 0;
}

static void assert_lists(struct box *box, enum outbox_state state, const char *expected)
{
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(outbox_each(box->outbox, state, note_path, &out, NULL), 0);
    assert_int_equal(buf_append_u8(&out, 0), 0);
    assert_string_equal((char *)out.data, expected);
    buf_free(&out);
}

static uint64_t lose(struct box *box, uint64_t after_seq)
{
    uint64_t count = 99;
    struct err err = {0};
    assert_int_equal(outbox_lost(box->outbox, after_seq, E_HISTORY, "lost", &count, &err), 0);
    return count;
}

static void only_what_was_taken_up_later_is_lost(void **state)
{
    (void)state;
    struct box box;
    char expected[64];
    box_begin(&box);
    (void)add(&box, "a", "1");
    uint64_t lost = add(&box, "b", "2");
    (void)add(&box, "c", "3");
    answer(&box, 1, 0, 41);
    answer(&box, 2, 0, 52);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    assert_int_equal(lose(&box, 52), 0);
    assert_int_equal(lose(&box, 51), 1);
    assert_int_equal(lose(&box, 51), 0);
    (void)snprintf(expected, sizeof expected, "b %d lost;", E_HISTORY);
    for (int round = 0; round < 3; round++) {
        assert_lists(&box, OUTBOX_REFUSED, expected);
        assert_string_equal(look(&box, "a"), "1");
        assert_null(look(&box, "b"));
        assert_string_equal(look(&box, "c"), "3");
        assert_counts(&box, 1, 1);
        assert_sends(&box, 3, "3:bag40 c=3");
        if (round == 0) {
            box_crash(&box);
        } else if (round == 1) {
            assert_int_equal(outbox_renumber(box.outbox, NULL), 0);
            box_again(&box);
            assert_sends(&box, 1, "1:bag40 c=3");
            break;
        }
    }
    assert_lists(&box, OUTBOX_REFUSED, expected);
    struct outbox_target target = to_ann(&box);
    assert_int_equal(outbox_retry(box.outbox, lost, &target, NULL, NULL, 1234, NULL, NULL), 0);
    assert_string_equal(look(&box, "b"), "2");
    assert_counts(&box, 2, 0);
    box_end(&box);
}

static void what_the_replica_has_is_not_told_again(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    answer(&box, 1, 0, 41);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 41, NULL, NULL), 0);
    assert_int_equal(lose(&box, 1), 0);
    assert_counts(&box, 0, 0);
    box_end(&box);
}

/* The new history may give the bag's id to somebody else's. */
static void what_waits_for_a_bag_that_was_lost_is_not_sent(void **state)
{
    (void)state;
    struct box box;
    char expected[64];
    box_begin(&box);
    uint64_t lost = add(&box, "a", "1");
    assert_sends(&box, 1, "1:bag40 a=1"); /* perhaps sent */
    assert_int_equal(lose(&box, ANN_BAG), 0);
    assert_int_equal(lose(&box, ANN_BAG - 1), 1);
    (void)snprintf(expected, sizeof expected, "a %d lost;", E_HISTORY);
    for (int round = 0; round < 2; round++) {
        assert_lists(&box, OUTBOX_REFUSED, expected);
        assert_null(look(&box, "a"));
        assert_sends(&box, 1, "1:empty");
        box_crash(&box);
    }
    struct outbox_target target = to_ann(&box);
    target.bag_id = 50;
    assert_int_equal(outbox_retry(box.outbox, lost, &target, NULL, NULL, 1234, NULL, NULL), 0);
    assert_sends(&box, 2, "2:bag50 a=1");
    box_end(&box);
}

static ssize_t no_room(void *context, int fd, const void *data, size_t size, off_t offset)
{
    (void)context;
    (void)fd;
    (void)data;
    (void)size;
    (void)offset;
    errno = ENOSPC;
    return -1;
}

/* Without room it is said, and done by the next call. */
static void on_a_full_disk_it_is_done_later(void **state)
{
    (void)state;
    struct box box;
    struct disk full = disk_system;
    uint64_t count = 0;
    full.pwrite = no_room;
    box_begin(&box);
    (void)add(&box, "a", "1");
    answer(&box, 1, 0, 41);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    box.outbox->disk = &full;
    assert_int_equal(outbox_lost(box.outbox, 40, E_HISTORY, "lost", &count, NULL), E_NOSPACE);
    box.outbox->disk = &disk_system;
    assert_int_equal(outbox_lost(box.outbox, 40, E_HISTORY, "lost", &count, NULL), 0);
    box_crash(&box);
    assert_counts(&box, 0, 1);
    assert_null(look(&box, "a"));
    box_end(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_taken_up_later_is_lost),
        cmocka_unit_test(what_the_replica_has_is_not_told_again),
        cmocka_unit_test(what_waits_for_a_bag_that_was_lost_is_not_sent),
        cmocka_unit_test(on_a_full_disk_it_is_done_later),
    };
    return cmocka_run_group_tests_name("client/outbox_lost", tests, NULL, NULL);
}
