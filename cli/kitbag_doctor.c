/* cli/kitbag_doctor.c - one check after the other, each with what to do when it fails. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/kitbag_settings.h"
#include "cli/kitbag_status.h"
#include "cli/kitbag_verbs.h"

enum { FREE_BYTES_MIN = 64 << 20, CONNECT_TIMEOUT_S = 3 };

/* Counts what is wrong while lines are printed. */
struct doctor {
    int wrong;
};

static void tell(struct doctor *doctor, bool good, const char *what, const char *remedy)
{
    (void)printf("%-6s %s\n", good ? "ok" : "NOT SO", what);
    if (!good) {
        (void)printf("       %s\n", remedy);
        doctor->wrong++;
    }
}

static void check_folder(struct doctor *doctor, const char *dir)
{
    struct stat st;
    struct statvfs fs;
    char line[512];
    if (stat(dir, &st) != 0) {
        (void)snprintf(line, sizeof line, "the data folder %s is not there", dir);
        tell(doctor, false, line,
             "join a server ('kitbag join TOKEN') or name another with --data");
        return;
    }
    (void)snprintf(line, sizeof line, "the data folder %s is private (mode %03o)", dir,
                   st.st_mode & 0777U);
    tell(doctor, (st.st_mode & 077U) == 0, line, "others can read it: chmod 700 that folder");
    if (statvfs(dir, &fs) == 0) {
        unsigned long long free_bytes = (unsigned long long)fs.f_bavail * fs.f_frsize;
        (void)snprintf(line, sizeof line, "%llu MiB are free on its disk", free_bytes >> 20);
        tell(doctor, free_bytes >= FREE_BYTES_MIN, line,
             "writes are refused when the disk is full: make room");
    }
}

static bool can_connect(const struct addrinfo *to)
{
    struct timeval timeout = {.tv_sec = CONNECT_TIMEOUT_S};
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool done = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0 &&
                connect(fd, to->ai_addr, to->ai_addrlen) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return done;
}

/* "tcp://host:port", "host:port" or "[::1]:port" -> its two parts. */
static bool split_address(const char *address, char *host, size_t host_size, const char **port)
{
    if (strncmp(address, "tcp://", 6) == 0) {
        address += 6;
    }
    const char *colon = strrchr(address, ':');
    if (colon == NULL) {
        return false;
    }
    size_t size = (size_t)(colon - address);
    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    *port = colon + 1;
    return snprintf(host, host_size, "%.*s", (int)size, address) < (int)host_size;
}

static void check_server(struct doctor *doctor, const char *address)
{
    char host[256];
    char line[512];
    const char *port = NULL;
    struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (address[0] == '\0' || !split_address(address, host, sizeof host, &port)) {
        return;
    }
    int rc = getaddrinfo(host, port, &hints, &list);
    (void)snprintf(line, sizeof line, "the server's name %s is known", host);
    tell(doctor, rc == 0, line, "ask the network's administrator: the name can't be resolved");
    bool reached = false;
    for (const struct addrinfo *at = list; rc == 0 && at != NULL && !reached; at = at->ai_next) {
        reached = can_connect(at);
    }
    if (rc == 0) {
        freeaddrinfo(list);
        (void)snprintf(line, sizeof line, "port %s of %s answers", port, host);
        tell(doctor, reached, line, "is kitbagd running there, and is the port open on the way?");
    }
}

static const char *text_of(json_t *status, const char *key)
{
    const char *text = json_string_value(json_object_get(status, key));
    return text != NULL ? text : "";
}

/* A bag that differed was healed, so it is no fault that stands; more of them are a hint. */
static void check_compared(struct doctor *doctor, json_t *status)
{
    char line[512];
    json_int_t healed = json_integer_value(json_object_get(status, "healed"));
    if (text_of(status, "verified")[0] != '\0') {
        (void)snprintf(line, sizeof line, "every bag was compared with the server's since %s",
                       text_of(status, "verified"));
        tell(doctor, true, line, "");
    }
    if (healed > 0) {
        (void)snprintf(line, sizeof line,
                       "%" JSON_INTEGER_FORMAT " times a bag differed and was fetched anew: if "
                       "that number rises, look at this machine's disk and memory",
                       healed);
        tell(doctor, true, line, "");
    }
}

static void check_mirror(struct doctor *doctor, json_t *status)
{
    char line[512];
    const char *code = text_of(status, "mirror_code");
    if (code[0] == '\0' && text_of(status, "mirror_text")[0] == '\0' &&
        strcmp(text_of(status, "mirror_seq"), "0") == 0) {
        return; /* it keeps none */
    }
    (void)snprintf(
        line, sizeof line,
        "the copy of the server's journal goes on: changes %s to %s, %" JSON_INTEGER_FORMAT " MiB",
        text_of(status, "mirror_from"), text_of(status, "mirror_seq"),
        json_integer_value(json_object_get(status, "mirror_bytes")) >> 20);
    tell(doctor, code[0] == '\0', line, text_of(status, "mirror_text"));
}

static void check_status(struct doctor *doctor, json_t *status)
{
    char line[512];
    bool joined = strcmp(text_of(status, "phase"), "alone") != 0;
    tell(doctor, json_is_true(json_object_get(status, "agent")), "an agent runs here",
         "start it: systemctl start kitbag-agent, or 'kitbag agent'");
    tell(doctor, joined, "this machine has joined a server",
         "ask the server's administrator for a token, then: kitbag join TOKEN");
    if (!joined) {
        return;
    }
    check_server(doctor, text_of(status, "server"));
    (void)snprintf(line, sizeof line, "the machine is %s%s%s", text_of(status, "phase"),
                   text_of(status, "text")[0] != '\0' ? ": " : "", text_of(status, "text"));
    tell(doctor, strcmp(text_of(status, "code"), "") == 0, line,
         "the sentence above says what to do");
    (void)snprintf(line, sizeof line, "%" JSON_INTEGER_FORMAT " writes were refused",
                   json_integer_value(json_object_get(status, "refused")));
    tell(doctor, json_integer_value(json_object_get(status, "refused")) == 0, line,
         "look at them with 'kitbag outbox refused', then retry or drop them");
    check_compared(doctor, status);
    check_mirror(doctor, status);
}

static void check_records(struct doctor *doctor, const struct invocation *invocation)
{
    struct call call = {0};
    struct err err = {0};
    call_begin(&call, "verify", 0);
    int rc = call_run(&call, invocation, &err);
    tell(doctor, rc == 0, "every record kept here is whole", err.text);
    call_close(&call);
}

int verb_doctor(const struct invocation *invocation, struct err *err)
{
    struct doctor doctor = {0};
    struct config *config = NULL;
    json_t *status = NULL;
    int rc = kitbag_settings(invocation, &config, err);
    if (rc != 0) {
        return rc;
    }
    const char *dir = config_text(config, "client.data");
    check_folder(&doctor, dir);
    struct err why = {0};
    if (access(dir, F_OK) == 0) { /* asking would make the folder */
        rc = status_ask(invocation, &status, &why);
        if (rc == 0) {
            check_status(&doctor, status);
            check_records(&doctor, invocation);
        } else {
            tell(&doctor, false, "the data folder can be opened", why.text);
        }
    }
    json_decref(status);
    config_free(&config);
    return doctor.wrong == 0 ? 0
                             : err_set(err, E_SYSTEM, "%d check%s went wrong", doctor.wrong,
                                       doctor.wrong == 1 ? "" : "s");
}
