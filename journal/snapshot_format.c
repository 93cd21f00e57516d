/* journal/snapshot_format.c - the bytes of a snapshot file.
 *
 * Numbers outside of msgpack are little-endian. docs/snapshot-format.md says the same at length,
 * with an example.
 *
 *    0   8  magic "KBBAG\r\n\x1a"
 *    8   4  format version, 1
 *   12   4  size H of the header, 4096 at most
 *   16   H  header, a msgpack array:
 *           [kind, created_ms, name str, device, signer bin32, proof bin32 or nil,
 *            history bin16 or nil, seq, hash bin32, scope, writer, lock]
 *           lock: nil, or [1, log2 of N, r, p, salt bin16, check bin16] (a password),
 *           or [2, salt bin16, check bin16] (a key)
 *        4  CRC32C of all before
 *
 * Blocks follow, one behind the other. A block is
 *
 *    0   4  kind: 1 records, 2 the end
 *    4   4  size S of what is stored
 *    8   4  size of what it unpacks to, 4 MiB at most
 *   12   4  CRC32C of bytes 0 to 11, the block's number from 0 (8 bytes), what is stored
 *   16   S  what is stored
 *
 * Of records a zstd frame is stored that tells its size; when the file is sealed, that frame under
 * AES-256-GCM, and the tag (16 bytes). The nonce is four zeros and the block's number, big-endian;
 * bytes 0 to 11 are authenticated with it. It unpacks to a msgpack array (its count always as
 * 0xdd and four bytes, 8,192 at most) of
 *
 *   bag        [1, kind, shown str, device, bag_id, parent, last_seq, since or nil]
 *   item       [2, path str, seq, time_ms, origin, flags, value bin or nil]
 *   bag end    [3, items, left_out, complete_to]
 *   operation  [4, number, bytes bin]
 *
 * A record lies in one block. flags: bit 0 conflict; a nil value is a tombstone. The end comes
 * once, is the last, is neither packed nor sealed, and is
 *
 *   [users, groups, bags, items, removed, left_out, secrets, operations, bytes, digest bin16]
 *
 * Behind it stands the signature, 64 bytes: Ed25519 by `signer` over "kitbag snapshot\n" and the
 * SHA-256 of everything before the signature. There the file ends.
 */
#include "journal/snapshot_format.h"

#include <assert.h>
#include <string.h>

static const uint8_t MAGIC[8] = "KBBAG\r\n\x1a";

enum {
    VERSION_AT = 8,
    SIZE_AT = 12,
    CRC_SIZE = 4,
    HEADER_FIELDS_MAX = 32, /* msgpack objects, with those of the lock */
    LOCK_FIELDS_PASSWORD = 6,
    LOCK_FIELDS_KEY = 3,
    BLOCK_CRC_AT = 12,
    RECORD_BAG = 1,
    RECORD_ITEM = 2,
    RECORD_BAG_END = 3,
    RECORD_OPERATION = 4,
    FLAG_CONFLICT = 1,
    ELEMENTS_MAX = SNAPSHOT_RECORDS_MAX * 9 + 1,
    COUNTS = 10,
};

static_assert(SNAPSHOT_HEAD_SIZE == BLOCK_CRC_AT + CRC_SIZE, "a block's head ends in its checksum");

/* --- the header --- */

static void put_bytes(struct buf *out, bool there, const uint8_t *bytes, size_t size)
{
    if (there) {
        pack_bin(out, span_of(bytes, size));
    } else {
        pack_nil(out);
    }
}

static void put_lock(struct buf *out, enum snapshot_sealing sealing,
                     const struct snapshot_lock *lock)
{
    if (sealing == SNAPSHOT_OPEN) {
        pack_nil(out);
        return;
    }
    bool password = sealing == SNAPSHOT_PASSWORD;
    pack_array(out, password ? LOCK_FIELDS_PASSWORD : LOCK_FIELDS_KEY);
    pack_u64(out, (uint64_t)sealing);
    if (password) {
        pack_u64(out, lock->log_n);
        pack_u64(out, lock->r);
        pack_u64(out, lock->p);
    }
    pack_bin(out, span_of(lock->salt, sizeof lock->salt));
    pack_bin(out, span_of(lock->check, sizeof lock->check));
}

static void put_fields(struct buf *out, const struct snapshot_header *header,
                       const struct snapshot_lock *lock)
{
    pack_array(out, 12);
    pack_u64(out, (uint64_t)header->kind);
    pack_u64(out, header->created_ms);
    pack_cstr(out, header->name);
    pack_u64(out, header->device);
    pack_bin(out, span_of(header->signer, sizeof header->signer));
    put_bytes(out, header->has_proof, header->proof, sizeof header->proof);
    put_bytes(out, header->has_history, header->history, sizeof header->history);
    pack_u64(out, header->seq);
    pack_bin(out, span_of(header->hash, sizeof header->hash));
    pack_u64(out, header->scope);
    pack_u64(out, header->writer);
    put_lock(out, header->sealing, lock);
}

void snapshot_put_header(struct buf *out, const struct snapshot_header *header,
                         const struct snapshot_lock *lock)
{
    size_t begin = out->size;
    uint8_t *start = buf_extend(out, SNAPSHOT_START_SIZE);
    if (start == NULL) {
        return;
    }
    memcpy(start, MAGIC, sizeof MAGIC);
    put_le32(start + VERSION_AT, SNAPSHOT_FORMAT);
    put_fields(out, header, lock);
    if (buf_error(out) != 0) {
        return;
    }
    size_t size = out->size - begin - SNAPSHOT_START_SIZE;
    ASSERT(size <= SNAPSHOT_HEADER_MAX);
    put_le32(out->data + begin + SIZE_AT, (uint32_t)size);
    uint8_t crc[CRC_SIZE];
    put_le32(crc, crc32c(0, out->data + begin, out->size - begin));
    (void)buf_append(out, crc, sizeof crc);
}

int snapshot_header_size(const uint8_t *start, size_t *size, const char **why)
{
    if (memcmp(start, MAGIC, sizeof MAGIC) != 0) {
        *why = "is no snapshot of Kitbag";
        return E_MALFORMED;
    }
    uint32_t version = get_le32(start + VERSION_AT);
    uint32_t header = get_le32(start + SIZE_AT);
    if (version > SNAPSHOT_FORMAT) {
        *why = "was made by a newer version of Kitbag, which has to be used to read it";
        return E_FORMAT;
    }
    if (version != SNAPSHOT_FORMAT || header == 0 || header > SNAPSHOT_HEADER_MAX) {
        *why = "is damaged, or was altered: its first bytes are not what they should be";
        return E_MALFORMED;
    }
    *size = SNAPSHOT_START_SIZE + header + CRC_SIZE;
    return 0;
}

static bool get_lock(const msgpack_object *object, struct snapshot_header *header,
                     struct snapshot_lock *lock)
{
    if (object == NULL || object->type == MSGPACK_OBJECT_NIL) {
        return object != NULL;
    }
    struct walk walk = walk_array(object);
    header->sealing = (enum snapshot_sealing)walk_u64_max(&walk, SNAPSHOT_KEY);
    if (header->sealing == SNAPSHOT_PASSWORD) {
        lock->log_n = walk_u64(&walk);
        lock->r = walk_u64(&walk);
        lock->p = walk_u64(&walk);
    }
    walk_bytes(&walk, lock->salt, sizeof lock->salt);
    walk_bytes(&walk, lock->check, sizeof lock->check);
    return walk_end(&walk, false) == 0 && header->sealing != SNAPSHOT_OPEN;
}

static bool get_name(struct span name, struct snapshot_header *header)
{
    if (name.size >= sizeof header->name ||
        (name.size > 0 && memchr(name.data, '\0', name.size) != NULL)) {
        return false;
    }
    if (name.size > 0) {
        memcpy(header->name, name.data, name.size);
    }
    return true;
}

static bool get_fields(const msgpack_object *root, struct snapshot_header *header,
                       struct snapshot_lock *lock)
{
    struct walk walk = walk_array(root);
    uint64_t kind = walk_u64_max(&walk, SNAPSHOT_OUTBOX);
    header->kind = (enum snapshot_kind)kind;
    header->created_ms = walk_u64(&walk);
    struct span name = walk_str(&walk);
    header->device = walk_u64(&walk);
    walk_bytes(&walk, header->signer, sizeof header->signer);
    header->has_proof = !walk_nil(&walk);
    if (header->has_proof) {
        walk_bytes(&walk, header->proof, sizeof header->proof);
    }
    header->has_history = !walk_nil(&walk);
    if (header->has_history) {
        walk_bytes(&walk, header->history, sizeof header->history);
    }
    header->seq = walk_u64(&walk);
    walk_bytes(&walk, header->hash, sizeof header->hash);
    header->scope = (uint32_t)walk_u64_max(&walk, UINT32_MAX);
    header->writer = walk_u64(&walk);
    const msgpack_object *sealed = walk_any(&walk);
    return walk_end(&walk, false) == 0 && kind != 0 && get_name(name, header) &&
           get_lock(sealed, header, lock) && (header->has_history || kind != SNAPSHOT_SERVER);
}

int snapshot_get_header(struct span bytes, struct snapshot_header *header,
                        struct snapshot_lock *lock, const char **why)
{
    struct unpacked unpacked = {0};
    struct snapshot_header read = {0};
    struct snapshot_lock read_lock = {0};
    ASSERT(bytes.size > SNAPSHOT_START_SIZE + CRC_SIZE);
    size_t size = bytes.size - CRC_SIZE;
    *why = "is damaged, or was altered: its header does not match its checksum";
    if (get_le32(bytes.data + size) != crc32c(0, bytes.data, size)) {
        return E_MALFORMED;
    }
    struct span fields = span_of(bytes.data + SNAPSHOT_START_SIZE, size - SNAPSHOT_START_SIZE);
    int rc = unpack_open(&unpacked, fields, HEADER_FIELDS_MAX);
    if (rc == 0 && get_fields(&unpacked.root, &read, &read_lock)) {
        *header = read;
        *lock = read_lock;
    } else if (rc != E_NOMEM) {
        *why = "has a header of a form that no version of Kitbag writes";
        rc = E_MALFORMED;
    }
    unpack_close(&unpacked);
    return rc;
}

/* --- blocks --- */

void snapshot_put_block(uint8_t *out, const struct snapshot_block *block)
{
    put_le32(out, (uint32_t)block->kind);
    put_le32(out + 4, block->stored_size);
    put_le32(out + 8, block->plain_size);
    put_le32(out + BLOCK_CRC_AT, block->crc);
}

int snapshot_get_block(const uint8_t *head, struct snapshot_block *out)
{
    uint32_t kind = get_le32(head);
    struct snapshot_block block = {.kind = (enum snapshot_block_kind)kind,
                                   .stored_size = get_le32(head + 4),
                                   .plain_size = get_le32(head + 8),
                                   .crc = get_le32(head + BLOCK_CRC_AT)};
    bool known = kind == SNAPSHOT_BLOCK_RECORDS || kind == SNAPSHOT_BLOCK_END;
    if (!known || block.stored_size > SNAPSHOT_STORED_MAX ||
        block.plain_size > SNAPSHOT_BLOCK_MAX) {
        return E_MALFORMED;
    }
    *out = block;
    return 0;
}

uint32_t snapshot_block_crc(const uint8_t *head, uint64_t number, struct span stored)
{
    uint8_t bytes[8];
    put_le64(bytes, number);
    uint32_t crc = crc32c(0, head, BLOCK_CRC_AT);
    crc = crc32c(crc, bytes, sizeof bytes);
    return stored.size > 0 ? crc32c(crc, stored.data, stored.size) : crc;
}

/* --- records, written --- */

static void put_owner(struct buf *out, const struct owner *owner)
{
    pack_u64(out, (uint64_t)owner->kind);
    pack_cstr(out, owner->shown);
    pack_u64(out, owner->device);
}

void snapshot_put_bag_record(struct buf *out, const struct snapshot_bag *bag)
{
    pack_array(out, 8);
    pack_u64(out, RECORD_BAG);
    put_owner(out, &bag->owner);
    pack_u64(out, bag->bag_id);
    pack_u64(out, bag->parent);
    pack_u64(out, bag->last_seq);
    if (bag->differs) {
        pack_u64(out, bag->since);
    } else {
        pack_nil(out);
    }
}

void snapshot_put_item_record(struct buf *out, struct span path, const struct item_row *row)
{
    pack_array(out, 7);
    pack_u64(out, RECORD_ITEM);
    pack_str(out, path);
    pack_u64(out, row->seq);
    pack_u64(out, row->time_ms);
    pack_u64(out, row->origin);
    pack_u64(out, row->conflict ? FLAG_CONFLICT : 0);
    if (row->state == ITEM_LIVE) {
        pack_bin(out, row->value);
    } else {
        pack_nil(out);
    }
}

void snapshot_put_bag_end_record(struct buf *out, const struct snapshot_bag *bag)
{
    pack_array(out, 4);
    pack_u64(out, RECORD_BAG_END);
    pack_u64(out, bag->items);
    pack_u64(out, bag->left_out);
    pack_u64(out, bag->complete_to);
}

void snapshot_put_operation_record(struct buf *out, uint64_t number, struct span bytes)
{
    pack_array(out, 3);
    pack_u64(out, RECORD_OPERATION);
    pack_u64(out, number);
    pack_bin(out, bytes);
}

void snapshot_put_count(uint8_t *out, uint32_t count)
{
    out[0] = 0xdd; /* msgpack's array with a count of four bytes */
    put_be32(out + 1, count);
}

/* --- records, read --- */

int snapshot_get_records(struct span plain, struct unpacked *scratch, struct walk *out)
{
    int rc = unpack_open(scratch, plain, ELEMENTS_MAX);
    if (rc != 0) {
        return rc;
    }
    struct walk walk = walk_array(&scratch->root);
    if (walk.error != 0 || walk.left > SNAPSHOT_RECORDS_MAX) {
        return E_MALFORMED;
    }
    *out = walk;
    return 0;
}

static int malformed(struct err *err, const char *what)
{
    return err_set(err, E_MALFORMED, "%s is not of a form that Kitbag writes", what);
}

static int get_owner(struct walk *walk, struct owner *out, struct err *err)
{
    uint64_t kind = walk_u64_max(walk, OWNER_DEVICE);
    struct span shown = walk_str(walk);
    uint64_t device = walk_u64(walk);
    if (walk->error != 0 || !owner_kind_known(kind) || kind == OWNER_SERVER) {
        return malformed(err, "whose bag it is");
    }
    if (kind == OWNER_FLEET || kind == OWNER_DEVICE) {
        *out = (struct owner){.kind = (enum owner_kind)kind, .device = device};
        return shown.size == 0 && (device != 0) == (kind == OWNER_DEVICE)
                   ? 0
                   : malformed(err, "whose bag it is");
    }
    int rc = owner_make(out, (enum owner_kind)kind, shown, device, err);
    return rc == E_INVALID ? malformed(err, "whose bag it is") : rc;
}

static int get_bag(struct walk *walk, struct snapshot_record *out, struct snapshot_bag *bag,
                   struct err *err)
{
    *bag = (struct snapshot_bag){0};
    int rc = get_owner(walk, &bag->owner, err);
    if (rc != 0) {
        return rc;
    }
    out->type = SNAPSHOT_BAG;
    bag->bag_id = walk_u64(walk);
    bag->parent = walk_u64(walk);
    bag->last_seq = walk_u64(walk);
    bag->differs = !walk_nil(walk);
    bag->since = bag->differs ? walk_u64(walk) : 0;
    return walk_end(walk, false) == 0 ? 0 : malformed(err, "a bag");
}

static int get_item(struct walk *walk, struct snapshot_record *out, struct err *err)
{
    struct item_row *row = &out->row;
    out->type = SNAPSHOT_ITEM;
    out->path = walk_str(walk);
    row->seq = walk_u64(walk);
    row->time_ms = walk_u64(walk);
    row->origin = walk_u64(walk);
    row->conflict = walk_u64_max(walk, FLAG_CONFLICT) != 0;
    row->state = walk_nil(walk) ? ITEM_TOMBSTONE : ITEM_LIVE;
    row->value = row->state == ITEM_LIVE ? walk_bin(walk) : (struct span){NULL, 0};
    if (walk_end(walk, false) != 0) {
        return malformed(err, "an item");
    }
    int rc = path_check(out->path, err);
    return rc != 0 ? rc : value_check(out->path, row->value, err);
}

static int get_bag_end(struct walk *walk, struct snapshot_record *out, struct snapshot_bag *bag,
                       struct err *err)
{
    out->type = SNAPSHOT_BAG_END;
    bag->items = walk_u64(walk);
    bag->left_out = walk_u64(walk);
    bag->complete_to = walk_u64(walk);
    return walk_end(walk, false) == 0 ? 0 : malformed(err, "the end of a bag");
}

static int get_operation(struct walk *walk, struct snapshot_record *out, struct err *err)
{
    out->type = SNAPSHOT_OPERATION;
    out->number = walk_u64(walk);
    out->bytes = walk_bin(walk);
    return walk_end(walk, false) == 0 && out->number > 0 ? 0 : malformed(err, "an operation");
}

int snapshot_get_record(const msgpack_object *object, struct snapshot_record *out,
                        struct snapshot_bag *bag, struct err *err)
{
    struct walk walk = walk_array(object);
    switch (walk_u64(&walk)) {
    case RECORD_BAG:
        return get_bag(&walk, out, bag, err);
    case RECORD_ITEM:
        return get_item(&walk, out, err);
    case RECORD_BAG_END:
        return get_bag_end(&walk, out, bag, err);
    case RECORD_OPERATION:
        return get_operation(&walk, out, err);
    default:
        return malformed(err, "a record");
    }
}

/* --- the end --- */

void snapshot_put_counts(struct buf *out, const struct snapshot_counts *counts)
{
    uint8_t digest[DIGEST_SIZE];
    digest_put(&counts->digest, digest);
    pack_array(out, COUNTS);
    pack_u64(out, counts->users);
    pack_u64(out, counts->groups);
    pack_u64(out, counts->bags);
    pack_u64(out, counts->items);
    pack_u64(out, counts->removed);
    pack_u64(out, counts->left_out);
    pack_u64(out, counts->secrets);
    pack_u64(out, counts->operations);
    pack_u64(out, counts->bytes);
    pack_bin(out, span_of(digest, sizeof digest));
}

int snapshot_get_counts(struct span bytes, struct snapshot_counts *out)
{
    uint8_t digest[DIGEST_SIZE];
    struct unpacked unpacked = {0};
    struct snapshot_counts counts = {0};
    int rc = unpack_open(&unpacked, bytes, COUNTS + 1);
    if (rc == 0) {
        struct walk walk = walk_array(&unpacked.root);
        counts.users = walk_u64(&walk);
        counts.groups = walk_u64(&walk);
        counts.bags = walk_u64(&walk);
        counts.items = walk_u64(&walk);
        counts.removed = walk_u64(&walk);
        counts.left_out = walk_u64(&walk);
        counts.secrets = walk_u64(&walk);
        counts.operations = walk_u64(&walk);
        counts.bytes = walk_u64(&walk);
        walk_bytes(&walk, digest, sizeof digest);
        rc = walk_end(&walk, false);
    }
    if (rc == 0) {
        counts.digest = digest_get(digest);
        *out = counts;
    }
    unpack_close(&unpacked);
    return rc == E_NOMEM ? rc : rc != 0 ? E_MALFORMED : 0;
}

bool snapshot_counts_equal(const struct snapshot_counts *a, const struct snapshot_counts *b)
{
    return a->users == b->users && a->groups == b->groups && a->bags == b->bags &&
           a->items == b->items && a->removed == b->removed && a->left_out == b->left_out &&
           a->secrets == b->secrets && a->operations == b->operations && a->bytes == b->bytes &&
           digest_equal(&a->digest, &b->digest);
}
