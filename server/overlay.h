/* server/overlay.h - the state as it will be: kv/ and, over it, all changes that it may lack.
 *
 * What is looked up is read from kv/ once and kept; what is planned is changed here by the apply
 * rule (journal/apply.h), so every operation sees all that were accepted before it: those of the
 * open batch, and those that were committed and wait to be applied.
 *
 * Rows are kept in two eras. What is used is in the young one; when that has grown large, it
 * becomes the old one, and what the old one still held is forgotten, for by then kv/ has it. So
 * memory is bounded, rows that are used often are never read again, and nothing is forgotten that
 * kv/ lacks.
 *
 * The memory of rows, and of what changes point to (overlay_arena), is an era's: a batch holds the
 * era in which it was made until nobody needs its changes. Owned by the committer's thread.
 */
#ifndef KITBAG_SERVER_OVERLAY_H
#define KITBAG_SERVER_OVERLAY_H

#include "kv/kv.h"
#include "server/eras.h"
#include "server/undo.h"

enum { OVERLAY_ERA_BYTES = 8 << 20 }; /* an era that has grown to this is full */

struct overlay_bag;
struct overlay_item;
struct overlay_writer;

/* Born zeroed, then overlay_open. */
struct overlay {
    struct kv *kv; /* borrowed */
    struct eras eras;
    /* Of the young era, those that were looked at last: one operation asks several times. */
    struct overlay_bag *last_bag;
    struct overlay_item *last_item;
    struct overlay_writer *last_writer;
    struct undo undo; /* since overlay_begin */
};

MUST_CHECK int overlay_open(struct overlay *overlay, struct kv *kv); /* E_NOMEM */
/* Nobody holds an era any more. */
void overlay_free(struct overlay *overlay);
/* Forget all rows; from now on over this kv. What changes point to stays. */
void overlay_reset(struct overlay *overlay, struct kv *kv);

/* Memory that lives as long as the young era, or as somebody holds it. */
struct arena *overlay_arena(struct overlay *overlay);

/* Is it time for overlay_turn? */
bool overlay_is_full(const struct overlay *overlay);
/* Every change of the old era is up to this seq. */
uint64_t overlay_old_seq(const struct overlay *overlay);
/* The old era is forgotten, the young one is the old, and a new one begins; between batches only,
 * when kv/ has all changes up to overlay_old_seq. Without memory for it nothing happens. */
void overlay_turn(struct overlay *overlay);

/* As the functions of kv/ (kv_bag, ...), and E_NOMEM. `out` of items is borrowed from the era. */
MUST_CHECK int overlay_bag(struct overlay *overlay, uint64_t bag_id, struct bag_row *out,
                           struct err *err);
MUST_CHECK int overlay_bag_of(struct overlay *overlay, const struct owner *owner,
                              struct bag_row *out, struct err *err);
MUST_CHECK int overlay_item(struct overlay *overlay, uint64_t bag_id, struct span path,
                            struct item_row *out, struct err *err);
MUST_CHECK int overlay_writer(struct overlay *overlay, uint64_t writer, struct kv_writer *out,
                              struct err *err);
MUST_CHECK int overlay_outcome(struct overlay *overlay, uint64_t writer, uint64_t number,
                               struct kv_outcome *out, struct err *err);
/* overlay_bag without copying it: valid until overlay_turn, and follows every change. */
MUST_CHECK int overlay_look_at_bag(struct overlay *overlay, uint64_t bag_id,
                                   const struct bag_row **out, struct err *err);

/* The row of a bag that was deleted by a change that was applied here; false: it is not known. */
bool overlay_look_at_deleted(const struct overlay *overlay, uint64_t bag_id,
                             const struct bag_row **out);

/* The newest change of a bag that may not be in kv/ yet; when none is, one that is, or 0. */
uint64_t overlay_bag_seq(const struct overlay *overlay, uint64_t bag_id);

/* From here on overlay_rollback takes back what overlay_apply did. */
void overlay_begin(struct overlay *overlay);
void overlay_rollback(struct overlay *overlay);

/* Apply a change: path and value lie in overlay_arena. E_CORRUPT when it does not fit what it meets
 * (a mistake of its maker), E_NOMEM, and what reading kv/ may return. After a failure roll back. */
MUST_CHECK int overlay_apply(struct overlay *overlay, const struct change *change, struct err *err);

#endif
