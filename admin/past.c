/* admin/past.c - two sorted rows merged: what lies there, and what was changed since. */
#include "admin/past.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/past_undo.h"
#include "journal/past.h"

enum {
    LOOK_BYTES = 256 << 10, /* of rows read at once; one more may exceed it */
    PATIENCE = 1024,        /* changes between two looks whether anybody still waits */
};

/* A row as it lies there; path and value are in the page's buffer. */
struct row_copy {
    size_t path_at;
    size_t path_size;
    struct item_row row;
    size_t value_at;
    size_t value_size;
};

struct admin_past {
    struct admin_past_options options;
    uint64_t bag_id;
    enum owner_kind kind;
    bool rows_there; /* today's, or those that a deletion left */
    bool rows_void;
    struct fences fences; /* as of the moment */
    struct past_undo undo;
    size_t undo_at;
    /* The page of rows at hand. */
    struct row_copy *rows;
    size_t row_count;
    size_t row_capacity;
    size_t row_at;
    struct buf bytes;
    struct buf next; /* the path to go on behind */
    bool end;
    /* Values, and when they were written: two places of the journal. */
    struct past *holders;
    struct past *versions;
};

/* --- what was changed since --- */

static int too_old(const struct admin_past *past, struct err *err)
{
    uint64_t floor = journal_floor(past->options.backend->journal);
    return err_set(err, E_TOO_OLD,
                   "what was there after change %" PRIu64 " is not known any more: the journal "
                   "begins with change %" PRIu64,
                   past->options.seq, floor);
}

static bool is_given_up(const struct admin_past *past)
{
    return past->options.given_up != NULL && atomic_load(past->options.given_up);
}

static int undo_change(struct admin_past *past, const struct change *change, struct err *err)
{
    if (change->bag_id != past->bag_id) {
        return err_set(err, E_CORRUPT, "change %" PRIu64 " is not of bag %" PRIu64, change->seq,
                       past->bag_id);
    }
    bool wanted = past->options.only.size == 0 || span_equal(change->path, past->options.only);
    return wanted ? past_undo_add(&past->undo, change, err) : 0;
}

/* From the newest change back to the moment; to the bag's first when there are no rows to take
 * away from. */
static int walk(struct admin_past *past, uint64_t newest, struct err *err)
{
    uint64_t to = past->rows_there ? past->options.seq : 0;
    struct past *chain = NULL;
    struct change change;
    int rc = past_open(&chain, past->options.backend->journal, newest, err);
    uint64_t at = newest;
    for (uint64_t steps = 0; rc == 0 && at > to; steps++) {
        if (steps % PATIENCE == 0 && is_given_up(past)) {
            rc = err_set(err, E_CLOSED, "nobody waits for the answer any more");
        } else if (steps == ADMIN_PAST_CHANGES_MAX) {
            rc = err_set(err, E_TOO_LARGE,
                         "more than %d changes were made since then: ask for a later moment",
                         (int)ADMIN_PAST_CHANGES_MAX);
        } else {
            rc = past_next(chain, &change, err);
            rc = rc == E_TOO_OLD ? too_old(past, err) : rc;
        }
        if (rc == 0) {
            rc = undo_change(past, &change, err);
            at = change.prev;
        }
    }
    past_close(&chain);
    return rc == 0 ? past_undo_finish(&past->undo, err) : rc;
}

/* --- the fences of the moment --- */

static int put_fences(struct admin_past *past, struct admin_past *fleet, struct err *err)
{
    struct admin_past_item item;
    int rc;
    admin_past_seek(fleet, SPAN_LITERAL("@fence."));
    while ((rc = admin_past_next(fleet, &item, err)) == 0 && fence_path_is(item.path)) {
        rc = fences_put(&past->fences, item.path, item.seq, item.value, err);
        if (rc != 0) {
            return rc;
        }
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int load_fences(struct admin_past *past, struct err *err)
{
    const struct admin_past_options *options = &past->options;
    struct owner owner = {.kind = OWNER_FLEET};
    struct admin_past_bag bag = {0};
    struct admin_past *fleet = NULL;
    if (past->kind != OWNER_USER && past->kind != OWNER_USER_DEVICE) {
        return 0; /* no fence hides anything of others */
    }
    int rc = kv_bag_of(options->backend->kv, options->view, &owner, &bag.row, err);
    if (rc != 0 || bag.row.bag_id > options->seq) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    struct admin_past_options asked = *options;
    asked.bag = &bag;
    asked.only = span_of(NULL, 0);
    asked.values = true;
    asked.about = false;
    rc = admin_past_open(&fleet, &asked, err);
    if (rc == 0) {
        rc = put_fences(past, fleet, err);
    }
    admin_past_close(&fleet);
    return rc;
}

/* --- opening --- */

static int prepare(struct admin_past *past, const struct admin_past_bag *bag, struct err *err)
{
    struct journal *journal = past->options.backend->journal;
    int rc = past_open(&past->holders, journal, 0, err);
    if (rc == 0) {
        rc = past_open(&past->versions, journal, 0, err);
    }
    if (rc == 0) {
        rc = walk(past, bag->row.last_seq, err);
    }
    return rc == 0 ? load_fences(past, err) : rc;
}

int admin_past_open(struct admin_past **out, const struct admin_past_options *options,
                    struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->backend != NULL);
    ASSERT(options->view != NULL && options->bag != NULL);
    struct admin_past *past = calloc(1, sizeof *past);
    if (past == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    past->options = *options;
    past->options.bag = NULL;
    past->bag_id = options->bag->row.bag_id;
    past->kind = options->bag->row.owner.kind;
    past->rows_void = options->bag->deleted;
    past->rows_there = !options->bag->deleted || options->bag->whole;
    past->end = !past->rows_there;
    past_undo_init(&past->undo, options->seq);
    buf_init(&past->bytes, SIZE_MAX / 2);
    buf_init(&past->next, PATH_MAX_BYTES);
    int rc = prepare(past, options->bag, err);
    if (rc != 0) {
        admin_past_close(&past);
        return rc;
    }
    *out = past;
    return 0;
}

void admin_past_close(struct admin_past **past)
{
    if (past == NULL || *past == NULL) {
        return;
    }
    past_close(&(*past)->holders);
    past_close(&(*past)->versions);
    past_undo_free(&(*past)->undo);
    fences_free(&(*past)->fences);
    buf_free(&(*past)->bytes);
    buf_free(&(*past)->next);
    free((*past)->rows);
    free(*past);
    *past = NULL;
}

void admin_past_seek(struct admin_past *past, struct span after)
{
    ASSERT(past != NULL && after.size <= PATH_MAX_BYTES);
    buf_reset(&past->next);
    (void)buf_append_span(&past->next, after); /* its maximum is a path's */
    past->row_count = 0;
    past->row_at = 0;
    past->end = !past->rows_there;
    past->undo_at = past_undo_behind(&past->undo, after);
}

/* --- the rows that lie there --- */

static int copy_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct admin_past *past = context;
    if (row->state != ITEM_LIVE) {
        return 0;
    }
    if (past->row_count == past->row_capacity) {
        size_t capacity = past->row_capacity > 0 ? 2 * past->row_capacity : 64;
        struct row_copy *rows = realloc(past->rows, capacity * sizeof *rows);
        if (rows == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        past->rows = rows;
        past->row_capacity = capacity;
    }
    struct row_copy *copy = &past->rows[past->row_count];
    *copy = (struct row_copy){.path_at = past->bytes.size,
                              .path_size = path.size,
                              .row = *row,
                              .value_at = past->bytes.size + path.size,
                              .value_size = row->value.size};
    (void)buf_append_span(&past->bytes, path);
    if (past->options.values) {
        (void)buf_append_span(&past->bytes, row->value);
    }
    past->row_count += buf_error(&past->bytes) == 0;
    return buf_error(&past->bytes) == 0 ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* The next page that has a row, or the end. */
static int read_rows(struct admin_past *past, struct err *err)
{
    struct kv *kv = past->options.backend->kv;
    char from[PATH_MAX_BYTES];
    int rc = 0;
    past->row_at = 0;
    past->row_count = 0;
    while (past->row_count == 0 && !past->end && rc == 0) {
        size_t size = past->next.size;
        memcpy(from, size > 0 ? (const char *)past->next.data : "", size);
        struct kv_page page = {.bag_id = past->bag_id,
                               .after = span_of(from, size),
                               .prefix = past->options.only,
                               .budget_bytes = LOOK_BYTES};
        buf_reset(&past->bytes);
        rc = is_given_up(past) ? err_set(err, E_CLOSED, "nobody waits for the answer any more")
             : past->rows_void ? kv_void_page(kv, past->options.view, &page, copy_row, past,
                                              &past->next, &past->end, err)
                               : kv_page(kv, past->options.view, &page, copy_row, past, &past->next,
                                         &past->end, err);
    }
    return rc;
}

static struct span row_path(const struct admin_past *past, const struct row_copy *row)
{
    return span_of(past->bytes.data + row->path_at, row->path_size);
}

static void take_row(const struct admin_past *past, const struct row_copy *row,
                     struct admin_past_item *out)
{
    *out = (struct admin_past_item){
        .path = row_path(past, row),
        .size = row->value_size,
        .seq = row->row.seq,
        .time_ms = row->row.time_ms,
        .origin = row->row.origin,
        .conflict = row->row.conflict,
    };
    if (past->options.values) {
        out->value = span_of(past->bytes.data + row->value_at, row->value_size);
    }
}

/* --- what was changed --- */

static int read_value(struct admin_past *past, const struct past_undo_entry *entry,
                      struct admin_past_item *out, struct err *err)
{
    struct change change;
    past_seek(past->holders, entry->holder);
    int rc = past_next(past->holders, &change, err);
    if (rc != 0) {
        return rc == E_TOO_OLD ? too_old(past, err) : rc;
    }
    struct span value = entry->from_old ? change.old_value : change.value;
    out->value = span_of(value.size > 0 ? value.data : (const uint8_t *)"", value.size);
    return 0;
}

/* When and where it was written stands in its own change, which may be gone. */
static int read_about(struct admin_past *past, const struct past_undo_entry *entry,
                      struct admin_past_item *out, struct err *err)
{
    struct change change;
    past_seek(past->versions, entry->seq);
    int rc = past_next(past->versions, &change, err);
    if (rc == 0) {
        out->time_ms = change.time_ms;
        out->origin = change.origin;
        out->conflict = change.conflict;
    }
    return rc == E_TOO_OLD ? 0 : rc;
}

static int take_entry(struct admin_past *past, const struct past_undo_entry *entry,
                      struct admin_past_item *out, struct err *err)
{
    *out = (struct admin_past_item){
        .path = past_undo_path(&past->undo, entry), .size = entry->size, .seq = entry->seq};
    int rc = past->options.values ? read_value(past, entry, out, err) : 0;
    return rc == 0 && past->options.about ? read_about(past, entry, out, err) : rc;
}

/* --- both --- */

/* The next one in order: 1 when it was live at the moment and is in `out`, 0 when it was not. */
static int step(struct admin_past *past, struct admin_past_item *out, struct err *err)
{
    const struct row_copy *row = NULL;
    const struct past_undo_entry *entry = NULL;
    int rc = past->row_at == past->row_count ? read_rows(past, err) : 0;
    if (rc != 0) {
        return rc;
    }
    if (past->row_at < past->row_count) {
        row = &past->rows[past->row_at];
    }
    if (past->undo_at < past->undo.count) {
        entry = &past->undo.entries[past->undo_at];
    }
    if (row == NULL && entry == NULL) {
        return E_NOT_FOUND;
    }
    int order = row == NULL ? 1
                : entry == NULL
                    ? -1
                    : span_compare(row_path(past, row), past_undo_path(&past->undo, entry));
    past->row_at += order <= 0;
    past->undo_at += order >= 0;
    if (order < 0) {
        take_row(past, row, out);
        return 1;
    }
    if (!entry->live) {
        return 0;
    }
    rc = take_entry(past, entry, out, err);
    return rc == 0 ? 1 : rc;
}

int admin_past_next(struct admin_past *past, struct admin_past_item *out, struct err *err)
{
    ASSERT(past != NULL && out != NULL);
    struct span only = past->options.only;
    for (;;) {
        int rc = step(past, out, err);
        if (rc < 0) {
            return rc;
        }
        if (rc == 0 || (only.size > 0 && !span_equal(out->path, only))) {
            continue;
        }
        out->hidden = out->seq < fences_position(&past->fences, past->kind, out->path);
        if (!out->hidden || past->options.hidden) {
            return 0;
        }
    }
}
