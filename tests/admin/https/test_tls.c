/* Tests of admin/https/tls.c: what is agreed on, by a client in the same process over memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "admin/https/tls.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "tests/support/tmp_folder.h"

static char folder[TMP_FOLDER_MAX];
static char paths[4][TMP_FOLDER_MAX + 16];
static const struct admin_certificate_files one = {paths[0], paths[1]};
static const struct admin_certificate_files other = {paths[2], paths[3]};
static struct admin_tls *tls;

static int open_tls(void **state)
{
    (void)state;
    static const char *const names[] = {"localhost"};
    tmp_folder_make(folder);
    for (int i = 0; i < 4; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%s/%d.pem", folder, i);
    }
    uint64_t now_ms = clock_wall_ms(&clock_system);
    assert_int_equal(admin_certificate_make(&one, names, 1, now_ms, NULL), 0);
    assert_int_equal(admin_certificate_make(&other, names, 1, now_ms, NULL), 0);
    assert_int_equal(admin_tls_new(&tls, &one, NULL), 0);
    return 0;
}

static int close_tls(void **state)
{
    (void)state;
    admin_tls_free(&tls);
    assert_null(tls);
    tmp_folder_remove(folder);
    return 0;
}

static SSL *client_new(int least, int most)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    SSL_CTX_set_security_level(context, 0); /* it offers all it can */
    assert_int_equal(SSL_CTX_set_min_proto_version(context, least), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, most), 1);
    SSL *client = SSL_new(context);
    SSL_CTX_free(context);
    return client;
}

/* Both shake hands until nothing moves. True when they agreed. */
static bool agree(SSL *client, SSL *server)
{
    BIO *ours = NULL;
    BIO *theirs = NULL;
    assert_int_equal(BIO_new_bio_pair(&ours, 0, &theirs, 0), 1);
    SSL_set_bio(client, ours, ours);
    SSL_set_bio(server, theirs, theirs);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    for (int i = 0; i < 10; i++) {
        (void)SSL_do_handshake(client);
        (void)SSL_do_handshake(server);
    }
    ERR_clear_error();
    return SSL_is_init_finished(client) && SSL_is_init_finished(server);
}

static bool agree_on(int least, int most, const char *ciphers)
{
    SSL *client = client_new(least, most);
    SSL *server = admin_tls_accept(tls);
    if (ciphers != NULL) {
        assert_int_equal(SSL_set_cipher_list(client, ciphers), 1);
    }
    bool agreed = agree(client, server);
    SSL_free(client);
    SSL_free(server);
    return agreed;
}

static void only_good_versions_and_ciphers_are_spoken(void **state)
{
    (void)state;
    assert_true(agree_on(TLS1_3_VERSION, TLS1_3_VERSION, NULL));
    assert_true(agree_on(TLS1_2_VERSION, TLS1_2_VERSION, NULL));
    assert_false(agree_on(TLS1_1_VERSION, TLS1_1_VERSION, "ALL:@SECLEVEL=0"));
    assert_false(agree_on(TLS1_VERSION, TLS1_VERSION, "ALL:@SECLEVEL=0"));
    assert_true(agree_on(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    assert_true(agree_on(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"));
    assert_false(agree_on(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256")); /* CBC */
    assert_false(agree_on(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA"));
}

static bool offer(const char *protocols, unsigned size, const char *chosen)
{
    SSL *client = client_new(TLS1_2_VERSION, TLS1_3_VERSION);
    SSL *server = admin_tls_accept(tls);
    assert_int_equal(SSL_set_alpn_protos(client, (const unsigned char *)protocols, size), 0);
    bool agreed = agree(client, server);
    const unsigned char *got = NULL;
    unsigned got_size = 0;
    SSL_get0_alpn_selected(client, &got, &got_size);
    bool as_wanted = span_equal(span_of(got, got_size), span_str(chosen));
    SSL_free(client);
    SSL_free(server);
    return agreed && as_wanted;
}

static void of_the_protocols_it_is_http_1_1(void **state)
{
    (void)state;
    assert_true(offer("\x02h2\x08http/1.1", 12, "http/1.1"));
    assert_false(offer("\x02h2", 3, ""));
}

static void another_certificate_serves_who_comes_later(void **state)
{
    (void)state;
    char before[ADMIN_FINGERPRINT_MAX];
    char after[ADMIN_FINGERPRINT_MAX];
    admin_tls_fingerprint(tls, before);
    assert_int_equal(strlen(before), 95);
    assert_int_equal(strspn(before, "0123456789ABCDEF:"), 95);
    SSL *client = client_new(TLS1_3_VERSION, TLS1_3_VERSION);
    SSL *server = admin_tls_accept(tls);
    assert_true(agree(client, server));
    assert_int_equal(admin_tls_reload(tls, &other, NULL), 0);
    admin_tls_fingerprint(tls, after);
    assert_string_not_equal(before, after);
    char byte = 0;
    assert_int_equal(SSL_write(client, "x", 1), 1); /* who was there goes on */
    assert_int_equal(SSL_read(server, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    SSL_free(client);
    SSL_free(server);
    assert_true(agree_on(TLS1_3_VERSION, TLS1_3_VERSION, NULL));
    uint64_t days = (admin_tls_expires_ms(tls) - clock_wall_ms(&clock_system)) / 86400000;
    assert_in_range(days, ADMIN_CERTIFICATE_DAYS - 2, ADMIN_CERTIFICATE_DAYS);
}

static void refuse(const struct admin_certificate_files *files, int code, const char *words)
{
    struct err err = {0};
    char before[ADMIN_FINGERPRINT_MAX];
    char after[ADMIN_FINGERPRINT_MAX];
    struct admin_tls *none = NULL;
    admin_tls_fingerprint(tls, before);
    assert_int_equal(admin_tls_reload(tls, files, &err), code);
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, words);
    }
    assert_int_equal(err.code, code);
    admin_tls_fingerprint(tls, after);
    assert_string_equal(before, after);
    assert_int_equal(admin_tls_new(&none, files, NULL), code);
    assert_null(none);
    assert_true(agree_on(TLS1_3_VERSION, TLS1_3_VERSION, NULL));
}

static void bad_files_are_told_and_change_nothing(void **state)
{
    (void)state;
    const struct admin_certificate_files mixed = {paths[0], paths[3]};
    refuse(&mixed, E_INVALID, "the console's key");
    const struct admin_certificate_files missing = {"/nowhere/x.crt", paths[1]};
    refuse(&missing, E_NOT_FOUND, "'/nowhere/x.crt'");
    const struct admin_certificate_files swapped = {paths[1], paths[0]};
    refuse(&swapped, E_INVALID, paths[1]);
    static const char sealed[] =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjmkZ7gEcE6rAICCAAw\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_int_equal(file_replace(paths[3], sealed, sizeof sealed - 1, 0600, NULL), 0);
    refuse(&mixed, E_INVALID, paths[3]);
    assert_int_equal(file_replace(paths[2], "", 0, 0600, NULL), 0);
    refuse(&other, E_INVALID, "the console's certificate");
}

#define TLS_TEST(test) cmocka_unit_test_setup_teardown(test, open_tls, close_tls)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(only_good_versions_and_ciphers_are_spoken),
        TLS_TEST(of_the_protocols_it_is_http_1_1),
        TLS_TEST(another_certificate_serves_who_comes_later),
        TLS_TEST(bad_files_are_told_and_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
