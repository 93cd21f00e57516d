/* admin/https/certificate.h - a certificate that the server signs for itself.
 *
 * Nobody else vouches for it: who connects for the first time compares its fingerprint with the
 * one that the server shows, and keeps it.
 */
#ifndef KITBAG_ADMIN_HTTPS_CERTIFICATE_H
#define KITBAG_ADMIN_HTTPS_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    ADMIN_CERTIFICATE_DAYS = 825, /* what browsers take of a certificate that was put in by hand */
    ADMIN_CERTIFICATE_NAMES_MAX = 32,
};

struct admin_certificate_files {
    const char *certificate; /* PEM; readable to everybody who may enter its folder */
    const char *key;         /* PEM, 0600 */
};

/* Make a key (EC P-256) and a certificate for these names and addresses, and write both files:
 * the key first, so that a crash in between leaves no certificate without its key.
 *
 *   names   borrowed, the first one is its subject; what can't be a host's name is left out
 *   now_ms  since 1970: it is valid from an hour before, for ADMIN_CERTIFICATE_DAYS
 *
 * Returns 0, what file_replace returns, or E_SYSTEM (OpenSSL failed; the sentence tells why). */
MUST_CHECK int admin_certificate_make(const struct admin_certificate_files *files,
                                      const char *const *names, size_t count, uint64_t now_ms,
                                      struct err *err);

/* E_SYSTEM with what OpenSSL has to say about its last failure, and nothing left of it. */
int admin_certificate_fault(const char *operation, struct err *err);

#endif
