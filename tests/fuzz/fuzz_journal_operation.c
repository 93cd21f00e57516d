/* tests/fuzz/fuzz_journal_operation.c - an operation, from an outbox or a machine.
 *
 * What is taken for one can be read write by write, and its hash does not depend on how its numbers
 * were encoded.
 */
#include "journal/operation.h"
#include "tests/fuzz/fuzz.h"

enum { ELEMENTS_MAX = 4 * OPERATION_WRITES_MAX + 16 };

static void put(struct buf *out, const struct operation *operation)
{
    struct operation_write write;
    switch (operation->kind) {
    case OPERATION_EMPTY:
        operation_put_empty(out, operation->number);
        break;
    case OPERATION_CREATE:
        operation_put_create(out, operation->number, &operation->owner);
        break;
    case OPERATION_WRITE:
        operation_begin_write(out, operation->number, operation->bag_id, operation->made_by,
                              operation->seen, (uint32_t)operation->write_count);
        for (size_t i = 0; i < operation->write_count; i++) {
            FUZZ_CHECK(operation_write_at(operation, i, &write) == 0);
            operation_put_write(out, &write);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unpacked unpacked = {0};
    struct unpacked second = {0};
    struct operation operation = {0};
    struct operation again = {0};
    struct err err = {0};
    struct buf bytes;
    buf_init(&bytes, 8 << 20);
    if (unpack_open(&unpacked, span_of(data, size), ELEMENTS_MAX) == 0) {
        int rc = operation_decode(&unpacked.root, &operation, &err);
        FUZZ_CHECK(rc == 0 || rc == E_MALFORMED || rc == E_NAME || rc == E_TOO_LARGE);
        FUZZ_CHECK(rc == err.code);
        if (rc == 0) {
            FUZZ_CHECK(operation.number > 0 && operation.write_count <= OPERATION_WRITES_MAX);
            put(&bytes, &operation);
            FUZZ_CHECK(buf_error(&bytes) == 0);
            FUZZ_CHECK(unpack_open(&second, buf_span(&bytes), ELEMENTS_MAX) == 0);
            FUZZ_CHECK(operation_decode(&second.root, &again, NULL) == 0);
            FUZZ_CHECK(operation_hash(&again) == operation_hash(&operation));
        }
    }
    unpack_close(&unpacked);
    unpack_close(&second);
    buf_free(&bytes);
    return 0;
}
