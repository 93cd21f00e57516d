/* server/restore_swap.c - renames that can be gone on with. */
#include "server/restore_swap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "server/backup_files.h"

static const char REPLACES[] = "replaces";
static const char *const parts[] = {"journal", "keys", "state"};

enum { NAME_SIZE = 64 };

static int join(char out[PATH_MAX], const char *dir, const char *name, struct err *err)
{
    int rc = path_join(out, PATH_MAX, dir, name);
    return rc == 0 ? 0 : err_set(err, rc, "the path is too long: '%.60s...'", dir);
}

int restore_commit(const char *data_dir, const char *replaces, struct err *err)
{
    ASSERT(data_dir != NULL && replaces != NULL && strlen(replaces) < NAME_SIZE);
    char partial[PATH_MAX];
    char ready[PATH_MAX];
    char path[PATH_MAX];
    int rc = join(partial, data_dir, RESTORE_PARTIAL, err);
    if (rc == 0) {
        rc = join(ready, data_dir, RESTORE_READY, err);
    }
    if (rc == 0) {
        rc = join(path, partial, REPLACES, err);
    }
    if (rc == 0) {
        rc = file_replace(path, replaces, strlen(replaces), 0600, err);
    }
    if (rc == 0 && rename(partial, ready) != 0) {
        rc = err_sys(err, "rename to", ready);
    }
    return rc == 0 ? dir_sync(data_dir, err) : rc;
}

/* --- the renames --- */

static int read_name(const char *ready, char name[NAME_SIZE], struct err *err)
{
    char path[PATH_MAX];
    struct buf text;
    buf_init(&text, NAME_SIZE - 1);
    int rc = join(path, ready, REPLACES, err);
    if (rc == 0) {
        rc = file_read(path, &text, err);
    }
    (void)snprintf(name, NAME_SIZE, "%.*s", (int)text.size, (const char *)text.data);
    buf_free(&text);
    if (rc == 0 && (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)) {
        rc = err_set(err, E_CORRUPT, "'%s' is damaged", path);
    }
    return rc;
}

/* What is there goes aside, what was restored comes in; what has come in already stays. */
static int swap(const char *data_dir, const char *ready, const char *aside, const char *part,
                struct err *err)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    char old[PATH_MAX];
    int rc = join(from, ready, part, err);
    if (rc == 0) {
        rc = join(to, data_dir, part, err);
    }
    if (rc == 0) {
        rc = join(old, aside, part, err);
    }
    if (rc != 0 || access(from, F_OK) != 0) {
        return rc;
    }
    if (access(to, F_OK) == 0) {
        rc = dir_make(aside, 0700, err);
        if (rc == 0 && rename(to, old) != 0) {
            rc = err_sys(err, "move away", to);
        }
        if (rc == 0) {
            rc = dir_sync(aside, err);
        }
    }
    if (rc == 0 && rename(from, to) != 0) {
        rc = err_sys(err, "rename to", to);
    }
    return rc == 0 ? dir_sync(data_dir, err) : rc;
}

int restore_finish(const char *data_dir, char *replaced, struct err *err)
{
    ASSERT(data_dir != NULL);
    char ready[PATH_MAX];
    char aside[PATH_MAX];
    char name[NAME_SIZE];
    int rc = join(ready, data_dir, RESTORE_READY, err);
    if (rc != 0 || access(ready, F_OK) != 0) {
        return rc != 0 ? rc : E_NOT_FOUND;
    }
    rc = read_name(ready, name, err);
    if (rc == 0) {
        rc = join(aside, data_dir, name, err);
    }
    for (size_t i = 0; rc == 0 && i < sizeof parts / sizeof parts[0]; i++) {
        rc = swap(data_dir, ready, aside, parts[i], err);
    }
    if (rc == 0) {
        rc = backup_tree_remove(ready, err);
    }
    if (rc == 0) {
        rc = dir_sync(data_dir, err);
    }
    if (rc == 0 && replaced != NULL) {
        (void)snprintf(replaced, PATH_MAX, "%s", access(aside, F_OK) == 0 ? aside : "");
    }
    return rc;
}

int restore_settle(const char *data_dir, struct err *err)
{
    ASSERT(data_dir != NULL);
    char partial[PATH_MAX];
    int rc = restore_finish(data_dir, NULL, err);
    if (rc == 0) {
        log_event(LOG_INFO, "server", "restore.finished", "data=%s", LOG_Q(data_dir));
        return 0;
    }
    if (rc != E_NOT_FOUND) {
        return rc;
    }
    rc = join(partial, data_dir, RESTORE_PARTIAL, err);
    return rc == 0 && access(partial, F_OK) == 0
               ? err_set(err, E_CONDITION,
                         "a restore into '%s' was broken off: begin it again with 'kitbagd restore "
                         "BACKUP --data %s', or remove '%s' to go on with what was there before",
                         data_dir, data_dir, partial)
               : rc;
}
