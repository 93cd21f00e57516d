/* cli/ctl_login.c - kitbagctl login and logout: a session on the server, kept for later commands.
 *
 * Before a password is asked for, the server has shown a certificate that is taken: one that an
 * authority vouches for, the one that was pinned, or one whose fingerprint a person compared just
 * now. That one is pinned from here on.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ctl_http.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"
#include "cli/secret.h"

static const char SESSION[] = "/api/v1/session";
static const char USUAL_NAME[] = "admin";

/* --- the certificate --- */

static int ask_for_trust(const struct ctl_server *server, enum ctl_trust_verdict verdict,
                         const char *seen, struct err *err)
{
    if (!isatty(STDIN_FILENO)) {
        return err_set(
            err, E_NOT_ALLOWED,
            "the certificate of %s is not known here, and there is nobody to compare it: "
            "give --fingerprint, as the server's log shows it (console.listening)",
            server->url);
    }
    (void)fprintf(stderr,
                  "%s\n"
                  "%s  SHA-256 %s\n"
                  "The server shows it at its first start, and in its log whenever it starts\n"
                  "(console.listening). Is it the same there? [y/N] ",
                  server->url,
                  verdict == CTL_TRUST_CHANGED
                      ? "shows ANOTHER certificate than at the last sign-in:\n"
                      : "shows a certificate that no authority vouches for:\n",
                  seen);
    char answer[8] = "";
    bool yes =
        fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
    return yes ? 0 : err_set(err, E_CLOSED, "nothing was sent to the server");
}

/* From here on the server's certificate is one that is taken; `pin` tells whether by itself. */
static int settle_trust(struct ctl_server *server, bool *pin, struct err *err)
{
    enum ctl_trust_verdict verdict = CTL_TRUST_NOT_ASKED;
    char seen[CTL_FINGERPRINT_MAX];
    int rc = ctl_look_at(server, &verdict, seen, err);
    if (rc != 0) {
        return rc;
    }
    if (verdict == CTL_TRUST_CHANGED && server->only_pinned) {
        return err_set(err, E_NOT_ALLOWED,
                       "the certificate of %s is not the one of --fingerprint but %s: nothing was "
                       "sent to it",
                       server->url, seen);
    }
    if (verdict == CTL_TRUST_UNKNOWN || verdict == CTL_TRUST_CHANGED) {
        rc = ask_for_trust(server, verdict, seen, err);
    }
    *pin = verdict != CTL_TRUST_VOUCHED;
    memcpy(server->pinned, seen, sizeof server->pinned);
    server->only_pinned = *pin;
    return rc;
}

/* --- signing in --- */

static int read_password(const struct invocation *invocation, const struct ctl_server *server,
                         const char *name, char password[SECRET_MAX], struct err *err)
{
    const char *file = invocation_option(invocation, "password-file");
    char question[CTL_URL_MAX + 128];
    if (file != NULL) {
        return secret_from_file(file, password, err);
    }
    (void)snprintf(question, sizeof question, "Password of %.64s at %s: ", name, server->url);
    return secret_ask(question, "--password-file FILE", password, err);
}

/* The session of the server, and its cookie. */
static int begin_session(const struct ctl_server *server, const char *name, const char *password,
                         char cookie[CTL_COOKIE_MAX], json_t **session, struct err *err)
{
    json_t *body = json_pack("{s:s, s:s}", "name", name, "password", password);
    struct ctl_request request = {
        .method = "POST", .target = SESSION, .json = body, .cookie = cookie};
    int rc = body != NULL ? ctl_send_to(server, &request, session, err)
                          : err_set(err, E_NAME, "name or password is not UTF-8 text");
    json_decref(body);
    return rc;
}

static int save_session(const struct ctl_server *server, bool pin, const char *cookie,
                        const json_t *session, struct err *err)
{
    json_t *saved = NULL;
    const char *csrf = json_string_value(json_object_get(session, "csrf"));
    const char *name = json_string_value(json_object_get(session, "name"));
    if (csrf == NULL || name == NULL || cookie[0] == '\0') {
        return err_set(err, E_MALFORMED, "%s answered, but not as a server of Kitbag does",
                       server->url);
    }
    char ca_file[PATH_MAX] = ""; /* from wherever later commands are run */
    if (!pin && server->ca_file[0] != '\0' && realpath(server->ca_file, ca_file) == NULL) {
        return err_sys(err, "find", server->ca_file);
    }
    int rc = ctl_saved_read(&saved, err);
    if (rc != 0) {
        return rc;
    }
    bool set = ctl_saved_set(saved, server->url, "fingerprint", pin ? server->pinned : "") == 0 &&
               ctl_saved_set(saved, server->url, "ca_file", ca_file) == 0 &&
               ctl_saved_set(saved, server->url, "name", name) == 0 &&
               ctl_saved_set(saved, server->url, "cookie", cookie) == 0 &&
               ctl_saved_set(saved, server->url, "csrf", csrf) == 0 &&
               json_object_set_new(saved, "server", json_string(server->url)) == 0;
    rc = set ? ctl_saved_write(saved, err) : err_set(err, E_NOMEM, "out of memory");
    json_decref(saved);
    return rc;
}

/* What is printed of it: not what lets somebody in. */
static void print_session(const struct ctl_server *server, json_t *session,
                          enum output_format format)
{
    static const struct output_column columns[] = {
        {"server", "Server", false}, {"name", "Signed in as", false},
        {"role", "Role", false},     {"expires_at", "Until", false},
        {NULL, NULL, false},
    };
    (void)json_object_del(session, "csrf");
    (void)json_object_set_new(session, "server", json_string(server->url));
    output_object(format, columns, session);
    if (json_is_true(json_object_get(session, "must_change"))) {
        output_say("Somebody else knows this password: change it with 'kitbagctl "
                   "account passwd'.\n");
    }
}

int ctl_login(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    struct ctl_server server;
    char password[SECRET_MAX] = "";
    char cookie[CTL_COOKIE_MAX] = "";
    json_t *session = NULL;
    bool pin = false;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = command_no_dry_run(invocation, err);
    }
    if (rc == 0) {
        rc = ctl_server_find_https(invocation, &server, err);
    }
    if (rc != 0) {
        return rc;
    }
    const char *saved_name = server.name[0] != '\0' ? server.name : USUAL_NAME;
    const char *name = invocation->arg_count > 0 ? invocation->args[0] : saved_name;
    rc = settle_trust(&server, &pin, err);
    if (rc == 0) {
        rc = read_password(invocation, &server, name, password, err);
    }
    if (rc == 0) {
        rc = begin_session(&server, name, password, cookie, &session, err);
    }
    if (rc == 0) {
        rc = save_session(&server, pin, cookie, session, err);
    }
    if (rc == 0) {
        print_session(&server, session, format);
    }
    secret_wipe(password);
    json_decref(session);
    return rc;
}

/* --- signing out --- */

static int forget_session(const struct ctl_server *server, struct err *err)
{
    json_t *saved = NULL;
    int rc = ctl_saved_read(&saved, err);
    if (rc == 0) {
        bool set = ctl_saved_set(saved, server->url, "cookie", "") == 0 &&
                   ctl_saved_set(saved, server->url, "csrf", "") == 0;
        rc = set ? ctl_saved_write(saved, err) : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(saved);
    return rc;
}

int ctl_logout(const struct invocation *invocation, struct err *err)
{
    struct ctl_server server;
    json_t *answer = NULL;
    struct err why = {0};
    int rc = command_no_dry_run(invocation, err);
    if (rc == 0) {
        rc = ctl_server_find_https(invocation, &server, err);
    }
    if (rc == 0 && server.cookie[0] == '\0') {
        rc = err_set(err, E_NOT_SIGNED_IN, "nobody is signed in at %s", server.url);
    }
    if (rc != 0) {
        return rc;
    }
    struct ctl_request request = {.method = "DELETE", .target = SESSION};
    int told = ctl_send_to(&server, &request, &answer, &why);
    json_decref(answer);
    rc = forget_session(&server, err);
    if (rc == 0 && told != 0 && told != E_NOT_ALLOWED) { /* that one had ended already */
        rc = err_set(err, told, "signed out here, but the server was not told: %s", why.text);
    }
    if (rc == 0) {
        output_say("signed out at %s\n", server.url);
    }
    return rc;
}
