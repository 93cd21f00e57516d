/* tests/transport/test_idmap.c - the table of bags: finds what is there, whatever came and went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/fail_alloc.h"
#include "transport/idmap.h"

struct item {
    uint64_t id;
    uint64_t twice; /* 2 * id, to see that it is the right one */
};

static struct idmap map;

static int setup(void **state)
{
    (void)state;
    idmap_init(&map, sizeof(struct item), 42);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    idmap_free(&map);
    return 0;
}

static struct item *add(uint64_t id)
{
    struct item *item = idmap_add(&map, id);
    if (item != NULL) {
        assert_int_equal(item->id, id);
        assert_int_equal(item->twice, 0);
        item->twice = 2 * id;
    }
    return item;
}

static void assert_there(uint64_t id)
{
    const struct item *item = idmap_find(&map, id);
    assert_non_null(item);
    assert_int_equal(item->id, id);
    assert_int_equal(item->twice, 2 * id);
    assert_ptr_equal(idmap_at(&map, idmap_number(&map, item)), item);
}

static void an_empty_table(void **state)
{
    (void)state;
    assert_null(idmap_find(&map, 1));
    assert_int_equal(idmap_bytes(&map), 0);
}

static void comings_and_goings(void **state)
{
    enum { IDS = 700, STEPS = 200000 };
    static bool there[IDS];
    uint64_t random = 1;
    (void)state;
    for (int step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t id = (random >> 33) % IDS;
        bool grows = step % 20000 < 10000; /* full, then empty, in turn */
        if (there[id] && (!grows || (random >> 20) % 4 == 0)) {
            idmap_remove(&map, id);
            there[id] = false;
            assert_null(idmap_find(&map, id));
        } else if (!there[id] && grows) {
            assert_non_null(add(id));
            there[id] = true;
        }
        if (there[id]) {
            assert_there(id);
        }
        for (uint64_t other = 0; step % 1000 == 0 && other < IDS; other++) {
            if (there[other]) {
                assert_there(other);
            } else {
                assert_null(idmap_find(&map, other));
            }
        }
    }
}

static void an_item_keeps_its_number(void **state)
{
    (void)state;
    uint32_t number = idmap_number(&map, add(1000));
    for (uint64_t id = 1; id < 500; id++) {
        assert_non_null(add(id));
    }
    for (uint64_t id = 1; id < 500; id += 2) {
        idmap_remove(&map, id);
    }
    assert_int_equal(idmap_number(&map, idmap_find(&map, 1000)), number);
    assert_int_equal(((struct item *)idmap_at(&map, number))->id, 1000);
}

static void removed_items_are_used_again(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 8; id++) {
        assert_non_null(add(id));
    }
    size_t bytes = idmap_bytes(&map);
    for (uint64_t id = 9; id < 100; id++) {
        idmap_remove(&map, id - 1);
        assert_non_null(add(id));
    }
    assert_int_equal(idmap_bytes(&map), bytes);
    idmap_remove(&map, 99);
    for (uint64_t id = 1; id < 8; id++) {
        idmap_remove(&map, id);
    }
    assert_int_equal(idmap_bytes(&map), 0); /* the last one takes the memory along */
}

static void without_memory_nothing_is_added(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 8; id++) {
        assert_non_null(add(id));
    }
    for (unsigned nth = 1;; nth++) {
        fail_alloc_at(nth);
        const struct item *item = add(9);
        if (!fail_alloc_stop()) {
            assert_non_null(item);
            assert_true(nth > 2);
            break;
        }
        assert_null(item);
        assert_null(idmap_find(&map, 9));
        assert_there(8);
    }
    assert_there(9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_table, setup, teardown),
        cmocka_unit_test_setup_teardown(comings_and_goings, setup, teardown),
        cmocka_unit_test_setup_teardown(an_item_keeps_its_number, setup, teardown),
        cmocka_unit_test_setup_teardown(removed_items_are_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_added, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
