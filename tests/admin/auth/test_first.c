/* Tests of admin/auth/first.c. */
#include "tests/admin/auth/auth_fixture.h"

static void a_password_is_made_up_once(void **state)
{
    (void)state;
    struct auth_entry entry;
    char made_up[ADMIN_MADE_UP_MAX];
    char again[ADMIN_MADE_UP_MAX] = "x";
    assert_true(admin_auth_is_new(auth));
    assert_int_equal(admin_auth_first_start(auth, &fake.backend, NULL, made_up, NULL), 0);
    assert_false(admin_auth_is_new(auth));
    assert_int_equal(strlen(made_up), 23);
    assert_int_equal(sign_in("admin", made_up, &entry), 0);
    assert_int_equal(entry.who.role, ADMIN_ROLE_ADMIN);
    assert_true(entry.who.must_change);
    assert_int_equal(admin_auth_first_start(auth, &fake.backend, NULL, again, NULL), 0);
    assert_string_equal(again, "");
    assert_int_equal(sign_in("admin", made_up, &entry), 0);
    assert_int_equal(admin_auth_load(auth, &fake.backend, NULL), 0);
    assert_false(admin_auth_is_new(auth));
}

static void a_password_is_given(void **state)
{
    (void)state;
    struct auth_entry entry;
    char made_up[ADMIN_MADE_UP_MAX];
    assert_int_equal(admin_auth_first_start(auth, &fake.backend, "short", made_up, NULL),
                     E_INVALID);
    assert_true(admin_auth_is_new(auth));
    assert_int_equal(admin_auth_first_start(auth, &fake.backend, PASSWORD, made_up, NULL), 0);
    assert_string_equal(made_up, "");
    assert_int_equal(sign_in("admin", PASSWORD, &entry), 0);
    assert_false(entry.who.must_change);
}

static void a_server_that_takes_no_writes_stays_new(void **state)
{
    (void)state;
    char made_up[ADMIN_MADE_UP_MAX];
    fake.refuse_code = E_READ_ONLY;
    assert_int_equal(admin_auth_first_start(auth, &fake.backend, NULL, made_up, NULL), E_READ_ONLY);
    assert_string_equal(made_up, "");
    assert_true(admin_auth_is_new(auth));
}

/* Nobody is made where somebody may be, whose record can't be read. */
static void a_record_that_can_not_be_read_is_somebody(void **state)
{
    (void)state;
    (void)fake_put(&fake, "server", "@account/root", "{}");
    assert_int_equal(admin_auth_load(auth, &fake.backend, NULL), 0);
    assert_false(admin_auth_is_new(auth));
}

static void before_loading_nothing_is_known(void **state)
{
    (void)state;
    struct admin_auth *other = NULL;
    assert_int_equal(admin_auth_new(&other, &fake_clock, NULL), 0);
    assert_false(admin_auth_is_new(other));
    admin_auth_free(&other);
}

static void a_password_in_a_file(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        const char *password; /* NULL: refused */
    } rows[] = {
        {"correct horse", "correct horse"},
        {"correct horse\n", "correct horse"},
        {"correct horse\r\nanother line\n", "correct horse"},
        {" correct horse ", " correct horse "},
        {"short\n", NULL},
        {"", NULL},
        {"\ncorrect horse", NULL},
        {"password\n", NULL},
        {"correct \xff horse", NULL},
    };
    char path[TMP_FOLDER_MAX];
    char out[ADMIN_PASSWORD_MAX_BYTES + 1];
    tmp_folder_path(path, fake.folder, "password");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs(rows[i].content, file) >= 0);
        assert_int_equal(fclose(file), 0);
        struct err err = {0};
        int rc = admin_auth_password_file(path, out, &err);
        if (rows[i].password != NULL) {
            assert_int_equal(rc, 0);
            assert_string_equal(out, rows[i].password);
        } else {
            assert_int_equal(rc, E_INVALID);
            assert_int_equal(strncmp(err.text, "the first line of '", 19), 0);
        }
    }
}

static void files_that_can_not_be_used(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    char out[ADMIN_PASSWORD_MAX_BYTES + 1];
    tmp_folder_path(path, fake.folder, "password");
    assert_int_equal(admin_auth_password_file(path, out, NULL), E_NOT_FOUND);
    assert_int_equal(admin_auth_password_file(fake.folder, out, NULL), E_SYSTEM); /* a folder */
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i <= ADMIN_PASSWORD_MAX_BYTES; i++) {
        assert_int_equal(fputc('a' + i % 26, file), 'a' + i % 26);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(admin_auth_password_file(path, out, NULL), E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUTH_TEST(a_password_is_made_up_once),
        AUTH_TEST(a_password_is_given),
        AUTH_TEST(a_server_that_takes_no_writes_stays_new),
        AUTH_TEST(a_record_that_can_not_be_read_is_somebody),
        AUTH_TEST(before_loading_nothing_is_known),
        AUTH_TEST(a_password_in_a_file),
        AUTH_TEST(files_that_can_not_be_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
