/* admin/ldif.c - lines are unfolded, then told apart; a record's bytes lie in one buffer.
 *
 * RFC 2849 in short: lines end with LF or CR LF; a line that begins with a space goes on the one
 * before; '#' begins a comment, which may be folded too; "name: text", "name:: base64",
 * "name:< url"; an empty line ends a record; a record begins with "dn:"; the file may begin with
 * "version: 1"; "changetype:" makes a change record.
 */
#include "admin/ldif.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { WINDOW_BYTES = 64 << 10, ATTRIBUTES_FIRST = 64 };

/* Where an attribute lies in `bytes`; spans are made when the record is whole, for the buffer
 * moves while it grows. */
struct place {
    size_t name, name_size;
    size_t options_size; /* behind the name */
    size_t value, value_size;
};

struct admin_ldif {
    int fd;
    off_t file_at; /* of the end of the window */
    uint8_t window[WINDOW_BYTES];
    size_t at, end;   /* of what is not read in it */
    uint64_t line;    /* of the line read last */
    uint64_t lines;   /* physical ones taken so far */
    bool began;       /* something but comments was read */
    struct buf text;  /* the line, unfolded */
    struct buf bytes; /* of the record */
    struct place *places;
    struct admin_ldif_attribute *attributes;
    size_t count, capacity;
    struct place dn;
    uint64_t record_line;
    bool change; /* it is a change record */
    int fault;   /* why the record is left out */
    uint64_t fault_line;
    struct err fault_err;
};

int admin_ldif_open(struct admin_ldif **out, int fd, struct err *err)
{
    ASSERT(out != NULL && fd >= 0);
    struct admin_ldif *ldif = calloc(1, sizeof *ldif);
    if (ldif == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    ldif->fd = fd;
    buf_init(&ldif->text, LDIF_LINE_MAX_BYTES);
    buf_init(&ldif->bytes, LDIF_RECORD_MAX_BYTES);
    *out = ldif;
    return 0;
}

void admin_ldif_close(struct admin_ldif **ldif)
{
    if (ldif == NULL || *ldif == NULL) {
        return;
    }
    buf_free(&(*ldif)->text);
    buf_free(&(*ldif)->bytes);
    free((*ldif)->places);
    free((*ldif)->attributes);
    free(*ldif);
    *ldif = NULL;
}

bool admin_ldif_is(const struct admin_ldif_attribute *attribute, const char *name)
{
    return attribute->name.size == strlen(name) &&
           strncasecmp((const char *)attribute->name.data, name, attribute->name.size) == 0;
}

/* --- lines --- */

/* At least one byte in the window: 0, E_NOT_FOUND at the end of the file, E_IO. */
static int fill(struct admin_ldif *ldif, struct err *err)
{
    if (ldif->at < ldif->end) {
        return 0;
    }
    ssize_t got;
    do {
        got = pread(ldif->fd, ldif->window, sizeof ldif->window, ldif->file_at);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return err_sys(err, "read", "the LDIF file");
    }
    ldif->at = 0;
    ldif->end = (size_t)got;
    ldif->file_at += got;
    return got > 0 ? 0 : E_NOT_FOUND;
}

/* Take a physical line to the end of `text`, without its end. Too much is dropped, and the buffer
 * marked. Only called when there is a byte. */
static int take_line(struct admin_ldif *ldif, struct err *err)
{
    ldif->lines++;
    for (;;) {
        const uint8_t *from = ldif->window + ldif->at;
        size_t size = ldif->end - ldif->at;
        const uint8_t *end = memchr(from, '\n', size);
        size = end != NULL ? (size_t)(end - from) : size;
        (void)buf_append(&ldif->text, from, size);
        ldif->at += size + (end != NULL);
        if (end != NULL) {
            break;
        }
        int rc = fill(ldif, err);
        if (rc != 0) {
            return rc == E_NOT_FOUND ? 0 : rc;
        }
    }
    if (ldif->text.size > 0 && ldif->text.data[ldif->text.size - 1] == '\r') {
        ldif->text.size--;
    }
    return 0;
}

/* The next logical line. E_NOT_FOUND at the end. An overlong one leaves buf_error(&text). */
static int next_line(struct admin_ldif *ldif, struct err *err)
{
    buf_reset(&ldif->text);
    int rc = fill(ldif, err);
    if (rc != 0) {
        return rc;
    }
    ldif->line = ldif->lines + 1;
    rc = take_line(ldif, err);
    while (rc == 0 && (ldif->text.size > 0 || ldif->text.error != 0)) {
        rc = fill(ldif, err);
        if (rc != 0 || ldif->window[ldif->at] != ' ') {
            break;
        }
        ldif->at++;
        rc = take_line(ldif, err);
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* --- a record --- */

/* The first fault counts; the record is left out. */
static void fault(struct admin_ldif *ldif, int code, const char *sentence)
{
    if (ldif->fault == 0) {
        ldif->fault = err_set(&ldif->fault_err, code, "%s", sentence);
        ldif->fault_line = ldif->line;
    }
}

static int grow(struct admin_ldif *ldif)
{
    if (ldif->count < ldif->capacity) {
        return 0;
    }
    size_t capacity = ldif->capacity > 0 ? 2 * ldif->capacity : ATTRIBUTES_FIRST;
    struct place *places = realloc(ldif->places, capacity * sizeof *places);
    if (places == NULL) {
        return E_NOMEM;
    }
    ldif->places = places;
    struct admin_ldif_attribute *attributes =
        realloc(ldif->attributes, capacity * sizeof *attributes);
    if (attributes == NULL) {
        return E_NOMEM;
    }
    ldif->attributes = attributes;
    ldif->capacity = capacity;
    return 0;
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
static void read_value(struct admin_ldif *ldif, struct span text, struct place *place)
{
    place->value = ldif->bytes.size;
    if (text.size > 0 && text.data[0] == '<') {
        fault(ldif, E_NOT_ALLOWED, "a value by URL (':<') is not fetched: put the value itself");
        return;
    }
    if (text.size > 0 && text.data[0] == ':') {
        if (!append_base64(&ldif->bytes, skip_spaces(span_of(text.data + 1, text.size - 1)))) {
            fault(ldif, E_MALFORMED, "the value behind '::' is not base64");
        }
    } else {
        text = skip_spaces(text);
        if (text.size > 0 && memchr(text.data, 0, text.size) != NULL) {
            fault(ldif, E_MALFORMED, "the line holds a NUL: such values are written in base64");
        }
        (void)buf_append_span(&ldif->bytes, text);
    }
    place->value_size = ldif->bytes.size - place->value;
}

/* "name[;options]:value" into a place. */
static void read_attribute(struct admin_ldif *ldif, struct place *place)
{
    struct span line = buf_span(&ldif->text);
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
    place->name = ldif->bytes.size;
    place->name_size = base;
    place->options_size = size - base;
    (void)buf_append(&ldif->bytes, line.data, size);
    read_value(ldif, span_of(line.data + size + 1, line.size - size - 1), place);
}

static bool name_is(const struct admin_ldif *ldif, const struct place *place, const char *name)
{
    return place->name_size == strlen(name) && ldif->bytes.error == 0 &&
           strncasecmp((const char *)ldif->bytes.data + place->name, name, place->name_size) == 0;
}

static void begin_record(struct admin_ldif *ldif)
{
    buf_reset(&ldif->bytes);
    ldif->count = 0;
    ldif->change = false;
    ldif->fault = 0;
    ldif->record_line = 0;
}

/* The first line of a record, or the file's version. Returns 1 when it was the latter. */
static int read_first(struct admin_ldif *ldif, struct err *err)
{
    struct place place = {0};
    bool first = !ldif->began;
    ldif->began = true;
    ldif->record_line = ldif->line;
    read_attribute(ldif, &place);
    if (first && ldif->fault == 0 && name_is(ldif, &place, "version")) {
        struct span version = span_of(ldif->bytes.data + place.value, place.value_size);
        if (!span_equal(version, SPAN_LITERAL("1"))) {
            return err_set(err, E_FORMAT, "line %llu: only version 1 of LDIF is known",
                           (unsigned long long)ldif->line);
        }
        begin_record(ldif);
        return 1;
    }
    if (ldif->fault != 0 || !name_is(ldif, &place, "dn")) {
        ldif->fault = 0;
        fault(ldif, E_MALFORMED, "a record begins with 'dn:', this line does not");
    }
    ldif->dn = place;
    return 0;
}

static int read_next(struct admin_ldif *ldif)
{
    struct place place = {0};
    if (ldif->text.size == 1 && ldif->text.data[0] == '-' && ldif->change) {
        return 0;
    }
    read_attribute(ldif, &place);
    if (name_is(ldif, &place, "changetype") || name_is(ldif, &place, "control")) {
        ldif->change = true;
        fault(ldif, E_NOT_ALLOWED,
              "a change record: only records that hold an entry's content are taken");
    }
    if (ldif->count == LDIF_ATTRIBUTES_MAX) {
        fault(ldif, E_TOO_LARGE, "the record has more than 10000 values");
        return 0;
    }
    int rc = grow(ldif);
    if (rc == 0) {
        ldif->places[ldif->count++] = place;
    }
    return rc;
}

/* One logical line into the record. Returns 1 when the record has ended. */
static int read_line(struct admin_ldif *ldif, struct err *err)
{
    bool inside = ldif->record_line != 0;
    if (ldif->line == 1 && ldif->text.size >= 3 &&
        memcmp(ldif->text.data, "\xef\xbb\xbf", 3) == 0) {
        memmove(ldif->text.data, ldif->text.data + 3, ldif->text.size - 3); /* a byte order mark */
        ldif->text.size -= 3;
    }
    if (ldif->text.size == 0 && ldif->text.error == 0) {
        return inside;
    }
    if (ldif->text.size > 0 && ldif->text.data[0] == '#') {
        return 0;
    }
    if (ldif->text.error == E_NOMEM) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    if (ldif->text.error != 0) {
        fault(ldif, E_TOO_LARGE, "the line is longer than 2 MiB");
        ldif->record_line = inside ? ldif->record_line : ldif->line;
        return 0;
    }
    if (inside) {
        int rc = read_next(ldif);
        return rc == 0 ? 0 : err_set(err, rc, "out of memory");
    }
    int rc = read_first(ldif, err);
    return rc == 1 ? 0 : rc;
}

static void finish_record(struct admin_ldif *ldif, struct admin_ldif_record *out)
{
    const uint8_t *bytes = ldif->bytes.data;
    for (size_t i = 0; i < ldif->count; i++) {
        const struct place *place = &ldif->places[i];
        ldif->attributes[i] = (struct admin_ldif_attribute){
            .name = span_of(bytes + place->name, place->name_size),
            .options = span_of(bytes + place->name + place->name_size, place->options_size),
            .value = span_of(bytes + place->value, place->value_size),
        };
    }
    out->dn = span_of(bytes + ldif->dn.value, ldif->dn.value_size);
    out->attributes = ldif->attributes;
    out->attribute_count = ldif->count;
}

int admin_ldif_next(struct admin_ldif *ldif, struct admin_ldif_record *out, struct err *err)
{
    ASSERT(ldif != NULL && out != NULL);
    begin_record(ldif);
    int rc = 0;
    while (rc == 0) {
        rc = next_line(ldif, err);
        if (rc == 0) {
            rc = read_line(ldif, err);
        }
    }
    if (rc != 1 && (rc != E_NOT_FOUND || ldif->record_line == 0)) {
        return rc;
    }
    *out = (struct admin_ldif_record){.line = ldif->record_line};
    if (ldif->bytes.error == E_NOMEM) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    if (ldif->bytes.error != 0) {
        fault(ldif, E_TOO_LARGE, "the record is larger than 4 MiB");
        ldif->fault_line = ldif->record_line;
    }
    if (ldif->fault != 0) {
        out->line = ldif->fault_line;
        return err_set(err, ldif->fault, "%s", ldif->fault_err.text);
    }
    finish_record(ldif, out);
    return 0;
}
