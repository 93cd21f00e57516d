/* server/token_expiry.c - a walk over the tokens, and one change set. */
#include "server/token_expiry.h"

#include <stdlib.h>
#include <string.h>

#include "server/records.h"
#include "server/rows.h"

struct over {
    char path[RECORD_PATH_MAX];
    size_t size;
    uint64_t seq;
};

struct expiry {
    uint64_t now_ms;
    size_t count;
    struct over list[TOKEN_EXPIRY_AT_ONCE];
};

enum { FULL = 1 };

/* When nobody could use it any more: a used one since its item was written. One that can't be
 * understood is left for a person to look at. */
static bool is_over(const struct expiry *expiry, struct span path, const struct item_row *row)
{
    struct token_record record = {0};
    if (record_get_token(&record, path, row->value, NULL) != 0) {
        return false;
    }
    uint64_t end_ms = record.used ? row->time_ms : record.expires_ms;
    return end_ms < expiry->now_ms && expiry->now_ms - end_ms > TOKEN_EXPIRY_MS;
}

static int each_token(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)err;
    struct expiry *expiry = context;
    if (path.size > RECORD_PATH_MAX || !is_over(expiry, path, row)) {
        return 0;
    }
    struct over *over = &expiry->list[expiry->count++];
    memcpy(over->path, path.data, path.size);
    over->size = path.size;
    over->seq = row->seq;
    return expiry->count == TOKEN_EXPIRY_AT_ONCE ? FULL : 0;
}

static const struct owner SERVER = {.kind = OWNER_SERVER};

static int find(struct expiry *expiry, struct kv *kv, struct err *err)
{
    struct bag_row bag = {0};
    int rc = kv_bag_of(kv, NULL, &SERVER, &bag, err);
    if (rc == 0) {
        rc = rows_each(kv, bag.bag_id, SPAN_LITERAL("token/"), each_token, expiry, err);
    }
    return rc == FULL ? 0 : rc;
}

static int remove_all(const struct expiry *expiry, const struct clearing_submit *submit,
                      struct err *err)
{
    struct operation_write writes[TOKEN_EXPIRY_AT_ONCE];
    for (size_t i = 0; i < expiry->count; i++) {
        const struct over *over = &expiry->list[i];
        writes[i] = (struct operation_write){
            .path = span_of(over->path, over->size),
            .remove = true,
            .has_if_seq = true,
            .if_seq = over->seq,
        };
    }
    return clearing_write(submit, &SERVER, writes, expiry->count, err);
}

int token_expiry_turn(struct kv *kv, const struct clearing_submit *submit, uint64_t now_ms,
                      size_t *removed, struct err *err)
{
    ASSERT(kv != NULL && submit != NULL && removed != NULL);
    *removed = 0;
    struct expiry *expiry = calloc(1, sizeof *expiry);
    if (expiry == NULL) {
        return err_set(err, E_NOMEM, "join tokens that are over: out of memory");
    }
    expiry->now_ms = now_ms;
    int rc = find(expiry, kv, err);
    if (rc == 0 && expiry->count > 0) {
        rc = remove_all(expiry, submit, err);
        *removed = rc == 0 ? expiry->count : 0;
    }
    free(expiry);
    return rc;
}
