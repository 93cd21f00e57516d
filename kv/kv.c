/* kv/kv.c - opening and closing the state, its position, its views. */
#include "kv/kv.h"

#include <stdlib.h>

#include "kv/checkpoint.h"
#include "kv/inside.h"

/* --- the position and the format --- */

int kv_mark_get(struct kv *kv, struct kv_view *view, struct kv_mark *out, struct err *err)
{
    struct kv_key key = kv_key_mark();
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    int rc = kv_store_get(&kv->store, kv_view_read(view), kv_key_span(&key), &pin, &row, err);
    if (rc == E_NOT_FOUND) {
        *out = (struct kv_mark){.position.fresh = true};
        return 0;
    }
    if (rc == 0) {
        rc = kv_row_get_mark(kv_key_span(&key), row, out, err);
    }
    rocksdb_pinnableslice_destroy(pin);
    return rc;
}

static int write_format(struct kv *kv, struct err *err)
{
    struct kv_key key = kv_key_format();
    struct buf row;
    buf_init(&row, 64);
    kv_row_put_format(&row, kv_key_span(&key), KV_FORMAT_VERSION);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    int rc = kv_batch_put(batch, &key, &row, err);
    if (rc == 0) {
        rc = kv_store_write(&kv->store, batch, err);
    }
    rocksdb_writebatch_destroy(batch);
    buf_free(&row);
    return rc != 0 ? rc : kv_store_flush(&kv->store, err);
}

/* Of a format that this program brings up to its own. */
static int bring_up(struct kv *kv, uint32_t version, struct err *err)
{
    int rc = version == KV_FORMAT_UNNAMED ? kv_graves_name_all(kv, err) : 0;
    if (rc == 0) {
        rc = kv_links_make_all(kv, err);
    }
    return rc == 0 ? write_format(kv, err) : rc;
}

static int check_format(struct kv *kv, const char *dir, struct err *err)
{
    struct kv_key key = kv_key_format();
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    int rc = kv_store_get(&kv->store, NULL, kv_key_span(&key), &pin, &row, err);
    if (rc == E_NOT_FOUND && kv->position.fresh && !kv->read_only) {
        return write_format(kv, err);
    }
    if (rc == E_NOT_FOUND) {
        return err_set(err, E_CORRUPT, "the state in %s has lost its format's version", dir);
    }
    uint32_t version = 0;
    if (rc == 0) {
        rc = kv_row_get_format(kv_key_span(&key), row, &version, err);
    }
    rocksdb_pinnableslice_destroy(pin);
    if (rc == 0 && (version == KV_FORMAT_UNNAMED || version == KV_FORMAT_UNLINKED)) {
        return kv->read_only ? 0 : bring_up(kv, version, err); /* it lacks what finds rows faster */
    }
    if (rc == 0 && version != KV_FORMAT_VERSION) {
        rc = err_set(err, E_FORMAT,
                     "the state in %s is of format %u, and this program knows %d: use the program "
                     "that wrote it, or move the folder away to make it anew from the journal",
                     dir, version, (int)KV_FORMAT_VERSION);
    }
    return rc;
}

static int load(struct kv *kv, const char *dir, struct err *err)
{
    struct kv_mark mark;
    int rc = kv_mark_get(kv, NULL, &mark, err);
    if (rc != 0) {
        return rc;
    }
    kv->position = mark.position;
    kv->counts = mark.counts;
    return check_format(kv, dir, err);
}

/* --- what was written lately --- */

bool kv_recent(struct kv *kv, const struct kv_view *view, const struct kv_key *key,
               struct kv_recent *out)
{
    /* Whoever keeps rows right now takes longer than a look into the store. */
    if (view != NULL || pthread_mutex_trylock(&kv->memory_lock) != 0) {
        return false;
    }
    struct span span = kv_key_span(key);
    struct span row;
    bool known = kv_lately_get(&kv->memory.lately, span, hash64(span, kv->memory.seed), &row);
    if (known) {
        out->present = row.size > 0;
    }
    if (known && row.size > 0) {
        known = (key->data[0] == 'B' ? kv_row_get_bag(span, row, &out->bag, NULL)
                                     : kv_row_get_writer(span, row, &out->writer, NULL)) == 0;
    }
    (void)pthread_mutex_unlock(&kv->memory_lock);
    return known;
}

/* --- writing rows --- */

/* Rows of the directory that were written: the names in memory follow. */
static void note_names(struct kv *kv, const struct kv_overlay *written)
{
    for (size_t i = 0; i < written->count; i++) {
        const struct kv_cell *cell = written->cells[i];
        enum owner_kind kind = cell->key[0] == 'O' && cell->dirty ? cell->key[1] : 0;
        if (kind == OWNER_USER || kind == OWNER_GROUP) {
            kv_names_note(&kv->names, kind, span_of(cell->key + 2, cell->key_size - 2),
                          cell->present);
        }
    }
}

int kv_batch_put(rocksdb_writebatch_t *batch, const struct kv_key *key, const struct buf *row,
                 struct err *err)
{
    int rc = buf_error(row);
    if (rc != 0) {
        return err_set(err, rc, "out of memory");
    }
    rocksdb_writebatch_put(batch, (const char *)key->data, key->size, (const char *)row->data,
                           row->size);
    return 0;
}

void kv_batch_delete(rocksdb_writebatch_t *batch, const struct kv_key *key)
{
    rocksdb_writebatch_delete(batch, (const char *)key->data, key->size);
}

void kv_rows_begin(struct kv *kv, struct kv_overlay *rows)
{
    kv_overlay_init(rows, &kv->store, &kv->memory);
}

int kv_rows_write(struct kv *kv, struct kv_overlay *rows, const struct kv_mark *mark,
                  struct err *err)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    struct buf row;
    buf_init(&row, VALUE_MAX_BYTES + 4096);
    int rc = kv_overlay_write(rows, batch, &row, err);
    if (rc == 0 && mark != NULL) {
        struct kv_key key = kv_key_mark();
        kv_row_put_mark(&row, kv_key_span(&key), mark);
        rc = kv_batch_put(batch, &key, &row, err);
    }
    if (rc == 0) {
        rc = kv_store_write(&kv->store, batch, err);
    }
    if (rc == 0) {
        (void)pthread_mutex_lock(&kv->memory_lock);
        kv_memory_keep(&kv->memory, rows, &row);
        (void)pthread_mutex_unlock(&kv->memory_lock);
        note_names(kv, rows);
    }
    buf_free(&row);
    rocksdb_writebatch_destroy(batch);
    return rc;
}

/* --- opening and closing --- */

static int open_kv(struct kv **out, const struct kv_options *options, bool read_only,
                   struct err *err)
{
    struct kv *kv = calloc(1, sizeof *kv);
    if (kv == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    kv->read_only = read_only;
    (void)pthread_mutex_init(&kv->lock, NULL);
    (void)pthread_mutex_init(&kv->memory_lock, NULL);
    kv_names_init(&kv->names);
    int rc = kv_memory_init(&kv->memory, err);
    if (rc == 0) {
        rc = read_only ? kv_store_open_read(&kv->store, options, err)
                       : kv_store_open(&kv->store, options, err);
    }
    if (rc == 0) {
        rc = load(kv, options->dir, err);
    }
    if (rc != 0) {
        kv_close(&kv, false);
        return rc;
    }
    *out = kv;
    return 0;
}

int kv_open(struct kv **out, const struct kv_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL);
    return open_kv(out, options, false, err);
}

int kv_open_read(struct kv **out, const struct kv_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL);
    return open_kv(out, options, true, err);
}

void kv_close(struct kv **kv, bool flush)
{
    ASSERT(kv != NULL);
    if (*kv == NULL) {
        return;
    }
    ASSERT(atomic_load(&(*kv)->views) == 0);
    int rc = flush ? kv_store_flush(&(*kv)->store, NULL) : 0;
    (void)rc; /* what does not reach the disk is replayed from the journal */
    kv_memory_free(&(*kv)->memory);
    kv_names_free(&(*kv)->names);
    kv_store_close(&(*kv)->store);
    (void)pthread_mutex_destroy(&(*kv)->memory_lock);
    (void)pthread_mutex_destroy(&(*kv)->lock);
    free(*kv);
    *kv = NULL;
}

void kv_position(const struct kv *kv, struct kv_position *out)
{
    ASSERT(kv != NULL);
    ASSERT(out != NULL);
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&kv->lock;
    (void)pthread_mutex_lock(lock);
    *out = kv->position;
    (void)pthread_mutex_unlock(lock);
}

int kv_flush(struct kv *kv, uint64_t *flushed_seq, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(flushed_seq != NULL);
    struct kv_position position;
    kv_position(kv, &position);
    int rc = kv_store_flush(&kv->store, err);
    if (rc == 0) {
        *flushed_seq = position.seq;
    }
    return rc;
}

/* --- views --- */

int kv_view_new(struct kv_view **out, struct kv *kv, struct err *err)
{
    ASSERT(out != NULL);
    ASSERT(kv != NULL);
    struct kv_view *view = calloc(1, sizeof *view);
    if (view == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    view->kv = kv;
    view->snapshot = rocksdb_create_snapshot(kv->store.db);
    view->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(view->read, view->snapshot);
    (void)atomic_fetch_add(&kv->views, 1);
    *out = view;
    return 0;
}

void kv_view_free(struct kv_view **view)
{
    ASSERT(view != NULL);
    if (*view == NULL) {
        return;
    }
    struct kv *kv = (*view)->kv;
    rocksdb_readoptions_destroy((*view)->read);
    rocksdb_release_snapshot(kv->store.db, (*view)->snapshot);
    (void)atomic_fetch_sub(&kv->views, 1);
    free(*view);
    *view = NULL;
}

const rocksdb_readoptions_t *kv_view_read(const struct kv_view *view)
{
    return view != NULL ? view->read : NULL;
}

int kv_view_position(struct kv *kv, struct kv_view *view, struct kv_position *out, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(out != NULL);
    struct kv_mark mark;
    int rc = kv_mark_get(kv, view, &mark, err);
    if (rc == 0) {
        *out = mark.position;
    }
    return rc;
}

int kv_counts(struct kv *kv, struct kv_view *view, struct kv_counts *out, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(out != NULL);
    struct kv_mark mark;
    int rc = kv_mark_get(kv, view, &mark, err);
    if (rc == 0) {
        *out = mark.counts;
    }
    return rc;
}
