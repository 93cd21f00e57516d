/* server/eras.c - a young era, an old one, and a spare one that keeps its tables. */
#include "server/eras.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static void empty(struct era *era)
{
    for (size_t i = 0; i < ERA_TABLES; i++) {
        table_clear(&era->tables[i]);
    }
    arena_reset(&era->arena);
    era->last_seq = 0;
    era->left = false;
}

static void era_free(struct era **era)
{
    struct era *gone = *era;
    if (gone == NULL) {
        return;
    }
    ASSERT(gone->holds == 0);
    for (size_t i = 0; i < ERA_TABLES; i++) {
        table_free(&gone->tables[i]);
    }
    arena_free(&gone->arena);
    free(gone);
    *era = NULL;
}

/* Nobody looks into it any more, nor needs its memory. */
static void done(struct eras *eras, struct era *era)
{
    if (eras->spare != NULL) {
        era_free(&era);
        return;
    }
    empty(era);
    eras->spare = era;
}

static void leave(struct eras *eras, struct era **era)
{
    struct era *left = *era;
    *era = NULL;
    if (left == NULL) {
        return;
    }
    left->left = true;
    if (left->holds == 0) {
        done(eras, left);
    }
}

static struct era *era_new(const struct eras *eras)
{
    struct era *era = calloc(1, sizeof *era);
    if (era != NULL) {
        era->arena.keep_bytes = eras->keep_bytes;
    }
    return era;
}

int eras_open(struct eras *eras)
{
    ASSERT(eras != NULL);
    eras->young = era_new(eras);
    return eras->young != NULL ? 0 : E_NOMEM;
}

void eras_free(struct eras *eras)
{
    ASSERT(eras != NULL);
    era_free(&eras->young);
    era_free(&eras->old);
    era_free(&eras->spare);
}

void eras_reset(struct eras *eras)
{
    ASSERT(eras != NULL && eras->young != NULL);
    leave(eras, &eras->old);
    for (size_t i = 0; i < ERA_TABLES; i++) {
        table_clear(&eras->young->tables[i]);
    }
    if (eras->young->holds == 0) {
        arena_reset(&eras->young->arena);
    }
    eras->young->last_seq = 0;
}

struct era *eras_hold(struct eras *eras)
{
    ASSERT(eras != NULL);
    eras->young->holds++;
    return eras->young;
}

void eras_release(struct eras *eras, struct era **era)
{
    ASSERT(eras != NULL && era != NULL);
    struct era *released = *era;
    *era = NULL;
    if (released == NULL) {
        return;
    }
    ASSERT(released->holds > 0);
    released->holds--;
    if (released->left && released->holds == 0) {
        done(eras, released);
    }
}

bool eras_turn(struct eras *eras)
{
    ASSERT(eras != NULL);
    struct era *young = eras->spare;
    eras->spare = NULL;
    if (young == NULL) {
        young = era_new(eras);
    }
    if (young == NULL) {
        return false;
    }
    young->last_seq = eras->young->last_seq; /* rows may move up that the old one changed */
    leave(eras, &eras->old);
    eras->old = eras->young;
    eras->young = young;
    return true;
}

/* --- rows --- */

static struct table_node *look(const struct era *era, const struct era_row *what)
{
    return table_find(&era->tables[what->table], what->hash, what->match, what->key);
}

const struct table_node *eras_peek(const struct eras *eras, const struct era_row *what)
{
    ASSERT(eras != NULL && what != NULL && what->table < ERA_TABLES);
    const struct table_node *row = look(eras->young, what);
    return row != NULL || eras->old == NULL ? row : look(eras->old, what);
}

void eras_add(struct eras *eras, const struct era_row *what, struct table_node *row)
{
    ASSERT(eras != NULL && what != NULL && row != NULL);
    table_add(&eras->young->tables[what->table], row, what->hash);
}

static int move_up(struct eras *eras, const struct era_row *what, const struct table_node *row,
                   struct table_node **out)
{
    struct arena *arena = &eras->young->arena;
    struct table_node *copy = arena_alloc(arena, what->size);
    if (copy == NULL) {
        return E_NOMEM;
    }
    memcpy(copy, row, what->size);
    if (what->moved != NULL && !what->moved(arena, copy)) {
        return E_NOMEM;
    }
    eras_add(eras, what, copy);
    *out = copy;
    return 0;
}

int eras_find(struct eras *eras, const struct era_row *what, struct table_node **out)
{
    ASSERT(eras != NULL && what != NULL && out != NULL && what->table < ERA_TABLES);
    *out = look(eras->young, what);
    if (*out != NULL) {
        return 0;
    }
    const struct table_node *row = eras->old != NULL ? look(eras->old, what) : NULL;
    if (row != NULL) {
        return move_up(eras, what, row, out);
    }
    *out = arena_zero(&eras->young->arena, what->size);
    return *out != NULL ? E_NOT_FOUND : E_NOMEM;
}
