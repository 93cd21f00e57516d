/* server/restore_carry.c - a committer of its own, for a few change sets. */
#include "server/restore_carry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "server/backup_record.h"
#include "server/committer.h"
#include "server/rows.h"

static const char ACTOR[] = "kitbagd restore";
static const struct owner SERVER = {.kind = OWNER_SERVER};

enum { TOGETHER = 256 }; /* change sets that are committed at once */

/* What became of a machine in the end. */
struct fate {
    uint64_t device;
    bool removed;
    bool has_key;
    uint8_t key[KEY_SIZE];
};

struct carrying {
    const struct restore_carry *carry;
    struct restore_report *report;
    struct committer *committer;
    struct registry *registry;
    struct submit *submits; /* TOGETHER: those that were handed in and are not answered */
    size_t count;
    int code; /* the first failure of a change set */
    char text[ERR_TEXT_MAX];
    struct fate *fates;
    size_t fate_count;
    size_t fate_capacity;
    char (*folders)[BACKUP_ITEM_MAX]; /* items of folders of backups */
    size_t folder_count;
    size_t folder_capacity;
};

int removal_list_add(void *context, const struct removal *removal, struct err *err)
{
    struct removal_list *list = context;
    struct removal *removals =
        array_reserve(list->removals, &list->capacity, list->count + 1, sizeof *removals);
    if (removals == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    list->removals = removals;
    list->removals[list->count++] = *removal;
    return 0;
}

void removal_list_free(struct removal_list *list)
{
    ASSERT(list != NULL);
    free(list->removals);
    *list = (struct removal_list){0};
}

/* --- the committer --- */

/* An item that lets somebody in. */
static bool is_right(struct span path)
{
    static const char *const kinds[] = {"token/", "@token/", "@account/"};
    bool right = false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t size = strlen(kinds[i]);
        right = right || (path.size > size && memcmp(path.data, kinds[i], size) == 0);
    }
    return right;
}

/* What is told twice, by the old journal and by the file, is done once, and counted once. */
static void count_done(struct restore_report *report, const struct submit *submit)
{
    bool person = submit->owner.kind == OWNER_USER || submit->owner.kind == OWNER_GROUP;
    bool removes = submit->kind == SUBMIT_WRITE && submit->writes[0].remove;
    report->owners += submit->kind == SUBMIT_DELETE && person ? 1 : 0;
    report->items += removes && submit->seq != 0 && is_right(submit->writes[0].path) ? 1 : 0;
}

static void on_device(void *context, uint64_t device)
{
    (void)context;
    (void)device;
}

static void on_changes(void *context, const struct change *changes, size_t count,
                       const struct journal_position *head)
{
    (void)context;
    (void)changes;
    (void)count;
    (void)head;
}

static void on_replies(void *context, const struct reply *replies, size_t count)
{
    struct carrying *carrying = context;
    for (size_t i = 0; i < count; i++) {
        struct submit *submit = &carrying->submits[replies[i].number];
        submit_finish(submit, &replies[i]);
        bool gone = submit->code == E_NOT_FOUND || submit->code == E_BAG_GONE;
        if (submit->code != 0 && !gone && carrying->code == 0) {
            carrying->code = submit->code;
            memcpy(carrying->text, submit->text, sizeof carrying->text);
        }
        if (submit->code == 0) {
            count_done(carrying->report, submit);
        }
    }
}

static int open_committer(struct carrying *carrying, struct err *err)
{
    const struct restore_carry *carry = carrying->carry;
    struct committer_options options = {
        .journal = carry->journal,
        .kv = carry->kv,
        .registry = carrying->registry,
        .limits = carry->settings->limits,
        .clock = &clock_system,
        .sink = {on_device, on_replies, on_changes, carrying},
    };
    int rc = committer_new(&carrying->committer, &options, err);
    return rc == 0 ? registry_load(carrying->registry, carry->kv,
                                   committer_server_bag(carrying->committer), err)
                   : rc;
}

/* All that was handed in is on disk, and answered. */
static int commit(struct carrying *carrying, struct err *err)
{
    while (committer_waiting(carrying->committer)) {
        committer_commit(carrying->committer);
        committer_deliver(carrying->committer);
    }
    carrying->count = 0;
    if (carrying->code != 0) {
        return err_set(err, carrying->code, "the restored data could not be written: %.300s",
                       carrying->text);
    }
    return committer_state(carrying->committer) == COMMITTER_RUNNING
               ? 0
               : err_set(err, E_IO, "the restored data could not be written: %.300s",
                         committer_state_text(carrying->committer));
}

/* What it points to must live until the next commit, which comes at once when `now`. */
static int hand_in(struct carrying *carrying, const struct submit *wanted, bool now,
                   struct err *err)
{
    struct submit *submit = &carrying->submits[carrying->count];
    *submit = *wanted;
    submit->actor = ACTOR;
    int rc = committer_submit(carrying->committer, submit, carrying, carrying->count++);
    if (rc != 0) {
        return err_set(err, rc, "the restored data: out of memory");
    }
    return now || carrying->count == TOGETHER ? commit(carrying, err) : 0;
}

static int write_item(struct carrying *carrying, struct span path, const struct buf *value,
                      struct err *err)
{
    struct operation_write write = {.path = path, .remove = value == NULL};
    if (value != NULL) {
        int rc = buf_error(value);
        write.value = buf_span(value);
        if (rc != 0) {
            return err_set(err, rc, "out of memory");
        }
    }
    const struct submit submit = {
        .kind = SUBMIT_WRITE, .owner = SERVER, .writes = &write, .write_count = 1};
    return hand_in(carrying, &submit, true, err);
}

/* --- what was removed --- */

/* Did it come after the backup? What an ancestor's line tells is in the backup, or was carried over
 * when that line was left. */
static bool is_newer(const struct carrying *carrying, const struct removal *removal)
{
    const struct manifest *manifest = carrying->carry->manifest;
    uint64_t shared = 0;
    if (memcmp(removal->history, manifest->history, HISTORY_SIZE) == 0) {
        return removal->seq > manifest->seq;
    }
    return journal_lineage(carrying->carry->journal, removal->history, &shared, NULL) != 0;
}

/* The same bag, and not another of its number in another history. */
static bool is_owner(const struct owner *owner, const char *text)
{
    char own[OWNER_TEXT_MAX];
    owner_format(owner, own);
    return text[0] == '\0' || strcmp(own, text) == 0;
}

static int carry_bag(struct carrying *carrying, const struct removal *removal, struct err *err)
{
    const struct restore_carry *carry = carrying->carry;
    struct bag_row bag = {0};
    struct err why = {0};
    if (removal->bag_id > carry->manifest->seq) {
        return 0; /* it was made after the backup */
    }
    int rc = kv_bag(carry->kv, NULL, removal->bag_id, &bag, &why);
    if (rc == E_NOT_FOUND || rc == E_BAG_GONE ||
        (rc == 0 && !is_owner(&bag.owner, removal->text))) {
        return 0;
    }
    const struct submit submit = {.kind = SUBMIT_DELETE, .owner = bag.owner};
    return rc == 0 ? hand_in(carrying, &submit, false, err) : err_set(err, rc, "%s", why.text);
}

static struct fate *find_fate(struct carrying *carrying, uint64_t device)
{
    for (size_t i = 0; i < carrying->fate_count; i++) {
        if (carrying->fates[i].device == device) {
            return &carrying->fates[i];
        }
    }
    struct fate *fates = array_reserve(carrying->fates, &carrying->fate_capacity,
                                       carrying->fate_count + 1, sizeof *fates);
    if (fates == NULL) {
        return NULL;
    }
    carrying->fates = fates;
    fates[carrying->fate_count] = (struct fate){.device = device};
    return &fates[carrying->fate_count++];
}

static int note_fate(struct carrying *carrying, const struct removal *removal, struct err *err)
{
    struct fate *fate = find_fate(carrying, removal->device);
    if (fate == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    fate->removed = removal->kind == REMOVAL_DEVICE;
    if (removal->kind == REMOVAL_KEY) {
        fate->has_key = true;
        memcpy(fate->key, removal->key, KEY_SIZE);
    }
    return 0;
}

/* The item of the server's bag as it was in the backup. E_NOT_FOUND. */
static int read_item(struct carrying *carrying, struct span path, struct kv_item *item,
                     struct err *err)
{
    int rc = kv_item(carrying->carry->kv, NULL, committer_server_bag(carrying->committer), path,
                     item, err);
    return rc == 0 && item->row.state != ITEM_LIVE ? E_NOT_FOUND : rc;
}

static int carry_fate(struct carrying *carrying, const struct fate *fate, struct err *err)
{
    char room[RECORD_PATH_MAX];
    struct span path = record_device_path(room, fate->device);
    struct device_record record = {0};
    struct kv_item item = {0};
    struct buf text;
    int rc = read_item(carrying, path, &item, err);
    bool there = rc == 0 && record_get_device(&record, path, item.row.value, NULL) == 0;
    bool removes = fate->removed && !record.removed;
    bool keys = fate->has_key && memcmp(record.key, fate->key, KEY_SIZE) != 0;
    kv_item_free(&item);
    if ((rc != 0 && rc != E_NOT_FOUND) || !there || (!removes && !keys)) {
        return rc == E_NOT_FOUND ? 0 : rc; /* it joined after the backup, or is so already */
    }
    record.removed = fate->removed;
    if (fate->has_key) {
        memcpy(record.key, fate->key, KEY_SIZE);
    }
    carrying->report->machines += removes ? 1 : 0;
    carrying->report->keys += keys && !fate->removed ? 1 : 0;
    buf_init(&text, RECORD_TEXT_MAX);
    record_put_device(&text, &record);
    rc = write_item(carrying, path, &text, err);
    buf_free(&text);
    return rc;
}

static int carry_item(struct carrying *carrying, const struct removal *removal, struct err *err)
{
    struct kv_item item = {0};
    if (!is_right(span_str(removal->text))) {
        return 0; /* none of what is ever told */
    }
    int rc = read_item(carrying, span_str(removal->text), &item, err);
    kv_item_free(&item);
    if (rc == 0) {
        rc = write_item(carrying, span_str(removal->text), NULL, err);
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int carry_one(struct carrying *carrying, const struct removal *removal, struct err *err)
{
    switch (removal->kind) {
    case REMOVAL_BAG:
        return carry_bag(carrying, removal, err);
    case REMOVAL_ITEM:
        return carry_item(carrying, removal, err);
    case REMOVAL_DEVICE:
    case REMOVAL_KEY:
        return note_fate(carrying, removal, err);
    case REMOVAL_THROUGH:
    case REMOVAL_GAP:
        break;
    }
    return 0;
}

static int carry_all(struct carrying *carrying, struct err *err)
{
    const struct removal_list *list = carrying->carry->removals;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        if (is_newer(carrying, &list->removals[i])) {
            rc = carry_one(carrying, &list->removals[i], err);
        }
    }
    for (size_t i = 0; rc == 0 && i < carrying->fate_count; i++) {
        rc = carry_fate(carrying, &carrying->fates[i], err);
    }
    return rc == 0 ? commit(carrying, err) : rc;
}

/* --- what the server notes of its backups --- */

static int note_folder(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)row;
    struct carrying *carrying = context;
    char(*folders)[BACKUP_ITEM_MAX] = array_reserve(carrying->folders, &carrying->folder_capacity,
                                                    carrying->folder_count + 1, sizeof *folders);
    if (folders == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    carrying->folders = folders;
    (void)snprintf(folders[carrying->folder_count++], BACKUP_ITEM_MAX, "%.*s", (int)path.size,
                   (const char *)path.data);
    return 0;
}

/* Another server, which this data is a copy of, may run and tell there what it removes. */
static int leave_folders(struct carrying *carrying, struct err *err)
{
    int rc = carrying->carry->keep_folders
                 ? 0
                 : rows_each(carrying->carry->kv, committer_server_bag(carrying->committer),
                             SPAN_LITERAL(BACKUP_ITEM_PREFIX), note_folder, carrying, err);
    for (size_t i = 0; rc == 0 && i < carrying->folder_count; i++) {
        rc = write_item(carrying, span_str(carrying->folders[i]), NULL, err);
    }
    carrying->report->folders_left = carrying->folder_count;
    return rc;
}

static int note_restored(struct carrying *carrying, struct err *err)
{
    const struct manifest *manifest = carrying->carry->manifest;
    struct restored_record record = {
        .backup_ms = manifest->time_ms,
        .parent_seq = manifest->seq,
        .restored_ms = clock_wall_ms(&clock_system),
        .unknown = !carrying->report->known,
        .known_to_ms = carrying->report->known_to_ms,
    };
    struct buf text;
    memcpy(record.parent, manifest->history, HISTORY_SIZE);
    (void)snprintf(record.backup, sizeof record.backup, "%s", carrying->carry->name);
    buf_init(&text, BACKUP_RECORD_MAX);
    restored_put(&text, &record);
    int rc = write_item(carrying, SPAN_LITERAL(RESTORED_ITEM), &text, err);
    buf_free(&text);
    return rc;
}

static int run(struct carrying *carrying, struct err *err)
{
    const struct submit fork = {.kind = SUBMIT_FORK};
    int rc = open_committer(carrying, err);
    if (rc == 0) {
        rc = hand_in(carrying, &fork, true, err);
    }
    if (rc == 0) {
        rc = carry_all(carrying, err);
    }
    if (rc == 0) {
        rc = leave_folders(carrying, err);
    }
    if (rc == 0) {
        rc = note_restored(carrying, err);
    }
    if (rc == 0) {
        committer_settle(carrying->committer);
        journal_history(carrying->carry->journal, carrying->report->history);
    }
    return rc;
}

int restore_carry(const struct restore_carry *carry, struct restore_report *report, struct err *err)
{
    ASSERT(carry != NULL && report != NULL);
    struct carrying carrying = {.carry = carry, .report = report};
    carrying.submits = calloc(TOGETHER, sizeof *carrying.submits);
    int rc = carrying.submits != NULL && registry_new(&carrying.registry) == 0
                 ? run(&carrying, err)
                 : err_set(err, E_NOMEM, "out of memory");
    committer_free(&carrying.committer);
    registry_free(&carrying.registry);
    free(carrying.submits);
    free(carrying.fates);
    free(carrying.folders);
    return rc;
}
