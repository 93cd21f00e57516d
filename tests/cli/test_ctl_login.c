/* Tests of cli/ctl_login.c: a session begins, is kept, and ends, at the right server alone. */
#include "tests/cli/https_server.h"

#define SESSION                                                                                    \
    "HTTP/1.1 200 OK\r\nSet-Cookie: __Host-kitbag=abc; Path=/; HttpOnly; Secure\r\n"               \
    "Connection: close\r\n\r\n"                                                                    \
    "{\"name\":\"ann\",\"role\":\"operator\",\"csrf\":\"f00\",\"expires_at\":\"T\",\"must_"        \
    "change\":"
#define EMPTY "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}"

static const char *password_file(void)
{
    static char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, ctl.folder, "password");
    tmp_folder_write(path, "open sesame\n");
    return path;
}

static const char *saved_text(const char *member)
{
    static char text[256];
    json_t *saved = NULL;
    assert_int_equal(ctl_saved_read(&saved, NULL), 0);
    (void)snprintf(text, sizeof text, "%s", ctl_saved_text(saved, https.url, member));
    json_decref(saved);
    return text;
}

static int sign_in(void)
{
    return run_ctl_bare("login", "ann", "--server", https.url, "--fingerprint", https.fingerprint,
                        "--password-file", password_file(), NULL);
}

static void a_session_begins_and_is_kept(void **state)
{
    (void)state;
    static const char *const answers[] = {SESSION "false}", EMPTY, EMPTY, NULL};
    https_start("IP:127.0.0.1", false, answers);
    assert_int_equal(sign_in(), 0);
    assert_printed("Signed in as: ann\n");
    assert_null(strstr(ctl.out, "f00"));
    assert_string_equal(saved_text("cookie"), "__Host-kitbag=abc");
    assert_string_equal(saved_text("csrf"), "f00");
    assert_string_equal(saved_text("fingerprint"), https.fingerprint);
    assert_int_equal(run_ctl_bare("fence", "ls", "-o", "json", NULL), 0);
    assert_int_equal(run_ctl_bare("logout", NULL), 0);
    assert_said("signed out at https://127.0.0.1");
    https_stop();
    assert_https_asked("POST /api/v1/session HTTP");
    assert_https_asked("{\"name\":\"ann\",\"password\":\"open sesame\"}");
    assert_https_asked("DELETE /api/v1/session HTTP");
    assert_https_asked("\r\nCookie: __Host-kitbag=abc\r\nX-CSRF-Token: f00\r\n");
    assert_string_equal(saved_text("cookie"), "");
    assert_string_equal(saved_text("fingerprint"), https.fingerprint);
    assert_int_equal(run_ctl_bare("logout", NULL), 3);
    assert_said("nobody is signed in at https://127.0.0.1");
}

static void a_password_that_others_know_is_told(void **state)
{
    (void)state;
    static const char *const answers[] = {SESSION "true}", NULL};
    https_start("IP:127.0.0.1", false, answers);
    assert_int_equal(sign_in(), 0);
    https_stop();
    assert_said("kitbagctl account passwd");
}

static void an_unknown_certificate_is_not_trusted_by_itself(void **state)
{
    (void)state;
    static const char *const answers[] = {SESSION "false}", NULL};
    https_start("IP:127.0.0.1", false, answers);
    assert_int_equal(run_ctl_bare("login", "--server", https.url, "--yes", "--password-file",
                                  password_file(), NULL),
                     5);
    https_stop();
    assert_said("there is nobody to compare it: give --fingerprint");
    assert_string_equal(https.requests, "");
    assert_string_equal(saved_text("fingerprint"), "");
    assert_int_equal(run_ctl_bare("login", "--dry-run", NULL), 2);
    assert_said("'login' has no dry run: nothing was done");
}

static void a_changed_certificate_gets_no_password(void **state)
{
    (void)state;
    static const char *const answers[] = {SESSION "false}", NULL};
    https_start("IP:127.0.0.1", false, answers);
    assert_int_equal(sign_in(), 0);
    https_stop();
    https_start("IP:127.0.0.1", false, answers); /* the same port, another certificate */
    assert_int_equal(run_ctl_bare("fence", "ls", NULL), 5);
    assert_said("shows another certificate than at the sign-in; nothing was sent to it");
    assert_said("kitbagctl login");
    assert_int_equal(run_ctl_bare("login", "--password-file", password_file(), NULL), 5);
    assert_int_equal(
        run_ctl_bare("login", "--fingerprint",
                     "0000000000000000000000000000000000000000000000000000000000000000",
                     "--password-file", password_file(), NULL),
        5);
    assert_said("is not the one of --fingerprint but ");
    assert_string_equal(https.requests, "");
    assert_int_equal(sign_in(), 0); /* whoever compared it may go on */
    https_stop();
}

static void one_of_an_authority_is_not_pinned(void **state)
{
    (void)state;
    static const char *const answers[] = {SESSION "false}", EMPTY, NULL};
    https_start("IP:127.0.0.1", true, answers);
    assert_int_equal(run_ctl_bare("login", "--server", https.url, "--ca-file", https.ca_file,
                                  "--password-file", password_file(), NULL),
                     0);
    assert_string_equal(saved_text("fingerprint"), "");
    assert_string_equal(saved_text("ca_file"), https.ca_file);
    assert_int_equal(run_ctl_bare("fence", "ls", "-o", "json", NULL), 0); /* it is known now */
    https_stop();
    assert_https_asked("{\"name\":\"admin\",");
}

static void a_refused_password_leaves_nothing(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 401 No\r\nConnection: close\r\n\r\n"
        "{\"code\":\"bad_credentials\",\"detail\":\"the name or the password is wrong\"}",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"name\":\"ann\",\"csrf\":\"x\"}", NULL};
    https_start("IP:127.0.0.1", false, answers);
    assert_int_equal(sign_in(), 5);
    assert_said("the name or the password is wrong");
    assert_int_equal(sign_in(), 1);
    assert_said("but not as a server of Kitbag does");
    https_stop();
    assert_string_equal(saved_text("cookie"), "");
}

static void signing_out_is_done_here_at_least(void **state)
{
    (void)state;
    static const char *const answers[] = {SESSION "false}", NULL};
    https_start("IP:127.0.0.1", false, answers);
    assert_int_equal(sign_in(), 0);
    https_stop();
    assert_int_equal(run_ctl_bare("logout", NULL), 6);
    assert_said("signed out here, but the server was not told");
    assert_string_equal(saved_text("cookie"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(a_session_begins_and_is_kept),
        HTTPS_TEST(a_password_that_others_know_is_told),
        HTTPS_TEST(an_unknown_certificate_is_not_trusted_by_itself),
        HTTPS_TEST(a_changed_certificate_gets_no_password),
        HTTPS_TEST(one_of_an_authority_is_not_pinned),
        HTTPS_TEST(a_refused_password_leaves_nothing),
        HTTPS_TEST(signing_out_is_done_here_at_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
