/* Eras: what is used stays, what is not goes after two turns, what is held is not freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "server/eras.h"
#include "tests/support/fail_alloc.h"

struct row {
    struct table_node node;
    uint64_t key;
    struct span text;
};

static bool match(const struct table_node *node, const void *key)
{
    return ((const struct row *)(const void *)node)->key == *(const uint64_t *)key;
}

static bool moved(struct arena *arena, struct table_node *node)
{
    struct row *row = (void *)node;
    return arena_copy(arena, row->text, &row->text);
}

static struct era_row what(const uint64_t *key)
{
    return (struct era_row){1, *key, match, key, sizeof(struct row), moved};
}

static struct row *find(struct eras *eras, uint64_t key, int wanted)
{
    struct era_row looked = what(&key);
    struct table_node *node = NULL;
    assert_int_equal(eras_find(eras, &looked, &node), wanted);
    return (void *)node;
}

static struct row *add(struct eras *eras, uint64_t key, const char *text)
{
    struct era_row looked = what(&key);
    struct row *row = find(eras, key, E_NOT_FOUND);
    row->key = key;
    assert_true(arena_copy(&eras->young->arena, span_str(text), &row->text));
    eras_add(eras, &looked, &row->node);
    return row;
}

static void what_is_used_stays(void **state)
{
    (void)state;
    struct eras eras = {0};
    assert_int_equal(eras_open(&eras), 0);
    const struct row *used = add(&eras, 1, "used");
    (void)add(&eras, 2, "not");
    for (int i = 0; i < 5; i++) {
        assert_true(eras_turn(&eras));
        const struct row *now = find(&eras, 1, 0);
        assert_ptr_not_equal(now, used);
        assert_ptr_not_equal(now->text.data, used->text.data);
        assert_true(span_equal(now->text, SPAN_LITERAL("used")));
        assert_ptr_equal(find(&eras, 1, 0), now); /* it is the young era's now */
        used = now;
    }
    (void)find(&eras, 2, E_NOT_FOUND);
    eras_free(&eras);
}

static void a_peek_moves_nothing(void **state)
{
    (void)state;
    struct eras eras = {0};
    assert_int_equal(eras_open(&eras), 0);
    uint64_t key = 1;
    struct era_row looked = what(&key);
    assert_null(eras_peek(&eras, &looked));
    const struct row *row = add(&eras, 1, "x");
    assert_true(eras_turn(&eras));
    assert_ptr_equal(eras_peek(&eras, &looked), row);
    assert_true(eras_turn(&eras));
    assert_null(eras_peek(&eras, &looked));
    eras_free(&eras);
}

/* Memory that is held can be read after any number of turns (the sanitizers look). */
static void what_is_held_is_not_freed(void **state)
{
    (void)state;
    struct eras eras = {0};
    assert_int_equal(eras_open(&eras), 0);
    const struct row *row = add(&eras, 1, "held");
    struct era *first = eras_hold(&eras);
    struct era *again = eras_hold(&eras);
    for (int i = 0; i < 4; i++) {
        assert_true(eras_turn(&eras));
    }
    eras_reset(&eras);
    assert_true(span_equal(row->text, SPAN_LITERAL("held")));
    eras_release(&eras, &first);
    assert_null(first);
    assert_true(span_equal(row->text, SPAN_LITERAL("held")));
    eras_release(&eras, &again);
    eras_release(&eras, &again); /* nothing is held */
    struct era *young = eras_hold(&eras);
    (void)add(&eras, 2, "young");
    eras_reset(&eras);
    (void)find(&eras, 2, E_NOT_FOUND);
    eras_release(&eras, &young);
    eras_free(&eras);
}

static void changes_are_passed_on(void **state)
{
    (void)state;
    struct eras eras = {0};
    assert_int_equal(eras_open(&eras), 0);
    eras.young->last_seq = 7;
    assert_true(eras_turn(&eras));
    assert_int_equal(eras.young->last_seq, 7); /* a row of the old one may move up */
    assert_true(eras_turn(&eras));
    eras_reset(&eras);
    assert_int_equal(eras.young->last_seq, 0);
    eras_free(&eras);
}

static void without_memory_nothing_turns(void **state)
{
    (void)state;
    struct eras eras = {0};
    fail_alloc_at(1);
    assert_int_equal(eras_open(&eras), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_int_equal(eras_open(&eras), 0);
    (void)add(&eras, 1, "x");
    fail_alloc_at(1);
    assert_false(eras_turn(&eras));
    assert_true(fail_alloc_stop());
    (void)find(&eras, 1, 0);
    assert_true(eras_turn(&eras));
    uint64_t key = 1;
    struct era_row looked = what(&key);
    struct table_node *node = NULL;
    fail_alloc_at(1);
    assert_int_equal(eras_find(&eras, &looked, &node), E_NOMEM);
    assert_true(fail_alloc_stop());
    (void)find(&eras, 1, 0);
    eras_free(&eras);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_used_stays),           cmocka_unit_test(a_peek_moves_nothing),
        cmocka_unit_test(what_is_held_is_not_freed),    cmocka_unit_test(changes_are_passed_on),
        cmocka_unit_test(without_memory_nothing_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
