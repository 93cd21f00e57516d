/* base/pack.c - writing, the guard, unpacking into msgpack-c's objects, and walking them.
 *
 * Unpacking takes sizeof(msgpack_object) bytes for each element, of which the guard has counted
 * and bounded the number. It is our own because the guard knows that number: one array holds them
 * all, where msgpack-c grows a zone and checks everything a second time (3 times slower).
 */
#include "base/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- writing --- */

static int write_bytes(void *context, const char *bytes, size_t size)
{
    return buf_append(context, bytes, size);
}

static msgpack_packer packer_of(struct buf *buf)
{
    return (msgpack_packer){.data = buf, .callback = write_bytes};
}

void pack_array(struct buf *buf, uint32_t count)
{
    msgpack_packer packer = packer_of(buf);
    (void)msgpack_pack_array(&packer, count);
}

void pack_map(struct buf *buf, uint32_t count)
{
    msgpack_packer packer = packer_of(buf);
    (void)msgpack_pack_map(&packer, count);
}

void pack_u64(struct buf *buf, uint64_t value)
{
    msgpack_packer packer = packer_of(buf);
    (void)msgpack_pack_uint64(&packer, value);
}

void pack_bool(struct buf *buf, bool value)
{
    msgpack_packer packer = packer_of(buf);
    (void)(value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer));
}

void pack_nil(struct buf *buf)
{
    msgpack_packer packer = packer_of(buf);
    (void)msgpack_pack_nil(&packer);
}

/* The format counts in 32 bits; what is longer is as impossible as what exceeds the maximum. */
static bool fits_u32(struct buf *buf, size_t size)
{
    if (size > UINT32_MAX) {
        buf->error = buf->error != 0 ? buf->error : E_TOO_LARGE;
        return false;
    }
    return true;
}

void pack_bin(struct buf *buf, struct span bytes)
{
    msgpack_packer packer = packer_of(buf);
    if (fits_u32(buf, bytes.size)) {
        (void)msgpack_pack_bin(&packer, bytes.size);
        (void)buf_append_span(buf, bytes);
    }
}

void pack_str(struct buf *buf, struct span text)
{
    msgpack_packer packer = packer_of(buf);
    if (fits_u32(buf, text.size)) {
        (void)msgpack_pack_str(&packer, text.size);
        (void)buf_append_span(buf, text);
    }
}

void pack_cstr(struct buf *buf, const char *text)
{
    pack_str(buf, span_str(text));
}

/* --- the guard --- */

enum shape { REFUSED, WHOLE, BODY, ARRAY, MAP };

/* One object's head: what it is, and how many bytes or elements follow it. */
struct head {
    enum shape shape;
    size_t count;
};

static size_t get_count(const uint8_t *at, unsigned width)
{
    size_t count = 0;
    for (unsigned i = 0; i < width; i++) {
        count = count << 8 | at[i];
    }
    return count;
}

/* The tags from 0xc0 to 0xdf: the shape, and the width of the count behind the tag, or the size of
 * the number for WHOLE. 0xc1 is never used; 0xc7..0xcb and 0xd4..0xd8 are extensions and floats. */
static const struct {
    uint8_t shape;
    uint8_t width;
} long_tags[32] = {
    [0x00] = {WHOLE, 0}, [0x02] = {WHOLE, 0}, [0x03] = {WHOLE, 0}, [0x04] = {BODY, 1},
    [0x05] = {BODY, 2},  [0x06] = {BODY, 4},  [0x0c] = {WHOLE, 1}, [0x0d] = {WHOLE, 2},
    [0x0e] = {WHOLE, 4}, [0x0f] = {WHOLE, 8}, [0x10] = {WHOLE, 1}, [0x11] = {WHOLE, 2},
    [0x12] = {WHOLE, 4}, [0x13] = {WHOLE, 8}, [0x19] = {BODY, 1},  [0x1a] = {BODY, 2},
    [0x1b] = {BODY, 4},  [0x1c] = {ARRAY, 2}, [0x1d] = {ARRAY, 4}, [0x1e] = {MAP, 2},
    [0x1f] = {MAP, 4},
};

/* Reads the head at *at and moves *at behind it; REFUSED when it is cut or never written. */
static inline struct head read_head(const uint8_t **at, const uint8_t *end)
{
    uint8_t tag = *(*at)++;
    if (tag < 0x80 || tag >= 0xe0) {
        return (struct head){WHOLE, 0};
    }
    if (tag < 0x90) {
        return (struct head){MAP, tag & 15u};
    }
    if (tag < 0xa0) {
        return (struct head){ARRAY, tag & 15u};
    }
    if (tag < 0xc0) {
        return (struct head){BODY, tag & 31u};
    }
    enum shape shape = long_tags[tag & 31].shape;
    unsigned width = long_tags[tag & 31].width;
    if (shape == REFUSED || (size_t)(end - *at) < width) {
        return (struct head){REFUSED, 0};
    }
    if (shape == WHOLE) {
        *at += width;
        return (struct head){WHOLE, 0};
    }
    size_t count = get_count(*at, width);
    *at += width;
    return (struct head){shape, count};
}

/* As pack_guard, and `elements` is told how many there are in all. */
static int scan(struct span bytes, size_t elements_max, size_t *elements)
{
    const uint8_t *at = bytes.data;
    const uint8_t *end = bytes.size > 0 ? at + bytes.size : at;
    size_t waiting[PACK_DEPTH_MAX]; /* elements still to come, outside of the container we are in */
    size_t depth = 0;
    size_t here = 1; /* elements still to come in it */
    size_t seen = 0;

    while (here > 0) {
        if (at == end) {
            return E_MALFORMED;
        }
        if (seen++ == elements_max) {
            return E_TOO_LARGE;
        }
        here--;
        if (*at < 0x80 || *at >= 0xe0) { /* small numbers: more than half of all there is */
            at++;
        } else {
            struct head head = read_head(&at, end);
            size_t left = (size_t)(end - at);
            if (head.shape == REFUSED || head.count > left) {
                return E_MALFORMED;
            }
            if (head.shape == BODY) {
                at += head.count;
            } else if (head.shape != WHOLE) {
                size_t inside = head.shape == MAP ? head.count * 2 : head.count;
                if (inside > left) {
                    return E_MALFORMED;
                }
                if (depth == PACK_DEPTH_MAX) {
                    return E_TOO_LARGE;
                }
                waiting[depth++] = here;
                here = inside;
            }
        }
        while (here == 0 && depth > 0) {
            here = waiting[--depth];
        }
    }
    *elements = seen;
    return at == end ? 0 : E_MALFORMED;
}

int pack_guard(struct span bytes, size_t elements_max)
{
    size_t elements = 0;
    return scan(bytes, elements_max, &elements);
}

/* --- unpacking: of bytes that the guard let through, so nothing is checked again --- */

static uint64_t get_number(const uint8_t *at, unsigned width)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < width; i++) {
        number = number << 8 | at[i];
    }
    return number;
}

static void make_signed(msgpack_object *out, uint64_t number, unsigned width)
{
    ASSERT(width >= 1 && width <= 8);
    unsigned shift = 64 - 8 * width;
    int64_t value = (int64_t)(number << shift) >> shift; /* both compilers shift the sign in */
    out->type = value < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
    out->via.i64 = value;
}

/* The tags of WHOLE objects that are longer than one byte or no number. */
static const uint8_t *make_whole(msgpack_object *out, uint8_t tag, const uint8_t *at)
{
    unsigned width = long_tags[tag & 31].width;
    if (tag == 0xc0) {
        out->type = MSGPACK_OBJECT_NIL;
    } else if (tag < 0xc4) {
        out->type = MSGPACK_OBJECT_BOOLEAN;
        out->via.boolean = tag == 0xc3;
    } else if (tag < 0xd0) {
        out->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
        out->via.u64 = get_number(at, width);
    } else {
        make_signed(out, get_number(at, width), width);
    }
    return at + width;
}

/* Strings and binaries, in place. */
static const uint8_t *make_body(msgpack_object *out, uint8_t tag, const uint8_t *at, size_t size)
{
    if (tag >= 0xc4 && tag <= 0xc6) {
        out->type = MSGPACK_OBJECT_BIN;
        out->via.bin.ptr = (const char *)at;
        out->via.bin.size = (uint32_t)size;
    } else {
        out->type = MSGPACK_OBJECT_STR;
        out->via.str.ptr = (const char *)at;
        out->via.str.size = (uint32_t)size;
    }
    return at + size;
}

/* A container's elements are the objects from `inside` on; a map's pair is two of them. */
static_assert(sizeof(msgpack_object_kv) == 2 * sizeof(msgpack_object), "a pair is two objects");

static void make_container(msgpack_object *out, const struct head *head, msgpack_object *inside)
{
    if (head->shape == ARRAY) {
        out->type = MSGPACK_OBJECT_ARRAY;
        out->via.array.ptr = inside;
        out->via.array.size = (uint32_t)head->count;
    } else {
        out->type = MSGPACK_OBJECT_MAP;
        out->via.map.ptr = (msgpack_object_kv *)(void *)inside;
        out->via.map.size = (uint32_t)head->count;
    }
}

/* Fills `objects`, which has room for all elements; the first is the root. Those of one container
 * lie together, so its room is taken when its head is met. */
static void build(struct span bytes, msgpack_object *objects)
{
    struct {
        msgpack_object *next;
        msgpack_object *end;
    } levels[PACK_DEPTH_MAX + 1];
    const uint8_t *at = bytes.data;
    const uint8_t *end = at + bytes.size;
    msgpack_object *taken = objects + 1;
    size_t depth = 0;
    levels[0].next = objects;
    levels[0].end = taken;
    for (;;) {
        while (levels[depth].next == levels[depth].end) {
            if (depth-- == 0) {
                return;
            }
        }
        msgpack_object *out = levels[depth].next++;
        uint8_t tag = *at;
        if (tag < 0x80) {
            out->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
            out->via.u64 = tag;
            at++;
            continue;
        }
        if (tag >= 0xe0) {
            make_signed(out, tag, 1);
            at++;
            continue;
        }
        const uint8_t *behind_tag = at + 1;
        struct head head = read_head(&at, end);
        if (head.shape == WHOLE) {
            at = make_whole(out, tag, behind_tag);
        } else if (head.shape == BODY) {
            at = make_body(out, tag, at, head.count);
        } else {
            make_container(out, &head, taken);
            depth++;
            levels[depth].next = taken;
            taken += head.shape == MAP ? 2 * head.count : head.count;
            levels[depth].end = taken;
        }
    }
}

/* Objects that are kept from message to message; after a large one there may be more for a while.
 */
enum { KEPT_MIN = 64, KEPT_MAX = 512 };

static int reserve(struct unpacked *out, size_t elements)
{
    bool far_too_much = out->capacity > KEPT_MAX && elements < out->capacity / 8;
    if (elements <= out->capacity && !far_too_much) {
        return 0;
    }
    size_t capacity = KEPT_MIN;
    while (capacity < elements) {
        capacity *= 2;
    }
    msgpack_object *objects = malloc(capacity * sizeof *objects);
    if (objects == NULL) {
        return E_NOMEM;
    }
    free(out->objects);
    out->objects = objects;
    out->capacity = capacity;
    return 0;
}

int unpack_open(struct unpacked *out, struct span bytes, size_t elements_max)
{
    ASSERT(out != NULL);
    size_t elements = 0;
    int rc = scan(bytes, elements_max, &elements);
    if (rc == 0) {
        rc = reserve(out, elements);
    }
    if (rc != 0) {
        return rc;
    }
    build(bytes, out->objects);
    out->root = out->objects[0];
    return 0;
}

void unpack_close(struct unpacked *unpacked)
{
    if (unpacked == NULL) {
        return;
    }
    free(unpacked->objects);
    *unpacked = (struct unpacked){0};
}

/* --- walking --- */

struct walk walk_array(const msgpack_object *array)
{
    if (array == NULL || array->type != MSGPACK_OBJECT_ARRAY) {
        return (struct walk){.error = E_MALFORMED};
    }
    return (struct walk){.next = array->via.array.ptr, .left = array->via.array.size};
}

static const msgpack_object *fail(struct walk *walk)
{
    walk->error = walk->error != 0 ? walk->error : E_MALFORMED; /* the first is the cause */
    return NULL;
}

const msgpack_object *walk_any(struct walk *walk)
{
    if (walk->error != 0 || walk->left == 0) {
        return fail(walk);
    }
    walk->left--;
    return walk->next++;
}

static const msgpack_object *take(struct walk *walk, msgpack_object_type type)
{
    const msgpack_object *object = walk_any(walk);
    return object != NULL && object->type == type ? object : fail(walk);
}

uint64_t walk_u64(struct walk *walk)
{
    const msgpack_object *object = take(walk, MSGPACK_OBJECT_POSITIVE_INTEGER);
    return object != NULL ? object->via.u64 : 0;
}

uint64_t walk_u64_max(struct walk *walk, uint64_t max)
{
    uint64_t value = walk_u64(walk);
    if (value > max) {
        (void)fail(walk);
        return 0;
    }
    return value;
}

bool walk_bool(struct walk *walk)
{
    const msgpack_object *object = take(walk, MSGPACK_OBJECT_BOOLEAN);
    return object != NULL && object->via.boolean;
}

struct span walk_bin(struct walk *walk)
{
    const msgpack_object *object = take(walk, MSGPACK_OBJECT_BIN);
    if (object == NULL) {
        return (struct span){NULL, 0};
    }
    return span_of(object->via.bin.ptr, object->via.bin.size);
}

struct span walk_str(struct walk *walk)
{
    const msgpack_object *object = take(walk, MSGPACK_OBJECT_STR);
    if (object == NULL) {
        return (struct span){NULL, 0};
    }
    return span_of(object->via.str.ptr, object->via.str.size);
}

void walk_bytes(struct walk *walk, uint8_t *out, size_t size)
{
    struct span bytes = walk_bin(walk);
    if (walk->error != 0 || bytes.size != size) {
        (void)fail(walk);
        memset(out, 0, size);
        return;
    }
    memcpy(out, bytes.data, size);
}

bool walk_nil(struct walk *walk)
{
    if (walk->error != 0 || walk->left == 0 || walk->next->type != MSGPACK_OBJECT_NIL) {
        return false;
    }
    (void)walk_any(walk);
    return true;
}

int walk_end(const struct walk *walk, bool more_allowed)
{
    if (walk->error != 0) {
        return walk->error;
    }
    return walk->left == 0 || more_allowed ? 0 : E_MALFORMED;
}
