/* client/watch.h - who is told what changes, and when.
 *
 * A watch has a queue of places that changed (bag and item), not of values: the value is read when
 * the callback runs, so what is told is what a read would give, and a hundred changes of one item
 * that nobody took up meanwhile are one. At most WATCH_MAX places wait; when more come, the queue
 * is replaced by one "read again".
 *
 * Watches without a descriptor of their own share the hub's (kb_fd) and are run by hub_dispatch.
 * Any thread may tell and dispatch; one watch's callback runs on one thread at a time. The lock of
 * the hub is never held while a callback runs or a value is read.
 */
#ifndef KITBAG_CLIENT_WATCH_H
#define KITBAG_CLIENT_WATCH_H

#include "client/include/kitbag.h"
#include "journal/owner.h"

enum { WATCH_MAX = 4096 };

struct hub;

/* Reads what is there now: 0 and the value (appended) with its seq (0: pending), or E_NOT_FOUND;
 * anything else: tell "read again". */
typedef int watch_read_fn(void *context, const struct owner *owner, struct span path,
                          struct buf *value, uint64_t *seq);

MUST_CHECK int hub_new(struct hub **out, watch_read_fn *read, void *context, struct err *err);
void hub_free(struct hub **hub); /* and all watches */
int hub_fd(const struct hub *hub);
int hub_dispatch(struct hub *hub);

/* The item, or (path empty) the bag as a whole, may have another value than before; `seq` is what a
 * removal is told with. The bag of a user on a device is told to watches of this bag alone: its
 * values are seen in the user's bag. */
void hub_tell(struct hub *hub, const struct owner *owner, struct span path, uint64_t seq);

/* Anything in any user's bags may be another than before: every watch of one, and of all bags, is
 * told to read again. In the time of the watches, however many bags there are. */
void hub_tell_users(struct hub *hub);

/* `owner` NULL: all bags. With `own_fd` it is run by watch_dispatch alone. */
MUST_CHECK int watch_new(struct hub *hub, const struct owner *owner, bool own_fd,
                         kb_change_fn *on_change, void *context, struct kb_watch **out,
                         struct err *err);
/* No callback of it runs after this returned (but the one this is called from). */
void watch_free(struct hub *hub, struct kb_watch **watch);
int watch_fd(const struct kb_watch *watch);
int watch_dispatch(struct hub *hub, struct kb_watch *watch);

#endif
