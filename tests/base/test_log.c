/* Tests of base/log.c: the lines as they come out of a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"
#include "tests/support/died.h"
#include "tests/support/io_calls.h"

enum { PREFIX = 25 }; /* "2026-11-22T17:51:37.123Z " */

static int pipe_ends[2];

static int open_pipe(void **state)
{
    (void)state;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
    log_setup(pipe_ends[1], LOG_DEBUG);
    return 0;
}

static int close_pipe(void **state)
{
    (void)state;
    log_setup(STDERR_FILENO, LOG_INFO);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
    return 0;
}

/* What was logged since the last look; empty when nothing was. */
static const char *logged(void)
{
    static char text[65536];
    ssize_t size = read(pipe_ends[0], text, sizeof text - 1);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

/* One line behind its time, which is checked for its form. */
static const char *line(void)
{
    const char *text = logged();
    assert_true(strlen(text) > PREFIX);
    static const char form[] = "0000-00-00T00:00:00.000Z ";
    for (size_t i = 0; i < PREFIX; i++) {
        if (form[i] == '0') {
            assert_in_range(text[i], '0', '9');
        } else {
            assert_int_equal(text[i], form[i]);
        }
    }
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    return text + PREFIX;
}

static void a_line_has_level_module_event_and_pairs(void **state)
{
    (void)state;
    log_event(LOG_WARNING, "stream", "device.unreachable", "device=%s lag=%d", "3f", 12);
    assert_string_equal(line(), "warning stream device.unreachable device=3f lag=12\n");
    log_event(LOG_INFO, "journal", "opened", NULL);
    assert_string_equal(line(), "info journal opened\n");
}

static void one_write_a_line(void **state)
{
    (void)state;
    io_calls_start();
    log_event(LOG_INFO, "a", "b", "c=%d", 1);
    io_calls_stop();
    const char *calls = io_calls_text();
    assert_ptr_equal(strstr(calls, "write:"), calls);
    assert_null(strchr(calls, ' '));
}

static void lesser_levels_are_silent(void **state)
{
    (void)state;
    for (int least = LOG_DEBUG; least <= LOG_ERROR; least++) {
        log_set_level((enum log_level)least);
        for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
            log_event((enum log_level)level, "a", "b", NULL);
            assert_int_equal(logged()[0] != '\0', level >= least);
        }
    }
}

static void levels_have_names(void **state)
{
    (void)state;
    static const char *const names[] = {"debug", "info", "warning", "error"};
    for (size_t i = 0; i < 4; i++) {
        enum log_level level = LOG_ERROR;
        assert_true(log_parse_level(names[i], &level));
        assert_int_equal(level, i);
        assert_string_equal(log_level_name(level), names[i]);
    }
    enum log_level level = LOG_WARNING;
    assert_false(log_parse_level("", &level));
    assert_false(log_parse_level("INFO", &level));
    assert_false(log_parse_level("warn", &level));
    assert_int_equal(level, LOG_WARNING);
}

static void control_bytes_are_escaped(void **state)
{
    (void)state;
    log_event(LOG_INFO, "a", "b", "x=%s", "1\n2\r3\t4\x1b[0m\x7f");
    assert_string_equal(line(), "info a b x=1\\x0a2\\x0d3\\x094\\x1b[0m\\x7f\n");
    log_event(LOG_INFO, "a", "b", "x=%s", "\xc2\x9b\xc2\xa0\xc3\xa9\xc2");
    assert_string_equal(line(), "info a b x=\\xc2\\x9b\xc2\xa0\xc3\xa9\xc2\n");
}

static void quoting_keeps_strings_in_one_piece(void **state)
{
    (void)state;
    log_event(LOG_INFO, "a", "b", "x=%s y=%s z=%s", LOG_Q("a \"b\" \\c"), LOG_Q(""), LOG_Q(NULL));
    assert_string_equal(line(), "info a b x=\"a \\\"b\\\" \\\\c\" y=\"\" z=\"\"\n");
}

static void a_quoted_text_is_cut_to_its_room(void **state)
{
    (void)state;
    char out[8];
    assert_string_equal(log_quote(out, 3, "abc"), "\"\"");
    assert_string_equal(log_quote(out, 4, "abc"), "\"a\"");
    assert_string_equal(log_quote(out, 5, "a\"c"), "\"a\"");
    assert_string_equal(log_quote(out, 6, "a\"c"), "\"a\\\"\"");
    assert_string_equal(log_quote(out, 8, "abcdef"), "\"abcde\"");
}

static void a_long_line_is_cut_and_still_one_line(void **state)
{
    (void)state;
    char text[4000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_event(LOG_INFO, "a", "b", "x=%s", text);
    const char *cut = line();
    assert_true(strlen(cut) > 1500 && strlen(cut) < 2100);
    assert_string_equal(cut + strlen(cut) - 6, "xx...\n");
    memset(text, '\n', sizeof text - 1);
    log_event(LOG_INFO, "a", "b", "x=%s", text);
    cut = line();
    assert_true(strlen(cut) > 6000);
}

static void an_error_has_code_and_sentence(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, E_NOSPACE, "write '%s': full", "/x");
    log_err(LOG_ERROR, "journal", "append.failed", &err);
    assert_string_equal(line(),
                        "error journal append.failed code=no_space text=\"write '/x': full\"\n");
}

static void the_limit_lets_one_a_second_pass(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    uint64_t held = 99;
    assert_true(log_limit_pass(&limit, 0, &held));
    assert_int_equal(held, 0);
    assert_false(log_limit_pass(&limit, 1, &held));
    assert_false(log_limit_pass(&limit, 1000, &held));
    assert_int_equal(held, 0);
    assert_true(log_limit_pass(&limit, 1001, &held));
    assert_int_equal(held, 2);
    assert_false(log_limit_pass(&limit, 2000, &held));
    assert_true(log_limit_pass(&limit, 2001, &held));
    assert_int_equal(held, 1);
    assert_true(log_limit_pass(&limit, 9000, &held));
    assert_int_equal(held, 0);
}

enum { LINES = 200 };

static void log_many(struct thread *self, void *context)
{
    thread_ready(self, 0, NULL);
    for (int i = 0; i < LINES; i++) {
        log_event(LOG_INFO, context, "line", "number=%d", i);
    }
}

static void threads_do_not_mix_their_lines(void **state)
{
    (void)state;
    struct thread *one = NULL;
    struct thread *two = NULL;
    assert_int_equal(thread_start(&one, "one", log_many, "one", NULL), 0);
    assert_int_equal(thread_start(&two, "two", log_many, "two", NULL), 0);
    thread_join(&one);
    thread_join(&two);
    unsigned lines = 0;
    int next[2] = {0};
    char *text = strdup(logged());
    assert_non_null(text);
    for (char *at = text; *at != '\0'; lines++) {
        char *end = strchr(at, '\n');
        assert_non_null(end);
        *end = '\0';
        char *rest = at + PREFIX + strlen("info one line number=");
        bool is_one = strncmp(at + PREFIX, "info one line number=", 21) == 0;
        assert_true(is_one || strncmp(at + PREFIX, "info two line number=", 21) == 0);
        assert_int_equal(strtol(rest, &rest, 10), next[is_one ? 0 : 1]++);
        assert_int_equal(*rest, '\0');
        at = end + 1;
    }
    free(text);
    assert_int_equal(lines, 2 * LINES);
}

static void shout(void *context)
{
    log_event(*(enum log_level *)context, "a", "b", NULL);
}

static void an_unknown_level_is_a_mistake(void **state)
{
    (void)state;
    enum log_level level = (enum log_level)(LOG_ERROR + 1);
    assert_true(died(shout, &level));
}

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, open_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PIPE(a_line_has_level_module_event_and_pairs),
        WITH_PIPE(one_write_a_line),
        WITH_PIPE(lesser_levels_are_silent),
        WITH_PIPE(levels_have_names),
        WITH_PIPE(control_bytes_are_escaped),
        WITH_PIPE(quoting_keeps_strings_in_one_piece),
        WITH_PIPE(a_quoted_text_is_cut_to_its_room),
        WITH_PIPE(a_long_line_is_cut_and_still_one_line),
        WITH_PIPE(an_error_has_code_and_sentence),
        WITH_PIPE(the_limit_lets_one_a_second_pass),
        WITH_PIPE(threads_do_not_mix_their_lines),
        WITH_PIPE(an_unknown_level_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
