/* admin/https/certificate.c - by OpenSSL's X509 functions. */
#include "admin/https/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/file.h"

enum { HOST_MAX_BYTES = 253, SUBJECT_MAX_BYTES = 64, SERIAL_BITS = 120, HOUR_S = 3600 };

int admin_certificate_fault(const char *operation, struct err *err)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return err_set(err, E_SYSTEM, "%s: %s", operation, reason != NULL ? reason : "OpenSSL failed");
}

static bool is_host(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size <= HOST_MAX_BYTES && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
               size;
}

/* A number as an address, all else as a name. Returns false when out of memory. */
static bool push_name(GENERAL_NAMES *names, const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];
    int size = inet_pton(AF_INET, text, address) == 1    ? (int)sizeof(struct in_addr)
               : inet_pton(AF_INET6, text, address) == 1 ? (int)sizeof(struct in6_addr)
                                                         : 0;
    if (size == 0 && !is_host(text)) {
        return true;
    }
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = size > 0 ? ASN1_OCTET_STRING_new() : (ASN1_STRING *)ASN1_IA5STRING_new();
    bool set = value != NULL && (size > 0 ? ASN1_STRING_set(value, address, size)
                                          : ASN1_STRING_set(value, text, -1)) == 1;
    if (name == NULL || !set) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(name);
        return false;
    }
    GENERAL_NAME_set0_value(name, size > 0 ? GEN_IPADD : GEN_DNS, value);
    if (sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

static bool add_names(X509 *certificate, const char *const *names, size_t count)
{
    GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
    bool done = all != NULL;
    for (size_t i = 0; i < count && done; i++) {
        done = push_name(all, names[i]);
    }
    done = done &&
           X509_add1_ext_i2d(certificate, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(all);
    return done;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

/* A random serial number: certificates of one subject that were made anew stay apart. */
static bool set_serial(X509 *certificate)
{
    BIGNUM *number = BN_new();
    bool done = number != NULL &&
                BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return done;
}

static bool set_subject(X509 *certificate, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    const char *text = strlen(name) <= SUBJECT_MAX_BYTES ? name : "kitbagd";
    return X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)"Kitbag",
                                      -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)text, -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *const *names, size_t count,
                 uint64_t now_ms)
{
    time_t now = (time_t)(now_ms / 1000);
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -HOUR_S, &now) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), ADMIN_CERTIFICATE_DAYS, -HOUR_S,
                            &now) != NULL &&
           set_subject(certificate, count > 0 ? names[0] : "kitbagd") &&
           X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
           add_extension(certificate, NID_subject_key_identifier, "hash") &&
           add_names(certificate, names, count) && X509_sign(certificate, key, EVP_sha256()) > 0;
}

static int write_files(const struct admin_certificate_files *files, X509 *certificate,
                       EVP_PKEY *key, struct err *err)
{
    BIO *crt = BIO_new(BIO_s_mem());
    BIO *pem = BIO_new(BIO_s_secmem());
    int rc = 0;
    if (crt == NULL || pem == NULL || PEM_write_bio_X509(crt, certificate) != 1 ||
        PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) != 1) {
        rc = admin_certificate_fault("write the console's certificate", err);
    }
    char *bytes = NULL;
    if (rc == 0) {
        long size = BIO_get_mem_data(pem, &bytes);
        rc = file_replace(files->key, bytes, (size_t)size, 0600, err);
    }
    if (rc == 0) {
        long size = BIO_get_mem_data(crt, &bytes);
        rc = file_replace(files->certificate, bytes, (size_t)size, 0644, err);
    }
    BIO_free(crt);
    BIO_free(pem);
    return rc;
}

int admin_certificate_make(const struct admin_certificate_files *files, const char *const *names,
                           size_t count, uint64_t now_ms, struct err *err)
{
    ASSERT(files != NULL && files->certificate != NULL && files->key != NULL);
    ASSERT(names != NULL || count == 0);
    X509 *certificate = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    int rc = 0;
    if (certificate == NULL || key == NULL || !fill(certificate, key, names, count, now_ms)) {
        rc = admin_certificate_fault("make the console's certificate", err);
    } else {
        rc = write_files(files, certificate, key, err);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return rc;
}
