/* Tests of server/console.c: the first start, and what is told of it; certificates read again. */
#include "tests/admin/fake_backend.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "server/console.h"

static struct fake_backend fake;
static char folder[TMP_FOLDER_MAX];
static char log_path[TMP_FOLDER_MAX + 8];
static struct settings settings;
static struct console *console;
static int stderr_copy;

/* What goes to standard error lands in a file. */
static int setup(void **state)
{
    (void)state;
    fake_open(&fake);
    (void)fake_put(&fake, "server", "device/0000000000000001", "{}");
    tmp_folder_make(folder);
    (void)snprintf(log_path, sizeof log_path, "%s/log", folder);
    char keys[TMP_FOLDER_MAX + 8];
    (void)snprintf(keys, sizeof keys, "%s/keys", folder);
    assert_int_equal(dir_make(keys, 0700, NULL), 0);
    settings = (struct settings){
        .data_dir = folder,
        .console = {.listen = "127.0.0.1:0",
                    .certificate = "",
                    .key = "",
                    .session_idle_ms = 60000,
                    .session_max_ms = 60000,
                    .connections = 16,
                    .connections_per_address = 8},
    };
    int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    stderr_copy = dup(STDERR_FILENO);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    (void)close(fd);
    log_setup(STDERR_FILENO, LOG_INFO);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    console_stop(&console);
    assert_null(console);
    log_setup(STDERR_FILENO, LOG_ERROR);
    (void)dup2(stderr_copy, STDERR_FILENO);
    (void)close(stderr_copy);
    tmp_folder_remove(folder);
    fake_close(&fake);
    return 0;
}

static const char *told(void)
{
    static char text[1 << 16];
    struct buf file;
    buf_init(&file, sizeof text - 1);
    assert_int_equal(file_read(log_path, &file, NULL), 0);
    (void)snprintf(text, sizeof text, "%.*s", (int)file.size, (const char *)file.data);
    buf_free(&file);
    return text;
}

static void await_told(const char *words)
{
    for (int i = 0; i < 1000 && strstr(told(), words) == NULL; i++) {
        (void)usleep(20000);
    }
    if (strstr(told(), words) == NULL) {
        fail_msg("'%s' is not in: %s", words, told());
    }
}

static void start(const char *password_file)
{
    struct err err = {0};
    const struct console_options options = {.settings = &settings,
                                            .admin_password_file = password_file};
    if (console_start(&console, &options, &err) != 0 ||
        console_open(console, &fake.backend, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void a_password_is_made_up_and_told_once(void **state)
{
    (void)state;
    start(NULL);
    await_told("This password is shown once.");
    const char *text = told();
    assert_non_null(strstr(text, "console.listening address=https://127.0.0.1:"));
    assert_non_null(strstr(text, "  The web console: https://127.0.0.1:"));
    assert_non_null(strstr(text, "    account        admin\n"));
    const char *password = strstr(text, "    password       ");
    assert_non_null(password);
    assert_true(strcspn(password + 19, "\n") >= 20);
    assert_non_null(strstr(text, "    certificate    SHA-256 "));
    console_close(console);
    assert_false(admin_auth_is_new(console_auth(console)));
    assert_int_equal(ftruncate(STDERR_FILENO, 0), 0);
    assert_int_equal(console_open(console, &fake.backend, NULL), 0); /* the state is back */
    console_stop(&console);
    start(NULL);
    console_stop(&console);
    assert_null(strstr(told(), "password")); /* there is an account already */
}

static void a_password_is_read_from_a_file(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX + 8];
    (void)snprintf(path, sizeof path, "%s/pw", folder);
    assert_int_equal(file_replace(path, "correct horse\nmore\n", 19, 0600, NULL), 0);
    start(path);
    await_told("The file with the password is no longer needed.");
    assert_null(strstr(told(), "correct horse"));
    assert_false(admin_auth_is_new(console_auth(console)));
}

static void a_password_file_that_is_no_good_is_told(void **state)
{
    (void)state;
    start("/nowhere/pw");
    await_told("console.no_account");
    await_told("/nowhere/pw");
    console_close(console);
    assert_true(admin_auth_is_new(console_auth(console)));
}

static void without_a_console_nothing_is_made(void **state)
{
    (void)state;
    settings.console.listen = "none";
    start(NULL);
    assert_true(admin_auth_is_new(console_auth(console)));
    console_reload(console, &settings);
    console_close(console);
    console_stop(&console);
    assert_string_equal(told(), "");
}

static void certificates_are_read_again(void **state)
{
    (void)state;
    static const char *const words[] = {"console.certificate_kept", "go together"};
    start(NULL);
    await_told("This password");
    assert_int_equal(ftruncate(STDERR_FILENO, 0), 0);
    console_reload(console, &settings);
    assert_non_null(strstr(told(), "console.listening"));
    assert_int_equal(ftruncate(STDERR_FILENO, 0), 0);
    settings.console.certificate = "/nowhere/x.crt";
    console_reload(console, &settings);
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(strstr(told(), words[i]));
    }
    assert_null(strstr(told(), "console.listening"));
}

/* A certificate for the names by which this machine is called, and one that will soon end. */
static void names_and_ends_are_told(void **state)
{
    (void)state;
    char certificate[TMP_FOLDER_MAX + 16];
    char key[TMP_FOLDER_MAX + 16];
    (void)snprintf(certificate, sizeof certificate, "%s/c", folder);
    (void)snprintf(key, sizeof key, "%s/k", folder);
    const struct admin_certificate_files files = {certificate, key};
    static const char *const names[] = {"localhost"};
    uint64_t long_ago = clock_wall_ms(&clock_system) - UINT64_C(800) * 86400000;
    assert_int_equal(admin_certificate_make(&files, names, 1, long_ago, NULL), 0);
    settings.console.certificate = certificate;
    settings.console.key = key;
    settings.console.listen = "0.0.0.0:0";
    (void)snprintf(settings.advertise[0], sizeof settings.advertise[0], "kitbag.example:8443");
    settings.advertise_count = 1;
    start(NULL);
    assert_non_null(strstr(told(), "console.listening address=https://kitbag.example:"));
    assert_non_null(strstr(told(), "console.certificate_expires"));
}

#define CONSOLE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONSOLE_TEST(a_password_is_made_up_and_told_once),
        CONSOLE_TEST(a_password_is_read_from_a_file),
        CONSOLE_TEST(a_password_file_that_is_no_good_is_told),
        CONSOLE_TEST(without_a_console_nothing_is_made),
        CONSOLE_TEST(certificates_are_read_again),
        CONSOLE_TEST(names_and_ends_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
