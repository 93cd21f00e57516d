/* journal/sharing.h - which items exist, and which of them every machine has a copy of its own of.
 *
 * The catalogue and its flags are items of the fleet's bag: they travel to every machine and are
 * recovered like any other.
 *
 *   @category/PATH   a row of the catalogue: a msgpack array
 *                    [bits, class str, kind, value_max, count_max, title str, title_ja str]
 *   @sharing/PATH    its flag as it was set: [device bool, copy bool]; without it the default holds
 *   @default/ITEM    the value of every user's ITEM who has none; its bytes as they are
 *
 * bits: 1 has a flag, 2 the flag's default is device-specific, 4 exported, 8 secret. kind: 0 bytes,
 * 1 text, 2 JSON. value_max (bytes of a value) and count_max (items): 0 for no limit of its own.
 *
 * An item belongs to the longest category that its path is, or goes on behind with '/'. Without
 * one, or in one without a flag, it is always shared. Pure.
 */
#ifndef KITBAG_JOURNAL_SHARING_H
#define KITBAG_JOURNAL_SHARING_H

#include "base/pack.h"
#include "journal/fence.h"

/* Where an item of a user lives: in the user's bag, or in that of the user on one device. */
enum sharing_layer { SHARING_SHARED, SHARING_DEVICE };

/* Numbers are on disk and on the wire. */
enum sharing_kind { SHARING_BYTES = 0, SHARING_TEXT = 1, SHARING_JSON = 2 };

/* What is initialised together when a flag changes. */
enum sharing_class {
    SHARING_OTHER,
    SHARING_DEFAULT_SETTINGS,
    SHARING_PREVIOUS_SETTINGS,
    SHARING_SHARED_BUTTONS,
    SHARING_TIMELINE,
    SHARING_CLASSES, /* how many there are */
};

enum {
    SHARING_PATH_MAX = FENCE_CATEGORY_MAX, /* bytes of a category's path: it can be fenced */
    SHARING_TITLE_MAX = 255,               /* bytes of each title */
    SHARING_CATEGORIES_MAX = 1024,         /* of one fleet */
    SHARING_COUNT_MAX = 10000,             /* the highest count_max there is */
};

#define SHARING_CATEGORY "@category/"
#define SHARING_FLAG     "@sharing/"
#define SHARING_DEFAULT  "@default/"

/* Texts are NUL-ended; of a set they are the set's own. */
struct category {
    const char *path;
    size_t path_size;
    enum sharing_class class;
    enum sharing_kind kind;
    bool has_flag, default_device, exported, secret;
    uint64_t value_max, count_max;
    const char *title, *title_ja;
    /* The flag now. Without one: shared, no copy, 0. */
    bool device;
    bool copy; /* DEVICE: a device without a value of its own reads the shared one from before */
    uint64_t flag_seq; /* of the change that set it; 0: the catalogue's default */
};

const char *sharing_class_name(enum sharing_class class); /* "default-settings" */
MUST_CHECK int sharing_class_of(struct span name, enum sharing_class *class); /* E_NOT_FOUND */
const char *sharing_kind_name(enum sharing_kind kind); /* "bytes", "text", "json" */
MUST_CHECK int sharing_kind_of(struct span name, enum sharing_kind *kind); /* E_NOT_FOUND */

/* Does it begin with "@category/" or "@sharing/"? */
bool sharing_path_is(struct span path);
/* `prefix` (SHARING_CATEGORY, SHARING_FLAG) and the category, appended. E_PATH: it is no category
 * (see fence_path); or the buffer's error. */
MUST_CHECK int sharing_path(struct buf *out, const char *prefix, struct span category);
/* Appended; errors stay in the buffer. Of a category the flag does not count. */
void sharing_put_category(struct buf *out, const struct category *category);
void sharing_put_flag(struct buf *out, bool device, bool copy);
/* The way back. E_MALFORMED, E_NOMEM: the two are as they were. */
MUST_CHECK int sharing_get_flag(struct span value, bool *device, bool *copy, struct err *err);
/* Could the item be put? E_MALFORMED with a sentence, E_NOMEM. Others than the two are fine. */
MUST_CHECK int sharing_check(struct span path, struct span value, struct err *err);

/* The catalogue and the flags of a fleet, to look items up in. Born zeroed; one owner. */
struct sharing_entry;
struct sharing {
    struct sharing_entry **entries; /* in the order of paths; flags without a row too */
    size_t count;
    size_t capacity;
    struct sharing_entry **slots; /* the same, by the hashes of their paths */
    size_t slot_count;            /* a power of two, or 0 */
};

/* The live item `path` of the fleet, as it is from now on. Copies. Items that are neither a
 * category nor a flag are ignored. E_MALFORMED (the set is as it was), E_QUOTA (more than
 * SHARING_CATEGORIES_MAX), E_NOMEM. */
MUST_CHECK int sharing_put(struct sharing *set, struct span path, uint64_t seq, struct span value,
                           struct err *err);
/* The item is gone. One that is not there is fine. */
void sharing_remove(struct sharing *set, struct span path);
void sharing_free(struct sharing *set);

/* The category that an item belongs to; NULL: none. Valid until the set changes. */
const struct category *sharing_find(const struct sharing *set, struct span item_path);
/* The category of exactly this path; NULL: none. */
const struct category *sharing_get(const struct sharing *set, struct span path);
/* All of them in the order of paths: the next one behind `previous` (NULL: the first); NULL: that
 * was the last. */
const struct category *sharing_next(const struct sharing *set, const struct category *previous);

/* Is this what an item of the category (NULL: of none) may hold? E_TOO_LARGE, E_CATEGORY (no text
 * in UTF-8, no JSON) with a sentence. Not in the case of one that is removed. */
MUST_CHECK int sharing_check_value(const struct category *category, struct span item_path,
                                   struct span value, struct err *err);

/* Where an item of this category (NULL: of none) is written now. */
enum sharing_layer sharing_layer_of(const struct category *category);

#endif
