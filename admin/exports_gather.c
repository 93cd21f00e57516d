/* admin/exports_gather.c - everything that was chosen, as of one seq, into a base.
 *
 * The fleet's bag comes first: with it whoever reads on knows which categories there are. What a
 * fence hides is absent, as it is everywhere else.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/exports_inside.h"

enum {
    PAGE_BYTES = 1 << 20,
    OWNERS_AT_ONCE = 256,
    ROOM_EVERY = 64, /* bags between two looks at the disk's room */
    APPLIED_WAIT_MS = 10000,
    APPLIED_LOOK_MS = 2,
};

static const char personal_prefix[] = "address-list/personal/";
static const char group_prefix[] = "address-list/group/";

struct gather {
    const struct exports_gathering *asked;
    struct kv *kv;
    struct kv_view *view;
    struct snapshot_writer *writer;
    struct fences fences;
    uint64_t reserve_bytes;
    uint64_t cursor;      /* of the machine whose lacks are wanted; 0: whole bags */
    uint64_t device_bag;  /* its own */
    uint64_t bags;        /* written */
    enum owner_kind kind; /* of the bag that is being written */
    struct buf next;      /* of its page */
    struct bag_row *rows; /* a page of the directory, or of one user's bags on machines */
    size_t row_count;
};

static bool begins(struct span path, const char *prefix)
{
    size_t size = strlen(prefix);
    return path.size > size && memcmp(path.data, prefix, size) == 0;
}

/* --- a bag --- */

static int put_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct gather *gather = context;
    struct admin_export *out = gather->asked->out;
    if (row->seq < fences_position(&gather->fences, gather->kind, path)) {
        snapshot_complete_to(gather->writer, row->seq - 1); /* the server's bag has it still */
        return 0;
    }
    bool live = row->state == ITEM_LIVE;
    out->personal_addresses += live && gather->kind == OWNER_USER && begins(path, personal_prefix);
    out->group_addresses += live && gather->kind == OWNER_GROUP && begins(path, group_prefix);
    return snapshot_put_item(gather->writer, path, row, err);
}

static int put_items(struct gather *gather, const struct snapshot_bag *bag, struct err *err)
{
    const atomic_bool *given_up = gather->asked->order->given_up;
    struct kv_page page = {.bag_id = bag->bag_id, .since = bag->since, .budget_bytes = PAGE_BYTES};
    bool end = false;
    int rc = 0;
    buf_reset(&gather->next);
    gather->kind = bag->owner.kind;
    while (rc == 0 && !end) {
        page.after = buf_span(&gather->next);
        rc = kv_page(gather->kv, gather->view, &page, put_row, gather, &gather->next, &end, err);
        if (rc == 0 && given_up != NULL && atomic_load(given_up)) {
            rc = err_set(err, E_CLOSED, "nobody waits for the export any more");
        }
    }
    return rc;
}

/* Does the machine have the bag, so that what is newer than its cursor is all that it lacks? It
 * follows its own bag, those of who is signed in there, and what these have there alone. */
static int is_there(struct gather *gather, const struct bag_row *row, bool *there, struct err *err)
{
    *there = false;
    if (gather->cursor == 0 || row->bag_id > gather->cursor || row->purged_to > gather->cursor) {
        return 0;
    }
    if (row->owner.kind == OWNER_DEVICE) {
        *there = true;
        return 0;
    }
    uint64_t user = row->owner.kind == OWNER_USER          ? row->bag_id
                    : row->owner.kind == OWNER_USER_DEVICE ? row->parent
                                                           : 0;
    struct kv_item item = {0};
    struct buf path;
    buf_init(&path, PATH_MAX_BYTES);
    (void)buf_printf(&path, "@user/%" PRIu64, user);
    int rc = user != 0 ? kv_item(gather->kv, gather->view, gather->device_bag, buf_span(&path),
                                 &item, err)
                       : 0;
    *there = rc == 0 && item.row.state == ITEM_LIVE && item.row.seq <= gather->cursor;
    kv_item_free(&item);
    buf_free(&path);
    return rc;
}

static int put_bag(struct gather *gather, const struct bag_row *row, struct err *err)
{
    struct snapshot_bag bag = {.owner = row->owner,
                               .bag_id = row->bag_id,
                               .parent = row->parent,
                               .last_seq = row->last_seq};
    int rc = is_there(gather, row, &bag.differs, err);
    bag.since = bag.differs ? gather->cursor : 0;
    if (rc == 0 && bag.differs && row->last_seq <= gather->cursor) {
        return 0; /* it has all of it */
    }
    if (rc == 0 && gather->bags++ % ROOM_EVERY == 0) {
        rc = exports_check_room(gather->asked->fd, gather->reserve_bytes, err);
    }
    if (rc == 0) {
        rc = snapshot_put_bag(gather->writer, &bag, err);
    }
    return rc == 0 ? put_items(gather, &bag, err) : rc;
}

/* --- owners --- */

static int keep_row(void *context, const struct bag_row *row, struct err *err)
{
    (void)err;
    struct gather *gather = context;
    gather->rows[gather->row_count++] = *row;
    return 0;
}

/* Of a user's bags on machines that of the one machine that the export is for. */
static int find_child(void *context, const struct bag_row *row, struct err *err)
{
    (void)err;
    struct gather *gather = context;
    if (row->owner.device == gather->asked->order->since_device) {
        gather->rows[OWNERS_AT_ONCE] = *row;
    }
    return 0;
}

static int put_owner(struct gather *gather, const struct bag_row *row, struct err *err)
{
    bool user = row->owner.kind == OWNER_USER;
    gather->asked->out->users += user;
    gather->asked->out->groups += !user;
    int rc = put_bag(gather, row, err);
    if (rc != 0 || !user || gather->asked->order->since_device == 0) {
        return rc;
    }
    struct bag_row *child = &gather->rows[OWNERS_AT_ONCE];
    *child = (struct bag_row){0};
    rc = kv_children(gather->kv, gather->view, row->bag_id, find_child, gather, err);
    return rc == 0 && child->exists ? put_bag(gather, child, err) : rc;
}

static int put_directory(struct gather *gather, enum owner_kind kind, struct err *err)
{
    char after[NAME_MAX_BYTES + 1] = "";
    bool more = true;
    int rc = 0;
    while (rc == 0 && more) {
        gather->row_count = 0;
        rc = kv_owners(gather->kv, gather->view, kind, "", after[0] != '\0' ? after : NULL,
                       OWNERS_AT_ONCE, keep_row, gather, &more, err);
        for (size_t i = 0; i < gather->row_count && rc == 0; i++) {
            rc = put_owner(gather, &gather->rows[i], err);
        }
        if (gather->row_count > 0) {
            memcpy(after, gather->rows[gather->row_count - 1].owner.folded, sizeof after);
        }
    }
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct owner *one = *(const struct owner *const *)a;
    const struct owner *other = *(const struct owner *const *)b;
    int order = (one->kind > other->kind) - (one->kind < other->kind);
    return order != 0 ? order : strcmp(one->folded, other->folded);
}

static int put_named(struct gather *gather, const struct owner *owner, struct err *err)
{
    struct bag_row row = {0};
    int rc = kv_bag_of(gather->kv, gather->view, owner, &row, err);
    if (rc == E_NOT_FOUND) {
        return err_set(err, rc, "no %s '%s' is registered",
                       owner->kind == OWNER_GROUP ? "group" : "user", owner->shown);
    }
    return rc == 0 ? put_owner(gather, &row, err) : rc;
}

/* Each of them once. */
static int put_chosen(struct gather *gather, struct err *err)
{
    const struct admin_export_order *order = gather->asked->order;
    const struct owner **sorted = calloc(order->owner_count, sizeof *sorted);
    if (sorted == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < order->owner_count; i++) {
        sorted[i] = &order->owners[i];
    }
    qsort(sorted, order->owner_count, sizeof *sorted, by_name);
    int rc = 0;
    for (size_t i = 0; i < order->owner_count && rc == 0; i++) {
        bool again = i > 0 && by_name(&sorted[i - 1], &sorted[i]) == 0;
        rc = again ? 0 : put_named(gather, sorted[i], err);
    }
    free(sorted);
    return rc;
}

static int put_all(struct gather *gather, struct err *err)
{
    const struct admin_export_order *order = gather->asked->order;
    struct owner fleet = {.kind = OWNER_FLEET};
    struct bag_row row = {0};
    uint64_t cursor = gather->cursor;
    int rc = kv_bag_of(gather->kv, gather->view, &fleet, &row, err);
    if (rc == 0) {
        gather->cursor = 0; /* whole, always */
        rc = put_bag(gather, &row, err);
        gather->cursor = cursor;
    } else if (rc == E_NOT_FOUND) {
        rc = 0;
    }
    if (rc == 0 && gather->device_bag != 0) {
        rc = kv_bag(gather->kv, gather->view, gather->device_bag, &row, err);
        rc = rc == 0 ? put_bag(gather, &row, err) : rc;
    }
    if (rc == 0 && !order->all) {
        rc = put_chosen(gather, err);
    } else if (rc == 0) {
        rc = put_directory(gather, OWNER_USER, err);
        rc = rc == 0 ? put_directory(gather, OWNER_GROUP, err) : rc;
    }
    return rc;
}

/* --- the moment --- */

/* The view is to show all that was acknowledged before: it may be on its way into the state. */
static int wait_applied(struct gather *gather, uint64_t head, struct err *err)
{
    const struct timespec pause = {.tv_nsec = APPLIED_LOOK_MS * 1000000L};
    struct kv_position position = {0};
    for (int waited_ms = 0;; waited_ms += APPLIED_LOOK_MS) {
        kv_position(gather->kv, &position);
        if (position.seq >= head) {
            return 0;
        }
        if (waited_ms >= APPLIED_WAIT_MS) {
            return err_set(err, E_BUSY,
                           "the server is behind with its own writes: try again in a moment");
        }
        (void)nanosleep(&pause, NULL);
    }
}

static int find_device(struct gather *gather, struct err *err)
{
    uint64_t id = gather->asked->order->since_device;
    struct owner owner = {.kind = OWNER_DEVICE, .device = id};
    struct device_live live = {0};
    struct bag_row row = {0};
    if (id == 0) {
        return 0;
    }
    int rc = kv_bag_of(gather->kv, gather->view, &owner, &row, err);
    if (rc == E_NOT_FOUND) {
        return err_set(err, rc, "no registered machine has the ID %016" PRIx64, id);
    }
    if (rc == 0) {
        rc = gather->asked->backend->devices(gather->asked->backend->context, &id, 1, &live, err);
    }
    gather->cursor = live.current_seq;
    gather->device_bag = row.bag_id;
    return rc;
}

static int load_fences(struct gather *gather, struct err *err)
{
    struct owner owner = {.kind = OWNER_FLEET};
    struct bag_row row = {0};
    int rc = kv_bag_of(gather->kv, gather->view, &owner, &row, err);
    return rc == 0 ? kv_fences(gather->kv, gather->view, row.bag_id, &gather->fences, err)
           : rc == E_NOT_FOUND ? 0
                               : rc;
}

static int begin(struct gather *gather, struct err *err)
{
    const struct exports_gathering *asked = gather->asked;
    struct kv_position position = {0};
    int rc = kv_view_position(gather->kv, gather->view, &position, err);
    if (rc != 0) {
        return rc;
    }
    struct snapshot_header header = {
        .kind = SNAPSHOT_SERVER,
        .created_ms = asked->created_ms,
        .has_history = true,
        .seq = position.seq,
        .scope = asked->order->all ? SNAPSHOT_ALL : 0,
    };
    const struct snapshot_seal seal = {.secret_key = asked->secret_key, .key = asked->key};
    memcpy(header.history, position.history, HISTORY_SIZE);
    memcpy(header.hash, position.hash, SHA256_SIZE);
    memcpy(asked->out->history, position.history, HISTORY_SIZE);
    asked->out->seq = position.seq;
    size_t size = strnlen(asked->name, sizeof header.name - 1);
    memcpy(header.name, asked->name, size);
    return snapshot_begin(&gather->writer, asked->fd, "an export", &header, &seal, err);
}

static int gather_all(struct gather *gather, struct err *err)
{
    struct server_status status = {0};
    const struct admin_backend *backend = gather->asked->backend;
    int rc = backend->status(backend->context, &status, err);
    gather->reserve_bytes = status.reserve_bytes;
    *gather->asked->reserve_bytes = status.reserve_bytes;
    if (rc == 0) {
        rc = wait_applied(gather, status.head.seq, err);
    }
    if (rc == 0) {
        rc = kv_view_new(&gather->view, gather->kv, err);
    }
    if (rc == 0) {
        rc = find_device(gather, err);
    }
    if (rc == 0) {
        rc = load_fences(gather, err);
    }
    if (rc == 0) {
        rc = begin(gather, err);
    }
    if (rc == 0) {
        rc = put_all(gather, err);
    }
    return rc == 0 ? snapshot_end(&gather->writer, NULL, err) : rc;
}

int exports_gather(const struct exports_gathering *gathering, struct err *err)
{
    ASSERT(gathering != NULL && gathering->backend != NULL && gathering->out != NULL);
    ASSERT(gathering->reserve_bytes != NULL);
    struct gather gather = {.asked = gathering, .kv = gathering->backend->kv};
    buf_init(&gather.next, PATH_MAX_BYTES);
    gather.rows = calloc(OWNERS_AT_ONCE + 1, sizeof *gather.rows);
    int rc =
        gather.rows != NULL ? gather_all(&gather, err) : err_set(err, E_NOMEM, "out of memory");
    snapshot_abort(&gather.writer);
    kv_view_free(&gather.view);
    fences_free(&gather.fences);
    buf_free(&gather.next);
    free(gather.rows);
    return rc;
}
