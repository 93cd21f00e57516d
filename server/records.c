/* server/records.c - JSON by jansson. */
#include "server/records.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static const char DEVICE_PREFIX[] = "device/";
static const char TOKEN_PREFIX[] = "token/";

static bool begins_with(struct span path, const char *prefix)
{
    size_t size = strlen(prefix);
    return path.size > size && memcmp(path.data, prefix, size) == 0;
}

enum record_kind record_kind(struct span path)
{
    if (begins_with(path, DEVICE_PREFIX)) {
        return RECORD_DEVICE;
    }
    return begins_with(path, TOKEN_PREFIX) ? RECORD_TOKEN : RECORD_OTHER;
}

struct span record_device_path(char *out, uint64_t device)
{
    char digits[DEVICE_TEXT_MAX];
    device_format(device, digits);
    int size = snprintf(out, RECORD_PATH_MAX, "%s%s", DEVICE_PREFIX, digits);
    return span_of(out, (size_t)size);
}

struct span record_token_path(char *out, const uint8_t key[KEY_SIZE])
{
    char digits[2 * KEY_SIZE + 1];
    hex_encode(key, KEY_SIZE, digits);
    int size = snprintf(out, RECORD_PATH_MAX, "%s%s", TOKEN_PREFIX, digits);
    return span_of(out, (size_t)size);
}

bool record_device_of(struct span path, uint64_t *device)
{
    char digits[DEVICE_TEXT_MAX] = "";
    size_t skip = sizeof DEVICE_PREFIX - 1;
    if (record_kind(path) != RECORD_DEVICE || path.size - skip != sizeof digits - 1) {
        return false;
    }
    memcpy(digits, path.data + skip, sizeof digits - 1);
    return device_parse(digits, device, NULL) == 0 && *device != 0;
}

bool record_token_of(struct span path, uint8_t key[KEY_SIZE])
{
    size_t skip = sizeof TOKEN_PREFIX - 1;
    return record_kind(path) == RECORD_TOKEN &&
           hex_decode(span_of(path.data + skip, path.size - skip), key, KEY_SIZE) == 0;
}

static const char *const keep_names[] = {"signed-in", "groups", "everybody"};

const char *device_keep_name(enum device_keep keep)
{
    ASSERT((size_t)keep < sizeof keep_names / sizeof keep_names[0]);
    return keep_names[keep];
}

bool device_keep_parse(const char *text, enum device_keep *keep)
{
    ASSERT(text != NULL && keep != NULL);
    for (size_t i = 0; i < sizeof keep_names / sizeof keep_names[0]; i++) {
        if (strcmp(text, keep_names[i]) == 0) {
            *keep = (enum device_keep)i;
            return true;
        }
    }
    return false;
}

/* --- writing --- */

static void append_json(struct buf *out, json_t *object)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    if (text == NULL) {
        out->error = E_NOMEM;
    } else {
        (void)buf_append_span(out, span_str(text));
    }
    free(text);
    json_decref(object);
}

void record_put_device(struct buf *out, const struct device_record *record)
{
    ASSERT(out != NULL && record != NULL);
    char key[2 * KEY_SIZE + 1];
    hex_encode(record->key, KEY_SIZE, key);
    append_json(out,
                json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:b}", "name", record->name,
                          "serial", record->serial, "model", record->model, "software",
                          record->software, "key", key, "joined_ms", (json_int_t)record->joined_ms,
                          "state", record->removed ? "removed" : "active", "keep",
                          device_keep_name(record->keep), "mirror", (int)record->mirror));
}

void record_put_token(struct buf *out, const struct token_record *record)
{
    ASSERT(out != NULL && record != NULL);
    char device[DEVICE_TEXT_MAX] = "";
    char replaces[DEVICE_TEXT_MAX] = "";
    if (record->used) {
        device_format(record->device, device);
    }
    if (record->replaces != 0) {
        device_format(record->replaces, replaces);
    }
    append_json(out, json_pack("{s:s, s:I, s:s, s:s, s:b, s:I, s:s}", "state",
                               record->used ? "used" : "new", "expires_ms",
                               (json_int_t)record->expires_ms, "device", device, "replaces",
                               replaces, "keeps_rights", (int)record->keeps_rights, "created_ms",
                               (json_int_t)record->created_ms, "by", record->by));
}

void record_put_sync(struct buf *out, const struct sync_record *record)
{
    ASSERT(out != NULL && record != NULL);
    append_json(out, json_pack("{s:s, s:I, s:s}", "state", record->stopped ? "stopped" : "running",
                               "since_ms", (json_int_t)record->since_ms, "by", record->by));
}

/* --- reading --- */

/* Reads fields one after the other; the first fault is kept. */
struct reader {
    json_t *object;
    int rc;
    struct err *err;
};

static int open_reader(struct reader *reader, struct span value, struct err *err)
{
    json_error_t fault;
    *reader = (struct reader){.err = err};
    reader->object =
        json_loadb((const char *)value.data, value.size, JSON_REJECT_DUPLICATES, &fault);
    if (reader->object == NULL) {
        return err_set(err, E_MALFORMED, "it is not JSON: line %d: %s", fault.line, fault.text);
    }
    return 0;
}

static void fault(struct reader *reader, const char *field)
{
    if (reader->rc == 0) {
        reader->rc = err_set(reader->err, E_MALFORMED, "its '%s' is not what it should be", field);
    }
}

/* A text of less than `size` bytes; absent is empty. */
static void read_text(struct reader *reader, const char *field, char *out, size_t size)
{
    const json_t *value = json_object_get(reader->object, field);
    const char *text = value == NULL ? "" : json_string_value(value);
    if (text == NULL || strlen(text) >= size) {
        fault(reader, field);
        return;
    }
    memcpy(out, text, strlen(text) + 1);
}

static void read_number(struct reader *reader, const char *field, uint64_t *out)
{
    const json_t *value = json_object_get(reader->object, field);
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        fault(reader, field);
        return;
    }
    *out = (uint64_t)json_integer_value(value);
}

/* `*second` when the text is `b`, not when it is `a`. */
static void read_choice(struct reader *reader, const char *field, const char *a, const char *b,
                        bool *second)
{
    const char *text = json_string_value(json_object_get(reader->object, field));
    if (text == NULL || (strcmp(text, a) != 0 && strcmp(text, b) != 0)) {
        fault(reader, field);
        return;
    }
    *second = strcmp(text, b) == 0;
}

static void read_keep(struct reader *reader, enum device_keep *out)
{
    const json_t *value = json_object_get(reader->object, "keep");
    const char *text = value == NULL ? keep_names[KEEP_SIGNED_IN] : json_string_value(value);
    if (text == NULL || !device_keep_parse(text, out)) {
        fault(reader, "keep");
    }
}

/* Absent is false. */
static void read_flag(struct reader *reader, const char *field, bool *out)
{
    const json_t *value = json_object_get(reader->object, field);
    if (value != NULL && !json_is_boolean(value)) {
        fault(reader, field);
        return;
    }
    *out = json_is_true(value);
}

/* Of a field that records did not always have: absent is 0. */
static void read_later_number(struct reader *reader, const char *field, uint64_t *out)
{
    if (json_object_get(reader->object, field) != NULL) {
        read_number(reader, field, out);
    }
}

/* "" and absent are 0. */
static void read_device(struct reader *reader, const char *field, uint64_t *out)
{
    char text[DEVICE_TEXT_MAX] = "";
    read_text(reader, field, text, sizeof text);
    if (text[0] != '\0' && device_parse(text, out, NULL) != 0) {
        fault(reader, field);
    }
}

static void read_key(struct reader *reader, uint8_t out[KEY_SIZE])
{
    const char *text = json_string_value(json_object_get(reader->object, "key"));
    if (text == NULL || hex_decode(span_str(text), out, KEY_SIZE) != 0) {
        fault(reader, "key");
    }
}

int record_get_device(struct device_record *out, struct span path, struct span value,
                      struct err *err)
{
    ASSERT(out != NULL);
    struct device_record record = {0};
    if (!record_device_of(path, &record.id)) {
        return err_set(err, E_MALFORMED, "its path names no device");
    }
    struct reader reader;
    int rc = open_reader(&reader, value, err);
    if (rc != 0) {
        return rc;
    }
    read_text(&reader, "name", record.name, sizeof record.name);
    read_text(&reader, "serial", record.serial, sizeof record.serial);
    read_text(&reader, "model", record.model, sizeof record.model);
    read_text(&reader, "software", record.software, sizeof record.software);
    read_key(&reader, record.key);
    read_number(&reader, "joined_ms", &record.joined_ms);
    read_choice(&reader, "state", "active", "removed", &record.removed);
    read_keep(&reader, &record.keep);
    read_flag(&reader, "mirror", &record.mirror);
    json_decref(reader.object);
    if (reader.rc == 0) {
        *out = record;
    }
    return reader.rc;
}

int record_get_token(struct token_record *out, struct span path, struct span value, struct err *err)
{
    ASSERT(out != NULL);
    struct token_record record = {0};
    if (!record_token_of(path, record.key)) {
        return err_set(err, E_MALFORMED, "its path names no join token");
    }
    struct reader reader;
    int rc = open_reader(&reader, value, err);
    if (rc != 0) {
        return rc;
    }
    read_choice(&reader, "state", "new", "used", &record.used);
    read_number(&reader, "expires_ms", &record.expires_ms);
    read_device(&reader, "device", &record.device);
    if (record.used && record.device == 0) {
        fault(&reader, "device");
    }
    read_device(&reader, "replaces", &record.replaces);
    read_flag(&reader, "keeps_rights", &record.keeps_rights);
    read_later_number(&reader, "created_ms", &record.created_ms);
    read_text(&reader, "by", record.by, sizeof record.by);
    json_decref(reader.object);
    if (reader.rc == 0) {
        *out = record;
    }
    return reader.rc;
}

int record_get_sync(struct sync_record *out, struct span value, struct err *err)
{
    ASSERT(out != NULL);
    struct sync_record record = {0};
    struct reader reader;
    int rc = open_reader(&reader, value, err);
    if (rc != 0) {
        return rc;
    }
    read_choice(&reader, "state", "running", "stopped", &record.stopped);
    read_number(&reader, "since_ms", &record.since_ms);
    read_text(&reader, "by", record.by, sizeof record.by);
    json_decref(reader.object);
    if (reader.rc == 0) {
        *out = record;
    }
    return reader.rc;
}
