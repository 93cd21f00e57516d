/* admin/local.c - a Unix socket with the HTTP API behind it. */
#include "admin/local.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/api/api.h"
#include "admin/https/http.h"

enum { BACKLOG = 64 };

struct admin_local {
    struct admin_http *http;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char folder[PATH_MAX];
};

/* What a crash left behind. */
static int remove_stale(const char *path, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        return 0; /* bind tells when it is more than "not there" */
    }
    if (!S_ISSOCK(st.st_mode)) {
        return err_set(err, E_EXISTS, "'%s' is in the way: move it somewhere else", path);
    }
    return unlink(path) == 0 ? 0 : err_sys(err, "remove", path);
}

/* Nobody but the owner may open it, from its first moment on. */
static int bind_private(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0177);
    int rc = bind(fd, (const struct sockaddr *)address, sizeof *address);
    (void)umask(before);
    return rc;
}

static int listen_at(const char *path, int *out, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int rc = remove_stale(path, err);
    if (rc != 0) {
        return rc;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_sys(err, "socket for", path);
    }
    if (bind_private(fd, &address) != 0) {
        rc = err_sys(err, "bind", path);
    } else if (listen(fd, BACKLOG) != 0) {
        rc = err_sys(err, "listen at", path);
    }
    if (rc != 0) {
        (void)close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

static int take_path(struct admin_local *local, const char *path, struct err *err)
{
    if (strlen(path) >= sizeof local->path) {
        return err_set(err, E_INVALID,
                       "'%s' is too long for a socket (%zu bytes at most): use a data folder with "
                       "a shorter path",
                       path, sizeof local->path - 1);
    }
    memcpy(local->path, path, strlen(path) + 1);
    const char *slash = strrchr(path, '/');
    int size = slash != NULL ? (int)(slash - path) : 0;
    (void)snprintf(local->folder, sizeof local->folder, "%.*s", size, path);
    if (slash == NULL || slash == path) {
        (void)snprintf(local->folder, sizeof local->folder, "%s", slash == NULL ? "." : "/");
    }
    return 0;
}

int admin_local_start(struct admin_local **out, const struct admin_backend *backend,
                      struct admin_auth *auth, const char *socket_path, struct err *err)
{
    ASSERT(out != NULL && backend != NULL && socket_path != NULL);

    struct admin_local *local = calloc(1, sizeof *local);
    if (local == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int fd = -1;
    int rc = take_path(local, socket_path, err);
    if (rc == 0) {
        rc = listen_at(local->path, &fd, err);
    }
    if (rc == 0) {
        struct admin_http_options options = {
            .listeners = &fd,
            .listener_count = 1,
            .routes = admin_api_routes,
            .backend = backend,
            .auth = auth,
            .local = true,
            .spool_dir = local->folder,
            .limits = &admin_http_usual,
        };
        rc = admin_http_start(&local->http, &options, err);
    }
    if (rc != 0) {
        if (fd >= 0) {
            (void)unlink(local->path);
            (void)close(fd);
        }
        free(local);
        return rc;
    }
    *out = local;
    return 0;
}

void admin_local_stop(struct admin_local **local)
{
    if (local == NULL || *local == NULL) {
        return;
    }
    (void)unlink((*local)->path); /* the next start would replace it too */
    admin_http_stop(&(*local)->http);
    free(*local);
    *local = NULL;
}
