/* server/catalogue.c - JSON by jansson, rows into items, and the line of what is wrong. */
#include "server/catalogue.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"

enum { CATALOGUE_ITEMS_MAX = 8192 }; /* with the defaults */

static const char SHIPPED[] = "the shipped catalogue";

/* An item whose bytes are its own. */
struct entry {
    struct catalogue_item item;
    unsigned file; /* of the catalogue's files, the one it came from */
    uint8_t *bytes;
};

struct catalogue {
    struct entry *entries; /* in the order of paths */
    size_t count;
    size_t capacity;
    unsigned files;
};

/* A file while it is read. */
struct reading {
    struct catalogue *catalogue;
    struct span text;
    const char *name;
    const char *list; /* "categories" or "defaults", of which */
    size_t index;     /* this element is read */
    struct err *err;
};

/* --- what is wrong, and where --- */

/* The line on which the element of the list begins; the text is JSON. */
static size_t line_of(struct span text, const char *list, size_t index)
{
    size_t line = 1;
    size_t depth = 0;
    size_t element = 0;
    bool wanted = false;  /* inside of the list */
    bool awaited = false; /* the next thing is an element */
    struct span key = {0};
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (wanted && awaited && strchr(" \t\r\n", c) == NULL) {
            if (element == index) {
                return line;
            }
            awaited = false;
        }
        if (c == '"') {
            size_t first = i + 1;
            for (i++; text.data[i] != '"'; i++) {
                i += text.data[i] == '\\';
            }
            key = depth == 1 ? span_of(text.data + first, i - first) : key;
        } else if (c == '[' || c == '{') {
            depth++;
            wanted = wanted || (depth == 2 && span_equal(key, span_str(list)));
            awaited = awaited || (wanted && depth == 2);
        } else if (c == ']' || c == '}') {
            depth--;
        } else if (c == ',' && wanted && depth == 2) {
            element++;
            awaited = true;
        }
        line += c == '\n';
    }
    return line;
}

/* About the element that is being read: `thing` (may be "") and what is wrong with it. */
static int refuse(const struct reading *reading, const char *what, const char *thing)
{
    size_t line = line_of(reading->text, reading->list, reading->index);
    return err_set(reading->err, E_MALFORMED, "%s, line %zu: %.120s%s", reading->name, line, thing,
                   what);
}

static int out_of_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "the catalogue: out of memory");
}

/* --- the list of items --- */

static size_t position_of(const struct catalogue *catalogue, struct span path, bool *found)
{
    size_t low = 0;
    size_t high = catalogue->count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = span_compare(catalogue->entries[middle].item.path, path);
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
            *found = order == 0;
        }
    }
    return high;
}

static int make_entry(struct entry *entry, unsigned file, struct span path, struct span value)
{
    entry->bytes = malloc(path.size + value.size);
    if (entry->bytes == NULL) {
        return E_NOMEM;
    }
    memcpy(entry->bytes, path.data, path.size);
    if (value.size > 0) {
        memcpy(entry->bytes + path.size, value.data, value.size);
    }
    entry->file = file;
    entry->item.path = span_of(entry->bytes, path.size);
    entry->item.value = span_of(entry->bytes + path.size, value.size);
    return 0;
}

/* Makes room at `at`. E_QUOTA, E_NOMEM. */
static int open_gap(struct catalogue *catalogue, size_t at)
{
    if (catalogue->count == CATALOGUE_ITEMS_MAX) {
        return E_QUOTA;
    }
    struct entry *entries = array_reserve(catalogue->entries, &catalogue->capacity,
                                          catalogue->count + 1, sizeof *entries);
    if (entries == NULL) {
        return E_NOMEM;
    }
    catalogue->entries = entries;
    memmove(&entries[at + 1], &entries[at], (catalogue->count - at) * sizeof *entries);
    catalogue->count++;
    return 0;
}

/* In place of what an earlier file says. E_EXISTS: this one says it already. */
static int put(struct catalogue *catalogue, struct span path, struct span value)
{
    bool found = false;
    struct entry entry = {0};
    size_t at = position_of(catalogue, path, &found);
    if (found && catalogue->entries[at].file == catalogue->files) {
        return E_EXISTS;
    }
    if (make_entry(&entry, catalogue->files, path, value) != 0) {
        return E_NOMEM;
    }
    if (found) {
        free(catalogue->entries[at].bytes);
    } else {
        int rc = open_gap(catalogue, at);
        if (rc != 0) {
            free(entry.bytes);
            return rc;
        }
    }
    catalogue->entries[at] = entry;
    return 0;
}

static int put_item(const struct reading *reading, const struct buf *path, struct span value,
                    const char *thing)
{
    int rc =
        buf_error(path) != 0 ? buf_error(path) : put(reading->catalogue, buf_span(path), value);
    return rc == E_EXISTS  ? refuse(reading, " is there twice", thing)
           : rc == E_QUOTA ? refuse(reading, ": there are too many categories and defaults", thing)
           : rc == E_NOMEM ? out_of_memory(reading->err)
           : rc != 0       ? refuse(reading, " is too long", thing)
                           : 0;
}

/* --- elements --- */

/* Are these the only members? `names` ends with NULL. */
static int check_members(const struct reading *reading, json_t *object, const char *const *names)
{
    const char *name = NULL;
    json_t *value = NULL;
    if (!json_is_object(object)) {
        return refuse(reading, "an element is not an object", "");
    }
    json_object_foreach(object, name, value)
    {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], name) != 0) {
            i++;
        }
        if (names[i] == NULL) {
            return refuse(reading, " is no member that is known here", name);
        }
    }
    return 0;
}

/* The text of a member; `missing` when it is not there, NULL when it is no text. */
static const char *text_of(json_t *object, const char *name, const char *missing)
{
    json_t *value = json_object_get(object, name);
    return value == NULL ? missing : json_string_value(value);
}

static int read_bool(const struct reading *reading, json_t *object, const char *name, bool *out)
{
    json_t *value = json_object_get(object, name);
    if (value != NULL && !json_is_boolean(value)) {
        return refuse(reading, " is true or false", name);
    }
    *out = value == NULL ? *out : json_is_true(value);
    return 0;
}

static int read_number(const struct reading *reading, json_t *object, const char *name,
                       uint64_t max, uint64_t *out)
{
    json_t *value = json_object_get(object, name);
    json_int_t number = json_integer_value(value);
    if (value != NULL && (!json_is_integer(value) || number < 0 || (uint64_t)number > max)) {
        char text[64];
        (void)snprintf(text, sizeof text, " is a number from 0 to %llu", (unsigned long long)max);
        return refuse(reading, text, name);
    }
    *out = value == NULL ? 0 : (uint64_t)number;
    return 0;
}

static bool is_title(const char *text)
{
    return text != NULL && text[0] != '\0' && strlen(text) <= SHARING_TITLE_MAX;
}

static int read_titles(const struct reading *reading, json_t *object, struct category *row)
{
    static const char *const languages[] = {"en", "ja", NULL};
    json_t *title = json_object_get(object, "title");
    row->title = json_is_object(title) ? text_of(title, "en", NULL) : json_string_value(title);
    row->title_ja = json_is_object(title) ? text_of(title, "ja", row->title) : row->title;
    if (json_is_object(title) && check_members(reading, title, languages) != 0) {
        return E_MALFORMED;
    }
    return is_title(row->title) && is_title(row->title_ja)
               ? 0
               : refuse(reading, " is a text of 1 to 255 bytes, or {\"en\", \"ja\"} of them",
                        "title");
}

/* "shared", "device", or left out. */
static int read_flag(const struct reading *reading, json_t *object, struct category *row)
{
    const char *flag = text_of(object, "flag", "");
    row->has_flag = flag != NULL && flag[0] != '\0';
    row->default_device = flag != NULL && strcmp(flag, "device") == 0;
    bool good =
        flag != NULL && (!row->has_flag || row->default_device || strcmp(flag, "shared") == 0);
    return good ? 0 : refuse(reading, " is shared, or device, or left out", "flag");
}

static int read_words(const struct reading *reading, json_t *object, struct category *row)
{
    const char *class = text_of(object, "class", "other");
    const char *kind = text_of(object, "kind", "bytes");
    if (class == NULL || sharing_class_of(span_str(class), &row->class) != 0) {
        return refuse(reading,
                      " is default-settings, previous-settings, shared-buttons, timeline or other",
                      "class");
    }
    if (kind == NULL || sharing_kind_of(span_str(kind), &row->kind) != 0) {
        return refuse(reading, " is bytes, text or json", "kind");
    }
    return read_flag(reading, object, row);
}

static int read_row(const struct reading *reading, json_t *object, struct category *row)
{
    int rc = read_titles(reading, object, row);
    rc = rc != 0 ? rc : read_words(reading, object, row);
    rc = rc != 0 ? rc : read_bool(reading, object, "exported", &row->exported);
    rc = rc != 0 ? rc : read_bool(reading, object, "secret", &row->secret);
    rc = rc != 0 ? rc : read_number(reading, object, "value_max", VALUE_MAX_BYTES, &row->value_max);
    return rc != 0 ? rc
                   : read_number(reading, object, "count_max", SHARING_COUNT_MAX, &row->count_max);
}

static int read_category(const struct reading *reading, json_t *object)
{
    static const char *const members[] = {"path",   "title", "class",     "flag",      "exported",
                                          "secret", "kind",  "value_max", "count_max", NULL};
    struct category row = {.exported = true};
    struct buf path;
    struct buf value;
    buf_init(&path, PATH_MAX_BYTES);
    buf_init(&value, VALUE_MAX_BYTES);
    int rc = check_members(reading, object, members);
    const char *name = rc == 0 ? text_of(object, "path", NULL) : NULL;
    if (rc == 0 && (name == NULL || sharing_path(&path, SHARING_CATEGORY, span_str(name)) != 0)) {
        rc = refuse(reading, "path is a category's, such as copy/default", "");
    }
    if (rc == 0) {
        rc = read_row(reading, object, &row);
    }
    if (rc == 0) {
        sharing_put_category(&value, &row);
        rc = buf_error(&value) != 0 ? out_of_memory(reading->err)
                                    : put_item(reading, &path, buf_span(&value), name);
    }
    buf_free(&path);
    buf_free(&value);
    return rc;
}

static int read_default(const struct reading *reading, json_t *object)
{
    static const char *const members[] = {"item", "value", "json", NULL};
    int rc = check_members(reading, object, members);
    if (rc != 0) {
        return rc;
    }
    const char *item = text_of(object, "item", NULL);
    const char *value = text_of(object, "value", NULL);
    json_t *json = json_object_get(object, "json");
    if (item == NULL || item[0] == '@' || path_check(span_str(item), NULL) != 0) {
        return refuse(reading, "item is an item's path, such as copy/default/colour", "");
    }
    if ((value == NULL) == (json == NULL) || (json != NULL && json_object_size(object) != 2)) {
        return refuse(reading, " has either a value, which is a text, or json", item);
    }
    struct buf path;
    buf_init(&path, PATH_MAX_BYTES);
    (void)buf_printf(&path, SHARING_DEFAULT "%s", item);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    rc = json != NULL && text == NULL
             ? out_of_memory(reading->err)
             : put_item(reading, &path, span_str(json != NULL ? text : value), item);
    free(text);
    buf_free(&path);
    return rc;
}

/* --- files --- */

static int read_list(struct reading *reading, json_t *root, const char *name,
                     int (*read)(const struct reading *, json_t *))
{
    json_t *list = json_object_get(root, name);
    json_t *element = NULL;
    size_t i = 0;
    int rc = 0;
    if (list != NULL && !json_is_array(list)) {
        return err_set(reading->err, E_MALFORMED, "%s: '%s' is not a list", reading->name, name);
    }
    reading->list = name;
    json_array_foreach(list, i, element)
    {
        reading->index = i;
        rc = rc != 0 ? rc : read(reading, element);
    }
    return rc;
}

static int check_root(const struct reading *reading, json_t *root)
{
    const char *name = NULL;
    json_t *value = NULL;
    if (!json_is_object(root)) {
        return err_set(reading->err, E_MALFORMED, "%s, line 1: it is not an object of JSON",
                       reading->name);
    }
    json_object_foreach(root, name, value)
    {
        if (strcmp(name, "categories") != 0 && strcmp(name, "defaults") != 0) {
            return err_set(reading->err, E_MALFORMED,
                           "%s: it has 'categories' and 'defaults', no '%.60s'", reading->name,
                           name);
        }
    }
    return 0;
}

/* As many as a fleet may have? Rows come before defaults. */
static int check_count(const struct reading *reading)
{
    const struct catalogue *catalogue = reading->catalogue;
    bool more = catalogue->count > SHARING_CATEGORIES_MAX &&
                sharing_path_is(catalogue->entries[SHARING_CATEGORIES_MAX].item.path);
    return more ? err_set(reading->err, E_QUOTA, "%s: there are more than %d categories in all",
                          reading->name, (int)SHARING_CATEGORIES_MAX)
                : 0;
}

int catalogue_add(struct catalogue *catalogue, struct span text, const char *name, struct err *err)
{
    ASSERT(catalogue != NULL && name != NULL);
    json_error_t error;
    struct reading reading = {.catalogue = catalogue, .text = text, .name = name, .err = err};
    json_t *root = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        return err_set(err, E_MALFORMED, "%s, line %d: %s", name, error.line > 0 ? error.line : 1,
                       error.text);
    }
    catalogue->files++;
    int rc = check_root(&reading, root);
    if (rc == 0) {
        rc = read_list(&reading, root, "categories", read_category);
    }
    if (rc == 0) {
        rc = read_list(&reading, root, "defaults", read_default);
    }
    if (rc == 0) {
        rc = check_count(&reading);
    }
    json_decref(root);
    return rc;
}

int catalogue_new(struct catalogue **out)
{
    ASSERT(out != NULL);
    *out = calloc(1, sizeof **out);
    return *out != NULL ? 0 : E_NOMEM;
}

void catalogue_free(struct catalogue **catalogue)
{
    if (catalogue == NULL || *catalogue == NULL) {
        return;
    }
    for (size_t i = 0; i < (*catalogue)->count; i++) {
        free((*catalogue)->entries[i].bytes);
    }
    free((*catalogue)->entries);
    free(*catalogue);
    *catalogue = NULL;
}

static int add_file(struct catalogue *catalogue, const char *file, struct err *err)
{
    struct buf text;
    buf_init(&text, CATALOGUE_FILE_MAX);
    int rc = file_read(file, &text, err);
    if (rc == 0) {
        rc = catalogue_add(catalogue, buf_span(&text), file, err);
    }
    buf_free(&text);
    return rc;
}

int catalogue_read(struct catalogue **out, const char *file, struct err *err)
{
    ASSERT(out != NULL);
    struct catalogue *catalogue = NULL;
    if (catalogue_new(&catalogue) != 0) {
        return out_of_memory(err);
    }
    int rc =
        catalogue_add(catalogue, span_of(catalogue_shipped, catalogue_shipped_size), SHIPPED, err);
    if (rc == 0 && file != NULL && file[0] != '\0') {
        rc = add_file(catalogue, file, err);
    }
    if (rc != 0) {
        catalogue_free(&catalogue);
        return rc;
    }
    *out = catalogue;
    return 0;
}

size_t catalogue_count(const struct catalogue *catalogue)
{
    ASSERT(catalogue != NULL);
    return catalogue->count;
}

const struct catalogue_item *catalogue_at(const struct catalogue *catalogue, size_t i)
{
    ASSERT(catalogue != NULL && i < catalogue->count);
    return &catalogue->entries[i].item;
}

bool catalogue_find(const struct catalogue *catalogue, struct span path, size_t *at)
{
    ASSERT(catalogue != NULL && at != NULL);
    bool found = false;
    *at = position_of(catalogue, path, &found);
    return found;
}
