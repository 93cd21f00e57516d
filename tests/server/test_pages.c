/* Pages: whole bags and differences, within the budget, under one view. */
#include "server/pages.h"
#include "tests/server/fixture.h"

static uint64_t fill(struct fixture *fx, size_t count, size_t size)
{
    char *value = calloc(1, size + 1);
    assert_non_null(value);
    memset(value, 'v', size);
    uint64_t bag = 0;
    for (size_t i = 0; i < count; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "p%02d", (int)i);
        bag = fx_submit(fx, SUBMIT_WRITE, "user:ann", path, value).bag_id;
        fx_forget(fx);
    }
    free(value);
    return bag;
}

/* Reads from the start to the end; pages and rows. */
static size_t read_all(struct fixture *fx, uint64_t bag, uint64_t since, size_t budget,
                       size_t *rows)
{
    struct pages pages;
    pages_init(&pages);
    uint8_t after[PATH_MAX_BYTES];
    size_t after_size = 0;
    size_t count = 0;
    struct feed_page page = {0};
    *rows = 0;
    do {
        struct page_request request = {.bag_id = bag,
                                       .since = since,
                                       .after = span_of(after, after_size),
                                       .budget_bytes = budget};
        pages_read(&pages, fx->kv, &request, &page);
        assert_int_equal(page.code, 0);
        assert_int_equal(page.bag_id, bag);
        assert_false(page.whole);
        assert_true(page.rows.size <= budget || page.row_count == 1);
        after_size = page.next.size;
        if (after_size > 0) {
            memcpy(after, page.next.data, after_size);
        }
        assert_int_equal(page.has_digest, page.end); /* what it adds up to is told at the end */
        *rows += page.row_count;
        count++;
        assert_true(count < 100);
    } while (!page.end);
    struct journal_position head;
    journal_head(fx->journal, &head);
    assert_int_equal(page.position.seq, head.seq);
    assert_memory_equal(page.position.hash, head.hash, SHA256_SIZE);
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, bag, &row, NULL), 0);
    assert_int_equal(page.last_seq, row.last_seq);
    assert_true(page.has_digest);
    assert_true(digest_equal(&page.digest, &row.digest));
    pages_free(&pages);
    return count;
}

static void within_the_budget(void **state)
{
    struct fixture *fx = *state;
    uint64_t bag = fill(fx, 10, 5000);
    size_t rows = 0;
    assert_int_equal(read_all(fx, bag, 0, 57344, &rows), 1);
    assert_int_equal(rows, 10);
    assert_true(read_all(fx, bag, 0, 20000, &rows) >= 4);
    assert_int_equal(rows, 10);
    assert_true(read_all(fx, bag, 0, 1024, &rows) >= 10); /* each row is larger */
    assert_int_equal(rows, 10);
}

static void a_difference_tells_what_was_removed(void **state)
{
    struct fixture *fx = *state;
    uint64_t bag = fill(fx, 10, 100);
    struct bag_row row = {0};
    assert_int_equal(kv_bag(fx->kv, NULL, bag, &row, NULL), 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p03", NULL).code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p04", "new").code, 0);
    size_t rows = 0;
    (void)read_all(fx, bag, row.last_seq, 57344, &rows);
    assert_int_equal(rows, 2);
    (void)read_all(fx, bag, 0, 57344, &rows);
    assert_int_equal(rows, 9);
}

static void the_largest_value_fits(void **state)
{
    struct fixture *fx = *state;
    uint64_t bag = fill(fx, 2, VALUE_MAX_BYTES);
    size_t rows = 0;
    assert_int_equal(read_all(fx, bag, 0, 57344, &rows), 2);
    assert_int_equal(rows, 2);
}

static void a_deleted_bag_is_gone(void **state)
{
    struct fixture *fx = *state;
    uint64_t bag = fill(fx, 1, 1);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL).code, 0);
    struct pages pages;
    pages_init(&pages);
    struct feed_page page = {0};
    struct page_request request = {.bag_id = bag, .budget_bytes = 1000};
    pages_read(&pages, fx->kv, &request, &page);
    assert_int_equal(page.code, E_BAG_GONE);
    request.bag_id = 12345;
    pages_read(&pages, fx->kv, &request, &page);
    assert_int_equal(page.code, E_BAG_GONE);
    pages_free(&pages);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(within_the_budget),
        TEST(a_difference_tells_what_was_removed),
        TEST(the_largest_value_fits),
        TEST(a_deleted_bag_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
