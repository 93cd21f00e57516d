/* server/settings.c - the table of keys, and the checks that a type alone can't make. */
#include "server/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/https/listen.h"

const struct config_key settings_keys[] = {
    {"server.data", CONFIG_TEXT, "/var/lib/kitbagd",
     "The data folder: journal, state, keys. It is made at the first start, for this account "
     "alone.",
     0, 0},
    {"server.listen", CONFIG_TEXT, "tcp://0.0.0.0:8443",
     "Where the server waits for client machines: one or more endpoints, separated by commas.", 0,
     0},
    {"server.advertise", CONFIG_TEXT, NULL,
     "The name or address, HOST or HOST:PORT, by which client machines reach this server; several "
     "are separated by commas. They go into join tokens. Empty: the addresses of this machine.",
     0, 0},
    {"server.console", CONFIG_TEXT, "0.0.0.0:8444",
     "Where the web console and the HTTPS API wait: HOST:PORT or [IPv6]:PORT, several separated by "
     "commas; none switches them off.",
     0, 0},
    {"server.log_level", CONFIG_TEXT, "info",
     "The least level that is logged: debug, info, warning or error. The log goes to standard "
     "error. "
     "Read again at SIGHUP (systemctl reload kitbagd).",
     0, 0},
    {"catalogue.file", CONFIG_TEXT, "",
     "More categories of what is synchronized, and what is to be otherwise than in the shipped "
     "catalogue: a JSON file of the same form (share/kitbag/catalogue.json). Read again at SIGHUP.",
     0, 0},
    {"console.certificate", CONFIG_TEXT, "",
     "The console's certificate, a PEM file, with those that lead to a known authority behind it. "
     "Empty: one that the server signs for itself, keys/console.crt in the data folder, made at "
     "the first start. Read again at SIGHUP, as is the key.",
     0, 0},
    {"console.key", CONFIG_TEXT, "",
     "The key that belongs to console.certificate: a PEM file without a passphrase.", 0, 0},
    {"console.session_idle", CONFIG_DURATION, "30m",
     "Who does nothing for so long in the console is signed out. Read again at SIGHUP.", 60000, 0},
    {"console.session_max", CONFIG_DURATION, "12h",
     "For so long a session lasts at most. Read again at SIGHUP.", 60000, 0},
    {"console.connections", CONFIG_NUMBER, "1024",
     "How many connections the console takes at once. When there are so many, those that have "
     "waited longest for a request to be whole make room.",
     16, 65536},
    {"console.connections_per_address", CONFIG_NUMBER, "64",
     "How many of them from one address (of IPv6: from one /64).", 4, 65536},
    {"journal.segment_size", CONFIG_SIZE, "64M",
     "The size of one file of the journal. The next one is written ahead of need.", 8 << 20,
     1 << 30},
    {"journal.keep", CONFIG_DURATION, "90d",
     "Changes that are older than this go, a whole file at a time.", 1000, 0},
    {"journal.max_bytes", CONFIG_SIZE, "0",
     "With more than this the oldest files of the journal go earlier; 0: no limit. What an undo or "
     "a start after a crash needs stays in any case.",
     0, 0},
    {"undo.keep", CONFIG_DURATION, "7d",
     "For so long a deletion, initialising a category for everybody, or changing what is shared "
     "can be undone.",
     1000, 0},
    {"tombstones.keep", CONFIG_DURATION, "30d",
     "For so long the deletion of an item is remembered for machines that were not connected; one "
     "that comes back later gets all the user's items anew.",
     1000, 0},
    {"devices.active", CONFIG_DURATION, "90d",
     "A machine that was not connected for longer is waited for no more: what it lacks may go.",
     1000, 0},
    {"state.memtable_size", CONFIG_SIZE, "64M",
     "How much of the state is collected in memory before it goes to a file.", 1 << 20,
     UINT64_C(4) << 30},
    {"state.cache_size", CONFIG_SIZE, "256M",
     "Memory that keeps parts of the state's files at hand.", 1 << 20, 0},
    {"state.flush_interval", CONFIG_DURATION, "60s",
     "After this time the state goes to a file even when little changed, so that there is less to "
     "replay after a crash.",
     1000, 86400000},
    {"state.flush_changes", CONFIG_NUMBER, "200000",
     "After so many changes the state goes to a file at once. What is not in a file is replayed "
     "after a crash: about a second for each 400,000.",
     1, 0},
    {"state.scrub", CONFIG_DURATION, "24h",
     "So often all of the state is read and compared with its digests, slowly: at most a fiftieth "
     "of a processor.",
     1000, 0},
    {"limits.users", CONFIG_NUMBER, "1000000", "How many users there may be.", 1, 0},
    {"limits.users_policy", CONFIG_TEXT, "refuse",
     "What becomes of a user who is one too many. refuse: nobody new is taken; evict: whoever "
     "signed "
     "in longest ago, and is not signed in at a connected machine, is deleted to make room, and "
     "can "
     "be restored for as long as undo.keep tells.",
     0, 0},
    {"limits.items_per_bag", CONFIG_NUMBER, "20000",
     "How many items one user, group or machine may have.", 1, 0},
    {"limits.bytes_per_bag", CONFIG_SIZE, "64M",
     "How much the items of one user, group or machine may take.", 1 << 20, 0},
    {"limits.bags_per_session", CONFIG_NUMBER, "100000",
     "How many bags one machine may keep: each user, group or machine has one.", 1, 0},
    {"limits.bags_per_keeper", CONFIG_NUMBER, "2000000",
     "The same for a machine that an administrator lets keep all groups, or everybody.", 1, 0},
    {"limits.sessions", CONFIG_NUMBER, "65536",
     "How many machines may be connected at once. The limit on open files (LimitNOFILE) counts "
     "too: "
     "three quarters of it are for connections.",
     1, 0},
    {"limits.message_memory", CONFIG_SIZE, "64M",
     "Memory for large values on their way, of all connections together.", 8 << 20, 0},
    {"export.keep", CONFIG_DURATION, "15m",
     "How long user data that was prepared for export can be fetched; then it is gone from the "
     "disk.",
     1000, UINT64_C(7) * 24 * 3600 * 1000},
    {"export.users", CONFIG_NUMBER, "500",
     "How many users may be chosen for one export. All of them together always may.", 1, 10000},
    {"export.groups", CONFIG_NUMBER, "50",
     "How many user groups may be chosen for one export. All of them together always may.", 1,
     10000},
    {"groups.mode", CONFIG_TEXT, "open",
     "open: a sign-in puts its user into the groups it names; managed: it is refused when it names "
     "a "
     "group that its user is not in. Administrators can't edit groups yet, so open is what to use.",
     0, 0},
    {"stream.heartbeat", CONFIG_DURATION, "2s",
     "Both sides give a sign of life when they had nothing to say for this time. After five times "
     "this without one a connection is over.",
     100, 60000},
    {"stream.io_threads", CONFIG_NUMBER, "2", "How many threads encrypt and decrypt.", 1, 16},
    {"stream.busy_poll", CONFIG_BOOL, "no",
     "Wait awake for a moment before sleeping: faster answers for more processor time.", 0, 0},
    {NULL, CONFIG_TEXT, NULL, NULL, 0, 0},
};

static int bad(const struct config *config, const char *key, const char *what, struct err *err)
{
    return err_set(err, E_INVALID, "%s = '%.80s' (%s): %s", key, config_text(config, key),
                   config_origin(config, key), what);
}

/* The next part of a list with commas, without the space around it; false at the end. */
static bool next_part(const char **text, struct span *part)
{
    static const char space[] = " \t";
    const char *at = *text + strspn(*text, " \t,");
    if (*at == '\0') {
        return false;
    }
    size_t size = strcspn(at, ",");
    *text = at + size;
    while (size > 0 && strchr(space, at[size - 1]) != NULL) {
        size--;
    }
    *part = span_of(at, size);
    return true;
}

/* Behind the last colon: 0 to 65535; '*' lets the system choose, as 0 does. */
static bool is_port(const char *text)
{
    size_t size = strlen(text);
    if (strcmp(text, "*") == 0) {
        return true;
    }
    return size > 0 && size <= 5 && strspn(text, "0123456789") == size &&
           strtoul(text, NULL, 10) <= UINT16_MAX;
}

static int read_listen(struct settings *out, const struct config *config, struct err *err)
{
    static const char key[] = "server.listen";
    const char *text = config_text(config, key);
    struct span part;
    size_t count = 0;
    size_t used = 0;
    while (next_part(&text, &part)) {
        if (count == SETTINGS_ENDPOINTS_MAX || used + part.size + 1 > sizeof out->listen_text) {
            return bad(config, key, "these are too many endpoints, or too long ones", err);
        }
        char *copy = out->listen_text + used;
        memcpy(copy, part.data, part.size);
        copy[part.size] = '\0';
        used += part.size + 1;
        const char *colon = strrchr(copy, ':');
        if (strncmp(copy, "tcp://", 6) != 0 || colon < copy + 6) {
            return bad(config, key, "an endpoint looks like tcp://0.0.0.0:8443", err);
        }
        if (!is_port(colon + 1)) {
            return bad(config, key, "a port is a number up to 65535, as in tcp://0.0.0.0:8443",
                       err);
        }
        out->listen[count++] = copy;
    }
    return count > 0 ? 0 : bad(config, key, "an endpoint looks like tcp://0.0.0.0:8443", err);
}

static int read_advertise(struct settings *out, const struct config *config, struct err *err)
{
    static const char key[] = "server.advertise";
    const char *text = config_text(config, key);
    struct span part;
    while (next_part(&text, &part)) {
        if (out->advertise_count == TOKEN_ADDRESSES_MAX || part.size > ADDRESS_MAX_BYTES) {
            return bad(config, key, "these are more than 8 addresses, or one is too long", err);
        }
        char *copy = out->advertise[out->advertise_count++];
        memcpy(copy, part.data, part.size);
        copy[part.size] = '\0';
        char endpoint[ADDRESS_MAX_BYTES + 32];
        if (address_endpoint(copy, endpoint, sizeof endpoint, NULL) != 0) {
            return bad(config, key, "an address looks like server.example.org or 192.0.2.1:8443",
                       err);
        }
    }
    return 0;
}

/* Addresses, certificate, sessions of the console. */
static int read_console(struct settings *out, const struct config *config, struct err *err)
{
    struct err why = {0};
    out->console = (struct console_settings){
        .listen = config_text(config, "server.console"),
        .certificate = config_text(config, "console.certificate"),
        .key = config_text(config, "console.key"),
        .session_idle_ms = config_u64(config, "console.session_idle"),
        .session_max_ms = config_u64(config, "console.session_max"),
        .connections = (unsigned)config_u64(config, "console.connections"),
        .connections_per_address = (unsigned)config_u64(config, "console.connections_per_address"),
    };
    if (admin_listen_check(out->console.listen, &why) != 0) {
        return bad(config, "server.console",
                   "it looks like 0.0.0.0:8444 or [::]:8444, several with commas; or it is none",
                   err);
    }
    bool certificate = out->console.certificate[0] != '\0';
    if (certificate != (out->console.key[0] != '\0')) {
        return bad(config, certificate ? "console.key" : "console.certificate",
                   "console.certificate and console.key are set both, or neither", err);
    }
    return 0;
}

int settings_read(struct settings *out, const struct config *config, struct err *err)
{
    ASSERT(out != NULL && config != NULL);
    memset(out, 0, sizeof *out);
    out->data_dir = config_text(config, "server.data");
    if (out->data_dir[0] == '\0') {
        return bad(config, "server.data", "the data folder needs a path", err);
    }
    int rc = read_listen(out, config, err);
    if (rc == 0) {
        rc = read_advertise(out, config, err);
    }
    if (rc == 0) {
        rc = read_console(out, config, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!log_parse_level(config_text(config, "server.log_level"), &out->log_level)) {
        return bad(config, "server.log_level", "the levels are debug, info, warning and error",
                   err);
    }
    const char *mode = config_text(config, "groups.mode");
    out->limits.groups_managed = strcmp(mode, "managed") == 0;
    if (!out->limits.groups_managed && strcmp(mode, "open") != 0) {
        return bad(config, "groups.mode", "it is open or managed", err);
    }
    out->catalogue_file = config_text(config, "catalogue.file");
    out->segment_bytes = config_u64(config, "journal.segment_size");
    out->memtable_bytes = config_u64(config, "state.memtable_size");
    out->cache_bytes = config_u64(config, "state.cache_size");
    out->flush_interval_ms = config_u64(config, "state.flush_interval");
    out->flush_changes = config_u64(config, "state.flush_changes");
    out->scrub_ms = config_u64(config, "state.scrub");
    out->retention = (struct retention_settings){
        .journal_keep_ms = config_u64(config, "journal.keep"),
        .journal_max_bytes = config_u64(config, "journal.max_bytes"),
        .tombstones_keep_ms = config_u64(config, "tombstones.keep"),
        .undo_keep_ms = config_u64(config, "undo.keep"),
        .devices_active_ms = config_u64(config, "devices.active"),
    };
    out->limits.undo_keep_ms = out->retention.undo_keep_ms;
    out->limits.users = config_u64(config, "limits.users");
    const char *policy = config_text(config, "limits.users_policy");
    out->limits.users_evict = strcmp(policy, "evict") == 0;
    if (!out->limits.users_evict && strcmp(policy, "refuse") != 0) {
        return bad(config, "limits.users_policy", "it is refuse or evict", err);
    }
    out->exports = (struct export_settings){
        .keep_ms = config_u64(config, "export.keep"),
        .users = config_u64(config, "export.users"),
        .groups = config_u64(config, "export.groups"),
    };
    out->limits.items_per_bag = config_u64(config, "limits.items_per_bag");
    out->limits.bytes_per_bag = config_u64(config, "limits.bytes_per_bag");
    out->bags_per_session = config_u64(config, "limits.bags_per_session");
    out->bags_per_keeper = config_u64(config, "limits.bags_per_keeper");
    out->sessions = config_u64(config, "limits.sessions");
    out->message_bytes = config_u64(config, "limits.message_memory");
    out->heartbeat_ms = config_u64(config, "stream.heartbeat");
    out->io_threads = (int)config_u64(config, "stream.io_threads");
    out->busy_poll = config_bool(config, "stream.busy_poll");
    return 0;
}
