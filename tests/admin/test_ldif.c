/* Tests of admin/ldif.c: RFC 2849, and what is not LDIF. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "admin/ldif.h"
#include "tests/support/fail_alloc.h"

static int file_of(const char *text, size_t size)
{
    int fd = memfd_create("ldif", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), (ssize_t)size);
    return fd;
}

/* What came out, in a notation of the test's own: for each record "LINE dn|name;options=value|...",
 * for each fault "LINE! sentence"; one a line. */
static void read_all(const char *text, size_t size, char *out, size_t room)
{
    int fd = file_of(text, size);
    struct admin_ldif *ldif = NULL;
    size_t at = 0;
    int rc = admin_ldif_open(&ldif, fd, NULL);
    out[0] = '\0';
    while (rc != E_NOT_FOUND) {
        struct admin_record record;
        struct err err = {0};
        rc = admin_ldif_next(ldif, &record, &err);
        if (rc == E_FORMAT) {
            (void)snprintf(out + at, room - at, "end: %s\n", err.text);
            break;
        }
        if (rc != 0 && rc != E_NOT_FOUND) {
            at += (size_t)snprintf(out + at, room - at, "%d! %s\n", (int)record.line, err.text);
        }
        if (rc != 0) {
            continue;
        }
        at += (size_t)snprintf(out + at, room - at, "%d %.*s", (int)record.line,
                               (int)record.dn.size, (const char *)record.dn.data);
        for (size_t i = 0; i < record.attribute_count; i++) {
            const struct admin_attribute *a = &record.attributes[i];
            at += (size_t)snprintf(out + at, room - at, "|%.*s%.*s=%.*s", (int)a->name.size,
                                   (const char *)a->name.data, (int)a->options.size,
                                   (const char *)a->options.data, (int)a->value.size,
                                   (const char *)a->value.data);
        }
        at += (size_t)snprintf(out + at, room - at, "\n");
    }
    admin_ldif_close(&ldif);
    (void)close(fd);
}

static void expect(const char *text, const char *wanted)
{
    char out[8192];
    read_all(text, strlen(text), out, sizeof out);
    assert_string_equal(out, wanted);
}

static void records_are_read_one_by_one(void **state)
{
    (void)state;
    expect("", "");
    expect("\n\n\n", "");
    expect("dn: a\ncn: b\n", "1 a|cn=b\n");
    expect("dn: a\ncn: b", "1 a|cn=b\n");
    expect("dn: a\ncn: b\n\n\n\ndn:c\nCN:d\nsn:  e \n", "1 a|cn=b\n6 c|CN=d|sn=e \n");
    expect("dn:\ncn:\n", "1 |cn=\n");
    expect("dn: a\ncn: b\ncn: c\ncn: b\n", "1 a|cn=b|cn=c|cn=b\n");
}

static void lines_may_end_with_cr_lf(void **state)
{
    (void)state;
    expect("dn: a\r\ncn: b\r\n c\r\n\r\ndn: d\r\n", "1 a|cn=bc\n5 d\n");
}

static void a_version_may_stand_first(void **state)
{
    (void)state;
    expect("version: 1\ndn: a\n", "2 a\n");
    expect("# hello\n\nversion: 1\n\n\ndn: a\n", "6 a\n");
    expect("version:: MQ==\ndn: a\n", "2 a\n");
    expect("version: 2\ndn: a\n", "end: line 1: only version 1 of LDIF is known\n");
    expect("dn: a\nversion: 2\n", "1 a|version=2\n");
    expect("\xef\xbb\xbf"
           "dn: a\n",
           "1 a\n");
    expect("\xef\xbb\xbfversion: 1\ndn: a\n", "2 a\n");
}

static void folded_lines_are_joined(void **state)
{
    (void)state;
    expect("dn: a\n b\n  c\ncn: d\n \n e\n", "1 ab c|cn=de\n");
    expect("dn: a\nc\n n: b\n", "1 a|cn=b\n");
    expect("dn: a\ncn:: Y\n WI\n =\n", "1 a|cn=ab\n");
    expect("dn: a\ncn: b\n\n c\n", "1 a|cn=b\n4! a record begins with 'dn:', this line does not\n");
}

static void comments_are_left_out(void **state)
{
    (void)state;
    expect("# one\n#two\n three\ndn: a\n#four\n five\n six\ncn: b\n# seven", "4 a|cn=b\n");
    expect("dn: a\ncn: # b\n", "1 a|cn=# b\n");
    expect("dn: a\n#\n\n#\ndn: b\n", "1 a\n5 b\n");
}

static void values_may_be_base64(void **state)
{
    (void)state;
    expect("dn:: w6k=\ncn:: YQ==\nsn::YWI=\nou::   YWJj\no::\n",
           "1 \xc3\xa9|cn=a|sn=ab|ou=abc|o=\n");
    static const char *const bad[] = {"Y",     "YQ",   "YQ=",  "Y===",       "YQ==YQ==", "Y=Q=",
                                      "YW I=", "YQ=a", "=YQ=", "Y\303\251=", "-_=="};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "dn: a\ncn:: %s\n\ndn: b\n", bad[i]);
        expect(text, "2! the value behind '::' is not base64\n4 b\n");
    }
}

static void bytes_come_through_base64_untouched(void **state)
{
    (void)state;
    static const char text[] = "dn: a\nx:: AAH/Cg0g\n";
    int fd = file_of(text, sizeof text - 1);
    struct admin_ldif *ldif = NULL;
    struct admin_record record;
    assert_int_equal(admin_ldif_open(&ldif, fd, NULL), 0);
    assert_int_equal(admin_ldif_next(ldif, &record, NULL), 0);
    assert_true(span_equal(record.attributes[0].value, span_of("\0\1\xff\n\r ", 6)));
    admin_ldif_close(&ldif);
    (void)close(fd);
}

static void names_have_options(void **state)
{
    (void)state;
    expect("dn: a\ncn;lang-ja;phonetic: b\n2.5.4.3: c\nx_y-z: d\n",
           "1 a|cn;lang-ja;phonetic=b|2.5.4.3=c|x_y-z=d\n");
    int fd = file_of("dn: a\ncN;x: b\n", 14);
    struct admin_ldif *ldif = NULL;
    struct admin_record record;
    assert_int_equal(admin_ldif_open(&ldif, fd, NULL), 0);
    assert_int_equal(admin_ldif_next(ldif, &record, NULL), 0);
    assert_true(admin_attribute_is(&record.attributes[0], "CN"));
    assert_false(admin_attribute_is(&record.attributes[0], "cn;x"));
    assert_false(admin_attribute_is(&record.attributes[0], "c"));
    admin_ldif_close(&ldif);
    (void)close(fd);
}

static void what_is_not_a_record_is_told_and_passed(void **state)
{
    (void)state;
    expect("hello\nworld\n\ndn: a\n", "1! a record begins with 'dn:', this line does not\n4 a\n");
    expect("cn: x\ndn: a\n\ndn: b\n", "1! a record begins with 'dn:', this line does not\n4 b\n");
    expect("dn: a\nhello\ncn: b\n\ndn: c\n", "2! the line is not 'name: value'\n5 c\n");
    expect("dn: a\n: b\n", "2! the line is not 'name: value'\n");
    expect("dn: a\n;x: b\n", "2! the line is not 'name: value'\n");
    expect("dn: a\nc n: b\n", "2! the line is not 'name: value'\n");
    expect("dn: a\n-\ncn: b\n", "2! the line is not 'name: value'\n");
    static const char nul[] = "dn: a\ncn: b\0c\n\ndn: d\n";
    char out[256];
    read_all(nul, sizeof nul - 1, out, sizeof out);
    assert_string_equal(out, "2! the line holds a NUL: such values are written in base64\n4 d\n");
}

static void urls_are_never_fetched(void **state)
{
    (void)state;
    expect("dn: a\njpegPhoto:< file:///etc/passwd\ncn: x\n\ndn: b\n",
           "2! a value by URL (':<') is not fetched: put the value itself\n5 b\n");
    expect("dn:<file:///etc/passwd\n", "1! a record begins with 'dn:', this line does not\n");
}

static void change_records_are_left_out(void **state)
{
    (void)state;
    static const char sentence[] =
        "! a change record: only records that hold an entry's content are taken\n";
    char wanted[256];
    (void)snprintf(wanted, sizeof wanted, "2%s9 b\n", sentence);
    expect("dn: a\nchangetype: modify\nadd: mail\nmail: x\n-\nreplace: cn\ncn: y\n\ndn: b\n",
           wanted);
    (void)snprintf(wanted, sizeof wanted, "2%s", sentence);
    expect("dn: a\ncontrol: 1.2.3 true\nChangeType: delete\n", wanted);
}

/* Reads a record of `values` values whose lines are `line` bytes long when unfolded, then a small
 * one. The code of the first; `size` gets the size of its first value. */
static int read_sized(size_t line, size_t values, bool folded, size_t *size, struct err *err)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    (void)fputs("dn: a\n", file);
    for (size_t v = 0; v < values; v++) {
        (void)fputs("cn:", file);
        for (size_t i = 3; i < line; i++) {
            if (folded && i % 70 == 0) {
                (void)fputs("\r\n ", file);
            }
            (void)fputc('x', file);
        }
        (void)fputs("\r\n", file);
    }
    (void)fputs("\ndn: b\n", file);
    assert_int_equal(fflush(file), 0);
    struct admin_ldif *ldif = NULL;
    struct admin_record record;
    assert_int_equal(admin_ldif_open(&ldif, fileno(file), NULL), 0);
    int rc = admin_ldif_next(ldif, &record, err);
    *size = rc == 0 ? record.attributes[0].value.size : (size_t)record.line;
    assert_int_equal(admin_ldif_next(ldif, &record, NULL), 0);
    assert_true(span_equal(record.dn, SPAN_LITERAL("b")));
    assert_int_equal(admin_ldif_next(ldif, &record, NULL), E_NOT_FOUND);
    admin_ldif_close(&ldif);
    (void)fclose(file);
    return rc;
}

static void a_line_has_a_size_limit(void **state)
{
    (void)state;
    size_t size = 0;
    struct err err = {0};
    for (int folded = 0; folded < 2; folded++) {
        assert_int_equal(read_sized(LDIF_LINE_MAX_BYTES - 2, 1, folded, &size, &err), 0);
        assert_int_equal(size, LDIF_LINE_MAX_BYTES - 5);
        assert_int_equal(read_sized(LDIF_LINE_MAX_BYTES - 1, 1, folded, &size, &err), 0);
        assert_int_equal(read_sized(LDIF_LINE_MAX_BYTES + 1, 1, folded, &size, &err), E_TOO_LARGE);
        assert_string_equal(err.text, "the line is longer than 2 MiB");
        assert_int_equal(size, 2); /* the line's number */
    }
}

static void a_record_has_a_size_limit(void **state)
{
    (void)state;
    size_t size = 0;
    struct err err = {0};
    size_t line = RECORD_MAX_BYTES / 4; /* a colon of each is not kept, but "a" of the dn is */
    assert_int_equal(read_sized(line, 4, false, &size, &err), 0);
    assert_int_equal(read_sized(line + 1, 4, false, &size, &err), E_TOO_LARGE);
    assert_string_equal(err.text, "the record is larger than 4 MiB");
    assert_int_equal(size, 1);
}

static void a_record_has_a_number_of_values(void **state)
{
    (void)state;
    size_t size = 0;
    struct err err = {0};
    assert_int_equal(read_sized(5, RECORD_ATTRIBUTES_MAX - 1, false, &size, &err), 0);
    assert_int_equal(read_sized(5, RECORD_ATTRIBUTES_MAX, false, &size, &err), 0);
    assert_int_equal(read_sized(5, RECORD_ATTRIBUTES_MAX + 1, false, &size, &err), E_TOO_LARGE);
    assert_string_equal(err.text, "the record has more than 10000 values");
}

static void a_comment_may_be_of_any_length(void **state)
{
    (void)state;
    size_t size = LDIF_LINE_MAX_BYTES + 1000;
    char *text = malloc(size + 8);
    char out[64];
    assert_non_null(text);
    memset(text, '#', size);
    memcpy(text + size, "\ndn: a\n", 8);
    read_all(text, size + 7, out, sizeof out);
    assert_string_equal(out, "2 a\n");
    free(text);
}

/* The window of the reader is 64 KiB: ends of lines on, before and behind its border. */
static void lines_may_lie_across_reads(void **state)
{
    (void)state;
    enum { WINDOW = 64 << 10 };
    for (size_t shift = 0; shift < 24; shift++) {
        char *text = malloc(WINDOW + 64);
        char out[64];
        assert_non_null(text);
        size_t comment = WINDOW - 16 + shift;
        memset(text, '#', comment);
        memcpy(text + comment, "\ndn: abc\r\n d\ncn: e\n", 20);
        read_all(text, comment + 19, out, sizeof out);
        assert_string_equal(out, "2 abcd|cn=e\n");
        free(text);
    }
}

static void reading_that_fails_is_told(void **state)
{
    (void)state;
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct admin_ldif *ldif = NULL;
    struct admin_record record;
    struct err err = {0};
    assert_int_equal(admin_ldif_open(&ldif, fd, NULL), 0);
    assert_int_equal(admin_ldif_next(ldif, &record, &err), E_SYSTEM);
    assert_string_equal(err.text, "read 'the LDIF file': Is a directory");
    admin_ldif_close(&ldif);
    (void)close(fd);
}

static int read_once(int fd)
{
    struct admin_ldif *ldif = NULL;
    struct admin_record record;
    int rc = admin_ldif_open(&ldif, fd, NULL);
    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = admin_ldif_next(ldif, &record, NULL);
    }
    admin_ldif_close(&ldif);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char text[4096] = "dn: a\n";
    for (int i = 0; i < 200; i++) {
        memcpy(text + strlen(text), "cn: some name\n", 15);
    }
    int fd = file_of(text, strlen(text));
    for (unsigned nth = 1;; nth++) {
        fail_alloc_at(nth);
        int rc = read_once(fd);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, E_NOT_FOUND);
            assert_true(nth > 3);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
    }
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read_one_by_one),
        cmocka_unit_test(lines_may_end_with_cr_lf),
        cmocka_unit_test(a_version_may_stand_first),
        cmocka_unit_test(folded_lines_are_joined),
        cmocka_unit_test(comments_are_left_out),
        cmocka_unit_test(values_may_be_base64),
        cmocka_unit_test(bytes_come_through_base64_untouched),
        cmocka_unit_test(names_have_options),
        cmocka_unit_test(what_is_not_a_record_is_told_and_passed),
        cmocka_unit_test(urls_are_never_fetched),
        cmocka_unit_test(change_records_are_left_out),
        cmocka_unit_test(a_line_has_a_size_limit),
        cmocka_unit_test(a_record_has_a_size_limit),
        cmocka_unit_test(a_record_has_a_number_of_values),
        cmocka_unit_test(a_comment_may_be_of_any_length),
        cmocka_unit_test(lines_may_lie_across_reads),
        cmocka_unit_test(reading_that_fails_is_told),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
