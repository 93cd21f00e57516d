/* After a crash at any call to the disk: what was acknowledged is there, the state is what the
 * journal says. And stores that do not belong together are told apart. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/server/digest.h"

/* Instead of the C library's, for RocksDB too: processes end here, the power does not, and what was
 * written is there for the next one. So a busy disk costs no minutes. */
int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

int fsync(int fd)
{
    (void)fd;
    return 0;
}

/* --- a disk that the process does not survive --- */

enum { ENDED = 9, ENDED_BETWEEN_WRITES = 10 };

static long calls_left; /* the process ends at the call that finds 0 */
static bool torn;       /* a write that it ends at is done by half */

static void count_call(void)
{
    if (calls_left-- == 0) {
        _exit(torn ? ENDED_BETWEEN_WRITES : ENDED);
    }
}

static ssize_t deadly_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    if (calls_left == 0 && torn && size > 1) {
        ssize_t half = disk_system.pwrite(context, fd, data, size / 2, offset);
        _exit(half > 0 ? ENDED : 8);
    }
    count_call();
    return disk_system.pwrite(context, fd, data, size, offset);
}

static int deadly_fdatasync(void *context, int fd)
{
    count_call();
    return disk_system.fdatasync(context, fd);
}

static int deadly_fsync(void *context, int fd)
{
    count_call();
    return disk_system.fsync(context, fd);
}

static int deadly_rename(void *context, const char *from, const char *to)
{
    count_call();
    return disk_system.rename(context, from, to);
}

static int deadly_unlink(void *context, const char *path)
{
    count_call();
    return disk_system.unlink(context, path);
}

static const struct disk deadly = {
    .pwrite = deadly_pwrite,
    .fdatasync = deadly_fdatasync,
    .fsync = deadly_fsync,
    .rename = deadly_rename,
    .unlink = deadly_unlink,
};

/* --- what is done meanwhile --- */

enum { WRITES = 4 };

/* What the process had been told when it ended, in memory that outlives it. */
struct told {
    uint64_t device;
    uint64_t device_bag;
    uint64_t user_bag;
    uint64_t acknowledged; /* of the writer */
    uint64_t deleted;      /* bag of the user who was deleted */
};

static uint64_t new_user(struct fixture *fx, const struct machine *machine, const char *name)
{
    return fx_user(fx, machine, name);
}

/* Two items in one set, always of the same number: half a set would be seen. */
static void write_pair(struct fixture *fx, const struct machine *machine, uint64_t number,
                       uint64_t bag_id)
{
    char value[16];
    (void)snprintf(value, sizeof value, "%d", (int)number);
    struct item pair[] = {{"pair/left", value, -1}, {"pair/right", value, -1}};
    fx_write_items(fx, machine, number, bag_id, 0, 0, pair, 2);
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    assert_int_equal(fx_last(fx)->reply.number, number);
}

static void live(struct fixture *fx, struct told *told)
{
    struct machine a;
    fx_join(fx, &a, 1);
    told->device_bag = a.bag;
    told->device = a.device;
    told->user_bag = new_user(fx, &a, "Ann");
    uint64_t bob = new_user(fx, &a, "Bob");
    for (uint64_t n = 1; n <= WRITES; n++) {
        write_pair(fx, &a, n, told->user_bag);
        told->acknowledged = n;
        fx_forget(fx);
    }
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "user:bob", NULL, NULL).code, 0);
    told->deleted = bob;
}

/* --- the process that ends --- */

static struct told *map_told(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof(struct told)), 0);
    struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(told != MAP_FAILED);
    (void)close(fd);
    return told;
}

/* A process of its own, not only a fork: RocksDB's threads do not survive one. Arguments: the
 * folder, the call it ends at, whether a write is torn, and where it notes what it was told. */
static int live_and_die(char **argv)
{
    struct fixture *fx = calloc(1, sizeof *fx);
    assert_non_null(fx);
    struct told *told = map_told(argv[3]);
    calls_left = strtol(argv[1], NULL, 10);
    torn = argv[2][0] == 't';
    (void)snprintf(fx->dir, sizeof fx->dir, "%s", argv[0]);
    fx_prepare(fx);
    fx->disk = &deadly;
    struct err err = {0};
    if (fx_try_open(fx, &err) != 0) {
        return 7;
    }
    live(fx, told);
    fx_close(fx, true);
    unpack_close(&fx->unpacked);
    free(fx);
    assert_int_equal(munmap(told, sizeof *told), 0);
    return 0;
}

/* What the process ended with; 0: it got through. */
static int live_until(const struct fixture *fx, long call, const char *told_path)
{
    char number[32];
    (void)snprintf(number, sizeof number, "%ld", call);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)execl("/proc/self/exe", "test_recovery", fx->dir, number, torn ? "torn" : "whole",
                    told_path, (char *)NULL);
        _exit(6);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check_told(struct fixture *fx, const struct told *told)
{
    if (told->user_bag != 0) {
        const char *left = fx_value(fx, told->user_bag, "pair/left");
        uint64_t number = strtoull(left, NULL, 10);
        assert_true(number >= told->acknowledged);
        char copy[16];
        (void)snprintf(copy, sizeof copy, "%s", left);
        assert_string_equal(copy, fx_value(fx, told->user_bag, "pair/right"));
    }
    if (told->deleted != 0) {
        struct bag_row row = {0};
        assert_int_equal(kv_bag(fx->kv, NULL, told->deleted, &row, NULL), E_BAG_GONE);
    }
}

/* The machine goes on: what it was not told it sends again, and each is done once. */
static void go_on(struct fixture *fx, const struct told *told)
{
    struct machine a = {
        .session = 1, .device = told->device, .bag = told->device_bag, .writer = 1001};
    if (told->user_bag == 0) {
        return;
    }
    for (uint64_t n = told->acknowledged + 1; n <= WRITES; n++) {
        write_pair(fx, &a, n, told->user_bag);
    }
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, told->user_bag, &row, NULL), 0);
    assert_int_equal(row.items, 2);
    struct kv_writer writer = {0};
    assert_int_equal(kv_writer(fx->kv, 1001, &writer, NULL), 0);
    assert_int_equal(writer.highest, WRITES);
    assert_int_equal(strtoull(fx_value(fx, told->user_bag, "pair/left"), NULL, 10), WRITES);
}

/* The state that was kept and the state that is made from the journal alone say the same. */
static void check_digest(struct fixture *fx)
{
    static const uint64_t writers[] = {1001};
    uint64_t kept = digest_state(fx->kv, writers, 1);
    fx_close(fx, false);
    char state_dir[TMP_FOLDER_MAX];
    tmp_folder_path(state_dir, fx->dir, "state");
    tmp_folder_remove(state_dir);
    fx_open(fx);
    assert_int_equal(digest_state(fx->kv, writers, 1), kept);
}

/* True: it got through without ending before. */
static bool crash_at(long call)
{
    struct fixture *fx = fx_new();
    char told_folder[TMP_FOLDER_MAX];
    char told_path[TMP_FOLDER_MAX];
    tmp_folder_make(told_folder);
    tmp_folder_path(told_path, told_folder, "told");
    struct told *told = map_told(told_path);
    int end = live_until(fx, call, told_path);
    assert_true(end == 0 || end == ENDED || end == ENDED_BETWEEN_WRITES);
    if (end != ENDED_BETWEEN_WRITES) { /* nothing was torn: it was looked at when all were whole */
        fx_open(fx);
        check_told(fx, told);
        go_on(fx, told);
        check_digest(fx);
    }
    fx_free(fx);
    assert_int_equal(munmap(told, sizeof *told), 0);
    tmp_folder_remove(told_folder);
    return end == 0;
}

static void crash_everywhere(void)
{
    long call = 0;
    while (!crash_at(call)) {
        call++;
        assert_true(call < 2000);
    }
    assert_true(call > 2 * WRITES); /* a write and a sync each, at least */
    print_message("killed at %ld calls\n", call);
}

static void killed_before_each_call_to_the_disk(void **state)
{
    (void)state;
    torn = false;
    crash_everywhere();
}

static void killed_in_the_middle_of_each_write(void **state)
{
    (void)state;
    torn = true;
    crash_everywhere();
}

/* --- stores that do not belong together --- */

static void copy_folder(const char *from, const char *to)
{
    char command[3 * TMP_FOLDER_MAX];
    (void)snprintf(command, sizeof command, "cp -a '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

static void expect_refusal(struct fixture *fx, int code, const char *words)
{
    struct err err = {0};
    assert_int_equal(fx_try_open(fx, &err), code);
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' lacks '%s'", err.text, words);
    }
}

static void an_older_journal_is_noticed(void **state)
{
    struct fixture *fx = *state;
    char journal[TMP_FOLDER_MAX];
    char saved[TMP_FOLDER_MAX];
    tmp_folder_path(journal, fx->dir, "journal");
    tmp_folder_path(saved, fx->dir, "saved");
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0);
    fx_close(fx, true);
    copy_folder(journal, saved);
    fx_open(fx);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "w").code, 0);
    fx_close(fx, true);
    tmp_folder_remove(journal);
    copy_folder(saved, journal);
    expect_refusal(fx, E_DIVERGED, "put back from an older copy");
    /* the same number of changes, but others */
    char state_dir[TMP_FOLDER_MAX];
    char aside[TMP_FOLDER_MAX];
    tmp_folder_path(state_dir, fx->dir, "state");
    tmp_folder_path(aside, fx->dir, "aside");
    assert_int_equal(rename(state_dir, aside), 0);
    fx_open(fx);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "other").code, 0);
    fx_close(fx, true);
    tmp_folder_remove(state_dir);
    assert_int_equal(rename(aside, state_dir), 0);
    expect_refusal(fx, E_DIVERGED, "different changes");
    tmp_folder_remove(state_dir); /* as the sentence says */
    fx_open(fx);
}

static void another_server_s_state_is_noticed(void **state)
{
    struct fixture *fx = *state;
    struct fixture *other = fx_new();
    fx_open(other);
    fx_close(fx, true);
    fx_close(other, true);
    char own[TMP_FOLDER_MAX];
    char foreign[TMP_FOLDER_MAX];
    tmp_folder_path(own, fx->dir, "state");
    tmp_folder_path(foreign, other->dir, "state");
    tmp_folder_remove(own);
    copy_folder(foreign, own);
    expect_refusal(fx, E_DIVERGED, "different histories");
    tmp_folder_remove(own);
    fx_open(fx);
    fx_free(other);
}

static uint64_t progress_seq;

static void on_progress(void *context, uint64_t seq, uint64_t head)
{
    (void)context;
    assert_true(seq <= head);
    progress_seq = seq;
}

/* More changes than one chunk: replaying goes on from where it is. */
static void a_long_journal_is_replayed_in_chunks(void **state)
{
    struct fixture *fx = *state;
    enum { SETS = 140, ITEMS = 1000 };
    struct operation_write writes[ITEMS];
    char paths[ITEMS][16];
    struct submit submit = {
        .kind = SUBMIT_WRITE, .create = true, .actor = "t", .writes = writes, .write_count = ITEMS};
    assert_int_equal(owner_parse(&submit.owner, "group:big", NULL), 0);
    for (int s = 0; s < SETS; s++) {
        for (int i = 0; i < ITEMS; i++) {
            (void)snprintf(paths[i], sizeof paths[i], "%d", i);
            writes[i] = (struct operation_write){.path = span_str(paths[i]),
                                                 .value = span_of(&s, sizeof s)};
        }
        assert_int_equal(committer_submit(fx->committer, &submit, fx, 0), 0);
        fx_run(fx);
        assert_int_equal(fx_last(fx)->reply.code, 0);
        fx_forget(fx);
    }
    committer_settle(fx->committer);
    uint64_t kept = digest_state(fx->kv, NULL, 0);
    fx_close(fx, true);
    char state_dir[TMP_FOLDER_MAX];
    tmp_folder_path(state_dir, fx->dir, "state");
    tmp_folder_remove(state_dir);
    struct recovered recovered = {0};
    struct recovery_options options = {.dir = fx->dir,
                                       .segment_bytes = 8 << 20,
                                       .memtable_bytes = 4 << 20,
                                       .cache_bytes = 4 << 20,
                                       .progress = on_progress};
    assert_int_equal(recovery_open(&recovered, &options, NULL), 0);
    assert_int_equal(recovered.replayed, 3 + 1 + SETS * ITEMS);
    assert_true(progress_seq > 130000 && progress_seq < 3 + 1 + SETS * ITEMS);
    assert_int_equal(digest_state(recovered.kv, NULL, 0), kept);
    kv_close(&recovered.kv, true);
    journal_close(&recovered.journal, true);
    fx_open(fx);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(int argc, char **argv)
{
    log_set_level(LOG_ERROR + 1);
    if (argc == 5) {
        return live_and_die(argv + 1);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_before_each_call_to_the_disk),
        cmocka_unit_test(killed_in_the_middle_of_each_write),
        TEST(an_older_journal_is_noticed),
        TEST(another_server_s_state_is_noticed),
        TEST(a_long_journal_is_replayed_in_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
