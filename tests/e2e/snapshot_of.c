/* tests/e2e/snapshot_of.c - a file of the server, made of a stopped machine that has all it holds.
 *
 *     kitbag-snapshot-of FOLDER KEYS OUT [LEAVE]
 *
 * FOLDER is the machine's, KEYS the server's folder of keys, OUT the file. LEAVE: values of paths
 * that begin so are left out, as those of a category that is not exported. The machine must be up
 * to date with a server that does nothing; then what it has is what the server has. Exit code 0
 * when it was done.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/replica_inside.h"
#include "journal/snapshot.h"
#include "transport/keys.h"

#define MAP_BYTES (UINT64_C(1) << 30)

struct making {
    struct replica *replica;
    struct snapshot_writer *writer;
    const char *leave; /* NULL: nothing */
};

static enum snapshot_choice choose(void *context, const struct owner *owner, struct span path)
{
    const struct making *making = context;
    (void)owner;
    size_t size = making->leave != NULL ? strlen(making->leave) : 0;
    return size > 0 && path.size >= size && memcmp(path.data, making->leave, size) == 0
               ? SNAPSHOT_LEAVE
               : SNAPSHOT_TAKE;
}

static int put_item(void *context, struct span path, const struct item_row *row, struct err *err)
{
    const struct making *making = context;
    return row == NULL ? err_set(err, E_CORRUPT, "an item is damaged")
                       : snapshot_put_item(making->writer, path, row, err);
}

static int put_bag(void *context, const struct replica_bag *bag, struct err *err)
{
    struct making *making = context;
    MDB_txn *txn = NULL;
    const struct snapshot_bag head = {
        .owner = bag->owner, .bag_id = bag->bag_id, .last_seq = bag->cursor};
    struct record_key prefix = replica_key_item(bag->local, bag->copy, (struct span){NULL, 0});
    if (bag->owner.kind == OWNER_DEVICE || !bag->complete) {
        return 0;
    }
    int rc = snapshot_put_bag(making->writer, &head, err);
    rc = rc != 0 ? rc : replica_read_begin(making->replica, &txn, err);
    if (rc == 0) {
        rc = replica_record_items(making->replica, txn, TABLE_ITEMS, &prefix, put_item, making,
                                  "read", err);
        mdb_txn_abort(txn);
    }
    return rc;
}

static int make(const char *folder, const char *keys, int fd, const char *name, const char *leave,
                struct err *err)
{
    char dir[4096];
    struct key_pair curve;
    struct sign_pair sign;
    struct replica_position position;
    struct making making = {.leave = leave};
    (void)snprintf(dir, sizeof dir, "%s/replica", folder);
    int rc = keys_load_server(keys, &curve, &sign, err);
    rc = rc != 0 ? rc : replica_open(&making.replica, dir, MAP_BYTES, err);
    if (rc != 0) {
        return rc;
    }
    rc = replica_position(making.replica, &position, err);
    struct snapshot_header header = {.kind = SNAPSHOT_SERVER,
                                     .created_ms = clock_wall_ms(&clock_system),
                                     .name = "the server",
                                     .has_history = true,
                                     .seq = position.seq};
    memcpy(header.history, position.history, HISTORY_SIZE);
    memcpy(header.hash, position.hash, SHA256_SIZE);
    const struct snapshot_seal seal = {
        .secret_key = sign.secret_key, .choose = choose, .context = &making};
    rc = rc != 0 ? rc : snapshot_begin(&making.writer, fd, name, &header, &seal, err);
    rc = rc != 0 ? rc : replica_bags(making.replica, put_bag, &making, err);
    if (rc == 0) {
        rc = snapshot_end(&making.writer, NULL, err);
    }
    snapshot_abort(&making.writer);
    replica_close(&making.replica);
    return rc;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    if (argc < 4 || argc > 5) {
        (void)fprintf(stderr, "usage: kitbag-snapshot-of FOLDER KEYS OUT [LEAVE]\n");
        return 2;
    }
    int fd = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(argv[3]);
        return 1;
    }
    int rc = make(argv[1], argv[2], fd, argv[3], argc == 5 ? argv[4] : NULL, &err);
    (void)close(fd);
    if (rc != 0) {
        (void)fprintf(stderr, "kitbag-snapshot-of: %s\n", err.text);
    }
    return rc == 0 ? 0 : 1;
}
