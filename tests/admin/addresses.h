/* tests/admin/addresses.h - addresses for tests of those who write them, and what our own readers
 * make of what was written.
 */
#ifndef KITBAG_TESTS_ADMIN_ADDRESSES_H
#define KITBAG_TESTS_ADMIN_ADDRESSES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "admin/address.h"
#include "admin/people.h"

/* Everything that is awkward, as the readers would have it: without space at the ends. */
#define ADDRESS_AWKWARD                                                                            \
    "{\"name\":\"=2+3; \\\"Änn\\\", the \\\\ 1st\",\"kana\":\"あん, ス\","                     \
    "\"mail\":[\"ann@example.org\",\"-ann@example.org\"],\"fax\":[\"+49 30 99\"],"                 \
    "\"telephone\":[\"+49 (30) 1-2\",\"030/77\"],"                                                 \
    "\"organization\":\"A rather long organization's name, which does not fit a line: "            \
    "会社会社会社会社会社会社\",\"department\":\"@home\",\"title\":\"'=x\"}"

typedef void address_write_fn(struct buf *out, const struct admin_address *address);

static inline void address_put(struct buf *out, address_write_fn *write, const char *id,
                               const char *value)
{
    struct admin_address address;
    admin_address_read(&address, "Änn, of \"sales\"", span_str(id), span_str(value));
    write(out, &address);
    admin_address_free(&address);
    assert_int_equal(buf_error(out), 0);
}

/* The value of the first person that our reader finds in the text, with `id` as the ID. */
static inline void address_expect_back(const struct buf *text, enum admin_format format,
                                       const char *id, const char *value)
{
    atomic_bool given_up = false;
    struct admin_people people = {0};
    struct err err = {0};
    json_error_t fault;
    int fd = memfd_create("text", MFD_CLOEXEC);
    assert_int_equal(write(fd, text->data, text->size), text->size);
    if (admin_people_read(&people, format, fd, &given_up, &err) != 0 || people.count != 1 ||
        people.failures.count != 0) {
        fail_msg("%s %zu people of\n%.*s", err.text, people.count, (int)text->size,
                 (const char *)text->data);
    }
    assert_string_equal(people.all[0]->id, id);
    json_t *wanted = json_loads(value, 0, &fault);
    json_t *got = json_loads(people.all[0]->value, 0, &fault);
    assert_non_null(wanted);
    if (!json_equal(wanted, got)) {
        fail_msg("%s\nis not\n%s", people.all[0]->value, value);
    }
    json_decref(wanted);
    json_decref(got);
    admin_people_free(&people);
    (void)close(fd);
}

#endif
