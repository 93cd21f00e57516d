/* Tests of admin/past_undo.c: which of an item's changes tells what it was; the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/past.h"
#include "admin/past_undo.h"

static struct change set_change(uint64_t seq, const char *path, uint64_t old_seq)
{
    return (struct change){.seq = seq,
                           .kind = CHANGE_ITEM_SET,
                           .path = span_str(path),
                           .value = SPAN_LITERAL("new value"),
                           .has_old = old_seq != 0,
                           .old_seq = old_seq,
                           .old_value = old_seq != 0 ? SPAN_LITERAL("old") : span_of(NULL, 0)};
}

static void the_oldest_change_behind_the_moment_tells(void **state)
{
    (void)state;
    struct past_undo undo;
    past_undo_init(&undo, 10);
    struct change changes[] = {
        set_change(30, "b", 20),
        set_change(25, "a", 9),
        set_change(20, "b", 5),
        set_change(15, "c", 0),
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        assert_int_equal(past_undo_add(&undo, &changes[i], NULL), 0);
    }
    assert_int_equal(past_undo_finish(&undo, NULL), 0);
    assert_int_equal(undo.count, 3);
    const struct past_undo_entry *entry = undo.entries;
    assert_true(span_equal(past_undo_path(&undo, &entry[0]), SPAN_LITERAL("a")));
    assert_true(entry[0].live && entry[0].from_old);
    assert_int_equal(entry[0].seq, 9);
    assert_int_equal(entry[0].holder, 25);
    assert_int_equal(entry[0].size, 3);
    assert_int_equal(entry[1].seq, 5);
    assert_int_equal(entry[1].holder, 20);
    assert_false(entry[2].live); /* c came later */
    past_undo_free(&undo);
}

static void the_newest_change_up_to_the_moment_tells_best(void **state)
{
    (void)state;
    struct past_undo undo;
    past_undo_init(&undo, 10);
    struct change removed = set_change(10, "b", 4);
    removed.kind = CHANGE_ITEM_REMOVE;
    removed.value = span_of(NULL, 0);
    struct change made = {.seq = 1, .kind = CHANGE_BAG_CREATE};
    struct change changes[] = {
        set_change(12, "a", 9), set_change(11, "b", 0), removed, set_change(9, "a", 3),
        set_change(4, "b", 0),  set_change(3, "a", 0),  made,
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        assert_int_equal(past_undo_add(&undo, &changes[i], NULL), 0);
    }
    assert_int_equal(past_undo_finish(&undo, NULL), 0);
    assert_int_equal(undo.count, 2);
    assert_int_equal(undo.entries[0].seq, 9);
    assert_int_equal(undo.entries[0].holder, 9);
    assert_true(undo.entries[0].live && !undo.entries[0].from_old);
    assert_int_equal(undo.entries[0].size, 9);
    assert_false(undo.entries[1].live);
    past_undo_free(&undo);
}

static void entries_are_found_behind_a_path(void **state)
{
    (void)state;
    struct past_undo undo;
    past_undo_init(&undo, 1);
    assert_int_equal(past_undo_finish(&undo, NULL), 0);
    assert_int_equal(past_undo_behind(&undo, SPAN_LITERAL("x")), 0);
    static const char *const paths[] = {"b", "d", "a"};
    for (size_t i = 0; i < 3; i++) {
        struct change change = set_change(9 - i, paths[i], 0);
        assert_int_equal(past_undo_add(&undo, &change, NULL), 0);
    }
    assert_int_equal(past_undo_finish(&undo, NULL), 0);
    assert_int_equal(past_undo_behind(&undo, span_of(NULL, 0)), 0);
    assert_int_equal(past_undo_behind(&undo, SPAN_LITERAL("a")), 1);
    assert_int_equal(past_undo_behind(&undo, SPAN_LITERAL("c")), 2);
    assert_int_equal(past_undo_behind(&undo, SPAN_LITERAL("d")), 3);
    past_undo_free(&undo);
}

/* A hot item costs no memory, however often it was changed. */
static void many_changes_of_few_items_stay_few(void **state)
{
    (void)state;
    struct past_undo undo;
    past_undo_init(&undo, 5);
    for (uint64_t seq = 300000; seq > 10; seq--) {
        char path[16];
        (void)snprintf(path, sizeof path, "hot/%d", (int)(seq % 7));
        struct change change = set_change(seq, path, seq > 17 ? seq - 7 : 3);
        assert_int_equal(past_undo_add(&undo, &change, NULL), 0);
    }
    assert_true(undo.capacity <= 4096);
    assert_true(undo.paths.size < 64 << 10);
    assert_int_equal(past_undo_finish(&undo, NULL), 0);
    assert_int_equal(undo.count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(undo.entries[i].seq, 3);
    }
    past_undo_free(&undo);
}

/* The code when so many items were changed. */
static int add_items(int count)
{
    struct past_undo undo;
    struct err err = {0};
    past_undo_init(&undo, 1);
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "%07d", i);
        struct change change = set_change((uint64_t)(count - i) + 1, path, 0);
        rc = past_undo_add(&undo, &change, &err);
    }
    rc = rc == 0 ? past_undo_finish(&undo, &err) : rc;
    if (rc != 0) {
        assert_non_null(strstr(err.text, "more than 200000 items were changed since then"));
    } else {
        assert_int_equal(undo.count, count);
    }
    past_undo_free(&undo);
    return rc;
}

static void there_is_a_limit(void **state)
{
    (void)state;
    assert_int_equal(add_items(ADMIN_PAST_ITEMS_MAX - 1), 0);
    assert_int_equal(add_items(ADMIN_PAST_ITEMS_MAX), 0);
    assert_int_equal(add_items(ADMIN_PAST_ITEMS_MAX + 1), E_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_change_behind_the_moment_tells),
        cmocka_unit_test(the_newest_change_up_to_the_moment_tells_best),
        cmocka_unit_test(entries_are_found_behind_a_path),
        cmocka_unit_test(many_changes_of_few_items_stay_few),
        cmocka_unit_test(there_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
