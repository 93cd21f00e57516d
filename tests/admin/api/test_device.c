/* Tests of admin/api/device.c: one machine, its name and its rights. */
#include "tests/admin/api/api_fixture.h"

static const char lobby[] = "/api/v1/devices/0000000000001234";

static void one_machine_is_shown(void **state)
{
    (void)state;
    fake_machine(&fake, FAKE_DEVICE, "lobby", "active");
    fake_machine(&fake, 7, "other", "active");
    fake.live = (struct device_live){.device = FAKE_DEVICE,
                                     .connected = true,
                                     .last_seen_ms = 1700000000000,
                                     .seq = 3,
                                     .followed = 4,
                                     .current_seq = 2,
                                     .mirror_seq = 1,
                                     .healed = 5,
                                     .verified_ms = 1700000001000,
                                     .refused = E_DIVERGED};
    struct answer answer = ask(&fake, "GET", lobby, NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "name"), "lobby");
    assert_string_equal(text_at(&answer, "state"), "diverged");
    assert_string_equal(text_at(&answer, "refused"), "diverged");
    assert_string_equal(text_at(&answer, "refused_text"), err_meaning(E_DIVERGED));
    assert_string_equal(text_at(&answer, "keep"), "signed-in");
    assert_true(json_is_false(json_object_get(answer.json, "mirror")));
    assert_string_equal(text_at(&answer, "cursor"), "3");
    assert_string_equal(text_at(&answer, "current_seq"), "2");
    assert_string_equal(text_at(&answer, "mirror_seq"), "1");
    assert_int_equal(number_at(&answer, "healed"), 5);
    assert_int_equal(number_at(&answer, "followed"), 4);
    assert_string_equal(text_at(&answer, "verified"), "2023-11-14T22:13:21.000Z");
    answer_free(&answer);
    refused("GET", "/api/v1/devices/0000000000000008", NULL, 404, "not_found",
            "no registered machine has the ID 0000000000000008");
    answer = ask(&fake, "GET", "/api/v1/devices/lobby", NULL);
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
}

static void diverged_machines_are_found(void **state)
{
    (void)state;
    fake_machine(&fake, FAKE_DEVICE, "lobby", "active");
    fake_machine(&fake, 7, "other", "active");
    fake_machine(&fake, 8, "gone", "removed");
    fake.live = (struct device_live){.device = FAKE_DEVICE, .refused = E_DIVERGED};
    static const struct {
        const char *state;
        size_t rows;
    } rows[] = {{"active", 2},   {"away", 2},    {"connected", 0},
                {"diverged", 1}, {"removed", 1}, {"all", 3}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char target[64];
        (void)snprintf(target, sizeof target, "/api/v1/devices?state=%s", rows[i].state);
        struct answer answer = ask(&fake, "GET", target, NULL);
        assert_int_equal(rows_of(&answer, "devices"), rows[i].rows);
        answer_free(&answer);
    }
}

static void rights_and_names_are_given(void **state)
{
    (void)state;
    fake_machine(&fake, FAKE_DEVICE, "lobby", "active");
    uint64_t head = fake_head(&fake);
    struct answer answer =
        ask(&fake, "PATCH", lobby, "{\"keep\":\"everybody\",\"mirror\":true,\"dry_run\":true}");
    assert_string_equal(text_at(&answer, "keep"), "everybody");
    assert_true(json_is_true(json_object_get(answer.json, "changed")));
    assert_int_equal(fake_head(&fake), head);
    answer_free(&answer);
    answer = ask(&fake, "PATCH", lobby, "{\"keep\":\"everybody\",\"mirror\":true,\"name\":\"x\"}");
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "seq"), "5");
    answer_free(&answer);
    answer = ask(&fake, "GET", lobby, NULL);
    assert_string_equal(text_at(&answer, "name"), "x");
    assert_string_equal(text_at(&answer, "keep"), "everybody");
    assert_true(json_is_true(json_object_get(answer.json, "mirror")));
    assert_string_equal(text_at(&answer, "serial"), "SN-4660"); /* the rest stays */
    answer_free(&answer);
    answer = ask(&fake, "PATCH", lobby, "{\"name\":\"x\"}");
    assert_true(json_is_false(json_object_get(answer.json, "changed")));
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    answer_free(&answer);
}

static void rights_are_an_administrator_s_to_give(void **state)
{
    (void)state;
    fake_machine(&fake, FAKE_DEVICE, "lobby", "active");
    static const struct admin_identity operator= {.actor = "olga", .role = ADMIN_ROLE_OPERATOR};
    ask_as.who = &operator;
    static const char *const bodies[] = {"{\"keep\":\"everybody\"}",
                                         "{\"mirror\":true,\"name\":\"x\"}", "{\"mirror\":false}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        refused("PATCH", lobby, bodies[i], 403, "not_allowed",
                "what a machine may keep or mirror is changed with the role admin");
    }
    struct answer answer = ask(&fake, "PATCH", lobby, "{\"name\":\"x\"}");
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    ask_as.who = NULL;
    answer = ask(&fake, "GET", lobby, NULL);
    assert_string_equal(text_at(&answer, "name"), "x");
    assert_true(json_is_false(json_object_get(answer.json, "mirror")));
    answer_free(&answer);
}

/* What a record does not tell is what it is when it says no. */
static void a_right_that_was_never_given_is_not_taken(void **state)
{
    (void)state;
    fake_machine(&fake, FAKE_DEVICE, "lobby", "active");
    struct answer answer = ask(&fake, "PATCH", lobby, "{\"keep\":\"signed-in\",\"mirror\":false}");
    assert_true(json_is_false(json_object_get(answer.json, "changed")));
    answer_free(&answer);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    fake_machine(&fake, FAKE_DEVICE, "lobby", "active");
    fake_machine(&fake, 8, "gone", "removed");
    refused("PATCH", lobby, "{}", 400, "invalid",
            "nothing is to be changed: give name, keep or mirror");
    refused("PATCH", lobby, "{\"keep\":\"all\"}", 400, "invalid",
            "'keep' is signed-in, groups or everybody");
    refused("PATCH", lobby, "{\"mirror\":\"yes\"}", 400, "invalid", "'mirror' is true or false");
    refused("PATCH", lobby, "{\"name\":\"\"}", 400, "invalid",
            "'name' is a text of 1 to 255 bytes without control characters");
    refused("PATCH", lobby, "{\"name\":\"a\\nb\"}", 400, "invalid",
            "'name' is a text of 1 to 255 bytes without control characters");
    refused("PATCH", "/api/v1/devices/0000000000000008", "{\"name\":\"y\"}", 412,
            "condition_failed", "machine 0000000000000008 was removed: it has to join again first");
    refused("PATCH", "/api/v1/devices/0000000000000009", "{\"name\":\"y\"}", 404, "not_found",
            "no registered machine has the ID 0000000000000009");
    (void)fake_put(&fake, "server", "device/0000000000000009", "nonsense");
    refused("PATCH", "/api/v1/devices/0000000000000009", "{\"name\":\"y\"}", 500, "corrupt",
            "what the server knows of machine 0000000000000009 can't be read");
}

static void join_again(struct fake_backend *backend)
{
    fake_machine(backend, FAKE_DEVICE, "joined again", "active");
}

static void a_machine_that_changes_meanwhile_is_looked_at_again(void **state)
{
    (void)state;
    fake_machine(&fake, FAKE_DEVICE, "lobby", "active");
    fake.meanwhile = join_again;
    struct answer answer = ask(&fake, "PATCH", lobby, "{\"mirror\":true}");
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "name"), "joined again");
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(one_machine_is_shown),
        API_TEST(diverged_machines_are_found),
        API_TEST(rights_and_names_are_given),
        API_TEST(rights_are_an_administrator_s_to_give),
        API_TEST(a_right_that_was_never_given_is_not_taken),
        API_TEST(nonsense_is_refused),
        API_TEST(a_machine_that_changes_meanwhile_is_looked_at_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
