/* client/kb_saved.c - values put aside in a file before they are replaced. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "client/kb_files.h"
#include "client/kb_policy.h"

enum { NAMES_MAX = 100000 }; /* of one second: each copy that goes has a file of its own */

/* DIR/replaced-20261122T175137Z.kitbag, or with "-2" and so on behind the time. */
static int choose_name(struct client_saving *saving, struct err *err)
{
    char text[CLOCK_TEXT_MAX];
    char name[64];
    clock_format(client_wall_ms(saving->kb), text);
    for (unsigned i = 1; i <= NAMES_MAX; i++) {
        int length = snprintf(name, sizeof name, "replaced-%.4s%.2s%.2sT%.2s%.2s%.2sZ", text,
                              text + 5, text + 8, text + 11, text + 14, text + 17);
        (void)snprintf(name + length, sizeof name - (size_t)length,
                       i > 1 ? "-%u.kitbag" : ".kitbag", i);
        int rc = path_join(saving->path, sizeof saving->path, saving->kb->dir, name);
        if (rc != 0 || access(saving->path, F_OK) != 0) {
            return rc != 0 ? err_set(err, rc, "the data folder's path is too long") : 0;
        }
    }
    return err_set(err, E_EXISTS, "there are too many files like '%.200s'", saving->path);
}

static int open_file(struct client_saving *saving, struct err *err)
{
    int rc = choose_name(saving, err);
    rc = rc != 0 ? rc
                 : path_join(saving->partial, sizeof saving->partial, saving->kb->dir,
                             "replaced.partial");
    if (rc != 0) {
        saving->path[0] = '\0';
        return rc;
    }
    saving->fd = open(saving->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (saving->fd < 0) {
        rc = err_sys(err, "create", saving->partial);
        saving->path[0] = '\0';
    }
    return rc;
}

static int begin(struct client_saving *saving, struct err *err)
{
    struct sign_pair signer;
    struct snapshot_header header;
    uint8_t key[SNAPSHOT_KEY_SIZE];
    int rc = client_signer(saving->kb, &signer, err);
    if (rc != 0) {
        return rc;
    }
    client_seal_key(&signer, key);
    rc = client_file_header(saving->kb, &signer, SNAPSHOT_MACHINE, &header, err);
    rc = rc != 0 ? rc : open_file(saving, err);
    if (rc == 0) {
        const struct snapshot_seal seal = {.secret_key = signer.secret_key, .key = key};
        rc = snapshot_begin(&saving->writer, saving->fd, saving->path, &header, &seal, err);
    }
    key_wipe(key, sizeof key);
    key_wipe(&signer, sizeof signer);
    return rc;
}

void client_saving_bag(struct client_saving *saving, const struct replica_bag *bag)
{
    ASSERT(saving != NULL && saving->kb != NULL && bag != NULL);
    saving->begun = false;
    saving->bag =
        (struct snapshot_bag){.owner = bag->owner, .bag_id = bag->bag_id, .last_seq = bag->cursor};
}

int client_saving_item(struct client_saving *saving, struct span path, uint64_t time_ms,
                       struct span value, struct err *err)
{
    ASSERT(saving != NULL);
    const struct item_row row = {.state = ITEM_LIVE, .time_ms = time_ms, .value = value};
    int rc = saving->writer == NULL ? begin(saving, err) : 0;
    if (rc == 0 && !saving->begun) {
        saving->begun = true;
        rc = snapshot_put_bag(saving->writer, &saving->bag, err);
    }
    return rc != 0 ? rc : snapshot_put_item(saving->writer, path, &row, err);
}

static int make_durable(struct client_saving *saving, struct err *err)
{
    if (fsync(saving->fd) != 0) {
        return err_sys(err, "write", saving->partial);
    }
    if (rename(saving->partial, saving->path) != 0) {
        return err_sys(err, "rename", saving->partial);
    }
    return dir_sync_parent(saving->path, err);
}

int client_saving_end(struct client_saving *saving, int rc, struct err *err)
{
    ASSERT(saving != NULL);
    if (saving->path[0] == '\0') { /* nothing was put, or no file could be made */
        return rc;
    }
    if (rc == 0) {
        rc = snapshot_end(&saving->writer, NULL, err);
    }
    snapshot_abort(&saving->writer);
    rc = rc != 0 ? rc : make_durable(saving, err);
    (void)close(saving->fd); /* it is synced, or thrown away */
    if (rc != 0) {
        (void)unlink(saving->partial); /* gone already when only the folder could not be synced */
        saving->path[0] = '\0';
    }
    return rc;
}

/* --- a whole bag --- */

struct saving_bag {
    struct client_saving *saving;
    enum kb_layer layer; /* that is saved now */
    struct err err;
    int rc;
};

static int save_item(void *context, const struct kb_item *item)
{
    struct saving_bag *bag = context;
    if (item->layer != bag->layer || path_reserved(span_str(item->path))) {
        return 0;
    }
    bag->rc = client_saving_item(bag->saving, span_str(item->path), item->time_ms,
                                 span_of(item->bytes, item->size), &bag->err);
    return bag->rc != 0 ? 1 : 0;
}

static int save_layer(struct client_saving *saving, const struct replica_bag *bag,
                      enum kb_layer layer, struct err *err)
{
    char text[OWNER_TEXT_MAX];
    struct kb_error why = {0};
    struct replica_bag head = *bag;
    struct saving_bag one = {.saving = saving, .layer = layer};
    owner_format(&bag->owner, text);
    if (layer == KB_LAYER_DEVICE) {
        head.owner.kind = OWNER_USER_DEVICE;
        head.owner.device = client_device(saving->kb);
        head.bag_id = 0;
    }
    client_saving_bag(saving, &head);
    int rc = kb_list(saving->kb, text, "", save_item, &one, &why);
    if (one.rc != 0) {
        return err_set(err, one.rc, "%s", one.err.text);
    }
    return rc == 0 ? 0 : err_set(err, rc, "%s", why.text);
}

int client_save_bag(struct kb *kb, const struct replica_bag *bag, char path[PATH_MAX],
                    struct err *err)
{
    ASSERT(kb != NULL && bag != NULL && path != NULL);
    struct client_saving saving = {.kb = kb, .fd = -1};
    int rc = save_layer(&saving, bag, KB_LAYER_SHARED, err);
    if (rc == 0 && bag->owner.kind == OWNER_USER && client_device(kb) != 0) {
        rc = save_layer(&saving, bag, KB_LAYER_DEVICE, err);
    }
    rc = client_saving_end(&saving, rc, err);
    memcpy(path, saving.path, PATH_MAX);
    return rc;
}

static bool is_a_copy(const struct replica_bag *bag)
{
    enum owner_kind kind = bag->owner.kind;
    return bag->keep && bag->complete &&
           (kind == OWNER_USER || kind == OWNER_GROUP || kind == OWNER_USER_DEVICE);
}

int client_save_copy(struct kb *kb, const struct replica_bag *bag, struct err *err)
{
    ASSERT(kb != NULL && bag != NULL);
    char path[PATH_MAX] = "";
    int rc = is_a_copy(bag) ? client_save_bag(kb, bag, path, err) : 0;
    if (rc != 0 || path[0] == '\0') {
        return rc;
    }
    (void)pthread_mutex_lock(&kb->lock);
    (void)snprintf(kb->note, sizeof kb->note,
                   "the server deleted '%.100s' while this machine was away: what it had is in "
                   "%.200s",
                   bag->owner.shown, path);
    (void)pthread_mutex_unlock(&kb->lock);
    return 0;
}
