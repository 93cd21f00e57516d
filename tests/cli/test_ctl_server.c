/* Tests of cli/ctl_server.c: which server is meant, and as whom. */
#include "tests/cli/https_server.h"

static struct option_spec specs[] = {{"data", 0, "DIR", ""},
                                     {"server", 0, "URL", ""},
                                     {"token-file", 0, "FILE", ""},
                                     {"fingerprint", 0, "SHA", ""},
                                     {"ca-file", 0, "FILE", ""}};

/* An invocation with these options: pairs of name and value, ended by NULL. */
static struct invocation given(const char *name, ...)
{
    struct invocation invocation = {0};
    va_list pairs;
    va_start(pairs, name);
    for (; name != NULL; name = va_arg(pairs, const char *)) {
        for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
            if (strcmp(specs[i].name, name) == 0) {
                invocation.given[invocation.given_count].option = &specs[i];
            }
        }
        invocation.given[invocation.given_count++].value = va_arg(pairs, const char *);
    }
    va_end(pairs);
    return invocation;
}

static void sign_in(const char *url)
{
    json_t *saved = json_object();
    assert_int_equal(ctl_saved_set(saved, url, "cookie", "c=1"), 0);
    assert_int_equal(ctl_saved_set(saved, url, "csrf", "f"), 0);
    assert_int_equal(ctl_saved_set(saved, url, "name", "ann"), 0);
    assert_int_equal(ctl_saved_set(saved, url, "fingerprint", "AB"), 0);
    assert_int_equal(json_object_set_new(saved, "server", json_string(url)), 0);
    assert_int_equal(ctl_saved_write(saved, NULL), 0);
    json_decref(saved);
}

static void the_folder_is_asked_for_in_order(void **state)
{
    (void)state;
    struct invocation data = given("data", "/here", NULL);
    struct invocation none = {0};
    assert_string_equal(ctl_data_dir(&data), "/here");
    assert_string_equal(ctl_data_dir(&none), "/var/lib/kitbagd");
    assert_int_equal(setenv("KITBAG_SERVER_DATA", "/elsewhere", 1), 0);
    assert_string_equal(ctl_data_dir(&none), "/elsewhere");
    assert_string_equal(ctl_data_dir(&data), "/here");
    assert_int_equal(setenv("KITBAG_SERVER_DATA", "", 1), 0);
    assert_string_equal(ctl_data_dir(&none), "/var/lib/kitbagd");
    assert_int_equal(unsetenv("KITBAG_SERVER_DATA"), 0);
}

static void the_nearest_word_counts(void **state)
{
    (void)state;
    struct ctl_server server;
    struct invocation none = {0};
    struct invocation data = given("data", "/here", NULL);
    struct invocation url = given("server", "b", NULL);
    assert_int_equal(ctl_server_find(&none, &server, NULL), 0);
    assert_true(server.local && !server.named);
    assert_string_equal(server.data_dir, "/var/lib/kitbagd");
    sign_in("https://a:8444");
    assert_int_equal(ctl_server_find(&none, &server, NULL), 0);
    assert_false(server.local);
    assert_string_equal(server.url, "https://a:8444");
    assert_string_equal(server.cookie, "c=1");
    assert_string_equal(server.csrf, "f");
    assert_string_equal(server.pinned, "AB");
    assert_string_equal(server.name, "ann");
    assert_int_equal(setenv("KITBAG_SERVER_DATA", "/elsewhere", 1), 0);
    assert_int_equal(ctl_server_find(&none, &server, NULL), 0);
    assert_true(server.local && server.named);
    assert_int_equal(setenv("KITBAGCTL_SERVER", "c:1", 1), 0);
    assert_int_equal(ctl_server_find(&none, &server, NULL), 0);
    assert_string_equal(server.url, "https://c:1");
    assert_string_equal(server.cookie, "");
    assert_int_equal(ctl_server_find(&url, &server, NULL), 0);
    assert_string_equal(server.url, "https://b:8444");
    assert_int_equal(ctl_server_find(&data, &server, NULL), 0);
    assert_string_equal(server.data_dir, "/here");
    struct invocation both = given("data", "/here", "server", "b", NULL);
    assert_int_equal(ctl_server_find(&both, &server, NULL), E_USAGE);
    assert_int_equal(ctl_server_find_https(&data, &server, NULL), E_USAGE);
    assert_int_equal(unsetenv("KITBAGCTL_SERVER"), 0);
    assert_int_equal(ctl_server_find_https(&none, &server, NULL), 0);
    assert_string_equal(server.url, "https://a:8444");
    assert_int_equal(unsetenv("KITBAG_SERVER_DATA"), 0);
}

static void signing_in_is_at_the_usual_server_at_last(void **state)
{
    (void)state;
    struct ctl_server server;
    struct invocation none = {0};
    assert_int_equal(ctl_server_find_https(&none, &server, NULL), 0);
    assert_string_equal(server.url, "https://localhost:8444");
    assert_string_equal(server.pinned, "");
}

static void a_token_stands_for_the_sign_in(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct ctl_server server;
    struct err err = {0};
    tmp_folder_path(path, ctl.folder, "token");
    tmp_folder_write(path, "kba_abc\r\nmore");
    sign_in("https://a:8444");
    struct invocation token = given("token-file", path, NULL);
    assert_int_equal(ctl_server_find(&token, &server, NULL), 0);
    assert_string_equal(server.token, "kba_abc");
    assert_string_equal(server.cookie, "");
    assert_string_equal(server.pinned, "AB");
    struct invocation local = given("token-file", path, "data", "/here", NULL);
    assert_int_equal(ctl_server_find(&local, &server, &err), E_USAGE);
    assert_non_null(strstr(err.text, "--token-file is for a server by HTTPS"));
    tmp_folder_write(path, "\n");
    assert_int_equal(ctl_server_find(&token, &server, &err), E_USAGE);
    assert_non_null(strstr(err.text, "is no API token"));
    struct invocation nowhere = given("token-file", "/nowhere", NULL);
    assert_int_equal(ctl_server_find(&nowhere, &server, &err), E_NOT_FOUND);
}

static void a_fingerprint_is_taken_alone(void **state)
{
    (void)state;
    struct ctl_server server;
    char digits[65];
    memset(digits, 'a', 64);
    digits[64] = '\0';
    sign_in("https://a:8444");
    struct invocation strict = given("fingerprint", digits, "ca-file", "/ca", NULL);
    assert_int_equal(ctl_server_find(&strict, &server, NULL), 0);
    assert_true(server.only_pinned);
    assert_memory_equal(server.pinned, "AA:AA:", 6);
    assert_string_equal(server.ca_file, "/ca");
    assert_string_equal(server.cookie, "c=1");
    struct invocation bad = given("fingerprint", "x", NULL);
    assert_int_equal(ctl_server_find(&bad, &server, NULL), E_USAGE);
}

static void addresses_are_written_in_one_way(void **state)
{
    (void)state;
    static const struct {
        const char *text, *url, *host;
    } good[] = {
        {"localhost", "https://localhost:8444", "localhost"},
        {"https://Kitbag.Example.org/", "https://kitbag.example.org:8444", "kitbag.example.org"},
        {"h:1", "https://h:1", "h"},
        {"https://[::1]", "https://[::1]:8444", "::1"},
        {"[FE80::1]:65535/", "https://[fe80::1]:65535", "fe80::1"},
        {"10.0.0.9:8444", "https://10.0.0.9:8444", "10.0.0.9"},
    };
    static const char *const bad[] = {"",        "/",    "http://h", "https://", "h:",   "h:0",
                                      "h:65536", "h:1x", "h/path",   "a b",      "[::1", "[]",
                                      "::1",     "u@h",  "h:1:2",    "h?x"};
    char url[CTL_URL_MAX];
    char host[CTL_HOST_MAX];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(ctl_url_parse(good[i].text, url, host, NULL), 0);
        assert_string_equal(url, good[i].url);
        assert_string_equal(host, good[i].host);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {0};
        assert_int_equal(ctl_url_parse(bad[i], url, host, &err), E_USAGE);
        assert_non_null(strstr(err.text, "a server looks like https://HOST:8444"));
    }
    char text[CTL_HOST_MAX + 1];
    memset(text, 'h', sizeof text);
    text[CTL_HOST_MAX - 1] = '\0';
    assert_int_equal(ctl_url_parse(text, url, host, NULL), 0);
    text[CTL_HOST_MAX - 1] = 'h';
    text[CTL_HOST_MAX] = '\0';
    assert_int_equal(ctl_url_parse(text, url, host, NULL), E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(the_folder_is_asked_for_in_order),
        HTTPS_TEST(the_nearest_word_counts),
        HTTPS_TEST(signing_in_is_at_the_usual_server_at_last),
        HTTPS_TEST(a_token_stands_for_the_sign_in),
        HTTPS_TEST(a_fingerprint_is_taken_alone),
        HTTPS_TEST(addresses_are_written_in_one_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
