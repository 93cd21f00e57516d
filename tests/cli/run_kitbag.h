/* tests/cli/run_kitbag.h - runs kitbag's commands in this process, on a folder of the test's own.
 *
 * No agent runs and no server is there: the machine stands alone, as libkitbag lets it.
 */
#ifndef KITBAG_TESTS_CLI_RUN_KITBAG_H
#define KITBAG_TESTS_CLI_RUN_KITBAG_H

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

#include "cli/kitbag_program.h"
#include "tests/support/tmp_folder.h"

enum { RUN_TEXT_MAX = 65536, RUN_WORDS_MAX = 24 };

/* What the last command printed. */
struct ran {
    char folder[TMP_FOLDER_MAX];
    char data[TMP_FOLDER_MAX];
    char out[RUN_TEXT_MAX];
    size_t out_size;
    char err[RUN_TEXT_MAX];
};

static struct ran ran;

static int ran_setup(void **state)
{
    (void)state;
    memset(&ran, 0, sizeof ran);
    tmp_folder_make(ran.folder);
    tmp_folder_path(ran.data, ran.folder, "data");
    return 0;
}

static int ran_teardown(void **state)
{
    (void)state;
    tmp_folder_remove(ran.folder);
    return 0;
}

static size_t ran_read(const char *name, char out[RUN_TEXT_MAX])
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ran.folder, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t size = fread(out, 1, RUN_TEXT_MAX - 1, file);
    out[size] = '\0';
    (void)fclose(file);
    return size;
}

/* `fd` writes to a file of the folder; returns what it was. */
static int ran_redirect(int fd, const char *name)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ran.folder, name);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    assert_true(file >= 0 && saved >= 0 && dup2(file, fd) == fd);
    (void)close(file);
    return saved;
}

/* The exit code of `kitbag --data FOLDER words...` (NULL-ended). */
static inline int run_kitbag(const char *first, ...)
{
    char *argv[RUN_WORDS_MAX + 4] = {(char *)"kitbag", (char *)"--data", ran.data};
    int argc = 3;
    va_list words;
    va_start(words, first);
    for (const char *word = first; word != NULL; word = va_arg(words, const char *)) {
        assert_true(argc < RUN_WORDS_MAX + 3);
        argv[argc++] = (char *)word;
    }
    va_end(words);
    (void)fflush(NULL);
    int saved_out = ran_redirect(STDOUT_FILENO, "stdout");
    int saved_err = ran_redirect(STDERR_FILENO, "stderr");
    int code = command_main(&kitbag_program, argc, argv);
    (void)fflush(NULL);
    assert_true(dup2(saved_out, STDOUT_FILENO) >= 0 && dup2(saved_err, STDERR_FILENO) >= 0);
    (void)close(saved_out);
    (void)close(saved_err);
    ran.out_size = ran_read("stdout", ran.out);
    (void)ran_read("stderr", ran.err);
    if (code != 0 && ran.out_size != 0) {
        fail_msg("it failed with %d and printed: %s", code, ran.out);
    }
    return code;
}

/* What the last command printed, as JSON; the caller frees it. */
static inline json_t *ran_json(void)
{
    json_t *value = json_loads(ran.out, 0, NULL);
    assert_non_null(value);
    return value;
}

static inline void assert_said(const char *words)
{
    if (strstr(ran.err, words) == NULL) {
        fail_msg("it did not say '%s' but: %s", words, ran.err);
    }
}

#define KITBAG_TEST(function) cmocka_unit_test_setup_teardown(function, ran_setup, ran_teardown)

#endif
