/* kv/row.c - rows of the state. Their formats are described at the head of row.h. */
#include "kv/row.h"

#include <string.h>

enum { CHECKSUM_SIZE = 8, FLAG_CONFLICT = 1 };

/* --- writing rows --- */

static uint64_t checksum(struct span key, struct span body)
{
    return hash64(body, hash64(key, 0));
}

static void row_begin(struct buf *out)
{
    buf_reset(out);
    (void)buf_extend(out, CHECKSUM_SIZE);
}

static void row_end(struct buf *out, struct span key)
{
    if (buf_error(out) == 0) {
        struct span body = span_of(out->data + CHECKSUM_SIZE, out->size - CHECKSUM_SIZE);
        put_le64(out->data, checksum(key, body));
    }
}

static void add_le64(struct buf *out, uint64_t number)
{
    uint8_t bytes[8];
    put_le64(bytes, number);
    (void)buf_append(out, bytes, sizeof bytes);
}

static void add_name(struct buf *out, const char *name)
{
    struct span bytes = span_str(name);
    ASSERT(bytes.size <= NAME_MAX_BYTES);
    (void)buf_append_u8(out, (uint8_t)bytes.size);
    (void)buf_append_span(out, bytes);
}

void kv_row_put_format(struct buf *out, struct span key, uint32_t version)
{
    uint8_t bytes[4];
    put_le32(bytes, version);
    row_begin(out);
    (void)buf_append(out, bytes, sizeof bytes);
    row_end(out, key);
}

void kv_row_put_mark(struct buf *out, struct span key, const struct kv_mark *mark)
{
    row_begin(out);
    (void)buf_append(out, mark->position.history, HISTORY_SIZE);
    add_le64(out, mark->position.seq);
    (void)buf_append(out, mark->position.hash, SHA256_SIZE);
    add_le64(out, mark->counts.users);
    add_le64(out, mark->counts.groups);
    add_le64(out, mark->counts.bags);
    add_le64(out, mark->counts.items);
    add_le64(out, mark->counts.bytes);
    row_end(out, key);
}

void kv_row_put_bag(struct buf *out, struct span key, const struct bag_row *bag)
{
    row_begin(out);
    add_le64(out, bag->parent);
    add_le64(out, bag->last_seq);
    add_le64(out, bag->items);
    add_le64(out, bag->bytes);
    add_le64(out, bag->purged_to);
    uint8_t digest[DIGEST_SIZE];
    digest_put(&bag->digest, digest);
    (void)buf_append(out, digest, sizeof digest);
    (void)buf_append_u8(out, (uint8_t)bag->owner.kind);
    add_le64(out, bag->owner.device);
    add_name(out, bag->owner.shown);
    add_name(out, bag->owner.folded);
    row_end(out, key);
}

void kv_row_put_id(struct buf *out, struct span key, uint64_t bag_id)
{
    row_begin(out);
    add_le64(out, bag_id);
    row_end(out, key);
}

void kv_row_put_doom(struct buf *out, struct span key, const struct kv_doom *doom)
{
    row_begin(out);
    add_le64(out, doom->bag_id);
    (void)buf_append_u8(out, (uint8_t)doom->stage);
    row_end(out, key);
}

void kv_row_put_link(struct buf *out, struct span key, const struct kv_link *link)
{
    row_begin(out);
    add_le64(out, link->device);
    add_le64(out, link->time_ms);
    row_end(out, key);
}

void kv_row_put_place(struct buf *out, struct span key, const struct kv_place *place)
{
    row_begin(out);
    add_le64(out, place->bag_id);
    (void)buf_append_span(out, place->path);
    row_end(out, key);
}

void kv_row_put_note(struct buf *out, struct span key, struct span bytes)
{
    row_begin(out);
    (void)buf_append_span(out, bytes);
    row_end(out, key);
}

void kv_row_put_item(struct buf *out, struct span key, const struct item_row *item)
{
    ASSERT(item->state == ITEM_LIVE || item->state == ITEM_TOMBSTONE);
    row_begin(out);
    (void)buf_append_u8(out, (uint8_t)item->state);
    (void)buf_append_u8(out, item->conflict ? FLAG_CONFLICT : 0);
    add_le64(out, item->seq);
    add_le64(out, item->time_ms);
    add_le64(out, item->origin);
    (void)buf_append_span(out, item->value);
    row_end(out, key);
}

void kv_row_put_writer(struct buf *out, struct span key, const struct kv_writer *writer)
{
    row_begin(out);
    add_le64(out, writer->device);
    add_le64(out, writer->highest);
    add_le64(out, writer->confirmed);
    add_le64(out, writer->begun);
    row_end(out, key);
}

void kv_row_put_outcome(struct buf *out, struct span key, const struct kv_outcome *outcome)
{
    row_begin(out);
    add_le64(out, outcome->hash);
    add_le64(out, outcome->code);
    add_le64(out, outcome->seq);
    add_le64(out, outcome->bag_id);
    row_end(out, key);
}

/* --- reading rows --- */

/* What is left of a row; the first field that is not there marks it. */
struct rest {
    struct span bytes;
    bool bad;
};

static int bad_row(struct span key, const char *what, struct err *err)
{
    char hex[2 * 24 + 1];
    hex_encode(key.data, key.size < 24 ? key.size : 24, hex);
    return err_set(err, E_CORRUPT, "the state's row %s is damaged: %s", hex, what);
}

static int row_open(struct span key, struct span row, struct rest *rest, struct err *err)
{
    if (row.size < CHECKSUM_SIZE) {
        return bad_row(key, "it is cut short", err);
    }
    struct span body = span_of(row.data + CHECKSUM_SIZE, row.size - CHECKSUM_SIZE);
    if (get_le64(row.data) != checksum(key, body)) {
        return bad_row(key, "its checksum is wrong", err);
    }
    *rest = (struct rest){.bytes = body};
    return 0;
}

static const uint8_t *take(struct rest *rest, size_t size)
{
    if (rest->bad || rest->bytes.size < size) {
        rest->bad = true;
        return NULL;
    }
    const uint8_t *at = rest->bytes.data;
    rest->bytes = span_of(at + size, rest->bytes.size - size);
    return at;
}

static uint8_t take_u8(struct rest *rest)
{
    const uint8_t *at = take(rest, 1);
    return at != NULL ? *at : 0;
}

static uint64_t take_u64(struct rest *rest)
{
    const uint8_t *at = take(rest, 8);
    return at != NULL ? get_le64(at) : 0;
}

static void take_bytes(struct rest *rest, void *out, size_t size)
{
    const uint8_t *at = take(rest, size);
    if (at != NULL) {
        memcpy(out, at, size);
    }
}

static void take_name(struct rest *rest, char out[NAME_MAX_BYTES + 1])
{
    size_t size = take_u8(rest);
    take_bytes(rest, out, size);
    out[size] = '\0';
}

static int row_close(const struct rest *rest, struct span key, struct err *err)
{
    return rest->bad || rest->bytes.size > 0 ? bad_row(key, "its shape is wrong", err) : 0;
}

int kv_row_get_format(struct span key, struct span row, uint32_t *version, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc != 0) {
        return rc;
    }
    const uint8_t *at = take(&rest, 4);
    rc = row_close(&rest, key, err);
    if (rc == 0) {
        *version = get_le32(at);
    }
    return rc;
}

int kv_row_get_mark(struct span key, struct span row, struct kv_mark *out, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_mark mark = {0};
    take_bytes(&rest, mark.position.history, HISTORY_SIZE);
    mark.position.seq = take_u64(&rest);
    take_bytes(&rest, mark.position.hash, SHA256_SIZE);
    mark.counts.users = take_u64(&rest);
    mark.counts.groups = take_u64(&rest);
    mark.counts.bags = take_u64(&rest);
    mark.counts.items = take_u64(&rest);
    mark.counts.bytes = take_u64(&rest);
    rc = row_close(&rest, key, err);
    if (rc == 0) {
        *out = mark;
    }
    return rc;
}

int kv_row_get_bag(struct span key, struct span row, struct bag_row *out, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc != 0) {
        return rc;
    }
    struct bag_row bag = {.exists = true, .bag_id = kv_key_bag_id(key)};
    bag.parent = take_u64(&rest);
    bag.last_seq = take_u64(&rest);
    bag.items = take_u64(&rest);
    bag.bytes = take_u64(&rest);
    bag.purged_to = take_u64(&rest);
    uint8_t digest[DIGEST_SIZE] = {0};
    take_bytes(&rest, digest, sizeof digest);
    bag.digest = digest_get(digest);
    uint8_t kind = take_u8(&rest);
    bag.owner.kind = (enum owner_kind)kind;
    bag.owner.device = take_u64(&rest);
    take_name(&rest, bag.owner.shown);
    take_name(&rest, bag.owner.folded);
    rc = row_close(&rest, key, err);
    if (rc == 0 && !owner_kind_known(kind)) {
        rc = bad_row(key, "its owner is of no known kind", err);
    }
    if (rc == 0) {
        *out = bag;
    }
    return rc;
}

int kv_row_get_id(struct span key, struct span row, uint64_t *bag_id, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t id = take_u64(&rest);
    rc = row_close(&rest, key, err);
    if (rc == 0) {
        *bag_id = id;
    }
    return rc;
}

int kv_row_get_doom(struct span key, struct span row, struct kv_doom *out, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t bag_id = take_u64(&rest);
    uint8_t stage = take_u8(&rest);
    rc = row_close(&rest, key, err);
    if (rc == 0 && stage > KV_DOOM_EMPTY) {
        rc = bad_row(key, "its stage is no known one", err);
    }
    if (rc == 0) {
        *out = (struct kv_doom){bag_id, (enum kv_doom_stage)stage};
    }
    return rc;
}

int kv_row_get_link(struct span key, struct span row, struct kv_link *out, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_link link = {.device = take_u64(&rest)};
    link.time_ms = take_u64(&rest);
    rc = row_close(&rest, key, err);
    if (rc == 0) {
        *out = link;
    }
    return rc;
}

int kv_row_get_place(struct span key, struct span row, struct kv_place *out, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t bag_id = take_u64(&rest);
    if (rest.bad || rest.bytes.size == 0 || rest.bytes.size > PATH_MAX_BYTES) {
        return bad_row(key, "its shape is wrong", err);
    }
    *out = (struct kv_place){bag_id, rest.bytes};
    return 0;
}

int kv_row_get_note(struct span key, struct span row, struct span *out, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc == 0) {
        *out = rest.bytes;
    }
    return rc;
}

int kv_row_get_item(struct span key, struct span row, struct item_row *out, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc != 0) {
        return rc;
    }
    uint8_t state = take_u8(&rest);
    struct item_row item = {.conflict = take_u8(&rest) == FLAG_CONFLICT};
    item.seq = take_u64(&rest);
    item.time_ms = take_u64(&rest);
    item.origin = take_u64(&rest);
    item.value = rest.bytes;
    bool known = state == ITEM_LIVE || (state == ITEM_TOMBSTONE && item.value.size == 0);
    if (rest.bad || !known) {
        return bad_row(key, "its shape is wrong", err);
    }
    item.state = (enum item_state)state;
    *out = item;
    return 0;
}

int kv_row_get_writer(struct span key, struct span row, struct kv_writer *out, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_writer writer = {.known = true};
    writer.device = take_u64(&rest);
    writer.highest = take_u64(&rest);
    writer.confirmed = take_u64(&rest);
    writer.begun = take_u64(&rest);
    rc = row_close(&rest, key, err);
    if (rc == 0) {
        *out = writer;
    }
    return rc;
}

int kv_row_get_outcome(struct span key, struct span row, struct kv_outcome *out, struct err *err)
{
    struct rest rest = {0};
    int rc = row_open(key, row, &rest, err);
    if (rc != 0) {
        return rc;
    }
    struct kv_outcome outcome = {.hash = take_u64(&rest)};
    outcome.code = take_u64(&rest);
    outcome.seq = take_u64(&rest);
    outcome.bag_id = take_u64(&rest);
    rc = row_close(&rest, key, err);
    if (rc == 0) {
        *out = outcome;
    }
    return rc;
}
