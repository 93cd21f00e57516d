/* server/start_status.c - how the server is, put together of its parts, by the main thread. */
#include <stdio.h>

#include "base/clock.h"
#include "server/start_inside.h"

int start_device(void *context, uint64_t device, struct device_live *out)
{
    const struct server *server = context;
    struct seen_device at = {0};
    int rc = sessions_device(server->sessions, device, out);
    if (rc != E_NOT_FOUND || !seen_get(server->seen, device, &at)) {
        return rc;
    }
    *out =
        (struct device_live){.device = device, .last_seen_ms = at.last_ms, .current_seq = at.seq};
    return 0; /* it was here before the last start */
}

void start_status(void *context, struct server_status *out)
{
    const struct server *server = context;
    bool running = committer_state(server->committer) == COMMITTER_RUNNING;
    bool room = housekeeping_room(server->housekeeping);
    const struct sync_record *sync = committer_sync(server->committer);
    *out = (struct server_status){
        .state = !running || !room ? SERVER_READ_ONLY
                 : sync->stopped   ? SERVER_STOPPED
                                   : SERVER_RUNNING,
        .held = registry_held(server->registry),
        .sync_stopped = sync->stopped,
        .sync_since_ms = sync->since_ms,
        .users = committer_users(server->committer),
        .users_limit = server->options.settings->limits.users,
        .users_evict = server->options.settings->limits.users_evict,
        .uptime_ms = clock_mono_ms(&clock_system) - server->started_ms,
        .sessions = sessions_count(server->sessions),
        .waiting = sessions_waiting(server->sessions),
        .devices = registry_devices(server->registry),
        .writes = committer_changes(server->committer),
        .undo_keep_ms = server->options.settings->retention.undo_keep_ms,
        .journal_max_bytes = server->options.settings->retention.journal_max_bytes,
    };
    (void)snprintf(out->sync_by, sizeof out->sync_by, "%s", sync->by);
    housekeeping_status(server->housekeeping, out);
    out->digests.healed = sessions_healed(server->sessions);
    sessions_replicas(server->sessions, &out->replicas);
    if (!running) {
        (void)snprintf(out->state_text, sizeof out->state_text, "%s",
                       committer_state_text(server->committer));
    }
    journal_history(server->journal, out->history);
    journal_head(server->journal, &out->head);
}
