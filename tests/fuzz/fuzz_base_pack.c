/* tests/fuzz/fuzz_base_pack.c - bytes that nobody vouches for, through the msgpack guard.
 *
 * What the guard lets through must unpack, stay within the depth and the number of elements that
 * were allowed, point into the input alone, and hold nothing but the types we write. Packed again
 * it must pass again and be equal.
 */
#include "base/pack.h"
#include "tests/fuzz/fuzz.h"

enum { ELEMENTS_MAX = 4096 };

/* The walk over an unpacked object: what it may touch, and what it has counted. */
struct tour {
    struct span input;
    size_t elements;
};

static void check_bytes(const struct tour *tour, const char *data, size_t size)
{
    uintptr_t begin = (uintptr_t)tour->input.data;
    uintptr_t at = (uintptr_t)data;
    FUZZ_CHECK(size == 0 || (at >= begin && at - begin <= tour->input.size &&
                             size <= tour->input.size - (at - begin)));
}

static void visit(struct tour *tour, const msgpack_object *object, unsigned depth);

static void visit_array(struct tour *tour, const msgpack_object_array *array, unsigned depth)
{
    FUZZ_CHECK(depth <= PACK_DEPTH_MAX);
    for (uint32_t i = 0; i < array->size; i++) {
        visit(tour, &array->ptr[i], depth);
    }
}

static void visit_map(struct tour *tour, const msgpack_object_map *map, unsigned depth)
{
    FUZZ_CHECK(depth <= PACK_DEPTH_MAX);
    for (uint32_t i = 0; i < map->size; i++) {
        visit(tour, &map->ptr[i].key, depth);
        visit(tour, &map->ptr[i].val, depth);
    }
}

static void visit(struct tour *tour, const msgpack_object *object, unsigned depth)
{
    tour->elements++;
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_BOOLEAN:
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        break;
    case MSGPACK_OBJECT_STR:
        check_bytes(tour, object->via.str.ptr, object->via.str.size);
        break;
    case MSGPACK_OBJECT_BIN:
        check_bytes(tour, object->via.bin.ptr, object->via.bin.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        visit_array(tour, &object->via.array, depth + 1);
        break;
    case MSGPACK_OBJECT_MAP:
        visit_map(tour, &object->via.map, depth + 1);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
    case MSGPACK_OBJECT_EXT:
    default:
        FUZZ_CHECK(object->type == MSGPACK_OBJECT_NIL); /* no other type is ever written */
    }
}

static void check_again(const msgpack_object *object)
{
    msgpack_sbuffer packed;
    msgpack_packer packer;
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    FUZZ_CHECK(msgpack_pack_object(&packer, *object) == 0);

    struct unpacked again = {0};
    FUZZ_CHECK(unpack_open(&again, span_of(packed.data, packed.size), ELEMENTS_MAX) == 0);
    FUZZ_CHECK(msgpack_object_equal(*object, again.root));
    unpack_close(&again);
    msgpack_sbuffer_destroy(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unpacked unpacked = {0};
    struct tour tour = {.input = {data, size}};
    int guard = pack_guard(tour.input, ELEMENTS_MAX);
    FUZZ_CHECK(guard == 0 || guard == E_MALFORMED || guard == E_TOO_LARGE);
    FUZZ_CHECK(unpack_open(&unpacked, tour.input, ELEMENTS_MAX) == guard);
    if (guard == 0) {
        visit(&tour, &unpacked.root, 0);
        FUZZ_CHECK(tour.elements <= ELEMENTS_MAX);
        check_again(&unpacked.root);
    }
    unpack_close(&unpacked);
    return 0;
}
