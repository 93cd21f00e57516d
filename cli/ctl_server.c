/* cli/ctl_server.c - options, environment, the saved sign-in. */
#include "cli/ctl_server.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"

static const char USUAL_DATA_DIR[] = "/var/lib/kitbagd";
const char ctl_usual_url[] = "https://localhost:8444";

/* A variable of the environment that says something, else NULL. */
static const char *environment(const char *name)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

const char *ctl_data_dir(const struct invocation *invocation)
{
    const char *dir = invocation_option(invocation, "data");
    if (dir == NULL || dir[0] == '\0') {
        dir = environment("KITBAG_SERVER_DATA");
    }
    return dir != NULL ? dir : USUAL_DATA_DIR;
}

/* --- its address --- */

static int bad_url(const char *text, struct err *err)
{
    return err_set(err, E_USAGE,
                   "a server looks like https://HOST:8444, the address of its console, not "
                   "'%.100s'",
                   text);
}

/* The host at the start of `text`, to its colon or end; of IPv6 without the brackets. Returns what
 * follows, NULL when it is none. */
static const char *take_host(const char *text, char host[CTL_HOST_MAX])
{
    bool bracketed = text[0] == '[';
    size_t size = bracketed ? strcspn(text, "]") : strcspn(text, ":");
    const char *begin = text + bracketed;
    size_t host_size = bracketed && size > 0 ? size - 1 : size;
    if (host_size == 0 || host_size >= CTL_HOST_MAX || (bracketed && text[size] != ']')) {
        return NULL;
    }
    for (size_t i = 0; i < host_size; i++) {
        bool plain = isalnum((unsigned char)begin[i]) || strchr("-._", begin[i]) != NULL;
        if (!plain && !(bracketed && begin[i] == ':')) {
            return NULL;
        }
        host[i] = (char)tolower((unsigned char)begin[i]);
    }
    host[host_size] = '\0';
    return text + size + bracketed;
}

int ctl_url_parse(const char *text, char url[CTL_URL_MAX], char host[CTL_HOST_MAX], struct err *err)
{
    static const char scheme[] = "https://";
    unsigned long port = CTL_PORT;
    char place[CTL_URL_MAX];
    bool has_scheme = strncmp(text, scheme, sizeof scheme - 1) == 0;
    int size = snprintf(place, sizeof place, "%s", has_scheme ? text + sizeof scheme - 1 : text);
    if (size <= 0 || (size_t)size >= sizeof place) {
        return bad_url(text, err);
    }
    if (place[size - 1] == '/') {
        place[size - 1] = '\0';
    }
    const char *rest = take_host(place, host);
    if (rest != NULL && rest[0] == ':') {
        size_t digits = strspn(rest + 1, "0123456789");
        port = digits > 0 && digits <= 5 ? strtoul(rest + 1, NULL, 10) : 0;
        rest += 1 + digits;
    }
    if (rest == NULL || rest[0] != '\0' || port == 0 || port > UINT16_MAX) {
        return bad_url(text, err);
    }
    bool six = strchr(host, ':') != NULL;
    (void)snprintf(url, CTL_URL_MAX, "%s%s%s%s:%lu", scheme, six ? "[" : "", host, six ? "]" : "",
                   port);
    return 0;
}

/* --- who is let in --- */

static int read_token(struct ctl_server *server, struct err *err)
{
    struct buf text;
    buf_init(&text, 4096);
    int rc = file_read(server->token_file, &text, err);
    const char *bytes = text.size > 0 ? (const char *)text.data : "";
    size_t size = 0;
    while (size < text.size && isgraph((unsigned char)bytes[size])) {
        size++;
    }
    if (rc == 0 && (size == 0 || size >= CTL_TOKEN_MAX)) {
        rc = err_set(err, E_USAGE,
                     "the first line of '%s' is no API token (kitbagctl token new --help)",
                     server->token_file);
    }
    if (rc == 0) {
        (void)snprintf(server->token, CTL_TOKEN_MAX, "%.*s", (int)size, bytes);
    }
    buf_free(&text);
    return rc;
}

static void copy(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text);
}

/* An HTTPS server, with all that is known of it. */
static int use_https(const struct invocation *invocation, struct ctl_server *out, const char *text,
                     const json_t *saved, struct err *err)
{
    const char *fingerprint = invocation_option(invocation, "fingerprint");
    const char *ca_file = invocation_option(invocation, "ca-file");
    int rc = ctl_url_parse(text, out->url, out->host, err);
    if (rc != 0) {
        return rc;
    }
    ca_file = ca_file != NULL ? ca_file : environment("KITBAGCTL_CA_FILE");
    copy(out->ca_file, sizeof out->ca_file,
         ca_file != NULL ? ca_file : ctl_saved_text(saved, out->url, "ca_file"));
    fingerprint = fingerprint != NULL ? fingerprint : environment("KITBAGCTL_FINGERPRINT");
    copy(out->pinned, sizeof out->pinned, ctl_saved_text(saved, out->url, "fingerprint"));
    if (fingerprint != NULL) {
        out->only_pinned = true;
        rc = ctl_fingerprint_parse(fingerprint, out->pinned, err);
    }
    if (rc == 0 && out->token_file != NULL) {
        return read_token(out, err);
    }
    copy(out->name, sizeof out->name, ctl_saved_text(saved, out->url, "name"));
    copy(out->cookie, sizeof out->cookie, ctl_saved_text(saved, out->url, "cookie"));
    copy(out->csrf, sizeof out->csrf, ctl_saved_text(saved, out->url, "csrf"));
    return rc;
}

/* What an HTTPS server is named by, NULL when nothing names one. */
static const char *named_url(const struct invocation *invocation)
{
    const char *url = invocation_option(invocation, "server");
    return url != NULL ? url : environment("KITBAGCTL_SERVER");
}

static int check_options(const struct invocation *invocation, struct err *err)
{
    return invocation_has(invocation, "data") && invocation_has(invocation, "server")
               ? err_set(err, E_USAGE,
                         "--data is for the server on this machine, --server for one "
                         "by HTTPS: give one of them")
               : 0;
}

static void begin(const struct invocation *invocation, struct ctl_server *out)
{
    *out = (struct ctl_server){.token_file = invocation_option(invocation, "token-file")};
    if (out->token_file == NULL) {
        out->token_file = environment("KITBAGCTL_TOKEN_FILE");
    }
}

static int use_local(const struct invocation *invocation, struct ctl_server *out, struct err *err)
{
    if (invocation_has(invocation, "token-file")) {
        return err_set(err, E_USAGE,
                       "--token-file is for a server by HTTPS: add --server "
                       "https://HOST:8444");
    }
    out->local = true;
    out->data_dir = ctl_data_dir(invocation);
    return 0;
}

int ctl_server_find(const struct invocation *invocation, struct ctl_server *out, struct err *err)
{
    ASSERT(invocation != NULL && out != NULL);
    const char *url = named_url(invocation);
    bool data = invocation_has(invocation, "data");
    json_t *saved = NULL;
    begin(invocation, out);
    int rc = check_options(invocation, err);
    if (rc != 0) {
        return rc;
    }
    out->named = data || url != NULL || environment("KITBAG_SERVER_DATA") != NULL;
    if (data || (url == NULL && environment("KITBAG_SERVER_DATA") != NULL)) {
        return use_local(invocation, out, err);
    }
    rc = ctl_saved_read(&saved, err);
    if (rc == 0) {
        url = url != NULL ? url : ctl_saved_current(saved);
        rc = url[0] != '\0' ? use_https(invocation, out, url, saved, err)
                            : use_local(invocation, out, err);
    }
    json_decref(saved);
    return rc;
}

int ctl_server_find_https(const struct invocation *invocation, struct ctl_server *out,
                          struct err *err)
{
    ASSERT(invocation != NULL && out != NULL);
    const char *url = named_url(invocation);
    json_t *saved = NULL;
    begin(invocation, out);
    out->token_file = NULL;
    if (invocation_has(invocation, "data")) {
        return err_set(err, E_USAGE,
                       "with --data nobody signs in: the server's own account may do "
                       "all by the local socket");
    }
    int rc = ctl_saved_read(&saved, err);
    if (rc == 0 && url == NULL) {
        url = ctl_saved_current(saved);
        url = url[0] != '\0' ? url : ctl_usual_url;
    }
    if (rc == 0) {
        rc = use_https(invocation, out, url, saved, err);
    }
    json_decref(saved);
    return rc;
}
