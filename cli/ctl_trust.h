/* cli/ctl_trust.h - is it really that server? The certificate of an HTTPS server, judged before
 * anything is sent.
 *
 * A certificate is taken when its SHA-256 fingerprint is the one that was pinned, or when a
 * certificate authority that this machine knows vouches for it and for the host's name. Nothing
 * else is.
 */
#ifndef KITBAG_CLI_CTL_TRUST_H
#define KITBAG_CLI_CTL_TRUST_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/err.h"

enum {
    CTL_FINGERPRINT_MAX = 96, /* "AB:CD:...": 32 bytes, with the NUL */
    CTL_HOST_MAX = 256,
};

enum ctl_trust_verdict {
    CTL_TRUST_NOT_ASKED, /* no certificate was seen */
    CTL_TRUST_PINNED,
    CTL_TRUST_VOUCHED, /* by a certificate authority */
    CTL_TRUST_UNKNOWN, /* none is pinned, and nobody vouches for it: refused */
    CTL_TRUST_CHANGED, /* another one is pinned: refused */
};

/* Lives as long as the CURL handle that it is set for. */
struct ctl_trust {
    const char *host;   /* borrowed: the name or address that is asked for, without brackets */
    const char *pinned; /* borrowed: a fingerprint, or "" */
    bool only_pinned;   /* whoever vouches for another one */
    /* out */
    enum ctl_trust_verdict verdict;
    char seen[CTL_FINGERPRINT_MAX];
};

/* Judge the certificates of this handle's connections so. False: libcurl has no memory, or is not
 * one that can. */
MUST_CHECK bool ctl_trust_set(CURL *curl, struct ctl_trust *trust);

/* A fingerprint as it is typed (64 hex digits, with or without colons, any case) as it is kept.
 * E_USAGE. */
MUST_CHECK int ctl_fingerprint_parse(const char *text, char out[CTL_FINGERPRINT_MAX],
                                     struct err *err);

#endif
