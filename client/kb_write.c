/* client/kb_write.c - writing: durable in the outbox, visible at once, sent when it can be. */
#include <stdlib.h>
#include <string.h>

#include "client/kb_inside.h"
#include "client/network.h"

enum { SET_ITEMS_MAX = 10000, SET_BYTES_MAX = 2 << 20 };

/* --- checks --- */

static int check_path(struct span path, struct err *err)
{
    int rc = path_check(path, err);
    if (rc == 0 && path_reserved(path)) {
        return err_set(err, E_PATH, "'%.*s': paths that begin with '@' are kept for Kitbag itself",
                       (int)path.size, (const char *)path.data);
    }
    return rc;
}

static int check_set(const struct operation_write *writes, size_t count, struct err *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        int rc = check_path(writes[i].path, err);
        rc = rc != 0 ? rc : value_check(writes[i].path, writes[i].value, err);
        if (rc != 0) {
            return rc;
        }
        bytes += writes[i].path.size + writes[i].value.size;
    }
    if (bytes > SET_BYTES_MAX) {
        return err_set(err, E_TOO_LARGE, "the change set has %zu bytes, the limit is %d: split it",
                       bytes, SET_BYTES_MAX);
    }
    return 0;
}

static int failed(const struct operation_write *write, const char *why, uint64_t seq,
                  struct err *err)
{
    return err_set(err, E_CONDITION, "'%.*s' %s %llu, and the condition is %llu",
                   (int)write->path.size, (const char *)write->path.data, why,
                   (unsigned long long)seq, (unsigned long long)write->if_seq);
}

/* What can be known here: seqs only grow, so an item that is newer here than the condition asks
 * will not be older at the server. The rest is for the server to judge. */
static int check_condition(struct kb *kb, const struct owner *owner,
                           const struct operation_write *write, struct err *err)
{
    struct item_row row = {0};
    bool pending = false;
    if (!write->has_if_seq) {
        return 0;
    }
    int rc = client_read(kb, owner, write->path, NULL, &row, &pending, err);
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    if (rc != 0) {
        return rc;
    }
    if (pending) {
        return failed(write, "has a write of this machine that is not acknowledged, after seq", 0,
                      err);
    }
    return row.seq > write->if_seq ? failed(write, "has seq", row.seq, err) : 0;
}

/* --- what is shared --- */

bool client_is_device_specific(void *rules, struct span path)
{
    return sharing_layer_of(replica_rules_category(rules, path)) == SHARING_DEVICE;
}

/* Under which flag each item is written, and whether its category takes it. Where that can't be
 * read the write is made as a shared one: the server then puts it where it belongs by the flag of
 * now. */
static int judge_by_category(struct kb *kb, const struct owner *owner,
                             struct operation_write *writes, size_t count, struct err *err)
{
    const struct replica_rules *rules = NULL;
    if (owner->kind != OWNER_USER) {
        return 0;
    }
    client_tell_damage(kb, replica_rules_take(kb->replica, &rules, NULL));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct category *category = replica_rules_category(rules, writes[i].path);
        writes[i].device = sharing_layer_of(category) == SHARING_DEVICE;
        rc = writes[i].remove ? 0
                              : sharing_check_value(category, writes[i].path, writes[i].value, err);
    }
    replica_rules_put_back(kb->replica, &rules);
    return rc;
}

/* --- writing --- */

static int find_target(struct kb *kb, const char *text, struct replica_bag *bag,
                       struct outbox_target *target, struct err *err)
{
    struct owner owner;
    int rc = owner_parse(&owner, text, err);
    if (rc == 0 && (owner.kind == OWNER_FLEET || owner.kind == OWNER_SERVER)) {
        return err_set(err, E_NOT_ALLOWED, "only administrators write to '%s'", text);
    }
    rc = rc != 0 ? rc : client_find_bag(kb, text, bag, err);
    if (rc == 0) {
        *target = (struct outbox_target){.owner = &bag->owner,
                                         .bag_id = bag->bag_id,
                                         .made_by = bag->bag_id == 0 ? bag->made_by : 0,
                                         .seen = bag->cursor};
    }
    return rc;
}

static void wake(struct kb *kb, unsigned news)
{
    (void)pthread_mutex_lock(&kb->lock);
    if (kb->network != NULL) {
        network_wake(kb->network, news);
    }
    (void)pthread_mutex_unlock(&kb->lock);
}

static int write_all(struct kb *kb, const char *bag_text, struct operation_write *writes,
                     size_t count, uint64_t *op, struct err *err)
{
    struct replica_bag bag;
    struct outbox_target target;
    int rc = check_set(writes, count, err);
    rc = rc != 0 ? rc : find_target(kb, bag_text, &bag, &target, err);
    rc = rc != 0 ? rc : judge_by_category(kb, &bag.owner, writes, count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = check_condition(kb, &bag.owner, &writes[i], err);
    }
    rc = rc != 0 ? rc
                 : outbox_write(kb->outbox, &target, writes, count, client_wall_ms(kb), op, err);
    if (rc != 0) {
        return rc;
    }
    wake(kb, NETWORK_OPS);
    for (size_t i = 0; i < count; i++) {
        client_tell(kb, &bag.owner, writes[i].path, 0);
    }
    return 0;
}

static int write_one(struct kb *kb, const char *bag, struct operation_write write,
                     const struct kb_write_options *options, uint64_t *op, struct kb_error *error)
{
    struct err err = {0};
    if (options != NULL && options->size != sizeof *options) {
        (void)err_set(&err, E_INVALID, "the options do not have the size of this version's");
        return client_fail(error, &err);
    }
    if (options != NULL) {
        write.has_if_seq = options->has_if_seq;
        write.if_seq = options->if_seq;
    }
    int rc = write_all(kb, bag, &write, 1, op, &err);
    return rc == 0 ? 0 : client_fail(error, &err);
}

int kb_set(struct kb *kb, const char *bag, const char *item, const void *bytes, size_t size,
           const struct kb_write_options *options, uint64_t *op, struct kb_error *error)
{
    ASSERT(kb != NULL && bag != NULL && item != NULL);
    ASSERT(bytes != NULL || size == 0);
    struct operation_write write = {.path = span_str(item), .value = span_of(bytes, size)};
    return write_one(kb, bag, write, options, op, error);
}

int kb_remove(struct kb *kb, const char *bag, const char *item,
              const struct kb_write_options *options, uint64_t *op, struct kb_error *error)
{
    ASSERT(kb != NULL && bag != NULL && item != NULL);
    struct operation_write write = {.path = span_str(item), .remove = true};
    return write_one(kb, bag, write, options, op, error);
}

/* A condition of a change set is asked of its every item. */
static int apply(struct kb *kb, const char *bag, const struct kb_write *writes, size_t count,
                 const struct kb_write_options *options, uint64_t *op, struct err *err)
{
    if (count == 0 || count > SET_ITEMS_MAX) {
        return err_set(err, count == 0 ? E_INVALID : E_TOO_LARGE,
                       "a change set has 1 to %d items, this one has %zu", SET_ITEMS_MAX, count);
    }
    struct operation_write *list = calloc(count, sizeof *list);
    if (list == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        list[i].path = span_str(writes[i].item);
        list[i].remove = writes[i].remove;
        if (!writes[i].remove) {
            list[i].value = span_of(writes[i].bytes, writes[i].size);
        }
        list[i].has_if_seq = options != NULL && options->has_if_seq;
        list[i].if_seq = options != NULL ? options->if_seq : 0;
    }
    int rc = write_all(kb, bag, list, count, op, err);
    free(list);
    return rc;
}

int kb_apply(struct kb *kb, const char *bag, const struct kb_write *writes, size_t count,
             const struct kb_write_options *options, uint64_t *op, struct kb_error *error)
{
    ASSERT(kb != NULL && bag != NULL);
    ASSERT(writes != NULL || count == 0);
    struct err err = {0};
    int rc = options == NULL || options->size == sizeof *options
                 ? apply(kb, bag, writes, count, options, op, &err)
                 : err_set(&err, E_INVALID, "the options do not have the size of this version's");
    return rc == 0 ? 0 : client_fail(error, &err);
}

/* Why nobody acknowledged it, when that is known. */
static void add_reason(struct kb *kb, struct err *err)
{
    (void)pthread_mutex_lock(&kb->lock);
    const char *why = kb->network == NULL  ? "synchronization is stopped"
                      : kb->live.code != 0 ? kb->live.text
                                           : "";
    if (why[0] != '\0') {
        (void)err_set(err, err->code, "%.150s: %s", err->text, why);
    }
    (void)pthread_mutex_unlock(&kb->lock);
}

int kb_wait(struct kb *kb, uint64_t op, unsigned timeout_ms, struct kb_error *error)
{
    ASSERT(kb != NULL);
    struct err err = {0};
    int rc = client_joined(kb) ? outbox_wait(kb->outbox, op, timeout_ms, &err)
                               : err_set(&err, E_NOT_JOINED,
                                         "this machine has not joined a server: nobody will "
                                         "acknowledge the write, which is kept here");
    if (rc == E_TIMEOUT) {
        add_reason(kb, &err);
    }
    return rc == 0 ? 0 : client_fail(error, &err);
}
