/* server/followers.h - which sessions are told the changes of a bag.
 *
 * Owned by the main thread. A subscription takes 160 bytes.
 */
#ifndef KITBAG_SERVER_FOLLOWERS_H
#define KITBAG_SERVER_FOLLOWERS_H

#include "journal/apply.h"
#include "server/table.h"

struct subscription;

/* Stands inside a session, born zeroed. */
struct follower {
    struct subscription *first;
    size_t count;
    size_t groups; /* of them */
};

/* Born zeroed. */
struct followers {
    struct table bags;
    struct table pairs; /* (bag, follower) */
    size_t count;
    size_t groups; /* of them */
};

void followers_free(struct followers *followers); /* all must have left */

/* From now on, once. E_NOMEM. */
MUST_CHECK int followers_add(struct followers *followers, struct follower *follower,
                             const struct bag_row *bag);
void followers_remove(struct followers *followers, struct follower *follower, uint64_t bag_id);
void followers_remove_all(struct followers *followers, struct follower *follower);

bool followers_follows(const struct followers *followers, const struct follower *follower,
                       uint64_t bag_id);
bool followers_any(const struct followers *followers, uint64_t bag_id);
/* Every follower of the bag; `each` may remove the one that it is shown from this bag, and nobody
 * else. */
void followers_each(const struct followers *followers, uint64_t bag_id,
                    void (*each)(void *context, struct follower *follower), void *context);

/* What one follower follows; `each` may remove the bag that it is shown. */
struct followed {
    uint64_t bag_id;
    uint64_t parent; /* of a user-device bag: the user's bag, else 0 */
    enum owner_kind kind;
};
void followers_bags(const struct follower *follower,
                    void (*each)(void *context, const struct followed *followed), void *context);

#endif
