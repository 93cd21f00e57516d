/* cli/ctl_sync.c - kitbagctl sync: does the server exchange changes with machines? */
#include <stdio.h>
#include <string.h>

#include "cli/ctl_http.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

static const char TARGET[] = "/api/v1/sync";

static long long number(json_t *sync, const char *member)
{
    return json_integer_value(json_object_get(sync, member));
}

static void print_sync(json_t *sync, enum output_format format, bool changing)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false},
        {"changed", "Changed", false},
        {"state", "Synchronization", false},
        {"since", "Since", false},
        {"by", "By", false},
        {"users", "Users", true},
        {"groups", "Groups", true},
        {"devices", "Machines", true},
        {"connected", "Connected", true},
        {"waiting", "With unsent writes", true},
        {"head", "Seq", true},
        {NULL, NULL, false},
    };
    bool dry_run = json_is_true(json_object_get(sync, "dry_run"));
    output_object(format, columns + (!changing ? 2 : dry_run ? 0 : 1), sync);
}

/* What will happen, in numbers. */
static int confirm(const struct invocation *invocation, bool run, struct err *err)
{
    char text[320];
    json_t *sync = NULL;
    int rc = ctl_ask(invocation, TARGET, NULL, &sync, err);
    if (rc == 0 && run) {
        (void)snprintf(text, sizeof text,
                       "Synchronization will start for %lld users, %lld groups and %lld machines; "
                       "%lld of the machines are known to hold writes that wait. Go on?",
                       number(sync, "users"), number(sync, "groups"), number(sync, "devices"),
                       number(sync, "waiting"));
    } else if (rc == 0) {
        (void)snprintf(text, sizeof text,
                       "Synchronization will stop: %lld machines stay connected and go on by "
                       "themselves, and their writes wait for the next start. Go on?",
                       number(sync, "connected"));
    }
    if (rc == 0 && !command_confirm(invocation, text, err)) {
        rc = err->code;
    }
    json_decref(sync);
    return rc;
}

static int change(const struct invocation *invocation, bool run, struct err *err)
{
    enum output_format format;
    json_t *sync = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0 && !dry_run && !invocation_has(invocation, "yes")) {
        rc = confirm(invocation, run, err);
    }
    json_t *body =
        json_pack("{s:s, s:b}", "state", run ? "running" : "stopped", "dry_run", dry_run);
    struct ctl_request request = {.method = "PUT", .target = TARGET, .json = body};
    if (rc == 0) {
        rc = body != NULL ? ctl_send(invocation, &request, &sync, err)
                          : err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        print_sync(sync, format, true);
    }
    json_decref(body);
    json_decref(sync);
    return rc;
}

int ctl_sync_start(const struct invocation *invocation, struct err *err)
{
    return change(invocation, true, err);
}

int ctl_sync_stop(const struct invocation *invocation, struct err *err)
{
    return change(invocation, false, err);
}

int ctl_sync_status(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    json_t *sync = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_ask(invocation, TARGET, NULL, &sync, err);
    }
    if (rc == 0) {
        print_sync(sync, format, false);
    }
    json_decref(sync);
    return rc;
}
