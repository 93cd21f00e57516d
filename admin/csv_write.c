/* admin/csv_write.c - addresses as CSV. */
#include "admin/csv_write.h"

#include <string.h>

static const char formula_begins[] = "=+-@\t\r\n";

static bool is_number(const char *text)
{
    return text[0] == '+' && strspn(text, "+0123456789 ()-./") == strlen(text);
}

/* An apostrophe of somebody's own in front of such a character is guarded, too: so it can be told
 * from ours. */
static bool needs_guard(const char *text)
{
    const char *first = text + strspn(text, "'");
    bool formula = *first != '\0' && strchr(formula_begins, *first) != NULL;
    return formula && (first > text || !is_number(text));
}

static void put_guarded(struct buf *out, const char *text)
{
    if (needs_guard(text)) {
        (void)buf_append_u8(out, '\'');
    }
    (void)buf_append(out, text, strlen(text));
}

/* What lies behind `start` in the buffer becomes a cell: in quotes when it holds what parts cells.
 * Some programs part by ';' or tabs. */
static void quote(struct buf *out, size_t start)
{
    size_t size = out->size - start;
    size_t quotes = 0;
    bool plain = true;
    for (size_t i = start; i < out->size; i++) {
        uint8_t byte = out->data[i];
        quotes += byte == '"';
        plain = plain && memchr("\",;\t\r\n ", byte, 8) == NULL;
    }
    if (plain || buf_extend(out, quotes + 2) == NULL) {
        return;
    }
    uint8_t *to = out->data + out->size;
    *--to = '"';
    for (size_t i = size; i > 0; i--) {
        uint8_t byte = out->data[start + i - 1];
        *--to = byte;
        if (byte == '"') {
            *--to = '"';
        }
    }
    *--to = '"';
}

static void put_text(struct buf *out, const char *text, char end)
{
    size_t start = out->size;
    put_guarded(out, text);
    quote(out, start);
    (void)buf_append_u8(out, (uint8_t)end);
}

static void put_list(struct buf *out, const struct admin_address *address,
                     enum admin_address_list list)
{
    size_t start = out->size;
    size_t count = admin_address_count(address, list);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            (void)buf_append_u8(out, ';');
        }
        put_guarded(out, admin_address_at(address, list, i));
    }
    quote(out, start);
    (void)buf_append_u8(out, ',');
}

void admin_csv_put_head(struct buf *out)
{
    ASSERT(out != NULL);
    (void)buf_append_span(out, SPAN_LITERAL("\xef\xbb\xbf"
                                            "owner,uid,name,kana,mail,fax,telephone,organization,"
                                            "department,title\r\n"));
}

void admin_csv_put(struct buf *out, const struct admin_address *address)
{
    ASSERT(out != NULL && address != NULL);
    put_text(out, address->owner, ',');
    put_text(out, address->id, ',');
    put_text(out, address->name, ',');
    put_text(out, address->kana, ',');
    put_list(out, address, ADDRESS_MAIL);
    put_list(out, address, ADDRESS_FAX);
    put_list(out, address, ADDRESS_TELEPHONE);
    put_text(out, address->organization, ',');
    put_text(out, address->department, ',');
    put_text(out, address->title, '\r');
    (void)buf_append_u8(out, '\n');
}
