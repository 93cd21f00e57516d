/* admin/people_read.c - from records of LDIF, CSV and vCard to people. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/csv.h"
#include "admin/ldif.h"
#include "admin/people.h"
#include "admin/route.h"
#include "admin/vcard.h"
#include "base/hash.h"

enum {
    ID_MAX_BYTES = 200,   /* with the folder it has to fit a path */
    ID_HEAD_BYTES = 180,  /* what stays of a longer one, before its hash */
    FOLDED_MAX = 1100,    /* of a department */
    DEPARTMENTS_MAX = 32, /* of one person */
};

void admin_failures_add(struct admin_failures *failures, uint64_t line, const char *reason)
{
    failures->count++;
    if (json_array_size(failures->rows) < PEOPLE_FAILURES_MAX) {
        (void)json_array_append_new(
            failures->rows, json_pack("{s:I, s:s}", "line", (json_int_t)line, "reason", reason));
    }
}

/* --- attributes --- */

static const struct admin_attribute *next_of(const struct admin_record *record, const char *name,
                                             size_t *at)
{
    while (*at < record->attribute_count) {
        const struct admin_attribute *attribute = &record->attributes[(*at)++];
        if (admin_attribute_is(attribute, name)) {
            return attribute;
        }
    }
    return NULL;
}

static bool is_phonetic(const struct admin_attribute *attribute)
{
    static const char word[] = "phonetic"; /* ";lang-ja;phonetic", ";lang-ja-phonetic" */
    size_t size = sizeof word - 1;
    for (size_t i = 1; i + size <= attribute->options.size; i++) {
        const char *at = (const char *)attribute->options.data + i;
        if ((at[-1] == ';' || at[-1] == '-') && strncasecmp(at, word, size) == 0) {
            return true;
        }
    }
    return false;
}

/* The first value of an attribute that is not empty, spelt or phonetic. */
static struct span first_of(const struct admin_record *record, const char *name, bool phonetic)
{
    size_t at = 0;
    const struct admin_attribute *attribute;
    while ((attribute = next_of(record, name, &at)) != NULL) {
        if (attribute->value.size > 0 && is_phonetic(attribute) == phonetic) {
            return attribute->value;
        }
    }
    return span_of(NULL, 0);
}

static bool is_person(const struct admin_record *record)
{
    static const char *const classes[] = {
        "person",      "organizationalPerson", "inetOrgPerson",     "OpenLDAPperson",
        "pilotPerson", "newPilotPerson",       "residentialPerson", "user",
    };
    size_t at = 0;
    const struct admin_attribute *class;
    while ((class = next_of(record, "objectClass", &at)) != NULL) {
        for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
            if (class->value.size == strlen(classes[i]) &&
                strncasecmp((const char *)class->value.data, classes[i], class->value.size) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* --- the address --- */

/* The address while it is made. */
struct address {
    const struct admin_record *record;
    json_t *object;
    bool failed; /* there was no memory for a part of it */
};

static void put_text(struct address *address, const char *member, struct span text)
{
    text = record_is_text(text) ? text : span_of(NULL, 0);
    const char *data = text.size > 0 ? (const char *)text.data : "";
    address->failed |=
        json_object_set_new(address->object, member, json_stringn(data, text.size)) != 0;
}

/* What is not text can't be shown or dialled. */
static void put_list(struct address *address, const char *member, const char *name)
{
    json_t *list = json_array();
    size_t at = 0;
    const struct admin_attribute *attribute;
    while ((attribute = next_of(address->record, name, &at)) != NULL) {
        struct span value = attribute->value;
        if (value.size > 0 && record_is_text(value)) {
            address->failed |= json_array_append_new(
                                   list, json_stringn((const char *)value.data, value.size)) != 0;
        }
    }
    address->failed |= json_object_set_new(address->object, member, list) != 0;
}

static struct span either(struct span a, struct span b)
{
    return a.size > 0 ? a : b;
}

/* The address as JSON to `out`; E_NOMEM. */
static int put_address(const struct admin_record *record, const char *name, struct buf *out)
{
    struct address address = {.record = record, .object = json_object()};
    put_text(&address, "name",
             either(either(first_of(record, "displayName", false), first_of(record, "cn", false)),
                    span_str(name)));
    put_text(&address, "kana",
             either(first_of(record, "displayName", true), first_of(record, "cn", true)));
    put_list(&address, "mail", "mail");
    put_list(&address, "fax", "facsimileTelephoneNumber");
    put_list(&address, "telephone", "telephoneNumber");
    put_text(&address, "organization", first_of(record, "o", false));
    put_text(&address, "department", first_of(record, "ou", false));
    put_text(&address, "title", first_of(record, "title", false));
    int rc = address.failed ? E_NOMEM : admin_json_append(out, address.object);
    json_decref(address.object);
    return rc;
}

/* --- departments --- */

/* One part of a DN, "ou=Peons", up to its unescaped comma; taken off the front of `dn`. */
static struct span take_rdn(struct span *dn)
{
    size_t size = 0;
    bool quoted = false;
    while (size < dn->size && (quoted || (dn->data[size] != ',' && dn->data[size] != ';'))) {
        quoted = dn->data[size] == '"' ? !quoted : quoted;
        size += dn->data[size] == '\\' && size + 1 < dn->size ? 2 : 1;
    }
    struct span rdn = span_of(dn->data, size);
    size += size < dn->size;
    *dn = span_of(dn->data + size, dn->size - size);
    return rdn;
}

static struct span trimmed(struct span text)
{
    while (text.size > 0 && text.data[0] == ' ') {
        text = span_of(text.data + 1, text.size - 1);
    }
    while (text.size > 0 && text.data[text.size - 1] == ' ') {
        text.size--;
    }
    return text;
}

/* A value of a DN without its quotes and backslashes. */
static void unescape(struct span value, struct buf *out)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        if (c == '"') {
            continue;
        }
        if (c == '\\' && i + 2 < value.size && isxdigit(value.data[i + 1]) &&
            isxdigit(value.data[i + 2])) {
            char digits[3] = {(char)value.data[i + 1], (char)value.data[i + 2], '\0'};
            c = (uint8_t)strtoul(digits, NULL, 16);
            i += 2;
        } else if (c == '\\' && i + 1 < value.size) {
            c = value.data[++i];
        }
        (void)buf_append_u8(out, c);
    }
}

/* The first ou= of the DN above the entry itself. */
static void department_of_dn(struct span dn, struct buf *out)
{
    (void)take_rdn(&dn);
    while (dn.size > 0) {
        struct span rdn = trimmed(take_rdn(&dn));
        const uint8_t *equals = rdn.size > 0 ? memchr(rdn.data, '=', rdn.size) : NULL;
        if (equals == NULL) {
            continue;
        }
        struct span type = trimmed(span_of(rdn.data, (size_t)(equals - rdn.data)));
        if (type.size == 2 && strncasecmp((const char *)type.data, "ou", 2) == 0) {
            unescape(trimmed(span_of(equals + 1, rdn.size - (size_t)(equals - rdn.data) - 1)), out);
            return;
        }
    }
}

/* Folded and NUL-ended, to the end of `out`; what is not text is no department. */
static void put_department(struct span text, struct buf *out)
{
    char folded[FOLDED_MAX];
    if (text.size > 0 && name_fold_search(text, folded, sizeof folded, NULL) == 0 &&
        folded[0] != '\0') {
        (void)buf_append(out, folded, strlen(folded) + 1);
    }
}

static void put_departments(const struct admin_record *record, struct buf *out)
{
    size_t at = 0;
    size_t count = 0;
    const struct admin_attribute *ou;
    while ((ou = next_of(record, "ou", &at)) != NULL && count < DEPARTMENTS_MAX) {
        put_department(ou->value, out);
        count++;
    }
    if (count == 0 && record->dn.size > 0) {
        struct buf name;
        buf_init(&name, FOLDED_MAX);
        department_of_dn(record->dn, &name);
        put_department(buf_span(&name), out);
        buf_free(&name);
    }
    (void)buf_append_u8(out, 0);
}

/* --- a person --- */

/* A segment of a path out of a folded name, which may be too long or "..". */
static void put_id(const char *folded, struct buf *out)
{
    size_t size = strlen(folded);
    bool dots = strcmp(folded, ".") == 0 || strcmp(folded, "..") == 0;
    if (size <= ID_MAX_BYTES && !dots) {
        (void)buf_append(out, folded, size + 1);
        return;
    }
    size = size < ID_HEAD_BYTES ? size : ID_HEAD_BYTES;
    while (size > 0 && ((uint8_t)folded[size] & 0xc0) == 0x80) {
        size--; /* a whole character */
    }
    (void)buf_append(out, folded, size);
    (void)buf_printf(out, "-%016" PRIx64, hash64(span_str(folded), 0));
    (void)buf_append_u8(out, 0);
}

/* All texts of a person in one block behind the struct; `value` is the address, or empty. */
static struct admin_person *make_person(const struct admin_record *record,
                                        const struct owner *owner, struct span value, size_t *size)
{
    struct buf texts;
    buf_init(&texts, SIZE_MAX);
    (void)buf_append(&texts, owner->shown, strlen(owner->shown) + 1);
    size_t folded = texts.size;
    (void)buf_append(&texts, owner->folded, strlen(owner->folded) + 1);
    size_t id = texts.size;
    put_id(owner->folded, &texts);
    size_t departments = texts.size;
    put_departments(record, &texts);
    size_t value_at = texts.size;
    (void)buf_append_span(&texts, value);
    (void)buf_append_u8(&texts, 0);
    struct admin_person *person =
        buf_error(&texts) == 0 ? malloc(sizeof *person + texts.size) : NULL;
    *size = sizeof *person + texts.size;
    if (person != NULL) {
        char *block = (char *)(person + 1);
        memcpy(block, texts.data, texts.size);
        *person = (struct admin_person){
            .line = record->line,
            .name = block,
            .folded = block + folded,
            .id = block + id,
            .departments = block + departments,
            .value = block + value_at,
            .value_size = value.size,
        };
    }
    buf_free(&texts);
    return person;
}

static int keep(struct admin_people *people, struct admin_person *person, size_t size,
                struct err *err)
{
    people->bytes += size;
    if (people->count == PEOPLE_MAX || people->bytes > PEOPLE_MAX_BYTES) {
        return err_set(err, E_TOO_LARGE,
                       "the file holds too many people for one import (%d, or %d MiB of "
                       "addresses): import it in parts",
                       PEOPLE_MAX, PEOPLE_MAX_BYTES >> 20);
    }
    if (people->count == people->capacity) {
        size_t capacity = people->capacity > 0 ? 2 * people->capacity : 256;
        struct admin_person **all = realloc(people->all, capacity * sizeof *all);
        if (all == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        people->all = all;
        people->capacity = capacity;
    }
    people->all[people->count++] = person;
    return 0;
}

/* Who it is; only trouble of ours is an error. */
static int see_person(struct admin_people *people, const struct admin_record *record,
                      struct err *err)
{
    struct span name = first_of(record, "uid", false);
    name = either(either(name, first_of(record, "mail", false)), first_of(record, "cn", false));
    if (name.size == 0) {
        admin_failures_add(
            &people->failures, record->line,
            "a person without uid, mail and name (cn): there is nothing to register by");
        return 0;
    }
    struct owner owner = {0};
    struct err why = {0};
    if (owner_make(&owner, OWNER_USER, name, 0, &why) != 0) {
        admin_failures_add(&people->failures, record->line, why.text);
        return 0;
    }
    struct buf value;
    buf_init(&value, SIZE_MAX);
    int rc = put_address(record, owner.shown, &value);
    if (value.size > PEOPLE_VALUE_MAX_BYTES) {
        admin_failures_add(&people->failures, record->line,
                           "the person's address is larger than 16 KiB: registered without it");
        buf_reset(&value);
    }
    size_t size = 0;
    struct admin_person *person =
        rc == 0 ? make_person(record, &owner, buf_span(&value), &size) : NULL;
    buf_free(&value);
    rc = person != NULL ? keep(people, person, size, err) : err_set(err, E_NOMEM, "out of memory");
    if (rc != 0) {
        free(person);
    }
    return rc;
}

/* --- each name once --- */

static int by_name(const void *a, const void *b)
{
    const struct admin_person *one = *(struct admin_person *const *)a;
    const struct admin_person *other = *(struct admin_person *const *)b;
    int order = strcmp(one->folded, other->folded);
    return order != 0 ? order : (one->line > other->line) - (one->line < other->line);
}

static int by_line(const void *a, const void *b)
{
    const struct admin_person *one = *(struct admin_person *const *)a;
    const struct admin_person *other = *(struct admin_person *const *)b;
    return (one->line > other->line) - (one->line < other->line);
}

static void drop_repeats(struct admin_people *people)
{
    if (people->count == 0) {
        return;
    }
    qsort(people->all, people->count, sizeof(struct admin_person *), by_name);
    size_t kept = 1;
    for (size_t i = 1; i < people->count; i++) {
        struct admin_person *first = people->all[kept - 1];
        struct admin_person *person = people->all[i];
        if (strcmp(first->folded, person->folded) != 0) {
            people->all[kept++] = person;
            continue;
        }
        char reason[NAME_MAX_BYTES + 64];
        (void)snprintf(reason, sizeof reason, "'%s' is a person in line %" PRIu64 " already",
                       person->name, first->line);
        admin_failures_add(&people->failures, person->line, reason);
        free(person);
    }
    people->count = kept;
    qsort(people->all, people->count, sizeof(struct admin_person *), by_line);
}

/* --- the file --- */

/* One of the readers. */
struct source {
    enum admin_format format;
    struct admin_ldif *ldif;
    struct admin_csv *csv;
    struct admin_vcard *vcard;
};

static int source_open(struct source *source, int fd, struct err *err)
{
    switch (source->format) {
    case ADMIN_FORMAT_LDIF:
        return admin_ldif_open(&source->ldif, fd, err);
    case ADMIN_FORMAT_CSV:
        return admin_csv_open(&source->csv, fd, err);
    case ADMIN_FORMAT_VCARD:
        return admin_vcard_open(&source->vcard, fd, err);
    }
    return E_INVALID;
}

static int source_next(struct source *source, struct admin_record *record, struct err *err)
{
    return source->ldif != NULL  ? admin_ldif_next(source->ldif, record, err)
           : source->csv != NULL ? admin_csv_next(source->csv, record, err)
                                 : admin_vcard_next(source->vcard, record, err);
}

static void source_close(struct source *source)
{
    admin_ldif_close(&source->ldif);
    admin_csv_close(&source->csv);
    admin_vcard_close(&source->vcard);
}

bool admin_format_parse(const char *text, enum admin_format *format)
{
    static const char *const names[] = {"ldif", "csv", "vcard"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *format = (enum admin_format)i;
            return true;
        }
    }
    return false;
}

static bool ends_it(int rc)
{
    return rc == E_NOT_FOUND || rc == E_FORMAT || rc == E_IO || rc == E_NOMEM || rc == E_SYSTEM ||
           rc == E_PERMISSION;
}

static int read_records(struct admin_people *people, struct source *source,
                        const atomic_bool *given_up, struct err *err)
{
    for (;;) {
        struct admin_record record;
        struct err why = {0};
        if (atomic_load(given_up)) {
            return err_set(err, E_CLOSED, "nobody waits for the import any more");
        }
        int rc = source_next(source, &record, &why);
        if (ends_it(rc)) {
            return rc == E_NOT_FOUND ? 0 : err_set(err, rc, "%s", why.text);
        }
        if (rc != 0) {
            admin_failures_add(&people->failures, record.line, why.text);
            continue;
        }
        bool person = is_person(&record);
        people->others += !person;
        rc = person ? see_person(people, &record, err) : 0;
        if (rc != 0) {
            return rc;
        }
    }
}

int admin_people_read(struct admin_people *people, enum admin_format format, int fd,
                      const atomic_bool *given_up, struct err *err)
{
    ASSERT(people != NULL && fd >= 0 && given_up != NULL);
    struct source source = {.format = format};
    people->failures.rows = json_array();
    int rc = people->failures.rows != NULL ? source_open(&source, fd, err)
                                           : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0) {
        rc = read_records(people, &source, given_up, err);
    }
    if (rc == 0) {
        drop_repeats(people);
    }
    source_close(&source);
    return rc;
}

void admin_people_free(struct admin_people *people)
{
    for (size_t i = 0; i < people->count; i++) {
        free(people->all[i]);
    }
    free(people->all);
    json_decref(people->failures.rows);
    *people = (struct admin_people){0};
}
