/* tests/journal/journal_samples.h - a journal in a folder of the test's own. */
#ifndef KITBAG_TESTS_JOURNAL_JOURNAL_SAMPLES_H
#define KITBAG_TESTS_JOURNAL_JOURNAL_SAMPLES_H

#include <stdio.h>

#include "tests/journal/segment_samples.h"
#include "tests/support/tmp_folder.h"

enum { SAMPLE_SEGMENT_BYTES = 8 << 20 };

static char sample_dir[TMP_FOLDER_MAX];

static inline int sample_no_sync(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

/* The real disk without its syncs: for what a test only needs to be there. */
static inline struct disk sample_quick_disk(void)
{
    struct disk disk = disk_system;
    disk.fdatasync = sample_no_sync;
    disk.fsync = sample_no_sync;
    return disk;
}

static inline int sample_open(struct journal **out, const struct disk *disk,
                              struct journal_opened *opened, struct err *err)
{
    struct journal_options options = {
        .dir = sample_dir, .segment_bytes = SAMPLE_SEGMENT_BYTES, .disk = disk};
    return journal_open(out, &options, sample_history_id, opened, err);
}

/* `count` changes with values of `size` bytes. */
static inline int sample_append(struct journal *journal, uint32_t count, size_t size)
{
    struct buf payload;
    struct journal_position head;
    buf_init(&payload, BATCH_PAYLOAD_MAX);
    journal_head(journal, &head);
    sample_payload(&payload, head.seq + 1, count, size);
    int rc = journal_append(journal, count, 1000 + head.seq, buf_span(&payload), NULL, NULL);
    buf_free(&payload);
    return rc;
}

static inline void sample_file(char out[TMP_FOLDER_MAX], uint64_t base_seq)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%020llu.kbj", (unsigned long long)base_seq);
    tmp_folder_path(out, sample_dir, name);
}

/* Reads all from `seq` on and compares; returns the last seq, 0 when something is wrong. */
struct sample_reading {
    uint64_t next_seq;
    bool wrong;
};

static inline int sample_on_change(void *context, const struct change *change, struct err *err)
{
    (void)err;
    struct sample_reading *reading = context;
    reading->wrong = reading->wrong || change->seq != reading->next_seq ||
                     !sample_is(change->value, change->seq);
    reading->next_seq = change->seq + 1;
    return 0;
}

/* Reads on until the head; E_NOT_FOUND there, or the error. */
static inline int sample_read_on(struct journal_cursor *cursor, struct sample_reading *reading,
                                 struct err *err)
{
    struct unpacked scratch = {0};
    int rc = 0;
    while (rc == 0 && !reading->wrong) {
        struct batch batch;
        rc = journal_cursor_next(cursor, &batch, err);
        if (rc == 0) {
            rc = batch_changes(&batch, &scratch, sample_on_change, reading, err);
        }
    }
    unpack_close(&scratch);
    return rc;
}

static inline uint64_t sample_last_seq(struct journal *journal, uint64_t seq)
{
    struct err why = {0};
    struct err *err = &why;
    struct journal_cursor *cursor = NULL;
    struct sample_reading reading = {.next_seq = seq};
    int rc = journal_cursor_open(&cursor, journal, seq, err);
    if (rc == 0) {
        rc = sample_read_on(cursor, &reading, err);
    }
    journal_cursor_close(&cursor);
    if (rc != E_NOT_FOUND || reading.wrong) {
        (void)fprintf(stderr, "at change %llu: %s\n", (unsigned long long)reading.next_seq,
                      rc != E_NOT_FOUND ? err->text : "another value");
        return 0;
    }
    return reading.next_seq - 1;
}

#endif
