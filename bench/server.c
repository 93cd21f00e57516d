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

#include "base/clock.h"

static struct bench_server *running[SERVERS_MAX]; /* for the exit handler */
static pid_t owner;                               /* children of the bench stop nothing */

static void stop_at_exit(void)
{
    for (size_t i = 0; i < SERVERS_MAX && getpid() == owner; i++) {
        if (running[i] != NULL) {
            server_stop(running[i]);
        }
    }
}

static void note_running(struct bench_server *server, bool runs)
{
    for (size_t i = 0; i < SERVERS_MAX; i++) {
        if (running[i] == (runs ? NULL : server)) {
            running[i] = runs ? server : NULL;
            return;
        }
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
    char *argv[16] = {"kitbagd", "--data", server->data, "--listen", listen};
    size_t count = 5;
    (void)snprintf(program, sizeof program, "%s/kitbagd", server->bin);
    (void)snprintf(listen, sizeof listen, "tcp://127.0.0.1:%d", server->port);
    (void)snprintf(log, sizeof log, "%s/server.log", server->dir);
    for (size_t i = 0; server->options != NULL && server->options[i] != NULL && count < 15; i++) {
        argv[count++] = strdup(server->options[i]);
    }
    (void)setenv("KITBAG_SERVER_CONSOLE", "none", 0); /* unless what is measured is the console */
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0 && dup2(fd, 1) >= 0 && dup2(fd, 2) >= 0) {
        (void)execv(program, argv);
    }
    _exit(127);
}

static bool answers(const struct bench_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool up = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return up;
}

double server_again(struct bench_server *server)
{
    char socket_path[160];
    uint64_t begin = clock_mono_ns();
    (void)snprintf(socket_path, sizeof socket_path, "%s/admin.sock", server->data);
    (void)unlink(socket_path); /* a killed one leaves it */
    server->pid = fork();
    if (server->pid == 0) {
        run_child(server);
    }
    for (int i = 0; i < 60000 && (access(socket_path, F_OK) != 0 || !answers(server)); i++) {
        if (waitpid(server->pid, NULL, WNOHANG) != 0) {
            bench_fail("kitbagd did not start", NULL);
        }
        pause_ms(2);
    }
    return (double)(clock_mono_ns() - begin) / 1e6;
}

void server_start(struct bench_server *server, const char *bin, const char *const *options)
{
    *server = (struct bench_server){.port = free_port(), .options = options};
    (void)snprintf(server->bin, sizeof server->bin, "%s", bin);
    (void)snprintf(server->dir, sizeof server->dir, "/var/tmp/kitbag-bench-XXXXXX");
    if (mkdtemp(server->dir) == NULL) {
        bench_fail("can't make a folder in /var/tmp", NULL);
    }
    (void)snprintf(server->data, sizeof server->data, "%s/data", server->dir);
    if (owner == 0) {
        owner = getpid();
        (void)atexit(stop_at_exit);
    }
    note_running(server, true);
    (void)server_again(server);
}

void server_kill(struct bench_server *server, bool clean)
{
    (void)kill(server->pid, clean ? SIGTERM : SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void server_stop(struct bench_server *server)
{
    note_running(server, false);
    if (server->pid > 0) {
        server_kill(server, true);
    }
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
