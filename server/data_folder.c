/* server/data_folder.c - taking the folder, and knowing that it is one of ours. */
#include "server/data_folder.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static const char FORMAT_NAME[] = "format";
static const char FORMAT_WORD[] = "kitbag-data ";

enum { FORMAT_TEXT_MAX = 64 };

/* Does the folder hold nothing but what taking it makes? */
static int check_empty(const char *path, struct err *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return err_sys(err, "open", path);
    }
    int rc = 0;
    const struct dirent *entry = NULL;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lock") != 0 && strcmp(entry->d_name, "format.partial") != 0) {
            rc = err_set(err, E_EXISTS,
                         "'%s' is no data folder of kitbagd, and not empty: it holds '%.60s'; name "
                         "a new folder",
                         path, entry->d_name);
        }
    }
    (void)closedir(dir);
    return rc;
}

/* Before anything is touched: nobody else's folder is locked, or closed to others. */
static int check_ours(const char *path, const char *file, struct err *err)
{
    return access(file, F_OK) == 0 ? 0 : check_empty(path, err);
}

static int write_format(const char *path, const char *file, struct err *err)
{
    int rc = check_empty(path, err);
    if (rc != 0) {
        return rc;
    }
    char text[FORMAT_TEXT_MAX];
    int size = snprintf(text, sizeof text, "%s%d\n", FORMAT_WORD, DATA_FOLDER_FORMAT);
    return file_replace(file, text, (size_t)size, 0600, err);
}

static int check_format(const char *path, const char *file, struct err *err)
{
    struct buf text;
    buf_init(&text, FORMAT_TEXT_MAX);
    int rc = file_read(file, &text, err);
    if (rc == E_NOT_FOUND) {
        buf_free(&text);
        return write_format(path, file, err);
    }
    char *copy = rc == 0 ? buf_steal(&text, NULL) : NULL;
    buf_free(&text);
    if (rc != 0 && rc != E_TOO_LARGE) {
        return rc;
    }
    size_t word = sizeof FORMAT_WORD - 1;
    unsigned long version = 0;
    if (copy != NULL && strncmp(copy, FORMAT_WORD, word) == 0) {
        version = strtoul(copy + word, NULL, 10);
    }
    free(copy);
    if (version > DATA_FOLDER_FORMAT) {
        return err_set(err, E_FORMAT,
                       "the data folder '%s' is of format %lu, and this kitbagd knows formats up "
                       "to %d: start the newer kitbagd that made it",
                       path, version, DATA_FOLDER_FORMAT);
    }
    return version == DATA_FOLDER_FORMAT
               ? 0
               : err_set(err, E_CORRUPT,
                         "'%s' is damaged: it should say '%s%d'; put it back from a backup", file,
                         FORMAT_WORD, DATA_FOLDER_FORMAT);
}

static int take(const char *path, int *lock, struct err *err)
{
    int fd = dir_lock(path, err);
    if (fd == E_BUSY) {
        (void)err_prefix(err, "the data folder ");
        return err_set(err, E_BUSY, "%.200s (stop that kitbagd first)", err->text);
    }
    if (fd < 0) {
        return fd;
    }
    if (chmod(path, 0700) != 0) {
        int rc = err_sys(err, "chmod", path);
        (void)close(fd);
        return rc;
    }
    *lock = fd;
    return 0;
}

int data_folder_open(const char *path, int *lock, struct err *err)
{
    ASSERT(path != NULL && lock != NULL);
    struct err own = {0};
    char file[PATH_MAX];
    int fd = -1;
    int rc = path_join(file, sizeof file, path, FORMAT_NAME);
    if (rc != 0) {
        return err_set(err, rc, "the path of the data folder '%.60s...' is too long", path);
    }
    rc = dir_make(path, 0700, &own);
    if (rc == 0) {
        rc = check_ours(path, file, &own);
    }
    if (rc == 0) {
        rc = take(path, &fd, &own);
    }
    if (rc == 0) {
        rc = check_format(path, file, &own);
    }
    if (rc != 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc != E_PERMISSION
                   ? err_set(err, rc, "%s", own.text)
                   : err_set(err, rc,
                             "%.250s: run this as the account that owns the folder, or name "
                             "another folder with --data",
                             own.text);
    }
    *lock = fd;
    return 0;
}
