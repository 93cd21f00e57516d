/* tests/client/test_overlay.c - the newest write to an item counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/overlay.h"
#include "tests/support/fail_alloc.h"

static struct overlay_write write_of(const char *bag, const char *path, const char *value)
{
    return (struct overlay_write){.bag = bag, .path = span_str(path), .value = span_str(value)};
}

static void assert_found(struct overlay *overlay, const char *bag, const char *path,
                         const char *value)
{
    const struct overlay_write *found = client_overlay_find(overlay, bag, span_str(path));
    if (value == NULL) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_true(span_equal(found->value, span_str(value)));
    }
}

static void the_newest_counts_and_hiding_uncovers_the_older(void **state)
{
    (void)state;
    struct overlay *overlay = NULL;
    assert_int_equal(client_overlay_new(&overlay), 0);
    struct overlay_write one = write_of("user:ann", "a", "1");
    struct overlay_write two = write_of("user:ann", "a", "2");
    struct overlay_write three = write_of("user:ann", "a", "3");
    struct overlay_write other = write_of("user:bob", "a", "x");
    client_overlay_show(overlay, &one);
    client_overlay_show(overlay, &two);
    client_overlay_show(overlay, &other);
    client_overlay_show(overlay, &three);
    assert_found(overlay, "user:ann", "a", "3");
    assert_found(overlay, "user:bob", "a", "x");
    assert_found(overlay, "user:cy", "a", NULL);
    client_overlay_hide(overlay, &two); /* from the middle */
    assert_found(overlay, "user:ann", "a", "3");
    client_overlay_hide(overlay, &three);
    assert_found(overlay, "user:ann", "a", "1");
    client_overlay_hide(overlay, &three); /* again: nothing */
    client_overlay_show(overlay, &three);
    client_overlay_hide(overlay, &one); /* from the end */
    assert_found(overlay, "user:ann", "a", "3");
    client_overlay_hide(overlay, &three);
    assert_found(overlay, "user:ann", "a", NULL);
    assert_found(overlay, "user:bob", "a", "x");
    client_overlay_free(&overlay);
    assert_null(overlay);
    client_overlay_free(&overlay);
}

static void a_list_is_of_one_bag_in_order(void **state)
{
    (void)state;
    struct overlay *overlay = NULL;
    assert_int_equal(client_overlay_new(&overlay), 0);
    struct overlay_write writes[] = {
        write_of("b", "copy/z", "1"), write_of("b", "copy", "2"),   write_of("b", "copy/a", "3"),
        write_of("c", "copy/b", "4"), write_of("b", "copy/a", "5"),
    };
    for (size_t i = 0; i < 5; i++) {
        client_overlay_show(overlay, &writes[i]);
    }
    const struct overlay_write **list = NULL;
    size_t count = 0;
    assert_int_equal(client_overlay_list(overlay, "b", span_str(""), &list, &count), 0);
    assert_int_equal(count, 3);
    assert_ptr_equal(list[0], &writes[1]);
    assert_ptr_equal(list[1], &writes[4]);
    assert_ptr_equal(list[2], &writes[0]);
    free(list);
    assert_int_equal(client_overlay_list(overlay, "b", span_str("copy/"), &list, &count), 0);
    assert_int_equal(count, 2);
    free(list);
    assert_int_equal(client_overlay_list(overlay, "d", span_str(""), &list, &count), 0);
    assert_int_equal(count, 0);
    assert_null(list);
    client_overlay_free(&overlay);
}

/* Against a plain array, over enough items to grow. */
static void agrees_with_a_plain_list(void **state)
{
    (void)state;
    enum { WRITES = 3000, PATHS = 400 };
    struct overlay *overlay = NULL;
    assert_int_equal(client_overlay_new(&overlay), 0);
    static struct overlay_write writes[WRITES];
    static char paths[PATHS][8];
    static unsigned shown_at[WRITES]; /* when, 0: it is not */
    unsigned random = 12345;
    for (unsigned i = 0; i < PATHS; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "p%u", i);
    }
    for (size_t i = 0; i < WRITES; i++) {
        writes[i] = write_of("bag", paths[i % PATHS], "");
    }
    for (unsigned step = 1; step <= 40000; step++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 8) % WRITES;
        if (shown_at[i] != 0) {
            client_overlay_hide(overlay, &writes[i]);
            shown_at[i] = 0;
        } else {
            client_overlay_show(overlay, &writes[i]);
            shown_at[i] = step;
        }
        size_t path = i % PATHS;
        const struct overlay_write *newest = NULL;
        for (size_t j = path; j < WRITES; j += PATHS) {
            if (shown_at[j] != 0 && (newest == NULL || shown_at[j] > shown_at[newest - writes])) {
                newest = &writes[j];
            }
        }
        assert_ptr_equal(client_overlay_find(overlay, "bag", span_str(paths[path])), newest);
    }
    client_overlay_free(&overlay);
}

static void goes_on_without_memory_to_grow(void **state)
{
    (void)state;
    enum { WRITES = 500 };
    struct overlay *overlay = NULL;
    fail_alloc_at(1);
    assert_int_equal(client_overlay_new(&overlay), E_NOMEM);
    fail_alloc_at(2);
    assert_int_equal(client_overlay_new(&overlay), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_int_equal(client_overlay_new(&overlay), 0);
    static struct overlay_write writes[WRITES];
    static char paths[WRITES][8];
    for (unsigned i = 0; i < WRITES; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "p%u", i);
        writes[i] = write_of("bag", paths[i], "");
        fail_alloc_at(1);
        client_overlay_show(overlay, &writes[i]);
        (void)fail_alloc_stop();
    }
    for (unsigned i = 0; i < WRITES; i++) {
        assert_ptr_equal(client_overlay_find(overlay, "bag", span_str(paths[i])), &writes[i]);
    }
    const struct overlay_write **list = NULL;
    size_t count = 0;
    fail_alloc_at(1);
    assert_int_equal(client_overlay_list(overlay, "bag", span_str(""), &list, &count), E_NOMEM);
    assert_true(fail_alloc_stop());
    client_overlay_free(&overlay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_counts_and_hiding_uncovers_the_older),
        cmocka_unit_test(a_list_is_of_one_bag_in_order),
        cmocka_unit_test(agrees_with_a_plain_list),
        cmocka_unit_test(goes_on_without_memory_to_grow),
    };
    return cmocka_run_group_tests_name("client/overlay", tests, NULL, NULL);
}
