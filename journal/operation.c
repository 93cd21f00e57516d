/* journal/operation.c - an operation and its bytes. The format is described in operation.h. */
#include "journal/operation.h"

#include "base/hash.h"

enum {
    FIELDS_EMPTY = 2,
    FIELDS_WRITE = 6,
    FIELDS_CREATE = 4,
    FIELDS_ITEM = 3,
    MADE_UNDER_DEVICE = 1
};

/* --- writing --- */

void operation_begin_write(struct buf *out, uint64_t number, uint64_t bag_id, uint64_t made_by,
                           uint64_t seen, uint32_t count)
{
    ASSERT(number > 0);
    ASSERT((bag_id == 0) != (made_by == 0) && made_by < number);
    ASSERT(count > 0 && count <= OPERATION_WRITES_MAX);
    pack_array(out, FIELDS_WRITE);
    pack_u64(out, number);
    pack_u64(out, OPERATION_WRITE);
    pack_u64(out, bag_id);
    pack_u64(out, made_by);
    pack_u64(out, seen);
    pack_array(out, count);
}

void operation_put_write(struct buf *out, const struct operation_write *write)
{
    pack_array(out, FIELDS_ITEM + (write->device ? 1 : 0));
    pack_str(out, write->path);
    if (write->remove) {
        pack_nil(out);
    } else {
        pack_bin(out, write->value);
    }
    if (write->has_if_seq) {
        pack_u64(out, write->if_seq);
    } else {
        pack_nil(out);
    }
    if (write->device) {
        pack_u64(out, MADE_UNDER_DEVICE);
    }
}

void operation_put_create(struct buf *out, uint64_t number, const struct owner *owner)
{
    ASSERT(number > 0);
    ASSERT(owner->kind == OWNER_USER || owner->kind == OWNER_GROUP);
    pack_array(out, FIELDS_CREATE);
    pack_u64(out, number);
    pack_u64(out, OPERATION_CREATE);
    pack_u64(out, (uint64_t)owner->kind);
    pack_cstr(out, owner->shown);
}

void operation_put_empty(struct buf *out, uint64_t number)
{
    ASSERT(number > 0);
    pack_array(out, FIELDS_EMPTY);
    pack_u64(out, number);
    pack_u64(out, OPERATION_EMPTY);
}

/* --- reading --- */

static int malformed(struct err *err, const char *what)
{
    return err_set(err, E_MALFORMED, "not a valid operation: %s", what);
}

static int read_item(const msgpack_object *object, struct operation_write *out)
{
    struct operation_write item = {0};
    struct walk walk = walk_array(object);
    item.path = walk_str(&walk);
    item.remove = walk_nil(&walk);
    if (!item.remove) {
        item.value = walk_bin(&walk);
    }
    item.has_if_seq = !walk_nil(&walk);
    if (item.has_if_seq) {
        item.if_seq = walk_u64(&walk);
    }
    item.device = walk.left > 0;
    if (item.device && walk_u64(&walk) != MADE_UNDER_DEVICE) {
        return E_MALFORMED; /* one form for each meaning: the hash is over the form */
    }
    int rc = walk_end(&walk, false);
    if (rc == 0) {
        *out = item;
    }
    return rc;
}

/* The sum leaves the heads out, so that nothing is refused here that fitted when it was encoded. */
static int check_items(const struct operation *operation, struct err *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < operation->write_count; i++) {
        struct operation_write item;
        if (operation_write_at(operation, i, &item) != 0) {
            return malformed(err, "an item is not [path, value, condition], or that and 1");
        }
        bytes += item.path.size + item.value.size;
    }
    if (bytes > OPERATION_BYTES_MAX) {
        return err_set(err, E_TOO_LARGE, "the items of one operation are larger than 3 MiB");
    }
    return 0;
}

static int decode_write(struct walk *walk, struct operation *operation, struct err *err)
{
    operation->bag_id = walk_u64(walk);
    operation->made_by = walk_u64(walk);
    operation->seen = walk_u64(walk);
    const msgpack_object *writes = walk_any(walk);
    if (walk_end(walk, false) != 0 || writes->type != MSGPACK_OBJECT_ARRAY) {
        return malformed(err, "a field of a write is missing or of another type");
    }
    if ((operation->bag_id == 0) == (operation->made_by == 0) ||
        operation->made_by >= operation->number) {
        return malformed(err, "it names no bag, or one that is still to be made");
    }
    operation->writes = writes;
    operation->write_count = writes->via.array.size;
    if (operation->write_count == 0 || operation->write_count > OPERATION_WRITES_MAX) {
        return malformed(err, "it has no items, or more than 10,000");
    }
    return check_items(operation, err);
}

static int decode_create(struct walk *walk, struct operation *operation, struct err *err)
{
    uint64_t kind = walk_u64(walk);
    struct span shown = walk_str(walk);
    if (walk_end(walk, false) != 0) {
        return malformed(err, "a field of a creation is missing or of another type");
    }
    if (kind != OWNER_USER && kind != OWNER_GROUP) {
        return malformed(err, "only users and groups are created");
    }
    return owner_make(&operation->owner, (enum owner_kind)kind, shown, 0, err);
}

static int decode_empty(const struct walk *walk, struct err *err)
{
    return walk_end(walk, false) == 0 ? 0 : malformed(err, "an empty one has a body");
}

int operation_decode(const msgpack_object *object, struct operation *out, struct err *err)
{
    ASSERT(object != NULL);
    ASSERT(out != NULL);
    struct walk walk = walk_array(object);
    struct operation operation = {.source = object};
    operation.number = walk_u64(&walk);
    operation.kind = (enum operation_kind)walk_u64_max(&walk, OPERATION_CREATE);
    if (walk.error != 0 || operation.number == 0) {
        return malformed(err, "its number or its kind is not what it should be");
    }
    int rc = operation.kind == OPERATION_WRITE    ? decode_write(&walk, &operation, err)
             : operation.kind == OPERATION_CREATE ? decode_create(&walk, &operation, err)
                                                  : decode_empty(&walk, err);
    if (rc != E_MALFORMED) {
        *out = operation;
    }
    return rc;
}

int operation_write_at(const struct operation *operation, size_t i, struct operation_write *out)
{
    ASSERT(i < operation->write_count);
    return read_item(&operation->writes->via.array.ptr[i], out);
}

/* --- the hash --- */

/* Each element is hashed with the hash so far as the seed (0 at first): a tag and the element's
 * number, size or count in little-endian, then its bytes. No two operations that differ give the
 * same row of steps. Journals hold the result: it may not change. */
enum hash_tag { HASH_NIL = 0, HASH_NUMBER = 1, HASH_STR = 2, HASH_BIN = 3, HASH_ARRAY = 4 };

static uint64_t hash_head(uint64_t hash, enum hash_tag tag, uint64_t number)
{
    uint8_t head[9] = {(uint8_t)tag};
    put_le64(head + 1, number);
    return hash64(span_of(head, sizeof head), hash);
}

static uint64_t hash_bytes(uint64_t hash, enum hash_tag tag, const char *data, size_t size)
{
    return hash64(span_of(data, size), hash_head(hash, tag, size));
}

static uint64_t hash_element(uint64_t hash, const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_STR:
        return hash_bytes(hash, HASH_STR, object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return hash_bytes(hash, HASH_BIN, object->via.bin.ptr, object->via.bin.size);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return hash_head(hash, HASH_NUMBER, object->via.u64);
    case MSGPACK_OBJECT_ARRAY:
        return hash_head(hash, HASH_ARRAY, object->via.array.size);
    default:
        ASSERT(object->type == MSGPACK_OBJECT_NIL); /* decoding lets no other type through */
        return hash_head(hash, HASH_NIL, 0);
    }
}

uint64_t operation_hash(const struct operation *operation)
{
    const msgpack_object_array *fields = &operation->source->via.array;
    uint64_t hash = 0;
    for (size_t i = 1; i < fields->size; i++) {
        hash = hash_element(hash, &fields->ptr[i]);
    }
    for (size_t i = 0; i < operation->write_count; i++) {
        const msgpack_object_array *item = &operation->writes->via.array.ptr[i].via.array;
        for (size_t j = 0; j < item->size; j++) {
            hash = hash_element(hash, &item->ptr[j]);
        }
    }
    return hash;
}
