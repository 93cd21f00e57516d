/* admin/record.c - attributes of one entry, gathered in one buffer. */
#include "admin/record.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

enum { ATTRIBUTES_FIRST = 64 };

bool admin_attribute_is(const struct admin_attribute *attribute, const char *name)
{
    return attribute->name.size == strlen(name) &&
           strncasecmp((const char *)attribute->name.data, name, attribute->name.size) == 0;
}

bool record_is_text(struct span bytes)
{
    for (size_t at = 0; at < bytes.size;) {
        utf8proc_int32_t rune;
        utf8proc_ssize_t used =
            utf8proc_iterate(bytes.data + at, (utf8proc_ssize_t)(bytes.size - at), &rune);
        if (used <= 0 || rune == 0) {
            return false;
        }
        at += (size_t)used;
    }
    return true;
}

void record_maker_init(struct record_maker *maker)
{
    *maker = (struct record_maker){0};
    buf_init(&maker->bytes, RECORD_MAX_BYTES);
}

void record_maker_free(struct record_maker *maker)
{
    buf_free(&maker->bytes);
    free(maker->places);
    free(maker->attributes);
    maker->places = NULL;
    maker->attributes = NULL;
}

void record_begin(struct record_maker *maker, uint64_t line)
{
    buf_reset(&maker->bytes);
    maker->count = 0;
    maker->fault = 0;
    maker->dn = (struct record_place){0};
    maker->line = line;
}

void record_fault(struct record_maker *maker, uint64_t line, int code, const char *sentence)
{
    if (maker->fault == 0) {
        maker->fault = err_set(&maker->fault_err, code, "%s", sentence);
        maker->fault_line = line;
    }
}

static int grow(struct record_maker *maker)
{
    if (maker->count < maker->capacity) {
        return 0;
    }
    size_t capacity = maker->capacity > 0 ? 2 * maker->capacity : ATTRIBUTES_FIRST;
    struct record_place *places = realloc(maker->places, capacity * sizeof *places);
    if (places == NULL) {
        return E_NOMEM;
    }
    maker->places = places;
    struct admin_attribute *attributes = realloc(maker->attributes, capacity * sizeof *attributes);
    if (attributes == NULL) {
        return E_NOMEM;
    }
    maker->attributes = attributes;
    maker->capacity = capacity;
    return 0;
}

int record_add_place(struct record_maker *maker, const struct record_place *place, uint64_t line)
{
    if (maker->count == RECORD_ATTRIBUTES_MAX) {
        record_fault(maker, line, E_TOO_LARGE, "the record has more than 10000 values");
        return 0;
    }
    int rc = grow(maker);
    if (rc == 0) {
        maker->places[maker->count++] = *place;
    }
    return rc;
}

int record_add(struct record_maker *maker, const char *name, const char *options, struct span value,
               uint64_t line)
{
    struct record_place place = {.name = maker->bytes.size,
                                 .name_size = strlen(name),
                                 .options_size = strlen(options),
                                 .value_size = value.size};
    (void)buf_append_span(&maker->bytes, span_str(name));
    (void)buf_append_span(&maker->bytes, span_str(options));
    place.value = maker->bytes.size;
    (void)buf_append_span(&maker->bytes, value);
    return record_add_place(maker, &place, line);
}

static void make_spans(struct record_maker *maker, struct admin_record *out)
{
    const uint8_t *bytes = maker->bytes.data;
    for (size_t i = 0; i < maker->count; i++) {
        const struct record_place *place = &maker->places[i];
        maker->attributes[i] = (struct admin_attribute){
            .name = span_of(bytes + place->name, place->name_size),
            .options = span_of(bytes + place->name + place->name_size, place->options_size),
            .value = span_of(bytes + place->value, place->value_size),
        };
    }
    out->dn = maker->dn.value_size > 0 ? span_of(bytes + maker->dn.value, maker->dn.value_size)
                                       : span_of(NULL, 0);
    out->attributes = maker->attributes;
    out->attribute_count = maker->count;
}

int record_finish(struct record_maker *maker, struct admin_record *out, struct err *err)
{
    *out = (struct admin_record){.line = maker->line};
    if (maker->bytes.error == E_NOMEM) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    if (maker->bytes.error != 0) {
        record_fault(maker, maker->line, E_TOO_LARGE, "the record is larger than 4 MiB");
    }
    if (maker->fault != 0) {
        out->line = maker->fault_line;
        return err_set(err, maker->fault, "%s", maker->fault_err.text);
    }
    make_spans(maker, out);
    return 0;
}
