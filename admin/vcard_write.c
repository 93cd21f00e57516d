/* admin/vcard_write.c - addresses as vCards. */
#include "admin/vcard_write.h"

#include <string.h>

enum { LINE_BYTES = 75, LINE_MAX_BYTES = 1 << 20 };

static void put_escaped(struct buf *line, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            (void)buf_append(line, "\\n", 2);
        } else if (strchr("\\,;", *text) != NULL) {
            (void)buf_append_u8(line, '\\');
            (void)buf_append_u8(line, (uint8_t)*text);
        } else if (*text != '\r') { /* which goes with the line feed */
            (void)buf_append_u8(line, (uint8_t)*text);
        }
    }
}

static void put_folded(struct buf *out, struct buf *line)
{
    size_t room = LINE_BYTES;
    for (size_t at = 0; at < line->size; room = LINE_BYTES - 1) {
        size_t size = line->size - at;
        if (size > room) {
            size = room;
            while (size > 0 && (line->data[at + size] & 0xc0) == 0x80) {
                size--;
            }
        }
        (void)buf_append(out, at > 0 ? "\r\n " : "", at > 0 ? 3 : 0);
        (void)buf_append(out, line->data + at, size);
        at += size;
    }
    (void)buf_append(out, "\r\n", 2);
    out->error = out->error != 0 ? out->error : buf_error(line);
    buf_free(line);
}

/* A property of some values, parted by ';'; nothing when all are empty. */
static void put(struct buf *out, const char *name, const char *one, const char *other)
{
    if (one[0] == '\0' && other[0] == '\0') {
        return;
    }
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    (void)buf_printf(&line, "%s:", name);
    put_escaped(&line, one);
    if (other[0] != '\0') {
        (void)buf_append_u8(&line, ';');
        put_escaped(&line, other);
    }
    put_folded(out, &line);
}

static void put_list(struct buf *out, const struct admin_address *address, const char *name,
                     enum admin_address_list list)
{
    size_t count = admin_address_count(address, list);
    for (size_t i = 0; i < count; i++) {
        put(out, name, admin_address_at(address, list, i), "");
    }
}

void admin_vcard_put(struct buf *out, const struct admin_address *address)
{
    ASSERT(out != NULL && address != NULL);
    (void)buf_append_span(out, SPAN_LITERAL("BEGIN:VCARD\r\nVERSION:4.0\r\n"));
    put(out, "UID;VALUE=text", address->id, "");
    put(out, "FN", address->name, "");
    put(out, "N", address->name, "");
    put(out, "X-PHONETIC-LAST-NAME", address->kana, "");
    put_list(out, address, "EMAIL", ADDRESS_MAIL);
    put_list(out, address, "TEL;TYPE=voice", ADDRESS_TELEPHONE);
    put_list(out, address, "TEL;TYPE=fax", ADDRESS_FAX);
    put(out, "ORG", address->organization, address->department);
    put(out, "TITLE", address->title, "");
    put(out, "CATEGORIES", address->owner, "");
    (void)buf_append_span(out, SPAN_LITERAL("END:VCARD\r\n"));
}
