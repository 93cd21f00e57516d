#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "server/records.h"

static struct span as_text(struct buf *buf)
{
    assert_int_equal(buf_error(buf), 0);
    return buf_span(buf);
}

static void a_device_there_and_back(void **state)
{
    (void)state;
    struct device_record record = {.id = 0xabc, .joined_ms = 1700000000000};
    memset(record.key, 7, KEY_SIZE);
    (void)snprintf(record.name, sizeof record.name, "Hall \"1\" Ö");
    (void)snprintf(record.serial, sizeof record.serial, "S");
    char path[RECORD_PATH_MAX];
    struct buf text;
    buf_init(&text, RECORD_TEXT_MAX);
    for (int i = 0; i < 3; i++) {
        record.removed = i == 1;
        record.mirror = i == 2;
        record.keep = (enum device_keep)i;
        buf_reset(&text);
        record_put_device(&text, &record);
        struct device_record read = {0};
        struct span item = record_device_path(path, record.id);
        assert_true(span_equal(item, SPAN_LITERAL("device/0000000000000abc")));
        assert_int_equal(record_get_device(&read, item, as_text(&text), NULL), 0);
        assert_memory_equal(&read, &record, sizeof record);
    }
    buf_free(&text);
}

static void synchronization_there_and_back(void **state)
{
    (void)state;
    struct sync_record record = {.since_ms = 1700000000000, .by = "eve \"the\" admin"};
    struct buf text;
    buf_init(&text, RECORD_TEXT_MAX);
    for (int i = 0; i < 2; i++) {
        record.stopped = i == 1;
        buf_reset(&text);
        record_put_sync(&text, &record);
        struct sync_record read = {0};
        assert_int_equal(record_get_sync(&read, as_text(&text), NULL), 0);
        assert_memory_equal(&read, &record, sizeof record);
    }
    buf_free(&text);
    static const char *const bad[] = {"", "[]", "{\"state\":\"paused\",\"since_ms\":1,\"by\":\"\"}",
                                      "{\"state\":\"stopped\",\"since_ms\":-1,\"by\":\"\"}",
                                      "{\"state\":\"stopped\",\"since_ms\":1,\"by\":7}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sync_record read = {.since_ms = 5};
        assert_int_equal(record_get_sync(&read, span_str(bad[i]), NULL), E_MALFORMED);
        assert_int_equal(read.since_ms, 5); /* untouched */
    }
}

static void a_token_there_and_back(void **state)
{
    (void)state;
    struct token_record record = {.expires_ms = 12345};
    memset(record.key, 0xab, KEY_SIZE);
    char path[RECORD_PATH_MAX];
    struct buf text;
    buf_init(&text, RECORD_TEXT_MAX);
    for (int used = 0; used < 2; used++) {
        record.used = used == 1;
        record.device = used == 1 ? 99 : 0;
        record.replaces = used == 1 ? 0 : 0x77;
        record.keeps_rights = used == 0;
        record.created_ms = used == 1 ? 0 : 1700000000000;
        memset(record.by, 0, sizeof record.by);
        memcpy(record.by, used == 1 ? "" : "eve", used == 1 ? 0 : 3);
        buf_reset(&text);
        record_put_token(&text, &record);
        struct token_record read = {0};
        assert_int_equal(
            record_get_token(&read, record_token_path(path, record.key), as_text(&text), NULL), 0);
        assert_memory_equal(&read, &record, sizeof record);
    }
    buf_free(&text);
}

static void paths_are_told_apart(void **state)
{
    (void)state;
    uint64_t device = 0;
    uint8_t key[KEY_SIZE];
    assert_int_equal(record_kind(SPAN_LITERAL("device/0000000000000abc")), RECORD_DEVICE);
    assert_int_equal(record_kind(SPAN_LITERAL("token/ab")), RECORD_TOKEN);
    assert_int_equal(record_kind(SPAN_LITERAL("device/")), RECORD_OTHER);
    assert_int_equal(record_kind(SPAN_LITERAL("account/x")), RECORD_OTHER);
    assert_true(record_device_of(SPAN_LITERAL("device/0000000000000abc"), &device));
    assert_int_equal(device, 0xabc);
    assert_false(record_device_of(SPAN_LITERAL("device/abc"), &device));
    assert_false(record_device_of(SPAN_LITERAL("device/0000000000000000"), &device));
    assert_false(record_device_of(SPAN_LITERAL("device/000000000000000g"), &device));
    assert_false(record_device_of(SPAN_LITERAL("token/0000000000000abc"), &device));
    assert_false(record_token_of(SPAN_LITERAL("token/abcd"), key));
}

static const char good_key[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void bad_records(void **state)
{
    (void)state;
    static const char path[] = "device/0000000000000abc";
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"key\":\"00\",\"joined_ms\":1,\"state\":\"active\"}",
        "{\"key\":1,\"joined_ms\":1,\"state\":\"active\"}",
        "{\"key\":\"KEY\",\"joined_ms\":-1,\"state\":\"active\"}",
        "{\"key\":\"KEY\",\"joined_ms\":\"1\",\"state\":\"active\"}",
        "{\"key\":\"KEY\",\"joined_ms\":1,\"state\":\"odd\"}",
        "{\"key\":\"KEY\",\"joined_ms\":1,\"state\":\"active\",\"name\":7}",
        "{\"key\":\"KEY\",\"joined_ms\":1,\"state\":\"active\",\"keep\":\"all\"}",
        "{\"key\":\"KEY\",\"joined_ms\":1,\"state\":\"active\",\"keep\":2}",
        "{\"key\":\"KEY\",\"joined_ms\":1,\"state\":\"active\",\"mirror\":1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[400];
        const char *mark = strstr(bad[i], "KEY");
        if (mark != NULL) {
            (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - bad[i]), bad[i], good_key,
                           mark + 3);
        } else {
            (void)snprintf(text, sizeof text, "%s", bad[i]);
        }
        struct device_record record = {0};
        struct err err = {0};
        assert_int_equal(record_get_device(&record, span_str(path), span_str(text), &err),
                         E_MALFORMED);
        assert_true(strlen(err.text) > 0);
        assert_int_equal(record.id, 0);
        struct token_record token = {0};
        char token_at[RECORD_PATH_MAX];
        assert_int_equal(
            record_get_token(&token, record_token_path(token_at, record.key), span_str(text), NULL),
            E_MALFORMED);
    }
    struct device_record record = {0};
    struct token_record token = {0};
    assert_int_equal(record_get_device(&record, SPAN_LITERAL("device/1"), SPAN_LITERAL("{}"), NULL),
                     E_MALFORMED);
    assert_int_equal(record_get_token(&token, SPAN_LITERAL("token/1"), SPAN_LITERAL("{}"), NULL),
                     E_MALFORMED);
}

static void fields_of_later_versions_are_fine(void **state)
{
    (void)state;
    char text[400];
    (void)snprintf(text, sizeof text,
                   "{\"later\":[1],\"joined_ms\":1,\"state\":\"active\",\"key\":\"%s\"}", good_key);
    struct device_record record = {0};
    assert_int_equal(
        record_get_device(&record, SPAN_LITERAL("device/0000000000000001"), span_str(text), NULL),
        0);
    assert_string_equal(record.name, "");
    /* and a record of an earlier one gives no right that it does not name */
    assert_int_equal(record.keep, KEEP_SIGNED_IN);
    assert_false(record.mirror);
}

static void names_of_what_is_kept(void **state)
{
    (void)state;
    enum device_keep keep = KEEP_SIGNED_IN;
    for (int i = KEEP_SIGNED_IN; i <= KEEP_EVERYBODY; i++) {
        assert_true(device_keep_parse(device_keep_name((enum device_keep)i), &keep));
        assert_int_equal(keep, i);
    }
    assert_false(device_keep_parse("Everybody", &keep));
    assert_false(device_keep_parse("", &keep));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_there_and_back),
        cmocka_unit_test(a_token_there_and_back),
        cmocka_unit_test(synchronization_there_and_back),
        cmocka_unit_test(paths_are_told_apart),
        cmocka_unit_test(bad_records),
        cmocka_unit_test(fields_of_later_versions_are_fine),
        cmocka_unit_test(names_of_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
