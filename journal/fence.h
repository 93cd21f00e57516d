/* journal/fence.h - a category that was initialised for everybody, at one seq.
 *
 * A fence is an item of the fleet's bag: one change, whatever the number of bags, that travels to
 * every machine and is recovered like any other. Items of its layer in its category with a seq
 * below the fence's position are void: they count as absent for whoever reads, until the fence is
 * lifted, which is one change too.
 *
 *   @fence/shared/CATEGORY    in users' bags
 *   @fence/device/CATEGORY    in the bags of one user on one device
 *
 * The value is a msgpack array [from, cleared, [except str...]]:
 *
 *   from      its position; 0: the seq of the item itself
 *   cleared   bool: void items were removed for good, the fence can't be lifted any more
 *   except    longer categories within this one, which are not initialised with it
 *
 * An item is in a category when its path is the category or goes on with '/' behind it. Pure.
 */
#ifndef KITBAG_JOURNAL_FENCE_H
#define KITBAG_JOURNAL_FENCE_H

#include "base/pack.h"
#include "journal/owner.h"

enum fence_layer { FENCE_SHARED, FENCE_DEVICE };

enum {
    FENCE_CATEGORY_MAX = PATH_MAX_BYTES - 14, /* bytes: with what stands before it, it is a path */
    FENCE_EXCEPT_MAX = 64,
    FENCES_MAX = 4096, /* of one fleet */
};

/* Plain data; spans are borrowed from the bytes it was decoded from. */
struct fence {
    uint64_t from;
    bool cleared;
    size_t except_count;
    struct span except[FENCE_EXCEPT_MAX];
};

const char *fence_layer_name(enum fence_layer layer); /* "shared", "device" */
bool fence_path_is(struct span path);                 /* does it begin with "@fence/"? */
/* The path of a category's fence, appended. E_PATH: it is no category (see path_check, at most
 * FENCE_CATEGORY_MAX bytes, not one that begins with '@'); or the buffer's error. */
MUST_CHECK int fence_path(struct buf *out, enum fence_layer layer, struct span category);
/* The way back; `category` borrows from `path`. E_MALFORMED. */
MUST_CHECK int fence_of_path(struct span path, enum fence_layer *layer, struct span *category);

/* Appended; errors stay in the buffer. */
void fence_put_value(struct buf *out, const struct fence *fence);
/* `scratch` is zeroed before its first use and closed by its owner. E_MALFORMED with a sentence,
 * E_NOMEM. */
MUST_CHECK int fence_get_value(struct span value, struct unpacked *scratch, struct fence *out,
                               struct err *err);

/* All fences of the fleet, to look items up in. Born zeroed; one owner. */
struct fence_entry;
struct fences {
    struct fence_entry *entries; /* in the order of layer and category */
    size_t count;
    size_t capacity;
};

/* The live item `path` of the fleet, as it is from now on. Copies. E_MALFORMED (it is no fence; the
 * set is as it was), E_QUOTA (more than FENCES_MAX), E_NOMEM. */
MUST_CHECK int fences_put(struct fences *set, struct span path, uint64_t seq, struct span value,
                          struct err *err);
/* The item is gone. One that is not there is fine. */
void fences_remove(struct fences *set, struct span path);
void fences_free(struct fences *set);

/* An item of a bag of this kind with this path is void when its seq is below this; 0: there is no
 * fence. */
uint64_t fences_position(const struct fences *set, enum owner_kind kind, struct span path);

#endif
