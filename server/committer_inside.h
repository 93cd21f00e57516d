/* server/committer_inside.h - what the sources of the committer share; nobody else includes it.
 *
 * committer.c: drafts, the commit, delivering. committer_behind.c: what kv/ lacks, and who brings
 * it there. committer_requests.c: what is planned.
 */
#ifndef KITBAG_SERVER_COMMITTER_INSIDE_H
#define KITBAG_SERVER_COMMITTER_INSIDE_H

#include "base/log.h"
#include "server/applier.h"
#include "server/committer.h"

struct committer {
    struct committer_options options;
    struct plan plan;
    struct draft *done; /* committed (or failed), to be delivered, the oldest first */
    struct draft **done_end;
    struct draft *spare;
    size_t spare_count;
    struct applier *applier;
    struct draft *here; /* committed, to be applied by this thread when it was delivered */
    enum committer_state state;
    struct err why;
    int deferring; /* an append could not begin: until that was delivered this is everybody's code
                    */
    bool forking;  /* the open draft is to begin a history that the journal has begun */
    struct journal_position head;
    uint64_t last_time_ms; /* of the newest batch: time never goes back in the journal */
    uint64_t changes;
    struct log_limit deferred;
};

/* Are changes taken? Sets plan.closed. */
void committer_update_closed(struct committer *committer);
void committer_stop(struct committer *committer, enum committer_state state, const char *event,
                    const struct err *err);
/* Before a request: when the open draft is empty, its time, and whether it may be. */
void committer_touch(struct committer *committer);
/* A draft that was delivered and applied is used again. */
void committer_give_back(struct committer *committer, struct draft *draft);

/* Take back what the applier is done with, and look whether it could go on. */
void committer_collect(struct committer *committer);
/* A draft that is in the journal, on its way into kv/. */
void committer_hand_over(struct committer *committer, struct draft *draft);
/* What hand_over kept for this thread is applied now. */
void committer_apply_here(struct committer *committer);
/* Until kv/ has all changes up to `seq`, all of them committed; or it can't be written. */
void committer_wait_applied(struct committer *committer, uint64_t seq);

#endif
