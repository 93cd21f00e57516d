/* tests/client/test_outbox_refused.c - writes that are put among the refused ones. */
#include "tests/client/outbox_samples.h"

#include <errno.h>

#include "tests/support/fail_alloc.h"
#include "tests/support/io_calls.h"

static int refuse(struct box *box, const char *path, const char *value, uint64_t *id)
{
    struct outbox_target target = to_ann(box);
    struct operation_write write = write_of(path, value);
    return outbox_refuse(box->outbox, &target, &write, 1, 1234, E_HISTORY, "the server lost it", id,
                         NULL);
}

static int note_entry(void *context, const struct outbox_entry *entry, struct err *err)
{
    struct buf *out = context;
    (void)err;
    (void)buf_printf(out, "%llu:%.*s(%zu) %d %s@%llu;", (unsigned long long)entry->id,
                     (int)entry->first_path.size, (const char *)entry->first_path.data,
                     entry->items, entry->code, entry->text, (unsigned long long)entry->time_ms);
    return 0;
}

static void assert_refused(struct box *box, const char *expected)
{
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(outbox_each(box->outbox, OUTBOX_REFUSED, note_entry, &out, NULL), 0);
    assert_int_equal(buf_append_u8(&out, 0), 0);
    assert_string_equal((char *)out.data, expected);
    buf_free(&out);
}

static void it_is_durable_and_neither_visible_nor_sent(void **state)
{
    (void)state;
    struct box box;
    char expected[200];
    uint64_t id = 0;
    box_begin(&box);
    uint64_t pending = add(&box, "b", "mine");
    assert_int_equal(refuse(&box, "a", "1", &id), 0);
    assert_true(id > pending);
    (void)snprintf(expected, sizeof expected, "%d:a(1) %d the server lost it@1234;", (int)id,
                   E_HISTORY);
    for (int round = 0; round < 3; round++) {
        assert_refused(&box, expected);
        assert_counts(&box, 1, 1);
        assert_null(look(&box, "a"));
        assert_string_equal(look(&box, "b"), "mine");
        struct err err = {0};
        assert_int_equal(outbox_wait(box.outbox, id, 0, &err), E_HISTORY);
        assert_string_equal(err.text, "the server lost it");
        if (round == 0) {
            box_crash(&box);
        } else if (round == 1) { /* and the file made small */
            assert_int_equal(outbox_renumber(box.outbox, NULL), 0);
            box_again(&box);
        }
    }
    assert_sends(&box, 1, "1:bag40 b=mine");
    assert_true(add(&box, "c", "2") > id);
    box_end(&box);
}

static void it_is_tried_again_or_dropped(void **state)
{
    (void)state;
    struct box box;
    uint64_t ids[2] = {0};
    uint64_t again = 0;
    box_begin(&box);
    assert_int_equal(refuse(&box, "a", "1", &ids[0]), 0);
    assert_int_equal(refuse(&box, "b", "2", &ids[1]), 0);
    struct outbox_target target = to_ann(&box);
    assert_int_equal(outbox_retry(box.outbox, ids[0], &target, NULL, NULL, 1234, &again, NULL), 0);
    assert_string_equal(look(&box, "a"), "1");
    assert_sends(&box, 1, "1:bag40 a=1");
    assert_int_equal(outbox_drop(box.outbox, ids[1], NULL), 0);
    assert_counts(&box, 1, 0);
    box_again(&box);
    assert_counts(&box, 1, 0);
    assert_string_equal(look(&box, "a"), "1");
    box_end(&box);
}

static void many_items_are_one_refused_write(void **state)
{
    (void)state;
    struct box box;
    uint64_t id = 0;
    box_begin(&box);
    struct outbox_target target = to_ann(&box);
    struct operation_write writes[] = {write_of("a", "1"), write_of("b", NULL), write_of("c", "3")};
    assert_int_equal(outbox_refuse(box.outbox, &target, writes, 3, 5, E_HISTORY, "lost", &id, NULL),
                     0);
    assert_counts(&box, 0, 1);
    uint64_t again = 0;
    assert_int_equal(outbox_retry(box.outbox, id, &target, NULL, NULL, 1234, &again, NULL), 0);
    assert_sends(&box, 1, "1:bag40 a=1,b!,c=3");
    box_end(&box);
}

static bool is_fax(void *context, struct span path)
{
    ++*(unsigned *)context;
    return path.size > 4 && memcmp(path.data, "fax/", 4) == 0;
}

/* By the flag of now, whatever it was made under. */
static void it_is_tried_again_by_what_is_shared_now(void **state)
{
    (void)state;
    struct box box;
    unsigned asked = 0;
    uint64_t id = 0;
    box_begin(&box);
    struct outbox_target target = to_ann(&box);
    struct operation_write writes[] = {write_of("copy/a", "1"), write_of("fax/b", NULL)};
    writes[0].device = true;
    assert_int_equal(outbox_write(box.outbox, &target, writes, 2, 1234, &id, NULL), 0);
    assert_sends(&box, 1, "1:bag40 copy/a=1~,fax/b!");
    answer(&box, 1, E_SHARING_CHANGED, 0);
    assert_null(look(&box, "copy/a"));
    box_again(&box);
    assert_int_equal(outbox_retry(box.outbox, id, &target, is_fax, &asked, 1234, NULL, NULL), 0);
    assert_int_equal(asked, 2);
    assert_sends(&box, 2, "2:bag40 copy/a=1,fax/b!~");
    assert_string_equal(look(&box, "copy/a"), "1");
    box_end(&box);
}

static void it_is_bounded(void **state)
{
    (void)state;
    struct box box;
    static char big[500000];
    memset(big, 'x', sizeof big - 1);
    box_begin(&box);
    int rc = 0;
    unsigned taken = 0;
    for (; rc == 0 && taken < 100; taken++) {
        rc = refuse(&box, "a", big, NULL);
    }
    assert_int_equal(rc, E_QUOTA);
    assert_true(taken > 10);
    assert_counts(&box, 0, taken - 1);
    box_again(&box);
    assert_counts(&box, 0, taken - 1);
    box_end(&box);
}

/* What did not come to the disk is not there. */
static void a_failed_write_takes_it_back(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    assert_int_equal(refuse(&box, "a", "1", NULL), 0);
    io_calls_start();
    io_calls_fail("fdatasync", 1, EIO);
    int rc = refuse(&box, "b", "2", NULL);
    io_calls_stop();
    assert_int_equal(rc, E_IO);
    assert_counts(&box, 0, 1);
    assert_int_equal(refuse(&box, "c", "3", NULL), E_IO);
    box_crash(&box);
    uint64_t pending = 9;
    uint64_t refused = 9;
    outbox_counts(box.outbox, &pending, &refused);
    assert_int_equal(pending, 0);
    assert_true(refused == 1 || refused == 2); /* the record may have come to the disk */
    box_end(&box);
}

/* Each time it is there when it said so, and only then. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct box box;
    uint64_t taken = 0;
    box_begin(&box);
    unsigned nth = 1;
    for (;; nth++) {
        fail_alloc_at(nth);
        int rc = refuse(&box, "a", "1", NULL);
        bool failed = fail_alloc_stop();
        assert_true(rc == 0 || (failed && rc == E_NOMEM));
        taken += rc == 0 ? 1 : 0;
        assert_counts(&box, 0, taken);
        box_again(&box);
        assert_counts(&box, 0, taken);
        if (!failed) {
            break;
        }
    }
    assert_true(nth > 4);
    box_end(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_durable_and_neither_visible_nor_sent),
        cmocka_unit_test(it_is_tried_again_or_dropped),
        cmocka_unit_test(many_items_are_one_refused_write),
        cmocka_unit_test(it_is_tried_again_by_what_is_shared_now),
        cmocka_unit_test(it_is_bounded),
        cmocka_unit_test(a_failed_write_takes_it_back),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("client/outbox_refused", tests, NULL, NULL);
}
