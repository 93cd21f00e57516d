/* Tests of base/log_ring.c: what is kept of the log, how much of it, and who may read meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log_ring.h"
#include "base/thread.h"
#include "tests/support/fail_alloc.h"

enum { OPENED_MS = 1000, FIRST = OPENED_MS * 1000 + 1 };

static struct log_ring_line line;

static int open_ring(void **state)
{
    (void)state;
    return log_ring_open(OPENED_MS, NULL);
}

static int close_ring(void **state)
{
    (void)state;
    log_ring_close();
    return 0;
}

static void add(const char *event, const char *text)
{
    log_ring_add(7, LOG_INFO, "m", event, span_str(text));
}

static void a_line_is_kept_whole(void **state)
{
    (void)state;
    log_ring_add(1234, LOG_WARNING, "stream", "device.unreachable", span_str("device=3f lag=12"));
    assert_true(log_ring_next(0, &line));
    assert_int_equal(line.id, FIRST);
    assert_int_equal(line.time_ms, 1234);
    assert_int_equal(line.level, LOG_WARNING);
    assert_string_equal(line.module, "stream");
    assert_string_equal(line.event, "device.unreachable");
    assert_string_equal(line.text, "device=3f lag=12");
    assert_false(log_ring_next(FIRST, &line));
}

static void the_log_puts_its_lines_there(void **state)
{
    (void)state;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_setup(null, LOG_INFO);
    log_event(LOG_ERROR, "disk", "disk.low", "free=%d text=%s", 5, LOG_Q("a \"b\"\n"));
    log_event(LOG_DEBUG, "disk", "not.wanted", NULL);
    log_event(LOG_INFO, "disk", "bare", NULL);
    log_setup(STDERR_FILENO, LOG_INFO);
    (void)close(null);
    assert_true(log_ring_next(0, &line));
    assert_string_equal(line.module, "disk");
    assert_string_equal(line.event, "disk.low");
    assert_string_equal(line.text, "free=5 text=\"a \\\"b\\\"\\x0a\"");
    assert_true(line.time_ms > 1600000000000);
    assert_true(log_ring_next(line.id, &line));
    assert_string_equal(line.event, "bare");
    assert_string_equal(line.text, "");
    assert_false(log_ring_next(line.id, &line));
}

static void lines_are_walked_both_ways(void **state)
{
    (void)state;
    add("a", "1");
    add("b", "2");
    add("c", "3");
    assert_true(log_ring_next(FIRST, &line));
    assert_string_equal(line.event, "b");
    assert_true(log_ring_previous(UINT64_MAX, &line));
    assert_string_equal(line.event, "c");
    assert_true(log_ring_previous(line.id, &line));
    assert_string_equal(line.event, "b");
    assert_true(log_ring_previous(line.id, &line));
    assert_string_equal(line.event, "a");
    assert_false(log_ring_previous(line.id, &line));
    assert_false(log_ring_next(UINT64_MAX, &line));
}

static void the_oldest_lines_make_room_for_new_ones(void **state)
{
    (void)state;
    struct log_ring_range range;
    log_ring_range(&range);
    assert_int_equal(range.oldest, FIRST);
    assert_int_equal(range.newest, FIRST - 1);
    for (int i = 0; i < LOG_RING_LINES; i++) {
        add("e", "");
    }
    log_ring_range(&range);
    assert_int_equal(range.oldest, FIRST);
    assert_int_equal(range.newest, FIRST + LOG_RING_LINES - 1);
    add("e", "");
    log_ring_range(&range);
    assert_int_equal(range.oldest, FIRST + 1);
    assert_int_equal(range.counts[LOG_INFO], LOG_RING_LINES + 1);
    assert_int_equal(range.counts[LOG_ERROR], 0);
    assert_true(log_ring_next(0, &line));
    assert_int_equal(line.id, FIRST + 1);
}

/* Lines of many sizes, more bytes than there is room for: what is left is unharmed and a row. */
static void bytes_are_bounded_too(void **state)
{
    (void)state;
    static char text[LOG_RING_TEXT_MAX + 1];
    enum { LINES = 5000 };
    for (int i = 0; i < LINES; i++) {
        size_t size = (size_t)(i * 37 % LOG_RING_TEXT_MAX);
        memset(text, 'a' + i % 26, size);
        text[size] = '\0';
        add("e", text);
    }
    struct log_ring_range range;
    log_ring_range(&range);
    assert_int_equal(range.newest, FIRST + LINES - 1);
    uint64_t bytes = 0;
    uint64_t count = 0;
    uint64_t at = 0;
    while (log_ring_next(at, &line)) {
        int i = (int)(line.id - FIRST);
        assert_true(at == 0 || line.id == at + 1);
        assert_int_equal(strlen(line.text), i * 37 % LOG_RING_TEXT_MAX);
        assert_int_equal(strspn(line.text, (char[2]){(char)('a' + i % 26), 0}), strlen(line.text));
        assert_string_equal(line.event, "e");
        bytes += strlen(line.text) + 2;
        count++;
        at = line.id;
    }
    assert_int_equal(count, range.newest - range.oldest + 1);
    assert_in_range(bytes, LOG_RING_BYTES - 3 * LOG_RING_TEXT_MAX, LOG_RING_BYTES);
}

static void what_is_too_long_is_cut(void **state)
{
    (void)state;
    static char text[LOG_RING_TEXT_MAX + 2];
    memset(text, 'x', sizeof text - 1);
    text[LOG_RING_TEXT_MAX] = '\0';
    add("e", text);
    text[LOG_RING_TEXT_MAX] = 'x';
    log_ring_add(1, LOG_INFO, text, text, span_str(text));
    assert_true(log_ring_next(0, &line));
    assert_int_equal(strspn(line.text, "x"), LOG_RING_TEXT_MAX);
    assert_true(log_ring_next(line.id, &line));
    assert_int_equal(strlen(line.text), LOG_RING_TEXT_MAX);
    assert_string_equal(line.text + LOG_RING_TEXT_MAX - 3, "...");
    assert_int_equal(strspn(line.module, "x"), LOG_RING_WORD_MAX);
    assert_int_equal(strspn(line.event, "x"), LOG_RING_WORD_MAX);
}

static void without_a_ring_nothing_is_kept(void **state)
{
    (void)state;
    struct log_ring_range range = {.newest = 1};
    add("e", "x");
    assert_false(log_ring_next(0, &line));
    assert_false(log_ring_previous(UINT64_MAX, &line));
    log_ring_range(&range);
    assert_int_equal(range.newest, 0);
    log_ring_close();
}

static void it_is_opened_once_and_ids_go_on_behind_the_clock(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(log_ring_open(5, &err), E_EXISTS);
    add("e", "");
    log_ring_close();
    assert_int_equal(log_ring_open(OPENED_MS + 1, &err), 0);
    add("e", "");
    assert_true(log_ring_next(FIRST, &line));
    assert_int_equal(line.id, FIRST + 1000);
    log_ring_close();
    fail_alloc_at(1);
    int rc = log_ring_open(5, &err);
    assert_true(fail_alloc_stop());
    assert_int_equal(rc, E_NOMEM);
    assert_int_equal(log_ring_open(OPENED_MS, &err), 0);
}

/* Several write while one reads: no line is torn, none is read twice. */
enum { WRITERS = 3, LINES_EACH = 20000 };
static atomic_int writing;

static void write_lines(struct thread *self, void *context)
{
    char text[64];
    thread_ready(self, 0, NULL);
    for (int i = 0; i < LINES_EACH; i++) {
        (void)snprintf(text, sizeof text, "%d %d %d", *(int *)context, i, i);
        add("e", text);
    }
    (void)atomic_fetch_sub(&writing, 1);
}

static void readers_and_writers_do_not_disturb_each_other(void **state)
{
    (void)state;
    struct thread *threads[WRITERS] = {NULL};
    static int numbers[WRITERS] = {0, 1, 2};
    int last[WRITERS] = {-1, -1, -1};
    uint64_t at = 0;
    size_t count = 0;
    atomic_store(&writing, WRITERS);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(thread_start(&threads[i], "writer", write_lines, &numbers[i], NULL), 0);
    }
    bool over = false;
    while (!over || log_ring_next(at, &line)) {
        over = atomic_load(&writing) == 0;
        if (!log_ring_next(at, &line)) {
            continue;
        }
        int writer = 0;
        int first = 0;
        int second = 0;
        assert_int_equal(sscanf(line.text, "%d %d %d", &writer, &first, &second), 3);
        assert_in_range(writer, 0, WRITERS - 1);
        assert_int_equal(first, second);
        assert_true(first > last[writer]);
        last[writer] = first;
        assert_true(line.id > at);
        at = line.id;
        count++;
    }
    assert_in_range(count, LOG_RING_LINES, WRITERS * LINES_EACH); /* it may have been outrun */
    for (int i = 0; i < WRITERS; i++) {
        thread_join(&threads[i]);
    }
    assert_int_equal(at, FIRST + WRITERS * LINES_EACH - 1);
}

#define WITH_RING(test) cmocka_unit_test_setup_teardown(test, open_ring, close_ring)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RING(a_line_is_kept_whole),
        WITH_RING(the_log_puts_its_lines_there),
        WITH_RING(lines_are_walked_both_ways),
        WITH_RING(the_oldest_lines_make_room_for_new_ones),
        WITH_RING(bytes_are_bounded_too),
        WITH_RING(what_is_too_long_is_cut),
        cmocka_unit_test(without_a_ring_nothing_is_kept),
        WITH_RING(it_is_opened_once_and_ids_go_on_behind_the_clock),
        WITH_RING(readers_and_writers_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
