/* client/replica_import.h - many bags from a file, taken at once or not at all.
 *
 * They are staged beside what is there, a transaction at a time, so memory stays flat; then one
 * transaction puts all of them in the place of what was there, with the position and with notes. A
 * crash at any moment leaves the old or the new; what was staged goes when the replica is opened.
 *
 * The network may not run meanwhile: it stages in the same place.
 */
#ifndef KITBAG_CLIENT_REPLICA_IMPORT_H
#define KITBAG_CLIENT_REPLICA_IMPORT_H

#include "client/replica.h"
#include "journal/snapshot.h"

/* What is to become of a bag of the file. */
enum replica_fate {
    REPLICA_IS_NEW,    /* its owner has no bag here */
    REPLICA_REPLACES,  /* it takes the place of an older copy, or is put on top of it */
    REPLICA_MADE_HERE, /* of one that this machine made itself: what it wrote lies over it */
    REPLICA_IS_THERE,  /* the same is here */
    REPLICA_IS_OLDER,  /* than what is here, which stays */
};

/* `here` is filled when there is a bag (else its local is 0). E_CONDITION: the file has only what
 * changed since a state that this replica does not have. */
MUST_CHECK int replica_import_judge(struct replica *replica, const struct snapshot_bag *bag,
                                    enum replica_fate *fate, struct replica_bag *here,
                                    struct err *err);

/* Is an item of a category that such files leave out? What this machine has of those stays, where
 * the file left something out. */
typedef bool replica_left_out_fn(void *context, const struct owner *owner, struct span path);

struct replica_import;
MUST_CHECK int replica_import_begin(struct replica *replica, uint64_t now_ms,
                                    replica_left_out_fn *left_out, void *context,
                                    struct replica_import **out, struct err *err);
void replica_import_abort(struct replica_import **import);

/* One bag after the other, each with its items in order of paths: of the first three fates. `fate`
 * and `here` as judged just before. After an error only abort. */
MUST_CHECK int replica_import_bag(struct replica_import *import, const struct snapshot_bag *bag,
                                  enum replica_fate fate, const struct replica_bag *here,
                                  struct err *err);
MUST_CHECK int replica_import_item(struct replica_import *import, struct span path,
                                   const struct item_row *row, struct err *err);
/* A note of the replica that goes with the bag, by the name PREFIX and the bag's local number. */
MUST_CHECK int replica_import_note(struct replica_import *import, const char *prefix,
                                   struct span value, struct err *err);
MUST_CHECK int replica_import_bag_end(struct replica_import *import, const struct snapshot_bag *bag,
                                      struct err *err);

/* All of it takes effect, and the position when it is newer, and notes (an empty value removes one)
 * in the same transaction. Frees the import, whatever comes of it. E_BUSY: a bag was changed
 * meanwhile, nothing was done. */
struct replica_note {
    const char *name;
    struct span value;
};
MUST_CHECK int replica_import_commit(struct replica_import **import,
                                     const struct replica_position *position,
                                     const struct replica_note *notes, size_t note_count,
                                     struct err *err);

#endif
