/* admin/exports_settle.c - before the moment of an export: do the connected machines hold anything
 * that the server has not?
 *
 * Each heartbeat of a machine tells how many of its writes have no outcome, and comes behind the
 * writes themselves. So a machine is ready when a heartbeat that came after the question tells of
 * none: all that people wrote there before is in the state by then.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/devices.h"
#include "admin/exports_inside.h"

enum { LOOK_MS = 25, FIRST_ROOM = 64 };

/* Machines that are not ready. */
struct pending {
    const struct admin_backend *backend;
    uint64_t *ids;
    struct device_live *live; /* of each, as of the last look */
    size_t count;
    size_t room;
};

static int grow(struct pending *pending, struct err *err)
{
    size_t room = pending->room > 0 ? 2 * pending->room : FIRST_ROOM;
    uint64_t *ids = realloc(pending->ids, room * sizeof *ids);
    pending->ids = ids != NULL ? ids : pending->ids;
    struct device_live *live = realloc(pending->live, room * sizeof *live);
    pending->live = live != NULL ? live : pending->live;
    if (ids == NULL || live == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    pending->room = room;
    return 0;
}

static int add(void *context, const struct admin_device *device, struct err *err)
{
    struct pending *pending = context;
    int rc = pending->count == pending->room ? grow(pending, err) : 0;
    if (rc == 0 && !device->removed) {
        pending->ids[pending->count++] = device->id;
    }
    return rc;
}

/* The registered ones. */
static int collect(struct pending *pending, struct err *err)
{
    struct kv_view *view = NULL;
    int rc = kv_view_new(&view, pending->backend->kv, err);
    if (rc == 0) {
        rc = admin_devices_each(pending->backend->kv, view, 0, add, pending, err);
    }
    kv_view_free(&view);
    return rc;
}

/* Those that are ready are taken out; at the first look also those that are not connected. */
static int look(struct pending *pending, uint64_t since_ms, bool first, struct err *err)
{
    const struct admin_backend *backend = pending->backend;
    int rc = backend->devices(backend->context, pending->ids, pending->count, pending->live, err);
    size_t kept = 0;
    for (size_t i = 0; i < pending->count && rc == 0; i++) {
        const struct device_live *live = &pending->live[i];
        bool ready = live->connected && live->waiting == 0 && live->last_seen_ms > since_ms;
        if (!ready && (live->connected || !first)) {
            pending->ids[kept++] = pending->ids[i];
        }
    }
    pending->count = rc == 0 ? kept : pending->count;
    return rc;
}

static void tell(const struct pending *pending, struct admin_export *out)
{
    size_t named = pending->count < EXPORT_LATE_MAX ? pending->count : EXPORT_LATE_MAX;
    out->late_count = pending->count;
    if (named > 0) {
        memcpy(out->late, pending->ids, named * sizeof out->late[0]);
    }
}

int exports_settle(const struct admin_backend *backend, unsigned wait_ms,
                   const atomic_bool *given_up, struct admin_export *out, struct err *err)
{
    ASSERT(backend != NULL && out != NULL);
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    struct pending pending = {.backend = backend};
    uint64_t since_ms = clock_wall_ms(&clock_system); /* as machines are said to be seen */
    uint64_t end_ms = clock_mono_ms(&clock_system) + wait_ms;
    int rc = collect(&pending, err);
    if (rc == 0) {
        rc = look(&pending, since_ms, true, err);
    }
    while (rc == 0 && pending.count > 0 && clock_mono_ms(&clock_system) < end_ms &&
           (given_up == NULL || !atomic_load(given_up))) {
        (void)nanosleep(&pause, NULL);
        rc = look(&pending, since_ms, false, err);
    }
    if (rc == 0) {
        tell(&pending, out);
    }
    free(pending.ids);
    free(pending.live);
    return rc;
}
