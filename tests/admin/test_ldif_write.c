/* Tests of admin/ldif_write.c: entries, lines, and the way back. */
#include "tests/admin/addresses.h"

#include "admin/ldif_write.h"

static void put_personal(struct buf *out, const struct admin_address *address)
{
    admin_ldif_put(out, false, address);
}

/* The lines behind each other, of one address. */
static const char *written(const char *id, const char *value)
{
    static struct buf out;
    buf_free(&out);
    buf_init(&out, 64 << 10);
    address_put(&out, put_personal, id, value);
    (void)buf_append_u8(&out, 0);
    return (const char *)out.data;
}

static void an_entry(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    admin_ldif_put_head(&out, true);
    admin_ldif_put_owner(&out, true, "a,b=\"c\" #");
    (void)buf_append_u8(&out, 0);
    assert_string_equal((const char *)out.data,
                        "dn: o=kitbag\nobjectClass: organization\no: kitbag\n\n"
                        "dn: cn=group,o=kitbag\nobjectClass: organizationalRole\ncn: group\n\n"
                        "dn: cn=a\\,b\\=\\\"c\\\" #,cn=group,o=kitbag\n"
                        "objectClass: organizationalRole\ncn: a,b=\"c\" #\n\n");
    buf_free(&out);
}

static void no_line_is_longer_than_76(void **state)
{
    (void)state;
    const char *text = written("bob", ADDRESS_AWKWARD);
    for (const char *line = text; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        assert_true(size <= 76);
        for (size_t i = 0; i < size; i++) {
            assert_true(line[i] >= ' ' && line[i] <= '~');
        }
        line += size + 1;
    }
}

/* A directory would refuse the whole file for them. */
static void what_an_attribute_cant_hold_is_a_description(void **state)
{
    (void)state;
    const char *text = written("bob", "{\"mail\":[\"b\\u00f6b@example.org\",\"bob@example.org\"],"
                                      "\"telephone\":[\"#21*5\",\"  \",\"\",\"77\"],\"fax\":[]}");
    assert_null(strstr(text, "\nmail:: "));
    assert_non_null(strstr(text, "\nmail: bob@example.org\n"));
    assert_non_null(strstr(text, "\ndescription: telephoneNumber: #21*5\n"));
    assert_non_null(strstr(text, "\ntelephoneNumber: 77\n"));
    assert_null(strstr(text, "telephoneNumber: \n"));
    assert_non_null(strstr(text, "\ndescription:: "));
    assert_null(strstr(text, "\no: ")); /* an empty value is none */
}

static void our_own_reader_takes_it_back(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 64 << 10);
    admin_ldif_put_head(&out, false);
    admin_ldif_put_owner(&out, false, "Änn");
    address_put(&out, put_personal, "ann", ADDRESS_AWKWARD);
    address_expect_back(&out, ADMIN_FORMAT_LDIF, "ann", ADDRESS_AWKWARD);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry),
        cmocka_unit_test(no_line_is_longer_than_76),
        cmocka_unit_test(what_an_attribute_cant_hold_is_a_description),
        cmocka_unit_test(our_own_reader_takes_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
