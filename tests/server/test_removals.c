/* tests/server/test_removals.c - what was taken away: out of changes, out of a journal, in a file.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "server/manifest.h"
#include "server/removals.h"
#include "tests/server/fixture.h"

enum { SERVER_BAG = 2, FOUND_MAX = 64 };

static const uint8_t server_key[KEY_SIZE] = {9};

/* --- out of changes --- */

static void put_record(struct buf *out, const char *name, uint8_t key, bool removed)
{
    struct device_record record = {.id = 0x77, .key = {key}, .removed = removed};
    (void)snprintf(record.name, sizeof record.name, "%s", name);
    buf_reset(out);
    record_put_device(out, &record);
}

static void a_machine_is_removed_or_gets_another_key(void **state)
{
    (void)state;
    struct buf before;
    struct buf now;
    struct removal removal;
    buf_init(&before, RECORD_TEXT_MAX);
    buf_init(&now, RECORD_TEXT_MAX);
    put_record(&before, "lobby", 1, false);
    put_record(&now, "lobby", 1, false);
    struct change change = {.seq = 5,
                            .time_ms = 6,
                            .kind = CHANGE_ITEM_SET,
                            .bag_id = SERVER_BAG,
                            .path = SPAN_LITERAL("device/0000000000000077"),
                            .value = buf_span(&now),
                            .has_old = true,
                            .old_value = buf_span(&before)};
    assert_true(removal_possible(&change, SERVER_BAG));
    assert_false(removal_of_change(&removal, &change, SERVER_BAG));
    put_record(&now, "lobby", 1, true);
    change.value = buf_span(&now);
    assert_true(removal_of_change(&removal, &change, SERVER_BAG));
    assert_int_equal(removal.kind, REMOVAL_DEVICE);
    assert_true(removal.device == 0x77 && removal.seq == 5 && removal.time_ms == 6);
    assert_string_equal(removal.text, "lobby");
    put_record(&now, "lobby", 2, false);
    change.value = buf_span(&now);
    assert_true(removal_of_change(&removal, &change, SERVER_BAG));
    assert_int_equal(removal.kind, REMOVAL_KEY);
    assert_int_equal(removal.key[0], 2);
    change.has_old = false; /* it has just joined */
    assert_false(removal_of_change(&removal, &change, SERVER_BAG));
    change.kind = CHANGE_ITEM_REMOVE;
    assert_true(removal_of_change(&removal, &change, SERVER_BAG));
    assert_int_equal(removal.kind, REMOVAL_DEVICE);
    change.bag_id = SERVER_BAG + 1; /* somebody's own item of that name */
    assert_false(removal_possible(&change, SERVER_BAG));
    assert_false(removal_of_change(&removal, &change, SERVER_BAG));
    buf_free(&before);
    buf_free(&now);
}

static void what_lets_in_is_told_by_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum change_kind kind;
        const char *value;
        bool told;
    } rows[] = {
        {"@account/ann", CHANGE_ITEM_REMOVE, "", true},
        {"@account/ann", CHANGE_ITEM_SET, "{}", false},
        {"@token/0123", CHANGE_ITEM_REMOVE, "", true},
        {"@audit", CHANGE_ITEM_REMOVE, "", false},
        {"@account/", CHANGE_ITEM_REMOVE, "", false},
        {"token/"
         "0000000000000000000000000000000000000000000000000000000000000000",
         CHANGE_ITEM_REMOVE, "", true},
        {"token/"
         "0000000000000000000000000000000000000000000000000000000000000000",
         CHANGE_ITEM_SET, "{\"state\":\"used\",\"expires_ms\":5,\"device\":\"0000000000000077\"}",
         true},
        {"token/"
         "0000000000000000000000000000000000000000000000000000000000000000",
         CHANGE_ITEM_SET, "{\"state\":\"new\",\"expires_ms\":5,\"device\":\"\"}", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct removal removal;
        struct change change = {.kind = rows[i].kind,
                                .bag_id = SERVER_BAG,
                                .path = span_str(rows[i].path),
                                .value = span_str(rows[i].value)};
        assert_int_equal(removal_of_change(&removal, &change, SERVER_BAG), rows[i].told);
        if (rows[i].told) {
            assert_int_equal(removal.kind, REMOVAL_ITEM);
            assert_string_equal(removal.text, rows[i].path);
        }
    }
    struct removal removal;
    struct change change = {.kind = CHANGE_BAG_DELETE, .bag_id = 41, .seq = 50};
    assert_true(removal_of_change(&removal, &change, SERVER_BAG));
    assert_true(removal.kind == REMOVAL_BAG && removal.bag_id == 41 && removal.seq == 50);
    change.kind = CHANGE_BAG_CREATE;
    assert_false(removal_possible(&change, SERVER_BAG));
}

/* --- out of a journal --- */

struct found {
    struct removal removals[FOUND_MAX];
    size_t count;
    int code; /* that collecting returns */
};

static int collect(void *context, const struct removal *removal, struct err *err)
{
    (void)err;
    struct found *found = context;
    assert_true(found->count < FOUND_MAX);
    found->removals[found->count++] = *removal;
    return found->code;
}

static void a_journal_is_read_from_a_change_on(void **state)
{
    struct fixture *fx = *state;
    struct found found = {0};
    struct removal through;
    uint8_t history[HISTORY_SIZE];
    journal_history(fx->journal, history);
    (void)fx_submit(fx, SUBMIT_WRITE, "user:ann", "a", "1");
    struct submit first = fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL);
    (void)fx_submit(fx, SUBMIT_WRITE, "user:bob", "a", "1");
    struct submit second = fx_submit(fx, SUBMIT_DELETE, "user:bob", NULL, NULL);
    assert_int_equal(removals_scan(fx->journal, 1, SERVER_BAG, collect, &found, &through, NULL), 0);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.removals[0].seq, first.seq);
    assert_int_equal(found.removals[0].bag_id, first.bag_id);
    assert_memory_equal(found.removals[0].history, history, HISTORY_SIZE);
    assert_int_equal(through.kind, REMOVAL_THROUGH);
    assert_int_equal(through.seq, second.seq);
    assert_memory_equal(through.history, history, HISTORY_SIZE);
    found.count = 0;
    assert_int_equal(
        removals_scan(fx->journal, first.seq + 1, SERVER_BAG, collect, &found, &through, NULL), 0);
    assert_int_equal(found.count, 1);
    assert_int_equal(
        removals_scan(fx->journal, second.seq + 1, SERVER_BAG, collect, &found, &through, NULL), 0);
    assert_int_equal(through.seq, 0); /* there is no such change yet */
    found = (struct found){.code = E_NOMEM};
    assert_int_equal(removals_scan(fx->journal, 1, SERVER_BAG, collect, &found, &through, NULL),
                     E_NOMEM);
}

static void a_fork_is_followed(void **state)
{
    struct fixture *fx = *state;
    struct found found = {0};
    struct removal through;
    uint8_t before[HISTORY_SIZE];
    uint8_t after[HISTORY_SIZE];
    journal_history(fx->journal, before);
    (void)fx_submit(fx, SUBMIT_WRITE, "user:ann", "a", "1");
    (void)fx_submit(fx, SUBMIT_WRITE, "user:bob", "a", "1");
    (void)fx_submit(fx, SUBMIT_DELETE, "user:ann", NULL, NULL);
    (void)fx_submit(fx, SUBMIT_FORK, "server", NULL, NULL);
    (void)fx_submit(fx, SUBMIT_DELETE, "user:bob", NULL, NULL);
    journal_history(fx->journal, after);
    assert_int_equal(removals_scan(fx->journal, 1, SERVER_BAG, collect, &found, &through, NULL), 0);
    assert_int_equal(found.count, 2);
    assert_memory_equal(found.removals[0].history, before, HISTORY_SIZE);
    assert_memory_equal(found.removals[1].history, after, HISTORY_SIZE);
    assert_memory_equal(through.history, after, HISTORY_SIZE);
}

/* --- the file --- */

static char folder[TMP_FOLDER_MAX];

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    return removals_create(folder, server_key, NULL);
}

static int teardown(void **state)
{
    (void)state;
    tmp_folder_remove(folder);
    return 0;
}

static const struct removal samples[] = {
    {.kind = REMOVAL_DEVICE, .history = {1}, .seq = 5, .time_ms = 6, .device = 7, .text = "lobby"},
    {.kind = REMOVAL_KEY, .history = {1}, .seq = 6, .time_ms = 6, .device = 7, .key = {8}},
    {.kind = REMOVAL_BAG,
     .history = {1},
     .seq = 7,
     .time_ms = 6,
     .bag_id = 4,
     .text = "user:Ann \""},
    {.kind = REMOVAL_ITEM, .history = {1}, .seq = UINT64_MAX, .time_ms = 6, .text = "@token/12"},
    {.kind = REMOVAL_GAP, .history = {2}, .seq = 9, .time_ms = 6},
    {.kind = REMOVAL_THROUGH, .history = {2}, .seq = 10, .time_ms = 6},
};
enum { SAMPLES = sizeof samples / sizeof samples[0] };

static int read_all(struct found *found, struct removals_head *head, struct err *err)
{
    *found = (struct found){0};
    return removals_read(folder, head, collect, found, err);
}

static void path_of(char out[TMP_FOLDER_MAX])
{
    tmp_folder_path(out, folder, MANIFEST_REMOVALS);
}

static void what_was_told_is_read(void **state)
{
    (void)state;
    struct found found;
    struct removals_head head;
    struct stat info;
    char path[TMP_FOLDER_MAX];
    assert_int_equal(read_all(&found, &head, NULL), 0);
    assert_int_equal(found.count, 0);
    assert_int_equal(removals_append(folder, samples, 2, NULL), 0);
    assert_int_equal(removals_append(folder, NULL, 0, NULL), 0);
    assert_int_equal(removals_append(folder, samples + 2, SAMPLES - 2, NULL), 0);
    assert_int_equal(read_all(&found, &head, NULL), 0);
    assert_int_equal(found.count, SAMPLES);
    assert_memory_equal(found.removals, samples, sizeof samples);
    assert_true(head.original);
    assert_memory_equal(head.server, server_key, KEY_SIZE);
    path_of(path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void a_copy_is_known_for_one(void **state)
{
    (void)state;
    struct found found;
    struct removals_head head;
    char path[TMP_FOLDER_MAX];
    char moved[TMP_FOLDER_MAX + 8];
    struct buf text;
    path_of(path);
    buf_init(&text, 1 << 20);
    assert_int_equal(file_read(path, &text, NULL), 0);
    assert_int_equal(file_replace(path, text.data, text.size, 0600, NULL), 0); /* in its place */
    assert_int_equal(read_all(&found, &head, NULL), 0);
    assert_false(head.original);
    (void)snprintf(moved, sizeof moved, "%s.moved", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(removals_create(folder, server_key, NULL), 0);
    assert_int_equal(rename(folder, moved), 0);
    assert_int_equal(removals_read(moved, &head, NULL, NULL, NULL), 0);
    assert_false(head.original);
    assert_int_equal(rename(moved, folder), 0);
    assert_int_equal(removals_read(folder, &head, NULL, NULL, NULL), 0);
    assert_true(head.original);
    buf_free(&text);
}

static void a_line_that_was_cut_short_is_written_over(void **state)
{
    (void)state;
    struct found found;
    struct removals_head head;
    struct stat info;
    char path[TMP_FOLDER_MAX];
    path_of(path);
    assert_int_equal(removals_append(folder, samples, SAMPLES, NULL), 0);
    assert_int_equal(stat(path, &info), 0);
    for (off_t cut = 1; cut < 60; cut++) {
        assert_int_equal(truncate(path, info.st_size - cut), 0);
        assert_int_equal(read_all(&found, &head, NULL), 0);
        assert_int_equal(found.count, SAMPLES - 1);
        assert_int_equal(removals_append(folder, &samples[SAMPLES - 1], 1, NULL), 0);
        assert_int_equal(read_all(&found, &head, NULL), 0);
        assert_int_equal(found.count, SAMPLES);
    }
}

static void damage_is_named_by_its_line(void **state)
{
    (void)state;
    struct found found;
    struct removals_head head;
    char path[TMP_FOLDER_MAX];
    struct buf text;
    path_of(path);
    assert_int_equal(removals_append(folder, samples, SAMPLES, NULL), 0);
    buf_init(&text, 1 << 20);
    assert_int_equal(file_read(path, &text, NULL), 0);
    for (size_t i = 0; i + 1 < text.size; i++) { /* without the last newline it is cut short */
        struct err err = {0};
        text.data[i] ^= 1;
        assert_int_equal(file_replace(path, text.data, text.size, 0600, NULL), 0);
        assert_int_equal(read_all(&found, &head, &err), E_CORRUPT);
        assert_non_null(strstr(err.text, "line "));
        text.data[i] ^= 1;
    }
    tmp_folder_write(path, "");
    assert_int_equal(read_all(&found, &head, NULL), E_CORRUPT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_all(&found, &head, NULL), E_NOT_FOUND);
    assert_int_equal(removals_append(folder, samples, 1, NULL), E_NOT_FOUND);
    buf_free(&text);
}

static void a_newer_format_is_told(void **state)
{
    (void)state;
    static const char text[] = "{\"what\":\"removals\",\"format\":2,\"server\":"
                               "\"09000000000000000000000000000000"
                               "00000000000000000000000000000000\"}";
    char line[256];
    char path[TMP_FOLDER_MAX];
    struct found found;
    struct removals_head head;
    struct err err = {0};
    (void)snprintf(line, sizeof line, "%08x %s\n", crc32c(0, text, sizeof text - 1), text);
    path_of(path);
    tmp_folder_write(path, line);
    assert_int_equal(read_all(&found, &head, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "format 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_is_removed_or_gets_another_key),
        cmocka_unit_test(what_lets_in_is_told_by_its_path),
        cmocka_unit_test_setup_teardown(a_journal_is_read_from_a_change_on, fx_setup, fx_teardown),
        cmocka_unit_test_setup_teardown(a_fork_is_followed, fx_setup, fx_teardown),
        cmocka_unit_test_setup_teardown(what_was_told_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_is_known_for_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_that_was_cut_short_is_written_over, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_named_by_its_line, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_format_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
