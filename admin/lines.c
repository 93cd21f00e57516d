/* admin/lines.c - a window over the file, from which lines are taken. */
#include "admin/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void admin_lines_open(struct admin_lines *lines, int fd, const char *what, const char *fold,
                      size_t max_bytes)
{
    ASSERT(lines != NULL && fd >= 0 && what != NULL && fold != NULL);
    lines->fd = fd;
    lines->what = what;
    lines->fold = fold;
    lines->file_at = 0;
    lines->at = lines->end = 0;
    lines->line = lines->taken = 0;
    lines->crlf = false;
    buf_init(&lines->text, max_bytes);
}

void admin_lines_close(struct admin_lines *lines)
{
    buf_free(&lines->text);
}

/* At least one byte in the window: 0, E_NOT_FOUND at the end of the file, E_IO. */
static int fill(struct admin_lines *lines, struct err *err)
{
    if (lines->at < lines->end) {
        return 0;
    }
    ssize_t got;
    do {
        got = pread(lines->fd, lines->window, sizeof lines->window, lines->file_at);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return err_sys(err, "read", lines->what);
    }
    lines->at = 0;
    lines->end = (size_t)got;
    lines->file_at += got;
    return got > 0 ? 0 : E_NOT_FOUND;
}

/* Take a line of the file to the end of `text`, without its end. Too much is dropped, and the
 * buffer marked. Only called when there is a byte. */
static int take_line(struct admin_lines *lines, struct err *err)
{
    lines->taken++;
    for (;;) {
        const uint8_t *from = lines->window + lines->at;
        size_t size = lines->end - lines->at;
        const uint8_t *end = memchr(from, '\n', size);
        size = end != NULL ? (size_t)(end - from) : size;
        (void)buf_append(&lines->text, from, size);
        lines->at += size + (end != NULL);
        if (end != NULL) {
            break;
        }
        int rc = fill(lines, err);
        if (rc == E_NOT_FOUND) {
            break;
        }
        if (rc != 0) {
            return rc;
        }
    }
    lines->crlf = lines->text.size > 0 && lines->text.data[lines->text.size - 1] == '\r';
    lines->text.size -= lines->crlf;
    return 0;
}

static void drop_mark(struct admin_lines *lines)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (lines->line == 1 && lines->text.size >= 3 && memcmp(lines->text.data, mark, 3) == 0) {
        memmove(lines->text.data, lines->text.data + 3, lines->text.size - 3);
        lines->text.size -= 3;
    }
}

static bool is_folded(const struct admin_lines *lines)
{
    return lines->window[lines->at] != 0 && strchr(lines->fold, lines->window[lines->at]) != NULL;
}

int admin_lines_next(struct admin_lines *lines, struct err *err)
{
    buf_reset(&lines->text);
    int rc = fill(lines, err);
    if (rc != 0) {
        return rc;
    }
    lines->line = lines->taken + 1;
    rc = take_line(lines, err);
    while (rc == 0 && (lines->text.size > 0 || lines->text.error != 0)) {
        rc = fill(lines, err);
        if (rc != 0 || !is_folded(lines)) {
            break;
        }
        lines->at++;
        rc = take_line(lines, err);
    }
    drop_mark(lines);
    return rc == E_NOT_FOUND ? 0 : rc;
}
