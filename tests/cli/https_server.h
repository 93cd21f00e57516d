/* tests/cli/https_server.h - a server by TLS on 127.0.0.1 that says what it was told to, with a
 * certificate of its own or one that an authority of its own vouches for.
 *
 * One connection after the other: it reads a whole request, keeps it, and sends the next answer.
 * Connections that come to nothing, or send nothing, get none.
 */
#ifndef KITBAG_TESTS_CLI_HTTPS_SERVER_H
#define KITBAG_TESTS_CLI_HTTPS_SERVER_H

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "tests/cli/run_ctl.h"

enum { HTTPS_REQUESTS_MAX = 64 << 10, HTTPS_HOUR_S = 3600 };

static struct {
    SSL_CTX *context;
    int listener;
    int port;
    const char *const *answers;
    pthread_t thread;
    atomic_int served; /* answers that were given */
    char requests[HTTPS_REQUESTS_MAX];
    char url[64];
    char fingerprint[CTL_FINGERPRINT_MAX];
    char ca_file[TMP_FOLDER_MAX]; /* of the authority, "" when it has none */
} https;

static inline void https_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* Signed by `issuer` with `issuer_key`; NULL: by itself. `san` NULL: of an authority. */
static inline X509 *https_certificate(EVP_PKEY *key, const char *name, const char *san,
                                      X509 *issuer, EVP_PKEY *issuer_key)
{
    static long serial = 1;
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    assert_int_equal(X509_set_version(certificate, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), -HTTPS_HOUR_S);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), HTTPS_HOUR_S);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN",
                                                MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                                                0),
                     1);
    X509 *by = issuer != NULL ? issuer : certificate;
    assert_int_equal(X509_set_issuer_name(certificate, X509_get_subject_name(by)), 1);
    https_extend(certificate, by, NID_basic_constraints,
                 san != NULL ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (san != NULL) {
        https_extend(certificate, by, NID_subject_alt_name, san);
    }
    assert_true(X509_sign(certificate, issuer_key != NULL ? issuer_key : key, EVP_sha256()) > 0);
    return certificate;
}

static inline void https_note_fingerprint(X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    assert_int_equal(X509_digest(certificate, EVP_sha256(), digest, &size), 1);
    for (unsigned i = 0; i < size; i++) {
        (void)snprintf(https.fingerprint + (size_t)i * 3, 4, "%02X%s", digest[i],
                       i + 1 < size ? ":" : "");
    }
}

static inline void https_make_context(const char *san, bool authority)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    X509 *ca = https_certificate(ca_key, "an authority", NULL, NULL, NULL);
    X509 *certificate = authority ? https_certificate(key, "server", san, ca, ca_key)
                                  : https_certificate(key, "server", san, NULL, NULL);
    https.context = SSL_CTX_new(TLS_server_method());
    assert_non_null(https.context);
    assert_int_equal(SSL_CTX_use_certificate(https.context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(https.context, key), 1);
    https_note_fingerprint(certificate);
    https.ca_file[0] = '\0';
    if (authority) {
        tmp_folder_path(https.ca_file, ctl.folder, "ca.pem");
        FILE *file = fopen(https.ca_file, "we");
        assert_non_null(file);
        assert_int_equal(PEM_write_X509(file, ca), 1);
        (void)fclose(file);
    }
    X509_free(ca);
    X509_free(certificate);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
}

/* Head and Content-Length into `text`; how many bytes there are. */
static inline size_t https_read(SSL *ssl, char *text, size_t room)
{
    size_t size = 0;
    for (;;) {
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strstr(text, "Content-Length: ");
        size_t body = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
        if (end != NULL && size >= (size_t)(end + 4 - text) + body) {
            return size;
        }
        int got = SSL_read(ssl, text + size, (int)(room - size - 1));
        if (got <= 0) {
            return size;
        }
        size += (size_t)got;
        text[size] = '\0';
    }
}

static inline void https_serve_one(int fd)
{
    SSL *ssl = SSL_new(https.context);
    size_t used = strlen(https.requests);
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1 &&
        https_read(ssl, https.requests + used, sizeof https.requests - used) > 0 &&
        https.answers[https.served] != NULL) {
        const char *answer = https.answers[https.served];
        (void)SSL_write(ssl, answer, (int)strlen(answer));
        (void)SSL_shutdown(ssl);
        https.served++;
    }
    SSL_free(ssl);
}

static inline void *https_serve(void *unused)
{
    (void)unused;
    int fd;
    while ((fd = accept(https.listener, NULL, NULL)) >= 0) {
        https_serve_one(fd);
        (void)close(fd);
    }
    return NULL;
}

/* `san` as OpenSSL writes it ("IP:127.0.0.1,DNS:localhost"); `answers` are borrowed and end with
 * NULL. The same port is taken again while a test goes on: it is the same server, changed. */
static inline void https_start(const char *san, bool authority, const char *const *answers)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)https.port)};
    socklen_t size = sizeof address;
    int on = 1;
    (void)signal(SIGPIPE, SIG_IGN);
    https_make_context(san, authority);
    https.answers = answers;
    https.served = 0;
    https.requests[0] = '\0';
    https.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(https.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(https.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(https.listener, 8), 0);
    assert_int_equal(getsockname(https.listener, (struct sockaddr *)&address, &size), 0);
    https.port = ntohs(address.sin_port);
    (void)snprintf(https.url, sizeof https.url, "https://127.0.0.1:%d", https.port);
    assert_int_equal(pthread_create(&https.thread, NULL, https_serve, NULL), 0);
}

static inline void https_stop(void)
{
    (void)shutdown(https.listener, SHUT_RDWR);
    (void)pthread_join(https.thread, NULL);
    (void)close(https.listener);
    SSL_CTX_free(https.context);
}

/* After https_stop. */
static inline void assert_https_asked(const char *text)
{
    if (strstr(https.requests, text) == NULL) {
        fail_msg("nobody asked for '%s' but: %s", text, https.requests);
    }
}

/* Sign-ins of a test are in its folder, and no setting of who runs it counts. */
static inline int https_setup(void **state)
{
    int rc = ctl_setup(state);
    https.port = 0;
    assert_int_equal(setenv("XDG_CONFIG_HOME", ctl.folder, 1), 0);
    static const char *const names[] = {"KITBAGCTL_SERVER", "KITBAG_SERVER_DATA",
                                        "KITBAGCTL_TOKEN_FILE", "KITBAGCTL_FINGERPRINT",
                                        "KITBAGCTL_CA_FILE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(unsetenv(names[i]), 0);
    }
    return rc;
}

#define HTTPS_TEST(test) cmocka_unit_test_setup_teardown(test, https_setup, ctl_teardown)

#endif
