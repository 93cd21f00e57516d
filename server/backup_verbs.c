/* server/backup_verbs.c - a document of what was done, and the same as lines for people. */
#include "server/backup_verbs.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/backup_verify.h"
#include "server/restore.h"

enum { TELL_EVERY_MS = 250, LABEL_WIDTH = 26 };

/* --- progress --- */

struct telling {
    const char *what;
    uint64_t told_ms;
    bool told;
};

static void tell(void *context, const struct backup_progress *progress)
{
    struct telling *telling = context;
    uint64_t now_ms = clock_mono_ms(&clock_system);
    uint64_t total = atomic_load(&progress->total);
    uint64_t done = atomic_load(&progress->done);
    if (total == 0 || now_ms - telling->told_ms < TELL_EVERY_MS) {
        return;
    }
    telling->told_ms = now_ms;
    telling->told = true;
    (void)fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 " MiB", telling->what, done >> 20,
                  total >> 20);
}

static void begin_telling(struct backup_progress *progress, struct telling *telling)
{
    if (isatty(STDERR_FILENO) == 1) {
        progress->tell = tell;
        progress->context = telling;
    }
}

static void end_telling(const struct telling *telling)
{
    if (telling->told) {
        (void)fputc('\n', stderr);
    }
}

/* --- the answer --- */

static json_t *hex(const uint8_t *bytes, size_t size)
{
    char text[2 * SHA256_SIZE + 1];
    hex_encode(bytes, size, text);
    return json_string(text);
}

static json_t *seq(uint64_t value)
{
    return json_sprintf("%" PRIu64, value);
}

static json_t *when(uint64_t ms)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(ms, text);
    return ms != 0 ? json_string(text) : json_null();
}

static void put_value(struct buf *out, const json_t *value)
{
    if (json_is_string(value)) {
        (void)buf_printf(out, "%s\n", json_string_value(value));
    } else if (json_is_integer(value)) {
        (void)buf_printf(out, "%lld\n", (long long)json_integer_value(value));
    } else {
        (void)buf_printf(out, "%s\n",
                         json_is_true(value)    ? "yes"
                         : json_is_false(value) ? "no"
                                                : "-");
    }
}

struct label {
    const char *member;
    const char *label;
};

/* `document` is used up. */
static int answer(json_t *document, const struct label *labels, bool json, struct buf *out,
                  struct err *err)
{
    char *text = json && document != NULL ? json_dumps(document, JSON_INDENT(2)) : NULL;
    if (text != NULL) {
        (void)buf_printf(out, "%s\n", text);
    }
    for (; !json && document != NULL && labels->member != NULL; labels++) {
        const json_t *value = json_object_get(document, labels->member);
        if (value != NULL) {
            (void)buf_printf(out, "%-*s", LABEL_WIDTH, labels->label);
            put_value(out, value);
        }
    }
    bool whole = document != NULL && (!json || text != NULL) && buf_error(out) == 0;
    free(text);
    json_decref(document);
    return whole ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static json_t *restored_document(const struct restore_report *report)
{
    json_t *document = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:b, s:s, s:o, s:I, s:b}",
        "backup", report->backup, "made", when(report->backup_ms), "seq", seq(report->parent_seq),
        "parent", hex(report->parent, HISTORY_SIZE), "history", hex(report->history, HISTORY_SIZE),
        "replaced", report->replaced[0] != '\0' ? json_string(report->replaced) : json_null(),
        "replaced_seq", report->old_seq != 0 ? seq(report->old_seq) : json_null(),
        "machines_removed", (json_int_t)report->machines, "machines_rekeyed",
        (json_int_t)report->keys, "owners_deleted", (json_int_t)report->owners, "rights_removed",
        (json_int_t)report->items, "removals_known", report->known, "removals_from",
        report->from_journal ? "the old data folder"
        : report->known      ? "the file of removals beside the backup"
                             : "",
        "removals_known_to", when(report->known_to_ms), "backup_folders_left",
        (json_int_t)report->folders_left, "held", !report->known);
    return document;
}

/* What a person has to know or do now, to standard error. */
static void advise(const struct restore_report *report)
{
    if (report->replaced[0] != '\0') {
        (void)fprintf(stderr,
                      "What was there before is kept in '%s': remove it when you are sure that "
                      "nothing of it is needed.\n",
                      report->replaced);
    }
    if (report->folders_left > 0) {
        (void)fprintf(stderr,
                      "This server does not tell beside its earlier backups what it removes: make "
                      "one with 'kitbagctl backup' when it runs.\n");
    }
    if (!report->known) {
        (void)fprintf(stderr,
                      "It is not known which machines and people were removed since the backup "
                      "(%s): nobody is served until 'kitbagctl restore confirm'. Start the server, "
                      "remove who has to go ('kitbagctl device ls', 'user ls'), and confirm.\n",
                      report->removals_text);
    }
}

int backup_verbs_restore(const char *backup, const struct settings *settings, bool json,
                         struct buf *out, struct err *err)
{
    ASSERT(backup != NULL && settings != NULL && out != NULL);
    static const struct label labels[] = {
        {"backup", "Restored from"},
        {"made", "Made"},
        {"seq", "Up to change"},
        {"parent", "Its history"},
        {"history", "New history"},
        {"replaced", "Old data"},
        {"replaced_seq", "Its last change"},
        {"machines_removed", "Machines removed since"},
        {"machines_rekeyed", "Machines replaced since"},
        {"owners_deleted", "People, groups deleted"},
        {"rights_removed", "Tokens, accounts removed"},
        {"removals_known", "Removals known"},
        {"removals_known_to", "Removals known up to"},
        {NULL, NULL},
    };
    static const struct label finished[] = {{"finished", "Finished"}, {NULL, NULL}};
    struct telling telling = {.what = "reading the backup"};
    struct backup_progress progress = {0};
    struct restore_report report;
    const struct restore_options options = {
        .backup = backup, .settings = settings, .progress = &progress};
    begin_telling(&progress, &telling);
    int rc = restore_run(&options, &report, err);
    end_telling(&telling);
    if (rc != 0) {
        return rc;
    }
    if (report.finished) {
        (void)fprintf(stderr, "A restore that had been broken off in its last moment was finished; "
                              "nothing else was done. Start the server, or restore once more.\n");
        return answer(json_pack("{s:b}", "finished", 1), finished, json, out, err);
    }
    rc = answer(restored_document(&report), labels, json, out, err);
    advise(&report);
    return rc;
}

int backup_verbs_verify(const char *backup, bool json, struct buf *out, struct err *err)
{
    ASSERT(backup != NULL && out != NULL);
    static const struct label labels[] = {
        {"backup", "Backup"},   {"state", "It is"},        {"made", "Made"},
        {"history", "History"}, {"floor", "First change"}, {"seq", "Last change"},
        {"files", "Files"},     {"bytes", "Bytes"},        {"bags", "Digests compared"},
        {"users", "Users"},     {"groups", "Groups"},      {"items", "Items"},
        {NULL, NULL},
    };
    struct telling telling = {.what = "reading the backup"};
    struct backup_progress progress = {0};
    struct backup_verified found;
    begin_telling(&progress, &telling);
    int rc = backup_verify(backup, &progress, &found, err);
    end_telling(&telling);
    if (rc != 0) {
        return rc;
    }
    json_t *document = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "backup", found.path,
        "state", "whole", "made", when(found.time_ms), "history", hex(found.history, HISTORY_SIZE),
        "floor", seq(found.floor), "seq", seq(found.seq), "files", (json_int_t)found.files, "bytes",
        (json_int_t)found.bytes, "bags", (json_int_t)found.bags, "users", (json_int_t)found.users,
        "groups", (json_int_t)found.groups, "items", (json_int_t)found.items);
    return answer(document, labels, json, out, err);
}
