/* cli/ctl_device.c - kitbagctl device: the registered client machines. */
#include "cli/ctl_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ctl_http.h"
#include "cli/ctl_list.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"
#include "journal/owner.h"

enum { TARGET_MAX_BYTES = 4096 };

/* At most `lines` (0: all). */
static int find(const struct invocation *invocation, const char *filter, size_t lines,
                json_t **rows, struct err *err)
{
    struct buf buf;
    const char *state = invocation_option(invocation, "state");
    buf_init(&buf, TARGET_MAX_BYTES);
    (void)buf_append_span(&buf, SPAN_LITERAL("/api/v1/devices?limit=1000&filter="));
    ctl_escape(&buf, filter);
    ctl_put_query(&buf, "state", state);
    const char *target = ctl_target(&buf, err);
    int rc = target != NULL ? ctl_list_some(invocation, target, "devices", lines, rows, NULL, err)
                            : E_TOO_LARGE;
    buf_free(&buf);
    return rc;
}

int ctl_device_ls(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"id", "ID", false},
        {"name", "NAME", false},
        {"model", "MODEL", false},
        {"state", "STATE", false},
        {"connected", "CONNECTED", false},
        {"last_seen", "LAST SEEN", false},
        {"lag", "LAG", true},
        {"users", "USERS", true},
        {"address", "ADDRESS", false},
        {"version", "VERSION", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *rows = NULL;
    const char *filter = invocation->arg_count > 0 ? invocation->args[0] : "";
    size_t lines = 0;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_lines(invocation, 0, &lines, err);
    }
    if (rc == 0) {
        rc = find(invocation, filter, lines, &rows, err);
    }
    if (rc == 0 && filter[0] != '\0' && json_array_size(rows) == 0) {
        rc = err_set(err, E_NOT_FOUND, "no machine has '%s' in name, serial, model or ID", filter);
    }
    if (rc == 0) {
        output_rows(format, columns, rows);
    }
    json_decref(rows);
    return rc;
}

/* --- removing --- */

/* The machine of that exact name; a name that two have is refused, because nobody can know which
 * one is meant. */
static int id_of_name(const struct invocation *invocation, const char *name, json_t **id,
                      struct err *err)
{
    json_t *rows = NULL;
    json_t *found = NULL;
    size_t count = 0;
    size_t i;
    json_t *row;
    int rc = find(invocation, name, 0, &rows, err);
    json_array_foreach(rows, i, row)
    {
        const char *other = json_string_value(json_object_get(row, "name"));
        if (other != NULL && strcmp(other, name) == 0) {
            found = json_object_get(row, "id");
            count++;
        }
    }
    if (rc == 0 && count > 1) {
        rc = err_set(err, E_CONDITION, "%zu machines are called '%s': give the ID of one", count,
                     name);
    } else if (rc == 0 && count == 0) {
        rc = err_set(err, E_NOT_FOUND, "no machine has the name or ID '%s'", name);
    } else if (rc == 0) {
        *id = json_incref(found);
    }
    json_decref(rows);
    return rc;
}

int ctl_device_id(const struct invocation *invocation, const char *text, json_t **id,
                  struct err *err)
{
    uint64_t number = 0;
    if (device_parse(text, &number, NULL) != 0) {
        return id_of_name(invocation, text, id, err);
    }
    *id = json_string(text);
    return *id != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* Every argument as an ID, before anything is done. */
static int read_ids(const struct invocation *invocation, json_t *ids, struct err *err)
{
    for (int i = 0; i < invocation->arg_count; i++) {
        json_t *id = NULL;
        int rc = ctl_device_id(invocation, invocation->args[i], &id, err);
        if (rc != 0 || json_array_append_new(ids, id) != 0) {
            return rc != 0 ? rc : err_set(err, E_NOMEM, "out of memory");
        }
    }
    return 0;
}

static int ask_removal(const struct invocation *invocation, json_t *ids, bool dry_run,
                       json_t **report, struct err *err)
{
    json_t *body = json_pack("{s:O, s:b}", "ids", ids, "dry_run", dry_run);
    int rc = body != NULL ? ctl_ask(invocation, "/api/v1/devices/delete", body, report, err)
                          : err_set(err, E_NOMEM, "out of memory");
    json_decref(body);
    return rc;
}

static int confirm(const struct invocation *invocation, json_t *ids, struct err *err)
{
    json_t *preview = NULL;
    int rc = ask_removal(invocation, ids, true, &preview, err);
    if (rc == 0) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "%lld machines will be removed: they get nothing more, keep what they have, "
                       "and have to join again. Go on?",
                       (long long)json_integer_value(json_object_get(preview, "devices")));
        rc = command_confirm(invocation, text, err) ? 0 : err->code;
    }
    json_decref(preview);
    return rc;
}

static int finish(json_t *report, bool dry_run, enum output_format format, struct err *err)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false},
        {"devices", "Removed", true},
        {"seq", "Seq", true},
        {NULL, NULL, false},
    };
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(report, "missing"), i, row)
    {
        output_say("no registered machine has the ID %s\n", json_string_value(row));
    }
    json_array_foreach(json_object_get(report, "failed"), i, row)
    {
        output_say("machine %s: %s\n", json_string_value(json_object_get(row, "id")),
                   json_string_value(json_object_get(row, "reason")));
    }
    json_int_t done = json_integer_value(json_object_get(report, "devices"));
    if (done > 0) {
        output_object(format, columns + (dry_run ? 0 : 1), report);
    }
    return ctl_left_out(report, done, err);
}

int ctl_device_rm(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    json_t *report = NULL;
    json_t *ids = json_array();
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = read_ids(invocation, ids, err);
    }
    if (rc == 0 && !dry_run && !invocation_has(invocation, "yes")) {
        rc = confirm(invocation, ids, err);
    }
    if (rc == 0) {
        rc = ask_removal(invocation, ids, dry_run, &report, err);
    }
    if (rc == 0) {
        rc = finish(report, dry_run, format, err);
    }
    json_decref(ids);
    json_decref(report);
    return rc;
}

/* --- one machine --- */

static int device_target(const struct invocation *invocation, struct buf *buf, struct err *err)
{
    json_t *id = NULL;
    int rc = ctl_device_id(invocation, invocation->args[0], &id, err);
    if (rc == 0) {
        (void)buf_append_span(buf, SPAN_LITERAL("/api/v1/devices/"));
        ctl_escape(buf, json_string_value(id));
    }
    json_decref(id);
    return rc;
}

int ctl_device_show(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"id", "ID", false},
        {"name", "Name", false},
        {"model", "Model", false},
        {"serial", "Serial", false},
        {"version", "Version", false},
        {"state", "State", false},
        {"refused", "Refused", false},
        {"refused_text", "Because", false},
        {"connected", "Connected", false},
        {"last_seen", "Last seen", false},
        {"joined", "Joined", false},
        {"address", "Address", false},
        {"users", "Users", false},
        {"keep", "Keeps", false},
        {"mirror", "May mirror", false},
        {"followed", "Bags followed", false},
        {"cursor", "Told seq", false},
        {"lag", "Behind by", false},
        {"current_seq", "Complete to", false},
        {"mirror_seq", "Mirrored to", false},
        {"verified", "Compared", false},
        {"healed", "Fetched anew", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    struct buf buf;
    json_t *device = NULL;
    buf_init(&buf, TARGET_MAX_BYTES);
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = device_target(invocation, &buf, err);
    }
    if (rc == 0) {
        const char *target = ctl_target(&buf, err);
        rc = target != NULL ? ctl_ask(invocation, target, NULL, &device, err) : E_TOO_LARGE;
    }
    if (rc == 0) {
        output_object(format, columns, device);
    }
    json_decref(device);
    buf_free(&buf);
    return rc;
}

/* PATCH with one member, which is taken over. */
static int patch(const struct invocation *invocation, const char *member, json_t *value,
                 struct err *err)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false},   {"id", "ID", false},
        {"name", "Name", false},         {"keep", "Keeps", false},
        {"mirror", "May mirror", false}, {"changed", "Changed", false},
        {"seq", "Seq", false},           {NULL, NULL, false},
    };
    enum output_format format;
    struct buf buf;
    json_t *answer = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    json_t *body = json_pack("{s:o, s:b}", member, value, "dry_run", dry_run);
    buf_init(&buf, TARGET_MAX_BYTES);
    int rc = body != NULL ? output_format(invocation, &format, err)
                          : err_set(err, E_NAME, "'%s' is not UTF-8 text", invocation->args[1]);
    if (rc == 0) {
        rc = device_target(invocation, &buf, err);
    }
    if (rc == 0) {
        struct ctl_request request = {
            .method = "PATCH", .target = ctl_target(&buf, err), .json = body};
        rc = request.target != NULL ? ctl_send(invocation, &request, &answer, err) : E_TOO_LARGE;
    }
    if (rc == 0) {
        output_object(format, columns + (dry_run ? 0 : 1), answer);
    }
    json_decref(answer);
    json_decref(body);
    buf_free(&buf);
    return rc;
}

int ctl_device_rename(const struct invocation *invocation, struct err *err)
{
    return patch(invocation, "name", json_string(invocation->args[1]), err);
}

int ctl_device_keep(const struct invocation *invocation, struct err *err)
{
    return patch(invocation, "keep", json_string(invocation->args[1]), err);
}

int ctl_device_mirror(const struct invocation *invocation, struct err *err)
{
    const char *word = invocation->args[1];
    bool yes = strcmp(word, "yes") == 0;
    if (!yes && strcmp(word, "no") != 0) {
        return err_set(err, E_USAGE, "a machine may mirror the journal, yes or no, not '%s'", word);
    }
    return patch(invocation, "mirror", json_boolean(yes), err);
}
