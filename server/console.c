/* server/console.c - accounts, HTTPS, and the first start. */
#include "server/console.h"

#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/https/listen.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "transport/keys.h"

enum { HOST_MAX = 256, NAMES_MAX = TOKEN_ADDRESSES_MAX + 4 };

static const uint64_t certificate_warn_ms = UINT64_C(30) * 24 * 3600 * 1000;

struct console {
    struct console_options options;
    struct admin_auth *auth;
    struct admin_web *web;      /* NULL: server.console is none */
    struct thread *first_start; /* makes the first account */
    const struct admin_backend *backend;
    char host[HOST_MAX]; /* how this machine is called by who opens the console */
    char names[NAMES_MAX][HOST_MAX];
};

/* --- names of this machine --- */

/* "HOST:PORT", "[IPv6]:PORT" or either without a port: the host. */
static void host_of(const char *address, char out[HOST_MAX])
{
    const char *colon = strchr(address, ':');
    bool bracketed = address[0] == '[' && strchr(address, ']') != NULL;
    bool many = colon != NULL && strchr(colon + 1, ':') != NULL;
    size_t size = bracketed                ? (size_t)(strchr(address, ']') - address - 1)
                  : colon != NULL && !many ? (size_t)(colon - address)
                                           : strlen(address);
    (void)snprintf(out, HOST_MAX, "%.*s", (int)size, address + bracketed);
}

/* For a certificate of our own, and to tell where the console is. Returns how many. */
static size_t name_machine(struct console *console)
{
    const struct settings *settings = console->options.settings;
    size_t count = 0;
    for (size_t i = 0; i < settings->advertise_count; i++) {
        host_of(settings->advertise[i], console->names[count++]);
    }
    if (gethostname(console->names[count], HOST_MAX) == 0) {
        console->names[count++][HOST_MAX - 1] = '\0';
    }
    static const char *const always[] = {"localhost", "127.0.0.1", "::1"};
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        (void)snprintf(console->names[count++], HOST_MAX, "%s", always[i]);
    }
    bool told = settings->advertise_count > 0 && strchr(console->names[0], ':') == NULL;
    (void)snprintf(console->host, HOST_MAX, "%s", told ? console->names[0] : "localhost");
    return count;
}

/* --- starting --- */

static void tell_where(const struct console *console)
{
    char url[ADMIN_WEB_URL_MAX];
    char fingerprint[ADMIN_FINGERPRINT_MAX];
    char until[CLOCK_TEXT_MAX];
    struct admin_tls *tls = admin_web_tls(console->web);
    uint64_t expires_ms = admin_tls_expires_ms(tls);
    admin_web_url(console->web, console->host, url);
    admin_tls_fingerprint(tls, fingerprint);
    clock_format(expires_ms, until);
    log_event(LOG_INFO, "server", "console.listening", "address=%s fingerprint=%s expires=%s", url,
              fingerprint, until);
    if (expires_ms < clock_wall_ms(&clock_system) + certificate_warn_ms) {
        log_event(LOG_WARNING, "server", "console.certificate_expires",
                  "expires=%s text=\"browsers refuse the console after that: put another "
                  "certificate in its place and reload, or remove keys/console.crt and "
                  "keys/console.key and restart for a new one of the server's own\"",
                  until);
    }
}

static int start_web(struct console *console, struct err *err)
{
    const struct settings *settings = console->options.settings;
    const char *names[NAMES_MAX];
    size_t count = name_machine(console);
    for (size_t i = 0; i < count; i++) {
        names[i] = console->names[i];
    }
    char keys[PATH_MAX];
    if (path_join(keys, sizeof keys, settings->data_dir, "keys") != 0) {
        return err_set(err, E_INVALID, "the path of the data folder is too long");
    }
    const struct admin_web_options options = {
        .listen = settings->console.listen,
        .files = {settings->console.certificate, settings->console.key},
        .keys_dir = keys,
        .names = names,
        .name_count = count,
        .spool_dir = settings->data_dir,
        .assets = console->options.assets,
        .auth = console->auth,
        .connections = settings->console.connections,
        .connections_per_address = settings->console.connections_per_address,
    };
    int rc = admin_web_start(&console->web, &options, err);
    if (rc == 0) {
        tell_where(console);
    }
    return rc;
}

int console_start(struct console **out, const struct console_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->settings != NULL);
    struct console *console = calloc(1, sizeof *console);
    if (console == NULL) {
        return err_set(err, E_NOMEM, "the console: out of memory");
    }
    console->options = *options;
    int rc = admin_auth_new(&console->auth, &clock_system, err);
    if (rc == 0) {
        admin_auth_limits(console->auth, options->settings->console.session_idle_ms,
                          options->settings->console.session_max_ms);
    }
    if (rc == 0 && !admin_listen_is_none(options->settings->console.listen)) {
        rc = start_web(console, err);
    }
    if (rc != 0) {
        console_stop(&console);
        return rc;
    }
    *out = console;
    return 0;
}

/* --- the first start --- */

/* To a person, once; not by the log, which is kept. */
static void tell_password(const struct console *console, const char *made_up)
{
    char url[ADMIN_WEB_URL_MAX];
    char fingerprint[ADMIN_FINGERPRINT_MAX];
    admin_web_url(console->web, console->host, url);
    admin_tls_fingerprint(admin_web_tls(console->web), fingerprint);
    (void)fprintf(stderr,
                  "\n"
                  "  The web console: %s\n"
                  "    account        admin\n"
                  "    password       %s\n"
                  "    certificate    SHA-256 %s\n"
                  "  %s\n"
                  "\n",
                  url, made_up[0] != '\0' ? made_up : "as in --admin-password-file", fingerprint,
                  made_up[0] != '\0' ? "This password is shown once. Sign in and change it."
                                     : "The file with the password is no longer needed.");
}

static void make_account(struct thread *self, void *context)
{
    struct console *console = context;
    thread_ready(self, 0, NULL);
    char password[ADMIN_PASSWORD_MAX_BYTES + 1];
    char made_up[ADMIN_MADE_UP_MAX] = "";
    const char *file = console->options.admin_password_file;
    struct err err = {0};
    int rc = file != NULL ? admin_auth_password_file(file, password, &err) : 0;
    if (rc == 0) {
        rc = admin_auth_first_start(console->auth, console->backend, file != NULL ? password : NULL,
                                    made_up, &err);
    }
    if (rc == 0) {
        tell_password(console, made_up);
    } else if (rc != E_CLOSED) { /* it goes down: the next start makes it */
        log_err(LOG_ERROR, "server", "console.no_account", &err);
    }
    key_wipe(password, sizeof password);
    key_wipe(made_up, sizeof made_up);
}

int console_open(struct console *console, const struct admin_backend *backend, struct err *err)
{
    ASSERT(console != NULL && backend != NULL);
    console->backend = backend;
    int rc = admin_auth_load(console->auth, backend, err);
    if (rc != 0 || console->web == NULL) {
        return rc;
    }
    rc = admin_web_open(console->web, backend, err);
    if (rc == 0 && admin_auth_is_new(console->auth)) {
        rc = thread_start(&console->first_start, "first-account", make_account, console, err);
    }
    return rc;
}

void console_close(struct console *console)
{
    if (console == NULL) {
        return;
    }
    struct err err = {0};
    thread_join(&console->first_start);
    if (console->web != NULL && admin_web_close(console->web, &err) != 0) {
        log_err(LOG_ERROR, "server", "console.closed", &err); /* opened again with the state */
    }
}

void console_stop(struct console **console)
{
    if (console == NULL || *console == NULL) {
        return;
    }
    thread_join(&(*console)->first_start);
    admin_web_stop(&(*console)->web);
    admin_auth_free(&(*console)->auth);
    free(*console);
    *console = NULL;
}

/* --- changing --- */

void console_reload(struct console *console, const struct settings *settings)
{
    ASSERT(console != NULL && settings != NULL);
    admin_auth_limits(console->auth, settings->console.session_idle_ms,
                      settings->console.session_max_ms);
    if (console->web == NULL) {
        return;
    }
    const struct admin_certificate_files files = {settings->console.certificate,
                                                  settings->console.key};
    struct err err = {0};
    if (admin_web_reload(console->web, &files, &err) == 0) {
        tell_where(console);
    } else {
        log_err(LOG_ERROR, "server", "console.certificate_kept", &err);
    }
}

struct admin_auth *console_auth(struct console *console)
{
    ASSERT(console != NULL);
    return console->auth;
}
