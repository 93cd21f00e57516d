/* tests/fuzz/fuzz_journal_segment.c - any bytes behind a file's header, through opening and
 * reading.
 *
 * The first byte of the input chooses whether checksums are put right first (else hardly any input
 * would get behind them), the rest lies where the batches are. Whatever it is: reading says how far
 * the file is whole; opening agrees, and leaves a file that opens again with the same batches and
 * an end that needs nothing more.
 */
#include <string.h>

#include "journal/format.h"
#include "journal/journal.h"
#include "tests/fuzz/file.h"

enum { FILE_BYTES = 16 << 10, DATA_MAX = FILE_BYTES - SEGMENT_HEADER_SIZE, FIX_CRC = 1 };

static const uint64_t word = 0x2e7974706d65424bU; /* "KBempty.", as in the documentation */

static int no_sync(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

/* Batches follow each other as far as their sizes lead. */
static void fix_checksums(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + BATCH_HEADER_SIZE <= size;) {
        uint32_t payload = get_le32(bytes + at + 36);
        payload = payload <= size - at - BATCH_HEADER_SIZE ? payload : 0;
        uint32_t crc = crc32c(0, bytes + at, 80);
        crc = crc32c(crc, bytes + at + BATCH_HEADER_SIZE, payload);
        put_le32(bytes + at + 80, crc);
        put_le32(bytes + at + 84, crc32c(0, bytes + at, 84));
        at += format_batch_size(payload);
    }
}

/* A file without a batch. */
static void make_empty(uint8_t *image)
{
    struct format_file file = {
        .id = {.purpose = SEGMENT_JOURNAL, .base_seq = 1}, .file_size = FILE_BYTES, .word = word};
    for (uint8_t i = 0; i < HISTORY_SIZE; i++) {
        file.id.history[i] = i;
    }
    format_put_file(image, &file);
    format_fill(image + SEGMENT_HEADER_SIZE, DATA_MAX, word);
}

static void make_image(uint8_t *image, const uint8_t *data, size_t size)
{
    static uint8_t empty[FILE_BYTES];
    if (empty[0] == 0) {
        make_empty(empty);
    }
    memcpy(image, empty, FILE_BYTES);
    if (size < 1) {
        return;
    }
    size_t used = size - 1 < DATA_MAX ? size - 1 : DATA_MAX;
    memcpy(image + SEGMENT_HEADER_SIZE, data + 1, used);
    if ((data[0] & FIX_CRC) != 0) {
        fix_checksums(image + SEGMENT_HEADER_SIZE, used);
    }
}

static int on_change(void *context, const struct change *change, struct err *err)
{
    (void)err;
    uint64_t *next_seq = context;
    FUZZ_CHECK(change->seq == (*next_seq)++);
    return 0;
}

static void check_changes(const struct batch *batch)
{
    struct unpacked scratch = {0};
    uint64_t next_seq = batch->base_seq;
    int rc = batch_changes(batch, &scratch, on_change, &next_seq, NULL);
    FUZZ_CHECK(rc == E_MALFORMED || (rc == 0 && next_seq == batch->base_seq + batch->count));
    unpack_close(&scratch);
}

/* How many batches reading finds; `tail` is E_CORRUPT, E_FORMAT or the kind of end. */
static unsigned read_all(const char *path, int *tail)
{
    struct segment *segment = NULL;
    struct segment_position at;
    struct buf scratch;
    unsigned batches = 0;
    buf_init(&scratch, BATCH_SIZE_MAX);
    FUZZ_CHECK(segment_open_read(&segment, path, NULL) == 0);
    segment_start(segment, &at);
    int rc = 0;
    for (;;) {
        struct batch batch;
        rc = segment_step(segment, &at, &scratch, &batch, NULL);
        if (rc != 0 || batch.clean_stop) {
            break;
        }
        check_changes(&batch);
        batches++;
    }
    FUZZ_CHECK(rc == 0 || rc == E_NOT_FOUND || rc == E_CORRUPT || rc == E_FORMAT);
    if (rc != E_FORMAT) {
        enum segment_tail found = SEGMENT_TAIL_OPEN;
        rc = segment_judge(segment, &at, &found, NULL);
        FUZZ_CHECK(rc == 0 || rc == E_CORRUPT || rc == E_FORMAT);
        rc = rc == 0 ? (int)found : rc;
    }
    *tail = rc;
    segment_close(&segment);
    buf_free(&scratch);
    return batches;
}

static int on_batch(void *context, const struct batch *batch, struct err *err)
{
    (void)err;
    unsigned *batches = context;
    FUZZ_CHECK(batch->count > 0);
    ++*batches;
    return 0;
}

static int open_all(const char *path, unsigned *batches)
{
    struct disk disk = disk_system;
    struct segment *segment = NULL;
    enum segment_tail tail = SEGMENT_TAIL_OPEN;
    disk.fdatasync = no_sync;
    *batches = 0;
    int rc = segment_open(&segment, path, &disk, on_batch, batches, &tail, NULL);
    segment_close(&segment);
    return rc == 0 ? (int)tail : rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t image[FILE_BYTES];
    make_image(image, data, size);
    const char *path = fuzz_file_path(image, sizeof image);
    int tail = 0;
    unsigned opened = 0;
    unsigned read = read_all(path, &tail);
    FUZZ_CHECK(open_all(path, &opened) == tail);
    if (tail >= 0) {
        FUZZ_CHECK(opened == read);
        FUZZ_CHECK(open_all(path, &opened) == SEGMENT_TAIL_OPEN);
        FUZZ_CHECK(opened == read);
    }
    return 0;
}
