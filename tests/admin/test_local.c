/* Tests of admin/local.c: the socket, and the API through it with the small client. */
#include "admin/local.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/local_request.h"
#include "base/log.h"
#include "tests/admin/fake_backend.h"

static struct fake_backend fake;
static struct admin_local *local;
static char path[TMP_FOLDER_MAX];

static int open_fake(void **state)
{
    (void)state;
    log_setup(2, LOG_ERROR);
    fake_open(&fake);
    tmp_folder_path(path, fake.folder, ADMIN_SOCKET_NAME);
    return 0;
}

static int close_fake(void **state)
{
    (void)state;
    admin_local_stop(&local);
    fake_close(&fake);
    return 0;
}

static void start(void)
{
    struct err err = {0};
    if (admin_local_start(&local, &fake.backend, NULL, path, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static int ask_local(const char *method, const char *target, const char *body, char *out,
                     size_t room, struct err *err)
{
    struct admin_local_request request = {.data_dir = fake.folder,
                                          .method = method,
                                          .target = target,
                                          .body = span_str(body),
                                          .timeout_ms = 10000};
    struct buf answer;
    buf_init(&answer, room - 1);
    int rc = admin_local_request(&request, &answer, err);
    (void)snprintf(out, room, "%.*s", (int)answer.size,
                   answer.size > 0 ? (const char *)answer.data : "");
    buf_free(&answer);
    return rc;
}

static void the_api_answers_over_the_socket(void **state)
{
    (void)state;
    char text[4096];
    struct err err = {0};
    start();
    assert_int_equal(ask_local("GET", "/api/v1/status", "", text, sizeof text, &err), 0);
    assert_non_null(strstr(text, "\"state\":\"running\""));
    assert_int_equal(
        ask_local("POST", "/api/v1/enrollments", "{\"count\":2}", text, sizeof text, &err), 0);
    assert_non_null(strstr(text, "{\"tokens\":[\"kb1.token1.admin.1\",\"kb1.token2.admin.1\"]"));
    assert_int_equal(ask_local("GET", "/api/v1/owners/user/nobody", "", text, sizeof text, &err),
                     E_NOT_FOUND);
    assert_string_equal(err.text, "there is no user 'nobody'");
    assert_int_equal(ask_local("POST", "/api/v1/owners/import?format=ldif",
                               "dn: a\nobjectClass: person\nuid: ann\n", text, sizeof text, &err),
                     0);
    assert_non_null(strstr(text, "\"registered\":1,"));
    admin_local_stop(&local);
    assert_null(local);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(ask_local("GET", "/api/v1/status", "", text, sizeof text, &err),
                     E_UNREACHABLE);
}

static void nobody_else_may_open_it(void **state)
{
    (void)state;
    struct stat st;
    mode_t before = umask(0);
    start();
    assert_int_equal(umask(before), 0); /* it was put back */
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_socket_left_by_a_crash_is_replaced(void **state)
{
    (void)state;
    char text[4096];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd);
    start();
    assert_int_equal(ask_local("GET", "/api/v1/status", "", text, sizeof text, NULL), 0);
}

static void what_is_no_socket_stays(void **state)
{
    (void)state;
    struct err err = {0};
    struct stat st;
    char wanted[TMP_FOLDER_MAX + 64];
    tmp_folder_write(path, "precious");
    assert_int_equal(admin_local_start(&local, &fake.backend, NULL, path, &err), E_EXISTS);
    (void)snprintf(wanted, sizeof wanted, "'%s' is in the way: move it somewhere else", path);
    assert_string_equal(err.text, wanted);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 8);
    assert_null(local);
}

static void a_path_has_a_size_limit(void **state)
{
    (void)state;
    struct err err = {0};
    size_t limit = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    char longer[200];
    memset(longer, 'x', sizeof longer);
    (void)snprintf(longer, sizeof longer, "%.80s/", fake.folder);
    size_t size = strlen(longer);
    memset(longer + size, 'x', sizeof longer - size);
    longer[limit + 1] = '\0';
    assert_int_equal(admin_local_start(&local, &fake.backend, NULL, longer, &err), E_INVALID);
    assert_non_null(strstr(err.text, "is too long for a socket (107 bytes at most)"));
    longer[limit] = '\0';
    assert_int_equal(admin_local_start(&local, &fake.backend, NULL, longer, &err), 0);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(admin_local_start(&local, &fake.backend, NULL, "/nowhere/at/all.sock", &err),
                     E_NOT_FOUND);
    assert_string_equal(err.text, "bind '/nowhere/at/all.sock': No such file or directory");
}

static void it_starts_again(void **state)
{
    (void)state;
    char text[4096];
    for (int i = 0; i < 3; i++) {
        start();
        assert_int_equal(ask_local("GET", "/api/v1/status", "", text, sizeof text, NULL), 0);
        admin_local_stop(&local);
    }
    admin_local_stop(&local);
    admin_local_stop(NULL);
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAKE(the_api_answers_over_the_socket),
        WITH_FAKE(nobody_else_may_open_it),
        WITH_FAKE(a_socket_left_by_a_crash_is_replaced),
        WITH_FAKE(what_is_no_socket_stays),
        WITH_FAKE(a_path_has_a_size_limit),
        WITH_FAKE(a_folder_that_is_not_there_is_told),
        WITH_FAKE(it_starts_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
