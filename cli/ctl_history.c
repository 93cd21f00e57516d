/* cli/ctl_history.c - kitbagctl history fork and clock confirm: decisions that only a person takes.
 */
#include <stdio.h>

#include "cli/ctl_http.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

static int post(const struct invocation *invocation, const char *target, bool dry_run,
                json_t **answer, struct err *err)
{
    json_t *body = json_pack("{s:b}", "dry_run", dry_run);
    int rc = body != NULL ? ctl_ask(invocation, target, body, answer, err)
                          : err_set(err, E_NOMEM, "out of memory");
    json_decref(body);
    return rc;
}

static int confirm_fork(const struct invocation *invocation, struct err *err)
{
    char text[400];
    json_t *preview = NULL;
    int rc = post(invocation, "/api/v1/history/fork", true, &preview, err);
    if (rc == 0) {
        (void)snprintf(text, sizeof text,
                       "A new history will begin behind change %s. Machines that hold more than "
                       "this server give up what it lacks (they save it first, among their refused "
                       "writes). This can't be taken back. Go on?",
                       json_string_value(json_object_get(preview, "parent_seq")));
        rc = command_confirm(invocation, text, err) ? 0 : err->code;
    }
    json_decref(preview);
    return rc;
}

int ctl_history_fork(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false},
        {"parent", "History so far", false},
        {"parent_seq", "Up to seq", false},
        {"history", "New history", false},
        {"seq", "From seq", false},
        {"connected", "Machines connected", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *answer = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0 && !dry_run && !invocation_has(invocation, "yes")) {
        rc = confirm_fork(invocation, err);
    }
    if (rc == 0) {
        rc = post(invocation, "/api/v1/history/fork", dry_run, &answer, err);
    }
    if (rc == 0) {
        output_object(format, columns + (dry_run ? 0 : 1), answer);
    }
    json_decref(answer);
    return rc;
}

int ctl_clock_confirm(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false},
        {"time", "The server's time", false},
        {"had_stepped", "It had stepped", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *answer = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = post(invocation, "/api/v1/clock/confirm", dry_run, &answer, err);
    }
    if (rc == 0) {
        output_object(format, columns + (dry_run ? 0 : 1), answer);
    }
    json_decref(answer);
    return rc;
}
