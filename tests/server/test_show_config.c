/* Which settings are in force, and from where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "server/show_config.h"

static const struct config_key keys[] = {
    {"a.size", CONFIG_SIZE, "64M", "How large it is.", 1, 0},
    {"a.path", CONFIG_TEXT, NULL, "Where it is.", 0, 0},
    {NULL, CONFIG_TEXT, NULL, NULL, 0, 0},
};

static struct config *config;
static struct buf out;
static struct err err;

static int setup(void **state)
{
    (void)state;
    err = (struct err){0};
    buf_init(&out, 1 << 20);
    return config_new(&config, keys, NULL);
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&out);
    config_free(&config);
    return 0;
}

static void a_line_for_each(void **state)
{
    (void)state;
    assert_int_equal(config_set(config, "a.size", "1G", "/etc/x.conf:3", NULL), 0);
    show_config_text(config, keys, &out);
    static const char wanted[] = "a.size = 1G  (/etc/x.conf:3)\na.path =  (default)\n";
    assert_int_equal(out.size, strlen(wanted));
    assert_memory_equal(out.data, wanted, out.size);
}

static void a_document_of_all(void **state)
{
    (void)state;
    assert_int_equal(config_set(config, "a.path", "/x \"y\"", "--data", NULL), 0);
    assert_int_equal(show_config_json(config, keys, &out, &err), 0);
    static const char wanted[] =
        "{\"settings\":[{\"key\":\"a.size\",\"value\":\"64M\",\"origin\":\"default\","
        "\"default\":\"64M\",\"help\":\"How large it is.\"},{\"key\":\"a.path\","
        "\"value\":\"/x \\\"y\\\"\",\"origin\":\"--data\",\"default\":\"\","
        "\"help\":\"Where it is.\"}]}\n";
    assert_int_equal(out.size, strlen(wanted));
    assert_memory_equal(out.data, wanted, out.size);
}

static void what_is_no_text_has_no_document(void **state)
{
    (void)state;
    assert_int_equal(config_set(config, "a.path", "\xff", "--data", NULL), 0);
    assert_int_equal(show_config_json(config, keys, &out, &err), E_INVALID);
    assert_non_null(strstr(err.text, "UTF-8"));
    assert_int_equal(out.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_for_each, setup, teardown),
        cmocka_unit_test_setup_teardown(a_document_of_all, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_text_has_no_document, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
