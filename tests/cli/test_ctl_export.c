/* Tests of cli/ctl_export.c: preparing, listing, fetching, dropping. */
#include <sys/stat.h>

#include "tests/cli/run_ctl.h"

#define ROW(size, more)                                                                            \
    "{\"id\":\"4f1c\",\"version\":2,\"seq\":\"4711\",\"expires_at\":\"T\",\"users\":2,"            \
    "\"groups\":1,\"size\":" size ",\"password\":false,\"by\":\"admin\"," more "}"
#define COUNTS "\"counts\":{\"secrets\":0,\"not_exported\":0},\"late_count\":0,\"late\":[]"
#define MISSING                                                                                    \
    "\"counts\":{\"secrets\":3,\"not_exported\":4},\"late_count\":1,\"late\":"                     \
    "[\"0000000000000abc\"]"
#define FILE_ANSWER(status, more, size, bytes)                                                     \
    "HTTP/1.1 " status "\r\nContent-Type: application/octet-stream\r\n" more                       \
    "Content-Length: " size "\r\n\r\n" bytes

static void put_file(const char *name, const char *text)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, name);
    tmp_folder_write(path, text);
}

static void expect_file(const char *name, const char *text)
{
    char path[TMP_FOLDER_MAX];
    char bytes[256] = "";
    tmp_folder_path(path, ctl.folder, name);
    FILE *file = fopen(path, "r");
    if (text == NULL) {
        assert_null(file);
        return;
    }
    assert_non_null(file);
    (void)fread(bytes, 1, sizeof bytes - 1, file);
    (void)fclose(file);
    assert_string_equal(bytes, text);
}

static void one_is_prepared(void **state)
{
    (void)state;
    ctl_answers("201 " ROW("99", COUNTS), NULL);
    assert_int_equal(
        run_ctl("export", "prepare", "--user", "ann", "--user", "bob", "--group", "sales", NULL),
        0);
    assert_printed("4f1c");
    assert_asked("POST /api/v1/exports HTTP");
    assert_asked("{\"all\":false,\"users\":[\"ann\",\"bob\"],\"groups\":[\"sales\"]}");
}

static void wishes_are_told(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    put_file("password", "correct horse\n");
    tmp_folder_path(path, ctl.folder, "password");
    ctl_answers("201 " ROW("99", COUNTS), NULL);
    assert_int_equal(run_ctl("export", "prepare", "--all", "--only", "personal-settings",
                             "--since-device", "0000000000000abc", "--password-file", path, NULL),
                     0);
    assert_asked("\"items\":[\"personal-settings\"],\"since_device\":\"0000000000000abc\","
                 "\"password\":\"correct horse\"}");
    assert_int_equal(run_ctl("export", "prepare", "--all", "--password-file", "/no/such", NULL), 3);
    assert_int_equal(run_ctl("export", "prepare", "--all", "--dry-run", NULL), 2);
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    ctl_answers("201 " ROW("99", MISSING), NULL);
    assert_int_equal(run_ctl("export", "prepare", "--all", "-o", "json", NULL), 0);
    assert_said("3 secret items");
    assert_said("4 items are of categories that are not exported");
    assert_said("1 connected machines did not tell in time");
    assert_said("0000000000000abc");
}

static void they_are_listed(void **state)
{
    (void)state;
    ctl_answers("{\"exports\":[" ROW("99", COUNTS) "],\"limits\":{}}", NULL);
    assert_int_equal(run_ctl("export", "ls", NULL), 0);
    assert_printed("4711");
}

static void one_is_fetched(void **state)
{
    (void)state;
    struct stat st;
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, "out");
    ctl_answers(ROW("6", COUNTS), FILE_ANSWER("200 OK", "", "6", "abcdef"), NULL);
    assert_int_equal(run_ctl("export", "get", "4f1c", path, NULL), 0);
    expect_file("out", "abcdef");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_asked("GET /api/v1/exports/4f1c/snapshot HTTP");
}

static void what_broke_off_goes_on(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, "out");
    put_file("out.4f1c-2.partial", "abc");
    ctl_answers(ROW("6", COUNTS),
                FILE_ANSWER("206 Partial Content", "Content-Range: bytes 3-5/6\r\n", "3", "def"),
                NULL);
    assert_int_equal(run_ctl("export", "get", "4f1c", path, NULL), 0);
    assert_asked("If-Range: \"4f1c-2\"");
    assert_asked("Range: bytes=3-");
    expect_file("out", "abcdef");
    expect_file("out.4f1c-2.partial", NULL);
}

/* In the middle of one call, too. */
static void it_is_asked_for_again(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, "out");
    ctl_answers(ROW("6", COUNTS), FILE_ANSWER("200 OK", "", "6", "ab"),
                FILE_ANSWER("206 Partial Content", "", "4", "cdef"), NULL);
    assert_int_equal(run_ctl("export", "get", "4f1c", path, NULL), 0);
    expect_file("out", "abcdef");
}

static void another_file_is_fetched_anew(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, "out");
    put_file("out.4f1c-2.partial", "abcdefgh");
    ctl_answers(ROW("6", COUNTS), FILE_ANSWER("200 OK", "", "6", "ABCDEF"), NULL);
    assert_int_equal(run_ctl("export", "get", "4f1c", path, NULL), 0);
    expect_file("out", "ABCDEF");
}

static void one_that_is_gone(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, "out");
    ctl_answers("404 {\"code\":\"not_found\",\"detail\":\"its time is over\"}", NULL);
    assert_int_equal(run_ctl("export", "get", "4f1c", path, NULL), 3);
    assert_said("its time is over");
    expect_file("out", NULL);
}

static void address_lists_are_fetched(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, "out.ldif");
    ctl_answers(FILE_ANSWER("200 OK", "", "3", "abc"), NULL);
    assert_int_equal(run_ctl("export", "address-list", "4f1c", "group", path, NULL), 0);
    assert_asked("/api/v1/exports/4f1c/address-lists?kind=group&format=ldif");
    expect_file("out.ldif", "abc");
    ctl_answers("400 {\"code\":\"invalid\",\"detail\":\"'kind' is personal or group\"}", NULL);
    assert_int_equal(
        run_ctl("export", "address-list", "4f1c", "x", path, "--format", "vcard", NULL), 2);
    expect_file("out.ldif.partial", NULL);
    expect_file("out.ldif", "abc");
}

static void they_are_dropped(void **state)
{
    (void)state;
    ctl_answers("{\"dry_run\":false,\"exports\":1,\"missing\":[\"x\"]}", NULL);
    assert_int_equal(run_ctl("export", "rm", "4f1c", "x", NULL), 7);
    assert_asked("{\"ids\":[\"4f1c\",\"x\"],\"dry_run\":false}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(one_is_prepared),         CTL_TEST(wishes_are_told),
        CTL_TEST(what_is_missing_is_said), CTL_TEST(they_are_listed),
        CTL_TEST(one_is_fetched),          CTL_TEST(what_broke_off_goes_on),
        CTL_TEST(it_is_asked_for_again),   CTL_TEST(another_file_is_fetched_anew),
        CTL_TEST(one_that_is_gone),        CTL_TEST(address_lists_are_fetched),
        CTL_TEST(they_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
