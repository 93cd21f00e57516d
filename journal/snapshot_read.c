/* journal/snapshot_read.c - reading a snapshot file. The bytes are described in snapshot_format.c.
 *
 * The file is read three times: for its checksums and its signature, which tell whether its bytes
 * are the signer's; then to see whether they are what a snapshot is made of; then by who uses it.
 * Nothing is unpacked before the signature was found to hold. The last two share their code, so
 * what is handed out was judged by the same rules, and each pass works out the hash of what it read
 * and compares it at its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/file.h"
#include "journal/snapshot_seal.h"

enum {
    NAME_MAX_SHOWN = 256,
    WINDOW_LOG_MAX = 22, /* SNAPSHOT_BLOCK_MAX */
    OPERATION_ELEMENTS_MAX = OPERATION_WRITES_MAX * 5 + 16,
};

/* Where a pass over the records is. */
struct pass {
    bool begun;
    off_t offset;
    uint64_t block;
    struct sha256_run hash;
    struct walk records; /* of the block at hand, left to be told */
    struct snapshot_counts counts;
    bool in_bag;
    struct snapshot_bag bag;
    uint8_t path[PATH_MAX_BYTES];
    size_t path_size;
    uint64_t number; /* of the last operation */
    bool ended;
};

struct snapshot_reader {
    int fd;
    char name[NAME_MAX_SHOWN];
    struct snapshot_header header;
    struct snapshot_lock lock;
    struct buf start; /* the header's bytes, as they were judged */
    struct snapshot_cipher cipher;
    ZSTD_DCtx *unpacker;
    struct buf stored, plain;
    struct unpacked unpacked;
    struct unpacked operation; /* scratch to judge one */
    bool verified;
    uint8_t hash[SHA256_SIZE]; /* of what was verified */
    struct snapshot_counts counts;
    struct snapshot_bag told; /* what the record at hand says of one */
    struct pass pass;
};

static int refuse(const struct snapshot_reader *reader, int code, struct err *err, const char *what)
{
    return err_set(err, code, "'%s' %s", reader->name, what);
}

/* --- opening --- */

/* Bytes that end before are a file that was cut short. */
static int read_at(const struct snapshot_reader *reader, void *out, size_t size, off_t offset,
                   struct err *err)
{
    struct err why = {0};
    int rc = file_read_at(reader->fd, out, size, offset, reader->name, &why);
    if (rc == E_MALFORMED) {
        return refuse(reader, rc, err, "is cut short: its end is missing");
    }
    return rc == 0 ? 0 : err_set(err, rc, "%s", why.text);
}

static int read_header(struct snapshot_reader *reader, struct err *err)
{
    size_t size = 0;
    const char *why = NULL;
    uint8_t start[SNAPSHOT_START_SIZE];
    struct stat info;
    if (fstat(reader->fd, &info) != 0) {
        return err_sys(err, "look at", reader->name);
    }
    if (!S_ISREG(info.st_mode)) {
        return refuse(reader, E_INVALID, err, "is no file");
    }
    if (info.st_size < (off_t)sizeof start) {
        return refuse(reader, E_MALFORMED, err, "is no snapshot of Kitbag: it is too short");
    }
    int rc = read_at(reader, start, sizeof start, 0, err);
    if (rc != 0) {
        return rc;
    }
    rc = snapshot_header_size(start, &size, &why);
    if (rc != 0) {
        return refuse(reader, rc, err, why);
    }
    uint8_t *bytes = buf_extend(&reader->start, size);
    if (bytes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    rc = read_at(reader, bytes, size, 0, err);
    if (rc == 0) {
        rc = snapshot_get_header(buf_span(&reader->start), &reader->header, &reader->lock, &why);
        rc = rc == 0 ? 0 : refuse(reader, rc, err, why);
    }
    return rc;
}

int snapshot_open(struct snapshot_reader **out, int fd, const char *name, struct err *err)
{
    ASSERT(out != NULL && fd >= 0 && name != NULL);
    struct snapshot_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    reader->fd = fd;
    (void)snprintf(reader->name, sizeof reader->name, "%s", name);
    buf_init(&reader->start, 2 * SNAPSHOT_HEADER_MAX);
    buf_init(&reader->stored, SNAPSHOT_STORED_MAX);
    buf_init(&reader->plain, SNAPSHOT_BLOCK_MAX);
    int rc = read_header(reader, err);
    if (rc != 0) {
        snapshot_close(&reader);
        return rc;
    }
    *out = reader;
    return 0;
}

const struct snapshot_header *snapshot_header(const struct snapshot_reader *reader)
{
    ASSERT(reader != NULL);
    return &reader->header;
}

const struct snapshot_counts *snapshot_counts(const struct snapshot_reader *reader)
{
    ASSERT(reader != NULL && reader->verified);
    return &reader->counts;
}

/* --- blocks --- */

static int damaged(const struct snapshot_reader *reader, uint64_t number, const char *why,
                   struct err *err)
{
    return err_set(err, E_MALFORMED, "'%s' is damaged, or was altered: its block %llu %s",
                   reader->name, (unsigned long long)number, why);
}

/* The next block, with its checksum compared; what is stored lies in `stored`, and head and bytes
 * are hashed. */
static int read_block(struct snapshot_reader *reader, uint8_t head[SNAPSHOT_HEAD_SIZE],
                      struct snapshot_block *block, struct err *err)
{
    struct pass *pass = &reader->pass;
    int rc = read_at(reader, head, SNAPSHOT_HEAD_SIZE, pass->offset, err);
    if (rc != 0) {
        return rc;
    }
    if (snapshot_get_block(head, block) != 0) {
        return damaged(reader, pass->block, "has a head that is none", err);
    }
    buf_reset(&reader->stored);
    uint8_t *bytes = buf_extend(&reader->stored, block->stored_size);
    if (bytes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    rc = read_at(reader, bytes, block->stored_size, pass->offset + SNAPSHOT_HEAD_SIZE, err);
    if (rc != 0) {
        return rc;
    }
    if (snapshot_block_crc(head, pass->block, buf_span(&reader->stored)) != block->crc) {
        return damaged(reader, pass->block, "does not match its checksum", err);
    }
    sha256_add(&pass->hash, span_of(head, SNAPSHOT_HEAD_SIZE));
    sha256_add(&pass->hash, buf_span(&reader->stored));
    pass->offset += SNAPSHOT_HEAD_SIZE + (off_t)block->stored_size;
    pass->block++;
    return 0;
}

static void end_pass(struct pass *pass, uint8_t hash[SHA256_SIZE])
{
    if (pass->begun && !pass->ended) {
        sha256_end(&pass->hash, hash);
    }
    pass->ended = true;
}

static void begin_pass(struct snapshot_reader *reader)
{
    end_pass(&reader->pass, NULL);
    reader->pass = (struct pass){.begun = true, .offset = (off_t)reader->start.size};
    sha256_begin(&reader->pass.hash);
    sha256_add(&reader->pass.hash, buf_span(&reader->start));
}

/* --- first: checksums and the signature --- */

static int check_signature(struct snapshot_reader *reader, struct err *err)
{
    uint8_t signature[SNAPSHOT_SIGNATURE_SIZE];
    uint8_t more = 0;
    off_t offset = reader->pass.offset;
    int rc = read_at(reader, signature, sizeof signature, offset, err);
    if (rc != 0) {
        return rc;
    }
    ssize_t behind = pread(reader->fd, &more, 1, offset + (off_t)sizeof signature);
    if (behind < 0) {
        return err_sys(err, "read", reader->name);
    }
    if (behind > 0) {
        return refuse(reader, E_MALFORMED, err,
                      "is damaged, or was altered: something stands behind its end");
    }
    end_pass(&reader->pass, reader->hash);
    return snapshot_signature_holds(reader->header.signer, reader->hash, signature)
               ? 0
               : refuse(reader, E_SIGNATURE, err,
                        "was altered after it was signed: its signature does not fit");
}

static int check_bytes(struct snapshot_reader *reader, uint64_t bytes_max, struct err *err)
{
    uint8_t head[SNAPSHOT_HEAD_SIZE];
    struct snapshot_block block = {0};
    uint64_t plain = 0;
    begin_pass(reader);
    while (block.kind != SNAPSHOT_BLOCK_END) {
        int rc = read_block(reader, head, &block, err);
        if (rc != 0) {
            return rc;
        }
        plain += block.plain_size;
        if (plain > bytes_max) {
            return err_set(err, E_TOO_LARGE,
                           "'%s' would unpack to more than the %llu bytes that are allowed",
                           reader->name, (unsigned long long)bytes_max);
        }
    }
    return check_signature(reader, err);
}

/* --- then: records --- */

/* The head tells how large it becomes; the frame has to say the same before it is unpacked, and can
 * not write behind that. */
static int unpack_frame(struct snapshot_reader *reader, uint32_t plain_size, struct err *err)
{
    struct span frame = buf_span(&reader->stored);
    uint64_t number = reader->pass.block - 1;
    unsigned long long says = ZSTD_getFrameContentSize(frame.data, frame.size);
    if (says == ZSTD_CONTENTSIZE_ERROR || says == ZSTD_CONTENTSIZE_UNKNOWN) {
        return damaged(reader, number, "holds no frame of zstd that tells its size", err);
    }
    if (says > plain_size) {
        return err_set(err, E_TOO_LARGE,
                       "'%s' is a decompression bomb: its block %llu would unpack to %llu bytes, "
                       "and says %lu",
                       reader->name, (unsigned long long)number, says, (unsigned long)plain_size);
    }
    if (ZSTD_findFrameCompressedSize(frame.data, frame.size) != frame.size || says != plain_size) {
        return damaged(reader, number, "is not one frame of the size that it says", err);
    }
    buf_reset(&reader->plain);
    uint8_t *out = buf_extend(&reader->plain, plain_size);
    if (out == NULL && plain_size > 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    size_t size = ZSTD_decompressDCtx(reader->unpacker, out, plain_size, frame.data, frame.size);
    return ZSTD_isError(size) == 0 && size == plain_size
               ? 0
               : damaged(reader, number, "can not be unpacked", err);
}

static int take_end(struct snapshot_reader *reader, struct err *err)
{
    struct snapshot_counts counts;
    uint8_t hash[SHA256_SIZE];
    struct pass *pass = &reader->pass;
    end_pass(pass, hash);
    if (memcmp(hash, reader->hash, sizeof hash) != 0) {
        return refuse(reader, E_MALFORMED, err, "was changed while it was read");
    }
    int rc = snapshot_get_counts(buf_span(&reader->stored), &counts);
    if (rc != 0) {
        return rc == E_NOMEM ? err_set(err, rc, "out of memory")
                             : damaged(reader, pass->block - 1, "is no end", err);
    }
    pass->counts.secrets = counts.secrets; /* which ones they were is not in the file */
    if (pass->in_bag || !snapshot_counts_equal(&counts, &pass->counts) ||
        counts.secrets > counts.left_out) {
        return damaged(reader, pass->block - 1, "counts something else than there is", err);
    }
    return 0;
}

/* The next block that has a record left, or the end. */
static int next_block(struct snapshot_reader *reader, struct err *err)
{
    uint8_t head[SNAPSHOT_HEAD_SIZE];
    struct snapshot_block block;
    struct pass *pass = &reader->pass;
    int rc = read_block(reader, head, &block, err);
    if (rc != 0) {
        return rc;
    }
    if (block.kind == SNAPSHOT_BLOCK_END) {
        return take_end(reader, err);
    }
    if (reader->cipher.context != NULL) {
        rc = snapshot_open_block(&reader->cipher, pass->block - 1,
                                 span_of(head, SNAPSHOT_HEAD_SIZE - sizeof block.crc),
                                 reader->stored.data, reader->stored.size);
        if (rc != 0) {
            return damaged(reader, pass->block - 1, "is not what was sealed", err);
        }
        buf_truncate(&reader->stored, reader->stored.size - SNAPSHOT_TAG_SIZE);
    }
    rc = unpack_frame(reader, block.plain_size, err);
    if (rc == 0) {
        rc = snapshot_get_records(buf_span(&reader->plain), &reader->unpacked, &pass->records);
        rc = rc == 0         ? 0
             : rc == E_NOMEM ? err_set(err, rc, "out of memory")
                             : damaged(reader, pass->block - 1, "holds no records", err);
    }
    return rc;
}

/* --- do they fit together? --- */

static int misfit(const struct snapshot_reader *reader, const char *what, struct err *err)
{
    return err_set(err, E_MALFORMED, "'%s' is not what Kitbag writes: %s", reader->name, what);
}

static int check_bag(struct snapshot_reader *reader, const struct snapshot_bag *bag,
                     struct err *err)
{
    struct pass *pass = &reader->pass;
    const struct snapshot_header *header = &reader->header;
    bool server = header->kind == SNAPSHOT_SERVER;
    if (pass->in_bag || header->kind == SNAPSHOT_OUTBOX) {
        return misfit(reader, "a bag stands where none may be", err);
    }
    if (server && (bag->bag_id == 0 || bag->bag_id > bag->last_seq || bag->last_seq > header->seq ||
                   (bag->differs && bag->since > bag->last_seq))) {
        return misfit(reader, "a bag is newer than the snapshot", err);
    }
    pass->in_bag = true;
    pass->bag = *bag;
    pass->path_size = 0;
    pass->counts.bags++;
    pass->counts.users += bag->owner.kind == OWNER_USER ? 1 : 0;
    pass->counts.groups += bag->owner.kind == OWNER_GROUP ? 1 : 0;
    return 0;
}

static int check_item(struct snapshot_reader *reader, struct span path, const struct item_row *row,
                      struct err *err)
{
    struct pass *pass = &reader->pass;
    struct snapshot_bag *bag = &pass->bag;
    if (!pass->in_bag || span_compare(path, span_of(pass->path, pass->path_size)) <= 0) {
        return misfit(reader, "an item stands where none may be", err);
    }
    if (reader->header.kind == SNAPSHOT_SERVER &&
        (row->seq == 0 || row->seq > bag->last_seq || (bag->differs && row->seq <= bag->since))) {
        return misfit(reader, "an item is newer than its bag, or older than its difference", err);
    }
    if (row->state == ITEM_TOMBSTONE && !bag->differs) {
        return misfit(reader, "an item that was removed is in a whole bag", err);
    }
    memcpy(pass->path, path.data, path.size);
    pass->path_size = path.size;
    if (row->state == ITEM_TOMBSTONE) {
        pass->counts.removed++;
        return 0;
    }
    bag->items++;
    pass->counts.items++;
    pass->counts.bytes += path.size + row->value.size;
    digest_add(&pass->counts.digest, path, row->seq, row->value);
    return 0;
}

static int check_bag_end(struct snapshot_reader *reader, const struct snapshot_bag *end,
                         struct err *err)
{
    struct pass *pass = &reader->pass;
    struct snapshot_bag *bag = &pass->bag;
    if (!pass->in_bag || end->items != bag->items || end->complete_to > bag->last_seq) {
        return misfit(reader, "a bag does not end with what it has", err);
    }
    bag->left_out = end->left_out;
    bag->complete_to = end->complete_to;
    pass->counts.left_out += end->left_out;
    pass->in_bag = false;
    return 0;
}

static int check_operation(struct snapshot_reader *reader, const struct snapshot_record *record,
                           struct err *err)
{
    struct pass *pass = &reader->pass;
    struct operation operation = {.number = 0};
    if (reader->header.kind != SNAPSHOT_OUTBOX || record->number <= pass->number) {
        return misfit(reader, "an operation stands where none may be", err);
    }
    int rc = unpack_open(&reader->operation, record->bytes, OPERATION_ELEMENTS_MAX);
    rc = rc != 0 ? rc : operation_decode(&reader->operation.root, &operation, NULL);
    if (rc == E_NOMEM) {
        return err_set(err, rc, "out of memory");
    }
    /* Names and sizes are the server's to refuse: the numbers behind it count on an answer. */
    if ((rc != 0 && rc != E_NAME && rc != E_TOO_LARGE) || operation.number != record->number) {
        return misfit(reader, "an operation is none", err);
    }
    pass->number = record->number;
    pass->counts.operations++;
    pass->counts.bytes += record->bytes.size;
    return 0;
}

static int check_record(struct snapshot_reader *reader, const struct snapshot_record *record,
                        const struct snapshot_bag *told, struct err *err)
{
    switch (record->type) {
    case SNAPSHOT_BAG:
        return check_bag(reader, told, err);
    case SNAPSHOT_ITEM:
        return check_item(reader, record->path, &record->row, err);
    case SNAPSHOT_BAG_END:
        return check_bag_end(reader, told, err);
    case SNAPSHOT_OPERATION:
        return check_operation(reader, record, err);
    case SNAPSHOT_END:
    default:
        ASSERT(false);
    }
}

static int next(struct snapshot_reader *reader, struct snapshot_record *out, struct err *err)
{
    struct pass *pass = &reader->pass;
    struct err why; /* filled by a failure alone: zeroing it for each item would cost time */
    while (pass->records.left == 0) {
        int rc = next_block(reader, err);
        if (rc != 0) {
            return rc;
        }
        if (pass->ended) {
            out->type = SNAPSHOT_END;
            return 0;
        }
    }
    int rc = snapshot_get_record(walk_any(&pass->records), out, &reader->told, &why);
    if (rc != 0) {
        return err_set(err, rc, "'%s' is not what Kitbag writes: %.300s", reader->name, why.text);
    }
    out->bag = &pass->bag;
    return check_record(reader, out, &reader->told, err);
}

static int check_records(struct snapshot_reader *reader, struct err *err)
{
    struct snapshot_record record = {.type = SNAPSHOT_BAG};
    int rc = 0;
    begin_pass(reader);
    while (rc == 0 && record.type != SNAPSHOT_END) {
        rc = next(reader, &record, err);
    }
    reader->counts = reader->pass.counts;
    return rc;
}

/* --- what callers see --- */

static int open_seal(struct snapshot_reader *reader, const struct snapshot_keys *keys,
                     struct err *err)
{
    struct err why = {0};
    snapshot_cipher_close(&reader->cipher);
    if (reader->header.sealing == SNAPSHOT_OPEN) {
        return 0;
    }
    int rc =
        snapshot_cipher_open(&reader->cipher, reader->header.sealing, &reader->lock, keys, &why);
    return rc == 0 ? 0 : err_set(err, rc, "'%s' can not be read: %.300s", reader->name, why.text);
}

int snapshot_verify(struct snapshot_reader *reader, const struct snapshot_keys *keys,
                    struct err *err)
{
    ASSERT(reader != NULL && keys != NULL);
    reader->verified = false;
    if (reader->unpacker == NULL) {
        reader->unpacker = ZSTD_createDCtx();
        if (reader->unpacker == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        size_t set = ZSTD_DCtx_setParameter(reader->unpacker, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
        ASSERT(ZSTD_isError(set) == 0);
    }
    uint64_t bytes_max = keys->bytes_max > 0 ? keys->bytes_max : SNAPSHOT_BYTES_MAX;
    int rc = check_bytes(reader, bytes_max, err);
    rc = rc != 0 ? rc : open_seal(reader, keys, err);
    rc = rc != 0 ? rc : check_records(reader, err);
    if (rc == 0) {
        reader->verified = true;
        begin_pass(reader);
    }
    return rc;
}

int snapshot_next(struct snapshot_reader *reader, struct snapshot_record *out, struct err *err)
{
    ASSERT(reader != NULL && reader->verified && out != NULL);
    if (reader->pass.ended) {
        out->type = SNAPSHOT_END;
        return 0;
    }
    int rc = next(reader, out, err);
    if (rc != 0) { /* it was whole when it was verified: nothing of it counts any more */
        reader->verified = false;
    }
    return rc;
}

void snapshot_rewind(struct snapshot_reader *reader)
{
    ASSERT(reader != NULL && reader->verified);
    begin_pass(reader);
}

void snapshot_close(struct snapshot_reader **reader)
{
    if (reader == NULL || *reader == NULL) {
        return;
    }
    struct snapshot_reader *old = *reader;
    end_pass(&old->pass, NULL);
    snapshot_cipher_close(&old->cipher);
    (void)ZSTD_freeDCtx(old->unpacker);
    unpack_close(&old->unpacked);
    unpack_close(&old->operation);
    buf_free(&old->start);
    buf_free(&old->stored);
    buf_free(&old->plain);
    free(old);
    *reader = NULL;
}
