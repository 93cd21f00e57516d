/* journal/folder.h - the files of a journal's folder, by their names.
 *
 *   00000000000000000001.kbj   a segment: the seq of its first change in 20 digits
 *   next.kbj.prepared          the next segment's file, written ahead
 *   *.partial                  a file that was being made; worth nothing
 */
#ifndef KITBAG_JOURNAL_FOLDER_H
#define KITBAG_JOURNAL_FOLDER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/segment.h"

#define FOLDER_PREPARED "next.kbj.prepared"

struct folder {
    uint64_t *seqs; /* base seqs of the segments, rising */
    size_t count;
};

/* Reads the folder. E_NOT_FOUND (there is none), E_PERMISSION, E_NOMEM, E_SYSTEM. */
MUST_CHECK int folder_list(struct folder *out, const char *dir, struct err *err);
void folder_free(struct folder *folder);

/* The path of the segment that begins with `seq`; E_INVALID when it does not fit PATH_MAX. */
MUST_CHECK int folder_segment_path(char out[PATH_MAX], const char *dir, uint64_t seq,
                                   struct err *err);

/* Is the file that is named after `seq` what its name says, and does it go on behind the file
 * `before` (NULL: it is the first one)? NULL, or what is wrong. Whether the changes and hashes
 * join is not looked at. */
const char *folder_check_id(const struct segment_id *id, uint64_t seq,
                            const struct segment_id *before);

#endif
