/* kv/overlay.c - rows in memory between reading and writing them. */
#include "kv/overlay.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64 };

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

void kv_overlay_init(struct kv_overlay *overlay, const struct kv_store *store)
{
    *overlay = (struct kv_overlay){.store = store, .seed = random_u64()};
}

static void free_cell(struct kv_cell *cell)
{
    if (holds_bag(cell)) {
        free(cell->bag);
    }
    free(cell);
}

void kv_overlay_free(struct kv_overlay *overlay)
{
    for (size_t i = 0; i < overlay->count; i++) {
        free_cell(overlay->cells[i]);
    }
    free(overlay->cells);
    free(overlay->slots);
    *overlay = (struct kv_overlay){0};
}

/* --- the table --- */

/* Where the key is, or the free slot where it belongs. */
static size_t find_slot(const struct kv_overlay *overlay, struct span key, uint64_t hash)
{
    size_t mask = overlay->slot_count - 1;
    size_t slot = (size_t)hash & mask;
    while (overlay->slots[slot] != NULL && (overlay->slots[slot]->hash != hash ||
                                            !span_equal(cell_key(overlay->slots[slot]), key))) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

static int grow(struct kv_overlay *overlay, struct err *err)
{
    size_t slot_count = overlay->slot_count > 0 ? overlay->slot_count * 2 : FIRST_SLOTS;
    size_t capacity = slot_count / 2;
    struct kv_cell **cells = realloc(overlay->cells, capacity * sizeof(struct kv_cell *));
    if (cells == NULL) {
        return out_of_memory(err);
    }
    overlay->cells = cells;
    struct kv_cell **slots = calloc(slot_count, sizeof(struct kv_cell *));
    if (slots == NULL) {
        return out_of_memory(err);
    }
    free(overlay->slots);
    overlay->slots = slots;
    overlay->slot_count = slot_count;
    overlay->capacity = capacity;
    for (size_t i = 0; i < overlay->count; i++) {
        struct kv_cell *cell = overlay->cells[i];
        slots[find_slot(overlay, cell_key(cell), cell->hash)] = cell;
    }
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
        return kv_row_get_id(key, row, &cell->id, err);
    default:
        ASSERT(key.data[0] == 'D');
        return kv_row_get_doom(key, row, &cell->doom, err);
    }
}

static void copy_row(struct kv_cell *to, const struct kv_cell *from)
{
    to->present = from->present;
    to->stored = from->present;
    if (from->key[0] == 'B') {
        ASSERT(to->bag != NULL && from->bag != NULL);
        *to->bag = *from->bag;
    } else {
        ASSERT(from->key[0] == 'W');
        to->writer = from->writer;
    }
}

/* What is known of the row without a look-up. */
static bool recall(const struct kv_overlay *overlay, struct kv_cell *cell)
{
    if (cell->key[0] == 'I') {
        cell->present = cell->stored =
            overlay->known != NULL && kv_known_get(overlay->known, cell->hash, &cell->item);
        return cell->present;
    }
    if (overlay->recent == NULL || overlay->recent->slot_count == 0) {
        return false;
    }
    size_t slot = find_slot(overlay->recent, cell_key(cell), cell->hash);
    if (overlay->recent->slots[slot] == NULL) {
        return false;
    }
    copy_row(cell, overlay->recent->slots[slot]);
    return true;
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
    cell->present = cell->stored = rc == 0;
    return rc;
}

static struct kv_cell *new_cell(const struct kv_key *key, uint64_t hash)
{
    struct kv_cell *cell = calloc(1, sizeof *cell + key->size);
    if (cell == NULL) {
        return NULL;
    }
    cell->hash = hash;
    cell->key_size = key->size;
    memcpy(cell->key, key->data, key->size);
    if (holds_bag(cell)) {
        cell->bag = calloc(1, sizeof *cell->bag);
        if (cell->bag == NULL) {
            free(cell);
            return NULL;
        }
    }
    return cell;
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
    size_t slot = find_slot(overlay, kv_key_span(key), hash);
    *fresh = overlay->slots[slot] == NULL;
    if (*fresh) {
        struct kv_cell *cell = new_cell(key, hash);
        if (cell == NULL) {
            return out_of_memory(err);
        }
        overlay->slots[slot] = cell;
        overlay->cells[overlay->count++] = cell;
    }
    *out = overlay->slots[slot];
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

/* --- what was written lately --- */

const struct kv_cell *kv_overlay_find(const struct kv_overlay *overlay, const struct kv_key *key)
{
    if (overlay->slot_count == 0) {
        return NULL;
    }
    uint64_t hash = hash64(kv_key_span(key), overlay->seed);
    return overlay->slots[find_slot(overlay, kv_key_span(key), hash)];
}

/* The table stays as large as it has become. */
static void forget_all(struct kv_overlay *recent)
{
    for (size_t i = 0; i < recent->count; i++) {
        free_cell(recent->cells[i]);
    }
    for (size_t i = 0; i < recent->slot_count; i++) {
        recent->slots[i] = NULL;
    }
    recent->count = 0;
}

static int remember_row(struct kv_overlay *recent, const struct kv_cell *cell)
{
    struct kv_key key = {.size = cell->key_size};
    memcpy(key.data, cell->key, cell->key_size);
    struct kv_cell *known = NULL;
    bool fresh = false;
    int rc = find_cell(recent, &key, &known, &fresh, NULL);
    if (rc == 0) {
        copy_row(known, cell);
    }
    return rc;
}

void kv_overlay_remember(struct kv_overlay *recent, struct kv_known *known,
                         const struct kv_overlay *written)
{
    ASSERT(recent != written);
    for (size_t i = 0; i < written->count; i++) {
        const struct kv_cell *cell = written->cells[i];
        if (cell->key[0] == 'I' && cell->present) {
            kv_known_put(known, cell->hash, &cell->item);
        } else if (cell->key[0] == 'I') {
            kv_known_forget(known, cell->hash);
        } else if (cell->key[0] == 'B' || cell->key[0] == 'W') {
            if (recent->count >= KV_RECENT_MAX || remember_row(recent, cell) != 0) {
                forget_all(recent);
            }
        }
    }
}

/* --- writing --- */

static int by_key(const void *a, const void *b)
{
    const struct kv_cell *const *left = a;
    const struct kv_cell *const *right = b;
    return span_compare(cell_key(*left), cell_key(*right));
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
        kv_row_put_id(out, key, cell->id);
        break;
    case 'D':
        kv_row_put_doom(out, key, &cell->doom);
        break;
    default:
        ASSERT(key.data[0] == 'T');
        kv_row_put_place(out, key, &cell->place);
        break;
    }
}

int kv_overlay_write(struct kv_overlay *overlay, rocksdb_writebatch_t *batch, struct buf *scratch,
                     struct err *err)
{
    if (overlay->count == 0) {
        return 0;
    }
    qsort(overlay->cells, overlay->count, sizeof(struct kv_cell *), by_key);
    for (size_t i = 0; i < overlay->count; i++) {
        const struct kv_cell *cell = overlay->cells[i];
        if (!cell->dirty) {
            continue;
        }
        if (!cell->present) {
            if (cell->stored) {
                rocksdb_writebatch_delete(batch, (const char *)cell->key, cell->key_size);
            }
            continue;
        }
        encode(scratch, cell);
        if (buf_error(scratch) != 0) {
            return out_of_memory(err);
        }
        rocksdb_writebatch_put(batch, (const char *)cell->key, cell->key_size,
                               (const char *)scratch->data, scratch->size);
    }
    return 0;
}
