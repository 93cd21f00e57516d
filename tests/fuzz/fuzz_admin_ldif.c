/* tests/fuzz/fuzz_admin_ldif.c - a file that nobody vouches for, through the LDIF reader and the
 * reader of people above it.
 *
 * Records come with rising lines and within the limits; what is kept of a person is a valid name,
 * an id that makes a path, and JSON. Reading twice gives the same.
 */
#include <string.h>

#include "admin/ldif.h"
#include "admin/people.h"
#include "tests/fuzz/file.h"

static void check_record(const struct admin_ldif_record *record, uint64_t *line)
{
    FUZZ_CHECK(record->line > *line);
    *line = record->line;
    FUZZ_CHECK(record->attribute_count <= LDIF_ATTRIBUTES_MAX);
    size_t total = record->dn.size;
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct admin_ldif_attribute *attribute = &record->attributes[i];
        FUZZ_CHECK(attribute->name.size > 0);
        FUZZ_CHECK(attribute->options.size == 0 || attribute->options.data[0] == ';');
        total += attribute->name.size + attribute->options.size + attribute->value.size;
    }
    FUZZ_CHECK(total <= LDIF_RECORD_MAX_BYTES);
}

/* How many records and faults there are. */
static size_t read_records(int fd)
{
    struct admin_ldif *ldif = NULL;
    struct admin_ldif_record record;
    uint64_t line = 0;
    size_t count = 0;
    FUZZ_CHECK(admin_ldif_open(&ldif, fd, NULL) == 0);
    for (;;) {
        struct err err = {0};
        int rc = admin_ldif_next(ldif, &record, &err);
        if (rc == E_NOT_FOUND || rc == E_FORMAT) {
            break;
        }
        count++;
        if (rc == 0) {
            check_record(&record, &line);
        } else {
            FUZZ_CHECK(rc == E_MALFORMED || rc == E_TOO_LARGE || rc == E_NOT_ALLOWED);
            FUZZ_CHECK(err.text[0] != '\0' && record.line > 0);
        }
    }
    admin_ldif_close(&ldif);
    return count;
}

static void check_person(const struct admin_person *person)
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

static size_t read_people(int fd)
{
    static atomic_bool given_up;
    struct admin_people people = {0};
    size_t count = 0;
    if (admin_people_read(&people, fd, &given_up, NULL) == 0) {
        for (size_t i = 0; i < people.count; i++) {
            check_person(people.all[i]);
            FUZZ_CHECK(i == 0 || people.all[i - 1]->line < people.all[i]->line);
        }
        count = people.count + people.failures.count + people.others;
    }
    admin_people_free(&people);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = fuzz_file(data, size);
    size_t records = read_records(fd);
    FUZZ_CHECK(read_records(fd) == records);
    size_t seen = read_people(fd);
    FUZZ_CHECK(seen == 0 || seen >= records);
    return 0;
}
