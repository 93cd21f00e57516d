/* tests/client/test_kb_export.c - what a machine puts into its files. */
#include "tests/client/file_samples.h"

#include <errno.h>

#include "tests/support/io_calls.h"

/* The file's items as "OWNER PATH=VALUE\n" each, operations as "op NUMBER\n". */
static void show(const char *path, const char *password, struct snapshot_header *header, char *out,
                 size_t size)
{
    struct err err = {0};
    struct snapshot_record record = {.type = SNAPSHOT_BAG};
    struct snapshot_reader *reader = NULL;
    struct snapshot_keys keys = {.password = span_str(password != NULL ? password : "")};
    struct buf text;
    buf_init(&text, size);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    int rc = snapshot_open(&reader, fd, path, &err);
    rc = rc != 0 ? rc : snapshot_verify(reader, &keys, &err);
    if (rc != 0) {
        fail_msg("%s", err.text);
    }
    *header = *snapshot_header(reader);
    while (record.type != SNAPSHOT_END) {
        char owner[OWNER_TEXT_MAX];
        assert_int_equal(snapshot_next(reader, &record, &err), 0);
        if (record.type == SNAPSHOT_ITEM) {
            owner_format(&record.bag->owner, owner);
            (void)buf_printf(&text, "%s %.*s=%.*s\n", owner, (int)record.path.size,
                             (const char *)record.path.data, (int)record.row.value.size,
                             (const char *)record.row.value.data);
        } else if (record.type == SNAPSHOT_OPERATION) {
            (void)buf_printf(&text, "op %d\n", (int)record.number);
        }
    }
    (void)buf_append_u8(&text, 0);
    assert_int_equal(buf_error(&text), 0);
    memcpy(out, text.data, text.size);
    buf_free(&text);
    snapshot_close(&reader);
    (void)close(fd);
}

static void what_is_here_and_what_was_written(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct snapshot_header header;
    struct stat info;
    char path[TMP_FOLDER_MAX];
    char text[1000];
    struct kb_error error = {0};
    struct kb_export_report report;
    machine_begin(&machine);
    machine_of(&machine, 1);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    ok(take_file(&machine, file.path, NULL, NULL, &error), &error);
    (void)set(&machine, "user:Ann", "a", "before all");
    (void)set(&machine, "user:Ann", "copy", "mine");
    (void)set(&machine, "user:Ann", "zoom", "behind all");
    ok(kb_remove(machine.kb, "user:Ann", "fax", NULL, NULL, &error), &error);
    tmp_folder_path(path, machine.folder, "mine.kitbag");
    ok(kb_export(machine.kb, path, NULL, &report, &error), &error);
    assert_int_equal(report.users, 2);
    assert_int_equal(report.groups, 1);
    assert_int_equal(report.items, 5);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(report.bytes, info.st_size);
    show(path, NULL, &header, text, sizeof text);
    assert_string_equal(text, "user:Ann a=before all\nuser:Ann copy=mine\nuser:Ann zoom=behind "
                              "all\ngroup:Sales address-list/group/1=Bo\nuser:Bo copy=one side\n");
    assert_int_equal(header.kind, SNAPSHOT_MACHINE);
    assert_int_equal(header.device, 5);
    assert_string_equal(header.name, "Printer");
    assert_true(header.has_history);
    assert_memory_equal(header.history, FILE_HISTORY, HISTORY_SIZE);
    assert_int_equal(header.seq, 1000);
    assert_true(snapshot_fingerprint_is(report.signer, header.signer));

    assert_int_equal(kb_export(machine.kb, path, NULL, NULL, &error), KB_E_EXISTS);
    machine_end(&machine);
}

/* Only the server, which knows the device's key, can tell. */
static void the_device_vouches_for_its_signature(void **state)
{
    (void)state;
    struct machine machine;
    struct snapshot_header header;
    char path[TMP_FOLDER_MAX];
    char text[1000];
    uint8_t proof[KEY_PROOF_SIZE];
    const uint8_t server_secret[KEY_SIZE] = {1, 1};
    struct kb_error error = {0};
    machine_begin(&machine);
    machine_of(&machine, 1);
    tmp_folder_path(path, machine.folder, "mine.kitbag");
    ok(kb_export(machine.kb, path, NULL, NULL, &error), &error);
    show(path, NULL, &header, text, sizeof text);
    assert_true(header.has_proof);
    assert_int_equal(
        key_vouch(server_secret, machine.kb->identity.keys.public_key, 5, header.signer, proof), 0);
    assert_memory_equal(proof, header.proof, sizeof proof);
    machine_end(&machine);
}

static void secrets_need_a_password(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct buf row;
    struct snapshot_header header;
    char path[TMP_FOLDER_MAX];
    char text[1000];
    struct kb_error error = {0};
    struct kb_export_report report;
    struct kb_export_options options = {.size = sizeof options, .password = "correct horse"};
    struct category secret = {
        .path = "keychain", .path_size = 8, .secret = true, .title = "K", .title_ja = "K"};
    machine_begin(&machine);
    machine_of(&machine, 1);
    buf_init(&row, 1000);
    sharing_put_category(&row, &secret);
    struct item_row fleet = {.state = ITEM_LIVE, .seq = 3, .value = buf_span(&row)};
    file_begin(&file, machine.folder, (struct file_form){.who = 1});
    file_bag(&file, "fleet", 2, 3);
    assert_int_equal(
        snapshot_put_item(file.writer, SPAN_LITERAL("@category/keychain"), &fleet, NULL), 0);
    file_bag(&file, "user:Ann", 7, 900);
    file_item(&file, "keychain/mail", 800, "hunter2");
    file_end(&file);
    ok(take_file(&machine, file.path, NULL, NULL, &error), &error);
    (void)set(&machine, "user:Ann", "keychain/web", "hunter3");
    tmp_folder_path(path, machine.folder, "mine.kitbag");
    ok(kb_export(machine.kb, path, NULL, &report, &error), &error);
    assert_int_equal(report.items, 0);
    assert_int_equal(report.left_out, 2);
    assert_int_equal(unlink(path), 0);
    ok(kb_export(machine.kb, path, &options, &report, &error), &error);
    assert_int_equal(report.items, 2);
    assert_int_equal(report.left_out, 0);
    show(path, "correct horse", &header, text, sizeof text);
    assert_string_equal(text, "user:Ann keychain/mail=hunter2\nuser:Ann keychain/web=hunter3\n");
    buf_free(&row);
    machine_end(&machine);
}

static void a_full_disk_leaves_no_file(void **state)
{
    (void)state;
    struct machine machine;
    char path[TMP_FOLDER_MAX];
    struct kb_error error = {0};
    machine_begin(&machine);
    login(&machine, "Ann");
    (void)set(&machine, "user:Ann", "copy", "one");
    tmp_folder_path(path, machine.folder, "mine.kitbag");
    ok(kb_export(machine.kb, path, NULL, NULL, &error), &error); /* the key is made by it */
    assert_int_equal(unlink(path), 0);
    unsigned nth = 1;
    for (;; nth++) {
        io_calls_start();
        io_calls_fail("write", nth, ENOSPC);
        int rc = kb_export(machine.kb, path, NULL, NULL, &error);
        bool failed = io_calls_failed();
        io_calls_stop();
        if (!failed) {
            ok(rc, &error);
            break;
        }
        assert_int_equal(rc, KB_E_NOSPACE);
        assert_int_equal(access(path, F_OK), -1);
    }
    assert_true(nth > 3);
    machine_end(&machine);
}

static void what_waits_is_put_out_with_its_numbers(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    struct snapshot_header header;
    char path[TMP_FOLDER_MAX];
    char text[1000];
    struct kb_error error = {0};
    struct kb_export_report report;
    machine_begin(&machine);
    machine_of(&machine, 1);
    tmp_folder_path(path, machine.folder, "outbox.kitbag");
    assert_int_equal(kb_export_outbox(machine.kb, path, NULL, &error), KB_E_NOT_FOUND);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    ok(take_file(&machine, file.path, NULL, NULL, &error), &error);
    (void)set(&machine, "user:Ann", "copy", "one");
    uint64_t dropped = set(&machine, "user:Ann", "fax", "two");
    (void)set(&machine, "user:Bo", "copy", "three");
    ok(kb_outbox_drop(machine.kb, dropped, &error), &error);
    ok(kb_export_outbox(machine.kb, path, &report, &error), &error);
    assert_int_equal(report.operations, 3); /* one of them is empty: its number counts */
    show(path, NULL, &header, text, sizeof text);
    assert_string_equal(text, "op 1\nop 2\nop 3\n");
    assert_int_equal(header.kind, SNAPSHOT_OUTBOX);
    assert_int_equal(header.writer, outbox_writer(machine.kb->outbox));
    assert_int_equal(header.device, 5);

    /* they may be at the server now, so they are neither dropped nor put out otherwise */
    assert_string_equal(get(&machine, "user:Ann", "copy"), "one*");
    assert_int_equal(kb_outbox_drop(machine.kb, 1, &error), KB_E_BUSY);
    machine_again(&machine);
    assert_int_equal(kb_outbox_drop(machine.kb, 1, &error), KB_E_BUSY);
    assert_int_equal(unlink(path), 0);
    ok(kb_export_outbox(machine.kb, path, &report, &error), &error);
    show(path, NULL, &header, text, sizeof text);
    assert_string_equal(text, "op 1\nop 2\nop 3\n");
    machine_end(&machine);
}

/* More than a session may have on its way: also after a crash none of them is changed. */
static void what_was_put_out_stays_so_after_a_crash(void **state)
{
    (void)state;
    struct machine machine;
    struct file file;
    char path[TMP_FOLDER_MAX];
    char value[32];
    struct kb_error error = {0};
    struct kb_export_report report;
    machine_begin(&machine);
    machine_of(&machine, 1);
    file_of_people(&file, machine.folder, (struct file_form){.who = 1});
    ok(take_file(&machine, file.path, NULL, NULL, &error), &error);
    uint64_t last = 0;
    for (int i = 0; i < 1100; i++) {
        (void)snprintf(value, sizeof value, "%d", i);
        last = set(&machine, "user:Ann", "copy", value);
    }
    tmp_folder_path(path, machine.folder, "outbox.kitbag");
    ok(kb_export_outbox(machine.kb, path, &report, &error), &error);
    assert_int_equal(report.operations, 1100);
    /* a session began, and did not end: as a crash leaves it */
    struct buf bytes;
    uint32_t count = 0;
    buf_init(&bytes, 1 << 20);
    assert_int_equal(outbox_read(machine.kb->outbox, 1, 1, 1 << 20, &bytes, &count, NULL), 0);
    buf_free(&bytes);
    machine_again(&machine);
    assert_int_equal(kb_outbox_drop(machine.kb, last, &error), KB_E_BUSY);
    machine_end(&machine);
}

static void a_machine_alone_has_no_server_for_it(void **state)
{
    (void)state;
    struct machine machine;
    char path[TMP_FOLDER_MAX];
    struct kb_error error = {0};
    machine_begin(&machine);
    login(&machine, "Ann");
    (void)set(&machine, "user:Ann", "copy", "one");
    tmp_folder_path(path, machine.folder, "outbox.kitbag");
    assert_int_equal(kb_export_outbox(machine.kb, path, NULL, &error), KB_E_NOT_JOINED);
    assert_int_equal(access(path, F_OK), -1);
    machine_end(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_here_and_what_was_written),
        cmocka_unit_test(the_device_vouches_for_its_signature),
        cmocka_unit_test(secrets_need_a_password),
        cmocka_unit_test(a_full_disk_leaves_no_file),
        cmocka_unit_test(what_waits_is_put_out_with_its_numbers),
        cmocka_unit_test(what_was_put_out_stays_so_after_a_crash),
        cmocka_unit_test(a_machine_alone_has_no_server_for_it),
    };
    return cmocka_run_group_tests_name("client/kb_export", tests, NULL, NULL);
}
