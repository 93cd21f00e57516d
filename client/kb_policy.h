/* client/kb_policy.h - whose values count where the server and this machine both have a bag: what
 * is to be judged, by which rule, and the file with all that is replaced.
 *
 *   kb_policy.c      the rule; the note of what is to be judged
 *   kb_saved.c       values put aside in a file before they are replaced
 *   kb_judge.c       one round of judging
 *   network_judge.c  when there is one
 *
 * Two kinds of writes are judged (outbox_claims.h). Of a bag that this machine made while it stood
 * alone, and that the server turned out to have: its writes are among the refused ones then, and
 * what counts of them is written anew. Of a bag of the server's: what waits in the outbox is held
 * back until the server's copy is here; when a value of it does not count, all of that bag that
 * waits is taken out, and what counts is written anew.
 *
 * The note (DIR/judging) says by which policy, and up to which operation. It is there before
 * anything is sent and goes when all is done, so after a kill at any moment the rest is judged;
 * what was judged already is not among the refused or waiting writes any more, or is judged again
 * with the same result. The file is whole and durable before the first value is replaced.
 */
#ifndef KITBAG_CLIENT_KB_POLICY_H
#define KITBAG_CLIENT_KB_POLICY_H

#include "client/kb_inside.h"
#include "client/outbox_claims.h"
#include "journal/snapshot.h"

/* --- kb_policy.c --- */

/* What there is of an item on one side. */
struct client_side {
    bool there;
    uint64_t time_ms;
    uint64_t seq; /* of the server's: when it was set. Of ours: up to where the server's changes had
                     been seen when it was written */
    bool own;     /* the server's: it is from this machine */
    struct span value;
};
enum client_verdict {
    CLIENT_SAME,    /* nothing is to be done */
    CLIENT_TAKE,    /* ours goes to the server, which has none, or the one that we had seen */
    CLIENT_REPLACE, /* ours goes there, over a value that we had not seen */
    CLIENT_STAY,    /* the server's stays */
};
enum client_verdict client_judge_item(enum kb_join_policy policy, const struct client_side *ours,
                                      const struct client_side *theirs);

/* Is it one of them? */
bool client_is_policy(enum kb_join_policy policy);

/* Everything that waits in the outbox now is to be judged. Durable. `held`: nothing is sent before
 * what waits was judged. */
MUST_CHECK int client_judging_begin(struct kb *kb, enum kb_join_policy policy, struct err *err);
/* At the opening: what an earlier run left to be judged. A note that is damaged is none: what was
 * refused stays among the refused writes then. */
void client_judging_load(struct kb *kb);
/* All is judged. Without room for that it is looked at again at the next start. */
void client_judging_end(struct kb *kb);
struct judging client_judging(struct kb *kb);
/* What waited was judged: it may be sent. */
void client_judging_release(struct kb *kb);

/* --- kb_saved.c --- */

/* A file in the making: DIR/replaced-TIME.kitbag, of this machine and for it alone (sealed, so
 * secrets are in it). It is made by the first item; born zeroed but `kb`. */
struct client_saving {
    struct kb *kb;
    int fd;
    struct snapshot_writer *writer; /* NULL: nothing was put yet */
    char path[PATH_MAX];            /* "": there is none */
    char partial[PATH_MAX];
    struct snapshot_bag bag;
    bool begun; /* the bag's head is in the file */
};
void client_saving_bag(struct client_saving *saving, const struct replica_bag *bag);
/* In order of paths. E_NOSPACE, E_IO, E_NOMEM, E_SYSTEM: then only client_saving_end. */
MUST_CHECK int client_saving_item(struct client_saving *saving, struct span path, uint64_t time_ms,
                                  struct span value, struct err *err);
/* With rc 0 the file is durable under its name, if there is one at all; else nothing stays of it.
 * Returns rc, or why it could not be finished. */
MUST_CHECK int client_saving_end(struct client_saving *saving, int rc, struct err *err);

/* All that a bag shows here, in a file of its own; `path` "": it shows nothing. */
MUST_CHECK int client_save_bag(struct kb *kb, const struct replica_bag *bag, char path[PATH_MAX],
                               struct err *err);

/* The same of a bag that the server has deleted, if it is one of people's, and complete; where the
 * file is is told by the status. */
MUST_CHECK int client_save_copy(struct kb *kb, const struct replica_bag *bag, struct err *err);

/* --- kb_judge.c --- */

/* Judges what is claimed of these owners, whose bags are complete here: saves, writes, takes out.
 * Counts and tells what came of it in kb->judging.done. After an error the same can be done again.
 */
MUST_CHECK int client_judge(struct kb *kb, enum outbox_claimed which, const struct owner *owners,
                            size_t count, struct err *err);

#endif
