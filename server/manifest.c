/* server/manifest.c - the manifest as JSON, and its digest. */
#include "server/manifest.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"

enum { TEXT_MAX_BYTES = 512 << 20, NUMBER_MAX = 24 };

void manifest_free(struct manifest *manifest)
{
    ASSERT(manifest != NULL);
    for (size_t i = 0; i < manifest->count; i++) {
        free(manifest->files[i].path);
    }
    free(manifest->files);
    *manifest = (struct manifest){0};
}

int manifest_add(struct manifest *manifest, const char *path, struct manifest_file **out,
                 struct err *err)
{
    ASSERT(manifest != NULL && path != NULL && out != NULL);
    struct manifest_file *files =
        array_reserve(manifest->files, &manifest->capacity, manifest->count + 1, sizeof *files);
    if (files == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    manifest->files = files;
    struct manifest_file *file = &files[manifest->count];
    *file = (struct manifest_file){.path = strdup(path)};
    if (file->path == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    manifest->count++;
    *out = file;
    return 0;
}

const struct manifest_file *manifest_find(const struct manifest *manifest, const char *path)
{
    ASSERT(manifest != NULL && path != NULL);
    size_t low = 0;
    size_t high = manifest->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, manifest->files[middle].path);
        if (order == 0) {
            return &manifest->files[middle];
        }
        low = order > 0 ? middle + 1 : low;
        high = order < 0 ? middle : high;
    }
    return NULL;
}

uint64_t manifest_bytes(const struct manifest *manifest)
{
    ASSERT(manifest != NULL);
    uint64_t bytes = 0;
    for (size_t i = 0; i < manifest->count; i++) {
        bytes += manifest->files[i].size;
    }
    return bytes;
}

/* --- the digest --- */

static void add_bytes(struct sha256_run *run, const void *data, size_t size)
{
    uint8_t length[8];
    put_be64(length, size); /* so that no two fields can be taken for one */
    sha256_add(run, span_of(length, sizeof length));
    sha256_add(run, span_of(data, size));
}

static void add_number(struct sha256_run *run, uint64_t number)
{
    uint8_t bytes[8];
    put_be64(bytes, number);
    sha256_add(run, span_of(bytes, sizeof bytes));
}

static void digest_of(const struct manifest *manifest, uint8_t out[SHA256_SIZE])
{
    struct sha256_run run;
    sha256_begin(&run);
    add_bytes(&run, manifest->server, KEY_SIZE);
    add_bytes(&run, manifest->version, strlen(manifest->version));
    add_bytes(&run, manifest->history, HISTORY_SIZE);
    add_bytes(&run, manifest->hash, SHA256_SIZE);
    const uint64_t numbers[] = {manifest->time_ms, manifest->seq,    manifest->floor,
                                manifest->users,   manifest->groups, manifest->items,
                                manifest->count};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        add_number(&run, numbers[i]);
    }
    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        add_bytes(&run, file->path, strlen(file->path));
        add_number(&run, file->size);
        add_bytes(&run, file->sha256, SHA256_SIZE);
        add_bytes(&run, file->source, strlen(file->source));
    }
    sha256_end(&run, out);
}

/* --- writing --- */

static json_t *number(uint64_t value)
{
    return json_sprintf("%" PRIu64, value);
}

static json_t *hex(const uint8_t *bytes, size_t size)
{
    char text[2 * SHA256_SIZE + 1];
    ASSERT(size <= SHA256_SIZE);
    hex_encode(bytes, size, text);
    return json_string(text);
}

static json_t *files_of(const struct manifest *manifest)
{
    json_t *files = json_array();
    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        json_t *row =
            json_pack("{s:s, s:o, s:o, s:s}", "path", file->path, "size", number(file->size),
                      "sha256", hex(file->sha256, SHA256_SIZE), "source", file->source);
        if (row == NULL || json_array_append_new(files, row) != 0) {
            json_decref(files);
            return NULL;
        }
    }
    return files;
}

static json_t *document_of(const struct manifest *manifest)
{
    uint8_t digest[SHA256_SIZE];
    digest_of(manifest, digest);
    return json_pack("{s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}",
                     "format", MANIFEST_FORMAT, "server", hex(manifest->server, KEY_SIZE),
                     "version", manifest->version, "time_ms", number(manifest->time_ms), "history",
                     hex(manifest->history, HISTORY_SIZE), "seq", number(manifest->seq), "hash",
                     hex(manifest->hash, SHA256_SIZE), "floor", number(manifest->floor), "users",
                     number(manifest->users), "groups", number(manifest->groups), "items",
                     number(manifest->items), "removals", MANIFEST_REMOVALS, "files",
                     files_of(manifest), "digest", hex(digest, SHA256_SIZE));
}

static int manifest_path(char out[PATH_MAX], const char *dir, struct err *err)
{
    int rc = path_join(out, PATH_MAX, dir, MANIFEST_NAME);
    return rc == 0 ? 0 : err_set(err, rc, "the path is too long: '%.60s...'", dir);
}

int manifest_write(const struct manifest *manifest, const char *dir, struct err *err)
{
    ASSERT(manifest != NULL && dir != NULL);
    char path[PATH_MAX];
    int rc = manifest_path(path, dir, err);
    if (rc != 0) {
        return rc;
    }
    json_t *document = document_of(manifest);
    char *text = document != NULL ? json_dumps(document, JSON_INDENT(1)) : NULL;
    rc = text != NULL ? file_replace(path, text, strlen(text), 0600, err)
                      : err_set(err, E_NOMEM, "out of memory");
    free(text);
    json_decref(document);
    return rc;
}

/* --- reading --- */

struct reading {
    const json_t *object;
    bool bad;
};

static const char *get_text(struct reading *reading, const char *member)
{
    const json_t *value = json_object_get(reading->object, member);
    const char *text = json_string_value(value);
    reading->bad = reading->bad || text == NULL || strlen(text) != json_string_length(value);
    return text != NULL ? text : "";
}

static uint64_t get_number(struct reading *reading, const char *member)
{
    const char *text = get_text(reading, member);
    char back[NUMBER_MAX];
    uint64_t value = strtoull(text, NULL, 10);
    (void)snprintf(back, sizeof back, "%" PRIu64, value);
    reading->bad = reading->bad || strcmp(back, text) != 0;
    return value;
}

static void get_hex(struct reading *reading, const char *member, uint8_t *out, size_t size)
{
    reading->bad = hex_decode(span_str(get_text(reading, member)), out, size) != 0 || reading->bad;
}

static void get_copy(struct reading *reading, const char *member, char *out, size_t size)
{
    const char *text = get_text(reading, member);
    reading->bad = reading->bad || strlen(text) >= size;
    (void)snprintf(out, size, "%s", text);
}

/* "format", or one name in one of the three folders. */
static bool is_inside(const char *path)
{
    static const char *const folders[] = {"journal/", "state/", "keys/"};
    const char *name = path;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        size_t size = strlen(folders[i]);
        name = strncmp(path, folders[i], size) == 0 ? path + size : name;
    }
    if (name == path) {
        return strcmp(path, "format") == 0;
    }
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static int read_file(struct manifest *out, const json_t *row, bool *bad, struct err *err)
{
    struct reading reading = {.object = row};
    struct manifest_file *file = NULL;
    const char *path = get_text(&reading, "path");
    int rc = manifest_add(out, path, &file, err);
    if (rc != 0) {
        return rc;
    }
    file->size = get_number(&reading, "size");
    get_hex(&reading, "sha256", file->sha256, SHA256_SIZE);
    get_copy(&reading, "source", file->source, sizeof file->source);
    bool rises = out->count < 2 || strcmp(out->files[out->count - 2].path, path) < 0;
    *bad = *bad || reading.bad || !is_inside(path) || !rises;
    return 0;
}

static int take(struct manifest *out, const json_t *document, bool *bad, struct err *err)
{
    struct reading reading = {.object = document};
    uint8_t digest[SHA256_SIZE] = {0};
    uint8_t told[SHA256_SIZE] = {0};
    get_hex(&reading, "server", out->server, KEY_SIZE);
    get_copy(&reading, "version", out->version, sizeof out->version);
    out->time_ms = get_number(&reading, "time_ms");
    get_hex(&reading, "history", out->history, HISTORY_SIZE);
    out->seq = get_number(&reading, "seq");
    get_hex(&reading, "hash", out->hash, SHA256_SIZE);
    out->floor = get_number(&reading, "floor");
    out->users = get_number(&reading, "users");
    out->groups = get_number(&reading, "groups");
    out->items = get_number(&reading, "items");
    get_hex(&reading, "digest", told, SHA256_SIZE);
    reading.bad = reading.bad || strcmp(get_text(&reading, "removals"), MANIFEST_REMOVALS) != 0;
    const json_t *files = json_object_get(document, "files");
    *bad = reading.bad || !json_is_array(files) || json_array_size(files) > MANIFEST_FILES_MAX;
    int rc = 0;
    for (size_t i = 0; rc == 0 && !*bad && i < json_array_size(files); i++) {
        rc = read_file(out, json_array_get(files, i), bad, err);
    }
    digest_of(out, digest);
    *bad = *bad || memcmp(digest, told, SHA256_SIZE) != 0;
    return rc;
}

static int parse(struct manifest *out, const struct buf *text, const char *path, struct err *err)
{
    json_t *document =
        json_loadb((const char *)text->data, text->size, JSON_REJECT_DUPLICATES, NULL);
    json_int_t format = json_integer_value(json_object_get(document, "format"));
    bool bad = format < 1;
    int rc = 0;
    if (format > MANIFEST_FORMAT) {
        rc = err_set(err, E_FORMAT,
                     "'%s' is of format %lld, and this program knows formats up to %d: use the "
                     "newer one that made the backup",
                     path, (long long)format, MANIFEST_FORMAT);
    } else if (!bad) {
        rc = take(out, document, &bad, err);
    }
    json_decref(document);
    return rc == 0 && bad ? err_set(err, E_CORRUPT,
                                    "the backup is damaged: '%s' is not what was written", path)
                          : rc;
}

int manifest_read(struct manifest *out, const char *dir, struct err *err)
{
    ASSERT(out != NULL && dir != NULL);
    char path[PATH_MAX];
    struct buf text;
    struct manifest manifest = {0};
    buf_init(&text, TEXT_MAX_BYTES);
    int rc = manifest_path(path, dir, err);
    if (rc == 0) {
        rc = file_read(path, &text, err);
    }
    if (rc == E_NOT_FOUND) {
        rc = err_set(err, rc, "'%s' is no whole backup: it holds no %s", dir, MANIFEST_NAME);
    }
    if (rc == 0) {
        rc = parse(&manifest, &text, path, err);
    }
    buf_free(&text);
    if (rc != 0) {
        manifest_free(&manifest);
        return rc;
    }
    *out = manifest;
    return 0;
}
