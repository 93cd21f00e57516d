/* kv/note.c - small things that are kept with the state and are not of the journal. */
#include <string.h>

#include "kv/inside.h"

static int check_name(const char *name, struct err *err)
{
    ASSERT(name != NULL);
    if (strlen(name) > KV_NOTE_NAME_MAX) {
        return err_set(err, E_INVALID, "the name of a note has at most %d bytes",
                       (int)KV_NOTE_NAME_MAX);
    }
    return 0;
}

int kv_note_put(struct kv *kv, const char *name, struct span bytes, struct err *err)
{
    ASSERT(kv != NULL);
    int rc = check_name(name, err);
    if (rc == 0 && bytes.size > KV_NOTE_MAX_BYTES) {
        rc = err_set(err, E_INVALID, "a note has at most %d bytes", (int)KV_NOTE_MAX_BYTES);
    }
    if (rc != 0) {
        return rc;
    }
    struct kv_key key = kv_key_note(span_str(name));
    struct buf row;
    buf_init(&row, KV_NOTE_MAX_BYTES + 64);
    kv_row_put_note(&row, kv_key_span(&key), bytes);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rc = kv_batch_put(batch, &key, &row, err);
    if (rc == 0) {
        rc = kv_store_try(&kv->store, batch, err);
    }
    rocksdb_writebatch_destroy(batch);
    buf_free(&row);
    return rc;
}

int kv_note_remove(struct kv *kv, const char *name, struct err *err)
{
    ASSERT(kv != NULL);
    int rc = check_name(name, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_key key = kv_key_note(span_str(name));
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    kv_batch_delete(batch, &key);
    rc = kv_store_try(&kv->store, batch, err);
    rocksdb_writebatch_destroy(batch);
    return rc;
}

int kv_note_get(struct kv *kv, const char *name, struct buf *out, struct err *err)
{
    ASSERT(kv != NULL && out != NULL);
    int rc = check_name(name, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_key key = kv_key_note(span_str(name));
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    struct span bytes;
    rc = kv_store_get(&kv->store, NULL, kv_key_span(&key), &pin, &row, err);
    if (rc == 0) {
        rc = kv_row_get_note(kv_key_span(&key), row, &bytes, err);
    } else if (rc == E_NOT_FOUND) {
        (void)err_set(err, E_NOT_FOUND, "there is no such note");
    }
    if (rc == 0) {
        buf_reset(out);
        (void)buf_append_span(out, bytes);
        rc = buf_error(out);
        if (rc != 0) {
            (void)err_set(err, rc, "a note: %s", err_meaning(rc));
        }
    }
    rocksdb_pinnableslice_destroy(pin);
    return rc;
}

static int hand_over(struct span key, struct span row, kv_note_fn *each, void *context,
                     struct err *err)
{
    char name[KV_NOTE_NAME_MAX + 1];
    struct span bytes;
    int rc = kv_row_get_note(key, row, &bytes, err);
    if (rc != 0) {
        return rc;
    }
    memcpy(name, key.data + 1, key.size - 1);
    name[key.size - 1] = '\0';
    return each(context, name, bytes, err);
}

int kv_notes(struct kv *kv, const char *prefix, kv_note_fn *each, void *context, struct err *err)
{
    ASSERT(kv != NULL && each != NULL);
    int rc = check_name(prefix, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_key from = kv_key_note(span_str(prefix));
    struct kv_scan scan;
    kv_scan_open(&scan, &kv->store, NULL, &from, &from, false);
    while (rc == 0) {
        struct span key;
        struct span row;
        rc = kv_scan_row(&scan, &key, &row, err);
        if (rc == 0) {
            rc = hand_over(key, row, each, context, err);
            kv_scan_step(&scan);
        } else if (rc == E_NOT_FOUND) {
            rc = 0;
            break;
        }
    }
    kv_scan_close(&scan);
    return rc;
}
