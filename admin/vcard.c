/* admin/vcard.c - lines are unfolded, parted into name, parameters and value, and unescaped.
 *
 * RFC 6350 in short: [group.]NAME[;PARAMETER=value[,value]]...:value; a line that begins with a
 * space or a tab goes on the one before; BEGIN:VCARD and END:VCARD around each card; in values \n,
 * \, \; and \\ are escaped; parts of structured values are parted by ';'.
 */
#include "admin/vcard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/lines.h"

enum { TEXT_MAX_BYTES = 256 << 10, PHONETIC_PARTS = 2 };

struct admin_vcard {
    struct admin_lines lines;
    struct record_maker record;          /* its line is 0 outside of a card */
    struct buf text;                     /* a value, unescaped */
    bool version;                        /* it was told, and is one that is known */
    bool thing;                          /* KIND is not individual */
    bool named;                          /* FN has a value */
    uint64_t begun;                      /* a line that began the next card within this one, or 0 */
    struct buf phonetic[PHONETIC_PARTS]; /* given name, family name */
    struct buf structured;               /* N: "given family", for a card whose FN is empty */
};

/* A line: all are parts of it. */
struct property {
    struct span name;
    struct span parameters; /* ";TYPE=fax;PREF=1", or empty */
    struct span value;
};

int admin_vcard_open(struct admin_vcard **out, int fd, struct err *err)
{
    ASSERT(out != NULL && fd >= 0);
    struct admin_vcard *vcard = calloc(1, sizeof *vcard);
    if (vcard == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    admin_lines_open(&vcard->lines, fd, "the file of vCards", " \t", VCARD_LINE_MAX_BYTES);
    record_maker_init(&vcard->record);
    buf_init(&vcard->text, TEXT_MAX_BYTES);
    buf_init(&vcard->structured, TEXT_MAX_BYTES);
    for (size_t i = 0; i < PHONETIC_PARTS; i++) {
        buf_init(&vcard->phonetic[i], TEXT_MAX_BYTES);
    }
    *out = vcard;
    return 0;
}

void admin_vcard_close(struct admin_vcard **vcard)
{
    if (vcard == NULL || *vcard == NULL) {
        return;
    }
    admin_lines_close(&(*vcard)->lines);
    record_maker_free(&(*vcard)->record);
    buf_free(&(*vcard)->text);
    buf_free(&(*vcard)->structured);
    for (size_t i = 0; i < PHONETIC_PARTS; i++) {
        buf_free(&(*vcard)->phonetic[i]);
    }
    free(*vcard);
    *vcard = NULL;
}

static void fault(struct admin_vcard *vcard, int code, const char *sentence)
{
    record_fault(&vcard->record, vcard->lines.line, code, sentence);
}

/* --- lines --- */

static bool is(struct span text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

static struct span from(struct span text, size_t at)
{
    return span_of(text.data + at, text.size - at);
}

/* How many bytes are before `stop`, which quotes hide; all of them when there is none. */
static size_t until(struct span text, char stop)
{
    bool quoted = false;
    size_t i = 0;
    while (i < text.size && (quoted || text.data[i] != (uint8_t)stop)) {
        quoted = text.data[i] == '"' ? !quoted : quoted;
        i++;
    }
    return i;
}

/* "item1.EMAIL;TYPE=work:ann@example.org"; false: it is no property. */
static bool read_property(struct span line, struct property *out)
{
    size_t colon = until(line, ':');
    if (colon == line.size) {
        return false;
    }
    struct span head = span_of(line.data, colon);
    size_t name = until(head, ';');
    const uint8_t *dot = name > 0 ? memchr(head.data, '.', name) : NULL;
    size_t group = dot != NULL ? (size_t)(dot - head.data) + 1 : 0;
    out->name = span_of(head.data + group, name - group);
    out->parameters = from(head, name);
    out->value = from(line, colon + 1);
    return out->name.size > 0;
}

/* The next parameter of `rest`, ";TYPE=work,fax": its name and value; one of vCard 2.1's kind,
 * ";FAX", is a TYPE. */
static bool next_parameter(struct span *rest, struct span *name, struct span *value)
{
    if (rest->size == 0) {
        return false;
    }
    struct span text = from(*rest, 1);
    size_t size = until(text, ';');
    struct span one = span_of(text.data, size);
    size_t equals = until(one, '=');
    bool bare = equals == one.size;
    *name = bare ? SPAN_LITERAL("TYPE") : span_of(one.data, equals);
    *value = bare ? one : from(one, equals + 1);
    *rest = from(text, size);
    return true;
}

/* Does a parameter hold this word, alone or in a list, quoted or not? */
static bool has_word(const struct property *property, const char *parameter, const char *word)
{
    struct span rest = property->parameters;
    struct span name;
    struct span value;
    while (next_parameter(&rest, &name, &value)) {
        while (is(name, parameter) && value.size > 0) {
            size_t size = 0;
            while (size < value.size && strchr(",\"", value.data[size]) == NULL) {
                size++;
            }
            if (is(span_of(value.data, size), word)) {
                return true;
            }
            value = from(value, size < value.size ? size + 1 : size);
        }
    }
    return false;
}

/* --- values --- */

/* Up to an unescaped `stop` (0: all), unescaped, to the end of `out`; taken off the front of
 * `value`. Line ends become spaces: a name is one line. */
static void take_text(struct span *value, char stop, struct buf *out)
{
    size_t i = 0;
    for (; i < value->size && (stop == 0 || value->data[i] != (uint8_t)stop); i++) {
        uint8_t byte = value->data[i];
        if (byte == '\\' && i + 1 < value->size) {
            byte = value->data[++i];
            byte = byte == 'n' || byte == 'N' ? ' ' : byte;
        }
        (void)buf_append_u8(out, byte);
    }
    *value = from(*value, i < value->size ? i + 1 : i);
}

static struct span trimmed(struct span text)
{
    while (text.size > 0 && text.data[0] == ' ') {
        text = from(text, 1);
    }
    while (text.size > 0 && text.data[text.size - 1] == ' ') {
        text.size--;
    }
    return text;
}

/* What is unescaped in `text` as a value, unless it is empty. */
static int add(struct admin_vcard *vcard, const char *name, const char *options)
{
    struct span value = trimmed(buf_span(&vcard->text));
    if (buf_error(&vcard->text) != 0) {
        fault(vcard, buf_error(&vcard->text), "a value is larger than 256 KiB");
        return 0;
    }
    return value.size == 0 ? 0
                           : record_add(&vcard->record, name, options, value, vcard->lines.line);
}

static int add_text(struct admin_vcard *vcard, const struct property *property, const char *name)
{
    struct span value = property->value;
    take_text(&value, 0, &vcard->text);
    return add(vcard, name, "");
}

static int add_name(struct admin_vcard *vcard, const struct property *property)
{
    size_t before = vcard->record.count;
    int rc = add_text(vcard, property, "cn");
    vcard->named = vcard->named || vcard->record.count > before;
    return rc;
}

/* ORG: the organization, then the department. */
static int add_organization(struct admin_vcard *vcard, const struct property *property)
{
    struct span value = property->value;
    take_text(&value, ';', &vcard->text);
    int rc = add(vcard, "o", "");
    buf_reset(&vcard->text);
    take_text(&value, ';', &vcard->text);
    return rc == 0 ? add(vcard, "ou", "") : rc;
}

static int add_telephone(struct admin_vcard *vcard, const struct property *property)
{
    static const char scheme[] = "tel:";
    struct property bare = *property;
    if (bare.value.size >= 4 && strncasecmp((const char *)bare.value.data, scheme, 4) == 0) {
        bare.value = from(bare.value, 4);
    }
    bool fax = has_word(property, "TYPE", "fax");
    return add_text(vcard, &bare, fax ? "facsimileTelephoneNumber" : "telephoneNumber");
}

/* A URI ("urn:uuid:...") names the card; nobody signs in by it. */
static int add_uid(struct admin_vcard *vcard, const struct property *property)
{
    bool uri = property->value.size == 0 ||
               memchr(property->value.data, ':', property->value.size) != NULL;
    return uri ? 0 : add_text(vcard, property, "uid");
}

static void keep_first(struct buf *out, struct span value)
{
    if (out->size == 0) {
        take_text(&value, 0, out);
    }
}

/* N: family;given;... - and how both are sorted, which in Japanese is how they sound. */
static void see_structured(struct admin_vcard *vcard, const struct property *property)
{
    struct span rest = property->parameters;
    struct span name;
    struct span value;
    struct span parts = property->value;
    buf_reset(&vcard->text);
    take_text(&parts, ';', &vcard->text);
    if (vcard->structured.size == 0) {
        take_text(&parts, ';', &vcard->structured);
        (void)buf_append_u8(&vcard->structured, ' ');
        (void)buf_append_span(&vcard->structured, buf_span(&vcard->text));
    }
    while (next_parameter(&rest, &name, &value)) {
        if (is(name, "SORT-AS") && vcard->phonetic[1].size == 0) {
            for (size_t i = 0; i < value.size; i++) {
                (void)(value.data[i] != '"' &&
                       buf_append_u8(&vcard->phonetic[1],
                                     value.data[i] == ',' ? ' ' : value.data[i]));
            }
        }
    }
}

/* --- a card --- */

static void begin_card(struct admin_vcard *vcard)
{
    record_begin(&vcard->record, vcard->begun);
    vcard->begun = 0;
    vcard->version = vcard->thing = vcard->named = false;
    buf_reset(&vcard->structured);
    for (size_t i = 0; i < PHONETIC_PARTS; i++) {
        buf_reset(&vcard->phonetic[i]);
    }
}

static void see_version(struct admin_vcard *vcard, struct span value)
{
    vcard->version = true;
    if (!span_equal(value, SPAN_LITERAL("4.0")) && !span_equal(value, SPAN_LITERAL("3.0"))) {
        fault(vcard, E_NOT_ALLOWED,
              "a vCard of another version than 3.0 and 4.0: export it in one of them");
    }
}

/* Properties that are not of interest are passed over: pictures, keys, notes. */
static int see_property(struct admin_vcard *vcard, const struct property *property)
{
    buf_reset(&vcard->text);
    if (is(property->name, "VERSION")) {
        see_version(vcard, property->value);
    } else if (is(property->name, "KIND") || is(property->name, "X-ADDRESSBOOKSERVER-KIND")) {
        vcard->thing = !is(property->value, "individual");
    } else if (is(property->name, "N")) {
        see_structured(vcard, property);
    } else if (is(property->name, "X-PHONETIC-FIRST-NAME")) {
        keep_first(&vcard->phonetic[0], property->value);
    } else if (is(property->name, "X-PHONETIC-LAST-NAME") || is(property->name, "SORT-STRING")) {
        keep_first(&vcard->phonetic[1], property->value);
    } else if (is(property->name, "FN")) {
        return add_name(vcard, property);
    } else if (is(property->name, "EMAIL")) {
        return add_text(vcard, property, "mail");
    } else if (is(property->name, "TEL")) {
        return add_telephone(vcard, property);
    } else if (is(property->name, "ORG")) {
        return add_organization(vcard, property);
    } else if (is(property->name, "TITLE")) {
        return add_text(vcard, property, "title");
    } else if (is(property->name, "UID")) {
        return add_uid(vcard, property);
    }
    return 0;
}

/* What was gathered from several lines has its limit too; E_NOMEM. */
static int check_gathered(struct admin_vcard *vcard)
{
    const struct buf *all[] = {&vcard->structured, &vcard->phonetic[0], &vcard->phonetic[1]};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (buf_error(all[i]) == E_NOMEM) {
            return E_NOMEM;
        }
        if (buf_error(all[i]) != 0) {
            fault(vcard, E_TOO_LARGE, "a name is larger than 256 KiB");
        }
    }
    return 0;
}

/* END:VCARD: what was gathered from several lines. */
static int end_card(struct admin_vcard *vcard)
{
    int rc = check_gathered(vcard);
    if (!vcard->version) {
        fault(vcard, E_MALFORMED, "the vCard does not tell its version");
    }
    if (rc == 0 && !vcard->named) {
        buf_reset(&vcard->text);
        (void)buf_append_span(&vcard->text, buf_span(&vcard->structured));
        rc = add(vcard, "cn", "");
    }
    buf_reset(&vcard->text); /* family name first, as lists are sorted */
    (void)buf_append_span(&vcard->text, buf_span(&vcard->phonetic[1]));
    (void)buf_append_u8(&vcard->text, ' ');
    (void)buf_append_span(&vcard->text, buf_span(&vcard->phonetic[0]));
    if (rc == 0) {
        rc = add(vcard, "cn", ";phonetic");
    }
    if (rc == 0 && !vcard->thing) {
        rc = record_add(&vcard->record, "objectClass", "", SPAN_LITERAL("person"),
                        vcard->lines.line);
    }
    return rc;
}

/* Outside of a card: it begins, or something else is told. Returns 1 for the latter. */
static int read_outside(struct admin_vcard *vcard, const struct property *property, bool good)
{
    vcard->record.line = vcard->lines.line;
    if (good && is(property->name, "BEGIN") && is(property->value, "VCARD")) {
        return 0;
    }
    fault(vcard, E_MALFORMED, "a card begins with BEGIN:VCARD, this line does not");
    return 1;
}

/* Returns 1 when the card has ended, well or not. */
static int read_inside(struct admin_vcard *vcard, const struct property *property, bool good)
{
    if (!good) {
        fault(vcard, E_MALFORMED, "the line is not 'NAME:value'");
        return 0;
    }
    if (is(property->name, "BEGIN")) {
        fault(vcard, E_MALFORMED, "a card begins here, and END:VCARD of the one before is missing");
        vcard->begun = vcard->lines.line;
        return 1;
    }
    if (is(property->name, "END")) {
        int rc = end_card(vcard);
        return rc == 0 ? 1 : rc;
    }
    if (!record_is_text(property->value) && is(property->name, "FN")) {
        fault(vcard, E_MALFORMED, "the name is not UTF-8 text");
    }
    return see_property(vcard, property);
}

/* One line into the card. Returns 1 when it has ended. */
static int read_line(struct admin_vcard *vcard, struct err *err)
{
    struct property property = {0};
    struct span line = buf_span(&vcard->lines.text);
    if (buf_error(&vcard->lines.text) == E_NOMEM) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    if (buf_error(&vcard->lines.text) != 0) {
        return 0; /* a picture of more than 2 MiB: nothing that is taken over */
    }
    if (line.size == 0) {
        return 0;
    }
    bool good = read_property(line, &property);
    int rc = vcard->record.line == 0 ? read_outside(vcard, &property, good)
                                     : read_inside(vcard, &property, good);
    return rc >= 0 ? rc : err_set(err, rc, "out of memory");
}

int admin_vcard_next(struct admin_vcard *vcard, struct admin_record *out, struct err *err)
{
    ASSERT(vcard != NULL && out != NULL);
    begin_card(vcard);
    int rc = 0;
    while (rc == 0) {
        rc = admin_lines_next(&vcard->lines, err);
        if (rc == 0) {
            rc = read_line(vcard, err);
        }
    }
    if (rc == E_NOT_FOUND && vcard->record.line != 0) {
        fault(vcard, E_MALFORMED, "the file ends within a card: END:VCARD is missing");
        rc = 1;
    }
    return rc == 1 ? record_finish(&vcard->record, out, err) : rc;
}
