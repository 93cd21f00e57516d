/* server/settings.h - what can be configured, and the values in the form that the parts want. */
#ifndef KITBAG_SERVER_SETTINGS_H
#define KITBAG_SERVER_SETTINGS_H

#include "base/config.h"
#include "base/log.h"
#include "server/plan.h"
#include "server/retention.h"
#include "transport/token.h"

enum { SETTINGS_ENDPOINTS_MAX = 8 };

/* Ends with a row whose name is NULL. */
extern const struct config_key settings_keys[];

/* Texts are borrowed from the config. */
struct console_settings {
    const char *listen;      /* "0.0.0.0:8444", or "none" */
    const char *certificate; /* both "": of the server's own making */
    const char *key;
    uint64_t session_idle_ms;
    uint64_t session_max_ms;
    unsigned connections;
    unsigned connections_per_address;
};

/* What is prepared for export (admin/exports.h). */
struct export_settings {
    uint64_t keep_ms;
    uint64_t users; /* that may be named at once */
    uint64_t groups;
};

/* Checked values. Texts are borrowed from the config. */
struct settings {
    const char *data_dir;
    const char *listen[SETTINGS_ENDPOINTS_MAX + 1]; /* NULL-ended, into listen_text */
    char listen_text[2048];
    size_t advertise_count;
    char advertise[TOKEN_ADDRESSES_MAX][ADDRESS_MAX_BYTES + 1]; /* HOST or HOST:PORT */
    struct console_settings console;
    const char *catalogue_file; /* "": the shipped catalogue alone */
    enum log_level log_level;
    uint64_t segment_bytes;
    uint64_t memtable_bytes;
    uint64_t cache_bytes;
    uint64_t flush_interval_ms;
    uint64_t flush_changes;
    uint64_t scrub_ms;
    struct retention_settings retention;
    struct limits limits;
    struct export_settings exports;
    uint64_t bags_per_session;
    uint64_t bags_per_keeper;
    uint64_t sessions;
    uint64_t message_bytes;
    uint64_t heartbeat_ms;
    int io_threads;
    bool busy_poll;
};

/* E_INVALID with a sentence that names the key and where its value came from. */
MUST_CHECK int settings_read(struct settings *out, const struct config *config, struct err *err);

#endif
