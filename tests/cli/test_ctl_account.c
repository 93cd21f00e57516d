/* Tests of cli/ctl_account.c: accounts, their roles, their passwords. */
#include "tests/cli/https_server.h"

#define ACCOUNT(more)                                                                              \
    "{\"name\":\"ann\",\"role\":\"operator\",\"locked\":false,\"must_change\":true,"               \
    "\"last_sign_in\":null,\"created_at\":\"T\",\"seq\":\"9\"" more "}"

static const char *password_file(const char *name, const char *text)
{
    static char paths[2][TMP_FOLDER_MAX];
    static int turn;
    char *path = paths[turn++ % 2];
    tmp_folder_path(path, ctl.folder, name);
    tmp_folder_write(path, text);
    return path;
}

static void accounts_are_listed(void **state)
{
    (void)state;
    ctl_answers("{\"accounts\":[" ACCOUNT("") "]}", NULL);
    assert_int_equal(run_ctl("account", "ls", NULL), 0);
    assert_string_equal(ctl.out,
                        "NAME  ROLE      LAST SIGN-IN  LOCKED  HAS TO CHANGE PASSWORD  SINCE\n"
                        "ann   operator                no      yes                     T\n");
}

static void a_made_up_password_is_the_only_output(void **state)
{
    (void)state;
    ctl_answers("201 " ACCOUNT(",\"password\":\"abcde-fghij\""), "201 " ACCOUNT(""), NULL);
    assert_int_equal(run_ctl("account", "add", "ann", "--role", "operator", NULL), 0);
    assert_string_equal(ctl.out, "abcde-fghij\n");
    assert_said("account ann, role operator; its password, shown this once:");
    assert_asked("{\"name\":\"ann\",\"role\":\"operator\"}");
    assert_int_equal(run_ctl("account", "add", "ann", "--role", "operator", "--password-file",
                             password_file("new", "open sesame\n"), NULL),
                     0);
    assert_string_equal(ctl.out, "");
    assert_asked("\"password\":\"open sesame\"}");
    assert_int_equal(run_ctl("account", "add", "ann", NULL), 2);
    assert_said("say what the account may do: --role");
    assert_int_equal(run_ctl("account", "add", "ann", "--role", "viewer", "--dry-run", NULL), 2);
}

static void roles_and_locks_are_changed(void **state)
{
    (void)state;
    ctl_answers(ACCOUNT(""), ACCOUNT(""), NULL);
    assert_int_equal(run_ctl("account", "role", "ann b", "operator", NULL), 0);
    assert_asked("PATCH /api/v1/accounts/ann%20b HTTP");
    assert_asked("{\"role\":\"operator\"}");
    assert_printed("Has to change the password: yes\n");
    assert_int_equal(run_ctl("account", "unlock", "ann", "-o", "json", NULL), 0);
    assert_asked("{\"unlock\":true}");
    assert_int_equal(run_ctl("account", "unlock", "ann", "--dry-run", NULL), 2);
}

static void a_lost_password_is_replaced_at_the_server(void **state)
{
    (void)state;
    ctl_answers(ACCOUNT(""), NULL);
    assert_int_equal(run_ctl("account", "passwd", "ann", "--password-file",
                             password_file("new", "open sesame"), NULL),
                     0);
    assert_string_equal(ctl.out, "");
    assert_said("the password of ann was changed; its sessions have ended");
    assert_asked("PATCH /api/v1/accounts/ann HTTP");
    assert_asked("{\"password\":\"open sesame\"}");
    assert_int_equal(run_ctl("account", "passwd", NULL), 2);
    assert_said("say whose password, 'account passwd NAME'");
    assert_int_equal(run_ctl("account", "passwd", "ann", "--dry-run", NULL), 2);
}

static void the_own_password_needs_the_old_one(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nSet-Cookie: __Host-kitbag=new; Path=/\r\nConnection: close\r\n\r\n"
        "{\"name\":\"ann\",\"csrf\":\"f2\"}",
        NULL};
    https_start("IP:127.0.0.1", false, answers);
    json_t *saved = json_object();
    assert_int_equal(ctl_saved_set(saved, https.url, "fingerprint", https.fingerprint), 0);
    assert_int_equal(ctl_saved_set(saved, https.url, "cookie", "__Host-kitbag=old"), 0);
    assert_int_equal(ctl_saved_set(saved, https.url, "csrf", "f1"), 0);
    assert_int_equal(ctl_saved_set(saved, https.url, "name", "ann"), 0);
    assert_int_equal(json_object_set_new(saved, "server", json_string(https.url)), 0);
    assert_int_equal(ctl_saved_write(saved, NULL), 0);
    json_decref(saved);
    assert_int_equal(run_ctl_bare("account", "passwd", "ANN", "--old-password-file",
                                  password_file("old", "was"), "--password-file",
                                  password_file("new", "is to be"), NULL),
                     0);
    https_stop();
    assert_https_asked("POST /api/v1/session/password HTTP");
    assert_https_asked("{\"old\":\"was\",\"new\":\"is to be\"}");
    assert_int_equal(ctl_saved_read(&saved, NULL), 0);
    assert_string_equal(ctl_saved_text(saved, https.url, "cookie"), "__Host-kitbag=new");
    assert_string_equal(ctl_saved_text(saved, https.url, "csrf"), "f2");
    json_decref(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(accounts_are_listed),
        HTTPS_TEST(a_made_up_password_is_the_only_output),
        HTTPS_TEST(roles_and_locks_are_changed),
        HTTPS_TEST(a_lost_password_is_replaced_at_the_server),
        HTTPS_TEST(the_own_password_needs_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
