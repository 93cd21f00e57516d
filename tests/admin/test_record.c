/* Tests of admin/record.c: a record's values, its faults, its limits. */
#include "tests/admin/records.h"

#include "tests/support/fail_alloc.h"

static void values_stand_under_their_names(void **state)
{
    (void)state;
    struct record_maker maker;
    struct admin_record record;
    record_maker_init(&maker);
    record_begin(&maker, 7);
    assert_int_equal(record_add(&maker, "cn", ";lang-ja", SPAN_LITERAL("Ann"), 8), 0);
    assert_int_equal(record_add(&maker, "MAIL", "", SPAN_LITERAL(""), 9), 0);
    assert_int_equal(record_finish(&maker, &record, NULL), 0);
    assert_int_equal(record.line, 7);
    assert_int_equal(record.attribute_count, 2);
    assert_int_equal(record.dn.size, 0);
    assert_true(admin_attribute_is(&record.attributes[0], "CN"));
    assert_false(admin_attribute_is(&record.attributes[0], "c"));
    assert_true(span_equal(record.attributes[0].options, SPAN_LITERAL(";lang-ja")));
    assert_true(span_equal(record.attributes[0].value, SPAN_LITERAL("Ann")));
    assert_true(admin_attribute_is(&record.attributes[1], "mail"));
    assert_int_equal(record.attributes[1].value.size, 0);
    record_begin(&maker, 9);
    assert_int_equal(record_finish(&maker, &record, NULL), 0);
    assert_int_equal(record.attribute_count, 0);
    record_maker_free(&maker);
}

static void the_first_fault_counts(void **state)
{
    (void)state;
    struct record_maker maker;
    struct admin_record record;
    struct err err = {0};
    record_maker_init(&maker);
    record_begin(&maker, 7);
    record_fault(&maker, 8, E_MALFORMED, "first");
    record_fault(&maker, 9, E_NOT_ALLOWED, "second");
    assert_int_equal(record_finish(&maker, &record, &err), E_MALFORMED);
    assert_string_equal(err.text, "first");
    assert_int_equal(record.line, 8);
    record_begin(&maker, 10);
    assert_int_equal(record_finish(&maker, &record, &err), 0);
    record_maker_free(&maker);
}

static void a_record_has_limits(void **state)
{
    (void)state;
    struct record_maker maker;
    struct admin_record record;
    struct err err = {0};
    record_maker_init(&maker);
    record_begin(&maker, 1);
    for (int i = 0; i < RECORD_ATTRIBUTES_MAX; i++) {
        assert_int_equal(record_add(&maker, "a", "", SPAN_LITERAL("b"), 2), 0);
    }
    assert_int_equal(record_finish(&maker, &record, &err), 0);
    assert_int_equal(record.attribute_count, RECORD_ATTRIBUTES_MAX);
    assert_int_equal(record_add(&maker, "a", "", SPAN_LITERAL("b"), 3), 0);
    assert_int_equal(record_finish(&maker, &record, &err), E_TOO_LARGE);
    assert_int_equal(record.line, 3);
    char *bytes = calloc(1, RECORD_MAX_BYTES);
    assert_non_null(bytes);
    record_begin(&maker, 4);
    assert_int_equal(record_add(&maker, "a", "", span_of(bytes, RECORD_MAX_BYTES - 1), 5), 0);
    assert_int_equal(record_finish(&maker, &record, &err), 0);
    assert_int_equal(record_add(&maker, "b", "", span_of(bytes, 0), 6), 0);
    assert_int_equal(record_finish(&maker, &record, &err), E_TOO_LARGE);
    assert_string_equal(err.text, "the record is larger than 4 MiB");
    assert_int_equal(record.line, 4);
    free(bytes);
    record_maker_free(&maker);
}

static void text_is_utf8(void **state)
{
    (void)state;
    assert_true(record_is_text(span_of(NULL, 0)));
    assert_true(record_is_text(SPAN_LITERAL("a\xe3\x81\x82")));
    assert_false(record_is_text(SPAN_LITERAL("\x82\xa0")));
    assert_false(record_is_text(SPAN_LITERAL("a\xe3\x81")));
    assert_false(record_is_text(span_of("a\0b", 3)));
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth < 10; nth++) {
        struct record_maker maker;
        struct admin_record record;
        record_maker_init(&maker);
        record_begin(&maker, 1);
        fail_alloc_at(nth);
        int rc = record_add(&maker, "a", "", SPAN_LITERAL("b"), 1);
        rc = rc == 0 ? record_finish(&maker, &record, NULL) : rc;
        bool failed = fail_alloc_stop();
        record_maker_free(&maker);
        assert_int_equal(rc, failed ? E_NOMEM : 0);
        if (!failed) {
            assert_true(nth > 3);
            return;
        }
    }
    fail_msg("it never ended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stand_under_their_names),
        cmocka_unit_test(the_first_fault_counts),
        cmocka_unit_test(a_record_has_limits),
        cmocka_unit_test(text_is_utf8),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
