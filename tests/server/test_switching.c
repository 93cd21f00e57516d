/* What is shared changes for everybody at one seq, and goes back. */
#include "journal/past.h"
#include "server/switching.h"
#include "tests/server/sharing_fixture.h"

static struct machine a;
static uint64_t ann;

static int setup(void **state)
{
    (void)fx_setup(state);
    struct fixture *fx = *state;
    sx_catalogue(fx);
    fx_join(fx, &a, 1);
    ann = fx_user(fx, &a, "Ann");
    fx_forget(fx);
    return 0;
}

/* What the last change set did: paths without their '@', a '-' before those that were removed. */
static const char *done(struct fixture *fx)
{
    static char text[1024];
    text[0] = '\0';
    for (size_t i = 0; i < fx->change_count; i++) {
        size_t size = strlen(text);
        const struct kept_change *kept = &fx->changes[i];
        assert_int_equal(kept->change.bag_id, 3);
        assert_int_equal(kept->change.set_left, fx->change_count - 1 - i);
        (void)snprintf(text + size, sizeof text - size, "%s%s%s", i > 0 ? " " : "",
                       kept->change.kind == CHANGE_ITEM_REMOVE ? "-" : "", kept->path + 1);
    }
    fx_forget(fx);
    return text;
}

/* The fence or flag in the fleet's bag: its seq; 0: there is none. */
static uint64_t seq_of(struct fixture *fx, const char *path)
{
    struct kv_item item = {0};
    assert_int_equal(kv_item(fx->kv, NULL, 3, span_str(path), &item, NULL), 0);
    uint64_t seq = item.row.state == ITEM_LIVE ? item.row.seq : 0;
    kv_item_free(&item);
    return seq;
}

/* Where the fence of the fleet's bag hides an item. */
static uint64_t hides(struct fixture *fx, const char *fence, enum owner_kind kind, const char *path)
{
    struct fences fences = {0};
    struct kv_item item = {0};
    assert_int_equal(kv_item(fx->kv, NULL, 3, span_str(fence), &item, NULL), 0);
    assert_int_equal(fences_put(&fences, span_str(fence), item.row.seq, item.row.value, NULL), 0);
    uint64_t position = fences_position(&fences, kind, span_str(path));
    fences_free(&fences);
    kv_item_free(&item);
    return position;
}

/* --- the rules --- */

static void to_device_specific(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    assert_string_equal(done(fx), "sharing/copy/default fence/shared/copy/default "
                                  "fence/shared/copy/previous");
    /* The same two classes whichever category it was. */
    uint64_t seq = sx_switch_one(fx, false, "home/timeline=device");
    assert_string_equal(done(fx), "sharing/home/timeline fence/shared/copy/default "
                                  "fence/shared/copy/previous");
    assert_int_equal(seq_of(fx, "@fence/shared/copy/previous"), seq);
}

static void to_shared(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, false, "copy/default=device");
    fx_forget(fx);
    (void)sx_switch_one(fx, false, "copy/default=shared");
    assert_string_equal(done(fx),
                        "sharing/copy/default fence/device/copy/default fence/device/copy/previous "
                        "fence/device/form fence/shared/home/buttons fence/device/home/buttons "
                        "fence/device/home/timeline");
}

static void several_at_once(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, true, "copy/default=device");
    fx_forget(fx);
    const char *const changes[] = {"form=device", "copy/default=shared", "home/buttons=shared",
                                   NULL};
    assert_int_equal(sx_switch(fx, false, changes).code, 0);
    assert_string_equal(done(fx),
                        "sharing/form sharing/copy/default "
                        "fence/shared/copy/default fence/device/copy/default "
                        "fence/shared/copy/previous fence/device/copy/previous "
                        "fence/device/form fence/shared/home/buttons fence/device/home/buttons "
                        "fence/device/home/timeline");
}

static void with_a_copy_nothing_is_initialised(void **state)
{
    struct fixture *fx = *state;
    (void)sx_switch_one(fx, true, "copy/default=device");
    assert_string_equal(done(fx), "sharing/copy/default");
    (void)sx_switch_one(fx, true, "copy/default=shared");
    assert_string_equal(done(fx), "sharing/copy/default");
}

static void nothing_to_change_is_no_change(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(sx_switch_one(fx, false, "copy/default=shared"), 0);
    (void)sx_switch_one(fx, false, "copy/default=device");
    fx_forget(fx);
    assert_int_equal(sx_switch_one(fx, false, "copy/default=device"), 0);
    assert_int_equal(sx_switch_one(fx, true, "copy/default=device"), 0);
    const char *const none[] = {NULL};
    struct submit submit = sx_switch(fx, false, none);
    assert_true(submit.code == 0 && submit.seq == 0);
    assert_int_equal(fx->change_count, 0);
}

static void what_can_not_be_switched(void **state)
{
    struct fixture *fx = *state;
    static const struct {
        const char *changes[3];
        int code;
        const char *text;
    } cases[] = {
        {{"copy/defaults=device"}, E_NOT_FOUND, "there is no category 'copy/defaults'"},
        {{"copy=device"}, E_NOT_FOUND, "there is no category 'copy'"},
        {{"form=device", "network=device"},
         E_INVALID,
         "'network' is always shared: it can't be switched"},
        {{"form=both"}, E_INVALID, "'form' can be 'shared' or 'device', not 'both'"},
        {{"form=device", "form=shared"}, E_INVALID, "'form' is named twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit submit = sx_switch(fx, false, cases[i].changes);
        assert_int_equal(submit.code, cases[i].code);
        assert_string_equal(submit.text, cases[i].text);
        assert_int_equal(submit.seq, 0);
    }
    assert_int_equal(fx->change_count, 0); /* nothing of any */
}

/* Categories that lie within one are another matter. */
static void what_lies_within_is_excepted(void **state)
{
    struct fixture *fx = *state;
    sx_category(fx, "copy/default/papers", (struct category){.class = SHARING_OTHER});
    sx_category(fx, "copy/default/job",
                (struct category){.class = SHARING_PREVIOUS_SETTINGS, .has_flag = true});
    for (int i = 1; i <= 3; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "copy/default/%s",
                       i == 1   ? "x"
                       : i == 2 ? "papers/x"
                                : "job/x");
        assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", path, "v").code, 0);
    }
    fx_forget(fx);
    uint64_t seq = sx_switch_one(fx, false, "form=device");
    const char *fence = "@fence/shared/copy/default";
    assert_true(hides(fx, fence, OWNER_USER, "copy/default/x") < seq);
    assert_true(hides(fx, fence, OWNER_USER, "copy/default/x") > 0);
    assert_true(hides(fx, fence, OWNER_USER, "copy/default/job") > 0);
    assert_int_equal(hides(fx, fence, OWNER_USER, "copy/default/papers/x"), 0);
}

/* --- back again --- */

static const char *const to_device[] = {"copy/default=device", "form=device", NULL};

static void all_of_it_goes_back(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "copy/default", "1").code, 0);
    uint64_t seq = sx_switch(fx, false, to_device).seq;
    assert_int_equal(
        sx_write(fx, &a, 1, ann, (struct sx_item){.path = "copy/default", .value = "2"})->code, 0);
    fx_forget(fx);
    struct submit submit = sx_undo(fx, seq - 1); /* any of its changes names it */
    assert_int_equal(submit.code, 0);
    assert_string_equal(done(fx), "-fence/shared/copy/previous -fence/shared/copy/default "
                                  "-sharing/form -sharing/copy/default");
    assert_true(submit.seq > seq);
    /* The shared value is there again, and written to. */
    struct sx_item item = {.path = "copy/default", .value = "3", .has_if_seq = true};
    assert_int_equal(sx_write(fx, &a, 2, ann, item)->code, E_CONDITION);
    assert_int_equal(
        sx_write(fx, &a, 3, ann, (struct sx_item){.path = "copy/default", .value = "4"})->code, 0);
    assert_string_equal(fx_value(fx, ann, "copy/default"), "4");
}

/* Taking back that something was taken back does it again. */
static void back_and_forth(void **state)
{
    struct fixture *fx = *state;
    uint64_t first = sx_switch(fx, false, to_device).seq;
    uint64_t second = sx_switch_one(fx, false, "form=shared");
    uint64_t fence = seq_of(fx, "@fence/shared/copy/default");
    struct submit undone = sx_undo(fx, second);
    assert_int_equal(undone.code, 0);
    assert_int_equal(seq_of(fx, "@fence/device/form"), 0);
    assert_int_equal(seq_of(fx, "@fence/shared/copy/default"), fence); /* of the first */
    struct submit again = sx_undo(fx, undone.seq);
    assert_int_equal(again.code, 0);
    /* The fence stands where it stood, not at where it was put back. */
    uint64_t position = hides(fx, "@fence/device/form", OWNER_USER_DEVICE, "form");
    assert_true(position > first && position <= second);
    assert_true(seq_of(fx, "@fence/device/form") > undone.seq);
    assert_int_equal(sx_write(fx, &a, 1, ann, (struct sx_item){.path = "form", .value = "1"})->code,
                     0);
    assert_string_equal(fx_value(fx, ann, "form"), "1"); /* shared again */
}

/* What stood before the change stands again. */
static void the_fence_before_it_comes_back(void **state)
{
    struct fixture *fx = *state;
    uint64_t first = sx_switch(fx, false, to_device).seq;
    uint64_t second = sx_switch_one(fx, false, "home/timeline=device");
    assert_int_equal(sx_undo(fx, first).code, E_CONDITION); /* its fences were replaced */
    assert_non_null(strstr(fx_last(fx)->text, "how 'copy/previous' is initialised was changed "
                                              "again since"));
    assert_int_equal(sx_undo(fx, second).code, 0);
    assert_int_equal(seq_of(fx, "@sharing/home/timeline"), 0);
    assert_true(seq_of(fx, "@fence/shared/copy/default") > second);
    /* The first one's fences stand where it put them: one after the other, all goes back. */
    assert_int_equal(sx_undo(fx, first).code, 0);
    assert_int_equal(seq_of(fx, "@fence/shared/copy/default"), 0);
    assert_int_equal(seq_of(fx, "@sharing/copy/default"), 0);
}

static void what_was_changed_since_stays(void **state)
{
    struct fixture *fx = *state;
    uint64_t seq = sx_switch(fx, true, to_device).seq;
    (void)sx_switch_one(fx, true, "form=shared");
    fx_forget(fx);
    assert_int_equal(sx_undo(fx, seq).code, E_CONDITION);
    assert_int_equal(fx->change_count, 0);
    assert_true(seq_of(fx, "@sharing/copy/default") > 0);
}

static void what_can_not_be_taken_back(void **state)
{
    struct fixture *fx = *state;
    uint64_t other = fx_submit(fx, SUBMIT_WRITE, "fleet", "@default/x", "v").seq;
    assert_int_equal(sx_undo(fx, other).code, E_NOT_FOUND);
    assert_non_null(strstr(fx_last(fx)->text, "nothing of what is shared"));
    assert_int_equal(sx_undo(fx, 0).code, E_NOT_FOUND);
    assert_int_equal(sx_undo(fx, 1).code, E_NOT_FOUND);
    uint64_t row = seq_of(fx, "@category/copy/default");
    assert_true(row > 0); /* of the catalogue, which is nobody's to take back */
    assert_int_equal(sx_undo(fx, row).code, E_NOT_FOUND);
    struct submit submit = sx_undo(fx, other + 1000);
    assert_int_equal(submit.code, E_NOT_FOUND);
    assert_non_null(strstr(submit.text, "there is no change"));
    /* A category that was initialised by itself. */
    struct submit fence = {.kind = SUBMIT_FENCE, .category = SPAN_LITERAL("copy/default")};
    assert_int_equal(sx_undo(fx, sx_submit(fx, fence).seq).code, E_NOT_FOUND);
}

static void its_time_passes(void **state)
{
    struct fixture *fx = *state;
    fx_close(fx, true);
    fx->limits.undo_keep_ms = 5000;
    fx_open(fx);
    uint64_t first = sx_switch_one(fx, true, "form=device");
    fx->time.wall_ms += 5000;
    struct submit submit = sx_undo(fx, first);
    assert_int_equal(submit.code, 0);
    fx->time.wall_ms += 5001;
    submit = sx_undo(fx, submit.seq);
    assert_int_equal(submit.code, E_TOO_OLD);
    assert_string_equal(submit.text, "the time in which this could be taken back has passed");
}

/* What its fences hid is gone for good. */
static void what_was_cleared_does_not_come_back(void **state)
{
    struct fixture *fx = *state;
    uint64_t seq = sx_switch(fx, false, to_device).seq;
    struct fence cleared = {.from = seq_of(fx, "@fence/shared/copy/default"), .cleared = true};
    struct buf path;
    struct buf value;
    buf_init(&path, 512);
    buf_init(&value, 4096);
    assert_int_equal(fence_path(&path, FENCE_SHARED, span_str("copy/default")), 0);
    fence_put_value(&value, &cleared);
    sx_put(fx, &path, &value);
    assert_int_equal(sx_undo(fx, seq).code, E_TOO_OLD);
    buf_free(&path);
    buf_free(&value);
}

/* Whatever was planned before it in the same batch is in the journal by then. */
static void several_in_one_batch(void **state)
{
    struct fixture *fx = *state;
    struct operation_write write = {.path = SPAN_LITERAL("form"), .value = SPAN_LITERAL("device")};
    struct submit there = {
        .kind = SUBMIT_SHARING, .actor = "boss", .writes = &write, .write_count = 1};
    struct submit back = {.kind = SUBMIT_SHARING_UNDO, .actor = "boss"};
    struct journal_position head;
    journal_head(fx->journal, &head);
    back.undo_seq = head.seq + 1;
    assert_int_equal(committer_submit(fx->committer, &there, fx, 1), 0);
    assert_int_equal(committer_submit(fx->committer, &back, fx, 2), 0);
    sx_run(fx);
    assert_int_equal(fx->reply_count, 2);
    assert_int_equal(fx->replies[0].reply.code, 0);
    assert_int_equal(fx->replies[1].reply.code, 0);
    assert_int_equal(seq_of(fx, "@sharing/form"), 0);
}

/* Made at one seq: what was planned before it is judged by what was so, what comes behind it by
 * what is so. */
static void one_seq_for_everybody(void **state)
{
    struct fixture *fx = *state;
    struct operation_write write = {.path = SPAN_LITERAL("copy/default"),
                                    .value = SPAN_LITERAL("device")};
    struct submit there = {
        .kind = SUBMIT_SHARING, .actor = "boss", .writes = &write, .write_count = 1, .copy = true};
    struct sx_item item = {.path = "copy/default", .value = "1"};
    struct sx_item later = {.path = "copy/default", .value = "2"};
    sx_plan_write(fx, &a, 1, ann, 0, &item, 1);
    assert_int_equal(committer_submit(fx->committer, &there, fx, 1), 0);
    sx_plan_write(fx, &a, 2, ann, 0, &later, 1);
    sx_run(fx);
    assert_string_equal(fx_value(fx, ann, "copy/default"), "1");
    assert_string_equal(fx_value(fx, sx_own(fx, &a, "ann"), "copy/default"), "2");
}

/* A dry run is judged like the change itself, and leaves nothing behind. */
static void a_dry_run_judges_and_does_nothing(void **state)
{
    struct fixture *fx = *state;
    struct operation_write write = {.path = SPAN_LITERAL("copy/default"),
                                    .value = SPAN_LITERAL("device")};
    struct submit submit = {
        .kind = SUBMIT_SHARING, .writes = &write, .write_count = 1, .dry_run = true};
    struct submit done_dry = sx_submit(fx, submit);
    assert_int_equal(done_dry.code, 0);
    assert_int_equal(done_dry.seq, 0);
    assert_int_equal(fx->change_count, 0);
    assert_int_equal(seq_of(fx, "@sharing/copy/default"), 0);
    write.path = SPAN_LITERAL("nowhere");
    assert_int_equal(sx_submit(fx, submit).code, E_NOT_FOUND);
    uint64_t seq = sx_switch_one(fx, false, "copy/default=device");
    fx_forget(fx);
    submit = (struct submit){.kind = SUBMIT_SHARING_UNDO, .undo_seq = seq, .dry_run = true};
    assert_int_equal(sx_submit(fx, submit).code, 0);
    assert_int_equal(fx->change_count, 0);
    assert_true(seq_of(fx, "@sharing/copy/default") > 0);
    submit.undo_seq = 1;
    assert_int_equal(sx_submit(fx, submit).code, E_NOT_FOUND);
    assert_int_equal(sx_undo(fx, seq).code, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dry_run_judges_and_does_nothing),
        TEST(to_device_specific),
        TEST(to_shared),
        TEST(several_at_once),
        TEST(with_a_copy_nothing_is_initialised),
        TEST(nothing_to_change_is_no_change),
        TEST(what_can_not_be_switched),
        TEST(what_lies_within_is_excepted),
        TEST(all_of_it_goes_back),
        TEST(back_and_forth),
        TEST(the_fence_before_it_comes_back),
        TEST(what_was_changed_since_stays),
        TEST(what_can_not_be_taken_back),
        TEST(its_time_passes),
        TEST(what_was_cleared_does_not_come_back),
        TEST(several_in_one_batch),
        TEST(one_seq_for_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
