/* Tests of admin/https/certificate.c: what the certificate says, and who may read its key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/https/certificate.h"
#include "tests/support/tmp_folder.h"

static char folder[TMP_FOLDER_MAX];
static char certificate_path[TMP_FOLDER_MAX + 16];
static char key_path[TMP_FOLDER_MAX + 16];

static const uint64_t now_ms = UINT64_C(1800000000000);

static int make_folder(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    (void)snprintf(certificate_path, sizeof certificate_path, "%s/console.crt", folder);
    (void)snprintf(key_path, sizeof key_path, "%s/console.key", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    tmp_folder_remove(folder);
    return 0;
}

static int make(const char *const *names, size_t count, struct err *err)
{
    const struct admin_certificate_files files = {certificate_path, key_path};
    return admin_certificate_make(&files, names, count, now_ms, err);
}

static X509 *read_back(void)
{
    FILE *file = fopen(certificate_path, "re");
    assert_non_null(file);
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    (void)fclose(file);
    assert_non_null(certificate);
    return certificate;
}

static void it_is_for_its_names(void **state)
{
    (void)state;
    static const char *const names[] = {"kitbag.example", "192.0.2.7", "2001:db8::7", "localhost",
                                        "not a host",     "",          "a,IP:1.2.3.4"};
    assert_int_equal(make(names, sizeof names / sizeof names[0], NULL), 0);
    X509 *certificate = read_back();
    assert_int_equal(X509_check_host(certificate, "kitbag.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(certificate, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(certificate, "other.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(certificate, "192.0.2.7", 0), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "2001:db8::7", 0), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "1.2.3.4", 0), 0);
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(all), 4);
    GENERAL_NAMES_free(all);
    X509_free(certificate);
}

static void it_is_signed_by_its_own_key_and_ends(void **state)
{
    (void)state;
    static const char *const names[] = {"localhost"};
    assert_int_equal(make(names, 1, NULL), 0);
    X509 *certificate = read_back();
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    assert_int_equal(EVP_PKEY_get_base_id(key), EVP_PKEY_EC);
    assert_int_equal(EVP_PKEY_get_bits(key), 256);
    assert_int_equal(X509_verify(certificate, key), 1);
    assert_int_equal(X509_check_ca(certificate), 0);
    time_t before = (time_t)(now_ms / 1000) - 3601;
    time_t begin = (time_t)(now_ms / 1000);
    time_t last = begin + (time_t)ADMIN_CERTIFICATE_DAYS * 86400 - 7200;
    time_t end = last + 7200;
    assert_true(X509_cmp_time(X509_get0_notBefore(certificate), &before) > 0);
    assert_true(X509_cmp_time(X509_get0_notBefore(certificate), &begin) < 0);
    assert_true(X509_cmp_time(X509_get0_notAfter(certificate), &last) > 0);
    assert_true(X509_cmp_time(X509_get0_notAfter(certificate), &end) < 0);
    X509_free(certificate);
}

static void its_key_is_for_the_server_alone(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(make(NULL, 0, NULL), 0);
    assert_int_equal(stat(key_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    X509 *one = read_back();
    assert_int_equal(make(NULL, 0, NULL), 0);
    X509 *other = read_back();
    assert_int_not_equal(X509_cmp(one, other), 0); /* another key, another number */
    X509_free(one);
    X509_free(other);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct err err = {0};
    (void)snprintf(key_path, sizeof key_path, "%.100s/x/k", folder);
    assert_int_equal(make(NULL, 0, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/x/k"));
    assert_int_not_equal(access(certificate_path, F_OK), 0);
}

#define FOLDER_TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(it_is_for_its_names),
        FOLDER_TEST(it_is_signed_by_its_own_key_and_ends),
        FOLDER_TEST(its_key_is_for_the_server_alone),
        FOLDER_TEST(a_folder_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
