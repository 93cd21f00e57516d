/* journal/format.h - the bytes of a segment file: its header, its batches' headers, the pattern.
 *
 * Pure: no file is touched. Little-endian throughout. The layout stands at the head of format.c.
 */
#ifndef KITBAG_JOURNAL_FORMAT_H
#define KITBAG_JOURNAL_FORMAT_H

#include "journal/segment.h"

enum { FORMAT_VERSION = 1 };

struct format_file {
    struct segment_id id;
    uint64_t file_size;
    uint64_t created_ms;
    uint64_t word; /* the pattern: these eight bytes, over and over; never 0 */
};

/* All SEGMENT_HEADER_SIZE bytes of `out`. */
void format_put_file(uint8_t *out, const struct format_file *file);

/* From SEGMENT_HEADER_SIZE bytes. E_CORRUPT or E_FORMAT, and `why` points to some words that
 * complete "the file's header ...". */
MUST_CHECK int format_get_file(const uint8_t *bytes, struct format_file *out, const char **why);

/* What a batch's header says. */
struct format_batch {
    bool clean_stop;
    uint8_t history[HISTORY_SIZE];
    uint64_t base_seq;
    uint32_t count;
    uint32_t payload_size;
    uint64_t time_ms;
    uint8_t hash[SHA256_SIZE];
    uint32_t crc; /* over the header before it and the payload */
};

/* Bytes that a batch takes in the file: header, payload, zeros up to the next sector. */
size_t format_batch_size(size_t payload_size);

/* Write the header before a payload that lies at out + BATCH_HEADER_SIZE already (size
 * batch->payload_size). Works out hash and crc, and puts them into `batch` too. Of a mark of a
 * clean stop the hash is prev_hash itself. */
void format_put_batch(uint8_t *out, struct format_batch *batch, const uint8_t *prev_hash);

/* From BATCH_HEADER_SIZE bytes; checks the header's own checksum and its limits. E_CORRUPT or
 * E_FORMAT, and `why` points to some words that complete "the batch's header ...". */
MUST_CHECK int format_get_batch(const uint8_t *bytes, struct format_batch *out, const char **why);

/* Does the checksum hold over header and payload, as they lie after each other in `bytes`? */
bool format_crc_holds(const uint8_t *bytes, const struct format_batch *batch);
/* Does the batch follow on what `prev_hash` stands for? */
bool format_hash_holds(const uint8_t *bytes, const struct format_batch *batch,
                       const uint8_t *prev_hash);

/* `size`: a multiple of 8. */
void format_fill(uint8_t *out, size_t size, uint64_t word);
bool format_is_pattern(const uint8_t *sector, uint64_t word); /* SEGMENT_SECTOR bytes */

#endif
