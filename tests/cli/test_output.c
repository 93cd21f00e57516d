/* tests/cli/test_output.c - tables, JSON, bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"

static const struct output_column columns[] = {{"name", "NAME", false},
                                               {"items", "ITEMS", true},
                                               {"here", "HERE", false},
                                               {NULL, NULL, false}};

enum form { ROWS, OBJECT, ROW };

static void print(enum form form, enum output_format format, json_t *value, char *out, size_t size)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    (void)fflush(stdout);
    int saved = dup(1);
    assert_int_equal(dup2(fds[1], 1), 1);
    if (form == ROWS) {
        output_rows(format, columns, value);
    } else if (form == OBJECT) {
        output_object(format, columns, value);
    } else {
        output_row(format, columns, value);
    }
    (void)fflush(stdout);
    assert_int_equal(dup2(saved, 1), 1);
    (void)close(saved);
    (void)close(fds[1]);
    ssize_t got = read(fds[0], out, size - 1);
    (void)close(fds[0]);
    out[got > 0 ? got : 0] = '\0';
}

static void a_table_is_aligned_by_width(void **state)
{
    (void)state;
    char out[1024];
    json_t *rows = json_pack("[{s:s,s:i,s:b},{s:s,s:i,s:b}]", "name", "あや", "items", 5, "here", 1,
                             "name", "Bo\x1b[2J", "items", 1200, "here", 0);
    print(ROWS, OUTPUT_TABLE, rows, out, sizeof out);
    assert_string_equal(out, "NAME    ITEMS  HERE\n"
                             "あや        5  yes\n"
                             "Bo?[2J   1200  no\n");
    print(ROWS, OUTPUT_NDJSON, rows, out, sizeof out);
    assert_string_equal(out, "{\"name\":\"あや\",\"items\":5,\"here\":true}\n"
                             "{\"name\":\"Bo\\u001B[2J\",\"items\":1200,\"here\":false}\n");
    json_decref(rows);
}

static void no_rows_are_no_output(void **state)
{
    (void)state;
    char out[64];
    json_t *rows = json_array();
    print(ROWS, OUTPUT_TABLE, rows, out, sizeof out);
    assert_string_equal(out, "");
    print(ROWS, OUTPUT_JSON, rows, out, sizeof out);
    assert_string_equal(out, "[]\n");
    json_decref(rows);
}

static void an_object_is_told_line_by_line(void **state)
{
    (void)state;
    char out[256];
    json_t *object = json_pack("{s:s,s:i,s:s}", "name", "zoe", "items", 3, "here", "");
    print(OBJECT, OUTPUT_TABLE, object, out, sizeof out);
    assert_string_equal(out, "NAME:  zoe\nITEMS: 3\n");
    print(ROW, OUTPUT_TABLE, object, out, sizeof out);
    assert_string_equal(out, "zoe  3\n");
    json_decref(object);
}

static void bytes_are_text_or_base64(void **state)
{
    (void)state;
    json_t *object = json_object();
    output_set_bytes(object, "value", "Zoë", 4);
    assert_string_equal(json_string_value(json_object_get(object, "value")), "Zoë");
    output_set_bytes(object, "raw", "\xff\x00", 2);
    assert_null(json_object_get(object, "raw"));
    assert_string_equal(json_string_value(json_object_get(object, "raw_base64")), "/wA=");
    output_set_bytes(object, "nul", "a\0b", 3);
    assert_null(json_object_get(object, "nul"));
    assert_string_equal(json_string_value(json_object_get(object, "nul_base64")), "YQBi");
    output_set_bytes(object, "none", NULL, 0);
    assert_string_equal(json_string_value(json_object_get(object, "none")), "");
    json_decref(object);
    json_t *seq = output_seq(18446744073709551615ULL);
    assert_string_equal(json_string_value(seq), "18446744073709551615");
    json_decref(seq);
}

static void formats_are_named(void **state)
{
    (void)state;
    static const struct option_spec option = {"output", 'o', "FORMAT", ""};
    struct invocation inv = {0};
    struct err err = {0};
    enum output_format format;
    assert_int_equal(output_format(&inv, &format, &err), 0);
    assert_int_equal(format, OUTPUT_TABLE);
    inv.given_count = 1;
    inv.given[0].option = &option;
    const char *names[] = {"table", "json", "ndjson"};
    for (unsigned i = 0; i < 3; i++) {
        inv.given[0].value = names[i];
        assert_int_equal(output_format(&inv, &format, &err), 0);
        assert_int_equal(format, i);
    }
    inv.given[0].value = "xml";
    assert_int_equal(output_format(&inv, &format, &err), E_USAGE);
    assert_non_null(strstr(err.text, "'xml'"));
}

static void words_of_others_are_made_harmless(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"a\x1b[2J\tb\x7f", "a?[2J?b?"},
                                          {"a\xc2\x9b"
                                           "2Jb",
                                           "a?2Jb"},
                                          {"a\xe2\x80\xae"
                                           "b\xe2\x81\xa7",
                                           "a?b?"},
                                          {"\xe3\x81\x82\xc3\xa9", "\xe3\x81\x82\xc3\xa9"},
                                          {"a\x9b"
                                           "b\xe3",
                                           "a?b\xe3"},
                                          {"", ""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s", rows[i][0]);
        output_clean(text);
        assert_string_equal(text, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_others_are_made_harmless),
        cmocka_unit_test(a_table_is_aligned_by_width),
        cmocka_unit_test(no_rows_are_no_output),
        cmocka_unit_test(an_object_is_told_line_by_line),
        cmocka_unit_test(bytes_are_text_or_base64),
        cmocka_unit_test(formats_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
