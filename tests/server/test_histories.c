/* How a history begins. */
#include "server/histories.h"

#include <errno.h>

#include "tests/server/fixture.h"

static void a_new_server_has_its_two_bags(void **state)
{
    struct fixture *fx = *state;
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, 2, &row, NULL), 0);
    assert_int_equal(row.owner.kind, OWNER_SERVER);
    assert_int_equal(kv_bag(fx->kv, NULL, 3, &row, NULL), 0);
    assert_int_equal(row.owner.kind, OWNER_FLEET);
    struct kv_position position = {0};
    uint8_t history[HISTORY_SIZE];
    kv_position(fx->kv, &position);
    journal_history(fx->journal, history);
    assert_int_equal(position.seq, 3);
    assert_memory_equal(position.history, history, HISTORY_SIZE);
}

static void a_state_without_them_is_damaged(void **state)
{
    (void)state;
    struct err err = {0};
    struct draft *draft = NULL;
    char dir[TMP_FOLDER_MAX];
    tmp_folder_make(dir);
    struct kv *kv = NULL;
    struct kv_options options = {.dir = dir, .memtable_bytes = 1 << 20, .cache_bytes = 1 << 20};
    assert_int_equal(kv_open(&kv, &options, NULL), 0);
    assert_int_equal(draft_new(&draft), 0);
    struct plan plan = {.draft = draft};
    assert_int_equal(overlay_open(&plan.overlay, kv), 0);
    assert_int_equal(histories_load(&plan, &err), E_CORRUPT);
    assert_true(strlen(err.text) > 0);
    plan_free(&plan);
    draft_free(&draft);
    kv_close(&kv, false);
    tmp_folder_remove(dir);
}

static struct submit fork_now(struct fixture *fx)
{
    struct submit submit = {.kind = SUBMIT_FORK, .actor = "test"};
    assert_int_equal(committer_submit(fx->committer, &submit, fx, 1), 0);
    fx_run(fx);
    submit_finish(&submit, &fx_last(fx)->reply);
    return submit;
}

static void a_fork_names_its_parent(void **state)
{
    struct fixture *fx = *state;
    uint8_t parent[HISTORY_SIZE];
    uint8_t now[HISTORY_SIZE];
    struct journal_position head = {0};
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0);
    journal_history(fx->journal, parent);
    journal_head(fx->journal, &head);
    fx_forget(fx);
    struct submit fork = fork_now(fx);
    assert_int_equal(fork.code, 0);
    assert_int_equal(fork.seq, head.seq + 1);
    journal_history(fx->journal, now);
    assert_memory_not_equal(now, parent, HISTORY_SIZE);
    assert_int_equal(fx->change_count, 1);
    const struct change *change = &fx->changes[0].change;
    assert_int_equal(change->kind, CHANGE_HISTORY);
    assert_memory_equal(change->history.id, now, HISTORY_SIZE);
    assert_memory_equal(change->history.parent, parent, HISTORY_SIZE);
    assert_memory_equal(change->history.parent_hash, head.hash, SHA256_SIZE);
    assert_int_equal(change->history.parent_seq, head.seq);
    uint64_t resume_seq = 0;
    assert_int_equal(journal_lineage(fx->journal, parent, &resume_seq, NULL), 0);
    assert_int_equal(resume_seq, head.seq);
    struct kv_position position = {0};
    kv_position(fx->kv, &position);
    assert_memory_equal(position.history, now, HISTORY_SIZE);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "w").code, 0);
    fx_close(fx, true);
    fx_open(fx);
    journal_history(fx->journal, parent);
    assert_memory_equal(now, parent, HISTORY_SIZE);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "x").code, 0);
}

/* What was planned before it is of the old history, what comes behind it of the new one. */
static void a_fork_stands_alone_in_its_batch(void **state)
{
    struct fixture *fx = *state;
    struct submit write = {.actor = "test", .create = true};
    struct submit fork = {.kind = SUBMIT_FORK, .actor = "test"};
    assert_int_equal(owner_parse(&write.owner, "user:ann", NULL), 0);
    assert_int_equal(committer_submit(fx->committer, &write, fx, 0), 0);
    assert_int_equal(committer_submit(fx->committer, &fork, fx, 1), 0);
    assert_int_equal(owner_parse(&write.owner, "user:bob", NULL), 0);
    assert_int_equal(committer_submit(fx->committer, &write, fx, 2), 0);
    fx_run(fx);
    assert_int_equal(fx->reply_count, 3);
    assert_int_equal(fx->changes[1].change.kind, CHANGE_HISTORY);
    assert_int_equal(fx->changes[1].change.history.parent_seq, fx->changes[0].change.seq);
    assert_string_equal(fx->order + fx->order_count - 6, "rcrcrc");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fx->replies[i].reply.code, 0);
        assert_int_equal(fx->replies[i].reply.seq, fx->changes[i].change.seq);
    }
}

static void forks_may_follow_each_other(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(fork_now(fx).code, 0);
    assert_int_equal(fork_now(fx).code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0);
    assert_int_equal(committer_state(fx->committer), COMMITTER_RUNNING);
}

static int disk_fault;

static int failing_fdatasync(void *context, int fd)
{
    if (disk_fault == 1) {
        errno = EIO;
        return -1;
    }
    disk_fault -= disk_fault > 1;
    return disk_system.fdatasync(context, fd);
}

/* Whenever the disk fails: either nothing has happened, or nothing more is written, and a restart
 * goes on with the one history or the other. */
static void a_fork_that_fails_is_taken_back(void **state)
{
    struct fixture *fx = *state;
    static struct disk disk;
    disk = disk_system;
    disk.fdatasync = failing_fdatasync;
    bool done = false;
    for (int nth = 1; !done; nth++) {
        fx_close(fx, true);
        fx->disk = &disk;
        fx_open(fx);
        assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0);
        disk_fault = nth + 1;
        if (nth == 1) {
            disk_fault = 1;
        }
        int code = fork_now(fx).code;
        done = disk_fault > 1;
        disk_fault = 0;
        assert_true(done == (code == 0));
        if (!done && committer_state(fx->committer) == COMMITTER_RUNNING) {
            assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "w").code, 0);
        }
        fx_close(fx, false);
        fx_open(fx);
        assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "x").code, 0);
        assert_true(nth < 20);
    }
}

/* The state is of the parent: the fork is among what is replayed. */
static void a_state_that_lags_behind_a_fork_is_brought_up(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0);
    uint64_t flushed = 0;
    assert_int_equal(kv_flush(fx->kv, &flushed, NULL), 0);
    assert_int_equal(fork_now(fx).code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "w").code, 0);
    uint64_t head = fx_last(fx)->reply.seq;
    fx_close(fx, false); /* what was not flushed is lost */
    fx_open(fx);
    struct kv_position position = {0};
    uint8_t history[HISTORY_SIZE];
    kv_position(fx->kv, &position);
    journal_history(fx->journal, history);
    assert_int_equal(position.seq, head);
    assert_memory_equal(position.history, history, HISTORY_SIZE);
    assert_true(flushed < head);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_server_has_its_two_bags),
        TEST(a_fork_names_its_parent),
        TEST(a_fork_stands_alone_in_its_batch),
        TEST(forks_may_follow_each_other),
        TEST(a_fork_that_fails_is_taken_back),
        TEST(a_state_that_lags_behind_a_fork_is_brought_up),
        cmocka_unit_test(a_state_without_them_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
