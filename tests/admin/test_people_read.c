/* Tests of admin/people_read.c: who is a person, and what is kept of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "admin/people.h"
#include "tests/support/fail_alloc.h"

#define PERSON "objectClass: inetOrgPerson\n"

static int read_bytes(const void *bytes, size_t size, struct admin_people *people, struct err *err)
{
    static atomic_bool given_up;
    int fd = memfd_create("people", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    *people = (struct admin_people){0};
    int rc = admin_people_read(people, ADMIN_FORMAT_LDIF, fd, &given_up, err);
    (void)close(fd);
    return rc;
}

static void read_text(const char *text, struct admin_people *people)
{
    struct err err = {0};
    assert_int_equal(read_bytes(text, strlen(text), people, &err), 0);
}

/* The only person of a text has this value. */
static void expect_address(const char *text, const char *value)
{
    struct admin_people people;
    read_text(text, &people);
    assert_int_equal(people.count, 1);
    assert_string_equal(people.all[0]->value, value);
    assert_int_equal(people.all[0]->value_size, strlen(value));
    admin_people_free(&people);
}

/* The departments of the only person, joined by '|'. */
static void expect_departments(const char *text, const char *wanted)
{
    struct admin_people people;
    char out[2048] = "";
    read_text(text, &people);
    assert_int_equal(people.count, 1);
    for (const char *d = people.all[0]->departments; *d != '\0'; d += strlen(d) + 1) {
        size_t size = strlen(out);
        (void)snprintf(out + size, sizeof out - size, "%s|", d);
    }
    assert_string_equal(out, wanted);
    admin_people_free(&people);
}

static const char *reason_of(const struct admin_people *people, size_t i)
{
    return json_string_value(json_object_get(json_array_get(people->failures.rows, i), "reason"));
}

static int line_of(const struct admin_people *people, size_t i)
{
    return (int)json_integer_value(
        json_object_get(json_array_get(people->failures.rows, i), "line"));
}

static void people_are_told_from_other_entries(void **state)
{
    (void)state;
    static const char *const classes[] = {
        "person",      "PERSON",         "organizationalPerson", "inetOrgPerson", "OpenLDAPperson",
        "pilotPerson", "newPilotPerson", "residentialPerson",    "user"};
    struct admin_people people;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "dn: a\nobjectclass: top\nobjectClass: %s\nuid: ann\n",
                       classes[i]);
        read_text(text, &people);
        assert_int_equal(people.count, 1);
        admin_people_free(&people);
    }
    read_text("dn: a\nobjectClass: organizationalUnit\nou: x\n\ndn: b\nuid: b\n\n"
              "dn: c\nobjectClass: persona\nuid: c\n",
              &people);
    assert_int_equal(people.count, 0);
    assert_int_equal(people.others, 3);
    assert_int_equal(people.failures.count, 0);
    admin_people_free(&people);
}

static void a_name_is_uid_else_mail_else_cn(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } rows[] = {
        {"dn: a\n" PERSON "cn: C N\nmail: m@x\nuid: Uid\nuid: other\n", "Uid"},
        {"dn: a\n" PERSON "cn: C N\nmail: m@x\n", "m@x"},
        {"dn: a\n" PERSON "cn: C N\nsn: x\n", "C N"},
        {"dn: a\n" PERSON "uid:\ncn: C N\n", "C N"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct admin_people people;
        read_text(rows[i].text, &people);
        assert_int_equal(people.count, 1);
        assert_string_equal(people.all[0]->name, rows[i].name);
        admin_people_free(&people);
    }
}

static void who_can_not_be_registered_is_told(void **state)
{
    (void)state;
    struct admin_people people;
    read_text("\ndn: a\n" PERSON "sn: x\n\ndn: b\n" PERSON "uid: a/b\ncn: fine\n\n"
              "dn: c\n" PERSON "uid:: /w==\n\ndn: d\n" PERSON "uid: ok\n\nbroken\n",
              &people);
    assert_int_equal(people.count, 1);
    assert_int_equal(people.failures.count, 4);
    assert_int_equal(line_of(&people, 0), 2);
    assert_string_equal(
        reason_of(&people, 0),
        "a person without uid, mail and name (cn): there is nothing to register by");
    assert_int_equal(line_of(&people, 1), 6);
    assert_non_null(strstr(reason_of(&people, 1), "'/'"));
    assert_int_equal(line_of(&people, 2), 11);
    assert_int_equal(line_of(&people, 3), 19);
    admin_people_free(&people);
}

static void the_address_holds_what_the_entry_tells(void **state)
{
    (void)state;
    expect_address("dn: a\n" PERSON "uid: ann\n",
                   "{\"name\":\"ann\",\"kana\":\"\",\"mail\":[],\"fax\":[],\"telephone\":[],"
                   "\"organization\":\"\",\"department\":\"\",\"title\":\"\"}");
    expect_address(
        "dn: a\n" PERSON "uid: ann\ncn: Ann B\ndisplayName: Annie\nmail: a@x\nmail: b@x\n"
        "facsimileTelephoneNumber: 1\ntelephoneNumber: 2\nTELEPHONENUMBER: 3\n"
        "o: Org\nou: Dep\nou: Other\ntitle: Chief\nuserPassword: secret\n"
        "cn;lang-ja;phonetic: kana\n",
        "{\"name\":\"Annie\",\"kana\":\"kana\",\"mail\":[\"a@x\",\"b@x\"],\"fax\":[\"1\"],"
        "\"telephone\":[\"2\",\"3\"],\"organization\":\"Org\",\"department\":\"Dep\","
        "\"title\":\"Chief\"}");
    expect_address("dn: a\n" PERSON "uid: ann\ncn;phonetic: k\ncn: Ann\nmail:: /w==\nmail:\n"
                   "title:: /w==\n",
                   "{\"name\":\"Ann\",\"kana\":\"k\",\"mail\":[],\"fax\":[],\"telephone\":[],"
                   "\"organization\":\"\",\"department\":\"\",\"title\":\"\"}");
}

static void departments_are_ou_or_from_the_dn(void **state)
{
    (void)state;
    expect_departments("dn: a\n" PERSON "uid: a\nou: Sales\nou: R&D\nou:\n", "sales|r&d|");
    expect_departments("dn: uid=a, ou=Sales , ou=Other, dc=x\n" PERSON "uid: a\n", "sales|");
    expect_departments("dn: ou=own,dc=x\n" PERSON "uid: a\n", "");
    expect_departments("dn: uid=a,OU = A\\, B\\2c \"C\",dc=x\n" PERSON "uid: a\n", "a, b, c|");
    expect_departments("dn: uid=a,ou=\"A, B\",dc=x\n" PERSON "uid: a\n", "a, b|");
    expect_departments("dn: uid=a;ou=S;dc=x\n" PERSON "uid: a\n", "s|");
    expect_departments("dn: uid=a,dc=ou,dc=ou=y\n" PERSON "uid: a\n", "");
    expect_departments("dn: uid=a,oux=1,o=2,nothing\n" PERSON "uid: a\n", "");
    expect_departments("dn: uid=a,ou=\\\n" PERSON "uid: a\n", "\\|");
    expect_departments("dn:\n" PERSON "uid: a\n", "");
    expect_departments("dn: a\n" PERSON "uid: a\nou:: /w==\n", "");
}

static void an_id_is_one_segment_of_a_path(void **state)
{
    (void)state;
    struct admin_people people;
    read_text("dn: a\n" PERSON "uid: Ann B\n\ndn: b\n" PERSON "uid: .\n\ndn: c\n" PERSON
              "uid: ..\n\ndn: d\n" PERSON "uid: @x\n",
              &people);
    assert_int_equal(people.count, 4);
    assert_string_equal(people.all[0]->id, "ann b");
    for (size_t i = 0; i < people.count; i++) {
        char path[PATH_MAX_BYTES + 1];
        (void)snprintf(path, sizeof path, "address-list/personal/%s", people.all[i]->id);
        assert_int_equal(path_check(span_str(path), NULL), 0);
    }
    admin_people_free(&people);
}

/* Names of 199 to 201 bytes, and of characters of three bytes that a cut must not part. */
static void a_long_id_is_cut_and_stays_its_own(void **state)
{
    (void)state;
    char text[2048] = "";
    for (size_t i = 0; i < 3; i++) {
        char name[256];
        memset(name, 'x', sizeof name);
        name[199 + i] = '\0';
        size_t size = strlen(text);
        (void)snprintf(text + size, sizeof text - size, "dn: a\n" PERSON "uid: %s\n\n", name);
    }
    size_t at = strlen(text);
    at += (size_t)snprintf(text + at, sizeof text - at, "dn: a\n" PERSON "uid: y");
    for (int i = 0; i < 80; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "\xe3\x81\x82");
    }
    (void)snprintf(text + at, sizeof text - at, "\n");
    struct admin_people people;
    read_text(text, &people);
    assert_int_equal(people.count, 4);
    assert_int_equal(strlen(people.all[0]->id), 199);
    assert_int_equal(strlen(people.all[1]->id), 200);
    assert_int_equal(strlen(people.all[2]->id), 180 + 17);
    assert_int_equal(strlen(people.all[3]->id), 178 + 17);
    assert_int_equal(path_check(span_str(people.all[3]->id), NULL), 0);
    admin_people_free(&people);
}

static void each_name_counts_once(void **state)
{
    (void)state;
    struct admin_people people;
    read_text("dn: a\n" PERSON "uid: zoe\n\ndn: b\n" PERSON "uid: Ann\n\ndn: c\n" PERSON
              "uid: ANN\n\ndn: d\n" PERSON "uid: zoe\n\ndn: e\n" PERSON "uid: bob\n",
              &people);
    assert_int_equal(people.count, 3);
    assert_string_equal(people.all[0]->name, "zoe");
    assert_string_equal(people.all[1]->name, "Ann");
    assert_string_equal(people.all[2]->name, "bob");
    assert_int_equal(people.failures.count, 2);
    assert_string_equal(reason_of(&people, 0), "'ANN' is a person in line 5 already");
    assert_int_equal(line_of(&people, 0), 9);
    admin_people_free(&people);
}

static void a_huge_address_is_left_out(void **state)
{
    (void)state;
    char *text = malloc(PEOPLE_VALUE_MAX_BYTES + 256);
    assert_non_null(text);
    size_t size = (size_t)snprintf(text, 256, "dn: a\n" PERSON "uid: ann\ntitle: ");
    memset(text + size, 'x', PEOPLE_VALUE_MAX_BYTES);
    text[size + PEOPLE_VALUE_MAX_BYTES] = '\0';
    struct admin_people people;
    read_text(text, &people);
    free(text);
    assert_int_equal(people.count, 1);
    assert_int_equal(people.all[0]->value_size, 0);
    assert_string_equal(reason_of(&people, 0),
                        "the person's address is larger than 16 KiB: registered without it");
    admin_people_free(&people);
}

static void failures_are_counted_and_some_listed(void **state)
{
    (void)state;
    enum { MANY = PEOPLE_FAILURES_MAX + 5 };
    char *text = calloc(MANY, 4);
    assert_non_null(text);
    for (size_t i = 0; i < MANY; i++) {
        memcpy(text + 3 * i, "x\n\n", 3);
    }
    struct admin_people people;
    read_text(text, &people);
    free(text);
    assert_int_equal(people.failures.count, MANY);
    assert_int_equal(json_array_size(people.failures.rows), PEOPLE_FAILURES_MAX);
    admin_people_free(&people);
}

static void a_file_of_another_version_ends_it(void **state)
{
    (void)state;
    struct admin_people people;
    struct err err = {0};
    assert_int_equal(read_bytes("version: 3\n", 11, &people, &err), E_FORMAT);
    assert_string_equal(err.text, "line 1: only version 1 of LDIF is known");
    admin_people_free(&people);
}

static void it_stops_when_nobody_waits(void **state)
{
    (void)state;
    atomic_bool given_up = true;
    struct admin_people people = {0};
    int fd = memfd_create("people", MFD_CLOEXEC);
    assert_int_equal(admin_people_read(&people, ADMIN_FORMAT_LDIF, fd, &given_up, NULL), E_CLOSED);
    admin_people_free(&people);
    (void)close(fd);
}

static void without_memory_nothing_leaks(void **state)
{
    (void)state;
    static const char text[] = "dn: uid=a,ou=x\n" PERSON "uid: ann\n\n";
    for (unsigned nth = 1; nth < 200; nth++) {
        struct admin_people people;
        fail_alloc_at(nth);
        int rc = read_bytes(text, sizeof text - 1, &people, NULL);
        bool failed = fail_alloc_stop();
        assert_true(rc == E_NOMEM || rc == 0);
        if (!failed) {
            assert_int_equal(rc, 0);
            assert_true(nth > 5);
            admin_people_free(&people);
            return;
        }
        admin_people_free(&people);
    }
    fail_msg("it never ended");
}

static int open_shared(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/../shared/data/%s", KITBAG_SOURCE_DIR, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void read_shared(const char *name, size_t count, uint64_t others)
{
    static atomic_bool given_up;
    struct admin_people people = {0};
    struct err err = {0};
    int fd = open_shared(name);
    if (fd < 0) {
        print_message("%s is not there\n", name);
        skip();
    }
    assert_int_equal(admin_people_read(&people, ADMIN_FORMAT_LDIF, fd, &given_up, &err), 0);
    assert_int_equal(people.count, count);
    assert_int_equal(people.others, others);
    assert_int_equal(people.failures.count, 0);
    for (size_t i = 0; i < people.count; i++) {
        assert_null(strstr(people.all[i]->value, "assword"));
    }
    admin_people_free(&people);
    (void)close(fd);
}

/* What all three formats tell of the same person is the same. */
static void csv_and_vcard_give_the_same_person(void **state)
{
    (void)state;
    static const char value[] =
        "{\"name\":\"Ann B\",\"kana\":\"an\",\"mail\":[\"a@x\",\"b@x\"],\"fax\":[\"1\"],"
        "\"telephone\":[\"2\",\"3\"],\"organization\":\"Org\",\"department\":\"Dep\","
        "\"title\":\"Chief\"}";
    static const struct {
        enum admin_format format;
        const char *text;
    } rows[] = {
        {ADMIN_FORMAT_LDIF,
         "dn: a\n" PERSON "uid: ann\ncn: Ann B\ncn;phonetic: an\nmail: a@x\nmail: b@x\n"
         "facsimileTelephoneNumber: 1\ntelephoneNumber: 2\n"
         "telephoneNumber: 3\no: Org\nou: Dep\ntitle: Chief\n"},
        {ADMIN_FORMAT_CSV, "uid,name,kana,mail,fax,telephone,organization,department,title\n"
                           "ann,Ann B,an,a@x;b@x,1,2;3,Org,Dep,Chief\n"},
        {ADMIN_FORMAT_VCARD, "BEGIN:VCARD\nVERSION:4.0\nUID:ann\nFN:Ann B\nN;SORT-AS=an:B;Ann;;;\n"
                             "EMAIL:a@x\nEMAIL:b@x\nTEL;TYPE=fax:1\nTEL:2\nTEL:3\nORG:Org;Dep\n"
                             "TITLE:Chief\nEND:VCARD\n"},
    };
    static atomic_bool given_up;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct admin_people people = {0};
        int fd = memfd_create("people", MFD_CLOEXEC);
        assert_int_equal(write(fd, rows[i].text, strlen(rows[i].text)),
                         (ssize_t)strlen(rows[i].text));
        assert_int_equal(admin_people_read(&people, rows[i].format, fd, &given_up, NULL), 0);
        assert_int_equal(people.count, 1);
        assert_string_equal(people.all[0]->name, "ann");
        assert_string_equal(people.all[0]->value, value);
        assert_string_equal(people.all[0]->departments, "dep");
        admin_people_free(&people);
        (void)close(fd);
    }
}

static void formats_have_names(void **state)
{
    (void)state;
    enum admin_format format = ADMIN_FORMAT_LDIF;
    assert_true(admin_format_parse("vcard", &format));
    assert_int_equal(format, ADMIN_FORMAT_VCARD);
    assert_true(admin_format_parse("csv", &format));
    assert_int_equal(format, ADMIN_FORMAT_CSV);
    assert_true(admin_format_parse("ldif", &format));
    assert_int_equal(format, ADMIN_FORMAT_LDIF);
    assert_false(admin_format_parse("CSV", &format));
    assert_false(admin_format_parse("", &format));
}

static void a_company_directory_is_read(void **state)
{
    (void)state;
    read_shared("people-1000.ldif", 999, 12);
}

static void a_directory_of_odd_lines_is_read(void **state)
{
    (void)state;
    read_shared("people-small.ldif", 11, 8);
}

static void the_sample_people_are_read(void **state)
{
    (void)state;
    static atomic_bool given_up;
    struct admin_people people = {0};
    int fd = open(KITBAG_SOURCE_DIR "/packaging/sample-people.ldif", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(admin_people_read(&people, ADMIN_FORMAT_LDIF, fd, &given_up, NULL), 0);
    assert_true(people.count > 10);
    assert_int_equal(people.failures.count, 0);
    admin_people_free(&people);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_are_told_from_other_entries),
        cmocka_unit_test(a_name_is_uid_else_mail_else_cn),
        cmocka_unit_test(who_can_not_be_registered_is_told),
        cmocka_unit_test(the_address_holds_what_the_entry_tells),
        cmocka_unit_test(departments_are_ou_or_from_the_dn),
        cmocka_unit_test(an_id_is_one_segment_of_a_path),
        cmocka_unit_test(a_long_id_is_cut_and_stays_its_own),
        cmocka_unit_test(each_name_counts_once),
        cmocka_unit_test(a_huge_address_is_left_out),
        cmocka_unit_test(failures_are_counted_and_some_listed),
        cmocka_unit_test(a_file_of_another_version_ends_it),
        cmocka_unit_test(it_stops_when_nobody_waits),
        cmocka_unit_test(without_memory_nothing_leaks),
        cmocka_unit_test(csv_and_vcard_give_the_same_person),
        cmocka_unit_test(formats_have_names),
        cmocka_unit_test(a_company_directory_is_read),
        cmocka_unit_test(a_directory_of_odd_lines_is_read),
        cmocka_unit_test(the_sample_people_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
