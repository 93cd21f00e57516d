/* Tests of admin/api/devices.c: seeing machines, removing them, join tokens. */
#include "tests/admin/api/ask.h"

static struct fake_backend fake;

static int open_fake(void **state)
{
    (void)state;
    fake_open(&fake);
    fake_machine(&fake, FAKE_DEVICE, "Lobby copier", "active");
    fake_machine(&fake, 2, "attic", "active");
    fake_machine(&fake, 3, "lobby kiosk", "removed");
    return 0;
}

static int close_fake(void **state)
{
    (void)state;
    fake_close(&fake);
    return 0;
}

/* The names of a list, joined by commas. */
static void names_of(const char *target, char *out, size_t room)
{
    struct answer answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    out[0] = '\0';
    for (size_t i = 0; i < rows_of(&answer, "devices"); i++) {
        size_t size = strlen(out);
        (void)snprintf(out + size, room - size, "%s%s", size > 0 ? "," : "",
                       row_text(&answer, "devices", i, "name"));
    }
    answer_free(&answer);
}

static void machines_are_listed_with_what_is_known(void **state)
{
    (void)state;
    uint64_t ann = fake_put(&fake, "user:ann", NULL, NULL);
    fake_sign_in(&fake, FAKE_DEVICE, ann);
    fake.live = (struct device_live){.device = FAKE_DEVICE,
                                     .connected = true,
                                     .last_seen_ms = 1700000001000,
                                     .seq = 2,
                                     .followed = 4,
                                     .waiting = 3,
                                     .address = "10.0.0.9",
                                     .software = "kitbag 0.2"};
    struct answer answer = ask(&fake, "GET", "/api/v1/devices", NULL);
    assert_int_equal(rows_of(&answer, "devices"), 2);
    assert_string_equal(row_text(&answer, "devices", 0, "name"), "attic");
    assert_true(json_is_false(row_at(&answer, "devices", 0, "connected")));
    assert_true(json_is_null(row_at(&answer, "devices", 0, "last_seen")));
    assert_true(json_is_null(row_at(&answer, "devices", 0, "lag")));
    assert_true(json_is_null(row_at(&answer, "devices", 0, "waiting")));
    assert_int_equal(json_integer_value(row_at(&answer, "devices", 1, "waiting")), 3);
    assert_string_equal(row_text(&answer, "devices", 0, "version"), "kitbag 0.1");
    assert_string_equal(row_text(&answer, "devices", 1, "id"), "0000000000001234");
    assert_string_equal(row_text(&answer, "devices", 1, "serial"), "SN-4660");
    assert_string_equal(row_text(&answer, "devices", 1, "model"), "Copier");
    assert_string_equal(row_text(&answer, "devices", 1, "state"), "active");
    assert_string_equal(row_text(&answer, "devices", 1, "joined"), "2020-09-13T12:26:40.000Z");
    assert_true(json_is_true(row_at(&answer, "devices", 1, "connected")));
    assert_string_equal(row_text(&answer, "devices", 1, "last_seen"), "2023-11-14T22:13:21.000Z");
    assert_string_equal(row_text(&answer, "devices", 1, "address"), "10.0.0.9");
    assert_string_equal(row_text(&answer, "devices", 1, "version"), "kitbag 0.2");
    assert_string_equal(row_text(&answer, "devices", 1, "cursor"), "2");
    struct journal_position head;
    journal_head(fake.backend.journal, &head);
    assert_int_equal(json_integer_value(row_at(&answer, "devices", 1, "lag")), head.seq - 2);
    assert_int_equal(json_integer_value(row_at(&answer, "devices", 1, "users")), 1);
    assert_int_equal(json_integer_value(row_at(&answer, "devices", 1, "followed")), 4);
    answer_free(&answer);
    char names[256];
    names_of("/api/v1/devices?state=connected", names, sizeof names);
    assert_string_equal(names, "Lobby copier");
    names_of("/api/v1/devices?state=away", names, sizeof names); /* removed ones are not awaited */
    assert_string_equal(names, "attic");
}

static void state_and_filter_and_pages_together(void **state)
{
    (void)state;
    char names[256];
    fake.live = (struct device_live){.device = FAKE_DEVICE, .connected = true};
    fake_machine(&fake, 0x10, "cellar", "active");
    fake_machine(&fake, 0x2000, "lobby printer", "active");
    names_of("/api/v1/devices?state=away", names, sizeof names);
    assert_string_equal(names, "attic,cellar,lobby printer");
    names_of("/api/v1/devices?state=away&filter=lobby", names, sizeof names);
    assert_string_equal(names, "lobby printer");
    names_of("/api/v1/devices?state=connected&filter=cellar", names, sizeof names);
    assert_string_equal(names, "");
    struct answer answer = ask(&fake, "GET", "/api/v1/devices?state=away&limit=2", NULL);
    assert_int_equal(rows_of(&answer, "devices"), 2);
    assert_string_equal(text_at(&answer, "next"), "0000000000000010");
    answer_free(&answer);
    names_of("/api/v1/devices?state=away&cursor=0000000000000010", names, sizeof names);
    assert_string_equal(names, "lobby printer");
    names_of("/api/v1/devices?state=diverged", names, sizeof names);
    assert_string_equal(names, "");
    fake.live = (struct device_live){.device = FAKE_DEVICE, .refused = E_DIVERGED};
    names_of("/api/v1/devices?state=diverged", names, sizeof names);
    assert_string_equal(names, "Lobby copier");
    fake.live = (struct device_live){.device = 3, .refused = E_DIVERGED}; /* a removed one */
    names_of("/api/v1/devices?state=diverged", names, sizeof names);
    assert_string_equal(names, "");
}

static void no_list_without_the_server(void **state)
{
    (void)state;
    static const char *const targets[] = {"/api/v1/devices", "/api/v1/devices?state=connected"};
    fake.closed = true;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct answer answer = ask(&fake, "GET", targets[i], NULL);
        expect_problem(&answer, 503, "closed", "the fake was told to fail");
    }
}

static void memory_runs_out(void **state)
{
    (void)state;
    ask_with_jansson();
    bool failed = true;
    for (ask_fails.nth = 1; failed; ask_fails.nth++) {
        struct answer answer = ask(&fake, "GET", "/api/v1/devices?state=away", NULL);
        failed = ask_fails.failed;
        assert_true(failed || answer.status == 200);
        answer_free(&answer);
    }
    assert_true(ask_fails.nth > 10);
    ask_fails.nth = 0;
}

static void filter_and_state_choose(void **state)
{
    (void)state;
    char names[256];
    names_of("/api/v1/devices?filter=LOBBY", names, sizeof names);
    assert_string_equal(names, "Lobby copier");
    names_of("/api/v1/devices?filter=lobby&state=all", names, sizeof names);
    assert_string_equal(names, "lobby kiosk,Lobby copier");
    names_of("/api/v1/devices?state=removed", names, sizeof names);
    assert_string_equal(names, "lobby kiosk");
    names_of("/api/v1/devices?filter=sn-4660", names, sizeof names);
    assert_string_equal(names, "Lobby copier");
    names_of("/api/v1/devices?filter=copier", names, sizeof names); /* the model too */
    assert_string_equal(names, "attic,Lobby copier");
    names_of("/api/v1/devices?filter=0001234", names, sizeof names);
    assert_string_equal(names, "Lobby copier");
    names_of("/api/v1/devices?filter=nothing", names, sizeof names);
    assert_string_equal(names, "");
}

static void a_list_has_pages(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "GET", "/api/v1/devices?limit=1", NULL);
    assert_string_equal(row_text(&answer, "devices", 0, "name"), "attic");
    assert_string_equal(text_at(&answer, "next"), "0000000000000002");
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/devices?limit=1&cursor=0000000000000002", NULL);
    assert_string_equal(row_text(&answer, "devices", 0, "name"), "Lobby copier");
    assert_null(json_object_get(answer.json, "next"));
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/devices?cursor=x", NULL);
    expect_problem(&answer, 400, "invalid",
                   "'cursor' is not what an earlier answer gave as 'next'");
    answer = ask(&fake, "GET", "/api/v1/devices?state=x", NULL);
    expect_problem(&answer, 400, "invalid",
                   "'state' is active, connected, away, diverged, removed or all, not 'x'");
}

static void a_removed_machine_stays_known_as_removed(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "POST", "/api/v1/devices/delete",
                               "{\"ids\":[\"0000000000001234\"],\"dry_run\":true}");
    assert_int_equal(number_at(&answer, "devices"), 1);
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    assert_true(json_is_true(json_object_get(answer.json, "dry_run")));
    answer_free(&answer);
    char names[256];
    names_of("/api/v1/devices", names, sizeof names);
    assert_string_equal(names, "attic,Lobby copier");
    struct journal_position before;
    journal_head(fake.backend.journal, &before);
    answer = ask(&fake, "POST", "/api/v1/devices/delete", "{\"ids\":[\"0000000000001234\"]}");
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "devices"), 1);
    assert_int_equal(strtoull(text_at(&answer, "seq"), NULL, 10), before.seq + 1);
    answer_free(&answer);
    names_of("/api/v1/devices?state=removed", names, sizeof names);
    assert_string_equal(names, "lobby kiosk,Lobby copier");
    answer = ask(&fake, "GET", "/api/v1/devices?state=removed&filter=1234", NULL);
    assert_string_equal(row_text(&answer, "devices", 0, "serial"), "SN-4660"); /* all else stays */
    answer_free(&answer);
}

static void machines_that_are_not_there_are_told(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "POST", "/api/v1/devices/delete",
                               "{\"ids\":[\"0000000000000003\",\"x\",\"0000000000000002\","
                               "\"0000000000000099\",\"0000000000000002\"]}");
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "devices"), 1);
    json_t *wanted = json_pack("[s, s, s, s]", "0000000000000003", "x", "0000000000000099",
                               "0000000000000002"); /* the second time it is gone */
    assert_true(json_equal(json_object_get(answer.json, "missing"), wanted));
    json_decref(wanted);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/devices/delete", "{\"ids\":[\"x\"]}");
    assert_int_equal(rows_of(&answer, "missing"), 1);
    expect_problem(&answer, 404, "not_found", "no registered machine has this id");
    answer = ask(&fake, "POST", "/api/v1/devices/delete", "{\"ids\":[]}");
    expect_problem(&answer, 400, "invalid", "'ids' names no machine");
    answer = ask(&fake, "POST", "/api/v1/devices/delete", "{\"ids\":[7]}");
    expect_problem(&answer, 400, "invalid", "'ids' is an array of at most 10000 texts");
    answer = ask(&fake, "POST", "/api/v1/devices/delete", "{\"ids\":[\"a\\u0000b\"]}");
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
}

static void refusals_are_told_of_their_machine(void **state)
{
    (void)state;
    (void)fake_put(&fake, "server", "device/0000000000000008", "no JSON");
    fake.refuse_code = E_READ_ONLY;
    struct answer answer = ask(&fake, "POST", "/api/v1/devices/delete",
                               "{\"ids\":[\"0000000000000002\",\"0000000000000008\"]}");
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "devices"), 0);
    assert_string_equal(row_text(&answer, "failed", 0, "id"), "0000000000000002");
    assert_string_equal(row_text(&answer, "failed", 0, "code"), "read_only");
    assert_string_equal(row_text(&answer, "failed", 1, "code"), "corrupt");
    answer_free(&answer);
    fake.refuse_code = E_CONDITION; /* it changed again and again */
    uint64_t before = fake.submits;
    answer = ask(&fake, "POST", "/api/v1/devices/delete", "{\"ids\":[\"0000000000000002\"]}");
    assert_string_equal(row_text(&answer, "failed", 0, "code"), "condition_failed");
    assert_int_equal(fake.submits - before, 5);
    answer_free(&answer);
    fake.refuse_code = 0;
    fake.fail_code = E_CLOSED;
    answer = ask(&fake, "POST", "/api/v1/devices/delete", "{\"ids\":[\"0000000000000002\"]}");
    expect_problem(&answer, 503, "closed", "the fake was told to fail");
}

static void join_again(struct fake_backend *server)
{
    (void)fake_put(server, "server", "device/0000000000000002",
                   "{\"name\":\"attic\",\"serial\":\"new\",\"state\":\"active\"}");
}

/* Its item changes between the look and the write: what was written meanwhile stays. */
static void a_machine_that_changes_meanwhile_is_removed_as_it_is(void **state)
{
    (void)state;
    fake.meanwhile = join_again;
    struct answer answer =
        ask(&fake, "POST", "/api/v1/devices/delete", "{\"ids\":[\"0000000000000002\"]}");
    assert_int_equal(number_at(&answer, "devices"), 1);
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/devices?state=removed&filter=attic", NULL);
    assert_string_equal(row_text(&answer, "devices", 0, "serial"), "new");
    answer_free(&answer);
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAKE(machines_are_listed_with_what_is_known),
        WITH_FAKE(filter_and_state_choose),
        WITH_FAKE(state_and_filter_and_pages_together),
        WITH_FAKE(no_list_without_the_server),
        WITH_FAKE(memory_runs_out),
        WITH_FAKE(a_list_has_pages),
        WITH_FAKE(a_removed_machine_stays_known_as_removed),
        WITH_FAKE(machines_that_are_not_there_are_told),
        WITH_FAKE(refusals_are_told_of_their_machine),
        WITH_FAKE(a_machine_that_changes_meanwhile_is_removed_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
