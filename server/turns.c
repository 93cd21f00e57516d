/* server/turns.c - two doubly linked lines. */
#include "server/turns.h"

static struct turn_line *line_of(struct turns *turns, const struct turn *turn)
{
    return turn->state == TURN_IN_URGENT_LINE ? &turns->urgent : &turns->normal;
}

void turns_drop(struct turns *turns, struct turn *turn)
{
    ASSERT(turns != NULL && turn != NULL);
    if (turn->state == TURN_OUT) {
        return;
    }
    struct turn_line *line = line_of(turns, turn);
    if (turn->prev != NULL) {
        turn->prev->next = turn->next;
    } else {
        line->first = turn->next;
    }
    if (turn->next != NULL) {
        turn->next->prev = turn->prev;
    } else {
        line->last = turn->prev;
    }
    *turn = (struct turn){.state = TURN_OUT};
}

void turns_want(struct turns *turns, struct turn *turn, bool urgent)
{
    ASSERT(turns != NULL && turn != NULL);
    enum turn_state wanted = urgent ? TURN_IN_URGENT_LINE : TURN_IN_LINE;
    if (turn->state >= wanted) {
        return;
    }
    turns_drop(turns, turn);
    turn->state = wanted;
    struct turn_line *line = line_of(turns, turn);
    turn->prev = line->last;
    if (line->last != NULL) {
        line->last->next = turn;
    } else {
        line->first = turn;
    }
    line->last = turn;
}

struct turn *turns_take(struct turns *turns)
{
    ASSERT(turns != NULL);
    struct turn *turn = turns->urgent.first != NULL ? turns->urgent.first : turns->normal.first;
    if (turn != NULL) {
        turns_drop(turns, turn);
    }
    return turn;
}

bool turns_any(const struct turns *turns)
{
    ASSERT(turns != NULL);
    return turns->urgent.first != NULL || turns->normal.first != NULL;
}
