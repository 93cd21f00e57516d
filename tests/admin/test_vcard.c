/* Tests of admin/vcard.c: RFC 6350 and RFC 2426, and what is no vCard. */
#include "tests/admin/records.h"

#include "admin/vcard.h"
#include "tests/support/fail_alloc.h"

#define CARD(body) "BEGIN:VCARD\nVERSION:4.0\n" body "END:VCARD\n"

static bool persons;

static int next(void *reader, struct admin_record *out, struct err *err)
{
    int rc = admin_vcard_next(reader, out, err);
    persons = false;
    for (size_t i = 0; rc == 0 && i < out->attribute_count; i++) {
        persons = persons || admin_attribute_is(&out->attributes[i], "objectClass");
    }
    return rc;
}

static void expect_all(const char *text, size_t size, const char *wanted)
{
    struct admin_vcard *vcard = NULL;
    struct buf out;
    struct err err = {0};
    int fd = file_of(text, size);
    buf_init(&out, 1 << 20);
    assert_int_equal(admin_vcard_open(&vcard, fd, &err), 0);
    assert_int_equal(note_records(next, vcard, &out, &err), E_NOT_FOUND);
    assert_string_equal((const char *)out.data, wanted);
    admin_vcard_close(&vcard);
    buf_free(&out);
    (void)close(fd);
}

static void expect(const char *text, const char *wanted)
{
    expect_all(text, strlen(text), wanted);
}

static void cards_become_records(void **state)
{
    (void)state;
    expect("\r\nBEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann B\r\nORG:Kitbag;Sales;East\r\n"
           "TITLE:Chief\r\nEMAIL;TYPE=work;PREF=1:a@x\r\nEMAIL:b@x\r\n"
           "TEL;VALUE=uri;TYPE=\"voice,work\":tel:+81-3-1\r\nTEL;TYPE=work,fax:2\r\nUID:ann\r\n"
           "END:VCARD\r\nbegin:vcard\nversion:3.0\nfn:Bob\nitem1.TEL;FAX;WORK:3\nend:vcard\n",
           "2 cn=Ann B|o=Kitbag|ou=Sales|title=Chief|mail=a@x|mail=b@x|telephoneNumber=+81-3-1|"
           "facsimileTelephoneNumber=2|uid=ann|\n"
           "13 cn=Bob|facsimileTelephoneNumber=3|\n");
    expect("", "");
}

static void values_are_unescaped_and_unfolded(void **state)
{
    (void)state;
    expect(CARD("FN:A\\, B\\; C\\\\D\\nE\n  F\n\tG\nORG:R\\;D;X\\,Y\nTITLE: \nNOTE:"
                "\xff"
                "\n"),
           "1 cn=A, B; C\\D E FG|o=R;D|ou=X,Y|\n");
    expect(CARD("FN:end\\\n"), "1 cn=end\\|\n");
}

static void names_have_their_sound(void **state)
{
    (void)state;
    expect(CARD("FN:x\nN;SORT-AS=\"Harten,Rene\":van der Harten;Rene;;;\n"),
           "1 cn=x|cn;phonetic=Harten Rene|\n");
    expect("BEGIN:VCARD\nVERSION:3.0\nFN:x\nX-PHONETIC-FIRST-NAME:hanako\n"
           "X-PHONETIC-LAST-NAME:yamada\nSORT-STRING:other\nEND:VCARD\n",
           "1 cn=x|cn;phonetic=yamada hanako|\n");
    expect(CARD("FN:\nN:Doe;John;;;\nN:Other;One;;;\n"), "1 cn=John Doe|\n");
    expect(CARD("EMAIL:a@x\n"), "1 mail=a@x|\n");
}

static void a_uri_is_no_name_to_sign_in_by(void **state)
{
    (void)state;
    expect(CARD("FN:x\nUID:urn:uuid:4f\n"), "1 cn=x|\n");
    expect(CARD("FN:x\nUID:\n"), "1 cn=x|\n");
}

static void groups_and_things_are_no_people(void **state)
{
    (void)state;
    static const char *const kinds[] = {"Individual", "group", "ORG", "location"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct admin_vcard *vcard = NULL;
        struct admin_record record;
        char text[128];
        (void)snprintf(text, sizeof text, CARD("KIND:%s\nFN:x\n"), kinds[i]);
        int fd = file_of(text, strlen(text));
        assert_int_equal(admin_vcard_open(&vcard, fd, NULL), 0);
        assert_int_equal(next(vcard, &record, NULL), 0);
        assert_int_equal(persons, i == 0);
        admin_vcard_close(&vcard);
        (void)close(fd);
    }
}

static void what_is_no_card_is_told_and_passed(void **state)
{
    (void)state;
    expect("hello\n" CARD("FN:x\n"),
           "1! a card begins with BEGIN:VCARD, this line does not\n2 cn=x|\n");
    expect(CARD("FN:x\nnothing\n") CARD("FN:y\n"), "4! the line is not 'NAME:value'\n6 cn=y|\n");
    expect(CARD("FN;X=\"a:b\n"), "3! the line is not 'NAME:value'\n");
    expect("BEGIN:VCARD\nVERSION:2.1\nFN:x\nEND:VCARD\nBEGIN:VCARD\nFN:y\nEND:VCARD\n",
           "2! a vCard of another version than 3.0 and 4.0: export it in one of them\n"
           "7! the vCard does not tell its version\n");
    expect("BEGIN:VCARD\nVERSION:4.0\nFN:x\n" CARD("FN:y\n"),
           "4! a card begins here, and END:VCARD of the one before is missing\n4 cn=y|\n");
    expect("BEGIN:VCARD\nVERSION:4.0\nFN:x\n",
           "3! the file ends within a card: END:VCARD is missing\n");
    expect(CARD("FN:\x82\xa0\n"), "3! the name is not UTF-8 text\n");
    expect_all("BEGIN:VCARD\nVERSION:4.0\nFN:a\0b\nEND:VCARD\n", 40,
               "3! the name is not UTF-8 text\n");
}

static void values_and_pictures_have_sizes(void **state)
{
    (void)state;
    enum { BIG = 3 << 20 };
    char *text = malloc(BIG + 256);
    assert_non_null(text);
    size_t size = (size_t)snprintf(text, 256, "BEGIN:VCARD\nVERSION:4.0\nFN:x\nPHOTO:");
    memset(text + size, 'x', BIG);
    memcpy(text + size + BIG, "\nEND:VCARD\n", 12);
    expect(text, "1 cn=x|\n");
    memcpy(text + size - 6, "TITLE:", 6);
    memcpy(text + size + (256 << 10) + 1, "\nEND:VCARD\n", 12);
    expect(text, "4! a value is larger than 256 KiB\n");
    free(text);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] = CARD("FN:x\nN;SORT-AS=s:a;b;;;\nEMAIL:a@x\n");
    for (unsigned nth = 1; nth < 100; nth++) {
        struct admin_vcard *vcard = NULL;
        struct admin_record record;
        int fd = file_of(text, sizeof text - 1);
        fail_alloc_at(nth);
        int rc = admin_vcard_open(&vcard, fd, NULL);
        while (rc == 0) {
            rc = admin_vcard_next(vcard, &record, NULL);
        }
        bool failed = fail_alloc_stop();
        admin_vcard_close(&vcard);
        (void)close(fd);
        if (!failed) {
            assert_int_equal(rc, E_NOT_FOUND);
            assert_true(nth > 4);
            return;
        }
        assert_int_equal(rc, E_NOMEM);
    }
    fail_msg("it never ended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cards_become_records),
        cmocka_unit_test(values_are_unescaped_and_unfolded),
        cmocka_unit_test(names_have_their_sound),
        cmocka_unit_test(a_uri_is_no_name_to_sign_in_by),
        cmocka_unit_test(groups_and_things_are_no_people),
        cmocka_unit_test(what_is_no_card_is_told_and_passed),
        cmocka_unit_test(values_and_pictures_have_sizes),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
