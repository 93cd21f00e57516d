/* Tests of admin/address.c: what can be read of a value is shown. */
#include "tests/admin/addresses.h"

static void a_whole_one(void **state)
{
    (void)state;
    struct admin_address a;
    admin_address_read(&a, "ann", SPAN_LITERAL("bob"), span_str(ADDRESS_AWKWARD));
    assert_string_equal(a.owner, "ann");
    assert_string_equal(a.id, "bob");
    assert_string_equal(a.name, "=2+3; \"Änn\", the \\ 1st");
    assert_string_equal(a.kana, "あん, ス");
    assert_string_equal(a.department, "@home");
    assert_string_equal(a.title, "'=x");
    assert_int_equal(admin_address_count(&a, ADDRESS_MAIL), 2);
    assert_string_equal(admin_address_at(&a, ADDRESS_MAIL, 1), "-ann@example.org");
    assert_string_equal(admin_address_at(&a, ADDRESS_FAX, 0), "+49 30 99");
    assert_int_equal(admin_address_count(&a, ADDRESS_TELEPHONE), 2);
    admin_address_free(&a);
}

/* No JSON, another kind of value, or of a member: it is there, by its ID. */
static void others(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",     "no json",
        "[]",   "{\"name\":7,\"mail\":\"x\",\"fax\":{},\"title\":[]}",
        "\xff", "{\"name\":\"a\\u0000b\"}"};
    struct admin_address a;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        admin_address_read(&a, "ann", SPAN_LITERAL("x/y"), span_str(values[i]));
        assert_string_equal(a.name, "x/y");
        assert_string_equal(a.title, "");
        assert_int_equal(admin_address_count(&a, ADDRESS_MAIL), 0);
        assert_int_equal(admin_address_count(&a, ADDRESS_FAX), 0);
        admin_address_free(&a);
    }
    admin_address_read(&a, "ann", SPAN_LITERAL("x"), SPAN_LITERAL("{\"mail\":[1,\"a\"]}"));
    assert_string_equal(admin_address_at(&a, ADDRESS_MAIL, 0), "");
    assert_string_equal(admin_address_at(&a, ADDRESS_MAIL, 1), "a");
    assert_string_equal(admin_address_at(&a, ADDRESS_MAIL, 2), "");
    admin_address_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_one),
        cmocka_unit_test(others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
