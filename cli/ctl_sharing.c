/* cli/ctl_sharing.c - kitbagctl sharing: what is shared across all devices, and what is
 * device-specific. Before a change it tells what it would do, category by category.
 */
#include <stdio.h>
#include <string.h>

#include "cli/ctl_http.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

static long long number_of(const json_t *object, const char *member)
{
    return (long long)json_integer_value(json_object_get(object, member));
}

/* An array of texts as one: "shared, device". */
static void join(json_t *row, const char *member)
{
    char text[64] = "";
    json_t *value;
    size_t i;
    json_array_foreach(json_object_get(row, member), i, value)
    {
        size_t size = strlen(text);
        (void)snprintf(text + size, sizeof text - size, "%s%s", i > 0 ? ", " : "",
                       json_string_value(value));
    }
    (void)json_object_set_new(row, member, json_string(text));
}

/* --- seeing --- */

int ctl_sharing_ls(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"path", "CATEGORY", false}, {"sharing", "SHARING", false},
        {"copy", "COPY", false},     {"since_seq", "SINCE SEQ", true},
        {"since", "TIME", false},    {"by", "BY", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *answer = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_ask(invocation, "/api/v1/sharing", NULL, &answer, err);
    }
    if (rc == 0) {
        output_rows(format, columns, json_object_get(answer, "sharing"));
    }
    json_decref(answer);
    return rc;
}

/* "copy/default=device, home/timeline=device" */
static void show_changes(json_t *row)
{
    struct buf text;
    const char *path;
    json_t *value;
    buf_init(&text, 64 << 10);
    json_object_foreach(json_object_get(row, "changes"), path, value)
    {
        (void)buf_printf(&text, "%s%s=%s", text.size > 0 ? ", " : "", path,
                         json_string_value(value));
    }
    (void)json_object_set_new(
        row, "changes", json_stringn(text.size > 0 ? (const char *)text.data : "", text.size));
    const char *refused = json_string_value(json_object_get(row, "refused"));
    if (refused != NULL) {
        (void)json_object_set_new(row, "until", json_sprintf("no: %s", refused));
    } else if (json_is_null(json_object_get(row, "until"))) {
        (void)json_object_set_new(row, "until", json_string("always"));
    }
    buf_free(&text);
}

static int list_undo(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"seq", "SEQ", true},    {"time", "TIME", false},
        {"by", "BY", false},     {"changes", "CHANGES", false},
        {"copy", "COPY", false}, {"until", "CAN BE TAKEN BACK UNTIL", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *answer = NULL;
    json_t *row;
    size_t i;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_ask(invocation, "/api/v1/sharing", NULL, &answer, err);
    }
    if (rc == 0) {
        json_t *rows = json_object_get(answer, "undo");
        if (format == OUTPUT_TABLE) {
            json_array_foreach(rows, i, row)
            {
                show_changes(row);
            }
        }
        output_rows(format, columns, rows);
    }
    json_decref(answer);
    return rc;
}

/* --- changing, and taking back --- */

struct action {
    const char *method;
    const char *target;
    const char *question;
    json_t *body;
};

static int ask_action(const struct invocation *invocation, const struct action *action,
                      bool dry_run, json_t **answer, struct err *err)
{
    struct ctl_request request = {
        .method = action->method, .target = action->target, .json = action->body};
    return json_object_set_new(action->body, "dry_run", json_boolean(dry_run)) == 0
               ? ctl_send(invocation, &request, answer, err)
               : err_set(err, E_NOMEM, "out of memory");
}

/* What happens to a category, in words. */
static void say_row(json_t *row)
{
    const char *was = text_of(row, "was");
    const char *now = text_of(row, "sharing");
    bool device = strcmp(now, "device") == 0;
    bool switched = strcmp(was, now) != 0;
    json_t *initialised = json_object_get(row, "initialised");
    json_t *lifted = json_object_get(row, "lifted");
    output_say("  %s: %s%susers %lld, machines %lld, items that go %lld, that come back %lld",
               text_of(row, "path"),
               !switched ? ""
               : device  ? "becomes device-specific; "
                         : "becomes shared; ",
               json_array_size(initialised) > 0 ? "is initialised; "
               : json_array_size(lifted) > 0    ? "its initialisation is taken back; "
                                                : "",
               number_of(row, "users"), number_of(row, "devices"), number_of(row, "items"),
               number_of(row, "returning"));
}

static int confirm(const struct invocation *invocation, const struct action *action,
                   struct err *err)
{
    json_t *preview = NULL;
    json_t *row;
    size_t i;
    int rc = ask_action(invocation, action, true, &preview, err);
    json_t *rows = json_object_get(preview, "categories");
    if (rc == 0 && json_array_size(rows) > 0) {
        json_array_foreach(rows, i, row)
        {
            say_row(row);
        }
        rc = command_confirm(invocation, action->question, err) ? 0 : err->code;
    }
    json_decref(preview);
    return rc;
}

static void print_table(json_t *answer, bool dry_run)
{
    static const struct output_column counted[] = {
        {"path", "CATEGORY", false},      {"was", "WAS", false},
        {"sharing", "BECOMES", false},    {"initialised", "INITIALISED", false},
        {"lifted", "TAKEN BACK", false},  {"users", "USERS", true},
        {"devices", "MACHINES", true},    {"items", "ITEMS GO", true},
        {"returning", "COME BACK", true}, {NULL, NULL, false},
    };
    static const struct output_column done[] = {
        {"path", "CATEGORY", false},
        {"sharing", "SHARING", false},
        {"initialised", "INITIALISED", false},
        {"lifted", "TAKEN BACK", false},
        {NULL, NULL, false},
    };
    json_t *rows = json_object_get(answer, "categories");
    const char *seq = text_of(answer, "seq");
    json_t *row;
    size_t i;
    if (json_array_size(rows) == 0) {
        output_say("all of that is so already: nothing %s", dry_run ? "would change" : "changed");
        return;
    }
    json_array_foreach(rows, i, row)
    {
        join(row, "initialised");
        join(row, "lifted");
    }
    output_rows(OUTPUT_TABLE, dry_run ? counted : done, rows);
    if (!dry_run) {
        output_say("done at seq %s, here and on every machine as it hears of it; "
                   "'kitbagctl sharing undo %s' takes it back",
                   seq, seq);
    }
}

static int act(const struct invocation *invocation, const struct action *action, struct err *err)
{
    enum output_format format;
    json_t *answer = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0 && !dry_run && !invocation_has(invocation, "yes")) {
        rc = confirm(invocation, action, err);
    }
    if (rc == 0) {
        rc = ask_action(invocation, action, dry_run, &answer, err);
    }
    if (rc == 0 && format == OUTPUT_TABLE) {
        print_table(answer, dry_run);
    } else if (rc == 0) {
        output_object(format, NULL, answer);
    }
    json_decref(answer);
    return rc;
}

/* "CATEGORY=shared", "CATEGORY=device" */
static int read_change(const char *word, json_t *changes, struct err *err)
{
    const char *equals = strrchr(word, '=');
    bool good = equals != NULL && equals > word &&
                (strcmp(equals, "=shared") == 0 || strcmp(equals, "=device") == 0);
    if (!good) {
        return err_set(err, E_USAGE,
                       "'%s' is not CATEGORY=shared or CATEGORY=device, such as "
                       "copy/default=device",
                       word);
    }
    char path[1024];
    size_t size = (size_t)(equals - word);
    if (size >= sizeof path) {
        return err_set(err, E_USAGE, "the category of '%.40s...' is too long", word);
    }
    memcpy(path, word, size);
    path[size] = '\0';
    if (json_object_get(changes, path) != NULL) {
        return err_set(err, E_USAGE, "'%s' is named twice", path);
    }
    return json_object_set_new(changes, path, json_string(equals + 1)) == 0
               ? 0
               : err_set(err, E_USAGE, "the category '%s' is not UTF-8 text", path);
}

int ctl_sharing_set(const struct invocation *invocation, struct err *err)
{
    json_t *changes = json_object();
    int rc = 0;
    for (int i = 0; i < invocation->arg_count && rc == 0; i++) {
        rc = read_change(invocation->args[i], changes, err);
    }
    struct action action = {.method = "PUT",
                            .target = "/api/v1/sharing",
                            .question = "Change what is shared, here and on every machine?",
                            .body = json_pack("{s:O, s:b}", "changes", changes, "copy",
                                              invocation_has(invocation, "copy"))};
    if (rc == 0) {
        rc = action.body != NULL ? act(invocation, &action, err)
                                 : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(action.body);
    json_decref(changes);
    return rc;
}

int ctl_sharing_undo(const struct invocation *invocation, struct err *err)
{
    if (invocation->arg_count == 0) {
        return list_undo(invocation, err);
    }
    const char *seq = invocation->args[0];
    if (seq[0] == '\0' || seq[strspn(seq, "0123456789")] != '\0') {
        return err_set(err, E_USAGE,
                       "'%s' is not the seq of a change: 'kitbagctl sharing undo' lists those "
                       "that can be taken back",
                       seq);
    }
    struct action action = {.method = "POST",
                            .target = "/api/v1/sharing/undo",
                            .question = "Take that change back, here and on every machine?",
                            .body = json_pack("{s:s}", "seq", seq)};
    int rc = action.body != NULL ? act(invocation, &action, err)
                                 : err_set(err, E_NOMEM, "out of memory");
    json_decref(action.body);
    return rc;
}
