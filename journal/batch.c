/* journal/batch.c - a batch's payload: one msgpack array of its changes. */
#include "journal/journal.h"

void batch_begin(struct buf *payload, uint32_t count)
{
    ASSERT(payload != NULL);
    pack_array(payload, count);
}

static int malformed(const struct batch *batch, uint64_t seq, int code, const char *why,
                     struct err *err)
{
    return err_set(err, code, "the batch of change %llu, at change %llu: %s",
                   (unsigned long long)batch->base_seq, (unsigned long long)seq, why);
}

int batch_unpack(const struct batch *batch, struct unpacked *scratch, struct err *err)
{
    ASSERT(batch != NULL && scratch != NULL);
    ASSERT(!batch->clean_stop);

    int rc = unpack_open(scratch, batch->payload, change_elements_max(batch->count));
    if (rc == E_NOMEM) {
        return err_set(err, rc, "out of memory");
    }
    if (rc != 0) { /* also more elements than so many changes can have */
        return malformed(batch, batch->base_seq, E_MALFORMED, err_meaning(rc), err);
    }
    const msgpack_object *root = &scratch->root;
    if (root->type != MSGPACK_OBJECT_ARRAY) {
        return malformed(batch, batch->base_seq, E_MALFORMED, "it is missing", err);
    }
    return 0;
}

int batch_change(const struct batch *batch, const struct unpacked *unpacked, uint64_t seq,
                 struct change *out, struct err *err)
{
    ASSERT(batch != NULL && unpacked != NULL && out != NULL);
    ASSERT(seq >= batch->base_seq && seq - batch->base_seq < batch->count);

    const msgpack_object_array *array = &unpacked->root.via.array;
    uint64_t index = seq - batch->base_seq;
    if (index >= array->size) {
        return malformed(batch, seq, E_MALFORMED, "it is missing", err);
    }
    struct err why; /* filled by a failure alone: zeroing it for each change would cost time */
    out->seq = seq;
    out->time_ms = batch->time_ms;
    int rc = change_decode(&array->ptr[index], CHANGE_JOURNAL, out, &why);
    return rc == 0 ? 0 : malformed(batch, seq, rc, why.text, err);
}

int batch_changes(const struct batch *batch, struct unpacked *scratch, journal_change_fn *each,
                  void *context, struct err *err)
{
    ASSERT(each != NULL);

    int rc = batch_unpack(batch, scratch, err);
    for (uint64_t i = 0; rc == 0 && i < batch->count; i++) {
        struct change change;
        rc = batch_change(batch, scratch, batch->base_seq + i, &change, err);
        if (rc == 0) {
            rc = each(context, &change, err);
        }
    }
    if (rc == 0 && scratch->root.via.array.size > batch->count) {
        return malformed(batch, batch->base_seq + batch->count, E_MALFORMED,
                         "there are more changes than the header tells", err);
    }
    return rc;
}
