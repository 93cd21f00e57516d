/* Tests of cli/kitbag_items.c: get and ls. */
#include "tests/cli/run_kitbag.h"

static void get_prints_exactly_the_bytes(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    char path[TMP_FOLDER_MAX];
    char at[TMP_FOLDER_MAX + 1];
    tmp_folder_path(path, ran.folder, "value");
    tmp_folder_write(path, "two\nlines\n");
    (void)snprintf(at, sizeof at, "@%s", path);
    assert_int_equal(run_kitbag("set", "zoe", "home/note", at, NULL), 0);
    assert_int_equal(run_kitbag("get", "zoe", "home/note", NULL), 0);
    assert_string_equal(ran.out, "two\nlines\n");
    assert_int_equal(run_kitbag("set", "zoe", "empty", "", NULL), 0);
    assert_int_equal(run_kitbag("get", "zoe", "empty", NULL), 0);
    assert_int_equal(ran.out_size, 0);
}

static void what_is_not_there_is_not_found(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("get", "zoe", "a", NULL), 3);
    assert_said("zoe");
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    assert_int_equal(run_kitbag("get", "zoe", "a", NULL), 3);
    assert_said("a");
    assert_int_equal(run_kitbag("get", "zoe", NULL), 2);
    assert_int_equal(run_kitbag("get", "zoe", "a", "b", NULL), 2);
}

static void ls_lists_in_order_of_paths(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    assert_int_equal(run_kitbag("set", "zoe", "b/two", "2", NULL), 0);
    assert_int_equal(run_kitbag("set", "zoe", "a", "1", NULL), 0);
    assert_int_equal(run_kitbag("set", "zoe", "b/one", "\xff", NULL), 0);
    assert_int_equal(run_kitbag("ls", "zoe", "b/", "--values", "-o", "json", NULL), 0);
    json_t *rows = ran_json();
    assert_int_equal(json_array_size(rows), 2);
    json_t *one = json_array_get(rows, 0);
    assert_string_equal(json_string_value(json_object_get(one, "item")), "b/one");
    assert_string_equal(json_string_value(json_object_get(one, "value_base64")), "/w==");
    json_t *two = json_array_get(rows, 1);
    assert_string_equal(json_string_value(json_object_get(two, "value")), "2");
    assert_true(json_is_true(json_object_get(two, "pending")));
    assert_string_equal(json_string_value(json_object_get(two, "seq")), "0");
    json_decref(rows);
    assert_int_equal(run_kitbag("ls", "zoe", NULL), 0);
    assert_non_null(strstr(ran.out, "ITEM"));
    assert_null(strstr(ran.out, "VALUE"));
}

static void other_bags_are_named(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("login", "zoe", "--group", "sales", NULL), 0);
    assert_int_equal(run_kitbag("set", "--bag", "group:sales", "fax", "1", NULL), 0);
    assert_int_equal(run_kitbag("get", "--bag", "group:Sales", "fax", NULL), 0);
    assert_string_equal(ran.out, "1");
    assert_int_equal(run_kitbag("get", "--bag", "nonsense", "fax", NULL), 2);
    assert_said("nonsense");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KITBAG_TEST(get_prints_exactly_the_bytes),
        KITBAG_TEST(what_is_not_there_is_not_found),
        KITBAG_TEST(ls_lists_in_order_of_paths),
        KITBAG_TEST(other_bags_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
