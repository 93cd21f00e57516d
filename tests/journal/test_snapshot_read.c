/* tests/journal/test_snapshot_read.c - what comes back from a snapshot file, and what is refused.
 */
#include "tests/journal/snapshot_samples.h"

#include <errno.h>

#include "base/file.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/io_calls.h"

static struct snapshot_reader *open_whole(int fd, const char *password)
{
    struct err err = {0};
    struct snapshot_reader *reader = NULL;
    struct snapshot_keys keys = {.password = span_str(password != NULL ? password : "")};
    assert_int_equal(snapshot_open(&reader, fd, SAMPLE_NAME, &err), 0);
    int rc = snapshot_verify(reader, &keys, &err);
    if (rc != 0) {
        fail_msg("%s", err.text);
    }
    return reader;
}

static struct snapshot_record take(struct snapshot_reader *reader, enum snapshot_type type)
{
    struct snapshot_record record;
    assert_int_equal(snapshot_next(reader, &record, NULL), 0);
    assert_int_equal(record.type, type);
    return record;
}

static void take_bag(struct snapshot_reader *reader, const char *name, uint64_t bag_id,
                     uint64_t last_seq)
{
    char text[OWNER_TEXT_MAX];
    struct snapshot_record record = take(reader, SNAPSHOT_BAG);
    owner_format(&record.bag->owner, text);
    assert_string_equal(text, name);
    assert_int_equal(record.bag->bag_id, bag_id);
    assert_int_equal(record.bag->last_seq, last_seq);
    assert_false(record.bag->differs);
}

static void take_item(struct snapshot_reader *reader, const char *path, uint64_t seq,
                      const char *value)
{
    struct snapshot_record record = take(reader, SNAPSHOT_ITEM);
    assert_true(span_equal(record.path, span_str(path)));
    assert_true(span_equal(record.row.value, span_str(value)));
    assert_int_equal(record.row.state, ITEM_LIVE);
    assert_int_equal(record.row.seq, seq);
    assert_int_equal(record.row.time_ms, 1700000000000 + seq);
    assert_int_equal(record.row.origin, 5);
}

static void take_bag_end(struct snapshot_reader *reader, uint64_t items, uint64_t left_out,
                         uint64_t complete_to)
{
    struct snapshot_record record = take(reader, SNAPSHOT_BAG_END);
    assert_int_equal(record.bag->items, items);
    assert_int_equal(record.bag->left_out, left_out);
    assert_int_equal(record.bag->complete_to, complete_to);
}

/* Of the bag that misses items, what came since the oldest of them has to be asked for. */
static void take_sample(struct snapshot_reader *reader, bool sealed)
{
    take_bag(reader, "user:Ann", 7, 900);
    take_item(reader, "copy/default", 800, "two sides");
    take_item(reader, "fax", 9, "");
    if (sealed) {
        take_item(reader, "secret/key", 600, "hunter2");
    }
    take_bag_end(reader, sealed ? 3 : 2, sealed ? 1 : 2, sealed ? 849 : 599);
    take_bag(reader, "group:sales", 11, 500);
    take_item(reader, "address-list/group/1", 500, "{\"name\":\"Bo\"}");
    take_bag_end(reader, 1, 0, 500);
    take_bag(reader, "user:Änn", 12, 1000);
    take_item(reader, "a", 20, "1");
    take_item(reader, "a/b", 1000, "2");
    take_bag_end(reader, 2, 0, 1000);
    (void)take(reader, SNAPSHOT_END);
    (void)take(reader, SNAPSHOT_END); /* for good */
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    int fd = sample_fd();
    uint8_t signer[32];
    uint8_t secret[64];
    struct snapshot_counts counts = sample_write(fd, NULL);
    struct snapshot_reader *reader = open_whole(fd, NULL);
    struct snapshot_header expected = sample_header(SNAPSHOT_SERVER);
    const struct snapshot_header *header = snapshot_header(reader);
    sample_keys(signer, secret);
    assert_int_equal(header->kind, SNAPSHOT_SERVER);
    assert_int_equal(header->created_ms, expected.created_ms);
    assert_string_equal(header->name, "the server");
    assert_memory_equal(header->signer, signer, sizeof signer);
    assert_false(header->has_proof);
    assert_true(header->has_history);
    assert_memory_equal(header->history, expected.history, HISTORY_SIZE);
    assert_int_equal(header->seq, 1000);
    assert_memory_equal(header->hash, expected.hash, SHA256_SIZE);
    assert_int_equal(header->scope, SNAPSHOT_PERSONAL | SNAPSHOT_GROUPS);
    assert_int_equal(header->sealing, SNAPSHOT_OPEN);
    assert_true(snapshot_counts_equal(snapshot_counts(reader), &counts));
    take_sample(reader, false);
    snapshot_rewind(reader);
    take_sample(reader, false);
    snapshot_close(&reader);
    assert_null(reader);
    (void)close(fd);
}

/* Files of this version are read for ever: this one lies in the documentation. */
static void the_example_of_the_documentation_is_read(void **state)
{
    (void)state;
    struct buf text;
    uint8_t bytes[1024];
    char hex[2 * sizeof bytes + 1];
    size_t size = 0;
    buf_init(&text, 1 << 20);
    assert_int_equal(file_read(KITBAG_SOURCE_DIR "/docs/snapshot-format.md", &text, NULL), 0);
    const char *at = memmem(text.data, text.size, "```\n", 4);
    assert_non_null(at);
    for (at += 4; *at != '`'; at++) {
        if (*at != '\n') {
            assert_true(size < sizeof hex - 1);
            hex[size++] = *at;
        }
    }
    assert_int_equal(hex_decode(span_of(hex, size), bytes, size / 2), 0);
    buf_free(&text);
    int fd = sample_fd();
    sample_set(fd, bytes, size / 2);
    struct snapshot_reader *reader = open_whole(fd, NULL);
    take_bag(reader, "user:Ann", 7, 900);
    take_item(reader, "copy/default", 800, "two");
    take_bag_end(reader, 1, 0, 900);
    (void)take(reader, SNAPSHOT_END);
    snapshot_close(&reader);
    (void)close(fd);
}

static void what_was_sealed_is_read_with_its_password(void **state)
{
    (void)state;
    int fd = sample_fd();
    struct err err = {0};
    struct snapshot_keys wrong = {.password = SPAN_LITERAL("correct horsE")};
    struct snapshot_keys none = {0};
    (void)sample_write(fd, "correct horse");
    assert_int_equal(sample_judge(fd, &wrong, &err), E_PASSWORD);
    assert_string_equal(err.text, "'people.kitbag' can not be read: the password is another one");
    assert_int_equal(sample_judge(fd, &none, &err), E_PASSWORD);
    assert_string_equal(err.text,
                        "'people.kitbag' can not be read: it is sealed with a password: give it");
    struct snapshot_reader *reader = open_whole(fd, "correct horse");
    assert_int_equal(snapshot_header(reader)->sealing, SNAPSHOT_PASSWORD);
    take_sample(reader, true);
    snapshot_close(&reader);
    (void)close(fd);
}

static void nothing_is_a_snapshot_too(void **state)
{
    (void)state;
    int fd = sample_fd();
    struct snapshot_header header = sample_header(SNAPSHOT_MACHINE);
    struct snapshot_writer *writer = sample_begin(fd, &header, NULL);
    assert_int_equal(snapshot_end(&writer, NULL, NULL), 0);
    struct snapshot_reader *reader = open_whole(fd, NULL);
    assert_int_equal(snapshot_header(reader)->device, 5);
    (void)take(reader, SNAPSHOT_END);
    snapshot_close(&reader);
    (void)close(fd);
}

static void a_difference_has_tombstones(void **state)
{
    (void)state;
    int fd = sample_fd();
    struct snapshot_header header = sample_header(SNAPSHOT_SERVER);
    struct snapshot_writer *writer = sample_begin(fd, &header, NULL);
    struct snapshot_counts counts;
    struct snapshot_bag bag = sample_bag("user:Ann", 7, 900);
    struct item_row gone = {.state = ITEM_TOMBSTONE, .seq = 850, .conflict = true};
    bag.differs = true;
    bag.since = 700;
    assert_int_equal(snapshot_put_bag(writer, &bag, NULL), 0);
    sample_put(writer, "copy", 900, "new");
    assert_int_equal(snapshot_put_item(writer, SPAN_LITERAL("fax"), &gone, NULL), 0);
    assert_int_equal(snapshot_end(&writer, &counts, NULL), 0);
    assert_int_equal(counts.items, 1);
    assert_int_equal(counts.removed, 1);
    struct snapshot_reader *reader = open_whole(fd, NULL);
    struct snapshot_record record = take(reader, SNAPSHOT_BAG);
    assert_true(record.bag->differs);
    assert_int_equal(record.bag->since, 700);
    take_item(reader, "copy", 900, "new");
    record = take(reader, SNAPSHOT_ITEM);
    assert_int_equal(record.row.state, ITEM_TOMBSTONE);
    assert_int_equal(record.row.seq, 850);
    assert_true(record.row.conflict);
    take_bag_end(reader, 1, 0, 900);
    snapshot_close(&reader);
    (void)close(fd);
}

/* --- operations --- */

static void put_operation(struct snapshot_writer *writer, uint64_t number)
{
    struct buf bytes;
    struct operation_write write = {.path = SPAN_LITERAL("copy"), .value = SPAN_LITERAL("x")};
    buf_init(&bytes, 1000);
    operation_begin_write(&bytes, number, 7, 0, 900, 1);
    operation_put_write(&bytes, &write);
    assert_int_equal(snapshot_put_operation(writer, number, buf_span(&bytes), NULL), 0);
    buf_free(&bytes);
}

static void operations_come_back_in_order(void **state)
{
    (void)state;
    int fd = sample_fd();
    struct snapshot_counts counts;
    struct snapshot_header header = sample_header(SNAPSHOT_OUTBOX);
    header.has_proof = true;
    memset(header.proof, 7, sizeof header.proof);
    struct snapshot_writer *writer = sample_begin(fd, &header, NULL);
    put_operation(writer, 4);
    put_operation(writer, 5);
    assert_int_equal(snapshot_end(&writer, &counts, NULL), 0);
    assert_int_equal(counts.operations, 2);
    struct snapshot_reader *reader = open_whole(fd, NULL);
    assert_int_equal(snapshot_header(reader)->writer, 77);
    assert_true(snapshot_header(reader)->has_proof);
    assert_memory_equal(snapshot_header(reader)->proof, header.proof, sizeof header.proof);
    for (uint64_t number = 4; number < 6; number++) {
        struct snapshot_record record = take(reader, SNAPSHOT_OPERATION);
        assert_int_equal(record.number, number);
        assert_true(record.bytes.size > 10);
    }
    (void)take(reader, SNAPSHOT_END);
    snapshot_close(&reader);
    (void)close(fd);
}

/* --- bad bytes --- */

static void every_cut_is_refused(void **state)
{
    (void)state;
    int fd = sample_fd();
    size_t size = 0;
    struct snapshot_keys keys = {0};
    (void)sample_write(fd, NULL);
    uint8_t *bytes = sample_bytes(fd, &size);
    for (size_t cut = 0; cut < size; cut++) {
        struct err err = {0};
        sample_set(fd, bytes, cut);
        assert_int_equal(sample_judge(fd, &keys, &err), E_MALFORMED);
        assert_non_null(strstr(err.text, cut < SNAPSHOT_START_SIZE ? "no snapshot" : "cut short"));
    }
    bytes[size] = 0;
    sample_set(fd, bytes, size + 1);
    struct err err = {0};
    assert_int_equal(sample_judge(fd, &keys, &err), E_MALFORMED);
    assert_non_null(strstr(err.text, "behind its end"));
    free(bytes);
    (void)close(fd);
}

static void alter_each_byte(const char *password)
{
    int fd = sample_fd();
    size_t size = 0;
    struct snapshot_keys keys = {.password = span_str(password != NULL ? password : "")};
    (void)sample_write(fd, password);
    uint8_t *bytes = sample_bytes(fd, &size);
    for (size_t i = 0; i < 8 * size; i++) {
        struct err err = {0};
        bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
        sample_set(fd, bytes, size);
        int rc = sample_judge(fd, &keys, &err);
        bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
        bool known = rc == E_MALFORMED || (rc == E_SIGNATURE && i / 8 >= size - 64) ||
                     (rc == E_FORMAT && i / 8 < SNAPSHOT_START_SIZE);
        if (!known) {
            fail_msg("byte %zu of %zu: %d %s", i / 8, size, rc, err.text);
        }
        assert_int_equal(err.code, rc);
    }
    sample_set(fd, bytes, size);
    assert_int_equal(sample_judge(fd, &keys, NULL), 0);
    free(bytes);
    (void)close(fd);
}

static void every_altered_bit_is_refused(void **state)
{
    (void)state;
    alter_each_byte(NULL);
    alter_each_byte("correct horse");
}

/* Whoever alters it can put right all but the signature. */
static void checksums_alone_do_not_vouch(void **state)
{
    (void)state;
    int fd = sample_fd();
    size_t size = 0;
    struct err err = {0};
    struct snapshot_keys keys = {0};
    (void)sample_write(fd, NULL);
    uint8_t *bytes = sample_bytes(fd, &size);
    size_t head = SNAPSHOT_START_SIZE + get_le32(bytes + 12) + 4;
    struct snapshot_block block;
    assert_int_equal(snapshot_get_block(bytes + head, &block), 0);
    bytes[head + SNAPSHOT_HEAD_SIZE + block.stored_size - 1] ^= 1;
    block.crc = snapshot_block_crc(bytes + head, 0,
                                   span_of(bytes + head + SNAPSHOT_HEAD_SIZE, block.stored_size));
    snapshot_put_block(bytes + head, &block);
    sample_set(fd, bytes, size);
    assert_int_equal(sample_judge(fd, &keys, &err), E_SIGNATURE);
    assert_string_equal(err.text, "'people.kitbag' was altered after it was signed: its signature "
                                  "does not fit");
    free(bytes);
    (void)close(fd);
}

static void a_newer_format_is_named(void **state)
{
    (void)state;
    int fd = sample_fd();
    size_t size = 0;
    struct err err = {0};
    struct snapshot_keys keys = {0};
    (void)sample_write(fd, NULL);
    uint8_t *bytes = sample_bytes(fd, &size);
    bytes[8] = SNAPSHOT_FORMAT + 1;
    sample_set(fd, bytes, size);
    assert_int_equal(sample_judge(fd, &keys, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "a newer version of Kitbag"));
    free(bytes);
    (void)close(fd);
}

static void only_files_are_read(void **state)
{
    (void)state;
    int ends[2];
    struct err err = {0};
    struct snapshot_keys keys = {0};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(sample_judge(ends[0], &keys, &err), E_INVALID);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void what_changes_while_it_is_read_is_noticed(void **state)
{
    (void)state;
    int fd = sample_fd();
    int other = sample_fd();
    size_t size = 0;
    struct err err = {0};
    struct snapshot_record record;
    struct snapshot_header header = sample_header(SNAPSHOT_SERVER);
    (void)sample_write(fd, NULL);
    /* another file of the same signer, with the same header */
    struct snapshot_writer *writer = sample_begin(other, &header, NULL);
    struct snapshot_bag bag = sample_bag("user:Eve", 7, 900);
    assert_int_equal(snapshot_put_bag(writer, &bag, NULL), 0);
    assert_int_equal(snapshot_end(&writer, NULL, NULL), 0);
    uint8_t *bytes = sample_bytes(other, &size);
    struct snapshot_reader *reader = open_whole(fd, NULL);
    sample_set(fd, bytes, size);
    int rc = 0;
    do {
        rc = snapshot_next(reader, &record, &err);
        assert_true(rc != 0 || record.type != SNAPSHOT_END);
    } while (rc == 0);
    assert_int_equal(rc, E_MALFORMED);
    assert_string_equal(err.text, "'people.kitbag' was changed while it was read");
    snapshot_close(&reader);
    free(bytes);
    (void)close(fd);
    (void)close(other);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    int fd = sample_fd();
    struct snapshot_keys keys = {0};
    (void)sample_write(fd, NULL);
    unsigned nth = 1;
    for (;; nth++) {
        struct err err = {0};
        fail_alloc_at(nth);
        int rc = sample_judge(fd, &keys, &err);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_int_equal(err.code, E_NOMEM);
    }
    assert_true(nth > 5);
    (void)close(fd);
}

static void each_read_may_fail(void **state)
{
    (void)state;
    int fd = sample_fd();
    struct snapshot_keys keys = {0};
    (void)sample_write(fd, NULL);
    unsigned nth = 1;
    for (;; nth++) {
        struct err err = {0};
        io_calls_start();
        io_calls_fail("pread", nth, EIO);
        int rc = sample_judge(fd, &keys, &err);
        bool failed = io_calls_failed();
        io_calls_stop();
        if (!failed) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_true(rc == E_IO);
    }
    assert_true(nth > 8);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(the_example_of_the_documentation_is_read),
        cmocka_unit_test(what_was_sealed_is_read_with_its_password),
        cmocka_unit_test(nothing_is_a_snapshot_too),
        cmocka_unit_test(a_difference_has_tombstones),
        cmocka_unit_test(operations_come_back_in_order),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(every_altered_bit_is_refused),
        cmocka_unit_test(checksums_alone_do_not_vouch),
        cmocka_unit_test(a_newer_format_is_named),
        cmocka_unit_test(only_files_are_read),
        cmocka_unit_test(what_changes_while_it_is_read_is_noticed),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(each_read_may_fail),
    };
    return cmocka_run_group_tests_name("journal/snapshot_read", tests, NULL, NULL);
}
