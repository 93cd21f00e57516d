/* tests/journal/test_journal_copy.c - the journal as of one moment, in another folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/thread.h"
#include "journal/verify.h"
#include "tests/journal/journal_ground.h"

static char copy_dir[TMP_FOLDER_MAX];

static int setup_copy(void **state)
{
    int rc = setup(state);
    tmp_folder_make(copy_dir);
    return rc;
}

static int teardown_copy(void **state)
{
    tmp_folder_remove(copy_dir);
    return teardown(state);
}

/* Changes of 1 MiB but the first, which is small. Segments begin with 1, 9, 16, 23, ... */
static void append(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sample_append(journal, 1, MIB), 0);
    }
}

static struct journal_copied copy(void)
{
    struct journal_copied copied = {0};
    struct err err = {0};
    if (journal_copy(journal, copy_dir, &copied, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return copied;
}

static void file_of(char out[TMP_FOLDER_MAX], const char *dir, uint64_t base_seq)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%020llu.kbj", (unsigned long long)base_seq);
    tmp_folder_path(out, dir, name);
}

static nlink_t links(const char *dir, uint64_t base_seq)
{
    char path[TMP_FOLDER_MAX];
    struct stat info;
    file_of(path, dir, base_seq);
    return stat(path, &info) == 0 ? info.st_nlink : 0;
}

/* It ends with `head` and a clean stop, and can be opened and gone on with. */
static void check_whole(uint64_t head)
{
    struct verify_report report = {0};
    struct err err = {0};
    if (journal_verify(copy_dir, &report, NULL, NULL, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(report.last_seq, head);
    assert_int_equal(report.tail, SEGMENT_TAIL_CLEAN);
}

static void open_copy(struct journal **out)
{
    struct journal_options options = {.dir = copy_dir, .segment_bytes = SAMPLE_SEGMENT_BYTES};
    struct journal_opened found;
    struct err err = {0};
    if (journal_open(out, &options, sample_history_id, &found, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void what_is_written_later_is_not_in_it(void **state)
{
    (void)state;
    append(17);
    struct journal_position head;
    journal_head(journal, &head);
    struct journal_copied copied = copy();
    append(10);
    assert_int_equal(copied.head.seq, 17);
    assert_memory_equal(copied.head.hash, head.hash, SHA256_SIZE);
    assert_memory_equal(copied.history, sample_history_id, HISTORY_SIZE);
    assert_int_equal(copied.floor, 1);
    assert_int_equal(copied.full_files, 2);
    check_whole(17);
    assert_int_equal(links(copy_dir, 1), 2);
    assert_int_equal(links(copy_dir, 9), 2);
    assert_int_equal(links(copy_dir, 16), 1);
    struct journal *other = NULL;
    open_copy(&other);
    assert_int_equal(sample_last_seq(other, 1), 17);
    assert_int_equal(sample_append(other, 1, 100), 0);
    assert_int_equal(sample_last_seq(other, 1), 18);
    journal_close(&other, true);
    assert_int_equal(sample_last_seq(journal, 1), 27);
}

static void a_shared_file_is_not_recycled(void **state)
{
    (void)state;
    append(17);
    (void)copy();
    append(7);
    assert_int_equal(journal_drop(journal, 9, NULL, NULL), 0);
    assert_int_equal(links(sample_dir, 1), 0);
    assert_int_equal(links(copy_dir, 1), 1);
    char prepared[TMP_FOLDER_MAX];
    tmp_folder_path(prepared, sample_dir, "next.kbj.prepared");
    struct stat info;
    assert_int_not_equal(stat(prepared, &info), 0); /* of the others one would have become it */
    append(20);
    check_whole(17);
    assert_int_equal(journal_drop(journal, 30, NULL, NULL), 0);
    assert_int_equal(stat(prepared, &info), 0); /* this one was nobody else's */
    check_whole(17);
}

static void a_new_file_without_a_change_is_left_out(void **state)
{
    (void)state;
    static const uint8_t other_history[HISTORY_SIZE] = {7};
    append(10);
    assert_int_equal(journal_fork(journal, other_history, NULL), 0);
    struct journal_copied copied = copy();
    assert_int_equal(copied.head.seq, 10);
    assert_memory_equal(copied.history, sample_history_id, HISTORY_SIZE);
    assert_int_equal(links(copy_dir, 9), 1); /* it is appended to when the fork is undone */
    assert_int_equal(links(copy_dir, 11), 0);
    check_whole(10);
    reopen(NULL); /* which undoes it */
    append(3);
    check_whole(10);
}

static void a_fork_goes_with_it(void **state)
{
    (void)state;
    static const uint8_t other_history[HISTORY_SIZE] = {7};
    append(9);
    assert_int_equal(journal_fork(journal, other_history, NULL), 0);
    append(1);
    struct journal_copied copied = copy();
    assert_memory_equal(copied.history, other_history, HISTORY_SIZE);
    check_whole(10);
    struct journal *other = NULL;
    uint64_t shared = 0;
    open_copy(&other);
    assert_int_equal(journal_lineage(other, sample_history_id, &shared, NULL), 0);
    assert_int_equal(shared, 9);
    journal_close(&other, false);
}

static void without_a_change_there_is_nothing(void **state)
{
    (void)state;
    struct journal_copied copied;
    struct err err = {0};
    assert_int_equal(journal_copy(journal, copy_dir, &copied, &err), E_NOT_FOUND);
    assert_string_not_equal(err.text, "");
}

static void what_is_there_already_stays(void **state)
{
    (void)state;
    append(9);
    (void)copy();
    struct journal_copied copied;
    struct err err = {0};
    assert_int_not_equal(journal_copy(journal, copy_dir, &copied, &err), 0);
    check_whole(9);
}

static void damage_is_not_copied(void **state)
{
    (void)state;
    append(3);
    char path[TMP_FOLDER_MAX];
    file_of(path, sample_dir, 1);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 3 << 19, SEEK_SET), 0);
    assert_int_equal(fputc(0x5a, file), 0x5a);
    assert_int_equal(fclose(file), 0);
    struct journal_copied copied;
    struct err err = {0};
    assert_int_equal(journal_copy(journal, copy_dir, &copied, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "00000000000000000001.kbj"));
}

/* --- while it is written --- */

static void write_on(struct thread *self, void *context)
{
    size_t *failed = context;
    thread_ready(self, 0, NULL);
    for (int i = 0; i < 300; i++) {
        *failed += sample_append(journal, 1, 100000) != 0 ? 1 : 0;
    }
}

static void each_copy_is_whole_while_it_is_written(void **state)
{
    (void)state;
    struct thread *thread = NULL;
    size_t failed = 0;
    uint64_t before = 0;
    struct disk quick = sample_quick_disk();
    reopen(&quick);
    append(1);
    assert_int_equal(thread_start(&thread, "writes", write_on, &failed, NULL), 0);
    for (int i = 0; i < 5; i++) {
        struct journal_copied copied = copy();
        assert_true(copied.head.seq >= before);
        before = copied.head.seq;
        check_whole(copied.head.seq);
        tmp_folder_remove(copy_dir);
        tmp_folder_make(copy_dir);
    }
    thread_join(&thread);
    assert_int_equal(failed, 0);
    assert_int_equal(sample_last_seq(journal, 1), 301);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_later_is_not_in_it, setup_copy,
                                        teardown_copy),
        cmocka_unit_test_setup_teardown(a_shared_file_is_not_recycled, setup_copy, teardown_copy),
        cmocka_unit_test_setup_teardown(a_new_file_without_a_change_is_left_out, setup_copy,
                                        teardown_copy),
        cmocka_unit_test_setup_teardown(a_fork_goes_with_it, setup_copy, teardown_copy),
        cmocka_unit_test_setup_teardown(without_a_change_there_is_nothing, setup_copy,
                                        teardown_copy),
        cmocka_unit_test_setup_teardown(what_is_there_already_stays, setup_copy, teardown_copy),
        cmocka_unit_test_setup_teardown(damage_is_not_copied, setup_copy, teardown_copy),
        cmocka_unit_test_setup_teardown(each_copy_is_whole_while_it_is_written, setup_copy,
                                        teardown_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
