/* kv/names.c - sorted blocks of names. */
#include "kv/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/assert.h"

enum {
    BLOCK_TEXT = 2048 - sizeof(uint32_t), /* of names, each with its NUL */
    MERGE_TEXT = BLOCK_TEXT / 2,          /* two neighbours of so little become one */
    COPY_BLOCKS = 16,                     /* looked at for one taking of the lock */
};

struct kv_names_block {
    uint32_t size; /* of the text that is used */
    char text[BLOCK_TEXT];
};

static struct kv_names_list *list_of(struct kv_names *names, enum owner_kind kind)
{
    ASSERT(kind == OWNER_USER || kind == OWNER_GROUP);
    return &names->lists[kind == OWNER_USER ? 0 : 1];
}

/* --- blocks --- */

static const char *last_name(const struct kv_names_block *block)
{
    const char *before = memrchr(block->text, '\0', block->size - 1);
    return before != NULL ? before + 1 : block->text;
}

/* The first block with a name behind `name` (or, when `same`, with that name or one behind it);
 * `count` when there is none. */
static size_t find_block(const struct kv_names_list *list, const char *name, bool same)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(last_name(list->blocks[middle]), name);
        if (order > 0 || (same && order == 0)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* Where in the text the first name is that is `name` or behind it. */
static size_t find_place(const struct kv_names_block *block, const char *name)
{
    size_t at = 0;
    while (at < block->size && strcmp(block->text + at, name) < 0) {
        at += strlen(block->text + at) + 1;
    }
    return at;
}

/* An empty one at `index`; NULL without memory. */
static struct kv_names_block *add_block(struct kv_names_list *list, size_t index)
{
    struct kv_names_block **blocks =
        array_reserve(list->blocks, &list->capacity, list->count + 1, sizeof(void *));
    if (blocks == NULL) {
        return NULL;
    }
    list->blocks = blocks;
    struct kv_names_block *block = malloc(sizeof *block);
    if (block == NULL) {
        return NULL;
    }
    block->size = 0;
    memmove(&blocks[index + 1], &blocks[index], (list->count - index) * sizeof(void *));
    blocks[index] = block;
    list->count++;
    return block;
}

static void remove_block(struct kv_names_list *list, size_t index)
{
    free(list->blocks[index]);
    list->count--;
    memmove(&list->blocks[index], &list->blocks[index + 1], (list->count - index) * sizeof(void *));
}

static void put_at(struct kv_names_block *block, size_t at, const char *name, size_t size)
{
    memmove(block->text + at + size, block->text + at, block->size - at);
    memcpy(block->text + at, name, size);
    block->size += (uint32_t)size;
}

/* About half of the names go into a block of their own behind it. */
static int split(struct kv_names_list *list, size_t index)
{
    struct kv_names_block *upper = add_block(list, index + 1);
    if (upper == NULL) {
        return E_NOMEM;
    }
    struct kv_names_block *block = list->blocks[index];
    size_t middle = block->size / 2;
    middle += strlen(block->text + middle) + 1;
    upper->size = block->size - (uint32_t)middle;
    memcpy(upper->text, block->text + middle, upper->size);
    block->size = (uint32_t)middle;
    return 0;
}

/* --- one name --- */

/* Behind all others. Blocks that are filled so are full. */
static int append(struct kv_names_list *list, const char *name, size_t size)
{
    struct kv_names_block *block = list->count > 0 ? list->blocks[list->count - 1] : NULL;
    if (block == NULL || block->size + size > BLOCK_TEXT) {
        block = add_block(list, list->count);
    }
    if (block == NULL) {
        return E_NOMEM;
    }
    put_at(block, block->size, name, size);
    list->names++;
    return 0;
}

static int insert(struct kv_names_list *list, const char *name)
{
    size_t size = strlen(name) + 1;
    size_t index = find_block(list, name, true);
    if (index == list->count) {
        return append(list, name, size);
    }
    size_t at = find_place(list->blocks[index], name);
    if (strcmp(list->blocks[index]->text + at, name) == 0) {
        return 0;
    }
    if (list->blocks[index]->size + size > BLOCK_TEXT) {
        if (split(list, index) != 0) {
            return E_NOMEM;
        }
        index = find_block(list, name, true);
        at = find_place(list->blocks[index], name);
    }
    put_at(list->blocks[index], at, name, size);
    list->names++;
    return 0;
}

/* The block and the one behind it become one when both are small. */
static void merge(struct kv_names_list *list, size_t index)
{
    if (index + 1 >= list->count) {
        return;
    }
    struct kv_names_block *block = list->blocks[index];
    const struct kv_names_block *next = list->blocks[index + 1];
    if (block->size + next->size <= MERGE_TEXT) {
        put_at(block, block->size, next->text, next->size);
        remove_block(list, index + 1);
    }
}

static void take_out(struct kv_names_list *list, const char *name)
{
    size_t index = find_block(list, name, true);
    if (index == list->count) {
        return;
    }
    struct kv_names_block *block = list->blocks[index];
    size_t at = find_place(block, name);
    size_t size = strlen(name) + 1;
    if (strcmp(block->text + at, name) != 0) {
        return;
    }
    block->size -= (uint32_t)size;
    memmove(block->text + at, block->text + at + size, block->size - at);
    list->names--;
    if (block->size == 0) {
        remove_block(list, index);
    } else {
        merge(list, index);
    }
    if (index > 0) {
        merge(list, index - 1);
    }
}

static int change(struct kv_names_list *list, const char *name, bool present)
{
    if (present) {
        return insert(list, name);
    }
    take_out(list, name);
    return 0;
}

/* --- all of it --- */

static void forget_late(struct kv_names *names)
{
    while (names->late != NULL) {
        struct kv_names_late *late = names->late;
        names->late = late->next;
        free(late);
    }
    names->late_end = &names->late;
}

static void forget_list(struct kv_names_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->blocks[i]);
    }
    free(list->blocks);
    *list = (struct kv_names_list){0};
}

/* A slice that is being read then is of no use. */
static void forget(struct kv_names *names)
{
    for (size_t i = 0; i < KV_NAMES_KINDS; i++) {
        forget_list(&names->lists[i]);
    }
    forget_late(names);
    names->slice = 0;
}

void kv_names_init(struct kv_names *names)
{
    ASSERT(names != NULL);
    *names = (struct kv_names){0};
    names->late_end = &names->late;
    (void)pthread_mutex_init(&names->lock, NULL);
}

void kv_names_free(struct kv_names *names)
{
    ASSERT(names != NULL);
    forget(names);
    (void)pthread_mutex_destroy(&names->lock);
}

/* --- changes --- */

static int remember(struct kv_names *names, const char *name, bool present)
{
    size_t size = strlen(name) + 1;
    struct kv_names_late *late = malloc(sizeof *late + size);
    if (late == NULL) {
        return E_NOMEM;
    }
    late->next = NULL;
    late->present = present;
    memcpy(late->name, name, size);
    *names->late_end = late;
    names->late_end = &late->next;
    return 0;
}

void kv_names_note(struct kv_names *names, enum owner_kind kind, struct span name, bool present)
{
    ASSERT(names != NULL && name.size <= NAME_MAX_BYTES);
    char text[NAME_MAX_BYTES + 1];
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    (void)pthread_mutex_lock(&names->lock);
    struct kv_names_list *list = list_of(names, kind);
    int rc = 0;
    if (list->whole || strcmp(text, list->frontier) <= 0) {
        rc = change(list, text, present);
    } else if (names->slice == kind) {
        rc = remember(names, text, present);
    } /* else a slice will find it so */
    if (rc != 0) {
        forget(names);
    }
    (void)pthread_mutex_unlock(&names->lock);
}

/* --- reading the directory --- */

bool kv_names_begin(struct kv_names *names, enum owner_kind *kind, char after[NAME_MAX_BYTES + 1])
{
    ASSERT(names != NULL && kind != NULL && after != NULL);
    static const enum owner_kind kinds[KV_NAMES_KINDS] = {OWNER_GROUP, OWNER_USER};
    bool found = false;
    (void)pthread_mutex_lock(&names->lock);
    ASSERT(names->slice == 0);
    for (size_t i = 0; i < KV_NAMES_KINDS && !found; i++) {
        const struct kv_names_list *list = list_of(names, kinds[i]);
        if (!list->whole) {
            found = true;
            *kind = names->slice = kinds[i];
            memcpy(after, list->frontier, sizeof list->frontier);
        }
    }
    (void)pthread_mutex_unlock(&names->lock);
    return found;
}

static int take_slice(struct kv_names *names, struct span slice, bool end)
{
    struct kv_names_list *list = list_of(names, names->slice);
    const char *text = (const char *)slice.data;
    const char *last = list->frontier;
    int rc = 0;
    for (size_t at = 0, size = 0; at < slice.size && rc == 0; at += size) {
        last = text + at;
        size = strlen(last) + 1;
        rc = append(list, last, size);
    }
    for (const struct kv_names_late *late = names->late; late != NULL && rc == 0;
         late = late->next) {
        if (end || strcmp(late->name, last) <= 0) {
            rc = change(list, late->name, late->present);
        }
    }
    memmove(list->frontier, last, strlen(last) + 1);
    list->whole = end;
    return rc;
}

int kv_names_end(struct kv_names *names, struct span slice, bool end)
{
    ASSERT(names != NULL);
    int rc = 0;
    (void)pthread_mutex_lock(&names->lock);
    if (names->slice != 0) { /* else all was forgotten meanwhile */
        rc = take_slice(names, slice, end);
        forget_late(names);
        names->slice = 0;
    }
    if (rc != 0) {
        forget(names);
    }
    (void)pthread_mutex_unlock(&names->lock);
    return rc;
}

void kv_names_give_up(struct kv_names *names)
{
    ASSERT(names != NULL);
    (void)pthread_mutex_lock(&names->lock);
    forget_late(names);
    names->slice = 0;
    (void)pthread_mutex_unlock(&names->lock);
}

/* --- searching --- */

struct search {
    const struct kv_names_query *query;
    size_t wanted_size;             /* of what is searched for */
    char after[NAME_MAX_BYTES + 1]; /* all up to here was looked at */
    size_t found;
    bool more;
    size_t size; /* of the copy */
    char copy[COPY_BLOCKS * BLOCK_TEXT];
};

/* The next blocks, so that nobody waits while they are looked at. An empty copy: that was all. */
static int copy_blocks(struct kv_names *names, struct search *search)
{
    (void)pthread_mutex_lock(&names->lock);
    const struct kv_names_list *list = list_of(names, search->query->kind);
    int rc = list->whole ? 0 : E_BUSY;
    size_t first = rc == 0 ? find_block(list, search->after, false) : 0;
    search->size = 0;
    for (size_t i = first; rc == 0 && i < list->count && i < first + COPY_BLOCKS; i++) {
        memcpy(search->copy + search->size, list->blocks[i]->text, list->blocks[i]->size);
        search->size += list->blocks[i]->size;
    }
    (void)pthread_mutex_unlock(&names->lock);
    return rc;
}

/* The first name at or behind `at` that holds what is searched for; the copy's end when none
 * does. No name holds a NUL, nor does what is searched for: so it lies within one. */
static size_t next_match(const struct search *search, size_t at)
{
    if (search->wanted_size == 0 || at >= search->size) {
        return at;
    }
    const char *found =
        memmem(search->copy + at, search->size - at, search->query->search, search->wanted_size);
    if (found == NULL) {
        return search->size;
    }
    const char *before = memrchr(search->copy + at, '\0', (size_t)(found - search->copy) - at);
    return before != NULL ? (size_t)(before + 1 - search->copy) : at;
}

static void look(struct search *search, struct buf *out)
{
    size_t at = 0;
    while (strcmp(search->copy + at, search->after) <= 0) { /* the last one is behind it */
        at += strlen(search->copy + at) + 1;
    }
    for (at = next_match(search, at); at < search->size; at = next_match(search, at)) {
        if (search->found == search->query->limit) {
            search->more = true;
            return;
        }
        size_t size = strlen(search->copy + at) + 1;
        (void)buf_append_span(out, span_of(search->copy + at, size));
        search->found++;
        at += size;
    }
    const char *last = memrchr(search->copy, '\0', search->size - 1);
    last = last != NULL ? last + 1 : search->copy;
    memcpy(search->after, last, strlen(last) + 1);
}

int kv_names_find(struct kv_names *names, const struct kv_names_query *query, struct buf *out,
                  bool *more)
{
    ASSERT(names != NULL && query != NULL && out != NULL && more != NULL);
    ASSERT(strlen(query->after) <= NAME_MAX_BYTES);
    struct search search = {.query = query, .wanted_size = strlen(query->search)};
    memcpy(search.after, query->after, strlen(query->after) + 1);
    int rc = copy_blocks(names, &search);
    while (rc == 0 && search.size > 0 && !search.more) {
        look(&search, out);
        rc = buf_error(out);
        if (rc == 0 && !search.more) {
            rc = copy_blocks(names, &search);
        }
    }
    *more = search.more;
    return rc;
}
