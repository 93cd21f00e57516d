/* server/removals.c - removals as lines of text, and out of changes. */
#include "server/removals.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "server/manifest.h"

enum {
    FORMAT = 1,
    CRC_DIGITS = 8,
    LINE_MAX_BYTES = 8192,
    FILE_MAX_BYTES = 1 << 30,
};

static const struct {
    enum removal_kind kind;
    const char *what;
} kinds[] = {
    {REMOVAL_DEVICE, "device"}, {REMOVAL_KEY, "key"},         {REMOVAL_BAG, "bag"},
    {REMOVAL_ITEM, "item"},     {REMOVAL_THROUGH, "through"}, {REMOVAL_GAP, "gap"},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* --- out of changes --- */

static bool begins(struct span path, const char *prefix)
{
    size_t size = strlen(prefix);
    return path.size > size && memcmp(path.data, prefix, size) == 0;
}

bool removal_possible(const struct change *change, uint64_t server_bag)
{
    ASSERT(change != NULL);
    if (change->kind == CHANGE_BAG_DELETE) {
        return true;
    }
    bool item = change->kind == CHANGE_ITEM_SET || change->kind == CHANGE_ITEM_REMOVE;
    return item && change->bag_id == server_bag &&
           (begins(change->path, "device/") || begins(change->path, "token/") ||
            begins(change->path, "@account/") || begins(change->path, "@token/"));
}

static bool take_path(struct removal *out, struct span path)
{
    out->kind = REMOVAL_ITEM;
    (void)snprintf(out->text, sizeof out->text, "%.*s", (int)path.size, (const char *)path.data);
    return true;
}

/* Was it removed, or did it get another key? */
static bool take_device(struct removal *out, const struct change *change)
{
    struct device_record now = {0};
    struct device_record before = {0};
    if (change->kind == CHANGE_ITEM_REMOVE) {
        out->kind = REMOVAL_DEVICE;
        return record_device_of(change->path, &out->device);
    }
    if (record_get_device(&now, change->path, change->value, NULL) != 0) {
        return false;
    }
    bool known =
        change->has_old && record_get_device(&before, change->path, change->old_value, NULL) == 0;
    out->device = now.id;
    memcpy(out->key, now.key, KEY_SIZE);
    (void)snprintf(out->text, sizeof out->text, "%s", now.name);
    if (now.removed) {
        out->kind = REMOVAL_DEVICE;
        return true;
    }
    out->kind = REMOVAL_KEY;
    return known && memcmp(before.key, now.key, KEY_SIZE) != 0;
}

static bool take_token(struct removal *out, const struct change *change)
{
    struct token_record token = {0};
    bool gone = change->kind == CHANGE_ITEM_REMOVE ||
                record_get_token(&token, change->path, change->value, NULL) != 0 || token.used;
    return gone && take_path(out, change->path);
}

bool removal_of_change(struct removal *out, const struct change *change, uint64_t server_bag)
{
    ASSERT(out != NULL && change != NULL);
    if (!removal_possible(change, server_bag)) {
        return false;
    }
    *out = (struct removal){.seq = change->seq, .time_ms = change->time_ms};
    if (change->kind == CHANGE_BAG_DELETE) {
        out->kind = REMOVAL_BAG;
        out->bag_id = change->bag_id;
        return true;
    }
    if (begins(change->path, "device/")) {
        return take_device(out, change);
    }
    if (begins(change->path, "token/")) {
        return take_token(out, change);
    }
    return change->kind == CHANGE_ITEM_REMOVE && take_path(out, change->path);
}

/* --- from a journal --- */

struct scan {
    uint64_t server_bag;
    removal_fn *each;
    void *context;
    uint8_t history[HISTORY_SIZE];
};

static int scan_change(void *context, const struct change *change, struct err *err)
{
    struct scan *scan = context;
    struct removal removal;
    if (change->kind == CHANGE_HISTORY) {
        memcpy(scan->history, change->history.id, HISTORY_SIZE);
    }
    if (!removal_of_change(&removal, change, scan->server_bag)) {
        return 0;
    }
    memcpy(removal.history, scan->history, HISTORY_SIZE);
    return scan->each(scan->context, &removal, err);
}

static int scan_batches(struct scan *scan, struct journal_cursor *cursor, uint64_t from_seq,
                        uint64_t head, struct removal *through, struct err *err)
{
    struct unpacked scratch = {0};
    int rc = 0;
    while (rc == 0 && through->seq < head) {
        struct batch batch;
        rc = journal_cursor_next(cursor, &batch, err);
        if (rc == 0 && !batch.clean_stop && batch.base_seq + batch.count > from_seq) {
            rc = batch_changes(&batch, &scratch, scan_change, scan, err);
            through->seq = batch.base_seq + batch.count - 1;
            through->time_ms = batch.time_ms;
        }
    }
    unpack_close(&scratch);
    return rc;
}

int removals_scan(struct journal *journal, uint64_t from_seq, uint64_t server_bag, removal_fn *each,
                  void *context, struct removal *through, struct err *err)
{
    ASSERT(journal != NULL && from_seq > 0 && each != NULL && through != NULL);
    struct scan scan = {.server_bag = server_bag, .each = each, .context = context};
    struct journal_position head;
    struct journal_segment_info info;
    struct journal_cursor *cursor = NULL;
    *through = (struct removal){.kind = REMOVAL_THROUGH};
    journal_head(journal, &head);
    if (from_seq > head.seq) {
        return 0;
    }
    int rc = journal_segment_info(journal, from_seq, &info, err);
    if (rc == 0) {
        memcpy(scan.history, info.history, HISTORY_SIZE);
        rc = journal_cursor_open(&cursor, journal, from_seq, err);
    }
    if (rc == E_NOT_FOUND) {
        return err_set(err, E_TOO_OLD, "the journal no longer holds change %" PRIu64, from_seq);
    }
    if (rc == 0) {
        rc = scan_batches(&scan, cursor, from_seq, head.seq, through, err);
    }
    memcpy(through->history, scan.history, HISTORY_SIZE);
    journal_cursor_close(&cursor);
    return rc;
}

/* --- lines --- */

static void put_line(struct buf *out, json_t *object)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    if (text == NULL) {
        out->error = out->error != 0 ? out->error : E_NOMEM;
    } else {
        (void)buf_printf(out, "%08x %s\n", crc32c(0, text, strlen(text)), text);
    }
    free(text);
    json_decref(object);
}

static const char *what_of(enum removal_kind kind)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].kind == kind) {
            return kinds[i].what;
        }
    }
    ASSERT(false); /* the table has all */
    return "";
}

static void put_removal(struct buf *out, const struct removal *removal)
{
    char history[2 * HISTORY_SIZE + 1];
    char key[2 * KEY_SIZE + 1];
    char device[DEVICE_TEXT_MAX];
    hex_encode(removal->history, HISTORY_SIZE, history);
    json_t *object = json_pack("{s:s, s:s, s:o, s:o}", "what", what_of(removal->kind), "history",
                               history, "seq", json_sprintf("%" PRIu64, removal->seq), "time_ms",
                               json_sprintf("%" PRIu64, removal->time_ms));
    if (removal->kind == REMOVAL_DEVICE || removal->kind == REMOVAL_KEY) {
        device_format(removal->device, device);
        (void)json_object_set_new(object, "device", json_string(device));
    }
    if (removal->kind == REMOVAL_KEY) {
        hex_encode(removal->key, KEY_SIZE, key);
        (void)json_object_set_new(object, "key", json_string(key));
    }
    if (removal->kind == REMOVAL_BAG) {
        (void)json_object_set_new(object, "bag", json_sprintf("%" PRIu64, removal->bag_id));
    }
    if (removal->text[0] != '\0') {
        (void)json_object_set_new(object, "text", json_string(removal->text));
    }
    put_line(out, object);
}

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

static bool number_of(const json_t *object, const char *member, uint64_t *out)
{
    const char *text = text_of(object, member);
    char *end = NULL;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

static bool get_removal(struct removal *out, const json_t *object)
{
    const char *what = text_of(object, "what");
    *out = (struct removal){0};
    for (size_t i = 0; i < KINDS; i++) {
        out->kind = strcmp(what, kinds[i].what) == 0 ? kinds[i].kind : out->kind;
    }
    bool good = out->kind != 0 && number_of(object, "seq", &out->seq) &&
                number_of(object, "time_ms", &out->time_ms) &&
                hex_decode(span_str(text_of(object, "history")), out->history, HISTORY_SIZE) == 0;
    if (out->kind == REMOVAL_DEVICE || out->kind == REMOVAL_KEY) {
        good = good && device_parse(text_of(object, "device"), &out->device, NULL) == 0;
    }
    if (out->kind == REMOVAL_KEY) {
        good = good && hex_decode(span_str(text_of(object, "key")), out->key, KEY_SIZE) == 0;
    }
    if (out->kind == REMOVAL_BAG) {
        good = good && number_of(object, "bag", &out->bag_id);
    }
    (void)snprintf(out->text, sizeof out->text, "%s", text_of(object, "text"));
    return good;
}

/* --- the file --- */

static int file_path(char out[PATH_MAX], const char *folder, struct err *err)
{
    int rc = path_join(out, PATH_MAX, folder, MANIFEST_REMOVALS);
    return rc == 0 ? 0 : err_set(err, rc, "the path is too long: '%.60s...'", folder);
}

static json_t *head_of(const char *folder, const uint8_t server[KEY_SIZE], uint64_t inode)
{
    char key[2 * KEY_SIZE + 1];
    hex_encode(server, KEY_SIZE, key);
    return json_pack("{s:s, s:i, s:s, s:s, s:o}", "what", "removals", "format", FORMAT, "server",
                     key, "folder", folder, "inode", json_sprintf("%" PRIu64, inode));
}

static int write_head(int fd, const char *path, const char *folder, const uint8_t server[KEY_SIZE],
                      struct err *err)
{
    struct stat info;
    char real[PATH_MAX];
    struct buf line;
    if (fstat(fd, &info) != 0 || realpath(folder, real) == NULL) {
        return err_sys(err, "look at", path);
    }
    buf_init(&line, LINE_MAX_BYTES);
    put_line(&line, head_of(real, server, (uint64_t)info.st_ino));
    int rc = buf_error(&line);
    if (rc != 0) {
        rc = err_set(err, rc, "'%s': %s", path, err_meaning(rc));
    } else {
        rc = file_write_at(fd, line.data, line.size, 0, path, err);
    }
    if (rc == 0 && fsync(fd) != 0) {
        rc = err_sys(err, "sync", path);
    }
    buf_free(&line);
    return rc;
}

/* Written under another name first: under its own it is whole. */
int removals_create(const char *folder, const uint8_t server[KEY_SIZE], struct err *err)
{
    ASSERT(folder != NULL && server != NULL);
    char path[PATH_MAX];
    char scratch[PATH_MAX];
    int rc = file_path(path, folder, err);
    if (rc != 0 || path_join(scratch, sizeof scratch, folder, MANIFEST_REMOVALS ".partial") != 0) {
        return rc != 0 ? rc : err_set(err, E_INVALID, "the path is too long: '%.60s...'", folder);
    }
    int fd = open(scratch, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_sys(err, "open", scratch);
    }
    rc = write_head(fd, scratch, folder, server, err);
    (void)close(fd);                             /* what counts is synced */
    if (rc == 0 && rename(scratch, path) != 0) { /* the same inode */
        rc = err_sys(err, "rename to", path);
    }
    if (rc != 0) {
        (void)unlink(scratch); /* worth nothing, and replaced by the next try */
    }
    return rc == 0 ? dir_sync_parent(path, err) : rc;
}

/* Where the last whole line ends. */
static int find_end(int fd, const char *path, off_t *end, struct err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return err_sys(err, "look at", path);
    }
    uint8_t tail[LINE_MAX_BYTES];
    off_t from = info.st_size > (off_t)sizeof tail ? info.st_size - (off_t)sizeof tail : 0;
    size_t size = (size_t)(info.st_size - from);
    int rc = file_read_at(fd, tail, size, from, path, err);
    while (rc == 0 && size > 0 && tail[size - 1] != '\n') {
        size--;
    }
    *end = from + (off_t)size;
    return rc == 0 && size == 0
               ? err_set(err, E_CORRUPT, "'%s' is damaged: a line has no end", path)
               : rc;
}

static int append_bytes(const char *path, const struct buf *lines, struct err *err)
{
    off_t end = 0;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return err_sys(err, "open", path);
    }
    int rc = find_end(fd, path, &end, err);
    if (rc == 0 && ftruncate(fd, end) != 0) {
        rc = err_sys(err, "cut", path);
    }
    if (rc == 0) {
        rc = file_write_at(fd, lines->data, lines->size, end, path, err);
    }
    if (rc == 0 && fdatasync(fd) != 0) {
        rc = err_sys(err, "sync", path);
    }
    (void)close(fd); /* what counts is synced */
    return rc;
}

int removals_append(const char *folder, const struct removal *removals, size_t count,
                    struct err *err)
{
    ASSERT(folder != NULL && (removals != NULL || count == 0));
    char path[PATH_MAX];
    struct buf lines;
    int rc = file_path(path, folder, err);
    if (rc != 0 || count == 0) {
        return rc;
    }
    buf_init(&lines, FILE_MAX_BYTES);
    for (size_t i = 0; i < count; i++) {
        put_removal(&lines, &removals[i]);
    }
    rc = buf_error(&lines);
    rc = rc != 0 ? err_set(err, rc, "'%s': %s", path, err_meaning(rc))
                 : append_bytes(path, &lines, err);
    buf_free(&lines);
    return rc;
}

/* --- reading --- */

/* The line's document; NULL: it is not what was written. */
static json_t *parse_line(struct span line)
{
    char digits[CRC_DIGITS + 1];
    if (line.size <= CRC_DIGITS + 1 || line.data[CRC_DIGITS] != ' ') {
        return NULL;
    }
    struct span text = span_of(line.data + CRC_DIGITS + 1, line.size - CRC_DIGITS - 1);
    (void)snprintf(digits, sizeof digits, "%08x", crc32c(0, text.data, text.size));
    return memcmp(digits, line.data, CRC_DIGITS) == 0
               ? json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL)
               : NULL;
}

static bool is_original(const json_t *object, const char *folder)
{
    char real[PATH_MAX];
    char path[PATH_MAX];
    struct stat info;
    uint64_t inode = 0;
    return number_of(object, "inode", &inode) && realpath(folder, real) != NULL &&
           strcmp(real, text_of(object, "folder")) == 0 && file_path(path, folder, NULL) == 0 &&
           stat(path, &info) == 0 && (uint64_t)info.st_ino == inode;
}

static int take_head(struct removals_head *head, const json_t *object, const char *folder,
                     struct err *err)
{
    json_int_t format = json_integer_value(json_object_get(object, "format"));
    *head = (struct removals_head){0};
    if (strcmp(text_of(object, "what"), "removals") != 0 || format < 1 ||
        hex_decode(span_str(text_of(object, "server")), head->server, KEY_SIZE) != 0) {
        return E_CORRUPT;
    }
    if (format > FORMAT) {
        return err_set(err, E_FORMAT,
                       "'%s/%s' is of format %lld, and this program knows formats up to %d: use "
                       "the newer one that made it",
                       folder, MANIFEST_REMOVALS, (long long)format, FORMAT);
    }
    head->original = is_original(object, folder);
    return 0;
}

struct reading {
    const char *folder;
    struct removals_head *head;
    removal_fn *each;
    void *context;
    size_t number; /* of the line, from 1 */
};

static int take_line(struct reading *reading, struct span line, struct err *err)
{
    struct removal removal;
    json_t *object = parse_line(line);
    int rc = E_CORRUPT;
    if (object != NULL && reading->number == 1) {
        rc = take_head(reading->head, object, reading->folder, err);
    } else if (object != NULL && get_removal(&removal, object)) {
        rc = reading->each != NULL ? reading->each(reading->context, &removal, err) : 0;
        json_decref(object);
        return rc;
    }
    json_decref(object);
    return rc == E_CORRUPT
               ? err_set(err, rc, "'%s/%s' is damaged: line %zu is not what was written",
                         reading->folder, MANIFEST_REMOVALS, reading->number)
               : rc;
}

static int take_lines(struct reading *reading, struct span text, struct err *err)
{
    int rc = 0;
    while (rc == 0 && text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        if (end == NULL) {
            break; /* cut short by a crash */
        }
        size_t size = (size_t)(end - text.data);
        reading->number++;
        rc = take_line(reading, span_of(text.data, size), err);
        text = span_of(text.data + size + 1, text.size - size - 1);
    }
    return rc == 0 && reading->number == 0
               ? err_set(err, E_CORRUPT, "'%s/%s' is damaged: it holds no line", reading->folder,
                         MANIFEST_REMOVALS)
               : rc;
}

int removals_read(const char *folder, struct removals_head *head, removal_fn *each, void *context,
                  struct err *err)
{
    ASSERT(folder != NULL);
    char path[PATH_MAX];
    struct removals_head own;
    struct buf text;
    struct reading reading = {folder, head != NULL ? head : &own, each, context, 0};
    int rc = file_path(path, folder, err);
    if (rc != 0) {
        return rc;
    }
    buf_init(&text, FILE_MAX_BYTES);
    rc = file_read(path, &text, err);
    if (rc == 0) {
        rc = take_lines(&reading, buf_span(&text), err);
    }
    buf_free(&text);
    return rc;
}
