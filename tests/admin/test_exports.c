/* Tests of admin/exports.c: which exports there are, until when, and that nothing stays. */
#include "tests/admin/exports_samples.h"

#include <dirent.h>

/* Names in the folder: there are none, ever. */
static size_t names_in_folder(void)
{
    size_t count = 0;
    DIR *dir = opendir(sample.dir);
    assert_non_null(dir);
    for (const struct dirent *file; (file = readdir(dir)) != NULL;) {
        count += file->d_name[0] != '.';
    }
    (void)closedir(dir);
    return count;
}

/* Bytes of files that are open in the folder, and have no name. */
static uint64_t bytes_kept(void)
{
    uint64_t bytes = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    for (const struct dirent *file; (file = readdir(dir)) != NULL;) {
        char target[PATH_MAX];
        struct stat st;
        ssize_t size = readlinkat(dirfd(dir), file->d_name, target, sizeof target - 1);
        target[size > 0 ? size : 0] = '\0';
        if (strncmp(target, sample.dir, strlen(sample.dir)) == 0 &&
            fstatat(dirfd(dir), file->d_name, &st, 0) == 0 && st.st_nlink == 0) {
            bytes += (uint64_t)st.st_size;
        }
    }
    (void)closedir(dir);
    return bytes;
}

static void one_is_there_until_its_time_is_over(void **state)
{
    (void)state;
    struct admin_export made = sample_prepared("user:ann");
    struct admin_export found;
    struct admin_export all[EXPORTS_MAX];
    assert_int_equal(strlen(made.id), 16);
    assert_int_equal(made.left_ms, SAMPLE_KEEP_MS);
    assert_int_equal(made.expires_ms, 1700000000000 + SAMPLE_KEEP_MS);
    assert_int_equal(made.seq, fake_head(&sample.fake));
    assert_string_equal(made.by, "admin");
    assert_int_equal(names_in_folder(), 0);
    assert_true(bytes_kept() > made.size && made.size > 0);
    sample.time.mono_ms += SAMPLE_KEEP_MS - 1;
    assert_int_equal(admin_exports_list(sample.exports, all), 1);
    assert_int_equal(admin_exports_get(sample.exports, made.id, &found, NULL), 0);
    assert_int_equal(found.left_ms, 1);
    sample.time.mono_ms += 1;
    struct err err = {0};
    assert_int_equal(admin_exports_get(sample.exports, made.id, &found, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "Prepare it again"));
    assert_int_equal(admin_exports_list(sample.exports, all), 0);
    assert_int_equal(bytes_kept(), 0);
}

/* Without anybody asking. */
static void its_files_go_by_themselves(void **state)
{
    (void)state;
    (void)sample_prepared("user:ann");
    sample.time.mono_ms += SAMPLE_KEEP_MS;
    for (int i = 0; i < 1000 && bytes_kept() > 0; i++) {
        (void)usleep(10000);
    }
    assert_int_equal(bytes_kept(), 0);
}

static void who_began_in_time_reads_to_the_end(void **state)
{
    (void)state;
    struct admin_export made = sample_prepared("user:ann");
    int fd = -1;
    assert_int_equal(admin_exports_open(sample.exports, made.id, &made, &fd, NULL), 0);
    sample.time.mono_ms += SAMPLE_KEEP_MS;
    assert_int_equal(admin_exports_get(sample.exports, made.id, &made, NULL), E_NOT_FOUND);
    assert_non_null(strstr(sample_read_snapshot(fd, ""), "copy/default=2-sided"));
    assert_true(bytes_kept() > 0);
    (void)close(fd);
    assert_int_equal(bytes_kept(), 0);
}

static void one_is_removed_at_once(void **state)
{
    (void)state;
    struct admin_export one = sample_prepared("user:ann");
    struct admin_export other = sample_prepared("user:bob");
    struct admin_export all[EXPORTS_MAX];
    assert_int_equal(admin_exports_remove(sample.exports, one.id, NULL), 0);
    assert_int_equal(admin_exports_remove(sample.exports, one.id, NULL), E_NOT_FOUND);
    assert_int_equal(admin_exports_list(sample.exports, all), 1);
    assert_string_equal(all[0].id, other.id);
    assert_int_equal(admin_exports_remove(sample.exports, other.id, NULL), 0);
    assert_int_equal(bytes_kept(), 0);
}

static void a_stop_leaves_nothing(void **state)
{
    (void)state;
    (void)sample_prepared("");
    assert_true(bytes_kept() > 0);
    admin_exports_stop(&sample.exports);
    assert_int_equal(bytes_kept(), 0);
    assert_int_equal(names_in_folder(), 0);
}

static void a_start_removes_what_a_crash_left(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    admin_exports_stop(&sample.exports);
    tmp_folder_path(path, sample.dir, "export-a1b2c3");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    const struct admin_exports_options options = sample_options();
    assert_int_equal(admin_exports_start(&sample.exports, &options, NULL), 0);
    assert_int_equal(names_in_folder(), 0);
}

static void no_more_than_the_limits(void **state)
{
    (void)state;
    struct admin_export_order order = {.form = {.personal = true}};
    struct admin_export out;
    struct err err = {0};
    assert_int_equal(sample_prepare("user:a user:b user:c user:d", &order, &out, &err), E_INVALID);
    assert_non_null(strstr(err.text, "4 users were chosen; at most 3 may be at once"));
    assert_int_equal(sample_prepare("group:a group:b", &order, &out, &err), E_INVALID);
    assert_non_null(strstr(err.text, "2 groups"));
    assert_int_equal(sample_prepare("user:a user:b user:c", &order, &out, &err), E_NOT_FOUND);
    assert_string_equal(err.text, "no user 'a' is registered");
    order.form.personal = false;
    assert_int_equal(sample_prepare("user:ann", &order, &out, &err), E_INVALID);
    order.form.personal = true;
    order.owner_count = 0;
    order.all = false;
    assert_int_equal(
        admin_exports_prepare(sample.exports, &sample.fake.backend, &order, &out, &err), E_INVALID);
    assert_int_equal(bytes_kept(), 0);
}

static void no_more_than_so_many_at_once(void **state)
{
    (void)state;
    struct admin_export_order order = {.form = {.personal = true}};
    struct admin_export first = sample_prepared("user:bob");
    struct admin_export out;
    struct err err = {0};
    for (int i = 1; i < EXPORTS_MAX; i++) {
        (void)sample_prepared("user:bob");
    }
    assert_int_equal(sample_prepare("user:bob", &order, &out, &err), E_QUOTA);
    assert_int_equal(admin_exports_remove(sample.exports, first.id, NULL), 0);
    assert_int_equal(sample_prepare("user:bob", &order, &out, &err), 0);
}

static void the_disks_reserve_is_not_touched(void **state)
{
    (void)state;
    struct admin_export_order order = {.form = {.personal = true}};
    struct admin_export out;
    struct err err = {0};
    sample.fake.status.reserve_bytes = UINT64_MAX;
    assert_int_equal(sample_prepare("user:bob", &order, &out, &err), E_NOSPACE);
    assert_non_null(strstr(err.text, "nearly full"));
    assert_int_equal(bytes_kept(), 0);
}

static void the_file_is_made_anew(void **state)
{
    (void)state;
    struct admin_export made = sample_prepared("user:ann group:sales");
    struct admin_export again;
    int fd = -1;
    assert_int_equal(admin_exports_open(sample.exports, made.id, &again, &fd, NULL), 0);
    const struct admin_export_form form = {.groups = true, .password = SPAN_LITERAL("s")};
    sample.time.mono_ms += 1000;
    assert_int_equal(admin_exports_shape(sample.exports, made.id, &form, &again, NULL), 0);
    assert_int_equal(again.version, 2);
    assert_int_equal(again.left_ms, SAMPLE_KEEP_MS - 1000); /* its time goes on */
    assert_true(again.has_password && again.has_groups && !again.has_personal);
    assert_string_equal(sample_snapshot(made.id, "s"),
                        "group:sales address-list/group/zoe={\"name\":\"Zoe\"}");
    assert_non_null(strstr(sample_read_snapshot(fd, ""), "user:Ann")); /* who has it reads on */
    (void)close(fd);
    assert_int_equal(admin_exports_shape(sample.exports, "0123456789abcdef", &form, &again, NULL),
                     E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXPORTS_TEST(one_is_there_until_its_time_is_over),
        EXPORTS_TEST(its_files_go_by_themselves),
        EXPORTS_TEST(who_began_in_time_reads_to_the_end),
        EXPORTS_TEST(one_is_removed_at_once),
        EXPORTS_TEST(a_stop_leaves_nothing),
        EXPORTS_TEST(a_start_removes_what_a_crash_left),
        EXPORTS_TEST(no_more_than_the_limits),
        EXPORTS_TEST(no_more_than_so_many_at_once),
        EXPORTS_TEST(the_disks_reserve_is_not_touched),
        EXPORTS_TEST(the_file_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
