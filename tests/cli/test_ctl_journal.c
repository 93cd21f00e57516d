/* Tests of cli/ctl_journal.c: the numbers, the tail, and a journal that is whole or is not. */
#include "tests/cli/run_ctl.h"

#include "journal/journal.h"

static void the_size_is_shown(void **state)
{
    (void)state;
    ctl_answers("{\"history\":\"aa\",\"floor\":\"1\",\"head\":\"9\",\"first_time\":\"F\","
                "\"last_time\":\"L\",\"segments\":2,\"bytes\":10,\"file_bytes\":20}",
                NULL);
    assert_int_equal(run_ctl("journal", "stat", NULL), 0);
    assert_string_equal(ctl.out, "First change:  1\nLast change:   9\nFrom:          F\n"
                                 "To:            L\nFiles:         2\nBytes:         10\n"
                                 "Bytes on disk: 20\nHistory:       aa\n");
    assert_asked("GET /api/v1/journal/stat HTTP");
}

#define LINES                                                                                      \
    "{\"seq\":\"8\",\"time\":\"T\",\"kind\":\"item.set\",\"bag_id\":\"2\",\"bag\":\"user:ann\","   \
    "\"item\":\"a\",\"size\":1,\"value\":\"x\",\"origin\":\"00ff\",\"actor\":\"\"}\n"              \
    "{\"heartbeat\":true,\"head\":\"8\"}\n"                                                        \
    "{\"seq\":\"9\",\"time\":\"T\",\"kind\":\"item.set\",\"bag_id\":\"2\",\"bag\":\"user:ann\","   \
    "\"item\":\"keychain/k\",\"size\":1,\"masked\":true,\"origin\":\"\",\"actor\":\"admin\"}\n"

static void the_tail_is_printed(void **state)
{
    (void)state;
    ctl_answers(LINES, LINES, LINES, NULL);
    assert_int_equal(run_ctl("journal", "tail", NULL), 0);
    assert_string_equal(ctl.out, "8  T  item.set  user:ann  a  00ff    x\n"
                                 "9  T  item.set  user:ann  keychain/k  admin    (secret)\n");
    assert_asked("GET /api/v1/changes?feed=ndjson&follow=0&values=0 HTTP");
    assert_int_equal(run_ctl("journal", "tail", "-f", "-o", "ndjson", "--values", "--lines", "5",
                             "--bag", "user:a b", NULL),
                     0);
    assert_asked("?feed=ndjson&follow=1&values=1&tail=5&bag=user%3Aa%20b HTTP");
    json_t *line = json_loads(ctl.out, JSON_DISABLE_EOF_CHECK, NULL);
    assert_string_equal(json_string_value(json_object_get(line, "seq")), "8");
    assert_null(json_object_get(line, "from")); /* as the server said it */
    json_decref(line);
    assert_null(strstr(ctl.out, "heartbeat"));
    assert_int_equal(run_ctl("journal", "tail", "-o", "json", NULL), 0);
    json_t *rows = json_loads(ctl.out, 0, NULL);
    assert_int_equal(json_array_size(rows), 2);
    json_decref(rows);
}

static void the_tail_is_asked_for_sensibly(void **state)
{
    (void)state;
    ctl_answers("404 {\"code\":\"not_found\",\"detail\":\"there is no bag 'user:x'\"}",
                "{\"code\":\"corrupt\",\"detail\":\"it is damaged\"}\n", NULL);
    assert_int_equal(run_ctl("journal", "tail", "--lines", "x", NULL), 2);
    assert_said("--lines takes a number, not 'x'");
    assert_int_equal(run_ctl("journal", "tail", "--lines", "", NULL), 2);
    assert_int_equal(run_ctl("journal", "tail", "-f", "-o", "json", NULL), 2);
    assert_said("--follow never ends: use -o ndjson, a document a line");
    assert_int_equal(run_ctl("journal", "tail", "--bag", "user:x", NULL), 3);
    assert_said("there is no bag 'user:x'");
    assert_int_equal(run_ctl("journal", "tail", "-o", "json", NULL), 1);
    assert_said("it is damaged");
}

/* --- verify --- */

static void make_journal(char dir[TMP_FOLDER_MAX], bool clean)
{
    struct journal *journal = NULL;
    struct journal_opened opened;
    struct journal_position head;
    static const uint8_t history[HISTORY_SIZE] = "0123456789abcdef";
    struct owner owner = {0};
    tmp_folder_path(dir, ctl.folder, "journal");
    struct journal_options options = {.dir = dir, .segment_bytes = 8 << 20};
    assert_int_equal(journal_open(&journal, &options, history, &opened, NULL), 0);
    assert_int_equal(owner_make(&owner, OWNER_USER, SPAN_LITERAL("ann"), 0, NULL), 0);
    for (uint64_t i = 1; i <= 5; i++) {
        struct buf payload;
        struct change change = {.seq = i,
                                .time_ms = 1700000000000,
                                .kind = CHANGE_BAG_CREATE,
                                .bag_id = i,
                                .owner = owner};
        buf_init(&payload, BATCH_PAYLOAD_MAX);
        batch_begin(&payload, 1);
        change_encode(&payload, &change, CHANGE_JOURNAL);
        assert_int_equal(
            journal_append(journal, 1, change.time_ms, buf_span(&payload), &head, NULL), 0);
        buf_free(&payload);
    }
    journal_close(&journal, clean);
}

static void a_whole_journal_is_told_so(void **state)
{
    (void)state;
    char dir[TMP_FOLDER_MAX];
    make_journal(dir, true);
    assert_int_equal(run_ctl("journal", "verify", NULL), 0);
    assert_printed("Journal:      whole\nFirst change: 1\nLast change:  5\nChanges:      5\n"
                   "Batches:      5\nFiles:        1\n");
    assert_printed("Ends with:    a clean stop\n");
    assert_int_equal(run_ctl("journal", "verify", "-o", "json", NULL), 0);
    json_t *report = json_loads(ctl.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(report, "last_seq")), "5");
    json_decref(report);
}

static void a_journal_that_was_not_closed_is_whole_too(void **state)
{
    (void)state;
    char dir[TMP_FOLDER_MAX];
    make_journal(dir, false);
    assert_int_equal(run_ctl("journal", "verify", NULL), 0);
    assert_printed("Ends with:    open: the server runs, or was killed between two writes\n");
}

/* The name of the only segment. */
static void find_segment(const char *dir, char path[TMP_FOLDER_MAX])
{
    char command[TMP_FOLDER_MAX + 64];
    (void)snprintf(command, sizeof command, "ls -d %.400s/*", dir);
    FILE *list = popen(command, "re"); /* NOLINT: a test, on a name of its own */
    assert_non_null(list);
    path[0] = '\0';
    while (fgets(path, TMP_FOLDER_MAX, list) != NULL && strstr(path, "lock") != NULL) {
    }
    (void)pclose(list);
    path[strcspn(path, "\n")] = '\0';
}

static void damage_is_told_with_its_place(void **state)
{
    (void)state;
    char dir[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    make_journal(dir, true);
    find_segment(dir, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;
    off_t at = SEGMENT_HEADER_SIZE + 2 * SEGMENT_SECTOR + BATCH_HEADER_SIZE + 3;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
    assert_int_equal(run_ctl("journal", "verify", NULL), 1);
    char wanted[2 * TMP_FOLDER_MAX];
    (void)snprintf(wanted, sizeof wanted,
                   "kitbagctl: change 3: '%s' is damaged at offset 5120: the batch fails its "
                   "checksum. Changes 1 to 2 are whole;",
                   path);
    assert_said(wanted);
    assert_said("Keep a copy of the whole data folder before anything else is done with it.\n");
    assert_int_equal(run_ctl("journal", "verify", "-o", "json", NULL), 1);
}

static void a_folder_without_a_journal_is_told(void **state)
{
    (void)state;
    char wanted[TMP_FOLDER_MAX + 64];
    assert_int_equal(run_ctl("journal", "verify", NULL), 3);
    (void)snprintf(wanted, sizeof wanted,
                   "there is no journal in '%s': is that a server's data folder?", ctl.data);
    assert_said(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(the_size_is_shown),
        CTL_TEST(the_tail_is_printed),
        CTL_TEST(the_tail_is_asked_for_sensibly),
        CTL_TEST(a_whole_journal_is_told_so),
        CTL_TEST(a_journal_that_was_not_closed_is_whole_too),
        CTL_TEST(damage_is_told_with_its_place),
        CTL_TEST(a_folder_without_a_journal_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
