/* cli/ctl_config.c - kitbagctl config: the server's settings, checked, and where they came from.
 *
 * The server's program reads them, as it would at its start, and says what it found: it is the one
 * that knows. So it has to be on this machine; it need not run.
 */
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
#include "cli/ctl_verbs.h"
#include "cli/output.h"

extern char **environ;

enum { SAID_MAX_BYTES = 1 << 20, WORDS_MAX = 10 };

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
    static const int codes[] = {[2] = E_INVALID, [3] = E_NOT_FOUND, [5] = E_NOT_ALLOWED};
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

static int run_program(char *const words[], const struct said *said, struct err *err)
{
    char path[PATH_MAX];
    pid_t pid = 0;
    int status = 0;
    find_program(path);
    int failed = spawn_program(path, words, said, &pid);
    if (failed == ENOENT) {
        return err_set(err, E_NOT_FOUND,
                       "there is no kitbagd beside this program or on PATH: the configuration is "
                       "looked at on the server's machine");
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

static int read_settings(const struct said *said, json_t **settings, struct err *err)
{
    struct buf text;
    buf_init(&text, SAID_MAX_BYTES);
    int rc = read_all(said->out, &text, err);
    json_t *document = rc == 0 ? json_loadb((const char *)text.data, text.size, 0, NULL) : NULL;
    json_t *rows = json_object_get(document, "settings");
    if (rc == 0 && !json_is_array(rows)) {
        rc = err_set(err, E_MALFORMED,
                     "kitbagd said what is not a list of settings: is it of "
                     "another version?");
    }
    if (rc == 0) {
        *settings = json_incref(rows);
    }
    json_decref(document);
    buf_free(&text);
    return rc;
}

static int ask_program(const struct invocation *invocation, json_t **settings, struct err *err)
{
    const char *words[WORDS_MAX] = {PROGRAM, "--show-config", "--output", "json"};
    size_t count = 4;
    static const char *const passed[][2] = {{"data", "--data"}, {"config", "--config"}};
    for (size_t i = 0; i < 2; i++) {
        const char *value = invocation_option(invocation, passed[i][0]);
        if (value != NULL) {
            words[count++] = passed[i][1];
            words[count++] = value;
        }
    }
    struct said said = {memfd_create("out", MFD_CLOEXEC), memfd_create("words", MFD_CLOEXEC)};
    int rc = said.out >= 0 && said.words >= 0 ? 0 : err_sys(err, "make", "a file in memory");
    if (rc == 0) {
        rc = run_program((char *const *)(uintptr_t)words, &said, err);
    }
    if (rc == 0) {
        rc = read_settings(&said, settings, err);
    }
    (void)close(said.out);
    (void)close(said.words);
    return rc;
}

static int begin(const struct invocation *invocation, enum output_format *format, json_t **settings,
                 struct err *err)
{
    int rc = output_format(invocation, format, err);
    if (rc == 0 && invocation_has(invocation, "server")) {
        rc = err_set(err, E_USAGE,
                     "the configuration is looked at on the server's machine: run this there, "
                     "without --server");
    }
    return rc == 0 ? ask_program(invocation, settings, err) : rc;
}

int ctl_config_show(const struct invocation *invocation, struct err *err)
{
    static const struct output_column all[] = {
        {"key", "KEY", false},
        {"value", "VALUE", false},
        {"origin", "ORIGIN", false},
        {NULL, NULL, false},
    };
    static const struct output_column without_origin[] = {
        {"key", "KEY", false},
        {"value", "VALUE", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *settings = NULL;
    int rc = begin(invocation, &format, &settings, err);
    if (rc == 0) {
        output_rows(format, invocation_has(invocation, "origin") ? all : without_origin, settings);
    }
    json_decref(settings);
    return rc;
}

int ctl_config_check(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"valid", "Valid", false},
        {"settings", "Settings", true},
        {"set", "Not default", true},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *settings = NULL;
    json_int_t set = 0;
    size_t i;
    json_t *row;
    int rc = begin(invocation, &format, &settings, err);
    json_array_foreach(settings, i, row)
    {
        const char *origin = json_string_value(json_object_get(row, "origin"));
        set += origin != NULL && strcmp(origin, "default") != 0;
    }
    json_t *result = json_pack("{s:b, s:I, s:I}", "valid", true, "settings",
                               (json_int_t)json_array_size(settings), "set", set);
    if (rc == 0 && result == NULL) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        output_object(format, columns, result);
    }
    json_decref(result);
    json_decref(settings);
    return rc;
}
