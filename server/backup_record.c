/* server/backup_record.c - items of the server's bag as JSON. */
#include "server/backup_record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static const char KNOWN[] = "known";
static const char UNKNOWN[] = "unknown";

struct span backup_record_path(char *out, const char *folder)
{
    ASSERT(out != NULL && folder != NULL);
    int size = snprintf(out, BACKUP_ITEM_MAX, BACKUP_ITEM_PREFIX "%016" PRIx64,
                        hash64(span_str(folder), 0));
    return span_of(out, (size_t)size);
}

static void put(struct buf *out, json_t *object)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    if (text == NULL) {
        out->error = out->error != 0 ? out->error : E_NOMEM;
    } else {
        (void)buf_append_span(out, span_str(text));
    }
    free(text);
    json_decref(object);
}

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

static uint64_t number_of(const json_t *object, const char *member)
{
    json_int_t number = json_integer_value(json_object_get(object, member));
    return number > 0 ? (uint64_t)number : 0;
}

void backup_record_put(struct buf *out, const char *folder, uint64_t since_ms)
{
    ASSERT(out != NULL && folder != NULL);
    put(out, json_pack("{s:s, s:I}", "folder", folder, "since_ms", (json_int_t)since_ms));
}

int backup_record_get(struct span value, char folder[PATH_MAX], struct err *err)
{
    json_t *object = json_loadb((const char *)value.data, value.size, 0, NULL);
    const char *text = text_of(object, "folder");
    int rc = text[0] == '/' && strlen(text) < PATH_MAX
                 ? 0
                 : err_set(err, E_MALFORMED, "the record of a folder of backups names none");
    if (rc == 0) {
        (void)snprintf(folder, PATH_MAX, "%s", text);
    }
    json_decref(object);
    return rc;
}

bool restored_held(const struct restored_record *record)
{
    ASSERT(record != NULL);
    return record->unknown && record->confirmed_ms == 0;
}

void restored_put(struct buf *out, const struct restored_record *record)
{
    ASSERT(out != NULL && record != NULL);
    char parent[2 * HISTORY_SIZE + 1];
    hex_encode(record->parent, HISTORY_SIZE, parent);
    put(out,
        json_pack("{s:s, s:I, s:s, s:I, s:I, s:s, s:I, s:I, s:s}", "backup", record->backup,
                  "backup_ms", (json_int_t)record->backup_ms, "parent", parent, "parent_seq",
                  (json_int_t)record->parent_seq, "restored_ms", (json_int_t)record->restored_ms,
                  "removals", record->unknown ? UNKNOWN : KNOWN, "known_to_ms",
                  (json_int_t)record->known_to_ms, "confirmed_ms", (json_int_t)record->confirmed_ms,
                  "by", record->by));
}

int restored_get(struct restored_record *out, struct span value, struct err *err)
{
    ASSERT(out != NULL);
    json_t *object = json_loadb((const char *)value.data, value.size, 0, NULL);
    struct restored_record record = {
        .backup_ms = number_of(object, "backup_ms"),
        .parent_seq = number_of(object, "parent_seq"),
        .restored_ms = number_of(object, "restored_ms"),
        .unknown = strcmp(text_of(object, "removals"), KNOWN) != 0, /* when in doubt, ask */
        .known_to_ms = number_of(object, "known_to_ms"),
        .confirmed_ms = number_of(object, "confirmed_ms"),
    };
    (void)snprintf(record.backup, sizeof record.backup, "%s", text_of(object, "backup"));
    (void)snprintf(record.by, sizeof record.by, "%s", text_of(object, "by"));
    int rc = json_is_object(object) && hex_decode(span_str(text_of(object, "parent")),
                                                  record.parent, HISTORY_SIZE) == 0
                 ? 0
                 : err_set(err, E_MALFORMED,
                           "the record of how this server's data was restored can't be read");
    json_decref(object);
    if (rc == 0) {
        *out = record;
    }
    return rc;
}
