/* cli/ctl_token.c - kitbagctl token (API tokens, for scripts) and device token (join tokens, for
 * machines). Both are shown once, when they are made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/ctl_device.h"
#include "cli/ctl_list.h"
#include "cli/ctl_removal.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

enum { COUNT_MAX = 10000 };

/* --expires as seconds; 0 when it was not given. */
static int read_expires(const struct invocation *invocation, json_int_t *seconds, struct err *err)
{
    const char *text = invocation_option(invocation, "expires");
    uint64_t ms = 0;
    *seconds = 0;
    if (text == NULL) {
        return 0;
    }
    if (clock_parse_duration(text, &ms) != 0 || ms < 1000) {
        return err_set(err, E_USAGE, "--expires takes a time such as 30m, 12h or 90d, not '%s'",
                       text);
    }
    *seconds = (json_int_t)(ms / 1000);
    return 0;
}

static int put_number(json_t *body, const char *member, json_int_t value, struct err *err)
{
    return value == 0 || json_object_set_new(body, member, json_integer(value)) == 0
               ? 0
               : err_set(err, E_NOMEM, "out of memory");
}

/* --- API tokens --- */

int ctl_token_ls(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"id", "ID", false},
        {"name", "NAME", false},
        {"role", "ROLE", false},
        {"by", "BY", false},
        {"created_at", "MADE", false},
        {"expires_at", "EXPIRES", false},
        {"last_used", "LAST USED", false},
        {NULL, NULL, false},
    };
    return ctl_list_print(invocation, "/api/v1/tokens?limit=100", "tokens", columns, err);
}

static int ask_new(const struct invocation *invocation, json_t **token, struct err *err)
{
    const char *role = invocation_option(invocation, "role");
    json_int_t seconds = 0;
    if (role == NULL) {
        return err_set(err, E_USAGE, "say what the token may do: --role viewer, operator or admin");
    }
    int rc = read_expires(invocation, &seconds, err);
    if (rc != 0) {
        return rc;
    }
    json_t *body = json_pack("{s:s, s:s}", "name", invocation->args[0], "role", role);
    rc = body != NULL ? put_number(body, "expires_s", seconds, err)
                      : err_set(err, E_NAME, "'%s' is not UTF-8 text", invocation->args[0]);
    if (rc == 0) {
        rc = ctl_ask(invocation, "/api/v1/tokens", body, token, err);
    }
    json_decref(body);
    return rc;
}

int ctl_token_new(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    json_t *token = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = command_no_dry_run(invocation, err);
    }
    if (rc == 0) {
        rc = ask_new(invocation, &token, err);
    }
    const char *text = json_string_value(json_object_get(token, "token"));
    const char *expires = json_string_value(json_object_get(token, "expires_at"));
    if (rc == 0 && format != OUTPUT_TABLE) {
        output_object(format, NULL, token);
    } else if (rc == 0 && text != NULL) {
        output_say("API token '%s', role %s, until %s; shown this once:\n",
                   json_string_value(json_object_get(token, "name")),
                   json_string_value(json_object_get(token, "role")),
                   expires != NULL ? expires : "removed");
        (void)printf("%s\n", text);
    }
    json_decref(token);
    return rc;
}

int ctl_token_rm(const struct invocation *invocation, struct err *err)
{
    static const struct ctl_removal removal = {"/api/v1/tokens/delete", "ids", "tokens",
                                               "API token", "scripts that use them get in no more"};
    return ctl_remove(invocation, &removal, err);
}

/* --- join tokens --- */

static int read_count(const struct invocation *invocation, json_int_t *count, struct err *err)
{
    const char *text = invocation_option(invocation, "count");
    *count = 0;
    if (text == NULL) {
        return 0;
    }
    size_t digits = strspn(text, "0123456789");
    long number = digits > 0 && digits <= 6 && text[digits] == '\0' ? strtol(text, NULL, 10) : 0;
    if (number < 1 || number > COUNT_MAX) {
        return err_set(err, E_USAGE, "--count takes a number from 1 to %d, not '%s'", COUNT_MAX,
                       text);
    }
    *count = number;
    return 0;
}

static int make_body(const struct invocation *invocation, json_t **out, struct err *err)
{
    const char *replaces = invocation_option(invocation, "replaces");
    json_int_t count = 0;
    json_int_t seconds = 0;
    json_t *id = NULL;
    json_t *body = json_object();
    int rc = body != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0) {
        rc = read_count(invocation, &count, err);
    }
    if (rc == 0) {
        rc = read_expires(invocation, &seconds, err);
    }
    if (rc == 0 && replaces != NULL) {
        rc = ctl_device_id(invocation, replaces, &id, err);
    }
    if (rc == 0 && id != NULL && json_object_set(body, "replaces", id) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = put_number(body, "count", count, err);
    }
    if (rc == 0) {
        rc = put_number(body, "expires_s", seconds, err);
    }
    json_decref(id);
    *out = body;
    return rc;
}

/* In a table they are lines alone, so that each can be handed to `kitbag join`. */
static void print_tokens(enum output_format format, json_t *answer)
{
    json_t *tokens = json_object_get(answer, "tokens");
    size_t i;
    json_t *token;
    if (format != OUTPUT_TABLE) {
        output_object(format, NULL, answer);
        return;
    }
    json_array_foreach(tokens, i, token)
    {
        const char *text =
            json_string_value(json_is_object(token) ? json_object_get(token, "token") : token);
        (void)printf("%s\n", text != NULL ? text : "");
    }
}

int ctl_device_token(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    json_t *body = NULL;
    json_t *answer = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = command_no_dry_run(invocation, err);
    }
    if (rc == 0) {
        rc = make_body(invocation, &body, err);
    }
    if (rc == 0) {
        rc = ctl_ask(invocation, "/api/v1/enrollments", body, &answer, err);
    }
    if (rc == 0) {
        print_tokens(format, answer);
    }
    json_decref(body);
    json_decref(answer);
    return rc;
}

int ctl_device_token_ls(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"id", "ID", false},
        {"state", "STATE", false},
        {"expires_at", "EXPIRES", false},
        {"by", "BY", false},
        {"created_at", "MADE", false},
        {"device", "MACHINE", false},
        {"replaces", "REPLACES", false},
        {NULL, NULL, false},
    };
    return ctl_list_print(invocation, "/api/v1/enrollments?limit=1000", "enrollments", columns,
                          err);
}

int ctl_device_token_rm(const struct invocation *invocation, struct err *err)
{
    static const struct ctl_removal removal = {"/api/v1/enrollments/delete", "ids", "enrollments",
                                               "join token", "nobody can join with them"};
    return ctl_remove(invocation, &removal, err);
}
