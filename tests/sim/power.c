/* tests/sim/power.c - files in memory, and LMDB's two roots. */
#include "tests/sim/power.h"

#include <dirent.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/replica_inside.h"
#include "tests/sim/chance.h"
#include "tests/sim/verdict.h"

enum { PAGE = 4096, FILES_MAX = 8, NAME_ROOM = 256, ENVIRONMENTS = 16 };

struct image {
    size_t count;
    struct image_file {
        char path[NAME_ROOM];
        uint8_t *bytes;
        size_t size;
    } files[FILES_MAX];
};

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __real_mdb_env_sync(MDB_env *env, int force);
int __wrap_mdb_env_sync(MDB_env *env, int force);
void __real_mdb_env_close(MDB_env *env);
void __wrap_mdb_env_close(MDB_env *env);

/* The root that the last commit replaced, while that is not synced. */
static struct root {
    MDB_env *env; /* NULL: free */
    bool undoable;
    size_t slot;
    uint8_t bytes[PAGE];
} roots[ENVIRONMENTS];

static struct root *root_of(const MDB_env *env)
{
    for (size_t i = 0; i < ENVIRONMENTS; i++) {
        if (roots[i].env == env) {
            return &roots[i];
        }
    }
    return NULL;
}

static struct root *root_for(MDB_env *env)
{
    struct root *root = root_of(env);
    root = root != NULL ? root : root_of(NULL);
    must_hold(root != NULL, "an environment a machine");
    root->env = env;
    return root;
}

static size_t newest_of(MDB_env *env)
{
    MDB_envinfo info;
    int rc = mdb_env_info(env, &info);
    must_hold(rc == 0, "mdb_env_info");
    return info.me_last_txnid;
}

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    MDB_env *env = mdb_txn_env(txn);
    mdb_filehandle_t fd = -1;
    uint8_t before[PAGE] = {0};
    size_t newest = newest_of(env);
    size_t slot = (newest + 1) & 1;
    int rc = mdb_env_get_fd(env, &fd);
    must_hold(rc == 0 && pread(fd, before, PAGE, (off_t)(slot * PAGE)) >= 0, "a root is read");
    rc = __real_mdb_txn_commit(txn);
    if (rc == 0 && newest_of(env) == newest + 1) {
        struct root *root = root_for(env);
        root->undoable = true;
        root->slot = slot;
        memcpy(root->bytes, before, PAGE);
    }
    return rc;
}

int __wrap_mdb_env_sync(MDB_env *env, int force)
{
    root_for(env)->undoable = false;
    return __real_mdb_env_sync(env, force);
}

void __wrap_mdb_env_close(MDB_env *env)
{
    struct root *root = root_of(env);
    if (root != NULL) {
        root->env = NULL;
    }
    __real_mdb_env_close(env);
}

/* --- files --- */

static void read_file(struct image *image, const char *path)
{
    must_hold(image->count < FILES_MAX, "few files");
    struct image_file *file = &image->files[image->count++];
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must_hold(fd >= 0, "open %s", path);
    struct stat info;
    must_hold(fstat(fd, &info) == 0, "fstat");
    file->size = (size_t)info.st_size;
    file->bytes = malloc(file->size + 1);
    must_hold(file->bytes != NULL, "there is memory");
    must_hold(read(fd, file->bytes, file->size) == (ssize_t)file->size, "read %s", path);
    (void)close(fd);
}

static struct image *image_new(void)
{
    struct image *image = calloc(1, sizeof *image);
    must_hold(image != NULL, "there is memory");
    return image;
}

struct image *power_image(const char *dir, const struct replica *replica)
{
    char path[NAME_ROOM];
    struct image *image = image_new();
    const struct root *root = root_of(replica->env);
    (void)snprintf(path, sizeof path, "%s/replica/data.mdb", dir);
    read_file(image, path);
    if (root != NULL && root->undoable && chance_percent(50)) {
        memcpy(image->files[0].bytes + root->slot * PAGE, root->bytes, PAGE);
    }
    return image;
}

static void read_folder(struct image *image, const char *dir)
{
    DIR *folder = opendir(dir);
    const struct dirent *entry = NULL;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char path[NAME_ROOM + 300];
        if (entry->d_name[0] != '.' && strstr(entry->d_name, ".hidden-") == NULL &&
            strcmp(entry->d_name, "lock.mdb") != 0) {
            (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
            read_file(image, path);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
}

struct image *power_folder(const char *dir)
{
    char part[NAME_ROOM];
    struct image *image = image_new();
    (void)snprintf(part, sizeof part, "%s/replica", dir);
    read_folder(image, part);
    (void)snprintf(part, sizeof part, "%s/outbox", dir);
    read_folder(image, part);
    return image;
}

void power_put_back(struct image **image)
{
    for (size_t i = 0; i < (*image)->count; i++) {
        const struct image_file *file = &(*image)->files[i];
        int fd = open(file->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        must_hold(fd >= 0 && write(fd, file->bytes, file->size) == (ssize_t)file->size, "write %s",
                  file->path);
        (void)close(fd);
    }
    power_image_free(image);
}

void power_image_free(struct image **image)
{
    if (*image == NULL) {
        return;
    }
    for (size_t i = 0; i < (*image)->count; i++) {
        free((*image)->files[i].bytes);
    }
    free(*image);
    *image = NULL;
}
