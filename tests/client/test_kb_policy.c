/* tests/client/test_kb_policy.c - the rule by which joining judges an item; and its note. */
#include "client/kb_policy.h"

#include <unistd.h>

#include "base/file.h"
#include "tests/client/kb_samples.h"

static struct client_side side(const char *value, uint64_t time_ms, uint64_t seq)
{
    struct client_side made = {.there = value != NULL, .time_ms = time_ms, .seq = seq};
    if (value != NULL) {
        made.value = span_str(value);
    }
    return made;
}

static enum client_verdict judge(enum kb_join_policy policy, struct client_side ours,
                                 struct client_side theirs)
{
    return client_judge_item(policy, &ours, &theirs);
}

static const enum kb_join_policy all[] = {KB_SERVER_WINS, KB_CLIENT_WINS, KB_NEWEST, KB_MERGE};

static void what_is_the_same_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(judge(all[i], side("a", 1, 0), side("a", 9, 5)), CLIENT_SAME);
        assert_int_equal(judge(all[i], side(NULL, 1, 4), side(NULL, 0, 0)), CLIENT_SAME);
        assert_int_equal(judge(all[i], side("", 1, 0), side("", 9, 5)), CLIENT_SAME);
    }
}

static void what_one_side_has_is_kept_but_by_server_wins(void **state)
{
    (void)state;
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(judge(all[i], side("a", 1, 0), side(NULL, 0, 0)), CLIENT_TAKE);
        assert_int_equal(judge(all[i], side("", 1, 0), side(NULL, 0, 0)), CLIENT_TAKE);
    }
    assert_int_equal(judge(KB_SERVER_WINS, side("a", 1, 0), side(NULL, 0, 0)), CLIENT_STAY);
}

static void of_two_values_the_policy_chooses(void **state)
{
    (void)state;
    struct client_side early = side("here", 100, 0);
    struct client_side late = side("here", 102, 0);
    struct client_side same_time = side("here", 101, 0);
    struct client_side theirs = side("there", 101, 5);
    assert_int_equal(judge(KB_SERVER_WINS, late, theirs), CLIENT_STAY);
    assert_int_equal(judge(KB_MERGE, late, theirs), CLIENT_STAY);
    assert_int_equal(judge(KB_CLIENT_WINS, early, theirs), CLIENT_REPLACE);
    assert_int_equal(judge(KB_NEWEST, early, theirs), CLIENT_STAY);
    assert_int_equal(judge(KB_NEWEST, same_time, theirs), CLIENT_STAY);
    assert_int_equal(judge(KB_NEWEST, late, theirs), CLIENT_REPLACE);
}

static void what_had_been_seen_is_written_over(void **state)
{
    (void)state;
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(judge(all[i], side("here", 1, 5), side("there", 9, 5)), CLIENT_TAKE);
        assert_int_equal(judge(all[i], side(NULL, 1, 5), side("there", 9, 5)), CLIENT_TAKE);
    }
    assert_int_equal(judge(KB_MERGE, side("here", 9, 5), side("there", 1, 6)), CLIENT_STAY);
    assert_int_equal(judge(KB_MERGE, side(NULL, 9, 5), side("there", 1, 6)), CLIENT_STAY);
    assert_int_equal(judge(KB_NEWEST, side(NULL, 9, 5), side("there", 1, 6)), CLIENT_REPLACE);
}

/* Its answer was here before the change itself. But before it saw anything of the bag there was no
 * earlier value of its own: the ID was another machine's. */
static void an_own_value_counts_as_seen(void **state)
{
    (void)state;
    struct client_side own = side("there", 1, 6);
    own.own = true;
    assert_int_equal(judge(KB_MERGE, side("here", 9, 5), own), CLIENT_TAKE);
    assert_int_equal(judge(KB_MERGE, side("here", 9, 0), own), CLIENT_STAY);
}

static void a_policy_is_one_of_four(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(client_is_policy(all[i]));
    }
    assert_false(client_is_policy((enum kb_join_policy)4));
}

/* --- the note --- */

static void a_note_is_read_again(void **state)
{
    (void)state;
    struct machine m;
    struct err err = {0};
    machine_begin(&m);
    assert_false(client_judging(m.kb).due);
    login(&m, "ann");
    uint64_t op = set(&m, "user:ann", "a", "1");
    assert_int_equal(client_judging_begin(m.kb, KB_NEWEST, &err), 0);
    machine_again(&m);
    struct judging judging = client_judging(m.kb);
    assert_true(judging.due && judging.held);
    assert_int_equal(judging.policy, KB_NEWEST);
    assert_int_equal(judging.upto, op);
    assert_int_equal(client_judging_begin(m.kb, KB_SERVER_WINS, &err), 0);
    assert_false(client_judging(m.kb).held);
    client_judging_end(m.kb);
    client_judging_end(m.kb); /* again: nothing */
    assert_false(client_judging(m.kb).due);
    machine_again(&m);
    assert_false(client_judging(m.kb).due);
    machine_end(&m);
}

/* Any byte of it, and any length. */
static void a_damaged_note_is_none(void **state)
{
    (void)state;
    struct machine m;
    struct err err = {0};
    char path[TMP_FOLDER_MAX + 16];
    struct buf note;
    machine_begin(&m);
    assert_int_equal(client_judging_begin(m.kb, KB_MERGE, &err), 0);
    (void)snprintf(path, sizeof path, "%s/judging", m.dir);
    buf_init(&note, 256);
    assert_int_equal(file_read(path, &note, NULL), 0);
    for (size_t i = 0; i < 2 * note.size; i++) {
        uint8_t bytes[256];
        size_t size = i < note.size ? note.size : i - note.size;
        memcpy(bytes, note.data, note.size);
        bytes[i % note.size] ^= 1;
        client_judging_end(m.kb);
        assert_int_equal(file_replace(path, bytes, size, 0600, NULL), 0);
        client_judging_load(m.kb);
        assert_false(client_judging(m.kb).due);
    }
    assert_int_equal(file_replace(path, note.data, note.size, 0600, NULL), 0);
    client_judging_load(m.kb);
    assert_true(client_judging(m.kb).due);
    buf_free(&note);
    machine_end(&m);
}

static void who_waits_is_told_why(void **state)
{
    (void)state;
    struct machine m;
    struct err err = {0};
    struct kb_error error = {0};
    struct kb_judged judged = {.size = sizeof judged};
    struct toy *toy = toy_new();
    machine_begin(&m);
    machine_join(&m, toy);
    ok(kb_judged(m.kb, 0, &judged, &error), &error);
    assert_int_equal(client_judging_begin(m.kb, KB_MERGE, &err), 0);
    assert_int_equal(kb_judged(m.kb, 0, &judged, &error), KB_E_STOPPED);
    judged.size = 1;
    assert_int_equal(kb_judged(m.kb, 0, &judged, &error), KB_E_INVALID);
    judged.size = sizeof judged;
    toy->mute = true;
    machine_start(&m);
    assert_int_equal(kb_judged(m.kb, 20, &judged, &error), KB_E_TIMEOUT);
    client_give_up(m.kb);
    assert_int_equal(kb_judged(m.kb, 10000, &judged, &error), KB_E_CLOSED);
    machine_end(&m);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_the_same_stays),
        cmocka_unit_test(what_one_side_has_is_kept_but_by_server_wins),
        cmocka_unit_test(of_two_values_the_policy_chooses),
        cmocka_unit_test(what_had_been_seen_is_written_over),
        cmocka_unit_test(an_own_value_counts_as_seen),
        cmocka_unit_test(a_policy_is_one_of_four),
        cmocka_unit_test(a_note_is_read_again),
        cmocka_unit_test(a_damaged_note_is_none),
        cmocka_unit_test(who_waits_is_told_why),
    };
    return cmocka_run_group_tests_name("client/kb_policy", tests, NULL, NULL);
}
