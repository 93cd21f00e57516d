/* tests/cli/run_ctl.h - runs kitbagctl's commands in this process, against a server that says what
 * it was told to (tests/support/canned_http.h).
 */
#ifndef KITBAG_TESTS_CLI_RUN_CTL_H
#define KITBAG_TESTS_CLI_RUN_CTL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ctl_http.h"
#include "cli/ctl_program.h"
#include "tests/support/canned_http.h"
#include "tests/support/tmp_folder.h"

enum { CTL_TEXT_MAX = 256 << 10, CTL_WORDS_MAX = 24, CTL_ANSWERS_MAX = 8 };

/* The folder, the server, and what the last command printed. */
static struct {
    char folder[TMP_FOLDER_MAX];
    char data[TMP_FOLDER_MAX];
    const char *answers[CTL_ANSWERS_MAX + 1];
    struct canned_http *server;
    char out[CTL_TEXT_MAX];
    char err[CTL_TEXT_MAX];
} ctl;

static inline int ctl_setup(void **state)
{
    (void)state;
    memset(&ctl, 0, sizeof ctl);
    tmp_folder_make(ctl.folder);
    memcpy(ctl.data, ctl.folder, sizeof ctl.data);
    return 0;
}

static inline int ctl_teardown(void **state)
{
    (void)state;
    if (ctl.server != NULL) {
        canned_http_stop(&ctl.server);
    }
    tmp_folder_remove(ctl.folder);
    return 0;
}

/* The server's answers, one a request, in order (NULL-ended, with status 200 unless they begin with
 * three digits and a space, or are a whole answer that begins with "HTTP"). */
static inline void ctl_answers(const char *first, ...)
{
    char path[TMP_FOLDER_MAX];
    va_list answers;
    int count = 0;
    if (ctl.server != NULL) {
        canned_http_stop(&ctl.server);
    }
    va_start(answers, first);
    for (const char *answer = first; answer != NULL; answer = va_arg(answers, const char *)) {
        assert_true(count < CTL_ANSWERS_MAX);
        bool status = strlen(answer) > 4 && answer[3] == ' ' && strspn(answer, "0123456789") == 3;
        bool raw = strncmp(answer, "HTTP", 4) == 0 || answer[0] == '\0';
        ctl.answers[count] =
            raw ? answer
                : canned_http_json(count, status ? (int)strtol(answer, NULL, 10) : 200,
                                   status ? answer + 4 : answer);
        count++;
    }
    va_end(answers);
    ctl.answers[count] = NULL;
    tmp_folder_path(path, ctl.folder, "admin.sock");
    canned_http_start(&ctl.server, path, ctl.answers);
}

static inline void ctl_read(const char *name, char out[CTL_TEXT_MAX])
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t size = fread(out, 1, CTL_TEXT_MAX - 1, file);
    out[size] = '\0';
    (void)fclose(file);
}

/* `fd` is a file of the folder; returns what it was. */
static inline int ctl_redirect(int fd, const char *name, int flags)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, name);
    int file = open(path, flags | O_CLOEXEC, 0600);
    int saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    assert_true(file >= 0 && saved >= 0 && dup2(file, fd) == fd);
    (void)close(file);
    return saved;
}

static inline void ctl_restore(int fd, int saved)
{
    assert_true(dup2(saved, fd) == fd);
    (void)close(saved);
}

/* The exit code of `kitbagctl words...`. */
static inline int run_ctl_words(int argc, char **argv)
{
    (void)fflush(NULL);
    char input[TMP_FOLDER_MAX];
    tmp_folder_path(input, ctl.folder, "stdin");
    if (access(input, F_OK) != 0) {
        tmp_folder_write(input, "");
    }
    int in = ctl_redirect(STDIN_FILENO, "stdin", O_RDONLY);
    int out = ctl_redirect(STDOUT_FILENO, "stdout", O_RDWR | O_CREAT | O_TRUNC);
    int err = ctl_redirect(STDERR_FILENO, "stderr", O_RDWR | O_CREAT | O_TRUNC);
    int code = command_main(&ctl_program, argc, argv);
    (void)fflush(NULL);
    ctl_restore(STDIN_FILENO, in);
    ctl_restore(STDOUT_FILENO, out);
    ctl_restore(STDERR_FILENO, err);
    ctl_read("stdout", ctl.out);
    ctl_read("stderr", ctl.err);
    if (code != 0 && code != 7 && ctl.out[0] != '\0') {
        fail_msg("it failed with %d and printed: %s", code, ctl.out);
    }
    return code;
}

/* The exit code of `kitbagctl --data FOLDER words...` (NULL-ended). */
static inline int run_ctl(const char *first, ...)
{
    char *argv[CTL_WORDS_MAX + 4] = {(char *)"kitbagctl", (char *)"--data", ctl.data};
    int argc = 3;
    va_list words;
    va_start(words, first);
    for (const char *word = first; word != NULL; word = va_arg(words, const char *)) {
        assert_true(argc < CTL_WORDS_MAX + 3);
        argv[argc++] = (char *)word;
    }
    va_end(words);
    return run_ctl_words(argc, argv);
}

/* The same without --data. */
static inline int run_ctl_bare(const char *first, ...)
{
    char *argv[CTL_WORDS_MAX + 2] = {(char *)"kitbagctl"};
    int argc = 1;
    va_list words;
    va_start(words, first);
    for (const char *word = first; word != NULL; word = va_arg(words, const char *)) {
        assert_true(argc < CTL_WORDS_MAX + 1);
        argv[argc++] = (char *)word;
    }
    va_end(words);
    return run_ctl_words(argc, argv);
}

static inline void assert_said(const char *words)
{
    if (strstr(ctl.err, words) == NULL) {
        fail_msg("it did not say '%s' but: %s", words, ctl.err);
    }
}

static inline void assert_printed(const char *words)
{
    if (strstr(ctl.out, words) == NULL) {
        fail_msg("it did not print '%s' but: %s", words, ctl.out);
    }
}

/* The server was asked for this, somewhere in all its requests. */
static inline void assert_asked(const char *text)
{
    const char *requests = canned_http_requests(ctl.server);
    if (strstr(requests, text) == NULL) {
        fail_msg("nobody asked for '%s' but: %s", text, requests);
    }
}

/* A line of usage for the helpers of ctl_http.h, which want an invocation. */
static inline struct invocation ctl_invocation(void)
{
    static const struct option_spec data = {"data", 0, "DIR", ""};
    struct invocation invocation = {.given_count = 1};
    invocation.given[0].option = &data;
    invocation.given[0].value = ctl.data;
    return invocation;
}

#define CTL_TEST(test) cmocka_unit_test_setup_teardown(test, ctl_setup, ctl_teardown)

#endif
