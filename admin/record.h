/* admin/record.h - an entry of a directory, whatever file it came from: values under names as LDAP
 * knows them ("uid", "mail", "telephoneNumber").
 *
 * A record's bytes lie in one buffer with a maximum; spans into it are made when it is whole, for
 * the buffer moves while it grows.
 */
#ifndef KITBAG_ADMIN_RECORD_H
#define KITBAG_ADMIN_RECORD_H

#include "base/buf.h"
#include "base/err.h"

enum {
    RECORD_MAX_BYTES = 4 << 20,    /* names and decoded values */
    RECORD_ATTRIBUTES_MAX = 10000, /* of a record */
};

struct admin_attribute {
    struct span name;    /* without options: "cn" of "cn;lang-ja"; compare without case */
    struct span options; /* ";lang-ja", or empty */
    struct span value;   /* decoded; any bytes */
};

/* Lives until its reader reads on. */
struct admin_record {
    uint64_t line;  /* where it begins, from 1 */
    struct span dn; /* empty when the file knows none */
    const struct admin_attribute *attributes;
    size_t attribute_count;
};

/* Does the attribute's name equal `name`, without case? */
bool admin_attribute_is(const struct admin_attribute *attribute, const char *name);

/* Is it UTF-8 without a NUL? */
bool record_is_text(struct span bytes);

/* --- for readers: a record while it is made --- */

/* Where an attribute lies in `bytes`. */
struct record_place {
    size_t name, name_size;
    size_t options_size; /* behind the name */
    size_t value, value_size;
};

struct record_maker {
    struct buf bytes;
    struct record_place *places;
    struct admin_attribute *attributes;
    size_t count, capacity;
    struct record_place dn;
    uint64_t line;
    int fault; /* why the record is left out: the first reason counts */
    uint64_t fault_line;
    struct err fault_err;
};

void record_maker_init(struct record_maker *maker);
void record_maker_free(struct record_maker *maker);
/* A new record. */
void record_begin(struct record_maker *maker, uint64_t line);
void record_fault(struct record_maker *maker, uint64_t line, int code, const char *sentence);
/* One more attribute, whose bytes are in the buffer. One too many is a fault; E_NOMEM. */
MUST_CHECK int record_add_place(struct record_maker *maker, const struct record_place *place,
                                uint64_t line);
/* The same with bytes that are copied. */
MUST_CHECK int record_add(struct record_maker *maker, const char *name, const char *options,
                          struct span value, uint64_t line);
/* The record, or its fault (`out->line` is where that is). E_NOMEM. */
MUST_CHECK int record_finish(struct record_maker *maker, struct admin_record *out, struct err *err);

#endif
