/* tests/client/test_outbox_entry.c - operations in memory: bytes, list, window. */
#include "tests/client/outbox_samples.h"

#include "tests/support/fail_alloc.h"

static struct owner ann_owner(void)
{
    struct owner owner;
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    return owner;
}

static void put_write(struct buf *out, uint64_t number, uint64_t bag_id, uint64_t made_by)
{
    struct operation_write set = write_of("a", "1");
    struct operation_write remove = write_of("b", NULL);
    set.has_if_seq = true;
    set.if_seq = 9;
    operation_begin_write(out, number, bag_id, made_by, 33, 2);
    operation_put_write(out, &set);
    operation_put_write(out, &remove);
}

static void an_entry_points_into_its_own_bytes(void **state)
{
    (void)state;
    struct owner owner = ann_owner();
    struct buf bytes;
    struct entry *entry = NULL;
    buf_init(&bytes, 1000);
    put_write(&bytes, 4, 40, 0);
    assert_int_equal(outbox_entry_new(&entry, &owner, buf_span(&bytes), NULL), 0);
    memset(bytes.data, 0, bytes.size);
    assert_int_equal(entry->number, 4);
    assert_int_equal(entry->bag_id, 40);
    assert_int_equal(entry->write_count, 2);
    assert_string_equal(entry->text, "user:Ann");
    assert_string_equal(entry->key, "user:ann");
    assert_true(span_equal(entry->writes[0].path, span_str("a")));
    assert_true(span_equal(entry->writes[0].value, span_str("1")));
    assert_true(entry->writes[1].remove);
    assert_true(outbox_entry_cost(entry) > entry->size);
    buf_free(&bytes);
    outbox_entry_free(&entry);
    outbox_entry_free(&entry);
}

static void encoding_again_changes_what_is_asked_and_nothing_else(void **state)
{
    (void)state;
    struct owner owner = ann_owner();
    struct buf bytes;
    struct buf again;
    struct entry *entry = NULL;
    buf_init(&bytes, 1000);
    buf_init(&again, 1000);
    put_write(&bytes, 4, 0, 2);
    assert_int_equal(outbox_entry_new(&entry, &owner, buf_span(&bytes), NULL), 0);
    outbox_entry_encode(entry, 4, 0, 2, NULL, &again);
    assert_true(span_equal(buf_span(&bytes), buf_span(&again)));
    buf_reset(&bytes);
    buf_reset(&again);
    put_write(&bytes, 7, 77, 0);
    outbox_entry_encode(entry, 7, 77, 0, NULL, &again);
    assert_true(span_equal(buf_span(&bytes), buf_span(&again)));
    assert_int_equal(outbox_entry_set_bytes(entry, buf_span(&again), NULL), 0);
    assert_true(span_equal(entry->writes[0].path, span_str("a")));
    bool keep[2] = {false, true};
    buf_reset(&again);
    outbox_entry_encode(entry, 7, 77, 0, keep, &again);
    assert_true(again.size < bytes.size);
    buf_free(&bytes);
    buf_free(&again);
    outbox_entry_free(&entry);
}

static void bytes_that_are_no_operation_are_refused(void **state)
{
    (void)state;
    struct owner owner = ann_owner();
    struct entry *entry = NULL;
    assert_int_equal(outbox_entry_new(&entry, &owner, span_str("\x93"), NULL), E_MALFORMED);
    assert_int_equal(outbox_entry_new(&entry, &owner, span_str("\x92\x01\x09"), NULL), E_MALFORMED);
    assert_null(entry);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct owner owner = ann_owner();
    struct buf bytes;
    struct entry *entry = NULL;
    buf_init(&bytes, 1000);
    put_write(&bytes, 4, 40, 0);
    unsigned nth = 1;
    for (;; nth++) {
        fail_alloc_at(nth);
        int rc = outbox_entry_new(&entry, &owner, buf_span(&bytes), NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_null(entry);
    }
    assert_true(nth > 4);
    fail_alloc_at(1);
    assert_int_equal(outbox_entry_set_bytes(entry, buf_span(&bytes), NULL), E_NOMEM);
    assert_true(fail_alloc_stop());
    outbox_entry_free(&entry);
    buf_free(&bytes);
}

static struct entry *empty_entry(uint64_t id, uint64_t number)
{
    struct buf bytes;
    struct entry *entry = NULL;
    buf_init(&bytes, 100);
    operation_put_empty(&bytes, number);
    assert_int_equal(outbox_entry_new(&entry, NULL, buf_span(&bytes), NULL), 0);
    entry->id = id;
    buf_free(&bytes);
    return entry;
}

static void the_window_is_a_ring_of_numbers(void **state)
{
    (void)state;
    static struct outbox outbox;
    outbox.window_first = 1;
    uint64_t next = 1;
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 10 + round; i++, next++) {
            assert_int_equal(outbox_window_reserve(&outbox), 0);
            outbox_window_push(&outbox, empty_entry(0, next));
        }
        assert_null(outbox_window_at(&outbox, next));
        assert_null(outbox_window_at(&outbox, outbox.window_first - 1));
        assert_int_equal(outbox_window_at(&outbox, next - 1)->number, next - 1);
        for (unsigned i = 0; i < 9 + round; i++) {
            struct entry *oldest = outbox_window_at(&outbox, outbox.window_first);
            assert_int_equal(oldest->number, outbox.window_first);
            outbox_window_pop(&outbox);
            assert_int_equal(oldest->number, 0);
            outbox_entry_free(&oldest);
        }
    }
    assert_int_equal(outbox.window_count, 50);
    while (outbox.window_count > 0) {
        struct entry *newest = outbox_window_at(&outbox, outbox_window_end(&outbox) - 1);
        outbox_window_pop_newest(&outbox);
        outbox_entry_free(&newest);
    }
    free(outbox.window);
}

static void the_list_keeps_the_order_of_ids(void **state)
{
    (void)state;
    static struct outbox outbox;
    const uint64_t ids[] = {5, 7, 3, 6, 9, 1};
    struct entry *entries[6];
    for (size_t i = 0; i < 6; i++) {
        entries[i] = empty_entry(ids[i], 1);
        outbox_list_add(&outbox, entries[i]);
    }
    uint64_t last = 0;
    for (struct entry *e = outbox.first; e != NULL; e = e->next) {
        assert_true(e->id > last);
        last = e->id;
    }
    assert_int_equal(last, 9);
    assert_ptr_equal(outbox_by_id(&outbox, 6), entries[3]);
    assert_null(outbox_by_id(&outbox, 4));
    assert_null(outbox_by_id(&outbox, 0));
    for (size_t i = 0; i < 6; i++) {
        outbox_list_remove(&outbox, entries[i]);
        outbox_entry_free(&entries[i]);
    }
    assert_null(outbox.first);
    assert_null(outbox.last);
    assert_int_equal(outbox.used_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_points_into_its_own_bytes),
        cmocka_unit_test(encoding_again_changes_what_is_asked_and_nothing_else),
        cmocka_unit_test(bytes_that_are_no_operation_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_window_is_a_ring_of_numbers),
        cmocka_unit_test(the_list_keeps_the_order_of_ids),
    };
    return cmocka_run_group_tests_name("client/outbox_entry", tests, NULL, NULL);
}
