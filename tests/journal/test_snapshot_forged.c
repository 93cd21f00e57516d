/* tests/journal/test_snapshot_forged.c - files that are signed, and still not what Kitbag writes.
 */
#include "tests/journal/snapshot_samples.h"

#include <zstd.h>

/* Packs `plain` into blocks of an otherwise right file. `says`: the size that the head tells. */
static int forge(struct span plain, size_t says, const struct snapshot_counts *counts)
{
    struct buf out;
    uint8_t secret[64];
    uint8_t hash[SHA256_SIZE];
    uint8_t stored[1 << 16];
    struct snapshot_lock lock = {0};
    struct snapshot_header header = sample_header(SNAPSHOT_SERVER);
    buf_init(&out, 1 << 20);
    sample_keys(header.signer, secret);
    snapshot_put_header(&out, &header, &lock);
    size_t size = ZSTD_compress(stored, sizeof stored, plain.data, plain.size, 1);
    assert_false(ZSTD_isError(size));
    struct snapshot_block block = {.kind = SNAPSHOT_BLOCK_RECORDS,
                                   .stored_size = (uint32_t)size,
                                   .plain_size = (uint32_t)says};
    for (int i = 0; i < 2; i++) {
        uint8_t head[SNAPSHOT_HEAD_SIZE];
        snapshot_put_block(head, &block);
        block.crc = snapshot_block_crc(head, (uint64_t)i, span_of(stored, block.stored_size));
        snapshot_put_block(head, &block);
        (void)buf_append(&out, head, sizeof head);
        (void)buf_append(&out, stored, block.stored_size);
        struct buf end;
        buf_init(&end, 1000);
        snapshot_put_counts(&end, counts);
        memcpy(stored, end.data, end.size);
        block =
            (struct snapshot_block){.kind = SNAPSHOT_BLOCK_END, .stored_size = (uint32_t)end.size};
        buf_free(&end);
    }
    struct span all = buf_span(&out);
    sha256(&all, 1, hash);
    snapshot_sign(secret, hash, buf_extend(&out, SNAPSHOT_SIGNATURE_SIZE));
    int fd = sample_fd();
    sample_set(fd, out.data, out.size);
    buf_free(&out);
    return fd;
}

static int judge_forged(struct span plain, size_t says, const struct snapshot_counts *counts,
                        struct err *err)
{
    struct snapshot_keys keys = {0};
    int fd = forge(plain, says, counts);
    int rc = sample_judge(fd, &keys, err);
    (void)close(fd);
    return rc;
}

/* Four megabytes of zeros in four hundred bytes, and a head that says less. */
static void a_bomb_is_refused_before_it_is_unpacked(void **state)
{
    (void)state;
    struct err err = {0};
    struct snapshot_counts counts = {0};
    size_t size = 64 << 20;
    uint8_t *zeros = calloc(1, size);
    assert_non_null(zeros);
    assert_int_equal(judge_forged(span_of(zeros, size), 1000, &counts, &err), E_TOO_LARGE);
    assert_string_equal(err.text, "'people.kitbag' is a decompression bomb: its block 0 would "
                                  "unpack to 67108864 bytes, and says 1000");
    assert_int_equal(judge_forged(span_of(zeros, size), size, &counts, &err), E_MALFORMED);
    assert_non_null(strstr(err.text, "has a head that is none")); /* over 4 MiB it can't say */
    assert_int_equal(judge_forged(span_of(zeros, 900), 1000, &counts, &err), E_MALFORMED);
    free(zeros);
}

static void a_file_of_many_blocks_has_a_limit_too(void **state)
{
    (void)state;
    int fd = sample_fd();
    struct err err = {0};
    struct snapshot_keys keys = {.bytes_max = 200};
    (void)sample_write(fd, NULL);
    assert_int_equal(sample_judge(fd, &keys, &err), E_TOO_LARGE);
    assert_non_null(strstr(err.text, "more than the 200 bytes that are allowed"));
    keys.bytes_max = 1000;
    assert_int_equal(sample_judge(fd, &keys, &err), 0);
    (void)close(fd);
}

struct forged {
    struct buf plain;
    uint32_t count;
    struct snapshot_counts counts;
};

static void forged_begin(struct forged *forged)
{
    *forged = (struct forged){0};
    buf_init(&forged->plain, 1 << 20);
    assert_non_null(buf_extend(&forged->plain, SNAPSHOT_COUNT_SIZE));
}

static void forged_bag(struct forged *forged, const char *owner, uint64_t bag_id, uint64_t last_seq)
{
    struct snapshot_bag bag = sample_bag(owner, bag_id, last_seq);
    snapshot_put_bag_record(&forged->plain, &bag);
    forged->count++;
    forged->counts.bags++;
    forged->counts.users += bag.owner.kind == OWNER_USER ? 1 : 0;
}

static void forged_item(struct forged *forged, const char *path, uint64_t seq)
{
    struct item_row row = sample_row(seq, "v");
    snapshot_put_item_record(&forged->plain, span_str(path), &row);
    forged->count++;
    forged->counts.items++;
    forged->counts.bytes += strlen(path) + 1;
    digest_add(&forged->counts.digest, span_str(path), seq, row.value);
}

static void forged_end(struct forged *forged, uint64_t items, uint64_t complete_to)
{
    struct snapshot_bag bag = {.items = items, .complete_to = complete_to};
    snapshot_put_bag_end_record(&forged->plain, &bag);
    forged->count++;
}

static int forged_judge(struct forged *forged, struct err *err)
{
    snapshot_put_count(forged->plain.data, forged->count);
    int rc = judge_forged(buf_span(&forged->plain), forged->plain.size, &forged->counts, err);
    buf_free(&forged->plain);
    return rc;
}

static void the_forger_can_forge(void **state)
{
    (void)state;
    struct forged forged;
    forged_begin(&forged);
    forged_bag(&forged, "user:Ann", 7, 900);
    forged_item(&forged, "a", 900);
    forged_end(&forged, 1, 900);
    assert_int_equal(forged_judge(&forged, NULL), 0);
}

static void names_that_climb_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "../../etc/passwd", "a/../b", "/etc/passwd", "a//b", "a/./b", "a\nb", "a/"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct forged forged;
        struct err err = {0};
        forged_begin(&forged);
        forged_bag(&forged, "user:Ann", 7, 900);
        forged_item(&forged, paths[i], 900);
        forged_end(&forged, 1, 900);
        assert_int_equal(forged_judge(&forged, &err), E_PATH);
    }
    struct snapshot_bag bag = sample_bag("user:Ann", 7, 900);
    struct forged forged;
    struct err err = {0};
    memcpy(bag.owner.shown, "../Ann", sizeof "../Ann");
    forged_begin(&forged);
    snapshot_put_bag_record(&forged.plain, &bag);
    forged.count++;
    assert_int_equal(forged_judge(&forged, &err), E_NAME);
}

/* Each is one step beside a right one. */
static void what_does_not_fit_together_is_refused(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 13; wrong++) {
        struct forged forged;
        struct err err = {0};
        forged_begin(&forged);
        if (wrong == 0) { /* an item outside of a bag */
            forged_item(&forged, "a", 900);
        }
        forged_bag(&forged, "user:Ann", wrong == 1 ? 0 : 7, wrong == 2 ? 1001 : 900);
        if (wrong == 3) { /* a bag in a bag */
            forged_bag(&forged, "user:Bo", 8, 900);
        }
        forged_item(&forged, "b", wrong == 4 ? 901 : wrong == 5 ? 0 : 900);
        if (wrong == 6 || wrong == 7) { /* twice, out of order */
            forged_item(&forged, wrong == 6 ? "b" : "a", 900);
        }
        if (wrong != 8) {
            forged_end(&forged,
                       wrong == 9                 ? 2
                       : wrong >= 6 && wrong <= 7 ? 2
                                                  : 1,
                       wrong == 10 ? 901 : 900);
        }
        if (wrong == 11) {
            forged_end(&forged, 1, 900);
        }
        forged.counts.items += wrong == 12 ? 1 : 0;
        int rc = forged_judge(&forged, &err);
        if (rc != E_MALFORMED) {
            fail_msg("%d: %d %s", wrong, rc, err.text);
        }
    }
}

static void nothing_was_removed_from_a_whole_bag(void **state)
{
    (void)state;
    struct forged forged;
    struct err err = {0};
    const struct item_row gone = {.state = ITEM_TOMBSTONE, .seq = 900};
    forged_begin(&forged);
    forged_bag(&forged, "user:Ann", 7, 900);
    snapshot_put_item_record(&forged.plain, SPAN_LITERAL("a"), &gone);
    forged.count++;
    forged.counts.removed++;
    forged_end(&forged, 0, 900);
    assert_int_equal(forged_judge(&forged, &err), E_MALFORMED);
    assert_non_null(strstr(err.text, "an item that was removed is in a whole bag"));
}

/* Signed again by who has no password, but the key to sign with. */
static void what_is_sealed_is_altered_by_nobody_without_the_password(void **state)
{
    (void)state;
    int fd = sample_fd();
    size_t size = 0;
    uint8_t public_key[32];
    uint8_t secret[64];
    uint8_t hash[SHA256_SIZE];
    struct err err = {0};
    struct snapshot_block block;
    struct snapshot_keys given = {.password = SPAN_LITERAL("correct horse")};
    (void)sample_write(fd, "correct horse");
    uint8_t *bytes = sample_bytes(fd, &size);
    uint8_t *head = bytes + SNAPSHOT_START_SIZE + get_le32(bytes + 12) + 4;
    assert_int_equal(snapshot_get_block(head, &block), 0);
    head[SNAPSHOT_HEAD_SIZE + 3] ^= 1;
    block.crc = snapshot_block_crc(head, 0, span_of(head + SNAPSHOT_HEAD_SIZE, block.stored_size));
    snapshot_put_block(head, &block);
    struct span all = span_of(bytes, size - SNAPSHOT_SIGNATURE_SIZE);
    sample_keys(public_key, secret);
    sha256(&all, 1, hash);
    snapshot_sign(secret, hash, bytes + all.size);
    sample_set(fd, bytes, size);
    assert_int_equal(sample_judge(fd, &given, &err), E_MALFORMED);
    assert_non_null(strstr(err.text, "is not what was sealed"));
    free(bytes);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bomb_is_refused_before_it_is_unpacked),
        cmocka_unit_test(a_file_of_many_blocks_has_a_limit_too),
        cmocka_unit_test(the_forger_can_forge),
        cmocka_unit_test(names_that_climb_are_refused),
        cmocka_unit_test(what_does_not_fit_together_is_refused),
        cmocka_unit_test(nothing_was_removed_from_a_whole_bag),
        cmocka_unit_test(what_is_sealed_is_altered_by_nobody_without_the_password),
    };
    return cmocka_run_group_tests_name("journal/snapshot_forged", tests, NULL, NULL);
}
