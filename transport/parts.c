/* transport/parts.c - PART frames. */
#include "transport/parts.h"

#include <string.h>

void parts_in_init(struct parts_in *in)
{
    *in = (struct parts_in){0};
    buf_init(&in->bytes, WIRE_MESSAGE_MAX);
}

void parts_in_free(struct parts_in *in)
{
    buf_free(&in->bytes);
    in->id = 0;
    in->total = 0;
}

int parts_in_add(struct parts_in *in, const struct wire_part *part, bool *whole, struct err *err)
{
    *whole = false;
    if (part->offset == 0 && in->total == 0) {
        buf_reset(&in->bytes);
        in->id = part->id;
        in->total = part->total;
    } else if (in->total == 0) {
        return err_set(err, E_MALFORMED, "a PART continues a message that was not begun");
    }
    if (part->id != in->id || part->total != in->total || part->offset != in->bytes.size) {
        return err_set(err, E_MALFORMED, "a PART does not continue the message that was begun");
    }
    if (buf_append_span(&in->bytes, part->bytes) != 0) {
        return err_set(err, E_NOMEM, "no memory to put a message together");
    }
    *whole = in->bytes.size == in->total;
    return 0;
}

static size_t part_size(size_t total, size_t offset)
{
    ASSERT(offset < total);
    return total - offset < WIRE_PART_BYTES ? total - offset : WIRE_PART_BYTES;
}

static size_t number_bytes(uint64_t number)
{
    if (number < 0x80) {
        return 1;
    }
    if (number <= UINT8_MAX) {
        return 2;
    }
    if (number <= UINT16_MAX) {
        return 3;
    }
    return number <= UINT32_MAX ? 5 : 9;
}

/* The array's head, the type, four numbers, the head of a binary, the bytes. */
size_t parts_out_frame_bytes(uint64_t session, uint64_t id, size_t total, size_t offset)
{
    size_t size = part_size(total, offset);
    size_t head = size <= UINT8_MAX ? 2 : size <= UINT16_MAX ? 3 : 5;
    return 2 + number_bytes(session) + number_bytes(id) + number_bytes(total) +
           number_bytes(offset) + head + size;
}

size_t parts_out_all_bytes(uint64_t session, uint64_t id, size_t total)
{
    size_t bytes = 0;
    for (size_t offset = 0; offset < total; offset += part_size(total, offset)) {
        bytes += parts_out_frame_bytes(session, id, total, offset);
    }
    return bytes;
}

size_t parts_out_put(struct buf *out, uint64_t session, uint64_t id, struct span message,
                     size_t offset)
{
    size_t size = part_size(message.size, offset);
    struct wire_part part = {
        .id = id,
        .total = message.size,
        .offset = offset,
        .bytes = {message.data + offset, size},
    };
    wire_put_part(out, session, &part);
    return size;
}

unsigned parts_type(struct span begin)
{
    bool is_array = begin.size >= 2 && (begin.data[0] & 0xf0) == 0x90;
    return is_array && begin.data[1] < WIRE_TYPES ? begin.data[1] : 0;
}
