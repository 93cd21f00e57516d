/* server/start.h - the whole server: its parts in order, started, run, stopped in reverse order.
 *
 *   data folder (lock, format) -> keys -> journal and state (recovery) -> registry, committer ->
 *   console's sockets -> router -> sessions -> desk -> housekeeping -> administration
 */
#ifndef KITBAG_SERVER_START_H
#define KITBAG_SERVER_START_H

#include "admin/https/asset.h"
#include "server/settings.h"

struct server;

struct server_options {
    const struct settings *settings;  /* borrowed for life */
    const char *admin_password_file;  /* of the first start; borrowed for life; may be NULL */
    const struct admin_asset *assets; /* the console's files; NULL: none */
    /* SIGHUP: read the configuration again, and hand on what can change. May be NULL. */
    void (*reload)(void *context, struct server *server);
    void *context;
};

/* Blocks SIGTERM, SIGINT and SIGHUP for the process: server_run takes them. The sentence of an
 * error names the file, folder or address and what to do; nothing is left running. */
MUST_CHECK int server_start(struct server **out, const struct server_options *options,
                            struct err *err);
/* The port that client machines connect to (of the first endpoint). */
int server_port(const struct server *server);
/* Until SIGTERM or SIGINT, or what makes going on impossible. */
MUST_CHECK int server_run(struct server *server, struct err *err);
/* From `reload`: what of the console can change while it runs. */
void server_reload(struct server *server, const struct settings *settings);
/* Ends the sessions, flushes the state, leaves the journal's mark of a clean stop. */
void server_stop(struct server **server);

#endif
