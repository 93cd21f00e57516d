/* bench/server.c - a kitbagd of the bench's own. */
#include "bench/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct bench_server *running; /* for the exit handler */

static void stop_at_exit(void)
{
    if (running != NULL) {
        server_stop(running);
    }
}

void bench_fail(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "kitbag-bench: %s%s%s\n", what, err != NULL ? ": " : "",
                  err != NULL ? err->text : "");
    exit(1); /* stops the server */
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        bench_fail("no free port", NULL);
    }
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static void run_child(struct bench_server *server)
{
    char program[4200];
    char listen[64];
    char log[128];
    (void)snprintf(program, sizeof program, "%s/kitbagd", server->bin);
    (void)snprintf(listen, sizeof listen, "tcp://127.0.0.1:%d", server->port);
    (void)snprintf(log, sizeof log, "%s/server.log", server->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && dup2(fd, 1) >= 0 && dup2(fd, 2) >= 0) {
        (void)execl(program, "kitbagd", "--data", server->data, "--listen", listen, (char *)NULL);
    }
    _exit(127);
}

void server_start(struct bench_server *server, const char *bin)
{
    *server = (struct bench_server){.port = free_port()};
    (void)snprintf(server->bin, sizeof server->bin, "%s", bin);
    (void)snprintf(server->dir, sizeof server->dir, "/var/tmp/kitbag-bench-XXXXXX");
    if (mkdtemp(server->dir) == NULL) {
        bench_fail("can't make a folder in /var/tmp", NULL);
    }
    (void)snprintf(server->data, sizeof server->data, "%s/data", server->dir);
    server->pid = fork();
    if (server->pid == 0) {
        run_child(server);
    }
    running = server;
    (void)atexit(stop_at_exit);
    char socket_path[160];
    (void)snprintf(socket_path, sizeof socket_path, "%s/admin.sock", server->data);
    for (int i = 0; i < 600 && access(socket_path, F_OK) != 0; i++) {
        if (waitpid(server->pid, NULL, WNOHANG) != 0) {
            bench_fail("kitbagd did not start", NULL);
        }
        pause_ms(50);
    }
}

void server_stop(struct bench_server *server)
{
    running = NULL;
    (void)kill(server->pid, SIGTERM);
    (void)waitpid(server->pid, NULL, 0);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", server->dir);
    if (system(command) != 0) { /* NOLINT(cert-env33-c): our own folder's name */
        (void)fprintf(stderr, "kitbag-bench: %s is left\n", server->dir);
    }
}

void server_tokens(const struct bench_server *server, char **tokens, size_t count)
{
    char command[4600];
    (void)snprintf(command, sizeof command, "'%s/kitbagd' token --data '%s' --count %zu",
                   server->bin, server->data, count);
    FILE *pipe = popen(command, "re"); /* NOLINT(cert-env33-c): our own program */
    char line[TOKEN_TEXT_MAX + 2];
    for (size_t i = 0; i < count; i++) {
        if (pipe == NULL || fgets(line, sizeof line, pipe) == NULL) {
            bench_fail("kitbagd token gave too few tokens", NULL);
        }
        line[strcspn(line, "\n")] = '\0';
        tokens[i] = strdup(line);
    }
    (void)pclose(pipe);
}

double server_rss_kib(const struct bench_server *server)
{
    char path[64];
    char line[256];
    double kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)server->pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtod(line + 6, NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib;
}
