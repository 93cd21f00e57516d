/* admin/lines.h - the lines of a file that nobody vouches for, one after the other, with bounded
 * memory.
 *
 * Lines end with LF or CR LF. A line that begins with one of the bytes of `fold` goes on the one
 * before it, without that byte. A byte order mark at the start of the file is left out.
 */
#ifndef KITBAG_ADMIN_LINES_H
#define KITBAG_ADMIN_LINES_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

enum { LINES_WINDOW_BYTES = 64 << 10 };

struct admin_lines {
    int fd;           /* borrowed, read from offset 0 with pread */
    const char *what; /* "the LDIF file"; borrowed */
    const char *fold; /* "" when lines are not folded; borrowed */
    off_t file_at;    /* of the end of the window */
    uint8_t window[LINES_WINDOW_BYTES];
    size_t at, end;  /* of what is not read in it */
    uint64_t line;   /* the number of the line that was read last, its first one; from 1 */
    uint64_t taken;  /* lines of the file so far */
    bool crlf;       /* the line read last ended with CR LF */
    struct buf text; /* the line, unfolded, without its end */
};

void admin_lines_open(struct admin_lines *lines, int fd, const char *what, const char *fold,
                      size_t max_bytes);
void admin_lines_close(struct admin_lines *lines);

/* The next line, in `text`; one that is longer than its maximum leaves buf_error(&text) set and is
 * behind us all the same. E_NOT_FOUND at the end, E_IO. */
MUST_CHECK int admin_lines_next(struct admin_lines *lines, struct err *err);

#endif
