/* cli/ctl_trust.c - libcurl's TLS is OpenSSL, whose question about a certificate we answer. */
#include "cli/ctl_trust.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { DIGEST_BYTES = 32 };

static void format_digest(const unsigned char digest[DIGEST_BYTES], char out[CTL_FINGERPRINT_MAX])
{
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        (void)snprintf(out + 3 * i, 4, "%02X%s", digest[i], i + 1 < DIGEST_BYTES ? ":" : "");
    }
}

int ctl_fingerprint_parse(const char *text, char out[CTL_FINGERPRINT_MAX], struct err *err)
{
    unsigned char digest[DIGEST_BYTES] = {0};
    size_t digits = 0;
    for (const char *at = text; *at != '\0'; at++) {
        bool between = digits > 0 && digits % 2 == 0 && digits < 2 * DIGEST_BYTES;
        if (*at == ':' && between && at[-1] != ':') {
            continue;
        }
        if (!isxdigit((unsigned char)*at) || digits == 2 * DIGEST_BYTES) {
            digits = 0;
            break;
        }
        int low = tolower((unsigned char)*at);
        int value = low >= 'a' ? low - 'a' + 10 : low - '0';
        digest[digits / 2] = (unsigned char)(digest[digits / 2] << 4 | value);
        digits++;
    }
    if (digits != 2 * DIGEST_BYTES) {
        return err_set(err, E_USAGE,
                       "--fingerprint takes the SHA-256 of a certificate, 64 hex digits, as the "
                       "server's log shows it, not '%.80s'",
                       text);
    }
    format_digest(digest, out);
    return 0;
}

/* Does an authority that this machine knows vouch for it, and for the host? */
static bool is_vouched_for(X509_STORE_CTX *store, const char *host)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
    (void)ERR_set_mark(); /* a name is no address, which must not end the handshake later */
    bool set = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ||
               X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
    bool good = set && X509_verify_cert(store) == 1;
    (void)ERR_pop_to_mark();
    return good;
}

/* OpenSSL asks: 1 takes the certificate. */
static int judge(X509_STORE_CTX *store, void *context)
{
    struct ctl_trust *trust = context;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    if (certificate == NULL || X509_digest(certificate, EVP_sha256(), digest, &size) != 1 ||
        size != DIGEST_BYTES) {
        return 0;
    }
    format_digest(digest, trust->seen);
    if (trust->pinned[0] != '\0' && strcmp(trust->pinned, trust->seen) == 0) {
        trust->verdict = CTL_TRUST_PINNED;
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    if (!trust->only_pinned && is_vouched_for(store, trust->host)) {
        trust->verdict = CTL_TRUST_VOUCHED;
        return 1;
    }
    trust->verdict = trust->pinned[0] != '\0' ? CTL_TRUST_CHANGED : CTL_TRUST_UNKNOWN;
    if (X509_STORE_CTX_get_error(store) == X509_V_OK) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    }
    return 0;
}

static CURLcode take_over(CURL *curl, void *context_of_ssl, void *trust)
{
    SSL_CTX *context = context_of_ssl;
    (void)curl;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, judge, trust);
    return CURLE_OK;
}

bool ctl_trust_set(CURL *curl, struct ctl_trust *trust)
{
    ASSERT(trust->host != NULL && trust->pinned != NULL);
    /* The name is a part of our own question: a pinned certificate may bear another one. */
    return curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, take_over) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, trust) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
}
