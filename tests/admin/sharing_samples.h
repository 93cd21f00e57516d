/* tests/admin/sharing_samples.h - the fake server changes what is shared, as the real one does. */
#ifndef KITBAG_TESTS_ADMIN_SHARING_SAMPLES_H
#define KITBAG_TESTS_ADMIN_SHARING_SAMPLES_H

#include "journal/past.h"
#include "tests/admin/catalogue_samples.h"
#include "tests/support/fail_alloc.h"

enum { SAMPLE_WRITES_MAX = 64 };

/* The items of one set of the fleet's bag; their bytes are its own. */
struct sample_set {
    struct fake_backend *server;
    struct operation_write writes[SAMPLE_WRITES_MAX];
    struct buf paths[SAMPLE_WRITES_MAX];
    struct buf values[SAMPLE_WRITES_MAX];
    size_t count;
};

static inline struct buf *sample_add(struct sample_set *set, struct span path)
{
    assert_true(set->count < SAMPLE_WRITES_MAX);
    buf_init(&set->paths[set->count], PATH_MAX_BYTES);
    buf_init(&set->values[set->count], VALUE_MAX_BYTES);
    assert_int_equal(buf_append_span(&set->paths[set->count], path), 0);
    return &set->values[set->count++];
}

/* As one set, and freed. */
static inline int sample_commit(struct sample_set *set, struct submit *submit)
{
    struct submit one = {.kind = SUBMIT_WRITE,
                         .actor = submit->actor,
                         .owner = {.kind = OWNER_FLEET},
                         .writes = set->writes,
                         .write_count = set->count};
    for (size_t i = 0; i < set->count; i++) {
        set->writes[i].path = buf_span(&set->paths[i]);
        set->writes[i].value = buf_span(&set->values[i]);
    }
    int rc = set->count > 0 && !submit->dry_run ? fake_submit_one(set->server, &one) : 0;
    for (size_t i = 0; i < set->count; i++) {
        buf_free(&set->paths[i]);
        buf_free(&set->values[i]);
    }
    submit->seq = one.seq;
    return rc;
}

static inline void sample_add_fences(struct sample_set *set, const struct sharing *sharing,
                                     struct sharing_switch change)
{
    const struct category *category = sharing_next(sharing, NULL);
    for (; category != NULL; category = sharing_next(sharing, category)) {
        for (enum fence_layer layer = FENCE_SHARED; layer <= FENCE_DEVICE; layer++) {
            struct buf path;
            struct fence fence = {0};
            if (sharing_initialises(change, category, layer)) {
                buf_init(&path, PATH_MAX_BYTES);
                assert_int_equal(
                    fence_path(&path, layer, span_of(category->path, category->path_size)), 0);
                fence_put_value(sample_add(set, buf_span(&path)), &fence);
                buf_free(&path);
            }
        }
    }
}

static inline int sample_switch(struct fake_backend *server, struct submit *submit)
{
    struct admin_catalogue catalogue = {0};
    struct sample_set set = {.server = server};
    struct sharing_switch change = {0};
    int rc = admin_catalogue_read(&catalogue, server->backend.kv, NULL, NULL);
    for (size_t i = 0; i < submit->write_count && rc == 0; i++) {
        const struct operation_write *write = &submit->writes[i];
        const struct category *category = sharing_get(&catalogue.sharing, write->path);
        bool device = span_equal(write->value, SPAN_LITERAL("device"));
        char path[PATH_MAX_BYTES + 1];
        rc = category == NULL ? E_NOT_FOUND : category->has_flag ? 0 : E_INVALID;
        if (rc != 0 || category->device == device) {
            continue;
        }
        change.to_device = change.to_device || device;
        change.to_shared = change.to_shared || !device;
        (void)snprintf(path, sizeof path, SHARING_FLAG "%s", category->path);
        sharing_put_flag(sample_add(&set, span_str(path)), device, device && submit->copy);
    }
    if (rc == 0 && !submit->copy) {
        sample_add_fences(&set, &catalogue.sharing, change);
    }
    submit->dry_run = submit->dry_run || rc != 0;
    int done = sample_commit(&set, submit);
    admin_catalogue_free(&catalogue);
    return rc != 0 ? rc : done;
}

static inline void sample_add_undo(struct sample_set *set, const struct change *change)
{
    struct unpacked scratch = {0};
    struct fence fence = {0};
    struct buf *value = sample_add(set, change->path);
    if (!change->has_old) {
        set->writes[set->count - 1].remove = true;
    } else if (fence_path_is(change->path)) {
        assert_int_equal(fence_get_value(change->old_value, &scratch, &fence, NULL), 0);
        fence.from = fence.from != 0 ? fence.from : change->old_seq;
        fence_put_value(value, &fence);
    } else {
        assert_int_equal(buf_append_span(value, change->old_value), 0);
    }
    unpack_close(&scratch);
}

/* Without a look at what was changed since: that is the real one's. */
static inline int sample_undo(struct fake_backend *server, struct submit *submit)
{
    struct sample_set set = {.server = server};
    struct past *past = NULL;
    struct change change = {0};
    assert_int_equal(past_open(&past, server->backend.journal, submit->undo_seq, NULL), 0);
    int rc = past_next(past, &change, NULL);
    uint64_t end = submit->undo_seq + change.set_left;
    for (uint64_t seq = end; rc == 0 && seq > 0; seq--) {
        past_seek(past, seq);
        assert_int_equal(past_next(past, &change, NULL), 0);
        if (seq + change.set_left != end) {
            break;
        }
        if (sharing_flag_is(change.path) || fence_path_is(change.path)) {
            sample_add_undo(&set, &change);
        }
    }
    rc = rc == 0 && set.count == 0 ? E_NOT_FOUND : rc;
    past_close(&past);
    int done = sample_commit(&set, submit);
    return rc != 0 ? rc : done;
}

/* The fake has memory, whatever the one who asks has. */
static inline int sample_sharing(struct fake_backend *server, struct submit *submit)
{
    unsigned paused = fail_alloc_pause();
    int rc = submit->kind == SUBMIT_SHARING ? sample_switch(server, submit)
                                            : sample_undo(server, submit);
    fail_alloc_resume(paused);
    return rc;
}

/* The categories of the tests; "secret" has a flag, too. */
static inline void sample_catalogue(struct fake_backend *server)
{
    sample_category(server, "copy/default",
                    (struct category){.class = SHARING_DEFAULT_SETTINGS,
                                      .has_flag = true,
                                      .exported = true,
                                      .kind = SHARING_JSON,
                                      .value_max = 100});
    sample_category(server, "copy/previous",
                    (struct category){.class = SHARING_PREVIOUS_SETTINGS, .has_flag = true});
    sample_category(
        server, "home/shared-buttons",
        (struct category){.class = SHARING_SHARED_BUTTONS, .has_flag = true, .exported = true});
    sample_category(
        server, "home/timeline",
        (struct category){.class = SHARING_TIMELINE, .has_flag = true, .count_max = 10});
    sample_category(server, "language", (struct category){.kind = SHARING_TEXT, .exported = true});
    sample_category(server, "pins", (struct category){.has_flag = true, .secret = true});
    server->sharing = sample_sharing;
}

#endif
