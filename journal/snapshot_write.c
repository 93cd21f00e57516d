/* journal/snapshot_write.c - writing a snapshot file. The bytes are described in
 * snapshot_format.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "journal/snapshot_seal.h"

enum { NAME_MAX_SHOWN = 256, LEVEL = 1 }; /* a higher level packs settings little better */

struct snapshot_writer {
    int fd;
    char name[NAME_MAX_SHOWN];
    struct snapshot_header header;
    uint8_t secret_key[SNAPSHOT_SECRET_SIZE];
    struct snapshot_cipher cipher;
    snapshot_choose_fn *choose;
    void *context;
    ZSTD_CCtx *packer;
    struct sha256_run hash; /* of all that was written */
    bool hashing;
    struct buf plain;  /* the block in the making: its records */
    struct buf stored; /* the block as it is written, with its head */
    uint32_t records;  /* in `plain` */
    uint64_t blocks;   /* written */
    struct snapshot_counts counts;
    bool in_bag;
    struct snapshot_bag bag;
    uint8_t path[PATH_MAX_BYTES]; /* of the last item: they come in order */
    size_t path_size;
    uint64_t number; /* of the last operation */
};

/* --- bytes --- */

static int write_out(struct snapshot_writer *writer, struct span bytes, struct err *err)
{
    size_t done = 0;
    while (done < bytes.size) {
        ssize_t wrote = write(writer->fd, bytes.data + done, bytes.size - done);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote < 0) {
            return err_sys(err, "write", writer->name);
        }
        done += (size_t)wrote;
    }
    if (writer->hashing) {
        sha256_add(&writer->hash, bytes);
    }
    return 0;
}

/* `stored` has the head's room and what follows it. */
static int write_block(struct snapshot_writer *writer, enum snapshot_block_kind kind,
                       size_t plain_size, struct err *err)
{
    uint8_t *head = writer->stored.data;
    bool sealed = writer->cipher.context != NULL && kind == SNAPSHOT_BLOCK_RECORDS;
    size_t size = writer->stored.size - SNAPSHOT_HEAD_SIZE;
    struct snapshot_block block = {
        .kind = kind,
        .stored_size = (uint32_t)(size + (sealed ? SNAPSHOT_TAG_SIZE : 0)),
        .plain_size = (uint32_t)plain_size,
    };
    snapshot_put_block(head, &block);
    if (sealed) {
        if (buf_reserve(&writer->stored, SNAPSHOT_TAG_SIZE) != 0) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        head = writer->stored.data;
        snapshot_seal_block(&writer->cipher, writer->blocks,
                            span_of(head, SNAPSHOT_HEAD_SIZE - sizeof block.crc),
                            head + SNAPSHOT_HEAD_SIZE, size);
        writer->stored.size += SNAPSHOT_TAG_SIZE;
    }
    block.crc = snapshot_block_crc(head, writer->blocks,
                                   span_of(head + SNAPSHOT_HEAD_SIZE, block.stored_size));
    snapshot_put_block(head, &block);
    writer->blocks++;
    return write_out(writer, buf_span(&writer->stored), err);
}

/* The block in the making is packed and written; there may be none. */
static int flush(struct snapshot_writer *writer, struct err *err)
{
    if (writer->records == 0) {
        return 0;
    }
    size_t bound = ZSTD_compressBound(writer->plain.size);
    snapshot_put_count(writer->plain.data, writer->records);
    buf_reset(&writer->stored);
    if (buf_extend(&writer->stored, SNAPSHOT_HEAD_SIZE) == NULL ||
        buf_reserve(&writer->stored, bound) != 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    size_t size = ZSTD_compress2(writer->packer, writer->stored.data + SNAPSHOT_HEAD_SIZE, bound,
                                 writer->plain.data, writer->plain.size);
    if (ZSTD_isError(size) != 0) {
        return err_set(err, E_NOMEM, "pack '%s': %s", writer->name, ZSTD_getErrorName(size));
    }
    writer->stored.size += size;
    int rc = write_block(writer, SNAPSHOT_BLOCK_RECORDS, writer->plain.size, err);
    buf_truncate(&writer->plain, SNAPSHOT_COUNT_SIZE);
    writer->records = 0;
    return rc;
}

/* Before a record of about `size` bytes is put: a block is not made large by many small records. */
static int make_room(struct snapshot_writer *writer, size_t size, struct err *err)
{
    bool full = writer->records == SNAPSHOT_RECORDS_MAX ||
                writer->plain.size + size > SNAPSHOT_BLOCK_WANTED;
    return full ? flush(writer, err) : 0;
}

static int put_done(struct snapshot_writer *writer, struct err *err)
{
    int rc = buf_error(&writer->plain);
    writer->records++;
    return rc == 0 ? 0 : err_set(err, rc, "write '%s': %s", writer->name, err_meaning(rc));
}

/* --- the beginning --- */

static int write_header(struct snapshot_writer *writer, const struct snapshot_lock *lock,
                        struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, 2 * SNAPSHOT_HEADER_MAX);
    snapshot_put_header(&bytes, &writer->header, lock);
    int rc = buf_error(&bytes);
    rc = rc != 0 ? err_set(err, rc, "out of memory") : write_out(writer, buf_span(&bytes), err);
    buf_free(&bytes);
    return rc;
}

static int begin(struct snapshot_writer *writer, const struct snapshot_seal *seal, struct err *err)
{
    int rc = 0;
    struct snapshot_lock lock = {0};
    enum snapshot_sealing sealing = writer->header.sealing;
    if (sealing != SNAPSHOT_OPEN) {
        rc = snapshot_cipher_make(&writer->cipher, sealing, seal->password, seal->key, &lock, err);
    }
    if (rc == 0) {
        writer->packer = ZSTD_createCCtx();
        if (writer->packer == NULL || buf_extend(&writer->plain, SNAPSHOT_COUNT_SIZE) == NULL) {
            return err_set(err, E_NOMEM, "out of memory");
        }
        size_t set = ZSTD_CCtx_setParameter(writer->packer, ZSTD_c_compressionLevel, LEVEL);
        ASSERT(ZSTD_isError(set) == 0);
        sha256_begin(&writer->hash);
        writer->hashing = true;
        rc = write_header(writer, &lock, err);
    }
    return rc;
}

int snapshot_begin(struct snapshot_writer **out, int fd, const char *name,
                   const struct snapshot_header *header, const struct snapshot_seal *seal,
                   struct err *err)
{
    ASSERT(out != NULL && fd >= 0 && name != NULL && header != NULL);
    ASSERT(seal != NULL && seal->secret_key != NULL);
    ASSERT(seal->password.size == 0 || seal->key == NULL);
    ASSERT(header->has_history || header->kind != SNAPSHOT_SERVER);
    struct snapshot_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    writer->fd = fd;
    (void)snprintf(writer->name, sizeof writer->name, "%s", name);
    writer->header = *header;
    writer->header.sealing = seal->password.size > 0 ? SNAPSHOT_PASSWORD
                             : seal->key != NULL     ? SNAPSHOT_KEY
                                                     : SNAPSHOT_OPEN;
    memcpy(writer->secret_key, seal->secret_key, sizeof writer->secret_key);
    snapshot_public_key(seal->secret_key, writer->header.signer);
    writer->choose = seal->choose;
    writer->context = seal->context;
    buf_init(&writer->plain, SNAPSHOT_BLOCK_MAX);
    buf_init(&writer->stored, SNAPSHOT_HEAD_SIZE + SNAPSHOT_STORED_MAX);
    int rc = begin(writer, seal, err);
    if (rc != 0) {
        snapshot_abort(&writer);
        return rc;
    }
    *out = writer;
    return 0;
}

/* --- bags and items --- */

static int end_bag(struct snapshot_writer *writer, struct err *err)
{
    if (!writer->in_bag) {
        return 0;
    }
    writer->in_bag = false;
    int rc = make_room(writer, 64, err);
    if (rc == 0) {
        snapshot_put_bag_end_record(&writer->plain, &writer->bag);
        rc = put_done(writer, err);
    }
    return rc;
}

int snapshot_put_bag(struct snapshot_writer *writer, const struct snapshot_bag *bag,
                     struct err *err)
{
    ASSERT(writer != NULL && bag != NULL);
    ASSERT(writer->header.kind != SNAPSHOT_OUTBOX);
    ASSERT(bag->owner.kind != OWNER_SERVER);
    int rc = end_bag(writer, err);
    rc = rc != 0 ? rc : make_room(writer, 512, err);
    if (rc != 0) {
        return rc;
    }
    writer->bag = *bag;
    writer->bag.items = 0;
    writer->bag.left_out = 0;
    writer->bag.complete_to = bag->last_seq;
    writer->in_bag = true;
    writer->path_size = 0;
    writer->counts.bags++;
    writer->counts.users += bag->owner.kind == OWNER_USER ? 1 : 0;
    writer->counts.groups += bag->owner.kind == OWNER_GROUP ? 1 : 0;
    snapshot_put_bag_record(&writer->plain, bag);
    return put_done(writer, err);
}

void snapshot_complete_to(struct snapshot_writer *writer, uint64_t seq)
{
    ASSERT(writer != NULL && writer->in_bag);
    if (seq < writer->bag.complete_to) {
        writer->bag.complete_to = seq;
    }
}

/* Whoever has the bag from this file asks for what came since the oldest of these. */
static void leave_out(struct snapshot_writer *writer, uint64_t seq, bool secret)
{
    writer->bag.left_out++;
    writer->counts.left_out++;
    writer->counts.secrets += secret ? 1 : 0;
    snapshot_complete_to(writer, seq > 0 ? seq - 1 : 0);
}

static void count_item(struct snapshot_writer *writer, struct span path, const struct item_row *row)
{
    if (row->state != ITEM_LIVE) {
        writer->counts.removed++;
        return;
    }
    writer->bag.items++;
    writer->counts.items++;
    writer->counts.bytes += path.size + row->value.size;
    digest_add(&writer->counts.digest, path, row->seq, row->value);
}

int snapshot_put_item(struct snapshot_writer *writer, struct span path, const struct item_row *row,
                      struct err *err)
{
    ASSERT(writer != NULL && writer->in_bag);
    ASSERT(path.size > 0 && path.size <= PATH_MAX_BYTES && row->value.size <= VALUE_MAX_BYTES);
    ASSERT(row->state == ITEM_LIVE || (row->state == ITEM_TOMBSTONE && writer->bag.differs));
    ASSERT(span_compare(path, span_of(writer->path, writer->path_size)) > 0);
    enum snapshot_choice choice = writer->choose == NULL
                                      ? SNAPSHOT_TAKE
                                      : writer->choose(writer->context, &writer->bag.owner, path);
    bool open = writer->header.sealing == SNAPSHOT_OPEN;
    memcpy(writer->path, path.data, path.size);
    writer->path_size = path.size;
    if (choice == SNAPSHOT_LEAVE || (choice == SNAPSHOT_SECRET && open)) {
        leave_out(writer, row->seq, choice == SNAPSHOT_SECRET);
        return 0;
    }
    int rc = make_room(writer, path.size + row->value.size + 64, err);
    if (rc != 0) {
        return rc;
    }
    count_item(writer, path, row);
    snapshot_put_item_record(&writer->plain, path, row);
    return put_done(writer, err);
}

int snapshot_put_operation(struct snapshot_writer *writer, uint64_t number, struct span bytes,
                           struct err *err)
{
    ASSERT(writer != NULL);
    ASSERT(writer->header.kind == SNAPSHOT_OUTBOX);
    ASSERT(number > writer->number && bytes.size <= OPERATION_BYTES_MAX + SNAPSHOT_OPERATION_MORE);
    int rc = make_room(writer, bytes.size + 64, err);
    if (rc != 0) {
        return rc;
    }
    writer->number = number;
    writer->counts.operations++;
    writer->counts.bytes += bytes.size;
    snapshot_put_operation_record(&writer->plain, number, bytes);
    return put_done(writer, err);
}

/* --- the end --- */

static int write_signature(struct snapshot_writer *writer, struct err *err)
{
    uint8_t hash[SHA256_SIZE];
    uint8_t signature[SNAPSHOT_SIGNATURE_SIZE];
    sha256_end(&writer->hash, hash);
    writer->hashing = false;
    snapshot_sign(writer->secret_key, hash, signature);
    return write_out(writer, span_of(signature, sizeof signature), err);
}

static int finish(struct snapshot_writer *writer, struct err *err)
{
    int rc = end_bag(writer, err);
    rc = rc != 0 ? rc : flush(writer, err);
    if (rc != 0) {
        return rc;
    }
    buf_reset(&writer->stored);
    (void)buf_extend(&writer->stored, SNAPSHOT_HEAD_SIZE);
    snapshot_put_counts(&writer->stored, &writer->counts);
    if (buf_error(&writer->stored) != 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    size_t size = writer->stored.size - SNAPSHOT_HEAD_SIZE;
    rc = write_block(writer, SNAPSHOT_BLOCK_END, size, err);
    return rc != 0 ? rc : write_signature(writer, err);
}

int snapshot_end(struct snapshot_writer **writer, struct snapshot_counts *counts, struct err *err)
{
    ASSERT(writer != NULL && *writer != NULL);
    int rc = finish(*writer, err);
    if (rc == 0 && counts != NULL) {
        *counts = (*writer)->counts;
    }
    snapshot_abort(writer);
    return rc;
}

void snapshot_abort(struct snapshot_writer **writer)
{
    if (writer == NULL || *writer == NULL) {
        return;
    }
    struct snapshot_writer *old = *writer;
    if (old->hashing) {
        sha256_end(&old->hash, NULL);
    }
    snapshot_cipher_close(&old->cipher);
    snapshot_wipe(old->secret_key, sizeof old->secret_key);
    (void)ZSTD_freeCCtx(old->packer);
    buf_free(&old->plain);
    buf_free(&old->stored);
    free(old);
    *writer = NULL;
}
