/* tests/fuzz/fuzz_journal_snapshot.c - a snapshot file from anywhere.
 *
 * The first byte tells what the rest is:
 *
 *   0  the file as it is
 *   1  the file; header, checksums and signature are put right first, else hardly any input would
 *      get behind them
 *   2  the records of its one block; the file around them is right, but for what they say
 *
 * What is taken keeps every rule, is read twice the same, and written again it is taken with the
 * same counts.
 */
#include <sodium.h>
#include <string.h>
#include <zstd.h>

#include "journal/snapshot_seal.h"
#include "tests/fuzz/file.h"

enum { AS_IT_IS = 0, PUT_RIGHT = 1, RECORDS = 2, INPUT_MAX = 1 << 16, FILE_MAX = 1 << 18 };

static const char NAME[] = "input.kitbag";

static void keys(uint8_t public_key[32], uint8_t secret[64])
{
    const uint8_t seed[32] = {7};
    FUZZ_CHECK(crypto_sign_seed_keypair(public_key, secret, seed) == 0);
}

/* The signer's key is the 32 bytes behind the name: right where the header is one. */
static void sign(struct buf *file)
{
    uint8_t public_key[32];
    uint8_t secret[64];
    uint8_t hash[SHA256_SIZE];
    struct span all = buf_span(file);
    keys(public_key, secret);
    sha256(&all, 1, hash);
    uint8_t *signature = buf_extend(file, SNAPSHOT_SIGNATURE_SIZE);
    FUZZ_CHECK(signature != NULL);
    snapshot_sign(secret, hash, signature);
}

static void put_header(struct buf *file, uint8_t kind)
{
    uint8_t secret[64];
    struct snapshot_lock lock = {0};
    struct snapshot_header header = {.kind = (enum snapshot_kind)(1 + kind % 3),
                                     .name = "fuzz",
                                     .has_history = true,
                                     .seq = 1000};
    keys(header.signer, secret);
    snapshot_put_header(file, &header, &lock);
}

static void put_block(struct buf *file, uint64_t number, struct snapshot_block block,
                      struct span stored)
{
    uint8_t head[SNAPSHOT_HEAD_SIZE];
    block.stored_size = (uint32_t)stored.size;
    snapshot_put_block(head, &block);
    block.crc = snapshot_block_crc(head, number, stored);
    snapshot_put_block(head, &block);
    (void)buf_append(file, head, sizeof head);
    (void)buf_append_span(file, stored);
}

/* Blocks follow each other as far as their sizes lead, behind a header of ours. */
static void put_right(struct buf *file, struct span bytes)
{
    put_header(file, 0);
    for (uint64_t number = 0; bytes.size >= SNAPSHOT_HEAD_SIZE; number++) {
        struct snapshot_block block = {.kind = (enum snapshot_block_kind)get_le32(bytes.data),
                                       .plain_size = get_le32(bytes.data + 8)};
        size_t size = get_le32(bytes.data + 4);
        size_t left = bytes.size - SNAPSHOT_HEAD_SIZE;
        size = size <= left ? size : left;
        put_block(file, number, block, span_of(bytes.data + SNAPSHOT_HEAD_SIZE, size));
        bytes = span_of(bytes.data + SNAPSHOT_HEAD_SIZE + size, left - size);
    }
    sign(file);
}

/* What the records add up to, as far as they are any. */
static void count(struct span plain, struct snapshot_counts *counts)
{
    struct walk walk;
    struct unpacked scratch = {0};
    struct snapshot_bag bag = {.items = 0};
    struct snapshot_record record;
    *counts = (struct snapshot_counts){0};
    bool fine = snapshot_get_records(plain, &scratch, &walk) == 0;
    while (fine && walk.left > 0) {
        fine = snapshot_get_record(walk_any(&walk), &record, &bag, NULL) == 0;
        if (!fine) {
            break;
        }
        counts->bags += record.type == SNAPSHOT_BAG ? 1 : 0;
        if (record.type == SNAPSHOT_BAG) {
            counts->users += bag.owner.kind == OWNER_USER ? 1 : 0;
            counts->groups += bag.owner.kind == OWNER_GROUP ? 1 : 0;
        } else if (record.type == SNAPSHOT_BAG_END) {
            counts->left_out += bag.left_out;
        } else if (record.type == SNAPSHOT_OPERATION) {
            counts->operations++;
            counts->bytes += record.bytes.size;
        } else if (record.row.state == ITEM_TOMBSTONE) {
            counts->removed++;
        } else {
            counts->items++;
            counts->bytes += record.path.size + record.row.value.size;
            digest_add(&counts->digest, record.path, record.row.seq, record.row.value);
        }
    }
    unpack_close(&scratch);
}

static void put_records(struct buf *file, struct span plain)
{
    static uint8_t stored[FILE_MAX];
    struct buf end;
    struct snapshot_counts counts;
    uint8_t kind = plain.size > 0 ? plain.data[0] : 0;
    plain = plain.size > 0 ? span_of(plain.data + 1, plain.size - 1) : plain;
    buf_init(&end, 1000);
    put_header(file, kind);
    size_t size = ZSTD_compress(stored, sizeof stored, plain.data, plain.size, 1);
    FUZZ_CHECK(ZSTD_isError(size) == 0);
    put_block(
        file, 0,
        (struct snapshot_block){.kind = SNAPSHOT_BLOCK_RECORDS, .plain_size = (uint32_t)plain.size},
        span_of(stored, size));
    count(plain, &counts);
    snapshot_put_counts(&end, &counts);
    put_block(file, 1, (struct snapshot_block){.kind = SNAPSHOT_BLOCK_END}, buf_span(&end));
    buf_free(&end);
    sign(file);
}

/* --- reading it --- */

static bool is_refusal(int rc)
{
    return rc == E_MALFORMED || rc == E_FORMAT || rc == E_TOO_LARGE || rc == E_SIGNATURE ||
           rc == E_PASSWORD || rc == E_PATH || rc == E_NAME;
}

static void put_record(struct snapshot_writer *writer, const struct snapshot_record *record)
{
    int rc = 0;
    if (record->type == SNAPSHOT_BAG) {
        rc = snapshot_put_bag(writer, record->bag, NULL);
    } else if (record->type == SNAPSHOT_ITEM) {
        rc = snapshot_put_item(writer, record->path, &record->row, NULL);
    } else if (record->type == SNAPSHOT_OPERATION) {
        rc = snapshot_put_operation(writer, record->number, record->bytes, NULL);
    }
    FUZZ_CHECK(rc == 0);
}

static void check_record(const struct snapshot_record *record)
{
    if (record->type == SNAPSHOT_ITEM) {
        FUZZ_CHECK(path_check(record->path, NULL) == 0);
        FUZZ_CHECK(record->row.value.size <= VALUE_MAX_BYTES);
        FUZZ_CHECK(record->row.state == ITEM_LIVE || record->bag->differs);
    }
    if (record->type == SNAPSHOT_BAG || record->type == SNAPSHOT_BAG_END) {
        FUZZ_CHECK(record->bag->owner.kind != OWNER_SERVER);
        FUZZ_CHECK(record->type == SNAPSHOT_BAG ||
                   record->bag->complete_to <= record->bag->last_seq);
    }
}

/* Read twice, and written again by the first. */
static void use(struct snapshot_reader *reader)
{
    uint8_t public_key[32];
    uint8_t secret[64];
    struct snapshot_counts again = {0};
    const struct snapshot_counts *counts = snapshot_counts(reader);
    struct snapshot_writer *writer = NULL;
    int fd = memfd_create("again", MFD_CLOEXEC);
    keys(public_key, secret);
    const struct snapshot_seal seal = {.secret_key = secret};
    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(snapshot_begin(&writer, fd, NAME, snapshot_header(reader), &seal, NULL) == 0);
    for (int pass = 0; pass < 2; pass++) {
        struct snapshot_record record = {.type = SNAPSHOT_BAG};
        snapshot_rewind(reader);
        while (record.type != SNAPSHOT_END) {
            FUZZ_CHECK(snapshot_next(reader, &record, NULL) == 0);
            check_record(&record);
            if (pass == 0) {
                put_record(writer, &record);
            }
        }
    }
    FUZZ_CHECK(snapshot_end(&writer, &again, NULL) == 0);
    FUZZ_CHECK(again.items == counts->items && again.bags == counts->bags);
    FUZZ_CHECK(again.bytes == counts->bytes && again.operations == counts->operations);
    FUZZ_CHECK(digest_equal(&again.digest, &counts->digest));
    FUZZ_CHECK(close(fd) == 0);
}

static void judge(int fd)
{
    struct err err = {0};
    struct snapshot_reader *reader = NULL;
    const uint8_t key[SNAPSHOT_KEY_SIZE] = {1};
    const struct snapshot_keys given = {.key = key, .bytes_max = 8 << 20};
    int rc = snapshot_open(&reader, fd, NAME, &err);
    rc = rc != 0 ? rc : snapshot_verify(reader, &given, &err);
    FUZZ_CHECK(rc == err.code);
    FUZZ_CHECK(rc == 0 || is_refusal(rc));
    if (rc == 0) {
        use(reader);
    }
    snapshot_close(&reader);
    FUZZ_CHECK(reader == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX) {
        return 0;
    }
    struct buf file;
    struct span rest = span_of(data + 1, size - 1);
    buf_init(&file, 2 * FILE_MAX);
    if (data[0] == PUT_RIGHT) {
        put_right(&file, rest);
    } else if (data[0] == RECORDS) {
        put_records(&file, rest);
    } else {
        (void)buf_append_span(&file, rest);
    }
    FUZZ_CHECK(buf_error(&file) == 0);
    judge(fuzz_file(file.data, file.size));
    buf_free(&file);
    return 0;
}
