/* server/turns.h - the line of those who have a page to read: the urgent ones before others, each
 * once, first come first served.
 *
 * Owned by the main thread.
 */
#ifndef KITBAG_SERVER_TURNS_H
#define KITBAG_SERVER_TURNS_H

#include "base/assert.h"

#include <stdbool.h>
#include <stddef.h>

enum turn_state { TURN_OUT, TURN_IN_LINE, TURN_IN_URGENT_LINE };

/* Stands inside a session, born zeroed. */
struct turn {
    struct turn *next;
    struct turn *prev;
    enum turn_state state;
};

struct turn_line {
    struct turn *first;
    struct turn *last;
};

/* Born zeroed. */
struct turns {
    struct turn_line normal;
    struct turn_line urgent;
};

/* Put it at the end of its line. One that stands in a line stays where it is, but for one that
 * became urgent: it moves. */
void turns_want(struct turns *turns, struct turn *turn, bool urgent);
/* The next one, taken out; NULL: nobody waits. */
struct turn *turns_take(struct turns *turns);
void turns_drop(struct turns *turns, struct turn *turn);
bool turns_any(const struct turns *turns);

#endif
