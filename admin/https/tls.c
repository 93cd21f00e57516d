/* admin/https/tls.c - a context of OpenSSL for each certificate. */
#include "admin/https/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"

enum {
    TICKET_KEY_MS = 3600 * 1000,
    TICKET_KEY_MAX_BYTES = 128, /* of OpenSSL's three keys; 80 in 3.0 */
};

static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char groups[] = "X25519:P-256:P-384";

struct admin_tls {
    /* Guards the context: the console's loop makes connections from it while the main thread puts
     * another in its place. */
    pthread_mutex_t lock;
    SSL_CTX *context;
    uint64_t tickets_ms; /* when the tickets' key was made */
};

/* --- a context --- */

/* Browsers offer "h2" too; nothing but this is spoken here. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned in_size, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)context;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Nobody sits at the server's terminal. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static bool set_up(SSL_CTX *context)
{
    SSL_CTX_set_security_level(context, 2);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_PRIORITIZE_CHACHA);
    /* a listener that says nothing costs no buffers */
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_timeout(context, TICKET_KEY_MS / 1000);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(context, 1) == 1 &&
           SSL_CTX_set_cipher_list(context, ciphers) == 1 &&
           SSL_CTX_set1_groups_list(context, groups) == 1;
}

static int fault_of(const char *what, const char *path, struct err *err)
{
    char operation[300];
    (void)snprintf(operation, sizeof operation, "the console's %s '%.200s' can't be used", what,
                   path);
    (void)admin_certificate_fault(operation, err);
    if (err != NULL) {
        err->code = E_INVALID;
    }
    return E_INVALID;
}

static int load(SSL_CTX *context, const struct admin_certificate_files *files, struct err *err)
{
    if (access(files->certificate, R_OK) != 0) {
        return err_sys(err, "open the console's certificate", files->certificate);
    }
    if (access(files->key, R_OK) != 0) {
        return err_sys(err, "open the console's key", files->key);
    }
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1) {
        return fault_of("certificate", files->certificate, err);
    }
    if (SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        return fault_of("key", files->key, err);
    }
    return 0;
}

static int context_new(SSL_CTX **out, const struct admin_certificate_files *files, struct err *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int rc = 0;
    if (context == NULL || !set_up(context)) {
        rc = admin_certificate_fault("set up TLS", err);
    } else {
        rc = load(context, files, err);
    }
    if (rc != 0) {
        SSL_CTX_free(context);
        return rc;
    }
    *out = context;
    return 0;
}

/* --- the object --- */

int admin_tls_new(struct admin_tls **out, const struct admin_certificate_files *files,
                  struct err *err)
{
    ASSERT(out != NULL && files != NULL);
    struct admin_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int rc = context_new(&tls->context, files, err);
    if (rc != 0) {
        free(tls);
        return rc;
    }
    (void)pthread_mutex_init(&tls->lock, NULL);
    tls->tickets_ms = clock_mono_ms(&clock_system);
    *out = tls;
    return 0;
}

void admin_tls_free(struct admin_tls **tls)
{
    if (tls == NULL || *tls == NULL) {
        return;
    }
    (void)pthread_mutex_destroy(&(*tls)->lock);
    SSL_CTX_free((*tls)->context);
    free(*tls);
    *tls = NULL;
}

int admin_tls_reload(struct admin_tls *tls, const struct admin_certificate_files *files,
                     struct err *err)
{
    ASSERT(tls != NULL && files != NULL);
    SSL_CTX *context = NULL;
    int rc = context_new(&context, files, err);
    if (rc != 0) {
        return rc;
    }
    (void)pthread_mutex_lock(&tls->lock);
    SSL_CTX *before = tls->context;
    tls->context = context;
    tls->tickets_ms = clock_mono_ms(&clock_system);
    (void)pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(before); /* connections hold it for themselves */
    return 0;
}

/* Tickets under the key before are no longer read: who has one shakes hands anew. */
static void turn_tickets(struct admin_tls *tls)
{
    uint64_t now_ms = clock_mono_ms(&clock_system);
    long size = SSL_CTX_set_tlsext_ticket_keys(tls->context, NULL, 0);
    if (now_ms - tls->tickets_ms < TICKET_KEY_MS || size <= 0 || size > TICKET_KEY_MAX_BYTES) {
        return;
    }
    uint8_t keys[TICKET_KEY_MAX_BYTES];
    random_bytes(keys, (size_t)size);
    (void)SSL_CTX_set_tlsext_ticket_keys(tls->context, keys, size);
    OPENSSL_cleanse(keys, sizeof keys);
    tls->tickets_ms = now_ms;
}

struct ssl_st *admin_tls_accept(struct admin_tls *tls)
{
    ASSERT(tls != NULL);
    (void)pthread_mutex_lock(&tls->lock);
    turn_tickets(tls);
    SSL *ssl = SSL_new(tls->context);
    (void)pthread_mutex_unlock(&tls->lock);
    return ssl;
}

/* The certificate in use, to be freed. */
static X509 *certificate_of(struct admin_tls *tls)
{
    (void)pthread_mutex_lock(&tls->lock);
    X509 *certificate = SSL_CTX_get0_certificate(tls->context);
    int held = X509_up_ref(certificate);
    (void)pthread_mutex_unlock(&tls->lock);
    ASSERT(held == 1);
    return certificate;
}

void admin_tls_fingerprint(struct admin_tls *tls, char *out)
{
    ASSERT(tls != NULL && out != NULL);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    X509 *certificate = certificate_of(tls);
    int done = X509_digest(certificate, EVP_sha256(), digest, &size);
    ASSERT(done == 1 && size * 3 <= ADMIN_FINGERPRINT_MAX);
    for (unsigned i = 0; i < size; i++) {
        (void)snprintf(out + (size_t)i * 3, 4, "%02X%s", digest[i], i + 1 < size ? ":" : "");
    }
    X509_free(certificate);
}

uint64_t admin_tls_expires_ms(struct admin_tls *tls)
{
    ASSERT(tls != NULL);
    X509 *certificate = certificate_of(tls);
    struct tm at = {0};
    int read = ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &at);
    X509_free(certificate);
    time_t end = read == 1 ? timegm(&at) : 0;
    return end > 0 ? (uint64_t)end * 1000 : 0;
}
