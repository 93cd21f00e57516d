/* Tests of admin/web.c: it listens all the time, whatever the state does; certificates. */
#include "tests/admin/auth/auth_fixture.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/web.h"
#include "base/file.h"
#include "base/log.h"

static char folder[TMP_FOLDER_MAX];
static struct admin_web *web;

static const char *const names[] = {"localhost", "127.0.0.1"};

static const struct admin_asset assets[] = {
    {"/", "text/html", (const unsigned char *)"hello", 5, NULL, 0, "e", false}, {0}};

static int setup(void **state)
{
    log_setup(2, LOG_ERROR + 1);
    tmp_folder_make(folder);
    return open_auth(state);
}

static int teardown(void **state)
{
    admin_web_stop(&web);
    assert_null(web);
    tmp_folder_remove(folder);
    return close_auth(state);
}

static int start(const char *listen, const char *certificate, const char *key, struct err *err)
{
    const struct admin_web_options options = {
        .listen = listen,
        .files = {certificate, key},
        .keys_dir = folder,
        .names = names,
        .name_count = 2,
        .spool_dir = folder,
        .assets = assets,
        .auth = auth,
        .connections = 16,
        .connections_per_address = 8,
    };
    return admin_web_start(&web, &options, err);
}

static SSL *connect_to(int port, const char *certificate)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_file(context, certificate), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    assert_int_equal(SSL_set1_host(ssl, "localhost"), 1);
    return ssl;
}

/* The status of a GET, with the server's certificate checked by the file; 0: it is another. */
static long get(const char *path, const char *certificate)
{
    char url[ADMIN_WEB_URL_MAX];
    char text[2048];
    long status = 0;
    admin_web_url(web, "localhost", url);
    SSL *ssl = connect_to((int)strtol(strrchr(url, ':') + 1, NULL, 10), certificate);
    if (SSL_connect(ssl) == 1) {
        int size = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
        assert_int_equal(SSL_write(ssl, text, size), size);
        int got = SSL_read(ssl, text, sizeof text - 1);
        assert_true(got > 12);
        status = strtol(text + 9, NULL, 10);
    }
    ERR_clear_error();
    (void)close(SSL_get_fd(ssl));
    SSL_free(ssl);
    return status;
}

static const char *in_folder(const char *name)
{
    static char paths[4][TMP_FOLDER_MAX + 32];
    static int turn;
    turn = (turn + 1) % 4;
    assert_int_equal(path_join(paths[turn], sizeof paths[turn], folder, name), 0);
    return paths[turn];
}

static void it_serves_while_there_is_a_state(void **state)
{
    (void)state;
    const char *certificate = in_folder("console.crt");
    assert_int_equal(start("127.0.0.1:0", "", "", NULL), 0);
    assert_int_equal(get("/api/v1/status", certificate), 401); /* who asks is looked at first */
    assert_int_equal(get("/", certificate), 200);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(admin_web_open(web, &fake.backend, NULL), 0);
        assert_int_equal(get("/", certificate), 200);
        assert_int_equal(get("/api/v1/session", certificate), 401);
        assert_int_equal(admin_web_close(web, NULL), 0);
        assert_int_equal(get("/api/v1/session", certificate), 503);
    }
}

static void it_makes_a_certificate_once(void **state)
{
    (void)state;
    char before[ADMIN_FINGERPRINT_MAX];
    char after[ADMIN_FINGERPRINT_MAX];
    struct stat st;
    assert_int_equal(start("127.0.0.1:0", "", "", NULL), 0);
    admin_tls_fingerprint(admin_web_tls(web), before);
    assert_int_equal(stat(in_folder("console.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    admin_web_stop(&web);
    assert_int_equal(start("127.0.0.1:0", "", "", NULL), 0);
    admin_tls_fingerprint(admin_web_tls(web), after);
    assert_string_equal(before, after);
}

static void a_certificate_can_be_given_and_changed(void **state)
{
    (void)state;
    const struct admin_certificate_files own = {in_folder("a.crt"), in_folder("a.key")};
    struct err err = {0};
    assert_int_equal(admin_certificate_make(&own, names, 2, clock_wall_ms(&clock_system), NULL), 0);
    assert_int_equal(start("127.0.0.1:0", own.certificate, "", &err), E_INVALID);
    assert_non_null(strstr(err.text, "'console.key' is not set"));
    assert_int_equal(start("127.0.0.1:0", own.certificate, own.key, NULL), 0);
    assert_int_equal(get("/", own.certificate), 200);
    assert_int_equal(admin_certificate_make(&own, names, 2, clock_wall_ms(&clock_system), NULL), 0);
    assert_int_equal(get("/", own.certificate), 0); /* it has the one before still */
    assert_int_equal(admin_web_reload(web, &own, NULL), 0);
    assert_int_equal(get("/", own.certificate), 200);
    const struct admin_certificate_files bad = {own.certificate, in_folder("no.key")};
    assert_int_equal(admin_web_reload(web, &bad, &err), E_NOT_FOUND);
    assert_int_equal(get("/", own.certificate), 200);
}

static void what_is_taken_is_told(void **state)
{
    (void)state;
    struct err err = {0};
    char url[ADMIN_WEB_URL_MAX];
    char list[64];
    assert_int_equal(start("127.0.0.1:0", "", "", NULL), 0);
    admin_web_url(web, "kitbag.example", url);
    assert_int_equal(strncmp(url, "https://127.0.0.1:", 18), 0);
    (void)snprintf(list, sizeof list, "127.0.0.1:%s", url + 18);
    struct admin_web *first = web;
    web = NULL;
    assert_int_equal(start(list, "", "", &err), E_BUSY);
    assert_null(web);
    web = first;
    admin_web_stop(&web);
    assert_int_equal(start("0.0.0.0:0", "", "", NULL), 0);
    admin_web_url(web, "kitbag.example", url);
    assert_int_equal(strncmp(url, "https://kitbag.example:", 23), 0);
}

#define WEB_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WEB_TEST(it_serves_while_there_is_a_state),
        WEB_TEST(it_makes_a_certificate_once),
        WEB_TEST(a_certificate_can_be_given_and_changed),
        WEB_TEST(what_is_taken_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
