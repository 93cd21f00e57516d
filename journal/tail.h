/* journal/tail.h - what the bytes behind the last whole batch mean. Reads only.
 *
 * A crash may leave any part of the last write on the disk, sector by sector; nothing else. So a
 * batch counts as cut short by a crash only when one of its sectors still shows the pattern that
 * the file was made with, and nothing but the pattern lies behind it. All else is damage, and
 * damage is never repaired by forgetting.
 *
 * A mirror writes several batches at once, BATCH_SIZE_MAX bytes in all at most. There whole batches
 * may stand behind the one that was cut short, so long as they lie no further away than that.
 */
#ifndef KITBAG_JOURNAL_TAIL_H
#define KITBAG_JOURNAL_TAIL_H

#include "journal/segment.h"

/* The file that is judged; all borrowed. */
struct tail_file {
    int fd;
    const char *path;
    off_t size;
    uint64_t word;
    const uint8_t *history; /* HISTORY_SIZE bytes */
    bool grouped;           /* it is a mirror's */
};

struct tail_verdict {
    enum segment_tail tail;
    off_t used_to; /* the bytes from the offset judged to here have to become pattern again */
};

/* Judge what is at `at`, where no whole batch that follows at->hash begins.
 * E_CORRUPT and E_FORMAT name file, offset and seq; E_IO, E_NOMEM. */
MUST_CHECK int tail_judge(const struct tail_file *file, const struct segment_position *at,
                          struct tail_verdict *out, struct err *err);

/* From the end of a full file: the batch that ends with next->base_seq - 1 and next->prev_hash,
 * behind which there must be pattern only. `last` is told without its payload. E_CORRUPT, E_IO,
 * E_NOMEM. */
MUST_CHECK int tail_find_last(const struct tail_file *file, const struct segment_id *next,
                              struct batch *last, struct err *err);

#endif
