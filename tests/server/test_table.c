#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/table.h"
#include "tests/support/fail_alloc.h"

struct thing {
    int number;
    struct table_node node;
};

static uint64_t hash(int number)
{
    return table_hash(span_of(&number, sizeof number), 0);
}

static bool match(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, const struct thing, node)->number == *(const int *)key;
}

static struct thing *find(const struct table *table, int number)
{
    struct table_node *node = table_find(table, hash(number), match, &number);
    return node != NULL ? TABLE_OWNER(node, struct thing, node) : NULL;
}

enum { MANY = 10000 };

static void fill(struct table *table, struct thing *things)
{
    for (int i = 0; i < MANY; i++) {
        things[i].number = i;
        table_add(table, &things[i].node, hash(i));
    }
}

static void finds_what_was_added(void **state)
{
    (void)state;
    struct table table = {0};
    struct thing *things = calloc(MANY, sizeof *things);
    fill(&table, things);
    assert_int_equal(table.count, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_ptr_equal(find(&table, i), &things[i]);
    }
    assert_null(find(&table, MANY));
    for (int i = 0; i < MANY; i += 2) {
        table_remove(&table, &things[i].node);
    }
    for (int i = 0; i < MANY; i++) {
        assert_ptr_equal(find(&table, i), i % 2 == 0 ? NULL : &things[i]);
    }
    table_free(&table);
    free(things);
}

static void count_node(void *context, struct table_node *node)
{
    int *sum = context;
    *sum += TABLE_OWNER(node, struct thing, node)->number;
}

static void shows_each_once(void **state)
{
    (void)state;
    struct table table = {0};
    struct thing *things = calloc(MANY, sizeof *things);
    fill(&table, things);
    int sum = 0;
    table_each(&table, count_node, &sum);
    assert_int_equal(sum, MANY * (MANY - 1) / 2);
    table_clear(&table);
    assert_int_equal(table.count, 0);
    assert_null(find(&table, 1));
    things[1].number = 1;
    table_add(&table, &things[1].node, hash(1));
    assert_non_null(find(&table, 1));
    table_remove(&table, &things[1].node);
    table_clear(&table); /* far too wide by now: the buckets go */
    assert_null(table.buckets);
    free(things);
}

static void adding_never_fails(void **state)
{
    (void)state;
    struct table table = {0};
    struct thing things[100];
    for (int i = 0; i < 100; i++) {
        things[i].number = i;
        fail_alloc_at(1);
        table_add(&table, &things[i].node, hash(i));
        (void)fail_alloc_stop();
    }
    assert_null(table.buckets);
    for (int i = 0; i < 100; i++) {
        assert_non_null(find(&table, i));
    }
    table_free(&table);
}

static void hashes_have_two_parts(void **state)
{
    (void)state;
    assert_int_not_equal(table_hash(SPAN_LITERAL("a"), 1), table_hash(SPAN_LITERAL("a"), 2));
    assert_int_not_equal(table_hash(SPAN_LITERAL("a"), 1), table_hash(SPAN_LITERAL("b"), 1));
    assert_int_equal(table_hash(SPAN_LITERAL("a"), 1), table_hash(SPAN_LITERAL("a"), 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added),
        cmocka_unit_test(shows_each_once),
        cmocka_unit_test(adding_never_fails),
        cmocka_unit_test(hashes_have_two_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
