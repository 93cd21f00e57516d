/* client/kb_due.c - sign-ins and sign-outs that the server has still to be told.
 *
 * A machine that keeps bags by a right (keep = groups or everybody) signs people in while the
 * server is away. The server has to hear of it before it takes their writes, also when the machine
 * was switched off meanwhile: so they are noted durably, one per user's bag. The note is a msgpack
 * array of [bag_id, in bool, out bool, shown str, [group str...]]; with both, the sign-in is told
 * first, and the sign-out when the writes between them were answered.
 */
#include <stdlib.h>

#include "client/kb_inside.h"

enum {
    DUES_MAX = 1000,
    DUE_ELEMENTS_MAX = DUES_MAX * (KB_GROUPS_MAX + 8),
};

static bool read_due(const msgpack_object *object, struct due *out)
{
    struct walk fields = walk_array(object);
    out->groups.count = 0;
    out->bag_id = walk_u64(&fields);
    out->in = walk_bool(&fields);
    out->out = walk_bool(&fields);
    struct span shown = walk_str(&fields);
    const msgpack_object *names = walk_any(&fields);
    if (walk_end(&fields, true) != 0 || owner_make(&out->user, OWNER_USER, shown, 0, NULL) != 0) {
        return false;
    }
    struct walk groups = walk_array(names);
    while (groups.left > 0 && groups.error == 0 && out->groups.count < KB_GROUPS_MAX) {
        struct span name = walk_str(&groups);
        if (owner_make(&out->groups.list[out->groups.count], OWNER_GROUP, name, 0, NULL) == 0) {
            out->groups.count++;
        }
    }
    return true;
}

/* `told`: of the sign-in. */
static void write_due(const struct due *due, bool told, struct buf *out)
{
    pack_array(out, 5);
    pack_u64(out, due->bag_id);
    pack_bool(out, due->in && !told);
    pack_bool(out, due->out);
    pack_cstr(out, due->user.shown);
    pack_array(out, (uint32_t)due->groups.count);
    for (size_t i = 0; i < due->groups.count; i++) {
        pack_cstr(out, due->groups.list[i].shown);
    }
}

/* A note that is lost or damaged is none: who was signed in has to sign in again. */
int client_dues(struct kb *kb, client_due_fn *each, void *context, struct err *err)
{
    struct buf bytes;
    struct unpacked unpacked = {0};
    struct err why = {0};
    struct due *due = malloc(sizeof *due);
    if (due == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    buf_init(&bytes, CLIENT_DUES_BYTES_MAX);
    int rc = replica_note_get(kb->replica, CLIENT_NOTE_DUES, &bytes, &why);
    if (rc == 0 && unpack_open(&unpacked, buf_span(&bytes), DUE_ELEMENTS_MAX) == 0) {
        struct walk list = walk_array(&unpacked.root);
        while (rc == 0 && list.left > 0 && list.error == 0) {
            if (read_due(walk_any(&list), due)) {
                rc = each(context, due, &why);
            }
        }
    } else if (rc == E_NOT_FOUND || rc == E_CORRUPT) {
        rc = 0;
    }
    unpack_close(&unpacked);
    buf_free(&bytes);
    free(due);
    return rc >= 0 ? rc : err_set(err, rc, "%s", why.text);
}

struct rewriting {
    uint64_t without; /* bag_id */
    bool but_out;     /* a sign-out of it stays */
    uint32_t count;
    struct buf *out;
};

static int copy_other(void *context, const struct due *due, struct err *err)
{
    (void)err;
    struct rewriting *rewriting = context;
    bool ours = due->bag_id == rewriting->without;
    if (!ours || (rewriting->but_out && due->out)) {
        write_due(due, ours, rewriting->out);
        rewriting->count++;
    }
    return 0;
}

static int store(struct kb *kb, const struct buf *list, uint32_t count, struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, CLIENT_DUES_BYTES_MAX + 8);
    if (count > 0) {
        pack_array(&bytes, count);
        (void)buf_append(&bytes, list->data, list->size);
    }
    int rc = buf_error(list) != 0 ? buf_error(list) : buf_error(&bytes);
    rc = rc != 0 ? err_set(err, rc, "too much waits to be told to the server")
                 : replica_note_set(kb->replica, CLIENT_NOTE_DUES, buf_span(&bytes), err);
    buf_free(&bytes);
    return rc;
}

/* Without what there is of the bag (but its sign-out, when that is to stay), and with `due` when it
 * is not NULL. */
static int rewrite(struct kb *kb, uint64_t bag_id, bool but_out, const struct due *due,
                   struct err *err)
{
    struct buf list;
    buf_init(&list, CLIENT_DUES_BYTES_MAX);
    struct rewriting rewriting = {.without = bag_id, .but_out = but_out, .out = &list};
    (void)pthread_mutex_lock(&kb->due_lock);
    int rc = client_dues(kb, copy_other, &rewriting, err);
    if (rc == 0 && due != NULL && rewriting.count >= DUES_MAX) {
        rc = err_set(err, E_QUOTA, "%d sign-ins wait to be told to the server: connect first",
                     DUES_MAX);
    }
    if (rc == 0 && due != NULL) {
        write_due(due, false, &list);
        rewriting.count++;
    }
    rc = rc != 0 ? rc : store(kb, &list, rewriting.count, err);
    (void)pthread_mutex_unlock(&kb->due_lock);
    buf_free(&list);
    return rc;
}

int client_due_add(struct kb *kb, const struct due *due, struct err *err)
{
    ASSERT(kb != NULL && due != NULL && due->bag_id != 0);
    int rc = rewrite(kb, due->bag_id, false, due, err);
    /* The writes that it is told for are durable at once; the replica's last commit is not. */
    return rc != 0 ? rc : replica_sync(kb->replica, err);
}

static int is_bag(void *context, const struct due *due, struct err *err)
{
    (void)err;
    return due->bag_id == *(uint64_t *)context ? 1 : 0;
}

bool client_is_due(struct kb *kb, uint64_t bag_id)
{
    ASSERT(kb != NULL);
    return client_dues(kb, is_bag, &bag_id, NULL) == 1;
}

int client_due_done(struct kb *kb, uint64_t bag_id, bool out, struct err *err)
{
    ASSERT(kb != NULL);
    int there = client_dues(kb, is_bag, &bag_id, err);
    return there == 1 ? rewrite(kb, bag_id, !out, NULL, err) : there;
}

/* --- many at once, by a transaction of the caller's --- */

static int copy_due(void *context, const struct due *due, struct err *err)
{
    (void)err;
    struct due_list *list = context;
    write_due(due, false, &list->bytes);
    list->count++;
    return 0;
}

int client_dues_begin(struct kb *kb, struct due_list *list, struct err *err)
{
    ASSERT(kb != NULL && list != NULL);
    list->count = 0;
    buf_init(&list->bytes, CLIENT_DUES_BYTES_MAX);
    (void)pthread_mutex_lock(&kb->due_lock);
    int rc = client_dues(kb, copy_due, list, err);
    if (rc != 0) {
        client_dues_end(kb, list);
    }
    return rc;
}

int client_dues_put(struct due_list *list, const struct due *due, struct err *err)
{
    if (list->count >= DUES_MAX) {
        return err_set(err, E_QUOTA,
                       "a machine signs in at most %d people by itself, unless an administrator "
                       "lets it keep everybody's bags: take a file with fewer people",
                       DUES_MAX);
    }
    return copy_due(list, due, err);
}

int client_dues_bytes(const struct due_list *list, struct buf *out, struct err *err)
{
    if (list->count > 0) {
        pack_array(out, list->count);
        (void)buf_append_span(out, buf_span(&list->bytes));
    }
    int rc = buf_error(&list->bytes) != 0 ? buf_error(&list->bytes) : buf_error(out);
    return rc == 0 ? 0 : err_set(err, rc, "too much waits to be told to the server");
}

void client_dues_end(struct kb *kb, struct due_list *list)
{
    (void)pthread_mutex_unlock(&kb->due_lock);
    buf_free(&list->bytes);
}
