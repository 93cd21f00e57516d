/* Tests of cli/ctl_trust.c: which certificates are taken, before anything is sent. */
#include "tests/cli/https_server.h"

static const char *const ok[] = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", NULL};

/* One request to the server; what libcurl says. */
static CURLcode ask(struct ctl_trust *trust, const char *ca_file)
{
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    assert_int_equal(curl_easy_setopt(curl, CURLOPT_URL, https.url), CURLE_OK);
    assert_int_equal(curl_easy_setopt(curl, CURLOPT_PROXY, ""), CURLE_OK);
    assert_int_equal(curl_easy_setopt(curl, CURLOPT_NOBODY, 1L), CURLE_OK);
    assert_int_equal(curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 10000L), CURLE_OK);
    if (ca_file != NULL) {
        assert_int_equal(curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file), CURLE_OK);
    }
    assert_true(ctl_trust_set(curl, trust));
    CURLcode code = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    return code;
}

static void expect(struct ctl_trust trust, const char *ca_file, enum ctl_trust_verdict verdict)
{
    CURLcode code = ask(&trust, ca_file);
    bool taken = verdict == CTL_TRUST_PINNED || verdict == CTL_TRUST_VOUCHED;
    https_stop();
    assert_int_equal(trust.verdict, verdict);
    assert_string_equal(trust.seen, https.fingerprint);
    assert_int_equal(code == CURLE_OK, taken);
    assert_int_equal(https.requests[0] != '\0', taken); /* not a byte to another server */
}

static const char other[] = "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:"
                            "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00";

static void one_that_nobody_knows_is_refused(void **state)
{
    (void)state;
    https_start("IP:127.0.0.1", false, ok);
    expect((struct ctl_trust){.host = "127.0.0.1", .pinned = ""}, NULL, CTL_TRUST_UNKNOWN);
    https_start("IP:127.0.0.1", true, ok); /* of an authority, but none that is known here */
    expect((struct ctl_trust){.host = "127.0.0.1", .pinned = ""}, NULL, CTL_TRUST_UNKNOWN);
}

static void the_pinned_one_is_taken_whatever_its_name(void **state)
{
    (void)state;
    https_start("DNS:elsewhere", false, ok);
    expect((struct ctl_trust){.host = "127.0.0.1", .pinned = https.fingerprint}, NULL,
           CTL_TRUST_PINNED);
    https_start("DNS:elsewhere", false, ok);
    expect(
        (struct ctl_trust){.host = "127.0.0.1", .pinned = https.fingerprint, .only_pinned = true},
        NULL, CTL_TRUST_PINNED);
}

static void another_than_the_pinned_one_is_refused(void **state)
{
    (void)state;
    https_start("IP:127.0.0.1", false, ok);
    expect((struct ctl_trust){.host = "127.0.0.1", .pinned = other}, NULL, CTL_TRUST_CHANGED);
}

static void an_authority_vouches_for_name_and_address(void **state)
{
    (void)state;
    https_start("IP:127.0.0.1", true, ok);
    expect((struct ctl_trust){.host = "127.0.0.1", .pinned = ""}, https.ca_file, CTL_TRUST_VOUCHED);
    https_start("DNS:kitbag.example.org", true, ok);
    expect((struct ctl_trust){.host = "kitbag.example.org", .pinned = ""}, https.ca_file,
           CTL_TRUST_VOUCHED);
    https_start("DNS:kitbag.example.org", true, ok);
    expect((struct ctl_trust){.host = "127.0.0.1", .pinned = ""}, https.ca_file, CTL_TRUST_UNKNOWN);
}

static void an_authority_helps_unless_one_alone_is_taken(void **state)
{
    (void)state;
    https_start("IP:127.0.0.1", true, ok);
    expect((struct ctl_trust){.host = "127.0.0.1", .pinned = other}, https.ca_file,
           CTL_TRUST_VOUCHED);
    https_start("IP:127.0.0.1", true, ok);
    expect((struct ctl_trust){.host = "127.0.0.1", .pinned = other, .only_pinned = true},
           https.ca_file, CTL_TRUST_CHANGED);
}

static void fingerprints_are_read_as_they_are_written(void **state)
{
    (void)state;
    char out[CTL_FINGERPRINT_MAX];
    char typed[200] = "";
    struct err err = {0};
    for (int i = 0; i < 32; i++) {
        memcpy(typed + strlen(typed), "aB", 3);
    }
    assert_int_equal(ctl_fingerprint_parse(typed, out, NULL), 0);
    assert_int_equal(strlen(out), 95);
    assert_memory_equal(out, "AB:AB:", 6);
    char again[CTL_FINGERPRINT_MAX];
    assert_int_equal(ctl_fingerprint_parse(out, again, NULL), 0);
    assert_string_equal(out, again);
    typed[63] = '\0';
    assert_int_equal(ctl_fingerprint_parse(typed, out, &err), E_USAGE);
    assert_non_null(strstr(err.text, "--fingerprint takes the SHA-256"));
    memcpy(typed + 63, "Bc", 3);
    const char *const bad[] = {typed, "", ":", "AB:", "xy", "AB::CD"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ctl_fingerprint_parse(bad[i], out, NULL), E_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(one_that_nobody_knows_is_refused),
        HTTPS_TEST(the_pinned_one_is_taken_whatever_its_name),
        HTTPS_TEST(another_than_the_pinned_one_is_refused),
        HTTPS_TEST(an_authority_vouches_for_name_and_address),
        HTTPS_TEST(an_authority_helps_unless_one_alone_is_taken),
        HTTPS_TEST(fingerprints_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
