/* tests/admin/fake_backend.h - a server without machines: a real journal and a real state in a
 * folder, and a writer that commits what administration submits, change set by change set.
 */
#ifndef KITBAG_TESTS_ADMIN_FAKE_BACKEND_H
#define KITBAG_TESTS_ADMIN_FAKE_BACKEND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "admin/api/api.h"
#include "tests/support/tmp_folder.h"

enum { FAKE_CHANGES_MAX = 4096, FAKE_DEVICE = 0x1234 };

struct fake_backend {
    struct admin_backend backend; /* what is handed out */
    char folder[TMP_FOLDER_MAX];
    char journal_dir[TMP_FOLDER_MAX];
    pthread_mutex_t lock; /* the real one has one thread that writes; here lanes come directly */
    uint64_t time_ms;
    uint64_t submits; /* calls */
    /* What the next calls do. */
    int refuse_code;          /* of every set: refused with it */
    const char *refuse_owner; /* only of this one (folded); NULL: of all */
    int fail_code;            /* of the call itself */
    bool closed;              /* to questions about machines */
    unsigned spared;          /* so many sets and tokens come before it counts */
    uint64_t signed_in;       /* the user of this bag did, in November 2023 */
    bool adopted;             /* the newest deletion wants a copy */
    int enrolled;
    struct enrollment wanted;                     /* by the newest of them */
    uint64_t origin;                              /* changes come from this machine; 0: "admin" */
    bool conflict;                                /* and are marked */
    struct server_status status;                  /* told, besides what is counted */
    int confirmed;                                /* the clock */
    struct device_live live;                      /* told of FAKE_DEVICE when live.device is set */
    void (*meanwhile)(struct fake_backend *fake); /* done once, before the next submits */
    /* Changes what is shared, and takes that back (sharing_samples.h). */
    int (*sharing)(struct fake_backend *fake, struct submit *submit);
    /* What came. */
    char actor[ACTOR_MAX_BYTES + 1]; /* of the newest set */
    size_t largest_set;              /* writes of one set */
    size_t largest_bytes;            /* of their values */
};

/* The changes of one change set while they are made. */
struct fake_set {
    struct fake_backend *fake;
    struct bag_row bag;
    uint64_t seq; /* of the next change */
    size_t count;
    struct change *changes;
    struct kv_item *items; /* old values live as long */
};

static inline struct change *fake_change(struct fake_set *set, enum change_kind kind)
{
    assert_true(set->count < FAKE_CHANGES_MAX);
    struct change *change = &set->changes[set->count++];
    *change = (struct change){
        .seq = set->seq++,
        .time_ms = set->fake->time_ms,
        .kind = kind,
        .bag_id = set->bag.bag_id,
        .prev = set->bag.last_seq,
        .actor = set->fake->origin == 0 ? span_str(set->fake->actor) : SPAN_LITERAL(""),
        .origin = set->fake->origin,
        .conflict = set->fake->conflict && kind == CHANGE_ITEM_SET,
    };
    set->bag.last_seq = change->seq;
    return change;
}

static inline void fake_create(struct fake_set *set, const struct owner *owner)
{
    set->bag = (struct bag_row){.exists = true, .bag_id = set->seq, .owner = *owner};
    struct change *change = fake_change(set, CHANGE_BAG_CREATE);
    change->prev = 0;
    change->owner = *owner;
    if (owner->kind == OWNER_USER_DEVICE) {
        struct owner user = *owner;
        struct bag_row parent = {0};
        user.kind = OWNER_USER;
        user.device = 0;
        assert_int_equal(kv_bag_of(set->fake->backend.kv, NULL, &user, &parent, NULL), 0);
        change->parent = parent.bag_id;
    }
}

/* Append to the journal, apply to the state. */
static inline void fake_commit(struct fake_set *set)
{
    struct fake_backend *fake = set->fake;
    struct buf payload;
    struct journal_position head;
    buf_init(&payload, BATCH_PAYLOAD_MAX);
    batch_begin(&payload, (uint32_t)set->count);
    for (size_t i = 0; i < set->count; i++) {
        set->changes[i].set_left = (uint32_t)(set->count - 1 - i);
        change_encode(&payload, &set->changes[i], CHANGE_JOURNAL);
    }
    assert_int_equal(buf_error(&payload), 0);
    struct err err = {0};
    if (journal_append(fake->backend.journal, (uint32_t)set->count, fake->time_ms,
                       buf_span(&payload), &head, &err) != 0 ||
        kv_apply(fake->backend.kv, set->changes, set->count, head.hash, &err) != 0) {
        fail_msg("%s", err.text);
    }
    fake->time_ms += 1000;
    buf_free(&payload);
}

static inline void fake_begin(struct fake_set *set, struct fake_backend *fake)
{
    struct journal_position head;
    journal_head(fake->backend.journal, &head);
    *set = (struct fake_set){.fake = fake, .seq = head.seq + 1};
    set->changes = calloc(FAKE_CHANGES_MAX, sizeof *set->changes);
    set->items = calloc(FAKE_CHANGES_MAX, sizeof *set->items);
    assert_true(set->changes != NULL && set->items != NULL);
}

static inline void fake_end(struct fake_set *set)
{
    for (size_t i = 0; i < FAKE_CHANGES_MAX; i++) {
        kv_item_free(&set->items[i]);
    }
    free(set->items);
    free(set->changes);
}

/* What a fence hides counts as absent. */
static inline bool fake_hidden(const struct fake_set *set, struct span path, uint64_t seq)
{
    struct owner owner = {.kind = OWNER_FLEET};
    struct bag_row fleet = {0};
    struct fences fences = {0};
    struct kv *kv = set->fake->backend.kv;
    if (kv_bag_of(kv, NULL, &owner, &fleet, NULL) != 0) {
        return false;
    }
    assert_int_equal(kv_fences(kv, NULL, fleet.bag_id, &fences, NULL), 0);
    bool hidden = seq < fences_position(&fences, set->bag.owner.kind, path);
    fences_free(&fences);
    return hidden;
}

static inline int fake_write_item(struct fake_set *set, const struct operation_write *write)
{
    struct kv_item *old = &set->items[set->count];
    if (set->changes[0].kind != CHANGE_BAG_CREATE || set->count == 0) {
        int rc = kv_item(set->fake->backend.kv, NULL, set->bag.bag_id, write->path, old, NULL);
        assert_int_equal(rc, 0);
    }
    uint64_t seq = old->row.state == ITEM_LIVE ? old->row.seq : 0;
    seq = fake_hidden(set, write->path, seq) ? 0 : seq;
    if (write->has_if_seq && write->if_seq != seq) {
        return E_CONDITION;
    }
    struct change *change = fake_change(set, write->remove ? CHANGE_ITEM_REMOVE : CHANGE_ITEM_SET);
    change->path = write->path;
    change->value = write->value;
    change->old_seq = old->row.seq;
    change->has_old = old->row.state == ITEM_LIVE;
    change->old_value = old->row.value;
    return 0;
}

static inline int fake_delete_child(void *context, const struct bag_row *bag, struct err *err)
{
    (void)err;
    struct fake_set *set = context;
    set->bag = *bag;
    (void)fake_change(set, CHANGE_BAG_DELETE);
    return 0;
}

/* The fence as an item of the fleet's bag, which is made when it is not there; a lift puts nothing
 * back. */
static inline int fake_fence(struct fake_backend *fake, struct submit *submit)
{
    struct fence fence = {.except_count = submit->except_count};
    struct buf path;
    struct buf value;
    for (size_t i = 0; i < submit->except_count; i++) {
        fence.except[i] = submit->except[i];
    }
    buf_init(&path, PATH_MAX_BYTES);
    buf_init(&value, VALUE_MAX_BYTES);
    assert_int_equal(fence_path(&path, submit->layer, submit->category), 0);
    fence_put_value(&value, &fence);
    struct operation_write write = {
        .path = buf_span(&path), .remove = submit->kind == SUBMIT_LIFT, .value = buf_span(&value)};
    struct owner owner = {.kind = OWNER_FLEET};
    struct fake_set set;
    fake_begin(&set, fake);
    if (kv_bag_of(fake->backend.kv, NULL, &owner, &set.bag, NULL) != 0) {
        fake_create(&set, &owner);
    }
    int rc = fake_write_item(&set, &write);
    if (rc == 0) {
        fake_commit(&set);
        submit->seq = set.seq - 1;
    }
    fake_end(&set);
    buf_free(&path);
    buf_free(&value);
    return rc;
}

static inline int fake_fill(struct fake_set *set, struct submit *submit)
{
    struct kv *kv = set->fake->backend.kv;
    struct bag_row bag = {0};
    int rc = kv_bag_of(kv, NULL, &submit->owner, &bag, NULL);
    if (rc == E_NOT_FOUND && submit->create && submit->kind == SUBMIT_WRITE) {
        fake_create(set, &submit->owner);
        submit->created = true;
        rc = 0;
    } else {
        set->bag = bag;
    }
    if (rc == 0 && submit->kind == SUBMIT_DELETE) {
        set->fake->adopted = submit->adopt;
        rc = kv_children(kv, NULL, bag.bag_id, fake_delete_child, set, NULL);
        set->bag = bag;
        (void)fake_change(set, CHANGE_BAG_DELETE);
    }
    for (size_t i = 0; i < submit->write_count && rc == 0; i++) {
        rc = fake_write_item(set, &submit->writes[i]);
    }
    submit->bag_id = rc == 0 ? set->bag.bag_id : 0;
    return rc;
}

static inline int fake_submit_one(struct fake_backend *fake, struct submit *submit)
{
    if (fake->refuse_code != 0 &&
        (fake->refuse_owner == NULL || strcmp(fake->refuse_owner, submit->owner.folded) == 0)) {
        return fake->refuse_code;
    }
    if (submit->kind == SUBMIT_FENCE || submit->kind == SUBMIT_LIFT) {
        return fake_fence(fake, submit);
    }
    if (submit->kind == SUBMIT_FORK) { /* what becomes of the journal is the server's */
        struct journal_position head;
        journal_head(fake->backend.journal, &head);
        submit->seq = head.seq + 1;
        return 0;
    }
    if (submit->kind == SUBMIT_SHARING || submit->kind == SUBMIT_SHARING_UNDO) {
        return fake->sharing != NULL ? fake->sharing(fake, submit) : E_NOT_ALLOWED;
    }
    struct fake_set set;
    fake_begin(&set, fake);
    int rc = fake_fill(&set, submit);
    if (rc == 0 && set.count > 0) {
        fake_commit(&set);
        submit->seq = set.seq - 1;
    }
    fake_end(&set);
    return rc;
}

static inline void fake_measure(struct fake_backend *fake, const struct submit *submit)
{
    size_t bytes = 0;
    for (size_t i = 0; i < submit->write_count; i++) {
        bytes += submit->writes[i].value.size;
    }
    fake->largest_bytes = bytes > fake->largest_bytes ? bytes : fake->largest_bytes;
    fake->largest_set =
        submit->write_count > fake->largest_set ? submit->write_count : fake->largest_set;
}

/* Is it time to fail? */
static inline int fake_failure(struct fake_backend *fake, struct err *err)
{
    if (fake->fail_code == 0) {
        return 0;
    }
    if (fake->spared > 0) {
        fake->spared--;
        return 0;
    }
    return err_set(err, fake->fail_code, "the fake was told to fail");
}

static inline int fake_submit(void *context, struct submit *submits, size_t count, struct err *err)
{
    struct fake_backend *fake = context;
    void (*meanwhile)(struct fake_backend * fake) = fake->meanwhile;
    fake->meanwhile = NULL;
    fake->submits++;
    if (meanwhile != NULL) {
        meanwhile(fake);
    }
    int rc = 0;
    (void)pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < count && (rc = fake_failure(fake, err)) == 0; i++) {
        struct submit *submit = &submits[i];
        (void)snprintf(fake->actor, sizeof fake->actor, "%s", submit->actor);
        fake_measure(fake, submit);
        submit->code = fake_submit_one(fake, submit);
        if (submit->code != 0) {
            submit->created = false;
            (void)snprintf(submit->text, sizeof submit->text, "%s", err_meaning(submit->code));
        }
    }
    (void)pthread_mutex_unlock(&fake->lock);
    return rc;
}

static inline int fake_status(void *context, struct server_status *out, struct err *err)
{
    struct fake_backend *fake = context;
    if (fake->fail_code != 0) {
        return err_set(err, fake->fail_code, "the fake was told to fail");
    }
    *out = fake->status;
    out->state = SERVER_RUNNING;
    out->uptime_ms = 5000;
    out->sessions = 2;
    out->devices = 3;
    out->writes = 7;
    journal_history(fake->backend.journal, out->history);
    journal_head(fake->backend.journal, &out->head);
    return 0;
}

static inline int fake_devices(void *context, const uint64_t *ids, size_t count,
                               struct device_live *out, struct err *err)
{
    struct fake_backend *fake = context;
    for (size_t i = 0; i < count; i++) {
        out[i] = fake->live.device == ids[i] ? fake->live : (struct device_live){0};
    }
    return fake->closed ? err_set(err, E_CLOSED, "the fake was told to fail") : 0;
}

static inline int fake_confirm_clock(void *context, struct err *err)
{
    struct fake_backend *fake = context;
    fake->confirmed++;
    return fake->fail_code == 0 ? 0 : err_set(err, fake->fail_code, "the fake was told to fail");
}

static inline int fake_enroll(void *context, struct enrollment *wanted, char *out, size_t out_size,
                              struct err *err)
{
    struct fake_backend *fake = context;
    int rc = fake_failure(fake, err);
    if (rc != 0) {
        return rc;
    }
    (void)snprintf(out, out_size, "kb1.token%d.%s.%d", ++fake->enrolled, wanted->actor,
                   wanted->expires_ms > fake->time_ms);
    (void)snprintf(wanted->id, sizeof wanted->id, "%016x", (unsigned)fake->enrolled);
    fake->wanted = *wanted;
    return 0;
}

static inline uint64_t fake_last_sign_in(void *context, uint64_t bag_id)
{
    const struct fake_backend *fake = context;
    return bag_id == fake->signed_in ? 1700000000000 : 0;
}

static inline int fake_sync(void *context, bool run, const char *actor, uint64_t *seq,
                            struct err *err)
{
    struct fake_backend *fake = context;
    if (fake->fail_code != 0) {
        return err_set(err, fake->fail_code, "the fake was told to fail");
    }
    *seq = fake->status.sync_stopped == run ? 77 : 0;
    if (*seq != 0) {
        fake->status.sync_stopped = !run;
        fake->status.sync_since_ms = fake->time_ms;
        (void)snprintf(fake->status.sync_by, sizeof fake->status.sync_by, "%s", actor);
    }
    return 0;
}

/* Its thread has looked once, and is quiet for some seconds unless it is asked. */
static inline void fake_board(struct fake_backend *fake)
{
    struct admin_board_options options = {
        .backend = &fake->backend, .clock = &clock_system, .render = admin_api_status_text};
    struct admin_board_facts facts;
    assert_int_equal(admin_board_start(&fake->backend.board, &options, NULL), 0);
    assert_int_equal(admin_board_facts(fake->backend.board, true, &facts, NULL), 0);
}

static inline void fake_open(struct fake_backend *fake)
{
    *fake = (struct fake_backend){.time_ms = 1700000000000, .actor = "admin"};
    char kv_dir[TMP_FOLDER_MAX];
    struct journal_opened opened;
    struct err err = {0};
    static const uint8_t history[HISTORY_SIZE] = "0123456789abcdef";
    (void)pthread_mutex_init(&fake->lock, NULL);
    tmp_folder_make(fake->folder);
    tmp_folder_path(fake->journal_dir, fake->folder, "journal");
    tmp_folder_path(kv_dir, fake->folder, "state");
    struct journal_options journal = {.dir = fake->journal_dir, .segment_bytes = 16 << 20};
    struct kv_options kv = {.dir = kv_dir, .memtable_bytes = 8 << 20, .cache_bytes = 8 << 20};
    if (journal_open(&fake->backend.journal, &journal, history, &opened, &err) != 0 ||
        kv_open(&fake->backend.kv, &kv, &err) != 0) {
        fail_msg("%s", err.text);
    }
    fake->backend.context = fake;
    fake->backend.journal_dir = fake->journal_dir;
    fake->backend.submit = fake_submit;
    fake->backend.status = fake_status;
    fake->backend.devices = fake_devices;
    fake->backend.enroll = fake_enroll;
    fake->backend.sync = fake_sync;
    fake->backend.last_sign_in = fake_last_sign_in;
    fake->backend.confirm_clock = fake_confirm_clock;
    struct fake_set set;
    fake_begin(&set, fake);
    struct change *change = fake_change(&set, CHANGE_HISTORY);
    memcpy(change->history.id, history, HISTORY_SIZE);
    fake_commit(&set);
    fake_end(&set);
    fake_board(fake);
}

static inline void fake_close(struct fake_backend *fake)
{
    admin_board_stop(&fake->backend.board);
    kv_close(&fake->backend.kv, false);
    journal_close(&fake->backend.journal, true);
    tmp_folder_remove(fake->folder);
    (void)pthread_mutex_destroy(&fake->lock);
}

/* One item (path NULL: none) of an owner by its text form; makes the bag. Returns its bag_id. */
static inline uint64_t fake_put(struct fake_backend *fake, const char *owner, const char *path,
                                const char *value)
{
    struct operation_write write = {.path = span_str(path != NULL ? path : ""),
                                    .value = span_str(value != NULL ? value : "")};
    struct submit submit = {.kind = SUBMIT_WRITE,
                            .create = true,
                            .actor = "admin",
                            .writes = &write,
                            .write_count = path != NULL};
    if (strcmp(owner, "server") == 0) {
        submit.owner.kind = OWNER_SERVER;
    } else {
        assert_int_equal(owner_parse(&submit.owner, owner, NULL), 0);
    }
    int code = fake->refuse_code;
    fake->refuse_code = 0;
    assert_int_equal(fake_submit(fake, &submit, 1, NULL), 0);
    assert_int_equal(submit.code, 0);
    fake->refuse_code = code;
    return submit.bag_id;
}

static inline uint64_t fake_head(const struct fake_backend *fake)
{
    struct journal_position head;
    journal_head(fake->backend.journal, &head);
    return head.seq;
}

/* One change set of another kind, or on one owner by its text form; its last seq. */
static inline uint64_t fake_do(struct fake_backend *fake, enum submit_kind kind, const char *owner,
                               const char *path)
{
    struct operation_write write = {.path = span_str(path != NULL ? path : ""), .remove = true};
    struct submit submit = {.kind = kind,
                            .actor = "admin",
                            .writes = &write,
                            .write_count = path != NULL && kind == SUBMIT_WRITE,
                            .category = span_str(path != NULL ? path : "")};
    if (owner != NULL) {
        assert_int_equal(owner_parse(&submit.owner, owner, NULL), 0);
    }
    assert_int_equal(fake_submit(fake, &submit, 1, NULL), 0);
    assert_int_equal(submit.code, 0);
    return submit.seq;
}

static inline uint64_t fake_remove(struct fake_backend *fake, const char *owner, const char *path)
{
    return fake_do(fake, SUBMIT_WRITE, owner, path);
}

static inline uint64_t fake_delete(struct fake_backend *fake, const char *owner)
{
    return fake_do(fake, SUBMIT_DELETE, owner, NULL);
}

/* Initialises a category in the shared layer. */
static inline uint64_t fake_fence_up(struct fake_backend *fake, const char *category)
{
    return fake_do(fake, SUBMIT_FENCE, NULL, category);
}

static inline uint64_t fake_fence_down(struct fake_backend *fake, const char *category)
{
    return fake_do(fake, SUBMIT_LIFT, NULL, category);
}

/* A machine of the registry, with its own bag. */
static inline void fake_machine(struct fake_backend *fake, uint64_t id, const char *name,
                                const char *state)
{
    char path[64];
    char owner[64];
    char value[512];
    (void)snprintf(path, sizeof path, "device/%016" PRIx64, id);
    (void)snprintf(owner, sizeof owner, "device:%016" PRIx64, id);
    (void)snprintf(value, sizeof value,
                   "{\"name\":\"%s\",\"serial\":\"SN-%" PRIu64 "\",\"model\":\"Copier\","
                   "\"software\":\"kitbag 0.1\",\"key\":\"00\",\"joined_ms\":1600000000000,"
                   "\"state\":\"%s\"}",
                   name, id, state);
    (void)fake_put(fake, "server", path, value);
    (void)fake_put(fake, owner, NULL, NULL);
}

/* A user is signed in at a machine. */
static inline void fake_sign_in(struct fake_backend *fake, uint64_t device, uint64_t user_bag)
{
    char path[64];
    char owner[64];
    (void)snprintf(owner, sizeof owner, "device:%016" PRIx64, device);
    (void)snprintf(path, sizeof path, "@user/%" PRIu64, user_bag);
    (void)fake_put(fake, owner, path, "name");
}

#endif
