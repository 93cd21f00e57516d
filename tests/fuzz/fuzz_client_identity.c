/* tests/fuzz/fuzz_client_identity.c - a machine's identity file that nobody vouches for.
 *
 * The first byte of the input says whether a checksum that fits is put behind the rest (else hardly
 * any input would get behind it). Whatever it is: loading says 0, E_CORRUPT or E_FORMAT with a
 * sentence; what was loaded is whole and its texts end.
 */
#include <string.h>

#include "base/hash.h"
#include "client/identity.h"
#include "tests/fuzz/file.h"

enum { WITH_SUM = 1, TEXT_MAX = 32 << 10, SUM_LINE_MAX = 32 };

static const char *file_of(struct span text, bool with_sum)
{
    static char bytes[TEXT_MAX + SUM_LINE_MAX];
    size_t size = text.size;
    memcpy(bytes, text.data, size);
    if (with_sum) {
        size += (size_t)snprintf(bytes + size, SUM_LINE_MAX, "sum = %016llx\n",
                                 (unsigned long long)hash64(text, 0));
    }
    return fuzz_file_path(bytes, size);
}

static void check_identity(const struct identity *identity)
{
    FUZZ_CHECK(identity->address_count <= TOKEN_ADDRESSES_MAX);
    FUZZ_CHECK(identity->device == 0 || (identity->has_keys && identity->address_count > 0));
    for (size_t i = 0; i < identity->address_count; i++) {
        FUZZ_CHECK(strnlen(identity->addresses[i], sizeof identity->addresses[i]) <=
                   ADDRESS_MAX_BYTES);
    }
    FUZZ_CHECK(strnlen(identity->name, sizeof identity->name) < sizeof identity->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct identity untouched = {.device = 77};
    if (size < 1 || size > TEXT_MAX) {
        return 0;
    }
    struct identity identity = untouched;
    struct err err = {0};
    const char *path = file_of(span_of(data + 1, size - 1), (data[0] & WITH_SUM) != 0);
    int rc = identity_load(&identity, path, &err);
    if (rc == 0) {
        check_identity(&identity);
    } else {
        FUZZ_CHECK((rc == E_CORRUPT || rc == E_FORMAT) && err.text[0] != '\0');
        FUZZ_CHECK(identity.device == untouched.device && !identity.has_keys);
        FUZZ_CHECK(identity.address_count == 0 && identity.name[0] == '\0');
    }
    return 0;
}
