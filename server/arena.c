/* server/arena.c - a list of chunks; the newest one is filled from its start. */
#include "server/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 * 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

static struct arena_chunk *chunk_new(size_t size)
{
    size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    struct arena_chunk *chunk = malloc(sizeof *chunk + room);
    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->used = 0;
        chunk->size = room;
    }
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    ASSERT(arena != NULL);
    ASSERT(size < SIZE_MAX / 2);
    size_t aligned = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < aligned) {
        chunk = chunk_new(aligned);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    void *out = chunk->data + chunk->used;
    chunk->used += aligned;
    arena->bytes += aligned;
    return out;
}

void *arena_zero(struct arena *arena, size_t size)
{
    void *out = arena_alloc(arena, size);
    if (out != NULL) {
        memset(out, 0, size);
    }
    return out;
}

bool arena_copy(struct arena *arena, struct span bytes, struct span *out)
{
    ASSERT(out != NULL);
    if (bytes.size == 0) {
        *out = (struct span){NULL, 0};
        return true;
    }
    uint8_t *copy = arena_alloc(arena, bytes.size);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, bytes.data, bytes.size);
    *out = span_of(copy, bytes.size);
    return true;
}

const char *arena_text(struct arena *arena, const char *text)
{
    ASSERT(text != NULL);
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(arena, size);
    if (copy == NULL) {
        return "";
    }
    memcpy(copy, text, size);
    return copy;
}

void arena_reset(struct arena *arena)
{
    ASSERT(arena != NULL);
    struct arena_chunk *kept = NULL;
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        if (kept == NULL && chunk->size == CHUNK_BYTES) {
            kept = chunk;
            kept->used = 0;
        } else {
            free(chunk);
        }
        chunk = next;
    }
    if (kept != NULL) {
        kept->next = NULL;
    }
    arena->chunks = kept;
    arena->bytes = 0;
}

void arena_free(struct arena *arena)
{
    ASSERT(arena != NULL);
    while (arena->chunks != NULL) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }
    arena->bytes = 0;
}
