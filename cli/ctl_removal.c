/* cli/ctl_removal.c - one way to remove what is named. */
#include "cli/ctl_removal.h"

#include <stdio.h>
#include <string.h>

#include "cli/ctl_list.h"
#include "cli/output.h"

static int ask(const struct invocation *invocation, const struct ctl_removal *removal, bool dry_run,
               json_t **report, struct err *err)
{
    json_t *names = json_array();
    for (int i = 0; i < invocation->arg_count; i++) {
        if (json_array_append_new(names, json_string(invocation->args[i])) != 0) {
            json_decref(names);
            return err_set(err, E_NAME, "'%s' is not UTF-8 text", invocation->args[i]);
        }
    }
    json_t *body = json_pack("{s:o, s:b}", removal->member, names, "dry_run", dry_run);
    int rc = body != NULL ? ctl_ask(invocation, removal->target, body, report, err)
                          : err_set(err, E_NOMEM, "out of memory");
    json_decref(body);
    return rc;
}

static int confirm(const struct invocation *invocation, const struct ctl_removal *removal,
                   struct err *err)
{
    json_t *preview = NULL;
    char text[320];
    int rc = ask(invocation, removal, true, &preview, err);
    if (rc == 0) {
        json_int_t count = json_integer_value(json_object_get(preview, removal->count));
        (void)snprintf(text, sizeof text, "%lld %s%s will be removed: %s. Go on?", (long long)count,
                       removal->one, count == 1 ? "" : "s", removal->effect);
        rc = command_confirm(invocation, text, err) ? 0 : err->code;
    }
    json_decref(preview);
    return rc;
}

static int finish(const struct ctl_removal *removal, json_t *report, bool dry_run,
                  enum output_format format, struct err *err)
{
    const struct output_column columns[] = {
        {"dry_run", "Dry run", false},
        {removal->count, "Removed", true},
        {"seq", "Seq", true},
        {NULL, NULL, false},
    };
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(report, "missing"), i, name)
    {
        output_say("there is no %s '%s'\n", removal->one, json_string_value(name));
    }
    json_int_t done = json_integer_value(json_object_get(report, removal->count));
    if (done > 0) {
        output_object(format, columns + (dry_run ? 0 : 1), report);
    }
    return ctl_left_out(report, done, err);
}

int ctl_remove(const struct invocation *invocation, const struct ctl_removal *removal,
               struct err *err)
{
    enum output_format format;
    json_t *report = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0 && !dry_run && !invocation_has(invocation, "yes")) {
        rc = confirm(invocation, removal, err);
    }
    if (rc == 0) {
        rc = ask(invocation, removal, dry_run, &report, err);
    }
    if (rc == 0) {
        rc = finish(removal, report, dry_run, format, err);
    }
    json_decref(report);
    return rc;
}
