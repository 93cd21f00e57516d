/* tests/server/test_backup_record.c - what the server notes of its backups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/backup_record.h"

static void a_folder_is_noted_under_a_name_of_its_own(void **state)
{
    (void)state;
    char first[BACKUP_ITEM_MAX];
    char second[BACKUP_ITEM_MAX];
    char folder[PATH_MAX];
    struct buf text;
    struct span path = backup_record_path(first, "/srv/backup");
    assert_int_equal(path.size, strlen(BACKUP_ITEM_PREFIX) + 16);
    assert_int_equal(path_check(path, NULL), 0);
    (void)backup_record_path(second, "/srv/backup2");
    assert_string_not_equal(first, second);
    (void)backup_record_path(second, "/srv/backup");
    assert_string_equal(first, second);
    buf_init(&text, BACKUP_RECORD_MAX);
    backup_record_put(&text, "/srv/a \"quoted\" name", 7);
    assert_int_equal(buf_error(&text), 0);
    assert_int_equal(backup_record_get(buf_span(&text), folder, NULL), 0);
    assert_string_equal(folder, "/srv/a \"quoted\" name");
    buf_free(&text);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "nonsense", "[]", "{}", "{\"folder\":\"relative\"}", "{\"folder\":7}"};
    char folder[PATH_MAX] = "as it was";
    struct restored_record record = {.backup_ms = 5};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct err err = {0};
        assert_int_equal(backup_record_get(span_str(texts[i]), folder, &err), E_MALFORMED);
        assert_string_not_equal(err.text, "");
        assert_int_equal(restored_get(&record, span_str(texts[i]), &err), E_MALFORMED);
    }
    assert_string_equal(folder, "as it was");
    assert_int_equal(record.backup_ms, 5);
}

static struct restored_record back_and_forth(const struct restored_record *record)
{
    struct restored_record out = {0};
    struct buf text;
    buf_init(&text, BACKUP_RECORD_MAX);
    restored_put(&text, record);
    assert_int_equal(buf_error(&text), 0);
    assert_int_equal(restored_get(&out, buf_span(&text), NULL), 0);
    buf_free(&text);
    return out;
}

static void a_restore_is_noted_whole(void **state)
{
    (void)state;
    struct restored_record record = {.backup = "20261123T034858Z-4711",
                                     .backup_ms = 1,
                                     .parent = {2},
                                     .parent_seq = 3,
                                     .restored_ms = 4,
                                     .unknown = true,
                                     .known_to_ms = 5};
    struct restored_record found = back_and_forth(&record);
    assert_memory_equal(&found, &record, sizeof record);
    assert_true(restored_held(&found));
    record.confirmed_ms = 6;
    memcpy(record.by, "ann", sizeof "ann");
    found = back_and_forth(&record);
    assert_memory_equal(&found, &record, sizeof record);
    assert_false(restored_held(&found));
    record = (struct restored_record){.restored_ms = 4};
    found = back_and_forth(&record);
    assert_false(restored_held(&found));
}

/* When it does not say that removals are known, somebody has to look. */
static void in_doubt_nobody_is_served(void **state)
{
    (void)state;
    struct restored_record record = {0};
    const struct restored_record never = {0};
    assert_false(restored_held(&never));
    assert_int_equal(restored_get(&record,
                                  SPAN_LITERAL("{\"parent\":\"00000000000000000000000000000000\"}"),
                                  NULL),
                     0);
    assert_true(restored_held(&record));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_noted_under_a_name_of_its_own),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_restore_is_noted_whole),
        cmocka_unit_test(in_doubt_nobody_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
