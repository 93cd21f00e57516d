/* client/kb_import_machine.c - a file of a machine: what differs from what is here is written anew.
 *
 * Each write goes the way of every other: durable in the outbox, visible at once, sent when it can
 * be. Ended in the middle, the rest is written by importing the file again: what is here already is
 * not written twice.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/kb_files.h"

enum { WRITES_MAX = 1000, BYTES_MAX = 1 << 20 }; /* of one change set */

struct rewriting {
    struct client_import *import;
    uint64_t device;
    bool skip;                         /* the bag at hand */
    struct owner owner;                /* whose bag is written to */
    char bag[OWNER_TEXT_MAX];          /* the same as text */
    enum owner_kind kind;              /* of the bag in the file */
    const struct replica_rules *rules; /* NULL: there are none */
    struct kb_write *writes;           /* paths and values are their own */
    size_t count, capacity, bytes;
};

/* --- what waits to be written --- */

static void forget(struct rewriting *rewriting)
{
    for (size_t i = 0; i < rewriting->count; i++) {
        free((void *)(uintptr_t)rewriting->writes[i].item);
        free((void *)(uintptr_t)rewriting->writes[i].bytes);
    }
    rewriting->count = 0;
    rewriting->bytes = 0;
}

static int flush(struct rewriting *rewriting, struct err *err)
{
    struct kb_error error = {0};
    if (rewriting->count == 0) {
        return 0;
    }
    int rc = rewriting->import->dry_run
                 ? 0
                 : kb_apply(rewriting->import->kb, rewriting->bag, rewriting->writes,
                            rewriting->count, NULL, NULL, &error);
    if (rc != 0) {
        return err_set(err, rc, "%.120s: %.200s (items written before: %llu)", rewriting->bag,
                       error.text, (unsigned long long)rewriting->import->report->items_taken);
    }
    rewriting->import->report->items_taken += rewriting->count;
    forget(rewriting);
    return 0;
}

static int add(struct rewriting *rewriting, const struct snapshot_record *record, struct err *err)
{
    struct span value = record->row.value;
    struct kb_write *writes = array_reserve(rewriting->writes, &rewriting->capacity,
                                            rewriting->count + 1, sizeof *writes);
    if (writes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    rewriting->writes = writes;
    struct kb_write *write = &writes[rewriting->count];
    *write = (struct kb_write){.size = value.size, .remove = record->row.state != ITEM_LIVE};
    char *path = span_dup(record->path);
    char *bytes = span_dup(value);
    if (path == NULL || bytes == NULL) {
        free(path);
        free(bytes);
        return err_set(err, E_NOMEM, "out of memory");
    }
    write->item = path;
    write->bytes = bytes;
    rewriting->count++;
    rewriting->bytes += record->path.size + value.size;
    bool full = rewriting->count == WRITES_MAX || rewriting->bytes >= BYTES_MAX;
    return full ? flush(rewriting, err) : 0;
}

/* --- whose bag --- */

/* A machine that stands alone registers people itself; on another one somebody signs in first. */
static int find_or_make(struct rewriting *rewriting, struct err *err)
{
    struct kb *kb = rewriting->import->kb;
    struct replica_bag bag;
    struct kb_error error = {0};
    bool alone = !client_joined(kb);
    int rc = replica_bag_by_owner(kb->replica, &rewriting->owner, &bag, NULL);
    if (rc == 0 && bag.keep) {
        return 0;
    }
    if (rc != 0 && rc != E_NOT_FOUND) {
        return err_set(err, rc, "the bag of '%.150s' can't be read", rewriting->owner.shown);
    }
    rewriting->skip = !alone || rewriting->owner.kind != OWNER_USER;
    if (rewriting->skip || rewriting->import->dry_run) {
        return 0;
    }
    rc = kb_login(kb, rewriting->owner.shown, NULL, 0, &error);
    return rc == 0 ? 0 : err_set(err, rc, "%s", error.text);
}

/* Of a user's bag on a machine, the machine's own: it is written to as the user's. */
static int begin_bag(struct rewriting *rewriting, const struct snapshot_bag *bag, struct err *err)
{
    bool theirs = bag->owner.kind == OWNER_USER || bag->owner.kind == OWNER_GROUP;
    bool own = bag->owner.kind == OWNER_USER_DEVICE && bag->owner.device == rewriting->device;
    rewriting->skip = !theirs && !own;
    if (!rewriting->skip) {
        rewriting->kind = bag->owner.kind;
        rewriting->owner = bag->owner;
        if (own) {
            rewriting->owner.kind = OWNER_USER;
            rewriting->owner.device = 0;
        }
        owner_format(&rewriting->owner, rewriting->bag);
        int rc = find_or_make(rewriting, err);
        if (rc != 0) {
            return rc;
        }
    }
    struct kb_import_report *report = rewriting->import->report;
    report->skipped += rewriting->skip ? 1 : 0;
    report->taken += rewriting->skip ? 0 : 1;
    report->users += !rewriting->skip && rewriting->kind == OWNER_USER ? 1 : 0;
    return 0;
}

/* --- items --- */

/* A value of one layer does not become one of the other by being brought back. */
static bool is_of_its_layer(const struct rewriting *rewriting, struct span path)
{
    if (rewriting->kind == OWNER_GROUP) {
        return true;
    }
    bool device = client_is_device_specific((void *)(uintptr_t)rewriting->rules, path);
    return device == (rewriting->kind == OWNER_USER_DEVICE);
}

static int is_here(struct rewriting *rewriting, const struct snapshot_record *record, bool *here,
                   struct err *err)
{
    struct buf value;
    struct item_row row;
    bool pending = false;
    bool live = record->row.state == ITEM_LIVE;
    buf_init(&value, VALUE_MAX_BYTES + 1);
    int rc = client_read(rewriting->import->kb, &rewriting->owner, record->path, &value, &row,
                         &pending, err);
    *here = rc == 0 ? live && span_equal(buf_span(&value), record->row.value) : !live;
    buf_free(&value);
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int take_item(struct rewriting *rewriting, const struct snapshot_record *record,
                     struct err *err)
{
    bool here = false;
    if (path_reserved(record->path) || !is_of_its_layer(rewriting, record->path)) {
        return 0; /* the server's own; or it would change what others see */
    }
    int rc = is_here(rewriting, record, &here, err);
    if (rc == 0 && here) {
        rewriting->import->report->same++;
        return 0;
    }
    return rc != 0 ? rc : add(rewriting, record, err);
}

static int take_all(struct rewriting *rewriting, struct err *err)
{
    struct snapshot_record record = {.type = SNAPSHOT_BAG};
    int rc = 0;
    while (rc == 0) {
        rc = snapshot_next(rewriting->import->reader, &record, err);
        if (rc != 0 || record.type == SNAPSHOT_END) {
            return rc;
        }
        if (record.type == SNAPSHOT_BAG) {
            rc = begin_bag(rewriting, record.bag, err);
        } else if (record.type == SNAPSHOT_ITEM && !rewriting->skip) {
            rc = take_item(rewriting, &record, err);
        } else if (record.type == SNAPSHOT_BAG_END) {
            rc = flush(rewriting, err);
        }
    }
    return rc;
}

int client_import_machine(struct client_import *import, struct err *err)
{
    struct kb *kb = import->kb;
    struct rewriting rewriting = {.import = import, .device = client_device(kb)};
    client_tell_damage(kb, replica_rules_take(kb->replica, &rewriting.rules, NULL));
    int rc = take_all(&rewriting, err);
    replica_rules_put_back(kb->replica, &rewriting.rules);
    forget(&rewriting);
    free(rewriting.writes);
    return rc;
}
