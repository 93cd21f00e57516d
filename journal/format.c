/* journal/format.c - the bytes of a segment file.
 *
 * Numbers are little-endian. docs/journal-format.md says the same at length, with an example.
 *
 * File header, 4096 bytes:
 *
 *    0   8  magic "KBSEG\r\n\x1a"
 *    8   4  format version, 1
 *   12   4  purpose: 1 journal, 2 outbox, 3 mirror
 *   16  16  history
 *   32   8  seq of the first change (0: written ahead, not in use yet)
 *   40   8  size of the file in bytes, a multiple of 512
 *   48  32  hash of the batch before the first one; zeros when it has seq 1, or is not known
 *   80   8  when it was made, ms since 1970
 *   88   8  the pattern word: random, not 0; bytes behind the batches repeat it
 *   96   4  CRC32C of bytes 0 to 95 and 100 to 511
 *  100   4  number of the ancestors that are listed, 16 at most
 *  104      of each, oldest first: history (16 bytes), seq of its last change (8)
 *           zeros
 *
 * Batches lie one behind the other, each on a 512-byte boundary. Batch header, 88 bytes:
 *
 *    0   4  magic "KBJ1"
 *    4   2  format version, 1
 *    6   2  flags: bit 0 the mark of a clean stop; others 0
 *    8  16  history
 *   24   8  seq of the first change (of a mark: of the change that will come next)
 *   32   4  number of changes (of a mark: 0)
 *   36   4  size of the payload in bytes, 4 MiB at most (of a mark: 0)
 *   40   8  time, ms since 1970
 *   48  32  hash: SHA-256 of (hash of the batch before, bytes 0 to 47, payload); a mark repeats
 *           the hash of the batch before
 *   80   4  CRC32C of bytes 0 to 79 and the payload
 *   84   4  CRC32C of bytes 0 to 83
 *
 * then the payload, then zeros up to the next 512-byte boundary.
 *
 * Why the header has a checksum of its own: whether a batch was cut short by a crash is judged by
 * its size. A bit of rot that makes the last batch look longer than it is would turn "damaged"
 * into "cut short", and an acknowledged write would be thrown away without a word.
 *
 * Why the word is random: with a known one, a person's own value could show the pattern inside a
 * whole batch, with the same result.
 */
#include "journal/format.h"

#include <assert.h>
#include <string.h>

enum {
    FILE_CRC_AT = 96,
    LINEAGE_COUNT_AT = 100,
    LINEAGE_AT = 104,
    ANCESTOR_SIZE = HISTORY_SIZE + 8,
    BATCH_HASHED = 48, /* bytes of the header that the hash covers */
    BATCH_CRC_AT = 80,
    BATCH_HEADER_CRC_AT = 84,
    FLAG_CLEAN_STOP = 1,
};

/* A disk writes a sector whole or not at all: what a header holds has to be one. */
static_assert(LINEAGE_AT + LINEAGE_MAX * ANCESTOR_SIZE <= SEGMENT_SECTOR, "one sector");

static const uint8_t file_magic[8] = {'K', 'B', 'S', 'E', 'G', '\r', '\n', 0x1a};
static const uint8_t batch_magic[4] = {'K', 'B', 'J', '1'};

/* All of the first sector but the checksum itself. */
static uint32_t crc_file(const uint8_t *bytes)
{
    uint32_t crc = crc32c(0, bytes, FILE_CRC_AT);
    return crc32c(crc, bytes + LINEAGE_COUNT_AT, SEGMENT_SECTOR - LINEAGE_COUNT_AT);
}

static void put_lineage(uint8_t *out, const struct lineage *lineage)
{
    put_le32(out + LINEAGE_COUNT_AT, lineage->count);
    uint8_t *at = out + LINEAGE_AT;
    for (uint32_t i = 0; i < lineage->count; i++, at += ANCESTOR_SIZE) {
        memcpy(at, lineage->of[i].history, HISTORY_SIZE);
        put_le64(at + HISTORY_SIZE, lineage->of[i].last_seq);
    }
}

/* The count was checked. */
static void get_lineage(const uint8_t *bytes, struct lineage *out)
{
    out->count = get_le32(bytes + LINEAGE_COUNT_AT);
    const uint8_t *at = bytes + LINEAGE_AT;
    for (uint32_t i = 0; i < out->count; i++, at += ANCESTOR_SIZE) {
        memcpy(out->of[i].history, at, HISTORY_SIZE);
        out->of[i].last_seq = get_le64(at + HISTORY_SIZE);
    }
}

void format_put_file(uint8_t *out, const struct format_file *file)
{
    ASSERT(out != NULL && file != NULL && file->word != 0);
    ASSERT(file->id.lineage.count <= LINEAGE_MAX);

    memset(out, 0, SEGMENT_HEADER_SIZE);
    memcpy(out, file_magic, sizeof file_magic);
    put_le32(out + 8, FORMAT_VERSION);
    put_le32(out + 12, (uint32_t)file->id.purpose);
    memcpy(out + 16, file->id.history, HISTORY_SIZE);
    put_le64(out + 32, file->id.base_seq);
    put_le64(out + 40, file->file_size);
    memcpy(out + 48, file->id.prev_hash, SHA256_SIZE);
    put_le64(out + 80, file->created_ms);
    put_le64(out + 88, file->word);
    put_lineage(out, &file->id.lineage);
    put_le32(out + FILE_CRC_AT, crc_file(out));
}

int format_get_file(const uint8_t *bytes, struct format_file *out, const char **why)
{
    ASSERT(bytes != NULL && out != NULL && why != NULL);

    if (memcmp(bytes, file_magic, sizeof file_magic) != 0) {
        *why = "does not begin as a journal's file does";
        return E_CORRUPT;
    }
    if (get_le32(bytes + FILE_CRC_AT) != crc_file(bytes)) {
        *why = "fails its checksum";
        return E_CORRUPT;
    }
    if (get_le32(bytes + 8) != FORMAT_VERSION) {
        *why = "is of a format that this version of Kitbag does not know: use a newer one";
        return E_FORMAT;
    }
    uint32_t purpose = get_le32(bytes + 12);
    if (purpose < SEGMENT_JOURNAL || purpose > SEGMENT_MIRROR) {
        *why = "names a purpose that this version of Kitbag does not know: use a newer one";
        return E_FORMAT;
    }
    *out = (struct format_file){
        .id = {.purpose = (enum segment_purpose)purpose, .base_seq = get_le64(bytes + 32)},
        .file_size = get_le64(bytes + 40),
        .created_ms = get_le64(bytes + 80),
        .word = get_le64(bytes + 88),
    };
    memcpy(out->id.history, bytes + 16, HISTORY_SIZE);
    memcpy(out->id.prev_hash, bytes + 48, SHA256_SIZE);
    if (out->word == 0 || out->file_size % SEGMENT_SECTOR != 0 ||
        out->file_size <= SEGMENT_HEADER_SIZE || out->file_size > INT64_MAX ||
        get_le32(bytes + LINEAGE_COUNT_AT) > LINEAGE_MAX) {
        *why = "holds numbers that can't be";
        return E_CORRUPT;
    }
    get_lineage(bytes, &out->id.lineage);
    return 0;
}

size_t format_batch_size(size_t payload_size)
{
    ASSERT(payload_size <= BATCH_PAYLOAD_MAX);
    size_t size = BATCH_HEADER_SIZE + payload_size;
    return (size + SEGMENT_SECTOR - 1) / SEGMENT_SECTOR * SEGMENT_SECTOR;
}

static void hash_batch(const uint8_t *bytes, size_t payload_size, const uint8_t *prev_hash,
                       uint8_t out[SHA256_SIZE])
{
    struct span pieces[] = {
        span_of(prev_hash, SHA256_SIZE),
        span_of(bytes, BATCH_HASHED),
        span_of(bytes + BATCH_HEADER_SIZE, payload_size),
    };
    sha256(pieces, sizeof pieces / sizeof pieces[0], out);
}

static uint32_t crc_batch(const uint8_t *bytes, size_t payload_size)
{
    uint32_t crc = crc32c(0, bytes, BATCH_CRC_AT);
    return crc32c(crc, bytes + BATCH_HEADER_SIZE, payload_size);
}

void format_put_batch(uint8_t *out, struct format_batch *batch, const uint8_t *prev_hash)
{
    ASSERT(out != NULL && batch != NULL && prev_hash != NULL);
    ASSERT(batch->payload_size <= BATCH_PAYLOAD_MAX);
    ASSERT(batch->clean_stop == (batch->count == 0));
    ASSERT(!batch->clean_stop || batch->payload_size == 0);

    memcpy(out, batch_magic, sizeof batch_magic);
    put_le16(out + 4, FORMAT_VERSION);
    put_le16(out + 6, batch->clean_stop ? FLAG_CLEAN_STOP : 0);
    memcpy(out + 8, batch->history, HISTORY_SIZE);
    put_le64(out + 24, batch->base_seq);
    put_le32(out + 32, batch->count);
    put_le32(out + 36, batch->payload_size);
    put_le64(out + 40, batch->time_ms);
    if (batch->clean_stop) {
        memcpy(batch->hash, prev_hash, SHA256_SIZE);
    } else {
        hash_batch(out, batch->payload_size, prev_hash, batch->hash);
    }
    memcpy(out + BATCH_HASHED, batch->hash, SHA256_SIZE);
    batch->crc = crc_batch(out, batch->payload_size);
    put_le32(out + BATCH_CRC_AT, batch->crc);
    put_le32(out + BATCH_HEADER_CRC_AT, crc32c(0, out, BATCH_HEADER_CRC_AT));
}

int format_get_batch(const uint8_t *bytes, struct format_batch *out, const char **why)
{
    ASSERT(bytes != NULL && out != NULL && why != NULL);

    if (memcmp(bytes, batch_magic, sizeof batch_magic) != 0) {
        *why = "is not there";
        return E_CORRUPT;
    }
    if (get_le32(bytes + BATCH_HEADER_CRC_AT) != crc32c(0, bytes, BATCH_HEADER_CRC_AT)) {
        *why = "fails its checksum";
        return E_CORRUPT;
    }
    uint16_t flags = get_le16(bytes + 6);
    if (get_le16(bytes + 4) != FORMAT_VERSION || (flags & ~FLAG_CLEAN_STOP) != 0) {
        *why = "is of a format that this version of Kitbag does not know: use a newer one";
        return E_FORMAT;
    }
    *out = (struct format_batch){
        .clean_stop = flags == FLAG_CLEAN_STOP,
        .base_seq = get_le64(bytes + 24),
        .count = get_le32(bytes + 32),
        .payload_size = get_le32(bytes + 36),
        .time_ms = get_le64(bytes + 40),
        .crc = get_le32(bytes + BATCH_CRC_AT),
    };
    memcpy(out->history, bytes + 8, HISTORY_SIZE);
    memcpy(out->hash, bytes + BATCH_HASHED, SHA256_SIZE);
    if (out->payload_size > BATCH_PAYLOAD_MAX || out->clean_stop != (out->count == 0) ||
        (out->clean_stop && out->payload_size != 0) || out->base_seq > UINT64_MAX - out->count) {
        *why = "holds numbers that can't be";
        return E_CORRUPT;
    }
    return 0;
}

bool format_crc_holds(const uint8_t *bytes, const struct format_batch *batch)
{
    return crc_batch(bytes, batch->payload_size) == batch->crc;
}

bool format_hash_holds(const uint8_t *bytes, const struct format_batch *batch,
                       const uint8_t *prev_hash)
{
    if (batch->clean_stop) {
        return memcmp(batch->hash, prev_hash, SHA256_SIZE) == 0;
    }
    uint8_t hash[SHA256_SIZE];
    hash_batch(bytes, batch->payload_size, prev_hash, hash);
    return memcmp(batch->hash, hash, SHA256_SIZE) == 0;
}

void format_fill(uint8_t *out, size_t size, uint64_t word)
{
    ASSERT(size % sizeof word == 0);
    for (size_t i = 0; i < size; i += sizeof word) {
        put_le64(out + i, word);
    }
}

bool format_is_pattern(const uint8_t *sector, uint64_t word)
{
    /* the first word is right and every further one is like the one before it */
    return get_le64(sector) == word &&
           memcmp(sector, sector + sizeof word, SEGMENT_SECTOR - sizeof word) == 0;
}
