/* tests/journal/test_sharing.c - the catalogue: bytes, what belongs to what, flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "journal/sharing.h"
#include "tests/support/fail_alloc.h"

static const struct category plain = {.title = "Title", .title_ja = "表題"};
static const struct category flagged = {
    .has_flag = true, .exported = true, .title = "Title", .title_ja = "表題"};

static struct span text(const char *value)
{
    return span_str(value);
}

static int put_row(struct sharing *set, const char *path, const struct category *row)
{
    struct buf name;
    struct buf value;
    buf_init(&name, 512);
    buf_init(&value, 4096);
    assert_int_equal(sharing_path(&name, SHARING_CATEGORY, text(path)), 0);
    sharing_put_category(&value, row);
    assert_int_equal(buf_error(&value), 0);
    assert_int_equal(sharing_check(buf_span(&name), buf_span(&value), NULL), 0);
    int rc = sharing_put(set, buf_span(&name), 1, buf_span(&value), NULL);
    buf_free(&name);
    buf_free(&value);
    return rc;
}

static int put_flag(struct sharing *set, const char *path, uint64_t seq, bool device, bool copy)
{
    struct buf name;
    struct buf value;
    buf_init(&name, 512);
    buf_init(&value, 4096);
    assert_int_equal(sharing_path(&name, SHARING_FLAG, text(path)), 0);
    sharing_put_flag(&value, device, copy);
    int rc = sharing_put(set, buf_span(&name), seq, buf_span(&value), NULL);
    buf_free(&name);
    buf_free(&value);
    return rc;
}

/* The path of the category that the item belongs to; "": none. */
static const char *category_of(const struct sharing *set, const char *item)
{
    const struct category *category = sharing_find(set, text(item));
    return category == NULL ? "" : category->path;
}

/* --- bytes --- */

static void rows_are_read_as_written(void **state)
{
    (void)state;
    struct sharing set = {0};
    struct buf value;
    buf_init(&value, 4096);
    const struct category row = {.class = SHARING_TIMELINE,
                                 .kind = SHARING_JSON,
                                 .has_flag = true,
                                 .default_device = true,
                                 .secret = true,
                                 .value_max = 70000,
                                 .count_max = 10,
                                 .title = "Jobs",
                                 .title_ja = "履歴"};
    static const uint8_t golden[] = "\x97\x0b\xa8timeline\x02\xce\x00\x01\x11\x70\x0a\xa4Jobs\xa6"
                                    "\xe5\xb1\xa5\xe6\xad\xb4";
    sharing_put_category(&value, &row);
    assert_true(span_equal(buf_span(&value), span_of(golden, sizeof golden - 1)));
    assert_int_equal(sharing_put(&set, text("@category/home/timeline"), 5, buf_span(&value), NULL),
                     0);
    const struct category *read = sharing_get(&set, text("home/timeline"));
    assert_non_null(read);
    assert_string_equal(read->path, "home/timeline");
    assert_int_equal(read->path_size, 13);
    assert_true(read->class == SHARING_TIMELINE && read->kind == SHARING_JSON);
    assert_true(read->has_flag && read->default_device && read->secret && !read->exported);
    assert_true(read->value_max == 70000 && read->count_max == 10);
    assert_string_equal(read->title, "Jobs");
    assert_string_equal(read->title_ja, "履歴");
    for (size_t size = 0; size < value.size; size++) {
        assert_int_equal(
            sharing_put(&set, text("@category/other"), 6, span_of(value.data, size), NULL),
            E_MALFORMED);
    }
    assert_int_equal(set.count, 1);
    sharing_free(&set);
    buf_free(&value);
}

static void the_bytes_of_a_flag(void **state)
{
    (void)state;
    struct buf value;
    buf_init(&value, 16);
    sharing_put_flag(&value, true, false);
    assert_true(span_equal(buf_span(&value), text("\x92\xc3\xc2")));
    buf_free(&value);
}

static void a_flag_is_read(void **state)
{
    (void)state;
    bool device = false;
    bool copy = true;
    assert_int_equal(sharing_get_flag(text("\x92\xc3\xc2"), &device, &copy, NULL), 0);
    assert_true(device && !copy);
    struct err err = {0};
    assert_int_equal(sharing_get_flag(text("\x92\xc2\xc3"), &device, &copy, &err), E_MALFORMED);
    assert_int_equal(sharing_get_flag(text("\x91\xc2"), &device, &copy, &err), E_MALFORMED);
    assert_int_equal(sharing_get_flag(text(""), &device, &copy, &err), E_MALFORMED);
    assert_true(device && !copy);
}

static void what_is_no_row_changes_nothing(void **state)
{
    (void)state;
    const struct {
        const char *path;
        struct span value;
    } bad[] = {
        /* a bit that nobody knows, such a class, such a kind */
        {"@category/copy", SPAN_LITERAL("\x97\x10\xa5other\x00\x00\x00\xa1t\xa1t")},
        {"@category/copy", SPAN_LITERAL("\x97\x01\xa5otter\x00\x00\x00\xa1t\xa1t")},
        {"@category/copy", SPAN_LITERAL("\x97\x01\xa5other\x03\x00\x00\xa1t\xa1t")},
        /* 10,001 items, a value over 1 MiB, no title, one element more, none */
        {"@category/copy", SPAN_LITERAL("\x97\x01\xa5other\x00\x00\xcd\x27\x11\xa1t\xa1t")},
        {"@category/copy", SPAN_LITERAL("\x97\x01\xa5other\x00\xce\x00\x10\x00\x01\x01\xa1t\xa1t")},
        {"@category/copy", SPAN_LITERAL("\x97\x01\xa5other\x00\x00\x00\xa0\xa1t")},
        {"@category/copy", SPAN_LITERAL("\x98\x01\xa5other\x00\x00\x00\xa1t\xa1t\x01")},
        {"@category/copy", SPAN_LITERAL("\xa1x")},
        {"@category/@copy", SPAN_LITERAL("\x97\x01\xa5other\x00\x00\x00\xa1t\xa1t")},
        {"@category/copy//a", SPAN_LITERAL("\x97\x01\xa5other\x00\x00\x00\xa1t\xa1t")},
        {"@sharing/copy", SPAN_LITERAL("\x92\xc3")},
        {"@sharing/copy", SPAN_LITERAL("\x92\xc3\x01")},
        {"@sharing/copy", SPAN_LITERAL("\x92\xc2\xc3")}, /* shared, with a copy */
        {"@sharing/@copy", SPAN_LITERAL("\x92\xc3\xc2")},
    };
    struct sharing set = {0};
    assert_int_equal(put_row(&set, "copy", &flagged), 0);
    assert_int_equal(put_flag(&set, "copy", 7, true, true), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {0};
        assert_int_equal(sharing_check(text(bad[i].path), bad[i].value, NULL), E_MALFORMED);
        assert_int_equal(sharing_put(&set, text(bad[i].path), 9, bad[i].value, &err), E_MALFORMED);
        assert_true(err.text[0] != '\0');
    }
    const struct category *copy = sharing_get(&set, text("copy"));
    assert_true(copy->has_flag && copy->device && copy->copy && copy->flag_seq == 7);
    assert_int_equal(set.count, 1);
    sharing_free(&set);
}

/* Whatever else the fleet's bag holds is no business of ours. */
static void other_items_are_ignored(void **state)
{
    (void)state;
    static const char *const others[] = {"copy",      "@category/", "@sharing/",         "@sharing",
                                         "@default/", "@default/a", "@fence/shared/copy"};
    struct sharing set = {0};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(sharing_path_is(text(others[i])));
        assert_int_equal(sharing_put(&set, text(others[i]), 1, text("\xc1"), NULL), 0);
        assert_int_equal(sharing_check(text(others[i]), text("\xc1"), NULL), 0);
        sharing_remove(&set, text(others[i]));
    }
    assert_int_equal(set.count, 0);
    assert_null(sharing_find(&set, text("copy")));
    assert_null(sharing_get(&set, text("copy")));
    assert_null(sharing_next(&set, NULL));
    assert_true(sharing_path_is(text("@category/a")) && sharing_path_is(text("@sharing/a")));
    sharing_free(&set);
}

static void names_of_classes_and_kinds(void **state)
{
    (void)state;
    for (int i = 0; i < SHARING_CLASSES; i++) {
        enum sharing_class class = SHARING_OTHER;
        const char *name = sharing_class_name((enum sharing_class)i);
        assert_int_equal(sharing_class_of(text(name), &class), 0);
        assert_int_equal(class, i);
    }
    for (int i = 0; i <= SHARING_JSON; i++) {
        enum sharing_kind kind = SHARING_BYTES;
        const char *name = sharing_kind_name((enum sharing_kind)i);
        assert_int_equal(sharing_kind_of(text(name), &kind), 0);
        assert_int_equal(kind, i);
    }
    enum sharing_class class = SHARING_TIMELINE;
    enum sharing_kind kind = SHARING_TEXT;
    assert_int_equal(sharing_class_of(text("Other"), &class), E_NOT_FOUND);
    assert_int_equal(sharing_kind_of(text(""), &kind), E_NOT_FOUND);
    assert_true(class == SHARING_TIMELINE && kind == SHARING_TEXT);
}

static void a_category_has_a_longest_length(void **state)
{
    (void)state;
    struct sharing set = {0};
    struct buf path;
    char name[SHARING_PATH_MAX + 2];
    memset(name, 'a', sizeof name);
    buf_init(&path, 512);
    for (size_t size = SHARING_PATH_MAX - 1; size <= SHARING_PATH_MAX + 1; size++) {
        buf_reset(&path);
        int expected = size <= SHARING_PATH_MAX ? 0 : E_PATH;
        assert_int_equal(sharing_path(&path, SHARING_CATEGORY, span_of(name, size)), expected);
        assert_true(path.size <= PATH_MAX_BYTES);
        buf_reset(&path);
        (void)buf_printf(&path, "@sharing/%.*s", (int)size, name);
        int rc = sharing_put(&set, buf_span(&path), 1, text("\x92\xc3\xc2"), NULL);
        assert_int_equal(rc, expected == 0 ? 0 : E_MALFORMED);
        assert_int_equal(sharing_check(buf_span(&path), text("\x92\xc3\xc2"), NULL), rc);
    }
    assert_int_equal(sharing_path(&path, SHARING_FLAG, text("")), E_PATH);
    assert_int_equal(sharing_path(&path, SHARING_FLAG, text("a//b")), E_PATH);
    sharing_free(&set);
    buf_free(&path);
}

/* --- what belongs to what --- */

static void the_longest_category_counts(void **state)
{
    (void)state;
    struct sharing set = {0};
    assert_int_equal(put_row(&set, "copy", &plain), 0);
    assert_int_equal(put_row(&set, "copy/default", &plain), 0);
    assert_int_equal(put_row(&set, "copy-shop", &plain), 0);
    assert_int_equal(put_row(&set, "home/deep/er", &plain), 0);
    assert_int_equal(set.count, 4);
    assert_string_equal(category_of(&set, "copy"), "copy");
    assert_string_equal(category_of(&set, "copy/paper"), "copy");
    assert_string_equal(category_of(&set, "copy/default"), "copy/default");
    assert_string_equal(category_of(&set, "copy/default/tray/2"), "copy/default");
    assert_string_equal(category_of(&set, "copy/defaults"), "copy");
    assert_string_equal(category_of(&set, "copy-shop/x"), "copy-shop");
    assert_string_equal(category_of(&set, "copier"), "");
    assert_string_equal(category_of(&set, "cop"), "");
    assert_string_equal(category_of(&set, "home/deep"), "");
    assert_string_equal(category_of(&set, "home/deep/er"), "home/deep/er");
    assert_string_equal(category_of(&set, "fax/copy"), "");
    assert_string_equal(category_of(&set, "@copy"), "");
    assert_null(sharing_get(&set, text("copy/paper")));
    sharing_remove(&set, text("@category/copy/default"));
    sharing_remove(&set, text("@category/copy/default"));
    assert_string_equal(category_of(&set, "copy/default/tray/2"), "copy");
    sharing_free(&set);
    assert_int_equal(set.count, 0);
}

static void in_order_of_paths(void **state)
{
    (void)state;
    struct sharing set = {0};
    static const char *const put[] = {"fax", "copy/previous", "keychain", "copy/default", "copy"};
    static const char *const sorted[] = {"copy", "copy/default", "copy/previous", "fax",
                                         "keychain"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(put_row(&set, put[i], &plain), 0);
    }
    /* Flags without a row are not of the catalogue. */
    assert_int_equal(put_flag(&set, "aaa", 3, true, false), 0);
    assert_int_equal(put_flag(&set, "zzz", 4, true, false), 0);
    const struct category *next = NULL;
    for (size_t i = 0; i < 5; i++) {
        next = sharing_next(&set, next);
        assert_string_equal(next->path, sorted[i]);
    }
    assert_null(sharing_next(&set, next));
    sharing_free(&set);
}

static void many_categories(void **state)
{
    (void)state;
    struct sharing set = {0};
    char name[32];
    for (size_t i = 0; i < SHARING_CATEGORIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "c%zu", i * 2654435761u % SHARING_CATEGORIES_MAX);
        assert_int_equal(put_row(&set, name, &plain), 0);
    }
    assert_int_equal(set.count, SHARING_CATEGORIES_MAX);
    assert_int_equal(put_row(&set, "one-more", &plain), E_QUOTA);
    assert_int_equal(put_flag(&set, "one-more", 5, true, false), E_QUOTA);
    assert_int_equal(put_row(&set, "c7", &flagged), 0); /* replaces */
    assert_true(sharing_get(&set, text("c7"))->has_flag);
    for (size_t i = 0; i < SHARING_CATEGORIES_MAX; i++) {
        char item[48];
        (void)snprintf(name, sizeof name, "c%zu", i);
        (void)snprintf(item, sizeof item, "%s/x", name);
        assert_string_equal(category_of(&set, item), name);
    }
    for (size_t i = 0; i < SHARING_CATEGORIES_MAX; i += 2) {
        (void)snprintf(name, sizeof name, "@category/c%zu", i);
        sharing_remove(&set, text(name));
    }
    for (size_t i = 0; i < SHARING_CATEGORIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "c%zu", i);
        assert_string_equal(category_of(&set, name), i % 2 == 0 ? "" : name);
    }
    assert_int_equal(set.count, SHARING_CATEGORIES_MAX / 2);
    sharing_free(&set);
}

/* --- flags --- */

static void the_flag_as_it_was_set(void **state)
{
    (void)state;
    struct sharing set = {0};
    assert_int_equal(put_row(&set, "copy", &flagged), 0);
    const struct category *copy = sharing_get(&set, text("copy"));
    assert_true(!copy->device && !copy->copy && copy->flag_seq == 0);
    assert_int_equal(sharing_layer_of(copy), SHARING_SHARED);
    assert_int_equal(put_flag(&set, "copy", 70, true, true), 0);
    copy = sharing_find(&set, text("copy/x"));
    assert_true(copy->device && copy->copy && copy->flag_seq == 70);
    assert_int_equal(sharing_layer_of(copy), SHARING_DEVICE);
    assert_int_equal(put_flag(&set, "copy", 80, false, false), 0);
    copy = sharing_find(&set, text("copy"));
    assert_true(!copy->device && !copy->copy && copy->flag_seq == 80);
    sharing_remove(&set, text("@sharing/copy"));
    sharing_remove(&set, text("@sharing/copy"));
    copy = sharing_find(&set, text("copy"));
    assert_true(!copy->device && copy->flag_seq == 0);
    assert_int_equal(sharing_layer_of(NULL), SHARING_SHARED);
    sharing_free(&set);
}

static void the_catalogue_has_a_default(void **state)
{
    (void)state;
    struct sharing set = {0};
    struct category row = flagged;
    row.default_device = true;
    assert_int_equal(put_row(&set, "copy", &row), 0);
    const struct category *copy = sharing_get(&set, text("copy"));
    assert_true(copy->device && !copy->copy && copy->flag_seq == 0);
    assert_int_equal(put_flag(&set, "copy", 9, false, false), 0);
    assert_false(sharing_get(&set, text("copy"))->device);
    sharing_remove(&set, text("@sharing/copy"));
    assert_true(sharing_get(&set, text("copy"))->device);
    sharing_free(&set);
}

/* They come in whatever order the fleet's items change in. */
static void a_flag_may_come_before_its_row(void **state)
{
    (void)state;
    struct sharing set = {0};
    assert_int_equal(put_flag(&set, "copy", 9, true, false), 0);
    assert_null(sharing_find(&set, text("copy")));
    assert_null(sharing_get(&set, text("copy")));
    assert_int_equal(put_row(&set, "copy", &flagged), 0);
    assert_true(sharing_find(&set, text("copy"))->device);
    sharing_remove(&set, text("@category/copy"));
    assert_null(sharing_find(&set, text("copy")));
    assert_int_equal(put_row(&set, "copy", &flagged), 0);
    assert_int_equal(sharing_find(&set, text("copy"))->flag_seq, 9);
    sharing_remove(&set, text("@category/copy"));
    sharing_remove(&set, text("@sharing/copy"));
    assert_int_equal(set.count, 0);
    sharing_free(&set);
}

static void without_a_flag_it_stays_shared(void **state)
{
    (void)state;
    struct sharing set = {0};
    struct category row = plain;
    row.default_device = true;
    assert_int_equal(put_row(&set, "network", &row), 0);
    assert_int_equal(put_flag(&set, "network", 9, true, true), 0);
    const struct category *network = sharing_find(&set, text("network/ssid"));
    assert_true(!network->device && !network->copy && network->flag_seq == 0);
    sharing_free(&set);
}

static void values_that_a_category_holds(void **state)
{
    (void)state;
    const struct category bytes = {.path = "c", .value_max = 4};
    const struct category words = {.path = "c", .kind = SHARING_TEXT};
    const struct category json = {.path = "c", .kind = SHARING_JSON, .value_max = 8};
    struct err err = {0};
    assert_int_equal(sharing_check_value(NULL, text("c/x"), text("\xff"), &err), 0);
    assert_int_equal(sharing_check_value(&bytes, text("c/x"), text("\xff\xff\xff"), &err), 0);
    assert_int_equal(sharing_check_value(&bytes, text("c/x"), text("1234"), &err), 0);
    assert_int_equal(sharing_check_value(&bytes, text("c/x"), text("12345"), &err), E_TOO_LARGE);
    assert_string_equal(err.text, "the value of 'c/x' has 5 bytes, one of 'c' may have 4");
    assert_int_equal(sharing_check_value(&words, text("c/x"), text("履歴"), &err), 0);
    assert_int_equal(sharing_check_value(&words, text("c/x"), text("\xff"), &err), E_CATEGORY);
    assert_string_equal(err.text, "the value of 'c/x' is not text in UTF-8, which 'c' holds");
    assert_int_equal(sharing_check_value(&json, text("c/x"), text("{\"a\":1}"), &err), 0);
    assert_int_equal(sharing_check_value(&json, text("c/x"), text("{a:1}"), &err), E_CATEGORY);
    assert_string_equal(err.text, "the value of 'c/x' is not JSON, which 'c' holds");
    assert_int_equal(sharing_check_value(&json, text("c/x"), text("{\"a\":12}"), &err), 0);
    assert_int_equal(sharing_check_value(&json, text("c/x"), text("{\"a\":123}"), &err),
                     E_TOO_LARGE);
}

/* --- without memory --- */

static void without_memory_it_stays_as_it_was(void **state)
{
    (void)state;
    unsigned nth = 1;
    for (;; nth++) {
        struct sharing set = {0};
        struct buf value;
        buf_init(&value, 4096);
        assert_int_equal(put_row(&set, "copy", &plain), 0);
        sharing_put_category(&value, &flagged);
        fail_alloc_at(nth);
        int rc = sharing_put(&set, text("@category/copy"), 60, buf_span(&value), NULL);
        int more =
            rc != 0 ? rc : sharing_put(&set, text("@category/fax"), 61, buf_span(&value), NULL);
        int flag = more != 0
                       ? more
                       : sharing_put(&set, text("@sharing/copy"), 62, text("\x92\xc3\xc2"), NULL);
        bool failed = fail_alloc_stop();
        assert_int_equal(flag, failed ? E_NOMEM : 0);
        assert_true(sharing_get(&set, text("copy"))->has_flag == (rc == 0));
        assert_true(sharing_get(&set, text("copy"))->device == (flag == 0));
        assert_true((sharing_get(&set, text("fax")) != NULL) == (more == 0));
        buf_free(&value);
        sharing_free(&set);
        if (!failed) {
            break;
        }
    }
    assert_true(nth > 5);
}

static void more_room_without_memory(void **state)
{
    (void)state;
    unsigned nth = 1;
    for (bool failed = true; failed; nth++) {
        struct sharing set = {0};
        char name[32];
        fail_alloc_at(nth);
        int rc = 0;
        size_t done = 0;
        while (rc == 0 && done < 200) {
            unsigned paused = fail_alloc_pause();
            (void)snprintf(name, sizeof name, "@sharing/c%zu", done);
            fail_alloc_resume(paused);
            rc = sharing_put(&set, text(name), 5, text("\x92\xc3\xc2"), NULL);
            done += rc == 0;
        }
        failed = fail_alloc_stop();
        assert_int_equal(rc, failed ? E_NOMEM : 0);
        assert_int_equal(set.count, done);
        sharing_free(&set);
    }
    assert_true(nth > 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_as_written),
        cmocka_unit_test(the_bytes_of_a_flag),
        cmocka_unit_test(a_flag_is_read),
        cmocka_unit_test(what_is_no_row_changes_nothing),
        cmocka_unit_test(other_items_are_ignored),
        cmocka_unit_test(names_of_classes_and_kinds),
        cmocka_unit_test(a_category_has_a_longest_length),
        cmocka_unit_test(the_longest_category_counts),
        cmocka_unit_test(in_order_of_paths),
        cmocka_unit_test(many_categories),
        cmocka_unit_test(the_flag_as_it_was_set),
        cmocka_unit_test(the_catalogue_has_a_default),
        cmocka_unit_test(a_flag_may_come_before_its_row),
        cmocka_unit_test(without_a_flag_it_stays_shared),
        cmocka_unit_test(values_that_a_category_holds),
        cmocka_unit_test(without_memory_it_stays_as_it_was),
        cmocka_unit_test(more_room_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
