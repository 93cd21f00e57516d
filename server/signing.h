/* server/signing.h - signing in and out: who may use which bags on a device.
 *
 * A sign-in registers the user when nobody ever heard of them and, with open groups, puts them into
 * the groups it names; the items are described in access.h. It makes no change when everything is
 * there already, so it works on a server that takes no writes.
 */
#ifndef KITBAG_SERVER_SIGNING_H
#define KITBAG_SERVER_SIGNING_H

#include "server/plan.h"
#include "transport/feed.h"

enum { SIGNING_BAGS_MAX = FEED_SIGNED_IN_MAX }; /* what one SIGNED_IN lists */

struct sign_in {
    uint64_t session;
    uint64_t device;
    uint64_t device_bag;
    uint64_t ref;
    uint64_t bag_id;           /* the user's bag that the machine keeps; 0: none */
    struct span user;          /* as the client wrote it */
    const struct span *groups; /* borrowed */
    size_t group_count;
};

/* Plans it and puts the reply into the draft, which must be without changes (what others changed is
 * read from kv/). A machine that keeps a bag of this user which is gone (deleted, and perhaps made
 * again by others since) gets E_BAG_GONE, and nobody is registered. Returns 0, PLAN_FULL
 * or PLAN_SETTLE (nothing was done, no reply). */
MUST_CHECK int sign_in_plan(struct plan *plan, const struct sign_in *sign_in);

struct sign_out {
    uint64_t session;
    uint64_t device;
    uint64_t device_bag;
    uint64_t ref;
    uint64_t bag_id; /* the user's */
};

/* Signing out somebody who is not signed in is done already. With session 0 nobody is answered: the
 * server does it by itself when the user was deleted. */
MUST_CHECK int sign_out_plan(struct plan *plan, const struct sign_out *sign_out);

#endif
