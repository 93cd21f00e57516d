/* cli/ctl_server.h - which server a command is for, and as whom it is let in.
 *
 * In this order: --data or --server; KITBAGCTL_SERVER; KITBAG_SERVER_DATA; the server of the last
 * sign-in; the usual data folder on this machine. A data folder means its local socket; a server
 * means HTTPS, with an API token (--token-file, KITBAGCTL_TOKEN_FILE) or the saved sign-in.
 */
#ifndef KITBAG_CLI_CTL_SERVER_H
#define KITBAG_CLI_CTL_SERVER_H

#include <limits.h>

#include "cli/command.h"
#include "cli/ctl_saved.h"
#include "cli/ctl_trust.h"

enum {
    CTL_URL_MAX = CTL_HOST_MAX + 24,
    CTL_COOKIE_MAX = 256,
    CTL_CSRF_MAX = 128,
    CTL_TOKEN_MAX = 128,
    CTL_PORT = 8444,
};

extern const char ctl_usual_url[]; /* "https://localhost:8444" */

struct ctl_server {
    bool local;
    bool named;              /* by an option or the environment, not by what is usual */
    const char *data_dir;    /* of a local one; borrowed */
    char url[CTL_URL_MAX];   /* of another: "https://localhost:8444" */
    char host[CTL_HOST_MAX]; /* without brackets */
    char ca_file[PATH_MAX];  /* authorities besides those of the system's; "": none */
    char pinned[CTL_FINGERPRINT_MAX];
    bool only_pinned;            /* --fingerprint was given */
    char name[CTL_HOST_MAX];     /* of the saved sign-in, else "" */
    char cookie[CTL_COOKIE_MAX]; /* the same */
    char csrf[CTL_CSRF_MAX];     /* the same */
    const char *token_file;      /* NULL: none; borrowed */
    char token[CTL_TOKEN_MAX];   /* what is in it */
};

/* --data, else KITBAG_SERVER_DATA, else where the package keeps it. */
const char *ctl_data_dir(const struct invocation *invocation);

/* E_USAGE, E_NOT_FOUND (no token file), E_NOT_ALLOWED, E_MALFORMED, E_IO. */
MUST_CHECK int ctl_server_find(const struct invocation *invocation, struct ctl_server *out,
                               struct err *err);
/* For signing in, where a local socket is of no use: the HTTPS server, the usual one at last. */
MUST_CHECK int ctl_server_find_https(const struct invocation *invocation, struct ctl_server *out,
                                     struct err *err);

/* "HOST", "HOST:PORT" or "https://HOST:PORT/" as it is kept, and the host alone. E_USAGE. */
MUST_CHECK int ctl_url_parse(const char *text, char url[CTL_URL_MAX], char host[CTL_HOST_MAX],
                             struct err *err);

#endif
