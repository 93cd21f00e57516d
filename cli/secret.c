/* cli/secret.c - the terminal's echo, off for a moment. */
#include "cli/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { SIGNALS = sizeof signals / sizeof signals[0] };
static volatile sig_atomic_t caught; /* the signal that came while the echo was off */

/* Up to the first line's end or the file's. */
static int read_line(int fd, const char *name, char out[SECRET_MAX], struct err *err)
{
    size_t size = 0;
    for (;;) {
        char c = '\0';
        ssize_t got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR && caught == 0) {
            continue;
        }
        if (got < 0) {
            return err_sys(err, "read", name);
        }
        if (got == 0 || c == '\n') {
            break;
        }
        if (size == SECRET_MAX - 1) {
            return err_set(err, E_INVALID, "the password in %s is longer than %d bytes", name,
                           SECRET_MAX - 1);
        }
        out[size++] = c;
    }
    size -= size > 0 && out[size - 1] == '\r';
    out[size] = '\0';
    return strlen(out) == size ? 0 : err_set(err, E_INVALID, "%s holds a NUL", name);
}

int secret_from_file(const char *path, char out[SECRET_MAX], struct err *err)
{
    bool input = strcmp(path, "-") == 0;
    int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    const char *name = input ? "standard input" : path;
    if (fd < 0) {
        return err_sys(err, "open", path);
    }
    int rc = read_line(fd, name, out, err);
    if (rc == 0 && out[0] == '\0') {
        rc = err_set(err, E_INVALID, "the first line of %s is empty: it has to be the password",
                     name);
    }
    if (!input) {
        (void)close(fd);
    }
    return rc;
}

static void on_signal(int number)
{
    caught = number;
}

/* A signal that would leave the terminal without its echo ends the reading, and is raised again
 * when the echo is back. */
static int ask_quietly(int terminal, const char *question, char out[SECRET_MAX], struct err *err)
{
    struct termios shown;
    struct sigaction before[SIGNALS];
    struct sigaction noted = {.sa_handler = on_signal};
    if (tcgetattr(terminal, &shown) != 0) {
        return err_sys(err, "ask on", "the terminal");
    }
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    hidden.c_lflag |= ECHONL | ICANON;
    caught = 0;
    for (size_t i = 0; i < SIGNALS; i++) {
        (void)sigaction(signals[i], &noted, &before[i]);
    }
    int rc =
        tcsetattr(terminal, TCSAFLUSH, &hidden) == 0 ? 0 : err_sys(err, "ask on", "the terminal");
    if (rc == 0) { /* what is typed from here on is not shown */
        (void)dprintf(terminal, "%s", question);
        rc = read_line(terminal, "the terminal", out, err);
    }
    (void)tcsetattr(terminal, TCSAFLUSH, &shown);
    for (size_t i = 0; i < SIGNALS; i++) {
        (void)sigaction(signals[i], &before[i], NULL);
    }
    if (caught != 0) {
        (void)raise(caught);
        rc = err_set(err, E_CLOSED, "nothing was done");
    }
    return rc;
}

int secret_ask(const char *question, const char *option, char out[SECRET_MAX], struct err *err)
{
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0) {
        return err_set(err, E_USAGE, "there is no terminal to ask for the password on: give %s",
                       option);
    }
    int rc = ask_quietly(terminal, question, out, err);
    (void)close(terminal);
    if (rc == 0 && out[0] == '\0') {
        rc = err_set(err, E_CLOSED, "no password was typed: nothing was done");
    }
    return rc;
}

int secret_ask_twice(const char *question, const char *option, char out[SECRET_MAX],
                     struct err *err)
{
    char again[SECRET_MAX] = "";
    int rc = secret_ask(question, option, out, err);
    if (rc == 0) {
        rc = secret_ask("The same again: ", option, again, err);
    }
    if (rc == 0 && strcmp(out, again) != 0) {
        rc = err_set(err, E_INVALID, "these were not the same: nothing was done");
    }
    secret_wipe(again);
    return rc;
}

void secret_wipe(char secret[SECRET_MAX])
{
    sodium_memzero(secret, SECRET_MAX);
}
