/* admin/exports.c - which exports there are, until when, and their files. */
#include "admin/exports.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/exports_inside.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/thread.h"

enum {
    LOOK_MS = 1000 /* so often it is looked whose time is over; between these, too, nobody gets
                      one whose time is over */
};

static const char left_over[] = "export-";

struct entry {
    struct admin_export info;
    uint64_t until_ms; /* of clock_up_ms */
    int base_fd;
    int file_fd;
    uint8_t key[SNAPSHOT_KEY_SIZE];
    uint64_t reserve_bytes; /* what stays free on the disk, as it was when it was prepared */
};

struct admin_exports {
    struct admin_exports_options options;
    char dir[PATH_MAX];
    char name[256];
    struct thread *sweeper;
    /* Guards what stands below: requests are answered by several threads, and one more drops what
     * is over. Never held over a call to the disk but the closing of files. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* it is stopping */
    bool stopping;
    size_t making; /* being prepared: they have their place already */
    size_t count;
    struct entry *entries[EXPORTS_MAX]; /* the oldest first */
};

/* --- entries: with the lock held --- */

static void entry_free(struct entry **entry)
{
    if (*entry == NULL) {
        return;
    }
    if ((*entry)->base_fd >= 0) {
        (void)close((*entry)->base_fd); /* nothing of it is to be kept */
    }
    if ((*entry)->file_fd >= 0) {
        (void)close((*entry)->file_fd);
    }
    explicit_bzero((*entry)->key, sizeof(*entry)->key);
    free(*entry);
    *entry = NULL;
}

static void drop(struct admin_exports *exports, size_t i)
{
    entry_free(&exports->entries[i]);
    exports->count--;
    memmove(&exports->entries[i], &exports->entries[i + 1],
            (exports->count - i) * sizeof(struct entry *));
}

static void drop_over(struct admin_exports *exports)
{
    uint64_t now_ms = clock_up_ms(exports->options.clock);
    for (size_t i = 0; i < exports->count;) {
        if (exports->entries[i]->until_ms > now_ms) {
            i++;
            continue;
        }
        log_event(LOG_INFO, "admin", "export.over", "id=%s", exports->entries[i]->info.id);
        drop(exports, i);
    }
}

/* NULL: there is none. `at` may be NULL. */
static struct entry *find(struct admin_exports *exports, const char *id, size_t *at)
{
    drop_over(exports);
    for (size_t i = 0; i < exports->count; i++) {
        if (strcmp(exports->entries[i]->info.id, id) == 0) {
            if (at != NULL) {
                *at = i;
            }
            return exports->entries[i];
        }
    }
    return NULL;
}

static int not_there(const char *id, struct err *err)
{
    return err_set(err, E_NOT_FOUND,
                   "there is no prepared export '%.40s': it was never made, was removed, or its "
                   "time is over. Prepare it again",
                   id);
}

static void tell(const struct admin_exports *exports, const struct entry *entry,
                 struct admin_export *out)
{
    uint64_t now_ms = clock_up_ms(exports->options.clock);
    *out = entry->info;
    out->left_ms = entry->until_ms > now_ms ? entry->until_ms - now_ms : 0;
}

/* A descriptor of the caller's own. */
static int copy_fd(int fd, int *out, struct err *err)
{
    *out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return *out >= 0 ? 0 : err_sys(err, "open", "a prepared export");
}

/* --- files --- */

/* A new one, without a name. */
static int make_spool(const struct admin_exports *exports, int *fd, struct err *err)
{
    *fd = open(exports->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*fd >= 0) {
        return 0;
    }
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
        return err_sys(err, "make a file for an export in", exports->dir);
    }
    char path[PATH_MAX]; /* a file system that knows no files without names */
    int rc = path_join(path, sizeof path, exports->dir, "export-XXXXXX");
    if (rc != 0) {
        return err_set(err, rc, "the path of the data folder is too long");
    }
    *fd = mkostemp(path, O_CLOEXEC);
    if (*fd < 0) {
        return err_sys(err, "make a file for an export in", exports->dir);
    }
    (void)unlink(path);
    return 0;
}

/* What a crash left where files can't be made without a name. */
static int clean(const char *path, struct err *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return err_sys(err, "read the folder", path);
    }
    const struct dirent *file;
    while ((file = readdir(dir)) != NULL) {
        if (strncmp(file->d_name, left_over, sizeof left_over - 1) == 0) {
            (void)unlinkat(dirfd(dir), file->d_name, 0);
        }
    }
    (void)closedir(dir);
    return 0;
}

/* --- time --- */

static void sweep(struct thread *self, void *context)
{
    struct admin_exports *exports = context;
    thread_ready(self, 0, NULL);
    (void)pthread_mutex_lock(&exports->lock);
    while (!exports->stopping) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_MS / 1000;
        (void)pthread_cond_timedwait(&exports->changed, &exports->lock, &until);
        drop_over(exports);
    }
    (void)pthread_mutex_unlock(&exports->lock);
}

static void init_lock(struct admin_exports *exports)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&exports->lock, NULL);
    (void)pthread_cond_init(&exports->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

int admin_exports_start(struct admin_exports **out, const struct admin_exports_options *options,
                        struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->dir != NULL && options->name != NULL);
    ASSERT(options->secret_key != NULL && options->clock != NULL);
    struct admin_exports *exports = calloc(1, sizeof *exports);
    if (exports == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    exports->options = *options;
    exports->options.dir = exports->dir;
    exports->options.name = exports->name;
    init_lock(exports);
    (void)snprintf(exports->name, sizeof exports->name, "%s", options->name);
    if (exports->name[0] == '\0') {
        (void)gethostname(exports->name, sizeof exports->name - 1); /* or it stays without one */
    }
    int rc = 0;
    if ((size_t)snprintf(exports->dir, sizeof exports->dir, "%s", options->dir) >=
        sizeof exports->dir) {
        rc = err_set(err, E_INVALID, "the path of the data folder is too long");
    }
    if (rc == 0) {
        rc = dir_make(exports->dir, 0700, err);
    }
    if (rc == 0) {
        rc = clean(exports->dir, err);
    }
    if (rc == 0) {
        rc = thread_start(&exports->sweeper, "exports", sweep, exports, err);
    }
    if (rc != 0) {
        admin_exports_stop(&exports);
        return rc;
    }
    *out = exports;
    return 0;
}

void admin_exports_stop(struct admin_exports **exports)
{
    if (exports == NULL || *exports == NULL) {
        return;
    }
    struct admin_exports *gone = *exports;
    (void)pthread_mutex_lock(&gone->lock);
    gone->stopping = true;
    (void)pthread_cond_broadcast(&gone->changed);
    (void)pthread_mutex_unlock(&gone->lock);
    thread_join(&gone->sweeper);
    ASSERT(gone->making == 0);
    while (gone->count > 0) {
        drop(gone, gone->count - 1);
    }
    (void)pthread_cond_destroy(&gone->changed);
    (void)pthread_mutex_destroy(&gone->lock);
    free(gone);
    *exports = NULL;
}

void admin_exports_limits(const struct admin_exports *exports, uint64_t *users_max,
                          uint64_t *groups_max, uint64_t *keep_ms)
{
    ASSERT(exports != NULL);
    *users_max = exports->options.users_max;
    *groups_max = exports->options.groups_max;
    *keep_ms = exports->options.keep_ms;
}

/* One of its files, too, unless `fd` is NULL: what is offered, or, with what is needed to read it
 * in `kept`, the base. */
static int look(struct admin_exports *exports, const char *id, struct admin_export *out, int *fd,
                struct entry *kept, struct err *err)
{
    ASSERT(exports != NULL && id != NULL && out != NULL);
    int rc = 0;
    (void)pthread_mutex_lock(&exports->lock);
    const struct entry *entry = find(exports, id, NULL);
    if (entry == NULL) {
        rc = not_there(id, err);
    } else {
        tell(exports, entry, out);
        rc = fd != NULL ? copy_fd(kept != NULL ? entry->base_fd : entry->file_fd, fd, err) : 0;
    }
    if (rc == 0 && kept != NULL) {
        ASSERT(entry != NULL);
        memcpy(kept->key, entry->key, sizeof kept->key);
        kept->reserve_bytes = entry->reserve_bytes;
    }
    (void)pthread_mutex_unlock(&exports->lock);
    return rc;
}

/* --- preparing --- */

static int check_form(const struct admin_export_form *form, struct err *err)
{
    if (!form->personal && !form->groups) {
        return err_set(err, E_INVALID,
                       "nothing is to be exported: choose personal-settings, "
                       "group-address-lists, or both");
    }
    return form->password.size <= SNAPSHOT_PASSWORD_MAX
               ? 0
               : err_set(err, E_INVALID, "a password has at most %d bytes",
                         (int)SNAPSHOT_PASSWORD_MAX);
}

static int check_order(const struct admin_exports *exports, const struct admin_export_order *order,
                       struct err *err)
{
    uint64_t users = 0;
    for (size_t i = 0; i < order->owner_count; i++) {
        users += order->owners[i].kind == OWNER_USER;
    }
    uint64_t groups = order->owner_count - users;
    if (!order->all && order->owner_count == 0) {
        return err_set(err, E_INVALID, "nobody was chosen: name users or groups, or take all");
    }
    if (!order->all && users > exports->options.users_max) {
        return err_set(err, E_INVALID,
                       "%" PRIu64 " users were chosen; at most %" PRIu64
                       " may be at once (export.users)",
                       users, exports->options.users_max);
    }
    if (!order->all && groups > exports->options.groups_max) {
        return err_set(err, E_INVALID,
                       "%" PRIu64 " groups were chosen; at most %" PRIu64
                       " may be at once (export.groups)",
                       groups, exports->options.groups_max);
    }
    return check_form(&order->form, err);
}

/* A place for one more: what is made counts already. */
static int take_place(struct admin_exports *exports, struct err *err)
{
    (void)pthread_mutex_lock(&exports->lock);
    drop_over(exports);
    bool room = exports->count + exports->making < EXPORTS_MAX;
    exports->making += room;
    (void)pthread_mutex_unlock(&exports->lock);
    return room ? 0
                : err_set(err, E_QUOTA,
                          "%d exports are prepared already: remove one, or wait until the time of "
                          "one is over",
                          (int)EXPORTS_MAX);
}

static int make_file(struct admin_exports *exports, const struct entry *entry,
                     const struct admin_export_form *form, const atomic_bool *given_up, int *fd,
                     struct admin_export *out, struct err *err)
{
    int rc = make_spool(exports, fd, err);
    const struct exports_shaping shaping = {.base_fd = entry->base_fd,
                                            .key = entry->key,
                                            .secret_key = exports->options.secret_key,
                                            .form = form,
                                            .given_up = given_up,
                                            .fd = *fd,
                                            .reserve_bytes = entry->reserve_bytes};
    struct stat st;
    rc = rc == 0 ? exports_shape(&shaping, &out->counts, err) : rc;
    if (rc == 0 && fstat(*fd, &st) != 0) {
        rc = err_sys(err, "look at", "a prepared export");
    }
    if (rc == 0) {
        out->size = (uint64_t)st.st_size;
        out->has_personal = form->personal;
        out->has_groups = form->groups;
        out->has_password = form->password.size > 0;
    }
    return rc;
}

static int make_entry(struct admin_exports *exports, const struct admin_backend *backend,
                      const struct admin_export_order *order, struct entry *entry, struct err *err)
{
    struct admin_export *info = &entry->info;
    const struct exports_gathering gathering = {
        .backend = backend,
        .order = order,
        .name = exports->name,
        .secret_key = exports->options.secret_key,
        .key = entry->key,
        .created_ms = clock_wall_ms(exports->options.clock),
        .fd = entry->base_fd,
        .out = info,
        .reserve_bytes = &entry->reserve_bytes,
    };
    uint8_t id[(EXPORT_ID_MAX - 1) / 2];
    random_bytes(entry->key, sizeof entry->key);
    random_bytes(id, sizeof id);
    hex_encode(id, sizeof id, info->id);
    (void)snprintf(info->by, sizeof info->by, "%s", order->actor);
    info->all = order->all;
    info->since_device = order->since_device;
    info->version = 1;
    /* what connected machines still hold is to be there first */
    int rc = exports_settle(backend, exports->options.settle_ms, order->given_up, info, err);
    if (rc == 0) {
        rc = exports_gather(&gathering, err);
    }
    if (rc == 0) {
        rc = make_file(exports, entry, &order->form, order->given_up, &entry->file_fd, info, err);
    }
    info->created_ms = clock_wall_ms(exports->options.clock); /* their time begins when it can be
                                                                 fetched */
    info->expires_ms = info->created_ms + exports->options.keep_ms;
    entry->until_ms = clock_up_ms(exports->options.clock) + exports->options.keep_ms;
    return rc;
}

int admin_exports_prepare(struct admin_exports *exports, const struct admin_backend *backend,
                          const struct admin_export_order *order, struct admin_export *out,
                          struct err *err)
{
    ASSERT(exports != NULL && backend != NULL && order != NULL && out != NULL);
    ASSERT(order->actor != NULL && strlen(order->actor) <= ACTOR_MAX_BYTES);
    int rc = check_order(exports, order, err);
    if (rc == 0) {
        rc = take_place(exports, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry != NULL) {
        entry->base_fd = entry->file_fd = -1;
        rc = make_spool(exports, &entry->base_fd, err);
        rc = rc == 0 ? make_entry(exports, backend, order, entry, err) : rc;
    } else {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    (void)pthread_mutex_lock(&exports->lock);
    exports->making--;
    if (rc == 0) {
        ASSERT(entry != NULL);
        exports->entries[exports->count++] = entry;
        tell(exports, entry, out);
        entry = NULL;
    }
    (void)pthread_mutex_unlock(&exports->lock);
    entry_free(&entry);
    return rc;
}

int admin_exports_shape(struct admin_exports *exports, const char *id,
                        const struct admin_export_form *form, struct admin_export *out,
                        struct err *err)
{
    struct entry made = {.base_fd = -1, .file_fd = -1};
    int rc = check_form(form, err);
    if (rc == 0) {
        rc = look(exports, id, &made.info, &made.base_fd, &made, err);
    }
    if (rc == 0) {
        rc = make_file(exports, &made, form, NULL, &made.file_fd, &made.info, err);
    }
    if (rc == 0) {
        (void)pthread_mutex_lock(&exports->lock);
        struct entry *entry = find(exports, id, NULL);
        if (entry != NULL) {
            int before = entry->file_fd;
            made.info.version = entry->info.version + 1;
            entry->info = made.info;
            entry->file_fd = made.file_fd;
            made.file_fd = before;
            tell(exports, entry, out);
        }
        (void)pthread_mutex_unlock(&exports->lock);
        rc = entry != NULL ? 0 : not_there(id, err);
    }
    if (made.base_fd >= 0) {
        (void)close(made.base_fd);
    }
    if (made.file_fd >= 0) {
        (void)close(made.file_fd);
    }
    explicit_bzero(made.key, sizeof made.key);
    return rc;
}

/* --- looking --- */

size_t admin_exports_list(struct admin_exports *exports, struct admin_export out[EXPORTS_MAX])
{
    ASSERT(exports != NULL && out != NULL);
    (void)pthread_mutex_lock(&exports->lock);
    drop_over(exports);
    size_t count = exports->count;
    for (size_t i = 0; i < count; i++) {
        tell(exports, exports->entries[i], &out[i]);
    }
    (void)pthread_mutex_unlock(&exports->lock);
    return count;
}

int admin_exports_get(struct admin_exports *exports, const char *id, struct admin_export *out,
                      struct err *err)
{
    return look(exports, id, out, NULL, NULL, err);
}

int admin_exports_open(struct admin_exports *exports, const char *id, struct admin_export *out,
                       int *fd, struct err *err)
{
    ASSERT(fd != NULL);
    return look(exports, id, out, fd, NULL, err);
}

int admin_exports_addresses(struct admin_exports *exports, const char *id,
                            const struct admin_export_lists *lists, int *fd, uint64_t *size,
                            struct err *err)
{
    ASSERT(lists != NULL && fd != NULL && size != NULL);
    struct entry kept = {.base_fd = -1, .file_fd = -1};
    *fd = -1;
    int rc = look(exports, id, &kept.info, &kept.base_fd, &kept, err);
    if (rc == 0 && kept.info.since_device != 0) {
        rc = err_set(err, E_CONDITION,
                     "this export holds what one machine lacks, no whole address lists: prepare "
                     "one without --since-device");
    }
    if (rc == 0) {
        rc = make_spool(exports, fd, err);
    }
    if (rc == 0) {
        const struct exports_base base = {kept.base_fd, kept.key, kept.reserve_bytes};
        rc = exports_addresses(lists, &base, *fd, size, err);
    }
    if (kept.base_fd >= 0) {
        (void)close(kept.base_fd);
    }
    if (rc != 0 && *fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
    explicit_bzero(kept.key, sizeof kept.key);
    return rc;
}

int admin_exports_remove(struct admin_exports *exports, const char *id, struct err *err)
{
    ASSERT(exports != NULL && id != NULL);
    size_t at = 0;
    (void)pthread_mutex_lock(&exports->lock);
    const struct entry *entry = find(exports, id, &at);
    if (entry != NULL) {
        drop(exports, at);
    }
    (void)pthread_mutex_unlock(&exports->lock);
    return entry != NULL ? 0 : not_there(id, err);
}
