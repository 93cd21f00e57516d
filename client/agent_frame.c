/* client/agent_frame.c - requests and answers as bytes. */
#include "client/agent_inside.h"

#include <stdio.h>
#include <string.h>

void agent_begin(struct buf *out, const char *verb, uint32_t arguments)
{
    ASSERT(out != NULL && verb != NULL);
    pack_array(out, arguments + 1);
    pack_cstr(out, verb);
}

void agent_put_row(struct buf *out, uint32_t fields)
{
    buf_reset(out);
    pack_array(out, fields + 1);
    pack_u64(out, 0);
}

void agent_put_end(struct buf *out, int code, const char *text, struct span results,
                   uint32_t result_count)
{
    buf_reset(out);
    pack_array(out, result_count + 3);
    pack_u64(out, 1);
    pack_u64(out, (uint64_t)-code);
    pack_cstr(out, text);
    (void)buf_append_span(out, results); /* the buffer keeps the error */
}

/* Code and text of an end. */
static int read_end(struct agent_frame *out)
{
    uint64_t code = walk_u64(&out->fields);
    struct span text = walk_str(&out->fields);
    if (out->fields.error != 0) {
        return E_MALFORMED;
    }
    out->end = true;
    out->code = code == 0 ? 0 : err_from_wire(code);
    (void)snprintf(out->text, sizeof out->text, "%.*s", (int)text.size, (const char *)text.data);
    return 0;
}

int agent_frame_read(struct span bytes, struct unpacked *scratch, struct agent_frame *out)
{
    ASSERT(scratch != NULL && out != NULL);
    int rc = bytes.size > AGENT_FRAME_MAX ? E_TOO_LARGE
                                          : unpack_open(scratch, bytes, AGENT_ELEMENTS_MAX);
    if (rc != 0) {
        return rc;
    }
    struct agent_frame frame = {.fields = walk_array(&scratch->root)};
    uint64_t kind = walk_u64_max(&frame.fields, 1);
    if (frame.fields.error != 0) {
        return E_MALFORMED;
    }
    rc = kind == 1 ? read_end(&frame) : 0;
    if (rc == 0) {
        *out = frame;
    }
    return rc;
}
