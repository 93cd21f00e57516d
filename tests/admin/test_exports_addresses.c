/* Tests of admin/exports_addresses.c: the address lists of a base, in the three formats. */
#include "tests/admin/exports_samples.h"

static void all_personal_lists(void **state)
{
    (void)state;
    struct admin_export made = sample_prepared("");
    assert_string_equal(sample_list(made.id, false, ADMIN_FORMAT_CSV),
                        "\xef\xbb\xbf"
                        "owner,uid,name,kana,mail,fax,telephone,organization,department,title\r\n"
                        "Ann,bob,Bob,,bob@example.org,,\"+49 30 1\",,,\r\n");
}

static void all_lists_of_groups(void **state)
{
    (void)state;
    struct admin_export made = sample_prepared("");
    const char *text = sample_list(made.id, true, ADMIN_FORMAT_LDIF);
    assert_non_null(strstr(text, "dn: o=kitbag\n"));
    assert_non_null(strstr(text, "dn: cn=sales,cn=group,o=kitbag\n"));
    assert_non_null(strstr(text, "dn: uid=zoe,cn=sales,cn=group,o=kitbag\n"));
    assert_null(strstr(text, "Bob"));
    text = sample_list(made.id, true, ADMIN_FORMAT_VCARD);
    assert_non_null(strstr(text, "BEGIN:VCARD\r\nVERSION:4.0\r\nUID;VALUE=text:zoe\r\nFN:Zoe\r\n"));
}

/* As they were, whatever the snapshot file holds, and after they changed. */
static void of_the_same_moment(void **state)
{
    (void)state;
    struct admin_export made;
    struct admin_export_order order = {.form = {.groups = true}};
    assert_int_equal(sample_prepare("user:ann", &order, &made, NULL), 0);
    (void)fake_remove(&sample.fake, "user:Ann", "address-list/personal/bob");
    assert_non_null(strstr(sample_list(made.id, false, ADMIN_FORMAT_CSV), "bob@example.org"));
}

static void more_than_a_piece(void **state)
{
    (void)state;
    enum { MORE = 200 };
    char path[64];
    for (int i = 0; i < MORE; i++) {
        (void)snprintf(path, sizeof path, "address-list/personal/x%03d", i);
        (void)fake_put(&sample.fake, "user:Bob", path, "{\"name\":\"Somebody\"}");
    }
    struct admin_export made = sample_prepared("user:bob");
    assert_int_equal(made.personal_addresses, MORE);
    const char *text = sample_list(made.id, false, ADMIN_FORMAT_LDIF);
    assert_non_null(strstr(text, "dn: uid=x199,cn=Bob,cn=personal,o=kitbag\n"));
    const char *owner = strstr(text, "dn: cn=Bob,");
    assert_non_null(owner);
    assert_null(strstr(owner + 1, "dn: cn=Bob,")); /* told once */
}

static void what_is_not_exported_is_not_listed(void **state)
{
    (void)state;
    sample_put_category("address-list/personal", false, false);
    struct admin_export made = sample_prepared("user:ann");
    assert_null(strstr(sample_list(made.id, false, ADMIN_FORMAT_CSV), "bob"));
}

static void a_difference_has_no_lists(void **state)
{
    (void)state;
    static atomic_bool given_up;
    uint64_t count = 0;
    uint64_t size = 0;
    int fd = -1;
    struct admin_export made;
    struct err err = {0};
    const struct admin_export_lists lists = {
        .format = ADMIN_FORMAT_CSV, .given_up = &given_up, .addresses = &count};
    struct admin_export_order order = {.since_device = FAKE_DEVICE, .form = {.personal = true}};
    fake_machine(&sample.fake, FAKE_DEVICE, "lobby", "active");
    assert_int_equal(sample_prepare("user:ann", &order, &made, NULL), 0);
    assert_int_equal(admin_exports_addresses(sample.exports, made.id, &lists, &fd, &size, &err),
                     E_CONDITION);
    assert_int_equal(fd, -1);
    assert_int_equal(
        admin_exports_addresses(sample.exports, "0123456789abcdef", &lists, &fd, &size, &err),
        E_NOT_FOUND);
    atomic_store(&given_up, true);
    made = sample_prepared("user:ann");
    assert_int_equal(admin_exports_addresses(sample.exports, made.id, &lists, &fd, &size, &err),
                     E_CLOSED);
    atomic_store(&given_up, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXPORTS_TEST(all_personal_lists),
        EXPORTS_TEST(all_lists_of_groups),
        EXPORTS_TEST(of_the_same_moment),
        EXPORTS_TEST(more_than_a_piece),
        EXPORTS_TEST(what_is_not_exported_is_not_listed),
        EXPORTS_TEST(a_difference_has_no_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
