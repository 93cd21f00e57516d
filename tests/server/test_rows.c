#include "server/rows.h"
#include "tests/server/fixture.h"

struct seen {
    size_t count;
    size_t stop_at;
    char last[PATH_MAX_BYTES + 1];
};

static int see(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)err;
    struct seen *seen = context;
    assert_true(span_compare(span_str(seen->last), path) < 0);
    memcpy(seen->last, path.data, path.size);
    seen->last[path.size] = '\0';
    assert_int_equal(row->state, ITEM_LIVE);
    seen->count++;
    return seen->count == seen->stop_at ? 9 : 0;
}

/* Values so large that a page holds one row only. */
static void all_of_several_pages(void **state)
{
    struct fixture *fx = *state;
    char *large = calloc(1, 70001);
    assert_non_null(large);
    memset(large, 'x', 70000);
    uint64_t bag = 0;
    static const char *const paths[] = {"a/1", "a/2", "a/3", "b", "c"};
    for (size_t i = 0; i < 5; i++) {
        bag = fx_submit(fx, SUBMIT_WRITE, "user:ann", paths[i], large).bag_id;
    }
    free(large);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "b", NULL).code, 0);
    struct seen seen = {0};
    assert_int_equal(rows_each(fx->kv, bag, SPAN_LITERAL(""), see, &seen, NULL), 0);
    assert_int_equal(seen.count, 4);
    seen = (struct seen){0};
    assert_int_equal(rows_each(fx->kv, bag, SPAN_LITERAL("a/"), see, &seen, NULL), 0);
    assert_int_equal(seen.count, 3);
    seen = (struct seen){.stop_at = 2};
    assert_int_equal(rows_each(fx->kv, bag, SPAN_LITERAL("a/"), see, &seen, NULL), 9);
    assert_int_equal(seen.count, 2);
    assert_int_equal(rows_each(fx->kv, 999, SPAN_LITERAL(""), see, &seen, NULL), E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_of_several_pages, fx_setup, fx_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
