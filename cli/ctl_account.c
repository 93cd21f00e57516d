/* cli/ctl_account.c - kitbagctl account: who administers, as what, with which password. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/ctl_list.h"
#include "cli/ctl_removal.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"
#include "cli/secret.h"

enum { TARGET_MAX_BYTES = 4096 };

static const struct output_column account_columns[] = {
    {"name", "Name", false},
    {"role", "Role", false},
    {"locked", "Locked", false},
    {"must_change", "Has to change the password", false},
    {"last_sign_in", "Last sign-in", false},
    {"created_at", "Since", false},
    {"seq", "Seq", true},
    {NULL, NULL, false},
};

int ctl_account_ls(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"name", "NAME", false},
        {"role", "ROLE", false},
        {"last_sign_in", "LAST SIGN-IN", false},
        {"locked", "LOCKED", false},
        {"must_change", "HAS TO CHANGE PASSWORD", false},
        {"created_at", "SINCE", false},
        {NULL, NULL, false},
    };
    return ctl_list_print(invocation, "/api/v1/accounts?limit=100", "accounts", columns, err);
}

/* A new password, from the file or asked for twice. `file` NULL: asked for. */
static int new_password(const char *file, const char *question, char out[SECRET_MAX],
                        struct err *err)
{
    return file != NULL ? secret_from_file(file, out, err)
                        : secret_ask_twice(question, "--password-file FILE", out, err);
}

/* --- add --- */

/* A password that was made up is the result; all else of the account are words about it. */
static void print_new(json_t *account, enum output_format format)
{
    const char *password = json_string_value(json_object_get(account, "password"));
    if (format != OUTPUT_TABLE) {
        output_object(format, account_columns, account);
        return;
    }
    output_say("account %s, role %s%s\n", json_string_value(json_object_get(account, "name")),
               json_string_value(json_object_get(account, "role")),
               password != NULL ? "; its password, shown this once:" : "");
    if (password != NULL) {
        (void)printf("%s\n", password);
    }
}

int ctl_account_add(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    json_t *account = NULL;
    char password[SECRET_MAX] = "";
    const char *file = invocation_option(invocation, "password-file");
    const char *role = invocation_option(invocation, "role");
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = command_no_dry_run(invocation, err);
    }
    if (rc == 0 && role == NULL) {
        rc = err_set(err, E_USAGE, "say what the account may do: --role viewer, operator or admin");
    }
    if (rc == 0 && file != NULL) {
        rc = secret_from_file(file, password, err);
    }
    json_t *body = json_pack("{s:s, s:s?, s:s*}", "name", invocation->args[0], "role", role,
                             "password", file != NULL ? password : NULL);
    if (rc == 0) {
        rc = body != NULL ? ctl_ask(invocation, "/api/v1/accounts", body, &account, err)
                          : err_set(err, E_NAME, "the name or the password is not UTF-8 text");
    }
    if (rc == 0) {
        print_new(account, format);
    }
    secret_wipe(password);
    json_decref(body);
    json_decref(account);
    return rc;
}

/* --- changes --- */

/* PATCH with `body`, which is taken over. */
static int patch(const struct invocation *invocation, json_t *body, json_t **account,
                 struct err *err)
{
    struct buf buf;
    buf_init(&buf, TARGET_MAX_BYTES);
    (void)buf_append_span(&buf, SPAN_LITERAL("/api/v1/accounts/"));
    ctl_escape(&buf, invocation->args[0]);
    struct ctl_request request = {.method = "PATCH", .target = ctl_target(&buf, err), .json = body};
    int rc = body == NULL             ? err_set(err, E_NAME, "that is not UTF-8 text")
             : request.target == NULL ? E_TOO_LARGE
                                      : ctl_send(invocation, &request, account, err);
    json_decref(body);
    buf_free(&buf);
    return rc;
}

static int change(const struct invocation *invocation, json_t *body, struct err *err)
{
    enum output_format format;
    json_t *account = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = command_no_dry_run(invocation, err);
    }
    if (rc != 0) {
        json_decref(body);
        return rc;
    }
    rc = patch(invocation, body, &account, err);
    if (rc == 0) {
        output_object(format, account_columns, account);
    }
    json_decref(account);
    return rc;
}

int ctl_account_role(const struct invocation *invocation, struct err *err)
{
    return change(invocation, json_pack("{s:s}", "role", invocation->args[1]), err);
}

int ctl_account_unlock(const struct invocation *invocation, struct err *err)
{
    return change(invocation, json_pack("{s:b}", "unlock", 1), err);
}

/* --- passwords --- */

/* The session goes on under another cookie. */
static int save_session(const struct ctl_server *server, const char *cookie, const json_t *session,
                        struct err *err)
{
    json_t *saved = NULL;
    const char *csrf = json_string_value(json_object_get(session, "csrf"));
    int rc = ctl_saved_read(&saved, err);
    if (rc == 0) {
        bool set = ctl_saved_set(saved, server->url, "cookie", cookie) == 0 &&
                   ctl_saved_set(saved, server->url, "csrf", csrf != NULL ? csrf : "") == 0;
        rc = set ? ctl_saved_write(saved, err) : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(saved);
    return rc;
}

static int send_own(const struct ctl_server *server, const char *old, const char *password,
                    struct err *err)
{
    char cookie[CTL_COOKIE_MAX] = "";
    json_t *session = NULL;
    json_t *body = json_pack("{s:s, s:s}", "old", old, "new", password);
    struct ctl_request request = {
        .method = "POST", .target = "/api/v1/session/password", .json = body, .cookie = cookie};
    int rc = body != NULL ? ctl_send_to(server, &request, &session, err)
                          : err_set(err, E_NAME, "a password is not UTF-8 text");
    if (rc == 0) {
        rc = save_session(server, cookie, session, err);
    }
    json_decref(body);
    json_decref(session);
    return rc;
}

/* Of whoever is signed in: the old one is asked for too. */
static int own_password(const struct invocation *invocation, const struct ctl_server *server,
                        struct err *err)
{
    const char *old_file = invocation_option(invocation, "old-password-file");
    const char *file = invocation_option(invocation, "password-file");
    char old[SECRET_MAX] = "";
    char password[SECRET_MAX] = "";
    int rc = old_file != NULL
                 ? secret_from_file(old_file, old, err)
                 : secret_ask("Your password until now: ",
                              "--old-password-file FILE and --password-file FILE", old, err);
    if (rc == 0) {
        rc = new_password(file, "Your new password: ", password, err);
    }
    if (rc == 0) {
        rc = send_own(server, old, password, err);
    }
    if (rc == 0) {
        output_say("the password of %s was changed; other sessions of it have ended\n",
                   server->name);
    }
    secret_wipe(old);
    secret_wipe(password);
    return rc;
}

/* Of somebody else, or of anybody for the server's own account: a lost one. */
static int other_password(const struct invocation *invocation, struct err *err)
{
    json_t *account = NULL;
    char password[SECRET_MAX] = "";
    char question[160];
    (void)snprintf(question, sizeof question, "New password of %.100s: ", invocation->args[0]);
    int rc = new_password(invocation_option(invocation, "password-file"), question, password, err);
    if (rc == 0) {
        rc = patch(invocation, json_pack("{s:s}", "password", password), &account, err);
    }
    if (rc == 0) {
        output_say("the password of %s was changed; its sessions have ended\n",
                   json_string_value(json_object_get(account, "name")));
    }
    secret_wipe(password);
    json_decref(account);
    return rc;
}

int ctl_account_passwd(const struct invocation *invocation, struct err *err)
{
    struct ctl_server server;
    const char *name = invocation->arg_count > 0 ? invocation->args[0] : NULL;
    int rc = command_no_dry_run(invocation, err);
    if (rc == 0) {
        rc = ctl_server_find(invocation, &server, err);
    }
    if (rc != 0) {
        return rc;
    }
    bool session = server.cookie[0] != '\0';
    if (name == NULL && !session) {
        return err_set(err, E_USAGE,
                       "nobody is signed in: say whose password, 'account passwd "
                       "NAME'");
    }
    return session && (name == NULL || strcasecmp(name, server.name) == 0)
               ? own_password(invocation, &server, err)
               : other_password(invocation, err);
}

int ctl_account_rm(const struct invocation *invocation, struct err *err)
{
    static const struct ctl_removal removal = {"/api/v1/accounts/delete", "names", "accounts",
                                               "account",
                                               "whoever is signed in with them is signed out"};
    return ctl_remove(invocation, &removal, err);
}
