/* tests/client/test_outbox_commit.c - one sync for all that wait, and nothing told before it. */
#include "tests/client/outbox_samples.h"

#include <unistd.h>

#include "base/thread.h"
#include "tests/support/io_calls.h"

static void a_write_is_one_write_and_one_sync(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "warm", "up");
    io_calls_start();
    (void)add(&box, "a", "1");
    io_calls_stop();
    assert_string_equal(io_calls_text(), "pwrite:outbox.seg fdatasync:outbox.seg");
    box_end(&box);
}

static void answers_cost_no_sync_of_their_own(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    assert_sends(&box, 1, "1:bag40 a=1");
    io_calls_start();
    answer(&box, 1, 0, 101);
    assert_int_equal(outbox_wait(box.outbox, 1, 0, NULL), 0);
    (void)add(&box, "b", "2");
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    io_calls_stop();
    assert_string_equal(io_calls_text(), "pwrite:outbox.seg fdatasync:outbox.seg");
    assert_int_equal(outbox_confirmed(box.outbox), 1);
    box_end(&box);
}

static void a_smaller_file_takes_the_name_when_it_is_whole(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    box.outbox->rewrite = true;
    io_calls_start();
    (void)add(&box, "b", "2");
    io_calls_stop();
    const char *text = io_calls_text();
    const char *renamed = strstr(text, "rename:outbox.seg");
    assert_non_null(renamed);
    const char *synced = NULL;
    for (const char *at = strstr(text, "fdatasync:outbox.next"); at != NULL && at < renamed;
         at = strstr(at + 1, "fdatasync:outbox.next")) {
        synced = at;
    }
    assert_non_null(synced);
    assert_non_null(strstr(renamed, "fsync:outbox"));
    const char *late = strstr(synced, "pwrite:outbox.next");
    assert_true(late == NULL || late > renamed); /* nothing unsynced was in it */
    box_end(&box);
}

/* --- threads --- */

enum { ADDERS = 8, ADDS = 200 };

struct adder {
    struct box *box;
    unsigned who;
    uint64_t ids[ADDS];
    struct thread *thread;
};

static void add_all(struct thread *self, void *context)
{
    struct adder *adder = context;
    thread_ready(self, 0, NULL);
    for (unsigned i = 0; i < ADDS; i++) {
        char path[32];
        char value[32];
        char seen[32] = "";
        (void)snprintf(path, sizeof path, "adder/%u", adder->who);
        (void)snprintf(value, sizeof value, "%u", i);
        adder->ids[i] = add(adder->box, path, value);
        bool removed = false;
        uint64_t time_ms = 0;
        struct buf read;
        buf_init(&read, sizeof seen - 1);
        int rc = outbox_lookup(adder->box->outbox, &adder->box->ann, span_str(path), &read,
                               &removed, &time_ms);
        if (rc == 0) { /* else it was refused or passed meanwhile, and so were those before it */
            memcpy(seen, read.data, read.size);
            assert_true(strtoul(seen, NULL, 10) <= i);
        }
        buf_free(&read);
    }
}

static unsigned count_syncs(const char *text)
{
    unsigned count = 0;
    for (const char *at = strstr(text, "fdatasync"); at != NULL; at = strstr(at + 1, "fdatasync")) {
        count++;
    }
    return count;
}

static void many_threads_share_syncs_and_lose_nothing(void **state)
{
    (void)state;
    struct box box;
    static struct adder adders[ADDERS];
    box_begin(&box);
    io_calls_start();
    for (unsigned i = 0; i < ADDERS; i++) {
        adders[i].box = &box;
        adders[i].who = i;
        assert_int_equal(thread_start(&adders[i].thread, "adder", add_all, &adders[i], NULL), 0);
    }
    uint64_t answered = 0;
    while (answered < (uint64_t)ADDERS * ADDS) { /* the network's part, at the same time */
        struct buf out;
        uint32_t count = 0;
        buf_init(&out, 1 << 20);
        assert_int_equal(outbox_read(box.outbox, answered + 1, 100, 65000, &out, &count, NULL), 0);
        buf_free(&out);
        for (uint32_t i = 0; i < count; i++) {
            answered++;
            const struct outbox_answer said = {.number = answered,
                                               .code = answered % 10 == 0 ? E_QUOTA : 0,
                                               .seq = 1000 + answered};
            outbox_outcome(box.outbox, &said, NULL);
        }
        (void)outbox_passed(box.outbox, ANN_BAG, 500 + answered, NULL, NULL);
    }
    for (unsigned i = 0; i < ADDERS; i++) {
        thread_join(&adders[i].thread);
    }
    io_calls_stop();
    assert_true(count_syncs(io_calls_text()) < ADDERS * ADDS);
    box_crash(&box);
    unsigned refused = 0;
    for (unsigned i = 0; i < ADDERS; i++) {
        for (unsigned j = 0; j < ADDS; j++) {
            assert_true(j == 0 || adders[i].ids[j] > adders[i].ids[j - 1]);
            refused += outbox_wait(box.outbox, adders[i].ids[j], 0, NULL) == E_QUOTA ? 1 : 0;
        }
    }
    uint64_t pending = 0;
    uint64_t counted = 0;
    outbox_counts(box.outbox, &pending, &counted);
    assert_int_equal(refused, counted);
    assert_int_equal(outbox_last(box.outbox), ADDERS * ADDS);
    box_end(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_is_one_write_and_one_sync),
        cmocka_unit_test(answers_cost_no_sync_of_their_own),
        cmocka_unit_test(a_smaller_file_takes_the_name_when_it_is_whole),
        cmocka_unit_test(many_threads_share_syncs_and_lose_nothing),
    };
    return cmocka_run_group_tests_name("client/outbox_commit", tests, NULL, NULL);
}
