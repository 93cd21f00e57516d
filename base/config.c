/* base/config.c - the table of keys, and the four places that values come from. */
#include "base/config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"

enum {
    KEYS_MAX = 256,
    NAME_MAX_SIZE = 48,          /* of a key: inih cuts names at 49 bytes */
    FILE_MAX_BYTES = 256 * 1024, /* of one file of settings */
    SAMPLE_COLUMNS = 100,        /* inih takes lines of 198 bytes, comments too */
};

struct value {
    char *text;
    char *origin;
    uint64_t number;
};

struct config {
    const struct config_key *keys;
    size_t count;
    struct value values[];
};

/* --- values --- */

static bool parse_decimal(const char *text, uint64_t *number, const char **rest)
{
    uint64_t result = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(result, 10u, &result) ||
            __builtin_add_overflow(result, (uint64_t)(*at - '0'), &result)) {
            return false;
        }
    }
    *number = result;
    *rest = at;
    return at != text;
}

static bool parse_number(const char *text, uint64_t *number)
{
    const char *rest = NULL;
    return parse_decimal(text, number, &rest) && *rest == '\0';
}

static bool parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    const char *rest = NULL;
    if (!parse_decimal(text, bytes, &rest)) {
        return false;
    }
    if (*rest == '\0') {
        return true;
    }
    const char *unit = strchr(units, toupper((unsigned char)*rest));
    if (unit == NULL || rest[1] != '\0') {
        return false;
    }
    uint64_t factor = UINT64_C(1024) << (10 * (unit - units));
    return !__builtin_mul_overflow(*bytes, factor, bytes);
}

static bool parse_bool(const char *text, uint64_t *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = i % 2;
            return true;
        }
    }
    return false;
}

static const char *expected(enum config_type type)
{
    switch (type) {
    case CONFIG_NUMBER:
        return "a number";
    case CONFIG_SIZE:
        return "a size such as 64M";
    case CONFIG_DURATION:
        return "a duration such as 30s";
    case CONFIG_BOOL:
        return "yes or no";
    case CONFIG_TEXT:
        break;
    }
    return "a text";
}

static bool parse(enum config_type type, const char *text, uint64_t *number)
{
    switch (type) {
    case CONFIG_NUMBER:
        return parse_number(text, number);
    case CONFIG_SIZE:
        return parse_size(text, number);
    case CONFIG_DURATION:
        return clock_parse_duration(text, number) == 0;
    case CONFIG_BOOL:
        return parse_bool(text, number);
    case CONFIG_TEXT:
        break;
    }
    return true;
}

static int check_value(const struct config_key *key, const char *text, const char *origin,
                       uint64_t *number, struct err *err)
{
    if (!parse(key->type, text, number)) {
        return err_set(err, E_INVALID, "%s: '%s' must be %s, not '%.60s'", origin, key->name,
                       expected(key->type), text);
    }
    if (key->type == CONFIG_TEXT || key->type == CONFIG_BOOL) {
        return 0;
    }
    const char *unit = key->type == CONFIG_SIZE       ? " bytes"
                       : key->type == CONFIG_DURATION ? " ms"
                                                      : "";
    if (*number < key->min) {
        return err_set(err, E_INVALID, "%s: '%s' must be at least %llu%s", origin, key->name,
                       (unsigned long long)key->min, unit);
    }
    if (key->max != 0 && *number > key->max) {
        return err_set(err, E_INVALID, "%s: '%s' must be at most %llu%s", origin, key->name,
                       (unsigned long long)key->max, unit);
    }
    return 0;
}

/* --- the set --- */

static size_t find(const struct config *config, const char *name)
{
    size_t i = 0;
    while (i < config->count && strcmp(config->keys[i].name, name) != 0) {
        i++;
    }
    return i;
}

static int put(struct config *config, size_t index, const char *text, const char *origin,
               struct err *err)
{
    uint64_t number = 0;
    int rc = check_value(&config->keys[index], text, origin, &number, err);
    if (rc != 0) {
        return rc;
    }
    struct value value = {.text = strdup(text), .origin = strdup(origin), .number = number};
    if (value.text == NULL || value.origin == NULL) {
        free(value.text);
        free(value.origin);
        return err_set(err, E_NOMEM, "settings: out of memory");
    }
    free(config->values[index].text);
    free(config->values[index].origin);
    config->values[index] = value;
    return 0;
}

/* An absent default is an empty text, 0 or no, which need not be within the key's limits. */
static int put_default(struct config *config, size_t index, struct err *err)
{
    const struct config_key *key = &config->keys[index];
    ASSERT(strlen(key->name) <= NAME_MAX_SIZE);
    ASSERT(key->help != NULL);
    if (key->default_value != NULL) {
        int rc = put(config, index, key->default_value, "default", err);
        ASSERT(rc != E_INVALID); /* our own table */
        return rc;
    }
    struct value *value = &config->values[index];
    value->text = strdup("");
    value->origin = strdup("default");
    if (value->text == NULL || value->origin == NULL) {
        return err_set(err, E_NOMEM, "settings: out of memory");
    }
    return 0;
}

int config_new(struct config **out, const struct config_key *keys, struct err *err)
{
    ASSERT(out != NULL);
    ASSERT(keys != NULL);
    size_t count = 0;
    while (keys[count].name != NULL) {
        count++;
    }
    ASSERT(count <= KEYS_MAX);
    struct config *config = calloc(1, sizeof *config + count * sizeof config->values[0]);
    if (config == NULL) {
        return err_set(err, E_NOMEM, "settings: out of memory");
    }
    config->keys = keys;
    config->count = count;
    for (size_t i = 0; i < count; i++) {
        int rc = put_default(config, i, err);
        if (rc != 0) {
            config_free(&config);
            return rc;
        }
    }
    *out = config;
    return 0;
}

void config_free(struct config **config)
{
    if (config == NULL || *config == NULL) {
        return;
    }
    for (size_t i = 0; i < (*config)->count; i++) {
        free((*config)->values[i].text);
        free((*config)->values[i].origin);
    }
    free(*config);
    *config = NULL;
}

int config_set(struct config *config, const char *name, const char *value, const char *origin,
               struct err *err)
{
    ASSERT(config != NULL && name != NULL && value != NULL && origin != NULL);
    size_t index = find(config, name);
    if (index == config->count) {
        return err_set(err, E_INVALID, "%s: there is no setting '%s'", origin, name);
    }
    return put(config, index, value, origin, err);
}

/* --- files --- */

/* One file on its way through inih, which asks for lines and calls back with what they say. */
struct reading {
    struct config *config;
    const char *path;
    struct span rest;
    int line;
    int rc;
    struct err *err;
};

static int fail_line(struct reading *reading, int rc, const char *fault)
{
    if (reading->rc == 0) {
        reading->rc = err_set(reading->err, rc, "%s:%d: %s", reading->path, reading->line, fault);
    }
    return 0;
}

/* inih's fgets: the next line without its indentation (by which inih would take it for a part of
 * the value above). After a fault there is nothing more. */
static char *next_line(char *out, int size, void *stream)
{
    struct reading *reading = stream;
    struct span *rest = &reading->rest;
    if (rest->size == 0 || reading->rc != 0) {
        return NULL;
    }
    reading->line++;
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t whole = end != NULL ? (size_t)(end - rest->data) + 1 : rest->size;
    size_t indent = 0;
    while (indent < whole && (rest->data[indent] == ' ' || rest->data[indent] == '\t')) {
        indent++;
    }
    size_t length = whole - indent;
    if (length >= (size_t)size) {
        fail_line(reading, E_INVALID, "the line is too long");
        return NULL;
    }
    if (memchr(rest->data, '\0', whole) != NULL) {
        fail_line(reading, E_INVALID, "the line holds a zero byte: this is no text");
        return NULL;
    }
    memcpy(out, rest->data + indent, length);
    out[length] = '\0';
    rest->data += whole;
    rest->size -= whole;
    return out;
}

static int take_pair(void *context, const char *section, const char *name, const char *value)
{
    struct reading *reading = context;
    char key[2 * NAME_MAX_SIZE + 8];
    char origin[PATH_MAX + 16];
    (void)snprintf(key, sizeof key, "%s%s%s", section, section[0] != '\0' ? "." : "", name);
    (void)snprintf(origin, sizeof origin, "%s:%d", reading->path, reading->line);
    if (reading->rc == 0) {
        reading->rc = config_set(reading->config, key, value, origin, reading->err);
    }
    return reading->rc == 0;
}

static int load_file(struct config *config, const char *path, struct err *err)
{
    struct buf text;
    buf_init(&text, FILE_MAX_BYTES);
    int rc = file_read(path, &text, err);
    if (rc == 0) {
        struct reading reading = {
            .config = config, .path = path, .rest = buf_span(&text), .err = err};
        int line = ini_parse_stream(next_line, &reading, take_pair, &reading);
        rc = reading.rc;
        if (line < 0) {
            rc = err_set(err, E_NOMEM, "%s: out of memory", path);
        } else if (line > 0 && (rc == 0 || line < reading.line)) {
            /* inih goes on after a line that it does not understand: the first fault is told. */
            rc =
                err_set(err, E_INVALID, "%s:%d: neither 'key = value' nor '[section]'", path, line);
        }
    }
    buf_free(&text);
    return rc;
}

/* "kitbagd.conf" and "kitbagd-site.conf" are kitbagd's, but no files of "kitbag". */
static bool is_file_of(const char *name, const char *program)
{
    size_t length = strlen(program);
    size_t size = strlen(name);
    static const char ending[] = ".conf";
    size_t tail = sizeof ending - 1;
    if (size < length + tail || strncmp(name, program, length) != 0 ||
        strcmp(name + size - tail, ending) != 0) {
        return false;
    }
    return size == length + tail || name[length] == '-';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_one_of(struct config *config, const char *folder, const char *name, struct err *err)
{
    char path[PATH_MAX];
    if (path_join(path, sizeof path, folder, name) != 0) {
        return err_set(err, E_INVALID, "the path is too long: '%.40s...'", folder);
    }
    return load_file(config, path, err);
}

static int load_folder(struct config *config, const char *folder, const char *program,
                       struct err *err)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, by_bytes);
    if (count < 0) {
        return errno == ENOENT ? 0 : err_sys(err, "open the folder", folder);
    }
    int rc = 0;
    for (int i = 0; i < count; i++) {
        if (rc == 0 && is_file_of(entries[i]->d_name, program)) {
            rc = load_one_of(config, folder, entries[i]->d_name, err);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int load_files(struct config *config, const char *folder, const char *program,
                      struct err *err)
{
    char name[NAME_MAX + 1];
    char parts[PATH_MAX];
    int len = snprintf(name, sizeof name, "%s.conf", program);
    ASSERT(len > 0 && (size_t)len < sizeof name);
    struct err missing = {0};
    int rc = load_one_of(config, folder, name, &missing);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return err_set(err, rc, "%s", missing.text);
    }
    if (path_join(parts, sizeof parts, folder, "conf.d") != 0) {
        return err_set(err, E_INVALID, "the path is too long: '%.40s...'", folder);
    }
    return load_folder(config, parts, program, err);
}

/* --- environment --- */

static int load_environment(struct config *config, struct err *err)
{
    for (size_t i = 0; i < config->count; i++) {
        char name[sizeof "KITBAG_" + NAME_MAX_SIZE] = "KITBAG_";
        size_t used = strlen(name);
        for (const char *at = config->keys[i].name; *at != '\0'; at++) {
            name[used++] = isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_';
        }
        name[used] = '\0';
        const char *value = getenv(name);
        int rc = value != NULL ? put(config, i, value, name, err) : 0;
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int config_load_from(struct config *config, const char *folder, const char *program,
                     const char *explicit_file, struct err *err)
{
    ASSERT(config != NULL && folder != NULL && program != NULL);
    int rc = explicit_file != NULL ? load_file(config, explicit_file, err)
                                   : load_files(config, folder, program, err);
    return rc != 0 ? rc : load_environment(config, err);
}

int config_load(struct config *config, const char *program, const char *explicit_file,
                struct err *err)
{
    return config_load_from(config, "/etc/kitbag", program, explicit_file, err);
}

/* --- reading --- */

static const struct value *value_of(const struct config *config, const char *name)
{
    ASSERT(config != NULL && name != NULL);
    size_t index = find(config, name);
    ASSERT(index < config->count);
    return &config->values[index];
}

static enum config_type type_of(const struct config *config, const char *name)
{
    size_t index = find(config, name);
    ASSERT(index < config->count);
    return config->keys[index].type;
}

const char *config_text(const struct config *config, const char *name)
{
    const struct value *value = value_of(config, name);
    ASSERT(type_of(config, name) == CONFIG_TEXT);
    return value->text;
}

uint64_t config_u64(const struct config *config, const char *name)
{
    const struct value *value = value_of(config, name);
    enum config_type type = type_of(config, name);
    ASSERT(type != CONFIG_TEXT && type != CONFIG_BOOL);
    return value->number;
}

bool config_bool(const struct config *config, const char *name)
{
    const struct value *value = value_of(config, name);
    ASSERT(type_of(config, name) == CONFIG_BOOL);
    return value->number != 0;
}

const char *config_written(const struct config *config, const char *name)
{
    return value_of(config, name)->text;
}

const char *config_origin(const struct config *config, const char *name)
{
    return value_of(config, name)->origin;
}

/* The sentences as lines of a comment, broken between words. */
static void put_comment(struct buf *out, const char *text)
{
    while (*text != '\0') {
        size_t size = strlen(text);
        if (size > SAMPLE_COLUMNS - 2) {
            size = SAMPLE_COLUMNS - 2;
            while (size > 0 && text[size] != ' ') {
                size--;
            }
            size = size > 0 ? size : strcspn(text, " "); /* a word that is longer stays whole */
        }
        buf_printf(out, "# %.*s\n", (int)size, text);
        text += size;
        text += strspn(text, " ");
    }
}

void config_sample(const struct config_key *keys, struct buf *out)
{
    ASSERT(keys != NULL && out != NULL);
    struct span section = {NULL, 0};
    for (const struct config_key *key = keys; key->name != NULL; key++) {
        const char *dot = strrchr(key->name, '.');
        size_t length = dot != NULL ? (size_t)(dot - key->name) : 0;
        struct span own = span_of(key->name, length);
        if (key == keys || !span_equal(section, own)) {
            buf_printf(out, "%s", key == keys ? "" : "\n");
            if (length > 0) {
                buf_printf(out, "[%.*s]\n", (int)length, key->name);
            }
            section = own;
        }
        const char *value = key->default_value != NULL ? key->default_value : "";
        put_comment(out, key->help);
        buf_printf(out, "#%s =%s%s\n", dot != NULL ? dot + 1 : key->name,
                   value[0] != '\0' ? " " : "", value);
    }
}
