/* Tests of admin/exports_shape.c: what may leave, and in which form. */
#include "tests/admin/exports_samples.h"

#include <fcntl.h>

#include "admin/exports_inside.h"

static void secrets_stay_without_a_password(void **state)
{
    (void)state;
    struct admin_export made = sample_prepared("user:ann");
    const char *text = sample_snapshot(made.id, "");
    assert_null(strstr(text, "keychain"));
    assert_null(strstr(text, "copy/previous"));
    assert_int_equal(made.counts.secrets, 1);
    assert_int_equal(made.counts.left_out, 2);
    assert_int_equal(made.counts.items, 2 + 2); /* and the catalogue's rows */
}

static void secrets_leave_with_one(void **state)
{
    (void)state;
    struct admin_export made;
    struct admin_export_order order = {
        .form = {.personal = true, .password = SPAN_LITERAL("a password")}};
    assert_int_equal(sample_prepare("user:ann", &order, &made, NULL), 0);
    const char *text = sample_snapshot(made.id, "a password");
    assert_non_null(strstr(text, "keychain/mail=ann's secret"));
    assert_null(strstr(text, "copy/previous")); /* never exported */
    assert_int_equal(made.counts.secrets, 0);
    assert_int_equal(made.counts.left_out, 1);
}

/* The bytes of the file do not hold it, whatever they mean. */
static void no_trace_of_a_secret(void **state)
{
    (void)state;
    struct admin_export made = sample_prepared("user:ann");
    static uint8_t bytes[64 << 10];
    int fd = -1;
    assert_int_equal(admin_exports_open(sample.exports, made.id, &made, &fd, NULL), 0);
    ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    assert_int_equal(size, made.size);
    assert_null(memmem(bytes, (size_t)size, "ann's secret", 12));
    (void)close(fd);
}

/* A new one of this test's own. */
static int sample_file(void)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, sample.dir, "export-test");
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    return fd;
}

/* Fails safe: without a catalogue, what a keychain is stays secret all the same. */
static void without_a_catalogue(void **state)
{
    (void)state;
    struct admin_catalogue none = {.read = true};
    struct owner ann = {0};
    assert_int_equal(owner_make(&ann, OWNER_USER, SPAN_LITERAL("ann"), 0, NULL), 0);
    assert_int_equal(exports_choose(&none, &ann, SPAN_LITERAL("keychain/x")), SNAPSHOT_SECRET);
    assert_int_equal(exports_choose(&none, &ann, SPAN_LITERAL("network/key")), SNAPSHOT_SECRET);
    assert_int_equal(exports_choose(&none, &ann, SPAN_LITERAL("@default/keychain/x")),
                     SNAPSHOT_SECRET);
    assert_int_equal(exports_choose(&none, &ann, SPAN_LITERAL("color")), SNAPSHOT_TAKE);
}

static void only_what_was_chosen(void **state)
{
    (void)state;
    struct admin_export made;
    struct admin_export_order order = {.form = {.groups = true}};
    assert_int_equal(sample_prepare("", &order, &made, NULL), 0);
    assert_string_equal(sample_snapshot(made.id, ""),
                        "group:sales address-list/group/zoe={\"name\":\"Zoe\"}");
    assert_int_equal(made.counts.users, 0);
    assert_int_equal(made.users, 2);
    order.form = (struct admin_export_form){.personal = true};
    assert_int_equal(sample_prepare("", &order, &made, NULL), 0);
    assert_null(strstr(sample_snapshot(made.id, ""), "group:"));
}

static void room_is_looked_at(void **state)
{
    (void)state;
    struct err err = {0};
    int fd = open(sample.dir, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(exports_check_room(fd, 0, &err), 0);
    assert_int_equal(exports_check_room(fd, UINT64_MAX, &err), E_NOSPACE);
    (void)close(fd);
    assert_int_equal(exports_check_room(-1, 0, &err), E_SYSTEM);
}

/* Also by what is made of a base that there was room for. */
static void the_disks_reserve_stays_free(void **state)
{
    (void)state;
    static const uint8_t key[SNAPSHOT_KEY_SIZE] = {1};
    static atomic_bool given_up;
    struct admin_export out = {.users = 0};
    struct err err = {0};
    uint64_t reserve_bytes = 1;
    uint64_t size = 0;
    const struct admin_export_form form = {.personal = true};
    const struct admin_export_order order = {.all = true, .form = form, .actor = "boss"};
    struct exports_base base = {.key = key};
    base.fd = sample_file();
    int fd = sample_file();
    const struct exports_gathering gathering = {.backend = &sample.fake.backend,
                                                .order = &order,
                                                .name = "here",
                                                .secret_key = sample.secret_key,
                                                .key = key,
                                                .fd = base.fd,
                                                .out = &out,
                                                .reserve_bytes = &reserve_bytes};
    sample.fake.status.reserve_bytes = 4096;
    assert_int_equal(exports_gather(&gathering, &err), 0);
    assert_int_equal(reserve_bytes, 4096);
    const struct exports_shaping shaping = {.base_fd = base.fd,
                                            .key = key,
                                            .secret_key = sample.secret_key,
                                            .form = &form,
                                            .fd = fd,
                                            .reserve_bytes = UINT64_MAX};
    assert_int_equal(exports_shape(&shaping, &out.counts, &err), E_NOSPACE);
    const struct admin_export_lists lists = {
        .format = ADMIN_FORMAT_CSV, .given_up = &given_up, .addresses = &out.personal_addresses};
    base.reserve_bytes = UINT64_MAX;
    assert_int_equal(exports_addresses(&lists, &base, fd, &size, &err), E_NOSPACE);
    base.reserve_bytes = reserve_bytes;
    assert_int_equal(exports_addresses(&lists, &base, fd, &size, &err), 0);
    assert_true(size > 0);
    (void)close(fd);
    (void)close(base.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXPORTS_TEST(secrets_stay_without_a_password),
        EXPORTS_TEST(secrets_leave_with_one),
        EXPORTS_TEST(no_trace_of_a_secret),
        EXPORTS_TEST(without_a_catalogue),
        EXPORTS_TEST(only_what_was_chosen),
        EXPORTS_TEST(room_is_looked_at),
        EXPORTS_TEST(the_disks_reserve_stays_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
