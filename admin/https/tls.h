/* admin/https/tls.h - what TLS of the console speaks, and with which certificate.
 *
 * TLS 1.3, and 1.2 with ephemeral keys and authenticated encryption; no renegotiation, no
 * compression. Session tickets are sealed under a key that is made anew every hour, so that who
 * takes the server's memory later can't read what was said before.
 *
 * A certificate that is taken in place of another serves new connections; those that are there go
 * on with theirs. Thread safe.
 */
#ifndef KITBAG_ADMIN_HTTPS_TLS_H
#define KITBAG_ADMIN_HTTPS_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/https/certificate.h"

struct ssl_st; /* OpenSSL's SSL */
struct admin_tls;

enum { ADMIN_FINGERPRINT_MAX = 96 }; /* "AB:CD:...", 32 bytes in hex, with a NUL */

/* Reads both files. E_NOT_FOUND, E_PERMISSION, E_INVALID (no certificate or key, they do not belong
 * together, they are too weak, the key wants a passphrase; the sentence names the file), E_NOMEM,
 * E_SYSTEM. */
MUST_CHECK int admin_tls_new(struct admin_tls **out, const struct admin_certificate_files *files,
                             struct err *err);
void admin_tls_free(struct admin_tls **tls);

/* Read them again; on failure the ones before stay. */
MUST_CHECK int admin_tls_reload(struct admin_tls *tls, const struct admin_certificate_files *files,
                                struct err *err);

/* The server's side of a new connection, which the caller owns; NULL: out of memory. */
struct ssl_st *admin_tls_accept(struct admin_tls *tls);

/* SHA-256 over the certificate in use, as browsers show it, into ADMIN_FINGERPRINT_MAX bytes. */
void admin_tls_fingerprint(struct admin_tls *tls, char *out);
/* When it ends, since 1970. */
uint64_t admin_tls_expires_ms(struct admin_tls *tls);

#endif
