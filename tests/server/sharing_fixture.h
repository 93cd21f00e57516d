/* tests/server/sharing_fixture.h - a catalogue, flags that change, and machines that write.
 *
 *   copy/default    default settings        copy/previous    previous settings
 *   home/buttons    shared buttons          home/timeline    the newest three
 *   network         has no flag             form             JSON of at most 20 bytes, has a flag
 */
#ifndef KITBAG_TESTS_SERVER_SHARING_FIXTURE_H
#define KITBAG_TESTS_SERVER_SHARING_FIXTURE_H

#include "tests/server/fixture.h"

enum { SX_ITEMS_MAX = 16 };

/* One item of an operation; the rest may be left out: {.path = "copy/default", .value = "1"}. */
struct sx_item {
    const char *path;
    const char *value; /* NULL: remove */
    bool device;       /* made while it was device-specific */
    bool has_if_seq;
    uint64_t if_seq;
};

/* Committed, delivered, and in the state for whoever reads it. */
UNUSED static void sx_run(struct fixture *fx)
{
    fx_run(fx);
    committer_settle(fx->committer);
}

UNUSED static struct submit sx_submit(struct fixture *fx, struct submit submit)
{
    submit.actor = "boss";
    assert_int_equal(committer_submit(fx->committer, &submit, fx, 7), 0);
    sx_run(fx);
    committer_settle(fx->committer);
    submit_finish(&submit, &fx_last(fx)->reply);
    return submit;
}

/* An item of the fleet's bag. */
UNUSED static void sx_put(struct fixture *fx, const struct buf *path, const struct buf *value)
{
    struct operation_write write = {.path = buf_span(path), .value = buf_span(value)};
    struct submit submit = {.kind = SUBMIT_WRITE, .writes = &write, .write_count = 1};
    submit.owner.kind = OWNER_FLEET;
    submit = sx_submit(fx, submit);
    if (submit.code != 0) {
        fail_msg("%s", submit.text);
    }
}

UNUSED static void sx_category(struct fixture *fx, const char *path, struct category row)
{
    struct buf name;
    struct buf value;
    buf_init(&name, 512);
    buf_init(&value, 4096);
    row.title = row.title_ja = path;
    assert_int_equal(sharing_path(&name, SHARING_CATEGORY, span_str(path)), 0);
    sharing_put_category(&value, &row);
    sx_put(fx, &name, &value);
    buf_free(&name);
    buf_free(&value);
}

UNUSED static void sx_catalogue(struct fixture *fx)
{
    sx_category(fx, "copy/default",
                (struct category){.class = SHARING_DEFAULT_SETTINGS, .has_flag = true});
    sx_category(fx, "copy/previous",
                (struct category){.class = SHARING_PREVIOUS_SETTINGS, .has_flag = true});
    sx_category(fx, "home/buttons",
                (struct category){.class = SHARING_SHARED_BUTTONS, .has_flag = true});
    sx_category(fx, "home/timeline",
                (struct category){.class = SHARING_TIMELINE, .has_flag = true, .count_max = 3});
    sx_category(fx, "network", (struct category){.secret = true});
    sx_category(fx, "form",
                (struct category){.kind = SHARING_JSON, .value_max = 20, .has_flag = true});
}

/* "copy/default=device" and so on, NULL at the end; all at once. */
UNUSED static struct submit sx_switch(struct fixture *fx, bool copy, const char *const *changes)
{
    struct operation_write writes[SX_ITEMS_MAX] = {0};
    struct submit submit = {.kind = SUBMIT_SHARING, .copy = copy, .writes = writes};
    for (; changes[submit.write_count] != NULL; submit.write_count++) {
        const char *text = changes[submit.write_count];
        const char *equals = strchr(text, '=');
        struct operation_write *write = &writes[submit.write_count];
        write->path = span_of(text, (size_t)(equals - text));
        write->value = span_str(equals + 1);
    }
    submit = sx_submit(fx, submit);
    submit.writes = NULL;
    return submit;
}

UNUSED static uint64_t sx_switch_one(struct fixture *fx, bool copy, const char *change)
{
    const char *const changes[] = {change, NULL};
    struct submit submit = sx_switch(fx, copy, changes);
    if (submit.code != 0) {
        fail_msg("%s: %s", change, submit.text);
    }
    return submit.seq;
}

UNUSED static struct submit sx_undo(struct fixture *fx, uint64_t seq)
{
    return sx_submit(fx, (struct submit){.kind = SUBMIT_SHARING_UNDO, .undo_seq = seq});
}

/* Plans a WRITE; nothing is committed. */
UNUSED static void sx_plan_write(struct fixture *fx, const struct machine *machine, uint64_t number,
                                 uint64_t bag_id, uint64_t made_by, const struct sx_item *items,
                                 size_t count)
{
    struct buf bytes;
    buf_init(&bytes, 8 << 20);
    operation_begin_write(&bytes, number, bag_id, made_by, UINT64_MAX >> 1, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct operation_write write = {
            .path = span_str(items[i].path),
            .remove = items[i].value == NULL,
            .value = span_str(items[i].value != NULL ? items[i].value : ""),
            .has_if_seq = items[i].has_if_seq,
            .if_seq = items[i].if_seq,
            .device = items[i].device,
        };
        operation_put_write(&bytes, &write);
    }
    assert_int_equal(buf_error(&bytes), 0);
    assert_int_equal(fx_operation(fx, machine, &bytes), 0);
    buf_free(&bytes);
}

/* The same of one item, committed; the reply. */
UNUSED static const struct reply *sx_write(struct fixture *fx, const struct machine *machine,
                                           uint64_t number, uint64_t bag_id, struct sx_item item)
{
    sx_plan_write(fx, machine, number, bag_id, 0, &item, 1);
    sx_run(fx);
    return &fx_last(fx)->reply;
}

/* The bag of the user on this machine; 0: there is none. */
UNUSED static uint64_t sx_own(struct fixture *fx, const struct machine *machine, const char *user)
{
    struct owner owner = {0};
    struct bag_row bag = {0};
    assert_int_equal(owner_make(&owner, OWNER_USER_DEVICE, span_str(user), machine->device, NULL),
                     0);
    int rc = kv_bag_of(fx->kv, NULL, &owner, &bag, NULL);
    return rc == 0 ? bag.bag_id : 0;
}

/* The path of the i-th change since fx_forget. */
UNUSED static const char *sx_path(const struct fixture *fx, size_t i)
{
    assert_true(i < fx->change_count);
    return fx->changes[i].path;
}

#endif
