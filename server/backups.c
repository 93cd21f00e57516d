/* server/backups.c - starting, stopping, and what administration asks. */
#include "server/backups.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "server/backup_record.h"
#include "server/backups_inside.h"
#include "server/removals.h"
#include "server/rows.h"

static const struct owner SERVER = {.kind = OWNER_SERVER};

/* --- the server's bag --- */

static int submit(struct backups *backups, const struct operation_write *write, const char *actor,
                  uint64_t *seq, struct err *err)
{
    const struct admin_backend *backend = backups->options.backend;
    struct submit wanted = {
        .kind = SUBMIT_WRITE, .actor = actor, .owner = SERVER, .writes = write, .write_count = 1};
    int rc = backend->submit(backend->context, &wanted, 1, err);
    if (rc == 0 && wanted.code != 0) {
        rc = err_set(err, wanted.code, "%s", wanted.text);
    }
    if (rc == 0 && seq != NULL) {
        *seq = wanted.seq;
    }
    return rc;
}

static int put_item(struct backups *backups, struct span path, const struct buf *text,
                    const char *actor, uint64_t *seq, struct err *err)
{
    struct operation_write write = {.path = path, .value = buf_span(text)};
    int rc = buf_error(text);
    return rc != 0 ? err_set(err, rc, "out of memory") : submit(backups, &write, actor, seq, err);
}

/* --- folders --- */

/* Under the lock. NULL: it is not among them. */
static struct backups_folder *find(struct backups *backups, const char *folder)
{
    for (size_t i = 0; i < backups->folder_count; i++) {
        if (strcmp(backups->folders[i].path, folder) == 0) {
            return &backups->folders[i];
        }
    }
    return NULL;
}

/* Under the lock, or before anybody else is there. */
static int add(struct backups *backups, const char *folder, struct err *err)
{
    if (backups->folder_count == BACKUPS_FOLDERS_MAX) {
        return err_set(err, E_QUOTA,
                       "what is removed is told in %d folders of backups already: forget one with "
                       "'kitbagctl backup forget' first",
                       BACKUPS_FOLDERS_MAX);
    }
    struct backups_folder *added = &backups->folders[backups->folder_count++];
    *added = (struct backups_folder){.behind = true};
    (void)snprintf(added->path, sizeof added->path, "%s", folder);
    return 0;
}

static int load_one(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)path;
    char folder[PATH_MAX];
    struct err why = {0};
    if (backup_record_get(row->value, folder, &why) != 0) {
        log_err(LOG_ERROR, "backup", "backup.record_unreadable", &why);
        return 0;
    }
    return add(context, folder, err);
}

int backups_register(struct backups *backups, const char *folder, struct err *err)
{
    ASSERT(backups != NULL && folder != NULL);
    char path[BACKUP_ITEM_MAX];
    struct buf text;
    (void)pthread_mutex_lock(&backups->lock);
    bool known = find(backups, folder) != NULL;
    char by[ACTOR_MAX_BYTES + 1];
    memcpy(by, backups->view.by, sizeof by);
    (void)pthread_mutex_unlock(&backups->lock);
    if (known) {
        return 0;
    }
    buf_init(&text, BACKUP_RECORD_MAX);
    backup_record_put(&text, folder, clock_wall_ms(backups->options.clock));
    int rc = put_item(backups, backup_record_path(path, folder), &text, by, NULL, err);
    buf_free(&text);
    if (rc == 0) {
        (void)pthread_mutex_lock(&backups->lock);
        rc = add(backups, folder, err);
        backups->pending_seq = backups->pending_seq != 0 ? backups->pending_seq : 1;
        (void)pthread_cond_signal(&backups->changed);
        (void)pthread_mutex_unlock(&backups->lock);
    }
    return rc;
}

static void tell_newest(struct admin_backup_folder *out)
{
    struct manifest manifest = {0};
    char path[PATH_MAX];
    struct err err = {0};
    int rc = backup_place_count(out->folder, &out->backups, &err);
    if (rc == 0 && out->backups > 0) {
        rc = backup_place_newest(out->folder, out->newest, &err);
    }
    if (rc == 0 && out->backups > 0 &&
        path_join(path, sizeof path, out->folder, out->newest) == 0) {
        rc = manifest_read(&manifest, path, &err);
    }
    out->newest_ms = manifest.time_ms;
    out->newest_seq = manifest.seq;
    if (rc != 0 && out->text[0] == '\0') {
        memcpy(out->text, err.text, sizeof out->text);
    }
    manifest_free(&manifest);
}

static int admin_folders(void *context, admin_backup_folder_fn *each, void *each_context,
                         struct err *err)
{
    struct backups *backups = context;
    int rc = 0;
    for (size_t i = 0; rc == 0; i++) {
        struct admin_backup_folder row = {0};
        (void)pthread_mutex_lock(&backups->lock);
        bool more = i < backups->folder_count;
        if (more) {
            const struct backups_folder *folder = &backups->folders[i];
            memcpy(row.folder, folder->path, sizeof row.folder);
            memcpy(row.text, folder->text, sizeof row.text);
            row.told_seq = folder->told_seq;
        }
        (void)pthread_mutex_unlock(&backups->lock);
        if (!more) {
            break;
        }
        tell_newest(&row);
        rc = each(each_context, &row, err);
    }
    return rc;
}

static int admin_forget(void *context, const char *folder, const char *actor, bool dry_run,
                        uint64_t *seq, struct err *err)
{
    struct backups *backups = context;
    char path[BACKUP_ITEM_MAX];
    *seq = 0;
    (void)pthread_mutex_lock(&backups->lock);
    bool known = find(backups, folder) != NULL;
    (void)pthread_mutex_unlock(&backups->lock);
    if (!known) {
        return err_set(err, E_NOT_FOUND,
                       "'%.200s' is no folder of backups that this server keeps up to date",
                       folder);
    }
    struct operation_write write = {.path = backup_record_path(path, folder), .remove = true};
    int rc = dry_run ? 0 : submit(backups, &write, actor, seq, err);
    if (rc == 0 && !dry_run) {
        (void)pthread_mutex_lock(&backups->lock);
        struct backups_folder *gone = find(backups, folder);
        if (gone != NULL) {
            *gone = backups->folders[--backups->folder_count];
        }
        (void)pthread_mutex_unlock(&backups->lock);
    }
    return rc;
}

/* --- making one --- */

static int busy(const struct admin_backup_view *view, struct err *err)
{
    return err_set(err, E_BUSY,
                   "a backup is being made in '%.200s': wait until it is done ('kitbagctl backup "
                   "ls')",
                   view->folder);
}

/* Under the lock. */
static void begin(struct backups *backups, const struct admin_backup_order *order,
                  const char *folder)
{
    struct admin_backup_view *view = &backups->view;
    uint64_t number = view->number + 1;
    *view = (struct admin_backup_view){.state = ADMIN_BACKUP_RUNNING,
                                       .number = number,
                                       .begun_ms = clock_wall_ms(backups->options.clock)};
    (void)snprintf(view->folder, sizeof view->folder, "%s", folder);
    (void)snprintf(view->by, sizeof view->by, "%s", order->actor);
    backups->verify = order->verify;
    atomic_store(&backups->progress.done, 0);
    atomic_store(&backups->progress.total, 0);
}

static int start_maker(struct backups *backups, const struct admin_backup_order *order,
                       const char *folder, uint64_t *number, struct err *err)
{
    (void)pthread_mutex_lock(&backups->lock);
    bool runs = backups->view.state == ADMIN_BACKUP_RUNNING;
    int rc = runs ? busy(&backups->view, err) : 0;
    if (!runs) {
        begin(backups, order, folder);
        *number = backups->view.number;
    }
    (void)pthread_mutex_unlock(&backups->lock);
    if (rc != 0) {
        return rc;
    }
    thread_join(&backups->maker); /* of the one before, which is done */
    rc = thread_start(&backups->maker, "backup", backups_make, backups, err);
    if (rc != 0) {
        (void)pthread_mutex_lock(&backups->lock);
        backups->view.state = ADMIN_BACKUP_NONE;
        (void)pthread_mutex_unlock(&backups->lock);
    }
    return rc;
}

static int admin_start(void *context, const struct admin_backup_order *order, uint64_t *number,
                       struct admin_backup_report *report, struct err *err)
{
    struct backups *backups = context;
    const struct backup_source *source = &backups->options.source;
    struct backup_place place;
    *number = 0;
    if (atomic_load(&backups->stopping)) {
        return err_set(err, E_CLOSED, "the server is shutting down");
    }
    int rc = backup_place_find(&place, order->folder, source->data_dir, source->server, err);
    if (rc == 0) {
        rc = backup_look(source, &place, report, err);
    }
    return rc == 0 && !order->dry_run ? start_maker(backups, order, place.folder, number, err) : rc;
}

static void admin_view(void *context, struct admin_backup_view *out)
{
    struct backups *backups = context;
    (void)pthread_mutex_lock(&backups->lock);
    *out = backups->view;
    (void)pthread_mutex_unlock(&backups->lock);
    out->done_bytes = atomic_load(&backups->progress.done);
    out->total_bytes = atomic_load(&backups->progress.total);
}

/* --- a server that came out of a backup --- */

static int read_restored(struct backups *backups, struct restored_record *record, struct err *err)
{
    const struct backups_options *options = &backups->options;
    struct kv_item item = {0};
    *record = (struct restored_record){0};
    int rc = kv_item(options->source.kv, NULL, options->server_bag, SPAN_LITERAL(RESTORED_ITEM),
                     &item, err);
    if (rc == 0 && item.row.state == ITEM_LIVE) {
        rc = restored_get(record, item.row.value, err);
    }
    kv_item_free(&item);
    return rc;
}

static int admin_restored(void *context, struct admin_restored *out, struct err *err)
{
    struct restored_record record;
    int rc = read_restored(context, &record, err);
    *out = (struct admin_restored){
        .restored = rc == 0 && record.restored_ms != 0,
        .held = restored_held(&record),
        .backup_ms = record.backup_ms,
        .parent_seq = record.parent_seq,
        .restored_ms = record.restored_ms,
        .removals_known = !record.unknown,
        .known_to_ms = record.known_to_ms,
        .confirmed_ms = record.confirmed_ms,
    };
    memcpy(out->parent, record.parent, HISTORY_SIZE);
    (void)snprintf(out->backup, sizeof out->backup, "%.63s", record.backup);
    (void)snprintf(out->confirmed_by, sizeof out->confirmed_by, "%s", record.by);
    return rc;
}

static int admin_confirm(void *context, const char *actor, uint64_t *seq, struct err *err)
{
    struct backups *backups = context;
    struct restored_record record;
    struct buf text;
    *seq = 0;
    int rc = read_restored(backups, &record, err);
    if (rc != 0 || !restored_held(&record)) {
        return rc;
    }
    record.confirmed_ms = clock_wall_ms(backups->options.clock);
    (void)snprintf(record.by, sizeof record.by, "%s", actor);
    buf_init(&text, BACKUP_RECORD_MAX);
    restored_put(&text, &record);
    rc = put_item(backups, SPAN_LITERAL(RESTORED_ITEM), &text, actor, seq, err);
    buf_free(&text);
    if (rc == 0) {
        log_event(LOG_INFO, "backup", "restore.confirmed", "by=%s seq=%" PRIu64, LOG_Q(actor),
                  *seq);
    }
    return rc;
}

/* Said at every start until it is confirmed. */
static int tell_held(struct backups *backups, struct err *err)
{
    struct restored_record record;
    int rc = read_restored(backups, &record, err);
    if (rc == 0 && restored_held(&record)) {
        log_event(LOG_WARNING, "backup", "restore.held",
                  "backup=%s text=\"the data was restored from a backup, and it is not known which "
                  "machines and people were removed since: nobody is served until an administrator "
                  "has looked through them and used 'kitbagctl restore confirm'\"",
                  LOG_Q(record.backup));
    }
    return rc;
}

/* --- the object --- */

void backups_note(struct backups *backups, const struct change *changes, size_t count)
{
    ASSERT(backups != NULL && (changes != NULL || count == 0));
    uint64_t pending = 0;
    for (size_t i = 0; i < count && pending == 0; i++) {
        pending = removal_possible(&changes[i], backups->options.server_bag) ? changes[i].seq : 0;
    }
    if (pending != 0) {
        (void)pthread_mutex_lock(&backups->lock);
        backups->pending_seq = backups->pending_seq != 0 ? backups->pending_seq : pending;
        (void)pthread_cond_signal(&backups->changed);
        (void)pthread_mutex_unlock(&backups->lock);
    }
    if (count > 0) { /* behind the lock: who reads this first sees what is pending up to there */
        atomic_store(&backups->noted_seq, changes[count - 1].seq);
    }
}

void backups_admin(struct backups *backups, struct admin_backups *out)
{
    ASSERT(backups != NULL && out != NULL);
    *out = (struct admin_backups){
        .context = backups,
        .start = admin_start,
        .view = admin_view,
        .folders = admin_folders,
        .forget = admin_forget,
        .restored = admin_restored,
        .confirm = admin_confirm,
    };
}

static int load(struct backups *backups, struct err *err)
{
    const struct backups_options *options = &backups->options;
    int rc = backup_tidy(options->source.data_dir, err);
    if (rc == 0) {
        rc = tell_held(backups, err);
    }
    return rc == 0 ? rows_each(options->source.kv, options->server_bag,
                               SPAN_LITERAL(BACKUP_ITEM_PREFIX), load_one, backups, err)
                   : rc;
}

int backups_start(struct backups **out, const struct backups_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->backend != NULL);
    struct backups *backups = calloc(1, sizeof *backups);
    if (backups == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&backups->lock, NULL);
    (void)pthread_cond_init(&backups->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    backups->options = *options;
    backups->progress.cancelled = &backups->stopping;
    backups->folders = calloc(BACKUPS_FOLDERS_MAX, sizeof *backups->folders);
    int rc = backups->folders != NULL ? load(backups, err) : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0) {
        rc = thread_start(&backups->teller, "removals", backups_tell, backups, err);
    }
    if (rc != 0) {
        backups_stop(&backups);
        return rc;
    }
    *out = backups;
    return 0;
}

void backups_stop(struct backups **backups)
{
    if (backups == NULL || *backups == NULL) {
        return;
    }
    struct backups *gone = *backups;
    (void)pthread_mutex_lock(&gone->lock);
    atomic_store(&gone->stopping, true);
    (void)pthread_cond_signal(&gone->changed);
    (void)pthread_mutex_unlock(&gone->lock);
    thread_join(&gone->maker);
    thread_join(&gone->teller);
    (void)pthread_cond_destroy(&gone->changed);
    (void)pthread_mutex_destroy(&gone->lock);
    free(gone->folders);
    free(gone);
    *backups = NULL;
}
