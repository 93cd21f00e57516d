/* server/console.h - the web console as a part of the server: who may sign in, the HTTPS side, the
 * account of the first start.
 *
 * The account is made by a thread of its own: it hashes a password, and writes through the main
 * thread. Its password, when it was made up, is told on standard error and nowhere else.
 */
#ifndef KITBAG_SERVER_CONSOLE_H
#define KITBAG_SERVER_CONSOLE_H

#include "admin/https/asset.h"
#include "admin/web.h"
#include "server/settings.h"

struct console;

struct console_options {
    const struct settings *settings; /* borrowed for life, as are all of these */
    const char *admin_password_file; /* NULL: a password is made up */
    const struct admin_asset *assets;
};

/* Listens (unless server.console is none), in the data folder that is ours already. Nobody is
 * served before console_open. */
MUST_CHECK int console_start(struct console **out, const struct console_options *options,
                             struct err *err);
/* The state is there: read the accounts from it, and serve. `backend` is borrowed until
 * console_close. The main thread calls this and all the others. */
MUST_CHECK int console_open(struct console *console, const struct admin_backend *backend,
                            struct err *err);
/* The state goes away: requests are answered 503. Before this make calls of the backend return
 * E_CLOSED. Accepts NULL. */
void console_close(struct console *console);
/* SIGHUP: the certificate and what else can change, of settings that were read anew. What does not
 * work is logged, and stays as it was. */
void console_reload(struct console *console, const struct settings *settings);
/* Accepts NULL and a nulled pointer. */
void console_stop(struct console **console);

/* Who may sign in; borrowed. */
struct admin_auth *console_auth(struct console *console);

#endif
