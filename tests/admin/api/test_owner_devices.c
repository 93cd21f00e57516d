/* Tests of admin/api/owner_devices.c: which machines hold a user, a group. */
#include "tests/admin/api/ask.h"

static struct fake_backend fake;

static int open_fake(void **state)
{
    (void)state;
    fake_open(&fake);
    uint64_t ann = fake_put(&fake, "user:Ann", "a", "1");
    uint64_t bob = fake_put(&fake, "user:bob", "@group/sales", "Sales");
    (void)fake_put(&fake, "group:Sales", "g", "1");
    (void)fake_put(&fake, "group:empty", "g", "1");
    fake_machine(&fake, 2, "lobby", "active");
    fake_machine(&fake, 3, "attic", "active");
    fake_machine(&fake, 4, "cellar", "active");
    fake_machine(&fake, 5, "old", "removed");
    fake_sign_in(&fake, 2, ann);
    fake_sign_in(&fake, 3, ann);
    fake_sign_in(&fake, 3, bob);
    fake_sign_in(&fake, 5, ann);
    return 0;
}

static int close_fake(void **state)
{
    (void)state;
    fake_close(&fake);
    return 0;
}

#define HELD_TEST(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

static void give_keep(const char *keep)
{
    char value[256];
    (void)snprintf(value, sizeof value,
                   "{\"name\":\"cellar\",\"serial\":\"SN-4\",\"keep\":\"%s\",\"joined_ms\":1,"
                   "\"state\":\"active\"}",
                   keep);
    (void)fake_put(&fake, "server", "device/0000000000000004", value);
}

/* `names`: those of the machines, in order. */
static void expect_held(const char *owner, const char *names)
{
    char target[128];
    char have[256] = "";
    (void)snprintf(target, sizeof target, "/api/v1/owners/%s/devices", owner);
    struct answer answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    for (size_t i = 0; i < rows_of(&answer, "devices"); i++) {
        size_t size = strlen(have);
        (void)snprintf(have + size, sizeof have - size, "%s%s:%s", i > 0 ? " " : "",
                       row_text(&answer, "devices", i, "name"),
                       row_text(&answer, "devices", i, "why"));
    }
    assert_string_equal(have, names);
    assert_null(json_object_get(answer.json, "next"));
    answer_free(&answer);
}

static void a_user_is_where_they_are_signed_in(void **state)
{
    (void)state;
    expect_held("user/ANN", "lobby:signed-in attic:signed-in");
    expect_held("user/bob", "attic:signed-in");
    give_keep("groups");
    expect_held("user/bob", "attic:signed-in");
    give_keep("everybody");
    expect_held("user/bob", "attic:signed-in cellar:keep");
}

static void a_group_is_where_its_members_are(void **state)
{
    (void)state;
    expect_held("group/sales", "attic:signed-in");
    expect_held("group/empty", "");
    give_keep("groups");
    expect_held("group/empty", "cellar:keep");
    give_keep("everybody");
    expect_held("group/sales", "attic:signed-in cellar:keep");
}

static void a_machine_is_told_with_its_times(void **state)
{
    (void)state;
    fake.live = (struct device_live){.device = 2, .connected = true, .last_seen_ms = 1700000000000};
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/devices", NULL);
    assert_string_equal(text_at(&answer, "name"), "Ann");
    assert_string_equal(row_text(&answer, "devices", 0, "id"), "0000000000000002");
    assert_string_equal(row_text(&answer, "devices", 0, "serial"), "SN-2");
    assert_true(json_is_true(row_at(&answer, "devices", 0, "connected")));
    assert_string_equal(row_text(&answer, "devices", 0, "last_seen"), "2023-11-14T22:13:20.000Z");
    assert_string_equal(row_text(&answer, "devices", 0, "since"), "2023-11-14T22:13:33.000Z");
    assert_true(json_is_false(row_at(&answer, "devices", 1, "connected")));
    assert_true(json_is_null(row_at(&answer, "devices", 1, "last_seen")));
    answer_free(&answer);
}

static void pages_follow_one_another(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/devices?limit=1", NULL);
    assert_int_equal(rows_of(&answer, "devices"), 1);
    assert_string_equal(text_at(&answer, "next"), "0000000000000002");
    answer_free(&answer);
    answer =
        ask(&fake, "GET", "/api/v1/owners/user/ann/devices?limit=1&cursor=0000000000000002", NULL);
    assert_string_equal(row_text(&answer, "devices", 0, "name"), "attic");
    assert_null(json_object_get(answer.json, "next"));
    answer_free(&answer);
}

static void a_bad_question_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        int status;
        const char *code, *detail;
    } cases[] = {
        {"/api/v1/owners/user/eve/devices", 404, "not_found", "there is no user 'eve'"},
        {"/api/v1/owners/group/ann/devices", 404, "not_found", "there is no group 'ann'"},
        {"/api/v1/owners/fleet/ann/devices", 400, "invalid",
         "an owner's kind is user or group, not 'fleet'"},
        {"/api/v1/owners/user/ann/devices?cursor=lobby", 400, "invalid",
         "'cursor' is not what an earlier answer gave as 'next'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = ask(&fake, "GET", cases[i].target, NULL);
        expect_problem(&answer, cases[i].status, cases[i].code, cases[i].detail);
    }
}

static void memory_runs_out(void **state)
{
    (void)state;
    ask_with_jansson();
    bool failed = true;
    for (ask_fails.nth = 1; failed; ask_fails.nth++) {
        struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/devices", NULL);
        failed = ask_fails.failed;
        assert_true(failed || answer.status == 200);
        answer_free(&answer);
    }
    assert_true(ask_fails.nth > 10);
    ask_fails.nth = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HELD_TEST(a_user_is_where_they_are_signed_in), HELD_TEST(a_group_is_where_its_members_are),
        HELD_TEST(a_machine_is_told_with_its_times),   HELD_TEST(pages_follow_one_another),
        HELD_TEST(a_bad_question_is_refused),          HELD_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
