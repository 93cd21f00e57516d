/* Tests of admin/sharing_preview.c: what a change would do, counted item by item. */
#include "admin/sharing_preview.h"
#include "tests/admin/fake_fixture.h"
#include "tests/admin/sharing_samples.h"

static atomic_bool given_up;

/* Ann is signed in at machines 1 and 2, Bob at 2. */
static void make_people(void)
{
    uint64_t ann = fake_put(&fake, "user:ann", "copy/default", "1");
    (void)fake_put(&fake, "user:ann", "copy/default/paper", "2");
    (void)fake_put(&fake, "user:ann", "copy/previous", "3");
    (void)fake_put(&fake, "user:ann", "language", "en");
    (void)fake_put(&fake, "user:ann", "unknown/thing", "4");
    uint64_t bob = fake_put(&fake, "user:bob", "copy/previous", "5");
    (void)fake_put(&fake, "user:bob", "home/timeline/1", "6");
    (void)fake_put(&fake, "group:sales", "copy/default", "7");
    fake_machine(&fake, 1, "one", "active");
    fake_machine(&fake, 2, "two", "active");
    fake_sign_in(&fake, 1, ann);
    fake_sign_in(&fake, 2, ann);
    fake_sign_in(&fake, 2, bob);
}

/* Of each touched category a line: "PATH S D users devices items returning". */
static const char *count(struct admin_sharing_preview *preview)
{
    static char text[2048];
    text[0] = '\0';
    assert_int_equal(admin_sharing_preview_count(preview, NULL), 0);
    for (size_t i = 0; i < preview->count; i++) {
        const struct admin_sharing_row *row = &preview->rows[i];
        size_t size = strlen(text);
        if (admin_sharing_row_touched(row)) {
            (void)snprintf(text + size, sizeof text - size, "%s%s %s%s%s%s %d %d %d %d\n",
                           row->switched ? "*" : "", row->before->path,
                           row->initialised[FENCE_SHARED] ? "S" : "",
                           row->initialised[FENCE_DEVICE] ? "D" : "",
                           row->lifted[FENCE_SHARED] ? "s" : "",
                           row->lifted[FENCE_DEVICE] ? "d" : "", (int)row->users,
                           (int)row->device_count, (int)row->items, (int)row->returning);
        }
    }
    return text;
}

static const char *preview_switch(const char *path, const char *to, bool copy)
{
    struct admin_sharing_preview preview = {0};
    struct kv_view *view = NULL;
    struct operation_write write = {.path = span_str(path), .value = span_str(to)};
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    assert_int_equal(admin_sharing_preview_open(&preview, fake.backend.kv, view, &given_up, NULL),
                     0);
    assert_int_equal(admin_sharing_preview_switch(&preview, &write, 1, copy, NULL), 0);
    const char *text = count(&preview);
    admin_sharing_preview_close(&preview);
    kv_view_free(&view);
    return text;
}

static int take_back(struct admin_sharing_preview *preview, uint64_t seq)
{
    struct past *past = NULL;
    struct change change = {0};
    assert_int_equal(past_open(&past, fake.backend.journal, seq, NULL), 0);
    int rc = 0;
    for (bool last = false; rc == 0 && !last; seq--) {
        past_seek(past, seq);
        assert_int_equal(past_next(past, &change, NULL), 0);
        rc = admin_sharing_preview_undo(preview, &change, NULL);
        past_seek(past, seq - 1);
        last = past_next(past, &change, NULL) != 0 || change.set_left == 0;
    }
    past_close(&past);
    return rc;
}

static const char *preview_undo(uint64_t seq)
{
    struct admin_sharing_preview preview = {0};
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    assert_int_equal(admin_sharing_preview_open(&preview, fake.backend.kv, view, &given_up, NULL),
                     0);
    assert_int_equal(take_back(&preview, seq), 0);
    const char *text = count(&preview);
    admin_sharing_preview_close(&preview);
    kv_view_free(&view);
    return text;
}

static uint64_t do_switch(const char *path, const char *to, bool copy)
{
    struct operation_write write = {.path = span_str(path), .value = span_str(to)};
    struct submit submit = {
        .kind = SUBMIT_SHARING, .actor = "admin", .writes = &write, .write_count = 1, .copy = copy};
    assert_int_equal(fake_submit(&fake, &submit, 1, NULL), 0);
    assert_int_equal(submit.code, 0);
    assert_true(submit.seq > 0);
    return submit.seq;
}

static void to_device_specific(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    make_people();
    assert_string_equal(preview_switch("copy/default", "device", false),
                        "*copy/default S 1 2 2 0\n"
                        "copy/previous S 2 2 2 0\n");
    /* What is not initialised is left behind where it is: no machine reads it any more. */
    assert_string_equal(preview_switch("home/timeline", "device", false),
                        "copy/default S 1 2 2 0\n"
                        "copy/previous S 2 2 2 0\n"
                        "*home/timeline  1 1 1 0\n");
    /* With a copy everybody goes on with what they have. */
    assert_string_equal(preview_switch("copy/default", "device", true), "*copy/default  0 0 0 0\n");
}

static void to_shared(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    make_people();
    (void)do_switch("copy/default", "device", true);
    (void)fake_put(&fake, "user:ann/device:0000000000000001", "copy/default", "own");
    (void)fake_put(&fake, "user:bob/device:0000000000000002", "copy/default", "own");
    (void)fake_put(&fake, "user:bob/device:0000000000000003", "copy/default/a", "own");
    (void)fake_put(&fake, "user:ann", "copy/default/late", "seen by nobody yet");
    (void)fake_put(&fake, "user:bob", "home/shared-buttons", "8");
    assert_string_equal(preview_switch("copy/default", "shared", false),
                        "*copy/default D 2 3 3 1\n"
                        "copy/previous D 0 0 0 0\n"
                        "home/shared-buttons SD 1 1 1 0\n"
                        "home/timeline D 0 0 0 0\n"
                        "pins D 0 0 0 0\n");
    assert_string_equal(preview_switch("copy/default", "shared", true), "*copy/default  2 3 3 1\n");
}

static void what_is_so_already_changes_nothing(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    make_people();
    assert_string_equal(preview_switch("copy/default", "shared", false), "");
    assert_string_equal(preview_switch("language", "device", false), "");
    assert_string_equal(preview_switch("nowhere", "device", false), "");
}

static void an_undo_brings_back(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    make_people();
    uint64_t seq = do_switch("copy/default", "device", false);
    (void)fake_put(&fake, "user:bob/device:0000000000000002", "copy/default", "own");
    assert_string_equal(preview_undo(seq), "*copy/default s 2 2 1 2\n"
                                           "copy/previous s 2 2 0 2\n");
    (void)fake_put(&fake, "user:bob", "copy/previous", "new");
    assert_string_equal(preview_undo(seq), "*copy/default s 2 2 1 2\n"
                                           "copy/previous s 1 2 0 1\n");
}

/* What a fence hid already is not initialised once more. */
static void fences_that_stand_are_minded(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    make_people();
    (void)fake_fence_up(&fake, "copy");
    assert_string_equal(preview_switch("copy/default", "device", false),
                        "*copy/default S 0 0 0 0\n"
                        "copy/previous S 0 0 0 0\n");
    (void)fake_put(&fake, "user:ann", "copy/default", "new");
    assert_string_equal(preview_switch("copy/default", "device", false),
                        "*copy/default S 1 2 1 0\n"
                        "copy/previous S 0 0 0 0\n");
}

static void without_a_fleet_or_a_listener(void **state)
{
    (void)state;
    assert_string_equal(preview_switch("copy/default", "device", false), "");
    sample_catalogue(&fake);
    make_people();
    struct admin_sharing_preview preview = {0};
    struct kv_view *view = NULL;
    struct operation_write write = {.path = SPAN_LITERAL("copy/default"),
                                    .value = SPAN_LITERAL("device")};
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    assert_int_equal(admin_sharing_preview_open(&preview, fake.backend.kv, view, &given_up, NULL),
                     0);
    assert_int_equal(admin_sharing_preview_switch(&preview, &write, 1, false, NULL), 0);
    atomic_store(&given_up, true);
    assert_int_equal(admin_sharing_preview_count(&preview, NULL), E_CLOSED);
    atomic_store(&given_up, false);
    admin_sharing_preview_close(&preview);
    kv_view_free(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(to_device_specific),
        FAKE_TEST(to_shared),
        FAKE_TEST(what_is_so_already_changes_nothing),
        FAKE_TEST(an_undo_brings_back),
        FAKE_TEST(fences_that_stand_are_minded),
        FAKE_TEST(without_a_fleet_or_a_listener),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
