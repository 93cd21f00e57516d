/* tests/client/test_kb_saved.c - files of what is about to be replaced. */
#include <unistd.h>

#include "client/kb_policy.h"
#include "tests/client/kb_samples.h"
#include "tests/support/fail_alloc.h"

static struct replica_bag bag_of(struct machine *m, const char *name)
{
    struct owner owner;
    struct replica_bag bag;
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str(name), 0, NULL), 0);
    assert_int_equal(replica_bag_by_owner(m->kb->replica, &owner, &bag, NULL), 0);
    return bag;
}

static void a_bag_is_saved_and_comes_back(void **state)
{
    (void)state;
    struct machine m;
    struct err err = {0};
    struct kb_error error = {0};
    char path[PATH_MAX];
    char second[PATH_MAX];
    machine_begin(&m);
    login(&m, "ann");
    (void)set(&m, "user:ann", "network/key", "a secret");
    (void)set(&m, "user:ann", "a", "1");
    struct replica_bag bag = bag_of(&m, "ann");
    assert_int_equal(client_save_bag(m.kb, &bag, path, &err), 0);
    assert_non_null(strstr(path, "/data/replaced-"));
    (void)set(&m, "user:ann", "a", "2");
    (void)set(&m, "user:ann", "network/key", "another");
    assert_int_equal(client_save_bag(m.kb, &bag, second, &err), 0);
    assert_string_not_equal(path, second); /* also within one second */
    struct kb_import_report report = {0};
    ok(kb_import(m.kb, path, NULL, &report, &error), &error);
    assert_int_equal(report.kind, KB_SNAPSHOT_MACHINE);
    assert_int_equal(report.items_taken, 2);
    assert_string_equal(get(&m, "user:ann", "a"), "1*");
    assert_string_equal(get(&m, "user:ann", "network/key"), "a secret*");
    machine_end(&m);
}

static void of_nothing_there_is_no_file(void **state)
{
    (void)state;
    struct machine m;
    struct err err = {0};
    char path[PATH_MAX] = "x";
    machine_begin(&m);
    login(&m, "ann");
    struct replica_bag bag = bag_of(&m, "ann");
    assert_int_equal(client_save_bag(m.kb, &bag, path, &err), 0);
    assert_string_equal(path, "");
    machine_end(&m);
}

static void a_file_that_is_not_whole_does_not_stay(void **state)
{
    (void)state;
    struct machine m;
    struct err err = {0};
    char partial[TMP_FOLDER_MAX + 32];
    machine_begin(&m);
    login(&m, "ann");
    struct replica_bag bag = bag_of(&m, "ann");
    struct client_saving saving = {.kb = m.kb, .fd = -1};
    client_saving_bag(&saving, &bag);
    assert_int_equal(client_saving_item(&saving, SPAN_LITERAL("a"), 1, SPAN_LITERAL("1"), &err), 0);
    (void)snprintf(partial, sizeof partial, "%s/replaced.partial", m.dir);
    assert_int_equal(access(partial, F_OK), 0);
    assert_int_equal(client_saving_end(&saving, E_IO, &err), E_IO);
    assert_int_not_equal(access(partial, F_OK), 0);
    assert_string_equal(saving.path, "");
    machine_end(&m);
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    struct machine m;
    struct replica_bag bag;
    machine_begin(&m);
    login(&m, "ann");
    (void)set(&m, "user:ann", "a", "1");
    bag = bag_of(&m, "ann");
    for (unsigned nth = 1;; nth++) {
        struct err err = {0};
        char path[PATH_MAX];
        fail_alloc_at(nth);
        int rc = client_save_bag(m.kb, &bag, path, &err);
        bool failed = fail_alloc_stop();
        if (!failed) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc != 0, path[0] == '\0');
    }
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bag_is_saved_and_comes_back),
        cmocka_unit_test(of_nothing_there_is_no_file),
        cmocka_unit_test(a_file_that_is_not_whole_does_not_stay),
        cmocka_unit_test(without_memory_there_is_none),
    };
    return cmocka_run_group_tests_name("client/kb_saved", tests, NULL, NULL);
}
