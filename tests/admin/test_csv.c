/* Tests of admin/csv.c: RFC 4180, what programs make of it, and python3's reader as the oracle. */
#include "tests/admin/records.h"

#include "admin/csv.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp_folder.h"

static int next(void *reader, struct admin_record *out, struct err *err)
{
    return admin_csv_next(reader, out, err);
}

static int read_bytes(const char *text, size_t size, struct buf *out, struct err *err)
{
    struct admin_csv *csv = NULL;
    int fd = file_of(text, size);
    buf_init(out, 64 << 20);
    int rc = admin_csv_open(&csv, fd, err);
    if (rc == 0) {
        rc = note_records(next, csv, out, err);
    }
    admin_csv_close(&csv);
    (void)close(fd);
    return rc;
}

static void expect_all(const char *text, size_t size, const char *wanted)
{
    struct buf out;
    struct err err = {0};
    assert_int_equal(read_bytes(text, size, &out, &err), E_NOT_FOUND);
    assert_string_equal((const char *)out.data, wanted);
    buf_free(&out);
}

static void expect(const char *text, const char *wanted)
{
    expect_all(text, strlen(text), wanted);
}

static void expect_refused(const char *text, size_t size, const char *words)
{
    struct buf out;
    struct err err = {0};
    assert_int_equal(read_bytes(text, size, &out, &err), E_FORMAT);
    assert_string_equal((const char *)out.data, "");
    assert_non_null(strstr(err.text, words));
    buf_free(&out);
}

static void rows_become_records(void **state)
{
    (void)state;
    expect("uid,name,kana,mail,fax,telephone,organization,department,title\r\n"
           "ann,Ann B,an,ann@x; a@y;,1;2,3,Org,Sales,Chief\r\n"
           "bob,,,,,,,,\n",
           "2 uid=ann|cn=Ann B|cn;phonetic=an|mail=ann@x|mail=a@y|facsimileTelephoneNumber=1|"
           "facsimileTelephoneNumber=2|telephoneNumber=3|o=Org|ou=Sales|title=Chief|\n"
           "3 uid=bob|\n");
    expect("name", "");
    expect("", "");
}

static void columns_have_other_names_and_orders(void **state)
{
    (void)state;
    expect("Phone,secret, E-Mail Address ,Display Name,Company\n1,x,a@x,Ann,K\n",
           "2 telephoneNumber=1|mail=a@x|cn=Ann|o=K|\n");
    expect_refused("department,title\nx,y\n", 21, "line 1: the first row has to name the columns");
    expect_refused("\"name\n", 6, "line 1: a quote that is opened in this row is never closed");
}

static void cells_may_be_parted_otherwise(void **state)
{
    (void)state;
    expect("\xef\xbb\xbfName;E-Mail\nAnn, B;\"a@x;b@x\"\n", "2 cn=Ann, B|mail=a@x|mail=b@x|\n");
    expect("name\tmail\nAnn; B\ta@x\n", "2 cn=Ann; B|mail=a@x|\n");
    expect("name\nAnn; B, C\n", "2! the row has 2 cells, the first one has 1\n");
}

static void quoted_cells_hold_anything(void **state)
{
    (void)state;
    expect("name,title\n\"a,\"\"b\"\"\",\"x\ny\"\n\"c\",d\n\"\",\"\"\ne,\"p\r\nq\"\n",
           "2 cn=a,\"b\"|title=x\ny|\n4 cn=c|title=d|\n6 cn=e|title=p\r\nq|\n");
}

static void rows_without_text_are_passed_over(void **state)
{
    (void)state;
    expect("name,title\n\n,\n ,\t\n\r\nann,x\n", "6 cn=ann|title=x|\n");
}

static void what_is_not_csv_is_told_and_passed(void **state)
{
    (void)state;
    expect("name,title\na\"b,c\nd,e\n", "2! a quote within a cell that does not begin with one\n"
                                        "3 cn=d|title=e|\n");
    expect("name,title\n\"a\"b,c\nd,e\n", "2! text behind the quote that ends a cell\n"
                                          "3 cn=d|title=e|\n");
    expect("name,title\na\nb,c,d\ne,f\n", "2! the row has 1 cells, the first one has 2\n"
                                          "3! the row has 3 cells, the first one has 2\n"
                                          "4 cn=e|title=f|\n");
    expect("name,title\n\"a,b\nc,d\n", "2! a quote that is opened in this row is never closed\n");
    expect("name,title\n\x82\xa0,x\nb,c\n",
           "2! the row is not UTF-8 text: save the file as CSV in UTF-8\n3 cn=b|title=c|\n");
    expect_all("name\na\0b\n", 9, "2! the row is not UTF-8 text: save the file as CSV in UTF-8\n");
    expect_refused("\xff\xfen\0a\0m\0e\0", 10, "the file is UTF-16 text");
}

static void rows_and_columns_have_limits(void **state)
{
    (void)state;
    char head[4096] = "name";
    for (int i = 1; i < CSV_COLUMNS_MAX; i++) {
        memcpy(head + strlen(head), ",x", 3);
    }
    size_t size = strlen(head);
    expect(head, "");
    memcpy(head + size, ",x", 3);
    expect_refused(head, strlen(head), "line 1: the row has more than 256 cells");
    char *text = malloc(RECORD_MAX_BYTES + 64);
    assert_non_null(text);
    memcpy(text, "name\n", 5);
    memset(text + 5, 'x', RECORD_MAX_BYTES + 1);
    memcpy(text + 5 + RECORD_MAX_BYTES + 1, "\nann\n", 6);
    expect(text, "2! the row is larger than 4 MiB\n3 cn=ann|\n");
    text[5] = '"';
    for (size_t i = 70; i < RECORD_MAX_BYTES; i += 70) {
        text[i] = '\n'; /* within quotes: one row of many lines */
    }
    struct buf out;
    struct err err = {0};
    assert_int_equal(read_bytes(text, strlen(text), &out, &err), E_NOT_FOUND);
    assert_non_null(strstr((const char *)out.data, "2! the row is larger than 4 MiB\n"));
    buf_free(&out);
    free(text);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] = "name,title\nann,x\nbob,\"y\nz\"\n";
    for (unsigned nth = 1; nth < 100; nth++) {
        struct admin_csv *csv = NULL;
        struct admin_record record;
        int fd = file_of(text, sizeof text - 1);
        fail_alloc_at(nth);
        int rc = admin_csv_open(&csv, fd, NULL);
        while (rc == 0) {
            rc = admin_csv_next(csv, &record, NULL);
        }
        bool failed = fail_alloc_stop();
        admin_csv_close(&csv);
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

/* --- the oracle --- */

/* A random cell of what is hard, quoted as it has to be. Without spaces at its ends: they are taken
 * off. */
static void put_cell(struct buf *file, unsigned *seed, bool first)
{
    static const char *const parts[] = {"a", "\"", ",", "\n", "\r\n", "\xe3\x81\x82", "b c", "''"};
    char cell[128] = "";
    int count = rand_r(seed) % 5;
    for (int i = 0; i < count; i++) {
        size_t size = strlen(cell);
        (void)snprintf(cell + size, sizeof cell - size, "%s", parts[rand_r(seed) % 8]);
    }
    bool quoted = strpbrk(cell, "\",\r\n") != NULL || rand_r(seed) % 3 == 0;
    (void)buf_append_span(file, first ? SPAN_LITERAL("") : SPAN_LITERAL(","));
    (void)buf_append_span(file, quoted ? SPAN_LITERAL("\"") : SPAN_LITERAL(""));
    for (const char *at = cell; *at != '\0'; at++) {
        (void)buf_append(file, *at == '"' ? "\"\"" : at, *at == '"' ? 2 : 1);
    }
    (void)buf_append_span(file, quoted ? SPAN_LITERAL("\"") : SPAN_LITERAL(""));
}

static const char oracle[] =
    "import csv, re, sys\n"
    "rows = csv.reader(open(sys.argv[1], newline='', encoding='utf-8'), strict=True)\n"
    "next(rows)\n"
    "out = open(sys.argv[2], 'w', newline='', encoding='utf-8')\n"
    "line = rows.line_num + 1\n"
    "for row in rows:\n"
    "    names = ('cn', 'title', 'o')\n"
    "    row = [re.sub(r\"^'('*[-=+@\\t\\r\\n])\", r'\\1', cell) for cell in row]\n"
    "    if any(cell for cell in row):\n"
    "        out.write(f'{line} ' + ''.join(f'{name}={cell}|' for name, cell in zip(names, row)"
    " if cell) + '\\n')\n"
    "    line = rows.line_num + 1\n";

static void python_reads_the_same(void **state)
{
    (void)state;
    char folder[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    char command[4 * TMP_FOLDER_MAX];
    struct buf file;
    unsigned seed = 4180;
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "rows.csv");
    buf_init(&file, 8 << 20);
    (void)buf_append_span(&file, SPAN_LITERAL("name,title,company\r\n"));
    for (int row = 0; row < 3000; row++) {
        for (int i = 0; i < 3; i++) {
            put_cell(&file, &seed, i == 0);
        }
        (void)buf_append_span(&file, row % 2 == 0 ? SPAN_LITERAL("\r\n") : SPAN_LITERAL("\n"));
    }
    (void)buf_append_u8(&file, 0);
    assert_int_equal(buf_error(&file), 0);
    tmp_folder_write(path, (const char *)file.data);
    tmp_folder_path(path, folder, "oracle.py");
    tmp_folder_write(path, oracle);
    (void)snprintf(command, sizeof command, "cd '%s' && python3 oracle.py rows.csv told", folder);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): the oracle is a program */
    struct buf told;
    buf_init(&told, 8 << 20);
    tmp_folder_path(path, folder, "told");
    FILE *answer = fopen(path, "re");
    assert_non_null(answer);
    char piece[4096];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, answer)) > 0) {
        assert_int_equal(buf_append(&told, piece, got), 0);
    }
    (void)fclose(answer);
    (void)buf_append_u8(&told, 0);
    assert_true(told.size > 50000);
    expect_all((const char *)file.data, file.size - 1, (const char *)told.data);
    buf_free(&told);
    buf_free(&file);
    tmp_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_records),
        cmocka_unit_test(columns_have_other_names_and_orders),
        cmocka_unit_test(cells_may_be_parted_otherwise),
        cmocka_unit_test(quoted_cells_hold_anything),
        cmocka_unit_test(rows_without_text_are_passed_over),
        cmocka_unit_test(what_is_not_csv_is_told_and_passed),
        cmocka_unit_test(rows_and_columns_have_limits),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(python_reads_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
