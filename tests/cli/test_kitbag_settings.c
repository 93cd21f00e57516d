/* Tests of cli/kitbag_settings.c. */
#include "tests/cli/run_kitbag.h"

#include "cli/kitbag_settings.h"

static const struct option_spec options[] = {{"data", 0, "DIR", ""},
                                             {"socket", 0, "PATH", ""},
                                             {"config", 0, "FILE", ""},
                                             {"mirror", 0, "DIR", ""},
                                             {NULL, 0, NULL, NULL}};

static void flag_beats_environment_beats_file(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    struct config *config = NULL;
    struct invocation inv = {0};
    tmp_folder_path(path, ran.folder, "kitbag.conf");
    tmp_folder_write(path, "[client]\ndata = /from/file\nsocket = /file.sock\n");
    inv.given[0].option = &options[2];
    inv.given[0].value = path;
    inv.given_count = 1;
    assert_int_equal(kitbag_settings(&inv, &config, &err), 0);
    assert_string_equal(config_text(config, "client.data"), "/from/file");
    config_free(&config);
    assert_int_equal(setenv("KITBAG_CLIENT_DATA", "/from/env", 1), 0);
    assert_int_equal(kitbag_settings(&inv, &config, &err), 0);
    assert_string_equal(config_text(config, "client.data"), "/from/env");
    assert_string_equal(config_text(config, "client.socket"), "/file.sock");
    config_free(&config);
    inv.given[1].option = &options[0];
    inv.given[1].value = "/from/flag";
    inv.given_count = 2;
    assert_int_equal(kitbag_settings(&inv, &config, &err), 0);
    assert_string_equal(config_text(config, "client.data"), "/from/flag");
    config_free(&config);
    assert_int_equal(unsetenv("KITBAG_CLIENT_DATA"), 0);
}

static void an_unknown_key_is_told_with_its_line(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    struct config *config = NULL;
    struct invocation inv = {.given_count = 1};
    tmp_folder_path(path, ran.folder, "kitbag.conf");
    tmp_folder_write(path, "[client]\nfolder = /x\n");
    inv.given[0].option = &options[2];
    inv.given[0].value = path;
    assert_true(kitbag_settings(&inv, &config, &err) < 0);
    assert_non_null(strstr(err.text, "kitbag.conf:2"));
    assert_null(config);
}

static void the_policies_of_a_replica_are_settings(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    struct config *config = NULL;
    struct invocation inv = {.given_count = 2};
    tmp_folder_path(path, ran.folder, "kitbag.conf");
    tmp_folder_write(path, "[replica]\nkeep_users = 30\nkeep_unused = 90d\n");
    inv.given[0].option = &options[2];
    inv.given[0].value = path;
    inv.given[1].option = &options[3];
    inv.given[1].value = "/copy";
    assert_int_equal(kitbag_settings(&inv, &config, &err), 0);
    assert_int_equal(config_u64(config, "replica.keep_users"), 30);
    assert_int_equal(config_u64(config, "replica.keep_unused"), 90 * (uint64_t)86400000);
    assert_string_equal(config_text(config, "client.mirror"), "/copy");
    config_free(&config);
}

/* The sample that is shipped is what the table says. */
static void the_sample_is_of_this_table(void **state)
{
    (void)state;
    FILE *file = fopen(KITBAG_SOURCE_DIR "/packaging/kitbag.conf", "re");
    assert_non_null(file);
    static char text[RUN_TEXT_MAX];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    struct buf sample;
    buf_init(&sample, RUN_TEXT_MAX);
    config_sample(kitbag_keys, &sample);
    assert_int_equal(buf_append_u8(&sample, 0), 0);
    if (strcmp(text, (const char *)sample.data) != 0) {
        fail_msg("packaging/kitbag.conf is not what its table makes; it should be:\n%s",
                 (const char *)sample.data);
    }
    buf_free(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KITBAG_TEST(flag_beats_environment_beats_file),
        KITBAG_TEST(an_unknown_key_is_told_with_its_line),
        KITBAG_TEST(the_policies_of_a_replica_are_settings),
        cmocka_unit_test(the_sample_is_of_this_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
