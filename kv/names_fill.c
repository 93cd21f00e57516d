/* kv/names_fill.c - the directory's names are read into memory, a slice at a time. */
#include <string.h>

#include "kv/inside.h"

static int read_slice(struct kv *kv, enum owner_kind kind, const char *after, size_t budget,
                      struct buf *out, bool *end, struct err *err)
{
    struct kv_key prefix = kv_key_owner_named(kind, "");
    struct kv_key from = kv_key_owner_named(kind, after);
    struct kv_scan scan;
    int rc = 0;
    kv_scan_open_cold(&scan, &kv->store, NULL, &prefix, &from);
    for (size_t i = 0; i < budget && rc == 0; i++) {
        struct span key;
        struct span row;
        rc = kv_scan_row(&scan, &key, &row, err);
        if (rc == 0) {
            (void)buf_append_span(out, span_of(key.data + prefix.size, key.size - prefix.size));
            (void)buf_append_span(out, span_of("", 1));
            kv_scan_step(&scan);
        }
    }
    kv_scan_close(&scan);
    *end = rc == E_NOT_FOUND;
    if (rc == 0 || rc == E_NOT_FOUND) {
        rc = buf_error(out) == 0 ? 0 : err_set(err, buf_error(out), "out of memory");
    }
    return rc;
}

int kv_names_fill(struct kv *kv, size_t budget, bool *more, struct err *err)
{
    ASSERT(kv != NULL && more != NULL);
    enum owner_kind kind = 0;
    char after[NAME_MAX_BYTES + 1];
    if (!kv_names_begin(&kv->names, &kind, after)) {
        *more = false;
        return 0;
    }
    struct buf slice;
    bool end = false;
    buf_init(&slice, (budget + 1) * (NAME_MAX_BYTES + 1));
    int rc = read_slice(kv, kind, after, budget, &slice, &end, err);
    if (rc != 0) {
        kv_names_give_up(&kv->names);
    } else if (kv_names_end(&kv->names, buf_span(&slice), end) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    buf_free(&slice);
    *more = true;
    return rc;
}
