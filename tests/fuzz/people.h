/* tests/fuzz/people.h - what holds for the records of every reader, and for the people made of
 * them.
 *
 * Records come with rising lines and within the limits; what is kept of a person is a valid name,
 * an id that makes a path, and JSON.
 */
#ifndef KITBAG_TESTS_FUZZ_PEOPLE_H
#define KITBAG_TESTS_FUZZ_PEOPLE_H

#include <string.h>

#include "admin/people.h"
#include "admin/record.h"
#include "tests/fuzz/file.h"

static inline void check_record(const struct admin_record *record, uint64_t *line)
{
    FUZZ_CHECK(record->line > *line);
    *line = record->line;
    FUZZ_CHECK(record->attribute_count <= RECORD_ATTRIBUTES_MAX);
    size_t total = record->dn.size;
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct admin_attribute *attribute = &record->attributes[i];
        FUZZ_CHECK(attribute->name.size > 0);
        FUZZ_CHECK(attribute->options.size == 0 || attribute->options.data[0] == ';');
        total += attribute->name.size + attribute->options.size + attribute->value.size;
    }
    FUZZ_CHECK(total <= RECORD_MAX_BYTES);
}

typedef int next_record_fn(void *reader, struct admin_record *out, struct err *err);

/* How many records and faults there are. */
static inline size_t read_records(next_record_fn *next, void *reader)
{
    struct admin_record record;
    uint64_t line = 0;
    size_t count = 0;
    for (;;) {
        struct err err = {0};
        int rc = next(reader, &record, &err);
        if (rc == E_NOT_FOUND || rc == E_FORMAT) {
            return count;
        }
        count++;
        if (rc == 0) {
            check_record(&record, &line);
        } else {
            FUZZ_CHECK(rc == E_MALFORMED || rc == E_TOO_LARGE || rc == E_NOT_ALLOWED);
            FUZZ_CHECK(err.text[0] != '\0' && record.line > 0);
        }
    }
}

static inline void check_person(const struct admin_person *person)
{
    char folded[NAME_MAX_BYTES + 1];
    FUZZ_CHECK(name_fold(span_str(person->name), folded, NULL) == 0);
    FUZZ_CHECK(strcmp(folded, person->folded) == 0);
    char path[PATH_MAX_BYTES + 1] = "address-list/personal/";
    size_t size = strlen(path);
    FUZZ_CHECK(size + strlen(person->id) <= PATH_MAX_BYTES);
    memcpy(path + size, person->id, strlen(person->id) + 1);
    FUZZ_CHECK(path_check(span_str(path), NULL) == 0);
    FUZZ_CHECK(strchr(person->id, '/') == NULL);
    if (person->value_size > 0) {
        json_t *value = json_loadb(person->value, person->value_size, 0, NULL);
        FUZZ_CHECK(json_object_size(value) == 8);
        json_decref(value);
    }
}

static inline size_t read_people(enum admin_format format, int fd)
{
    static atomic_bool given_up;
    struct admin_people people = {0};
    size_t count = 0;
    if (admin_people_read(&people, format, fd, &given_up, NULL) == 0) {
        for (size_t i = 0; i < people.count; i++) {
            check_person(people.all[i]);
            FUZZ_CHECK(i == 0 || people.all[i - 1]->line < people.all[i]->line);
        }
        count = people.count + people.failures.count + people.others;
    }
    admin_people_free(&people);
    return count;
}

#endif
