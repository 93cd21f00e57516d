/* client/outbox_claims.h - what this machine wrote of bags that the server has as well: writes that
 * a policy of joining judges item by item (kb_policy.h).
 *
 * Nobody but the network's turns, or who has stopped them, drops what is claimed here.
 */
#ifndef KITBAG_CLIENT_OUTBOX_CLAIMS_H
#define KITBAG_CLIENT_OUTBOX_CLAIMS_H

#include "client/outbox.h"

enum outbox_claimed {
    OUTBOX_MET,  /* refused: this machine made the bag, and the server had one of that owner */
    OUTBOX_HELD, /* pending, to a bag of the server's, and certainly not sent yet */
};

/* The highest id that was given out; 0: none. */
uint64_t outbox_newest(struct outbox *outbox);

/* Whose bags they are to, each once, of operations with an id up to `upto`: an array to be freed
 * (NULL when there is none). E_NOMEM. */
MUST_CHECK int outbox_claimants(struct outbox *outbox, enum outbox_claimed which, uint64_t upto,
                                struct owner **list, size_t *count, struct err *err);

/* The newest of them to an item. */
struct outbox_claim {
    char *path;
    void *value; /* not NULL */
    size_t size;
    bool removed;
    uint64_t time_ms;
    uint64_t seen; /* cursor of the bag here when it was written; 0: nothing had been seen of it */
    size_t order;  /* one that was written later has a higher one */
};
struct outbox_claims {
    struct outbox_claim *list; /* in order of paths, each once; none to which this machine wrote
                                  again after `upto` */
    size_t count;
    uint64_t *ids; /* of all operations of that owner, in their order */
    size_t id_count;
};
/* To be freed whatever it returns. E_NOMEM. */
MUST_CHECK int outbox_claims(struct outbox *outbox, enum outbox_claimed which,
                             const struct owner *owner, uint64_t upto, struct outbox_claims *out,
                             struct err *err);
void outbox_claims_free(struct outbox_claims *claims);

#endif
