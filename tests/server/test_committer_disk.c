/* The write path when the disk fails, is full, or the state lags behind the journal. */
#include <errno.h>

#include "tests/server/fixture.h"
#include "tests/support/fail_alloc.h"

static bool sync_fails;
static bool write_fails;

static ssize_t fail_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    if (write_fails) {
        errno = EIO;
        return -1;
    }
    return disk_system.pwrite(context, fd, data, size, offset);
}

static bool disk_full;
static int other_fd = -1; /* of the segment that is there already */

/* A file that is made while the disk is full can't be written. */
static ssize_t full_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    if (!disk_full) {
        other_fd = fd;
    } else if (fd != other_fd) {
        errno = ENOSPC;
        return -1;
    }
    return disk_system.pwrite(context, fd, data, size, offset);
}

static int fail_fdatasync(void *context, int fd)
{
    if (sync_fails) {
        errno = EIO;
        return -1;
    }
    return disk_system.fdatasync(context, fd);
}

static void after_a_failed_sync_nothing_is_taken(void **state)
{
    struct fixture *fx = *state;
    static struct disk disk;
    disk = disk_system;
    disk.pwrite = fail_pwrite;
    disk.fdatasync = fail_fdatasync;
    fx_close(fx, true);
    fx->disk = &disk;
    fx_open(fx);
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    uint64_t seq = fx_write(fx, &a, 1, bag, "p", "v")->seq;
    fx_forget(fx);
    sync_fails = true;
    assert_int_equal(fx_write(fx, &a, 2, bag, "p", "w")->code, E_READ_ONLY);
    sync_fails = false;
    assert_int_equal(committer_state(fx->committer), COMMITTER_FAILED);
    assert_true(strlen(committer_state_text(fx->committer)) > 0);
    assert_int_equal(fx_write(fx, &a, 3, bag, "p", "x")->code, E_READ_ONLY);
    assert_int_equal(fx_write(fx, &a, 1, bag, "p", "v")->code, E_READ_ONLY);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:x", "p", "v").code, E_READ_ONLY);
    assert_int_equal(fx->change_count, 0);
    assert_string_equal(fx_value(fx, bag, "p"), "v");
    /* who is known may still sign in; nobody new */
    assert_int_equal(fx_sign_in(fx, &a, "Ann", NULL)->reply.code, 0);
    assert_int_equal(fx_sign_in(fx, &a, "Eve", NULL)->reply.code, E_READ_ONLY);
    struct kv_position position;
    kv_position(fx->kv, &position);
    assert_int_equal(position.seq, seq);
    fx_close(fx, false);
    fx->disk = NULL;
    fx_open(fx);
    /* whatever the disk kept: the repeat is answered, and done once */
    assert_int_equal(fx_write(fx, &a, 2, bag, "p", "w")->code, 0);
    assert_string_equal(fx_value(fx, bag, "p"), "w");
}

static bool room;

static bool has_room(void *context)
{
    (void)context;
    return room;
}

static void without_room_writes_wait(void **state)
{
    struct fixture *fx = *state;
    fx_close(fx, true);
    room = true;
    fx->has_room = has_room;
    fx_open(fx);
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    room = false;
    assert_int_equal(fx_write(fx, &a, 1, a.bag, "p", "v")->code, E_NOSPACE);
    assert_non_null(strstr(fx_last(fx)->text, "server's disk")); /* a machine has one, too */
    assert_int_equal(fx_sign_in(fx, &a, "Eve", NULL)->reply.code, E_NOSPACE);
    assert_non_null(strstr(fx_last(fx)->text, "server's disk"));
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:x", "p", "v").code, E_NOSPACE);
    assert_int_equal(committer_state(fx->committer), COMMITTER_RUNNING);
    assert_int_equal(fx->change_count, 0);
    room = true;
    assert_int_equal(fx_write(fx, &a, 1, a.bag, "p", "v")->code, 0);
}

/* The journal can't make another file. What was planned behind it in the same round waits too. */
static void a_full_disk_defers_and_is_tried_again(void **state)
{
    struct fixture *fx = *state;
    static struct disk disk;
    disk = disk_system;
    disk.pwrite = full_pwrite;
    fx_close(fx, true);
    fx->disk = &disk;
    fx_open(fx);
    struct machine a;
    fx_join(fx, &a, 1);
    char *large = calloc(1, VALUE_MAX_BYTES + 1);
    assert_non_null(large);
    memset(large, 'x', VALUE_MAX_BYTES);
    disk_full = true;
    uint64_t number = 1;
    int code = 0;
    for (; number < 20 && code == 0; number++) { /* until the first segment is full */
        code = fx_write(fx, &a, number, a.bag, "p", large)->code;
    }
    assert_int_equal(code, E_NOSPACE);
    assert_string_equal(fx_last(fx)->text, err_meaning(E_NOSPACE)); /* no path of the server's */
    assert_int_equal(committer_state(fx->committer), COMMITTER_RUNNING);
    disk_full = false;
    assert_int_equal(fx_write(fx, &a, number, a.bag, "q", "v")->code, E_DEFERRED);
    assert_int_equal(fx_write(fx, &a, number - 1, a.bag, "p", large)->code, 0);
    assert_int_equal(fx_write(fx, &a, number, a.bag, "q", "v")->code, 0);
    free(large);
}

static int apply_fault;

static int failing_apply(struct kv *kv, const struct change *changes, size_t count,
                         const uint8_t hash[SHA256_SIZE], struct err *err)
{
    return apply_fault != 0 ? err_set(err, apply_fault, "the test lets it fail")
                            : kv_apply(kv, changes, count, hash, err);
}

static void a_state_that_lags_is_opened_again(void **state)
{
    struct fixture *fx = *state;
    fx_close(fx, true);
    fx->apply = failing_apply;
    fx_open(fx);
    struct machine a;
    fx_join(fx, &a, 1);
    fx_forget(fx);
    apply_fault = E_IO;
    assert_int_equal(fx_write(fx, &a, 1, a.bag, "p", "v")->code, 0); /* it is in the journal */
    assert_int_equal(fx->change_count, 1);
    apply_fault = 0;
    assert_int_equal(committer_state(fx->committer), COMMITTER_BEHIND);
    assert_true(strlen(committer_state_text(fx->committer)) > 0);
    assert_int_equal(fx_write(fx, &a, 2, a.bag, "p", "w")->code, E_READ_ONLY);
    assert_int_equal(committer_release(fx->committer, NULL), 0);
    kv_close(&fx->kv, false);
    struct recovery_options options = {
        .dir = fx->dir, .memtable_bytes = 4 << 20, .cache_bytes = 4 << 20};
    uint64_t replayed = 0;
    assert_int_equal(recovery_open_state(&fx->kv, fx->journal, &options, &replayed, NULL), 0);
    assert_true(replayed >= 1);
    committer_recovered(fx->committer, fx->kv);
    const struct reply *reply = fx_write(fx, &a, 1, a.bag, "p", "v");
    assert_int_equal(reply->code, 0);
    assert_int_equal(fx->change_count, 1); /* the outcome of what was taken up */
    assert_int_equal(fx_write(fx, &a, 2, a.bag, "p", "w")->code, 0);
    assert_string_equal(fx_value(fx, a.bag, "p"), "w");
}

/* A dying disk takes the journal first: that the state lacks what was answered is still known. */
static void both_fail(void **state)
{
    struct fixture *fx = *state;
    static struct disk disk;
    disk = disk_system;
    disk.fdatasync = fail_fdatasync;
    fx_close(fx, true);
    fx->disk = &disk;
    fx->apply = failing_apply;
    fx_open(fx);
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t bag = fx_user(fx, &a, "Ann");
    struct sign_in eve = {.session = a.session,
                          .device = a.device,
                          .device_bag = a.bag,
                          .ref = 6,
                          .user = SPAN_LITERAL("Eve")};
    committer_sign_in(fx->committer, &eve);
    committer_commit(fx->committer); /* kv/ takes it in after it was delivered */
    struct item item = {"p", "v", -1};
    fx_write_items(fx, &a, 1, bag, 0, 0, &item, 1);
    assert_false(committer_is_behind(fx->committer));
    fx_forget(fx);
    sync_fails = true;
    apply_fault = E_IO;
    fx_run(fx);
    sync_fails = false;
    apply_fault = 0;
    assert_int_equal(committer_state(fx->committer), COMMITTER_FAILED);
    assert_true(committer_is_behind(fx->committer));
    /* who was registered is not gone */
    assert_int_equal(fx->replies[0].reply.kind, REPLY_SIGNED_IN);
    assert_int_equal(fx->replies[0].reply.code, 0);
    eve.bag_id = fx->replies[0].bags[0].bag_id;
    committer_sign_in(fx->committer, &eve);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, E_BUSY);
    fx_close(fx, false);
    fx->disk = NULL;
    fx_open(fx);
    committer_sign_in(fx->committer, &eve);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
}

/* --- no memory --- */

/* Whatever was lost on the way: after the repeat the operation is done, once. */
static void repeat_until_done(struct fixture *fx, const struct machine *machine, uint64_t number)
{
    if (committer_state(fx->committer) != COMMITTER_RUNNING) {
        fx_close(fx, false);
        fx_open(fx);
    }
    char value[16];
    (void)snprintf(value, sizeof value, "%d", (int)number);
    fx_forget(fx);
    assert_int_equal(fx_write(fx, machine, number, machine->bag, "p", value)->code, 0);
    assert_string_equal(fx_value(fx, machine->bag, "p"), value);
    struct kv_writer writer = {0};
    assert_int_equal(kv_writer(fx->kv, machine->writer, &writer, NULL), 0);
    assert_int_equal(writer.highest, number);
}

static void every_allocation_fails_once(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    struct buf bytes;
    buf_init(&bytes, 1000);
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        char value[16];
        (void)snprintf(value, sizeof value, "%u", nth);
        struct operation_write write = {.path = SPAN_LITERAL("p"), .value = span_str(value)};
        struct operation_from from = {
            .session = 1, .device = a.device, .device_bag = a.bag, .writer = a.writer};
        buf_reset(&bytes);
        operation_begin_write(&bytes, nth, a.bag, 0, UINT64_MAX >> 1, 1);
        operation_put_write(&bytes, &write);
        assert_int_equal(unpack_open(&fx->unpacked, buf_span(&bytes), 100), 0);
        fx_forget(fx);
        fail_alloc_at(nth);
        int rc = committer_operation(fx->committer, &from, &fx->unpacked.root, NULL);
        fx_run(fx);
        failed = fail_alloc_stop();
        assert_int_equal(rc, 0);
        fx_run(fx); /* what found no memory then */
        assert_true(fx->reply_count <= 1);
        if (fx->reply_count == 1) {
            int code = fx->replies[0].reply.code;
            assert_true(code == 0 || wire_deferred(code));
        }
        repeat_until_done(fx, &a, nth);
        assert_true(nth < 500);
    }
    buf_free(&bytes);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(after_a_failed_sync_nothing_is_taken),
        TEST(both_fail),
        TEST(without_room_writes_wait),
        TEST(a_full_disk_defers_and_is_tried_again),
        TEST(a_state_that_lags_is_opened_again),
        TEST(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
