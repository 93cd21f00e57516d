/* admin/ldif.c - lines are unfolded, then told apart; a record's bytes lie in one buffer.
 *
 * RFC 2849 in short: lines end with LF or CR LF; a line that begins with a space goes on the one
 * before; '#' begins a comment, which may be folded too; "name: text", "name:: base64",
 * "name:< url"; an empty line ends a record; a record begins with "dn:"; the file may begin with
 * "version: 1"; "changetype:" makes a change record.
 */
#include "admin/ldif.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/lines.h"

struct admin_ldif {
    struct admin_lines lines;
    struct record_maker record; /* its line is 0 before it has begun */
    bool began;                 /* something but comments was read */
    bool change;                /* it is a change record */
};

int admin_ldif_open(struct admin_ldif **out, int fd, struct err *err)
{
    ASSERT(out != NULL && fd >= 0);
    struct admin_ldif *ldif = calloc(1, sizeof *ldif);
    if (ldif == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    admin_lines_open(&ldif->lines, fd, "the LDIF file", " ", LDIF_LINE_MAX_BYTES);
    record_maker_init(&ldif->record);
    *out = ldif;
    return 0;
}

void admin_ldif_close(struct admin_ldif **ldif)
{
    if (ldif == NULL || *ldif == NULL) {
        return;
    }
    admin_lines_close(&(*ldif)->lines);
    record_maker_free(&(*ldif)->record);
    free(*ldif);
    *ldif = NULL;
}

/* --- a record --- */

/* The first fault counts; the record is left out. */
static void fault(struct admin_ldif *ldif, int code, const char *sentence)
{
    record_fault(&ldif->record, ldif->lines.line, code, sentence);
}

static bool is_name_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '.' || c == ';' || c == '_';
}

static int digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decoded to the end of `out`. Whole groups of four, padded; nothing else. */
static bool append_base64(struct buf *out, struct span text)
{
    if (text.size % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < text.size; i += 4) {
        uint32_t group = 0;
        int pad = 0;
        for (size_t k = 0; k < 4; k++) {
            uint8_t c = text.data[i + k];
            int digit = digit_of(c);
            bool is_pad = c == '=' && i + 4 == text.size && k >= 2;
            if ((digit < 0 && !is_pad) || (digit >= 0 && pad > 0)) {
                return false;
            }
            pad += is_pad;
            group = group << 6 | (uint32_t)(is_pad ? 0 : digit);
        }
        uint8_t bytes[3] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
        (void)buf_append(out, bytes, (size_t)(3 - pad));
    }
    return true;
}

static struct span skip_spaces(struct span text)
{
    while (text.size > 0 && text.data[0] == ' ') {
        text = span_of(text.data + 1, text.size - 1);
    }
    return text;
}

/* The value behind the name's colon, decoded to the end of `bytes`. */
static void read_value(struct admin_ldif *ldif, struct span text, struct record_place *place)
{
    place->value = ldif->record.bytes.size;
    if (text.size > 0 && text.data[0] == '<') {
        fault(ldif, E_NOT_ALLOWED, "a value by URL (':<') is not fetched: put the value itself");
        return;
    }
    if (text.size > 0 && text.data[0] == ':') {
        if (!append_base64(&ldif->record.bytes,
                           skip_spaces(span_of(text.data + 1, text.size - 1)))) {
            fault(ldif, E_MALFORMED, "the value behind '::' is not base64");
        }
    } else {
        text = skip_spaces(text);
        if (text.size > 0 && memchr(text.data, 0, text.size) != NULL) {
            fault(ldif, E_MALFORMED, "the line holds a NUL: such values are written in base64");
        }
        (void)buf_append_span(&ldif->record.bytes, text);
    }
    place->value_size = ldif->record.bytes.size - place->value;
}

/* "name[;options]:value" into a place. */
static void read_attribute(struct admin_ldif *ldif, struct record_place *place)
{
    struct span line = buf_span(&ldif->lines.text);
    size_t size = 0;
    size_t base = 0; /* of the name without options */
    while (size < line.size && is_name_byte(line.data[size])) {
        base += base == size && line.data[size] != ';';
        size++;
    }
    if (base == 0 || size == line.size || line.data[size] != ':') {
        fault(ldif, E_MALFORMED, "the line is not 'name: value'");
        return;
    }
    place->name = ldif->record.bytes.size;
    place->name_size = base;
    place->options_size = size - base;
    (void)buf_append(&ldif->record.bytes, line.data, size);
    read_value(ldif, span_of(line.data + size + 1, line.size - size - 1), place);
}

static bool name_is(const struct admin_ldif *ldif, const struct record_place *place,
                    const char *name)
{
    return place->name_size == strlen(name) && ldif->record.bytes.error == 0 &&
           strncasecmp((const char *)ldif->record.bytes.data + place->name, name,
                       place->name_size) == 0;
}

static void begin_record(struct admin_ldif *ldif)
{
    record_begin(&ldif->record, 0);
    ldif->change = false;
}

/* The first line of a record, or the file's version. Returns 1 when it was the latter. */
static int read_first(struct admin_ldif *ldif, struct err *err)
{
    struct record_place place = {0};
    bool first = !ldif->began;
    ldif->began = true;
    ldif->record.line = ldif->lines.line;
    read_attribute(ldif, &place);
    if (first && ldif->record.fault == 0 && name_is(ldif, &place, "version")) {
        struct span version = span_of(ldif->record.bytes.data + place.value, place.value_size);
        if (!span_equal(version, SPAN_LITERAL("1"))) {
            return err_set(err, E_FORMAT, "line %llu: only version 1 of LDIF is known",
                           (unsigned long long)ldif->lines.line);
        }
        begin_record(ldif);
        return 1;
    }
    if (ldif->record.fault != 0 || !name_is(ldif, &place, "dn")) {
        ldif->record.fault = 0;
        fault(ldif, E_MALFORMED, "a record begins with 'dn:', this line does not");
    }
    ldif->record.dn = place;
    return 0;
}

static int read_next(struct admin_ldif *ldif)
{
    struct record_place place = {0};
    if (ldif->lines.text.size == 1 && ldif->lines.text.data[0] == '-' && ldif->change) {
        return 0;
    }
    read_attribute(ldif, &place);
    if (name_is(ldif, &place, "changetype") || name_is(ldif, &place, "control")) {
        ldif->change = true;
        fault(ldif, E_NOT_ALLOWED,
              "a change record: only records that hold an entry's content are taken");
    }
    return record_add_place(&ldif->record, &place, ldif->lines.line);
}

/* One logical line into the record. Returns 1 when the record has ended. */
static int read_line(struct admin_ldif *ldif, struct err *err)
{
    bool inside = ldif->record.line != 0;
    if (ldif->lines.text.size == 0 && ldif->lines.text.error == 0) {
        return inside;
    }
    if (ldif->lines.text.size > 0 && ldif->lines.text.data[0] == '#') {
        return 0;
    }
    if (ldif->lines.text.error == E_NOMEM) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    if (ldif->lines.text.error != 0) {
        fault(ldif, E_TOO_LARGE, "the line is longer than 2 MiB");
        ldif->record.line = inside ? ldif->record.line : ldif->lines.line;
        return 0;
    }
    if (inside) {
        int rc = read_next(ldif);
        return rc == 0 ? 0 : err_set(err, rc, "out of memory");
    }
    int rc = read_first(ldif, err);
    return rc == 1 ? 0 : rc;
}

int admin_ldif_next(struct admin_ldif *ldif, struct admin_record *out, struct err *err)
{
    ASSERT(ldif != NULL && out != NULL);
    begin_record(ldif);
    int rc = 0;
    while (rc == 0) {
        rc = admin_lines_next(&ldif->lines, err);
        if (rc == 0) {
            rc = read_line(ldif, err);
        }
    }
    if (rc != 1 && (rc != E_NOT_FOUND || ldif->record.line == 0)) {
        return rc;
    }
    return record_finish(&ldif->record, out, err);
}
