/* Settings: defaults are valid, bad values are named, the sample file is the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "server/settings.h"

static struct config *config;
static struct settings settings;

static int setup(void **state)
{
    (void)state;
    return config_new(&config, settings_keys, NULL);
}

static int teardown(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(settings_read(&settings, config, NULL), 0);
    assert_string_equal(settings.data_dir, "/var/lib/kitbagd");
    assert_string_equal(settings.listen[0], "tcp://0.0.0.0:8443");
    assert_null(settings.listen[1]);
    assert_int_equal(settings.advertise_count, 0);
    assert_int_equal(settings.log_level, LOG_INFO);
    assert_int_equal(settings.segment_bytes, 64 << 20);
    assert_int_equal(settings.heartbeat_ms, 2000);
    assert_int_equal(settings.flush_interval_ms, 60000);
    assert_int_equal(settings.flush_changes, 200000);
    assert_int_equal(settings.scrub_ms, 86400000);
    assert_true(settings.retention.journal_keep_ms == UINT64_C(90) * 86400000);
    assert_int_equal(settings.retention.journal_max_bytes, 0);
    assert_true(settings.retention.tombstones_keep_ms == UINT64_C(30) * 86400000);
    assert_int_equal(settings.retention.undo_keep_ms, 7 * 86400000);
    assert_true(settings.retention.devices_active_ms == UINT64_C(90) * 86400000);
    assert_int_equal(settings.limits.items_per_bag, 20000);
    assert_int_equal(settings.limits.bytes_per_bag, 64 << 20);
    assert_false(settings.limits.groups_managed);
    assert_false(settings.busy_poll);
    assert_string_equal(settings.console.listen, "0.0.0.0:8444");
    assert_string_equal(settings.console.certificate, "");
    assert_string_equal(settings.console.key, "");
    assert_int_equal(settings.console.session_idle_ms, 30 * 60000);
    assert_int_equal(settings.console.session_max_ms, 12 * 3600000);
    assert_int_equal(settings.console.connections, 1024);
    assert_int_equal(settings.console.connections_per_address, 64);
}

/* A certificate and its key are given together. */
static void the_console(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(config_set(config, "server.console", "none", "t", NULL), 0);
    assert_int_equal(config_set(config, "console.key", "/k", "t", NULL), 0);
    assert_int_equal(settings_read(&settings, config, &err), E_INVALID);
    assert_non_null(strstr(err.text, "console.certificate"));
    assert_int_equal(config_set(config, "console.certificate", "/c", "t", NULL), 0);
    assert_int_equal(settings_read(&settings, config, NULL), 0);
    assert_string_equal(settings.console.listen, "none");
    assert_string_equal(settings.console.certificate, "/c");
    assert_int_equal(config_set(config, "server.console", "8444", "--console", NULL), 0);
    assert_int_equal(settings_read(&settings, config, &err), E_INVALID);
    assert_string_equal(err.text,
                        "server.console = '8444' (--console): it looks like 0.0.0.0:8444 or "
                        "[::]:8444, several with commas; or it is none");
}

static void lists_with_commas(void **state)
{
    (void)state;
    assert_int_equal(config_set(config, "server.listen",
                                " tcp://127.0.0.1:1 ,tcp://[::1]:2,, tcp://h:3", "t", NULL),
                     0);
    assert_int_equal(config_set(config, "server.advertise", "a.example, b.example:99 ", "t", NULL),
                     0);
    assert_int_equal(settings_read(&settings, config, NULL), 0);
    assert_string_equal(settings.listen[0], "tcp://127.0.0.1:1");
    assert_string_equal(settings.listen[1], "tcp://[::1]:2");
    assert_string_equal(settings.listen[2], "tcp://h:3");
    assert_null(settings.listen[3]);
    assert_int_equal(settings.advertise_count, 2);
    assert_string_equal(settings.advertise[1], "b.example:99");
}

static void bad_values_are_named(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"server.data", ""},
        {"server.listen", ""},
        {"server.listen", "0.0.0.0:8443"},
        {"server.listen", "tcp://nowhere"},
        {"server.listen", "tcp://a:"},
        {"server.listen", "tcp://a:x"},
        {"server.listen", "tcp://a:65536"},
        {"server.listen", "tcp://a:-1"},
        {"server.listen", "tcp://a:000001"},
        {"server.listen", "tcp://a:1,tcp://a:1,tcp://a:1,tcp://a:1,tcp://a:1,tcp://a:1,"
                          "tcp://a:1,tcp://a:1,tcp://a:1"},
        {"server.advertise", "a,b,c,d,e,f,g,h,i"},
        {"server.advertise", "tcp://x:y:z"},
        {"server.log_level", "loud"},
        {"groups.mode", "closed"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        config_free(&config);
        assert_int_equal(config_new(&config, settings_keys, NULL), 0);
        assert_int_equal(config_set(config, bad[i][0], bad[i][1], "--flag", NULL), 0);
        struct err err = {0};
        assert_int_equal(settings_read(&settings, config, &err), E_INVALID);
        assert_non_null(strstr(err.text, bad[i][0]));
        assert_non_null(strstr(err.text, "--flag"));
    }
}

static void ports(void **state)
{
    (void)state;
    static const char *const good[] = {"tcp://a:0", "tcp://a:65535", "tcp://[::1]:*"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(config_set(config, "server.listen", good[i], "--flag", NULL), 0);
        assert_int_equal(settings_read(&settings, config, NULL), 0);
        assert_string_equal(settings.listen[0], good[i]);
    }
}

static void words_are_understood(void **state)
{
    (void)state;
    assert_int_equal(config_set(config, "groups.mode", "managed", "t", NULL), 0);
    assert_int_equal(config_set(config, "server.log_level", "debug", "t", NULL), 0);
    assert_int_equal(config_set(config, "stream.busy_poll", "yes", "t", NULL), 0);
    assert_int_equal(settings_read(&settings, config, NULL), 0);
    assert_true(settings.limits.groups_managed);
    assert_int_equal(settings.log_level, LOG_DEBUG);
    assert_true(settings.busy_poll);
}

/* `kitbagd --sample-config > packaging/kitbagd.conf` makes it. */
static void the_sample_file_is_up_to_date(void **state)
{
    (void)state;
    struct buf sample;
    struct buf file;
    buf_init(&sample, 1 << 20);
    buf_init(&file, 1 << 20);
    config_sample(settings_keys, &sample);
    assert_int_equal(buf_error(&sample), 0);
    assert_int_equal(file_read(KITBAG_SOURCE_DIR "/packaging/kitbagd.conf", &file, NULL), 0);
    assert_true(span_equal(buf_span(&sample), buf_span(&file)));
    buf_free(&sample);
    buf_free(&file);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults),
        TEST(the_console),
        TEST(lists_with_commas),
        TEST(bad_values_are_named),
        TEST(ports),
        TEST(words_are_understood),
        TEST(the_sample_file_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
