/* The catalogue's files: what they may say, and on which line they are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "server/catalogue.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp_folder.h"

static struct catalogue *catalogue;
static struct sharing rows;

static int setup(void **state)
{
    (void)state;
    return catalogue_new(&catalogue);
}

static int teardown(void **state)
{
    (void)state;
    catalogue_free(&catalogue);
    sharing_free(&rows);
    return 0;
}

/* All rows into a set, as the fleet's bag would have them. */
static void use_rows(const struct catalogue *from)
{
    sharing_free(&rows);
    for (size_t i = 0; i < catalogue_count(from); i++) {
        const struct catalogue_item *item = catalogue_at(from, i);
        if (i > 0) {
            assert_true(span_compare(catalogue_at(from, i - 1)->path, item->path) < 0);
        }
        assert_int_equal(sharing_put(&rows, item->path, 1, item->value, NULL), 0);
    }
}

static const struct category *row(const char *path)
{
    const struct category *found = sharing_get(&rows, span_str(path));
    assert_non_null(found);
    return found;
}

static int add(const char *text, struct err *err)
{
    return catalogue_add(catalogue, span_str(text), "mine.json", err);
}

static const char *value_of(const char *path)
{
    static char text[256];
    size_t at = 0;
    assert_true(catalogue_find(catalogue, span_str(path), &at));
    struct span value = catalogue_at(catalogue, at)->value;
    assert_true(value.size < sizeof text);
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    return text;
}

/* --- what is shipped --- */

static void the_shipped_one(void **state)
{
    (void)state;
    struct catalogue *shipped = NULL;
    assert_int_equal(catalogue_read(&shipped, "", NULL), 0);
    use_rows(shipped);
    assert_int_equal(catalogue_count(shipped), 24);
    size_t flags = 0;
    size_t not_exported = 0;
    size_t secret = 0;
    const struct category *next = NULL;
    while ((next = sharing_next(&rows, next)) != NULL) {
        assert_false(next->device); /* as it comes, everything is shared */
        assert_true(next->value_max > 0 && next->value_max <= VALUE_MAX_BYTES);
        assert_string_not_equal(next->title, next->title_ja);
        flags += next->has_flag;
        not_exported += !next->exported;
        secret += next->secret;
        bool settings =
            next->class == SHARING_DEFAULT_SETTINGS || next->class == SHARING_PREVIOUS_SETTINGS;
        assert_true(next->has_flag == (settings || next->class == SHARING_SHARED_BUTTONS ||
                                       next->class == SHARING_TIMELINE));
        assert_true(next->exported || next->class == SHARING_PREVIOUS_SETTINGS ||
                    next->class == SHARING_TIMELINE || strcmp(next->path, "list-order") == 0);
    }
    assert_int_equal(flags, 10);
    assert_int_equal(not_exported, 5);
    assert_int_equal(secret, 3);
    assert_int_equal(row("home/timeline")->count_max, 10);
    assert_true(row("keychain")->secret && row("network")->secret && row("network/key")->secret);
    assert_true(row("copy/default")->class == SHARING_DEFAULT_SETTINGS);
    assert_true(row("send/previous")->class == SHARING_PREVIOUS_SETTINGS);
    assert_string_equal(row("language")->title, "Display language");
    catalogue_free(&shipped);
}

/* --- an administrator's --- */

static void every_member(void **state)
{
    (void)state;
    assert_int_equal(
        add("{\"categories\":[{\"path\":\"a/b\",\"title\":{\"en\":\"E\",\"ja\":\"J\"},\"class\":"
            "\"shared-buttons\",\"flag\":\"device\",\"exported\":false,\"secret\":true,\"kind\":"
            "\"json\",\"value_max\":1048576,\"count_max\":10000},{\"path\":\"c\",\"title\":"
            "\"C\"}],\"defaults\":[{\"item\":\"a/b/x\",\"value\":\"v\"},{\"item\":\"c\",\"json\":{"
            "\"n\": [1, 2]}},{\"item\":\"d\",\"json\":7},{\"item\":\"e\",\"value\":\"\"}]}",
            NULL),
        0);
    use_rows(catalogue);
    const struct category *full = row("a/b");
    assert_true(full->has_flag && full->default_device && !full->exported && full->secret);
    assert_true(full->class == SHARING_SHARED_BUTTONS && full->kind == SHARING_JSON);
    assert_true(full->value_max == VALUE_MAX_BYTES && full->count_max == SHARING_COUNT_MAX);
    assert_string_equal(full->title, "E");
    assert_string_equal(full->title_ja, "J");
    const struct category *bare = row("c");
    assert_true(!bare->has_flag && bare->exported && !bare->secret);
    assert_true(bare->class == SHARING_OTHER && bare->kind == SHARING_BYTES);
    assert_true(bare->value_max == 0 && bare->count_max == 0);
    assert_string_equal(bare->title, "C");
    assert_string_equal(bare->title_ja, "C");
    assert_string_equal(value_of("@default/a/b/x"), "v");
    assert_string_equal(value_of("@default/c"), "{\"n\":[1,2]}");
    assert_string_equal(value_of("@default/d"), "7");
    assert_string_equal(value_of("@default/e"), "");
}

static void a_later_file_replaces_rows(void **state)
{
    (void)state;
    assert_int_equal(add("{\"categories\":[{\"path\":\"a\",\"title\":\"1\"},{\"path\":\"b\","
                         "\"title\":\"1\"}]}",
                         NULL),
                     0);
    assert_int_equal(add("{\"categories\":[{\"path\":\"b\",\"title\":\"2\"},{\"path\":\"c\","
                         "\"title\":\"2\"}]}",
                         NULL),
                     0);
    assert_int_equal(add("{}", NULL), 0);
    use_rows(catalogue);
    assert_int_equal(catalogue_count(catalogue), 3);
    assert_string_equal(row("a")->title, "1");
    assert_string_equal(row("b")->title, "2");
    assert_string_equal(row("c")->title, "2");
    size_t at = 0;
    assert_false(catalogue_find(catalogue, span_str("@category/d"), &at));
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"", "mine.json, line 1: '[' or '{' expected near end of file"},
        {"{\n\"categories\": [,]}", "mine.json, line 2: unexpected token near ','"},
        {"{\"categories\":[],\n\"categories\":[]}",
         "mine.json, line 2: duplicate object key near '\"categories\"'"},
        {"[]", "mine.json, line 1: it is not an object of JSON"},
        {"{\"rows\":[]}", "mine.json: it has 'categories' and 'defaults', no 'rows'"},
        {"{\"categories\":{}}", "mine.json: 'categories' is not a list"},
        {"{\"categories\":[\n1]}", "mine.json, line 2: an element is not an object"},
        {"{\"categories\":[{\"path\":\"a\",\"title\":\"[,{\\\"\"},\n\n{\"path\":\"b\",\n\"titles\":"
         "\"B\"}]}",
         "mine.json, line 3: titles is no member that is known here"},
        {"{\"categories\":[{\"title\":\"A\"}]}",
         "mine.json, line 1: path is a category's, such as copy/default"},
        {"{\"categories\":[{\"path\":\"@a\",\"title\":\"A\"}]}",
         "mine.json, line 1: path is a category's, such as copy/default"},
        {"{\"categories\":[{\"path\":\"a\"}]}",
         "mine.json, line 1: title is a text of 1 to 255 bytes, or {\"en\", \"ja\"} of them"},
        {"{\"categories\":[{\"path\":\"a\",\"title\":{\"ja\":\"A\"}}]}",
         "mine.json, line 1: title is a text of 1 to 255 bytes, or {\"en\", \"ja\"} of them"},
        {"{\"categories\":[{\"path\":\"a\",\"title\":{\"en\":\"A\",\"de\":\"A\"}}]}",
         "mine.json, line 1: de is no member that is known here"},
        {"{\"categories\":[{\"path\":\"a\",\"title\":\"A\",\"class\":\"x\"}]}",
         "mine.json, line 1: class is default-settings, previous-settings, shared-buttons, "
         "timeline or other"},
        {"{\"categories\":[{\"path\":\"a\",\"title\":\"A\",\"kind\":7}]}",
         "mine.json, line 1: kind is bytes, text or json"},
        {"{\"categories\":[{\"path\":\"a\",\"title\":\"A\",\"flag\":true}]}",
         "mine.json, line 1: flag is shared, or device, or left out"},
        {"{\"categories\":[{\"path\":\"a\",\"title\":\"A\",\"secret\":1}]}",
         "mine.json, line 1: secret is true or false"},
        {"{\"categories\":[{\"path\":\"a\",\"title\":\"A\",\"value_max\":1048577}]}",
         "mine.json, line 1: value_max is a number from 0 to 1048576"},
        {"{\"categories\":[{\"path\":\"a\",\"title\":\"A\",\"count_max\":-1}]}",
         "mine.json, line 1: count_max is a number from 0 to 10000"},
        {"{\"categories\":[{\"path\":\"a\",\"title\":\"A\"},\n{\"path\":\"a\",\"title\":\"A\"}]}",
         "mine.json, line 2: a is there twice"},
        {"{\"defaults\":[{\"value\":\"A\"}]}",
         "mine.json, line 1: item is an item's path, such as copy/default/colour"},
        {"{\"defaults\":[{\"item\":\"@a\",\"value\":\"A\"}]}",
         "mine.json, line 1: item is an item's path, such as copy/default/colour"},
        {"{\"defaults\":[{\"item\":\"a\"}]}",
         "mine.json, line 1: a has either a value, which is a text, or json"},
        {"{\"defaults\":[{\"item\":\"a\",\"value\":1}]}",
         "mine.json, line 1: a has either a value, which is a text, or json"},
        {"{\"defaults\":[{\"item\":\"a\",\"value\":\"1\",\"json\":1}]}",
         "mine.json, line 1: a has either a value, which is a text, or json"},
        {"{\"categories\":[{\"path\":\"z\",\"title\":\"Z\"}\n],\"defaults\":[\n{\"item\":\"a\","
         "\"value\":\"1\"},\n{\"item\":\"a\",\"value\":\"1\"}]}",
         "mine.json, line 4: a is there twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        struct catalogue *mine = NULL;
        assert_int_equal(catalogue_new(&mine), 0);
        assert_int_equal(catalogue_add(mine, span_str(cases[i].text), "mine.json", &err),
                         E_MALFORMED);
        assert_string_equal(err.text, cases[i].said);
        catalogue_free(&mine);
    }
}

/* So many rows, from the i-th on. */
static void put_rows(struct buf *text, size_t from, size_t count)
{
    buf_reset(text);
    (void)buf_printf(text, "{\"categories\":[");
    for (size_t i = from; i < from + count; i++) {
        (void)buf_printf(text, "%s{\"path\":\"c%zu\",\"title\":\"C\"}", i > from ? "," : "", i);
    }
    (void)buf_printf(text, "]}");
    assert_int_equal(buf_error(text), 0);
}

static void as_many_as_may_be(void **state)
{
    (void)state;
    struct buf text;
    struct err err = {0};
    buf_init(&text, CATALOGUE_FILE_MAX);
    put_rows(&text, 0, SHARING_CATEGORIES_MAX);
    assert_int_equal(catalogue_add(catalogue, buf_span(&text), "mine.json", NULL), 0);
    put_rows(&text, 0, 3); /* replaced */
    assert_int_equal(catalogue_add(catalogue, buf_span(&text), "mine.json", NULL), 0);
    assert_int_equal(add("{\"defaults\":[{\"item\":\"a\",\"value\":\"1\"}]}", NULL), 0);
    put_rows(&text, SHARING_CATEGORIES_MAX, 1);
    assert_int_equal(catalogue_add(catalogue, buf_span(&text), "mine.json", &err), E_QUOTA);
    assert_string_equal(err.text, "mine.json: there are more than 1024 categories in all");
    buf_free(&text);
}

static void a_file_on_the_disk(void **state)
{
    (void)state;
    static const char text[] =
        "{\"categories\":[{\"path\":\"keychain\",\"title\":\"Mine\"},{\"path\":\"zoo\",\"title\":"
        "\"Zoo\"}]}";
    char dir[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX + 32];
    struct err err = {0};
    struct catalogue *read = NULL;
    tmp_folder_make(dir);
    (void)snprintf(path, sizeof path, "%s/more.json", dir);
    assert_int_equal(catalogue_read(&read, path, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    assert_null(read);
    assert_int_equal(file_replace(path, text, sizeof text - 1, 0600, NULL), 0);
    assert_int_equal(catalogue_read(&read, path, &err), 0);
    use_rows(read);
    assert_int_equal(catalogue_count(read), 25);
    assert_string_equal(row("keychain")->title, "Mine");
    assert_false(row("keychain")->secret);
    catalogue_free(&read);
    assert_int_equal(file_replace(path, text, sizeof text - 3, 0600, NULL), 0);
    assert_int_equal(catalogue_read(&read, path, &err), E_MALFORMED);
    assert_non_null(strstr(err.text, "more.json, line 1: "));
    tmp_folder_remove(dir);
}

static void without_memory(void **state)
{
    (void)state;
    bool failed = true;
    unsigned nth = 1;
    for (; failed; nth++) {
        struct catalogue *mine = NULL;
        fail_alloc_at(nth);
        int rc = catalogue_new(&mine);
        if (rc == 0) {
            rc = catalogue_add(mine,
                               SPAN_LITERAL("{\"categories\":[{\"path\":\"a\",\"title\":\"A\"}],"
                                            "\"defaults\":[{\"item\":\"a\",\"json\":[1]}]}"),
                               "mine.json", NULL);
        }
        failed = fail_alloc_stop();
        /* jansson does not tell a text it has no memory for from a bad one. */
        assert_true(failed ? rc == E_NOMEM || rc == E_MALFORMED : rc == 0);
        catalogue_free(&mine);
    }
    assert_true(nth > 5);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_shipped_one),        TEST(every_member),      TEST(a_later_file_replaces_rows),
        TEST(what_is_wrong_is_named), TEST(as_many_as_may_be), TEST(a_file_on_the_disk),
        TEST(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
