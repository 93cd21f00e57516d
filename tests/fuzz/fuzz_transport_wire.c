/* fuzz_transport_wire.c - bytes of a peer: the guard, messages, their lists, operations, changes.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/transport/read_all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct unpacked scratch; /* its memory is reused between messages, as a session does */
    struct err err = {0};
    int rc = read_all(span_of(data, size), &scratch, &err);
    FUZZ_CHECK(rc == err.code);
    return 0;
}
