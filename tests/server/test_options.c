/* The command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/options.h"
#include "tests/support/tmp_folder.h"

static struct options options;
static char words[256];
static struct err err;

/* Splits at spaces. */
static int parse(const char *line)
{
    static char *argv[32];
    int argc = 0;
    char *rest = NULL;
    (void)snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    err = (struct err){0};
    return options_parse(&options, argc, argv, &err);
}

static void verbs(void **state)
{
    (void)state;
    assert_int_equal(parse("kitbagd"), 0);
    assert_int_equal(options.verb, VERB_SERVE);
    assert_int_equal(parse("kitbagd token"), 0);
    assert_int_equal(options.verb, VERB_TOKEN);
    assert_int_equal(options.count, 1);
    assert_int_equal(options.expires_ms, 3600000);
    assert_int_equal(parse("kitbagd --data d token --count 7 --expires 30m"), 0);
    assert_int_equal(options.verb, VERB_TOKEN);
    assert_int_equal(options.count, 7);
    assert_int_equal(options.expires_ms, 1800000);
    assert_int_equal(parse("kitbagd token --data=d"), 0);
    assert_string_equal(options.flags[0].key, "server.data");
    assert_string_equal(options.flags[0].value, "d");
    assert_int_equal(parse("kitbagd restore b --data d"), 0);
    assert_int_equal(options.verb, VERB_RESTORE);
    assert_string_equal(options.backup, "b");
    assert_int_equal(parse("kitbagd -o json verify b"), 0);
    assert_int_equal(options.verb, VERB_VERIFY);
    assert_true(options.json);
    assert_int_equal(parse("kitbagd restore --help"), 0);
    assert_int_equal(options.verb, VERB_HELP);
    assert_int_equal(parse("kitbagd restore"), E_USAGE);
    assert_non_null(strstr(err.text, "the folder of a backup"));
    assert_int_equal(parse("kitbagd verify a b"), E_USAGE);
    assert_int_equal(parse("kitbagd token b"), E_USAGE);
    assert_int_equal(parse("kitbagd --help"), 0);
    assert_int_equal(options.verb, VERB_HELP);
    assert_int_equal(parse("kitbagd --version"), 0);
    assert_int_equal(options.verb, VERB_VERSION);
    assert_int_equal(parse("kitbagd --check-config"), 0);
    assert_int_equal(options.verb, VERB_CHECK_CONFIG);
    assert_int_equal(parse("kitbagd --show-config"), 0);
    assert_int_equal(options.verb, VERB_SHOW_CONFIG);
    assert_false(options.json);
    assert_int_equal(parse("kitbagd -o json --show-config"), 0);
    assert_true(options.json);
    assert_int_equal(parse("kitbagd --show-config --output text"), 0);
    assert_false(options.json);
    assert_int_equal(parse("kitbagd --show-config -o table"), E_USAGE);
    assert_int_equal(parse("kitbagd --sample-config"), 0);
    assert_int_equal(options.verb, VERB_SAMPLE_CONFIG);
    assert_int_equal(parse("kitbagd --console 0:1 --admin-password-file f"), 0);
    assert_string_equal(options.admin_password_file, "f");
}

static void usage_errors_name_the_word(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"kitbagd --odd", "--odd"},
        {"kitbagd --data", "--data"},
        {"kitbagd serve", "serve"},
        {"kitbagd token token", "token"},
        {"kitbagd token --count 0", "'0'"},
        {"kitbagd token --count 10001", "10001"},
        {"kitbagd token --count -1", "-1"},
        {"kitbagd token --count 3x", "3x"},
        {"kitbagd token --expires soon", "soon"},
        {"kitbagd token --expires 0", "'0'"},
        {"kitbagd --set stream.heartbeat", "stream.heartbeat"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i][0]), E_USAGE);
        if (strstr(err.text, bad[i][1]) == NULL) {
            fail_msg("'%s' lacks '%s'", err.text, bad[i][1]);
        }
    }
}

static void too_many(void **state)
{
    (void)state;
    char *argv[80];
    argv[0] = (char *)"kitbagd";
    for (int i = 1; i < 80; i++) {
        argv[i] = (char *)"--data=d";
    }
    assert_int_equal(options_parse(&options, 80, argv, &err), E_USAGE);
    static char address[2700] = "--advertise=";
    memset(address + strlen(address), 'a', 1400);
    for (int i = 1; i < 80; i++) {
        argv[i] = address;
    }
    assert_int_equal(options_parse(&options, 80, argv, &err), E_USAGE);
}

static void flags_go_over_the_file(void **state)
{
    (void)state;
    char folder[TMP_FOLDER_MAX];
    char file[TMP_FOLDER_MAX];
    tmp_folder_make(folder);
    tmp_folder_path(file, folder, "x.conf");
    tmp_folder_write(file, "[server]\ndata = from-file\nlog_level = debug\n");
    char line[TMP_FOLDER_MAX + 200];
    char *argv[] = {(char *)"kitbagd",   (char *)"--config",    file,        (char *)"--data",
                    (char *)"from-flag", (char *)"--advertise", (char *)"a", (char *)"--advertise",
                    (char *)"b:1",       (char *)"--set",       line,        NULL};
    (void)snprintf(line, sizeof line, "stream.heartbeat=5s");
    assert_int_equal(options_parse(&options, 11, argv, &err), 0);
    struct config *config = NULL;
    assert_int_equal(options_config(&options, &config, &err), 0);
    assert_string_equal(config_text(config, "server.data"), "from-flag");
    assert_string_equal(config_origin(config, "server.data"), "--data");
    assert_string_equal(config_text(config, "server.log_level"), "debug");
    assert_string_equal(config_text(config, "server.advertise"), "a,b:1");
    assert_int_equal(config_u64(config, "stream.heartbeat"), 5000);
    config_free(&config);
    (void)snprintf(line, sizeof line, "no.such=1");
    assert_int_equal(options_parse(&options, 11, argv, &err), 0);
    assert_int_not_equal(options_config(&options, &config, &err), 0);
    assert_null(config);
    tmp_folder_remove(folder);
}

static void the_help_names_every_option(void **state)
{
    (void)state;
    static const char *const all[] = {
        "--data",          "--listen",       "--advertise",   "--config",
        "--set",           "--console",      "--expires",     "--admin-password-file",
        "--count",         "--check-config", "--help",        "--version",
        "--sample-config", "--log-level",    "--show-config", "--output"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_non_null(strstr(options_help, all[i]));
    }
    assert_non_null(strstr(options_help, "Examples:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs),
        cmocka_unit_test(usage_errors_name_the_word),
        cmocka_unit_test(too_many),
        cmocka_unit_test(flags_go_over_the_file),
        cmocka_unit_test(the_help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
