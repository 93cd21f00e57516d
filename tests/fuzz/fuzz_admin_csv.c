/* tests/fuzz/fuzz_admin_csv.c - a file that nobody vouches for, through the CSV reader and the
 * reader of people above it. Reading twice gives the same.
 */
#include "admin/csv.h"
#include "tests/fuzz/people.h"

static int next(void *reader, struct admin_record *out, struct err *err)
{
    return admin_csv_next(reader, out, err);
}

static size_t read_all(int fd)
{
    struct admin_csv *reader = NULL;
    FUZZ_CHECK(admin_csv_open(&reader, fd, NULL) == 0);
    size_t count = read_records(next, reader);
    admin_csv_close(&reader);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = fuzz_file(data, size);
    size_t records = read_all(fd);
    FUZZ_CHECK(read_all(fd) == records);
    size_t seen = read_people(ADMIN_FORMAT_CSV, fd);
    FUZZ_CHECK(seen == 0 || seen >= records);
    return 0;
}
