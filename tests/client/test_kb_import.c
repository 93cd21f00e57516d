/* tests/client/test_kb_import.c - which files are taken: whose they are, and whether they are
 * whole. */
#include "tests/client/file_samples.h"
#include "tests/support/fail_alloc.h"

static void assert_untouched(struct machine *machine)
{
    struct kb_status status = status_of(machine);
    assert_int_equal(status.users, 0);
    assert_int_equal(status.bags, 0);
    assert_int_equal(status.seq, 0);
}

static void refuse(struct machine *machine, const struct kb_import_options *options,
                   const char *path, int code, const char *words)
{
    struct kb_error error = {0};
    struct kb_import_report report = {.bags = 77};
    int rc = kb_import(machine->kb, path, options, &report, &error);
    assert_int_equal(rc, code);
    assert_int_equal(error.code, code);
    if (strstr(error.text, words) == NULL) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(report.bags, 77); /* outputs are untouched */
    assert_untouched(machine);
}

static void a_server_that_it_does_not_know_needs_a_fingerprint(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    char text[SNAPSHOT_FINGERPRINT_MAX];
    struct kb_error error = {0};
    struct kb_import_report report;
    struct kb_import_options options = {.size = sizeof options};
    machine_begin(&machine);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    file_fingerprint(1, text);
    refuse(&machine, &options, file.path, KB_E_SIGNATURE, text);
    refuse(&machine, NULL, file.path, KB_E_SIGNATURE, "has not joined");
    file_fingerprint(2, text);
    options.trust = text;
    refuse(&machine, &options, file.path, KB_E_SIGNATURE, "is not signed by the key");

    file_fingerprint(1, text);
    ok(take_file(&machine, file.path, text, &report, &error), &error);
    assert_int_equal(report.kind, KB_SNAPSHOT_SERVER);
    assert_string_equal(report.signer, text);
    assert_string_equal(report.name, "the server");
    assert_int_equal(report.seq, 1000);
    assert_int_equal(report.bags, 3);
    assert_int_equal(report.items, 5);
    assert_int_equal(report.left_out, 1);
    assert_int_equal(report.taken, 3);
    assert_int_equal(report.users, 2);
    assert_int_equal(report.items_taken, 5);

    /* from now on it is known */
    ok(take_file(&machine, file.path, NULL, &report, &error), &error);
    file_of_people(&file, machine.folder, (struct file_form){.who = 2});
    assert_int_equal(take_file(&machine, file.path, NULL, &report, &error), KB_E_SIGNATURE);
    machine_end(&machine);
}

static void the_people_in_it_can_sign_in(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    char text[SNAPSHOT_FINGERPRINT_MAX];
    struct kb_error error = {0};
    machine_begin(&machine);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    file_fingerprint(1, text);
    ok(take_file(&machine, file.path, text, NULL, &error), &error);
    machine_again(&machine);
    login(&machine, "Ann");
    assert_string_equal(get(&machine, "user:Ann", "copy"), "two sides");
    assert_string_equal(get(&machine, "user:Ann", "fax"), "fine");
    assert_null(get(&machine, "user:Ann", "secret/key"));
    assert_string_equal(get(&machine, "user:Bo", "copy"), "one side");
    assert_string_equal(get(&machine, "group:sales", "address-list/group/1"), "Bo");
    machine_end(&machine);
}

static void the_servers_own_file_needs_none(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct kb_error error = {0};
    machine_begin(&machine);
    machine_of(&machine, 1);
    file_of_people(&file, machine.folder, (struct file_form){.who = 2});
    refuse(&machine, NULL, file.path, KB_E_SIGNATURE, "by the server that this machine has joined");
    file_of_people(&file, machine.folder,
                   (struct file_form){.who = 1, .history = "another history"});
    refuse(&machine, NULL, file.path, KB_E_HISTORY, "of another server");
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    ok(take_file(&machine, file.path, NULL, NULL, &error), &error);
    assert_int_equal(status_of(&machine).users, 2);
    assert_string_equal(get(&machine, "user:Ann", "copy"), "two sides");
    machine_end(&machine);
}

static void a_password_is_asked_for(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct kb_error error = {0};
    struct kb_import_options options = {.size = sizeof options};
    machine_begin(&machine);
    machine_of(&machine, 1);
    file_of_people(&file, machine.folder,
                   (struct file_form){.who = 1, .password = "correct horse"});
    refuse(&machine, &options, file.path, KB_E_PASSWORD, "with a password: give it");
    options.password = "correct horsE";
    refuse(&machine, &options, file.path, KB_E_PASSWORD, "is another one");
    options.password = "correct horse";
    ok(kb_import(machine.kb, file.path, &options, NULL, &error), &error);
    assert_string_equal(get(&machine, "user:Ann", "secret/key"), "hunter2");
    machine_end(&machine);
}

static void what_is_no_file_for_it_is_refused(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    char path[TMP_FOLDER_MAX];
    struct kb_import_options options = {.size = sizeof options};
    machine_begin(&machine);
    machine_of(&machine, 1);
    tmp_folder_path(path, machine.folder, "nothing");
    refuse(&machine, &options, path, KB_E_NOT_FOUND, "nothing");
    tmp_folder_write(path, "[1, 2, 3] is no snapshot");
    refuse(&machine, &options, path, KB_E_MALFORMED, "is no snapshot of Kitbag");
    refuse(&machine, &options, machine.folder, KB_E_INVALID, "is no file");
    tmp_folder_path(path, machine.folder, "fifo"); /* nobody waits for its other end */
    assert_int_equal(mkfifo(path, 0600), 0);
    refuse(&machine, &options, path, KB_E_INVALID, "is no file");
    file_begin(&file, machine.folder, (struct file_form){.who = 1, .kind = SNAPSHOT_OUTBOX});
    file_end(&file);
    refuse(&machine, &options, file.path, KB_E_INVALID, "kitbagctl import outbox");
    options.size--;
    refuse(&machine, &options, file.path, KB_E_INVALID, "this version");
    machine_end(&machine);
}

/* Cut at any place, or with any byte altered: it is named, and nothing is changed. */
static void what_is_not_whole_is_refused(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct stat info;
    static uint8_t bytes[4096];
    machine_begin(&machine);
    machine_of(&machine, 1);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    int fd = open(file.path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    size_t size = (size_t)info.st_size;
    assert_true(size < sizeof bytes);
    assert_int_equal(pread(fd, bytes, size, 0), size);
    for (size_t i = 0; i < size; i++) {
        struct kb_error error = {0};
        assert_int_equal(ftruncate(fd, (off_t)i), 0);
        assert_int_equal(take_file(&machine, file.path, NULL, NULL, &error), KB_E_MALFORMED);
        assert_int_equal(pwrite(fd, bytes, size, 0), size);
        uint8_t other = bytes[i] ^ (uint8_t)(1u << (i % 8));
        assert_int_equal(pwrite(fd, &other, 1, (off_t)i), 1);
        int rc = take_file(&machine, file.path, NULL, NULL, &error);
        assert_true(rc == KB_E_MALFORMED || rc == KB_E_SIGNATURE || rc == KB_E_FORMAT);
        assert_int_equal(error.code, rc);
        assert_int_equal(pwrite(fd, bytes, size, 0), size);
    }
    (void)close(fd);
    assert_untouched(&machine);
    ok(take_file(&machine, file.path, NULL, NULL, NULL), NULL);
    machine_end(&machine);
}

/* Each allocation fails once: nothing is taken then, or (where it was of no use) all of it. */
static void memory_that_runs_out_changes_nothing(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    unsigned refused = 0;
    machine_begin(&machine);
    machine_of(&machine, 1);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    for (unsigned nth = 1;; nth++) {
        struct kb_error error = {0};
        fail_alloc_at(nth);
        int rc = take_file(&machine, file.path, NULL, NULL, &error);
        if (!fail_alloc_stop()) {
            ok(rc, &error);
            break;
        }
        assert_true(rc == 0 || rc == KB_E_NOMEM);
        assert_int_equal(error.code, rc);
        if (rc == 0) { /* behind the switch */
            break;
        }
        refused++;
        assert_untouched(&machine);
    }
    assert_true(refused > 10);
    assert_int_equal(status_of(&machine).users, 2);
    machine_end(&machine);
}

static void another_servers_token_is_none_for_it(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    char fingerprint[SNAPSHOT_FINGERPRINT_MAX];
    char text[TOKEN_TEXT_MAX];
    struct kb_error error = {0};
    struct sign_pair other = file_signer(2);
    struct join_token token = {.address_count = 1, .addresses = {"127.0.0.1:1"}, .server_key = {1}};
    machine_begin(&machine);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    file_fingerprint(1, fingerprint);
    ok(take_file(&machine, file.path, fingerprint, NULL, &error), &error);
    memcpy(token.signing_key, other.public_key, KEY_SIZE);
    assert_int_equal(token_format(&token, text, NULL), 0);
    assert_int_equal(kb_join(machine.kb, text, NULL, NULL, &error), KB_E_HISTORY);
    assert_non_null(strstr(error.text, "the token is of another one"));
    machine_end(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_it_does_not_know_needs_a_fingerprint),
        cmocka_unit_test(the_people_in_it_can_sign_in),
        cmocka_unit_test(the_servers_own_file_needs_none),
        cmocka_unit_test(a_password_is_asked_for),
        cmocka_unit_test(what_is_no_file_for_it_is_refused),
        cmocka_unit_test(what_is_not_whole_is_refused),
        cmocka_unit_test(memory_that_runs_out_changes_nothing),
        cmocka_unit_test(another_servers_token_is_none_for_it),
    };
    return cmocka_run_group_tests_name("client/kb_import", tests, NULL, NULL);
}
