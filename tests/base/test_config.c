/* Tests of base/config.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/config.h"
#include "tests/support/died.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp_folder.h"

static const struct config_key keys[] = {
    {"server.listen", CONFIG_TEXT, "tcp://0.0.0.0:8443", "Where clients connect.", 0, 0},
    {"server.name", CONFIG_TEXT, NULL, "The server's name.", 0, 0},
    {"server.writers", CONFIG_NUMBER, "16", "How many at once.", 1, 100},
    {"journal.segment-size", CONFIG_SIZE, "64M", "The size of a segment.", 4096, 1 << 30},
    {"journal.keep", CONFIG_DURATION, "90d", "How long changes are kept.", 1000, 0},
    {"journal.mirror", CONFIG_BOOL, "no", "Whether mirrors may read it.", 0, 0},
    {"journal.floor", CONFIG_NUMBER, NULL, "Nothing below goes.", 10, 0},
    {NULL, CONFIG_TEXT, NULL, NULL, 0, 0}};

static char folder[TMP_FOLDER_MAX];
static char main_file[TMP_FOLDER_MAX];
static char parts[TMP_FOLDER_MAX];
static struct config *config;

static int make_all(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    tmp_folder_path(main_file, folder, "kitbagd.conf");
    tmp_folder_path(parts, folder, "conf.d");
    assert_int_equal(mkdir(parts, 0700), 0);
    assert_int_equal(config_new(&config, keys, NULL), 0);
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    config_free(&config);
    assert_null(config);
    tmp_folder_remove(folder);
    (void)unsetenv("KITBAG_SERVER_WRITERS");
    (void)unsetenv("KITBAG_JOURNAL_SEGMENT_SIZE");
    return 0;
}

static void write_part(const char *name, const char *text)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, parts, name);
    tmp_folder_write(path, text);
}

static int load(struct err *err)
{
    return config_load_from(config, folder, "kitbagd", NULL, err);
}

static void expect_origin(const char *key, const char *path, const char *line)
{
    char expected[2 * TMP_FOLDER_MAX];
    (void)snprintf(expected, sizeof expected, "%s%s", path, line);
    assert_string_equal(config_origin(config, key), expected);
}

static void keys_start_at_their_defaults(void **state)
{
    (void)state;
    assert_string_equal(config_text(config, "server.listen"), "tcp://0.0.0.0:8443");
    assert_string_equal(config_written(config, "journal.segment-size"), "64M");
    assert_string_equal(config_written(config, "server.name"), "");
    assert_string_equal(config_text(config, "server.name"), "");
    assert_int_equal(config_u64(config, "server.writers"), 16);
    assert_int_equal(config_u64(config, "journal.segment-size"), 64 << 20);
    assert_true(config_u64(config, "journal.keep") == 90ull * 24 * 3600 * 1000);
    assert_false(config_bool(config, "journal.mirror"));
    assert_int_equal(config_u64(config, "journal.floor"), 0);
    assert_string_equal(config_origin(config, "server.listen"), "default");
    config_free(NULL);
}

static void later_places_win(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(load(&err), 0);
    assert_int_equal(config_u64(config, "server.writers"), 16);

    tmp_folder_write(main_file, "# ours\n\n[server]\nwriters = 17\nname = main\n");
    assert_int_equal(load(&err), 0);
    assert_int_equal(config_u64(config, "server.writers"), 17);
    expect_origin("server.writers", main_file, ":4");

    write_part("kitbagd-b.conf", "[server]\nwriters = 19\n");
    write_part("kitbagd-a.conf", "[server]\nwriters = 18\nname = part\n");
    write_part("kitbagd.conf", "[server]\nlisten = other\n");
    assert_int_equal(load(&err), 0);
    assert_int_equal(config_u64(config, "server.writers"), 19);
    expect_origin("server.writers", parts, "/kitbagd-b.conf:2");
    assert_string_equal(config_text(config, "server.name"), "part");
    assert_string_equal(config_text(config, "server.listen"), "other");

    assert_int_equal(setenv("KITBAG_SERVER_WRITERS", "20", 1), 0);
    assert_int_equal(setenv("KITBAG_JOURNAL_SEGMENT_SIZE", "8k", 1), 0);
    assert_int_equal(load(&err), 0);
    assert_int_equal(config_u64(config, "server.writers"), 20);
    assert_string_equal(config_origin(config, "server.writers"), "KITBAG_SERVER_WRITERS");
    assert_int_equal(config_u64(config, "journal.segment-size"), 8192);

    assert_int_equal(config_set(config, "server.writers", "21", "--writers", &err), 0);
    assert_int_equal(config_u64(config, "server.writers"), 21);
    assert_string_equal(config_origin(config, "server.writers"), "--writers");
    assert_int_equal(err.code, 0);
}

static void only_files_of_the_program_are_read(void **state)
{
    (void)state;
    static const char *const others[] = {"kitbag.conf",      "kitbagd2.conf",   "kitbagd-x.conf~",
                                         "kitbagd.conf.bak", "x-kitbagd.conf",  "kitbagd",
                                         "kitbagctl-a.conf", ".kitbagd-x.conf", "README",
                                         "kitbagd.con",      "kitbagd_x.conf"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        write_part(others[i], "this is no INI\n");
    }
    struct err err = {0};
    assert_int_equal(load(&err), 0);
    write_part("kitbagd-x.conf", "this is no INI\n");
    assert_int_equal(load(&err), E_INVALID);
}

static void an_explicit_file_replaces_the_others(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, folder, "mine");
    tmp_folder_write(main_file, "[server]\nname = main\nwriters = 3\n");
    write_part("kitbagd-a.conf", "[server]\nname = part\n");
    struct err err = {0};
    assert_int_equal(config_load_from(config, folder, "kitbagd", path, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    tmp_folder_write(path, "[server]\nname = mine\n");
    assert_int_equal(setenv("KITBAG_SERVER_WRITERS", "20", 1), 0);
    assert_int_equal(config_load_from(config, folder, "kitbagd", path, &err), 0);
    assert_string_equal(config_text(config, "server.name"), "mine");
    assert_int_equal(config_u64(config, "server.writers"), 20);
    assert_int_equal(config_load(config, "kitbagd", path, &err), 0);
}

static void nothing_there_is_fine(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(config_load_from(config, "/nonexistent", "kitbagd", NULL, &err), 0);
    assert_int_equal(err.code, 0);
}

static void expect_file_error(const char *text, const char *place, const char *words)
{
    tmp_folder_write(main_file, text);
    struct err err = {0};
    assert_int_equal(load(&err), E_INVALID);
    char expected[2 * TMP_FOLDER_MAX];
    (void)snprintf(expected, sizeof expected, "%s%s: %s", main_file, place, words);
    assert_string_equal(err.text, expected);
}

static void a_fault_names_file_and_line(void **state)
{
    (void)state;
    expect_file_error("[server]\n\ncolour = red\n", ":3", "there is no setting 'server.colour'");
    expect_file_error("name = x\n", ":1", "there is no setting 'name'");
    expect_file_error("[server]\nwriters = many\n", ":2",
                      "'server.writers' must be a number, not 'many'");
    expect_file_error("[server]\nwriters =\n", ":2", "'server.writers' must be a number, not ''");
    expect_file_error("[server]\nwriters = 0\n", ":2", "'server.writers' must be at least 1");
    expect_file_error("[server]\nwriters = 101\n", ":2", "'server.writers' must be at most 100");
    expect_file_error("[journal]\nsegment-size = 4095\n", ":2",
                      "'journal.segment-size' must be at least 4096 bytes");
    expect_file_error("[journal]\nkeep = 999ms\n", ":2", "'journal.keep' must be at least 1000 ms");
    expect_file_error("[journal]\nkeep = soon\n", ":2",
                      "'journal.keep' must be a duration such as 30s, not 'soon'");
    expect_file_error("[journal]\nsegment-size = big\n", ":2",
                      "'journal.segment-size' must be a size such as 64M, not 'big'");
    expect_file_error("[journal]\nmirror = maybe\n", ":2",
                      "'journal.mirror' must be yes or no, not 'maybe'");
    expect_file_error("[server]\nname\n", ":2", "neither 'key = value' nor '[section]'");
    expect_file_error("[server\n", ":1", "neither 'key = value' nor '[section]'");
    /* The first fault is the one that is told. */
    expect_file_error("[server]\nname\nwriters = 0\n", ":2",
                      "neither 'key = value' nor '[section]'");
    expect_file_error("[server]\nwriters = 0\nname\n", ":2", "'server.writers' must be at least 1");
}

static void the_same_faults_in_other_places_name_them(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(config_set(config, "server.writers", "x", "--writers", &err), E_INVALID);
    assert_string_equal(err.text, "--writers: 'server.writers' must be a number, not 'x'");
    assert_int_equal(config_set(config, "server.none", "x", "--set", &err), E_INVALID);
    assert_string_equal(err.text, "--set: there is no setting 'server.none'");
    assert_int_equal(setenv("KITBAG_SERVER_WRITERS", "", 1), 0);
    assert_int_equal(load(&err), E_INVALID);
    assert_string_equal(err.text,
                        "KITBAG_SERVER_WRITERS: 'server.writers' must be a number, not ''");
    /* What was refused changed nothing. */
    assert_int_equal(config_u64(config, "server.writers"), 16);
    assert_string_equal(config_origin(config, "server.writers"), "default");
}

static void files_may_be_written_in_many_ways(void **state)
{
    (void)state;
    tmp_folder_write(main_file, "\xef\xbb\xbf; a comment\r\n[server]\r\n  listen=  a b  \r\n"
                                "\tname : x ; more words\r\n"
                                "[journal]\nkeep = 1h\n[server]\nwriters = 5");
    struct err err = {0};
    assert_int_equal(load(&err), 0);
    assert_string_equal(config_text(config, "server.listen"), "a b");
    assert_string_equal(config_text(config, "server.name"), "x");
    assert_int_equal(config_u64(config, "journal.keep"), 3600000);
    assert_int_equal(config_u64(config, "server.writers"), 5);
    expect_origin("server.writers", main_file, ":8");
    tmp_folder_write(main_file, "server.name = dotted\n");
    assert_int_equal(load(&err), 0);
    assert_string_equal(config_text(config, "server.name"), "dotted");
}

/* inih's lines end at 200 bytes; what it would cut must be an error, not another value. */
static void a_line_too_long_is_refused(void **state)
{
    (void)state;
    enum { LINE = 199, HEAD = 7 };
    for (size_t size = LINE - 1; size <= LINE + 1; size++) {
        char text[256] = "[server]\nname = ";
        size_t start = strlen(text);
        memset(text + start, 'v', size - HEAD);
        text[start + size - HEAD] = '\0'; /* no newline: it would count */
        if (size <= LINE) {
            tmp_folder_write(main_file, text);
            struct err err = {0};
            assert_int_equal(load(&err), 0);
            assert_int_equal(strlen(config_text(config, "server.name")), size - HEAD);
        } else {
            expect_file_error(text, ":2", "the line is too long");
        }
    }
}

static void binary_and_huge_files_are_refused(void **state)
{
    (void)state;
    FILE *file = fopen(main_file, "we");
    assert_non_null(file);
    assert_int_equal(fwrite("[server]\nname = a\0b\n", 1, 20, file), 20);
    assert_int_equal(fclose(file), 0);
    struct err err = {0};
    assert_int_equal(load(&err), E_INVALID);
    assert_non_null(strstr(err.text, ":2: the line holds a zero byte"));

    file = fopen(main_file, "we");
    assert_non_null(file);
    for (int i = 0; i < 300 * 1024 / 8; i++) {
        assert_true(fputs("# words\n", file) >= 0);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(load(&err), E_TOO_LARGE);
    assert_non_null(strstr(err.text, main_file));
}

static void values_have_their_forms(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *text;
        uint64_t value; /* 0: refused */
    } rows[] = {{"journal.segment-size", "4096", 4096},
                {"journal.segment-size", "4k", 4096},
                {"journal.segment-size", "4K", 4096},
                {"journal.segment-size", "1G", 1 << 30},
                {"journal.segment-size", "1073741825", 0},
                {"journal.segment-size", "1T", 0},
                {"journal.segment-size", "4KB", 0},
                {"journal.segment-size", "K", 0},
                {"journal.segment-size", "17179869184G", 0}, /* 2^64 */
                {"journal.segment-size", "99999999999999999999", 0},
                {"server.writers", "1", 1},
                {"server.writers", "100", 100},
                {"server.writers", "101", 0},
                {"server.writers", "-1", 0},
                {"server.writers", "1 ", 0},
                {"server.writers", "0x1", 0},
                {"server.writers", "18446744073709551616", 0},
                {"journal.floor", "10", 10},
                {"journal.floor", "9", 0},
                {"journal.floor", "18446744073709551615", UINT64_MAX}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = config_set(config, rows[i].key, rows[i].text, "test", NULL);
        assert_int_equal(rc, rows[i].value != 0 ? 0 : E_INVALID);
        if (rc == 0) {
            assert_true(config_u64(config, rows[i].key) == rows[i].value);
        }
    }
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(config_set(config, "journal.mirror", yes[i], "test", NULL), 0);
        assert_true(config_bool(config, "journal.mirror"));
        assert_int_equal(config_set(config, "journal.mirror", no[i], "test", NULL), 0);
        assert_false(config_bool(config, "journal.mirror"));
    }
}

/* The sample with its comment signs taken away is a file that sets every key to its default. */
static void the_sample_names_all_keys_and_can_be_loaded(void **state)
{
    (void)state;
    struct buf sample;
    buf_init(&sample, 100000);
    config_sample(keys, &sample);
    assert_int_equal(buf_error(&sample), 0);
    char *text = buf_steal(&sample, NULL);
    assert_non_null(text);
    static const char begin[] = "[server]\n# Where clients connect.\n"
                                "#listen = tcp://0.0.0.0:8443\n# The server's name.\n#name =\n";
    assert_memory_equal(text, begin, sizeof begin - 1);
    assert_non_null(strstr(text, "\n\n[journal]\n# The size of a segment.\n#segment-size = 64M\n"));
    for (char *at = text; (at = strchr(at, '#')) != NULL;) {
        *at = at[1] == ' ' ? '#' : ' ';
        at++;
    }
    char *floor_line = strstr(text, " floor =");
    assert_non_null(floor_line);
    floor_line[0] = '#'; /* it has no default, and nothing is no number */
    tmp_folder_write(main_file, text);
    free(text);
    struct err err = {0};
    assert_int_equal(load(&err), 0);
    assert_int_equal(config_u64(config, "journal.segment-size"), 64 << 20);
    expect_origin("server.listen", main_file, ":3");
}

/* Longer lines could not be read back, although they are comments. */
static void long_help_becomes_several_lines(void **state)
{
    (void)state;
    char help[400];
    memset(help, 'x', sizeof help - 1);
    help[sizeof help - 1] = '\0';
    help[97] = ' '; /* 97, then 100 that have no room behind them, then a word of 200 */
    help[198] = ' ';
    const struct config_key one[] = {{"server.name", CONFIG_TEXT, "n", help, 0, 0},
                                     {NULL, CONFIG_TEXT, NULL, NULL, 0, 0}};
    struct buf sample;
    buf_init(&sample, 1000);
    config_sample(one, &sample);
    char *text = buf_steal(&sample, NULL);
    assert_non_null(text);
    size_t sizes[8] = {0};
    size_t lines = 0;
    for (char *at = text; *at != '\0' && lines < 8; at += sizes[lines++] + 1) {
        sizes[lines] = strcspn(at, "\n");
    }
    assert_int_equal(lines, 5);
    assert_int_equal(sizes[1], 2 + 97);
    assert_int_equal(sizes[2], 2 + 100);
    assert_int_equal(sizes[3], 2 + 200);
    assert_non_null(strstr(text, "\n#name = n\n"));
    free(text);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    tmp_folder_write(main_file, "[server]\nname = x\nwriters = 5\n");
    write_part("kitbagd-a.conf", "[journal]\nkeep = 1d\n");
    unsigned nth = 1;
    for (;; nth++) {
        struct config *other = NULL;
        struct err err = {0};
        fail_alloc_at(nth);
        int rc = config_new(&other, keys, &err);
        if (rc == 0) {
            rc = config_load_from(other, folder, "kitbagd", NULL, &err);
        }
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            assert_int_equal(config_u64(other, "server.writers"), 5);
            config_free(&other);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_int_equal(err.code, E_NOMEM);
        config_free(&other);
    }
    assert_true(nth > 15);
}

static void ask_unknown(void *context)
{
    (void)config_text(context, "no.such");
}

static void ask_wrong_type(void *context)
{
    (void)config_text(context, "server.writers");
}

static void ask_text_as_number(void *context)
{
    (void)config_u64(context, "server.name");
}

static void ask_number_as_bool(void *context)
{
    (void)config_bool(context, "server.writers");
}

static void use_bad_default(void *context)
{
    (void)context;
    static const struct config_key bad[] = {{"a.b", CONFIG_NUMBER, "x", "Help.", 0, 0},
                                            {NULL, CONFIG_TEXT, NULL, NULL, 0, 0}};
    struct config *other = NULL;
    if (config_new(&other, bad, NULL) == 0) {
        config_free(&other);
    }
}

static void wrong_questions_are_mistakes(void **state)
{
    (void)state;
    assert_true(died(ask_unknown, config));
    assert_true(died(ask_wrong_type, config));
    assert_true(died(ask_text_as_number, config));
    assert_true(died(ask_number_as_bool, config));
    assert_true(died(use_bad_default, NULL));
}

#define WITH_CONFIG(test) cmocka_unit_test_setup_teardown(test, make_all, remove_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CONFIG(keys_start_at_their_defaults),
        WITH_CONFIG(later_places_win),
        WITH_CONFIG(only_files_of_the_program_are_read),
        WITH_CONFIG(an_explicit_file_replaces_the_others),
        WITH_CONFIG(nothing_there_is_fine),
        WITH_CONFIG(a_fault_names_file_and_line),
        WITH_CONFIG(the_same_faults_in_other_places_name_them),
        WITH_CONFIG(files_may_be_written_in_many_ways),
        WITH_CONFIG(a_line_too_long_is_refused),
        WITH_CONFIG(binary_and_huge_files_are_refused),
        WITH_CONFIG(values_have_their_forms),
        WITH_CONFIG(the_sample_names_all_keys_and_can_be_loaded),
        WITH_CONFIG(long_help_becomes_several_lines),
        WITH_CONFIG(every_allocation_may_fail),
        WITH_CONFIG(wrong_questions_are_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
