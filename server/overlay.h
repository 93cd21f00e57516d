/* server/overlay.h - the state as it will be: kv/ and, over it, the batch that is being made.
 *
 * What is looked up is read from kv/ once and kept; what the batch changes is changed here by the
 * apply rule (journal/apply.h), so every operation sees all that were accepted before it. Emptied
 * when the batch was applied to kv/ or given up.
 *
 * Rows' memory is the arena's and that of kv's pins: valid until overlay_reset. Owned by the
 * committer's thread.
 */
#ifndef KITBAG_SERVER_OVERLAY_H
#define KITBAG_SERVER_OVERLAY_H

#include "kv/kv.h"
#include "server/arena.h"
#include "server/table.h"

struct overlay_undo;
struct overlay_item;

/* Born zeroed, then overlay_reset. */
struct overlay {
    struct kv *kv;       /* borrowed */
    struct arena *arena; /* borrowed: the batch's */
    struct table bags;
    struct table owners;
    struct table items;
    struct table writers;
    struct table outcomes;
    struct overlay_item *pinned; /* items whose values kv/ holds for us */
    struct overlay_undo *undo;   /* since overlay_begin, the newest first */
};

/* Forget everything; from now on over this kv, with this arena's memory. */
void overlay_reset(struct overlay *overlay, struct kv *kv, struct arena *arena);
void overlay_free(struct overlay *overlay);

/* As the functions of kv/ (kv_bag, ...), and E_NOMEM. `out` of items is borrowed. */
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

/* From here on overlay_rollback takes back what overlay_apply did. */
void overlay_begin(struct overlay *overlay);
void overlay_rollback(struct overlay *overlay);

/* Apply a change: path and value must live until overlay_reset. E_CORRUPT when it does not fit what
 * it meets (a mistake of its maker), E_NOMEM, and what reading kv/ may return. After a failure
 * roll back. */
MUST_CHECK int overlay_apply(struct overlay *overlay, const struct change *change, struct err *err);

#endif
