/* server/adoptions.h - deleted bags of which the next machine's copy is wanted.
 *
 * An administrator may delete a user or group and ask for the copy of the next machine that held
 * the bag. That is an item of the server's bag, set with the deletion, and removed with the bag
 * that is made of the copy, or otherwise of that owner:
 *
 *   @adopt/BAG_ID     {"kind","name","device"}
 *                     the deleted bag's owner ("user" or "group"), and the machine that was asked
 *                     ("": none yet)
 *
 * The list of them is small, and searched from end to end. Pure.
 */
#ifndef KITBAG_SERVER_ADOPTIONS_H
#define KITBAG_SERVER_ADOPTIONS_H

#include "base/buf.h"
#include "journal/owner.h"

enum { ADOPTION_PATH_MAX = 32, ADOPTION_TEXT_MAX = 4096 };
#define ADOPTION_PREFIX "@adopt/"

struct adoption {
    uint64_t bag_id; /* the deleted one */
    struct owner owner;
    uint64_t device; /* that was asked for its copy; 0: none yet */
};

/* Born zeroed. */
struct adoptions {
    struct adoption *list;
    size_t count, capacity;
};

void adoptions_free(struct adoptions *adoptions);

struct span adoption_path(char out[ADOPTION_PATH_MAX], uint64_t bag_id);
bool adoption_path_is(struct span path);
/* JSON appended; errors stay in the buffer. */
void adoption_put_value(struct buf *out, const struct adoption *adoption);

/* The item was set, or removed. E_MALFORMED with a sentence (then there is none), E_NOMEM. */
MUST_CHECK int adoptions_put(struct adoptions *adoptions, struct span path, struct span value,
                             struct err *err);
void adoptions_remove(struct adoptions *adoptions, struct span path);

/* NULL: none. Until the next put or remove. */
const struct adoption *adoptions_of_bag(const struct adoptions *adoptions, uint64_t bag_id);
const struct adoption *adoptions_of_owner(const struct adoptions *adoptions,
                                          const struct owner *owner);

#endif
