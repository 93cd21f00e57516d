/* client/overlay.h - which write to an item is the newest: a table by (bag, path).
 *
 * The writes belong to whoever shows them; the table only links them, so that showing and hiding
 * never fail. Of the visible writes to an item the one shown last counts; when it is hidden, the
 * one before it counts again. One owner at a time (the outbox's lock).
 */
#ifndef KITBAG_CLIENT_OVERLAY_H
#define KITBAG_CLIENT_OVERLAY_H

#include "base/buf.h"
#include "base/err.h"

/* A write, and its links. Everything it points to lives while it is shown. */
struct overlay_write {
    const char *bag; /* a text that names the bag: the same bag, the same text */
    struct span path;
    bool remove;
    struct span value;
    void *entry; /* its owner's business */
    /* The table's. */
    bool shown;
    uint64_t hash;
    struct overlay_write *next;  /* in its bucket, when it is the newest of its item */
    struct overlay_write *older; /* of the same item */
    struct overlay_write *newer; /* NULL: it is the newest */
};

struct overlay;

MUST_CHECK int client_overlay_new(struct overlay **out);
void client_overlay_free(struct overlay **overlay); /* what is shown is left alone */

void client_overlay_show(struct overlay *overlay, struct overlay_write *write);
void client_overlay_hide(struct overlay *overlay,
                         struct overlay_write *write); /* not shown: fine */
/* The newest write, or NULL. */
const struct overlay_write *client_overlay_find(const struct overlay *overlay, const char *bag,
                                                struct span path);
/* The newest writes of a bag whose paths begin with `prefix`, in order of paths, in an array to be
 * freed (NULL when there is none). E_NOMEM. */
MUST_CHECK int client_overlay_list(const struct overlay *overlay, const char *bag,
                                   struct span prefix, const struct overlay_write ***list,
                                   size_t *count);

#endif
