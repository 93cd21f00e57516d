/* tests/sim/control.c - names, and the stand-in for a machine that moves cursors alone. */
#include "tests/sim/control.h"

#include <stdlib.h>
#include <string.h>

#include "client/replica.h"
#include "tests/sim/chance.h"

enum control control;

const char *control_name(enum control which)
{
    static const char *const names[CONTROLS] = {
        [CONTROL_NONE] = "none",
        [CONTROL_SERVER_DISK_LIES] = "server-disk-lies",
        [CONTROL_MACHINE_DISK_LIES] = "machine-disk-lies",
        [CONTROL_CHANGED_FRAME] = "changed-frame",
        [CONTROL_CURSOR_ONLY] = "cursor-only",
        [CONTROL_KEEPS_REMOVED] = "keeps-removed",
        [CONTROL_SENDS_TWICE] = "sends-twice",
    };
    return names[which];
}

int __real_replica_batch_changes(struct replica_batch *batch, const struct change *changes,
                                 size_t count, uint64_t seq, const uint8_t hash[SHA256_SIZE],
                                 uint64_t *bad_bag, struct err *err);
int __wrap_replica_batch_changes(struct replica_batch *batch, const struct change *changes,
                                 size_t count, uint64_t seq, const uint8_t hash[SHA256_SIZE],
                                 uint64_t *bad_bag, struct err *err);

/* In place of an item's value nothing is stored, and the cursor moves. */
int __wrap_replica_batch_changes(struct replica_batch *batch, const struct change *changes,
                                 size_t count, uint64_t seq, const uint8_t hash[SHA256_SIZE],
                                 uint64_t *bad_bag, struct err *err)
{
    if (control != CONTROL_CURSOR_ONLY || !chance_percent(5)) {
        return __real_replica_batch_changes(batch, changes, count, seq, hash, bad_bag, err);
    }
    struct change *less = calloc(count, sizeof *less);
    if (less == NULL) {
        return E_NOMEM;
    }
    memcpy(less, changes, count * sizeof *less);
    for (size_t i = 0; i < count; i++) {
        less[i].kind = less[i].kind == CHANGE_ITEM_SET ? CHANGE_ITEM_REMOVE : less[i].kind;
    }
    int rc = __real_replica_batch_changes(batch, less, count, seq, hash, bad_bag, err);
    free(less);
    return rc;
}
