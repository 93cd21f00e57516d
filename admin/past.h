/* admin/past.h - what a bag holds now, or held after any change of the past, item by item.
 *
 * Today's rows are taken, and what was changed since is undone step by step along the chain of the
 * bag's changes. Of a deleted bag the rows are those that its deletion left lying; when these are
 * gone too, the bag is put together from its changes alone, if the journal holds all of them.
 * Items that a fence hid at that moment are absent.
 *
 * Keeps true: what is told is of one moment, the view's or the one asked for. Memory is bounded by
 * the limits below, whatever the bag's size: values are read when they are told.
 *
 * One owner; reads only; blocks on the disk.
 */
#ifndef KITBAG_ADMIN_PAST_H
#define KITBAG_ADMIN_PAST_H

#include <stdatomic.h>

#include "admin/backend.h"

enum {
    ADMIN_PAST_ITEMS_MAX = 200000,    /* that were changed since the moment */
    ADMIN_PAST_CHANGES_MAX = 1000000, /* that are undone */
};

#define ADMIN_PAST_NOW UINT64_MAX /* as a seq: the view's own moment */

/* A bag as of a moment. `row.items`, `row.bytes` are of the newest state, not of that moment. */
struct admin_past_bag {
    struct bag_row row;   /* of a deleted bag last_seq is that of its deletion */
    bool deleted;         /* since then */
    bool whole;           /* of a deleted one: its rows still lie there */
    uint64_t deleted_seq; /* 0: it was not */
};

/* The bag that an owner had after change `seq`. E_NOT_FOUND with a sentence that tells when there
 * was one; E_TOO_OLD: that is no longer known. `view` must be given. */
MUST_CHECK int admin_past_bag(const struct admin_backend *backend, struct kv_view *view,
                              const struct owner *owner, uint64_t seq, struct admin_past_bag *out,
                              struct err *err);
/* The owner's last bag that was deleted, of those that began at or before change `seq`;
 * E_NOT_FOUND. */
MUST_CHECK int admin_past_deleted(const struct admin_backend *backend, struct kv_view *view,
                                  const struct owner *owner, uint64_t seq,
                                  struct admin_past_bag *out, struct err *err);
/* The device-specific bags that a user's bag had after change `seq`. `each` returning non-zero
 * stops and is returned. */
typedef int admin_past_bag_fn(void *context, const struct admin_past_bag *bag, struct err *err);
MUST_CHECK int admin_past_children(const struct admin_backend *backend, struct kv_view *view,
                                   const struct bag_row *user, uint64_t seq,
                                   admin_past_bag_fn *each, void *context, struct err *err);

struct admin_past_options {
    const struct admin_backend *backend;
    struct kv_view *view;             /* borrowed for life */
    const struct admin_past_bag *bag; /* borrowed during the call */
    uint64_t seq;
    struct span only;            /* one item alone; empty: all. Borrowed for life */
    bool values;                 /* tell them */
    bool about;                  /* tell when and where from, also when that has to be looked up */
    bool hidden;                 /* tell what fences hide, too */
    const atomic_bool *given_up; /* NULL: nobody will */
};

struct admin_past;

/* E_TOO_OLD: the journal does not reach back so far; E_TOO_LARGE: more than the limits allow;
 * E_CLOSED: given up; and what reading state and journal may return. */
MUST_CHECK int admin_past_open(struct admin_past **out, const struct admin_past_options *options,
                               struct err *err);
void admin_past_close(struct admin_past **past);

struct admin_past_item {
    struct span path;  /* borrowed until the next call, as the value is */
    struct span value; /* with `values`; else its data is NULL */
    size_t size;       /* of the value */
    uint64_t seq;      /* of the change that wrote it */
    uint64_t time_ms;  /* 0: not known (any more) */
    uint64_t origin;   /* the device; 0: an administrator, or not known */
    bool conflict;     /* it overwrote what its writer had not seen */
    bool hidden;       /* by a fence */
};
/* In order of paths. E_NOT_FOUND behind the last; E_TOO_OLD when the journal let go of what is
 * needed just now. */
MUST_CHECK int admin_past_next(struct admin_past *past, struct admin_past_item *out,
                               struct err *err);
/* Go on behind this path (empty: from the start). */
void admin_past_seek(struct admin_past *past, struct span after);

#endif
