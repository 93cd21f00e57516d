/* tests/admin/records.h - what a reader of records gives, in a notation of the tests' own: for each
 * record "LINE name;options=value|...", for each fault "LINE! sentence"; one a line.
 */
#ifndef KITBAG_TESTS_ADMIN_RECORDS_H
#define KITBAG_TESTS_ADMIN_RECORDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "admin/record.h"

typedef int next_record_fn(void *reader, struct admin_record *out, struct err *err);

static inline int file_of(const char *text, size_t size)
{
    int fd = memfd_create("records", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), (ssize_t)size);
    return fd;
}

static inline void note_record(const struct admin_record *record, struct buf *out)
{
    (void)buf_printf(out, "%llu ", (unsigned long long)record->line);
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct admin_attribute *a = &record->attributes[i];
        if (admin_attribute_is(a, "objectClass")) {
            assert_true(span_equal(a->value, SPAN_LITERAL("person")));
            continue;
        }
        (void)buf_append_span(out, a->name);
        (void)buf_append_span(out, a->options);
        (void)buf_append_u8(out, '=');
        (void)buf_append_span(out, a->value);
        (void)buf_append_u8(out, '|');
    }
    (void)buf_append_u8(out, '\n');
}

/* To the end; returns the code that ended it, with its sentence in `err`. `out` is NUL-ended. */
static inline int note_records(next_record_fn *next, void *reader, struct buf *out, struct err *err)
{
    for (;;) {
        struct admin_record record = {0};
        struct err why = {0};
        int rc = next(reader, &record, &why);
        if (rc == 0) {
            note_record(&record, out);
        } else if (rc == E_MALFORMED || rc == E_TOO_LARGE || rc == E_NOT_ALLOWED) {
            (void)buf_printf(out, "%llu! %s\n", (unsigned long long)record.line, why.text);
        } else {
            (void)buf_append_u8(out, 0);
            assert_int_equal(buf_error(out), 0);
            *err = why;
            return rc;
        }
    }
}

#endif
