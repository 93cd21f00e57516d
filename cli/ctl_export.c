/* cli/ctl_export.c - kitbagctl export: user data for client machines and other programs. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/ctl_http.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"
#include "cli/secret.h"
#include "journal/snapshot.h"

enum { TARGET_MAX_BYTES = 4096, AGAIN_MS = 500 };

static const char EXPORTS[] = "/api/v1/exports";

static int ask(const struct invocation *invocation, const char *target, json_t *body,
               json_t **answer, struct err *err)
{
    int rc = body != NULL ? ctl_ask(invocation, target, body, answer, err)
                          : err_set(err, E_NOMEM, "out of memory");
    json_decref(body);
    return rc;
}

/* --- preparing --- */

static json_t *values_of(const struct invocation *invocation, const char *option)
{
    json_t *values = json_array();
    const char *value;
    for (size_t i = 0; (value = invocation_option_at(invocation, option, i)) != NULL; i++) {
        (void)json_array_append_new(values, json_string(value));
    }
    return values;
}

static int read_wishes(const struct invocation *invocation, json_t *body, struct err *err)
{
    const char *only = invocation_option(invocation, "only");
    const char *device = invocation_option(invocation, "since-device");
    const char *file = invocation_option(invocation, "password-file");
    char password[SECRET_MAX];
    bool put = true;
    int rc = 0;
    if (only != NULL) {
        put = json_object_set_new(body, "items", json_pack("[s]", only)) == 0;
    }
    if (put && device != NULL) {
        put = json_object_set_new(body, "since_device", json_string(device)) == 0;
    }
    if (put && file != NULL) {
        rc = secret_from_file(file, password, err);
        put = rc != 0 || json_object_set_new(body, "password", json_string(password)) == 0;
        secret_wipe(password);
    }
    return put ? rc : err_set(err, E_INVALID, "the password is no text, or there is no memory");
}

static const struct output_column columns[] = {
    {"id", "ID", false},
    {"seq", "SEQ", true},
    {"expires_at", "UNTIL", false},
    {"users", "USERS", true},
    {"groups", "GROUPS", true},
    {"size", "BYTES", true},
    {"password", "PASSWORD", false},
    {"by", "BY", false},
    {NULL, NULL, false},
};

static long long count_of(const json_t *export, const char *member)
{
    return json_integer_value(json_object_get(json_object_get(export, "counts"), member));
}

/* What is not in it, and would be missed. */
static void tell_left_out(const json_t *export)
{
    long long late = json_integer_value(json_object_get(export, "late_count"));
    if (count_of(export, "secrets") > 0) {
        output_say("%lld secret items (keychains, network keys) are left out: they are in it only "
                   "with --password-file.",
                   count_of(export, "secrets"));
    }
    if (count_of(export, "not_exported") > 0) {
        output_say("%lld items are of categories that are not exported.",
                   count_of(export, "not_exported"));
    }
    if (late > 0) {
        size_t i;
        const json_t *id;
        output_say("%lld connected machines did not tell in time that the server has all that was "
                   "written there; what they still held is not in it:",
                   late);
        json_array_foreach(json_object_get(export, "late"), i, id)
        {
            output_say("  %s", json_string_value(id));
        }
    }
}

int ctl_export_prepare(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    json_t *answer = NULL;
    json_t *body =
        json_pack("{s:b, s:o, s:o}", "all", invocation_has(invocation, "all"), "users",
                  values_of(invocation, "user"), "groups", values_of(invocation, "group"));
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = command_no_dry_run(invocation, err);
    }
    if (rc == 0) {
        rc = body != NULL ? read_wishes(invocation, body, err)
                          : err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = ctl_ask(invocation, EXPORTS, body, &answer, err);
    }
    if (rc == 0) {
        json_t *rows = json_pack("[O]", answer);
        tell_left_out(answer);
        if (format == OUTPUT_TABLE && rows != NULL) {
            output_rows(format, columns, rows);
        } else {
            output_object(format, columns, answer);
        }
        json_decref(rows);
    }
    json_decref(body);
    json_decref(answer);
    return rc;
}

int ctl_export_ls(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    json_t *answer = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_ask(invocation, EXPORTS, NULL, &answer, err);
    }
    if (rc == 0) {
        output_rows(format, columns, json_object_get(answer, "exports"));
    }
    json_decref(answer);
    return rc;
}

int ctl_export_rm(const struct invocation *invocation, struct err *err)
{
    static const struct output_column removed[] = {
        {"dry_run", "Dry run", false}, {"exports", "Removed", true}, {NULL, NULL, false}};
    enum output_format format;
    json_t *answer = NULL;
    json_t *ids = json_array();
    bool dry_run = invocation_has(invocation, "dry-run");
    for (int i = 0; i < invocation->arg_count; i++) {
        (void)json_array_append_new(ids, json_string(invocation->args[i]));
    }
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ask(invocation, "/api/v1/exports/delete",
                 json_pack("{s:O, s:b}", "ids", ids, "dry_run", dry_run), &answer, err);
    }
    if (rc == 0) {
        size_t missing = json_array_size(json_object_get(answer, "missing"));
        output_object(format, removed + (dry_run ? 0 : 1), answer);
        rc = missing == 0
                 ? 0
                 : err_set(err, E_PARTLY, "%zu of these exports are not there (any more)", missing);
    }
    json_decref(ids);
    json_decref(answer);
    return rc;
}

/* --- fetching --- */

/* "/api/v1/exports/ID" and `rest` in a buffer of the caller's; NULL: it is too long. */
static const char *target_of(struct buf *out, const char *id, const char *rest, struct err *err)
{
    (void)buf_printf(out, "%s/", EXPORTS);
    ctl_escape(out, id);
    (void)buf_printf(out, "%s", rest);
    return ctl_target(out, err);
}

static bool may_go_on(int rc, const struct ctl_download *download)
{
    return (rc == E_UNREACHABLE || rc == E_TIMEOUT) && download->moved;
}

/* As long as something comes each time it is asked for. */
static int fetch(const struct invocation *invocation, const char *target,
                 struct ctl_download *download, struct err *err)
{
    const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};
    int rc = ctl_fetch(invocation, target, download, err);
    while (download->etag[0] != '\0' && may_go_on(rc, download)) {
        (void)nanosleep(&pause, NULL);
        rc = ctl_fetch(invocation, target, download, err);
    }
    return rc;
}

/* Into PARTIAL, of which the beginning may be there, and then to its place. */
static int fetch_file(const struct invocation *invocation, const char *target, const char *partial,
                      const char *path, const char *etag, uint64_t size, struct err *err)
{
    struct stat st;
    bool goes_on = etag[0] != '\0';
    struct ctl_download download = {.size = size, .etag = etag};
    download.fd = open(partial, O_RDWR | O_CREAT | O_CLOEXEC | (goes_on ? 0 : O_TRUNC), 0600);
    if (download.fd < 0) {
        return err_sys(err, "write", partial);
    }
    int rc = fstat(download.fd, &st) != 0 ? err_sys(err, "read", partial) : 0;
    download.at = rc == 0 ? (uint64_t)st.st_size : 0;
    if (rc == 0 && (!goes_on || download.at != size)) {
        rc = fetch(invocation, target, &download, err);
    }
    if (rc == 0 && fsync(download.fd) != 0) {
        rc = err_sys(err, "write", partial);
    }
    (void)close(download.fd); /* it is synced, or not used */
    if (rc == 0 && rename(partial, path) != 0) {
        rc = err_sys(err, "write", path);
    }
    if (rc != 0 && !goes_on) {
        (void)unlink(partial);
    } else if (rc != 0 && download.at > 0) {
        output_say("What came is in '%s': the same command fetches the rest.", partial);
    }
    return rc;
}

/* It came from the server itself: so whose key signed it is known, and can be told to machines that
 * can't know. */
static void tell_signer(const char *path)
{
    char fingerprint[SNAPSHOT_FINGERPRINT_MAX];
    struct snapshot_reader *reader = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && snapshot_open(&reader, fd, path, NULL) == 0) {
        snapshot_fingerprint(snapshot_header(reader)->signer, fingerprint);
        output_say("A machine that has not joined takes it by this server's fingerprint: "
                   "kitbag import FILE --trust %s",
                   fingerprint);
    }
    snapshot_close(&reader);
    if (fd >= 0) {
        (void)close(fd);
    }
}

int ctl_export_get(const struct invocation *invocation, struct err *err)
{
    const char *path = invocation->args[1];
    char partial[PATH_MAX];
    char etag[128];
    struct buf look;
    struct buf file;
    json_t *export = NULL;
    buf_init(&look, TARGET_MAX_BYTES);
    buf_init(&file, TARGET_MAX_BYTES);
    const char *target = target_of(&look, invocation->args[0], "", err);
    int rc = target != NULL ? command_no_dry_run(invocation, err) : E_TOO_LARGE;
    if (rc == 0) {
        rc = ctl_ask(invocation, target, NULL, &export, err);
    }
    if (rc == 0) {
        const char *id = json_string_value(json_object_get(export, "id"));
        (void)snprintf(etag, sizeof etag, "%s-%lld", id != NULL ? id : "",
                       (long long)json_integer_value(json_object_get(export, "version")));
        if ((size_t)snprintf(partial, sizeof partial, "%s.%s.partial", path, etag) >=
            sizeof partial) {
            rc = err_set(err, E_INVALID, "the path is too long: '%.60s...'", path);
        }
    }
    if (rc == 0) {
        target = target_of(&file, invocation->args[0], "/snapshot", err);
        rc = target != NULL
                 ? fetch_file(invocation, target, partial, path, etag,
                              (uint64_t)json_integer_value(json_object_get(export, "size")), err)
                 : E_TOO_LARGE;
    }
    if (rc == 0) {
        tell_left_out(export);
        tell_signer(path);
    }
    json_decref(export);
    buf_free(&look);
    buf_free(&file);
    return rc;
}

static const char *format_of(const struct invocation *invocation, const char *path)
{
    static const struct {
        const char *end, *format;
    } known[] = {{".ldif", "ldif"}, {".ldi", "ldif"}, {".vcf", "vcard"}, {".vcard", "vcard"}};
    const char *given = invocation_option(invocation, "format");
    for (size_t i = 0; given == NULL && i < sizeof known / sizeof known[0]; i++) {
        size_t size = strlen(path);
        size_t end = strlen(known[i].end);
        given =
            size > end && strcasecmp(path + size - end, known[i].end) == 0 ? known[i].format : NULL;
    }
    return given != NULL ? given : "csv";
}

int ctl_export_address_list(const struct invocation *invocation, struct err *err)
{
    const char *path = invocation->args[2];
    char partial[PATH_MAX];
    struct buf buf;
    buf_init(&buf, TARGET_MAX_BYTES);
    (void)buf_printf(&buf, "%s/", EXPORTS);
    ctl_escape(&buf, invocation->args[0]);
    (void)buf_printf(&buf, "/address-lists?kind=");
    ctl_escape(&buf, invocation->args[1]);
    ctl_put_query(&buf, "format", format_of(invocation, path));
    const char *target = ctl_target(&buf, err);
    int rc = target != NULL ? command_no_dry_run(invocation, err) : E_TOO_LARGE;
    if (rc == 0 &&
        (size_t)snprintf(partial, sizeof partial, "%s.partial", path) >= sizeof partial) {
        rc = err_set(err, E_INVALID, "the path is too long: '%.60s...'", path);
    }
    if (rc == 0) {
        rc = fetch_file(invocation, target, partial, path, "", 0, err);
    }
    buf_free(&buf);
    return rc;
}
