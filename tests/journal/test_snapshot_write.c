/* tests/journal/test_snapshot_write.c - what is written, what is left out, and what fails. */
#include "tests/journal/snapshot_samples.h"

#include <errno.h>

#include "tests/support/fail_alloc.h"
#include "tests/support/io_calls.h"

static void the_counts_tell_what_is_in_it(void **state)
{
    (void)state;
    int fd = sample_fd();
    struct snapshot_counts counts = sample_write(fd, NULL);
    assert_int_equal(counts.users, 2);
    assert_int_equal(counts.groups, 1);
    assert_int_equal(counts.bags, 3);
    assert_int_equal(counts.items, 5);
    assert_int_equal(counts.removed, 0);
    assert_int_equal(counts.left_out, 2);
    assert_int_equal(counts.secrets, 1);
    assert_int_equal(counts.operations, 0);
    assert_int_equal(counts.bytes, 12 + 9 + 3 + 20 + 13 + 1 + 1 + 3 + 1);
    (void)close(fd);
}

static void no_secret_is_in_an_open_file(void **state)
{
    (void)state;
    int fd = sample_fd();
    size_t items = 0;
    struct snapshot_keys keys = {0};
    struct snapshot_record record = {.type = SNAPSHOT_BAG};
    struct snapshot_reader *reader = NULL;
    (void)sample_write(fd, NULL);
    assert_int_equal(snapshot_open(&reader, fd, SAMPLE_NAME, NULL), 0);
    assert_int_equal(snapshot_verify(reader, &keys, NULL), 0);
    while (record.type != SNAPSHOT_END) {
        assert_int_equal(snapshot_next(reader, &record, NULL), 0);
        if (record.type == SNAPSHOT_ITEM) {
            items++;
            assert_int_equal(sample_choose(NULL, NULL, record.path), SNAPSHOT_TAKE);
            assert_false(span_equal(record.row.value, SPAN_LITERAL("hunter2")));
        }
    }
    assert_int_equal(items, 5);
    snapshot_close(&reader);
    (void)close(fd);
}

static void a_sealed_file_shows_nothing_but_its_header(void **state)
{
    (void)state;
    int fd = sample_fd();
    size_t size = 0;
    struct snapshot_counts counts = sample_write(fd, "correct horse");
    assert_int_equal(counts.items, 6);
    assert_int_equal(counts.left_out, 1);
    assert_int_equal(counts.secrets, 0);
    uint8_t *bytes = sample_bytes(fd, &size);
    assert_non_null(memmem(bytes, size, "the server", 10));
    assert_null(memmem(bytes, size, "hunter2", 7));
    assert_null(memmem(bytes, size, "copy", 4));
    assert_null(memmem(bytes, size, "Ann", 3));
    assert_null(memmem(bytes, size, "correct horse", 13));
    free(bytes);
    (void)close(fd);
}

/* What is missing for another reason than its category. */
static void a_bag_may_be_complete_to_less(void **state)
{
    (void)state;
    int fd = sample_fd();
    struct snapshot_keys keys = {0};
    struct snapshot_record record = {.type = SNAPSHOT_BAG};
    struct snapshot_reader *reader = NULL;
    struct snapshot_header header = sample_header(SNAPSHOT_SERVER);
    struct snapshot_writer *writer = sample_begin(fd, &header, NULL);
    struct snapshot_bag bag = sample_bag("user:Ann", 7, 900);
    assert_int_equal(snapshot_put_bag(writer, &bag, NULL), 0);
    snapshot_complete_to(writer, 700);
    sample_put(writer, "copy", 800, "x");
    snapshot_complete_to(writer, 750);
    assert_int_equal(snapshot_end(&writer, NULL, NULL), 0);
    assert_int_equal(snapshot_open(&reader, fd, SAMPLE_NAME, NULL), 0);
    assert_int_equal(snapshot_verify(reader, &keys, NULL), 0);
    while (record.type != SNAPSHOT_BAG_END) {
        assert_int_equal(snapshot_next(reader, &record, NULL), 0);
    }
    assert_int_equal(record.bag->complete_to, 700);
    assert_int_equal(record.bag->left_out, 0);
    assert_int_equal(snapshot_counts(reader)->left_out, 0);
    snapshot_close(&reader);
    (void)close(fd);
}

/* What a machine keeps for itself. */
static void a_key_of_the_writers_own_seals_too(void **state)
{
    (void)state;
    int fd = sample_fd();
    size_t size = 0;
    uint8_t public_key[32];
    uint8_t secret[64];
    const uint8_t key[SNAPSHOT_KEY_SIZE] = {5};
    struct err err = {0};
    struct snapshot_keys given = {.password = SPAN_LITERAL("none has it")};
    struct snapshot_writer *writer = NULL;
    struct snapshot_header header = sample_header(SNAPSHOT_MACHINE);
    struct snapshot_bag bag = sample_bag("user:Ann", 7, 900);
    sample_keys(public_key, secret);
    const struct snapshot_seal seal = {.secret_key = secret, .key = key, .choose = sample_choose};
    assert_int_equal(snapshot_begin(&writer, fd, SAMPLE_NAME, &header, &seal, NULL), 0);
    assert_int_equal(snapshot_put_bag(writer, &bag, NULL), 0);
    sample_put(writer, "secret/key", 600, "hunter2");
    assert_int_equal(snapshot_end(&writer, NULL, NULL), 0);
    uint8_t *bytes = sample_bytes(fd, &size);
    assert_null(memmem(bytes, size, "hunter2", 7));
    free(bytes);
    assert_int_equal(sample_judge(fd, &given, &err), E_PASSWORD);
    assert_string_equal(err.text, "'people.kitbag' can not be read: it is sealed for the machine "
                                  "that made it, which alone can read it");
    given.key = key;
    assert_int_equal(sample_judge(fd, &given, &err), 0);
    (void)close(fd);
}

/* Two files of the same content under the same password have nothing in common but the header. */
static void no_two_files_share_a_key(void **state)
{
    (void)state;
    int one = sample_fd();
    int two = sample_fd();
    size_t size = 0;
    size_t size_two = 0;
    (void)sample_write(one, "x");
    (void)sample_write(two, "x");
    uint8_t *bytes = sample_bytes(one, &size);
    uint8_t *bytes_two = sample_bytes(two, &size_two);
    assert_int_equal(size, size_two);
    size_t equal = 0;
    for (size_t i = 300; i < size - 120; i++) {
        equal += bytes[i] == bytes_two[i] ? 1 : 0;
    }
    assert_true(equal < (size - 420) / 10);
    free(bytes);
    free(bytes_two);
    (void)close(one);
    (void)close(two);
}

static void a_pipe_is_fine(void **state)
{
    (void)state;
    int ends[2];
    uint8_t bytes[4096];
    assert_int_equal(pipe(ends), 0);
    (void)sample_write(ends[1], NULL);
    (void)close(ends[1]);
    ssize_t size = read(ends[0], bytes, sizeof bytes);
    (void)close(ends[0]);
    assert_true(size > 0);
    int fd = sample_fd();
    struct snapshot_keys keys = {0};
    sample_set(fd, bytes, (size_t)size);
    assert_int_equal(sample_judge(fd, &keys, NULL), 0);
    (void)close(fd);
}

static int write_all(int fd)
{
    uint8_t public_key[32];
    uint8_t secret[64];
    struct err err = {0};
    struct snapshot_writer *writer = NULL;
    struct snapshot_header header = sample_header(SNAPSHOT_SERVER);
    struct snapshot_bag bag = sample_bag("user:Ann", 7, 900);
    struct item_row row = sample_row(800, "two sides");
    sample_keys(public_key, secret);
    struct snapshot_seal seal = {.secret_key = secret};
    int rc = snapshot_begin(&writer, fd, SAMPLE_NAME, &header, &seal, &err);
    if (rc != 0) {
        assert_null(writer);
        return rc;
    }
    rc = snapshot_put_bag(writer, &bag, &err);
    rc = rc != 0 ? rc : snapshot_put_item(writer, SPAN_LITERAL("copy"), &row, &err);
    if (rc != 0) {
        snapshot_abort(&writer);
    } else {
        rc = snapshot_end(&writer, NULL, &err);
    }
    assert_null(writer);
    assert_int_equal(err.code, rc);
    return rc;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    unsigned nth = 1;
    for (;; nth++) {
        int fd = sample_fd();
        fail_alloc_at(nth);
        int rc = write_all(fd);
        bool failed = fail_alloc_stop();
        (void)close(fd);
        if (!failed) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
    }
    assert_true(nth > 3);
}

static void each_write_may_fail(void **state)
{
    (void)state;
    unsigned nth = 1;
    for (;; nth++) {
        int fd = sample_fd();
        io_calls_start();
        io_calls_fail("write", nth, ENOSPC);
        int rc = write_all(fd);
        bool failed = io_calls_failed();
        io_calls_stop();
        (void)close(fd);
        if (!failed) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOSPACE);
    }
    assert_int_equal(nth, 5); /* header, block, end, signature */
}

static void short_writes_are_gone_on_with(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth < 5; nth++) {
        int fd = sample_fd();
        struct snapshot_keys keys = {0};
        io_calls_start();
        io_calls_shorten(nth, 3);
        assert_int_equal(write_all(fd), 0);
        io_calls_stop();
        assert_int_equal(sample_judge(fd, &keys, NULL), 0);
        (void)close(fd);
    }
}

/* A record of each size around a block's: no block is larger than it may be. */
static void values_of_any_size_fit(void **state)
{
    (void)state;
    static const size_t sizes[] = {SNAPSHOT_BLOCK_WANTED - 70, SNAPSHOT_BLOCK_WANTED,
                                   VALUE_MAX_BYTES - 1, VALUE_MAX_BYTES};
    uint8_t *value = malloc(VALUE_MAX_BYTES);
    struct snapshot_header header = sample_header(SNAPSHOT_SERVER);
    struct snapshot_keys keys = {0};
    assert_non_null(value);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fd = sample_fd();
        struct snapshot_writer *writer = sample_begin(fd, &header, NULL);
        struct snapshot_bag bag = sample_bag("user:Ann", 7, 900);
        struct item_row row = sample_row(800, "");
        random_bytes(value, VALUE_MAX_BYTES); /* can't be packed */
        row.value = span_of(value, sizes[i]);
        assert_int_equal(snapshot_put_bag(writer, &bag, NULL), 0);
        sample_put(writer, "a", 1, "small");
        assert_int_equal(snapshot_put_item(writer, SPAN_LITERAL("b"), &row, NULL), 0);
        sample_put(writer, "c", 1, "small");
        assert_int_equal(snapshot_end(&writer, NULL, NULL), 0);
        assert_int_equal(sample_judge(fd, &keys, NULL), 0);
        (void)close(fd);
    }
    free(value);
}

static void a_password_has_a_size(void **state)
{
    (void)state;
    uint8_t public_key[32];
    uint8_t secret[64];
    char text[SNAPSHOT_PASSWORD_MAX + 1];
    struct snapshot_writer *writer = NULL;
    struct snapshot_header header = sample_header(SNAPSHOT_SERVER);
    sample_keys(public_key, secret);
    memset(text, 'x', sizeof text);
    int fd = sample_fd();
    struct snapshot_seal seal = {.secret_key = secret, .password = span_of(text, sizeof text)};
    assert_int_equal(snapshot_begin(&writer, fd, SAMPLE_NAME, &header, &seal, NULL), E_INVALID);
    seal.password.size--;
    assert_int_equal(snapshot_begin(&writer, fd, SAMPLE_NAME, &header, &seal, NULL), 0);
    snapshot_abort(&writer);
    assert_null(writer);
    snapshot_abort(&writer); /* nothing to do */
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counts_tell_what_is_in_it),
        cmocka_unit_test(no_secret_is_in_an_open_file),
        cmocka_unit_test(a_sealed_file_shows_nothing_but_its_header),
        cmocka_unit_test(a_bag_may_be_complete_to_less),
        cmocka_unit_test(a_key_of_the_writers_own_seals_too),
        cmocka_unit_test(no_two_files_share_a_key),
        cmocka_unit_test(a_pipe_is_fine),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(each_write_may_fail),
        cmocka_unit_test(short_writes_are_gone_on_with),
        cmocka_unit_test(values_of_any_size_fit),
        cmocka_unit_test(a_password_has_a_size),
    };
    return cmocka_run_group_tests_name("journal/snapshot_write", tests, NULL, NULL);
}
