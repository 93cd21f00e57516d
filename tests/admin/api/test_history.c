/* Tests of admin/api/history.c: who, where, when; conflicts and their losers; pages; earlier bags.
 */
#include "tests/admin/api/api_fixture.h"

static void write_some(void)
{
    fake_machine(&fake, 7, "lobby", "active");        /* 2, 3 and 4 */
    (void)fake_put(&fake, "user:ann", "copy/a", "1"); /* 5, 6 */
    fake.origin = 7;
    (void)fake_put(&fake, "user:ann", "copy/a", "2"); /* 7 */
    fake.conflict = true;
    (void)fake_put(&fake, "user:ann", "copy/a", "3"); /* 8 */
    fake.conflict = false;
    fake.origin = 0x99;
    (void)fake_put(&fake, "user:ann", "scan", "4"); /* 9 */
    fake.origin = 0;
    (void)fake_put(&fake, "user:ann", "keychain/k", "5"); /* 10 */
    (void)fake_put(&fake, "user:ann", "keychain/k", "6"); /* 11 */
    (void)fake_remove(&fake, "user:ann", "scan");         /* 12 */
}

static void who_wrote_what_is_told(void **state)
{
    (void)state;
    write_some();
    struct answer answer = ask(&fake, "GET", "/api/v1/owners/user/ann/history?values=1", NULL);
    assert_int_equal(rows_of(&answer, "changes"), 8);
    assert_string_equal(row_text(&answer, "changes", 0, "kind"), "item.remove");
    assert_string_equal(row_text(&answer, "changes", 0, "old_value"), "4");
    assert_true(json_is_true(row_at(&answer, "changes", 1, "masked")));
    assert_null(row_at(&answer, "changes", 1, "value"));
    assert_null(row_at(&answer, "changes", 1, "old_value"));
    assert_string_equal(row_text(&answer, "changes", 1, "actor"), "admin");
    assert_string_equal(row_text(&answer, "changes", 3, "origin"), "0000000000000099");
    assert_string_equal(row_text(&answer, "changes", 3, "device"), ""); /* nothing is known of it */
    assert_true(json_is_true(row_at(&answer, "changes", 4, "conflict")));
    assert_string_equal(row_text(&answer, "changes", 4, "value"), "3");
    assert_string_equal(row_text(&answer, "changes", 4, "old_value"), "2"); /* the loser */
    assert_string_equal(row_text(&answer, "changes", 4, "old_seq"), "7");
    assert_string_equal(row_text(&answer, "changes", 4, "device"), "lobby");
    assert_string_equal(row_text(&answer, "changes", 4, "time"), "2023-11-14T22:13:25.000Z");
    assert_string_equal(row_text(&answer, "changes", 7, "kind"), "bag.create");
    assert_true(json_is_true(json_object_get(answer.json, "complete")));
    assert_null(json_object_get(answer.json, "next"));
    answer_free(&answer);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann/history?limit=1", NULL);
    assert_null(row_at(&answer, "changes", 0, "old_value")); /* nobody asked for values */
    answer_free(&answer);
}

/* The seqs of all pages. */
static void assert_seqs(const char *question, int limit, const char *wanted)
{
    char line[256] = "";
    char cursor[32] = "";
    for (bool more = true; more;) {
        char target[256];
        (void)snprintf(target, sizeof target, "/api/v1/owners/user/ann/history?limit=%d%s%s%s",
                       limit, question, cursor[0] != '\0' ? "&cursor=" : "", cursor);
        struct answer answer = ask(&fake, "GET", target, NULL);
        assert_int_equal(answer.status, 200);
        for (size_t i = 0; i < rows_of(&answer, "changes"); i++) {
            size_t used = strlen(line);
            (void)snprintf(line + used, sizeof line - used, "%s%s", used > 0 ? " " : "",
                           row_text(&answer, "changes", i, "seq"));
        }
        const char *next = json_string_value(json_object_get(answer.json, "next"));
        more = next != NULL;
        (void)snprintf(cursor, sizeof cursor, "%s", more ? next : "");
        answer_free(&answer);
    }
    assert_string_equal(line, wanted);
}

static void a_part_is_asked_for(void **state)
{
    (void)state;
    write_some();
    for (int limit = 1; limit < 10; limit += 4) {
        assert_seqs("", limit, "12 11 10 9 8 7 6 5");
        assert_seqs("&item=copy/a", limit, "8 7 6");
        assert_seqs("&item=copy", limit, "8 7 6");
        assert_seqs("&item=cop", limit, "");
        assert_seqs("&from=7", limit, "12 11 10 9 8 7");
        assert_seqs("&from=7&to=10", limit, "10 9 8 7");
        assert_seqs("&from=2023-11-14T22:13:24&to=2023-11-14T22:13:26", limit, "9 8 7");
        assert_seqs("&from=1999-01-01&to=6", limit, "6 5");
        assert_seqs("&to=1999-01-01", limit, "");
    }
}

static void earlier_bags_of_the_name_follow(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");  /* 2, 3 */
    (void)fake_delete(&fake, "user:ann");         /* 4 */
    (void)fake_put(&fake, "group:ann", "a", "1"); /* 5, 6 */
    (void)fake_put(&fake, "user:ann", "a", "2");  /* 7, 8 */
    assert_seqs("", 1, "8 7 4 3 2");
    assert_seqs("", 100, "8 7 4 3 2");
    (void)fake_delete(&fake, "user:ann"); /* 9 */
    assert_seqs("", 2, "9 8 7 4 3 2");
    refused("GET", "/api/v1/owners/user/bob/history", NULL, 404, "not_found",
            "there is no user 'bob', and nothing is known of an earlier one");
    refused("GET", "/api/v1/owners/user/ann/history?cursor=6", NULL, 400, "invalid",
            "'cursor' is not what an earlier answer gave as 'next'");
    refused("GET", "/api/v1/owners/user/ann/history?cursor=x", NULL, 400, "invalid",
            "'cursor' is not what an earlier answer gave as 'next'");
    refused("GET", "/api/v1/owners/user/ann/history?cursor=99", NULL, 400, "invalid",
            "'cursor' is not what an earlier answer gave as 'next'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(who_wrote_what_is_told),
        API_TEST(a_part_is_asked_for),
        API_TEST(earlier_bags_of_the_name_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
