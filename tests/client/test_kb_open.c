/* tests/client/test_kb_open.c - opening a data folder: its lock, its damage, what fits together. */
#include "tests/client/kb_samples.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_second_one_is_told_of_the_agent(void **state)
{
    (void)state;
    struct machine m;
    struct kb *second = NULL;
    struct kb_error error = {0};
    machine_begin(&m);
    struct kb_options options = {.size = sizeof options, .data_dir = m.dir};
    assert_int_equal(kb_open(&second, &options, &error), KB_E_BUSY);
    assert_non_null(strstr(error.text, "agent.sock"));
    options.socket = "/run/other.sock";
    assert_int_equal(kb_open(&second, &options, &error), KB_E_BUSY);
    assert_non_null(strstr(error.text, "/run/other.sock"));
    assert_null(second);
    struct stat folder;
    assert_int_equal(stat(m.dir, &folder), 0);
    assert_int_equal(folder.st_mode & 0777, 0700);
    machine_end(&m);
}

static void options_are_checked(void **state)
{
    (void)state;
    struct kb *kb = NULL;
    struct kb_error error = {0};
    struct kb_options options = {.size = 1, .data_dir = "/tmp/x"};
    assert_int_equal(kb_open(&kb, NULL, &error), KB_E_INVALID);
    assert_int_equal(kb_open(&kb, &options, &error), KB_E_INVALID);
    options.size = sizeof options;
    options.data_dir = NULL;
    assert_int_equal(kb_open(&kb, &options, NULL), KB_E_INVALID);
    options.data_dir = "";
    assert_int_equal(kb_open(&kb, &options, &error), KB_E_INVALID);
    assert_null(kb);
    kb_close(NULL);
    kb_close(&kb);
}

static void spoil(struct machine *m, const char *name)
{
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, m->dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    static const char noise[8192] = "noise, where a file had its head";
    assert_int_equal(pwrite(fd, noise, sizeof noise, 0), sizeof noise);
    (void)close(fd);
}

static bool has_aside(struct machine *m)
{
    bool found = false;
    DIR *dir = opendir(m->dir);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        found |= strncmp(entry->d_name, "replica.damaged-", 16) == 0;
    }
    (void)closedir(dir);
    return found;
}

/* All that a machine which stands alone has lies in its outbox. */
static void a_lost_replica_costs_a_lone_machine_nothing(void **state)
{
    (void)state;
    struct machine m;
    machine_begin(&m);
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "a", "1");
    kb_close(&m.kb);
    spoil(&m, "replica/data.mdb");
    machine_open(&m);
    assert_true(has_aside(&m));
    assert_string_equal(get(&m, "user:ann", "a"), "1*");
    assert_non_null(strstr(status_of(&m).text, "damaged"));
    assert_int_equal(status_of(&m).users, 1);
    machine_again(&m);
    assert_string_equal(status_of(&m).text, "");
    machine_end(&m);
}

static void a_damaged_outbox_is_named_and_left_alone(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    machine_begin(&m);
    kb_close(&m.kb);
    spoil(&m, "outbox/outbox.seg");
    struct kb_options options = {.size = sizeof options, .data_dir = m.dir};
    assert_int_equal(kb_open(&m.kb, &options, &error), KB_E_CORRUPT);
    assert_non_null(strstr(error.text, "outbox.seg"));
    assert_null(m.kb);
    machine_end(&m);
}

static void a_damaged_identity_is_named(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    machine_begin(&m);
    kb_close(&m.kb);
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, m.dir, "identity");
    tmp_folder_write(path, "not an identity\n");
    assert_int_equal(chmod(path, 0600), 0);
    struct kb_options options = {.size = sizeof options, .data_dir = m.dir};
    assert_int_equal(kb_open(&m.kb, &options, &error), KB_E_CORRUPT);
    assert_non_null(strstr(error.text, path));
    machine_end(&m);
}

/* A crash between the CREATE and its bag: the outbox is what counts. */
static void a_create_without_a_bag_gets_it(void **state)
{
    (void)state;
    struct machine m;
    struct owner owner;
    uint64_t id = 0;
    machine_begin(&m);
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str("Cy"), 0, NULL), 0);
    assert_int_equal(outbox_create(m.kb->outbox, &owner, 1, &id, NULL), 0);
    assert_int_equal(status_of(&m).users, 0);
    machine_again(&m);
    assert_int_equal(status_of(&m).users, 1);
    (void)set(&m, "user:Cy", "a", "1");
    assert_string_equal(get(&m, "user:Cy", "a"), "1*");
    machine_end(&m);
}

/* The bag was made, its writes were taken up, the replica has them: found again after a crash. */
/* Reading goes on when what is left to do at the start finds no room. */
static void a_full_disk_does_not_keep_it_closed(void **state)
{
    (void)state;
    struct machine m;
    struct owner owner;
    char name[128];
    machine_begin(&m);
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "a", "1");
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "%0100d", i);
        assert_int_equal(owner_make(&owner, OWNER_USER, span_str(name), 0, NULL), 0);
        assert_int_equal(outbox_create(m.kb->outbox, &owner, 1, NULL, NULL), 0);
    }
    kb_close(&m.kb);
    struct kb_options options = {.size = sizeof options, .data_dir = m.dir, .map_bytes = 64 << 10};
    struct kb_error error = {0};
    ok(kb_open(&m.kb, &options, &error), &error);
    assert_string_equal(get(&m, "user:Ann", "a"), "1*");
    assert_non_null(strstr(status_of(&m).text, "map_bytes"));
    machine_again(&m);
    assert_string_equal(get(&m, "user:Ann", "a"), "1*");
    assert_int_equal(status_of(&m).users, 201);
    machine_end(&m);
}

static void what_was_passed_is_let_go_of_when_it_is_opened(void **state)
{
    (void)state;
    struct machine m;
    struct replica_bag bag;
    struct owner owner;
    machine_begin(&m);
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "a", "1");
    outbox_set_alone(m.kb->outbox, false);
    outbox_outcome(m.kb->outbox, &(struct outbox_answer){.number = 1, .seq = 40}, NULL);
    outbox_outcome(m.kb->outbox, &(struct outbox_answer){.number = 2, .seq = 41}, NULL);
    assert_int_equal(outbox_flush(m.kb->outbox, NULL), 0);
    machine_again(&m);
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    assert_int_equal(replica_bag_by_owner(m.kb->replica, &owner, &bag, NULL), 0);
    assert_int_equal(bag.bag_id, 40); /* it knows its number now */
    assert_false(bag.complete);
    assert_string_equal(get(&m, "user:Ann", "a"), "1"); /* the cursor has not passed 41 */
    struct replica_page page = {
        .bag_id = 40, .first = true, .last = true, .whole = true, .cursor = 41, .seq = 41};
    struct replica_row row = {.path = span_str("a"),
                              .row = {.state = ITEM_LIVE, .seq = 41, .value = span_str("server")}};
    assert_int_equal(replica_stage(m.kb->replica, &page, &row, 1, NULL), 0);
    machine_again(&m);
    assert_string_equal(get(&m, "user:Ann", "a"), "server");
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_one_is_told_of_the_agent),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(a_lost_replica_costs_a_lone_machine_nothing),
        cmocka_unit_test(a_damaged_outbox_is_named_and_left_alone),
        cmocka_unit_test(a_damaged_identity_is_named),
        cmocka_unit_test(a_create_without_a_bag_gets_it),
        cmocka_unit_test(a_full_disk_does_not_keep_it_closed),
        cmocka_unit_test(what_was_passed_is_let_go_of_when_it_is_opened),
    };
    return cmocka_run_group_tests_name("client/kb_open", tests, NULL, NULL);
}
