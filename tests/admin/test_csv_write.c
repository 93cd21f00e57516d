/* Tests of admin/csv_write.c: cells, formulas, and the way back. */
#include "tests/admin/addresses.h"

#include "admin/csv_write.h"

/* Of an address whose name this is: the cell. */
static void expect_cell(const char *name, const char *cell)
{
    struct buf out;
    char value[256];
    char row[256];
    buf_init(&out, 4096);
    json_t *json = json_pack("{s:s}", "name", name);
    assert_true(json_dumpb(json, value, sizeof value, 0) < sizeof value);
    value[json_dumpb(json, value, sizeof value, 0)] = '\0';
    json_decref(json);
    address_put(&out, admin_csv_put, "x", value);
    (void)snprintf(row, sizeof row, "\"Änn, of \"\"sales\"\"\",x,%s,,,,,,,\r\n", cell);
    assert_int_equal(out.size, strlen(row));
    assert_memory_equal(out.data, row, out.size);
    buf_free(&out);
}

static void cells(void **state)
{
    (void)state;
    expect_cell("Bob", "Bob");
    expect_cell("a \"b\", c", "\"a \"\"b\"\", c\"");
    expect_cell("two\nlines", "\"two\nlines\"");
    expect_cell("a;b", "\"a;b\"");
    expect_cell("\"", "\"\"\"\"");
}

static void no_cell_is_a_formula(void **state)
{
    (void)state;
    expect_cell("=1+1", "'=1+1");
    expect_cell("@SUM(A1)", "'@SUM(A1)");
    expect_cell("-2", "'-2");
    expect_cell("+cmd|' /C calc'!A0", "\"'+cmd|' /C calc'!A0\"");
    expect_cell("\t=1", "\"'\t=1\"");
    expect_cell("\r=1", "\"'\r=1\"");
    expect_cell("'=1", "''=1");
    expect_cell("+49 30 1", "\"+49 30 1\""); /* a number does nothing */
    expect_cell("'t Hooft", "\"'t Hooft\"");
    expect_cell("'+1", "''+1");
}

/* Values of a list each: a program that parts by ';' sees cells in them. */
static void no_value_of_a_list_is_one(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    address_put(&out, admin_csv_put, "x", "{\"mail\":[\"a\",\"=b\"]}");
    (void)buf_append_u8(&out, 0);
    assert_non_null(strstr((const char *)out.data, ",\"a;'=b\","));
    buf_free(&out);
}

static void our_own_reader_takes_it_back(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    admin_csv_put_head(&out);
    address_put(&out, admin_csv_put, "ann", ADDRESS_AWKWARD);
    address_expect_back(&out, ADMIN_FORMAT_CSV, "ann", ADDRESS_AWKWARD);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells),
        cmocka_unit_test(no_cell_is_a_formula),
        cmocka_unit_test(no_value_of_a_list_is_one),
        cmocka_unit_test(our_own_reader_takes_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
