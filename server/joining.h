/* server/joining.h - a machine joins with a one-time token and becomes a device: a new one, or the
 * one that the token says it replaces. Then it has that one's ID, bags and name, and the key that
 * the other machine had is nobody's.
 *
 * A repeat with the same token and the same public key gets the same device: the answer may have
 * been lost on the way.
 */
#ifndef KITBAG_SERVER_JOINING_H
#define KITBAG_SERVER_JOINING_H

#include "server/plan.h"
#include "server/registry.h"

struct join {
    uint64_t session;
    const uint8_t *token;      /* public half of the token: the key of the connection */
    const uint8_t *public_key; /* that the machine will use */
    struct span name, serial, model, software;
    uint64_t now_ms; /* since 1970: by the clock, which the journal's time may be ahead of */
};

/* Plans it and puts the reply into the draft, which must be without changes. E_TOKEN_UNKNOWN,
 * E_TOKEN_USED, E_TOKEN_EXPIRED, E_EXISTS (the key is another's) and what plan->closed says are
 * replies. Returns 0 or PLAN_FULL. */
MUST_CHECK int join_plan(struct plan *plan, const struct registry *registry,
                         const struct join *join);

#endif
