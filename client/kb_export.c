/* client/kb_export.c - files of this machine: what it has, and what waits to be sent. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "client/kb_files.h"

enum { READ_MAX = 4 << 20 }; /* bytes of one operation */

int client_file_header(struct kb *kb, const struct sign_pair *signer, enum snapshot_kind kind,
                       struct snapshot_header *out, struct err *err)
{
    struct replica_position position;
    *out = (struct snapshot_header){.kind = kind, .created_ms = client_wall_ms(kb)};
    int rc = replica_position(kb->replica, &position, err);
    if (rc != 0) {
        return rc;
    }
    out->has_history = position.has_history;
    memcpy(out->history, position.history, HISTORY_SIZE);
    out->seq = position.seq;
    memcpy(out->hash, position.hash, SHA256_SIZE);
    out->writer = kind == SNAPSHOT_OUTBOX ? outbox_writer(kb->outbox) : 0;
    (void)pthread_mutex_lock(&kb->lock);
    const struct identity *identity = &kb->identity;
    out->device = identity->device;
    memcpy(out->name, identity->name, sizeof out->name);
    out->has_proof =
        identity->device != 0 && key_vouch(identity->keys.secret_key, identity->server_key,
                                           identity->device, signer->public_key, out->proof) == 0;
    (void)pthread_mutex_unlock(&kb->lock);
    return 0;
}

/* --- a file on its way out --- */

struct exporting {
    struct kb *kb;
    const char *path;
    int fd;
    struct snapshot_writer *writer;
    struct kb_export_report *report;
    const struct replica_rules *rules; /* NULL: there are none */
    const struct replica_bag *bag;     /* the one at hand */
    struct over {
        char *path;
        bool removed;
        uint64_t time_ms;
        void *value;
        size_t size;
    } * over; /* writes of this machine over it, in order of paths */
    size_t over_count, over_capacity, over_next;
};

static enum snapshot_choice choose(void *context, const struct owner *owner, struct span path)
{
    const struct exporting *exporting = context;
    const struct category *category = replica_rules_category(exporting->rules, path);
    (void)owner;
    return category != NULL && category->secret ? SNAPSHOT_SECRET : SNAPSHOT_TAKE;
}

static int begin(struct exporting *exporting, enum snapshot_kind kind, const char *password,
                 struct err *err)
{
    struct sign_pair signer;
    struct snapshot_header header;
    int rc = client_signer(exporting->kb, &signer, err);
    if (rc != 0) {
        return rc;
    }
    rc = client_file_header(exporting->kb, &signer, kind, &header, err);
    if (rc == 0) {
        exporting->fd =
            open(exporting->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        rc = exporting->fd >= 0 ? 0
             : errno == EEXIST
                 ? err_set(err, E_EXISTS, "there is a file '%.200s' already", exporting->path)
                 : err_sys(err, "create", exporting->path);
    }
    if (rc == 0) {
        const struct snapshot_seal seal = {.secret_key = signer.secret_key,
                                           .password = span_str(password != NULL ? password : ""),
                                           .choose = choose,
                                           .context = exporting};
        rc =
            snapshot_begin(&exporting->writer, exporting->fd, exporting->path, &header, &seal, err);
        snapshot_fingerprint(signer.public_key, exporting->report->signer);
    }
    key_wipe(&signer, sizeof signer);
    return rc;
}

/* A file that is not whole does not stay. */
static int finish(struct exporting *exporting, int rc, struct err *err)
{
    struct stat info;
    struct snapshot_counts counts = {0};
    if (rc == 0) {
        rc = snapshot_end(&exporting->writer, &counts, err);
    }
    snapshot_abort(&exporting->writer);
    if (exporting->fd < 0) {
        return rc;
    }
    if (rc == 0 && (fsync(exporting->fd) != 0 || fstat(exporting->fd, &info) != 0)) {
        rc = err_sys(err, "write", exporting->path);
    }
    (void)close(exporting->fd); /* it is synced, or thrown away */
    rc = rc != 0 ? rc : dir_sync_parent(exporting->path, err);
    if (rc != 0) {
        (void)unlink(exporting->path);
        return rc;
    }
    struct kb_export_report *report = exporting->report;
    report->users = counts.users;
    report->groups = counts.groups;
    report->items = counts.items;
    report->left_out = counts.left_out;
    report->operations = counts.operations;
    report->bytes = (uint64_t)info.st_size;
    return 0;
}

static int export_file(struct kb *kb, const char *path, enum snapshot_kind kind,
                       const char *password,
                       int (*put)(struct exporting *exporting, struct err *err),
                       struct kb_export_report *report, struct err *err)
{
    struct exporting exporting = {.kb = kb, .path = path, .fd = -1, .report = report};
    client_tell_damage(kb, replica_rules_take(kb->replica, &exporting.rules, NULL));
    int rc = begin(&exporting, kind, password, err);
    rc = rc != 0 ? rc : put(&exporting, err);
    rc = finish(&exporting, rc, err);
    replica_rules_put_back(kb->replica, &exporting.rules);
    free(exporting.over);
    return rc;
}

/* --- what this machine has --- */

static void forget_over(struct exporting *exporting)
{
    for (size_t i = 0; i < exporting->over_count; i++) {
        free(exporting->over[i].path);
        free(exporting->over[i].value);
    }
    exporting->over_count = 0;
    exporting->over_next = 0;
}

static int note_over(void *context, struct span path, const struct span *value, uint64_t time_ms,
                     struct err *err)
{
    struct exporting *exporting = context;
    struct over *over = array_reserve(exporting->over, &exporting->over_capacity,
                                      exporting->over_count + 1, sizeof *over);
    if (over == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    exporting->over = over;
    over = &over[exporting->over_count++];
    *over = (struct over){
        .removed = value == NULL, .time_ms = time_ms, .size = value != NULL ? value->size : 0};
    over->path = span_dup(path);
    over->value = span_dup(value != NULL ? *value : span_of(NULL, 0));
    return over->path != NULL && over->value != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* Writes to paths before `path` (NULL: all that are left). `same`: the next one is to this path. */
static int put_over(struct exporting *exporting, const struct span *path, bool *same,
                    struct err *err)
{
    int rc = 0;
    *same = false;
    while (rc == 0 && exporting->over_next < exporting->over_count) {
        const struct over *over = &exporting->over[exporting->over_next];
        int order = path != NULL ? span_compare(span_str(over->path), *path) : -1;
        *same = order == 0;
        if (order > 0) {
            return 0;
        }
        exporting->over_next++;
        if (!over->removed) {
            const struct item_row row = {.state = ITEM_LIVE,
                                         .time_ms = over->time_ms,
                                         .value = span_of(over->value, over->size)};
            rc = snapshot_put_item(exporting->writer, span_str(over->path), &row, err);
        }
        if (*same) {
            return rc;
        }
    }
    return rc;
}

static int put_item(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct exporting *exporting = context;
    bool same = false;
    int rc = put_over(exporting, &path, &same, err);
    if (rc != 0 || same || path_reserved(path)) {
        return rc;
    }
    return snapshot_put_item(exporting->writer, path, row, err);
}

static int put_bag(void *context, const struct replica_bag *bag, struct err *err)
{
    struct exporting *exporting = context;
    enum owner_kind kind = bag->owner.kind;
    bool same = false;
    bool known = bag->complete || bag->bag_id == 0;
    if (!bag->keep || !known ||
        (kind != OWNER_USER && kind != OWNER_GROUP && kind != OWNER_USER_DEVICE)) {
        return 0;
    }
    const struct snapshot_bag head = {
        .owner = bag->owner, .bag_id = bag->bag_id, .last_seq = bag->cursor};
    exporting->bag = bag;
    /* The outbox first: what leaves it meanwhile is in the replica. */
    int rc = outbox_items(exporting->kb->outbox, &bag->owner, (struct span){NULL, 0}, note_over,
                          exporting, err);
    rc = rc != 0 ? rc : snapshot_put_bag(exporting->writer, &head, err);
    rc = rc != 0 ? rc
                 : replica_items(exporting->kb->replica, bag->local, (struct span){NULL, 0},
                                 put_item, exporting, err);
    rc = rc != 0 ? rc : put_over(exporting, NULL, &same, err);
    forget_over(exporting);
    return rc;
}

static int put_bags(struct exporting *exporting, struct err *err)
{
    return replica_bags(exporting->kb->replica, put_bag, exporting, err);
}

int kb_export(struct kb *kb, const char *path, const struct kb_export_options *options,
              struct kb_export_report *report, struct kb_error *error)
{
    ASSERT(kb != NULL && path != NULL);
    struct err err = {0};
    struct kb_export_report made = {0};
    int rc = options == NULL || options->size == sizeof *options
                 ? export_file(kb, path, SNAPSHOT_MACHINE,
                               options != NULL ? options->password : NULL, put_bags, &made, &err)
                 : err_set(&err, E_INVALID, "the options do not have the size of this version's");
    if (rc != 0) {
        err.code = rc;
        return client_fail(error, &err);
    }
    if (report != NULL) {
        *report = made;
    }
    return 0;
}

/* --- what waits to be sent --- */

/* What is handed out counts as sent: it goes to the server as it is, or not at all. */
static int put_operations(struct exporting *exporting, struct err *err)
{
    struct buf bytes;
    struct outbox *outbox = exporting->kb->outbox;
    uint64_t number = outbox_confirmed(outbox) + 1;
    uint32_t count = 1;
    int rc = 0;
    buf_init(&bytes, READ_MAX);
    while (rc == 0 && count > 0) {
        buf_reset(&bytes);
        rc = outbox_read(outbox, number, 1, READ_MAX, &bytes, &count, err);
        if (rc == 0 && count > 0) {
            rc = snapshot_put_operation(exporting->writer, number++, buf_span(&bytes), err);
        }
    }
    buf_free(&bytes);
    outbox_stop_sending(outbox);
    return rc;
}

static int check_outbox(struct kb *kb, struct err *err)
{
    uint64_t pending = 0;
    uint64_t refused = 0;
    outbox_counts(kb->outbox, &pending, &refused);
    if (!client_joined(kb)) {
        return err_set(err, E_NOT_JOINED,
                       "this machine has not joined a server, which alone would take its writes");
    }
    return pending > 0 ? 0 : err_set(err, E_NOT_FOUND, "nothing waits to be sent");
}

int kb_export_outbox(struct kb *kb, const char *path, struct kb_export_report *report,
                     struct kb_error *error)
{
    ASSERT(kb != NULL && path != NULL);
    struct err err = {0};
    struct kb_export_report made = {0};
    (void)pthread_mutex_lock(&kb->control); /* the network would send the same meanwhile */
    int rc = check_outbox(kb, &err);
    bool halted = rc == 0 && client_halt(kb);
    rc = rc != 0 ? rc : export_file(kb, path, SNAPSHOT_OUTBOX, NULL, put_operations, &made, &err);
    if (halted && client_go_on(kb, rc == 0 ? &err : NULL) != 0 && rc == 0) {
        rc = err.code;
    }
    (void)pthread_mutex_unlock(&kb->control);
    if (rc != 0) {
        err.code = rc;
        return client_fail(error, &err);
    }
    if (report != NULL) {
        *report = made;
    }
    return 0;
}
