/* server/start.c - what starts when, and what stops when. */
#include "server/start.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin/api/api.h"
#include "admin/local_request.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "server/addresses.h"
#include "server/data_folder.h"
#include "server/descriptors.h"
#include "server/restore_swap.h"
#include "server/seeding.h"
#include "server/start_inside.h"

enum { RECOVER_EVERY_MS = 1000, EXPORT_SETTLE_MS = 500 };

/* --- glue --- */

static void on_device(void *context, uint64_t device)
{
    struct server *server = context;
    sessions_device_changed(server->sessions, device);
}

static void on_replies(void *context, const struct reply *replies, size_t count)
{
    struct server *server = context;
    size_t i = 0;
    while (i < count) {
        size_t same = 0;
        while (i + same < count && replies[i + same].kind != REPLY_SUBMITTED) {
            same++;
        }
        sessions_replies(server->sessions, &replies[i], same);
        i += same;
        if (i < count && replies[i].ticket != NULL) {
            desk_reply(server->desk, &replies[i]);
        } else if (i < count) {
            seeding_answered(&replies[i]);
        }
        i++;
    }
}

static void on_changes(void *context, const struct change *changes, size_t count,
                       const struct journal_position *head)
{
    struct server *server = context;
    sessions_changes(server->sessions, changes, count, head);
    if (server->backups != NULL) {
        backups_note(server->backups, changes, count);
    }
}

/* Housekeeping is away while the state is opened again: nothing is written then. */
static bool has_room(void *context)
{
    const struct server *server = context;
    return server->housekeeping == NULL || housekeeping_room(server->housekeeping);
}

static bool on_idle(void *context, struct kv *kv)
{
    return upkeep_work(context, kv);
}

static bool on_admit(void *context, const uint8_t key[KEY_SIZE])
{
    const struct server *server = context;
    return registry_admits(server->registry, key, clock_mono_ms(&clock_system));
}

static int on_evict(void *context, uint64_t *bag_id)
{
    const struct server *server = context;
    return sign_ins_next(server->sign_ins, committer_kv(server->committer), sessions_uses,
                         server->sessions, bag_id);
}

static int port_send(void *context, const struct peer *peer, struct span bytes)
{
    struct server *server = context;
    return router_send(server->router, peer, bytes);
}

static void port_cut(void *context, const struct peer *peer)
{
    struct server *server = context;
    router_cut(server->router, peer);
}

static const char *port_address(void *context, const struct peer *peer)
{
    struct server *server = context;
    return router_address(server->router, peer);
}

static void desk_wake(void *context)
{
    struct server *server = context;
    router_wake(server->router);
}

static void desk_confirm_clock(void *context)
{
    struct server *server = context;
    housekeeping_confirm_clock(server->housekeeping);
}

static void on_progress(void *context, uint64_t seq, uint64_t head)
{
    (void)context;
    notify_send("STATUS=replaying the journal: %" PRIu64 " of %" PRIu64
                "\nEXTEND_TIMEOUT_USEC=60000000",
                seq, head);
}

static void on_reload(void *context)
{
    struct server *server = context;
    if (server->options.reload != NULL) {
        server->options.reload(server->options.context, server);
    }
}

/* --- starting --- */

static int start_signals(struct server *server, struct err *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    server->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return server->signal_fd >= 0 ? 0 : err_sys(err, "open", "signalfd");
}

static int start_files(struct server *server, struct err *err)
{
    return descriptors_raise(server->options.settings->sessions, err);
}

static int start_folder(struct server *server, struct err *err)
{
    const char *dir = server->options.settings->data_dir;
    char keys[PATH_MAX];
    char curve[PATH_MAX];
    int rc = data_folder_open(dir, &server->lock, err);
    if (rc == 0) {
        rc = restore_settle(dir, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (path_join(keys, sizeof keys, dir, "keys") != 0 ||
        path_join(curve, sizeof curve, keys, "curve.key") != 0 ||
        path_join(server->journal_dir, sizeof server->journal_dir, dir, "journal") != 0 ||
        path_join(server->socket_path, sizeof server->socket_path, dir, ADMIN_SOCKET_NAME) != 0) {
        return err_set(err, E_INVALID, "the path of the data folder '%.60s...' is too long", dir);
    }
    server->new_keys = access(curve, F_OK) != 0;
    return keys_load_server(keys, &server->curve, &server->sign, err);
}

static int start_console(struct server *server, struct err *err)
{
    const struct console_options options = {
        .settings = server->options.settings,
        .admin_password_file = server->options.admin_password_file,
        .assets = server->options.assets,
    };
    return console_start(&server->console, &options, err);
}

static int start_stores(struct server *server, struct err *err)
{
    const struct settings *settings = server->options.settings;
    struct recovered recovered = {0};
    server->recovery = (struct recovery_options){
        .dir = settings->data_dir,
        .segment_bytes = settings->segment_bytes,
        .memtable_bytes = settings->memtable_bytes,
        .cache_bytes = settings->cache_bytes,
        .progress = on_progress,
    };
    int rc = recovery_open(&recovered, &server->recovery, err);
    if (rc != 0) {
        return rc;
    }
    server->journal = recovered.journal;
    server->kv = recovered.kv;
    struct journal_position head;
    journal_head(server->journal, &head);
    log_event(LOG_INFO, "server", "journal.opened",
              "head=%" PRIu64 " floor=%" PRIu64 " tail=%s replayed=%" PRIu64, head.seq,
              journal_floor(server->journal),
              recovered.opened.tail == SEGMENT_TAIL_CLEAN  ? "clean"
              : recovered.opened.tail == SEGMENT_TAIL_OPEN ? "open"
                                                           : "torn",
              recovered.replayed);
    server->flushed_seq = head.seq - recovered.replayed;
    server->unclean = recovered.opened.tail != SEGMENT_TAIL_CLEAN && !recovered.opened.fresh;
    if (server->new_keys && head.seq > 0) {
        log_event(LOG_WARNING, "server", "keys.lost",
                  "text=\"keys/ was lost and made anew: machines that joined before can't connect "
                  "until it is put back from a backup, or they join again\"");
    }
    return 0;
}

/* What is known of devices, and the state's slow work. */
static int start_keeping(struct server *server, struct err *err)
{
    const struct limits *limits = &server->options.settings->limits;
    const struct sign_ins_options options = {limits->users, limits->users_evict, &clock_system};
    if (seen_new(&server->seen) != 0 || upkeep_new(&server->upkeep) != 0 ||
        sign_ins_new(&server->sign_ins, &options) != 0) {
        return err_set(err, E_NOMEM, "the server: out of memory");
    }
    return seen_load(server->seen, server->kv, err);
}

static int start_committer(struct server *server, struct err *err)
{
    if (registry_new(&server->registry) != 0) {
        return err_set(err, E_NOMEM, "the registry: out of memory");
    }
    struct committer_options options = {
        .journal = server->journal,
        .kv = server->kv,
        .registry = server->registry,
        .limits = server->options.settings->limits,
        .clock = &clock_system,
        .sink = {on_device, on_replies, on_changes, server},
        .has_room = has_room,
        .room_context = server,
        .evict = server->options.settings->limits.users_evict ? on_evict : NULL,
        .evict_context = server,
        .idle = on_idle,
        .idle_context = server->upkeep,
        .reached = desk_wake,
        .reached_context = server,
    };
    int rc = committer_new(&server->committer, &options, err);
    return rc != 0 ? rc
                   : registry_load(server->registry, server->kv,
                                   committer_server_bag(server->committer), err);
}

static int start_stream(struct server *server, struct err *err)
{
    const struct settings *settings = server->options.settings;
    struct router_options router = {
        .listen = settings->listen,
        .keys = &server->curve,
        .io_threads = settings->io_threads,
        .admit = on_admit,
        .context = server,
        .busy_poll = settings->busy_poll,
    };
    int rc = router_open(&server->router, &router, err);
    if (rc != 0) {
        return rc;
    }
    struct sessions_options sessions = {
        .port = {port_send, port_cut, port_address, server},
        .committer = server->committer,
        .registry = server->registry,
        .journal = server->journal,
        .clock = &clock_system,
        .seen = server->seen,
        .sign_ins = server->sign_ins,
        .heartbeat_ms = settings->heartbeat_ms,
        .bags_max = settings->bags_per_session,
        .bags_max_kept = settings->bags_per_keeper,
        .sessions_max = settings->sessions,
        .budget_bytes = settings->message_bytes,
    };
    return sessions_new(&server->sessions, &sessions, err);
}

static int seed(struct server *server, const char *file, struct err *err)
{
    struct catalogue *catalogue = NULL;
    int rc = catalogue_read(&catalogue, file, err);
    if (rc == 0) {
        rc = seeding_run(server->committer, catalogue, NULL, err);
    }
    catalogue_free(&catalogue);
    return rc;
}

static int start_catalogue(struct server *server, struct err *err)
{
    return seed(server, server->options.settings->catalogue_file, err);
}

static int start_desk(struct server *server, struct err *err)
{
    const struct settings *settings = server->options.settings;
    struct desk_options options = {
        .wake = desk_wake,
        .status = start_status,
        .device = start_device,
        .confirm_clock = desk_confirm_clock,
        .context = server,
        .committer = server->committer,
        .journal = server->journal,
        .journal_dir = server->journal_dir,
        .sign_ins = server->sign_ins,
    };
    memcpy(options.token.server_key, server->curve.public_key, KEY_SIZE);
    memcpy(options.token.signing_key, server->sign.public_key, KEY_SIZE);
    addresses_fill(&options.token, (const char(*)[ADDRESS_MAX_BYTES + 1]) settings->advertise,
                   settings->advertise_count, settings->listen[0], server_port(server));
    int rc = desk_new(&server->desk, &options, err);
    if (rc == 0) {
        desk_backend(server->desk, &server->backend);
    }
    return rc;
}

static int start_housekeeping(struct server *server, struct err *err)
{
    const struct settings *settings = server->options.settings;
    struct housekeeping_options options = {
        .journal = server->journal,
        .kv = server->kv,
        .seen = server->seen,
        .sign_ins = server->sign_ins,
        .upkeep = server->upkeep,
        .clock = &clock_system,
        .submit = {server->backend.submit, server->backend.context},
        .flushed_seq = server->flushed_seq,
        .flush_interval_ms = settings->flush_interval_ms,
        .flush_changes = settings->flush_changes,
        .dir = settings->data_dir,
        .reserve_bytes = 2 * settings->memtable_bytes + settings->segment_bytes,
        .retention = settings->retention,
        .scrub_ms = settings->scrub_ms,
        .unclean = server->unclean,
    };
    return housekeeping_start(&server->housekeeping, &options, err);
}

static int start_backups(struct server *server, struct err *err)
{
    const struct settings *settings = server->options.settings;
    const struct backups_options options = {
        .source = {.journal = server->journal,
                   .kv = server->kv,
                   .data_dir = settings->data_dir,
                   .server = server->sign.public_key,
                   .reserve_bytes = 2 * settings->memtable_bytes + settings->segment_bytes},
        .server_bag = committer_server_bag(server->committer),
        .seen = server->seen,
        .clock = &clock_system,
        .backend = &server->backend,
    };
    int rc = backups_start(&server->backups, &options, err);
    if (rc == 0) {
        backups_admin(server->backups, &server->admin_backups);
        server->backend.backups = &server->admin_backups;
    }
    return rc;
}

/* What was prepared stays when the state is opened again. */
static int start_exports(struct server *server, struct err *err)
{
    const struct settings *settings = server->options.settings;
    char dir[PATH_MAX];
    const struct admin_exports_options options = {
        .dir = dir,
        .name = settings->advertise_count > 0 ? settings->advertise[0] : "",
        .secret_key = server->sign.secret_key,
        .clock = &clock_system,
        .keep_ms = settings->exports.keep_ms,
        .users_max = settings->exports.users,
        .groups_max = settings->exports.groups,
        .settle_ms = (unsigned)settings->heartbeat_ms + EXPORT_SETTLE_MS,
    };
    return path_join(dir, sizeof dir, settings->data_dir, "exports") == 0
               ? admin_exports_start(&server->exports, &options, err)
               : err_set(err, E_INVALID, "the path of the data folder is too long");
}

static int start_administration(struct server *server, struct err *err)
{
    struct admin_board_options board = {
        .backend = &server->backend, .clock = &clock_system, .render = admin_api_status_text};
    int rc = admin_board_start(&server->board, &board, err);
    if (rc == 0 && server->exports == NULL) {
        rc = start_exports(server, err);
    }
    if (rc != 0) {
        return rc;
    }
    server->backend.board = server->board;
    server->backend.exports = server->exports;
    rc = console_open(server->console, &server->backend, err);
    return rc != 0 ? rc
                   : admin_local_start(&server->local, &server->backend,
                                       console_auth(server->console), server->socket_path, err);
}

static int start_all(struct server *server, struct err *err)
{
    int (*const steps[])(struct server *, struct err *) = {
        start_signals,      start_files,     start_folder,        start_console,   start_stores,
        start_keeping,      start_committer, start_stream,        start_catalogue, start_desk,
        start_housekeeping, start_backups,   start_administration};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int rc = steps[i](server, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int server_start(struct server **out, const struct server_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->settings != NULL);
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return err_set(err, E_NOMEM, "the server: out of memory");
    }
    server->options = *options;
    server->lock = -1;
    server->signal_fd = -1;
    server->started_ms = clock_mono_ms(&clock_system);
    int rc = start_all(server, err);
    if (rc != 0) {
        server_stop(&server);
        return rc;
    }
    *out = server;
    return 0;
}

int server_port(const struct server *server)
{
    ASSERT(server != NULL);
    return router_port(server->router, 0);
}

void server_reload(struct server *server, const struct settings *settings)
{
    ASSERT(server != NULL && settings != NULL);
    struct err err = {0};
    console_reload(server->console, settings);
    if (seed(server, settings->catalogue_file, &err) != 0) {
        log_err(LOG_ERROR, "server", "catalogue.not_reloaded", &err);
    }
}

/* --- the state is opened again --- */

/* Whoever waits at the desk is sent home first: housekeeping could wait there for ever. The console
 * goes on to say that it can't answer now, unless it is for good. */
static void stop_administration(struct server *server, bool for_good)
{
    if (server->desk != NULL) {
        desk_close(server->desk);
    }
    if (for_good) {
        console_stop(&server->console);
    } else {
        console_close(server->console);
    }
    admin_local_stop(&server->local);
    admin_board_stop(&server->board);
    if (for_good) {
        admin_exports_stop(&server->exports);
    }
    housekeeping_stop(&server->housekeeping);
    backups_stop(&server->backups);
    desk_free(&server->desk);
}

/* One try: 0, or what went wrong. */
static int reopen(struct server *server, struct err *err)
{
    uint64_t replayed = 0;
    int rc = recovery_open_state(&server->kv, server->journal, &server->recovery, &replayed, err);
    if (rc == 0) {
        struct journal_position head;
        journal_head(server->journal, &head);
        server->flushed_seq = head.seq - replayed;
        rc = registry_load(server->registry, server->kv, committer_server_bag(server->committer),
                           err);
        if (rc != 0) {
            kv_close(&server->kv, false);
        }
    }
    return rc;
}

/* Nobody reads the state while it is away: the sessions end and come again, administration stops.
 * Tries until it works or a signal comes. */
static int recover(void *context, struct err *err)
{
    struct server *server = context;
    struct err fault = {0};
    stop_administration(server, false);
    sessions_end_all(server->sessions, E_READ_ONLY, err_meaning(E_READ_ONLY));
    int rc = committer_release(server->committer, err);
    if (rc != 0) {
        return rc; /* what is in the journal is brought up by the next kitbagd */
    }
    kv_close(&server->kv, false);
    while (reopen(server, &fault) != 0) {
        log_err(LOG_ERROR, "server", "state.not_opened", &fault);
        struct pollfd signals = {.fd = server->signal_fd, .events = POLLIN};
        if (poll(&signals, 1, RECOVER_EVERY_MS) > 0) {
            return E_CLOSED; /* the signal: there is nothing left to save */
        }
    }
    committer_recovered(server->committer, server->kv);
    server->unclean = true; /* whatever went wrong there: look at all of it */
    rc = start_desk(server, err);
    if (rc == 0) {
        rc = start_housekeeping(server, err);
    }
    if (rc == 0) {
        rc = start_backups(server, err);
    }
    return rc != 0 ? rc : start_administration(server, err);
}

/* --- running and stopping --- */

int server_run(struct server *server, struct err *err)
{
    ASSERT(server != NULL);
    struct loop_options options = {
        .router = server->router,
        .sessions = server->sessions,
        .committer = server->committer,
        .desk = &server->desk,
        .clock = &clock_system,
        .signal_fd = server->signal_fd,
        .reload = on_reload,
        .recover = recover,
        .context = server,
    };
    notify_send("READY=1\nSTATUS=running");
    int rc = loop_run(&options, err);
    notify_send("STOPPING=1");
    return rc;
}

void server_stop(struct server **server)
{
    if (server == NULL || *server == NULL) {
        return;
    }
    struct server *gone = *server;
    if (gone->kv != NULL) {
        loop_farewell(gone->router, gone->sessions, &clock_system);
    }
    stop_administration(gone, true); /* notes where the devices are */
    sessions_free(&gone->sessions);
    router_close(&gone->router);
    bool clean = gone->committer != NULL && committer_state(gone->committer) == COMMITTER_RUNNING;
    committer_free(&gone->committer);
    upkeep_free(&gone->upkeep);
    seen_free(&gone->seen);
    sign_ins_free(&gone->sign_ins);
    registry_free(&gone->registry);
    kv_close(&gone->kv, clean);
    journal_close(&gone->journal, clean);
    key_wipe(&gone->curve, sizeof gone->curve);
    key_wipe(&gone->sign, sizeof gone->sign);
    if (gone->signal_fd >= 0) {
        (void)close(gone->signal_fd);
    }
    if (gone->lock >= 0) {
        (void)close(gone->lock);
    }
    free(gone);
    *server = NULL;
}
