/* transport/text.h - text that peers send: is it UTF-8, may it be shown. */
#ifndef KITBAG_TRANSPORT_TEXT_H
#define KITBAG_TRANSPORT_TEXT_H

#include "base/buf.h"

/* Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(struct span text);

/* UTF-8 without control characters (U+0000..1F, U+7F..9F). */
bool text_is_printable(struct span text);

/* `text` (NULL: empty) made fit to be sent as a sentence into `out`: cut to `max` bytes between
 * characters, bytes that are no UTF-8 replaced by '?'. `out` has room for `max`. */
struct span text_clean(const char *text, char *out, size_t max);

#endif
