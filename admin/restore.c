/* admin/restore.c - the difference between a moment and now, written. */
#include "admin/restore.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/compare.h"
#include "journal/past.h"

/* Bags under a user's: their owners, to be restored after it. */
struct child {
    struct admin_past_bag then;
};

struct restore {
    const struct admin_restore_options *options;
    struct admin_restore_report *report;
    struct kv_view *view;
    uint64_t seq; /* the moment */
    struct child *children;
    size_t child_count;
    size_t child_capacity;
    /* The change set that is being filled. */
    struct operation_write *writes;
    size_t *paths_at; /* into `bytes`, which moves while it grows */
    size_t *values_at;
    size_t write_count;
    size_t weight;
    struct buf bytes;
    struct admin_restore_report pending; /* counts of this set */
};

/* --- change sets --- */

static int submit_set(struct restore *restore, const struct owner *owner, bool create,
                      struct err *err)
{
    const struct admin_backend *backend = restore->options->backend;
    for (size_t i = 0; i < restore->write_count; i++) {
        struct operation_write *write = &restore->writes[i];
        write->path = span_of(restore->bytes.data + restore->paths_at[i], write->path.size);
        write->value = span_of(restore->bytes.data + restore->values_at[i], write->value.size);
    }
    struct submit submit = {
        .kind = SUBMIT_WRITE,
        .create = create,
        .actor = restore->options->actor,
        .owner = *owner,
        .writes = restore->writes,
        .write_count = restore->write_count,
    };
    int rc = backend->submit(backend->context, &submit, 1, err);
    if (rc == 0 && submit.code == E_CONDITION) {
        return err_set(err, E_CONDITION, "%s, meanwhile: look again, and restore again",
                       submit.text);
    }
    if (rc == 0 && submit.code != 0) {
        return err_set(err, submit.code, "%s", submit.text);
    }
    if (rc == 0 && submit.seq != 0) {
        restore->report->last_seq = submit.seq;
    }
    return rc;
}

/* What was gathered is written, and counted. */
static int flush(struct restore *restore, const struct owner *owner, bool *create, struct err *err)
{
    struct admin_restore_report *report = restore->report;
    const struct admin_restore_report *pending = &restore->pending;
    if (restore->write_count == 0 && !*create) {
        return 0;
    }
    int rc = restore->options->dry_run ? 0 : submit_set(restore, owner, *create, err);
    if (rc == 0) {
        report->set += pending->set;
        report->changed += pending->changed;
        report->removed += pending->removed;
        report->bytes += pending->bytes;
        report->bags += *create;
        report->change_sets++;
    }
    *create = false;
    restore->write_count = 0;
    restore->weight = 0;
    restore->pending = (struct admin_restore_report){0};
    buf_reset(&restore->bytes);
    return rc;
}

static void count(struct admin_restore_report *pending, const struct admin_compare_row *row)
{
    pending->removed += row->difference == ADMIN_ADDED; /* since then: it goes again */
    pending->set += row->difference == ADMIN_REMOVED;
    pending->changed += row->difference == ADMIN_CHANGED;
    pending->bytes += row->from != NULL ? row->from->size : 0;
}

/* Makes `row->path` be what it was. The old value counts too: the journal keeps it. */
static int gather(struct restore *restore, const struct admin_compare_row *row, struct err *err)
{
    size_t at = restore->write_count++;
    struct span value = row->from != NULL ? row->from->value : span_of(NULL, 0);
    restore->paths_at[at] = restore->bytes.size;
    restore->values_at[at] = restore->bytes.size + row->path.size;
    restore->writes[at] = (struct operation_write){
        .path = row->path,
        .remove = row->from == NULL,
        .value = value,
        .has_if_seq = true,
        .if_seq = row->to != NULL ? row->to->seq : 0,
    };
    (void)buf_append_span(&restore->bytes, row->path);
    (void)buf_append_span(&restore->bytes, value);
    restore->weight += row->path.size + value.size + (row->to != NULL ? row->to->size : 0);
    count(&restore->pending, row);
    return buf_error(&restore->bytes) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* --- one bag --- */

static int open_side(const struct restore *restore, const struct admin_past_bag *bag, uint64_t seq,
                     struct admin_past **out, struct err *err)
{
    const struct admin_restore_options *options = restore->options;
    struct admin_past_options asked = {
        .backend = options->backend,
        .view = restore->view,
        .bag = bag,
        .seq = seq,
        .only = options->only,
        .values = true,
        .given_up = options->given_up,
    };
    return admin_past_open(out, &asked, err);
}

static size_t weight_of(const struct admin_compare_row *row)
{
    return row->path.size + (row->from != NULL ? row->from->size : 0) +
           (row->to != NULL ? row->to->size : 0);
}

static int write_differences(struct restore *restore, struct admin_compare *compare,
                             const struct owner *owner, bool create, struct err *err)
{
    struct admin_compare_row row;
    int rc = 0;
    while (rc == 0 && (rc = admin_compare_next(compare, &row, err)) == 0) {
        if (restore->write_count == ADMIN_RESTORE_WRITES ||
            (restore->write_count > 0 && restore->weight + weight_of(&row) > ADMIN_RESTORE_BYTES)) {
            rc = flush(restore, owner, &create, err);
        }
        rc = rc == 0 ? gather(restore, &row, err) : rc;
    }
    return rc == E_NOT_FOUND ? flush(restore, owner, &create, err) : rc;
}

/* To restore what was absent would be to remove it: that is nobody's wish. */
static int check_only(const struct restore *restore, struct admin_past *then, struct err *err)
{
    const struct admin_restore_options *options = restore->options;
    struct admin_past_item item;
    if (options->only.size == 0) {
        return 0;
    }
    int rc = admin_past_next(then, &item, err);
    admin_past_seek(then, span_of(NULL, 0));
    return rc == E_NOT_FOUND ? err_set(err, rc, "after change %" PRIu64 " '%s' had no item '%.*s'",
                                       restore->seq, options->owner.shown, (int)options->only.size,
                                       (const char *)options->only.data)
                             : rc;
}

/* `now` may be a bag that does not exist. */
static int restore_bag(struct restore *restore, const struct admin_past_bag *then,
                       const struct admin_past_bag *now, struct err *err)
{
    struct admin_compare compare = {0};
    int rc = open_side(restore, then, restore->seq, &compare.from, err);
    if (rc == 0) {
        rc = check_only(restore, compare.from, err);
    }
    if (rc == 0 && now->row.exists) {
        rc = open_side(restore, now, ADMIN_PAST_NOW, &compare.to, err);
    }
    if (rc == 0) {
        rc = write_differences(restore, &compare, &then->row.owner, !now->row.exists, err);
    }
    admin_compare_close(&compare);
    return rc;
}

static int find_now(const struct restore *restore, const struct owner *owner,
                    struct admin_past_bag *now, struct err *err)
{
    int rc = kv_bag_of(restore->options->backend->kv, restore->view, owner, &now->row, err);
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* --- the bags under a user's --- */

static int keep_child(void *context, const struct admin_past_bag *bag, struct err *err)
{
    struct restore *restore = context;
    if (restore->child_count == restore->child_capacity) {
        size_t capacity = restore->child_capacity > 0 ? 2 * restore->child_capacity : 8;
        struct child *children = realloc(restore->children, capacity * sizeof *children);
        if (children == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        restore->children = children;
        restore->child_capacity = capacity;
    }
    restore->children[restore->child_count++].then = *bag;
    return 0;
}

static int restore_children(struct restore *restore, const struct admin_past_bag *parent,
                            struct err *err)
{
    int rc = admin_past_children(restore->options->backend, restore->view, &parent->row,
                                 restore->seq, keep_child, restore, err);
    for (size_t i = 0; i < restore->child_count && rc == 0; i++) {
        const struct admin_past_bag *then = &restore->children[i].then;
        struct admin_past_bag now = {0};
        rc = find_now(restore, &then->row.owner, &now, err);
        rc = rc == 0 ? restore_bag(restore, then, &now, err) : rc;
    }
    return rc;
}

/* --- which moment --- */

/* The bags of a user are deleted in one change set, the user's own last: the moment is before its
 * first change. */
static int see_grave(void *context, const struct kv_grave *grave, struct err *err)
{
    (void)err;
    uint64_t *first = context;
    *first = grave->last_seq < *first ? grave->last_seq : *first;
    return 0;
}

static int before_deletion(struct restore *restore, struct admin_past_bag *then, struct err *err)
{
    const struct admin_restore_options *options = restore->options;
    int rc = admin_past_deleted(options->backend, restore->view, &options->owner, ADMIN_PAST_NOW,
                                then, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t first = then->deleted_seq;
    if (options->owner.kind == OWNER_USER) {
        rc = kv_graves_under(options->backend->kv, restore->view, &options->owner, then->row.bag_id,
                             see_grave, &first, err);
    }
    restore->seq = first - 1;
    return rc;
}

/* The last change up to which the item was there: it is absent now. */
static int before_removal(struct restore *restore, const struct bag_row *bag, struct err *err)
{
    const struct admin_restore_options *options = restore->options;
    struct past *chain = NULL;
    struct change change;
    int rc = past_open(&chain, options->backend->journal, bag->last_seq, err);
    for (uint64_t steps = 0; rc == 0 && steps < ADMIN_PAST_CHANGES_MAX; steps++) {
        if (options->given_up != NULL && atomic_load(options->given_up)) {
            rc = err_set(err, E_CLOSED, "nobody waits for the answer any more");
            break;
        }
        rc = past_next(chain, &change, err);
        if (rc == 0 && change.kind == CHANGE_ITEM_REMOVE && change.has_old &&
            span_equal(change.path, options->only)) {
            restore->seq = change.seq - 1;
            break;
        }
    }
    past_close(&chain);
    if (rc == 0 && restore->seq == ADMIN_PAST_NOW) {
        return err_set(err, E_TOO_LARGE,
                       "it was not removed within the last %d changes of '%s': say to which moment "
                       "it is to go back",
                       (int)ADMIN_PAST_CHANGES_MAX, options->owner.shown);
    }
    return rc == E_NOT_FOUND ? err_set(err, rc, "'%s' never had an item '%.*s' that was removed",
                                       options->owner.shown, (int)options->only.size,
                                       (const char *)options->only.data)
                             : rc;
}

/* One item of a bag that exists, without a moment: it has to be absent, by a removal or a fence. */
static int before_loss(struct restore *restore, const struct admin_past_bag *now, struct err *err)
{
    const struct admin_restore_options *options = restore->options;
    struct admin_past_options asked = {.backend = options->backend,
                                       .view = restore->view,
                                       .bag = now,
                                       .seq = ADMIN_PAST_NOW,
                                       .only = options->only,
                                       .hidden = true,
                                       .given_up = options->given_up};
    struct admin_past *past = NULL;
    struct admin_past_item item;
    int rc = admin_past_open(&past, &asked, err);
    if (rc == 0) {
        rc = admin_past_next(past, &item, err);
    }
    if (rc == 0 && item.hidden) {
        restore->seq = item.seq; /* when it was written, no fence hid it yet */
    } else if (rc == 0) {
        rc = err_set(err, E_EXISTS,
                     "'%s' has an item '%.*s', at seq %" PRIu64
                     ": say to which moment it is to go back (its history tells)",
                     options->owner.shown, (int)options->only.size,
                     (const char *)options->only.data, item.seq);
    } else if (rc == E_NOT_FOUND) {
        rc = before_removal(restore, &now->row, err);
    }
    admin_past_close(&past);
    return rc;
}

static int find_then(struct restore *restore, const struct admin_past_bag *now,
                     struct admin_past_bag *then, struct err *err)
{
    const struct admin_restore_options *options = restore->options;
    restore->seq = options->seq;
    if (options->seq != ADMIN_PAST_NOW) {
        return admin_past_bag(options->backend, restore->view, &options->owner, options->seq, then,
                              err);
    }
    if (!now->row.exists) {
        return before_deletion(restore, then, err);
    }
    if (options->only.size == 0) {
        return err_set(err, E_EXISTS,
                       "'%s' is not deleted: say to which moment it is to go back (its history "
                       "tells)",
                       options->owner.shown);
    }
    *then = *now;
    return before_loss(restore, now, err);
}

/* --- all of it --- */

static int run(struct restore *restore, struct err *err)
{
    const struct admin_restore_options *options = restore->options;
    struct admin_past_bag now = {0};
    struct admin_past_bag then = {0};
    int rc = kv_view_new(&restore->view, options->backend->kv, err);
    if (rc == 0) {
        rc = find_now(restore, &options->owner, &now, err);
    }
    if (rc == 0) {
        rc = find_then(restore, &now, &then, err);
    }
    restore->report->seq = restore->seq;
    if (rc == 0) {
        rc = restore_bag(restore, &then, &now, err);
    }
    bool user = options->owner.kind == OWNER_USER && options->only.size == 0;
    return rc == 0 && user ? restore_children(restore, &then, err) : rc;
}

int admin_restore(const struct admin_restore_options *options, struct admin_restore_report *report,
                  struct err *err)
{
    ASSERT(options != NULL && options->backend != NULL && report != NULL);
    struct restore restore = {.options = options, .report = report};
    *report = (struct admin_restore_report){0};
    buf_init(&restore.bytes, ADMIN_RESTORE_BYTES + 2 * (VALUE_MAX_BYTES + PATH_MAX_BYTES));
    restore.writes = calloc(ADMIN_RESTORE_WRITES, sizeof *restore.writes);
    restore.paths_at = calloc(ADMIN_RESTORE_WRITES, sizeof *restore.paths_at);
    restore.values_at = calloc(ADMIN_RESTORE_WRITES, sizeof *restore.values_at);
    int rc = restore.writes != NULL && restore.paths_at != NULL && restore.values_at != NULL
                 ? run(&restore, err)
                 : err_set(err, E_NOMEM, "out of memory");
    kv_view_free(&restore.view);
    buf_free(&restore.bytes);
    free(restore.children);
    free(restore.writes);
    free(restore.paths_at);
    free(restore.values_at);
    return rc;
}
