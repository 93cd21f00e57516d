/* base/name.h - names of people and groups, and paths of items.
 *
 * Names are compared after NFKC and case folding (Unicode's NFKC_Casefold, in which characters that
 * nobody sees, such as a zero-width space, vanish) and shown as they were first written. Limits are
 * checked after folding: a full-width '/' folds to '/', and 255 bytes can fold to 2,800.
 */
#ifndef KITBAG_BASE_NAME_H
#define KITBAG_BASE_NAME_H

#include "base/buf.h"
#include "base/err.h"

enum {
    NAME_MAX_BYTES = 255,      /* shown and folded, each */
    PATH_MAX_BYTES = 255,      /* an item's path */
    VALUE_MAX_BYTES = 1 << 20, /* an item's value */
};

/* Fold `shown` into `folded` (room for NAME_MAX_BYTES + 1; NUL-ended). Refused with E_NAME and a
 * sentence: not UTF-8, empty, longer than 255 bytes before or after folding, containing '/', ':',
 * a control or an unassigned or bidirectional-override character, leading or trailing space. */
MUST_CHECK int name_fold(struct span shown, char *folded, struct err *err);

/* For searching: fold without refusing anything but bad UTF-8 and size; an empty text is fine. */
MUST_CHECK int name_fold_search(struct span text, char *folded, size_t folded_size,
                                struct err *err);

/* Refused with E_PATH and a sentence that names the limit: empty, over 255 bytes, not UTF-8, a
 * leading or trailing '/', an empty segment, a segment "." or "..", a control character. */
MUST_CHECK int path_check(struct span path, struct err *err);

/* Is this a path that Kitbag keeps for itself (its first segment begins with '@')? */
bool path_reserved(struct span path);

/* E_TOO_LARGE over 1 MiB, with a sentence that names the path and the limit. */
MUST_CHECK int value_check(struct span path, struct span value, struct err *err);

#endif
