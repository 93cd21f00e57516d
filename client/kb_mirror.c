/* client/kb_mirror.c - the folder of the copy of the server's journal: opening and closing it.
 *
 * What is wrong with it is told by the status and never keeps the machine from working.
 */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "client/kb_inside.h"
#include "journal/mirror.h"

static const uint64_t SEGMENT_BYTES = (uint64_t)64 << 20;

static int open_mirror(struct kb *kb, struct err *err)
{
    struct mirror_options options = {
        .dir = kb->mirror_dir, .segment_bytes = SEGMENT_BYTES, .disk = kb->world.disk};
    int rc = dir_make(kb->mirror_dir, 0700, err);
    if (rc == 0 && kb->mirror_lock_fd < 0) {
        kb->mirror_lock_fd = dir_lock(kb->mirror_dir, err);
        rc = kb->mirror_lock_fd >= 0 ? 0 : kb->mirror_lock_fd;
    }
    return rc != 0 ? rc : mirror_open(&kb->mirror, &options, err);
}

int client_mirror_open(struct kb *kb, struct err *err)
{
    ASSERT(kb != NULL && kb->mirror_dir[0] != '\0');
    if (kb->mirror != NULL) {
        return 0;
    }
    int rc = open_mirror(kb, err);
    if (rc == 0) {
        client_mirror_tell(kb);
    }
    return rc;
}

void client_mirror_tell(struct kb *kb)
{
    struct mirror_position position;
    mirror_position(kb->mirror, &position);
    (void)pthread_mutex_lock(&kb->lock);
    kb->mirroring.floor_seq = position.floor_seq;
    kb->mirroring.seq = position.seq;
    kb->mirroring.bytes = position.disk_bytes;
    (void)pthread_mutex_unlock(&kb->lock);
}

void client_mirror_begin(struct kb *kb)
{
    struct err err = {0};
    if (kb->mirror_dir[0] == '\0' || client_mirror_open(kb, &err) == 0) {
        return;
    }
    (void)pthread_mutex_lock(&kb->lock);
    kb->mirroring.code = err.code;
    memcpy(kb->mirroring.text, err.text, sizeof kb->mirroring.text);
    (void)pthread_mutex_unlock(&kb->lock);
}

void client_mirror_close(struct kb *kb)
{
    mirror_close(&kb->mirror);
    if (kb->mirror_lock_fd >= 0) {
        (void)close(kb->mirror_lock_fd);
        kb->mirror_lock_fd = -1;
    }
}
