/* tests/client/test_kb_status.c - status, verify, names of codes. */
#include "tests/client/kb_samples.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"

static void counts_what_is_there(void **state)
{
    (void)state;
    struct machine m;
    machine_begin(&m);
    struct kb_status status = status_of(&m);
    assert_int_equal(status.phase, KB_PHASE_ALONE);
    assert_string_equal(status.device, "");
    assert_int_equal(status.bags + status.pending, 0);
    assert_int_equal(status.code, 0);
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "a", "1");
    status = status_of(&m);
    assert_int_equal(status.users, 1);
    assert_int_equal(status.bags, 1);
    assert_int_equal(status.bags_complete, 1);
    assert_int_equal(status.pending, 2);
    machine_end(&m);
}

static void a_connected_one_tells_more(void **state)
{
    (void)state;
    struct machine m;
    struct toy *toy = toy_new();
    machine_begin(&m);
    machine_join(&m, toy);
    machine_start(&m);
    login(&m, "Ann");
    wait_until(status_of(&m).phase == KB_PHASE_CURRENT);
    struct kb_status status = status_of(&m);
    assert_int_equal(status.bags, 3); /* fleet, device, Ann */
    assert_int_equal(status.bags_complete, 3);
    assert_true(status.head_seq >= status.seq && status.seq > 0);
    assert_true(status.last_heard_ms > 1000000000000);
    assert_int_equal(strlen(status.history), 32);
    assert_int_equal(strncmp(status.server, "127.0.0.1:", 10), 0);
    machine_end(&m);
    toy_free(toy);
}

static void put_ann(struct toy *toy, void *context)
{
    struct toy_bag *bag = toy_ensure(toy, OWNER_USER, span_str("Ann"));
    toy_put_text(toy, bag, "needle/in/a/haystack", context);
}

/* A damaged record is counted, and comes anew. */
static void verifying_finds_damage_and_it_heals(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    struct kb_verify_report report = {.records = 0};
    struct toy *toy = toy_new();
    char path[TMP_FOLDER_MAX];
    struct buf bytes;
    machine_begin(&m);
    machine_join(&m, toy);
    toy_do(toy, put_ann, (char[]){"value-of-the-needle"});
    machine_start(&m);
    login(&m, "Ann");
    ok(kb_verify(m.kb, &report, &error), &error);
    assert_int_equal(report.damaged, 0);
    assert_true(report.records > 5 && report.batches > 0);
    kb_close(&m.kb);
    tmp_folder_path(path, m.dir, "replica/data.mdb");
    buf_init(&bytes, 1 << 24);
    assert_int_equal(file_read(path, &bytes, NULL), 0);
    for (size_t i = 0; i + 19 < bytes.size; i++) {
        if (memcmp(bytes.data + i, "value-of-the-needle", 19) == 0) {
            bytes.data[i + 3] ^= 1;
        }
    }
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, bytes.data, bytes.size, 0), (ssize_t)bytes.size);
    (void)close(fd);
    buf_free(&bytes);
    machine_open(&m);
    assert_int_equal(kb_verify(m.kb, &report, &error), KB_E_CORRUPT);
    assert_true(report.damaged > 0);
    assert_int_equal(status_of(&m).bags_complete, status_of(&m).bags - 1);
    machine_start(&m);
    wait_until(status_of(&m).bags_complete == status_of(&m).bags);
    assert_string_equal(get(&m, "user:Ann", "needle/in/a/haystack"), "value-of-the-needle");
    ok(kb_verify(m.kb, &report, &error), &error);
    machine_end(&m);
    toy_free(toy);
}

static void codes_have_names_and_exit_codes(void **state)
{
    (void)state;
    assert_string_equal(kb_code_name(KB_OK), "ok");
    assert_string_equal(kb_code_name(KB_E_BUSY), "busy");
    assert_string_equal(kb_code_name(KB_E_NOT_SIGNED_IN), "not_signed_in");
    assert_string_equal(kb_code_name(12345), "unknown");
    assert_int_equal(kb_exit_code(KB_OK), 0);
    assert_int_equal(kb_exit_code(KB_E_NOT_FOUND), 3);
    assert_int_equal(kb_exit_code(KB_E_CONDITION), 4);
    assert_int_equal(kb_exit_code(KB_E_STOPPED), 5);
    assert_int_equal(kb_exit_code(KB_E_TIMEOUT), 6);
    assert_int_equal(kb_exit_code(12345), 1);
    assert_string_equal(kb_version(), KITBAG_VERSION);
}

static void a_refusal_that_stands_has_a_remedy(void **state)
{
    (void)state;
    static const int standing[] = {E_TOKEN_UNKNOWN,  E_TOKEN_USED, E_TOKEN_EXPIRED, E_NOT_ALLOWED,
                                   E_DEVICE_REMOVED, E_HISTORY,    E_DIVERGED,      E_PROTOCOL};
    for (size_t i = 0; i < sizeof standing / sizeof standing[0]; i++) {
        const char *remedy = client_remedy(standing[i]);
        assert_non_null(remedy);
        assert_true(strlen(remedy) + 100 < ERR_TEXT_MAX); /* whole, behind the server's words */
    }
    assert_non_null(strstr(client_remedy(E_DIVERGED), "history fork"));
    assert_null(client_remedy(0));
    assert_null(client_remedy(E_UNREACHABLE));
    assert_null(client_remedy(E_STOPPED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_is_there),
        cmocka_unit_test(a_connected_one_tells_more),
        cmocka_unit_test(verifying_finds_damage_and_it_heals),
        cmocka_unit_test(codes_have_names_and_exit_codes),
        cmocka_unit_test(a_refusal_that_stands_has_a_remedy),
    };
    return cmocka_run_group_tests_name("client/kb_status", tests, NULL, NULL);
}
