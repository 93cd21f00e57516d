/* server/removals.h - what was taken away: machines, people, rights. Read out of the journal, and
 * kept beside every backup, so that a restored backup brings none of it back.
 *
 * The file `removals` is text, a line for each removal, appended to while the server runs:
 *
 *   CRC {"what": "removals", "format": 1, "server", "folder", "inode"}      the first line
 *   CRC {"what": "device", "history", "seq", "time_ms", "device", "text"}   a machine was removed
 *   CRC {"what": "key", ..., "device", "key"}        a machine has another key: the old one is void
 *   CRC {"what": "bag", ..., "bag", "text"}          a bag was deleted; text: "user:zoe"
 *   CRC {"what": "item", ..., "text"}                an item of the server's bag: a join token that
 *                                                    was used or removed, an account, an API token
 *   CRC {"what": "through", ...}                     all up to this change is told
 *   CRC {"what": "gap", ...}                         what was removed before this change, and is
 * not told by a line above, is not known
 *
 * CRC is the CRC32C of the rest of the line, 8 hexadecimal digits. A last line without its newline
 * was cut short by a crash, and counts as not there. `folder` and `inode` tell the original from a
 * copy: only that one is kept up to date.
 */
#ifndef KITBAG_SERVER_REMOVALS_H
#define KITBAG_SERVER_REMOVALS_H

#include <limits.h>

#include "journal/journal.h"
#include "server/records.h"

enum removal_kind {
    REMOVAL_DEVICE = 1,
    REMOVAL_KEY,
    REMOVAL_BAG,
    REMOVAL_ITEM,
    REMOVAL_THROUGH,
    REMOVAL_GAP,
};

enum { REMOVAL_TEXT_MAX = 600 }; /* of a bag's owner, an item's path, a machine's name */

struct removal {
    enum removal_kind kind;
    uint8_t history[HISTORY_SIZE];
    uint64_t seq;
    uint64_t time_ms;
    uint64_t device;       /* DEVICE, KEY */
    uint8_t key[KEY_SIZE]; /* KEY: the new one */
    uint64_t bag_id;       /* BAG */
    char text[REMOVAL_TEXT_MAX];
};

/* Could the change have taken something away? Cheap: for every change that is committed. */
bool removal_possible(const struct change *change, uint64_t server_bag);
/* What the change took away; false: nothing. `out->history` is left to the caller, and so is the
 * text of a bag, whose owner the change does not name. */
bool removal_of_change(struct removal *out, const struct change *change, uint64_t server_bag);

/* --- from a journal --- */

typedef int removal_fn(void *context, const struct removal *removal, struct err *err);

/* All of the changes from `from_seq` to the head as it is now, which `through` is told (kind
 * THROUGH; its seq is 0 when there is no such change). E_TOO_OLD: the journal begins later; what
 * `each` returned; E_CORRUPT, E_IO. */
MUST_CHECK int removals_scan(struct journal *journal, uint64_t from_seq, uint64_t server_bag,
                             removal_fn *each, void *context, struct removal *through,
                             struct err *err);

/* --- the file --- */

struct removals_head {
    uint8_t server[KEY_SIZE];
    bool original; /* it lies where the server keeps it up to date, and is no copy */
};

/* Make FOLDER/removals, durable, where there is none. E_NOSPACE, E_PERMISSION, E_IO... */
MUST_CHECK int removals_create(const char *folder, const uint8_t server[KEY_SIZE], struct err *err);

/* Append lines, durable. What a crash left of a line is cut off first. E_NOT_FOUND, E_NOSPACE... */
MUST_CHECK int removals_append(const char *folder, const struct removal *removals, size_t count,
                               struct err *err);

/* Read FOLDER/removals, line by line. `head` (may be NULL) is told before the first call of `each`
 * (may be NULL). E_NOT_FOUND, E_CORRUPT (names the line), E_FORMAT. */
MUST_CHECK int removals_read(const char *folder, struct removals_head *head, removal_fn *each,
                             void *context, struct err *err);

#endif
