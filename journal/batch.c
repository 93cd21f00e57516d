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

static int each_change(const struct batch *batch, const msgpack_object *root,
                       journal_change_fn *each, void *context, struct err *err)
{
    struct walk walk = walk_array(root);
    for (uint32_t i = 0; i < batch->count; i++) {
        const msgpack_object *object = walk_any(&walk);
        if (object == NULL) {
            return malformed(batch, batch->base_seq + i, E_MALFORMED, "it is missing", err);
        }
        struct change change = {.seq = batch->base_seq + i, .time_ms = batch->time_ms};
        struct err why = {0};
        int rc = change_decode(object, CHANGE_JOURNAL, &change, &why);
        if (rc != 0) {
            return malformed(batch, batch->base_seq + i, rc, why.text, err);
        }
        rc = each(context, &change, err);
        if (rc != 0) {
            return rc;
        }
    }
    if (walk_end(&walk, false) != 0) {
        return malformed(batch, batch->base_seq + batch->count, E_MALFORMED,
                         "there are more changes than the header tells", err);
    }
    return 0;
}

int batch_changes(const struct batch *batch, struct unpacked *scratch, journal_change_fn *each,
                  void *context, struct err *err)
{
    ASSERT(batch != NULL && scratch != NULL && each != NULL);
    ASSERT(!batch->clean_stop);

    int rc = unpack_open(scratch, batch->payload, change_elements_max(batch->count));
    if (rc == E_NOMEM) {
        return err_set(err, rc, "out of memory");
    }
    if (rc != 0) { /* also more elements than so many changes can have */
        return malformed(batch, batch->base_seq, E_MALFORMED, err_meaning(rc), err);
    }
    return each_change(batch, &scratch->root, each, context, err);
}
