/* Tests of admin/api/audit.c. */
#include "admin/auth/audit.h"

#include "tests/admin/api/session_fixture.h"

static void event(const char *actor, const char *action)
{
    struct auth_event told = {
        .actor = actor, .action = action, .address = "192.0.2.1", .status = 200};
    auth_audit(&fake.backend, &told);
}

/* The actors of the rows, as one text. */
static void actors(const char *target, const char *wanted)
{
    struct answer answer = ask(&fake, "GET", target, NULL);
    char text[256] = "";
    assert_int_equal(answer.status, 200);
    for (size_t i = 0; i < rows_of(&answer, "audit"); i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%s ",
                       row_text(&answer, "audit", i, "actor"));
    }
    if (strcmp(text, wanted) != 0) {
        fail_msg("%s gave '%s'", target, text);
    }
    answer_free(&answer);
}

/* Other changes of the server's bag lie between. */
static void five_events(void)
{
    event("a", "user.delete");
    (void)fake_put(&fake, "server", "device/0000000000000002", "{}");
    event("b", "session.begin");
    event("c", "session.end");
    (void)fake_put(&fake, "user:ann", "x", "y");
    event("a", "session.begin");
    event("d", "sessions");
}

static void the_newest_come_first(void **state)
{
    (void)state;
    actors("/api/v1/audit", "");
    five_events();
    actors("/api/v1/audit", "d a c b a ");
    struct answer answer = ask(&fake, "GET", "/api/v1/audit?limit=1", NULL);
    char seq[32];
    (void)snprintf(seq, sizeof seq, "%" PRIu64, fake_head(&fake));
    assert_string_equal(row_text(&answer, "audit", 0, "seq"), seq);
    assert_string_equal(row_text(&answer, "audit", 0, "action"), "sessions");
    assert_string_equal(row_text(&answer, "audit", 0, "via"), "local");
    assert_string_equal(row_text(&answer, "audit", 0, "address"), "192.0.2.1");
    assert_int_equal(json_integer_value(row_at(&answer, "audit", 0, "status")), 200);
    assert_true(json_is_object(row_at(&answer, "audit", 0, "about")));
    assert_non_null(row_at(&answer, "audit", 0, "time"));
    assert_true(json_is_true(json_object_get(answer.json, "complete")));
    answer_free(&answer);
}

static void filters(void **state)
{
    (void)state;
    five_events();
    actors("/api/v1/audit?actor=a", "a a ");
    actors("/api/v1/audit?action=session", "a c b ");
    actors("/api/v1/audit?action=session.begin", "a b ");
    actors("/api/v1/audit?actor=a&action=session", "a ");
    actors("/api/v1/audit?actor=nobody", "");
}

static void pages(void **state)
{
    (void)state;
    five_events();
    char target[64] = "/api/v1/audit?limit=2";
    static const char *const wanted[] = {"d a ", "c b ", "a "};
    for (size_t i = 0; i < 3; i++) {
        actors(target, wanted[i]);
        struct answer answer = ask(&fake, "GET", target, NULL);
        (void)snprintf(target, sizeof target, "/api/v1/audit?limit=2&cursor=%s",
                       text_at(&answer, "next"));
        answer_free(&answer);
    }
    assert_non_null(strstr(target, "(none)"));
}

static void moments(void **state)
{
    (void)state;
    uint64_t before = fake_head(&fake);
    five_events();
    char target[96];
    uint64_t second = before + 3; /* b: a change of something else lies before it */
    (void)snprintf(target, sizeof target, "/api/v1/audit?from=%" PRIu64, second);
    actors(target, "d a c b ");
    (void)snprintf(target, sizeof target, "/api/v1/audit?to=%" PRIu64, second);
    actors(target, "b a ");
    (void)snprintf(target, sizeof target, "/api/v1/audit?from=%" PRIu64 "&to=%" PRIu64, second,
                   second);
    actors(target, "b ");
    actors("/api/v1/audit?from=2001-01-01", "d a c b a ");
    actors("/api/v1/audit?from=2100-01-01", "");
    actors("/api/v1/audit?to=2001-01-01", "");
    actors("/api/v1/audit?to=now", "d a c b a ");
}

static void bad_questions(void **state)
{
    (void)state;
    five_events();
    static const char *const cursors[] = {"x", "1", "0", "99999", "99999999999999999999", ""};
    for (size_t i = 0; i < sizeof cursors / sizeof cursors[0]; i++) {
        char target[96];
        (void)snprintf(target, sizeof target, "/api/v1/audit?cursor=%s", cursors[i]);
        refused("GET", target, NULL, 400, "invalid",
                "'cursor' is not what an earlier answer gave as 'next'");
    }
    struct answer answer = ask(&fake, "GET", "/api/v1/audit?from=yesterday", NULL);
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
    refused("GET", "/api/v1/audit?limit=1001", NULL, 400, "invalid",
            "'limit' is a number from 1 to 1000, not '1001'");
}

/* A journal of two segments, of which the first is let go of. */
static void what_the_journal_let_go_of(void **state)
{
    (void)state;
    static char value[VALUE_MAX_BYTES];
    memset(value, 'v', sizeof value - 1);
    event("a", "user.delete");
    event("b", "user.delete");
    for (int i = 0; i < 17; i++) {
        (void)fake_put(&fake, "user:ann", "big", value);
    }
    event("c", "user.delete");
    char target[64];
    struct answer answer = ask(&fake, "GET", "/api/v1/audit?limit=1", NULL);
    (void)snprintf(target, sizeof target, "/api/v1/audit?cursor=%s", text_at(&answer, "next"));
    answer_free(&answer);
    actors(target, "b a ");
    uint64_t floor = 0;
    assert_int_equal(journal_drop(fake.backend.journal, fake_head(&fake), &floor, NULL), 0);
    assert_true(floor > 10);
    answer = ask(&fake, "GET", "/api/v1/audit", NULL);
    assert_int_equal(rows_of(&answer, "audit"), 1);
    assert_true(json_is_false(json_object_get(answer.json, "complete")));
    assert_string_equal(text_at(&answer, "next"), "(none)");
    answer_free(&answer);
    answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    assert_int_equal(rows_of(&answer, "audit"), 0);
    assert_true(json_is_false(json_object_get(answer.json, "complete")));
    answer_free(&answer);
    actors("/api/v1/audit?from=2001-01-01", "c ");
    actors("/api/v1/audit?to=2001-01-01", "");
}

static void an_event_that_can_not_be_read_is_told(void **state)
{
    (void)state;
    event("a", "user.delete");
    (void)fake_put(&fake, "server", "@audit", "nonsense");
    struct answer answer = ask(&fake, "GET", "/api/v1/audit", NULL);
    assert_int_equal(rows_of(&answer, "audit"), 2);
    assert_non_null(row_at(&answer, "audit", 0, "seq"));
    assert_null(row_at(&answer, "audit", 0, "actor"));
    answer_free(&answer);
}

static void memory_runs_out(void **state)
{
    (void)state;
    five_events();
    ask_with_jansson();
    for (ask_fails.nth = 1;; ask_fails.nth++) {
        struct answer answer = ask(&fake, "GET", "/api/v1/audit", NULL);
        bool failed = ask_fails.failed;
        assert_true(failed || answer.status == 200);
        answer_free(&answer);
        if (!failed) {
            break;
        }
    }
    assert_true(ask_fails.nth > 20);
    ask_fails.nth = 0;
    actors("/api/v1/audit", "d a c b a ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SESSION_TEST(the_newest_come_first),
        SESSION_TEST(filters),
        SESSION_TEST(pages),
        SESSION_TEST(moments),
        SESSION_TEST(bad_questions),
        SESSION_TEST(what_the_journal_let_go_of),
        SESSION_TEST(an_event_that_can_not_be_read_is_told),
        SESSION_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
