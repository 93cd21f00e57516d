/* cli/value.h - an item's value from the command line: VALUE, @FILE, or - for standard input. */
#ifndef KITBAG_CLI_VALUE_H
#define KITBAG_CLI_VALUE_H

#include "base/buf.h"
#include "base/err.h"

/* Appended to `out`, up to its maximum. E_TOO_LARGE, what reading the file or input may return. */
MUST_CHECK int value_read(const char *text, struct buf *out, struct err *err);
/* All that standard input has, the same way. */
MUST_CHECK int value_read_input(struct buf *out, struct err *err);

#endif
