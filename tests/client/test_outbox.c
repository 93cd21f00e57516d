/* tests/client/test_outbox.c - adding, sending, dropping, and what a crash leaves. */
#include "tests/client/outbox_samples.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

static void a_write_is_visible_and_survives(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    assert_int_equal(add(&box, "a", "1"), 1);
    assert_int_equal(add(&box, "b", NULL), 2);
    assert_int_equal(add(&box, "a", "2"), 3);
    for (int round = 0; round < 3; round++) {
        assert_string_equal(look(&box, "a"), "2");
        assert_string_equal(look(&box, "b"), "(removed)");
        assert_null(look(&box, "c"));
        assert_counts(&box, 3, 0);
        assert_int_equal(outbox_last(box.outbox), 3);
        assert_int_equal(outbox_confirmed(box.outbox), 0);
        assert_sends(&box, 1, "1:bag40 a=1 2:bag40 b! 3:bag40 a=2");
        assert_sends(&box, 3, "3:bag40 a=2");
        assert_sends(&box, 4, "");
        uint64_t writer = outbox_writer(box.outbox);
        if (round == 0) {
            box_again(&box);
        } else {
            box_crash(&box);
        }
        assert_true(outbox_writer(box.outbox) == writer && writer != 0);
    }
    box_end(&box);
}

static void a_change_set_is_one_operation(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    struct operation_write writes[] = {write_of("a", "1"), write_of("b", "2"), write_of("c", NULL)};
    struct outbox_target target = to_ann(&box);
    assert_int_equal(outbox_write(box.outbox, &target, writes, 3, 1234, NULL, NULL), 0);
    assert_sends(&box, 1, "1:bag40 a=1,b=2,c!");
    assert_string_equal(look(&box, "b"), "2");
    box_end(&box);
}

static void sends_within_bytes_but_at_least_one(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    static char big[5000];
    memset(big, 'x', sizeof big - 1);
    (void)add(&box, "big", big);
    (void)add(&box, "a", "1");
    (void)add(&box, "b", "2");
    struct buf out;
    uint32_t count = 0;
    buf_init(&out, 100000);
    assert_int_equal(outbox_read(box.outbox, 1, 1000, 100, &out, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(outbox_read(box.outbox, 2, 1000, 100, &out, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_int_equal(outbox_read(box.outbox, 2, 1, 100, &out, &count, NULL), 0);
    assert_int_equal(count, 1);
    buf_free(&out);
    box_end(&box);
}

static void it_is_bounded(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    outbox_close(&box.outbox);
    assert_int_equal(outbox_open(&box.outbox, box.dir, 100000, NULL, NULL), 0);
    static char big[10000];
    memset(big, 'x', sizeof big - 1);
    struct operation_write write = write_of("big", big);
    struct outbox_target target = to_ann(&box);
    int rc = 0;
    int added = 0;
    while (added < 20 && rc == 0) {
        rc = outbox_write(box.outbox, &target, &write, 1, 1, NULL, NULL);
        added += rc == 0 ? 1 : 0;
    }
    assert_int_equal(rc, E_QUOTA);
    assert_int_equal(added, 9);
    outbox_set_alone(box.outbox, true);
    assert_int_equal(outbox_drop(box.outbox, 1, NULL), 0);
    assert_int_equal(outbox_write(box.outbox, &target, &write, 1, 1, NULL, NULL), 0);
    box_end(&box);
}

static void a_change_set_that_is_too_large_is_refused(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    static char big[1 << 20];
    memset(big, 'x', sizeof big - 1);
    struct operation_write writes[] = {write_of("a", big), write_of("b", big), write_of("c", big)};
    struct outbox_target target = to_ann(&box);
    struct err err = {0};
    assert_int_equal(outbox_write(box.outbox, &target, writes, 3, 1, NULL, &err), E_TOO_LARGE);
    assert_non_null(strstr(err.text, "3145728"));
    assert_int_equal(outbox_write(box.outbox, &target, writes, 2, 1, NULL, NULL), 0);
    assert_counts(&box, 1, 0);
    box_end(&box);
}

static void what_was_not_sent_can_be_dropped(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    (void)add(&box, "a", "2");
    assert_int_equal(outbox_drop(box.outbox, 2, NULL), 0);
    assert_string_equal(look(&box, "a"), "1");
    assert_int_equal(outbox_drop(box.outbox, 2, NULL), E_NOT_FOUND);
    box_crash(&box);
    assert_string_equal(look(&box, "a"), "1");
    assert_counts(&box, 2, 0); /* its number waits for an answer too */
    assert_sends(&box, 1, "1:bag40 a=1 2:empty");
    (void)add(&box, "b", "3");
    assert_int_equal(outbox_drop(box.outbox, 1, NULL), E_BUSY);
    assert_int_equal(outbox_drop(box.outbox, 3, NULL), 0);
    box_crash(&box); /* what may be on its way is known after a crash */
    assert_int_equal(outbox_drop(box.outbox, 1, NULL), E_BUSY);
    box_again(&box);
    (void)add(&box, "c", "4");
    box_again(&box); /* nothing was read since: 4 can't be on its way */
    assert_int_equal(outbox_drop(box.outbox, 1, NULL), E_BUSY);
    assert_int_equal(outbox_drop(box.outbox, 4, NULL), 0);
    assert_sends(&box, 1, "1:bag40 a=1 2:empty 3:empty 4:empty");
    box_end(&box);
}

static void refused_ones_are_dropped_or_tried_again(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    struct operation_write conditional = write_of("a", "1");
    conditional.has_if_seq = true;
    conditional.if_seq = 7;
    struct outbox_target target = to_ann(&box);
    assert_int_equal(outbox_write(box.outbox, &target, &conditional, 1, 1234, NULL, NULL), 0);
    (void)add(&box, "b", "2");
    assert_sends(&box, 1, "1:bag40 a=1 2:bag40 b=2");
    answer(&box, 1, E_CONDITION, 0);
    answer(&box, 2, E_QUOTA, 0);
    assert_counts(&box, 0, 2);
    assert_null(look(&box, "a"));
    uint64_t id = 0;
    assert_int_equal(outbox_retry(box.outbox, 9, &target, 1234, &id, NULL), E_NOT_FOUND);
    assert_int_equal(outbox_retry(box.outbox, 1, &target, 1234, &id, NULL), 0);
    assert_int_equal(id, 3);
    assert_string_equal(look(&box, "a"), "1");
    assert_int_equal(outbox_drop(box.outbox, 2, NULL), 0);
    assert_counts(&box, 1, 0);
    box_crash(&box);
    assert_counts(&box, 1, 0);
    struct unpacked unpacked = {0};
    struct operation op;
    struct operation_write write;
    const struct entry *entry = outbox_by_id(box.outbox, 3);
    assert_int_equal(unpack_open(&unpacked, span_of(entry->bytes, entry->size), 100), 0);
    assert_int_equal(operation_decode(&unpacked.root, &op, NULL), 0);
    assert_int_equal(operation_write_at(&op, 0, &write), 0);
    assert_false(write.has_if_seq);
    unpack_close(&unpacked);
    box_end(&box);
}

/* A child adds and tells each id when it is on disk; it is killed; all that it told is there, in
 * order, with its value. */
static void child(const char *dir, const struct owner *owner, int fd)
{
    struct outbox *outbox = NULL;
    struct outbox_target target = {.owner = owner, .bag_id = ANN_BAG};
    if (outbox_open(&outbox, dir, BOX_BYTES, NULL, NULL) != 0) {
        _exit(1);
    }
    for (;;) {
        uint64_t id = 0;
        char value[32];
        (void)snprintf(value, sizeof value, "%llu", (unsigned long long)outbox->next_id);
        struct operation_write write = write_of("counter", value);
        if (outbox_write(outbox, &target, &write, 1, 1234, &id, NULL) != 0 ||
            dprintf(fd, "%llu\n", (unsigned long long)id) < 0) {
            _exit(2);
        }
    }
}

static uint64_t run_child(struct box *box, unsigned ms)
{
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(pipe_fds[0]);
        child(box->dir, &box->ann, pipe_fds[1]);
    }
    (void)close(pipe_fds[1]);
    (void)usleep(ms * 1000);
    assert_int_equal(kill(pid, SIGKILL), 0);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    FILE *told = fdopen(pipe_fds[0], "r");
    unsigned long long id = 0;
    unsigned long long last = 0;
    while (fscanf(told, "%llu", &id) == 1) {
        last = id;
    }
    (void)fclose(told);
    return last;
}

static void nothing_that_was_told_is_lost_by_kills(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    uint64_t before = 0;
    for (unsigned cycle = 0; cycle < 20; cycle++) {
        outbox_close(&box.outbox);
        uint64_t told = run_child(&box, 20 + cycle * 3);
        box_open(&box);
        uint64_t last = outbox_last(box.outbox);
        assert_true(told == 0 || (told > before && last >= told && last <= told + 1));
        char value[32];
        (void)snprintf(value, sizeof value, "%llu", (unsigned long long)last);
        if (last > 0) {
            assert_string_equal(look(&box, "counter"), value);
        }
        before = last;
    }
    assert_true(before > 20);
    assert_counts(&box, before, 0);
    box_end(&box);
}

static void a_torn_write_goes_and_damage_is_named(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    off_t first = segment_end(box.outbox->segment);
    (void)add(&box, "b", "2");
    off_t second = segment_end(box.outbox->segment);
    box.outbox->dead = E_IO; /* as if killed */
    outbox_close(&box.outbox);
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, box.dir, "outbox.seg");
    struct buf good;
    buf_init(&good, 1 << 24);
    assert_int_equal(file_read(path, &good, NULL), 0);
    /* the newest write, half there: a sector of it still shows the pattern of a fresh file */
    uint8_t *end = good.data + second;
    uint8_t saved[SEGMENT_SECTOR];
    memcpy(saved, good.data + first, sizeof saved);
    memcpy(good.data + first, end, SEGMENT_SECTOR);
    assert_int_equal(file_replace(path, good.data, good.size, 0600, NULL), 0);
    box_open(&box);
    assert_string_equal(look(&box, "a"), "1");
    assert_null(look(&box, "b"));
    outbox_close(&box.outbox);
    /* a bit of an older batch is not a torn write: it is said, and the file is left alone */
    memcpy(good.data + first, saved, sizeof saved);
    good.data[first - 20] ^= 1;
    good.data[first - SEGMENT_SECTOR + 100] ^= 4;
    assert_int_equal(file_replace(path, good.data, good.size, 0600, NULL), 0);
    struct err err = {0};
    assert_int_equal(outbox_open(&box.outbox, box.dir, BOX_BYTES, NULL, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "outbox.seg"));
    assert_null(box.outbox);
    buf_free(&good);
    box_end(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_is_visible_and_survives),
        cmocka_unit_test(a_change_set_is_one_operation),
        cmocka_unit_test(sends_within_bytes_but_at_least_one),
        cmocka_unit_test(it_is_bounded),
        cmocka_unit_test(a_change_set_that_is_too_large_is_refused),
        cmocka_unit_test(what_was_not_sent_can_be_dropped),
        cmocka_unit_test(refused_ones_are_dropped_or_tried_again),
        cmocka_unit_test(nothing_that_was_told_is_lost_by_kills),
        cmocka_unit_test(a_torn_write_goes_and_damage_is_named),
    };
    return cmocka_run_group_tests_name("client/outbox", tests, NULL, NULL);
}
