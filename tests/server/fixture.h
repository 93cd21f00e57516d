/* tests/server/fixture.h - a committer over a real journal and a real state in a folder of its own,
 * with a clock that stands still, and a sink that keeps what it was given. */
#ifndef KITBAG_TESTS_SERVER_FIXTURE_H
#define KITBAG_TESTS_SERVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/committer.h"
#include "server/recovery.h"
#include "tests/support/tmp_folder.h"

#define UNUSED __attribute__((unused))

enum { KEPT_MAX = 512, BAGS_MAX = 16 };

struct kept_reply {
    struct reply reply;
    char text[ERR_TEXT_MAX];
    struct bag_row bags[BAGS_MAX];
};

struct kept_change {
    struct change change; /* without what it points to */
    char path[PATH_MAX_BYTES + 1];
    char value[64];
};

struct fixture {
    char dir[TMP_FOLDER_MAX];
    const struct disk *disk;
    struct limits limits;
    bool (*has_room)(void *context);
    void (*reached)(void *context);
    int (*evict)(void *context, uint64_t *bag_id);
    int (*apply)(struct kv *kv, const struct change *changes, size_t count,
                 const uint8_t hash[SHA256_SIZE], struct err *err);
    struct journal *journal;
    struct kv *kv;
    struct registry *registry;
    struct committer *committer;
    struct clock_fake time;
    struct clock clock;
    struct unpacked unpacked;
    struct committer_sink sink; /* NULL functions: the fixture's own */
    /* what the sink was given since fx_forget */
    struct kept_reply replies[KEPT_MAX];
    size_t reply_count;
    struct kept_change changes[KEPT_MAX];
    size_t change_count;
    uint64_t devices_changed[KEPT_MAX];
    size_t device_count;
    char order[KEPT_MAX]; /* 'd', 'r', 'c' */
    size_t order_count;
};

/* A device that joined, and its outbox. */
struct machine {
    uint64_t session;
    uint64_t device;
    uint64_t bag;
    uint64_t writer;
    uint64_t confirmed;
    uint8_t token[KEY_SIZE];
    uint8_t key[KEY_SIZE];
};

UNUSED static void fx_on_device(void *context, uint64_t device)
{
    struct fixture *fx = context;
    assert_true(fx->device_count < KEPT_MAX);
    fx->devices_changed[fx->device_count++] = device;
    fx->order[fx->order_count++] = 'd';
}

UNUSED static void fx_on_replies(void *context, const struct reply *replies, size_t count)
{
    struct fixture *fx = context;
    for (size_t i = 0; i < count && fx->reply_count < KEPT_MAX; i++) {
        struct kept_reply *kept = &fx->replies[fx->reply_count++];
        kept->reply = replies[i];
        (void)snprintf(kept->text, sizeof kept->text, "%s",
                       replies[i].text != NULL ? replies[i].text : "");
        for (size_t j = 0; j < replies[i].bag_count && j < BAGS_MAX; j++) {
            kept->bags[j] = replies[i].bags[j];
        }
    }
    fx->order[fx->order_count++ % KEPT_MAX] = 'r';
}

UNUSED static void fx_on_changes(void *context, const struct change *changes, size_t count,
                                 const struct journal_position *head)
{
    struct fixture *fx = context;
    assert_int_equal(head->seq, changes[count - 1].seq);
    for (size_t i = 0; i < count && fx->change_count < KEPT_MAX; i++) {
        struct kept_change *kept = &fx->changes[fx->change_count++];
        memset(kept, 0, sizeof *kept);
        kept->change = changes[i];
        if (changes[i].path.size > 0) {
            memcpy(kept->path, changes[i].path.data, changes[i].path.size);
        }
        size_t size = changes[i].value.size < 63 ? changes[i].value.size : 63;
        if (size > 0) {
            memcpy(kept->value, changes[i].value.data, size);
        }
    }
    fx->order[fx->order_count++ % KEPT_MAX] = 'c';
}

UNUSED static void fx_forget(struct fixture *fx)
{
    fx->reply_count = 0;
    fx->change_count = 0;
    fx->device_count = 0;
    fx->order_count = 0;
}

/* Opens what is in fx->dir. */
UNUSED static int fx_try_open(struct fixture *fx, struct err *err)
{
    struct recovery_options options = {.dir = fx->dir, .segment_bytes = 8 << 20, .disk = fx->disk};
    struct recovered recovered = {0};
    options.memtable_bytes = 4 << 20;
    options.cache_bytes = 4 << 20;
    int rc = recovery_open(&recovered, &options, err);
    if (rc != 0) {
        return rc;
    }
    fx->journal = recovered.journal;
    fx->kv = recovered.kv;
    if (registry_new(&fx->registry) != 0) {
        return E_NOMEM;
    }
    if (fx->sink.replies == NULL) {
        fx->sink = (struct committer_sink){fx_on_device, fx_on_replies, fx_on_changes, fx};
    }
    struct committer_options wanted = {
        .journal = fx->journal,
        .kv = fx->kv,
        .registry = fx->registry,
        .limits = fx->limits,
        .evict = fx->evict,
        .clock = &fx->clock,
        .sink = fx->sink,
        .has_room = fx->has_room,
        .reached = fx->reached,
        .apply = fx->apply,
    };
    rc = committer_new(&fx->committer, &wanted, err);
    if (rc == 0) {
        rc = registry_load(fx->registry, fx->kv, committer_server_bag(fx->committer), err);
    }
    return rc;
}

UNUSED static void fx_close(struct fixture *fx, bool clean)
{
    committer_free(&fx->committer);
    registry_free(&fx->registry);
    kv_close(&fx->kv, clean);
    journal_close(&fx->journal, clean);
}

UNUSED static void fx_open(struct fixture *fx)
{
    struct err err = {0};
    int rc = fx_try_open(fx, &err);
    if (rc != 0) {
        fail_msg("open: %s", err.text);
    }
}

/* What fx_new sets, but the folder. */
UNUSED static void fx_prepare(struct fixture *fx)
{
    fx->limits = (struct limits){.items_per_bag = 1000, .bytes_per_bag = 8 << 20, .users = 100};
    fx->time = (struct clock_fake){.wall_ms = 1700000000000, .mono_ms = 1000};
    fx->clock = clock_of_fake(&fx->time);
}

UNUSED static struct fixture *fx_new(void)
{
    struct fixture *fx = calloc(1, sizeof *fx);
    assert_non_null(fx);
    tmp_folder_make(fx->dir);
    fx_prepare(fx);
    return fx;
}

UNUSED static void fx_free(struct fixture *fx)
{
    fx_close(fx, true);
    unpack_close(&fx->unpacked);
    tmp_folder_remove(fx->dir);
    free(fx);
}

UNUSED static int fx_setup(void **state)
{
    log_set_level(LOG_ERROR + 1);
    struct fixture *fx = fx_new();
    fx_open(fx);
    *state = fx;
    return 0;
}

UNUSED static int fx_teardown(void **state)
{
    fx_free(*state);
    return 0;
}

UNUSED static void fx_run(struct fixture *fx)
{
    committer_commit(fx->committer);
    committer_deliver(fx->committer);
}

UNUSED static const struct kept_reply *fx_last(const struct fixture *fx)
{
    assert_true(fx->reply_count > 0);
    return &fx->replies[fx->reply_count - 1];
}

/* --- operations --- */

struct item {
    const char *path;
    const char *value; /* NULL: remove */
    int64_t if_seq;    /* -1: no condition */
};

/* Plans an encoded operation; what committer_operation returned. */
UNUSED static int fx_operation(struct fixture *fx, const struct machine *machine,
                               const struct buf *bytes)
{
    struct operation_from from = {
        .session = machine->session,
        .device = machine->device,
        .device_bag = machine->bag,
        .writer = machine->writer,
        .confirmed = machine->confirmed,
    };
    assert_int_equal(unpack_open(&fx->unpacked, buf_span(bytes), 100000), 0);
    return committer_operation(fx->committer, &from, &fx->unpacked.root, NULL);
}

UNUSED static void fx_write_items(struct fixture *fx, const struct machine *machine,
                                  uint64_t number, uint64_t bag_id, uint64_t made_by, uint64_t seen,
                                  const struct item *items, size_t count)
{
    struct buf bytes;
    buf_init(&bytes, 8 << 20);
    operation_begin_write(&bytes, number, bag_id, made_by, seen, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct operation_write write = {
            .path = span_str(items[i].path),
            .remove = items[i].value == NULL,
            .has_if_seq = items[i].if_seq >= 0,
            .if_seq = items[i].if_seq >= 0 ? (uint64_t)items[i].if_seq : 0,
        };
        if (!write.remove) {
            write.value = span_str(items[i].value);
        }
        operation_put_write(&bytes, &write);
    }
    assert_int_equal(buf_error(&bytes), 0);
    assert_int_equal(fx_operation(fx, machine, &bytes), 0);
    buf_free(&bytes);
}

/* One item, committed and delivered; the reply. */
UNUSED static const struct reply *fx_write(struct fixture *fx, const struct machine *machine,
                                           uint64_t number, uint64_t bag_id, const char *path,
                                           const char *value)
{
    struct item item = {path, value, -1};
    fx_write_items(fx, machine, number, bag_id, 0, UINT64_MAX >> 1, &item, 1);
    fx_run(fx);
    return &fx_last(fx)->reply;
}

UNUSED static void fx_create(struct fixture *fx, const struct machine *machine, uint64_t number,
                             enum owner_kind kind, const char *name)
{
    struct owner owner = {0};
    assert_int_equal(owner_make(&owner, kind, span_str(name), 0, NULL), 0);
    struct buf bytes;
    buf_init(&bytes, 4096);
    operation_put_create(&bytes, number, &owner);
    assert_int_equal(fx_operation(fx, machine, &bytes), 0);
    buf_free(&bytes);
}

/* --- administration --- */

UNUSED static struct submit fx_submit(struct fixture *fx, enum submit_kind kind, const char *owner,
                                      const char *path, const char *value)
{
    struct submit submit = {.kind = kind, .create = true, .actor = "test"};
    assert_int_equal(owner_parse(&submit.owner, owner, NULL), 0);
    struct operation_write write = {.path = span_str(path != NULL ? path : ""),
                                    .remove = value == NULL,
                                    .value = span_str(value != NULL ? value : "")};
    submit.writes = &write;
    submit.write_count = path != NULL ? 1 : 0;
    assert_int_equal(committer_submit(fx->committer, &submit, fx, 7), 0);
    fx_run(fx);
    committer_settle(fx->committer);
    submit_finish(&submit, &fx_last(fx)->reply);
    submit.writes = NULL;
    return submit;
}

UNUSED static void fx_token(struct fixture *fx, const uint8_t key[KEY_SIZE], uint64_t expires_ms)
{
    char path[RECORD_PATH_MAX];
    char text[128];
    struct span item = record_token_path(path, key);
    path[item.size] = '\0';
    (void)snprintf(text, sizeof text, "{\"state\":\"new\",\"expires_ms\":%llu,\"device\":\"\"}",
                   (unsigned long long)expires_ms);
    struct submit submit = fx_submit(fx, SUBMIT_WRITE, "server", path, text);
    assert_int_equal(submit.code, 0);
}

/* --- machines --- */

UNUSED static void fx_try_join(struct fixture *fx, const struct machine *machine, const char *name)
{
    struct join join = {
        .session = machine->session,
        .token = machine->token,
        .public_key = machine->key,
        .name = span_str(name),
        .serial = SPAN_LITERAL("S-1"),
        .model = SPAN_LITERAL("M"),
        .software = SPAN_LITERAL("test"),
    };
    committer_join(fx->committer, &join);
    fx_run(fx);
}

UNUSED static void fx_join(struct fixture *fx, struct machine *machine, uint8_t mark)
{
    *machine = (struct machine){.session = mark, .writer = 1000u + mark};
    memset(machine->token, mark, KEY_SIZE);
    memset(machine->key, 0x80 | mark, KEY_SIZE);
    fx_token(fx, machine->token, fx->time.wall_ms + 1000);
    fx_try_join(fx, machine, "printer");
    assert_int_equal(fx_last(fx)->reply.code, 0);
    machine->device = fx_last(fx)->reply.id;
    struct owner owner = {.kind = OWNER_DEVICE, .device = machine->device};
    struct bag_row bag = {0};
    assert_int_equal(kv_bag_of(fx->kv, NULL, &owner, &bag, NULL), 0);
    machine->bag = bag.bag_id;
}

UNUSED static const struct kept_reply *fx_sign_in(struct fixture *fx, const struct machine *machine,
                                                  const char *user, const char *group)
{
    struct span groups[1] = {span_str(group != NULL ? group : "")};
    struct sign_in sign_in = {
        .session = machine->session,
        .device = machine->device,
        .device_bag = machine->bag,
        .ref = 5,
        .user = span_str(user),
        .groups = groups,
        .group_count = group != NULL ? 1 : 0,
    };
    committer_sign_in(fx->committer, &sign_in);
    fx_run(fx);
    return fx_last(fx);
}

/* Signs in and returns the user's bag. */
UNUSED static uint64_t fx_user(struct fixture *fx, const struct machine *machine, const char *user)
{
    const struct kept_reply *kept = fx_sign_in(fx, machine, user, NULL);
    assert_int_equal(kept->reply.code, 0);
    assert_true(kept->reply.bag_count >= 1);
    return kept->bags[0].bag_id;
}

/* The value of an item as text; "" when there is none. */
UNUSED static const char *fx_value(struct fixture *fx, uint64_t bag_id, const char *path)
{
    static char text[256];
    struct kv_item item = {0};
    assert_int_equal(kv_item(fx->kv, NULL, bag_id, span_str(path), &item, NULL), 0);
    size_t size = item.row.value.size < sizeof text ? item.row.value.size : sizeof text - 1;
    if (size > 0) {
        memcpy(text, item.row.value.data, size);
    }
    text[size] = '\0';
    kv_item_free(&item);
    return text;
}

#endif
