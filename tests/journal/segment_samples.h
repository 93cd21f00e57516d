/* tests/journal/segment_samples.h - payloads that can be told apart, and files to spoil. */
#ifndef KITBAG_TESTS_JOURNAL_SEGMENT_SAMPLES_H
#define KITBAG_TESTS_JOURNAL_SEGMENT_SAMPLES_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/journal.h"
#include "tests/support/fail_alloc.h"

static const uint8_t sample_history_id[HISTORY_SIZE] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                        8, 9, 10, 11, 12, 13, 14, 15};

static inline struct segment_id sample_id(uint64_t base_seq)
{
    struct segment_id id = {.purpose = SEGMENT_JOURNAL, .base_seq = base_seq};
    memcpy(id.history, sample_history_id, HISTORY_SIZE);
    return id;
}

/* Bytes that only `seq` has. */
static inline void sample_bytes(uint8_t *out, size_t size, uint64_t seq)
{
    uint64_t state = seq * 0x9e3779b97f4a7c15U + 1;
    for (size_t i = 0; i < size; i += sizeof state) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(out + i, &state, size - i < sizeof state ? size - i : sizeof state);
    }
}

static inline bool sample_is(struct span bytes, uint64_t seq)
{
    unsigned paused = fail_alloc_pause();
    uint8_t *expected = malloc(bytes.size + 1);
    fail_alloc_resume(paused);
    sample_bytes(expected, bytes.size, seq);
    bool same = bytes.size == 0 || memcmp(expected, bytes.data, bytes.size) == 0;
    free(expected);
    return same;
}

/* A journal batch's payload: `count` changes of an item, each with a value of `size` bytes. Only
 * change 1, which creates the bag, has none. */
static inline void sample_payload(struct buf *out, uint64_t base_seq, uint32_t count, size_t size)
{
    uint8_t *value = malloc(size + 1);
    buf_reset(out);
    batch_begin(out, count);
    for (uint64_t seq = base_seq; seq < base_seq + count; seq++) {
        sample_bytes(value, size, seq);
        struct change change = {.seq = seq,
                                .kind = CHANGE_ITEM_SET,
                                .bag_id = 1,
                                .prev = seq - 1,
                                .origin = 5,
                                .path = SPAN_LITERAL("copy/default"),
                                .value = span_of(value, size)};
        if (seq == 1) {
            change.kind = CHANGE_BAG_CREATE;
            change.prev = 0;
            change.owner = (struct owner){.kind = OWNER_FLEET};
        }
        change_encode(out, &change, CHANGE_JOURNAL);
    }
    free(value);
}

/* --- files to spoil --- */

static inline void spoil_write(const char *path, off_t offset, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, data, size, offset) != (ssize_t)size || close(fd) != 0) {
        abort();
    }
}

static inline void spoil_read(const char *path, off_t offset, void *data, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, data, size, offset) != (ssize_t)size || close(fd) != 0) {
        abort();
    }
}

static inline void spoil_flip(const char *path, off_t offset, uint8_t mask)
{
    uint8_t byte = 0;
    spoil_read(path, offset, &byte, 1);
    byte = (uint8_t)(byte ^ mask);
    spoil_write(path, offset, &byte, 1);
}

/* The pattern of the file, as its header tells, over whole sectors. */
static inline void spoil_pattern(const char *path, off_t offset, size_t size)
{
    uint8_t word[8];
    spoil_read(path, 88, word, sizeof word);
    for (size_t at = 0; at < size; at += sizeof word) {
        spoil_write(path, offset + (off_t)at, word, sizeof word);
    }
}

/* A file's header that was changed, with a checksum that is right. */
static inline void spoil_header_crc(uint8_t header[SEGMENT_HEADER_SIZE])
{
    uint32_t crc = crc32c(0, header, 96);
    put_le32(header + 96, crc32c(crc, header + 100, SEGMENT_SECTOR - 100));
}

static inline void spoil_copy(const char *from, const char *to)
{
    struct buf bytes;
    buf_init(&bytes, 64 << 20);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t size = lseek(in, 0, SEEK_END);
    uint8_t *all = buf_extend(&bytes, (size_t)size);
    if (in < 0 || out < 0 || all == NULL || pread(in, all, (size_t)size, 0) != size ||
        pwrite(out, all, (size_t)size, 0) != size) {
        abort();
    }
    (void)close(in);
    (void)close(out);
    buf_free(&bytes);
}

#endif
