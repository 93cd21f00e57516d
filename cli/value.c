/* cli/value.c - an item's value from the command line. */
#include "cli/value.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"

/* Why it was not appended. */
static int refused(const struct buf *out, const char *what, struct err *err)
{
    int rc = buf_error(out);
    return rc == E_TOO_LARGE ? err_set(err, rc, "%s larger than %zu bytes", what, out->max)
                             : err_set(err, rc, "out of memory");
}

int value_read_input(struct buf *out, struct err *err)
{
    ASSERT(out != NULL);
    char chunk[65536];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, stdin)) > 0) {
        if (buf_append(out, chunk, got) != 0) {
            return refused(out, "standard input is", err);
        }
    }
    return ferror(stdin) != 0 ? err_sys(err, "read", "standard input") : 0;
}

int value_read(const char *text, struct buf *out, struct err *err)
{
    ASSERT(text != NULL && out != NULL);
    if (strcmp(text, "-") == 0) {
        return value_read_input(out, err);
    }
    if (text[0] == '@') {
        return file_read(text + 1, out, err);
    }
    return buf_append(out, text, strlen(text)) == 0 ? 0 : refused(out, "the value is", err);
}
