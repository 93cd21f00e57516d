/* Tests of cli/secret.c: passwords from files, and from a terminal without its echo. */
#include "tests/cli/run_ctl.h"

#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>

#include "cli/secret.h"

static void a_password_is_the_first_line_of_a_file(void **state)
{
    (void)state;
    char folder[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    char out[SECRET_MAX];
    char text[SECRET_MAX + 2];
    struct err err = {0};
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "password");
    assert_int_equal(secret_from_file(path, out, &err), E_NOT_FOUND);
    tmp_folder_write(path, "open sesame\r\nmore\n");
    assert_int_equal(secret_from_file(path, out, &err), 0);
    assert_string_equal(out, "open sesame");
    tmp_folder_write(path, "no end");
    assert_int_equal(secret_from_file(path, out, &err), 0);
    assert_string_equal(out, "no end");
    tmp_folder_write(path, "\nx\n");
    assert_int_equal(secret_from_file(path, out, &err), E_INVALID);
    assert_non_null(strstr(err.text, "the first line of"));
    memset(text, 'x', sizeof text);
    text[SECRET_MAX - 1] = '\0';
    tmp_folder_write(path, text);
    assert_int_equal(secret_from_file(path, out, &err), 0);
    assert_int_equal(strlen(out), SECRET_MAX - 1);
    text[SECRET_MAX - 1] = 'x';
    text[SECRET_MAX] = '\0';
    tmp_folder_write(path, text);
    assert_int_equal(secret_from_file(path, out, &err), E_INVALID);
    assert_non_null(strstr(err.text, "longer than 1024 bytes"));
    secret_wipe(out);
    assert_string_equal(out, "");
    tmp_folder_remove(folder);
}

/* What a child that asks on a terminal of its own exits with, when `typed` is typed; what it showed
 * is in `shown`. */
static int ask(const char *typed, bool twice, char *shown, size_t room)
{
    int terminal = -1;
    size_t size = 0;
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(child >= 0);
    if (child == 0) {
        char out[SECRET_MAX];
        int rc = twice ? secret_ask_twice("Secret? ", "--file F", out, NULL)
                       : secret_ask("Secret? ", "--file F", out, NULL);
        struct termios now;
        bool echo = tcgetattr(STDIN_FILENO, &now) == 0 && (now.c_lflag & ECHO) != 0;
        _exit(!echo ? 99 : rc == 0 ? (strcmp(out, "sesame") == 0 ? 0 : 98) : -rc);
    }
    shown[0] = '\0';
    while (strstr(shown, "Secret? ") == NULL && size + 1 < room) {
        ssize_t got = read(terminal, shown + size, room - size - 1);
        assert_true(got > 0);
        size += (size_t)got;
        shown[size] = '\0';
    }
    for (const char *line = typed; *line != '\0';) { /* a line a question */
        size_t length = strcspn(line, "\n") + 1;
        assert_int_equal(write(terminal, line, length), (ssize_t)length);
        line += length;
        while (*line != '\0' && strstr(shown, "The same again: ") == NULL && size + 1 < room) {
            ssize_t got = read(terminal, shown + size, room - size - 1);
            assert_true(got > 0);
            size += (size_t)got;
            shown[size] = '\0';
        }
    }
    ssize_t got;
    while (size + 1 < room && (got = read(terminal, shown + size, room - size - 1)) > 0) {
        size += (size_t)got;
        shown[size] = '\0';
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(terminal);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void what_is_typed_is_not_shown(void **state)
{
    (void)state;
    char shown[512];
    assert_int_equal(ask("sesame\n", false, shown, sizeof shown), 0);
    assert_null(strstr(shown, "sesame"));
    assert_int_equal(ask("\n", false, shown, sizeof shown), -E_CLOSED);
    assert_int_equal(ask("sesame\nsesame\n", true, shown, sizeof shown), 0);
    assert_null(strstr(shown, "sesame"));
    assert_int_equal(ask("sesame\nother\n", true, shown, sizeof shown), -E_INVALID);
}

static void without_a_terminal_the_option_is_told(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char out[SECRET_MAX];
        struct err err = {0};
        (void)setsid(); /* without a terminal */
        int rc = secret_ask("Secret? ", "--file F", out, &err);
        _exit(rc == E_USAGE && strstr(err.text, "give --file F") != NULL ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_is_the_first_line_of_a_file),
        cmocka_unit_test(what_is_typed_is_not_shown),
        cmocka_unit_test(without_a_terminal_the_option_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
