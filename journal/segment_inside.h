/* journal/segment_inside.h - the inside of struct segment, for the two files that are made of it:
 * segment.c (append, read) and segment_file.c (make, open).
 */
#ifndef KITBAG_JOURNAL_SEGMENT_INSIDE_H
#define KITBAG_JOURNAL_SEGMENT_INSIDE_H

#include <stdatomic.h>

#include "journal/format.h"
#include "journal/tail.h"

struct segment {
    /* Fixed once it is open. */
    int fd;
    bool writable;
    const struct disk *disk;
    char *path;
    struct format_file file;
    /* The appending thread's. */
    bool failed;  /* a write or sync failed: nothing more is taken */
    bool stopped; /* the mark of a clean stop is written */
    uint64_t next_seq;
    uint8_t last_hash[SHA256_SIZE];
    uint8_t *batch; /* the batch that is written, padded */
    size_t batch_capacity;
    /* Everybody's. */
    _Atomic(off_t) end;
};

/* An object without a file yet. `disk` NULL: the real one. */
MUST_CHECK int segment_new(struct segment **out, const char *path, const struct disk *disk,
                           struct err *err);

/* A failed write or sync leaves it unknown what the disk holds, whatever the reason was: turns the
 * error into E_IO, which it returns. */
int segment_io_failed(struct err *err);

static inline off_t segment_file_end(const struct segment *segment)
{
    return (off_t)segment->file.file_size;
}

/* Borrows from the segment. */
static inline struct tail_file segment_tail_file(const struct segment *segment)
{
    return (struct tail_file){
        .fd = segment->fd,
        .path = segment->path,
        .size = segment_file_end(segment),
        .word = segment->file.word,
        .history = segment->file.id.history,
        .grouped = segment->file.id.purpose == SEGMENT_MIRROR,
    };
}

#endif
