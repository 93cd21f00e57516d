/* tests/client/test_outbox.c - adding, sending, dropping, and what a crash leaves. */
#include "tests/client/outbox_samples.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "tests/support/fail_alloc.h"

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

/* The largest, of items that are of one machine alone. */
static void the_largest_change_set(void **state)
{
    (void)state;
    struct box box;
    struct err err = {0};
    static char paths[OPERATION_WRITES_MAX][8];
    static struct operation_write writes[OPERATION_WRITES_MAX];
    box_begin(&box);
    for (size_t i = 0; i < OPERATION_WRITES_MAX; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "p%zu", i);
        writes[i] = write_of(paths[i], "v");
        writes[i].has_if_seq = true;
        writes[i].device = true;
    }
    struct outbox_target target = to_ann(&box);
    int rc = outbox_write(box.outbox, &target, writes, OPERATION_WRITES_MAX, 1234, NULL, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    box_again(&box);
    assert_string_equal(look(&box, "p9999"), "v");
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
    assert_int_equal(outbox_retry(box.outbox, 9, &target, NULL, NULL, 1234, &id, NULL),
                     E_NOT_FOUND);
    assert_int_equal(outbox_retry(box.outbox, 1, &target, NULL, NULL, 1234, &id, NULL), 0);
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

/* --- every allocation fails once --- */

/* What an application was told to be safe. */
struct promised {
    bool bob, a, b, c;
};

/* E_IO: the file was made small, and the new one could not be opened for want of memory; whichever
 * of the two has the name, nothing more is taken until it is opened again. */
static void assert_no_memory(int rc)
{
    assert_true(rc == 0 || rc == E_NOMEM || rc == E_IO);
}

static bool try_add(struct box *box, const struct outbox_target *target, const char *path,
                    uint64_t *id)
{
    struct operation_write write = write_of(path, "value");
    int rc = outbox_write(box->outbox, target, &write, 1, 1234, id, NULL);
    if (rc != E_BAG_GONE) { /* when no CREATE was made */
        assert_no_memory(rc);
    }
    return rc == 0;
}

static int count_item(void *context, struct span path, const struct span *value, uint64_t time_ms,
                      struct err *err)
{
    (void)path;
    (void)value;
    (void)time_ms;
    (void)err;
    ++*(unsigned *)context;
    return 0;
}

static void answer_all(struct box *box)
{
    struct buf sent;
    uint32_t count = 0;
    buf_init(&sent, 1 << 20);
    int rc = outbox_read(box->outbox, 1, 100, 65000, &sent, &count, NULL);
    assert_no_memory(rc);
    buf_free(&sent);
    for (uint64_t number = 1; number <= outbox_last(box->outbox); number++) {
        struct outbox_told told = {0};
        const struct entry *entry = outbox_window_at(box->outbox, number);
        bool b = entry->write_count > 0 && span_equal(entry->writes[0].path, span_str("b"));
        const struct outbox_answer said = {.number = number,
                                           .code = b ? E_CONDITION : 0,
                                           .seq = 100 + number,
                                           .text = span_str("because")};
        outbox_outcome(box->outbox, &said, &told);
    }
}

static void use_it_all(struct box *box, const struct owner *bob, struct promised *promised)
{
    struct outbox_target ann = to_ann(box);
    struct outbox_target to_bob = {.owner = bob};
    uint64_t ids[3] = {0};
    unsigned items = 0;
    int rc = outbox_create(box->outbox, bob, 1234, &to_bob.made_by, NULL);
    assert_no_memory(rc);
    promised->bob = try_add(box, &to_bob, "for-bob", NULL);
    promised->a = try_add(box, &ann, "a", &ids[0]);
    promised->b = try_add(box, &ann, "b", &ids[1]);
    answer_all(box);
    promised->c = try_add(box, &ann, "c", &ids[2]);
    rc = outbox_items(box->outbox, &box->ann, span_str(""), count_item, &items, NULL);
    assert_no_memory(rc);
    rc = outbox_retry(box->outbox, ids[1], &ann, NULL, NULL, 1234, NULL, NULL);
    if (rc != E_NOT_FOUND) { /* when there is no refused one */
        assert_no_memory(rc);
    }
    rc = outbox_flush(box->outbox, NULL);
    assert_no_memory(rc);
    rc = outbox_renumber(box->outbox, NULL);
    assert_no_memory(rc);
    outbox_set_alone(box->outbox, true);
    rc = outbox_renumber(box->outbox, NULL);
    assert_no_memory(rc);
}

static void check_promises(struct box *box, const struct owner *bob,
                           const struct promised *promised)
{
    bool removed = false;
    uint64_t time_ms = 0;
    uint64_t pending = 0;
    uint64_t refused = 0;
    box_open(box);
    outbox_counts(box->outbox, &pending, &refused);
    assert_true(!promised->a || look(box, "a") != NULL);
    assert_true(!promised->b || look(box, "b") != NULL || refused > 0);
    assert_true(!promised->c || look(box, "c") != NULL);
    assert_true(!promised->bob || outbox_lookup(box->outbox, bob, span_str("for-bob"), NULL,
                                                &removed, &time_ms) == 0);
    assert_int_equal(outbox_retry(box->outbox, 999, NULL, NULL, NULL, 0, NULL, NULL), E_NOT_FOUND);
    (void)add(box, "later", "1"); /* it takes writes as before */
}

static int no_sync(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct owner bob;
    struct disk quick = disk_system;
    quick.fdatasync = no_sync;
    assert_int_equal(owner_make(&bob, OWNER_USER, span_str("Bob"), 0, NULL), 0);
    unsigned nth = 1;
    for (bool failed = true; failed; nth++) {
        struct box box;
        struct promised promised = {0};
        box_begin(&box);
        outbox_close(&box.outbox);
        fail_alloc_at(nth);
        int rc = outbox_open(&box.outbox, box.dir, BOX_BYTES, &quick, NULL);
        if (rc == 0) {
            use_it_all(&box, &bob, &promised);
        }
        failed = fail_alloc_stop();
        assert_true(rc == 0 || (failed && rc == E_NOMEM));
        outbox_close(&box.outbox);
        check_promises(&box, &bob, &promised);
        box_end(&box);
    }
    assert_true(nth > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_is_visible_and_survives),
        cmocka_unit_test(a_change_set_is_one_operation),
        cmocka_unit_test(the_largest_change_set),
        cmocka_unit_test(sends_within_bytes_but_at_least_one),
        cmocka_unit_test(it_is_bounded),
        cmocka_unit_test(a_change_set_that_is_too_large_is_refused),
        cmocka_unit_test(what_was_not_sent_can_be_dropped),
        cmocka_unit_test(refused_ones_are_dropped_or_tried_again),
        cmocka_unit_test(nothing_that_was_told_is_lost_by_kills),
        cmocka_unit_test(a_torn_write_goes_and_damage_is_named),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("client/outbox", tests, NULL, NULL);
}
