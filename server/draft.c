/* server/draft.c - growing arrays of changes and answers, and the payload as it will be written. */
#include "server/draft.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum {
    DRAFT_GAP = 5,        /* the longest head of a msgpack array */
    CAPACITY_KEPT = 4096, /* of changes and answers, when a draft is used again */
    BODY_OWN_BYTES = 1 << 20,
};

int draft_new(struct draft **out)
{
    ASSERT(out != NULL);
    struct draft *draft = calloc(1, sizeof *draft);
    if (draft == NULL) {
        return E_NOMEM;
    }
    buf_init(&draft->body, DRAFT_GAP + DRAFT_BYTES_MAX);
    buf_init(&draft->count_bytes, DRAFT_GAP);
    if (buf_reserve(&draft->count_bytes, DRAFT_GAP) != 0) {
        free(draft);
        return E_NOMEM;
    }
    draft_reset(draft, 0, 0);
    *out = draft;
    return 0;
}

void draft_free(struct draft **draft)
{
    if (draft == NULL || *draft == NULL) {
        return;
    }
    struct draft *gone = *draft;
    arena_free(&gone->arena);
    buf_free(&gone->body);
    buf_free(&gone->count_bytes);
    free(gone->changes);
    free(gone->replies);
    free(gone);
    *draft = NULL;
}

void draft_reset(struct draft *draft, uint64_t base_seq, uint64_t time_ms)
{
    ASSERT(draft != NULL && draft->era == NULL);
    if (draft->capacity > CAPACITY_KEPT) {
        free(draft->changes);
        draft->changes = NULL;
        draft->capacity = 0;
    }
    if (draft->reply_capacity > CAPACITY_KEPT) {
        free(draft->replies);
        draft->replies = NULL;
        draft->reply_capacity = 0;
    }
    arena_reset(&draft->arena);
    buf_reset(&draft->body);
    draft->bytes = 0;
    draft->next = NULL;
    draft->next_applied = NULL;
    draft->delivered = false;
    draft->applied = false;
    draft->count = 0;
    draft->sealed = 0;
    draft->reply_count = 0;
    draft->base_seq = base_seq;
    draft->time_ms = time_ms;
    draft->code = 0;
    draft->err = (struct err){0};
    draft->head = (struct journal_position){0};
}

struct change *draft_next(struct draft *draft)
{
    ASSERT(draft != NULL);
    struct change *changes =
        array_reserve(draft->changes, &draft->capacity, draft->count + 1, sizeof *changes);
    if (changes == NULL) {
        return NULL;
    }
    draft->changes = changes;
    struct change *change = &draft->changes[draft->count];
    memset(change, 0, offsetof(struct change, owner)); /* the rest is four times as large */
    change->seq = draft->base_seq + draft->count;
    change->time_ms = draft->time_ms;
    return change;
}

void draft_push(struct draft *draft)
{
    ASSERT(draft != NULL && draft->count < draft->capacity);
    draft->count++;
}

int draft_seal(struct draft *draft)
{
    ASSERT(draft != NULL);
    if (draft->sealed > 0 && draft->count > DRAFT_CHANGES_MAX) {
        return E_TOO_LARGE;
    }
    size_t before = draft->body.size;
    if (before == 0) {
        (void)buf_extend(&draft->body, DRAFT_GAP);
    }
    for (size_t i = draft->sealed; i < draft->count; i++) {
        draft->changes[i].set_left = (uint32_t)(draft->count - i - 1);
        change_encode(&draft->body, &draft->changes[i], CHANGE_JOURNAL);
    }
    int rc = buf_error(&draft->body);
    if (rc != 0) {
        buf_truncate(&draft->body, before);
        draft->body.error = 0;
        return rc;
    }
    draft->sealed = draft->count;
    draft->bytes = draft->body.size;
    return 0;
}

void draft_cut(struct draft *draft)
{
    ASSERT(draft != NULL);
    draft->count = draft->sealed;
}

void draft_empty(struct draft *draft)
{
    ASSERT(draft != NULL);
    draft->count = 0;
    draft->sealed = 0;
    draft->bytes = 0;
    buf_reset(&draft->body);
}

struct span draft_payload(struct draft *draft)
{
    ASSERT(draft != NULL && draft->sealed > 0);
    buf_reset(&draft->count_bytes);
    batch_begin(&draft->count_bytes, (uint32_t)draft->sealed);
    ASSERT(buf_error(&draft->count_bytes) == 0);
    size_t skip = DRAFT_GAP - draft->count_bytes.size;
    memcpy(draft->body.data + skip, draft->count_bytes.data, draft->count_bytes.size);
    return span_of(draft->body.data + skip, draft->body.size - skip);
}

void draft_pass_memory(struct draft *draft, struct draft *next)
{
    ASSERT(draft != NULL && next != NULL && next->count == 0);
    if (draft->body.capacity <= BODY_OWN_BYTES) {
        return;
    }
    buf_free(&next->body);
    next->body = draft->body;
    buf_init(&draft->body, next->body.max);
    buf_reset(&next->body);
}

int draft_reply(struct draft *draft, const struct reply *reply)
{
    ASSERT(draft != NULL && reply != NULL);
    struct reply *replies = array_reserve(draft->replies, &draft->reply_capacity,
                                          draft->reply_count + 1, sizeof *replies);
    if (replies == NULL) {
        return E_NOMEM;
    }
    draft->replies = replies;
    draft->replies[draft->reply_count++] = *reply;
    return 0;
}
