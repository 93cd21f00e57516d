/* server/catalogue.h - the catalogue as files have it, as items of the fleet's bag.
 *
 * The shipped file (catalogue/catalogue.json, in the program) and one of the administrator's
 * (`catalogue.file`), whose rows are added, or replace those of the same path:
 *
 *   {"categories": [{"path", "title": {"en", "ja"}, "class", "flag", "exported", "secret", "kind",
 *                    "value_max", "count_max"}],
 *    "defaults": [{"item", "value"} or {"item", "json"}]}
 *
 *   title      a text, or one for each language; "ja" may be left out
 *   class      "default-settings", "previous-settings", "shared-buttons", "timeline", "other"
 *   flag       "shared" or "device": it can be switched, and is so at first; left out: always
 * shared exported   true unless told; secret: false unless told kind       "bytes" unless told,
 * "text", "json"; value_max: bytes; count_max: items; 0: no limit value      the text of the
 * default; json: any JSON, which is its text
 *
 * What is not of that form is refused by file and line.
 */
#ifndef KITBAG_SERVER_CATALOGUE_H
#define KITBAG_SERVER_CATALOGUE_H

#include "base/err.h"
#include "journal/sharing.h"

enum { CATALOGUE_FILE_MAX = 1 << 20 };

extern const unsigned char catalogue_shipped[];
extern const size_t catalogue_shipped_size;

/* An item of the fleet's bag, as it is to be; the catalogue's own memory. */
struct catalogue_item {
    struct span path;
    struct span value;
};

struct catalogue;

/* Without any row. E_NOMEM. */
MUST_CHECK int catalogue_new(struct catalogue **out);
void catalogue_free(struct catalogue **catalogue);

/* Adds what `text` holds; `name` is for sentences. E_MALFORMED ("NAME, line 7: ..."), E_QUOTA (too
 * many categories), E_NOMEM: the catalogue is of no use then. */
MUST_CHECK int catalogue_add(struct catalogue *catalogue, struct span text, const char *name,
                             struct err *err);

/* The shipped rows and, unless it is NULL or "", those of the file. Also E_NOT_FOUND, E_PERMISSION,
 * E_IO, E_TOO_LARGE. */
MUST_CHECK int catalogue_read(struct catalogue **out, const char *file, struct err *err);

/* In the order of paths. */
size_t catalogue_count(const struct catalogue *catalogue);
const struct catalogue_item *catalogue_at(const struct catalogue *catalogue, size_t i);
/* Where the item of this path is; false: there is none. */
bool catalogue_find(const struct catalogue *catalogue, struct span path, size_t *at);

#endif
