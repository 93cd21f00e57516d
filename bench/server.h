/* bench/server.h - a kitbagd of the bench's own: a child process with a folder of its own. */
#ifndef KITBAG_BENCH_SERVER_H
#define KITBAG_BENCH_SERVER_H

#include <sys/types.h>

#include "transport/token.h"

struct bench_server {
    pid_t pid;
    char bin[4096]; /* the folder of the programs */
    char dir[64];   /* the bench's scratch folder */
    char data[128];
    int port;
};

/* Starts it and waits until it answers. `bin`: where kitbagd lies. Ends the bench on failure. */
void server_start(struct bench_server *server, const char *bin);
/* SIGTERM, wait, remove the folder. */
void server_stop(struct bench_server *server);
/* `count` join tokens, into tokens[]; the caller frees each. */
void server_tokens(const struct bench_server *server, char **tokens, size_t count);
/* Resident memory of the server's process in KiB. */
double server_rss_kib(const struct bench_server *server);

/* Print the sentence and end the bench with 1. */
_Noreturn void bench_fail(const char *what, const struct err *err);

#endif
