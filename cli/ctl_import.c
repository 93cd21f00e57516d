/* cli/ctl_import.c - kitbagctl import: people and addresses from a directory's export. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/ctl_http.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"
#include "journal/owner.h"

enum { FILE_MAX_BYTES = 256 << 20, TARGET_MAX_BYTES = 4096, PIECE_BYTES = 64 << 10 };

static int read_stdin(struct buf *out, struct err *err)
{
    for (;;) {
        if (buf_reserve(out, PIECE_BYTES) != 0) {
            return err_set(err, E_TOO_LARGE, "standard input is larger than 256 MiB");
        }
        ssize_t got = read(STDIN_FILENO, out->data + out->size, PIECE_BYTES);
        if (got < 0) {
            return err_sys(err, "read", "standard input");
        }
        if (got == 0) {
            return 0;
        }
        out->size += (size_t)got;
    }
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
    if (strcmp(path, "-") == 0) {
        return read_stdin(out, err);
    }
    int rc = file_read(path, out, err);
    return rc == E_TOO_LARGE
               ? err_set(err, rc, "'%s' is larger than 256 MiB: import it in parts", path)
               : rc;
}

static bool ends_with(const char *path, const char *end)
{
    size_t size = strlen(path);
    size_t end_size = strlen(end);
    return size > end_size && strcasecmp(path + size - end_size, end) == 0;
}

/* --format, or what the file's name says. */
static int read_format(const struct invocation *invocation, const char **format, struct err *err)
{
    static const struct {
        const char *format, *end;
    } known[] = {{"ldif", ".ldif"},
                 {"ldif", ".ldi"},
                 {"csv", ".csv"},
                 {"vcard", ".vcf"},
                 {"vcard", ".vcard"}};
    const char *text = invocation_option(invocation, "format");
    const char *path = invocation->args[0];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (text != NULL ? strcmp(text, known[i].format) == 0 : ends_with(path, known[i].end)) {
            *format = known[i].format;
            return 0;
        }
    }
    return text != NULL
               ? err_set(err, E_USAGE, "--format takes ldif, csv or vcard, not '%s'", text)
               : err_set(err, E_USAGE, "say what '%s' is: --format ldif, csv or vcard", path);
}

static void tell_failures(json_t *report)
{
    json_t *failed = json_object_get(report, "failed");
    json_int_t total = json_integer_value(json_object_get(report, "failed_count"));
    size_t i;
    json_t *row;
    json_array_foreach(failed, i, row)
    {
        output_say("line %lld: %s\n", (long long)json_integer_value(json_object_get(row, "line")),
                   json_string_value(json_object_get(row, "reason")));
    }
    if (total > (json_int_t)json_array_size(failed)) {
        output_say("and %lld more\n", (long long)total - (long long)json_array_size(failed));
    }
}

static int finish(const struct invocation *invocation, json_t *report, enum output_format format,
                  struct err *err)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false},
        {"registered", "Registered", true},
        {"items", "Addresses", true},
        {"unchanged", "Unchanged", true},
        {"others", "Other entries", true},
        {"failed_count", "Left out", true},
        {NULL, NULL, false},
    };
    json_int_t taken = json_integer_value(json_object_get(report, "registered")) +
                       json_integer_value(json_object_get(report, "items")) +
                       json_integer_value(json_object_get(report, "unchanged"));
    json_int_t failed = json_integer_value(json_object_get(report, "failed_count"));
    tell_failures(report);
    if (taken == 0) {
        return err_set(err, failed > 0 ? E_MALFORMED : E_NOT_FOUND, "'%s' holds no person%s",
                       invocation->args[0], failed > 0 ? " that could be taken over" : "");
    }
    output_object(format, columns + (invocation_has(invocation, "dry-run") ? 0 : 1), report);
    return failed == 0 ? 0
                       : err_set(err, E_PARTLY, "%lld entries were left out", (long long)failed);
}

static int import(const struct invocation *invocation, struct buf *target, struct err *err)
{
    enum output_format format;
    json_t *report = NULL;
    const char *form = NULL;
    struct buf file;
    buf_init(&file, FILE_MAX_BYTES);
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = read_format(invocation, &form, err);
    }
    (void)buf_printf(target, "?dry_run=%d", invocation_has(invocation, "dry-run"));
    (void)buf_printf(target, "%s", invocation_has(invocation, "colleagues") ? "&colleagues=1" : "");
    ctl_put_query(target, "format", form);
    const char *text = ctl_target(target, err);
    rc = rc == 0 && text == NULL ? E_TOO_LARGE : rc;
    if (rc == 0) {
        rc = read_file(invocation->args[0], &file, err);
    }
    if (rc == 0) {
        rc = ctl_upload(invocation, text, buf_span(&file), &report, err);
    }
    if (rc == 0) {
        rc = finish(invocation, report, format, err);
    }
    json_decref(report);
    buf_free(&file);
    return rc;
}

int ctl_import_people(const struct invocation *invocation, struct err *err)
{
    struct buf target;
    buf_init(&target, TARGET_MAX_BYTES);
    (void)buf_append_span(&target, SPAN_LITERAL("/api/v1/owners/import"));
    int rc = import(invocation, &target, err);
    buf_free(&target);
    return rc;
}

int ctl_import_addresses(const struct invocation *invocation, struct err *err)
{
    const char *into = invocation_option(invocation, "into");
    struct owner owner = {0};
    if (into == NULL) {
        return err_set(err, E_USAGE, "say whose address list it is: --into user:NAME or group:ID");
    }
    int rc = owner_parse(&owner, into, err);
    if (rc == 0 && owner.kind != OWNER_USER && owner.kind != OWNER_GROUP) {
        rc = err_set(err, E_USAGE, "--into takes user:NAME or group:ID, not '%s'", into);
    }
    if (rc != 0) {
        return rc;
    }
    struct buf target;
    buf_init(&target, TARGET_MAX_BYTES);
    (void)buf_printf(&target, "/api/v1/owners/%s/", owner.kind == OWNER_USER ? "user" : "group");
    ctl_escape(&target, owner.shown);
    (void)buf_append_span(&target, SPAN_LITERAL("/address-list"));
    rc = import(invocation, &target, err);
    buf_free(&target);
    return rc;
}
