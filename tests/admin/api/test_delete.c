/* Tests of admin/api/delete.c: what is counted, what is deleted, what is told. */
#include "tests/admin/api/ask.h"

static struct fake_backend fake;

static int open_fake(void **state)
{
    (void)state;
    fake_open(&fake);
    uint64_t ann = fake_put(&fake, "user:Ann", "a", "12345");
    (void)fake_put(&fake, "user:ann", "b", "1");
    (void)fake_put(&fake, "user:ann/device:0000000000000002", "c", "123");
    uint64_t bob = fake_put(&fake, "user:bob", "@group/sales", "Sales");
    uint64_t eve = fake_put(&fake, "user:eve", NULL, NULL);
    (void)fake_put(&fake, "group:Sales", "g", "1");
    fake_machine(&fake, 2, "lobby", "active");
    fake_machine(&fake, 3, "attic", "active");
    fake_machine(&fake, 4, "cellar", "active");
    fake_machine(&fake, 5, "old", "removed");
    fake_sign_in(&fake, 2, ann);
    fake_sign_in(&fake, 2, eve);
    fake_sign_in(&fake, 3, bob);
    fake_sign_in(&fake, 4, eve);
    fake_sign_in(&fake, 5, ann);
    return 0;
}

static int close_fake(void **state)
{
    (void)state;
    fake_close(&fake);
    return 0;
}

static void expect_counts(struct answer *answer, int users, int groups, int items, int bytes,
                          int devices)
{
    assert_int_equal(answer->status, 200);
    assert_int_equal(number_at(answer, "users"), users);
    assert_int_equal(number_at(answer, "groups"), groups);
    assert_int_equal(number_at(answer, "items"), items);
    assert_int_equal(number_at(answer, "bytes"), bytes);
    assert_int_equal(number_at(answer, "devices"), devices);
}

static bool is_there(const char *target)
{
    struct answer answer = ask(&fake, "GET", target, NULL);
    answer_free(&answer);
    return answer.status == 200;
}

static void a_preview_counts_and_changes_nothing(void **state)
{
    (void)state;
    uint64_t before = fake.submits;
    struct answer answer = ask(&fake, "POST", "/api/v1/owners/delete",
                               "{\"users\":[\"ANN\",\"ann\",\"bob\"],\"dry_run\":true}");
    expect_counts(&answer, 2, 0, 4, 6 + 2 + 4 + 17, 2);
    assert_true(json_is_null(json_object_get(answer.json, "seq")));
    answer_free(&answer);
    assert_int_equal(fake.submits, before);
    assert_true(is_there("/api/v1/owners/user/ann"));
}

/* The machines that hold it are named, and the wish goes with the deletion. */
static void the_next_machine_s_copy(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "POST", "/api/v1/owners/delete",
                               "{\"users\":[\"ann\"],\"adopt\":true,\"dry_run\":true}");
    assert_int_equal(answer.status, 200);
    size_t suppliers = rows_of(&answer, "suppliers");
    assert_true(suppliers > 0 && suppliers == (size_t)number_at(&answer, "devices"));
    assert_int_equal(strlen(row_text(&answer, "suppliers", 0, "id")), 16);
    assert_true(json_is_false(row_at(&answer, "suppliers", 0, "connected")));
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/owners/delete", "{\"users\":[\"ann\"],\"adopt\":true}");
    assert_int_equal(answer.status, 200);
    assert_true(fake.adopted);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/owners/delete", "{\"users\":[\"bob\"]}");
    assert_false(fake.adopted);
    assert_null(json_object_get(answer.json, "suppliers"));
    answer_free(&answer);
}

static void users_and_groups_are_deleted(void **state)
{
    (void)state;
    struct answer answer =
        ask(&fake, "POST", "/api/v1/owners/delete", "{\"users\":[\"ann\"],\"groups\":[\"SALES\"]}");
    expect_counts(&answer, 1, 1, 4, 6 + 2 + 4 + 2, 2);
    struct journal_position head;
    journal_head(fake.backend.journal, &head);
    assert_int_equal(strtoull(text_at(&answer, "seq"), NULL, 10), head.seq);
    assert_int_equal(rows_of(&answer, "missing"), 0);
    assert_int_equal(rows_of(&answer, "failed"), 0);
    assert_string_equal(answer.about, "{\"users\":[\"Ann\"],\"groups\":[\"Sales\"],\"count\":2,"
                                      "\"item_count\":4,\"adopt\":false}");
    answer_free(&answer);
    assert_false(is_there("/api/v1/owners/user/ann"));
    assert_false(is_there("/api/v1/owners/group/sales"));
    assert_true(is_there("/api/v1/owners/user/bob"));
}

/* A group lives on the machines of its members. */
static void machines_that_hold_a_group_are_counted(void **state)
{
    (void)state;
    struct answer answer =
        ask(&fake, "POST", "/api/v1/owners/delete", "{\"groups\":[\"sales\"],\"dry_run\":true}");
    expect_counts(&answer, 0, 1, 1, 2, 1);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/owners/delete",
                 "{\"users\":[\"eve\"],\"groups\":[\"sales\"],\"dry_run\":true}");
    expect_counts(&answer, 1, 1, 1, 2, 3);
    answer_free(&answer);
}

static void names_that_are_not_there_are_told(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "POST", "/api/v1/owners/delete",
                               "{\"users\":[\"ann\",\"Nobody\",\"a/b\"],\"groups\":[\"bob\"]}");
    expect_counts(&answer, 1, 0, 3, 12, 1);
    json_t *wanted = json_pack("[s, s]", "Nobody", "bob");
    assert_true(json_equal(json_object_get(answer.json, "missing"), wanted));
    json_decref(wanted);
    assert_string_equal(row_text(&answer, "failed", 0, "name"), "a/b");
    assert_string_equal(row_text(&answer, "failed", 0, "kind"), "user");
    assert_string_equal(row_text(&answer, "failed", 0, "code"), "name");
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/owners/delete", "{\"users\":[\"x\"]}");
    expect_problem(&answer, 404, "not_found", "nobody of this name is registered");
    answer = ask(&fake, "POST", "/api/v1/owners/delete", "{\"users\":[\"x\",\"y\"]}");
    expect_problem(&answer, 404, "not_found", "nobody of these names is registered");
}

static void bad_requests_delete_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *body, *detail;
    } rows[] = {
        {"", "neither 'users' nor 'groups' names anybody"},
        {"{\"users\":[]}", "neither 'users' nor 'groups' names anybody"},
        {"{\"users\":\"ann\"}", "'users' is an array of at most 10000 texts"},
        {"{\"users\":[\"ann\"],\"groups\":[1]}", "'groups' is an array of at most 10000 texts"},
        {"{\"users\":[\"ann\"],\"dry_run\":1}", "'dry_run' is true or false"},
        {"{\"users\":[\"ann\"],\"dryRun\":true}",
         "the body has a member 'dryRun', which is none of: users groups adopt dry_run"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer answer = ask(&fake, "POST", "/api/v1/owners/delete", rows[i].body);
        expect_problem(&answer, 400, "invalid", rows[i].detail);
    }
    assert_true(is_there("/api/v1/owners/user/ann"));
}

static void refusals_are_told_of_their_owner(void **state)
{
    (void)state;
    fake.refuse_code = E_READ_ONLY;
    fake.refuse_owner = "bob";
    struct answer answer =
        ask(&fake, "POST", "/api/v1/owners/delete", "{\"users\":[\"ann\",\"bob\"]}");
    expect_counts(&answer, 1, 0, 3, 12, 2);
    assert_string_equal(row_text(&answer, "failed", 0, "name"), "bob");
    assert_string_equal(row_text(&answer, "failed", 0, "code"), "read_only");
    assert_string_equal(row_text(&answer, "failed", 0, "reason"), "the server takes no writes");
    answer_free(&answer);
    fake.refuse_code = E_NOT_FOUND; /* another administrator was faster */
    answer = ask(&fake, "POST", "/api/v1/owners/delete", "{\"users\":[\"bob\",\"eve\"]}");
    expect_counts(&answer, 1, 0, 0, 0, 3);
    assert_int_equal(rows_of(&answer, "missing"), 1);
    answer_free(&answer);
    fake.fail_code = E_CLOSED;
    answer = ask(&fake, "POST", "/api/v1/owners/delete", "{\"users\":[\"bob\"]}");
    expect_problem(&answer, 503, "closed", "the fake was told to fail");
}

/* More than are handed in at once. */
static void very_many_are_deleted(void **state)
{
    (void)state;
    json_t *names = json_array();
    for (int i = 0; i < 1100; i++) {
        char owner[32];
        (void)snprintf(owner, sizeof owner, "user:u%d", i);
        (void)fake_put(&fake, owner, NULL, NULL);
        (void)json_array_append_new(names, json_string(owner + 5));
    }
    json_t *body = json_pack("{s:o}", "users", names);
    char *text = json_dumps(body, 0);
    uint64_t before = fake.submits;
    struct answer answer = ask(&fake, "POST", "/api/v1/owners/delete", text);
    expect_counts(&answer, 1100, 0, 0, 0, 0);
    assert_int_equal(fake.submits - before, 3);
    assert_false(is_there("/api/v1/owners/user/u0"));
    assert_false(is_there("/api/v1/owners/user/u1099"));
    answer_free(&answer);
    free(text);
    json_decref(body);
}

/* In the middle of what was handed in together: the audit and who asked are told. */
static void what_was_deleted_before_the_end_is_told(void **state)
{
    (void)state;
    fake.fail_code = E_CLOSED;
    fake.spared = 2;
    struct answer answer = ask(&fake, "POST", "/api/v1/owners/delete",
                               "{\"users\":[\"bob\",\"ann\",\"eve\"],\"groups\":[\"sales\"]}");
    assert_string_equal(answer.about, "{\"users\":[\"Ann\",\"bob\"],\"groups\":[],\"count\":2,"
                                      "\"item_count\":4,\"adopt\":false}");
    assert_true(answer.partly);
    expect_problem(&answer, 503, "closed", "after 2 of 4: the fake was told to fail");
    fake.fail_code = 0;
    assert_false(is_there("/api/v1/owners/user/bob"));
    assert_true(is_there("/api/v1/owners/user/eve"));
    fake.fail_code = E_CLOSED;
    answer = ask(&fake, "POST", "/api/v1/owners/delete", "{\"users\":[\"eve\"]}");
    assert_false(answer.partly);
    expect_problem(&answer, 503, "closed", "the fake was told to fail");
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAKE(a_preview_counts_and_changes_nothing),
        WITH_FAKE(the_next_machine_s_copy),
        WITH_FAKE(users_and_groups_are_deleted),
        WITH_FAKE(machines_that_hold_a_group_are_counted),
        WITH_FAKE(names_that_are_not_there_are_told),
        WITH_FAKE(bad_requests_delete_nothing),
        WITH_FAKE(refusals_are_told_of_their_owner),
        WITH_FAKE(very_many_are_deleted),
        WITH_FAKE(what_was_deleted_before_the_end_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
