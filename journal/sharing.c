/* journal/sharing.c - categories and flags: their bytes, and the set that items are looked up in.
 */
#include "journal/sharing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"

enum { CATEGORY_FIELDS = 7, FLAG_FIELDS = 2, ELEMENTS_MAX = 16, SLOTS_MIN = 64 };

enum category_bits { HAS_FLAG = 1, DEFAULT_DEVICE = 2, EXPORTED = 4, SECRET = 8, ALL_BITS = 15 };

/* A path that has a row, a flag, or both. It stays where it is while it is in a set. */
struct sharing_entry {
    struct category row; /* its flag is that of now */
    bool has_row;
    char *texts;  /* owned: what the row's titles point to */
    bool was_set; /* there is a flag that was set: */
    bool device, copy;
    uint64_t seq;
    uint32_t hash;
    char path[SHARING_PATH_MAX + 1];
};

/* What an item's value says. */
struct flag {
    bool device, copy;
};

/* --- names --- */

static const char *const class_names[SHARING_CLASSES] = {
    [SHARING_OTHER] = "other",
    [SHARING_DEFAULT_SETTINGS] = "default-settings",
    [SHARING_PREVIOUS_SETTINGS] = "previous-settings",
    [SHARING_SHARED_BUTTONS] = "shared-buttons",
    [SHARING_TIMELINE] = "timeline",
};

static const char *const kind_names[] = {
    [SHARING_BYTES] = "bytes",
    [SHARING_TEXT] = "text",
    [SHARING_JSON] = "json",
};

/* Which of the names it is; E_NOT_FOUND: a negative number. */
static int index_of(const char *const *names, int count, struct span name)
{
    for (int i = 0; i < count; i++) {
        if (span_equal(name, span_str(names[i]))) {
            return i;
        }
    }
    return E_NOT_FOUND;
}

const char *sharing_class_name(enum sharing_class class)
{
    ASSERT((unsigned)class < SHARING_CLASSES);
    return class_names[class];
}

int sharing_class_of(struct span name, enum sharing_class *class)
{
    ASSERT(class != NULL);
    int i = index_of(class_names, SHARING_CLASSES, name);
    if (i < 0) {
        return i;
    }
    *class = (enum sharing_class)i;
    return 0;
}

const char *sharing_kind_name(enum sharing_kind kind)
{
    ASSERT((unsigned)kind <= SHARING_JSON);
    return kind_names[kind];
}

int sharing_kind_of(struct span name, enum sharing_kind *kind)
{
    ASSERT(kind != NULL);
    int i = index_of(kind_names, SHARING_JSON + 1, name);
    if (i < 0) {
        return i;
    }
    *kind = (enum sharing_kind)i;
    return 0;
}

/* --- paths --- */

static bool starts_with(struct span path, const char *prefix)
{
    size_t size = strlen(prefix);
    return path.size > size && memcmp(path.data, prefix, size) == 0;
}

bool sharing_path_is(struct span path)
{
    return starts_with(path, SHARING_CATEGORY) || starts_with(path, SHARING_FLAG);
}

static int check_path(struct span path)
{
    bool fits = path.size > 0 && path.size <= SHARING_PATH_MAX && path.data[0] != '@' &&
                path_check(path, NULL) == 0;
    return fits ? 0 : E_PATH;
}

int sharing_path(struct buf *out, const char *prefix, struct span category)
{
    ASSERT(out != NULL && prefix != NULL);
    if (check_path(category) != 0) {
        return E_PATH;
    }
    (void)buf_append_span(out, span_str(prefix));
    (void)buf_append_span(out, category);
    return buf_error(out);
}

/* What stands behind the prefix of one of ours. */
static struct span category_of(struct span path)
{
    size_t size = starts_with(path, SHARING_FLAG) ? sizeof SHARING_FLAG : sizeof SHARING_CATEGORY;
    return (struct span){path.data + size - 1, path.size - (size - 1)};
}

/* --- values --- */

void sharing_put_category(struct buf *out, const struct category *category)
{
    ASSERT(out != NULL && category != NULL);
    uint64_t bits = (category->has_flag ? HAS_FLAG : 0U) |
                    (category->default_device ? DEFAULT_DEVICE : 0U) |
                    (category->exported ? EXPORTED : 0U) | (category->secret ? SECRET : 0U);
    pack_array(out, CATEGORY_FIELDS);
    pack_u64(out, bits);
    pack_cstr(out, sharing_class_name(category->class));
    pack_u64(out, (uint64_t)category->kind);
    pack_u64(out, category->value_max);
    pack_u64(out, category->count_max);
    pack_cstr(out, category->title);
    pack_cstr(out, category->title_ja);
}

void sharing_put_flag(struct buf *out, bool device, bool copy)
{
    ASSERT(out != NULL);
    pack_array(out, FLAG_FIELDS);
    pack_bool(out, device);
    pack_bool(out, copy);
}

static int open_value(struct unpacked *scratch, struct span value, struct err *err)
{
    int rc = unpack_open(scratch, value, ELEMENTS_MAX);
    if (rc == E_NOMEM) {
        return err_set(err, rc, "out of memory");
    }
    return rc == 0 ? 0 : err_set(err, E_MALFORMED, "a category's value is not readable");
}

static struct span walk_title(struct walk *walk)
{
    struct span title = walk_str(walk);
    bool good = title.size > 0 && title.size <= SHARING_TITLE_MAX &&
                memchr(title.data, '\0', title.size) == NULL;
    if (!good && walk->error == 0) {
        walk->error = E_MALFORMED;
    }
    return title;
}

/* Titles are borrowed from the value, without a NUL behind them: `titles` has their sizes. */
static int read_category(struct unpacked *scratch, struct span value, struct category *out,
                         struct span titles[2], struct err *err)
{
    int rc = open_value(scratch, value, err);
    if (rc != 0) {
        return rc;
    }
    struct category row = {0};
    struct walk walk = walk_array(&scratch->root);
    uint64_t bits = walk_u64_max(&walk, ALL_BITS);
    struct span class = walk_str(&walk);
    row.kind = (enum sharing_kind)walk_u64_max(&walk, SHARING_JSON);
    row.value_max = walk_u64_max(&walk, VALUE_MAX_BYTES);
    row.count_max = walk_u64_max(&walk, SHARING_COUNT_MAX);
    titles[0] = walk_title(&walk);
    titles[1] = walk_title(&walk);
    if (walk_end(&walk, false) != 0 || sharing_class_of(class, &row.class) != 0) {
        return err_set(err, E_MALFORMED, "a category's value has not the form of one");
    }
    row.has_flag = (bits & HAS_FLAG) != 0;
    row.default_device = (bits & DEFAULT_DEVICE) != 0;
    row.exported = (bits & EXPORTED) != 0;
    row.secret = (bits & SECRET) != 0;
    *out = row;
    return 0;
}

static int read_flag(struct unpacked *scratch, struct span value, struct flag *out, struct err *err)
{
    int rc = open_value(scratch, value, err);
    if (rc != 0) {
        return rc;
    }
    struct walk walk = walk_array(&scratch->root);
    struct flag flag = {.device = walk_bool(&walk)};
    flag.copy = walk_bool(&walk);
    if (walk_end(&walk, false) != 0 || (flag.copy && !flag.device)) {
        return err_set(err, E_MALFORMED, "the value of a category's flag has not the form of one");
    }
    *out = flag;
    return 0;
}

int sharing_get_flag(struct span value, bool *device, bool *copy, struct err *err)
{
    ASSERT(device != NULL && copy != NULL);
    struct unpacked scratch = {0};
    struct flag flag = {*device, *copy};
    int rc = read_flag(&scratch, value, &flag, err);
    unpack_close(&scratch);
    *device = flag.device;
    *copy = flag.copy;
    return rc;
}

int sharing_check(struct span path, struct span value, struct err *err)
{
    if (!sharing_path_is(path)) {
        return 0;
    }
    if (check_path(category_of(path)) != 0) {
        return err_set(err, E_MALFORMED, "the path '%.*s' names no category", (int)path.size,
                       (const char *)path.data);
    }
    struct unpacked scratch = {0};
    struct category row;
    struct span titles[2];
    struct flag flag;
    int rc = starts_with(path, SHARING_FLAG) ? read_flag(&scratch, value, &flag, err)
                                             : read_category(&scratch, value, &row, titles, err);
    unpack_close(&scratch);
    return rc;
}

/* --- the set --- */

/* FNV-1a, byte by byte, so that one pass over an item's path meets all that it may belong to. */
static const uint32_t HASH_START = 0x811c9dc5;
static const uint32_t HASH_STEP = 0x01000193;

static uint32_t hash_more(uint32_t hash, uint8_t byte)
{
    return (hash ^ byte) * HASH_STEP;
}

static uint32_t hash_path(struct span path)
{
    uint32_t hash = HASH_START;
    for (size_t i = 0; i < path.size; i++) {
        hash = hash_more(hash, path.data[i]);
    }
    return hash;
}

static struct span path_of(const struct sharing_entry *entry)
{
    return span_of(entry->path, entry->row.path_size);
}

static void place(struct sharing_entry **slots, size_t slot_count, struct sharing_entry *entry)
{
    size_t at = entry->hash & (slot_count - 1);
    while (slots[at] != NULL) {
        at = (at + 1) & (slot_count - 1);
    }
    slots[at] = entry;
}

/* Slots for so many entries, at least twice as many; the set's own when they are enough. */
static struct sharing_entry **reserve_slots(const struct sharing *set, size_t count,
                                            size_t *slot_count)
{
    *slot_count = set->slot_count < SLOTS_MIN ? SLOTS_MIN : set->slot_count;
    while (*slot_count < 2 * count) {
        *slot_count *= 2;
    }
    return *slot_count == set->slot_count ? set->slots : calloc(*slot_count, sizeof *set->slots);
}

static void fill_slots(struct sharing *set)
{
    memset(set->slots, 0, set->slot_count * sizeof *set->slots);
    for (size_t i = 0; i < set->count; i++) {
        place(set->slots, set->slot_count, set->entries[i]);
    }
}

static struct sharing_entry *probe(const struct sharing *set, struct span path, uint32_t hash)
{
    size_t mask = set->slot_count - 1;
    for (size_t at = hash & mask; set->slots[at] != NULL; at = (at + 1) & mask) {
        struct sharing_entry *entry = set->slots[at];
        if (entry->hash == hash && span_equal(path_of(entry), path)) {
            return entry;
        }
    }
    return NULL;
}

static struct sharing_entry *look_up(const struct sharing *set, struct span path)
{
    return set->count == 0 ? NULL : probe(set, path, hash_path(path));
}

/* Where the entry of this path is, or would be. */
static size_t position_of(const struct sharing *set, struct span path)
{
    size_t low = 0;
    size_t high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (span_compare(path_of(set->entries[middle]), path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void free_entry(struct sharing_entry *entry)
{
    free(entry->texts);
    free(entry);
}

/* What the flag is now: as it was set, else the catalogue's. */
static void settle(struct sharing_entry *entry)
{
    struct category *row = &entry->row;
    bool set = row->has_flag && entry->was_set;
    row->device = set ? entry->device : row->has_flag && row->default_device;
    row->copy = set && entry->copy;
    row->flag_seq = set ? entry->seq : 0;
}

/* An entry without row and flag is added; E_QUOTA, E_NOMEM: the set is as it was. */
static int add_entry(struct sharing *set, struct span path, struct sharing_entry **out)
{
    if (set->count == SHARING_CATEGORIES_MAX) {
        return E_QUOTA;
    }
    struct sharing_entry **entries =
        array_reserve(set->entries, &set->capacity, set->count + 1, sizeof(struct sharing_entry *));
    if (entries == NULL) {
        return E_NOMEM;
    }
    set->entries = entries;
    size_t slot_count = 0;
    struct sharing_entry **slots = reserve_slots(set, set->count + 1, &slot_count);
    struct sharing_entry *entry = calloc(1, sizeof *entry);
    if (slots == NULL || entry == NULL) {
        free(entry);
        if (slots != set->slots) {
            free(slots);
        }
        return E_NOMEM;
    }
    if (slots != set->slots) {
        free(set->slots);
    }
    set->slots = slots;
    set->slot_count = slot_count;
    memcpy(entry->path, path.data, path.size);
    entry->row.path = entry->path;
    entry->row.path_size = path.size;
    entry->hash = hash_path(path);
    size_t at = position_of(set, path);
    memmove(&entries[at + 1], &entries[at], (set->count - at) * sizeof(struct sharing_entry *));
    entries[at] = entry;
    set->count++;
    fill_slots(set);
    *out = entry;
    return 0;
}

static int find_or_add(struct sharing *set, struct span path, struct sharing_entry **out,
                       struct err *err)
{
    *out = look_up(set, path);
    if (*out != NULL) {
        return 0;
    }
    int rc = add_entry(set, path, out);
    if (rc == 0) {
        return 0;
    }
    return rc == E_QUOTA ? err_set(err, rc, "there are %d categories already, the limit",
                                   (int)SHARING_CATEGORIES_MAX)
                         : err_set(err, rc, "out of memory");
}

static int put_flag(struct sharing *set, struct span path, uint64_t seq, struct span value,
                    struct err *err)
{
    struct unpacked scratch = {0};
    struct flag flag = {0};
    struct sharing_entry *entry = NULL;
    int rc = read_flag(&scratch, value, &flag, err);
    unpack_close(&scratch);
    if (rc == 0) {
        rc = find_or_add(set, path, &entry, err);
    }
    if (rc == 0) {
        entry->was_set = true;
        entry->device = flag.device;
        entry->copy = flag.copy;
        entry->seq = seq;
        settle(entry);
    }
    return rc;
}

/* Both titles in one block, each with a NUL. */
static char *copy_titles(const struct span titles[2])
{
    char *texts = malloc(titles[0].size + titles[1].size + 2);
    if (texts != NULL) {
        memcpy(texts, titles[0].data, titles[0].size);
        texts[titles[0].size] = '\0';
        char *second = texts + titles[0].size + 1;
        memcpy(second, titles[1].data, titles[1].size);
        second[titles[1].size] = '\0';
    }
    return texts;
}

static int put_row(struct sharing *set, struct span path, struct span value, struct err *err)
{
    struct unpacked scratch = {0};
    struct category row = {0};
    struct span titles[2] = {0};
    struct sharing_entry *entry = NULL;
    char *texts = NULL;
    int rc = read_category(&scratch, value, &row, titles, err);
    if (rc == 0) {
        texts = copy_titles(titles);
        rc = texts != NULL ? find_or_add(set, path, &entry, err)
                           : err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        free(entry->texts);
        entry->texts = texts;
        texts = NULL;
        row.title = entry->texts;
        row.title_ja = entry->texts + titles[0].size + 1;
        row.path = entry->path;
        row.path_size = path.size;
        entry->row = row;
        entry->has_row = true;
        settle(entry);
    }
    free(texts);
    unpack_close(&scratch);
    return rc;
}

int sharing_put(struct sharing *set, struct span path, uint64_t seq, struct span value,
                struct err *err)
{
    ASSERT(set != NULL);
    if (!sharing_path_is(path)) {
        return 0;
    }
    struct span category = category_of(path);
    if (check_path(category) != 0) {
        return err_set(err, E_MALFORMED, "the path '%.*s' names no category", (int)path.size,
                       (const char *)path.data);
    }
    return starts_with(path, SHARING_FLAG) ? put_flag(set, category, seq, value, err)
                                           : put_row(set, category, value, err);
}

static void drop_entry(struct sharing *set, struct sharing_entry *entry)
{
    size_t at = position_of(set, path_of(entry));
    ASSERT(set->entries[at] == entry);
    set->count--;
    memmove(&set->entries[at], &set->entries[at + 1],
            (set->count - at) * sizeof(struct sharing_entry *));
    free_entry(entry);
    fill_slots(set);
}

void sharing_remove(struct sharing *set, struct span path)
{
    ASSERT(set != NULL);
    struct sharing_entry *entry = sharing_path_is(path) ? look_up(set, category_of(path)) : NULL;
    if (entry == NULL) {
        return;
    }
    if (starts_with(path, SHARING_FLAG)) {
        entry->was_set = false;
    } else {
        entry->has_row = false;
        entry->row = (struct category){.path = entry->path, .path_size = entry->row.path_size};
    }
    settle(entry);
    if (!entry->has_row && !entry->was_set) {
        drop_entry(set, entry);
    }
}

void sharing_free(struct sharing *set)
{
    ASSERT(set != NULL);
    for (size_t i = 0; i < set->count; i++) {
        free_entry(set->entries[i]);
    }
    free(set->entries);
    free(set->slots);
    *set = (struct sharing){0};
}

const struct category *sharing_find(const struct sharing *set, struct span item_path)
{
    ASSERT(set != NULL);
    const struct sharing_entry *found = NULL;
    uint32_t hash = HASH_START;
    for (size_t i = 0; set->count > 0 && i < item_path.size; i++) {
        hash = hash_more(hash, item_path.data[i]);
        if (i + 1 < item_path.size && item_path.data[i + 1] != '/') {
            continue;
        }
        const struct sharing_entry *entry = probe(set, span_of(item_path.data, i + 1), hash);
        found = entry != NULL && entry->has_row ? entry : found;
    }
    return found != NULL ? &found->row : NULL;
}

const struct category *sharing_get(const struct sharing *set, struct span path)
{
    ASSERT(set != NULL);
    const struct sharing_entry *entry = look_up(set, path);
    return entry != NULL && entry->has_row ? &entry->row : NULL;
}

const struct category *sharing_next(const struct sharing *set, const struct category *previous)
{
    ASSERT(set != NULL);
    size_t at = 0;
    if (previous != NULL) {
        at = position_of(set, span_of(previous->path, previous->path_size)) + 1;
    }
    while (at < set->count && !set->entries[at]->has_row) {
        at++;
    }
    return at < set->count ? &set->entries[at]->row : NULL;
}

int sharing_check_value(const struct category *category, struct span item_path, struct span value,
                        struct err *err)
{
    if (category == NULL) {
        return 0;
    }
    int size = (int)item_path.size;
    const char *path = (const char *)item_path.data;
    if (category->value_max != 0 && value.size > category->value_max) {
        return err_set(err, E_TOO_LARGE,
                       "the value of '%.*s' has %zu bytes, one of '%s' may have %" PRIu64, size,
                       path, value.size, category->path, category->value_max);
    }
    if (category->kind == SHARING_TEXT && !json_is_utf8(value)) {
        return err_set(err, E_CATEGORY,
                       "the value of '%.*s' is not text in UTF-8, which '%s' holds", size, path,
                       category->path);
    }
    if (category->kind == SHARING_JSON && !json_is_valid(value)) {
        return err_set(err, E_CATEGORY, "the value of '%.*s' is not JSON, which '%s' holds", size,
                       path, category->path);
    }
    return 0;
}

enum sharing_layer sharing_layer_of(const struct category *category)
{
    return category != NULL && category->device ? SHARING_DEVICE : SHARING_SHARED;
}
