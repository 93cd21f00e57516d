/* kv/overlay.c - rows in memory between reading and writing them. */
#include "kv/overlay.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64, BLOCK_BYTES = 64 << 10, BLOCK_FIRST = 4 << 10 };

static int out_of_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "out of memory");
}

static struct span cell_key(const struct kv_cell *cell)
{
    return span_of(cell->key, cell->key_size);
}

static bool holds_bag(const struct kv_cell *cell)
{
    return cell->key[0] == 'B' || cell->key[0] == 'G';
}

/* Is it a kind of row that kv/lately.h keeps? */
static bool is_kept(struct span key)
{
    return key.data[0] == 'B' || key.data[0] == 'W';
}

void kv_overlay_init(struct kv_overlay *overlay, const struct kv_store *store,
                     const struct kv_memory *memory)
{
    *overlay = (struct kv_overlay){
        .store = store, .memory = memory, .seed = memory != NULL ? memory->seed : random_u64()};
}

/* --- memory of cells: given back all at once --- */

struct kv_block {
    struct kv_block *next;
    size_t size;
    size_t used;
    _Alignas(16) uint8_t bytes[];
};

void kv_overlay_free(struct kv_overlay *overlay)
{
    while (overlay->blocks != NULL) {
        struct kv_block *block = overlay->blocks;
        overlay->blocks = block->next;
        free(block);
    }
    free(overlay->cells);
    free(overlay->slots);
    *overlay = (struct kv_overlay){0};
}

/* Zeroed; NULL without memory. */
static void *allocate(struct kv_overlay *overlay, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct kv_block *block = overlay->blocks;
    if (block == NULL || block->size - block->used < size) {
        size_t bytes = block == NULL ? BLOCK_FIRST : BLOCK_BYTES;
        ASSERT(size <= bytes);
        block = calloc(1, sizeof *block + bytes);
        if (block == NULL) {
            return NULL;
        }
        block->size = bytes;
        block->next = overlay->blocks;
        overlay->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

/* --- the table --- */

/* Where the key is, or the free slot where it belongs. */
static struct kv_slot *find_slot(const struct kv_overlay *overlay, struct span key, uint64_t hash)
{
    size_t mask = overlay->slot_count - 1;
    size_t at = (size_t)hash & mask;
    while (
        overlay->slots[at].cell != NULL &&
        (overlay->slots[at].hash != hash || !span_equal(cell_key(overlay->slots[at].cell), key))) {
        at = (at + 1) & mask;
    }
    return &overlay->slots[at];
}

static int grow(struct kv_overlay *overlay, struct err *err)
{
    size_t slot_count = overlay->slot_count > 0 ? overlay->slot_count * 4 : FIRST_SLOTS;
    size_t capacity = slot_count / 2;
    struct kv_cell **cells = realloc(overlay->cells, capacity * sizeof(struct kv_cell *));
    if (cells == NULL) {
        return out_of_memory(err);
    }
    overlay->cells = cells;
    struct kv_slot *old = overlay->slots;
    size_t old_count = overlay->slot_count;
    struct kv_slot *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) {
        return out_of_memory(err);
    }
    overlay->slots = slots;
    overlay->slot_count = slot_count;
    overlay->capacity = capacity;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].cell != NULL) {
            *find_slot(overlay, cell_key(old[i].cell), old[i].hash) = old[i];
        }
    }
    free(old);
    return 0;
}

/* --- reading --- */

static int decode(struct kv_cell *cell, struct span row, struct err *err)
{
    struct span key = cell_key(cell);
    switch (key.data[0]) {
    case 'B':
    case 'G':
        return kv_row_get_bag(key, row, cell->bag, err);
    case 'I':
        return kv_row_get_item(key, row, &cell->item, err);
    case 'W':
        return kv_row_get_writer(key, row, &cell->writer, err);
    case 'Q':
        return kv_row_get_outcome(key, row, &cell->outcome, err);
    case 'O':
    case 'C':
    case 'N':
        return kv_row_get_id(key, row, &cell->id, err);
    default:
        ASSERT(key.data[0] == 'D');
        return kv_row_get_doom(key, row, &cell->doom, err);
    }
}

/* What is known of the row without a look-up. */
static bool recall(const struct kv_overlay *overlay, struct kv_cell *cell)
{
    struct span key = cell_key(cell);
    struct span row;
    if (overlay->memory == NULL) {
        return false;
    }
    if (key.data[0] == 'I') {
        cell->present = kv_known_get(&overlay->memory->known, cell->hash, &cell->item);
        cell->stored = cell->present;
        return cell->present;
    }
    if (!is_kept(key) || !kv_lately_get(&overlay->memory->lately, key, cell->hash, &row)) {
        return false;
    }
    cell->present = row.size > 0 && decode(cell, row, NULL) == 0;
    cell->stored = cell->present;
    return cell->present || row.size == 0;
}

static int load(const struct kv_overlay *overlay, struct kv_cell *cell, struct err *err)
{
    if (recall(overlay, cell)) {
        return 0;
    }
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    int rc = kv_store_get(overlay->store, NULL, cell_key(cell), &pin, &row, err);
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    if (rc == 0) {
        rc = decode(cell, row, err);
    }
    if (cell->key[0] == 'I') {
        cell->item.value = span_of(NULL, 0); /* it goes with the pin */
    }
    rocksdb_pinnableslice_destroy(pin);
    cell->present = rc == 0;
    cell->stored = cell->present;
    return rc;
}

static struct kv_cell *new_cell(struct kv_overlay *overlay, const struct kv_key *key, uint64_t hash)
{
    struct kv_cell *cell = allocate(overlay, sizeof *cell + key->size);
    if (cell == NULL) {
        return NULL;
    }
    cell->hash = hash;
    cell->key_size = key->size;
    memcpy(cell->key, key->data, key->size);
    if (holds_bag(cell)) {
        cell->bag = allocate(overlay, sizeof *cell->bag);
    }
    return holds_bag(cell) && cell->bag == NULL ? NULL : cell;
}

/* The cell of `key`; `fresh` when it was made now and stands for no row yet. */
static int find_cell(struct kv_overlay *overlay, const struct kv_key *key, struct kv_cell **out,
                     bool *fresh, struct err *err)
{
    if (overlay->count == overlay->capacity) {
        int rc = grow(overlay, err);
        if (rc != 0) {
            return rc;
        }
    }
    uint64_t hash = hash64(kv_key_span(key), overlay->seed);
    struct kv_slot *slot = find_slot(overlay, kv_key_span(key), hash);
    *fresh = slot->cell == NULL;
    if (*fresh) {
        struct kv_cell *cell = new_cell(overlay, key, hash);
        if (cell == NULL) {
            return out_of_memory(err);
        }
        *slot = (struct kv_slot){hash, cell};
        overlay->cells[overlay->count++] = cell;
    }
    ASSERT(slot->cell != NULL);
    *out = slot->cell;
    return 0;
}

int kv_overlay_get(struct kv_overlay *overlay, const struct kv_key *key, struct kv_cell **out,
                   struct err *err)
{
    bool fresh = false;
    int rc = find_cell(overlay, key, out, &fresh, err);
    return rc == 0 && fresh ? load(overlay, *out, err) : rc;
}

int kv_overlay_put(struct kv_overlay *overlay, const struct kv_key *key, bool stored,
                   struct kv_cell **out, struct err *err)
{
    bool fresh = false;
    int rc = find_cell(overlay, key, out, &fresh, err);
    if (rc == 0 && fresh) {
        (*out)->stored = stored;
    }
    return rc;
}

int kv_overlay_guess(struct kv_overlay *overlay, const struct kv_key *key, struct kv_cell **out,
                     struct err *err)
{
    ASSERT(key->data[0] == 'I');
    bool fresh = false;
    int rc = find_cell(overlay, key, out, &fresh, err);
    if (rc == 0 && fresh) {
        (void)recall(overlay, *out); /* and else it counts as absent, as it was born */
    }
    return rc;
}

/* --- writing --- */

/* What begins a key, as numbers: most comparisons need no more. */
struct sorted {
    uint64_t first;
    uint64_t second;
    const struct kv_cell *cell;
};

static struct sorted sort_key(const struct kv_cell *cell)
{
    uint8_t head[16] = {0};
    memcpy(head, cell->key, cell->key_size < sizeof head ? cell->key_size : sizeof head);
    return (struct sorted){get_be64(head), get_be64(head + 8), cell};
}

static int by_key(const void *a, const void *b)
{
    const struct sorted *left = a;
    const struct sorted *right = b;
    if (left->first != right->first) {
        return left->first < right->first ? -1 : 1;
    }
    if (left->second != right->second) {
        return left->second < right->second ? -1 : 1;
    }
    return span_compare(cell_key(left->cell), cell_key(right->cell));
}

static void encode(struct buf *out, const struct kv_cell *cell)
{
    struct span key = cell_key(cell);
    switch (key.data[0]) {
    case 'B':
    case 'G':
        kv_row_put_bag(out, key, cell->bag);
        break;
    case 'I':
        kv_row_put_item(out, key, &cell->item);
        break;
    case 'W':
        kv_row_put_writer(out, key, &cell->writer);
        break;
    case 'Q':
        kv_row_put_outcome(out, key, &cell->outcome);
        break;
    case 'O':
    case 'C':
    case 'N':
        kv_row_put_id(out, key, cell->id);
        break;
    case 'D':
        kv_row_put_doom(out, key, &cell->doom);
        break;
    case 'U':
    case 'P':
        kv_row_put_link(out, key, &cell->link);
        break;
    default:
        ASSERT(key.data[0] == 'T');
        kv_row_put_place(out, key, &cell->place);
        break;
    }
}

static int write_cell(const struct kv_cell *cell, rocksdb_writebatch_t *batch, struct buf *scratch,
                      struct err *err)
{
    if (!cell->present) {
        if (cell->stored) {
            rocksdb_writebatch_delete(batch, (const char *)cell->key, cell->key_size);
        }
        return 0;
    }
    encode(scratch, cell);
    if (buf_error(scratch) != 0) {
        return out_of_memory(err);
    }
    rocksdb_writebatch_put(batch, (const char *)cell->key, cell->key_size,
                           (const char *)scratch->data, scratch->size);
    return 0;
}

int kv_overlay_write(struct kv_overlay *overlay, rocksdb_writebatch_t *batch, struct buf *scratch,
                     struct err *err)
{
    struct sorted *sorted = calloc(overlay->count + 1, sizeof *sorted);
    if (sorted == NULL) {
        return out_of_memory(err);
    }
    size_t count = 0;
    for (size_t i = 0; i < overlay->count; i++) {
        if (overlay->cells[i]->dirty) {
            sorted[count++] = sort_key(overlay->cells[i]);
        }
    }
    qsort(sorted, count, sizeof *sorted, by_key);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = write_cell(sorted[i].cell, batch, scratch, err);
    }
    free(sorted);
    return rc;
}

/* --- what was written lately --- */

int kv_memory_init(struct kv_memory *memory, struct err *err)
{
    *memory = (struct kv_memory){.seed = random_u64()};
    return kv_known_init(&memory->known, err);
}

void kv_memory_free(struct kv_memory *memory)
{
    kv_lately_free(&memory->lately);
    kv_known_free(&memory->known);
}

static void keep_row(struct kv_memory *memory, const struct kv_cell *cell, struct buf *scratch)
{
    buf_reset(scratch);
    if (cell->present) {
        encode(scratch, cell);
    }
    if (buf_error(scratch) != 0) {
        kv_lately_free(&memory->lately); /* for it may know the row as it was */
        return;
    }
    kv_lately_put(&memory->lately, cell_key(cell), cell->hash, buf_span(scratch));
}

void kv_memory_keep(struct kv_memory *memory, const struct kv_overlay *written, struct buf *scratch)
{
    ASSERT(written->memory == memory);
    for (size_t i = 0; i < written->count; i++) {
        const struct kv_cell *cell = written->cells[i];
        if (cell->key[0] == 'I' && cell->present) {
            kv_known_put(&memory->known, cell->hash, &cell->item);
        } else if (cell->key[0] == 'I') {
            kv_known_forget(&memory->known, cell->hash);
        } else if (is_kept(cell_key(cell))) {
            keep_row(memory, cell, scratch);
        }
    }
}
