/* admin/ldif_write.c - addresses as LDIF. */
#include "admin/ldif_write.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 76, TEXT_MAX_BYTES = 1 << 20 };

/* --- lines --- */

/* May the value stand as it is? (SAFE-STRING, and no space at its end.) */
static bool is_safe(struct span value)
{
    if (value.size == 0) {
        return true;
    }
    uint8_t first = value.data[0];
    bool safe = first != ' ' && first != ':' && first != '<' && value.data[value.size - 1] != ' ';
    for (size_t i = 0; i < value.size && safe; i++) {
        safe = value.data[i] >= ' ' && value.data[i] < 0x7f;
    }
    return safe;
}

/* The line behind `start` in the buffer, on lines of LINE_BYTES. */
static void fold(struct buf *out, size_t start)
{
    struct buf line;
    buf_init(&line, TEXT_MAX_BYTES);
    (void)buf_append(&line, out->data + start, out->size - start);
    buf_truncate(out, start);
    size_t room = LINE_BYTES;
    for (size_t at = 0; at < line.size; room = LINE_BYTES - 1) {
        size_t size = line.size - at < room ? line.size - at : room;
        (void)buf_append(out, at > 0 ? "\n " : "", at > 0 ? 2 : 0);
        (void)buf_append(out, line.data + at, size);
        at += size;
    }
    out->error = out->error != 0 ? out->error : buf_error(&line);
    buf_free(&line);
    (void)buf_append_u8(out, '\n');
}

static void put_base64(struct buf *out, struct span value)
{
    size_t room = sodium_base64_encoded_len(value.size, sodium_base64_VARIANT_ORIGINAL);
    char *text = (char *)buf_extend(out, room);
    if (text != NULL) {
        (void)sodium_bin2base64(text, room, value.data, value.size, sodium_base64_VARIANT_ORIGINAL);
        buf_truncate(out, out->size - 1); /* its NUL */
    }
}

static void put_line(struct buf *out, const char *name, struct span value)
{
    size_t start = out->size;
    bool safe = is_safe(value);
    (void)buf_printf(out, "%s:%s ", name, safe ? "" : ":");
    if (safe) {
        (void)buf_append_span(out, value);
    } else {
        put_base64(out, value);
    }
    if (buf_error(out) == 0) {
        fold(out, start);
    }
}

/* An attribute without a value is none. */
static void put_text(struct buf *out, const char *name, const char *text)
{
    if (text[0] != '\0') {
        put_line(out, name, span_str(text));
    }
}

/* --- names --- */

/* A value within a DN (RFC 4514). */
static void put_escaped(struct buf *out, const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        bool edge = (text[i] == ' ' && (i == 0 || i + 1 == size)) || (text[i] == '#' && i == 0);
        if (edge || strchr("\"+,;<=>\\", text[i]) != NULL) {
            (void)buf_append_u8(out, '\\');
        }
        (void)buf_append_u8(out, (uint8_t)text[i]);
    }
}

/* `id` NULL: the owner's own entry. */
static void put_dn(struct buf *out, bool group, const char *owner, const char *id)
{
    struct buf dn;
    buf_init(&dn, TEXT_MAX_BYTES);
    if (id != NULL) {
        (void)buf_append(&dn, "uid=", 4);
        put_escaped(&dn, id);
        (void)buf_append_u8(&dn, ',');
    }
    (void)buf_append(&dn, "cn=", 3);
    put_escaped(&dn, owner);
    (void)buf_printf(&dn, ",cn=%s,o=kitbag", group ? "group" : "personal");
    out->error = out->error != 0 ? out->error : buf_error(&dn);
    put_line(out, "dn", buf_span(&dn));
    buf_free(&dn);
}

/* --- values that not every attribute takes --- */

static bool is_ascii(const char *text)
{
    bool ascii = true;
    for (; *text != '\0' && ascii; text++) {
        ascii = (unsigned char)*text < 0x80;
    }
    return ascii;
}

/* A printable string (RFC 4517), which is what numbers are made of. */
static bool is_printable(const char *text)
{
    static const char printable[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                    "'()+,-./:? =";
    return strspn(text, printable) == strlen(text) && strspn(text, " -") != strlen(text);
}

static void put_list(struct buf *out, const struct admin_address *address,
                     enum admin_address_list list)
{
    static const char *const names[] = {"mail", "facsimileTelephoneNumber", "telephoneNumber"};
    size_t count = admin_address_count(address, list);
    for (size_t i = 0; i < count; i++) {
        const char *text = admin_address_at(address, list, i);
        bool fits = list == ADDRESS_MAIL ? is_ascii(text) : is_printable(text);
        if (fits || text[0] == '\0') {
            put_text(out, names[list], text);
            continue;
        }
        struct buf note;
        buf_init(&note, TEXT_MAX_BYTES);
        (void)buf_printf(&note, "%s: %s", names[list], text);
        out->error = out->error != 0 ? out->error : buf_error(&note);
        put_line(out, "description", buf_span(&note));
        buf_free(&note);
    }
}

/* --- entries --- */

static void put_classes(struct buf *out, const char *const *classes)
{
    for (; *classes != NULL; classes++) {
        put_text(out, "objectClass", *classes);
    }
}

void admin_ldif_put_head(struct buf *out, bool group)
{
    ASSERT(out != NULL);
    (void)buf_printf(out,
                     "dn: o=kitbag\nobjectClass: organization\no: kitbag\n\n"
                     "dn: cn=%s,o=kitbag\nobjectClass: organizationalRole\ncn: %s\n\n",
                     group ? "group" : "personal", group ? "group" : "personal");
}

void admin_ldif_put_owner(struct buf *out, bool group, const char *owner)
{
    ASSERT(out != NULL && owner != NULL);
    static const char *const classes[] = {"organizationalRole", NULL};
    put_dn(out, group, owner, NULL);
    put_classes(out, classes);
    put_text(out, "cn", owner);
    (void)buf_append_u8(out, '\n');
}

void admin_ldif_put(struct buf *out, bool group, const struct admin_address *address)
{
    ASSERT(out != NULL && address != NULL);
    static const char *const classes[] = {"top", "person", "organizationalPerson", "inetOrgPerson",
                                          NULL};
    put_dn(out, group, address->owner, address->id);
    put_classes(out, classes);
    put_text(out, "uid", address->id);
    put_text(out, "cn", address->name);
    put_text(out, "sn", address->name);
    put_text(out, "cn;lang-ja-phonetic", address->kana);
    put_list(out, address, ADDRESS_MAIL);
    put_list(out, address, ADDRESS_FAX);
    put_list(out, address, ADDRESS_TELEPHONE);
    put_text(out, "o", address->organization);
    put_text(out, "ou", address->department);
    put_text(out, "title", address->title);
    (void)buf_append_u8(out, '\n');
}
