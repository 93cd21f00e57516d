/* server/backup_place.c - is this a place for backups, and which are there? */
#include "server/backup_place.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "server/backup_files.h"
#include "server/removals.h"

static const char PARTIAL[] = ".partial";

static const char STAMP[] = "%Y%m%dT%H%M%SZ";
enum { STAMP_SIZE = 16 }; /* 20261123T034858Z */

/* --- may they be put there? --- */

static int check_path(const char *path, struct err *err)
{
    if (path[0] != '/') {
        return err_set(err, E_INVALID,
                       "'%.200s': name the folder by its whole path on the server's machine, such "
                       "as /srv/backup/kitbag",
                       path);
    }
    size_t size = strlen(path);
    bool climbs =
        strstr(path, "/../") != NULL || (size >= 3 && strcmp(path + size - 3, "/..") == 0);
    if (climbs || size >= PATH_MAX - BACKUP_NAME_MAX - 64) {
        return err_set(err, E_INVALID, "'%.200s': %s", path,
                       climbs ? "a path without '..' is wanted" : "the path is too long");
    }
    return 0;
}

/* The path with all links followed, of a folder that may not be there yet itself. */
static int resolve(const char *path, char out[PATH_MAX], struct err *err)
{
    if (realpath(path, out) != NULL) {
        return 0;
    }
    if (errno != ENOENT) {
        return err_sys(err, "look at", path);
    }
    char above[PATH_MAX];
    (void)snprintf(above, sizeof above, "%s", path);
    size_t size = strlen(above);
    while (size > 1 && above[size - 1] == '/') {
        above[--size] = '\0';
    }
    char *slash = strrchr(above, '/');
    char name[PATH_MAX];
    char real[PATH_MAX];
    (void)snprintf(name, sizeof name, "%s", slash + 1);
    slash[slash == above ? 1 : 0] = '\0';
    if (realpath(above, real) == NULL) {
        return errno == ENOENT
                   ? err_set(err, E_NOT_FOUND,
                             "'%.200s' is not there: make it, or look whether the disk for backups "
                             "is mounted",
                             above)
                   : err_sys(err, "look at", above);
    }
    int rc = path_join(out, PATH_MAX, real, name);
    return rc == 0 ? 0 : err_set(err, rc, "'%.200s': the path is too long", path);
}

static bool is_within(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 &&
           (path[size] == '\0' || path[size] == '/' || strcmp(folder, "/") == 0);
}

static int check_apart(const char *folder, const char *data_dir, struct err *err)
{
    char data[PATH_MAX];
    if (realpath(data_dir, data) == NULL) {
        return err_sys(err, "look at", data_dir);
    }
    if (is_within(folder, data)) {
        return err_set(err, E_INVALID,
                       "'%.200s' is in the server's data folder: what is lost with that is no "
                       "backup; name a folder elsewhere, on another disk if there is one",
                       folder);
    }
    return is_within(data, folder)
               ? err_set(err, E_INVALID,
                         "'%.200s' holds the server's data folder: name a folder of its own for "
                         "backups",
                         folder)
               : 0;
}

/* Nobody else may be able to put another folder in the place of a backup. */
static int check_owner(const char *folder, struct err *err)
{
    struct stat info;
    if (stat(folder, &info) != 0) {
        return err_sys(err, "look at", folder);
    }
    if (!S_ISDIR(info.st_mode)) {
        return err_set(err, E_EXISTS, "'%.200s' is no folder", folder);
    }
    if (info.st_uid != geteuid() || (info.st_mode & 022) != 0) {
        return err_set(err, E_NOT_ALLOWED,
                       "others may write in '%.200s': it has to belong to the server's account "
                       "alone (chmod 700)",
                       folder);
    }
    return 0;
}

static int check_empty(const char *folder, struct err *err)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return err_sys(err, "open the folder", folder);
    }
    static const char *const fine[] = {".", "..", "lost+found", MANIFEST_REMOVALS ".partial"};
    int rc = 0;
    const struct dirent *entry = NULL;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        bool other = true;
        for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
            other = other && strcmp(entry->d_name, fine[i]) != 0;
        }
        if (other) {
            rc = err_set(err, E_EXISTS,
                         "'%.200s' is no folder of backups, and not empty: it holds '%.60s'; name "
                         "a new folder",
                         folder, entry->d_name);
        }
    }
    (void)closedir(dir);
    return rc;
}

static int check_content(struct backup_place *place, const uint8_t server[KEY_SIZE],
                         struct err *err)
{
    struct removals_head head;
    int rc = removals_read(place->folder, &head, NULL, NULL, err);
    if (rc == E_NOT_FOUND) {
        place->fresh = true;
        return check_empty(place->folder, err);
    }
    if (rc == 0 && memcmp(head.server, server, KEY_SIZE) != 0) {
        rc = err_set(err, E_EXISTS,
                     "'%.200s' holds backups of another server: name a folder of its own for each",
                     place->folder);
    }
    if (rc == 0 && !head.original) {
        rc = err_set(err, E_EXISTS,
                     "'%.200s' is a copy of a folder of backups: a server keeps the original up to "
                     "date; name that one, or a new folder",
                     place->folder);
    }
    return rc;
}

int backup_place_find(struct backup_place *out, const char *path, const char *data_dir,
                      const uint8_t server[KEY_SIZE], struct err *err)
{
    ASSERT(out != NULL && path != NULL && data_dir != NULL && server != NULL);
    *out = (struct backup_place){0};
    int rc = check_path(path, err);
    if (rc == 0) {
        rc = resolve(path, out->folder, err);
    }
    if (rc == 0) {
        rc = check_apart(out->folder, data_dir, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (access(out->folder, F_OK) != 0) {
        out->fresh = true;
        return 0;
    }
    rc = check_owner(out->folder, err);
    return rc == 0 ? check_content(out, server, err) : rc;
}

int backup_place_make(const struct backup_place *place, const uint8_t server[KEY_SIZE],
                      struct err *err)
{
    ASSERT(place != NULL && server != NULL);
    struct err why = {0};
    int rc = dir_make(place->folder, 0700, &why);
    if (rc == 0 && place->fresh) {
        rc = removals_create(place->folder, server, &why);
    }
    if (rc == E_SYSTEM && strstr(why.text, strerror(EROFS)) != NULL) {
        return err_set(err, E_NOT_ALLOWED,
                       "%.250s (under systemd the unit says where kitbagd may write: add "
                       "ReadWritePaths= to it)",
                       why.text);
    }
    return rc == 0 ? 0 : err_set(err, rc, "%s", why.text);
}

/* --- which are there? --- */

/* "20261123T034858Z-4711" */
static bool is_name(const char *name)
{
    static const char shape[] = "00000000T000000Z-";
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        bool digit = isdigit((unsigned char)name[i]) != 0;
        if (shape[i] == '0' ? !digit : name[i] != shape[i]) {
            return false;
        }
    }
    const char *seq = name + sizeof shape - 1;
    return seq[0] != '\0' && seq[strspn(seq, "0123456789")] == '\0' &&
           strlen(name) < BACKUP_NAME_MAX;
}

struct look {
    char newest[BACKUP_NAME_MAX];
    uint64_t count;
};

static int look_at(const char *folder, struct look *look, struct err *err)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return err_sys(err, "open the folder", folder);
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir)) != NULL) {
        if (!is_name(entry->d_name)) {
            continue;
        }
        look->count++;
        if (strcmp(entry->d_name, look->newest) > 0) {
            memcpy(look->newest, entry->d_name, strlen(entry->d_name) + 1);
        }
    }
    (void)closedir(dir);
    return 0;
}

int backup_place_newest(const char *folder, char out[BACKUP_NAME_MAX], struct err *err)
{
    ASSERT(folder != NULL && out != NULL);
    struct look look = {0};
    int rc = look_at(folder, &look, err);
    if (rc == 0 && look.count == 0) {
        rc = err_set(err, E_NOT_FOUND, "'%.200s' holds no whole backup", folder);
    }
    (void)snprintf(out, BACKUP_NAME_MAX, "%s", look.newest);
    return rc;
}

int backup_place_count(const char *folder, uint64_t *count, struct err *err)
{
    ASSERT(folder != NULL && count != NULL);
    struct look look = {0};
    int rc = look_at(folder, &look, err);
    *count = look.count;
    return rc;
}

int backup_place_name(const char *folder, uint64_t time_ms, uint64_t seq, char out[BACKUP_NAME_MAX],
                      struct err *err)
{
    ASSERT(folder != NULL && out != NULL);
    struct look look = {0};
    int rc = look_at(folder, &look, err);
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts = {0};
    if (look.count > 0 && strptime(look.newest, STAMP, &parts) != NULL &&
        timegm(&parts) >= seconds) {
        seconds = timegm(&parts) + 1; /* also when the clock went back */
    }
    char stamp[STAMP_SIZE + 8] = "";
    (void)gmtime_r(&seconds, &parts);
    (void)strftime(stamp, sizeof stamp, STAMP, &parts);
    (void)snprintf(out, BACKUP_NAME_MAX, "%s-%" PRIu64, stamp, seq);
    return rc;
}

int backup_place_tidy(const char *folder, struct err *err)
{
    ASSERT(folder != NULL);
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return err_sys(err, "open the folder", folder);
    }
    int rc = 0;
    const struct dirent *entry = NULL;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        char name[NAME_MAX + 1];
        char path[PATH_MAX];
        (void)snprintf(name, sizeof name, "%s", entry->d_name);
        size_t size = strlen(name);
        size_t end = sizeof PARTIAL - 1;
        if (size <= end || strcmp(name + size - end, PARTIAL) != 0) {
            continue;
        }
        name[size - end] = '\0';
        if (is_name(name) && path_join(path, sizeof path, folder, entry->d_name) == 0) {
            rc = backup_tree_remove(path, err);
        }
    }
    (void)closedir(dir);
    return rc;
}
