/* cli/ctl_kitbagd.c - the program's words and results by files in memory. */
#include "cli/ctl_kitbagd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

extern char **environ;

enum { SAID_MAX_BYTES = 1 << 20 };

/* What the server's program printed. */
struct said {
    int out; /* files without a name; -1: none */
    int words;
};

static const char PROGRAM[] = "kitbagd";

/* The one beside this program, else the one on PATH. */
static void find_program(char path[PATH_MAX])
{
    char own[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);
    char *end = NULL;
    if (size > 0) {
        own[size] = '\0';
        end = strrchr(own, '/');
    }
    if (end != NULL) {
        *end = '\0';
        if (path_join(path, PATH_MAX, own, PROGRAM) == 0 && access(path, X_OK) == 0) {
            return;
        }
    }
    (void)snprintf(path, PATH_MAX, "%s", PROGRAM);
}

static int read_all(int fd, struct buf *out, struct err *err)
{
    for (;;) {
        char piece[4096];
        ssize_t size = pread(fd, piece, sizeof piece, (off_t)out->size);
        if (size <= 0) {
            return size == 0 ? 0 : err_sys(err, "read", "what kitbagd said");
        }
        if (buf_append(out, piece, (size_t)size) != 0) {
            return err_set(err, E_TOO_LARGE, "kitbagd said too much");
        }
    }
}

static int spawn_program(const char *path, char *const words[], const struct said *said, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0) {
        return failed;
    }
    failed = posix_spawn_file_actions_adddup2(&actions, said->out, STDOUT_FILENO);
    if (failed == 0) {
        failed = posix_spawn_file_actions_adddup2(&actions, said->words, STDERR_FILENO);
    }
    if (failed == 0) {
        failed = posix_spawnp(pid, path, &actions, NULL, words, environ);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Its sentence and its exit code, as our own. */
static int complaint(const struct said *said, int status, struct err *err)
{
    static const int codes[] = {
        [2] = E_INVALID, [3] = E_NOT_FOUND, [4] = E_EXISTS, [5] = E_NOT_ALLOWED};
    static const char prefix[] = "kitbagd: ";
    int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    bool known = exit_code > 0 && (size_t)exit_code < sizeof codes / sizeof codes[0];
    int code = known && codes[exit_code] != 0 ? codes[exit_code] : E_IO;
    struct buf words;
    buf_init(&words, SAID_MAX_BYTES);
    int rc = read_all(said->words, &words, err);
    if (rc == 0 && buf_append_u8(&words, 0) != 0) {
        rc = err_set(err, code, "kitbagd ended, and said too much to show");
    } else if (rc == 0) {
        char *text = (char *)words.data;
        text += strncmp(text, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
        text[strcspn(text, "\n")] = '\0';
        rc = err_set(err, code, "%s", text[0] != '\0' ? text : "kitbagd ended without a word");
    }
    buf_free(&words);
    return rc;
}

static int run_program(const char *const words[], const struct said *said, struct err *err)
{
    char path[PATH_MAX];
    pid_t pid = 0;
    int status = 0;
    find_program(path);
    int failed = spawn_program(path, (char *const *)(uintptr_t)words, said, &pid);
    if (failed == ENOENT) {
        return err_set(err, E_NOT_FOUND,
                       "there is no kitbagd beside this program or on PATH: run this on the "
                       "server's machine");
    }
    if (failed != 0) {
        errno = failed;
        return err_sys(err, "start", path);
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return err_sys(err, "wait for", path);
        }
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : complaint(said, status, err);
}

static int read_document(const struct said *said, json_t **document, struct err *err)
{
    struct buf text;
    buf_init(&text, SAID_MAX_BYTES);
    int rc = read_all(said->out, &text, err);
    *document = rc == 0 ? json_loadb((const char *)text.data, text.size, 0, NULL) : NULL;
    buf_free(&text);
    return rc == 0 && *document == NULL
               ? err_set(err, E_MALFORMED,
                         "kitbagd said what can't be read: is it of another version?")
               : rc;
}

int ctl_kitbagd(const char *const words[], json_t **document, struct err *err)
{
    ASSERT(words != NULL && document != NULL);
    struct said said = {memfd_create("out", MFD_CLOEXEC), memfd_create("words", MFD_CLOEXEC)};
    int rc = said.out >= 0 && said.words >= 0 ? 0 : err_sys(err, "make", "a file in memory");
    if (rc == 0) {
        rc = run_program(words, &said, err);
    }
    if (rc == 0) {
        rc = read_document(&said, document, err);
    }
    (void)close(said.out);
    (void)close(said.words);
    return rc;
}
