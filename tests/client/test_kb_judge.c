/* tests/client/test_kb_judge.c - machines with data join: what each policy makes of it, and what of
 * it is in the file. */
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/kb_policy.h"
#include "tests/client/kb_samples.h"
#include "tests/support/fail_alloc.h"

/* --- the server's side --- */

struct given {
    const char *path;
    const char *value; /* NULL: removed */
};

static void give(struct toy *toy, void *context)
{
    const struct given *given = context;
    struct toy_bag *bag = toy_ensure(toy, OWNER_USER, SPAN_LITERAL("Ann"));
    struct span value = span_str(given->value != NULL ? given->value : "");
    (void)toy_put(toy, bag, span_str(given->path), given->value != NULL ? &value : NULL);
}

static void server_has(struct toy *toy, const char *path, const char *value)
{
    struct given given = {path, value};
    toy_do(toy, give, &given);
}

struct found {
    const char *path;
    char value[TOY_VALUE + 1];
    uint64_t seq;
};

static void find(struct toy *toy, void *context)
{
    struct found *found = context;
    struct toy_bag *bag = toy_ensure(toy, OWNER_USER, SPAN_LITERAL("Ann"));
    const struct toy_item *item = toy_item(bag, span_str(found->path));
    memcpy(found->value, item->live ? item->value : "-", item->live ? item->size : 1);
}

/* "-": nothing. */
static const char *at_server(struct toy *toy, const char *path)
{
    static struct found found;
    memset(&found, 0, sizeof found);
    found.path = path;
    toy_do(toy, find, &found);
    return found.value;
}

/* --- the machine's --- */

static void join_by(struct machine *m, struct toy *toy, enum kb_join_policy policy)
{
    char token[TOKEN_TEXT_MAX];
    struct kb_error error = {0};
    struct kb_join_options options = {.size = sizeof options, .policy = policy};
    toy_token(toy, token);
    ok(kb_join(m->kb, token, &options, NULL, &error), &error);
}

static struct kb_judged judged(struct machine *m)
{
    struct kb_error error = {0};
    struct kb_judged done = {.size = sizeof done};
    ok(kb_judged(m->kb, 10000, &done, &error), &error);
    return done;
}

static size_t saved_files(const struct machine *m)
{
    char pattern[TMP_FOLDER_MAX + 32];
    glob_t found = {0};
    (void)snprintf(pattern, sizeof pattern, "%s/replaced*", m->dir);
    (void)glob(pattern, 0, NULL, &found);
    size_t count = found.gl_pathc;
    globfree(&found);
    return count;
}

static struct kb_import_report import(struct machine *m, const char *path)
{
    struct kb_error error = {0};
    struct kb_import_report report = {0};
    ok(kb_import(m->kb, path, NULL, &report, &error), &error);
    return report;
}

struct meeting {
    struct machine m;
    struct toy *toy;
};

/* Both have Ann: "mine" here alone, "theirs" there alone, "same" on both; of "early" the value here
 * is the later one, of "late/x" the server's. */
static void meet(struct meeting *meeting, enum kb_join_policy policy)
{
    struct machine *m = &meeting->m;
    meeting->toy = toy_new();
    server_has(meeting->toy, "theirs", "t");
    server_has(meeting->toy, "same", "s");
    server_has(meeting->toy, "early", "there");
    server_has(meeting->toy, "late/x", "there");
    machine_begin(m);
    login(m, "ann");
    (void)set(m, "user:ann", "early", "older");
    (void)set(m, "user:ann", "mine", "m");
    (void)set(m, "user:ann", "same", "s");
    (void)set(m, "user:ann", "early", "here");
    (void)set(m, "user:ann", "late/x", "here");
    join_by(m, meeting->toy, policy);
    machine_start(m);
}

static void part(struct meeting *meeting)
{
    machine_end(&meeting->m);
    toy_free(meeting->toy);
}

/* Everything is sent, and nothing is left of the refused writes. */
static void settle(struct meeting *meeting)
{
    struct machine *m = &meeting->m;
    wait_until(status_of(m).phase == KB_PHASE_CURRENT && status_of(m).pending == 0);
    assert_int_equal(status_of(m).refused, 0);
}

static void expect(struct meeting *meeting, const char *path, const char *value)
{
    struct machine *m = &meeting->m;
    if (strcmp(value, "-") == 0) {
        wait_until(get(m, "user:ann", path) == NULL);
    } else {
        wait_until(get(m, "user:ann", path) != NULL &&
                   strcmp(get(m, "user:ann", path), value) == 0);
    }
    assert_string_equal(at_server(meeting->toy, path), value);
}

static void find_seq(struct toy *toy, void *context)
{
    struct found *found = context;
    struct toy_bag *bag = toy_ensure(toy, OWNER_USER, SPAN_LITERAL("Ann"));
    found->seq = toy_item(bag, span_str(found->path))->seq;
}

static uint64_t seq_at_server(struct toy *toy, const char *path)
{
    struct found found = {.path = path};
    toy_do(toy, find_seq, &found);
    return found.seq;
}

/* --- two copies of one bag --- */

/* Of what a category keeps only so many of, the newest are to stay. */
static void writes_keep_their_order(void **state)
{
    (void)state;
    struct meeting meeting = {.toy = toy_new()};
    struct machine *m = &meeting.m;
    server_has(meeting.toy, "theirs", "t");
    machine_begin(m);
    login(m, "ann");
    (void)set(m, "user:ann", "b", "older");
    (void)set(m, "user:ann", "c", "1");
    (void)set(m, "user:ann", "a", "2");
    (void)set(m, "user:ann", "b", "3");
    join_by(m, meeting.toy, KB_CLIENT_WINS);
    machine_start(m);
    (void)judged(m);
    settle(&meeting);
    expect(&meeting, "b", "3");
    assert_true(seq_at_server(meeting.toy, "c") < seq_at_server(meeting.toy, "a"));
    assert_true(seq_at_server(meeting.toy, "a") < seq_at_server(meeting.toy, "b"));
    part(&meeting);
}

static void server_wins(void **state)
{
    (void)state;
    struct meeting meeting;
    meet(&meeting, KB_SERVER_WINS);
    struct kb_judged done = judged(&meeting.m);
    settle(&meeting);
    assert_int_equal(done.users, 1);
    assert_int_equal(done.same, 1);
    assert_int_equal(done.replaced_here, 3);
    assert_int_equal(done.replaced_there + done.taken, 0);
    expect(&meeting, "mine", "-");
    expect(&meeting, "early", "there");
    expect(&meeting, "late/x", "there");
    assert_int_equal(saved_files(&meeting.m), 1);
    struct kb_import_report report = import(&meeting.m, done.saved);
    assert_int_equal(report.items_taken, 3);
    settle(&meeting);
    expect(&meeting, "mine", "m");
    expect(&meeting, "early", "here");
    expect(&meeting, "late/x", "here");
    expect(&meeting, "theirs", "t");
    part(&meeting);
}

static void client_wins(void **state)
{
    (void)state;
    struct meeting meeting;
    meet(&meeting, KB_CLIENT_WINS);
    struct kb_judged done = judged(&meeting.m);
    settle(&meeting);
    assert_int_equal(done.taken, 1);
    assert_int_equal(done.replaced_there, 2);
    assert_int_equal(done.replaced_here, 0);
    expect(&meeting, "mine", "m");
    expect(&meeting, "theirs", "t");
    expect(&meeting, "same", "s");
    expect(&meeting, "early", "here");
    expect(&meeting, "late/x", "here");
    (void)import(&meeting.m, done.saved); /* the server's values */
    settle(&meeting);
    expect(&meeting, "early", "there");
    expect(&meeting, "late/x", "there");
    expect(&meeting, "mine", "m");
    part(&meeting);
}

static void newest(void **state)
{
    (void)state;
    struct meeting meeting;
    meet(&meeting, KB_NEWEST);
    struct kb_judged done = judged(&meeting.m);
    settle(&meeting);
    assert_int_equal(done.taken, 1);
    assert_int_equal(done.replaced_there, 1);
    assert_int_equal(done.replaced_here, 1);
    expect(&meeting, "mine", "m");
    expect(&meeting, "theirs", "t");
    expect(&meeting, "early", "here");
    expect(&meeting, "late/x", "there");
    (void)import(&meeting.m, done.saved); /* whichever lost */
    settle(&meeting);
    expect(&meeting, "early", "there");
    expect(&meeting, "late/x", "here");
    part(&meeting);
}

static void merge(void **state)
{
    (void)state;
    struct meeting meeting;
    meet(&meeting, KB_MERGE);
    struct kb_judged done = judged(&meeting.m);
    settle(&meeting);
    assert_int_equal(done.taken, 1);
    assert_int_equal(done.replaced_there, 0);
    assert_int_equal(done.replaced_here, 2);
    expect(&meeting, "mine", "m");
    expect(&meeting, "theirs", "t");
    expect(&meeting, "early", "there");
    expect(&meeting, "late/x", "there");
    part(&meeting);
}

/* Nothing is replaced, so nothing is saved. */
static void whom_the_server_does_not_know_is_taken_up(void **state)
{
    (void)state;
    struct meeting meeting = {.toy = toy_new()};
    machine_begin(&meeting.m);
    login(&meeting.m, "ann");
    (void)set(&meeting.m, "user:ann", "mine", "m");
    join_by(&meeting.m, meeting.toy, KB_MERGE);
    struct kb_judged none = {.size = sizeof none};
    struct kb_error error = {0};
    assert_int_equal(kb_judged(meeting.m.kb, 0, &none, &error), KB_E_STOPPED);
    machine_start(&meeting.m);
    struct kb_judged done = judged(&meeting.m);
    settle(&meeting);
    assert_int_equal(done.users + done.taken + done.same, 0);
    assert_string_equal(done.saved, "");
    assert_int_equal(saved_files(&meeting.m), 0);
    expect(&meeting, "mine", "m");
    part(&meeting);
}

/* What was written after the join is nobody's to judge. */
static void what_is_written_later_counts(void **state)
{
    (void)state;
    struct meeting meeting = {.toy = toy_new()};
    server_has(meeting.toy, "a", "there");
    server_has(meeting.toy, "b", "there");
    machine_begin(&meeting.m);
    login(&meeting.m, "ann");
    (void)set(&meeting.m, "user:ann", "a", "here");
    (void)set(&meeting.m, "user:ann", "b", "here");
    join_by(&meeting.m, meeting.toy, KB_MERGE);
    machine_start(&meeting.m);
    wait_until(status_of(&meeting.m).refused > 0 || !client_judging(meeting.m.kb).due);
    (void)judged(&meeting.m);
    (void)set(&meeting.m, "user:ann", "a", "later");
    settle(&meeting);
    expect(&meeting, "a", "later");
    expect(&meeting, "b", "there");
    part(&meeting);
}

/* --- a machine that stood stopped --- */

/* Ann is kept, and the machine stopped. */
static void stop_with_ann(struct meeting *meeting)
{
    struct kb_error error = {0};
    struct machine *m = &meeting->m;
    meeting->toy = toy_new();
    server_has(meeting->toy, "kept", "old");
    server_has(meeting->toy, "both", "old");
    machine_begin(m);
    join_by(m, meeting->toy, KB_SERVER_WINS);
    machine_start(m);
    login(m, "ann");
    ok(kb_stop(m->kb, &error), &error);
}

/* She writes "kept" and "both" here, others write "both" and "theirs". */
static void part_and_write(struct meeting *meeting)
{
    struct machine *m = &meeting->m;
    stop_with_ann(meeting);
    (void)set(m, "user:ann", "kept", "new here");
    (void)set(m, "user:ann", "both", "here");
    (void)set(m, "user:ann", "late/x", "here");
    server_has(meeting->toy, "both", "there");
    server_has(meeting->toy, "late/x", "there");
    server_has(meeting->toy, "theirs", "t");
}

static void go_on_by(struct meeting *meeting, enum kb_join_policy policy)
{
    struct kb_error error = {0};
    ok(kb_start_with(meeting->m.kb, policy, &error), &error);
}

static void a_machine_goes_on_by_merge(void **state)
{
    (void)state;
    struct meeting meeting;
    part_and_write(&meeting);
    go_on_by(&meeting, KB_MERGE);
    struct kb_judged done = judged(&meeting.m);
    settle(&meeting);
    assert_int_equal(done.taken, 1); /* nobody else changed it */
    assert_int_equal(done.replaced_here, 2);
    assert_int_equal(done.replaced_there, 0);
    expect(&meeting, "kept", "new here");
    expect(&meeting, "both", "there");
    expect(&meeting, "theirs", "t");
    (void)import(&meeting.m, done.saved);
    settle(&meeting);
    expect(&meeting, "both", "here");
    part(&meeting);
}

static void a_machine_goes_on_by_newest(void **state)
{
    (void)state;
    struct meeting meeting;
    part_and_write(&meeting);
    go_on_by(&meeting, KB_NEWEST);
    struct kb_judged done = judged(&meeting.m);
    settle(&meeting);
    assert_int_equal(done.taken, 1);
    assert_int_equal(done.replaced_here, 1);
    assert_int_equal(done.replaced_there, 1);
    expect(&meeting, "both", "here");
    expect(&meeting, "late/x", "there");
    expect(&meeting, "kept", "new here");
    part(&meeting);
}

static void a_machine_goes_on_by_its_own_values(void **state)
{
    (void)state;
    struct meeting meeting;
    part_and_write(&meeting);
    go_on_by(&meeting, KB_CLIENT_WINS);
    struct kb_judged done = judged(&meeting.m);
    settle(&meeting);
    assert_int_equal(done.replaced_there, 2);
    expect(&meeting, "both", "here");
    expect(&meeting, "late/x", "here");
    (void)import(&meeting.m, done.saved);
    settle(&meeting);
    expect(&meeting, "both", "there");
    part(&meeting);
}

static void without_a_policy_what_waits_is_sent(void **state)
{
    (void)state;
    struct meeting meeting;
    part_and_write(&meeting);
    go_on_by(&meeting, KB_SERVER_WINS);
    settle(&meeting);
    expect(&meeting, "both", "here");
    assert_int_equal(saved_files(&meeting.m), 0);
    struct kb_error error = {0};
    assert_int_equal(kb_start_with(meeting.m.kb, KB_MERGE, &error), KB_E_CONDITION);
    assert_int_equal(kb_start_with(meeting.m.kb, (enum kb_join_policy)9, &error), KB_E_INVALID);
    part(&meeting);
}

/* --- deleted meanwhile --- */

static void delete_ann(struct toy *toy, void *context)
{
    (void)context;
    toy_ensure(toy, OWNER_USER, SPAN_LITERAL("Ann"))->gone = true;
}

/* Her copy goes; what it had is in a file, which brings it back when she is known there again. */
static void a_deletion_is_obeyed_and_its_copy_saved(void **state)
{
    (void)state;
    struct meeting meeting;
    stop_with_ann(&meeting);
    struct machine *m = &meeting.m;
    toy_do(meeting.toy, delete_ann, NULL);
    machine_start(m);
    wait_until(strstr(status_of(m).text, "the server deleted 'Ann'") != NULL);
    wait_until(status_of(m).users == 0);
    assert_int_equal(saved_files(m), 1);
    char path[PATH_MAX];
    const char *name = strstr(status_of(m).text, m->dir);
    assert_non_null(name);
    (void)snprintf(path, sizeof path, "%s", name);
    login(m, "ann");
    assert_null(get(m, "user:ann", "kept"));
    struct kb_import_report report = import(m, path);
    assert_int_equal(report.items_taken, 2);
    wait_until(status_of(m).pending == 0);
    assert_string_equal(at_server(meeting.toy, "kept"), "old");
    part(&meeting);
}

/* Where it can't be saved it is not dropped. */
static void a_copy_that_can_not_be_saved_stays(void **state)
{
    (void)state;
    struct meeting meeting;
    char partial[TMP_FOLDER_MAX + 32];
    part_and_write(&meeting);
    struct machine *m = &meeting.m;
    toy_do(meeting.toy, delete_ann, NULL);
    (void)snprintf(partial, sizeof partial, "%s/replaced.partial", m->dir);
    assert_int_equal(mkdir(partial, 0700), 0);
    machine_start(m);
    wait_until(strstr(status_of(m).text, "replaced.partial") != NULL);
    assert_int_equal(status_of(m).users, 1);
    assert_int_equal(rmdir(partial), 0);
    machine_again(m);
    machine_start(m);
    wait_until(status_of(m).users == 0);
    assert_int_equal(saved_files(m), 1);
    part(&meeting);
}

/* --- ended in the middle --- */

static void what_is_to_be_judged_is_known_to_the_next_run(void **state)
{
    (void)state;
    struct meeting meeting;
    part_and_write(&meeting);
    struct err err = {0};
    assert_int_equal(client_judging_begin(meeting.m.kb, KB_MERGE, &err), 0);
    machine_again(&meeting.m);
    machine_start(&meeting.m);
    struct kb_judged done = judged(&meeting.m);
    settle(&meeting);
    assert_int_equal(done.replaced_here, 2);
    expect(&meeting, "both", "there");
    machine_again(&meeting.m);
    assert_false(client_judging(meeting.m.kb).due);
    part(&meeting);
}

/* Where no file can be made nothing is replaced. */
static void without_a_file_nothing_is_replaced(void **state)
{
    (void)state;
    struct meeting meeting;
    char partial[TMP_FOLDER_MAX + 32];
    part_and_write(&meeting);
    (void)snprintf(partial, sizeof partial, "%s/replaced.partial", meeting.m.dir);
    assert_int_equal(mkdir(partial, 0700), 0);
    go_on_by(&meeting, KB_MERGE);
    wait_until(strstr(status_of(&meeting.m).text, "replaced.partial") != NULL);
    assert_int_equal(status_of(&meeting.m).pending, 3);
    assert_string_equal(get(&meeting.m, "user:ann", "both"), "here*");
    assert_string_equal(at_server(meeting.toy, "kept"), "old");
    assert_int_equal(rmdir(partial), 0);
    struct kb_judged done = judged(&meeting.m);
    settle(&meeting);
    assert_int_equal(done.replaced_here, 2);
    expect(&meeting, "both", "there");
    part(&meeting);
}

/* One allocation of a round fails: what was not done yet is still to be judged, and the next round
 * ends it. Nothing is lost in between: of each value that goes there is a file. */
static void without_memory_the_rest_is_judged_later(void **state)
{
    (void)state;
    struct meeting meeting;
    struct err err = {0};
    struct owner ann;
    stop_with_ann(&meeting);
    struct machine *m = &meeting.m;
    assert_int_equal(owner_make(&ann, OWNER_USER, SPAN_LITERAL("ann"), 0, NULL), 0);
    struct replica_bag bag;
    assert_int_equal(replica_bag_by_owner(m->kb->replica, &ann, &bag, &err), 0);
    unsigned failures = 0;
    for (unsigned nth = 1;; nth++) {
        /* Written before anything was seen of the bag. */
        struct outbox_target target = {.owner = &ann, .bag_id = bag.bag_id, .seen = 1};
        const struct operation_write writes[] = {
            {.path = SPAN_LITERAL("both"), .value = SPAN_LITERAL("here")},
            {.path = SPAN_LITERAL("mine"), .value = SPAN_LITERAL("m")}};
        assert_int_equal(outbox_write(m->kb->outbox, &target, writes, 2, 1, NULL, &err), 0);
        assert_int_equal(client_judging_begin(m->kb, KB_MERGE, &err), 0);
        fail_alloc_at(nth);
        int rc = client_judge(m->kb, OUTBOX_HELD, &ann, 1, &err);
        bool failed = fail_alloc_stop();
        assert_true(rc == 0 || rc == E_NOMEM);
        assert_true(rc == 0 || failed);
        failures += rc != 0;
        const char *both = get(m, "user:ann", "both");
        assert_true(strcmp(both, "here*") == 0 || (strcmp(both, "old") == 0 && saved_files(m) > 0));
        assert_string_equal(get(m, "user:ann", "mine"), "m*");
        assert_int_equal(client_judge(m->kb, OUTBOX_HELD, &ann, 1, &err), 0);
        assert_string_equal(get(m, "user:ann", "both"), "old");
        assert_string_equal(get(m, "user:ann", "mine"), "m*");
        if (!failed) {
            break;
        }
    }
    assert_true(failures > 10);
    client_judging_end(m->kb);
    part(&meeting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_keep_their_order),
        cmocka_unit_test(server_wins),
        cmocka_unit_test(client_wins),
        cmocka_unit_test(newest),
        cmocka_unit_test(merge),
        cmocka_unit_test(whom_the_server_does_not_know_is_taken_up),
        cmocka_unit_test(what_is_written_later_counts),
        cmocka_unit_test(a_machine_goes_on_by_merge),
        cmocka_unit_test(a_machine_goes_on_by_newest),
        cmocka_unit_test(a_machine_goes_on_by_its_own_values),
        cmocka_unit_test(without_a_policy_what_waits_is_sent),
        cmocka_unit_test(a_deletion_is_obeyed_and_its_copy_saved),
        cmocka_unit_test(a_copy_that_can_not_be_saved_stays),
        cmocka_unit_test(what_is_to_be_judged_is_known_to_the_next_run),
        cmocka_unit_test(without_a_file_nothing_is_replaced),
        cmocka_unit_test(without_memory_the_rest_is_judged_later),
    };
    return cmocka_run_group_tests_name("client/kb_judge", tests, NULL, NULL);
}
