/* tests/journal/test_snapshot_format.c - the bytes of snapshot files: golden ones, and odd ones. */
#include "tests/journal/snapshot_samples.h"

static void assert_hex(struct span bytes, const char *expected)
{
    char *text = malloc(2 * bytes.size + 1);
    assert_non_null(text);
    hex_encode(bytes.data, bytes.size, text);
    assert_string_equal(text, expected);
    free(text);
}

static const char HEADER[] =
    "4b424241470d0a1a0100000074000000"                                     /* start */
    "9c01cf0000018bcfe5687baa7468652073657276657200"                       /* kind to device */
    "c4200000000000000000000000000000000000000000000000000000000000000000" /* signer */
    "c0c41030313233343536373839616263646500cd03e8"                         /* proof, history, seq */
    "c420bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" /* hash */
    "0300";                                                                /* scope, writer */

static void the_header_has_these_bytes(void **state)
{
    (void)state;
    struct buf out;
    struct snapshot_lock lock = {.log_n = 15, .r = 8, .p = 3};
    struct snapshot_header header = sample_header(SNAPSHOT_SERVER);
    buf_init(&out, 4096);
    snapshot_put_header(&out, &header, &lock);
    char expected[2 * 4096];
    (void)snprintf(expected, sizeof expected, "%sc0", HEADER); /* not sealed */
    assert_int_equal(strlen(expected), 2 * (out.size - 4));
    assert_hex(span_of(out.data, out.size - 4), expected);
    assert_int_equal(get_le32(out.data + out.size - 4), crc32c(0, out.data, out.size - 4));
    buf_free(&out);
}

static void check_header(const struct snapshot_header *header, const struct snapshot_lock *lock)
{
    struct buf out;
    size_t size = 0;
    const char *why = NULL;
    struct snapshot_header read;
    struct snapshot_lock read_lock;
    buf_init(&out, 4096);
    snapshot_put_header(&out, header, lock);
    assert_int_equal(buf_error(&out), 0);
    assert_int_equal(snapshot_header_size(out.data, &size, &why), 0);
    assert_int_equal(size, out.size);
    assert_int_equal(snapshot_get_header(buf_span(&out), &read, &read_lock, &why), 0);
    assert_memory_equal(&read, header, sizeof read);
    assert_int_equal(read_lock.log_n, lock->log_n);
    assert_int_equal(read_lock.r, lock->r);
    assert_int_equal(read_lock.p, lock->p);
    assert_memory_equal(read_lock.salt, lock->salt, sizeof lock->salt);
    assert_memory_equal(read_lock.check, lock->check, sizeof lock->check);
    buf_free(&out);
}

static void headers_come_back(void **state)
{
    (void)state;
    struct snapshot_header header = sample_header(SNAPSHOT_SERVER);
    struct snapshot_lock lock = {0};
    check_header(&header, &lock);
    header = sample_header(SNAPSHOT_OUTBOX);
    header.has_proof = true;
    memset(header.proof, 3, sizeof header.proof);
    header.has_history = false;
    memset(header.history, 0, sizeof header.history);
    memset(header.name, 'x', sizeof header.name - 1);
    header.sealing = SNAPSHOT_KEY;
    memset(lock.salt, 1, sizeof lock.salt);
    memset(lock.check, 2, sizeof lock.check);
    check_header(&header, &lock);
    header.sealing = SNAPSHOT_PASSWORD;
    lock.log_n = 15;
    lock.r = 8;
    lock.p = 3;
    header.created_ms = UINT64_MAX;
    header.device = UINT64_MAX;
    header.seq = UINT64_MAX;
    header.scope = UINT32_MAX;
    header.writer = UINT64_MAX;
    check_header(&header, &lock);
}

/* A header of the right form that says what can't be. */
static int judge_header(const char *fields_hex)
{
    uint8_t bytes[1024];
    size_t size = strlen(fields_hex) / 2;
    const char *why = NULL;
    struct snapshot_header header;
    struct snapshot_lock lock;
    memcpy(bytes, "KBBAG\r\n\x1a\x01\0\0", 12);
    put_le32(bytes + 12, (uint32_t)size);
    assert_int_equal(hex_decode(span_str(fields_hex), bytes + 16, size), 0);
    put_le32(bytes + 16 + size, crc32c(0, bytes, 16 + size));
    return snapshot_get_header(span_of(bytes, 20 + size), &header, &lock, &why);
}

static void odd_headers_are_refused(void **state)
{
    (void)state;
    char text[1024];
    const char *fields = HEADER + 32;
    (void)snprintf(text, sizeof text, "%sc0", fields);
    assert_int_equal(judge_header(text), 0);
    (void)snprintf(text, sizeof text, "%s", fields); /* a field is missing */
    assert_int_equal(judge_header(text), E_MALFORMED);
    (void)snprintf(text, sizeof text, "%sc0c0", fields); /* one more */
    assert_int_equal(judge_header(text), E_MALFORMED);
    (void)snprintf(text, sizeof text, "%s00", fields); /* no lock */
    assert_int_equal(judge_header(text), E_MALFORMED);
    (void)snprintf(text, sizeof text, "%sc0", fields);
    memcpy(text + 2, "00", 2); /* no kind */
    assert_int_equal(judge_header(text), E_MALFORMED);
    memcpy(text + 2, "04", 2); /* none that is known */
    assert_int_equal(judge_header(text), E_MALFORMED);
    (void)snprintf(text, sizeof text, "%sc0", fields);
    memcpy(strstr(text, "7468652073"), "7400652073", 10); /* a name with a NUL */
    assert_int_equal(judge_header(text), E_MALFORMED);
    assert_int_equal(judge_header("dfffffffff"), E_MALFORMED);
    assert_int_equal(judge_header("c0"), E_MALFORMED);
}

static void a_file_begins_in_one_way(void **state)
{
    (void)state;
    uint8_t start[16] = "KBBAG\r\n\x1a\x01\0\0\0\x05\0\0";
    size_t size = 0;
    const char *why = NULL;
    assert_int_equal(snapshot_header_size(start, &size, &why), 0);
    assert_int_equal(size, 16 + 5 + 4);
    put_le32(start + 12, 0);
    assert_int_equal(snapshot_header_size(start, &size, &why), E_MALFORMED);
    put_le32(start + 12, SNAPSHOT_HEADER_MAX);
    assert_int_equal(snapshot_header_size(start, &size, &why), 0);
    put_le32(start + 12, SNAPSHOT_HEADER_MAX + 1);
    assert_int_equal(snapshot_header_size(start, &size, &why), E_MALFORMED);
    put_le32(start + 12, 5);
    start[8] = 0;
    assert_int_equal(snapshot_header_size(start, &size, &why), E_MALFORMED);
    start[8] = 2;
    assert_int_equal(snapshot_header_size(start, &size, &why), E_FORMAT);
    start[0] = 'k';
    assert_int_equal(snapshot_header_size(start, &size, &why), E_MALFORMED);
    assert_string_equal(why, "is no snapshot of Kitbag");
}

static void blocks_have_these_bytes(void **state)
{
    (void)state;
    uint8_t head[SNAPSHOT_HEAD_SIZE];
    struct snapshot_block read;
    struct snapshot_block block = {
        .kind = SNAPSHOT_BLOCK_RECORDS, .stored_size = 0x1234, .plain_size = 0x5678, .crc = 0x9abc};
    snapshot_put_block(head, &block);
    assert_hex(span_of(head, sizeof head), "010000003412000078560000bc9a0000");
    assert_int_equal(snapshot_get_block(head, &read), 0);
    assert_int_equal(read.stored_size, 0x1234);
    assert_int_equal(read.plain_size, 0x5678);
    assert_int_equal(read.crc, 0x9abc);
    uint32_t crc = snapshot_block_crc(head, 3, SPAN_LITERAL("abc"));
    assert_int_not_equal(crc, snapshot_block_crc(head, 4, SPAN_LITERAL("abc")));
    assert_int_not_equal(crc, snapshot_block_crc(head, 3, SPAN_LITERAL("abd")));
    head[15] ^= 1; /* the checksum is no part of itself */
    assert_int_equal(crc, snapshot_block_crc(head, 3, SPAN_LITERAL("abc")));
    head[0] = 3;
    assert_int_equal(snapshot_get_block(head, &read), E_MALFORMED);
}

static void blocks_have_limits(void **state)
{
    (void)state;
    uint8_t head[SNAPSHOT_HEAD_SIZE];
    struct snapshot_block read;
    struct snapshot_block block = {.kind = SNAPSHOT_BLOCK_END,
                                   .stored_size = SNAPSHOT_STORED_MAX,
                                   .plain_size = SNAPSHOT_BLOCK_MAX};
    snapshot_put_block(head, &block);
    assert_int_equal(snapshot_get_block(head, &read), 0);
    block.stored_size++;
    snapshot_put_block(head, &block);
    assert_int_equal(snapshot_get_block(head, &read), E_MALFORMED);
    block.stored_size--;
    block.plain_size++;
    snapshot_put_block(head, &block);
    assert_int_equal(snapshot_get_block(head, &read), E_MALFORMED);
}

static void records_have_these_bytes(void **state)
{
    (void)state;
    struct buf out;
    struct item_row row = {.state = ITEM_LIVE,
                           .conflict = true,
                           .seq = 300,
                           .time_ms = 1,
                           .origin = 5,
                           .value = SPAN_LITERAL("v")};
    struct snapshot_bag bag = sample_bag("user:Änn/device:0000000000000005", 7, 300);
    bag.parent = 6;
    bag.items = 2;
    bag.left_out = 1;
    bag.complete_to = 9;
    buf_init(&out, 1000);
    snapshot_put_bag_record(&out, &bag);
    assert_hex(buf_span(&out), "980105a4c3846e6e050706cd012cc0");
    buf_reset(&out);
    bag.differs = true;
    bag.since = 4;
    snapshot_put_bag_record(&out, &bag);
    assert_hex(buf_span(&out), "980105a4c3846e6e050706cd012c04");
    buf_reset(&out);
    snapshot_put_item_record(&out, SPAN_LITERAL("a"), &row);
    assert_hex(buf_span(&out), "9702a161cd012c010501c40176");
    buf_reset(&out);
    row.state = ITEM_TOMBSTONE;
    row.conflict = false;
    snapshot_put_item_record(&out, SPAN_LITERAL("a"), &row);
    assert_hex(buf_span(&out), "9702a161cd012c010500c0");
    buf_reset(&out);
    snapshot_put_bag_end_record(&out, &bag);
    assert_hex(buf_span(&out), "9403020109");
    buf_reset(&out);
    snapshot_put_operation_record(&out, 8, SPAN_LITERAL("\x92\x08\x00"));
    assert_hex(buf_span(&out), "930408c403920800");
    uint8_t count[SNAPSHOT_COUNT_SIZE];
    snapshot_put_count(count, 258);
    assert_hex(span_of(count, sizeof count), "dd00000102");
    buf_free(&out);
}

static int judge_record(const char *hex, enum snapshot_type *type)
{
    uint8_t bytes[1024];
    size_t size = strlen(hex) / 2;
    struct err err = {0};
    struct snapshot_bag bag;
    struct snapshot_record record;
    struct unpacked unpacked = {0};
    assert_int_equal(hex_decode(span_str(hex), bytes, size), 0);
    assert_int_equal(unpack_open(&unpacked, span_of(bytes, size), 100), 0);
    int rc = snapshot_get_record(&unpacked.root, &record, &bag, &err);
    assert_int_equal(err.code, rc);
    if (rc == 0) {
        *type = record.type;
    }
    unpack_close(&unpacked);
    return rc;
}

static void records_of_another_form_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "c0",                         /* no array */
        "90",                         /* nothing in it */
        "9105",                       /* no such record */
        "980102a0000705cd012cc0",     /* the server's own bag */
        "980107a0000705cd012cc0",     /* no such kind */
        "980101a1610007000705c0",     /* a fleet with a name */
        "980101a0050700cd012cc0",     /* a fleet with a device */
        "980106a0000700cd012cc0",     /* a device without its number */
        "980104a161050700cd012cc0",   /* a user with a device */
        "980105a161000700cd012cc0",   /* a user's device without it */
        "980104a161000700cd012c",     /* cut */
        "990104a161000700cd012cc0c0", /* one more */
        "9702a161cd012c010502c40176", /* no such flag */
        "9702a161cd012c0105c3c40176", /* of another type */
        "9702a161cd012c010501a176",   /* a value of another type */
        "94030201a0",                 /* no number */
        "930400c403920800",           /* number 0 */
        "930408a3920800",             /* text for bytes */
    };
    enum snapshot_type type = SNAPSHOT_END;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t bytes[100];
        size_t size = strlen(wrong[i]) / 2;
        assert_int_equal(hex_decode(span_str(wrong[i]), bytes, size), 0);
        if (pack_guard(span_of(bytes, size), 100) == 0) {
            assert_int_equal(judge_record(wrong[i], &type), E_MALFORMED);
        }
    }
    assert_int_equal(judge_record("980101a0000700cd012cc0", &type), 0); /* the fleet */
    assert_int_equal(type, SNAPSHOT_BAG);
    assert_int_equal(judge_record("980106a0050700cd012cc0", &type), 0); /* a device */
    assert_int_equal(judge_record("9702a161cd012c010501c40176", &type), 0);
    assert_int_equal(type, SNAPSHOT_ITEM);
    assert_int_equal(judge_record("9403020109", &type), 0);
    assert_int_equal(type, SNAPSHOT_BAG_END);
    assert_int_equal(judge_record("930408c403920800", &type), 0);
    assert_int_equal(type, SNAPSHOT_OPERATION);
    assert_int_equal(judge_record("980104a12f000700cd012cc0", &type), E_NAME);
    assert_int_equal(judge_record("9702a22e2ecd012c010501c40176", &type), E_PATH);
}

static void blocks_of_records_have_limits(void **state)
{
    (void)state;
    struct walk walk;
    struct unpacked scratch = {0};
    static uint8_t bytes[SNAPSHOT_COUNT_SIZE + SNAPSHOT_RECORDS_MAX + 1];
    memset(bytes, 0xc0, sizeof bytes);
    snapshot_put_count(bytes, SNAPSHOT_RECORDS_MAX);
    assert_int_equal(snapshot_get_records(span_of(bytes, sizeof bytes - 1), &scratch, &walk), 0);
    assert_int_equal(walk.left, SNAPSHOT_RECORDS_MAX);
    snapshot_put_count(bytes, SNAPSHOT_RECORDS_MAX + 1);
    assert_int_equal(snapshot_get_records(span_of(bytes, sizeof bytes), &scratch, &walk),
                     E_MALFORMED);
    assert_int_equal(snapshot_get_records(SPAN_LITERAL("\xdd\xff\xff\xff\xff"), &scratch, &walk),
                     E_MALFORMED);
    assert_int_equal(snapshot_get_records(SPAN_LITERAL("\xc0"), &scratch, &walk), E_MALFORMED);
    unpack_close(&scratch);
}

static void the_end_has_these_bytes(void **state)
{
    (void)state;
    struct buf out;
    struct snapshot_counts read;
    struct snapshot_counts counts = {.users = 1,
                                     .groups = 2,
                                     .bags = 3,
                                     .items = 4,
                                     .removed = 5,
                                     .left_out = 6,
                                     .secrets = 7,
                                     .operations = 8,
                                     .bytes = 300,
                                     .digest = {.low = 1, .high = 2}};
    buf_init(&out, 1000);
    snapshot_put_counts(&out, &counts);
    assert_hex(buf_span(&out), "9a0102030405060708cd012cc41001000000000000000200000000000000");
    assert_int_equal(snapshot_get_counts(buf_span(&out), &read), 0);
    assert_true(snapshot_counts_equal(&read, &counts));
    read.digest.high++;
    assert_false(snapshot_counts_equal(&read, &counts));
    out.size--;
    assert_int_equal(snapshot_get_counts(buf_span(&out), &read), E_MALFORMED);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_has_these_bytes),
        cmocka_unit_test(headers_come_back),
        cmocka_unit_test(odd_headers_are_refused),
        cmocka_unit_test(a_file_begins_in_one_way),
        cmocka_unit_test(blocks_have_these_bytes),
        cmocka_unit_test(blocks_have_limits),
        cmocka_unit_test(records_have_these_bytes),
        cmocka_unit_test(records_of_another_form_are_refused),
        cmocka_unit_test(blocks_of_records_have_limits),
        cmocka_unit_test(the_end_has_these_bytes),
    };
    return cmocka_run_group_tests_name("journal/snapshot_format", tests, NULL, NULL);
}
