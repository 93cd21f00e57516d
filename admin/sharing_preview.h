/* admin/sharing_preview.h - what a change of what is shared would do to people's settings.
 *
 * Two states of the fleet's rules are compared, that of a moment and that after the change: an item
 * that counts for somebody before and no longer after is initialised or left behind, one that
 * counts only after comes back. All is of the view's moment.
 *
 * An item counts when no fence hides it and its layer is read: that of the category's flag, and
 * with a copy also the shared one as it was at the flag.
 */
#ifndef KITBAG_ADMIN_SHARING_PREVIEW_H
#define KITBAG_ADMIN_SHARING_PREVIEW_H

#include <stdatomic.h>

#include "admin/catalogue.h"
#include "journal/change.h"
#include "journal/fence.h"
#include "journal/operation.h"
#include "journal/sharing_switch.h"

/* A category that is switched, initialised, or of which something comes back. */
struct admin_sharing_row {
    const struct category *before; /* the preview's own */
    const struct category *after;
    bool switched;
    bool initialised[2]; /* by enum fence_layer */
    bool lifted[2];      /* an initialisation is taken back */
    uint64_t users;      /* that have such items */
    uint64_t items;      /* that count no longer */
    uint64_t returning;  /* that count again */
    uint64_t *devices;   /* in rising order: where these users are signed in, or have own items */
    size_t device_count;
    size_t device_room;
    uint64_t last_user;   /* that was counted, */
    uint64_t last_shared; /* and for what they have on all machines */
};

/* Born zeroed; one owner. */
struct admin_sharing_preview {
    struct kv *kv;
    struct kv_view *view;
    const atomic_bool *given_up;
    struct admin_catalogue before;
    struct admin_catalogue after;
    struct fences fences_before;
    struct fences fences_after;
    struct sharing_switch change;   /* what is initialised with it, but for a copy */
    struct admin_sharing_row *rows; /* of all categories, in the order of paths */
    size_t count;
};

/* Reads the rules of the view, which is borrowed for life, as `given_up` is. What reading the state
 * may return; E_NOMEM. */
MUST_CHECK int admin_sharing_preview_open(struct admin_sharing_preview *preview, struct kv *kv,
                                          struct kv_view *view, const atomic_bool *given_up,
                                          struct err *err);
void admin_sharing_preview_close(struct admin_sharing_preview *preview);

/* These categories (path) become "device" or "shared" (value). The server has judged them: what is
 * not known, or so already, is left out. E_NOMEM. */
MUST_CHECK int admin_sharing_preview_switch(struct admin_sharing_preview *preview,
                                            const struct operation_write *writes, size_t count,
                                            bool copy, struct err *err);
/* A change of the fleet's bag is taken back; of the changes of a set the newest first. E_NOMEM,
 * E_MALFORMED. */
MUST_CHECK int admin_sharing_preview_undo(struct admin_sharing_preview *preview,
                                          const struct change *change, struct err *err);
/* After one of these: count. E_CLOSED: given up; what reading the state may return. */
MUST_CHECK int admin_sharing_preview_count(struct admin_sharing_preview *preview, struct err *err);
/* Is there something to tell of it? */
bool admin_sharing_row_touched(const struct admin_sharing_row *row);

#endif
