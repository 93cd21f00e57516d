/* tests/transport/test_wire.c - reading messages: what comes out, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/died.h"
#include "tests/transport/read_all.h"
#include "tests/transport/wire_samples.h"

static struct unpacked scratch;
static struct buf made;

static int setup(void **state)
{
    (void)state;
    buf_init(&made, WIRE_MESSAGE_MAX + 64);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&made);
    unpack_close(&scratch);
    return 0;
}

static void decode_sample(const char *name, struct wire_message *message)
{
    static uint8_t bytes[SAMPLE_MAX]; /* the message borrows from it */
    size_t size = sample_golden(sample_named(name), bytes);
    struct err err = {0};
    assert_int_equal(wire_decode(span_of(bytes, size), &scratch, message, &err), 0);
    assert_int_equal(err.code, 0);
}

static void assert_text(struct span span, const char *text)
{
    assert_true(span_equal(span, span_str(text)));
}

static void assert_position(const struct wire_position *position, uint64_t seq)
{
    struct wire_position expected = sample_position(seq);
    assert_int_equal(position->seq, seq);
    assert_memory_equal(position->hash, expected.hash, sizeof expected.hash);
}

/* `made` as the bytes of a message, in a block of their own size so that reading past is noticed.
 */
static int decode_made(struct wire_message *message, struct err *err)
{
    assert_int_equal(buf_error(&made), 0);
    static uint8_t *block;
    free(block);
    block = malloc(made.size);
    assert_true(block != NULL || made.size == 0);
    if (made.size > 0) {
        memcpy(block, made.data, made.size);
    }
    int rc = wire_decode(span_of(block, made.size), &scratch, message, err);
    if (rc != 0) {
        free(block);
        block = NULL;
    }
    buf_reset(&made);
    return rc;
}

static void assert_made(int expected)
{
    struct wire_message message = {.session = 77};
    struct err err = {0};
    int rc = decode_made(&message, &err);
    if (rc != expected) {
        fail_msg("returned %s, not %s: %s", err_name(rc), err_name(expected), err.text);
    }
    assert_int_equal(err.code, expected);
    if (rc != 0) {
        assert_int_equal(message.session, 77); /* untouched on failure */
    }
}

static void assert_refused(const char *part_of_sentence)
{
    struct wire_message message;
    struct err err = {0};
    assert_int_equal(decode_made(&message, &err), E_MALFORMED);
    if (strstr(err.text, part_of_sentence) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, part_of_sentence);
    }
}

/* --- what comes out --- */

static void test_client_messages(void **state)
{
    (void)state;
    struct wire_message m;
    decode_sample("sign_in", &m);
    assert_int_equal(m.type, WIRE_SIGN_IN);
    assert_true(m.session == sample_session && m.sign_in.ref == 1);
    assert_text(m.sign_in.user, "Änn");
    assert_int_equal(m.sign_in.groups.count, 2);
    assert_text(wire_group_at(&m.sign_in.groups, 0), "sales");
    assert_text(wire_group_at(&m.sign_in.groups, 1), "all");
    decode_sample("sign_out", &m);
    assert_true(m.type == WIRE_SIGN_OUT && m.sign_out.ref == 2 && m.sign_out.bag_id == 300);
    decode_sample("follow", &m);
    assert_true(m.type == WIRE_FOLLOW && m.follow.bags.count == 2);
    struct wire_bag bag = wire_bag_at(&m.follow.bags, 1);
    assert_true(bag.bag_id == 300 && bag.cursor == 70000);
    decode_sample("unfollow", &m);
    assert_true(m.type == WIRE_UNFOLLOW && m.unfollow.bags.count == 2);
    assert_int_equal(wire_id_at(&m.unfollow.bags, 1), 300);
    decode_sample("credit", &m);
    assert_true(m.type == WIRE_CREDIT && m.credit.received == 65536);
    decode_sample("heartbeat", &m);
    assert_true(m.type == WIRE_HEARTBEAT && m.heartbeat.seq == 70000 &&
                m.heartbeat.current == 69999);
    decode_sample("bye", &m);
    assert_true(m.type == WIRE_BYE && m.session == sample_session);
    decode_sample("part", &m);
    assert_true(m.type == WIRE_PART && m.part.id == 3 && m.part.total == 100000);
    assert_int_equal(m.part.offset, WIRE_PART_BYTES);
    assert_text(m.part.bytes, "bytes");
}

static void test_hello_and_join(void **state)
{
    (void)state;
    struct wire_message m;
    uint8_t counted[sizeof m.join.public_key];
    sample_bytes(counted, sizeof counted);
    decode_sample("hello", &m);
    assert_true(m.type == WIRE_HELLO && m.session == 0 && m.hello.version == WIRE_VERSION);
    assert_true(m.hello.device == 0x00f3000000000001 && m.hello.has_history);
    assert_memory_equal(m.hello.history, counted, HISTORY_SIZE);
    assert_position(&m.hello.position, 70000);
    assert_true(m.hello.writer == 0xfedcba9876543210 && m.hello.window == WIRE_WINDOW_MAX);
    assert_text(m.hello.software, "kitbag 0.1.0");
    decode_sample("hello_fresh", &m);
    assert_true(!m.hello.has_history && m.hello.position.seq == 0 && m.hello.device == 5);
    assert_true(m.hello.writer == 9 && m.hello.software.size == 0 && m.hello.window == 1);
    decode_sample("join", &m);
    assert_true(m.type == WIRE_JOIN && m.join.version == WIRE_VERSION);
    assert_memory_equal(m.join.public_key, counted, sizeof m.join.public_key);
    assert_text(m.join.name, "Printer at the lift");
    assert_text(m.join.serial, "SN-1");
    assert_text(m.join.model, "KX 7");
    assert_text(m.join.software, "kitbag 0.1.0");
}

static void test_operations(void **state)
{
    (void)state;
    struct wire_message m;
    decode_sample("write", &m);
    assert_true(m.type == WIRE_WRITE && m.write.confirmed == 4 && m.write.operations.count == 3);
    struct operation operation;
    const msgpack_object *object = wire_object_at(&m.write.operations, 0);
    assert_int_equal(operation_decode(object, &operation, NULL), 0);
    assert_true(operation.kind == OPERATION_WRITE && operation.write_count == 2);
    object = wire_object_at(&m.write.operations, 2);
    assert_int_equal(operation_decode(object, &operation, NULL), 0);
    assert_true(operation.kind == OPERATION_EMPTY && operation.number == 7);
}

static void test_server_messages(void **state)
{
    (void)state;
    struct wire_message m;
    decode_sample("welcome", &m);
    assert_true(m.type == WIRE_WELCOME && m.welcome.version == WIRE_VERSION &&
                m.welcome.head_seq == 70000);
    assert_true(m.welcome.state == WIRE_RUNNING && m.welcome.device == 5);
    assert_true(m.welcome.device_bag == 300 && m.welcome.fleet_bag == 2);
    assert_true(m.welcome.heartbeat_ms == 10000 && m.welcome.window == WIRE_WINDOW_MAX);
    assert_true(m.welcome.keep == WIRE_KEEP_GROUPS && m.welcome.mirror);
    assert_true(m.welcome.history[15] == 15 && m.welcome.resume_seq == 69000);
    decode_sample("joined", &m);
    assert_true(m.type == WIRE_JOINED && m.joined.device == 5 && m.joined.history[15] == 15);
    decode_sample("signed_in", &m);
    assert_true(m.type == WIRE_SIGNED_IN && m.signed_in.ref == 1 && m.signed_in.code == 0);
    assert_true(m.signed_in.text.size == 0 && m.signed_in.bags.count == 2);
    struct wire_owner owner = wire_owner_at(&m.signed_in.bags, 1);
    assert_true(owner.bag_id == 300 && owner.kind == OWNER_USER_DEVICE && owner.device == 5);
    assert_text(owner.shown, "Änn");
    assert_int_equal(wire_owner_at(&m.signed_in.bags, 0).last_seq, 70000);
    decode_sample("signed_out", &m);
    assert_true(m.type == WIRE_SIGNED_OUT && m.signed_out.ref == 2);
    assert_int_equal(err_from_wire(m.signed_out.code), E_BAG_GONE);
    assert_text(m.signed_out.text, "the bag was deleted");
    decode_sample("outcome", &m);
    assert_true(m.type == WIRE_OUTCOME && m.outcome.entries.count == 3);
    struct wire_outcome outcome = wire_outcome_at(&m.outcome.entries, 0);
    assert_true(outcome.number == 5 && outcome.code == 0 && outcome.seq == 70001);
    outcome = wire_outcome_at(&m.outcome.entries, 1);
    assert_int_equal(err_from_wire(outcome.code), E_NAME);
    assert_text(outcome.text, "the name is empty");
    assert_false(outcome.split.is);
    outcome = wire_outcome_at(&m.outcome.entries, 2);
    assert_true(outcome.number == 7 && outcome.code == 0 && outcome.seq == 70002);
    assert_true(outcome.split.is && outcome.split.device_bag == 300);
    assert_true(outcome.split.shared_seq == 69990 && outcome.split.device_seq == 70002);
    decode_sample("bag", &m);
    assert_true(m.type == WIRE_BAG && m.bag.bag_id == 7 && m.bag.last_seq == 70000);
    assert_int_equal(err_from_wire(m.bag.code), E_NOT_ALLOWED);
    assert_text(m.bag.text, "not yours");
    assert_false(m.bag.has_digest);
    decode_sample("bag_digest", &m);
    assert_true(m.bag.code == 0 && m.bag.has_digest);
    assert_true(m.bag.digest.low == 0x0706050403020100 && m.bag.digest.high == 0x0f0e0d0c0b0a0908);
    decode_sample("state", &m);
    assert_true(m.type == WIRE_STATE && m.state.state == WIRE_STOPPED);
    decode_sample("error", &m);
    assert_true(m.type == WIRE_ERROR && m.session == 0 && m.error.fatal);
    assert_int_equal(m.error.code, -E_MALFORMED);
}

static void test_keeping_and_mirroring(void **state)
{
    (void)state;
    struct wire_message m;
    decode_sample("list", &m);
    assert_true(m.type == WIRE_LIST && m.list.after == 300);
    decode_sample("owners", &m);
    assert_true(m.type == WIRE_OWNERS && m.owners.code == 0 && m.owners.end);
    assert_int_equal(m.owners.bags.count, 2);
    assert_text(wire_owner_at(&m.owners.bags, 1).shown, "sales");
    decode_sample("mirror", &m);
    assert_true(m.type == WIRE_MIRROR && m.mirror.seq == 70000 && m.mirror.has_hash);
    assert_int_equal(m.mirror.hash[31], 0xbb);
    decode_sample("mirror_fresh", &m);
    assert_true(m.mirror.seq == 0 && !m.mirror.has_hash);
    decode_sample("mirroring", &m);
    assert_true(m.type == WIRE_MIRRORING && m.mirroring.floor_seq == 50000);
    assert_int_equal(err_from_wire(m.mirroring.code), E_TOO_OLD);
    assert_text(m.mirroring.text, "it begins with 50000");
    decode_sample("batches", &m);
    assert_true(m.type == WIRE_BATCHES && m.batches.head_seq == 70000);
    assert_text(m.batches.bytes, "batches");
}

static void test_live_and_page(void **state)
{
    (void)state;
    struct wire_message m;
    decode_sample("live", &m);
    assert_true(m.type == WIRE_LIVE && m.live.changes.count == 2);
    assert_position(&m.live.position, 10);
    struct change change = {0};
    const msgpack_object *object = wire_object_at(&m.live.changes, 1);
    assert_int_equal(change_decode(object, CHANGE_STREAM, &change, NULL), 0);
    assert_true(change.kind == CHANGE_ITEM_REMOVE && change.seq == 10);
    decode_sample("page", &m);
    assert_true(m.type == WIRE_PAGE && m.page.bag_id == 7 && m.page.flags == 7);
    assert_true(m.page.since == 8 && m.page.cursor == 9 && m.page.rows.count == 2);
    assert_position(&m.page.position, 10);
    struct span path;
    struct item_row row;
    wire_row_at(&m.page.rows, 0, &path, &row);
    assert_text(path, "copy/default");
    assert_true(row.state == ITEM_LIVE && row.conflict && row.seq == 9 && row.origin == 5);
    assert_true(row.time_ms == 1700000000123 && row.value.size == 4);
    wire_row_at(&m.page.rows, 1, &path, &row);
    assert_text(path, "fax");
    assert_true(row.state == ITEM_TOMBSTONE && !row.conflict && row.value.size == 0);
}

/* --- what is refused --- */

static void test_cut_and_lengthened(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t bytes[SAMPLE_MAX];
        size_t size = sample_golden(&samples[i], bytes);
        for (size_t kept = 0; kept < size; kept++) {
            buf_append(&made, bytes, kept);
            assert_made(E_MALFORMED);
        }
        for (unsigned tag = 0; tag < 256; tag++) {
            buf_append(&made, bytes, size);
            buf_append_u8(&made, (uint8_t)tag);
            assert_made(E_MALFORMED);
        }
    }
}

static void begin(uint64_t type, uint64_t session, uint32_t fields)
{
    pack_array(&made, 2 + fields);
    pack_u64(&made, type);
    pack_u64(&made, session);
}

static void append_hex(const char *hex)
{
    uint8_t bytes[64];
    size_t size = strlen(hex) / 2;
    assert_int_equal(hex_decode(span_str(hex), bytes, size), 0);
    buf_append(&made, bytes, size);
}

static void test_bytes_that_are_no_message(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        int rc;
    } cases[] = {
        {"", E_MALFORMED},
        {"c0", E_MALFORMED},
        {"01", E_MALFORMED},
        {"80", E_MALFORMED},
        {"90", E_MALFORMED},
        {"910b", E_MALFORMED},
        {"ddffffffff", E_MALFORMED},
        {"dbffffffff", E_MALFORMED},
        {"dfffffffff", E_MALFORMED},
        {"920bca00000000", E_MALFORMED},
        {"920bd40101", E_MALFORMED},
        {"920bc1", E_MALFORMED},
        {"920bff", E_MALFORMED},
        {"9191919191919190", E_MALFORMED},
        {"919191919191919190", E_TOO_LARGE},
        {"81c08190", E_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        append_hex(cases[i].hex);
        assert_made(cases[i].rc);
    }
}

static void test_unknown_types(void **state)
{
    (void)state;
    static const uint64_t types[] = {0, 10, 15, 31, 45, 255, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        begin(types[i], 1, 0);
        assert_refused("no known type");
    }
}

static void test_session_numbers(void **state)
{
    (void)state;
    static const char *const before[] = {"hello", "join", "joined"};
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[SAMPLE_MAX];
        size_t size = sample_golden(sample_named(before[i]), bytes);
        assert_true(bytes[1] < 0x80 && bytes[2] == 0);
        bytes[2] = 1;
        buf_append(&made, bytes, size);
        assert_refused("before a session");
    }
}

/* What another version sends behind its number is its own affair. */
static void test_other_versions(void **state)
{
    (void)state;
    static const uint64_t types[] = {WIRE_HELLO, WIRE_JOIN, WIRE_WELCOME};
    static const uint64_t versions[] = {0, 1, UINT64_MAX};
    for (size_t i = 0; i < 9; i++) {
        struct wire_message m;
        begin(types[i / 3], 0, 2);
        pack_u64(&made, versions[i % 3]);
        pack_nil(&made);
        assert_int_equal(decode_made(&m, NULL), 0);
        uint64_t version = m.type == WIRE_HELLO  ? m.hello.version
                           : m.type == WIRE_JOIN ? m.join.version
                                                 : m.welcome.version;
        assert_true(version == versions[i % 3]);
        begin(types[i / 3], 0, 2);
        pack_u64(&made, WIRE_VERSION);
        pack_nil(&made);
        assert_made(E_MALFORMED);
    }
}

static void put_position_of(int history, uint64_t seq, int hash)
{
    uint8_t bytes[64] = {0};
    begin(WIRE_HELLO, 0, 8);
    pack_u64(&made, WIRE_VERSION);
    pack_u64(&made, 5);
    if (history != 0) {
        pack_bin(&made, span_of(bytes, (size_t)history));
    } else {
        pack_nil(&made);
    }
    pack_u64(&made, seq);
    if (hash != 0) {
        pack_bin(&made, span_of(bytes, (size_t)hash));
    } else {
        pack_nil(&made);
    }
    pack_u64(&made, 9);
    pack_cstr(&made, "");
    pack_u64(&made, 1);
}

static void test_position_of_hello(void **state)
{
    (void)state;
    static const struct {
        int history;
        uint64_t seq;
        int hash;
        int rc;
    } cases[] = {
        {0, 0, 0, 0},
        {16, 0, 32, 0},
        {16, 1, 32, 0},
        {0, 1, 0, E_MALFORMED},
        {0, 0, 32, E_MALFORMED},
        {16, 1, 0, E_MALFORMED},
        {15, 1, 32, E_MALFORMED},
        {17, 1, 32, E_MALFORMED},
        {16, 1, 31, E_MALFORMED},
        {16, 1, 33, E_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_position_of(cases[i].history, cases[i].seq, cases[i].hash);
        assert_made(cases[i].rc);
    }
}

static void test_part_bounds(void **state)
{
    (void)state;
    static const struct {
        uint64_t total, offset;
        size_t size;
        int rc;
    } cases[] = {
        {1, 0, 1, 0},
        {WIRE_MESSAGE_MAX, 0, 1, 0},
        {WIRE_MESSAGE_MAX, WIRE_MESSAGE_MAX - 1, 1, 0},
        {10, 4, 6, 0},
        {WIRE_MESSAGE_MAX, 0, WIRE_PART_BYTES, 0},
        {WIRE_MESSAGE_MAX, 0, WIRE_PART_BYTES + 1, E_MALFORMED},
        {0, 0, 0, E_MALFORMED},
        {1, 0, 0, E_MALFORMED},
        {1, 1, 0, E_MALFORMED},
        {1, 1, 1, E_MALFORMED},
        {10, 4, 7, E_MALFORMED},
        {10, UINT64_MAX, 1, E_MALFORMED},
        {10, UINT64_MAX - 1, 6, E_MALFORMED},
        {WIRE_MESSAGE_MAX + 1, 0, 1, E_MALFORMED},
        {UINT64_MAX, 0, 1, E_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static const uint8_t bytes[WIRE_PART_BYTES + 1];
        begin(WIRE_PART, 1, 4);
        pack_u64(&made, 1);
        pack_u64(&made, cases[i].total);
        pack_u64(&made, cases[i].offset);
        pack_bin(&made, span_of(bytes, cases[i].size));
        assert_made(cases[i].rc);
    }
}

static void put_row_of(struct span path, uint64_t seq, uint64_t flags, size_t value_size)
{
    static const uint8_t bytes[VALUE_MAX_BYTES + 1];
    struct wire_position position = {0};
    wire_begin_page(&made, 1, 7, 0, 0, 0, &position, 1);
    pack_array(&made, 6);
    pack_str(&made, path);
    pack_u64(&made, seq);
    pack_u64(&made, 0);
    pack_u64(&made, 0);
    pack_u64(&made, flags);
    pack_bin(&made, span_of(bytes, value_size));
}

static void test_rows(void **state)
{
    (void)state;
    static uint8_t path[PATH_MAX_BYTES + 1];
    memset(path, 'p', sizeof path);
    put_row_of(span_of(path, PATH_MAX_BYTES), 1, 1, VALUE_MAX_BYTES);
    assert_made(0);
    put_row_of(span_of(path, PATH_MAX_BYTES + 1), 1, 0, 1);
    assert_refused("an element");
    put_row_of(span_str("a"), 1, 0, VALUE_MAX_BYTES + 1);
    assert_refused("an element");
    put_row_of(span_str("a"), 0, 0, 1);
    assert_refused("an element");
    put_row_of(span_str("a"), 1, 2, 1);
    assert_refused("an element");
    put_row_of(span_str("a/../b"), 1, 0, 1);
    assert_refused("an element");
    put_row_of(span_str(""), 1, 0, 1);
    assert_refused("an element");
}

static void test_flags_and_states(void **state)
{
    (void)state;
    struct wire_position position = {0};
    wire_begin_page(&made, 1, 7, 8, 0, 0, &position, 0);
    assert_made(E_MALFORMED);
    for (uint64_t value = 0; value <= 4; value++) {
        int rc = value >= 1 && value <= 3 ? 0 : E_MALFORMED;
        begin(WIRE_STATE, 1, 1);
        pack_u64(&made, value);
        assert_made(rc);
        struct wire_welcome welcome = {.version = WIRE_VERSION, .state = value};
        wire_put_welcome(&made, 1, &welcome);
        assert_made(rc);
    }
}

static void test_what_a_device_keeps(void **state)
{
    (void)state;
    for (uint64_t value = 0; value <= 3; value++) {
        struct wire_welcome welcome = {.version = WIRE_VERSION, .state = 1};
        wire_put_welcome(&made, 1, &welcome);
        made.data[made.size - 3] = (uint8_t)value;
        assert_made(value <= WIRE_KEEP_EVERYBODY ? 0 : E_MALFORMED);
    }
}

static void test_where_a_mirror_begins(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        static const uint8_t hash[SHA256_SIZE];
        begin(WIRE_MIRROR, 1, 2);
        pack_u64(&made, i & 1);
        if ((i & 2) != 0) {
            pack_bin(&made, span_of(hash, sizeof hash));
        } else {
            pack_nil(&made);
        }
        assert_made(i == 2 ? E_MALFORMED : 0);
    }
}

static void test_no_batch(void **state)
{
    (void)state;
    begin(WIRE_BATCHES, 1, 2);
    pack_u64(&made, 1);
    pack_bin(&made, (struct span){NULL, 0});
    assert_refused("it holds no batch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_messages),
        cmocka_unit_test(test_hello_and_join),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_server_messages),
        cmocka_unit_test(test_keeping_and_mirroring),
        cmocka_unit_test(test_live_and_page),
        cmocka_unit_test(test_cut_and_lengthened),
        cmocka_unit_test(test_bytes_that_are_no_message),
        cmocka_unit_test(test_unknown_types),
        cmocka_unit_test(test_session_numbers),
        cmocka_unit_test(test_other_versions),
        cmocka_unit_test(test_position_of_hello),
        cmocka_unit_test(test_part_bounds),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_flags_and_states),
        cmocka_unit_test(test_what_a_device_keeps),
        cmocka_unit_test(test_where_a_mirror_begins),
        cmocka_unit_test(test_no_batch),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
