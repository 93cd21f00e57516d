/* Tests of admin/vcard_write.c: properties, folding, and the way back. */
#include "tests/admin/addresses.h"

#include "admin/vcard_write.h"

static void a_card(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    address_put(&out, admin_vcard_put, "bob",
                "{\"name\":\"Bob; B\\nC\",\"mail\":[\"b@example.org\"],\"fax\":[\"2\"],"
                "\"telephone\":[\"1\"],\"organization\":\"\",\"department\":\"x\"}");
    (void)buf_append_u8(&out, 0);
    assert_string_equal((const char *)out.data,
                        "BEGIN:VCARD\r\nVERSION:4.0\r\nUID;VALUE=text:bob\r\nFN:Bob\\; B\\nC\r\n"
                        "N:Bob\\; B\\nC\r\nEMAIL:b@example.org\r\nTEL;TYPE=voice:1\r\n"
                        "TEL;TYPE=fax:2\r\nORG:;x\r\nCATEGORIES:Änn\\, of \"sales\"\r\n"
                        "END:VCARD\r\n");
    buf_free(&out);
}

/* At 75 bytes, and never within a character. */
static void lines_are_folded(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 64 << 10);
    address_put(&out, admin_vcard_put, "bob", ADDRESS_AWKWARD);
    size_t folded = 0;
    for (size_t at = 0; at < out.size;) {
        const uint8_t *end = memmem(out.data + at, out.size - at, "\r\n", 2);
        assert_non_null(end);
        size_t size = (size_t)(end - (out.data + at));
        assert_true(size <= 75);
        folded += out.data[at] == ' ';
        assert_true((out.data[at + (out.data[at] == ' ')] & 0xc0) != 0x80);
        at += size + 2;
    }
    assert_true(folded > 0);
    buf_free(&out);
}

static void our_own_reader_takes_it_back(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 64 << 10);
    address_put(&out, admin_vcard_put, "ann", ADDRESS_AWKWARD);
    address_expect_back(&out, ADMIN_FORMAT_VCARD, "ann", ADDRESS_AWKWARD);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card),
        cmocka_unit_test(lines_are_folded),
        cmocka_unit_test(our_own_reader_takes_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
