/* bench/server.h - a kitbagd of the bench's own: a child process with a folder of its own. */
#ifndef KITBAG_BENCH_SERVER_H
#define KITBAG_BENCH_SERVER_H

#include <sys/types.h>

#include "transport/token.h"

struct bench_server {
    pid_t pid;
    char bin[4096];             /* the folder of the programs */
    const char *const *options; /* of kitbagd besides, NULL-ended; borrowed for life */
    char dir[64];               /* the bench's scratch folder */
    char data[128];
    int port;
};

enum { SERVERS_MAX = 4 };

/* Makes a folder, starts it and waits until it answers. `bin`: where kitbagd lies; `options` may be
 * NULL. Ends the bench on failure, which stops all that were started. */
void server_start(struct bench_server *server, const char *bin, const char *const *options);
/* SIGTERM, wait, remove the folder. */
void server_stop(struct bench_server *server);
/* SIGKILL, or SIGTERM when `clean`; wait; the folder stays. */
void server_kill(struct bench_server *server, bool clean);
/* Start it again on its folder; how long until it answers, in ms. */
double server_again(struct bench_server *server);
/* `count` join tokens, into tokens[]; the caller frees each. */
void server_tokens(const struct bench_server *server, char **tokens, size_t count);
/* Resident memory of the server's process in KiB. */
double server_rss_kib(const struct bench_server *server);

/* Print the sentence and end the bench with 1. */
_Noreturn void bench_fail(const char *what, const struct err *err);

#endif
