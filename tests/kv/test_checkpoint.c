/* tests/kv/test_checkpoint.c - a copy of the state while it is written. */
#include "kv/checkpoint.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kv/state.h"

struct ground {
    struct state state;
    char above[TMP_FOLDER_MAX]; /* on the same disk */
    char dir[TMP_FOLDER_MAX];
    uint64_t ann;
};

static void open_ground(struct ground *ground)
{
    state_open(&ground->state);
    tmp_folder_make(ground->above);
    tmp_folder_path(ground->dir, ground->above, "state");
    ground->ann = state_create(&ground->state, "user:Ann", 0);
    (void)state_put(&ground->state, ground->ann, "a", "one");
}

static void close_ground(struct ground *ground)
{
    tmp_folder_remove(ground->above);
    state_close(&ground->state);
}

static void copy(struct ground *ground)
{
    struct err err = {0};
    int rc = kv_checkpoint(ground->state.kv, ground->dir, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
}

/* Of the copy. */
static struct state open_copy(const struct ground *ground)
{
    struct state copied = {0};
    (void)snprintf(copied.dir, sizeof copied.dir, "%s", ground->dir);
    state_reopen(&copied, false);
    return copied;
}

static void the_copy_is_the_state_as_of_then(void **unused)
{
    (void)unused;
    struct ground ground;
    open_ground(&ground);
    copy(&ground);
    (void)state_put(&ground.state, ground.ann, "a", "two");
    struct state copied = open_copy(&ground);
    assert_int_equal(state_seq(&copied), 2);
    assert_string_equal(state_get(&copied, NULL, ground.ann, "a"), "=one");
    (void)state_put(&copied, ground.ann, "a", "another");
    assert_string_equal(state_get(&ground.state, NULL, ground.ann, "a"), "=two");
    kv_close(&copied.kv, true);
    assert_string_equal(state_get(&ground.state, NULL, ground.ann, "a"), "=two");
    close_ground(&ground);
}

/* What a crash would lose of the state itself is in its copy. */
static void what_was_not_flushed_is_in_it(void **unused)
{
    (void)unused;
    struct ground ground;
    open_ground(&ground);
    copy(&ground);
    state_reopen(&ground.state, false);
    assert_int_equal(state_seq(&ground.state), 2); /* it was flushed for the copy */
    close_ground(&ground);
}

static void tables_are_links(void **unused)
{
    (void)unused;
    struct ground ground;
    open_ground(&ground);
    copy(&ground);
    size_t tables = 0;
    DIR *folder = opendir(ground.dir);
    assert_non_null(folder);
    const struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        struct stat info;
        assert_int_equal(fstatat(dirfd(folder), entry->d_name, &info, 0), 0);
        if (kv_is_table(entry->d_name)) {
            tables++;
            assert_int_equal(info.st_nlink, 2);
        } else if (strncmp(entry->d_name, "MANIFEST", 8) == 0) {
            assert_int_equal(info.st_nlink, 1); /* it is appended to */
        }
    }
    assert_int_equal(closedir(folder), 0);
    assert_true(tables > 0);
    close_ground(&ground);
}

static void a_folder_that_is_there_is_refused(void **unused)
{
    (void)unused;
    struct ground ground;
    open_ground(&ground);
    copy(&ground);
    struct err err = {0};
    assert_int_not_equal(kv_checkpoint(ground.state.kv, ground.dir, &err), 0);
    assert_string_not_equal(err.text, "");
    struct state copied = open_copy(&ground); /* as it was */
    assert_string_equal(state_get(&copied, NULL, ground.ann, "a"), "=one");
    kv_close(&copied.kv, false);
    close_ground(&ground);
}

static void without_a_folder_above_nothing_is_made(void **unused)
{
    (void)unused;
    struct ground ground;
    open_ground(&ground);
    char dir[TMP_FOLDER_MAX + 32];
    struct err err = {0};
    (void)snprintf(dir, sizeof dir, "%s/missing/state", ground.above);
    assert_int_not_equal(kv_checkpoint(ground.state.kv, dir, &err), 0);
    assert_string_not_equal(err.text, "");
    close_ground(&ground);
}

static size_t files_in(const char *dir)
{
    size_t count = 0;
    DIR *folder = opendir(dir);
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    assert_int_equal(closedir(folder), 0);
    return count;
}

static void no_wrong_one(void *context, const struct kv_wrong *wrong)
{
    (void)context;
    fail_msg("%s", wrong->text);
}

static void a_copy_that_is_only_read_stays_as_it_is(void **unused)
{
    (void)unused;
    struct ground ground;
    open_ground(&ground);
    copy(&ground);
    size_t before = files_in(ground.dir);
    struct state copied = {0};
    const struct kv_options options = {ground.dir, 4 << 20, 1 << 20};
    struct err err = {0};
    int rc = kv_open_read(&copied.kv, &options, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_int_equal(state_seq(&copied), 2);
    assert_string_equal(state_get(&copied, NULL, ground.ann, "a"), "=one");
    uint64_t next = 1;
    uint64_t checked = 0;
    uint64_t wrong = 0;
    assert_int_equal(
        kv_scrub(copied.kv, &next, 1 << 20, &checked, &wrong, no_wrong_one, NULL, &err), 0);
    assert_int_equal(checked, 1);
    assert_int_equal(wrong, 0);
    kv_close(&copied.kv, false);
    assert_int_equal(files_in(ground.dir), before);
    close_ground(&ground);
}

static void where_no_copy_is_none_is_made(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    tmp_folder_make(dir);
    struct kv *kv = NULL;
    const struct kv_options options = {dir, 4 << 20, 1 << 20};
    struct err err = {0};
    assert_int_equal(kv_open_read(&kv, &options, &err), E_CORRUPT);
    assert_string_not_equal(err.text, "");
    assert_null(kv);
    assert_int_equal(files_in(dir), 2);
    tmp_folder_remove(dir);
}

static void tables_are_known_by_their_names(void **unused)
{
    (void)unused;
    assert_true(kv_is_table("000012.sst"));
    assert_false(kv_is_table(".sst"));
    assert_false(kv_is_table("MANIFEST-000004"));
    assert_false(kv_is_table(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_copy_is_the_state_as_of_then),
        cmocka_unit_test(what_was_not_flushed_is_in_it),
        cmocka_unit_test(tables_are_links),
        cmocka_unit_test(a_folder_that_is_there_is_refused),
        cmocka_unit_test(without_a_folder_above_nothing_is_made),
        cmocka_unit_test(a_copy_that_is_only_read_stays_as_it_is),
        cmocka_unit_test(where_no_copy_is_none_is_made),
        cmocka_unit_test(tables_are_known_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
