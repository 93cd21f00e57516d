/* cli/ctl_backup.c - kitbagctl backup and kitbagctl restore: backups of the server that runs, and
 * the confirmation that one which came out of a backup waits for.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/ctl_http.h"
#include "cli/ctl_kitbagd.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

enum { ASK_EVERY_MS = 100 };

static int ask(const struct invocation *invocation, const char *target, json_t *body,
               json_t **answer, struct err *err)
{
    int rc = body != NULL ? ctl_ask(invocation, target, body, answer, err)
                          : err_set(err, E_NOMEM, "out of memory");
    json_decref(body);
    return rc;
}

/* --- making one --- */

/* The server takes whole paths. From here a short one means something only when here is there. */
static int whole_path(const struct invocation *invocation, const char *path, char out[PATH_MAX],
                      struct err *err)
{
    struct ctl_server server;
    char here[PATH_MAX];
    int rc = ctl_server_find(invocation, &server, err);
    if (rc != 0) {
        return rc;
    }
    if (path[0] == '/' || !server.local || getcwd(here, sizeof here) == NULL) {
        here[0] = '\0'; /* a short one is refused by the server, with the reason */
    }
    rc =
        here[0] != '\0' ? path_join(out, PATH_MAX, here, path) : path_join(out, PATH_MAX, "", path);
    return rc == 0 ? 0 : err_set(err, E_INVALID, "the path is too long: '%.60s...'", path);
}

static void pause_a_little(void)
{
    const struct timespec pause = {.tv_nsec = ASK_EVERY_MS * 1000000L};
    (void)nanosleep(&pause, NULL);
}

static void show_progress(json_t *current)
{
    bool verifying = json_is_true(json_object_get(current, "verifying"));
    json_int_t done = json_integer_value(json_object_get(current, "done_bytes"));
    json_int_t total = json_integer_value(json_object_get(current, "total_bytes"));
    output_progress(verifying ? "reading the backup" : "making the backup",
                    (unsigned long long)done, (unsigned long long)total);
}

/* What became of the backup with this number. */
static int judge(json_t *current, json_int_t number, struct err *err)
{
    const char *state = json_string_value(json_object_get(current, "state"));
    const char *text = json_string_value(json_object_get(current, "text"));
    const char *code = json_string_value(json_object_get(current, "code"));
    if (state == NULL || json_integer_value(json_object_get(current, "number")) != number) {
        return err_set(err, E_CLOSED,
                       "the server knows nothing more of this backup: it was started again, or "
                       "another backup was made since ('kitbagctl backup ls')");
    }
    if (strcmp(state, "running") == 0) {
        return E_DEFERRED;
    }
    return strcmp(state, "done") == 0 ? 0
                                      : err_set(err, code != NULL ? err_from_name(code) : E_IO,
                                                "%s", text != NULL ? text : "the backup failed");
}

static int wait_for(const struct invocation *invocation, json_int_t number, json_t **current,
                    struct err *err)
{
    for (;;) {
        json_t *answer = NULL;
        int rc = ctl_ask(invocation, "/api/v1/backups", NULL, &answer, err);
        if (rc == 0) {
            *current = json_incref(json_object_get(answer, "current"));
            rc = judge(*current, number, err);
        }
        json_decref(answer);
        if (rc != E_DEFERRED) {
            output_progress_end();
            return rc;
        }
        show_progress(*current);
        json_decref(*current);
        *current = NULL;
        pause_a_little();
    }
}

static int print_preview(enum output_format format, json_t *preview)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false},
        {"folder", "Folder", false},
        {"first", "The first there", false},
        {"links", "On the data's disk", false},
        {"bytes", "Bytes, about", false},
        {"new_bytes", "Of these new", false},
        {"room_bytes", "Bytes free there", false},
        {NULL, NULL, false},
    };
    output_object(format, columns, preview);
    return 0;
}

static void print_made(enum output_format format, json_t *current)
{
    static const struct output_column columns[] = {
        {"path", "Backup", false},
        {"seq", "Up to change", false},
        {"time", "Time", false},
        {"files", "Files", false},
        {"bytes", "Bytes", false},
        {"new_bytes", "Of these new", false},
        {"frozen_us", "Taken within, in us", false},
        {"took_ms", "Done after, in ms", false},
        {"verified", "Read back", false},
        {NULL, NULL, false},
    };
    output_object(format, columns, current);
}

int ctl_backup(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    char path[PATH_MAX];
    json_t *answer = NULL;
    json_t *current = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = whole_path(invocation, invocation->args[0], path, err);
    }
    if (rc == 0) {
        rc = ask(invocation, "/api/v1/backups",
                 json_pack("{s:s, s:b, s:b}", "path", path, "verify",
                           invocation_has(invocation, "verify"), "dry_run", dry_run),
                 &answer, err);
    }
    if (rc == 0 && dry_run) {
        rc = print_preview(format, answer);
    } else if (rc == 0) {
        json_int_t number = json_integer_value(json_object_get(answer, "number"));
        rc = wait_for(invocation, number, &current, err);
        if (rc == 0) {
            print_made(format, current);
        }
    }
    json_decref(current);
    json_decref(answer);
    return rc;
}

/* --- which there are --- */

int ctl_backup_ls(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"folder", "FOLDER", false},
        {"backups", "BACKUPS", true},
        {"newest", "NEWEST", false},
        {"newest_time", "MADE", false},
        {"removals_seq", "REMOVALS UP TO", true},
        {"reachable", "REACHABLE", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *answer = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_ask(invocation, "/api/v1/backups", NULL, &answer, err);
    }
    if (rc == 0) {
        const json_t *current = json_object_get(answer, "current");
        const char *state = json_string_value(json_object_get(current, "state"));
        if (state != NULL && strcmp(state, "running") == 0) {
            output_say("A backup is being made in '%s'.",
                       json_string_value(json_object_get(current, "folder")));
        }
        output_rows(format, columns, json_object_get(answer, "backups"));
    }
    json_decref(answer);
    return rc;
}

int ctl_backup_forget(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false},
        {"folder", "Forgotten", false},
        {"seq", "Seq", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    char path[PATH_MAX];
    char text[PATH_MAX + 256];
    json_t *answer = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = whole_path(invocation, invocation->args[0], path, err);
    }
    if (rc == 0 && !dry_run) {
        (void)snprintf(text, sizeof text,
                       "What is removed from now on will not be told beside the backups in '%s': "
                       "when one of them is restored, somebody has to look through machines and "
                       "people first. Forget the folder?",
                       path);
        rc = command_confirm(invocation, text, err) ? 0 : err->code;
    }
    if (rc == 0) {
        rc = ask(invocation, "/api/v1/backups/forget",
                 json_pack("{s:s, s:b}", "path", path, "dry_run", dry_run), &answer, err);
    }
    if (rc == 0) {
        output_object(format, columns + (dry_run ? 0 : 1), answer);
    }
    json_decref(answer);
    return rc;
}

/* --- reading one --- */

int ctl_backup_verify(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"backup", "Backup", false},
        {"state", "It is", false},
        {"made", "Made", false},
        {"history", "History", false},
        {"floor", "First change", false},
        {"seq", "Last change", false},
        {"files", "Files", false},
        {"bytes", "Bytes", false},
        {"bags", "Digests compared", false},
        {"users", "Users", false},
        {"groups", "Groups", false},
        {"items", "Items", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *document = NULL;
    const char *const words[] = {"kitbagd",           "verify", "--output", "json", "--",
                                 invocation->args[0], NULL};
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_kitbagd(words, &document, err);
    }
    if (rc == 0) {
        output_object(format, columns, document);
    }
    json_decref(document);
    return rc;
}

/* --- a server that came out of a backup --- */

static const struct output_column restored_columns[] = {
    {"dry_run", "Dry run", false},
    {"restored", "Restored", false},
    {"held", "Waits to be confirmed", false},
    {"backup", "Backup", false},
    {"made", "Made", false},
    {"parent_seq", "Up to change", false},
    {"time", "Restored at", false},
    {"removals_known", "Removals since known", false},
    {"removals_known_to", "Known up to", false},
    {"devices", "Machines", false},
    {"users", "Users", false},
    {"groups", "Groups", false},
    {"confirmed", "Confirmed", false},
    {"confirmed_by", "By", false},
    {NULL, NULL, false},
};

int ctl_restore_status(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    json_t *answer = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_ask(invocation, "/api/v1/restore", NULL, &answer, err);
    }
    if (rc == 0) {
        output_object(format, restored_columns + 1, answer);
    }
    if (rc == 0 && json_is_true(json_object_get(answer, "held"))) {
        output_say("Nobody is served yet. Remove the machines and people that were removed since "
                   "the backup ('kitbagctl device ls', 'user ls', 'group ls', 'account ls'), then "
                   "'kitbagctl restore confirm'.");
    }
    json_decref(answer);
    return rc;
}

static int confirm(const struct invocation *invocation, struct err *err)
{
    char text[400];
    json_t *before = NULL;
    int rc = ctl_ask(invocation, "/api/v1/restore", NULL, &before, err);
    if (rc == 0 && json_is_true(json_object_get(before, "held"))) {
        (void)snprintf(text, sizeof text,
                       "The server will serve %lld machines and the settings of %lld users and "
                       "%lld groups, as the backup has them and you left them since. Have those "
                       "that were removed after the backup been removed again?",
                       (long long)json_integer_value(json_object_get(before, "devices")),
                       (long long)json_integer_value(json_object_get(before, "users")),
                       (long long)json_integer_value(json_object_get(before, "groups")));
        rc = command_confirm(invocation, text, err) ? 0 : err->code;
    }
    json_decref(before);
    return rc;
}

int ctl_restore_confirm(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    json_t *answer = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0 && !dry_run) {
        rc = confirm(invocation, err);
    }
    if (rc == 0) {
        rc = ask(invocation, "/api/v1/restore/confirm", json_pack("{s:b}", "dry_run", dry_run),
                 &answer, err);
    }
    if (rc == 0) {
        output_object(format, restored_columns + (dry_run ? 0 : 1), answer);
    }
    json_decref(answer);
    return rc;
}
