/* base/pack.h - msgpack: writing into a bounded buffer, and reading bytes that nobody vouches for.
 *
 * Bytes are scanned before they are unpacked: five of them can ask for 100 GB (`dd ff ff ff ff`).
 * The scan checks that there is exactly one object, that it is whole, its depth, its number of
 * elements, and that no count promises more than the bytes that are left. After it, unpacking makes
 * msgpack-c's objects; strings and binaries of the result point into the scanned bytes.
 */
#ifndef KITBAG_BASE_PACK_H
#define KITBAG_BASE_PACK_H

#include <msgpack.h>

#include "base/buf.h"
#include "base/err.h"

enum { PACK_DEPTH_MAX = 8 };

/* --- writing: errors are sticky in the buffer, so nothing is returned --- */
void pack_array(struct buf *buf, uint32_t count);
void pack_map(struct buf *buf, uint32_t count);
void pack_u64(struct buf *buf, uint64_t value);
void pack_bool(struct buf *buf, bool value);
void pack_nil(struct buf *buf);
void pack_bin(struct buf *buf, struct span bytes);
void pack_str(struct buf *buf, struct span text);
void pack_cstr(struct buf *buf, const char *text);

/* --- reading --- */

/* The guard. Returns 0, or E_MALFORMED (cut short, bytes left over, a type we never write: floats
 * and extensions, a lying count) or E_TOO_LARGE (deeper than PACK_DEPTH_MAX, more than
 * `elements_max` objects in all). Pure; O(size). */
MUST_CHECK int pack_guard(struct span bytes, size_t elements_max);

/* An unpacked message. Valid while the bytes it was read from live. */
struct unpacked {
    msgpack_object root;
    msgpack_object *objects; /* owned; reused by the next unpack_open on the same struct */
    size_t capacity;
};

/* Guard, then unpack. `out` must be zeroed before its first use; it may be opened again and again
 * (its memory is reused) and is freed by unpack_close. Returns 0, E_MALFORMED, E_TOO_LARGE,
 * E_NOMEM. */
MUST_CHECK int unpack_open(struct unpacked *out, struct span bytes, size_t elements_max);
void unpack_close(struct unpacked *unpacked);

/* Walk an array: every getter takes the next element and checks its type. The first failure is
 * sticky (later getters leave their result untouched), so read all, then look at unpack_end. */
struct walk {
    const msgpack_object *next;
    size_t left;
    int error; /* 0, E_MALFORMED, or what the reader put there: the first one stays */
};

struct walk walk_array(const msgpack_object *array); /* not an array: error set */
uint64_t walk_u64(struct walk *walk);                /* 0 on failure */
uint64_t walk_u64_max(struct walk *walk, uint64_t max);
bool walk_bool(struct walk *walk);
struct span walk_bin(struct walk *walk); /* empty on failure */
struct span walk_str(struct walk *walk);
/* A binary of exactly `size` bytes copied to `out` (zeroed on failure). */
void walk_bytes(struct walk *walk, uint8_t *out, size_t size);
bool walk_nil(struct walk *walk); /* consumes the next element only when it is nil */
const msgpack_object *walk_any(struct walk *walk); /* NULL on failure */
/* Elements left over are an error too, unless `more_allowed`. */
MUST_CHECK int walk_end(const struct walk *walk, bool more_allowed);

#endif
